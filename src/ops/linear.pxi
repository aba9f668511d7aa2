# The linear layer: Y = f(X W + b), dX = dZ W^T, dW = X^T dZ, db = the sum of dZ's rows.
#
#   n         rows of a chunk; lo, hi: the rows, or the inputs of dW, that a call computes
#   k, m      inner dimension and columns of a product
#   X, Y, Z   chunk matrices in panels (panels.pxi); X may also be rows of the user's array (struct Inputs)
#   W, T      weights and W^T in panels; vectors in a layer with one output
#   S         what the derivative of the activation below reads: its inputs or outputs
#   IN        X, W, T, b, dZ, S;  OUT: Z, Y, dX, and dW and db (INOUT with `add`);  INOUT: W and T with a `step`
#
# Order of sums, the same on every instruction set and however the work is split: forward starts from b and adds inputs
# 0, 1, ...; dX adds outputs in order; dW and db add the rows of a chunk in order. dot.pxi has the products of a layer
# with one output, narrow.pxi those of a layer with few outputs.
#
# Every product is built from one register block: rows x vecs accumulators += (one broadcast number per row) * (a row of
# a panel), one FMA each. A block is WIDE_ROWS x VECS, or ROWS x 1 or 2 in a narrow panel. Where blocks have 8 rows, the
# last one of a product has 2 or 4 if no more are left, and so has dW of up to 4 inputs. A block sums the whole inner
# dimension in registers, KC inputs at a time: that much of a panel stays in L1, and partial sums wait in the result.
# Wide results are computed NC columns at a time: that much of all panels, and the partial sums, stay in L2. While a
# tile is in registers or L1, what follows is done too: the activation after Y, the derivative after dX, the update
# after dW.
#
# Rows are computed in whole blocks, so up to ROWS - 1 rows after `hi` are computed too. They exist in memory; no sum
# reads them.

cdef enum:
    KC = 256                # inner dimension of a product: so much at a time
    NC = 256                # columns of a product, inputs of dW: so many at a time

cdef struct Inputs:         # of a layer: rows of the user's array, or panels
    const real** rows       # pointers to the rows; NULL: panels
    Panels X

cdef struct Layer:          # a layer of n_in inputs and n_out outputs on a chunk of rows; with one output, W and T are vectors
    Py_ssize_t n_in, n_out
    int activation          # IDENTITY if the loss includes the activation
    bint transposed         # W is stored as W^T, like T (panels.pxi)
    Panels W                # IN; INOUT if phase B updates
    Panels T                # W^T; data NULL: no gradient of the inputs is needed; W itself if that is transposed
    real* b
    bint learns_bias        # False: b is 0 and stays 0
    real* dW                # OUT: the gradients of W and b, in their layout
    real* db
    Inputs inputs
    Panels Z                # OUT: X W + b; the same memory as Y unless the derivative reads Z
    Panels Y                # OUT: f(Z)
    Panels dZ               # IN: the gradient of Z
    Panels dX               # OUT: that of X, times f'(S); f: the activation of the layer below
    int derivative          # f; IDENTITY if there is no layer below, or dropout between
    const real* S           # in dX's layout
    Panels mask             # factors by which dropout multiplied X; data NULL: no dropout
    double dropout
    Py_ssize_t row_stride   # from a row of Z, Y, dZ to the next: PANEL, or 1 for a last layer with one output

cdef struct Product:        # C[:, :m] = bias + A[:, :k] B[:k, :m], and what is done to each of its tiles before it is stored
    Py_ssize_t k, m
    Inputs A
    Panels B
    Panels C
    const real* bias        # NULL: 0
    bint relu               # max(0, C)
    const real* mask        # in C's layout: C where mask > 0, else 0 (the derivative of relu); NULL: C

cdef struct Strided:        # numbers of A that a block broadcasts, in panels or transposed
    const real* data
    Py_ssize_t row_stride   # from a row of the block to the next
    Py_ssize_t step_stride  # from a step of the inner dimension to the next

