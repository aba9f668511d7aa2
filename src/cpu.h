/* Whether this CPU and its operating system can run a variant. */
#pragma once
#include <string.h>

static inline int cpu_supports(const char *isa)
{
#if defined(__x86_64__) || defined(__i386__)
    if (!strcmp(isa, "avx512")) return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (!strcmp(isa, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return 1; /* every CPU that "baseline" and "neon" are built for supports them */
}
