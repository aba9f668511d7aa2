# Trainer: one training, its memory, its slices and its threads.

cdef int signals_pending() noexcept nogil:
    with gil:
        return PyErr_CheckSignals() != 0

cdef int raise_pending() except -1:
    """Raises what a signal handler raised while a kernel ran."""
    return -1 if PyErr_Occurred() != NULL else 0

cdef int ask_python(void* context, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept nogil:
    with gil:
        return (<Trainer>context).ask(first, n, loss)

cdef class Trainer:
    """One training: a network bound to data, a loss and an optimizer, with the memory to run it in slices."""
    cdef Training job
    cdef const Table* table
    cdef CompiledNetwork network
    cdef list held
    cdef Memory scratch
    cdef barrier finish
    cdef flag gate
    cdef object own_loss                # own_loss(first, n) -> float, from own_outputs; its gradient in own_gradient
    cdef object error                   # what it raised

    def __init__(self, CompiledNetwork network, X, targets, *, int loss, Py_ssize_t batch_size, optimizer=None, sample_weight=None,
                 order=None, generator=None, dX=None, loss_numbers=None, double smoothing=0, dropout=None, unsigned long long seed=0,
                 own_loss=None, own_outputs=None, own_gradient=None, int n_threads=1,
                 Trainer validation=None, double loss_scale=1, double gradient_scale=1, double alpha=0):
        cdef Py_ssize_t n = len(X), size = network.itemsize
        cdef Array x, y, w, o, d, numbers, rates, outputs, gradient
        if batch_size < 1 or n < 1:
            raise ValueError("a training needs rows and a batch size of 1 or more")
        x = Array(X, size, n * network.n_in)
        if loss == OWN_LOSS:
            y = None
        else:
            y = Array(targets, 8 if loss == CLASS_CROSS_ENTROPY else size, n if loss == CLASS_CROSS_ENTROPY else n * network.n_out,
                      False, loss == CLASS_CROSS_ENTROPY)
        w = optional(sample_weight, size, n)
        o = optional(order, sizeof(Py_ssize_t), n, True, True)
        d = optional(dX, size, n * network.n_in, True)
        numbers = optional(loss_numbers, size, network.n_out)
        rates = optional(dropout, sizeof(double), network.net.n_layers)
        outputs = optional(own_outputs, size, min(batch_size, n) * network.n_out, True)
        gradient = optional(own_gradient, size, min(batch_size, n) * network.n_out)
        if loss == OWN_LOSS and (own_loss is None or outputs is None or gradient is None):
            raise ValueError("a loss of one's own needs the function and two arrays for its batches")
        if validation is not None and validation.network is not network:
            raise ValueError("a validation must be of the same network")
        self.held = [x, y, w, o, d, generator, numbers, rates, outputs, gradient, validation]
        self.network = network
        self.table = network.table
        self.job.net = network.net
        if optimizer is not None:
            self.job.optimizer = optimizer
        self.job.loss = loss
        self.job.X = x.data
        self.job.targets = pointer(y)
        self.job.sample_weight = pointer(w)
        self.job.order = <Py_ssize_t*>pointer(o)
        self.job.dX = pointer(d)
        self.job.generator = NULL
        if generator is not None and o is not None:
            self.job.generator = <Generator*>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
        self.job.n_rows = n
        self.job.batch_size = min(batch_size, n)
        self.job.n_threads = n_threads
        self.job.poll = signals_pending
        self.job.loss_numbers = pointer(numbers)
        self.job.smoothing = smoothing
        self.job.dropout = <const double*>pointer(rates)
        self.job.seed = seed
        self.own_loss = own_loss
        self.job.own_loss = ask_python
        self.job.own_context = <void*>self
        self.job.own_outputs = pointer(outputs)
        self.job.own_gradient = pointer(gradient)
        self.job.validation = &validation.job if validation is not None else NULL
        self.job.loss_scale = loss_scale
        self.job.gradient_scale = gradient_scale
        self.job.alpha = alpha
        self.scratch = Memory(self.table.scratch_size(&self.job))
        self.job.scratch = self.scratch.start
        self.table.prepare(&self.job)

    cdef int ask(self, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept:
        try:
            loss[0] = self.own_loss(first, n)
        except BaseException as error:
            self.error = error
            return 1
        return 0

    def set_optimizer(self, optimizer):
        """Goes on with other settings of the same moments."""
        cdef Optimizer o = optimizer
        if self.table.n_moments(&o) != self.table.n_moments(&self.job.optimizer) or (o.clip_norm != 0) != (self.job.optimizer.clip_norm != 0):
            raise ValueError("these settings need other memory than the training has")
        self.job.optimizer = o

    def stop_when_level(self, Py_ssize_t patience, double tolerance, double best_loss):
        """`run` stops when the mean loss of so many epochs in a row (0: never stop) has not been below best_loss, which falls with it, by
        tolerance or more."""
        self.job.patience, self.job.tolerance, self.job.best_loss, self.job.not_better = patience, tolerance, best_loss, 0

    cdef Array moments(self, moments, bint writable):
        """The optimizer's moments as it needs them; None where it has none."""
        cdef Py_ssize_t n = self.table.moments_size(&self.job)
        if n == 0:
            return None
        if moments is None:
            raise ValueError(f"this optimizer needs {n // self.network.n_params} moments of every parameter")
        return Array(moments, self.network.itemsize, n, writable)

    def load(self, moments=None):
        """Takes the network's parameters (and the moments, and the average of the parameters) into the scratch."""
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

    def epochs_validated(self):
        """Whole epochs done whose validation loss is known, if there is a validation and `run` has been called."""
        return self.job.validated

    def run(self, int n_threads, double seconds, losses, validation_losses=None):
        """Trains for about `seconds`, at most until len(losses) epochs from the present one have ended; their mean losses go to `losses`,
        the losses of the validation after each of them to `validation_losses`.

        Returns why it stopped, a `Stop`. Raises what a signal handler raised (KeyboardInterrupt); the step it fell into is dropped.
        """
        cdef Array l = Array(losses, 8, len(losses), True)
        cdef Array v = optional(validation_losses, 8, len(losses), True)
        cdef int i
        if self.job.validation != NULL and v is None:
            raise ValueError("a training with a validation needs an array for its losses")
        self.job.losses = <double*>l.data
        self.job.validation_losses = <double*>pointer(v)
        self.job.first_epoch = self.job.validated = self.job.epoch
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
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return self.job.why

    def _help(self, int thread):
        with nogil:
            while flag_get(&self.gate) == 0:
                cpu_yield()
            self.table.train(&self.job, thread)
            barrier_wait(&self.finish, self.job.n_threads)

    def gradient(self, int n_threads=1):
        """The loss of all rows as one batch; its gradient waits for `store_gradient`. For a Trainer without an optimizer."""
        loss = empty(1)
        self.load()
        self.run(n_threads, 0, loss)
        return float(loss[0])

    def loss(self):
        """The loss of all rows with the parameters as loaded."""
        cdef double loss
        with nogil:
            loss = self.table.loss_only(&self.job)
        raise_pending()
        return loss
