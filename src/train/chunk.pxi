# One chunk of rows of a batch, in the two phases of a step.
#
# Phase A splits the chunk's ROWS among threads: gather, forward, loss, backward to the first hidden layer. Phase B
# splits every W, in TILES of input rows and panels: the gradient over all rows of the chunk, in order. So one thread
# computes each number, in an order that does not depend on the number of threads.
#
#   n           rows of the chunk, at most CHUNK; row i of the chunk is row chunk.row + i of the epoch
#   lo, hi      rows (phase A) or input rows of W (phase B) that this thread computes
#   part, parts this thread is number `part` of the `parts` threads that share the chunk; 0 of 1 computes all of it
#   training    IN: network, data, objective;  OUT: data.dX
#   buffers     INOUT: the chunk's intermediate results, in panels (workspace.pxi)

cdef struct Chunk:
    Py_ssize_t step         # whole steps done
    Py_ssize_t row          # its first row in the epoch
    Py_ssize_t batch_row    # its first row in the batch

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

cdef inline bint poll_abort(Training* training, const ChunkBuffers* buffers, int part) noexcept nogil:
    """Whether to drop this step. If steps are long, one thread polls the caller; slices of short steps end soon."""
    if buffers.polls and part == 0 and poll_stop(&workspace_of(training).clock):
        flag_set(&workspace_of(training).abort, 1)
    return flag_get(buffers.abort)

# ---- phase A: rows lo..hi of a chunk whose first row is row `first` of the epoch ----

cdef void set_row_weights(const Training* training, ChunkBuffers* buffers, Py_ssize_t first, Py_ssize_t lo,
                          Py_ssize_t hi, double total) noexcept nogil:
    """weight_i = w_i / total, or 1 / total without sample weights."""
    cdef Py_ssize_t i, row
    if training.data.sample_weight == NULL:
        for i in range(lo, hi):
            buffers.weight[i] = <real>(1 / total)
    else:                                           # in double: no under- or overflow of tiny or huge weights
        for i in range(lo, hi):
            row = training.data.order[first + i] if training.data.order != NULL else first + i
            buffers.weight[i] = <real>((<const real*>training.data.sample_weight)[row] / total)

cdef void gather_rows(const Training* training, ChunkBuffers* buffers, Py_ssize_t first, Py_ssize_t lo, Py_ssize_t hi,
                      double total) noexcept nogil:
    """Inputs, targets and weights of the rows, in the order of this epoch."""
    cdef Py_ssize_t n_in = layer_inputs(&training.net, 0), n_out = training.net.sizes[training.net.n_layers], i
    cdef const Data* data = &training.data
    cdef const real* X = <const real*>data.X
    cdef const Py_ssize_t* order = data.order + first if data.order != NULL else NULL
    cdef Py_ssize_t base = 0 if order != NULL else first
    cdef int loss = training.objective.loss
    if training.net.table != NULL:
        X = <const real*>(<const TableRows*>data.X).numbers
        read_entries(training.net.table, <const TableRows*>data.X, base, order, lo, hi, &buffers.entries)
    if buffers.inputs.rows != NULL:
        point_to_rows(lo, hi, n_in, X + base * n_in, order, buffers.inputs.rows)
    else:
        gather(lo, hi, n_in, X + base * n_in, order, buffers.inputs.X, buffers.input_row_stride)
    if loss == CUSTOM_LOSS:                            # a custom loss reads its own targets and weights
        return
    if loss == CLASS_CROSS_ENTROPY:
        for i in range(lo, hi):
            buffers.labels[i] = (<const long long*>data.targets)[order[i] if order != NULL else base + i]
            if buffers.labels[i] < 0 or buffers.labels[i] >= n_out:     # the caller has changed it after the check
                buffers.labels[i] = 0
    else:
        gather(lo, hi, n_out, <const real*>data.targets + base * n_out, order,
               panels(buffers.dY.data if loss == GIVEN_GRADIENT else buffers.targets, buffers.Y.stride),
               buffers.output_row_stride)
    set_row_weights(training, buffers, first, lo, hi, total)

# In long steps, products poll after every NC columns (2 ms with 2048 inputs). They compute them in this order anyway.

