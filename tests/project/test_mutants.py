"""Mutants of Python code and kernels, draws and scores of them, and the tests that judge them (nox -s
mutants)."""

import ast
import sys
from types import SimpleNamespace

import pytest
from places import ROOT, TESTS

sys.path.append(str(TESTS / "on_demand"))

import coverage_map
import kernel_mutants
import mutants
import mutation
import python_mutants
from mutation import Mutant

PYTHON = {  # code: its mutants
    "a = b < c": ["<: <="],
    "a = (b) is not (c)": ["is not: is"],
    "a = b < c >= d": ["<: <=", ">=: >"],
    "a = kind in ('x', y)": ["'x': 'x?'", "in: not in"],
    "a = b and c and not d": ["and: or", "and: or", "not : "],
    "a = (b +\n     c) * -d": ["+: -", "*: /", "-: "],
    "a = '%s %s' % b": [],
    "a = 7, 0.5, 1e300, True, 'é', None": ["7: 8", "0.5: 1.5", "1e300: 5e+299", "True: False"],
    "a = 'é' if b else c": ["b: not (b)", "b: True", "b: False"],
    "while a == b:\n    break": ["a == b: False", "==: !=", "break: pass"],
    "if not a:\n    f(b)": ["not : ", "not a: True", "not a: False", "f(b): pass"],
    "a = [b for b in c if b]": ["b: True"],
    "a //= b": ["//: /", "a //= b: pass"],
    "a.b = c": ["a.b = c: pass"],
    "a = f(b, c=d, e=g)": [", c=d: ", ", e=g: "],
    "a = f(c=d, *b)": ["c=d, : "],
    "a = f(\n    c=(d),\n)": ["c=(d),: "],
    "a = f(**b)": [],
    "a = open(b, encoding='x')": [", encoding='x': "],
    'a = open(b, encoding="utf-8")': [],
    "a = b\na = c": [],
    "def f(a):\n    a = g\n    b = h\n    b = i\n    return b": ["a = g: pass", "b = i: pass"],
    "def f():\n    'Text 1.'\n    return": [],
    "def f(a: b | c = 1) -> d | e:\n    x: g[2]": ["1: 2"],
    "if TYPE_CHECKING:\n    a = 1\nelse:\n    a = 2": ["2: 3"],
    "raise E(f'{a + 1}', b + 1) from c": ["raise E(f'{a + 1}', b + 1) from c: pass"],
    "a = f'{b + 1}'": [],
    "warnings.warn(b + c)": ["warnings.warn(b + c): pass"],
}


@pytest.mark.parametrize("code", PYTHON)
def test_mutants_of(code):
    found = dict.fromkeys(python_mutants.PythonMutants("a.py", code).found)
    assert sorted(f"{each.old}: {each.new}" for each in found) == sorted(PYTHON[code])
    for each in found:
        changed = each.apply(code)
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(code)), each


NOT_N = ["not: ", "not n: not (not n)", "not n: 1", "not n: 0", "True: False"]
WHILE = [">>: <<", "1: 2", "1: 2", "&: |", "or: and", "(n >> 1) & 1 or b: 0", "break: pass"]
KERNELS = {
    "a = <real*>b + c[i] * 2": ["+: -", "*: +", "2: 3"],
    "cdef real* a = &b[0]": ["0: 1"],
    "cdef real a[4 * LANES]": [],
    "a[0] = b": ["0: 1", "a[0] = b: pass"],
    "a = b": [],
    "n = b": ["n = b: pass"],
    "n += 1": ["+=: -=", "1: 2", "n += 1: pass"],
    "f(a,\n      b)": ["f(a,\n      b): pass"],
    "a = vselect_gt(b, <real>0.5, c, d)": ["b, <real>0.5: <real>0.5, b", "0.5: 1.5"],
    "a = vfma(vmin(b, c), d, e)": ["vfma: vfnma", "vmin: vmax"],
    "if not n: return True": NOT_N,
    "return b if c else d": ["c: not (c)", "c: 1", "c: 0"],
    "while (n >> 1) & 1 or b:\n        break": WHILE,
    "for i from 0 <= i < n by 2:\n        return": "0: 1|<=: <|<: <=|2: 3|return: pass".split("|"),
    '"""Text 1 + 2."""': [],
    "a = b  # 1 + 2": [],
}


