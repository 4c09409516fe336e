/* The runtime that all compiled programs of a process share: threads, matrix products, random
   words. It is compiled once, behind runtime.h, and handed to programs as the table sl_services. */

/* ---- threads ---- */

static void parallel(sl_task task, const void *context, int64_t count) {
  if (count > 0) task(context, 0, count);
}

/* ---- matrix products ---- */

#define PORTABLE_GEMM(name, real)                                                                  \
  static void name(int ta, int tb, int64_t m, int64_t n, int64_t k, real alpha, const real *a,     \
                   int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc) {     \
    for (int64_t i = 0; i < m; i++) {                                                              \
      real *row = c + i * ldc;                                                                     \
      for (int64_t j = 0; j < n; j++) row[j] = beta == 0 ? 0 : beta * row[j];                      \
      for (int64_t p = 0; p < k; p++) {                                                            \
        real scaled = alpha * (ta ? a[p * lda + i] : a[i * lda + p]);                              \
        for (int64_t j = 0; j < n; j++) row[j] += scaled * (tb ? b[j * ldb + p] : b[p * ldb + j]); \
      }                                                                                            \
    }                                                                                              \
  }
PORTABLE_GEMM(portable_f32, float)
PORTABLE_GEMM(portable_f64, double)

/* ---- random words ---- */

static uint64_t sfc64(uint64_t *s) {
  uint64_t drawn = s[0] + s[1] + s[3]++;
  s[0] = s[1] ^ (s[1] >> 11);
  s[1] = s[2] + (s[2] << 3);
  s[2] = ((s[2] << 24) | (s[2] >> 40)) + drawn;
  return drawn;
}

static void random_words(uint64_t *state, uint32_t *out, int64_t count) {
  for (int64_t i = 0; i + 1 < count; i += 2) {
    uint64_t drawn = sfc64(state);
    out[i] = (uint32_t)drawn;
    out[i + 1] = (uint32_t)(drawn >> 32);
  }
  if (count % 2) out[count - 1] = (uint32_t)sfc64(state);
}

const sl_runtime sl_services = {parallel, portable_f32, portable_f64, random_words};
