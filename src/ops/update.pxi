# Updates in place: SGD, Adam and its kin, Adagrad, Adadelta, RMSprop in PyTorch's definitions, and Lion.
#
# Design: (a) `change` says the mathematics of a rule for one vec; its `rule` and its number of moments are constants at every call. What
# all rules share stands around it: `adjusted` before (penalties, clipping, L2 decay of the gradient), the average of the parameters
# after; SGD and Adam have loops without any of it, too. (b) An update works on a contiguous run of numbers: a flat array of the user's, or
# a tile of a weight panel whose gradient has just been summed. It is elementwise, so a parameter gets the same bits whichever way it
# comes. (c) Everything that is the same for all parameters is computed once a step, in double, and rounded once (`Step`).

cdef enum:
    MOST_MOMENTS = 4        # RMSprop's three, and the average

cdef struct Step:
    int rule
    int n_moments           # of the rule; the average, if there is one, comes after them
    bint plain              # w -= lr g and nothing else
    bint adjusts            # the gradient is not taken as it is
    bint decoupled, averages, nesterov, centered
    real l1, l2, scale, clip_value, weight_decay    # for `adjusted`; scale: what clipping by norm leaves of the gradient
    real shrink             # decoupled decay: 1 - lr weight_decay
    real lr                 # with the correction of the first moment where there is one
    real momentum
    real rest1, beta2, rest2    # 1 - beta1; beta2; 1 - beta2
    real correction2        # 1 / sqrt(1 - beta2^t)
    real lr_gradient        # NAdam: the part of the present gradient, beside that of the moment in lr
    real eps
    real rest_average       # 1 - the decay of the average
    Py_ssize_t t            # NAdam: the number of factors in mu_partial
    double mu_partial       # mu_1 .. mu_t, those that differ from beta1
    double mu_product       # mu_1 .. of all steps so far

cdef inline int rule_moments(const Optimizer* o) noexcept nogil:
    if o.rule == SGD: return o.momentum != 0
    if o.rule == ADAM: return 2 + o.amsgrad
    if o.rule == ADAGRAD or o.rule == LION: return 1
    if o.rule == RMSPROP: return 1 + o.centered + (o.momentum != 0)
    return 0 if o.rule == NO_UPDATE else 2

cdef int n_moments(const Optimizer* o) noexcept nogil:
    """Arrays like the parameters that an update changes besides them."""
    return rule_moments(o) + (o.average != 0)

# ---- the numbers of a step ----

cdef inline double eased(double start, double end, double part) noexcept nogil:
    """From start to end along half a cosine; part in 0..1."""
    return end + (start - end) / 2 * (1 + cos(PI * part))

cdef double learning_rate(const LearningRate* r, Py_ssize_t step, Py_ssize_t epoch) noexcept nogil:
    """After so many whole steps and epochs; formulas in fastnn/schedules.py."""
    cdef double t = epoch if r.per_epoch else step
    cdef Py_ssize_t k
    if r.schedule == STEP_DECAY:
        return r.lr * pow(r.factor, floor(t / r.every))
    if r.schedule == EXPONENTIAL_DECAY:
        return r.lr * pow(r.factor, t)
    if r.schedule == COSINE_DECAY:
        if t < r.warmup:
            return r.lr * (t + 1) / (r.warmup + 1)
        return eased(r.lr, r.final_lr, fmin(1, (t - r.warmup) / (r.every - r.warmup)))
    if r.schedule == ONE_CYCLE:
        if t <= r.warmup:
            return eased(r.start_lr, r.lr, t / r.warmup if r.warmup > 0 else 1)
        return eased(r.lr, r.final_lr, fmin(1, (t - r.warmup) / (r.every - r.warmup)) if r.every > r.warmup else 1)
    if r.schedule == RATE_TABLE:
        k = epoch if r.per_epoch else step
        return r.rates[least(k, r.n_rates - 1) if k > 0 else 0]
    return r.lr

cdef inline double mu(const Optimizer* o, Py_ssize_t t) noexcept nogil:
    """NAdam's momentum of step t (Dozat, 2016)."""
    return o.beta1 * (1 - 0.5 * pow(0.96, t * o.decay))

