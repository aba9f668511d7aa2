"""The data sets of the playground: points of a plane, digits, a table, or points drawn by hand."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.messages import hint_at, join, plural, printable, similar
from ..core.validation import check_count, check_list, check_matrix, check_number, check_rng

#: By name: what the list of the page says.
DATA_SETS = {
    "circles": "Two rings: a circle inside another one",
    "xor": "XOR: opposite quadrants have the same class",
    "spirals": "Two spirals, the hardest of the plane",
    "moons": "Two half moons that grip each other",
    "gauss": "Two clouds: one line can tell them apart",
    "plane": "Regression: numbers that rise in one direction",
    "stretched": "Regression: the plane, but x2 is 50 times as large as x1",
    "waves": "Regression: hills and valleys",
    "digits": "Images of handwritten digits, 64 inputs and 10 classes",
}
X2_FACTOR = 50  # of x2 in "stretched"
MOST_CLASSES = 20
MAX_POINTS = 5000  # of a made data set, and rows of a table that are drawn
LEAST_ROWS = 10  # of a table
MAX_LEVELS = 10  # of a column of texts that becomes inputs


class PlayError(ValueError):
    """Settings, points or a command of the user cannot be used. The text says why."""


@contextmanager
def refusing():
    """Raise PlayError for what checks in the block refuse."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise PlayError(str(error)) from None


def check_known(name, value, known):
    """Raise PlayError unless a value, of JSON, is one of the known names."""
    if value not in list(known):
        raise PlayError(
            f"{name} must be one of {', '.join(known)}, got {value!r}{hint_at(value, known)}"
        )


@dataclass(eq=False, repr=False)
class PlayData:
    """Rows to train on and rows that are held out, and the plane that the page draws.

    Attributes
    ----------
    X, y : ndarray (n, n_in) float32 and (n,)
        Training rows. y holds class numbers, or float32 numbers of a regression.
    X_test, y_test : ndarray
        The rows that are held out.
    kind : {"classes", "numbers"}
    classes : list of str
        The names of the classes; empty for numbers.
    inputs : list of str
        The names of the columns of X.
    axes : list of str
        What the two axes of the plane show.
    notes : list of str
        What was left out of a table, or changed.
    origin, directions : ndarray (n_in,) and (2, n_in)
        The plane: the point (u, v) of the picture has the inputs origin + u directions[0] + v
        directions[1]. The two are orthogonal. With two inputs these are the inputs themselves.
    """

    X: Any
    y: Any
    X_test: Any
    y_test: Any
    kind: str
    classes: list = field(default_factory=list)
    inputs: list = field(default_factory=lambda: ["x1", "x2"])
    axes: list = field(default_factory=lambda: ["x1", "x2"])
    origin: Any = None
    directions: Any = None
    notes: list = field(default_factory=list)

    def __post_init__(self):
        if self.origin is None:
            self.origin = np.zeros(self.X.shape[1], np.float32)
            self.directions = np.eye(2, self.X.shape[1], dtype=np.float32)

    @property
    def n_out(self):
        """Number of outputs of a network for these rows."""
        return len(self.classes) if len(self.classes) > 2 else 1

    def predicted(self, outputs):
        """Return the class of each row of outputs, or its number."""
        if self.kind == "numbers":
            return outputs[:, 0]
        return outputs.argmax(axis=1) if self.n_out > 1 else (outputs[:, 0] > 0.5).astype(int)

    def score(self, outputs, y):
        """Return the share of the rows whose class is right, or R2 of a regression; NaN of no rows."""
        if not len(y):
            return float("nan")
        predicted = self.predicted(outputs)
        if self.kind == "classes":
            return float((predicted == y).mean())
        spread = float(np.square(y - y.mean()).sum()) or 1.0
        return 1 - float(np.square(predicted - y, dtype=float).sum()) / spread

    def held_out_or_all(self):
        """Return the rows to measure on, (X, y): the held-out ones, or the training rows."""
        return (self.X_test, self.y_test) if len(self.y_test) else (self.X, self.y)

    def positions(self, X):
        """Return the place of rows in the plane, ndarray (n, 2): their orthogonal projection."""
        lengths = np.square(self.directions).sum(axis=1)
        return (X - self.origin) @ self.directions.T / np.where(lengths > 0, lengths, 1)

    def inputs_at(self, positions):
        """Return the inputs of places in the plane, ndarray (n, n_in) of float32."""
        return (self.origin + positions @ self.directions).astype(np.float32)


