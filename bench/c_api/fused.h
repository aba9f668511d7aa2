/* One row through a network of given sizes, by hand: relu hidden layers, one identity output.
 *
 * What a C programmer gets with vector types and constant sizes. Unlike fastnn's, a sum is split into several, so that
 * eight registers are busy whatever the width, and the compiler may reorder it. x (k,), W (k, m) row-major, m a multiple
 * of 32; W and b are aligned to 64 bytes.
 */
#include <stddef.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int mask __attribute__((vector_size(4 * LANES), aligned(4)));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE vec relu(vec a) { return (vec)((mask)(a > (vec){0}) & (mask)a); }

/* vecs * LANES columns; vecs * splits = 8 accumulators */
INLINE void columns(const int vecs, const int k, const int m, const float *x, const float *W, const float *b, float *y)
{
    const int splits = 8 / vecs;
    vec sums[8];
    for (int i = 0; i < 8; i++)
        sums[i] = i < vecs ? load(b + i * LANES) : (vec){0};
    for (int p = 0; p < k; p += splits)
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            if (p + i / vecs < k)
                sums[i] += x[p + i / vecs] * load(W + (p + i / vecs) * m + i % vecs * LANES);
    for (int i = 8 - 1; i >= vecs; i--)
        sums[i - vecs] += sums[i];
    for (int i = 0; i < vecs; i++)
        *(vec *)(y + i * LANES) = relu(sums[i]);
}

INLINE void layer(const int k, const int m, const float *x, const float *W, const float *b, float *y)
{
    int j = 0;
    for (; j + 8 * LANES <= m; j += 8 * LANES)
        columns(8, k, m, x, W + j, b + j, y + j);
    for (; j + 4 * LANES <= m; j += 4 * LANES)
        columns(4, k, m, x, W + j, b + j, y + j);
    for (; j + 2 * LANES <= m; j += 2 * LANES)
        columns(2, k, m, x, W + j, b + j, y + j);
}

INLINE float output(const int k, const float *x, const float *w, const float *b)
{
    vec sums[2] = {{0}};
    float total = *b;
    for (int j = 0; j < k; j += 2 * LANES) {
        sums[0] += load(x + j) * load(w + j);
        sums[1] += load(x + j + LANES) * load(w + j + LANES);
    }
    sums[0] += sums[1];
    for (int i = 0; i < LANES; i++)
        total += sums[0][i];
    return total;
}

static float fused_30_32_1(const float *x, const float *const *W, const float *const *b)
{
    float h[32];
    layer(30, 32, x, W[0], b[0], h);
    return output(32, h, W[1], b[1]);
}

static float fused_30_64_64_1(const float *x, const float *const *W, const float *const *b)
{
    float h[64], g[64];
    layer(30, 64, x, W[0], b[0], h);
    layer(64, 64, h, W[1], b[1], g);
    return output(64, g, W[2], b[2]);
}
