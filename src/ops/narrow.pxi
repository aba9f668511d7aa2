# A layer with few outputs (`is_narrow`, panels.pxi) and many inputs: Y = f(X W + b) and dW = X^T dZ.
#
#   n          rows of a chunk; lo, hi: the rows, or the inputs of dW, that a call computes
#   k, m       inputs and outputs of the layer, or of a group of outputs; a constant m is one at every call
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
#
# Up to NARROW_GROUP outputs are computed together, and their sums are in registers. More outputs are computed in groups,
# which read the same transposed inputs.

cdef enum:
    NARROW_INPUTS = 64          # so many transposed inputs at a time, if there are several groups of outputs
    MAX_OUTPUTS = 2 * LANES     # of a narrow layer: more than `is_narrow` allows

cdef inline void transpose_inputs(const int groups, Py_ssize_t n_inputs, const real** rows, Py_ssize_t q, bint rows_end,
                                  real* columns) noexcept nogil:
    """columns[input][row] = inputs q.. of groups * LANES rows, at most LANES inputs. rows_end: no memory follows a
    row."""
    cdef real part[LANES * LANES]
    cdef const real* parts[LANES]
    cdef int g, i
    for g in range(groups):
        if n_inputs < LANES and rows_end:
            for i in range(LANES):
                parts[i] = part + i * LANES
                vstore(part + i * LANES, vload_part(rows[g * LANES + i] + q, n_inputs))
            vtranspose_rows(parts, 0, columns + g * LANES, groups * LANES)
        else:
            vtranspose_rows(rows + g * LANES, q, columns + g * LANES, groups * LANES)
    for i in range(groups * LANES):         # rows of a large batch are not in L2 (3000-5, 256: half the time)
        vprefetch(rows[i] + q + 4 * LANES)

cdef inline void narrow_forward_rows(const int m, const int groups, Py_ssize_t k, const real** rows, Py_ssize_t stride,
                                     bint rows_end, Panels W, const real* b, real* Z) noexcept nogil:
    """Z = b + X W for groups * LANES rows. rows: pointers to them; stride: from one panel of X to the next, PANEL for
    plain rows. rows_end: no memory follows a row."""
    cdef vec c[2 * NARROW_GROUP]
    cdef vec x[2]
    cdef vec w
    cdef real columns[2 * LANES * LANES]        # LANES inputs of the rows: the rows are in the lanes
    cdef real part[LANES * LANES]               # LANES rows of the result, transposed
    cdef const real* p
    cdef Py_ssize_t j, n_inputs
    cdef int g, i, o
    for o in range(m):
        w = vset(b[o] if b != NULL else 0)
        for g in range(groups):
            c[groups * o + g] = w
    for j from 0 <= j < k by LANES:
        n_inputs = min_(LANES, k - j)
        transpose_inputs(groups, n_inputs, rows, column_offset(j, stride), rows_end, columns)
        p = element(W, 0, j)
        for i in range(n_inputs):
            for g in range(groups):
                x[g] = vload(columns + (groups * i + g) * LANES)
            for o in range(m):
                w = vset(p[o * PANEL + i])
                for g in range(groups):
                    c[groups * o + g] = vfma(x[g], w, c[groups * o + g])
    for g in range(groups):
        for o in range(LANES):
            vstore(part + o * LANES, c[groups * o + g] if o < m else vset(0))
        vtranspose(part, LANES, Z + g * LANES * PANEL, PANEL)

cdef inline int group_size(int m, int first) noexcept nogil:
    """Outputs of the group that begins with output `first`, if m > NARROW_GROUP: 4 to NARROW_GROUP, groups differ by at
    most one."""
    cdef int n_groups = (m + NARROW_GROUP - 1) // NARROW_GROUP, large = m % n_groups, size = m // n_groups
    return size + 1 if first < large * (size + 1) else size

cdef inline void add_inputs(const int m, const int groups, Py_ssize_t n, const real* columns, Panels W, Py_ssize_t first,
                            real* sums) noexcept nogil:
    """sums += X W for m outputs and n inputs, first..; columns: these inputs of groups * LANES rows."""
    cdef vec c[2 * NARROW_GROUP]
    cdef vec x[2]
    cdef vec w
    cdef const real* p
    cdef Py_ssize_t j, i
    cdef int g, o
    for o in range(groups * m):
        c[o] = vload(sums + o * LANES)
    for j from 0 <= j < n by PANEL:
        p = element(W, 0, first + j)
        for i in range(min_(PANEL, n - j)):
            for g in range(groups):
                x[g] = vload(columns + g * LANES)
            for o in range(m):
                w = vset(p[o * PANEL + i])
                for g in range(groups):
                    c[groups * o + g] = vfma(x[g], w, c[groups * o + g])
            columns += groups * LANES
    for o in range(groups * m):
        vstore(sums + o * LANES, c[o])

