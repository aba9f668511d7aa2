# CompiledTable: the table that the kernels read. fastnn.EncodedTable checks and converts what it holds.

cdef class CompiledTable:
    """Encoded rows, which several networks may read at the same time. They never change."""
    cdef TableLayout layout
    cdef TableRows rows
    cdef ZeroedBuffer shape             # the arrays that `layout` points to
    cdef list references                # the buffers of the rows
    cdef Py_ssize_t n, itemsize
    cdef readonly Py_ssize_t n_inputs

    def _bind(self, numbers, positions, codes, n_bins, n_levels, position_scale, code_scale):
        """Read these arrays, once: matrices of n rows, of numbers (float32 or float64), positions (likewise) and codes
        (int32). n_bins, n_levels: counts; position_scale, code_scale: floats, one for each column."""
        cdef Py_ssize_t d = numbers.shape[1], p = len(n_bins), k = len(n_levels), i
        cdef Py_ssize_t* counts
        cdef double* scales
        if self.references is not None:
            raise RuntimeError("This table is bound to arrays already. Make a new one.")
        if len(position_scale) != p or len(code_scale) != k:
            raise ValueError("A table needs one scale for each column.")
        self.n, self.itemsize = numbers.shape[0], numbers.itemsize
        cdef Array x = Array(numbers, self.itemsize, self.n * d), y = Array(positions, self.itemsize, self.n * p)
        cdef Array z = Array(codes, sizeof(int), self.n * k, False, True)
        self.shape = ZeroedBuffer((p + k) * <Py_ssize_t>(sizeof(Py_ssize_t) + sizeof(double)))
        counts = <Py_ssize_t*>self.shape.data
        scales = <double*>(counts + p + k)
        self.n_inputs = d
        for i in range(p + k):
            counts[i] = n_bins[i] if i < p else n_levels[i - p]
            scales[i] = position_scale[i] if i < p else code_scale[i - p]
            if counts[i] < 1 or counts[i] > MAX_TABLE_INPUTS - self.n_inputs:
                raise ValueError(f"A column needs 1 bin or level, and a table has at most {MAX_TABLE_INPUTS} inputs.")
            self.n_inputs += counts[i]
        self.layout.n_numbers, self.layout.n_positions, self.layout.n_codes = d, p, k
        self.layout.n_bins, self.layout.n_levels = counts, counts + p
        self.layout.position_scale, self.layout.code_scale = scales, scales + p
        self.rows.numbers, self.rows.positions, self.rows.codes = x.data, y.data, <const int*>z.data
        self.references = [x, y, z]

    def __len__(self):
        return self.n

    cdef int check(self, CompiledNetwork network, Py_ssize_t n) except -1:
        """Check what keeps memory safe. n: rows to read."""
        if self.references is None or self.n_inputs != network.n_in or self.itemsize != network.itemsize:
            raise ValueError(f"Expected a table of {network.n_in} inputs, got {self.n_inputs}, or another dtype.")
        if network.net.n_layers == 0:
            raise ValueError("A table needs a network with at least one layer.")
        if n != self.n:
            raise ValueError(f"A table of {self.n} rows has the length {n}.")
        return 0

    cdef bint has_layout(self, CompiledTable other) noexcept:
        """Whether the weights of the first layer have the same layout for both."""
        cdef Py_ssize_t i
        if (other is None or self.layout.n_numbers != other.layout.n_numbers
                or self.layout.n_positions != other.layout.n_positions or self.layout.n_codes != other.layout.n_codes):
            return False
        for i in range(self.layout.n_positions + self.layout.n_codes):      # n_levels follows n_bins
            if self.layout.n_bins[i] != other.layout.n_bins[i]:
                return False
        return True

MAX_TABLE_INPUTS = 2**30
