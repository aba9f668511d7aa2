"""The models of `fastnn train`: its estimator, the settings of --tune, and the baselines."""

import os
import time
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.messages import printable
from ..tables.errors import TableError
from ..tabular import baselines, thresholds
from ..tabular.baselines import BaselineInputs
from ..tabular.columns import KINDS
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS, Metric, PairedScores
from ..tabular.targets import LOSS_METRICS, MIN_RATE, resolve_regression_loss
from .column_roles import groups_of_rows
from .console import CommandError, warnings_as_notes
from .model_file import load_estimator
from .progress import show_progress, show_steps
from .record import METRICS, BaselineRow, Baselines, Decision, TriedRow, Tuning, read_setup
from .scores import Evaluation, default_metric, metric_of, true_targets

NEEDS_SKLEARN = (
    "models of tables need scikit-learn, which is not installed. Run: python -m pip install "
    '"fastnn-mlp[cli]"'
)


def import_estimators():
    """Return TabularClassifier and TabularRegressor, or raise CommandError without scikit-learn."""
    try:
        from ..tabular import TabularClassifier, TabularRegressor
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise CommandError(NEEDS_SKLEARN) from None
    return TabularClassifier, TabularRegressor


def build_estimator(options, target, columns, monotone):
    """Return the estimator for a target, not fitted.

    Parameters
    ----------
    options : TrainOptions
    target : Target
    columns : dict
        Names of columns by option, of `resolve_columns`.
    monotone : dict
        Of `resolve_monotone`.
    """
    classifier, regressor = import_estimators()
    parameters = dict(
        n_estimators=options.folds,
        hidden_layer_sizes=options.hidden or "auto",
        time_limit=options.time_limit,
        random_state=options.seed,
        n_threads=options.threads,
        monotone=monotone or None,
        drop=columns["drop"] or None,
        **{column.argument: columns[kind] or None for kind, column in KINDS.items()},
    )
    metric = options.metric or "auto"
    if target.is_number:
        loss = options.loss or "squared_error"
        parameters |= dict(loss=loss, log_target=options.log_target, bounds=options.bounds)
        return regressor(metric=metric, **parameters)
    return classifier(
        metric=metric,
        class_weight=options.class_weight,
        threshold=options.threshold,
        **parameters,
    )


def check_task(options, target, file):
    """Raise CommandError for options that do not go with the target, which is from a TableFile."""
    label = f"the target {printable(target.name)!r}"
    goes, comes, others = "numbers", "classes", ["loss", "log_target", "bounds"]
    if target.is_number:
        goes, comes, others = "classes", "numbers", ["class_weight", "threshold"]
    for name in others:
        if getattr(options, name):
            raise CommandError(
                f"--{name.replace('_', '-')} is for {goes}, but {label} holds {comes}. Leave it "
                "out, or choose another --task."
            )
    known = NUMBER_METRICS if target.is_number else CLASS_METRICS
    if options.metric and options.metric not in known:
        raise CommandError(
            f"--metric {options.metric} is for {goes}, but {label} holds {comes}. Choose one of "
            f"{', '.join(known)}."
        )
    for name in ("threshold", "monotone"):
        if getattr(options, name) and target.task == "classes":
            n = len(target.values.unique())
            raise CommandError(f"--{name} is for two classes, but {label} has {n:,}. Leave it out.")
    is_poisson = options.loss == "poisson"
    if options.log_target and is_poisson:
        raise CommandError(
            "--log-target cannot be combined with --loss poisson, which learns the logarithm of the mean. "
            "Choose one of them."
        )
    for is_given, option, limit, is_wrong in (
        (options.log_target, "--log-target", "above 0", np.less_equal),
        (is_poisson, "--loss poisson", "of at least 0", np.less),
    ):
        y = target.values.to_numpy(zero_copy_only=False) if is_given else np.zeros(0)
        for i in np.flatnonzero(is_wrong(y, 0))[:1]:
            place = ", ".join(file.locate(int(target.rows[i])))
            raise CommandError(
                f"{place}: {label} is {y[i]:g}, but {option} needs numbers {limit}. Leave out {option}."
            )


