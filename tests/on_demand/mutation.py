"""Mutants of a source file, draws of them, and the score of a draw.

A mutant is one textual replacement in one file, so that Python and Cython share this class. `mutants.py`
tests the mutants of one kind of code, an object with these members:

    mutants()             yield every Mutant of the checkout
    record(n_workers)     record which tests run which lines and how long they take, as far as the state
                          folder lacks it, so that an interrupted recording continues
    tree                  the copy of the checkout, with compiled modules, of which each worker gets a copy
    tests(mutant)         the tests that run the changed line, {node id: seconds}
    rebuild(tree, path)   called whenever the file `path` in the copy `tree` has changed, also when it has
                          changed back. False if it does not compile: the draw then has another mutant
    weak                  names of files of tests that run last, and without which the report has a second
                          score, such as "test_golden.py"
    by_case               whether tests(mutant) knows cases: then other cases of a function run later
    group(path)           the name of a line of the report, such as a band

`PythonCode` in mutants.py is that of fastnn/.
"""

import math
import random
from dataclasses import dataclass

KINDS = "comparison", "constant", "operator", "branch", "statement", "argument"


@dataclass(frozen=True, order=True)
class Mutant:
    """`old` at this place (line from 1, column from 0, in characters) becomes `new`."""

    path: str  # relative to the checkout
    line: int
    column: int
    old: str  # may have several lines
    new: str
    kind: str  # one of KINDS

    def apply(self, text):
        """The text of the file with the change."""
        lines = text.splitlines(keepends=True)
        start = sum(map(len, lines[: self.line - 1])) + self.column
        end = start + len(self.old)
        if text[start:end] != self.old:
            raise ValueError(f"{self.path}:{self.line} has changed: draw the mutants again")
        return text[:start] + self.new + text[end:]

    def code(self, text):
        """The line on which the change begins, without indentation."""
        return text.splitlines()[self.line - 1].strip()


def draw(mutants, seed):
    """Yield mutants in random order, one of a line: each line has the same chance, then each kind of
    mutants that it has, then each of these mutants. The first n are the same for all n."""
    lines = {}
    for each in mutants:
        lines.setdefault((each.path, each.line), {}).setdefault(each.kind, []).append(each)
    rng = random.Random(seed)
    places = sorted(lines)
    rng.shuffle(places)
    for place in places:
        kinds = lines[place]
        yield rng.choice(sorted(kinds[rng.choice(sorted(kinds))]))


def wilson(k, n, z=1.96):
    """The 95 % interval of a share of which k of n were counted."""
    if n == 0:
        return 0.0, 1.0
    middle = (k + z * z / 2) / (n + z * z)
    half = z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return middle - half, middle + half
