# The linear layer: Y = f(X W + b), dX = dZ W^T, dW = X^T dZ, db = the sum of dZ's rows.
#
#   n         rows of a chunk; lo, hi: the rows, or the inputs of dW, that a call computes
#   k, m      inputs and outputs of the layer (n_in, n_out); in `product`: inner dimension, columns of the result
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

cdef struct Layer:          # a layer on a chunk of rows; with one output, W and T are vectors
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
    Panels mask             # factors by which dropout multiplied X; data NULL: no dropout
    double dropout
    Py_ssize_t row_stride   # from a row of Z, Y, dZ to the next: PANEL, or 1 for a last layer with one output

cdef struct Epilogue:       # what is done to a tile of a product before it is stored
    const real* bias        # NULL: 0
    bint relu               # max(0, C)
    const real* mask        # in C's layout: C where mask > 0, else 0 (the derivative of relu); NULL: C

cdef struct TileDestination:    # where a tile of dW is stored; with a step it updates W instead
    real* dW
    bint add                # add the tile to dW
    const Step* step        # NULL: store the gradient
    real* W
    Py_ssize_t moment_stride    # from a weight to its first moment, from there to its second, ...

cdef inline int rows_in_block(const int vecs) noexcept nogil:
    """Rows of a register block, for a panel with numbers in `vecs` vecs."""
    return WIDE_ROWS if vecs == VECS else ROWS

cdef inline void accumulate_block(const int vecs, const int n_rows, Py_ssize_t n, const real* A, Py_ssize_t row_stride,
                                  Py_ssize_t step_stride, const real* B, vec* c) noexcept nogil:
    """c[i][v] += A[i * row_stride] * B[v], n times; A then moves by step_stride and B by a row of its panel.

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
            a = vset(A[i * row_stride])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(a, b[v], c[vecs * i + v])
        A += step_stride
        B += PANEL

cdef inline void accumulate_from_rows(const int vecs, const int n_rows, Py_ssize_t n, const real** rows, Py_ssize_t k,
                                      const real* B, vec* c) noexcept nogil:
    """c[i][v] += rows[i][k + p] * B[p][v] for p in 0..n."""
    cdef const real* a[ROWS]
    cdef factor b[VECS]
    cdef vec x
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(n_rows):
        a[i] = rows[i] + k
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(n_rows):
            x = vset(a[i][p])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(x, b[v], c[vecs * i + v])
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

cdef inline void product_tile(const int vecs, const int n_rows, Py_ssize_t kb, Py_ssize_t ke, Inputs A, const real* B,
                              Epilogue epilogue, real* C) noexcept nogil:
    """One block of rows of one panel of C = bias + A B, over inputs kb..ke; added to C if kb > 0.

    A: rows from the block's first row on, or panels from its first row and input kb on."""
    cdef vec c[TILE]
    cdef vec zero = vset(0)
    cdef const real* a = A.X.data
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(n_rows):
        for v in range(vecs):
            if kb:
                c[vecs * i + v] = vload(C + i * PANEL + v * LANES)
            elif epilogue.bias != NULL:
                c[vecs * i + v] = vload(epilogue.bias + v * LANES)
            else:
                c[vecs * i + v] = zero
    if A.rows != NULL:
        accumulate_from_rows(vecs, n_rows, ke - kb, A.rows, kb, B, c)
    else:
        for p from kb <= p < ke by PANEL:
            accumulate_block(vecs, n_rows, min_(PANEL, ke - p), a, PANEL, 1, B, c)
            a += A.X.stride
            B += PANEL * PANEL
    if epilogue.relu:
        for i in range(n_rows * vecs):
            c[i] = vmax(zero, c[i])
    for i in range(n_rows):
        for v in range(vecs):
            if epilogue.mask != NULL:
                c[vecs * i + v] = vselect_gt(vload(epilogue.mask + i * PANEL + v * LANES), zero, c[vecs * i + v], zero)
            vstore(C + i * PANEL + v * LANES, c[vecs * i + v])

