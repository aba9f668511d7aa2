# The memory of a training: where everything lies.
#
# One allocation, made by the caller: `layout` walks it once to know its size and once to hand out pointers. Parameters, moments (the
# average of the parameters is the last of them) and gradients are regions of one shape, so that an offset from a weight to its moment or
# gradient is the same for all; parameters and moments are neighbours, and so is the copy to fall back on (parameters.pxi).
#
# A `Space` is what one chunk of rows needs besides. One is enough where the threads share each chunk; where each takes chunks of its own
# (train.pxi says when) there is one for every thread, with gradients of its own.

cdef enum:
    CHUNK = 256             # rows worked at once: bounds memory and the length of float sums
    SMALL = 100000          # weights of networks whose gradients are soon added: threads take whole chunks of their batches
    ROW_SHARE = 16          # threads share the rows of a chunk in multiples of it: whole register blocks, whole vectors
    SPACE = 8               # rows between the panels of a chunk, so that no power of two separates them

cdef struct Layer:
    Py_ssize_t n_in, n_out
    int activation          # IDENTITY where the loss is fused with it
    real* W                 # weight panels, or the vector of a layer with one output
    real* T                 # their transpose; NULL where no gradient of the inputs is wanted; W where it is a vector
    real* b
    bint learns_bias        # without: b is 0 and stays
    real* G                 # gradients of W and b
    real* gb
    const real** rows       # where the rows of inputs lie if they are not copied, else NULL
    real* X                 # chunk panels: inputs,
    real* Z                 # X W + b (Y itself unless the derivative reads it),
    real* Y                 # outputs,
    real* dZ                # gradient of X W + b
    real* mask              # what dropout multiplied X by; NULL: nothing is dropped, and X are the outputs below
    double dropout
    Py_ssize_t row          # numbers from a row of Z, Y, dZ to the next: PANEL; 1 for a last layer with one output

cdef struct Space:
    Layer* layers
    Py_ssize_t stride       # from one panel of a chunk to the next
    const real** rows       # where the chunk's inputs lie, or NULL: they are copied to X
    real* X                 # the chunk's inputs; their gradient; the last layer's outputs and their gradient
    real* dX
    real* Y
    real* dY
    Py_ssize_t input_row, output_row
    real* targets
    long long* labels
    real* weight
    real* row_loss
    real* grads             # the first space's are those of the batch
    bint polls              # its thread asks the caller whether to go on
    flag* abort             # the Scratch's

cdef struct Run:
    Py_ssize_t first, n     # numbers of a region that are no padding, whole panel rows: n of them from `first` on

cdef struct Scratch:
    Space* spaces
    int n_spaces
    LossSettings loss
    real* params
    real* saved             # copy of parameters and moments to fall back on, and where training stood
    Py_ssize_t region       # numbers in params (and from params to the first moments, from there to the second)
    Run* runs               # all that a region holds: of a tiny layer most is padding
    int n_runs
    Py_ssize_t saved_size
    Py_ssize_t saved_step, saved_epoch, saved_row
    double saved_loss_sum
    long long saved_time    # when the slice began in which it was saved
    double step_ns          # a rough guess of what a step takes
    bint in_place           # phase B updates the weights from registers
    real* squares           # for clipping by norm: sums of the gradient's squares, one for each row of W and one for b
    barrier meeting
    flag abort              # raised by thread 0 when the user wants to stop: the present step is dropped
    int stop[5]             # what thread 0 decided before a barrier; one for each kind of barrier, so none is overwritten unread
    long long polled

cdef inline Py_ssize_t chunk_rows_in_memory(Py_ssize_t n) noexcept nogil:
    """Rows that a chunk of n rows (or of CHUNK, if there are more) takes."""
    return up(least(n, CHUNK), ROW_SHARE)

cdef inline Py_ssize_t chunk_stride(Py_ssize_t n) noexcept nogil:
    """From one panel of such a chunk to the next."""
    return (chunk_rows_in_memory(n) + SPACE) * PANEL

cdef inline char* take(char** free, Py_ssize_t n_bytes) noexcept nogil:
    cdef char* p = free[0]
    free[0] = p + up(n_bytes, 64)
    return p

