"""Model files for the tests of the commands that read them."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
from cli_cases import write_csv
from training_records import training_setup

from fastnn import TabularClassifier, TabularRegressor, cli
from fastnn.tables import read

SMALL = dict(n_estimators=2, hidden_layer_sizes=8, random_state=0)


def write_models():
    """Write table.csv, new.csv, and models for two classes (yes or no), three (0 to 2) and a number.

    The inputs are the number `a` and the category `city`; `id` is left out.
    """
    rng = np.random.default_rng(0)
    a, city = rng.normal(size=120), rng.choice(["Köln", "Rom"], 120)
    columns = dict(
        id=[f"{i:03}" for i in range(120)],
        a=a,
        city=city,
        b=np.where(a + (city == "Rom") > 0, "yes", "no"),
        c=np.digitize(a, [-0.5, 0.5]),
        n=1000 + 50 * a,
    )
    write_csv("table.csv", **columns)
    write_csv("new.csv", city=["Rom", "Köln"], a=[2.5, -2.5])
    table = read("table.csv", ["id"])
    for target in "bcn":
        others = [name for name in "bcn" if name != target]
        estimator = TabularRegressor if target == "n" else TabularClassifier
        model = estimator(**SMALL, drop="id").fit(table.drop_columns(others), target)
        model.metadata_ = {"training": json.dumps(training_setup(target=target).to_json())}
        model.save(f"{target}.safetensors")


def models_folder(tmp_path_factory):
    """A folder with tables and models, for a fixture of a module."""
    folder, here = tmp_path_factory.mktemp("models"), os.getcwd()
    os.chdir(folder)
    try:
        write_models()
    finally:
        os.chdir(here)
    return folder


@contextlib.contextmanager
def unchanged_folder():
    """Delete the files that a test adds to the working directory. It may change no others."""
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    yield
    for name in os.listdir():
        if name not in before:
            os.unlink(name)
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def call(capsys, *arguments):
    """Run a command. Return (exit code, standard output, standard error)."""
    try:
        code = cli.main(list(arguments))
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()
