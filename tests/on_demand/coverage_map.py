"""Record which tests run which lines of fastnn/, also in the programs that they start.

One folder for each file of tests, so that a recording continues where it stopped.
"""

import ast
import functools
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from warm_tests import Chosen, Runner, copy_checkout, in_workers, run_pytest

SETTINGS = """
[run]
core = ctrace
parallel = true
data_file = {folder}/data
include = {tree}/fastnn/*
context = ${{PYTEST_CURRENT_TEST-}}
disable_warnings = trace-changed,no-data-collected,module-not-measured,module-not-imported,couldnt-parse
"""

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
BLOCK = ast.stmt | ast.ExceptHandler


class Timer(Chosen):
    """A plugin of pytest: the seconds of each test that passes."""

    def __init__(self, log):
        super().__init__(None, log)
        self.seconds, self.failed = {}, set()

    def pytest_runtest_logreport(self, report):
        super().pytest_runtest_logreport(report)
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if not report.passed:
            self.failed.add(report.nodeid)

    def save(self, path):
        seconds = {each: t for each, t in self.seconds.items() if each not in self.failed}
        path.write_text(json.dumps(seconds, indent=0))


class Recorder(Timer):
    """It sets the context of the coverage, too."""

    def __init__(self, log, coverage):
        super().__init__(log)
        self.coverage = coverage

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        if sys.gettrace() is None:  # a test has removed the tracer
            self.coverage.stop()
            self.coverage.start()
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")


class CoverageMap:
    """A recording.

    folder: where it is. root: the checkout. tree: its copy, in which the tests run.
    """

    def __init__(self, folder, root, tree):
        self.folder, self.root, self.tree = folder, root, tree

    def missing(self):
        """Update the copy -> the files of tests that are new or have changed."""
        if not self.tree.exists():
            copy_checkout(self.root, self.tree)
        for path in sorted(self.root.glob("fastnn/**/*.py")):
            if path.read_bytes() != (self.tree / path.relative_to(self.root)).read_bytes():
                sys.exit(f"{path} has changed since the recording: remove {self.folder.parent}")
        files = []
        for path in sorted(self.root.glob("tests/**/*.*")):
            if path.is_dir() or path.suffix == ".pyc":
                continue
            name = path.relative_to(self.root).as_posix()
            copy = self.tree / name
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                self._seconds(name).unlink(missing_ok=True)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
            if path.match("test_*.py") and not self._seconds(name).exists():
                files.append(name)
        if files:
            (self.folder / "all").unlink(missing_ok=True)
        return files

    def _seconds(self, path):
        return self.folder / path.replace("/", "-") / "seconds.json"

    def record_all(self, paths, n_workers):
        """Record files of tests in workers."""

        def work(i):
            runner = Runner(self.tree, f"{self.tree}-{i}")
            for each in paths[i::n_workers]:
                print(f"{self.record(each, runner):6.0f} s  {each}", flush=True)

        in_workers(n_workers if paths else 0, work)

    def record(self, path, runner):
        """Run the tests of a file -> the seconds."""
        folder = self._seconds(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        run = runner.run(lambda: self._record(path, runner.log), seconds=1800)
        if not self._seconds(path).exists():
            raise RuntimeError(f"{path}: {run.outcome}; see {runner.output}")
        return run.seconds

    def _record(self, path, log):
        """Run the tests of a file, without those that need --all, in a fork -> its exit code."""
        import coverage

        folder = self._seconds(path).parent
        settings = folder / "settings"
        settings.write_text(SETTINGS.format(folder=folder, tree=self.tree))
        os.environ["COVERAGE_PROCESS_START"] = str(settings)
        sys.dont_write_bytecode = False  # pytest keeps its own form of the tests
        measured = coverage.Coverage(config_file=settings)
        measured.start()
        recorder = Recorder(log, measured)
        run_pytest(recorder, path)
        measured.stop()
        measured.save()
        recorder.save(self._seconds(path))
        return 0

    @functools.cached_property
    def seconds(self):
        """{node id: seconds} of the tests that passed."""
        files = self.folder.glob("*/seconds.json")
        return {k: v for path in files for k, v in json.loads(path.read_text()).items()}

    def combine(self):
        """Make one file of all recordings."""
        from coverage import CoverageData
        from coverage.exceptions import DataError

        path, part = self.folder / "all", self.folder / "part"
        if path.exists():
            return
        part.unlink(missing_ok=True)
        combined = CoverageData(basename=str(part))
        for each in sorted(self.folder.glob("*/data.*")):
            one = CoverageData(basename=str(each))
            try:
                one.read()
            except DataError:  # a test killed the program that wrote it
                continue
            combined.update(one)
        if not combined.measured_contexts():
            sys.exit(f"{self.folder} has no recording of tests")
        part.rename(path)

    @functools.cache  # noqa: B019
    def lines(self, path):
        """{line: names of the tests that run it} of a file; "" if it runs at import."""
        from coverage import CoverageData

        data = CoverageData(basename=str(self.folder / "all"))  # one made before a fork is empty
        data.read()
        found = data.contexts_by_lineno(str(self.tree / path))
        short = functools.cache(lambda name: re.sub(r" \((setup|call|teardown)\)$", "", name))
        return {line: {short(name) for name in names} for line, names in found.items()}

    def tests(self, path, line):
        """{node id: seconds} of the tests that run this line of a file.

        No test by itself runs what runs at import. Its tests are those that run any line of the file,
        or else of the files that import it. If no test is known to run a line of a function (threads
        that C code starts are not recorded), they are those of the file whose names are alike.
        """
        tree = ast.parse((self.tree / path).read_text("utf-8"))
        lines = self.lines(path)
        span = statement(tree, line)
        names = lines.get(line, set()) - {""} if span else set()
        names = names or {name for each in span for name in lines.get(each, ())} - {""}
        names = names or self._tests_of_file(path, span)
        return {name: self.seconds[name] for name in names if name in self.seconds}

    def _tests_of_file(self, path, is_in_function):
        names = set().union(*self.lines(path).values()) - {""}
        words = "|".join(word[:4] for word in Path(path).with_suffix("").parts[1:])
        alike = {name for name in names if re.search(rf"_({words})", name.split("::")[0])}
        if names:
            return alike if alike and is_in_function else names
        imports = re.compile(rf"^\s*(from|import) .*\b{Path(path).stem}\b", re.M)
        for each in sorted(self.tree.glob("fastnn/**/*.py")):
            if imports.search(each.read_text("utf-8")):
                names |= set().union(*self.lines(str(each.relative_to(self.tree))).values())
        return names


def statement(tree, line):
    """The lines of the innermost statement on this line, without the blocks in it; none if it runs at
    import."""
    node, blocks, is_in_function = None, tree.body, False
    while inner := [each for each in blocks if first_line(each) <= line <= each.end_lineno]:
        is_in_function |= isinstance(node, FUNCTION)
        node = inner[0]
        blocks = [each for each in ast.iter_child_nodes(node) if isinstance(each, BLOCK)]
    if not is_in_function:
        return ()
    end = min([node.end_lineno + 1, *(first_line(each) for each in blocks)])
    return range(first_line(node), max(end, line + 1))


def first_line(node):
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
