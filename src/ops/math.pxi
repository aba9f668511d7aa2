# exp, log, log1p, tanh, erf and sigmoid of one vec: IN x, returns f(x), lane by lane.
#
# No function has branches or tables; clamps and selects handle the edges. One source serves both dtypes and every
# instruction set. AVX-512, AVX2 and NEON do the same operations in the same order and give the same bits.
#
#   exp      n = round(x / ln 2), r = x - n ln 2 with ln 2 in two parts, e^r = 1 + (r + r^2 q(r)), times 2^n in a step
#            that rounds once
#   sigmoid  1 / (1 + e) or e / (1 + e) with e = e^-|x|, which cannot overflow
#   expm1    for x <= 0: 2^n (r + r^2 q(r)) + (2^n - 1), where nothing cancels
#   tanh     t = expm1(-2|x|), |tanh x| = -t / (2 + t)
#   erf      |erf x| = -expm1(-|x| H(|x|)) with the smooth H(x) = -log(erfc(x)) / x; the larger x, the less an error of
#            H matters. (x P(x^2) / Q(x^2) was a little faster for float, but its rounding errors added up to 6 ULP.)
#   log      x = 2^e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); s = f / (1 + f/2);
#            log(1 + f) = 2 artanh(s/2) = s + s^3 R(s^2)
#   log1p    the same, but f = x 2^-e + (2^-e - 1) comes from x in one fma, so a small x loses no digit
#   log1p_unit  log1p for 0 <= x <= 1, all that softplus and the cross-entropy of logits need: x + x^2 p(x), without
#            division and exponent. It takes half the time of log1p for float. For double, p would take as long as the
#            division, so log1p is used.
#
# q, H, R and p are minimax polynomials computed for this file by the Remez algorithm in 45 digits, for the error of the
# result, then rounded to the dtype. The float ones were then moved by a few ULP where a search found a smaller maximum.
# Long polynomials are split into even and odd powers: two short chains of fma instead of a long one.
#
# Largest error found, in ULP (AVX-512 = AVX2 = NEON | SSE2 = scalar). float: all 2^32 numbers against double of libm.
# double: 3 x 10 million numbers and the edges against long double, the worst also against mpmath.
#
#              exp          log          log1p        tanh         erf          sigmoid
#   float      1.96 | 1.96  1.97 | 1.97  2.20 | 2.20  2.50 | 2.50  2.38 | 2.59  3.82 | 3.82
#   double     1.09 | 1.07  2.03 | 2.03  2.49 | 2.49  2.59 | 2.59  1.93 | 2.13  2.42 | 2.42
#
# log1p_unit: float 1.40 | 1.72 on all its numbers.
# Subnormal numbers are read as 0, and a result below the smallest normal number is 0. SSE2 rounds a h of erf, so erf of
# |x| < 2^-123 (2^-1019) may be off by the smallest normal number.
# Float exp, log, tanh and erf are monotone (with FMA).

from libc.math cimport INFINITY, NAN


cdef inline vec num(double c) noexcept nogil:
    """c in every lane. The conversion happens at compile time, so nothing is computed in double for float."""
    return vset(<real>c)


cdef inline vec by_dtype(double single, double dbl) noexcept nogil:
    return num(single if sizeof(real) == 4 else dbl)


cdef inline vec horner(vec p, vec x, double c) noexcept nogil:
    """One step of Horner's rule, p x + c."""
    return vfma(p, x, num(c))


cdef inline vec expm1_reduced(vec r) noexcept nogil:
    """e^r - 1 = r + r^2 q(r) for |r| <= ln(2)/2."""
    cdef vec z = vmul(r, r)
    cdef vec q, o
    if sizeof(real) == 4:
        q = num(0.00138825236)
        q = horner(q, r, 0.00836663321)
        q = horner(q, r, 0.0416673496)
        q = horner(q, r, 0.166665435)
        q = horner(q, r, 0.49999997)
    else:
        q = num(2.7626024341676657e-07)
        o = num(2.5053774477093003e-08)
        q = horner(q, z, 2.4801505306026824e-05)
        o = horner(o, z, 2.7557407506484549e-06)
        q = horner(q, z, 0.0013888888931539846)
        o = horner(o, z, 0.00019841269719083487)
        q = horner(q, z, 0.041666666666576826)
        o = horner(o, z, 0.0083333333333895036)
        q = horner(q, z, 0.50000000000000056)
        o = horner(o, z, 0.16666666666666588)
        q = vfma(o, r, q)
    return vfma(q, z, r)


