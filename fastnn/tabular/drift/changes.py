"""Which differences between new rows and the training rows are changes.

A difference counts if it is neither chance nor small. Each test gives the probability that a random
part of one table differs as much. The probabilities are multiplied by the number of tests
(Bonferroni), since a table with a hundred columns would differ in one of them. The limits were
measured on 900 tables (docs/decisions/0048-drift.md).
"""

import math

import numpy as np

from ...core.messages import format_share, format_value, join, plural, printable
from .profile import NewNumbers
from .report import Change, DriftReport

LEVEL = 0.01  # probability that any column of a table is noted although nothing has changed
MIN_DISTANCE = 0.1  # of two distributions, or shares of missing values, that matters
FAR = 3.0  # times the largest distance from the median in training, on a scale that grows slowly
TESTS = 4  # of a column
FREQUENT = 5  # training rows of a category that are expected if it is tested by itself among all
MAX_TEXT = 24  # characters of a category
BLOCK = 1000  # terms of a sum that are computed at once
NEGLIGIBLE = 1e-12  # part of a sum

QUANTILES = 0.1, 0.25, 0.5, 0.75, 0.9
MIN_FACTOR = 1.5
LARGE = 8.0  # factor that need not be met as closely
WITHIN, WITHIN_LARGE = 0.1, 0.4  # deviation of the logarithms of the factors of quantiles
#: Units that are often mixed up, by the factor between them.
UNITS = {
    100.0: "percent and fractions, or cm and m",
    2.54: "inches and centimetres",
    3.2808: "feet and metres",
    2.2046: "pounds and kilograms",
    1.6093: "miles and kilometres",
    60.0: "hours and minutes, or minutes and seconds",
    24.0: "days and hours",
    3600.0: "hours and seconds",
    86400.0: "days and seconds",
    25.4: "inches and millimetres",
    12.0: "years and months",
    365.25: "years and days",
}


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
            changes.append(Change(column.label, "absent", "not in this table"))
            continue
        found = _ColumnChanges(column, counted[j], profile.n_rows, n_tests, column.label == time)
        changes += found.find() if counted[j].n_rows else []
    changes += [Change(name, "unused", "(new; not used)", is_drift=False) for name in others]
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

    def change(self, kind, what, training, new, p=None, is_drift=True):
        return Change(self.column.label, kind, what, training, new, is_drift, p)

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
        p = self.corrected(is_other_share(new.n_refused, new.n_rows, 0, self.n_training))
        if self.column.has_others or p is None:
            p = None
            if new.n_refused < n_values or (self.column.has_others and n_values < 5):
                return None
        kind = self.column.expected() if self.column.from_text else self.column.argument
        examples = join((printable(text, MAX_TEXT) for text in new.examples), 2, quoted=False)
        what = f"{new.n_refused:,} of {n_values:,} values are not {kind}"
        return self.change("type", what, kind, f"such as {examples}", p)

    def missing(self):
        new, before = self.new, self.profile.n_missing
        shares = before / self.n_training, new.n_missing / new.n_rows
        p = self.corrected(is_other_share(new.n_missing, new.n_rows, before, self.n_training))
        if p is None or (before and abs(shares[0] - shares[1]) < MIN_DISTANCE):
            return None
        what = f"missing in {new.n_missing:,} of {plural(new.n_rows, 'row')}"
        training, shown = (f"{format_share(share)} missing" for share in shares)
        return self.change("missing", what, training if before else "never missing", shown, p)

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
        p = min(at_least(n, new.n_present, n, n_all) for n in (new.n_below, new.n_above))
        p = self.corrected(p)
        if p is None and not self.is_far():
            return None
        training, shown = (
            f"{self.write(low)} to {self.write(high)}"
            for low, high in (profile.range, (new.low, new.high))
        )
        values = f"{n_outside:,} of {plural(new.n_present, 'value')}"
        if self.is_time and not new.n_below:
            what = f"({values} later, as is expected)"
            return self.change("time", what, training, shown, p, is_drift=False)
        where = "below" if not new.n_above else "outside" if new.n_below else "above"
        what = f"{values} {where} the range of training{self.factor()}"
        return self.change("range", what, training, shown, p)

    def factor(self):
        """Return a phrase about another unit, or an empty text."""
        phrase = describe_factor(self.profile, self.new) if self.column.has_units else None
        return f"; {phrase}" if phrase else ""

    def is_far(self):
        """Return whether a value is so far outside that one is enough.

        The scale is the inverse hyperbolic sine of the distance from the median: it grows like a
        logarithm, since new values of a distribution with a long tail are often far outside.
        """
        new, profile = self.new, self.profile
        median = profile.quantile(0.5)
        low, high = profile.range
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
        p = self.corrected(is_other_distribution(distance, new.n_present, profile.n_present))
        if p is None or distance < MIN_DISTANCE:
            return None
        training, shown = (
            "quartiles " + ", ".join(self.write(some.quantile(q)) for q in (0.25, 0.5, 0.75))
            for some in (profile, new)
        )
        what = f"other distribution (distance {distance:.2f}){self.factor()}"
        return self.change("distribution", what, training, shown, p)

    # ---- categories ----

    def unknown(self):
        new, profile = self.new, self.profile
        n_all = new.n_present + profile.n_present
        n_others = new.n_unknown + profile.n_others
        p = self.corrected(at_least(new.n_unknown, new.n_present, n_others, n_all))
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
            (is_other_share(k, new.n_present, n, profile.n_present), i)
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
        training, shown = (f"{text!r} {format_share(shares[i])}" for shares in (before, now))
        what = f"other frequencies (distance {distance:.2f})"
        return self.change("distribution", what, training, shown, p)

    def all_frequencies(self):
        """Return the probability that the frequencies of all categories differ as much.

        Rare categories count as one, with those that are not known: which of them training has seen
        depends on the rows that it got.
        """
        new, profile = self.new, self.profile
        both = new.counts + profile.counts
        share = profile.n_present / (new.n_present + profile.n_present)
        frequent = [some.counts[both * share >= FREQUENT] for some in (new, profile)]
        n_rows = new.n_present, profile.n_present
        return are_other_frequencies(*(np.append(k, n - k.sum()) for k, n in zip(frequent, n_rows)))


