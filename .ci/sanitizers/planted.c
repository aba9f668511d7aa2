/* Faults that the sanitizers must report. */
#include <pthread.h>
#include <stdlib.h>

long overflow(long n) /* writes behind n bytes */
{
    volatile char *bytes = malloc(n);
    bytes[n] = 1;
    const long x = bytes[n];
    free((void *)bytes);
    return x;
}

long add(long n) { return (int)n + 2147483647; }

static int counter;

static void *count(void *n)
{
    for (long i = 0; i < *(long *)n; i++) counter++;
    return NULL;
}

long race(long n) /* two threads change one number */
{
    pthread_t other;
    if (pthread_create(&other, NULL, count, &n)) abort();
    count(&n);
    pthread_join(other, NULL);
    return counter;
}
