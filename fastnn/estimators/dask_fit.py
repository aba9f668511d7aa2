"""DaskFit: one call of an estimator's `fit` on Dask collections."""

from copy import deepcopy
from functools import partial

import numpy as np
from sklearn.utils import check_random_state

from ..core.messages import warn
from ..core.validation import check_threads
from ..dask import partitions
from ..dask.rounds_data import RoundsData
from ..dask.runner import ClusterError, current_runner
from ..dask.settings import RoundSettings, part_batch
from ..training.data import Data
from ..training.pool import StreamPool, Trainings
from ..training.progress import ManyLine
from . import early_stopping, inputs, parameters
from .dask_rows import ArrayReader, ChunkRows, ChunkTask
from .fit import EstimatorFit, FitMember, raise_if_diverged
from .networks import prepare_networks, read_records, targets_class
from .stopped_fit import StoppedFit

PART_ROWS = 20_000  # rows that are worth a part
HELD_OUT_BYTES = 256e6  # of validation rows in this process
CONTINUES = "The estimator has what is trained. With warm_start=True, fit on the same rows continues from there."


class DaskFit(EstimatorFit):
    """One call of `fit`, whose networks train on the partitions of collections.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, sample_weight
        As in `fit`.
    fresh : bool
        Whether to make new networks.
    stopped : StoppedFit or None
        From which to continue.
    """

    bagging = None
    n_left_out = 0

    def __init__(self, estimator, X, y, sample_weight, fresh, stopped=None):
        self.estimator = estimator
        self._check_support(X)
        random_state = check_random_state(estimator.random_state)
        self.n_threads = check_threads(estimator.n_threads)
        self.runner = current_runner(self.n_threads)
        chunks = ChunkRows(self.runner, estimator, partitions.of(X, y, sample_weight))
        found = chunks.facts[0].attributes
        dtype = chunks.dtype if fresh else estimator.networks_[0].dtype
        if fresh:
            vars(estimator).update(found)
            targets = targets_class(estimator).fit(
                np.concatenate([each.y for each in chunks.facts])
            )
        else:
            inputs.check_features(estimator, found)
            targets = estimator.targets_
        loss = prepare_networks(estimator, found["n_features_in_"], dtype, targets, fresh)
        rms, y_rms = chunks.root_mean_squares()
        inputs.warn_about_scales(
            rms, y_rms if loss.output is None else None, found.get("feature_names_in_")
        )
        self.networks, self.n_members = estimator.networks_, len(estimator.networks_)
        self.lengths = chunks.lengths
        stopped = None if fresh else stopped
        if stopped is not None and (difference := stopped.difference(estimator, self.lengths)):
            warn(
                f"{difference} since the fit whose cluster failed, so a new training begins, from the "
                "networks that it has left."
            )
            stopped = None
        self.records = read_records(estimator) if stopped is None else deepcopy(stopped.records)
        settings = RoundSettings.read()
        n_parts = settings.n_parts(len(chunks.parts), chunks.n_rows, PART_ROWS)
        row_bytes = dtype.itemsize * found["n_features_in_"]
        self.held_out = (
            self._held_out(chunks.n_rows, row_bytes, random_state)
            if stopped is None
            else stopped.held_out
        )
        task = partial(
            _task,
            targets=targets,
            dtype=dtype,
            class_weight=self._class_weight(chunks, targets),
            held_out=self.held_out,
        )
        self.rows, held_out = chunks.store(task, settings, n_parts)
        n = int(self.rows.n_of_key.sum())
        batch_size = parameters.batch_size(estimator, n)
        alpha = float(estimator.alpha) * min(1.0, part_batch(batch_size, n_parts) / batch_size)
        self.data = RoundsData(self.rows, np.ones(1, bool), ArrayReader(loss, alpha), loss)
        self.n_rows = n
        self.members = []
        for net in self.networks:
            if fresh:
                parameters.init_parameters(net, estimator.activation, random_state)
            self.members.append(self._dask_member(net, held_out, random_state, fresh))
        self.open = list(range(self.n_members))  # networks that are not trained
        if stopped is not None:
            for member, each in zip(self.members, stopped.members, strict=True):
                each.apply(member)
            done = [each.is_done(estimator.max_iter) for each in stopped.members]
            self.open = [i for i in self.open if not done[i]]
        self.first_rngs = deepcopy([member.rng for member in self.members])

    def _check_support(self, X):
        estimator = self.estimator
        if not partitions.is_collection(X):
            raise ValueError(
                "y is a Dask collection, but X is in memory. Pass both as collections, or y.compute()."
            )
        if estimator.n_estimators > 1 and estimator.bagging is not None:
            raise ValueError(
                f"bagging={estimator.bagging!r} does not work with a Dask collection. Set bagging=None, "
                "so that each network trains on all rows, or n_estimators=1."
            )
        validation = estimator.validation_data
        if validation is not None and any(map(partitions.is_collection, validation)):
            raise ValueError(
                "validation_data must be in memory. Pass computed rows, such as X.compute()."
            )
        if parameters.optimizer(estimator).full_batch:
            raise ValueError(
                f"solver={estimator.solver!r} takes all rows in one step, which does not work with a "
                "Dask collection. Set solver='adam' or another one."
            )

    def _class_weight(self, chunks, targets):
        parameter = getattr(self.estimator, "class_weight", None)
        return None if parameter is None else chunks.class_weights(parameter, targets.classes)

    def _held_out(self, n, row_bytes, random_state):
        """Return the part of the rows that `early_stopping` holds out, in this process, and a seed."""
        estimator = self.estimator
        if not estimator.early_stopping or estimator.validation_data is not None:
            return 0.0, 0
        part, most = estimator.validation_fraction, HELD_OUT_BYTES / row_bytes
        if part * n > most:
            warn(
                f"validation_fraction={part} of {n:,} rows would take more than "
                f"{HELD_OUT_BYTES / 1e6:.0f} MB in this process, so about {most:,.0f} rows are held out."
            )
        return min(part, most / n), random_state.randint(2**31)

    def _dask_member(self, net, held_out, random_state, fresh):
        """Return a FitMember that trains on all rows."""
        estimator, validation, callbacks = self.estimator, None, []
        if estimator.validation_data is not None:
            validation, y = early_stopping.validation_rows(estimator, self.data.loss)
            callbacks = early_stopping.score_stopping(estimator, validation, y)
        elif estimator.early_stopping:
            X, y, weight = held_out
            if len(y) < 2:
                raise ValueError(
                    f"validation_fraction={estimator.validation_fraction} holds out {len(y)} of "
                    f"{self.n_rows + len(y)} rows, but at least 2 are needed. Increase "
                    "validation_fraction, or pass more rows."
                )
            encoded = estimator.targets_.encode(y, X.dtype, type(estimator).__name__)
            validation = Data.of(net, X, encoded, self.data.loss, weight)
            callbacks = early_stopping.score_stopping(estimator, validation, y)
        patience = parameters.patience(estimator, np.inf)
        if not fresh and patience is not None:
            record = self.records[len(self.members)]
            patience = parameters.patience(estimator, record.best_loss)
        rng = np.random.default_rng(random_state.randint(2**31))
        return FitMember(net, self.data, validation, callbacks, patience, rng, None)

    def run(self):
        """Run the sessions of all members."""
        if self.n_members == 1 and self.open:
            super().run()
            return
        line = ManyLine() if self.estimator.verbose else None
        trainings = Trainings(
            n=len(self.open), make=lambda i: self.session(self.open[i]), ended=_end
        )
        n_at_once = self.runner.n_at_once(self.rows.n_parts)
        StreamPool(trainings, n_at_once, line).run()
        raise_if_diverged(self.networks)

    def plan(self, member):
        m = self.members[member]
        if m.earlier is None or m.net.state is None:
            return super().plan(member)
        left = self.estimator.max_iter - m.earlier.n_epochs
        return self.plan_from(member, m.net.state, left)

    def run_and_end(self):
        """Run all sessions and set the fitted attributes. Return the ClusterError that came, or None."""
        interrupted, failure, stopped = False, None, None
        try:
            self.run()
        except KeyboardInterrupt:
            interrupted = True
        except ClusterError as error:
            if not any(member.whole_history().n_epochs for member in self.members):
                raise
            failure = ClusterError(f"{error} {CONTINUES}")
            failure.__cause__ = error.__cause__
            stopped = StoppedFit.of(self)
        finally:
            self.rows.close()
            self.runner.close()
        for member in self.members:
            member.history = member.whole_history()
        self.end(interrupted)
        vars(self.estimator)["_stopped_fit"] = stopped
        return failure


def _task(n_pieces, estimator, **values):
    return ChunkTask(n_pieces=n_pieces, estimator=estimator, **values)


def _end(i, session, error):
    if error is not None:
        raise error
