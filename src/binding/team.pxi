# Threads that work together: the caller and helpers.

cdef enum:              # states of the gate at which helpers wait
    CLOSED
    OPEN
    CANCELLED           # leave without working

cdef class Team:
    """Runs `work` in several threads at the same time. Subclasses define `work`."""
    cdef barrier finish_barrier
    cdef flag start_gate
    cdef int n_threads

    cdef void work(self, int thread) noexcept nogil:
        """The work of thread 0 (the caller) .. n_threads - 1."""

    cdef int start_helpers(self, int n_threads) except -1:
        """Start helpers, at most n_threads - 1 and as many as the system gives. They wait at the gate. Returns the
        number of threads, the caller included."""
        cdef int i
        flag_set(&self.start_gate, CLOSED)
        self.n_threads = 1
        for i in range(1, n_threads):
            try:
                # not threading.Thread: its start() waits in Python code, and Ctrl-C there could leave threads waiting
                # at a barrier
                _thread.start_new_thread(self._help, (i,))
            except RuntimeError:        # the system gives no more threads: run with fewer
                break
            except BaseException:
                self.cancel_helpers()
                raise
            self.n_threads = i + 1
        return self.n_threads

    cdef void cancel_helpers(self) noexcept:
        """Dismiss the helpers that wait at the gate, and wait until they have left."""
        with nogil:
            flag_set(&self.start_gate, CANCELLED)
            barrier_wait(&self.finish_barrier, self.n_threads)

    cdef void work_together(self) noexcept:
        """Open the gate, work, and wait for the helpers."""
        with nogil:
            flag_set(&self.start_gate, OPEN)
            self.work(0)
            barrier_wait(&self.finish_barrier, self.n_threads)

    def _help(self, int thread):
        with nogil:
            while flag_get(&self.start_gate) == CLOSED:
                cpu_yield()
            if flag_get(&self.start_gate) == OPEN:
                self.work(thread)
            barrier_wait(&self.finish_barrier, self.n_threads)
