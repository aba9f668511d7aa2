# Workspace: memory that Trainers share.

cdef class Workspace:
    """Memory for the intermediate results of a slice. Trainers may share one, but not run at the same time."""
    cdef ZeroedBuffer memory
    cdef void* data
    cdef Py_ssize_t size
    cdef void* attached                 # the Trainer for which it is laid out, or NULL; compared, never dereferenced
    cdef bint used                      # has been laid out before
    cdef bint busy                      # a Trainer is running in it

    cdef int reserve(self, Py_ssize_t size) except -1:
        """Make room for `size` bytes."""
        if size > self.size:
            self.check_free()
            self.memory = ZeroedBuffer(size)
            self.data = self.memory.data
            self.size = size
            self.attached = NULL
            self.used = False
        return 0

    cdef int take(self) except -1:
        """Lock it for a Trainer, which sets `busy` to False when it has run."""
        with cython.critical_section(self):
            self.check_free()
            self.busy = True
        return 0

    cdef int check_free(self) except -1:
        if self.busy:
            raise RuntimeError("This workspace is in use. Trainers that run at the same time need a workspace each.")
        return 0
