/* Makes masked vector loads and stores visible to ASan. The address build includes this file first.
 *
 * gcc does not instrument masked vector instructions. These replacements read each element under the
 * mask with a scalar load, which gcc instruments, and then execute the instruction. */
#pragma once
#ifdef __AVX2__
#include <immintrin.h>

#define READ_EACH(p, n, is_active) \
    for (int i = 0; i < (n); i++) \
        if (is_active) (void)*(const volatile __typeof__(*(p)) *)((p) + i)

#define MASKED_AVX2(suffix, real, vector, n, sign) \
    static inline vector checked_maskload_##suffix(const real *p, __m256i mask) \
    { \
        READ_EACH(p, n, sign(_mm256_castsi256_##suffix(mask)) >> i & 1); \
        return _mm256_maskload_##suffix(p, mask); \
    } \
    static inline void checked_maskstore_##suffix(real *p, __m256i mask, vector a) \
    { \
        READ_EACH(p, n, sign(_mm256_castsi256_##suffix(mask)) >> i & 1); \
        _mm256_maskstore_##suffix(p, mask, a); \
    }

MASKED_AVX2(ps, float, __m256, 8, _mm256_movemask_ps)
MASKED_AVX2(pd, double, __m256d, 4, _mm256_movemask_pd)
#define _mm256_maskload_ps checked_maskload_ps
#define _mm256_maskload_pd checked_maskload_pd
#define _mm256_maskstore_ps checked_maskstore_ps
#define _mm256_maskstore_pd checked_maskstore_pd
#endif

#ifdef __AVX512F__
#define MASKED_AVX512(suffix, real, vector, lane_mask, n) \
    static inline vector checked_maskz_loadu_##suffix(lane_mask mask, const void *p) \
    { \
        READ_EACH((const real *)p, n, mask >> i & 1); \
        return _mm512_maskz_loadu_##suffix(mask, p); \
    } \
    static inline void checked_mask_storeu_##suffix(void *p, lane_mask mask, vector a) \
    { \
        READ_EACH((const real *)p, n, mask >> i & 1); \
        _mm512_mask_storeu_##suffix(p, mask, a); \
    }

MASKED_AVX512(ps, float, __m512, __mmask16, 16)
MASKED_AVX512(pd, double, __m512d, __mmask8, 8)
#define _mm512_maskz_loadu_ps checked_maskz_loadu_ps
#define _mm512_maskz_loadu_pd checked_maskz_loadu_pd
#define _mm512_mask_storeu_ps checked_mask_storeu_ps
#define _mm512_mask_storeu_pd checked_mask_storeu_pd
#endif