# ---- units ----


def describe_factor(profile, new):
    """Return a phrase if all values are a multiple of what they were, else None.

    profile : NumberProfile; new : NewNumbers
    """
    before, now = (np.array([some.quantile(q) for q in QUANTILES]) for some in (profile, new))
    if len(np.unique(before)) < 3 or (before * now <= 0).any():
        return None
    ratios = now / before
    factor = float(np.exp(np.log(ratios).mean()))
    large = max(factor, 1 / factor)
    within = WITHIN if large < LARGE else WITHIN_LARGE
    if large < MIN_FACTOR or (np.abs(np.log(ratios / factor)) > within).any():
        return None
    names = {10.0 ** round(math.log10(large)): ""} | UNITS
    value = min(names, key=lambda value: abs(math.log(large / value)))
    if abs(math.log(large / value)) > within / 2:
        return None
    times = f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    much = f"{times} times" if factor > 1 else f"1/{times} of"
    hint = f" ({names[value]}?)" if names[value] else ""
    return f"about {much} those of training: another unit?{hint}"


# ---- chance ----
#
# Under the hypothesis that nothing has changed, the new rows are a random part of all rows, of training
# and new ones. Then the number of new rows with some property is hypergeometric, whatever the table.
# SciPy has some of these formulas, but would take longer to import than the model.


def at_least(k, n_new, n_with, n_all):
    """Return the probability that at least k of n_new rows have a property.

    The rows are drawn at random, without replacement, from n_all rows, n_with of which have it.

    Examples
    --------
    >>> round(at_least(2, 2, 3, 6), 3)  # 3/6 * 2/5
    0.2
    """
    most = min(n_new, n_with)
    if k <= max(0, n_new + n_with - n_all):
        return 1.0
    if k > most:
        return 0.0
    if k <= n_new * n_with / n_all:  # the other tail has fewer terms
        return max(0.0, 1.0 - at_most(k - 1, n_new, n_with, n_all))
    return _sum_from(k, most, n_new, n_with, n_all)


def at_most(k, n_new, n_with, n_all):
    """Return the probability that at most k of n_new rows have a property, as in `at_least`."""
    return at_least(n_new - k, n_new, n_all - n_with, n_all)


def is_other_share(k, n_new, n_before, n_training):
    """Return the probability that the shares of two samples differ as much, in either direction.

    Fisher's exact test (1922), as twice the smaller tail.

    Parameters
    ----------
    k, n_new : int
        Number of new rows with the property, and of all new rows.
    n_before, n_training : int
        The same of the training rows.
    """
    n_with, n_all = k + n_before, n_new + n_training
    smaller = min(at_least(k, n_new, n_with, n_all), at_most(k, n_new, n_with, n_all))
    return min(1.0, 2 * smaller)


def is_other_distribution(distance, n_new, n_training):
    """Return the probability of a distance between two empirical distribution functions.

    Kolmogorov and Smirnov's test with the correction for small samples of Stephens (1970, "Use of
    the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive tables"). For
    values that occur several times, the probability is an upper bound.
    """
    root = math.sqrt(n_new * n_training / (n_new + n_training))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:  # the series converges slowly; its sum is 1
        return 1.0
    terms = ((-1) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


def are_other_frequencies(new, before):
    """Return an upper bound of the probability that frequencies differ as much in two samples.

    They differ by the total variation distance d of the two samples. One row that changes its place
    with one of the other sample changes d by at most 1 / n + 1 / m, so d is above its mean by t with
    at most the probability exp(-2 t^2 nm / (n + m)), but for small terms (El-Yaniv and Pechyony, 2009,
    "Transductive Rademacher complexity and its applications", lemma 2). The mean of each |difference|
    is at most its standard deviation, that of a hypergeometric distribution.

    Parameters
    ----------
    new, before : ndarray of int
        Number of rows of each category.
    """
    n, m = int(new.sum()), int(before.sum())
    if not n or not m:
        return 1.0
    n_all = n + m
    share = (new + before) / n_all
    distance = 0.5 * np.abs(new / n - before / m).sum()
    mean = 0.5 * np.sqrt(share * (1 - share) * n_all**2 / (n * m * (n_all - 1))).sum()
    if distance <= mean:
        return 1.0
    exponent = 2 * (distance - mean) ** 2 * n * m * (n_all - 0.5) / n_all**2
    return math.exp(-exponent * (1 - 0.5 / max(n, m)))


def _sum_from(k, most, n_new, n_with, n_all):
    """Return the sum of the probabilities of k, k + 1, ..., most rows, beyond the mean."""
    n_without = n_all - n_with
    term = math.exp(
        _log_choose(n_with, k) + _log_choose(n_without, n_new - k) - _log_choose(n_all, n_new)
    )
    total = term
    for start in range(k, most, BLOCK):
        j = np.arange(start, min(start + BLOCK, most), dtype=np.float64)
        ratios = (n_with - j) * (n_new - j) / ((j + 1) * (n_without - n_new + j + 1))
        terms = term * np.cumprod(ratios)
        total += float(terms.sum())
        term = float(terms[-1])
        if term <= NEGLIGIBLE * total:
            break
    return min(1.0, total)


def _log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
