"""Saving and loading when the process is killed or a system call fails: a file is the old one or
the new one, complete."""

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from scale import scaled

SOURCE = Path(__file__).parent / "failing_calls.c"

KILLED = """
import json, os, pathlib, random, signal, sys, time, fastnn
path, n = pathlib.Path(sys.argv[1]), int(sys.argv[2])
nets = [fastnn.MLP([300, 300, 1], rng=seed) for seed in (0, 1)]
contents = [net.params.tobytes() for net in nets]
began = time.perf_counter()
for net in 5 * nets:
    net.save(path)
seconds = (time.perf_counter() - began) / 10
random.seed(0)
found, left_over = [0, 0], 0
for _ in range(n):
    child = os.fork()
    if child == 0:
        while True:
            for net in reversed(nets):
                net.save(path)
    time.sleep(random.uniform(0, 4 * seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found[contents.index(fastnn.load(path).params.tobytes())] += 1
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()
            left_over += 1
print(json.dumps([found, left_over]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_save_that_is_killed_leaves_the_old_or_the_new_file(tmp_path):
    n = scaled(60)
    done = processes.run(KILLED, tmp_path / "net.safetensors", n, timeout=100 + n)
    assert done.returncode == 0, done.stderr
    found, left_over = json.loads(done.stdout)
    assert sum(found) == n and min(found) > 0
    assert left_over > 0, "no save was killed while it wrote"


# ---- system calls that fail ----

FAILING = """
import ctypes, errno, json, os, pathlib, sys, fastnn
calls = ctypes.CDLL(os.environ["LD_PRELOAD"])
path, errors = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
old, new = (fastnn.MLP([20, 30, 1], rng=seed) for seed in (0, 1))
new.save(path)
new_content = path.read_bytes()
old.save(path)
content = path.read_bytes()
path.chmod(0o640)

def outcome(k, error, call):
    calls.fail_call(k, error)
    try:
        return "done", call()
    except (OSError, fastnn.ModelFileError) as caught:
        return "failed", str(caught)
    finally:
        calls.fail_call(0, 0)

def count(call):
    calls.fail_call(0, 0)
    call()
    return calls.fail_call(0, 0)

results = {}
n_saves = count(lambda: old.save(path))
for error in errors:
    for k in range(1, n_saves + 1):
        path.write_bytes(content)
        result, _ = outcome(k, error, lambda: new.save(path))
        expected = {"done": new_content, "failed": content}[result]
        assert path.read_bytes() == expected, ("save", k, error, result)
        assert os.listdir(path.parent) == [path.name], ("save", k, error, os.listdir(path.parent))
        assert path.stat().st_mode & 0o777 == 0o640
        results[f"save {result}"] = results.get(f"save {result}", 0) + 1
n_loads = count(lambda: fastnn.load(path))
for error in errors:
    for k in range(1, n_loads + 1):
        result, net = outcome(k, error, lambda: fastnn.load(path))
        expected = fastnn.load(path).params.tobytes()
        assert result == "failed" or net.params.tobytes() == expected, ("load", k, error)
        results[f"load {result}"] = results.get(f"load {result}", 0) + 1
print(json.dumps([n_saves, n_loads, results]))
"""
SHORT = -1  # as in failing_calls.c
ERRORS = [errno.ENOSPC, errno.EIO, errno.EINTR, errno.EDQUOT, SHORT]


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD works on Linux")
def test_every_system_call_that_fails_leaves_the_old_or_the_new_file(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("needs a C compiler for tests/bytes/failing_calls.c")
    library = tmp_path / "failing_calls.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    assert ctypes.CDLL(str(library)).fail_call(0, 0) == 0
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "net.safetensors"
    done = processes.run(FAILING, path, json.dumps(ERRORS), LD_PRELOAD=str(library))
    assert done.returncode == 0, done.stderr
    n_saves, n_loads, results = json.loads(done.stdout)
    assert n_saves >= 8 and n_loads >= 3
    assert min(results.get(f"{call} failed", 0) for call in ("save", "load")) > 0
    assert min(results.get(f"{call} done", 0) for call in ("save", "load")) > 0
