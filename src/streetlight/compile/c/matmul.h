/* Products of matrices whose sizes are constants wherever these functions are inlined.

   A tile of c, some rows of some vectors, is summed up in registers: row p of b, a few vectors
   wide, times column p of a, number by number, for p = 0, 1, 2, ... Tiles below each other share
   their columns of b, a panel. It is read where it lies, or copied first so that its rows follow
   each other in memory. The last panel reaches back over the one before it where there are too
   few columns left; only its own are stored. A sum has the same order in every tile, so that
   results do not depend on how tiles are shared among threads.

   What is for each element type is written for float32; for float64 it is repeated with the names
   of other types. */

#if defined(__AVX512F__)
#define SL_VECTOR 64 /* bytes */
#define SL_ROWS 12   /* of a tile that is two vectors wide */
#elif defined(__AVX__) || defined(__aarch64__)
#define SL_VECTOR 32
#define SL_ROWS 6
#else
#define SL_VECTOR 32
#define SL_ROWS 3
#endif
#define SL_WIDEST 6   /* vectors of a tile that has few rows */
#define SL_DEPTH 1024 /* rows of b that are copied at a time */
#define SL_INLINE static inline __attribute__((always_inline))
#define SL_UNROLL _Pragma("GCC unroll 16")
#if defined(__clang__)
#define SL_SHUFFLE(mask, x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SL_SHUFFLE(mask, x, y, ...) __builtin_shuffle(x, y, (mask){__VA_ARGS__})
#endif

/* How b is read: where it lies, copied panel by panel, copied before by sl_pack, or where it lies
   column by column, for dot products. */
enum { SL_DIRECT, SL_COPIED, SL_PACKED, SL_DOTS };

/* The constants of a product. Strides are in elements; c is read where `adds`. */
typedef struct {
  int64_t m, n, k, a_row, a_column, b_row, b_column, c_row;
  int reading, adds;
} sl_product;

SL_INLINE int64_t sl_least(int64_t x, int64_t y) { return x < y ? x : y; }
SL_INLINE int64_t sl_most(int64_t x, int64_t y) { return x > y ? x : y; }
SL_INLINE int64_t sl_quotient_up(int64_t x, int64_t y) { return (x + y - 1) / y; }

/* How many vectors wide a panel is: few rows leave registers for more. */
SL_INLINE int sl_width(sl_product size, int lanes) {
  int most = size.reading == SL_DIRECT && size.m <= SL_ROWS / 4 ? SL_WIDEST : 2;
  return (int)sl_most(1, sl_least(most, size.n / lanes));
}
SL_INLINE int64_t sl_tiles(sl_product size) { return sl_quotient_up(size.m, SL_ROWS); }

/* The columns from `column` on, some vectors wide. Those from `first` to `last` are stored. */
typedef struct {
  int64_t column;
  int vectors, first, last;
} sl_panel;

SL_INLINE sl_panel sl_whole_panel(sl_product size, int lanes, int64_t number) {
  int vectors = sl_width(size, lanes);
  return (sl_panel){number * vectors * lanes, vectors, 0, vectors * lanes};
}
SL_INLINE sl_panel sl_last_panel(sl_product size, int lanes) {
  int left = (int)(size.n % (sl_width(size, lanes) * lanes));
  int vectors = (int)sl_quotient_up(left, lanes), width = vectors * lanes;
  if (size.n < width) return (sl_panel){0, vectors, 0, left};
  return (sl_panel){size.n - width, vectors, width - left, width};
}

/* ==== for each element type ==== */

typedef float sl_vector_f32 __attribute__((vector_size(SL_VECTOR)));
typedef float sl_loose_f32
    __attribute__((vector_size(SL_VECTOR), aligned(sizeof(float)), may_alias));
typedef float sl_four_f32 __attribute__((vector_size(4 * sizeof(float))));
typedef float sl_loose_four_f32
    __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int32_t sl_mask_f32 __attribute__((vector_size(4 * sizeof(float))));
enum { sl_lanes_f32 = SL_VECTOR / sizeof(float) };

typedef struct {
  const float *a, *b;
  float *c, alpha, beta;
} sl_operands_f32;

/* ---- copies of panels ---- */

