# The beginning and end of an epoch.
#
# At the beginning: the copy of the parameters for `restore`, and the shuffle. At the end: the check that the parameters
# are finite, the validation, early stopping and the best epoch. Thread 0 does all of it, but the copy and the rows of
# the validation are shared by all.
#
#   training   INOUT: data.order, position.is_shuffled, stopping, slice.stop_reason, slice.validated;
#              OUT: slice.validation_losses, slice.error_rates
#   progress   IN: this thread's position
#
# Order of sums of a validation loss: the rows of a chunk in 16 lanes, then the chunks in order.

cdef enum:
    SHUFFLED = 65536        # rows of a long shuffle between two polls

cdef inline bint poll_shuffle(Training* training) noexcept nogil:
    """Whether to drop the shuffle."""
    if training.data.n_rows > LONG_SHUFFLE and poll_stop(&workspace_of(training).clock):
        training.slice.dropped_shuffle = True
    return training.slice.dropped_shuffle

cdef inline bint shuffle(Training* training, Py_ssize_t epoch) noexcept nogil:
    """Shuffle the rows for an epoch. False: stopped by the caller."""
    if training.shards.n_shards != 0:
        shuffle_shards(training, epoch)
        return True
    return shuffle_rows(training, training.data.generator, 0, training.data.n_rows)

