# A layer with few outputs (`is_narrow`, panels.pxi) and many inputs: Y = f(X W + b) and dW = X^T dZ.
#
#   n          rows of a chunk; lo, hi: the rows, or the inputs of dW, that a call computes
#   m          outputs of the layer, or of a group of outputs; a constant m is one at every call
#   groups     groups of LANES rows of X that are computed together: 1 or 2, a constant at every call
#   X          rows of the user's array, or panels (struct Inputs, product.pxi)
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
    NARROW_INPUTS = 64          # this many transposed inputs at a time, if there are several groups of outputs
    MAX_OUTPUTS = 2 * LANES     # of a narrow layer: more than `is_narrow` allows

cdef struct RowGroup:       # up to 2 * LANES rows of X, and the same rows of Z
    const real* rows[2 * LANES]     # IN: rows after the last repeat it
    Py_ssize_t stride       # from one panel of X to the next; PANEL for plain rows
    bint rows_end           # no memory follows a row
    real* Z                 # OUT

cdef inline void point_to_group(RowGroup* group, Py_ssize_t r, Py_ssize_t n_rows, const Layer* layer) noexcept nogil:
    """OUT: a group of n_rows rows from row r on."""
    cdef const Inputs* X = &layer.inputs
    cdef Py_ssize_t i
    group.stride = PANEL if X.rows != NULL else X.X.stride
    group.rows_end = X.rows != NULL
    group.Z = layer.Z.data + r * PANEL
    for i in range(2 * LANES):
        if X.rows != NULL:
            group.rows[i] = X.rows[r + min_(i, n_rows - 1)]
        else:
            group.rows[i] = X.X.data + (r + min_(i, n_rows - 1)) * PANEL

cdef inline void transpose_inputs(const int groups, Py_ssize_t first, Py_ssize_t n_inputs, const RowGroup* group,
                                  real* columns) noexcept nogil:
    """columns[input][row] = inputs first.. of groups * LANES rows, at most LANES inputs."""
    cdef real part[LANES * LANES]
    cdef const real* parts[LANES]
    cdef Py_ssize_t q = column_offset(first, group.stride)
    cdef int g, i
    for g in range(groups):
        if n_inputs < LANES and group.rows_end:
            for i in range(LANES):
                parts[i] = part + i * LANES
                vstore(part + i * LANES, vload_part(group.rows[g * LANES + i] + q, n_inputs))
            vtranspose_rows(parts, 0, columns + g * LANES, groups * LANES)
        else:
            vtranspose_rows(group.rows + g * LANES, q, columns + g * LANES, groups * LANES)
    for i in range(groups * LANES):         # rows of a large batch are not in L2 (3000-5, 256: half the time)
        vprefetch(group.rows[i] + q + 4 * LANES)

cdef inline void narrow_forward_rows(const int m, const int groups, const RowGroup* group,
                                     const Layer* layer) noexcept nogil:
    """Z = b + X W for groups * LANES rows."""
    cdef vec c[2 * NARROW_GROUP]
    cdef vec x[2]
    cdef vec w
    cdef real columns[2 * LANES * LANES]        # LANES inputs of the rows: the rows are in the lanes
    cdef real part[LANES * LANES]               # LANES rows of the result, transposed
    cdef const real* p
    cdef const real* b = layer.b
    cdef Panels W = layer.W
    cdef Py_ssize_t j, n_inputs, k = layer.n_in
    cdef int g, i, o
    for o in range(m):
        w = vset(b[o])
        for g in range(groups):
            c[groups * o + g] = w
    for j from 0 <= j < k by LANES:
        n_inputs = min_(LANES, k - j)
        transpose_inputs(groups, j, n_inputs, group, columns)
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
        vtranspose(part, LANES, group.Z + g * LANES * PANEL, PANEL)

cdef inline int group_size(int m, int first) noexcept nogil:
    """Outputs of the group that begins with output `first`, if m > NARROW_GROUP: 4 to 7, since a narrow layer has 9, 10 or
    17 to 20 outputs. Groups differ by at most one."""
    cdef int n_groups = (m + NARROW_GROUP - 1) // NARROW_GROUP, large = m % n_groups, size = m // n_groups
    return size + 1 if first < large * (size + 1) else size

cdef inline void add_inputs(const int m, const int groups, Py_ssize_t n, const real* columns, Panels W,
                            real* sums) noexcept nogil:
    """sums += X W for m outputs and n inputs. columns: the inputs of groups * LANES rows."""
    cdef vec c[2 * NARROW_GROUP]
    cdef vec x[2]
    cdef vec w
    cdef const real* p
    cdef Py_ssize_t j, i
    cdef int g, o
    for o in range(groups * m):
        c[o] = vload(sums + o * LANES)
    for j from 0 <= j < n by PANEL:
        p = element(W, 0, j)
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

