/* AVX-512 (F, DQ): 16 floats or 8 doubles, 32 registers, real masks. */
#include <immintrin.h>

enum { LANES = BY_DTYPE(16, 8), ROWS = 8, VECS = 2, WIDE_ROWS = ROWS, TALL_ROWS = 12 };

typedef struct { BY_DTYPE(__m512, __m512d) v; } vec;
typedef vec factor;

#define OP(name) BY_DTYPE(_mm512_##name##_ps, _mm512_##name##_pd)
#define VEC(x) ((vec){x})
#define HALF_OP(name) BY_DTYPE(_mm256_##name##_ps, _mm256_##name##_pd)
#define HALF(a) BY_DTYPE(_mm512_castps512_ps256, _mm512_castpd512_pd256)(a)
#define FROM_HALF(a) BY_DTYPE(_mm512_zextps256_ps512, _mm512_zextpd256_pd512)(a)
#define QUARTER_OP(name) BY_DTYPE(_mm_##name##_ps, _mm_##name##_pd)
#define QUARTER(a) BY_DTYPE(_mm512_castps512_ps128, _mm512_castpd512_pd128)(a)
#define FROM_QUARTER(a) BY_DTYPE(_mm512_zextps128_ps512, _mm512_zextpd128_pd512)(a)

typedef BY_DTYPE(__mmask16, __mmask8) lane_mask;
static inline lane_mask first_lanes(ptrdiff_t n) { return (lane_mask)(n >= LANES ? (1u << LANES) - 1 : (1u << n) - 1); }

static inline vec vload(const real *p) { return VEC(OP(loadu)(p)); }
static inline vec vload_part(const real *p, ptrdiff_t n) { return VEC(OP(maskz_loadu)(first_lanes(n), p)); }
static inline void vstore(real *p, vec a) { OP(storeu)(p, a.v); }
static inline void vstore_part(real *p, vec a, ptrdiff_t n) { OP(mask_storeu)(p, first_lanes(n), a.v); }
static inline vec vset(real x) { return VEC(OP(set1)(x)); }
static inline vec vadd(vec a, vec b) { return VEC(OP(add)(a.v, b.v)); }
static inline vec vsub(vec a, vec b) { return VEC(OP(sub)(a.v, b.v)); }
static inline vec vmul(vec a, vec b) { return VEC(OP(mul)(a.v, b.v)); }
static inline vec vdiv(vec a, vec b) { return VEC(OP(div)(a.v, b.v)); }
static inline vec vsqrt(vec a) { return VEC(OP(sqrt)(a.v)); }
/* The divider takes a half or a quarter of the time for 8 or 4 floats. */
#define HAS_PARTS
static inline vec vdiv_part(vec a, vec b, ptrdiff_t n)
{
    if (n > LANES / 2) return vdiv(a, b);
    if (n > LANES / 4) return VEC(FROM_HALF(HALF_OP(div)(HALF(a.v), HALF(b.v))));
    return VEC(FROM_QUARTER(QUARTER_OP(div)(QUARTER(a.v), QUARTER(b.v))));
}
static inline vec vsqrt_part(vec a, ptrdiff_t n)
{
    if (n > LANES / 2) return vsqrt(a);
    if (n > LANES / 4) return VEC(FROM_HALF(HALF_OP(sqrt)(HALF(a.v))));
    return VEC(FROM_QUARTER(QUARTER_OP(sqrt)(QUARTER(a.v))));
}
static inline vec vfma(vec a, vec b, vec c) { return VEC(OP(fmadd)(a.v, b.v, c.v)); }
static inline factor vfactor(const real *p) { return vload(p); }
static inline vec vfma_factor(vec a, factor b, vec c) { return vfma(a, b, c); }
static inline vec vfnma(vec a, vec b, vec c) { return VEC(OP(fnmadd)(a.v, b.v, c.v)); }
static inline vec vmax(vec a, vec b) { return VEC(OP(max)(a.v, b.v)); }
static inline vec vmin(vec a, vec b) { return VEC(OP(min)(a.v, b.v)); }
static inline vec vselect_gt(vec a, vec b, vec x, vec y)
{
    return VEC(OP(mask_blend)(BY_DTYPE(_mm512_cmp_ps_mask, _mm512_cmp_pd_mask)(a.v, b.v, _CMP_GT_OQ), y.v, x.v));
}
static inline vec vabs(vec a) { return VEC(OP(abs)(a.v)); }
static inline vec vcopysign(vec a, vec s)
{
    const BY_DTYPE(__m512, __m512d) sign = OP(set1)(BY_DTYPE(-0.0f, -0.0));
    return VEC(OP(or)(OP(andnot)(sign, a.v), OP(and)(sign, s.v)));
}
static inline vec vround(vec a) { return VEC(OP(roundscale)(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
/* Add n to 1.5 * 2^23 (2^52): n is in the low bits of the sum. Shift it up to the exponent.
 * (One instruction less than a conversion.) */
static inline vec vpow2(vec n)
{
#ifdef FASTNN_DOUBLE
    return VEC(_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(vadd(n, vset(0x1.8p52 + 1023)).v), 52)));
#else
    return VEC(_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(vadd(n, vset(0x1.8p23f + 127)).v), 23)));
