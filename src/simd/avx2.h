/* AVX2 with FMA: 8 floats or 4 doubles, 16 registers. */
#include <immintrin.h>

enum { LANES = BY_DTYPE(8, 4), ROWS = 8, VECS = 2, WIDE_ROWS = 4, TALL_ROWS = 6 };

typedef struct { BY_DTYPE(__m256, __m256d) v; } vec;
typedef vec factor;

#define OP(name) BY_DTYPE(_mm256_##name##_ps, _mm256_##name##_pd)
#define INT(name) BY_DTYPE(_mm256_##name##_epi32, _mm256_##name##_epi64)
#define INT_SET1(x) BY_DTYPE(_mm256_set1_epi32, _mm256_set1_epi64x)(x)
#define BITS(x) BY_DTYPE(_mm256_castps_si256, _mm256_castpd_si256)(x)
#define FROM_BITS(i) BY_DTYPE(_mm256_castsi256_ps, _mm256_castsi256_pd)(i)
#define VEC(x) ((vec){x})

/* All ones in the first n lanes: LANES ints from a table of ones, then zeros, at an offset that depends on n. */
static inline __m256i first_lanes(ptrdiff_t n)
{
    static const BY_DTYPE(int32_t, int64_t) border[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(border + 8 - (n < LANES ? n : LANES)));
}

