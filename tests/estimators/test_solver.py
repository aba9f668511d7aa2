"""The estimators' `solver`: names of all optimizers, and their options in a grid search."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn import MLPClassifier, MLPRegressor, optimizers, schedules

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fitted(**params):
    return MLPClassifier((4,), random_state=0, max_iter=5, **params).fit(X, Y)


@pytest.mark.parametrize("name", sorted(set(optimizers.OPTIMIZERS) - {"adam", "sgd", "lbfgs"}))
def test_a_name_is_the_optimizer_with_its_default_options(name):
    cls = optimizers.OPTIMIZERS[name]
    a, b = fitted(solver=name), fitted(solver=cls())
    assert a.network_.state.optimizer == cls()
    assert_array_equal(a.network_.params, b.network_.params)
    assert fitted(solver=name, learning_rate_init=0.02).network_.state.optimizer == cls(0.02)
    decay = schedules.ExponentialDecay(0.02, 0.9)
    assert fitted(solver=name, schedule=decay).network_.state.optimizer == cls(decay)


def test_scikit_learns_names_keep_their_parameters():
    assert fitted(solver="adam", beta_1=0.8).network_.state.optimizer.betas == (0.8, 0.999)
    assert fitted(solver="sgd", momentum=0.5).network_.state.optimizer.momentum == 0.5


@pytest.mark.parametrize("solver", ["adamw", fastnn.AdamW(weight_decay=0.5)])
def test_a_grid_over_options_of_the_solver(solver):
    model = make_pipeline(StandardScaler(), MLPClassifier((4,), solver=solver, max_iter=5))
    grid = {"mlpclassifier__solver__lr": [1e-3, 1e-1], "mlpclassifier__solver__eps": [1e-6]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, Y)
    used = search.best_estimator_[-1].network_.state.optimizer
    assert used.lr == search.best_params_["mlpclassifier__solver__lr"] and used.eps == 1e-6
    assert used.weight_decay == (0.01 if solver == "adamw" else 0.5)
    lrs = [params["mlpclassifier__solver__lr"] for params in search.cv_results_["params"]]
    assert lrs == [1e-3, 1e-1] and len(set(search.cv_results_["mean_test_score"])) > 1
    if not isinstance(solver, str):
        assert solver == fastnn.AdamW(weight_decay=0.5)


def test_set_params_reaches_solver_loss_and_schedule():
    solver = fastnn.SGD(schedules.StepDecay(0.1, 3))
    model = MLPRegressor(solver=solver, loss=fastnn.losses.Huber(1.0))
    deep = model.get_params()
    assert (deep["solver__lr__every"], deep["loss__delta"]) == (3, 1.0)
    other = clone(model).set_params(solver__lr__every=9, loss__delta=2.0)
    assert other.solver.lr.every == 9 and other.loss.delta == 2.0
    assert model.solver.lr.every == 3 and model.loss.delta == 1.0
    schedule = schedules.ExponentialDecay(0.1, 0.9)
    params = dict(schedule=schedule, schedule__factor=0.5)
    for ordered in (params, dict(reversed(params.items()))):
        model = MLPRegressor().set_params(**ordered)
        assert model.schedule.factor == 0.5 and schedule.factor == 0.9


def test_an_option_of_a_named_solver_keeps_the_learning_rate():
    model = MLPClassifier(solver="adamw", learning_rate_init=0.02)
    assert model.set_params(solver__eps=1e-6).solver == fastnn.AdamW(0.02, eps=1e-6)
    model = MLPClassifier(solver="adamw").set_params(solver__eps=1e-6, learning_rate_init=0.03)
    assert model.solver == fastnn.AdamW(0.03, eps=1e-6)
    assert MLPClassifier(solver="adadelta").set_params(solver__eps=1e-6).solver.lr == 1.0


REFUSED = [
    ("adam", dict(solver__lr=0.1), "solver='adam' has no option 'solver__lr'.*learning_rate_init"),
    ("adamw", dict(solver__foo=0.1), "AdamW has no option 'foo'. Its options are lr, "),
    ("adam", dict(schedule__factor=0.1), "schedule__factor needs schedule to be an object"),
    ("nonsense", dict(solver__lr=0.1), "optimizer must be one of .*'adamw'.*got 'nonsense'"),
]


@pytest.mark.parametrize(("solver", "params", "message"), REFUSED)
def test_what_cannot_be_set_is_refused_and_changes_nothing(solver, params, message):
    model = MLPClassifier(solver=solver)
    with pytest.raises(ValueError, match=message):
        model.set_params(alpha=0.5, **params)
    assert model.solver == solver and model.schedule is None and model.alpha == 1e-4


def test_partial_fit_with_another_solver_says_how_to_start_anew():
    model = fitted(solver="adamw").set_params(solver="sgd")
    with pytest.raises(ValueError, match=r"moments of AdamW.*Set network_.state = None to start"):
        model.partial_fit(X, Y)
    model.network_.state = None
    assert model.partial_fit(X, Y).network_.state.step == 1


def test_verbose_says_why_training_stopped(capsys):
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        fitted(verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2].startswith("epoch 5/5  loss ") and lines[-1] == "stopped: all epochs done"
    MLPClassifier((4,), random_state=0, verbose=True, tol=1.0, n_iter_no_change=3).fit(X, Y)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "stopped: training loss has not improved by more than 1 for 4 epochs"
    MLPClassifier((4,), random_state=0, verbose=True, early_stopping=True, tol=1.0).fit(X, Y)
    assert "stopped: validation score has not improved by more than 1" in capsys.readouterr().err


def test_a_class_with_one_row_cannot_be_held_out():
    one = np.r_[np.zeros(59, int), 1]
    with pytest.raises(ValueError, match=r"but 1 has a single row. Add rows, pass validation_data"):
        MLPClassifier(early_stopping=True).fit(X, one)


def test_text_in_a_data_frame_names_its_column():
    frame = pd.DataFrame({"age": [1.0, 2.0], "city": ["Bern", "Rome"]})
    model = MLPClassifier((4,), max_iter=2).fit(frame.assign(city=[1.0, 2.0]), [0, 1])
    message = "X must hold numbers, got 'Bern' in column 'city', row 0"
    for call in (lambda X: MLPClassifier().fit(X, [0, 1]), model.predict):
        with pytest.raises(ValueError, match=message):
            call(frame)
