/* Matrix products without a BLAS, for the sizes of small and middle networks: what a BLAS spends
   on copies of a and b, and on threads of its own, is much of their time.

   A tile of c, some rows of some vectors, is summed up in registers: row p of b, a few vectors
   wide, times column p of a, number by number, for p = 0, 1, 2, ... Tiles below each other share
   their columns of b, a panel. It is read where it lies, or copied first so that its rows follow
   each other in memory. The last panel reaches back over the one before it where there are too
   few columns left; only its own are stored. A sum has the same order in every tile, so that
   results do not depend on how tiles are shared among threads.

   What is written for float32 is for float64 too, with the names of its types (see tiles.py). */
void sl_bind(const sl_runtime *runtime) { sl_bound = runtime; }

/* Bytes of a vector, rows of a tile, and one pattern for all groups of four in a vector. */
#if defined(__AVX512F__)
enum { VECTOR = 64, MOST_ROWS = 8 };
#define GROUPS_f32(...) \
  GROUP(16, 0, __VA_ARGS__), GROUP(16, 4, __VA_ARGS__), GROUP(16, 8, __VA_ARGS__), \
      GROUP(16, 12, __VA_ARGS__)
#define GROUPS_f64(...) GROUP(8, 0, __VA_ARGS__), GROUP(8, 4, __VA_ARGS__)
#else
enum { VECTOR = 32, MOST_ROWS = 6 };
#define GROUPS_f32(...) GROUP(8, 0, __VA_ARGS__), GROUP(8, 4, __VA_ARGS__)
#define GROUPS_f64(...) GROUP(4, 0, __VA_ARGS__)
#endif
#define GROUP(lanes, at, i, j, k, l) \
  PICK(lanes, at, i), PICK(lanes, at, j), PICK(lanes, at, k), PICK(lanes, at, l)
#define PICK(lanes, at, i) ((at) + ((i) < 4 ? (i) : (lanes) + (i) - 4))
#if defined(__clang__)
#define SHUFFLE(mask, x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(mask, x, y, ...) __builtin_shuffle(x, y, (mask){__VA_ARGS__})
#endif
enum { DEPTH = 512, NEAR = 128 }; /* rows of b copied at a time; those the next memory holds */
enum { MULTIPLICATIONS_ALONE = 1 << 17 }; /* are done before a second thread has begun */

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#define SIMD _Pragma("omp simd")

INLINE int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
INLINE int64_t most(int64_t x, int64_t y) { return x > y ? x : y; }
INLINE int64_t quotient_up(int64_t x, int64_t y) { return (x + y - 1) / y; }

/* Columns of c: `vectors` of them from `start` on, of which those before `first` belong to another
   panel, and of which there are `last`. */
typedef struct {
  int64_t start;
  int vectors, first, last;
} panel;

/* How many vectors wide panels are: few rows leave registers for more. */
static int64_t widest(const sl_product *p, int lanes) {
  int64_t wanted = p->reading == SL_DIRECT && 2 * p->m <= MOST_ROWS ? 4 : 2;
  return p->n >= wanted * lanes ? wanted : p->n >= 2 * lanes ? 2 : 1;
}

static int64_t panels(const sl_product *p, int lanes) {
  int64_t vectors = quotient_up(p->n, lanes), left = vectors % widest(p, lanes);
  return vectors / widest(p, lanes) + left / 2 + left % 2;
}

/* The panels are as wide as they can be; what is left are two vectors, then one. */
static panel panel_at(const sl_product *p, int lanes, int64_t number) {
  int64_t wide = widest(p, lanes), vectors = quotient_up(p->n, lanes), whole = vectors / wide;
  int64_t begin = least(number, whole) * wide;
  int64_t count = number < whole ? wide : number == whole && vectors - begin > 1 ? 2 : 1;
  if (number > whole) begin = vectors - 1;
  int64_t start = most(0, least(begin * lanes, p->n - count * lanes));
  int64_t last = least(count * lanes, p->n - start);
  return (panel){start, (int)count, (int)(begin * lanes - start), (int)last};
}

/* Where a panel is among those that sl_pack has copied. */
static int64_t packed_at(const sl_product *p, int lanes, int64_t number) {
  return number * widest(p, lanes) * lanes * p->k;
}

