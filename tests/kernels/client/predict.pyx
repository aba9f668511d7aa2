# cython: language_level=3
"""Inference and activations through the C-level API of fastnn."""
from fastnn.kernels cimport Kernels, kernels

include "network.pxi"

def forward(TwoLayers network, const float[:, ::1] X, float[:, ::1] out):
    """out = the network's outputs for X"""
    cdef const Kernels* functions = kernels(sizeof(float))
    cdef Py_ssize_t n = X.shape[0]
    cdef void* workspace
    cdef int stopped
    with nogil:                         # no Python from here
        workspace = zeroed(functions.forward_workspace_size(&network.net, n))
        stopped = functions.forward(&network.net, &X[0, 0], n, &out[0, 0], workspace, NULL)
        free(workspace)
    return stopped

def activation(int kind, double[::1] z):
    """z = f(z) in place, for one row"""
    cdef const Kernels* functions = kernels(sizeof(double))
    cdef Py_ssize_t m = z.shape[0]
    cdef void* workspace
    with nogil:
        workspace = zeroed(functions.row_workspace_size(m))
        functions.activation(kind, &z[0], &z[0], 1, m, workspace)
        free(workspace)

def describe_kernels(Py_ssize_t itemsize):
    """The API version, item size and instruction set of these kernels."""
    cdef const Kernels* functions = kernels(itemsize)
    return dict(
        api_version=functions.api_version,
        itemsize=functions.itemsize,
        isa=(<bytes>functions.name).decode(),
    )
