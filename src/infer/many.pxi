# Inference: rows in, outputs out. From FEW_ROWS on they pay for packing the parameters into panels, then go chunk by chunk through the same
# products as training.

cdef Py_ssize_t forward_size(const Network* net, Py_ssize_t n) noexcept nogil:
    """Bytes of scratch for n rows."""
    if n < FEW_ROWS:
        return (2 * n + 1) * widest(net) * <Py_ssize_t>sizeof(real)
    return ((2 * (widest(net) // PANEL * chunk_stride(n)) + region_size(net)) * <Py_ssize_t>sizeof(real)
            + chunk_rows_in_memory(n) * <Py_ssize_t>sizeof(real*))

cdef int forward(const Network* net, const void* X, Py_ssize_t n, void* out, void* scratch, const Poll* poll) noexcept nogil:
    """out (n, sizes[-1]) = the outputs for X (n, sizes[0]). scratch: forward_size bytes, 64-byte aligned, zero. Not 0: stopped."""
    cdef Py_ssize_t i, n_in = net.sizes[0], n_out = net.sizes[net.n_layers], stride = chunk_stride(n)
    cdef const real** rows = <const real**>scratch
    cdef real* region
    cdef Panels this, other
    cdef Clock clock
    clock.poll = poll
    clock.polled = now() if poll != NULL else 0
    if n < FEW_ROWS:
        return few_rows_forward(net, n, <const real*>X, <real*>out, <real*>scratch, &clock)
    this = panels(<real*>(rows + chunk_rows_in_memory(n)), stride)
    other = panels(this.data + widest(net) // PANEL * stride, stride)
    region = other.data + widest(net) // PANEL * stride
    pack_network(net, region)
    for i from 0 <= i < n by CHUNK:
        point_to_rows(0, least(CHUNK, n - i), n_in, <const real*>X + i * n_in, NULL, rows)
        if chunk_forward(net, region, rows, least(CHUNK, n - i), <real*>out + i * n_out, this, other, &clock):
            return 1
    return 0

cdef void pack_network(const Network* net, real* region) noexcept nogil:
    cdef Py_ssize_t l
    cdef LayerLayout place
    place.end = 0
    for l in range(net.n_layers):
        place = layer_layout(net, l, place.end)
        pack(place.n_in, place.n_out, <const real*>net.weights[l], region + place.W)
        if net.biases[l] != NULL:
            memcpy(region + place.b, net.biases[l], place.n_out * sizeof(real))

cdef int chunk_forward(const Network* net, real* region, const real** rows, Py_ssize_t n, real* out, Panels this, Panels other,
                       Clock* clock) noexcept nogil:
    """Up to CHUNK rows through the packed network, back and forth between two panel matrices. Not 0: stopped."""
    cdef Py_ssize_t l, row = PANEL
    cdef LayerLayout place
    cdef Layer layer
    if net.n_layers == 0:
        memcpy(out, rows[0], n * net.sizes[0] * sizeof(real))
        return has_to_stop(clock)
    place.end = 0
    for l in range(net.n_layers):
        place = layer_layout(net, l, place.end)
        layer.n_in = place.n_in
        layer.n_out = place.n_out
        layer.activation = net.activations[l]
        layer.W = panels(region + place.W, place.stride)
        layer.b = region + place.b
        layer.inputs.rows = rows if l == 0 else NULL
        layer.inputs.X = this
        layer.Z = layer.Y = other
        layer.row = row = 1 if layer.n_out == 1 and l == net.n_layers - 1 else PANEL
        if layer.n_out == 1:
            dot_forward(0, n, &layer)
        else:
            linear_forward(0, n, &layer)
        this, other = other, this
        if has_to_stop(clock):
            return 1
    scatter(0, n, net.sizes[net.n_layers], this, row, out)
    return 0
