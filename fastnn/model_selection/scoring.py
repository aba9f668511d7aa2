"""Scores and predictions of the folds, as scikit-learn computes them."""

import numbers
import time
from collections import Counter
from contextlib import suppress
from traceback import format_exc

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring

from ..core.messages import warn
from ..estimators.ensemble import network_outputs


class Scoring:
    """Scores a fitted network estimator on the rows of its fold.

    Parameters
    ----------
    model : estimator
    scoring : str, callable, list, tuple, dict or None
    error_score : "raise" or number
        Score if training or scoring fails.
    train_scores : bool
        Whether to compute scores of the training rows too.
    same_bits : bool
        Whether scores must be the same bits as scikit-learn's, and not only up to rounding.
    keeps_models : bool
        Whether results hold the fitted models.
    """

    def __init__(
        self, model, scoring, error_score, train_scores, *, same_bits=True, keeps_models=False
    ):
        is_name = isinstance(error_score, str) and error_score == "raise"
        if not is_name and not isinstance(error_score, numbers.Real):
            raise ValueError(f"error_score must be 'raise' or a number, got {error_score!r}")
        self.scorer = check_scoring(model, scoring=scoring, raise_exc=is_name)
        self.error_score = error_score
        self.train_scores, self.keeps_models = train_scores, keeps_models
        several = isinstance(scoring, (list, tuple, set, dict))
        self.names = list(scoring) if several else None  # of several scores
        scorings = list(scoring.values()) if isinstance(scoring, dict) else self.names or [scoring]
        name = "accuracy" if scoring is None and is_classifier(model) else scoring
        self.fast = SCORES.get(name) if isinstance(name, str) else None
        if same_bits and name != "accuracy":
            self.fast = None
        # Other functions may look at the earlier steps, so they get the whole model.
        self.needs_whole_model = any(
            callable(each) and not hasattr(each, "_score_func") for each in scorings
        )

    def __call__(self, fold, network):
        """Return a dict with the scores and the time that they took."""
        start = time.perf_counter()
        result = {"test": self._score(fold, network, "test")}
        result["score_time"] = time.perf_counter() - start
        if self.train_scores:
            result["train"] = self._score(fold, network, "train")
        if self.keeps_models:
            result["model"] = fold.whole_model(network)
        return result

    def failed(self):
        """Return the result of a fold whose training failed."""
        score = self.error_score
        scores = score if self.names is None else dict.fromkeys(self.names, score)
        result = {"test": scores, "score_time": 0.0}
        return result | {"train": scores} if self.train_scores else result

    def _score(self, fold, network, part):
        try:
            scores = self.fast(fold, network) if self.fast and part == "test" else None
            if scores is not None:
                return scores
            scores = self._scores_of_scorer(fold, network, part == "test")
        except Exception:
            if self.error_score == "raise" or self.names is not None:
                raise
            self._warn(format_exc())
            return self.error_score
        if not isinstance(scores, dict):
            return _number(scores, self.scorer)
        for name, score in scores.items():
            if isinstance(score, str):  # the traceback of one of several scorers
                self._warn(score)
                score = self.error_score
            scores[name] = _number(score, name)
        return scores

    def _scores_of_scorer(self, fold, network, is_test):
        X, y = fold.test_rows if is_test else fold.train_rows
        if self.needs_whole_model:
            model = fold.whole_model(network)
        else:
            X = fold.transformed_test if is_test else fold.transformed_train
            model = fold.last_model(network)
        return self.scorer(model, X) if y is None else self.scorer(model, X, y)

    def _warn(self, details):
        warn(
            "Scoring failed. The score on this train-test partition for these parameters will be set "
            f"to {self.error_score}. Details: \n{details}",
        )