cdef inline void linear_forward_rows(Training* training, ChunkBuffers* buffers, int part, Py_ssize_t lo, Py_ssize_t hi,
                                     const Layer* layer) noexcept nogil:
    """linear_forward of all columns, unless the step is dropped."""
    cdef Py_ssize_t first
    if not buffers.polls:
        linear_forward(lo, hi, 0, layer.n_out, layer)
        return
    for first from 0 <= first < layer.n_out by NC:
        linear_forward(lo, hi, first, min_(first + NC, layer.n_out), layer)
        if poll_abort(training, buffers, part):
            return

cdef inline void linear_backward_rows(Training* training, ChunkBuffers* buffers, int part, Py_ssize_t lo, Py_ssize_t hi,
                                      const Layer* layer, int activation, const real* S, Panels dX) noexcept nogil:
    """linear_backward_input of all columns, unless the step is dropped."""
    cdef Py_ssize_t first
    if not buffers.polls:
        linear_backward_input(lo, hi, 0, layer.n_in, layer, activation, S, dX)
        return
    for first from 0 <= first < layer.n_in by NC:
        linear_backward_input(lo, hi, first, min_(first + NC, layer.n_in), layer, activation, S, dX)
        if poll_abort(training, buffers, part):
            return

cdef void forward_rows(Training* training, ChunkBuffers* buffers, int part, Chunk chunk, Py_ssize_t lo,
                       Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t l
    cdef Layer* layer
    for l in range(training.net.n_layers):
        layer = &buffers.layers[l]
        if layer.mask.data != NULL:
            dropout_forward(mix_in(mix_in(training.dropout.seed, chunk.step), l), chunk.batch_row, layer.dropout,
                            lo, hi, layer.n_in, buffers.layers[l - 1].Y.data if l else buffers.inputs.X.data,
                            layer.mask, layer.inputs.X.data)
        if l == 0 and training.net.table != NULL:
            if layer.dropout != 0:
                drop_entries(mix_in(mix_in(training.dropout.seed, chunk.step), 0), chunk.batch_row, layer.dropout, lo, hi,
                             training.net.table, &buffers.entries)
            table_forward(lo, hi, layer, training.net.table, &buffers.entries, workspace_of(training).knots,
                          &parameters_of(training).table)
        elif layer.n_out == 1:
            dot_forward(lo, hi, layer)
        elif layer.transposed:
            narrow_forward(lo, hi, layer)
        else:
            linear_forward_rows(training, buffers, part, lo, hi, layer)
        if poll_abort(training, buffers, part):
            return

cdef inline const real* read_by_derivative(const Layer* layer) noexcept nogil:
    return layer.Z.data if reads_input(layer.activation) else layer.Y.data

cdef void backward_output(Layer* layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """dZ of the last layer from dY, in place. Nothing to do for a fused loss, whose layer is IDENTITY here."""
    cdef const real* read = read_by_derivative(layer)
    cdef real* dZ = layer.dZ.data
    if layer.row_stride == 1:
        elementwise_backward(layer.activation, read + lo, dZ + lo, dZ + lo, hi - lo, LANES)
    else:
        activation_backward_panels(layer.activation, lo, hi, layer.n_out, read, dZ, layer.dZ.stride)

cdef void backward_rows(Training* training, ChunkBuffers* buffers, int part, Py_ssize_t lo,
                        Py_ssize_t hi) noexcept nogil:
    """dZ of every layer below the last, and dX of the first if the caller requests it."""
    cdef Py_ssize_t l
    cdef Layer* layer
    cdef int below, fused
    cdef const real* read = NULL
    cdef Panels dX
    if training.net.n_layers:
        backward_output(&buffers.layers[training.net.n_layers - 1], lo, hi)
    for l in range(training.net.n_layers - 1, -1, -1):
        layer = &buffers.layers[l]
        if layer.T.data == NULL or poll_abort(training, buffers, part):
            return
        below = IDENTITY
        dX = buffers.dX
        if l:
            below = buffers.layers[l - 1].activation
            read = read_by_derivative(&buffers.layers[l - 1])
            dX = buffers.layers[l - 1].dZ
        # with dropout the product is multiplied by the mask first, then by the derivative
        fused = IDENTITY if layer.mask.data != NULL else below
        if layer.n_out == 1:
            dot_backward_input(lo, hi, layer, fused, read, dX)
        else:
            linear_backward_rows(training, buffers, part, lo, hi, layer, fused, read, dX)
        if layer.mask.data != NULL:
            dropout_backward(lo, hi, layer.n_in, layer.mask, dX.data)
            activation_backward_panels(below, lo, hi, layer.n_in, read, dX.data, dX.stride)

cdef void loss_rows(const Training* training, ChunkBuffers* buffers, Chunk chunk, Py_ssize_t lo,
                    Py_ssize_t hi) noexcept nogil:
    """The loss of each row and dY."""
    cdef Py_ssize_t n_out = training.net.sizes[training.net.n_layers]
    cdef int loss = training.objective.loss
    cdef LossRows rows
    if loss == CUSTOM_LOSS:
        gather(lo, hi, n_out, <const real*>training.objective.custom.gradient + chunk.batch_row * n_out, NULL,
               buffers.dY, buffers.output_row_stride)
    elif loss != GIVEN_GRADIENT:
        rows.A = buffers.Y
        rows.Y = buffers.targets
        rows.labels = buffers.labels if loss == CLASS_CROSS_ENTROPY else NULL
        rows.weight = buffers.weight
        rows.row_loss = buffers.row_loss
        rows.D = buffers.dY.data
        rows.options = &parameters_of(training).loss
        loss_forward_backward(loss, lo, hi, n_out, &rows)

cdef inline bint has_row_losses(const Training* training) noexcept nogil:
    return training.objective.loss != GIVEN_GRADIENT and training.objective.loss != CUSTOM_LOSS

cdef inline bint can_run_in_place(const Training* training, const ChunkBuffers* buffers, Py_ssize_t n) noexcept nogil:
    """Whether the loss can read and write the caller's arrays: no layer, one output, rows in order, whole vectors."""
    return (training.net.n_layers == 0 and buffers.output_row_stride == 1 and training.data.order == NULL
            and has_row_losses(training) and n % LANES == 0)

cdef void loss_in_place(Training* training, ChunkBuffers* buffers, Chunk chunk, Py_ssize_t n,
                        double total) noexcept nogil:
    """Phase A of a network without layers, in the caller's arrays: copying them took a tenth of the time."""
    cdef ChunkBuffers caller = buffers[0]
    caller.Y.data = <real*>training.data.X + chunk.row
    caller.targets = <real*>training.data.targets + chunk.row
    if training.data.dX != NULL:
        caller.dY.data = <real*>training.data.dX + chunk.row
    set_row_weights(training, buffers, chunk.row, 0, n, total)
    if not poll_abort(training, buffers, 0):
        loss_rows(training, &caller, chunk, 0, n)

cdef void phase_a(Training* training, ChunkBuffers* buffers, int part, int parts, Chunk chunk, Py_ssize_t n,
                  double total, bint has_outputs) noexcept nogil:
    """This thread's part of the n rows. has_outputs: the forward pass is done."""
    cdef Py_ssize_t lo, hi
    split_range(n, ROW_MULTIPLE, part, parts, &lo, &hi)
    if lo >= hi:
        poll_abort(training, buffers, part)
        return
    if not has_outputs:
        gather_rows(training, buffers, chunk.row, lo, hi, total)
        forward_rows(training, buffers, part, chunk, lo, hi)
        if flag_get(buffers.abort):
            return
    loss_rows(training, buffers, chunk, lo, hi)
    backward_rows(training, buffers, part, lo, hi)
    if training.data.dX != NULL:
        scatter(lo, hi, training.net.sizes[0], buffers.dX, buffers.input_row_stride,
                <real*>training.data.dX + chunk.row * training.net.sizes[0])

# ---- phase B: a part of every W, over the n rows of the chunk ----

cdef inline void split_input_rows(const Layer* layer, int part, int parts, Py_ssize_t* lo,
                                  Py_ssize_t* hi) noexcept nogil:
    """This thread's part of the input rows of W, in whole register blocks."""
    cdef Py_ssize_t block = PANEL if layer.transposed else BLOCK if layer.T.data != NULL else ROWS
    split_range(round_up(layer.n_in, block), block, part, parts, lo, hi)

cdef inline void weight_blocks(Training* training, ChunkBuffers* buffers, int part, Layer* layer, Py_ssize_t lo,
                               Py_ssize_t n_inputs, Py_ssize_t first_output, Py_ssize_t end_output, Py_ssize_t n,
                               bint add, const Step* step) noexcept nogil:
    """n_inputs input rows of dW from lo on, NC at a time: these inputs stay in L2. Stops if the step is dropped."""
    cdef Py_ssize_t p
    for p from lo <= p < lo + n_inputs by NC:
        linear_backward_weight(n, p, min_(p + NC, lo + n_inputs), first_output, end_output, layer, add, step,
                               parameters_of(training).region_size)
        if buffers.polls and poll_abort(training, buffers, part) and step == NULL:
            return

cdef void weight_tiles(Training* training, ChunkBuffers* buffers, Layer* layer, int part, int parts, Py_ssize_t n,
                       bint add, const Step* step) noexcept nogil:
    """This thread's part of dW: tiles of a block of input rows and a panel of outputs, numbered along the panels of a
    block.

    So a thread has whole blocks, and a part of the first and of the last one. If threads shared only blocks, one
    thread alone would compute a layer of 5 inputs, and one of two threads 4 of the 7 blocks of 100 inputs."""
    cdef Py_ssize_t block = BLOCK if layer.T.data != NULL else ROWS
    cdef Py_ssize_t panels = (layer.n_out + PANEL - 1) // PANEL, blocks = (layer.n_in + block - 1) // block
    cdef Py_ssize_t tile, end_tile, first, end, n_blocks
    if parts == 1:                      # a tiny step saves the divisions
        weight_blocks(training, buffers, part, layer, 0, blocks * block, 0, layer.n_out, n, add, step)
        return
    split_range(blocks * panels, 1, part, parts, &tile, &end_tile)
    while tile < end_tile:
        first = tile % panels
        n_blocks = (end_tile - tile) // panels
        if first == 0 and n_blocks > 0:
            weight_blocks(training, buffers, part, layer, tile // panels * block, n_blocks * block, 0, layer.n_out, n,
                          add, step)
            tile += n_blocks * panels
        else:
            end = min_(panels, first + end_tile - tile)
            weight_blocks(training, buffers, part, layer, tile // panels * block, block, first * PANEL,
                          min_(end * PANEL, layer.n_out), n, add, step)
            tile += end - first

cdef void backward_bias(Layer* layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n, bint add) noexcept nogil:
    """db (columns lo..hi) = the sum of dZ's n rows, added to db if `add`."""
    cdef Py_ssize_t i
    cdef real s = 0
    if layer.n_out > 1:
        column_sums(n, lo, hi, layer.dZ, layer.db, add)
    elif hi > lo:
        for i in range(n):
            s += layer.dZ.data[i * layer.row_stride]
        layer.db[0] = layer.db[0] + s if add else s

cdef inline void phase_b(Training* training, ChunkBuffers* buffers, int part, int parts, Py_ssize_t n, bint add,
                         const Step* step, const Step* bias_step) noexcept nogil:
    """This thread's part of the gradients, added to those of the chunks before if `add`; with a step, updated too."""
    cdef Py_ssize_t l, lo = 0, hi = 0, moment_stride = parameters_of(training).region_size
    cdef Layer* layer
    for l in range(training.net.n_layers - 1, -1, -1):
        layer = &buffers.layers[l]
        if layer.transposed:
            split_range(round_up(layer.n_in, PANEL), PANEL, part, parts, &lo, &hi)
        if layer.n_out == 1:
            if layer.n_in < LONG_DOT:
                dot_backward_weight(n, lo, hi, layer, add)
            else:
                dot_backward_weight_long(n, lo, hi, layer, add)
            if step != NULL:
                update_in_region(step, layer.W.data + lo, layer.dW + lo, moment_stride, hi - lo)
        elif layer.transposed:
            narrow_backward_weight(n, lo, hi, layer, add, step, moment_stride)
        else:
            weight_tiles(training, buffers, layer, part, parts, n, add, step)
        if l == 0 and training.net.table != NULL:
            table_backward(training, buffers, part, parts, n, add, step)
        if layer.learns_bias:
            split_range(layer.n_out, PANEL, part, parts, &lo, &hi)
            backward_bias(layer, lo, hi, n, add)
            if step != NULL:
                update_in_region(bias_step, layer.b + lo, layer.db + lo, moment_stride, hi - lo)
        if poll_abort(training, buffers, part) and step == NULL:
            return