cdef inline void product_group(const int rest, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, Inputs A,
                               Panels B, Epilogue epilogue, Panels C) noexcept nogil:
    """`product` with m <= NC. rest: not 0 if lo..hi are at most so many rows, 2 or 4, fewer than a block."""
    cdef Py_ssize_t kb = 0, ke, j, r, q
    cdef int vecs
    cdef bint last
    cdef Epilogue tile_epilogue
    cdef Inputs a
    cdef const real* b
    a.X.stride = A.X.stride
    while True:                                     # at least once: for k = 0 the result is the bias
        ke = min_(kb + KC, k)
        last = ke == k
        tile_epilogue.relu = last and epilogue.relu
        for j from 0 <= j < m by PANEL:
            b = element(B, kb, j)
            tile_epilogue.bias = epilogue.bias + j if epilogue.bias != NULL else NULL
            vecs = vecs_used(m, j)
            for r from lo <= r < hi by rows_in_block(vecs):
                a.rows = A.rows + r if A.rows != NULL else NULL
                a.X.data = element(A.X, r, kb)
                q = column_offset(j, C.stride) + r * PANEL
                tile_epilogue.mask = epilogue.mask + q if last and epilogue.mask != NULL else NULL
                if rest:
                    if vecs == 1:
                        product_tile(1, rest, kb, ke, a, b, tile_epilogue, C.data + q)
                    else:
                        product_tile(VECS, rest, kb, ke, a, b, tile_epilogue, C.data + q)
                elif vecs == 1:
                    product_tile(1, ROWS, kb, ke, a, b, tile_epilogue, C.data + q)
                elif VECS > 2 and vecs == 2:
                    product_tile(2, ROWS, kb, ke, a, b, tile_epilogue, C.data + q)
                else:
                    product_tile(VECS, WIDE_ROWS, kb, ke, a, b, tile_epilogue, C.data + q)
        if last:
            return
        kb += KC

cdef inline void product_blocks(const int rest, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, Inputs A,
                                Panels B, Epilogue epilogue, Panels C) noexcept nogil:
    """`product`, NC columns at a time."""
    cdef Epilogue group_epilogue = epilogue
    cdef Py_ssize_t j, q
    for j from 0 <= j < m by NC:
        q = column_offset(j, C.stride)
        group_epilogue.bias = epilogue.bias + j if epilogue.bias != NULL else NULL
        group_epilogue.mask = epilogue.mask + q if epilogue.mask != NULL else NULL
        product_group(rest, lo, hi, k, min_(NC, m - j), A, panels(element(B, 0, j), B.stride), group_epilogue,
                      panels(C.data + q, C.stride))

cdef void product_rest(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, Inputs A, Panels B, Epilogue epilogue,
                       Panels C) noexcept nogil:
    """`product` of the last 1 to 4 rows.

    A function of its own: with these branches in the loop over blocks, 784-16-16-10, batch 32, took 8 % longer. A step
    of 30-64-64-1 takes 26 % less time with batch 4 than in blocks of 8 rows, 18 % less with 10. Blocks of 4 rows gained
    nothing."""
    if hi - lo > 2:
        product_blocks(4, lo, hi, k, m, A, B, epilogue, C)
    else:
        product_blocks(2, lo, hi, k, m, A, B, epilogue, C)

cdef inline void product(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, Inputs A, Panels B,
                         Epilogue epilogue, Panels C) noexcept nogil:
    """C[lo:hi, :m] = epilogue(bias + A[lo:hi, :k] B[:k, :m])"""
    cdef Py_ssize_t n_rest = (hi - lo) % ROWS if ROWS > 4 else 0
    if n_rest > 4:                          # a block of 8 rows takes as long
        n_rest = 0
    if n_rest < hi - lo:
        product_blocks(0, lo, hi - n_rest, k, m, A, B, epilogue, C)
    if n_rest > 0:
        product_rest(hi - n_rest, hi, k, m, A, B, epilogue, C)

