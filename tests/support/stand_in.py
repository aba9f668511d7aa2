"""A plugin of pytest: scikit-learn's own tests call fastnn's estimators, cross_validate and cross_val_predict.

    pytest --pyargs sklearn.neural_network.tests.test_mlp -p stand_in

Of the tests of cross-validation, those of these two functions run. Their classifiers and regressors become
networks without hidden layers.
"""

import inspect
import re

import numpy as np
import sklearn.model_selection
import sklearn.model_selection.tests.test_search  # before the patch, with scikit-learn's functions
import sklearn.neural_network

import fastnn
from fastnn import MLPClassifier, MLPRegressor

FUNCTIONS = {"cross_validate": fastnn.cross_validate, "cross_val_predict": fastnn.cross_val_predict}
CLASSIFIERS = "SVC LinearSVC LogisticRegression KNeighborsClassifier RandomForestClassifier \
    SGDClassifier LinearDiscriminantAnalysis RidgeClassifier"

vars(sklearn.neural_network).update(MLPClassifier=MLPClassifier, MLPRegressor=MLPRegressor)
vars(sklearn.model_selection).update(FUNCTIONS)


def network_of_classes(*arguments, **options):
    return MLPClassifier((), max_iter=5, random_state=0)


def network_of_numbers(*arguments, **options):
    return MLPRegressor((), max_iter=5, random_state=0)


def pytest_runtest_setup():
    np.random.seed(0)  # which networks without a seed take theirs from


def pytest_collection_modifyitems(items):
    for module in {item.module for item in items if "model_selection" in item.module.__name__}:
        vars(module).update(dict.fromkeys(CLASSIFIERS.split(), network_of_classes))
        vars(module).update(dict.fromkeys(("Ridge", "Lasso"), network_of_numbers))
    items[:] = [item for item in items if is_ours(item)]


def is_ours(item):
    """Return whether a test calls fastnn."""
    if "test_mlp" in item.module.__name__:
        return True
    function = getattr(item, "callspec", None) and item.callspec.params.get("func")
    if function is not None:
        return function in FUNCTIONS.values()
    source = inspect.getsource(item.function)
    return "array_api" not in item.name and re.search("|".join(FUNCTIONS), source)