@pytest.mark.parametrize("code", KERNELS)
def test_mutants_of_kernels(code):
    text = f"SIZE = 1\ncdef inline int f(int n) noexcept nogil:\n    {code}\nOTHER = 1\n"
    found = kernel_mutants.FileMutants("a.pxi", text).found
    assert sorted(f"{each.old}: {each.new}" for each in found) == sorted(KERNELS[code])
    for each in found:
        assert each.apply(text) != text
        assert each.kind in mutation.KINDS


@pytest.fixture(scope="module")
def all_mutants():
    """Of a few files: the others take seconds."""
    if not (ROOT / "fastnn").exists():
        pytest.skip("mutants are changes of a checkout, and this is an installed package")
    return list(python_mutants.python_mutants(ROOT, "fastnn/serving"))


def test_drawn_mutants_are_other_code_that_compiles(all_mutants):
    texts = {each.path: (ROOT / each.path).read_text("utf-8") for each in all_mutants}
    trees = {path: ast.dump(ast.parse(text)) for path, text in texts.items()}
    for _, each in zip(range(100), mutation.draw(all_mutants, 5)):
        changed = ast.parse(each.apply(texts[each.path]))
        compile(changed, each.path, "exec")
        assert ast.dump(changed) != trees[each.path], each
        assert each.kind in mutation.KINDS


def test_a_draw_has_one_mutant_a_line_and_repeats(all_mutants):
    drawn = list(mutation.draw(all_mutants, 1))
    assert drawn == list(mutation.draw(reversed(all_mutants), 1))
    assert drawn[:20] != list(mutation.draw(all_mutants, 2))[:20]
    places = [(each.path, each.line) for each in drawn]
    assert len(places) == len(set(places))
    assert set(places) == {(each.path, each.line) for each in all_mutants}


def test_a_mutant_of_another_text_is_refused():
    with pytest.raises(ValueError, match=r"a\.py:1 has changed: draw the mutants again"):
        Mutant("a.py", 1, 4, "<", "<=", "comparison").apply("a = b > c")


BANDS = [("mlp.py", "training"), ("files/model.py", "bytes"), ("__init__.py", "programs")]


@pytest.mark.parametrize(("path", "band"), BANDS)
def test_groups_are_bands(path, band):
    assert mutants.PythonCode(ROOT).group(f"fastnn/{path}") == band


@pytest.mark.skipif(not (ROOT / "fastnn").is_dir(), reason="installed from a wheel")
def test_explained_mutants_are_those_of_the_code():
    for path, code, old, new in mutants.equivalents():
        lines = [line.strip() for line in (ROOT / path).read_text("utf-8").splitlines()]
        assert code in lines and old.splitlines()[0] in code and old != new, (path, code)


INTERVALS = [(0, 0, 0, 1), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (180, 200, 0.8506, 0.9343)]


@pytest.mark.parametrize(("k", "n", "low", "high"), INTERVALS)
def test_intervals_are_wilsons(k, n, low, high):
    assert mutation.wilson(k, n) == pytest.approx((low, high), abs=1e-4)


def test_the_quickest_files_come_first_and_other_cases_and_weak_files_last():
    tests = {"a/x.py::1": 2, "b/y.py::1": 2, "a/x.py::2": 3, "c/z.py::1": 0.1, "c/v.py::1": 20}
    tests |= {f"d/{i}.py::1": 1000 + i for i in range(3)}
    tests |= {"c/w.py::1[a]": 1.5, "c/w.py::1[b]": 1.4}
    parts = [list(part) for part in mutants.chunks(tests, ["z.py"], True)]
    assert parts == [
        ["c/w.py::1[b]", "b/y.py::1"],
        ["a/x.py::1", "a/x.py::2", "c/v.py::1"],
        ["d/0.py::1"],
        ["d/1.py::1", "d/2.py::1", "c/w.py::1[a]", "c/z.py::1"],
    ]


