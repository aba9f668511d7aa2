"""Tables and commands for the tests of the command line."""

import contextlib
import csv
import importlib
import json

import numpy as np

from fastnn.cli import options, trained_models
from fastnn.training import pool


def option_items(command):
    """The pairs (argument of Python, option) of a command."""
    module = importlib.import_module(f"fastnn.cli.{command}")
    return options.options_of_arguments(module.Options).items()


def write_csv(file_name, /, **columns):
    with open(file_name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))


def write_people(name="people.csv", n=300):
    """A table with everything: numbers, categories, missing values, an ID, a constant; three
    targets."""
    rng = np.random.default_rng(0)
    age, city = rng.integers(18, 80, n), rng.choice(["Rom", "Köln", "Paris"], n)
    write_csv(
        name,
        id=[f"c{i}" for i in range(n)],
        age=["" if i % 20 == 0 else a for i, a in enumerate(age)],
        city=["" if i % 30 == 0 else c for i, c in enumerate(city)],
        planet=["Earth"] * n,
        buys=np.where(age + 20 * (city == "Rom") > 60, "yes", "no"),
        group=np.digitize(age, [30, 50]),
        income=np.round(1000 * (30 + age + 10 * (city == "Paris")) + rng.normal(0, 500, n), 2),
    )


def report_of(run, *arguments):
    """The JSON report of fastnn train."""
    code, out, errors = run("train", *arguments, "--json")
    assert code == 0, errors
    return json.loads(out)


def ctrl_c():
    raise KeyboardInterrupt


def interrupt_after(monkeypatch, *folds, by=ctrl_c):
    """Let Ctrl-C arrive when this many folds are done, in one training after the other.

    Progress is shown after each epoch of each network, however fast they are.
    """
    folds = list(folds)
    monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)

    @contextlib.contextmanager
    def show_progress(label, quiet):
        fold = folds.pop(0) if folds else None

        def update(progress):
            if fold is not None and progress.folds_done >= fold:
                by()

        yield update

    monkeypatch.setattr(trained_models, "show_progress", show_progress)


#: Options of a training that takes little time, without a limit: then the result would depend on
#: the speed of the machine.
FAST = ("--folds", "1", "--hidden", "8")
