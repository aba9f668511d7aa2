# The vector primitives for Cython; primitives.h documents each one.
# The C compiler chooses `real`, float or double. So cast literals, <real>0.5: C computes in double with a plain 0.5.
cdef extern from "simd/primitives.h" nogil:
    ctypedef float real
    ctypedef struct vec:
        pass
    ctypedef struct factor:
        pass
    enum:
        LANES, ROWS, VECS, WIDE_ROWS, TALL_ROWS, PANEL, REAL_BYTES, TILE, BLOCK, SUM_VECS, NARROW, NARROW_GROUP, MIN_EXP, MAX_EXP
        FEW_LANES, QUAD_ROWS, QUAD_VECS, WEIGHT_ROWS, TALL_BYTES
    const real* in_register(const real* p)
    void vprefetch(const real* p)
    vec vload(const real* p)
    vec vload_part(const real* p, Py_ssize_t n)
    void vstore(real* p, vec a)
    void vstore_part(real* p, vec a, Py_ssize_t n)
    vec vset(real x)
    vec vadd(vec a, vec b)
    vec vsub(vec a, vec b)
    vec vmul(vec a, vec b)
    vec vdiv(vec a, vec b)
    vec vsqrt(vec a)
    vec vdiv_part(vec a, vec b, Py_ssize_t n)
    vec vsqrt_part(vec a, Py_ssize_t n)
    vec vfma(vec a, vec b, vec c)
    factor vfactor(const real* p)
    vec vfma_factor(vec a, factor b, vec c)
    vec vfnma(vec a, vec b, vec c)
    vec vmax(vec a, vec b)
    vec vmin(vec a, vec b)
    vec vselect_gt(vec a, vec b, vec x, vec y)
    vec vabs(vec a)
    vec vcopysign(vec a, vec s)
    vec vround(vec a)
    vec vpow2(vec n)
    vec vscale(vec a, vec n)
    vec vexponent(vec a)
    vec vmantissa(vec a)
    vec vfirst(vec a, Py_ssize_t n)
    void vtranspose(const real* s, Py_ssize_t ss, real* d, Py_ssize_t ds)
    void vtranspose_rows(const real** s, Py_ssize_t k, real* d, Py_ssize_t ds)
    real vreduce_add(vec a)
    real vreduce_max(vec a)
    real sum16(const vec* lanes)
    const real* LANE_NUMBERS
    vec vquads(const real** p, Py_ssize_t k)
    vec vset_quad(const real* p)
    void vquad_totals(const vec* a, real* d)
