# Losses of derivatives in the inputs: tangents of a chunk's rows, in both phases of a step.
#
# A tangent is the derivative of all numbers of a row in one input. Tangent i of row r is row (i + 1) * tangents.rows + r
# of the matrices of the chunk, so each product is that of the values, without biases, on other rows. The tangents of the
# inputs are unit vectors: those of Z of the first layer are rows of W, which are copied, and those of its dW are sums of
# dZ. Adjoints go backward for values and tangents together: a layer adds f''(z) sum_i da_i z_i to the gradient of z
# (activation.pxi).
#
# If few outputs have derivatives in many inputs, the Jacobian J is computed backward, from unit vectors of the outputs.
# Its loss has the gradient V in J, so the gradient of the loss in the parameters is that of sum_k (sum_i V_ki dy_k/dx_i)
# with V held fixed: tangent k is the derivative along the row V_k, which is an input of the first layer like X.
#
# A custom loss may also read second derivatives d2/dx_i^2, or their sum: further tangents behind the others, which are 0
# in Z of the first layer. It gets the tangents of the outputs of a batch, and gives their gradients.
#
#   chunk, lo, hi, training, gradient   as in chunk.pxi
#   d                                   how many tangents a row has
#
# Order of sums: the squared errors of a row in the order of its targets, outputs first; dW and db of the values, then dW
# of the tangents in order, each over the rows of a chunk.

cdef struct TangentSteps:
    void (*forward)(Training*, const Chunk*, Py_ssize_t, Py_ssize_t) noexcept nogil
    void (*phase_a)(Training*, const Chunk*, Py_ssize_t, Py_ssize_t, bint) noexcept nogil
    void (*phase_b)(Training*, const Chunk*, const ChunkGradient*) noexcept nogil
    void (*loss)(Training*, const Chunk*, Py_ssize_t, Py_ssize_t) noexcept nogil

# Called through pointers of which the compiler knows nothing, like those of shards.pxi.
cdef TangentSteps TANGENT_STEPS
TANGENT_STEPS.forward = custom_tangents
TANGENT_STEPS.phase_a = tangents_phase_a
TANGENT_STEPS.phase_b = tangents_phase_b
TANGENT_STEPS.loss = jacobian_loss

cdef inline const TangentSteps* tangent_steps() noexcept nogil:
    return <const TangentSteps*>opaque(&TANGENT_STEPS)

cdef inline Layer tangent_layer(const ChunkBuffers* buffers, Py_ssize_t l, Py_ssize_t i) noexcept nogil:
    """Layer l on tangent i: Z = Y = X W, and its gradients."""
    cdef Layer layer = buffers.layers[l]
    cdef Py_ssize_t row = (i + 1) * buffers.tangents.rows
    layer.activation = IDENTITY
    layer.b = buffers.tangents.zeros
    layer.learns_bias = False
    layer.inputs.rows = NULL
    layer.inputs.X.data += row * PANEL
    layer.Z = buffers.tangents.Z[l]
    layer.Z.data += row * layer.row_stride
    layer.Y = layer.Z
    layer.dZ.data += row * layer.row_stride
    layer.dX.data += row * PANEL
    if l == 0:
        layer.inputs.X = layer.dX       # the Jacobian, then V
    return layer

