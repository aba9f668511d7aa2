"""What the cases of errors about data share."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import write_csv

from fastnn import TabularClassifier, TabularRegressor

N = 40
A, GOAL = np.arange(N) * 1.5, [0, 1] * (N // 2)
TEXT = ["x", "y"] * (N // 2)


@dataclass
class Case:
    """A mistake.

    Attributes
    ----------
    site : str
        The place in the source: "module.function: the template of the message", of which the end may
        be left out.
    prepare : callable
        prepare(monkeypatch) makes what the mistake needs.
    python : callable
    command : str or None
        None: the command line cannot make the mistake, or refuses it before.
    """

    site: str
    python: Callable
    command: str | None = None
    prepare: Callable = lambda monkeypatch: None


def train(data, options=""):
    return f"train {data} --target goal --out m --folds 2 --hidden 2 {options}"


def folder(**files):
    """Write a folder `d` of Parquet files."""

    def write(monkeypatch):
        os.mkdir("d")
        for name, columns in files.items():
            pq.write_table(pa.table(columns), f"d/{name}.parquet")

    return write


def large(**parameters):
    return TabularClassifier(2, hidden_layer_sizes=2, random_state=0, **parameters)


def number_model(monkeypatch, scale=1.0):
    model = TabularRegressor(2, hidden_layer_sizes=2, random_state=0)
    model.fit(pa.table({"a": A, "goal": A * scale}), "goal").save("n.safetensors")
    write_csv("new.csv", a=[1])
