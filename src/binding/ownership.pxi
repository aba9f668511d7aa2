# InTraining and Reading: which thread uses a network.

@cython.no_gc_clear     # __dealloc__ reads `networks`
cdef class InTraining:
    """A context in which one thread trains networks, and no other thread may use them.

    With `of_gradients`, one in which it computes their gradients, and no other thread may do that.

    Compiled, so that no signal handler runs within `__enter__`: Ctrl-C cannot leave a network locked. In Python 3.14 one
    may run between `__enter__` and the block, and if it raises, `__exit__` is not called (CPython's issue 148874). Then
    the context is lost, and its end is that of the object. All contexts that are entered form a linked list of borrowed
    references (a dict took 0.1 of the 5 us of a step on one row). Its lock is the critical section of LISTED."""
    cdef list networks
    cdef bint of_gradients, entered
    cdef unsigned long thread
    cdef void* next
    cdef void* previous

    def __init__(self, list networks, bint of_gradients=False):
        self.networks, self.of_gradients = networks, of_gradients

    cdef owner* owner_of(self, CompiledNetwork network) except NULL:
        return &network.gradient_thread if self.of_gradients else &network.training_thread

    def __enter__(self):
        global newest
        cdef CompiledNetwork network
        cdef Py_ssize_t i = 0
        self.thread = PyThread_get_thread_ident()
        try:
            for network in self.networks:
                while not owner_take(self.owner_of(network), self.thread):
                    if self.of_gradients:
                        raise RuntimeError("Another call computes a gradient of this network, which would overwrite "
                                           "net.grads. Wait until it returns, or use net.copy() in each thread.")
                    network._check_may_train()      # raises, unless the training has just ended
                i += 1
                if not self.of_gradients:
                    flag_add(&network.trainings)
        except BaseException:
            self.networks = self.networks[:i]
            self.release()
            raise
        with cython.critical_section(LISTED):
            self.next = newest
            if newest != NULL:
                (<InTraining>newest).previous = <void*>self
            newest = <void*>self
        self.entered = True

    def __exit__(self, *exception):
        self.end()

    def __dealloc__(self):
        self.end()

    cdef int end(self) except -1:
        global newest
        if not self.entered:
            return 0
        self.entered = False
        with cython.critical_section(LISTED):
            if self.previous != NULL:
                (<InTraining>self.previous).next = self.next
            else:
                newest = self.next
            if self.next != NULL:
                (<InTraining>self.next).previous = self.previous
            self.next = self.previous = NULL
        return self.release()

    cdef int release(self) except -1:
        cdef CompiledNetwork network
        for network in self.networks:
            owner_release(self.owner_of(network))
        return 0

cdef void* newest = NULL            # the head of the list
cdef object LISTED = object()

def release_after_fork():
    """In a forked child: end the trainings of all threads but the one that forked, the only one that exists here."""
    cdef void* each = newest
    cdef void* next
    while each != NULL:
        next = (<InTraining>each).next
        if (<InTraining>each).thread != PyThread_get_thread_ident():
            (<InTraining>each).end()
        each = next
    forget_shuffling_teams()
    flag_set(&n_ended, flag_get(&n_started))

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=release_after_fork)

cdef class Reading:
    """A context for a call that reads networks. It raises if another thread trains one of them when it is made, or if a
    training begins before `check` or its end."""
    cdef list networks, trainings

    def __init__(self, list networks):
        cdef CompiledNetwork network
        self.networks, self.trainings = networks, [0] * len(networks)
        for i, network in enumerate(networks):
            self.trainings[i] = network.begin_reading()

    def check(self):
        cdef CompiledNetwork network
        for i, network in enumerate(self.networks):
            network.end_reading(self.trainings[i])

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        if kind is None or issubclass(kind, Exception):     # an exception may come from what the training changed
            self.check()

    def __reduce__(self):
        """Check. As the last part of a pickle or a copy of what is read, it is the end of reading, and becomes False."""
        self.check()
        return bool, ()
