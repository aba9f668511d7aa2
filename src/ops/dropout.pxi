# Dropout: X = A * mask, with mask 0 for dropped units and 1 / (1 - rate) for the others.
#
# Srivastava et al., 2014, in the inverted form: what is kept is scaled up in training, so inference does nothing.
#
#   lo, hi     rows of a chunk
#   dropout    IN: what the draws of a layer in a step depend on (struct LayerDropout)
#   layer      its mask is OUT, kept for the backward pass; its inputs X are OUT, its dX is INOUT
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

cdef struct LayerDropout:        # of a layer in a step
    unsigned long long key  # a hash of seed, step and layer
    Py_ssize_t first        # the row of the batch that is row 0 of the chunk
    unsigned int threshold  # units with hashes below it are dropped
    real scale              # the factor of the others

cdef inline LayerDropout layer_dropout(unsigned long long key, Py_ssize_t first, double rate) noexcept nogil:
    cdef LayerDropout dropout
    dropout.key = key
    dropout.first = first
    dropout.threshold = <unsigned int>(rate * 4294967296.0)
    dropout.scale = <real>(1 / (1 - rate))
    return dropout

cdef inline unsigned long long row_key(const LayerDropout* dropout, Py_ssize_t i) noexcept nogil:
    """The key of row i of the chunk."""
    return mix_in(dropout.key, dropout.first + i)

cdef inline real draw_factor(const LayerDropout* dropout, unsigned long long key, unsigned int unit) noexcept nogil:
    """The factor of a unit, 0 or scale."""
    cdef unsigned int h = <unsigned int>key + unit * <unsigned int>0x9e3779b9U
    h = (h ^ (h >> 16)) * <unsigned int>0x85ebca6bU + <unsigned int>(key >> 32)
    h = (h ^ (h >> 13)) * <unsigned int>0xc2b2ae35U
    h ^= h >> 16
    return dropout.scale if h >= dropout.threshold else 0

cdef void dropout_forward(Py_ssize_t lo, Py_ssize_t hi, const LayerDropout* dropout, const real* A,
                          const Layer* layer) noexcept nogil:
    """X = A * mask. A: in X's layout, or X itself."""
    cdef Py_ssize_t i, j, k, p, c = layer.n_in, stride = layer.mask.stride
    cdef real* M = layer.mask.data
    cdef real* X = layer.inputs.X.data
    cdef LayerDropout d = dropout[0]        # a local copy: stores cannot change it
    cdef unsigned long long key
    for i in range(lo, hi):
        key = row_key(&d, i)
        for j from 0 <= j < c by PANEL:
            p = column_offset(j, stride) + i * PANEL
            for k in range(PANEL):
                M[p + k] = draw_factor(&d, key, <unsigned int>(j + k))
            for k from 0 <= k < PANEL by LANES:
                vstore(X + p + k, vmul(vload(A + p + k), vload(M + p + k)))

cdef void dropout_backward(Py_ssize_t lo, Py_ssize_t hi, const Layer* layer) noexcept nogil:
    """dX *= mask."""
    cdef Py_ssize_t j, k
    cdef real* d
    cdef const real* m
    for j from 0 <= j < layer.n_in by PANEL:
        d = element(layer.dX, 0, j)
        m = element(layer.mask, 0, j)
        for k from lo * PANEL <= k < hi * PANEL by LANES:
            vstore(d + k, vmul(vload(d + k), vload(m + k)))
