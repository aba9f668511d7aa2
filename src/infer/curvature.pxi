# Products of v, a vector like the parameters, with second derivatives of a loss in the parameters (Pearlmutter, 1994).
#
# The caller computes the loss: `outputs_along` gives the outputs Y and their derivative dY along v; the caller returns
# U = dL/dY and dU, the Hessian of the loss in the outputs times dY; `add_curvature` goes back through the layers.
#
#   forward    dZ = dA W + A V + c, dA' = f'(Z) dZ                             V, c: v of a layer
#   backward   dU <- f'(Z) dU + f''(Z) U dZ, U <- f'(Z) U;  out += dA^T U + A^T dU, and the sums of the rows of dU
#              dU <- dU W^T + U V^T, U <- U W^T
#
# Without U these are the Gauss-Newton products A^T dU. The network has an identity in place of an output activation that
# is part of the loss.
#
# Order of sums: products as in few.pxi, those of `out` over the rows of a chunk in order; then the chunks in order.

cdef enum:
    CURVATURE_ROWS = FEW_ROWS   # of a chunk: enough for the products of few.pxi, few enough for L2

cdef struct CurvatureSweep:
    const Network* net
    const real* v           # flat, like the parameters
    real* A                 # inputs of all layers and the outputs, (rows, sizes[l]) each; so are dA and Z
    real* dA                # derivatives along v, that of X is 0
    real* dZ                # (rows, sizes[l + 1]) of each layer, likewise F1 and F2
    real* F1
    real* F2
    real* U[2]              # (rows, width), in turn
    real* dU[2]
    real* product           # of a layer: like W, or (rows, width)
    real* transposed        # (width, rows): inputs
    real* T                 # of a layer: W^T or V^T
    real* row               # (2 width) rows of softmax in padded memory

cdef inline Py_ssize_t inputs_before(const Network* net, Py_ssize_t l) noexcept nogil:
    """Where the inputs of layer l begin in A and dA."""
    return CURVATURE_ROWS * (net.sizes[0] + units_before(net, l - 1)) if l > 0 else 0

cdef inline const real* part_of(const CurvatureSweep* s, Py_ssize_t l) noexcept nogil:
    """v of layer l: V, and then c if the layer has biases."""
    cdef Py_ssize_t i
    cdef const real* v = s.v
    for i in range(l):
        v += s.net.sizes[i] * s.net.sizes[i + 1] + (s.net.sizes[i + 1] if s.net.biases[i] != NULL else 0)
    return v

cdef Py_ssize_t layout_curvature(const Network* net, const real* v, CurvatureSweep* s, char* begin) noexcept nogil:
    """OUT: s, with its memory from `begin` on. Returns the bytes."""
    cdef Py_ssize_t l, width = padded(max_width(net)), units = units_before(net, net.n_layers), largest = 0
    cdef char* end = begin
    for l in range(net.n_layers):
        largest = max_(largest, net.sizes[l] * net.sizes[l + 1])
    s.net = net
    s.v = v
    s.A = allocate_reals(&end, CURVATURE_ROWS * (net.sizes[0] + units))
    s.dA = allocate_reals(&end, CURVATURE_ROWS * (net.sizes[0] + units))
    s.dZ = allocate_reals(&end, CURVATURE_ROWS * units)
    s.F1 = allocate_reals(&end, CURVATURE_ROWS * units)
    s.F2 = allocate_reals(&end, CURVATURE_ROWS * units)
    for l in range(2):
        s.U[l] = allocate_reals(&end, CURVATURE_ROWS * width)
        s.dU[l] = allocate_reals(&end, CURVATURE_ROWS * width)
    s.product = allocate_reals(&end, max_(largest, CURVATURE_ROWS * width))
    s.transposed = allocate_reals(&end, CURVATURE_ROWS * width)
    s.T = allocate_reals(&end, largest)
    s.row = allocate_reals(&end, 2 * width)
    return end - begin

cdef Py_ssize_t curvature_workspace_size(const Network* net) noexcept nogil:
    cdef CurvatureSweep s
    return layout_curvature(net, NULL, &s, NULL)

cdef inline void add_numbers(const real* x, real* y, Py_ssize_t n) noexcept nogil:
    """y += x"""
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        vstore_part(y + i, vadd(vload_part(y + i, n - i), vload_part(x + i, n - i)), n - i)

