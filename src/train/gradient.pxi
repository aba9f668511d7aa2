# The gradient of a batch.
#
# A batch is split into chunks of CHUNK rows, or more in wide networks, whose sums over CHUNK rows are added within a
# chunk. The gradients of chunks are added in the order of the chunks, so no sum depends on the number of threads.
# Threads share each chunk, with a barrier after each of its two phases (chunk.pxi). In a batch of several chunks, and
# with at most SMALL weights, each thread computes whole chunks instead and the threads then add their gradients:
# fewer barriers, and no thread reads what another has written before that. (4-32-16-4, 10,000 rows a batch: two
# threads are 1.15 times as fast as one if they share chunks, 1.85 times with a chunk each.)
#
# A custom loss needs the outputs of the whole batch. So the forward pass runs first for the whole batch, then again for
# each chunk before its backward pass, unless there is only one chunk.
#
#   training   IN: data, objective, parameters;  OUT: the gradient in workspace.buffers[0].grads, data.dX
#   thread     0 .. n_threads-1, the number of the calling thread; all threads make the same calls
#   progress   INOUT: this thread's position; `loss` is OUT, in thread 0
#
# Order of sums: within a chunk as in linear.pxi; then the chunks in order.

cdef struct BatchPart:      # the rows of a batch, or of a batch in one shard
    Py_ssize_t row, n_rows  # the first in the order of the epoch, and their number
    Py_ssize_t batch_row    # the place of the first in the batch
    Py_ssize_t batch, shard  # with shards: batches of this epoch before, and the number of the shard in this rank
    Py_ssize_t first        # row of the shard

cdef struct Progress:       # how far one thread is in its slice; each thread has its own
    Py_ssize_t step, epoch  # whole steps and epochs done
    Py_ssize_t row, n_rows  # the batch: its first row and number of rows
    BatchPart part          # what the next gradient is of
    double total_weight     # sum of the batch's sample weights, by which its loss and gradient are divided
    double loss             # of the batch, summed up so far; only thread 0 has it
    double penalty          # what shared_l2 adds to the loss
    double weight_factor    # 1 / gradient_scale, a factor of total_weight
    double loss_factor      # scale / gradient_scale: from the loss computed with gradient_scale to the reported one
    bint is_scaled          # one of these factors is not 1, or there is a penalty
    bint is_first_step      # of the slice
    bint has_knots          # the step before has computed those of a table
    Py_ssize_t check_interval       # steps between two checks of the deadline: about 20 us
    Py_ssize_t steps_since_check
    long long start_time    # of the slice
    Step weight_step        # constants of the update
    Step unpenalized_step   # the same without penalties
    const Step* bias_step   # unpenalized_step, or weight_step if there are no penalties

cdef inline double effective_scale(double scale) noexcept nogil:
    """0 means 1."""
    return scale if scale != 0 else 1

