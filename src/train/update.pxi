# The update as a pass of its own, over gradients that wait in memory.
#
# If the batch is one chunk, the step is short and nothing clips by global norm, phase B has already updated W (and its transpose) from the
# registers that hold the gradient (chunk.pxi). An update is elementwise, so both ways give the same bits.

cdef inline real squares(const Step* step, const real* w, const real* g, Py_ssize_t stride, Py_ssize_t c, real unit) noexcept nogil:
    """The sum of squares of c gradients with their penalties, each times `unit`."""
    cdef lanes16 sums
    cdef vec a
    cdef Py_ssize_t j, p
    cdef int v
    clear16(&sums)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            p = at(j + v * LANES, stride)
            a = real_lanes(penalised(step, vload(w + p), vload(g + p)), c - j - v * LANES, vset(0))
            a = vmul(vset(unit), a)
            fma16(&sums, v, a, a)
    return total16(&sums)

cdef void sum_squares(Training* job, int thread, const Progress* my, real unit) noexcept nogil:
    """This thread's part of the workspace's squares."""
    cdef Py_ssize_t l, i, lo, hi
    cdef const Space* space = workspace(job).spaces
    cdef real* out = workspace(job).squares
    cdef const Layer* layer
    for l in range(job.net.n_layers):
        layer = &space.layers[l]
        share_weights(layer, thread, job.slice.n_threads, &lo, &hi)
        if layer.n_out == 1:
            if lo == 0 and hi > 0:
                out[0] = squares(&my.numbers, layer.W.data, layer.G, PANEL, layer.n_in, unit)
        else:
            for i in range(lo, least(hi, layer.n_in)):
                out[i] = squares(&my.numbers, layer.W.data + i * PANEL, layer.G + i * PANEL, layer.W.stride, layer.n_out, unit)
        out += layer.n_in
        share(layer.n_out, PANEL, thread, job.slice.n_threads, &lo, &hi)
        if layer.learns_bias and lo == 0 and hi > 0:
            out[0] = squares(my.bias_numbers, layer.b, layer.gb, PANEL, layer.n_out, unit)
        out += 1

cdef double total_squares(Training* job, int thread, const Progress* my, real unit) noexcept nogil:
    """The square of the norm of the gradient times `unit`. Every thread gets it."""
    cdef Workspace* s = workspace(job)
    cdef Py_ssize_t i
    cdef double sum = 0
    sum_squares(job, thread, my, unit)
    barrier_wait(&s.meeting, job.slice.n_threads)
    for i in range(n_units(&job.net) - job.net.sizes[job.net.n_layers] + job.net.n_layers):
        sum += s.squares[i]
    return sum

cdef void clip(Training* job, int thread, Progress* my) noexcept nogil:
    """Scales the gradient by min(1, clip_norm / (norm + 1e-6)), as in PyTorch; a NaN stays one."""
    cdef double unit = 1, sum = total_squares(job, thread, my, 1), scaled, scale
    if not isfinite(sum):                           # squares may overflow where the gradient does not
        barrier_wait(&workspace(job).meeting, job.slice.n_threads)      # all have read them
        scaled = total_squares(job, thread, my, <real>ldexp(1, -(MAX_EXP * 3 // 4)))
        if isfinite(scaled):
            unit = ldexp(1, -(MAX_EXP * 3 // 4))
            sum = scaled
    scale = job.optimizer.clip_norm * unit / (sqrt(sum) + 1e-6 * unit)
    my.numbers.scale = 1 if scale > 1 else <real>scale
    my.bias_numbers = for_biases(&my.numbers, &my.numbers_without_penalties)

cdef void update_parameters(Training* job, int thread, Progress* my) noexcept nogil:
    """By the gradient that waits in the workspace."""
    cdef Py_ssize_t l, lo, hi, j, q, region = parameters(job).region
    cdef const Step* step = &my.numbers
    cdef Layer* layer
    if job.optimizer.clip_norm != 0:
        clip(job, thread, my)
    for l in range(job.net.n_layers):
        layer = &workspace(job).spaces.layers[l]
        share_weights(layer, thread, job.slice.n_threads, &lo, &hi)
        if layer.n_out == 1:
            update(step, layer.W.data + lo, layer.G + lo, region, hi - lo)
        else:
            for j from 0 <= j < layer.n_out by PANEL:
                q = element(layer.W, lo, j) - layer.W.data
                update(step, layer.W.data + q, layer.G + q, region, (hi - lo) * PANEL)
                if layer.T.data != NULL:
                    transpose(lo, hi, j, j + least(PANEL, up(layer.n_out - j, LANES)), layer.W, layer.T)
        if layer.learns_bias:
            share(layer.n_out, PANEL, thread, job.slice.n_threads, &lo, &hi)
            update(my.bias_numbers, layer.b + lo, layer.gb + lo, region, hi - lo)

cdef double weight_squares(const Training* job) noexcept nogil:
    """sum W^2 of all layers, no biases; rows in groups, since long sums lose digits."""
    cdef Py_ssize_t l, i
    cdef double sum = 0
    cdef const Weights* w
    for l in range(job.net.n_layers):
        w = &parameters(job).layers[l]
        if w.n_out == 1:
            sum += sum_of_squares(w.W.data, 1, w.n_in, PANEL)
        else:
            for i from 0 <= i < w.n_in by 64:
                sum += sum_of_squares(w.W.data + i * PANEL, least(64, w.n_in - i), w.n_out, w.W.stride)
    return sum