def make_data(
    name: str = "circles", n: int = 500, noise: float = 0.1, seed: int = 0, test: float = 0.3
) -> PlayData:
    """Return a data set of the playground. The same arguments give the same bits.

    Parameters
    ----------
    name : str, default "circles"
        One of `DATA_SETS`.
    n : int, default 500
        Number of points, held-out ones included; at most 5000. Digits have at most 1797.
    noise : float, default 0.1
        Standard deviation of what is added to each coordinate, or to the number of a regression,
        where 1 is the radius of the picture.
    seed : int, default 0
    test : float in [0, 1), default 0.3
        The share of the points that is held out.

    Returns
    -------
    PlayData

    Raises
    ------
    ValueError
        There is no such data set, or a number is out of range.

    Examples
    --------
    >>> from fastnn.playground import make_data
    >>> data = make_data("xor", n=100, noise=0)
    >>> data.X.shape, data.X_test.shape
    ((70, 2), (30, 2))
    >>> bool(np.all((data.X[:, 0] * data.X[:, 1] > 0) == data.y))
    True
    """
    check_known("data", name, DATA_SETS)
    with refusing():
        check_count("n", n, minimum=10, maximum=MAX_POINTS)
        noise = check_number("noise", noise, minimum=0)
        rng = np.random.default_rng(check_count("seed", seed, minimum=0))
    if name == "digits":
        return _digits(n, noise, rng, test)
    X, y = _POINTS[name](rng, n)
    if y.dtype.kind == "f":
        y = y + noise * rng.normal(size=n)
        factors = np.array([1, X2_FACTOR if name == "stretched" else 1])
        data = _divided(X * factors, y.astype(np.float32), "numbers", [], test, rng)
        data.directions = np.diag(factors).astype(np.float32)
        return data
    X = X + noise * rng.normal(size=X.shape)
    return _divided(X, y, "classes", ["orange", "blue"], test, rng)


def from_points(points: Any, test: float = 0.0, seed: int = 0) -> PlayData:
    """Return the data set of points drawn by hand.

    Parameters
    ----------
    points : array_like (n, 3)
        x1, x2 and the class, 0 or 1, of each.
    test : float in [0, 1), default 0.0
    seed : int, default 0
        Of the choice of the rows that are held out.

    Returns
    -------
    PlayData

    Raises
    ------
    ValueError
        There are fewer than two points, or they have one class only.

    Examples
    --------
    >>> from fastnn.playground import from_points
    >>> from_points([[0, 0, 0], [1, 1, 1]]).y
    array([0, 1])
    """
    try:
        points = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1:] != (3,) or not np.isfinite(points).all():
        raise PlayError("points must be rows of three finite numbers: x1, x2 and the class")
    y = points[:, 2].astype(np.int64)
    if len(y) > MAX_POINTS or not ((y == 0) | (y == 1)).all() or len(set(y.tolist())) < 2:
        raise PlayError(f"points need both classes, 0 and 1, and at most {MAX_POINTS:,} points")
    rng = check_rng(seed, "seed")
    return _divided(points[:, :2], y, "classes", ["orange", "blue"], test, rng)