cdef double total_weight(const Training* training, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """The sum of the batch's sample weights: n without weights, 1 if all are 0 (such a batch has loss 0, gradient
    0)."""
    cdef double total
    if not has_row_losses(training):
        return 1
    if training.data.sample_weight == NULL:
        return n
    total = sum_of_weights(training, first, n)
    return total if total != 0 else 1

cdef double sum_of_weights(const Training* training, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    cdef const Data* data = &training.data
    cdef Py_ssize_t i
    cdef double total = 0
    if data.sample_weight == NULL:
        return n
    for i in range(first, first + n):
        total += (<const real*>data.sample_weight)[data.order[i] if data.order != NULL else i]
    return total

cdef inline Py_ssize_t rows_of_epoch(const Training* training) noexcept nogil:
    return training.shards.n_rows if training.shards.n_shards != 0 else training.data.n_rows

cdef inline void add_shared_penalty(Training* training, int thread, Progress* progress) noexcept nogil:
    """Add shared_l2, divided by the total weight of the batch, to the constants of the update."""
    cdef double shared_l2
    if training.objective.shared_l2 != 0:
        shared_l2 = training.objective.shared_l2 / (
            progress.n_rows if training.objective.loss == CUSTOM_LOSS else progress.total_weight)
        progress.weight_step.l2 = <real>(training.optimizer.l2 + shared_l2)
        if thread == 0:
            progress.penalty = shared_l2 / 2 * weight_squares(training)

cdef inline bint agree_to_continue(Workspace* workspace, int thread, int n_threads, int* drop) noexcept nogil:
    """Wait for all threads. False: all drop the step."""
    if thread == 0:
        drop[0] = flag_get(&workspace.abort)
    barrier_wait(&workspace.step_barrier, n_threads)
    return not drop[0]

cdef bint evaluate_custom_loss(Training* training, int thread, Progress* progress) noexcept nogil:
    """Compute the outputs of the batch and pass them to the custom loss. False: drop the step."""
    cdef Workspace* workspace = workspace_of(training)
    cdef const CustomLoss* custom = &training.objective.custom
    cdef Py_ssize_t c, lo, hi, n_out = training.net.sizes[training.net.n_layers]
    cdef Py_ssize_t rows = parameters_of(training).chunk_rows
    cdef ChunkBuffers* buffers = workspace.buffers
    cdef Chunk chunk
    chunk.buffers = buffers
    chunk.step = progress.step
    chunk.total_weight = 1
    chunk.part = thread
    chunk.parts = training.slice.n_threads
    for c from 0 <= c < progress.n_rows by rows:
        chunk.n = min_(rows, progress.n_rows - c)
        chunk.row = progress.row + c
        chunk.batch_row = c
        split_range(chunk.n, ROW_MULTIPLE, chunk.part, chunk.parts, &lo, &hi)
        if lo < hi:
            gather_rows(training, &chunk, lo, hi)
            forward_rows(training, &chunk, lo, hi)
            scatter(lo, hi, n_out, buffers.Y, buffers.output_row_stride, <real*>custom.outputs + c * n_out)
            if n_tangents(training) != 0:
                tangent_steps().forward(training, &chunk, lo, hi)
        barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    if thread == 0:
        workspace.decisions.drop_after_outputs = flag_get(&workspace.abort)
        if not workspace.decisions.drop_after_outputs:
            set_mode(workspace.clock.caller[0])
            workspace.decisions.drop_after_outputs = custom.evaluate(custom.context, progress.row, progress.n_rows,
                                                                     &progress.loss)
            workspace.clock.caller[0] = enter_kernel_mode()
        if workspace.decisions.drop_after_outputs:
            flag_set(&workspace.abort, 1)
    barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    return not workspace.decisions.drop_after_outputs

cdef struct Round:          # the rows that the threads compute between two agreements
    bint is_shared          # all threads share one chunk; else each has a chunk, the last ones may have none
    Py_ssize_t n_rows       # of all threads
    Chunk chunk             # of this thread; n <= 0: none

cdef inline void share_chunk(Workspace* workspace, int thread, int n_threads, Py_ssize_t n_rows, Round* r) noexcept nogil:
    r.is_shared = True
    r.n_rows = r.chunk.n = n_rows
    r.chunk.buffers = workspace.buffers
    r.chunk.part = thread
    r.chunk.parts = n_threads

cdef inline void take_chunk(Workspace* workspace, int thread, int n_threads, Py_ssize_t rows_left, Round* r) noexcept nogil:
    cdef Py_ssize_t chunks = min_(workspace.n_buffers, n_threads)
    r.is_shared = False
    r.n_rows = min_(chunks * CHUNK, rows_left)
    r.chunk.n = min_(CHUNK, r.n_rows - thread * CHUNK)
    r.chunk.buffers = workspace.buffers + thread
    r.chunk.part = 0
    r.chunk.parts = 1

cdef inline void next_round(const Training* training, int thread, int n_threads, Py_ssize_t rows_left,
                            Round* r) noexcept nogil:
    cdef Workspace* workspace = workspace_of(training)
    cdef Py_ssize_t chunks = min_(workspace.n_buffers, n_threads)
    if chunks > 1 and 4 * rows_left >= 3 * chunks * CHUNK:      # at least three of four threads get a whole chunk
        take_chunk(workspace, thread, n_threads, rows_left, r)
    else:
        share_chunk(workspace, thread, n_threads, min_(parameters_of(training).chunk_rows, rows_left), r)

cdef inline void add_losses(const real* row_loss, Py_ssize_t n, double* loss) noexcept nogil:
    """loss += the losses of n rows of a chunk."""
    cdef Py_ssize_t i
    for i from 0 <= i < n by CHUNK:
        loss[0] += sum_numbers(row_loss + i, min_(CHUNK, n - i))

cdef inline bint batch_gradient(Training* training, int thread, Progress* progress) noexcept nogil:
    """The gradient of progress.part; where phase B updates in place, the update too. False: drop the step.

    Inlined, like phase_b: a call made a step of 3-4-1 10 % longer."""
    cdef Workspace* workspace = workspace_of(training)
    cdef int n_threads = training.slice.n_threads
    cdef Py_ssize_t c = 0, n = progress.part.n_rows     # c: rows done
    cdef bint custom = training.objective.loss == CUSTOM_LOSS
    cdef Round r
    cdef Chunk* chunk = &r.chunk
    cdef ChunkGradient gradient
    cdef double loss
    chunk.step = progress.step
    chunk.total_weight = progress.total_weight
    gradient.step = &progress.weight_step if parameters_of(training).in_place else NULL
    gradient.bias_step = progress.bias_step
    gradient.moment_stride = parameters_of(training).region_size
    gradient.row = 0
    if training.net.table != NULL and not progress.has_knots:
        share_knots(training, thread, &workspace.step_barrier, n_threads)
        progress.has_knots = gradient.step != NULL
    if custom and not evaluate_custom_loss(training, thread, progress):
        return False
    loss = progress.loss
    while c < n:
        next_round(training, thread, n_threads, n - c, &r)
        chunk.row = c if r.is_shared else c + thread * CHUNK
        chunk.batch_row = progress.part.batch_row + chunk.row
        chunk.row += progress.part.row
        # can_run_in_place is called here since a call in phase_a made that slower by 1 to 2 %
        if chunk.n > 0 and chunk.parts == 1 and can_run_in_place(training, chunk):
            loss_in_place(training, chunk)
        elif chunk.n > 0:
            phase_a(training, chunk, custom and n == chunk.n)
        if r.is_shared and not agree_to_continue(workspace, thread, n_threads, &workspace.decisions.drop_after_phase_a):
            return False
        if r.is_shared and thread == 0 and has_row_losses(training):
            add_losses(chunk.buffers.row_loss, chunk.n, &loss)
        if chunk.n > 0:
            gradient.n = chunk.n
            gradient.is_last = chunk.n <= CHUNK
            gradient.add = c > 0 and chunk.buffers == workspace.buffers
            phase_b(training, chunk, &gradient)
            if n_tangents(training) != 0:
                tangent_steps().phase_b(training, chunk, &gradient)
        c += r.n_rows
        if gradient.step != NULL:            # updated in place: the batch is one chunk, and finish_step has a barrier
            break
        if not agree_to_continue(workspace, thread, n_threads, &workspace.decisions.drop_after_phase_b):
            return False
        if not r.is_shared:
            add_chunks(training, thread, r.n_rows, &loss)
            barrier_wait(&workspace.step_barrier, n_threads)
    progress.loss = loss
    return True

cdef void add_chunks(Training* training, int thread, Py_ssize_t n, double* loss) noexcept nogil:
    """Add the chunks of all threads, n rows, in their order: the losses, and this thread's part of the gradients."""
    cdef Workspace* workspace = workspace_of(training)
    cdef Py_ssize_t lo, hi, i
    cdef int k
    cdef real* sums = workspace.buffers.grads
    split_range(parameters_of(training).region_size, PANEL, thread, training.slice.n_threads, &lo, &hi)
    for k in range((n + CHUNK - 1) // CHUNK):
        if thread == 0 and has_row_losses(training):
            add_losses(workspace.buffers[k].row_loss, min_(CHUNK, n - k * CHUNK), loss)
        if k > 0:
            for i from lo <= i < hi by LANES:
                vstore(sums + i, vadd(vload(sums + i), vload(workspace.buffers[k].grads + i)))
