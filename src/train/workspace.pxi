# The workspace: what the threads of one slice compute in. Nothing in it lasts longer than a step, but the gradient of the last one.
#
# One allocation, made by the caller: `workspace_layout` walks it once to know its size and once to hand out pointers. Trainings may use the
# same workspace in turn: `attach` lays it out for the one that comes next, whose parameters stay in its own memory (parameters.pxi).
#
# A `Space` is what one chunk of rows needs. One is enough where the threads share each chunk; where each takes chunks of its own
# (gradient.pxi says when) there is one for every thread, with gradients of its own.

cdef enum:
    CHUNK = 256             # rows worked at once: bounds memory and the length of float sums
    SMALL = 100000          # weights of networks small enough to sum per-thread gradients: threads take whole chunks of their batches
    ROW_SHARE = 16          # threads share the rows of a chunk in multiples of it: whole register blocks, whole vectors
    GAP = 8                 # rows between the panels of a chunk, so that no power of two separates them

cdef struct Space:
    Layer* layers
    Inputs inputs           # the chunk's: rows where the caller keeps them, or copied to panels
    Panels dX               # their gradient
    Panels Y                # the last layer's outputs
    Panels dY               # and their gradient
    Py_ssize_t input_row, output_row    # numbers from a row to the next: PANEL, or 1 where they are a plain vector
    real* targets
    long long* labels
    real* weight
    real* row_loss
    real* grads             # a region; the first space's are those of the batch
    bint polls              # its thread asks the caller whether to go on
    flag* abort             # the workspace's

cdef struct Decisions:      # of thread 0, each written before one kind of barrier and read after it: so none is overwritten unread
    int leave_epoch         # before an epoch begins: the slice ends
    int drop_outputs        # the step is to be dropped: after a custom loss has seen the outputs of the batch,
    int drop_rows           # after phase A of a chunk,
    int drop_weights        # after phase B
    int leave_slice         # after a step: the slice ends

cdef struct Workspace:
    Space* spaces
    int n_spaces
    real* squares           # for clipping by norm: sums of the gradient's squares, one for each row of W and one for b
    barrier meeting
    flag abort              # raised by thread 0 when the caller wants to stop: the present step is dropped
    Decisions decided
    Clock clock

cdef inline Workspace* workspace(const Training* job) noexcept nogil:
    return <Workspace*>job.workspace

cdef inline Py_ssize_t chunk_rows_in_memory(Py_ssize_t n) noexcept nogil:
    """Rows that a chunk of n rows (or of CHUNK, if there are more) takes."""
    return up(least(n, CHUNK), ROW_SHARE)

cdef inline Py_ssize_t chunk_stride(Py_ssize_t n) noexcept nogil:
    """From one panel of such a chunk to the next."""
    return (chunk_rows_in_memory(n) + GAP) * PANEL

cdef inline bint is_vector(int loss, Py_ssize_t n_outputs) noexcept nogil:
    """Whether the outputs are kept as a plain vector over the rows: what a loss of single outputs likes best."""
    return n_outputs == 1 and loss != CROSS_ENTROPY and loss != CLASS_CROSS_ENTROPY

cdef inline bint reads_rows(const Training* job) noexcept nogil:
    """The first layer reads its inputs where the user keeps them: copying them first cost 20 % of a step of 784-16-16-10, batch 32."""
    return job.net.n_layers > 0 and job.net.sizes[0] >= ROWS and (job.dropout.rates == NULL or job.dropout.rates[0] == 0)

cdef Py_ssize_t workspace_layout(const Training* job, Workspace* s, char* base) noexcept nogil:
    """Hands out `base` to s and its spaces and returns how many bytes that took; with base NULL only counts (s may be anything)."""
    cdef char* free = base
    cdef int k
    s.n_spaces = parameters(job).n_spaces
    s.spaces = <Space*>take(&free, s.n_spaces * <Py_ssize_t>sizeof(Space))
    s.squares = take_real(&free, n_units(&job.net) + job.net.n_layers if job.optimizer.clip_norm != 0 else 0)
    for k in range(s.n_spaces):
        free = layout_space(job, s, k, base == NULL, free)
    return free - base

