/* One pool of threads for all programs of the process.

   A region 0..count is cut into as many parts as there are threads, always the same way. The caller
   does part 0, each worker the part of its number, and the caller also those that no worker has
   begun: a worker that is late, asleep or has lost its core holds nobody up. Workers wait awake for
   a moment after each region, because a program has many, and then sleep. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() sched_yield()
#endif

#if defined(__linux__)
#define CORE() sched_getcpu()
#else
#define CORE() -1
#endif

enum { MOST_THREADS = 32, AWAKE_NANOSECONDS = 200000, PAUSES = 32, MANY_PAUSES = 4096 };

static struct {
  sl_task task;
  const void *context;
  int64_t count;
  int parts;
} region; /* what is worked on; changes only when no part of it is unfinished */

static _Atomic uint64_t unclaimed; /* lower half: bit p for part p; upper half counts regions */
static atomic_int unfinished, asleep, leaving;
static atomic_int busy; /* a region is being worked on, or the pool is being changed */
static atomic_int core_of_caller;
static _Thread_local int inside; /* this thread is at work on a region */

static atomic_int threads = 1;
static int workers;
static pthread_t pool[MOST_THREADS];
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t awakening = PTHREAD_COND_INITIALIZER;

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Takes a part that nobody has begun, the preferred one if it is still there; 0 if none is left. */
static int claim(int preferred) {
  uint64_t seen = unclaimed;
  while ((uint32_t)seen) {
    int part = seen >> preferred & 1 ? preferred : __builtin_ctz((uint32_t)seen);
    if (atomic_compare_exchange_weak(&unclaimed, &seen, seen & ~(UINT64_C(1) << part))) return part;
  }
  return 0;
}

static void do_part(int part) {
  int64_t size = region.count / region.parts, longer = region.count % region.parts;
  int64_t begin = part * size + (part < longer ? part : longer);
  region.task(region.context, begin, begin + size + (part < longer));
}

static int do_any_part(int preferred) {
  int part = claim(preferred);
  if (!part) return 0;
  do_part(part);
  unfinished--;
  return 1;
}

static void sleep_until_work(void) {
  pthread_mutex_lock(&sleep_lock);
  asleep++;
  while (!(uint32_t)unclaimed && !leaving) pthread_cond_wait(&awakening, &sleep_lock);
  asleep--;
  pthread_mutex_unlock(&sleep_lock);
}

static void wake_all(void) {
  pthread_mutex_lock(&sleep_lock);
  pthread_cond_broadcast(&awakening);
  pthread_mutex_unlock(&sleep_lock);
}

/* Where a worker has been woken on the core of the caller, the caller cannot go on: it yields. */
static void *worker(void *number) {
  int64_t since = nanoseconds();
  inside = 1;
  for (unsigned pauses = 1; !leaving; pauses++) {
    if (do_any_part((int)(intptr_t)number)) {
      since = nanoseconds();
      pauses = PAUSES - 1;
    } else if (pauses % PAUSES) {
      PAUSE();
    } else if (nanoseconds() - since > AWAKE_NANOSECONDS) {
      sleep_until_work();
      since = nanoseconds();
    } else if (CORE() == core_of_caller) {
      sched_yield();
    }
  }
  return NULL;
}

/* Starts the workers that are not there yet. Signals are left to the threads of Python. */
static void hire(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (workers < threads - 1) {
    if (pthread_create(&pool[workers], NULL, worker, (void *)(intptr_t)(workers + 1))) break;
    workers++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void dismiss(void) {
  leaving = 1;
  wake_all();
  while (workers) pthread_join(pool[--workers], NULL);
  leaving = 0;
}

static void parallel(sl_task task, const void *context, int64_t count) {
  if (count < 2 || threads < 2 || inside || atomic_exchange(&busy, 1)) {
    if (count > 0) task(context, 0, count);
    return;
  }
  if (workers < threads - 1) hire();
  int parts = count < threads ? (int)count : threads;
  region.task = task, region.context = context, region.count = count, region.parts = parts;
  unfinished = parts - 1;
  core_of_caller = CORE();
  inside = 1;
  unclaimed = ((unclaimed >> 32) + 1) << 32 | ((UINT64_C(1) << parts) - 2);
  if (asleep) wake_all();
  do_part(0);
  while (do_any_part(0)) continue;
  for (unsigned pauses = 1; unfinished; pauses++) {
    if (pauses % MANY_PAUSES) PAUSE();
    else sched_yield();
  }
  inside = 0;
  busy = 0;
}

/* Waits for the region that is worked on, if there is one, and keeps others from beginning. */
static void seize_pool(void) {
  while (atomic_exchange(&busy, 1)) sched_yield();
}

/* A fork copies one thread alone: the workers leave before it, and come when they are needed. */
static void before_fork(void) { seize_pool(), dismiss(); }
static void after_fork(void) { busy = 0; }

int sl_threads(void) { return threads; }

void sl_set_threads(int count) {
  static int watching;
  seize_pool();
  if (!watching) watching = !pthread_atfork(before_fork, after_fork, after_fork);
  dismiss();
  threads = count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : count;
  busy = 0;
}