/* Rows become columns. */
SL_INLINE void sl_turn_f32(sl_four_f32 x[4]) {
  sl_four_f32 even = SL_SHUFFLE(sl_mask_f32, x[0], x[1], 0, 4, 2, 6);
  sl_four_f32 odd = SL_SHUFFLE(sl_mask_f32, x[0], x[1], 1, 5, 3, 7);
  sl_four_f32 even_below = SL_SHUFFLE(sl_mask_f32, x[2], x[3], 0, 4, 2, 6);
  sl_four_f32 odd_below = SL_SHUFFLE(sl_mask_f32, x[2], x[3], 1, 5, 3, 7);
  x[0] = SL_SHUFFLE(sl_mask_f32, even, even_below, 0, 1, 4, 5);
  x[1] = SL_SHUFFLE(sl_mask_f32, odd, odd_below, 0, 1, 4, 5);
  x[2] = SL_SHUFFLE(sl_mask_f32, even, even_below, 2, 3, 6, 7);
  x[3] = SL_SHUFFLE(sl_mask_f32, odd, odd_below, 2, 3, 6, 7);
}

SL_INLINE void sl_copy_turned_f32(float *to, int64_t to_row, const float *from, int64_t from_row) {
  sl_four_f32 x[4];
  SL_UNROLL for (int i = 0; i < 4; i++) x[i] = *(const sl_loose_four_f32 *)(from + i * from_row);
  sl_turn_f32(x);
  SL_UNROLL for (int i = 0; i < 4; i++) *(sl_loose_four_f32 *)(to + i * to_row) = x[i];
}

/* Copies `depth` rows of b, `columns` wide, into rows of `width` that are filled up with 0. */
SL_INLINE void sl_copy_f32(float *to, int width, sl_product size, const float *b, int64_t depth,
                           int columns) {
  int turned = size.b_row == 1 && size.b_column != 1 ? columns / 4 * 4 : 0;
  for (int64_t start = 0; start < depth; start += 128) { /* what stays in the nearest memory */
    int64_t end = sl_least(depth, start + 128), fours = start + (end - start) / 4 * 4;
    for (int j = 0; j < turned; j += 4) {
      const float *from = b + j * size.b_column;
      for (int64_t p = start; p < fours; p += 4)
        sl_copy_turned_f32(to + p * width + j, width, from + p, size.b_column);
      for (int64_t p = fours; p < end; p++)
        for (int i = 0; i < 4; i++) to[p * width + j + i] = from[p + i * size.b_column];
    }
    for (int64_t p = start; p < end; p++) {
      const float *from = b + p * size.b_row;
      if (size.b_column == 1) memcpy(to + p * width, from, (size_t)columns * sizeof(float));
      else for (int j = turned; j < columns; j++) to[p * width + j] = from[j * size.b_column];
      memset(to + p * width + columns, 0, (size_t)(width - columns) * sizeof(float));
    }
  }
}

/* ---- tiles ---- */

/* sum = a b for `depth` columns of a and rows of b. */
SL_INLINE void sl_sum_f32(sl_vector_f32 sum[SL_ROWS][SL_WIDEST], int rows, int vectors,
                          sl_product size, int64_t depth, const float *a, const float *b,
                          int64_t b_row) {
  SL_UNROLL for (int i = 0; i < rows; i++)
    SL_UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = (sl_vector_f32){0};
  for (int64_t p = 0; p < depth; p++) {
    sl_vector_f32 y[SL_WIDEST];
    SL_UNROLL for (int v = 0; v < vectors; v++)
      y[v] = *(const sl_loose_f32 *)(b + p * b_row + v * sl_lanes_f32);
    SL_UNROLL for (int i = 0; i < rows; i++)
      SL_UNROLL for (int v = 0; v < vectors; v++)
        sum[i][v] += a[i * size.a_row + p * size.a_column] * y[v];
  }
}

