# Training: the loop over epochs, steps and chunks, in two phases that need no reduction between threads.
#
# A batch is worked in chunks of CHUNK rows. In phase A every thread takes a range of the chunk's ROWS: forward, loss, deltas down to the
# first hidden layer. In phase B it takes a range of every layer's INPUT ROWS of W: the gradient over all rows of the chunk, in order. So
# every number is computed by one thread, in an order that does not depend on how many there are. Chunk sums are added in chunk order.
# If the batch is one chunk, the step is short and nothing clips by global norm, phase B updates W (and its transpose) from the registers
# that hold the gradient; else gradients wait in memory and the update is a pass of its own: elementwise, so with the same bits.
# A loss of the user's own wants the outputs of the whole batch: they are computed first, then once more on the way back of each chunk,
# unless there is only one.
#
# Thread 0 alone decides when to stop. It writes its decision before a barrier, the others read it after, so all leave after the same
# step. A stop that the user asks for in the middle of a long step drops that step.

cdef long long SECOND = 1000000000      # ns

cdef struct Place:
    Py_ssize_t step         # whole steps done
    Py_ssize_t row          # of the epoch: the chunk's first
    Py_ssize_t in_batch     # the same, of the batch

cdef inline void share(Py_ssize_t n, Py_ssize_t q, int thread, int n_threads, Py_ssize_t* lo, Py_ssize_t* hi) noexcept nogil:
    """Thread's part of 0..n, in multiples of q (the last is cut at n)."""
    cdef Py_ssize_t parts = (n + q - 1) // q
    lo[0] = 0
    hi[0] = n
    if n_threads == 1:                  # spares a tiny step its divisions
        return
    lo[0] = parts * thread // n_threads * q
    hi[0] = least(parts * (thread + 1) // n_threads * q, n)

cdef inline bint aborted(Training* job, Scratch* s, int thread) noexcept nogil:
    """Whether to drop this step. Thread 0 asks the caller about every 20 ms if steps last long; a slice of short ones ends by itself."""
    if thread == 0 and s.step_ns > 10e6 and job.poll != NULL and now() - s.polled > SECOND // 50:
        s.polled = now()
        if job.poll():
            flag_set(&s.abort, 1)
    return flag_get(&s.abort)

# ---- phase A: rows lo..hi of the chunk that begins with row `first` of the epoch ----

cdef void gather_rows(const Training* job, Scratch* s, Py_ssize_t first, Py_ssize_t lo, Py_ssize_t hi, double total) noexcept nogil:
    """Inputs, targets and weights of the rows, from where the order of this epoch says."""
    cdef Py_ssize_t n_in = job.net.sizes[0], n_out = job.net.sizes[job.net.n_layers], i
    cdef const Py_ssize_t* order = job.order + first if job.order != NULL else NULL
    cdef Py_ssize_t base = 0 if order != NULL else first        # rows in order are read from there
    cdef real* targets = s.dY if job.loss == GIVEN_GRADIENT else s.targets
    if s.rows != NULL:
        point_to_rows(lo, hi, n_in, <const real*>job.X + base * n_in, order, s.rows)
    else:
        gather(lo, hi, n_in, <const real*>job.X + base * n_in, order, s.X, s.stride, s.input_row)
    if job.loss == OWN_LOSS:                        # its targets are its own affair, and so are weights
        return
    if job.loss == CLASS_CROSS_ENTROPY:
        for i in range(lo, hi):
            s.labels[i] = (<const long long*>job.targets)[order[i] if order != NULL else base + i]
            if s.labels[i] < 0 or s.labels[i] >= n_out:     # checked before; changed by somebody since
                s.labels[i] = 0
    else:
        gather(lo, hi, n_out, <const real*>job.targets + base * n_out, order, targets, s.stride, s.output_row)
    if job.sample_weight == NULL:
        for i in range(lo, hi):
            s.weight[i] = <real>(1 / total)
    else:                                           # divided in double: neither tiny nor huge weights leave the range
        for i in range(lo, hi):
            s.weight[i] = <real>((<const real*>job.sample_weight)[order[i] if order != NULL else base + i] / total)

cdef void forward_rows(Training* job, Scratch* s, int thread, Place place, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t l
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.layers[l]
        if layer.mask != NULL:
            dropout_forward(mixed_in(mixed_in(job.seed, place.step), l), place.in_batch, layer.dropout, lo, hi, layer.n_in,
                            s.layers[l - 1].Y if l else s.X, layer.mask, layer.X, s.stride)
        if layer.n_out == 1:
            dot_forward(lo, hi, layer.n_in, layer.rows, layer.X, s.stride, layer.W, layer.b, layer.activation, layer.Z, layer.Y, layer.row)
        else:
            linear_forward(lo, hi, layer.n_in, layer.n_out, layer.rows, layer.X, s.stride, layer.W, layer.b, layer.activation, layer.Z,
                           layer.Y, s.stride)
        if aborted(job, s, thread):
            return

cdef void backward_output(Layer* layer, Py_ssize_t stride, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """dZ of the last layer from dY, in place, where the loss has not done it."""
    cdef const real* read = layer.Z if reads_input(layer.activation) else layer.Y
    if layer.row == 1:
        activation_backward(layer.activation, read + lo, layer.dZ + lo, layer.dZ + lo, hi - lo, LANES)
    else:
        activation_backward_panels(layer.activation, lo, hi, layer.n_out, read, layer.dZ, stride)

cdef void backward_rows(Training* job, Scratch* s, int thread, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t l
    cdef Layer* layer
    cdef int below, fused
    cdef const real* read = NULL
    cdef real* dX
    if job.net.n_layers:
        backward_output(&s.layers[job.net.n_layers - 1], s.stride, lo, hi)
    for l in range(job.net.n_layers - 1, -1, -1):
        layer = &s.layers[l]
        if layer.T == NULL or aborted(job, s, thread):
            return
        below = IDENTITY
        dX = s.dX
        if l:
            below = s.layers[l - 1].activation
            read = s.layers[l - 1].Z if reads_input(below) else s.layers[l - 1].Y
            dX = s.layers[l - 1].dZ
        fused = IDENTITY if layer.mask != NULL else below       # dropout stands between the product and the derivative
        if layer.n_out == 1:
            dot_backward_input(lo, hi, layer.n_in, layer.dZ, layer.row, layer.W, fused, read, dX, s.stride)
        else:
            linear_backward_input(lo, hi, layer.n_in, layer.n_out, layer.dZ, s.stride, layer.T, weight_stride(layer.n_out), fused, read, dX,
                                  s.stride)
        if layer.mask != NULL:
            dropout_backward(lo, hi, layer.n_in, layer.mask, dX, s.stride)
            activation_backward_panels(below, lo, hi, layer.n_in, read, dX, s.stride)

cdef void loss_rows(const Training* job, Scratch* s, Place place, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t n_out = job.net.sizes[job.net.n_layers]
    if job.loss == OWN_LOSS:
        gather(lo, hi, n_out, <const real*>job.own_gradient + place.in_batch * n_out, NULL, s.dY, s.stride, s.output_row)
    elif job.loss != GIVEN_GRADIENT:
        loss_forward_backward(job.loss, lo, hi, n_out, s.Y, s.stride, s.targets, s.labels if job.loss == CLASS_CROSS_ENTROPY else NULL,
                              &s.loss, s.weight, s.row_loss, s.dY)

cdef void chunk_rows(Training* job, Scratch* s, int thread, Place place, Py_ssize_t n, double total, bint outputs_are_there) noexcept nogil:
    """Phase A over the n rows of a chunk."""
    cdef Py_ssize_t lo, hi
    share(n, ROW_SHARE, thread, job.n_threads, &lo, &hi)
    if lo >= hi:
        aborted(job, s, thread)
        return
    if not outputs_are_there:
        gather_rows(job, s, place.row, lo, hi, total)
        forward_rows(job, s, thread, place, lo, hi)
        if flag_get(&s.abort):
            return
    loss_rows(job, s, place, lo, hi)
    backward_rows(job, s, thread, lo, hi)
    if job.dX != NULL:
        scatter(lo, hi, job.net.sizes[0], s.dX, s.stride, s.input_row, <real*>job.dX + place.row * job.net.sizes[0])

cdef bint ask_own_loss(Training* job, Scratch* s, int thread, Place place, Py_ssize_t n, double* loss) noexcept nogil:
    """The outputs of a batch of n rows, and what the user's own loss says of them. False: the step is to be dropped."""
    cdef Py_ssize_t c, lo, hi, n_out = job.net.sizes[job.net.n_layers]
    for c from 0 <= c < n by CHUNK:
        share(least(CHUNK, n - c), ROW_SHARE, thread, job.n_threads, &lo, &hi)
        if lo < hi:
            gather_rows(job, s, place.row + c, lo, hi, 1)
            place.in_batch = c
            forward_rows(job, s, thread, place, lo, hi)
            scatter(lo, hi, n_out, s.Y, s.stride, s.output_row, <real*>job.own_outputs + c * n_out)
        barrier_wait(&s.meeting, job.n_threads)
    if thread == 0:
        s.stop[4] = flag_get(&s.abort) or job.own_loss(job.own_context, place.row, n, loss)
        if s.stop[4]:
            flag_set(&s.abort, 1)
    barrier_wait(&s.meeting, job.n_threads)
    return not s.stop[4]

# ---- phase B: this thread's input rows of every W, over the n rows of the chunk ----

cdef inline void share_weights(const Layer* layer, int thread, int n_threads, Py_ssize_t* lo, Py_ssize_t* hi) noexcept nogil:
    cdef Py_ssize_t block = PANEL if layer.n_out == 1 else BLOCK if layer.T != NULL else ROWS
    share(up(layer.n_in, block), block, thread, n_threads, lo, hi)

cdef void backward_bias(Layer* layer, Py_ssize_t stride, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n, bint add) noexcept nogil:
    cdef Py_ssize_t i
    cdef real s = 0
    if layer.n_out > 1:
        column_sums(n, lo, hi, layer.dZ, stride, layer.gb, add)
    elif hi > lo:
        for i in range(n):
            s += layer.dZ[i * layer.row]
        layer.gb[0] = layer.gb[0] + s if add else s

cdef void chunk_weights(Training* job, Scratch* s, int thread, Py_ssize_t n, bint add, const Step* step, const Step* bias_step) noexcept nogil:
    """Gradients of the chunk (added to what is there if `add`); with a step, the update too."""
    cdef Py_ssize_t l, p, lo, hi
    cdef Layer* layer
    for l in range(job.net.n_layers - 1, -1, -1):
        layer = &s.layers[l]
        share_weights(layer, thread, job.n_threads, &lo, &hi)
        if layer.n_out == 1:
            dot_backward_weight(n, lo, hi, layer.n_in, layer.rows, layer.X, s.stride, layer.dZ, layer.row, layer.G, add)
            if step != NULL:
                update(step, layer.W + lo, layer.G + lo, s.region, hi - lo)
        else:
            for p from lo <= p < hi by NC:              # whose X stays in L2
                linear_backward_weight(n, p, least(p + NC, hi), layer.n_in, layer.n_out, layer.rows, layer.X, s.stride, layer.dZ, s.stride,
                                       layer.G, add, step, layer.W, s.region, layer.T, weight_stride(layer.n_out))
        if layer.learns_bias:
            share(layer.n_out, PANEL, thread, job.n_threads, &lo, &hi)
            backward_bias(layer, s.stride, lo, hi, n, add)
            if step != NULL:
                update(bias_step, layer.b + lo, layer.gb + lo, s.region, hi - lo)
        if aborted(job, s, thread) and step == NULL:
            return

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
        layer = &s.layers[l]
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
        layer = &s.layers[l]
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

cdef inline Py_ssize_t random_below(Generator* g, Py_ssize_t top) noexcept nogil:
    """A number in 0..top, unbiased: random bits under the next mask of ones, again while they are above."""
    cdef unsigned long long mask = top, x
    mask |= mask >> 1
    mask |= mask >> 2
    mask |= mask >> 4
    mask |= mask >> 8
    mask |= mask >> 16
    mask |= mask >> 32
    while True:
        x = (g.next_uint32(g.state) if mask < 1ULL << 32 else g.next_uint64(g.state)) & mask
        if x <= <unsigned long long>top:
            return x

cdef void shuffle(Training* job) noexcept nogil:
    """order = generator.permutation(n_rows), number for number as numpy's Generator draws it, so that anybody can follow a training."""
    cdef Py_ssize_t i, j
    for i in range(job.n_rows):
        job.order[i] = i
    for i in range(job.n_rows - 1, 0, -1):
        j = random_below(job.generator, i)
        job.order[i], job.order[j] = job.order[j], job.order[i]

cdef void train(Training* job, int thread) noexcept nogil:
    """One slice: every thread of 0..n_threads-1 calls it once. job.why says why it ended; job.step, epoch and row where it stands."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t step = job.step, epoch = job.epoch, row = job.row, n, c, m       # each thread counts for itself
    cdef Py_ssize_t look = 1 + <Py_ssize_t>(20000 / (s.step_ns + 100)), looked = 0      # steps between looks at the clock: about 20 us
    cdef long long began = now()
    cdef double total, loss
    cdef bint entering = True, in_place = s.in_place, own = job.loss == OWN_LOSS
    cdef bint clips = job.optimizer.clip_norm != 0
    cdef Step numbers, without_penalties
    cdef const Step* bias_numbers
    cdef Place place
    begin_steps(&job.optimizer, &numbers)
    if thread == 0:
        s.stop[3] = 0
        flag_set(&s.abort, 0)
    while True:
        if entering or row == 0:
            if thread == 0 and job.optimizer.rule != NO_UPDATE:
                if not entering and not finite_params(s):
                    s.stop[3] = 1
                    job.why = NOT_FINITE
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
        bias_numbers = for_biases(&numbers, &without_penalties)
        place.step = step
        place.in_batch = 0
        place.row = row
        if own and not ask_own_loss(job, s, thread, place, n, &loss):
            if thread == 0:
                job.why = SIGNAL
            break
        for c from 0 <= c < n by CHUNK:
            m = least(CHUNK, n - c)
            place.in_batch = c
            place.row = row + c
            chunk_rows(job, s, thread, place, m, total, own and n <= CHUNK)
            if thread == 0:
                s.stop[0] = s.abort
            barrier_wait(&s.meeting, job.n_threads)
            if s.stop[0]:
                break
            if thread == 0 and job.loss != GIVEN_GRADIENT and not own:
                loss += sum_rows(s.row_loss, m)
            chunk_weights(job, s, thread, m, c > 0, &numbers if in_place else NULL, bias_numbers)
            if thread == 0 and not in_place:
                s.stop[1] = s.abort
            if c + m < n or not in_place:
                barrier_wait(&s.meeting, job.n_threads)
                if s.stop[1]:
                    break
        if s.stop[0] or (not in_place and s.stop[1]):
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
            job.loss_sum += loss * n
            if row == 0:
                job.losses[epoch - 1 - job.first_epoch] = loss if n == job.n_rows else job.loss_sum / job.n_rows
                job.loss_sum = 0
            looked += 1
            s.stop[2] = 1
            if not isfinite(loss):
                job.why = NOT_FINITE
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
        if job.why == EPOCHS and job.optimizer.rule != NO_UPDATE and not finite_params(s):
            job.why = NOT_FINITE

cdef double loss_only(Training* job) noexcept nogil:
    """The loss of all rows as one batch, parameters as they were loaded."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t c, m
    cdef double total = total_weight(job, 0, job.n_rows), loss = 0
    cdef Place place
    for c from 0 <= c < job.n_rows by CHUNK:
        m = least(CHUNK, job.n_rows - c)
        place.step = place.in_batch = 0
        place.row = c
        gather_rows(job, s, c, 0, m, total)
        forward_rows(job, s, 0, place, 0, m)
        if flag_get(&s.abort):
            break
        loss_rows(job, s, place, 0, m)
        loss += sum_rows(s.row_loss, m)
    return loss
