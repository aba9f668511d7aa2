"""A kind of column that fastnn does not have, angles such as 90°, and what each program does with it.

It runs in a fresh process, since the table of kinds is read when modules are imported.
"""

import contextlib
import inspect
import io
import json
import math
import sys
from pathlib import Path

import numpy as np

from fastnn.core.errors import DataError
from fastnn.tabular.columns import KINDS, features
from fastnn.tabular.columns.column import NumberFeature, Numeric

N = 90


class Angle(Numeric):
    """A column of angles: texts such as 90°, or numbers of degrees. Its values are radians."""

    kind = "angle"
    argument = "angles"
    option_help = "columns to treat as angles in degrees, such as 90°"
    is_read_as_text = True
    number_parts = (*Numeric.number_parts, "sin", "cos")

    @classmethod
    def guess(cls, label, raw):
        is_angle = raw.kind == "text" and all(text.endswith("°") for text in raw.present)
        return cls(label, "°", True) if is_angle else None

    @classmethod
    def declare(cls, label, raw):
        if any(math.isnan(parse_angle(text, "°")) for text in raw.present):
            raise DataError(
                "{argument} names the column {column!r}, which holds other texts.",
                "Correct them.",
                argument=cls.argument,
                column=label,
            )
        return cls(label, "°" if raw.kind == "text" else None, raw.kind == "text")

    def is_style(self):
        return self.style in (None, "°")

    def needs_texts(self):
        return self.from_text

    def find_style(self, raw):
        return "°", parse_angle

    def expected(self):
        return "angles such as 90°"

    def convert(self, raw):
        if raw.kind == "text":
            return self.convert_texts(raw, "an angle such as 90°")
        return np.radians(raw.values)

    def parts(self, source, present, spread, has_missing):
        return [NumberFeature(source, part) for part in ("sin", "cos")]

    def number(self, values, part):
        return values if part == "value" else getattr(np, part)(values)

    def write(self, x, write_number):
        return f"{write_number(round(math.degrees(x), 6))}°"

    def to_axis(self, values):
        return np.degrees(values)

    def describe_json(self, categories, typical):
        return "an angle such as 90°, or null", {"type": ["string", "number", "null"]}, "90°"

    def to_c(self, writer, x, feature):
        is_part = feature.part in ("sin", "cos")
        return f"{feature.part}({x})" if is_part else super().to_c(writer, x, feature)

    def to_onnx(self, writer, x, feature):
        if feature.part not in ("sin", "cos"):
            return super().to_onnx(writer, x, feature)
        shift = np.array(math.pi / 2 if feature.part == "cos" else 0.0)
        return writer.add("Sin", writer.add("Add", x, shift))


def parse_angle(text, style):
    """Return the radians of a text such as 90°, NaN for another one."""
    number = text.strip().removesuffix(style)
    return math.radians(float(number)) if number.isdecimal() else math.nan


def add_kind(kind):
    """Add a kind to the table of kinds, and its argument to the constructors of the estimators."""
    rows = {kind.kind: kind, **KINDS}  # it guesses before numbers do
    KINDS.clear()
    KINDS.update(rows)
    features.ARGUMENTS = (kind.argument, *features.ARGUMENTS)
    from fastnn import TabularClassifier, TabularRegressor

    for estimator in (TabularClassifier, TabularRegressor):
        estimator.__init__ = _with_argument(estimator.__init__, kind.argument)


def _with_argument(init, argument):
    def __init__(self, *args, **options):
        value = options.pop(argument, None)
        init(self, *args, **options)
        setattr(self, argument, value)

    signature = inspect.signature(init)
    new = inspect.Parameter(argument, inspect.Parameter.KEYWORD_ONLY, default=None)
    __init__.__signature__ = signature.replace(parameters=[*signature.parameters.values(), new])
    return __init__


# ---- the programs ----


def write_tables():
    """Write data.csv, and other.csv with rows that differ. Both have angles as texts and as numbers."""
    import pyarrow as pa
    import pyarrow.csv

    rng = np.random.default_rng(0)
    wind, course, z = rng.integers(0, 360, N), rng.integers(0, 180, N), rng.normal(size=N)
    y = np.cos(np.radians(wind)) + np.sin(np.radians(course)) + 0.1 * z
    texts = [None if i % 15 == 7 else f"{x}°" for i, x in enumerate(wind.tolist())]
    columns = {"wind": texts, "course": course, "z": z, "y": y}
    pa.csv.write_csv(pa.table(columns), "data.csv")
    north = [f"{x % 9}°" if x < 180 else "north" for x in wind.tolist()]
    pa.csv.write_csv(pa.table(columns | {"wind": north, "course": course + 360}), "other.csv")


