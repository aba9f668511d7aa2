# A table as the inputs of the first layer: Z = X W + b, where most of X is not stored.
#
#   n, lo, hi  rows of a chunk; the rows that a call computes
#   m          outputs of the layer
#   d, p, k    columns of numbers, of positions, of codes (struct TableLayout)
#   V          the rows of W0 after the first d, those of the numbers: the bins column by column, then the levels column
#              by column, in panels of `width` columns (struct TableWeights)
#   K          the knots, in the same panels: a column of n bins has n + 1
#   entries    IN: of each row and column, a row of K or V, and the factors of it and of the next (struct TableEntries)
#   dZ         IN, in panels or a vector, as linear.pxi has it;  Z: INOUT;  G: OUT, the gradient of rows of V
#
# A position in bin b of n, with fraction f, stands for n inputs: scale before b, scale (2f - 1) in b, -scale after. Their
# product with the column's rows of V is (1 - f) K_b + f K_b+1, with the knots
#
#     K_0 = -scale (V_0 + ... + V_n-1),    K_j+1 = K_j + 2 scale V_j
#
# which are computed once for all rows of a step. A code stands for as many inputs as there are levels, one of them
# scale, the others 0. So a row reads two rows of K for a position and one of V for a code, whatever the numbers of bins
# and levels. Backward, with S_j the sum of dZ over all rows in bins 0 .. j, and F_j that of f dZ over the rows in bin j,
#
#     dV_j = scale (S_n-1 - 2 (S_j - F_j))
#
# Order of sums: forward as in linear.pxi for the numbers (with one output as in a layer of d inputs, + b), then the
# positions column by column, (1 - f) K_b before f K_b+1, then the codes; one FMA each. Knots in the order of the bins.
# dV of bins: sums over the rows, sorted by bins, those of a bin in the order of the chunk. dV of a level adds its rows in
# that order. One FMA for each row.

cdef enum:
    PIECE = 512             # levels of a column whose gradient is computed together: it stays in L2

cdef struct TableWeights:   # V. In a region it follows the layers; in inference it is part of the caller's W0.
    real* V
    Py_ssize_t n_rows, n_out
    Py_ssize_t width        # columns of a panel: PANEL, or a power of two if n_out is at most half of that
    Py_ssize_t row_stride, panel_stride
    Py_ssize_t offset       # in a region

cdef struct TableEntries:   # of a chunk: entry of row i, column c at c * stride + i; positions come before codes
    int* index              # (p + k, stride) the row of K, or of V
    real* low               # (p + k, stride) its factor
    real* high              # (p, stride) the factor of the next row of K
    real* mask              # (p, stride) factors of dropout, which `low` and `high` contain; NULL: none
    Py_ssize_t n_columns    # p + k
    Py_ssize_t stride

cdef struct TablePiece:     # a column of positions, or up to PIECE levels of a column of codes
    Py_ssize_t column       # positions before codes
    Py_ssize_t first, n     # rows of V
    Py_ssize_t list         # the number of its first list of rows
    Py_ssize_t begin, end   # the cost of all pieces before it, and with it: about the time of a panel

cdef inline Py_ssize_t table_inputs(const TableLayout* table) noexcept nogil:
    """Rows of V."""
    cdef Py_ssize_t c, n = 0
    for c in range(table.n_positions):
        n += table.n_bins[c]
    for c in range(table.n_codes):
        n += table.n_levels[c]
    return n

cdef inline Py_ssize_t table_width(Py_ssize_t n_out) noexcept nogil:
    cdef Py_ssize_t width = 1
    while width < n_out and width < PANEL:
        width *= 2
    return width

cdef inline Py_ssize_t table_panels(const TableWeights* t) noexcept nogil:
    return (t.n_out + t.width - 1) // t.width

cdef inline Py_ssize_t table_size(const TableWeights* t) noexcept nogil:
    return table_panels(t) * t.panel_stride

