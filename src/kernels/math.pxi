# exp, log, log1p, tanh, erf and sigmoid of a vec.
#
# Every function is one straight line: no branches, no tables, the edges by selects at the end. The source serves both dtypes and every instruction set;
# AVX2, AVX-512 and NEON give the same bits, since they do the same operations in the same order.
#
#   exp      n = round(x / ln 2), r = x - n ln 2 with ln 2 in two parts; e^r = 1 + r q(r); times 2^n
#   tanh     t = e^(-2|x|) - 1 = 2^n (e^r - 1) + (2^n - 1), where nothing cancels; tanh |x| = -t / (2 + t)
#   log      x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); s = f / (1 + f/2); log(1 + f) = s + s^3 R(s^2), the series of 2 artanh(s/2)
#   log1p    the same, but f comes from x itself, (x + 1) 2^-e - 1 in one fma, so that no digit of a small x is lost
#   erf      x P(x^2) / Q(x^2): all coefficients are positive, so that nothing cancels
#
# q, R and P/Q are minimax approximations (relative error of the result), computed for this file with the Remez algorithm in 45 digits, then
# rounded to the dtype. The polynomials' own errors are 2^-23.3 (exp), 2^-25.8 (tanh), 2^-30 (log), 2^-25.2 (erf) for float, 2^-54.6 or less for double.
#
# Measured errors: @@TABLE@@


cdef inline vec horner(vec p, vec x, double c) noexcept nogil:
    """One step of Horner's rule, p x + c."""
    return vfma(p, x, vset(<real>c))


cdef inline vec vexp(vec x) noexcept nogil:
    # Beyond these ends the result is 0 or inf; a NaN passes, since it compares false. The order of the arguments matters.
    x = vmin(vset(<real>(89 if sizeof(real) == 4 else 710)), vmax(vset(<real>(-105 if sizeof(real) == 4 else -746)), x))
    cdef vec n = vround(vmul(x, vset(<real>1.4426950408889634)))
    cdef vec r, q
    if sizeof(real) == 4:  # the high part of ln 2 has few enough digits for n times it to be exact even without FMA
        r = vfnma(n, vset(<real>-2.12194440e-4), vfnma(n, vset(<real>0.693359375), x))
        q = vset(<real>0.0082659414)
        q = horner(q, r, 0.0418993495)
        q = horner(q, r, 0.166681468)
        q = horner(q, r, 0.499991387)
        q = horner(q, r, 0.999999464)
    else:
        r = vfnma(n, vset(<real>1.9082149292705877e-10), vfnma(n, vset(<real>0.69314718036912382), x))
        q = vset(<real>2.4991408478020777e-08)
        q = horner(q, r, 2.7631034279209671e-07)
        q = horner(q, r, 2.7557626783171578e-06)
        q = horner(q, r, 2.4801490635852386e-05)
        q = horner(q, r, 0.00019841269436684681)
        q = horner(q, r, 0.0013888888946353311)
        q = horner(q, r, 0.0083333333335497573)
        q = horner(q, r, 0.041666666666517825)
        q = horner(q, r, 0.16666666666666216)
        q = horner(q, r, 0.50000000000000122)
        q = horner(q, r, 1)
    return vscale(horner(q, r, 1), n)


cdef inline vec vsigmoid(vec x) noexcept nogil:
    # From e^-|x|, which cannot overflow. A NaN takes the branch of e, which is NaN.
    cdef vec one = vset(<real>1)
    cdef vec e = vexp(vcopysign(x, vset(<real>-1)))
    return vdiv(vselect_gt(x, vset(<real>0), one, e), vadd(one, e))


cdef inline vec vtanh(vec x) noexcept nogil:
    # From here on tanh rounds to 1. r stands for -r/2 of the note above: it saves a multiplication.
    # ln 2 needs one part only: its error grows with n, but the weight of e^-2|x| in the result shrinks as 2^n.
    cdef vec one = vset(<real>1)
    cdef vec a = vmin(vset(<real>(9.02 if sizeof(real) == 4 else 19.1)), vabs(x))
    cdef vec n = vround(vmul(a, vset(<real>-2.8853900817779268)))
    cdef vec r = vfma(n, vset(<real>0.34657359027997264), a)
    cdef vec q, t
    if sizeof(real) == 4:
        q = vset(<real>0.0888483599)
        q = horner(q, r, -0.267732233)
        q = horner(q, r, 0.666677594)
        q = horner(q, r, -1.33332348)
        q = horner(q, r, 1.99999988)
        q = horner(q, r, -2)
    else:
        q = vset(<real>-5.131013012908647e-05)
        q = horner(q, r, 0.00028289048925876897)
        q = horner(q, r, -0.0014109392643320089)
        q = horner(q, r, 0.0063491853583428669)
        q = horner(q, r, -0.025396825240426864)
        q = horner(q, r, 0.088888889161855014)
        q = horner(q, r, -0.26666666666846411)
        q = horner(q, r, 0.66666666666522922)
        q = horner(q, r, -1.333333333333327)
        q = horner(q, r, 2.0000000000000022)
        q = horner(q, r, -2)
    cdef vec p = vpow2(n)
    t = vfma(p, vmul(r, q), vsub(p, one))
    return vcopysign(vdiv(t, vadd(vset(<real>2), t)), x)


