"""EstimatorFit: one call of an estimator's `fit`."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from .. import state
from ..callbacks import resolve_callbacks
from ..core.messages import warn
from ..core.validation import check_threads
from ..kernels import InTraining
from ..state import DivergenceError, History
from ..training.data import Data
from ..training.plan import FitOptions, Plan
from ..training.progress import ManyLine
from . import bagging, early_stopping, ensemble, parameters, remote
from .early_stopping import ScoreStopping
from .networks import read_records, write_records


@dataclass(eq=False, repr=False)
class FitMember:
    """One network of an estimator, and the rows that it trains on and validates on.

    held_out : ndarray (m,) or None
        The rows of X that `bagging` keeps from this network.
    """

    net: Any
    data: Data
    validation: Data | None
    callbacks: list
    patience: Any
    rng: np.random.Generator
    held_out: np.ndarray | None
    history: History = field(default_factory=History)
    earlier: History | None = None  # of the training that this one continues

    def whole_history(self):
        """Return the history, together with the earlier one."""
        before, now = self.earlier, self.history
        if before is None:
            return now
        return History(
            before.loss + now.loss,
            before.val_loss + now.val_loss,
            before.n_epochs + now.n_epochs,
            before.n_steps + now.n_steps,
            before.seconds + now.seconds,
            now.stop_reason or before.stop_reason,
            before.val_error_rate + now.val_error_rate,
        )


class EstimatorFit:
    """One call of `fit`: its data and its plans, and the fitted attributes that follow.

    The caller runs the `session` of each of the `n_members` networks and then calls `end`. Several
    fits can run at the same time, see `fastnn.training.pool`.

    Each member draws from `random_state` in turn: the initial parameters if `fresh`, the rows to
    train on, and the seed of the shuffling. So with bagging=None the members are the networks of as
    many estimators fitted one after the other with one RandomState. The seed of the folds is drawn
    before all this, and kept for warm starts.

    Parameters
    ----------
    estimator : BaseMLP
    source : rows.EstimatorRows
        Where the rows are.
    fresh : bool
        Whether to make new networks.

    Attributes
    ----------
    trained : list of int
        Numbers of the networks that an executor has trained.
    n_left_out : int
        Number of networks that Ctrl-C has left out.
    """

    def __init__(self, estimator, source, fresh):
        self.estimator, self.source = estimator, source
        random_state = check_random_state(estimator.random_state)
        self.data = source.prepare(estimator, fresh, random_state)
        self.networks, self.n_members = estimator.networks_, len(estimator.networks_)
        self.n_threads = check_threads(estimator.n_threads)
        self.bagging = estimator.bagging if self.n_members > 1 else None
        self.records = read_records(estimator)
        folds = self._folds(random_state, fresh) if self.bagging == "folds" else None
        self.members, self.trained, self.n_left_out = [], [], 0
        for i in range(self.n_members):
            self.members.append(self._member(i, folds, random_state, fresh))
        self.n_rows = source.n_rows(self.members[0].data)
        too_large = estimator.batch_size != "auto" and estimator.batch_size > self.n_rows
        if too_large and source.is_reporting:
            warn(
                f"batch_size={estimator.batch_size} is larger than the number of rows ({self.n_rows}). "
                "All rows form one batch.",
            )

    # ---- members ----

    def _folds(self, random_state, fresh):
        estimator = self.estimator
        if estimator.validation_data is not None:
            raise ValueError(
                "validation_data does not work with bagging='folds', where each network validates "
                "on its own fold. Set bagging='bootstrap' or None, or validation_data=None."
            )
        if fresh or not hasattr(estimator, "fold_seed_"):
            estimator.fold_seed_ = random_state.randint(2**31)
        labels = estimator.targets_.fold_labels(self.source.rows.y)
        return bagging.folds(
            self.data, self.n_members, labels, self.source.groups, estimator.fold_seed_
        )

    def _member(self, i, folds, random_state, fresh):
        estimator, net, data = self.estimator, self.networks[i], self.data
        if fresh:
            parameters.init_parameters(net, estimator.activation, random_state)
        rows = None
        if folds is not None:
            train, rows = folds[i]
            validation, callbacks = early_stopping.keep_best_epoch(estimator, data, rows)
            data = data.select(train)
        elif self.bagging == "bootstrap":
            train, rows = bagging.bootstrap(len(data), data.sample_weight, random_state)
            if estimator.early_stopping and estimator.validation_data is None:
                weight = self.source.rows.weight
                if not len(rows) or (weight is not None and not weight[rows].any()):
                    raise ValueError(
                        "bagging='bootstrap' with early_stopping=True validates on the rows that it "
                        f"did not draw, but it drew all of {len(data)} rows, or all with a weight. "
                        "Set early_stopping=False, or add rows."
                    )
                validation, callbacks = early_stopping.keep_best_epoch(estimator, data, rows)
                data = data.select(train)
            else:
                data, validation, callbacks = self.source.split(
                    estimator, data.select(train), random_state
                )
        else:
            data, validation, callbacks = self.source.split(estimator, data, random_state)
        patience = None
        if folds is None:
            patience = parameters.patience(
                estimator, np.inf if fresh else self.records[i].best_loss
            )
        rng = np.random.default_rng(random_state.randint(2**31))
        return FitMember(net, data, validation, callbacks, patience, rng, rows)

    def session(self, member, queue=None):
        """Return the session of a member, which has not begun.

        queue : kernels.TrainerQueue, optional
        """
        return self.begin(member, self.plan(member), queue)

    def session_from(self, member, training, epochs, queue=None):
        """Return a session of a member that begins with a state. training : TrainingState."""
        return self.begin(member, self.plan_from(member, training, epochs), queue)

    def begin(self, member, plan, queue):
        session = plan.session(queue)
        self.members[member].history = session.history
        return session

    def plan(self, member):
        """Return the Plan of a member."""
        estimator = self.estimator
        m = self.members[member]
        if m.earlier is not None and m.net.state is not None:
            return self.plan_from(member, m.net.state, estimator.max_iter - m.earlier.n_epochs)
        training = state.fresh(m.net, parameters.optimizer(estimator))
        return self.plan_from(member, training, estimator.max_iter)

    def plan_from(self, member, training, epochs):
        """Return the Plan of a member that begins with a state. training : TrainingState."""
        estimator, m = self.estimator, self.members[member]
        n, n_seen = self.source.n_rows(m.data), self.records[member].n_seen
        if m.earlier is not None:
            n_seen += n * m.earlier.n_epochs
        is_adaptive = parameters.uses_learning_rate(estimator, "adaptive")
        options = FitOptions(
            optimizer=training.optimizer,
            epochs=epochs,
            batch_size=parameters.batch_size(estimator, n),
            shuffle=estimator.shuffle,
            callbacks=[
                *m.callbacks,
                *parameters.rate_callbacks(estimator, n, n_seen),
                *resolve_callbacks(estimator.callbacks),
            ],
            n_threads=self.n_threads,
            patience=m.patience,
            retry=parameters.AdaptiveRate() if is_adaptive else None,
            **self.source.options,
        )
        return Plan(m.net, m.data, options, m.rng, m.validation, training)

    def run_until_interrupt(self, executor=None):
        """Train all members. Return whether Ctrl-C has ended it.

        With an executor, the networks that are trained are kept, and KeyboardInterrupt is raised if
        there are none.
        """
        try:
            if executor is None:
                self.source.run(self)
            else:
                self._run_in(executor)
        except KeyboardInterrupt:
            if executor is not None:
                if not self.trained:
                    raise
                self._keep_trained()
            return True
        return False

    def _run_in(self, executor):
        """Train all members in the workers of an executor."""
        with InTraining(list(self.networks)):
            remote.train(self, executor, ManyLine() if self.estimator.verbose else None)
        raise_if_diverged(self.networks)

    def _keep_trained(self):
        """Leave out the networks that an executor has not trained."""
        kept = sorted(self.trained)
        self.members = [self.members[i] for i in kept]
        self.records = [self.records[i] for i in kept]
        self.estimator.networks_ = self.networks = [self.networks[i] for i in kept]
        self.n_left_out, self.n_members = self.n_members - len(kept), len(kept)

    def end(self, interrupted=False):
        """Set the fitted attributes, and warn if training ended too early."""
        estimator = self.estimator
        for record, member in zip(self.records, self.members):
            member.history = member.whole_history()
            record.add(member.history, self.source.n_rows(member.data), member.callbacks)
            self._restore_best(member)
        write_records(estimator, self.records, [member.history.n_epochs for member in self.members])
        if self.bagging:
            self._predict_held_out()
        if self.source.is_reporting:
            self._warn(interrupted)

    def _warn(self, interrupted):
        estimator = self.estimator
        if interrupted and self.n_left_out:
            warn(
                f"Training interrupted by user. The estimator has the {self.n_members} of "
                f"{self.n_members + self.n_left_out} networks that are trained.",
            )
        elif interrupted:
            what = "The network has" if self.n_members == 1 else "The networks have"
            warn(
                f"Training interrupted by user. {what} the parameters of the last completed step.",
            )
        n_open = sum(not self._converged(member) for member in self.members)
        # Warn only if half of the networks did not converge: a few hardly change the mean.
        # n_iter_no_change=inf trains for exactly max_iter epochs, which needs no warning.
        if 2 * n_open >= self.n_members and not interrupted and estimator.n_iter_no_change < np.inf:
            what = "Training" if self.n_members == 1 else f"{n_open} of {self.n_members} networks"
            warn(
                f"{what} stopped after max_iter={estimator.max_iter} epochs, before the loss "
                "converged. Increase max_iter, learning_rate_init or tol. Training converges "
                "fastest if the inputs are scaled to about -1..1 (StandardScaler).",
                ConvergenceWarning,
            )

    def _restore_best(self, member):
        """Let the network, and training that continues, have the parameters of the best epoch."""
        net = member.net
        for callback in member.callbacks:
            if isinstance(callback, ScoreStopping):
                if callback.best_params is not None:
                    net.params = callback.best_params
            elif net.state is not None and not net.state.averages:  # an EarlyStopping
                net.state.params = None

    def _converged(self, member):
        return member.history.n_epochs < self.estimator.max_iter or (
            member.patience is not None and member.patience.exhausted
        )

    def _predict_held_out(self):
        """Set `oof_prediction_`, and the errors that `predict_interval` uses."""
        estimator, n = self.estimator, len(self.data)
        y, weight = self.source.rows.y, self.source.rows.weight
        total: Any = None
        count, errors = np.zeros(n), []
        for member in self.members:
            rows = member.held_out
            P = estimator.targets_.from_outputs(
                ensemble.mean_outputs([member.net], self.data.X[rows], estimator.n_threads)
            )
            if total is None:
                total = np.zeros((n, *P.shape[1:]))
            total[rows] += P
            count[rows] += 1
            if weight is not None:
                P, rows = P[weight[rows] > 0], rows[weight[rows] > 0]
            errors.append(estimator.targets_.errors(P, y[rows]))
        with np.errstate(invalid="ignore"):  # 0 / 0 for rows that no network held out
            estimator.oof_prediction_ = (total.T / count).T.astype(self.networks[0].dtype)
        estimator.held_out_errors_ = errors if self.bagging == "folds" else None


def raise_if_diverged(networks):
    """Raise DivergenceError if the last training of one of several networks has diverged."""
    for i, net in enumerate(networks):
        if net.history.stop_reason == "diverged":
            epoch = net.state.epoch + 1
            raise DivergenceError(
                f"Training of network {i} of {len(networks)} diverged in epoch {epoch}: a loss or "
                f"parameter is not finite. Try a lower learning rate than {net.state.lr:g}, or scale "
                "inputs and targets to about -1..1.",
                epoch,
                net.state.step,
            )
