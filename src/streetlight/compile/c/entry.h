/* What a program exports. This text stands behind its `static int64_t step(sl_call *call)`. */

/* Hands the program the services of the runtime; called once, before anything else. */
void sl_bind(const sl_runtime *runtime) { sl_bound = runtime; }

/* One step; 0 if all went well, else the code of the error. */
int64_t sl_run(sl_call *call) { return step(call); }

/* `count` steps; after each, buffer i moves on by advance[i] bytes. Stops at the first error. */
int64_t sl_repeat(sl_call *call, int64_t count, int64_t buffers, const int64_t *advance) {
  for (int64_t done = 0; done < count; done++) {
    int64_t code = step(call);
    if (code) {
      call->error[3] = done;
      return code;
    }
    for (int64_t i = 0; i < buffers; i++) call->buffers[i] = (char *)call->buffers[i] + advance[i];
  }
  return 0;
}