def from_arrays(X: Any, y: Any, inputs: Any = None, test: float = 0.3, seed: int = 0) -> PlayData:
    """Return the data set of two arrays. Columns keep their scale.

    Parameters
    ----------
    X : array_like (n, n_in)
    y : array_like (n,)
        Classes of any kind, up to 20 different ones, or floating-point numbers.
    inputs : list of str, optional
        The names of the columns.
    test : float in [0, 1), default 0.3
    seed : int, default 0

    Returns
    -------
    PlayData

    Examples
    --------
    >>> from fastnn.playground import from_arrays
    >>> data = from_arrays([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "yes"], test=0)
    >>> data.classes, data.y
    (['no', 'yes'], array([0, 1, 1]))
    """
    with refusing():
        X = check_matrix("X", X, np.float32)
    if not X.size or not np.isfinite(X).all():
        raise PlayError("X must have rows of finite numbers, (n, n_in)")
    y = np.asarray(y)
    if y.shape != X.shape[:1]:
        raise PlayError(f"y must have one value for each of the {len(X):,} rows, got {y.shape}")
    rng = check_rng(seed, "seed")
    if y.dtype.kind == "f":
        data = _divided(X, y.astype(np.float32), "numbers", [], test, rng)
    else:
        names, codes = np.unique(y, return_inverse=True)
        if not 2 <= len(names) <= MOST_CLASSES:
            raise PlayError(
                f"y has {plural(len(names), 'different value')}, but the playground draws 2 to "
                f"{MOST_CLASSES} classes. Pass other classes, or floating-point numbers for a regression."
            )
        classes = list(map(str, names.tolist()))
        data = _divided(X, codes.astype(np.int64), "classes", classes, test, rng)
    data.inputs = (
        [f"x{i + 1}" for i in range(X.shape[1])] if inputs is None else check_list("inputs", inputs)
    )
    data.axes = data.inputs[:2]
    if X.shape[1] != 2:
        _use_principal_plane(data)
    return data


def _divided(X, y, kind, classes, test, rng):
    """Return the PlayData of rows, some of which are held out at random."""
    with refusing():
        test = check_number("test", test, minimum=0, below=1)
    n_test = round(test * len(X))
    order = rng.permutation(len(X)) if n_test else np.arange(len(X))
    X, y = np.ascontiguousarray(X[order], np.float32), np.ascontiguousarray(y[order])
    return PlayData(X[n_test:], y[n_test:], X[:n_test], y[:n_test], kind, classes)


def _use_principal_plane(data):
    """Draw the plane of the first two principal components of the training rows."""
    mean = data.X.mean(axis=0, dtype=np.float64)
    _, _, components = np.linalg.svd(data.X - mean, full_matrices=False)
    directions = np.zeros((2, data.X.shape[1]))
    directions[: len(components[:2])] = components[:2]
    # signs of an SVD are arbitrary: the largest entry is positive
    for row in directions:
        row *= np.sign(row[np.abs(row).argmax()]) or 1
    data.origin, data.directions = mean.astype(np.float32), directions.astype(np.float32)
    data.axes = ["principal component 1", "principal component 2"]


def _digits(n, noise, rng, test):
    from ..datasets import load_digits

    X, y = load_digits()
    rows = rng.permutation(len(X))[:n]
    X = X[rows] + np.float32(noise) * rng.normal(size=(len(rows), 64)).astype(np.float32)
    data = _divided(X, y[rows], "classes", [str(digit) for digit in range(10)], test, rng)
    data.inputs = [f"pixel {i // 8 + 1},{i % 8 + 1}" for i in range(64)]
    _use_principal_plane(data)
    return data


def _circles(rng, n):
    y = np.arange(n) % 2
    radius = np.where(y == 1, 0.35 * np.sqrt(rng.random(n)), 0.7 + 0.25 * rng.random(n))
    angle = 2 * np.pi * rng.random(n)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), y


