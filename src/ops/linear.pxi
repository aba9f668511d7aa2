# The linear layer: Y = f(X W + b), dX = dZ W^T, dW = X^T dZ, db = sum of dZ's rows.
#
# Design: every product is one register block, `block`: WIDE_ROWS x VECS accumulators += (WIDE_ROWS broadcast numbers) * (one row of a panel),
# one FMA each; ROWS x 1 or 2 where the panel is narrow. The first layer reads its inputs where the user keeps them (`block_of_rows`,
# `block_of_columns`), the others from panels. A block keeps its sums in registers for the whole inner dimension (KC inputs at a time, so that
# the piece of the panel it reads stays in L1; partial sums wait in the result). Wide results are made NC columns at a time, so that what all
# their panels read, and the partial sums, stay in L2. What follows a sum is done while its tile is at hand: the activation after a forward
# product, the activation's derivative after dX, the update after dW.
# Order of sums, the same on every instruction set and for every split of the work: forward starts from b and adds inputs k = 0, 1, ...;
# dX adds outputs in order; dW and db add the rows of a chunk in order. One output is a dot product along memory: 16 virtual lanes, the
# tree of sum16, then + b.
#
# Rows are worked in blocks of ROWS: up to ROWS - 1 rows after `hi` are computed too. They exist in memory and are never summed.

cdef enum:
    KC = 256                # inputs of a product worked at once
    NC = 256                # columns of its result; inputs of dW

cdef inline int rows_in_block(const int vecs) noexcept nogil:
    """Of a panel of which so many vecs are worked."""
    return WIDE_ROWS if vecs == VECS else ROWS

cdef inline void block(const int vecs, Py_ssize_t n, const real* A, Py_ssize_t next_row, Py_ssize_t next_step, const real* B,
                       vec* c) noexcept nogil:
    """c[i][v] += A[i*next_row] * B[v], n steps; A moves on by next_step, B by a row of its panel. vecs, here and below a constant at every
    call: the vectors of a panel's row that are worked, 1, 2 or VECS."""
    cdef factor b[VECS]
    cdef vec a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(rows_in_block(vecs)):
            a = vset(A[i * next_row])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(a, b[v], c[vecs * i + v])
        A += next_step
        B += PANEL

cdef inline void block_of_rows(const int vecs, Py_ssize_t n, const real** rows, Py_ssize_t k, const real* B, vec* c) noexcept nogil:
    """c[i][v] += rows[i][k] * B[v], n steps of k."""
    cdef const real* a[ROWS]
    cdef factor b[VECS]
    cdef vec x
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(rows_in_block(vecs)):
        a[i] = rows[i] + k
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(rows_in_block(vecs)):
            x = vset(a[i][p])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(x, b[v], c[vecs * i + v])
        B += PANEL

cdef inline void block_of_columns(const int vecs, Py_ssize_t n, const real** rows, Py_ssize_t k, const real* B, vec* c) noexcept nogil:
    """c[i][v] += rows[p][k + i] * B[p][v], n steps of p."""
    cdef factor b[VECS]
    cdef vec x
    cdef const real* a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        a = rows[p] + k
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(rows_in_block(vecs)):
            x = vset(a[i])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(x, b[v], c[vecs * i + v])
        B += PANEL