def run(*arguments):
    """Return (exit code, output, errors) of a command."""
    from fastnn import cli

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(list(arguments))
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


TRAIN = "train data.csv --target y --angle course --hidden 8 --folds 2 --threads 1 --time-limit 20"
#: What commands do, in this order.
COMMANDS = {
    "info table": "info data.csv --target y --json",
    "train": f"{TRAIN} --report report.html --out model.safetensors",
    "train again": f"{TRAIN} --seed 1 --out model2.safetensors",
    "named twice": f"{TRAIN} --number course --out other.safetensors",
    "other texts": "train other.csv --target y --angle wind --out other.safetensors",
    "info": "info model.safetensors --json",
    "card": "info model.safetensors --card",
    "predict": "predict model.safetensors data.csv --out predicted.csv --json",
    "explain": "explain model.safetensors data.csv --rows 1 --json",
    "check": "check model.safetensors other.csv --json",
    "compare": "compare model.safetensors model2.safetensors data.csv --json",
    "export": "export model.safetensors --c model.c --onnx model.onnx",
}


def use_estimators(table):
    """Return what an estimator and its file make of a table, and the effects of its columns."""
    import matplotlib

    import fastnn
    from fastnn.plotting import plot_effect

    matplotlib.use("agg")
    y = table["y"].to_numpy()
    X = table.drop_columns(["y"])
    options = dict(hidden_layer_sizes=8, angles="course", n_threads=1, random_state=0)
    classifier = fastnn.TabularClassifier(2, **options).fit(X, y > 0)
    classifier.save("classes.safetensors")
    loaded = fastnn.load("classes.safetensors")
    effect, pair = loaded.effect("wind"), loaded.pair_effect("wind", "course")
    ticks = [text.get_text() for text in plot_effect(pair).get_xticklabels()]
    is_same = np.array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    label, values = plot_effect(effect).get_xlabel(), effect.values.tolist()
    found = dict(columns=loaded.columns_, effect=values, label=label, ticks=ticks)
    return found | {"is same": is_same, "score": loaded.score(X, y > 0)}


def serve(model, row):
    """Return the paths of the model over HTTP, and the reply for a row."""
    from serving_client import ask, ask_all

    from fastnn.serving import create_app

    app = create_app(model, "model")
    (page,) = ask_all(app, [("GET", "/", {})])
    replies = {"model": ask(app, "/model"), "openapi": ask(app, "/openapi.json")}
    return replies | {"predict": ask(app, "/predict", row), "page": page.text}


def explore(model, table):
    """Return what the page of `fastnn play` gets."""
    from fastnn.playground.explorer import Explorer

    explorer = Explorer(model, "model", table, "y")
    described = explorer.describe()
    columns, row = {each["name"]: each for each in described["columns"]}, described["row"]
    nearest = explorer.explain(row)["nearest"]
    return dict(columns=columns, row=row, answer=explorer.answer(row), nearest=nearest)


def predict_exported(model, table):
    """Return the predictions of the exported files, None for those that this machine cannot run."""
    import c_program

    from fastnn.tabular.columns import frames

    features = model.model_.features
    frame = frames.read(table.select(features.names))
    values = {column.label: x for _, column, x in features.values(frame)}
    out = {"c": None, "onnx": None}
    if c_program.GCC is not None:
        rows = c_program.Rows(list(zip(*(x.tolist() for x in values.values()))), "double")
        out["c"] = c_program.predict(Path.cwd(), {"model": rows})["model"][1].ravel().tolist()
    with contextlib.suppress(ImportError):
        import onnxruntime

        session, rows = onnxruntime.InferenceSession("model.onnx"), values.items()
        out["onnx"] = session.run(None, {name: x[:, None] for name, x in rows})[0].ravel().tolist()
    return out


def main():
    """Print what all programs do as JSON."""
    add_kind(Angle)
    write_tables()
    found = {name: run(*command.split()) for name, command in COMMANDS.items()}
    import fastnn
    from fastnn import tables

    table = tables.read("data.csv")
    model = fastnn.load("model.safetensors")
    row = table.select(["wind", "course", "z"]).slice(0, 1).to_pylist()[0]
    found |= dict(predictions=model.predict(table).tolist(), estimators=use_estimators(table))
    found |= dict(serve=serve(model, row), play=explore(model, table))
    found["exported"] = predict_exported(model, table)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
