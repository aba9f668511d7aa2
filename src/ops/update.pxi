# Updates in place: SGD, Adam and its variants, Adagrad, Adadelta, RMSprop in PyTorch's definitions, and Lion.
#
#   u          struct Update: parameters, gradients and moments, and a copy of
#   s          IN: struct Step, the constants of the step
#   w, g, m    of one vec, in `apply_rule`: parameters, gradients, moments
#
# An update is elementwise, so a parameter gets the same bits wherever it is stored. What is the same for all parameters
# is computed once per step, in double, and rounded once (`Step`).
#
# `apply_rule` is the mathematics of a rule for one vec; its `rule` and its number of moments are constants at every
# call. Before it, `adjust_gradient` adds penalties, clips and adds L2 decay; after it come the bounds of the weights, then
# the average of the parameters. SGD and Adam also have loops without all of that (`rule_only`).

cdef enum:
    MAX_MOMENTS = 4         # three of RMSprop, and the average

cdef struct Step:
    int rule
    int n_moments           # of the rule, without the average
    bint is_plain_sgd       # w -= lr g and nothing else
    bint has_adjustments    # `adjust_gradient` changes the gradient
    bint decoupled, has_average, nesterov, centered
    real l1, l2, scale, clip_value, weight_decay    # for `adjust_gradient`; scale: from clipping by norm
    real decay_factor       # decoupled decay: 1 - lr weight_decay
    real lr                 # including the correction of the first moment
    real momentum
    real one_minus_beta1, beta2, one_minus_beta2
    real correction2        # 1 / sqrt(1 - beta2^t)
    real lr_gradient        # NAdam: the rate of the gradient; lr is that of the first moment
    real eps
    real one_minus_average  # 1 - the decay of the average
    Py_ssize_t lower, upper     # from a weight to its bounds, in numbers; 0: it has none
    bint is_lazy            # categories have the lazy update
    real number             # of this step, from 1
    real lazy_lr            # the rate without corrections
    real log_beta2, log_decay_factor
    Py_ssize_t t            # NAdam: the number of factors in mu_partial
    double mu_partial       # mu_1 .. mu_t, the factors that differ from beta1
    double mu_product       # mu_1 .. mu of this step

cdef inline int rule_moments(const Optimizer* o) noexcept nogil:
    if o.rule == SGD: return o.momentum != 0
    if o.rule == ADAM: return 2 + o.amsgrad
    if o.rule == ADAGRAD or o.rule == LION: return 1
    if o.rule == RMSPROP: return 1 + o.centered + (o.momentum != 0)
    return 0 if o.rule == NO_UPDATE else 2

cdef int n_moments(const Optimizer* o) noexcept nogil:
    """Arrays like the parameters that an update changes: moments and the average."""
    return rule_moments(o) + (o.average != 0)

# ---- the constants of a step ----

cdef inline double half_cosine(double start, double end, double part) noexcept nogil:
    """From start to end along half a cosine; part: 0 to 1."""
    return end + (start - end) / 2 * (1 + cos(PI * part))

cdef double learning_rate(const LearningRate* r, Py_ssize_t step, Py_ssize_t epoch) noexcept nogil:
    """The rate of the step after this many whole steps and epochs; formulas in fastnn/schedules/."""
    cdef double t = epoch if r.per_epoch else step
    cdef Py_ssize_t k
    if r.schedule == STEP_DECAY:
        return r.lr * pow(r.factor, floor(t / r.every))
    if r.schedule == EXPONENTIAL_DECAY:
        return r.lr * pow(r.factor, t)
    if r.schedule == COSINE_DECAY:
        if t < r.warmup:
            return r.lr * (t + 1) / (r.warmup + 1)
        return half_cosine(r.lr, r.final_lr, fmin(1, (t - r.warmup) / (r.every - r.warmup)))
    if r.schedule == ONE_CYCLE:
        if t <= r.warmup:
            return half_cosine(r.start_lr, r.lr, t / r.warmup if r.warmup > 0 else 1)
        return half_cosine(r.lr, r.final_lr,
                           fmin(1, (t - r.warmup) / (r.every - r.warmup)) if r.every > r.warmup else 1)
    if r.schedule == RATE_TABLE:
        k = epoch if r.per_epoch else step
        return r.rates[min_(k, r.n_rates - 1) if k > 0 else 0]
    return r.lr

cdef inline double mu(const Optimizer* o, Py_ssize_t t) noexcept nogil:
    """NAdam's momentum of step t (Dozat, 2016)."""
    return o.beta1 * (1 - 0.5 * pow(0.96, t * o.decay))

