# The linear layer: Y = f(X W + b), dX = dZ W^T, dW = X^T dZ, db = sum of dZ's rows.
#
# Design: every product is one register block, `block`: WIDE_ROWS x VECS accumulators += (WIDE_ROWS broadcast numbers) * (one row of a panel),
# one FMA each; ROWS x 1 or 2 where the panel is narrow. The first layer reads its inputs where the user keeps them (`block_of_rows`,
# `block_of_columns`), the others from panels. A block keeps its sums in registers for the whole inner dimension (KC inputs at a time, so that
# the piece of the panel it reads stays in L1; partial sums wait in the result). Wide results are made NC columns at a time, so that what all
# their panels read, and the partial sums, stay in L2. What follows a sum is done while its tile is at hand: the activation after a forward
# product, the activation's derivative after dX, the update after dW.
# Order of sums, the same on every instruction set and for every split of the work: forward starts from b and adds inputs k = 0, 1, ...;
# dX adds outputs in order; dW and db add the rows of a chunk in order. One output is a dot product along memory: 16 virtual lanes, the
# tree of sum16, then + b.
#
# Rows are worked in blocks of ROWS: up to ROWS - 1 rows after `hi` are computed too. They exist in memory and are never summed.

cdef enum:
    KC = 256                # inputs of a product worked at once
    NC = 256                # columns of its result; inputs of dW

cdef struct Inputs:         # of a layer: where the user keeps each row, or panels
    const real** rows       # NULL: panels
    Panels X

cdef struct Layer:          # k = n_in inputs, m = n_out outputs; a layer with one output has vectors for W and T
    Py_ssize_t n_in, n_out
    int activation          # IDENTITY where the loss is fused with it
    Panels W                # IN; INOUT where phase B updates it
    Panels T                # its transpose; data NULL where no gradient of the inputs is wanted; W's own where it is a vector
    real* b
    bint learns_bias        # without: b is 0 and stays
    real* G                 # OUT: the gradients of W and b, in their layout
    real* gb
    Inputs inputs
    Panels Z                # OUT: X W + b (Y itself unless the derivative reads it),
    Panels Y                # OUT: outputs,
    Panels dZ               # IN: the gradient of X W + b
    Panels mask             # what dropout multiplied X by; data NULL: nothing is dropped, and X are the outputs below
    double dropout
    Py_ssize_t row          # numbers from a row of Z, Y, dZ to the next: PANEL; 1 for a last layer with one output

cdef struct Finish:         # what follows a product's sum while its tile is at hand
    const real* bias        # NULL: 0
    bint relu               # max(0, C)
    const real* mask        # in C's layout: C where mask > 0; NULL: C

cdef struct Sink:           # where a tile of dW goes
    real* G                 # its gradient's place, or, with a step:
    bint add                # to what is there
    const Step* step        # straight into
    real* W
    Py_ssize_t region       # numbers from W to its first moment, from there to its second, and so on

cdef inline int rows_in_block(const int vecs) noexcept nogil:
    """Of a panel of which so many vecs are worked."""
    return WIDE_ROWS if vecs == VECS else ROWS

cdef inline void block(const int vecs, Py_ssize_t n, const real* A, Py_ssize_t next_row, Py_ssize_t next_step, const real* B,
                       vec* c) noexcept nogil:
    """c[i][v] += A[i*next_row] * B[v], n steps; A moves on by next_step, B by a row of its panel. vecs, here and below a constant at every
    call: the vectors of a panel's row that are worked, 1, 2 or VECS."""
    cdef factor b[VECS]
    cdef vec a
    cdef Py_ssize_t p
    cdef int i, v
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(rows_in_block(vecs)):
            a = vset(A[i * next_row])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(a, b[v], c[vecs * i + v])
        A += next_step
        B += PANEL

cdef inline void block_of_rows(const int vecs, Py_ssize_t n, const real** rows, Py_ssize_t k, const real* B, vec* c) noexcept nogil:
    """c[i][v] += rows[i][k] * B[v], n steps of k."""
    cdef const real* a[ROWS]
    cdef factor b[VECS]
    cdef vec x
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(rows_in_block(vecs)):
        a[i] = rows[i] + k
    for p in range(n):
        for v in range(vecs):
            b[v] = vfactor(B + v * LANES)
        for i in range(rows_in_block(vecs)):
            x = vset(a[i][p])
            for v in range(vecs):
                c[vecs * i + v] = vfma_factor(x, b[v], c[vecs * i + v])
        B += PANEL

