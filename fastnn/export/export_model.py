"""Describe a model for export: its inputs, their encoding, its networks, and what their outputs become.

Files of all formats are written from a `ExportModel`. A prediction is computed like this:

    columns of a table -> numbers and categories (Features) -> cells of an EncodedTable, one for each encoder
        -> outputs of networks -> mean of some -> finished (targets) -> weighted sum -> calibrated (targets)
        -> prediction

An MLP and the estimators for arrays begin with dense inputs or cells, and end with the outputs.
"""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from ..core.errors import Argument, DataError
from ..core.validation import check_number
from ..encoded_table import EncodedTable, TableLayout
from ..estimators import ensemble
from ..network import Network
from ..tabular.intervals import check_intervals, quantile_of_errors


@dataclass
class Layers:
    """The layers of networks that have the same sizes and activations.

    Attributes
    ----------
    weights : list of ndarray (n_networks, n_in, n_out)
    biases : list of ndarray (n_networks, n_out), or of None
    activations : tuple of str
    """

    weights: list
    biases: list
    activations: tuple

    @classmethod
    def from_networks(cls, networks, n_outputs=None):
        """Return the layers of a list of MLP; of the first outputs, if n_outputs is not None."""
        if not all(np.isfinite(net.params).all() for net in networks):
            raise ValueError(
                "the model has parameters that are NaN or infinite, so it cannot be exported. Train "
                "it again, for example with a lower learning rate."
            )
        weights = [np.stack(layer) for layer in zip(*(net.weights for net in networks))]
        biases: list = [None] * len(weights)
        if networks[0].bias:
            biases = [np.stack(layer) for layer in zip(*(net.biases for net in networks))]
            biases[-1] = biases[-1][:, :n_outputs]
        weights[-1] = weights[-1][:, :, :n_outputs]
        return cls(weights, biases, networks[0].activations)

    @property
    def n_networks(self):
        return len(self.weights[0])

    @property
    def sizes(self):
        """tuple: number of inputs, and units of each layer."""
        return self.weights[0].shape[1], *(W.shape[2] for W in self.weights)

    @property
    def n_params(self):
        return sum(part.size for part in (*self.weights, *self.biases) if part is not None)


@dataclass
class Group:
    """Networks that have the same sizes and inputs.

    Attributes
    ----------
    layers : Layers
    encoder : int
        Position of the encoder of their inputs.
    n_averaged : int
        The outputs of this many consecutive networks are averaged before they are finished.
    weight : float
        Weight of each finished mean in the prediction.
    """

    layers: Layers
    encoder: int = 0
    n_averaged: int = 1
    weight: float = 1.0


@dataclass
class Interval:
    """Prediction intervals of one coverage, from the predictions of all folds.

    They are `width` times a scale on both sides of the mean over folds, or with `errors` as of
    `estimators.ensemble.cv_plus`.

    Attributes
    ----------
    coverage : float
    n_folds : int
    n_bounds : int
        Number of targets.
    errors : list of ndarray (m, n_bounds), or None
        Those of each fold.
    rank : int
        Which of the sums of predictions and errors bounds an interval, from 1.
    width : float
    spread : Group or None
        Networks that expect errors, whose mean is the scale. Their numbers are those of
        `estimators.spread.Spread`.
    unit, largest, least : float
    knots, factors : tuple of float
    narrowest : float or None
        For several quantiles, whose distance is the scale: the least half of it.
    is_log : bool
        Whether errors are of logarithms.
    limits : (float, float)
        Of the bounds, perhaps infinite.
    """

    coverage: float
    n_folds: int
    n_bounds: int = 1
    errors: list | None = None
    rank: int = 0
    width: float = 1.0
    spread: Group | None = None
    unit: float = 1.0
    largest: float = 1.0
    least: float = 0.0
    knots: tuple = ()
    factors: tuple = ()
    narrowest: float | None = None
    is_log: bool = False
    limits: tuple = (-np.inf, np.inf)

    def set_spread(self, spread, encoder=0):
        """Take over the networks of a Spread. encoder : position of that of their inputs"""
        self.spread = Group(Layers.from_networks(spread.networks), encoder)
        self.unit, self.largest, self.least = spread.unit, spread.largest, spread.least
        self.knots, self.factors = spread.knots, spread.factors


