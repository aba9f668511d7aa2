# Losses: the loss of every row and the gradient of the batch's loss, in one pass over the outputs of the last layer.
#
# Design: (a) `loss_element` says the mathematics of the losses that treat each output alone; its `kind` is a constant at every call.
# (b) Sigmoid + BCE and softmax + cross-entropy are fused: they take z, never a rounded probability, and give dL/dz. The others take a and
# give dL/da, which then goes through the activation's derivative. (c) Rows are weighted here once and for all: `weight` holds
# w_i / sum(w) of the batch (1/n without weights), so row_loss[i] = weight_i l_i and d = weight_i dl_i; their sums are the batch's.
# (d) Outputs lie in panels (a row's sum goes in 16 virtual lanes, fixed tree) or, with one output, in a plain vector over the rows.

cdef inline bint fused_with_output(int loss) noexcept nogil:
    """The loss takes z and its gradient is dL/dz: the last layer's activation is part of it."""
    return loss == LOGITS_BINARY_CROSS_ENTROPY or loss == CROSS_ENTROPY or loss == CLASS_CROSS_ENTROPY

cdef inline vec loss_element(int kind, vec a, vec y, vec* d) noexcept nogil:
    """One output's loss, and its derivative in d."""
    cdef vec zero = vset(0), one = vset(1), e, p, log_p, log_q
    if kind == LOGITS_BINARY_CROSS_ENTROPY:         # max(z, 0) - z y + log(1 + exp(-|z|));  sigmoid(z) - y
        e = vexp(vsub(zero, vabs(a)))
        p = vdiv(vselect_gt(zero, a, e, one), vadd(one, e))
        d[0] = vsub(p, y)
        return vadd(vfnma(a, y, vmax(zero, a)), vlog1p(e))
    if kind == BINARY_CROSS_ENTROPY:                # -y log p - (1 - y) log(1 - p), log >= -100;  (p - y) / max(p (1 - p), 1e-12)
        log_p = vmax(vset(-100), vlog(a))
        log_q = vmax(vset(-100), vlog1p(vsub(zero, a)))
        d[0] = vdiv(vsub(a, y), vmax(vset(<real>1e-12), vmul(a, vsub(one, a))))
        return vsub(zero, vfma(y, log_p, vmul(vsub(one, y), log_q)))
    p = vsub(a, y)                                  # (a - y)^2;  2 (a - y); the mean over outputs is in the weight
    d[0] = vadd(p, p)
    return vmul(p, p)

cdef inline void loss_vector(int kind, Py_ssize_t lo, Py_ssize_t hi, const real* A, const real* Y, const real* weight, real* row_loss,
                             real* D) noexcept nogil:
    """One output: rows lo..hi, LANES at a time."""
    cdef Py_ssize_t i
    cdef vec l, d, w
    i = lo
    while i + LANES <= hi:
        w = vload(weight + i)
        l = loss_element(kind, vload(A + i), vload(Y + i), &d)
        vstore(row_loss + i, vmul(w, l))
        vstore(D + i, vmul(w, d))
        i += LANES
    if i < hi:
        w = vload_part(weight + i, hi - i)
        l = loss_element(kind, vload_part(A + i, hi - i), vload_part(Y + i, hi - i), &d)
        vstore_part(row_loss + i, vmul(w, l), hi - i)
        vstore_part(D + i, vmul(w, d), hi - i)

