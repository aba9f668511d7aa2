# The update as a separate pass over the gradients in the workspace, and clipping by norm.
#
# If the batch is one chunk, the step is short and there is no clipping by norm, phase B has already updated W and its
# transpose from the registers that hold the gradient (chunk.pxi). An update is elementwise, so both give the same bits.
#
#   training    INOUT: parameters and moments
#   thread      computes the same part of each layer as in phase B
#   progress    IN: constants of the update; `clip` changes them
#
# Order of sums: the squares of each row of W, and of each b, in 16 lanes; then these sums in order, layer by layer.

cdef inline real squares(const ScaledGradient* scaled, const real* w, const real* g, Py_ssize_t stride,
                         Py_ssize_t c) noexcept nogil:
    """The sum of squares of c scaled gradients in panels."""
    cdef lanes16 sums
    cdef vec a
    cdef Py_ssize_t j, p
    cdef int v
    clear16(&sums)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            p = column_offset(j + v * LANES, stride)
            a = blend_first(scale_gradient(scaled, vload(w + p), vload(g + p)), c - j - v * LANES, vset(0))
            fma16(&sums, v, a, a)
    return total16(&sums)

cdef void store_squares(Training* training, int thread, const Progress* progress, real prescale) noexcept nogil:
    """OUT: this thread's part of workspace.squares."""
    cdef Py_ssize_t l, i, q, lo, hi
    cdef const ChunkBuffers* buffers = workspace_of(training).buffers
    cdef real* out = workspace_of(training).squares
    cdef const Layer* layer
    cdef ScaledGradient weights, biases
    weights.step = &progress.weight_step
    biases.step = progress.bias_step
    weights.prescale = biases.prescale = prescale
    for l in range(training.net.n_layers):
        layer = &buffers.layers[l]
        split_input_rows(layer, thread, training.slice.n_threads, &lo, &hi)
        if layer.transposed and layer.n_out > 1:
            for i from lo <= i < min_(hi, layer.n_in) by LANES:
                q = column_offset(i, layer.W.stride)
                narrow_row_squares(&weights, layer.W.data + q, layer.dW + q, <int>layer.n_out, layer.n_in - i, out + i)
        elif layer.n_out == 1:
            if lo == 0 and hi > 0:
                out[0] = squares(&weights, layer.W.data, layer.dW, PANEL, layer.n_in)
        else:
            for i in range(lo, min_(hi, layer.n_in)):
                out[i] = squares(&weights, layer.W.data + i * PANEL, layer.dW + i * PANEL, layer.W.stride, layer.n_out)
        out += layer.n_in
        if l == 0 and training.net.table != NULL:
            split_range(parameters_of(training).table.n_rows, 1, thread, training.slice.n_threads, &lo, &hi)
            table_row_squares(&weights, &parameters_of(training).table, buffers.grads, lo, hi, out)
            out += parameters_of(training).table.n_rows
        split_range(layer.n_out, PANEL, thread, training.slice.n_threads, &lo, &hi)
        if layer.learns_bias and lo == 0 and hi > 0:
            out[0] = squares(&biases, layer.b, layer.db, PANEL, layer.n_out)
        out += 1

cdef double squared_norm(Training* training, int thread, const Progress* progress, real prescale) noexcept nogil:
    """The squared norm of prescale times the gradient. Every thread computes the same sum."""
    cdef Workspace* workspace = workspace_of(training)
    cdef Py_ssize_t i
    cdef double total = 0
    store_squares(training, thread, progress, prescale)
    barrier_wait(&workspace.step_barrier, training.slice.n_threads)
    for i in range(n_units(&training.net) - training.net.sizes[training.net.n_layers] + training.net.n_layers):
        total += workspace.squares[i]
    return total

