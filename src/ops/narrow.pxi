# A layer with few outputs (2 to NARROW) and many inputs: Y = f(X W + b) and dW = X^T dZ.
#
#   n          rows of a chunk; lo, hi: the rows, or the inputs of dW, that a call computes
#   k, m       inputs and outputs of the layer; m is a constant at every call
#   X          rows of the user's array, or panels (struct Inputs, linear.pxi)
#   W          stored as W^T in panels of inputs: m rows of k numbers (panels.pxi)
#
# The blocks of linear.pxi have outputs in their lanes: with 5 outputs, 5 of 16 lanes work. Here the lanes are rows of X
# in the forward product, and inputs in dW. The order of sums is that of linear.pxi, so the bits are the same: forward
# starts from b and adds inputs 0, 1, ...; dW adds the rows of a chunk in order. dX needs no kernel of its own: its lanes
# are inputs in linear.pxi too.
#
# A step of 3000-5, batch 32, takes 0.42 times as long as with panels of W, with Adam 0.31 times: the update and the copy
# for `restore` read no padding.

cdef inline void narrow_forward_rows(const int m, const int groups, Py_ssize_t k, const real** rows, Py_ssize_t stride,
                                     bint rows_end, Panels W, const real* b, real* Z) noexcept nogil:
    """Z = b + X W for groups * LANES rows. rows: pointers to them; stride: from one panel of X to the next, PANEL for
    plain rows. rows_end: no memory follows a row."""
    cdef vec c[2 * MAX_NARROW]
    cdef vec x[2]
    cdef vec w
    cdef real columns[2 * LANES * LANES]        # LANES inputs of the rows: the rows are in the lanes
    cdef real part[LANES * LANES]               # the last inputs of the rows; then LANES rows of the result, transposed
    cdef const real* parts[LANES]
    cdef const real* p
    cdef Py_ssize_t j, q, n_inputs
    cdef int g, i, o
    for o in range(m):
        w = vset(b[o] if b != NULL else 0)
        for g in range(groups):
            c[groups * o + g] = w
    for j from 0 <= j < k by LANES:
        n_inputs = min_(LANES, k - j)
        q = column_offset(j, stride)
        for g in range(groups):
            if n_inputs < LANES and rows_end:
                for i in range(LANES):
                    parts[i] = part + i * LANES
                    vstore(part + i * LANES, vload_part(rows[g * LANES + i] + q, n_inputs))
                vtranspose_rows(parts, 0, columns + g * LANES * LANES, LANES)
            else:
                vtranspose_rows(rows + g * LANES, q, columns + g * LANES * LANES, LANES)
        for i in range(groups * LANES):     # rows of a large batch are not in L2 (3000-5, 256: half the time)
            vprefetch(rows[i] + q + 4 * LANES)
        p = element(W, 0, j)
        for i in range(n_inputs):
            for g in range(groups):
                x[g] = vload(columns + (g * LANES + i) * LANES)
            for o in range(m):
                w = vset(p[o * PANEL + i])
                for g in range(groups):
                    c[groups * o + g] = vfma(x[g], w, c[groups * o + g])
    for g in range(groups):
        for o in range(LANES):
            vstore(part + o * LANES, c[groups * o + g] if o < m else vset(0))
        vtranspose(part, LANES, Z + g * LANES * PANEL, PANEL)

cdef inline void narrow_forward_outputs(const int m, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Z = b + X W, rows lo..hi. Rows are computed in groups of LANES; those after hi exist in Z."""
    cdef const real* rows[2 * LANES]
    cdef Inputs X = layer.inputs
    cdef Py_ssize_t r, i, n_rows
    cdef Py_ssize_t stride = X.X.stride if X.rows == NULL else PANEL
    for r from lo <= r < hi by 2 * LANES:
        n_rows = min_(2 * LANES, hi - r)
        for i in range(2 * LANES):
            if X.rows != NULL:
                rows[i] = X.rows[r + min_(i, n_rows - 1)]
            else:
                rows[i] = X.X.data + (r + min_(i, n_rows - 1)) * PANEL
        if n_rows > LANES:
            narrow_forward_rows(m, 2, layer.n_in, rows, stride, X.rows != NULL, layer.W, layer.b,
                                layer.Z.data + r * PANEL)
        else:
            narrow_forward_rows(m, 1, layer.n_in, rows, stride, X.rows != NULL, layer.W, layer.b,
                                layer.Z.data + r * PANEL)

cdef void narrow_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b); lo is a multiple of LANES."""
    if NARROW >= 2 and layer.n_out == 2: narrow_forward_outputs(2, lo, hi, layer)
    elif NARROW >= 3 and layer.n_out == 3: narrow_forward_outputs(3, lo, hi, layer)
    elif NARROW >= 4 and layer.n_out == 4: narrow_forward_outputs(4, lo, hi, layer)
    elif NARROW >= 5 and layer.n_out == 5: narrow_forward_outputs(5, lo, hi, layer)
    elif NARROW >= 6 and layer.n_out == 6: narrow_forward_outputs(6, lo, hi, layer)
    elif NARROW >= 7 and layer.n_out == 7: narrow_forward_outputs(7, lo, hi, layer)
    elif NARROW >= 8 and layer.n_out == 8: narrow_forward_outputs(8, lo, hi, layer)
    activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z.data, layer.Y.data, layer.Y.stride)

