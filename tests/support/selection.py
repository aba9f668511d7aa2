"""Which tests run without `--all`: not the slow ones, and so many cases of each parametrized test
that every pair of parameter values occurs.

A test of the parameters isa, dtype and loss runs every loss on every instruction set and with every
dtype, but not each combination of the three. Different tests select different combinations. A test
with one or two parameters runs all cases.

`@pytest.mark.slow(reason)` marks tests of seconds. The reason names what covers the same subject in
less time.

`@pytest.mark.spread(n)` marks a sweep, many cases of one behaviour: n of them run.

`--rest` runs what a run without options leaves out. `--values` runs fewer cases: every value of each
parameter occurs, and every instruction set with every dtype. Tests that the command line names (`::`,
`-k`, `-m` or `--lf`) all run.
"""

import heapq
import random
from itertools import combinations, islice

import pytest

left_out = {"slow tests": 0, "cases": 0}


def pytest_addoption(parser):
    parser.addoption(
        "--all", action="store_true", help="run slow tests, and every case of parametrized tests"
    )
    parser.addoption(
        "--rest", action="store_true", help="run only what a run without options leaves out"
    )

    parser.addoption(
        "--values",
        action="store_true",
        help="run cases with all values instead of all pairs of them",
    )


def pytest_configure(config):
    for mark in (
        "slow(reason): runs with --all, or by name",
        "spread(n): n cases run without --all",
    ):
        config.addinivalue_line("markers", f"{mark}; see selection.py")


def pairs(item):
    """The pairs of parameter values of a case: at least one."""
    callspec = getattr(item, "callspec", None)
    values = [] if callspec is None else [(name, id(x)) for name, x in callspec.params.items()]
    return set(combinations(values, 2)) or set(values) or {None}


def values(item):
    """The parameter values of a case, with the instruction set and dtype as one of them."""
    callspec = getattr(item, "callspec", None)
    params = {} if callspec is None else {name: id(x) for name, x in callspec.params.items()}
    variant = [params.pop(name, None) for name in ("isa", "dtype")]
    return {("variant", *variant), *params.items()}


def select(items, parts=pairs):
    """Cases that have all parts of `items`, such as pairs. The next one always has the most that are
    missing."""
    cases = [(item, parts(item)) for item in items]
    random.Random(items[0].nodeid.split("[")[0]).shuffle(cases)
    missing = set().union(*(found for _, found in cases))
    # by number of missing parts, or of those that were missing once: that never grows
    queue = [(-len(found), i) for i, (_, found) in enumerate(cases)]
    heapq.heapify(queue)
    while missing:
        item, found = cases[queue[0][1]]
        new = found & missing
        if len(new) == -queue[0][0]:
            heapq.heappop(queue)
            missing -= new
            yield item
        else:
            heapq.heapreplace(queue, (-len(new), queue[0][1]))


def most(item):
    """How many cases of a test run: None for all that are selected."""
    mark = item.get_closest_marker("spread")
    return mark and mark.args[0]


def names_tests(config):
    """Whether the command line names tests, not only files."""
    chosen = [config.getoption(name, None) for name in ("keyword", "markexpr", "lf")]
    return any(chosen) or any("::" in argument for argument in config.args)


@pytest.hookimpl(trylast=True)  # after --deselect
def pytest_collection_modifyitems(config, items):
    if config.option.all or names_tests(config):
        return
    quick = [item for item in items if not item.get_closest_marker("slow")]
    tests = {}
    for item in quick:
        tests.setdefault(item.nodeid.split("[")[0], []).append(item)
    parts = values if config.option.values else pairs
    selected = {
        item for cases in tests.values() for item in islice(select(cases, parts), most(cases[0]))
    }
    if config.option.rest:
        rest = [item for item in items if item not in selected]
        config.hook.pytest_deselected(items=[item for item in items if item in selected])
        items[:] = rest
        return
    left_out["slow tests"] = len(items) - len(quick)
    left_out["cases"] = len(quick) - len(selected)
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = [item for item in items if item in selected]


def pytest_sessionfinish(session):
    """Tell the process that the workers report to; each of them has selected the same tests."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    left_out.update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter):
    if any(left_out.values()):
        terminalreporter.line(
            f"left out: {left_out['slow tests']} slow tests, and {left_out['cases']} cases of others; "
            "--all runs them"
        )
