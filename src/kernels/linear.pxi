# The linear layer: Y = f(X W + b), dX = dZ W^T, dW = X^T dZ, db = sum of dZ's rows.
#
# Design: every product is one register block, `block`: ROWS x VECS accumulators += (ROWS broadcast numbers) * (one row of a panel), one
# FMA each. It keeps its sums in registers for the whole inner dimension (KC inputs at a time, so that the piece of the panel it reads
# stays in L1; partial sums wait in the result). What follows a sum is done while its tile is at hand: the activation after a forward
# product, the activation's derivative after dX, the update after dW.
# Order of sums, the same on every instruction set and for every split of the work: forward starts from b and adds inputs k = 0, 1, ...;
# dX adds outputs in order; dW and db add the rows of a chunk in order. One output is a dot product along memory: 16 virtual lanes, the
# tree of sum16, then + b.
#
# Rows are worked in blocks of ROWS: up to ROWS - 1 rows after `hi` are computed too. They exist in memory and are never summed.

cdef enum:
    KC = 256

cdef inline void block(Py_ssize_t n, const real* A, Py_ssize_t next_row, Py_ssize_t next_step, const real* B, vec* c) noexcept nogil:
    """c[i][v] += A[i*next_row] * B[v], n steps; A moves on by next_step, B by a row of its panel."""
    cdef vec b[VECS]
    cdef vec a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        for v in range(VECS):
            b[v] = vload(B + v * LANES)
        for i in range(ROWS):
            a = vset(A[i * next_row])
            for v in range(VECS):
                c[VECS * i + v] = vfma(a, b[v], c[VECS * i + v])
        A += next_step
        B += PANEL

cdef inline void narrow_block(Py_ssize_t n, const real* A, Py_ssize_t next_row, Py_ssize_t next_step, const real* B, vec* c) noexcept nogil:
    """The same for a panel of which only the first LANES columns are used: 10 outputs cost 16, not 32."""
    cdef vec b
    cdef Py_ssize_t p
    cdef int i
    for p in range(n):
        b = vload(B)
        for i in range(ROWS):
            c[VECS * i] = vfma(vset(A[i * next_row]), b, c[VECS * i])
        A += next_step
        B += PANEL

cdef inline void product(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, const real* A, Py_ssize_t sa, const real* B, Py_ssize_t sb,
                         const real* bias, bint relu, const real* mask, real* C, Py_ssize_t sc) noexcept nogil:
    """C[lo:hi, :m] = bias + A[lo:hi, :k] B[:k, :m], all in panels; then max(0, C) if relu; C where mask > 0 if mask. bias NULL is 0."""
    cdef vec c[TILE]
    cdef vec zero = vset(0)
    cdef Py_ssize_t kb = 0, ke, p, j, r, q
    cdef int i, v
    cdef bint narrow, last
    cdef const real* a
    cdef const real* b
    while True:                                     # once even for k = 0, where the result is the bias
        ke = least(kb + KC, k)
        last = ke == k
        for j from 0 <= j < m by PANEL:
            narrow = VECS > 1 and m - j <= LANES
            r = lo
            while r < hi:
                q = at(j, sc) + r * PANEL
                a = A + at(kb, sa) + r * PANEL
                b = B + at(j, sb) + kb * PANEL
                for i in range(ROWS):
                    for v in range(VECS):
                        if kb:
                            c[VECS * i + v] = vload(C + q + i * PANEL + v * LANES)
                        elif bias != NULL:
                            c[VECS * i + v] = vload(bias + j + v * LANES)
                        else:
                            c[VECS * i + v] = zero
                p = kb
                while p < ke:
                    if narrow:
                        narrow_block(least(PANEL, ke - p), a, PANEL, 1, b, c)
                    else:
                        block(least(PANEL, ke - p), a, PANEL, 1, b, c)
                    a += sa
                    b += PANEL * PANEL
                    p += PANEL
                if last and relu:
                    for i in range(TILE):
                        c[i] = vmax(zero, c[i])
                for i in range(ROWS):
                    for v in range(VECS):
                        if last and mask != NULL:
                            c[VECS * i + v] = vselect_gt(vload(mask + q + i * PANEL + v * LANES), zero, c[VECS * i + v], zero)
                        vstore(C + q + i * PANEL + v * LANES, c[VECS * i + v])
                r += ROWS
        if last:
            return
        kb += KC

