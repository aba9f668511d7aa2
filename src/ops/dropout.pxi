# Dropout: X = A * mask, with mask 0 for dropped units and 1 / (1 - rate) for the others.
#
# Srivastava et al., 2014, in the inverted form: what is kept is scaled up in training, so inference does nothing.
#
#   lo, hi, c  rows lo..hi of c columns (units) in panels; first: the row of the batch that is row 0 of the chunk
#   key        a hash of seed, step and layer
#   IN         A;  OUT: mask, kept for the backward pass, and X, which may be A;  INOUT: dX
#
# Whether a unit is dropped depends on a hash of (seed, step, layer, row of the batch, unit) and on nothing else: not on
# threads, chunks, slices or the instruction set. A resumed training drops the same units. Seed, step, layer and row are
# mixed once per row into 64 bits (the finaliser of splitmix64, Steele et al., 2014). Their two halves key a 32-bit hash
# of the unit's number (multiply and shift as in MurmurHash3's finaliser). A unit is dropped if its hash is below rate
# 2^32. All of this is integer arithmetic, exact everywhere, in plain loops that compilers vectorize.

cdef inline unsigned long long mix(unsigned long long x) noexcept nogil:
    x = (x ^ (x >> 30)) * <unsigned long long>0xbf58476d1ce4e5b9ULL
    x = (x ^ (x >> 27)) * <unsigned long long>0x94d049bb133111ebULL
    return x ^ (x >> 31)

cdef inline unsigned long long mix_in(unsigned long long key, Py_ssize_t n) noexcept nogil:
    """A key made of another key and the number n."""
    return mix(key + <unsigned long long>0x9e3779b97f4a7c15ULL * <unsigned long long>(n + 1))

cdef inline real draw_factor(unsigned int low, unsigned int high, unsigned int unit, unsigned int threshold,
                             real scale) noexcept nogil:
    """The factor of a unit, 0 or scale."""
    cdef unsigned int h = low + unit * <unsigned int>0x9e3779b9U
    h = (h ^ (h >> 16)) * <unsigned int>0x85ebca6bU + high
    h = (h ^ (h >> 13)) * <unsigned int>0xc2b2ae35U
    h ^= h >> 16
    return scale if h >= threshold else 0

cdef inline void draw_mask(unsigned int low, unsigned int high, unsigned int first, unsigned int threshold, real scale,
                           real* out) noexcept nogil:
    """PANEL factors of mask for the units from `first` on."""
    cdef Py_ssize_t j
    for j in range(PANEL):
        out[j] = draw_factor(low, high, first + <unsigned int>j, threshold, scale)

cdef void dropout_forward(unsigned long long key, Py_ssize_t first, double rate, Py_ssize_t lo, Py_ssize_t hi,
                          Py_ssize_t c, const real* A, Panels mask, real* X) noexcept nogil:
    """X = A * mask, rows lo..hi."""
    cdef Py_ssize_t i, j, k, p, stride = mask.stride
    cdef real* M = mask.data
    cdef unsigned long long row
    cdef unsigned int threshold = <unsigned int>(rate * 4294967296.0)
    cdef real scale = <real>(1 / (1 - rate))
    for i in range(lo, hi):
        row = mix_in(key, first + i)
        for j from 0 <= j < c by PANEL:
            p = column_offset(j, stride) + i * PANEL
            draw_mask(<unsigned int>row, <unsigned int>(row >> 32), <unsigned int>j, threshold, scale, M + p)
            for k from 0 <= k < PANEL by LANES:
                vstore(X + p + k, vmul(vload(A + p + k), vload(M + p + k)))

cdef void dropout_backward(Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t c, Panels mask, real* dX) noexcept nogil:
    """dX *= mask, rows lo..hi."""
    cdef Py_ssize_t j, k, stride = mask.stride
    cdef real* d
    cdef const real* m
    for j from 0 <= j < c by PANEL:
        d = dX + column_offset(j, stride)
        m = mask.data + column_offset(j, stride)
        for k from lo * PANEL <= k < hi * PANEL by LANES:
            vstore(d + k, vmul(vload(d + k), vload(m + k)))
