/* A clock, a barrier for the threads of one training, and flags and owners that threads share.
 *
 * The barrier spins for about 5 us, then yields the CPU between checks. Longer spinning gains nothing when all threads
 * run, and costs a time slice of the system per step when one does not (measured: 10.8 -> 293 us a step beside a busy
 * process; with 5 us and yield 28).
 */
#pragma once
#include <stdatomic.h>
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <sched.h>
#include <time.h>
#include <unistd.h>
#endif

static inline long long now(void) /* ns, monotonic */
{
#ifdef _WIN32
    LARGE_INTEGER ticks, frequency; /* often 10 MHz: ticks * 10^9 would overflow after 15 minutes */
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    const long long seconds = ticks.QuadPart / frequency.QuadPart, rest = ticks.QuadPart % frequency.QuadPart;
    return seconds * 1000000000LL + rest * 1000000000LL / frequency.QuadPart;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
#endif
}

static inline long process_number(void)
{
#ifdef _WIN32
    return 0; /* it has no forks */
#else
    return getpid();
#endif
}

static inline void cpu_yield(void)
{
#ifdef _WIN32
    SwitchToThread();
#else
    sched_yield();
#endif
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

typedef struct {
    _Atomic int arrived;
    char padding[60]; /* each word that is written has its own cache line */
    _Atomic int phase;
    char padding2[60];
} barrier;

static inline void barrier_wait(barrier *b, int n_threads)
{
    if (n_threads < 2) return;
    const int phase = atomic_load_explicit(&b->phase, memory_order_acquire);
    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) == n_threads - 1) {
        atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&b->phase, phase + 1, memory_order_release);
        return;
    }
    const long long limit = now() + 5000;
    do {
        for (int k = 0; k < 32; k++) {
            if (atomic_load_explicit(&b->phase, memory_order_acquire) != phase) return;
            cpu_relax();
        }
    } while (now() < limit);
    while (atomic_load_explicit(&b->phase, memory_order_acquire) == phase) cpu_yield();
}

/* A flag that one thread sets and the others read. */
typedef _Atomic int flag;
static inline void flag_set(flag *f, int x) { atomic_store_explicit(f, x, memory_order_release); }
static inline int flag_get(flag *f) { return atomic_load_explicit(f, memory_order_acquire); }
/* Sets it to y if it is x, and returns whether it was. */
static inline int flag_replace(flag *f, int x, int y) { return atomic_compare_exchange_strong(f, &x, y); }
/* Adds 1 and returns the value before. */
static inline int flag_add(flag *f) { return atomic_fetch_add_explicit(f, 1, memory_order_acq_rel); }

/* The thread that owns something, or 0. */
typedef _Atomic unsigned long owner;
static inline unsigned long owner_get(owner *o) { return atomic_load_explicit(o, memory_order_acquire); }
static inline void owner_release(owner *o) { atomic_store_explicit(o, 0, memory_order_release); }
/* Whether `thread` is the owner now: nobody was before. */
static inline int owner_take(owner *o, unsigned long thread)
{
    unsigned long nobody = 0;
    return atomic_compare_exchange_strong_explicit(o, &nobody, thread, memory_order_acq_rel, memory_order_acquire);
}