cdef inline void product_tile(const int vecs, Py_ssize_t kb, Py_ssize_t ke, const real** rows, const real* A, Py_ssize_t sa, const real* B,
                              const real* bias, bint relu, const real* mask, real* C) noexcept nogil:
    """A block of rows of a panel of C = bias + A B over inputs kb..ke, added to what is in C if kb > 0. A: `rows`, or if that is NULL panels."""
    cdef vec c[TILE]
    cdef vec zero = vset(0)
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(rows_in_block(vecs)):
        for v in range(vecs):
            if kb:
                c[vecs * i + v] = vload(C + i * PANEL + v * LANES)
            elif bias != NULL:
                c[vecs * i + v] = vload(bias + v * LANES)
            else:
                c[vecs * i + v] = zero
    if rows != NULL:
        block_of_rows(vecs, ke - kb, rows, kb, B, c)
    else:
        for p from kb <= p < ke by PANEL:
            block(vecs, least(PANEL, ke - p), A, PANEL, 1, B, c)
            A += sa
            B += PANEL * PANEL
    if relu:
        for i in range(rows_in_block(vecs) * vecs):
            c[i] = vmax(zero, c[i])
    for i in range(rows_in_block(vecs)):
        for v in range(vecs):
            if mask != NULL:
                c[vecs * i + v] = vselect_gt(vload(mask + i * PANEL + v * LANES), zero, c[vecs * i + v], zero)
            vstore(C + i * PANEL + v * LANES, c[vecs * i + v])

cdef inline void product_group(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, const real** rows, const real* A, Py_ssize_t sa,
                               const real* B, Py_ssize_t sb, const real* bias, bint relu, const real* mask, real* C,
                               Py_ssize_t sc) noexcept nogil:
    """`product` of up to NC columns."""
    cdef Py_ssize_t kb = 0, ke, j, r, q
    cdef int vecs
    cdef bint last
    cdef const real* a
    cdef const real* b
    cdef const real* c
    cdef const real* here
    while True:                                     # once even for k = 0, where the result is the bias
        ke = least(kb + KC, k)
        last = ke == k
        for j from 0 <= j < m by PANEL:
            b = B + at(j, sb) + kb * PANEL
            c = bias + j if bias != NULL else NULL
            vecs = vecs_used(m, j)
            for r from lo <= r < hi by rows_in_block(vecs):
                a = A + at(kb, sa) + r * PANEL
                q = at(j, sc) + r * PANEL
                here = mask + q if last and mask != NULL else NULL
                if vecs == 1:
                    product_tile(1, kb, ke, rows + r if rows != NULL else NULL, a, sa, b, c, last and relu, here, C + q)
                elif VECS > 2 and vecs == 2:
                    product_tile(2, kb, ke, rows + r if rows != NULL else NULL, a, sa, b, c, last and relu, here, C + q)
                else:
                    product_tile(VECS, kb, ke, rows + r if rows != NULL else NULL, a, sa, b, c, last and relu, here, C + q)
        if last:
            return
        kb += KC

cdef inline void product(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, const real** rows, const real* A, Py_ssize_t sa,
                         const real* B, Py_ssize_t sb, const real* bias, bint relu, const real* mask, real* C, Py_ssize_t sc) noexcept nogil:
    """C[lo:hi, :m] = bias + A[lo:hi, :k] B[:k, :m], all in panels (A: `rows` unless NULL); then max(0, C) if relu; C where mask > 0 if mask.
    bias NULL is 0."""
    cdef Py_ssize_t j, q
    for j from 0 <= j < m by NC:
        q = at(j, sc)
        product_group(lo, hi, k, least(NC, m - j), rows, A, sa, B + at(j, sb), sb, bias + j if bias != NULL else NULL, relu,
                      mask + q if mask != NULL else NULL, C + q, sc)

