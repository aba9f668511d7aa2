/* Whether this CPU and its operating system can run a variant. */
#pragma once
#include <string.h>

#if defined(__x86_64__)
/* CPUID for a leaf and subleaf. The __builtin_cpu_supports of clang would need a library that is not linked on Windows. */
typedef struct { unsigned eax, ebx, ecx, edx; } cpuid_registers;

static inline cpuid_registers cpuid(unsigned leaf, unsigned subleaf)
{
    cpuid_registers r;
    __asm__ __volatile__("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* The registers that the operating system saves, bits of XCR0. */
static inline unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static inline int has_bits(unsigned x, unsigned bits) { return (x & bits) == bits; }
#endif

static inline int cpu_supports(const char *isa)
{
#if defined(__x86_64__)
    enum { YMM = 0x06, ZMM = 0xe6 };                             /* XCR0: registers of AVX; also those of AVX-512 */
    enum { FMA = 1u << 12, OSXSAVE = 1u << 27, AVX = 1u << 28 }; /* leaf 1, ecx */
    enum { AVX2 = 1u << 5, AVX512F = 1u << 16, AVX512DQ = 1u << 17 }; /* leaf 7, ebx */
    const int avx2 = !strcmp(isa, "avx2"), avx512 = !strcmp(isa, "avx512");
    if (avx2 || avx512) {
        if (cpuid(0, 0).eax < 7 || !has_bits(cpuid(1, 0).ecx, FMA | OSXSAVE | AVX)) return 0;
        if (!has_bits(saved_registers(), avx512 ? ZMM : YMM)) return 0;
        return has_bits(cpuid(7, 0).ebx, avx512 ? AVX512F | AVX512DQ : AVX2);
    }
#endif
    (void)isa;
    return 1; /* every CPU that "baseline" and "neon" are built for supports them */
}
