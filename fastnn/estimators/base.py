"""The base class of both estimators: parameters, fit and partial_fit."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state, metadata_routing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .. import kernels, schedules
from ..callbacks import Callback, resolve_callbacks
from ..core.draws import UndoDraws
from ..core.model_facts import ModelFacts, network_columns, network_sizes
from ..core.options import ImmutableOptions as FastnnOptions
from ..core.sparse_rows import is_sparse
from ..distributed.partitions import is_collection, maps_partitions, refuse_beside_collections
from ..distributed.ranks import Ranks
from ..losses import CustomLoss, Loss
from ..many import forward_many
from ..mlp import MLP
from ..network import set_views
from ..optimizers import LBFGS, OPTIMIZERS, Optimizer
from ..state import fresh, resumed
from ..training.engines.online import OnlineEngine
from ..training.jacobian_targets import DerivativeArguments
from ..training.plan import FitOptions, Plan
from ..training.pool import Trainings, train_many
from . import ensemble, inputs, parameters, resampling
from .fit import EstimatorFit, call_back, raise_if_diverged
from .mixins import Attributes, lock_of
from .networks import EpochRecorder, prepare
from .rows import MemoryRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from ..typing import Callbacks, FloatArray, LossFunction, Path, RandomState


HAVE_A_FIRST_ROW = np.ndarray, list, tuple  # types of y; y[0] of a Series is a row's label


def _supports_partial_fit(estimator):
    """Return True, or raise AttributeError if the solver cannot train on single batches."""
    if estimator.solver == "lbfgs" or getattr(estimator.solver, "full_batch", False):
        raise AttributeError(
            f"partial_fit is not available with solver={estimator.solver!r}, which needs all rows "
            "at once. Use solver='adam' or solver='sgd'."
        )
    return True


partial_fit_available = available_if(_supports_partial_fit)


class BaseMLP(Attributes):
    """Parameters, fit and partial_fit of `MLPClassifier` and `MLPRegressor`.

    The subclasses define targets and predictions.
    """

    is_classifier: ClassVar[bool]
    #: Meta-estimators do not route it.
    __metadata_request__fit: ClassVar[dict] = {"executor": metadata_routing.UNUSED}

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
        "n_estimators": [Interval(Integral, 1, parameters.MAX_NETWORKS, closed="both")],
        "bagging": [StrOptions({"folds", "bootstrap"}), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1})],
        "callbacks": [tuple, list, Callback, callable],
        "dtype": [
            StrOptions({"float32", "float64"}),
            Options(type, {float, np.float32, np.float64}),
            np.dtype,
            None,
        ],
    }

    hidden_layer_sizes: int | Sequence[int]
    activation: str | Sequence[str]
    solver: str | Optimizer | LBFGS
    alpha: float
    batch_size: int | Literal["auto"]
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: RandomState
    tol: float
    verbose: bool | int
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    loss: str | Loss | LossFunction
    dropout: float | Sequence[float]
    schedule: schedules.Schedule | None
    validation_data: tuple[Any, ...] | None
    n_estimators: int
    bagging: Literal["folds", "bootstrap"] | None
    n_threads: int
    callbacks: Callbacks
    dtype: Any
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    networks_: list[MLP]
    n_iter_: int
    # Those of an ensemble are lists with one item for each network.
    t_: Any
    loss_: Any
    best_loss_: Any
    loss_curve_: list[Any]
    validation_loss_curve_: list[Any]
    validation_scores_: list[Any] | None
    best_validation_score_: Any
    n_outputs_: int
    n_layers_: int
    out_activation_: str
    oof_prediction_: FloatArray
    _online: Any

    # ---- fit ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        executor: Executor | None = None,
        *,
        comm: Any = None,
        shards: int | None = None,
        dy: ArrayLike | None = None,
        dy_weight: float | None = None,
    ) -> Self:
        """Fit the network, or all networks of an ensemble, to X and y.

        Networks are initialized first, unless `warm_start` is True and they are already fitted.

        Parameters
        ----------
        X : array_like, sparse matrix or Dask collection (n, n_features)
            Inputs. The workers of Dask train on the partitions of an array or a DataFrame: see the
            guide "Several machines".
        y : array_like or Dask collection (n,) or (n, n_targets)
            Targets.
        sample_weight : array_like or Dask collection (n,), optional
            Weights of the rows, at least 0. The loss of a batch is sum(w_i l_i) / sum(w_i), so a
            row of weight 0 has no effect.
        groups : array_like (n,), optional
            With bagging="folds", rows of the same group are in the same fold: pass the patient, the
            site or the sensor of each row, if new rows will come from others.
        executor : concurrent.futures.Executor, optional
            Train the networks in its workers, such as processes, or machines of Dask or MPI: see
            docs/scaling.md. Of callbacks, only `EarlyStopping` works.
        comm : Communicator, mpi4py.MPI.Comm or torch.distributed group, optional
            Train on its ranks together. Each passes its part of the rows (docs/scaling.md). Classes,
            scores and the rows of `validation_fraction` are those of all ranks.
        shards : int, optional
            Number of virtual shards of the rows, as in `MLP.fit`.
        dy : array_like (n, n_targets, n_features), or (n, n_features) for one target, optional
            Of `MLPRegressor`: derivatives of the targets with respect to the features, in the units of
            y and X; NaN where one is unknown. The network learns them, too, as in `MLP.fit`.
            ``validation_data`` is then (X, y, sample_weight, dy).
        dy_weight : float, optional
            Weight of the loss of the derivatives, beside that of the targets. By default 1.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            X, y, sample_weight or a parameter is invalid, or does not work with `comm`.
        fastnn.distributed.RankError
            Another rank failed, or has other settings.
        DivergenceError
            The loss or a network parameter is no longer finite.
        KeyboardInterrupt
            On Ctrl-C, if an executor has trained no network; else the estimator has those trained.
        fastnn.distributed.ClusterError
            The scheduler of Dask has gone, or has no workers. The estimator has the networks of the
            last completed round, from which `warm_start` continues.
        """
        with kernels.InTraining([lock_of(self)]):
            with self._restore_on_error((Exception, KeyboardInterrupt)):
                fresh = not (self.warm_start and hasattr(self, "networks_"))
                derivatives = self._derivative_arguments(dy, dy_weight, comm=comm, shards=shards)
                arguments = X, y, sample_weight, groups, executor, comm, shards, derivatives
                source = self._rows(fresh, *arguments)

                def train(callbacks):
                    with source.training():
                        source.look(self, fresh)
                        with source.preparing():
                            fit = EstimatorFit(self, source, fresh, callbacks)
                        interrupted = fit.run_until_interrupt(executor)
                    fit.end(interrupted)
                    return fit

                fit = call_back(self, X, y, train)
            if fit.failure is not None:
                raise fit.failure
        return self

    def _derivative_arguments(self, dy, weight, **others):
        """Return the DerivativeArguments of a fit. others : arguments that do not work with them"""
        if dy is not None and self.is_classifier:
            raise ValueError(
                "dy is for MLPRegressor: the derivatives of classes are unknown. Leave it out."
            )
        for name in (name for name in others if dy is not None and others[name] is not None):
            raise ValueError(f"dy does not work with {name}. Leave one of them out.")
        return DerivativeArguments(dy, weight)

    def _rows(self, fresh, X, y, sample_weight, groups, executor, comm, shards, derivatives):
        """Return the rows of a fit."""
        self._online, stopped = None, self.__dict__.pop("_stopped_fit", None)
        if comm is not None or shards is not None:
            from .rows import RankRows

            if executor is not None:
                raise ValueError(
                    "executor does not work with comm and shards: ranks that share the rows train "
                    "each network together. Pass one of them."
                )
            ranks = Ranks(comm, shards)
            if any(map(is_collection, (X, y, sample_weight, groups))):
                refuse_beside_collections(comm=ranks)
            return RankRows(ranks, X, y, sample_weight, groups)
        if is_collection(X) or is_collection(y):
            from .dask_rows import DaskRows

            refuse_beside_collections(groups=groups, executor=executor, dy=derivatives.dy)
            return DaskRows(X, y, sample_weight, stopped)
        rows = inputs.validate_rows(self, X, y, sample_weight, fresh)
        return MemoryRows(rows, resampling.check_groups(self, groups, rows.X), derivatives)

    # ---- partial_fit: one epoch on the rows of a call ----

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Train for one epoch, and return self."""
        with kernels.InTraining([lock_of(self)]):
            fresh = not hasattr(self, "networks_")
            self._check_classes(y, classes, fresh)
            trained = [] if fresh else self.networks_
            with kernels.InTraining(trained), self._restore_on_error():
                return self._run_epoch(X, y, sample_weight, classes, fresh)

    def _check_classes(self, y, classes, fresh):
        """Check the argument `classes` of partial_fit."""

    def _run_epoch(self, X, y, sample_weight, classes, fresh):
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, because it holds out no rows. "
                "Set early_stopping=False, and compute scores on your own validation rows."
            )
        self._online = None
        rows = inputs.validate_rows(self, X, y, sample_weight, fresh)
        random_state = check_random_state(self.random_state)
        data = prepare(self, rows, fresh, classes)
        networks, n = self.networks_, len(data)
        if fresh:
            for net in networks:
                parameters.init_parameters(net, self.activation, random_state)
                net.rng = np.random.default_rng(random_state.randint(2**31))
        plans, recorder = self._plans_of_epoch(data), EpochRecorder(self, n)

        def session(i, queue=None):
            made = plans[i].session(queue)
            recorder.histories[i] = made.history
            return made

        drawn = [(net, net.rng) for net in networks if net.has_dropout]
        try:
            with kernels.InTraining(networks if fresh else []), UndoDraws(drawn):
                if len(networks) == 1:
                    session(0).run_locked()
                else:
                    n_threads = plans[0].options.n_threads
                    train_many(Trainings(n=len(networks), make=session), n_threads)
                    raise_if_diverged(networks)
            recorder.write()
        except KeyboardInterrupt:  # also between two statements; repeating it is harmless
            recorder.write()
            raise
        if n == len(networks) == 1 and self._can_step_online(data):
            self._online = OnlineEngine(networks[0], data)
        return self

    def _plans_of_epoch(self, data):
        """Return the Plan of each network for an epoch on the Data."""
        optimizer, networks, states = parameters.resolve_solver(self), self.networks_, []
        for i, net in enumerate(networks):
            if net.state is None:
                states.append(fresh(net, optimizer))
            else:
                name = "network_" if len(networks) == 1 else f"networks_[{i}]"
                states.append(resumed(net.state, optimizer, new_epoch=True, net=name))
        options = FitOptions(
            optimizer=optimizer,
            epochs=1,
            batch_size=parameters.batch_size(self, len(data)),
            shuffle=self.shuffle,
            callbacks=self.callbacks,
            n_threads=self.n_threads,
        )
        return [
            Plan(net, data, options, net.rng, state=state) for net, state in zip(networks, states)
        ]

    # ---- partial_fit on single rows, without a Session ----

    def _can_step_online(self, data):
        """Return whether the next single row can be trained on without a Session."""
        state: Any = self.networks_[0].state
        return (
            not resolve_callbacks(self.callbacks)  # a Callback with a length may be false
            and getattr(self, "class_weight", None) is None
            and data.sample_weight is None
            and not state.averages
            and not state.needs_epoch_loss
            and not is_sparse(data.X)
            and not isinstance(data.loss, CustomLoss)
            and not hasattr(self, "feature_names_in_")
        )

    def _step_online(self, X, y, write_target):
        """Train on one row without a Session and update the fitted attributes.

        write_target(y[0], targets) writes the target of the row, or returns False. So does this, if
        the row needs other checks or the step fails, and then nothing has changed.
        """
        online = self._online
        try:
            n = len(y)
        except TypeError:  # such as a number
            return False
        if n != 1 or type(y) not in HAVE_A_FIRST_ROW or self.callbacks:
            return False
        with kernels.InTraining([lock_of(self), online.net]):
            if self._online is not online or self.networks_[0] is not online.net:
                return False
            if not (online.read_row(X) and write_target(y[0], online.targets)):
                return False
            epoch, t, n = online.state.epoch, self.t_, len(self.loss_curve_)
            try:
                loss = online.step()
                if loss is None:
                    return False
                self._record_step(loss, t, n)
            except KeyboardInterrupt:  # also between two statements; repeating them is harmless
                if online.state.epoch > epoch:
                    self._record_step(online.losses.item(), t, n)
                raise
        return True

    def _record_step(self, loss, t, n):
        """Update the fitted attributes after a step on one row. t, n : t_ and length of loss_curve_ before."""
        attributes = self.__dict__  # `__setattr__` would take longer
        attributes["t_"] = t + 1
        attributes["loss_curve_"][n:] = [loss]
        attributes["loss_"] = loss
        attributes["best_loss_"] = min(attributes["best_loss_"], loss)

    # ---- after fit ----

    @property
    def network_(self) -> MLP:
        """MLP: the fitted network, if it is the only one."""
        return self._single_network("network_")

    @property
    def coefs_(self) -> list[FloatArray]:
        """tuple of ndarray (n_in, n_out): weights of each layer, views into the network."""
        return self._single_network("coefs_").weights

    @coefs_.setter
    def coefs_(self, values: Sequence[ArrayLike]) -> None:
        net = self._single_network("coefs_")
        set_views(net, "coefs_", net.weights, values)

    @property
    def intercepts_(self) -> list[FloatArray]:
        """tuple of ndarray (n_out,): biases of each layer, views into the network."""
        return self._single_network("intercepts_").biases

    @intercepts_.setter
    def intercepts_(self, values: Sequence[ArrayLike]) -> None:
        net = self._single_network("intercepts_")
        set_views(net, "intercepts_", net.biases, values)

    def facts(self) -> ModelFacts:
        """Return a description of the estimator: its task, columns and size.

        Networks and the estimators of tables have the same method.

        Raises
        ------
        NotFittedError
            The estimator is not fitted.

        Examples
        --------
        >>> import fastnn
        >>> clf = fastnn.MLPClassifier((4,), solver="lbfgs", random_state=0)
        >>> facts = clf.fit([[0.0], [1.0], [2.0]], ["low", "low", "high"]).facts()
        >>> facts.task, facts.classes, facts.n_params
        ('classes', ('high', 'low'), 13)
        """
        with self._reading():
            check_is_fitted(self)
            names = getattr(self, "feature_names_in_", None)
            errors = getattr(self, "held_out_errors_", None)
            quantiles = None if self.is_classifier else getattr(self.targets_.loss, "q", None)
            return ModelFacts(
                estimator=type(self).__name__,
                columns=network_columns(names, self.n_features_in_),
                has_names=names is not None,
                **network_sizes(self.networks_),
                classes=tuple(self.classes_.tolist()) if self.is_classifier else None,
                quantiles=None if quantiles is None else tuple(np.atleast_1d(quantiles).tolist()),
                has_intervals=errors is not None and errors[0] is not None,
            )

    def _single_network(self, attribute):
        networks = vars(self).get("networks_")
        if networks is None:
            raise AttributeError(
                f"{attribute} exists after fit. This {type(self).__name__} is not fitted yet."
            )
        if len(networks) > 1:
            raise AttributeError(
                f"{attribute} is for one network, but this ensemble has {len(networks)}. Use "
                "networks_, a list of fastnn.MLP."
            )
        return networks[0]

    def save(self, path: Path, state: bool = True) -> None:
        """Save the fitted estimator to a safetensors file. Read it with `fastnn.load`.

        The file holds parameters, classes, names of the features, networks, loss curves, and what
        `predict_interval` and further training need, but not ``oof_prediction_``. Predictions of
        the loaded estimator have the same bits. docs/model_file.md describes the content. A
        pipeline is more than an estimator: save its last step, ``pipeline[-1]``.

        Parameters
        ----------
        path : str or path-like
            The file is always complete: it is written beside `path`, synced and renamed.
        state : bool, default True
            Whether to save the training states of the networks, from which `partial_fit` continues.
            With solver="adam" they take twice as much space as the networks.

        Raises
        ------
        NotFittedError
            The estimator is not fitted.
        ValueError
            A parameter or a class is of a kind that a file cannot hold: a custom loss, callbacks,
            validation_data, or classes other than texts, numbers and Booleans.

        Examples
        --------
        >>> import fastnn, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "clf.safetensors")
        >>> clf = fastnn.MLPClassifier((4,), solver="lbfgs", random_state=0)
        >>> clf.fit([[0.0], [1.0], [2.0]], ["low", "low", "high"]).save(path)
        >>> fastnn.load(path).predict([[2.0]])
        array(['high'], dtype='<U4')
        """
        from . import file

        with self._reading():
            file.write(path, self, state)

    def to_sklearn(self) -> Any:
        """Convert this fitted estimator to the one of scikit-learn with the same predictions.

        Further training with scikit-learn starts from these weights. Parameters that it does not
        have raise a warning if they are set.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor

        Raises
        ------
        NotFittedError
            The estimator is not fitted.
        ValueError
            scikit-learn's MLP cannot predict the same: it has one network, one of the activations
            identity, logistic, tanh and relu for all hidden layers, at least two classes, and one
            output for each target of a regression.

        Examples
        --------
        >>> import fastnn
        >>> reg = fastnn.MLPRegressor((4,), solver="lbfgs", random_state=0)
        >>> reg = reg.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
        >>> theirs = reg.to_sklearn()
        >>> type(theirs).__module__.partition(".")[0]
        'sklearn'
        >>> bool(abs(theirs.predict([[1.5]]) - reg.predict([[1.5]])) < 1e-12)
        True
        """
        from . import scikit_learn

        with self._reading():
            return scikit_learn.to_sklearn(self)

    @maps_partitions
    def predict_derivatives(self, X: Any) -> FloatArray:
        """Return the derivatives of the predictions with respect to the inputs.

        For an ensemble they are the means over its networks. At a kink, such as that of ReLU at 0,
        the derivative is that of the left side.

        Parameters
        ----------
        X : array_like (n, n_features)

        Returns
        -------
        ndarray (n, n_outputs, n_features)
            Derivatives of `predict_proba` of a classifier, in the order of `classes_`. Derivatives
            of `predict` of a regressor, without the axis of outputs if it predicts one number for
            each row. Has the dtype of the network.

        Raises
        ------
        TypeError
            X is a sparse matrix.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import MLPRegressor
        >>> X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
        >>> reg = MLPRegressor((), solver="lbfgs", alpha=0, random_state=0)
        >>> reg.fit(X, 3 * X[:, 0] - X[:, 1]).predict_derivatives(X[:1]).round(3)
        array([[ 3., -1.]])
        """
        with self._reading():
            check_is_fitted(self)
            rows = inputs.check_X(self, X)
            J = ensemble.mean_jacobian(self.networks_, rows, self.n_threads)
            return self.targets_.from_jacobian(J)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._parameter_constraints and vars(self).get("_online") is not None:
            self.__dict__["_online"] = None  # it takes steps with the parameters of before
        super().__setattr__(name, value)

    def set_params(self, **params: Any) -> Self:
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

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set callbacks of scikit-learn, which `fit` calls. Without arguments, remove them.

        The epochs of a network are subtasks of the fit. Those of an ensemble are not. The parameter
        `callbacks` takes callbacks of fastnn.

        Parameters
        ----------
        *callbacks : sklearn.callback.ProgressBar, ScoringMonitor and others

        Returns
        -------
        self

        Raises
        ------
        ImportError
            scikit-learn is older than 1.9.
        TypeError
            An argument is no callback of scikit-learn.
        """
        try:
            from sklearn.callback import CallbackSupportMixin
        except ImportError:
            raise ImportError(
                "set_callbacks needs scikit-learn 1.9 or newer: pip install -U scikit-learn. The "
                "parameter `callbacks` takes callbacks of fastnn."
            ) from None
        return CallbackSupportMixin.set_callbacks(self, *callbacks)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "networks_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in super().__getstate__().items() if k != "_stopped_fit"}
        return state | dict.fromkeys({"_online"} & state.keys())

    def _outputs(self, X):
        """Return the network outputs for rows X."""
        attributes = vars(self)
        networks = attributes.get("networks_")
        if networks and "feature_names_in_" not in attributes and self.n_threads == 1:
            # Fast path: None unless X is a finite array that needs no conversion. scikit-learn
            # refuses an array without rows, below.
            if len(networks) == 1:
                Y = networks[0]._forward_finite(X)
            else:
                Y = kernels.forward_mean_finite(networks, X)
            if Y is not None and len(Y):
                return Y
        if networks is None:
            check_is_fitted(self)
        return ensemble.mean_outputs(networks, inputs.check_X(self, X), self.n_threads)

    def _member_outputs(self, X):
        """Return the outputs of each network for rows X, (n_networks, n, n_out)."""
        check_is_fitted(self)
        return forward_many(self.networks_, inputs.check_X(self, X), None, self.n_threads)
