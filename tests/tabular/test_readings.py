"""A model reads numbers and times in texts alike, from whatever table they come."""

import datetime
import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from fastnn import TabularRegressor
from fastnn.tables.files import TableWarning

pytestmark = pytest.mark.usefixtures("quick_recipe")
N = 60
rng = np.random.default_rng(0)
n = rng.permutation(N)
a = rng.normal(size=N).round(3)
SMALL = dict(hidden_layer_sizes=4, n_threads=1, random_state=0)
#: How the values n are written in a column, the separator of the training file, and the style.
COLUMNS = {
    "clock times": ([f"{i % 24:02}:{i:02}" for i in n], ",", "h:m"),
    "midnight": (["24:00" if i == 7 else f"{i % 24:02}:{i:02}" for i in n], ",", "h:m"),
    "times with seconds": ([f"{i % 24:02}:{i:02}:{i:02}" for i in n], ",", "h:m"),
    "race times": ([f"{i:02}:{i:02}" if i % 2 else f"01:{i:02}:05" for i in n], ",", "m:s"),
    "durations": ([f"{i % 24}h {i}m" for i in n], ",", "1h 20m"),
    "terms": ([f"{i + 1}M" if i < 24 else f"{i // 12}Y" for i in n], ",", "1y 6m"),
    "decimal commas": ([f"{i},{i:03}" if i % 2 else f"{i},5" for i in n], ";", ",||"),
    "decimal commas and dots": ([f"{i + 1}.{i:03},{i:02}" for i in n], ";", ",|.|"),
    "dots between thousands": ([f"{i + 1}.{i:03}" for i in n], ";", ",|.|"),
    "thousands in a TSV file": ([f"{i + 1},{i:03}" for i in n], "\t", ".|,|"),
    "thousands between semicolons": ([f"{i + 1},{i:03}" for i in n], ";", ".|,|"),
    "powers": ([f"{i + 1} mW" if i % 3 else f"{i + 1} W" for i in n], ",", ".||mW"),
}


def table(name):
    return pd.DataFrame({"v": COLUMNS[name][0], "b": [f"{x:.3f}".replace(".", ",") for x in a]})


def writer(kind, suffix, **options):
    """Return a function of a data frame and a folder that writes a file, and returns its path."""

    def write(df, folder):
        path = str(folder / f"t.{suffix}")
        getattr(df, f"to_{kind}")(path, **options)
        return path

    return write


def csv_writer(sep):
    return writer("csv", "csv", index=False, sep=sep)


MEDIA = {
    **{name: csv_writer(sep) for name, sep in {"CSV": ",", "TSV": "\t", "semicolons": ";"}.items()},
    "JSON": writer("json", "json", orient="records"),
    "Parquet": writer("parquet", "parquet", index=False),
    "Excel": writer("excel", "xlsx", index=False),
    "pandas": lambda df, folder: df,
    "Polars": lambda df, folder: pl.DataFrame(df.to_dict("list")),
    "Arrow": lambda df, folder: pa.table(df.to_dict("list")),
    "records": lambda df, folder: df.to_dict("records"),
}


def fit(X):
    with warnings.catch_warnings(action="ignore", category=TableWarning):
        return TabularRegressor(2, **SMALL).fit(X, n + a)


@pytest.mark.spread(4)
@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.filterwarnings("ignore:.*decimal comma:fastnn.tables.TableWarning")
@pytest.mark.filterwarnings("ignore:.*commas separate thousands:fastnn.tables.TableWarning")
@pytest.mark.filterwarnings("ignore:.*dots between thousands:fastnn.tables.TableWarning")
def test_every_table_of_the_same_texts(name, tmp_path, reload):
    """The file decides at the training; a few rows of another table need not tell how they are written."""
    _, sep, style = COLUMNS[name]
    df = table(name)
    if style.startswith("."):
        df["b"] = n % 7  # without decimal commas
    path = csv_writer(sep)(df, tmp_path)
    fitted = fit(path)
    want = fitted.predict(path)
    assert len(set(want)) > N / 2
    loaded = reload(fitted)
    assert loaded.model_.features.columns[0].style == style
    for rows in (slice(None), slice(0, 1), [i for i in range(N) if i % 2]):
        for medium, make in MEDIA.items():
            for model in (fitted, loaded):
                got = model.predict(make(df.iloc[rows], tmp_path))
                assert_array_equal(got, want[rows], err_msg=f"{medium}, {rows}")


@pytest.mark.parametrize("name", COLUMNS)
def test_requests(name, tmp_path):
    from serving_client import ask

    from fastnn.serving import create_app

    df = table(name)
    model = fit(csv_writer(COLUMNS[name][1])(df, tmp_path))
    want = model.predict(df)
    for n_rows in (3, N):  # read one by one, and as a table
        rows = json.loads(df.iloc[:n_rows].to_json(orient="records"))
        status, reply = ask(create_app(model, "m"), "/predict", rows)
        assert status == 200 and not reply.get("notes"), reply
        assert_array_equal([row["prediction"] for row in reply["predictions"]], want[:n_rows])


CLOCK = [datetime.time(i % 24, i) for i in n.tolist()]
SPANS = [datetime.timedelta(hours=i % 24, minutes=i) for i in n.tolist()]
TIMES = {
    "objects": pd.DataFrame({"v": CLOCK, "a": a}),
    "Arrow": pa.table({"v": pa.array(CLOCK, pa.time32("s")), "a": a}),
    "Polars": pl.DataFrame({"v": CLOCK, "a": a}),
    "spans": pd.DataFrame({"v": pd.to_timedelta(SPANS), "a": a}),
    "spans of Arrow": pa.table({"v": pa.array(SPANS), "a": a}),
    "spans as objects": pd.DataFrame({"v": np.array(SPANS, object), "a": a}),
    "texts": pd.DataFrame({"v": [f"{i % 24:02}:{i:02}" for i in n], "a": a}),
    "texts of spans": pd.DataFrame({"v": [f"0 days {i % 24:02}:{i:02}:00" for i in n], "a": a}),
    "PM": pd.DataFrame({"v": [t.strftime("%I:%M %p") for t in CLOCK], "a": a}),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_of_any_type(name):
    model = fit(TIMES[name])
    want = model.predict(TIMES[name])
    for other, X in TIMES.items():
        assert_array_equal(model.predict(X), want, err_msg=other)


def test_numbers_are_no_times():
    """Texts of times among plain numbers stay an error, or missing."""
    model = fit(pd.DataFrame({"v": n, "a": a}))
    with pytest.raises(ValueError, match="which is not a number"):
        model.predict(pd.DataFrame({"v": ["05:57"], "a": [1.0]}))


def test_a_file_with_one_mark_has_that_of_the_training(tmp_path):
    model = fit(pd.DataFrame({"v": [f"{i},5" for i in n], "a": a}))
    path = tmp_path / "rows.csv"
    path.write_text("v;a\n1,234;3\n2,345;4\n", encoding="utf-8")
    with pytest.warns(TableWarning, match=r"read with a decimal comma, such as '1,234'"):
        y = model.predict(path)
    assert_array_equal(y, model.predict(pd.DataFrame({"v": [1.234, 2.345], "a": [3.0, 4.0]})))
