# The parameters of a training: parameters, moments, the copy of both for `restore`, and facts computed once by
# `prepare`.
#
# The caller allocates one block of parameters_size bytes. `parameters_layout` walks over it twice: once to compute its
# size, once to set the pointers into it. Intermediate results are elsewhere (workspace.pxi).
#
# The block has n_regions regions (panels.pxi): the parameters, then each moment; the average of the parameters is the
# last moment. So weight w has its moments at w + region_size, w + 2 region_size, ..., in every layer. The weights of a
# table (ops/table.pxi) follow the layers. If weights have bounds, two more regions follow, which never change: the lower
# and the upper bounds.

cdef struct Weights:        # of one layer
    Py_ssize_t n_in, n_out
    LayerLayout layout      # offsets in a region
    Panels W                # W^T if layout.transposed
    bint passes_gradient    # the gradient of the inputs is needed
    Panels T                # W^T; data NULL: not stored; W itself if that is transposed
    real* b
    bint learns_bias        # False: b is 0 and stays 0

cdef struct Span:           # panel rows of a region without padding: n numbers from `first` on
    Py_ssize_t first, n

cdef struct Parameters:
    Weights* layers         # (n_layers,)
    real* start             # n_regions regions
    real* saved             # the copy of these regions for `restore`
    real* best              # a region: the parameters of the best epoch; NULL unless stopping.keep_params
    Py_ssize_t region_size  # numbers in a region
    int n_regions
    Span* spans             # what to read of a region: most of a tiny layer is padding
    int n_spans
    Position saved_position
    long long saved_time    # start time of the slice in which the copy was made; 0: no copy yet
    LossOptions loss
    TableWeights table      # of the first layer; n_rows is 0 without a table
    TableColumn* columns
    TablePiece* pieces      # what threads share of its gradient
    Py_ssize_t n_columns, n_pieces, n_lists
    int max_threads
    int n_buffers           # ChunkBuffers in a workspace: chunks computed at the same time
    Py_ssize_t chunk_rows   # rows of a batch that threads compute together, at most
    double step_ns          # rough estimate of the time of a step
    bint in_place           # phase B updates the weights from registers

cdef inline Parameters* parameters_of(const Training* training) noexcept nogil:
    return <Parameters*>training.parameters

cdef inline char* allocate(char** cursor, Py_ssize_t n_bytes) noexcept nogil:
    """Take n_bytes from the block at the cursor, in multiples of 64, and move the cursor."""
    cdef char* start = cursor[0]
    cursor[0] = start + round_up(n_bytes, 64)
    return start

cdef inline real* allocate_reals(char** cursor, Py_ssize_t n) noexcept nogil:
    return <real*>allocate(cursor, n * <Py_ssize_t>sizeof(real))

