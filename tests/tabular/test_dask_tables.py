"""The tabular estimators on Dask collections. Most tests have no cluster: tasks run in this process."""

from itertools import count

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
da = pytest.importorskip("dask.array")

from fastnn import TabularClassifier, TabularRegressor  # noqa: E402 - after importorskip
from fastnn.tables.files import TableWarning  # noqa: E402

N = 1200


@pytest.fixture(autouse=True)
def quick(quick_recipe):
    return quick_recipe


@pytest.fixture(autouse=True)
def in_one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    c = rng.choice(["x", "y", "z"], n)
    goal = 2 * a + (c == "x") + rng.normal(0, 0.3, n)
    return pd.DataFrame({"a": a, "b": b, "c": c, "goal": np.where(goal > 0.5, "yes", "no")})


def fit(ddf, y="goal", cls=TabularClassifier, window=400, **parameters):
    settings = dict(n_estimators=2, hidden_layer_sizes=4, random_state=0, n_threads=2)
    return cls(**{**settings, **parameters}).fit(ddf, y, window=window)


def bits(estimator):
    return [net.params.tobytes() for net in estimator.model_.networks()]


def test_networks_learn_all_rows(quick):
    """They train on rows that are not in the sample, and the scores are those of the sample."""
    quick(40)
    df = table()
    model = fit(dd.from_pandas(df, npartitions=3))
    assert len(model.oof_rows_) == len(model.oof_prediction_) <= 400
    found, expected = model.oof_prediction_.argmax(axis=1), df.goal[model.oof_rows_] == "yes"
    assert (found == expected).mean() > 0.8
    assert model.score(df.drop(columns="goal"), df.goal) > 0.8


def test_few_rows_train_in_this_process():
    for window, most in (2000, "2,000"), (None, "100,000"):
        with pytest.warns(TableWarning, match=f"1,200 rows, which fit in the sample of {most}"):
            model = fit(dd.from_pandas(table(), npartitions=3), window=window)
        assert bits(model) == bits(fit(table(), window=None))


def test_the_number_of_threads_does_not_matter():
    ddf = dd.from_pandas(table(), npartitions=4)
    with dask.config.set({"fastnn.parts": 3}):
        assert bits(fit(ddf, n_threads=1)) == bits(fit(ddf, n_threads=3))


def test_the_configuration_of_dask_sets_parts_and_rounds():
    ddf = dd.from_pandas(table(), npartitions=4)
    found = []
    for parts, sync_every in (1, 8), (3, 8), (3, 2):
        with dask.config.set({"fastnn.parts": parts, "fastnn.sync-every": sync_every}):
            found.append(bits(fit(ddf)))
    assert found[0] != found[1] != found[2]
    with dask.config.set({"fastnn.sync-every": 0}), pytest.raises(ValueError, match="sync-every"):
        fit(ddf)


def test_predictions_are_collections_with_the_bits_of_memory():
    df = table()
    df["number"] = df.a + df.b
    ddf = dd.from_pandas(df, npartitions=4)[["c", "a", "b", "number"]]
    clf = fit(df[["a", "b", "c", "goal"]], window=None)
    reg = fit(df[["a", "b", "c", "number"]], "number", TabularRegressor, window=None)
    for found, expected in [
        (clf.predict(ddf), clf.predict(df)),
        (clf.predict_proba(ddf), clf.predict_proba(df)),
        (clf.predict_log_proba(ddf), clf.predict_log_proba(df)),
        (reg.predict(ddf), reg.predict(df)),
        (clf.predict_derivatives(ddf), clf.predict_derivatives(df)),
        (reg.predict_derivatives(ddf, "a"), reg.predict_derivatives(df, "a")),
        *zip(reg.predict(ddf, return_std=True), reg.predict(df, return_std=True)),
        *zip(reg.predict_interval(ddf, 0.8), reg.predict_interval(df, 0.8)),
    ]:
        assert isinstance(found, da.Array) and found.dtype == expected.dtype
        assert_array_equal(found.compute(), expected)
    assert_array_equal(ddf.assign(p=reg.predict(ddf)).compute().p, reg.predict(df))


def test_predictions_of_dates_and_numbers_in_texts():
    """Nothing is known about the texts of a collection when predict returns."""
    df = table(300)
    df["day"] = pd.date_range("2024-01-01", periods=300).strftime("%d.%m.%Y")
    df["b"] = df["b"].map("${:,.2f}".format)
    df["c"] = df["c"].astype("category")
    model = fit(df, window=None)
    assert model.columns_ == {"a": "number", "b": "number", "c": "category", "day": "date"}
    ddf = dd.from_pandas(df.drop(columns="goal"), npartitions=3)
    for X in ddf, ddf.assign(c=ddf.c.cat.as_unknown()):
        assert_array_equal(model.predict(X).compute(), model.predict(df))


