# Sums along memory: 16 virtual lanes and one tree, the same on every instruction set.
#
# Number j of a sum goes to lane j % 16. A loop takes 16 numbers at once, SUM_VECS vecs of LANES: vec v of the group adds to vec v of the lanes.

cdef struct lanes16:
    vec v[SUM_VECS]

cdef inline void clear16(lanes16* s) noexcept nogil:
    cdef int v
    for v in range(SUM_VECS):
        s.v[v] = vset(0)

cdef inline void add16(lanes16* s, int v, vec a) noexcept nogil:
    s.v[v] = vadd(s.v[v], a)

cdef inline void fma16(lanes16* s, int v, vec a, vec b) noexcept nogil:
    """Adds a * b."""
    s.v[v] = vfma(a, b, s.v[v])

cdef inline real total16(const lanes16* s) noexcept nogil:
    return sum16(&s.v[0])

cdef inline vec real_lanes(vec a, Py_ssize_t n, vec other) noexcept nogil:
    """Lanes 0..n-1 of a, then those of `other`."""
    return a if n >= LANES else vselect_gt(vset(<real>n), vload(LANE_NUMBERS), a, other)

cdef real sum_numbers(const real* x, Py_ssize_t n) noexcept nogil:
    """The sum of n numbers."""
    cdef lanes16 sums
    cdef Py_ssize_t i
    cdef int v
    clear16(&sums)
    for i from 0 <= i < n by 16:
        for v in range(SUM_VECS):
            if i + v * LANES < n:
                add16(&sums, v, vload_part(x + i + v * LANES, n - i - v * LANES))
    return total16(&sums)

cdef inline real dot(Py_ssize_t k, const real* x, Py_ssize_t stride, const real* w) noexcept nogil:
    """sum of x_j w_j; x lies in panels of that stride (PANEL: a plain row). Nothing after k is read into the sum: where X holds an infinity,
    padding is infinity times 0."""
    cdef lanes16 sums
    cdef Py_ssize_t j, whole = k // 16 * 16
    cdef int v
    clear16(&sums)
    for j from 0 <= j < whole by 16:
        for v in range(SUM_VECS):
            fma16(&sums, v, vload(x + at(j + v * LANES, stride)), vload(w + j + v * LANES))
    for v in range(SUM_VECS):
        j = whole + v * LANES
        if j < k:
            fma16(&sums, v, vload_part(x + at(j, stride), k - j), vload_part(w + j, k - j))
    return total16(&sums)

cdef inline real sum_of_squares(const real* w, Py_ssize_t rows, Py_ssize_t c, Py_ssize_t stride) noexcept nogil:
    """Of rows of c numbers in panels."""
    cdef lanes16 sums
    cdef vec a
    cdef Py_ssize_t i, j, k
    cdef int v
    clear16(&sums)
    for j from 0 <= j < c by 16:
        for v in range(SUM_VECS):
            k = j + v * LANES
            if k < c:
                for i in range(rows):
                    a = real_lanes(vload(w + at(k, stride) + i * PANEL), c - k, vset(0))
                    fma16(&sums, v, a, a)
    return total16(&sums)