def check_kinds(rows, columns, file):
    """Raise CommandError for columns that are not of the kind that an option says, as `fit` does.

    rows : TrainingRows
    file : TableFile
        Which they are from.
    columns : dict
        As in `build`.
    """
    from ..tabular.columns import features, frames

    names = [name for kind in KINDS for name in columns[kind]]
    if not names:
        return
    declared = {column.argument: columns[kind] for kind, column in KINDS.items()}
    try:
        features.find_kinds(frames.read(rows.sample.select(names)), **declared)
    except DataError as error:
        raise file.explain(error, *rows.locate_error(error)) from None


def fit_estimator(model, rows, file, options, label=""):
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
        with warnings_as_notes(file.notes), show_progress(label, options.quiet) as show:
            model.on_progress = show
            model.suggests_splits = False  # the data checks do
            rows.fit(model, options.resume, options.executor)
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
        del model.on_progress, model.suggests_splits
    return False


def load_unfinished(model, out):
    """Return the model in the file of --out, with the parameters of `model`.

    Ctrl-C has stopped it, or it is complete.
    """
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
    setup = read_setup(model)
    if setup is not None and setup.command == command:
        return text
    text += ". Its rows and options were not compared"
    return text if setup is None else f"{text}: it was trained by {setup.command}"


# ---- --tune: other settings ----

#: Hidden layers that --tune tries; the first are the default.
HIDDEN = ((64, 64), (32, 32), (128,), (128, 128), (64, 64, 64))
MIN_SECONDS = 0.01  # of a fit with a time limit that is over


@dataclass
class _FittedModel:
    """A model that was trained with some settings.

    Attributes
    ----------
    model : TabularClassifier or TabularRegressor
    settings : dict
        Parameters of the estimator.
    options : str
        These on the command line.
    held_out : Evaluation
    cost : float
        The score of the rows that choose, with the sign with which lower is better.
    """

    model: Any
    settings: dict
    options: str
    held_out: Any
    cost: float = np.inf