@dataclass
class ExportModel:
    """A model that can be exported.

    Attributes
    ----------
    title : str
        What it is, in one line.
    dtype : numpy.dtype
        That of the networks.
    groups : list of Group
        Empty if there is only one class.
    n_inputs : int
        Number of dense inputs, of cells, or of columns.
    n_outputs : int
        Number of values or probabilities that are predicted for a row.
    input_names : list of str or None
        Names of dense inputs.
    layouts : list of TableLayout
        What the cells of each encoder stand for; empty for dense inputs.
    features : tabular.columns.features.Features or None
        The columns of a table, and the features that they become.
    encoders : list of tabular.encoder.Encoder
        They make cells of the features; empty without features.
    targets : tabular.targets.TableClasses or TableNumbers, or None
        They finish the outputs of networks, and calibrate probabilities.
    classes : ndarray or None
        The class that each probability is of.
    threshold : float or None
        For two classes: the second is predicted if its probability is at least this; None for the
        more probable class.
    is_binary : bool
        Whether the networks have one output, the probability of the second class.
    is_multilabel : bool
        Whether the outputs are the probabilities of labels, each predicted if it is above 1/2.
    is_network : bool
        Whether it is an MLP, whose outputs may be anything.
    interval : Interval or None
        The intervals that the file computes.
    """

    title: str
    dtype: np.dtype
    groups: list
    n_inputs: int
    n_outputs: int
    input_names: list | None = None
    layouts: list = field(default_factory=list)
    features: Any = None
    encoders: list = field(default_factory=list)
    targets: Any = None
    classes: np.ndarray | None = None
    threshold: float | None = None
    is_binary: bool = False
    is_multilabel: bool = False
    is_network: bool = False
    interval: Interval | None = None

    @property
    def all_groups(self):
        """list of Group: with the networks that expect errors at the end."""
        spread = None if self.interval is None else self.interval.spread
        return self.groups if spread is None else [*self.groups, spread]

    @property
    def text_layers(self):
        """dict of int to tabular.columns.text_layer.TextLayer: of each column of free text."""
        return {} if self.features is None else self.features.text_layers

    @property
    def n_text_outputs(self):
        """int: how many of the numbers, the last ones, are outputs of text layers."""
        return sum(layer.n_outputs for layer in self.text_layers.values())

    @property
    def n_params(self):
        known = (layer.weights[layer.squares > 0] for layer in self.text_layers.values())
        n = sum(weights.size for weights in known)
        return n + sum(group.layers.n_params for group in self.all_groups)


@dataclass
class Input:
    """A column of a table that a model reads.

    Attributes
    ----------
    name : str
        Its name, or x and its position if it has none.
    column : tabular.columns.column.Column
    categories : sequence of str
        Those of its values; empty for numbers and dates.
    """

    name: str
    column: Any
    categories: Any

    @property
    def is_text(self):
        """bool: whether its values are passed as texts."""
        return self.column.is_text(self.categories)


def to_export_model(model, layout=None, interval=None):
    """Return the ExportModel of a fitted model, or raise an error that says why there is none.

    interval : coverage of the intervals, None without
    """
    if interval is not None:
        interval = check_number("interval", interval, above=0, below=1)
    if isinstance(model, Network):
        _refuse_interval(interval, "a network")
        return _from_network(model, layout)
    if layout is not None:
        raise TypeError(
            "layout is what the inputs of an MLP stand for, but the model is of type "
            f"{type(model).__name__}, which has its own encoding. Leave layout out."
        )
    try:
        from sklearn.utils.validation import check_is_fitted

        from ..estimators import MLPClassifier, MLPRegressor
        from ..tabular import TabularClassifier, TabularRegressor
    except ImportError:  # without scikit-learn there are no estimators
        _refuse(model)
    if isinstance(model, (MLPClassifier, MLPRegressor)):
        check_is_fitted(model)
        return _from_estimator(model, isinstance(model, MLPClassifier), interval)
    if isinstance(model, (TabularClassifier, TabularRegressor)):
        check_is_fitted(model)
        return _from_tabular(model, interval)
    _refuse(model)


