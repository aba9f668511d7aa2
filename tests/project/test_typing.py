"""tests/project/typing/user_code.py, which type checkers accept, also runs. `.ci/run` runs the checkers."""

import importlib.util
import typing
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastnn.typing
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.initializers import INITIALIZERS
from fastnn.losses import LOSSES
from fastnn.optimizers import OPTIMIZERS


@pytest.fixture(scope="module")
def user_code():
    path = Path(__file__).with_name("typing") / "user_code.py"
    spec = importlib.util.spec_from_file_location("user_code", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = [
    ("HiddenActivation", HIDDEN),
    ("OutputActivation", ACTIVATIONS),
    ("LossName", LOSSES),
    ("OptimizerName", OPTIMIZERS),
    ("InitializerName", INITIALIZERS),
]


@pytest.mark.parametrize(("alias", "names"), NAMES)
def test_names_are_those_of_the_package(alias, names):
    assert set(typing.get_args(getattr(fastnn.typing, alias))) == set(names)


def test_typed_user_code_runs(user_code, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    y = (X.sum(axis=1, keepdims=True) > 0).astype("float32")
    assert np.isfinite(user_code.networks(X, y, tmp_path))
    assert user_code.many(X, y, tmp_path).shape == (2, 40, 1)
    assert np.isfinite(user_code.arrays(X, y))
    user_code.exported(fastnn.MLP([3, 1], rng=0), tmp_path)


def test_typed_estimators_run(user_code):
    pytest.importorskip("sklearn", reason="the estimators need the extra sklearn")
    X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are too few
        user_code.estimators(X, X[:, 0])