class Search:
    """Search for better settings: hidden layers, and whether to learn the logarithm of a number.

    The default trains all folds, and each setting one fold. If another setting is the best one on
    the rows that this fold held out, it trains all folds, too. It replaces the default if it is
    better by two standard errors of the paired difference on held-out rows that did not choose it.
    With a single fold, half of its held-out rows choose, and the others decide.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Has all other parameters. It is not fitted.
    rows : TrainingRows
    file : TableFile
    options : TrainOptions

    Attributes
    ----------
    metric : Metric
        That of --metric, else the log-loss, the RMSE, the mean absolute error or the Poisson
        deviance.
    tried : list of TriedRow
        Each training, in order.
    decision : Decision or None
        Of the setting that was compared with the default at the end.
    is_interrupted : bool
        Whether Ctrl-C stopped the search.
    """

    def __init__(self, model, rows, file, options):
        self.model, self.rows, self.target = model, rows, rows.target
        self.file, self.options, self.n_folds = file, options, model.n_estimators
        self.metric, self.is_interrupted = _metric(model), False
        self.tried: list[TriedRow] = []
        self.decision: Decision | None = None
        more = 2 if self.n_folds > 1 else 0  # all folds of the default, and of the best other one
        self.n_fits = len(HIDDEN) + self.may_learn_logarithm() + more
        self.began = time.perf_counter() - model.seconds_before

    def may_learn_logarithm(self):
        if not self.target.is_number or self.options.log_target:
            return False
        smallest = self.target.values.to_numpy(zero_copy_only=False).min()
        return bool(
            smallest > 0 and resolve_regression_loss(self.model.loss).output != "exponential"
        )

    def describe(self) -> Tuning:
        """Return what was tried and decided, for the record of a model."""
        return Tuning(self.metric.name, self.tried, self.decision)

    def run(self):
        """Return the model, fitted: that of the default settings, or a better one."""
        default = self.fit({"hidden_layer_sizes": HIDDEN[0]}, self.n_folds)
        if self.is_interrupted:
            return default.model
        try:
            return self.run_others(default).model
        except KeyboardInterrupt:
            self.is_interrupted = True
            return default.model

    def run_others(self, default):
        """Return the _FittedModel of the default settings, or of better ones."""
        first = default if self.n_folds == 1 else self.fit_one(default.settings)
        choosing = self.choosing_rows(first.held_out.rows, default.held_out.rows)
        self.set_cost(first, choosing)
        others: list = []
        if self.may_learn_logarithm():
            others.append(self.fit_one(first.settings | {"log_target": True}, choosing))
        best = min([first, *others], key=attrgetter("cost")).settings
        for sizes in HIDDEN[1:]:
            others.append(self.fit_one(best | {"hidden_layer_sizes": sizes}, choosing))
        other = min(others, key=attrgetter("cost"))
        if not other.cost < first.cost:
            return default
        if self.n_folds > 1:
            other = self.fit(other.settings, self.n_folds)
            if self.is_interrupted:
                return default
        return other if self.is_better(other, default, choosing) else default

    # ---- rows that choose, and rows that decide ----

    def choosing_rows(self, rows, all_rows):
        """Return which of the rows that one fold held out choose among the settings.

        All of them, if other folds hold out as many others; else half of them, in whole groups.
        """
        others = np.setdiff1d(all_rows, rows)
        if len(others) >= len(rows):
            return rows
        part = groups_of_rows(self.rows, rows)
        numbers = np.arange(len(rows)) if part is None else part
        n = int(numbers.max()) + 1
        is_first = np.random.default_rng(0).permutation(n) % 2 == 0
        return rows[is_first[numbers]]

    def set_cost(self, fitted, choosing):
        some = np.flatnonzero(np.isin(fitted.held_out.rows, choosing))
        cost = self.metric.cost(fitted.held_out.some_rows(some)) if len(some) else None
        fitted.cost = np.inf if cost is None else cost

    def is_better(self, other, default, choosing):
        """Return whether a setting is better for certain, on rows that did not choose it."""
        deciding = np.setdiff1d(
            np.intersect1d(other.held_out.rows, default.held_out.rows), choosing
        )
        both = []
        for fitted in (other, default):
            held_out = fitted.held_out
            order = np.flatnonzero(np.isin(held_out.rows, deciding))
            order = order[np.argsort(held_out.rows[order], kind="stable")]
            both.append(held_out.take(order).some_rows)
        groups = groups_of_rows(self.rows, deciding)
        paired = PairedScores(self.metric, both, len(deciding), groups) if len(deciding) else None
        found = None if paired is None else paired.difference(0, 1)
        self.decision = Decision(
            options=other.options,
            rows=len(deciding),
            gain=None if found is None else found.gain,
            error=None if found is None else found.error,
            is_chosen=found is not None and found.is_certain,
        )
        return self.decision.is_chosen

    # ---- training ----

    def fit_one(self, settings, choosing=None):
        """Return a _FittedModel with these settings and one fold."""
        fitted = self.fit(settings, 1)
        if self.is_interrupted:
            raise KeyboardInterrupt
        if choosing is not None:
            self.set_cost(fitted, choosing)
        return fitted

    def fit(self, settings, n_folds):
        """Return a fitted model with these settings and this many folds."""
        from sklearn.base import clone

        model = clone(self.model).set_params(n_estimators=n_folds, **settings)
        model.metadata_bytes = self.model.metadata_bytes
        if model.time_limit is not None:
            left = self.began + self.model.time_limit - time.perf_counter()
            part = left / (self.n_fits - len(self.tried))
            model.time_limit = max(MIN_SECONDS, float(f"{part:.3g}"))  # a note may name it
        options = "--hidden " + ",".join(map(str, settings["hidden_layer_sizes"]))
        options += " --log-target" if settings.get("log_target") else ""
        label = f"setting {len(self.tried) + 1} of {self.n_fits}: {options}"
        self.is_interrupted = fit_estimator(model, self.rows, self.file, self.options, label)
        held_out = Evaluation.from_held_out(
            model, self.target, self.rows.predicted(model), self.rows.roles.weight
        )
        score = self.metric.value(held_out.some_rows(slice(None)))
        self.tried.append({"options": options, "folds": n_folds, "score": score})
        return _FittedModel(model, settings, options, held_out)


