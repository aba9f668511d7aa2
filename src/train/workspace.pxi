# The workspace of a training: intermediate results of one slice. After a step only its gradient is still needed.
#
# The caller allocates one block of workspace_size bytes. `workspace_layout` walks over it twice: once to compute its
# size, once to set the pointers into it. Trainings may share a workspace, one after the other: `attach` lays it out for
# the next one. What outlives a step is in Parameters (parameters.pxi).
#
# Each chunk of rows that is computed at the same time has its own ChunkBuffers: one where all threads share a chunk,
# one per thread where each thread computes a separate chunk (gradient.pxi says when).

cdef enum:
    SMALL = 100000          # up to this many weights, summing the gradients of several threads is cheap
    ROW_MULTIPLE = 16       # threads split a chunk's rows in multiples of it: whole register blocks, whole vectors
    MAX_UPDATE_NS = 400000000   # estimate of a step: from here on, phase B does not update, so that it can be dropped
    TANGENT_CHUNK = 64      # rows of a chunk with many tangents, which are in the same panels
    GAP = 8                 # unused rows between the panels of a chunk, so that no stride is a power of two

cdef struct Tangents:       # of a chunk: tangent i of a row, of all layers, is (i + 1) * rows after it (tangents.pxi)
    Py_ssize_t rows
    Panels* Z               # (n_layers,) in the layout of Y; that itself for identity
    real* zeros             # the biases of tangents

cdef struct ChunkBuffers:   # matrices in panels; targets, dY and Y have one layout
    Layer* layers
    Inputs inputs           # of the first layer
    Panels dX               # the gradient of the inputs
    Panels Y                # outputs of the last layer
    Panels dY               # the gradient of the outputs
    Py_ssize_t input_row_stride, output_row_stride      # from a row to the next: PANEL, or 1 for a plain vector
    real* targets
    long long* labels       # class indices, instead of targets
    real* weight            # of each row: w_i / sum of the batch's w
    real* row_loss          # weighted loss of each row; room for two chunks
    real* wrong_weight      # of a validation: the weight of each row whose class is wrong, or 0; room for two chunks
    real* grads             # a region (panels.pxi); that of the first chunk holds the batch's gradient
    real* packed            # inputs of dW (linear.pxi), packed_size numbers for each of the first n_packed threads
    Py_ssize_t packed_size
    int n_packed            # 0: no layer is wide enough
    TableEntries entries    # of the rows, if the inputs are a table
    Tangents tangents
    real* piece_gradient    # memory of table_backward, for each thread that shares the chunk
    short* sorted           # likewise
    bint polls              # the thread of this chunk polls the caller during a step
    flag* abort             # the workspace's

cdef struct Chunk:          # rows of a batch, and the part of them that a thread computes
    ChunkBuffers* buffers
    Py_ssize_t n            # its rows, at most CHUNK
    Py_ssize_t step         # whole steps done
    Py_ssize_t row          # its first row in the epoch
    Py_ssize_t batch_row    # its first row in the batch
    double total_weight     # of the batch
    int part, parts         # this thread is number `part` of the `parts` threads that share it

# Decisions of thread 0. It writes each one before a barrier and the others read it after. Each kind of barrier has its
# own field, so no decision is overwritten before all have read it.
cdef struct Decisions:
    int end_before_epoch        # end the slice before the epoch begins
    int save                    # copy parameters and moments for `restore`
    int drop_after_outputs      # drop the step after a custom loss has seen the outputs of the batch
    int drop_after_phase_a      # drop the step after phase A of a chunk
    int drop_after_phase_b      # drop the step after phase B of a chunk
    int end_after_step          # end the slice after the step
    int validate_at_end         # then validate, if an epoch has ended
    int validate                # compute the validation loss: all parameters are finite
    int drop_loss[2]            # of a validation: stop after this chunk; chunks use them in turn
    int drop_after_sum          # drop the step after the sums over ranks
    double batch_weight         # the sum of the sample weights of a batch in shards

cdef enum:
    MAX_LEVELS = 32         # of the tree of a rank's shards

cdef struct TreeSums:       # the sums of whole subtrees of shards: that of 2^l shards, or none, at level l
    int n_levels            # for which there is memory
    real* grads             # (n_levels,) regions
    double loss[MAX_LEVELS]
    double weight[MAX_LEVELS]

cdef struct Workspace:
    ChunkBuffers* buffers   # (n_buffers,)
    int n_buffers           # chunks computed at the same time
    real* knots             # of a table
    real* squares           # for clip_norm: sums of the gradient's squares, one for each row of W and one for b
    TreeSums tree           # of shards
    barrier step_barrier
    flag abort              # set by thread 0 when the caller stops the training: drop this step
    Decisions decisions
    Clock clock

cdef inline Workspace* workspace_of(const Training* training) noexcept nogil:
    return <Workspace*>training.workspace

cdef inline Py_ssize_t padded_rows(Py_ssize_t n) noexcept nogil:
    """Rows that a chunk of n rows occupies."""
    return round_up(n, ROW_MULTIPLE)

