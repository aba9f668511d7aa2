# A table as the inputs of the first layer: Z = X W + b, where most of X is not stored.
#
#   n, lo, hi  rows of a chunk; the rows that a call computes
#   m          outputs of the layer
#   d, p, k    columns of numbers, of positions, of codes (struct TableLayout)
#   V          the rows of W0 after the first d, those of the numbers: the bins column by column, then the levels column
#              by column, in panels of `width` columns (struct TableWeights)
#   K          the knots, in the same panels: a column of n bins has n + 1
#   entries    IN: of each row and column, a row of K or V, and the factors of it and of the next (struct TableEntries)
#   dZ         IN, in panels or a vector, as linear.pxi has it;  Z: INOUT;  G: OUT, gradients of knots or levels
#
# A position in bin b of n, with fraction f, stands for n inputs: scale before b, scale (2f - 1) in b, -scale after. Their
# product with the column's rows of V is (1 - f) K_b + f K_b+1, with the knots
#
#     K_0 = -scale (V_0 + ... + V_n-1),    K_j+1 = K_j + 2 scale V_j
#
# which are computed once for all rows of a step. A code stands for as many inputs as there are levels, one of them
# scale, the others 0. So a row reads two rows of K for a position and one of V for a code, whatever the numbers of bins
# and levels. Backward, the gradients of the knots g_0 .. g_n are sums over the rows, and
#
#     dV_j = scale (G - 2 (g_0 + ... + g_j)),    G = g_0 + ... + g_n
#
# Order of sums: forward as in linear.pxi for the numbers (with one output as in a layer of d inputs, + b), then the
# positions column by column, (1 - f) K_b before f K_b+1, then the codes; one FMA each. Knots in the order of the bins.
# Gradients of knots and levels add the rows of a chunk in order, one FMA each; sums over knots in their order.
#
# A step of 14 columns of 70 bins, 980-64-64-1, batch 256 ... (docs/decisions/0027-table-input-layer.md)

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
    Py_ssize_t stride

cdef struct TablePiece:     # a column of positions, or up to PIECE levels of a column of codes
    Py_ssize_t column       # positions before codes
    Py_ssize_t first, n     # rows of V
    Py_ssize_t index        # the row of K or V to which `first` belongs
    Py_ssize_t cost         # of all pieces before

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

# ---- vectors of a panel. vecs, whole: constants at every call. Not whole: only the first n numbers are there. ----

cdef inline vec load_columns(const bint whole, const real* p, int v, Py_ssize_t n) noexcept nogil:
    """Vector v of a row of a panel."""
    return vload(p + v * LANES) if whole else vload_part(p + v * LANES, max_(n - v * LANES, 0))

cdef inline void store_columns(const bint whole, real* p, int v, Py_ssize_t n, vec a) noexcept nogil:
    if whole:
        vstore(p + v * LANES, a)
    else:
        vstore_part(p + v * LANES, a, max_(n - v * LANES, 0))

# ---- knots ----

cdef inline Py_ssize_t n_knots(const TableLayout* table) noexcept nogil:
    """Rows of K."""
    cdef Py_ssize_t c, n = table.n_positions
    for c in range(table.n_positions):
        n += table.n_bins[c]
    return n

cdef Py_ssize_t knots_size(const Network* net) noexcept nogil:
    return n_knots(net.table) * round_up(net.sizes[1], table_width(net.sizes[1]))

cdef inline void column_knots(const int vecs, const bint whole, Py_ssize_t n, real scale, const real* V,
                              Py_ssize_t row_stride, Py_ssize_t n_columns, real* K, Py_ssize_t width) noexcept nogil:
    """The n + 1 knots of a column in one panel, of which V has n_columns columns."""
    cdef vec s[VECS]
    cdef vec twice = vset(2 * scale)
    cdef Py_ssize_t j
    cdef int v
    for v in range(vecs):
        s[v] = vset(0)
    for j in range(n):
        for v in range(vecs):
            s[v] = vadd(s[v], load_columns(whole, V + j * row_stride, v, n_columns))
    for v in range(vecs):
        s[v] = vmul(vset(-scale), s[v])
        store_columns(whole, K, v, width, s[v])
    for j in range(n):
        K += width
        for v in range(vecs):
            s[v] = vfma(twice, load_columns(whole, V + j * row_stride, v, n_columns), s[v])
            store_columns(whole, K, v, width, s[v])

