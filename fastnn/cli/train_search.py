"""`fastnn train --tune`: other settings than the default ones, if they are better for certain."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tabular.comparing.paired import PairedScores
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS, Metric
from ..tabular.targets import LOSS_METRICS, MIN_RATE, resolve_loss
from .record import Decision, TriedRow, Tuning
from .row_roles import groups_of_rows
from .scores import Evaluation, metric_of
from .train_model import fit

#: Hidden layers that --tune tries; the first are the default.
HIDDEN = ((64, 64), (32, 32), (128,), (128, 128), (64, 64, 64))
MIN_SECONDS = 0.01  # of a fit with a time limit that is over


@dataclass
class FittedModel:
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
        return bool(smallest > 0 and resolve_loss(self.model.loss).output != "exponential")

    def describe(self) -> Tuning:
        """Return what was tried and decided, for the record of a model."""
        return Tuning(self.metric.name, self.tried, self.decision)

    def run(self):
        """Return the model, fitted: that of the default settings, or a better one."""
        default = self.fit({"hidden_layer_sizes": HIDDEN[0]}, self.n_folds)
        if self.is_interrupted:
            return default.model
        try:
            chosen = self.run_others(default)
        except KeyboardInterrupt:
            self.is_interrupted = True
            chosen = default
        return chosen.model

    def run_others(self, default):
        """Return the FittedModel of the default settings, or of better ones."""
        first = default if self.n_folds == 1 else self.fit_one(default.settings)
        choosing = self.choosing_rows(first.held_out.rows, default.held_out.rows)
        self.set_cost(first, choosing)
        others: list = []
        if self.may_learn_logarithm():
            others.append(self.fit_one(first.settings | {"log_target": True}, choosing))
        best = min([first, *others], key=_cost).settings
        for sizes in HIDDEN[1:]:
            others.append(self.fit_one(best | {"hidden_layer_sizes": sizes}, choosing))
        other = min(others, key=_cost)
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
        value = self.metric.value(fitted.held_out.some_rows(some)) if len(some) else None
        fitted.cost = np.inf if value is None else self.metric.signed(value)

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
        """Return a FittedModel with these settings and one fold."""
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
        self.is_interrupted = fit(model, self.rows, self.file, self.options, label)
        held_out = Evaluation.from_held_out(
            model, self.target, self.rows.predicted(model), self.rows.roles.weight
        )
        score = self.metric.value(held_out.some_rows(slice(None)))
        self.tried.append({"options": options, "folds": n_folds, "score": score})
        return FittedModel(model, settings, options, held_out)


def _cost(fitted):
    return fitted.cost


def _metric(model):
    """Return the metric of --metric, or the one that goes with what the model learns."""
    name, loss = metric_of(model), getattr(model, "loss", None)
    if name is not None:
        return (CLASS_METRICS | NUMBER_METRICS)[name]
    if loss is None:
        return CLASS_METRICS["log_loss"]
    if loss == "poisson":
        return POISSON_DEVIANCE
    return NUMBER_METRICS[LOSS_METRICS[resolve_loss(loss).name]]


def _poisson_deviance(rows):
    P = np.maximum(rows.P, MIN_RATE)
    logarithm = np.log(np.where(rows.y > 0, rows.y, 1.0) / P)
    return float(np.average(2 * (rows.y * logarithm - rows.y + P), weights=rows.weight))


POISSON_DEVIANCE = Metric("poisson_deviance", "Poisson deviance", _poisson_deviance, False)
