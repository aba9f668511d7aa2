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

def forward_population(CompiledNetwork network not None, params, X, out, Abort abort=None):
    """`forward_many` for networks of the layers of `network`: params (k, n_params), each row of which is contiguous.

    One call without the GIL runs all of them."""
    cdef Py_buffer p
    network.check_bound()
    PyObject_GetBuffer(params, &p, PyBUF_STRIDES | PyBUF_FORMAT)
    try:
        if (itemsize_of(p.format) != network.itemsize or p.ndim != 2 or p.shape[1] != network.n_params
                or (p.shape[1] > 1 and p.strides[1] != p.itemsize)):
            raise ValueError(f"Expected {network.dtype_} parameters of shape (k, {network.n_params}) with contiguous rows.")
        run_population(network, &p, ManyRows(X, network, p.shape[0]), out, abort)
    finally:
        PyBuffer_Release(&p)

cdef int run_population(CompiledNetwork network, const Py_buffer* params, ManyRows rows, out, Abort abort) except -1:
    cdef Py_ssize_t k = params.shape[0], n = rows.n, L = network.net.n_layers, i, l, since_poll = 0
    cdef Py_ssize_t size = n * network.n_out * network.itemsize, work = n * network.work + 1
    cdef Array y = Array(out, network.itemsize, k * n * network.n_out, True)
    cdef ZeroedBuffer pointers = ZeroedBuffer(2 * L * <Py_ssize_t>sizeof(void*)), workspace
    cdef const Kernels* functions = network.kernels
    cdef const char* X = rows.data
    cdef Network net = network.net
    cdef Poll poll
    if rows.table is not None:
        rows.table.check(network, n)
        net.table = &rows.table.layout
        X = <const char*>&rows.table.rows
    net.weights = <void**>pointers.data
    net.biases = net.weights + L
    for l in range(2 * L):              # network.net.biases follows its weights
        if network.net.weights[l] != NULL:
            net.weights[l] = <char*>params.buf + (<char*>network.net.weights[l] - network.params_begin)
    workspace = ZeroedBuffer(functions.forward_workspace_size(&net, n))
    set_poll(&poll, abort)
    with nogil:
        for i in range(k):
            since_poll += work
            if since_poll >= MIN_WORK_TO_POLL:
                since_poll = 0
                if poll.check(poll.context):
                    break
            functions.forward(&net, X + i * rows.stride, n, <char*>y.data + i * size, workspace.data,
                              &poll if work >= MIN_WORK_TO_POLL else NULL)
            for l in range(2 * L):
                if net.weights[l] != NULL:
                    net.weights[l] = <char*>net.weights[l] + params.strides[0]
    return raise_pending(abort)

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
