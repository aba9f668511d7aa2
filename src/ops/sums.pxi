# Sums along memory, with the same bits on every instruction set.
#
# Order of sums: number j of a sum is added to virtual lane j % 16, in order; the 16 lanes are then added by halves, one
# tree (sum16 in primitives.h). A loop step takes 16 numbers, SUM_VECS vecs of LANES: vec v of the step is added to vec v of
# the lanes.
#
#   k, n, c    how many numbers
#   stride     the panel stride of a row in panels; PANEL for a plain row

cdef struct lanes16:
    vec v[SUM_VECS]

cdef inline void clear16(lanes16* s) noexcept nogil:
    cdef int v
    for v in range(SUM_VECS):
        s.v[v] = vset(0)

cdef inline void add16(lanes16* s, int v, vec a) noexcept nogil:
    s.v[v] = vadd(s.v[v], a)

cdef inline void fma16(lanes16* s, int v, vec a, vec b) noexcept nogil:
    """s += a * b"""
    s.v[v] = vfma(a, b, s.v[v])

cdef inline real total16(const lanes16* s) noexcept nogil:
    return sum16(&s.v[0])

cdef inline vec blend_first(vec a, Py_ssize_t n, vec other) noexcept nogil:
    """Lanes 0..n-1 of a, the rest of `other`."""
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
    """sum_j x_j w_j. x: a row in panels. Lanes beyond k are not summed: if X holds an infinity, padding times it is
    NaN."""
    cdef lanes16 sums
    cdef Py_ssize_t j, whole = k // 16 * 16
    cdef int v
    clear16(&sums)
    for j from 0 <= j < whole by 16:
        for v in range(SUM_VECS):
            fma16(&sums, v, vload(x + column_offset(j + v * LANES, stride)), vload(w + j + v * LANES))
    for v in range(SUM_VECS):
        j = whole + v * LANES
        if j < k:
            fma16(&sums, v, vload_part(x + column_offset(j, stride), k - j), vload_part(w + j, k - j))
    return total16(&sums)

cdef inline void dots(const int n_rows, Py_ssize_t k, const real** rows, Py_ssize_t stride, const real* w,
                      real* out) noexcept nogil:
    """`dot` of n_rows rows, whose chains of sums run at the same time."""
    cdef lanes16 sums[4]
    cdef vec x
    cdef Py_ssize_t j, q, whole = k // 16 * 16
    cdef int v, r
    for r in range(n_rows):
        clear16(&sums[r])
    for j from 0 <= j < whole by 16:
        for v in range(SUM_VECS):
            q = column_offset(j + v * LANES, stride)
            x = vload(w + j + v * LANES)
            for r in range(n_rows):
                fma16(&sums[r], v, vload(rows[r] + q), x)
    for v in range(SUM_VECS):
        j = whole + v * LANES
        if j < k:
            q = column_offset(j, stride)
            x = vload_part(w + j, k - j)
            for r in range(n_rows):
                fma16(&sums[r], v, vload_part(rows[r] + q, k - j), x)
    for r in range(n_rows):
        out[r] = total16(&sums[r])

cdef inline real sum_of_squares(const real* w, Py_ssize_t rows, Py_ssize_t c, Py_ssize_t stride) noexcept nogil:
    """The sum of squares of c columns of `rows` rows in panels."""
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
                    a = blend_first(vload(w + column_offset(k, stride) + i * PANEL), c - k, vset(0))
                    fma16(&sums, v, a, a)
    return total16(&sums)
