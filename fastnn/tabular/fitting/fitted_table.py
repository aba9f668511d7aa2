"""What one call of `fit` returns: the model, and what was found out about its rows."""

from dataclasses import dataclass

import numpy as np

from ..checkpoint import FitCheckpoint, SpareNetworks
from ..forward_folds import concatenate
from ..metrics import name_weighted
from ..row_split import FoldRows
from ..table_model import EnsembleMember, TableModel
from . import permutation

#: For the importances, although the limit may be over: those of a few rows are noise.
LEAST_SECONDS = 0.5


@dataclass(eq=False, repr=False)
class FittedTable:
    """What one call of `fit` returns.

    Attributes
    ----------
    model : TableModel
    importances : ndarray (n_columns,)
    oof_prediction : ndarray (n, ...)
    oof_rows : ndarray (n,) of int, or None
        The numbers of these rows in the table; None: these are all rows.
    fold_of_row : ndarray (n,) of int, or None
        Position of the fold that held out each row among those that are trained, -1 for none.
    oof_score : float or None
    oof_score_name : str
        What it is.
    oof_threshold : ndarray (n,) or None
        As `OutOfFold.threshold_of_row`.
    score_drops : ndarray (n_columns,) or None
        By how much the score gets worse if a column is shuffled; None if it is undefined.
    interrupt : KeyboardInterrupt, ClusterError or None
        What stopped training after some folds.
    """

    model: TableModel
    importances: np.ndarray
    oof_prediction: np.ndarray
    oof_rows: np.ndarray | None
    fold_of_row: np.ndarray | None
    oof_score: float | None
    oof_score_name: str
    oof_threshold: np.ndarray | None
    score_drops: np.ndarray | None
    interrupt: BaseException | None = None


def end(fit, n_most=np.inf):
    """Return the FittedTable of the folds of a TableFit that are done.

    n_most : number of rows for the importances, at most
    """
    out_of_fold, setup = fit.out_of_fold, fit.setup
    oof_prediction, fold_of_row = out_of_fold.all_rows()
    model = _model_of_folds(fit)
    model.errors = out_of_fold.errors()
    importances, drops = permutation.importances(
        model,
        setup.rows,
        [fit.folds[fold] for fold in out_of_fold.done],
        fit.task,
        fit.random_state,
        setup.n_threads,
        min(n_most, fit.rows_for_importances(len(model.members), least=LEAST_SECONDS)),
        (lambda parts: _encode_as_seen(fit, model, parts)) if fit.split.is_forward else None,
    )
    score = out_of_fold.score_all(oof_prediction, fold_of_row)
    fit.task.warn_undefined(score, int((fold_of_row >= 0).sum()))
    if fit.final is not None and fit.final.is_done:
        histories = model.histories()
        model = _final_model(fit, model.errors)
        model.fold_histories = histories
    if fit.split.is_forward:
        model.block_of_row = fold_of_row
    model.folds = FoldRows.of([fit.folds[fold] for fold in out_of_fold.done], fold_of_row)
    return FittedTable(
        model,
        importances,
        oof_prediction,
        _oof_rows(fit),
        fold_of_row,
        score,
        name_weighted(fit.task.score_name, fit.sample_weight),
        out_of_fold.threshold_of_row,
        drops,
    )


def end_without_networks(fit):
    """Return the FittedTable of targets of one class."""
    model, rows = empty_model(fit, []), fit.setup.rows
    importances = np.zeros(fit.features.n_columns)
    oof_prediction = np.ones((len(rows), 1))
    score = fit.task.score(fit.setup.targets, oof_prediction, *rows.targets(slice(None)))
    fit.task.warn_undefined(score, len(rows))
    name = name_weighted(fit.task.score_name, fit.sample_weight)
    return FittedTable(
        model, importances, oof_prediction, _oof_rows(fit), None, score, name, None, None
    )


def empty_model(fit, encoders):
    """Return a TableModel without networks."""
    split = None if fit.split is None else fit.split.description
    model = TableModel(fit.features, encoders, [], fit.setup.targets, fit.target_name, split=split)
    model.background = fit.background
    model.profile = fit.profile
    return model


def _model_of_folds(fit):
    """Return the TableModel of the networks of the folds that are done."""
    done, groups, checkpoint = fit.out_of_fold.done, fit.jobs_by_configuration(), None
    _, weights, _ = fit.out_of_fold.choice
    chosen = [(groups[c], weight) for c, weight in zip(fit.out_of_fold.used, weights)]
    is_last = fit.final is None or fit.final.is_done
    if not is_last or not all(job.networks for job in fit.jobs):  # `resume` needs all networks
        checkpoint = _checkpoint(fit)
    else:
        chosen = [(group, weight) for group, weight in chosen if weight > 0]
    used = list(dict.fromkeys(group[0].configuration.encoding for group, _ in chosen))
    model = empty_model(fit, [fit.encoders[settings] for settings in used])
    model.members = [
        EnsembleMember(
            used.index(group[0].configuration.encoding),
            float(weight),
            [group[fold].networks for fold in done],
        )
        for group, weight in chosen
    ]
    model.checkpoint = checkpoint
    return model


def _encode_as_seen(fit, model, parts):
    """Return the tables that the encoders of a model make of rows as folds see them.

    parts : list of ndarray of int
        Some of the rows that each fold scores.
    """
    settings = {id(encoder): settings for settings, encoder in fit.encoders.items()}
    tables = []
    for encoder in model.encoders:
        jobs = {j.fold: j for j in fit.jobs if j.configuration.encoding == settings[id(encoder)]}
        seen = []
        for fold, part in zip(fit.out_of_fold.done, parts):
            job = jobs[fold]
            seen.append(job.held_out_table()[np.searchsorted(job.held_out, part)])
        tables.append(concatenate(seen))
    return tables


def _checkpoint(fit):
    """Return the FitCheckpoint of a fit that was stopped."""
    done, used, final = fit.out_of_fold.done, fit.out_of_fold.used, fit.final
    groups = fit.jobs_by_configuration()
    found = FitCheckpoint(done, len(fit.folds), fit.setup.fraction, fit.digests)
    found.used, found.n_configurations = used, len(groups)
    found.spare = [
        SpareNetworks(c, job.fold, job.networks, job.best)
        for c, jobs in enumerate(groups)
        for job in jobs
        if job.networks and not (c in used and job.fold in done)
    ]
    if final is not None:
        found.n_final = final.n
        found.best = [[groups[c][k].best for k in done] for c in used]
        found.final = final.networks() if final.n_done else []
    return found


def _final_model(fit, errors):
    """Return the TableModel of the networks that were trained on all rows.

    errors : list of ndarray, or None
        Of the predictions of the folds.
    """
    used = list(dict.fromkeys(job.configuration.encoding for job in fit.final.jobs))
    model = empty_model(fit, [fit.encoders[settings] for settings in used])
    model.members = fit.final.members(used)
    model.errors = None if errors is None else [np.concatenate(errors)]
    return model


def _oof_rows(fit):
    """Return the numbers of the rows in memory, None for all rows."""
    return None if fit.large is None else fit.large.numbers
