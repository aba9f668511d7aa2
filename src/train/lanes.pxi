# Lanes: a slice of several trainings of networks of the same layers, one network in each lane of a vector.
#
#   n            trainings, MIN_LANES to LANES; the lanes after them repeat the last one, and nobody reads these
#   parameters   [parameter][LANES], flat as in the user's arrays: W0, b0, W1, b1, ...; gradients and moments likewise
#   matrices     [unit][row][LANES]: a vec has one unit and one row of all networks
#   rows         of a block, at most LANE_ROWS, which are computed together
#   k, m         inputs and outputs of a layer
#
# In a network of a few units most lanes are empty, and calls take longer than arithmetic. Here each operation on a vec
# serves LANES networks, and no sum runs along a vector. Epochs begin and end network by network, in the memory of its
# training, by the same functions as elsewhere (epoch.pxi): a network shuffles, diverges and stops on its own.
#
# Order of sums: that of a network alone, so the bits are the same (linear.pxi, dot.pxi, sums.pxi, gradient.pxi).

# A training alone fills the lanes of its wider layers, so these gain less here, or lose: docs/decisions/0062.

cdef enum:
    LANE_ROWS = 8               # more would leave L1
    MAX_LANE_INPUTS = 32
    MAX_LANE_UNITS = LANES      # of a layer
    MAX_LANE_PARAMS = 16 * LANES
    MIN_LANES = LANES // 2      # networks; fewer take less time one after the other

cdef struct LaneLayer:
    Py_ssize_t k, m
    int activation              # IDENTITY if the loss includes it
    Py_ssize_t W, b             # offsets of its parameters; b is -1 without bias
    real* X                     # its inputs: Y of the layer below
    real* Z                     # Y, unless the derivative reads Z
    real* Y
    real* D                     # the gradient of Y, then of Z

cdef struct Lanes:
    Training** trainings
    int n, n_live
    bint live[LANES]            # whether the training goes on
    const Training* of_lane[LANES]
    bint same_rows              # of one array, in the same order, with the same targets
    Py_ssize_t n_params
    LaneLayer* layers
    real* w                     # the parameters, then each moment
    real* grads
    real* part                  # the gradient of a chunk that is not the first
    real* X
    real* targets
    real* weight
    real* row_loss
    real* flat                  # parameters of one network

cdef bint fits_lanes(const Training* t) noexcept nogil:
    """Whether a training can share vectors with others. What is refused here trains alone."""
    cdef const Network* net = &t.net
    cdef int loss = t.objective.loss
    cdef Py_ssize_t l
    if (LANES < 4 or net.n_layers == 0 or net.table != NULL or t.dropout.rates != NULL or t.validation != NULL
            or t.data.sample_weight != NULL or t.data.dX != NULL or t.shards.n_shards != 0
            or t.optimizer.rule == NO_UPDATE or t.net.bounds != NULL or t.optimizer.clip_norm != 0 or t.objective.shared_l2 != 0
            or effective_scale(t.objective.scale) != 1 or effective_scale(t.objective.gradient_scale) != 1
            or n_tangents(t) != 0 or not has_row_losses(t)
            or loss == CROSS_ENTROPY or loss == CLASS_CROSS_ENTROPY or loss == GAUSSIAN
            or n_params(net) > MAX_LANE_PARAMS or net.sizes[0] > MAX_LANE_INPUTS):
        return False
    for l in range(net.n_layers):
        if net.sizes[l + 1] > MAX_LANE_UNITS or net.activations[l] == SOFTMAX:
            return False
    return True

cdef bint have_same_steps(const Training* a, const Training* b) noexcept nogil:
    """Whether two trainings that fit lanes compute steps of the same kind and number in this slice."""
    cdef Py_ssize_t l
    if (a.net.n_layers != b.net.n_layers or a.net.sizes[0] != b.net.sizes[0]
            or a.data.n_rows != b.data.n_rows or a.data.batch_size != b.data.batch_size
            or a.objective.loss != b.objective.loss or a.objective.smoothing != b.objective.smoothing
            or memcmp(&a.optimizer, &b.optimizer, sizeof(Optimizer)) != 0
            or a.position.step != b.position.step or a.position.epoch != b.position.epoch
            or a.position.row != b.position.row or a.slice.last_epoch != b.slice.last_epoch
            or a.slice.last_step != b.slice.last_step):
        return False
    for l in range(a.net.n_layers):
        if (a.net.sizes[l + 1] != b.net.sizes[l + 1] or a.net.activations[l] != b.net.activations[l]
                or (a.net.biases[l] == NULL) != (b.net.biases[l] == NULL)):
            return False
    if a.objective.numbers == NULL or b.objective.numbers == NULL:
        return a.objective.numbers == b.objective.numbers
    return memcmp(a.objective.numbers, b.objective.numbers, a.net.sizes[a.net.n_layers] * sizeof(real)) == 0