cdef char* layout_space(const Training* job, const Workspace* s, int k, bint counts, char* free) noexcept nogil:
    """Hands out `free` to space k and its layers, or only counts; returns where the memory goes on."""
    cdef const Network* net = &job.net
    cdef const Parameters* p = parameters(job)
    cdef int loss = job.objective.loss
    cdef Py_ssize_t L = net.n_layers, l, rows = chunk_rows_in_memory(job.data.batch_size), stride = chunk_stride(job.data.batch_size), width
    cdef Space counted_space
    cdef Space* space = &counted_space if counts else &s.spaces[k]
    cdef Layer counted
    cdef Layer* layer
    cdef const Weights* w
    space.layers = <Layer*>take(&free, L * <Py_ssize_t>sizeof(Layer))
    space.labels = <long long*>take(&free, rows * <Py_ssize_t>sizeof(long long))
    space.weight = take_real(&free, rows)
    space.row_loss = take_real(&free, rows)
    space.grads = take_real(&free, p.region)
    space.input_row = 1 if L == 0 and is_vector(loss, net.sizes[0]) else PANEL
    width = padded(net.sizes[0]) // PANEL * stride
    space.inputs.rows = NULL
    if reads_rows(job):
        space.inputs.rows = <const real**>take(&free, rows * <Py_ssize_t>sizeof(real*))
    space.inputs.X = panels(take_real(&free, width if space.inputs.rows == NULL else 0), stride)
    space.dX = panels(take_real(&free, width if job.data.dX != NULL or L == 0 else 0), stride)
    space.Y = space.inputs.X
    space.dY = space.dX
    space.output_row = space.input_row
    for l in range(L):
        layer = &counted if counts else &space.layers[l]
        w = &p.layers[l]
        layer.n_in = w.n_in
        layer.n_out = w.n_out
        layer.activation = net.activations[l]
        if l == L - 1 and fused_with_output(loss):
            layer.activation = IDENTITY
        layer.row = 1 if l == L - 1 and is_vector(loss, w.n_out) else PANEL
        layer.W = w.W
        layer.T = w.T
        layer.b = w.b
        layer.learns_bias = w.learns_bias
        layer.G = space.grads + w.at.W
        layer.gb = space.grads + w.at.b
        layer.inputs.rows = space.inputs.rows if l == 0 else NULL
        layer.inputs.X = space.Y
        layer.mask = panels(NULL, stride)
        layer.dropout = job.dropout.rates[l] if job.dropout.rates != NULL else 0
        if layer.dropout != 0:
            width = padded(w.n_in) // PANEL * stride
            layer.mask.data = take_real(&free, width)
            if l:                                       # the outputs below are kept for their derivative
                layer.inputs.X.data = take_real(&free, width)
        width = rows if layer.row == 1 else padded(w.n_out) // PANEL * stride
        layer.Y = panels(take_real(&free, width), stride)
        layer.Z = panels(take_real(&free, width), stride) if reads_input(layer.activation) else layer.Y
        layer.dZ = panels(take_real(&free, width), stride)
        space.Y = layer.Y
        space.dY = layer.dZ
        space.output_row = layer.row
    space.targets = take_real(&free, rows if space.output_row == 1 else padded(net.sizes[L]) // PANEL * stride)
    return free

cdef Py_ssize_t workspace_size(const Training* job) noexcept nogil:
    """For a training that is prepared."""
    cdef Workspace s
    return up(sizeof(Workspace), 64) + workspace_layout(job, &s, NULL)

cdef void attach(Training* job, bint clear) noexcept nogil:
    """Lays out job.workspace for this training. clear: something has used it before (padding must be 0, and finite)."""
    cdef Workspace* s = workspace(job)
    cdef int k
    if clear:
        memset(job.workspace, 0, workspace_size(job))
    workspace_layout(job, s, <char*>job.workspace + up(sizeof(Workspace), 64))
    s.clock.poll = &job.slice.poll if job.slice.poll.check != NULL else NULL
    for k in range(s.n_spaces):
        s.spaces[k].abort = &s.abort
        s.spaces[k].polls = k == 0 and parameters(job).step_ns > 10e6
