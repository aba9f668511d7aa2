"""Programs in fresh processes, with the fastnn under test."""

import os
import subprocess
import sys
import time
from pathlib import Path

import fastnn

LIMIT = 600  # seconds, against programs that hang: a machine may be busy


def wait_for(condition):
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + LIMIT
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return value


def exit_code(child):
    """Wait for a forked child, and return its exit code."""
    try:
        _, status = wait_for(lambda: (done := os.waitpid(child, os.WNOHANG))[0] and done)
    except AssertionError:
        os.kill(child, 9)
        raise
    return os.waitstatus_to_exitcode(status)


def environment(**variables):
    """The environment of a program that imports the fastnn under test, and the helpers of tests."""
    path = [str(Path(fastnn.__file__).parents[1]), str(Path(__file__).parent), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), **variables}


def run(code, *arguments, timeout=LIMIT, **variables):
    """Run code in a new interpreter, and return the completed process with its output as text."""
    command, outputs = [sys.executable, "-c", code, *map(str, arguments)], dict(text=True)
    outputs |= dict(capture_output=True, timeout=timeout)
    return subprocess.run(command, env=environment(**variables), **outputs)


def start(code, *arguments, **variables):
    """Start a new interpreter that runs code; its output is a pipe of text."""
    command, options = [sys.executable, "-c", code, *map(str, arguments)], dict(text=True)
    return subprocess.Popen(
        command, env=environment(**variables), stdout=subprocess.PIPE, **options
    )


def peak_memory():
    """Return the peak memory of this process in MB, on Linux.

    Its resource.ru_maxrss also counts the process that started it, until then.
    """
    return status("VmHWM") / 2**20


def status(name):
    """Return a size in bytes of /proc/self/status, on Linux, such as VmHWM or VmSize."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name + ":"))
