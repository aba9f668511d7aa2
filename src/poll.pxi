# Polling: long work calls the caller's `Poll.check` about every 20 ms, to see whether it must stop.

cdef extern from "float_mode.h" nogil:
    ctypedef unsigned float_mode
    float_mode enter_kernel_mode()
    void set_mode(float_mode mode)
    void* opaque(void* p)

cdef long long SECOND = 1000000000      # ns

cdef struct Clock:
    const Poll* poll        # NULL: never stop
    long long polled        # ns, time of the last call
    float_mode* caller      # INOUT: the mode of the thread before it entered the kernels; holds again while `check` runs

cdef inline bint poll_stop(Clock* clock) noexcept nogil:
    """Poll the caller if 20 ms have passed. True: stop."""
    cdef bint stop
    if clock.poll == NULL or now() - clock.polled < SECOND // 50:
        return False
    clock.polled = now()
    set_mode(clock.caller[0])
    stop = clock.poll.check(clock.poll.context)
    clock.caller[0] = enter_kernel_mode()
    return stop
