"""Which differences between new rows and the training rows are changes.

A difference counts if it is neither chance nor small. Each test gives the probability that a random
part of one table differs as much (`chance`). The probabilities are multiplied by the number of tests
(Bonferroni), since a table with a hundred columns would differ in one of them. The limits were
measured on 900 tables (docs/decisions/0048-drift.md).
"""

import math

import numpy as np

from ...core.messages import format_share, format_value, join, plural, printable
from . import chance
from .counting import NewNumbers
from .drift_report import Change, DriftReport
from .units import describe_factor

LEVEL = 0.01  # probability that any column of a table is noted although nothing has changed
MIN_DISTANCE = 0.1  # of two distributions, or shares of missing values, that matters
FAR = 3.0  # times the largest distance from the median in training, on a scale that grows slowly
TESTS = 4  # of a column
FREQUENT = 5  # training rows of a category that are expected if it is tested by itself among all
MAX_TEXT = 24  # characters of a category


def find_changes(new, time=None, absent=(), others=()):
    """Return the DriftReport of new rows.

    Parameters
    ----------
    new : NewRows
    time : str, optional
        The label of the column by whose times the model was scored forward: new rows are later.
    absent : collection of str
        Labels of columns that the table does not have.
    others : collection of str
        Names of columns that the training table did not have.
    """
    features, profile = new.features, new.profile
    counted = {j: c for j, c in new.columns.items() if features.columns[j].label not in absent}
    n_tests = TESTS * len(counted)
    changes = []
    for j in sorted(new.columns, key=lambda j: features.positions[j]):
        column = features.columns[j]
        if j not in counted:
            changes.append(Change(column=column.label, kind="absent", what="not in this table"))
            continue
        found = _ColumnChanges(column, counted[j], profile.n_rows, n_tests, column.label == time)
        changes += found.find() if counted[j].n_rows else []
    changes += [
        Change(column=name, kind="unused", what="(new; not used)", is_drift=False)
        for name in others
    ]
    return DriftReport(new.n_rows, profile.n_rows, len(new.columns), n_tests, changes)