cdef void multiply_mus(const Optimizer* o, Py_ssize_t t, Step* s) noexcept nogil:
    """mu_product = mu_1 .. mu_t: the factors since last time, or all of them, in the same order, so that a resumed training gets the same
    bits. What is below 1e-20 counts for nothing: 1 - mu_product is 1. From t decay = 910 on the factors are beta1 exactly, since
    0.96^910 < 2^-53: then a power replaces them, and no step takes more than some thousand factors (their product is below
    exp(-12 / decay))."""
    if s.t > t:
        s.t = 0
    if s.t == 0:
        s.mu_partial = 1
    while s.t < t and s.mu_partial > 1e-20 and (s.t + 1) * o.decay <= 910:
        s.t += 1
        s.mu_partial *= mu(o, s.t)
    s.mu_product = s.mu_partial
    if s.t < t and s.mu_partial > 1e-20:
        s.mu_product *= pow(o.beta1, t - s.t)

cdef void begin_steps(const Optimizer* o, Step* s) noexcept nogil:
    """The numbers that all steps share."""
    s.t = 0
    s.rule = o.rule
    s.n_moments = rule_moments(o)
    s.nesterov = o.nesterov
    s.centered = o.centered
    s.decoupled = o.decoupled and o.weight_decay != 0
    s.averages = o.average != 0
    s.rest_average = <real>(1 - o.average)
    s.l1 = <real>o.l1
    s.l2 = <real>o.l2
    s.scale = 1
    s.clip_value = <real>o.clip_value
    s.weight_decay = <real>(0 if o.decoupled else o.weight_decay)
    s.adjusts = s.weight_decay != 0 or o.l1 != 0 or o.l2 != 0 or o.clip_value != 0 or o.clip_norm != 0
    s.plain = o.rule == SGD and o.momentum == 0 and not s.adjusts and not s.averages
    s.momentum = <real>o.momentum
    s.rest1 = <real>(1 - o.beta1)
    s.beta2 = <real>o.beta2
    s.rest2 = <real>(1 - o.beta2)
    s.eps = <real>o.eps
    if s.eps == 0 and o.eps > 0:                    # it would not keep 0 / 0 away
        s.eps = <real>ldexp(1, MIN_EXP)             # the smallest normal number

cdef inline double correction(double beta, double t) noexcept nogil:
    """1 - beta^t. The power takes half as long as a step of a tiny network, and once it is below exp(-38) < 2^-54 it rounds away."""
    return 1 if t * (1 - beta) > 38 else 1 - pow(beta, t)

cdef inline void step_numbers(const Optimizer* o, Py_ssize_t step, Py_ssize_t epoch, Step* s) noexcept nogil:
    """Those of the step after so many whole steps and epochs."""
    cdef double lr = o.rate.lr if o.rate.schedule == CONSTANT else learning_rate(&o.rate, step, epoch), t = step + 1
    s.lr = <real>lr
    s.shrink = <real>(1 - lr * o.weight_decay)
    if o.rule == SGD:
        return
    if o.rule == ADAGRAD:
        s.lr = <real>(lr / (1 + step * o.decay))
    if o.rule == ADAM or o.rule == ADAMAX:
        s.lr = <real>(lr / correction(o.beta1, t))
    if o.rule == ADAM or o.rule == NADAM:
        s.correction2 = <real>(1 / sqrt(correction(o.beta2, t)))
    if o.rule == NADAM:
        multiply_mus(o, step + 1, s)
        s.lr_gradient = <real>(lr * (1 - mu(o, step + 1)) / (1 - s.mu_product))
        s.lr = <real>(lr * mu(o, step + 2) / (1 - s.mu_product * mu(o, step + 2)))

cdef inline const Step* for_biases(const Step* s, Step* biases) noexcept nogil:
    """The same step without penalties: s itself, or made of it in biases."""
    if s.l1 == 0 and s.l2 == 0:
        return s
    biases[0] = s[0]
    biases.l1 = biases.l2 = 0
    return biases

# ---- one vec ----

cdef inline vec penalised(const Step* s, vec w, vec g) noexcept nogil:
    """g + l2 w + l1 sign(w)"""
    cdef vec zero = vset(0), l1 = vset(s.l1)
    if s.l2 != 0:
        g = vfma(vset(s.l2), w, g)
    if s.l1 != 0:
        g = vadd(g, vselect_gt(w, zero, l1, vselect_gt(zero, w, vsub(zero, l1), zero)))
    return g

