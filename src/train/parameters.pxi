# The memory of a training: its parameters, their moments, the copy to fall back on, and what is known once it is prepared.
#
# Parameters and moments (the average of the parameters is the last of them) are regions of one shape (panels.pxi) that follow each other, so
# that an offset from a weight to its moments is the same for all; the copy is as long. `parameters_layout` walks the memory once to know its
# size and once to hand out pointers. What threads compute in is elsewhere: workspace.pxi.

cdef struct Weights:        # of a layer
    Py_ssize_t n_in, n_out
    LayerLayout at          # where they lie in a region
    Panels W                # panels, or the vector of a layer with one output
    Panels T                # their transpose; data NULL where no gradient of the inputs is wanted; W's memory where it is a vector
    real* b
    bint learns_bias        # without: b is 0 and stays

cdef struct Span:           # numbers of a region that are no padding, whole panel rows: n of them from `first` on
    Py_ssize_t first, n

cdef struct Parameters:
    Weights* layers
    real* start             # n_regions regions: the parameters, then the moments
    real* saved             # a copy of them all
    Py_ssize_t region       # numbers in each
    int n_regions
    Span* spans             # all that a region holds: of a tiny layer most is padding
    int n_spans
    Position saved_position
    long long saved_time    # when the slice began in which the copy was made
    LossNumbers loss
    int n_spaces            # of a workspace: chunks that are worked at once at most
    double step_ns          # a rough guess of what a step takes
    bint in_place           # phase B updates the weights from registers

cdef inline Parameters* parameters(const Training* job) noexcept nogil:
    return <Parameters*>job.memory

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

cdef Py_ssize_t most_spans(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = net.n_layers
    for l in range(net.n_layers):
        n += padded(net.sizes[l + 1]) // PANEL
    return n

cdef Py_ssize_t parameters_layout(const Training* job, Parameters* p, char* base) noexcept nogil:
    """Hands out `base` to p and its layers and returns how many bytes that took; with base NULL only counts (p may be anything)."""
    cdef const Network* net = &job.net
    cdef Py_ssize_t l, end = 0
    cdef char* free = base
    cdef Weights counted
    cdef Weights* w
    p.layers = <Weights*>take(&free, net.n_layers * <Py_ssize_t>sizeof(Weights))
    p.spans = <Span*>take(&free, most_spans(net) * <Py_ssize_t>sizeof(Span))
    p.region = region_size(net)
    p.n_regions = 1 + n_moments(&job.optimizer)
    p.start = take_real(&free, p.region * p.n_regions)
    p.saved = take_real(&free, p.region * p.n_regions if job.optimizer.rule != NO_UPDATE else 0)
    p.loss.numbers = NULL
    if job.objective.numbers != NULL:
        p.loss.numbers = take_real(&free, padded(net.sizes[net.n_layers]))
    for l in range(net.n_layers):
        w = &counted if base == NULL else &p.layers[l]
        w.at = layer_layout(net, l, end)
        end = w.at.end
        w.n_in = w.at.n_in
        w.n_out = w.at.n_out
        w.W = panels(p.start + w.at.W, w.at.stride)
        w.b = p.start + w.at.b
        w.learns_bias = net.biases[l] != NULL
        w.T = panels(NULL, weight_stride(w.n_out))
        if l > 0 or job.data.dX != NULL:
            w.T.data = w.W.data if w.n_out == 1 else take_real(&free, padded(w.n_in) // PANEL * w.T.stride)
    return free - base

cdef Py_ssize_t memory_size(const Training* job) noexcept nogil:
    cdef Parameters p
    return up(sizeof(Parameters), 64) + parameters_layout(job, &p, NULL)

cdef int spaces_for(const Training* job) noexcept nogil:
    """How many chunks are worked at once at most, by the threads there will be."""
    cdef Py_ssize_t chunks = (job.data.batch_size + CHUNK - 1) // CHUNK
    return <int>least(job.slice.n_threads, chunks) if job.slice.n_threads > 1 and macs(&job.net) <= SMALL else 1

cdef void prepare(Training* job) noexcept nogil:
    """Hands out job.memory, which is zero."""
    cdef Parameters* p = parameters(job)
    parameters_layout(job, p, <char*>job.memory + up(sizeof(Parameters), 64))
    find_spans(p, job.net.n_layers)
    # products at half of what such cores reach, and what every number and row costs besides; only its order matters
    p.step_ns = job.data.batch_size * (3.0 * macs(&job.net) / (2 * LANES) + 2 * n_units(&job.net) + 20)
    p.in_place = (job.optimizer.rule != NO_UPDATE and job.optimizer.clip_norm == 0 and job.data.batch_size <= CHUNK
                  and p.step_ns < 25e6)
    p.n_spaces = spaces_for(job)
    p.loss.smoothing = <real>job.objective.smoothing
    if job.objective.numbers != NULL:
        memcpy(<void*>p.loss.numbers, job.objective.numbers, job.net.sizes[job.net.n_layers] * sizeof(real))
    if job.validation != NULL:
        validate_here(job)

cdef void validate_here(const Training* job) noexcept nogil:
    """The validation reads this training's parameters; their average, the last of the moments, if there is one."""
    cdef const Parameters* p = parameters(job)
    cdef Parameters* other = parameters(job.validation)
    cdef Py_ssize_t l, offset = (p.n_regions - 1) * p.region if job.optimizer.average != 0 else 0
    for l in range(job.net.n_layers):
        other.layers[l].W.data = p.layers[l].W.data + offset
        other.layers[l].b = p.layers[l].b + offset

# ---- what a region holds ----

cdef void add_span(Parameters* p, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Or more of the last one, if it ends there."""
    if p.n_spans and p.spans[p.n_spans - 1].first + p.spans[p.n_spans - 1].n == first:
        p.spans[p.n_spans - 1].n += n
    else:
        p.spans[p.n_spans].first = first
        p.spans[p.n_spans].n = n
        p.n_spans += 1

cdef void find_spans(Parameters* p, Py_ssize_t n_layers) noexcept nogil:
    cdef Py_ssize_t l, j
    cdef LayerLayout place
    p.n_spans = 0
    for l in range(n_layers):
        place = p.layers[l].at
        if place.n_out == 1:
            add_span(p, place.W, padded(place.n_in))
        else:
            for j from 0 <= j < place.n_out by PANEL:
                add_span(p, place.W + at(j, place.stride), place.n_in * PANEL)
        add_span(p, place.b, padded(place.n_out))
