# Losses: the loss of every row and the gradient of the batch's loss, in one pass over the outputs of the last layer.
#
# Design: (a) `loss_element` says the mathematics of the losses that treat each output alone; its `kind` is a constant at every call.
# (b) Sigmoid + BCE, softmax + cross-entropy and exponential + Poisson are fused: they take z, never a rounded probability, and give dL/dz.
# The others take a and give dL/da, which then goes through the activation's derivative. (c) Rows are weighted here once and for all:
# `weight` holds w_i / sum(w) of the batch (1/n without weights), so row_loss[i] = weight_i l_i and d = weight_i dl_i; their sums are the
# batch's. (d) Outputs lie in panels (a row's sum goes in 16 virtual lanes, fixed tree) or, with one output, in a plain vector over the
# rows. (e) What a loss wants to know besides is in `LossNumbers`: one number for each output, and the smoothing of labels.

cdef enum:
    WEIGHTED_BINARY_CROSS_ENTROPY = 100     # the two with loss_numbers: weights of the positive labels
    WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY

cdef struct LossNumbers:
    const real* numbers     # one for each output, padded to whole panels, or NULL
    real smoothing

cdef struct LossRows:       # what a loss reads and writes of a chunk's rows; Y and D in A's layout
    Panels A                # IN: outputs; z for the fused losses
    const real* Y           # IN: targets, or
    const long long* labels     # IN: class numbers; else NULL
    const real* weight      # IN: of each row
    real* row_loss          # OUT
    real* D                 # OUT: the gradient of A
    const LossNumbers* options

# generated: what a kernel must know, by src/generate.py from src/operations.py
cdef inline bint fused_with_output(int loss) noexcept nogil:
    """The loss takes z and its gradient is dL/dz: the last layer's activation is part of it."""
    return loss == LOGITS_BINARY_CROSS_ENTROPY or loss == CROSS_ENTROPY or loss == CLASS_CROSS_ENTROPY or loss == POISSON

cdef inline bint is_mean(int loss) noexcept nogil:
    """A row's loss is the mean over outputs, not the sum."""
    return loss == SQUARED_ERROR or loss == ABSOLUTE_ERROR or loss == HUBER or loss == LOG_COSH or loss == QUANTILE
# end of what a kernel must know

cdef inline vec sign(vec a) noexcept nogil:
    """-1, 0 or 1"""
    cdef vec zero = vset(0)
    return vselect_gt(a, zero, vset(1), vselect_gt(zero, a, vset(-1), zero))

cdef inline vec loss_element(int kind, vec a, vec y, vec p, real smoothing, vec* d) noexcept nogil:
    """One output's loss, and its derivative in d. p: the output's number in LossNumbers. The mean over outputs is in the weight."""
    cdef vec zero = vset(0), one = vset(1), e, s, b, log_p, log_q
    cdef bint weighted = kind == WEIGHTED_BINARY_CROSS_ENTROPY or kind == WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY
    if weighted or kind == BINARY_CROSS_ENTROPY or kind == LOGITS_BINARY_CROSS_ENTROPY:
        y = vfma(vset(1 - smoothing), y, vset(<real>0.5 * smoothing))
    if kind == LOGITS_BINARY_CROSS_ENTROPY:         # max(z, 0) - z y + log(1 + exp(-|z|));  sigmoid(z) - y
        e = vexp(vsub(zero, vabs(a)))
        s = vdiv(vselect_gt(zero, a, e, one), vadd(one, e))
        d[0] = vsub(s, y)
        return vadd(vfnma(a, y, vmax(zero, a)), vlog1p_unit(e))
    if kind == WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY:    # with t = p y, b = 1 - y:  (t + b) log(1 + exp(-|z|)) + b max(z, 0) + t max(-z, 0);
        e = vexp(vsub(zero, vabs(a)))                   # (t + b) sigmoid(z) - t
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
    if kind == HUBER:                               # (a - y)^2 within delta, then delta (2 |a - y| - delta): the tangent goes on
        b = vmax(vsub(zero, p), vmin(p, s))         # a - y, cut at delta
        d[0] = vadd(b, b)
        return vmul(b, vsub(vadd(s, s), b))
    if kind == LOG_COSH:                            # log cosh d, d = a - y;  tanh d. Near 0 -log(1 - tanh^2 d) / 2 keeps the digits
        d[0] = vtanh(s)                             # that |d| + log(1 + exp(-2 |d|)) - log 2 loses; far out exp overflows in neither
        b = vabs(s)
        e = vexp(vmul(vset(-2), b))
        log_p = vlog1p(vselect_gt(b, vset(<real>0.75), e, vsub(zero, vmul(d[0], d[0]))))
        log_q = vadd(vsub(b, vset(<real>0.6931471805599453)), log_p)
        return vselect_gt(b, vset(<real>0.75), log_q, vmul(vset(<real>-0.5), log_p))
    if kind == QUANTILE:                            # q (y - a) below y, (1 - q) (a - y) above
        d[0] = vselect_gt(s, zero, vsub(one, p), vselect_gt(zero, s, vsub(zero, p), zero))
        return vmul(d[0], s)
    d[0] = vadd(s, s)                               # (a - y)^2;  2 (a - y)
    return vmul(s, s)

