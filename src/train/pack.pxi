# Parameters and moments: from the caller's arrays into a training and back, and the copies for `restore` and of the
# best epoch.
#
# Outside, they are flat: W0, b0, W1, b1, ..., each W row-major. Inside a training, the parameters and each moment are a
# region: the same numbers in panels, with padding (panels.pxi, parameters.pxi).


cdef void transpose_weights(const Weights* w) noexcept nogil:
    """T = W^T."""
    cdef Py_ssize_t j
    if w.T.data != NULL and not w.layout.transposed:
        for j from 0 <= j < w.n_out by PANEL:
            transpose(0, round_up(w.n_in, BLOCK), j, j + min_(PANEL, round_up(w.n_out - j, LANES)), w.W, w.T)

cdef void load_region(const Training* training, const real* flat, real* region) noexcept nogil:
    """Flat IN -> region OUT."""
    cdef Py_ssize_t l
    cdef const Weights* w
    for l in range(training.net.n_layers):
        w = &parameters_of(training).layers[l]
        pack(w.layout, flat, region + w.layout.W)
        flat += w.n_in * w.n_out
        if l == 0:
            flat = pack_table(&parameters_of(training).table, flat, region)
        if w.learns_bias:
            memcpy(region + w.layout.b, flat, w.n_out * sizeof(real))
            flat += w.n_out

cdef void store_region(const Training* training, real* flat, const real* region) noexcept nogil:
    """Region IN -> flat OUT."""
    cdef Py_ssize_t l
    cdef const Weights* w
    for l in range(training.net.n_layers):
        w = &parameters_of(training).layers[l]
        unpack(w.layout, region + w.layout.W, flat)
        flat += w.n_in * w.n_out
        if l == 0:
            flat = unpack_table(&parameters_of(training).table, region, flat)
        if w.learns_bias:
            memcpy(flat, region + w.layout.b, w.n_out * sizeof(real))
            flat += w.n_out

cdef Py_ssize_t n_params(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = n_multiply_adds(net)
    for l in range(net.n_layers):
        n += net.sizes[l + 1] if net.biases[l] != NULL else 0
    return n

cdef Py_ssize_t moments_size(const Training* training) noexcept nogil:
    """Numbers in `moments` of load and store."""
    return n_moments(&training.optimizer) * n_params(&training.net)

cdef void load(Training* training, const void* moments) noexcept nogil:
    """The network's parameters and `moments` -> the training. NULL: the moments stay."""
    cdef Parameters* params = parameters_of(training)
    cdef Py_ssize_t l
    cdef int i
    cdef Weights* w
    for l in range(training.net.n_layers):
        w = &params.layers[l]
        pack(w.layout, <const real*>training.net.weights[l], w.W.data)
        if l == 0:
            pack_table(&params.table, <const real*>training.net.weights[0] + w.n_in * w.n_out, params.start)
        if w.learns_bias:
            memcpy(w.b, training.net.biases[l], w.n_out * sizeof(real))
        transpose_weights(w)
    if moments == NULL:
        return
    for i in range(1, params.n_regions):
        load_region(training, <const real*>moments + (i - 1) * n_params(&training.net),
                    params.start + i * params.region_size)

cdef void load_bounds(Training* training) noexcept nogil:
    """The bounds of the network's weights -> the two last regions. Other numbers there are infinite."""
    cdef Parameters* params = parameters_of(training)
    cdef Py_ssize_t l, i
    cdef int side
    cdef const real* W
    cdef real* region = params.start + params.n_regions * params.region_size
    for side in range(2):
        for i in range(params.region_size):
            region[i] = -INFINITY if side == 0 else INFINITY
        for l in range(training.net.n_layers):
            W = <const real*>training.net.bounds[side * training.net.n_layers + l]
            if W != NULL:
                pack(params.layers[l].layout, W, region + params.layers[l].layout.W)
                if l == 0:
                    pack_table(&params.table, W + params.layers[0].n_in * params.layers[0].n_out, region)
        region += params.region_size

cdef void store(Training* training, void* moments) noexcept nogil:
    """The training -> the network's parameters and `moments`, unless NULL."""
    cdef Parameters* params = parameters_of(training)
    cdef Py_ssize_t l
    cdef int i
    cdef Weights* w
    for l in range(training.net.n_layers):
        w = &params.layers[l]
        unpack(w.layout, w.W.data, <real*>training.net.weights[l])
        if l == 0:
            unpack_table(&params.table, params.start, <real*>training.net.weights[0] + w.n_in * w.n_out)
        if w.learns_bias:
            memcpy(training.net.biases[l], w.b, w.n_out * sizeof(real))
    if moments == NULL:
        return
    for i in range(1, params.n_regions):
        store_region(training, <real*>moments + (i - 1) * n_params(&training.net),
                     params.start + i * params.region_size)

cdef void store_gradient(Training* training, void* grads) noexcept nogil:
    """The gradient of the last step -> grads, flat."""
    store_region(training, <real*>grads, workspace_of(training).buffers[0].grads)

# ---- the copies ----

cdef bint finite_params(const Parameters* params) noexcept nogil:
    """Whether all parameters are finite."""
    cdef vec sums[VECS]
    cdef vec zero = vset(0)
    cdef Py_ssize_t i
    cdef int k, v
    cdef const real* w
    for v in range(VECS):
        sums[v] = zero
    for k in range(params.n_spans):
        w = params.start + params.spans[k].first
        for i from 0 <= i < params.spans[k].n by PANEL:
            for v in range(VECS):
                sums[v] = vfma(vload(w + i + v * LANES), zero, sums[v])         # NaN if any number is inf or NaN
    for v in range(1, VECS):
        sums[0] = vadd(sums[0], sums[v])
    return vreduce_add(sums[0]) == 0

cdef void save(Parameters* params, int thread, int n_threads) noexcept nogil:
    """Copy parameters and moments, without padding. Every thread copies its part of each span."""
    cdef Py_ssize_t first, lo, hi, region
    cdef int k
    for k in range(params.n_spans):
        split_range(params.spans[k].n, PANEL, thread, n_threads, &lo, &hi)
        if lo < hi:
            for region from 0 <= region < params.n_regions * params.region_size by params.region_size:
                first = region + params.spans[k].first + lo
                memcpy(params.saved + first, params.start + first, (hi - lo) * sizeof(real))

cdef void save_best(Training* training) noexcept nogil:
    """Copy the parameters that the caller sees."""
    memcpy(parameters_of(training).best, shown_region(training), parameters_of(training).region_size * sizeof(real))

cdef void store_best(Training* training, void* params) noexcept nogil:
    """The parameters of the best epoch -> params, flat."""
    store_region(training, <real*>params, parameters_of(training).best)

cdef void restore(Training* training) noexcept nogil:
    """Parameters, moments and training.position as they were saved last."""
    cdef Parameters* params = parameters_of(training)
    cdef Py_ssize_t l
    memcpy(params.start, params.saved, params.n_regions * params.region_size * sizeof(real))
    for l in range(training.net.n_layers):
        transpose_weights(&params.layers[l])
    training.position = params.saved_position
