# Virtual shards: a gradient with the same bits on any number of machines.
#
# The rows of all ranks are in S shards, and a rank holds neighbouring ones. Each batch takes rows of every shard
# (struct Shards, kernels.pxd). A rank computes the gradient of one shard after the other (gradient.pxi), and adds them
# in a binary tree; `reduce` continues the tree over ranks, for a power of two of ranks. So the order of sums depends on S
# alone. Nothing is divided by the weight of the batch before the last sum: then all numbers are multiplied by its inverse.
#
#   shards     IN;  OUT: `sums` and `totals`, which `reduce` reads and writes
#   tree       the sums of whole subtrees: after shard number 5, of shards 0..3 at level 2 and of 4..5 at level 1
#   progress   INOUT: `part` is the shard of this rank and its rows in the batch; `loss` is its loss, in thread 0
#   lo, hi     the part of a region that this thread computes
#
# A shard without rows in a batch adds zeros: leaving it out could change the sign of a zero.

cdef inline Py_ssize_t used_rows(const Shards* s, Py_ssize_t shard, Py_ssize_t batch) noexcept nogil:
    """How many rows of a shard the first `batch` batches of an epoch have."""
    return min_((batch * s.batch_size + shard) // s.n_shards, s.lengths[shard])

cdef Py_ssize_t rows_before(const Shards* s, Py_ssize_t batch) noexcept nogil:
    """How many rows of all shards they have."""
    cdef Py_ssize_t shard, n = 0
    for shard in range(s.n_shards):
        n += used_rows(s, shard, batch)
    return n

cdef Py_ssize_t find_batch(const Shards* s, Py_ssize_t row) noexcept nogil:
    """The batch before which an epoch has used this many rows."""
    cdef Py_ssize_t low = 0, high = 1, middle
    if row == 0:
        return 0
    while rows_before(s, high) < row:
        high *= 2
    while low + 1 < high:               # rows_before(low) < row <= rows_before(high)
        middle = low + (high - low) // 2
        if rows_before(s, middle) < row:
            low = middle
        else:
            high = middle
    return high

cdef void set_shard(const Training* training, Progress* progress) noexcept nogil:
    """Let progress.part be the rows of its shard in this batch."""
    cdef const Shards* s = &training.shards
    cdef BatchPart* part = &progress.part
    cdef Py_ssize_t shard = s.first + part.shard
    part.row = part.first + used_rows(s, shard, part.batch)
    part.n_rows = part.first + used_rows(s, shard, part.batch + 1) - part.row

cdef void begin_batch(const Training* training, Progress* progress) noexcept nogil:
    """Set the next batch that has rows, and its first part."""
    cdef const Shards* s = &training.shards
    cdef BatchPart* part = &progress.part
    cdef Py_ssize_t shard
    while rows_before(s, part.batch + 1) == progress.row:
        part.batch += 1
    progress.n_rows = rows_before(s, part.batch + 1) - progress.row
    part.batch_row = 0
    for shard in range(s.first):
        part.batch_row += used_rows(s, shard, part.batch + 1) - used_rows(s, shard, part.batch)
    part.shard = 0
    part.first = 0
    set_shard(training, progress)

cdef bint next_shard(Training* training, int thread, Progress* progress) noexcept nogil:
    """Add the gradient of a shard to the tree. False: it was the last shard of this rank, and the sum is in
    buffers[0].grads."""
    cdef BatchPart* part = &progress.part
    add_to_tree(training, thread, progress)
    part.batch_row += part.n_rows
    part.first += training.shards.lengths[training.shards.first + part.shard]
    part.shard += 1
    progress.has_knots = part.shard < training.shards.n
    if part.shard == training.shards.n:
        part.batch += 1
        return False
    set_shard(training, progress)
    progress.loss = 0
    barrier_wait(&workspace_of(training).step_barrier, training.slice.n_threads)    # all have read this gradient
    return True

cdef void add_to_tree(Training* training, int thread, Progress* progress) noexcept nogil:
    """Add the gradient of the shard in buffers[0].grads to whole subtrees left of it, like the carries of a binary
    counter. The last shard is added to all."""
    cdef Workspace* workspace = workspace_of(training)
    cdef TreeSums* tree = &workspace.tree
    cdef Py_ssize_t size = parameters_of(training).region_size, shard = progress.part.shard, lo, hi
    cdef bint is_last = shard == training.shards.n - 1
    cdef real* grads = workspace.buffers.grads
    cdef double loss = progress.loss, weight = 0
    cdef int level = 0
    split_range(size, PANEL, thread, training.slice.n_threads, &lo, &hi)
    if progress.part.n_rows == 0 and lo < hi:
        memset(grads + lo, 0, (hi - lo) * sizeof(real))
    if thread == 0 and progress.part.n_rows > 0:
        weight = sum_of_weights(training, progress.part.row, progress.part.n_rows)
    while (shard >> level) & 1 or (is_last and shard >> level):
        if (shard >> level) & 1:
            add_region(tree.grads + level * size, grads, lo, hi)
            if thread == 0:
                loss = tree.loss[level] + loss
                weight = tree.weight[level] + weight
        level += 1
    if is_last:
        if thread == 0:
            progress.loss = loss
            workspace.decisions.batch_weight = weight
        return
    if lo < hi:
        memcpy(tree.grads + level * size + lo, grads + lo, (hi - lo) * sizeof(real))
    if thread == 0:
        tree.loss[level] = loss
        tree.weight[level] = weight

cdef inline void add_region(const real* left, real* right, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """right = left + right"""
    cdef Py_ssize_t i
    for i from lo <= i < hi by LANES:
        vstore(right + i, vadd(vload(left + i), vload(right + i)))

cdef void store_totals(Training* training, double loss, double weight) noexcept nogil:
    """OUT: shards.totals, or behind the gradient each as a number of its dtype and the rest."""
    cdef Shards* s = &training.shards
    cdef real* tail
    if s.totals != NULL:
        s.totals[0] = loss
        s.totals[1] = weight
        return
    tail = <real*>s.sums + n_params(&training.net)
    tail[0] = <real>loss
    tail[1] = <real>(loss - tail[0])
    tail[2] = <real>weight
    tail[3] = <real>(weight - tail[2])

cdef void load_totals(const Training* training, double* loss, double* weight) noexcept nogil:
    cdef const Shards* s = &training.shards
    cdef const real* tail
    if s.totals != NULL:
        loss[0] = s.totals[0]
        weight[0] = s.totals[1]
        return
    tail = <const real*>s.sums + n_params(&training.net)
    loss[0] = <double>tail[0] + tail[1]
    weight[0] = <double>tail[2] + tail[3]

cdef bint add_ranks(Training* training, int thread, Progress* progress) noexcept nogil:
    """Sum gradient, loss and weight over ranks, and divide them by the weight. False: drop the step."""
    cdef Workspace* workspace = workspace_of(training)
    cdef Shards* s = &training.shards
    cdef real* grads = workspace.buffers.grads
    cdef Py_ssize_t lo, hi, i
    cdef real inverse
    cdef int n_threads = training.slice.n_threads
    barrier_wait(&workspace.step_barrier, n_threads)
    if thread == 0:
        workspace.decisions.drop_after_sum = False
        if s.reduce != NULL:
            store_region(training, <real*>s.sums, grads)
            store_totals(training, progress.loss, workspace.decisions.batch_weight)
            set_mode(workspace.clock.caller[0])
            workspace.decisions.drop_after_sum = s.reduce(s.context)
            workspace.clock.caller[0] = enter_kernel_mode()
            load_region(training, <const real*>s.sums, grads)
            load_totals(training, &progress.loss, &workspace.decisions.batch_weight)
        if workspace.decisions.batch_weight == 0:           # as in total_weight
            workspace.decisions.batch_weight = 1
    barrier_wait(&workspace.step_barrier, n_threads)
    if workspace.decisions.drop_after_sum:
        return False
    progress.total_weight = workspace.decisions.batch_weight
    inverse = <real>(1 / progress.total_weight)
    progress.loss *= 1 / progress.total_weight
    split_range(parameters_of(training).region_size, PANEL, thread, n_threads, &lo, &hi)
    for i from lo <= i < hi by LANES:
        vstore(grads + i, vmul(vset(inverse), vload(grads + i)))
    if progress.is_scaled:
        add_shared_penalty(training, thread, progress)
    progress.bias_step = without_penalties(&progress.weight_step, &progress.unpenalized_step)
    barrier_wait(&workspace.step_barrier, n_threads)
    return True

# The loop calls them through pointers of which the compiler knows nothing. If they were part of it, the compiler would
# inline less of what steps without shards need: one of 3-4-1 took 4 % longer.

cdef struct ShardSteps:
    void (*begin_batch)(const Training*, Progress*) noexcept nogil
    bint (*next_shard)(Training*, int, Progress*) noexcept nogil
    bint (*add_ranks)(Training*, int, Progress*) noexcept nogil

cdef ShardSteps SHARD_STEPS
SHARD_STEPS.begin_batch = begin_batch
SHARD_STEPS.next_shard = next_shard
SHARD_STEPS.add_ranks = add_ranks

cdef inline const ShardSteps* shard_steps() noexcept nogil:
    return <const ShardSteps*>opaque(&SHARD_STEPS)

# ---- the order of the rows ----

cdef struct SplitMix:           # splitmix64 (Steele et al., 2014), as a Generator
    unsigned long long state

cdef unsigned int splitmix_uint32(void* state) noexcept nogil:
    return <unsigned int>(splitmix_uint64(state) >> 32)

cdef unsigned long long splitmix_uint64(void* state) noexcept nogil:
    cdef SplitMix* s = <SplitMix*>state
    s.state += <unsigned long long>0x9e3779b97f4a7c15ULL
    return mix(s.state)

cdef void shuffle_shards(Training* training, Py_ssize_t epoch) noexcept nogil:
    """Shuffle each shard by a hash of the seed, the epoch and its number."""
    cdef Shards* s = &training.shards
    cdef Py_ssize_t i, first = 0
    cdef SplitMix random
    cdef Generator g
    g.state = &random
    g.next_uint32 = splitmix_uint32
    g.next_uint64 = splitmix_uint64
    for i in range(s.n):
        random.state = mix_in(mix_in(s.seed, epoch), s.first + i)
        shuffle_rows(training, &g, first, s.lengths[s.first + i])
        first += s.lengths[s.first + i]
