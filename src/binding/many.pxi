# Many networks: their outputs for the same rows or for rows of their own, and the mean of the outputs.
# They do not check whether a network is in training, since they may run in another thread than their caller, which
# has a context `Reading`.

def forward_many(list networks, X, out, Abort abort=None):
    """out[j] = outputs of network j for X, or for X[j]: X (n, n_in) or (k, n, n_in), out (k, n, n_out), C-contiguous, of
    the networks' dtype.

    abort: of `run_in_threads`."""
    cdef CompiledNetwork network = networks[0]
    cdef Py_ssize_t k = len(networks), i, itemsize = network.itemsize, n_in = network.n_in, n_out = network.n_out
    cdef ManyRows rows = ManyRows(X, network, k)
    cdef Py_ssize_t n = rows.n, size = n * n_out * itemsize
    cdef Array y = Array(out, itemsize, k * n * n_out, True)
    for i in range(k):
        network = networks[i]
        check_signals(abort)
        if network.n_in != n_in or network.n_out != n_out or network.itemsize != itemsize:
            raise ValueError("The networks differ in inputs, outputs or dtype.")
        if rows.table is None:
            network.run(rows.data + i * rows.stride, n, <char*>y.data + i * size, abort)
        else:
            network.run_table(rows.table, n, <char*>y.data + i * size, abort)

cdef class ManyRows:
    """The rows of k networks, the same ones or their own. X: as in `forward_many`."""
    cdef CompiledTable table            # or None
    cdef Array array                    # likewise
    cdef const char* data
    cdef Py_ssize_t n                   # rows of a network
    cdef Py_ssize_t stride              # bytes from the rows of a network to those of the next

    def __cinit__(self, X, CompiledNetwork network, Py_ssize_t k):
        self.table = X if isinstance(X, CompiledTable) else None
        self.n = len(X)
        if self.table is not None:
            return
        if X.ndim == 3:
            self.n = X.shape[1]
            self.stride = self.n * network.n_in * network.itemsize
        self.array = Array(X, network.itemsize, self.n * network.n_in * (k if X.ndim == 3 else 1))
        self.data = <const char*>self.array.data

# ---- the mean of the outputs ----

cdef enum:
    STACK_SUMS = 128                    # sums of at most this many outputs are on the stack
    MAX_OUTPUTS_WITH_GIL = 10000        # below this, releasing the GIL to add outputs costs more than keeping it

def forward_mean(list networks, X, out, Abort abort=None):
    """out = mean of the networks' outputs for X: X (n, n_in), out (n, n_out), C-contiguous, of the networks' dtype.

    abort: of `run_in_threads`."""
    cdef CompiledNetwork first = networks[0]
    cdef Py_ssize_t n = len(X)
    cdef CompiledTable rows = X if isinstance(X, CompiledTable) else None
    cdef Array x = Array(X, first.itemsize, n * first.n_in) if rows is None else None
    cdef Array y = Array(out, first.itemsize, n * first.n_out, True)
    run_mean(tuple(networks), pointer(x), n, y.data, rows, abort)

def forward_mean_finite(list networks, X):
    """The mean of the networks' outputs for an array that needs no conversion and holds only finite numbers; None for
    anything else."""
    cdef tuple members = tuple(networks)
    cdef CompiledNetwork first = members[0]
    cdef Py_buffer x, y
    cdef bint finite, holds_out = False
    cdef Reading reading = Reading(networks)
    first.check_bound()
    if type(X) is not ndarray or not get_matrix(X, &x, first.itemsize, first.n_in, False):
        return None
    try:
        with nogil:
            finite = first.kernels.all_finite(x.buf, x.shape[0] * x.shape[1])
        if not finite:
            return None
        out = empty((x.shape[0], first.n_out), first.dtype_)
        if first.n_in != x.shape[1] or not get_matrix(out, &y, first.itemsize, first.n_out, True):
            return None                 # another thread has bound the network to other arrays
        holds_out = True
        run_mean(members, x.buf, x.shape[0], y.buf, None, None)
    finally:
        if holds_out:
            PyBuffer_Release(&y)
        PyBuffer_Release(&x)
    reading.check()
    return out

cdef int run_mean(tuple networks, const void* X, Py_ssize_t n, void* out, CompiledTable rows, Abort abort) except -1:
    """out = mean of the outputs for X, or for the rows of a table. They are added in double, in the order of the networks."""
    cdef CompiledNetwork network = networks[0]
    cdef Py_ssize_t n_in = network.n_in, n_out = network.n_out, itemsize = network.itemsize, size = n * n_out, k, i
    cdef double stack[STACK_SUMS]
    cdef double* sums = stack
    cdef ZeroedBuffer memory
    if size > STACK_SUMS:
        memory = ZeroedBuffer(size * <Py_ssize_t>sizeof(double))
        sums = <double*>memory.data
    else:
        memset(stack, 0, sizeof(stack))
    k = len(networks)
    for i in range(k):
        network = networks[i]
        check_signals(abort)
        if network.n_in != n_in or network.n_out != n_out or network.itemsize != itemsize:
            raise ValueError("The networks differ in inputs, outputs or dtype.")
        if rows is None:
            network.run(X, n, out, abort)
        else:
            network.run_table(rows, n, out, abort)
        if size < MAX_OUTPUTS_WITH_GIL:
            add_outputs(itemsize, size, out, sums)
        else:
            with nogil:
                add_outputs(itemsize, size, out, sums)
    if size < MAX_OUTPUTS_WITH_GIL:
        divide_sums(itemsize, size, sums, k, out)
    else:
        with nogil:
            divide_sums(itemsize, size, sums, k, out)
    return 0

cdef void add_outputs(Py_ssize_t itemsize, Py_ssize_t size, const void* outputs, double* sums) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef Py_ssize_t i
    if itemsize == 4:
        for i in range(size):
            sums[i] += (<const float*>outputs)[i]
    else:
        for i in range(size):
            sums[i] += (<const double*>outputs)[i]
    set_mode(caller)

cdef void divide_sums(Py_ssize_t itemsize, Py_ssize_t size, const double* sums, Py_ssize_t k, void* out) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef Py_ssize_t i
    if itemsize == 4:
        for i in range(size):
            (<float*>out)[i] = <float>(sums[i] / k)
    else:
        for i in range(size):
            (<double*>out)[i] = sums[i] / k
    set_mode(caller)