cdef inline void narrow_forward_blocks(const int groups, Py_ssize_t k, int m, const real** rows, Py_ssize_t stride,
                                       bint rows_end, Panels W, const real* b, real* Z) noexcept nogil:
    """narrow_forward_rows with more than NARROW_GROUP outputs.

    A step of 2000-17-1, batch 16, takes 0.66 times as long as with panels of W."""
    cdef real columns[NARROW_INPUTS * 2 * LANES]
    cdef real sums[MAX_OUTPUTS * 2 * LANES]
    cdef Panels group
    cdef Py_ssize_t first, j, n
    cdef int g, o, size
    for o in range(<int>round_up(m, LANES)):
        for g in range(groups):
            vstore(sums + (groups * o + g) * LANES, vset(b[o] if b != NULL and o < m else 0))
    for first from 0 <= first < k by NARROW_INPUTS:
        n = min_(NARROW_INPUTS, k - first)
        for j from 0 <= j < n by LANES:
            transpose_inputs(groups, min_(LANES, n - j), rows, column_offset(first + j, stride), rows_end,
                             columns + groups * j * LANES)
        o = 0
        while o < m:
            size = group_size(m, o)
            group = panels(W.data + o * PANEL, W.stride)
            if size == 4: add_inputs(4, groups, n, columns, group, first, sums + groups * o * LANES)
            elif size == 5: add_inputs(5, groups, n, columns, group, first, sums + groups * o * LANES)
            elif size == 6: add_inputs(6, groups, n, columns, group, first, sums + groups * o * LANES)
            elif size == 7: add_inputs(7, groups, n, columns, group, first, sums + groups * o * LANES)
            else: add_inputs(8, groups, n, columns, group, first, sums + groups * o * LANES)
            o += size
    for o from 0 <= o < m by LANES:
        for g in range(groups):
            vtranspose(sums + (groups * o + g) * LANES, groups * LANES, Z + g * LANES * PANEL + o, PANEL)

