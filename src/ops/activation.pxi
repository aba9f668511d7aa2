# Activations and their derivatives: a = f(z), dz = da f'(z).
#
#   z, a       inputs and outputs of an activation; da, dz: their gradients
#   s          what the derivative reads: z where reads_input(kind) (generated from src/operations.py), else a. Most
#              activations have f'(z) from a, so z need not be kept.
#   n, stride  n contiguous numbers; from one vec to the next: LANES, or more if n is a multiple of LANES
#   lo, hi, c  rows lo..hi of c columns in panels (panels.pxi)
#   IN         z, s, da;  OUT: a, dz.  a may be z and dz may be da.  In panels, D is INOUT: dz = da f'(z) in place.
#
# Order of sums (softmax only): along the row, in 16 lanes (sums.pxi).
#
# `activate` and `derivative` are the mathematics for one vec. Their `kind` is a constant at every call, so the compiler
# keeps one branch. The loops run over contiguous spans: a flat array, or a tile of a panel that a product has just left
# in L1. Softmax couples the outputs of a row and has separate functions. Only for rows of one number it is a case of
# `activate`.

# generated: what a kernel must know, by src/generate.py from src/operations.py
cdef inline bint reads_input(int kind) noexcept nogil:
    """Whether `derivative` needs z instead of a."""
    return kind == SOFTPLUS or kind == GELU or kind == SILU or kind == MISH

cdef inline bint fills_padding(int kind) noexcept nogil:
    """Whether f(0) != 0, so that the zero padding of a panel does not stay zero."""
    return kind == SIGMOID or kind == SOFTPLUS or kind == EXPONENTIAL
# end of what a kernel must know

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
    if kind == ELU:                             # exp(z) - 1 = 2 t / (1 - t), t = tanh(z/2): accurate near 0 too
        t = vtanh(vmul(vset(<real>0.5), vmin(zero, z)))
        return vselect_gt(z, zero, z, vdiv(vadd(t, t), vsub(one, t)))
    if kind == SOFTPLUS:                        # log(1 + exp(z))
        return vadd(vmax(zero, z), vlog1p_unit(vexp(vsub(zero, vabs(z)))))
    if kind == GELU:                            # z Phi(z), Phi the normal distribution function
        return vmul(z, normal_cdf(z))
    if kind == SILU:
        return vmul(z, vsigmoid(z))
    if kind == EXPONENTIAL:
        return vexp(z)
    if kind == SELU:                            # s z above 0, s alpha (exp(z) - 1) below (Klambauer et al., 2017)
        t = vcopysign(expm1_negative(vmax(by_dtype(-87, -700), vmin(zero, z))), z)
        return vmul(vselect_gt(z, zero, vset(<real>1.0507009873554805), vset(<real>1.7580993408473766)),
                    vselect_gt(z, zero, z, t))
    if kind == MISH:                            # z tanh(softplus(z)) (Misra, 2019)
        return vmul(z, tanh_softplus(z, vexp(vsub(zero, vabs(z))), &t))
    if kind == SOFTMAX:                         # a row of one number: 1, or NaN if z is not finite
        return vadd(vsub(z, z), one)
    return z

cdef inline vec derivative(int kind, vec s) noexcept nogil:
    """f'(z), from s = z where reads_input(kind), else from s = a; for relu see `times_derivative`"""
    cdef vec zero = vset(0), one = vset(1), p, e, t
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
    if kind == SELU:
        return vselect_gt(s, zero, vset(<real>1.0507009873554805), vadd(s, vset(<real>1.7580993408473766)))
    if kind == MISH:                            # t + z (1 - t^2) sigmoid(z), 1 - t^2 = (1 - t) (1 + t)
        e = vexp(vsub(zero, vabs(s)))
        t = tanh_softplus(s, e, &p)
        return vfma(s, vmul(vmul(p, vadd(one, t)), vdiv(vselect_gt(s, zero, one, e), vadd(one, e))), t)
    return zero if kind == SOFTMAX else one

