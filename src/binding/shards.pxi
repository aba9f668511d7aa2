# ShardedRows: the virtual shards of a Trainer's rows, and the sums over ranks.

cdef class ShardedRows:
    """The rows of all ranks in shards, as struct Shards says.

    lengths: the number of rows of each shard of all ranks; first, n: those of this rank, whose rows a Trainer gets.
    reduce: adds what other ranks have to the array sums, and to totals if that is given, and returns whether to drop
    the step; or None."""
    cdef readonly Array lengths
    cdef Array sums, totals
    cdef readonly object reduce
    cdef Shards shards

    def __init__(self, lengths, Py_ssize_t first, Py_ssize_t n, Py_ssize_t batch_size, *, bint shuffles=False,
                 unsigned long long seed=0, reduce=None, sums=None, totals=None):
        cdef Py_ssize_t n_shards = len(lengths), i
        cdef const Py_ssize_t* length
        if n_shards < 1 or batch_size < 1 or not 0 <= first < first + n <= n_shards:
            raise ValueError(f"{n_shards} shards, of which {n} from number {first} on are here, in batches of "
                             f"{batch_size}, are not possible.")
        if reduce is not None and sums is None:
            raise ValueError("reduce needs the array sums.")
        self.lengths = Array(lengths, sizeof(Py_ssize_t), n_shards, False, True)
        length = <const Py_ssize_t*>self.lengths.data
        self.shards.n_rows = 0
        for i in range(n_shards):
            if length[i] < 0:
                raise ValueError(f"A shard has {length[i]} rows, but needs 0 or more.")
            self.shards.n_rows += length[i]
        if self.shards.n_rows < 1:
            raise ValueError("The shards have no rows. At least one is needed.")
        self.totals = optional(totals, 8, 2, True)
        self.reduce = reduce
        self.shards.n_shards, self.shards.first, self.shards.n = n_shards, first, n
        self.shards.lengths = length
        self.shards.batch_size = batch_size
        self.shards.shuffles, self.shards.seed = shuffles, seed
        self.shards.totals = <double*>pointer(self.totals)
        self.sums = None if sums is None else Array(sums, sums.itemsize, len(sums), True)
        self.shards.sums = pointer(self.sums)

    cdef bint has_sums_of(self, Py_ssize_t itemsize, Py_ssize_t n_params):
        """Whether the array of sums is large enough for a network."""
        return self.sums.view.len >= itemsize * (n_params + (4 if self.totals is None else 0))

    cdef Py_ssize_t rows_here(self):
        cdef Py_ssize_t i, n = 0
        for i in range(self.shards.first, self.shards.first + self.shards.n):
            n += self.shards.lengths[i]
        return n

    cdef Py_ssize_t most_rows(self):
        """Most rows that a batch has of one shard, at least 1: the same on all ranks, as is the layout of parameters."""
        cdef Py_ssize_t i, longest = 1
        for i in range(self.shards.n_shards):
            longest = max(longest, self.shards.lengths[i])
        return min(longest, (self.shards.batch_size + self.shards.n_shards - 1) // self.shards.n_shards)