cdef int max_lanes(const Training* training) noexcept nogil:
    """How many trainings like this one `train_lanes` takes; 1: it cannot take this one."""
    return LANES if fits_lanes(training) else 1

cdef int count_lanes(Training** trainings, Py_ssize_t n) noexcept nogil:
    """How many of n trainings, from the first one on, to pass to `train_lanes`; 1: the first one trains alone."""
    cdef int k = 1
    if not fits_lanes(trainings[0]):
        return 1
    while k < LANES and k < n and fits_lanes(trainings[k]) and have_same_steps(trainings[0], trainings[k]):
        k += 1
    return k if k >= MIN_LANES else 1

cdef Py_ssize_t lanes_layout(const Training* training, Lanes* lanes, char* base) noexcept nogil:
    """Set the pointers of lanes into `base` and return the bytes used. base NULL: only compute the size."""
    cdef const Network* net = &training.net
    cdef Py_ssize_t L = net.n_layers, size = n_params(net) * LANES, block = LANE_ROWS * LANES, end = 0, l
    cdef char* cursor = base
    cdef LaneLayer placeholder
    cdef LaneLayer* layer
    cdef real* X
    lanes.n_params = n_params(net)
    lanes.layers = <LaneLayer*>allocate(&cursor, L * <Py_ssize_t>sizeof(LaneLayer))
    lanes.w = allocate_reals(&cursor, size * (1 + n_moments(&training.optimizer)))
    lanes.grads = allocate_reals(&cursor, size)
    lanes.part = allocate_reals(&cursor, size)
    lanes.weight = allocate_reals(&cursor, block)
    lanes.row_loss = allocate_reals(&cursor, net.sizes[L] * block)
    lanes.targets = allocate_reals(&cursor, net.sizes[L] * block)
    lanes.flat = allocate_reals(&cursor, lanes.n_params)
    X = lanes.X = allocate_reals(&cursor, net.sizes[0] * block)
    for l in range(L):
        layer = &placeholder if base == NULL else &lanes.layers[l]
        layer.k = net.sizes[l]
        layer.m = net.sizes[l + 1]
        layer.activation = IDENTITY if l == L - 1 and is_fused(training.objective.loss) else net.activations[l]
        layer.W = end
        end += layer.k * layer.m
        layer.b = end if net.biases[l] != NULL else -1
        end += layer.m if net.biases[l] != NULL else 0
        layer.X = X
        X = layer.Y = allocate_reals(&cursor, layer.m * block)
        layer.Z = allocate_reals(&cursor, layer.m * block) if reads_input(layer.activation) else layer.Y
        layer.D = allocate_reals(&cursor, layer.m * block)
    return cursor - base

cdef Py_ssize_t lanes_size(const Training* training) noexcept nogil:
    """Bytes of a workspace for `train_lanes`; 0 if it cannot take this training."""
    cdef Lanes lanes
    if not fits_lanes(training):
        return 0
    return round_up(sizeof(Workspace), 64) + lanes_layout(training, &lanes, NULL)

# ---- between the memory of a training and a lane ----

cdef void load_lane(Lanes* lanes, int k) noexcept nogil:
    cdef const Training* training = lanes.of_lane[k]
    cdef const Parameters* params = parameters_of(training)
    cdef real* w = lanes.w + k
    cdef Py_ssize_t i
    cdef int r
    for r in range(params.n_regions):
        store_region(training, lanes.flat, params.start + r * params.region_size)
        for i in range(lanes.n_params):
            w[i * LANES] = lanes.flat[i]
        w += lanes.n_params * LANES

