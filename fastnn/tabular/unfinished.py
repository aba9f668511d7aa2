"""What `fit(resume=True)` needs to continue a fit that Ctrl-C has stopped."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from ..errors import Argument, DataError, Wording

#: The parts of a fit that have a digest, and what of them the caller may have changed.
PARTS = {
    "table": Wording(
        "X, or categories, numbers, dates or drop",
        "rows, or --category, --number, --date or --drop",
    ),
    "targets": Wording("y, or loss or log_target", "targets, or --loss or --log-target"),
    "weights": Wording("sample_weight or class_weight", "--class-weight"),
    "networks": Wording(
        "n_estimators, hidden_layer_sizes, metric, random_state or groups",
        "--members, --hidden, --metric or --seed",
    ),
}


@dataclass
class Unfinished:
    """The state of a fit that has trained some folds.

    Attributes
    ----------
    folds : list of int
        Numbers of the folds that are trained, ascending.
    n_folds : int
        Number of all folds.
    share : float
        Share of the epochs of the recipe that networks train for.
    digests : dict of str to str
        One for each of `PARTS`: what training depends on.
    """

    folds: list
    n_folds: int
    share: float
    digests: dict

    def check(self, digests):
        """Raise ValueError if training would not continue as it began."""
        for part in PARTS:
            if digests[part] != self.digests[part]:
                self.refuse(part)

    def refuse(self, part):
        """Raise the ValueError for a part that differs."""
        raise DataError(
            "{argument} continues a fit with the same rows and parameters, but other {what} were "
            "passed.",
            "Pass what the stopped fit had, or {no_resume}.",
            argument=Argument("resume", True),
            what=PARTS[part],
            no_resume=Argument("resume", False),
        )


def digests_of(features, numbers, codes, y, weight, targets, classes, jobs):
    """Return the digests of a fit, {part: text}.

    They depend on what the networks are trained with, not on how the caller passed it.
    `training.train` must not have trained the jobs yet.

    classes : ndarray (n_classes,) or None
    """
    learned = repr(classes.tolist() if targets.is_classifier else (targets.loss, targets.log))
    networks = [[str(job.configuration), job.fold, job.net.layer_sizes] for job in jobs]
    arrays = [array for job in jobs for array in (job.held_out, job.net.params)]
    return {
        "table": _digest(features.to_json(), *numbers, codes),
        "targets": _digest(learned, y),
        "weights": _digest(weight is None, *([] if weight is None else [weight])),
        "networks": _digest(networks, *arrays),
    }


def _digest(description, *arrays):
    digest = hashlib.blake2b(json.dumps(description).encode(), digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
