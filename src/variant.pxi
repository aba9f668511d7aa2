# One variant: all kernels for one instruction set and one dtype. entry.pxi puts them behind a Kernels struct of function pointers.
#
# The build sets the compiler flags and FASTNN_ISA_NAME. Each file in variants/ includes this one and nothing else.
#
#   kind, which  a member of the enum Activation or VectorFunction
#   n, m         rows and columns of contiguous arrays; else n numbers
#   IN           Z, dA, x, grads;  OUT: out, dZ;  INOUT: params, moments;  out may be Z and dZ may be dA
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY, NAN, cos, floor, fmax, fmin, isfinite, ldexp, log, pow, sqrt
from libc.math cimport M_PI as PI
from libc.string cimport memcmp, memcpy, memset

from fastnn.kernels cimport *

cdef extern from "fastnn_threads.h" nogil:
    ctypedef struct barrier:
        pass
    ctypedef int flag
    long long now()
    void barrier_wait(barrier* b, int n_threads)
    void flag_set(flag* f, int x)
    int flag_get(flag* f)

cdef extern from *:
    """
    #define FASTNN_KERNELS "fastnn.Kernels " FASTNN_BUILD
    """
    const char* FASTNN_KERNELS
    const char* FASTNN_ISA_NAME

include "simd/simd.pxi"
include "poll.pxi"
include "ops/math.pxi"
include "ops/panels.pxi"
include "ops/blocks.pxi"
include "ops/sums.pxi"
include "ops/activation.pxi"
include "ops/update.pxi"
include "ops/product.pxi"
include "ops/linear.pxi"
include "ops/dot.pxi"
include "ops/narrow.pxi"
include "ops/loss.pxi"
include "ops/dropout.pxi"
include "ops/table.pxi"
include "ops/table_products.pxi"
include "train/parameters.pxi"
include "train/workspace.pxi"
include "train/pack.pxi"
include "train/table.pxi"
include "train/chunk.pxi"
include "train/gradient.pxi"
include "train/tangents.pxi"
include "train/shards.pxi"
include "train/update.pxi"
include "train/epoch.pxi"
include "train/loop.pxi"
include "train/lanes.pxi"
include "infer/few.pxi"
include "infer/many.pxi"
include "infer/transposed.pxi"
include "infer/derivatives.pxi"
include "infer/curvature.pxi"

# ---- functions on the user's arrays ----

cdef Py_ssize_t row_workspace_size(Py_ssize_t m) noexcept nogil:
    return 2 * padded(m) * <Py_ssize_t>sizeof(real)

cdef void activation(int kind, const void* Z, void* out, Py_ssize_t n, Py_ssize_t m, void* workspace) noexcept nogil:
    """out = f(Z). workspace: row_workspace_size(m) zero bytes for softmax, else unused."""
    cdef Py_ssize_t i
    if kind != SOFTMAX:
        elementwise_forward(kind, <const real*>Z, <real*>out, n * m, LANES)
        return
    for i in range(n):
        memcpy(workspace, <const real*>Z + i * m, m * sizeof(real))
        softmax_forward(0, 1, m, panels(<real*>workspace, PANEL))
        memcpy(<real*>out + i * m, workspace, m * sizeof(real))

cdef void activation_backward(int kind, const void* dA, const void* Z, void* dZ, Py_ssize_t n, Py_ssize_t m,
                              void* workspace) noexcept nogil:
    """dZ = dA f'(Z). a = f(Z), which most derivatives read, is computed for a few numbers at a time, on the stack."""
    cdef Py_ssize_t i, k
    cdef real a[16 * LANES]
    cdef real* rows = <real*>workspace
    if kind == SOFTMAX:
        for i in range(n):
            memcpy(rows, <const real*>Z + i * m, m * sizeof(real))
            memcpy(rows + padded(m), <const real*>dA + i * m, m * sizeof(real))
            softmax_forward(0, 1, m, panels(rows, PANEL))
            softmax_backward(0, 1, m, rows, panels(rows + padded(m), PANEL))
            memcpy(<real*>dZ + i * m, rows + padded(m), m * sizeof(real))
        return
    for i from 0 <= i < n * m by 16 * LANES:
        k = min_(16 * LANES, n * m - i)
        if reads_input(kind):
            memcpy(a, <const real*>Z + i, k * sizeof(real))
        else:
            elementwise_forward(kind, <const real*>Z + i, a, k, LANES)
        elementwise_backward(kind, a, <const real*>dA + i, <real*>dZ + i, k, LANES)

