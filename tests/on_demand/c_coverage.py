"""Lines and branches of src/ that no test reaches, on the instruction sets of this machine.

    python tests/on_demand/c_coverage.py                        all tests, about an hour on two cores
    python tests/on_demand/c_coverage.py tests/kernels          those of a folder or file

Builds a copy of the checkout with gcov (gcov_map.py says how) and runs the tests of each file. The state
folder keeps the counts, so a run that was stopped continues, and only changed files of tests run again.

c_coverage.txt names what no test reaches, with the reason. Exit code 1: something else is not reached,
or a test reaches what it names. coverage and gcc must be installed.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import warm_tests
from gcov_map import GcovMap, supported

ROOT = Path(__file__).resolve().parents[2]


class Totals:
    """Sums of the counts of all files of tests, over all modules of an instruction set and dtype."""

    def __init__(self):
        self.lines, self.branches = defaultdict(int), {}

    def add(self, lines, branches):
        for place, count in lines.items():
            self.lines[place] += count
        for (path, line, i), outcomes in branches.items():
            key = path, line, i, len(outcomes)
            before = self.branches.get(key, [0] * len(outcomes))
            self.branches[key] = [a + b for a, b in zip(before, outcomes)]

    def unreached(self, source):
        """{(path, code, what): [lines]}: lines that never run, and conditions that have an outcome which
        never happens, unless this is a line that never runs."""
        found = defaultdict(list)
        for (path, line), count in sorted(self.lines.items()):
            if not count:
                found[path, source(path, line), "never runs"].append(line)
        for (path, line, i, n), outcomes in sorted(self.branches.items()):
            if self.lines[path, line] and not all(outcomes):
                which = ", ".join(str(j) for j, count in enumerate(outcomes) if not count)
                what = f"condition {i + 1}, outcome {which} of {n}"
                found[path, source(path, line), what].append(line)
        return found

    def score(self):
        """(lines reached, lines, outcomes reached, outcomes)"""
        outcomes = [count for each in self.branches.values() for count in each]
        lines = self.lines.values()
        return sum(map(bool, lines)), len(lines), sum(map(bool, outcomes)), len(outcomes)


def named(isas):
    """The places (path, code, what) of c_coverage.txt: a line with the reason, then one of each place.
    Those of reasons that begin with "With AVX-512" or "Without AVX-512" count on such machines alone."""
    places, counts = set(), True
    other = "Without AVX-512" if "avx512" in isas else "With AVX-512"
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").splitlines():
        if line.startswith("    "):
            path, _, rest = line.strip().partition(" | ")
            code, _, what = rest.rpartition(" | ")
            places |= {(path, code, what)} if counts else set()
        elif line and not line.startswith("#"):
            counts = not line.startswith(other)
    return places


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tests", nargs="*", default=["tests"], help="files or folders")
    parser.add_argument("--state", type=Path, default=ROOT / "build/c_coverage", metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    options = parser.parse_args()
    state = options.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    isas = supported(ROOT)
    record = GcovMap(state / "map", ROOT, state / "tree", isas)

    warm_tests.load()
    files = [each for each in record.missing() if each.startswith(tuple(options.tests))]
    record.record_all(files, options.workers)
    variants, everything = defaultdict(Totals), Totals()
    for variant, counts in record.sums():
        variants[variant].add(*counts)
        everything.add(*counts)

    for name, totals in [*sorted(variants.items()), ("all", everything)]:
        lines, n_lines, outcomes, n_outcomes = totals.score()
        print(
            f"{name:16} lines: {lines} of {n_lines}, outcomes of conditions: {outcomes} of {n_outcomes}"
        )
    found, known = everything.unreached(record.source), named(isas)
    for place in sorted(found.keys() - known, key=lambda place: (place[0], found[place])):
        print(
            f"{place[0]}:{', '.join(map(str, found[place]))}: {place[2]}\n    {' | '.join(place)}"
        )
    for place in known - found.keys():
        print(f"reached, so delete it in c_coverage.txt: {' | '.join(place)}")
    sys.exit(found.keys() != known)


if __name__ == "__main__":
    main()