cdef inline vec vexp(vec x) noexcept nogil:
    # Beyond these limits the result is 0 or inf. vmin and vmax pass a NaN only as their second argument.
    x = vmin(by_dtype(89, 710), vmax(by_dtype(-105, -746), x))
    cdef vec n = vround(vmul(x, num(1.4426950408889634)))
    # The high part of ln 2 has so few digits that n times it is exact, even without FMA.
    cdef vec r = vfnma(n, by_dtype(0.693359375, 0.69314718036912382), x)
    r = vfnma(n, by_dtype(-2.12194440e-4, 1.9082149292705877e-10), r)
    cdef vec q
    if sizeof(real) == 4:  # one term less than expm1, with a free linear term: no accuracy is needed for tiny r
        q = num(0.00825032685)
        q = horner(q, r, 0.0418992601)
        q = horner(q, r, 0.166683376)
        q = horner(q, r, 0.499991357)
        q = horner(q, r, -5.66019253e-07)
        q = vfma(q, r, r)
    else:
        q = expm1_reduced(r)
    return vscale(vadd(num(1), q), n)


cdef inline vec vsigmoid(vec x) noexcept nogil:
    # For a NaN the select takes e, which is NaN too.
    cdef vec one = num(1)
    cdef vec e = vexp(vcopysign(x, num(-1)))
    return vdiv(vselect_gt(x, num(0), one, e), vadd(one, e))


cdef inline vec expm1_negative(vec x) noexcept nogil:
    """e^x - 1 for -87 <= x <= 0 (-700 for double); never below -1."""
    # ln 2 in one part is enough: its error grows with n, but the weight of e^x in the result shrinks as 2^n.
    cdef vec n = vround(vmul(x, num(1.4426950408889634)))
    cdef vec r = vfnma(n, num(0.6931471805599453), x)
    cdef vec p = vpow2(n)
    return vfma(p, expm1_reduced(r), vsub(p, num(1)))


cdef inline vec vtanh(vec x) noexcept nogil:
    # Beyond 9.02 (19.1) the result rounds to 1. a = -|x|, so that a + a is -2|x| without a multiplication.
    cdef vec a = vmax(by_dtype(-9.02, -19.1), vcopysign(x, num(-1)))
    cdef vec t = expm1_negative(vadd(a, a))
    return vcopysign(vdiv(t, vadd(num(2), t)), x)


cdef inline vec verf(vec x) noexcept nogil:
    # Beyond 3.93 (5.95) the result rounds to 1. a = -|x| and h = H - 1, so that a H = a + a h has the rounding error of
    # a small h.
    cdef vec a = vmax(by_dtype(-3.93, -5.95), vcopysign(x, num(-1)))
    cdef vec z = vmul(a, a)
    cdef vec h, o
    if sizeof(real) == 4:
        h = num(-0.000380999409)
        o = num(-4.07077459e-05)
        h = horner(h, z, 0.000205719465)
        o = horner(o, z, -0.00125174352)
        h = horner(h, z, 0.102814429)
        o = horner(o, z, 0.0193217229)
        h = horner(h, z, 0.128379211)
        o = horner(o, z, -0.636616468)
        h = vfma(o, a, h)
    else:
        h = num(1.6149731400334339e-13)
        o = num(3.5924386243091644e-15)
        h = horner(h, z, 4.3020218239958155e-11)
        o = horner(o, z, 3.3645479288528912e-12)
        h = horner(h, z, 2.3606302233415236e-09)
        o = horner(o, z, 3.7609046797259502e-10)
        h = horner(h, z, 3.4586676347573286e-08)
        o = horner(o, z, 1.0773872197763823e-08)
        h = horner(h, z, -1.1697178747728273e-08)
        o = horner(o, z, 6.5738575715794705e-08)
        h = horner(h, z, -2.0371614064741467e-06)
        o = horner(o, z, -5.706131063248637e-07)
        h = horner(h, z, 3.1696969963169966e-06)
        o = horner(o, z, -3.1329324376718288e-06)
        h = horner(h, z, 6.4420479727671551e-05)
        o = horner(o, z, 2.9575683751832565e-05)
        h = horner(h, z, -0.00059013242940351702)
        o = horner(o, z, -2.5904497004585407e-05)
        h = horner(h, z, -0.00020919485389958432)
        o = horner(o, z, -0.0016962076697120659)
        h = horner(h, z, 0.10277260330131557)
        o = horner(o, z, 0.019128446993097067)
        h = horner(h, z, 0.12837916709551256)
        o = horner(o, z, -0.63661977236759093)
        h = vfma(o, a, h)
    return vcopysign(expm1_negative(vfma(a, h, a)), x)