cdef inline void block_of_columns(const int vecs, Py_ssize_t n, const real** rows, Py_ssize_t k, const real* B, vec* c) noexcept nogil:
    """c[i][v] += rows[p][k + i] * B[p][v], n steps of p."""
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

cdef inline void product_tile(const int vecs, Py_ssize_t kb, Py_ssize_t ke, Inputs A, const real* B, Finish finish, real* C) noexcept nogil:
    """A block of rows of a panel of C = bias + A B over inputs kb..ke, added to what is in C if kb > 0. A: rows from the block's first on, or
    panels from its first row and input kb on."""
    cdef vec c[TILE]
    cdef vec zero = vset(0)
    cdef const real* a = A.X.data
    cdef Py_ssize_t p
    cdef int i, v
    for i in range(rows_in_block(vecs)):
        for v in range(vecs):
            if kb:
                c[vecs * i + v] = vload(C + i * PANEL + v * LANES)
            elif finish.bias != NULL:
                c[vecs * i + v] = vload(finish.bias + v * LANES)
            else:
                c[vecs * i + v] = zero
    if A.rows != NULL:
        block_of_rows(vecs, ke - kb, A.rows, kb, B, c)
    else:
        for p from kb <= p < ke by PANEL:
            block(vecs, least(PANEL, ke - p), a, PANEL, 1, B, c)
            a += A.X.stride
            B += PANEL * PANEL
    if finish.relu:
        for i in range(rows_in_block(vecs) * vecs):
            c[i] = vmax(zero, c[i])
    for i in range(rows_in_block(vecs)):
        for v in range(vecs):
            if finish.mask != NULL:
                c[vecs * i + v] = vselect_gt(vload(finish.mask + i * PANEL + v * LANES), zero, c[vecs * i + v], zero)
            vstore(C + i * PANEL + v * LANES, c[vecs * i + v])

cdef inline void product_group(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, Inputs A, Panels B, Finish finish,
                               Panels C) noexcept nogil:
    """`product` of up to NC columns."""
    cdef Py_ssize_t kb = 0, ke, j, r, q
    cdef int vecs
    cdef bint last
    cdef Finish here
    cdef Inputs a
    cdef const real* b
    a.X.stride = A.X.stride
    while True:                                     # once even for k = 0, where the result is the bias
        ke = least(kb + KC, k)
        last = ke == k
        here.relu = last and finish.relu
        for j from 0 <= j < m by PANEL:
            b = element(B, kb, j)
            here.bias = finish.bias + j if finish.bias != NULL else NULL
            vecs = vecs_used(m, j)
            for r from lo <= r < hi by rows_in_block(vecs):
                a.rows = A.rows + r if A.rows != NULL else NULL
                a.X.data = element(A.X, r, kb)
                q = at(j, C.stride) + r * PANEL
                here.mask = finish.mask + q if last and finish.mask != NULL else NULL
                if vecs == 1:
                    product_tile(1, kb, ke, a, b, here, C.data + q)
                elif VECS > 2 and vecs == 2:
                    product_tile(2, kb, ke, a, b, here, C.data + q)
                else:
                    product_tile(VECS, kb, ke, a, b, here, C.data + q)
        if last:
            return
        kb += KC

cdef inline void product(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t k, Py_ssize_t m, Inputs A, Panels B, Finish finish, Panels C) noexcept nogil:
    """C[lo:hi, :m] = finish(bias + A[lo:hi, :k] B[:k, :m])"""
    cdef Finish here = finish
    cdef Py_ssize_t j, q
    for j from 0 <= j < m by NC:
        q = at(j, C.stride)
        here.bias = finish.bias + j if finish.bias != NULL else NULL
        here.mask = finish.mask + q if finish.mask != NULL else NULL
        product_group(lo, hi, k, least(NC, m - j), A, panels(element(B, 0, j), B.stride), here, panels(C.data + q, C.stride))

