# Products with a matrix whose rows or columns are inputs: y (n, m) = x (n, k) W (k, m), and y (n, k) = x (n, m) W^T.
# All matrices are row-major.
#
# Order of sums: of a product with W as in few.pxi. With W^T each sum has four chains: term j is added to chain j % 4, in
# order, and the chains are added as (0 + 1) + (2 + 3). It is computed in two ways, which give the same bits: few rows x
# with W as it is, four neighbouring numbers of several rows in one vec; many rows with a transposed copy.

cdef enum:
    QUAD_BLOCK = 4 * QUAD_ROWS  # rows of W whose sums are in registers at the same time
    QUAD_X = STRIP              # times so many rows of x, at most 4
    CHAIN_PANEL = 2 * LANES     # columns of a panel of W^T

cdef struct Quads:          # numbers of some rows of x and QUAD_BLOCK rows of W
    const real* x
    Py_ssize_t x_stride
    const real* w[QUAD_ROWS]    # the first of four rows of W each
    Py_ssize_t w_stride

cdef void transpose_rows(const real** rows, Py_ssize_t n, Py_ssize_t m, real* T, Py_ssize_t stride) noexcept nogil:
    """T (m, n), rows of `stride` numbers, = the transpose of up to LANES rows of m numbers."""
    cdef Py_ssize_t p, j = 0
    cdef real block[LANES * LANES]
    cdef real turned[LANES * LANES]
    if n == LANES and m >= LANES:
        while j < m:
            j = min_(j, m - LANES)                  # the last block overlaps the one before
            vtranspose_rows(rows, j, T + j * stride, stride)
            j += LANES
        return
    for j from 0 <= j < m by LANES:
        for p in range(LANES):
            vstore(block + p * LANES, vload_part(rows[p] + j, m - j) if p < n else vset(0))
        vtranspose(block, LANES, turned, LANES)
        for p in range(min_(LANES, m - j)):
            vstore_part(T + (j + p) * stride, vload(turned + p * LANES), n)

cdef void transpose_matrix(const real* x, Py_ssize_t n, Py_ssize_t m, real* T) noexcept nogil:
    """T (m, n) = x^T, x (n, m)."""
    cdef Py_ssize_t i = 0, p, rows_in_block
    cdef const real* rows[LANES]
    if n == 1 or m == 1:
        memcpy(T, x, n * m * sizeof(real))
        return
    while i < n:
        i = max_(0, min_(i, n - LANES))             # likewise
        rows_in_block = min_(LANES, n - i)
        for p in range(rows_in_block):
            rows[p] = x + (i + p) * m
        transpose_rows(rows, rows_in_block, m, T + i, n)
        i += LANES

cdef void linear_rows(Py_ssize_t n, Py_ssize_t k, Py_ssize_t m, const real* x, const real* W, const real* b,
                      real* y) noexcept nogil:
    """y (n, m) = x (n, k) W (k, m) + b, in the order of sums of few.pxi. b may be NULL."""
    cdef Py_ssize_t i
    cdef Strip strip
    if m == 1:
        for i in range(n):
            y[i] = dot(k, x + i * k, PANEL, W) + (b[0] if b != NULL else 0)
        return
    strip.k = k
    strip.m = m
    strip.x = x
    strip.W = W
    strip.b = b
    strip.y = y
    strip.relu = False
    few_rows_product(n, &strip)

cdef inline void add_quads(const int n_rows, Py_ssize_t j, const Quads* q, vec* c) noexcept nogil:
    """c += x W^T of numbers j..j+3 of n_rows rows x."""
    cdef vec x[4]
    cdef vec w
    cdef int v, r, i
    for v in range(QUAD_VECS):
        for i in range(n_rows):
            x[i] = vset_quad(q.x + i * q.x_stride + j + v * LANES)
        for r in range(4):
            w = vquads(q.w, r * q.w_stride + j + v * LANES)
            for i in range(n_rows):
                c[(i * 4 + r) * QUAD_VECS + v] = vfma(x[i], w, c[(i * 4 + r) * QUAD_VECS + v])

cdef inline void copy_rest(const int n_rows, Py_ssize_t j, Py_ssize_t n, const Quads* q, real* memory,
                           Quads* rest) noexcept nogil:
    """rest = a copy of the last n < 4 numbers of all rows, from j on, as quads. Their other products are -0, which change
    no sum."""
    cdef int i, r, v
    rest.x = memory
    rest.x_stride = rest.w_stride = 4
    for i in range(n_rows):
        for v in range(4):
            memory[i * 4 + v] = q.x[i * q.x_stride + j + v] if v < n else -<real>0.0
    memory += 16
    for i in range(QUAD_ROWS):
        rest.w[i] = memory
        for r in range(4):                          # a vec longer than a quad is overwritten behind it
            for v in range(QUAD_VECS):
                vstore(memory + v * LANES, vload_part(q.w[i] + r * q.w_stride + j + v * LANES, max_(0, n - v * LANES)))
            memory += 4

