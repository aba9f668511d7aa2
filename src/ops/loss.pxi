# Losses: the loss of every row and its gradient, in one pass over the outputs of the last layer.
#
#   lo, hi, c  rows lo..hi of a chunk, c outputs
#   A          IN: outputs, in panels, or a plain vector over the rows if c is 1. Losses that are fused with the output
#              activation take z instead: softmax + cross-entropy, sigmoid + BCE, exponential + Poisson.
#   Y, labels  IN: targets in A's layout, or class indices
#   weight     IN: w_i / sum(w) of the batch for each row, or 1/n without sample weights
#   row_loss   OUT: weight_i l_i; their sum is the loss of the batch
#   D          OUT: the gradient of A, in A's layout: weight_i dl_i/da, or weight_i dl_i/dz for the fused losses
#
# Order of sums: the outputs of a row in 16 lanes (sums.pxi); the rows of a chunk in 16 lanes; chunks in order.
#
# `loss_element` is the mathematics of all losses that treat each output alone. Its `kind` is a constant at every call,
# so the compiler keeps one branch. The fused losses never see a rounded probability.

cdef enum:
    WEIGHTED_BINARY_CROSS_ENTROPY = 100     # variants for LossOptions.numbers: the weight of label 1 of each output
    WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY

cdef struct LossOptions:
    const real* numbers     # a parameter of the loss for each output, padded to whole panels, or NULL
    real smoothing

cdef struct LossRows:       # the rows of a chunk; names as above
    Panels A                # IN
    const real* Y           # IN
    const long long* labels     # IN: NULL: read Y
    const real* weight      # IN
    real* row_loss          # OUT
    real* D                 # OUT
    const LossOptions* options

# generated: what a kernel must know, by src/generate.py from src/operations.py
cdef inline bint is_fused(int loss) noexcept nogil:
    """The loss takes z and its gradient is dL/dz: the last layer's activation is part of it."""
    return loss == LOGITS_BINARY_CROSS_ENTROPY or loss == CROSS_ENTROPY or loss == CLASS_CROSS_ENTROPY or loss == POISSON

cdef inline bint is_mean(int loss) noexcept nogil:
    """Whether a row's loss is the mean over outputs, not the sum."""
    return loss == SQUARED_ERROR or loss == ABSOLUTE_ERROR or loss == HUBER or loss == LOG_COSH or loss == QUANTILE
# end of what a kernel must know

cdef inline vec sign(vec a) noexcept nogil:
    """-1, 0 or 1; a NaN stays NaN, so that no gradient hides it"""
    cdef vec zero = vset(0)
    return vselect_gt(a, zero, vset(1), vselect_gt(zero, a, vset(-1), a))

