# Asking the caller whether to go on: about every 20 ms in work that lasts long.

cdef long long SECOND = 1000000000      # ns

cdef struct Clock:
    const Poll* poll        # NULL: never stop
    long long polled        # when it was asked last

cdef inline bint has_to_stop(Clock* clock) noexcept nogil:
    if clock.poll == NULL or now() - clock.polled < SECOND // 50:
        return False
    clock.polled = now()
    return clock.poll.check(clock.poll.context)
