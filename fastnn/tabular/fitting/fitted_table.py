"""What one call of `fit` of an estimator for tables returns."""

from dataclasses import dataclass

import numpy as np

from ..table_model import TableModel


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
    interrupt : KeyboardInterrupt or None
        The interrupt that stopped training after some folds.
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
    interrupt: KeyboardInterrupt | None = None
