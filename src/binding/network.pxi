# CompiledNetwork: a network as compiled code sees it, and the short way of `forward` for what needs no conversion.

cdef enum:
    STACK = 8192            # bytes of scratch that need no allocation
    QUICK = 20000           # multiply-adds below which keeping the GIL costs less than giving it away
    LONG = 10000000         # from here on, about 0.1 ms of work, looking at the clock for Ctrl-C costs nothing
    SHARED = 30000000       # and below which starting threads costs too much of what they save: about half a millisecond of work

cdef class CompiledNetwork:
    """A network as compiled code sees it: sizes, activations, and where its parameters lie."""
    cdef Network net
    cdef const Table* table
    cdef Memory shape
    cdef list held
    cdef char* params_begin             # all parameters lie between these
    cdef char* params_end
    cdef Py_ssize_t itemsize, n_in, n_out, work, n_params
    cdef unsigned long trained_by       # the thread in which `fit` runs, or 0
    cdef object dtype_

    def _bind(self, sizes, activations, weights, biases, dtype):
        """weights and biases: lists of C-contiguous arrays (biases may hold None); they are used in place from now on.

        What was bound before stays alive as long as a `Trainer` or a running `forward` reads it."""
        cdef Py_ssize_t L = len(sizes) - 1, l
        self._check_may_bind()
        self.net.n_layers = 0               # nothing is bound, should an array be refused
        self.n_in = self.n_out = -1
        self.dtype_ = dtype
        self.itemsize = dtype.itemsize
        self.table = table(self.itemsize)
        self.shape = Memory((L + 1) * sizeof(Py_ssize_t) + L * (2 * sizeof(void*) + sizeof(int)))
        cdef Py_ssize_t* size = <Py_ssize_t*>self.shape.start
        self.net.sizes = size
        self.net.weights = <void**>(size + L + 1)
        self.net.biases = self.net.weights + L
        cdef int* kinds = <int*>(self.net.biases + L)
        self.net.activations = kinds
        self.held = []
        self.params_begin = self.params_end = NULL
        self.work = self.n_params = 0
        for l in range(L + 1):
            size[l] = sizes[l]
        for l in range(L):
            kinds[l] = activations[l]
            self.net.weights[l] = self.hold(Array(weights[l], self.itemsize, size[l] * size[l + 1]))
            if biases[l] is not None:
                self.net.biases[l] = self.hold(Array(biases[l], self.itemsize, size[l + 1]))
                self.n_params += size[l + 1]
            self.work += size[l] * size[l + 1]
            self.n_params += size[l] * size[l + 1]
        self.net.n_layers = L
        self.n_in = size[0]
        self.n_out = size[L]

    cdef void* hold(self, Array a):
        """Keeps the array's buffer as long as the network lives."""
        self.held.append(a)
        if self.params_begin == NULL or <char*>a.data < self.params_begin:
            self.params_begin = <char*>a.data
        if <char*>a.data + a.view.len > self.params_end:
            self.params_end = <char*>a.data + a.view.len
        return a.data

    cdef int check_not_training(self) except -1:
        if self.trained_by and self.trained_by != PyThread_get_thread_ident():
            raise RuntimeError("this network is being trained in another thread: wait until fit ends, or make a copy (net.copy()) before it "
                               "begins")
        return 0

    def _check_may_bind(self):
        """No memory is taken away from a training, not even by its own callbacks."""
        self.check_not_training()
        if self.trained_by:
            raise RuntimeError("this network is being trained: __init__ must wait until fit ends; make another network instead")

    def _check_may_train(self):
        self.check_not_training()
        if self.trained_by:
            raise RuntimeError("fit was called from a callback of the same network's fit: return from the callback first, or use net.copy()")

    def _in_training(self):
        """A context in which this thread trains the network and nobody else may."""
        return InTraining(self)

    def _check_not_training(self):
        self.check_not_training()

    def forward(self, X, out=None, n_threads=1, keep=False):
        """The network's outputs.

        Parameters
        ----------
        X : array_like (n, n_in)
            Rows. Anything that NumPy sees as an array; float32 or float64 as the network's dtype and C-contiguous is taken as it is.
        out : ndarray (n, n_out), optional
            Where to put the outputs; C-contiguous, of the network's dtype, not overlapping X.
        n_threads : int, default 1
            At most this many threads (-1: the CPUs that this process may use). The bits don't depend on it.
        keep : bool, default False
            Remember X for a following `backward`.

        Returns
        -------
        ndarray (n, n_out)
            After the output activation; `out` if given. A row gets the same bits alone or in any batch.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.MLP([2, 1], output="sigmoid", rng=0)
        >>> net.forward([[0.0, 0.0]])
        array([[0.5]], dtype=float32)
        """
        cdef Py_buffer x, y
        cdef bint ready = False, holds_out = False
        self.check_not_training()
        # The short way, for what needs no conversion; everything else goes by the checks of the Python class.
        if keep is False and type(X) is ndarray and (out is None or type(out) is ndarray) and type(n_threads) is int and n_threads != 0:
            if not get_matrix(X, &x, self.itemsize, self.n_in, False):
                return self._forward_checked(X, out, n_threads, keep)
            try:
                if n_threads != 1 and (n_threads < -1 or x.shape[0] * self.work >= SHARED):
                    return self._forward_checked(X, out, n_threads, keep)
                if out is None:
                    out = empty((x.shape[0], self.n_out), self.dtype_)
                if get_matrix(out, &y, self.itemsize, self.n_out, True):
                    holds_out = True
                    ready = (y.shape[0] == x.shape[0] and not overlap(&y, <char*>x.buf, <char*>x.buf + x.len)
                             and not overlap(&y, self.params_begin, self.params_end))
                    if ready:
                        self.run(x.buf, x.shape[0], y.buf)
            finally:                    # Ctrl-C may have ended the run; a `try` of its own for y took 10 ns
                if holds_out:
                    PyBuffer_Release(&y)
                PyBuffer_Release(&x)
            if ready:
                return out
        return self._forward_checked(X, out, n_threads, keep)

    def _forward_finite(self, X):
        """`forward` of an array that needs no conversion and holds finite numbers only; None for anything else."""
        cdef Py_buffer x, y
        cdef bint finite, holds_out = False
        cdef Memory shape = self.shape
        self.check_not_training()
        if type(X) is not ndarray or not get_matrix(X, &x, self.itemsize, self.n_in, False):
            return None
        try:
            with nogil:
                finite = self.table.all_finite(x.buf, x.shape[0] * self.n_in)
            if not finite or self.shape is not shape:       # bound to other memory meanwhile
                return None
            out = empty((x.shape[0], self.n_out), self.dtype_)
            get_matrix(out, &y, self.itemsize, self.n_out, True)
            holds_out = True
            self.run(x.buf, x.shape[0], y.buf)
        finally:
            if holds_out:
                PyBuffer_Release(&y)
            PyBuffer_Release(&x)
        return out

    def __call__(self, X, out=None, n_threads=1, keep=False):
        return self.forward(X, out, n_threads, keep)

    def _forward_into(self, X, out):
        """out = outputs for X, both C-contiguous and of its dtype."""
        cdef Py_ssize_t n = len(X)
        cdef Array x = Array(X, self.itemsize, n * self.n_in), y = Array(out, self.itemsize, n * self.n_out, True)
        self.run(x.data, n, y.data)

    cdef int run(self, const void* X, Py_ssize_t n, void* out) except -1:
        cdef Py_ssize_t size = self.table.forward_size(&self.net, n)
        cdef char stack[STACK + 64]
        cdef Memory memory, shape
        cdef list held
        cdef Network net
        cdef const Table* functions
        cdef Poll poll
        cdef void* scratch
        if size <= STACK:
            scratch = <void*>((<uintptr_t>&stack[0] + 63) // 64 * 64)
            memset(scratch, 0, size)
        else:
            memory = Memory(size)
            scratch = memory.start
        if n * self.work < QUICK:
            self.table.forward(&self.net, X, n, out, scratch, NULL)
            return 0
        # `_bind` in another thread changes these and frees nothing
        shape, held, net, functions = self.shape, self.held, self.net, self.table
        poll.check = signals_pending
        poll.context = NULL
        with nogil:
            functions.forward(&net, X, n, out, scratch, &poll if n * self.work >= LONG else NULL)
        return raise_pending()

cdef class InTraining:
    """Compiled, since no signal comes in between its `__enter__` and the block: Ctrl-C cannot leave a network closed for ever. All that are
    entered form a list (a dict of them cost a step on one row 0.1 of 5 us)."""
    cdef CompiledNetwork network
    cdef InTraining next, previous

    def __init__(self, CompiledNetwork network):
        self.network = network

    def __enter__(self):
        global newest
        self.network._check_may_train()
        self.network.trained_by = PyThread_get_thread_ident()
        self.next = newest
        if newest is not None:
            newest.previous = self
        newest = self

    def __exit__(self, *exception):
        global newest
        if self.previous is not None:
            self.previous.next = self.next
        elif newest is self:
            newest = self.next
        if self.next is not None:
            self.next.previous = self.previous
        self.next = self.previous = None
        self.network.trained_by = 0

cdef InTraining newest = None       # of those in which some thread trains

def in_forked_child():
    """Only the thread that has forked goes on: what others trained, nobody trains here."""
    cdef InTraining each = newest, next
    while each is not None:
        next = each.next
        if each.network.trained_by != PyThread_get_thread_ident():
            each.__exit__()
        each = next
    forget_trainers()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=in_forked_child)

WORTH_SHARING = SHARED
ndarray = numpy.ndarray
empty = numpy.empty

cdef bint get_matrix(obj, Py_buffer* view, Py_ssize_t itemsize, Py_ssize_t n_columns, bint writable) except -1:
    """Whether obj is a C-contiguous matrix of the right dtype and width; if so the view must be released."""
    try:
        PyObject_GetBuffer(obj, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    except (ValueError, BufferError):
        return False
    if view.ndim == 2 and view.shape[1] == n_columns and itemsize_of(view.format) == itemsize:
        return True
    PyBuffer_Release(view)
    return False

cdef inline bint overlap(const Py_buffer* a, const char* begin, const char* end) noexcept:
    return <char*>a.buf < end and begin < <char*>a.buf + a.len
