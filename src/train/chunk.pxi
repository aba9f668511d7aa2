# One chunk of rows of a batch, in the two phases of a step; `space` is the memory in which it is worked (workspace.pxi).
#
# In phase A a thread takes a range of the chunk's rows: forward, loss, deltas down to the first hidden layer. In phase B it takes a range of
# every layer's INPUT ROWS of W: the gradient over all rows of the chunk, in order. So every number is computed by one thread, in an order that
# does not depend on how many there are. `part` of `parts` says which of the threads that share the chunk this is; 0 of 1 has it for itself.

cdef struct Place:
    Py_ssize_t step         # whole steps done
    Py_ssize_t row          # of the epoch: the chunk's first
    Py_ssize_t in_batch     # the same, of the batch

cdef inline void share(Py_ssize_t n, Py_ssize_t q, int part, int parts, Py_ssize_t* lo, Py_ssize_t* hi) noexcept nogil:
    """A part of 0..n, in multiples of q (the last is cut at n)."""
    cdef Py_ssize_t blocks = (n + q - 1) // q
    lo[0] = 0
    hi[0] = n
    if parts == 1:                      # spares a tiny step its divisions
        return
    lo[0] = blocks * part // parts * q
    hi[0] = least(blocks * (part + 1) // parts * q, n)

cdef inline bint aborted(Training* job, const Space* space, int part) noexcept nogil:
    """Whether to drop this step. One thread asks the caller if steps last long; a slice of short ones ends by itself."""
    if space.polls and part == 0 and has_to_stop(&workspace(job).clock):
        flag_set(&workspace(job).abort, 1)
    return flag_get(space.abort)

# ---- phase A: rows lo..hi of the chunk that begins with row `first` of the epoch ----

cdef void weigh_rows(const Training* job, Space* space, Py_ssize_t first, Py_ssize_t lo, Py_ssize_t hi, double total) noexcept nogil:
    cdef Py_ssize_t i, row
    if job.data.sample_weight == NULL:
        for i in range(lo, hi):
            space.weight[i] = <real>(1 / total)
    else:                                           # divided in double: neither tiny nor huge weights leave the range
        for i in range(lo, hi):
            row = job.data.order[first + i] if job.data.order != NULL else first + i
            space.weight[i] = <real>((<const real*>job.data.sample_weight)[row] / total)

cdef void gather_rows(const Training* job, Space* space, Py_ssize_t first, Py_ssize_t lo, Py_ssize_t hi, double total) noexcept nogil:
    """Inputs, targets and weights of the rows, from where the order of this epoch says."""
    cdef Py_ssize_t n_in = job.net.sizes[0], n_out = job.net.sizes[job.net.n_layers], i
    cdef const Data* data = &job.data
    cdef const Py_ssize_t* order = data.order + first if data.order != NULL else NULL
    cdef Py_ssize_t base = 0 if order != NULL else first        # rows in order are read from there
    cdef int loss = job.objective.loss
    if space.inputs.rows != NULL:
        point_to_rows(lo, hi, n_in, <const real*>data.X + base * n_in, order, space.inputs.rows)
    else:
        gather(lo, hi, n_in, <const real*>data.X + base * n_in, order, space.inputs.X, space.input_row)
    if loss == CUSTOM_LOSS:                            # a custom loss reads its own targets and weights
        return
    if loss == CLASS_CROSS_ENTROPY:
        for i in range(lo, hi):
            space.labels[i] = (<const long long*>data.targets)[order[i] if order != NULL else base + i]
            if space.labels[i] < 0 or space.labels[i] >= n_out:     # checked before; changed by somebody since
                space.labels[i] = 0
    else:
        gather(lo, hi, n_out, <const real*>data.targets + base * n_out, order,
               panels(space.dY.data if loss == GIVEN_GRADIENT else space.targets, space.Y.stride), space.output_row)
    weigh_rows(job, space, first, lo, hi, total)

cdef void forward_rows(Training* job, Space* space, int part, Place place, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t l
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &space.layers[l]
        if layer.mask.data != NULL:
            dropout_forward(mixed_in(mixed_in(job.dropout.seed, place.step), l), place.in_batch, layer.dropout, lo, hi, layer.n_in,
                            space.layers[l - 1].Y.data if l else space.inputs.X.data, layer.mask, layer.inputs.X.data)
        if layer.n_out == 1:
            dot_forward(lo, hi, layer)
        else:
            linear_forward(lo, hi, layer)
        if aborted(job, space, part):
            return

cdef inline const real* read_by_derivative(const Layer* layer) noexcept nogil:
    return layer.Z.data if reads_input(layer.activation) else layer.Y.data

cdef void backward_output(Layer* layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """dZ of the last layer from dY, in place, where the loss has not done it."""
    cdef const real* read = read_by_derivative(layer)
    cdef real* dZ = layer.dZ.data
    if layer.row == 1:
        activation_backward(layer.activation, read + lo, dZ + lo, dZ + lo, hi - lo, LANES)
    else:
        activation_backward_panels(layer.activation, lo, hi, layer.n_out, read, dZ, layer.dZ.stride)

cdef void backward_rows(Training* job, Space* space, int part, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t l
    cdef Layer* layer
    cdef int below, fused
    cdef const real* read = NULL
    cdef Panels dX
    if job.net.n_layers:
        backward_output(&space.layers[job.net.n_layers - 1], lo, hi)
    for l in range(job.net.n_layers - 1, -1, -1):
        layer = &space.layers[l]
        if layer.T.data == NULL or aborted(job, space, part):
            return
        below = IDENTITY
        dX = space.dX
        if l:
            below = space.layers[l - 1].activation
            read = read_by_derivative(&space.layers[l - 1])
            dX = space.layers[l - 1].dZ
        fused = IDENTITY if layer.mask.data != NULL else below      # dropout stands between the product and the derivative
        if layer.n_out == 1:
            dot_backward_input(lo, hi, layer, fused, read, dX)
        else:
            linear_backward_input(lo, hi, layer, fused, read, dX)
        if layer.mask.data != NULL:
            dropout_backward(lo, hi, layer.n_in, layer.mask, dX.data)
            activation_backward_panels(below, lo, hi, layer.n_in, read, dX.data, dX.stride)

cdef void loss_rows(const Training* job, Space* space, Place place, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t n_out = job.net.sizes[job.net.n_layers]
    cdef int loss = job.objective.loss
    cdef LossRows rows
    if loss == CUSTOM_LOSS:
        gather(lo, hi, n_out, <const real*>job.objective.custom.gradient + place.in_batch * n_out, NULL, space.dY, space.output_row)
    elif loss != GIVEN_GRADIENT:
        rows.A = space.Y
        rows.Y = space.targets
        rows.labels = space.labels if loss == CLASS_CROSS_ENTROPY else NULL
        rows.weight = space.weight
        rows.row_loss = space.row_loss
        rows.D = space.dY.data
        rows.options = &parameters(job).loss
        loss_forward_backward(loss, lo, hi, n_out, &rows)

cdef inline bint has_row_losses(const Training* job) noexcept nogil:
    return job.objective.loss != GIVEN_GRADIENT and job.objective.loss != CUSTOM_LOSS

cdef inline bint is_in_place(const Training* job, const Space* space, Py_ssize_t n) noexcept nogil:
    """The outputs of n rows are the caller's own numbers, and as many as a loss reads and writes: whole vectors."""
    return job.net.n_layers == 0 and space.output_row == 1 and job.data.order == NULL and has_row_losses(job) and n % LANES == 0

cdef void loss_in_place(Training* job, Space* space, Place place, Py_ssize_t n, double total) noexcept nogil:
    """Phase A without a layer, in the caller's arrays: copying them to the space and back took a tenth of the time."""
    cdef Space there = space[0]
    there.Y.data = <real*>job.data.X + place.row
    there.targets = <real*>job.data.targets + place.row
    if job.data.dX != NULL:
        there.dY.data = <real*>job.data.dX + place.row
    weigh_rows(job, space, place.row, 0, n, total)
    if not aborted(job, space, 0):
        loss_rows(job, &there, place, 0, n)

cdef void chunk_rows(Training* job, Space* space, int part, int parts, Place place, Py_ssize_t n, double total,
                     bint outputs_are_there) noexcept nogil:
    """Phase A over the n rows of a chunk."""
    cdef Py_ssize_t lo, hi
    share(n, ROW_SHARE, part, parts, &lo, &hi)
    if lo >= hi:
        aborted(job, space, part)
        return
    if not outputs_are_there:
        gather_rows(job, space, place.row, lo, hi, total)
        forward_rows(job, space, part, place, lo, hi)
        if flag_get(space.abort):
            return
    loss_rows(job, space, place, lo, hi)
    backward_rows(job, space, part, lo, hi)
    if job.data.dX != NULL:
        scatter(lo, hi, job.net.sizes[0], space.dX, space.input_row, <real*>job.data.dX + place.row * job.net.sizes[0])

# ---- phase B: a part of the input rows of every W, over the n rows of the chunk ----

cdef inline void share_weights(const Layer* layer, int part, int parts, Py_ssize_t* lo, Py_ssize_t* hi) noexcept nogil:
    """A part of its input rows."""
    cdef Py_ssize_t block = PANEL if layer.n_out == 1 else BLOCK if layer.T.data != NULL else ROWS
    share(up(layer.n_in, block), block, part, parts, lo, hi)

cdef void backward_bias(Layer* layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n, bint add) noexcept nogil:
    cdef Py_ssize_t i
    cdef real s = 0
    if layer.n_out > 1:
        column_sums(n, lo, hi, layer.dZ, layer.gb, add)
    elif hi > lo:
        for i in range(n):
            s += layer.dZ.data[i * layer.row]
        layer.gb[0] = layer.gb[0] + s if add else s

cdef void chunk_weights(Training* job, Space* space, int part, int parts, Py_ssize_t n, bint add, const Step* step,
                        const Step* bias_step) noexcept nogil:
    """Gradients of the chunk (added to what is there if `add`); with a step, the update too."""
    cdef Py_ssize_t l, p, lo, hi, region = parameters(job).region
    cdef Layer* layer
    for l in range(job.net.n_layers - 1, -1, -1):
        layer = &space.layers[l]
        share_weights(layer, part, parts, &lo, &hi)
        if layer.n_out == 1:
            dot_backward_weight(n, lo, hi, layer, add)
            if step != NULL:
                update(step, layer.W.data + lo, layer.G + lo, region, hi - lo)
        else:
            for p from lo <= p < hi by NC:              # whose X stays in L2
                linear_backward_weight(n, p, least(p + NC, hi), layer, add, step, region)
        if layer.learns_bias:
            share(layer.n_out, PANEL, part, parts, &lo, &hi)
            backward_bias(layer, lo, hi, n, add)
            if step != NULL:
                update(bias_step, layer.b + lo, layer.gb + lo, region, hi - lo)
        if aborted(job, space, part) and step == NULL:
            return
