# cython: language_level=3
"""Training through the C-level API of fastnn: Adam on the cross-entropy of class indices."""
from threading import Thread

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.limits cimport LLONG_MAX

from fastnn.kernels cimport ADAM, CLASS_CROSS_ENTROPY, Generator, Kernels, Training, kernels

include "network.pxi"

cdef class Trainer:
    """A training of a network on rows X with classes y. validation: a Trainer of the same network on other rows.

    order: the numbers of the rows; a NumPy bit generator shuffles them before every epoch."""
    cdef Training training              # zero, as all attributes of a cdef class
    cdef const Kernels* kernels
    cdef object references              # keeps alive what `training` points to

    def __init__(self, TwoLayers network, const float[:, ::1] X, const long long[::1] y, Py_ssize_t batch_size,
                 double lr=0, Py_ssize_t[::1] order=None, generator=None, int max_threads=1, Trainer validation=None):
        self.references = (network, X, y, order, generator, validation)
        self.kernels = kernels(sizeof(float))
        self.training.net = network.net
        self.training.data.X = &X[0, 0]
        self.training.data.targets = &y[0]
        self.training.data.n_rows = X.shape[0]
        self.training.data.batch_size = batch_size
        if generator is not None:
            self.training.data.order = &order[0]
            self.training.data.generator = <Generator*>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
        self.training.objective.loss = CLASS_CROSS_ENTROPY
        if lr > 0:                      # a validation has no optimizer
            self.training.optimizer.rule = ADAM
            self.training.optimizer.rate.lr = lr
            self.training.optimizer.beta1 = 0.9
            self.training.optimizer.beta2 = 0.999
            self.training.optimizer.eps = 1e-8
        self.training.slice.n_threads = max_threads
        if validation is not None:
            self.training.validation = &validation.training
        self.training.parameters = zeroed(self.kernels.parameters_size(&self.training))
        self.kernels.prepare(&self.training)
        self.training.workspace = zeroed(self.kernels.workspace_size(&self.training))
        self.kernels.attach(&self.training, False)
        if validation is not None:      # `prepare` gave it other parameters: lay its workspace out again
            self.kernels.attach(&validation.training, True)

    def __dealloc__(self):
        free(self.training.parameters)
        free(self.training.workspace)

    def n_moments(self):
        """How many numbers `load` and `store` take as moments."""
        return self.kernels.moments_size(&self.training)

    def load(self, float[::1] moments):
        """Network's arrays and moments -> training."""
        self.kernels.load(&self.training, &moments[0])

    def store(self, float[::1] moments):
        """Training -> network's arrays and moments."""
        self.kernels.store(&self.training, &moments[0])

    def run(self, double[::1] losses, double[::1] validation_losses=None, int n_threads=1):
        """Train len(losses) epochs; returns the `Stop`. No other thread may draw from the generator during this call."""
        self.training.slice.n_threads = n_threads
        self.training.slice.first_epoch = self.training.slice.validated = self.training.position.epoch
        self.training.slice.last_epoch = self.training.position.epoch + losses.shape[0]
        self.training.slice.deadline = LLONG_MAX
        self.training.slice.losses = &losses[0]
        self.training.slice.validation_losses = NULL if validation_losses is None else &validation_losses[0]
        helpers = [Thread(target=self.run_thread, args=(i,)) for i in range(1, n_threads)]
        for helper in helpers:
            helper.start()
        self.run_thread(0)
        for helper in helpers:
            helper.join()
        return self.training.slice.stop_reason

    def run_thread(self, int thread):
        with nogil:                     # no Python from here
            self.kernels.train(&self.training, thread)