cdef inline vec loss_element(int kind, vec a, vec y, vec p, real smoothing, vec* d) noexcept nogil:
    """The loss of one output, and its derivative in d. p: the output's number in LossOptions.

    For losses that are a mean over outputs, the caller divides the weight."""
    cdef vec zero = vset(0), one = vset(1), e, s, b, log_p, log_q
    cdef bint weighted = kind == WEIGHTED_BINARY_CROSS_ENTROPY or kind == WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY
    if weighted or kind == BINARY_CROSS_ENTROPY or kind == LOGITS_BINARY_CROSS_ENTROPY:
        y = vfma(vset(1 - smoothing), y, vset(<real>0.5 * smoothing))
    if kind == LOGITS_BINARY_CROSS_ENTROPY:         # max(z, 0) - z y + log(1 + exp(-|z|));  sigmoid(z) - y
        e = vexp(vsub(zero, vabs(a)))
        s = vdiv(vselect_gt(zero, a, e, one), vadd(one, e))
        d[0] = vsub(s, y)
        return vadd(vfnma(a, y, vmax(zero, a)), vlog1p_unit(e))
    if kind == WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY:
        # with t = p y, b = 1 - y:  (t + b) log(1 + exp(-|z|)) + b max(z, 0) + t max(-z, 0);  (t + b) sigmoid(z) - t
        e = vexp(vsub(zero, vabs(a)))
        s = vdiv(vselect_gt(zero, a, e, one), vadd(one, e))
        p = vmul(p, y)
        b = vsub(one, y)
        d[0] = vsub(vmul(vadd(p, b), s), p)
        return vfma(vadd(p, b), vlog1p_unit(e), vfma(b, vmax(zero, a), vmul(p, vmax(zero, vsub(zero, a)))))
    if kind == BINARY_CROSS_ENTROPY or kind == WEIGHTED_BINARY_CROSS_ENTROPY:
        # -t log a - b log(1 - a), log >= -100;  (b a - t (1 - a)) / max(a (1 - a), 1e-12)
        log_p = vmax(vset(-100), vlog(a))
        log_q = vmax(vset(-100), vlog1p(vsub(zero, a)))
        b = vsub(one, y)
        if weighted:
            y = vmul(p, y)
            d[0] = vsub(vmul(b, a), vmul(y, vsub(one, a)))
        else:
            d[0] = vsub(a, y)
        d[0] = vdiv(d[0], vmax(vset(<real>1e-12), vmul(a, vsub(one, a))))
        return vsub(zero, vfma(y, log_p, vmul(b, log_q)))
    if kind == POISSON:                             # exp(z) - y z;  exp(z) - y
        e = vexp(a)
        d[0] = vsub(e, y)
        return vfnma(a, y, e)
    s = vsub(a, y)
    if kind == ABSOLUTE_ERROR:                      # |a - y|
        d[0] = sign(s)
        return vabs(s)
    if kind == HUBER:                               # (a - y)^2 within delta, then its tangent delta (2 |a - y| - delta)
        b = vmax(vsub(zero, p), vmin(p, s))         # a - y, clipped to +-delta
        d[0] = vadd(b, b)
        return vmul(b, vsub(vadd(s, s), b))
    if kind == LOG_COSH:
        # log cosh d, d = a - y;  tanh d. |d| + log(1 + exp(-2 |d|)) - log 2 loses digits near 0, where
        # -log(1 - tanh^2 d) / 2 is used instead; exp overflows in neither
        d[0] = vtanh(s)
        b = vabs(s)
        e = vexp(vmul(vset(-2), b))
        log_p = vlog1p(vselect_gt(b, vset(<real>0.75), e, vsub(zero, vmul(d[0], d[0]))))
        log_q = vadd(vsub(b, vset(<real>0.6931471805599453)), log_p)
        return vselect_gt(b, vset(<real>0.75), log_q, vmul(vset(<real>-0.5), log_p))
    if kind == QUANTILE:                            # q (y - a) below y, (1 - q) (a - y) above
        d[0] = vselect_gt(s, zero, vsub(one, p), vselect_gt(zero, s, vsub(zero, p), s))     # NaN stays NaN
        return vmul(d[0], s)
    d[0] = vadd(s, s)                               # (a - y)^2;  2 (a - y)
    return vmul(s, s)

cdef inline void loss_vector(int kind, Py_ssize_t lo, Py_ssize_t hi, const LossRows* r) noexcept nogil:
    """One output: rows lo..hi, LANES at a time. Rows after hi exist in memory: only whole vectors are stored, so that
    the next load of a vector need not wait for several stores."""
    cdef const real* A = r.A.data
    cdef const real* Y = r.Y
    cdef const real* weight = r.weight
    cdef real* row_loss = r.row_loss
    cdef real* D = r.D
    cdef Py_ssize_t i
    cdef vec l, d, w, p = vset(r.options.numbers[0] if r.options.numbers != NULL else 0)
    cdef real smoothing = r.options.smoothing
    for i from lo <= i < hi by LANES:
        w = vload(weight + i)
        l = loss_element(kind, vload(A + i), vload(Y + i), p, smoothing, &d)
        vstore(row_loss + i, vmul(w, l))
        vstore(D + i, vmul(w, d))