def test_what_takes_no_collection_says_so():
    df = table(200)
    model = fit(df, window=None)
    with pytest.raises(ValueError, match="X is a Dask collection, which works with fit, score"):
        model.explain(dd.from_pandas(df, npartitions=2))


def test_targets_in_a_table_of_one_column():
    ddf = dd.from_pandas(table(), npartitions=3)
    X = ddf.drop(columns="goal")
    assert bits(fit(X, ddf[["goal"]])) == bits(fit(X, ddf["goal"]))
    array = dd.from_pandas(table()[["a"]], npartitions=3).to_dask_array(lengths=True)
    flat, column = (fit(X, array[:, k], TabularRegressor) for k in (0, slice(0, 1)))
    assert bits(flat) == bits(column)


def test_arrays_have_no_names():
    X = table()[["a", "b"]].to_numpy()
    dX, dy = da.from_array(X, chunks=(500, 1)), da.from_array(X[:, 0] * X[:, 1], chunks=300)
    model = fit(dX, dy, TabularRegressor)
    found = model.predict(dX)
    assert found.chunks == ((500, 500, 200),)
    assert_array_equal(found.compute(), model.predict(X))


# ---- dirty tables ----


def parts_of(*frames):
    """A dask DataFrame of these partitions."""
    parts = [dask.delayed(each) for each in frames]
    return dd.from_delayed(parts, meta=frames[0].iloc[:0], verify_meta=False)


def test_partitions_may_differ():
    """Empty ones, other categories and types, and a class in one of them only."""
    df = table(900)
    rare = df.iloc[700:].copy()
    rare.loc[rare.index[:80], "goal"] = "rare"
    rare["c"] = "only here"
    numbers = df.iloc[300:600].copy()
    numbers["a"] = numbers["a"].round().astype(int)
    numbers["b"] = numbers["b"].where(numbers["b"] > 0)
    first = df.iloc[:300].copy()
    first["c"] = first["c"].astype("category")
    ddf = parts_of(first, df.iloc[:0], numbers, df.iloc[600:700], rare, df.iloc[:0])
    assert not ddf.known_divisions
    model = fit(ddf)
    assert model.classes_.tolist() == ["no", "rare", "yes"]
    assert model.columns_ == {"a": "number", "b": "number", "c": "category"}
    whole = pd.concat([first, numbers, df.iloc[600:700], rare])
    whole["c"] = whole["c"].astype(str)
    assert fit(whole.reset_index(drop=True), window=None).columns_ == model.columns_


def test_texts_that_are_not_numbers_are_counted_in_all_partitions():
    df = table(900)
    df["a"] = df["a"].round(2).astype(str)
    df.loc[5, "a"], df.loc[700, "a"] = "unknown", "?!"
    with pytest.warns(TableWarning, match=r"column 'a': 2 of 900 values are not numbers"):
        fit(dd.from_pandas(df, npartitions=3), numbers=["a"])