cdef inline void loss_panels(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* A, Py_ssize_t stride, const real* Y,
                             const real* weight, real* row_loss, real* D) noexcept nogil:
    """c outputs in panels: row by row."""
    cdef vec sums[16]
    cdef vec d, l, w
    cdef real lanes[16]
    cdef Py_ssize_t i, j, k, p
    cdef int v
    for i in range(lo, hi):
        w = vset(weight[i] / <real>c if kind == SQUARED_ERROR else weight[i])
        for v in range(16 // LANES):
            sums[v] = vset(0)
        for j from 0 <= j < c by 16:
            for v in range(16 // LANES):
                k = j + v * LANES
                if k < c:
                    p = at(k, stride) + i * PANEL
                    l = loss_element(kind, vload(A + p), vload(Y + p), &d)
                    sums[v] = vadd(sums[v], real_lanes(vmul(w, l), c - k, vset(0)))
                    vstore(D + p, real_lanes(vmul(w, d), c - k, vset(0)))
        for v in range(16 // LANES):
            vstore(lanes + v * LANES, sums[v])
        row_loss[i] = sum16(lanes)

cdef inline void loss_elements(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* A, Py_ssize_t stride, const real* Y,
                               const real* weight, real* row_loss, real* D) noexcept nogil:
    if c == 1:
        loss_vector(kind, lo, hi, A, Y, weight, row_loss, D)
    else:
        loss_panels(kind, lo, hi, c, A, stride, Y, weight, row_loss, D)

cdef inline void target_sums(const real* y, const real* z, Py_ssize_t stride, Py_ssize_t c, real top, real* y_sum, real* below) noexcept nogil:
    """sum y_j and sum y_j (top - z_j) of one row, each in 16 virtual lanes."""
    cdef vec s[16]
    cdef vec d[16]
    cdef vec t = vset(top)
    cdef real lanes[16]
    cdef Py_ssize_t j, p
    cdef int v
    for v in range(16 // LANES):
        s[v] = d[v] = vset(0)
    for j from 0 <= j < c by 16:
        for v in range(16 // LANES):
            p = at(j + v * LANES, stride)
            s[v] = vadd(s[v], vload(y + p))
            d[v] = vfma(vload(y + p), vsub(t, vload(z + p)), d[v])
    for v in range(16 // LANES):
        vstore(lanes + v * LANES, s[v])
    y_sum[0] = sum16(lanes)
    for v in range(16 // LANES):
        vstore(lanes + v * LANES, d[v])
    below[0] = sum16(lanes)

cdef void cross_entropy(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* Z, Py_ssize_t stride, const real* Y, const long long* labels,
                        const real* weight, real* row_loss, real* D) noexcept nogil:
    """l = sum_j y_j (log sum_k exp z_k - z_j);  dz = softmax(z) sum(y) - y. Targets: rows Y of probabilities, or class numbers."""
    cdef Py_ssize_t i, j, p
    cdef real top, total, target_sum, below_top
    cdef vec factor
    cdef real lanes[LANES]
    for i in range(lo, hi):
        top = row_max(Z + i * PANEL, stride, c)
        total = row_exp(Z + i * PANEL, D + i * PANEL, stride, c, top)
        if labels != NULL:                          # z is subtracted from the row's maximum first: exact for large z
            target_sum = 1
            below_top = top - Z[at(labels[i], stride) + i * PANEL]
        else:
            target_sums(Y + i * PANEL, Z + i * PANEL, stride, c, top, &target_sum, &below_top)
        vstore(lanes, vlog(vset(total)))
        row_loss[i] = weight[i] * (lanes[0] * target_sum + below_top)
        factor = vset(weight[i] * target_sum / total)
        for j from 0 <= j < c by LANES:
            p = at(j, stride) + i * PANEL
            if labels != NULL:
                vstore(D + p, vmul(factor, vload(D + p)))
            else:
                vstore(D + p, vfnma(vset(weight[i]), vload(Y + p), vmul(factor, vload(D + p))))
        if labels != NULL:
            D[at(labels[i], stride) + i * PANEL] -= weight[i]

cdef void loss_forward_backward(int loss, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* A, Py_ssize_t stride, const real* Y,
                                const long long* labels, const real* weight, real* row_loss, real* D) noexcept nogil:
    """row_loss and D = dL/dA (dL/dz for the fused losses) of rows lo..hi with c outputs."""
    if loss == LOGITS_BINARY_CROSS_ENTROPY:
        loss_elements(LOGITS_BINARY_CROSS_ENTROPY, lo, hi, c, A, stride, Y, weight, row_loss, D)
    elif loss == BINARY_CROSS_ENTROPY:
        loss_elements(BINARY_CROSS_ENTROPY, lo, hi, c, A, stride, Y, weight, row_loss, D)
    elif loss == SQUARED_ERROR:
        loss_elements(SQUARED_ERROR, lo, hi, c, A, stride, Y, weight, row_loss, D)
    else:
        cross_entropy(lo, hi, c, A, stride, Y, labels, weight, row_loss, D)

cdef real sum_rows(const real* row_loss, Py_ssize_t n) noexcept nogil:
    """The sum of n numbers in 16 virtual lanes."""
    cdef vec sums[16]
    cdef real lanes[16]
    cdef Py_ssize_t i
    cdef int v
    for v in range(16 // LANES):
        sums[v] = vset(0)
    for i from 0 <= i < n by 16:
        for v in range(16 // LANES):
            if i + v * LANES < n:
                sums[v] = vadd(sums[v], vload_part(row_loss + i + v * LANES, n - i - v * LANES))
    for v in range(16 // LANES):
        vstore(lanes + v * LANES, sums[v])
    return sum16(lanes)