cdef void linear_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, Py_ssize_t n_out, const real* X, Py_ssize_t sx, const real* W,
                         const real* b, int activation, real* Z, real* Y, Py_ssize_t sy) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b). Z: where to keep X W + b (same layout as Y), or Y itself."""
    cdef Py_ssize_t j, r, q, rows = up(hi - lo, ROWS)
    product(lo, hi, n_in, n_out, X, sx, W, weight_stride(n_in), b, activation == RELU, NULL, Z, sy)
    if activation == IDENTITY or activation == RELU:
        return
    if activation == SOFTMAX:
        softmax_forward(lo, hi, n_out, Z, sy)
        return
    for j from 0 <= j < n_out by PANEL:                # the rows of a panel are one run
        q = at(j, sy) + lo * PANEL
        activation_forward(activation, Z + q, Y + q, rows * PANEL)
    if fills_padding(activation):
        clear_padding(lo, lo + rows, n_out, Y, sy)

cdef void linear_backward_input(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, Py_ssize_t n_out, const real* dZ, Py_ssize_t sz, const real* T,
                                Py_ssize_t st, int activation, const real* S, real* dX, Py_ssize_t sx) noexcept nogil:
    """Rows lo..hi of dX = (dZ W^T) * f'(S): f is the activation BELOW this layer, S what its derivative reads, in dX's layout."""
    cdef Py_ssize_t j, q, rows = up(hi - lo, ROWS)
    product(lo, hi, n_out, n_in, dZ, sz, T, st, NULL, False, S if activation == RELU else NULL, dX, sx)
    if activation == IDENTITY or activation == RELU:
        return
    for j from 0 <= j < n_in by PANEL:
        q = at(j, sx) + lo * PANEL
        activation_backward(activation, S + q, dX + q, dX + q, rows * PANEL)

cdef void linear_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, Py_ssize_t n_out, const real* X, Py_ssize_t sx,
                                 const real* dZ, Py_ssize_t sz, real* G, bint add, const Step* step, real* W, Py_ssize_t region,
                                 real* T, Py_ssize_t st) noexcept nogil:
    """Input rows lo..hi of dW = X^T dZ over the n rows of a chunk: to G (or G + dW if add); or, with a step, straight into W and, if T,
    into W's transpose while the rows are in L1. region: numbers from W to its first moment and from there
    to its second, and so on."""
    cdef vec c[TILE]
    cdef vec g[TILE]
    cdef vec zero = vset(0), lr
    cdef Py_ssize_t j, p, q, sw = weight_stride(n_in)
    cdef int i, v
    cdef bint narrow
    if step != NULL:
        lr = vset(-step.lr)
    for j from 0 <= j < n_out by PANEL:
        narrow = VECS > 1 and n_out - j <= LANES
        p = lo
        while p < hi:
            q = at(j, sw) + p * PANEL
            for i in range(TILE):
                c[i] = zero
            if narrow:
                narrow_block(n, X + at(p, sx), 1, PANEL, dZ + at(j, sz), c)
            else:
                block(n, X + at(p, sx), 1, PANEL, dZ + at(j, sz), c)
            if step == NULL:
                for i in range(ROWS):
                    for v in range(VECS):
                        if add:
                            c[VECS * i + v] = vadd(vload(G + q + i * PANEL + v * LANES), c[VECS * i + v])
                        vstore(G + q + i * PANEL + v * LANES, c[VECS * i + v])
            elif step.plain:                        # w - lr g needs no memory but W's
                for i in range(ROWS):
                    for v in range(VECS):
                        vstore(W + q + i * PANEL + v * LANES, vfma(lr, c[VECS * i + v], vload(W + q + i * PANEL + v * LANES)))
            else:
                for i in range(TILE):
                    g[i] = c[i]
                if narrow:
                    for i in range(ROWS):
                        update(step, W + q + i * PANEL, <const real*>&g[VECS * i], region, LANES)
                else:
                    update(step, W + q, <const real*>g, region, ROWS * PANEL)
            p += ROWS
            if step != NULL and T != NULL and p % BLOCK == 0:
                transpose(p - BLOCK, p, j, j + least(PANEL, up(n_out - j, LANES)), W, sw, T, st)

cdef void column_sums(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const real* dZ, Py_ssize_t sz, real* out, bint add) noexcept nogil:
    """Columns lo..hi (lo a multiple of LANES) of db = the sum of dZ's n rows."""
    cdef Py_ssize_t i, j
    cdef vec s
    for j from lo <= j < hi by LANES:
        s = vset(0)
        for i in range(n):
            s = vadd(s, vload(dZ + at(j, sz) + i * PANEL))
        vstore(out + j, vadd(vload(out + j), s) if add else s)