cdef inline void narrow_forward_blocks(const int groups, const RowGroup* group, const Layer* layer) noexcept nogil:
    """narrow_forward_rows with more than NARROW_GROUP outputs.

    A step of 2000-17-1, batch 16, takes 0.66 times as long as with panels of W."""
    cdef real columns[NARROW_INPUTS * 2 * LANES]
    cdef real sums[MAX_OUTPUTS * 2 * LANES]
    cdef const real* b = layer.b
    cdef Panels W
    cdef Py_ssize_t first, j, n, k = layer.n_in
    cdef int g, o, size, m = <int>layer.n_out
    for o in range(<int>round_up(m, LANES)):
        for g in range(groups):
            vstore(sums + (groups * o + g) * LANES, vset(b[o] if o < m else 0))
    for first from 0 <= first < k by NARROW_INPUTS:
        n = min_(NARROW_INPUTS, k - first)
        for j from 0 <= j < n by LANES:
            transpose_inputs(groups, first + j, min_(LANES, n - j), group, columns + groups * j * LANES)
        o = 0
        while o < m:
            size = group_size(m, o)
            W = panels(element(layer.W, o, first), layer.W.stride)
            if size == 4: add_inputs(4, groups, n, columns, W, sums + groups * o * LANES)
            elif size == 5: add_inputs(5, groups, n, columns, W, sums + groups * o * LANES)
            elif size == 6: add_inputs(6, groups, n, columns, W, sums + groups * o * LANES)
            else: add_inputs(7, groups, n, columns, W, sums + groups * o * LANES)
            o += size
    for o from 0 <= o < m by LANES:
        for g in range(groups):
            vtranspose(sums + (groups * o + g) * LANES, groups * LANES, group.Z + g * LANES * PANEL + o, PANEL)

