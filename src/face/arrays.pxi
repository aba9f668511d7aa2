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

def n_moments(optimizer):
    """How many arrays like the parameters an optimizer moves besides them, the average among them."""
    cdef Optimizer o = optimizer
    return table(4).n_moments(&o)

def learning_rate(rate, Py_ssize_t step, Py_ssize_t epoch):
    """The rate after so many whole steps and epochs."""
    cdef LearningRate r = rate
    return table(4).learning_rate(&r, step, epoch)

def update(optimizer, Py_ssize_t step, params, grads, *moments):
    """One step of the optimizer on flat arrays, in place."""
    cdef Py_ssize_t size = params.itemsize, n = params.size
    cdef Array p = Array(params, size, n, True), g = Array(grads, size, n)
    cdef Optimizer o = optimizer
    cdef const Table* t = table(size)
    cdef void* pointers[MOST_MOMENTS]
    cdef list held = [Array(m, size, n, True) for m in moments]
    cdef int k
    if len(held) != t.n_moments(&o):
        raise ValueError(f"this update needs {t.n_moments(&o)} moments, got {len(held)}")
    for k in range(len(held)):
        pointers[k] = (<Array>held[k]).data
    with nogil:
        t.update(&o, step, p.data, g.data, pointers, n)
