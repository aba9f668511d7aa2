# Matrix products: C = bias + A B, and the register blocks of which linear.pxi also builds dW.
#
#   lo, hi    rows of C that a call computes
#   k, m      inner dimension and columns of C
#   A         rows of the user's array, or panels (struct Inputs); B, C: panels (panels.pxi)
#   vecs      vectors of a panel's row with numbers: 1, 2 or VECS, a constant at every call
#   n_rows    rows of a block, a constant at every call
#   IN        A, B, bias, mask;  OUT: C
#
# Order of sums, the same on every instruction set and however the work is split: the bias, then k = 0, 1, ...
#
# Every product is built from one register block: rows x vecs accumulators += (one broadcast number per row) * (a row of
# a panel), one FMA each. A block is WIDE_ROWS x VECS, or ROWS x 1 or 2 in a narrow panel. Panels of large weights, which
# come from L2, are read by blocks of TALL_ROWS, so less often; each needs more registers. Where blocks have 8 rows, the
# last one of a product has 2 or 4 if no more are left, and so has dW of up to 4 inputs. A block sums the whole inner
# dimension in registers, KC inputs at a time: that much of a panel stays in L1, and partial sums wait in the result.
# Wide results are computed NC columns at a time: that much of all panels, and the partial sums, stay in L2 (blocks.pxi).
# Meanwhile the next panel is prefetched, if B is large, and the numbers of A that tall blocks read next.
#
# Rows are computed in whole blocks, so up to ROWS - 1 rows after `hi` are computed too. They exist in memory; no sum
# reads them.

cdef struct Inputs:         # of a layer: rows of the user's array, or panels
    const real** rows       # pointers to the rows; NULL: panels
    Panels X

cdef enum:
    STRIP_VECS = 8          # of one row, whose sums are in registers at the same time; of two rows half as many

cdef struct Product:        # C[:, :m] = bias + A[:, :k] B[:k, :m], and what is done to a tile of it before it is stored
    Py_ssize_t k, m
    Inputs A
    Panels B
    Panels C
    const real* bias        # NULL: 0
    bint relu               # max(0, C)
    const real* mask        # in C's layout: C where mask > 0, else 0 (the derivative of relu); NULL: C
    int n_lines             # cache lines of `next` to prefetch for each PANEL inputs
    const real* next        # the part of B that is read next

cdef struct Strided:        # numbers of A that a block broadcasts, in panels or transposed
    const real* data
    Py_ssize_t row_stride   # from a row of the block to the next
    Py_ssize_t step_stride  # from a step of the inner dimension to the next

cdef inline int rows_in_block(const int vecs) noexcept nogil:
    """Rows of a register block, for a panel with numbers in `vecs` vecs."""
    return WIDE_ROWS if vecs == VECS else ROWS      # taller blocks read their inputs from panels, or packed

cdef inline void accumulate_block(const int vecs, const int n_rows, Py_ssize_t n, Strided A, const real* B,
                                  vec* c) noexcept nogil:
    """c[i][v] += A[i][p] * B[p][v] for p in 0..n. B: a panel."""
    cdef factor b[VECS]
    cdef vec a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(n_rows):
            a = vset(A.data[i * A.row_stride])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(a, b[v], c[vecs * i + v])
        A.data += A.step_stride
        B += PANEL

cdef inline void accumulate_from_rows(const int vecs, const int n_rows, Py_ssize_t n, const real** rows, const real* B,
                                      vec* c) noexcept nogil:
    """c[i][v] += rows[i][p] * B[p][v] for p in 0..n."""
    cdef factor b[VECS]
    cdef vec a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(n_rows):
            a = vset(rows[i][p])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(a, b[v], c[vecs * i + v])
        B += PANEL

cdef inline void accumulate_from_columns(const int vecs, const int n_rows, Py_ssize_t n, const real** rows, Py_ssize_t k,
                                         const real* B, vec* c) noexcept nogil:
    """c[i][v] += rows[p][k + i] * B[p][v] for p in 0..n."""
    cdef factor b[VECS]
    cdef vec x
    cdef const real* a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        a = in_register(rows[p] + k)
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(n_rows):
            x = vset(a[i])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(x, b[v], c[vecs * i + v])
        B += PANEL

