"""The program that calls public names at random, for a few seeds, and what it must find."""

import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from places import TESTS

for package in ("sklearn", "pandas", "pyarrow", "matplotlib"):
    pytest.importorskip(package)
if sys.platform != "linux":
    pytest.skip("limits of memory are those of Linux", allow_module_level=True)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from public_names import public_names  # noqa: E402
from random_values import make_world, right  # noqa: E402

import fastnn  # noqa: E402
from fastnn import EncodedTable, cross_val_predict, cross_validate, distributed, plotting, tables  # noqa: E402

FOLDER = TESTS / "on_demand"
PLANTED = """
import ctypes, inspect, sys, time
import numpy as np
import random_calls
from public_names import Name

def crash():
    ctypes.string_at(0)

def hang():
    while True:
        try:
            time.sleep(9)
        except KeyboardInterrupt:
            pass

def look_up(key):
    return {}[key]

def add(a):
    return np.ones(2) + np.ones(3)

def take_memory():
    return bytearray(1 << 31)

def print_only(path):
    class Failing:
        def __del__(self):
            raise OSError("lost")
    Failing()

functions = crash, hang, look_up, add, take_memory, print_only
names = {f.__name__: Name(f.__name__, f, None, inspect.signature(f)) for f in functions}
random_calls.public_names = lambda: names
random_calls.HANG = 1
sys.exit(random_calls.main(sys.argv[1:]))
"""


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, **options
    )


@pytest.mark.slow("test_planted_defects_are_found")
def test_random_calls_neither_crash_nor_hang():
    """Errors that name no argument are for `nox -s calls`."""
    found = run(FOLDER / "random_calls.py", "--sequences", "3")
    assert "3 sequences, " in found.stdout, found.stderr
    assert "ended the process" not in found.stdout, found.stdout[:5000]


