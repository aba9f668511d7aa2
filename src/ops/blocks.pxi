# The sizes of blocks: how much of a matrix is computed at a time, so that it stays in a cache.
#
# They follow from two caches that every processor has for each core, and from the width of a panel. No sum depends on
# them but on CHUNK: partial sums wait in the result and are taken up again, so other sizes give the same bits.
#
#   L1_BYTES   a panel of weights or deltas fills it and is read again for every block of rows; larger first caches also
#              hold the block of inputs. A panel that is not in L1 comes from L2 as fast as it is used
#   L2_BYTES   the rows of a product, or the inputs of dW, and the panels of their results
#
# Register blocks are in simd/*.h: WIDE_ROWS x VECS. docs/decisions/0051-block-sizes.md has the measurements.

cdef enum:
    L1_BYTES = 1 << 15
    L2_BYTES = 1 << 20
    CACHE_LINE = 64
    LINE = CACHE_LINE // REAL_BYTES     # numbers of a cache line
    # of the inner dimension of a product at a time; tall blocks read less, which leaves room for their inputs
    KC = L1_BYTES // (PANEL * REAL_BYTES)
    TALL_KC = TALL_BYTES // (PANEL * REAL_BYTES)
    CHUNK = 256             # rows of a sum of gradients, and rows computed together in most networks
    ROWS_WITHOUT_T = 16     # a batch of so few rows stores no W^T: its update would take longer than it saves
    WIDE_CHUNK = 2 * CHUNK  # rows computed together where the weights do not fit into L2
    # columns of a product, or inputs of dW, at a time: CHUNK rows of them take a quarter of L2
    NC = L2_BYTES // (4 * CHUNK * REAL_BYTES)
    # Weights larger than this are not in L2 when a product comes to them: they are prefetched
    PREFETCHED_BYTES = L2_BYTES // 2
    MAX_LINES = 16          # prefetched at a time: more would wait for each other
    MIN_PACKED_ROWS = 64    # the inputs of dW are packed from this many rows on
    PACKED_PANELS = 8       # from this many panels of dW on, packing the inputs costs less than it saves

cdef inline bint is_prefetched(Py_ssize_t n_in, Py_ssize_t n_out) noexcept nogil:
    """Whether the weights of a layer come from beyond L2, or as many numbers of another matrix."""
    return n_in * n_out * <Py_ssize_t>sizeof(real) > PREFETCHED_BYTES

cdef inline bint is_gathered(Py_ssize_t n_in, Py_ssize_t n_out) noexcept nogil:
    """Whether the first layer reads its inputs from panels, not from the user's rows: where that many are computed from
    each input, copying it costs little, and rows may be a power of two apart."""
    return is_prefetched(n_in, n_out) and n_out >= PACKED_PANELS * PANEL

cdef inline int lines_for_step(Py_ssize_t n_rows) noexcept nogil:
    """Cache lines to prefetch in each step of PANEL inputs, so that when all blocks of n_rows rows have read a panel, the
    next one is prefetched."""
    cdef Py_ssize_t blocks = (n_rows + TALL_ROWS - 1) // TALL_ROWS
    return <int>min_(MAX_LINES, (PANEL * PANEL * REAL_BYTES // CACHE_LINE + blocks - 1) // blocks)

cdef inline int lines_for_tile(Py_ssize_t n_rows, Py_ssize_t n_inputs) noexcept nogil:
    """Cache lines to prefetch for each tile of WEIGHT_ROWS of n_inputs, so that n_rows of a panel are prefetched after the
    last one."""
    return <int>min_(MAX_LINES, (n_rows * PANEL * WEIGHT_ROWS + n_inputs * LINE - 1) // (n_inputs * LINE))

cdef inline void prefetch_lines(const real* p, int n) noexcept nogil:
    """Move n cache lines from p on to L2."""
    cdef int i
    for i in range(n):
        vprefetch(p + i * LINE)
