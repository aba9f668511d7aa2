# Free text: its n-grams, and the layer from n-grams to a few numbers, trained by dual coordinate ascent.
#
# n rows, d outputs, buckets: those of row i are buckets[starts[i]] to buckets[starts[i + 1] - 1], without repetitions.
# A row has the input s(i) g(b) for each of its buckets b, where s(i) makes its length 1. The layer has the weights W(b), so
# u(b) = g(b) W(b) is all that is kept: the outputs are s(i) times the sum of u(b). `squares` are g(b) g(b).

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

cdef extern from "binding/ngrams.h" nogil:
    void visit_ngrams(const unsigned char* text, size_t n, int n_bits, void (*visit)(void*, uint32_t) noexcept nogil, void* context)

ctypedef struct Ngrams:
    int32_t* buckets            # found so far
    Py_ssize_t n, room
    int64_t* row_of             # the last row that had each bucket
    int64_t row

cdef void add_ngram(void* context, uint32_t bucket) noexcept nogil:
    cdef Ngrams* found = <Ngrams*>context
    cdef void* larger
    if found.row_of[bucket] == found.row:
        return
    if found.n == found.room:
        larger = realloc(found.buckets, (2 * found.room + 1024) * sizeof(int32_t))
        if larger == NULL:
            found.row = -1
            return
        found.buckets = <int32_t*>larger
        found.room = 2 * found.room + 1024
    found.row_of[bucket] = found.row
    found.buckets[found.n] = <int32_t>bucket
    found.n += 1

def find_ngrams(texts, ends, int n_bits):
    """Return the starts (n + 1,) of the rows, and the buckets of their n-grams, each once. Row i is texts[ends[i - 1]:ends[i]].

    texts : bytes; ends : int64 (n,); n_bits : of the number of a bucket, which is an int32, 1 to 31"""
    if not 1 <= n_bits <= 31:
        raise ValueError(f"n_bits must be 1 to 31, got {n_bits}")
    cdef Py_ssize_t n = len(ends), n_bytes = len(texts), i
    cdef int64_t first = 0
    starts = numpy.zeros(n + 1, numpy.int64)
    cdef Array e = Array(ends, sizeof(int64_t), n, False, True), s = Array(starts, sizeof(int64_t), n + 1, True, True)
    cdef const unsigned char* text = <const unsigned char*><const char*>texts
    cdef int64_t* end = <int64_t*>e.data
    cdef int64_t* start = <int64_t*>s.data
    cdef ZeroedBuffer rows = ZeroedBuffer(sizeof(int64_t) << n_bits)
    cdef Ngrams found = Ngrams(NULL, 0, 0, <int64_t*>rows.data, 0)
    for i in range(n):
        if not (end[i - 1] if i else 0) <= end[i] <= n_bytes:
            raise ValueError("The ends of the texts are not inside the texts, or do not ascend.")
    try:
        with nogil:
            for i in range(n):
                found.row = i + 1
                visit_ngrams(text + first, end[i] - first, n_bits, add_ngram, &found)
                if found.row < 0:
                    break
                first = end[i]
                start[i + 1] = found.n
        if found.row < 0:
            raise MemoryError("The n-grams of the texts do not fit into memory.")
        buckets = numpy.empty(found.n, numpy.int32)
        if found.n:
            memcpy(pointer(Array(buckets, sizeof(int32_t), found.n, True, True)), found.buckets, found.n * sizeof(int32_t))
        return starts, buckets
    finally:
        free(found.buckets)

cdef int check_rows(const int64_t* start, Py_ssize_t n, const int32_t* bucket, Py_ssize_t n_found, Py_ssize_t n_buckets) except -1:
    """Raise ValueError unless all buckets of the rows are inside the arrays."""
    cdef Py_ssize_t i
    cdef bint is_valid = start[0] == 0 and start[n] == n_found
    for i in range(n):
        is_valid &= start[i] <= start[i + 1]
    for i in range(n_found):
        is_valid &= 0 <= bucket[i] < n_buckets
    if not is_valid:
        raise ValueError("The buckets of the rows are not inside the layer.")
    return 0

def sum_buckets(starts, buckets, u, out):
    """out[i] = sum of u[b] over the buckets b of row i, in their order. u : float32 (n_buckets, d); out : float64 (n, d)"""
    cdef Py_ssize_t n = len(out), d = u.shape[1], n_found = len(buckets), i, j, c
    cdef Array s = Array(starts, sizeof(int64_t), n + 1, False, True), b = Array(buckets, sizeof(int32_t), n_found, False, True)
    cdef Array w = Array(u, sizeof(float), u.shape[0] * d), o = Array(out, sizeof(double), n * d, True)
    cdef const int64_t* start = <const int64_t*>s.data
    cdef const int32_t* bucket = <const int32_t*>b.data
    cdef const float* weights
    cdef double* sums
    check_rows(start, n, bucket, n_found, u.shape[0])
    with nogil:
        memset(o.data, 0, n * d * sizeof(double))
        for i in range(n):
            sums = <double*>o.data + i * d
            for j in range(start[i], start[i + 1]):
                weights = <const float*>w.data + bucket[j] * d
                for c in range(d):
                    sums[c] += weights[c]