cdef struct WeightPart:     # a part of W
    Py_ssize_t lo, hi       # its inputs
    Py_ssize_t first, end   # its outputs, in whole panels

cdef struct ChunkGradient:  # what is done with the gradients of W and b over the rows of a chunk
    Py_ssize_t n            # the rows
    bint add                # add them to those of the chunks before
    const Step* step        # not NULL: update W instead
    const Step* bias_step   # likewise for b
    Py_ssize_t moment_stride    # from a parameter to its first moment, from there to its second, ...

cdef struct WeightTile:     # a block of rows, inputs, of a panel of dW
    Inputs X                # rows, or panels from the block's first input on
    Py_ssize_t first        # input of `rows`
    Py_ssize_t n_skip       # so many inputs are not stored: the block before has them
    const real* dZ          # row 0 of the panel
    real* dW                # OUT, or W is INOUT
    real* W

cdef inline int rows_in_block(const int vecs) noexcept nogil:
    """Rows of a register block, for a panel with numbers in `vecs` vecs."""
    return WIDE_ROWS if vecs == VECS else ROWS

cdef inline void accumulate_block(const int vecs, const int n_rows, Py_ssize_t n, Strided A, const real* B,
                                  vec* c) noexcept nogil:
    """c[i][v] += A[i][p] * B[p][v] for p in 0..n. B: a panel.

    Here and below constants at every call: vecs, the vectors of a panel's row with numbers: 1, 2 or VECS; n_rows, the
    rows of the block."""
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

cdef inline void accumulate_from_columns(const int vecs, Py_ssize_t n, const real** rows, Py_ssize_t k, const real* B,
                                         vec* c) noexcept nogil:
    """c[i][v] += rows[p][k + i] * B[p][v] for p in 0..n."""
    cdef factor b[VECS]
    cdef vec x
    cdef const real* a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        a = rows[p] + k
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(rows_in_block(vecs)):
            x = vset(a[i])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(x, b[v], c[vecs * i + v])
        B += PANEL

cdef inline void product_tile(const int vecs, const int n_rows, Py_ssize_t kb, Py_ssize_t ke,
                              const Product* tile) noexcept nogil:
    """One block of rows of one panel of C, over inputs kb..ke; added to C if kb > 0.

    tile: rows from the block's first one on; panels of A and B from input kb on."""
    cdef vec c[TILE]
    cdef vec zero = vset(0)
    cdef const real* rows[ROWS]
    cdef const real* B = tile.B.data
    cdef real* C = tile.C.data
    cdef Strided A
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(n_rows):
        for v in range(vecs):
            if kb:
                c[vecs * i + v] = vload(C + i * PANEL + v * LANES)
            elif tile.bias != NULL:
                c[vecs * i + v] = vload(tile.bias + v * LANES)
            else:
                c[vecs * i + v] = zero
    if tile.A.rows != NULL:
        for i in range(n_rows):
            rows[i] = tile.A.rows[i] + kb
        accumulate_from_rows(vecs, n_rows, ke - kb, rows, B, c)
    else:
        A.data = tile.A.X.data
        A.row_stride = PANEL
        A.step_stride = 1
        for p from kb <= p < ke by PANEL:
            accumulate_block(vecs, n_rows, min_(PANEL, ke - p), A, B, c)
            A.data += tile.A.X.stride
            B += PANEL * PANEL
    if tile.relu:
        for i in range(n_rows * vecs):
            c[i] = vmax(zero, c[i])
    for i in range(n_rows):
        for v in range(vecs):
            if tile.mask != NULL:
                c[vecs * i + v] = vselect_gt(vload(tile.mask + i * PANEL + v * LANES), zero, c[vecs * i + v], zero)
            vstore(C + i * PANEL + v * LANES, c[vecs * i + v])