cdef void forward_along(const CurvatureSweep* s, Py_ssize_t n, const real* X) noexcept nogil:
    """A, dA, dZ, F1 and F2 of all layers for n rows."""
    cdef const Network* net = s.net
    cdef Py_ssize_t l, r, k, m, begin
    cdef const real* v = s.v
    cdef real* A
    cdef real* dA
    cdef real* dZ
    memcpy(s.A, X, n * net.sizes[0] * sizeof(real))
    memset(s.dA, 0, n * net.sizes[0] * sizeof(real))
    for l in range(net.n_layers):
        k = net.sizes[l]
        m = net.sizes[l + 1]
        begin = CURVATURE_ROWS * units_before(net, l)
        A = s.A + inputs_before(net, l + 1)
        dA = s.dA + inputs_before(net, l + 1)
        dZ = s.dZ + begin
        v = part_of(s, l)
        linear_rows(n, k, m, s.A + inputs_before(net, l), v, v + k * m if net.biases[l] != NULL else NULL, dZ)
        if l > 0:
            linear_rows(n, k, m, s.dA + inputs_before(net, l), <const real*>net.weights[l], NULL, s.product)
            add_numbers(s.product, dZ, n * m)
        linear_rows(n, k, m, s.A + inputs_before(net, l), <const real*>net.weights[l], <const real*>net.biases[l], A)
        if net.activations[l] != SOFTMAX:
            elementwise_slopes(net.activations[l], A, s.F1 + begin, s.F2 + begin, n * m)
            multiply(dZ, s.F1 + begin, dA, n * m)
            continue
        for r in range(n):
            in_padded_row(s, A + r * m, m, 0)
            softmax_forward(0, 1, m, panels(s.row, PANEL))
            in_padded_row(s, dZ + r * m, m, 1)
            softmax_backward(0, 1, m, s.row, panels(s.row + padded(m), PANEL))
            memcpy(A + r * m, s.row, m * sizeof(real))
            memcpy(dA + r * m, s.row + padded(m), m * sizeof(real))

cdef inline real* in_padded_row(const CurvatureSweep* s, const real* x, Py_ssize_t m, int i) noexcept nogil:
    """Copy a row of m numbers to row i of s.row, with zeros behind it."""
    cdef real* row = s.row + i * padded(m)
    memset(row + m, 0, (padded(m) - m) * sizeof(real))
    memcpy(row, x, m * sizeof(real))
    return row

cdef inline void multiply(const real* x, const real* y, real* out, Py_ssize_t n) noexcept nogil:
    """out = x y; out may be x or y"""
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        vstore_part(out + i, vmul(vload_part(x + i, n - i), vload_part(y + i, n - i)), n - i)

cdef int outputs_along(const Network* net, const void* v, const void* X, Py_ssize_t n, void* Y, void* dY,
                       void* workspace, Clock* clock) noexcept nogil:
    """OUT: the outputs and their derivatives along v, (n, n_out). Returns 1 if the caller stops it."""
    cdef CurvatureSweep s
    cdef Py_ssize_t r, rows, m = net.sizes[net.n_layers]
    layout_curvature(net, <const real*>v, &s, <char*>workspace)
    for r from 0 <= r < n by CURVATURE_ROWS:
        rows = min_(CURVATURE_ROWS, n - r)
        forward_along(&s, rows, <const real*>X + r * net.sizes[0])
        memcpy(<real*>Y + r * m, s.A + inputs_before(net, net.n_layers), rows * m * sizeof(real))
        memcpy(<real*>dY + r * m, s.dA + inputs_before(net, net.n_layers), rows * m * sizeof(real))
        if poll_stop(clock):
            return 1
    return 0

cdef int add_curvature(const Network* net, const void* v, const void* X, Py_ssize_t n, const void* U, const void* dU,
                       void* out, void* workspace, Clock* clock) noexcept nogil:
    """out (n_params,) += the product, of n rows with U and dU (n, n_out); U may be NULL. Returns 1 if stopped."""
    cdef CurvatureSweep s
    cdef Py_ssize_t r, rows, m = net.sizes[net.n_layers]
    layout_curvature(net, <const real*>v, &s, <char*>workspace)
    for r from 0 <= r < n by CURVATURE_ROWS:
        rows = min_(CURVATURE_ROWS, n - r)
        forward_along(&s, rows, <const real*>X + r * net.sizes[0])
        if U != NULL:
            memcpy(s.U[0], <const real*>U + r * m, rows * m * sizeof(real))
        memcpy(s.dU[0], <const real*>dU + r * m, rows * m * sizeof(real))
        backward_along(&s, rows, U != NULL, <real*>out)
        if poll_stop(clock):
            return 1
    return 0

