# Inference for a few rows: they read the user's row-major parameters as they are, so there is nothing to pack.
#
# A layer is worked through in strips of neighbouring columns, each for all rows, four at a time, so that a weight is loaded once for four
# rows and a strip comes from memory once. Each output is the same chain of additions as in many.pxi, so a row gets the same bits alone or
# in any batch. k inputs, m outputs; x (., k), W (k, m) and y (., m) row-major.

cdef enum:
    FEW_ROWS = 64           # from here on packing pays (measured on 30-64-64-1 .. 784-512-512-10)
    STRIP = TILE // 4       # vectors of a strip for four rows: as many accumulators as a register block has; one row takes 8

cdef inline Py_ssize_t widest(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, w = 0
    for l in range(net.n_layers + 1):
        w = net.sizes[l] if net.sizes[l] > w else w
    return padded(w)

cdef struct Strip:          # neighbouring columns of y = b + x W
    Py_ssize_t k, m
    Py_ssize_t n            # columns, where they are no whole vectors
    const real* x           # IN: the first row
    const real* W           # IN: from the strip's first column on, as b (NULL: 0) and
    const real* b
    real* y                 # OUT

cdef inline void strip_rows(const int n_rows, const int n_vecs, const bint whole, Strip strip) noexcept nogil:
    """n_rows rows of a strip of n_vecs vectors or, if not whole, of n < LANES columns."""
    cdef Py_ssize_t k = strip.k, m = strip.m, n = strip.n
    cdef const real* x = strip.x
    cdef const real* W = strip.W
    cdef const real* b = strip.b
    cdef real* y = strip.y
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

cdef inline void all_rows(const int n_vecs, const bint whole, Py_ssize_t rows, Strip strip) noexcept nogil:
    """The same for any number of rows. The last block overlaps the one before: that costs no more than a whole one."""
    cdef Strip here = strip
    cdef Py_ssize_t r = 0
    if rows == 1:
        strip_rows(1, n_vecs, whole, strip)
    elif rows == 2:
        strip_rows(2, n_vecs, whole, strip)
    elif rows == 3:
        strip_rows(3, n_vecs, whole, strip)
    else:
        while r < rows:
            r = least(r, rows - 4)
            here.x = strip.x + r * strip.k
            here.y = strip.y + r * strip.m
            strip_rows(4, n_vecs, whole, here)
            r += 4

cdef inline void move(Strip* strip, Py_ssize_t columns) noexcept nogil:
    strip.W += columns
    strip.y += columns
    if strip.b != NULL:
        strip.b += columns

cdef void few_rows_product(Py_ssize_t n, Strip strip) noexcept nogil:
    """All columns of y (n, m); the strip begins with the first."""
    cdef Py_ssize_t left = strip.m
    strip.n = LANES
    while n == 1 and left >= 8 * LANES:
        strip_rows(1, 8, True, strip)
        move(&strip, 8 * LANES)
        left -= 8 * LANES
    while n == 1 and left >= 4 * LANES:
        strip_rows(1, 4, True, strip)
        move(&strip, 4 * LANES)
        left -= 4 * LANES
    while left >= STRIP * LANES:
        all_rows(STRIP, True, n, strip)
        move(&strip, STRIP * LANES)
        left -= STRIP * LANES
    while left >= 2 * LANES:
        all_rows(2, True, n, strip)
        move(&strip, 2 * LANES)
        left -= 2 * LANES
    while left >= LANES:
        all_rows(1, True, n, strip)
        move(&strip, LANES)
        left -= LANES
    if left:
        strip.n = left
        all_rows(1, False, n, strip)

cdef int few_rows_forward(const Network* net, Py_ssize_t n, const real* x, real* out, real* free, Clock* clock) noexcept nogil:
    """n rows. free: scratch of n*widest numbers twice, and widest. Not 0: stopped."""
    cdef Py_ssize_t l, i, k, m
    cdef const real* W
    cdef const real* b
    cdef real* y
    cdef real* row = free + 2 * n * widest(net)
    cdef Strip strip
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
            strip.k = k
            strip.m = m
            strip.x = x
            strip.W = W
            strip.b = b
            strip.y = y
            few_rows_product(n, strip)
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