cdef inline real* take_real(char** free, Py_ssize_t n) noexcept nogil:
    return <real*>take(free, n * <Py_ssize_t>sizeof(real))

cdef Py_ssize_t macs(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = 0
    for l in range(net.n_layers):
        n += net.sizes[l] * net.sizes[l + 1]
    return n

cdef Py_ssize_t n_units(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = 0
    for l in range(net.n_layers + 1):
        n += net.sizes[l]
    return n

cdef inline Py_ssize_t panel_matrix(Py_ssize_t rows, Py_ssize_t c) noexcept nogil:
    return padded(c) // PANEL * weight_stride(rows)

cdef inline bint is_vector(int loss, Py_ssize_t n_outputs) noexcept nogil:
    """Whether the outputs are kept as a plain vector over the rows: what a loss of single outputs likes best."""
    return n_outputs == 1 and loss != CROSS_ENTROPY and loss != CLASS_CROSS_ENTROPY

cdef inline bint reads_rows(const Training* job) noexcept nogil:
    """The first layer reads its inputs where the user keeps them: copying them first cost 20 % of a step of 784-16-16-10, batch 32."""
    return job.net.n_layers > 0 and job.net.sizes[0] >= ROWS and (job.dropout == NULL or job.dropout[0] == 0)

cdef int spaces_for(const Training* job) noexcept nogil:
    """How many chunks are worked at once at most, by the threads there will be."""
    cdef Py_ssize_t chunks = (job.batch_size + CHUNK - 1) // CHUNK
    return <int>least(job.n_threads, chunks) if job.n_threads > 1 and macs(&job.net) <= SMALL else 1

cdef Py_ssize_t most_runs(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = net.n_layers
    for l in range(net.n_layers):
        n += padded(net.sizes[l + 1]) // PANEL
    return n

cdef Py_ssize_t layout(const Training* job, Scratch* s, char* base) noexcept nogil:
    """Hands out `base` to s and its spaces and returns how many bytes that took; with base NULL only counts (s may be anything)."""
    cdef const Network* net = &job.net
    cdef Py_ssize_t L = net.n_layers, l
    cdef char* free = base
    cdef int k
    s.n_spaces = spaces_for(job)
    s.spaces = <Space*>take(&free, s.n_spaces * <Py_ssize_t>sizeof(Space))
    s.region = 0
    for l in range(L):
        s.region += weight_size(net.sizes[l], net.sizes[l + 1]) + padded(net.sizes[l + 1])
    s.runs = <Run*>take(&free, most_runs(net) * <Py_ssize_t>sizeof(Run))
    s.params = take_real(&free, s.region * (1 + n_moments(&job.optimizer)))
    s.saved_size = s.region * (1 + n_moments(&job.optimizer))
    s.saved = take_real(&free, s.saved_size if job.optimizer.rule != NO_UPDATE else 0)
    s.squares = take_real(&free, n_units(net) + L if job.optimizer.clip_norm != 0 else 0)
    s.loss.numbers = NULL
    if job.loss_numbers != NULL:
        s.loss.numbers = take_real(&free, padded(net.sizes[L]))
    s.loss.smoothing = <real>job.smoothing
    for k in range(s.n_spaces):
        free = layout_space(job, s, k, base == NULL, free)
    return free - base

cdef char* layout_space(const Training* job, const Scratch* s, int k, bint counts, char* free) noexcept nogil:
    """Hands out `free` to space k and its layers, or only counts; returns where the memory goes on. The transposes are the first space's."""
    cdef const Network* net = &job.net
    cdef Py_ssize_t L = net.n_layers, l, n_in, n_out, rows = chunk_rows_in_memory(job.batch_size), width
    cdef Space counted_space
    cdef Space* space = &counted_space if counts else &s.spaces[k]
    cdef Layer counted
    cdef Layer* layer
    cdef real* params = s.params
    space.layers = <Layer*>take(&free, L * <Py_ssize_t>sizeof(Layer))
    space.stride = chunk_stride(job.batch_size)
    space.labels = <long long*>take(&free, rows * <Py_ssize_t>sizeof(long long))
    space.weight = take_real(&free, rows)
    space.row_loss = take_real(&free, rows)
    space.grads = take_real(&free, s.region)
    space.input_row = 1 if L == 0 and is_vector(job.loss, net.sizes[0]) else PANEL
    width = padded(net.sizes[0]) // PANEL * space.stride
    space.rows = NULL
    if reads_rows(job):
        space.rows = <const real**>take(&free, rows * <Py_ssize_t>sizeof(real*))
    space.X = take_real(&free, width if space.rows == NULL else 0)
    space.dX = take_real(&free, width if job.dX != NULL or L == 0 else 0)
    space.Y = space.X
    space.dY = space.dX
    space.output_row = space.input_row
    for l in range(L):
        n_in = net.sizes[l]
        n_out = net.sizes[l + 1]
        layer = &counted if counts else &space.layers[l]
        layer.n_in = n_in
        layer.n_out = n_out
        layer.activation = net.activations[l]
        if l == L - 1 and fused_with_output(job.loss):
            layer.activation = IDENTITY
        layer.learns_bias = net.biases[l] != NULL
        layer.row = 1 if l == L - 1 and is_vector(job.loss, n_out) else PANEL
        layer.W = params
        layer.b = params + weight_size(n_in, n_out)
        params = layer.b + padded(n_out)
        layer.G = space.grads + (layer.W - s.params)
        layer.gb = space.grads + (layer.b - s.params)
        layer.T = NULL
        if l > 0 or job.dX != NULL:
            if n_out == 1:
                layer.T = layer.W
            elif k == 0:
                layer.T = take_real(&free, panel_matrix(n_out, n_in))
            elif not counts:
                layer.T = s.spaces[0].layers[l].T
        layer.rows = space.rows if l == 0 else NULL
        layer.X = space.Y
        layer.mask = NULL
        layer.dropout = job.dropout[l] if job.dropout != NULL else 0
        if layer.dropout != 0:
            width = padded(n_in) // PANEL * space.stride
            layer.mask = take_real(&free, width)
            if l:                                       # the outputs below are kept for their derivative
                layer.X = take_real(&free, width)
        width = rows if layer.row == 1 else padded(n_out) // PANEL * space.stride
        layer.Y = take_real(&free, width)
        layer.Z = take_real(&free, width) if reads_input(layer.activation) else layer.Y
        layer.dZ = take_real(&free, width)
        space.Y = layer.Y
        space.dY = layer.dZ
        space.output_row = layer.row
    space.targets = take_real(&free, rows if space.output_row == 1 else padded(net.sizes[L]) // PANEL * space.stride)
    return free

cdef Py_ssize_t scratch_size(const Training* job) noexcept nogil:
    cdef Scratch s
    return up(sizeof(Scratch), 64) + layout(job, &s, NULL)

cdef void prepare(Training* job) noexcept nogil:
    """Hands out job.scratch, which is zero."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef int k
    layout(job, s, <char*>job.scratch + up(sizeof(Scratch), 64))
    find_runs(&job.net, s)
    # products at half of what such cores reach, and what every number and row costs besides; only its order matters
    s.step_ns = job.batch_size * (3.0 * macs(&job.net) / (2 * LANES) + 2 * n_units(&job.net) + 20)
    s.in_place = (job.optimizer.rule != NO_UPDATE and job.optimizer.clip_norm == 0 and job.batch_size <= CHUNK
                  and s.step_ns < 25e6)
    for k in range(s.n_spaces):
        s.spaces[k].abort = &s.abort
        s.spaces[k].polls = k == 0 and s.step_ns > 10e6 and job.poll.check != NULL
    if job.loss_numbers != NULL:
        memcpy(<void*>s.loss.numbers, job.loss_numbers, job.net.sizes[job.net.n_layers] * sizeof(real))
    if job.validation != NULL:
        judge_here(job, s)

cdef void judge_here(const Training* job, const Scratch* s) noexcept nogil:
    """The layers of the validation read this training's parameters; their average, the last of the moments, if there is one."""
    cdef const Scratch* other = <const Scratch*>job.validation.scratch
    cdef Py_ssize_t l, offset = n_moments(&job.optimizer) * s.region if job.optimizer.average != 0 else 0
    for l in range(job.net.n_layers):
        other.spaces.layers[l].W = s.spaces.layers[l].W + offset
        other.spaces.layers[l].b = s.spaces.layers[l].b + offset
