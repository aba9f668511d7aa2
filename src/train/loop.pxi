# Training: the loop over epochs and steps. The first file to read in src/ (docs/architecture.md has the order).
#
# A step is the gradient of a batch (gradient.pxi) and the update (update.pxi), unless phase B of the gradient has
# updated in place. With shards (shards.pxi), the gradients of the parts of a batch are computed and added one after the
# other. Thread 0 alone decides when to stop. It writes its decision before a barrier and the others read it
# after, so all threads stop after the same step. If the caller stops the training during a long step, that step is
# dropped.
#
#   training   INOUT: position, stopping, parameters and moments;  OUT: losses and stop_reason of the slice
#   thread     0 .. n_threads-1, the number of the calling thread

cdef void train(Training* training, int thread) noexcept nogil:
    """One slice. Each thread 0..n_threads-1 calls it once. OUT: training.position, training.slice.stop_reason."""
    cdef Progress progress
    cdef bint updates = training.optimizer.rule != NO_UPDATE and not parameters_of(training).in_place
    cdef bint in_shards = training.shards.n_shards != 0, goes_on
    begin_slice(training, thread, &progress)
    while True:
        if (progress.is_first_step or progress.row == 0) and not begin_epoch(training, thread, &progress):
            break
        begin_step(training, thread, &progress)
        while True:
            goes_on = batch_gradient(training, thread, &progress)
            if not goes_on or not in_shards or not shard_steps().next_shard(training, thread, &progress):
                break
        if in_shards and goes_on:
            goes_on = shard_steps().add_ranks(training, thread, &progress)
        if not goes_on:
            if thread == 0:
                training.slice.stop_reason = SIGNAL
            break
        if updates:
            update_parameters(training, thread, &progress)
        if finish_step(training, thread, &progress):
            if thread != 0 and workspace_of(training).decisions.validate_at_end:
                help_validation(training, thread)
            break
    if thread == 0:
        end_slice(training, &progress)

cdef void begin_slice(Training* training, int thread, Progress* progress) noexcept nogil:
    cdef const Objective* objective = &training.objective
    progress.step = training.position.step
    progress.epoch = training.position.epoch
    progress.row = training.position.row
    progress.is_first_step = True
    progress.has_knots = False
    progress.start_time = now()
    progress.check_interval = 1 + <Py_ssize_t>(20000 / (parameters_of(training).step_ns + 100))
    progress.steps_since_check = 0
    progress.penalty = 0
    progress.weight_factor = 1 / effective_scale(objective.gradient_scale)
    progress.loss_factor = effective_scale(objective.scale) * progress.weight_factor
    progress.is_scaled = objective.shared_l2 != 0 or progress.weight_factor != 1 or progress.loss_factor != 1
    progress.part.batch = find_batch(&training.shards, progress.row) if training.shards.n_shards != 0 else 0
    progress.part.batch_row = 0
    init_step(&training.optimizer, &progress.weight_step)
    if objective.shared_l2 != 0:
        progress.weight_step.has_adjustments = True
        progress.weight_step.is_plain_sgd = False
    if has_bounds(training):
        progress.weight_step.is_plain_sgd = False
        progress.weight_step.lower = parameters_of(training).n_regions * parameters_of(training).region_size
        progress.weight_step.upper = progress.weight_step.lower + parameters_of(training).region_size
    if thread == 0:
        training.slice.dropped_shuffle = False
        flag_set(&workspace_of(training).abort, 0)

cdef inline void begin_step(Training* training, int thread, Progress* progress) noexcept nogil:
    """Set the batch, its total weight and the constants of the update."""
    progress.loss = 0
    prepare_step(&training.optimizer, progress.step, progress.epoch, &progress.weight_step)
    if training.shards.n_shards != 0:
        shard_steps().begin_batch(training, progress)
        progress.total_weight = progress.weight_factor      # its gradient is divided by the weight at the end
        return
    progress.n_rows = min_(training.data.batch_size, training.data.n_rows - progress.row)
    progress.part.row = progress.row
    progress.part.n_rows = progress.n_rows
    progress.total_weight = total_weight(training, progress.row, progress.n_rows)
    if progress.is_scaled:
        add_shared_penalty(training, thread, progress)
        progress.total_weight *= progress.weight_factor
    progress.bias_step = without_penalties(&progress.weight_step, &progress.unpenalized_step)

cdef inline void advance(const Training* training, Progress* progress) noexcept nogil:
    """Move to the next step."""
    progress.step += 1
    progress.row += progress.n_rows
    if progress.row == rows_of_epoch(training):
        progress.row = 0
        progress.part.batch = 0
        progress.epoch += 1

cdef inline bint finish_step(Training* training, int thread, Progress* progress) noexcept nogil:
    """Count the step. True: the slice ends."""
    cdef Workspace* workspace = workspace_of(training)
    advance(training, progress)
    if thread == 0:
        workspace.decisions.end_after_step = record_step(training, workspace, progress)
        if workspace.decisions.end_after_step:
            workspace.decisions.validate_at_end = ends_epoch(training, progress)
    barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    return workspace.decisions.end_after_step

cdef inline bint record_step(Training* training, Workspace* workspace, Progress* progress) noexcept nogil:
    """Thread 0 records the loss of a step. True: the slice ends; sets stop_reason."""
    cdef Slice* slice_ = &training.slice
    cdef Py_ssize_t n_rows = rows_of_epoch(training)
    cdef double loss = progress.loss
    cdef bint checks_clock
    if progress.is_scaled:
        loss = loss * progress.loss_factor + progress.penalty
    training.position.loss_sum += loss * progress.n_rows
    if progress.row == 0:
        loss = loss if progress.n_rows == n_rows else training.position.loss_sum / n_rows
        slice_.losses[progress.epoch - 1 - slice_.first_epoch] = loss
        training.position.loss_sum = 0
        training.position.is_shuffled = False
    # after a validation the deadline is checked at once: it may last longer than many steps
    progress.steps_since_check = (progress.check_interval if progress.row == 0 and training.validation != NULL
                                  else progress.steps_since_check + 1)
    checks_clock = progress.steps_since_check >= progress.check_interval
    if checks_clock:
        progress.steps_since_check = 0
    if not isfinite(loss):
        slice_.stop_reason = NOT_FINITE
    elif progress.row == 0 and progress.epoch == slice_.last_epoch:
        slice_.stop_reason = EPOCHS
    elif flag_get(&workspace.abort):
        slice_.stop_reason = SIGNAL
    elif progress.step == slice_.last_step or (checks_clock and now() > slice_.deadline):
        slice_.stop_reason = TIME
    elif progress.row == 0 and n_rows > LONG_SHUFFLE and training.data.generator != NULL:
        slice_.stop_reason = TIME
    else:
        return False
    return True

cdef inline bint ends_epoch(const Training* training, const Progress* progress) noexcept nogil:
    """Whether the slice ends with an epoch, for one of these reasons."""
    return (progress.row == 0 and training.optimizer.rule != NO_UPDATE
            and (training.slice.stop_reason == EPOCHS or training.slice.stop_reason == TIME))

cdef void end_slice(Training* training, const Progress* progress) noexcept nogil:
    training.position.step = progress.step
    training.position.epoch = progress.epoch
    training.position.row = progress.row
    if ends_epoch(training, progress):
        end_epoch(training, progress.epoch)
