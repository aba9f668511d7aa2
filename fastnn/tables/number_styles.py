"""The style in which the texts of a column are numbers; see `number_texts` for the styles."""

import math
import re
from collections import Counter

from ..core.messages import join, join_all
from . import part_texts, units
from .missing_marks import present_texts
from .number_texts import (
    BOUND,
    MULTIPLIED,
    OPEN_END,
    PLAIN,
    PLAIN_STYLE,
    PUNCTUATION,
    RANGE,
    RANGED,
    is_written,
    match_number,
    parser,
)
from .units import MULTIPLIERS, THOUSANDS, UNSURE, is_currency

SAMPLE = 50  # texts, from all parts of the column, that decide whether to look at all
FIRST = 50  # texts that show whether they are numbers in parts
LEAST = 0.5  # of the texts that must be numbers of a style
MOST_RANGES = 0.2  # of the texts
EURO = "€", "EUR"
HALVES = re.compile(r"[AaPp]\.?[Mm]\.?")
NO_DIGITS = str.maketrans("", "", "0123456789")
MARKS = {",": "commas", ".": "dots", " ": "spaces", "'": "apostrophes"}


def number_style(distinct):
    """Return the style in which all texts are numbers, or None.

    Parameters
    ----------
    distinct : sequence of str
        The distinct texts of a column. Marks for missing values are ignored.

    Returns
    -------
    str or None
        The decimal mark, the thousands separator and the unit, separated by vertical bars: ".||" for
        plain numbers, ",|.|€" for 1.234,50 €, ".||%" for percentages; see `number_texts` for more.
        None if a text is not a number, if the units differ and do not convert, or if all texts are
        missing.
    """
    style, n_others = find_style(present_texts(distinct))
    return style if n_others == 0 else None


