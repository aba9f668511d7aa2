/* Plain C for any other CPU: one number in a vec, no FMA, subnormal numbers as in IEEE 754; the compiler may vectorize. */
enum { LANES = 1, ROWS = 4, VECS = 4, WIDE_ROWS = ROWS, TALL_ROWS = ROWS };

typedef struct { real v; } vec;
typedef vec factor;
typedef BY_DTYPE(uint32_t, uint64_t) word; /* the bits of a real; unsigned, since unused lanes may overflow */

#define OP(name) BY_DTYPE(name##f, name)
#define VEC(x) ((vec){x})

static inline word bits(vec a) { word w; memcpy(&w, &a.v, sizeof w); return w; }
static inline vec from_bits(word w) { vec a; memcpy(&a.v, &w, sizeof w); return a; }

static inline vec vload(const real *p) { return VEC(*p); }
static inline vec vload_part(const real *p, ptrdiff_t n) { return VEC(n > 0 ? *p : 0); }
static inline void vstore(real *p, vec a) { *p = a.v; }
static inline void vstore_part(real *p, vec a, ptrdiff_t n) { if (n > 0) *p = a.v; }
static inline vec vset(real x) { return VEC(x); }
static inline vec vadd(vec a, vec b) { return VEC(a.v + b.v); }
static inline vec vsub(vec a, vec b) { return VEC(a.v - b.v); }
static inline vec vmul(vec a, vec b) { return VEC(a.v * b.v); }
static inline vec vdiv(vec a, vec b) { return VEC(a.v / b.v); }
static inline vec vsqrt(vec a) { return VEC(OP(sqrt)(a.v)); }
static inline vec vfma(vec a, vec b, vec c) { return vadd(vmul(a, b), c); }
static inline factor vfactor(const real *p) { return vload(p); }
static inline vec vfma_factor(vec a, factor b, vec c) { return vfma(a, b, c); }
static inline vec vfnma(vec a, vec b, vec c) { return vsub(c, vmul(a, b)); }
static inline vec vmax(vec a, vec b) { return a.v > b.v ? a : b; }
static inline vec vmin(vec a, vec b) { return a.v < b.v ? a : b; }
static inline vec vselect_gt(vec a, vec b, vec x, vec y) { return a.v > b.v ? x : y; }
static inline vec vabs(vec a) { return VEC(OP(fabs)(a.v)); }
static inline vec vcopysign(vec a, vec s) { return VEC(OP(copysign)(a.v, s.v)); }
/* Near 2^23 (2^52) numbers are 1 apart, so the addition rounds. The sign is restored last: -0.3 gives -0.0. */
static inline vec vround(vec a)
{
    const vec magic = vset(BY_DTYPE(0x1p23f, 0x1p52));
    return vcopysign(vsub(vadd(vabs(a), magic), magic), a);
}
/* Add n to 1.5 * 2^23 (2^52): n is in the low bits of the sum. Shift it up to the exponent.
 * (A conversion would be undefined for a NaN.) */
static inline vec vpow2(vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    return from_bits(bits(vadd(n, vset(magic + MAX_EXP))) << BY_DTYPE(23, 52));
}
/* In the same way two factors, 2^(n/2 rounded down) and the rest; both are normal, so only the last product rounds. */
static inline vec vscale(vec a, vec n)
{
    const real magic = BY_DTYPE(0x1.8p23f, 0x1.8p52);
    const word field = BY_DTYPE(0x7f800000, 0x7ff0000000000000);
    word k = bits(vadd(n, vset(magic + 2 * MAX_EXP)));
    word half = k << BY_DTYPE(22, 51) & field;
    word rest = (k << BY_DTYPE(23, 52)) - half;
    return vmul(vmul(a, from_bits(half)), from_bits(rest));
}
/* a = m * 2^e: subtract the bits of sqrt(1/2), so that the exponent field counts from there (as musl's logf does). */
static inline vec vexponent(vec a)
{
    word w = bits(a) - BY_DTYPE(0x3f3504f3, 0x3fe6a09e667f3bcd);
    return VEC((real)((BY_DTYPE(int32_t, int64_t))w >> BY_DTYPE(23, 52)));
}
static inline vec vmantissa(vec a)
{
    const word root = BY_DTYPE(0x3f3504f3, 0x3fe6a09e667f3bcd), field = BY_DTYPE(0x007fffff, 0x000fffffffffffff);
    return from_bits(((bits(a) - root) & field) + root);
}
static inline real vreduce_add(vec a) { return a.v; }
static inline real vreduce_max(vec a) { return a.v; }
static inline vec vfirst(vec a, ptrdiff_t n) { return n > 0 ? a : VEC(0); }
static inline void vtranspose_rows(const real *const *s, ptrdiff_t k, real *d, ptrdiff_t ds) { (void)ds; *d = s[0][k]; }
