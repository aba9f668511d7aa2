"""EstimatorFit: one call of an estimator's `fit`. call_back: callbacks of scikit-learn."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ..callbacks import Callback, resolve_callbacks
from ..core.messages import warn
from ..core.validation import check_threads
from ..distributed import ClusterError
from ..distributed.executor_pool import check_worker_callbacks, threads_of_worker
from ..kernels import InTraining
from ..many import train_in_workers
from ..optimizers import LBFGS
from ..state import DivergenceError, History, fresh
from ..training.data import Data
from ..training.engines.lbfgs import OUT_OF_EVALUATIONS
from ..training.plan import FitOptions, Plan
from ..training.pool import Trainings
from ..training.progress import ManyLine, ProgressLine
from . import ensemble, parameters, resampling, spread
from .networks import read_records, write_records
from .resampling import ScoreStopping

ENDS_LATER = "all epochs done", "interrupted", ""  # reasons of sessions that the pool has stopped
CONTINUES = "The estimator has what is trained. With warm_start=True, fit on the same rows continues from there."


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

    def __post_init__(self):
        self.first_draw = self.rng.bit_generator.state

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

    @property
    def score_callbacks(self):
        """list of ScoreStopping."""
        return [each for each in self.callbacks if isinstance(each, ScoreStopping)]

    def stopped(self):
        """Return a copy of what the training has changed, with which another FitMember continues.

        These are the parameters, which the end of the fit may replace by those of its best epoch; the state, None
        before training; history, patience and what callbacks have changed; and the generator before anything was drawn: a
        session that has not begun may have drawn a seed.
        """
        net, results = self.net, [each.result for each in self.callbacks]
        has_begun = self.earlier is not None or net.history is self.history
        state, history = net.state if has_begun else None, self.whole_history()
        return deepcopy((net.params, state, history, self.patience, results, self.first_draw))

    def continue_from(self, stopped):
        """Take over what `stopped` returned."""
        params, state, self.earlier, self.patience, results, self.first_draw = deepcopy(stopped)
        self.net.params, self.rng.bit_generator.state = params, self.first_draw
        if state is not None:
            self.net.state = state
        for callback, result in zip(self.callbacks, results, strict=True):
            callback.result = result

    def is_done(self, max_iter):
        """Return whether the earlier training, if there was one, needs no continuation."""
        if self.earlier is None:
            return False
        reason = self.earlier.stop_reason
        has_failed = reason in ENDS_LATER or reason.endswith("was raised")
        return self.earlier.n_epochs >= max_iter or not has_failed


class EstimatorFit:
    """One call of `fit`: its data and its plans, and the fitted attributes that follow.

    The caller calls `run_until_interrupt`, or runs the `session` of each of the `n_members` networks, and then calls
    `end`. Several fits can run at the same time, see `fastnn.training.pool`.

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
    callbacks : list of Callback, default ()
        Called like those of the estimator, which do not know them.

    Attributes
    ----------
    trained : list of int
        Numbers of the networks that an executor has trained.
    n_left_out : int
        Number of networks that Ctrl-C has left out.
    failure : ClusterError or None
        What has ended the training, after which the estimator has what is trained.
    """

    failure: Any = None

    def __init__(self, estimator, source, fresh, callbacks=()):
        self.estimator, self.source, self.callbacks = estimator, source, callbacks
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
        return resampling.folds(
            self.data, self.n_members, labels, self.source.groups, estimator.fold_seed_
        )

    def _member(self, i, folds, random_state, fresh):
        estimator, net, data = self.estimator, self.networks[i], self.data
        held_out: Any = None
        if fresh:
            parameters.init_parameters(net, estimator.activation, random_state)
        if folds is not None:
            train, held_out = folds[i]
        elif self.bagging == "bootstrap":
            train, held_out = resampling.bootstrap(len(data), data.sample_weight, random_state)
        own = data if held_out is None else data.select(train)
        validates = estimator.early_stopping and estimator.validation_data is None
        if folds is not None or (held_out is not None and validates):
            weight = self.source.rows.weight  # `resampling.folds` has checked those of folds
            if not len(held_out) or (weight is not None and not weight[held_out].any()):
                raise ValueError(
                    "bagging='bootstrap' with early_stopping=True validates on the rows that it "
                    f"did not draw, but it drew all of {len(data)} rows, or all with a weight. "
                    "Set early_stopping=False, or add rows."
                )
            validation, callbacks = resampling.keep_best_epoch(estimator, data, held_out)
        else:
            own, validation, callbacks = self.source.split(estimator, own, random_state)
        patience = None
        if folds is None:
            best_loss = np.inf if fresh else self.records[i].best_loss
            patience = parameters.patience(estimator, best_loss)
        rng = np.random.default_rng(random_state.randint(2**31))
        return FitMember(net, own, validation, callbacks, patience, rng, held_out)

    def session(self, i, queue=None, *start):
        """Return the session of member i, which has not begun.

        queue : kernels.TrainerQueue, optional
        start : TrainingState and number of epochs, as in `plan`
        """
        session = self.plan(i, *start).session(queue)
        self.members[i].history = session.history
        return session

    def plan(self, i, state=None, epochs=None):
        """Return the Plan of member i, from a TrainingState for this number of epochs, or from where it stands."""
        estimator, m = self.estimator, self.members[i]
        n, n_seen = self.source.n_rows(m.data), self.records[i].n_seen
        if m.earlier is not None:
            n_seen += n * m.earlier.n_epochs
        if state is None and m.earlier is not None and m.net.state is not None:
            state, epochs = m.net.state, estimator.max_iter - m.earlier.n_epochs
        elif state is None:
            state = fresh(m.net, parameters.resolve_solver(estimator))
            epochs = estimator.max_iter
        is_adaptive = parameters.uses_learning_rate(estimator, "adaptive")
        options = FitOptions(
            optimizer=state.optimizer,
            epochs=epochs,
            batch_size=parameters.batch_size(estimator, n),
            shuffle=estimator.shuffle,
            callbacks=[
                *m.callbacks,
                *parameters.rate_callbacks(estimator, n, n_seen),
                *resolve_callbacks(estimator.callbacks),
                *self.callbacks,
            ],
            n_threads=self.n_threads,
            patience=m.patience,
            retry=parameters.AdaptiveRate() if is_adaptive else None,
            **self.source.options,
        )
        return Plan(m.net, m.data, options, m.rng, m.validation, state)

    # ---- training ----

    def run_until_interrupt(self, executor=None):
        """Train all members. Return whether Ctrl-C has ended it.

        With an executor, the networks that are trained are kept, and KeyboardInterrupt is raised if
        there are none.
        """
        try:
            if executor is None:
                self._run()
            else:
                self._run_in(executor)
        except KeyboardInterrupt:
            if executor is not None:
                if not self.trained:
                    raise
                self._keep_trained()
            return True
        return False

    def _run(self):
        """Train the members that are not done, where the rows are."""
        stopped = self.source.stopped
        if stopped is not None:
            self.records = deepcopy(stopped.records)
            for member, its in zip(self.members, stopped.members, strict=True):
                member.continue_from(its)
        max_iter = self.estimator.max_iter
        left = [i for i, member in enumerate(self.members) if not member.is_done(max_iter)]
        try:
            if left:
                self._train(left)
        except ClusterError as error:
            if not any(member.whole_history().n_epochs for member in self.members):
                raise
            self.failure = ClusterError(f"{error} {CONTINUES}")
            self.failure.__cause__ = error.__cause__
            members = [member.stopped() for member in self.members]
            stopped = self.source.stopped_fit(self.estimator, deepcopy(self.records), members)
            vars(self.estimator)["_stopped_fit"] = stopped

    def _train(self, numbers):
        """Train the members of these numbers, at least one."""
        source, is_shown = self.source, self.estimator.verbose and self.source.is_reporting
        if self.n_members == 1:
            line = ProgressLine(self.estimator.max_iter, self.n_rows) if is_shown else None
            source.train_one(self.networks[0], lambda: self.session(0), line)
            return
        trainings = Trainings(
            n=len(numbers),
            make=lambda i, queue=None: self.session(numbers[i], queue),
            networks=self.networks,
        )
        source.train(trainings, self.n_threads, ManyLine() if is_shown else None)
        raise_if_diverged(self.networks)

    def _run_in(self, executor):
        """Train all members in the workers of an executor."""
        estimator, members = self.estimator, self.members
        with InTraining(list(self.networks)):
            check_worker_callbacks(resolve_callbacks(estimator.callbacks))
            n_here, n_threads = self.n_threads, threads_of_worker(estimator.n_threads)
            for callback in [c for member in members for c in member.score_callbacks]:
                if callback.score is not None:
                    callback.score = replace(callback.score, n_threads=n_threads)
            self.n_threads = n_threads
            plans = [self.plan(i) for i in range(len(members))]

            def ended(i, patience, results):
                member = members[i]
                member.history, member.patience = member.net.history, patience
                for callback, result in zip(member.score_callbacks, results):
                    callback.result = result
                self.trained.append(i)

            line = ManyLine() if estimator.verbose else None
            train_in_workers(executor, plans, n_threads, n_here, line, ended)
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
            self._predict_held_out(not interrupted)
        if self.source.is_reporting:
            self._warn(interrupted)

    def _warn(self, interrupted):
        estimator, n = self.estimator, self.n_members
        if interrupted:
            what = f"{'The network has' if n == 1 else 'The networks have'} the parameters of the last completed step"
            if self.n_left_out:
                what = (
                    f"The estimator has the {n} of {n + self.n_left_out} networks that are trained"
                )
            warn(f"Training interrupted by user. {what}.")
            return
        n_open = sum(not self._converged(member) for member in self.members)
        # Warn only if half of the networks did not converge: a few hardly change the mean.
        if 2 * n_open < n:
            return
        what = "Training" if n == 1 else f"{n_open} of {n} networks"
        limit, others = f"max_iter={estimator.max_iter} epochs", ", learning_rate_init or tol"
        if parameters.is_lbfgs(estimator):
            limit, others = f"max_iter={estimator.max_iter} iterations", " or tol"
        if OUT_OF_EVALUATIONS in [member.history.stop_reason for member in self.members]:
            limit = f"max_fun={estimator.max_fun} evaluations of the loss"
            if isinstance(estimator.solver, LBFGS):
                limit = f"max_evaluations={estimator.solver.max_evaluations}"
        warn(
            f"{what} stopped after {limit}, before the loss converged. Increase "
            f"{limit.partition('=')[0]}{others}. Training converges "
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
        if member.history.stop_reason == OUT_OF_EVALUATIONS:
            return False
        estimator, patience = self.estimator, member.patience
        if member.history.n_epochs < estimator.max_iter or (patience and patience.exhausted):
            return True
        # n_iter_no_change=inf trains for exactly max_iter epochs, which needs no warning
        return estimator.n_iter_no_change == np.inf and not parameters.is_lbfgs(estimator)

    def _predict_held_out(self, fits_spread):
        """Set `oof_prediction_`, and the errors that `predict_interval` uses.

        fits_spread : whether to train networks that expect errors, if there is one target
        """
        estimator, n = self.estimator, len(self.data)
        y, weight = self.source.rows.y, self.source.rows.weight
        total: Any = None
        count, errors, rows_of_errors, predictions = np.zeros(n), [], [], []
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
            rows_of_errors.append(rows)
            predictions.append((P if P.ndim == 1 else P[:, 0]).astype(np.float64))
        with np.errstate(invalid="ignore"):  # 0 / 0 for rows that no network held out
            estimator.oof_prediction_ = (total.T / count).T.astype(self.networks[0].dtype)
        estimator.held_out_errors_ = errors if self.bagging == "folds" else None
        if self.bagging != "folds" or not fits_spread or errors[0] is None:
            return
        if errors[0].shape[1] == 1:
            seed = estimator.fold_seed_
            found = spread.fit_array_spread(
                self.data.X, rows_of_errors, errors, predictions, seed, self.n_threads
            )
            if found is not None:
                estimator.spread_ = found


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


# ---- callbacks of scikit-learn, such as its ProgressBar ----


def call_back(estimator, X, y, train):
    """Return train(callbacks), and call those of `set_callbacks` before and after it.

    The fit is a task of scikit-learn, with the epochs as its subtasks, after which a Callback calls them. That of an
    ensemble, whose networks train side by side, has none.
    """
    if "_skl_callbacks" not in vars(estimator):
        return train(())
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    n_epochs = estimator.max_iter if estimator.n_estimators == 1 else 0
    rows = dict(estimator=estimator, X=X, y=y)

    @with_callbacks
    def train_as_task(estimator):
        context = CallbackSupportMixin._init_callback_context(estimator, max_subtasks=n_epochs)
        context.call_on_fit_task_begin(**rows)
        result = train([_EpochCalls(context, rows)] if n_epochs else ())
        context.call_on_fit_task_end(**rows, reconstruction_attributes=dict)
        return result

    return train_as_task(estimator)


class _EpochCalls(Callback):
    """Call the callbacks after each epoch, with a copy of the estimator that predicts with the network of then."""

    def __init__(self, context, rows):
        self.context, self.rows = context, rows

    def on_epoch_end(self, net, history):
        task = self.context.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**self.rows)
        fitted: Any = partial(dict, networks_=[net])
        return task.call_on_fit_task_end(**self.rows, reconstruction_attributes=fitted)

    def stop_reason(self, event):
        return "a callback of scikit-learn stopped it"