cdef void update_mu_product(const Optimizer* o, Py_ssize_t t, Step* s) noexcept nogil:
    """mu_product = mu_1 .. mu_t.

    The factors since the last call, or all of them, are multiplied in the same order, so that a resumed training gets
    the same bits. Products below 1e-20 are as good as 0: 1 - mu_product is 1. Factors with t decay > 910 are exactly
    beta1, since 0.96^910 < 2^-53, so a power replaces them. No step needs more than some thousand factors: their
    product is below exp(-12 / decay)."""
    while s.t < t and s.mu_partial > 1e-20 and (s.t + 1) * o.decay <= 910:
        s.t += 1
        s.mu_partial *= mu(o, s.t)
    s.mu_product = s.mu_partial
    if s.t < t and s.mu_partial > 1e-20:
        s.mu_product *= pow(o.beta1, t - s.t)

cdef inline bint is_zero(double x) noexcept nogil:
    """Whether x is 0 or -0. In the mode of kernels `x == 0` is true for subnormal numbers, too."""
    cdef unsigned long long bits
    memcpy(&bits, &x, sizeof(bits))
    return bits << 1 == 0

cdef void init_step(const Optimizer* o, Step* s) noexcept nogil:
    """Set the constants that all steps share."""
    s.t = s.lower = s.upper = 0
    s.mu_partial = 1
    s.is_lazy = o.lazy_categories
    s.rule = o.rule
    s.n_moments = rule_moments(o)
    s.nesterov = o.nesterov
    s.centered = o.centered
    s.decoupled = o.decoupled and o.weight_decay != 0
    s.has_average = o.average != 0
    s.one_minus_average = <real>(1 - o.average)
    s.l1 = <real>o.l1
    s.l2 = <real>o.l2
    s.scale = 1
    s.clip_value = <real>o.clip_value
    s.weight_decay = <real>(0 if o.decoupled else o.weight_decay)
    s.has_adjustments = s.weight_decay != 0 or o.l1 != 0 or o.l2 != 0 or o.clip_value != 0 or o.clip_norm != 0
    s.is_plain_sgd = o.rule == SGD and o.momentum == 0 and not s.has_adjustments and not s.has_average
    s.momentum = <real>o.momentum
    s.one_minus_beta1 = <real>(1 - o.beta1)
    s.beta2 = <real>o.beta2
    s.one_minus_beta2 = <real>(1 - o.beta2)
    s.eps = <real>o.eps
    if s.eps == 0 and not is_zero(o.eps):           # an eps of 0 would not prevent 0 / 0
        s.eps = <real>ldexp(1, MIN_EXP)             # the smallest normal number

cdef inline double bias_correction(double beta, double t) noexcept nogil:
    """1 - beta^t. Below exp(-38) < 2^-54 the power would not change the result, and it takes half as long as a step of
    a tiny network."""
    return 1 if t * (1 - beta) > 38 else 1 - pow(beta, t)

cdef inline void prepare_step(const Optimizer* o, Py_ssize_t step, Py_ssize_t epoch, Step* s) noexcept nogil:
    """Set the constants of the step after this many whole steps and epochs."""
    cdef double lr = o.rate.lr if o.rate.schedule == CONSTANT else learning_rate(&o.rate, step, epoch), t = step + 1
    s.lr = <real>lr
    s.decay_factor = <real>(1 - lr * o.weight_decay)
    if o.rule == SGD:
        return
    if o.rule == ADAGRAD:
        s.lr = <real>(lr / (1 + step * o.decay))
    if o.rule == ADAM or o.rule == ADAMAX:
        s.lr = <real>(lr / bias_correction(o.beta1, t))
    if o.rule == ADAM or o.rule == NADAM:
        s.correction2 = <real>(1 / sqrt(bias_correction(o.beta2, t)))
    if s.is_lazy:
        s.number = <real>t
        s.lazy_lr = <real>lr
        s.log_beta2 = <real>log(fmax(1e-300, o.beta2))
        s.log_decay_factor = <real>log(fmax(1e-300, 1 - lr * o.weight_decay))
    if o.rule == NADAM:
        update_mu_product(o, step + 1, s)
        s.lr_gradient = <real>(lr * (1 - mu(o, step + 1)) / (1 - s.mu_product))
        s.lr = <real>(lr * mu(o, step + 2) / (1 - s.mu_product * mu(o, step + 2)))

cdef inline const Step* without_penalties(const Step* s, Step* biases) noexcept nogil:
    """The step without penalties: s itself if it has none, else a copy in `biases`."""
    if s.l1 == 0 and s.l2 == 0:
        return s
    biases[0] = s[0]
    biases.l1 = biases.l2 = 0
    return biases

