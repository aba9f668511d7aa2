/* NEON (AArch64): 4 floats or 2 doubles, 32 registers, FMA; no masks. */
#include <arm_neon.h>

enum { LANES = BY_DTYPE(4, 2), ROWS = BY_DTYPE(8, 4), VECS = BY_DTYPE(2, 4), WIDE_ROWS = ROWS, TALL_ROWS = ROWS };

typedef struct { BY_DTYPE(float32x4_t, float64x2_t) v; } vec;
typedef vec factor;
typedef BY_DTYPE(uint32x4_t, uint64x2_t) lane_mask;
typedef BY_DTYPE(int32x4_t, int64x2_t) int_vec;

#define OP(name) BY_DTYPE(name##q_f32, name##q_f64)
#define INT(name) BY_DTYPE(name##q_s32, name##q_s64)
#define INT_SET1(x) BY_DTYPE(vdupq_n_s32, vdupq_n_s64)(x)
#define INT_SHL(i, by) BY_DTYPE(vshlq_n_s32, vshlq_n_s64)(i, by)
#define BITS(x) BY_DTYPE(vreinterpretq_s32_f32, vreinterpretq_s64_f64)(x)
#define FROM_BITS(i) BY_DTYPE(vreinterpretq_f32_s32, vreinterpretq_f64_s64)(i)
#define VEC(x) ((vec){x})

static inline vec vload(const real *p) { return VEC(OP(vld1)(p)); }
static inline vec vload_part(const real *p, ptrdiff_t n)
{
    if (n >= LANES) return vload(p);
    vec a = VEC(BY_DTYPE(vdupq_n_f32, vdupq_n_f64)(0));
    if (n > 0) a.v = BY_DTYPE(vld1q_lane_f32, vld1q_lane_f64)(p, a.v, 0);
#ifndef FASTNN_DOUBLE
    if (n > 1) a.v = vld1q_lane_f32(p + 1, a.v, 1);
    if (n > 2) a.v = vld1q_lane_f32(p + 2, a.v, 2);
#endif
    return a;
}
static inline void vstore(real *p, vec a) { OP(vst1)(p, a.v); }
static inline void vstore_part(real *p, vec a, ptrdiff_t n)
{
    if (n >= LANES) { vstore(p, a); return; }
    if (n > 0) BY_DTYPE(vst1q_lane_f32, vst1q_lane_f64)(p, a.v, 0);
#ifndef FASTNN_DOUBLE
    if (n > 1) vst1q_lane_f32(p + 1, a.v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, a.v, 2);
#endif
}
static inline vec vset(real x) { return VEC(BY_DTYPE(vdupq_n_f32, vdupq_n_f64)(x)); }
static inline vec vadd(vec a, vec b) { return VEC(OP(vadd)(a.v, b.v)); }
static inline vec vsub(vec a, vec b) { return VEC(OP(vsub)(a.v, b.v)); }
static inline vec vmul(vec a, vec b) { return VEC(OP(vmul)(a.v, b.v)); }
static inline vec vdiv(vec a, vec b) { return VEC(OP(vdiv)(a.v, b.v)); }
static inline vec vsqrt(vec a) { return VEC(OP(vsqrt)(a.v)); }
static inline vec vfma(vec a, vec b, vec c) { return VEC(OP(vfma)(c.v, a.v, b.v)); }
static inline factor vfactor(const real *p) { return vload(p); }
static inline vec vfma_factor(vec a, factor b, vec c) { return vfma(a, b, c); }
static inline vec vfnma(vec a, vec b, vec c) { return VEC(OP(vfms)(c.v, a.v, b.v)); }
static inline vec vselect_gt(vec a, vec b, vec x, vec y) { return VEC(OP(vbsl)(OP(vcgt)(a.v, b.v), x.v, y.v)); }
/* Compare and select: the max and min of NEON give NaN where x86 gives b. Times 1: a subnormal number becomes 0. */
static inline vec vmax(vec a, vec b) { return vmul(vselect_gt(a, b, a, b), vset(1)); }
static inline vec vmin(vec a, vec b) { return vmul(vselect_gt(b, a, a, b), vset(1)); }
static inline vec vabs(vec a) { return VEC(OP(vabs)(a.v)); }
static inline vec vcopysign(vec a, vec s)
{
    const lane_mask sign = BY_DTYPE(vdupq_n_u32(0x80000000u), vdupq_n_u64(0x8000000000000000u));
    return VEC(OP(vbsl)(sign, s.v, a.v));
}
static inline vec vround(vec a) { return VEC(OP(vrndn)(a.v)); }
static inline vec vpow2(vec n)
{
    int_vec i = INT(vadd)(BY_DTYPE(vcvtq_s32_f32, vcvtq_s64_f64)(n.v), INT_SET1(MAX_EXP));
    return VEC(FROM_BITS(INT_SHL(i, BY_DTYPE(23, 52))));
}
/* Add n to 1.5 * 2^23 (2^52): n is in the low bits of the sum. They give two factors, 2^(n/2 rounded down) and the
 * rest. Both are normal, so only the last product rounds. */
