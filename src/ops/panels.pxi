# Column panels: the one layout that every inner loop reads.
#
# A matrix with r rows and c columns lies as [panel][row][PANEL]: panel q holds columns q*PANEL .. q*PANEL + PANEL - 1 of all rows,
# row after row. So PANEL neighbouring columns of any row are one contiguous piece, the rows of a panel follow each other, and every
# inner loop runs straight through memory whatever the width: no tails, no packing in a step.
#     element (i, j)  at  base + at(j, stride) + i*PANEL        stride: numbers from one panel to the next
# Columns beyond c are 0 in every matrix (weights, moments, activations, deltas) as long as all numbers are finite, and no sum reads them.
# (Inference uses two matrices in turn: there the unused half of a narrow panel holds what a wider layer left.)
# Chunk matrices (activations, deltas) have rows beyond the chunk's last: whatever stands there is never summed.
#
# Weights and everything shaped like them (gradients, moments) exist twice: row-major and unpadded outside (the user's view), in panels
# while a training runs. W (n_in, n_out) lies in panels of outputs with its n_in rows; T = W^T in panels of inputs with n_out rows.
# A layer with ONE output is a vector: W and T are the same memory, T's single row; its outputs are summed along memory (linear.pxi).

cdef inline Py_ssize_t up(Py_ssize_t n, Py_ssize_t q) noexcept nogil:
    """n rounded up to a multiple of q, a power of two: a division took 1 % of a step of a tiny network."""
    return (n + q - 1) & -q

cdef inline Py_ssize_t at(Py_ssize_t j, Py_ssize_t stride) noexcept nogil:
    """Where column j of row 0 lies."""
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
    """Where row i, column j lies."""
    return P.data + at(j, P.stride) + i * PANEL