cdef inline void quads_block(const int n_rows, Py_ssize_t m, const Quads* q, real* y, Py_ssize_t y_stride) noexcept nogil:
    """n_rows rows of y = x W^T, of QUAD_BLOCK numbers each."""
    cdef vec c[16 * QUAD_VECS]
    cdef real memory[16 + QUAD_BLOCK * 4 + LANES]
    cdef Quads rest
    cdef Py_ssize_t j, whole = m // 4 * 4
    cdef int i
    for i in range(n_rows * 4 * QUAD_VECS):
        c[i] = vset(0)
    for j from 0 <= j < whole by 4:
        add_quads(n_rows, j, q, c)
    if whole < m:
        copy_rest(n_rows, whole, m - whole, q, memory, &rest)
        add_quads(n_rows, 0, &rest, c)
    for i in range(n_rows):
        vquad_totals(&c[i * 4 * QUAD_VECS], y + i * y_stride)

cdef void quads_of_rows(const int n_rows, Py_ssize_t m, Py_ssize_t k, const real* x, const real* W, real* y,
                        Py_ssize_t needed) noexcept nogil:
    """n_rows rows of y (n, k) = x (n, m) W^T, at least `needed` numbers of each."""
    cdef Quads q
    cdef real block[4 * QUAD_BLOCK]
    cdef Py_ssize_t j, g, i, first, width = min_(k, 4)
    q.x = x
    q.x_stride = q.w_stride = m
    for j from 0 <= j < needed by QUAD_BLOCK:
        if k >= QUAD_BLOCK:
            first = min_(j, k - QUAD_BLOCK)         # the last block overlaps the one before
            for g in range(QUAD_ROWS):
                q.w[g] = W + (first + 4 * g) * m
            quads_block(n_rows, m, &q, y + first, k)
            continue
        for g in range(QUAD_ROWS):                  # likewise the last four rows
            q.w[g] = W + max_(0, min_(4 * g, k - 4)) * m
        quads_block(n_rows, m, &q, block, QUAD_BLOCK)
        for i in range(n_rows):
            for g in range(QUAD_ROWS):
                memcpy(y + i * k + max_(0, min_(4 * g, k - 4)), block + i * QUAD_BLOCK + 4 * g, width * sizeof(real))

cdef void quads_product(Py_ssize_t n, Py_ssize_t m, Py_ssize_t k, const real* x, const real* W, real* y,
                        bint lower) noexcept nogil:
    """y (n, k) = x (n, m) W^T, W (k, m). k is at least 4. lower: at least numbers 0..i of row i."""
    cdef Py_ssize_t i, rows, needed
    for i from 0 <= i < n by QUAD_X:
        rows = min_(QUAD_X, n - i)
        needed = min_(k, i + rows) if lower else k
        if rows == 1:
            quads_of_rows(1, m, k, x, W, y, needed)
        elif rows == 2:
            quads_of_rows(2, m, k, x, W, y, needed)
        elif rows == 3:
            quads_of_rows(3, m, k, x, W, y, needed)
        else:
            quads_of_rows(4, m, k, x, W, y, needed)
        x += QUAD_X * m
        y += QUAD_X * k

cdef void transpose_panels(const real* W, Py_ssize_t k, Py_ssize_t m, real* T) noexcept nogil:
    """T = W^T in panels of CHAIN_PANEL columns, which have m rows each. W (k, m)."""
    cdef Py_ssize_t i, j, p, n
    cdef const real* rows[LANES]
    cdef real* part
    for i from 0 <= i < k by LANES:
        part = T + i // CHAIN_PANEL * CHAIN_PANEL * m + i % CHAIN_PANEL
        n = min_(LANES, k - i)
        if m < LANES or n < 4:                      # a block would be mostly padding
            for p in range(n):
                for j in range(m):
                    part[j * CHAIN_PANEL + p] = W[(i + p) * m + j]
            continue
        for p in range(LANES):
            rows[p] = W + min_(i + p, k - 1) * m    # what is behind the last column is not stored in the end
        j = 0
        while j < m:
            j = min_(j, m - LANES)                  # the last block overlaps the one before
            vtranspose_rows(rows, j, part + j * CHAIN_PANEL, CHAIN_PANEL)
            j += LANES

