# The beginning and end of an epoch.
#
# At the beginning: the copy of the parameters for `restore`, and the shuffle. At the end: the check that the parameters
# are finite, the validation, early stopping. Thread 0 does all of it; the rows of the validation are shared by all.
#
#   training   INOUT: data.order, stopping, slice.stop_reason, slice.validated;  OUT: slice.validation_losses
#   progress   IN: this thread's position
#
# Order of sums of a validation loss: the rows of a chunk in 16 lanes, then the chunks in order.

cdef bint shuffle(Training* training) noexcept nogil:
    """order = generator.permutation(n_rows). False: stopped by the caller.

    The same numbers as NumPy's Generator draws, so the order of a training can be reproduced in NumPy: for i = n-1 .. 1
    swap i and a random j <= i. j is unbiased: random bits under the next mask of ones, drawn again while j > i. Up to
    half of the draws are rejected and no branch predictor foresees which, so there is no branch: a j above i swaps i
    with itself, and i stays."""
    cdef Generator* g = training.data.generator
    cdef Py_ssize_t* order = training.data.order
    cdef Py_ssize_t i, j, low, stop, taken
    cdef unsigned long long mask = 1
    for i in range(training.data.n_rows):
        order[i] = i
    i = training.data.n_rows - 1
    while mask < <unsigned long long>i:
        mask = 2 * mask + 1
    while i > 0:
        low = <Py_ssize_t>(mask >> 1)                   # the mask is the same for all i > low
        while i > low:
            stop = low if i - low < 65536 else i - 65536
            while i > stop:
                j = <Py_ssize_t>((g.next_uint32(g.state) if mask < 1ULL << 32 else g.next_uint64(g.state)) & mask)
                taken = j <= i
                j = j if taken else i
                order[i], order[j] = order[j], order[i]
                i -= taken
            if training.data.n_rows > LONG_SHUFFLE and poll_stop(&workspace_of(training).clock):
                training.slice.dropped_shuffle = True
                return False
        mask >>= 1
    return True

cdef bint begin_epoch(Training* training, int thread, Progress* progress) noexcept nogil:
    """Called before the first step of an epoch or a slice. False: the slice ends; training.slice.stop_reason says
    why."""
    cdef Workspace* workspace = workspace_of(training)
    cdef Parameters* params = parameters_of(training)
    cdef Position position
    if thread == 0:
        workspace.decisions.end_before_epoch = False
        if training.optimizer.rule != NO_UPDATE:
            if not progress.is_first_step and not end_epoch(training, progress.epoch):
                workspace.decisions.end_before_epoch = True
            elif (progress.row == 0 or params.saved_time == 0
                  or (progress.start_time - params.saved_time > 10 * SECOND and finite_params(params))):
                position.step = progress.step
                position.epoch = progress.epoch
                position.row = progress.row
                position.loss_sum = training.position.loss_sum
                save(params, position)
                params.saved_time = progress.start_time
        if (progress.row == 0 and training.data.generator != NULL and not workspace.decisions.end_before_epoch
                and not shuffle(training)):
            training.slice.stop_reason = SIGNAL
            workspace.decisions.end_before_epoch = True
    elif training.optimizer.rule != NO_UPDATE and not progress.is_first_step:
        help_validation(training, thread)
    barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    progress.is_first_step = False
    return not workspace.decisions.end_before_epoch

cdef bint end_epoch(Training* training, Py_ssize_t epoch) noexcept nogil:
    """Called when all threads have done the last step. False: the slice ends, since a parameter is not finite or the
    caller stopped the validation."""
    cdef double loss
    if not finite_params(parameters_of(training)):
        training.slice.stop_reason = NOT_FINITE
        start_validation(training, False)
        return False
    if training.validation == NULL:
        return True
    start_validation(training, True)
    loss = shared_loss(training.validation, &workspace_of(training).step_barrier, 0, training.slice.n_threads)
    if flag_get(&workspace_of(training.validation).abort):
        training.slice.stop_reason = SIGNAL
        return False
    training.slice.validation_losses[epoch - 1 - training.slice.first_epoch] = loss
    training.slice.validated = epoch
    return True

cdef bint update_patience(Stopping* stopping, double loss) noexcept nogil:
    """Record the mean loss of an epoch. True: patience is exhausted."""
    stopping.no_improvement = stopping.no_improvement + 1 if loss > stopping.best_loss - stopping.tolerance else 0
    stopping.best_loss = fmin(stopping.best_loss, loss)
    return stopping.no_improvement >= stopping.patience

# ---- the validation: threads share the rows of each chunk; end_epoch runs in thread 0, help_validation in the others ----

cdef void start_validation(Training* training, bint validate) noexcept nogil:
    """Thread 0 tells the others whether to validate."""
    if training.validation != NULL:
        flag_set(&workspace_of(training.validation).abort, 0)
        workspace_of(training).decisions.validate = validate
        barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)

cdef void help_validation(Training* training, int thread) noexcept nogil:
    """Called by the other threads while thread 0 runs end_epoch."""
    if training.validation != NULL:
        barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)
        if workspace_of(training).decisions.validate:
            shared_loss(training.validation, &workspace_of(training).step_barrier, thread, training.slice.n_threads)

cdef double loss_only(Training* training) noexcept nogil:
    """The loss of all rows as one batch, with the parameters as loaded. Incomplete if the caller stops it: see
    `abort`."""
    flag_set(&workspace_of(training).abort, 0)
    return shared_loss(training, NULL, 0, 1)

cdef double shared_loss(Training* training, barrier* shared_barrier, int thread, int n_threads) noexcept nogil:
    """`loss_only` in several threads, which all call this; thread 0 gets the loss.

    There is one barrier for each chunk: chunks have two arrays of losses in turn, so thread 0 adds the losses of a
    chunk while the others compute the next."""
    cdef Workspace* workspace = workspace_of(training)
    cdef ChunkBuffers buffers = workspace.buffers[0]
    cdef Py_ssize_t c, m, lo, hi, n = training.data.n_rows
    cdef Py_ssize_t chunk_size = min_(CHUNK, training.data.batch_size)      # for which the workspace is laid out
    cdef double total = total_weight(training, 0, n) / effective_scale(training.objective.scale), loss = 0
    cdef Chunk chunk
    cdef int turn = 0
    chunk.step = chunk.batch_row = 0
    for c from 0 <= c < n by chunk_size:
        m = min_(chunk_size, n - c)
        chunk.row = c
        buffers.row_loss = workspace.buffers.row_loss + turn * padded_chunk_rows(training.data.batch_size)
        split_range(m, ROW_MULTIPLE, thread, n_threads, &lo, &hi)
        if lo < hi:
            gather_rows(training, &buffers, c, lo, hi, total)
            forward_rows(training, &buffers, thread, chunk, lo, hi)
            if not flag_get(&workspace.abort):
                loss_rows(training, &buffers, chunk, lo, hi)
        if thread == 0:
            workspace.decisions.drop_loss[turn] = flag_get(&workspace.abort)
        if shared_barrier != NULL:
            barrier_wait(shared_barrier, n_threads)
        if workspace.decisions.drop_loss[turn]:
            break
        if thread == 0:
            loss += sum_numbers(buffers.row_loss, m)
        turn = 1 - turn
    return loss