/* The step to matrix `number` of a batch. */
static int64_t matrix_at(const sl_product *p, const int64_t *strides, int64_t number) {
  int64_t step = 0;
  for (int d = SL_BATCH - 1; d >= 0; d--) {
    if (p->batch[d] < 2) continue;
    step += number % p->batch[d] * strides[d];
    number /= p->batch[d];
  }
  return step;
}

/* ==== for one element type ==== */

enum { lanes_f32 = VECTOR / sizeof(float) };
typedef float vector_f32 __attribute__((vector_size(VECTOR)));
typedef float loose_f32 __attribute__((vector_size(VECTOR), aligned(sizeof(float)), may_alias));
typedef float four_f32 __attribute__((vector_size(4 * sizeof(float))));
typedef float loose_four_f32
    __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int32_t mask_f32 __attribute__((vector_size(VECTOR)));
typedef union { vector_f32 whole; four_f32 parts[lanes_f32 / 4]; } split_f32;

/* A product, or a part of one: some rows and columns of one matrix. */
typedef struct {
  const sl_product *p;
  const float *a, *b;
  float *c, alpha, beta;
  int64_t b_row, k;
  int adds;
} work_f32;

/* ---- copies of panels ---- */

/* Rows become columns in each group of four: numbers 0 to 3 are those of x, 4 to 7 those of y. */
#define MIX_f32(x, y, ...) SHUFFLE(mask_f32, x, y, GROUPS_f32(__VA_ARGS__))
INLINE void turn_f32(vector_f32 x[4]) {
  vector_f32 even = MIX_f32(x[0], x[1], 0, 4, 2, 6), odd = MIX_f32(x[0], x[1], 1, 5, 3, 7);
  vector_f32 even_below = MIX_f32(x[2], x[3], 0, 4, 2, 6);
  vector_f32 odd_below = MIX_f32(x[2], x[3], 1, 5, 3, 7);
  x[0] = MIX_f32(even, even_below, 0, 1, 4, 5);
  x[1] = MIX_f32(odd, odd_below, 0, 1, 4, 5);
  x[2] = MIX_f32(even, even_below, 2, 3, 6, 7);
  x[3] = MIX_f32(odd, odd_below, 2, 3, 6, 7);
}

/* Four columns of b become rows, as many as a vector has lanes. */
INLINE void copy_turned_f32(float *to, int64_t to_row, const float *from, int64_t b_column) {
  split_f32 x[4];
  vector_f32 columns[4];
  UNROLL for (int i = 0; i < 4; i++) columns[i] = *(const loose_f32 *)(from + i * b_column);
  turn_f32(columns);
  UNROLL for (int i = 0; i < 4; i++) x[i].whole = columns[i];
  UNROLL for (int part = 0; part < lanes_f32 / 4; part++)
    UNROLL for (int i = 0; i < 4; i++, to += to_row) *(loose_four_f32 *)to = x[i].parts[part];
}

/* Copies a few columns of b that lie column by column, for rows p from `begin` to `end`. */
static void copy_columns_f32(float *to, int width, const float *b, int64_t b_column, int columns,
                             int64_t begin, int64_t end) {
  int64_t whole = begin + (end - begin) / lanes_f32 * lanes_f32;
  for (int j = 0; j < columns / 4 * 4; j += 4) {
    for (int64_t p = begin; p < whole; p += lanes_f32)
      copy_turned_f32(to + p * width + j, width, b + j * b_column + p, b_column);
    for (int64_t p = whole; p < end; p++)
      for (int i = j; i < j + 4; i++) to[p * width + i] = b[i * b_column + p];
  }
  for (int64_t p = begin; p < end; p++)
    for (int j = columns / 4 * 4; j < columns; j++) to[p * width + j] = b[j * b_column + p];
}

/* Copies `depth` rows of a panel of b into rows of its width, filled up with 0. */
static void copy_panel_f32(float *to, panel part, const sl_product *p, const float *b,
                           int64_t depth) {
  int width = part.vectors * lanes_f32, columns = part.last;
  int64_t b_row = p->b_row, b_column = p->b_column;
  if (b_column == 1 && columns == width) {
    for (int64_t i = 0; i < depth; i++)
      for (int j = 0; j < width; j += lanes_f32)
        *(loose_f32 *)(to + i * width + j) = *(const loose_f32 *)(b + i * b_row + j);
    return;
  }
  if (columns < width) memset(to, 0, (size_t)(depth * width) * sizeof(float));
  if (b_row == 1) {
    for (int64_t begin = 0; begin < depth; begin += NEAR)
      copy_columns_f32(to, width, b, b_column, columns, begin, least(depth, begin + NEAR));
    return;
  }
  for (int64_t i = 0; i < depth; i++)
    for (int j = 0; j < columns; j++) to[i * width + j] = b[i * b_row + j * b_column];
}

