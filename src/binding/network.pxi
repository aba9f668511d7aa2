# CompiledNetwork: the network that the kernels read, and the fast path of `forward` for arrays that need no conversion.

cdef enum:
    STACK_BYTES = 8192              # a workspace of at most this many bytes is on the stack
    # work in multiply-adds
    MAX_WORK_WITH_GIL = 20000       # below this, releasing the GIL costs more than keeping it
    MIN_WORK_TO_POLL = 10000000     # from here on, about 0.1 ms, polling for Ctrl-C costs nothing
    MAX_FAST_NUMBERS = 1 << 20      # of a derivative: few enough that no one needs to know whether they fit into memory
    MIN_WORK_TO_SHARE = 30000000    # below this, about 0.5 ms, starting threads costs too much of what they save

cdef int poll_signals(void* context) noexcept nogil:
    """A `Poll.check`: run signal handlers. Not 0: one has raised an exception, or the flag `context` of an Abort is
    set."""
    if context != NULL and flag_get(<flag*>context):
        return 1
    with gil:
        return PyErr_CheckSignals() != 0

cdef void set_poll(Poll* poll, Abort abort) noexcept:
    """Poll for signals, and for `abort` unless it is None."""
    poll.check = poll_signals
    poll.context = <void*>&abort.is_set if abort is not None else NULL

cdef int raise_pending(Abort abort) except -1:
    """Raise the exception of a signal handler that `poll_signals` ran, or one that ends a call in another thread."""
    if PyErr_Occurred() != NULL:
        return -1
    if abort is not None and flag_get(&abort.is_set):
        raise RuntimeError("A call in another thread has failed.")
    return 0

cdef int check_signals(Abort abort) except -1:
    """Run signal handlers, and raise their exception or one that ends a call in another thread."""
    handle_signals()
    return raise_pending(abort)

