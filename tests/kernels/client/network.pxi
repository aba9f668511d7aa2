# What both clients need: a float32 network with two layers in the caller's arrays, and aligned zeroed memory.
from libc.stdlib cimport free
from libc.string cimport memset

from fastnn.kernels cimport RELU, Network

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef void* zeroed(Py_ssize_t n_bytes) noexcept nogil:
    """n_bytes zero bytes, aligned to 64 bytes."""
    cdef Py_ssize_t size = (n_bytes + 64) // 64 * 64
    cdef void* memory = aligned_alloc(64, size)
    if memory != NULL:
        memset(memory, 0, size)
    return memory

cdef class TwoLayers:
    """n_in -> relu -> output. Parameters stay in the arrays that are passed; b1 may be None."""
    cdef Network net
    cdef Py_ssize_t sizes[3]
    cdef int activations[2]
    cdef void* weights[2]
    cdef void* biases[2]
    cdef object parameters              # keeps the arrays alive

    def __init__(self, float[:, ::1] W0, float[::1] b0, float[:, ::1] W1, float[::1] b1, int output):
        self.parameters = (W0, b0, W1, b1)
        self.sizes[0], self.sizes[1], self.sizes[2] = W0.shape[0], W0.shape[1], W1.shape[1]
        self.activations[0], self.activations[1] = RELU, output
        self.weights[0], self.weights[1] = &W0[0, 0], &W1[0, 0]
        self.biases[0], self.biases[1] = &b0[0], NULL if b1 is None else &b1[0]
        self.net.n_layers = 2
        self.net.sizes = self.sizes
        self.net.activations = self.activations
        self.net.weights = self.weights
        self.net.biases = self.biases