cdef TableWeights table_weights(const Network* net, real* region, Py_ssize_t offset) noexcept nogil:
    """V in a region, at this offset. n_rows is 0 without a table."""
    cdef TableWeights t
    t.n_rows = table_inputs(net.table) if net.table != NULL else 0
    t.n_out = net.sizes[1] if net.n_layers > 0 else 1
    t.width = t.row_stride = table_width(t.n_out)
    t.panel_stride = t.n_rows * t.width
    t.offset = offset
    t.V = region + offset
    return t

cdef TableWeights user_weights(const Network* net) noexcept nogil:
    """V in the caller's W0, row-major."""
    cdef TableWeights t = table_weights(net, NULL, 0)
    t.V = <real*>net.weights[0] + net.table.n_numbers * t.n_out
    t.row_stride = t.n_out
    t.panel_stride = t.width
    return t

cdef Py_ssize_t region_size(const Network* net, Py_ssize_t n_rows) noexcept nogil:
    """Numbers in a region: the layers, and V with 16 unused numbers, which sums along memory may read."""
    cdef TableWeights t
    if net.table == NULL:
        return layers_size(net, n_rows)
    t = table_weights(net, NULL, 0)
    return layers_size(net, n_rows) + padded(table_size(&t) + 16)

cdef const real* pack_table(const TableWeights* t, const real* W, real* region) noexcept nogil:
    """Row-major V IN -> region OUT. Returns the end of V."""
    cdef Py_ssize_t i, j
    for j from 0 <= j < t.n_out by t.width:
        for i in range(t.n_rows):
            memcpy(region + t.offset + j // t.width * t.panel_stride + i * t.width, W + i * t.n_out + j,
                   min_(t.width, t.n_out - j) * sizeof(real))
    return W + t.n_rows * t.n_out

cdef real* unpack_table(const TableWeights* t, const real* region, real* W) noexcept nogil:
    """Region IN -> row-major V OUT. Returns the end of V."""
    cdef Py_ssize_t i, j
    for j from 0 <= j < t.n_out by t.width:
        for i in range(t.n_rows):
            memcpy(W + i * t.n_out + j, region + t.offset + j // t.width * t.panel_stride + i * t.width,
                   min_(t.width, t.n_out - j) * sizeof(real))
    return W + t.n_rows * t.n_out

# ---- vectors of a panel, or of two ----
#
# vecs, whole, panels: constants at every call. Not whole: a row has fewer numbers than vecs vectors. panels: 1, or 2 whole
# ones, which halve what is done for each entry and double the chains of FMAs.

cdef inline vec load_columns(const bint whole, const real* p, int v, Py_ssize_t n) noexcept nogil:
    """Vector v of a row of a panel that has n numbers."""
    return vload(p + v * LANES) if whole else vload_part(p + v * LANES, max_(n - v * LANES, 0))

cdef inline void store_columns(const bint whole, real* p, int v, Py_ssize_t n, vec a) noexcept nogil:
    if whole:
        vstore(p + v * LANES, a)
    else:
        vstore_part(p + v * LANES, a, max_(n - v * LANES, 0))

cdef inline Py_ssize_t columns_in_panel(const TableWeights* t, Py_ssize_t panel) noexcept nogil:
    """Numbers in a row of V: in a region, panels are whole."""
    return t.width if t.row_stride == t.width else min_(t.width, t.n_out - panel * t.width)

cdef inline bint is_pair(const TableWeights* t, Py_ssize_t panel) noexcept nogil:
    """Whether this panel and the next are computed together. (With more vectors they would not fit in registers.)"""
    return VECS <= 2 and t.width == PANEL and panel + 1 < table_panels(t) and columns_in_panel(t, panel + 1) == PANEL

# ---- knots ----

cdef inline Py_ssize_t n_knots(const TableLayout* table) noexcept nogil:
    """Rows of K."""
    cdef Py_ssize_t c, n = table.n_positions
    for c in range(table.n_positions):
        n += table.n_bins[c]
    return n

cdef Py_ssize_t knots_size(const Network* net) noexcept nogil:
    return n_knots(net.table) * round_up(net.sizes[1], table_width(net.sizes[1]))

