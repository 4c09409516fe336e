/* Convolutions and their adjoints, by tiles of sums in registers like those of tiles.c, which
   stands in front of this text.

   A picture is copied once, with its border, so that all windows see the same: what the kernel's
   place (i, j) multiplies with in neighbouring windows of a row is a row again, only somewhere
   else. So no columns of windows are ever made. The rows of windows are taken as one long row; what
   stands between them is computed too and not stored, which costs less than to end a row each time.
   Where windows are some steps apart, the copy keeps every so manieth element together (a phase).

   Pictures are shared among threads, a part of them to each. A sum over pictures is made for each
   of the parts, of which there is a fixed number, and these are added up in order, so that results
   do not depend on the number of threads. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define STORE_f32(to, mask, x) _mm512_mask_storeu_ps(to, (__mmask16)(mask), (__m512)(x))
#define STORE_f64(to, mask, x) _mm512_mask_storeu_pd(to, (__mmask8)(mask), (__m512d)(x))
#else
#define STORE_f32(to, mask, x) store_lanes_f32(to, mask, x)
#define STORE_f64(to, mask, x) store_lanes_f64(to, mask, x)
#endif

/* Lanes of a vector that are stored, one bit each, and where lane 0 would go. */
typedef struct {
  int64_t to;
  uint32_t mask;
} span;

/* Where the walk over the long row is. */
typedef struct {
  int64_t row, column;
} place;

/* How many rows the tile `number` of `size` rows has, and its first: the first ones are higher. */
typedef struct {
  int64_t first, rows;
} tile;

static tile tile_at(int64_t size, int64_t number) {
  int64_t tiles = quotient_up(size, MOST_ROWS), rows = size / tiles, higher = size % tiles;
  return (tile){number * rows + least(number, higher), rows + (number < higher)};
}

/* The spans of the next vector of the long row; returns how many there are. */
static int next_spans(const sl_convolution *how, place *at, int lanes, span *spans) {
  const sl_axis *rows = &how->rows, *columns = &how->columns;
  int count = 0;
  for (int64_t lane = 0, size; lane < lanes && at->row < rows->count; lane += size) {
    int64_t end = at->column < columns->count ? columns->count : columns->length;
    size = least(lanes - lane, end - at->column);
    if (at->column < columns->count) {
      int64_t to = at->row * rows->out_step + (at->column - lane) * columns->out_step;
      uint64_t first = UINT64_C(1) << lane, after = UINT64_C(1) << (lane + size);
      spans[count++] = (span){to, (uint32_t)(after - first)};
    }
    at->column += size;
    if (at->column == columns->length) at->column = 0, at->row++;
  }
  return count;
}

/* Which places of a phase hold elements of the picture. */
typedef struct {
  int64_t begin, end;
} stretch;

static stretch inside(const sl_axis *axis, int64_t phase) {
  int64_t skipped = axis->before - phase, end = axis->size + skipped;
  int64_t first = skipped > 0 ? quotient_up(skipped, axis->step) : 0;
  int64_t last = end > 0 ? least(axis->length, quotient_up(end, axis->step)) : 0;
  return (stretch){least(first, last), last};
}

/* How many numbers a kernel has. */
static int64_t numbers(const sl_convolution *how) {
  return how->channels * how->rows.taps * how->columns.taps;
}

/* For each number of a kernel, where in the copy of the picture the first window sees it. */
static void find_offsets(const sl_convolution *how, int64_t *to) {
  const sl_tap *rows = how->rows.tap, *columns = how->columns.tap;
  int64_t phases = how->columns.phases, length = how->columns.length;
  int64_t plane = how->rows.length * length;
  for (int64_t c = 0; c < how->channels; c++)
    for (int64_t i = 0; i < how->rows.taps; i++)
      for (int64_t j = 0; j < how->columns.taps; j++) {
        int64_t number = (c * how->rows.phases + rows[i].phase) * phases + columns[j].phase;
        *to++ = number * plane + rows[i].place * length + columns[j].place;
      }
}