cdef inline void vector_function_span(int which, const real* x, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef vec a
    for i from 0 <= i < n by LANES:
        a = vload_part(x + i, n - i)
        if which == EXP: a = vexp(a)
        elif which == LOG: a = vlog(a)
        elif which == LOG1P: a = vlog1p(a)
        elif which == TANH_FUNCTION: a = vtanh(a)
        elif which == ERF: a = verf(a)
        elif which == LOG1P_UNIT: a = vlog1p_unit(a)
        else: a = vsigmoid(a)
        vstore_part(out + i, a, n - i)

cdef void vector_function(int which, const void* x, void* out, Py_ssize_t n) noexcept nogil:
    """out = a function of math.pxi of x."""
    if which == EXP: vector_function_span(EXP, <const real*>x, <real*>out, n)
    elif which == LOG: vector_function_span(LOG, <const real*>x, <real*>out, n)
    elif which == LOG1P: vector_function_span(LOG1P, <const real*>x, <real*>out, n)
    elif which == TANH_FUNCTION: vector_function_span(TANH_FUNCTION, <const real*>x, <real*>out, n)
    elif which == ERF: vector_function_span(ERF, <const real*>x, <real*>out, n)
    elif which == LOG1P_UNIT: vector_function_span(LOG1P_UNIT, <const real*>x, <real*>out, n)
    else: vector_function_span(SIGMOID_FUNCTION, <const real*>x, <real*>out, n)

cdef void update(const Optimizer* optimizer, Py_ssize_t step, void* params, const void* grads, void** moments,
                 Py_ssize_t n) noexcept nogil:
    """Step number `step` (the first is 1) on arrays of n numbers. The optimizer has neither schedule nor clip_norm."""
    cdef Step constants
    init_step(optimizer, &constants)
    prepare_step(optimizer, step - 1, 0, &constants)
    update_arrays(&constants, <real*>params, <const real*>grads, <real**>moments, n, LANES, LANES)

cdef Py_ssize_t multiply_adds(void* x, Py_ssize_t n) noexcept nogil:
    """At least n multiply-adds z = z x[0] + x[1], in chains that do not wait for each other. Returns how many they
    were."""
    cdef vec z[12]
    cdef vec a = vset((<const real*>x)[0]), b = vset((<const real*>x)[1])
    cdef Py_ssize_t i, steps = n // (12 * LANES) + 1
    cdef int v
    for v in range(12):
        z[v] = vset(<real>v)
    for i in range(steps):
        for v in range(12):
            z[v] = vfma(z[v], a, b)
    for v in range(1, 12):
        z[0] = vadd(z[0], z[v])
    (<real*>x)[0] = vreduce_add(z[0])               # so that the compiler computes them
    return steps * 12 * LANES

cdef bint all_finite(const void* x, Py_ssize_t n) noexcept nogil:
    """Whether n numbers are finite."""
    cdef vec sums[4]
    cdef vec zero = vset(0)
    cdef Py_ssize_t i
    cdef int v
    for v in range(4):
        sums[v] = zero
    for i from 0 <= i < n by 4 * LANES:
        for v in range(4):
            if i + v * LANES < n:
                # NaN if any number is inf or NaN
                sums[v] = vfma(vload_part(<const real*>x + i + v * LANES, n - i - v * LANES), zero, sums[v])
    return vreduce_add(vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3]))) == 0

include "entry.pxi"
