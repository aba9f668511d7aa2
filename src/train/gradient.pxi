# The gradient of a batch.
#
# A batch is worked in chunks of CHUNK rows, whose gradients are added in their order: no sum depends on the number of threads. Threads share
# a chunk, with a barrier after each of its two phases (chunk.pxi); or, in a batch of several chunks and a network of SMALL weights, each takes
# whole chunks: then no thread reads what another has written but the sums, which they add together. (4-32-16-4, 10,000 rows a batch: two
# threads do 1.15 times as much as one if they share chunks, 1.85 times if each has its own.)
# A custom loss wants the outputs of the whole batch: they are computed first, then once more on the way back of each chunk, unless there is
# only one.

cdef struct Progress:       # of one thread in its slice; each counts for itself
    Py_ssize_t step, epoch, row     # whole steps and epochs done; first row of the batch
    Py_ssize_t n            # rows of the batch
    double total            # by which its sums are divided: the sum of the weights
    double loss             # its sum of w_i l_i / total so far; thread 0 knows it
    double penalty          # what shared_l2 adds to the loss
    double shrink, reported     # by gradient_scale; from such a loss to the one that is reported
    bint scaled             # these, or a penalty, change the loss
    bint entering           # the slice begins
    Py_ssize_t look, looked     # steps between two looks at the clock: about 20 us; steps since the last
    long long began
    Step numbers, numbers_without_penalties
    const Step* bias_numbers

cdef inline double or_one(double scale) noexcept nogil:
    return scale if scale != 0 else 1

cdef double total_weight(const Training* job, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """The sum of the batch's weights (1 if they are all 0: such a batch has no loss and no gradient); n without weights."""
    cdef const Data* data = &job.data
    cdef Py_ssize_t i
    cdef double total = 0
    if not has_row_losses(job):
        return 1
    if data.sample_weight == NULL:
        return n
    for i in range(first, first + n):
        total += (<const real*>data.sample_weight)[data.order[i] if data.order != NULL else i]
    return total if total != 0 else 1

cdef inline bint all_go_on(Workspace* s, int thread, int n_threads, int* drop) noexcept nogil:
    """A barrier. False: the step is to be dropped."""
    if thread == 0:
        drop[0] = s.abort
    barrier_wait(&s.meeting, n_threads)
    return not drop[0]

cdef bint evaluate_custom_loss(Training* job, int thread, Progress* my) noexcept nogil:
    """The outputs of the batch, and what the custom loss says of them. False: the step is to be dropped."""
    cdef Workspace* s = workspace(job)
    cdef const CustomLoss* custom = &job.objective.custom
    cdef Py_ssize_t c, lo, hi, n_out = job.net.sizes[job.net.n_layers]
    cdef Space* space = s.spaces
    cdef Place place
    place.step = my.step
    place.row = my.row
    for c from 0 <= c < my.n by CHUNK:
        share(least(CHUNK, my.n - c), ROW_SHARE, thread, job.slice.n_threads, &lo, &hi)
        if lo < hi:
            gather_rows(job, space, my.row + c, lo, hi, 1)
            place.in_batch = c
            forward_rows(job, space, thread, place, lo, hi)
            scatter(lo, hi, n_out, space.Y, space.output_row, <real*>custom.outputs + c * n_out)
        barrier_wait(&s.meeting, job.slice.n_threads)
    if thread == 0:
        s.decided.drop_outputs = flag_get(&s.abort) or custom.evaluate(custom.context, my.row, my.n, &my.loss)
        if s.decided.drop_outputs:
            flag_set(&s.abort, 1)
    barrier_wait(&s.meeting, job.slice.n_threads)
    return not s.decided.drop_outputs

cdef bint batch_gradient(Training* job, int thread, Progress* my) noexcept nogil:
    """Of the batch that begins with my.row; where phase B updates in place, the update too. False: the step is to be dropped."""
    cdef Workspace* s = workspace(job)
    cdef int n_threads = job.slice.n_threads, part = thread, parts = n_threads
    cdef Py_ssize_t c = 0, n = my.n, at_once = least(s.n_spaces, n_threads), m, mine
    cdef bint apart = False, custom = job.objective.loss == CUSTOM_LOSS
    cdef const Step* step = &my.numbers if parameters(job).in_place else NULL
    cdef Space* space = s.spaces
    cdef Place place
    cdef double loss
    place.step = my.step
    if custom and not evaluate_custom_loss(job, thread, my):
        return False
    loss = my.loss
    while c < n:
        m = mine = least(CHUNK, n - c)
        if at_once > 1:
            apart = 4 * (n - c) >= 3 * at_once * CHUNK      # a chunk each, if most threads get one
            space = s.spaces + thread if apart else s.spaces
            part = 0 if apart else thread
            parts = 1 if apart else n_threads
            if apart:
                m = least(at_once * CHUNK, n - c)
                mine = least(CHUNK, m - thread * CHUNK)     # rows; none, or fewer, for those that have come too late
        place.in_batch = c + thread * CHUNK if apart else c
        place.row = my.row + place.in_batch
        if mine > 0 and parts == 1 and is_in_place(job, space, mine):   # here, not in chunk_rows, which it made slower by 1 to 2 %
            loss_in_place(job, space, place, mine, my.total)
        elif mine > 0:
            chunk_rows(job, space, part, parts, place, mine, my.total, custom and n <= CHUNK)
        if not apart and not all_go_on(s, thread, n_threads, &s.decided.drop_rows):
            return False
        if not apart and thread == 0 and has_row_losses(job):
            loss += sum_numbers(space.row_loss, m)
        if mine > 0:
            chunk_weights(job, space, part, parts, mine, c > 0 and space == s.spaces, step, my.bias_numbers)
        c += m
        if step != NULL:                                    # one chunk, and the step's own barrier follows
            break
        if not all_go_on(s, thread, n_threads, &s.decided.drop_weights):
            return False
        if apart:
            add_chunks(job, thread, m, &loss)
            barrier_wait(&s.meeting, n_threads)
    my.loss = loss
    return True

cdef void add_chunks(Training* job, int thread, Py_ssize_t n, double* loss) noexcept nogil:
    """What threads had apart of n rows, in the order of their chunks: losses, and a part of the gradients."""
    cdef Workspace* s = workspace(job)
    cdef Py_ssize_t lo, hi, i
    cdef int k
    cdef real* sums = s.spaces.grads
    share(parameters(job).region, PANEL, thread, job.slice.n_threads, &lo, &hi)
    for k in range((n + CHUNK - 1) // CHUNK):
        if thread == 0 and has_row_losses(job):
            loss[0] += sum_numbers(s.spaces[k].row_loss, least(CHUNK, n - k * CHUNK))
        if k > 0:
            for i from lo <= i < hi by LANES:
                vstore(sums + i, vadd(vload(sums + i), vload(s.spaces[k].grads + i)))