cdef inline void column_knots(const int vecs, const bint whole, const int panels, Py_ssize_t n, real scale,
                              const TableWeights* t, const real* V, Py_ssize_t row_size, real* K,
                              Py_ssize_t knot_stride) noexcept nogil:
    """The n + 1 knots of a column. V, K: its first rows; knot_stride: from a panel of K to the next."""
    cdef vec s[2 * VECS]
    cdef vec twice = vset(2 * scale)
    cdef Py_ssize_t j
    cdef int v, q
    for v in range(panels * vecs):
        s[v] = vset(0)
    for j in range(n):
        for q in range(panels):
            for v in range(vecs):
                s[q * vecs + v] = vadd(s[q * vecs + v], load_columns(whole, V + q * t.panel_stride + j * t.row_stride, v,
                                                                     row_size))
    for q in range(panels):
        for v in range(vecs):
            s[q * vecs + v] = vmul(vset(-scale), s[q * vecs + v])
            store_columns(whole, K + q * knot_stride, v, t.width, s[q * vecs + v])
    for j in range(n):
        K += t.width
        for q in range(panels):
            for v in range(vecs):
                s[q * vecs + v] = vfma(twice, load_columns(whole, V + q * t.panel_stride + j * t.row_stride, v, row_size),
                                       s[q * vecs + v])
                store_columns(whole, K + q * knot_stride, v, t.width, s[q * vecs + v])

cdef void panel_knots(const TableLayout* table, const TableWeights* t, Py_ssize_t column, Py_ssize_t row,
                      Py_ssize_t knot, Py_ssize_t panel, real* knots) noexcept nogil:
    """K of a column in a panel, or in two. row, knot: the first of the column."""
    cdef Py_ssize_t n = table.n_bins[column], knot_stride = n_knots(table) * t.width
    cdef real scale = <real>table.position_scale[column]
    cdef const real* V = t.V + panel * t.panel_stride + row * t.row_stride
    cdef real* K = knots + panel * knot_stride + knot * t.width
    if is_pair(t, panel):
        column_knots(VECS, True, 2, n, scale, t, V, PANEL, K, knot_stride)
    elif columns_in_panel(t, panel) == PANEL:
        column_knots(VECS, True, 1, n, scale, t, V, PANEL, K, knot_stride)
    elif columns_in_panel(t, panel) == LANES and t.width == LANES:
        column_knots(1, True, 1, n, scale, t, V, LANES, K, knot_stride)
    else:
        column_knots(VECS, False, 1, n, scale, t, V, columns_in_panel(t, panel), K, knot_stride)

cdef void table_knots(const TableLayout* table, const TableWeights* t, Py_ssize_t first, Py_ssize_t end,
                      real* knots) noexcept nogil:
    """K of columns first..end."""
    cdef Py_ssize_t c, panel, row = 0, knot = 0
    for c in range(end):
        panel = 0
        while panel < table_panels(t) and c >= first:
            panel_knots(table, t, c, row, knot, panel, knots)
            panel += 2 if is_pair(t, panel) else 1
        row += table.n_bins[c]
        knot += table.n_bins[c] + 1

# ---- entries ----

cdef void layout_entries(const Network* net, Py_ssize_t rows, bint has_dropout, TableEntries* entries,
                         char** cursor) noexcept nogil:
    """Entries of so many rows, at the cursor, which moves. 16 unused rows: strides are no power of two."""
    entries.n_columns = net.table.n_positions + net.table.n_codes
    entries.stride = rows + 16
    entries.index = <int*>allocate(cursor, entries.n_columns * entries.stride * <Py_ssize_t>sizeof(int))
    entries.low = allocate_reals(cursor, entries.n_columns * entries.stride)
    entries.high = allocate_reals(cursor, net.table.n_positions * entries.stride)
    entries.mask = allocate_reals(cursor, net.table.n_positions * entries.stride) if has_dropout else NULL