cdef inline vec adjusted(const Step* s, vec w, vec g) noexcept nogil:
    """The gradient that the rule takes: with penalties, clipped, with L2 decay. A NaN stays one."""
    g = penalised(s, w, g)
    if s.scale != 1:
        g = vmul(vset(s.scale), g)
    if s.clip_value != 0:
        g = vmin(vset(s.clip_value), vmax(vset(-s.clip_value), g))
    return vfma(vset(s.weight_decay), w, g) if s.weight_decay != 0 else g

cdef inline vec moved(real part, vec m, vec g) noexcept nogil:
    """m + part (g - m)"""
    return vfma(vset(part), vsub(g, m), m)

cdef inline vec mean_square(const Step* s, vec v, vec g) noexcept nogil:
    """beta2 v + (1 - beta2) g^2"""
    return vfma(vset(s.beta2), v, vmul(vmul(vset(s.rest2), g), g))

cdef inline vec change(int rule, int moments, const Step* s, vec w, vec g, vec* m) noexcept nogil:
    """The parameter after the step, from its gradient; m: its moments, changed. Formulas in fastnn/optimizers/."""
    cdef vec d, zero = vset(0)
    cdef bint centered
    if rule == SGD:
        if moments:
            m[0] = vfma(vset(s.momentum), m[0], g)
            g = vfma(vset(s.momentum), m[0], g) if s.nesterov else m[0]
        return vfma(vset(-s.lr), g, w)
    if rule == ADAM:
        m[0] = moved(s.rest1, m[0], g)
        m[1] = mean_square(s, m[1], g)
        if moments == 3:                    # AMSGrad
            m[2] = vmax(m[2], m[1])
        return vfnma(vset(s.lr), vdiv(m[0], vfma(vsqrt(m[moments - 1]), vset(s.correction2), vset(s.eps))), w)
    if rule == NADAM:
        m[0] = moved(s.rest1, m[0], g)
        m[1] = mean_square(s, m[1], g)
        d = vfma(vset(s.lr), m[0], vmul(vset(s.lr_gradient), g))
        return vsub(w, vdiv(d, vfma(vsqrt(m[1]), vset(s.correction2), vset(s.eps))))
    if rule == ADAMAX:
        m[0] = moved(s.rest1, m[0], g)
        m[1] = vmax(vmul(vset(s.beta2), m[1]), vadd(vabs(g), vset(s.eps)))
        return vfnma(vset(s.lr), vdiv(m[0], m[1]), w)
    if rule == ADAGRAD:
        m[0] = vfma(g, g, m[0])
        return vfnma(vset(s.lr), vdiv(g, vadd(vsqrt(m[0]), vset(s.eps))), w)
    if rule == ADADELTA:
        m[0] = mean_square(s, m[0], g)
        d = vmul(vsqrt(vdiv(vadd(m[1], vset(s.eps)), vadd(m[0], vset(s.eps)))), g)
        m[1] = mean_square(s, m[1], d)
        return vfnma(vset(s.lr), d, w)
    if rule == LION:
        d = moved(s.rest1, m[0], g)         # b1 m + (1 - b1) g, of which only the sign counts: 0 and NaN stay what they are
        m[0] = moved(s.rest2, m[0], g)
        return vfnma(vset(s.lr), vselect_gt(d, zero, vset(1), vselect_gt(zero, d, vset(-1), d)), w)
    m[0] = mean_square(s, m[0], g)          # RMSprop: m is v, then the mean if centered, then the velocity if there is momentum
    d = m[0]
    centered = moments == 3 or (moments == 2 and s.centered)
    if centered:
        m[1] = moved(s.rest2, m[1], g)
        d = vmax(zero, vfnma(m[1], m[1], d))
    d = vdiv(g, vadd(vsqrt(d), vset(s.eps)))
    if moments > 1 + centered:
        d = m[moments - 1] = vfma(vset(s.momentum), m[moments - 1], d)
    return vfnma(vset(s.lr), d, w)

# ---- a run of numbers ----

cdef inline vec load_some(const real* p, Py_ssize_t n) noexcept nogil:
    return vload(p) if n >= LANES else vload_part(p, n)

