# A table as the inputs of the first layer, of which most are not stored: their weights, knots, and the entries of rows.
# table_products.pxi computes with them.
#
#   n, lo, hi  rows of a chunk; the rows that a call computes
#   d, p, k    columns of numbers, of positions, of codes (struct TableLayout)
#   V          the rows of W0 after the first d, those of the numbers: the bins column by column, then the levels column
#              by column, in panels of `width` columns (struct TableWeights)
#   K          the knots, in the same panels: a column of n bins has n + 1
#   entries    of each row and column, a row of K or V, and the factors of it and of the next (struct TableEntries)
#
# A position in bin b of n, with fraction f, stands for n inputs: scale before b, scale (2f - 1) in b, -scale after. Their
# product with the column's rows of V is (1 - f) K_b + f K_b+1, with the knots
#
#     K_0 = -scale (V_0 + ... + V_n-1),    K_j+1 = K_j + 2 scale V_j
#
# which are computed once for all rows of a step. A code stands for as many inputs as there are levels, one of them
# scale, the others 0.
#
# Order of sums: knots in the order of the bins.

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

cdef struct KnotColumn:     # a column of bins in a panel, or in two
    Py_ssize_t n            # bins
    real scale
    const TableWeights* t
    const real* V           # IN: its first row in the first panel
    Py_ssize_t row_size     # numbers of a row of V in a panel
    real* K                 # OUT: likewise
    Py_ssize_t knot_stride  # from a panel of K to the next

cdef inline void column_knots(const int vecs, const bint whole, const int panels, const KnotColumn* column) noexcept nogil:
    """The n + 1 knots of a column."""
    cdef KnotColumn c = column[0]           # a local copy: stores cannot change it
    cdef vec s[2 * VECS]
    cdef vec twice = vset(2 * c.scale)
    cdef Py_ssize_t j, row_stride = c.t.row_stride, panel_stride = c.t.panel_stride, width = c.t.width
    cdef int v, q
    for v in range(panels * vecs):
        s[v] = vset(0)
    for j in range(c.n):
        for q in range(panels):
            for v in range(vecs):
                s[q * vecs + v] = vadd(s[q * vecs + v], load_columns(whole, c.V + q * panel_stride + j * row_stride, v,
                                                                     c.row_size))
    for q in range(panels):
        for v in range(vecs):
            s[q * vecs + v] = vmul(vset(-c.scale), s[q * vecs + v])
            store_columns(whole, c.K + q * c.knot_stride, v, width, s[q * vecs + v])
    for j in range(c.n):
        c.K += width
        for q in range(panels):
            for v in range(vecs):
                s[q * vecs + v] = vfma(twice, load_columns(whole, c.V + q * panel_stride + j * row_stride, v, c.row_size),
                                       s[q * vecs + v])
                store_columns(whole, c.K + q * c.knot_stride, v, width, s[q * vecs + v])

cdef struct BinColumn:      # a column of bins
    Py_ssize_t column
    Py_ssize_t row, knot    # its first rows of V and K

cdef void panel_knots(const TableLayout* table, const TableWeights* t, BinColumn bins, Py_ssize_t panel,
                      real* knots) noexcept nogil:
    """K of a column in a panel, or in two."""
    cdef KnotColumn c
    c.n = table.n_bins[bins.column]
    c.scale = <real>table.position_scale[bins.column]
    c.t = t
    c.V = t.V + panel * t.panel_stride + bins.row * t.row_stride
    c.row_size = columns_in_panel(t, panel)
    c.knot_stride = n_knots(table) * t.width
    c.K = knots + panel * c.knot_stride + bins.knot * t.width
    if is_pair(t, panel):
        column_knots(VECS, True, 2, &c)
    elif c.row_size == PANEL:
        column_knots(VECS, True, 1, &c)
    elif c.row_size == LANES and t.width == LANES:
        column_knots(1, True, 1, &c)
    else:
        column_knots(VECS, False, 1, &c)

cdef void table_knots(const TableLayout* table, const TableWeights* t, Py_ssize_t first, Py_ssize_t end,
                      real* knots) noexcept nogil:
    """K of columns first..end."""
    cdef Py_ssize_t c, panel
    cdef BinColumn bins
    bins.row = bins.knot = 0
    for c in range(end):
        bins.column = c
        panel = 0
        while panel < table_panels(t) and c >= first:
            panel_knots(table, t, bins, panel, knots)
            panel += 2 if is_pair(t, panel) else 1
        bins.row += table.n_bins[c]
        bins.knot += table.n_bins[c] + 1

cdef struct TableInputs:    # what the first layer reads of a table
    const TableLayout* table
    const TableWeights* t
    const TableEntries* entries     # of the rows of a chunk
    const real* knots

# ---- entries ----

cdef void layout_entries(const Network* net, Py_ssize_t rows, bint has_dropout, TableEntries* entries,
                         char** cursor) noexcept nogil:
    """Entries of this many rows, at the cursor, which moves. 16 unused rows: strides are no power of two."""
    entries.n_columns = net.table.n_positions + net.table.n_codes
    entries.stride = rows + 16
    entries.index = <int*>allocate(cursor, entries.n_columns * entries.stride * <Py_ssize_t>sizeof(int))
    entries.low = allocate_reals(cursor, entries.n_columns * entries.stride)
    entries.high = allocate_reals(cursor, net.table.n_positions * entries.stride)
    entries.mask = allocate_reals(cursor, net.table.n_positions * entries.stride) if has_dropout else NULL

cdef void read_entries(const TableLayout* table, const TableRows* X, const RowOrder* order, Py_ssize_t lo,
                       Py_ssize_t hi, TableEntries* entries) noexcept nogil:
    """OUT: entries of the rows lo..hi of a chunk.

    What the caller has changed after the check is read as the nearest position (a NaN as 0), or as no level."""
    cdef RowOrder rows = order[0]           # a local copy: stores cannot change it
    cdef Py_ssize_t i, c, q, n, first = 0, p = table.n_positions, k = table.n_codes
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
            position = x[user_row(&rows, i) * p]
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
            code = codes[user_row(&rows, i) * k]
            entries.index[q + i] = <int>first + (code if 0 <= code < n else 0)
            entries.low[q + i] = scale if 0 <= code < n else 0
        first += n

cdef void drop_entries(Py_ssize_t lo, Py_ssize_t hi, const LayerDropout* dropout, const TableLayout* table,
                       TableEntries* entries) noexcept nogil:
    """Dropout of whole columns: column c is unit d + c of the layer's inputs (dropout.pxi)."""
    cdef Py_ssize_t i, c, q
    cdef LayerDropout d = dropout[0]        # a local copy: stores cannot change it
    cdef unsigned long long key
    cdef real factor
    for i in range(lo, hi):
        key = row_key(&d, i)
        for c in range(entries.n_columns):
            q = c * entries.stride + i
            factor = draw_factor(&d, key, <unsigned int>(table.n_numbers + c))
            entries.low[q] *= factor
            if c < table.n_positions:
                entries.high[q] *= factor
                entries.mask[q] = factor

# ---- sums of squares of the rows of V, in 16 lanes (sums.pxi) ----

cdef void table_row_squares(const ScaledGradient* scaled, const TableWeights* t, const real* grads, Py_ssize_t lo,
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
                    a = scale_gradient(scaled, vload(t.V + q), vload(grads + t.offset + q))
                    a = blend_first(a, t.n_out - j - v * LANES, vset(0))
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