cdef void linear_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first, Py_ssize_t end,
                         const Layer* layer) noexcept nogil:
    """Rows lo..hi and columns first..end of X W + b, and f of all columns after the last ones. first is a multiple of
    NC."""
    cdef Epilogue epilogue
    epilogue.bias = layer.b + first
    epilogue.relu = layer.activation == RELU
    epilogue.mask = NULL
    product(lo, hi, layer.n_in, end - first, layer.inputs, panels(element(layer.W, 0, first), layer.W.stride), epilogue,
            panels(element(layer.Z, 0, first), layer.Z.stride))
    if end == layer.n_out and layer.activation != RELU:
        activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z.data, layer.Y.data, layer.Y.stride)

cdef void linear_backward_input(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first, Py_ssize_t end, const Layer* layer,
                                int activation, const real* S, Panels dX) noexcept nogil:
    """Rows lo..hi and columns first..end of dZ W^T, times f'(S) in all columns after the last ones. first is a multiple
    of NC. f: the activation BELOW this layer; S: in dX's layout."""
    cdef Epilogue epilogue
    cdef Inputs dZ
    epilogue.bias = NULL
    epilogue.relu = False
    epilogue.mask = S + column_offset(first, dX.stride) if activation == RELU else NULL
    dZ.rows = NULL
    dZ.X = layer.dZ
    product(lo, hi, layer.n_out, end - first, dZ, panels(element(layer.T, 0, first), layer.T.stride), epilogue,
            panels(element(dX, 0, first), dX.stride))
    if end == layer.n_in and activation != RELU:
        activation_backward_panels(activation, lo, hi, layer.n_in, S, dX.data, dX.stride)

cdef inline void weight_tile(const int vecs, const int n_rows, Py_ssize_t n, Inputs X, Py_ssize_t p, const real* dZ,
                             Py_ssize_t n_skip, TileDestination out) noexcept nogil:
    """One block of rows of one panel of dW: inputs p.., without the first n_skip. X: rows, or panels from column p
    on."""
    cdef vec c[TILE]
    cdef vec lr
    cdef int i, v
    for i in range(n_rows * vecs):
        c[i] = vset(0)
    if X.rows != NULL:
        accumulate_from_columns(vecs, n, X.rows, p, dZ, c)
    else:
        accumulate_block(vecs, n_rows, n, X.X.data, 1, PANEL, dZ, c)
    if out.step == NULL:
        for i in range(n_rows):
            for v in range(vecs):
                if i >= n_skip:
                    if out.add:
                        c[vecs * i + v] = vadd(vload(out.dW + i * PANEL + v * LANES), c[vecs * i + v])
                    vstore(out.dW + i * PANEL + v * LANES, c[vecs * i + v])
    elif out.step.is_plain_sgd:                             # w - lr g, the only rule that needs no memory but W
        lr = vset(-out.step.lr)
        for i in range(n_rows):
            for v in range(vecs):
                if i >= n_skip:
                    vstore(out.W + i * PANEL + v * LANES,
                           vfma(lr, c[vecs * i + v], vload(out.W + i * PANEL + v * LANES)))
    else:
        update_tile(vecs, n_rows, n_skip, out.step, out.W, c, out.moment_stride)

cdef inline void update_tile(const int vecs, const int n_rows, Py_ssize_t n_skip, const Step* step, real* W,
                             const vec* gradient, Py_ssize_t moment_stride) noexcept nogil:
    """Update W with any other rule, which reads the gradient from memory; in one span if the panel is not narrow."""
    cdef vec g[TILE]
    cdef Py_ssize_t i
    for i in range(n_rows * vecs):
        g[i] = gradient[i]
    if vecs == VECS:
        update_in_region(step, W + n_skip * PANEL, <const real*>&g[vecs * n_skip], moment_stride,
                         (n_rows - n_skip) * PANEL)
    else:
        for i in range(n_skip, n_rows):
            update_in_region(step, W + i * PANEL, <const real*>&g[vecs * i], moment_stride, vecs * LANES)

