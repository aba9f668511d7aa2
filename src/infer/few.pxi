# Inference for fewer than FEW_ROWS rows: they read the user's row-major parameters, so nothing is packed.
#
#   n          rows;  k, m: inputs and outputs of a layer
#   x, W, b, y IN: x (n, k), W (k, m), b (m,) or NULL;  OUT: y (n, m); all row-major
#   workspace  n * max_width numbers twice, for the outputs of two layers in turn; and max_width numbers for softmax
#
# Order of sums: as in many.pxi, so a row gets the same bits alone or in any batch.
#
# A layer is computed in strips of neighbouring columns. Each strip is computed for all rows, four at a time: a weight
# is loaded once for four rows, and a strip comes from memory once.

cdef enum:
    FEW_ROWS = 64           # from here on packing is faster (measured on 30-64-64-1 .. 784-512-512-10)
    ROW_INPUTS = 8          # rows of large weights that are read at the same time
    STRIP = TILE // 4       # vectors of a strip for four rows, which then fill a register block; one row takes 8

cdef inline Py_ssize_t max_width(const Network* net) noexcept nogil:
    """The padded width of the widest layer, inputs included."""
    cdef Py_ssize_t l, w = layer_inputs(net, 0)
    for l in range(1, net.n_layers + 1):
        w = net.sizes[l] if net.sizes[l] > w else w
    return padded(w)

cdef struct Strip:          # neighbouring columns of y = b + x W
    Py_ssize_t k, m
    Py_ssize_t n            # columns of a strip narrower than a vector
    const real* x           # IN: the first row
    const real* W           # IN: W, b and y from the strip's first column on
    const real* b           # IN: NULL: 0
    real* y                 # OUT
    bint relu               # y = relu(b + x W): in registers, since a pass over y takes as long as a small product

cdef inline void compute_rows(const int n_rows, const int n_vecs, const bint whole, const Strip* strip) noexcept nogil:
    """n_rows rows of a strip of n_vecs vectors; not whole: of n < LANES columns."""
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
    if strip.relu:
        for v in range(n_rows * n_vecs):
            c[v] = activate(RELU, c[v])
    for r in range(n_rows):
        for v in range(n_vecs):
            if whole:
                vstore(y + r * m + v * LANES, c[r * n_vecs + v])
            else:
                vstore_part(y + r * m, c[r * n_vecs + v], n)

cdef inline void compute_all_rows(const int n_vecs, const bint whole, Py_ssize_t rows, const Strip* strip) noexcept nogil:
    """All rows of a strip, four at a time. The last block overlaps the one before: it costs no more than a whole
    one."""
    cdef Strip block
    cdef Py_ssize_t r = 0
    if rows == 1:
        compute_rows(1, n_vecs, whole, strip)
    elif rows == 2:
        compute_rows(2, n_vecs, whole, strip)
    elif rows == 3:
        compute_rows(3, n_vecs, whole, strip)
    else:
        block = strip[0]
        while r < rows:
            r = min_(r, rows - 4)
            block.x = strip.x + r * strip.k
            block.y = strip.y + r * strip.m
            compute_rows(4, n_vecs, whole, &block)
            r += 4

cdef inline void advance_strip(Strip* strip, Py_ssize_t columns) noexcept nogil:
    strip.W += columns
    strip.y += columns
    if strip.b != NULL:
        strip.b += columns

cdef inline void few_rows_product(Py_ssize_t n, Strip* strip) noexcept nogil:
    """All columns of y (n, m). strip: column 0 at first. Inlined: a call took 4 of the 60 ns of a row through 30-32-1."""
    cdef Py_ssize_t columns_left = strip.m
    strip.n = LANES
    while n == 1 and columns_left >= 8 * LANES:
        compute_rows(1, 8, True, strip)
        advance_strip(strip, 8 * LANES)
        columns_left -= 8 * LANES
    while n == 1 and columns_left >= 4 * LANES:
        compute_rows(1, 4, True, strip)
        advance_strip(strip, 4 * LANES)
        columns_left -= 4 * LANES
    while columns_left >= STRIP * LANES:
        compute_all_rows(STRIP, True, n, strip)
        advance_strip(strip, STRIP * LANES)
        columns_left -= STRIP * LANES
    while columns_left >= 2 * LANES:
        compute_all_rows(2, True, n, strip)
        advance_strip(strip, 2 * LANES)
        columns_left -= 2 * LANES
    while columns_left >= LANES:
        compute_all_rows(1, True, n, strip)
        advance_strip(strip, LANES)
        columns_left -= LANES
    if columns_left:
        strip.n = columns_left
        compute_all_rows(1, False, n, strip)

cdef inline void add_inputs_of_row(const int n_inputs, Py_ssize_t i, const Strip* strip) noexcept nogil:
    """y += x[j] W[j] for n_inputs inputs j from i on, one after the other."""
    cdef Py_ssize_t j, m = strip.m
    cdef const real* W = strip.W + i * m
    cdef real* y = strip.y
    cdef vec x[ROW_INPUTS]
    cdef vec c
    cdef int r
    for r in range(n_inputs):
        x[r] = vset(strip.x[i + r])
    for j from 0 <= j < m by LANES:
        c = load_some(y + j, m - j)
        for r in range(n_inputs):
            c = vfma(x[r], load_some(W + r * m + j, m - j), c)
        store_some(y + j, c, m - j)

cdef void large_row_product(const Strip* strip) noexcept nogil:
    """One row of y with weights that come from beyond L2: whole rows of W, which the CPU prefetches, several at a time.
    y is in L1. Strips would jump from a part of a row to the next row."""
    cdef Py_ssize_t i = 0
    if strip.b != NULL:
        memcpy(strip.y, strip.b, strip.m * sizeof(real))
    else:
        memset(strip.y, 0, strip.m * sizeof(real))
    while i + ROW_INPUTS <= strip.k:
        add_inputs_of_row(ROW_INPUTS, i, strip)
        i += ROW_INPUTS
    while i < strip.k:
        add_inputs_of_row(1, i, strip)
        i += 1
    if strip.relu:
        elementwise_forward(RELU, strip.y, strip.y, strip.m, LANES)

cdef int few_rows_forward(const Network* net, Py_ssize_t n, const real* x, real* out, real* workspace,
                          Clock* clock) noexcept nogil:
    """out = the outputs for the n rows x. Returns 1 if the caller stops it."""
    cdef Py_ssize_t l, i, k, m
    cdef const real* W
    cdef const real* b
    cdef real* y
    cdef Py_ssize_t width = max_width(net)
    cdef real* row = workspace + 2 * n * width
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
        y = out if l == net.n_layers - 1 else workspace + l % 2 * n * width
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
            strip.relu = activation == RELU
            if n == 1 and is_prefetched(k, m):
                large_row_product(&strip)
            else:
                few_rows_product(n, &strip)
            if activation == RELU:
                activation = IDENTITY                   # done
        if activation == SOFTMAX:
            for i in range(n):                          # in padded memory, as its sum needs whole vectors
                memcpy(row, y + i * m, m * sizeof(real))
                softmax_forward(0, 1, m, panels(row, PANEL))
                memcpy(y + i * m, row, m * sizeof(real))
        elif activation != IDENTITY:
            elementwise_forward(activation, y, y, n * m, LANES)
        x = y
        if poll_stop(clock):
            return 1
    return 0
