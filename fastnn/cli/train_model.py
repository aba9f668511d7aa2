"""The estimator of `fastnn train`: build it, fit it, and with --tune choose the best of several."""

import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.messages import printable
from ..tables.table_errors import TableError
from ..tabular.columns.column_kinds import KINDS
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS
from .console import CommandError, warnings_as_notes
from .display import show_progress
from .model_file import load_estimator, read_record
from .scores import Evaluation, metric_of

NEEDS_SKLEARN = (
    "models of tables need scikit-learn, which is not installed. Run: python -m pip install "
    '"fastnn-mlp[cli]"'
)

#: Hidden layers that --tune tries.
HIDDEN = ((64, 64), (32, 32), (128,), (128, 128), (64, 64, 64))
FINALISTS = 2
MIN_SECONDS = 0.01  # of a fit with a time limit that is over
MIN_MEAN = 1e-6  # predicted, for the Poisson deviance


def import_estimators():
    """Return TabularClassifier and TabularRegressor, or raise CommandError without scikit-learn."""
    try:
        from ..tabular import TabularClassifier, TabularRegressor
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise CommandError(NEEDS_SKLEARN) from None
    return TabularClassifier, TabularRegressor


def build(arguments, target, columns):
    """Return the estimator for a target, not fitted.

    Parameters
    ----------
    arguments : argparse.Namespace
    target : Target
    columns : dict
        Names of columns by option, of `resolve_columns`.
    """
    classifier, regressor = import_estimators()
    parameters = dict(
        n_estimators=arguments.folds,
        hidden_layer_sizes=arguments.hidden or "auto",
        time_limit=arguments.time_limit,
        random_state=arguments.seed,
        n_threads=arguments.threads,
        drop=columns["drop"] or None,
        **{column.argument: columns[kind] or None for kind, column in KINDS.items()},
    )
    metric = arguments.metric or "auto"
    if target.is_number:
        loss = arguments.loss or "squared_error"
        return regressor(loss=loss, log_target=arguments.log_target, metric=metric, **parameters)
    return classifier(
        metric=metric,
        class_weight=arguments.class_weight,
        threshold=arguments.threshold,
        **parameters,
    )


def check_task(arguments, target, file):
    """Raise CommandError for options that do not go with the target, which is from a TableFile."""
    numbers = dict(loss="--loss", log_target="--log-target")
    classes = dict(class_weight="--class-weight", threshold="--threshold")
    label = f"the target {printable(target.name)!r}"
    for name, option in (classes if target.is_number else numbers).items():
        if getattr(arguments, name):
            goes, comes = ("classes", "numbers") if target.is_number else ("numbers", "classes")
            raise CommandError(
                f"{option} is for {goes}, but {label} holds {comes}. Leave it out, or choose "
                "another --task."
            )
    known = NUMBER_METRICS if target.is_number else CLASS_METRICS
    if arguments.metric and arguments.metric not in known:
        goes, comes = ("classes", "numbers") if target.is_number else ("numbers", "classes")
        raise CommandError(
            f"--metric {arguments.metric} is for {goes}, but {label} holds {comes}. Choose one of "
            f"{', '.join(known)}."
        )
    if arguments.threshold and target.task == "classes":
        n = len(target.values.unique())
        raise CommandError(f"--threshold is for two classes, but {label} has {n:,}. Leave it out.")
    if arguments.log_target and arguments.loss == "poisson":
        raise CommandError(
            "--log-target cannot be combined with --loss poisson, which learns the logarithm of the mean. "
            "Choose one of them."
        )
    if arguments.log_target or arguments.loss == "poisson":
        y = target.values.to_numpy(zero_copy_only=False)
        too_small = y <= 0 if arguments.log_target else y < 0
        if too_small.any():
            place = ", ".join(file.locate(int(target.rows[too_small.argmax()])))
            option = "--log-target" if arguments.log_target else "--loss poisson"
            limit = "above 0" if arguments.log_target else "of at least 0"
            raise CommandError(
                f"{place}: {label} is {y[too_small.argmax()]:g}, but {option} needs numbers {limit}. "
                f"Leave out {option}."
            )


def fit(model, rows, file, arguments, label=""):
    """Fit a model, and show the progress.

    rows : TrainingRows
    file : TableFile
        Which they are from.
    label : str
        What is trained, for the progress.

    Returns
    -------
    bool
        Whether Ctrl-C came when some folds were done.
    """
    try:
        with warnings_as_notes(file.notes), show_progress(label, arguments.quiet) as show:
            model.on_progress = show
            rows.fit(model, arguments)
    except KeyboardInterrupt:
        if not hasattr(model, "n_folds_remaining_"):
            raise KeyboardInterrupt("No model was written.") from None
        return True
    except OSError as error:  # of temporary files
        raise CommandError(f"{file.name}: {error.strerror or error}.") from None
    except TableError:
        raise
    except (ValueError, MemoryError) as error:
        raise file.explain(error, *rows.locate_error(error)) from None
    finally:
        del model.on_progress
    return False


def load_unfinished(model, arguments):
    """Return the model in the file --out, with the parameters of `model`.

    Ctrl-C has stopped it, or it is complete.
    """
    out = arguments.out
    if not os.path.exists(out):
        raise CommandError(
            f"{out}: there is no such file, so there is nothing to resume. Leave out --resume."
        )
    found = load_estimator(out)
    if type(found) is not type(model):
        raise CommandError(
            f"{out}: does not hold the model that these options train. Leave out --resume, or "
            "choose another --out."
        )
    return found.set_params(**model.get_params())