cdef void read_entries(const TableLayout* table, const TableRows* X, Py_ssize_t base, const Py_ssize_t* order,
                       Py_ssize_t lo, Py_ssize_t hi, TableEntries* entries) noexcept nogil:
    """OUT: entries of the rows lo..hi of a chunk: row i is row order[i] of the table, or base + i if order is NULL.

    What the caller has changed after the check is read as the nearest position (a NaN as 0), or as no level."""
    cdef Py_ssize_t i, c, q, row, n, first = 0, p = table.n_positions, k = table.n_codes
    cdef const real* x
    cdef const int* codes
    cdef real position, end, scale
    cdef int bin, code
    for c in range(p):
        x = <const real*>X.positions + c
        n = table.n_bins[c]
        end = <real>n
        q = c * entries.stride
        for i in range(lo, hi):
            position = x[(order[i] if order != NULL else base + i) * p]
            position = position if position > 0 else 0
            position = position if position < end else end
            bin = <int>position
            bin = bin if bin < n else <int>n - 1        # the end of the last bin
            position -= <real>bin
            entries.index[q + i] = <int>first + bin
            entries.low[q + i] = 1 - position
            entries.high[q + i] = position
        first += n + 1
    first -= p                              # from rows of K to rows of V
    for c in range(k):
        codes = X.codes + c
        n = table.n_levels[c]
        scale = <real>table.code_scale[c]
        q = (p + c) * entries.stride
        for i in range(lo, hi):
            code = codes[(order[i] if order != NULL else base + i) * k]
            entries.index[q + i] = <int>first + (code if 0 <= code < n else 0)
            entries.low[q + i] = scale if 0 <= code < n else 0
        first += n

cdef void drop_entries(unsigned long long key, Py_ssize_t first, double rate, Py_ssize_t lo, Py_ssize_t hi,
                       const TableLayout* table, TableEntries* entries) noexcept nogil:
    """Dropout of whole columns: column c is unit d + c of the layer's inputs (dropout.pxi)."""
    cdef Py_ssize_t i, c, q
    cdef unsigned long long row
    cdef unsigned int threshold = <unsigned int>(rate * 4294967296.0)
    cdef real factor, scale = <real>(1 / (1 - rate))
    for i in range(lo, hi):
        row = mix_in(key, first + i)
        for c in range(entries.n_columns):
            q = c * entries.stride + i
            factor = draw_factor(<unsigned int>row, <unsigned int>(row >> 32), <unsigned int>(table.n_numbers + c),
                                 threshold, scale)
            entries.low[q] *= factor
            if c < table.n_positions:
                entries.high[q] *= factor
                entries.mask[q] = factor

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
        linear_forward(lo, hi, &numbers)
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

cdef struct TableColumn:    # positions before codes
    Py_ssize_t index        # the row of K or V of its first bin or level
    Py_ssize_t list         # the number of its first list
    bint by_piece           # one list for each piece

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

# ---- sums of squares of the rows of V, in 16 lanes (sums.pxi) ----

cdef void table_row_squares(const Step* step, const TableWeights* t, const real* grads, real prescale, Py_ssize_t lo,
                            Py_ssize_t hi, real* out) noexcept nogil:
    """`squares` (train/update.pxi) of the rows lo..hi of V. grads: a region."""
    cdef lanes16 sums
    cdef vec a
    cdef Py_ssize_t i, j, q
    cdef int v
    for i in range(lo, hi):
        clear16(&sums)
        for j from 0 <= j < t.n_out by 16:
            for v in range(SUM_VECS):
                if j + v * LANES < t.n_out:
                    q = (j + v * LANES) // t.width * t.panel_stride + (j + v * LANES) % t.width + i * t.width
                    a = add_penalties(step, vload(t.V + q), vload(grads + t.offset + q))
                    a = vmul(vset(prescale), blend_first(a, t.n_out - j - v * LANES, vset(0)))
                    fma16(&sums, v, a, a)
        out[i] = total16(&sums)

cdef real table_sum_of_squares(const TableWeights* t, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """The sum of squares of n rows of V."""
    cdef lanes16 sums
    cdef vec a
    cdef Py_ssize_t i, j, q
    cdef int v
    clear16(&sums)
    for j from 0 <= j < t.n_out by 16:
        for v in range(SUM_VECS):
            if j + v * LANES < t.n_out:
                q = (j + v * LANES) // t.width * t.panel_stride + (j + v * LANES) % t.width + first * t.width
                for i in range(n):
                    a = blend_first(vload(t.V + q + i * t.width), t.n_out - j - v * LANES, vset(0))
                    fma16(&sums, v, a, a)
    return total16(&sums)