cdef void linear_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Rows lo..hi of Y = f(X W + b)."""
    cdef Finish finish
    finish.bias = layer.b
    finish.relu = layer.activation == RELU
    finish.mask = NULL
    product(lo, hi, layer.n_in, layer.n_out, layer.inputs, layer.W, finish, layer.Z)
    if layer.activation != RELU:
        activation_forward_panels(layer.activation, lo, hi, layer.n_out, layer.Z.data, layer.Y.data, layer.Y.stride)

cdef void linear_backward_input(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, int activation, const real* S, Panels dX) noexcept nogil:
    """Rows lo..hi of dX = (dZ W^T) * f'(S): f is the activation BELOW this layer, S what its derivative reads, in dX's layout."""
    cdef Finish finish
    cdef Inputs dZ
    finish.bias = NULL
    finish.relu = False
    finish.mask = S if activation == RELU else NULL
    dZ.rows = NULL
    dZ.X = layer.dZ
    product(lo, hi, layer.n_out, layer.n_in, dZ, layer.T, finish, dX)
    if activation != RELU:
        activation_backward_panels(activation, lo, hi, layer.n_in, S, dX.data, dX.stride)

cdef inline void weight_tile(const int vecs, Py_ssize_t n, Inputs X, Py_ssize_t p, const real* dZ, Py_ssize_t skip, Sink to) noexcept nogil:
    """A block of rows of a panel of dW, those of inputs p.. , without the first `skip`. X: its column p in panels, unless there are rows."""
    cdef vec c[TILE]
    cdef vec lr
    cdef int i, v
    for i in range(rows_in_block(vecs) * vecs):
        c[i] = vset(0)
    if X.rows != NULL:
        block_of_columns(vecs, n, X.rows, p, dZ, c)
    else:
        block(vecs, n, X.X.data, 1, PANEL, dZ, c)
    if to.step == NULL:
        for i in range(rows_in_block(vecs)):
            for v in range(vecs):
                if i >= skip:
                    if to.add:
                        c[vecs * i + v] = vadd(vload(to.G + i * PANEL + v * LANES), c[vecs * i + v])
                    vstore(to.G + i * PANEL + v * LANES, c[vecs * i + v])
    elif to.step.plain:                             # w - lr g needs no memory but W's
        lr = vset(-to.step.lr)
        for i in range(rows_in_block(vecs)):
            for v in range(vecs):
                if i >= skip:
                    vstore(to.W + i * PANEL + v * LANES, vfma(lr, c[vecs * i + v], vload(to.W + i * PANEL + v * LANES)))
    else:
        update_tile(vecs, skip, to.step, to.W, c, to.region)

cdef inline void update_tile(const int vecs, Py_ssize_t skip, const Step* step, real* W, const vec* gradient, Py_ssize_t region) noexcept nogil:
    """Any other rule reads it from memory, all rows in one run if the panel is not narrow."""
    cdef vec g[TILE]
    cdef Py_ssize_t i
    for i in range(rows_in_block(vecs) * vecs):
        g[i] = gradient[i]
    if vecs == VECS:
        update(step, W + skip * PANEL, <const real*>&g[vecs * skip], region, (rows_in_block(vecs) - skip) * PANEL)
    else:
        for i in range(skip, rows_in_block(vecs)):
            update(step, W + i * PANEL, <const real*>&g[vecs * i], region, vecs * LANES)

cdef void linear_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, bint add, const Step* step,
                                 Py_ssize_t region) noexcept nogil:
    """Input rows lo..hi of dW = X^T dZ over the n rows of a chunk: to G (or G + dW if add); or, with a step, straight into W and, if there is
    one, into W's transpose while the rows are in L1."""
    cdef Py_ssize_t j, p, first, q, n_in = layer.n_in, n_out = layer.n_out
    cdef Panels W = layer.W, T = layer.T, dZ = layer.dZ
    cdef Inputs inputs = layer.inputs, X
    cdef real* G = layer.G
    cdef const real* d
    cdef Sink to
    cdef int vecs
    X = inputs
    to.add = add
    to.step = step
    to.region = region
    for j from 0 <= j < n_out by PANEL:
        vecs = vecs_used(n_out, j)
        d = element(dZ, 0, j)
        p = lo
        while p < hi:
            # nothing stands after a row's last number: there the last block overlaps the one before, whose rows are not stored again
            first = least(p, n_in - rows_in_block(vecs)) if inputs.rows != NULL else p
            q = at(j, W.stride) + first * PANEL
            to.G = G + q
            to.W = W.data + q
            X.X.data = element(inputs.X, 0, p)
            if p < n_in:
                if vecs == 1:
                    weight_tile(1, n, X, first, d, p - first, to)
                elif VECS > 2 and vecs == 2:
                    weight_tile(2, n, X, first, d, p - first, to)
                else:
                    weight_tile(VECS, n, X, first, d, p - first, to)
            p += rows_in_block(vecs)
            if step != NULL and T.data != NULL and p % BLOCK == 0:
                transpose(p - BLOCK, p, j, j + least(PANEL, up(n_out - j, LANES)), W, T)