def _xor(rng, n):
    X = rng.uniform(0.05, 0.95, (n, 2)) * rng.choice([-1, 1], (n, 2))
    return X, (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def _spirals(rng, n):
    y = np.arange(n) % 2
    t = np.sqrt(rng.random(n))
    angle = 1.75 * 2 * np.pi * t + np.pi * y
    return 0.95 * t[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1), y


def _moons(rng, n):
    y = np.arange(n) % 2
    angle = np.pi * rng.random(n)
    x1 = np.where(y == 0, np.cos(angle), 1 - np.cos(angle)) - 0.5
    x2 = np.where(y == 0, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    return 0.6 * np.stack([x1, x2], axis=1), y


def _gauss(rng, n):
    y = np.arange(n) % 2
    return 0.4 * (2 * y[:, None] - 1) + 0.18 * rng.normal(size=(n, 2)), y


def _plane(rng, n):
    X = rng.uniform(-1, 1, (n, 2))
    return X, (X[:, 0] + X[:, 1]) / 2


def _waves(rng, n):
    X = rng.uniform(-1, 1, (n, 2))
    return X, np.sin(3 * X[:, 0]) * np.cos(3 * X[:, 1])


_POINTS = {
    "circles": _circles,
    "xor": _xor,
    "spirals": _spirals,
    "moons": _moons,
    "gauss": _gauss,
    "plane": _plane,
    "stretched": _plane,
    "waves": _waves,
}


# ---- rows of a table ----


def from_table(
    table: Any, target: str, columns: Any = None, test: float = 0.3, seed: int = 0
) -> PlayData:
    """Return the data set of a table: its target against two inputs.

    Inputs have mean 0 and standard deviation 1. A missing number becomes the mean of its column,
    and rows without a target are left out. Of a table with more than 5,000 rows, 5,000 are drawn
    at random. `notes` of the result say what was left out or changed.

    Parameters
    ----------
    table : pyarrow.Table, str or path-like
        A table that `fastnn.tables.read` returns, or its file.
    target : str
        The column to learn. Two different values, texts, and up to ten whole numbers are classes,
        as for `fastnn train`.
    columns : list of two str, optional
        Columns of numbers or dates. By default the first two principal components of all columns of
        numbers, dates, and of up to ten different texts.
    test : float in [0, 1), default 0.3
    seed : int, default 0

    Returns
    -------
    PlayData

    Raises
    ------
    ValueError
        A column does not exist or holds no numbers, or the target has too many classes.
    """
    from ..tables import convert_texts, read

    notes: list[str] = []
    if not hasattr(table, "column_names"):
        table = read(table)
    _check_names(table, target, columns)
    table = convert_texts(table, on_note=lambda note: notes.append(str(note)))
    values = _target(table[target], target)
    rows = np.flatnonzero([value is not None for value in values])
    if len(rows) < table.num_rows:
        notes.append(f"{plural(table.num_rows - len(rows), 'row')} without a target left out")
    if len(rows) < LEAST_ROWS:
        raise PlayError(
            f"the table has {plural(len(rows), 'row')} with a target, but needs at least {LEAST_ROWS}."
        )
    rng = check_rng(seed, "seed")
    if len(rows) > MAX_POINTS:
        notes.append(f"{MAX_POINTS:,} of {len(rows):,} rows drawn at random")
        rows = np.sort(rng.permutation(rows)[:MAX_POINTS])
    y = _labels(np.array([values[i] for i in rows.tolist()]), target)
    table = table.take(rows)
    if columns is None:
        X, labels = _principal_components(table.drop_columns([target]), notes)
    else:
        X, labels = _chosen_columns(table, columns, notes), list(columns)
    data = from_arrays(X, y, labels, test, seed)
    data.notes = notes
    return data


def _check_names(table, target, columns):
    """Check that the columns exist, and that two different ones are inputs."""
    names = table.column_names
    for name in [target, *(columns or ())]:
        if name not in names:
            close = similar(name, names)
            hint = f" Did you mean {close!r}?" if close else f" It has {', '.join(names[:8])}."
            raise PlayError(f"the table has no column {printable(name)!r}.{hint}")
    if columns is not None and len({target, *columns}) != 3:
        raise PlayError("choose two different columns, neither of them the target.")


def _target(column, name):
    """Return the values of the target: numbers, Booleans or texts, and None for missing ones."""
    import pyarrow as pa

    if pa.types.is_temporal(column.type):
        raise PlayError(
            f"the target {printable(name)!r} holds dates or times. Choose a column of numbers or classes."
        )
    values = column.to_pylist()
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers = [np.nan if value is None else float(value) for value in values]
        return [value if np.isfinite(value) else None for value in numbers]
    return [value if isinstance(value, int | None) else str(value) for value in values]


def _labels(y, name):
    """Return classes, or scaled float32 numbers."""
    from ..tables.cells.recognition import are_class_numbers

    n_distinct, label = len(np.unique(y)), f"the target {printable(name)!r}"
    if n_distinct < 2:
        raise PlayError(f"{label} has the same value in every row. Choose another target.")
    is_class = n_distinct == 2 or y.dtype.kind not in "fiu"
    if not is_class and (y.dtype.kind == "f" or not are_class_numbers(n_distinct, len(y))):
        return _scaled(y.astype(np.float64)).astype(np.float32)
    if n_distinct > MOST_CLASSES:
        raise PlayError(
            f"{label} has {n_distinct:,} different values, but at most {MOST_CLASSES} classes can be "
            "drawn. Choose another target."
        )
    return np.array([f"{value:g}" for value in y.tolist()]) if y.dtype.kind == "f" else y


def _chosen_columns(table, columns, notes):
    """Return two columns, (n, 2)."""
    parts = []
    for name in columns:
        numbers = _to_numbers(table[name])
        if numbers is None:
            raise PlayError(
                f"column {printable(name)!r} holds texts. Choose columns of numbers or dates, or "
                "leave them out for the principal components of all columns."
            )
        if not np.nanstd(numbers) > 0:
            raise PlayError(
                f"column {printable(name)!r} has fewer than two different values. Choose another."
            )
        parts.append(numbers)
    _note_missing(parts, notes)
    return np.stack([_scaled(part) for part in parts], axis=1)


def _principal_components(table, notes):
    """Return the first two principal components of all columns, (n, 2), and their names."""
    numbers: list[Any] = []
    levels: list[Any] = []
    left_out = []
    for name in table.column_names:
        values = _to_numbers(table[name])
        found = _levels(table[name]) if values is None else []
        if values is not None and np.isfinite(values).any() and np.nanstd(values) > 0:
            numbers.append(values)
        elif found:
            levels += found
        else:
            left_out.append(name)
    if len(numbers) + len(levels) < 2:
        raise PlayError(
            "the table needs two columns of numbers or of few texts beside the target, each with "
            "different values."
        )
    if left_out:
        notes.append(
            f"{plural(len(left_out), 'column')} with one value or many texts left out: "
            f"{join(left_out)}"
        )
    _note_missing(numbers, notes)
    X = np.stack([_scaled(part) for part in numbers + levels], axis=1)
    _, values, components = np.linalg.svd(X, full_matrices=False)
    components = components[:2] * np.sign(components[:2].sum(axis=1, keepdims=True) + 1e-300)
    shares = values**2 / (values**2).sum()
    scores = X @ components.T
    scores[:, shares[:2] < 1e-9] = 0  # rounding errors of columns that say the same
    names = [f"principal component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2)]
    return np.stack([_scaled(part) for part in scores.T], axis=1), names


def _note_missing(parts, notes):
    n = sum(np.count_nonzero(np.isnan(part)) for part in parts)
    if n:
        notes.append(f"{plural(n, 'missing value')} replaced by the mean of the column")


def _levels(column):
    """Return an input for each of a few different texts, [] if there are one or many."""
    texts = np.asarray([str(value) for value in column.to_pylist()])
    levels = np.unique(texts)
    if not 2 <= len(levels) <= MAX_LEVELS:
        return []
    return [(texts == level).astype(np.float64) for level in levels]


def _to_numbers(column):
    """Return a column of numbers or dates as float64, missing values as NaN; None for texts."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_duration(kind) or not pa.types.is_primitive(kind):
        return None
    values = np.array(column.to_pylist(), float)
    return np.where(np.isfinite(values), values, np.nan)


def _scaled(values):
    """Return values with mean 0 and standard deviation 1; missing ones become 0."""
    spread = np.nanstd(values) or 1.0
    return np.nan_to_num((values - np.nanmean(values)) / spread)