cdef bint shuffle_rows(Training* training, Generator* g, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """order[first:first + n] = generator.permutation(rows[first:first + n]). False: stopped by the caller.

    The same numbers as NumPy's Generator draws, so the order of a training can be reproduced in NumPy: for i = n-1 .. 1
    swap i and a random j <= i. j is unbiased: random bits under the next mask of ones, drawn again while j > i. Up to
    half of the draws are rejected and no branch predictor foresees which, so there is no branch: a j above i swaps i
    with itself, and i stays."""
    cdef Py_ssize_t* order = training.data.order + first
    cdef Py_ssize_t i, j, low, stop, taken
    cdef unsigned long long mask = 1
    for low from 0 <= low < n by SHUFFLED:
        for i in range(low, min_(low + SHUFFLED, n)):
            order[i] = training.data.rows[first + i] if training.data.rows != NULL else first + i
        if poll_shuffle(training):
            return False
    i = n - 1
    while mask < <unsigned long long>i:
        mask = 2 * mask + 1
    while i > 0:
        low = <Py_ssize_t>(mask >> 1)                   # the mask is the same for all i > low
        while i > low:
            stop = low if i - low < SHUFFLED else i - SHUFFLED
            while i > stop:
                j = <Py_ssize_t>((g.next_uint32(g.state) if mask < 1ULL << 32 else g.next_uint64(g.state)) & mask)
                taken = j <= i
                j = j if taken else i
                order[i], order[j] = order[j], order[i]
                i -= taken
            if poll_shuffle(training):
                return False
        mask >>= 1
    return True

cdef inline bint needs_shuffle(const Training* training, const Progress* progress) noexcept nogil:
    """Whether the rows are shuffled here, unless they are already."""
    if training.shards.n_shards != 0:
        return training.shards.shuffles
    return progress.row == 0 and training.data.generator != NULL

cdef bint begin_epoch(Training* training, int thread, Progress* progress) noexcept nogil:
    """Called before the first step of an epoch or a slice. False: the slice ends; training.slice.stop_reason says
    why."""
    cdef Workspace* workspace = workspace_of(training)
    cdef Parameters* params = parameters_of(training)
    if thread == 0:
        workspace.decisions.end_before_epoch = workspace.decisions.save = False
        if training.optimizer.rule != NO_UPDATE:
            if not progress.is_first_step and not end_epoch(training, progress.epoch):
                workspace.decisions.end_before_epoch = True
            elif (progress.row == 0 or params.saved_time == 0
                  or (progress.start_time - params.saved_time > 10 * SECOND and training.shards.n_shards == 0
                      and finite_params(params))):
                workspace.decisions.save = True
                params.saved_time = progress.start_time
                params.saved_position.step = progress.step
                params.saved_position.epoch = progress.epoch
                params.saved_position.row = progress.row
                params.saved_position.loss_sum = training.position.loss_sum
                params.saved_position.is_shuffled = training.position.is_shuffled
        if (needs_shuffle(training, progress) and not workspace.decisions.end_before_epoch
                and not training.position.is_shuffled):
            training.position.is_shuffled = shuffle(training, progress.epoch)
            if not training.position.is_shuffled:
                training.slice.stop_reason = SIGNAL
                workspace.decisions.end_before_epoch = True
    elif training.optimizer.rule != NO_UPDATE and not progress.is_first_step:
        help_validation(training, thread)
    barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    if workspace.decisions.save:        # there is a barrier in each step before a parameter changes
        save(params, thread, training.slice.n_threads)
    progress.is_first_step = False
    return not workspace.decisions.end_before_epoch

cdef bint end_epoch(Training* training, Py_ssize_t epoch) noexcept nogil:
    """Called when all threads have done the last step. False: the slice ends, since a parameter is not finite, the
    caller stopped the validation, or patience is exhausted."""
    cdef Slice* slice_ = &training.slice
    cdef Py_ssize_t i = epoch - 1 - slice_.first_epoch
    cdef double error_rate = 0
    if not finite_params(parameters_of(training)):
        slice_.stop_reason = NOT_FINITE
        start_validation(training, False)
        return False
    if training.validation != NULL:
        start_validation(training, True)
        slice_.validation_losses[i] = shared_loss(training.validation, &workspace_of(training).step_barrier, 0,
                                                  slice_.n_threads, &error_rate if slice_.error_rates != NULL else NULL)
        if flag_get(&workspace_of(training.validation).abort):
            slice_.stop_reason = SIGNAL
            return False
        if slice_.error_rates != NULL:
            slice_.error_rates[i] = error_rate
        slice_.validated = epoch
    if training.stopping.patience != 0 or training.stopping.keep_params:
        if training.stopping.metric == TRAINING_LOSS:
            return update_stopping(training, epoch, slice_.losses[i])
        if training.stopping.metric == VALIDATION_LOSS:
            return update_stopping(training, epoch, slice_.validation_losses[i])
        return update_stopping(training, epoch, error_rate)
    return True

cdef bint update_stopping(Training* training, Py_ssize_t epoch, double metric) noexcept nogil:
    """Compare the metric of an epoch with the best so far. False: patience is exhausted."""
    cdef Stopping* stopping = &training.stopping
    cdef double limit = stopping.best - stopping.min_delta
    cdef bint is_equal = metric == (stopping.best if stopping.running_best else limit)
    cdef bint is_best = metric < (stopping.best if stopping.running_best else limit) or (
        stopping.keep_last and is_equal) or stopping.best_epoch < 0
    if (metric <= limit) if stopping.running_best else is_best:
        stopping.no_improvement = 0
    else:
        stopping.no_improvement += 1
    if is_best:
        stopping.best = metric if metric == metric else INFINITY
        stopping.best_epoch = epoch
        if stopping.keep_params:
            save_best(training)
    if stopping.patience == 0 or stopping.no_improvement < stopping.patience:
        return True
    training.slice.stop_reason = CONVERGED
    return False

# ---- the validation: threads share the rows of each chunk; end_epoch runs in thread 0, help_validation in the others ----

cdef void start_validation(Training* training, bint validate) noexcept nogil:
    """Thread 0 tells the others whether to validate."""
    if training.validation != NULL:
        flag_set(&workspace_of(training.validation).abort, 0)
        workspace_of(training).decisions.validate = validate
        barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)