cdef inline void product_tile(const int vecs, const int n_rows, const bint wide, Py_ssize_t kb, Py_ssize_t ke,
                              const Product* tile) noexcept nogil:
    """One block of rows of one panel of C, over inputs kb..ke; added to C if kb > 0.

    tile: rows from the block's first one on; panels of A and B from input kb on. wide: prefetch `next`."""
    cdef vec c[TILE + TALL_ROWS * VECS]
    cdef const real* rows[ROWS]
    cdef const real* B = tile.B.data
    cdef real* C = tile.C.data
    cdef const real* next = tile.next
    cdef Strided A
    cdef Py_ssize_t p, span = PANEL if wide else KC
    cdef int i, v
    for i in range(n_rows):
        for v in range(vecs):
            if kb:
                c[vecs * i + v] = vload(C + i * PANEL + v * LANES)
            elif tile.bias != NULL:
                c[vecs * i + v] = vload(tile.bias + v * LANES)
            else:
                c[vecs * i + v] = vset(0)
    if tile.A.rows != NULL and n_rows <= rows_in_block(vecs):
        for p from kb <= p < ke by span:
            for i in range(min_(n_rows, ROWS)):
                rows[i] = tile.A.rows[i] + p
            if wide:
                prefetch_lines(next, tile.n_lines)
                next += tile.n_lines * LINE
            accumulate_from_rows(vecs, n_rows, min_(span, ke - p), rows, B, c)
            B += PANEL * PANEL
    else:
        A.data = tile.A.X.data
        A.row_stride = PANEL
        A.step_stride = 1
        for p from kb <= p < ke by PANEL:
            if wide:
                prefetch_lines(next, tile.n_lines)
                next += tile.n_lines * LINE
            accumulate_block(vecs, n_rows, min_(PANEL, ke - p), A, B, c)
            A.data += tile.A.X.stride
            B += PANEL * PANEL
    if tile.relu:
        for i in range(n_rows * vecs):
            c[i] = vmax(vset(0), c[i])
    for i in range(n_rows):
        for v in range(vecs):
            if tile.mask != NULL:
                c[vecs * i + v] = vselect_gt(vload(tile.mask + i * PANEL + v * LANES), vset(0), c[vecs * i + v], vset(0))
            vstore(C + i * PANEL + v * LANES, c[vecs * i + v])

ctypedef void (*tile_kernel)(Py_ssize_t, Py_ssize_t, const Product*) noexcept nogil

cdef void product_tall_tile(Py_ssize_t kb, Py_ssize_t ke, const Product* tile) noexcept nogil:
    """A tall block. A function of its own, or addresses would take registers that its sums need."""
    product_tile(VECS, TALL_ROWS, True, kb, ke, tile)

cdef inline void place_tile(Py_ssize_t r, Py_ssize_t kb, Py_ssize_t j, bint last, const Product* p,
                            Product* tile) noexcept nogil:
    """OUT: the addresses of the block from row r and column j on."""
    cdef Py_ssize_t q = column_offset(j, p.C.stride) + r * PANEL
    tile.A.rows = p.A.rows + r if p.A.rows != NULL else NULL
    tile.A.X.data = element(p.A.X, r, kb)
    tile.C.data = p.C.data + q
    tile.mask = p.mask + q if last and p.mask != NULL else NULL

