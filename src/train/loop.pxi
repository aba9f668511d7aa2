# Training: the loop over epochs, steps and the chunks of a batch.
#
# A batch is worked in chunks of CHUNK rows, whose gradients are added in their order: no sum depends on the number of threads. Threads share
# a chunk, with a barrier after each of its two phases (chunk.pxi); or, in a batch of several chunks and a network of SMALL weights, each takes
# whole chunks: then no thread reads what another has written but the sums, which they add together. (4-32-16-4, 10,000 rows a batch: two
# threads do 1.15 times as much as one if they share chunks, 1.85 times if each has its own.)
# If the batch is one chunk, the step is short and nothing clips by global norm, phase B updates W (and its transpose) from the registers
# that hold the gradient; else gradients wait in memory and the update is a pass of its own: elementwise, so with the same bits.
# A loss of the user's own wants the outputs of the whole batch: they are computed first, then once more on the way back of each chunk,
# unless there is only one.
#
# Thread 0 alone decides when to stop. It writes its decision before a barrier, the others read it after, so all leave after the same
# step. A stop that the user asks for in the middle of a long step drops that step.

cdef bint ask_own_loss(Training* job, Scratch* s, int thread, Place place, Py_ssize_t n, double* loss) noexcept nogil:
    """The outputs of a batch of n rows, and what the user's own loss says of them. False: the step is to be dropped."""
    cdef Py_ssize_t c, lo, hi, n_out = job.net.sizes[job.net.n_layers]
    cdef Space* space = s.spaces
    for c from 0 <= c < n by CHUNK:
        share(least(CHUNK, n - c), ROW_SHARE, thread, job.n_threads, &lo, &hi)
        if lo < hi:
            gather_rows(job, space, place.row + c, lo, hi, 1)
            place.in_batch = c
            forward_rows(job, space, thread, place, lo, hi)
            scatter(lo, hi, n_out, space.Y, space.stride, space.output_row, <real*>job.own_outputs + c * n_out)
        barrier_wait(&s.meeting, job.n_threads)
    if thread == 0:
        s.stop[4] = flag_get(&s.abort) or job.own_loss(job.own_context, place.row, n, loss)
        if s.stop[4]:
            flag_set(&s.abort, 1)
    barrier_wait(&s.meeting, job.n_threads)
    return not s.stop[4]

# ---- the gradient of a batch; with a step, in place, the update too ----

cdef inline bint all_go_on(Scratch* s, int thread, int n_threads, int* stop) noexcept nogil:
    """A barrier. False: the step is to be dropped."""
    if thread == 0:
        stop[0] = s.abort
    barrier_wait(&s.meeting, n_threads)
    return not stop[0]

cdef bint batch_gradient(Training* job, Scratch* s, int thread, Place place, Py_ssize_t n, double total, bint outputs_are_there,
                         const Step* step, const Step* bias_step, double* loss) noexcept nogil:
    """Of the n rows from place.row on. False: the step is to be dropped."""
    cdef Py_ssize_t c = 0, first = place.row, at_once = least(s.n_spaces, job.n_threads), m, mine
    cdef int part = thread, parts = job.n_threads
    cdef bint apart = False
    cdef Space* space = s.spaces
    while c < n:
        m = mine = least(CHUNK, n - c)
        if at_once > 1:
            apart = 4 * (n - c) >= 3 * at_once * CHUNK      # a chunk each, if most threads get one
            space = s.spaces + thread if apart else s.spaces
            part = 0 if apart else thread
            parts = 1 if apart else job.n_threads
            if apart:
                m = least(at_once * CHUNK, n - c)
                mine = least(CHUNK, m - thread * CHUNK)     # rows; none, or fewer, for those that have come too late
        place.in_batch = c + thread * CHUNK if apart else c
        place.row = first + place.in_batch
        if mine > 0 and parts == 1 and is_in_place(job, space, mine):   # here, not in chunk_rows, which it made slower by 1 to 2 %
            loss_in_place(job, space, place, mine, total)
        elif mine > 0:
            chunk_rows(job, space, part, parts, place, mine, total, outputs_are_there)
        if not apart and not all_go_on(s, thread, job.n_threads, &s.stop[0]):
            return False
        if not apart and thread == 0 and has_row_losses(job):
            loss[0] += sum_rows(space.row_loss, m)
        if mine > 0:
            chunk_weights(job, space, part, parts, mine, c > 0 and space == s.spaces, step, bias_step)
        c += m
        if step != NULL:                                    # one chunk, and the step's own barrier follows
            return True
        if not all_go_on(s, thread, job.n_threads, &s.stop[1]):
            return False
        if apart:
            add_chunks(job, s, thread, m, loss)
            barrier_wait(&s.meeting, job.n_threads)
    return True

