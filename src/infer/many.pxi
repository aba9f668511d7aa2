# Inference: X (n, n_in) IN -> out (n, n_out) OUT, both row-major.
#
# From FEW_ROWS rows on, the parameters are packed into panels and chunks of CHUNK rows go through the same products as
# in training; fewer rows: few.pxi. Rows of a table are always computed here, and its weights are read where they are.
#
#   workspace  as struct Inference tells: pointers to the rows of a chunk, two matrices, a region; of a table also the
#              entries of a chunk and the knots
#
# Order of sums: as in training (linear.pxi).

cdef Py_ssize_t forward_workspace_size(const Network* net, Py_ssize_t n) noexcept nogil:
    """Bytes, for n rows."""
    cdef char* end = NULL
    cdef TableEntries entries
    if n < FEW_ROWS and net.table == NULL:
        return (2 * n + 1) * max_width(net) * <Py_ssize_t>sizeof(real)
    allocate(&end, padded_rows(min_(n, CHUNK)) * <Py_ssize_t>sizeof(real*))
    allocate_reals(&end, 2 * (max_width(net) // PANEL * chunk_stride(min_(n, CHUNK))) + layers_size(net, FEW_ROWS))
    if net.table != NULL:
        layout_entries(net, padded_rows(min_(n, CHUNK)), False, &entries, &end)
        allocate_reals(&end, knots_size(net))
    return end - <char*>NULL

cdef struct Inference:      # what the chunks share
    real* region            # the packed parameters
    const real** rows       # of a chunk
    bint is_gathered        # they are copied to `first`
    Panels first, second    # the inputs and outputs of a layer, in turn
    TableEntries entries    # of the rows of a chunk, if they are a table
    TableWeights weights    # likewise, and what follows
    TableInputs table

cdef int rows_forward(const Network* net, const void* X, Py_ssize_t n, void* out, void* workspace,
                      Clock* clock) noexcept nogil:
    """out = the outputs for X. workspace: zero, 64-byte aligned. Returns 1 if the caller stops it."""
    if n < FEW_ROWS and net.table == NULL:
        return few_rows_forward(net, n, <const real*>X, <real*>out, <real*>workspace, clock)
    return many_rows_forward(net, X, n, <real*>out, workspace, clock)

cdef int many_rows_forward(const Network* net, const void* X, Py_ssize_t n, real* out, void* workspace,
                           Clock* clock) noexcept nogil:
    cdef Py_ssize_t i, n_out = net.sizes[net.n_layers], stride = chunk_stride(min_(n, CHUNK))
    cdef char* end
    cdef real* knots
    cdef Inference inference
    cdef UserRows rows
    rows.X = <const real*>X if net.table == NULL else <const real*>(<const TableRows*>X).numbers
    rows.c = layer_inputs(net, 0)
    rows.order.order = NULL
    inference.rows = <const real**>workspace
    inference.first = panels(<real*>(inference.rows + padded_rows(min_(n, CHUNK))), stride)
    inference.second = panels(inference.first.data + max_width(net) // PANEL * stride, stride)
    inference.region = inference.second.data + max_width(net) // PANEL * stride
    pack_network(net, inference.region)
    inference.is_gathered = net.n_layers > 0 and is_gathered(rows.c, net.sizes[1])
    if net.table != NULL:
        end = <char*>(inference.region + layers_size(net, FEW_ROWS))
        layout_entries(net, padded_rows(min_(n, CHUNK)), False, &inference.entries, &end)
        knots = allocate_reals(&end, knots_size(net))
        inference.weights = user_weights(net)
        table_knots(net.table, &inference.weights, 0, net.table.n_positions, knots)
        inference.table.table = net.table
        inference.table.t = &inference.weights
        inference.table.entries = &inference.entries
        inference.table.knots = knots
    for i from 0 <= i < n by CHUNK:
        rows.order.first = i
        if inference.is_gathered:
            gather(0, min_(CHUNK, n - i), &rows, inference.first, PANEL)
        else:
            point_to_rows(0, min_(CHUNK, n - i), &rows, inference.rows)
        if net.table != NULL:
            read_entries(net.table, <const TableRows*>X, &rows.order, 0, min_(CHUNK, n - i), &inference.entries)
        if chunk_forward(net, &inference, min_(CHUNK, n - i), out + i * n_out, clock):
            return 1
    return 0

cdef void pack_network(const Network* net, real* region) noexcept nogil:
    """OUT: a region with the network's parameters."""
    cdef Py_ssize_t l
    cdef LayerLayout layout
    layout.end = 0
    for l in range(net.n_layers):
        layout = layer_layout(net, FEW_ROWS, l, layout.end)
        pack(layout, <const real*>net.weights[l], region + layout.W)
        if net.biases[l] != NULL:
            memcpy(region + layout.b, net.biases[l], layout.n_out * sizeof(real))

cdef int chunk_forward(const Network* net, const Inference* inference, Py_ssize_t n, real* out,
                       Clock* clock) noexcept nogil:
    """Up to CHUNK rows -> out. Returns 1 if stopped."""
    cdef Panels X = inference.first, Y = inference.second
    cdef real* region = inference.region
    cdef Py_ssize_t l, first, row_stride = PANEL
    cdef LayerLayout layout
    cdef Layer layer
    if net.n_layers == 0:
        memcpy(out, inference.rows[0], n * net.sizes[0] * sizeof(real))
        return poll_stop(clock)
    layout.end = 0
    for l in range(net.n_layers):
        layout = layer_layout(net, FEW_ROWS, l, layout.end)
        layer.transposed = layout.transposed
        layer.n_in = layout.n_in
        layer.n_out = layout.n_out
        layer.activation = net.activations[l]
        layer.W = panels(region + layout.W, layout.stride)
        layer.b = region + layout.b
        layer.inputs.rows = inference.rows if l == 0 and not inference.is_gathered else NULL
        layer.inputs.X = X
        layer.Z = layer.Y = Y
        layer.row_stride = row_stride = 1 if layer.n_out == 1 and l == net.n_layers - 1 else PANEL
        if l == 0 and net.table != NULL:
            table_forward(0, n, &layer, &inference.table)
        elif layer.n_out == 1:
            dot_forward(0, n, &layer)
        elif layer.transposed:
            narrow_forward(0, n, &layer)
        else:
            for first from 0 <= first < layer.n_out by NC:
                linear_forward(0, n, first, min_(first + NC, layer.n_out), &layer)
                if poll_stop(clock):
                    return 1
        X, Y = Y, X
        if poll_stop(clock):
            return 1
    scatter(0, n, net.sizes[net.n_layers], X, row_stride, out)
    return 0