cdef void help_validation(Training* training, int thread) noexcept nogil:
    """Called by the other threads while thread 0 runs end_epoch."""
    cdef double ignored
    if training.validation != NULL:
        barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)
        if workspace_of(training).decisions.validate:
            shared_loss(training.validation, &workspace_of(training).step_barrier, thread, training.slice.n_threads,
                        &ignored if training.slice.error_rates != NULL else NULL)

cdef double loss_only(Training* training, double* error_rate) noexcept nogil:
    """The loss of all rows as one batch, with the parameters as loaded. Incomplete if the caller stops it: see
    `abort`.

    error_rate : OUT, or NULL; the share of the rows' weights with a wrong class."""
    flag_set(&workspace_of(training).abort, 0)
    return shared_loss(training, NULL, 0, 1, error_rate)

cdef double shared_loss(Training* training, barrier* shared_barrier, int thread, int n_threads,
                        double* error_rate) noexcept nogil:
    """`loss_only` in several threads, which all call this; thread 0 gets the loss and the error rate.

    There is one barrier for each chunk: chunks have two arrays of losses in turn, so thread 0 adds the losses of a
    chunk while the others compute the next."""
    cdef Workspace* workspace = workspace_of(training)
    cdef ChunkBuffers buffers = workspace.buffers[0]
    cdef Py_ssize_t c, i, lo, hi, n = training.data.n_rows
    cdef Py_ssize_t chunk_size = min_(CHUNK, chunk_rows(training))      # for which the workspace is laid out
    cdef double weight = total_weight(training, 0, n)
    cdef double loss = 0, wrong = 0
    cdef Chunk chunk
    cdef int turn = 0
    chunk.buffers = &buffers
    chunk.step = chunk.batch_row = 0
    chunk.total_weight = weight / effective_scale(training.objective.scale)
    chunk.part = thread
    chunk.parts = n_threads
    if training.net.table != NULL:
        share_knots(training, thread, shared_barrier, n_threads)
    for c from 0 <= c < n by chunk_size:
        chunk.n = min_(chunk_size, n - c)
        chunk.row = c
        buffers.row_loss = workspace.buffers.row_loss + turn * padded_rows(chunk_size)
        buffers.wrong_weight = workspace.buffers.wrong_weight + turn * padded_rows(chunk_size)
        split_range(chunk.n, ROW_MULTIPLE, thread, n_threads, &lo, &hi)
        if lo < hi:
            gather_rows(training, &chunk, lo, hi)
            forward_rows(training, &chunk, lo, hi)
            if not flag_get(&workspace.abort):
                loss_rows(training, &chunk, lo, hi)
                if n_tangents(training) != 0:
                    tangent_steps().loss(training, &chunk, lo, hi)
                if error_rate != NULL:
                    find_wrong_rows(training, &chunk, lo, hi)
        if thread == 0:
            workspace.decisions.drop_loss[turn] = flag_get(&workspace.abort)
        if shared_barrier != NULL:
            barrier_wait(shared_barrier, n_threads)
        if workspace.decisions.drop_loss[turn]:
            break
        if thread == 0:
            loss += sum_numbers(buffers.row_loss, chunk.n)
            if error_rate != NULL:
                for i in range(chunk.n):
                    wrong += buffers.wrong_weight[i]
        turn = 1 - turn
    if error_rate != NULL:
        error_rate[0] = wrong / weight
    return loss

cdef void find_wrong_rows(const Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """OUT: wrong_weight of rows lo..hi of the chunk."""
    cdef Py_ssize_t i, n_out = training.net.sizes[training.net.n_layers]
    cdef LossRows rows
    cdef RowOrder order
    cdef real w
    get_order(training, chunk, &order)
    point_to_outputs(training, chunk.buffers, &rows)
    for i in range(lo, hi):
        w = 1
        if training.data.sample_weight != NULL:
            w = (<const real*>training.data.sample_weight)[user_row(&order, i)]
        chunk.buffers.wrong_weight[i] = 0 if is_class_right(training.objective.loss, n_out, &rows, i) else w
