# The beginning and end of an epoch.
#
# At the beginning: the copy of the parameters for `restore`, and the shuffle. At the end: the check that the parameters
# are finite, the validation, early stopping. Thread 0 does all of it.
#
#   training   INOUT: data.order, stopping, slice.stop_reason, slice.validated;  OUT: slice.validation_losses
#   progress   IN: this thread's position
#
# Order of sums in `loss_only`: the rows of a chunk in 16 lanes, then the chunks in order.

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
    barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    progress.is_first_step = False
    return not workspace.decisions.end_before_epoch

cdef bint end_epoch(Training* training, Py_ssize_t epoch) noexcept nogil:
    """Called when all threads have done the last step. False: the slice ends, since a parameter is not finite or the
    caller stopped the validation."""
    cdef double loss
    if not finite_params(parameters_of(training)):
        training.slice.stop_reason = NOT_FINITE
        return False
    if training.validation == NULL:
        return True
    loss = loss_only(training.validation)
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

cdef double loss_only(Training* training) noexcept nogil:
    """The loss of all rows as one batch, with the parameters as loaded. Incomplete if the caller stops it: see
    `abort`."""
    cdef Workspace* workspace = workspace_of(training)
    cdef Py_ssize_t c, m, n = training.data.n_rows
    cdef Py_ssize_t chunk_size = min_(CHUNK, training.data.batch_size)      # for which the workspace is laid out
    cdef double total = total_weight(training, 0, n) / effective_scale(training.objective.scale), loss = 0
    cdef Chunk chunk
    flag_set(&workspace.abort, 0)
    for c from 0 <= c < n by chunk_size:
        m = min_(chunk_size, n - c)
        chunk.step = chunk.batch_row = 0
        chunk.row = c
        gather_rows(training, workspace.buffers, c, 0, m, total)
        forward_rows(training, workspace.buffers, 0, chunk, 0, m)
        if flag_get(&workspace.abort):
            break
        loss_rows(training, workspace.buffers, chunk, 0, m)
        loss += sum_numbers(workspace.buffers.row_loss, m)
    return loss
