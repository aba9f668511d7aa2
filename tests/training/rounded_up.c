/* A library to preload: functions of libm whose results are one bit too large. See test_golden.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>

#define ROUND_UP(name, type, parameters, arguments) \
    type name parameters \
    { \
        static type(*function) parameters; \
        if (!function) function = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        return nextafter(function arguments, INFINITY); \
    }

ROUND_UP(cos, double, (double x), (x))
ROUND_UP(exp, double, (double x), (x))
ROUND_UP(log, double, (double x), (x))
ROUND_UP(log1p, double, (double x), (x))
ROUND_UP(pow, double, (double x, double y), (x, y))
ROUND_UP(tanh, double, (double x), (x))
