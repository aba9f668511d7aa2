# Inference: rows in, outputs out.
#
# A few rows read the user's row-major parameters as they are, one row at a time (`row_forward`): nothing to pack, the weights are read
# once a row. More rows pay for packing the parameters into panels, then go chunk by chunk through the same products as training. Each
# output is the same chain of additions on both ways, so a row gets the same bits alone or in any batch.

cdef enum:
    FEW_ROWS = 8            # from here on packing pays (measured on 30-64-64-1 .. 784-512-512-10)

cdef inline Py_ssize_t widest(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, w = 0
    for l in range(net.n_layers + 1):
        w = net.sizes[l] if net.sizes[l] > w else w
    return padded(w)

cdef inline void vector_block(const int n_vecs, Py_ssize_t k, Py_ssize_t m, const real* x, const real* W, const real* b, real* y) noexcept nogil:
    """y[:n_vecs*LANES] = b + x W, W row-major with m columns."""
    cdef vec c[8]
    cdef vec a
    cdef Py_ssize_t i
    cdef int v
    for v in range(n_vecs):
        c[v] = vload(b + v * LANES) if b != NULL else vset(0)
    for i in range(k):
        a = vset(x[i])
        for v in range(n_vecs):
            c[v] = vfma(a, vload(W + v * LANES), c[v])
        W += m
    for v in range(n_vecs):
        vstore(y + v * LANES, c[v])

cdef inline void vector_tail(Py_ssize_t n, Py_ssize_t k, Py_ssize_t m, const real* x, const real* W, const real* b, real* y) noexcept nogil:
    """The same for the last n < LANES columns."""
    cdef vec c = vload_part(b, n) if b != NULL else vset(0)
    cdef Py_ssize_t i
    for i in range(k):
        c = vfma(vset(x[i]), vload_part(W, n), c)
        W += m
    vstore_part(y, c, n)

cdef void vector_matrix(Py_ssize_t k, Py_ssize_t m, const real* x, const real* W, const real* b, real* y) noexcept nogil:
    """y (m,) = b + x (k,) W (k, m)"""
    cdef Py_ssize_t j = 0
    cdef const real* none = NULL
    while m - j >= 8 * LANES:
        vector_block(8, k, m, x, W + j, b + j if b != NULL else none, y + j)
        j += 8 * LANES
    if m - j >= 4 * LANES:
        vector_block(4, k, m, x, W + j, b + j if b != NULL else none, y + j)
        j += 4 * LANES
    if m - j >= 2 * LANES:
        vector_block(2, k, m, x, W + j, b + j if b != NULL else none, y + j)
        j += 2 * LANES
    if m - j >= LANES:
        vector_block(1, k, m, x, W + j, b + j if b != NULL else none, y + j)
        j += LANES
    if m > j:
        vector_tail(m - j, k, m, x, W + j, b + j if b != NULL else none, y + j)

cdef void row_forward(const Network* net, const real* x, real* out, real* this, real* other) noexcept nogil:
    """One row. this, other: scratch of `widest` numbers each. A row is a panel matrix of one row: contiguous."""
    cdef Py_ssize_t l, k = net.sizes[0], m
    cdef const real* W
    cdef const real* b
    cdef int activation
    memcpy(this, x, k * sizeof(real))
    for l in range(net.n_layers):
        m = net.sizes[l + 1]
        activation = net.activations[l]
        W = <const real*>net.weights[l]
        b = <const real*>net.biases[l]
        if m == 1:
            other[0] = dot(k, this, PANEL, W) + (b[0] if b != NULL else 0)
        else:
            vector_matrix(k, m, this, W, b, other)
        if activation == SOFTMAX:
            softmax_forward(0, 1, m, other, PANEL)
        else:
            activation_forward(activation, other, other, m, LANES)
        this, other = other, this
        k = m
    memcpy(out, this, k * sizeof(real))

cdef Py_ssize_t forward_size(const Network* net, Py_ssize_t n) noexcept nogil:
    """Bytes of scratch for n rows."""
    cdef Py_ssize_t l, size
    if n < FEW_ROWS:
        return 2 * widest(net) * <Py_ssize_t>sizeof(real)
    size = 2 * (widest(net) // PANEL * chunk_stride(n))
    for l in range(net.n_layers):
        size += weight_size(net.sizes[l], net.sizes[l + 1]) + padded(net.sizes[l + 1])
    return size * <Py_ssize_t>sizeof(real) + chunk_rows_in_memory(n) * <Py_ssize_t>sizeof(real*)

cdef void forward(const Network* net, const void* X, Py_ssize_t n, void* out, void* scratch) noexcept nogil:
    """out (n, sizes[-1]) = the network's outputs for X (n, sizes[0]). scratch: forward_size bytes, 64-byte aligned, zero."""
    cdef Py_ssize_t i, n_in = net.sizes[0], n_out = net.sizes[net.n_layers], stride
    cdef const real** rows = <const real**>scratch
    cdef real* free = <real*>scratch
    cdef real* other
    cdef real* packed
    if n < FEW_ROWS:
        for i in range(n):
            row_forward(net, <const real*>X + i * n_in, <real*>out + i * n_out, free, free + widest(net))
        return
    stride = chunk_stride(n)
    free = <real*>(rows + chunk_rows_in_memory(n))
    other = free + widest(net) // PANEL * stride
    packed = other + widest(net) // PANEL * stride
    pack_network(net, packed)
    for i from 0 <= i < n by CHUNK:
        point_to_rows(0, least(CHUNK, n - i), n_in, <const real*>X + i * n_in, NULL, rows)
        chunk_forward(net, packed, rows, least(CHUNK, n - i), <real*>out + i * n_out, free, other, stride)

cdef void pack_network(const Network* net, real* packed) noexcept nogil:
    cdef Py_ssize_t l, k, m
    for l in range(net.n_layers):
        k = net.sizes[l]
        m = net.sizes[l + 1]
        pack(k, m, <const real*>net.weights[l], packed)
        packed += weight_size(k, m)
        if net.biases[l] != NULL:
            memcpy(packed, net.biases[l], m * sizeof(real))
        packed += padded(m)

cdef void chunk_forward(const Network* net, const real* packed, const real** rows, Py_ssize_t n, real* out, real* this, real* other,
                        Py_ssize_t stride) noexcept nogil:
    """Up to CHUNK rows through the packed network, back and forth between two panel matrices."""
    cdef Py_ssize_t l, k, m, row = PANEL
    cdef const real* b
    if net.n_layers == 0:
        memcpy(out, rows[0], n * net.sizes[0] * sizeof(real))
        return
    for l in range(net.n_layers):
        k = net.sizes[l]
        m = net.sizes[l + 1]
        b = packed + weight_size(k, m)
        if m == 1:
            row = 1 if l == net.n_layers - 1 else PANEL
            dot_forward(0, n, k, rows if l == 0 else NULL, this, stride, packed, b, net.activations[l], other, other, row)
        else:
            linear_forward(0, n, k, m, rows if l == 0 else NULL, this, stride, packed, b, net.activations[l], other, other, stride)
        packed = b + padded(m)
        this, other = other, this
    scatter(0, n, net.sizes[net.n_layers], this, stride, row, out)