cdef struct Chains:         # some rows of a panel of y
    Py_ssize_t k, m, columns    # columns of the panel
    const real* x
    const real* T           # the panel
    real* y

cdef inline void add_input(const int n_rows, const int n_vecs, Py_ssize_t j, const Chains* p, vec* c) noexcept nogil:
    """c += x[j] T[j]"""
    cdef vec w[2]
    cdef vec a
    cdef int r, v
    for v in range(n_vecs):
        w[v] = vload(p.T + j * CHAIN_PANEL + v * LANES)
    for r in range(n_rows):
        a = vset(p.x[r * p.m + j])
        for v in range(n_vecs):
            c[r * n_vecs + v] = vfma(a, w[v], c[r * n_vecs + v])

cdef inline void sum_chains(const int together, const int n_rows, const int n_vecs, Py_ssize_t first, const Chains* p,
                            vec* c) noexcept nogil:
    """c = `together` of the four chains, from `first` on, at the same time."""
    cdef Py_ssize_t j = first
    cdef int q, tile = n_rows * n_vecs
    for q in range(together * n_rows * n_vecs):
        c[q] = vset(0)
    while j + together <= p.m:
        for q in range(together):
            add_input(n_rows, n_vecs, j + q, p, c + q * tile)
        j += 4
    for q in range(together - 1):
        if j + q < p.m:
            add_input(n_rows, n_vecs, j + q, p, c + q * tile)

cdef inline void compute_chains(const int n_rows, const int n_vecs, const Chains* p) noexcept nogil:
    """n_rows rows of a panel: as many chains at the same time as fill a register block."""
    cdef vec c[TILE]
    cdef vec first[TILE]
    cdef vec second[TILE]
    cdef int r, v, tile = n_rows * n_vecs
    if 4 * n_rows * n_vecs <= TILE:
        sum_chains(4, n_rows, n_vecs, 0, p, c)
        for v in range(n_rows * n_vecs):
            c[v] = vadd(vadd(c[v], c[tile + v]), vadd(c[2 * tile + v], c[3 * tile + v]))
    elif 2 * n_rows * n_vecs <= TILE:
        sum_chains(2, n_rows, n_vecs, 0, p, c)
        for v in range(n_rows * n_vecs):
            first[v] = vadd(c[v], c[tile + v])
        sum_chains(2, n_rows, n_vecs, 2, p, c)
        for v in range(n_rows * n_vecs):
            c[v] = vadd(first[v], vadd(c[v], c[tile + v]))
    else:
        sum_chains(1, n_rows, n_vecs, 0, p, first)
        sum_chains(1, n_rows, n_vecs, 1, p, c)
        for v in range(n_rows * n_vecs):
            first[v] = vadd(first[v], c[v])
        sum_chains(1, n_rows, n_vecs, 2, p, second)
        sum_chains(1, n_rows, n_vecs, 3, p, c)
        for v in range(n_rows * n_vecs):
            c[v] = vadd(first[v], vadd(second[v], c[v]))
    for r in range(n_rows):
        for v in range(n_vecs):
            store_some(p.y + r * p.k + v * LANES, c[r * n_vecs + v], p.columns - v * LANES)

cdef inline void chains_of_panel(const int n_vecs, Py_ssize_t n, const Chains* panel) noexcept nogil:
    """All n rows, four at a time. The last block overlaps the one before."""
    cdef Chains p = panel[0]
    cdef Py_ssize_t i = 0
    if n == 1:
        compute_chains(1, n_vecs, &p)
    elif n == 2:
        compute_chains(2, n_vecs, &p)
    elif n == 3:
        compute_chains(3, n_vecs, &p)
    else:
        while i < n:
            i = min_(i, n - 4)
            p.x = panel.x + i * p.m
            p.y = panel.y + i * p.k
            compute_chains(4, n_vecs, &p)
            i += 4

cdef void chains_product(Py_ssize_t n, Py_ssize_t m, Py_ssize_t k, const real* x, const real* T, real* y) noexcept nogil:
    """The bits of quads_product, from T = W^T in panels."""
    cdef Chains p
    cdef Py_ssize_t j
    p.k = k
    p.m = m
    p.x = x
    for j from 0 <= j < k by CHAIN_PANEL:
        p.columns = min_(CHAIN_PANEL, k - j)
        p.T = T + j * m
        p.y = y + j
        if p.columns > LANES:
            chains_of_panel(2, n, &p)
        else:
            chains_of_panel(1, n, &p)