WRONG = {  # a table in memory, the target, and the message
    "a class": (lambda df: df.assign(goal=df.goal.where(df.index != 70)), "goal",
                "partition 2: y has a missing class in row 10"),
    "the target": (lambda df: df.rename(columns={"goal": "other"}), "goal",
                   "names a column that X does not have"),
    "a number": (lambda df: df.drop(columns="goal").assign(a=df.a.where(df.index != 40)), "a",
                 r"partition 1: .*NaN"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_messages_are_those_of_tables_in_memory(name):
    change, y, message = WRONG[name]
    cls = TabularRegressor if y == "a" else TabularClassifier
    with pytest.raises(ValueError, match=message):
        fit(dd.from_pandas(change(table(90)), npartitions=3), y, cls, window=40)


def test_other_columns_in_a_partition_are_refused():
    df = table(90)
    ddf = parts_of(df.iloc[:40], df.iloc[40:].rename(columns={"b": "bb"}))
    with pytest.raises(ValueError, match=r"partition 1: The feature names should match"):
        fit(ddf, window=40)


def test_other_rows_in_the_second_pass_are_refused():
    seeds = count()

    def read(i):
        return table(100, seed=next(seeds))

    parts = [dask.delayed(read, pure=False)(i) for i in range(3)]
    ddf = dd.from_delayed(parts, meta=table(1).iloc[:0], verify_meta=False)
    with pytest.raises(ValueError, match="X has other rows in this pass than before"):
        fit(ddf, window=60)


@pytest.mark.parametrize("argument", ["groups", "time", "cv"])
def test_what_is_not_supported_is_refused_by_name(argument):
    ddf = dd.from_pandas(table(90), npartitions=3)
    estimator = TabularClassifier(2, cv=2 if argument == "cv" else None)
    more = {} if argument == "cv" else {argument: "a"}
    with pytest.raises(ValueError, match=f"{argument} does not work with a Dask collection"):
        estimator.fit(ddf, "goal", **more)


UNPAIRED = [
    (lambda d: d, lambda d: d.goal.compute(), "X is a Dask collection, but y is"),
    (lambda d: d.compute(), lambda d: d.goal, "y is a Dask collection, but X is in memory"),
    (lambda d: d, lambda d: d.goal.repartition(npartitions=2), "different partitions"),
    (lambda d: d, lambda d: None, "requires y to be passed"),
    (lambda d: d[["a"]].to_dask_array(), lambda d: "a", "have no names"),
    (lambda d: d, lambda d: d[["goal", "a"]], "y has 2 columns"),
    (lambda d: d, lambda d: d.goal[d.a > 0], r"partition \d: X has 30 rows, but y has"),
    (lambda d: d.to_bag(), lambda d: "goal", "X is a Bag of Dask"),
]  # fmt: skip


@pytest.mark.parametrize(("X", "y", "message"), UNPAIRED)
def test_targets_that_cannot_be_paired_are_refused(X, y, message):
    ddf = dd.from_pandas(table(90), npartitions=3)
    with pytest.raises(ValueError, match=message):
        fit(X(ddf), y(ddf), window=40)


def test_ctrl_c_keeps_the_folds_and_resumes(interrupt_after_a_fold):
    """With the bits of a fit that was not stopped, also if the workers made the rows anew."""
    df = table()
    whole = fit(dd.from_pandas(df, npartitions=3), n_threads=1)
    model = TabularClassifier(2, hidden_layer_sizes=4, random_state=0, n_threads=1)
    with interrupt_after_a_fold():
        model.fit(dd.from_pandas(df, npartitions=3), "goal", window=400)
    assert model.n_folds_remaining_ == 1
    model.fit(dd.from_pandas(df, npartitions=3), "goal", window=400, resume=True)
    assert model.n_folds_remaining_ == 0 and bits(model) == bits(whole)


def test_a_cluster_that_is_gone_keeps_the_folds(monkeypatch):
    from fastnn.distributed import ClusterError
    from fastnn.tabular.fitting.out_of_fold import OutOfFold

    ddf, update = dd.from_pandas(table(), npartitions=3), OutOfFold.update

    def fail(self):
        update(self)
        if self.done:
            monkeypatch.undo()
            raise ClusterError("it is gone")

    monkeypatch.setattr(OutOfFold, "update", fail)
    model = TabularClassifier(2, hidden_layer_sizes=4, random_state=0, n_threads=1)
    with pytest.raises(ClusterError, match="it is gone"):
        model.fit(ddf, "goal", window=400)
    assert model.n_folds_remaining_ == 1


def test_scores_are_those_of_memory():
    df = table()
    df["number"] = df.a + df.b
    ddf = dd.from_pandas(df, npartitions=4)
    ddf = dd.concat([ddf, dd.from_pandas(df.iloc[:0], npartitions=1)])
    weight = np.random.default_rng(0).uniform(size=N)
    clf = fit(df[["a", "b", "c", "goal"]], window=None)
    reg = fit(df[["a", "b", "c", "number"]], "number", TabularRegressor, window=None)
    for model, y in (clf, "goal"), (reg, "number"):
        expected = model.score(df, y)
        assert model.score(ddf, y) == pytest.approx(expected, rel=1e-12)
        assert model.score(ddf.drop(columns=y), ddf[y]) == pytest.approx(expected, rel=1e-12)
        series = dd.from_pandas(df, npartitions=4).index.to_series().map_partitions(
            lambda index: pd.Series(weight[index], index), meta=("weight", float)
        )  # fmt: skip
        found = model.score(ddf.partitions[:4], y, sample_weight=series)
        assert found == pytest.approx(model.score(df, y, sample_weight=weight), rel=1e-12)
    with pytest.raises(ValueError, match="names a column that X does not have"):
        clf.score(ddf, "other")
    with pytest.raises(ValueError, match="y is a Dask collection, but X is in memory"):
        clf.score(df, ddf.goal)
    with pytest.raises(ValueError, match="X has no rows"):
        clf.score(ddf.partitions[4:], "goal")