def describe_complete(model, out, command):
    """Return a note about a complete model in the file `out`, which `command` was to resume."""
    text = f"{out} is complete, so there is nothing to resume"
    trained_by = read_record(model).get("command")
    if trained_by == command:
        return text
    text += ". Its rows and options were not compared"
    return f"{text}: it was trained by {trained_by}" if isinstance(trained_by, str) else text


# ---- --tune ----


@dataclass
class FittedModel:
    """A model that was trained with some settings.

    Attributes
    ----------
    model : TabularClassifier or TabularRegressor
    settings : dict
        Parameters of the estimator.
    score : float
        On held-out rows; lower is better.
    """

    model: Any
    settings: dict
    score: float


class Search:
    """Search for the best settings: hidden layers, and whether to learn the logarithm of a number.

    Successive halving (Jamieson and Talwalkar, 2016) whose resource is the number of folds: each
    setting trains one fold, and the best two train all of them. The better one is the model.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Has all other parameters. It is not fitted.
    rows : TrainingRows
    file : TableFile
    arguments : argparse.Namespace

    Attributes
    ----------
    metric : str
        That of --metric, else "log_loss", "rmse", "mae" or "poisson_deviance".
    tried : list of dict
        options, folds and score of each training, in order.
    is_interrupted : bool
        Whether Ctrl-C stopped the training of the best settings.
    """

    def __init__(self, model, rows, file, arguments):
        self.model, self.rows, self.target = model, rows, rows.target
        self.file, self.arguments, self.n_folds = file, arguments, model.n_estimators
        self.metric, self.is_interrupted = _metric(model), False
        self.tried: list = []
        finalists = FINALISTS if self.n_folds > 1 else 0
        self.n_fits = len(HIDDEN) + self.may_learn_logarithm() + finalists
        self.began = time.perf_counter() - model.seconds_before

    def may_learn_logarithm(self):
        if not self.target.is_number or self.arguments.log_target:
            return False
        smallest = self.target.values.to_numpy(zero_copy_only=False).min()
        return bool(smallest > 0 and self.arguments.loss != "poisson")

    def run(self):
        """Return the best model, fitted."""
        first: dict = {"hidden_layer_sizes": HIDDEN[0]}
        fitted = [self.fit_one(first)]
        if self.may_learn_logarithm():
            fitted.append(self.fit_one(first | {"log_target": True}))
        best = min(fitted, key=_score).settings
        fitted += [self.fit_one(best | {"hidden_layer_sizes": sizes}) for sizes in HIDDEN[1:]]
        fitted.sort(key=_score)
        if self.n_folds == 1:
            return fitted[0].model
        finalists: list = []
        for other in fitted[:FINALISTS]:
            finalist = self.fit(other.settings, self.n_folds)
            if self.is_interrupted and finalists:
                break
            finalists.append(finalist)
            if self.is_interrupted:
                break
        return min(finalists, key=_score).model

    def fit_one(self, settings):
        """Return a model with these settings and one fold."""
        fitted = self.fit(settings, 1)
        if self.is_interrupted:
            raise KeyboardInterrupt("No model was written.")
        return fitted

    def fit(self, settings, n_folds):
        """Return a fitted model with these settings and this many folds."""
        from sklearn.base import clone

        model = clone(self.model).set_params(n_estimators=n_folds, **settings)
        model.metadata_bytes = self.model.metadata_bytes
        if model.time_limit is not None:
            left = self.began + self.model.time_limit - time.perf_counter()
            model.time_limit = max(MIN_SECONDS, left / (self.n_fits - len(self.tried)))
        options = "--hidden " + ",".join(map(str, settings["hidden_layer_sizes"]))
        options += " --log-target" if settings.get("log_target") else ""
        label = f"setting {len(self.tried) + 1} of {self.n_fits}: {options}"
        self.is_interrupted = fit(model, self.rows, self.file, self.arguments, label)
        evaluation = Evaluation.from_held_out(
            model, self.target, self.rows.predicted(model), self.rows.roles.weight
        )
        if metric_of(model) is None:
            score = cost = _scores(evaluation)[self.metric]
        else:  # as the estimator computes it, with all weights
            score, known = model.oof_score_, CLASS_METRICS | NUMBER_METRICS
            cost = known[self.metric].signed(score)
        self.tried.append({"options": options, "folds": n_folds, "score": score})
        return FittedModel(model, settings, math.inf if cost is None else cost)


def _score(fitted):
    return fitted.score


def _metric(model):
    """Return the name of the score of --metric, or that goes with what the model learns."""
    metric, loss = metric_of(model), getattr(model, "loss", None)
    if metric is not None:
        return metric
    if loss is None:
        return "log_loss"
    return {"squared_error": "rmse", "poisson": "poisson_deviance"}.get(loss, "mae")


def _scores(evaluation):
    from sklearn.metrics import mean_poisson_deviance

    scores = evaluation.scores()
    if evaluation.y.min() >= 0 and evaluation.P.ndim == 1:
        P = np.maximum(evaluation.P, MIN_MEAN)
        scores["poisson_deviance"] = float(
            mean_poisson_deviance(evaluation.y, P, sample_weight=evaluation.weight)
        )
    return scores