cdef void clip(Training* training, int thread, Progress* progress) noexcept nogil:
    """Scale the gradient by min(1, clip_norm / (norm + 1e-6)), as in PyTorch; a NaN stays NaN."""
    cdef double prescale = 1, sum = squared_norm(training, thread, progress, 1), scaled, scale
    if not isfinite(sum):                           # squares may overflow where the gradient does not: scale it down
        barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)      # all have read the squares
        scaled = squared_norm(training, thread, progress, <real>ldexp(1, -(MAX_EXP * 3 // 4)))
        if isfinite(scaled):
            prescale = ldexp(1, -(MAX_EXP * 3 // 4))
            sum = scaled
    scale = training.optimizer.clip_norm * prescale / (sqrt(sum) + 1e-6 * prescale)
    progress.weight_step.scale = 1 if scale > 1 else <real>scale
    progress.bias_step = without_penalties(&progress.weight_step, &progress.unpenalized_step)

cdef void update_table(const Training* training, int thread, const Step* step) noexcept nogil:
    """Update this thread's part of V."""
    cdef const TableWeights* t = &parameters_of(training).table
    cdef const real* grads = workspace_of(training).buffers.grads + t.offset
    cdef Py_ssize_t lo, hi, bins, q, panel, stride = parameters_of(training).region_size
    if not step.is_lazy:
        split_range(table_size(t), PANEL, thread, training.slice.n_threads, &lo, &hi)
        update_in_region(step, t.V + lo, grads + lo, stride, hi - lo)
        return
    split_range(t.n_rows, 1, thread, training.slice.n_threads, &lo, &hi)
    bins = n_knots(training.net.table) - training.net.table.n_positions         # rows of V of positions come first
    bins = min_(max_(bins, lo), hi)
    for panel in range(table_panels(t)):
        q = panel * t.panel_stride + lo * t.width
        update_in_region(step, t.V + q, grads + q, stride, (bins - lo) * t.width)
        q += (bins - lo) * t.width
        update_lazily(step, t.V + q, grads + q, stride, (hi - bins) * t.width)

cdef void update_parameters(Training* training, int thread, Progress* progress) noexcept nogil:
    """Update this thread's part of the parameters with the gradient in the workspace."""
    cdef Py_ssize_t l, lo, hi, j, q, moment_stride = parameters_of(training).region_size
    cdef const Step* step = &progress.weight_step
    cdef Layer* layer
    if training.optimizer.clip_norm != 0:
        clip(training, thread, progress)
    for l in range(training.net.n_layers):
        layer = &workspace_of(training).buffers.layers[l]
        split_input_rows(layer, thread, training.slice.n_threads, &lo, &hi)
        if layer.transposed:            # lo and hi are multiples of PANEL
            q = lo * layer.n_out
            update_in_region(step, layer.W.data + q, layer.dW + q, moment_stride, (hi - lo) * layer.n_out)
        else:
            for j from 0 <= j < layer.n_out by PANEL:
                q = element(layer.W, lo, j) - layer.W.data
                update_panel(vecs_used(layer.n_out, j), step, layer.W.data + q, layer.dW + q, moment_stride, hi - lo,
                             layer.n_out - j)
                if layer.T.data != NULL:
                    transpose(lo, hi, j, j + min_(PANEL, round_up(layer.n_out - j, LANES)), layer.W, layer.T)
        if l == 0 and training.net.table != NULL:
            update_table(training, thread, step)
        if layer.learns_bias:
            split_range(layer.n_out, PANEL, thread, training.slice.n_threads, &lo, &hi)
            update_in_region(progress.bias_step, layer.b + lo, layer.db + lo, moment_stride, hi - lo)

cdef double weight_squares(const Training* training) noexcept nogil:
    """sum W^2 of all layers, without biases, in groups of 64 rows: long sums lose digits."""
    cdef Py_ssize_t l, i
    cdef double sum = 0
    cdef const Weights* w
    for l in range(training.net.n_layers):
        w = &parameters_of(training).layers[l]
        if w.n_out == 1:
            sum += sum_of_squares(w.W.data, 1, w.n_in, PANEL)
        elif w.layout.transposed:
            for i from 0 <= i < w.n_in by 64:
                sum += narrow_sum_of_squares(w.W, <int>w.n_out, i, min_(64, w.n_in - i))
        else:
            for i from 0 <= i < w.n_in by 64:
                sum += sum_of_squares(w.W.data + i * PANEL, min_(64, w.n_in - i), w.n_out, w.W.stride)
        if l == 0:
            for i from 0 <= i < parameters_of(training).table.n_rows by 64:
                sum += table_sum_of_squares(&parameters_of(training).table, i,
                                            min_(64, parameters_of(training).table.n_rows - i))
    return sum