class _ColumnChanges:
    """The changes of one column.

    Parameters
    ----------
    column : Column
    new : NewNumbers or NewCategories
    n_training : int
        Number of training rows.
    n_tests : int
    is_time : bool
        Whether new rows are expected to be later.
    """

    def __init__(self, column, new, n_training, n_tests, is_time):
        self.column, self.new, self.profile = column, new, new.profile
        self.n_training, self.n_tests, self.is_time = n_training, n_tests, is_time

    def find(self):
        """Return the list of Change."""
        new = self.new
        out = [self.refused() or self.missing()]
        if new.n_present and isinstance(new, NewNumbers):
            outside = self.outside()
            out.append(outside)
            is_most = outside is not None and 2 * (new.n_below + new.n_above) >= new.n_present
            out.append(None if is_most or self.is_time else self.distribution())
        elif new.n_present:
            unknown = self.unknown()
            is_most = unknown is not None and 2 * new.n_unknown >= new.n_present
            out += [unknown, None if is_most else self.frequencies()]
        return [change for change in out if change is not None]

    def change(self, kind, what, training, shown, p=None, is_drift=True):
        return Change(
            column=self.column.label,
            kind=kind,
            what=what,
            training=training,
            new=shown,
            is_drift=is_drift,
            p=p,
        )

    def corrected(self, p):
        """Return a probability for all tests, or None if it is too large."""
        p = p * self.n_tests
        return p if p < LEVEL else None

    # ---- values that are not there ----

    def refused(self):
        """Return the change of values that are something else than in training, or None."""
        new = self.new
        if not new.n_refused:
            return None
        n_values = new.n_refused + new.n_present
        p = self.corrected(chance.is_other_share(new.n_refused, new.n_rows, 0, self.n_training))
        if self.column.has_others or p is None:
            p = None
            if new.n_refused < n_values or (self.column.has_others and n_values < 5):
                return None
        kind = self.column.expected() if self.column.from_text else self.column.argument
        examples = join((printable(text, MAX_TEXT) for text in new.examples), 2, quoted=False)
        what = f"{new.n_refused:,} of {plural(n_values, 'value')} are not {kind}"
        return self.change("type", what, kind, f"such as {examples}", p)

    def missing(self):
        new, before = self.new, self.profile.n_missing
        shares = before / self.n_training, new.n_missing / new.n_rows
        p = chance.is_other_share(new.n_missing, new.n_rows, before, self.n_training)
        p = self.corrected(p)
        if p is None or (before and abs(shares[0] - shares[1]) < MIN_DISTANCE):
            return None
        what = f"missing in {new.n_missing:,} of {plural(new.n_rows, 'row')}"
        training, shown = (f"{format_share(share)} missing" for share in shares)
        if not before:
            training = "never missing"
        return self.change("missing", what, training, shown, p)

    # ---- numbers and dates ----

    def write(self, x):
        return self.column.write(x, format_value)

    def outside(self):
        """Return the change of values outside the range of training, or None."""
        new, profile = self.new, self.profile
        n_outside, n_all = new.n_below + new.n_above, new.n_present + profile.n_present
        if not n_outside:
            return None
        # All of these would have to be among the new rows by chance.
        p = min(chance.at_least(n, new.n_present, n, n_all) for n in (new.n_below, new.n_above))
        p = self.corrected(p)
        if p is None and not self.is_far():
            return None
        where = "outside"
        if not (new.n_below and new.n_above):
            where = "above" if new.n_above else "below"
        training = f"{self.write(float(profile.cuts[0]))} to {self.write(float(profile.cuts[-1]))}"
        shown = f"{self.write(new.low)} to {self.write(new.high)}"
        what = f"{n_outside:,} of {plural(new.n_present, 'value')} {where} the range of training"
        if self.is_time and not new.n_below:
            what = f"({n_outside:,} of {plural(new.n_present, 'value')} later, as is expected)"
            return self.change("time", what, training, shown, p, is_drift=False)
        factor = describe_factor(profile, new) if self.column.has_units else None
        return self.change("range", what + (f"; {factor}" if factor else ""), training, shown, p)

    def is_far(self):
        """Return whether a value is so far outside that one is enough.

        The scale is the inverse hyperbolic sine of the distance from the median: it grows like a
        logarithm, since new values of a distribution with a long tail are often far outside.
        """
        new, profile = self.new, self.profile
        median = profile.quantile(0.5)
        low, high = float(profile.cuts[0]), float(profile.cuts[-1])
        spread = profile.quantile(0.75) - profile.quantile(0.25) or (high - low) / 2
        if not spread:
            return False

        def scaled(*values):
            return max(abs(math.asinh((x - median) / spread)) for x in values)

        return scaled(new.low, new.high) > FAR * scaled(low, high)

    def distribution(self):
        new, profile = self.new, self.profile
        before = np.cumsum(profile.counts) / profile.n_present
        now = (new.n_below + np.cumsum(new.counts)) / new.n_present
        distance = max(float(np.abs(before - now).max()), new.n_below / new.n_present)
        p = chance.is_other_distribution(distance, new.n_present, profile.n_present)
        p = self.corrected(p)
        if p is None or distance < MIN_DISTANCE:
            return None
        training, shown = (
            "quartiles " + ", ".join(self.write(some.quantile(q)) for q in (0.25, 0.5, 0.75))
            for some in (profile, new)
        )
        what = f"other distribution (distance {distance:.2f})"
        factor = describe_factor(profile, new) if self.column.has_units else None
        return self.change(
            "distribution", what + (f"; {factor}" if factor else ""), training, shown, p
        )

    # ---- categories ----

    def unknown(self):
        new, profile = self.new, self.profile
        n_all = new.n_present + profile.n_present
        p = chance.at_least(new.n_unknown, new.n_present, new.n_unknown + profile.n_others, n_all)
        p = self.corrected(p)
        if p is None:
            return None
        texts = [printable(text, MAX_TEXT) for text, _ in new.unknown.most_common(2)]
        what = f"{new.n_unknown:,} of {plural(new.n_present, 'value')} of unknown categories"
        n = len(profile.categories)
        training = f"{n:,} {'category' if n == 1 else 'categories'}"
        return self.change("unknown", what, training, f"such as {join(texts, 2)}", p)

    def frequencies(self):
        """Return the change of the frequencies of categories, or None."""
        new, profile = self.new, self.profile
        found = [
            (chance.is_other_share(k, new.n_present, n, profile.n_present), i)
            for i, (k, n) in enumerate(zip(new.counts.tolist(), profile.counts.tolist()))
        ]
        if not found:
            return None
        least, i = min(found)
        p = self.corrected(min(least * len(found), self.all_frequencies()))
        before, now = profile.counts / profile.n_present, new.counts / new.n_present
        distance = 0.5 * float(np.abs(before - now).sum())
        if p is None or distance < MIN_DISTANCE:
            return None
        text = printable(profile.categories[i], MAX_TEXT)
        return self.change(
            "distribution",
            f"other frequencies (distance {distance:.2f})",
            f"{text!r} {format_share(before[i])}",
            f"{text!r} {format_share(now[i])}",
            p,
        )

    def all_frequencies(self):
        """Return the probability that the frequencies of all categories differ as much.

        Rare categories count as one, with those that are not known: which of them training has seen
        depends on the rows that it got.
        """
        new, profile = self.new, self.profile
        both = new.counts + profile.counts
        share = profile.n_present / (new.n_present + profile.n_present)
        is_frequent = both * share >= FREQUENT
        parts = (
            (new.counts[is_frequent], new.n_present),
            (
                profile.counts[is_frequent],
                profile.n_present,
            ),
        )
        return chance.are_other_frequencies(*(np.append(k, n - k.sum()) for k, n in parts))
