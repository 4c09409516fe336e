/* What a compiled program is written against: the types of a call and the services of the runtime.
   This text stands in front of every program; entry.h stands behind it. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One call of a program. Updated inputs and numbers are changed where they lie. */
typedef struct {
  void **buffers;        /* data of the tensor inputs in order (constants too), then the outputs */
  double *numbers;       /* the number inputs in order, then the number outputs */
  uint64_t **generators; /* states of the random generators: uint64[4], NumPy's own memory */
  char *workspace;       /* scratch memory, aligned to 64 bytes */
  int64_t error[4];      /* code, node, value, and the step of sl_repeat that failed */
} sl_call;

enum { SL_INDEX = 1, SL_DIVISION = 2 }; /* an index out of range; an integer division by zero */

typedef void (*sl_task)(const void *context, int64_t begin, int64_t end);

/* A matrix product c = alpha a b + beta c, of (m, k) and (k, n), or a batch of them: its sizes, and
   strides in elements. The rows of c are contiguous, and c is read where `adds`. */
enum { SL_BATCH = 4 }; /* dimensions of a batch, at most; 0 and 1 mean that there is none */
typedef struct {
  int64_t m, n, k, a_row, a_column, b_row, b_column, c_row;
  int64_t batch[SL_BATCH], a_batch[SL_BATCH], b_batch[SL_BATCH], c_batch[SL_BATCH];
  int reading, adds;
} sl_product;

/* How b is read: where it lies, copied a few columns at a time, copied before by sl_pack, or where
   it lies column by column, for dot products. */
enum { SL_DIRECT, SL_COPIED, SL_PACKED, SL_DOTS };

/* What a convolution does at one place of its kernel: where the numbers of that place are in the
   weights, and what they are multiplied with, a phase and the place in it. */
typedef struct {
  int64_t weight, phase, place;
} sl_tap;

/* One dimension of a convolution. Pictures are copied, with their borders, into `phases` rows of
   `length`: place i of phase f holds element i * step + f - before, or 0 beyond the picture. There
   are `count` windows, which begin at every `apart`-th place. */
typedef struct {
  int64_t size, x_step, step, phases, before, length, count, apart, out_step, taps;
  const sl_tap *tap;
} sl_axis;

/* A convolution, or an adjoint of one: sizes for each group, strides in elements, and where in the
   scratch memory (in bytes) things are. One of x, weight and out is computed from the other two. */
typedef struct {
  int64_t pictures, groups, kernels, channels, parts;
  int64_t x_picture, x_group, x_channel, weight_group, weight_kernel, weight_channel;
  int64_t out_picture, out_group, out_kernel;
  int64_t width, weights, offsets, copies, copy_size, patches;
  sl_axis rows, columns;
} sl_convolution;

/* The services, one table for all programs of the process. Matrices are row-major; `ta` and `tb`
   say whether a and b are read transposed; with beta == 0, c is only written. */
typedef struct {
  void (*parallel)(sl_task task, const void *context, int64_t count);
  void (*gemm_f32)(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                   int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
  void (*gemm_f64)(int ta, int tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                   int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
  void (*multiply_f32)(const sl_product *product, const float *a, const float *b, float *c,
                       float alpha, float beta);
  void (*multiply_f64)(const sl_product *product, const double *a, const double *b, double *c,
                       double alpha, double beta);
  void (*pack_f32)(const sl_product *product, const float *b, float *panels);
  void (*pack_f64)(const sl_product *product, const double *b, double *panels);
  void (*convolve_f32)(const sl_convolution *how, const float *x, const float *weight, float *out,
                       char *scratch);
  void (*convolve_f64)(const sl_convolution *how, const double *x, const double *weight,
                       double *out, char *scratch);
  void (*correlate_f32)(const sl_convolution *how, const float *x, const float *out, float *weight,
                        char *scratch);
  void (*correlate_f64)(const sl_convolution *how, const double *x, const double *out,
                        double *weight, char *scratch);
  void (*random_words)(uint64_t *state, uint32_t *out, int64_t count);
} sl_runtime;

static const sl_runtime *sl_bound;
#define sl_parallel (sl_bound->parallel) /* task(context, begin, end) on parts of 0..count */
#define sl_gemm_f32 (sl_bound->gemm_f32)
#define sl_gemm_f64 (sl_bound->gemm_f64)
#define sl_multiply_f32 (sl_bound->multiply_f32)
#define sl_multiply_f64 (sl_bound->multiply_f64)
#define sl_pack_f32 (sl_bound->pack_f32)
#define sl_pack_f64 (sl_bound->pack_f64)
#define sl_convolve_f32 (sl_bound->convolve_f32)
#define sl_convolve_f64 (sl_bound->convolve_f64)
#define sl_correlate_f32 (sl_bound->correlate_f32)
#define sl_correlate_f64 (sl_bound->correlate_f64)
#define sl_random_words (sl_bound->random_words) /* the words of Generator.words */

/* Notes an error; kernels do: return sl_fail(call, SL_INDEX, node, index). */
static inline int64_t sl_fail(sl_call *call, int64_t code, int64_t node, int64_t value) {
  call->error[0] = code;
  call->error[1] = node;
  call->error[2] = value;
  return code;
}