cdef inline Py_ssize_t least(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b

cdef inline int vecs_used(Py_ssize_t c, Py_ssize_t j) noexcept nogil:
    """Of the panel that begins with column j of c: 1, 2 or all VECS vecs have numbers (3 are worked as 4). 10 outputs cost 16, not 32."""
    return 1 if c - j <= LANES else 2 if c - j <= 2 * LANES and VECS > 2 else VECS

cdef inline Py_ssize_t padded(Py_ssize_t c) noexcept nogil:
    """Columns that exist in memory for c columns: whole panels, and whole groups of the 16 virtual lanes of a row's sums."""
    return up(c, PANEL if PANEL > 16 else 16)

# Geometry of one layer's weights: numbers per panel, numbers in all. BLOCK*PANEL is 16 at least, so every size is a multiple of 16.
cdef inline Py_ssize_t weight_stride(Py_ssize_t n_in) noexcept nogil:
    return up(n_in, BLOCK) * PANEL

cdef inline Py_ssize_t weight_size(Py_ssize_t n_in, Py_ssize_t n_out) noexcept nogil:
    return padded(n_in) if n_out == 1 else padded(n_out) // PANEL * weight_stride(n_in)

# ---- a network's region: all its parameters, or as many numbers of another kind, in panels ----

cdef struct LayerLayout:
    Py_ssize_t n_in, n_out
    Py_ssize_t W, stride    # where the weights begin, and from one of their panels to the next (PANEL: a vector)
    Py_ssize_t b            # where the biases begin, also where there are none
    Py_ssize_t end          # where the next layer begins

cdef inline LayerLayout layer_layout(const Network* net, Py_ssize_t l, Py_ssize_t begin) noexcept nogil:
    """Of layer l, which begins where layer l - 1 ends (layer 0: at 0)."""
    cdef LayerLayout p
    p.n_in = net.sizes[l]
    p.n_out = net.sizes[l + 1]
    p.W = begin
    p.stride = PANEL if p.n_out == 1 else weight_stride(p.n_in)
    p.b = begin + weight_size(p.n_in, p.n_out)
    p.end = p.b + padded(p.n_out)
    return p

cdef Py_ssize_t region_size(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, end = 0
    for l in range(net.n_layers):
        end = layer_layout(net, l, end).end
    return end

# ---- into panels and back ----

cdef void pack(Py_ssize_t n_in, Py_ssize_t n_out, const real* W, real* P) noexcept nogil:
    """Row-major W (n_in, n_out) -> panels P, or the vector of a layer with one output. P's padding is 0 before and stays."""
    cdef Py_ssize_t i, j, stride = weight_stride(n_in)
    if n_out == 1:
        memcpy(P, W, n_in * sizeof(real))
        return
    for j from 0 <= j < n_out by PANEL:
        for i in range(n_in):
            memcpy(P + j // PANEL * stride + i * PANEL, W + i * n_out + j, least(PANEL, n_out - j) * sizeof(real))

cdef void unpack(Py_ssize_t n_in, Py_ssize_t n_out, const real* P, real* W) noexcept nogil:
    """The inverse of pack."""
    cdef Py_ssize_t i, j, stride = weight_stride(n_in)
    if n_out == 1:
        memcpy(W, P, n_in * sizeof(real))
        return
    for j from 0 <= j < n_out by PANEL:
        for i in range(n_in):
            memcpy(W + i * n_out + j, P + j // PANEL * stride + i * PANEL, least(PANEL, n_out - j) * sizeof(real))

cdef void transpose(Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t j0, Py_ssize_t j1, Panels W, Panels T) noexcept nogil:
    """Rows i0..i1 (multiples of LANES) and columns j0..j1 of one panel of W, to T."""
    cdef Py_ssize_t i, j
    for i from i0 <= i < i1 by LANES:
        for j from j0 <= j < j1 by LANES:
            vtranspose(element(W, i, j), PANEL, element(T, j, i), PANEL)

cdef void gather(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* X, const Py_ssize_t* order, Panels to, Py_ssize_t row) noexcept nogil:
    """Rows lo..hi of a chunk from row-major X (., c): row i is X[order[i]], or X[i]. `row`: numbers from a row of the panels to the next."""
    cdef Py_ssize_t i, j, stride = to.stride
    cdef real* P = to.data
    cdef int v
    cdef const real* x
    cdef real* p
    if row == 1 and order == NULL:              # one column: a plain vector
        memcpy(P + lo, X + lo, (hi - lo) * sizeof(real))
        return
    if row == 1:
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

cdef void point_to_rows(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* X, const Py_ssize_t* order, const real** rows) noexcept nogil:
    """Where rows lo..hi of a chunk lie in row-major X (., c), for products that read them there; rows after hi are the last one again."""
    cdef Py_ssize_t i
    for i in range(lo, hi):
        rows[i] = X + (order[i] if order != NULL else i) * c
    for i in range(hi, up(hi, ROWS)):
        rows[i] = rows[hi - 1]

cdef void scatter(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, Panels P, Py_ssize_t row, real* X) noexcept nogil:
    """Rows lo..hi of a chunk -> rows lo..hi of row-major X (., c)."""
    cdef Py_ssize_t i, j
    if row == 1:
        memcpy(X + lo, P.data + lo, (hi - lo) * sizeof(real))
        return
    for i in range(lo, hi):
        for j from 0 <= j < c by LANES:
            vstore_part(X + i * c + j, vload(element(P, i, j)), c - j)

cdef void clear_padding(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, real* P, Py_ssize_t stride) noexcept nogil:
    """Columns beyond c of the last panel := 0, after an activation with f(0) != 0 (which leaves the rest of a narrow one)."""
    cdef Py_ssize_t i, j, end = up(c, LANES * vecs_used(c, c // PANEL * PANEL))
    cdef real* p
    for j from c // LANES * LANES <= j < end by LANES:
        for i in range(lo, hi):
            p = P + at(j, stride) + i * PANEL
            vstore(p, vfirst(vload(p), c - j if c > j else 0))
