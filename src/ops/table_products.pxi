# The first layer of a table: Z = X W + b, and the gradient of its weights.
#
#   n, lo, hi, d, p, k, V, K, entries   as in table.pxi;  V, K, entries: IN
#   dZ         IN, in panels or a vector, as linear.pxi has it;  Z: INOUT;  G: OUT, the gradient of rows of V
#
# A row reads two rows of K for a position and one of V for a code, whatever the numbers of bins and levels. Backward,
# with S_j the sum of dZ over all rows in bins 0 .. j, and F_j that of f dZ over the rows in bin j,
#
#     dV_j = scale (S_n-1 - 2 (S_j - F_j))
#
# Order of sums: forward as in linear.pxi for the numbers (with one output as in a layer of d inputs, + b), then the
# positions column by column, (1 - f) K_b before f K_b+1, then the codes; one FMA each. dV of bins: sums over the rows,
# sorted by bins, those of a bin in the order of the chunk. dV of a level adds its rows in that order. One FMA for each
# row.

# ---- forward ----

cdef inline void add_entries(const int vecs, const bint whole, const int panels, Py_ssize_t lo, Py_ssize_t hi,
                             const TableLayout* table, const TableEntries* entries, const real* K,
                             Py_ssize_t knot_stride, const TableWeights* t, const real* V, Py_ssize_t row_size,
                             const real* bias, bint relu, Panels Z, Py_ssize_t row_stride) noexcept nogil:
    """Z = the positions and codes of rows lo..hi, added to the bias, or to Z if that is NULL. K, V, bias, Z: the first
    panel. relu: max(0, Z) in the end."""
    cdef vec s[2 * VECS]
    cdef vec a, b, zero = vset(0)
    cdef const real* w
    cdef Py_ssize_t i, e, c, width = t.width
    cdef int v, q
    for i in range(lo, hi):
        for q in range(panels):
            if bias != NULL:
                w = bias + q * PANEL
            else:
                w = Z.data + q * Z.stride + i * row_stride
            for v in range(vecs):
                s[q * vecs + v] = load_columns(whole, w, v, width)
        e = i
        for c in range(table.n_positions):
            w = K + entries.index[e] * width
            a = vset(entries.low[e])
            b = vset(entries.high[e])
            for q in range(panels):
                for v in range(vecs):
                    s[q * vecs + v] = vfma(a, load_columns(whole, w + q * knot_stride, v, width), s[q * vecs + v])
            for q in range(panels):
                for v in range(vecs):
                    s[q * vecs + v] = vfma(b, load_columns(whole, w + q * knot_stride + width, v, width), s[q * vecs + v])
            e += entries.stride
        for c in range(table.n_codes):
            w = V + entries.index[e] * t.row_stride
            a = vset(entries.low[e])
            for q in range(panels):
                for v in range(vecs):
                    s[q * vecs + v] = vfma(a, load_columns(whole, w + q * t.panel_stride, v, row_size), s[q * vecs + v])
            e += entries.stride
        for q in range(panels):
            for v in range(vecs):
                store_columns(whole, Z.data + q * Z.stride + i * row_stride, v, width,
                              vmax(zero, s[q * vecs + v]) if relu else s[q * vecs + v])

