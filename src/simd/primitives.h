/* The SIMD primitives that every kernel is written in: an opaque `vec` of LANES numbers of type `real`.
 *
 * One source serves every instruction set and both dtypes. The build sets FASTNN_DOUBLE for real = double (else float),
 * and the compiler's target flags pick one of the headers below. A header defines the constants and functions listed
 * here, nothing else.
 *
 *   LANES            numbers in a vec
 *   WIDE_ROWS, VECS  the register block of the matrix products: WIDE_ROWS x VECS accumulators, all in registers
 *   TALL_ROWS        rows of a block in products with large weights, TALL_ROWS x VECS accumulators; WIDE_ROWS: no others
 *   ROWS             rows of a block in a panel with fewer vecs; ROWS divides VECS*LANES, WIDE_ROWS divides ROWS
 *   PANEL            VECS*LANES, the width of a column panel
 *   REAL_BYTES       sizeof(real)
 *   TILE             ROWS*VECS, the vectors of a register block
 *   BLOCK            the larger of LANES and ROWS
 *   NARROW           a layer whose outputs fill at most NARROW lanes of their last vec has its rows or inputs in the
 *                    lanes (ops/narrow.pxi, `is_narrow` in ops/panels.pxi); 0: none has
 *   NARROW_GROUP     outputs of such a layer whose sums are in registers at the same time, at most
 *   WEIGHT_ROWS      inputs of a block of dW whose inputs are packed (ops/linear.pxi)
 *   TALL_BYTES       of a panel that tall blocks read at a time (ops/product.pxi); both were measured on AVX2 only
 *   FEW_LANES        vdiv_part and vsqrt_part are faster for at most as many lanes; 0: never
 *   SUM_VECS         16/LANES, the vecs that hold the 16 virtual lanes of a sum along memory
 *
 *   in_register(p)                    p, as one address
 *   vprefetch(p)                      move the cache line of p to L2; p may be any address
 *   vload(p) vstore(p, a)             LANES numbers, any alignment
 *   vload_part(p, n)                  the first n numbers, the other lanes 0; reads no memory beyond n
 *   vstore_part(p, a, n)              the first n lanes; writes no memory beyond n. 0 <= n; n >= LANES means all
 *   vfactor(p)                        LANES numbers of a panel, aligned to a vec's size, as the b of vfma_factor
 *   vfma_factor(a, b, c)              vfma(a, b, c)
 *   vset(x)                           x in every lane
 *   vadd vsub vmul vdiv vsqrt         IEEE, round to nearest
 *   vdiv_part(a, b, n)                vdiv in the first n lanes; the others have the same, or 0
 *   vsqrt_part(a, n)                  likewise
 *   vfma(a, b, c) = a*b + c           one rounding where the hardware has FMA; SSE2 and scalar round twice
 *   vfnma(a, b, c) = c - a*b          likewise
 *   vmax(a, b) = a > b ? a : b        so a NaN in either gives b; the same rule on every instruction set
 *   vmin(a, b) = a < b ? a : b
 *   vselect_gt(a, b, x, y)            lane by lane a > b ? x : y; a NaN compares false
 *   vabs(a)  vcopysign(a, s)          sign bit cleared; magnitude of a with the sign bit of s
 *   vround(a)                         to the nearest integer, ties to even; |a| < 2^22 (float), 2^51 (double)
 *   vpow2(n)                          2^n for integer-valued n with MIN_EXP <= n <= MAX_EXP (normal numbers only)
 *   vscale(a, n)                      a * 2^n, rounded once, for 1/4 <= |a| <= 4 and integer-valued
 *                                     |n| <= 2*MAX_EXP - 2
 *   vexponent(a) vmantissa(a)         a = m * 2^e with sqrt(1/2) <= m < sqrt(2), for positive normal a
 *   vfirst(a, n)                      lanes 0..n-1 of a, the others 0
 *   vtranspose_rows(s, k, d, ds)      d = the LANES x LANES block, transposed, whose rows begin at s[i] + k; ds: row
 *                                     stride of d. CYTHON_INLINE: always inlined (setup.py), which gcc does not do by
 *                                     itself for a function of this size
 *   vtranspose(s, ss, d, ds)          the same for rows at s + i * ss
 *   vreduce_add(a)                    sum of the lanes by halves: a[i] + a[i + LANES/2], down to one number
 *   vreduce_max(a)                    the largest lane; anything if one is NaN
 *   sum16(a)                          sum of 16 virtual lanes in SUM_VECS vecs, by halves: one tree everywhere
 *   LANE_NUMBERS                      0, 1, 2, ... 15
 *
 * A quad is four neighbouring numbers. A vec has QUAD_ROWS quads; where LANES < 4, a quad has QUAD_VECS vecs, each with a
 * call of its own. An instruction set with LANES > 4 defines these in its header.
 *
 *   vquads(p, k)                      a quad from each p[i] + k, i < QUAD_ROWS
 *   vset_quad(p)                      the quad at p in every row
 *   vquad_totals(a, d)                d[4 i + j] = (q0 + q1) + (q2 + q3) of the quad of row i in the vecs of a quad from
 *                                     a[j QUAD_VECS] on, j < 4
 *
 * Subnormal numbers, in the mode of kernels (float_mode.h). A zero keeps the sign of the number that it replaces.
 *
 *   passed on        vload vload_part vstore vstore_part vset vfactor vfirst vtranspose vtranspose_rows vabs vcopysign;
 *                    x and y of vselect_gt
 *   read as 0        by all arithmetic: vadd vsub vmul vdiv vsqrt vfma vfma_factor vfnma vround vscale vreduce_add sum16;
 *                    a and b of vselect_gt, so two subnormal numbers are equal
 *   read and         vmax vmin vreduce_max: the largest of -1 and a subnormal number is 0
 *   returned as 0
 *   written as 0     by all arithmetic, if the result is below 2^MIN_EXP. x86 compares the rounded result, so what rounds
 *                    up to 2^MIN_EXP stays; AArch64 compares the exact one, so that becomes 0: the only case in which
 *                    NEON gives other bits. vfma rounds once: its product is not flushed. Where it rounds twice (SSE2),
 *                    the product is.
 *   undefined        vexponent vmantissa, which work on the bits of normal numbers
 *
 * x86-64 and AArch64 alike; scalar.h has no mode and computes with subnormal numbers as IEEE 754 says.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>

#ifdef FASTNN_DOUBLE
typedef double real;
#define BY_DTYPE(single, dbl) dbl
#else
typedef float real;
#define BY_DTYPE(single, dbl) single
#endif

enum { MIN_EXP = BY_DTYPE(-126, -1022), MAX_EXP = BY_DTYPE(127, 1023) };

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include "avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "avx2.h"
#elif defined(__aarch64__)
#include "neon.h"
#elif defined(__SSE2__)
#include "sse2.h"
#else
#include "scalar.h"
#endif

enum {
    PANEL = VECS * LANES,
    REAL_BYTES = sizeof(real),
    TILE = ROWS * VECS,
    SUM_VECS = 16 / LANES,
    NARROW = LANES >= 8 ? LANES * 5 / 8 : 0, /* transposing a block of inputs costs log2(LANES) / LANES a number */
    NARROW_GROUP = 8,
    WEIGHT_ROWS = LANES * REAL_BYTES == 32 ? TALL_ROWS : WIDE_ROWS,
    TALL_BYTES = LANES * REAL_BYTES == 32 ? 1 << 13 : 1 << 14,