/* c = alpha sum + beta c, for the columns of the panel that are stored. */
SL_INLINE void sl_store_f32(float *c, int64_t c_row, sl_vector_f32 sum[SL_ROWS][SL_WIDEST],
                            int rows, sl_panel panel, float alpha, float beta, int adds) {
  int whole = panel.last - panel.first == panel.vectors * sl_lanes_f32;
  SL_UNROLL for (int i = 0; i < rows; i++) {
    float row[SL_WIDEST * sl_lanes_f32], *z = c + i * c_row;
    SL_UNROLL for (int v = 0; v < panel.vectors; v++) {
      sl_loose_f32 *place = (sl_loose_f32 *)((whole ? z : row) + v * sl_lanes_f32);
      *place = whole && adds ? alpha * sum[i][v] + beta * *place : alpha * sum[i][v];
    }
    for (int j = panel.first; j < panel.last && !whole; j++)
      z[j] = adds ? row[j] + beta * z[j] : row[j];
  }
}

/* ---- dot products ---- */

/* A few rows of a times a few columns of b, at most 4 of each, both contiguous: sums of vectors
   along p, and the sum of their lanes in the end. */
SL_INLINE void sl_dots_f32(sl_product size, int rows, int columns, sl_operands_f32 x) {
  sl_vector_f32 sum[4][4] = {{{0}}};
  int64_t whole = size.k / sl_lanes_f32 * sl_lanes_f32;
  for (int64_t p = 0; p < whole; p += sl_lanes_f32)
    SL_UNROLL for (int i = 0; i < rows; i++)
      SL_UNROLL for (int j = 0; j < columns; j++)
        sum[i][j] += *(const sl_loose_f32 *)(x.a + i * size.a_row + p) *
                     *(const sl_loose_f32 *)(x.b + j * size.b_column + p);
  SL_UNROLL for (int i = 0; i < rows; i++) {
    sl_four_f32 fours[4] = {{0}};
    SL_UNROLL for (int j = 0; j < columns; j++) {
      union { sl_vector_f32 whole; sl_four_f32 parts[sl_lanes_f32 / 4]; } lanes = {sum[i][j]};
      SL_UNROLL for (int part = 0; part < sl_lanes_f32 / 4; part++) fours[j] += lanes.parts[part];
    }
    sl_turn_f32(fours);
    sl_four_f32 total = (fours[0] + fours[1]) + (fours[2] + fours[3]);
    SL_UNROLL for (int j = 0; j < columns; j++) {
      float dot = total[j], *z = x.c + i * size.c_row + j;
      for (int64_t p = whole; p < size.k; p++)
        dot += x.a[i * size.a_row + p] * x.b[j * size.b_column + p];
      *z = size.adds ? x.alpha * dot + x.beta * *z : x.alpha * dot;
    }
  }
}

/* All rows of a times a few columns of b. */
SL_INLINE void sl_dot_columns_f32(sl_product size, int columns, sl_operands_f32 x) {
  for (int64_t i = 0; i < size.m / 4; i++) {
    sl_dots_f32(size, 4, columns, x);
    x.a += 4 * size.a_row, x.c += 4 * size.c_row;
  }
  if (size.m % 4) sl_dots_f32(size, (int)(size.m % 4), columns, x);
}

SL_INLINE void sl_dot_products_f32(sl_product size, sl_operands_f32 x, int64_t begin, int64_t end) {
  for (int64_t group = begin; group < end; group++) {
    sl_operands_f32 part = {x.a, x.b + 4 * group * size.b_column, x.c + 4 * group, x.alpha, x.beta};
    if (group < size.n / 4) sl_dot_columns_f32(size, 4, part);
    else sl_dot_columns_f32(size, (int)(size.n % 4), part);
  }
}

/* ---- products ---- */

/* The tiles from `begin` to `end` of a panel, for `depth` rows of b. */
SL_INLINE void sl_tiles_f32(sl_product size, sl_panel panel, sl_operands_f32 x, int64_t b_row,
                            int64_t depth, int adds, int64_t begin, int64_t end) {
  sl_vector_f32 sum[SL_ROWS][SL_WIDEST];
  int64_t rows = size.m / sl_tiles(size), higher = size.m % sl_tiles(size);
  for (int64_t tile = begin; tile < end; tile++) {
    int64_t i = tile * rows + sl_least(tile, higher);
    const float *a = x.a + i * size.a_row;
    float *c = x.c + i * size.c_row;
    if (tile < higher) { /* by one row */
      sl_sum_f32(sum, (int)rows + 1, panel.vectors, size, depth, a, x.b, b_row);
      sl_store_f32(c, size.c_row, sum, (int)rows + 1, panel, x.alpha, x.beta, adds);
    } else {
      sl_sum_f32(sum, (int)rows, panel.vectors, size, depth, a, x.b, b_row);
      sl_store_f32(c, size.c_row, sum, (int)rows, panel, x.alpha, x.beta, adds);
    }
  }
}

