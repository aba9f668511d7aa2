# One variant: every op, compiled for one instruction set and one dtype, behind a table of function pointers in a capsule.
# The build gives the flags and FASTNN_ISA_NAME; the stubs in variants/ include this file and nothing else.
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY, NAN, cos, floor, fmin, isfinite, ldexp, pow, sqrt
from libc.math cimport M_PI as PI
from libc.string cimport memcpy, memset

from fastnn.kernels cimport *

cdef extern from "threads.h" nogil:
    ctypedef struct barrier:
        pass
    ctypedef int flag
    long long now()
    void barrier_wait(barrier* b, int n_threads)
    void flag_set(flag* f, int x)
    int flag_get(flag* f)

cdef extern from *:
    """
    #define FASTNN_TABLE "fastnn.Table " FASTNN_BUILD
    """
    const char* FASTNN_TABLE
    const char* FASTNN_ISA_NAME

include "simd/simd.pxi"
include "poll.pxi"
include "ops/math.pxi"
include "ops/panels.pxi"
include "ops/sums.pxi"
include "ops/activation.pxi"
include "ops/update.pxi"
include "ops/linear.pxi"
include "ops/loss.pxi"
include "ops/dropout.pxi"
include "train/parameters.pxi"
include "train/workspace.pxi"
include "train/pack.pxi"
include "train/chunk.pxi"
include "train/gradient.pxi"
include "train/update.pxi"
include "train/epoch.pxi"
include "train/loop.pxi"
include "infer/few.pxi"
include "infer/many.pxi"

# ---- what users call on arrays of their own ----

cdef Py_ssize_t row_size(Py_ssize_t m) noexcept nogil:
    return 2 * padded(m) * <Py_ssize_t>sizeof(real)

cdef void activation(int kind, const void* Z, void* out, Py_ssize_t n, Py_ssize_t m, void* scratch) noexcept nogil:
    """out = f(Z), n rows of m numbers; out may be Z. scratch: row_size(m) zero bytes, for softmax."""
    cdef Py_ssize_t i
    if kind != SOFTMAX:
        activation_forward(kind, <const real*>Z, <real*>out, n * m, LANES)
        return
    for i in range(n):
        memcpy(scratch, <const real*>Z + i * m, m * sizeof(real))
        softmax_forward(0, 1, m, <real*>scratch, PANEL)
        memcpy(<real*>out + i * m, scratch, m * sizeof(real))

cdef void activation_gradient(int kind, const void* dA, const void* Z, void* dZ, Py_ssize_t n, Py_ssize_t m, void* scratch) noexcept nogil:
    """dZ = dA f'(Z) likewise; dZ may be dA. A few numbers at a time through a (where f' reads it), so that no memory is needed."""
    cdef Py_ssize_t i, k
    cdef real a[16 * LANES]
    cdef real* rows = <real*>scratch
    if kind == SOFTMAX:
        for i in range(n):
            memcpy(rows, <const real*>Z + i * m, m * sizeof(real))
            memcpy(rows + padded(m), <const real*>dA + i * m, m * sizeof(real))
            softmax_forward(0, 1, m, rows, PANEL)
            softmax_backward(0, 1, m, rows, rows + padded(m), PANEL)
            memcpy(<real*>dZ + i * m, rows + padded(m), m * sizeof(real))
        return
    for i from 0 <= i < n * m by 16 * LANES:
        k = least(16 * LANES, n * m - i)
        if reads_input(kind):
            memcpy(a, <const real*>Z + i, k * sizeof(real))
        else:
            activation_forward(kind, <const real*>Z + i, a, k, LANES)
        activation_backward(kind, a, <const real*>dA + i, <real*>dZ + i, k, LANES)

cdef inline void vector_run(int which, const real* x, real* out, Py_ssize_t n) noexcept nogil:
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
    """One of the functions of math.pxi on n numbers."""
    if which == EXP: vector_run(EXP, <const real*>x, <real*>out, n)
    elif which == LOG: vector_run(LOG, <const real*>x, <real*>out, n)
    elif which == LOG1P: vector_run(LOG1P, <const real*>x, <real*>out, n)
    elif which == TANH_FUNCTION: vector_run(TANH_FUNCTION, <const real*>x, <real*>out, n)
    elif which == ERF: vector_run(ERF, <const real*>x, <real*>out, n)
    elif which == LOG1P_UNIT: vector_run(LOG1P_UNIT, <const real*>x, <real*>out, n)
    else: vector_run(SIGMOID_FUNCTION, <const real*>x, <real*>out, n)

cdef void update_flat(const Optimizer* optimizer, Py_ssize_t step, void* params, const void* grads, void** moments,
                      Py_ssize_t n) noexcept nogil:
    """Step number `step`, the first is 1, on arrays of n numbers; an optimizer without schedule and without clipping by norm."""
    cdef Step numbers
    begin_steps(optimizer, &numbers)
    step_numbers(optimizer, step - 1, 0, &numbers)
    update_arrays(&numbers, <real*>params, <const real*>grads, <real**>moments, n)

cdef bint all_finite(const void* x, Py_ssize_t n) noexcept nogil:
    """Whether n numbers are."""
    cdef vec sums[4]
    cdef vec zero = vset(0)
    cdef Py_ssize_t i
    cdef int v
    for v in range(4):
        sums[v] = zero
    for i from 0 <= i < n by 4 * LANES:
        for v in range(4):
            if i + v * LANES < n:
                # inf * 0 and NaN * 0 are NaN
                sums[v] = vfma(vload_part(<const real*>x + i + v * LANES, n - i - v * LANES), zero, sums[v])
    return vsum(vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3]))) == 0

cdef Table TABLE
TABLE.version = API_VERSION
TABLE.itemsize = sizeof(real)
TABLE.name = FASTNN_ISA_NAME
TABLE.memory_size = memory_size
TABLE.prepare = prepare
TABLE.workspace_size = workspace_size
TABLE.attach = attach
TABLE.moments_size = moments_size
TABLE.load = load
TABLE.store = store
TABLE.store_gradient = store_gradient
TABLE.restore = restore
TABLE.train = train
TABLE.loss_only = loss_only
TABLE.forward_size = forward_size
TABLE.forward = forward
TABLE.row_size = row_size
TABLE.activation = activation
TABLE.activation_backward = activation_gradient
TABLE.vector_function = vector_function
TABLE.n_moments = n_moments
TABLE.update = update_flat
TABLE.learning_rate = learning_rate
TABLE.all_finite = all_finite

capsule = PyCapsule_New(&TABLE, FASTNN_TABLE, NULL)
