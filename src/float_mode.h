/* The floating-point mode of a thread: rounding, traps, and what happens to subnormal numbers.
 *
 * Kernels run in a mode of their own: round to nearest, no traps, and subnormal operands and results are zero.
 * (Arithmetic with subnormal numbers takes up to 100 times as long on Intel processors, and the moments of a dead unit
 * would stay subnormal for ever.) primitives.h says what each primitive does with them.
 *
 *   x86-64   MXCSR: flush-to-zero, and denormals-are-zero, which every x86-64 processor has
 *   AArch64  FPCR: FZ
 *   other    no mode: subnormal numbers are computed as IEEE 754 says
 *
 * The compiler does not know that arithmetic depends on the mode. Both functions stop it from moving accesses to memory
 * across them, so arithmetic on numbers in memory stays where it is. */
#pragma once
#include <stdint.h>

#if defined(__SSE2__)
typedef uint32_t float_mode;
enum { KERNEL_MODE = 0x1f80 | 0x8000 | 0x0040 }; /* the default; flush-to-zero; denormals-are-zero */
static inline float_mode get_mode(void)
{
    float_mode mode;
    __asm__ __volatile__("stmxcsr %0" : "=m"(mode) : : "memory");
    return mode;
}
static inline void set_mode(float_mode mode) { __asm__ __volatile__("ldmxcsr %0" : : "m"(mode) : "memory"); }
#elif defined(__aarch64__)
typedef uint64_t float_mode;
enum { KERNEL_MODE = 1 << 24 };
static inline float_mode get_mode(void)
{
    float_mode mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode) : : "memory");
    return mode;
}
static inline void set_mode(float_mode mode) { __asm__ __volatile__("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
typedef int float_mode;
enum { KERNEL_MODE = 0 };
static inline float_mode get_mode(void) { return KERNEL_MODE; }
static inline void set_mode(float_mode mode) { (void)mode; }
#endif

/* Set the mode of kernels. Returns the caller's, for `set_mode`. */
static inline float_mode enter_kernel_mode(void)
{
    const float_mode caller = get_mode();
    set_mode(KERNEL_MODE);
    return caller;
}

/* p, of which the compiler knows nothing: it cannot inline a function that is called through it. */
static inline void *opaque(void *p)
{
    __asm__ __volatile__("" : "+r"(p) : : "memory");
    return p;
}
