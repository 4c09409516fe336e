/* Random words, and the table of services that programs are bound to. The runtime is runtime.h,
   threads.c, gemm.c, this file and python.c, compiled together once for all programs. */

/* One draw of SFC64 (Doty-Humphrey, PractRand) from the state that NumPy keeps. */
static uint64_t draw(uint64_t *s) {
  uint64_t drawn = s[0] + s[1] + s[3]++;
  s[0] = s[1] ^ (s[1] >> 11);
  s[1] = s[2] + (s[2] << 3);
  s[2] = ((s[2] << 24) | (s[2] >> 40)) + drawn;
  return drawn;
}

static void random_words(uint64_t *state, uint32_t *out, int64_t count) {
  uint64_t s[4] = {state[0], state[1], state[2], state[3]};
  for (int64_t i = 0; i + 1 < count; i += 2) {
    uint64_t drawn = draw(s);
    out[i] = (uint32_t)drawn;
    out[i + 1] = (uint32_t)(drawn >> 32);
  }
  if (count % 2) out[count - 1] = (uint32_t)draw(s);
  memcpy(state, s, sizeof s);
}

sl_runtime sl_services = {
    .parallel = parallel, .gemm_f32 = gemm_f32, .gemm_f64 = gemm_f64, .random_words = random_words};

/* Sets what tiles.c and convolution.c have for an element type of so many bytes. */
void sl_use_tiles(int size, void *multiply, void *pack, void *convolve, void *correlate) {
  sl_runtime *of = &sl_services;
  if (size == 4) {
    of->multiply_f32 = multiply, of->pack_f32 = pack;
    of->convolve_f32 = convolve, of->correlate_f32 = correlate;
  } else {
    of->multiply_f64 = multiply, of->pack_f64 = pack;
    of->convolve_f64 = convolve, of->correlate_f64 = correlate;
  }
}
