# Training: the loop over epochs and steps.
#
# A step is the gradient of a batch (gradient.pxi), then the update (update.pxi), unless the gradient has updated in place. Thread 0 alone
# decides when to stop. It writes its decision before a barrier, the others read it after, so all leave after the same step. A stop that
# the user asks for in the middle of a long step drops that step.

cdef void train(Training* job, int thread) noexcept nogil:
    """One slice: every thread of 0..n_threads-1 calls it once. slice.why says why it ended; position where it stands."""
    cdef Progress my
    cdef bint updates = job.optimizer.rule != NO_UPDATE and not parameters(job).in_place
    begin_slice(job, thread, &my)
    while True:
        if (my.entering or my.row == 0) and not begin_epoch(job, thread, &my):
            break
        begin_step(job, thread, &my)
        if not batch_gradient(job, thread, &my):
            if thread == 0:
                job.slice.why = SIGNAL
            break
        if updates:
            update_parameters(job, thread, &my)
        if has_to_leave(job, thread, &my):
            break
    if thread == 0:
        end_slice(job, &my)

cdef void begin_slice(Training* job, int thread, Progress* my) noexcept nogil:
    cdef const Objective* objective = &job.objective
    my.step = job.position.step
    my.epoch = job.position.epoch
    my.row = job.position.row
    my.entering = True
    my.began = now()
    my.look = 1 + <Py_ssize_t>(20000 / (parameters(job).step_ns + 100))
    my.looked = 0
    my.penalty = 0
    my.shrink = 1 / or_one(objective.gradient_scale)
    my.reported = or_one(objective.scale) * my.shrink
    my.scaled = objective.shared_l2 != 0 or my.shrink != 1 or my.reported != 1
    begin_steps(&job.optimizer, &my.numbers)
    if objective.shared_l2 != 0:
        my.numbers.adjusts = True
        my.numbers.plain = False
    if thread == 0:
        job.slice.dropped_shuffle = False
        flag_set(&workspace(job).abort, 0)

cdef inline void begin_step(Training* job, int thread, Progress* my) noexcept nogil:
    """The batch, its weight, and the numbers of the update."""
    cdef double shared_l2
    my.n = least(job.data.batch_size, job.data.n_rows - my.row)
    my.total = total_weight(job, my.row, my.n)
    my.loss = 0
    step_numbers(&job.optimizer, my.step, my.epoch, &my.numbers)
    if my.scaled:
        if job.objective.shared_l2 != 0:
            shared_l2 = job.objective.shared_l2 / (my.n if job.objective.loss == CUSTOM_LOSS else my.total)
            my.numbers.l2 = <real>(job.optimizer.l2 + shared_l2)
            if thread == 0:
                my.penalty = shared_l2 / 2 * weight_squares(job)
        my.total *= my.shrink
    my.bias_numbers = for_biases(&my.numbers, &my.numbers_without_penalties)

cdef inline bint has_to_leave(Training* job, int thread, Progress* my) noexcept nogil:
    """Counts the step that is done; whether it ends the slice."""
    cdef Workspace* s = workspace(job)
    my.step += 1
    my.row += my.n
    if my.row == job.data.n_rows:
        my.row = 0
        my.epoch += 1
    if thread == 0:
        s.decided.leave_slice = decide(job, s, my)
    barrier_wait(&s.meeting, job.slice.n_threads)
    return s.decided.leave_slice

cdef inline bint decide(Training* job, Workspace* s, Progress* my) noexcept nogil:
    """Thread 0, after a step: records its loss; whether the slice ends, and job.slice.why."""
    cdef Slice* here = &job.slice
    cdef Py_ssize_t n_rows = job.data.n_rows
    cdef double loss = my.loss
    cdef bint looks
    if my.scaled:
        loss = loss * my.reported + my.penalty
    job.position.loss_sum += loss * my.n
    if my.row == 0:
        loss = loss if my.n == n_rows else job.position.loss_sum / n_rows
        here.losses[my.epoch - 1 - here.first_epoch] = loss
        job.position.loss_sum = 0
    my.looked = my.look if my.row == 0 and job.validation != NULL else my.looked + 1    # a validation may last longer than many steps
    looks = my.looked >= my.look
    if looks:
        my.looked = 0
    if not isfinite(loss):
        here.why = NOT_FINITE
    elif my.row == 0 and job.stopping.patience != 0 and has_converged(&job.stopping, loss):
        here.why = CONVERGED
    elif my.row == 0 and my.epoch == here.last_epoch:
        here.why = EPOCHS
    elif flag_get(&s.abort):
        here.why = SIGNAL
    elif looks and now() > here.deadline:
        here.why = TIME
    elif my.row == 0 and n_rows > LONG_SHUFFLE and job.data.generator != NULL:
        here.why = TIME
    else:
        return False
    return True

cdef void end_slice(Training* job, const Progress* my) noexcept nogil:
    job.position.step = my.step
    job.position.epoch = my.epoch
    job.position.row = my.row
    if my.row == 0 and job.optimizer.rule != NO_UPDATE and (job.slice.why == EPOCHS or job.slice.why == TIME or job.slice.why == CONVERGED):
        end_epoch(job, my.epoch)
