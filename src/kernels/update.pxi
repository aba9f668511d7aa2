# Updates in place: SGD (momentum, Nesterov, weight decay) and Adam, in PyTorch's definitions.
#
# Design: `update` works on a contiguous run of numbers: a flat array of the user's, or a tile of a weight panel whose gradient has just
# been summed. It is elementwise, so a parameter gets the same bits whichever way it comes. Everything that is the same for all
# parameters is computed once a step, in double, and rounded once (`Step`).

cdef struct Step:
    int rule
    bint plain              # w -= lr g and nothing else
    bint nesterov
    real lr                 # Adam: lr / (1 - beta1^t)
    real momentum
    real weight_decay
    real rest1, beta2, rest2    # 1 - beta1; beta2; 1 - beta2
    real correction2        # 1 / sqrt(1 - beta2^t)
    real eps

cdef void step_numbers(const Optimizer* o, Py_ssize_t t, Step* s) noexcept nogil:
    """The numbers of step t = 1, 2, ..."""
    s.rule = o.rule
    s.plain = o.rule == SGD and o.momentum == 0 and o.weight_decay == 0
    s.nesterov = o.nesterov
    s.momentum = <real>o.momentum
    s.weight_decay = <real>o.weight_decay
    s.lr = <real>o.lr
    if o.rule == ADAM:
        s.lr = <real>(o.lr / (1 - pow(o.beta1, <double>t)))
        s.correction2 = <real>(1 / sqrt(1 - pow(o.beta2, <double>t)))
        s.rest1 = <real>(1 - o.beta1)
        s.beta2 = <real>o.beta2
        s.rest2 = <real>(1 - o.beta2)
        s.eps = <real>o.eps

cdef inline vec decayed(const Step* s, vec g, vec w) noexcept nogil:
    return g if s.weight_decay == 0 else vfma(vset(s.weight_decay), w, g)

cdef inline vec sgd(const Step* s, vec w, vec g) noexcept nogil:
    """w - lr (g + decay w)"""
    return vfma(vset(-s.lr), decayed(s, g, w), w)

cdef inline vec sgd_momentum(const Step* s, vec w, vec g, vec* m) noexcept nogil:
    """m = momentum m + g;  w - lr m, with Nesterov w - lr (g + momentum m)"""
    g = decayed(s, g, w)
    m[0] = vfma(vset(s.momentum), m[0], g)
    return vfma(vset(-s.lr), vfma(vset(s.momentum), m[0], g) if s.nesterov else m[0], w)

cdef inline vec adam(const Step* s, vec w, vec g, vec* m, vec* v) noexcept nogil:
    """m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2;  w - lr' m / (sqrt(v) correction + eps)"""
    g = decayed(s, g, w)
    m[0] = vfma(vset(s.rest1), vsub(g, m[0]), m[0])
    v[0] = vfma(vset(s.beta2), v[0], vmul(vmul(vset(s.rest2), g), g))
    return vfnma(vset(s.lr), vdiv(m[0], vfma(vsqrt(v[0]), vset(s.correction2), vset(s.eps))), w)

cdef void update_arrays(const Step* s, real* w, const real* g, real* m, real* v, Py_ssize_t n) noexcept nogil:
    """One step on n parameters w with gradients g and moments m, v (unused ones may be NULL)."""
    cdef Py_ssize_t i = 0, k
    cdef vec a, b
    while i < n:
        k = n - i
        if s.rule == ADAM:
            if k >= LANES:
                a = vload(m + i)
                b = vload(v + i)
                vstore(w + i, adam(s, vload(w + i), vload(g + i), &a, &b))
                vstore(m + i, a)
                vstore(v + i, b)
            else:
                a = vload_part(m + i, k)
                b = vload_part(v + i, k)
                vstore_part(w + i, adam(s, vload_part(w + i, k), vload_part(g + i, k), &a, &b), k)
                vstore_part(m + i, a, k)
                vstore_part(v + i, b, k)
        elif s.momentum != 0:
            if k >= LANES:
                a = vload(m + i)
                vstore(w + i, sgd_momentum(s, vload(w + i), vload(g + i), &a))
                vstore(m + i, a)
            else:
                a = vload_part(m + i, k)
                vstore_part(w + i, sgd_momentum(s, vload_part(w + i, k), vload_part(g + i, k), &a), k)
                vstore_part(m + i, a, k)
        elif k >= LANES:
            vstore(w + i, sgd(s, vload(w + i), vload(g + i)))
        else:
            vstore_part(w + i, sgd(s, vload_part(w + i, k), vload_part(g + i, k)), k)
        i += LANES

cdef inline void update(const Step* s, real* w, const real* g, Py_ssize_t moments, Py_ssize_t n) noexcept nogil:
    """The same where the moments lie `moments` and 2 `moments` numbers after w, as in a training's scratch."""
    update_arrays(s, w, g, w + moments, w + 2 * moments, n)