cdef inline void loss_panels(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    """c outputs in panels, row by row."""
    cdef const real* A = r.A.data
    cdef const real* Y = r.Y
    cdef const real* numbers = r.options.numbers
    cdef const real* weight = r.weight
    cdef real* row_loss = r.row_loss
    cdef real* D = r.D
    cdef lanes16 sums
    cdef vec d, l, w
    cdef vec number = vset(0)
    cdef real smoothing = r.options.smoothing
    cdef Py_ssize_t i, j, k, p, stride = r.A.stride
    cdef int v
    for i in range(lo, hi):
        w = vset(weight[i] / <real>c if is_mean(kind) else weight[i])
        clear16(&sums)
        for j from 0 <= j < c by 16:
            for v in range(SUM_VECS):
                k = j + v * LANES
                if k < c:
                    p = column_offset(k, stride) + i * PANEL
                    if numbers != NULL:
                        number = vload(numbers + k)
                    l = loss_element(kind, vload(A + p), vload(Y + p), number, smoothing, &d)
                    add16(&sums, v, blend_first(vmul(w, l), c - k, vset(0)))
                    vstore(D + p, blend_first(vmul(w, d), c - k, vset(0)))
        row_loss[i] = total16(&sums)

cdef inline void loss_elements(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    if c == 1:
        loss_vector(kind, lo, hi, r)
    else:
        loss_panels(kind, lo, hi, c, r)

# ---- losses that couple the outputs of a row ----

cdef struct Labels:         # of one row, smoothed: factor y + uniform
    const real* y           # in panels; NULL: 0
    real factor, uniform

cdef inline vec smoothed_labels(Labels labels, Py_ssize_t p, Py_ssize_t n) noexcept nogil:
    """The first n lanes of the labels from offset p on; then 0."""
    cdef vec uniform = vset(labels.uniform)
    return blend_first(vfma(vset(labels.factor), vload(labels.y + p), uniform) if labels.y != NULL else uniform,
                       n, vset(0))

cdef struct TargetSums:     # over one row's smoothed labels y
    real y                  # sum y_j
    real below_max          # sum y_j (max z - z_j)

cdef inline TargetSums target_sums(Labels labels, const real* z, Py_ssize_t stride, Py_ssize_t c,
                                   real z_max) noexcept nogil:
    cdef lanes16 s, d
    cdef TargetSums sums
    cdef vec t = vset(z_max), a
    cdef Py_ssize_t j, p
    cdef int v
    clear16(&s)
    clear16(&d)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            p = column_offset(j + v * LANES, stride)
            a = smoothed_labels(labels, p, c - j - v * LANES)
            add16(&s, v, a)
            fma16(&d, v, a, vsub(t, vload(z + p)))
    sums.y = total16(&s)
    sums.below_max = total16(&d)
    return sums

cdef void cross_entropy(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    """l = sum_j y_j (log sum_k exp z_k - z_j);  dz = softmax(z) sum(y) - y.

    Targets: probabilities Y or class indices, with label smoothing s: (1 - s) y + s / c."""
    cdef const real* Z = r.A.data
    cdef const long long* labels = r.labels
    cdef const real* weight = r.weight
    cdef real* D = r.D
    cdef real smoothing = r.options.smoothing
    cdef bint is_sparse = labels != NULL and smoothing == 0     # y is 1 at the label and 0 elsewhere
    cdef Py_ssize_t i, j, k, n, p, first, stride = r.A.stride
    cdef TargetSums sums
    cdef Labels smoothed
    cdef vec factor, d
    # LANES rows at a time: their chains of operations overlap, and they share a logarithm and a division
    cdef real z_max[LANES]
    cdef real total[LANES]
    cdef real y[LANES]
    cdef real below_max[LANES]
    cdef real log_total[LANES]
    cdef real factors[LANES]
    smoothed.y = NULL
    smoothed.factor = 1 - smoothing
    smoothed.uniform = smoothing / <real>c
    for first from lo <= first < hi by LANES:
        n = min_(LANES, hi - first)
        for k in range(LANES):
            total[k] = 1
        for k in range(n):
            z_max[k] = row_max(Z + (first + k) * PANEL, stride, c)
        for k in range(n):
            total[k] = row_exp(Z + (first + k) * PANEL, D + (first + k) * PANEL, stride, c, z_max[k])
        for k in range(n):
            i = first + k
            sums.y = sums.below_max = 0
            if not is_sparse:
                if labels == NULL:
                    smoothed.y = r.Y + i * PANEL
                sums = target_sums(smoothed, Z + i * PANEL, stride, c, z_max[k])
            if labels != NULL:                      # z_max - z first: exact for large z
                sums.y += smoothed.factor
                sums.below_max += smoothed.factor * (z_max[k] - Z[column_offset(labels[i], stride) + i * PANEL])
            y[k] = sums.y
            below_max[k] = sums.below_max
        vstore(log_total, vlog(vload(total)))
        vstore(factors, vdiv(vmul(load_some(weight + first, n), vload_part(y, n)), vload(total)))
        for k in range(n):
            i = first + k
            r.row_loss[i] = weight[i] * (log_total[k] * y[k] + below_max[k])
            if labels == NULL:
                smoothed.y = r.Y + i * PANEL
            factor = vset(factors[k])
            for j from 0 <= j < c by LANES:
                p = column_offset(j, stride)
                d = vmul(factor, vload(D + p + i * PANEL))
                if not is_sparse:
                    d = vfnma(vset(weight[i]), smoothed_labels(smoothed, p, c - j), d)
                vstore(D + p + i * PANEL, d)
            if labels != NULL:
                D[column_offset(labels[i], stride) + i * PANEL] -= weight[i] * smoothed.factor

cdef void gaussian_nll(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    """Outputs: c/2 means mu, then c/2 logarithms s of variances.  l = sum_j (s_j + (y_j - mu_j)^2 exp(-s_j)) / 2;
    dmu = (mu - y) exp(-s);  ds = (1 - (y - mu)^2 exp(-s)) / 2.

    LANES rows at a time, since a row may have one mean only. The means of a row are summed in order."""
    cdef const real* A = r.A.data
    cdef const real* Y = r.Y
    cdef real* row_loss = r.row_loss
    cdef real* D = r.D
    cdef vec e, residual, q, w, half = vset(<real>0.5)
    cdef real mean[LANES]
    cdef real s[LANES]
    cdef real y[LANES]
    cdef Py_ssize_t i, j, m = c // 2, k, n, to_mean, to_s, stride = r.A.stride
    for i from lo <= i < hi by LANES:
        n = min_(LANES, hi - i)
        for j from 0 <= j < c by LANES:             # columns without an output stay 0
            for k in range(n):
                vstore(D + column_offset(j, stride) + (i + k) * PANEL, vset(0))
        for k in range(n):
            row_loss[i + k] = 0
        w = vload_part(r.weight + i, n)
        for j in range(m):
            to_mean = column_offset(j, stride) + i * PANEL
            to_s = column_offset(m + j, stride) + i * PANEL
            for k in range(LANES):
                mean[k] = A[to_mean + k * PANEL] if k < n else 0
                s[k] = A[to_s + k * PANEL] if k < n else 0
                y[k] = Y[to_mean + k * PANEL] if k < n else 0
            e = vexp(vsub(vset(0), vload(s)))
            residual = vsub(vload(mean), vload(y))
            q = vmul(vmul(residual, residual), e)
            vstore(y, vmul(w, vmul(half, vadd(vload(s), q))))
            vstore(mean, vmul(w, vmul(residual, e)))
            vstore(s, vmul(w, vmul(half, vsub(vset(1), q))))
            for k in range(n):
                row_loss[i + k] += y[k]
                D[to_mean + k * PANEL] = mean[k]
                D[to_s + k * PANEL] = s[k]

cdef void loss_forward_backward(int loss, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    """OUT: row_loss and D of rows lo..hi."""
    cdef bint weighted = r.options.numbers != NULL
    # generated: losses of single outputs, by src/generate.py from src/operations.py
    if loss == LOGITS_BINARY_CROSS_ENTROPY and weighted:
        loss_elements(WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY, lo, hi, c, r)
    elif loss == LOGITS_BINARY_CROSS_ENTROPY:
        loss_elements(LOGITS_BINARY_CROSS_ENTROPY, lo, hi, c, r)
    elif loss == BINARY_CROSS_ENTROPY and weighted:
        loss_elements(WEIGHTED_BINARY_CROSS_ENTROPY, lo, hi, c, r)
    elif loss == BINARY_CROSS_ENTROPY:
        loss_elements(BINARY_CROSS_ENTROPY, lo, hi, c, r)
    elif loss == SQUARED_ERROR:
        loss_elements(SQUARED_ERROR, lo, hi, c, r)
    elif loss == ABSOLUTE_ERROR:
        loss_elements(ABSOLUTE_ERROR, lo, hi, c, r)
    elif loss == HUBER:
        loss_elements(HUBER, lo, hi, c, r)
    elif loss == LOG_COSH:
        loss_elements(LOG_COSH, lo, hi, c, r)
    elif loss == QUANTILE:
        loss_elements(QUANTILE, lo, hi, c, r)
    elif loss == POISSON:
        loss_elements(POISSON, lo, hi, c, r)
    # end of losses of single outputs
    elif loss == GAUSSIAN:
        gaussian_nll(lo, hi, c, r)
    else:
        cross_entropy(lo, hi, c, r)

# ---- classes ----

cdef inline bint is_class_right(int loss, Py_ssize_t c, const LossRows* r, Py_ssize_t i) noexcept nogil:
    """Whether the predicted class of row i is that of its target; with binary cross-entropy, all c labels.

    A label is predicted if its probability is above 1/2, a class if it has the largest output (the first of equals). No
    NaN is right."""
    cdef Py_ssize_t j, p, best = 0, target = 0, stride = r.A.stride
    cdef const real* A = r.A.data
    cdef const real* Y = r.Y
    cdef real threshold = 0 if is_fused(loss) else <real>0.5
    if loss == BINARY_CROSS_ENTROPY or loss == LOGITS_BINARY_CROSS_ENTROPY:
        for j in range(c):
            p = i if c == 1 else column_offset(j, stride) + i * PANEL
            if (A[p] > threshold) != (Y[p] > <real>0.5) or A[p] != A[p]:
                return False
        return True
    for j in range(c):
        p = column_offset(j, stride) + i * PANEL
        if A[p] != A[p]:
            return False
        if A[p] > A[column_offset(best, stride) + i * PANEL]:
            best = j
        if r.labels == NULL and Y[p] > Y[column_offset(target, stride) + i * PANEL]:
            target = j
    return best == (target if r.labels == NULL else r.labels[i])