cdef void narrow_forward_wide(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """narrow_forward_outputs with more than NARROW_GROUP outputs."""
    cdef const real* rows[2 * LANES]
    cdef Inputs X = layer.inputs
    cdef Py_ssize_t r, n_rows, stride = X.X.stride if X.rows == NULL else PANEL
    for r from lo <= r < hi by 2 * LANES:
        n_rows = min_(2 * LANES, hi - r)
        point_to_group(&X, r, n_rows, rows)
        if n_rows > LANES:
            narrow_forward_blocks(2, layer.n_in, <int>layer.n_out, rows, stride, X.rows != NULL, layer.W, layer.b,
                                  layer.Z.data + r * PANEL)
        else:
            narrow_forward_blocks(1, layer.n_in, <int>layer.n_out, rows, stride, X.rows != NULL, layer.W, layer.b,
                                  layer.Z.data + r * PANEL)

cdef inline void point_to_group(const Inputs* X, Py_ssize_t r, Py_ssize_t n_rows, const real** rows) noexcept nogil:
    """OUT: pointers to 2 * LANES rows from row r on; rows after n_rows repeat the last."""
    cdef Py_ssize_t i
    for i in range(2 * LANES):
        if X.rows != NULL:
            rows[i] = X.rows[r + min_(i, n_rows - 1)]
        else:
            rows[i] = X.X.data + (r + min_(i, n_rows - 1)) * PANEL

cdef inline void narrow_forward_outputs(const int m, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Z = b + X W, rows lo..hi. Rows are computed in groups of LANES; those after hi exist in Z."""
    cdef const real* rows[2 * LANES]
    cdef Inputs X = layer.inputs
    cdef Py_ssize_t r, n_rows, stride = X.X.stride if X.rows == NULL else PANEL
    for r from lo <= r < hi by 2 * LANES:
        n_rows = min_(2 * LANES, hi - r)
        point_to_group(&X, r, n_rows, rows)
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
    elif NARROW > 0: narrow_forward_wide(lo, hi, layer)
    activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z.data, layer.Y.data, layer.Y.stride)

cdef inline void narrow_weight_panel(const int m, const bint whole, Py_ssize_t n, const Layer* layer, Py_ssize_t j,
                                     const real* dZ, real* g) noexcept nogil:
    """g = dW^T for one panel of inputs, j.., and m outputs; not whole: fewer than PANEL inputs are left.

    dZ: row 0, from the first of these outputs on."""
    cdef vec c[NARROW_GROUP * VECS]
    cdef vec x[VECS]
    cdef vec d
    cdef const real** rows = layer.inputs.rows
    cdef const real* a
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

cdef void narrow_weight_groups(const bint whole, Py_ssize_t n, const Layer* layer, Py_ssize_t j, real* g) noexcept nogil:
    """narrow_weight_panel with more than NARROW_GROUP outputs."""
    cdef int o = 0, size
    cdef const real* dZ
    while o < layer.n_out:
        size = group_size(<int>layer.n_out, o)
        dZ = layer.dZ.data + o
        if size == 4: narrow_weight_panel(4, whole, n, layer, j, dZ, g + o * PANEL)
        elif size == 5: narrow_weight_panel(5, whole, n, layer, j, dZ, g + o * PANEL)
        elif size == 6: narrow_weight_panel(6, whole, n, layer, j, dZ, g + o * PANEL)
        elif size == 7: narrow_weight_panel(7, whole, n, layer, j, dZ, g + o * PANEL)
        else: narrow_weight_panel(8, whole, n, layer, j, dZ, g + o * PANEL)
        o += size

cdef inline void narrow_weight_outputs(int m, const bint wide, Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi,
                                       const Layer* layer, bint add, const Step* step,
                                       Py_ssize_t moment_stride) noexcept nogil:
    """wide: m is more than NARROW_GROUP, and no constant."""
    cdef real g[MAX_OUTPUTS * PANEL]
    cdef Py_ssize_t j, i
    cdef real* dW
    cdef real* W
    cdef vec lr
    for j from lo <= j < hi by PANEL:
        if wide and j + PANEL <= layer.n_in:
            narrow_weight_groups(True, n, layer, j, g)
        elif wide:
            narrow_weight_groups(False, n, layer, j, g)
        elif j + PANEL <= layer.n_in:
            narrow_weight_panel(m, True, n, layer, j, layer.dZ.data, g)
        else:
            narrow_weight_panel(m, False, n, layer, j, layer.dZ.data, g)
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
    if NARROW >= 2 and layer.n_out == 2: narrow_weight_outputs(2, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 3 and layer.n_out == 3: narrow_weight_outputs(3, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 4 and layer.n_out == 4: narrow_weight_outputs(4, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 5 and layer.n_out == 5: narrow_weight_outputs(5, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 6 and layer.n_out == 6: narrow_weight_outputs(6, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 7 and layer.n_out == 7: narrow_weight_outputs(7, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW >= 8 and layer.n_out == 8: narrow_weight_outputs(8, False, n, lo, hi, layer, add, step, moment_stride)
    elif NARROW > 0:
        narrow_weight_outputs(<int>layer.n_out, True, n, lo, hi, layer, add, step, moment_stride)

# ---- sums of squares of the rows of W, in the order of sums.pxi, which has 16 lanes for the outputs ----

cdef void narrow_row_squares(const Step* step, const real* w, const real* g, int m, real prescale, Py_ssize_t n,
                             real* out) noexcept nogil:
    """`squares` (train/update.pxi) of n rows of W, at most LANES: its lanes here are vectors, one for each output."""
    cdef vec s[16]
    cdef vec a
    cdef int o, half
    for o in range(16):
        s[o] = vset(0)
    for o in range(m):
        a = vmul(vset(prescale), add_penalties(step, vload(w + o * PANEL), vload(g + o * PANEL)))
        s[o % 16] = vfma(a, a, s[o % 16])
    half = 8
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
    cdef Py_ssize_t i, r, o
    cdef int v
    cdef vec a
    clear16(&sums)
    for o from 0 <= o < m by LANES:
        v = <int>(o // LANES) % SUM_VECS
        for i from 0 <= i < n by LANES:
            for r in range(LANES):
                vstore(outputs + r * LANES, vload(element(W, o + r, first + i)) if o + r < m else vset(0))
            vtranspose(outputs, LANES, rows, LANES)
            for r in range(min_(LANES, n - i)):
                a = vload(rows + r * LANES)
                fma16(&sums, v, a, a)
    return total16(&sums)
