# Trainer: one training, its memory, its slices and its threads.

cdef int signals_pending(void* context) noexcept nogil:
    """A `Poll`: whether a signal handler has raised something."""
    with gil:
        return PyErr_CheckSignals() != 0

cdef int raise_pending() except -1:
    """Raises what a signal handler raised while `signals_pending` was asked."""
    return -1 if PyErr_Occurred() != NULL else 0

cdef int check_trainer(void* context) noexcept nogil:
    """The `Poll` of a Trainer."""
    with gil:
        return (<Trainer>context).check()

cdef int call_python(void* context, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept nogil:
    with gil:
        return (<Trainer>context).evaluate(first, n, loss)

cdef enum:              # what the gate tells helpers that wait there
    CLOSED
    OPEN
    CANCELLED           # leave without training

cdef int check_order(const Py_ssize_t* order, Py_ssize_t n) except -1:
    cdef Py_ssize_t i
    cdef bint inside = True
    with nogil:
        for i in range(n):
            inside = inside and 0 <= order[i] < n
    if not inside:
        raise ValueError(f"order must hold row numbers from 0 to {n - 1}")
    return 0

cdef class Workspace:
    """What the threads of a slice compute in. Trainers may use one in turn: it becomes as large as the largest needs."""
    cdef Memory memory
    cdef Py_ssize_t size
    cdef void* attached                 # the Trainer for which it is laid out; never followed, and NULL when that is gone
    cdef bint used, busy                # has been laid out before; somebody computes in it

    cdef int reserve(self, Py_ssize_t size) except -1:
        if size > self.size:
            self.check_free()
            self.memory = Memory(size)
            self.size = size
            self.attached = NULL
            self.used = False
        return 0

    cdef int check_free(self) except -1:
        if self.busy:
            raise RuntimeError("this workspace is in use: give every trainer that runs at the same time its own")
        return 0

cdef class Trainer:
    """One training: a network bound to data, a loss and an optimizer, with the memory to run it in slices.

    workspace: where it computes; by default in one of its own. The gradient of the last step waits there for `store_gradient`, until another
    Trainer uses it."""
    cdef Training job
    cdef const Table* table
    cdef CompiledNetwork network
    cdef list held                      # all that the training points to, also should the network be bound to other memory
    cdef Py_ssize_t itemsize, n_params
    cdef Array rates                    # that a schedule's table lies in, or None
    cdef Memory memory
    cdef readonly Workspace workspace
    cdef barrier finish
    cdef flag gate
    cdef object custom_loss                # custom_loss(first, n) -> float, from custom_outputs; its gradient in custom_gradient
    cdef object error                   # what it, or a signal handler, raised
    cdef Trainer validation
    cdef object generator
    cdef object lock                    # the generator's, or None without shuffling: held during a slice, but not while Python code runs
    cdef bint holds_lock
    cdef unsigned long run_by           # the thread in which `run` runs

    def __init__(self, CompiledNetwork network, X, targets, *, int loss, Py_ssize_t batch_size, optimizer=None, sample_weight=None,
                 order=None, generator=None, dX=None, loss_numbers=None, double smoothing=0, dropout=None, unsigned long long seed=0,
                 custom_loss=None, custom_outputs=None, custom_gradient=None, int n_threads=1,
                 Trainer validation=None, double loss_scale=1, double gradient_scale=1, double alpha=0,
                 Workspace workspace=None):
        cdef Py_ssize_t n = len(X), size = network.itemsize
        cdef Array x, y, w, o, d, numbers, rates, outputs, gradient
        if batch_size < 1 or n < 1:
            raise ValueError("a training needs rows and a batch size of 1 or more")
        x = Array(X, size, n * network.n_in)
        if loss == CUSTOM_LOSS:
            y = None
        else:
            y = Array(targets, 8 if loss == CLASS_CROSS_ENTROPY else size, n if loss == CLASS_CROSS_ENTROPY else n * network.n_out,
                      False, loss == CLASS_CROSS_ENTROPY)
        w = optional(sample_weight, size, n)
        o = optional(order, sizeof(Py_ssize_t), n, True, True)
        d = optional(dX, size, n * network.n_in, True)
        numbers = optional(loss_numbers, size, network.n_out)
        rates = optional(dropout, sizeof(double), network.net.n_layers)
        outputs = optional(custom_outputs, size, min(batch_size, n) * network.n_out, True)
        gradient = optional(custom_gradient, size, min(batch_size, n) * network.n_out)
        if loss == CUSTOM_LOSS and (custom_loss is None or outputs is None or gradient is None):
            raise ValueError("a loss of one's own needs the function and two arrays for its batches")
        if validation is not None and validation.network is not network:
            raise ValueError("a validation must be of the same network")
        if o is not None:
            check_order(<const Py_ssize_t*>o.data, n)
        self.held = [x, y, w, o, d, generator, numbers, rates, outputs, gradient, validation, network.shape, network.held]
        self.network = network
        self.itemsize = network.itemsize
        self.n_params = network.n_params
        self.table = network.table
        self.job.net = network.net
        if optimizer is not None:
            self.rates = read_optimizer(optimizer, &self.job.optimizer)
        self.set_data(x, y, w, o, d, n, min(batch_size, n))
        if generator is not None and o is not None:
            self.job.data.generator = <Generator*>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
            self.generator = generator
            self.lock = generator.lock
        self.job.objective.loss = loss
        self.job.objective.numbers = pointer(numbers)
        self.job.objective.smoothing = smoothing
        self.job.objective.scale = loss_scale
        self.job.objective.gradient_scale = gradient_scale
        self.job.objective.shared_l2 = alpha
        self.custom_loss = custom_loss
        self.job.objective.custom.evaluate = call_python
        self.job.objective.custom.context = <void*>self
        self.job.objective.custom.outputs = pointer(outputs)
        self.job.objective.custom.gradient = pointer(gradient)
        self.job.dropout.rates = <const double*>pointer(rates)
        self.job.dropout.seed = seed
        self.job.slice.n_threads = n_threads
        self.job.slice.poll.check = check_trainer
        self.job.slice.poll.context = <void*>self
        self.validation = validation
        self.job.validation = &validation.job if validation is not None else NULL
        self.memory = Memory(self.table.memory_size(&self.job))
        self.job.memory = self.memory.start
        self.table.prepare(&self.job)
        if validation is not None:
            validation.workspace.attached = NULL        # its layers read other parameters now
        self.workspace = Workspace.__new__(Workspace) if workspace is None else workspace
        self.workspace.reserve(self.table.workspace_size(&self.job))

    cdef void set_data(self, Array x, Array y, Array w, Array o, Array d, Py_ssize_t n, Py_ssize_t batch_size) noexcept:
        self.job.data.X = x.data
        self.job.data.targets = pointer(y)
        self.job.data.sample_weight = pointer(w)
        self.job.data.order = <Py_ssize_t*>pointer(o)
        self.job.data.dX = pointer(d)
        self.job.data.n_rows = n
        self.job.data.batch_size = batch_size

    def __dealloc__(self):
        if self.workspace is not None and self.workspace.attached == <void*>self:
            self.workspace.attached = NULL

    cdef int enter(self) except -1:
        """Lays the workspace out for this training, if another was there, and keeps others away until `leave`."""
        cdef Workspace here = self.workspace
        here.check_free()
        if here.attached != <void*>self:
            self.job.workspace = here.memory.start
            self.table.attach(&self.job, here.used)
            here.attached = <void*>self
            here.used = True
        here.busy = True
        return 0

    cdef void leave(self) noexcept:
        self.workspace.busy = False

    cdef int evaluate(self, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept:
        self.release()
        try:
            loss[0] = self.custom_loss(first, n)
            self.acquire()
        except BaseException as error:
            self.error = error
            return 1
        return 0

    cdef int check(self) noexcept:
        """Lets signal handlers run, which may draw from the generator. Not 0: one has raised something."""
        self.release()
        try:
            handle_signals()
            self.acquire()
        except BaseException as error:
            self.error = error
            return 1
        return 0

    cdef int acquire(self) except -1:
        """If this is interrupted, the lock is not held."""
        if self.lock is not None:
            self.lock.acquire()
            self.holds_lock = True
        return 0

    cdef void release(self) noexcept:
        if self.holds_lock:
            self.holds_lock = False
            self.lock.release()

    cdef int raise_error(self) except -1:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return 0

    def set_optimizer(self, optimizer):
        """Goes on with other settings of the same moments."""
        cdef Optimizer o
        cdef Array rates = read_optimizer(optimizer, &o)
        if self.table.n_moments(&o) != self.table.n_moments(&self.job.optimizer) or (o.clip_norm != 0) != (self.job.optimizer.clip_norm != 0):
            raise ValueError("these settings need other memory than the training has")
        self.rates, self.job.optimizer = rates, o

    def set_patience(self, Py_ssize_t patience, double tolerance, double best_loss):
        """`run` stops when the mean loss of so many epochs in a row (0: never stop) has not been below best_loss, which falls with it, by
        tolerance or more."""
        self.job.stopping.patience, self.job.stopping.tolerance = patience, tolerance
        self.job.stopping.best_loss, self.job.stopping.no_improvement = best_loss, 0

    cdef Array moments(self, moments, bint writable):
        """The optimizer's moments as it needs them; None where it has none."""
        cdef Py_ssize_t n = self.table.moments_size(&self.job)
        if n == 0:
            return None
        if moments is None:
            raise ValueError(f"this optimizer needs {n // self.n_params} moments of every parameter")
        return Array(moments, self.itemsize, n, writable)

    def load(self, moments=None):
        """Takes the network's parameters (and the moments, and the average of the parameters) into the training."""
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
        cdef Array g = Array(grads, self.itemsize, self.n_params, True)
        if self.workspace.attached != <void*>self or self.workspace.busy:
            raise RuntimeError("the gradient is gone: another trainer has used the workspace since, or nothing has run")
        with nogil:
            self.table.store_gradient(&self.job, g.data)

    def restore(self):
        """Back to the copy of the parameters made at the start of the epoch."""
        self.table.restore(&self.job)

    def position(self):
        """Whole steps and epochs done, the first row of the next batch, and the sum of the losses of this epoch's batches."""
        cdef Position* here = &self.job.position
        return here.step, here.epoch, here.row, here.loss_sum

    def set_position(self, Py_ssize_t step, Py_ssize_t epoch, Py_ssize_t row, double loss_sum):
        cdef Position* here = &self.job.position
        if step < 0 or epoch < 0 or not 0 <= row < self.job.data.n_rows:
            raise ValueError(f"step {step}, epoch {epoch}, row {row}: not a position in a training on {self.job.data.n_rows} rows")
        here.step, here.epoch, here.row, here.loss_sum = step, epoch, row, loss_sum

    def epochs_validated(self):
        """Whole epochs done whose validation loss is known, if there is a validation and `run` has been called."""
        return self.job.slice.validated

    def run(self, int n_threads, double seconds, losses, validation_losses=None):
        """Trains for about `seconds`, at most until len(losses) epochs from the present one have ended; their mean losses go to `losses`,
        the losses of the validation after each of them to `validation_losses`.

        Returns why it stopped, a `Stop`. Raises what a signal handler raised (KeyboardInterrupt); the step it fell into is dropped.
        """
        cdef Array l = Array(losses, 8, len(losses), True)
        cdef Array v = optional(validation_losses, 8, len(losses), True)
        cdef Slice* here = &self.job.slice
        cdef Trainer validation = self.validation
        if len(losses) < 1:
            raise ValueError("losses must have room for one epoch or more")
        if validation is not None and v is None:
            raise ValueError("a training with a validation needs an array for its losses")
        here.losses = <double*>l.data
        here.validation_losses = <double*>pointer(v)
        here.first_epoch = here.validated = self.job.position.epoch
        here.last_epoch = here.first_epoch + len(losses)
        here.deadline = now() + <long long>(1e9 * seconds)
        here.n_threads = 1
        self.enter()
        try:
            if validation is None:
                self.train(n_threads)
            else:
                validation.enter()
                validation.job.slice.poll.context = <void*>self     # whose lock a signal handler may need
                try:
                    self.train(n_threads)
                finally:
                    validation.job.slice.poll.context = <void*>validation
                    validation.leave()
        finally:
            self.leave()
        self.raise_error()
        return here.why

    cdef int train(self, int n_threads) except -1:
        """One slice. The generator is before the shuffle if that is interrupted, as if the epoch had not begun."""
        state = None
        if self.lock is not None and self.job.data.n_rows > LONG_SHUFFLE and self.job.position.row == 0:
            state = self.generator.state
        self.start_helpers(n_threads)
        try:
            if self.lock is not None:
                RUNNING[id(self)] = self
                self.run_by = PyThread_get_thread_ident()
            self.acquire()
        except BaseException:
            self.cancel()
            RUNNING.pop(id(self), None)
            raise
        with nogil:
            flag_set(&self.gate, OPEN)
            self.table.train(&self.job, 0)
            barrier_wait(&self.finish, self.job.slice.n_threads)
        self.release()
        if self.lock is not None:
            RUNNING.pop(id(self), None)
        if self.job.slice.dropped_shuffle and state is not None:
            self.generator.state = state
        return 0

    cdef int start_helpers(self, int n_threads) except -1:
        """As many as the system gives; they wait at the gate."""
        cdef int i
        flag_set(&self.gate, CLOSED)
        for i in range(1, n_threads):
            try:
                # not threading.Thread: its start() waits in Python code, where Ctrl-C could leave threads behind at a barrier
                _thread.start_new_thread(self._help, (i,))
            except RuntimeError:        # the system gives no more threads: fewer do the same
                break
            except BaseException:
                self.cancel()
                raise
            self.job.slice.n_threads = i + 1
        return 0

    cdef void cancel(self) noexcept:
        """Lets helpers go that wait at the gate, and waits until they have left."""
        with nogil:
            flag_set(&self.gate, CANCELLED)
            barrier_wait(&self.finish, self.job.slice.n_threads)

    def _help(self, int thread):
        with nogil:
            while flag_get(&self.gate) == CLOSED:
                cpu_yield()
            if flag_get(&self.gate) == OPEN:
                self.table.train(&self.job, thread)
            barrier_wait(&self.finish, self.job.slice.n_threads)

    def gradient(self, int n_threads=1):
        """The loss of all rows as one batch; its gradient waits for `store_gradient`. For a Trainer without an optimizer."""
        loss = empty(1)
        self.load()
        self.run(n_threads, 0, loss)
        return float(loss[0])

    def loss(self):
        """The loss of all rows with the parameters as loaded."""
        cdef double loss
        self.enter()
        with nogil:
            loss = self.table.loss_only(&self.job)
        self.leave()
        self.raise_error()
        return loss

RUNNING = {}                # id -> Trainer: those that hold the lock of a generator

cdef int forget_trainers() except -1:
    """In a forked child: what other threads ran here has no thread, and nobody else will release its lock."""
    cdef Trainer trainer
    for trainer in list(RUNNING.values()):
        if trainer.run_by != PyThread_get_thread_ident():
            del RUNNING[id(trainer)]
            if trainer.holds_lock:
                trainer.holds_lock = False
                trainer.lock._at_fork_reinit()
    return 0