cdef void store_lane(Lanes* lanes, int k) noexcept nogil:
    cdef const Training* training = lanes.of_lane[k]
    cdef const Parameters* params = parameters_of(training)
    cdef const real* w = lanes.w + k
    cdef Py_ssize_t i
    cdef int r
    for r in range(params.n_regions):
        for i in range(lanes.n_params):
            lanes.flat[i] = w[i * LANES]
        load_region(training, lanes.flat, params.start + r * params.region_size)
        w += lanes.n_params * LANES

cdef void end_lane(Lanes* lanes, int k, const Progress* progress) noexcept nogil:
    """End the slice of a training, for the reason that it has."""
    cdef Training* training = lanes.trainings[k]
    cdef Py_ssize_t l
    lanes.live[k] = False
    lanes.n_live -= 1
    store_lane(lanes, k)
    for l in range(training.net.n_layers):
        transpose_weights(&parameters_of(training).layers[l])
    end_slice(training, progress)

# ---- a batch ----

cdef inline void gather_lanes(const bint same, const Lanes* lanes, Py_ssize_t row, Py_ssize_t rows) noexcept nogil:
    """OUT: inputs and targets of `rows` rows, from row number `row` of the epoch on. same: all lanes read the same."""
    cdef const Training* training = lanes.of_lane[0]
    cdef Py_ssize_t n_in = training.net.sizes[0], n_out = training.net.sizes[training.net.n_layers], r, i
    cdef const real* X[LANES]
    cdef const real* Y[LANES]
    cdef const Data* data
    cdef int k, n = 1 if same else LANES
    for r in range(rows):
        for k in range(n):
            data = &lanes.of_lane[k].data
            i = data.order[row + r] if data.order != NULL else row + r
            X[k] = <const real*>data.X + i * n_in
            Y[k] = <const real*>data.targets + i * n_out
        gather_row(same, X, n_in, lanes.X + r * LANES, rows * LANES)
        gather_row(same, Y, n_out, lanes.targets + r * LANES, rows * LANES)

