# Kernels on arrays of the caller's own: activations, vector functions, updates.

cdef enum:
    MOST_MOMENTS = 4

def activation(int kind, Z, out):
    """out = f(Z)"""
    cdef Py_ssize_t m = Z.shape[Z.ndim - 1] if Z.ndim else 1, n = Z.size // m if m else 0
    cdef Array z = Array(Z, Z.itemsize, n * m), o = Array(out, Z.itemsize, n * m, True)
    cdef const Table* t = table(Z.itemsize)
    cdef Memory scratch = Memory(t.row_size(m) if kind == SOFTMAX else 0)
    with nogil:
        t.activation(kind, z.data, o.data, n, m, scratch.start)

def activation_backward(int kind, dA, Z, dZ):
    """dZ = dA * f'(Z)"""
    cdef Py_ssize_t m = Z.shape[Z.ndim - 1] if Z.ndim else 1, n = Z.size // m if m else 0
    cdef Array z = Array(Z, Z.itemsize, n * m), a = Array(dA, Z.itemsize, n * m), d = Array(dZ, Z.itemsize, n * m, True)
    cdef const Table* t = table(Z.itemsize)
    cdef Memory scratch = Memory(t.row_size(m) if kind == SOFTMAX else 0)
    with nogil:
        t.activation_backward(kind, a.data, z.data, d.data, n, m, scratch.start)

def vector_function(int which, x, out):
    """out = exp(x), ... : one of `VectorFunction`, as the kernels compute it."""
    cdef Array a = Array(x, x.itemsize, x.size), o = Array(out, x.itemsize, x.size, True)
    cdef Py_ssize_t n = x.size
    cdef const Table* t = table(x.itemsize)
    with nogil:
        t.vector_function(which, a.data, o.data, n)

def all_finite(x):
    """Whether all numbers of an array are."""
    cdef Array a = Array(x, x.itemsize, x.size)
    cdef Py_ssize_t n = x.size
    cdef const Table* t = table(x.itemsize)
    cdef bint finite
    with nogil:
        finite = t.all_finite(a.data, n)
    return finite

def n_moments(optimizer):
    """How many arrays like the parameters an optimizer moves besides them, the average among them."""
    cdef Optimizer o = optimizer
    return table(4).n_moments(&o)

def learning_rate(rate, Py_ssize_t step, Py_ssize_t epoch):
    """The rate after so many whole steps and epochs."""
    cdef LearningRate r = rate
    return table(4).learning_rate(&r, step, epoch)

cdef bint may_step_together(Array a, Array b) noexcept:
    """Same shape, and no memory in common."""
    cdef int i
    cdef char* p = <char*>a.data
    cdef char* q = <char*>b.data
    if a.view.ndim != b.view.ndim or (p < q + b.view.len and q < p + a.view.len):
        return False
    for i in range(a.view.ndim):
        if a.view.shape[i] != b.view.shape[i]:
            return False
    return True

def packed(optimizer):
    """An optimizer's settings as `update` wants them: made once, since they take longer to convert than a small array to update."""
    cdef Optimizer o = optimizer
    return (<char*>&o)[:sizeof(Optimizer)]

def update(bytes optimizer, Py_ssize_t step, params, grads, *moments):
    """One step of a packed optimizer, in place, on NumPy arrays of one shape and dtype, C-contiguous, aligned and apart. Anything else raises
    before a number has changed (it is for the caller to say which array is to blame)."""
    cdef Py_ssize_t size = params.itemsize, n = params.size
    cdef const Optimizer* o = <const Optimizer*><const char*>optimizer
    cdef const Table* t = table(size)
    cdef void* pointers[MOST_MOMENTS + 2]
    cdef list held = []
    cdef Array a
    cdef int k
    if len(optimizer) != sizeof(Optimizer) or t == NULL:
        raise ValueError("an update takes `packed` settings and arrays of float32 or float64")
    if t.n_moments(o) != len(moments):
        raise ValueError(f"this update needs {t.n_moments(o)} moments, got {len(moments)}")
    for k, x in enumerate((params, grads, *moments)):
        if type(x) is not numpy.ndarray:
            raise TypeError("an update takes NumPy arrays")
        a = Array(x, size, n, k != 1)
        if <uintptr_t>a.data % <uintptr_t>size != 0:
            raise ValueError("an array begins within a number")
        for other in held:
            if not may_step_together(a, other):
                raise ValueError("arrays of an update have the same shape and no memory in common")
        pointers[k] = a.data
        held.append(a)
    with nogil:
        t.update(o, step, pointers[0], pointers[1], pointers + 2, n)