cdef void linear_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, Py_ssize_t n_out, const real** rows, const real* X, Py_ssize_t sx,
                         const real* W, const real* b, int activation, real* Z, real* Y, Py_ssize_t sy) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b). Z: where to keep X W + b (same layout as Y), or Y itself."""
    product(lo, hi, n_in, n_out, rows, X, sx, W, weight_stride(n_in), b, activation == RELU, NULL, Z, sy)
    if activation != RELU:
        activation_forward_panels(activation, lo, hi, n_out, Z, Y, sy)

cdef void linear_backward_input(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, Py_ssize_t n_out, const real* dZ, Py_ssize_t sz, const real* T,
                                Py_ssize_t st, int activation, const real* S, real* dX, Py_ssize_t sx) noexcept nogil:
    """Rows lo..hi of dX = (dZ W^T) * f'(S): f is the activation BELOW this layer, S what its derivative reads, in dX's layout."""
    product(lo, hi, n_out, n_in, NULL, dZ, sz, T, st, NULL, False, S if activation == RELU else NULL, dX, sx)
    if activation != RELU:
        activation_backward_panels(activation, lo, hi, n_in, S, dX, sx)

cdef inline void weight_tile(const int vecs, Py_ssize_t n, const real** rows, Py_ssize_t p, const real* X, const real* dZ, real* G, bint add,
                             const Step* step, real* W, Py_ssize_t region, Py_ssize_t skip) noexcept nogil:
    """A block of rows of a panel of dW, those of inputs p.. , without the first `skip`. X: its column p in panels, unless there are rows."""
    cdef vec c[TILE]
    cdef vec lr
    cdef int i, v
    for i in range(rows_in_block(vecs) * vecs):
        c[i] = vset(0)
    if rows != NULL:
        block_of_columns(vecs, n, rows, p, dZ, c)
    else:
        block(vecs, n, X, 1, PANEL, dZ, c)
    if step == NULL:
        for i in range(rows_in_block(vecs)):
            for v in range(vecs):
                if i >= skip:
                    if add:
                        c[vecs * i + v] = vadd(vload(G + i * PANEL + v * LANES), c[vecs * i + v])
                    vstore(G + i * PANEL + v * LANES, c[vecs * i + v])
    elif step.plain:                                # w - lr g needs no memory but W's
        lr = vset(-step.lr)
        for i in range(rows_in_block(vecs)):
            for v in range(vecs):
                if i >= skip:
                    vstore(W + i * PANEL + v * LANES, vfma(lr, c[vecs * i + v], vload(W + i * PANEL + v * LANES)))
    else:
        update_tile(vecs, skip, step, W, c, region)

cdef inline void update_tile(const int vecs, Py_ssize_t skip, const Step* step, real* W, const vec* gradient, Py_ssize_t region) noexcept nogil:
    """Any other rule reads it from memory, all rows in one run if the panel is not narrow."""
    cdef vec g[TILE]
    cdef Py_ssize_t i
    for i in range(rows_in_block(vecs) * vecs):
        g[i] = gradient[i]
    if vecs == VECS:
        update(step, W + skip * PANEL, <const real*>&g[vecs * skip], region, (rows_in_block(vecs) - skip) * PANEL)
    else:
        for i in range(skip, rows_in_block(vecs)):
            update(step, W + i * PANEL, <const real*>&g[vecs * i], region, vecs * LANES)

cdef void linear_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, Py_ssize_t n_out, const real** rows,
                                 const real* X, Py_ssize_t sx, const real* dZ, Py_ssize_t sz, real* G, bint add, const Step* step, real* W,
                                 Py_ssize_t region, real* T, Py_ssize_t st) noexcept nogil:
    """Input rows lo..hi of dW = X^T dZ over the n rows of a chunk: to G (or G + dW if add); or, with a step, straight into W and, if T,
    into W's transpose while the rows are in L1. region: numbers from W to its first moment and from there
    to its second, and so on."""
    cdef Py_ssize_t j, p, first, q, sw = weight_stride(n_in)
    cdef int vecs
    for j from 0 <= j < n_out by PANEL:
        vecs = vecs_used(n_out, j)
        p = lo
        while p < hi:
            # nothing stands after a row's last number: there the last block overlaps the one before, whose rows are not stored again
            first = least(p, n_in - rows_in_block(vecs)) if rows != NULL else p
            q = at(j, sw) + first * PANEL
            if p < n_in:
                if vecs == 1:
                    weight_tile(1, n, rows, first, X + at(p, sx), dZ + at(j, sz), G + q, add, step, W + q, region, p - first)
                elif VECS > 2 and vecs == 2:
                    weight_tile(2, n, rows, first, X + at(p, sx), dZ + at(j, sz), G + q, add, step, W + q, region, p - first)
                else:
                    weight_tile(VECS, n, rows, first, X + at(p, sx), dZ + at(j, sz), G + q, add, step, W + q, region, p - first)
            p += rows_in_block(vecs)
            if step != NULL and T != NULL and p % BLOCK == 0:
                transpose(p - BLOCK, p, j, j + least(PANEL, up(n_out - j, LANES)), W, sw, T, st)

cdef void column_sums(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const real* dZ, Py_ssize_t sz, real* out, bint add) noexcept nogil:
    """Columns lo..hi (lo a multiple of PANEL) of db = the sum of dZ's n rows."""
    cdef Py_ssize_t i, j
    cdef int v
    cdef vec s[VECS]
    cdef const real* d
    for j from lo <= j < hi by PANEL:
        d = dZ + at(j, sz)
        for v in range(VECS):
            s[v] = vset(0)
        for i in range(n):
            for v in range(VECS):
                s[v] = vadd(s[v], vload(d + i * PANEL + v * LANES))
        for v in range(VECS):
            vstore(out + j + v * LANES, vadd(vload(out + j + v * LANES), s[v]) if add else s[v])