cdef void few_inputs_backward_weight(Py_ssize_t n, Py_ssize_t first_output, Py_ssize_t end_output, const Layer* layer,
                                     bint add, const Step* step, Py_ssize_t moment_stride) noexcept nogil:
    """linear_backward_weight of a layer with at most 4 inputs, where blocks have 8 rows: in blocks of 2 or 4.

    A step of 1-100-1, batch 256, takes 20 % less time."""
    cdef Py_ssize_t j, q
    cdef const real* d
    cdef TileDestination tile_out
    cdef bint wide
    tile_out.add = add
    tile_out.step = step
    tile_out.moment_stride = moment_stride
    for j from first_output <= j < end_output by PANEL:
        wide = vecs_used(layer.n_out, j) > 1
        d = element(layer.dZ, 0, j)
        q = column_offset(j, layer.W.stride)
        tile_out.dW = layer.dW + q
        tile_out.W = layer.W.data + q
        if layer.n_in <= 2 and wide:
            weight_tile(VECS, 2, n, layer.inputs, 0, d, 0, tile_out)
        elif layer.n_in <= 2:
            weight_tile(1, 2, n, layer.inputs, 0, d, 0, tile_out)
        elif wide:
            weight_tile(VECS, 4, n, layer.inputs, 0, d, 0, tile_out)
        else:
            weight_tile(1, 4, n, layer.inputs, 0, d, 0, tile_out)
        if step != NULL and layer.T.data != NULL:
            transpose(0, BLOCK, j, j + min_(PANEL, round_up(layer.n_out - j, LANES)), layer.W, layer.T)

cdef void linear_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first_output,
                                 Py_ssize_t end_output, const Layer* layer, bint add, const Step* step,
                                 Py_ssize_t moment_stride) noexcept nogil:
    """Inputs lo..hi and some panels of outputs of dW = X^T dZ over the n rows of a chunk, added to dW if `add`. With a
    step, W is updated instead, and its transpose while the rows are in L1."""
    cdef Py_ssize_t j, p, first, q, n_in = layer.n_in, n_out = layer.n_out
    cdef Panels W = layer.W, T = layer.T, dZ = layer.dZ
    cdef Inputs inputs = layer.inputs, X
    cdef real* dW = layer.dW
    cdef const real* d
    cdef TileDestination tile_out
    cdef int vecs
    if ROWS > 4 and n_in <= 4:
        few_inputs_backward_weight(n, first_output, end_output, layer, add, step, moment_stride)
        return
    X = inputs
    tile_out.add = add
    tile_out.step = step
    tile_out.moment_stride = moment_stride
    for j from first_output <= j < end_output by PANEL:
        vecs = vecs_used(n_out, j)
        d = element(dZ, 0, j)
        p = lo
        while p < hi:
            # no memory follows the last number of a user's row: the last block overlaps the one before, whose rows are
            # not stored again
            first = min_(p, n_in - rows_in_block(vecs)) if inputs.rows != NULL else p
            q = column_offset(j, W.stride) + first * PANEL
            tile_out.dW = dW + q
            tile_out.W = W.data + q
            X.X.data = element(inputs.X, 0, p)
            if p < n_in:
                if vecs == 1:
                    weight_tile(1, ROWS, n, X, first, d, p - first, tile_out)
                elif VECS > 2 and vecs == 2:
                    weight_tile(2, ROWS, n, X, first, d, p - first, tile_out)
                else:
                    weight_tile(VECS, WIDE_ROWS, n, X, first, d, p - first, tile_out)
            p += rows_in_block(vecs)
            if step != NULL and T.data != NULL and p % BLOCK == 0:
                transpose(p - BLOCK, p, j, j + min_(PANEL, round_up(n_out - j, LANES)), W, T)

cdef void column_sums(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, Panels dZ, real* out, bint add) noexcept nogil:
    """Columns lo..hi of db = the sum of dZ's n rows; lo is a multiple of PANEL."""
    cdef Py_ssize_t i, j
    cdef int v
    cdef vec s[VECS]
    cdef const real* d
    for j from lo <= j < hi by PANEL:
        d = element(dZ, 0, j)
        for v in range(VECS):
            s[v] = vset(0)
        for i in range(n):
            for v in range(VECS):
                s[v] = vadd(s[v], vload(d + i * PANEL + v * LANES))
        for v in range(VECS):
            vstore(out + j + v * LANES, vadd(vload(out + j + v * LANES), s[v]) if add else s[v])
