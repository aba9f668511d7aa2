"""Fit: one call of an estimator's `fit`."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ..callbacks import resolve_callbacks
from ..training import state
from ..training.session import Session
from ..validation import check_threads
from . import inputs, parameters


class Fit:
    """One call of `fit`: its data and its session, and the fitted attributes that follow.

    The caller runs `session` and then calls `end`. Several fits can run at the same time, see
    `fastnn.training.many`.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, sample_weight
        As in `fit`.
    fresh : bool
        Whether to make a new network.
    """

    def __init__(self, estimator, X, y, sample_weight, fresh):
        e = self.estimator = estimator
        X, y, weight = e._validate_rows(X, y, sample_weight, fresh)
        random_state = check_random_state(e.random_state)
        data = e._prepare(X, y, weight, random_state, fresh)
        inputs.warn_if_badly_scaled(
            X, e._targets_to_check(data), getattr(e, "feature_names_in_", None)
        )
        self.data, self.validation, self.score_callbacks = e._split_validation(
            data, y, random_state
        )
        self.n_rows = len(self.data)
        if e.batch_size != "auto" and e.batch_size > self.n_rows:
            warnings.warn(
                f"batch_size={e.batch_size} is larger than the number of rows ({self.n_rows}). "
                "All rows form one batch.",
                stacklevel=5,
            )
        self.n_members, self.n_threads = 1, check_threads(e.n_threads)
        self.patience = parameters.patience(e, np.inf if fresh else e.best_loss_)
        self.rng = np.random.default_rng(random_state.randint(2**31))

    def session(self, member=0, queue=None):
        """Return the session of a member, which has not begun.

        member : int, less than `n_members`
        queue : kernels.TrainerQueue, optional
        """
        e = self.estimator
        return self.session_from(
            state.fresh(e.network_, parameters.optimizer(e)), e.max_iter, queue
        )

    def session_from(self, training, epochs, queue=None):
        """Return a session that begins with a state. training : TrainingState."""
        e = self.estimator
        is_adaptive = parameters.uses_learning_rate(e, "adaptive")
        return Session(
            e.network_,
            self.data,
            training,
            epochs,
            e._batch_size(self.n_rows),
            e.shuffle,
            self.n_threads,
            self.rng,
            self.validation,
            [
                *self.score_callbacks,
                *parameters.rate_callbacks(e, self.n_rows),
                *resolve_callbacks(e.callbacks),
            ],
            self.patience,
            retry=parameters.AdaptiveRate() if is_adaptive else None,
            queue=queue,
        )

    def end(self, interrupted=False):
        """Set the fitted attributes, and warn if training ended too early."""
        e = self.estimator
        history = e.network_.history
        e._record_history(history, self.n_rows)
        e._record_scores(*self.score_callbacks)
        if interrupted:
            warnings.warn(
                "Training interrupted by user. The network has the parameters of the last "
                "completed step.",
                stacklevel=5,
            )
        converged = history.n_epochs < e.max_iter or (
            self.patience is not None and self.patience.exhausted
        )
        # n_iter_no_change=inf trains for exactly max_iter epochs, which needs no warning.
        if not converged and not interrupted and e.n_iter_no_change < np.inf:
            warnings.warn(
                f"Training stopped after max_iter={e.max_iter} epochs, before the loss "
                "converged. Increase max_iter, learning_rate_init or tol. Training converges "
                "fastest if the inputs are scaled to about -1..1 (StandardScaler).",
                ConvergenceWarning,
                stacklevel=5,
            )
