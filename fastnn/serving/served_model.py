"""Facts of a served model: its target, its columns with a JSON schema and an example each, its score."""

from dataclasses import dataclass
from typing import Any

from ..config import __version__


@dataclass
class RequestColumn:
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


def describe_served(service, name):
    """Return the facts of `/model`, as a dict that JSON can hold.

    Parameters
    ----------
    service : TableService or NetworkService
    name : str
        The name of the file.
    """
    facts, columns = service.facts, describe_columns(service)
    size = {
        "networks": facts.n_networks,
        "hidden": list(facts.hidden_sizes),
        "parameters": facts.n_params,
    }
    return {
        "name": name,
        "fastnn": __version__,
        "estimator": facts.estimator,
        "target": facts.target,
        "task": facts.task,
        "classes": None if facts.classes is None else list(facts.classes),
        **(_describe_training(facts, size) if facts.is_table else size),
        "columns": {str(column.name): column.kind for column in columns},
    }


def _describe_training(facts, size):
    """Return what only a model of a table knows, and the size of its networks."""
    score = None if facts.score is None else {"name": facts.score_name, "value": facts.score}
    return {
        "threshold": facts.threshold,
        "quantiles": None if facts.quantiles is None else list(facts.quantiles),
        "has_intervals": facts.has_intervals,
        "has_explanations": facts.has_explanations,
        "score": score,
        "folds": facts.n_folds,
        "folds_left": facts.n_folds_left,
        **size,
        "left_out": dict(facts.left_out),
    }


# ---- columns ----


def describe_columns(service):
    """Return the RequestColumn of the columns that requests must have, in the order of the table."""
    if not service.facts.is_table:
        names = service.names or range(service.n_columns)
        schema = {"type": ["number", "boolean"]}
        return [RequestColumn(name, "number", "a number", schema, 0) for name in names]
    features = service.model.features_
    categories = features.value_categories()
    found = []
    pairs = zip(service.facts.columns, features.used())
    for facts, j in sorted(pairs, key=lambda pair: pair[0].position):
        name = facts.name if service.has_names else facts.position
        described = features.columns[j].describe_json(categories.get(j), facts.typical)
        found.append(RequestColumn(name, facts.kind, *described))
    return found


def example_row(service, columns):
    """Return a row as a client sends it. columns : list of RequestColumn"""
    if service.has_names:
        return {column.name: column.example for column in columns}
    row = [None] * service.n_columns
    for column in columns:
        row[column.name] = column.example
    return row