/* First where the places of a kernel begin, then where the windows do. */
static void find_rows(const sl_convolution *how, int64_t *to) {
  const sl_axis *rows = &how->rows, *columns = &how->columns;
  if (how->patches) {
    find_offsets(how, to);
    to += numbers(how);
    for (int64_t i = 0; i < rows->count * columns->count; i++) *to++ = i * how->width;
    return;
  }
  int64_t row = columns->length * how->width;
  for (int64_t i = 0; i < rows->taps; i++)
    for (int64_t j = 0; j < columns->taps; j++)
      *to++ = rows->tap[i].place * row + columns->tap[j].place * how->width;
  for (int64_t i = 0; i < rows->count; i++)
    for (int64_t j = 0; j < columns->count; j++)
      *to++ = i * rows->apart * row + j * columns->apart * how->width;
}

/* ==== for one element type ==== */

/* What the tiles of one picture have in common. */
typedef struct {
  const sl_convolution *how;
  const float *x, *weight, *picture;
  const int64_t *offsets;
  float *out;
  char *scratch;
  int64_t k;
  int ends[3];
  span spans[2 * lanes_f32 + 2];
} windows_f32;

#if !defined(__AVX512F__)
INLINE void store_lanes_f32(float *to, uint32_t mask, vector_f32 x) {
  for (int lane = 0; lane < lanes_f32; lane++)
    if (mask >> lane & 1) to[lane] = x[lane];
}
#endif

/* ---- copies of pictures ---- */

INLINE void copy_row_f32(float *to, const float *from, int64_t step, int64_t count) {
  if (step == 1) memcpy(to, from, (size_t)count * sizeof(float));
  else for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
}

/* One phase of a channel. */
static void copy_phase_f32(float *to, const float *x, const sl_axis *rows, const sl_axis *columns,
                           int64_t down, int64_t right) {
  stretch y = inside(rows, down), z = inside(columns, right);
  int64_t from = z.begin * columns->step + right - columns->before;
  for (int64_t i = y.begin; i < y.end; i++) {
    const float *row = x + (i * rows->step + down - rows->before) * rows->x_step;
    copy_row_f32(to + i * columns->length + z.begin, row + from * columns->x_step,
                 columns->step * columns->x_step, z.end - z.begin);
  }
}

/* All channels of a picture; the border is zero already. */
static void copy_picture_f32(const sl_convolution *how, const float *x, float *to) {
  const sl_axis *rows = &how->rows, *columns = &how->columns;
  for (int64_t c = 0; c < how->channels; c++)
    for (int64_t down = 0; down < rows->phases; down++)
      for (int64_t right = 0; right < columns->phases; right++) {
        copy_phase_f32(to, x + c * how->x_channel, rows, columns, down, right);
        to += rows->length * columns->length;
      }
}

/* ---- convolution ---- */

/* A tile: all rows of one tile of kernels, for one or two vectors of windows. */
INLINE void any_windows_f32(const windows_f32 *at, const float *weight, float *out, int rows,
                            int vectors) {
  vector_f32 sum[8][2], y[2];
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = (vector_f32){0};
  for (int64_t p = 0; p < at->k; p++, weight += rows) {
    const float *b = at->picture + at->offsets[p];
    UNROLL for (int v = 0; v < vectors; v++)
      y[v] = *(const volatile loose_f32 *)(b + v * lanes_f32);
    UNROLL for (int i = 0; i < rows; i++)
      UNROLL for (int v = 0; v < vectors; v++) sum[i][v] += weight[i] * y[v];
  }
  int64_t out_kernel = at->how->out_kernel, step = at->how->columns.out_step;
  UNROLL for (int v = 0; v < vectors; v++)
    for (const span *s = at->spans + at->ends[v]; s < at->spans + at->ends[v + 1]; s++) {
      float *to = out + s->to;
      if (step == 1) {
        UNROLL for (int i = 0; i < rows; i++) STORE_f32(to + i * out_kernel, s->mask, sum[i][v]);
        continue;
      }
      UNROLL for (int i = 0; i < rows; i++)
        for (int lane = 0; lane < lanes_f32; lane++)
          if (s->mask >> lane & 1) to[i * out_kernel + lane * step] = sum[i][v][lane];
    }
}

typedef void (*windows_of_f32)(const windows_f32 *at, const float *weight, float *out);
#define WINDOWS_f32(rows, vectors)                                                       \
  static void windows_f32_##rows##_##vectors(const windows_f32 *at, const float *weight, \
                                             float *out) {                               \
    any_windows_f32(at, weight, out, rows, vectors);                                     \
  }