cdef inline vec second_derivative(int kind, vec s) noexcept nogil:
    """f''(z), from the same s as f'(z). At a kink, and for identity, relu and leaky_relu everywhere, it is 0."""
    cdef vec zero = vset(0), one = vset(1), p, e, t
    if kind == SIGMOID:                         # a (1 - a) (1 - 2 a)
        return vmul(vmul(s, vsub(one, s)), vfnma(vset(2), s, one))
    if kind == TANH:                            # -2 a (1 - a^2)
        return vmul(vmul(vset(-2), s), vfnma(s, s, one))
    if kind == ELU:
        return vselect_gt(s, zero, zero, vadd(s, one))
    if kind == SOFTPLUS:                        # sigma (1 - sigma)
        return vmul(vsigmoid(s), vsigmoid(vsub(zero, s)))
    if kind == GELU:                            # (2 - z^2) phi(z)
        p = vmul(vset(<real>0.3989422804014327), vexp(vmul(vset(<real>-0.5), vmul(s, s))))
        return vmul(vfnma(s, s, vset(2)), p)
    if kind == SILU:                            # sigma (1 - sigma) (2 + z (1 - 2 sigma))
        p = vsigmoid(s)
        e = vsigmoid(vsub(zero, s))
        return vmul(vmul(p, e), vfma(s, vsub(e, p), vset(2)))
    if kind == EXPONENTIAL:
        return s
    if kind == SELU:
        return vselect_gt(s, zero, zero, vadd(s, vset(<real>1.7580993408473766)))
    if kind == MISH:                            # (1 - t^2) sigma (2 + z (1 - sigma - 2 t sigma)), see `derivative`
        e = vsigmoid(vsub(zero, s))
        t = tanh_softplus(s, vexp(vsub(zero, vabs(s))), &p)
        p = vmul(vmul(p, vadd(one, t)), vsub(one, e))
        return vmul(p, vfma(s, vfnma(vadd(t, t), vsub(one, e), e), vset(2)))
    return zero

cdef inline vec third_derivative(int kind, vec s) noexcept nogil:
    """f'''(z), from the same s; 0 where f''(z) is 0 beside a kink."""
    cdef vec zero = vset(0), one = vset(1), p, e, t, q
    if kind == SIGMOID:                         # p (1 - 6 p), p = a (1 - a)
        p = vmul(s, vsub(one, s))
        return vmul(p, vfnma(vset(6), p, one))
    if kind == TANH:                            # -2 (1 - a^2) (1 - 3 a^2)
        p = vmul(s, s)
        return vmul(vmul(vset(-2), vsub(one, p)), vfnma(vset(3), p, one))
    if kind == SOFTPLUS:                        # sigma (1 - sigma) (1 - 2 sigma)
        p = vsigmoid(s)
        e = vsigmoid(vsub(zero, s))
        return vmul(vmul(p, e), vsub(e, p))
    if kind == GELU:                            # z (z^2 - 4) phi(z)
        p = vmul(vset(<real>0.3989422804014327), vexp(vmul(vset(<real>-0.5), vmul(s, s))))
        return vmul(vmul(s, p), vfma(s, s, vset(-4)))
    if kind == SILU:                            # p (3 (1 - 2 sigma) + z (1 - 6 p)), p = sigma (1 - sigma)
        p = vsigmoid(s)
        e = vsigmoid(vsub(zero, s))
        t = vmul(p, e)
        return vmul(t, vfma(vset(3), vsub(e, p), vmul(s, vfnma(vset(6), t, one))))
    if kind == MISH:                            # t' (3 q + z (q^2 + q')), q = 1 - sigma - 2 t sigma = t'' / t',
        e = vsigmoid(vsub(zero, s))             # q' = -sigma ((1 - sigma) (1 + 2 t) + 2 t'), t' = (1 - t^2) sigma
        t = tanh_softplus(s, vexp(vsub(zero, vabs(s))), &p)
        p = vmul(vmul(p, vadd(one, t)), vsub(one, e))
        q = vfnma(vadd(t, t), vsub(one, e), e)
        t = vmul(vsub(e, one), vfma(e, vadd(one, vadd(t, t)), vadd(p, p)))
        return vmul(p, vfma(vset(3), q, vmul(s, vfma(q, q, t))))
    return second_derivative(kind, s)           # exponential, elu and selu, which are exponentials or lines

cdef inline vec normal_cdf(vec z) noexcept nogil:
    return vfma(vset(<real>0.5), verf(vmul(z, vset(<real>0.7071067811865476))), vset(<real>0.5))

