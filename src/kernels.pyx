"""The face of the compiled part: chooses the variant for this CPU, takes buffers, releases the GIL.

Arguments come checked and converted from the Python package; what is checked here again is only what keeps memory safe: dtype, layout
and size of every buffer. Numbers cross the border as raw `Py_buffer`s (an argument costs 30-50 ns; a typed memoryview 120) and loops run
whole on the other side.
"""
import importlib
import os
import _thread

import numpy

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "cpu.h":
    bint cpu_supports(const char* isa)

cdef extern from "threads.h" nogil:
    ctypedef struct barrier:
        pass
    ctypedef int flag
    long long now()
    void barrier_wait(barrier* b, int n_threads)
    void flag_set(flag* f, int x)
    int flag_get(flag* f)
    void cpu_yield()

cdef extern from *:
    """
    #if defined(__clang__)
    #define FASTNN_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define FASTNN_COMPILER "gcc " __VERSION__
    #else
    #define FASTNN_COMPILER "unknown"
    #endif
    """
    const char* FASTNN_BUILT
    const char* FASTNN_COMPILER

cdef extern from "Python.h":
    int PyErr_CheckSignals()
    void* PyErr_Occurred()
    unsigned long PyThread_get_thread_ident()

# ---- the variant ----

BUILT = FASTNN_BUILT.decode().split()
SUPPORTED = [isa for isa in BUILT if cpu_supports(isa.encode())]

cdef const Table* TABLE32
cdef const Table* TABLE64

cdef const Table* load_table(str isa, str dtype) except NULL:
    module = importlib.import_module(f"fastnn._{isa}_{dtype}")
    cdef const Table* t = <const Table*>PyCapsule_GetPointer(module.table, "fastnn.Table")
    if t.version != TABLE_VERSION:
        raise ImportError(f"{module.__file__} is of another build of fastnn (table {t.version}, expected {TABLE_VERSION}): build again")
    return t

def use(isa):
    """Choose the variant for everything that is made from now on; networks keep theirs. For tests and benches: users set FASTNN_ISA."""
    global CHOSEN, TABLE32, TABLE64
    if isa not in SUPPORTED:
        raise ImportError(f"instruction set {isa!r} is not possible here: this build holds {', '.join(BUILT)} and this CPU runs "
                          f"{', '.join(SUPPORTED)}; choose one of these or leave FASTNN_ISA unset")
    cdef const Table* single = load_table(isa, "float32")
    cdef const Table* double_ = load_table(isa, "float64")
    CHOSEN, TABLE32, TABLE64 = isa, single, double_

CHOSEN = None
COMPILER = FASTNN_COMPILER.decode()
use(os.environ.get("FASTNN_ISA") or SUPPORTED[len(SUPPORTED) - 1])

cdef const Table* table(Py_ssize_t itemsize) except? NULL:
    """The chosen variant's functions for float (4) or double (8)."""
    return TABLE32 if itemsize == 4 else TABLE64 if itemsize == 8 else NULL

# ---- buffers and memory ----

cdef inline Py_ssize_t itemsize_of(const char* format) noexcept:
    """4 for native float32, 8 for native float64, 0 for anything else."""
    if format == NULL or format[0] == 0 or format[1] != 0:
        return 0
    return 4 if format[0] == c"f" else 8 if format[0] == c"d" else 0

