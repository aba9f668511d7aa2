# Trainer: one training. It owns the memory of a C struct Training and runs slices of it in threads.

cdef int poll_signals(void* context) noexcept nogil:
    """A `Poll.check`: run signal handlers. Not 0: one has raised an exception."""
    with gil:
        return PyErr_CheckSignals() != 0

cdef int raise_pending() except -1:
    """Raise the exception of a signal handler that `poll_signals` ran."""
    return -1 if PyErr_Occurred() != NULL else 0

cdef int poll_trainer(void* context) noexcept nogil:
    """The `Poll.check` of a Trainer."""
    with gil:
        return (<Trainer>context).run_signal_handlers()

cdef int evaluate_custom_loss(void* context, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept nogil:
    """The `CustomLoss.evaluate` of a Trainer."""
    with gil:
        return (<Trainer>context).evaluate(first, n, loss)

cdef enum:              # states of the gate at which helper threads wait
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
        raise ValueError(f"order must hold row numbers from 0 to {n - 1}, but it holds others.")
    return 0

cdef class Workspace:
    """Memory for the intermediate results of a slice. Trainers may share one, but not run at the same time."""
    cdef ZeroedBuffer memory
    cdef void* data
    cdef Py_ssize_t size
    cdef void* attached                 # the Trainer for which it is laid out, or NULL; compared, never dereferenced
    cdef bint used                      # has been laid out before
    cdef bint busy                      # a Trainer is running in it

    cdef int reserve(self, Py_ssize_t size) except -1:
        """Make room for `size` bytes."""
        if size > self.size:
            self.check_free()
            self.memory = ZeroedBuffer(size)
            self.data = self.memory.data
            self.size = size
            self.attached = NULL
            self.used = False
        return 0

    cdef int check_free(self) except -1:
        if self.busy:
            raise RuntimeError("This workspace is in use. Trainers that run at the same time need a workspace each.")
        return 0

cdef class Trainer:
    """One training: a network, data, a loss and an optimizer, run in slices.

    workspace: by default, each Trainer has its own. It keeps the gradient of the last step for `store_gradient` until
    another Trainer uses it."""
    cdef Training training
    cdef const Table* table
    cdef CompiledNetwork network
    cdef list references                # keeps alive what the training points to, even if the network is bound again
    cdef Py_ssize_t itemsize, n_params
    cdef Array rates                    # the table of a schedule, or None
    cdef ZeroedBuffer memory
    cdef readonly Workspace workspace
    cdef barrier finish_barrier
    cdef flag start_gate
    cdef object custom_loss             # custom_loss(first, n) -> float reads custom_outputs and writes custom_gradient
    cdef object error                   # an exception of custom_loss or of a signal handler
    cdef Trainer validation
    cdef object generator
    cdef object lock                    # the generator's, or None without shuffling; held while kernels run
    cdef bint holds_lock
    cdef unsigned long running_thread   # the thread that called `run`

    def __init__(self, CompiledNetwork network, X, targets, *, int loss, Py_ssize_t batch_size, optimizer=None,
                 sample_weight=None, order=None, generator=None, dX=None, loss_numbers=None, double smoothing=0,
                 dropout=None, unsigned long long seed=0, custom_loss=None, custom_outputs=None, custom_gradient=None,
                 int n_threads=1, Trainer validation=None, double loss_scale=1, double gradient_scale=1, double alpha=0,
                 Workspace workspace=None):
        cdef Py_ssize_t n = len(X), size = network.itemsize
        cdef Array x, y, w, o, d, numbers, rates, outputs, gradient
        if self.memory is not None:
            raise RuntimeError("This Trainer is initialized already. Make a new one.")
        if batch_size < 1 or n < 1:
            raise ValueError(f"A Trainer needs at least 1 row and a batch_size of 1 or more, got {n} and {batch_size}.")
        x = Array(X, size, n * network.n_in)
        if loss == CUSTOM_LOSS:
            y = None
        else:
            y = Array(targets, 8 if loss == CLASS_CROSS_ENTROPY else size,
                      n if loss == CLASS_CROSS_ENTROPY else n * network.n_out, False, loss == CLASS_CROSS_ENTROPY)
        w = optional(sample_weight, size, n)
        o = optional(order, sizeof(Py_ssize_t), n, True, True)
        d = optional(dX, size, n * network.n_in, True)
        numbers = optional(loss_numbers, size, network.n_out)
        rates = optional(dropout, sizeof(double), network.net.n_layers)
        outputs = optional(custom_outputs, size, min(batch_size, n) * network.n_out, True)
        gradient = optional(custom_gradient, size, min(batch_size, n) * network.n_out)
        if loss == CUSTOM_LOSS and (custom_loss is None or outputs is None or gradient is None):
            raise ValueError("A custom loss needs custom_loss, custom_outputs and custom_gradient.")
        if validation is not None and validation.network is not network:
            raise ValueError("The validation belongs to another network. Pass a Trainer of the same network.")
        if o is not None:
            check_order(<const Py_ssize_t*>o.data, n)
        self.references = [x, y, w, o, d, generator, numbers, rates, outputs, gradient, validation, network.shape,
                           network.references]
        self.network = network
        self.itemsize = network.itemsize
        self.n_params = network.n_params
        self.table = network.table
        self.training.net = network.net
        if optimizer is not None:
            self.rates = read_optimizer(optimizer, &self.training.optimizer)
        self.set_data(x, y, w, o, d, n, min(batch_size, n))
        if generator is not None and o is not None:
            self.training.data.generator = <Generator*>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
            self.generator = generator
            self.lock = generator.lock
        self.training.objective.loss = loss
        self.training.objective.numbers = pointer(numbers)
        self.training.objective.smoothing = smoothing
        self.training.objective.scale = loss_scale
        self.training.objective.gradient_scale = gradient_scale
        self.training.objective.shared_l2 = alpha
        self.custom_loss = custom_loss
        self.training.objective.custom.evaluate = evaluate_custom_loss
        self.training.objective.custom.context = <void*>self
        self.training.objective.custom.outputs = pointer(outputs)
        self.training.objective.custom.gradient = pointer(gradient)
        self.training.dropout.rates = <const double*>pointer(rates)
        self.training.dropout.seed = seed
        self.training.slice.n_threads = n_threads
        self.training.slice.poll.check = poll_trainer
        self.training.slice.poll.context = <void*>self
        self.validation = validation
        self.training.validation = &validation.training if validation is not None else NULL
        self.allocate(workspace)
        self.table.prepare(&self.training)
        if validation is not None:
            validation.workspace.attached = NULL        # it must be laid out again: `prepare` gave it other parameters

    cdef int allocate(self, Workspace workspace) except -1:
        """Memory for the parameters, and for the workspace behind them unless there is one.

        One block, since glibc returns two of similar size to the system when they are freed: the next training then
        caused hundreds of page faults."""
        cdef Py_ssize_t n_parameters = (self.table.parameters_size(&self.training) + 63) // 64 * 64
        cdef Py_ssize_t n_workspace = self.table.workspace_size(&self.training)
        if workspace is None:
            self.memory = ZeroedBuffer(n_parameters + n_workspace)
            self.workspace = Workspace.__new__(Workspace)
            self.workspace.memory = self.memory
            self.workspace.data = <char*>self.memory.data + n_parameters
            self.workspace.size = n_workspace
        else:
            self.memory = ZeroedBuffer(n_parameters)
            self.workspace = workspace
            workspace.reserve(n_workspace)
            if workspace.attached == <void*>self:           # a Trainer that was at this address before
                workspace.attached = NULL
        self.training.parameters = self.memory.data
        return 0

    cdef void set_data(self, Array x, Array y, Array w, Array o, Array d, Py_ssize_t n, Py_ssize_t batch_size) noexcept:
        self.training.data.X = x.data
        self.training.data.targets = pointer(y)
        self.training.data.sample_weight = pointer(w)
        self.training.data.order = <Py_ssize_t*>pointer(o)
        self.training.data.dX = pointer(d)
        self.training.data.n_rows = n
        self.training.data.batch_size = batch_size

    cdef int attach_workspace(self) except -1:
        """Lay the workspace out for this training, unless it is, and lock it until `release_workspace`."""
        cdef Workspace workspace = self.workspace
        workspace.check_free()
        if workspace.attached != <void*>self:
            self.training.workspace = workspace.data
            self.table.attach(&self.training, workspace.used)
            workspace.attached = <void*>self
            workspace.used = True
        workspace.busy = True
        return 0

    cdef void release_workspace(self) noexcept:
        self.workspace.busy = False

    cdef int evaluate(self, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept:
        self.release_lock()
        try:
            loss[0] = self.custom_loss(first, n)
            self.acquire_lock()
        except BaseException as error:
            self.error = error
            return 1
        return 0

    cdef int run_signal_handlers(self) noexcept:
        """Run signal handlers, which may draw from the generator. Not 0: one has raised an exception."""
        self.release_lock()
        try:
            handle_signals()
            self.acquire_lock()
        except BaseException as error:
            self.error = error
            return 1
        return 0

    cdef int acquire_lock(self) except -1:
        """If an exception interrupts this, the lock is not held."""
        if self.lock is not None:
            self.lock.acquire()
            self.holds_lock = True
        return 0

    cdef void release_lock(self) noexcept:
        if self.holds_lock:
            self.holds_lock = False
            self.lock.release()

    cdef int reraise_error(self) except -1:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return 0

    def set_optimizer(self, optimizer):
        """Change the optimizer. Its moments must be the same."""
        cdef Optimizer o
        cdef Array rates = read_optimizer(optimizer, &o)
        if (self.table.n_moments(&o) != self.table.n_moments(&self.training.optimizer)
                or (o.clip_norm != 0) != (self.training.optimizer.clip_norm != 0)):
            raise ValueError("The new optimizer needs a different number of moment buffers, or differs in whether "
                             "it clips by norm. Make a new Trainer.")
        self.rates, self.training.optimizer = rates, o

    def set_patience(self, Py_ssize_t patience, double tolerance, double best_loss):
        """Let `run` stop after `patience` epochs in a row whose mean loss is above best_loss - tolerance; 0: never
        stop.

        best_loss: the lowest mean loss so far. Lower losses replace it."""
        self.training.stopping.patience, self.training.stopping.tolerance = patience, tolerance
        self.training.stopping.best_loss, self.training.stopping.no_improvement = best_loss, 0

    cdef Array moments(self, moments, bint writable):
        """The moments as a buffer of the size that the optimizer needs; None if it has none."""
        cdef Py_ssize_t n = self.table.moments_size(&self.training)
        if n == 0:
            return None
        if moments is None:
            raise ValueError(f"This optimizer needs moments, {n // self.n_params} for each parameter. "
                             f"Pass an array of {n} numbers as `moments`.")
        return Array(moments, self.itemsize, n, writable)

    def load(self, moments=None):
        """Read the network's parameters, and `moments`: those of the optimizer, then the average of the parameters."""
        cdef Array m = self.moments(moments, False)
        cdef void* p = pointer(m)
        with nogil:
            self.table.load(&self.training, p)

    def store(self, moments=None):
        """Write the network's parameters and `moments`."""
        cdef Array m = self.moments(moments, True)
        cdef void* p = pointer(m)
        with nogil:
            self.table.store(&self.training, p)

    def store_gradient(self, grads):
        """Write the gradient of the last step, flat, in the order of the parameters."""
        cdef Array g = Array(grads, self.itemsize, self.n_params, True)
        if self.workspace.attached != <void*>self or self.workspace.busy:
            raise RuntimeError("The gradient is gone. Another Trainer has used the workspace, or nothing has run. "
                               "Call store_gradient directly after run or gradient.")
        with nogil:
            self.table.store_gradient(&self.training, g.data)

    def restore(self):
        """Return to the last copy of parameters, moments and position, made when an epoch or a slice began."""
        self.table.restore(&self.training)

    def position(self):
        """(step, epoch, row, loss_sum): whole steps and epochs done, the first row of the next batch, and the sum of
        this epoch's losses of batches, each times its number of rows."""
        cdef Position* p = &self.training.position
        return p.step, p.epoch, p.row, p.loss_sum

    def set_position(self, Py_ssize_t step, Py_ssize_t epoch, Py_ssize_t row, double loss_sum):
        cdef Position* p = &self.training.position
        if step < 0 or epoch < 0 or not 0 <= row < self.training.data.n_rows:
            raise ValueError(f"step {step}, epoch {epoch}, row {row} is not a position in a training on "
                             f"{self.training.data.n_rows} rows.")
        p.step, p.epoch, p.row, p.loss_sum = step, epoch, row, loss_sum

    def epochs_validated(self):
        """Number of epochs done and validated, after a `run` with a validation."""
        return self.training.slice.validated

    def run(self, int n_threads, double seconds, losses, validation_losses=None):
        """Train for about `seconds`, and for at most len(losses) epochs, the present one included.

        losses : OUT, the mean loss of each epoch that ends
        validation_losses : OUT, the validation loss after each of them

        Returns why it stopped, a `Stop`. If a signal handler raises (KeyboardInterrupt), the unfinished step is dropped
        and the exception is raised here."""
        cdef Array l = Array(losses, 8, len(losses), True)
        cdef Array v = optional(validation_losses, 8, len(losses), True)
        cdef Slice* slice_ = &self.training.slice
        cdef Trainer validation = self.validation
        if len(losses) < 1:
            raise ValueError("losses is empty. Pass an array with room for at least one epoch.")
        if validation is not None and v is None:
            raise ValueError("validation_losses is missing. Pass an array as long as losses.")
        slice_.losses = <double*>l.data
        slice_.validation_losses = <double*>pointer(v)
        slice_.first_epoch = slice_.validated = self.training.position.epoch
        slice_.last_epoch = slice_.first_epoch + len(losses)
        slice_.deadline = now() + <long long>(1e9 * seconds)
        slice_.n_threads = 1
        self.attach_workspace()
        try:
            if validation is None:
                self.train(n_threads)
            else:
                validation.attach_workspace()
                validation.training.slice.poll.context = <void*>self     # signal handlers may need its lock
                try:
                    self.train(n_threads)
                finally:
                    validation.training.slice.poll.context = <void*>validation
                    validation.release_workspace()
        finally:
            self.release_workspace()
        self.reraise_error()
        return slice_.stop_reason

    cdef int train(self, int n_threads) except -1:
        """Run one slice. If the shuffle is interrupted, the generator gets back its state before the shuffle."""
        state = None
        if self.lock is not None and self.training.data.n_rows > LONG_SHUFFLE and self.training.position.row == 0:
            state = self.generator.state
        self.start_helpers(n_threads)
        try:
            if self.lock is not None:
                RUNNING[id(self)] = self
                self.running_thread = PyThread_get_thread_ident()
            self.acquire_lock()
        except BaseException:
            self.cancel_helpers()
            RUNNING.pop(id(self), None)
            raise
        with nogil:
            flag_set(&self.start_gate, OPEN)
            self.table.train(&self.training, 0)
            barrier_wait(&self.finish_barrier, self.training.slice.n_threads)
        self.release_lock()
        if self.lock is not None:
            RUNNING.pop(id(self), None)
        if self.training.slice.dropped_shuffle and state is not None:
            self.generator.state = state
        return 0

    cdef int start_helpers(self, int n_threads) except -1:
        """Start helper threads, at most n_threads - 1 and as many as the system gives. They wait at the gate."""
        cdef int i
        flag_set(&self.start_gate, CLOSED)
        for i in range(1, n_threads):
            try:
                # not threading.Thread: its start() waits in Python code, and Ctrl-C there could leave threads waiting
                # at a barrier
                _thread.start_new_thread(self._help, (i,))
            except RuntimeError:        # the system gives no more threads: run with fewer
                break
            except BaseException:
                self.cancel_helpers()
                raise
            self.training.slice.n_threads = i + 1
        return 0

    cdef void cancel_helpers(self) noexcept:
        """Dismiss the helpers that wait at the gate, and wait until they have left."""
        with nogil:
            flag_set(&self.start_gate, CANCELLED)
            barrier_wait(&self.finish_barrier, self.training.slice.n_threads)

    def _help(self, int thread):
        with nogil:
            while flag_get(&self.start_gate) == CLOSED:
                cpu_yield()
            if flag_get(&self.start_gate) == OPEN:
                self.table.train(&self.training, thread)
            barrier_wait(&self.finish_barrier, self.training.slice.n_threads)

    def gradient(self, int n_threads=1):
        """The loss of all rows as one batch; `store_gradient` then writes its gradient. For a Trainer without
        optimizer."""
        loss = empty(1)
        self.load()
        self.run(n_threads, 0, loss)
        return float(loss[0])

    def loss(self):
        """The loss of all rows as one batch, with the parameters as loaded."""
        cdef double loss
        self.attach_workspace()
        with nogil:
            loss = self.table.loss_only(&self.training)
        self.release_workspace()
        self.reraise_error()
        return loss

RUNNING = {}                # id -> Trainer, of those that hold the lock of a generator

cdef int forget_trainers() except -1:
    """In a forked child: release the locks of trainings whose threads do not exist here."""
    cdef Trainer trainer
    for trainer in list(RUNNING.values()):
        if trainer.running_thread != PyThread_get_thread_ident():
            del RUNNING[id(trainer)]
            if trainer.holds_lock:
                trainer.holds_lock = False
                trainer.lock._at_fork_reinit()
    return 0
