# PausedCollector: a context without Python's garbage collector.

cdef class PausedCollector:
    """A context in which Python's garbage collector is paused, for at most `limit` seconds.

    Training makes no garbage that only the collector finds, but many objects: collections took 36 of the 83 us that
    10,000 networks of 3-4-1 need besides their steps. Compiled, so that no signal handler runs within `__enter__`, or
    before `__exit__` has begun: Ctrl-C cannot leave the collector off. In Python 3.14 it may lose the context before the
    block (see InTraining); then the collector goes on with the end of the object."""
    cdef bint paused                    # whether this context has paused it
    cdef long long deadline
    cdef readonly double limit

    def __cinit__(self, double limit=10):
        self.limit = limit

    def __enter__(self):
        self.deadline = now() + <long long>(1e9 * self.limit)
        self.paused = PyGC_Disable() == 1
        return self

    def end_if_late(self):
        if now() > self.deadline:
            self.end()

    def __exit__(self, *exception):
        self.end()

    def __dealloc__(self):
        self.end()

    cdef void end(self) noexcept:
        if self.paused:
            self.paused = False
            PyGC_Enable()