def _refuse_interval(interval, what):
    """Raise DataError if intervals are asked of a model that has none."""
    if interval is not None:
        raise DataError(
            "{argument} needs an MLPRegressor or a TabularRegressor, but the model is {what}.",
            "Leave {name} out.",
            argument=Argument("interval", interval),
            what=what,
        )


def _refuse(model):
    """Raise TypeError for a model that cannot be exported, and say what can."""
    advice = ""
    if hasattr(model, "steps"):
        advice = (
            " Export its last step, pipeline[-1], and do the other steps before you call it: a "
            "StandardScaler is (x - mean_) / scale_. TabularClassifier and TabularRegressor scale "
            "their inputs themselves."
        )
    elif hasattr(model, "best_estimator_"):
        advice = " Export its best_estimator_."
    elif isinstance(model, type):
        advice = " Pass a fitted object, not its class."
    elif isinstance(model, (str, bytes)) or hasattr(model, "__fspath__"):
        advice = " Load the file first: fastnn.load(path)."
    raise TypeError(
        "model must be a fastnn.MLP, MLPClassifier, MLPRegressor, TabularClassifier or "
        f"TabularRegressor, got {type(model).__name__}.{advice}"
    )


def _from_network(net, layout):
    if layout is not None and not isinstance(layout, TableLayout):
        advice = " Pass table.layout." if isinstance(layout, EncodedTable) else ""
        raise TypeError(
            f"layout must be the layout of a fastnn.EncodedTable, got {type(layout).__name__}.{advice}"
        )
    n_inputs, n_outputs = net.layer_sizes[0], net.layer_sizes[-1]
    if layout is not None and layout.n_inputs != n_inputs:
        raise ValueError(
            f"layout stands for {layout.n_inputs} inputs, but the network expects {n_inputs}. Pass "
            "the layout of the table that the network was trained on."
        )
    return ExportModel(
        repr(net),
        net.dtype,
        [Group(Layers.from_networks([net]))],
        n_inputs if layout is None else n_cells(layout),
        n_outputs,
        layouts=[] if layout is None else [layout],
        is_network=True,
    )


def cell_counts(layout):
    """Return the number of cells of each kind in a row of a table."""
    n_positions, n_codes = len(layout.n_bins), len(layout.n_categories)
    return {"numbers": layout.n_numbers, "positions": n_positions, "codes": n_codes}


def n_cells(layout):
    """Return the number of cells in a row of a table."""
    return sum(cell_counts(layout).values())


def _from_estimator(model, is_classifier, interval):
    networks = model.networks_
    if is_classifier:
        _refuse_interval(interval, "a classifier")
    classes = model.classes_ if is_classifier else None
    is_multilabel = is_classifier and model.targets_.is_multilabel
    has_one_class = classes is not None and len(classes) == 1 and not is_multilabel
    # how many outputs are predictions: those of gaussian_nll are means, then variances
    n_predicted = (
        model.targets_.from_outputs(np.zeros((2, model.n_outputs_))).reshape(2, -1).shape[1]
    )
    layers = Layers.from_networks(networks, None if is_classifier else n_predicted)
    names = getattr(model, "feature_names_in_", None)
    n = len(networks)
    sizes = "-".join(map(str, networks[0].layer_sizes))
    return ExportModel(
        f"{type(model).__name__}, {n} network{'s' * (n > 1)} {sizes}",
        networks[0].dtype,
        [] if has_one_class else [Group(layers, weight=1 / n)],
        model.n_features_in_,
        n_predicted,
        None if names is None else list(map(str, names)),
        classes=None if is_multilabel else classes,
        is_binary=n_predicted == 2 and model.n_outputs_ == 1,
        is_multilabel=is_multilabel,
        interval=None if interval is None else _interval_of_array(model, interval),
    )


def _interval_of_array(model, coverage):
    """Return the Interval of an MLPRegressor."""
    errors, spread = ensemble.check_errors(model), getattr(model, "spread_", None)
    if spread is not None:
        width = float(ensemble.error_of_rank(spread.errors, coverage, "interval"))
        found = Interval(coverage, len(model.networks_), width=width)
        found.set_spread(spread)
        return found
    rank = ensemble.rank_of_error(coverage, sum(map(len, errors)), "interval")
    return Interval(coverage, len(model.networks_), errors[0].shape[1], errors=errors, rank=rank)