# ---- a layer with one output: W is a vector w; row: numbers from a row of Z to the next (1 or PANEL) ----

cdef inline real dot(Py_ssize_t k, const real* x, Py_ssize_t sx, const real* w) noexcept nogil:
    """sum of x_j w_j in 16 virtual lanes; x lies in panels of stride sx (PANEL: a plain row). Nothing after k is read into the sum:
    where X holds an infinity, padding is infinity times 0."""
    cdef vec sums[16]
    cdef real lanes[16]
    cdef Py_ssize_t j, whole = k // 16 * 16
    cdef int v
    for v in range(16 // LANES):
        sums[v] = vset(0)
    for j from 0 <= j < whole by 16:
        for v in range(16 // LANES):
            sums[v] = vfma(vload(x + at(j + v * LANES, sx)), vload(w + j + v * LANES), sums[v])
    for v in range(16 // LANES):
        j = whole + v * LANES
        if j < k:
            sums[v] = vfma(vload_part(x + at(j, sx), k - j), vload_part(w + j, k - j), sums[v])
    for v in range(16 // LANES):
        vstore(lanes + v * LANES, sums[v])
    return sum16(lanes)

cdef void dot_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, const real* X, Py_ssize_t sx, const real* w, const real* b,
                      int activation, real* Z, real* Y, Py_ssize_t row) noexcept nogil:
    """Rows lo..hi of Y = f(X w + b)."""
    cdef Py_ssize_t i
    cdef real bias = b[0] if b != NULL else 0
    for i in range(lo, hi):
        Z[i * row] = dot(n_in, X + i * PANEL, sx, w) + bias
    if row == 1:
        activation_forward(activation, Z + lo, Y + lo, hi - lo)
    else:
        activation_forward(activation, Z + lo * row, Y + lo * row, (hi - lo) * row)
        if fills_padding(activation):
            clear_padding(lo, hi, 1, Y, 0)

cdef void dot_backward_input(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, const real* dZ, Py_ssize_t row, const real* w, int activation,
                             const real* S, real* dX, Py_ssize_t sx) noexcept nogil:
    """Rows lo..hi of dX = (dZ w^T) * f'(S), as linear_backward_input."""
    cdef Py_ssize_t i, j, q
    cdef vec x, zero = vset(0)
    for j from 0 <= j < n_in by LANES:
        x = vload(w + j)
        q = at(j, sx)
        if activation == RELU:
            for i in range(lo, hi):
                vstore(dX + q + i * PANEL, vselect_gt(vload(S + q + i * PANEL), zero, vmul(vset(dZ[i * row]), x), zero))
        else:
            for i in range(lo, hi):
                vstore(dX + q + i * PANEL, vmul(vset(dZ[i * row]), x))
    if activation != RELU and activation != IDENTITY:
        for j from 0 <= j < n_in by PANEL:
            q = at(j, sx) + lo * PANEL
            activation_backward(activation, S + q, dX + q, dX + q, (hi - lo) * PANEL)

cdef void dot_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const real* X, Py_ssize_t sx, const real* dZ, Py_ssize_t row,
                              real* g, bint add) noexcept nogil:
    """Inputs lo..hi (lo a multiple of LANES) of dw = X^T dZ."""
    cdef Py_ssize_t i, j
    cdef vec s
    for j from lo <= j < hi by LANES:
        s = vset(0)
        for i in range(n):
            s = vfma(vload(X + at(j, sx) + i * PANEL), vset(dZ[i * row]), s)
        vstore(g + j, vadd(vload(g + j), s) if add else s)
