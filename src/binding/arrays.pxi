# Functions on arrays of the caller's own: activations, vector functions, updates.

cdef enum:
    MOST_MOMENTS = 4

cdef const Table* table_of(x) except NULL:
    """The functions for an array's dtype."""
    cdef const Table* t = table(x.itemsize)
    if t == NULL:
        raise TypeError(f"expected an array of float32 or float64, got {x.dtype}")
    return t

def activation(int kind, Z, out):
    """out = f(Z)"""
    cdef Py_ssize_t m = Z.shape[Z.ndim - 1] if Z.ndim else 1, n = Z.size // m if m else 0
    cdef Array z = Array(Z, Z.itemsize, n * m), o = Array(out, Z.itemsize, n * m, True)
    cdef const Table* t = table_of(Z)
    cdef Memory scratch = Memory(t.row_size(m) if kind == SOFTMAX else 0)
    with nogil:
        t.activation(kind, z.data, o.data, n, m, scratch.start)

def activation_backward(int kind, dA, Z, dZ):
    """dZ = dA * f'(Z)"""
    cdef Py_ssize_t m = Z.shape[Z.ndim - 1] if Z.ndim else 1, n = Z.size // m if m else 0
    cdef Array z = Array(Z, Z.itemsize, n * m), a = Array(dA, Z.itemsize, n * m), d = Array(dZ, Z.itemsize, n * m, True)
    cdef const Table* t = table_of(Z)
    cdef Memory scratch = Memory(t.row_size(m) if kind == SOFTMAX else 0)
    with nogil:
        t.activation_backward(kind, a.data, z.data, d.data, n, m, scratch.start)

def vector_function(int which, x, out):
    """out = exp(x), ... : one of `VectorFunction`, as the ops compute it."""
    cdef Array a = Array(x, x.itemsize, x.size), o = Array(out, x.itemsize, x.size, True)
    cdef Py_ssize_t n = x.size
    cdef const Table* t = table_of(x)
    with nogil:
        t.vector_function(which, a.data, o.data, n)

def all_finite(x):
    """Whether all numbers of an array are."""
    cdef Array a = Array(x, x.itemsize, x.size)
    cdef Py_ssize_t n = x.size
    cdef const Table* t = table_of(x)
    cdef bint finite
    with nogil:
        finite = t.all_finite(a.data, n)
    return finite

cdef Array read_rate(dict options, LearningRate* r):
    """A schedule's numbers. Returns the array that r.rates points into, for whoever keeps r to hold; None for a schedule without a table."""
    cdef object table = options["rates"]
    cdef Py_ssize_t n = 0 if table is None else len(table)
    cdef Array rates = optional(table, sizeof(double), n)
    r.schedule = options["schedule"]
    r.per_epoch = options["per_epoch"]
    r.lr = options["lr"]
    r.factor = options["factor"]
    r.every = options["every"]
    r.warmup = options["warmup"]
    r.final_lr = options["final_lr"]
    r.start_lr = options["start_lr"]
    r.rates = <const double*>pointer(rates)
    r.n_rates = n
    if r.schedule == RATE_TABLE and n == 0:
        raise ValueError("a table of rates needs at least one")
    return rates

cdef Array read_optimizer(dict options, Optimizer* o):
    """An optimizer's numbers; returns as `read_rate`."""
    cdef Array rates = read_rate(options["rate"], &o.rate)
    o.rule = options["rule"]
    o.nesterov = options["nesterov"]
    o.amsgrad = options["amsgrad"]
    o.centered = options["centered"]
    o.decoupled = options["decoupled"]
    o.momentum = options["momentum"]
    o.weight_decay = options["weight_decay"]
    o.beta1 = options["beta1"]
    o.beta2 = options["beta2"]
    o.eps = options["eps"]
    o.decay = options["decay"]
    o.l1 = options["l1"]
    o.l2 = options["l2"]
    o.clip_value = options["clip_value"]
    o.clip_norm = options["clip_norm"]
    o.average = options["average"]
    return rates

def n_moments(optimizer):
    """How many arrays like the parameters an optimizer moves besides them, the average among them."""
    cdef Optimizer o
    read_optimizer(optimizer, &o)       # whose rates are not read here
    return table(4).n_moments(&o)

def learning_rate(rate, Py_ssize_t step, Py_ssize_t epoch):
    """The rate after so many whole steps and epochs."""
    cdef LearningRate r
    cdef Array rates = read_rate(rate, &r)      # held until the rate is known
    return table(4).learning_rate(&r, step, epoch)

cdef bint may_step_together(const Py_buffer* a, const Py_buffer* b) noexcept:
    """Same dtype and shape, and no memory in common."""
    cdef int i
    if itemsize_of(a.format) != itemsize_of(b.format) or a.ndim != b.ndim or overlap(a, <char*>b.buf, <char*>b.buf + b.len):
        return False
    for i in range(a.ndim):
        if a.shape[i] != b.shape[i]:
            return False
    return True

def packed(optimizer):
    """An optimizer's settings as `update` wants them: made once, since they take longer to convert than a small array to update."""
    cdef Optimizer o
    memset(&o, 0, sizeof(Optimizer))
    if read_optimizer(optimizer, &o) is not None:
        raise ValueError("an update takes one rate: nobody holds the table of a schedule for it")
    return (<char*>&o)[:sizeof(Optimizer)]

def update(bytes optimizer, Py_ssize_t step, params, grads, *moments):
    """One step of a packed optimizer, in place, on NumPy arrays of one shape and dtype, C-contiguous, aligned and apart. Anything else raises
    before a number has changed (it is for the caller to say which array is to blame)."""
    cdef const Optimizer* o = <const Optimizer*><const char*>optimizer
    cdef const Table* t = table(4)
    cdef Py_buffer views[MOST_MOMENTS + 2]      # as `Array`s they took a third of a small update's time
    cdef void* pointers[MOST_MOMENTS + 2]
    cdef Py_ssize_t n
    cdef int held = 0, k
    if len(optimizer) != sizeof(Optimizer):
        raise ValueError("an update takes `packed` settings")
    if t.n_moments(o) != len(moments):
        raise ValueError(f"this update needs {t.n_moments(o)} moments, got {len(moments)}")
    try:
        for x in (params, grads) + moments:
            if type(x) is not ndarray:
                raise TypeError("an update takes NumPy arrays")
            PyObject_GetBuffer(x, &views[held], PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if held != 1 else 0))
            held += 1
            pointers[held - 1] = views[held - 1].buf
            if itemsize_of(views[0].format) == 0 or <uintptr_t>pointers[held - 1] % <uintptr_t>views[0].itemsize != 0:
                raise ValueError("an update takes arrays of float32 or float64 that do not begin within a number")
            for k in range(held - 1):
                if not may_step_together(&views[held - 1], &views[k]):
                    raise ValueError("arrays of an update have the same dtype and shape and no memory in common")
        t = table(views[0].itemsize)
        n = views[0].len // views[0].itemsize
        if n < QUICK:
            t.update(o, step, pointers[0], pointers[1], pointers + 2, n)
        else:
            with nogil:
                t.update(o, step, pointers[0], pointers[1], pointers + 2, n)
    finally:
        for k in range(held):
            PyBuffer_Release(&views[k])