cdef inline void product_group(const int rest, Py_ssize_t lo, Py_ssize_t hi, const Product* p) noexcept nogil:
    """`product` with m <= NC. rest: not 0 if lo..hi are at most so many rows, 2 or 4, fewer than a block."""
    cdef Py_ssize_t kb = 0, ke, j, r, q
    cdef int vecs
    cdef bint last
    cdef Product tile = p[0]
    while True:                                     # at least once: for k = 0 the result is the bias
        ke = min_(kb + KC, p.k)
        last = ke == p.k
        tile.relu = last and p.relu
        for j from 0 <= j < p.m by PANEL:
            tile.B.data = element(p.B, kb, j)
            tile.bias = p.bias + j if p.bias != NULL else NULL
            vecs = vecs_used(p.m, j)
            for r from lo <= r < hi by rows_in_block(vecs):
                tile.A.rows = p.A.rows + r if p.A.rows != NULL else NULL
                tile.A.X.data = element(p.A.X, r, kb)
                q = column_offset(j, p.C.stride) + r * PANEL
                tile.C.data = p.C.data + q
                tile.mask = p.mask + q if last and p.mask != NULL else NULL
                if rest:
                    if vecs == 1:
                        product_tile(1, rest, kb, ke, &tile)
                    else:
                        product_tile(VECS, rest, kb, ke, &tile)
                elif vecs == 1:
                    product_tile(1, ROWS, kb, ke, &tile)
                elif VECS > 2 and vecs == 2:
                    product_tile(2, ROWS, kb, ke, &tile)
                else:
                    product_tile(VECS, WIDE_ROWS, kb, ke, &tile)
        if last:
            return
        kb += KC

cdef inline void product_blocks(const int rest, Py_ssize_t lo, Py_ssize_t hi, const Product* p) noexcept nogil:
    """`product`, NC columns at a time."""
    cdef Product whole = p[0], group = whole        # local copies: stores cannot change them
    cdef Py_ssize_t j
    for j from 0 <= j < whole.m by NC:
        group.m = min_(NC, whole.m - j)
        group.B = from_column(whole.B, j)
        group.C = from_column(whole.C, j)
        group.bias = whole.bias + j if whole.bias != NULL else NULL
        group.mask = whole.mask + column_offset(j, whole.C.stride) if whole.mask != NULL else NULL
        product_group(rest, lo, hi, &group)

cdef void product_rest(Py_ssize_t lo, Py_ssize_t hi, Product p) noexcept nogil:
    """`product` of the last 1 to 4 rows.

    A function of its own: with these branches in the loop over blocks, 784-16-16-10, batch 32, took 8 % longer. A step
    of 30-64-64-1 takes 26 % less time with batch 4 than in blocks of 8 rows, 18 % less with 10. Blocks of 4 rows gained
    nothing."""
    if hi - lo > 2:
        product_blocks(4, lo, hi, &p)
    else:
        product_blocks(2, lo, hi, &p)

cdef inline void product(Py_ssize_t lo, Py_ssize_t hi, const Product* p) noexcept nogil:
    """Rows lo..hi of C."""
    cdef Py_ssize_t n_rest = (hi - lo) % ROWS if ROWS > 4 else 0
    if n_rest > 4:                          # a block of 8 rows takes as long
        n_rest = 0
    if n_rest < hi - lo:
        product_blocks(0, lo, hi - n_rest, p)
    if n_rest > 0:
        product_rest(hi - n_rest, hi, p[0])

