"""`fastnn train --tune`: choose the hidden layers, and whether to learn the logarithm of a number.

Successive halving (Jamieson and Talwalkar, 2016) whose resource is the number of members: each
setting trains one member, and the best two train all of them. The better one is the model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import train_model
from .evaluation import Evaluation

HIDDEN = ((64, 64), (32, 32), (128,), (128, 128), (64, 64, 64))
FINALISTS = 2
MIN_MEAN = 1e-6  # predicted, for the Poisson deviance


@dataclass
class Fitted:
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
    """The search for the best settings.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Has all other parameters. It is not fitted.
    rows : TrainingRows
    arguments : argparse.Namespace

    Attributes
    ----------
    metric : {"log_loss", "rmse", "mae", "poisson_deviance"}
    tried : list of dict
        options, members and score of each training, in order.
    is_interrupted : bool
        Whether Ctrl-C stopped the training of the best settings.
    """

    def __init__(self, model, rows, arguments):
        self.model, self.rows, self.target = model, rows, rows.target
        self.arguments, self.members = arguments, model.n_estimators
        self.metric, self.is_interrupted = _metric(model), False
        self.tried: list = []
        finalists = FINALISTS if self.members > 1 else 0
        self.n_fits = len(HIDDEN) + self.may_learn_logarithm() + finalists

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
        if self.members == 1:
            return fitted[0].model
        finalists: list = []
        for other in fitted[:FINALISTS]:
            finalist = self.fit(other.settings, self.members)
            if self.is_interrupted and finalists:
                break
            finalists.append(finalist)
            if self.is_interrupted:
                break
        return min(finalists, key=_score).model

    def fit_one(self, settings):
        """Return a model with these settings and one member."""
        fitted = self.fit(settings, 1)
        if self.is_interrupted:
            raise KeyboardInterrupt("No model was written.")
        return fitted

    def fit(self, settings, members):
        """Return a fitted model with these settings and this many members."""
        from sklearn.base import clone

        model = clone(self.model).set_params(n_estimators=members, **settings)
        model.metadata_bytes = self.model.metadata_bytes
        if model.time_limit is not None:
            model.time_limit = self.model.time_limit / self.n_fits
        options = "--hidden " + ",".join(map(str, settings["hidden_layer_sizes"]))
        options += " --log-target" if settings.get("log_target") else ""
        label = f"setting {len(self.tried) + 1} of {self.n_fits}: {options}"
        self.is_interrupted = train_model.fit(model, self.rows, self.arguments, label)
        evaluation = Evaluation.of_held_out(model, self.target, self.rows.predicted(model))
        score = _scores(evaluation)[self.metric]
        self.tried.append({"options": options, "members": members, "score": score})
        return Fitted(model, settings, score)


def _score(fitted):
    return fitted.score


def _metric(model):
    """Return the name of the score that goes with what the model learns."""
    loss = getattr(model, "loss", None)
    if loss is None:
        return "log_loss"
    return {"squared_error": "rmse", "poisson": "poisson_deviance"}.get(loss, "mae")


def _scores(evaluation):
    from sklearn.metrics import mean_poisson_deviance

    scores = evaluation.scores()
    if evaluation.y.min() >= 0 and evaluation.P.ndim == 1:
        P = np.maximum(evaluation.P, MIN_MEAN)
        scores["poisson_deviance"] = float(mean_poisson_deviance(evaluation.y, P))
    return scores