def find_style(present, name=""):
    """Return (style, number of others) for texts that are mostly numbers, else (None, None).

    Parameters
    ----------
    present : list of str
        Distinct texts, without marks for missing values.
    name : str, default ""
        That of the column: in one called age or term, 6m is six months.
    """
    if not present:
        return None, None
    if len(present) > SAMPLE and _best_style(present[:: len(present) // SAMPLE], name)[0] is None:
        return None, None
    return _best_style(present, name)


def with_ranges(style, present):
    """Return a style in which ranges such as 10 - 20 are numbers, too, if a few of the texts are some.

    style : str or None
    """
    if style is None or style in part_texts.STYLES:
        return style
    ranged = f"{style}{RANGED}" if style.count("|") > 2 else f"{style}|{RANGED}"
    parse, middle = parser(style), parser(ranged)
    texts = (text for text in present if RANGE.fullmatch(text))
    n = sum(math.isnan(parse(text)) and math.isfinite(middle(text)) for text in texts)
    return ranged if 0 < n <= MOST_RANGES * len(present) else style


def _best_style(present, name):
    n = len(present)
    if all(PLAIN.fullmatch(text) for text in present):
        return PLAIN_STYLE, 0
    if part_texts.is_age_name(name) and _part_style(present, name) == (part_texts.AGE, 0):
        return part_texts.AGE, 0  # 6M is not 6 million
    matches = [found for found in map(match_number, present) if found is not None]
    best, n_others = None, int((1 - LEAST) * n) + 1
    if n - len(matches) < n_others:
        style = _Style(matches)
        others = n - len(matches) + style.n_others
        if others < n_others and not HALVES.fullmatch(style.unit):  # 1 PM is a time
            best, n_others = style.text(), others
    if n_others:
        style, others = _part_style(present, name)
        if others < n_others:
            best, n_others = style, others
    return (None, None) if best is None else (best, n_others)


def _part_style(present, name):
    """Return the style of numbers in parts that most of the first texts have, and how many have another."""
    styles = Counter(map(part_texts.find_style, present[:FIRST]))
    likely = [style for style, _ in styles.most_common(2) if style is not None]
    if not likely:
        return None, len(present)
    style = part_texts.style_of_all(likely[0], present, name)
    parse = part_texts.STYLES[style]
    return style, sum(math.isnan(parse(text)) for text in present)


class _Style:
    """The style in which most of some texts are written.

    Parameters
    ----------
    matches : list of NumberText, not empty

    Attributes
    ----------
    unit : str
    n_others : int
        Number of texts that are written otherwise.
    """

    def __init__(self, matches):
        n = len(matches)
        self._choose_unit(Counter(found.tail for found in matches))
        matches = [found for found in matches if found.tail in self._tails]
        self._choose_marks(matches)
        matches = [found for found in matches if not found.mark or found.mark in self._marks]
        self.n_others = n - len(matches) + self._choose_punctuation(matches)

    def text(self):
        marks = f"|{self._marks}" if self._marks else ""
        return f"{self._decimal}|{self._thousands}|{self.unit}{marks}"

    # ---- the unit ----

    def _choose_unit(self, n_of_tail):
        """Choose the unit, and the tails that go with it. n_of_tail : Counter of Tail"""
        groups = self._group(n_of_tail)
        n_absent = sum(n_of_tail[tail] for tail in groups.pop("", ()))
        absent = [tail for tail in n_of_tail if not tail.unit]
        self.unit, self._marks, self._tails = "", "", frozenset(absent)
        if not groups:
            return
        counts = {key: sum(n_of_tail[tail] for tail in tails) for key, tails in groups.items()}
        key = max(counts, key=lambda key: counts[key])
        tails, n = groups[key], counts[key]
        may_be_absent = _may_be_absent(key, tails, n, n_absent)
        if not may_be_absent and n < n_absent:
            return
        self._tails = frozenset([*tails, *absent] if may_be_absent else tails)
        multiplied = key == "times" or any(tail.multiplier for tail in tails)
        self._marks = MULTIPLIED if multiplied else ""
        if key != "times":
            n_of_unit: Counter = Counter()
            for tail in tails:
                n_of_unit[tail.unit] += n_of_tail[tail]
            self.unit = n_of_unit.most_common(1)[0][0]

    def _group(self, n_of_tail):
        """Return {key: list of Tail} of the tails whose units are one or convert; "" for none."""
        multipliers = {tail.unit for tail in n_of_tail if tail.unit in MULTIPLIERS}
        are_sure = bool(multipliers - UNSURE)
        groups: dict = {}
        for tail in n_of_tail:
            groups.setdefault(_group_of(tail, are_sure), []).append(tail)
        return groups

    # ---- bounds and punctuation ----

    def _choose_marks(self, matches):
        """Choose whether 10+ and <5 are numbers."""
        if any(found.mark == OPEN_END for found in matches):
            self._marks += OPEN_END
        bounded = {(found.number, found.tail) for found in matches if found.mark == BOUND}
        if bounded:
            exact = {(found.number, found.tail) for found in matches if found.mark != BOUND}
            if len(bounded) <= len(exact) and not bounded & exact:  # <5 and 5 differ
                self._marks += BOUND

    def _choose_punctuation(self, matches):
        """Choose the decimal mark and the separator. Return how many numbers have others."""
        numbers = [found.number for found in matches]
        candidates = ((",", "."),) if _are_euro_thousands(matches) else PUNCTUATION
        best = len(numbers) + 1
        for decimal, thousands in candidates:
            n = 0
            for number in numbers:
                n += not is_written(number, decimal, thousands)
                if n >= best:
                    break
            if n < best:
                best, self._decimal, self._thousands = n, decimal, thousands
            if n == 0:
                break
        return best


def _group_of(tail, are_sure):
    """Return what units have in common that convert: "" for no unit."""
    unit = tail.unit
    if not unit:
        return ""
    if unit == "%" or is_currency(unit):
        return unit if unit == "Fr." else unit.removesuffix(".")
    if not tail.multiplier and unit in MULTIPLIERS and (are_sure or unit not in UNSURE):
        return "times"
    known = units.find_unit(unit)
    return known[0] if known else f"unit {units.fold(unit)}"


def _may_be_absent(key, tails, n, n_absent):
    """Whether numbers without the unit are in this unit, too."""
    if n_absent == 0 or is_currency(key):
        return True
    if key == "%":
        return False
    names = {tail.unit for tail in tails}
    if key == "times":
        return bool(names & THOUSANDS)  # 985 beside 1.2K
    if key.startswith("unit "):
        return False
    return n >= n_absent or any(len(name) > 1 for name in names)  # 12 and 12g are houses


def _are_euro_thousands(matches):
    """Whether the dots of 1.234 € separate thousands: prices do not have three decimals."""
    dotted = [found for found in matches if "." in found.number and not found.tail.multiplier]
    return (
        len(dotted) > 0
        and any(found.tail.unit in EURO and found.tail.is_after for found in matches)
        and all(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", found.number) for found in dotted)
    )


def describe_number_style(style, distinct=()):
    """Return a style as text for people: 'numbers with a currency sign (€)'.

    distinct : sequence of str
        The texts of a column. Which of their units convert is said, too.
    """
    if style in part_texts.DESCRIPTIONS:
        return part_texts.DESCRIPTIONS[style]
    decimal, thousands, unit, *marks = style.split("|")
    what = []
    if unit == "%":
        what.append("a percent sign (12% is read as 12)")
    elif is_currency(unit):
        what.append(f"a currency sign ({unit})")
    elif unit:
        what.append(f"the unit {unit}")
    if thousands:
        what.append(f"{MARKS[thousands]} between thousands")
    if decimal == ",":
        what.append("a decimal comma")
    if MULTIPLIED in "".join(marks):
        what.append("multipliers such as K and M")
    if OPEN_END in "".join(marks):
        what.append("a plus sign (10+ is read as 10)")
    if BOUND in "".join(marks):
        what.append("bounds (<5 is read as 5)")
    if RANGED in "".join(marks):
        what.append("ranges (10 - 20 is read as 15)")
    if not what:
        return "numbers"
    text = f"numbers with {join_all(what)}"
    return text + _describe_conversion(distinct, style)


def _describe_conversion(distinct, style):
    """Return which units are converted to that of the style, as text for people; "" for none."""
    names = other_units(distinct, style)
    if not names:
        return ""
    shown = [f"{name} (as {known})" if (known := units.read_as(name)) else name for name in names]
    known = units.read_as(style.split("|")[2])
    return f"; {join(shown, quoted=False)} converted into it{f', as {known}' if known else ''}"


def other_units(distinct, style):
    """Return the units of texts that are converted to that of the style, or taken for it, sorted."""
    if style in part_texts.STYLES or not (unit := style.split("|")[2]):
        return []
    one_of_each = {text.translate(NO_DIGITS): text for text in present_texts(distinct)}
    found = {match.tail.unit for match in map(match_number, one_of_each.values()) if match}
    return sorted(
        name
        for name in found - {unit, ""}
        if (ratio := units.ratio(unit, name)) is not None and (ratio != 1 or units.read_as(name))
    )
