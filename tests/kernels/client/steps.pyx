# cython: language_level=3
"""Training steps on rows that the caller makes, and updates of its own gradients: no Python in either loop."""
from libc.limits cimport LLONG_MAX
from libc.string cimport memcpy

from fastnn.kernels cimport ADAM, EPOCHS, SGD, SQUARED_ERROR, Optimizer, Kernels, Training, kernels

include "network.pxi"

cdef const Kernels* FLOAT = kernels(sizeof(float))      # at import, so that an incompatible fastnn fails here
cdef const Kernels* DOUBLE = kernels(sizeof(double))

def train_on_stream(TwoLayers network, const float[:, ::1] X, const float[:, ::1] Y, Py_ssize_t batch_size, double lr,
                    double[::1] losses):
    """A step of SGD on each batch of rows, which are copied into one buffer, as if they had just been made. Returns
    the number of steps."""
    cdef Training training
    cdef Py_ssize_t i, n_in = X.shape[1], n_out = Y.shape[1], n_steps = losses.shape[0]
    cdef float* rows
    cdef float* targets
    memset(&training, 0, sizeof(Training))
    training.net = network.net
    training.objective.loss = SQUARED_ERROR
    training.optimizer.rule = SGD
    training.optimizer.rate.lr = lr
    training.data.n_rows = training.data.batch_size = batch_size
    training.slice.n_threads = 1
    training.slice.deadline = LLONG_MAX
    with nogil:                         # no Python from here
        rows = <float*>zeroed(batch_size * n_in * sizeof(float))
        targets = <float*>zeroed(batch_size * n_out * sizeof(float))
        training.data.X = rows
        training.data.targets = targets
        training.parameters = zeroed(FLOAT.parameters_size(&training))
        FLOAT.prepare(&training)
        training.workspace = zeroed(FLOAT.workspace_size(&training))
        FLOAT.attach(&training, False)
        FLOAT.load(&training, NULL)
        for i in range(n_steps):
            memcpy(rows, &X[i * batch_size, 0], batch_size * n_in * sizeof(float))
            memcpy(targets, &Y[i * batch_size, 0], batch_size * n_out * sizeof(float))
            training.slice.first_epoch = training.position.epoch    # a batch is an epoch
            training.slice.last_epoch = training.position.epoch + 1
            training.slice.losses = &losses[i]
            FLOAT.train(&training, 0)
            if training.slice.stop_reason != EPOCHS:
                break
        FLOAT.store(&training, NULL)
        free(training.parameters)
        free(training.workspace)
        free(rows)
        free(targets)
    return training.position.step

def adam(double[::1] params, const double[:, ::1] grads, double[:, ::1] moments, double lr):
    """A step of Adam in place for each row of grads. moments: two rows, zero at first."""
    cdef Optimizer optimizer
    cdef Py_ssize_t i
    cdef void* pointers[2]
    memset(&optimizer, 0, sizeof(Optimizer))
    optimizer.rule = ADAM
    optimizer.rate.lr = lr
    optimizer.beta1 = 0.9
    optimizer.beta2 = 0.999
    optimizer.eps = 1e-8
    pointers[0], pointers[1] = &moments[0, 0], &moments[1, 0]
    with nogil:                         # no Python from here
        for i in range(grads.shape[0]):
            DOUBLE.update(&optimizer, i + 1, &params[0], &grads[i, 0], pointers, params.shape[0])
    return DOUBLE.n_moments(&optimizer)
