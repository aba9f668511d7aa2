"""How often is drift noted that is none, and how often is it noted where it is?

Each table is split at random, three times: three quarters are the training rows, and 1, 3, 20, 200 or
all of the others the new rows. Nothing has changed in them, so each change that counts as drift is a
false alarm. Then one column at a time of 20 or 200 new rows is changed, and a change of it must be noted:

- `unit`: numbers 1,000 times as large
- `far`: one number 1,000 times as large as the largest
- `missing`: three of ten values missing in a column that has all
- `unknown`: three of ten values of a new category
- `half`: only rows above the median of a column, which other columns follow as they do

    python bench/drift.py my_tables/ [--json FILE]
"""

import argparse
import collections
import json
import pathlib
import warnings

import numpy as np

import fastnn.tables
from fastnn.core.errors import DataError
from fastnn.tabular.columns import frames
from fastnn.tabular.columns.features import Features
from fastnn.tabular.columns.input_column import InputColumn, to_texts
from fastnn.tabular.drift.changes import find_changes
from fastnn.tabular.drift.profile import NewRows, TableProfile

SPLITS = 3
SIZES = 1, 3, 20, 200, None
CHANGED_SIZES = 20, 200
CHANGED_COLUMNS = 3  # of each table, drawn at random
MIN_ROWS = 100
FACTOR = 1000.0
PART = 0.3


def read_tables(folder):
    """Yield (name, Frame) of the files in a folder that can be read."""
    for path in sorted(pathlib.Path(folder).rglob("*")):
        try:
            frame = frames.read(fastnn.tables.read(str(path)))
        except (DataError, OSError, ValueError):
            continue
        if frame.n_rows >= MIN_ROWS:
            yield path.name, frame


def split(frame, seed):
    """Return the Features and the TableProfile of three quarters, and the other rows; None: no column."""
    order = np.random.default_rng(seed).permutation(frame.n_rows)
    n = frame.n_rows - frame.n_rows // 4
    train = frame.take(order[:n])
    try:
        features = Features.fit(train)
    except DataError:
        return None
    return features, TableProfile.fit(features, train), frame.take(order[n:])


def check(features, profile, frame):
    new = NewRows(features, profile)
    new.add(frame)
    return find_changes(new)


def changed(raw, kind, rng):
    """Return an InputColumn with this change, None if it does not suit the column."""
    n = len(raw.values)
    some = rng.random(n) < PART
    if kind in ("unit", "far"):
        present = np.flatnonzero(~np.isnan(raw.values)) if raw.kind == "number" else []
        if not len(present) or not np.abs(raw.values[present]).max():
            return None
        values = raw.values * FACTOR
        if kind == "far":
            values = raw.values.copy()
            values[present[0]] = FACTOR * np.abs(values[present]).max()
        return InputColumn("number", values)
    if kind == "missing":
        if raw.kind == "text":
            return InputColumn("text", np.where(some, -1, raw.values), raw.texts)
        return InputColumn(raw.kind, np.where(some, np.nan, raw.values))
    codes, texts = to_texts(raw)
    return InputColumn("text", np.where(some, len(texts), codes), [*texts, "a new one"])


def columns_for(kind, features, profile):
    """Return the positions in `Features.columns` that a change suits."""
    is_category = [column.kind == "category" for column in features.columns]
    return [
        j
        for j, p in profile.columns.items()
        if (kind != "missing" or p.n_missing == 0)
        and (kind in ("missing", "unknown") or not is_category[j])
        and (kind != "unknown" or (is_category[j] and p.n_others < 0.1 * profile.n_rows))
    ]


def measure(frame, seed, out):
    found = split(frame, seed)
    if found is None:
        return
    features, profile, rest = found
    rng = np.random.default_rng(seed)
    for size in SIZES:
        if size is None or size <= rest.n_rows:
            report = check(features, profile, rest.take(np.arange(size or rest.n_rows)))
            out["none", size].append(report.has_drift)
            out["changes", size] += [c.kind for c in report.changes]
    for size in CHANGED_SIZES:
        if size > rest.n_rows:
            continue
        for kind in ("unit", "far", "missing", "unknown", "half"):
            possible = columns_for(kind, features, profile)
            for j in rng.permutation(possible)[:CHANGED_COLUMNS]:
                i, part = features.positions[j], rest.take(np.arange(size))
                if kind == "half":
                    values = features.columns[j].convert(rest.columns[i])
                    above = np.flatnonzero(values > np.nanmedian(values))
                    if len(above) < size:
                        continue
                    part = rest.take(above[:size])
                else:
                    raw = changed(part.columns[i], kind, rng)
                    if raw is None:
                        continue
                    part.columns[i] = raw
                label = features.columns[j].label
                out[kind, size].append(label in check(features, profile, part).drifted_columns)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder with table files")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    out, n_tables = collections.defaultdict(list), 0
    for name, frame in read_tables(arguments.folder):
        n_tables += 1
        for seed in range(SPLITS):
            try:
                measure(frame, seed, out)
            except DataError as error:
                print(f"{name}: {error}")
    print(f"{n_tables} tables, {SPLITS} splits each")
    figures = {}
    for (kind, size), values in sorted(out.items(), key=str):
        if kind == "changes":
            print(f"    false alarms with {size or 'all'}: {dict(collections.Counter(values))}")
            continue
        rows = "all rows" if size is None else f"{size} rows"
        print(f"{kind:<8} {rows:>9}: noted in {np.mean(values):7.2%} of {len(values):,}")
        figures[f"{kind}, {rows}"] = [float(np.mean(values)), len(values)]
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
