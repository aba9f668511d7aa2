"""Tables, trainings and model files for the tests of the commands that need the extras."""

import contextlib
import json

import numpy as np
import pytest
from cli_cases import write_csv
from training_records import training_setup

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

import pyarrow.parquet as pq  # noqa: E402, F401

from fastnn import TabularClassifier, TabularRegressor  # noqa: E402
from fastnn.cli import trained_models  # noqa: E402
from fastnn.tables import read  # noqa: E402
from fastnn.training import pool  # noqa: E402

SMALL = dict(n_estimators=2, hidden_layer_sizes=8, random_state=0)


def write_models():
    """Write table.csv, new.csv, and models for two classes (yes or no), three (0 to 2) and a number.

    The inputs are the number `a` and the category `city`; `id` is left out.
    """
    rng = np.random.default_rng(0)
    a, city = rng.normal(size=120), rng.choice(["Köln", "Rom"], 120)
    columns = dict(id=[f"{i:03}" for i in range(120)], a=a, city=city)
    columns |= dict(b=np.where(a + (city == "Rom") > 0, "yes", "no"))
    write_csv("table.csv", **columns, c=np.digitize(a, [-0.5, 0.5]), n=1000 + 50 * a)
    write_csv("new.csv", city=["Rom", "Köln"], a=[2.5, -2.5])
    table = read("table.csv", ["id"])
    for target in "bcn":
        others = [name for name in "bcn" if name != target]
        estimator = TabularRegressor if target == "n" else TabularClassifier
        model = estimator(**SMALL, drop="id").fit(table.drop_columns(others), target)
        model.metadata_ = {"training": json.dumps(training_setup(target=target).to_json())}
        model.save(f"{target}.safetensors")


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


def write_targets(target, n=150):
    """Write t.csv with three targets. Return the arguments that name one, and drop the others."""
    x, z, noise = np.random.default_rng(0).normal(size=(3, n))
    columns = dict(x=x, z=z, two=np.where(x + noise > 0, "a", "b"))
    columns |= dict(many=[f"class {i % 25}" for i in range(n)])
    write_csv("t.csv", **columns, number=170_000 + 4_000 * (x + 0.1 * noise))
    return "t.csv", "--target", target, "--drop", ",".join({"two", "many", "number"} - {target})


def report_of(run, *arguments):
    """The JSON report of fastnn train."""
    return json.loads(run.output("train", *arguments, "--json"))


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
