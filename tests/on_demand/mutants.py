"""Mutation score: do the tests notice small changes of the code?

    python tests/on_demand/mutants.py --seed 1 --count 200
    python tests/on_demand/mutants.py --seed 1 --count 100 --kernels

Draws mutants of fastnn/, or of src/ops and src/train, by a seed and runs the tests that execute the
changed line, the quickest files first, until one fails, for at most two minutes of processor time. A
mutant is killed if a test fails or hangs that passes without the change. The state folder keeps the map
of tests and lines, the outcome of each mutant, and the copies of the checkout in which the tests run: a
run that was stopped continues.

`mutants.toml` explains the survivors that no test can kill, because they change nothing that can be
observed. The report has the score without them, with its 95 % interval. coverage must be installed.
"""

import argparse
import ast
import dataclasses
import functools
import json
import math
import os
import time
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import warm_tests
from coverage_map import CoverageMap
from mutation import Mutant, draw, wilson
from python_mutants import python_mutants

ROOT = Path(__file__).resolve().parents[2]
CHUNKS = 3, 12, 60  # usual seconds of the tests of the first forks; one has the others

LONG = 1.0  # usual seconds of tests that may wait for other processes


class PythonCode:
    """The modules of fastnn/; see mutation.py."""

    weak, by_case = (), True

    def __init__(self, state):
        self.tree = state / "tree"
        self.map = CoverageMap(state / "map", ROOT, self.tree)

    def mutants(self):
        return python_mutants(ROOT)

    def record(self, n_workers):
        self.map.record_all(self.map.missing(), n_workers)
        self.map.combine()

    def tests(self, mutant):
        return self.map.tests(mutant.path, mutant.line)

    def rebuild(self, tree, path):
        try:
            compile((tree / path).read_text("utf-8"), path, "exec")
        except SyntaxError:
            return False
        return True

    def group(self, path):
        part = path.removeprefix("fastnn/").removesuffix(".py").split("/")[0]
        return next(band for band, parts in read_bands().items() if part in parts.split())


@functools.cache
def read_bands():
    """The names of the bands and of what is in them, without importing fastnn."""
    tree = ast.parse((ROOT / "tests/project/test_bands.py").read_text("utf-8"))
    assigned = {
        ast.unparse(each.targets[0]): each.value for each in tree.body if hasattr(each, "targets")
    }
    return ast.literal_eval(assigned["BANDS"])


class Draw:
    """The mutants of a seed, and the file of their outcomes, one JSON object a line."""

    def __init__(self, code, seed, n, path):
        self.drawn, self.n, self.path = list(draw(code.mutants(), seed)), n, path

    def entries(self):
        """{mutant: its entries in the file, the first one first}."""
        names = [field.name for field in dataclasses.fields(Mutant)]
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        known = defaultdict(list)
        for entry in map(json.loads, lines):
            known[Mutant(*(entry[name] for name in names))].append(entry)
        return {each: known[each] for each in self.drawn if each in known}

    def missing(self):
        """The mutants to test until n of them have an outcome."""
        entries, todo, n_valid = self.entries(), [], 0
        for each in self.drawn:
            if n_valid == self.n:
                break
            if each not in entries:
                todo.append(each)
            n_valid += each not in entries or entries[each][0]["outcome"] != "invalid"
        return todo

    def survivors(self):
        return [
            each for each, known in self.entries().items() if known[-1]["outcome"] == "survived"
        ]

    def add(self, mutant, entry):
        line = json.dumps(dataclasses.asdict(mutant) | entry, ensure_ascii=False)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")  # one call of the system: workers share the file


def chunks(tests, weak, by_case):
    """Divide tests into parts of growing length: one case of each function first (by_case), then the
    other cases, then the weak files, each time the quickest file first."""
    groups, seen = defaultdict(dict), set()
    for name, seconds in sorted(tests.items(), key=lambda item: item[::-1]):
        file, function = name.split("::")[0], name.split("[")[0]
        is_weak = file.rpartition("/")[2] in weak
        is_other = by_case and function in seen and not is_weak
        groups[is_weak, is_other, file][name] = seconds
        seen.add(function)
    limits = iter(CHUNKS)
    part, limit = {}, next(limits)
    for key in sorted(groups, key=lambda key: (key[:2], sum(groups[key].values()), key)):
        part |= groups[key]
        if sum(part.values()) > limit:
            yield part
            part, limit = {}, next(limits, math.inf)
    if part:
        yield part


def up_to_failure(run, tests):
    """Those of `tests` that ran in the file of the test that failed; all if none ran."""
    file = str(run.test).split("::")[0]
    return {name: tests[name] for name in run.started if name.split("::")[0] == file} or tests


