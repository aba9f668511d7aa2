/* SSE2, the baseline of x86-64: 4 floats or 2 doubles, 16 registers; no FMA, blend, rounding instruction or masks.
 *
 * A broadcast takes two instructions, one of them a shuffle in a unit that also multiplies or adds. So register blocks
 * are wide, not tall. */
#include <emmintrin.h>

enum { LANES = BY_DTYPE(4, 2), ROWS = 4, VECS = 4, WIDE_ROWS = 2, TALL_ROWS = WIDE_ROWS };

typedef struct { BY_DTYPE(__m128, __m128d) v; } vec;
typedef const BY_DTYPE(__m128, __m128d) *factor;

#define OP(name) BY_DTYPE(_mm_##name##_ps, _mm_##name##_pd)
#define INT(name) BY_DTYPE(_mm_##name##_epi32, _mm_##name##_epi64)
#define INT_SET1(x) BY_DTYPE(_mm_set1_epi32, _mm_set1_epi64x)(x)
#define BITS(x) BY_DTYPE(_mm_castps_si128, _mm_castpd_si128)(x)
#define FROM_BITS(i) BY_DTYPE(_mm_castsi128_ps, _mm_castsi128_pd)(i)
#define VEC(x) ((vec){x})

static inline vec vload(const real *p) { return VEC(OP(loadu)(p)); }
static inline vec vload_part(const real *p, ptrdiff_t n)
{
    if (n >= LANES) return vload(p);
#ifdef FASTNN_DOUBLE
    return VEC(n == 1 ? _mm_load_sd(p) : _mm_setzero_pd());
#else
    __m128 low = n >= 2 ? FROM_BITS(_mm_loadl_epi64((const __m128i *)p)) : _mm_setzero_ps();
    if (n == 1) low = _mm_load_ss(p);
    return VEC(n == 3 ? _mm_movelh_ps(low, _mm_load_ss(p + 2)) : low);
#endif
}
static inline void vstore(real *p, vec a) { OP(storeu)(p, a.v); }
static inline void vstore_part(real *p, vec a, ptrdiff_t n)
{
    if (n >= LANES) vstore(p, a);
#ifdef FASTNN_DOUBLE
    else if (n == 1) _mm_store_sd(p, a.v);
#else
    else if (n == 1) _mm_store_ss(p, a.v);
    else if (n >= 2) {
        _mm_storel_epi64((__m128i *)p, BITS(a.v));
        if (n == 3) _mm_store_ss(p + 2, _mm_movehl_ps(a.v, a.v));
    }
#endif
}
static inline vec vset(real x) { return VEC(OP(set1)(x)); }
static inline vec vadd(vec a, vec b) { return VEC(OP(add)(a.v, b.v)); }
static inline vec vsub(vec a, vec b) { return VEC(OP(sub)(a.v, b.v)); }
static inline vec vmul(vec a, vec b) { return VEC(OP(mul)(a.v, b.v)); }
static inline vec vdiv(vec a, vec b) { return VEC(OP(div)(a.v, b.v)); }
static inline vec vsqrt(vec a) { return VEC(OP(sqrt)(a.v)); }
static inline vec vfma(vec a, vec b, vec c) { return vadd(vmul(a, b), c); }
/* A product overwrites one of its factors. Here that is a, or a copy of a, and b is a memory operand. Without this the
 * compiler loads b and overwrites it: as many instructions, but training took 10 to 13 % longer (Zen 4). */
static inline factor vfactor(const real *p) { return (factor)p; }
static inline vec vfma_factor(vec a, factor b, vec c)
{
    __asm__(BY_DTYPE("mulps", "mulpd") " %1, %0" : "+x"(a.v) : "m"(*b));
    return vadd(a, c);
}
static inline vec vfnma(vec a, vec b, vec c) { return vsub(c, vmul(a, b)); }
static inline vec vmax(vec a, vec b) { return VEC(OP(max)(a.v, b.v)); }
static inline vec vmin(vec a, vec b) { return VEC(OP(min)(a.v, b.v)); }
static inline vec vselect_gt(vec a, vec b, vec x, vec y)
{
    const BY_DTYPE(__m128, __m128d) m = OP(cmpgt)(a.v, b.v);
    return VEC(OP(or)(OP(and)(m, x.v), OP(andnot)(m, y.v)));
}
static inline vec vabs(vec a) { return VEC(OP(andnot)(OP(set1)(BY_DTYPE(-0.0f, -0.0)), a.v)); }
static inline vec vcopysign(vec a, vec s)
{
    const BY_DTYPE(__m128, __m128d) sign = OP(set1)(BY_DTYPE(-0.0f, -0.0));
    return VEC(OP(or)(OP(andnot)(sign, a.v), OP(and)(sign, s.v)));
}
/* Near 2^23 (2^52) numbers are 1 apart, so the addition rounds. The sign is restored last: -0.3 gives -0.0. */
static inline vec vround(vec a)
{
    const vec magic = vset(BY_DTYPE(0x1p23f, 0x1p52));
    return vcopysign(vsub(vadd(vabs(a), magic), magic), a);
}
/* Add n to 1.5 * 2^23 (2^52): n is in the low bits of the sum. Shift it up to the exponent.
 * (SSE2 cannot convert doubles to 64-bit ints.) */
