/* Functions of one element, named by the type they compute in (exp_f32, exp_f64, fmod_i64).

   They have no branches and call nothing, so that a compiler turns the loop around them into
   vector instructions; where that would cost correctness they call the C library, as said there.
   NaN gives NaN, and zeros, infinities and numbers below the normal range are treated as NumPy
   treats them. The bounds are in units in the last place (ulp) of the result, against the exact
   value, and are tested. All coefficients are minimax fits made for this file. */

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of_f32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float f32_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline uint64_t bits_of_f64(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline double f64_of_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* ---- float: exponentials ---- */

/* x = n ln 2 + rest with a whole n and |rest| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to a whole
   number and leaves n + 254 in the low bits of `code`. */
typedef struct {
  float rest;
  uint32_t code;
} sl_reduced_f32;

static inline sl_reduced_f32 reduce_f32(float x) {
  const float shift = 0x1.8p23f + 254;
  float shifted = x * 0x1.715476p+0f + shift;
  float n = shifted - shift;
  float rest = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
  return (sl_reduced_f32){rest, bits_of_f32(shifted)};
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2. */
static inline float exp_series_f32(float r) {
  float q = 0x1.6d995ap-10f;
  q = q * r + 0x1.122838p-7f;
  q = q * r + 0x1.555486p-5f;
  q = q * r + 0x1.5554b0p-3f;
  return q * r + 0.5f;
}

/* e^x, within 2 ulp. 2^n is applied in two halves, so that no result is lost at either end. */
static inline float exp_f32(float x) {
  sl_reduced_f32 part = reduce_f32(x);
  float r = part.rest;
  float y = (r * r) * exp_series_f32(r) + r + 1.0f;
  uint32_t half = part.code >> 1;
  y = y * f32_of_bits(half << 23) * f32_of_bits((part.code - half) << 23);
  y = x > 89.0f ? INFINITY : y;
  return x < -104.0f ? 0.0f : y;
}

/* e^x - 1, within 2 ulp. */
static inline float expm1_f32(float x) {
  sl_reduced_f32 part = reduce_f32(x);
  float r = part.rest;
  float y = (r * r) * exp_series_f32(r) + r;
  float half_power = f32_of_bits((part.code - 128) << 23); /* 2^(n - 1): 2^128 is too much */
  y = 2.0f * (half_power * y + (half_power - 0.5f));
  y = x > 89.0f ? INFINITY : y;
  y = x < -18.0f ? -1.0f : y;
  return fabsf(x) < 0x1p-25f ? x : y;
}

/* 1 / (1 + e^-x), within 3 ulp; 0 below -88.73, where e^-x is infinite, as NumPy has it. */
static inline float sigmoid_f32(float x) { return 1.0f / (1.0f + exp_f32(-x)); }

/* tanh x, within 4 ulp and never beyond 1: from tanh(x/2) = p/2q by the formula of the double
   argument, which damps the rounding of p and q. Positive floats are ordered as their bits are,
   and minima of integers are cheap. */
static inline float tanh_f32(float x) {
  uint32_t sign = bits_of_f32(x) & 0x80000000u;
  uint32_t magnitude = bits_of_f32(x) ^ sign;
  float t = f32_of_bits(magnitude < 0x411051ecu ? magnitude : 0x411051ecu); /* 9.02 */
  float z = t * t;
  float p = 0x1.d8db9ep-14f;
  p = p * z + 0x1.e6a7b8p-6f;
  p = p * (z * t) + t;
  float q = 0x1.417dc4p-20f;
  q = q * z + 0x1.3a59fep-10f;
  q = q * z + 0x1.ceff34p-4f;
  q = q * z; /* less 1, which is added where it costs no digit */
  uint32_t y = bits_of_f32((p * q + p) / (1.0f + (q * (q + 2.0f) + 0.25f * p * p)));
  y = y < 0x3f800000u ? y : 0x3f800000u; /* 1 */
  return x != x ? x : f32_of_bits(y | sign);
}

/* erf x, within 3 ulp: x times a polynomial in x^2 below 0.9, 1 - e^p(x) above. */
static inline float erf_f32(float x) {
  uint32_t sign = bits_of_f32(x) & 0x80000000u;
  uint32_t magnitude = bits_of_f32(x) ^ sign;
  float t = f32_of_bits(magnitude < 0x407b851fu ? magnitude : 0x407b851fu); /* 3.93 */
  float z = t * t;
  float small = -0x1.402ea0p-11f;
  small = small * z + 0x1.48ea72p-8f;
  small = small * z - 0x1.b6e0eep-6f;
  small = small * z + 0x1.ce219ap-4f;
  small = small * z - 0x1.81271ep-2f;
  small = small * (z * t) + 0x1.20dd76p+0f * t;
  float p = -0x1.1933fap-16f;
  p = p * t + 0x1.890558p-12f;
  p = p * t - 0x1.f6305ep-9f;
  p = p * t + 0x1.8a9564p-6f;
  p = p * t - 0x1.b4099cp-4f;
  p = p * t - 0x1.453990p-1f;
  p = p * t - 0x1.20e59ep+0f;
  p = p * t - 0x1.b9e23ep-15f;
  sl_reduced_f32 part = reduce_f32(p);
  float r = part.rest;
  float power = f32_of_bits((part.code - 127) << 23);
  float large = 1.0f - power * ((r * r) * exp_series_f32(r) + r + 1.0f);
  uint32_t y = bits_of_f32(t < 0.9f ? small : large);
  return x != x ? x : f32_of_bits(y | sign);
}

/* ---- float: logarithms ---- */

/* ln x - down ln 2 for normal x > 0: x = 2^e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). */
static inline float log_normal_f32(float x, float down) {
  uint32_t bits = bits_of_f32(x) - 0x3f3504f3u; /* the bits of sqrt(1/2) */
  float e = (float)((int32_t)bits >> 23) - down;
  float f = f32_of_bits((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  float p = -0x1.41f6cap-4f;
  p = p * f + 0x1.07d27cp-3f;
  p = p * f - 0x1.0cdf5cp-3f;
  p = p * f + 0x1.226e08p-3f;
  p = p * f - 0x1.5478aap-3f;
  p = p * f + 0x1.99a59ap-3f;
  p = p * f - 0x1.000220p-2f;
  p = p * f + 0x1.55554ap-2f;
  float square = f * f;
  float y = (square * f) * p - 0.5f * square;
  return e * 0x1.62e430p-1f + (f + y);
}

/* ln x, within 2 ulp; NaN below zero. */
static inline float log_f32(float x) {
  int small = x < 0x1p-126f;
  float y = log_normal_f32(small ? x * 0x1p25f : x, small ? 25.0f : 0.0f);
  y = x < INFINITY ? y : x;
  y = x == 0.0f ? -INFINITY : y;
  return x < 0.0f ? NAN : y;
}

/* ln(1 + x), within 2 ulp: ln u, corrected by what rounding 1 + x to u has cost. */
static inline float log1p_f32(float x) {
  float u = 1.0f + x;
  float y = log_normal_f32(u, 0.0f) + (x - (u - 1.0f)) / u;
  y = u < INFINITY ? y : u;
  y = u == 0.0f ? -INFINITY : y;
  y = u < 0.0f ? NAN : y;
  return u == 1.0f ? x : y;
}
/* ---- double: exponentials ---- */

/* As reduce_f32, with n + 2046 in the low bits of `code`. */
typedef struct {
  double rest;
  uint64_t code;
} sl_reduced_f64;

static inline sl_reduced_f64 reduce_f64(double x) {
  const double shift = 0x1.8p52 + 2046;
  double shifted = x * 0x1.71547652b82fep+0 + shift;
  double n = shifted - shift;
  double rest = (x - n * 0x1.62e42fefa3800p-1) - n * 0x1.ef35793c76730p-45;
  return (sl_reduced_f64){rest, bits_of_f64(shifted)};
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2. */
static inline double exp_series_f64(double r) {
  double q = 0x1.af6d589a4afc3p-26;
  q = q * r + 0x1.2897b99db86fap-22;
  q = q * r + 0x1.71ddf05e19cbfp-19;
  q = q * r + 0x1.a019b34e8db17p-16;
  q = q * r + 0x1.a01a01b2c4399p-13;
  q = q * r + 0x1.6c16c17a155b6p-10;
  q = q * r + 0x1.111111110f0bap-7;
  q = q * r + 0x1.5555555553acfp-5;
  q = q * r + 0x1.555555555555ap-3;
  return q * r + 0.5;
}

/* e^x, within 2 ulp. */
static inline double exp_f64(double x) {
  sl_reduced_f64 part = reduce_f64(x);
  double r = part.rest;
  double y = (r * r) * exp_series_f64(r) + r + 1.0;
  uint64_t half = part.code >> 1;
  y = y * f64_of_bits(half << 52) * f64_of_bits((part.code - half) << 52);
  y = x > 710.0 ? (double)INFINITY : y;
  return x < -746.0 ? 0.0 : y;
}

/* e^x - 1, within 3 ulp. */
static inline double expm1_f64(double x) {
  sl_reduced_f64 part = reduce_f64(x);
  double r = part.rest;
  double y = (r * r) * exp_series_f64(r) + r;
  double half_power = f64_of_bits((part.code - 1024) << 52); /* 2^(n - 1) */
  y = 2.0 * (half_power * y + (half_power - 0.5));
  y = x > 710.0 ? (double)INFINITY : y;
  y = x < -38.0 ? -1.0 : y;
  return fabs(x) < 0x1p-54 ? x : y;
}

/* 1 / (1 + e^-x), within 3 ulp; 0 below -709.78, where e^-x is infinite, as NumPy has it. */
static inline double sigmoid_f64(double x) { return 1.0 / (1.0 + exp_f64(-x)); }

/* tanh x, within 3 ulp: (e^2x - 1) / (e^2x + 1). */
static inline double tanh_f64(double x) {
  double t = fabs(x) > 20.0 ? 20.0 : fabs(x);
  double e = expm1_f64(2.0 * t);
  return copysign(e / (e + 2.0), x);
}

/* ---- double: logarithms ---- */

/* ln x - down ln 2 for normal x > 0, as log_normal_f32; with s = f / (2 + f), ln(1 + f) is
   2 artanh s, which is written so that f, by far the largest part, is not rounded. */
static inline double log_normal_f64(double x, double down) {
  const uint64_t start = 0x3fe6a09e667f3bcdu; /* the bits of sqrt(1/2) */
  uint64_t bits = bits_of_f64(x) - start + 0x3ff0000000000000u; /* e + 1023 in the exponent */
  double e = f64_of_bits((bits >> 52) | 0x4330000000000000u) - (0x1p52 + 1023) - down;
  double f = f64_of_bits((bits & 0x000fffffffffffffu) + start) - 1.0;
  double s = f / (2.0 + f);
  double z = s * s;
  double p = 0x1.2f07040f94267p-3;
  p = p * z + 0x1.39a1935e2e287p-3;
  p = p * z + 0x1.7466405a42315p-3;
  p = p * z + 0x1.c71c5202bb4d6p-3;
  p = p * z + 0x1.24924941f8c68p-2;
  p = p * z + 0x1.999999997fd38p-2;
  p = p * z + 0x1.5555555555592p-1;
  double half_square = 0.5 * f * f;
  double y = s * (half_square + z * p) + e * 0x1.ef35793c76730p-45 - half_square;
  return e * 0x1.62e42fefa3800p-1 + (f + y);
}

/* ln x, within 2 ulp; NaN below zero. */
static inline double log_f64(double x) {
  int small = x < 0x1p-1022;
  double y = log_normal_f64(small ? x * 0x1p54 : x, small ? 54.0 : 0.0);
  y = x < (double)INFINITY ? y : x;
  y = x == 0.0 ? -(double)INFINITY : y;
  return x < 0.0 ? (double)NAN : y;
}

/* ln(1 + x), within 3 ulp, as log1p_f32. */
static inline double log1p_f64(double x) {
  double u = 1.0 + x;
  double y = log_normal_f64(u, 0.0) + (x - (u - 1.0)) / u;
  y = u < (double)INFINITY ? y : u;
  y = u == 0.0 ? -(double)INFINITY : y;
  y = u < 0.0 ? (double)NAN : y;
  return u == 1.0 ? x : y;
}

/* ---- what the processor or the C library has: within 1 ulp, and fmod exact ---- */

static inline double erf_f64(double x) { return erf(x); }
static inline float sin_f32(float x) { return sinf(x); }
static inline double sin_f64(double x) { return sin(x); }
static inline float cos_f32(float x) { return cosf(x); }
static inline double cos_f64(double x) { return cos(x); }
static inline float pow_f32(float x, float y) { return powf(x, y); }
static inline double pow_f64(double x, double y) { return pow(x, y); }
static inline float fmod_f32(float x, float y) { return fmodf(x, y); }
static inline double fmod_f64(double x, double y) { return fmod(x, y); }
static inline float sqrt_f32(float x) { return sqrtf(x); }
static inline double sqrt_f64(double x) { return sqrt(x); }
static inline float fabs_f32(float x) { return fabsf(x); }
static inline double fabs_f64(double x) { return fabs(x); }
static inline float floor_f32(float x) { return floorf(x); }
static inline double floor_f64(double x) { return floor(x); }
static inline float rint_f32(float x) { return rintf(x); }
static inline double rint_f64(double x) { return rint(x); }
static inline int isfinite_f32(float x) { return fabsf(x) < INFINITY; }
static inline int isfinite_f64(double x) { return fabs(x) < (double)INFINITY; }
static inline int isnan_f32(float x) { return x != x; }
static inline int isnan_f64(double x) { return x != x; }

/* ---- whole numbers: exact in all 64 bits, and what is too large wraps around ---- */

/* Division by zero gives 0 here: the program has reported it. The most negative number divided by
   -1, which stops the processor, wraps around to itself. */
static inline int64_t divide_i64(int64_t x, int64_t y) {
  return y == 0 ? 0 : y == -1 ? -x : x / y;
}

static inline int64_t fmod_i64(int64_t x, int64_t y) {
  return y == 0 || y == -1 ? 0 : x % y;
}

/* Rounded down. */
static inline int64_t floor_divide_i64(int64_t x, int64_t y) {
  int64_t rest = fmod_i64(x, y);
  return divide_i64(x, y) - (rest != 0 && (rest < 0) != (y < 0));
}

/* With the sign of y. */
static inline int64_t remainder_i64(int64_t x, int64_t y) {
  int64_t rest = fmod_i64(x, y);
  return rest + (rest != 0 && (rest < 0) != (y < 0) ? y : 0);
}

/* By squaring; a negative y, which the program has reported, gives 1. */
static inline int64_t pow_i64(int64_t x, int64_t y) {
  int64_t result = 1;
  for (; y > 0; y >>= 1) {
    result *= y & 1 ? x : 1;
    x *= x;
  }
  return result;
}

static inline int64_t fabs_i64(int64_t x) { return x < 0 ? -x : x; }

/* ---- orders: whether x stands before y; NaN is last, and `tie` decides between equals ---- */

static inline int sorts_before_f64(double x, double y, int tie) {
  int less = x < y || (x == x && y != y), more = y < x || (y == y && x != x);
  return less || (!more && tie);
}

static inline int sorts_before_i64(int64_t x, int64_t y, int tie) {
  return x < y || (x == y && tie);
}
