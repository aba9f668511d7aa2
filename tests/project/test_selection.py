"""The tests that run without `--all`, and with the names of tests (tests/support/selection.py)."""

import re
from itertools import combinations, product
from types import SimpleNamespace

import processes
import pytest
import selection
from places import TESTS

EXAMPLE = """
import pytest

@pytest.mark.parametrize("a", range(3))
@pytest.mark.parametrize("b", range(3))
@pytest.mark.parametrize("c", range(3))
def test_three(a, b, c): pass

@pytest.mark.parametrize("a", range(3))
@pytest.mark.parametrize("b", range(3))
def test_two(a, b): pass

@pytest.mark.slow("test_two")
def test_slow(): pass

@pytest.mark.spread(2)
@pytest.mark.parametrize("a", range(7))
def test_sweep(a): pass
"""


class SelectedCase:
    """An item of pytest. `tables`: the names of the parameters of each table."""

    def __init__(self, nodeid, params, tables=()):
        self.nodeid, self.callspec, self.tables = nodeid, SimpleNamespace(params=params), tables

    def iter_markers(self, name):
        return [SimpleNamespace(args=(names,)) for names in self.tables]


def cases(*sizes, name="test_x", names=range(9)):
    """Items of a test that has one parameter for each size."""
    values = [[object() for _ in range(n)] for n in sizes]
    params = [dict(zip(names, case)) for case in product(*values)]
    return [SelectedCase(f"{name}[{i}]", each) for i, each in enumerate(params)]


@pytest.mark.parametrize("sizes", [(3, 2, 5), (2, 2, 2, 2), (7, 3), (4,), (3, 2, 16, 4)])
def test_every_pair_of_values_occurs(sizes):
    items = cases(*sizes)
    selected = list(selection.select(items, selection.pairs))
    found = set().union(*(selection.pairs(item) for item in selected))
    assert found == set().union(*(selection.pairs(item) for item in items))
    n_pairs = sum(a * b for a, b in combinations(sizes, 2)) or sizes[0]
    assert len(found) == n_pairs
    assert len(selected) == len(set(map(id, selected)))
    assert (len(selected) < len(items)) == (len(sizes) > 2)


def test_pairs_that_have_run_are_not_selected_again():
    items = cases(3, 2, 5)
    usual = set(selection.select(items, selection.values))
    further = list(selection.select(items, selection.pairs, usual))
    assert usual.isdisjoint(further) and len(usual) == 5 and 10 <= len(further) < 25
    found = [set().union(*map(selection.pairs, each)) for each in ([*usual, *further], items)]
    assert found[0] == found[1]


def test_workers_select_the_same_cases_and_tests_different_ones():
    def names(name):
        items = cases(3, 2, 16, 4, name=name)
        return [item.nodeid.removeprefix(name) for item in selection.select(items, selection.pairs)]

    assert names("test_x") == names("test_x")
    assert names("test_x") != names("test_y")


def test_every_value_occurs_on_its_own_and_every_variant():
    items = cases(3, 2, 147, names=("isa", "dtype", "name"))
    chosen = [item.callspec.params for item in selection.select(items, selection.values)]
    assert len({id(params["name"]) for params in chosen}) == len(chosen) == 147
    assert len({(id(params["isa"]), id(params["dtype"])) for params in chosen}) == 6


@pytest.mark.parametrize("names", ["a, b", ("a", "b")])
def test_every_row_of_a_table_is_selected(names):
    rows = [{"a": a, "b": b, "c": c} for a, b in product((0, 1), (0, 1)) for c in "xyz"]
    items = [SelectedCase("test_x", row, tables=[names, "c"]) for row in rows]
    chosen = [item.callspec.params for item in selection.select(items, selection.values)]
    assert len({(row["a"], row["b"]) for row in chosen}) == len(chosen) == 4
    assert {row["c"] for row in chosen} == {*"xyz"}


def test_a_test_without_parameters_is_selected():
    item = SelectedCase("test_x", {})
    del item.callspec
    for parts in (selection.values, selection.pairs):
        assert list(selection.select([item], parts)) == [item]


OPTIONS = [
    ("-n2", 8, False, "left out: 1 slow tests, and 35 cases"),
    ("--all", 44, True, ""),
    ("--rest", 18, True, "left out: 0 slow tests, and 26 cases"),
    ("test_some.py::test_slow", 1, True, ""),
]


@pytest.mark.parametrize(("argument", "n", "slow", "left_out"), OPTIONS)
def test_options(argument, n, slow, left_out, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(EXAMPLE)
    code = "import os, sys, pytest; os.chdir(sys.argv[1]); sys.exit(pytest.main(sys.argv[2:]))"
    options = ["-p", "selection", "-p", "xdist.plugin", "-p", "no:cacheprovider", "-v"]
    no_others = dict(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    process = processes.run(code, tmp_path, "--strict-markers", *options, argument, **no_others)
    assert process.returncode == 0, process.stdout
    assert f"{n} passed" in process.stdout
    assert ("test_slow" in process.stdout) == slow
    assert left_out in process.stdout and ("left out" in process.stdout) == bool(left_out)


@pytest.mark.parametrize("words", ["x.py", "x.py::test_y", "-k three_or_slow", "-m slow", "--lf"])
def test_tests_that_are_named_all_run(words, pytestconfig):
    options, arguments = {"-k": "keyword", "-m": "markexpr", "--lf": "lf"}, words.split()
    chosen = {options[arguments[0]]: arguments[-1]} if arguments[0] in options else {}
    config = SimpleNamespace(args=arguments, getoption=lambda name, default: chosen.get(name))
    assert hasattr(pytestconfig.option, "keyword") and hasattr(pytestconfig.option, "markexpr")
    assert selection.names_tests(config) == (words != "x.py")


def test_reasons_of_slow_tests_name_tests():
    texts = {path.name: path.read_text(encoding="utf-8") for path in TESTS.glob("*/test_*.py")}
    reasons = [r for text in texts.values() for r in re.findall(r'mark\.slow\(\s*"(.*)"', text)]
    assert len(reasons) > 10
    for name in re.findall(r"\btest_\w+(?:\.py)?", " ".join(reasons)):
        assert name in texts or any(f"def {name}(" in text for text in texts.values()), name
