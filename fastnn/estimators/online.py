"""partial_fit: one epoch on the rows of a call, and single rows without a Session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from .. import kernels, state
from ..callbacks import resolve_callbacks
from ..core.draws import UndoDraws
from ..core.sparse_rows import is_sparse
from ..losses import CustomLoss
from ..training.engines.online import OnlineEngine
from ..training.plan import FitOptions, Plan
from ..training.pool import Trainings, train_many
from . import inputs, parameters
from .attributes import Attributes, lock_of
from .fit import raise_if_diverged
from .networks import Recording, prepare

if TYPE_CHECKING:
    from ..mlp import MLP


def _supports_partial_fit(estimator):
    """Return True, or raise AttributeError if the solver cannot train on single batches."""
    if estimator.solver == "lbfgs" or getattr(estimator.solver, "full_batch", False):
        raise AttributeError(
            f"partial_fit is not available with solver={estimator.solver!r}, which needs all rows "
            "at once. Use solver='adam' or solver='sgd'."
        )
    return True


HAVE_A_FIRST_ROW = np.ndarray, list, tuple  # types of y; y[0] of a Series is a row's label

partial_fit_available = available_if(_supports_partial_fit)


class PartialFit(Attributes):
    """The part of `BaseMLP` that trains on the rows of one call.

    `bagging` concerns `fit` alone: each network trains on all rows of the call.
    """

    networks_: list[MLP]
    # Those of an ensemble are lists with one item for each network.
    t_: Any
    loss_: Any
    best_loss_: Any
    loss_curve_: list[Any]
    validation_loss_curve_: list[Any]
    validation_scores_: list[Any] | None
    best_validation_score_: Any
    _online: Any

    def _partial_fit(self, X, y, sample_weight, fresh, *classes):
        trained = [] if fresh else self.networks_
        with kernels.InTraining(trained), self._restore_on_error():
            return self._run_epoch(X, y, sample_weight, fresh, *classes)

    def _run_epoch(self, X, y, sample_weight, fresh, *classes):
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, because it holds out no rows. "
                "Set early_stopping=False, and compute scores on your own validation rows."
            )
        self._online = None
        rows = inputs.validate_rows(self, X, y, sample_weight, fresh)
        random_state = check_random_state(self.random_state)
        data = prepare(self, rows, fresh, *classes)
        networks, n = self.networks_, len(data)
        optimizer, trainings = parameters.optimizer(self), []
        if fresh:
            for net in networks:
                parameters.init_parameters(net, self.activation, random_state)
                net.rng = np.random.default_rng(random_state.randint(2**31))
        for i, net in enumerate(networks):
            if net.state is None:
                trainings.append(state.fresh(net, optimizer))
            else:
                name = "network_" if len(networks) == 1 else f"networks_[{i}]"
                trainings.append(state.resumed(net.state, optimizer, new_epoch=True, net=name))
        options = FitOptions(
            optimizer=optimizer,
            epochs=1,
            batch_size=parameters.batch_size(self, n),
            shuffle=self.shuffle,
            callbacks=self.callbacks,
            n_threads=self.n_threads,
        )
        recording = Recording(self, n)

        def session(i, queue=None):
            plan = Plan(networks[i], data, options, networks[i].rng, state=trainings[i])
            made = plan.session(queue)
            recording.histories[i] = made.history
            return made

        drawn = [(net, net.rng) for net in networks if net.has_dropout]
        try:
            with kernels.InTraining(networks if fresh else []), UndoDraws(drawn):
                if len(networks) == 1:
                    session(0).run_locked()
                else:
                    train_many(Trainings(n=len(networks), make=session), options.n_threads)
                    raise_if_diverged(networks)
            recording.write()
        except KeyboardInterrupt:  # also between two statements; repeating it is harmless
            recording.write()
            raise
        if n == len(networks) == 1 and self._can_step_online(data):
            self._online = OnlineEngine(networks[0], data)
        return self

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