cdef class Array:
    """A C-contiguous buffer of n numbers, held as long as this object lives."""
    cdef Py_buffer view
    cdef void* data

    def __cinit__(self, obj, Py_ssize_t itemsize, Py_ssize_t n, bint writable=False, bint integers=False):
        PyObject_GetBuffer(obj, &self.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
        self.data = self.view.buf
        cdef char kind = self.view.format[0]
        if self.view.len != n * itemsize or (kind not in b"lq" if integers else itemsize_of(self.view.format) != itemsize):
            raise ValueError(f"a kernel expected {n} numbers of {itemsize} bytes, got {self.view.len} bytes of {self.view.format.decode()!r}")

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

cdef inline void* pointer(Array a) noexcept:
    return a.data if a is not None else NULL

cdef Array optional(obj, Py_ssize_t itemsize, Py_ssize_t n, bint writable=False, bint integers=False):
    return None if obj is None else Array(obj, itemsize, n, writable, integers)

cdef class Memory:
    """Zeroed memory at a cache line's begin. Large blocks come as untouched pages: what is never used costs nothing."""
    cdef void* block
    cdef void* start

    def __cinit__(self, Py_ssize_t n_bytes):
        self.block = calloc(1, n_bytes + 64)
        if self.block == NULL:
            raise MemoryError(f"no memory for {n_bytes} bytes of scratch")
        self.start = <void*>((<uintptr_t>self.block + 63) // 64 * 64)

    def __dealloc__(self):
        free(self.block)

# ---- networks ----

cdef enum:
    STACK = 8192            # bytes of scratch that need no allocation
    QUICK = 20000           # multiply-adds below which keeping the GIL costs less than giving it away
    SHARED = 30000000       # and below which starting threads costs too much of what they save: about half a millisecond of work

cdef class CompiledNetwork:
    """A network as the kernels see it: sizes, activations, and where its parameters lie."""
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
        """weights and biases: lists of C-contiguous arrays (biases may hold None); they are used in place from now on."""
        cdef Py_ssize_t L = len(sizes) - 1, l
        self.dtype_ = dtype
        self.itemsize = dtype.itemsize
        self.table = table(self.itemsize)
        self.shape = Memory((L + 1) * sizeof(Py_ssize_t) + L * (2 * sizeof(void*) + sizeof(int)))
        self.net.n_layers = L
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
            raise RuntimeError("this network is being trained in another thread: use net.copy() there")
        return 0

    def _check_may_train(self):
        self.check_not_training()
        if self.trained_by:
            raise RuntimeError("fit was called from a callback of the same network's fit: return from the callback first, or use net.copy()")

    def _begin_training(self):
        self._check_may_train()
        self.trained_by = PyThread_get_thread_ident()

    def _end_training(self):
        self.trained_by = 0

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
        cdef bint ready = False
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
                    ready = (y.shape[0] == x.shape[0] and not overlap(&y, <char*>x.buf, <char*>x.buf + x.len)
                             and not overlap(&y, self.params_begin, self.params_end))
                    if ready:
                        self.run(x.buf, x.shape[0], y.buf)
                    PyBuffer_Release(&y)
            finally:
                PyBuffer_Release(&x)
            if ready:
                return out
        return self._forward_checked(X, out, n_threads, keep)

    def __call__(self, X, out=None, n_threads=1, keep=False):
        return self.forward(X, out, n_threads, keep)

    def _forward_into(self, X, out):
        """out = outputs for X, both exactly as the kernels want them."""
        cdef Py_ssize_t n = len(X)
        cdef Array x = Array(X, self.itemsize, n * self.n_in), y = Array(out, self.itemsize, n * self.n_out, True)
        self.run(x.data, n, y.data)

    cdef int run(self, const void* X, Py_ssize_t n, void* out) except -1:
        cdef Py_ssize_t size = self.table.forward_size(&self.net, n)
        cdef char stack[STACK + 64]
        cdef Memory memory
        cdef void* scratch
        if size <= STACK:
            scratch = <void*>((<uintptr_t>&stack[0] + 63) // 64 * 64)
            memset(scratch, 0, size)
        else:
            memory = Memory(size)
            scratch = memory.start
        if n * self.work < QUICK:
            self.table.forward(&self.net, X, n, out, scratch)
        else:
            with nogil:
                self.table.forward(&self.net, X, n, out, scratch)
        return 0

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

# ---- training ----

cdef int signals_pending() noexcept nogil:
    with gil:
        return PyErr_CheckSignals() != 0

cdef int raise_pending() except -1:
    """Raises what a signal handler raised while a kernel ran."""
    return -1 if PyErr_Occurred() != NULL else 0

cdef class Trainer:
    """One training: a network bound to data, a loss and an optimizer, with the memory to run it in slices."""
    cdef Training job
    cdef const Table* table
    cdef CompiledNetwork network
    cdef list held
    cdef Memory scratch
    cdef barrier finish
    cdef flag gate

    def __init__(self, CompiledNetwork network, X, targets, *, int loss, Py_ssize_t batch_size, optimizer=None, sample_weight=None,
                 order=None, generator=None, dX=None):
        cdef Py_ssize_t n = len(X), size = network.itemsize
        cdef Array x, y, w, o, d
        if batch_size < 1 or n < 1:
            raise ValueError("a training needs rows and a batch size of 1 or more")
        x = Array(X, size, n * network.n_in)
        y = Array(targets, 8 if loss == CLASS_CROSS_ENTROPY else size, n if loss == CLASS_CROSS_ENTROPY else n * network.n_out,
                  False, loss == CLASS_CROSS_ENTROPY)
        w = optional(sample_weight, size, n)
        o = optional(order, sizeof(Py_ssize_t), n, True, True)
        d = optional(dX, size, n * network.n_in, True)
        self.held = [x, y, w, o, d, generator]
        self.network = network
        self.table = network.table
        self.job.net = network.net
        if optimizer is not None:
            self.job.optimizer = optimizer
        self.job.loss = loss
        self.job.X = x.data
        self.job.targets = y.data
        self.job.sample_weight = pointer(w)
        self.job.order = <Py_ssize_t*>pointer(o)
        self.job.dX = pointer(d)
        self.job.generator = NULL
        if generator is not None and o is not None:
            self.job.generator = <Generator*>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
        self.job.n_rows = n
        self.job.batch_size = min(batch_size, n)
        self.job.n_threads = 1
        self.job.poll = signals_pending
        self.scratch = Memory(self.table.scratch_size(&self.job))
        self.job.scratch = self.scratch.start
        self.table.prepare(&self.job)

    cdef Array moments(self, moments, bint writable):
        """The optimizer's moments as it needs them; None where it has none."""
        cdef Optimizer* o = &self.job.optimizer
        cdef Py_ssize_t n = 2 if o.rule == ADAM else 1 if o.rule == SGD and o.momentum != 0 else 0
        if n == 0:
            return None
        if moments is None:
            raise ValueError(f"this optimizer needs {n} moments of every parameter")
        return Array(moments, self.network.itemsize, n * self.network.n_params, writable)

    def load(self, moments=None):
        """Takes the network's parameters (and the optimizer's moments) into the scratch."""
        cdef Array m = self.moments(moments, False)
        cdef void* p = pointer(m)
        with nogil:
            self.table.load(&self.job, p)

    def store(self, moments=None):
        """Puts them back into the network's arrays and into moments."""
        cdef Array m = self.moments(moments, True)
        cdef void* p = pointer(m)
        with nogil:
            self.table.store(&self.job, p)

    def store_gradient(self, grads):
        """The gradient of the last step, flat, in the order of the parameters."""
        cdef Array g = Array(grads, self.network.itemsize, self.network.n_params, True)
        with nogil:
            self.table.store_gradient(&self.job, g.data)

    def restore(self):
        """Back to the copy of the parameters made at the start of the epoch."""
        self.table.restore(&self.job)

    def position(self):
        """Whole steps and epochs done, the first row of the next batch, and the sum of the losses of this epoch's batches."""
        return self.job.step, self.job.epoch, self.job.row, self.job.loss_sum

    def set_position(self, Py_ssize_t step, Py_ssize_t epoch, Py_ssize_t row, double loss_sum):
        self.job.step, self.job.epoch, self.job.row, self.job.loss_sum = step, epoch, row, loss_sum

    def run(self, int n_threads, double seconds, losses):
        """Trains for about `seconds`, at most until len(losses) epochs from the present one have ended; their mean losses go to `losses`.

        Returns why it stopped, a `Stop`. Raises what a signal handler raised (KeyboardInterrupt); the step it fell into is dropped.
        """
        cdef Array l = Array(losses, 8, len(losses), True)
        cdef int i
        self.job.losses = <double*>l.data
        self.job.first_epoch = self.job.epoch
        self.job.last_epoch = self.job.epoch + len(losses)
        self.job.deadline = now() + <long long>(1e9 * seconds)
        self.job.n_threads = 1
        flag_set(&self.gate, 0)
        for i in range(1, n_threads):
            try:
                # not threading.Thread: its start() waits in Python code, where Ctrl-C could leave threads behind at a barrier
                _thread.start_new_thread(self._help, (i,))
            except RuntimeError:        # the system gives no more threads: fewer do the same
                break
            self.job.n_threads = i + 1
        with nogil:
            flag_set(&self.gate, 1)
            self.table.train(&self.job, 0)
            barrier_wait(&self.finish, self.job.n_threads)
        raise_pending()
        return self.job.why

    def _help(self, int thread):
        with nogil:
            while flag_get(&self.gate) == 0:
                cpu_yield()
            self.table.train(&self.job, thread)
            barrier_wait(&self.finish, self.job.n_threads)

    def loss(self):
        """The loss of all rows with the parameters as loaded."""
        cdef double loss
        with nogil:
            loss = self.table.loss_only(&self.job)
        raise_pending()
        return loss

# ---- on arrays ----

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
