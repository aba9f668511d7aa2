# Derivatives of the outputs in the inputs: X (n, n_in) IN -> out OUT, all arrays row-major.
#
# Values go forward through the layers and leave f'(z), and f''(z) where it is needed. Tangents dz/dx_i then go forward,
# adjoints dy_k/da backward, each a row of a matrix that has those of all rows of a chunk. Every product is one of
# transposed.pxi, so a row gets the same bits alone and in any batch.
#
#   t, i       tangents of a row: one for each input that is asked for, or one along a direction
#   u, k       adjoints of a row: one for each output, or one for a combination of outputs
#   F1, F2     f'(z) and f''(z) of each layer, (rows, sizes[l + 1]). Softmax couples outputs: its F1 holds a
#   Jz         tangents of z of each layer, (rows t, sizes[l + 1]); for first derivatives of one layer at a time
#   T          W^T of the layers that adjoints go through: few adjoints in a call read W instead
#
# Hessian: each layer adds sum_j u_kj f''(z_j) Jz_ij Jz_i'j with u_k = dy_k/da, as a product with Jz^T. Softmax has another
# term (add_softmax), in which deviations from the mean are multiplied: the difference of a mean square and a squared mean
# would cancel.
#
# Order of sums: products of values and tangents as with W, of adjoints as with W^T (transposed.pxi); of many tangents for
# the Hessian likewise, of few as `dot`, and other sums over the units of a layer; layers from the last to the first.

cdef enum:
    FEW_ADJOINTS = 16           # in a call; from here on W is transposed
    FEW_TANGENTS = 16           # of a row; from here on their products for the Hessian fill quads
    MIN_WORK_OF_LAYER = 1000    # numbers of the tangents of a row in a layer: from here on it polls the caller by itself

cdef struct Sweep:          # sizes and memory of a call
    const Network* net
    const Derivative* request
    Py_ssize_t d            # inputs that are asked for
    Py_ssize_t t, u         # of a row; 0: no such sweep
    Py_ssize_t rows         # of a chunk
    bint second             # second derivatives
    real* values[2]         # (rows, width) the inputs and outputs of a layer, in turn
    real* tangents          # (rows t, width) of the inputs of a layer
    real* adjoints[2]       # (rows u, width)
    real* scaled            # (t, width) tangents of one row times u f'', or squared
    real* pairs             # (t, t) of one row, one output and one layer
    real* row               # (2 width) one row in padded memory
    real* F1
    real* F2
    real* Jz
    const real* first       # (d, sizes[1]) the rows of W of layer 0
    bint transposes         # all layers; else only those with fewer than 4 inputs
    real* T                 # W^T of each layer, in panels of chains_product; of layer 0 for the d inputs

cdef inline Py_ssize_t units_before(const Network* net, Py_ssize_t l) noexcept nogil:
    cdef Py_ssize_t i, n = 0
    for i in range(1, l + 1):
        n += net.sizes[i]
    return n

cdef inline Py_ssize_t inputs_of(const Sweep* s, Py_ssize_t l) noexcept nogil:
    """Inputs of a layer; of layer 0 those that are asked for."""
    return s.net.sizes[l] if l > 0 else s.d

cdef inline Py_ssize_t size_of_transposed(const Sweep* s, Py_ssize_t l) noexcept nogil:
    """Numbers of T of layer l; 0: adjoints read W."""
    cdef Py_ssize_t k = inputs_of(s, l), m = s.net.sizes[l + 1]
    return round_up(k, CHAIN_PANEL) * m if s.u > 0 and l >= s.second and (s.transposes or k < 4) else 0

cdef inline real* transposed(const Sweep* s, Py_ssize_t l) noexcept nogil:
    cdef Py_ssize_t i
    cdef real* T = s.T
    for i in range(l):
        T += size_of_transposed(s, i)
    return T

cdef inline const real* weights_of(const Sweep* s, Py_ssize_t l) noexcept nogil:
    return s.first if l == 0 else <const real*>s.net.weights[l]