cdef inline void product_group(const bint rest, const bint wide, Py_ssize_t lo, Py_ssize_t hi,
                               const Product* p) noexcept nogil:
    """`product` with m <= NC. rest: of 3 or 4 rows, fewer than a block. wide: of large weights; if there are many
    rows, in tall blocks, as far as whole blocks of WIDE_ROWS are left."""
    cdef Py_ssize_t kb = 0, ke, j, r, step = 0, next_inputs
    cdef int vecs
    cdef bint last, tall = wide and TALL_ROWS > WIDE_ROWS and p.A.rows == NULL and hi - lo >= 2 * TALL_ROWS
    cdef Product tile = p[0]
    cdef tile_kernel tall_tile = <tile_kernel>opaque(<void*>product_tall_tile) if wide else NULL
    while True:                                     # at least once: for k = 0 the result is the bias
        ke = min_(kb + (TALL_KC if tall else KC), p.k)
        last = ke == p.k
        next_inputs = min_(TALL_KC, p.k - ke)
        tile.relu = last and p.relu
        for j from 0 <= j < p.m by PANEL:
            tile.B.data = element(p.B, kb, j)
            if wide:
                step = p.n_lines * LINE * ((ke - kb) // PANEL)
                if j + PANEL < p.m:
                    tile.next = element(p.B, kb, j + PANEL)
                else:
                    tile.next = element(p.B, 0, j + PANEL) if last else element(p.B, ke, 0)
            tile.bias = p.bias + j if p.bias != NULL else NULL
            vecs = vecs_used(p.m, j)
            r = lo
            if tall and vecs == VECS:
                while hi - r == TALL_ROWS or hi - r >= TALL_ROWS + WIDE_ROWS:
                    place_tile(r, kb, j, last, p, &tile)
                    tall_tile(kb, ke, &tile)
                    if j < next_inputs:
                        prefetch_lines(element(p.A.X, r, ke + j), TALL_ROWS * PANEL // LINE)
                    tile.next += step
                    r += TALL_ROWS
            while r < hi:
                place_tile(r, kb, j, last, p, &tile)
                if rest:
                    if vecs == 1:
                        product_tile(1, 4, wide, kb, ke, &tile)
                    else:
                        product_tile(VECS, 4, wide, kb, ke, &tile)
                elif vecs == 1:
                    product_tile(1, ROWS, wide, kb, ke, &tile)
                elif VECS > 2 and vecs == 2:
                    product_tile(2, ROWS, wide, kb, ke, &tile)
                else:
                    product_tile(VECS, WIDE_ROWS, wide, kb, ke, &tile)
                if wide:
                    tile.next += step
                r += rows_in_block(vecs)
        if last:
            return
        kb = ke

cdef inline void product_blocks(const bint rest, const bint wide, Py_ssize_t lo, Py_ssize_t hi,
                                const Product* p) noexcept nogil:
    """`product`, NC columns at a time."""
    cdef Product whole = p[0], group = whole        # local copies: stores cannot change them
    cdef Py_ssize_t j
    for j from 0 <= j < whole.m by NC:
        group.m = min_(NC, whole.m - j)
        group.B = from_column(whole.B, j)
        group.C = from_column(whole.C, j)
        group.bias = whole.bias + j if whole.bias != NULL else NULL
        group.mask = whole.mask + column_offset(j, whole.C.stride) if whole.mask != NULL else NULL
        product_group(rest, wide, lo, hi, &group)

cdef inline void product_strip(const int n_rows, const int n_vecs, Py_ssize_t r, Py_ssize_t j,
                               const Product* p) noexcept nogil:
    """Rows r..r + n_rows of C, n_vecs vecs of each from column j on, over all inputs. The sums of one or two rows of a panel
    would wait for each other."""
    cdef vec c[STRIP_VECS]
    cdef vec a[2]
    cdef factor b
    cdef const real* x[2]
    cdef const real* B[STRIP_VECS]      # the panels
    cdef Py_ssize_t k, t, q
    cdef int i, v
    for v from 0 <= v < n_vecs by VECS:
        B[v // VECS] = element(p.B, 0, j + v * LANES)
    for v in range(n_vecs):
        for i in range(n_rows):
            c[n_vecs * i + v] = vload(p.bias + j + v * LANES) if p.bias != NULL else vset(0)
    for k from 0 <= k < p.k by PANEL:
        for i in range(n_rows):
            x[i] = p.A.rows[r + i] + k if p.A.rows != NULL else element(p.A.X, r + i, k)
        for t in range(min_(PANEL, p.k - k)):
            for i in range(n_rows):
                a[i] = vset(x[i][t])
            for v in range(n_vecs):
                b = vfactor(B[v // VECS] + v % VECS * LANES)
                for i in range(n_rows):
                    c[n_vecs * i + v] = vfma_factor(a[i], b, c[n_vecs * i + v])
            for v from 0 <= v < n_vecs by VECS:
                B[v // VECS] += PANEL
    for v in range(n_vecs):
        q = column_offset(j + v * LANES, p.C.stride) + r * PANEL
        for i in range(n_rows):
            if p.relu:
                c[n_vecs * i + v] = vmax(vset(0), c[n_vecs * i + v])
            if p.mask != NULL:
                c[n_vecs * i + v] = vselect_gt(vload(p.mask + q + i * PANEL), vset(0), c[n_vecs * i + v], vset(0))
            vstore(p.C.data + q + i * PANEL, c[n_vecs * i + v])

cdef inline void product_strips(const int n_rows, Py_ssize_t r, const Product* p) noexcept nogil:
    """Rows r..r + n_rows of C: 1 or 2."""
    cdef Py_ssize_t j = 0, n_left = (p.m + LANES - 1) // LANES, n
    while n_left > 0:
        n = min_(n_left, STRIP_VECS // n_rows)
        if n == 1:
            product_strip(n_rows, 1, r, j, p)
        elif n == 2:
            product_strip(n_rows, 2, r, j, p)
        elif n == 3:
            product_strip(n_rows, 3, r, j, p)
        elif n == 4:
            product_strip(n_rows, 4, r, j, p)
        elif n_rows == 1 and n == 5:
            product_strip(1, 5, r, j, p)
        elif n_rows == 1 and n == 6:
            product_strip(1, 6, r, j, p)
        elif n_rows == 1 and n == 7:
            product_strip(1, 7, r, j, p)
        elif n_rows == 1:
            product_strip(1, 8, r, j, p)
        n_left -= n
        j += n * LANES

cdef void product_rest(Py_ssize_t lo, Py_ssize_t hi, Product p) noexcept nogil:
    """`product` of the last 1 to 4 rows.

    A function of its own: with these branches in the loop over blocks, 784-16-16-10, batch 32, took 8 % longer. A step
    of 30-64-64-1 takes 26 % less time with batch 4 than in blocks of 8 rows, 18 % less with 10. Blocks of 4 rows gained
    nothing."""
    if hi - lo > 2:
        product_blocks(True, False, lo, hi, &p)
    elif hi - lo == 2:
        product_strips(2, lo, &p)
    else:
        product_strips(1, lo, &p)

cdef void product_wide(Py_ssize_t lo, Py_ssize_t hi, Product p) noexcept nogil:
    """`product` with large weights, CHUNK rows at a time: those stay in L2. A function of its own, like product_rest."""
    cdef Py_ssize_t i
    for i from lo <= i < hi by CHUNK:
        p.n_lines = lines_for_step(min_(CHUNK, hi - i))
        product_blocks(False, True, i, min_(i + CHUNK, hi), &p)

cdef inline void product(Py_ssize_t lo, Py_ssize_t hi, bint wide, const Product* p) noexcept nogil:
    """Rows lo..hi of C. wide: B is large."""
    # Where whole panels have blocks of 4 rows, the last rows are such a block anyway, but for panels with fewer vecs
    cdef bint has_rest = WIDE_ROWS > 4 or (ROWS > 4 and hi - lo <= 4 and not wide)
    cdef Py_ssize_t n_rest = (hi - lo) % ROWS if has_rest else 0
    if n_rest > 4:                          # a block of 8 rows takes as long
        n_rest = 0
    if wide:
        product_wide(lo, hi - n_rest, p[0])
    elif n_rest < hi - lo:
        product_blocks(False, False, lo, hi - n_rest, p)
    if n_rest > 0:
        product_rest(hi - n_rest, hi, p[0])
