# One chunk of rows of a batch, in the two phases of a step.
#
# Phase A splits the chunk's ROWS among threads: gather, forward, loss, backward to the first hidden layer. Phase B
# splits every W, in TILES of input rows and panels: the gradient over all rows of the chunk, in order. So one thread
# computes each number, in an order that does not depend on the number of threads.
#
#   chunk       its rows, and this thread's part of them (struct Chunk, workspace.pxi)
#   lo, hi      rows (phase A) or input rows of W (phase B) that this thread computes
#   training    IN: network, data, objective;  OUT: data.dX
#   gradient    what phase B does with the gradients of W and b (struct ChunkGradient, linear.pxi)
#   buffers     INOUT: the chunk's intermediate results, in panels (workspace.pxi)

cdef inline void split_range(Py_ssize_t n, Py_ssize_t q, int part, int parts, Py_ssize_t* lo,
                             Py_ssize_t* hi) noexcept nogil:
    """Set lo..hi to part number `part` of 0..n, in multiples of q; the last part ends at n."""
    cdef Py_ssize_t blocks = (n + q - 1) // q
    lo[0] = 0
    hi[0] = n
    if parts == 1:                      # a tiny step saves the divisions
        return
    lo[0] = blocks * part // parts * q
    hi[0] = min_(blocks * (part + 1) // parts * q, n)

cdef inline bint poll_abort(Training* training, const Chunk* chunk) noexcept nogil:
    """Whether to drop this step. If steps are long, one thread polls the caller; slices of short steps end soon."""
    if chunk.buffers.polls and chunk.part == 0 and poll_stop(&workspace_of(training).clock):
        flag_set(&workspace_of(training).abort, 1)
    return flag_get(chunk.buffers.abort)

# ---- phase A: rows lo..hi of a chunk ----

cdef inline void get_order(const Training* training, const Chunk* chunk, RowOrder* order) noexcept nogil:
    """Where the rows of the chunk are in the user's arrays, in this epoch."""
    order.order = training.data.order + chunk.row if training.data.order != NULL else NULL
    order.first = chunk.row

cdef void set_row_weights(const Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """weight_i = w_i / total, or 1 / total without sample weights."""
    cdef Py_ssize_t i
    cdef double total = chunk.total_weight
    cdef RowOrder order
    cdef real* weight = chunk.buffers.weight
    if training.data.sample_weight == NULL:
        for i in range(lo, hi):
            weight[i] = <real>(1 / total)
    else:                                           # in double: no under- or overflow of tiny or huge weights
        get_order(training, chunk, &order)
        for i in range(lo, hi):
            weight[i] = <real>((<const real*>training.data.sample_weight)[user_row(&order, i)] / total)

cdef void gather_rows(const Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """Inputs, targets and weights of the rows, in the order of this epoch."""
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef Py_ssize_t n_out = training.net.sizes[training.net.n_layers], i
    cdef const Data* data = &training.data
    cdef UserRows rows
    cdef int loss = training.objective.loss
    get_order(training, chunk, &rows.order)
    rows.X = <const real*>data.X
    rows.c = layer_inputs(&training.net, 0)
    if training.net.table != NULL:
        rows.X = <const real*>(<const TableRows*>data.X).numbers
        read_entries(training.net.table, <const TableRows*>data.X, &rows.order, lo, hi, &buffers.entries)
    if buffers.inputs.rows != NULL:
        point_to_rows(lo, hi, &rows, buffers.inputs.rows)
    else:
        gather(lo, hi, &rows, buffers.inputs.X, buffers.input_row_stride)
    if loss == CUSTOM_LOSS:                            # a custom loss reads its own targets and weights
        return
    if loss == CLASS_CROSS_ENTROPY:
        for i in range(lo, hi):
            buffers.labels[i] = (<const long long*>data.targets)[user_row(&rows.order, i)]
            if buffers.labels[i] < 0 or buffers.labels[i] >= n_out:     # the caller has changed it after the check
                buffers.labels[i] = 0
    else:
        rows.X = <const real*>data.targets
        rows.c = n_out
        gather(lo, hi, &rows, panels(buffers.dY.data if loss == GIVEN_GRADIENT else buffers.targets, buffers.Y.stride),
               buffers.output_row_stride)
    set_row_weights(training, chunk, lo, hi)

# In long steps, products poll after every NC columns (2 ms with 2048 inputs). They compute them in this order anyway.

cdef inline void linear_forward_rows(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi,
                                     const Layer* layer) noexcept nogil:
    """linear_forward of all columns, unless the step is dropped."""
    cdef Py_ssize_t first
    if not chunk.buffers.polls:
        linear_forward(lo, hi, 0, layer.n_out, layer)
        return
    for first from 0 <= first < layer.n_out by NC:
        linear_forward(lo, hi, first, min_(first + NC, layer.n_out), layer)
        if poll_abort(training, chunk):
            return

cdef inline void layer_forward_rows(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi,
                                    const Layer* layer) noexcept nogil:
    if layer.n_out == 1:
        dot_forward(lo, hi, layer)
    elif layer.transposed:
        narrow_forward(lo, hi, layer)
    else:
        linear_forward_rows(training, chunk, lo, hi, layer)

cdef inline void linear_backward_rows(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi,
                                      const Layer* layer) noexcept nogil:
    """linear_backward_input of all columns, unless the step is dropped. Without T, of all outputs."""
    cdef Py_ssize_t first
    if layer.T.data == NULL:
        for first from 0 <= first < layer.n_out by NC:
            linear_backward_input_without_T(lo, hi, first, min_(first + NC, layer.n_out), layer)
            if poll_abort(training, chunk):
                return
        return
    if not chunk.buffers.polls:
        linear_backward_input(lo, hi, 0, layer.n_in, layer)
        return
    for first from 0 <= first < layer.n_in by NC:
        linear_backward_input(lo, hi, first, min_(first + NC, layer.n_in), layer)
        if poll_abort(training, chunk):
            return

cdef inline void layer_backward_rows(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi,
                                     const Layer* layer) noexcept nogil:
    if layer.n_out == 1:
        dot_backward_input(lo, hi, layer)
    else:
        linear_backward_rows(training, chunk, lo, hi, layer)

cdef void drop_inputs(const Training* training, const Chunk* chunk, Py_ssize_t l, Py_ssize_t lo,
                      Py_ssize_t hi) noexcept nogil:
    """Dropout of the inputs of layer l."""
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef const Layer* layer = &buffers.layers[l]
    cdef LayerDropout dropout = layer_dropout(mix_in(mix_in(training.dropout.seed, chunk.step), l), chunk.batch_row,
                                              layer.dropout)
    if l > 0:
        dropout_forward(lo, hi, &dropout, buffers.layers[l - 1].Y.data, layer)
        return
    dropout_forward(lo, hi, &dropout, buffers.inputs.X.data, layer)
    if training.net.table != NULL:
        drop_entries(lo, hi, &dropout, training.net.table, &buffers.entries)

cdef void forward_rows(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef TableInputs inputs
    cdef Py_ssize_t l
    cdef Layer* layer
    for l in range(training.net.n_layers):
        layer = &buffers.layers[l]
        if layer.mask.data != NULL:
            drop_inputs(training, chunk, l, lo, hi)
        if l == 0 and training.net.table != NULL:
            inputs.table = training.net.table
            inputs.t = &parameters_of(training).table
            inputs.entries = &buffers.entries
            inputs.knots = workspace_of(training).knots
            table_forward(lo, hi, layer, &inputs)
        else:
            layer_forward_rows(training, chunk, lo, hi, layer)
        if poll_abort(training, chunk):
            return

cdef void backward_output(Layer* layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """dZ of the last layer from dY, in place. Nothing to do for a fused loss, whose layer is IDENTITY here."""
    cdef const real* read = read_by_derivative(layer)
    cdef real* dZ = layer.dZ.data
    if layer.row_stride == 1:
        elementwise_backward(layer.activation, read + lo, dZ + lo, dZ + lo, hi - lo, LANES)
    else:
        activation_backward_panels(layer.activation, lo, hi, layer.n_out, read, layer.dZ)

cdef void backward_rows(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """dZ of every layer below the last, and dX of the first if the caller requests it."""
    cdef Layer* layers = chunk.buffers.layers
    cdef Layer* layer
    cdef Py_ssize_t l
    if training.net.n_layers:
        backward_output(&layers[training.net.n_layers - 1], lo, hi)
    for l in range(training.net.n_layers - 1, -1, -1):
        layer = &layers[l]
        if not layer.passes_gradient or poll_abort(training, chunk):
            return
        layer_backward_rows(training, chunk, lo, hi, layer)
        if layer.mask.data != NULL:
            dropout_backward(lo, hi, layer)
            if l:
                activation_backward_panels(layers[l - 1].activation, lo, hi, layer.n_in, layer.S, layer.dX)

cdef inline void point_to_outputs(const Training* training, const ChunkBuffers* buffers, LossRows* rows) noexcept nogil:
    rows.A = buffers.Y
    rows.Y = buffers.targets
    rows.labels = buffers.labels if training.objective.loss == CLASS_CROSS_ENTROPY else NULL
    rows.weight = buffers.weight
    rows.row_loss = buffers.row_loss
    rows.D = buffers.dY.data
    rows.options = &parameters_of(training).loss

cdef void loss_rows(const Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The loss of each row and dY."""
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef Py_ssize_t n_out = training.net.sizes[training.net.n_layers]
    cdef int loss = training.objective.loss
    cdef LossRows rows
    cdef UserRows gradient
    if loss == CUSTOM_LOSS:
        gradient.X = <const real*>training.objective.custom.gradient
        gradient.c = n_out
        gradient.order.order = NULL
        gradient.order.first = chunk.batch_row
        gather(lo, hi, &gradient, buffers.dY, buffers.output_row_stride)
    elif loss != GIVEN_GRADIENT:
        point_to_outputs(training, buffers, &rows)
        loss_forward_backward(loss, lo, hi, n_out, &rows)

cdef inline bint has_row_losses(const Training* training) noexcept nogil:
    return training.objective.loss != GIVEN_GRADIENT and training.objective.loss != CUSTOM_LOSS

cdef inline bint can_run_in_place(const Training* training, const Chunk* chunk) noexcept nogil:
    """Whether the loss can read and write the caller's arrays: no layer, one output, rows in order, whole vectors."""
    return (training.net.n_layers == 0 and chunk.buffers.output_row_stride == 1 and training.data.order == NULL
            and has_row_losses(training) and chunk.n % LANES == 0)

cdef void loss_in_place(Training* training, const Chunk* chunk) noexcept nogil:
    """Phase A of a network without layers, in the caller's arrays: copying them took a tenth of the time."""
    cdef ChunkBuffers buffers = chunk.buffers[0]
    cdef Chunk in_place = chunk[0]
    in_place.buffers = &buffers
    buffers.Y.data = <real*>training.data.X + chunk.row
    buffers.targets = <real*>training.data.targets + chunk.row
    if training.data.dX != NULL:
        buffers.dY.data = <real*>training.data.dX + chunk.row
    set_row_weights(training, chunk, 0, chunk.n)
    if not poll_abort(training, chunk):
        loss_rows(training, &in_place, 0, chunk.n)

cdef void phase_a(Training* training, const Chunk* chunk, bint has_outputs) noexcept nogil:
    """This thread's part of the rows. has_outputs: the forward pass is done."""
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef Py_ssize_t lo, hi
    split_range(chunk.n, ROW_MULTIPLE, chunk.part, chunk.parts, &lo, &hi)
    if lo >= hi:
        poll_abort(training, chunk)
        return
    if not has_outputs:
        gather_rows(training, chunk, lo, hi)
        forward_rows(training, chunk, lo, hi)
        if flag_get(buffers.abort):
            return
    loss_rows(training, chunk, lo, hi)
    if n_tangents(training) != 0:
        tangent_steps().phase_a(training, chunk, lo, hi, has_outputs)
        return
    backward_rows(training, chunk, lo, hi)
    if training.data.dX != NULL:
        scatter(lo, hi, training.net.sizes[0], buffers.dX, buffers.input_row_stride,
                <real*>training.data.dX + chunk.row * training.net.sizes[0])

# ---- phase B: a part of every W, over the n rows of the chunk ----

cdef inline void split_input_rows(const Layer* layer, int part, int parts, Py_ssize_t* lo,
                                  Py_ssize_t* hi) noexcept nogil:
    """This thread's part of the input rows of W, in whole register blocks."""
    cdef Py_ssize_t block = PANEL if layer.transposed else BLOCK if layer.T.data != NULL else ROWS
    split_range(round_up(layer.n_in, block), block, part, parts, lo, hi)

cdef inline real* packed_memory(const Chunk* chunk, Py_ssize_t n_outputs) noexcept nogil:
    """This thread's memory for the inputs of a part of dW. NULL: they are not packed.

    A block reads a few neighbours of each row, whose cache lines would leave no room in L1 for the panel of dZ."""
    if chunk.part >= chunk.buffers.n_packed or chunk.n < MIN_PACKED_ROWS or n_outputs < PACKED_PANELS * PANEL:
        return NULL
    return chunk.buffers.packed + chunk.part * chunk.buffers.packed_size

cdef inline void weight_blocks(Training* training, const Chunk* chunk, const Layer* layer, const WeightPart* part,
                               const ChunkGradient* gradient) noexcept nogil:
    """A part of dW, NC inputs at a time: these inputs stay in L2. Stops if the step is dropped."""
    cdef WeightPart block
    cdef Py_ssize_t p
    block.first = part.first
    block.end = part.end
    block.packed = packed_memory(chunk, part.end - part.first)
    for p from part.lo <= p < part.hi by NC:
        block.lo = p
        block.hi = min_(p + NC, part.hi)
        linear_backward_weight(&block, layer, gradient)
        if chunk.buffers.polls and poll_abort(training, chunk) and gradient.step == NULL:
            return

cdef inline void weight_tiles(Training* training, const Chunk* chunk, const Layer* layer,
                              const ChunkGradient* gradient) noexcept nogil:
    """This thread's part of dW: tiles of a block of input rows and a panel of outputs, numbered along the panels of a
    block.

    So a thread has whole blocks, and a part of the first and of the last one. If threads shared only blocks, one
    thread alone would compute a layer of 5 inputs, and one of two threads 4 of the 7 blocks of 100 inputs."""
    cdef Py_ssize_t block = BLOCK if layer.T.data != NULL else ROWS
    cdef Py_ssize_t panels = (layer.n_out + PANEL - 1) // PANEL, blocks = (layer.n_in + block - 1) // block
    cdef Py_ssize_t tile, end_tile, panel, n_blocks
    cdef WeightPart part
    part.lo = part.first = 0
    part.hi = blocks * block
    part.end = layer.n_out
    if chunk.parts == 1:                # a tiny step saves the divisions
        weight_blocks(training, chunk, layer, &part, gradient)
        return
    split_range(blocks * panels, 1, chunk.part, chunk.parts, &tile, &end_tile)
    while tile < end_tile:
        panel = tile % panels
        n_blocks = (end_tile - tile) // panels
        part.lo = tile // panels * block
        part.first = panel * PANEL
        if panel == 0 and n_blocks > 0:
            part.hi = part.lo + n_blocks * block
            part.end = layer.n_out
            tile += n_blocks * panels
        else:
            part.hi = part.lo + block
            part.end = min_((panel + end_tile - tile) * PANEL, layer.n_out)
            tile += min_(end_tile - tile, panels - panel)
        weight_blocks(training, chunk, layer, &part, gradient)

cdef inline void layer_weights(Training* training, const Chunk* chunk, const Layer* layer,
                               const ChunkGradient* gradient) noexcept nogil:
    """This thread's part of dW of a layer."""
    cdef Py_ssize_t lo, hi
    if not layer.transposed:
        weight_tiles(training, chunk, layer, gradient)
        return
    split_range(round_up(layer.n_in, PANEL), PANEL, chunk.part, chunk.parts, &lo, &hi)
    if layer.n_out > 1:
        sum_rows(narrow_backward_weight, lo, hi, layer, gradient)
        return
    if layer.n_in < LONG_DOT:
        sum_rows(dot_backward_weight, lo, hi, layer, gradient)
    else:
        sum_rows(dot_backward_weight_long, lo, hi, layer, gradient)
    if gradient.step != NULL:
        update_in_region(gradient.step, layer.W.data + lo, layer.dW + lo, gradient.moment_stride, hi - lo)

cdef inline void phase_b(Training* training, const Chunk* chunk, const ChunkGradient* gradient) noexcept nogil:
    """This thread's part of the gradients. With a step, the parameters are updated instead."""
    cdef Py_ssize_t l, lo, hi
    cdef const Step* step = gradient.step
    cdef Layer* layer
    for l in range(training.net.n_layers - 1, -1, -1):
        layer = &chunk.buffers.layers[l]
        layer_weights(training, chunk, layer, gradient)
        if l == 0 and training.net.table != NULL:
            table_backward(training, chunk, gradient)
        if layer.learns_bias:
            split_range(layer.n_out, PANEL, chunk.part, chunk.parts, &lo, &hi)
            if layer.n_out > 1:
                sum_rows(linear_backward_bias, lo, hi, layer, gradient)
            elif hi > lo and not has_joint_bias(layer):     # else this thread has computed it
                sum_rows(dot_backward_bias, lo, hi, layer, gradient)
            if step != NULL:
                update_in_region(gradient.bias_step, layer.b + lo, layer.db + lo, gradient.moment_stride, hi - lo)
        if poll_abort(training, chunk) and step == NULL:
            return
