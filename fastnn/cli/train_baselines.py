"""`fastnn train --baselines`: other models on the same folds, and the rows of the test."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..tabular.comparing import baselines
from ..tabular.comparing.baseline_inputs import BaselineInputs
from ..tabular.comparing.paired import PairedScores
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS
from ..tabular.thresholds import ThresholdRule, out_of_fold, parse
from .console import CommandError, warnings_as_notes
from .display import show_steps
from .record import BaselineRow, Baselines
from .row_roles import groups_of_rows
from .scores import default_metric, metric_of, true_targets

FASTNN = "fastnn"


def check(table):
    """Raise CommandError if the table does not fit in memory."""
    if not table.is_in_memory:
        raise CommandError(
            "--baselines needs all rows in memory, which other libraries train on. Leave it out, or "
            "pass a smaller table."
        )


@dataclass
class Predicted:
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


@dataclass
class TrainedRows:
    """The rows of a training, for its baselines.

    Attributes
    ----------
    rows : TrainingRows
    held_out : Evaluation
    test : Evaluation or None
    test_parts : callable
        Returns the tables of the rows of the test.
    """

    rows: Any
    held_out: Any
    test: Any
    test_parts: Any


def compare(model, trained, file, options) -> Baselines:
    """Train the baselines and return the Baselines: their comparison with the model.

    Ctrl-C leaves out those that are not trained.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted in this process.
    trained : TrainedRows
    file : TableFile
    options : TrainOptions
    """
    found, absent = baselines.installed()
    runner = _Runner(model, trained, options)
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
        rows=len(trained.held_out.y),
        not_installed=absent,
        interrupted=is_interrupted,
        not_trained=[name for name in found if name not in predicted],
        models=_describe(runner, predicted),
    )


class _Runner:
    """Trains baselines on the folds of a model."""

    def __init__(self, model, trained, options):
        from ..tabular.columns import frames

        self.model, self.trained = model, trained
        self.features, target = model.features_, trained.rows.target
        frame, _ = frames.split_target(trained.rows.sample, target.name)
        self.X = BaselineInputs.of(self.features, frame)
        chosen = trained.rows.predicted(model)
        self.y = true_targets(model, target, chosen)
        self.weight = _weights(model, self.y, trained.rows.roles.weight, chosen)
        name = metric_of(model) or default_metric(model)
        self.metric = (CLASS_METRICS | NUMBER_METRICS)[name]
        self.task = baselines.BaselineTask(
            n_classes=len(model.classes_) if model.is_classifier else 0,
            loss=baselines.loss_name(getattr(model, "loss", "squared_error")),
            log=getattr(model, "log_target", False),
            n_threads=options.threads,
            seed=options.seed,
        )
        self.fold_of_row = model.folds_.fold_of_row
        self.held_out = np.flatnonzero(self.fold_of_row >= 0)
        self.test_inputs = None
        if trained.test is not None:
            parts = [frames.split_target(part, target.name)[0] for part in trained.test_parts()]
            self.test_inputs = BaselineInputs.of(self.features, frames.concatenate(parts))

    def run(self, cls):
        """Return the Predicted of a baseline."""
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
        return Predicted(P[self.held_out], np.mean(test, axis=0) if test else None, seconds)

    def threshold(self, evaluation, P):
        """Return the threshold of a baseline: chosen as the model's, on other folds."""
        rule = parse(getattr(self.model, "threshold", None))
        if not isinstance(rule, ThresholdRule):
            return evaluation.threshold
        part = self.fold_of_row[self.held_out]
        return out_of_fold(rule, P[:, 1], evaluation.y == 1, evaluation.weight, part)

    def groups(self):
        """Return the number of the group of each held-out row, None without groups."""
        held_out = self.trained.held_out.rows
        return groups_of_rows(self.trained.rows, held_out)


def _weights(model, y, weight, rows):
    """Return the weights of rows times those of their classes, None without any."""
    weight = None if weight is None else weight[rows]
    if getattr(model, "class_weight", None) is None:
        return weight
    from sklearn.utils.class_weight import compute_sample_weight

    of_class = compute_sample_weight("balanced", y)
    return of_class if weight is None else weight * of_class


def _describe(runner, predicted):
    """Return a BaselineRow for each model, fastnn first, then the others by their scores."""
    held_out, names = runner.trained.held_out, [FASTNN, *predicted]
    scorers = [held_out.some_rows]
    scorers += [
        replace(held_out, P=p.P, threshold=runner.threshold(held_out, p.P)).some_rows
        for p in predicted.values()
    ]
    paired = PairedScores(runner.metric, scorers, len(held_out.y), runner.groups())
    on_test, test = None, runner.trained.test
    if test is not None:
        scorers = [test.some_rows]
        scorers += [
            replace(test, P=p.test, threshold=_fixed(test)).some_rows for p in predicted.values()
        ]
        on_test = PairedScores(runner.metric, scorers, len(test.y))
    models: list[BaselineRow] = []
    for i in [0, *(k for k in paired.order() if k)]:
        entry: Any = {"name": names[i], **_entry(paired, i)}
        entry["seconds"] = None if i == 0 else predicted[names[i]].seconds
        if on_test is not None:
            entry |= {f"test_{key}": value for key, value in _entry(on_test, i).items()}
        models.append(entry)
    return models


def _fixed(evaluation):
    """Return the threshold for the rows of the test: a number, or None."""
    return evaluation.threshold if isinstance(evaluation.threshold, float) else None


def _entry(paired, i):
    """Return score, difference to the first model, and verdict of a model."""
    difference = paired.difference(0, i) if i else None
    return {
        "score": paired.scores[i],
        "error": paired.errors[i],
        "difference": None if difference is None else difference.gain,
        "difference_error": None if difference is None else difference.error,
        "is_worse": None if difference is None else difference.verdict > 0,
        "is_better": None if difference is None else difference.verdict < 0,
    }
