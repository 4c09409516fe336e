/* Matrix products: a BLAS found at run time, or portable loops, cut into blocks for our threads.

   A BLAS is used with one thread and the pool cuts the product: its own threads and ours would
   take each other's cores, and the cut costs nothing (32x2048x512 in float32 took 455 us with two
   of OpenBLAS's threads and 463 us with two of ours, 784x100x100 89 and 86 us; where other
   processes were busy, theirs took 24 ms). */

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
enum { UNIT = 16, SMALL_PRODUCT = 1 << 18 }; /* blocks are whole units of rows or columns */

static struct {
  void *f32, *f64;   /* cblas_sgemm and cblas_dgemm; NULL: portable loops */
  int wide;          /* its integers have 64 bits */
  int keeps_threads; /* it is shared with others and uses its own threads */
} blas;

void sl_use_blas(void *f32, void *f64, int wide, int keeps_threads) {
  blas.f32 = f32, blas.f64 = f64, blas.wide = wide, blas.keeps_threads = keeps_threads;
}

typedef struct {
  int size; /* bytes of a number: 4 or 8 */
  int ta, tb;
  int64_t m, n, k, lda, ldb, ldc;
  double alpha, beta;
  const char *a, *b;
  char *c;
} product;

#define PORTABLE(name, real)                                                           \
  static void name(const product *p) {                                                 \
    const real *a = (const real *)p->a, *b = (const real *)p->b;                       \
    int64_t a_row = p->ta ? 1 : p->lda, a_column = p->ta ? p->lda : 1;                 \
    int64_t b_row = p->tb ? 1 : p->ldb, b_column = p->tb ? p->ldb : 1;                 \
    for (int64_t i = 0; i < p->m; i++) {                                               \
      real *c = (real *)p->c + i * p->ldc;                                             \
      for (int64_t j = 0; j < p->n; j++) c[j] = p->beta == 0 ? 0 : (real)p->beta * c[j]; \
      for (int64_t l = 0; l < p->k; l++) {                                             \
        real x = (real)p->alpha * a[i * a_row + l * a_column];                         \
        for (int64_t j = 0; j < p->n; j++) c[j] += x * b[l * b_row + j * b_column];    \
      }                                                                                \
    }                                                                                  \
  }
PORTABLE(portable_f32, float)
PORTABLE(portable_f64, double)

/* Calls cblas_?gemm with integers of a type. */
#define CBLAS(function, real, integer)                                                             \
  ((void (*)(int, int, int, integer, integer, integer, real, const void *, integer, const void *,  \
             integer, real, void *, integer))function)(                                            \
      ROW_MAJOR, p->ta ? TRANS : NO_TRANS, p->tb ? TRANS : NO_TRANS, (integer)p->m, (integer)p->n, \
      (integer)p->k, (real)p->alpha, p->a, (integer)p->lda, p->b, (integer)p->ldb, (real)p->beta,  \
      p->c, (integer)p->ldc)

static int fits(const product *p) { /* all sizes are what a BLAS takes */
  int64_t all = p->m | p->n | p->k | p->lda | p->ldb | p->ldc;
  return p->k > 0 && (blas.wide || all <= INT32_MAX);
}

static void multiply(const product *p) {
  int known = p->size == 4 ? blas.f32 != NULL : blas.f64 != NULL;
  if (!known || !fits(p)) p->size == 4 ? portable_f32(p) : portable_f64(p);
  else if (p->size == 4 && blas.wide) CBLAS(blas.f32, float, int64_t);
  else if (p->size == 4) CBLAS(blas.f32, float, int32_t);
  else if (blas.wide) CBLAS(blas.f64, double, int64_t);
  else CBLAS(blas.f64, double, int32_t);
}

static void multiply_rows(const void *context, int64_t begin, int64_t end) {
  product p = *(const product *)context;
  begin *= UNIT;
  p.a += begin * (p.ta ? 1 : p.lda) * p.size;
  p.c += begin * p.ldc * p.size;
  p.m = (end * UNIT < p.m ? end * UNIT : p.m) - begin;
  multiply(&p);
}

static void multiply_columns(const void *context, int64_t begin, int64_t end) {
  product p = *(const product *)context;
  begin *= UNIT;
  p.b += begin * (p.tb ? p.ldb : 1) * p.size;
  p.c += begin * p.size;
  p.n = (end * UNIT < p.n ? end * UNIT : p.n) - begin;
  multiply(&p);
}

static void gemm(const product *p) {
  if (p->m <= 0 || p->n <= 0) return;
  if (blas.keeps_threads || p->m * p->n * p->k < SMALL_PRODUCT) multiply(p);
  else if (p->m > p->n) parallel(multiply_rows, p, (p->m + UNIT - 1) / UNIT);
  else parallel(multiply_columns, p, (p->n + UNIT - 1) / UNIT);
}

static void gemm_f32(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  product p = {4, ta, tb, m, n, k, lda, ldb, ldc, alpha, beta, (const char *)a, (const char *)b,
               (char *)c};
  gemm(&p);
}

static void gemm_f64(int ta, int tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                     int64_t lda, const double *b, int64_t ldb, double beta, double *c,
                     int64_t ldc) {
  product p = {8, ta, tb, m, n, k, lda, ldb, ldc, alpha, beta, (const char *)a, (const char *)b,
               (char *)c};
  gemm(&p);
}
