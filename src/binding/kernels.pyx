"""Compiled part of fastnn: selects the variant for this CPU, reads arrays, and releases the GIL.

The Python package checks and converts all arguments. Here only what keeps memory safe is checked again: dtype, layout
and size of every array. Arrays are taken as raw `Py_buffer`s, which cost 30-50 ns each; a typed memoryview costs 120.

Threads may call it at the same time, also in a Python without the GIL. What they share:

    parameters and layers of a CompiledNetwork    do not change while the network is used: without the GIL, `_bind`
                                                  refuses to replace them
    CompiledNetwork.training_thread, trainings    atomic: an `owner` and a `flag` (fastnn_threads.h); so is gradient_thread
    list of all InTraining                        critical section of LISTED
    memory of a Workspace, `busy`, `attached`     critical section of the Workspace; then `busy`
    memory of a TrainerQueue                      critical section of the queue; then `busy`
    RUNNING                                       the lock that each dict has
    random generators                             their own lock, held during a slice (shuffling.pxi)
    rows of a CompiledTable                       never change
    CHOSEN, KERNELS32, KERNELS64                  change only in `use`, which is for tests; so does awaits_all

With the GIL, critical sections compile to nothing; the GIL protects the same lines.
"""
import atexit
import importlib
import os
import _thread

cimport cython
import numpy

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.dict cimport PyDict_Contains, PyDict_DelItem
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from libc.math cimport INFINITY
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from "cpu.h":
    bint cpu_supports(const char* isa)

cdef extern from "fastnn_memory.h":
    void* allocate_zeroed(size_t n_bytes)

cdef extern from "float_mode.h" nogil:
    ctypedef unsigned float_mode
    float_mode enter_kernel_mode()
    void set_mode(float_mode mode)

cdef extern from "fastnn_threads.h" nogil:
    ctypedef struct barrier:
        pass
    ctypedef int flag
    long long now()
    void barrier_wait(barrier* b, int n_threads)
    void flag_set(flag* f, int x)
    int flag_get(flag* f)
    int flag_add(flag* f)
    int flag_replace(flag* f, int x, int y)
    long process_number()
    void cpu_relax()
    void cpu_yield()
    ctypedef unsigned long owner
    unsigned long owner_get(owner* o)
    bint owner_take(owner* o, unsigned long thread)
    void owner_release(owner* o)

cdef extern from *:
    """
    #if defined(__clang__)
    #define FASTNN_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define FASTNN_COMPILER "gcc " __VERSION__
    #else
    #define FASTNN_COMPILER "unknown"
    #endif
    #define FASTNN_KERNELS "fastnn.Kernels " FASTNN_BUILD
    #ifdef Py_GIL_DISABLED
    #define FASTNN_HAS_GIL 0
    #else
    #define FASTNN_HAS_GIL 1
    #endif
    """
    const bint FASTNN_HAS_GIL
    const char* FASTNN_KERNELS
    const char* FASTNN_BUILT
    const char* FASTNN_COMPILER

cdef extern from "Python.h":
    int PyErr_CheckSignals()
    int handle_signals "PyErr_CheckSignals"() except -1
    void* PyErr_Occurred()
    unsigned long PyThread_get_thread_ident()
    int PyGC_Enable()
    int PyGC_Disable()                  # 1: it was enabled

# ---- the variant ----

BUILT = FASTNN_BUILT.decode().split()
SUPPORTED = [isa for isa in BUILT if cpu_supports(isa.encode())]

cdef const Kernels* KERNELS32
cdef const Kernels* KERNELS64

cdef const Kernels* load_kernels(str isa, str dtype) except NULL:
    module = importlib.import_module(f"fastnn._{isa}_{dtype}")
    # The capsule's name holds a hash of the sources and flags, so a struct of another layout is never read.
    if not PyCapsule_IsValid(module.capsule, FASTNN_KERNELS):
        raise ImportError(f"{module.__file__} is from another build of fastnn than {__file__}. "
                          "Build all extensions again.")
    return <const Kernels*>PyCapsule_GetPointer(module.capsule, FASTNN_KERNELS)

def use(isa):
    """Choose the variant of networks and arrays from now on; existing networks keep theirs. For tests and benchmarks;
    users set FASTNN_ISA."""
    global CHOSEN, KERNELS32, KERNELS64
    if isa not in SUPPORTED:
        raise ImportError(f"Instruction set {isa!r} is not available: this build has {', '.join(BUILT)}, and this CPU "
                          f"supports {', '.join(SUPPORTED)}. Set FASTNN_ISA to one of these, or leave it unset.")
    cdef const Kernels* single = load_kernels(isa, "float32")
    cdef const Kernels* double_ = load_kernels(isa, "float64")
    CHOSEN, KERNELS32, KERNELS64 = isa, single, double_

CHOSEN = None
COMPILER = FASTNN_COMPILER.decode().strip()     # clang ends its version with a space
use(os.environ.get("FASTNN_ISA") or SUPPORTED[len(SUPPORTED) - 1])

cdef const Kernels* kernels_of_version(Py_ssize_t itemsize, int abi_version, int api_version) except NULL:
    """The chosen variant's kernels, for an extension compiled with these versions of kernels.pxd."""
    if abi_version != ABI_VERSION:
        raise ImportError(f"This extension was compiled for ABI version {abi_version} of fastnn's C-level API, but the "
                          f"installed fastnn has ABI version {ABI_VERSION}. Compile the extension again.")
    if api_version > API_VERSION:
        raise ImportError(f"This extension was compiled for version {api_version} of fastnn's C-level API, but the "
                          f"installed fastnn has version {API_VERSION}. Install a newer fastnn.")
    if itemsize != 4 and itemsize != 8:
        raise ValueError(f"itemsize must be 4 (float) or 8 (double), got {itemsize}.")
    return KERNELS32 if itemsize == 4 else KERNELS64

include "buffers.pxi"
include "calls.pxi"
include "network.pxi"
include "ownership.pxi"
include "table.pxi"
include "team.pxi"
include "shuffling.pxi"
include "workspace.pxi"
include "shards.pxi"
include "trainer.pxi"
include "queue.pxi"
include "many.pxi"
include "collector.pxi"
include "sizes.pxi"
include "arrays.pxi"
include "texts.pxi"