cdef inline void activate_rows(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Rows lo..hi of Y = f(Z)."""
    if layer.row_stride == 1:
        elementwise_forward(layer.activation, layer.Z.data + lo, layer.Y.data + lo, hi - lo, LANES)
    else:
        activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z, layer.Y)

cdef void linear_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first, Py_ssize_t end,
                         const Layer* layer) noexcept nogil:
    """Rows lo..hi and columns first..end of X W + b, and f of all columns after the last ones. first is a multiple of
    NC."""
    cdef Product p
    p.k = layer.n_in
    p.m = end - first
    p.A = layer.inputs
    p.B = from_column(layer.W, first)
    p.C = from_column(layer.Z, first)
    p.bias = layer.b + first
    p.relu = layer.activation == RELU
    p.mask = NULL
    product(lo, hi, &p)
    if end == layer.n_out and layer.activation != RELU:
        activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z, layer.Y)

cdef void linear_backward_input(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first, Py_ssize_t end,
                                const Layer* layer) noexcept nogil:
    """Rows lo..hi and columns first..end of dX = dZ W^T, times f'(S) in all columns after the last ones. first is a
    multiple of NC."""
    cdef Product p
    p.k = layer.n_out
    p.m = end - first
    p.A.rows = NULL
    p.A.X = layer.dZ
    p.B = from_column(layer.T, first)
    p.C = from_column(layer.dX, first)
    p.bias = NULL
    p.relu = False
    p.mask = layer.S + column_offset(first, layer.dX.stride) if layer.derivative == RELU else NULL
    product(lo, hi, &p)
    if end == layer.n_in and layer.derivative != RELU:
        activation_backward_panels(layer.derivative, lo, hi, layer.n_in, layer.S, layer.dX)

cdef inline void weight_tile(const int vecs, const int n_rows, const WeightTile* tile,
                             const ChunkGradient* gradient) noexcept nogil:
    """One block of rows of one panel of dW."""
    cdef vec c[TILE]
    cdef vec lr
    cdef Strided X
    cdef real* dW = tile.dW
    cdef real* W = tile.W
    cdef int i, v
    for i in range(n_rows * vecs):
        c[i] = vset(0)
    if tile.X.rows != NULL:
        accumulate_from_columns(vecs, gradient.n, tile.X.rows, tile.first, tile.dZ, c)
    else:
        X.data = tile.X.X.data
        X.row_stride = 1
        X.step_stride = PANEL
        accumulate_block(vecs, n_rows, gradient.n, X, tile.dZ, c)
    if gradient.step == NULL:
        for i in range(n_rows):
            for v in range(vecs):
                if i >= tile.n_skip:
                    if gradient.add:
                        c[vecs * i + v] = vadd(vload(dW + i * PANEL + v * LANES), c[vecs * i + v])
                    vstore(dW + i * PANEL + v * LANES, c[vecs * i + v])
    elif gradient.step.is_plain_sgd:                        # w - lr g, the only rule that needs no memory but W
        lr = vset(-gradient.step.lr)
        for i in range(n_rows):
            for v in range(vecs):
                if i >= tile.n_skip:
                    vstore(W + i * PANEL + v * LANES, vfma(lr, c[vecs * i + v], vload(W + i * PANEL + v * LANES)))
    else:
        update_tile(vecs, n_rows, tile, c, gradient)

cdef inline void update_tile(const int vecs, const int n_rows, const WeightTile* tile, const vec* sums,
                             const ChunkGradient* gradient) noexcept nogil:
    """Update W with any other rule, which reads the gradient from memory; in one span if the panel is not narrow."""
    cdef vec g[TILE]
    cdef Py_ssize_t i, n_skip = tile.n_skip, moment_stride = gradient.moment_stride
    for i in range(n_rows * vecs):
        g[i] = sums[i]
    if vecs == VECS:
        update_in_region(gradient.step, tile.W + n_skip * PANEL, <const real*>&g[vecs * n_skip], moment_stride,
                         (n_rows - n_skip) * PANEL)
    else:
        for i in range(n_skip, n_rows):
            update_in_region(gradient.step, tile.W + i * PANEL, <const real*>&g[vecs * i], moment_stride, vecs * LANES)

cdef void few_inputs_backward_weight(Py_ssize_t first, Py_ssize_t end, const Layer* layer,
                                     const ChunkGradient* gradient) noexcept nogil:
    """linear_backward_weight of a layer with at most 4 inputs, where blocks have 8 rows: in blocks of 2 or 4.

    A step of 1-100-1, batch 256, takes 20 % less time."""
    cdef Py_ssize_t j, q
    cdef ChunkGradient g = gradient[0]      # a local copy: stores cannot change it
    cdef WeightTile tile
    cdef bint wide
    tile.X = layer.inputs
    tile.first = tile.n_skip = 0
    for j from first <= j < end by PANEL:
        wide = vecs_used(layer.n_out, j) > 1
        q = column_offset(j, layer.W.stride)
        tile.dZ = element(layer.dZ, 0, j)
        tile.dW = layer.dW + q
        tile.W = layer.W.data + q
        if layer.n_in <= 2 and wide:
            weight_tile(VECS, 2, &tile, &g)
        elif layer.n_in <= 2:
            weight_tile(1, 2, &tile, &g)
        elif wide:
            weight_tile(VECS, 4, &tile, &g)
        else:
            weight_tile(1, 4, &tile, &g)
        if g.step != NULL and layer.T.data != NULL:
            transpose(0, BLOCK, j, j + min_(PANEL, round_up(layer.n_out - j, LANES)), layer.W, layer.T)

cdef void linear_backward_weight(const WeightPart* part, const Layer* layer,
                                 const ChunkGradient* gradient) noexcept nogil:
    """A part of dW = X^T dZ over the rows of a chunk. With a step, W is updated instead, and its transpose while the
    rows are in L1."""
    cdef Py_ssize_t j, p, q, lo = part.lo, hi = part.hi, end = part.end, n_in = layer.n_in, n_out = layer.n_out
    cdef Panels W = layer.W, T = layer.T, dZ = layer.dZ
    cdef Inputs inputs = layer.inputs
    cdef real* dW = layer.dW
    cdef ChunkGradient g = gradient[0]      # a local copy: stores cannot change it
    cdef WeightTile tile
    cdef int vecs
    if ROWS > 4 and n_in <= 4:
        few_inputs_backward_weight(part.first, end, layer, gradient)
        return
    tile.X = inputs
    for j from part.first <= j < end by PANEL:
        vecs = vecs_used(n_out, j)
        tile.dZ = element(dZ, 0, j)
        p = lo
        while p < hi:
            # no memory follows the last number of a user's row: the last block overlaps the one before, whose rows are
            # not stored again
            tile.first = min_(p, n_in - rows_in_block(vecs)) if inputs.rows != NULL else p
            tile.n_skip = p - tile.first
            q = column_offset(j, W.stride) + tile.first * PANEL
            tile.dW = dW + q
            tile.W = W.data + q
            tile.X.X.data = element(inputs.X, 0, p)
            if p < n_in:
                if vecs == 1:
                    weight_tile(1, ROWS, &tile, &g)
                elif VECS > 2 and vecs == 2:
                    weight_tile(2, ROWS, &tile, &g)
                else:
                    weight_tile(VECS, WIDE_ROWS, &tile, &g)
            p += rows_in_block(vecs)
            if g.step != NULL and T.data != NULL and p % BLOCK == 0:
                transpose(p - BLOCK, p, j, j + min_(PANEL, round_up(n_out - j, LANES)), W, T)

cdef void linear_backward_bias(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                               const ChunkGradient* gradient) noexcept nogil:
    """Columns lo..hi of db = the sum of dZ's rows; lo is a multiple of PANEL."""
    cdef Py_ssize_t i, j, n = gradient.n
    cdef bint add = gradient.add
    cdef real* db = layer.db
    cdef int v
    cdef vec s[VECS]
    cdef const real* d
    for j from lo <= j < hi by PANEL:
        d = element(layer.dZ, 0, j)
        for v in range(VECS):
            s[v] = vset(0)
        for i in range(n):
            for v in range(VECS):
                s[v] = vadd(s[v], vload(d + i * PANEL + v * LANES))
        for v in range(VECS):
            vstore(db + j + v * LANES, vadd(vload(db + j + v * LANES), s[v]) if add else s[v])
