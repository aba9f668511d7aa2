# Activations and their derivatives.
#
# Design: (a) `activate` and `derivative` say the mathematics for one vec; their `kind` is a constant at every call, so the compiler keeps
# one branch. (b) The loops run over a contiguous run of numbers: a flat array, or a tile of a panel just written by a product, still in
# L1. (c) A derivative is read from the output a where it can be (sigmoid, relu, tanh, leaky_relu, elu, exponential), so that z need not be kept;
# softplus, gelu and silu read z. (d) Softmax couples the outputs of a row; it has functions of
# its own, on rows; only where a row is one number it is a case like the others.

cdef inline bint reads_input(int kind) noexcept nogil:
    """Whether `derivative` wants z rather than a."""
    return kind == SOFTPLUS or kind == GELU or kind == SILU

cdef inline bint fills_padding(int kind) noexcept nogil:
    """f(0) != 0: zero columns of a panel don't stay zero."""
    return kind == SIGMOID or kind == SOFTPLUS or kind == EXPONENTIAL

cdef inline vec activate(int kind, vec z) noexcept nogil:
    """a = f(z)"""
    cdef vec zero = vset(0), one = vset(1), t
    if kind == SIGMOID:                         # 1 / (1 + exp(-z))
        return vsigmoid(z)
    if kind == RELU:                            # max(0, z); a NaN stays NaN
        return vmax(zero, z)
    if kind == TANH:
        return vtanh(z)
    if kind == LEAKY_RELU:
        return vselect_gt(z, zero, z, vmul(vset(<real>0.01), z))
    if kind == ELU:                             # exp(z) - 1 = 2 t / (1 - t), t = tanh(z/2): exact to rounding near 0 too
        t = vtanh(vmul(vset(<real>0.5), vmin(zero, z)))
        return vselect_gt(z, zero, z, vdiv(vadd(t, t), vsub(one, t)))
    if kind == SOFTPLUS:                        # log(1 + exp(z))
        return vadd(vmax(zero, z), vlog1p(vexp(vsub(zero, vabs(z)))))
    if kind == GELU:                            # z Phi(z), Phi the normal distribution function
        return vmul(z, normal_cdf(z))
    if kind == SILU:
        return vmul(z, vsigmoid(z))
    if kind == EXPONENTIAL:
        return vexp(z)
    if kind == SOFTMAX:                         # of a row of one number: 1, or NaN where that is not finite
        return vadd(vsub(z, z), one)
    return z

cdef inline vec derivative(int kind, vec s) noexcept nogil:
    """f'(z), from s = z where reads_input(kind), else from s = a; relu's is in `chain`"""
    cdef vec zero = vset(0), one = vset(1), p
    if kind == SIGMOID:
        return vmul(s, vsub(one, s))
    if kind == TANH:
        return vfnma(s, s, one)
    if kind == LEAKY_RELU:
        return vselect_gt(s, zero, one, vset(<real>0.01))
    if kind == ELU:
        return vselect_gt(s, zero, one, vadd(s, one))
    if kind == SOFTPLUS:
        return vsigmoid(s)
    if kind == GELU:                            # Phi(z) + z phi(z), phi = exp(-z^2/2) / sqrt(2 pi)
        p = vmul(vset(<real>0.3989422804014327), vexp(vmul(vset(<real>-0.5), vmul(s, s))))
        return vfma(s, p, normal_cdf(s))
    if kind == SILU:                            # sigma (1 + z (1 - sigma))
        p = vsigmoid(s)
        return vmul(p, vfma(s, vsub(one, p), one))
    if kind == EXPONENTIAL:
        return s
    return zero if kind == SOFTMAX else one

cdef inline vec normal_cdf(vec z) noexcept nogil:
    return vfma(vset(<real>0.5), verf(vmul(z, vset(<real>0.7071067811865476))), vset(<real>0.5))

