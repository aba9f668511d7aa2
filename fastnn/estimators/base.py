"""What both estimators share: settings, fit and partial_fit."""

import warnings
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .. import schedules
from ..callbacks import Callback, resolve_callbacks
from ..losses import CustomLoss, Loss
from ..mlp import MLP
from ..optimizers import LBFGS, Optimizer
from ..training import state
from ..training.data import Data, is_sparse
from ..training.engines.online import OnlineEngine
from ..training.progress import ProgressLine
from ..training.session import Session
from . import inputs, parameters
from .scoring import ScoreStopping


def _steps(estimator):
    """Whether its solver goes step by step, as partial_fit does."""
    if estimator.solver == "lbfgs" or getattr(estimator.solver, "full_batch", False):
        raise AttributeError(
            "partial_fit goes on step by step, which solver='lbfgs' cannot: take solver='adam' or 'sgd'"
        )
    return True


class BaseMLP(BaseEstimator):
    """Settings, fit and partial_fit of `MLPClassifier` and `MLPRegressor`, which say what targets
    and predictions are."""

    _parameter_constraints: ClassVar[dict] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, "array-like"],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"}), Optimizer, LBFGS],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "loss": [str, Loss, callable],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "schedule": [schedules.Schedule, None],
        "validation_data": [tuple, list, None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1})],
        "callbacks": [tuple, list, Callback, callable],
        "dtype": [
            StrOptions({"float32", "float64"}),
            Options(type, {float, np.float32, np.float64}),
            np.dtype,
            None,
        ],
    }

    validation_scores_: Any

    def _keep(self, arguments):
        """The arguments of a constructor as attributes, as they are."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @contextmanager
    def _unchanged_by_errors(self):
        """What is not fitted because of an error stays as it was before."""
        before = dict(self.__dict__)
        try:
            yield
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    # ---- fit ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Learn from these rows; from the beginning, unless `warm_start` goes on from the
        parameters that the last fit has left.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        y : array_like (n,) or (n, n_targets)
        sample_weight : array_like (n,), optional
            Weights >= 0; a batch's loss is sum(w_i l_i) / sum(w_i). A row of weight 0 is as good as
            absent.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            X or y is not what it should be.
        DivergenceError
            The loss or a parameter is no longer finite.
        """
        with self._unchanged_by_errors():
            return self._fit(
                X, y, sample_weight, not (self.warm_start and hasattr(self, "network_"))
            )

    def _fit(self, X, y, sample_weight, fresh):
        X, y, weight = self._rows(X, y, sample_weight, fresh)
        random_state = check_random_state(self.random_state)
        data = self._begin(X, y, weight, random_state, fresh)
        inputs.warn_if_badly_scaled(
            X, self._scaled_targets(data), getattr(self, "feature_names_in_", None)
        )
        data, validation, judge = self._validation(data, y, random_state)
        n, net, converged = len(data), self.network_, True
        if self.batch_size != "auto" and self.batch_size > n:
            warnings.warn(
                f"batch_size={self.batch_size} is more than the {n} rows: all of them make one batch",
                stacklevel=4,
            )
        patience = parameters.patience(self, np.inf if fresh else self.best_loss_)
        session = Session(
            net,
            data,
            state.fresh(net, parameters.optimizer(self)),
            self._batch_size(n),
            self.shuffle,
            self.n_threads,
            np.random.default_rng(random_state.randint(2**31)),
            validation,
            patience,
            goes_on=parameters.AdaptiveRate() if parameters.moves_rate(self, "adaptive") else None,
        )
        try:
            history = session.run(
                self.max_iter,
                callbacks=[
                    *judge,
                    *parameters.rate_callbacks(self, n),
                    *resolve_callbacks(self.callbacks),
                ],
                line=ProgressLine(self.max_iter, n) if self.verbose else None,
            )
            converged = history.n_epochs < self.max_iter or (
                patience is not None and patience.exhausted
            )
        except KeyboardInterrupt:
            warnings.warn(
                "Training interrupted by user: the parameters are those of the last whole step.",
                stacklevel=4,
            )
        self._note(net.history, n)
        self._note_scores(*judge)
        if (
            not converged and self.n_iter_no_change < np.inf
        ):  # else so many epochs and no more were asked for
            warnings.warn(
                f"The training ended after max_iter={self.max_iter} epochs while its loss still changed: raise max_iter or the learning "
                "rate (learning_rate_init), or be content sooner (tol); inputs of about -1..1 (StandardScaler) learn fastest.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def _rows(self, X, y, sample_weight, fresh):
        """X, y and the weights of the rows, checked."""
        self._online = None
        dtype = (self.dtype or (np.float64, np.float32)) if fresh else self.network_.dtype
        X, y = inputs.check_X_y(self, X, y, dtype, fresh)
        return X, y, inputs.check_weight(sample_weight, X)

    def _begin(self, X, y, weight, random_state, fresh, *classes):
        """The network, where there is none, and what it is to learn."""
        if fresh:
            self._learn_targets(y, *classes)
        targets, loss, n_out, output = self._encode(y, X.dtype)
        if fresh:
            hidden = parameters.hidden_sizes(self.hidden_layer_sizes)
            net = MLP(
                [X.shape[1], *hidden, n_out],
                parameters.activations(self.activation),
                output,
                dtype=X.dtype,
                rng=0,
            )
            parameters.first_parameters(net, self.activation, random_state)
            self.network_, self.n_outputs_, self.n_layers_ = net, n_out, len(net.layer_sizes)
            self.out_activation_ = parameters.OUTPUTS.get(output, output)
            self.t_, self.loss_curve_, self.validation_loss_curve_ = 0, [], []
            self.best_loss_ = np.inf
            self.validation_scores_ = self.best_validation_score_ = None
        else:
            parameters.check_same(self.network_, self, n_out, output)
        self._loss = loss
        self.network_.dropout = self.dropout
        self.__dict__.pop(
            "temperature_", None
        )  # of `calibrate`: what is learned from now on is without it
        return Data.of(self.network_, X, targets, loss, weight, float(self.alpha)).weighted(
            self._class_weights(y)
        )

    def _batch_size(self, n):
        return min(200 if self.batch_size == "auto" else self.batch_size, n)

    def _validation(self, data, y, random_state):
        """The rows to learn from, those to be judged by (or None), and the callback that judges, in
        a list."""
        if self.validation_data is None and not self.early_stopping:
            return data, None, []
        if self.validation_data is None:
            learned, held_out = train_test_split(
                np.arange(len(data)),
                test_size=self.validation_fraction,
                random_state=random_state,
                stratify=self._strata(y),
            )
            if len(held_out) < 2:
                raise ValueError(
                    f"The validation set is too small ({len(held_out)} rows): increase validation_fraction, or give more rows"
                )
            validation, y_val = replace(data.take(held_out), alpha=0.0), y[held_out]
            data = data.take(learned)
        else:
            if len(self.validation_data) not in (2, 3):
                raise ValueError(
                    f"validation_data must be (X, y) or (X, y, sample_weight), got {len(self.validation_data)} parts"
                )
            X, y_val, *weight = self.validation_data
            try:
                X, y_val = inputs.check_X_y(self, X, y_val, self.network_.dtype, False)
                weight = inputs.check_weight(weight[0], X) if weight else None
                validation = Data.of(
                    self.network_, X, self._encode(y_val, X.dtype)[0], data.loss, weight
                )
            except ValueError as error:
                raise ValueError(f"validation_data: {error}") from None

        def score(net):
            return self._score_outputs(
                y_val, inputs.outputs(net, validation.X, self.n_threads), validation.sample_weight
            )

        return (
            data,
            validation,
            [
                ScoreStopping(
                    score, self.n_iter_no_change if self.early_stopping else np.inf, self.tol
                )
            ],
        )

    def _note(self, history, n):
        """Attributes that tell how it went; n: rows."""
        self.n_iter_ = history.n_epochs
        self.t_ += n * history.n_epochs
        self.loss_curve_ += history.loss
        self.validation_loss_curve_ += history.val_loss
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min([self.best_loss_, *history.loss])

    def _note_scores(self, judge=None):
        if judge is not None:
            self.validation_scores_ = [*(self.validation_scores_ or []), *judge.scores]
            self.best_validation_score_ = max(self.validation_scores_, default=None)
            if judge.best_params is not None:
                self.network_.params = judge.best_params

    # ---- partial_fit ----

    def _partial_fit(self, *arguments):
        with self._unchanged_by_errors():
            return self._pass_over(*arguments)

    def _pass_over(self, X, y, sample_weight, fresh, *classes):
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: it has no rows to hold out; judge by rows of your own"
            )
        X, y, weight = self._rows(X, y, sample_weight, fresh)
        random_state = check_random_state(self.random_state)
        data = self._begin(X, y, weight, random_state, fresh, *classes)
        net, n = self.network_, len(data)
        if fresh:
            net.rng = np.random.default_rng(random_state.randint(2**31))
        optimizer = parameters.optimizer(self)
        at = (
            state.fresh(net, optimizer)
            if net.state is None
            else state.resumed(net.state, optimizer, new_epoch=True)
        )
        Session(net, data, at, self._batch_size(n), self.shuffle, self.n_threads, net.rng).run(
            1, resolve_callbacks(self.callbacks)
        )
        self._note(net.history, n)
        if n == 1 and self._may_go_online(data):
            self._online = OnlineEngine(net, data)
        return self

    def _may_go_online(self, data):
        """Whether nothing is asked for that needs a look between steps."""
        state: Any = self.network_.state
        plain = (
            not self.callbacks
            and getattr(self, "class_weight", None) is None
            and data.sample_weight is None
        )
        plain = plain and not state.averages and not state.needs_epoch_loss
        return (
            plain
            and not is_sparse(data.X)
            and not isinstance(data.loss, CustomLoss)
            and not hasattr(self, "feature_names_in_")
        )

    def _note_step(self, loss):
        """What an online step has changed; False if it went wrong."""
        if loss is None:
            return False
        self.t_ += 1
        self.loss_curve_.append(loss)
        self.loss_ = loss
        self.best_loss_ = min(self.best_loss_, loss)
        return True

    # ---- after fit ----

    @property
    def coefs_(self):
        """tuple of ndarray (n_in, n_out): the weights of each layer, views into the network."""
        return self.network_.weights

    @property
    def intercepts_(self):
        """tuple of ndarray (n_out,): the biases of each layer, views into the network."""
        return self.network_.biases

    def set_params(self, **params):
        """Change settings; a following fit or partial_fit goes by them."""
        self._online = None
        return super().set_params(**params)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self):
        return {
            name: None if name == "_online" else value
            for name, value in super().__getstate__().items()
        }

    def _outputs(self, X):
        """What the network says of these rows."""
        own = vars(self)
        if "network_" in own and "feature_names_in_" not in own and self.n_threads == 1:
            Y = self.network_._forward_finite(X)  # the short way, for what needs no conversion
            if Y is not None:
                return Y
        check_is_fitted(self)
        return inputs.outputs(self.network_, inputs.check_X(self, X), self.n_threads)


partial_fit_available = available_if(_steps)
