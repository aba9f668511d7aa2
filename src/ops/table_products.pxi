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

cdef struct TableStrip:     # one panel, or two, of Z
    const TableInputs* inputs
    const real* K           # of the first panel
    const real* V           # likewise
    const real* bias        # likewise, or NULL: Z holds the sums so far
    Panels Z                # likewise
    Py_ssize_t row_stride   # of Z
    Py_ssize_t knot_stride  # from a panel of K to the next
    Py_ssize_t row_size     # numbers of a row of V in a panel
    bint relu               # max(0, Z) in the end

cdef inline void add_entries(const int vecs, const bint whole, const int panels, Py_ssize_t lo, Py_ssize_t hi,
                             const TableStrip* strip) noexcept nogil:
    """Z = the positions and codes of rows lo..hi, added to the bias, or to Z if that is NULL."""
    cdef TableStrip s = strip[0]            # a local copy: stores cannot change it
    cdef TableEntries entries = s.inputs.entries[0]
    cdef const TableWeights* t = s.inputs.t
    cdef vec sums[2 * VECS]
    cdef vec a, b, zero = vset(0)
    cdef const real* w
    cdef Py_ssize_t i, e, c, width = t.width
    cdef Py_ssize_t V_row_stride = t.row_stride, V_panel_stride = t.panel_stride
    cdef Py_ssize_t n_positions = s.inputs.table.n_positions, n_codes = s.inputs.table.n_codes
    cdef int v, q
    for i in range(lo, hi):
        for q in range(panels):
            if s.bias != NULL:
                w = s.bias + q * PANEL
            else:
                w = s.Z.data + q * s.Z.stride + i * s.row_stride
            for v in range(vecs):
                sums[q * vecs + v] = load_columns(whole, w, v, width)
        e = i
        for c in range(n_positions):
            w = s.K + entries.index[e] * width
            a = vset(entries.low[e])
            b = vset(entries.high[e])
            for q in range(panels):
                for v in range(vecs):
                    sums[q * vecs + v] = vfma(a, load_columns(whole, w + q * s.knot_stride, v, width), sums[q * vecs + v])
            for q in range(panels):
                for v in range(vecs):
                    sums[q * vecs + v] = vfma(b, load_columns(whole, w + q * s.knot_stride + width, v, width),
                                              sums[q * vecs + v])
            e += entries.stride
        for c in range(n_codes):
            w = s.V + entries.index[e] * V_row_stride
            a = vset(entries.low[e])
            for q in range(panels):
                for v in range(vecs):
                    sums[q * vecs + v] = vfma(a, load_columns(whole, w + q * V_panel_stride, v, s.row_size),
                                              sums[q * vecs + v])
            e += entries.stride
        for q in range(panels):
            for v in range(vecs):
                store_columns(whole, s.Z.data + q * s.Z.stride + i * s.row_stride, v, width,
                              vmax(zero, sums[q * vecs + v]) if s.relu else sums[q * vecs + v])

