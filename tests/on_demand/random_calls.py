"""Random calls of every public function, class and method: no crash, no hang, documented errors only.

    python tests/on_demand/random_calls.py --seconds 7200
    python tests/on_demand/random_calls.py --seed 17 --sequences 1 --verbose
    python tests/on_demand/random_calls.py --each

A sequence is some dozens of calls in a process of its own, with a limit of memory, on objects that
they share. Its seed repeats it, except for the moments at which threads and long calls are
interrupted. The calls of a sequence that fails are dropped while it still fails in the same way.
With --each, each name has a sequence, in which each parameter gets each kind of wrong value once.
What is wrong:

- the process dies, or a call neither ends nor obeys Ctrl-C,
- an exception that is not one of ALLOWED nor in the section Raises of the docstring,
- a TypeError or ValueError that names no argument, and that no `raise` statement raised,
- RuntimeWarning from a line of fastnn but `reference`, and exceptions that Python can only print.

`kernels`, `reference`, what the API reference does not have, and methods without numpydoc sections
trust their callers: of these only crashes, hangs and SystemError are wrong.
"""

import argparse
import collections
import contextlib
import faulthandler
import inspect
import itertools
import json
import linecache
import os
import re
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import IPython  # noqa: F401  Matplotlib fails while another thread imports it for `fastnn.play`
import matplotlib.pyplot as plt
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from public_names import ASSIGNED, public_names  # noqa: E402
from random_values import ANYTHING, HUGE, Planned, anything, distort, make_world, right  # noqa: E402

import fastnn  # noqa: E402

ALLOWED = TypeError, ValueError, OSError, ImportError, RuntimeError, fastnn.DivergenceError, Planned
LONG = 3  # seconds of CPU time after which a call gets Ctrl-C
HANG = 120  # seconds after which it has ignored it, or waits forever
MEMORY = 1 << 30  # bytes for a sequence, beyond what its imports take
ENVIRONMENT = {  # of the process from which all sequences are forked
    "PYTHONHASHSEED": "0",
    "PYTHONMALLOC": "debug",
    "MALLOC_PERTURB_": "165",
    "MALLOC_ARENA_MAX": "1",  # those of threads would take the memory that a sequence may have
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
}


# ---- one call ----


def describe(value):
    """Return a short text for a log."""
    if isinstance(value, np.ndarray):
        flags = [name for name in ("c_contiguous", "writeable") if not getattr(value.flags, name)]
        return f"<{type(value).__name__} {value.shape} {value.dtype} {'not ' * bool(flags)}{flags or ''}>"
    if type(value) in (list, tuple) and len(value) < 6:
        return f"{type(value).__name__}({', '.join(describe(x) for x in value if x is not value)})"
    if type(value) in (int, float, str, bytes, bool, type(None)):
        return repr(value)[:60]
    return f"<{type(value).__qualname__}>"


def is_huge(value, depth=0):
    """Whether an argument asks for much memory or time."""
    if depth < 3 and hasattr(value, "__dict__") and type(value).__module__.startswith("fastnn"):
        value = vars(value)
    if depth < 3 and isinstance(value, (list, tuple, dict)):
        values = value.values() if isinstance(value, dict) else value
        return any(is_huge(each, depth + 1) for each in values)
    return isinstance(value, (int, float, np.number)) and not abs(value) < HUGE