# ---- one vec ----

cdef inline vec add_penalties(const Step* s, vec w, vec g) noexcept nogil:
    """g + l2 w + l1 sign(w)"""
    cdef vec zero = vset(0), l1 = vset(s.l1)
    if s.l2 != 0:
        g = vfma(vset(s.l2), w, g)
    if s.l1 != 0:
        g = vadd(g, vselect_gt(w, zero, l1, vselect_gt(zero, w, vsub(zero, l1), zero)))
    return g

cdef struct ScaledGradient:     # prescale (g + penalties), whose norm clip_norm limits
    const Step* step
    real prescale

cdef inline vec scale_gradient(const ScaledGradient* scaled, vec w, vec g) noexcept nogil:
    return vmul(vset(scaled.prescale), add_penalties(scaled.step, w, g))

cdef inline vec adjust_gradient(const Step* s, vec w, vec g) noexcept nogil:
    """The gradient with penalties, clipped, with L2 decay. A NaN stays NaN."""
    g = add_penalties(s, w, g)
    if s.scale != 1:
        g = vmul(vset(s.scale), g)
    if s.clip_value != 0:
        g = vmin(vset(s.clip_value), vmax(vset(-s.clip_value), g))
    return vfma(vset(s.weight_decay), w, g) if s.weight_decay != 0 else g

cdef inline vec lerp(real part, vec m, vec g) noexcept nogil:
    """m + part (g - m)"""
    return vfma(vset(part), vsub(g, m), m)

cdef inline vec mean_square(const Step* s, vec v, vec g) noexcept nogil:
    """beta2 v + (1 - beta2) g^2"""
    return vfma(vset(s.beta2), v, vmul(vmul(vset(s.one_minus_beta2), g), g))

cdef inline vec apply_rule(int rule, int moments, const Step* s, vec w, vec g, vec* m,
                           Py_ssize_t n) noexcept nogil:
    """Returns the updated parameter and updates its moments m. Formulas in fastnn/optimizers/. n: lanes before padding"""
    cdef vec d, zero = vset(0)
    cdef bint centered
    if rule == SGD:
        if moments:
            m[0] = vfma(vset(s.momentum), m[0], g)
            g = vfma(vset(s.momentum), m[0], g) if s.nesterov else m[0]
        return vfma(vset(-s.lr), g, w)
    if rule == ADAM:
        m[0] = lerp(s.one_minus_beta1, m[0], g)
        m[1] = mean_square(s, m[1], g)
        if moments == 3:                    # AMSGrad
            m[2] = vmax(m[2], m[1])
        d = vfma(vsqrt_part(m[moments - 1], n), vset(s.correction2), vset(s.eps))
        return vfnma(vset(s.lr), vdiv_part(m[0], d, n), w)
    if rule == NADAM:
        m[0] = lerp(s.one_minus_beta1, m[0], g)
        m[1] = mean_square(s, m[1], g)
        d = vfma(vset(s.lr), m[0], vmul(vset(s.lr_gradient), g))
        return vsub(w, vdiv_part(d, vfma(vsqrt_part(m[1], n), vset(s.correction2), vset(s.eps)), n))
    if rule == ADAMAX:
        m[0] = lerp(s.one_minus_beta1, m[0], g)
        m[1] = vmax(vmul(vset(s.beta2), m[1]), vadd(vabs(g), vset(s.eps)))
        return vfnma(vset(s.lr), vdiv_part(m[0], m[1], n), w)
    if rule == ADAGRAD:
        m[0] = vfma(g, g, m[0])
        return vfnma(vset(s.lr), vdiv_part(g, vadd(vsqrt_part(m[0], n), vset(s.eps)), n), w)
    if rule == ADADELTA:
        m[0] = mean_square(s, m[0], g)
        d = vmul(vsqrt_part(vdiv_part(vadd(m[1], vset(s.eps)), vadd(m[0], vset(s.eps)), n), n), g)
        m[1] = mean_square(s, m[1], d)
        return vfnma(vset(s.lr), d, w)
    if rule == LION:
        d = lerp(s.one_minus_beta1, m[0], g)    # only its sign is used; 0 and NaN stay as they are
        m[0] = lerp(s.one_minus_beta2, m[0], g)
        return vfnma(vset(s.lr), vselect_gt(d, zero, vset(1), vselect_gt(zero, d, vset(-1), d)), w)
    # RMSprop: m is v, then the mean if centered, then the velocity if there is momentum
    m[0] = mean_square(s, m[0], g)
    d = m[0]
    centered = moments == 3 or (moments == 2 and s.centered)
    if centered:
        m[1] = lerp(s.one_minus_beta2, m[1], g)
        d = vmax(zero, vfnma(m[1], m[1], d))
    d = vdiv_part(g, vadd(vsqrt_part(d, n), vset(s.eps)), n)
    if moments > 1 + centered:
        d = m[moments - 1] = vfma(vset(s.momentum), m[moments - 1], d)
    return vfnma(vset(s.lr), d, w)