cdef void backward_along(CurvatureSweep* s, Py_ssize_t n, bint has_U, real* out) noexcept nogil:
    """out += the product of the n rows that forward_along has left, from U[0] and dU[0] of the outputs."""
    cdef const Network* net = s.net
    cdef Py_ssize_t l, k, m
    cdef real* U = s.U[0]
    cdef real* dU = s.dU[0]
    cdef real* next_U
    cdef real* next_dU
    for l in range(net.n_layers - 1, -1, -1):
        k = net.sizes[l]
        m = net.sizes[l + 1]
        slopes_along(s, l, n, U if has_U else NULL, dU)
        add_parameters(s, l, n, U if has_U else NULL, dU, out + (part_of(s, l) - s.v))
        if l == 0:
            return
        next_U = s.U[0] if U == s.U[1] else s.U[1]
        next_dU = s.dU[0] if dU == s.dU[1] else s.dU[1]
        transpose_matrix(<const real*>net.weights[l], k, m, s.T)
        linear_rows(n, m, k, dU, s.T, NULL, next_dU)
        if has_U:
            linear_rows(n, m, k, U, s.T, NULL, next_U)
            transpose_matrix(part_of(s, l), k, m, s.T)
            linear_rows(n, m, k, U, s.T, NULL, s.product)
            add_numbers(s.product, next_dU, n * k)
        U = next_U
        dU = next_dU

cdef void slopes_along(const CurvatureSweep* s, Py_ssize_t l, Py_ssize_t n, real* U, real* dU) noexcept nogil:
    """dU <- f'(Z) dU + f''(Z) U dZ, U <- f'(Z) U of layer l. U may be NULL."""
    cdef Py_ssize_t i, r, m = s.net.sizes[l + 1], begin = CURVATURE_ROWS * units_before(s.net, l)
    cdef const real* F1 = s.F1 + begin
    cdef const real* F2 = s.F2 + begin
    cdef const real* dZ = s.dZ + begin
    cdef const real* a = s.A + inputs_before(s.net, l + 1)
    cdef const real* da = s.dA + inputs_before(s.net, l + 1)
    cdef vec u, t
    cdef real mean, along
    if s.net.activations[l] != SOFTMAX:
        for i from 0 <= i < n * m by LANES:
            t = vmul(vload_part(dU + i, n * m - i), vload_part(F1 + i, n * m - i))
            if U != NULL:
                u = vload_part(U + i, n * m - i)
                t = vfma(vmul(vload_part(F2 + i, n * m - i), u), vload_part(dZ + i, n * m - i), t)
                vstore_part(U + i, vmul(u, vload_part(F1 + i, n * m - i)), n * m - i)
            vstore_part(dU + i, t, n * m - i)
        return
    for r in range(n):                      # a (dU - sum a dU), and with U: + da (U - sum a U) - a sum da U
        in_padded_row(s, a + r * m, m, 0)
        softmax_backward(0, 1, m, s.row, panels(in_padded_row(s, dU + r * m, m, 1), PANEL))
        memcpy(dU + r * m, s.row + padded(m), m * sizeof(real))
        if U != NULL:
            mean = dot(m, a + r * m, PANEL, U + r * m)
            along = dot(m, da + r * m, PANEL, U + r * m)
            for i in range(r * m, r * m + m):
                dU[i] += da[i] * (U[i] - mean) - a[i] * along
                U[i] = a[i] * (U[i] - mean)

cdef void add_parameters(const CurvatureSweep* s, Py_ssize_t l, Py_ssize_t n, const real* U, const real* dU,
                         real* out) noexcept nogil:
    """out += A^T dU and the sums of the rows of dU, and dA^T U unless U is NULL."""
    cdef Py_ssize_t r, k = s.net.sizes[l], m = s.net.sizes[l + 1]
    transpose_matrix(s.A + inputs_before(s.net, l), n, k, s.transposed)
    linear_rows(k, n, m, s.transposed, dU, NULL, s.product)
    add_numbers(s.product, out, k * m)
    if U != NULL and l > 0:
        transpose_matrix(s.dA + inputs_before(s.net, l), n, k, s.transposed)
        linear_rows(k, n, m, s.transposed, U, NULL, s.product)
        add_numbers(s.product, out, k * m)
    if s.net.biases[l] != NULL:
        for r in range(n):
            add_numbers(dU + r * m, out + k * m, m)