class Caller:
    """Makes the calls of a sequence, and writes what they do to a log."""

    def __init__(self, world, names, log):
        self.world, self.names, self.log = world, list(names.values()), log
        self.warned, self.calls_back, self.is_calling = [], False, False
        world.call_back = self.call_back

    def write(self, *record):
        os.write(self.log, (json.dumps(record) + "\n").encode())

    def step(self, seed):
        """Make one call, or two at the same time."""
        world = self.world
        world.begin(seed)
        picked = [world.choose(self.names) for _ in range(2)]
        if world.rng.random() > 0.04:
            self.call(picked[0])
            return

        def call_in_thread(name):
            world.begin(f"{seed} {name.name}")
            self.call(name, p_wrong=0)  # a thread is not interrupted

        threads = [threading.Thread(target=call_in_thread, args=(name,)) for name in picked]
        with contextlib.suppress(
            RuntimeError
        ):  # threads of `Trainer.run` may have taken the memory
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def sweep(self, name):
        """Call a name with each kind of wrong value for each parameter, and right ones for the others."""
        for parameter in name.parameters:
            for i, make in enumerate(ANYTHING):
                watch()
                self.world.begin(f"{parameter.name} {i}")
                self.call(name, 0, {parameter.name: make})

    def call_back(self):
        """Make a call within a callback or a custom loss."""
        if not self.calls_back and self.world.rng.random() < 0.1:
            self.calls_back = True
            try:
                self.call(self.world.choose(self.names))
            finally:
                self.calls_back = False

    def arguments(self, name, receiver, p_wrong, wrong):
        """Choose arguments.

        p_wrong : probability that one has nothing to do with its parameter
        wrong : {parameter: function of the world} of those that are wrong in any case
        """
        world, arguments, options, partner = self.world, [], {}, receiver
        p_optional, p_distort = world.choose([0, 0.1, 0.5]), world.choose([0, 0.3])
        for parameter in name.parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                if name.attribute == "set_params":
                    options |= dict(list(receiver.get_params().items())[:1])
                continue
            is_many = parameter.kind is parameter.VAR_POSITIONAL
            is_optional = parameter.default is not parameter.empty
            n_values = world.choose([0, 0, 1, 2]) if is_many else 1
            if parameter.name in wrong:
                n_values = 1
            elif is_optional and parameter.name != "y" and world.rng.random() > p_optional:
                n_values = 0
            for _ in range(n_values):
                if name.signature is ASSIGNED:
                    value = getattr(receiver, name.attribute[:-1], None)  # an ensemble has none
                else:
                    value = right(world, name.name, parameter, partner)
                for each in [value, *value[:1]] if isinstance(value, list) else [value]:
                    if hasattr(each, "facts"):  # a model, which tells what fits
                        partner = each
                if parameter.name in wrong:
                    value = wrong[parameter.name](world)
                elif world.rng.random() < p_wrong:
                    value = anything(world)
                elif p_wrong and world.rng.random() < p_distort:
                    value = distort(world, value)
                if is_many or parameter.kind is parameter.POSITIONAL_ONLY:
                    arguments.append(value)
                else:
                    options[parameter.name] = value
        return arguments, options

    def call(self, name, p_wrong=None, wrong=()):
        """Call a name, write what it does, and share its result."""
        receiver = None if name.owner is None else self.world.find(name.owner)
        if name.owner is not None and receiver is None:
            return
        if p_wrong is None:
            p_wrong = self.world.choose([0, 0, 0.05, 0.8])
        arguments, options = self.arguments(name, receiver, p_wrong, wrong)
        texts = [*map(describe, arguments), *(f"{key}={describe(x)}" for key, x in options.items())]
        self.write("call", name.name, f"{describe(receiver)}: {', '.join(texts)}")
        self.warned.clear()
        start, outcome = time.monotonic(), "success"
        is_main = threading.current_thread() is threading.main_thread() and not self.calls_back
        try:
            with self.interrupting() if is_main else contextlib.nullcontext():
                self.world.keep(do(name, receiver, arguments, options))
        except KeyboardInterrupt:
            outcome = "interrupted"
        except BaseException as error:
            problem = judge(name, error, is_huge([arguments, options, receiver]))
            outcome = type(error).__name__
            if problem:
                text = "".join(traceback.format_exception(error))
                outcome = f"wrong: {problem} {place(error)}\n{text}"
        if self.warned and name.checks and not outcome.startswith("wrong"):
            outcome = f"wrong: {self.warned[0]}"
        self.write("done", name.name, outcome, round(time.monotonic() - start, 3))

    @contextlib.contextmanager
    def interrupting(self):
        """Let a long call in this block get Ctrl-C, again and again."""
        try:
            self.is_calling = True
            signal.setitimer(signal.ITIMER_PROF, LONG, LONG)
            yield
        finally:
            self.is_calling = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def interrupt(self, *_):
        if self.is_calling:
            raise KeyboardInterrupt

    def note_warning(self, message, category, filename, lineno, *_):
        known = "/reference/" in filename or "in cast" in str(message)  # of 1e308 to float32
        if issubclass(category, RuntimeWarning) and "/fastnn/" in filename and not known:
            line = linecache.getline(filename, lineno).strip()
            if "warn" not in line:  # it does not warn by itself
                self.warned.append(f"RuntimeWarning: {message} in {filename}:{lineno} {line}")

    def note_unraisable(self, unraisable):
        if not isinstance(unraisable.exc_value, (Planned, KeyboardInterrupt)):
            text = "".join(traceback.format_exception(unraisable.exc_value))
            # an address would make each its own kind of problem
            place = repr(unraisable.object).partition(" at 0x")[0]
            self.write("done", "unraisable", f"wrong: {place:.100}\n{text}", 0)


