# The linear layer: Y = f(X W + b), dX = dZ W^T, dW = X^T dZ, db = the sum of dZ's rows.
#
#   n         rows of a chunk; lo, hi: the rows, or the inputs of dW, that a call computes
#   X, Y, Z   chunk matrices in panels (panels.pxi); X may also be rows of the user's array (struct Inputs,
#             product.pxi)
#   W, T      weights and W^T in panels; vectors in a layer with one output
#   S         what the derivative of the activation below reads: its inputs or outputs
#   IN        X, W, T, b, dZ, S;  OUT: Z, Y, dX, and dW and db (INOUT with `add`);  INOUT: W and T with a `step`
#
# Order of sums, the same on every instruction set and however the work is split: forward starts from b and adds inputs
# 0, 1, ...; dX adds outputs in order; dW and db add the rows of a chunk in order. dot.pxi has the products of a layer
# with one output, narrow.pxi those of a layer with few outputs.
#
# While a tile of a product is in registers or L1, what follows is done too: the activation after Y, the derivative after
# dX, the update after dW.

cdef struct Layer:          # a layer on a chunk of rows; with one output, W and T are vectors
    Py_ssize_t n_in, n_out
    int activation          # IDENTITY if the loss includes the activation
    bint transposed         # W is stored as W^T, like T (panels.pxi)
    Panels W                # IN; INOUT if phase B updates
    bint passes_gradient    # dX is needed
    Panels T                # W^T, for dX; data NULL: not stored; W itself if that is transposed
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

cdef struct WeightPart:     # a part of W
    Py_ssize_t lo, hi       # its inputs
    Py_ssize_t first, end   # its outputs, in whole panels
    real* packed            # memory for the inputs of NC columns of the chunk's rows; NULL: they are not packed

cdef struct ChunkGradient:  # what is done with the gradients of W and b over the rows of a chunk
    Py_ssize_t row, n       # the first row of the chunk, and how many
    bint add                # add them to those of the rows before
    bint is_last            # they are at most CHUNK, and no rows of the chunk follow
    const Step* step        # not NULL: update W instead
    const Step* bias_step   # likewise for b
    Py_ssize_t moment_stride    # from a parameter to its first moment, from there to its second, ...

ctypedef void (*gradient_kernel)(Py_ssize_t, Py_ssize_t, const Layer*, const ChunkGradient*) noexcept nogil

cdef struct ChunkPart:      # rows of a chunk of more than CHUNK: the next CHUNK, or what is left
    Layer layer             # whose inputs and dZ begin with them
    ChunkGradient gradient

cdef void first_part(const Layer* layer, const ChunkGradient* gradient, ChunkPart* part) noexcept nogil:
    """OUT: part. Nothing is updated before the last one."""
    part.layer = layer[0]
    part.gradient = gradient[0]
    part.gradient.n = CHUNK
    part.gradient.step = NULL

cdef void next_part(const ChunkGradient* gradient, ChunkPart* part) noexcept nogil:
    """INOUT: part. gradient: of the chunk."""
    if part.layer.inputs.rows != NULL:
        part.layer.inputs.rows += CHUNK
    part.layer.inputs.X.data += CHUNK * PANEL
    part.layer.dZ.data += CHUNK * part.layer.row_stride
    part.gradient.row += CHUNK
    part.gradient.n = min_(CHUNK, gradient.n - part.gradient.row)
    part.gradient.add = True
    part.gradient.is_last = part.gradient.row + part.gradient.n == gradient.n
    part.gradient.step = gradient.step if part.gradient.is_last else NULL

cdef inline void sum_rows(gradient_kernel kernel, Py_ssize_t lo, Py_ssize_t hi, const Layer* layer,
                          const ChunkGradient* gradient) noexcept nogil:
    """Call a kernel for every CHUNK rows of a chunk. The only call: with two, the compiler does not inline the kernel, and
    small networks took 12 % longer."""
    cdef ChunkPart part
    cdef const Layer* rows = layer
    cdef const ChunkGradient* g = gradient
    if not gradient.is_last:
        first_part(layer, gradient, &part)
        rows = &part.layer
        g = &part.gradient
    while True:
        kernel(lo, hi, rows, g)
        if g.is_last:
            return
        next_part(gradient, &part)