cdef inline void forward_run(int kind, const real* z, real* a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, whole = n // LANES * LANES
    for i from 0 <= i < whole by LANES:
        vstore(a + i, activate(kind, vload(z + i)))
    if whole < n:
        vstore_part(a + whole, activate(kind, vload_part(z + whole, n - whole)), n - whole)

cdef inline vec chain(int kind, vec da, vec s) noexcept nogil:
    """da f'(.), where relu gives 0 even for an infinite da: nothing passes it"""
    if kind == RELU:
        return vselect_gt(s, vset(0), da, vset(0))
    return vmul(da, derivative(kind, s))

cdef inline void backward_run(int kind, const real* s, const real* da, real* dz, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, whole = n // LANES * LANES
    for i from 0 <= i < whole by LANES:
        vstore(dz + i, chain(kind, vload(da + i), vload(s + i)))
    if whole < n:
        vstore_part(dz + whole, chain(kind, vload_part(da + whole, n - whole), vload_part(s + whole, n - whole)), n - whole)

cdef void activation_forward(int kind, const real* z, real* a, Py_ssize_t n) noexcept nogil:
    """a = f(z) for n numbers; a may be z."""
    if kind == SIGMOID: forward_run(SIGMOID, z, a, n)
    elif kind == RELU: forward_run(RELU, z, a, n)
    elif kind == TANH: forward_run(TANH, z, a, n)
    elif kind == LEAKY_RELU: forward_run(LEAKY_RELU, z, a, n)
    elif kind == ELU: forward_run(ELU, z, a, n)
    elif kind == SOFTPLUS: forward_run(SOFTPLUS, z, a, n)
    elif kind == GELU: forward_run(GELU, z, a, n)
    elif kind == SILU: forward_run(SILU, z, a, n)
    elif kind == EXPONENTIAL: forward_run(EXPONENTIAL, z, a, n)
    elif kind == SOFTMAX: forward_run(SOFTMAX, z, a, n)
    elif z != a: memcpy(a, z, n * sizeof(real))

cdef void activation_backward(int kind, const real* s, const real* da, real* dz, Py_ssize_t n) noexcept nogil:
    """dz = da * f'(z) for n numbers, s as in `derivative`; dz may be da."""
    if kind == SIGMOID: backward_run(SIGMOID, s, da, dz, n)
    elif kind == RELU: backward_run(RELU, s, da, dz, n)
    elif kind == TANH: backward_run(TANH, s, da, dz, n)
    elif kind == LEAKY_RELU: backward_run(LEAKY_RELU, s, da, dz, n)
    elif kind == ELU: backward_run(ELU, s, da, dz, n)
    elif kind == SOFTPLUS: backward_run(SOFTPLUS, s, da, dz, n)
    elif kind == GELU: backward_run(GELU, s, da, dz, n)
    elif kind == SILU: backward_run(SILU, s, da, dz, n)
    elif kind == EXPONENTIAL: backward_run(EXPONENTIAL, s, da, dz, n)
    elif kind == SOFTMAX: backward_run(SOFTMAX, s, da, dz, n)
    elif da != dz: memcpy(dz, da, n * sizeof(real))

# ---- softmax: rows of c numbers in panels (a contiguous row is a panel matrix with stride PANEL) ----

cdef inline vec real_lanes(vec a, Py_ssize_t n, vec other) noexcept nogil:
    """Lanes 0..n-1 of a, then those of `other`."""
    return a if n >= LANES else vselect_gt(vset(<real>n), vload(LANE_NUMBERS), a, other)

cdef inline real row_max(const real* z, Py_ssize_t stride, Py_ssize_t c) noexcept nogil:
    cdef vec m = vset(-INFINITY)
    cdef real lanes[16]
    cdef real top = -INFINITY
    cdef Py_ssize_t j
    cdef int v
    for j from 0 <= j < c by LANES:
        m = vmax(m, real_lanes(vload(z + at(j, stride)), c - j, vset(-INFINITY)))
    vstore(lanes, m)
    for v in range(LANES):
        if lanes[v] > top:
            top = lanes[v]
    return top

cdef inline real row_exp(const real* z, real* e, Py_ssize_t stride, Py_ssize_t c, real top) noexcept nogil:
    """e = exp(z - top), padding 0; returns the row's sum, in 16 virtual lanes. e may be z."""
    cdef vec sums[16]
    cdef vec t = vset(top), x
    cdef real lanes[16]
    cdef Py_ssize_t j
    cdef int v
    for v in range(16 // LANES):
        sums[v] = vset(0)
    for j from 0 <= j < c by 16:
        for v in range(16 // LANES):
            if j + v * LANES < c:
                x = real_lanes(vexp(vsub(vload(z + at(j + v * LANES, stride)), t)), c - j - v * LANES, vset(0))
                vstore(e + at(j + v * LANES, stride), x)
                sums[v] = vadd(sums[v], x)
    for v in range(16 // LANES):
        vstore(lanes + v * LANES, sums[v])
    return sum16(lanes)

cdef void softmax_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, real* z, Py_ssize_t stride) noexcept nogil:
    """a_j = exp(z_j - max z) / sum exp(z - max z), rows lo..hi, in place."""
    cdef Py_ssize_t i, j
    cdef vec inverse
    cdef real* row
    for i in range(lo, hi):
        row = z + i * PANEL
        inverse = vset(1 / row_exp(row, row, stride, c, row_max(row, stride, c)))
        for j from 0 <= j < c by LANES:
            vstore(row + at(j, stride), vmul(vload(row + at(j, stride)), inverse))

cdef void softmax_backward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* a, real* d, Py_ssize_t stride) noexcept nogil:
    """dz_j = a_j (da_j - sum_k a_k da_k), rows lo..hi, in place in d."""
    cdef Py_ssize_t i, j
    cdef vec sums[16]
    cdef vec mean
    cdef real lanes[16]
    cdef int v
    cdef Py_ssize_t p
    for i in range(lo, hi):
        for v in range(16 // LANES):
            sums[v] = vset(0)
        for j from 0 <= j < c by 16:
            for v in range(16 // LANES):
                p = at(j + v * LANES, stride) + i * PANEL
                sums[v] = vfma(vload(a + p), vload(d + p), sums[v])
        for v in range(16 // LANES):
            vstore(lanes + v * LANES, sums[v])
        mean = vset(sum16(lanes))
        for j from 0 <= j < c by LANES:
            p = at(j, stride) + i * PANEL
            vstore(d + p, vmul(vload(a + p), vsub(vload(d + p), mean)))
