/* What a program exports. This text stands behind its `static int64_t step(sl_call *call)`. */
#include <time.h>

/* Hands the program the services of the runtime; called once, before anything else. */
void sl_bind(const sl_runtime *runtime) { sl_bound = runtime; }

/* One step; 0 if all went well, else the code of the error. */
int64_t sl_run(sl_call *call) { return step(call); }

static void sl_move(sl_call *call, int64_t buffers, const int64_t *advance, int64_t steps) {
  for (int64_t i = 0; i < buffers; i++)
    call->buffers[i] = (char *)call->buffers[i] + advance[i] * steps;
}

static int64_t sl_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The steps `first` to `count` - 1 of a loop, in which buffer i moves on by advance[i] bytes from
   step to step. Stops at an error, and also after a tenth of a second, so that the caller can look
   after other things. error[3] is then the number of the step to go on with, or that failed; the
   buffers are where they were. */
int64_t sl_repeat(sl_call *call, int64_t first, int64_t count, int64_t buffers,
                  const int64_t *advance) {
  int64_t code = 0, done = first, end = sl_nanoseconds() + 100000000;
  sl_move(call, buffers, advance, first);
  while (done < count && !(code = step(call))) {
    sl_move(call, buffers, advance, 1);
    if (++done % 16 == 0 && sl_nanoseconds() > end) break;
  }
  sl_move(call, buffers, advance, -done);
  call->error[3] = done;
  return code;
}