cdef class CompiledNetwork:
    """The network that the kernels read: sizes, activations, and pointers to the parameters."""
    cdef Network net
    cdef const Kernels* kernels
    cdef ZeroedBuffer shape             # the arrays that `net` points to
    cdef ZeroedBuffer bounds            # likewise, of bounds of weights, or None
    cdef list bound_arrays              # their buffers
    cdef list references                # the buffers of the parameters
    cdef char* params_begin             # the range of memory that holds all parameters
    cdef char* params_end
    cdef Py_ssize_t itemsize, n_in, n_out, work, n_params
    cdef owner training_thread          # the thread in which `fit` runs, or 0
    cdef owner gradient_thread          # the thread that computes `grads`, or 0
    cdef flag trainings                 # number of trainings that have begun
    cdef object dtype_

    # Messages of the lock, which `fastnn.estimators.mixins` replaces.
    _in_other_thread = ("This network is being trained in another thread. Wait until fit returns, or make a copy with "
                        "net.copy() before fit starts.")
    _has_begun = ("Another thread began to train this network during this call, so its result may mix old and new "
                  "parameters. Call it again when fit has returned, or make a copy with net.copy() before fit starts.")
    _in_same_thread = ("fit was called from a callback of the same network's fit. Call it after that fit returns, or use "
                       "net.copy() to train a copy.")

    def _bind(self, sizes, activations, weights, biases, dtype):
        """Use these arrays as parameters, in place. weights, biases: lists of C-contiguous arrays; biases may hold
        None.

        Arrays bound before stay alive as long as a `Trainer` or a running `forward` reads them. Without the GIL a
        network is bound once: another thread could read its layers at the same time."""
        cdef Py_ssize_t L = len(sizes) - 1, l
        self._check_may_bind()
        if not FASTNN_HAS_GIL and self.shape is not None:
            raise RuntimeError("A network cannot be initialized again in a Python without the GIL, since other threads "
                               "may use it. Make another network.")
        self.net.n_layers = 0               # nothing is bound if an array is rejected below
        self.n_in = self.n_out = -1
        self.dtype_ = dtype
        self.itemsize = dtype.itemsize
        self.kernels = kernels(self.itemsize)
        self.shape = ZeroedBuffer((L + 1) * sizeof(Py_ssize_t) + L * (2 * sizeof(void*) + sizeof(int)))
        cdef Py_ssize_t* size = <Py_ssize_t*>self.shape.data
        self.net.sizes = size
        self.net.weights = <void**>(size + L + 1)
        self.net.biases = self.net.weights + L
        cdef int* kinds = <int*>(self.net.biases + L)
        self.net.activations = kinds
        self.references = []
        self.params_begin = self.params_end = NULL
        self.work = self.n_params = 0
        for l in range(L + 1):
            size[l] = sizes[l]
        for l in range(L):
            kinds[l] = activations[l]
            self.net.weights[l] = self.keep_alive(Array(weights[l], self.itemsize, size[l] * size[l + 1]))
            if biases[l] is not None:
                self.net.biases[l] = self.keep_alive(Array(biases[l], self.itemsize, size[l + 1]))
                self.n_params += size[l + 1]
            self.work += size[l] * size[l + 1]
            self.n_params += size[l] * size[l + 1]
        self.net.n_layers = L
        self.n_in = size[0]
        self.n_out = size[L]

    def _bind_bounds(self, bounds):
        """Keep weights within these bounds in trainings that begin from now on. bounds: None, or for each layer None or a
        pair of arrays like W."""
        cdef Py_ssize_t L = self.net.n_layers, l
        cdef int side
        cdef Array a
        self.net.bounds = NULL
        self.bounds, self.bound_arrays = None, []
        if bounds is None:
            return
        self.bounds = ZeroedBuffer(2 * L * sizeof(void*))
        for l in range(L):
            for side in range(0 if bounds[l] is None else 2):
                a = Array(bounds[l][side], self.itemsize, self.net.sizes[l] * self.net.sizes[l + 1])
                self.bound_arrays.append(a)
                (<void**>self.bounds.data)[side * L + l] = a.data
        self.net.bounds = <void**>self.bounds.data

    cdef void* keep_alive(self, Array a):
        """Keep the array's buffer as long as the network lives; return its address."""
        self.references.append(a)
        if self.params_begin == NULL or <char*>a.data < self.params_begin:
            self.params_begin = <char*>a.data
        if <char*>a.data + a.view.len > self.params_end:
            self.params_end = <char*>a.data + a.view.len
        return a.data

    cdef int check_bound(self) except -1:
        """Raise if there are no layers to read."""
        if self.shape is None:
            raise ValueError("This CompiledNetwork has no layers. Make an MLP.")
        return 0

    cdef int check_not_training(self) except -1:
        cdef unsigned long thread = owner_get(&self.training_thread)
        if thread and thread != PyThread_get_thread_ident():
            raise RuntimeError(self._in_other_thread)
        return 0

    cdef int begin_reading(self) except -1:
        """The number of trainings so far, for `end_reading`. Raises if another thread trains the network now."""
        cdef int trainings = flag_get(&self.trainings)      # before the check, or a training could begin in between
        self.check_not_training()
        return trainings

    cdef int end_reading(self, int trainings) except -1:
        """Raise if a training has begun since `begin_reading`: it may have changed the parameters meanwhile."""
        if flag_get(&self.trainings) != trainings:
            raise RuntimeError(self._has_begun)
        return 0

    def _check_may_bind(self):
        """Raise if a training uses the parameters, also when one of its callbacks calls this."""
        self.check_not_training()
        if owner_get(&self.training_thread):
            raise RuntimeError("This network is being trained, so __init__ cannot be called. Make another network.")

    def _check_may_train(self):
        self.check_not_training()
        if owner_get(&self.training_thread):
            raise RuntimeError(self._in_same_thread)

    def _in_training(self):
        """A context manager: this thread trains the network, and no other thread may use it."""
        return InTraining([self])

    def _in_gradient(self):
        """A context manager: this thread computes `grads`, and no other may."""
        return InTraining([self], True)

    def _reading(self):
        """A context manager for a call that reads the network and must not overlap a training in another thread."""
        return Reading([self])

    def _check_not_training(self):
        self.check_not_training()

    def forward(self, X, out=None, n_threads=1, keep=False):
        """Compute the outputs of the network.

        Parameters
        ----------
        X : array_like (n, n_in), sparse matrix or EncodedTable
            Input rows. C-contiguous arrays of the network's dtype are used without a copy.
        out : ndarray (n, n_out), optional
            Array for the outputs: C-contiguous, of the network's dtype, sharing no memory with X.
        n_threads : int, default 1
            Maximum number of threads; -1 for all CPUs that this process may use. Results do not depend on it.
        keep : bool, default False
            Keep X for a call of `backward`.

        Returns
        -------
        ndarray (n, n_out)
            After the output activation; `out` if you passed it. A row gets the same bits alone and in any batch.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.MLP([2, 1], output="sigmoid", rng=0)
        >>> net.forward([[0.0, 0.0]])
        array([[0.5]], dtype=float32)
        """
        cdef Py_buffer x, y
        cdef bint ready = False, holds_out = False
        cdef int trainings = self.begin_reading()
        # The fast path, for arrays that need no conversion. All else goes through the checks of the Python class.
        if (keep is False and type(X) is ndarray and (out is None or type(out) is ndarray)
                and type(n_threads) is int and n_threads != 0):
            if not get_matrix(X, &x, self.itemsize, self.n_in, False):
                return self.forward_checked(X, out, n_threads, keep, trainings)
            try:
                if n_threads != 1 and (n_threads < -1 or x.shape[0] * self.work >= MIN_WORK_TO_SHARE):
                    return self.forward_checked(X, out, n_threads, keep, trainings)
                if out is None:
                    out = empty((x.shape[0], self.n_out), self.dtype_)
                if get_matrix(out, &y, self.itemsize, self.n_out, True):
                    holds_out = True
                    ready = (y.shape[0] == x.shape[0] and not overlap(&y, <char*>x.buf, <char*>x.buf + x.len)
                             and not overlap(&y, self.params_begin, self.params_end))
                    if ready:
                        self.run(x.buf, x.shape[0], y.buf)
            finally:                    # Ctrl-C may interrupt the run; a second `try` for y took 10 ns
                if holds_out:
                    PyBuffer_Release(&y)
                PyBuffer_Release(&x)
            if ready:
                self.end_reading(trainings)
                return out
        return self.forward_checked(X, out, n_threads, keep, trainings)

    cdef object forward_checked(self, X, out, n_threads, keep, int trainings):
        out = self._forward_checked(X, out, n_threads, keep)
        self.end_reading(trainings)
        return out

    def _forward_finite(self, X):
        """`forward` for an array that needs no conversion and holds only finite numbers; None for anything else."""
        cdef Py_buffer x, y
        cdef bint finite, holds_out = False
        cdef ZeroedBuffer shape = self.shape
        self.check_bound()
        cdef int trainings = self.begin_reading()
        if type(X) is not ndarray or not get_matrix(X, &x, self.itemsize, self.n_in, False):
            return None
        try:
            with nogil:
                finite = self.kernels.all_finite(x.buf, x.shape[0] * self.n_in)
            if not finite or self.shape is not shape:       # another thread has bound the network to other arrays
                return None
            out = empty((x.shape[0], self.n_out), self.dtype_)
            get_matrix(out, &y, self.itemsize, self.n_out, True)
            holds_out = True
            self.run(x.buf, x.shape[0], y.buf)
        finally:
            if holds_out:
                PyBuffer_Release(&y)
            PyBuffer_Release(&x)
        self.end_reading(trainings)
        return out

    def __call__(self, X, out=None, n_threads=1, keep=False):
        return self.forward(X, out, n_threads, keep)

    def _forward_into(self, X, out, Abort abort=None):
        """out = outputs for X, both C-contiguous and of the network's dtype. abort: of `run_in_threads`."""
        cdef Py_ssize_t n = len(X)
        cdef Array x, y = Array(out, self.itemsize, n * self.n_out, True)
        if isinstance(X, CompiledTable):
            self.run_table(X, n, y.data, abort)
        else:
            x = Array(X, self.itemsize, n * self.n_in)
            self.run(x.data, n, y.data, abort)

    cdef int run_table(self, CompiledTable X, Py_ssize_t n, void* out, Abort abort=None) except -1:
        """`run` for the n rows of a table."""
        cdef Network net = self.net
        cdef const Kernels* functions = self.kernels
        cdef ZeroedBuffer shape = self.shape, memory
        cdef list references = self.references
        cdef Poll poll
        self.check_bound()
        X.check(self, n)
        net.table = &X.layout
        set_poll(&poll, abort)
        memory = ZeroedBuffer(functions.forward_workspace_size(&net, n))
        with nogil:
            functions.forward(&net, &X.rows, n, out, memory.data, &poll)
        return raise_pending(abort)

    cdef int run(self, const void* X, Py_ssize_t n, void* out, Abort abort=None) except -1:
        self.check_bound()
        cdef Py_ssize_t size = self.kernels.forward_workspace_size(&self.net, n)
        cdef char stack[STACK_BYTES + 64]
        cdef ZeroedBuffer memory, shape
        cdef list references
        cdef Network net
        cdef const Kernels* functions
        cdef Poll poll
        cdef void* workspace
        if size <= STACK_BYTES:
            workspace = <void*>((<uintptr_t>&stack[0] + 63) // 64 * 64)
            memset(workspace, 0, size)
        else:
            memory = ZeroedBuffer(size)
            workspace = memory.data
        if n * self.work < MAX_WORK_WITH_GIL:
            self.kernels.forward(&self.net, X, n, out, workspace, NULL)
            return 0
        # references: another thread may call `_bind`
        shape, references, net, functions = self.shape, self.references, self.net, self.kernels
        set_poll(&poll, abort)
        with nogil:
            functions.forward(&net, X, n, out, workspace, &poll if n * self.work >= MIN_WORK_TO_POLL else NULL)
        return raise_pending(abort)

    def _derivative(self, int kind, X, directions, inputs, out, n_threads):
        """A derivative (DerivativeKind) of a method of fastnn.derivatives. The fast path is for few rows that need no
        conversion."""
        cdef Py_buffer x, v, y
        cdef bint has_v = kind == ALONG_INPUTS or kind == ALONG_OUTPUTS, holds_v = False, holds_out = False, ready
        cdef Derivative request
        cdef int trainings = self.begin_reading()
        if (type(X) is ndarray and inputs is None and out is None and type(n_threads) is int and n_threads >= 1
                and get_matrix(X, &x, self.itemsize, self.n_in, False)):
            try:
                ready = (x.shape[0] * self.n_out * self.n_in * self.n_in <= MAX_FAST_NUMBERS
                         and (n_threads == 1 or self.derivative_work(kind, x.shape[0], self.n_in) < MIN_WORK_TO_SHARE))
                request.directions = NULL
                if ready and has_v:
                    holds_v = type(directions) is ndarray and get_matrix(
                        directions, &v, self.itemsize, self.n_in if kind == ALONG_INPUTS else self.n_out, False)
                    ready = holds_v and v.shape[0] == x.shape[0]
                    request.directions = v.buf
                if ready:
                    out = empty(derivative_shape(kind, x.shape[0], self.n_out, self.n_in), self.dtype_)
                    PyObject_GetBuffer(out, &y, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
                    holds_out = True
                    request.kind = kind
                    request.inputs = NULL
                    self.run_derivative(&request, x.buf, x.shape[0], y.buf)
            finally:
                if holds_out:
                    PyBuffer_Release(&y)
                if holds_v:
                    PyBuffer_Release(&v)
                PyBuffer_Release(&x)
        if not holds_out:
            out = self._derivative_checked(kind, X, directions, inputs, out, n_threads)
        self.end_reading(trainings)
        return out

    cdef Py_ssize_t derivative_work(self, int kind, Py_ssize_t n, Py_ssize_t d) noexcept:
        """About how many multiply-adds a derivative takes. Each number of an activation takes as long as about 20."""
        cdef Py_ssize_t rows = 2, units = 0, l      # rows of values, and along a direction
        if kind == JACOBIAN:
            rows = 1 + (d if d < self.n_out else self.n_out)
        elif kind != ALONG_INPUTS and kind != ALONG_OUTPUTS:
            rows = 1 + d + self.n_out
        for l in range(self.net.n_layers):
            units += self.net.sizes[l + 1]
        return n * rows * (self.work + 20 * units)

    def _derivative_plan(self, int kind, Py_ssize_t n, Py_ssize_t d):
        """The shape of a derivative, and about how many multiply-adds it takes."""
        return derivative_shape(kind, n, self.n_out, d), self.derivative_work(kind, n, d)

    def _derivative_into(self, int kind, X, directions, inputs, out, Abort abort=None):
        """out = a derivative for X. All arrays are C-contiguous and of the network's dtype, but inputs: intp, or None for
        all. directions may be None. abort: of `run_in_threads`."""
        cdef Py_ssize_t n = len(X), d = self.n_in, numbers = n, i
        cdef Derivative request
        cdef Array x = Array(X, self.itemsize, n * self.n_in), v, indices, y
        request.kind = kind
        request.inputs = NULL
        request.directions = NULL
        if inputs is not None:
            request.n_inputs = d = len(inputs)
            indices = Array(inputs, sizeof(Py_ssize_t), d, False, True)
            request.inputs = <const Py_ssize_t*>indices.data
            for i in range(d):
                if not 0 <= request.inputs[i] < self.n_in:
                    raise IndexError("Expected numbers of inputs.")
        if kind == ALONG_INPUTS or kind == ALONG_OUTPUTS:
            v = Array(directions, self.itemsize, n * (self.n_in if kind == ALONG_INPUTS else self.n_out))
            request.directions = v.data
        for size in derivative_shape(kind, 1, self.n_out, d):
            numbers *= size
        y = Array(out, self.itemsize, numbers, True)
        self.run_derivative(&request, x.data, n, y.data, abort)

    cdef int run_derivative(self, const Derivative* request, const void* X, Py_ssize_t n, void* out,
                            Abort abort=None) except -1:
        self.check_bound()
        cdef Py_ssize_t size = self.kernels.derivative_workspace_size(&self.net, request, n)
        cdef Py_ssize_t work = self.derivative_work(request.kind, n, self.n_in)
        cdef char stack[STACK_BYTES + 64]
        cdef char* block = &stack[0]
        cdef void* workspace
        # references: another thread may call `_bind`
        cdef ZeroedBuffer shape = self.shape
        cdef list references = self.references
        cdef Network net = self.net
        cdef const Kernels* functions = self.kernels
        cdef Poll poll
        if size > STACK_BYTES:
            block = <char*>malloc(size + 64)
            if block == NULL:
                raise MemoryError(f"Cannot allocate {size} bytes for a workspace.")
        workspace = <void*>((<uintptr_t>block + 63) // 64 * 64)
        if work < MAX_WORK_WITH_GIL:
            functions.derivative(&net, request, X, n, out, workspace, NULL)
        else:
            set_poll(&poll, abort)
            with nogil:
                functions.derivative(&net, request, X, n, out, workspace, &poll if work >= MIN_WORK_TO_POLL else NULL)
        if size > STACK_BYTES:
            free(block)
        return raise_pending(abort)

    def _outputs_along(self, X, v, Y, dY, bint takes_z, Abort abort=None):
        """Y, dY = the outputs and their derivatives along v. takes_z: without the output activation."""
        cdef Py_ssize_t n = len(X)
        cdef Array x = Array(X, self.itemsize, n * self.n_in), along = Array(v, self.itemsize, self.n_params)
        cdef Array y = Array(Y, self.itemsize, n * self.n_out, True), dy = Array(dY, self.itemsize, n * self.n_out, True)
        cdef list references = self.references
        cdef ZeroedBuffer shape = self.shape, memory, kinds
        cdef Network net = self.net
        cdef const Kernels* functions = self.kernels
        cdef Poll poll
        kinds = copy_activations(&net, takes_z)
        memory = ZeroedBuffer(functions.curvature_workspace_size(&net))
        set_poll(&poll, abort)
        with nogil:
            functions.outputs_along(&net, along.data, x.data, n, y.data, dy.data, memory.data, &poll)
        return raise_pending(abort)

    def _add_curvature(self, X, v, U, dU, out, bint takes_z, Abort abort=None):
        """out += the product with v of the rows X, from U = dL/dY, or None, and dU."""
        cdef Py_ssize_t n = len(X)
        cdef Array x = Array(X, self.itemsize, n * self.n_in), along = Array(v, self.itemsize, self.n_params)
        cdef Array u = optional(U, self.itemsize, n * self.n_out), du = Array(dU, self.itemsize, n * self.n_out)
        cdef Array product = Array(out, self.itemsize, self.n_params, True)
        cdef void* gradient = pointer(u)
        cdef list references = self.references
        cdef ZeroedBuffer shape = self.shape, memory, kinds
        cdef Network net = self.net
        cdef const Kernels* functions = self.kernels
        cdef Poll poll
        kinds = copy_activations(&net, takes_z)
        memory = ZeroedBuffer(functions.curvature_workspace_size(&net))
        set_poll(&poll, abort)
        with nogil:
            functions.add_curvature(&net, along.data, x.data, n, gradient, du.data, product.data, memory.data, &poll)
        return raise_pending(abort)

cdef tuple derivative_shape(int kind, Py_ssize_t n, Py_ssize_t n_out, Py_ssize_t d):
    """The shape of a derivative for n rows and d inputs."""
    if kind == HESSIAN:
        return n, n_out, d, d
    if kind == JACOBIAN or kind == HESSIAN_DIAGONAL:
        return n, n_out, d
    return (n, d) if kind == ALONG_OUTPUTS else (n, n_out)

cdef ZeroedBuffer copy_activations(Network* net, bint takes_z):
    """Give `net` activations of its own, the last one the identity if the loss takes z. Returns their memory."""
    cdef ZeroedBuffer memory = ZeroedBuffer(net.n_layers * sizeof(int))
    cdef int* kinds = <int*>memory.data
    memcpy(kinds, net.activations, net.n_layers * sizeof(int))
    if takes_z:
        kinds[net.n_layers - 1] = IDENTITY
    net.activations = kinds
    return memory

WORTH_SHARING = MIN_WORK_TO_SHARE
ndarray = numpy.ndarray
empty = numpy.empty

cdef bint get_matrix(obj, Py_buffer* view, Py_ssize_t itemsize, Py_ssize_t n_columns, bint writable) except -1:
    """Whether obj is a C-contiguous matrix of the right dtype and width. If so, the caller releases the view."""
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

def two_classes(Y):
    """Return the matrix with the columns 1 - Y and Y for probabilities Y (n, 1) of the second of two classes. NumPy took
    2 us for one row, four times as long as the network."""
    cdef Py_ssize_t n = len(Y), i, itemsize = Y.itemsize
    cdef Py_buffer p
    out = empty((n, 2), Y.dtype)
    cdef Array both = Array(out, itemsize, 2 * n, True)
    if not get_matrix(Y, &p, itemsize, 1, False):
        raise ValueError("Expected a C-contiguous array of shape (n, 1), float32 or float64.")
    with nogil:
        if itemsize == 4:
            for i in range(n):
                (<float*>both.data)[2 * i] = 1 - (<float*>p.buf)[i]
                (<float*>both.data)[2 * i + 1] = (<float*>p.buf)[i]
        else:
            for i in range(n):
                (<double*>both.data)[2 * i] = 1 - (<double*>p.buf)[i]
                (<double*>both.data)[2 * i + 1] = (<double*>p.buf)[i]
    PyBuffer_Release(&p)
    return out
