# A layer with one output: Y = f(X w + b), dX = dZ w^T, dw = X^T dZ. W is a vector w.
#
#   n          rows of a chunk; lo, hi: the rows, or the inputs of dw, that a call computes
#   X          rows of the user's array, or panels (struct Inputs, product.pxi)
#   IN         X, w, b, dZ, S (linear.pxi);  OUT: Z, Y, dX, dw (INOUT with `add`)
#
# Order of sums: forward is a dot product along memory, 16 lanes and one tree (sums.pxi), then + b; dw adds the rows of a
# chunk in order.

cdef enum:
    LONG_DOT = 128          # from this many inputs on, several rows or vectors are computed at a time
    DOT_INPUTS = 512        # and dw this many inputs of DOT_ROWS rows at a time
    DOT_ROWS = 32

cdef void dot_rows(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, real bias) noexcept nogil:
    """Rows lo..hi of Z = X w + b, four at a time."""
    cdef Py_ssize_t i = lo, stride = PANEL if layer.inputs.rows != NULL else layer.inputs.X.stride
    cdef Inputs X = layer.inputs
    cdef const real* rows[4]
    cdef real z[4]
    cdef int r, n_rows
    while i < hi:
        n_rows = 4 if hi - i >= 4 else 1
        for r in range(n_rows):
            rows[r] = X.rows[i + r] if X.rows != NULL else X.X.data + (i + r) * PANEL
        if n_rows == 4:
            dots(4, layer.n_in, rows, stride, layer.W.data, z)
        else:
            dots(1, layer.n_in, rows, stride, layer.W.data, z)
        for r in range(n_rows):
            layer.Z.data[(i + r) * layer.row_stride] = z[r] + bias
        i += n_rows

cdef void dot_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Rows lo..hi of Y = f(X w + b)."""
    cdef Py_ssize_t i, n_in = layer.n_in, row_stride = layer.row_stride
    cdef Inputs X = layer.inputs
    cdef const real* w = layer.W.data
    cdef real* Z = layer.Z.data
    cdef real bias = layer.b[0], x
    if n_in >= LONG_DOT:
        dot_rows(lo, hi, layer, bias)
    elif n_in == 1:                             # the other 15 lanes of the sum are 0
        for i in range(lo, hi):
            x = X.rows[i][0] if X.rows != NULL else X.X.data[i * PANEL]
            Z[i * row_stride] = (x * w[0] + <real>0) + bias
    elif X.rows != NULL:
        for i in range(lo, hi):
            Z[i * row_stride] = dot(n_in, X.rows[i], PANEL, w) + bias
    else:
        for i in range(lo, hi):
            Z[i * row_stride] = dot(n_in, X.X.data + i * PANEL, X.X.stride, w) + bias
    activate_rows(lo, hi, layer)

cdef void dot_backward_input(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Rows lo..hi of dX = (dZ w^T) * f'(S)."""
    cdef Py_ssize_t i, j, q, n_in = layer.n_in, row_stride = layer.row_stride, stride = layer.dX.stride
    cdef const real* w = layer.W.data
    cdef const real* dZ = layer.dZ.data
    cdef const real* S = layer.S
    cdef real* dX = layer.dX.data
    cdef bint is_relu = layer.derivative == RELU
    cdef vec x, zero = vset(0)
    for j from 0 <= j < n_in by LANES:
        x = vload(w + j)
        q = column_offset(j, stride)
        if is_relu:
            for i in range(lo, hi):
                vstore(dX + q + i * PANEL,
                       vselect_gt(vload(S + q + i * PANEL), zero, vmul(vset(dZ[i * row_stride]), x), zero))
        else:
            for i in range(lo, hi):
                vstore(dX + q + i * PANEL, vmul(vset(dZ[i * row_stride]), x))
    if not is_relu:
        activation_backward_panels(layer.derivative, lo, hi, n_in, S, layer.dX)

cdef inline bint has_joint_bias(const Layer* layer) noexcept nogil:
    """Whether dot_backward_weight also computes db, with the last inputs: both sums are chains, which run at the same time."""
    return layer.learns_bias and 0 < layer.n_in < LONG_DOT

