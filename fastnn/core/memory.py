"""The memory that this process can still get."""

import math
import os

CGROUP = "/sys/fs/cgroup/"


def available_memory(counts_files=True):
    """Return the number of bytes of memory that a process can still get, infinity if unknown.

    counts_files : whether files in the memory of a container count as taken
    """
    limit = _of_system()
    try:  # a container with less
        maximum = int(_of_container("max"))
        if counts_files:
            used = int(_of_container("current"))
        else:
            sizes = dict(line.split() for line in _of_container("stat").splitlines())
            used = sum(int(sizes[name]) for name in ("anon", "kernel_stack", "slab"))
    except (OSError, ValueError, KeyError):  # "max" is no limit
        return limit
    return min(limit, max(0, maximum - used))


def _of_container(name):
    with open(f"{CGROUP}memory.{name}", encoding="ascii") as file:
        return file.read()


def _of_system():
    """Return the number of bytes that the system can still give, infinity if unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def format_bytes(n_bytes):
    """Return a number of bytes as a text."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes:,} bytes"