cdef inline void store_some(real* p, vec a, Py_ssize_t n) noexcept nogil:
    if n >= LANES:
        vstore(p, a)
    else:
        vstore_part(p, a, n)

cdef inline void update_vec(int rule, int moments, bint bare, bint whole, const Step* s, real* w, const real* g, real** m, Py_ssize_t i,
                            Py_ssize_t n) noexcept nogil:
    """Numbers i.. of n; whole: there are LANES of them."""
    cdef Py_ssize_t k = LANES if whole else n - i
    cdef vec a = load_some(w + i, k), b = load_some(g + i, k)
    cdef vec state[MOST_MOMENTS]
    cdef int l
    for l in range(moments):
        state[l] = load_some(m[l] + i, k)
    if not bare and s.adjusts:
        b = adjusted(s, a, b)
    if not bare and s.decoupled:
        a = vmul(vset(s.shrink), a)
    a = change(rule, moments, s, a, b, state)
    store_some(w + i, a, k)
    for l in range(moments):
        store_some(m[l] + i, state[l], k)
    if not bare and s.averages:
        store_some(m[moments] + i, moved(s.rest_average, load_some(m[moments] + i, k), a), k)

cdef inline void update_run(int rule, int moments, bint bare, const Step* step, real* w, const real* g, real** m,
                            Py_ssize_t n) noexcept nogil:
    """rule, moments, bare: constants at every call. bare: nothing stands around the rule."""
    cdef Step s = step[0]                   # a copy that no store can reach stays in registers
    cdef Py_ssize_t i = 0
    while i + LANES <= n:
        update_vec(rule, moments, bare, True, &s, w, g, m, i, n)
        i += LANES
    if i < n:
        update_vec(rule, moments, bare, False, &s, w, g, m, i, n)

cdef void update_arrays(const Step* s, real* w, const real* g, real** m, Py_ssize_t n) noexcept nogil:
    """One step on n parameters w with gradients g and the moments m[0], m[1], ..., then the average."""
    cdef bint bare = not (s.adjusts or s.decoupled or s.averages)
    # generated: rules, by src/generate.py from src/operations.py
    if s.rule == SGD and s.n_moments == 0 and bare: update_run(SGD, 0, True, s, w, g, m, n)
    elif s.rule == SGD and s.n_moments == 0: update_run(SGD, 0, False, s, w, g, m, n)
    elif s.rule == SGD and s.n_moments == 1 and bare: update_run(SGD, 1, True, s, w, g, m, n)
    elif s.rule == SGD and s.n_moments == 1: update_run(SGD, 1, False, s, w, g, m, n)
    elif s.rule == ADAGRAD: update_run(ADAGRAD, 1, False, s, w, g, m, n)
    elif s.rule == ADADELTA: update_run(ADADELTA, 2, False, s, w, g, m, n)
    elif s.rule == RMSPROP and s.n_moments == 1: update_run(RMSPROP, 1, False, s, w, g, m, n)
    elif s.rule == RMSPROP and s.n_moments == 2: update_run(RMSPROP, 2, False, s, w, g, m, n)
    elif s.rule == RMSPROP and s.n_moments == 3: update_run(RMSPROP, 3, False, s, w, g, m, n)
    elif s.rule == ADAM and s.n_moments == 2 and bare: update_run(ADAM, 2, True, s, w, g, m, n)
    elif s.rule == ADAM and s.n_moments == 2: update_run(ADAM, 2, False, s, w, g, m, n)
    elif s.rule == ADAM and s.n_moments == 3: update_run(ADAM, 3, False, s, w, g, m, n)
    elif s.rule == ADAMAX: update_run(ADAMAX, 2, False, s, w, g, m, n)
    elif s.rule == NADAM: update_run(NADAM, 2, False, s, w, g, m, n)
    elif s.rule == LION: update_run(LION, 1, False, s, w, g, m, n)
    # end of rules

cdef inline void update(const Step* s, real* w, const real* g, Py_ssize_t region, Py_ssize_t n) noexcept nogil:
    """The same where the moments lie `region`, 2 `region`, ... numbers after w, as in a training's memory."""
    cdef real* m[MOST_MOMENTS]
    cdef int k
    for k in range(MOST_MOMENTS):
        m[k] = w + (k + 1) * region
    update_arrays(s, w, g, m, n)