def _metric(model):
    """Return the metric of --metric, or the one that goes with what the model learns."""
    name, loss = metric_of(model), getattr(model, "loss", None)
    if name is not None:
        return METRICS[name]
    if loss is None:
        return CLASS_METRICS["log_loss"]
    if loss == "poisson":
        return POISSON_DEVIANCE
    return NUMBER_METRICS[LOSS_METRICS[resolve_regression_loss(loss).name]]


def _poisson_deviance(rows):
    P = np.maximum(rows.P, MIN_RATE)
    logarithm = np.log(np.where(rows.y > 0, rows.y, 1.0) / P)
    return float(np.average(2 * (rows.y * logarithm - rows.y + P), weights=rows.weight))


POISSON_DEVIANCE = Metric("poisson_deviance", "Poisson deviance", _poisson_deviance, False)


# ---- --baselines: other models ----

FASTNN = "fastnn"


def check_baselines(table):
    """Raise CommandError if the table does not fit in memory."""
    if not table.is_in_memory:
        raise CommandError(
            "--baselines needs all rows in memory, which other libraries train on. Leave it out, or "
            "pass a smaller table."
        )


@dataclass
class _Predicted:
    """The predictions of a baseline.

    Attributes
    ----------
    P : ndarray
        For the held-out rows of all folds, in the order of the table.
    test : ndarray or None
        For the rows of the test: the mean over the folds.
    seconds : float
    """

    P: np.ndarray
    test: np.ndarray | None
    seconds: float


def compare_baselines(model, table, rows, evaluations, file, options) -> Baselines:
    """Train the baselines and return the Baselines: their comparison with the model.

    Ctrl-C leaves out those that are not trained.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted in this process.
    table : MemoryTable
    rows : TrainingRows
    evaluations : (Evaluation, Evaluation or None)
        Of the held-out rows, and of those of the test.
    file : TableFile
    options : TrainOptions
    """
    found, absent = baselines.installed()
    runner = _Runner(model, table, rows, evaluations, options)
    predicted: dict = {}
    is_interrupted = False
    with show_steps("baselines", len(found), options.quiet) as begin:
        try:
            for name, cls in found.items():
                begin(name)
                with warnings_as_notes(lambda text: None):
                    predicted[name] = runner.run(cls)
        except KeyboardInterrupt:
            is_interrupted = True
    for name in absent:
        file.notes(f"{name} is not installed, so it is not among the baselines")
    return Baselines(
        metric=runner.metric.name,
        rows=len(evaluations[0].y),
        not_installed=absent,
        interrupted=is_interrupted,
        not_trained=[name for name in found if name not in predicted],
        models=runner.compare(predicted),
    )