X, Y = np.linspace(0, 1, 48).reshape(12, 4), np.arange(12) % 2
RAGGED, MIXED = [[[]], [1]], np.array(["a", None, 3.0], object)
BLOCK, SELF, RNG = memoryview(np.ones((1, 2))), [], np.random.default_rng(0)
SELF.append(SELF)
TEXTS = "text_columns must be a list of texts, got"
HERE, ONE_TEXT, NO_NET = Path("a"), pd.DataFrame({"a": ["1"]}), fastnn.MLPRegressor(n_estimators=0)
REG, CLF = fastnn.MLPRegressor(3, max_iter=1), fastnn.MLPClassifier(3)
TWO = fastnn.MLPRegressor(3, max_iter=1, n_estimators=2)
TABULAR = fastnn.TabularRegressor(2, time_limit=1)
NET, HISTORY = fastnn.MLP([4, 1]), fastnn.History(loss=list, n_steps=1, stop_reason="epoch")
balanced, CustomLoss = partial(fastnn.losses.class_weights, "balanced"), fastnn.losses.CustomLoss
importances, convert = plotting.plot_importances, tables.convert_texts
halving = partial(fastnn.HalvingSearchCV, REG, {"alpha": [0, 1]}, n_iter="all")
FOUND = {  # calls that had errors without the name of an argument, by what the errors say now
    "codes is not a rectang": lambda: EncodedTable(X, codes=RAGGED, n_categories=[3]),
    "dtype must be 'float32' or 'float64'": lambda: EncodedTable(X, dtype="\ud800"),
    "y is not a rectangular array": lambda: CLF.fit(X, RAGGED * 6),
    "X holds an integer that is": lambda: REG.fit([[10**400]] * 12, Y),
    "sample_weight is not a rect": lambda: REG.fit(X, Y, RAGGED),
    "classes must hold classes that can be sorted": lambda: (
        fastnn.MLPClassifier(3).partial_fit(X, Y, classes=Y).partial_fit(X, Y, classes=MIXED)
    ),
    "sample_weight is the class Series": lambda: REG.fit(X, Y).score(X, Y, pd.Series),
    "cv must be a number, a splitter or pairs": lambda: cross_val_predict(REG, X, Y, cv=RAGGED),
    "error_score must be 'raise' or a number": lambda: cross_validate(REG, X, Y, error_score=X),
    "targets is not a rectangular array": lambda: balanced(RAGGED, 2, fastnn.losses.CrossEntropy()),
    "labels must be a list, got a PosixPath": lambda: plotting.plot_confusion(Y, Y, labels=HERE),
    "labels must be a list of classes, got shape": lambda: plotting.plot_confusion(Y, Y, labels=X),
    "labels must be a list": lambda: plotting.plot_precision_recall(Y, Y, labels=HERE),
    "shape must be a list": lambda: plotting.plot_weights(NET, shape=HERE),
    "model is the class MLPClassifier": lambda: plotting.plot_weights(fastnn.MLPClassifier),
    "model must have one network: .* ensemble": lambda: plotting.plot_weights(TWO.fit(X, Y)),
    "model must have one network: .* fitted": lambda: plotting.plot_weights(fastnn.MLPRegressor()),
    "activation must be a list, got a mem": lambda: fastnn.from_flax({"kernel": X}, BLOCK),
    "groups must have shape": lambda: TABULAR.fit(X, Y, groups=np.array(1)),
    "units must be a list": lambda: plotting.plot_weights(NET, units=HERE),
    "rates must be a sequence of numbers": lambda: fastnn.schedules.Rates(list),
    "n must be a whole number of at most": lambda: distributed.part(10**400, 1, 2),
    "n_in . n_out must be at most": lambda: fastnn.initializers.orthogonal(RNG, 10**20, 1),
    "n_out must be a whole number of at most": lambda: balanced(Y, 10**400, fastnn.losses.BCE()),
    "X holds an integer that is too large": lambda: fastnn.playground.from_arrays([[10**400]], [1]),
    "columns must name at least one column": lambda: TABULAR.fit(X, Y).effects([]),
    "table is the class DataFrame": lambda: tables.check_data(pd.DataFrame),
    "columns is the class DataFrame": lambda: tables.write("a.csv", pd.DataFrame),
    f"{TEXTS} b'a'": lambda: convert(ONE_TEXT, text_columns=b"a"),
    "needs must name different ones of": lambda: CustomLoss(len, needs=np.ones((1, 0))),
    "batch_size must be at least 1, got 0": lambda: list(fastnn.reference.shard_batches(3, 0, 1)),
    f"{TEXTS} bytearray": lambda: convert(ONE_TEXT, bytearray(b"a")),
    "biases must be a sequence of 1 arrays": lambda: setattr(fastnn.MLP([4, 1]), "biases", BLOCK),
    "pos_weight must be a number or a sequence": lambda: fastnn.losses.BCE(pos_weight=BLOCK),
    "rates must be a sequence .* got <memory": lambda: fastnn.schedules.Rates(BLOCK),
    f"{TEXTS} 'ab'": lambda: tables.read("a", text_columns="ab"),
    "lr of a plateau must be a number of at least 0": lambda: fastnn.schedules.Plateau(lr=10**400),
    "seed must be None, an int": lambda: fastnn.playground.from_points(np.eye(3), seed="a"),
    "y must hold classes that can be sorted": lambda: CLF.partial_fit(X, MIXED[:, None]),
    "rates must be a sequence .* got <Enc": lambda: fastnn.schedules.Rates(EncodedTable(X)),
    "code_scale must be a finite number": lambda: EncodedTable(X, code_scale=SELF),
    "history.loss must be a list, got a type": lambda: plotting.plot_history(HISTORY),
    "the score of the rows must be a finite number, got None": lambda: importances(
        REG.fit(X, Y), X, Y, scoring=lambda *rows: None
    ),
    "scoring must be a function or None, got a str": lambda: importances(NET, X, Y, scoring="r2"),
    "Expected sequence or array-like": lambda: CLF.fit(X, 5, shards=2),
    "on_note must be a function or None, got an int": lambda: tables.read("a.csv", on_note=3),
    "on_note must be a function or None, got a str": lambda: convert(ONE_TEXT, on_note="a"),
    "na must be a list, got a memoryview": lambda: tables.read("a.csv", na=BLOCK),
    "rates must be a sequence .* got array": lambda: fastnn.schedules.Rates(np.array(3)),
    "layer_sizes must list inputs, hidden": lambda: fastnn.MLP(BLOCK),
    "The 'n_estimators' parameter of MLPR": lambda: cross_val_predict(NO_NET, X, Y),
    "groups has 0 rows, but X has 12": lambda: cross_val_predict(REG, X, Y, groups=np.array(1)),
    "history must be a History": lambda: plotting.plot_history(SimpleNamespace(loss_curve_=[])),
    "function must be a function, got a SGD": lambda: CustomLoss(fastnn.SGD()),
    "param_distributions is empty": lambda: fastnn.HalvingSearchCV(REG, (), n_iter="all").fit(X, Y),
    "encoding 'a.*' is unknown": lambda: tables.read(__file__, encoding="a\0"),
    "n_bins must be a whole .* at most": lambda: plotting.plot_reliability(Y, Y, n_bins=2**63),
    "Found array with 0 sample": lambda: REG.fit(X, Y).score(X[:0], Y[:0], 1.5),
    "resource must be 'max_iter', got": lambda: halving(resource=X).fit(X, Y),
    "min_resources must be a whole": lambda: halving(min_resources=X).fit(X, Y),
    "max_resources must be a whole": lambda: halving(max_resources=X).fit(X, Y),
    "cross_val_predict needs a cv that puts": lambda: cross_val_predict(REG, X, Y, cv=["c0", "c1"]),
    "encoding, comment and na must be texts": lambda: tables.read("a.csv", na="\ud800"),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("message", FOUND)
def test_errors_that_were_found(message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        FOUND[message]()


def is_flag(parameter):
    return isinstance(parameter.default, bool) or parameter.name == "verbose"


def flags(world, every):
    """Yield (name, function, values of its required arguments, flag) of each public function."""
    for name in (each for each in every.values() if each.checks and each.get):
        receiver = name.owner and world.find(name.owner)
        call = getattr(receiver, name.attribute) if receiver else name.get
        needed = [each for each in name.parameters if each.default is each.empty]
        for flag in filter(is_flag, name.parameters):
            values = {each.name: right(world, name.name, each, receiver) for each in needed}
            yield name.name, call, values, flag.name


def test_an_array_is_no_flag(tmp_path, monkeypatch):
    """Neither True nor False: each public function that asks says which argument it is."""
    monkeypatch.chdir(tmp_path)
    every, n_refused, wrong = public_names(), 0, []
    with warnings.catch_warnings():
        for name, call, values, flag in flags(make_world(tmp_path, every), every):
            try:
                call(**values, **{flag: np.zeros(2)})
            except Exception as error:
                n_refused += f"{flag} must be True or False, got an ndarray" in str(error)
                wrong += [(name, flag)] * ("truth value" in str(error))
    assert not wrong and n_refused > 20


@pytest.mark.slow("test_random_calls_neither_crash_nor_hang runs the program")
def test_planted_defects_are_found():
    found = run("-c", PLANTED, "--sequences", "10", "--steps", "0,1,2", cwd=FOLDER)
    assert found.returncode == 1, found.stderr
    wrong = ("KeyError", "ValueError that names no argument", "MemoryError")
    problems = "crash ended the process with exit code -11", "hang took more than "
    for problem in (*problems, *map("wrong: {}".format, wrong), "unraisable wrong: "):
        assert problem in found.stdout
    found = run("-c", PLANTED, "--each", "--only", "look_up|add", cwd=FOLDER)
    assert "wrong: KeyError" in found.stdout and "--sequences 1 --steps add" in found.stdout
    assert "2 sequences, " in found.stdout