cdef inline const real* tangent(const Sweep* s, Py_ssize_t l, Py_ssize_t r, Py_ssize_t i) noexcept nogil:
    """Jz of layer l, row r, tangent i, in a call for second derivatives. Those of layer 0 are the same for all rows."""
    if l == 0:
        return s.first + i * s.net.sizes[1]
    return s.Jz + s.rows * s.t * units_before(s.net, l) + (r * s.t + i) * s.net.sizes[l + 1]

cdef bint is_forward_cheaper(const Sweep* s) noexcept nogil:
    """Whether d tangents take no more multiply-adds than adjoints of all outputs."""
    cdef Py_ssize_t l, n_layers = s.net.n_layers
    cdef double forward = 0, backward = 0, size
    for l in range(n_layers):
        size = <double>s.net.sizes[l + 1] * inputs_of(s, l)
        forward += s.d * size if l > 0 else 0
        backward += s.net.sizes[n_layers] * size if l < n_layers - 1 else 0
    return forward <= backward

cdef void layout_sweep(const Network* net, const Derivative* request, Py_ssize_t n, Sweep* s, char** end) noexcept nogil:
    """OUT: s, with its memory from `end` on, which becomes the end of it."""
    cdef Py_ssize_t l, width = padded(max_width(net)), units = units_before(net, net.n_layers), weights = 0
    cdef int kind = request.kind
    s.net = net
    s.request = request
    s.d = request.n_inputs if request.inputs != NULL else net.sizes[0]
    s.second = kind == HESSIAN or kind == HESSIAN_DIAGONAL or kind == LAPLACIAN
    s.t = s.u = 0
    if kind == ALONG_INPUTS:
        s.t = 1
    elif kind == ALONG_OUTPUTS:
        s.u = 1
    else:
        if s.second or is_forward_cheaper(s):
            s.t = s.d
        if s.second or s.t == 0:
            s.u = net.sizes[net.n_layers]
    s.rows = max_(1, min_(n, FEW_ROWS // max_(1, max_(s.t, s.u))))
    s.transposes = n * s.u >= FEW_ADJOINTS
    for l in range(net.n_layers):
        weights += size_of_transposed(s, l)
    s.values[0] = allocate_reals(end, s.rows * width)
    s.values[1] = allocate_reals(end, s.rows * width)
    s.tangents = allocate_reals(end, s.rows * s.t * width)
    s.adjoints[0] = allocate_reals(end, s.rows * s.u * width)
    s.adjoints[1] = allocate_reals(end, s.rows * s.u * width)
    s.scaled = allocate_reals(end, s.t * width if s.second else 0)
    s.pairs = allocate_reals(end, s.t * s.t if kind == HESSIAN else 0)
    s.row = allocate_reals(end, 2 * width)
    s.F1 = allocate_reals(end, s.rows * units)
    s.F2 = allocate_reals(end, s.rows * units if s.second else 0)
    s.Jz = allocate_reals(end, s.rows * s.t * (units if s.second else width))
    s.T = allocate_reals(end, weights)
    s.first = <const real*>net.weights[0]
    if request.inputs != NULL:
        s.first = allocate_reals(end, s.d * net.sizes[1])

cdef Py_ssize_t derivative_workspace_size(const Network* net, const Derivative* request, Py_ssize_t n) noexcept nogil:
    """Bytes, for n rows."""
    cdef Sweep s
    cdef char* end = NULL
    layout_sweep(net, request, n, &s, &end)
    return end - <char*>NULL

cdef int rows_derivative(const Network* net, const Derivative* request, const void* X, Py_ssize_t n, void* out,
                         void* workspace, Clock* clock) noexcept nogil:
    """out = derivatives for the n rows X. Returns 1 if the caller stops it."""
    cdef Sweep s
    cdef char* end = <char*>workspace
    cdef Py_ssize_t r, l, n_in = net.sizes[0], n_out = net.sizes[net.n_layers], size, rows
    cdef const real* directions = <const real*>request.directions
    layout_sweep(net, request, n, &s, &end)
    size = derivative_size(&s)
    if request.inputs != NULL:
        for l in range(s.d):
            memcpy(<real*>s.first + l * net.sizes[1], <const real*>net.weights[0] + request.inputs[l] * net.sizes[1],
                   net.sizes[1] * sizeof(real))
    for l in range(net.n_layers):
        if size_of_transposed(&s, l) > 0:
            transpose_panels(weights_of(&s, l), inputs_of(&s, l), net.sizes[l + 1], transposed(&s, l))
    for r from 0 <= r < n by s.rows:
        rows = min_(s.rows, n - r)
        values_forward(&s, rows, <const real*>X + r * n_in)
        if s.t > 0:
            tangents_forward(&s, rows, directions + r * n_in if request.kind == ALONG_INPUTS else NULL)
        if s.t > 0 and not s.second:
            store_tangents(&s, rows, <real*>out + r * size)
        if s.u > 0 and adjoints_backward(&s, rows, directions + r * n_out if request.kind == ALONG_OUTPUTS else NULL,
                                         <real*>out + r * size, clock):
            return 1
        if poll_stop(clock):
            return 1
    return 0

cdef inline Py_ssize_t derivative_size(const Sweep* s) noexcept nogil:
    """Numbers of one row of `out`."""
    cdef Py_ssize_t n_out = s.net.sizes[s.net.n_layers]
    if s.request.kind == ALONG_INPUTS or s.request.kind == LAPLACIAN:
        return n_out
    if s.request.kind == ALONG_OUTPUTS:
        return s.d
    return n_out * s.d * (s.d if s.request.kind == HESSIAN else 1)

cdef void softmax_row(const Sweep* s, real* y, Py_ssize_t m) noexcept nogil:
    """y = softmax(y), in padded memory, as its sum needs whole vectors."""
    memcpy(s.row, y, m * sizeof(real))
    softmax_forward(0, 1, m, panels(s.row, PANEL))
    memcpy(y, s.row, m * sizeof(real))

cdef void values_forward(const Sweep* s, Py_ssize_t n, const real* x) noexcept nogil:
    """F1 and F2 of all layers for the n rows x."""
    cdef const Network* net = s.net
    cdef Py_ssize_t l, r, m, begin
    cdef real* y
    for l in range(net.n_layers):
        m = net.sizes[l + 1]
        begin = s.rows * units_before(net, l)
        y = s.values[l % 2]
        linear_rows(n, net.sizes[l], m, x, <const real*>net.weights[l], <const real*>net.biases[l], y)
        if net.activations[l] == SOFTMAX:
            for r in range(n):
                softmax_row(s, y + r * m, m)
            memcpy(s.F1 + begin, y, n * m * sizeof(real))
        else:
            elementwise_slopes(net.activations[l], y, s.F1 + begin, s.F2 + begin if s.second else NULL, n * m)
        x = y

cdef inline void multiply_rows(const real* x, const real* f, real* y, Py_ssize_t rows, Py_ssize_t m) noexcept nogil:
    """y = x f for rows of m numbers, all times the one row f. y may be x."""
    cdef Py_ssize_t i, j, whole = m // LANES * LANES
    cdef vec a
    for j from 0 <= j < whole by LANES:
        a = vload(f + j)
        for i in range(rows):
            vstore(y + i * m + j, vmul(vload(x + i * m + j), a))
    if whole < m:
        a = vload_part(f + whole, m - whole)
        for i in range(rows):
            vstore_part(y + i * m + whole, vmul(vload_part(x + i * m + whole, m - whole), a), m - whole)

cdef void times_slope(const Sweep* s, Py_ssize_t l, Py_ssize_t r, const real* x, real* y, Py_ssize_t rows) noexcept nogil:
    """y = x f'(z) for rows of layer l, all of row r of the chunk. y may be x."""
    cdef Py_ssize_t i, m = s.net.sizes[l + 1]
    cdef const real* f = s.F1 + s.rows * units_before(s.net, l) + r * m
    if s.net.activations[l] != SOFTMAX:
        if x != y or s.net.activations[l] != IDENTITY:
            multiply_rows(x, f, y, rows, m)
        return
    memset(s.row, 0, 2 * padded(m) * sizeof(real))
    memcpy(s.row, f, m * sizeof(real))
    for i in range(rows):
        memcpy(s.row + padded(m), x + i * m, m * sizeof(real))
        softmax_backward(0, 1, m, s.row, panels(s.row + padded(m), PANEL))
        memcpy(y + i * m, s.row + padded(m), m * sizeof(real))

cdef void tangents_forward(const Sweep* s, Py_ssize_t n, const real* directions) noexcept nogil:
    """Jz of all layers, or for first derivatives the tangents of the outputs. directions: NULL for unit vectors."""
    cdef const Network* net = s.net
    cdef Py_ssize_t l, r, m, last = net.n_layers - 1
    cdef const real* x
    cdef real* Jz = s.Jz
    for l in range(net.n_layers):
        m = net.sizes[l + 1]
        if s.second:
            Jz = s.Jz + s.rows * s.t * units_before(net, l)
        if l > 0:
            linear_rows(n * s.t, net.sizes[l], m, s.tangents, <const real*>net.weights[l], NULL, Jz)
        elif directions != NULL:
            linear_rows(n, net.sizes[0], m, directions, <const real*>net.weights[0], NULL, Jz)
        if l == last and s.second:
            return
        for r in range(n):
            x = s.first if l == 0 and directions == NULL else Jz + r * s.t * m
            times_slope(s, l, r, x, s.tangents + r * s.t * m, s.t)

cdef void store_tangents(const Sweep* s, Py_ssize_t n, real* out) noexcept nogil:
    """out (n, n_out, t) = the tangents (n t, n_out) of the outputs."""
    cdef Py_ssize_t r, i, k, m = s.net.sizes[s.net.n_layers], t = s.t
    for r in range(n):
        for i in range(t):
            for k in range(m):
                out[(r * m + k) * t + i] = s.tangents[(r * t + i) * m + k]

cdef bint adjoints_backward(const Sweep* s, Py_ssize_t n, const real* directions, real* out, Clock* clock) noexcept nogil:
    """Adjoints from the outputs to the inputs: out (n, u, d); or the terms of all layers of second derivatives.
    directions: NULL for unit vectors. Returns True if the caller stops it."""
    cdef const Network* net = s.net
    cdef Py_ssize_t l, r, k, m = net.sizes[net.n_layers]
    cdef real* U = s.adjoints[0]
    cdef real* dA
    if directions != NULL:
        memcpy(U, directions, n * m * sizeof(real))
    else:
        memset(U, 0, n * m * m * sizeof(real))
        for r in range(n):
            for k in range(m):
                U[(r * m + k) * m + k] = 1
    if s.second:
        memset(out, 0, n * derivative_size(s) * sizeof(real))
    for l in range(net.n_layers - 1, -1, -1):
        m = net.sizes[l + 1]
        if s.second:
            for r in range(n):
                add_layer(s, l, r, U + r * s.u * m, out + r * derivative_size(s))
                if s.t * m >= MIN_WORK_OF_LAYER and poll_stop(clock):
                    return True
            if l == 0:
                for k in range(n * s.u if s.request.kind == HESSIAN else 0):
                    mirror(s.t, out + k * s.t * s.t)
                return False
        for r in range(n):
            times_slope(s, l, r, U + r * s.u * m, U + r * s.u * m, s.u)
        dA = out if l == 0 else s.adjoints[0] if U == s.adjoints[1] else s.adjoints[1]
        if size_of_transposed(s, l) > 0:
            chains_product(n * s.u, m, inputs_of(s, l), U, transposed(s, l), dA)
        else:
            quads_product(n * s.u, m, inputs_of(s, l), U, weights_of(s, l), dA, False)
        U = dA
    return False

cdef void add_layer(const Sweep* s, Py_ssize_t l, Py_ssize_t r, const real* U, real* out) noexcept nogil:
    """Add the term of layer l to the second derivatives of row r. U: the adjoints of its outputs."""
    cdef Py_ssize_t i, k, m = s.net.sizes[l + 1], t = s.t, size = derivative_size(s) // s.u
    cdef int activation = s.net.activations[l]
    cdef bint is_sum = s.request.kind == LAPLACIAN
    cdef const real* F2 = s.F2 + s.rows * units_before(s.net, l) + r * m
    if activation == IDENTITY or activation == RELU or activation == LEAKY_RELU:
        return
    if activation == SOFTMAX:
        add_softmax(s, r, out)
        return
    if s.request.kind != HESSIAN:
        add_squares(s, l, r)
    for k in range(s.u):
        multiply_rows(U + k * m, F2, s.row, 1, m)
        if s.request.kind == HESSIAN:
            multiply_rows(tangent(s, l, r, 0), s.row, s.scaled, t, m)
            add_pairs(s, l, r, out + k * size)
        else:
            for i in range(1 if is_sum else t):
                out[k * size + i] += dot(m, s.row, PANEL, s.scaled + i * m)

cdef void add_pairs(const Sweep* s, Py_ssize_t l, Py_ssize_t r, real* out) noexcept nogil:
    """out (t, t) += scaled Jz^T of one row, below its diagonal and on it."""
    cdef Py_ssize_t i, j, q, m = s.net.sizes[l + 1], t = s.t
    cdef const real* rows[4]
    cdef real sums[4]
    if t >= FEW_TANGENTS:
        quads_product(t, m, t, s.scaled, tangent(s, l, r, 0), s.pairs, True)
        add_numbers(s.pairs, out, t * t)
        return
    for i in range(t):
        for j from 0 <= j <= i by 4:
            for q in range(4):
                rows[q] = tangent(s, l, r, min_(j + q, i))
            dots(4, m, rows, PANEL, s.scaled + i * m, sums)
            for q in range(min_(4, i + 1 - j)):
                out[i * t + j + q] += sums[q]

cdef void add_squares(const Sweep* s, Py_ssize_t l, Py_ssize_t r) noexcept nogil:
    """scaled = the squares of the tangents of layer l, for the Laplacian their sum."""
    cdef Py_ssize_t i, j, m = s.net.sizes[l + 1]
    cdef const real* x
    cdef real* y = s.scaled
    cdef vec a
    for i in range(s.t):
        x = tangent(s, l, r, i)
        for j from 0 <= j < m by LANES:
            a = vload_part(x + j, m - j)
            if s.request.kind == LAPLACIAN and i > 0:
                a = vfma(a, a, vload_part(y + j, m - j))
            else:
                a = vmul(a, a)
            vstore_part(y + j, a, m - j)
        if s.request.kind != LAPLACIAN:
            y += m

cdef void mirror(Py_ssize_t n, real* x) noexcept nogil:
    """x (n, n), above the diagonal = what is below it: rounding makes them differ."""
    cdef Py_ssize_t i, j
    for i in range(n):
        for j in range(i):
            x[j * n + i] = x[i * n + j]

cdef void add_softmax(const Sweep* s, Py_ssize_t r, real* out) noexcept nogil:
    """The term of a softmax: y_k (v_ik v_i'k - sum_p y_p v_ip v_i'p), v_i = Jz_i - sum_p y_p Jz_ip."""
    cdef Py_ssize_t i, q, k, m = s.u, t = s.t, last = s.net.n_layers - 1
    cdef int kind = s.request.kind
    cdef const real* y = s.F1 + s.rows * units_before(s.net, last) + r * m
    cdef const real* a
    cdef real mean, covariance, term
    for i in range(t):
        a = tangent(s, last, r, i)
        mean = dot(m, a, PANEL, y)
        for k in range(m):
            s.scaled[i * m + k] = a[k] - mean
    for i in range(t):
        for q in range(0 if kind == HESSIAN else i, i + 1):
            multiply_rows(s.scaled + i * m, s.scaled + q * m, s.row, 1, m)
            covariance = dot(m, s.row, PANEL, y)
            for k in range(m):
                term = y[k] * (s.row[k] - covariance)
                if kind == HESSIAN:
                    out[(k * t + i) * t + q] += term
                else:
                    out[k * t + i if kind == HESSIAN_DIAGONAL else k] += term
