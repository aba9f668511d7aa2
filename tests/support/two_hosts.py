"""Two hosts on one machine: network namespaces, joined by a slow cable. Needs root.

MPICH does not find its ranks there in all kernels, so these are for torch.distributed.
"""

import contextlib
import shutil
import subprocess

NAMES = "fastnn-a", "fastnn-b"
ADDRESSES = "10.77.13.1", "10.77.13.2"
#: What makes a cable slow, the first that the kernel has: a delay and lost packets, or 20 Mbit a second.
SLOW = "netem delay 1ms loss 0.1%", "tbf rate 20mbit burst 64kb latency 400ms"


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def on_host(name, *command):
    """Return the command that runs a command on a host."""
    return ["ip", "netns", "exec", name, *command]


def slow_down(name, device):
    for i, queue in enumerate(SLOW):
        try:
            return run(*on_host(name, "tc", "qdisc", "add", "dev", device, "root"), *queue.split())
        except subprocess.CalledProcessError:
            if i == len(SLOW) - 1:
                raise


def remove():
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def why_not():
    """Return why this machine cannot have two hosts with a slow cable, or ""."""
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"needs {' and '.join(missing)} of iproute2"
    try:
        run("ip", "netns", "add", NAMES[0])
        slow_down(NAMES[0], "lo")
    except subprocess.CalledProcessError as error:
        return f"slow network namespaces are not permitted: {error.stderr.decode().strip()}"
    finally:
        remove()
    return ""


@contextlib.contextmanager
def joined():
    """A context in which the hosts NAMES are joined by the device e0."""
    try:
        for name in NAMES:
            run("ip", "netns", "add", name)
        ends = "type", "veth", "peer", "name", "e0", "netns", NAMES[1]
        run("ip", "link", "add", "e0", "netns", NAMES[0], *ends)
        for name, address in zip(NAMES, ADDRESSES):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "e0")
            for device in ("lo", "e0"):
                run("ip", "-n", name, "link", "set", device, "up")
            slow_down(name, "e0")
        yield
    finally:
        remove()