cdef inline void narrow_weight_panel(const int m, const bint whole, Py_ssize_t n, const Layer* layer, Py_ssize_t j,
                                     real* g) noexcept nogil:
    """g = dW^T for one panel of inputs, j..; not whole: fewer than PANEL inputs are left."""
    cdef vec c[MAX_NARROW * VECS]
    cdef vec x[VECS]
    cdef vec d
    cdef const real** rows = layer.inputs.rows
    cdef const real* a
    cdef const real* dZ = layer.dZ.data
    cdef Py_ssize_t i, n_left = layer.n_in - j
    cdef int o, v
    for o in range(m * VECS):
        c[o] = vset(0)
    for i in range(n):
        if rows != NULL:
            a = rows[i] + j
            vprefetch(a + PANEL)
            vprefetch(a + PANEL + LANES)
        else:
            a = element(layer.inputs.X, i, j)
        for v in range(VECS):
            x[v] = vload(a + v * LANES) if whole else vload_part(a + v * LANES, max_(n_left - v * LANES, 0))
        for o in range(m):
            d = vset(dZ[o])
            for v in range(VECS):
                c[VECS * o + v] = vfma(x[v], d, c[VECS * o + v])
        dZ += PANEL
    for o in range(m):
        for v in range(VECS):               # 0 times an infinity is NaN: the padding stays 0
            if not whole:
                c[VECS * o + v] = vfirst(c[VECS * o + v], max_(n_left - v * LANES, 0))
            vstore(g + o * PANEL + v * LANES, c[VECS * o + v])

cdef inline void narrow_weight_outputs(const int m, Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                                       bint add, const Step* step, Py_ssize_t moment_stride) noexcept nogil:
    cdef real g[MAX_NARROW * PANEL]
    cdef Py_ssize_t j, i
    cdef real* dW
    cdef real* W
    cdef vec lr
    for j from lo <= j < hi by PANEL:
        if j + PANEL <= layer.n_in:
            narrow_weight_panel(m, True, n, layer, j, g)
        else:
            narrow_weight_panel(m, False, n, layer, j, g)
        dW = layer.dW + j * m
        W = layer.W.data + j * m
        if step == NULL:
            for i from 0 <= i < m * PANEL by LANES:
                vstore(dW + i, vadd(vload(dW + i), vload(g + i)) if add else vload(g + i))
        elif step.is_plain_sgd:
            lr = vset(-step.lr)
            for i from 0 <= i < m * PANEL by LANES:
                vstore(W + i, vfma(lr, vload(g + i), vload(W + i)))
        else:
            update_in_region(step, W, g, moment_stride, m * PANEL)

cdef void narrow_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, bint add,
                                 const Step* step, Py_ssize_t moment_stride) noexcept nogil:
    """Inputs lo..hi of dW = X^T dZ over the n rows of a chunk, added to dW if `add`. With a step, W is updated instead.
    lo is a multiple of PANEL."""
    if NARROW >= 2 and layer.n_out == 2: narrow_weight_outputs(2, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 3 and layer.n_out == 3: narrow_weight_outputs(3, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 4 and layer.n_out == 4: narrow_weight_outputs(4, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 5 and layer.n_out == 5: narrow_weight_outputs(5, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 6 and layer.n_out == 6: narrow_weight_outputs(6, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 7 and layer.n_out == 7: narrow_weight_outputs(7, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 8 and layer.n_out == 8: narrow_weight_outputs(8, n, lo, hi, layer, add, step, moment_stride)

# ---- sums of squares of the rows of W, in the order of sums.pxi, which has 16 lanes for the outputs ----

cdef void narrow_row_squares(const Step* step, const real* w, const real* g, int m, real prescale, Py_ssize_t n,
                             real* out) noexcept nogil:
    """`squares` (train/update.pxi) of n rows of W, at most LANES: its lanes here are vectors, one for each output."""
    cdef vec s[8]
    cdef vec a
    cdef int o, half
    for o in range(8):
        s[o] = vset(0)
        if o < m:
            a = vmul(vset(prescale), add_penalties(step, vload(w + o * PANEL), vload(g + o * PANEL)))
            s[o] = vfma(a, a, s[o])
    half = 4
    while half:
        for o in range(half):
            s[o] = vadd(s[o], s[o + half])
        half //= 2
    vstore_part(out, s[0], n)

cdef real narrow_sum_of_squares(Panels W, int m, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """`sum_of_squares` of the rows first..first+n of W; first is a multiple of LANES."""
    cdef lanes16 sums
    cdef real outputs[LANES * LANES]            # LANES outputs of inputs i.., transposed: the outputs are in the lanes
    cdef real rows[LANES * LANES]
    cdef Py_ssize_t i, r
    cdef vec a
    clear16(&sums)
    memset(outputs, 0, sizeof(outputs))
    for i from 0 <= i < n by LANES:
        for r in range(m):
            vstore(outputs + r * LANES, vload(element(W, r, first + i)))
        vtranspose(outputs, LANES, rows, LANES)
        for r in range(min_(LANES, n - i)):
            a = vload(rows + r * LANES)
            fma16(&sums, 0, a, a)
    return total16(&sums)