/* ---- tiles ---- */

/* Vectors are read as volatile, or gcc would read them again for each use. */

enum { block_row_f32 = 4 * lanes_f32 };

/* c = block + beta c, or c = block, for the columns of a panel that are stored. */
static void store_f32(const work_f32 *x, panel part, int rows, const float *block) {
  float beta = x->beta, *c = x->c;
  int first = part.first, last = part.last, adds = x->adds;
  int64_t c_row = x->p->c_row;
  for (int i = 0; i < rows; i++, c += c_row, block += block_row_f32) {
    if (adds) SIMD for (int j = first; j < last; j++) c[j] = block[j] + beta * c[j];
    else SIMD for (int j = first; j < last; j++) c[j] = block[j];
  }
}

/* Some tiles of a panel, one below the other; `rows` and `vectors` are constants here. */
INLINE void any_tiles_f32(work_f32 x, panel part, int64_t tiles, int rows, int vectors) {
  int64_t a_row = x.p->a_row, a_column = x.p->a_column, c_row = x.p->c_row;
  for (; tiles > 0; tiles--, x.a += rows * a_row, x.c += rows * c_row) {
    const float *a = x.a, *b = x.b;
    vector_f32 sum[8][4], y[4];
    UNROLL for (int i = 0; i < rows; i++)
      UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = (vector_f32){0};
    for (int64_t p = 0; p < x.k; p++, a += a_column, b += x.b_row) {
      UNROLL for (int v = 0; v < vectors; v++)
        y[v] = *(const volatile loose_f32 *)(b + v * lanes_f32);
      UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v++) sum[i][v] += a[i * a_row] * y[v];
    }
    int whole = part.last - part.first == vectors * lanes_f32;
    float block[8 * block_row_f32], *to = whole ? x.c : block;
    int64_t row = whole ? c_row : block_row_f32;
    UNROLL for (int i = 0; i < rows; i++, to += row)
      UNROLL for (int v = 0; v < vectors; v++) {
        loose_f32 *z = (loose_f32 *)(to + v * lanes_f32);
        *z = whole && x.adds ? x.alpha * sum[i][v] + x.beta * *z : x.alpha * sum[i][v];
      }
    if (!whole) store_f32(&x, part, rows, block);
  }
}

typedef void (*tiles_of_f32)(work_f32 x, panel part, int64_t tiles);
#define TILES_f32(rows, vectors)                                                      \
  static void tiles_f32_##rows##_##vectors(work_f32 x, panel part, int64_t tiles) { \
    any_tiles_f32(x, part, tiles, rows, vectors);                                     \
  }
TILES_f32(1, 1) TILES_f32(1, 2) TILES_f32(1, 4) TILES_f32(2, 1) TILES_f32(2, 2) TILES_f32(2, 4)
TILES_f32(3, 1) TILES_f32(3, 2) TILES_f32(3, 4) TILES_f32(4, 1) TILES_f32(4, 2) TILES_f32(4, 4)
TILES_f32(5, 1) TILES_f32(5, 2) TILES_f32(6, 1) TILES_f32(6, 2)
TILES_f32(7, 1) TILES_f32(7, 2) TILES_f32(8, 1) TILES_f32(8, 2)

static const tiles_of_f32 tiles_f32[8][4] = {
    {tiles_f32_1_1, tiles_f32_1_2, 0, tiles_f32_1_4},
    {tiles_f32_2_1, tiles_f32_2_2, 0, tiles_f32_2_4},
    {tiles_f32_3_1, tiles_f32_3_2, 0, tiles_f32_3_4},
    {tiles_f32_4_1, tiles_f32_4_2, 0, tiles_f32_4_4},
    {tiles_f32_5_1, tiles_f32_5_2},
    {tiles_f32_6_1, tiles_f32_6_2},
    {tiles_f32_7_1, tiles_f32_7_2},
    {tiles_f32_8_1, tiles_f32_8_2}};