CODE = """
TABLE = {1: 2}
def f(
    a=1,
):
    if (
        a
    ):
        b = g(
            a,
        )
    try:
        pass
    except E:
        @c
        def h():
            pass
"""


LINES = {2: "", 3: "", 4: "", 7: "6 7 8", 9: "9 10 11", 11: "9 10 11", 14: "14", 15: "15 16"}


@pytest.mark.parametrize("line", LINES)
def test_lines_of_the_statement(line):
    found = coverage_map.statement(ast.parse(CODE), line)
    assert " ".join(map(str, found)) == LINES[line]


class FakeRunner:
    """Runs tests that fail by what they find in the tree."""

    def __init__(self, tree, **outcomes):
        self.tree, self.outcomes = tree, outcomes

    def test(self, chosen, seconds=0):
        text = (self.tree / "a.py").read_text()
        started = []
        for name in chosen:
            started.append(name)
            outcome = self.outcomes[name](text)
            if outcome != "passed":
                break
        return SimpleNamespace(outcome=outcome, started=started, test=name, seconds=1)


def if_changed(*outcomes):
    """A test with these outcomes, one after the other, and the last one from then on."""
    left = list(outcomes)
    return lambda text: (left.pop(0) if left[1:] else left[0]) if "<=" in text else "passed"


PASSES, FAILS, HANGS = (if_changed(outcome) for outcome in ("passed", "failed", "hung"))
FAILS_ANYWAY, SURVIVED = lambda text: "failed", {"outcome": "survived"}
JUDGED = {
    "no test": ({}, SURVIVED),
    "passed": ({"a": PASSES}, SURVIVED),
    "failed": ({"a": PASSES, "b": FAILS}, {"outcome": "failed", "by": "b"}),
    "hung": ({"a": HANGS}, {"outcome": "hung", "by": "a"}),
    "once": ({"a": if_changed("failed", "passed")}, SURVIVED),
    "fails anyway": ({"a": FAILS_ANYWAY}, SURVIVED),  # also without the change
    "second": ({"a": FAILS_ANYWAY, "b": FAILS}, {"outcome": "failed", "by": "b"}),
}


@pytest.mark.parametrize(("tests", "entry"), JUDGED.values(), ids=JUDGED)
def test_a_mutant_is_killed_by_a_test_that_passes_without_it(tmp_path, tests, entry):
    path = tmp_path / "a.py"
    path.write_text("a = b < c")
    code = SimpleNamespace(weak=(), by_case=True, rebuild=lambda tree, path: True)
    code.tests = lambda mutant: dict.fromkeys(tests, 1)
    mutant = Mutant("a.py", 1, 6, "<", "<=", "comparison")
    found = mutants.judge(mutant, code, FakeRunner(tmp_path, **tests))
    assert entry.items() <= found.items()
    assert found["tests"] == len(tests)
    assert found["code"] == path.read_text() == "a = b < c"


def test_a_draw_continues_and_replaces_invalid_mutants(tmp_path):
    found = [Mutant("a.py", i, 0, "a", "b", "branch") for i in range(9)]
    drawn = list(mutation.draw(found, 3))

    def missing(n):
        code = SimpleNamespace(mutants=lambda: found)
        return mutants.Draw(code, 3, n, tmp_path / "seed").missing()

    draw = mutants.Draw(SimpleNamespace(mutants=lambda: found), 3, 4, tmp_path / "seed")
    assert missing(4) == drawn[:4]
    draw.add(drawn[0], {"outcome": "failed"})
    draw.add(drawn[2], {"outcome": "invalid"})
    assert missing(4) == [drawn[1], drawn[3], drawn[4]]
    draw.add(drawn[1], {"outcome": "survived"})
    assert draw.survivors() == [drawn[1]]
    draw.add(drawn[1], {"outcome": "failed"})
    assert draw.survivors() == []
    assert missing(2) == []
