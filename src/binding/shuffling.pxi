# ShufflingTeam: a team that draws from a generator of the caller, and holds its lock while it works.

cdef int poll_shuffling(void* context) noexcept nogil:
    """The `Poll.check` of a ShufflingTeam."""
    with gil:
        return (<ShufflingTeam>context).run_signal_handlers()

cdef class ShufflingTeam(Team):
    """Holds the lock of a generator while kernels run. Signal handlers run without it, as they may draw numbers, too."""
    cdef object lock                    # the generator's, or None without shuffling
    cdef object key                     # of this team in RUNNING, so that unlocking needs no memory
    cdef bint holds_lock
    cdef unsigned long running_thread   # the thread that called `lock_generator`
    cdef object error                   # an exception of a signal handler or a custom loss, to be raised after the work

    cdef int run_signal_handlers(self) noexcept:
        """Run signal handlers, which may draw from the generator. Not 0: one has raised an exception."""
        self.release_lock()
        try:
            handle_signals()
            self.acquire_lock()
        except BaseException as error:
            self.error = error
            return 1
        return 0

    cdef int acquire_lock(self) except -1:
        """If an exception interrupts this, the lock is not held."""
        if self.lock is not None:
            self.lock.acquire()
            self.holds_lock = True
        return 0

    cdef void release_lock(self) noexcept:
        if self.holds_lock:
            self.holds_lock = False
            self.lock.release()

    cdef int reraise_error(self) except -1:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return 0

    cdef int lock_generator(self) except -1:
        if self.lock is not None:
            self.key = id(self)
            RUNNING[self.key] = self
            try:
                self.running_thread = PyThread_get_thread_ident()
                self.acquire_lock()
            except BaseException:
                del RUNNING[self.key]
                raise
        return 0

    cdef bint try_lock_generator(self) except -1:
        """`lock_generator`, unless another thread holds the lock. Whether this one has it now."""
        if self.lock is not None:
            if not self.lock.acquire(False):
                return False
            self.holds_lock = True
            self.running_thread = PyThread_get_thread_ident()
            self.key = id(self)
            RUNNING[self.key] = self
        return True

    cdef void unlock_generator(self) noexcept:
        self.release_lock()
        if self.lock is not None and PyDict_Contains(RUNNING, self.key) == 1:
            PyDict_DelItem(RUNNING, self.key)       # RUNNING.pop needs memory

cdef int lock_generators(list teams) except -1:
    """`lock_generator` of all. If an exception interrupts this, no lock is held.

    It waits for a lock only while it holds no other. So two calls with the same generators in another order do not wait
    for each other, and a signal handler that runs while it waits may draw from all of them."""
    cdef ShufflingTeam team, awaited = None
    cdef bint have_all = False
    try:
        while not have_all:
            if awaited is not None:
                awaited.lock_generator()
            have_all = True
            for team in teams:
                if team is not awaited and not team.try_lock_generator():
                    unlock_generators(teams)
                    awaited, have_all = team, False
                    break
    except BaseException:
        unlock_generators(teams)
        raise
    return 0

cdef void unlock_generators(list teams) noexcept:
    cdef ShufflingTeam team
    for team in teams:
        team.unlock_generator()

cdef dict RUNNING = {}      # id -> ShufflingTeam, of those that hold the lock of a generator

cdef int forget_shuffling_teams() except -1:
    """In a forked child: release the locks of trainings whose threads do not exist here."""
    cdef ShufflingTeam team
    for team in list(RUNNING.values()):
        if team.running_thread != PyThread_get_thread_ident():
            del RUNNING[id(team)]
            if team.holds_lock:
                team.holds_lock = False
                team.lock._at_fork_reinit()
    return 0