WINDOWS_f32(1, 1) WINDOWS_f32(1, 2) WINDOWS_f32(2, 1) WINDOWS_f32(2, 2)
WINDOWS_f32(3, 1) WINDOWS_f32(3, 2) WINDOWS_f32(4, 1) WINDOWS_f32(4, 2)
WINDOWS_f32(5, 1) WINDOWS_f32(5, 2) WINDOWS_f32(6, 1) WINDOWS_f32(6, 2)
WINDOWS_f32(7, 1) WINDOWS_f32(7, 2) WINDOWS_f32(8, 1) WINDOWS_f32(8, 2)

static const windows_of_f32 tiles_of_windows_f32[8][2] = {
    {windows_f32_1_1, windows_f32_1_2}, {windows_f32_2_1, windows_f32_2_2},
    {windows_f32_3_1, windows_f32_3_2}, {windows_f32_4_1, windows_f32_4_2},
    {windows_f32_5_1, windows_f32_5_2}, {windows_f32_6_1, windows_f32_6_2},
    {windows_f32_7_1, windows_f32_7_2}, {windows_f32_8_1, windows_f32_8_2}};

/* All windows of one picture and one group, two vectors at a time. */
static void convolve_picture_f32(windows_f32 *at, const float *picture, const float *weight,
                                 float *out) {
  const sl_convolution *how = at->how;
  int64_t tiles = quotient_up(how->kernels, MOST_ROWS);
  place next = {0, 0};
  for (; next.row < how->rows.count; picture += 2 * lanes_f32) {
    at->picture = picture;
    at->ends[1] = next_spans(how, &next, lanes_f32, at->spans);
    at->ends[2] = at->ends[1] + next_spans(how, &next, lanes_f32, at->spans + at->ends[1]);
    int vectors = at->ends[2] > at->ends[1] ? 2 : 1;
    for (int64_t number = 0; number < tiles; number++) {
      tile rows = tile_at(how->kernels, number);
      tiles_of_windows_f32[rows.rows - 1][vectors - 1](at, weight + rows.first * at->k,
                                                       out + rows.first * how->out_kernel);
    }
  }
}

/* The pictures of some parts; every group counts as a picture of its own. */
static void convolve_parts_f32(const void *context, int64_t begin, int64_t end) {
  windows_f32 at = *(const windows_f32 *)context;
  const sl_convolution *how = at.how;
  int64_t all = how->pictures * how->groups;
  for (int64_t part = begin; part < end; part++) {
    float *copy = (float *)(at.scratch + how->copies) + part * how->copy_size;
    memset(copy, 0, (size_t)how->copy_size * sizeof(float));
    for (int64_t i = all * part / how->parts; i < all * (part + 1) / how->parts; i++) {
      int64_t n = i / how->groups, g = i % how->groups;
      copy_picture_f32(how, at.x + n * how->x_picture + g * how->x_group, copy);
      convolve_picture_f32(&at, copy, at.weight + g * how->kernels * at.k,
                           at.out + n * how->out_picture + g * how->out_group);
    }
  }
}

/* Kernels tile by tile: the numbers of all rows of a tile stand together. */
static void pack_kernels_f32(const sl_convolution *how, const float *weight, float *to) {
  const sl_tap *rows = how->rows.tap, *columns = how->columns.tap;
  int64_t tiles = quotient_up(how->kernels, MOST_ROWS);
  for (int64_t number = 0; number < how->groups * tiles; number++) {
    tile at = tile_at(how->kernels, number % tiles);
    const float *from = weight + number / tiles * how->weight_group + at.first * how->weight_kernel;
    for (int64_t c = 0; c < how->channels; c++, from += how->weight_channel)
      for (int64_t i = 0; i < how->rows.taps; i++)
        for (int64_t j = 0; j < how->columns.taps; j++)
          for (int64_t row = 0; row < at.rows; row++)
            *to++ = from[row * how->weight_kernel + rows[i].weight + columns[j].weight];
  }
}

