"""ModelFacts: the description that a network or an estimator gives of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ColumnFacts:
    """A column that a model reads.

    Attributes
    ----------
    name : str
        Its name, or its position as a text.
    kind : str
        The kind of its values, such as "number", "category" or "date".
    position : int
        Where a row has it.
    typical : float, str or None
        The median of numbers, or of dates in seconds since 1970, or the commonest category. None if
        the model does not know it.
    missing : float or None
        Share of the training rows without a value. None if the model does not know it, as for the
        next two.
    span : tuple of str or None
        The least value, the median and the largest value of numbers and dates.
    shares : tuple of float or None
        Of `categories`, among the training rows with a value.
    categories : tuple of str
        The categories that the model knows.
    """

    name: str
    kind: str
    position: int
    typical: Any = None
    missing: float | None = None
    span: tuple[str, str, str] | None = None
    shares: tuple[float, ...] | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """Description of a model: its task, columns, scores and size.

    `MLP.facts` and the method `facts` of the estimators return it. Only models of tables know their
    target, columns of other kinds than "number", and scores.

    Attributes
    ----------
    estimator : str
        The name of the class.
    is_table : bool
        Whether it is a model of tables, with the attributes and methods of
        `tabular.predictions.TablePredictions`.
    columns : tuple of ColumnFacts
        The columns that predictions read.
    has_names : bool
        Whether the columns have names.
    n_networks, n_params : int
    hidden_sizes : tuple of int
        Units of the hidden layers of the first network.
    weights : tuple of float
        Of the configurations of the networks of a table in the prediction.
    classes : tuple or None
        The classes, None if numbers are predicted.
    threshold : float or None
        The probability from which a row is of the second of two classes. None for the more probable
        class.
    threshold_rule : str or None
        The rule that chose it.
    quantiles : tuple of float or None
    bounds : tuple of float or None
        The range of the training targets, if predictions stay in it.
    target : str or None
        The column that it was taken from.
    left_out : dict of str to str
        Why columns are not read.
    monotone : dict of str to int
        The columns that predictions never fall in (+1), or never rise in (-1), by the weights of the
        networks.
    score : float or None
        On rows that were held out.
    score_name : str or None
    metric : str or None
        The name of the metric that was chosen.
    importances : dict of str to float
        Permutation importance of each column of the training table.
    score_drops : dict of str to float, or None
        What the score loses if a column is shuffled.
    split : str or None
        How the rows were split into folds.
    time, groups, weight : str or None
        The columns of the times, the groups and the weights of the training rows.
    n_folds, n_folds_left : int
        Folds, and those that are left to train after Ctrl-C.
    kept : str or None
        What was trained before Ctrl-C.
    n_rows : int or None
        Number of training rows whose contents the model knows, for `check`.
    n_background : int
        Number of training rows that the model keeps, with which explanations compare.
    has_intervals : bool
        Whether it predicts intervals, from the errors of held-out rows.
    metadata : dict of str to str
        The texts that its file holds besides, such as the record of `fastnn train`.
    """

    estimator: str
    columns: tuple[ColumnFacts, ...]
    has_names: bool
    n_networks: int
    n_params: int
    is_table: bool = False
    hidden_sizes: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    classes: tuple[Any, ...] | None = None
    threshold: float | None = None
    threshold_rule: str | None = None
    quantiles: tuple[float, ...] | None = None
    bounds: tuple[float, float] | None = None
    target: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)
    monotone: Mapping[str, int] = field(default_factory=dict, hash=False)
    score: float | None = None
    score_name: str | None = None
    metric: str | None = None
    importances: Mapping[str, float] = field(default_factory=dict, hash=False)
    score_drops: Mapping[str, float] | None = field(default=None, hash=False)
    split: str | None = None
    time: str | None = None
    groups: str | None = None
    weight: str | None = None
    n_folds: int = 0
    n_folds_left: int = 0
    kept: str | None = None
    n_rows: int | None = None
    n_background: int = 0
    has_intervals: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def is_classifier(self) -> bool:
        """Whether classes are predicted, not numbers."""
        return self.classes is not None

    @property
    def task(self) -> str:
        """The task: "classes" or "number", also for several targets or quantiles, and for each network."""
        return "classes" if self.is_classifier else "number"

    @property
    def has_explanations(self) -> bool:
        """Whether a model of a table explains rows by itself. One class needs no background."""
        return self.n_background > 0 or not self.n_networks


def network_columns(names: Iterable[Any] | None, n_columns: int) -> tuple[ColumnFacts, ...]:
    """Return the columns of a network: numbers. names : None if they have none"""
    labels = map(str, range(n_columns) if names is None else names)
    return tuple(ColumnFacts(label, "number", i) for i, label in enumerate(labels))


def network_sizes(networks: Sequence[Any]) -> dict[str, Any]:
    """Return the facts about the size of networks."""
    return {
        "n_networks": len(networks),
        "n_params": sum(net.n_params for net in networks),
        "hidden_sizes": tuple(networks[0].layer_sizes[1:-1]) if networks else (),
    }
