# Column panels: the layout of every matrix inside the kernels.
#
# A matrix with r rows and c columns is stored as [panel][row][PANEL]: panel q holds PANEL columns, from q*PANEL on, of
# all rows, row after row.
#
#     element (i, j)  at  data + column_offset(j, stride) + i*PANEL        stride: from one panel to the next
#
# PANEL neighbouring columns of a row are contiguous, and the rows of a panel follow each other. So every inner loop
# runs straight through memory, whatever the width: no tails, no packing in a step.
#
#   c          columns; those beyond c, up to a whole panel, are 0 as long as all numbers are finite; no sum reads them
#              (inference uses two matrices in turn: there the unused half of a narrow panel holds old numbers)
#   lo, hi     rows of a chunk; rows beyond the chunk's last hold anything, and no sum reads them
#   row-major  X (n, c) and W (n_in, n_out), unpadded: the user's arrays
#
# Weights, gradients and moments exist twice: row-major in the user's arrays, in panels while a training runs. W (n_in,
# n_out) is in panels of outputs with n_in rows, T = W^T in panels of inputs with n_out rows. A layer with few outputs has
# only T, and W is another name of it: with one output it is a vector, whose products are dot products along memory
# (dot.pxi); with few outputs, panels of W would have much padding (narrow.pxi).

cdef inline Py_ssize_t round_up(Py_ssize_t n, Py_ssize_t q) noexcept nogil:
    """n rounded up to a multiple of q, a power of two. (A division took 1 % of a step of a tiny network.)"""
    return (n + q - 1) & -q

cdef inline Py_ssize_t column_offset(Py_ssize_t j, Py_ssize_t stride) noexcept nogil:
    """The offset of column j in row 0."""
    return j // PANEL * stride + j % PANEL

cdef struct Panels:         # a matrix in panels
    real* data
    Py_ssize_t stride

cdef inline Panels panels(real* data, Py_ssize_t stride) noexcept nogil:
    cdef Panels P
    P.data = data
    P.stride = stride
    return P

