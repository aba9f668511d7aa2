/* Zeroed memory for scratch: large blocks come as untouched pages, so what is never used costs nothing.
 *
 * From 4 MB on they are asked for in huge pages, as NumPy asks for its arrays: fewer faults when they are first touched, fewer misses of
 * the TLB later.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

static inline void *zeroed(size_t n)
{
    void *block = calloc(1, n);
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 4096;
    if (block && n >= (size_t)4 << 20) {
        const uintptr_t start = ((uintptr_t)block + page - 1) & ~(page - 1);
        madvise((void *)start, ((uintptr_t)block + n - start) & ~(page - 1), MADV_HUGEPAGE); /* advice: nothing is lost if it fails */
    }
#endif
    return block;
}
