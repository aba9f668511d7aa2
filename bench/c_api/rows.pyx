# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One row at a time through a network: the kernels of fastnn by the C-level API, and fused.h. A row depends on the
output for the row before, as the state that a policy controls does."""
from libc.string cimport memset

from fastnn.kernels cimport IDENTITY, RELU, Network, Kernels, kernels

cdef extern from "fused.h" nogil:
    float fused_30_32_1(const float* x, const float** W, const float** b)
    float fused_30_64_64_1(const float* x, const float** W, const float** b)

def run(list weights, list biases, float[::1] x, Py_ssize_t n, bint fused):
    """The output for the last of n rows. weights, biases: float32, of 30-32-1 or 30-64-64-1, aligned to 64 bytes."""
    cdef const Kernels* single = kernels(sizeof(float))
    cdef Network net
    cdef Py_ssize_t l, n_layers = len(weights)
    cdef Py_ssize_t sizes[4]
    cdef int activations[3]
    cdef void* W[3]
    cdef void* b[3]
    cdef float workspace[1024]
    cdef float y = 0
    cdef float[:, ::1] matrix
    cdef float[::1] vector
    memset(&net, 0, sizeof(Network))
    memset(workspace, 0, sizeof(workspace))
    sizes[0] = x.shape[0]
    for l in range(n_layers):
        matrix, vector = weights[l], biases[l]
        W[l], b[l], sizes[l + 1] = &matrix[0, 0], &vector[0], matrix.shape[1]
        activations[l] = RELU if l < n_layers - 1 else IDENTITY
    net.n_layers, net.sizes, net.activations, net.weights, net.biases = n_layers, sizes, activations, W, b
    with nogil:
        for _ in range(n):
            if not fused:
                single.forward(&net, &x[0], 1, &y, workspace, NULL)
            elif n_layers == 2:
                y = fused_30_32_1(&x[0], <const float**>W, <const float**>b)
            else:
                y = fused_30_64_64_1(&x[0], <const float**>W, <const float**>b)
            x[0] = <float>0.001 * y
    return y
