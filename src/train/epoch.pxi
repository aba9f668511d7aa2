# What begins and ends an epoch: the copy to fall back on, the order of the rows, and whether the parameters are finite; the validation.

cdef bint shuffle(Training* job) noexcept nogil:
    """order = generator.permutation(n_rows), number for number as numpy's Generator draws it, so that anybody can follow a training: for
    i = n-1 .. 1 swap i and a j <= i, unbiased: random bits under the next mask of ones, drawn again while they are above i. Without branches,
    since no predictor foresees which draws are refused, up to half of them: a j above i swaps i with itself, and i stays. False: stopped."""
    cdef Generator* g = job.data.generator
    cdef Py_ssize_t* order = job.data.order
    cdef Py_ssize_t i, j, low, stop, taken
    cdef unsigned long long mask = 1
    for i in range(job.data.n_rows):
        order[i] = i
    i = job.data.n_rows - 1
    while mask < <unsigned long long>i:
        mask = 2 * mask + 1
    while i > 0:
        low = <Py_ssize_t>(mask >> 1)                   # down to here the mask stays
        while i > low:
            stop = low if i - low < 65536 else i - 65536
            while i > stop:
                j = <Py_ssize_t>((g.next_uint32(g.state) if mask < 1ULL << 32 else g.next_uint64(g.state)) & mask)
                taken = j <= i
                j = j if taken else i
                order[i], order[j] = order[j], order[i]
                i -= taken
            if job.data.n_rows > LONG_SHUFFLE and has_to_stop(&workspace(job).clock):
                job.slice.dropped_shuffle = True
                return False
        mask >>= 1
    return True

cdef bint begin_epoch(Training* job, int thread, Progress* my) noexcept nogil:
    """Before the first step of an epoch or a slice. False: the slice ends; job.slice.why says why."""
    cdef Workspace* s = workspace(job)
    cdef Parameters* p = parameters(job)
    cdef Position position
    if thread == 0:
        s.decided.leave_epoch = False
        if job.optimizer.rule != NO_UPDATE:
            if not my.entering and not end_epoch(job, my.epoch):
                s.decided.leave_epoch = True
            elif my.row == 0 or p.saved_time == 0 or (my.began - p.saved_time > 10 * SECOND and finite_params(p)):
                position.step = my.step
                position.epoch = my.epoch
                position.row = my.row
                position.loss_sum = job.position.loss_sum
                save(p, position)
                p.saved_time = my.began
        if my.row == 0 and job.data.generator != NULL and not s.decided.leave_epoch and not shuffle(job):
            job.slice.why = SIGNAL
            s.decided.leave_epoch = True
    barrier_wait(&s.meeting, job.slice.n_threads)
    my.entering = False
    return not s.decided.leave_epoch

cdef bint end_epoch(Training* job, Py_ssize_t epoch) noexcept nogil:
    """When all threads have done its last step: the parameters are finite, and the validation is evaluated. Else slice.why says why."""
    cdef double loss
    if not finite_params(parameters(job)):
        job.slice.why = NOT_FINITE
        return False
    if job.validation == NULL:
        return True
    loss = loss_only(job.validation)
    if flag_get(&workspace(job.validation).abort):
        job.slice.why = SIGNAL
        return False
    job.slice.validation_losses[epoch - 1 - job.slice.first_epoch] = loss
    job.slice.validated = epoch
    return True

cdef bint has_converged(Stopping* stopping, double loss) noexcept nogil:
    """At the end of an epoch of this mean loss: it has been the last that patience allows without a better one."""
    stopping.no_improvement = stopping.no_improvement + 1 if loss > stopping.best_loss - stopping.tolerance else 0
    stopping.best_loss = fmin(stopping.best_loss, loss)
    return stopping.no_improvement >= stopping.patience

cdef double loss_only(Training* job) noexcept nogil:
    """The loss of all rows as one batch, parameters as they were loaded. Not all of it if the caller wants to stop (the abort flag)."""
    cdef Workspace* s = workspace(job)
    cdef Py_ssize_t c, m, n = job.data.n_rows, chunk = least(CHUNK, job.data.batch_size)     # as the workspace has room for
    cdef double total = total_weight(job, 0, n) / or_one(job.objective.scale), loss = 0
    cdef Place place
    flag_set(&s.abort, 0)
    for c from 0 <= c < n by chunk:
        m = least(chunk, n - c)
        place.step = place.in_batch = 0
        place.row = c
        gather_rows(job, s.spaces, c, 0, m, total)
        forward_rows(job, s.spaces, 0, place, 0, m)
        if flag_get(&s.abort):
            break
        loss_rows(job, s.spaces, place, 0, m)
        loss += sum_numbers(s.spaces.row_loss, m)
    return loss