/* The tiles from `begin` to `end` of a panel. The first ones are higher, by one row. */
static void column_of_tiles_f32(work_f32 x, panel part, int64_t begin, int64_t end) {
  const sl_product *p = x.p;
  int64_t tiles = quotient_up(p->m, MOST_ROWS), rows = p->m / tiles, higher = p->m % tiles;
  int64_t middle = most(begin, least(end, higher)), first = begin * rows + least(begin, higher);
  x.a += first * p->a_row, x.c += first * p->c_row;
  if (begin < middle) tiles_f32[rows][part.vectors - 1](x, part, middle - begin);
  x.a += (middle - begin) * (rows + 1) * p->a_row, x.c += (middle - begin) * (rows + 1) * p->c_row;
  if (middle < end) tiles_f32[rows - 1][part.vectors - 1](x, part, end - middle);
}

/* Tiles of panel `number`, for all of k. */
static void multiply_panel_f32(work_f32 x, int64_t number, int64_t begin, int64_t end) {
  float copy[DEPTH * 2 * lanes_f32] __attribute__((aligned(VECTOR)));
  const sl_product *p = x.p;
  panel part = panel_at(p, lanes_f32, number);
  int width = part.vectors * lanes_f32, packed = p->reading == SL_PACKED;
  int copied = p->reading == SL_COPIED || (!packed && part.last < width);
  const float *b = x.b + (packed ? packed_at(p, lanes_f32, number) : part.start * p->b_column);
  int64_t b_row = packed ? width : p->b_row;
  x.c += part.start;
  for (int64_t start = 0; start < p->k; start += x.k) {
    x.k = copied ? least(DEPTH, p->k - start) : p->k;
    x.b = b + start * b_row, x.b_row = b_row;
    if (copied) {
      copy_panel_f32(copy, part, p, x.b, x.k);
      x.b = copy, x.b_row = width;
    }
    column_of_tiles_f32(x, part, begin, end);
    x.a += x.k * p->a_column;
    x.adds = 1, x.beta = 1;
  }
}

/* ---- dot products ---- */

/* Some rows of a times some columns of b, both contiguous along p: sums of vectors, and the sum of
   their lanes in the end; `rows` and `columns` are constants here. */
INLINE void any_dots_f32(const work_f32 *x, int rows, int columns) {
  vector_f32 sum[4][4];
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int j = 0; j < columns; j++) sum[i][j] = (vector_f32){0};
  const sl_product *product = x->p;
  int64_t a_row = product->a_row, b_column = product->b_column, p = 0;
  for (; p + lanes_f32 <= product->k; p += lanes_f32) {
    vector_f32 y[4];
    UNROLL for (int j = 0; j < columns; j++)
      y[j] = *(const volatile loose_f32 *)(x->b + j * b_column + p);
    UNROLL for (int i = 0; i < rows; i++) {
      vector_f32 z = *(const volatile loose_f32 *)(x->a + i * a_row + p);
      UNROLL for (int j = 0; j < columns; j++) sum[i][j] += z * y[j];
    }
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int j = columns; j < 4; j++) sum[i][j] = (vector_f32){0};
    turn_f32(sum[i]);
    split_f32 all = {(sum[i][0] + sum[i][1]) + (sum[i][2] + sum[i][3])};
    four_f32 total = all.parts[0];
    UNROLL for (int part = 1; part < lanes_f32 / 4; part++) total += all.parts[part];
    for (int j = 0; j < columns; j++) {
      float dot = total[j], *z = x->c + i * product->c_row + j;
      for (int64_t q = p; q < product->k; q++) dot += x->a[i * a_row + q] * x->b[j * b_column + q];
      *z = x->adds ? x->alpha * dot + x->beta * *z : x->alpha * dot;
    }
  }
}

#define DOTS_f32(rows)                                                             \
  static void dots_f32_##rows##_1(const work_f32 *x) { any_dots_f32(x, rows, 1); } \
  static void dots_f32_##rows##_2(const work_f32 *x) { any_dots_f32(x, rows, 2); } \
  static void dots_f32_##rows##_3(const work_f32 *x) { any_dots_f32(x, rows, 3); } \
  static void dots_f32_##rows##_4(const work_f32 *x) { any_dots_f32(x, rows, 4); }
