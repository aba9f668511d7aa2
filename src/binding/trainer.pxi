# Trainer: one training. It owns the memory of a C struct Training and runs slices of it in threads.

cdef int evaluate_custom_loss(void* context, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept nogil:
    """The `CustomLoss.evaluate` of a Trainer."""
    with gil:
        return (<Trainer>context).evaluate(first, n, loss)

cdef int reduce_over_ranks(void* context) noexcept nogil:
    """The `Shards.reduce` of a Trainer."""
    with gil:
        return (<Trainer>context).reduce()

cdef bint hold_indices(Array indices, Py_ssize_t n) noexcept:
    """Whether all are from 0 to n - 1."""
    cdef const Py_ssize_t* index = <const Py_ssize_t*>indices.data
    cdef Py_ssize_t i
    cdef bint inside = True
    with nogil:
        for i in range(indices.view.len // <Py_ssize_t>sizeof(Py_ssize_t)):
            inside = inside and 0 <= index[i] < n
    return inside

def are_indices(indices, Py_ssize_t n):
    """Whether an array of intp holds numbers from 0 to n - 1 only."""
    return hold_indices(Array(indices, sizeof(Py_ssize_t), len(indices), False, True), n)

cdef bint have_same_layers(CompiledNetwork a, CompiledNetwork b) noexcept:
    cdef Py_ssize_t L = a.net.n_layers, l
    if a.kernels != b.kernels or L != b.net.n_layers or a.net.sizes[0] != b.net.sizes[0]:
        return False
    for l in range(L):
        if (a.net.sizes[l + 1] != b.net.sizes[l + 1] or a.net.activations[l] != b.net.activations[l]
                or (a.net.biases[l] == NULL) != (b.net.biases[l] == NULL)):
            return False
    return True

cdef class Trainer(ShufflingTeam):
    """One training: a network, data, a loss and an optimizer, run in slices.

    order: the rows in the order of the present epoch, INOUT if there is a generator, which shuffles them. By default a
    Trainer with a generator allocates the order, and shuffles it when its first epoch begins.
    shards: X holds the rows of this rank, shard by shard, and batch_size is not used.
    workspace: by default, each Trainer has its own. It keeps the gradient of the last step for `store_gradient` until
    another Trainer uses it."""
    cdef Training training
    cdef const Kernels* kernels
    cdef CompiledNetwork network
    cdef list references                # keeps alive what the training points to, even if the network is bound again
    cdef list shared_references         # likewise, what a twin points to as well
    cdef Py_ssize_t itemsize, n_params, n_parameter_bytes
    cdef dict options                   # of the optimizer, or None
    cdef Array rates                    # the table of a schedule, or None
    cdef ZeroedBuffer memory
    cdef readonly Workspace workspace
    cdef object custom_loss             # custom_loss(first, n) -> float reads custom_outputs and writes custom_gradient
    cdef Trainer validation
    cdef ZeroedBuffer read_memory       # of a validation: holds the parameters that it reads, of the last Trainer it is for
    cdef object generator
    cdef CompiledTable rows_of_table    # instead of X, or None
    cdef int max_threads                # for which the workspace of a table has memory
    cdef Py_ssize_t n_X                 # rows of X
    cdef Py_ssize_t max_batch           # as passed; data.batch_size is at most n_rows
    cdef bint has_order                 # the order of the rows is an array of the caller
    cdef long long step_ns              # of a step of the last slice, or an estimate
    cdef ShardedRows shards             # or None

    def __init__(self, CompiledNetwork network, X, targets, *, int loss, Py_ssize_t batch_size, optimizer=None,
                 sample_weight=None, order=None, rows=None, generator=None, dX=None, loss_numbers=None, double smoothing=0,
                 dropout=None, unsigned long long seed=0, custom_loss=None, custom_outputs=None, custom_gradient=None,
                 int n_threads=1, Trainer validation=None, double loss_scale=1, double gradient_scale=1, double alpha=0,
                 bint keeps_best=False, Workspace workspace=None, ShardedRows shards=None, jacobian=None,
                 jacobian_inputs=None, double jacobian_weight=1, double value_weight=1, custom_tangents=None,
                 custom_tangent_gradient=None):
        cdef Py_ssize_t n_X = len(X), n = n_X if rows is None else len(rows), size = network.itemsize
        cdef Array x = None, y, w, o, r, d, numbers, rates, outputs, gradient, slopes = None, inputs = None
        cdef Array tangents = None, tangent_gradient = None
        cdef Py_ssize_t n_tangents, n_inputs
        cdef CompiledTable rows_of_table = X if isinstance(X, CompiledTable) else None
        network.check_bound()
        if self.memory is not None:
            raise RuntimeError("This Trainer is initialized already. Make a new one.")
        memset(&self.training, 0, sizeof(Training))     # of an initialization that failed
        self.generator = None
        if batch_size < 1 or n < 1:
            raise ValueError(f"A Trainer needs at least 1 row and a batch_size of 1 or more, got {n} and {batch_size}.")
        if rows_of_table is None:
            x = Array(X, size, n_X * network.n_in)
        else:
            rows_of_table.check(network, n_X)
            if dX is not None:
                raise ValueError("A table has no gradient of its inputs.")
        if loss == CUSTOM_LOSS:
            y = None
        else:
            y = Array(targets, 8 if loss == CLASS_CROSS_ENTROPY else size,
                      n_X if loss == CLASS_CROSS_ENTROPY else n_X * network.n_out, False, loss == CLASS_CROSS_ENTROPY)
        w = optional(sample_weight, size, n_X)
        o = optional(order, sizeof(Py_ssize_t), n, True, True)
        r = optional(rows, sizeof(Py_ssize_t), n, False, True)
        d = optional(dX, size, n * network.n_in, True)
        numbers = optional(loss_numbers, size, network.n_out)
        rates = optional(dropout, sizeof(double), network.net.n_layers)
        outputs = optional(custom_outputs, size, min(batch_size, n) * network.n_out, True)
        gradient = optional(custom_gradient, size, min(batch_size, n) * network.n_out)
        if loss == CUSTOM_LOSS and (custom_loss is None or outputs is None or gradient is None):
            raise ValueError("A custom loss needs custom_loss, custom_outputs and custom_gradient.")
        if validation is not None:
            validation.check_reads(network, rows_of_table)
        if r is not None and loss == CUSTOM_LOSS:
            raise ValueError("A custom loss needs all rows. Pass X and targets of these rows, without `rows`.")
        if shards is not None and (loss == CUSTOM_LOSS or loss == GIVEN_GRADIENT or validation is not None
                                   or generator is not None or o is not None or r is not None or dX is not None):
            raise ValueError("Shards take a compiled loss, and neither validation, generator, order, rows nor dX.")
        if shards is not None and shards.rows_here() > n_X:
            raise ValueError(f"The shards have {shards.rows_here()} rows, but X has {n_X}.")
        if o is not None and not hold_indices(o, n_X):
            raise ValueError(f"order must hold row numbers from 0 to {n_X - 1}, but it holds others.")
        if r is not None and not hold_indices(r, n_X):
            raise ValueError(f"rows must hold row numbers from 0 to {n_X - 1}, but it holds others.")
        if jacobian is not None or custom_tangents is not None:
            if (network.net.n_layers == 0 or network.net.activations[network.net.n_layers - 1] == SOFTMAX
                    or loss in (GIVEN_GRADIENT, LOGITS_BINARY_CROSS_ENTROPY, POISSON)
                    or (loss == CUSTOM_LOSS) == (custom_tangents is None) or (loss == CUSTOM_LOSS) == (jacobian is not None)
                    or rows_of_table is not None or dropout is not None or shards is not None or dX is not None):
                raise ValueError("A loss of derivatives takes either custom_tangents with a custom loss, or jacobian with a "
                                 "compiled loss of the outputs that is not fused with an activation. It takes at least "
                                 "one layer, and no softmax, table, dropout, shards or dX.")
            n_inputs = len(jacobian_inputs)
            inputs = Array(jacobian_inputs, sizeof(Py_ssize_t), len(jacobian_inputs), False, True)
            if inputs.view.len == 0 or not hold_indices(inputs, network.n_in):
                raise ValueError(f"jacobian_inputs must hold numbers from 0 to {network.n_in - 1}, at least one.")
            self.training.objective.jacobian.n_inputs = n_inputs
            self.training.objective.jacobian.inputs = <const Py_ssize_t*>inputs.data
        if jacobian is not None:
            slopes = Array(jacobian, size, n_X * network.n_out * n_inputs)
            self.training.objective.jacobian.targets = slopes.data
            self.training.objective.jacobian.weight = jacobian_weight
            self.training.objective.jacobian.value_weight = value_weight
        if custom_tangents is not None:
            n_tangents = len(custom_tangents)
            if n_tangents - n_inputs not in (0, 1, n_inputs):
                raise ValueError(f"custom_tangents must hold {n_inputs} derivatives, and 0, 1 or {n_inputs} second ones, got "
                                 f"{n_tangents}.")
            tangents = Array(custom_tangents, size, n_tangents * min(batch_size, n) * network.n_out, True)
            tangent_gradient = Array(custom_tangent_gradient, size, n_tangents * min(batch_size, n) * network.n_out)
            self.training.objective.custom.n_seconds = n_tangents - n_inputs
            self.training.objective.custom.tangents = tangents.data
            self.training.objective.custom.tangent_gradient = tangent_gradient.data
        self.shared_references = [x, y, w, numbers, rates, slopes, inputs]
        self.references = [o, d, outputs, gradient, tangents, tangent_gradient]
        self.rows_of_table = rows_of_table
        self.n_X, self.max_batch = n_X, batch_size
        if optimizer is not None:
            self.options = optimizer
            self.rates = read_optimizer(optimizer, &self.training.optimizer)
        self.set_data(pointer(x) if rows_of_table is None else &rows_of_table.rows, y, w, o, d)
        self.set_network(network)
        self.set_rows(r)
        self.set_generator(generator)
        self.set_shards(shards)
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
        self.max_threads = max(1, n_threads)
        self.training.stopping.keep_params = keeps_best
        self.prepare(validation, workspace)

    def twin(self, CompiledNetwork network not None, *, Py_ssize_t batch_size, dict optimizer=None, rows=None, generator=None,
             Trainer validation=None):
        """A new Trainer of another network of the same layers: with the same data, loss and workspace.

        Its position is 0. Other arguments are those of the constructor, which takes five times as long. None if this
        Trainer has what a twin cannot share: other layers, order, dropout, a custom loss, shards or a gradient of X."""
        cdef Trainer other
        cdef Array r = optional(rows, sizeof(Py_ssize_t), self.n_X if rows is None else len(rows), False, True)
        if (not have_same_layers(network, self.network) or self.training.dropout.rates != NULL or self.has_order
                or self.custom_loss is not None or self.training.data.dX != NULL or self.shards is not None
                or (optimizer is None) != (self.options is None)
                or (validation is None) != (self.validation is None)
                or (generator is None) != (self.generator is None)):
            return None
        if batch_size < 1:
            raise ValueError(f"A Trainer needs a batch_size of 1 or more, got {batch_size}.")
        if r is not None and (r.view.len == 0 or not hold_indices(r, self.n_X)):
            raise ValueError(f"rows must hold row numbers from 0 to {self.n_X - 1}, at least one.")
        if validation is not None:
            validation.check_reads(network, self.rows_of_table)
        other = Trainer.__new__(Trainer)
        other.training.data = self.training.data
        other.training.objective = self.training.objective
        other.training.optimizer = self.training.optimizer
        other.training.stopping.keep_params = self.training.stopping.keep_params
        other.shared_references = self.shared_references
        other.references = []
        other.rows_of_table = self.rows_of_table
        other.n_X, other.max_batch, other.max_threads = self.n_X, batch_size, self.max_threads
        other.options, other.rates = optimizer, self.rates
        if optimizer is not self.options:
            other.rates = read_optimizer(optimizer, &other.training.optimizer)
        other.training.objective.custom.context = <void*>other
        other.set_network(network)
        other.set_rows(r)
        other.set_generator(generator)
        other.prepare(validation, self.workspace)
        return other

    cdef int check_reads(self, CompiledNetwork network, CompiledTable table) except -1:
        """Check that this validation reads a network, and inputs like those of a table, or of an array if it is None."""
        if self.network is not network:
            raise ValueError("The validation belongs to another network. Pass a Trainer of the same network.")
        if self.rows_of_table is not None if table is None else not table.has_layout(self.rows_of_table):
            raise ValueError("The validation reads another kind of inputs. Pass rows of the same table.")
        return 0

    cdef int set_network(self, CompiledNetwork network) except -1:
        self.network = network
        self.references += [network.shape, network.references, network.bounds, network.bound_arrays]
        self.itemsize = network.itemsize
        self.n_params = network.n_params
        self.kernels = network.kernels
        self.training.net = network.net
        if self.rows_of_table is not None:
            self.training.net.table = &self.rows_of_table.layout
        return 0

    cdef int set_rows(self, Array r) except -1:
        """Train on these rows, or on all. They are in this order, unless there is an order or a generator."""
        cdef Data* data = &self.training.data
        self.references.append(r)
        data.rows = <const Py_ssize_t*>pointer(r)
        data.n_rows = self.n_X if r is None else r.view.len // <Py_ssize_t>sizeof(Py_ssize_t)
        data.batch_size = min(self.max_batch, data.n_rows)
        if not self.has_order:
            data.order = <Py_ssize_t*>data.rows         # it is never shuffled: `prepare` gives a generator another
        return 0

    cdef int set_generator(self, generator) except -1:
        if generator is not None:
            self.training.data.generator = <Generator*>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
            self.generator = generator
            self.lock = generator.lock
        return 0

    cdef int set_shards(self, ShardedRows shards) except -1:
        self.shards = shards
        if shards is not None and shards.reduce is not None and not shards.has_sums_of(self.itemsize, self.n_params):
            raise ValueError(f"The sums of the shards have another size than {self.n_params} parameters need.")
        if shards is not None:
            self.training.shards = shards.shards
            self.training.shards.context = <void*>self
            if shards.reduce is not None:
                self.training.shards.reduce = reduce_over_ranks
            self.training.data.batch_size = shards.most_rows()
        return 0

    cdef bint reduce(self) noexcept:
        """Sum over ranks. True: drop the step; an exception is raised after the slice."""
        try:
            return self.shards.reduce()
        except BaseException as error:
            self.error = error
            return True

    cdef int prepare(self, Trainer validation, Workspace workspace) except -1:
        """Allocate memory and lay it out, when the rest of the training is set."""
        self.training.slice.n_threads = self.max_threads
        self.training.slice.poll.check = poll_shuffling
        self.training.slice.poll.context = <void*>self
        self.training.stopping.best, self.training.stopping.best_epoch = INFINITY, -1
        self.validation = validation
        self.training.validation = &validation.training if validation is not None else NULL
        self.allocate(workspace, (self.generator is not None and not self.has_order) or self.training.shards.shuffles)
        self.kernels.prepare(&self.training)
        if validation is not None:
            validation.read_memory = self.memory
            validation.workspace.attached = NULL        # it must be laid out again: `prepare` gave it other parameters
        return 0

    cdef int allocate(self, Workspace workspace, bint with_order) except -1:
        """Memory for the parameters, the order of the rows, and for the workspace behind them unless there is one.

        One block, since glibc returns two of similar size to the system when they are freed: the next training then
        caused hundreds of page faults."""
        cdef Py_ssize_t n_parameters = (self.kernels.parameters_size(&self.training) + 63) // 64 * 64
        cdef Py_ssize_t n_workspace = self.kernels.workspace_size(&self.training)
        cdef Py_ssize_t n_order = 0
        self.n_parameter_bytes = n_parameters
        if with_order:
            n_order = (self.training.data.n_rows * <Py_ssize_t>sizeof(Py_ssize_t) + 63) // 64 * 64
        if workspace is None:
            self.memory = ZeroedBuffer(n_parameters + n_order + n_workspace)
            self.workspace = Workspace.__new__(Workspace)
            self.workspace.memory = self.memory
            self.workspace.data = <char*>self.memory.data + n_parameters + n_order
            self.workspace.size = n_workspace
        else:
            self.memory = ZeroedBuffer(n_parameters + n_order)
            self.workspace = workspace
            workspace.reserve(n_workspace)
            if workspace.attached == <void*>self:           # a Trainer that was at this address before
                workspace.attached = NULL
        self.training.parameters = self.memory.data
        if with_order:
            self.training.data.order = <Py_ssize_t*>(<char*>self.memory.data + n_parameters)
        return 0

    cdef void set_data(self, const void* X, Array y, Array w, Array o, Array d) noexcept:
        self.training.data.X = X
        self.training.data.targets = pointer(y)
        self.training.data.sample_weight = pointer(w)
        self.has_order = o is not None
        self.training.data.order = <Py_ssize_t*>pointer(o)
        self.training.data.dX = pointer(d)

    cdef int attach_workspace(self) except -1:
        """Lay the workspace out for this training, unless it is, and lock it until `release_workspace`."""
        cdef Workspace workspace = self.workspace
        workspace.take()
        if workspace.attached != <void*>self:
            self.training.workspace = workspace.data
            self.kernels.attach(&self.training, workspace.used)
            workspace.attached = <void*>self
            workspace.used = True
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

    def set_optimizer(self, optimizer):
        """Change the optimizer. Its moments must be the same."""
        cdef Optimizer o
        cdef Array rates = read_optimizer(optimizer, &o)
        if self.options is None:
            raise ValueError("This Trainer has no memory for updates. Make a new one with an optimizer.")
        if (self.kernels.n_moments(&o) != self.kernels.n_moments(&self.training.optimizer)
                or (o.clip_norm != 0) != (self.training.optimizer.clip_norm != 0)):
            raise ValueError("The new optimizer needs a different number of moment buffers, or differs in whether "
                             "it clips by norm. Make a new Trainer.")
        self.options, self.rates, self.training.optimizer = optimizer, rates, o

    def set_stopping(self, Py_ssize_t patience, double min_delta, double best, *, int metric=TRAINING_LOSS,
                     bint running_best=False, bint keep_last=False, Py_ssize_t no_improvement=0,
                     Py_ssize_t best_epoch=-1):
        """Set when `run` stops early, and which epoch is the best: see Stopping in kernels.pxd."""
        cdef Stopping* stopping = &self.training.stopping
        if metric != TRAINING_LOSS and self.validation is None:
            raise ValueError("This metric needs a validation.")
        if metric == VALIDATION_ERROR_RATE and not self.validation.has_classes():
            raise ValueError("An error rate needs classes, which this loss does not have.")
        stopping.metric, stopping.patience, stopping.min_delta, stopping.best = metric, patience, min_delta, best
        stopping.running_best, stopping.keep_last = running_best, keep_last
        stopping.no_improvement, stopping.best_epoch = no_improvement, best_epoch

    cdef bint measures_error_rate(self) noexcept:
        return self.training.stopping.metric == VALIDATION_ERROR_RATE

    cdef bint has_classes(self) noexcept:
        cdef int loss = self.training.objective.loss
        return loss in (BINARY_CROSS_ENTROPY, LOGITS_BINARY_CROSS_ENTROPY, CROSS_ENTROPY, CLASS_CROSS_ENTROPY)

    def store_best(self, params):
        """Write the parameters of the best epoch, flat; return its metric and its number, -1 if there was none yet."""
        cdef Array p = Array(params, self.itemsize, self.n_params, True)
        if not self.training.stopping.keep_params:
            raise ValueError("This Trainer does not keep the best parameters. Pass keeps_best=True.")
        if self.training.stopping.best_epoch >= 0:
            with nogil:
                self.kernels.store_best(&self.training, p.data)
        return self.training.stopping.best, self.training.stopping.best_epoch

    cdef Array moments(self, moments, bint writable):
        """The moments as a buffer of the size that the optimizer needs; None if it has none."""
        cdef Py_ssize_t n = self.kernels.moments_size(&self.training)
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
        self.memory.touch(self.n_parameter_bytes)
        with nogil:
            self.kernels.load(&self.training, p)

    def store(self, moments=None):
        """Write the network's parameters and `moments`."""
        cdef Array m = self.moments(moments, True)
        cdef void* p = pointer(m)
        with nogil:
            self.kernels.store(&self.training, p)

    def load_params(self):
        """`load` without the moments, which stay as they are."""
        with nogil:
            self.kernels.load(&self.training, NULL)

    def store_params(self):
        """`store` without the moments."""
        with nogil:
            self.kernels.store(&self.training, NULL)

    def store_gradient(self, grads):
        """Write the gradient of the last step, flat, in the order of the parameters."""
        cdef Array g = Array(grads, self.itemsize, self.n_params, True)
        if self.workspace.attached != <void*>self or self.workspace.busy:
            raise RuntimeError("The gradient is gone. Another Trainer has used the workspace, or nothing has run. "
                               "Call store_gradient directly after run or gradient.")
        with nogil:
            self.kernels.store_gradient(&self.training, g.data)

    def restore(self):
        """Return to the last copy of parameters, moments and position, made when an epoch or a slice began."""
        self.kernels.restore(&self.training)

    def position(self):
        """(step, epoch, row, loss_sum): whole steps and epochs done, the first row of the next batch, and the sum of
        this epoch's losses of batches, each times its number of rows."""
        cdef Position* p = &self.training.position
        return p.step, p.epoch, p.row, p.loss_sum

    def is_shuffled(self):
        """Whether `order` is that of the present epoch. Also true before the first step of an epoch if that
        step was dropped."""
        return self.training.position.is_shuffled

    def set_position(self, Py_ssize_t step, Py_ssize_t epoch, Py_ssize_t row, double loss_sum, bint is_shuffled=False):
        """is_shuffled: no other order is drawn for the present epoch, even if row is 0."""
        cdef Position* p = &self.training.position
        cdef Py_ssize_t n = self.training.data.n_rows if self.shards is None else self.training.shards.n_rows
        if step < 0 or epoch < 0 or not 0 <= row < n:
            raise ValueError(f"step {step}, epoch {epoch}, row {row} is not a position in a training on {n} rows.")
        p.step, p.epoch, p.row, p.loss_sum, p.is_shuffled = step, epoch, row, loss_sum, is_shuffled

    def order(self):
        """The rows in the order of the present epoch, a copy. For a Trainer with a generator."""
        cdef Py_ssize_t n = self.training.data.n_rows
        if self.generator is None:
            raise ValueError("This Trainer does not shuffle its rows. Pass a generator.")
        copy = empty(n, "intp")
        cdef Array o = Array(copy, sizeof(Py_ssize_t), n, True, True)
        memcpy(o.data, self.training.data.order, n * sizeof(Py_ssize_t))
        return copy

    def set_last_step(self, Py_ssize_t step):
        """Let a slice end when this many steps are done, for the reason `TIME`. 0: no such limit."""
        self.training.slice.last_step = step

    def max_lanes(self):
        """How many Trainers like this one a thread of a `TrainerQueue` trains at a time."""
        return self.kernels.max_lanes(&self.training)

    def stop(self):
        """Why the last slice ended, a `Stop`."""
        return self.training.slice.stop_reason

    def epochs_validated(self):
        """Number of epochs done and validated, after a `run` with a validation."""
        return self.training.slice.validated

    cdef list set_slice(self, losses, validation_losses, error_rates):
        """Let the next slice write to these arrays, and end after len(losses) epochs at the latest. Returns what keeps
        them alive."""
        cdef Array l = Array(losses, 8, len(losses), True)
        cdef Array v = optional(validation_losses, 8, len(losses), True)
        cdef Array e = optional(error_rates, 8, len(losses), True)
        if len(losses) < 1:
            raise ValueError("losses is empty. Pass an array with room for at least one epoch.")
        self.check_validation()
        if self.validation is not None and v is None:
            raise ValueError("validation_losses is missing. Pass an array as long as losses.")
        if e is None and self.measures_error_rate():
            raise ValueError("error_rates is missing. Pass an array as long as losses.")
        if e is not None and (self.validation is None or not self.validation.has_classes()):
            raise ValueError("An error rate needs a validation whose loss has classes.")
        self.begin_slice(<double*>l.data, <double*>pointer(v), <double*>pointer(e), len(losses))
        return [l, v, e]

    cdef int check_validation(self) except -1:
        if self.validation is not None and self.validation.read_memory is not self.memory:
            raise RuntimeError("The validation reads the parameters of another Trainer, made later. Make one validation for "
                               "each Trainer.")
        return 0

    cdef void begin_slice(self, double* losses, double* validation_losses, double* error_rates,
                          Py_ssize_t n_epochs) noexcept:
        cdef Slice* slice_ = &self.training.slice
        slice_.losses, slice_.validation_losses, slice_.error_rates = losses, validation_losses, error_rates
        slice_.first_epoch = slice_.validated = self.training.position.epoch
        slice_.last_epoch = slice_.first_epoch + n_epochs
        slice_.n_threads = 1
        slice_.stop_reason = TIME

    def run(self, int n_threads, double seconds, losses, validation_losses=None, error_rates=None):
        """Train for about `seconds`, and for at most len(losses) epochs, the present one included.

        losses : OUT, the mean loss of each epoch that ends
        validation_losses, error_rates : OUT, those of the validation after each of them

        Returns why it stopped, a `Stop`. If a signal handler raises (KeyboardInterrupt), the unfinished step is dropped
        and the exception is raised here."""
        cdef list arrays                # keeps the buffers of the losses
        cdef Trainer validation = self.validation
        self.attach_workspace()
        try:
            arrays = self.set_slice(losses, validation_losses, error_rates)
            self.training.slice.deadline = now() + <long long>(1e9 * seconds)
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
        return self.training.slice.stop_reason

    cdef int train(self, int n_threads) except -1:
        """Run one slice. If the shuffle is interrupted, the generator gets back its state before the shuffle."""
        state = None
        cdef long long start
        cdef Py_ssize_t step = self.training.position.step
        if self.rows_of_table is not None:
            n_threads = min(n_threads, self.max_threads)
        self.start_helpers(n_threads)
        try:
            self.lock_generator()
            if self.lock is not None and self.training.data.n_rows > LONG_SHUFFLE and self.training.position.row == 0:
                state = self.generator.state
        except BaseException:
            self.unlock_generator()
            self.cancel_helpers()
            raise
        if self.step_ns == 0:           # 6 operations a parameter and row, about 100 in a ns
            self.step_ns = self.n_params * self.training.data.batch_size // 16
        self.training.slice.n_threads = self.dismiss_late_helpers(self.step_ns)
        start = now()
        self.work_together()
        self.step_ns = (now() - start) // max(1, self.training.position.step - step)
        try:
            if self.training.slice.dropped_shuffle and state is not None:
                self.generator.state = state
        finally:
            self.unlock_generator()
        return 0

    cdef void work(self, int thread) noexcept nogil:
        self.kernels.train(&self.training, thread)

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
            loss = self.kernels.loss_only(&self.training, NULL)
        self.release_workspace()
        self.reraise_error()
        return loss
