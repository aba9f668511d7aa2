# How threads share the knots of a table, and the gradient of its weights.
#
#   thread, part, parts   as in gradient.pxi and chunk.pxi
#
# Knots: columns of bins x panels. Phase B: pieces x panels. A piece is a column of bins, or some levels of a column of
# codes; one thread sums it over all rows of the chunk. Numbered along the panels, each thread gets about the same cost.

cdef void share_knots(Training* training, int thread, barrier* shared_barrier, int n_threads) noexcept nogil:
    """Compute the knots of a step, or of a validation; shared_barrier may be NULL for one thread."""
    cdef const TableLayout* table = training.net.table
    cdef const TableWeights* t = &parameters_of(training).table
    cdef Py_ssize_t first, end
    if table.n_positions == 0:
        return
    split_range(table.n_positions * table_panels(t), 1, thread, n_threads, &first, &end)
    table_knots(table, t, first, end, workspace_of(training).knots)
    if shared_barrier != NULL:
        barrier_wait(shared_barrier, n_threads)

cdef void table_backward(Training* training, ChunkBuffers* buffers, int part, int parts, Py_ssize_t n, bint add,
                         const Step* step) noexcept nogil:
    """This thread's part of dV, added to that of the chunks before if `add`; with a step, V is updated instead."""
    cdef const Parameters* params = parameters_of(training)
    cdef const TableWeights* t = &params.table
    cdef const TablePiece* last
    cdef Py_ssize_t panel, i, lo, hi, total
    cdef real* G = buffers.piece_gradient + part * piece_size(&training.net)
    if params.n_pieces == 0:
        return
    last = &params.pieces[params.n_pieces - 1]
    total = last.cost + CHUNK + last.n
    split_range(total * table_panels(t), 1, part, parts, &lo, &hi)
    for panel in range(table_panels(t)):
        for i in range(params.n_pieces):
            if lo <= panel * total + params.pieces[i].cost < hi:
                table_backward_piece(n, panel, &params.pieces[i], &buffers.layers[0], training.net.table,
                                     &buffers.entries, t, G, buffers.grads, add, step, params.region_size)
