/* Deliberate faults that the sanitizers must report. */
#include <pthread.h>
#include <stdlib.h>

long overflow(long n) /* write past the end of n bytes */
{
    volatile char *bytes = malloc(n);
    bytes[n] = 1;
    const long x = bytes[n];
    free((void *)bytes);
    return x;
}

long leak(long n) /* lose n bytes */
{
    volatile char *bytes = malloc(n);
    bytes[0] = 1;
    return bytes[0];
}

long add(long n) { return (int)n + 2147483647; }

static int counter;

static void *increment(void *n)
{
    for (long i = 0; i < *(long *)n; i++) counter++;
    return NULL;
}

long race(long n) /* two threads change a variable without a lock */
{
    pthread_t other;
    if (pthread_create(&other, NULL, increment, &n)) abort();
    increment(&n);
    pthread_join(other, NULL);
    return counter;
}
