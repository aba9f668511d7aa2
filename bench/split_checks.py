"""How often the data checks suggest --time and --group, on tables whose answer is known.

    python bench/split_checks.py                    made tables, and those of scikit-learn
    python bench/split_checks.py FILE:TARGET ...    other tables: what is suggested

Twenty tables have independent rows: ten are made, and ten are tables of scikit-learn with columns of
dates, years, patients and panels that are drawn at random. Each suggestion there is a false alarm.
The made tables that depend on times or units have 80 to 6,000 rows, with and without gaps.
"""

import sys
import time

import numpy as np
import pyarrow as pa

from fastnn import tables
from fastnn.tabular.columns import frames
from fastnn.tabular.split_check import find_splits

SEEDS = range(5)


def dates(days):
    """Return dates: numbers of days since 2015."""
    return (
        pa.array(np.asarray(days, np.int64) + 16436, pa.int64()).cast(pa.int32()).cast(pa.date32())
    )


def names(numbers, letter="p"):
    return [f"{letter}{i:03}" for i in numbers]


def with_random_columns(rng, columns):
    """Return columns, and others of random dates, years, patients and IDs: rows stay independent."""
    n = len(next(iter(columns.values())))
    sites = rng.permutation(np.arange(n) % 12)
    return {
        "date": dates(rng.integers(0, 1500, n)),
        "year": rng.integers(2000, 2020, n),
        "patient": names(rng.permutation(np.arange(n) // 8)),
        "site": names(sites, "s"),
        **columns,
    }


# ---- independent rows ----


def made_independent(rng):
    """Yield (name, columns) of ten tables. The target is y."""
    for i, n in enumerate((120, 200, 400, 1000, 5000)):
        x, z = rng.normal(size=(2, n))
        city = rng.choice(8, n)
        y = np.sin(2 * x) + 0.5 * z + 0.3 * city + (0.2 + 0.2 * i) * rng.normal(size=n)
        columns = {"x": x, "z": z, "city": names(city, "c")}
        yield f"numbers, {n} rows", with_random_columns(rng, {**columns, "y": y})
        labels = np.where(y > np.median(y), "yes", "no")
        yield f"classes, {n} rows", with_random_columns(rng, {**columns, "y": labels})


def public_independent(rng):
    """Yield (name, columns) of tables of scikit-learn, with rows in random order."""
    from sklearn import datasets

    found = {
        "iris": datasets.load_iris(),
        "wine": datasets.load_wine(),
        "breast cancer": datasets.load_breast_cancer(),
        "diabetes": datasets.load_diabetes(),
        "digits": datasets.load_digits(),
    }
    for name, data in found.items():
        order = rng.permutation(len(data.target))
        columns = {f"x{j}": data.data[order, j] for j in range(data.data.shape[1])}
        y = data.target[order]
        if name != "diabetes":
            y = np.array(names(y, "c"))
        yield name, with_random_columns(rng, {**columns, "y": y})
        other = f"x{data.data.var(axis=0).argmax()}"  # a number of the table is the target
        columns["y"], columns[other] = columns[other], data.target[order]
        yield f"{name}, {other}", with_random_columns(rng, columns)


# ---- rows that depend on times or units ----


def dependent(rng):
    """Yield (name, columns, kind of the suggestion, columns that it may name)."""
    day = np.arange(1500)
    sales = 20 + day / 50 + 5 * np.sin(day / 7 * 2 * np.pi) + rng.normal(size=1500)
    yield "days with a trend", dict(date=dates(day), price=rng.normal(size=1500), y=sales), "time"
    gap = dates(day).to_pylist()
    gap[0] = None
    yield "days, one is missing", dict(date=gap, price=rng.normal(size=1500), y=sales), "time"
    walk = np.cumsum(rng.normal(size=240))
    months = [f"{2000 + i // 12}-{i % 12 + 1:02}" for i in range(240)]
    yield "240 months of one country", dict(month=months, y=walk), "time"
    classes = np.where(np.sin(np.arange(600) / 40) + 0.3 * rng.normal(size=600) > 0, "up", "down")
    yield "classes that change", dict(date=dates(np.arange(600)), y=classes), "time"
    walks = np.cumsum(rng.normal(size=(24, 240)), axis=1) + 5 * rng.normal(size=(24, 1))
    panel = dict(country=names(np.repeat(np.arange(24), 240)), month=months * 24, y=walks.ravel())
    yield "24 countries, 240 months", panel, "panel"
    years = dict(country=names(np.repeat(np.arange(60), 12)), year=[*range(2000, 2012)] * 60)
    levels = np.repeat(rng.normal(size=60), 12) + 0.2 * rng.normal(size=720)
    yield "60 countries, 12 years", {**years, "y": levels}, "panel"
    who, step = np.repeat(np.arange(14), 76), np.tile(np.arange(76), 14)
    curves = np.sin(step / 5 + rng.uniform(0, 6, 14)[who]) + 0.1 * rng.normal(size=1064)
    yield "14 subjects, 76 rows each", dict(subject=names(who), step=step, y=curves), "group"
    who = np.repeat(np.arange(100), 10)
    traits = rng.normal(size=(100, 4))[who] + 0.05 * rng.normal(size=(1000, 4))
    columns = {f"x{j}": traits[:, j] for j in range(4)}
    level = rng.normal(size=100)[who] + 0.1 * rng.normal(size=1000)
    yield "100 patients, 10 rows each", dict(patient=names(who), **columns, y=level), "group"
    risk = np.where(rng.random(100) < 0.5, "yes", "no")[who]
    yield "classes of 100 patients", dict(patient=names(who), **columns, y=risk), "group"
    who = np.repeat(np.arange(40), rng.integers(5, 60, 40))
    speed = rng.normal(size=40)[who] + 0.1 * rng.normal(size=len(who))
    yield (
        "40 machines, unequal",
        dict(machine_id=who, load=rng.normal(size=len(who)), y=speed),
        "group",
    )


# ---- results ----


def suggestions(columns):
    """Return the issues about a table, and the seconds of CPU time that they took."""
    table = pa.table(columns)
    is_text = pa.types.is_string(table.column("y").type)
    began = time.process_time()
    found = find_splits(*frames.split_target(table, "y"), is_text)
    return found, time.process_time() - began


def main():
    rows = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        for make in (made_independent, public_independent):
            rows += [(name, None, *suggestions(columns)) for name, columns in make(rng)]
        rows += [(name, kind, *suggestions(columns)) for name, columns, kind in dependent(rng)]
    print(f"{'table':<28}{'expected':>10}{'found':>30}{'seconds':>9}")
    for name in dict.fromkeys(row[0] for row in rows):
        found = [row for row in rows if row[0] == name]
        kinds = [",".join(issue.kind for issue in row[2]) or "-" for row in found]
        longest = max(row[3] for row in found)
        print(f"{name:<28}{found[0][1] or '-':>10}{' '.join(kinds):>30}{longest:>9.2f}")
    independent = [row for row in rows if row[1] is None]
    others = [row for row in rows if row[1] is not None]
    alarms = sum(bool(row[2]) for row in independent)
    right = sum([issue.kind for issue in row[2]] == [row[1]] for row in others)
    print(f"false alarms on {alarms} of {len(independent)} tables of independent rows")
    print(f"found {right} of {len(others)} tables of rows that depend on each other")
    print(
        f"seconds: median {np.median([row[3] for row in rows]):.2f}, most {max(row[3] for row in rows):.2f}"
    )


def of_files(specs):
    for spec in specs:
        path, _, target = spec.rpartition(":")
        table = tables.read(path)
        table = table.filter(pa.compute.is_valid(table.column(target)))
        found, seconds = suggestions(
            {"y" if name == target else name: table.column(name) for name in table.column_names}
        )
        print(f"{path}, {target}, {table.num_rows:,} rows, {seconds:.2f} s")
        for issue in found:
            print(f"    {issue.kind}: {issue}")


if __name__ == "__main__":
    of_files(sys.argv[1:]) if sys.argv[1:] else main()
