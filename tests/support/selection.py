"""Which tests run without `--all`: not the slow ones, and so many cases of each parametrized test
that every value of each parameter occurs, and every instruction set with every dtype.

A test of the parameters isa, dtype and loss runs every loss, and every dtype on every instruction set,
but not every loss on each of them. The rows of one table are values of one parameter, so all run.

`@pytest.mark.slow(reason)` marks tests of seconds. The reason names what covers the same subject in
less time.

`@pytest.mark.spread(n)` marks a sweep, many cases of one behaviour: n of them run.

`--rest` runs what a run without options leaves out: slow tests, whole sweeps, and further cases, so that
both runs together have every pair of values, such as every loss on every instruction set. Different tests
have different pairs in one case. `--all` runs every combination of values. Tests that the command line
names (`::`, `-k`, `-m` or `--lf`) all run.
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
        "--rest",
        action="store_true",
        help="run slow tests, and cases with the pairs of values that no run without options has",
    )


def pytest_configure(config):
    for mark in (
        "slow(reason): runs with --all, or by name",
        "spread(n): n cases run without --all",
    ):
        config.addinivalue_line("markers", f"{mark}; see selection.py")


def parameters(item):
    """{name: value} of the parameters of a case, where a table is one parameter."""
    callspec = getattr(item, "callspec", None)
    found = {} if callspec is None else {name: id(x) for name, x in callspec.params.items()}
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0]
        names = names.replace(",", " ").split() if isinstance(names, str) else names
        found[tuple(names)] = tuple(found.pop(name) for name in names)
    return found


def values(item):
    """The values of a case, with the instruction set and dtype as one of them."""
    found = parameters(item)
    return {tuple(found.pop(name, None) for name in ("isa", "dtype")), *found.items()}


def pairs(item):
    """The pairs of values of a case: at least one."""
    found = parameters(item).items()
    return set(combinations(found, 2)) or set(found) or {None}


def select(items, parts, done=()):
    """Cases that have all parts of `items`, such as pairs, together with those that are done. The next
    one always has the most that are missing."""
    cases = [(item, parts(item)) for item in items if item not in done]
    random.Random(items[0].nodeid.split("[")[0]).shuffle(cases)
    missing = set().union(*map(parts, items)).difference(*map(parts, done))
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
    tests = {}
    for item in items:
        tests.setdefault(item.nodeid.split("[")[0], []).append(item)
    chosen = set()
    for cases in tests.values():
        quick = [item for item in cases if not item.get_closest_marker("slow")]
        usual = set(islice(select(quick, values), most(quick[0]))) if quick else set()
        chosen |= set(select(cases, pairs, usual)) if config.option.rest else usual
    others = [item for item in items if item not in chosen]
    slow = sum(item.get_closest_marker("slow") is not None for item in others)
    left_out["slow tests"], left_out["cases"] = slow, len(others) - slow
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item in chosen]


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