static inline vec vscale(vec a, vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    const int_vec field = INT_SET1(BY_DTYPE(0x7f800000, 0x7ff0000000000000LL));
    int_vec k = BITS(vadd(n, vset(magic + 2 * MAX_EXP)).v);
    int_vec half = INT(vand)(INT_SHL(k, BY_DTYPE(22, 51)), field);
    int_vec rest = INT(vsub)(INT_SHL(k, BY_DTYPE(23, 52)), half);
    return vmul(vmul(a, VEC(FROM_BITS(half))), VEC(FROM_BITS(rest)));
}
/* a = m * 2^e: subtract the bits of sqrt(1/2), so that the exponent field counts from there (as musl's logf does). */
static inline vec vexponent(vec a)
{
    int_vec i = INT(vsub)(BITS(a.v), INT_SET1(BY_DTYPE(0x3f3504f3, 0x3fe6a09e667f3bcdLL)));
    return VEC(BY_DTYPE(vcvtq_f32_s32(vshrq_n_s32(i, 23)), vcvtq_f64_s64(vshrq_n_s64(i, 52))));
}
static inline vec vmantissa(vec a)
{
    const int_vec root = INT_SET1(BY_DTYPE(0x3f3504f3, 0x3fe6a09e667f3bcdLL));
    const int_vec field = INT_SET1(BY_DTYPE(0x007fffff, 0x000fffffffffffffLL));
    return VEC(FROM_BITS(INT(vadd)(INT(vand)(INT(vsub)(BITS(a.v), root), field), root)));
}
static inline real vreduce_add(vec a)
{
#ifdef FASTNN_DOUBLE
    return vgetq_lane_f64(a.v, 0) + vgetq_lane_f64(a.v, 1);
#else
    float32x2_t b = vadd_f32(vget_low_f32(a.v), vget_high_f32(a.v));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
#endif
}
static inline real vreduce_max(vec a) { return OP(vmaxv)(a.v); }
/* All ones in the first n lanes: LANES ints from a table of ones, then zeros, at an offset that depends on n. */
static inline vec vfirst(vec a, ptrdiff_t n)
{
    static const BY_DTYPE(int32_t, int64_t) border[8] = {-1, -1, -1, -1};
    return VEC(FROM_BITS(INT(vand)(BITS(a.v), INT(vld1)(border + 4 - (n < LANES ? n : LANES)))));
}

static CYTHON_INLINE void vtranspose_rows(const real *const *s, ptrdiff_t k, real *d, ptrdiff_t ds)
{
#ifdef FASTNN_DOUBLE /* 2 x 2 */
    float64x2_t a = vld1q_f64(s[0] + k), b = vld1q_f64(s[1] + k);
    vst1q_f64(d, vtrn1q_f64(a, b));
    vst1q_f64(d + ds, vtrn2q_f64(a, b));
#else /* 4 x 4: pairs of floats, then pairs of pairs */
    float32x4_t a = vld1q_f32(s[0] + k), b = vld1q_f32(s[1] + k), c = vld1q_f32(s[2] + k), e = vld1q_f32(s[3] + k);
    float64x2_t ab1 = vreinterpretq_f64_f32(vtrn1q_f32(a, b)), ce1 = vreinterpretq_f64_f32(vtrn1q_f32(c, e));
    float64x2_t ab2 = vreinterpretq_f64_f32(vtrn2q_f32(a, b)), ce2 = vreinterpretq_f64_f32(vtrn2q_f32(c, e));
    vst1q_f32(d, vreinterpretq_f32_f64(vtrn1q_f64(ab1, ce1)));
    vst1q_f32(d + ds, vreinterpretq_f32_f64(vtrn1q_f64(ab2, ce2)));
    vst1q_f32(d + 2 * ds, vreinterpretq_f32_f64(vtrn2q_f64(ab1, ce1)));
    vst1q_f32(d + 3 * ds, vreinterpretq_f32_f64(vtrn2q_f64(ab2, ce2)));
#endif
}
