/* Exact results in double, and the errors of float results: see all_floats.py.

   Compiled with -ffast-math, so that the C library's vector functions are used, whose error in double
   is below 1e-7 of a digit of float. No NaN may be passed. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 1024 };

static const double TOP = 3.4028235677973366e38; /* the largest float, and half of its last digit */
static const double TINY = 1.1754943508222875e-38; /* the smallest normal float */

static inline double clip(double a) { return a > TOP ? TOP : a < -TOP ? -TOP : a; }

/* 1 / the last digit of the float nearest to a */
static inline double per_digit(double a)
{
    float nearest = (float)fabs(a);
    int32_t bits;
    memcpy(&bits, &nearest, 4);
    int32_t exponent = bits >> 23;
    exponent = exponent < 1 ? 1 : exponent > 254 ? 254 : exponent;
    int64_t result = (int64_t)(1023 - (exponent - 150)) << 52;
    double power;
    memcpy(&power, &result, 8);
    return power;
}

static inline double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static inline double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

/* NAME(x, y, n, absolute, where): the largest error of y = NAME(x) in ULP, and its index. An error of `absolute` counts
   as 0, and so does a y of 0 if the exact result is below TINY. */
#define FUNCTION(name, expression) \
    double worst_##name(const float *x, const float *y, long n, double absolute, long *where) \
    { \
        double worst = -1, errors[BLOCK]; \
        for (long start = 0; start < n; start += BLOCK) { \
            long m = n - start < BLOCK ? n - start : BLOCK; \
            double largest = 0; \
            for (long i = 0; i < m; i++) { \
                double z = x[start + i], exact = expression; \
                double distance = fabs(clip(y[start + i]) - clip(exact)) - (y[start + i] == 0 ? TINY : 0); \
                errors[i] = (distance - absolute) * per_digit(exact); \
                largest = errors[i] > largest ? errors[i] : largest; \
            } \
            if (largest > worst) { \
                worst = largest; \
                for (long i = 0; i < m; i++) \
                    if (errors[i] == largest) \
                        *where = start + i; \
            } \
        } \
        return worst; \
    }

FUNCTION(exp, exp(z))
FUNCTION(log, log(z))
FUNCTION(log1p, log1p(z))
FUNCTION(tanh, tanh(z))
FUNCTION(erf, erf(z))
FUNCTION(sigmoid, sigmoid(z))
FUNCTION(softplus, softplus(z))

/* The largest error of the gradient of binary cross-entropy of n logits, n grad = sigmoid(z) - y, where
   grad has this stride; its index; and the mean loss. */
double worst_gradient(const float *z, const float *grad, long stride, long n, double y, long *where, double *mean)
{
    double worst = -1, sum = 0, errors[BLOCK];
    for (long start = 0; start < n; start += BLOCK) {
        long m = n - start < BLOCK ? n - start : BLOCK;
        double largest = 0;
        for (long i = 0; i < m; i++) {
            double a = z[start + i], positive = a > 0 ? a : 0;
            sum += y * (positive - a) + (1 - y) * positive + log1p(exp(-fabs(a)));
            errors[i] = fabs(n * (double)grad[(start + i) * stride] - (sigmoid(a) - y));
            largest = errors[i] > largest ? errors[i] : largest;
        }
        if (largest > worst) {
            worst = largest;
            for (long i = 0; i < m; i++)
                if (errors[i] == largest)
                    *where = start + i;
        }
    }
    *mean = sum / n;
    return worst;
}