class Predicting:
    """Computes the predictions of a fitted network estimator for the test rows of its fold.

    Parameters
    ----------
    method : str
        "predict", "predict_proba", "predict_log_proba" or "decision_function".
    n_classes : int or None
        Number of classes in all rows, numbered from 0; None if the columns are not classes.
    """

    error_score = "raise"

    def __init__(self, method, n_classes):
        self.method, self.n_classes = method, n_classes

    def __call__(self, fold, network):
        Y = getattr(fold.last_model(network), self.method)(fold.transformed_test)
        if self.n_classes is None or self.n_classes == len(network.classes_):
            return {"predictions": Y}
        n = len(network.classes_)
        advice = "Use folds that have all classes in their training rows, such as StratifiedKFold."
        warn(
            f"The training rows of a fold have {n} of {self.n_classes} classes. {advice}",
            RuntimeWarning,
        )
        if self.method == "decision_function" and n <= 2:
            raise ValueError(
                f"decision_function has no column for each class with {n} of {self.n_classes} "
                f"classes in the training rows of a fold. {advice}"
            )
        missing = 0.0 if self.method == "predict_proba" else np.finfo(Y.dtype).min
        columns = np.full((len(Y), self.n_classes), missing, Y.dtype)
        columns[:, network.classes_] = Y
        return {"predictions": columns}


def _number(score, name):
    if hasattr(score, "item"):
        with suppress(ValueError):
            score = score.item()
    if not isinstance(score, numbers.Number):
        raise ValueError(f"scoring must return a number, got {score!r} of {type(score)} ({name})")
    return score


def complete_failures(results):
    """Give failed folds a score of each name, if a function returned several."""
    names = next(
        (r["test"] for r in results if not r.get("error") and isinstance(r["test"], dict)), None
    )
    for result in results:
        for part in ("test", "train"):
            if names and part in result and not isinstance(result[part], dict):
                result[part] = dict.fromkeys(names, result[part])


def report_failures(errors, n_fits, error_score):
    """Warn about trainings that failed, or raise ValueError if all did.

    errors : list of str
        The tracebacks.
    """
    if not errors:
        return
    details = "\n".join(
        f"{'-' * 80}\n{n} of {n_fits} fits failed with this error:\n{error}"
        for error, n in Counter(errors).most_common()
    )
    if len(errors) == n_fits:
        raise ValueError(
            f"All the {n_fits} fits failed. To stop at the first error, pass "
            f"error_score='raise'.\n{details}"
        )
    warn(
        f"{len(errors)} fits failed out of a total of {n_fits}. Their score is {error_score}. To "
        f"stop at the first error, pass error_score='raise'.\n{details}",
        FitFailedWarning,
    )


def _accuracy(fold, network):
    y, Y = _outputs(fold, network)
    if y is None:
        return None
    return float(np.average(network.targets_.decide(Y) == y))


def _neg_log_loss(fold, network):
    y, Y = _outputs(fold, network)
    if y is None or len(network.classes_) < 2 or not np.isfinite(Y).all():
        return None
    classes, numbers = fold.memoize("classes", _classes_of_test)
    if not np.array_equal(classes, network.classes_):
        return None
    if Y.shape[1] == 1:
        Y = np.hstack([1 - Y, Y])
    p = Y[np.arange(len(y)), numbers]
    eps = np.finfo(p.dtype).eps
    return float(np.log(np.clip(p.astype(np.float64), eps, 1 - eps)).mean())


SCORES = {"accuracy": _accuracy, "neg_log_loss": _neg_log_loss}


def _outputs(fold, network):
    """Return the labels of the test rows and the outputs for them; None if they are not labels."""
    if network.n_estimators != 1:
        return None, None
    X, y = fold.checked_test(network)
    if y.ndim != 1 or y.dtype.kind != network.classes_.dtype.kind:
        return None, None
    return y, network_outputs(network.network_, X, 1)


def _classes_of_test(fold):
    """Return the classes of the test rows, and the number of that of each row."""
    return np.unique(fold.test_rows[1], return_inverse=True)