cdef struct WeightTile:     # a block of rows, inputs, of a panel of dW
    Inputs X                # rows, or panels or packed inputs from the block's first input on
    Py_ssize_t step         # from a row of panels or packed inputs to the next
    Py_ssize_t first        # input of `rows`
    Py_ssize_t n_columns    # from the first of the panel to the last of W
    Py_ssize_t n_skip       # first inputs, not stored: the block before has them
    const real* dZ          # row 0 of the panel
    const real* before      # the sums of the rows before; NULL: there are none
    real* dW                # OUT, or W is INOUT
    real* W

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
    product(lo, hi, is_prefetched(layer.n_in, layer.n_out), &p)
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
    product(lo, hi, is_prefetched(layer.n_in, layer.n_out), &p)
    if end == layer.n_in and layer.derivative != RELU:
        activation_backward_panels(layer.derivative, lo, hi, layer.n_in, layer.S, layer.dX)

cdef inline void block_without_T(const int n_rows, const int n_vecs, Py_ssize_t r, Py_ssize_t i, Py_ssize_t j,
                                 const real* T, const Layer* layer) noexcept nogil:
    """n_rows rows from r on, n_vecs vecs of dX from input i on: add the outputs from j on. T: their part of W^T."""
    cdef vec c[WIDE_ROWS * VECS]
    cdef vec w[VECS]
    cdef vec d
    cdef const real* dZ = element(layer.dZ, r, j)
    cdef real* dX = element(layer.dX, r, i)
    cdef Py_ssize_t p
    cdef int k, v
    for k in range(n_rows):
        for v in range(n_vecs):
            c[n_vecs * k + v] = vload(dX + k * PANEL + v * LANES) if j > 0 else vset(0)
    for p in range(min_(PANEL, layer.n_out - j)):
        for v in range(n_vecs):
            w[v] = vload(T + p * PANEL + v * LANES)
        for k in range(n_rows):
            d = vset(dZ[k * PANEL + p])
            for v in range(n_vecs):
                c[n_vecs * k + v] = vfma(d, w[v], c[n_vecs * k + v])
    for k in range(n_rows):
        for v in range(n_vecs):
            vstore(dX + k * PANEL + v * LANES, c[n_vecs * k + v])

cdef inline void blocks_without_T(const int n_vecs, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t i, Py_ssize_t j,
                                  const Layer* layer) noexcept nogil:
    """Rows lo..hi, n_vecs vecs of dX from input i on: add the outputs of the panel of W that begins with j."""
    cdef real T[PANEL * PANEL]          # a row for each output
    cdef Py_ssize_t r = lo
    cdef int v, k
    for k in range(vecs_used(layer.n_out, j)):
        for v in range(n_vecs):
            vtranspose(element(layer.W, i + v * LANES, j) + k * LANES, PANEL, T + k * LANES * PANEL + v * LANES, PANEL)
    while hi - r > WIDE_ROWS // 2:
        block_without_T(WIDE_ROWS, n_vecs, r, i, j, T, layer)
        r += WIDE_ROWS
    if hi - r > 2:
        block_without_T(4, n_vecs, r, i, j, T, layer)
    elif hi - r == 2:
        block_without_T(2, n_vecs, r, i, j, T, layer)
    elif hi - r == 1:
        block_without_T(1, n_vecs, r, i, j, T, layer)

cdef void linear_backward_input_without_T(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first, Py_ssize_t end,
                                          const Layer* layer) noexcept nogil:
    """Rows lo..hi of dX = dZ W^T, without a copy of W^T: add outputs first..end, and multiply by f'(S) after the last
    ones. first is a multiple of PANEL."""
    cdef Py_ssize_t i, j
    for j from first <= j < end by PANEL:
        for i from 0 <= i < layer.n_in by PANEL:
            if layer.n_in - i > LANES:
                blocks_without_T(VECS, lo, hi, i, j, layer)
            else:
                blocks_without_T(1, lo, hi, i, j, layer)
    if end == layer.n_out:
        activation_backward_panels(layer.derivative, lo, hi, layer.n_in, layer.S, layer.dX)