cdef inline Py_ssize_t chunk_stride(Py_ssize_t n) noexcept nogil:
    """The panel stride of a chunk of n rows."""
    return (padded_rows(n) + GAP) * PANEL

cdef inline bint has_vector_output(int loss, Py_ssize_t n_outputs) noexcept nogil:
    """Whether the outputs are a plain vector over the rows, the fastest layout for a loss of one output."""
    return n_outputs == 1 and loss != CROSS_ENTROPY and loss != CLASS_CROSS_ENTROPY

cdef inline bint reads_user_rows(const Training* training) noexcept nogil:
    """Whether the first layer reads its inputs from the user's array.

    Copying them into panels took 20 % of a step of 784-16-16-10, batch 32."""
    return (training.net.n_layers > 0 and layer_inputs(&training.net, 0) >= WIDE_ROWS
            and not is_gathered(layer_inputs(&training.net, 0), training.net.sizes[1])
            and (training.dropout.rates == NULL or training.dropout.rates[0] == 0))

cdef Py_ssize_t packed_size(const Training* training) noexcept nogil:
    """Numbers of packed inputs of dW; 0 if no layer is wide enough."""
    cdef Py_ssize_t l, widest = 0
    for l in range(training.net.n_layers):
        if layer_inputs(&training.net, l) >= WIDE_ROWS:
            widest = max_(widest, training.net.sizes[l + 1])
    if widest < PACKED_PANELS * PANEL or training.data.batch_size < MIN_PACKED_ROWS:
        return 0
    return (chunk_rows(training) + CHUNK - 1) // CHUNK * PACKED_CHUNK

cdef inline int count_levels(Py_ssize_t n_shards) noexcept nogil:
    """The levels of a tree of n shards below its root."""
    cdef int n = 0
    while (<Py_ssize_t>1 << n) < n_shards:
        n += 1
    return n

cdef Py_ssize_t workspace_layout(const Training* training, Workspace* workspace, char* base) noexcept nogil:
    """Set the pointers of the workspace into `base` and return the bytes used. base NULL: only compute the size."""
    cdef char* cursor = base
    cdef int k
    workspace.n_buffers = parameters_of(training).n_buffers if training.parameters != NULL else parallel_chunks(training)
    workspace.buffers = <ChunkBuffers*>allocate(&cursor, workspace.n_buffers * <Py_ssize_t>sizeof(ChunkBuffers))
    workspace.knots = allocate_reals(
        &cursor, knots_size(&training.net) if training.net.table != NULL else 0)
    workspace.squares = allocate_reals(
        &cursor, n_units(&training.net) + training.net.n_layers if training.optimizer.clip_norm != 0 else 0)
    workspace.tree.n_levels = count_levels(training.shards.n)
    workspace.tree.grads = allocate_reals(
        &cursor, workspace.tree.n_levels * region_size(&training.net, training.data.batch_size))
    for k in range(workspace.n_buffers):
        cursor = layout_buffers(training, workspace, k, base == NULL, cursor)
    return cursor - base

cdef inline void point_to_weights(Layer* layer, const Weights* w, real* grads) noexcept nogil:
    layer.transposed = w.layout.transposed
    layer.W = w.W
    layer.passes_gradient = w.passes_gradient
    layer.T = w.T
    layer.b = w.b
    layer.learns_bias = w.learns_bias
    layer.dW = grads + w.layout.W
    layer.db = grads + w.layout.b

cdef inline const real* read_by_derivative(const Layer* layer) noexcept nogil:
    return layer.Z.data if reads_input(layer.activation) else layer.Y.data