def fit_linear_layer(starts, buckets, squares, scales, order, y, weight, offset, double decay, bint is_classifier, u):
    """Minimize sum of weight * loss + decay / 2 * sum of W * W over rows, where u(b) = g(b) W(b) starts at 0.

    Dual coordinate ascent: Shalev-Shwartz & Zhang, 2013, arXiv:1209.1873. Each visit of a row moves a, the weight of the row
    in W, towards the negative derivative r of its loss. A step is r - a over 1 plus a bound of the curvature.

    squares : float64 (n_buckets,); scales : float64 (n,); order : int64, the rows to visit; y : float64 (n, d), numbers or
    shares of classes; weight : float64 (n,); offset : float64 (d,), added to the outputs; u : float64 (n_buckets, d), OUT.
    is_classifier : cross-entropy of a softmax, or of a sigmoid if d is 1; else half the squared error"""
    cdef Py_ssize_t n = len(y), d = y.shape[1], n_found = len(buckets), m = len(order), i, j, k, c
    cdef Array s = Array(starts, sizeof(int64_t), n + 1, False, True), b = Array(buckets, sizeof(int32_t), n_found, False, True)
    cdef Array g = Array(squares, sizeof(double), u.shape[0]), l = Array(scales, sizeof(double), n)
    cdef Array r = Array(order, sizeof(int64_t), m, False, True), t = Array(y, sizeof(double), n * d)
    cdef Array v = Array(weight, sizeof(double), n), f = Array(offset, sizeof(double), d)
    cdef Array o = Array(u, sizeof(double), u.shape[0] * d, True)
    cdef ZeroedBuffer dual = ZeroedBuffer(n * d * sizeof(double)), outputs = ZeroedBuffer(d * sizeof(double))
    cdef const int64_t* start = <const int64_t*>s.data
    cdef const int32_t* bucket = <const int32_t*>b.data
    cdef const int64_t* rows = <const int64_t*>r.data
    cdef const double* square = <const double*>g.data
    cdef double* z = <double*>outputs.data
    cdef double* a
    cdef double* w
    cdef const double* target
    cdef double scale, q
    cdef double curvature = (0.25 if d == 1 else 0.5) if is_classifier else 1.0
    check_rows(start, n, bucket, n_found, u.shape[0])
    if m and not 0 <= order.min() <= order.max() < n:
        raise ValueError("The rows to visit are not inside the table.")
    with nogil:
        for k in range(m):
            i = rows[k]
            scale, q = (<double*>l.data)[i], (<double*>v.data)[i] / decay
            if scale == 0 or q == 0:
                continue
            for c in range(d):
                z[c] = 0
            for j in range(start[i], start[i + 1]):
                w = <double*>o.data + bucket[j] * d
                for c in range(d):
                    z[c] += w[c]
            for c in range(d):
                z[c] = (<double*>f.data)[c] + scale * z[c]
            if is_classifier:
                to_probabilities(z, d)
            a, target = <double*>dual.data + i * d, <const double*>t.data + i * d
            for c in range(d):
                z[c] = (target[c] - z[c] - a[c]) / (1 + curvature * q)
                a[c] += z[c]
                z[c] *= q * scale
            for j in range(start[i], start[i + 1]):
                w = <double*>o.data + bucket[j] * d
                for c in range(d):
                    w[c] += square[bucket[j]] * z[c]

cdef void to_probabilities(double* z, Py_ssize_t d) noexcept nogil:
    """Replace outputs by probabilities: of the second of two classes if there is one output."""
    cdef double largest = z[0], total = 0
    cdef Py_ssize_t c
    if d == 1:
        total = exp_negative(-z[0] if z[0] > 0 else z[0])
        z[0] = (1 if z[0] > 0 else total) / (1 + total)
        return
    for c in range(1, d):
        largest = max(largest, z[c])
    for c in range(d):
        z[c] = exp_negative(z[c] - largest)
        total += z[c]
    for c in range(d):
        z[c] /= total

cdef inline double exp_negative(double x) noexcept nogil:
    """e^x for x <= 0, and e^-700 below -700, as exp of ops/math.pxi without FMA. exp of C has other bits in other libraries."""
    cdef double shifted, n, r, z, q, o, power
    cdef uint64_t bits
    if not x > -700:
        x = -700
    shifted = x * 1.4426950408889634 + 6755399441055744.0  # 1.5 2^52 + n: the sum rounds to whole numbers
    n = shifted - 6755399441055744.0
    r = (x - n * 0.69314718036912382) - n * 1.9082149292705877e-10
    z = r * r
    q = ((2.7626024341676657e-07 * z + 2.4801505306026824e-05) * z + 0.0013888888931539846) * z + 0.041666666666576826
    o = ((2.5053774477093003e-08 * z + 2.7557407506484549e-06) * z + 0.00019841269719083487) * z + 0.0083333333333895036
    q = (o * z + 0.16666666666666588) * r + (q * z + 0.50000000000000056)
    memcpy(&bits, &shifted, 8)
    bits = (bits + 1023) << 52
    memcpy(&power, &bits, 8)
    return (1 + (q * z + r)) * power