class _Runner:
    """Trains baselines on the folds of a model."""

    def __init__(self, model, table, rows, evaluations, options):
        from ..tabular.columns import frames

        self.model, self.rows, target = model, rows, rows.target
        self.held_out, self.test = evaluations
        frame, _ = frames.split_target(rows.sample, target.name)
        self.X = BaselineInputs.of(model.features_, frame)
        chosen = rows.predicted(model)
        self.y = true_targets(model, target, chosen)
        self.weight = _weights(model, self.y, rows.roles.weight, chosen)
        self.metric = METRICS[metric_of(model) or default_metric(model)]
        self.task = baselines.BaselineTask(
            n_classes=len(model.classes_) if model.is_classifier else 0,
            loss=baselines.loss_name(getattr(model, "loss", "squared_error")),
            log=getattr(model, "log_target", False),
            n_threads=options.threads,
            seed=options.seed,
        )
        self.fold_of_row = model.folds_.fold_of_row
        self.test_inputs = None
        if self.test is not None:
            (part,) = table.take(self.test.rows)
            frame, _ = frames.split_target(part, target.name)
            self.test_inputs = BaselineInputs.of(model.features_, frame)

    def run(self, cls):
        """Return the _Predicted of a baseline."""
        n_classes = self.task.n_classes
        P = np.zeros((len(self.y), n_classes) if n_classes else len(self.y))
        began, test = time.perf_counter(), []
        for train, held_out in self.model.folds_:
            weight = None if self.weight is None else self.weight[train]
            fitted = cls(self.task).fit(self.X.take(train), self.y[train], weight)
            P[held_out] = fitted.predict(self.X.take(held_out))
            if self.test_inputs is not None:
                test.append(fitted.predict(self.test_inputs))
        seconds = time.perf_counter() - began
        P = P[self.fold_of_row >= 0]
        return _Predicted(P, np.mean(test, axis=0) if test else None, seconds)

    def threshold(self, P):
        """Return the threshold of a baseline: chosen as the model's, on other folds."""
        rule, held_out = thresholds.parse(getattr(self.model, "threshold", None)), self.held_out
        if not isinstance(rule, thresholds.ThresholdRule):
            return held_out.threshold
        part = self.fold_of_row[self.fold_of_row >= 0]
        return thresholds.out_of_fold(rule, P[:, 1], held_out.y == 1, held_out.weight, part)

    def compare(self, predicted) -> list[BaselineRow]:
        """Return a BaselineRow for each model, fastnn first, then the others by their scores.

        predicted : dict of str to _Predicted
        """
        held_out, test, names = self.held_out, self.test, [FASTNN, *predicted]
        others = [
            replace(held_out, P=p.P, threshold=self.threshold(p.P)) for p in predicted.values()
        ]
        groups = groups_of_rows(self.rows, held_out.rows)
        paired, on_test = self.scores([held_out, *others], groups), None
        if test is not None:
            fixed = test.threshold if isinstance(test.threshold, float) else None
            others = [replace(test, P=p.test, threshold=fixed) for p in predicted.values()]
            on_test = self.scores([test, *others])
        models: list[BaselineRow] = []
        for i in [0, *(k for k in paired.order() if k)]:
            entry: Any = {"name": names[i], **_entry(paired, i)}
            entry["seconds"] = None if i == 0 else predicted[names[i]].seconds
            if on_test is not None:
                entry |= {f"test_{key}": value for key, value in _entry(on_test, i).items()}
            models.append(entry)
        return models

    def scores(self, evaluations, groups=None):
        """Return the PairedScores of the models that have made some Evaluations."""
        scorers = [each.some_rows for each in evaluations]
        return PairedScores(self.metric, scorers, len(evaluations[0].y), groups)


def _weights(model, y, weight, rows):
    """Return the weights of rows times those of their classes, None without any."""
    weight = None if weight is None else weight[rows]
    if getattr(model, "class_weight", None) is None:
        return weight
    from sklearn.utils.class_weight import compute_sample_weight

    of_class = compute_sample_weight("balanced", y)
    return of_class if weight is None else weight * of_class


def _entry(paired, i):
    """Return score, difference to the first model, and verdict of a model."""
    entry = {"score": paired.scores[i], "error": paired.errors[i]}
    found = paired.difference(0, i) if i else None
    if found is None:
        names = ("difference", "difference_error", "is_worse", "is_better")
        return entry | dict.fromkeys(names)
    verdict = {"is_worse": found.verdict > 0, "is_better": found.verdict < 0}
    return entry | {"difference": found.gain, "difference_error": found.error} | verdict