/* out = the sums over all windows of x times weight. */
void convolve_f32(const sl_convolution *how, const float *x, const float *weight, float *out,
                  char *scratch) {
  float *packed = (float *)(scratch + how->weights);
  int64_t *offsets = (int64_t *)(scratch + how->offsets);
  pack_kernels_f32(how, weight, packed);
  find_offsets(how, offsets);
  windows_f32 at = {.how = how, .x = x, .weight = packed, .offsets = offsets, .out = out,
                    .scratch = scratch, .k = numbers(how)};
  sl_parallel(convolve_parts_f32, &at, how->parts);
}

/* ---- the adjoint in the weights ---- */

/* A whole adjoint: where everything is. */
typedef struct {
  const sl_convolution *how;
  const float *x, *out;
  float *weight;
  const int64_t *offsets;
  char *scratch;
} adjoint_f32;

/* Some rows of out, summed up over all windows times what one place of the kernel sees in them: a
   row of numbers for each window, which `offsets` tells. */
typedef struct {
  const float *a, *b;
  const int64_t *offsets;
  int64_t windows, a_row, a_column, sum_row;
  float *sum;
} seen_f32;

INLINE void any_seen_f32(const seen_f32 *at, int rows, int vectors) {
  vector_f32 sum[8][2], y[2];
  const float *a = at->a;
  int64_t a_row = at->a_row;
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = (vector_f32){0};
  for (int64_t p = 0; p < at->windows; p++, a += at->a_column) {
    const float *b = at->b + at->offsets[p];
    UNROLL for (int v = 0; v < vectors; v++)
      y[v] = *(const volatile loose_f32 *)(b + v * lanes_f32);
    UNROLL for (int i = 0; i < rows; i++)
      UNROLL for (int v = 0; v < vectors; v++) sum[i][v] += a[i * a_row] * y[v];
  }
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int v = 0; v < vectors; v++)
      *(loose_f32 *)(at->sum + i * at->sum_row + v * lanes_f32) += sum[i][v];
}

#define SEEN_f32(rows)                                                               \
  static void seen_f32_##rows##_1(const seen_f32 *at) { any_seen_f32(at, rows, 1); } \
  static void seen_f32_##rows##_2(const seen_f32 *at) { any_seen_f32(at, rows, 2); }
SEEN_f32(1) SEEN_f32(2) SEEN_f32(3) SEEN_f32(4) SEEN_f32(5) SEEN_f32(6) SEEN_f32(7) SEEN_f32(8)

static void (*const tiles_of_seen_f32[8][2])(const seen_f32 *) = {
    {seen_f32_1_1, seen_f32_1_2}, {seen_f32_2_1, seen_f32_2_2}, {seen_f32_3_1, seen_f32_3_2},
    {seen_f32_4_1, seen_f32_4_2}, {seen_f32_5_1, seen_f32_5_2}, {seen_f32_6_1, seen_f32_6_2},
    {seen_f32_7_1, seen_f32_7_2}, {seen_f32_8_1, seen_f32_8_2}};

/* Channels last: a picture as rows of `width` numbers for each of its places. */
static void turn_picture_f32(const sl_convolution *how, const float *x, float *to) {
  const sl_axis *rows = &how->rows, *columns = &how->columns;
  stretch y = inside(rows, 0), z = inside(columns, 0);
  int64_t step = columns->x_step, width = how->width, count = z.end - z.begin;
  for (int64_t i = y.begin; i < y.end; i++) {
    float *row = to + (i * columns->length + z.begin) * width;
    const float *from = x + (i - rows->before) * rows->x_step + (z.begin - columns->before) * step;
    if (step == 1)
      copy_columns_f32(row, (int)width, from, how->x_channel, (int)how->channels, 0, count);
    else
      for (int64_t j = 0; j < count; j++)
        for (int64_t c = 0; c < how->channels; c++)
          row[j * width + c] = from[j * step + c * how->x_channel];
  }
}

/* Windows last: the copy of a picture as rows of `width` numbers, all that one window sees. */
static void patch_picture_f32(const adjoint_f32 *at, const float *copy, float *to) {
  const sl_axis *rows = &at->how->rows, *columns = &at->how->columns;
  int64_t seen = numbers(at->how);
  for (int64_t i = 0; i < rows->count; i++)
    for (int64_t j = 0; j < columns->count; j++, to += at->how->width) {
      const float *from = copy + i * rows->apart * columns->length + j * columns->apart;
      for (int64_t p = 0; p < seen; p++) to[p] = from[at->offsets[p]];
    }
}

