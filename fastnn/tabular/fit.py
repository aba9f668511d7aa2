"""One call of `fit`: from the table to the members of the ensemble."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ..errors import Argument, DataError
from ..messages import plural
from ..validation import check_threads
from . import budget, importances, selection, training, weighting
from .encoder import Encoder, Scaling
from .features import NO_COLUMN, Features
from .folds import group_numbers, split_rows, weights_of
from .progress import ProgressReporter
from .unfinished import Unfinished, digests_of


@dataclass(eq=False, repr=False)
class Member:
    """The networks of one configuration.

    Attributes
    ----------
    encoder : int
        Position of their encoder in the estimator's list.
    share : float
        Their share of the prediction. It is 0 only while folds are left to train.
    networks : list of list of MLP
        One or two for each fold, whose outputs are averaged.
    """

    encoder: int
    share: float
    networks: list


class Fit:
    """The table, the networks and the choice among them in one call of `fit`.

    Parameters
    ----------
    estimator : TabularClassifier or TabularRegressor
    X, y, sample_weight, groups, window
        As in `fit`.

    Attributes
    ----------
    large : LargeTable or None
        The table, if the rows in memory are a sample of it.
    jobs : list of Job
        All folds of one configuration, then all of the next.
    seed : int
        Of the generator that shuffles columns for their weights. It is the same if the fit is resumed.
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    done : list of int
        Numbers of the folds whose networks are trained, ascending.
    choice : tuple
        What `choose` returned for these folds.
    score : float or None
        `oof_score_` of these folds.
    stored : EncodedRows or None
        All rows of a large table.
    """

    stored: Any = None

    def __init__(self, estimator, X, y, sample_weight, groups, window):
        e = self.estimator = estimator
        self.clock = budget.Clock(e.time_limit)
        for name, values in (("sample_weight", sample_weight), ("groups", groups)):
            if isinstance(values, str):
                raise DataError(
                    "{argument} must be an array with one value for each row, got {value!r}.",
                    "Pass the values of the column, and name it in {drop} if it is no input.",
                    argument=name,
                    value=values,
                    drop=Argument("drop"),
                )
        rows, self.large = e._read_rows(X, y, sample_weight, window)
        frame, y, weight = rows.frame, rows.y, rows.weight
        n = self.n = frame.n_rows
        if n < 2:
            raise ValueError(f"fit needs at least 2 rows, got {plural(n, 'sample')}.")
        if weight is not None:
            weight = _check_sample_weight(weight, np.zeros(n), ensure_non_negative=True)
        n_all = n if self.large is None else self.large.n_rows
        self.groups = None if groups is None else group_numbers(groups, n_all)
        self.hidden = e._hidden_sizes()
        self.random_state = check_random_state(e.random_state)
        self.n_threads = check_threads(e.n_threads)
        n_rows_of_class = None
        if self.large is None:
            self.y = e._fit_targets(y, weight)
        else:
            self.y = self.large.fit_targets(y, weight)
            n_rows_of_class = self.large.n_rows_of_class
        self.weight = weight = e._multiply_class_weights(self.y, weight, n_rows_of_class)
        if weight is not None and not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"the sum of the weights of the rows is {weight.sum():g}. At least one weight must be "
                "above 0, and their sum finite."
            )
        columns = (e.numbers, e.categories, e.dates, e.drop)
        with contextlib.nullcontext() if self.large is None else self.large.row_numbers():
            e._features = Features.fit(frame, *(() if v is None else v for v in columns))
            self.numbers, self.codes = e._features.transform(frame)
        e._describe_columns()
        self.targets, self.done, self.score = e._targets, [], None

    def run(self, unfinished=None, members=()):
        """Train the networks, and set the fitted attributes of the estimator.

        Parameters
        ----------
        unfinished : Unfinished, optional
            The fit to continue.
        members : list of Member
            Its networks, of all configurations.

        Returns
        -------
        KeyboardInterrupt or None
            The interrupt that stopped training after some folds.
        """
        with self.large or contextlib.nullcontext():
            return self._run(unfinished, members)

    def _run(self, unfinished, members):
        self.make_jobs(unfinished, members)
        done, interrupt = list(self.done), None
        e, line = self.estimator, None
        if e.verbose or e._on_progress is not None:
            line = ProgressReporter(self, e._on_progress, bool(e.verbose))
        try:
            self.train(line)
        except KeyboardInterrupt as error:
            self.update_done()
            if self.done == done:  # nothing is new
                raise
            interrupt = error
        finally:
            if line is not None:
                line.end()
        self.end()
        return interrupt

    # ---- before training ----

    def make_jobs(self, unfinished, members):
        """Encode the table and make the networks. Those of an unfinished fit have been trained."""
        from . import file  # it imports Member

        e = self.estimator
        m = self.split()
        configurations = list(dict.fromkeys(e._configurations(m)))
        self.encoders = self.fit_encoders(configurations)
        configurations = [c for c in configurations if c.encoding in self.encoders]
        n_folds = len(self.folds)
        budget.check_memory(
            self.encoders, self.hidden, self.targets.n_out, n_folds, e._features, self.n
        )
        file.check_before_training(e, list(self.encoders.values()), n_folds)
        self.tables = {s: c.encode(self.numbers, self.codes) for s, c in self.encoders.items()}
        self.learned = self.targets.encode(self.y)
        self.jobs = training.make_jobs(
            configurations, self.tables, self.folds, self.targets, self.hidden, self.random_state
        )
        if self.large is not None:
            self.stored = self.large.store(self)
            for job in self.jobs:
                job.n_train = self.stored.n_train(job.fold)
        if unfinished is None:
            self.clock.reserve(
                self.encoders,
                self.jobs,
                self.numbers,
                self.codes,
                e._features.sources(),
                self.n_threads,
            )
            n_configurations, self.share = self.clock.plan(
                self.jobs, self.learned, self.targets, n_folds, self.n_threads, self.stored
            )
        else:
            n_configurations, self.share = len(members), unfinished.share
        del self.jobs[n_configurations * n_folds :]
        self.seed = self.random_state.randint(2**31)
        self.predictions = [None] * len(self.jobs)
        self.digests = digests_of(
            e._features,
            self.numbers,
            self.codes,
            self.y,
            self.weight,
            self.targets,
            getattr(e, "classes_", None),
            self.jobs,
        )
        if unfinished is not None:
            unfinished.check(self.digests)
            for i, job in enumerate(self.jobs):
                if job.fold in unfinished.folds:
                    networks = members[i // n_folds].networks
                    job.networks = networks[unfinished.folds.index(job.fold)]
            self.update_done()

    def split(self):
        """Set the folds. Return the number of rows that each network trains on."""
        n_estimators = self.estimator.n_estimators
        if self.large is not None:
            self.folds = self.large.split(n_estimators, self.groups, self.random_state)
            return round(self.large.n_rows * (1 - 1 / self.large.n_folds))
        labels = self.y if self.targets.is_classifier else None
        self.folds = split_rows(self.n, n_estimators, labels, self.groups, self.random_state)
        return len(self.folds[0][0])

    def fit_encoders(self, configurations):
        """Return {Settings: Encoder} of the configurations, without those that have no inputs."""
        features, numbers = self.estimator._features, self.numbers
        scalings = [Scaling.fit(x, n.part == "value") for n, x in zip(features.numbers, numbers)]
        target = self.targets.for_trees(self.y)
        out = {}
        for settings in dict.fromkeys(c.encoding for c in configurations):
            n_levels = [
                0 if category.part == "day of year" and not settings.days else category.n_levels
                for category in features.categories
            ]
            encoder = Encoder.fit(scalings, numbers, n_levels, target, settings, self.hidden[0])
            if encoder.n_inputs:
                out[settings] = encoder
        if not out:
            raise DataError(
                "{what}: the values of {columns} differ too little or too much.",
                "Rescale them.",
                what=NO_COLUMN,
                columns=", ".join(features.kinds()),
            )
        return out

    # ---- during training ----

    def train(self, line):
        """Train the networks that are left, fold by fold.

        If there are configurations with weighted columns, the first configuration is trained on all
        folds before the others, since the weights come from its networks.
        """
        n_folds = len(self.folds)
        first, others = self.jobs[:n_folds], self.jobs[n_folds:]
        weighted = [job for job in others if job.configuration.weighted and not job.networks]
        if n_folds > 1 and weighted:
            self.train_jobs(first, line)
            sources = self.estimator._features.sources()
            weights = weighting.column_weights(
                first,
                self.encoders[first[0].configuration.encoding],
                sources,
                self.y,
                self.weight,
                self.targets,
                np.random.default_rng(self.seed),
                self.n_threads,
            )
            weighting.set_weights(weighted, weights, self.encoders, sources)
        self.train_jobs(self.jobs, line)

    def train_jobs(self, jobs, line):
        """Train the networks of jobs that are left."""
        training.train(
            [job for job in jobs if not job.networks],
            self.learned,
            self.weight,
            self.targets,
            self.hidden[0],
            self.n_threads,
            self.share,
            self.end_job,
            line,
            self.stored,
        )

    def end_job(self, job):
        """Update the score after the last network of a fold."""
        if all(other.networks for other in self.jobs if other.fold == job.fold):
            self.update_done()

    def update_done(self):
        """Set `done` and `score`."""
        trained: list = [[] for _ in self.folds]
        for job in self.jobs:
            trained[job.fold].append(bool(job.networks))
        self.done = [fold for fold, each in enumerate(trained) if all(each)]
        if self.done:
            rows, _, P = self.choice = self.choose()
            self.score = self.estimator._score(P, self.y[rows], weights_of(self.weight, rows))

    # ---- the choice ----

    def choose(self):
        """Choose among the configurations by the folds that are done.

        Returns
        -------
        rows : ndarray of intp
            The rows that these folds hold out.
        shares : ndarray (n_configurations,)
        P : ndarray (n_rows, ...)
            Out-of-fold predictions of these rows.
        """
        rows = np.concatenate([self.folds[fold][1] for fold in self.done])
        n_folds = len(self.folds)
        predictions = [
            np.concatenate([self.predict_held_out(i + fold) for fold in self.done])
            for i in range(0, len(self.jobs), n_folds)
        ]
        weight = weights_of(self.weight, rows)
        shares = selection.greedy(predictions, self.y[rows], weight, self.targets)
        P = selection.weighted_mean(shares, predictions)
        if self.targets.is_classifier:
            self.targets.fit_temperature(P, self.y[rows], weight)
            P = self.targets.calibrate(P)
        return rows, shares, P

    def predict_held_out(self, i):
        """Return the predictions of the networks of job i for the rows that they held out."""
        if self.predictions[i] is None:
            job = self.jobs[i]
            Y = training.outputs(job.networks, job.table[job.held_out], self.n_threads)
            self.predictions[i] = self.targets.finish(Y)
        return self.predictions[i]

    def end(self):
        """Set the fitted attributes."""
        e, n_folds, n_done = self.estimator, len(self.folds), len(self.done)
        rows, shares, P = self.choice
        groups = [self.jobs[i : i + n_folds] for i in range(0, len(self.jobs), n_folds)]
        chosen = list(zip(groups, shares))
        e._unfinished = None
        if n_done < n_folds:  # `fit(resume=True)` needs all networks
            e._unfinished = Unfinished(self.done, n_folds, self.share, self.digests)
        else:
            chosen = [(group, share) for group, share in chosen if share > 0]
        used = list(dict.fromkeys(group[0].configuration.encoding for group, _ in chosen))
        e._encoders = [self.encoders[settings] for settings in used]
        e._members = [
            Member(
                used.index(group[0].configuration.encoding),
                float(share),
                [group[fold].networks for fold in self.done],
            )
            for group, share in chosen
        ]
        e.n_folds_, e.n_folds_left_ = n_done, n_folds - n_done
        e.oof_prediction_ = np.full((self.n, *P.shape[1:]), np.nan)
        e.oof_prediction_[rows] = P
        e._fold_of_row = np.full(self.n, -1)
        for i, fold in enumerate(self.done):
            e._fold_of_row[self.folds[fold][1]] = i
        e._set_scores(self.y, self.weight)
        e.feature_importances_ = importances.permutation(
            e,
            self.numbers,
            self.codes,
            self.y,
            self.weight,
            [self.folds[fold] for fold in self.done],
            self.random_state,
            self.n_threads,
        )
