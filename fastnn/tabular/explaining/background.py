"""Background: the training rows that a model keeps, with which explanations compare a row."""

from dataclasses import dataclass

import numpy as np

from ...files.checks import check

MOST_ROWS, LEAST_ROWS = 128, 32
MOST_VALUES = 250_000  # 2 MB: wide tables keep fewer rows
LARGEST = 100_000  # rows of a file that are read
NUMBERS, CODES = "background_numbers", "background_codes"  # arrays of a model file


@dataclass(eq=False, repr=False)
class Background:
    """Rows of a table as features.

    Attributes
    ----------
    numbers : list of ndarray (m,)
        Of each number feature, with NaN for missing values.
    codes : ndarray (m, k) of int32
        Of the category features.
    """

    numbers: list
    codes: np.ndarray

    def __len__(self):
        return len(self.codes)

    @classmethod
    def draw(cls, rows, weight, seed):
        """Return a random choice of training rows.

        Parameters
        ----------
        rows : FitRows
        weight : ndarray (n,) or None
            How often each row counts: rows are drawn in proportion to it, without replacement.
        seed : int
        """
        n_features = len(rows.numbers) + rows.codes.shape[1]
        most = max(LEAST_ROWS, min(MOST_ROWS, MOST_VALUES // n_features))
        n_candidates = len(rows) if weight is None else np.count_nonzero(weight)
        p = None if weight is None else weight / weight.sum()
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(rows), min(most, n_candidates), replace=False, p=p)
        chosen.sort()
        return cls([x[chosen] for x in rows.numbers], rows.codes[chosen])

    def take(self, rows):
        """Return some rows. rows : indices or a slice"""
        return Background([x[rows] for x in self.numbers], self.codes[rows])

    # ---- files ----

    def arrays(self):
        """Return the arrays of a file, by name."""
        n = len(self)
        numbers = np.stack(self.numbers, 1) if self.numbers else np.zeros((n, 0))
        return {NUMBERS: numbers, CODES: self.codes.astype(np.int64)}

    @classmethod
    def expected_arrays(cls, reader, features):
        """Return {name: (shape, dtype name)} of the background of a file, {} if it has none."""
        if not {NUMBERS, CODES} & set(reader.entries):
            return {}
        n = reader.length(CODES)
        check(n <= LARGEST, CODES)
        return {
            NUMBERS: ([n, len(features.numbers)], "F64"),
            CODES: ([n, len(features.categories)], "I64"),
        }

    @classmethod
    def read(cls, reader, features):
        """Return the Background of a file whose arrays have been checked, None if it has none."""
        if CODES not in reader.entries:
            return None
        numbers, codes = reader.array(NUMBERS), reader.array(CODES)
        check(not np.isinf(numbers).any(), NUMBERS)
        sizes = np.array([category.n_categories for category in features.categories], np.int64)
        check(bool(np.all((codes >= -1) & (codes < sizes))), CODES)
        return cls([np.array(x) for x in numbers.T], codes.astype(np.int32))