cdef inline void dot_weight_panel(const bint with_bias, Py_ssize_t j, const Layer* layer,
                                  const ChunkGradient* gradient) noexcept nogil:
    """Inputs j..j+PANEL of dw, and db."""
    cdef Py_ssize_t i, n_left, n = gradient.n, n_in = layer.n_in, row_stride = layer.row_stride
    cdef bint add = gradient.add
    cdef const real** rows = layer.inputs.rows
    cdef Panels X = layer.inputs.X
    cdef const real* dZ = layer.dZ.data
    cdef real* g = layer.dW
    cdef int v
    cdef vec s[VECS]
    cdef vec d
    cdef real bias = 0
    for v in range(VECS):
        s[v] = vset(0)
    for i in range(n):
        d = vset(dZ[i * row_stride])
        if with_bias:
            bias += dZ[i * row_stride]
        for v in range(VECS):
            if rows == NULL:
                s[v] = vfma(vload(element(X, i, j) + v * LANES), d, s[v])
            else:
                n_left = n_in - j - v * LANES
                s[v] = vfma(vload_part(rows[i] + j + v * LANES, n_left if n_left > 0 else 0), d, s[v])
    for v in range(VECS):
        vstore(g + j + v * LANES, vadd(vload(g + j + v * LANES), s[v]) if add else s[v])
    if with_bias:
        layer.db[0] = layer.db[0] + bias if add else bias

cdef void dot_backward_weight(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                              const ChunkGradient* gradient) noexcept nogil:
    """Inputs lo..hi of dw = X^T dZ; lo is a multiple of PANEL. With the last inputs db, if has_joint_bias."""
    cdef Py_ssize_t j
    cdef bint joint = has_joint_bias(layer)
    for j from lo <= j < hi by PANEL:
        if joint and j + PANEL >= layer.n_in:
            dot_weight_panel(True, j, layer, gradient)
        else:
            dot_weight_panel(False, j, layer, gradient)

cdef inline void add_products(const int vecs, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, Py_ssize_t j,
                              real* sums) noexcept nogil:
    """sums += X^T dZ of rows lo..hi and `vecs` vectors of inputs, j..; the sums of rows before lo are in `sums`."""
    cdef vec s[4 * VECS]
    cdef vec d
    cdef const real** rows = layer.inputs.rows
    cdef const real* x = element(layer.inputs.X, lo, j)
    cdef Py_ssize_t i, stride = PANEL if rows != NULL else layer.inputs.X.stride
    cdef int v
    for v in range(vecs):
        s[v] = vload(sums + v * LANES) if lo > 0 else vset(0)
    for i in range(lo, hi):
        if rows != NULL:
            x = rows[i] + j
        d = vset(layer.dZ.data[i * layer.row_stride])
        for v in range(vecs):
            s[v] = vfma(vload(x + column_offset(v * LANES, stride)), d, s[v])
        x += PANEL
    for v in range(vecs):
        vstore(sums + v * LANES, s[v])

cdef void dot_backward_weight_long(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                                   const ChunkGradient* gradient) noexcept nogil:
    """dot_backward_weight of at least LONG_DOT inputs: four panels at a time, and each row's memory in order.

    With one panel of all rows at a time, a step of 2048-1, batch 256, took 2.4 times as long: all rows begin at the
    same cache sets."""
    cdef real sums[DOT_INPUTS]
    cdef Py_ssize_t first, end, whole, i, j, k, n = gradient.n
    cdef bint add = gradient.add
    for first from lo <= first < hi by DOT_INPUTS:
        end = min_(first + DOT_INPUTS, hi)
        whole = first + (min_(end, layer.n_in) - first) // (4 * PANEL) * (4 * PANEL)
        for i from 0 <= i < n by DOT_ROWS:
            for j from first <= j < whole by 4 * PANEL:
                add_products(4 * VECS, i, min_(i + DOT_ROWS, n), layer, j, sums + j - first)
        for j from first <= j < whole by LANES:
            k = j - first
            vstore(layer.dW + j, vadd(vload(layer.dW + j), vload(sums + k)) if add else vload(sums + k))
        dot_backward_weight(whole, end, layer, gradient)

cdef void dot_backward_bias(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                            const ChunkGradient* gradient) noexcept nogil:
    """db = the sum of dZ."""
    cdef Py_ssize_t i
    cdef real s = 0
    for i in range(gradient.n):
        s += layer.dZ.data[i * layer.row_stride]
    layer.db[0] = layer.db[0] + s if gradient.add else s
