"""Rows, targets and a loss as `inputs` has checked them, for learning or for judging."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import losses
from ..training.data import pose
from . import inputs


@dataclass
class Task:
    """What a network is to learn, or to be judged by: rows as `inputs` checked them, with targets and a loss."""

    X: Any  # ndarray or CSR matrix (n, n_features)
    targets: np.ndarray
    weight: np.ndarray | None
    loss: losses.Loss
    alpha: float = 0.0

    def __len__(self):
        return self.X.shape[0]

    def weigh(self, rows=slice(None)):
        """The sum of the weights of some of the rows, or their number."""
        return float(len(self.targets[rows]) if self.weight is None else self.weight[rows].sum(dtype=np.float64))

    def problem(self, net, rows=slice(None)):
        """Some of the rows for the kernels; sparse ones are made dense."""
        X, weight = self.X[rows], None if self.weight is None else self.weight[rows]
        X = X.toarray() if inputs.is_sparse(X) else X
        return replace(pose(net, X, self.targets[rows], self.loss, weight), alpha=self.alpha)

    def blocks(self, net):
        """Problems without penalty, of one block of rows after the other, and what part each is of the whole."""
        step, whole = inputs.block_rows(self.X), self.weigh() or 1.0
        for a in range(0, len(self), step):
            rows = slice(a, a + step)
            yield replace(self.problem(net, rows), alpha=0.0), self.weigh(rows) / whole

    def judge(self, net):
        """The loss without penalty."""
        return sum(part * problem.judge(net)() for problem, part in self.blocks(net))
