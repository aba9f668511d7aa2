# The parameters and moments of a training: into its memory and back, and the copy to fall back on.
#
# Outside they are flat, (W0, b0, W1, ...) row-major; inside each is a region in panels (panels.pxi, parameters.pxi).

cdef void transpose_weights(const Weights* w) noexcept nogil:
    cdef Py_ssize_t j
    if w.T.data != NULL and w.n_out > 1:
        for j from 0 <= j < w.n_out by PANEL:
            transpose(0, up(w.n_in, BLOCK), j, j + least(PANEL, up(w.n_out - j, LANES)), w.W, w.T)

cdef void load_region(const Training* job, const real* flat, real* region) noexcept nogil:
    """Flat (W0, b0, W1, ...) -> a region."""
    cdef Py_ssize_t l
    cdef const Weights* w
    for l in range(job.net.n_layers):
        w = &parameters(job).layers[l]
        pack(w.n_in, w.n_out, flat, region + w.at.W)
        flat += w.n_in * w.n_out
        if w.learns_bias:
            memcpy(region + w.at.b, flat, w.n_out * sizeof(real))
            flat += w.n_out

cdef void store_region(const Training* job, real* flat, const real* region) noexcept nogil:
    """The inverse of load_region."""
    cdef Py_ssize_t l
    cdef const Weights* w
    for l in range(job.net.n_layers):
        w = &parameters(job).layers[l]
        unpack(w.n_in, w.n_out, region + w.at.W, flat)
        flat += w.n_in * w.n_out
        if w.learns_bias:
            memcpy(flat, region + w.at.b, w.n_out * sizeof(real))
            flat += w.n_out

cdef Py_ssize_t n_params(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = macs(net)
    for l in range(net.n_layers):
        n += net.sizes[l + 1] if net.biases[l] != NULL else 0
    return n

cdef Py_ssize_t moments_size(const Training* job) noexcept nogil:
    """Numbers that `load` and `store` move besides the parameters."""
    return n_moments(&job.optimizer) * n_params(&job.net)

cdef void load(Training* job, const void* moments) noexcept nogil:
    """Parameters and moments into the training."""
    cdef Parameters* p = parameters(job)
    cdef Py_ssize_t l
    cdef int i
    cdef Weights* w
    for l in range(job.net.n_layers):
        w = &p.layers[l]
        pack(w.n_in, w.n_out, <const real*>job.net.weights[l], w.W.data)
        if w.learns_bias:
            memcpy(w.b, job.net.biases[l], w.n_out * sizeof(real))
        transpose_weights(w)
    for i in range(1, p.n_regions):
        load_region(job, <const real*>moments + (i - 1) * n_params(&job.net), p.start + i * p.region)

cdef void store(Training* job, void* moments) noexcept nogil:
    """And back."""
    cdef Parameters* p = parameters(job)
    cdef Py_ssize_t l
    cdef int i
    cdef Weights* w
    for l in range(job.net.n_layers):
        w = &p.layers[l]
        unpack(w.n_in, w.n_out, w.W.data, <real*>job.net.weights[l])
        if w.learns_bias:
            memcpy(job.net.biases[l], w.b, w.n_out * sizeof(real))
    for i in range(1, p.n_regions):
        store_region(job, <real*>moments + (i - 1) * n_params(&job.net), p.start + i * p.region)

cdef void store_gradient(Training* job, void* grads) noexcept nogil:
    """That of the last step, from the workspace."""
    store_region(job, <real*>grads, workspace(job).spaces[0].grads)

# ---- the copy to fall back on ----

cdef bint finite_params(const Parameters* p) noexcept nogil:
    cdef vec sums[VECS]
    cdef vec zero = vset(0)
    cdef Py_ssize_t i
    cdef int k, v
    cdef const real* w
    for v in range(VECS):
        sums[v] = zero
    for k in range(p.n_spans):
        w = p.start + p.spans[k].first
        for i from 0 <= i < p.spans[k].n by PANEL:
            for v in range(VECS):
                sums[v] = vfma(vload(w + i + v * LANES), zero, sums[v])         # inf * 0 and NaN * 0 are NaN
    for v in range(1, VECS):
        sums[0] = vadd(sums[0], sums[v])
    return vsum(sums[0]) == 0

cdef void save(Parameters* p, Position position) noexcept nogil:
    cdef Py_ssize_t i, region
    cdef int k, v
    for region from 0 <= region < p.n_regions * p.region by p.region:
        for k in range(p.n_spans):
            for i from region + p.spans[k].first <= i < region + p.spans[k].first + p.spans[k].n by PANEL:
                for v in range(VECS):
                    vstore(p.saved + i + v * LANES, vload(p.start + i + v * LANES))
    p.saved_position = position

cdef void restore(Training* job) noexcept nogil:
    """Back to the last saved copy; `job` then says where training stood."""
    cdef Parameters* p = parameters(job)
    cdef Py_ssize_t l
    memcpy(p.start, p.saved, p.n_regions * p.region * sizeof(real))
    for l in range(job.net.n_layers):
        transpose_weights(&p.layers[l])
    job.position = p.saved_position
