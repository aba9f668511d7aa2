"""The checkpoint of a fit that Ctrl-C has stopped, for `fit(resume=True)`."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

import numpy as np

from ..core.errors import Argument, DataError, Wording
from ..files.json_values import check, check_mapping, is_count, is_finite

MAX_FOLDS = 10_000
MAX_CONFIGURATIONS = 100
#: What is hashed to check that a resumed fit gets the same data, and the arguments to blame if it
#: does not.
DIGESTED = {
    "table": Wording(
        "X, or categories, numbers, dates, texts or drop",
        "rows, or --category, --number, --date, --text or --drop",
    ),
    "targets": Wording(
        "y, or loss, log_target or bounds", "targets, or --loss, --log-target or --bounds"
    ),
    "weights": Wording("sample_weight or class_weight", "--weight or --class-weight"),
    "networks": Wording(
        "n_estimators, hidden_layer_sizes, metric, monotone, random_state, groups, time or cv",
        "--folds, --hidden, --metric, --monotone, --seed, --group or --time",
    ),
}


@dataclass(frozen=True)
class SpareNetworks:
    """Trained networks that no member of the model has.

    Attributes
    ----------
    configuration, fold : int
    networks : list of MLP
        One or two, as in `Job.networks`.
    best : list of float
        As in `Job.best`.
    """

    configuration: int
    fold: int
    networks: list
    best: list


@dataclass(frozen=True)
class FitCheckpoint:
    """The state of a fit that has trained some networks.

    Attributes
    ----------
    folds : list of int
        Numbers of the folds that the members have, ascending.
    n_folds : int
        Number of all folds.
    fraction : float
        Part of the epochs of the recipe that networks train for.
    digests : dict of str to str
        One for each of `DIGESTED`: what training depends on.
    n_final : int
        Number of networks of each configuration that train on all rows, after the folds.
    best : list of list of list of float
        `Job.best` of the folds that are trained, for each configuration, if n_final is not 0.
    final : list of list of list of MLP
        The trained networks among these, for each configuration that has a weight.
    used : list of int, or None
        Numbers of the configurations that the members have; None: all.
    n_configurations : int
        Number of all configurations; 0: as many as there are members.
    spare : list of SpareNetworks
        Ascending by configuration and fold. A file has their networks in arrays, like those of `final`.
    """

    folds: list
    n_folds: int
    fraction: float
    digests: dict
    n_final: int = 0
    best: list = field(default_factory=list)
    final: list = field(default_factory=list)
    used: list | None = None
    n_configurations: int = 0
    spare: list = field(default_factory=list)

    @property
    def n_complete(self):
        """int: number of folds whose networks are all trained."""
        is_complete = self.used is None or len(self.used) == self.n_configurations
        return len(self.folds) if is_complete else 0

    @property
    def n_left(self):
        """int: number of folds, and of networks on all rows, that are left."""
        done = self.n_complete + (len(self.final[0]) if self.final else 0)
        return self.n_folds + self.n_final - done

    def describe(self):
        """Return a text about what the model has."""
        n = self.n_folds
        if self.n_final and self.n_complete == n:
            n_final = len(self.final[0]) if self.final else 0
            return f"all {n} folds, and {n_final} of {self.n_final} networks on all rows"
        if self.n_complete:
            return f"{self.n_complete} of {n} folds"
        used = f"{len(self.used or ())} of {self.n_configurations}"
        return f"{used} configurations on {len(self.folds)} of {n} folds"

    def restore(self, groups, members):
        """Give the trained networks to the jobs of a fit that continues.

        Parameters
        ----------
        groups : list of list of Job
            The jobs of each configuration.
        members : list of EnsembleMember
        """
        used = range(len(members)) if self.used is None else self.used
        for i, (c, member) in enumerate(zip(used, members)):
            for k, fold in enumerate(self.folds):
                groups[c][fold].networks = member.networks[k]
                if self.best:
                    groups[c][fold].best = self.best[i][k]
        for spare in self.spare:
            job = groups[spare.configuration][spare.fold]
            if any(list(net.layer_sizes) != job.layer_sizes for net in spare.networks):
                self.refuse("networks")
            job.networks, job.best = spare.networks, spare.best

    def check(self, digests):
        """Raise ValueError if training would not continue as it began."""
        for part in DIGESTED:
            if digests[part] != self.digests[part]:
                self.refuse(part)

    def spare_by_configuration(self):
        """Return {configuration: list of SpareNetworks}."""
        groups = groupby(self.spare, key=lambda spare: spare.configuration)
        return {configuration: list(spare) for configuration, spare in groups}

    def with_networks(self, spare, final):
        """Return the checkpoint of a file with its networks.

        spare : for each of the SpareNetworks its networks; final : as in the attribute
        """
        trained = [replace(s, networks=networks) for s, networks in zip(self.spare, spare)]
        return replace(self, spare=trained, final=final)

    def to_json(self):
        """Return a dict that JSON can hold."""
        out = dict(
            folds=self.folds, n_folds=self.n_folds, share=self.fraction, digests=self.digests
        )
        if self.n_final:
            out |= dict(n_final=self.n_final, best=self.best)
        if self.used is not None:
            spare = [[s.configuration, s.fold, s.best] for s in self.spare]
            out |= dict(used=self.used, n_configurations=self.n_configurations, spare=spare)
        return out

    @classmethod
    def from_json(cls, d):
        """Return the FitCheckpoint of a file, or raise an error of `damage_refused`."""
        fields = dict(check_mapping(d, "unfinished"))
        self = cls(fraction=fields.pop("share"), **fields)
        check(is_count(self.n_folds, MAX_FOLDS), "folds")
        _check_numbers(self.folds, self.n_folds, "folds")
        check(is_count(self.n_final, MAX_FOLDS), "n_final")
        self = replace(self, spare=self._read_spare())
        check(self.n_complete < self.n_folds + (self.n_final > 0), "folds")
        self._check_best()
        check(is_finite(self.fraction) and 0 <= self.fraction <= 1, "share of epochs")
        digests = check_mapping(self.digests, "digests")
        check(digests.keys() == DIGESTED.keys(), "digests")
        check(all(type(digest) is str for digest in digests.values()), "digests")
        return self

    def _read_spare(self):
        """Return the SpareNetworks of a file, without networks, after a check of `used`."""
        n = self.n_configurations
        check(is_count(n, MAX_CONFIGURATIONS) and isinstance(self.spare, list), "configurations")
        if self.used is None:
            check(n == 0 and not self.spare, "configurations")
            return []
        _check_numbers(self.used, n, "used")
        check(len(self.used) > 0, "used")
        spare, pairs = [], []
        for item in self.spare:
            check(isinstance(item, list) and len(item) == 3, "spare")
            c, fold, best = item
            check(is_count(c, n - 1) and is_count(fold, self.n_folds - 1), "spare")
            check(not (c in self.used and fold in self.folds), "spare")
            _check_fractions(best, "spare")
            spare.append(SpareNetworks(c, fold, [], best))
            pairs.append((c, fold))
        check(pairs == sorted(set(pairs)), "spare")
        return spare

    def _check_best(self):
        check(isinstance(self.best, list) and self.final == [], "best")
        for folds in self.best:
            check(isinstance(folds, list) and len(folds) == len(self.folds), "best")
            for parts in folds:
                _check_fractions(parts, "best")
                check(0 < len(parts) == len(folds[0]), "best")

    def refuse(self, part):
        """Raise the ValueError for a part that differs."""
        raise DataError(
            "{argument} continues a fit with the same rows and parameters, but other {what} were "
            "passed.",
            "Pass what the stopped fit had, or {no_resume}.",
            argument=Argument("resume", True),
            what=DIGESTED[part],
            no_resume=Argument("resume", False),
        )


def _check_numbers(numbers, n, name):
    """Check that a value of a file is a list of numbers below n, ascending."""
    check(isinstance(numbers, list) and all(is_count(k, n - 1) for k in numbers), name)
    check(numbers == sorted(set(numbers)), name)


def _check_fractions(parts, name):
    """Check that a value of a file is a list of at most two numbers from 0 to 1."""
    check(isinstance(parts, list) and len(parts) <= 2, name)
    check(all(is_finite(part) and 0 <= part <= 1 for part in parts), name)


def digests_of(features, rows, targets, jobs):
    """Return the digests of a fit, {part: text}.

    They depend on what the networks are trained with, not on how the caller passed it.
    `training_jobs.train` must not have trained the jobs yet.

    rows : FitRows
    """
    is_classifier = targets.is_classifier
    learned = repr(targets.labels.tolist() if is_classifier else (targets.loss, targets.log))
    if not is_classifier and targets.limits is not None:
        learned += repr(targets.limits)
    networks = [[asdict(job.configuration), job.fold, job.net.layer_sizes] for job in jobs]
    arrays = [array for job in jobs for array in (job.held_out, job.net.params)]
    return {
        "table": _digest(features.to_json(), *rows.numbers, rows.codes),
        "targets": _digest(learned, rows.y),
        "weights": _digest(rows.weight is None, *([] if rows.weight is None else [rows.weight])),
        "networks": _digest(networks, *arrays),
    }


def _digest(description, *arrays):
    digest = hashlib.blake2b(json.dumps(description).encode(), digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