# ---- a contiguous span ----

cdef inline vec load_some(const real* p, Py_ssize_t n) noexcept nogil:
    return vload(p) if n >= LANES else vload_part(p, n)

cdef inline void store_some(real* p, vec a, Py_ssize_t n) noexcept nogil:
    if n >= LANES:
        vstore(p, a)
    else:
        vstore_part(p, a, n)

cdef struct Update:         # of n contiguous parameters: the user's array, or a span of a region (panels.pxi)
    const Step* step
    Py_ssize_t n, stride    # LANES numbers of each `stride` are updated
    Py_ssize_t lanes        # of these, the first that are not padding; not set where FEW_LANES is 0
    real* w                 # INOUT
    const real* g           # IN: their gradient
    real** m                # INOUT: moments, each like w; the average of the parameters, if there is one, is the last

cdef inline void update_vec(int rule, int moments, bint rule_only, const Update* u, Py_ssize_t i,
                            Py_ssize_t n, Py_ssize_t lanes) noexcept nogil:
    """Update at most LANES numbers, n from number i on, of which the first `lanes` are not padding."""
    cdef vec a = load_some(u.w + i, n), b = load_some(u.g + i, n)
    cdef vec state[MAX_MOMENTS]
    cdef int l
    for l in range(moments):
        state[l] = load_some(u.m[l] + i, n)
    if not rule_only and u.step.has_adjustments:
        b = adjust_gradient(u.step, a, b)
    if not rule_only and u.step.decoupled:
        a = vmul(vset(u.step.decay_factor), a)
    a = apply_rule(rule, moments, u.step, a, b, state, lanes)
    if not rule_only and u.step.lower != 0:             # a NaN stays NaN
        a = vmin(load_some(u.w + u.step.upper + i, n), vmax(load_some(u.w + u.step.lower + i, n), a))
    store_some(u.w + i, a, n)
    for l in range(moments):
        store_some(u.m[l] + i, state[l], n)
    if not rule_only and u.step.has_average:
        store_some(u.m[moments] + i,
                   lerp(u.step.one_minus_average, load_some(u.m[moments] + i, n), a), n)

cdef inline void update_span(int rule, int moments, bint rule_only, const Update* update) noexcept nogil:
    """rule, moments, rule_only: constants at every call. rule_only: no adjustments, decoupled decay, bounds or average."""
    cdef Update u = update[0]               # local copies: stores cannot change them, so they stay in registers
    cdef Step s = update.step[0]
    cdef Py_ssize_t i = 0
    u.step = &s
    while i + LANES <= u.n:
        update_vec(rule, moments, rule_only, &u, i, LANES, u.lanes if FEW_LANES > 0 else LANES)
        i += u.stride
    if i < u.n:
        update_vec(rule, moments, rule_only, &u, i, u.n - i, u.n - i)

cdef inline bint is_rule_only(const Step* s) noexcept nogil:
    """See update_span."""
    return not (s.has_adjustments or s.decoupled or s.has_average or s.lower != 0)

cdef void update_by_adam(const Update* u) noexcept nogil:
    """The most usual update. A function of its own: one with all rules has a larger frame, and a step of 100-17-17-17-10
    with one row, which calls it some 60 times, takes 6 to 10 % longer."""
    update_span(ADAM, 2, True, u)

cdef void update_by_rule(const Update* u) noexcept nogil:
    cdef const Step* s = u.step
    cdef bint rule_only = is_rule_only(s)
    # generated: rules, by src/generate.py from src/operations.py
    if s.rule == SGD and s.n_moments == 0 and rule_only: update_span(SGD, 0, True, u)
    elif s.rule == SGD and s.n_moments == 0: update_span(SGD, 0, False, u)
    elif s.rule == SGD and s.n_moments == 1 and rule_only: update_span(SGD, 1, True, u)
    elif s.rule == SGD and s.n_moments == 1: update_span(SGD, 1, False, u)
    elif s.rule == ADAGRAD: update_span(ADAGRAD, 1, False, u)
    elif s.rule == ADADELTA: update_span(ADADELTA, 2, False, u)
    elif s.rule == RMSPROP and s.n_moments == 1: update_span(RMSPROP, 1, False, u)
    elif s.rule == RMSPROP and s.n_moments == 2: update_span(RMSPROP, 2, False, u)
    elif s.rule == RMSPROP and s.n_moments == 3: update_span(RMSPROP, 3, False, u)
    elif s.rule == ADAM and s.n_moments == 2: update_span(ADAM, 2, False, u)
    elif s.rule == ADAM and s.n_moments == 3: update_span(ADAM, 3, False, u)
    elif s.rule == ADAMAX: update_span(ADAMAX, 2, False, u)
    elif s.rule == NADAM: update_span(NADAM, 2, False, u)
    elif s.rule == LION: update_span(LION, 1, False, u)
    # end of rules