cdef void narrow_forward_wide(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """narrow_forward_outputs with more than NARROW_GROUP outputs."""
    cdef RowGroup group
    cdef Py_ssize_t r, n_rows
    for r from lo <= r < hi by 2 * LANES:
        n_rows = min_(2 * LANES, hi - r)
        point_to_group(&group, r, n_rows, layer)
        if n_rows > LANES:
            narrow_forward_blocks(2, &group, layer)
        else:
            narrow_forward_blocks(1, &group, layer)

cdef inline void narrow_forward_outputs(const int m, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Z = b + X W, rows lo..hi. Rows are computed in groups of LANES; those after hi exist in Z."""
    cdef RowGroup group
    cdef Py_ssize_t r, n_rows
    for r from lo <= r < hi by 2 * LANES:
        n_rows = min_(2 * LANES, hi - r)
        point_to_group(&group, r, n_rows, layer)
        if n_rows > LANES:
            narrow_forward_rows(m, 2, &group, layer)
        else:
            narrow_forward_rows(m, 1, &group, layer)

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
    activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z, layer.Y)

cdef struct WeightPanel:    # a panel of inputs of dW^T, or a group of its outputs
    Py_ssize_t n            # rows of the chunk
    Inputs X
    Py_ssize_t first        # the panel's first input
    Py_ssize_t n_inputs     # from there on, in the layer
    const real* dZ          # row 0, from the first output on
    real* g                 # OUT

cdef inline void narrow_weight_panel(const int m, const bint whole, const WeightPanel* panel) noexcept nogil:
    """g = dW^T for m outputs; not whole: fewer than PANEL inputs are left."""
    cdef vec c[NARROW_GROUP * VECS]
    cdef vec x[VECS]
    cdef vec d
    cdef const real* a
    cdef const real* dZ = panel.dZ
    cdef real* g = panel.g
    cdef Py_ssize_t i, n_inputs = panel.n_inputs
    cdef int o, v
    for o in range(m * VECS):
        c[o] = vset(0)
    for i in range(panel.n):
        if panel.X.rows != NULL:
            a = panel.X.rows[i] + panel.first
            vprefetch(a + PANEL)
            vprefetch(a + PANEL + LANES)
        else:
            a = element(panel.X.X, i, panel.first)
        for v in range(VECS):
            x[v] = vload(a + v * LANES) if whole else vload_part(a + v * LANES, max_(n_inputs - v * LANES, 0))
        for o in range(m):
            d = vset(dZ[o])
            for v in range(VECS):
                c[VECS * o + v] = vfma(x[v], d, c[VECS * o + v])
        dZ += PANEL
    for o in range(m):
        for v in range(VECS):               # 0 times an infinity is NaN: the padding stays 0
            if not whole:
                c[VECS * o + v] = vfirst(c[VECS * o + v], max_(n_inputs - v * LANES, 0))
            vstore(g + o * PANEL + v * LANES, c[VECS * o + v])

cdef void narrow_weight_groups(const bint whole, int m, const WeightPanel* panel) noexcept nogil:
    """narrow_weight_panel with more than NARROW_GROUP outputs."""
    cdef WeightPanel p = panel[0]           # of a group of outputs
    cdef int o = 0, size
    while o < m:
        size = group_size(m, o)
        p.dZ = panel.dZ + o
        p.g = panel.g + o * PANEL
        if size == 4: narrow_weight_panel(4, whole, &p)
        elif size == 5: narrow_weight_panel(5, whole, &p)
        elif size == 6: narrow_weight_panel(6, whole, &p)
        else: narrow_weight_panel(7, whole, &p)
        o += size

cdef inline void narrow_weight_outputs(const int few, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                                       const ChunkGradient* gradient) noexcept nogil:
    """few: the number of outputs, a constant; 0: more than NARROW_GROUP."""
    cdef int m = few if few > 0 else <int>layer.n_out
    cdef const Step* step = gradient.step
    cdef bint add = gradient.add
    cdef real g[MAX_OUTPUTS * PANEL]
    cdef WeightPanel panel
    cdef Py_ssize_t j, i
    cdef real* dW
    cdef real* W
    cdef vec lr
    panel.n = gradient.n
    panel.X = layer.inputs
    panel.dZ = layer.dZ.data
    panel.g = g
    for j from lo <= j < hi by PANEL:
        panel.first = j
        panel.n_inputs = layer.n_in - j
        if few == 0 and panel.n_inputs >= PANEL:
            narrow_weight_groups(True, m, &panel)
        elif few == 0:
            narrow_weight_groups(False, m, &panel)
        elif panel.n_inputs >= PANEL:
            narrow_weight_panel(few, True, &panel)
        else:
            narrow_weight_panel(few, False, &panel)
        dW = layer.dW + j * m
        W = layer.W.data + j * m
        if add:
            for i from 0 <= i < m * PANEL by LANES:
                vstore(g + i, vadd(vload(dW + i), vload(g + i)))
        if step == NULL:
            memcpy(dW, g, m * PANEL * sizeof(real))
        elif step.is_plain_sgd:
            lr = vset(-step.lr)
            for i from 0 <= i < m * PANEL by LANES:
                vstore(W + i, vfma(lr, vload(g + i), vload(W + i)))
        else:
            update_in_region(step, W, g, gradient.moment_stride, m * PANEL)

cdef void narrow_backward_weight(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                                 const ChunkGradient* gradient) noexcept nogil:
    """Inputs lo..hi of dW = X^T dZ over the rows of a chunk. With a step, W is updated instead. lo is a multiple of
    PANEL."""
    if NARROW >= 2 and layer.n_out == 2: narrow_weight_outputs(2, lo, hi, layer, gradient)
    elif NARROW >= 3 and layer.n_out == 3: narrow_weight_outputs(3, lo, hi, layer, gradient)
    elif NARROW >= 4 and layer.n_out == 4: narrow_weight_outputs(4, lo, hi, layer, gradient)
    elif NARROW >= 5 and layer.n_out == 5: narrow_weight_outputs(5, lo, hi, layer, gradient)
    elif NARROW >= 6 and layer.n_out == 6: narrow_weight_outputs(6, lo, hi, layer, gradient)
    elif NARROW >= 7 and layer.n_out == 7: narrow_weight_outputs(7, lo, hi, layer, gradient)
    elif NARROW >= 8 and layer.n_out == 8: narrow_weight_outputs(8, lo, hi, layer, gradient)
    elif NARROW > 0: narrow_weight_outputs(0, lo, hi, layer, gradient)

# ---- sums of squares of the rows of W, in the order of sums.pxi, which has 16 lanes for the outputs ----

cdef void narrow_row_squares(const ScaledGradient* scaled, const real* w, const real* g, int m, Py_ssize_t n,
                             real* out) noexcept nogil:
    """`squares` (train/update.pxi) of n rows of W, at most LANES: its lanes here are vectors, one for each output."""
    cdef vec s[16]
    cdef vec a
    cdef int o, half
    for o in range(16):
        s[o] = vset(0)
    for o in range(m):
        a = scale_gradient(scaled, vload(w + o * PANEL), vload(g + o * PANEL))
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
