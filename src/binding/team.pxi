# Threads that work together: the caller and helpers.

cdef enum:              # states of the gate at which helpers wait
    CLOSED
    OPEN
    CANCELLED           # leave without working

cdef enum:
    HELPER_NS = 250000  # of waiting for each helper; one begins within about 100000 on a CPU that is free
    LONG_WAIT_NS = 5000000  # at most, where units of work are long: the system moves a process within this time

cdef flag n_started     # threads of `start_thread`
cdef flag n_ended

cdef int start_thread(function, tuple arguments) except -1:
    """Run function(*arguments) in a new thread. It adds to n_ended at its end.

    Not a threading.Thread: its start() waits in Python code until the thread runs, and Ctrl-C there could leave threads
    waiting at a barrier."""
    _thread.start_new_thread(function, arguments)
    flag_add(&n_started)
    return 0

def await_late_threads():
    """At the end of the process: wait up to .2 s for threads that nothing else waits for, as they began late. Python
    frees what a thread writes to when it begins."""
    cdef long long limit = now() + 200000000
    with nogil:
        while flag_get(&n_ended) != flag_get(&n_started) and now() < limit:
            cpu_yield()

atexit.register(await_late_threads)

cdef bint awaits_all = False

def await_all_helpers(bint value):
    """Let trainings begin with all threads, however late these are, or no longer. For tests."""
    global awaits_all
    awaits_all = value

cdef class Gate:
    """Where the helpers of one slice wait until it begins. One that comes later finds the gate of its slice, not that of
    the slice that the team runs now."""
    cdef flag state
    cdef flag n_arrived
    cdef int n_threads                  # that may work, the caller included; read when the gate is open

cdef class Team:
    """Runs `work` in several threads at the same time. Subclasses define `work`."""
    cdef barrier finish_barrier
    cdef Gate gate
    cdef int n_threads

    cdef void work(self, int thread) noexcept nogil:
        """The work of thread 0 (the caller) .. n_threads - 1."""

    cdef int start_helpers(self, int n_threads) except -1:
        """Start helpers, at most n_threads - 1 and as many as the system gives. They wait at the gate."""
        cdef int i
        self.gate = Gate()
        self.n_threads = 1
        for i in range(1, n_threads):
            try:
                start_thread(self._help, (self.gate,))
            except RuntimeError:        # the system gives no more threads: run with fewer
                break
            except BaseException:
                self.cancel_helpers()
                raise
            self.n_threads = i + 1
        return 0

    cdef int dismiss_late_helpers(self, long long unit_ns) noexcept:
        """Wait a moment for the helpers. Those that the system has not run by then leave without working, since all
        threads of a training meet in every step. Returns the number of threads that work.

        unit_ns: of a step with the threads of the last slice, or 0. Where steps are long, a fiftieth of one is short, and
        threads that come late are still worth it. The caller waits without giving up its CPU: beside a busy process it
        would get it back milliseconds later."""
        cdef long long limit
        with nogil:
            limit = now() + max(HELPER_NS * (self.n_threads - 1), min(unit_ns // 50, LONG_WAIT_NS))
            while flag_get(&self.gate.n_arrived) < self.n_threads - 1:
                if now() < limit:
                    cpu_relax()
                elif awaits_all:
                    cpu_yield()
                else:
                    break
        self.n_threads = 1 + min(flag_get(&self.gate.n_arrived), self.n_threads - 1)
        return self.n_threads

    cdef void cancel_helpers(self) noexcept:
        flag_set(&self.gate.state, CANCELLED)

    cdef void work_together(self) noexcept:
        """Open the gate, work, and wait for the helpers."""
        self.gate.n_threads = self.n_threads
        with nogil:
            flag_set(&self.gate.state, OPEN)
            self.work(0)
            barrier_wait(&self.finish_barrier, self.n_threads)

    def _help(self, Gate gate):
        """Work as the next thread. Numbers follow the order of arrival, so they have no gaps if late helpers are
        dismissed. These read nothing of the team: n_arrived orders them, and the state of the gate, set with release,
        orders what the caller wrote before."""
        cdef int thread
        with nogil:
            thread = 1 + flag_add(&gate.n_arrived)
            while flag_get(&gate.state) == CLOSED:
                cpu_yield()
            if flag_get(&gate.state) == OPEN and thread < gate.n_threads:
                self.work(thread)
                barrier_wait(&self.finish_barrier, gate.n_threads)
        flag_add(&n_ended)