cdef char* layout_buffers(const Training* training, const Workspace* workspace, int k, bint count_only,
                          char* cursor) noexcept nogil:
    """Set the pointers of chunk k and its layers, from `cursor` on; return the end. count_only: set nothing."""
    cdef const Network* net = &training.net
    cdef int loss = training.objective.loss
    cdef Py_ssize_t L = net.n_layers, l, width, threads
    cdef Py_ssize_t rows = padded_rows(chunk_rows(training)), all_rows = rows * (1 + n_tangents(training))
    cdef Py_ssize_t stride = chunk_stride(all_rows)
    cdef ChunkBuffers placeholder_buffers
    cdef ChunkBuffers* buffers = &placeholder_buffers if count_only else &workspace.buffers[k]
    cdef Layer placeholder
    cdef Layer* layer
    cdef Panels placeholder_panels
    cdef Panels* tangents
    cdef int below = IDENTITY               # the activation of the layer below, and what its derivative reads
    cdef const real* S = NULL
    buffers.layers = <Layer*>allocate(&cursor, L * <Py_ssize_t>sizeof(Layer))
    buffers.tangents.rows = rows
    buffers.tangents.Z = <Panels*>allocate(&cursor, L * <Py_ssize_t>sizeof(Panels) if n_tangents(training) != 0 else 0)
    buffers.tangents.zeros = allocate_reals(&cursor, padded(max_width(net)) if n_tangents(training) != 0 else 0)
    buffers.labels = <long long*>allocate(&cursor, rows * <Py_ssize_t>sizeof(long long))
    buffers.weight = allocate_reals(&cursor, rows)
    buffers.row_loss = allocate_reals(&cursor, 2 * rows)
    buffers.wrong_weight = allocate_reals(&cursor, 2 * rows if training.optimizer.rule == NO_UPDATE else 0)
    # a validation may get the layout of another batch size (link_validation); that of one row is the largest
    buffers.grads = allocate_reals(&cursor, region_size(net, 1 if training.optimizer.rule == NO_UPDATE
                                                        else training.data.batch_size))
    threads = 1
    if k == 0:
        threads = parameters_of(training).max_threads if training.parameters != NULL else training.slice.n_threads
    buffers.packed_size = packed_size(training)
    buffers.n_packed = <int>threads if buffers.packed_size else 0
    buffers.packed = allocate_reals(&cursor, buffers.packed_size * threads)
    buffers.input_row_stride = 1 if L == 0 and has_vector_output(loss, net.sizes[0]) else PANEL
    if net.table != NULL:
        layout_entries(net, rows, training.dropout.rates != NULL and training.dropout.rates[0] != 0, &buffers.entries, &cursor)
        buffers.piece_gradient = allocate_reals(&cursor, piece_size(net) * threads)
        buffers.sorted = <short*>allocate(
            &cursor, sorted_size(net) * threads * <Py_ssize_t>sizeof(short))
    width = padded(layer_inputs(net, 0)) // PANEL * stride
    buffers.inputs.rows = NULL
    if reads_user_rows(training):
        buffers.inputs.rows = <const real**>allocate(&cursor, rows * <Py_ssize_t>sizeof(real*))
    buffers.inputs.X = panels(allocate_reals(&cursor, width if buffers.inputs.rows == NULL else 0), stride)
    buffers.dX = panels(allocate_reals(&cursor, width if training.data.dX != NULL or L == 0 or uses_adjoints(training) else 0),
                        stride)
    buffers.Y = buffers.inputs.X
    buffers.dY = buffers.dX
    buffers.output_row_stride = buffers.input_row_stride
    for l in range(L):
        layer = &placeholder if count_only else &buffers.layers[l]
        layer.n_in = layer_inputs(net, l)
        layer.n_out = net.sizes[l + 1]
        layer.activation = net.activations[l]
        if l == L - 1 and is_fused(loss):
            layer.activation = IDENTITY
        layer.row_stride = 1 if l == L - 1 and has_vector_output(loss, layer.n_out) else PANEL
        if not count_only:
            point_to_weights(layer, &parameters_of(training).layers[l], buffers.grads)
        layer.inputs.rows = buffers.inputs.rows if l == 0 else NULL
        layer.inputs.X = buffers.Y
        layer.mask = panels(NULL, stride)
        layer.dropout = training.dropout.rates[l] if training.dropout.rates != NULL else 0
        if layer.dropout != 0:
            width = padded(layer.n_in) // PANEL * stride
            layer.mask.data = allocate_reals(&cursor, width)
            if l:                                       # dropout keeps the outputs below: their derivative reads them
                layer.inputs.X.data = allocate_reals(&cursor, width)
        layer.derivative = IDENTITY if layer.dropout != 0 or n_tangents(training) != 0 else below
        layer.S = S
        layer.dX = buffers.dY
        width = all_rows if layer.row_stride == 1 else padded(layer.n_out) // PANEL * stride
        layer.Y = panels(allocate_reals(&cursor, width), stride)
        layer.Z = panels(allocate_reals(&cursor, width), stride) if reads_input(layer.activation) else layer.Y
        layer.dZ = panels(allocate_reals(&cursor, width), stride)
        if n_tangents(training) != 0:
            tangents = &placeholder_panels if count_only else &buffers.tangents.Z[l]
            tangents[0] = layer.Y
            if layer.activation != IDENTITY:
                tangents.data = allocate_reals(&cursor, width)
        buffers.Y = layer.Y
        buffers.dY = layer.dZ
        buffers.output_row_stride = layer.row_stride
        below = layer.activation
        S = read_by_derivative(layer)
    width = all_rows if buffers.output_row_stride == 1 else padded(net.sizes[L]) // PANEL * stride
    buffers.targets = allocate_reals(&cursor, width)
    return cursor

cdef Py_ssize_t workspace_size(const Training* training) noexcept nogil:
    """Bytes, for a training that is prepared, or whose `parameters` is still NULL."""
    cdef Workspace workspace
    return round_up(sizeof(Workspace), 64) + workspace_layout(training, &workspace, NULL)

cdef void attach(Training* training, bint clear) noexcept nogil:
    """Lay out training.workspace. clear: it holds something else than zeros (padding must be 0)."""
    cdef Workspace* workspace = workspace_of(training)
    cdef int k
    if clear:
        memset(training.workspace, 0, workspace_size(training))
    workspace_layout(training, workspace, <char*>training.workspace + round_up(sizeof(Workspace), 64))
    workspace.clock.poll = &training.slice.poll if training.slice.poll.check != NULL else NULL
    for k in range(workspace.n_buffers):
        workspace.buffers[k].abort = &workspace.abort
        workspace.buffers[k].polls = (k == 0 and parameters_of(training).step_ns > 10e6
                                      and training.shards.n_shards == 0)
