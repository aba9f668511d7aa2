# Threads that work together: the caller and helpers.

cdef enum:              # states of the gate at which helpers wait
    CLOSED
    OPEN
    STAYING             # after a slice: wait a moment for the next one
    CANCELLED           # leave
    ROUND               # is added with each slice, so that no helper takes a state for that of another slice

cdef enum:
    MAX_STATE = 1 << 30
    STAY_NS = 250000    # that helpers wait for the next slice
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
    """Where helpers wait until a slice begins. If all of them have worked, they wait here for the next slice too, which needs
    no new threads: on a virtual machine, a CPU that was idle may take milliseconds to run one. One that comes late finds
    the gate of its slice, not that of the slice that the team runs now."""
    cdef flag state
    cdef flag n_arrived
    cdef int n_threads                  # that may work, the caller included; read when the gate is open
    cdef long process                   # that has started the helpers; a fork has none of them
    cdef int base                       # ROUND for each slice before

cdef class Team:
    """Runs `work` in several threads at the same time. Subclasses define `work`."""
    cdef barrier finish_barrier
    cdef Gate gate
    cdef int n_threads

    cdef void work(self, int thread) noexcept nogil:
        """The work of thread 0 (the caller) .. n_threads - 1."""

    cdef int start_helpers(self, int n_threads) except -1:
        """Start helpers, at most n_threads - 1 and as many as the system gives, or keep those of the last slice. They wait at
        the gate."""
        cdef int i
        if self.keep_helpers(n_threads):
            return 0
        self.gate = Gate()
        self.gate.process = process_number()
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

    cdef bint keep_helpers(self, int n_threads) noexcept:
        """Whether n_threads - 1 helpers still wait for this slice. If not, all of them leave."""
        if self.gate is None or self.gate.process != process_number():
            return False
        if (n_threads > 1 and self.gate.n_threads == n_threads == 1 + flag_get(&self.gate.n_arrived)
                and self.gate.base < MAX_STATE
                and flag_replace(&self.gate.state, self.gate.base + STAYING, self.gate.base + ROUND + CLOSED)):
            self.gate.base += ROUND
            return True
        self.cancel_helpers()
        return False

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
        flag_set(&self.gate.state, self.gate.base + CANCELLED)

    cdef void work_together(self) noexcept:
        """Open the gate, work, and wait for the helpers."""
        if self.gate.base == 0:         # later slices have the same number, and late helpers may read it
            self.gate.n_threads = self.n_threads
        with nogil:
            flag_set(&self.gate.state, self.gate.base + OPEN)
            self.work(0)
            flag_set(&self.gate.state, self.gate.base + STAYING)
            barrier_wait(&self.finish_barrier, self.n_threads)

    def _help(self, Gate gate):
        """Work as the next thread, in one slice after the other. Numbers follow the order of arrival, so they have no gaps
        if late helpers are dismissed. These read nothing of the team: n_arrived orders them, and the state of the gate,
        set with release, orders what the caller wrote before."""
        cdef int thread, base = 0
        cdef long long limit
        with nogil:
            thread = 1 + flag_add(&gate.n_arrived)
            while True:
                while flag_get(&gate.state) == base + CLOSED:
                    cpu_yield()
                # else it is open, or the caller has ended its part already and waits for this one
                if flag_get(&gate.state) % ROUND == CANCELLED or thread >= gate.n_threads:
                    break
                self.work(thread)
                barrier_wait(&self.finish_barrier, gate.n_threads)
                limit = now() + STAY_NS
                while flag_get(&gate.state) == base + STAYING:
                    cpu_yield()
                    if now() > limit:
                        flag_replace(&gate.state, base + STAYING, base + CANCELLED)
                base += ROUND
        flag_add(&n_ended)