cdef inline vec tanh_softplus(vec z, vec e, vec* rest) noexcept nogil:
    """t = tanh(log(1 + exp(z))) = n / (n + r), and in `rest` 1 - t = r / (n + r), from e = exp(-|z|).

    n = 1 + 2 e and r = 2 e^2 for z > 0, n = e^2 + 2 e and r = 2 otherwise. All are positive, so no digit is lost."""
    cdef vec zero = vset(0), square = vmul(e, e)
    cdef vec n = vadd(vselect_gt(z, zero, vset(1), square), vadd(e, e))
    cdef vec r = vselect_gt(z, zero, vadd(square, square), vset(2))
    cdef vec d = vadd(n, r)
    rest[0] = vdiv(r, d)
    return vdiv(n, d)

cdef inline void forward_span(int kind, const real* z, real* a, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    while n >= LANES:
        vstore(a, activate(kind, vload(z)))
        z += stride
        a += stride
        n -= LANES
    if n:
        vstore_part(a, activate(kind, vload_part(z, n)), n)

cdef inline vec times_derivative(int kind, vec da, vec s) noexcept nogil:
    """da f'(.); for relu 0 where a is 0, even if da is infinite"""
    if kind == RELU:
        return vselect_gt(s, vset(0), da, vset(0))
    return vmul(da, derivative(kind, s))

cdef inline void backward_span(int kind, const real* s, const real* da, real* dz, Py_ssize_t n,
                               Py_ssize_t stride) noexcept nogil:
    while n >= LANES:
        vstore(dz, times_derivative(kind, vload(da), vload(s)))
        s += stride
        da += stride
        dz += stride
        n -= LANES
    if n:
        vstore_part(dz, times_derivative(kind, vload_part(da, n), vload_part(s, n)), n)

cdef void elementwise_forward(int kind, const real* z, real* a, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    """a = f(z) for n numbers."""
    # generated: forward, by src/generate.py from src/operations.py
    if kind == SIGMOID: forward_span(SIGMOID, z, a, n, stride)
    elif kind == RELU: forward_span(RELU, z, a, n, stride)
    elif kind == TANH: forward_span(TANH, z, a, n, stride)
    elif kind == LEAKY_RELU: forward_span(LEAKY_RELU, z, a, n, stride)
    elif kind == ELU: forward_span(ELU, z, a, n, stride)
    elif kind == SOFTPLUS: forward_span(SOFTPLUS, z, a, n, stride)
    elif kind == GELU: forward_span(GELU, z, a, n, stride)
    elif kind == SILU: forward_span(SILU, z, a, n, stride)
    elif kind == SOFTMAX: forward_span(SOFTMAX, z, a, n, stride)
    elif kind == EXPONENTIAL: forward_span(EXPONENTIAL, z, a, n, stride)
    elif kind == SELU: forward_span(SELU, z, a, n, stride)
    elif kind == MISH: forward_span(MISH, z, a, n, stride)
    elif z != a: memcpy(a, z, n * sizeof(real))
    # end of forward

cdef void elementwise_backward(int kind, const real* s, const real* da, real* dz, Py_ssize_t n,
                               Py_ssize_t stride) noexcept nogil:
    """dz = da * f'(z) for n numbers."""
    # generated: backward, by src/generate.py from src/operations.py
    if kind == SIGMOID: backward_span(SIGMOID, s, da, dz, n, stride)
    elif kind == RELU: backward_span(RELU, s, da, dz, n, stride)
    elif kind == TANH: backward_span(TANH, s, da, dz, n, stride)
    elif kind == LEAKY_RELU: backward_span(LEAKY_RELU, s, da, dz, n, stride)
    elif kind == ELU: backward_span(ELU, s, da, dz, n, stride)
    elif kind == SOFTPLUS: backward_span(SOFTPLUS, s, da, dz, n, stride)
    elif kind == GELU: backward_span(GELU, s, da, dz, n, stride)
    elif kind == SILU: backward_span(SILU, s, da, dz, n, stride)
    elif kind == SOFTMAX: backward_span(SOFTMAX, s, da, dz, n, stride)
    elif kind == EXPONENTIAL: backward_span(EXPONENTIAL, s, da, dz, n, stride)
    elif kind == SELU: backward_span(SELU, s, da, dz, n, stride)
    elif kind == MISH: backward_span(MISH, s, da, dz, n, stride)
    elif da != dz: memcpy(dz, da, n * sizeof(real))
    # end of backward

cdef inline void slopes_span(const int kind, real* z, real* f1, real* f2, Py_ssize_t n) noexcept nogil:
    """z INOUT: z, then a = f(z); f1, f2 OUT: f'(z) and, unless NULL, f''(z), for n numbers."""
    cdef Py_ssize_t i
    cdef vec a, s
    for i from 0 <= i < n by LANES:
        s = vload_part(z + i, n - i)
        a = activate(kind, s)
        if not reads_input(kind):
            s = a
        vstore_part(z + i, a, n - i)
        vstore_part(f1 + i, times_derivative(kind, vset(1), s), n - i)
        if f2 != NULL:
            vstore_part(f2 + i, second_derivative(kind, s), n - i)

cdef void elementwise_slopes(int kind, real* z, real* f1, real* f2, Py_ssize_t n) noexcept nogil:
    """slopes_span of an activation that does not couple the outputs of a row."""
    # generated: slopes, by src/generate.py from src/operations.py
    if kind == SIGMOID: slopes_span(SIGMOID, z, f1, f2, n)
    elif kind == RELU: slopes_span(RELU, z, f1, f2, n)
    elif kind == TANH: slopes_span(TANH, z, f1, f2, n)
    elif kind == LEAKY_RELU: slopes_span(LEAKY_RELU, z, f1, f2, n)
    elif kind == ELU: slopes_span(ELU, z, f1, f2, n)
    elif kind == SOFTPLUS: slopes_span(SOFTPLUS, z, f1, f2, n)
    elif kind == GELU: slopes_span(GELU, z, f1, f2, n)
    elif kind == SILU: slopes_span(SILU, z, f1, f2, n)
    elif kind == EXPONENTIAL: slopes_span(EXPONENTIAL, z, f1, f2, n)
    elif kind == SELU: slopes_span(SELU, z, f1, f2, n)
    elif kind == MISH: slopes_span(MISH, z, f1, f2, n)
    else: slopes_span(IDENTITY, z, f1, f2, n)
    # end of slopes

cdef struct TangentSpan:    # a span of values, and the same span of each of their tangents
    const real* s           # IN: values, as above
    const real* z           # IN: tangents of z; that of number i begins at (i + 1) step
    real* a                 # forward: OUT: tangents of a, likewise; backward: NULL
    real* d                 # backward: INOUT: the gradient of a, then of its tangents; after it, of z and of theirs
    Py_ssize_t n, stride    # as above
    Py_ssize_t count, step  # of tangents; from one to the next, and from values to the first
    Py_ssize_t seconds      # second derivatives, which follow them: 0, one for each tangent, or 1, the sum over all

cdef inline vec load_vec(const bint whole, const real* x, Py_ssize_t n) noexcept nogil:
    return vload(x) if whole else vload_part(x, n)

cdef inline void store_vec(const bint whole, real* x, vec v, Py_ssize_t n) noexcept nogil:
    if whole:
        vstore(x, v)
    else:
        vstore_part(x, v, n)

cdef inline void tangent_vec(const int kind, const bint whole, Py_ssize_t p, const TangentSpan* t) noexcept nogil:
    """A vec from number p on, t.n numbers of it unless it is whole: a_i = f'(z) z_i; or dz_i = f'(z) da_i and
    dz = f'(z) da + f''(z) sum_i da_i z_i."""
    cdef Py_ssize_t i
    cdef real* d = t.d + p
    cdef vec s = load_vec(whole, t.s + p, t.n)
    cdef vec slope = times_derivative(kind, vset(1), s), sum = vset(0), x
    if t.a != NULL:
        for i from t.step <= i <= t.count * t.step by t.step:
            store_vec(whole, t.a + p + i, vmul(slope, load_vec(whole, t.z + p + i, t.n)), t.n)
        return
    for i from t.step <= i <= t.count * t.step by t.step:
        x = load_vec(whole, d + i, t.n)
        sum = vfma(x, load_vec(whole, t.z + p + i, t.n), sum)
        store_vec(whole, d + i, vmul(slope, x), t.n)
    x = vmul(slope, load_vec(whole, d, t.n))
    if kind != RELU and kind != LEAKY_RELU:
        x = vfma(second_derivative(kind, s), sum, x)
    store_vec(whole, d, x, t.n)

cdef inline void second_tangent_vec(const int kind, const bint whole, Py_ssize_t p, const TangentSpan* t) noexcept nogil:
    """tangent_vec with second derivatives z_j, each of one tangent or the sum over all; i: the tangents of j.

    a_j = f'(z) z_j + f''(z) sum_i z_i^2; or dz_j = f'(z) da_j, dz_i = f'(z) da_i + 2 f''(z) z_i da_j and
    dz = f'(z) da + f''(z) (sum_i da_i z_i + sum_j da_j z_j) + f'''(z) sum_j da_j sum_i z_i^2."""
    cdef Py_ssize_t of_each = t.count // t.seconds * t.step, first = p, last
    cdef Py_ssize_t i, j = p + (t.count + 1) * t.step, end = j + t.seconds * t.step
    cdef bint curved = kind != RELU and kind != LEAKY_RELU
    cdef vec s = load_vec(whole, t.s + p, t.n), slope = times_derivative(kind, vset(1), s), bend = second_derivative(kind, s)
    cdef vec sum = vset(0), weighted_squares = vset(0), squares, factor, dj, x, y
    while j < end:
        squares = vset(0)
        dj = load_vec(whole, t.d + j, t.n) if t.a == NULL else squares
        factor = vmul(vadd(bend, bend), dj)
        last = first + of_each
        for i from first + t.step <= i <= last by t.step:
            x = load_vec(whole, t.z + i, t.n)
            squares = vfma(x, x, squares)
            if t.a != NULL:
                store_vec(whole, t.a + i, vmul(slope, x), t.n)
                continue
            y = load_vec(whole, t.d + i, t.n)
            sum = vfma(y, x, sum)
            y = vmul(slope, y)
            store_vec(whole, t.d + i, vfma(factor, x, y) if curved else y, t.n)
        first = last
        y = load_vec(whole, t.z + j, t.n)
        if t.a != NULL:
            y = vmul(slope, y)
            store_vec(whole, t.a + j, vfma(bend, squares, y) if curved else y, t.n)
        else:
            sum = vfma(dj, y, sum)
            weighted_squares = vfma(dj, squares, weighted_squares)
            store_vec(whole, t.d + j, vmul(slope, dj), t.n)
        j += t.step
    if t.a == NULL:
        x = vmul(slope, load_vec(whole, t.d + p, t.n))
        if curved:
            x = vfma(third_derivative(kind, s), weighted_squares, vfma(bend, sum, x))
        store_vec(whole, t.d + p, x, t.n)

cdef inline void tangent_span(const int kind, TangentSpan t) noexcept nogil:
    cdef Py_ssize_t p = 0
    while t.n >= LANES:
        if t.seconds == 0:
            tangent_vec(kind, True, p, &t)
        else:
            second_tangent_vec(kind, True, p, &t)
        p += t.stride
        t.n -= LANES
    if t.n and t.seconds == 0:
        tangent_vec(kind, False, p, &t)
    elif t.n:
        second_tangent_vec(kind, False, p, &t)

cdef void elementwise_tangents(int kind, const TangentSpan* t) noexcept nogil:
    """tangent_span of an activation that does not couple the outputs of a row. Nothing to do for identity, whose tangents
    of a are those of z."""
    # generated: tangents, by src/generate.py from src/operations.py
    if kind == SIGMOID: tangent_span(SIGMOID, t[0])
    elif kind == RELU: tangent_span(RELU, t[0])
    elif kind == TANH: tangent_span(TANH, t[0])
    elif kind == LEAKY_RELU: tangent_span(LEAKY_RELU, t[0])
    elif kind == ELU: tangent_span(ELU, t[0])
    elif kind == SOFTPLUS: tangent_span(SOFTPLUS, t[0])
    elif kind == GELU: tangent_span(GELU, t[0])
    elif kind == SILU: tangent_span(SILU, t[0])
    elif kind == EXPONENTIAL: tangent_span(EXPONENTIAL, t[0])
    elif kind == SELU: tangent_span(SELU, t[0])
    elif kind == MISH: tangent_span(MISH, t[0])
    # end of tangents

cdef void activation_forward_panels(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, Panels Z,
                                    Panels A) noexcept nogil:
    """A = f(Z), rows lo..hi of c columns; A may be Z."""
    cdef Py_ssize_t j
    cdef const real* z
    cdef real* a
    cdef int v
    if kind == SOFTMAX:
        softmax_forward(lo, hi, c, Z)
    elif kind != IDENTITY:
        for j from 0 <= j < c by PANEL:             # the rows of a panel are one span
            z = element(Z, lo, j)
            a = element(A, lo, j)
            if vecs_used(c, j) < VECS:
                for v in range(vecs_used(c, j)):
                    elementwise_forward(kind, z + v * LANES, a + v * LANES, (hi - lo) * LANES, PANEL)
            else:
                elementwise_forward(kind, z, a, (hi - lo) * PANEL, LANES)
        if fills_padding(kind):
            clear_padding(lo, hi, c, A)

cdef void activation_backward_panels(int kind, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* S,
                                     Panels D) noexcept nogil:
    """D *= f'(S), rows lo..hi of c columns, in place. S: in D's layout."""
    cdef Py_ssize_t j
    cdef const real* s
    cdef real* d
    cdef int v
    if kind == SOFTMAX:
        softmax_backward(lo, hi, c, S, D)
    elif kind != IDENTITY:
        for j from 0 <= j < c by PANEL:
            d = element(D, lo, j)
            s = S + (d - D.data)
            if vecs_used(c, j) < VECS:
                for v in range(vecs_used(c, j)):
                    elementwise_backward(kind, s + v * LANES, d + v * LANES, d + v * LANES, (hi - lo) * LANES, PANEL)
            else:
                elementwise_backward(kind, s, d, d, (hi - lo) * PANEL, LANES)

# ---- softmax: rows of c numbers in panels (a contiguous row is a matrix in panels with stride PANEL) ----

cdef inline real row_max(const real* z, Py_ssize_t stride, Py_ssize_t c) noexcept nogil:
    cdef vec m = vset(-INFINITY)
    cdef Py_ssize_t j
    for j from 0 <= j < c by LANES:
        m = vmax(m, blend_first(vload(z + column_offset(j, stride)), c - j, vset(-INFINITY)))
    return vreduce_max(m)

cdef inline vec row_exp_vec(const real* z, real* e, Py_ssize_t stride, Py_ssize_t c, Py_ssize_t j, vec z_max) noexcept nogil:
    """exp(z - z_max) of LANES columns from column j on; padding 0."""
    cdef Py_ssize_t p = column_offset(j, stride)
    cdef vec x = blend_first(vexp(vsub(vload(z + p), z_max)), c - j, vset(0))
    vstore(e + p, x)
    return x

cdef inline real row_exp(const real* z, real* e, Py_ssize_t stride, Py_ssize_t c, real z_max) noexcept nogil:
    """e = exp(z - z_max), padding 0; returns the sum of the row. e may be z."""
    cdef lanes16 sums
    cdef vec t = vset(z_max)
    cdef Py_ssize_t j
    cdef int v
    for v in range(SUM_VECS):
        sums.v[v] = row_exp_vec(z, e, stride, c, v * LANES, t) if v * LANES < c else vset(0)
    for j from 16 <= j < c by 16:
        for v in range(SUM_VECS):
            if j + v * LANES < c:
                add16(&sums, v, row_exp_vec(z, e, stride, c, j + v * LANES, t))
    return total16(&sums)

cdef void softmax_forward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, Panels Z) noexcept nogil:
    """a_j = exp(z_j - max z) / sum exp(z - max z), rows lo..hi, in place."""
    cdef Py_ssize_t i, j, stride = Z.stride
    cdef vec inverse
    cdef real* row
    for i in range(lo, hi):
        row = element(Z, i, 0)
        inverse = vset(1 / row_exp(row, row, stride, c, row_max(row, stride, c)))
        for j from 0 <= j < c by LANES:
            vstore(row + column_offset(j, stride), vmul(vload(row + column_offset(j, stride)), inverse))

cdef void softmax_backward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, const real* a,
                           Panels D) noexcept nogil:
    """dz_j = a_j (da_j - sum_k a_k da_k), rows lo..hi; D INOUT: da, then dz; a: in D's layout."""
    cdef Py_ssize_t i, j, stride = D.stride
    cdef real* d = D.data
    cdef lanes16 sums
    cdef vec mean
    cdef int v
    cdef Py_ssize_t p
    for i in range(lo, hi):
        clear16(&sums)
        for j from 0 <= j < c by 16:
            for v in range(SUM_VECS):
                p = column_offset(j + v * LANES, stride) + i * PANEL
                fma16(&sums, v, vload(a + p), vload(d + p))
        mean = vset(total16(&sums))
        for j from 0 <= j < c by LANES:
            p = column_offset(j, stride) + i * PANEL
            vstore(d + p, vmul(vload(a + p), vsub(vload(d + p), mean)))