cdef inline void loss_vector(int kind, Py_ssize_t lo, Py_ssize_t hi, const LossRows* r) noexcept nogil:
    """One output: rows lo..hi, LANES at a time. Those after hi exist in memory: whole vectors, which the next load can take over."""
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
    """c outputs in panels: row by row."""
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
                    p = at(k, stride) + i * PANEL
                    if numbers != NULL:
                        number = vload(numbers + k)
                    l = loss_element(kind, vload(A + p), vload(Y + p), number, smoothing, &d)
                    add16(&sums, v, real_lanes(vmul(w, l), c - k, vset(0)))
                    vstore(D + p, real_lanes(vmul(w, d), c - k, vset(0)))
        row_loss[i] = total16(&sums)

cdef inline void loss_elements(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    if c == 1:
        loss_vector(kind, lo, hi, r)
    else:
        loss_panels(kind, lo, hi, c, r)

# ---- losses that couple the outputs of a row ----

cdef inline vec label(const real* y, Py_ssize_t p, Py_ssize_t n, real keep, real part) noexcept nogil:
    """The first n lanes of a row's smoothed labels, then 0: keep y + part; y NULL: the part that every class gets."""
    return real_lanes(vfma(vset(keep), vload(y + p), vset(part)) if y != NULL else vset(part), n, vset(0))

cdef struct TargetSums:     # of one row's smoothed labels y, each in 16 virtual lanes
    real y                  # sum y_j
    real below_top          # sum y_j (max z - z_j)

cdef inline TargetSums target_sums(const real* y, const real* z, Py_ssize_t stride, Py_ssize_t c, real keep, real part, real top) noexcept nogil:
    cdef lanes16 s, d
    cdef TargetSums sums
    cdef vec t = vset(top), a
    cdef Py_ssize_t j, p
    cdef int v
    clear16(&s)
    clear16(&d)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            p = at(j + v * LANES, stride)
            a = label(y, p, c - j - v * LANES, keep, part)
            add16(&s, v, a)
            fma16(&d, v, a, vsub(t, vload(z + p)))
    sums.y = total16(&s)
    sums.below_top = total16(&d)
    return sums

cdef void cross_entropy(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    """l = sum_j y_j (log sum_k exp z_k - z_j);  dz = softmax(z) sum(y) - y. Targets: rows Y of probabilities, or class numbers; smoothed:
    (1 - s) y + s / c."""
    cdef const real* Z = r.A.data
    cdef const long long* labels = r.labels
    cdef const real* weight = r.weight
    cdef real* D = r.D
    cdef real smoothing = r.options.smoothing
    cdef Py_ssize_t i, j, p, stride = r.A.stride
    cdef real top, total, keep = 1 - smoothing, part = smoothing / <real>c
    cdef TargetSums sums
    cdef const real* y = NULL
    cdef vec factor, d
    cdef real lanes[LANES]
    for i in range(lo, hi):
        top = row_max(Z + i * PANEL, stride, c)
        total = row_exp(Z + i * PANEL, D + i * PANEL, stride, c, top)
        sums.y = sums.below_top = 0
        if labels == NULL:
            y = r.Y + i * PANEL
        if labels == NULL or smoothing != 0:
            sums = target_sums(y, Z + i * PANEL, stride, c, keep, part, top)
        if labels != NULL:                          # z is subtracted from the row's maximum first: exact for large z
            sums.y += keep
            sums.below_top += keep * (top - Z[at(labels[i], stride) + i * PANEL])
        vstore(lanes, vlog(vset(total)))
        r.row_loss[i] = weight[i] * (lanes[0] * sums.y + sums.below_top)
        factor = vset(weight[i] * sums.y / total)
        for j from 0 <= j < c by LANES:
            p = at(j, stride)
            d = vmul(factor, vload(D + p + i * PANEL))
            if labels == NULL or smoothing != 0:
                d = vfnma(vset(weight[i]), label(y, p, c - j, keep, part), d)
            vstore(D + p + i * PANEL, d)
        if labels != NULL:
            D[at(labels[i], stride) + i * PANEL] -= weight[i] * keep

cdef void gaussian(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const LossRows* r) noexcept nogil:
    """Outputs: c/2 means mu, then as many logarithms s of variances.  l = sum_j (s_j + (y_j - mu_j)^2 exp(-s_j)) / 2;
    dmu = (mu - y) exp(-s);  ds = (1 - (y - mu)^2 exp(-s)) / 2. LANES rows at once, since a row may have one mean only."""
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
        n = least(LANES, hi - i)
        for j from 0 <= j < c by LANES:             # what no column fills stays 0
            for k in range(n):
                vstore(D + at(j, stride) + (i + k) * PANEL, vset(0))
        for k in range(n):
            row_loss[i + k] = 0
        w = vload_part(r.weight + i, n)
        for j in range(m):
            to_mean = at(j, stride) + i * PANEL
            to_s = at(m + j, stride) + i * PANEL
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
    """row_loss and D = dL/dA (dL/dz for the fused losses) of rows lo..hi with c outputs."""
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
        gaussian(lo, hi, c, r)
    else:
        cross_entropy(lo, hi, c, r)