#endif
}
static inline vec vscale(vec a, vec n) { return VEC(OP(scalef)(a.v, n.v)); }
/* a = m * 2^e: subtract the bits of sqrt(1/2), so that the exponent field counts from there (as musl's logf does). */
static inline vec vexponent(vec a)
{
#ifdef FASTNN_DOUBLE
    __m512i i = _mm512_sub_epi64(_mm512_castpd_si512(a.v), _mm512_set1_epi64(0x3fe6a09e667f3bcdLL));
    return VEC(_mm512_cvtepi64_pd(_mm512_srai_epi64(i, 52)));
#else
    __m512i i = _mm512_sub_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x3f3504f3));
    return VEC(_mm512_cvtepi32_ps(_mm512_srai_epi32(i, 23)));
#endif
}
static inline vec vmantissa(vec a)
{
#ifdef FASTNN_DOUBLE
    const __m512i root = _mm512_set1_epi64(0x3fe6a09e667f3bcdLL);
    __m512i i = _mm512_sub_epi64(_mm512_castpd_si512(a.v), root);
    i = _mm512_and_si512(i, _mm512_set1_epi64(0x000fffffffffffffLL));
    return VEC(_mm512_castsi512_pd(_mm512_add_epi64(i, root)));
#else
    const __m512i root = _mm512_set1_epi32(0x3f3504f3);
    __m512i i = _mm512_sub_epi32(_mm512_castps_si512(a.v), root);
    i = _mm512_and_si512(i, _mm512_set1_epi32(0x007fffff));
    return VEC(_mm512_castsi512_ps(_mm512_add_epi32(i, root)));
#endif
}
#ifdef FASTNN_DOUBLE
#define FOLD(op) \
    __m256d b = _mm256_##op##_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1)); \
    __m128d c = _mm_##op##_pd(_mm256_castpd256_pd128(b), _mm256_extractf128_pd(b, 1)); \
    return _mm_cvtsd_f64(_mm_##op##_sd(c, _mm_unpackhi_pd(c, c)))
#else
#define FOLD(op) \
    __m256 b = _mm256_##op##_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)); \
    __m128 c = _mm_##op##_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1)); \
    c = _mm_##op##_ps(c, _mm_movehl_ps(c, c)); \
    return _mm_cvtss_f32(_mm_##op##_ss(c, _mm_movehdup_ps(c)))
#endif
static inline real vreduce_add(vec a) { FOLD(add); }
static inline real vreduce_max(vec a) { FOLD(max); }
static inline vec vfirst(vec a, ptrdiff_t n) { return VEC(OP(maskz_mov)(first_lanes(n), a.v)); }

static CYTHON_INLINE void vtranspose_rows(const real *const *s, ptrdiff_t k, real *d, ptrdiff_t ds)
{
#ifdef FASTNN_DOUBLE /* 8 x 8: 3 rounds of 8 shuffles */
    __m512d a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm512_loadu_pd(s[i] + k);
    for (int i = 0; i < 4; i++) {
        b[2 * i] = _mm512_unpacklo_pd(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_pd(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) { /* b[0..1] rows 0-1, b[2..3] rows 2-3, ...: even and odd 128-bit quarters */
        a[i] = _mm512_shuffle_f64x2(b[i], b[i + 2], 0x88);
        a[i + 2] = _mm512_shuffle_f64x2(b[i], b[i + 2], 0xdd);
        a[i + 4] = _mm512_shuffle_f64x2(b[i + 4], b[i + 6], 0x88);
        a[i + 6] = _mm512_shuffle_f64x2(b[i + 4], b[i + 6], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_pd(d + i * ds, _mm512_shuffle_f64x2(a[i], a[i + 4], 0x88));
        _mm512_storeu_pd(d + (i + 4) * ds, _mm512_shuffle_f64x2(a[i], a[i + 4], 0xdd));
    }
#else /* 16 x 16: 4 rounds of 16 shuffles */
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(s[i] + k);
    for (int i = 0; i < 8; i++) {
        b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        a[4 * i] = _mm512_shuffle_ps(b[4 * i], b[4 * i + 2], 0x44);
        a[4 * i + 1] = _mm512_shuffle_ps(b[4 * i], b[4 * i + 2], 0xee);
        a[4 * i + 2] = _mm512_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0x44);
        a[4 * i + 3] = _mm512_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
        b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
        b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
        b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        _mm512_storeu_ps(d + i * ds, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
        _mm512_storeu_ps(d + (i + 8) * ds, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
    }
#endif
}

#define HAS_QUADS
#ifdef FASTNN_DOUBLE
static inline vec vquads(const real *const *p, ptrdiff_t k)
{
    return VEC(_mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(p[0] + k)), _mm256_loadu_pd(p[1] + k), 1));
}
static inline vec vset_quad(const real *p) { return VEC(_mm512_broadcast_f64x4(_mm256_loadu_pd(p))); }
static inline __m512d add_pairs(__m512d a, __m512d b)
{
    return _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
}
static inline void vquad_totals(const vec *a, real *d)
{
    __m512d b = add_pairs(a[0].v, a[1].v), c = add_pairs(a[2].v, a[3].v);
    b = _mm512_add_pd(_mm512_shuffle_f64x2(b, c, 0x88), _mm512_shuffle_f64x2(b, c, 0xdd));
    _mm512_storeu_pd(d, _mm512_shuffle_f64x2(b, b, 0xd8)); /* from row 0, 1, 0, 1 to 0, 0, 1, 1 */
}
#else
static inline vec vquads(const real *const *p, ptrdiff_t k)
{
    __m512 a = _mm512_castps128_ps512(_mm_loadu_ps(p[0] + k));
    a = _mm512_insertf32x4(a, _mm_loadu_ps(p[1] + k), 1);
    a = _mm512_insertf32x4(a, _mm_loadu_ps(p[2] + k), 2);
    return VEC(_mm512_insertf32x4(a, _mm_loadu_ps(p[3] + k), 3));
}
static inline vec vset_quad(const real *p) { return VEC(_mm512_broadcast_f32x4(_mm_loadu_ps(p))); }
static inline __m512 add_pairs(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}
static inline void vquad_totals(const vec *a, real *d)
{
    _mm512_storeu_ps(d, add_pairs(add_pairs(a[0].v, a[1].v), add_pairs(a[2].v, a[3].v)));
}
#endif
