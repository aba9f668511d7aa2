# Kernels on arrays of the caller's own: activations, vector functions, updates.

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

def update(optimizer, Py_ssize_t step, params, grads, moment1=None, moment2=None):
    """One step of the optimizer on flat arrays, in place."""
    cdef Py_ssize_t size = params.itemsize, n = params.size
    cdef Array p = Array(params, size, n, True), g = Array(grads, size, n)
    cdef Array m = optional(moment1, size, n, True), v = optional(moment2, size, n, True)
    cdef Optimizer o = optimizer
    if (o.rule == ADAM and (m is None or v is None)) or (o.rule == SGD and o.momentum != 0 and m is None):
        raise ValueError("an update with moments needs arrays for them")
    cdef void* first = pointer(m)
    cdef void* second = pointer(v)
    cdef const Table* t = table(size)
    with nogil:
        t.update(&o, step, p.data, g.data, first, second, n)