DOTS_f32(1) DOTS_f32(2) DOTS_f32(3) DOTS_f32(4)

static void (*const dots_f32[4][4])(const work_f32 *) = {
    {dots_f32_1_1, dots_f32_1_2, dots_f32_1_3, dots_f32_1_4},
    {dots_f32_2_1, dots_f32_2_2, dots_f32_2_3, dots_f32_2_4},
    {dots_f32_3_1, dots_f32_3_2, dots_f32_3_3, dots_f32_3_4},
    {dots_f32_4_1, dots_f32_4_2, dots_f32_4_3, dots_f32_4_4}};

/* All rows of a times the columns from `begin` to `end`. */
static void multiply_columns_f32(work_f32 x, int64_t begin, int64_t end) {
  const sl_product *p = x.p;
  const float *a = x.a, *b = x.b;
  float *c = x.c;
  for (int64_t j = begin, columns; j < end; j += columns) {
    columns = least(4, end - j);
    for (int64_t i = 0, rows; i < p->m; i += rows) {
      rows = least(4, p->m - i);
      x.a = a + i * p->a_row, x.b = b + j * p->b_column, x.c = c + i * p->c_row + j;
      dots_f32[rows - 1][columns - 1](&x);
    }
  }
}

/* ---- products ---- */

/* Into how many parts one product can be cut: columns by fours, or tiles. */
static int64_t parts_f32(const sl_product *p) {
  if (p->reading == SL_DOTS) return quotient_up(p->n, 4);
  return quotient_up(p->m, MOST_ROWS) * panels(p, lanes_f32);
}

/* The parts from `begin` to `end` of one product: panel after panel, each from the top. */
static void multiply_one_f32(work_f32 x, int64_t begin, int64_t end) {
  if (x.p->reading == SL_DOTS) {
    multiply_columns_f32(x, 4 * begin, least(4 * end, x.p->n));
    return;
  }
  int64_t tiles = quotient_up(x.p->m, MOST_ROWS);
  for (int64_t number = begin / tiles; number * tiles < end; number++)
    multiply_panel_f32(x, number, most(begin - number * tiles, 0),
                       least(end - number * tiles, tiles));
}

/* The parts from `begin` to `end` of a batch. */
static void multiply_parts_f32(const void *context, int64_t begin, int64_t end) {
  const work_f32 *x = context;
  int64_t parts = parts_f32(x->p);
  for (int64_t i = begin / parts; i * parts < end; i++) {
    work_f32 one = *x;
    if (i > 0) {
      one.a += matrix_at(x->p, x->p->a_batch, i);
      one.b += matrix_at(x->p, x->p->b_batch, i);
      one.c += matrix_at(x->p, x->p->c_batch, i);
    }
    multiply_one_f32(one, most(begin - i * parts, 0), least(end - i * parts, parts));
  }
}

void multiply_f32(const sl_product *p, const float *a, const float *b, float *c, float alpha,
                  float beta) {
  work_f32 x = {p, a, b, c, alpha, beta, 0, 0, p->adds};
  int64_t matrices = 1;
  for (int d = 0; d < SL_BATCH; d++) matrices *= most(1, p->batch[d]);
  int64_t parts = matrices * parts_f32(p);
  if (matrices * p->m * p->n * p->k < MULTIPLICATIONS_ALONE) multiply_parts_f32(&x, 0, parts);
  else sl_parallel(multiply_parts_f32, &x, parts);
}

/* ---- panels that are kept ---- */

static void pack_panels_f32(const void *context, int64_t begin, int64_t end) {
  const work_f32 *x = context;
  for (int64_t number = begin; number < end; number++) {
    panel part = panel_at(x->p, lanes_f32, number);
    float *to = x->c + packed_at(x->p, lanes_f32, number);
    copy_panel_f32(to, part, x->p, x->b + part.start * x->p->b_column, x->p->k);
  }
}

/* Copies b into panels, for products that read it SL_PACKED. */
void pack_f32(const sl_product *p, const float *b, float *to) {
  work_f32 x = {.p = p, .b = b, .c = to};
  sl_parallel(pack_panels_f32, &x, panels(p, lanes_f32));
}