cdef inline void weight_tile(const int vecs, const int n_rows, const WeightTile* tile,
                             const ChunkGradient* gradient) noexcept nogil:
    """One block of rows of one panel of dW."""
    cdef vec c[TILE + TALL_ROWS * VECS]
    cdef vec lr
    cdef Strided X
    cdef real* dW = tile.dW
    cdef real* W = tile.W
    cdef int i, v
    for i in range(n_rows * vecs):
        c[i] = vset(0)
    if tile.X.rows != NULL and n_rows <= rows_in_block(vecs):
        accumulate_from_columns(vecs, n_rows, gradient.n, tile.X.rows, tile.first, tile.dZ, c)
    else:
        X.data = tile.X.X.data
        X.row_stride = 1
        X.step_stride = tile.step
        accumulate_block(vecs, n_rows, gradient.n, X, tile.dZ, c)
    if tile.before != NULL:
        for i in range(n_rows):
            for v in range(vecs):
                if i >= tile.n_skip:            # another thread may be writing the others
                    c[vecs * i + v] = vadd(vload(tile.before + i * PANEL + v * LANES), c[vecs * i + v])
    if gradient.step == NULL:
        for i in range(n_rows):
            for v in range(vecs):
                if i >= tile.n_skip:
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
    """Update W with any other rule, which reads the gradient from memory."""
    cdef vec g[TILE + TALL_ROWS * VECS]
    cdef int i, v, n_skip = tile.n_skip
    for i in range(n_rows):
        for v in range(vecs):
            g[VECS * i + v] = sums[vecs * i + v]
    update_panel(vecs, gradient.step, tile.W + n_skip * PANEL, <const real*>&g[VECS * n_skip],
                 gradient.moment_stride, n_rows - n_skip, tile.n_columns)

cdef void few_inputs_backward_weight(Py_ssize_t first, Py_ssize_t end, const Layer* layer,
                                     const ChunkGradient* gradient) noexcept nogil:
    """linear_backward_weight of a layer with at most 4 inputs, where blocks have 8 rows: in blocks of 2 or 4.

    A step of 1-100-1, batch 256, takes 20 % less time."""
    cdef Py_ssize_t j, q
    cdef ChunkGradient g = gradient[0]      # a local copy: stores cannot change it
    cdef WeightTile tile
    cdef bint wide
    tile.X = layer.inputs
    tile.step = PANEL
    tile.first = tile.n_skip = 0
    for j from first <= j < end by PANEL:
        wide = vecs_used(layer.n_out, j) > 1
        q = column_offset(j, layer.W.stride)
        tile.n_columns = layer.n_out - j
        tile.dZ = element(layer.dZ, 0, j)
        tile.dW = layer.dW + q
        tile.before = tile.dW if g.add else NULL
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

# Where the inputs of dW are packed, one tile after the other, a block of PACKED_BLOCK inputs begins with pairs of tiles of
# WEIGHT_ROWS inputs. The others have WIDE_ROWS, so each begins at a multiple of it.

cdef enum:
    PACKED_INPUT = CHUNK + 8                    # numbers of an input: one for each row; no power of two apart
    PACKED_CHUNK = NC * PACKED_INPUT
    PACKED_BLOCK = 8 * WEIGHT_ROWS

cdef inline Py_ssize_t inputs_in_pairs(Py_ssize_t n) noexcept nogil:
    """How many of n packed inputs of a block are in tiles of WEIGHT_ROWS."""
    return n - n % (2 * WEIGHT_ROWS) if <int>WEIGHT_ROWS > <int>WIDE_ROWS else 0

cdef inline void pack_tile(const int n_rows, const Layer* layer, Py_ssize_t i, Py_ssize_t p, real* out) noexcept nogil:
    """OUT: n_rows inputs of row i, from p on; two at a time, which are in one panel."""
    cdef int k
    for k from 0 <= k < n_rows by 2:
        memcpy(out + k, element(layer.inputs.X, i, p + k), 2 * sizeof(real))

cdef void pack_inputs(const WeightPart* part, const Layer* layer, Py_ssize_t n) noexcept nogil:
    """OUT: part.packed, the inputs lo..hi of n rows."""
    cdef Py_ssize_t i, p, lo, end, pairs_end, hi = min_(part.hi, layer.n_in)
    cdef const real** rows = layer.inputs.rows
    cdef real* out
    cdef real* chunk
    for i in range(n):
        chunk = part.packed + i // CHUNK * PACKED_CHUNK
        for lo from part.lo <= lo < hi by PACKED_BLOCK:
            end = min_(lo + PACKED_BLOCK, hi)
            pairs_end = lo + inputs_in_pairs(end - lo)
            out = chunk + (lo - part.lo) * PACKED_INPUT + i % CHUNK * WEIGHT_ROWS
            for p from lo <= p < pairs_end by WEIGHT_ROWS:
                if rows != NULL:
                    memcpy(out, rows[i] + p, WEIGHT_ROWS * sizeof(real))
                else:
                    pack_tile(WEIGHT_ROWS, layer, i, p, out)
                out += WEIGHT_ROWS * PACKED_INPUT
            out += i % CHUNK * (WIDE_ROWS - WEIGHT_ROWS)
            for p from pairs_end <= p < end by WIDE_ROWS:
                if rows != NULL:
                    memcpy(out, rows[i] + min_(p, layer.n_in - WIDE_ROWS), WIDE_ROWS * sizeof(real))
                else:
                    memcpy(out, element(layer.inputs.X, i, p), WIDE_ROWS * sizeof(real))
                out += WIDE_ROWS * PACKED_INPUT