cdef inline void update_arrays(const Step* s, real* w, const real* g, real** m, Py_ssize_t n,
                               Py_ssize_t stride, Py_ssize_t lanes) noexcept nogil:
    """One step on n parameters, or on the first LANES of each `stride`. lanes: as in Update"""
    cdef Update u
    u.step = s
    u.n = n
    u.stride = stride
    if FEW_LANES > 0:
        u.lanes = lanes
    u.w = w
    u.g = g
    u.m = m
    if s.rule == ADAM and s.n_moments == 2 and is_rule_only(s):
        update_by_adam(&u)
    else:
        update_by_rule(&u)

cdef inline void update_in_region(const Step* s, real* w, const real* g, Py_ssize_t moment_stride, Py_ssize_t n,
                                  Py_ssize_t stride=LANES, Py_ssize_t lanes=LANES) noexcept nogil:
    """update_arrays with the moments at w + moment_stride, w + 2 moment_stride, ..., as in a training."""
    cdef real* m[MAX_MOMENTS]
    cdef int k
    m[0] = w + moment_stride
    for k in range(1, MAX_MOMENTS):         # one after the other: as a vector they reach the call later, by 2 ns
        m[k] = m[k - 1] + moment_stride
    update_arrays(s, w, g, m, n, stride, lanes)

cdef inline void update_panel(const int vecs, const Step* s, real* w, const real* g, Py_ssize_t moment_stride,
                              Py_ssize_t n_rows, Py_ssize_t n_columns) noexcept nogil:
    """update_in_region for rows of a panel. n_columns: that are used, from the first on, in `vecs`"""
    cdef Py_ssize_t lanes = n_columns - (vecs - 1) * LANES if FEW_LANES > 0 else LANES      # of the last vec
    cdef int v
    if vecs == VECS and lanes > FEW_LANES:
        update_in_region(s, w, g, moment_stride, n_rows * PANEL)
        return
    for v in range(vecs):
        update_in_region(s, w + v * LANES, g + v * LANES, moment_stride, n_rows * PANEL, PANEL,
                         lanes if v == vecs - 1 else LANES)

# ---- the lazy update of categories ----

cdef void update_lazily(const Step* s, real* w, const real* g, Py_ssize_t moment_stride, Py_ssize_t n) noexcept nogil:
    """One step on n weights of categories, with the moments at w + moment_stride and w + 2 moment_stride: the number of
    the last step with a gradient, and v. A weight whose gradient is 0 stays as it is, and so do its moments."""
    cdef Step step = s[0]                   # a local copy: stores cannot change it
    cdef real* last = w + moment_stride
    cdef real* v = last + moment_stride
    cdef vec a, b, d, m, q, k, size, tiny = vset(<real>ldexp(1, MIN_EXP)), number = vset(step.number)
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        b = load_some(g + i, n - i)
        size = vabs(b)
        if vreduce_add(size) == 0:
            continue
        a = load_some(w + i, n - i)
        m = load_some(last + i, n - i)
        q = load_some(v + i, n - i)
        k = vsub(number, m)                 # steps that the decays make up for
        d = adjust_gradient(&step, a, b) if step.has_adjustments else b
        b = vfma(vexp(vmul(vset(step.log_beta2), k)), q, vmul(vmul(vset(step.one_minus_beta2), d), d))
        d = vmul(vset(step.lazy_lr), vdiv(d, vfma(vsqrt(b), vset(step.correction2), vset(step.eps))))
        d = vsub(vmul(vexp(vmul(vset(step.log_decay_factor), k)), a) if step.decoupled else a, d)
        store_some(w + i, vselect_gt(tiny, size, a, d), n - i)          # a NaN is not below tiny
        store_some(last + i, vselect_gt(tiny, size, m, number), n - i)
        store_some(v + i, vselect_gt(tiny, size, q, b), n - i)
