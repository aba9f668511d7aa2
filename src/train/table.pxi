# How threads share the knots of a table, and the gradient of its weights.
#
#   thread, chunk   as in gradient.pxi and chunk.pxi
#
# Knots: columns of bins. Phase B: pieces x panels. A piece is a column of bins, or some levels of a column of codes; one
# thread sums it over all rows of the chunk. The panels of a piece follow each other, and each thread gets about the same
# cost. Where phase B updates V, it computes the knots of the next step, too, while these weights are in L1.

cdef void share_knots(Training* training, int thread, barrier* shared_barrier, int n_threads) noexcept nogil:
    """Compute the knots for a step or a validation; shared_barrier may be NULL for one thread."""
    cdef const TableLayout* table = training.net.table
    cdef const TableWeights* t = &parameters_of(training).table
    cdef Py_ssize_t first, end
    if table.n_positions == 0:
        return
    split_range(table.n_positions, 1, thread, n_threads, &first, &end)
    table_knots(table, t, first, end, workspace_of(training).knots)
    if shared_barrier != NULL:
        barrier_wait(shared_barrier, n_threads)

cdef void table_backward(const Training* training, const Chunk* chunk, const ChunkGradient* gradient) noexcept nogil:
    """This thread's part of dV. With a step, V is updated instead."""
    cdef const ChunkBuffers* buffers = chunk.buffers
    cdef const Parameters* params = parameters_of(training)
    cdef const TableWeights* t = &params.table
    cdef const TablePiece* piece
    cdef Py_ssize_t i, panel, lo, hi, first = params.n_pieces, end = 0, n_panels = table_panels(t)
    cdef TableGradient g
    cdef BinColumn bins
    if params.n_pieces == 0:
        return
    split_range(params.pieces[params.n_pieces - 1].end * n_panels, 1, chunk.part, chunk.parts, &lo, &hi)
    for i in range(params.n_pieces):            # those of which this thread may compute a panel
        if params.pieces[i].begin * n_panels < hi:
            end = i + 1
        if params.pieces[i].end * n_panels > lo and i < first:
            first = i
    if first >= end:
        return
    g.layer = &buffers.layers[0]
    g.table = training.net.table
    g.columns = params.columns
    g.entries = &buffers.entries
    g.t = t
    g.sorted = sorted_rows(&training.net, buffers, chunk.part)
    g.G = buffers.piece_gradient + chunk.part * piece_size(&training.net)
    g.grads = buffers.grads
    g.gradient = gradient[0]
    piece = &params.pieces[end - 1]
    sort_rows(params.pieces[first].column, piece.column + 1, count_lists_before(params, piece.column + 1), &g)
    for i in range(first, end):
        piece = &params.pieces[i]
        panel = 0
        while panel < n_panels:
            if lo <= piece.begin * n_panels + panel * (piece.end - piece.begin) < hi:
                table_backward_piece(panel, piece, &g)
                if gradient.step != NULL and params.columns[piece.column].has_bins:      # for the next step
                    bins.column = piece.column
                    bins.row = piece.first
                    bins.knot = params.columns[piece.column].index
                    panel_knots(training.net.table, t, bins, panel, workspace_of(training).knots)
            panel += 2 if is_pair(t, panel) else 1

cdef inline Py_ssize_t count_lists_before(const Parameters* params, Py_ssize_t column) noexcept nogil:
    return params.columns[column].list if column < params.n_columns else params.n_lists

cdef inline SortedRows sorted_rows(const Network* net, const ChunkBuffers* buffers, int part) noexcept nogil:
    """This thread's memory."""
    cdef SortedRows sorted
    cdef Py_ssize_t n_lists = round_up(count_lists(net.table), 32)
    sorted.first = buffers.sorted + part * sorted_size(net)
    sorted.next = sorted.first + n_lists
    return sorted

cdef Py_ssize_t sorted_size(const Network* net) noexcept nogil:
    """Numbers of SortedRows."""
    return round_up(count_lists(net.table), 32) + (net.table.n_positions + net.table.n_codes) * CHUNK
