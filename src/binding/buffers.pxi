# Buffers: views of the user's arrays, and zeroed memory.

cdef inline Py_ssize_t itemsize_of(const char* format) noexcept:
    """4 for native float32, 8 for native float64, 0 for anything else. format: not NULL, as PyBUF_FORMAT requests."""
    if format[0] == 0 or format[1] != 0:
        return 0
    return 4 if format[0] == c"f" else 8 if format[0] == c"d" else 0

cdef class Array:
    """A view of n numbers in a C-contiguous array, released with this object."""
    cdef Py_buffer view
    cdef void* data

    def __cinit__(self, obj, Py_ssize_t itemsize, Py_ssize_t n, bint writable=False, bint integers=False):
        PyObject_GetBuffer(obj, &self.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
        self.data = self.view.buf
        cdef char kind = self.view.format[0]
        cdef bint has_type = itemsize != 0 and itemsize_of(self.view.format) == itemsize
        if integers:
            has_type = kind in b"ilq" and self.view.itemsize == itemsize
        if self.view.len != n * itemsize or not has_type:
            raise ValueError(f"Expected a C-contiguous array of {n} numbers of {itemsize} bytes each, got "
                             f"{self.view.len} bytes of format {self.view.format.decode()!r}.")

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

cdef inline void* pointer(Array a) noexcept:
    return a.data if a is not None else NULL

cdef Array optional(obj, Py_ssize_t itemsize, Py_ssize_t n, bint writable=False, bint integers=False):
    return None if obj is None else Array(obj, itemsize, n, writable, integers)

cdef enum:
    PAGE = 4096
    TOUCHED = 1 << 20       # bytes between two looks at signals

cdef class ZeroedBuffer:
    """Zeroed memory, aligned to 64 bytes."""
    cdef void* block
    cdef void* data
    cdef bint touched

    def __cinit__(self, Py_ssize_t n_bytes):
        self.block = allocate_zeroed(n_bytes + 64)
        if self.block == NULL:
            raise MemoryError(f"Cannot allocate {n_bytes} bytes for a workspace.")
        self.data = <void*>((<uintptr_t>self.block + 63) // 64 * 64)

    cdef int touch(self, Py_ssize_t n_bytes) except -1:
        """Let the system provide the first n_bytes now, if they are many, and run signal handlers meanwhile.

        It does so when memory is written for the first time. That took 4 ms for each MB on a virtual machine, so Ctrl-C
        waited for half a second in a kernel that wrote 100 MB."""
        cdef volatile char* bytes = <volatile char*>self.data
        cdef Py_ssize_t first, i
        if self.touched:
            return 0
        for first from 0 <= first < n_bytes - TOUCHED by TOUCHED:
            with nogil:
                for i from first <= i < first + TOUCHED by PAGE:
                    bytes[i] = bytes[i]
            handle_signals()
        self.touched = True
        return 0

    def __dealloc__(self):
        free(self.block)