# ---- a layer with one output: W is a vector w; row: numbers from a row of Z to the next (1 or PANEL) ----

cdef inline real dot(Py_ssize_t k, const real* x, Py_ssize_t sx, const real* w) noexcept nogil:
    """sum of x_j w_j in 16 virtual lanes; x lies in panels of stride sx (PANEL: a plain row). Nothing after k is read into the sum:
    where X holds an infinity, padding is infinity times 0."""
    cdef vec sums[SUM_VECS]
    cdef Py_ssize_t j, whole = k // 16 * 16
    cdef int v
    for v in range(SUM_VECS):
        sums[v] = vset(0)
    for j from 0 <= j < whole by 16:
        for v in range(SUM_VECS):
            sums[v] = vfma(vload(x + at(j + v * LANES, sx)), vload(w + j + v * LANES), sums[v])
    for v in range(SUM_VECS):
        j = whole + v * LANES
        if j < k:
            sums[v] = vfma(vload_part(x + at(j, sx), k - j), vload_part(w + j, k - j), sums[v])
    return sum16(sums)

cdef void dot_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, const real** rows, const real* X, Py_ssize_t sx, const real* w,
                      const real* b, int activation, real* Z, real* Y, Py_ssize_t row) noexcept nogil:
    """Rows lo..hi of Y = f(X w + b)."""
    cdef Py_ssize_t i
    cdef real bias = b[0] if b != NULL else 0
    if rows != NULL:
        for i in range(lo, hi):
            Z[i * row] = dot(n_in, rows[i], PANEL, w) + bias
    else:
        for i in range(lo, hi):
            Z[i * row] = dot(n_in, X + i * PANEL, sx, w) + bias
    if row == 1:
        activation_forward(activation, Z + lo, Y + lo, hi - lo, LANES)
    else:
        activation_forward_panels(activation, lo, hi, 1, Z, Y, 0)

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
    if activation != RELU:
        activation_backward_panels(activation, lo, hi, n_in, S, dX, sx)

cdef void dot_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t n_in, const real** rows, const real* X, Py_ssize_t sx,
                              const real* dZ, Py_ssize_t row, real* g, bint add) noexcept nogil:
    """Inputs lo..hi (lo a multiple of PANEL) of dw = X^T dZ."""
    cdef Py_ssize_t i, j, there
    cdef int v
    cdef vec s[VECS]
    cdef vec d
    for j from lo <= j < hi by PANEL:
        for v in range(VECS):
            s[v] = vset(0)
        for i in range(n):
            d = vset(dZ[i * row])
            for v in range(VECS):
                if rows == NULL:
                    s[v] = vfma(vload(X + at(j, sx) + i * PANEL + v * LANES), d, s[v])
                else:
                    there = n_in - j - v * LANES
                    s[v] = vfma(vload_part(rows[i] + j + v * LANES, there if there > 0 else 0), d, s[v])
        for v in range(VECS):
            vstore(g + j + v * LANES, vadd(vload(g + j + v * LANES), s[v]) if add else s[v])