cdef void column_sums(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, Panels dZ, real* out, bint add) noexcept nogil:
    """Columns lo..hi (lo a multiple of PANEL) of db = the sum of dZ's n rows."""
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

# ---- a layer with one output: W is a vector w; row: numbers from a row of Z to the next (1 or PANEL) ----

cdef void dot_forward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """Rows lo..hi of Y = f(X w + b)."""
    cdef Py_ssize_t i, n_in = layer.n_in, row = layer.row
    cdef Inputs X = layer.inputs
    cdef const real* w = layer.W.data
    cdef real* Z = layer.Z.data
    cdef real bias = layer.b[0] if layer.b != NULL else 0
    if X.rows != NULL:
        for i in range(lo, hi):
            Z[i * row] = dot(n_in, X.rows[i], PANEL, w) + bias
    else:
        for i in range(lo, hi):
            Z[i * row] = dot(n_in, X.X.data + i * PANEL, X.X.stride, w) + bias
    if row == 1:
        activation_forward(layer.activation, Z + lo, layer.Y.data + lo, hi - lo, LANES)
    else:
        activation_forward_panels(layer.activation, lo, hi, 1, Z, layer.Y.data, 0)

cdef void dot_backward_input(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, int activation, const real* S, Panels to) noexcept nogil:
    """Rows lo..hi of dX = (dZ w^T) * f'(S), as linear_backward_input."""
    cdef Py_ssize_t i, j, q, n_in = layer.n_in, row = layer.row, stride = to.stride
    cdef const real* w = layer.W.data
    cdef const real* dZ = layer.dZ.data
    cdef real* dX = to.data
    cdef vec x, zero = vset(0)
    for j from 0 <= j < n_in by LANES:
        x = vload(w + j)
        q = at(j, stride)
        if activation == RELU:
            for i in range(lo, hi):
                vstore(dX + q + i * PANEL, vselect_gt(vload(S + q + i * PANEL), zero, vmul(vset(dZ[i * row]), x), zero))
        else:
            for i in range(lo, hi):
                vstore(dX + q + i * PANEL, vmul(vset(dZ[i * row]), x))
    if activation != RELU:
        activation_backward_panels(activation, lo, hi, n_in, S, dX, stride)

cdef void dot_backward_weight(Py_ssize_t n, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer, bint add) noexcept nogil:
    """Inputs lo..hi (lo a multiple of PANEL) of dw = X^T dZ."""
    cdef Py_ssize_t i, j, there, n_in = layer.n_in, row = layer.row
    cdef const real** rows = layer.inputs.rows
    cdef Panels X = layer.inputs.X
    cdef const real* dZ = layer.dZ.data
    cdef real* g = layer.G
    cdef int v
    cdef vec s[VECS]
    cdef vec d
    for j from lo <= j < hi by PANEL:
        for v in range(VECS):
            s[v] = vset(0)
        for i in range(n):
            d = vset(dZ[i * row])
            for v in range(VECS):
                if rows == NULL:
                    s[v] = vfma(vload(element(X, i, j) + v * LANES), d, s[v])
                else:
                    there = n_in - j - v * LANES
                    s[v] = vfma(vload_part(rows[i] + j + v * LANES, there if there > 0 else 0), d, s[v])
        for v in range(VECS):
            vstore(g + j + v * LANES, vadd(vload(g + j + v * LANES), s[v]) if add else s[v])
