# Inference: rows in, outputs out.
#
# A few rows read the user's row-major parameters as they are: nothing to pack. A layer is worked through in strips of neighbouring columns,
# each for all rows, four at a time, so that a weight is loaded once for four rows and a strip comes from memory once. More rows pay for packing
# the parameters into panels, then go chunk by chunk through the same products as training. Each output is the same chain of additions on
# both ways, so a row gets the same bits alone or in any batch.

cdef enum:
    FEW_ROWS = 64           # from here on packing pays (measured on 30-64-64-1 .. 784-512-512-10)
    STRIP = TILE // 4       # vectors of a strip for four rows: as many accumulators as a register block has; one row takes 8

cdef struct Clock:
    const Poll* poll        # NULL: never stop
    long long polled        # when it was asked last

cdef inline bint has_to_stop(Clock* clock) noexcept nogil:
    if clock.poll == NULL or now() - clock.polled < SECOND // 50:
        return False
    clock.polled = now()
    return clock.poll.check(clock.poll.context)

cdef inline Py_ssize_t widest(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, w = 0
    for l in range(net.n_layers + 1):
        w = net.sizes[l] if net.sizes[l] > w else w
    return padded(w)

cdef inline void strip_rows(const int n_rows, const int n_vecs, const bint whole, Py_ssize_t k, Py_ssize_t m, Py_ssize_t n, const real* x,
                            const real* W, const real* b, real* y) noexcept nogil:
    """n_rows rows of y = b + x W, a strip of n_vecs vectors or, if not whole, of n < LANES columns: x (., k), W (k, m), y (., m) row-major."""
    cdef vec c[TILE]
    cdef vec w[8]
    cdef vec a
    cdef Py_ssize_t i
    cdef int r, v
    for v in range(n_vecs):
        w[v] = vset(0)
        if b != NULL:
            w[v] = vload(b + v * LANES) if whole else vload_part(b, n)
        for r in range(n_rows):
            c[r * n_vecs + v] = w[v]
    for i in range(k):
        for v in range(n_vecs):
            w[v] = vload(W + v * LANES) if whole else vload_part(W, n)
        for r in range(n_rows):
            a = vset(x[r * k + i])
            for v in range(n_vecs):
                c[r * n_vecs + v] = vfma(a, w[v], c[r * n_vecs + v])
        W += m
    for r in range(n_rows):
        for v in range(n_vecs):
            if whole:
                vstore(y + r * m + v * LANES, c[r * n_vecs + v])
            else:
                vstore_part(y + r * m, c[r * n_vecs + v], n)

cdef inline void strip(const int n_vecs, const bint whole, Py_ssize_t rows, Py_ssize_t k, Py_ssize_t m, Py_ssize_t n, const real* x,
                       const real* W, const real* b, real* y) noexcept nogil:
    """The same for any number of rows. The last block overlaps the one before: that costs no more than a whole one."""
    cdef Py_ssize_t r = 0
    if rows == 1:
        strip_rows(1, n_vecs, whole, k, m, n, x, W, b, y)
    elif rows == 2:
        strip_rows(2, n_vecs, whole, k, m, n, x, W, b, y)
    elif rows == 3:
        strip_rows(3, n_vecs, whole, k, m, n, x, W, b, y)
    else:
        while r < rows:
            r = least(r, rows - 4)
            strip_rows(4, n_vecs, whole, k, m, n, x + r * k, W, b, y + r * m)
            r += 4

cdef void few_rows_product(Py_ssize_t n, Py_ssize_t k, Py_ssize_t m, const real* x, const real* W, const real* b, real* y) noexcept nogil:
    """y (n, m) = b + x (n, k) W (k, m)"""
    cdef Py_ssize_t j = 0
    cdef const real* none = NULL
    while n == 1 and m - j >= 8 * LANES:
        strip_rows(1, 8, True, k, m, LANES, x, W + j, b + j if b != NULL else none, y + j)
        j += 8 * LANES
    while n == 1 and m - j >= 4 * LANES:
        strip_rows(1, 4, True, k, m, LANES, x, W + j, b + j if b != NULL else none, y + j)
        j += 4 * LANES
    while m - j >= STRIP * LANES:
        strip(STRIP, True, n, k, m, LANES, x, W + j, b + j if b != NULL else none, y + j)
        j += STRIP * LANES
    while m - j >= 2 * LANES:
        strip(2, True, n, k, m, LANES, x, W + j, b + j if b != NULL else none, y + j)
        j += 2 * LANES
    while m - j >= LANES:
        strip(1, True, n, k, m, LANES, x, W + j, b + j if b != NULL else none, y + j)
        j += LANES
    if m > j:
        strip(1, False, n, k, m, m - j, x, W + j, b + j if b != NULL else none, y + j)

cdef int few_rows_forward(const Network* net, Py_ssize_t n, const real* x, real* out, real* free, Clock* clock) noexcept nogil:
    """n rows. free: scratch of n*widest numbers twice, and widest. Not 0: stopped."""
    cdef Py_ssize_t l, i, k, m
    cdef const real* W
    cdef const real* b
    cdef real* y
    cdef real* row = free + 2 * n * widest(net)
    cdef int activation
    if net.n_layers == 0:
        memcpy(out, x, n * net.sizes[0] * sizeof(real))
    for l in range(net.n_layers):
        k = net.sizes[l]
        m = net.sizes[l + 1]
        activation = net.activations[l]
        W = <const real*>net.weights[l]
        b = <const real*>net.biases[l]
        y = out if l == net.n_layers - 1 else free + l % 2 * n * widest(net)
        if m == 1:
            for i in range(n):
                y[i] = dot(k, x + i * k, PANEL, W) + (b[0] if b != NULL else 0)
        else:
            few_rows_product(n, k, m, x, W, b, y)
        if activation == SOFTMAX:
            for i in range(n):                          # a row is padded before it is summed
                memcpy(row, y + i * m, m * sizeof(real))
                softmax_forward(0, 1, m, row, PANEL)
                memcpy(y + i * m, row, m * sizeof(real))
        else:
            activation_forward(activation, y, y, n * m, LANES)
        x = y
        if has_to_stop(clock):
            return 1
    return 0

cdef Py_ssize_t forward_size(const Network* net, Py_ssize_t n) noexcept nogil:
    """Bytes of scratch for n rows."""
    cdef Py_ssize_t l, size
    if n < FEW_ROWS:
        return (2 * n + 1) * widest(net) * <Py_ssize_t>sizeof(real)
    size = 2 * (widest(net) // PANEL * chunk_stride(n))
    for l in range(net.n_layers):
        size += weight_size(net.sizes[l], net.sizes[l + 1]) + padded(net.sizes[l + 1])
    return size * <Py_ssize_t>sizeof(real) + chunk_rows_in_memory(n) * <Py_ssize_t>sizeof(real*)

cdef int forward(const Network* net, const void* X, Py_ssize_t n, void* out, void* scratch, const Poll* poll) noexcept nogil:
    """out (n, sizes[-1]) = the network's outputs for X (n, sizes[0]). scratch: forward_size bytes, 64-byte aligned, zero. Not 0: stopped."""
    cdef Py_ssize_t i, n_in = net.sizes[0], n_out = net.sizes[net.n_layers], stride
    cdef const real** rows = <const real**>scratch
    cdef real* free = <real*>scratch
    cdef real* other
    cdef real* packed
    cdef Clock clock
    clock.poll = poll
    clock.polled = now() if poll != NULL else 0
    if n < FEW_ROWS:
        return few_rows_forward(net, n, <const real*>X, <real*>out, free, &clock)
    stride = chunk_stride(n)
    free = <real*>(rows + chunk_rows_in_memory(n))
    other = free + widest(net) // PANEL * stride
    packed = other + widest(net) // PANEL * stride
    pack_network(net, packed)
    for i from 0 <= i < n by CHUNK:
        point_to_rows(0, least(CHUNK, n - i), n_in, <const real*>X + i * n_in, NULL, rows)
        if chunk_forward(net, packed, rows, least(CHUNK, n - i), <real*>out + i * n_out, free, other, stride, &clock):
            return 1
    return 0

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

cdef int chunk_forward(const Network* net, const real* packed, const real** rows, Py_ssize_t n, real* out, real* this, real* other,
                       Py_ssize_t stride, Clock* clock) noexcept nogil:
    """Up to CHUNK rows through the packed network, back and forth between two panel matrices. Not 0: stopped."""
    cdef Py_ssize_t l, k, m, row = PANEL
    cdef const real* b
    if net.n_layers == 0:
        memcpy(out, rows[0], n * net.sizes[0] * sizeof(real))
        return has_to_stop(clock)
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
        if has_to_stop(clock):
            return 1
    scatter(0, n, net.sizes[net.n_layers], this, stride, row, out)
    return 0
