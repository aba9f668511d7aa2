"""The base class of both estimators: parameters, fit and partial_fit."""

from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .. import schedules
from ..callbacks import Callback, resolve_callbacks
from ..losses import CustomLoss, Loss
from ..mlp import MLP
from ..optimizers import LBFGS, OPTIMIZERS, Optimizer
from ..options import Options as FastnnOptions
from ..training import state
from ..training.data import Data, is_sparse
from ..training.engines.online import OnlineEngine
from ..training.progress import ProgressLine
from ..training.session import Session
from ..validation import check_threads
from . import inputs, parameters
from .fit import Fit
from .scoring import ScoreStopping


def _supports_partial_fit(estimator):
    """Return True, or raise AttributeError if the solver cannot train on single batches."""
    if estimator.solver == "lbfgs" or getattr(estimator.solver, "full_batch", False):
        raise AttributeError(
            f"partial_fit is not available with solver={estimator.solver!r}, which needs all rows "
            "at once. Use solver='adam' or solver='sgd'."
        )
    return True


class BaseMLP(BaseEstimator):
    """Parameters, fit and partial_fit of `MLPClassifier` and `MLPRegressor`.

    The subclasses define targets and predictions.
    """

    _parameter_constraints: ClassVar[dict] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, "array-like"],
        "solver": [StrOptions(set(OPTIMIZERS)), Optimizer, LBFGS],
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

    def _store_parameters(self, arguments):
        """Store the arguments of the constructor as attributes, unchanged."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @contextmanager
    def _restore_on_error(self):
        """Context manager that restores all attributes if an error occurs."""
        attributes = dict(self.__dict__)
        try:
            yield
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            raise

    # ---- fit ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to X and y.

        The network is initialized first, unless `warm_start` is True and it is already fitted.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
            Inputs.
        y : array_like (n,) or (n, n_targets)
            Targets.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0. The loss of a batch is sum(w_i l_i) / sum(w_i), so a
            row of weight 0 has no effect.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            X, y, sample_weight or a parameter is invalid.
        DivergenceError
            The loss or a network parameter is no longer finite.
        """
        with self._restore_on_error():
            return self._fit(
                X, y, sample_weight, not (self.warm_start and hasattr(self, "network_"))
            )

    def _fit(self, X, y, sample_weight, fresh):
        fit = Fit(self, X, y, sample_weight, fresh)
        interrupted = False
        try:
            fit.session().run(ProgressLine(self.max_iter, fit.n_rows) if self.verbose else None)
        except KeyboardInterrupt:
            interrupted = True
        fit.end(interrupted)
        return self

    def _validate_rows(self, X, y, sample_weight, fresh):
        """Validate and convert X, y and sample_weight."""
        if isinstance(X, inputs.CheckedRows):
            return X.give_to(self)
        self._online = None
        dtype = (self.dtype or (np.float64, np.float32)) if fresh else self.network_.dtype
        X, y = inputs.check_X_y(self, X, y, dtype, fresh)
        return X, y, inputs.check_weight(sample_weight, X)

    def _prepare(self, X, y, weight, random_state, fresh, *classes):
        """Create the network if `fresh`, and return its training Data."""
        if fresh and not self.__dict__.pop("_knows_targets", False):
            self._fit_targets(y, *classes)
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
            parameters.init_parameters(net, self.activation, random_state)
            self.network_, self.n_outputs_, self.n_layers_ = net, n_out, len(net.layer_sizes)
            self.out_activation_ = parameters.SKLEARN_OUTPUTS.get(output, output)
            self.t_, self.loss_curve_, self.validation_loss_curve_ = 0, [], []
            self.best_loss_ = np.inf
            self.validation_scores_ = self.best_validation_score_ = None
        else:
            parameters.check_same_network(self.network_, self, n_out, output)
        self._loss = loss
        self.network_.dropout = self.dropout
        self.__dict__.pop("temperature_", None)  # of `calibrate`; further training invalidates it
        return Data.of(self.network_, X, targets, loss, weight, float(self.alpha)).weighted(
            self._class_weights(y)
        )

    def _batch_size(self, n):
        return min(200 if self.batch_size == "auto" else self.batch_size, n)

    def _split_validation(self, data, y, random_state):
        """Return training data, validation data or None, and a list with the scoring callback."""
        if self.validation_data is None and not self.early_stopping:
            return data, None, []
        if self.validation_data is None:
            classes = self._stratify_labels(y)
            if classes is not None and np.unique(classes, return_counts=True)[1].min() < 2:
                raise ValueError(
                    "early_stopping=True holds out rows of each class, but a class has a single "
                    "row. Add rows, pass validation_data, or set early_stopping=False."
                )
            train, held_out = train_test_split(
                np.arange(len(data)),
                test_size=self.validation_fraction,
                random_state=random_state,
                stratify=classes,
            )
            if len(held_out) < 2:
                raise ValueError(
                    f"validation_fraction={self.validation_fraction} holds out {len(held_out)} of "
                    f"{len(data)} rows, but at least 2 are needed. Increase validation_fraction, "
                    "or pass more rows."
                )
            validation, y_val = replace(data.take(held_out), alpha=0.0), y[held_out]
            data = data.take(train)
        else:
            if len(self.validation_data) not in (2, 3):
                raise ValueError(
                    "validation_data must be (X, y) or (X, y, sample_weight), got "
                    f"{len(self.validation_data)} elements"
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
                y_val, inputs.forward(net, validation.X, self.n_threads), validation.sample_weight
            )

        patience = self.n_iter_no_change if self.early_stopping else np.inf
        return data, validation, [ScoreStopping(score, patience, self.tol)]

    def _record_history(self, history, n):
        """Update the fitted attributes from the history of a training on n rows."""
        self.n_iter_ = history.n_epochs
        self.t_ += n * history.n_epochs
        self.loss_curve_ += history.loss
        self.validation_loss_curve_ += history.val_loss
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min([self.best_loss_, *history.loss])

    def _record_scores(self, callback=None):
        """Update the fitted attributes from a ScoreStopping, and restore its best parameters."""
        if callback is not None:
            self.validation_scores_ = [*(self.validation_scores_ or []), *callback.scores]
            self.best_validation_score_ = max(self.validation_scores_, default=None)
            if callback.best_params is not None:
                self.network_.params = callback.best_params

    # ---- partial_fit ----

    def _partial_fit(self, *arguments):
        with self._restore_on_error():
            return self._run_epoch(*arguments)

    def _run_epoch(self, X, y, sample_weight, fresh, *classes):
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, because it holds out no rows. "
                "Set early_stopping=False, and compute scores on your own validation rows."
            )
        X, y, weight = self._validate_rows(X, y, sample_weight, fresh)
        random_state = check_random_state(self.random_state)
        data = self._prepare(X, y, weight, random_state, fresh, *classes)
        net, n = self.network_, len(data)
        if fresh:
            net.rng = np.random.default_rng(random_state.randint(2**31))
        optimizer = parameters.optimizer(self)
        if net.state is None:
            training = state.fresh(net, optimizer)
        else:
            training = state.resumed(net.state, optimizer, new_epoch=True, net="network_")
        batch_size = self._batch_size(n)
        session = Session(
            net,
            data,
            training,
            1,
            batch_size,
            self.shuffle,
            check_threads(self.n_threads),
            net.rng,
            callbacks=resolve_callbacks(self.callbacks),
        )
        session.run()
        self._record_history(net.history, n)
        if n == 1 and self._can_step_online(data):
            self._online = OnlineEngine(net, data)
        return self

    def _can_step_online(self, data):
        """Return whether the next single row can be trained on without a Session."""
        state: Any = self.network_.state
        return (
            not self.callbacks
            and getattr(self, "class_weight", None) is None
            and data.sample_weight is None
            and not state.averages
            and not state.needs_epoch_loss
            and not is_sparse(data.X)
            and not isinstance(data.loss, CustomLoss)
            and not hasattr(self, "feature_names_in_")
        )

    def _record_step(self, loss):
        """Update the fitted attributes after an online step. Return False if the step failed."""
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
        """tuple of ndarray (n_in, n_out): weights of each layer, views into the network."""
        return self.network_.weights

    @property
    def intercepts_(self):
        """tuple of ndarray (n_out,): biases of each layer, views into the network."""
        return self.network_.biases

    def set_params(self, **params):
        """Set parameters of this estimator. The next fit or partial_fit uses them.

        Names such as ``solver__lr``, ``loss__delta`` and ``schedule__factor`` change one option of
        an optimizer, a loss or a schedule.

        Parameters
        ----------
        **params : dict
            Estimator parameters by name.

        Returns
        -------
        self
        """
        self._online = None
        changes: dict = {}
        # as in scikit-learn, an object is set before its options, whatever their order
        for name, value in sorted(params.items(), key=lambda item: "__" in item[0]):
            outer, _, option = name.partition("__")
            if option and outer in ("solver", "loss", "schedule"):
                nested = changes.get(outer, getattr(self, outer))
                if outer == "solver" and isinstance(nested, str):
                    rate = changes.get("learning_rate_init", self.learning_rate_init)
                    nested = parameters.named_solver(nested, name, rate)
                if not isinstance(nested, FastnnOptions):
                    raise ValueError(
                        f"{name} needs {outer} to be an object with options, got {nested!r}"
                    )
                name, value = outer, nested.set_params(**{option: value})
            changes[name] = value
        return super().set_params(**changes)

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
        """Return the network outputs for rows X."""
        attributes = vars(self)
        if (
            "network_" in attributes
            and "feature_names_in_" not in attributes
            and self.n_threads == 1
        ):
            # Fast path: None unless X is a finite array that needs no conversion.
            Y = self.network_._forward_finite(X)
            if Y is not None:
                return Y
        check_is_fitted(self)
        return inputs.forward(self.network_, inputs.check_X(self, X), self.n_threads)


partial_fit_available = available_if(_supports_partial_fit)
