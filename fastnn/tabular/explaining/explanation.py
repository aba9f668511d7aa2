"""Explanation: what each column contributes to each prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.messages import plural
from . import explanation_text
from .scales import find_output

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(eq=False, repr=False)
class Explanation:
    """What each column contributes to each prediction: Shapley values against background rows.

    A prediction is `base_values` plus the sum of its `values`. The base is the mean prediction of
    the background rows. If two columns have the same information, they share its contribution.
    Contributions describe the model, not causes.

    If the model predicts one number for a row (a regression, or the probability of the second of
    two classes), arrays have no axis of outputs. Otherwise their last axis has the classes, or the
    quantiles. `of` returns the explanation of one of them.

    Attributes
    ----------
    values : ndarray (n, n_columns), or (n, n_columns, n_outputs)
        The contributions.
    standard_errors : ndarray of the same shape
        Standard errors of `values`, which come from the choice of permutations and of background
        rows; 0 if they are exact.
    base_values : ndarray (n,), or (n, n_outputs)
        The base, which is the same for all rows.
    predictions : ndarray of the same shape
        The predictions on this scale.
    columns : list of str or int
        Names of the columns that the model uses, or their positions if columns have no names.
    data : ndarray (n, n_columns) of object
        The values of the rows: numbers, and texts of categories and dates. None is missing.
    scale : {"probability", "log-odds", "target"}
    outputs : list
        Classes or quantiles; one item if there is no such axis, the second of two classes, or None
        for the number of a regression.
    n_permutations : int or None
        None if the values are exact.
    n_background : int
        Number of background rows.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    base_values: NDArray[np.float64]
    predictions: NDArray[np.float64]
    columns: list[Any]
    data: NDArray[Any]
    scale: str
    outputs: list[Any]
    n_permutations: int | None
    n_background: int

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.values.shape))
        how = "exact" if self.n_permutations is None else f"{self.n_permutations} permutations"
        rows = plural(self.n_background, "background row")
        return f"<Explanation {shape}: {self.scale}, {how}, {rows}>"

    def __str__(self) -> str:
        return self.to_text()

    def of(self, output: Any) -> Explanation:
        """Return the explanation of one output.

        Parameters
        ----------
        output
            A class or a quantile, one of `outputs`.

        Returns
        -------
        Explanation
            Its arrays have no axis of outputs.

        Raises
        ------
        ValueError
            It is not one of `outputs`.
        """
        return self._of(find_output(self.outputs, output))

    def _of(self, i):
        if self.values.ndim == 2:
            return self
        names = "values", "standard_errors", "base_values", "predictions"
        parts: dict[str, Any] = {name: getattr(self, name)[..., i] for name in names}
        return Explanation(**(vars(self) | parts | {"outputs": [self.outputs[i]]}))

    def importances(self) -> NDArray[np.float64]:
        """Return the mean absolute contribution of each column.

        Returns
        -------
        ndarray (n_columns,), or (n_columns, n_outputs)
            In the units of the scale. 0 without rows.
        """
        return np.abs(self.values).sum(axis=0) / max(1, len(self))

    def to_frame(self, output: Any = None) -> Any:
        """Return the contributions as a pandas DataFrame.

        Parameters
        ----------
        output : optional
            A class or a quantile, one of `outputs`. Needed if there are several.

        Returns
        -------
        pandas.DataFrame
            The column "prediction", the column "base", and one for each of `columns`.

        Raises
        ------
        ValueError
            `output` is missing, or not one of `outputs`.
        ImportError
            pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "to_frame needs pandas. Run: pip install pandas. Without it, use values, "
                "base_values and predictions."
            ) from None
        one = self.of(output) if output is not None or len(self.outputs) > 1 else self
        parts = [("prediction", one.predictions), ("base", one.base_values)]
        parts += list(zip(one.columns, one.values.T))
        return pd.DataFrame(np.stack([x for _, x in parts], 1), columns=[name for name, _ in parts])

    def to_shap(self) -> Any:
        """Return a ``shap.Explanation``, for the plots of the package shap.

        Returns
        -------
        shap.Explanation

        Raises
        ------
        ImportError
            shap is not installed.
        """
        try:
            import shap
        except ImportError:
            raise ImportError("to_shap needs shap. Run: pip install shap") from None
        names = list(map(str, self.columns))
        outputs = None if self.values.ndim == 2 else list(map(str, self.outputs))
        return shap.Explanation(
            self.values,
            base_values=self.base_values,
            data=self.data,
            feature_names=names,
            output_names=outputs,
            error_std=self.standard_errors,
        )

    def to_text(self, n_columns: int = 8, width: int = 80) -> str:
        """Return the explanations of all rows as text.

        Parameters
        ----------
        n_columns : int, default 8
            Columns of each row, at most, those with the largest contributions. The others are
            added up.
        width : int, default 80
            Characters of a line, at most; at least 40.

        Returns
        -------
        str
            If there are several classes, the most probable one of each row is explained.
        """
        return explanation_text.to_text(self, n_columns, width)