cdef inline real* element(Panels P, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """The address of row i, column j."""
    return P.data + column_offset(j, P.stride) + i * PANEL

cdef inline Panels from_column(Panels P, Py_ssize_t j) noexcept nogil:
    """The matrix without its first j columns. j is a multiple of PANEL."""
    return panels(element(P, 0, j), P.stride)

cdef inline Py_ssize_t min_(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b

cdef inline Py_ssize_t max_(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a > b else b

cdef inline int vecs_used(Py_ssize_t c, Py_ssize_t j) noexcept nogil:
    """How many vecs of the panel that begins with column j hold numbers: 1, 2 or VECS (3 count as 4).

    So 10 outputs cost 16, not 32."""
    return 1 if c - j <= LANES else 2 if c - j <= 2 * LANES and VECS > 2 else VECS

cdef inline Py_ssize_t padded(Py_ssize_t c) noexcept nogil:
    """Columns in memory for c columns: whole panels, and whole groups of the 16 lanes of a row's sums."""
    return round_up(c, PANEL if PANEL > 16 else 16)

cdef enum:
    MIN_NARROW_INPUTS = 2 * LANES           # with fewer inputs or rows, panels of W are as fast or faster,
    MIN_NARROW_ROWS = LANES // 2 + 1
    FEW_OUTPUTS = 5                         # but for so few outputs, where most lanes of a panel are empty

# Panel stride and size of a layer's weights. BLOCK*PANEL is at least 16, so every size is a multiple of 16.
cdef inline Py_ssize_t weight_stride(Py_ssize_t n_in) noexcept nogil:
    return round_up(n_in, BLOCK) * PANEL

cdef inline Py_ssize_t weight_size(Py_ssize_t n_in, Py_ssize_t n_out, bint transposed) noexcept nogil:
    return padded(n_in) * n_out if transposed else padded(n_out) // PANEL * weight_stride(n_in)

cdef inline bint is_narrow(Py_ssize_t n_out) noexcept nogil:
    """Whether panels of this many outputs, at least 2, leave many lanes empty: 2 to 10 or 17 to 20 outputs with 16 lanes,
    2 to 5, 9 or 10 with 8."""
    return n_out <= LANES + LANES // 4 and (n_out - 1) % LANES < NARROW

cdef inline bint stores_transpose(Py_ssize_t n_in, Py_ssize_t n_out, Py_ssize_t n_rows) noexcept nogil:
    """Whether a layer has only W^T. n_rows: of a batch; few rows leave lanes empty that are rows."""
    cdef bint fits = n_in >= MIN_NARROW_INPUTS and n_rows >= MIN_NARROW_ROWS
    if n_out <= FEW_OUTPUTS:
        fits = n_in >= min_(4 * n_out, MIN_NARROW_INPUTS)
    return n_out == 1 or (fits and is_narrow(n_out))

# ---- a region: all parameters of a network, or as many moments or gradients, in panels ----

cdef struct LayerLayout:
    Py_ssize_t n_in, n_out
    bint transposed         # only W^T is stored
    Py_ssize_t W, stride    # offset of the weights, and their panel stride
    Py_ssize_t b            # offset of the biases; a layer without bias has room for them too
    Py_ssize_t end          # offset of the next layer

cdef inline Py_ssize_t layer_inputs(const Network* net, Py_ssize_t l) noexcept nogil:
    """Inputs of layer l that are numbers: all, but those of a table (table.pxi)."""
    return net.sizes[l] if l > 0 or net.table == NULL else net.table.n_numbers

cdef inline LayerLayout layer_layout(const Network* net, Py_ssize_t n_rows, Py_ssize_t l,
                                     Py_ssize_t begin) noexcept nogil:
    """The layout of layer l, at offset `begin`: 0, or the end of layer l - 1. n_rows: of a batch."""
    cdef LayerLayout p
    p.n_in = layer_inputs(net, l)
    p.n_out = net.sizes[l + 1]
    p.transposed = stores_transpose(p.n_in, p.n_out, n_rows)
    p.W = begin
    p.stride = p.n_out * PANEL if p.transposed else weight_stride(p.n_in)
    p.b = begin + weight_size(p.n_in, p.n_out, p.transposed)
    p.end = p.b + padded(p.n_out)
    return p

cdef Py_ssize_t layers_size(const Network* net, Py_ssize_t n_rows) noexcept nogil:
    """The size of a region without the weights of a table, which follow the layers."""
    cdef Py_ssize_t l, end = 0
    for l in range(net.n_layers):
        end = layer_layout(net, n_rows, l, end).end
    return end

# ---- into panels and back ----

cdef enum:
    PACKED_ROWS = 32        # rows of W that are packed together: their cache lines are read one after the other

cdef inline void copy_row(const real* source, real* target, Py_ssize_t n) noexcept nogil:
    """At most a row of a panel. A constant size needs no call."""
    if n >= PANEL:
        memcpy(target, source, PANEL * sizeof(real))
    else:
        memcpy(target, source, n * sizeof(real))

cdef void pack(LayerLayout layout, const real* W, real* P) noexcept nogil:
    """Row-major W (n_in, n_out) IN -> panels P OUT, of W^T if transposed. The padding of P must be 0."""
    cdef Py_ssize_t first, i, j, n_in = layout.n_in, n_out = layout.n_out, stride = layout.stride
    if n_out == 1:
        memcpy(P, W, n_in * sizeof(real))
        return
    if layout.transposed:
        for i in range(n_in):
            for j in range(n_out):
                P[column_offset(i, stride) + j * PANEL] = W[i * n_out + j]
        return
    for first from 0 <= first < n_in by PACKED_ROWS:
        for j from 0 <= j < n_out by PANEL:
            for i in range(first, min_(first + PACKED_ROWS, n_in)):
                copy_row(W + i * n_out + j, P + j // PANEL * stride + i * PANEL, n_out - j)

cdef void unpack(LayerLayout layout, const real* P, real* W) noexcept nogil:
    """Panels P IN -> row-major W OUT."""
    cdef Py_ssize_t first, i, j, n_in = layout.n_in, n_out = layout.n_out, stride = layout.stride
    if n_out == 1:
        memcpy(W, P, n_in * sizeof(real))
        return
    if layout.transposed:
        for i in range(n_in):
            for j in range(n_out):
                W[i * n_out + j] = P[column_offset(i, stride) + j * PANEL]
        return
    for first from 0 <= first < n_in by PACKED_ROWS:
        for j from 0 <= j < n_out by PANEL:
            for i in range(first, min_(first + PACKED_ROWS, n_in)):
                copy_row(P + j // PANEL * stride + i * PANEL, W + i * n_out + j, n_out - j)

cdef void transpose(Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t j0, Py_ssize_t j1, Panels W, Panels T) noexcept nogil:
    """T = W^T for rows i0..i1 (multiples of LANES) and columns j0..j1 of one panel of W."""
    cdef Py_ssize_t i, j
    for i from i0 <= i < i1 by LANES:
        for j from j0 <= j < j1 by LANES:
            vtranspose(element(W, i, j), PANEL, element(T, j, i), PANEL)

cdef struct RowOrder:       # row i of a chunk is row order[i] of the user's arrays, or first + i if order is NULL
    const Py_ssize_t* order
    Py_ssize_t first

cdef inline Py_ssize_t user_row(const RowOrder* rows, Py_ssize_t i) noexcept nogil:
    return rows.order[i] if rows.order != NULL else rows.first + i

cdef struct UserRows:       # row-major X (n, c)
    const real* X
    Py_ssize_t c
    RowOrder order

cdef void gather(Py_ssize_t lo, Py_ssize_t hi, const UserRows* rows, Panels out, Py_ssize_t row_stride) noexcept nogil:
    """OUT: rows lo..hi of a chunk. row_stride: PANEL, or 1 for one column as a plain vector."""
    cdef const Py_ssize_t* order = rows.order.order
    cdef Py_ssize_t i, j, c = rows.c, stride = out.stride
    cdef const real* X = rows.X if order != NULL else rows.X + rows.order.first * c
    cdef real* P = out.data
    cdef int v
    cdef const real* x
    cdef real* p
    if row_stride == 1 and order == NULL:
        memcpy(P + lo, X + lo, (hi - lo) * sizeof(real))
        return
    if row_stride == 1:
        for i in range(lo, hi):
            P[i] = X[order[i]]
        return
    for i in range(lo, hi):
        x = X + (order[i] if order != NULL else i) * c
        p = P + i * PANEL
        j = c
        while j >= PANEL:
            for v in range(VECS):
                vstore(p + v * LANES, vload(x + v * LANES))
            x += PANEL
            p += stride
            j -= PANEL
        while j > 0:
            vstore(p, vload_part(x, j))
            x += LANES
            p += LANES
            j -= LANES

cdef void point_to_rows(Py_ssize_t lo, Py_ssize_t hi, const UserRows* rows, const real** out) noexcept nogil:
    """OUT: pointers to the rows lo..hi of a chunk, up to a whole block; rows after hi repeat the last."""
    cdef Py_ssize_t i
    for i in range(lo, hi):
        out[i] = rows.X + user_row(&rows.order, i) * rows.c
    for i in range(hi, round_up(hi, ROWS)):
        out[i] = out[hi - 1]

cdef void scatter(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, Panels P, Py_ssize_t row_stride, real* X) noexcept nogil:
    """Rows lo..hi of a chunk IN -> rows lo..hi of row-major X OUT."""
    cdef Py_ssize_t i, j
    if row_stride == 1:
        memcpy(X + lo, P.data + lo, (hi - lo) * sizeof(real))
        return
    for i in range(lo, hi):
        for j from 0 <= j < c by LANES:
            vstore_part(X + i * c + j, vload(element(P, i, j)), c - j)

cdef void clear_padding(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, Panels P) noexcept nogil:
    """Set columns beyond c of the last panel to 0, after an activation with f(0) != 0. Unused vecs stay as they are."""
    cdef Py_ssize_t i, j, end = round_up(c, LANES * vecs_used(c, c // PANEL * PANEL))
    cdef real* p
    for j from c // LANES * LANES <= j < end by LANES:
        for i in range(lo, hi):
            p = element(P, i, j)
            vstore(p, vfirst(vload(p), c - j if c > j else 0))