cdef void table_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, const TableLayout* table,
                        const TableEntries* entries, const real* knots, const TableWeights* t) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b); layer.inputs are the numbers."""
    cdef Layer numbers = layer[0]
    cdef Py_ssize_t q = 0, knot_stride = n_knots(table) * t.width
    cdef const real* K
    cdef const real* V
    cdef const real* bias = NULL
    cdef const real* b = NULL
    cdef Panels Z
    cdef bint relu = layer.activation == RELU
    numbers.activation = IDENTITY
    numbers.Y = layer.Z
    if table.n_numbers == 0:
        bias = layer.b
    elif layer.n_out == 1:
        dot_forward(lo, hi, &numbers)
    elif layer.transposed:
        narrow_forward(lo, hi, &numbers)
    else:
        linear_forward(lo, hi, 0, layer.n_out, &numbers)
    while q < table_panels(t):
        K = knots + q * knot_stride
        V = t.V + q * t.panel_stride
        Z = panels(layer.Z.data + q * layer.Z.stride, layer.Z.stride)
        b = bias + q * PANEL if bias != NULL else NULL
        if is_pair(t, q):
            add_entries(VECS, True, 2, lo, hi, table, entries, K, knot_stride, t, V, PANEL, b, relu, Z,
                        layer.row_stride)
            q += 1
        elif columns_in_panel(t, q) == PANEL:
            add_entries(VECS, True, 1, lo, hi, table, entries, K, knot_stride, t, V, PANEL, b, relu, Z,
                        layer.row_stride)
        elif columns_in_panel(t, q) == LANES and t.width == LANES:
            add_entries(1, True, 1, lo, hi, table, entries, K, knot_stride, t, V, LANES, b, relu, Z,
                        layer.row_stride)
        else:
            add_entries(VECS, False, 1, lo, hi, table, entries, K, knot_stride, t, V, columns_in_panel(t, q), b, relu,
                        Z, layer.row_stride)
        q += 1
    if relu:
        return
    if layer.row_stride == 1:
        elementwise_forward(layer.activation, layer.Z.data + lo, layer.Y.data + lo, hi - lo, LANES)
    else:
        activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z.data, layer.Y.data, layer.Y.stride)

# ---- backward ----
#
# The rows of a chunk are sorted first: one list of rows, in order, for each bin and each level, or for each piece of a
# column of more than PIECE levels. So most sums stay in registers. (With sums in memory, rows in the same bin wait for
# each other: this part of a step took more than twice as long.)

cdef enum:
    PIECE = 512             # levels of a column whose gradient is computed together: it stays in L2

cdef struct TableColumn:    # positions before codes
    Py_ssize_t index        # the row of K or V of its first bin or level
    Py_ssize_t list         # the number of its first list
    bint by_piece           # one list for each piece

cdef struct TablePiece:     # a column of positions, or up to PIECE levels of a column of codes
    Py_ssize_t column       # positions before codes
    Py_ssize_t first, n     # rows of V
    Py_ssize_t list         # the number of its first list of rows
    Py_ssize_t begin, end   # the cost of all pieces before it, and with it: about the time of a panel

cdef struct SortedRows:
    short* first            # (n_lists,) the first row of a list; -1: it is empty
    short* next             # (p + k, CHUNK) the row after this row in its list; -1: the end

cdef Py_ssize_t count_lists(const TableLayout* table) noexcept nogil:
    cdef Py_ssize_t c, n = 0
    for c in range(table.n_positions):
        n += table.n_bins[c]
    for c in range(table.n_codes):
        n += table.n_levels[c] if table.n_levels[c] <= PIECE else (table.n_levels[c] + PIECE - 1) // PIECE
    return n

cdef Py_ssize_t count_pieces(const TableLayout* table) noexcept nogil:
    cdef Py_ssize_t c, n = table.n_positions
    for c in range(table.n_codes):
        n += (table.n_levels[c] + PIECE - 1) // PIECE
    return n

cdef void find_pieces(const TableLayout* table, TableColumn* columns, TablePiece* pieces) noexcept nogil:
    """OUT: all columns, and all pieces in the order of their rows of V."""
    cdef Py_ssize_t c, i, n, size, row = 0, knot = 0, cost = 0, list = 0
    cdef TablePiece* piece = pieces
    for c in range(table.n_positions + table.n_codes):
        columns[c].list = list
        columns[c].by_piece = False
        if c < table.n_positions:
            n = table.n_bins[c]
            columns[c].index = knot
            knot += n + 1
        else:
            n = table.n_levels[c - table.n_positions]
            columns[c].index = row
            columns[c].by_piece = n > PIECE
        size = n if c < table.n_positions else PIECE
        for i from 0 <= i < n by size:
            piece.column = c
            piece.first = row + i
            piece.n = min_(size, n - i)
            piece.list = list
            piece.begin = cost
            cost += CHUNK + 4 * piece.n
            piece.end = cost
            list += 1 if columns[c].by_piece else piece.n
            piece += 1
        row += n

cdef Py_ssize_t piece_size(const Network* net) noexcept nogil:
    """Numbers of G in two panels, for the largest piece."""
    cdef Py_ssize_t c, n = 0
    for c in range(net.table.n_positions):
        n = max_(n, net.table.n_bins[c])
    for c in range(net.table.n_codes):
        n = max_(n, min_(PIECE, net.table.n_levels[c]))
    return padded(2 * n * table_width(net.sizes[1]))

cdef void sort_rows(Py_ssize_t n, const TableColumn* columns, Py_ssize_t first, Py_ssize_t end, Py_ssize_t n_lists,
                    const TableEntries* entries, SortedRows sorted) noexcept nogil:
    """Sort the n rows of a chunk by the bins and levels of the columns first..end, whose last list has number
    n_lists - 1."""
    cdef Py_ssize_t i, c, list
    for list in range(columns[first].list, n_lists):
        sorted.first[list] = -1
    for i in range(n - 1, -1, -1):          # columns in the inner loop: no list waits for the row before
        for c in range(first, end):
            list = entries.index[c * entries.stride + i] - columns[c].index
            list = columns[c].list + (list // PIECE if columns[c].by_piece else list)
            sorted.next[c * CHUNK + i] = sorted.first[list]
            sorted.first[list] = <short>i

cdef inline void bin_gradients(const int vecs, const bint whole, const int panels, const TablePiece* piece, real scale,
                               const real* high, const real* mask, const short* first, const short* next, Panels dZ,
                               Py_ssize_t row_stride, real* G, Py_ssize_t width) noexcept nogil:
    """dV of a column of bins. high, mask, first, next: of this column."""
    cdef vec S[2 * VECS]
    cdef vec F[2 * VECS]
    cdef vec a, b, d
    cdef Py_ssize_t j, i, size = piece.n * width
    cdef int v, q
    for v in range(panels * vecs):
        S[v] = vset(0)
    for j in range(piece.n):
        for v in range(panels * vecs):
            F[v] = vset(0)
        i = first[j]
        while i >= 0:
            a = vset(high[i])
            for q in range(panels):
                for v in range(vecs):
                    d = load_columns(whole, dZ.data + q * dZ.stride + i * row_stride, v, width)
                    F[q * vecs + v] = vfma(a, d, F[q * vecs + v])
                    # the same bits for a factor of 1; some CPUs add while they multiply
                    S[q * vecs + v] = (vadd(S[q * vecs + v], d) if mask == NULL
                                       else vfma(vset(mask[i]), d, S[q * vecs + v]))
            i = next[i]
        for q in range(panels):
            for v in range(vecs):
                store_columns(whole, G + q * size + j * width, v, width, vsub(S[q * vecs + v], F[q * vecs + v]))
    a = vset(scale)
    b = vset(2)
    for q in range(panels):
        for j in range(piece.n):
            for v in range(vecs):
                d = load_columns(whole, G + q * size + j * width, v, width)
                store_columns(whole, G + q * size + j * width, v, width, vmul(a, vfnma(b, d, S[q * vecs + v])))

cdef inline void level_gradients(const int vecs, const bint whole, const int panels, const TablePiece* piece,
                                 const real* low, const short* first, const short* next, Panels dZ,
                                 Py_ssize_t row_stride, real* G, Py_ssize_t width) noexcept nogil:
    """The gradient of all levels of a column. low, first, next: of this column."""
    cdef vec g[2 * VECS]
    cdef vec a
    cdef Py_ssize_t j, i, size = piece.n * width
    cdef int v, q
    for j in range(piece.n):
        for v in range(panels * vecs):
            g[v] = vset(0)
        i = first[j]
        while i >= 0:
            a = vset(low[i])
            for q in range(panels):
                for v in range(vecs):
                    g[q * vecs + v] = vfma(a, load_columns(whole, dZ.data + q * dZ.stride + i * row_stride, v, width),
                                           g[q * vecs + v])
            i = next[i]
        for q in range(panels):
            for v in range(vecs):
                store_columns(whole, G + q * size + j * width, v, width, g[q * vecs + v])

cdef inline void some_level_gradients(const int vecs, const bint whole, const int panels, const TablePiece* piece,
                                      const int* index, const real* low, Py_ssize_t i, const short* next, Panels dZ,
                                      Py_ssize_t row_stride, real* G, Py_ssize_t width) noexcept nogil:
    """The gradient of some levels of a column with many, of which few have rows. i: the first of the rows."""
    cdef vec a
    cdef real* g
    cdef Py_ssize_t size = piece.n * width
    cdef int v, q
    memset(G, 0, panels * size * sizeof(real))
    while i >= 0:
        a = vset(low[i])
        for q in range(panels):
            g = G + q * size + (index[i] - piece.first) * width
            for v in range(vecs):
                store_columns(whole, g, v, width, vfma(
                    a, load_columns(whole, dZ.data + q * dZ.stride + i * row_stride, v, width),
                    load_columns(whole, g, v, width)))
        i = next[i]

cdef inline void piece_gradient(const int vecs, const bint whole, const int panels, const TablePiece* piece,
                                const TableColumn* column, const TableLayout* table, const TableEntries* entries,
                                SortedRows sorted, Panels dZ, Py_ssize_t row_stride, real* G,
                                Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t e = piece.column * entries.stride
    cdef const short* first = sorted.first + piece.list
    cdef const short* next = sorted.next + piece.column * CHUNK
    if piece.column < table.n_positions and entries.mask == NULL:
        bin_gradients(vecs, whole, panels, piece, <real>table.position_scale[piece.column], entries.high + e, NULL,
                      first, next, dZ, row_stride, G, width)
    elif piece.column < table.n_positions:
        bin_gradients(vecs, whole, panels, piece, <real>table.position_scale[piece.column], entries.high + e,
                      entries.mask + e, first, next, dZ, row_stride, G, width)
    elif column.by_piece:
        some_level_gradients(vecs, whole, panels, piece, entries.index + e, entries.low + e, first[0], next, dZ,
                             row_stride, G, width)
    else:
        level_gradients(vecs, whole, panels, piece, entries.low + e, first, next, dZ, row_stride, G, width)

cdef void table_backward_piece(Py_ssize_t panel, const TablePiece* piece, const TableColumn* column, const Layer* layer,
                               const TableLayout* table, const TableEntries* entries, SortedRows sorted,
                               const TableWeights* t, real* G, real* grads, bint add, const Step* step,
                               Py_ssize_t moment_stride) noexcept nogil:
    """dV of a piece in a panel, or in two, over the rows of a chunk, added to the region `grads` if `add`. With a step, V
    is updated instead. G: memory of piece_size numbers."""
    cdef Panels dZ = panels(layer.dZ.data + panel * layer.dZ.stride, layer.dZ.stride)
    cdef Py_ssize_t i, k, q, size = piece.n * t.width
    cdef real* dV
    if is_pair(t, panel):
        piece_gradient(VECS, True, 2, piece, column, table, entries, sorted, dZ, layer.row_stride, G, PANEL)
    elif t.width == PANEL:
        piece_gradient(VECS, True, 1, piece, column, table, entries, sorted, dZ, layer.row_stride, G, PANEL)
    elif t.width == LANES:
        piece_gradient(1, True, 1, piece, column, table, entries, sorted, dZ, layer.row_stride, G, LANES)
    else:
        piece_gradient(VECS, False, 1, piece, column, table, entries, sorted, dZ, layer.row_stride, G, t.width)
    for k in range(2 if is_pair(t, panel) else 1):
        q = (panel + k) * t.panel_stride + piece.first * t.width
        if step != NULL:
            update_in_region(step, t.V + q, G + k * size, moment_stride, size)
            continue
        dV = grads + t.offset + q
        for i from 0 <= i < size by LANES:
            if add:
                store_some(dV + i, vadd(load_some(dV + i, size - i), load_some(G + k * size + i, size - i)), size - i)
            else:
                store_some(dV + i, load_some(G + k * size + i, size - i), size - i)