def do(name, receiver, arguments, options):
    """Call, read or assign a name."""
    if name.owner is None:
        result = name.get(*arguments, **options)
    elif name.signature is ASSIGNED:
        return setattr(receiver, name.attribute[:-1], options["value"])
    else:
        result = getattr(receiver, name.attribute)
        result = result(*arguments, **options) if name.get else result
    return list(itertools.islice(result, 10)) if inspect.isgenerator(result) else result


def judge(name, error, is_huge):
    """Return what is wrong with an exception, or None."""
    kind, message = type(error).__name__, str(error)
    if isinstance(error, (SystemError, RecursionError)):  # NumPy, SciPy, and scikit-learn's clone
        last = traceback.extract_tb(error.__traceback__)[-1]
        return None if "site-packages" in last.filename else kind
    if not name.checks or kind in name.raises or (isinstance(error, MemoryError) and is_huge):
        return None
    if isinstance(error, AttributeError) and not isinstance(error, ValueError):
        # before `fit`, as hasattr needs it, or of an ensemble, where one network has it
        is_read = name.get is None and (name.signature is None or name.signature is ASSIGNED)
        is_absent = f"has no attribute {name.attribute!r}" in message  # of this estimator
        return None if is_read or is_absent else kind
    if isinstance(error, (UnicodeError, NotImplementedError)) or not isinstance(error, ALLOWED):
        return kind  # the first two are of kinds of ALLOWED
    if isinstance(error, (TypeError, ValueError)) and not is_deliberate(error):
        # of functions and files here, and of a setting of an estimator that cannot be cloned
        known = {"argument", "arguments", "called", "loss", "raising", "closed", "pickle"}
        known |= {"dimension"} if is_huge else set()  # of an array that no memory could hold
        if not set(re.findall(r"\w+", message)) & {*known, *(p.name for p in name.parameters)}:
            return f"{kind} that names no argument"
    return None


def is_deliberate(error):
    """Whether a `raise` statement raised an exception, or what the caller passed."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = ROOT / frame.filename  # compiled modules have relative ones
    line = linecache.getline(str(path if path.exists() else frame.filename), frame.lineno)
    return line.strip().startswith("raise") or re.search("random_|/reference/", frame.filename)


def place(error):
    """Return the last line of fastnn in a traceback."""
    frames = [
        f"in {frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "fastnn/" in frame.filename or "src/" in frame.filename
    ]
    return frames[-1] if frames else ""


# ---- one sequence ----


@dataclass
class Result:
    """What a sequence did: its records, what was wrong as {kind: text}, and what it printed."""

    records: list
    problems: dict
    text: str


def watch():
    """Start the watchdog of a call. Threads of a call before may still have the memory for its thread."""
    for _ in range(100):
        with contextlib.suppress(RuntimeError):
            return faulthandler.dump_traceback_later(HANG, exit=True)
        time.sleep(0.1)
    raise RuntimeError("the memory of ended threads does not suffice for the watchdog")


def make_calls(seed, steps, world, names, log):
    """Make the calls of a sequence, in a process of its own."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(world.folder)
    faulthandler.enable()
    caller = Caller(world, names, log)
    signal.signal(signal.SIGPROF, caller.interrupt)
    warnings.simplefilter("always")
    warnings.showwarning, sys.unraisablehook = caller.note_warning, caller.note_unraisable
    for step in steps:
        caller.write("step", step)
        watch()
        if step in names:
            caller.sweep(names[step])
        else:
            caller.step(f"{seed} {step}")
        plt.close("all")
    faulthandler.cancel_dump_traceback_later()