cdef void table_knots(const TableLayout* table, const TableWeights* t, Py_ssize_t first, Py_ssize_t end,
                      real* knots) noexcept nogil:
    """K of some columns of some panels: numbers first..end, along the panels."""
    cdef Py_ssize_t c, q, number = 0, row, knot, n_columns, knot_rows = n_knots(table)
    cdef const real* V
    cdef real* K
    for q in range(table_panels(t)):
        row = knot = 0
        n_columns = min_(t.width, t.n_out - q * t.width)
        for c in range(table.n_positions):
            if first <= number < end:
                V = t.V + q * t.panel_stride + row * t.row_stride
                K = knots + (q * knot_rows + knot) * t.width
                if t.row_stride == t.width:         # a region has whole panels
                    n_columns = t.width
                if n_columns % LANES == 0 and n_columns == PANEL:
                    column_knots(VECS, True, table.n_bins[c], <real>table.position_scale[c], V, t.row_stride, n_columns,
                                 K, t.width)
                elif n_columns == LANES and t.width == LANES:
                    column_knots(1, True, table.n_bins[c], <real>table.position_scale[c], V, t.row_stride, n_columns,
                                 K, t.width)
                else:
                    column_knots(VECS, False, table.n_bins[c], <real>table.position_scale[c], V, t.row_stride, n_columns,
                                 K, t.width)
            number += 1
            row += table.n_bins[c]
            knot += table.n_bins[c] + 1

# ---- entries ----

cdef void layout_entries(const Network* net, Py_ssize_t rows, TableEntries* entries, char** cursor) noexcept nogil:
    """Entries of so many rows, at the cursor, which moves. 16 unused rows: strides are no power of two."""
    cdef const TableLayout* table = net.table
    entries.stride = rows + 16
    entries.index = <int*>allocate(
        cursor, (table.n_positions + table.n_codes) * entries.stride * <Py_ssize_t>sizeof(int))
    entries.low = allocate_reals(cursor, (table.n_positions + table.n_codes) * entries.stride)
    entries.high = allocate_reals(cursor, table.n_positions * entries.stride)

cdef void read_entries(const TableLayout* table, const TableRows* X, Py_ssize_t base, const Py_ssize_t* order,
                       Py_ssize_t lo, Py_ssize_t hi, TableEntries* entries) noexcept nogil:
    """OUT: entries of the rows lo..hi of a chunk: row i is row order[i] of the table, or base + i if order is NULL."""
    cdef Py_ssize_t i, c, q, row, knot, b, p = table.n_positions
    cdef const real* x
    cdef const int* codes
    cdef real f, n
    for i in range(lo, hi):
        row = order[i] if order != NULL else base + i
        x = <const real*>X.positions + row * p
        knot = 0
        q = i
        for c in range(p):                  # within its range even if the caller has changed it; a NaN is 0
            n = <real>table.n_bins[c]
            f = x[c] if x[c] > 0 else 0
            f = f if f < n else n
            b = <Py_ssize_t>f
            if b == table.n_bins[c]:        # the end of the last bin
                b -= 1
            f -= <real>b
            entries.index[q] = <int>(knot + b)
            entries.low[q] = 1 - f
            entries.high[q] = f
            knot += table.n_bins[c] + 1
            q += entries.stride
        codes = X.codes + row * table.n_codes
        knot = 0
        for c in range(p):
            knot += table.n_bins[c]
        for c in range(table.n_codes):
            if 0 <= codes[c] < table.n_levels[c]:
                entries.index[q] = <int>(knot + codes[c])
                entries.low[q] = <real>table.code_scale[c]
            else:
                entries.index[q] = <int>knot
                entries.low[q] = 0
            knot += table.n_levels[c]
            q += entries.stride

cdef void drop_entries(unsigned long long key, Py_ssize_t first, double rate, Py_ssize_t lo, Py_ssize_t hi,
                       const TableLayout* table, TableEntries* entries) noexcept nogil:
    """Dropout of whole columns: column c is unit d + c of the layer's inputs (dropout.pxi)."""
    cdef Py_ssize_t i, c
    cdef unsigned long long row
    cdef unsigned int threshold = <unsigned int>(rate * 4294967296.0)
    cdef real factor, scale = <real>(1 / (1 - rate))
    for i in range(lo, hi):
        row = mix_in(key, first + i)
        for c in range(table.n_positions + table.n_codes):
            factor = draw_factor(<unsigned int>row, <unsigned int>(row >> 32), <unsigned int>(table.n_numbers + c),
                                 threshold, scale)
            entries.low[c * entries.stride + i] *= factor
            if c < table.n_positions:
                entries.high[c * entries.stride + i] *= factor

# ---- forward ----