#ifdef HAS_PARTS
    FEW_LANES = LANES / 2,
#else
    FEW_LANES = 0,
#endif
    BLOCK = LANES > ROWS ? LANES : ROWS, /* a weight panel has a multiple of BLOCK rows: whole blocks and transposes */
};

/* A block of dW reads ROWS neighbouring columns of X: they must be in one panel. Sums have 16 virtual lanes. */
_Static_assert((PANEL & (PANEL - 1)) == 0 && PANEL % ROWS == 0 && ROWS % WIDE_ROWS == 0 && 16 % LANES == 0,
               "a register block does not fit the panels");

enum { QUAD_ROWS = LANES > 4 ? LANES / 4 : 1, QUAD_VECS = LANES < 4 ? 4 / LANES : 1 };

static const real LANE_NUMBERS[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static inline void vtranspose(const real *s, ptrdiff_t ss, real *d, ptrdiff_t ds)
{
    const real *rows[LANES];
    for (int i = 0; i < LANES; i++) rows[i] = s + i * ss;
    vtranspose_rows(rows, 0, d, ds);
}

/* p, which the compiler keeps in one register: of an address that is a sum, it may keep the sums for all neighbours. */
static inline const real *in_register(const real *p)
{
    __asm__("" : "+r"(p));
    return p;
}

static inline void vprefetch(const real *p) { __builtin_prefetch(p, 0, 2); }

static inline real sum16(const vec *lanes)
{
    vec a[SUM_VECS];
    for (int i = 0; i < SUM_VECS; i++) a[i] = lanes[i];
    for (int n = SUM_VECS / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) a[i] = vadd(a[i], a[i + n]);
    return vreduce_add(a[0]);
}

#ifndef HAS_PARTS
static inline vec vdiv_part(vec a, vec b, ptrdiff_t n) { (void)n; return vdiv(a, b); }
static inline vec vsqrt_part(vec a, ptrdiff_t n) { (void)n; return vsqrt(a); }
#endif

#ifndef HAS_QUADS
static inline vec vquads(const real *const *p, ptrdiff_t k) { return vload(p[0] + k); }
static inline vec vset_quad(const real *p) { return vload(p); }
static inline void vquad_totals(const vec *a, real *d)
{
    for (int j = 0; j < 4; j++) {
        real q[4];
        for (int i = 0; i < QUAD_VECS; i++) vstore(q + i * LANES, a[j * QUAD_VECS + i]);
        d[j] = (q[0] + q[1]) + (q[2] + q[3]);
    }
}
#endif