cdef inline void prefetch_weights(const int n_rows, const WeightTile* tile,
                                  const ChunkGradient* gradient) noexcept nogil:
    """Prefetch the tile after this one: of W and its moments, or of dW."""
    cdef int k, lines = n_rows * PANEL * REAL_BYTES // CACHE_LINE
    if gradient.step == NULL:
        prefetch_lines(tile.dW + n_rows * PANEL, lines)
        return
    for k in range(gradient.step.n_moments + 1):
        prefetch_lines(tile.W + k * gradient.moment_stride + n_rows * PANEL, lines)

cdef struct WeightBlock:    # inputs of a panel of dW, in tiles: BLOCK, or PACKED_BLOCK if they are packed
    WeightTile first        # the first tile
    Py_ssize_t n_inputs
    Py_ssize_t next_input   # from a panel's or packed input to the next
    bint is_packed
    bint rows_end           # no memory follows a row of inputs
    bint is_prefetched
    const real* next        # the part of dZ that is read next
    int n_lines             # of it, to prefetch for each tile

cdef inline void weight_block(const int vecs, const int n_rows, Py_ssize_t i, Py_ssize_t end, const WeightBlock* block,
                              const ChunkGradient* gradient) noexcept nogil:
    """Inputs i..end of a block, in tiles of n_rows."""
    cdef WeightTile tile                # set number by number: copying it would wait until block.first is in L1
    cdef Py_ssize_t k
    tile.X.rows = block.first.X.rows
    tile.X.X.data = block.first.X.X.data + i * block.next_input
    tile.step = n_rows if block.is_packed else PANEL
    tile.n_columns = block.first.n_columns
    tile.dZ = block.first.dZ
    tile.before = block.first.before
    while i < end:
        # the last tile overlaps the one before, whose rows are not stored again
        tile.n_skip = max_(0, i + n_rows - block.n_inputs) if block.rows_end else 0
        k = i - tile.n_skip
        tile.first = block.first.first + k
        tile.W = block.first.W + k * PANEL
        tile.dW = block.first.dW + k * PANEL
        if tile.before != NULL:
            tile.before = block.first.before + k * PANEL
        if block.is_prefetched:
            prefetch_weights(n_rows, &tile, gradient)
        prefetch_lines(block.next + i // n_rows * block.n_lines * LINE, block.n_lines)
        weight_tile(vecs, n_rows, &tile, gradient)
        tile.X.X.data += n_rows * block.next_input
        i += n_rows

# Functions of their own, which are not inlined: with the loops around them, addresses would take registers that sums need
# (784-128-10, batch 128, took 20 % longer).
ctypedef void (*weight_kernel)(const WeightBlock*, const ChunkGradient*) noexcept nogil

cdef void whole_weight_block(const WeightBlock* block, const ChunkGradient* gradient) noexcept nogil:
    weight_block(VECS, WIDE_ROWS, 0, block.n_inputs, block, gradient)

cdef void packed_weight_block(const WeightBlock* block, const ChunkGradient* gradient) noexcept nogil:
    cdef Py_ssize_t end = inputs_in_pairs(block.n_inputs)
    if end > 0:
        weight_block(VECS, WEIGHT_ROWS, 0, end, block, gradient)
    if end < block.n_inputs:
        weight_block(VECS, WIDE_ROWS, end, block.n_inputs, block, gradient)

cdef inline void part_weight_block(const int vecs, const WeightBlock* block,
                                   const ChunkGradient* gradient) noexcept nogil:
    """A block of a panel with fewer vecs."""
    if block.rows_end and block.first.first + block.n_inputs < ROWS:    # of a layer with so few inputs
        weight_block(vecs, WIDE_ROWS, 0, block.n_inputs, block, gradient)
    else:
        weight_block(vecs, ROWS, 0, block.n_inputs, block, gradient)

cdef void two_vecs_weight_block(const WeightBlock* block, const ChunkGradient* gradient) noexcept nogil:
    part_weight_block(2, block, gradient)

cdef void one_vec_weight_block(const WeightBlock* block, const ChunkGradient* gradient) noexcept nogil:
    part_weight_block(1, block, gradient)

cdef inline weight_kernel choose_weight_kernel(int vecs, bint packed) noexcept nogil:
    if packed:
        return <weight_kernel>opaque(<void*>packed_weight_block)
    if vecs == 1:
        return <weight_kernel>opaque(<void*>one_vec_weight_block)
    if VECS > 2 and vecs == 2:
        return <weight_kernel>opaque(<void*>two_vecs_weight_block)
    return <weight_kernel>opaque(<void*>whole_weight_block)

cdef inline void weight_panel(Py_ssize_t j, const WeightPart* part, const Layer* layer, const ChunkGradient* gradient,
                              real* sums) noexcept nogil:
    """The part of panel j of dW, over at most CHUNK rows. sums: of the rows before, if these are not the first."""
    cdef Py_ssize_t p = part.lo, q, k, end, hi = min_(part.hi, layer.n_in)
    cdef Panels W = layer.W, T = layer.T
    cdef WeightBlock block
    cdef WeightTile* tile = &block.first
    cdef int vecs = vecs_used(layer.n_out, j)
    cdef bint packed = vecs == VECS and part.packed != NULL
    cdef weight_kernel kernel = choose_weight_kernel(vecs, packed)
    block.is_packed = packed
    block.next_input = PACKED_INPUT if packed else 1
    block.rows_end = layer.inputs.rows != NULL
    block.is_prefetched = gradient.is_last and is_prefetched(layer.n_in, layer.n_out)
    block.n_lines = 0
    if packed and is_prefetched(layer.n_in, layer.n_out):
        block.n_lines = lines_for_tile(gradient.n, hi - p)
    tile.n_columns = layer.n_out - j
    tile.X.rows = NULL if packed else layer.inputs.rows
    tile.dZ = element(layer.dZ, 0, j)
    block.next = tile.dZ + CHUNK * PANEL if not gradient.is_last else element(layer.dZ, -gradient.row, j + PANEL)
    while p < hi:
        # without T, a part may begin within a block
        end = min_(p + PACKED_BLOCK if packed else round_up(p + 1, BLOCK), hi)
        block.n_inputs = end - p
        tile.first = p
        q = column_offset(j, W.stride) + p * PANEL
        tile.W = W.data + q
        tile.dW = layer.dW + q
        tile.before = tile.dW if gradient.add else NULL
        tile.X.X.data = element(layer.inputs.X, 0, p)
        if packed:
            tile.X.X.data = part.packed + gradient.row // CHUNK * PACKED_CHUNK + (p - part.lo) * PACKED_INPUT
        if gradient.row > 0:
            tile.before = sums + (p - part.lo + ROWS) * PANEL
        if not gradient.is_last:
            tile.dW = sums + (p - part.lo + ROWS) * PANEL
        if block.is_prefetched and T.data != NULL:
            for k from p <= k < end by LINE:
                for q in range(PANEL):
                    vprefetch(element(T, j + q, k))
        kernel(&block, gradient)
        if gradient.step != NULL and T.data != NULL:
            transpose(p, round_up(end, BLOCK), j, j + min_(PANEL, round_up(layer.n_out - j, LANES)), W, T)
        block.next += PACKED_BLOCK // WEIGHT_ROWS * block.n_lines * LINE
        p = end

cdef void long_weight_panel(Py_ssize_t j, const WeightPart* part, const Layer* layer,
                            const ChunkGradient* gradient) noexcept nogil:
    """weight_panel over more than CHUNK rows. The sums of the rows before stay in L1."""
    cdef real sums[(NC + ROWS) * PANEL]
    cdef ChunkPart rows
    first_part(layer, gradient, &rows)
    weight_panel(j, part, &rows.layer, &rows.gradient, sums)
    while not rows.gradient.is_last:
        next_part(gradient, &rows)
        weight_panel(j, part, &rows.layer, &rows.gradient, sums)

cdef void linear_backward_weight(const WeightPart* part, const Layer* layer,
                                 const ChunkGradient* gradient) noexcept nogil:
    """A part of dW = X^T dZ over the rows of a chunk. With a step, W is updated instead, and its transpose while the
    rows are in L1."""
    cdef Py_ssize_t j
    if WIDE_ROWS > 4 and layer.n_in <= 4:
        sum_rows(few_inputs_backward_weight, part.first, part.end, layer, gradient)
        return
    if part.packed != NULL:
        pack_inputs(part, layer, gradient.n)
    for j from part.first <= j < part.end by PANEL:
        if gradient.is_last:
            weight_panel(j, part, layer, gradient, NULL)
        else:
            long_weight_panel(j, part, layer, gradient)

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