cdef void table_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, const TableInputs* inputs) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b); layer.inputs are the numbers."""
    cdef const TableLayout* table = inputs.table
    cdef const TableWeights* t = inputs.t
    cdef Layer numbers = layer[0]
    cdef TableStrip strip
    cdef Py_ssize_t q = 0
    strip.inputs = inputs
    strip.row_stride = layer.row_stride
    strip.knot_stride = n_knots(table) * t.width
    strip.relu = layer.activation == RELU
    numbers.activation = IDENTITY
    numbers.Y = layer.Z
    if table.n_numbers == 0:
        pass
    elif layer.n_out == 1:
        dot_forward(lo, hi, &numbers)
    elif layer.transposed:
        narrow_forward(lo, hi, &numbers)
    else:
        linear_forward(lo, hi, 0, layer.n_out, &numbers)
    while q < table_panels(t):
        strip.K = inputs.knots + q * strip.knot_stride
        strip.V = t.V + q * t.panel_stride
        strip.Z = panels(layer.Z.data + q * layer.Z.stride, layer.Z.stride)
        strip.bias = layer.b + q * PANEL if table.n_numbers == 0 else NULL
        strip.row_size = columns_in_panel(t, q)
        if is_pair(t, q):
            add_entries(VECS, True, 2, lo, hi, &strip)
            q += 1
        elif strip.row_size == PANEL:
            add_entries(VECS, True, 1, lo, hi, &strip)
        elif strip.row_size == LANES and t.width == LANES:
            add_entries(1, True, 1, lo, hi, &strip)
        else:
            add_entries(VECS, False, 1, lo, hi, &strip)
        q += 1
    if not strip.relu:
        activate_rows(lo, hi, layer)

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
    bint has_bins           # positions, not codes
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
        columns[c].has_bins = c < table.n_positions
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

cdef struct TableGradient:  # what all pieces share
    const Layer* layer
    const TableLayout* table
    const TableColumn* columns
    const TableEntries* entries
    const TableWeights* t
    SortedRows sorted       # OUT: of sort_rows
    real* G                 # memory of piece_size numbers
    real* grads             # OUT: a region, unless V is updated
    ChunkGradient gradient

cdef void sort_rows(Py_ssize_t first, Py_ssize_t end, Py_ssize_t n_lists, const TableGradient* g) noexcept nogil:
    """Sort the rows of a chunk by the bins and levels of the columns first..end, whose last list has number
    n_lists - 1."""
    cdef const TableColumn* columns = g.columns
    cdef const TableEntries* entries = g.entries
    cdef SortedRows sorted = g.sorted
    cdef Py_ssize_t i, c, list
    for list in range(columns[first].list, n_lists):
        sorted.first[list] = -1
    for i in range(g.gradient.n - 1, -1, -1):          # columns in the inner loop: no list waits for the row before
        for c in range(first, end):
            list = entries.index[c * entries.stride + i] - columns[c].index
            list = columns[c].list + (list // PIECE if columns[c].by_piece else list)
            sorted.next[c * CHUNK + i] = sorted.first[list]
            sorted.first[list] = <short>i

cdef struct PieceRows:      # a piece, the entries of its column, and the gradient of one panel of outputs, or two
    const TablePiece* piece
    real scale              # of positions
    const int* index        # of each row of the chunk, as low, high and mask
    const real* low
    const real* high
    const real* mask        # NULL without dropout
    const short* first      # the first row of each of its lists
    const short* next       # of each row: the next one in its list
    Panels dZ
    Py_ssize_t row_stride   # of dZ
    Py_ssize_t width        # numbers of a row of G
    bint is_lazy            # rows of G without rows of the chunk are not set
    real* G                 # OUT: the gradient of its rows of V, a panel after the other

cdef inline void bin_gradients(const int vecs, const bint whole, const int panels, const bint masked,
                               const PieceRows* rows) noexcept nogil:
    """dV of a column of bins."""
    cdef PieceRows r = rows[0]              # a local copy: stores cannot change it
    cdef vec S[2 * VECS]
    cdef vec F[2 * VECS]
    cdef vec a, b, d
    cdef Py_ssize_t j, i, n = r.piece.n, width = vecs * LANES if whole else r.width, size = n * width
    cdef int v, q
    for v in range(panels * vecs):
        S[v] = vset(0)
    for j in range(n):
        for v in range(panels * vecs):
            F[v] = vset(0)
        i = r.first[j]
        while i >= 0:
            a = vset(r.high[i])
            for q in range(panels):
                for v in range(vecs):
                    d = load_columns(whole, r.dZ.data + q * r.dZ.stride + i * r.row_stride, v, width)
                    F[q * vecs + v] = vfma(a, d, F[q * vecs + v])
                    # the same bits for a factor of 1; some CPUs add while they multiply
                    S[q * vecs + v] = (vfma(vset(r.mask[i]), d, S[q * vecs + v]) if masked
                                       else vadd(S[q * vecs + v], d))
            i = r.next[i]
        for q in range(panels):
            for v in range(vecs):
                store_columns(whole, r.G + q * size + j * width, v, width, vsub(S[q * vecs + v], F[q * vecs + v]))
    a = vset(r.scale)
    b = vset(2)
    for q in range(panels):
        for j in range(n):
            for v in range(vecs):
                d = load_columns(whole, r.G + q * size + j * width, v, width)
                store_columns(whole, r.G + q * size + j * width, v, width, vmul(a, vfnma(b, d, S[q * vecs + v])))

cdef inline void level_gradients(const int vecs, const bint whole, const int panels, const PieceRows* rows) noexcept nogil:
    """The gradient of all levels of a column, or of those that have rows."""
    cdef PieceRows r = rows[0]
    cdef vec g[2 * VECS]
    cdef vec a
    cdef Py_ssize_t j, i, n = r.piece.n, width = vecs * LANES if whole else r.width, size = n * width
    cdef int v, q
    for j in range(n):
        i = r.first[j]
        if r.is_lazy and i < 0:
            continue
        for v in range(panels * vecs):
            g[v] = vset(0)
        while i >= 0:
            a = vset(r.low[i])
            for q in range(panels):
                for v in range(vecs):
                    g[q * vecs + v] = vfma(
                        a, load_columns(whole, r.dZ.data + q * r.dZ.stride + i * r.row_stride, v, width), g[q * vecs + v])
            i = r.next[i]
        for q in range(panels):
            for v in range(vecs):
                store_columns(whole, r.G + q * size + j * width, v, width, g[q * vecs + v])

cdef inline void some_level_gradients(const int vecs, const bint whole, const int panels,
                                      const PieceRows* rows) noexcept nogil:
    """The gradient of some levels of a column with many, of which few have rows."""
    cdef PieceRows r = rows[0]
    cdef vec a
    cdef real* g
    cdef Py_ssize_t i = r.first[0], width = vecs * LANES if whole else r.width, size = r.piece.n * width
    cdef int v, q
    if not r.is_lazy:
        memset(r.G, 0, panels * size * sizeof(real))
    while r.is_lazy and i >= 0:
        for q in range(panels):
            memset(r.G + q * size + (r.index[i] - r.piece.first) * width, 0, width * sizeof(real))
        i = r.next[i]
    i = r.first[0]
    while i >= 0:
        a = vset(r.low[i])
        for q in range(panels):
            g = r.G + q * size + (r.index[i] - r.piece.first) * width
            for v in range(vecs):
                store_columns(whole, g, v, width, vfma(
                    a, load_columns(whole, r.dZ.data + q * r.dZ.stride + i * r.row_stride, v, width),
                    load_columns(whole, g, v, width)))
        i = r.next[i]

cdef inline void piece_gradient(const int vecs, const bint whole, const int panels, const TableColumn* column,
                                const PieceRows* rows) noexcept nogil:
    if column.has_bins and rows.mask == NULL:
        bin_gradients(vecs, whole, panels, False, rows)
    elif column.has_bins:
        bin_gradients(vecs, whole, panels, True, rows)
    elif column.by_piece:
        some_level_gradients(vecs, whole, panels, rows)
    else:
        level_gradients(vecs, whole, panels, rows)

cdef inline void prefetch_levels(const real* V, bint by_piece, const PieceRows* rows, Py_ssize_t moment_stride) noexcept nogil:
    """Fetch the weights of the levels of a piece in a panel that have rows, and their moments, which no step may have
    read for long."""
    cdef Py_ssize_t i, k, j, list, width = rows.width
    for list in range(1 if by_piece else rows.piece.n):
        i = rows.first[list]
        while i >= 0:
            for k in range(3):
                for j from 0 <= j < width by 64 // REAL_BYTES:
                    vprefetch(V + k * moment_stride + (rows.index[i] - rows.piece.first) * width + j)
            i = rows.next[i] if by_piece else -1

cdef void update_levels(real* V, real* G, bint by_piece, const PieceRows* rows, const ChunkGradient* gradient) noexcept nogil:
    """Update the levels of a piece in a panel that have rows; their gradient G is 0 after it."""
    cdef Py_ssize_t i, row, list, width = rows.width
    for list in range(1 if by_piece else rows.piece.n):
        i = rows.first[list]
        while i >= 0:
            row = rows.index[i] - rows.piece.first
            update_lazily(gradient.step, V + row * width, G + row * width, gradient.moment_stride, width)
            memset(G + row * width, 0, width * sizeof(real))    # if the list has another row of this level
            i = rows.next[i] if by_piece else -1

cdef void table_backward_piece(Py_ssize_t panel, const TablePiece* piece, const TableGradient* g) noexcept nogil:
    """dV of a piece in a panel, or in two, over the rows of a chunk. With a step, V is updated instead."""
    cdef const TableWeights* t = g.t
    cdef const TableColumn* column = &g.columns[piece.column]
    cdef Py_ssize_t i, k, q, size = piece.n * t.width, e = piece.column * g.entries.stride
    cdef PieceRows rows
    cdef real* dV
    rows.piece = piece
    rows.scale = <real>g.table.position_scale[piece.column] if column.has_bins else 0
    rows.index = g.entries.index + e
    rows.low = g.entries.low + e
    rows.high = g.entries.high + e if column.has_bins else NULL
    rows.mask = g.entries.mask + e if column.has_bins and g.entries.mask != NULL else NULL
    rows.first = g.sorted.first + piece.list
    rows.next = g.sorted.next + piece.column * CHUNK
    rows.dZ = panels(g.layer.dZ.data + panel * g.layer.dZ.stride, g.layer.dZ.stride)
    rows.row_stride = g.layer.row_stride
    rows.width = t.width
    rows.is_lazy = g.gradient.step != NULL and g.gradient.step.is_lazy and not column.has_bins
    rows.G = g.G
    for k in range(2 if is_pair(t, panel) else 1):
        if rows.is_lazy:
            prefetch_levels(t.V + (panel + k) * t.panel_stride + piece.first * t.width, column.by_piece, &rows,
                            g.gradient.moment_stride)
    if is_pair(t, panel):
        piece_gradient(VECS, True, 2, column, &rows)
    elif t.width == PANEL:
        piece_gradient(VECS, True, 1, column, &rows)
    elif t.width == LANES:
        piece_gradient(1, True, 1, column, &rows)
    else:
        piece_gradient(VECS, False, 1, column, &rows)
    for k in range(2 if is_pair(t, panel) else 1):
        q = (panel + k) * t.panel_stride + piece.first * t.width
        if rows.is_lazy:
            update_levels(t.V + q, g.G + k * size, column.by_piece, &rows, &g.gradient)
            continue
        if g.gradient.step != NULL:
            update_in_region(g.gradient.step, t.V + q, g.G + k * size, g.gradient.moment_stride, size)
            continue
        dV = g.grads + t.offset + q
        for i from 0 <= i < size by LANES:
            if g.gradient.add:
                store_some(dV + i, vadd(load_some(dV + i, size - i), load_some(g.G + k * size + i, size - i)), size - i)
            else:
                store_some(dV + i, load_some(g.G + k * size + i, size - i), size - i)
