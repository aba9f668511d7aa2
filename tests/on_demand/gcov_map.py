"""Record which lines and branches of src/ each file of tests runs, by gcov, also in the programs that it
starts.

Cython writes a comment before the C code of each statement, with its file and line: the C lines up to the
next comment belong to that line. A condition is the C line of our `if`, `elif`, `while`, `for`, `and`,
`or` or conditional expression, or a line with branches in one of our headers. The checks that Cython
generates after calls of Python, of arguments and of types look different, and are no conditions. Cython
repeats a `finally` block for each exit from its `try`: the copies are counted together.

Functions are not inlined, so that each condition is compiled once. What the compiler knows, such as the
size of a dtype, is no condition in that variant.
"""

import ctypes
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict

from coverage_map import CoverageMap, Timer
from warm_tests import run_pytest

ONCE = "-fno-inline -UCYTHON_INLINE -DCYTHON_INLINE=inline"
FLAGS = f"--coverage -fprofile-update=atomic -O1 {ONCE} -fno-ssa-phiopt -fkeep-static-functions"
# slow tests, and cases of each instruction set, that alone reach something
ALL = [
    "tests/kernels/test_cimport.py",
    "tests/kernels/test_core.py",
    "tests/training/test_many_lanes.py",
]
PLACE = re.compile(r'\s*/\* "(src/[\w/]+\.(?:pxi|pyx))":(\d+)$')
GENERATED = re.compile(
    r"(def|cdef class|cdef readonly|except|with)\b"
)  # lines without code of ours
VALUE = r"__pyx_[tv]_\w+(?:(?:->|\.)\w+)*"
CONDITION = re.compile(
    rf"\s*(?:if \((?:!|unlikely\()?{VALUE}\)+ (?:\{{|break;)|switch \({VALUE}\)|for \({VALUE} = )"
)


def supported(root):
    """Return the instruction sets of the checkout that this machine runs, the fastest last."""
    # in a process of its own: forks of this one import the fastnn of their copy
    program = "from fastnn import kernels; print(*kernels.SUPPORTED)"
    command = sys.executable, "-c", program
    return subprocess.check_output(command, cwd=root, text=True).split()


def build(tree, flags, isas=()):
    """Build a copy of the checkout, for all instruction sets or these -> what setup.py prints."""
    for old in tree.glob("fastnn/*.so"):
        old.unlink()
    command = sys.executable, "setup.py", "build_ext", "--inplace"
    environment = os.environ | {"FASTNN_CFLAGS": flags}
    if isas:
        environment["FASTNN_BUILD_ISA"] = " ".join(isas)
    return subprocess.run(
        command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


class GcovMap(CoverageMap):
    """A recording. The copy of the checkout is built for it, for these instruction sets or all."""

    def __init__(self, folder, root, tree, isas=()):
        super().__init__(folder, root, tree)
        self.isas = isas

    def missing(self):
        """Build the copy if it is new, and update its tests -> the files of tests to record."""
        if self.tree.exists() and any(
            each.read_bytes() != (self.tree / each.relative_to(self.root)).read_bytes()
            for each in self.root.glob("src/**/*.[chp]*")
        ):
            sys.exit(f"src/ has changed since the recording: remove {self.folder.parent}")
        files = super().missing()
        if not self._objects:
            build(self.tree, FLAGS, self.isas)
            del self._objects
        return files

    def _record(self, path, log):
        """Run the tests of a file, without those that need --all, except for ALL."""
        os.environ["GCOV_PREFIX"] = str(self._seconds(path).parent)
        os.environ["GCOV_PREFIX_STRIP"] = str(len(self._objects[0].parent.parts) - 1)
        timer = Timer(log)
        run_pytest(timer, *["--all"] * (path in ALL), path)
        timer.save(self._seconds(path))
        sys.stdout.flush()
        ctypes.PyDLL(None).exit(0)  # gcov writes its counts at the exit, but not in os._exit

    @functools.cached_property
    def _objects(self):
        """What gcov knows about each compiled module."""
        return sorted(self.tree.glob("build/temp.*/build/src/*/*.gcno"))

    def files(self):
        """The files of tests that have been recorded."""
        paths = (
            path.relative_to(self.root).as_posix() for path in self.root.glob("tests/*/test_*.py")
        )
        return sorted(path for path in paths if self._seconds(path).exists())

    def counts(self, path, variants=()):
        """Yield (name of a compiled module, its counts as `_read` returns them) of a file of tests."""
        yield from self._counts(self._seconds(path).parent, variants)

    def sums(self):
        """Yield (name of a compiled module, the sums of its counts over all files of tests)."""
        folders = [self._seconds(path).parent for path in self.files()]
        total, before = self.folder / "total", self.folder / "before"
        shutil.rmtree(total, ignore_errors=True)
        for each in folders:
            if total.exists() and any(each.glob("*.gcda")):
                shutil.rmtree(before, ignore_errors=True)
                total.rename(before)
                subprocess.run(["gcov-tool", "merge", "--output", total, before, each], check=True)
            elif any(each.glob("*.gcda")):
                shutil.copytree(each, total)
        yield from self._counts(total)

    def _counts(self, folder, variants=()):
        for each in self._objects:
            counters = folder / f"{each.stem}.gcda"
            if counters.exists() and (not variants or each.stem in variants):
                link = folder / each.name
                if not link.exists():
                    link.symlink_to(each)
                yield each.stem, self._read(counters)

    def _read(self, counters):
        """Read the counts of a module -> {(file, line): runs} and
        {(file, line, number of the condition): (condition, [times that each outcome happened])}."""
        command = "gcov", "--json-format", "--branch-probabilities", "--stdout", counters.name
        output = subprocess.run(command, cwd=counters.parent, check=True, capture_output=True)
        lines, branches = defaultdict(int), {}
        for file in json.loads(output.stdout)["files"]:
            path = file["file"]
            if path.startswith("build/"):
                places = self._places(path)
            elif path.startswith("src/"):
                places = {
                    line["line_number"]: ((path, line["line_number"]), 0) for line in file["lines"]
                }
            else:
                continue
            functions = defaultdict(list)  # static functions of headers may be in several
            for line in file["lines"]:
                functions[line["line_number"]].append(line)
            for number in functions.keys() & places.keys():
                place, index = places[number]
                found = functions[number]
                lines[place] = max(lines[place], *(each["count"] for each in found))
                counts = [[branch["count"] for branch in each["branches"]] for each in found]
                if index is not None and counts[0]:
                    key = *place, index
                    counts += [branches[key]] if key in branches else []
                    branches[key] = [sum(each) for each in zip(*counts)]
        return lines, branches

    @functools.cache  # noqa: B019
    def _places(self, path):
        """{line of C: ((file, line) of ours, the number of the condition or None)}."""
        places, place, n_exits = {}, None, 0
        n_conditions = defaultdict(int)
        with open(self.tree / path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                n_exits += " exit:*/" in line
                if match := PLACE.match(line):
                    place = match[1], int(match[2])
                    if GENERATED.match(self.source(*place)):
                        place = None
                elif place:
                    index = None
                    if CONDITION.match(line):
                        index = n_conditions[place, n_exits]
                        n_conditions[place, n_exits] += 1
                    places[number] = place, index
        return places

    def source(self, path, line):
        return self._text(path)[line - 1].strip()

    @functools.cache  # noqa: B019
    def _text(self, path):
        return (self.tree / path).read_text("utf-8").splitlines()