cdef inline vec log_series(vec s, vec e) noexcept nogil:
    """e ln 2 + 2 artanh(s/2), |s| <= 0.344."""
    cdef vec z = vmul(s, s)
    cdef vec p
    if sizeof(real) == 4:
        p = num(0.00233383384)
        p = horner(p, z, 0.0124929678)
        p = horner(p, z, 0.0833334699)
    else:
        p = num(4.4487922409694448e-06)
        p = horner(p, z, 1.8722184025378562e-05)
        p = horner(p, z, 8.87823695121272e-05)
        p = horner(p, z, 0.00043402766250709999)
        p = horner(p, z, 0.0022321428581388741)
        p = horner(p, z, 0.012499999999999227)
        p = horner(p, z, 0.083333333333333329)
    return vfma(e, num(0.6931471805599453), vfma(vmul(s, z), p, s))


cdef inline vec log_edges(vec x, vec y) noexcept nogil:
    """y = log(x), corrected where x is not a positive normal number: 0 and subnormal numbers give -inf, less gives NaN;
    inf and NaN stay."""
    cdef vec min_normal = by_dtype(1.1754943508222875e-38, 2.2250738585072014e-308)
    # x - max is inf for inf, NaN for NaN and far below y for all else. vmax returns its second argument for a NaN, so
    # it is cheaper here than a select.
    y = vmax(y, vsub(x, by_dtype(3.4028234663852886e38, 1.7976931348623157e308)))
    y = vselect_gt(min_normal, x, vsub(x, num(INFINITY)), y)
    return vselect_gt(num(0), x, num(NAN), y)


cdef inline vec vlog(vec x) noexcept nogil:
    cdef vec m = vmantissa(x), half = num(0.5)
    return log_edges(x, log_series(vdiv(vsub(m, num(1)), vfma(m, half, half)), vexponent(x)))


cdef inline vec vlog1p(vec x) noexcept nogil:
    # 4 f = 4 (x 2^-e + (2^-e - 1)) rounds once: the subtraction is exact as long as its last digit matters, and e = 0
    # for small x, so f = x. The factor 4 keeps 2^-e a normal number where e reaches 128 (1024).
    cdef vec u = vadd(x, num(1)), four = num(4)
    cdef vec e = vexponent(u)
    cdef vec p = vpow2(vsub(num(2), e))
    cdef vec f4 = vfma(x, p, vsub(p, four))
    cdef vec y = log_series(vdiv(f4, vfma(f4, num(0.5), four)), e)
    return vcopysign(log_edges(u, y), x)  # the sign is always that of x; it matters for -0.0


cdef inline vec vlog1p_unit(vec x) noexcept nogil:
    # A NaN stays NaN. Beyond 1 the polynomial is wrong.
    cdef vec p
    if sizeof(real) == 8:
        return vlog1p(x)
    p = num(-0.00331847463)
    p = horner(p, x, 0.0202045944)
    p = horner(p, x, -0.0576644614)
    p = horner(p, x, 0.10680557)
    p = horner(p, x, -0.153553978)
    p = horner(p, x, 0.196954012)
    p = horner(p, x, -0.249585882)
    p = horner(p, x, 0.33330512)
    p = horner(p, x, -0.499999315)
    return vfma(p, vmul(x, x), x)