static inline vec vload(const real *p) { return VEC(OP(loadu)(p)); }
static inline vec vload_part(const real *p, ptrdiff_t n) { return VEC(OP(maskload)(p, first_lanes(n))); }
static inline void vstore(real *p, vec a) { OP(storeu)(p, a.v); }
static inline void vstore_part(real *p, vec a, ptrdiff_t n) { OP(maskstore)(p, first_lanes(n), a.v); }
static inline vec vset(real x) { return VEC(OP(set1)(x)); }
static inline vec vadd(vec a, vec b) { return VEC(OP(add)(a.v, b.v)); }
static inline vec vsub(vec a, vec b) { return VEC(OP(sub)(a.v, b.v)); }
static inline vec vmul(vec a, vec b) { return VEC(OP(mul)(a.v, b.v)); }
static inline vec vdiv(vec a, vec b) { return VEC(OP(div)(a.v, b.v)); }
static inline vec vsqrt(vec a) { return VEC(OP(sqrt)(a.v)); }
static inline vec vfma(vec a, vec b, vec c) { return VEC(OP(fmadd)(a.v, b.v, c.v)); }
static inline factor vfactor(const real *p) { return vload(p); }
static inline vec vfma_factor(vec a, factor b, vec c) { return vfma(a, b, c); }
static inline vec vfnma(vec a, vec b, vec c) { return VEC(OP(fnmadd)(a.v, b.v, c.v)); }
static inline vec vmax(vec a, vec b) { return VEC(OP(max)(a.v, b.v)); }
static inline vec vmin(vec a, vec b) { return VEC(OP(min)(a.v, b.v)); }
static inline vec vselect_gt(vec a, vec b, vec x, vec y)
{
    return VEC(OP(blendv)(y.v, x.v, OP(cmp)(a.v, b.v, _CMP_GT_OQ)));
}
static inline vec vabs(vec a) { return VEC(OP(andnot)(OP(set1)(BY_DTYPE(-0.0f, -0.0)), a.v)); }
static inline vec vcopysign(vec a, vec s)
{
    const BY_DTYPE(__m256, __m256d) sign = OP(set1)(BY_DTYPE(-0.0f, -0.0));
    return VEC(OP(or)(OP(andnot)(sign, a.v), OP(and)(sign, s.v)));
}
static inline vec vround(vec a) { return VEC(OP(round)(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
/* Add n to 1.5 * 2^23 (2^52): n is in the low bits of the sum. Shift it up to the exponent.
 * (AVX2 cannot convert doubles to 64-bit ints.) */
static inline vec vpow2(vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    return VEC(FROM_BITS(INT(slli)(BITS(vadd(n, vset(magic + MAX_EXP)).v), BY_DTYPE(23, 52))));
}
/* In the same way two factors, 2^(n/2 rounded down) and the rest; both are normal, so only the last product rounds. */
static inline vec vscale(vec a, vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    const __m256i field = INT_SET1(BY_DTYPE(0x7f800000, 0x7ff0000000000000LL));
    __m256i k = BITS(vadd(n, vset(magic + 2 * MAX_EXP)).v);
    __m256i half = _mm256_and_si256(INT(slli)(k, BY_DTYPE(22, 51)), field);
    __m256i rest = INT(sub)(INT(slli)(k, BY_DTYPE(23, 52)), half);
    return vmul(vmul(a, VEC(FROM_BITS(half))), VEC(FROM_BITS(rest)));
}
/* a = m * 2^e: subtract the bits of sqrt(1/2), so that the exponent field counts from there (as musl's logf does). */
static inline vec vexponent(vec a)
{
#ifdef FASTNN_DOUBLE /* the biased exponent, which is positive, as low bits of 2^52: no 64-bit shift or conversion */
    __m256i i = _mm256_sub_epi64(BITS(a.v), _mm256_set1_epi64x(0x3fe6a09e667f3bcdLL - 0x3ff0000000000000LL));
    i = _mm256_or_si256(_mm256_srli_epi64(i, 52), BITS(_mm256_set1_pd(0x1p52)));
    return VEC(_mm256_sub_pd(FROM_BITS(i), _mm256_set1_pd(0x1p52 + 1023)));
#else
    __m256i i = _mm256_sub_epi32(BITS(a.v), _mm256_set1_epi32(0x3f3504f3));
    return VEC(_mm256_cvtepi32_ps(_mm256_srai_epi32(i, 23)));
#endif
}
static inline vec vmantissa(vec a)
{
    const __m256i root = INT_SET1(BY_DTYPE(0x3f3504f3, 0x3fe6a09e667f3bcdLL));
    const __m256i field = INT_SET1(BY_DTYPE(0x007fffff, 0x000fffffffffffffLL));
    return VEC(FROM_BITS(INT(add)(_mm256_and_si256(INT(sub)(BITS(a.v), root), field), root)));
}
#ifdef FASTNN_DOUBLE
#define FOLD(op) \
    __m128d c = _mm_##op##_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1)); \
    return _mm_cvtsd_f64(_mm_##op##_sd(c, _mm_unpackhi_pd(c, c)))
#else
#define FOLD(op) \
    __m128 c = _mm_##op##_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1)); \
    c = _mm_##op##_ps(c, _mm_movehl_ps(c, c)); \
    return _mm_cvtss_f32(_mm_##op##_ss(c, _mm_movehdup_ps(c)))
#endif
static inline real vreduce_add(vec a) { FOLD(add); }
static inline real vreduce_max(vec a) { FOLD(max); }
static inline vec vfirst(vec a, ptrdiff_t n) { return VEC(OP(and)(a.v, FROM_BITS(first_lanes(n)))); }

/* Loads put the 128-bit quarters of two rows into one register; the rest is shuffles within 128-bit halves. */
static CYTHON_INLINE void vtranspose_rows(const real *const *s, ptrdiff_t k, real *d, ptrdiff_t ds)
{
#ifdef FASTNN_DOUBLE /* 4 x 4 */
    for (int i = 0; i < 4; i += 2) {
        __m256d a = _mm256_loadu2_m128d(s[2] + k + i, s[0] + k + i);
        __m256d b = _mm256_loadu2_m128d(s[3] + k + i, s[1] + k + i);
        _mm256_storeu_pd(d + i * ds, _mm256_unpacklo_pd(a, b));
        _mm256_storeu_pd(d + (i + 1) * ds, _mm256_unpackhi_pd(a, b));
    }
#else /* 8 x 8 */
    for (int i = 0; i < 8; i += 4) {
        __m256 a[4], b[4];
        for (int j = 0; j < 4; j++) a[j] = _mm256_loadu2_m128(s[j + 4] + k + i, s[j] + k + i);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        _mm256_storeu_ps(d + i * ds, _mm256_shuffle_ps(b[0], b[2], 0x44));
        _mm256_storeu_ps(d + (i + 1) * ds, _mm256_shuffle_ps(b[0], b[2], 0xee));
        _mm256_storeu_ps(d + (i + 2) * ds, _mm256_shuffle_ps(b[1], b[3], 0x44));
        _mm256_storeu_ps(d + (i + 3) * ds, _mm256_shuffle_ps(b[1], b[3], 0xee));
    }
#endif
}

#define HAS_QUADS
static inline vec vquads(const real *const *p, ptrdiff_t k)
{
    return VEC(BY_DTYPE(_mm256_loadu2_m128(p[1] + k, p[0] + k), _mm256_loadu_pd(p[0] + k)));
}
static inline vec vset_quad(const real *p)
{
    return VEC(BY_DTYPE(_mm256_broadcast_ps((const __m128 *)p), _mm256_loadu_pd(p)));
}
static inline void vquad_totals(const vec *a, real *d)
{
    vec b = VEC(OP(hadd)(a[0].v, a[1].v)), c = VEC(OP(hadd)(a[2].v, a[3].v));
#ifdef FASTNN_DOUBLE
    vstore(d, vadd(VEC(_mm256_permute2f128_pd(b.v, c.v, 0x20)), VEC(_mm256_permute2f128_pd(b.v, c.v, 0x31))));
#else
    vstore(d, VEC(_mm256_hadd_ps(b.v, c.v)));
#endif
}