cdef inline void add_entries(const int vecs, const bint whole, Py_ssize_t lo, Py_ssize_t hi, const TableLayout* table,
                             const TableEntries* entries, const real* K, const TableWeights* t, const real* V,
                             Py_ssize_t n_columns, real* Z, Py_ssize_t row_stride) noexcept nogil:
    """Z += the positions and codes of rows lo..hi, in one panel."""
    cdef vec s[VECS]
    cdef vec a
    cdef const real* w
    cdef Py_ssize_t i, q, c, width = t.width
    cdef int v
    for i in range(lo, hi):
        for v in range(vecs):
            s[v] = load_columns(whole, Z + i * row_stride, v, width)
        q = i
        for c in range(table.n_positions):
            w = K + entries.index[q] * width
            a = vset(entries.low[q])
            for v in range(vecs):
                s[v] = vfma(a, load_columns(whole, w, v, width), s[v])
            a = vset(entries.high[q])
            for v in range(vecs):
                s[v] = vfma(a, load_columns(whole, w + width, v, width), s[v])
            q += entries.stride
        for c in range(table.n_codes):
            w = V + entries.index[q] * t.row_stride
            a = vset(entries.low[q])
            for v in range(vecs):
                s[v] = vfma(a, load_columns(whole, w, v, n_columns), s[v])
            q += entries.stride
        for v in range(vecs):
            store_columns(whole, Z + i * row_stride, v, width, s[v])

