# The parameters and moments of a training: into its scratch and back, and the copy to fall back on.
#
# Outside they are flat, (W0, b0, W1, ...) row-major; in the scratch each is a region in panels (panels.pxi, scratch.pxi).

cdef void transpose_weights(Layer* layer) noexcept nogil:
    cdef Py_ssize_t j
    if layer.T != NULL and layer.n_out > 1:
        for j from 0 <= j < layer.n_out by PANEL:
            transpose(0, up(layer.n_in, BLOCK), j, j + least(PANEL, up(layer.n_out - j, LANES)), layer.W, weight_stride(layer.n_in),
                      layer.T, weight_stride(layer.n_out))

cdef void load_region(const Training* job, const real* flat, Py_ssize_t offset) noexcept nogil:
    """Flat (W0, b0, W1, ...) -> the region `offset` numbers after the parameters."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t l
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces[0].layers[l]
        pack(layer.n_in, layer.n_out, flat, layer.W + offset)
        flat += layer.n_in * layer.n_out
        if layer.learns_bias:
            memcpy(layer.b + offset, flat, layer.n_out * sizeof(real))
            flat += layer.n_out

cdef void store_region(const Training* job, real* flat, Py_ssize_t offset) noexcept nogil:
    """The inverse of load_region."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t l
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces[0].layers[l]
        unpack(layer.n_in, layer.n_out, layer.W + offset, flat)
        flat += layer.n_in * layer.n_out
        if layer.learns_bias:
            memcpy(flat, layer.b + offset, layer.n_out * sizeof(real))
            flat += layer.n_out

cdef Py_ssize_t n_params(const Network* net) noexcept nogil:
    cdef Py_ssize_t l, n = macs(net)
    for l in range(net.n_layers):
        n += net.sizes[l + 1] if net.biases[l] != NULL else 0
    return n

cdef Py_ssize_t moments_size(const Training* job) noexcept nogil:
    """Numbers that `load` and `store` move besides the parameters."""
    return n_moments(&job.optimizer) * n_params(&job.net)

cdef void load(Training* job, const void* moments) noexcept nogil:
    """Parameters and moments into the scratch."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t l
    cdef int i
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces[0].layers[l]
        pack(layer.n_in, layer.n_out, <const real*>job.net.weights[l], layer.W)
        if layer.learns_bias:
            memcpy(layer.b, job.net.biases[l], layer.n_out * sizeof(real))
        transpose_weights(layer)
    for i in range(n_moments(&job.optimizer)):
        load_region(job, <const real*>moments + i * n_params(&job.net), (i + 1) * s.region)

cdef void store(Training* job, void* moments) noexcept nogil:
    """And back."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t l
    cdef int i
    cdef Layer* layer
    for l in range(job.net.n_layers):
        layer = &s.spaces[0].layers[l]
        unpack(layer.n_in, layer.n_out, layer.W, <real*>job.net.weights[l])
        if layer.learns_bias:
            memcpy(job.net.biases[l], layer.b, layer.n_out * sizeof(real))
    for i in range(n_moments(&job.optimizer)):
        store_region(job, <real*>moments + i * n_params(&job.net), (i + 1) * s.region)

cdef void store_gradient(Training* job, void* grads) noexcept nogil:
    cdef Scratch* s = <Scratch*>job.scratch
    store_region(job, <real*>grads, s.spaces[0].grads - s.params)

# ---- the copy to fall back on ----

cdef void add_run(Scratch* s, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Or more of the last one, if it ends there."""
    if s.n_runs and s.runs[s.n_runs - 1].first + s.runs[s.n_runs - 1].n == first:
        s.runs[s.n_runs - 1].n += n
    else:
        s.runs[s.n_runs].first = first
        s.runs[s.n_runs].n = n
        s.n_runs += 1

cdef void find_runs(const Network* net, Scratch* s) noexcept nogil:
    cdef Py_ssize_t l, j, n_in, n_out, first = 0
    s.n_runs = 0
    for l in range(net.n_layers):
        n_in = net.sizes[l]
        n_out = net.sizes[l + 1]
        if n_out == 1:
            add_run(s, first, padded(n_in))
        else:
            for j from 0 <= j < n_out by PANEL:
                add_run(s, first + at(j, weight_stride(n_in)), n_in * PANEL)
        first += weight_size(n_in, n_out)
        add_run(s, first, padded(n_out))
        first += padded(n_out)

cdef bint finite_params(const Scratch* s) noexcept nogil:
    cdef vec sums[VECS]
    cdef vec zero = vset(0)
    cdef Py_ssize_t i
    cdef int k, v
    cdef const real* p
    for v in range(VECS):
        sums[v] = zero
    for k in range(s.n_runs):
        p = s.params + s.runs[k].first
        for i from 0 <= i < s.runs[k].n by PANEL:
            for v in range(VECS):
                sums[v] = vfma(vload(p + i + v * LANES), zero, sums[v])         # inf * 0 and NaN * 0 are NaN
    for v in range(1, VECS):
        sums[0] = vadd(sums[0], sums[v])
    return vsum(sums[0]) == 0

cdef void save(const Training* job, Scratch* s, Py_ssize_t step, Py_ssize_t epoch, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t i, region
    cdef int k, v
    for region from 0 <= region < s.saved_size by s.region:
        for k in range(s.n_runs):
            for i from region + s.runs[k].first <= i < region + s.runs[k].first + s.runs[k].n by PANEL:
                for v in range(VECS):
                    vstore(s.saved + i + v * LANES, vload(s.params + i + v * LANES))
    s.saved_step = step
    s.saved_epoch = epoch
    s.saved_row = row
    s.saved_loss_sum = job.loss_sum

cdef void restore(Training* job) noexcept nogil:
    """Back to the last saved copy; `job` then says where training stood."""
    cdef Scratch* s = <Scratch*>job.scratch
    cdef Py_ssize_t l
    memcpy(s.params, s.saved, s.saved_size * sizeof(real))
    for l in range(job.net.n_layers):
        transpose_weights(&s.spaces[0].layers[l])
    job.step = s.saved_step
    job.epoch = s.saved_epoch
    job.row = s.saved_row
    job.loss_sum = s.saved_loss_sum
