# Polling: long work calls the caller's `Poll.check` about every 20 ms, to see whether it must stop.

cdef long long SECOND = 1000000000      # ns

cdef struct Clock:
    const Poll* poll        # NULL: never stop
    long long polled        # ns, time of the last call

cdef inline bint poll_stop(Clock* clock) noexcept nogil:
    """Poll the caller if 20 ms have passed. True: stop."""
    if clock.poll == NULL or now() - clock.polled < SECOND // 50:
        return False
    clock.polled = now()
    return clock.poll.check(clock.poll.context)