/* Adds what one picture and one group give: `places` of a kernel, each with rows of `width`. */
static void correlate_picture_f32(const adjoint_f32 *at, seen_f32 seen, const float *picture,
                                  const int64_t *starts, int64_t places) {
  const sl_convolution *how = at->how;
  const float *a = seen.a;
  float *sum = seen.sum;
  for (int64_t number = 0; number < quotient_up(how->kernels, MOST_ROWS); number++) {
    tile rows = tile_at(how->kernels, number);
    seen.a = a + rows.first * seen.a_row;
    for (int64_t place = 0; place < places; place++)
      for (int64_t first = 0; first < how->width; first += 2 * lanes_f32) {
        int vectors = how->width - first > lanes_f32 ? 2 : 1;
        seen.b = picture + starts[place] + first;
        seen.sum = sum + rows.first * seen.sum_row + place * how->width + first;
        tiles_of_seen_f32[rows.rows - 1][vectors - 1](&seen);
      }
  }
}

/* The sums of some parts. Where there are patches, a window is one row of them. */
static void correlate_parts_f32(const void *context, int64_t begin, int64_t end) {
  const adjoint_f32 *at = context;
  const sl_convolution *how = at->how;
  int64_t windows = how->rows.count * how->columns.count, all = how->pictures * how->groups;
  int64_t places = how->patches ? 1 : how->rows.taps * how->columns.taps;
  int64_t size = how->groups * how->kernels * places * how->width;
  seen_f32 seen = {.offsets = at->offsets + (how->patches ? numbers(how) : places),
                   .windows = windows, .a_row = how->out_kernel,
                   .a_column = how->columns.out_step, .sum_row = places * how->width};
  static const int64_t none = 0;
  for (int64_t part = begin; part < end; part++) {
    float *sums = (float *)(at->scratch + how->weights) + part * size;
    float *copy = (float *)(at->scratch + how->copies) + part * how->copy_size;
    float *patches = copy + how->patches;
    memset(sums, 0, (size_t)size * sizeof(float));
    memset(copy, 0, (size_t)how->copy_size * sizeof(float));
    for (int64_t i = all * part / how->parts; i < all * (part + 1) / how->parts; i++) {
      int64_t n = i / how->groups, g = i % how->groups;
      const float *x = at->x + n * how->x_picture + g * how->x_group;
      if (how->patches) copy_picture_f32(how, x, copy), patch_picture_f32(at, copy, patches);
      else turn_picture_f32(how, x, copy);
      seen.a = at->out + n * how->out_picture + g * how->out_group;
      seen.sum = sums + g * size / how->groups;
      correlate_picture_f32(at, seen, patches, how->patches ? &none : at->offsets, places);
    }
  }
}

/* Adds up the sums of the parts, kernel by kernel. */
static void join_parts_f32(const void *context, int64_t begin, int64_t end) {
  const adjoint_f32 *at = context;
  const sl_convolution *how = at->how;
  int64_t taps = how->rows.taps * how->columns.taps, places = how->patches ? 1 : taps;
  int64_t row = places * how->width, size = how->groups * how->kernels * row;
  int64_t next = how->patches ? 1 : how->width, channel = how->patches ? taps : 1;
  for (int64_t i = begin; i < end; i++) {
    const float *sums = (const float *)(at->scratch + how->weights) + i * row;
    float *to = at->weight + i * how->channels * taps;
    for (int64_t c = 0; c < how->channels; c++)
      for (int64_t tap = 0; tap < taps; tap++) {
        float sum = 0;
        for (int64_t part = 0; part < how->parts; part++)
          sum += sums[part * size + c * channel + tap * next];
        *to++ = sum;
      }
  }
}

/* weight = the sums over all pictures and windows of x times out. */
void correlate_f32(const sl_convolution *how, const float *x, const float *out, float *weight,
                   char *scratch) {
  int64_t *offsets = (int64_t *)(scratch + how->offsets);
  adjoint_f32 at = {how, x, out, weight, offsets, scratch};
  find_rows(how, offsets);
  sl_parallel(correlate_parts_f32, &at, how->parts);
  sl_parallel(join_parts_f32, &at, how->groups * how->kernels);
}