cdef inline void gather_row(const bint same, const real** x, Py_ssize_t c, real* out, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t j
    cdef int k
    for j in range(c):
        if same:
            vstore(out, vset(x[0][j]))
        else:
            for k in range(LANES):
                out[k] = x[k][j]
        out += stride

cdef inline vec lanes_total(const int n, vec* sums) noexcept nogil:
    """sum16 of virtual lanes of which all after n, 4 to 16, are 0. INOUT: sums."""
    cdef int i
    for i in range(8 if n > 8 else n):
        sums[i] = vadd(sums[i], sums[i + 8] if n > 8 else vset(0))
    if n > 4:
        for i in range(4):
            sums[i] = vadd(sums[i], sums[i + 4])
    for i in range(2):
        sums[i] = vadd(sums[i], sums[i + 2])
    return vadd(sums[0], sums[1])

cdef inline void lanes_dot_rows(const int n, Py_ssize_t rows, const LaneLayer* layer, const real* w) noexcept nogil:
    """Z of a layer with one output. n: 4 or 8 if it has at most so many inputs, else 16."""
    cdef vec sums[16]
    cdef vec bias = vload(w + layer.b * LANES) if layer.b >= 0 else vset(0)
    cdef const real* W = w + layer.W * LANES
    cdef const real* X
    cdef Py_ssize_t r, first
    cdef int i
    for r in range(rows):
        X = layer.X + r * LANES
        for i in range(n):
            sums[i] = vset(0)
        for first from 0 <= first < layer.k by n:
            for i in range(n):
                if first + i < layer.k:
                    sums[i] = vfma(vload(X), vload(W + (first + i) * LANES), sums[i])
                    X += rows * LANES
                elif first > 0 and first + i < round_up(layer.k, LANES):    # as vload_part does: -0 becomes 0
                    sums[i] = vadd(sums[i], vset(0))
        vstore(layer.Z + r * LANES, vadd(lanes_total(n, sums), bias))

cdef void lanes_dot(Py_ssize_t rows, const LaneLayer* layer, const real* w) noexcept nogil:
    if layer.k <= 4:
        lanes_dot_rows(4, rows, layer, w)
    elif layer.k <= 8:
        lanes_dot_rows(8, rows, layer, w)
    else:
        lanes_dot_rows(16, rows, layer, w)

cdef inline void lanes_block(const int n, Py_ssize_t steps, const real* a, Py_ssize_t a_step, Py_ssize_t a_next,
                             const real* b, Py_ssize_t b_step, vec* c) noexcept nogil:
    """c[q] += sum over i of a[i a_step + q a_next] b[i b_step], q < n; strides in vecs."""
    cdef Py_ssize_t i
    cdef vec x
    cdef int q
    for i in range(steps):
        x = vload(b + i * b_step * LANES)
        for q in range(n):
            c[q] = vfma(vload(a + (i * a_step + q * a_next) * LANES), x, c[q])

cdef inline void lanes_forward_rows(const int n, Py_ssize_t r, Py_ssize_t rows, const LaneLayer* layer,
                                    const real* w) noexcept nogil:
    """Rows r..r+n of Z of a layer with several outputs."""
    cdef vec c[4]
    cdef vec bias
    cdef Py_ssize_t j
    cdef int q
    for j in range(layer.m):
        bias = vload(w + (layer.b + j) * LANES) if layer.b >= 0 else vset(0)
        for q in range(n):
            c[q] = bias
        lanes_block(n, layer.k, layer.X + r * LANES, rows, 1, w + (layer.W + j) * LANES, layer.m, c)
        for q in range(n):
            vstore(layer.Z + (j * rows + r + q) * LANES, c[q])

cdef inline void lanes_backward_rows(const int n, Py_ssize_t r, Py_ssize_t rows, const LaneLayer* layer, const real* W,
                                     real* dX) noexcept nogil:
    """Rows r..r+n of dX."""
    cdef vec c[4]
    cdef Py_ssize_t i
    cdef int q
    for i in range(layer.k):
        for q in range(n):
            c[q] = vset(0)
        if layer.m == 1:
            for q in range(n):
                c[q] = vmul(vload(layer.D + (r + q) * LANES), vload(W + i * LANES))
        else:
            lanes_block(n, layer.m, layer.D + r * LANES, rows, 1, W + i * layer.m * LANES, 1, c)
        for q in range(n):
            vstore(dX + (i * rows + r + q) * LANES, c[q])

cdef inline void lanes_weight_rows(const int n, Py_ssize_t i, Py_ssize_t rows, const LaneLayer* layer,
                                   real* g) noexcept nogil:
    """Inputs i..i+n of dW: the sums over the rows before, plus those of a block."""
    cdef vec c[4]
    cdef Py_ssize_t j
    cdef int q
    cdef real* dW
    for j in range(layer.m):
        dW = g + (layer.W + i * layer.m + j) * LANES
        for q in range(n):
            c[q] = vload(dW + q * layer.m * LANES)
        lanes_block(n, rows, layer.X + i * rows * LANES, 1, rows, layer.D + j * rows * LANES, 1, c)
        for q in range(n):
            vstore(dW + q * layer.m * LANES, c[q])

cdef void lanes_forward(const Lanes* lanes, Py_ssize_t rows) noexcept nogil:
    cdef Py_ssize_t l, r
    cdef const LaneLayer* layer
    for l in range(lanes.of_lane[0].net.n_layers):
        layer = &lanes.layers[l]
        if layer.m == 1:
            lanes_dot(rows, layer, lanes.w)
        else:
            for r from 0 <= r < rows by 4:
                if r + 4 <= rows: lanes_forward_rows(4, r, rows, layer, lanes.w)
                elif r + 3 == rows: lanes_forward_rows(3, r, rows, layer, lanes.w)
                elif r + 2 == rows: lanes_forward_rows(2, r, rows, layer, lanes.w)
                else: lanes_forward_rows(1, r, rows, layer, lanes.w)
        elementwise_forward(layer.activation, layer.Z, layer.Y, layer.m * rows * LANES, LANES)

cdef void lanes_loss(const Lanes* lanes, Py_ssize_t rows) noexcept nogil:
    """OUT: row_loss, and the gradient of the outputs. For the loss, each output is the only one, of LANES times the
    rows."""
    cdef const Training* training = lanes.of_lane[0]
    cdef LossOptions options = parameters_of(training).loss
    cdef const LaneLayer* last = &lanes.layers[training.net.n_layers - 1]
    cdef Py_ssize_t j, size = rows * LANES
    cdef LossRows r
    r.labels = NULL
    r.weight = lanes.weight
    r.options = &options
    for j in range(last.m):
        r.A = panels(last.Y + j * size, PANEL)
        r.Y = lanes.targets + j * size
        r.row_loss = lanes.row_loss + j * size
        r.D = last.D + j * size
        loss_forward_backward(training.objective.loss, 0, size, 1, &r)
        if options.numbers != NULL:
            options.numbers += 1

cdef void lanes_backward(const Lanes* lanes, Py_ssize_t rows, real* g) noexcept nogil:
    """INOUT: g, the gradient of the chunk's rows so far."""
    cdef Py_ssize_t l, r, i, j
    cdef const LaneLayer* layer
    cdef const real* W
    cdef vec sum
    for l in range(lanes.of_lane[0].net.n_layers - 1, -1, -1):
        layer = &lanes.layers[l]
        elementwise_backward(layer.activation, layer.Z if reads_input(layer.activation) else layer.Y, layer.D, layer.D,
                             layer.m * rows * LANES, LANES)
        for i from 0 <= i < layer.k by 4:
            if i + 4 <= layer.k: lanes_weight_rows(4, i, rows, layer, g)
            elif i + 3 == layer.k: lanes_weight_rows(3, i, rows, layer, g)
            elif i + 2 == layer.k: lanes_weight_rows(2, i, rows, layer, g)
            else: lanes_weight_rows(1, i, rows, layer, g)
        if layer.b >= 0:
            for j in range(layer.m):
                sum = vload(g + (layer.b + j) * LANES)
                for r in range(rows):
                    sum = vadd(sum, vload(layer.D + (j * rows + r) * LANES))
                vstore(g + (layer.b + j) * LANES, sum)
        if l > 0:
            W = lanes.w + layer.W * LANES
            for r from 0 <= r < rows by 4:
                if r + 4 <= rows: lanes_backward_rows(4, r, rows, layer, W, lanes.layers[l - 1].D)
                elif r + 3 == rows: lanes_backward_rows(3, r, rows, layer, W, lanes.layers[l - 1].D)
                elif r + 2 == rows: lanes_backward_rows(2, r, rows, layer, W, lanes.layers[l - 1].D)
                else: lanes_backward_rows(1, r, rows, layer, W, lanes.layers[l - 1].D)

cdef void add_row_losses(const Lanes* lanes, Py_ssize_t first, Py_ssize_t rows, vec* sums) noexcept nogil:
    """INOUT: sums, the 16 virtual lanes of the losses of a chunk's rows. first: the first row's place in the chunk."""
    cdef vec s[16]
    cdef vec loss
    cdef Py_ssize_t m = lanes.layers[lanes.of_lane[0].net.n_layers - 1].m, r, j
    for r in range(rows):
        if m == 1:
            loss = vload(lanes.row_loss + r * LANES)
        else:
            for j in range(16):
                s[j] = vset(0)
            for j in range(m):
                s[j & 15] = vadd(s[j & 15], vload(lanes.row_loss + (j * rows + r) * LANES))
            loss = lanes_total(16, s)
        sums[(first + r) & 15] = vadd(sums[(first + r) & 15], loss)

cdef void lanes_gradient(const Lanes* lanes, const Progress* progress, double* losses) noexcept nogil:
    """OUT: the gradient of a batch and its losses, one for each lane."""
    cdef const Training* training = lanes.of_lane[0]
    cdef Py_ssize_t n_out = training.net.sizes[training.net.n_layers], c, i, r, rows, end
    cdef vec sums[16]
    cdef real total[LANES]
    cdef real* g
    cdef vec weight = vset(<real>(1 / progress.total_weight))
    cdef int k
    if n_out > 1 and is_mean(training.objective.loss):
        weight = vdiv(weight, vset(<real>n_out))
    for r in range(LANE_ROWS):
        vstore(lanes.weight + r * LANES, weight)
    for k in range(LANES):
        losses[k] = 0
    for c from 0 <= c < progress.n_rows by CHUNK:
        end = min_(c + CHUNK, progress.n_rows)
        g = lanes.part if c > 0 else lanes.grads
        memset(g, 0, lanes.n_params * LANES * sizeof(real))
        for r in range(16):
            sums[r] = vset(0)
        for i from c <= i < end by LANE_ROWS:
            rows = min_(LANE_ROWS, end - i)
            if lanes.same_rows:
                gather_lanes(True, lanes, progress.row + i, rows)
            else:
                gather_lanes(False, lanes, progress.row + i, rows)
            lanes_forward(lanes, rows)
            lanes_loss(lanes, rows)
            add_row_losses(lanes, i - c, rows, sums)
            lanes_backward(lanes, rows, g)
        vstore(total, lanes_total(16, sums))
        for k in range(LANES):
            losses[k] += total[k]
        if c > 0:
            for r from 0 <= r < lanes.n_params * LANES by LANES:
                vstore(lanes.grads + r, vadd(vload(lanes.grads + r), vload(g + r)))

cdef void lanes_update(const Lanes* lanes, const Progress* progress) noexcept nogil:
    cdef Py_ssize_t stride = lanes.n_params * LANES, l, q
    cdef const LaneLayer* layer
    if progress.bias_step == &progress.weight_step:
        update_in_region(&progress.weight_step, lanes.w, lanes.grads, stride, stride)
        return
    for l in range(lanes.of_lane[0].net.n_layers):
        layer = &lanes.layers[l]
        q = layer.W * LANES
        update_in_region(&progress.weight_step, lanes.w + q, lanes.grads + q, stride, layer.k * layer.m * LANES)
        if layer.b >= 0:
            q = layer.b * LANES
            update_in_region(progress.bias_step, lanes.w + q, lanes.grads + q, stride, layer.m * LANES)

# ---- the loop ----

cdef void begin_lanes(Lanes* lanes, Training** trainings, int n) noexcept nogil:
    cdef Workspace* workspace = workspace_of(trainings[0])
    cdef const Data* data
    cdef const Data* first = &trainings[0].data
    cdef int k
    memset(workspace, 0, sizeof(Workspace))
    lanes_layout(trainings[0], lanes, <char*>workspace + round_up(sizeof(Workspace), 64))
    lanes.trainings = trainings
    lanes.n = lanes.n_live = n
    lanes.same_rows = first.generator == NULL
    for k in range(LANES):
        lanes.live[k] = k < n
        lanes.of_lane[k] = trainings[min_(k, n - 1)]
        data = &lanes.of_lane[k].data
        lanes.same_rows = (lanes.same_rows and data.X == first.X and data.targets == first.targets
                           and data.order == first.order)

cdef void begin_lanes_epoch(Lanes* lanes, Progress* progress) noexcept nogil:
    """Begin an epoch, or the slice, of each training that goes on."""
    cdef Progress of_lane
    cdef int k
    for k in range(LANES if progress.is_first_step else 0):
        load_lane(lanes, k)
    for k in range(lanes.n):
        if lanes.live[k]:
            of_lane = progress[0]
            if not progress.is_first_step:
                store_lane(lanes, k)
            if not begin_epoch(lanes.trainings[k], 0, &of_lane):
                end_lane(lanes, k, progress)
    progress.is_first_step = False

cdef void record_lanes(Lanes* lanes, Progress* progress, const double* losses) noexcept nogil:
    """Record the losses of a step. If the time of one training is over, that of all is."""
    cdef Py_ssize_t steps_since_check = progress.steps_since_check
    cdef bint time_is_over = False
    cdef int k
    for k in range(lanes.n):
        if lanes.live[k]:
            progress.loss = losses[k]
            progress.steps_since_check = steps_since_check
            if record_step(lanes.trainings[k], workspace_of(lanes.trainings[k]), progress):
                time_is_over = time_is_over or lanes.trainings[k].slice.stop_reason == TIME
                end_lane(lanes, k, progress)
    for k in range(lanes.n):
        if lanes.live[k] and time_is_over:
            lanes.trainings[k].slice.stop_reason = TIME
            end_lane(lanes, k, progress)

cdef void train_lanes(Training** trainings, int n) noexcept nogil:
    """`train` of n trainings, as `count_lanes` returned. All have the same workspace, of lanes_size bytes."""
    cdef Lanes lanes
    cdef Progress progress
    cdef double losses[LANES]
    cdef int k
    begin_lanes(&lanes, trainings, n)
    for k in range(n):
        begin_slice(trainings[k], 0, &progress)
    while lanes.n_live > 0:
        if progress.is_first_step or progress.row == 0:     # if all end here, nothing reads the step that follows
            begin_lanes_epoch(&lanes, &progress)
        begin_step(trainings[0], 0, &progress)
        lanes_gradient(&lanes, &progress, losses)
        lanes_update(&lanes, &progress)
        advance(trainings[0], &progress)
        record_lanes(&lanes, &progress, losses)
