"""Models in files as the command line uses them: without scikit-learn, which takes a second to import.

They have the attributes and the predictions of the estimator that the file holds, but cannot be
fitted.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from ..files import safetensors
from ..files.checks import damage_refused
from . import tabular_file
from .predictions import ClassPredictions, NumberPredictions

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


class _Stored:
    """The attributes of a FileContent.

    Attributes
    ----------
    estimator_name : str
        The class of the estimator in the file.
    metric : str or object
        Its parameter; no text for a function of the user.
    """

    metadata_: dict[str, str]
    columns_: dict[Any, str]
    left_out_: dict[Any, str]
    feature_importances_: NDArray[np.float64]
    oof_score_: float | None
    oof_score_name_: str
    feature_score_drops_: NDArray[np.float64] | None
    n_features_in_: int
    n_folds_: int
    n_folds_remaining_: int

    def __init__(self, content):
        self.estimator_name = content.estimator
        self.n_threads = -1
        self.metric = content.parameters.get("metric", "auto")
        vars(self).update(content.fitted)

    def _estimator_name(self):
        return self.estimator_name

    def _reading(self):
        return nullcontext()


class StoredClassifier(_Stored, ClassPredictions):
    """A TabularClassifier in a file."""

    def __init__(self, content):
        super().__init__(content)
        self.threshold = content.parameters.get("threshold")
        self.model_.targets.find_threshold(self.threshold)  # raises an error if it is damaged


class StoredRegressor(_Stored, NumberPredictions):
    """A TabularRegressor in a file."""


def load(path):
    """Return the StoredClassifier or StoredRegressor of a file.

    Raises
    ------
    ModelFileError
        The file does not hold an estimator for tables, is damaged, or was written by a newer
        version.
    """
    with safetensors.reading(path) as reader, damage_refused("model"):
        content = tabular_file.read_content(reader)
        is_classifier = content.fitted["model_"].targets.is_classifier
        return (StoredClassifier if is_classifier else StoredRegressor)(content)