cdef Py_ssize_t n_multiply_adds(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = 0
    for l in range(net.n_layers):
        n += net.sizes[l] * net.sizes[l + 1]
    return n

cdef Py_ssize_t n_units(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = 0
    for l in range(net.n_layers + 1):
        n += net.sizes[l]
    return n

cdef Py_ssize_t max_spans(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = net.n_layers + 1
    for l in range(net.n_layers):
        n += padded(net.sizes[l + 1]) // PANEL
    return n

cdef inline bint has_bounds(const Training* training) noexcept nogil:
    """Whether updates keep weights within bounds."""
    return training.net.bounds != NULL and training.optimizer.rule != NO_UPDATE

cdef Py_ssize_t parameters_layout(const Training* training, Parameters* params, char* base) noexcept nogil:
    """Set the pointers of `params` into `base` and return the bytes used. base NULL: only compute the size."""
    cdef const Network* net = &training.net
    cdef Py_ssize_t l, end = 0
    cdef char* cursor = base
    cdef Weights placeholder
    cdef Weights* w
    params.layers = <Weights*>allocate(&cursor, net.n_layers * <Py_ssize_t>sizeof(Weights))
    params.spans = <Span*>allocate(&cursor, max_spans(net) * <Py_ssize_t>sizeof(Span))
    params.region_size = region_size(net, training.data.batch_size)
    params.n_regions = 1 + n_moments(&training.optimizer)
    params.start = allocate_reals(&cursor, params.region_size * (params.n_regions + 2 * has_bounds(training)))
    params.saved = allocate_reals(
        &cursor, params.region_size * params.n_regions if training.optimizer.rule != NO_UPDATE else 0)
    params.best = NULL
    if training.stopping.keep_params:
        params.best = allocate_reals(&cursor, params.region_size)
    params.loss.numbers = NULL
    if training.objective.numbers != NULL:
        params.loss.numbers = allocate_reals(&cursor, padded(net.sizes[net.n_layers]))
    params.n_columns = params.n_pieces = params.n_lists = 0
    if net.table != NULL:
        params.n_columns = net.table.n_positions + net.table.n_codes
        params.n_pieces = count_pieces(net.table)
        params.n_lists = count_lists(net.table)
    params.columns = <TableColumn*>allocate(&cursor, params.n_columns * <Py_ssize_t>sizeof(TableColumn))
    params.pieces = <TablePiece*>allocate(&cursor, params.n_pieces * <Py_ssize_t>sizeof(TablePiece))
    params.table = table_weights(net, params.start, layers_size(net, training.data.batch_size))
    for l in range(net.n_layers):
        w = &placeholder if base == NULL else &params.layers[l]
        w.layout = layer_layout(net, training.data.batch_size, l, end)
        end = w.layout.end
        w.n_in = w.layout.n_in
        w.n_out = w.layout.n_out
        w.W = panels(params.start + w.layout.W, w.layout.stride)
        w.b = params.start + w.layout.b
        w.learns_bias = net.biases[l] != NULL
        w.T = panels(NULL, w.layout.stride if w.layout.transposed else weight_stride(w.n_out))
        w.passes_gradient = l > 0 or training.data.dX != NULL or uses_adjoints(training)
        if w.layout.transposed:
            w.T.data = w.W.data
        elif w.passes_gradient and (training.data.batch_size > ROWS_WITHOUT_T or n_tangents(training) != 0):
            w.T.data = allocate_reals(&cursor, padded(w.n_in) // PANEL * w.T.stride)
    return cursor - base

cdef Py_ssize_t parameters_size(const Training* training) noexcept nogil:
    cdef Parameters params
    return round_up(sizeof(Parameters), 64) + parameters_layout(training, &params, NULL)

cdef int parallel_chunks(const Training* training) noexcept nogil:
    """How many chunks are computed at the same time at most. Threads share one chunk, or have one each."""
    cdef Py_ssize_t chunks = (training.data.batch_size + CHUNK - 1) // CHUNK
    return <int>min_(training.slice.n_threads, chunks) if (
        training.slice.n_threads > 1 and n_multiply_adds(&training.net) <= SMALL and n_tangents(training) == 0) else 1

cdef inline bint uses_adjoints(const Training* training) noexcept nogil:
    """Whether a step computes the Jacobian of all inputs backward, with one tangent for each output. A validation does
    not: it has no W^T."""
    return (training.objective.loss != CUSTOM_LOSS and training.optimizer.rule != NO_UPDATE
            and training.objective.jacobian.n_inputs == training.net.sizes[0]
            and 2 * training.net.sizes[training.net.n_layers] <= training.net.sizes[0])

cdef inline Py_ssize_t n_first_tangents(const Training* training) noexcept nogil:
    """Of each row: one for each input in which a loss reads derivatives, or for each output."""
    if training.objective.jacobian.n_inputs != 0 and uses_adjoints(training):
        return training.net.sizes[training.net.n_layers]
    return training.objective.jacobian.n_inputs

cdef inline Py_ssize_t n_tangents(const Training* training) noexcept nogil:
    """Likewise, with those of second derivatives."""
    return n_first_tangents(training) + training.objective.custom.n_seconds

cdef inline Py_ssize_t chunk_rows(const Training* training) noexcept nogil:
    """Rows of a batch that are computed together, at most. In wide networks they are more: weights and gradients come
    from beyond L2, once for each chunk. With tangents they are fewer, since each row stands for several."""
    cdef bint is_wide = (training.optimizer.rule != NO_UPDATE and training.net.table == NULL
                         and is_prefetched(1, n_multiply_adds(&training.net)))
    cdef Py_ssize_t rows = 4 * CHUNK if training.objective.loss == CUSTOM_LOSS else CHUNK   # or its forward pass runs twice
    if n_tangents(training) != 0:
        rows = min_(CHUNK, max_(TANGENT_CHUNK, rows // (1 + n_tangents(training)) & -ROW_MULTIPLE))
        return min_(training.data.batch_size, rows)
    return min_(training.data.batch_size, WIDE_CHUNK if is_wide else CHUNK)

cdef double estimate_step(const Training* training) noexcept nogil:
    """ns: products at a rate that AVX2 and SSE2 nearly reach (docs/decisions/0064), plus a cost for each number and each
    row; right to an order of magnitude."""
    cdef double rate = 4 * LANES if LANES * REAL_BYTES >= 32 else 2 * LANES     # multiply-adds a ns
    cdef const Network* net = &training.net
    cdef double products = n_multiply_adds(net), units = n_units(net), others = 0
    if net.table != NULL:           # a row reads few of the weights of a table; a step updates all of them
        others = <double>net.sizes[1] * table_inputs(net.table)
        products += net.sizes[1] * 2.0 * (net.table.n_positions + net.table.n_codes) - others
        units += net.table.n_positions + net.table.n_codes - table_inputs(net.table)
    return max_(1, training.shards.n) * (1 + n_tangents(training)) * (
        training.data.batch_size * (3 * products / rate + 2 * units + 20) + 4 * others / LANES)

cdef void prepare(Training* training) noexcept nogil:
    """Lay out training.parameters, which is zero, and compute what all slices share."""
    cdef Parameters* params = parameters_of(training)
    parameters_layout(training, params, <char*>training.parameters + round_up(sizeof(Parameters), 64))
    find_spans(params, training.net.n_layers)
    if training.net.table != NULL:
        find_pieces(training.net.table, params.columns, params.pieces)
    if has_bounds(training):
        load_bounds(training)
    params.step_ns = estimate_step(training)
    params.chunk_rows = chunk_rows(training)
    params.in_place = (training.optimizer.rule != NO_UPDATE and training.optimizer.clip_norm == 0
                       and training.data.batch_size <= params.chunk_rows and params.step_ns < MAX_UPDATE_NS
                       and training.shards.n_shards == 0 and n_tangents(training) == 0)
    params.n_buffers = parallel_chunks(training)
    params.max_threads = training.slice.n_threads
    params.loss.smoothing = <real>training.objective.smoothing
    if training.objective.numbers != NULL:
        memcpy(<void*>params.loss.numbers, training.objective.numbers,
               training.net.sizes[training.net.n_layers] * sizeof(real))
    if training.validation != NULL:
        link_validation(training)

cdef inline real* shown_region(const Training* training) noexcept nogil:
    """The parameters that the caller sees: their average (the last moment) if there is one."""
    cdef const Parameters* params = parameters_of(training)
    return params.start + ((params.n_regions - 1) * params.region_size if training.optimizer.average != 0 else 0)

cdef void link_validation(const Training* training) noexcept nogil:
    """Let the validation read the parameters that the caller sees."""
    cdef const Parameters* params = parameters_of(training)
    cdef Parameters* other = parameters_of(training.validation)
    cdef Py_ssize_t l, offset = shown_region(training) - params.start
    for l in range(training.net.n_layers):
        other.layers[l].layout = params.layers[l].layout
        other.layers[l].W = panels(params.layers[l].W.data + offset, params.layers[l].W.stride)
        other.layers[l].b = params.layers[l].b + offset
    other.table.V = params.table.V + offset

# ---- the spans of a region ----

cdef void add_span(Parameters* params, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Append n numbers from `first` on: to the last span if it ends there, else as a new span."""
    if params.n_spans and params.spans[params.n_spans - 1].first + params.spans[params.n_spans - 1].n == first:
        params.spans[params.n_spans - 1].n += n
    else:
        params.spans[params.n_spans].first = first
        params.spans[params.n_spans].n = n
        params.n_spans += 1

cdef void find_spans(Parameters* params, Py_ssize_t n_layers) noexcept nogil:
    cdef Py_ssize_t l, j
    cdef LayerLayout layout
    params.n_spans = 0
    for l in range(n_layers):
        layout = params.layers[l].layout
        if layout.transposed:
            add_span(params, layout.W, padded(layout.n_in) * layout.n_out)
        else:
            for j from 0 <= j < layout.n_out by PANEL:
                add_span(params, layout.W + column_offset(j, layout.stride), layout.n_in * PANEL)
        add_span(params, layout.b, padded(layout.n_out))
    if params.table.n_rows > 0:
        add_span(params, params.table.offset, round_up(table_size(&params.table), PANEL))