def run_sequence(seed, steps, world, names):
    """Fork a process for a sequence, and return its `Result`."""
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                make_calls(seed, steps, world, names, log.fileno())
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        for file in (log, output):
            file.seek(0)
        records = [json.loads(line) for line in log]
        text = output.read().decode(errors="replace")
    wrong = [record for record in records if record[0] == "done" and record[2].startswith("wrong")]
    problems = {text.splitlines()[0]: f"{name} {text}" for _, name, text, _ in reversed(wrong)}
    if status or re.search(r"corrupted|double free|Fatal Python error", text):
        last = next((record[1] for record in reversed(records) if record[0] == "call"), "")
        ended = f"ended the process with exit code {os.waitstatus_to_exitcode(status)}"
        if "Timeout (" in text:  # of faulthandler, whose exit code is 1
            ended = f"took more than {HANG} seconds, perhaps because the machine is busy"
        problems[f"{last} {ended}"] = text[:5000]
    return Result(records, problems, text)


def minimise(seed, kind, records, world, names):
    """Return the steps of a sequence without those that it does not need to fail in this way."""
    is_end = (record[0] == "done" and record[2].startswith(kind) for record in records)
    end = next((i for i, is_it in enumerate(is_end) if is_it), len(records))
    steps = [record[1] for record in records[:end] if record[0] == "step"]
    length = len(steps)
    while length:
        for first in reversed(range(0, len(steps) - 1, length)):  # the last step fails
            fewer = [*steps[:first], *steps[first:-1][length:], steps[-1]]
            if kind in run_sequence(seed, fewer, world, names).problems:
                steps = fewer
        length //= 2
    return steps


def report(seed, kind, result, world, names):
    """Print the shortest sequence that fails in this way."""
    steps = minimise(seed, kind, result.records, world, names)
    last = run_sequence(seed, steps, world, names)
    numbers = ",".join(map(str, steps))
    print(f"\n{kind}: --seed {seed} --sequences 1 --steps {numbers}")
    for record in last.records:
        if record[0] == "call":
            print(f"    {record[1]} of {record[2]}")
    first = f"It does not fail again. The first time:\n{result.problems[kind]}"
    print(last.problems.get(kind, first), flush=True)


# ---- the program ----


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--sequences", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the first sequence")
    parser.add_argument("--steps", default=",".join(map(str, range(60))), help="which to make")
    parser.add_argument("--each", action="store_true", help="a sequence for each name")
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--verbose", action="store_true", help="print all calls")
    options = parser.parse_args(arguments)
    every, steps = public_names(), options.steps.split(",")
    names = {name: each for name, each in every.items() if re.search(options.only, name)}
    counts, kinds, n = collections.defaultdict(collections.Counter), collections.Counter(), 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(folder, every)
        sweep = [name for name in names if names[name].parameters] if options.each else []
        while n < len(sweep) or n < options.sequences or time.monotonic() - start < options.seconds:
            steps = sweep[n : n + 1] or steps
            result = run_sequence(options.seed + n, steps, world, names)
            for record in result.records:
                if record[0] == "done":
                    counts[record[1]][record[2].partition("\n")[0][:80]] += 1
                if options.verbose:
                    print(*record)
            for kind in result.problems:
                kinds[kind] += 1
                if kinds[kind] == 1:
                    report(options.seed + n, kind, result, world, names)
            n += 1
    never = summarise(names, counts)
    minutes = (time.monotonic() - start) / 60
    n_calls = sum(map(collections.Counter.total, counts.values()))
    print(f"{n} sequences, {n_calls} calls of {len(names)} names in {minutes:.0f} minutes")
    for kind, n_sequences in kinds.most_common():
        print(f"{n_sequences} sequences: {kind}")
    if options.seconds and never:
        print("never successful:", *never)
    return int(bool(kinds) or bool(options.seconds and never))


def summarise(names, counts):
    """Print what the calls of each name did. Return the names that never succeeded, but could."""
    never = []
    for name in names:
        outcomes = counts[name]
        texts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
        n_calls, n_successes = outcomes.total(), outcomes["success"]
        print(f"{name:42}{n_calls:7} calls{n_successes:7} successes: {texts}")
        # without PyTorch or a launcher of ranks, and methods that only subclasses have, or always fail
        excused = {"ImportError", "ModuleNotFoundError", "NotImplementedError"}
        fails = ("distributed.MPI", "distributed.Torch", "losses.CustomLoss.curvature")
        if not (outcomes["success"] or excused & set(outcomes) or name.startswith(fails)):
            never.append(name)
    return never


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    sys.exit(main())