def judge(mutant, code, runner, limit=120):
    """Run the tests of a mutant -> its entry in the file of outcomes."""
    path = runner.tree / mutant.path
    text, start = path.read_text("utf-8"), time.monotonic()
    changed, tests = mutant.apply(text), code.tests(mutant)
    modified = path.stat().st_mtime_ns

    def write(content):
        path.write_text(content, "utf-8")
        os.utime(path, ns=(modified, modified + 2 * 10**9 * (content != text)))  # of compiled files
        return code.rebuild(runner.tree, mutant.path)

    def fails_again(run, ran):
        """Whether a test fails that may depend on the speed of the machine: a longer one."""
        is_sure = run.outcome == "hung" or tests.get(run.test, 0) < LONG
        return is_sure or (write(changed) and runner.test(ran).outcome != "passed")

    def outcome():
        parts, left = list(chunks(tests, code.weak, code.by_case)), limit
        while parts:
            if not write(changed):
                return {"outcome": "invalid"}
            run = runner.test(parts[0], left)
            left -= run.seconds
            if run.outcome == "unfinished":
                return {"outcome": "survived", "note": f"only {limit} s of its tests ran"}
            if run.outcome == "passed":
                del parts[0]
                continue
            write(text)
            ran = up_to_failure(run, parts[0])
            again = runner.test(ran)
            if again.outcome != "passed":
                del parts[0][again.test or next(iter(ran))]  # it fails without the change, too
            elif fails_again(run, ran):
                return {"outcome": run.outcome, "by": run.test}
            else:
                del parts[0][run.test]
            parts = [part for part in parts if part]
        return {"outcome": "survived"}

    try:
        entry = outcome()
    finally:
        write(text)
    seconds = round(time.monotonic() - start, 1)
    return entry | {"code": mutant.code(text), "tests": len(tests), "seconds": seconds}


def judge_all(todo, drawn, code, options):
    """Judge mutants in workers, each in a copy of the checkout."""
    end = time.monotonic() + 3600 * options.hours
    n = min(options.workers, len(todo))

    def work(i):
        tree = options.state / f"tree-{i}"
        warm_tests.copy_checkout(code.tree, tree)
        runner = warm_tests.Runner(tree, str(tree))
        for each in todo[i::n]:
            if time.monotonic() > end:
                print("the time is over; run the same command to continue", flush=True)
                return
            entry = judge(each, code, runner, options.limit)
            drawn.add(each, entry)
            what = f"{each.path}:{each.line} {each.old!r} -> {each.new!r}"
            print(f"{entry['outcome']:9} {entry['seconds']:6} s  {what}", flush=True)

    warm_tests.in_workers(n, work)


def equivalents():
    """The explained survivors of mutants.toml."""
    text = Path(__file__).with_suffix(".toml").read_text("utf-8")
    return {(e["path"], e["code"], e["old"], e["new"]) for e in tomllib.loads(text)["equivalent"]}


def score(outcomes):
    """A line of the report: outcomes is a Counter."""
    killed = outcomes["failed"] + outcomes["hung"]
    n = killed + outcomes["survived"]
    low, high = wilson(killed, n)
    share = f"{killed / n:6.1%} ({low:.1%} to {high:.1%})" if n else ""
    return (
        f"{killed:5} killed ({outcomes['hung']} hung), {outcomes['survived']:3} survived, "
        f"{outcomes['equivalent']:3} equivalent  {share}"
    )


def report(drawn, code):
    """Print the scores, and the mutants that survive."""
    explained, scores = equivalents(), defaultdict(Counter)
    for mutant, known in drawn.entries().items():
        first, last = known[0], known[-1]
        outcomes = {"all": first["outcome"], "now": last["outcome"]}
        if code.weak:
            is_weak = any(f"/{name}::" in str(first.get("by")) for name in code.weak)
            outcomes[f"without {', '.join(code.weak)}"] = (
                "survived" if is_weak else first["outcome"]
            )
        if (mutant.path, first["code"], mutant.old, mutant.new) in explained:
            outcomes = dict.fromkeys(outcomes, "equivalent")
        outcomes |= dict.fromkeys((code.group(mutant.path), mutant.kind), outcomes["all"])
        for line, outcome in outcomes.items():
            scores[line][outcome] += 1
        if outcomes["now"] == "survived":
            print(f"\n{mutant.path}:{mutant.line} ({last['tests']} tests) {last.get('note', '')}")
            print(f"    {first['code']}\n    {mutant.old!r} -> {mutant.new!r}")
    print()
    for line, counts in scores.items():
        print(f"{line:12} {score(counts)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200, metavar="N", help="mutants of the draw")
    parser.add_argument("--kernels", action="store_true", help="mutants of src/ops and src/train")
    parser.add_argument(
        "--state", type=Path, metavar="FOLDER", help="build/mutants, build/kernel_mutants"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    parser.add_argument(
        "--limit", type=float, default=120, metavar="N", help="processor seconds of each mutant"
    )
    parser.add_argument("--hours", type=float, default=4, metavar="N", help="stop after this time")
    parser.add_argument("--again", action="store_true", help="test the survivors again")
    parser.add_argument("--report", action="store_true", help="print the report alone")
    options = parser.parse_args()
    folder = ROOT / "build" / ("kernel_mutants" if options.kernels else "mutants")
    options.state = (options.state or folder).resolve()
    options.state.mkdir(parents=True, exist_ok=True)
    if options.kernels:
        from kernel_mutants import KernelCode

        code = KernelCode(ROOT, options.state)
    else:
        code = PythonCode(options.state)
    drawn = Draw(code, options.seed, options.count, options.state / f"seed-{options.seed}.jsonl")
    if not options.report:
        warm_tests.load()
        code.record(options.workers)
        if options.again:
            judge_all(drawn.survivors(), drawn, code, options)
        start = time.monotonic()
        while (todo := drawn.missing()) and time.monotonic() - start < 3600 * options.hours:
            judge_all(todo, drawn, code, options)
    report(drawn, code)


if __name__ == "__main__":
    main()
