# TrainerQueue: many trainings at the same time, each in one thread.

MAX_SHORT_SHUFFLE = LONG_SHUFFLE        # rows

cdef class TrainerQueue(Team):
    """Runs slices of many Trainers. Threads take one after the other; each thread has its own workspace.

    Pass `workspace` and `validation_workspace` to the Trainers and their validations: memory then grows with the
    number of threads, not with the number of networks. They may have no custom loss, which needs the GIL, and their
    steps, shuffles and validations must be short: signals are not polled within a slice."""
    cdef list workspaces, validation_workspaces     # one for each thread
    cdef ZeroedBuffer memory                        # of the three arrays below
    cdef Training** trainings                       # (n,) of this slice
    cdef Py_ssize_t* first                          # (n_groups + 1,) the first training of each group, then n
    cdef Py_ssize_t n_groups                        # a thread trains a group at a time, in the lanes of its vectors
    cdef void** memories                            # (n_threads, 2) the workspaces of each thread
    cdef const Kernels* kernels
    cdef Py_ssize_t n
    cdef flag next                                  # the next group in the queue
    cdef long long deadline
    cdef bint busy                                  # a call of `run` uses all of this

    def __cinit__(self):
        self.workspaces, self.validation_workspaces = [Workspace()], [Workspace()]

    @property
    def workspace(self):
        return self.workspaces[0]

    @property
    def validation_workspace(self):
        return self.validation_workspaces[0]

    def run(self, list trainers, list losses, int n_threads, double seconds):
        """Train for about `seconds`, or until each Trainer has ended its slice.

        trainers : list of Trainer
            Threads take them in this order. After the deadline no thread takes another one.
        losses : list of ndarray (3, epochs), OUT
            For each Trainer: losses, validation losses and error rates, as in `Trainer.run`.

        Returns the number of Trainers that were taken; `stop()` of each says why it stopped."""
        with cython.critical_section(self):
            if self.busy:
                raise RuntimeError("This queue is in use. Make one queue for each thread.")
            self.busy = True
        try:
            return self.run_slice(trainers, losses, n_threads, seconds)
        finally:
            self.busy = False

    cdef Py_ssize_t run_slice(self, list trainers, list losses, int n_threads, double seconds) except -1:
        """`run`, in the only thread that uses this queue."""
        cdef Trainer trainer
        cdef Array array
        cdef list arrays = []           # keeps the buffers of `losses`
        cdef Py_ssize_t i, n_epochs
        cdef double* row
        self.n = len(trainers)
        if len(set(trainers)) < self.n:
            raise ValueError("trainers holds a Trainer twice. Pass each of them once.")
        n_threads = max(1, min(n_threads, <int>self.n))     # no more threads and workspaces than trainers
        self.memory = ZeroedBuffer((2 * self.n + 1 + 2 * n_threads) * <Py_ssize_t>sizeof(void*))
        self.trainings = <Training**>self.memory.data
        self.memories = <void**>self.memory.data + self.n
        self.first = <Py_ssize_t*>(self.memories + 2 * n_threads)
        for i in range(self.n):
            trainer = trainers[i]
            self.check(trainer)
            n_epochs = len(losses[i][0])
            array = Array(losses[i], 8, 3 * n_epochs, True)
            arrays.append(array)
            if n_epochs < 1:
                raise ValueError("losses is empty. Pass arrays with room for at least one epoch.")
            row = <double*>array.data
            trainer.begin_slice(row, row + n_epochs, row + 2 * n_epochs if trainer.measures_error_rate() else NULL,
                                n_epochs)
            trainer.training.slice.poll.check = NULL
            if trainer.validation is not None:
                trainer.validation.training.slice.poll.check = NULL
            self.trainings[i] = &trainer.training
        self.make_groups()
        self.reserve(n_threads)
        flag_set(&self.next, 0)
        self.start_helpers(n_threads)
        try:
            lock_generators(trainers)
            self.deadline = now() + <long long>(1e9 * seconds)
        except BaseException:
            self.cancel_helpers()
            raise
        else:
            self.work_together()
        finally:
            unlock_generators(trainers)
        return self.first[min(flag_get(&self.next), self.n_groups)]

    cdef int check(self, Trainer trainer) except -1:
        """Check that the workspaces are large enough for the Trainer, and that it does not need the GIL."""
        cdef Trainer validation = trainer.validation
        if (trainer.workspace is not self.workspaces[0]
                or (validation is not None and validation.workspace is not self.validation_workspaces[0])
                or trainer.custom_loss is not None or trainer.shards is not None):
            raise ValueError("This Trainer cannot run in this queue. Make it with the queue's workspaces, and without "
                             "a custom loss.")
        if self.kernels != NULL and trainer.kernels != self.kernels:
            raise ValueError("The Trainers of a queue must have one dtype and one instruction set.")
        trainer.check_validation()
        self.kernels = trainer.kernels
        return 0

    cdef int make_groups(self) except -1:
        """Let neighbours train together in the lanes of vectors where they can."""
        cdef Workspace workspace = self.workspaces[0]
        cdef Py_ssize_t i = 0
        cdef int count
        self.n_groups = 0
        while i < self.n:
            count = self.kernels.count_lanes(self.trainings + i, self.n - i)
            if count > 1:
                workspace.reserve(self.kernels.lanes_size(self.trainings[i]))
            i += count
            self.n_groups += 1
            self.first[self.n_groups] = i
        return 0

    cdef int reserve(self, int n_threads) except -1:
        """Make the workspaces of all threads as large as those of the first, which the Trainers have reserved."""
        cdef Workspace first, other
        cdef list workspaces
        cdef int kind, i
        for kind in range(2):
            workspaces = self.validation_workspaces if kind else self.workspaces
            first = workspaces[0]
            while len(workspaces) < n_threads:
                workspaces.append(Workspace())
            for i in range(n_threads):
                other = workspaces[i]
                other.reserve(first.size)
                other.attached, other.used = NULL, True
                self.memories[2 * i + kind] = other.data
        return 0

    cdef void work(self, int thread) noexcept nogil:
        cdef Training* training
        cdef Py_ssize_t group, i
        cdef bint first = True
        while first or now() < self.deadline:
            first = False
            group = flag_add(&self.next)
            if group >= self.n_groups:
                break
            training = self.trainings[self.first[group]]
            for i in range(self.first[group], self.first[group + 1]):
                self.trainings[i].slice.deadline = self.deadline
                self.trainings[i].workspace = self.memories[2 * thread]
            if self.first[group] + 1 < self.first[group + 1]:
                self.kernels.train_lanes(self.trainings + self.first[group],
                                         <int>(self.first[group + 1] - self.first[group]))
                continue
            self.kernels.attach(training, True)
            if training.validation != NULL:
                training.validation.workspace = self.memories[2 * thread + 1]
                self.kernels.attach(training.validation, True)
            self.kernels.train(training, 0)
