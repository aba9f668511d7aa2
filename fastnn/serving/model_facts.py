"""What a served model is: its target, its columns with a JSON schema and an example each, its score."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config import __version__
from ..tabular.typical_values import typical_values


@dataclass
class ColumnFacts:
    """A column that requests must have.

    Attributes
    ----------
    name : str or int
    kind : str
    about : str
        What its values are.
    schema : dict
        Of a value, as OpenAPI has it.
    example : object
    """

    name: Any
    kind: str
    about: str
    schema: dict
    example: Any


def describe_model(service, name):
    """Return the facts of `/model`, as a dict that JSON can hold.

    Parameters
    ----------
    service : TableService or NetworkService
    name : str
        The name of the file.
    """
    model = service.model
    classes = getattr(model, "classes_", None)
    facts = {
        "name": name,
        "fastnn": __version__,
        "estimator": getattr(model, "estimator_name", type(model).__name__),
        "target": None,
        "task": "number" if classes is None else "classes",
        "classes": None if classes is None else classes.tolist(),
    }
    if hasattr(model, "model_"):
        facts |= _describe_table_model(model, service.has_explanations)
    else:
        networks = [model] if service.is_network else model.networks_
        facts |= _describe_networks(networks)
    facts["columns"] = {str(column.name): column.kind for column in describe_columns(service)}
    return facts


def _describe_table_model(model, has_explanations):
    networks, score = model.model_.networks(), model.oof_score_
    threshold = getattr(model, "threshold_", None)
    quantiles = getattr(model.model_.targets.loss, "q", None)
    return {
        "target": model.model_.target_name,
        "threshold": None if threshold is None else float(threshold),
        "quantiles": None if quantiles is None else np.atleast_1d(quantiles).tolist(),
        "has_intervals": model.model_.errors is not None,
        "has_explanations": has_explanations,
        "score": None if score is None else {"name": model.oof_score_name_, "value": score},
        "folds": model.n_folds_,
        "folds_left": model.n_folds_remaining_,
        **_describe_networks(networks),
        "left_out": {str(name): reason for name, reason in model.left_out_.items()},
    }


def _describe_networks(networks):
    return {
        "networks": len(networks),
        "hidden": list(networks[0].layer_sizes[1:-1]) if networks else [],
        "parameters": sum(net.n_params for net in networks),
    }


# ---- columns ----


def describe_columns(service):
    """Return the ColumnFacts of the columns that requests must have, in the order of the table."""
    if not hasattr(service.model, "model_"):
        names = service.names or range(service.n_columns)
        schema = {"type": ["number", "boolean"]}
        return [ColumnFacts(name, "number", "a number", schema, 0) for name in names]
    model = service.model.model_
    features = model.features
    typical = typical_values(model)
    categories = features.value_categories()
    found = []
    for j in sorted(features.used(), key=lambda j: features.positions[j]):
        column = features.columns[j]
        name = column.label if service.has_names else features.positions[j]
        described = column.describe_json(categories.get(j), typical.get(j))
        found.append(ColumnFacts(name, column.kind, *described))
    return found


def example_row(service, columns):
    """Return a row as a client sends it. columns : list of ColumnFacts"""
    if service.has_names:
        return {column.name: column.example for column in columns}
    row = [None] * service.n_columns
    for column in columns:
        row[column.name] = column.example
    return row