def _from_tabular(model, interval):
    table, targets = model.model_, model.model_.targets
    if model.is_classifier:
        _refuse_interval(interval, "a classifier")
    classes, threshold = _classes_and_threshold(model)
    members = [member for member in table.members if member.weight]  # 0: of a fit that was stopped
    used = list(dict.fromkeys(member.encoder for member in members))
    groups = [
        Group(
            Layers.from_networks(list(chain.from_iterable(member.networks))),
            used.index(member.encoder),
            len(member.networks[0]),
            member.weight / len(member.networks),
        )
        for member in members
    ]
    encoders = [table.encoders[k] for k in used]
    if interval is not None:
        interval = _interval_of_table(table, interval, encoders)
    n_networks = sum(group.layers.n_networks for group in groups)
    n_columns = len(table.features.used())
    return ExportModel(
        f"{type(model).__name__}, {n_networks} networks, {n_columns} columns",
        np.dtype(np.float32),
        groups,
        n_columns,
        targets.n_out,
        layouts=[encoder_layout(encoder) for encoder in encoders],
        features=table.features,
        encoders=encoders,
        targets=targets,
        classes=classes,
        threshold=threshold,
        interval=interval,
    )


def _interval_of_table(table, coverage, encoders):
    """Return the Interval of a TableModel, and add the encoder of its networks if it is another one."""
    check_intervals(table)
    targets, spread = table.targets, table.spread
    found = Interval(
        coverage,
        table.n_folds,
        is_log=targets.log,
        limits=targets.limits_of_intervals,
    )
    if targets.n_out > 1:
        found.narrowest = targets.narrowest
    elif spread is None and not table.is_forward:
        found.errors = table.errors
        found.rank = ensemble.rank_of_error(coverage, sum(map(len, table.errors)), "interval")
        return found
    elif spread is not None:
        described = [encoder.to_json() for encoder in encoders]
        if spread.encoder.to_json() not in described:
            described.append(spread.encoder.to_json())
            encoders.append(spread.encoder)
        found.set_spread(spread, described.index(spread.encoder.to_json()))
    found.width = float(quantile_of_errors(table, coverage, "interval"))
    return found


def _classes_and_threshold(model):
    """Return the classes, and the threshold of the second of two; None without."""
    if not model.is_classifier:
        return None, None
    threshold = model.threshold_  # an error, if it was set after fit and does not fit
    return model.classes_, threshold if len(model.classes_) == 2 else None


def labels(classes):
    """Return classes as an array of texts (dtype object), int64 or float64: what files can hold."""
    values = classes.tolist()
    if all(isinstance(x, str) for x in values):
        return np.array(values, object)
    if all(isinstance(x, int) and -(2**63) < x < 2**63 for x in values):  # a bool is an int
        return np.array(values, np.int64)
    if all(isinstance(x, (int, float)) and float(x) == x for x in values):
        return np.array(values, np.float64)
    other = next((x for x in values if not isinstance(x, (str, int, float))), values[0])
    raise ValueError(
        f"an exported file can hold classes that are texts, numbers or Booleans, got {other!r} of type "
        f"{type(other).__name__}. Convert y to texts before fit."
    )


def encoder_layout(encoder):
    """Return the TableLayout of the tables that an encoder makes."""
    numbers = [np.array([scaling.median]) for scaling in encoder.scalings]
    return encoder.encode(numbers, np.full((1, len(encoder.n_categories)), -1)).layout


def table_inputs(features):
    """Return {source: Input} of the columns in use, in the order of the table. All names differ."""
    categories = features.value_categories()
    out, taken = {}, set()
    for source in features.used():
        column = features.columns[source]
        name = column.label if features.names is not None and column.label.strip() else ""
        name = name or f"x{features.positions[source]}"
        while name in taken:
            name += "_"
        taken.add(name)
        out[source] = Input(name, column, categories.get(source, ()))
    return out
