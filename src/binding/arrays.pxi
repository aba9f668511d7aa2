# Functions on NumPy arrays: activations, vector functions, updates, schedules. An Array checks the dtype, so that there are
# kernels for it.

cdef enum:
    MAX_MOMENTS = 4         # as in ops/update.pxi

def activation(int kind, Z, out):
    """out = f(Z)"""
    cdef Py_ssize_t m = Z.shape[Z.ndim - 1] if Z.ndim else 1, n = Z.size // m if m else 0
    cdef Array z = Array(Z, Z.itemsize, n * m), o = Array(out, Z.itemsize, n * m, True)
    cdef const Kernels* t = kernels(Z.itemsize)
    cdef ZeroedBuffer workspace = ZeroedBuffer(t.row_workspace_size(m) if kind == SOFTMAX else 0)
    with nogil:
        t.activation(kind, z.data, o.data, n, m, workspace.data)

def activation_backward(int kind, dA, Z, dZ):
    """dZ = dA * f'(Z)"""
    cdef Py_ssize_t m = Z.shape[Z.ndim - 1] if Z.ndim else 1, n = Z.size // m if m else 0
    cdef Array z = Array(Z, Z.itemsize, n * m), a = Array(dA, Z.itemsize, n * m), d = Array(dZ, Z.itemsize, n * m, True)
    cdef const Kernels* t = kernels(Z.itemsize)
    cdef ZeroedBuffer workspace = ZeroedBuffer(t.row_workspace_size(m) if kind == SOFTMAX else 0)
    with nogil:
        t.activation_backward(kind, a.data, z.data, d.data, n, m, workspace.data)

def vector_function(int which, x, out):
    """out = f(x), f one of `VectorFunction`"""
    cdef Array a = Array(x, x.itemsize, x.size), o = Array(out, x.itemsize, x.size, True)
    cdef Py_ssize_t n = x.size
    cdef const Kernels* t = kernels(x.itemsize)
    with nogil:
        t.vector_function(which, a.data, o.data, n)

def all_finite(x):
    """Whether all numbers of an array are finite."""
    cdef Array a = Array(x, x.itemsize, x.size)
    cdef Py_ssize_t n = x.size
    cdef const Kernels* t = kernels(x.itemsize)
    cdef bint finite
    with nogil:
        finite = t.all_finite(a.data, n)
    return finite

def multiply_adds(x, Py_ssize_t n):
    """Compute at least n multiply-adds z = z x[0] + x[1] in registers. Returns how many they were.

    x is a copy of two numbers, the first of which changes."""
    cdef Array a = Array(x, x.itemsize, 2, True)
    cdef const Kernels* t = kernels(x.itemsize)
    with nogil:
        n = t.multiply_adds(a.data, n)
    return n

cdef Array read_rate(dict options, LearningRate* r):
    """Read a schedule's options. Returns the array that r.rates points to, which must live as long as r, or None."""
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
        raise ValueError("The table of learning rates is empty. Pass at least one rate.")
    return rates

cdef Array read_optimizer(dict options, Optimizer* o):
    """Read an optimizer's options. Returns what `read_rate` returns."""
    cdef Array rates = read_rate(options["rate"], &o.rate)
    o.rule = options["rule"]
    o.nesterov = options["nesterov"]
    o.amsgrad = options["amsgrad"]
    o.centered = options["centered"]
    o.decoupled = options["decoupled"]
    o.lazy_categories = options["lazy_categories"]
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
    """Number of arrays like the parameters that an optimizer keeps: its moments, and the average of the parameters."""
    cdef Optimizer o
    read_optimizer(optimizer, &o)       # o.rates may be gone after this; n_moments does not read it
    return kernels(4).n_moments(&o)

def learning_rate(rate, Py_ssize_t step, Py_ssize_t epoch):
    """The learning rate of the step after this many whole steps and epochs."""
    cdef LearningRate r
    cdef Array rates = read_rate(rate, &r)      # keeps r.rates alive
    return kernels(4).learning_rate(&r, step, epoch)

cdef bint can_update_together(const Py_buffer* a, const Py_buffer* b) noexcept:
    """Whether two arrays have the same dtype and shape and share no memory."""
    cdef int i
    if (itemsize_of(a.format) != itemsize_of(b.format) or a.ndim != b.ndim
            or overlap(a, <char*>b.buf, <char*>b.buf + b.len)):
        return False
    for i in range(a.ndim):
        if a.shape[i] != b.shape[i]:
            return False
    return True

def packed(optimizer):
    """Options of an optimizer in the form that `update` takes. Converting them takes longer than updating a small
    array, so do it once."""
    cdef Optimizer o
    memset(&o, 0, sizeof(Optimizer))
    if read_optimizer(optimizer, &o) is not None:
        raise ValueError("An update takes one learning rate, but the optimizer has a table of them.")
    return (<char*>&o)[:sizeof(Optimizer)]

def update(bytes optimizer, Py_ssize_t step, params, grads, *moments):
    """One step of a packed optimizer, in place. params, grads and moments: NumPy arrays of one shape and dtype,
    C-contiguous and aligned, that share no memory.

    For anything else an exception is raised before a number changes. The caller finds out which array is wrong."""
    cdef const Optimizer* o = <const Optimizer*><const char*>optimizer
    cdef const Kernels* t = kernels(4)
    cdef Py_buffer views[MAX_MOMENTS + 2]      # `Array` objects took a third of a small update's time
    cdef void* pointers[MAX_MOMENTS + 2]
    cdef Py_ssize_t n
    cdef int n_views = 0, k
    if len(optimizer) != sizeof(Optimizer):
        raise ValueError("An update takes the options of an optimizer as `packed` returns them.")
    if t.n_moments(o) != len(moments):
        raise ValueError(f"This update needs {t.n_moments(o)} moments, got {len(moments)}.")
    try:
        for x in (params, grads) + moments:
            if type(x) is not ndarray:
                raise TypeError(f"An update takes NumPy arrays, got {type(x).__name__}.")
            PyObject_GetBuffer(x, &views[n_views],
                               PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if n_views != 1 else 0))
            n_views += 1
            pointers[n_views - 1] = views[n_views - 1].buf
            if (itemsize_of(views[0].format) == 0
                    or <uintptr_t>pointers[n_views - 1] % <uintptr_t>views[0].itemsize != 0):
                raise ValueError("An update takes aligned arrays of float32 or float64.")
            for k in range(n_views - 1):
                if not can_update_together(&views[n_views - 1], &views[k]):
                    raise ValueError("The arrays of an update must have the same dtype and shape and share no memory.")
        t = kernels(views[0].itemsize)
        n = views[0].len // views[0].itemsize
        if n < MAX_WORK_WITH_GIL:
            t.update(o, step, pointers[0], pointers[1], pointers + 2, n)
        else:
            with nogil:
                t.update(o, step, pointers[0], pointers[1], pointers + 2, n)
    finally:
        for k in range(n_views):
            PyBuffer_Release(&views[k])