cdef void table_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, const TableLayout* table,
                        const TableEntries* entries, const real* knots, const TableWeights* t) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b); layer.inputs are the numbers."""
    cdef Layer numbers = layer[0]
    cdef Py_ssize_t q, n_columns, knot_rows = n_knots(table)
    cdef const real* K
    cdef const real* V
    cdef real* Z
    numbers.activation = IDENTITY
    numbers.Y = layer.Z
    if layer.n_out == 1:
        dot_forward(lo, hi, &numbers)
    elif layer.transposed:
        narrow_forward(lo, hi, &numbers)
    else:
        linear_forward(lo, hi, &numbers)
    for q in range(table_panels(t)):
        n_columns = t.width if t.row_stride == t.width else min_(t.width, t.n_out - q * t.width)
        K = knots + q * knot_rows * t.width
        V = t.V + q * t.panel_stride
        Z = layer.Z.data + q * layer.Z.stride
        if n_columns == PANEL:
            add_entries(VECS, True, lo, hi, table, entries, K, t, V, n_columns, Z, layer.row_stride)
        elif n_columns == LANES and t.width == LANES:
            add_entries(1, True, lo, hi, table, entries, K, t, V, n_columns, Z, layer.row_stride)
        else:
            add_entries(VECS, False, lo, hi, table, entries, K, t, V, n_columns, Z, layer.row_stride)
    if layer.row_stride == 1:
        elementwise_forward(layer.activation, layer.Z.data + lo, layer.Y.data + lo, hi - lo, LANES)
    else:
        activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z.data, layer.Y.data, layer.Y.stride)

# ---- backward: a piece in one panel. G: n rows of a piece of codes, n + 1 of positions. ----

cdef Py_ssize_t count_pieces(const TableLayout* table) noexcept nogil:
    cdef Py_ssize_t c, n = table.n_positions
    for c in range(table.n_codes):
        n += (table.n_levels[c] + PIECE - 1) // PIECE
    return n

cdef Py_ssize_t find_pieces(const TableLayout* table, TablePiece* pieces) noexcept nogil:
    """OUT: all pieces, in the order of their rows of V."""
    cdef Py_ssize_t c, i, row = 0, knot = 0, cost = 0
    cdef TablePiece* piece = pieces
    for c in range(table.n_positions):
        piece.column, piece.first, piece.n, piece.index, piece.cost = c, row, table.n_bins[c], knot, cost
        cost += CHUNK + piece.n
        row += piece.n
        knot += piece.n + 1
        piece += 1
    for c in range(table.n_codes):
        for i from 0 <= i < table.n_levels[c] by PIECE:
            piece.column, piece.first, piece.n, piece.cost = table.n_positions + c, row, min_(PIECE, table.n_levels[c] - i), cost
            piece.index = row
            cost += CHUNK + piece.n
            row += piece.n
            piece += 1
    return cost

cdef Py_ssize_t piece_size(const Network* net) noexcept nogil:
    """Numbers of G, for the largest piece."""
    cdef Py_ssize_t c, n = PIECE if net.table.n_codes > 0 else 0
    for c in range(net.table.n_positions):
        n = max_(n, net.table.n_bins[c] + 1)
    return padded(n * table_width(net.sizes[1]))

cdef inline void knot_gradients(const int vecs, const bint whole, Py_ssize_t n, const TablePiece* piece, real scale,
                                const TableEntries* entries, const real* dZ, Py_ssize_t row_stride, real* G,
                                Py_ssize_t width) noexcept nogil:
    """The gradient of a column of bins: of the knots first, from which that of the bins follows."""
    cdef vec total[VECS]
    cdef vec d[VECS]
    cdef vec a, b
    cdef real* g
    cdef Py_ssize_t i, q = piece.column * entries.stride
    cdef int v
    memset(G, 0, (piece.n + 1) * width * sizeof(real))
    for i in range(n):
        g = G + (entries.index[q + i] - piece.index) * width
        a = vset(entries.low[q + i])
        b = vset(entries.high[q + i])
        for v in range(vecs):
            d[v] = load_columns(whole, dZ + i * row_stride, v, width)
        for v in range(vecs):
            store_columns(whole, g, v, width, vfma(a, d[v], load_columns(whole, g, v, width)))
        for v in range(vecs):
            store_columns(whole, g + width, v, width, vfma(b, d[v], load_columns(whole, g + width, v, width)))
    for v in range(vecs):
        total[v] = d[v] = vset(0)
    for i in range(piece.n + 1):
        for v in range(vecs):
            total[v] = vadd(total[v], load_columns(whole, G + i * width, v, width))
    a = vset(scale)
    for i in range(piece.n):
        for v in range(vecs):
            d[v] = vadd(d[v], load_columns(whole, G + i * width, v, width))
            store_columns(whole, G + i * width, v, width, vmul(a, vfnma(vset(2), d[v], total[v])))

cdef inline void level_gradients(const int vecs, const bint whole, Py_ssize_t n, const TablePiece* piece,
                                 const TableEntries* entries, const real* dZ, Py_ssize_t row_stride, real* G,
                                 Py_ssize_t width) noexcept nogil:
    """The gradient of some levels of a column."""
    cdef vec a
    cdef real* g
    cdef Py_ssize_t i, level, q = piece.column * entries.stride
    cdef int v
    memset(G, 0, piece.n * width * sizeof(real))
    for i in range(n):
        level = entries.index[q + i] - piece.index
        if 0 <= level < piece.n:
            g = G + level * width
            a = vset(entries.low[q + i])
            for v in range(vecs):
                store_columns(whole, g, v, width, vfma(a, load_columns(whole, dZ + i * row_stride, v, width),
                                                       load_columns(whole, g, v, width)))

cdef inline void piece_gradient(const int vecs, const bint whole, Py_ssize_t n, const TablePiece* piece,
                                const TableLayout* table, const TableEntries* entries, const real* dZ,
                                Py_ssize_t row_stride, real* G, Py_ssize_t width) noexcept nogil:
    if piece.column < table.n_positions:
        knot_gradients(vecs, whole, n, piece, <real>table.position_scale[piece.column], entries, dZ, row_stride, G, width)
    else:
        level_gradients(vecs, whole, n, piece, entries, dZ, row_stride, G, width)

cdef void table_backward_piece(Py_ssize_t n, Py_ssize_t panel, const TablePiece* piece, const Layer* layer,
                               const TableLayout* table, const TableEntries* entries, const TableWeights* t, real* G,
                               real* grads, bint add, const Step* step, Py_ssize_t moment_stride) noexcept nogil:
    """dV of a piece in one panel over the n rows of a chunk, added to the region `grads` if `add`. With a step, V is
    updated instead. G: memory of piece_size numbers."""
    cdef const real* dZ = layer.dZ.data + panel * layer.dZ.stride
    cdef Py_ssize_t i, q = panel * t.panel_stride + piece.first * t.width, size = piece.n * t.width
    cdef real* dV
    if t.width == PANEL:
        piece_gradient(VECS, True, n, piece, table, entries, dZ, layer.row_stride, G, t.width)
    elif t.width == LANES:
        piece_gradient(1, True, n, piece, table, entries, dZ, layer.row_stride, G, t.width)
    else:
        piece_gradient(VECS, False, n, piece, table, entries, dZ, layer.row_stride, G, t.width)
    if step != NULL:
        update_in_region(step, t.V + q, G, moment_stride, size)
        return
    dV = grads + t.offset + q
    if not add:
        memcpy(dV, G, size * sizeof(real))
        return
    for i from 0 <= i < size by LANES:
        store_some(dV + i, vadd(load_some(dV + i, size - i), load_some(G + i, size - i)), size - i)

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