static inline vec vpow2(vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    return VEC(FROM_BITS(INT(slli)(BITS(vadd(n, vset(magic + MAX_EXP)).v), BY_DTYPE(23, 52))));
}
/* In the same way two factors, 2^(n/2 rounded down) and the rest; both are normal, so only the last product rounds. */
static inline vec vscale(vec a, vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    const __m128i field = INT_SET1(BY_DTYPE(0x7f800000, 0x7ff0000000000000LL));
    __m128i k = BITS(vadd(n, vset(magic + 2 * MAX_EXP)).v);
    __m128i half = _mm_and_si128(INT(slli)(k, BY_DTYPE(22, 51)), field);
    __m128i rest = INT(sub)(INT(slli)(k, BY_DTYPE(23, 52)), half);
    return vmul(vmul(a, VEC(FROM_BITS(half))), VEC(FROM_BITS(rest)));
}
/* a = m * 2^e: subtract the bits of sqrt(1/2), so that the exponent field counts from there (as musl's logf does). */
static inline vec vexponent(vec a)
{
#ifdef FASTNN_DOUBLE /* the biased exponent, which is positive, as low bits of 2^52: no 64-bit shift or conversion */
    __m128i i = _mm_sub_epi64(BITS(a.v), _mm_set1_epi64x(0x3fe6a09e667f3bcdLL - 0x3ff0000000000000LL));
    i = _mm_or_si128(_mm_srli_epi64(i, 52), BITS(_mm_set1_pd(0x1p52)));
    return VEC(_mm_sub_pd(FROM_BITS(i), _mm_set1_pd(0x1p52 + 1023)));
#else
    __m128i i = _mm_sub_epi32(BITS(a.v), _mm_set1_epi32(0x3f3504f3));
    return VEC(_mm_cvtepi32_ps(_mm_srai_epi32(i, 23)));
#endif
}
static inline vec vmantissa(vec a)
{
    const __m128i root = INT_SET1(BY_DTYPE(0x3f3504f3, 0x3fe6a09e667f3bcdLL));
    const __m128i field = INT_SET1(BY_DTYPE(0x007fffff, 0x000fffffffffffffLL));
    return VEC(FROM_BITS(INT(add)(_mm_and_si128(INT(sub)(BITS(a.v), root), field), root)));
}
#ifdef FASTNN_DOUBLE
#define FOLD(op) return _mm_cvtsd_f64(_mm_##op##_sd(a.v, _mm_unpackhi_pd(a.v, a.v)))
#else
#define FOLD(op) \
    __m128 b = _mm_##op##_ps(a.v, _mm_movehl_ps(a.v, a.v)); \
    return _mm_cvtss_f32(_mm_##op##_ss(b, _mm_shuffle_ps(b, b, 1)))
#endif
static inline real vreduce_add(vec a) { FOLD(add); }
static inline real vreduce_max(vec a) { FOLD(max); }
/* All ones in the first n lanes: LANES ints from a table of ones, then zeros, at an offset that depends on n. */
static inline vec vfirst(vec a, ptrdiff_t n)
{
    static const BY_DTYPE(int32_t, int64_t) border[8] = {-1, -1, -1, -1};
    __m128i m = _mm_loadu_si128((const __m128i *)(border + 4 - (n < LANES ? n : LANES)));
    return VEC(OP(and)(a.v, FROM_BITS(m)));
}

static CYTHON_INLINE void vtranspose_rows(const real *const *s, ptrdiff_t k, real *d, ptrdiff_t ds)
{
#ifdef FASTNN_DOUBLE /* 2 x 2 */
    __m128d a = _mm_loadu_pd(s[0] + k), b = _mm_loadu_pd(s[1] + k);
    _mm_storeu_pd(d, _mm_unpacklo_pd(a, b));
    _mm_storeu_pd(d + ds, _mm_unpackhi_pd(a, b));
#else /* 4 x 4 */
    __m128 a = _mm_loadu_ps(s[0] + k), b = _mm_loadu_ps(s[1] + k), c = _mm_loadu_ps(s[2] + k), e = _mm_loadu_ps(s[3] + k);
    _MM_TRANSPOSE4_PS(a, b, c, e);
    _mm_storeu_ps(d, a);
    _mm_storeu_ps(d + ds, b);
    _mm_storeu_ps(d + 2 * ds, c);
    _mm_storeu_ps(d + 3 * ds, e);
#endif
}