/* The same for all rows of b, of which x.b is the first in the panel. */
SL_INLINE void sl_panel_f32(sl_product size, sl_panel panel, sl_operands_f32 x, int64_t begin,
                            int64_t end) {
  float copy[SL_DEPTH * 2 * sl_lanes_f32] __attribute__((aligned(SL_VECTOR)));
  int width = panel.vectors * sl_lanes_f32, columns = (int)sl_least(width, size.n);
  int copied = size.reading == SL_COPIED || (size.reading == SL_DIRECT && columns < width);
  int64_t b_row = size.reading == SL_PACKED ? width : size.b_row;
  for (int64_t start = 0; start < size.k; start += SL_DEPTH) {
    int64_t depth = sl_least(SL_DEPTH, size.k - start);
    sl_operands_f32 part = {x.a + start * size.a_column, x.b + start * b_row, x.c, x.alpha, x.beta};
    if (copied) {
      sl_copy_f32(copy, width, size, part.b, depth, columns);
      part.b = copy;
    }
    if (start > 0) part.beta = 1;
    sl_tiles_f32(size, panel, part, copied ? width : b_row, depth, size.adds || start > 0, begin,
                 end);
  }
}

/* Into how many parts a product can be cut: tiles, or columns by fours. */
SL_INLINE int64_t sl_jobs_f32(sl_product size) {
  if (size.reading == SL_DOTS) return sl_quotient_up(size.n, 4);
  return sl_tiles(size) * sl_quotient_up(size.n, sl_width(size, sl_lanes_f32) * sl_lanes_f32);
}

/* The parts from `begin` to `end` of a product. */
SL_INLINE void sl_multiply_f32(sl_product size, sl_operands_f32 x, int64_t begin, int64_t end) {
  if (size.reading == SL_DOTS) {
    sl_dot_products_f32(size, x, begin, end);
    return;
  }
  int64_t tiles = sl_tiles(size), width = sl_width(size, sl_lanes_f32) * sl_lanes_f32;
  int64_t b_column = size.reading == SL_PACKED ? size.k : size.b_column;
  for (int64_t number = begin / tiles; number * tiles < end; number++) {
    int64_t first = sl_most(begin - number * tiles, 0);
    int64_t last = sl_least(end - number * tiles, tiles);
    sl_operands_f32 part = x;
    if (number < size.n / width) {
      sl_panel panel = sl_whole_panel(size, sl_lanes_f32, number);
      part.b += panel.column * b_column, part.c += panel.column;
      sl_panel_f32(size, panel, part, first, last);
    } else {
      sl_panel panel = sl_last_panel(size, sl_lanes_f32);
      part.b += (size.reading == SL_PACKED ? number * width : panel.column) * b_column;
      part.c += panel.column;
      sl_panel_f32(size, panel, part, first, last);
    }
  }
}

/* Into how many panels b is cut. */
SL_INLINE int64_t sl_panels_f32(sl_product size) {
  return sl_quotient_up(size.n, sl_width(size, sl_lanes_f32) * sl_lanes_f32);
}

/* Copies the panels from `begin` to `end` of b, for a product that reads them SL_PACKED. */
SL_INLINE void sl_pack_f32(sl_product size, float *to, const float *b, int64_t begin, int64_t end) {
  int width = sl_width(size, sl_lanes_f32) * sl_lanes_f32;
  for (int64_t number = begin; number < end; number++) {
    float *place = to + number * width * size.k;
    if (number < size.n / width) {
      sl_copy_f32(place, width, size, b + number * width * size.b_column, size.k, width);
    } else {
      sl_panel panel = sl_last_panel(size, sl_lanes_f32);
      sl_copy_f32(place, panel.vectors * sl_lanes_f32, size, b + panel.column * size.b_column,
                  size.k, (int)sl_least(panel.vectors * sl_lanes_f32, size.n));
    }
  }
}
