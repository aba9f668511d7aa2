"""The ModelFacts of a model for tables."""

import numpy as np

from ..core.model_facts import ColumnFacts, ModelFacts, network_sizes
from . import metrics


def describe(estimator, name):
    """Return the ModelFacts of a fitted model.

    Parameters
    ----------
    estimator : TablePredictions
    name : str
        The class of the estimator.
    """
    model = estimator.model_
    features, targets, split = model.features, model.targets, model.split
    labels = features.names or list(map(str, range(features.n_columns)))
    drops, quantiles = estimator.feature_score_drops_, getattr(targets.loss, "q", None)
    is_classifier, threshold, rule = estimator.is_classifier, None, None
    if is_classifier:
        threshold, rule = estimator.threshold_, estimator.threshold
    return ModelFacts(
        estimator=name,
        is_table=True,
        columns=_columns(model),
        has_names=features.names is not None,
        **network_sizes(model.networks()),
        weights=tuple(member.weight for member in model.members),
        classes=tuple(targets.labels.tolist()) if is_classifier else None,
        threshold=None if threshold is None else float(threshold),
        threshold_rule=rule if isinstance(rule, str) else None,
        quantiles=None if quantiles is None else tuple(np.atleast_1d(quantiles).tolist()),
        bounds=None if is_classifier or model.is_forward else targets.bounds,
        target=model.target_name,
        left_out=dict(features.left_out),
        score=estimator.oof_score_,
        score_name=estimator.oof_score_name_,
        metric=metrics.known_name(estimator.metric, is_classifier),
        importances=dict(zip(labels, estimator.feature_importances_.tolist())),
        score_drops=None if drops is None else dict(zip(labels, drops.tolist())),
        split=estimator.split_,
        time=model.time_column,
        groups=None if split is None else split.groups,
        weight=None if split is None else split.weight,
        n_folds=model.n_folds,
        n_folds_left=model.n_folds_remaining,
        kept=None if model.checkpoint is None else model.checkpoint.describe(),
        n_rows=None if model.profile is None else model.profile.n_rows,
        n_background=0 if model.background is None else len(model.background),
        has_intervals=model.errors is not None,
        metadata=dict(estimator.metadata_),
    )


def _columns(model):
    """Return the ColumnFacts of the columns in use."""
    features, profile = model.features, model.profile
    middles, categories = _medians(model), features.value_categories()
    found = []
    for j in features.used():
        column, held = features.columns[j], None if profile is None else profile.columns[j]
        missing = None if held is None else held.n_missing / profile.n_rows
        own = column.facts(held, middles.get(j), categories.get(j, ()))
        found.append(
            ColumnFacts(column.label, column.kind, features.positions[j], missing=missing, **own)
        )
    return tuple(found)


def _medians(model):
    """Return the exact medians of the training rows. A profile has those of 64 quantiles."""
    if not model.encoders:
        return {}
    pairs = zip(model.features.numbers, model.encoders[0].scalings)
    return {f.source: float(scaling.median) for f, scaling in pairs if f.part == "value"}
