/* Python's door to a program: a built-in function that takes NumPy's arrays.

   A call through ctypes costs 0.7 us with three arguments, this one 0.05. It needs no header of
   Python: an object is its header (SL_OBJECT_HEADER bytes, the last of them its type) and what
   follows, and the fields of an array are part of NumPy's binary interface. They are checked when
   the runtime is loaded. An array that the program was not made for is refused. */

typedef struct object object;

typedef struct {
  char header[SL_OBJECT_HEADER - sizeof(void *)];
  void *type;
  char *data;
  int ndim;
  intptr_t *shape, *strides;
  void *base, *dtype;
  int flags;
} array;

enum { CONTIGUOUS = 0x1, ALIGNED = 0x100, WRITEABLE = 0x400 }; /* of NumPy's flags */

/* What is needed of Python, filled in once. */
static struct {
  object *(*let_others_run)(void); /* PyEval_SaveThread: gives the interpreter's lock away */
  void (*go_on)(object *);         /* PyEval_RestoreThread */
  object *(*from_integer)(long long);
  void (*set_bad_argument)(void);
  void (*keep)(object *); /* Py_IncRef */
  object *not_implemented;
  void *array_type;
} python;

void sl_use_python(const void *needed) { memcpy(&python, needed, sizeof python); }

/* An array that an entry takes. */
typedef struct {
  int64_t place; /* its index among the buffers */
  void *dtype;
  int64_t ndim;
  const int64_t *shape;
  int64_t bytes;
  int64_t written; /* the program writes to it */
} layout;

typedef struct {
  char *low, *high;
} span;

/* A loaded program. */
typedef struct {
  int64_t (*run)(sl_call *);
  sl_call call;
  const span *spans; /* memory that the program changes: arguments may not lie there */
  int64_t span_count, runs, fastest;
} program;

/* A way into it, with some of its buffers as arguments. */
typedef struct {
  program *program;
  int64_t arguments;
  const layout *layouts;
} entry;

enum { RUNS_TO_MEASURE = 4, SHORT_NANOSECONDS = 100000 };

static int is_as_expected(const array *x, const layout *l, const program *p) {
  int wanted = CONTIGUOUS | ALIGNED | (l->written ? WRITEABLE : 0);
  if (x->type != python.array_type || x->dtype != l->dtype || x->ndim != l->ndim ||
      (x->flags & wanted) != wanted)
    return 0;
  for (int64_t i = 0; i < l->ndim; i++)
    if (x->shape[i] != l->shape[i]) return 0;
  for (int64_t i = 0; i < p->span_count; i++)
    if (x->data < p->spans[i].high && x->data + l->bytes > p->spans[i].low) return 0;
  return 1;
}

/* The lock of the interpreter is given away while a step runs, but not for one that is known to be
   short: where another thread of Python is busy, it comes back only after 5 ms. */
static int64_t carry_out(program *p) {
  if (p->runs >= RUNS_TO_MEASURE && p->fastest < SHORT_NANOSECONDS) return p->run(&p->call);
  object *thread = python.let_others_run();
  int64_t begun = nanoseconds();
  int64_t code = p->run(&p->call);
  int64_t spent = nanoseconds() - begun;
  python.go_on(thread);
  if (p->runs++ == 0 || spent < p->fastest) p->fastest = spent;
  return code;
}

/* step(*arrays): 0 or the code of an error; NotImplemented if an array is not as expected. */
static object *step(object *self, object *const *arguments, intptr_t given) {
  const entry *e = (const entry *)((array *)self)->data;
  program *p = e->program;
  if (given != e->arguments) {
    python.set_bad_argument();
    return NULL;
  }
  for (int64_t i = 0; i < given; i++) {
    if (!is_as_expected((const array *)arguments[i], &e->layouts[i], p)) {
      python.keep(python.not_implemented);
      return python.not_implemented;
    }
  }
  for (int64_t i = 0; i < given; i++)
    p->call.buffers[e->layouts[i].place] = ((const array *)arguments[i])->data;
  return python.from_integer(carry_out(p));
}

/* Python's description of a built-in function; 0x80 says how it takes its arguments. */
const struct {
  const char *name;
  object *(*function)(object *, object *const *, intptr_t);
  int flags;
  const char *doc;
} sl_step = {"step", step, 0x80, "step(*arrays) -> 0, the code of an error, or NotImplemented"};

/* Whether an array is found to be what NumPy says of it. The shape is looked at last, when it is
   certain that there is an address. */
int sl_reads(const array *x, int64_t type, int64_t data, int64_t dtype, int64_t flags, int64_t ndim,
             const int64_t *shape) {
  if ((intptr_t)x->type != type || (intptr_t)x->data != data || (intptr_t)x->dtype != dtype ||
      x->flags != flags || x->ndim != ndim)
    return 0;
  return !memcmp(x->shape, shape, (size_t)ndim * sizeof *shape);
}
