"""A plugin of pytest: run some of the cases of each parametrized test, such that every pair of values occurs.

`python -m pytest -p pairwise`, with this folder in PYTHONPATH. A test of the parameters isa, dtype and
loss runs every loss on every instruction set and with every dtype, but not each combination of the
three. Different tests select different combinations. A test with one or two parameters runs all cases.
"""

import random
from itertools import combinations

import pytest


def pairs(item):
    """The pairs of parameter values of a case: at least one."""
    callspec = getattr(item, "callspec", None)
    values = [] if callspec is None else [(name, id(x)) for name, x in callspec.params.items()]
    return set(combinations(values, 2)) or set(values) or {None}


def select(items):
    """Cases that have all pairs of `items`. The next one always has the most pairs that are missing."""
    cases = [(item, pairs(item)) for item in items]
    random.Random(items[0].nodeid.split("[")[0]).shuffle(cases)
    missing = set().union(*(found for _, found in cases))
    selected = []
    while missing:
        best = max(cases, key=lambda case: len(case[1] & missing))
        selected.append(best[0])
        missing -= best[1]
    return selected


@pytest.hookimpl(trylast=True)  # after --deselect and -k
def pytest_collection_modifyitems(config, items):
    tests = {}
    for item in items:
        tests.setdefault(
            (item.path, getattr(item, "cls", None), item.name.split("[")[0]), []
        ).append(item)
    selected = {item for cases in tests.values() for item in select(cases)}
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = [item for item in items if item in selected]
