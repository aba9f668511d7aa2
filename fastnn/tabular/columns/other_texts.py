"""Texts that are not what their column holds, such as "unknown" among numbers: they count as missing."""

from dataclasses import dataclass

import numpy as np

from ...core.errors import Argument, Message
from ...core.messages import printable
from ...tables.cells.missing import is_missing_mark
from ...tables.cells.recognition import examples

MAX_EXAMPLES = 10
TEMPLATE = "column {column!r}: {n} of {of} values are not {what} ({examples}) and count as missing"


@dataclass
class OtherTexts:
    """The texts of a column that are not what it holds.

    Attributes
    ----------
    n_rows : int
    n_present : int
        Number of rows with any text that does not mark a missing value.
    texts : list of str
        The first of them, by the number of rows.
    """

    n_rows: int
    n_present: int
    texts: list

    @classmethod
    def find(cls, raw, numbers):
        """Return those of an InputColumn of texts.

        numbers : ndarray
            What its distinct texts stand for, NaN or infinite if nothing.
        """
        is_number = np.isfinite(numbers)
        if is_number.all():
            return cls(0, int(np.count_nonzero(raw.values >= 0)), [])
        others, n_present = [], 0
        for (text, n), number in zip(raw.count_texts().items(), is_number.tolist()):
            if number or not is_missing_mark(text):
                n_present += n
                if not number and n:
                    others.append((n, text))
        others.sort(key=lambda pair: -pair[0])
        texts = [text for _, text in others[:MAX_EXAMPLES]]
        return cls(sum(n for n, _ in others), n_present, texts)

    def add(self, other):
        """Add those of another part of the table."""
        self.n_rows += other.n_rows
        self.n_present += other.n_present
        self.texts = list(dict.fromkeys([*self.texts, *other.texts]))[:MAX_EXAMPLES]

    def describe(self, column):
        """Return the Message about rows to predict. column : Column"""
        return Message(TEMPLATE + ".", **self._values(column))

    def describe_training(self, column):
        """Return the Message about the training table."""
        return Message(
            TEMPLATE + ". Pass {categories} to keep them as texts.",
            categories=Argument("categories", [column.label]),
            **self._values(column),
        )

    def _values(self, column):
        return dict(
            column=printable(column.label),
            n=f"{self.n_rows:,}",
            of=f"{self.n_present:,}",
            what=column.expected(),
            examples=examples(self.texts),
        )


class OtherTextsOfParts:
    """Those of rows to predict, which are read in parts.

    Parameters
    ----------
    features : Features
    """

    def __init__(self, features):
        self.features = features
        self._all: dict = {}

    @property
    def found(self):
        """Return {label: OtherTexts} of the columns that hold any."""
        return {label: others for label, others in self._all.items() if others.n_rows}

    def add(self, frame):
        """Add a part of the table."""
        self.add_found(self.features.other_texts(frame))

    def add_found(self, found):
        """Add what `Features.other_texts` returned for a part of the table."""
        for label, others in found.items():
            if label in self._all:
                self._all[label].add(others)
            else:
                self._all[label] = others

    def notes(self):
        """Return the Messages about all parts."""
        found = self.found
        return [found[c.label].describe(c) for c in self.features.columns if c.label in found]


class OtherTextsOfTraining(OtherTextsOfParts):
    """Those of a training table of which a sample has decided what the columns are.

    While it is read, each column may hold other texts.
    """

    def __init__(self, features):
        super().__init__(features)
        for column in features.columns:
            column.has_others = True

    def notes(self):
        """Return the Messages about all parts, and keep in the columns whether they held others."""
        found, columns = self.found, self.features.columns
        for column in columns:
            column.has_others = column.label in found
        return [found[c.label].describe_training(c) for c in columns if c.has_others]
