# cython: language_level=3
"""Compiled with changed versions of kernels.pxd."""
from fastnn.kernels cimport kernels

kernels(4)
