/* Zeroed memory for workspaces. Large blocks are untouched pages of the system, so memory that is never used is free.
 *
 * Blocks of 4 MB and more request huge pages, as NumPy does for its arrays: fewer page faults at first use, fewer TLB
 * misses later.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

static inline void *allocate_zeroed(size_t n)
{
    void *block = calloc(1, n);
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 4096;
    if (block && n >= (size_t)4 << 20) {
        const uintptr_t start = ((uintptr_t)block + page - 1) & ~(page - 1);
        madvise((void *)start, ((uintptr_t)block + n - start) & ~(page - 1), MADV_HUGEPAGE); /* may fail */
    }
#endif
    return block;
}