cdef void activate_tangents(const Training* training, const ChunkBuffers* buffers, Py_ssize_t l, bint backward,
                            Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The tangents of Y of layer l from those of Z; or backward, dZ of values and tangents from dY, in place."""
    cdef const Layer* layer = &buffers.layers[l]
    cdef TangentSpan t, span
    cdef Py_ssize_t j, p
    cdef int v, vecs
    t.s = read_by_derivative(layer)
    t.z = buffers.tangents.Z[l].data
    t.a = NULL if backward else layer.Y.data
    t.d = layer.dZ.data
    t.count = n_first_tangents(training)
    t.seconds = training.objective.custom.n_seconds
    t.step = buffers.tangents.rows * layer.row_stride
    for j from 0 <= j < layer.n_out by PANEL:
        vecs = vecs_used(layer.n_out, j)
        for v in range(vecs if vecs < VECS else 1):
            span = t
            p = column_offset(j, layer.Y.stride) + lo * layer.row_stride + v * LANES
            span.s += p
            span.z += p
            span.a += 0 if backward else p
            span.d += p
            span.stride = PANEL if vecs < VECS and layer.row_stride != 1 else LANES
            span.n = (hi - lo) * (1 if layer.row_stride == 1 else LANES if vecs < VECS else PANEL)
            elementwise_tangents(layer.activation, &span)

cdef void first_tangents(const Training* training, const ChunkBuffers* buffers, Py_ssize_t lo,
                         Py_ssize_t hi) noexcept nogil:
    """Tangents of Z of the first layer: rows of W. Second tangents stay 0."""
    cdef Layer layer
    cdef Py_ssize_t i, j, k, r, input
    for i in range(n_first_tangents(training)):
        layer = tangent_layer(buffers, 0, i)
        input = training.objective.jacobian.inputs[i]
        if layer.transposed:
            for r in range(lo, hi):
                for k in range(layer.n_out):
                    layer.Z.data[r * layer.row_stride + k] = element(layer.W, k, input)[0]
            continue
        for j from 0 <= j < layer.n_out by LANES:
            for r in range(lo, hi):
                vstore(element(layer.Z, r, j), vload(element(layer.W, input, j)))

cdef void forward_tangents(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The tangents of all layers."""
    cdef Py_ssize_t l, i
    cdef Layer layer
    for l in range(training.net.n_layers):
        if l == 0 and not uses_adjoints(training):
            first_tangents(training, chunk.buffers, lo, hi)
        else:
            for i in range(n_tangents(training)):
                layer = tangent_layer(chunk.buffers, l, i)
                layer_forward_rows(training, chunk, lo, hi, &layer)
        activate_tangents(training, chunk.buffers, l, False, lo, hi)
        if poll_abort(training, chunk):
            return

cdef void custom_tangents(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The tangents of all layers, and those of the outputs for a custom loss."""
    cdef const Layer* layer = &chunk.buffers.layers[training.net.n_layers - 1]
    cdef Panels Y = layer.Y
    cdef real* out = <real*>training.objective.custom.tangents + chunk.batch_row * layer.n_out
    cdef Py_ssize_t i
    forward_tangents(training, chunk, lo, hi)
    for i in range(n_tangents(training)):
        Y.data += chunk.buffers.tangents.rows * layer.row_stride
        scatter(lo, hi, layer.n_out, Y, layer.row_stride, out)
        out += training.data.batch_size * layer.n_out

cdef void gather_custom_gradient(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The gradient of the tangents of the outputs, from a custom loss."""
    cdef const Layer* layer = &chunk.buffers.layers[training.net.n_layers - 1]
    cdef Panels dZ = layer.dZ
    cdef UserRows gradient
    cdef Py_ssize_t i
    gradient.X = <const real*>training.objective.custom.tangent_gradient
    gradient.c = layer.n_out
    gradient.order.order = NULL
    gradient.order.first = chunk.batch_row
    for i in range(n_tangents(training)):
        dZ.data += chunk.buffers.tangents.rows * layer.row_stride
        gather(lo, hi, &gradient, dZ, layer.row_stride)
        gradient.order.first += training.data.batch_size

cdef void seed_output(Layer* layer, Py_ssize_t k, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """dZ of a tangent of the last layer: 1 for output k, 0 for others."""
    cdef Py_ssize_t r, j
    for r in range(lo, hi):
        for j in range(layer.n_out):
            layer.dZ.data[column_offset(j, layer.dZ.stride) + r * layer.row_stride] = 1 if j == k else 0

cdef void adjoints(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The Jacobian: dX of the first layer from a unit vector of each output."""
    cdef const Layer* layers = chunk.buffers.layers
    cdef Py_ssize_t l, k, last = training.net.n_layers - 1
    cdef Layer layer
    for k in range(n_tangents(training)):
        for l in range(last, -1, -1):
            layer = tangent_layer(chunk.buffers, l, k)
            if l == last:
                seed_output(&layer, k, lo, hi)
                layer.activation = layers[l].activation
                layer.Y = layers[l].Y
                layer.Z = layers[l].Z
                backward_output(&layer, lo, hi)
            if l > 0:
                layer.derivative = layers[l - 1].activation
                layer.S = read_by_derivative(&layers[l - 1])
            layer_backward_rows(training, chunk, lo, hi, &layer)
            if poll_abort(training, chunk):
                return

cdef void adjoint_loss(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The loss of each row from its Jacobian, then tangents along its gradient, and the gradient of their outputs."""
    cdef const JacobianLoss* loss = &training.objective.jacobian
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef const Layer* output = &buffers.layers[training.net.n_layers - 1]
    cdef Py_ssize_t d = loss.n_inputs, m = output.n_out, r, i, k, count
    cdef real value_weight = <real>loss.value_weight, factor, error, sum
    cdef const real* target
    cdef real* slope
    cdef RowOrder order
    cdef Layer layer
    adjoints(training, chunk, lo, hi)
    get_order(training, chunk, &order)
    for r in range(lo, hi):
        target = <const real*>loss.targets + user_row(&order, r) * m * d
        count = 0
        for i in range(m * d):
            count += target[i] == target[i]
        factor = <real>(loss.weight * buffers.weight[r] / max_(1, count))
        sum = 0
        for k in range(m):
            output.dZ.data[column_offset(k, output.dZ.stride) + r * output.row_stride] *= value_weight
            for i in range(d):
                slope = element(buffers.dX, (k + 1) * buffers.tangents.rows + r, loss.inputs[i])
                error = slope[0] - target[k * d + i] if target[k * d + i] == target[k * d + i] else 0
                sum += error * error
                slope[0] = 2 * factor * error
        buffers.row_loss[r] = value_weight * buffers.row_loss[r] + factor * sum
    forward_tangents(training, chunk, lo, hi)
    for k in range(m):
        layer = tangent_layer(buffers, training.net.n_layers - 1, k)
        seed_output(&layer, k, lo, hi)

cdef void jacobian_loss(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """Tangents, then the loss of each row and the gradient of the tangents of the outputs."""
    cdef const JacobianLoss* loss = &training.objective.jacobian
    cdef ChunkBuffers* buffers = chunk.buffers
    cdef const Layer* layer = &buffers.layers[training.net.n_layers - 1]
    cdef Py_ssize_t d = loss.n_inputs, m = layer.n_out, r, i, k, p, count
    cdef real value_weight = <real>loss.value_weight, factor, error, sum
    cdef const real* target
    cdef real* D
    cdef RowOrder order
    forward_tangents(training, chunk, lo, hi)
    get_order(training, chunk, &order)
    for r in range(lo, hi):
        target = <const real*>loss.targets + user_row(&order, r) * m * d
        count = 0
        for i in range(m * d):
            count += target[i] == target[i]
        factor = <real>(loss.weight * buffers.weight[r] / max_(1, count))
        sum = 0
        for k in range(m):
            D = layer.dZ.data + column_offset(k, layer.dZ.stride) + r * layer.row_stride
            D[0] *= value_weight
            for i in range(d):
                p = (i + 1) * buffers.tangents.rows * layer.row_stride
                error = 0
                if target[k * d + i] == target[k * d + i]:
                    error = (layer.Y.data + (D - layer.dZ.data))[p] - target[k * d + i]
                sum += error * error
                D[p] = 2 * factor * error
        buffers.row_loss[r] = value_weight * buffers.row_loss[r] + factor * sum

cdef void tangents_phase_a(Training* training, const Chunk* chunk, Py_ssize_t lo, Py_ssize_t hi,
                           bint has_tangents) noexcept nogil:
    """What follows the loss of the outputs, up to dZ of the first layer. has_tangents: of a custom loss."""
    cdef Py_ssize_t l, i
    cdef Layer layer
    if training.objective.loss != CUSTOM_LOSS:
        if uses_adjoints(training):
            adjoint_loss(training, chunk, lo, hi)
        else:
            jacobian_loss(training, chunk, lo, hi)
    else:
        if not has_tangents:
            forward_tangents(training, chunk, lo, hi)
        gather_custom_gradient(training, chunk, lo, hi)
    for l in range(training.net.n_layers - 1, -1, -1):
        if poll_abort(training, chunk):
            return
        activate_tangents(training, chunk.buffers, l, True, lo, hi)
        if l > 0:
            layer_backward_rows(training, chunk, lo, hi, &chunk.buffers.layers[l])
            for i in range(n_tangents(training)):
                layer = tangent_layer(chunk.buffers, l, i)
                layer_backward_rows(training, chunk, lo, hi, &layer)

cdef void tangents_phase_b(Training* training, const Chunk* chunk, const ChunkGradient* gradient) noexcept nogil:
    """Add the tangents' part of the gradients. Each thread adds to the tiles that it has computed; to those of the first
    layer after a barrier."""
    cdef Py_ssize_t l, i
    cdef ChunkGradient g = gradient[0]
    cdef Layer layer
    g.add = True
    for l in range(training.net.n_layers - 1, -1 if uses_adjoints(training) else 0, -1):
        for i in range(n_tangents(training)):
            layer = tangent_layer(chunk.buffers, l, i)
            layer_weights(training, chunk, &layer, &g)
            if poll_abort(training, chunk):
                break
    if uses_adjoints(training):
        return
    barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)
    for i in range(n_first_tangents(training)):
        layer = tangent_layer(chunk.buffers, 0, i)
        add_to_first_weights(chunk, training.objective.jacobian.inputs[i], &layer, &g)

cdef void add_to_first_weights(const Chunk* chunk, Py_ssize_t input, Layer* layer,
                               const ChunkGradient* gradient) noexcept nogil:
    """Add the sums of dZ to the row of dW of an input. layer: of a tangent; the first."""
    cdef ChunkGradient alone = gradient[0]
    cdef Panels dW = panels(layer.dW, layer.W.stride)
    cdef real sums[MAX_OUTPUTS + PANEL]
    cdef Py_ssize_t j, lo, hi
    split_range(layer.n_out, PANEL, chunk.part, chunk.parts, &lo, &hi)
    if layer.n_out == 1:
        layer.db = element(dW, 0, input)
        if lo < hi:
            dot_backward_bias(lo, hi, layer, gradient)
    elif layer.transposed:
        alone.add = False
        layer.db = sums
        linear_backward_bias(lo, hi, layer, &alone)
        for j in range(lo, hi):
            element(dW, j, input)[0] += sums[j]
    else:
        for j from lo <= j < hi by PANEL:
            layer.db = element(dW, input, j) - j
            linear_backward_bias(j, min_(j + PANEL, hi), layer, gradient)