cdef inline vec log_series(vec s, vec e) noexcept nogil:
    """e ln 2 + 2 artanh(s/2), |s| <= 0.344."""
    cdef vec z = vmul(s, s)
    cdef vec p
    if sizeof(real) == 4:
        p = vset(<real>0.00233383384)
        p = horner(p, z, 0.0124929678)
        p = horner(p, z, 0.0833334699)
    else:
        p = vset(<real>4.4487922409694448e-06)
        p = horner(p, z, 1.8722184025378562e-05)
        p = horner(p, z, 8.87823695121272e-05)
        p = horner(p, z, 0.00043402766250709999)
        p = horner(p, z, 0.0022321428581388741)
        p = horner(p, z, 0.012499999999999227)
        p = horner(p, z, 0.083333333333333329)
    return vfma(e, vset(<real>0.6931471805599453), vfma(vmul(s, z), p, s))


cdef inline vec log_edges(vec x, vec y) noexcept nogil:
    """y = log(x), put right where x is not a positive finite number: 0 gives -inf, less gives NaN; inf and NaN stay."""
    cdef vec zero = vset(<real>0), inf = vset(<real>INFINITY)
    y = vselect_gt(inf, x, y, x)
    y = vselect_gt(x, zero, y, vsub(x, inf))
    return vselect_gt(zero, x, vset(<real>NAN), y)


cdef inline vec vlog(vec x) noexcept nogil:
    # Subnormal numbers are first made normal, by 2^24 (2^54).
    cdef vec least = vset(<real>(1.1754943508222875e-38 if sizeof(real) == 4 else 2.2250738585072014e-308))
    cdef vec a = vselect_gt(least, x, vmul(x, vset(<real>(16777216.0 if sizeof(real) == 4 else 18014398509481984.0))), x)
    cdef vec m = vmantissa(a), half = vset(<real>0.5)
    cdef vec e = vadd(vexponent(a), vselect_gt(least, x, vset(<real>(-24 if sizeof(real) == 4 else -54)), vset(<real>0)))
    return log_edges(x, log_series(vdiv(vsub(m, vset(<real>1)), vfma(m, half, half)), e))


cdef inline vec vlog1p(vec x) noexcept nogil:
    # 4 f = 4 (x 2^-e + (2^-e - 1)) rounds once: the subtraction is exact as long as its last digit matters, and e = 0 for small x, so that f = x.
    # Four times, because 2^-e alone would leave the normal numbers where e reaches 128 (1024).
    cdef vec u = vadd(x, vset(<real>1)), four = vset(<real>4)
    cdef vec e = vexponent(u)
    cdef vec p = vpow2(vsub(vset(<real>2), e))
    cdef vec f4 = vfma(x, p, vsub(p, four))
    cdef vec y = log_series(vdiv(f4, vfma(f4, vset(<real>0.5), four)), e)
    return vcopysign(log_edges(u, y), x)  # the sign is always that of x; it matters for -0.0


cdef inline vec verf(vec x) noexcept nogil:
    # From here on erf rounds to 1; rounding errors just before must not lead beyond.
    cdef vec a = vmin(vset(<real>(3.925 if sizeof(real) == 4 else 5.93)), vabs(x))
    cdef vec z = vmul(a, a)
    cdef vec p, q
    if sizeof(real) == 4:
        p = vset(<real>2.06262825e-06)
        p = horner(p, z, 0.00028402856)
        p = horner(p, z, 0.00371554331)
        p = horner(p, z, 0.0525937527)
        p = horner(p, z, 0.189201817)
        p = horner(p, z, 1.12837911)
        q = vset(<real>3.81776445e-05)
        q = horner(q, z, 0.00115093181)
        q = horner(q, z, 0.0148682334)
        q = horner(q, z, 0.113615178)
        q = horner(q, z, 0.501008689)
        q = horner(q, z, 0.99999994)
    else:
        p = vset(<real>1.589590943691214e-17)
        p = horner(p, z, 2.2395257186490527e-14)
        p = horner(p, z, 3.3262360361947812e-12)
        p = horner(p, z, 1.7030822735260013e-10)
        p = horner(p, z, 6.7097669627860388e-09)
        p = horner(p, z, 1.6797585944869788e-07)
        p = horner(p, z, 3.8773573547445577e-06)
        p = horner(p, z, 5.654897074920515e-05)
        p = horner(p, z, 0.00085246904129086722)
        p = horner(p, z, 0.0068562210979240317)
        p = horner(p, z, 0.066011955794342436)
        p = horner(p, z, 0.21957726204756983)
        p = horner(p, z, 1.1283791670955126)
        q = vset(<real>8.9300083834544507e-16)
        q = horner(q, z, 3.3247867557417846e-13)
        q = horner(q, z, 2.529793044362053e-11)
        q = horner(q, z, 1.1150150820524245e-09)
        q = horner(q, z, 3.4867018771721173e-08)
        q = horner(q, z, 8.2886654751290397e-07)
        q = horner(q, z, 1.5400178592775851e-05)
        q = horner(q, z, 0.00022490478476503385)
        q = horner(q, z, 0.0025540545292974063)
        q = horner(q, z, 0.021918755930825248)
        q = horner(q, z, 0.13447777768578714)
        q = horner(q, z, 0.52792861517708478)
        q = horner(q, z, 1)
    return vcopysign(vmin(vset(<real>1), vdiv(vmul(a, p), q)), x)