cdef void add_chunks(Training* job, Scratch* s, int thread, Py_ssize_t n, double* loss) noexcept nogil:
    """What threads had apart of n rows, in the order of their chunks: losses, and a part of the gradients."""
    cdef Py_ssize_t lo, hi, i
    cdef int k
    cdef real* sums = s.spaces.grads
    share(s.region, PANEL, thread, job.n_threads, &lo, &hi)
    for k in range((n + CHUNK - 1) // CHUNK):
        if thread == 0 and has_row_losses(job):
            loss[0] += sum_rows(s.spaces[k].row_loss, least(CHUNK, n - k * CHUNK))
        if k > 0:
            for i from lo <= i < hi by LANES:
                vstore(sums + i, vadd(vload(sums + i), vload(s.spaces[k].grads + i)))

# ---- the update as a pass of its own ----

cdef inline real squares(const Step* step, const real* w, const real* g, Py_ssize_t stride, Py_ssize_t c) noexcept nogil:
    """The sum of squares of c gradients with their penalties, in 16 virtual lanes."""
    cdef vec sums[SUM_VECS]
    cdef vec a
    cdef Py_ssize_t j, p
    cdef int v
    for v in range(SUM_VECS):
        sums[v] = vset(0)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            p = at(j + v * LANES, stride)
            a = real_lanes(penalised(step, vload(w + p), vload(g + p)), c - j - v * LANES, vset(0))
            sums[v] = vfma(a, a, sums[v])
    return sum16(sums)

cdef void sum_squares(Training* job, Scratch* s, int thread, const Step* step, const Step* bias_step) noexcept nogil:
    """This thread's part of s.squares."""
    cdef Py_ssize_t l, i, lo, hi, stride
    cdef real* out = s.squares
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces.layers[l]
        share_weights(layer, thread, job.n_threads, &lo, &hi)
        if layer.n_out == 1:
            if lo == 0 and hi > 0:
                out[0] = squares(step, layer.W, layer.G, PANEL, layer.n_in)
        else:
            stride = weight_stride(layer.n_in)
            for i in range(lo, least(hi, layer.n_in)):
                out[i] = squares(step, layer.W + i * PANEL, layer.G + i * PANEL, stride, layer.n_out)
        out += layer.n_in
        share(layer.n_out, PANEL, thread, job.n_threads, &lo, &hi)
        if layer.learns_bias and lo == 0 and hi > 0:
            out[0] = squares(bias_step, layer.b, layer.gb, PANEL, layer.n_out)
        out += 1

cdef inline real matrix_squares(const real* w, Py_ssize_t rows, Py_ssize_t c, Py_ssize_t stride) noexcept nogil:
    """The sum of squares of rows of c numbers in panels, in 16 virtual lanes."""
    cdef vec sums[SUM_VECS]
    cdef vec a
    cdef Py_ssize_t i, j, k
    cdef int v
    for v in range(SUM_VECS):
        sums[v] = vset(0)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            k = j + v * LANES
            if k < c:
                for i in range(rows):
                    a = real_lanes(vload(w + at(k, stride) + i * PANEL), c - k, vset(0))
                    sums[v] = vfma(a, a, sums[v])
    return sum16(sums)

cdef double weight_squares(const Training* job, const Scratch* s) noexcept nogil:
    """sum W^2 of all layers, no biases; rows in groups, since long sums lose digits."""
    cdef Py_ssize_t l, i
    cdef double sum = 0
    cdef const Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces.layers[l]
        if layer.n_out == 1:
            sum += matrix_squares(layer.W, 1, layer.n_in, PANEL)
        else:
            for i from 0 <= i < layer.n_in by 64:
                sum += matrix_squares(layer.W + i * PANEL, least(64, layer.n_in - i), layer.n_out, weight_stride(layer.n_in))
    return sum

cdef real clip_scale(const Training* job, const Scratch* s) noexcept nogil:
    """What clipping by norm leaves of the gradient: min(1, clip_norm / (norm + 1e-6)), as in PyTorch; a NaN stays one."""
    cdef Py_ssize_t i
    cdef double sum = 0, scale
    for i in range(n_units(&job.net) - job.net.sizes[job.net.n_layers] + job.net.n_layers):
        sum += s.squares[i]
    scale = job.optimizer.clip_norm / (sqrt(sum) + 1e-6)
    return 1 if scale > 1 else <real>scale

cdef void update_weights(Training* job, Scratch* s, int thread, const Step* step, const Step* bias_step) noexcept nogil:
    """The update as a pass of its own."""
    cdef Py_ssize_t l, lo, hi, j, q
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces.layers[l]
        share_weights(layer, thread, job.n_threads, &lo, &hi)
        if layer.n_out == 1:
            update(step, layer.W + lo, layer.G + lo, s.region, hi - lo)
        else:
            for j from 0 <= j < layer.n_out by PANEL:
                q = at(j, weight_stride(layer.n_in)) + lo * PANEL
                update(step, layer.W + q, layer.G + q, s.region, (hi - lo) * PANEL)
                if layer.T != NULL:
                    transpose(lo, hi, j, j + least(PANEL, up(layer.n_out - j, LANES)), layer.W, weight_stride(layer.n_in), layer.T,
                              weight_stride(layer.n_out))
        if layer.learns_bias:
            share(layer.n_out, PANEL, thread, job.n_threads, &lo, &hi)
            update(bias_step, layer.b + lo, layer.gb + lo, s.region, hi - lo)

# ---- the loop ----

cdef inline double given(double scale) noexcept nogil:
    return scale if scale != 0 else 1

cdef double total_weight(const Training* job, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """The sum of the batch's weights (1 if they are all 0: such a batch has no loss and no gradient); n without weights."""
    cdef Py_ssize_t i
    cdef double total = 0
    if job.loss == GIVEN_GRADIENT or job.loss == OWN_LOSS:
        return 1
    if job.sample_weight == NULL:
        return n
    for i in range(first, first + n):
        total += (<const real*>job.sample_weight)[job.order[i] if job.order != NULL else i]
    return total if total != 0 else 1

cdef void shuffle(Training* job) noexcept nogil:
    """order = generator.permutation(n_rows), number for number as numpy's Generator draws it, so that anybody can follow a training: for
    i = n-1 .. 1 swap i and a j <= i, unbiased: random bits under the next mask of ones, drawn again while they are above i. Without branches,
    since no predictor foresees which draws are refused, up to half of them: a j above i swaps i with itself, and i stays."""
    cdef Generator* g = job.generator
    cdef Py_ssize_t* order = job.order
    cdef Py_ssize_t i, j, low, taken
    cdef unsigned long long mask = 1
    for i in range(job.n_rows):
        order[i] = i
    i = job.n_rows - 1
    while mask < <unsigned long long>i:
        mask = 2 * mask + 1
    while i > 0:
        low = <Py_ssize_t>(mask >> 1)                   # down to here the mask stays
        while i > low:
            j = <Py_ssize_t>((g.next_uint32(g.state) if mask < 1ULL << 32 else g.next_uint64(g.state)) & mask)
            taken = j <= i
            j = j if taken else i
            order[i], order[j] = order[j], order[i]
            i -= taken
        mask >>= 1

cdef void train(Training* job, int thread) noexcept nogil:
    """One slice: every thread of 0..n_threads-1 calls it once. job.why says why it ended; job.step, epoch and row where it stands."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t step = job.step, epoch = job.epoch, row = job.row, n        # each thread counts for itself
    cdef Py_ssize_t look = 1 + <Py_ssize_t>(20000 / (s.step_ns + 100)), looked = 0      # steps between looks at the clock: about 20 us
    cdef long long began = now()
    cdef double total, loss, l2, penalty = 0, shrink = 1 / given(job.gradient_scale), reported = given(job.loss_scale) * shrink
    cdef bint penalised = job.alpha != 0, watches = job.patience != 0, scaled = penalised or shrink != 1 or reported != 1
    cdef bint entering = True, in_place = s.in_place, own = job.loss == OWN_LOSS
    cdef bint clips = job.optimizer.clip_norm != 0
    cdef Step numbers, without_penalties
    cdef const Step* bias_numbers
    cdef Place place
    begin_steps(&job.optimizer, &numbers)
    if job.alpha != 0:
        numbers.adjusts = True
        numbers.plain = False
    if thread == 0:
        s.stop[3] = 0
        flag_set(&s.abort, 0)
    while True:
        if entering or row == 0:
            if thread == 0 and job.optimizer.rule != NO_UPDATE:
                if not entering and not epoch_is_good(job, s, epoch):
                    s.stop[3] = 1
                elif row == 0 or s.saved_time == 0 or (began - s.saved_time > 10 * SECOND and finite_params(s)):
                    save(job, s, step, epoch, row)
                    s.saved_time = began
            if thread == 0 and row == 0 and job.generator != NULL and not s.stop[3]:
                shuffle(job)
            barrier_wait(&s.meeting, job.n_threads)
            if s.stop[3]:
                break
            entering = False
        n = least(job.batch_size, job.n_rows - row)
        total = total_weight(job, row, n)
        loss = 0
        step_numbers(&job.optimizer, step, epoch, &numbers)
        if penalised:
            l2 = job.alpha / (n if own else total)
            numbers.l2 = <real>(job.optimizer.l2 + l2)
            if thread == 0:
                penalty = l2 / 2 * weight_squares(job, s)
        if scaled:
            total *= shrink
        bias_numbers = for_biases(&numbers, &without_penalties)
        place.step = step
        place.in_batch = 0
        place.row = row
        if own and not ask_own_loss(job, s, thread, place, n, &loss):
            if thread == 0:
                job.why = SIGNAL
            break
        if not batch_gradient(job, s, thread, place, n, total, own and n <= CHUNK, &numbers if in_place else NULL, bias_numbers, &loss):
            if thread == 0:
                job.why = SIGNAL
            break
        if not in_place and job.optimizer.rule != NO_UPDATE:
            if clips:
                sum_squares(job, s, thread, &numbers, bias_numbers)
                barrier_wait(&s.meeting, job.n_threads)
                numbers.scale = clip_scale(job, s)
                bias_numbers = for_biases(&numbers, &without_penalties)
            update_weights(job, s, thread, &numbers, bias_numbers)
        step += 1
        row += n
        if row == job.n_rows:
            row = 0
            epoch += 1
        if thread == 0:
            if scaled:
                loss = loss * reported + penalty
            job.loss_sum += loss * n
            if row == 0:
                loss = loss if n == job.n_rows else job.loss_sum / job.n_rows
                job.losses[epoch - 1 - job.first_epoch] = loss
                job.loss_sum = 0
            looked = look if row == 0 and job.validation != NULL else looked + 1    # a validation may last longer than many steps
            s.stop[2] = 1
            if not isfinite(loss):
                job.why = NOT_FINITE
            elif row == 0 and watches and has_converged(job, loss):
                job.why = CONVERGED
            elif row == 0 and epoch == job.last_epoch:
                job.why = EPOCHS
            elif flag_get(&s.abort):
                job.why = SIGNAL
            elif looked >= look and now() > job.deadline:
                job.why = TIME
            else:
                s.stop[2] = 0
            if looked >= look:
                looked = 0
        barrier_wait(&s.meeting, job.n_threads)
        if s.stop[2]:
            break
    if thread == 0:
        job.step = step
        job.epoch = epoch
        job.row = row
        if row == 0 and job.optimizer.rule != NO_UPDATE and (job.why == EPOCHS or job.why == TIME or job.why == CONVERGED):
            epoch_is_good(job, s, epoch)

cdef bint has_converged(Training* job, double loss) noexcept nogil:
    """At the end of an epoch of this mean loss: it has been the last that patience allows without a better one."""
    job.not_better = job.not_better + 1 if loss > job.best_loss - job.tolerance else 0
    job.best_loss = fmin(job.best_loss, loss)
    return job.not_better >= job.patience

cdef bint epoch_is_good(Training* job, Scratch* s, Py_ssize_t epoch) noexcept nogil:
    """When all threads have done its last step: the parameters are finite, and the validation rows have been judged. Else job.why says why."""
    cdef double loss
    if not finite_params(s):
        job.why = NOT_FINITE
        return False
    if job.validation == NULL:
        return True
    loss = loss_only(job.validation)
    if flag_get(&(<Scratch*>job.validation.scratch).abort):
        job.why = SIGNAL
        return False
    job.validation_losses[epoch - 1 - job.first_epoch] = loss
    job.validated = epoch
    return True

cdef double loss_only(Training* job) noexcept nogil:
    """The loss of all rows as one batch, parameters as they were loaded. Not all of it if the caller wants to stop (the abort flag)."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t c, m
    cdef double total = total_weight(job, 0, job.n_rows) / given(job.loss_scale), loss = 0
    cdef Place place
    flag_set(&s.abort, 0)
    for c from 0 <= c < job.n_rows by CHUNK:
        m = least(CHUNK, job.n_rows - c)
        place.step = place.in_batch = 0
        place.row = c
        gather_rows(job, s.spaces, c, 0, m, total)
        forward_rows(job, s.spaces, 0, place, 0, m)
        if flag_get(&s.abort):
            break
        loss_rows(job, s.spaces, place, 0, m)
        loss += sum_rows(s.spaces.row_loss, m)
    return loss
