# Calls in several threads of Python at the same time, which end together.

cdef class Abort:
    """Tells the calls of `run_in_threads` to end at their next poll, since one of them has raised an exception."""
    cdef flag is_set
    cdef object error                   # the first exception
    cdef list calls
    cdef flag taken, ended              # how many calls
    cdef object all_ended               # a lock, held until all calls have ended

    cdef void set(self, error) noexcept:
        with cython.critical_section(self):
            if self.error is None:
                self.error = error
        flag_set(&self.is_set, 1)

    def _run(self):
        """Run calls in a thread that has been started for them."""
        self.run_calls()
        flag_add(&n_ended)

    cdef void run_calls(self) noexcept:
        """Run the next call until each has begun in some thread."""
        cdef int n = <int>len(self.calls), i = flag_add(&self.taken)
        while i < n:
            self.run_call(i)
            i = flag_add(&self.taken)

    cdef void run_call(self, int i) noexcept:
        try:
            if not flag_get(&self.is_set):
                self.calls[i](self)
        except BaseException as error:
            self.set(error)
        if flag_add(&self.ended) + 1 == <int>len(self.calls):
            self.all_ended.release()

def run_in_threads(list calls, int n_threads=0):
    """Run all calls in this thread and n_threads - 1 new ones, by default one for each call, and wait for all calls.

    This thread runs the first one. Then each thread takes the next call that has not begun. So a thread that the system
    starts late, since other processes occupy the CPUs, or that loses its CPU, leaves calls to the others. A thread that
    finds no call ends by itself: nothing waits for it.

    A call is a function of an Abort, which it passes to functions of this module. If calls or signal handlers raise
    exceptions, the first one is raised here when all calls have ended. Compiled, so that no signal handler runs between
    two lines: Ctrl-C leaves no call behind. An executor does the same, but starting and ending it takes 85 us more, a
    tenth of what two threads save on a millisecond.

    What a call has written is visible here when this returns: `ended` is added to after each call, with release, and
    the lock is released after the last. The list does not change while threads read it."""
    cdef Abort abort = Abort()
    cdef int n = <int>len(calls), i
    if n == 0:
        return
    abort.calls = calls
    abort.all_ended = _thread.allocate_lock()
    abort.all_ended.acquire()
    flag_set(&abort.taken, 1)
    for i in range(1, min(n, n_threads or n)):
        try:
            start_thread(abort._run, ())
        except RuntimeError:        # the system cannot start another thread
            break
        except BaseException as error:
            abort.set(error)
            break
    abort.run_call(0)
    abort.run_calls()
    while True:
        try:
            handle_signals()
            if abort.all_ended.acquire(True, 0.02):
                break
        except BaseException as error:
            abort.set(error)
    if abort.error is not None:
        raise abort.error
