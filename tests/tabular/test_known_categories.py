"""What the networks of a fold know of categories: none that its training rows lack, wherever they train."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits, assert_same_models
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import EncodedTable, TabularClassifier, TabularRegressor, export
from fastnn.tabular import baselines
from fastnn.tabular.baselines import BaselineInputs
from fastnn.tabular.columns import frames
from fastnn.tabular.fitting import recipe, table_fit, training_jobs
from fastnn.tabular.fitting.category_statistics import CategoryStatistics
from fastnn.tabular.fitting.recipe import KnownCategories, are_often_single
from fastnn.tabular.large.dask_table import DaskTable

N = 600
WINDOW = 200  # rows in memory of a table that is larger
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(3)
SHOP = rng.integers(0, 300, N)
X = pd.DataFrame({"x": rng.normal(size=N), "shop": [f"shop {k:03}" for k in SHOP]})
X["letter"] = rng.choice(list("ab"), N)
X["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 60, N)), "D")
y = X["x"].to_numpy() + rng.normal(size=300)[SHOP]
LABELS = np.where(y > 0, "high", "low")


@pytest.fixture(autouse=True)
def few_epochs(quick_recipe):
    quick_recipe(4)


@pytest.fixture(params=["few", "many"])
def few_or_many(request, monkeypatch):
    """The 300 shops are few categories, or so many that steps leave those of other rows alone."""
    if request.param == "many":
        monkeypatch.setattr(table_fit, "MANY_CATEGORIES", 100)
        monkeypatch.setattr(DaskTable, "max_categories", 100)
    return request.param


@pytest.fixture
def jobs(monkeypatch):
    """All jobs that a fit makes."""
    found, make = [], training_jobs.make_jobs

    def record(*args):
        made = make(*args)
        found.extend(made)
        return made

    monkeypatch.setattr(training_jobs, "make_jobs", record)
    return found


def groups_of_rows(*arrays):
    return [tuple(a[i : i + 100] for a in arrays) for i in range(0, N, 100)]


def fit_with_dask(model, rows=None, window=WINDOW):
    dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    import dask

    data = dd.from_pandas(X.assign(y=y) if rows is None else rows, npartitions=3)
    with dask.config.set(scheduler="synchronous"):
        return model.fit(data, "y", window=window)


def fit_with_workers(model):
    with ThreadPoolExecutor(1) as executor:
        return model.fit(X, y, executor=executor)


ZERO_OF_OTHER_ROWS = (np.arange(N) % 3 > 0) * 1.0
WEIGHTED_GROUPS = groups_of_rows(X, y, ZERO_OF_OTHER_ROWS)
FITS = {
    "memory": lambda model: model.fit(X, y),
    "classes": lambda model: TabularClassifier(**SMALL).fit(X, LABELS),
    "weights": lambda model: model.fit(X, y, ZERO_OF_OTHER_ROWS),
    "groups": lambda model: model.fit(X, y, groups=SHOP // 3),
    "one fold": lambda model: model.set_params(n_estimators=1).fit(X, y),
    "time": lambda model: model.fit(X, y, time="day"),
    "windows": lambda model: model.fit(groups_of_rows(X, y), window=WINDOW),
    "windows, weights": lambda model: model.fit(WEIGHTED_GROUPS, window=WINDOW),
    "windows, time": lambda model: model.fit(groups_of_rows(X, y), time="day", window=WINDOW),
    "Dask": fit_with_dask,
    "workers": fit_with_workers,
}


def lacking(job, weight):
    """Return for each column of codes the categories with too few training rows in memory."""
    train = job.train if weight is None else job.train[weight[job.train] > 0]
    return [
        np.array([c for c in range(n) if (codes == c).sum() < job.configuration.min_rows], int)
        for codes, n in zip(job.table.codes[train].T, job.table.layout.n_categories)
    ]


def are_lazy(jobs):
    """{whether a job updates categories lazily}, of those that have more than a few"""
    return {job.configuration.is_lazy for job in jobs if not job.configuration.statistics}


@pytest.mark.parametrize("name", FITS)
def test_networks_do_not_know_what_their_training_rows_lack(name, jobs, few_or_many):
    model = FITS[name](TabularRegressor(**SMALL))
    assert are_lazy(jobs) == {few_or_many == "many" and name != "Dask"}
    folds = [job for job in jobs if len(job.held_out)]
    assert {job.configuration.min_rows for job in folds} == {1, 2}
    for job in folds:
        weight = None
        if "weights" in name:
            weight = ZERO_OF_OTHER_ROWS[slice(None) if model.oof_rows_ is None else model.oof_rows_]
        layout, others = job.table.layout, lacking(job, weight)
        assert max(map(len, others)) > 10
        firsts = layout.n_inputs - sum(layout.n_categories) + np.cumsum([0, *layout.n_categories])
        unknown = np.concatenate([first + some for first, some in zip(firsts, others)])
        is_unknown = np.isin(np.arange(layout.n_inputs), unknown)
        table = job.held_out_table()
        hidden = [np.where(np.isin(c, some), -1, c) for c, some in zip(table.codes.T, others)]
        assert np.mean(np.stack(hidden, 1) != table.codes) > 0.01
        names = "n_bins", "position_scale", "n_categories", "code_scale"
        scales = {name: getattr(layout, name) for name in names}
        codes = np.stack(hidden, 1)
        unknown_to_all = EncodedTable(table.numbers, table.positions, codes=codes, **scales)
        for net in job.networks:
            W = net.weights[0]
            assert not W[is_unknown].any() and W[~is_unknown].any(axis=1).all()
            assert_same_bits(net.forward(table), net.forward(unknown_to_all))


def test_networks_on_all_rows_know_all_categories(jobs):
    TabularRegressor(**SMALL).fit(X, y, time="day")
    last = [job for job in jobs if not len(job.held_out)]
    assert len(last) >= 3
    for job in last:
        assert job.known is None or job.configuration.min_rows == 2
        for net in job.networks:
            assert net.weights[0].any(axis=1).all() == (job.known is None)


@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_held_out_rows_are_scored_as_new_rows(kind, reload):
    """The out-of-fold prediction is the one of a category that no row has, also after loading."""
    cls, target = (TabularClassifier, LABELS) if kind == "classes" else (TabularRegressor, y)
    model = cls(**SMALL).fit(X, target)
    n_tested = 0
    for found in (model, reload(model)):
        known = predictions_of_folds(found, X)
        new = predictions_of_folds(found, X.assign(shop="no such shop"))
        for fold, (train, held_out) in enumerate(model.model_.folds):
            lone = held_out[~np.isin(SHOP[held_out], SHOP[train])]
            n_tested += len(lone)
            assert_same_bits(known[fold][lone], new[fold][lone])
            assert_same_bits(model.oof_prediction_[lone], new[fold][lone])
            assert (known[fold][train] != new[fold][train]).any(axis=-1).mean() > 0.9
    assert n_tested > 100


def predictions_of_folds(model, rows):
    P = model.model_.predict_folds(frames.read(rows), 1)
    P = [model.model_.targets.calibrate(p) for p in P]
    return P if P[0].ndim == 2 else [p[:, None] for p in P]


def test_initial_parameters_are_the_same_random_numbers(jobs, monkeypatch):
    drawn, init = [], recipe.init

    def record(net, generator):
        init(net, generator)
        drawn.append(net.params.copy())

    monkeypatch.setattr(recipe, "init", record)
    monkeypatch.setattr(training_jobs, "train", lambda *args: interrupt())
    with pytest.raises(KeyboardInterrupt):
        TabularRegressor(**SMALL).fit(X, y)
    for job, before in zip(jobs, drawn[-len(jobs) :], strict=True):  # after those of trials
        is_same = job.net.params == before
        assert not job.net.params[~is_same].any()
        assert is_same.all() if job.configuration.statistics else 0.3 < is_same.mean() < 1
    jobs.clear(), drawn.clear()
    with pytest.raises(KeyboardInterrupt):
        TabularRegressor(**SMALL).fit(X[["x", "letter"]], y)
    for job, before in zip(jobs, drawn[-len(jobs) :], strict=True):
        assert job.known is None
        assert_same_bits(job.net.params, before)


MANY = [(2000, False, 2000), (2001, False, 2001), (2500, True, 2000)]


@pytest.mark.parametrize(("n", "in_dask", "kept"), MANY)
def test_many_categories_are_kept_and_updated_lazily(n, in_dask, kept, jobs):
    rows = pd.DataFrame({"town": [f"town {i:04}" for i in range(n)] * 2, "y": np.arange(2 * n)})
    model = TabularRegressor(**SMALL)
    if in_dask:
        fit_with_dask(model, rows, 2 * n - 2)
    else:
        model.fit(rows[["town"]], rows["y"])
    assert model.model_.features.categories[0].n_categories == kept
    assert are_lazy(jobs) == {kept > 2000}


def interrupt():
    raise KeyboardInterrupt


def test_a_resumed_fit_has_the_same_bits(interrupt_after_a_fold, tmp_path, few_or_many):
    whole, stopped = TabularRegressor(**SMALL).fit(X, y), TabularRegressor(**SMALL)
    on_two_threads = TabularRegressor(**SMALL | dict(n_threads=2)).fit(X, y)
    assert_same_bits(whole.oof_prediction_, on_two_threads.oof_prediction_)
    with interrupt_after_a_fold():
        stopped.fit(X, y)
    assert stopped.n_folds_remaining_
    assert_same_models(whole, stopped.fit(X, y, resume=True), tmp_path / "model")


# ---- statistics ----


@pytest.mark.parametrize("name", FITS)
def test_held_out_rows_are_predicted_as_while_training_on_statistics(name, jobs, monkeypatch):
    trained, fold_into = {}, CategoryStatistics.fold_into

    def record(self, net, layout):
        wide = fold_into(self, net, layout)
        trained[wide.params.tobytes()] = net.copy()
        return wide

    monkeypatch.setattr(CategoryStatistics, "fold_into", record)
    FITS[name](TabularRegressor(**SMALL))
    found = [job for job in jobs if job.statistics is not None]
    assert bool(found) == (name != "Dask" and "windows" not in name)
    for job in found:
        table = job.held_out_table() if len(job.held_out) else job.table
        for net in job.networks:
            expected = trained[net.params.tobytes()].forward(job.statistics.inputs(table))
            assert_allclose(net.forward(table), expected, rtol=1e-4, atol=1e-4)


def test_held_out_losses_of_ids_without_information_are_those_of_fresh_rows(jobs):
    draw = np.random.default_rng(0)
    noise, ids = draw.normal(size=(2, 1500)), draw.integers(0, 300, 1500)
    rows = pd.DataFrame({"id": [f"id {k}" for k in ids], "x": draw.normal(size=1500)})
    TabularRegressor(**SMALL).fit(rows, noise[0])
    with_statistics = [job for job in jobs if job.statistics is not None]
    assert len(with_statistics) == 3
    for job in with_statistics:
        Y = job.networks[-1].forward(job.held_out_table())[:, 0]
        held_out, fresh = (np.mean((x[job.held_out] - Y) ** 2) for x in noise)
        assert abs(held_out - fresh) < 0.3 and held_out < 1.3

        def correlation(table, rows):
            return np.corrcoef(table.numbers[rows, -2], noise[0][rows])[0, 1]

        seen, all_rows = job.inputs(job.table), job.statistics.inputs(job.table)
        assert abs(correlation(seen, job.train)) < 0.15 and correlation(all_rows, job.train) > 0.3
        assert abs(correlation(seen, job.held_out)) < 0.15


def test_workers_and_threads_have_the_same_bits(tmp_path):
    model = TabularRegressor(**SMALL).fit(X, y)
    assert_same_models(model, fit_with_workers(TabularRegressor(**SMALL)), tmp_path / "model")
    other = TabularRegressor(**SMALL | dict(n_threads=2)).fit(X, y)
    assert_same_bits(model.predict(X), other.predict(X))


# ---- exported files ----


def test_exported_files_do_not_know_more(tmp_path, few_or_many):
    """A model of one fold: rows with categories that only held-out rows have, and unknown ones."""
    model = TabularRegressor(**SMALL | dict(n_estimators=1)).fit(X, y)
    ((train, held_out),) = model.model_.folds
    lone = X.iloc[held_out[~np.isin(SHOP[held_out], SHOP[train])]]
    assert len(lone) > 10
    tables = lone, lone.assign(shop="no such shop"), X.iloc[train]
    for predict in exported(model, tmp_path):
        Y, of_unknown, of_others = map(predict, tables)
        assert_same_bits(Y, of_unknown)
        for rows, of_rows in zip(tables, (Y, of_unknown, of_others)):
            assert_allclose(of_rows, model.predict(rows), rtol=1e-4, atol=1e-4)


def exported(model, folder):
    """Yield functions that predict with exported files."""
    from c_program import GCC, Rows, predict
    from export_cases import passed

    if GCC is not None:
        export.c(model, folder / "net.c")

        def with_c(rows):
            case = Rows(list(zip(*passed(model, rows).values())), "double")
            return predict(folder, {"net": case})["net"][1].ravel()

        yield with_c
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    export.onnx(model, folder / "net.onnx")
    session = onnxruntime.InferenceSession(str(folder / "net.onnx"))

    def with_onnx(rows):
        columns = {name: np.array(x, object if type(x[0]) is str else float)[:, None]
                   for name, x in passed(model, rows).items()}  # fmt: skip
        return session.run(None, columns)[0].ravel()

    yield with_onnx


# ---- codes ----


def test_known_categories():
    codes = np.array([[0, 1], [2, -1], [0, 1]])
    known = KnownCategories.find(codes, [3, 3])
    assert_array_equal(known.of_columns, [[1, 0, 1, 1], [0, 1, 0, 1]])
    others = np.array([[1, 0], [2, 1], [-1, -1]])
    assert_array_equal(known.hide_others(others), [[-1, -1], [2, 1], [-1, -1]])
    assert KnownCategories.find(codes, [3, 2]) is not None
    assert KnownCategories.find(np.array([[0, 1], [1, 0]]), [2, 2]) is None
    assert KnownCategories.find(codes[:, :0], []) is None
    (of_two_rows, _) = KnownCategories.find(codes, [3, 3], min_rows=2).of_columns
    assert of_two_rows.tolist() == [True, False, False, True]


COUNTS = [([2, 198], False), ([1, 1, 198], True), ([1, 199], False), ([], False)]


@pytest.mark.parametrize(("counts", "expected"), COUNTS)
def test_one_more_configuration_if_many_rows_are_single(counts, expected):
    codes = np.repeat(np.arange(len(counts)), counts)[:, None]
    assert are_often_single(codes, [len(counts)]) == expected
    usual = recipe.configurations(False, 200, 1)
    found = recipe.configurations(False, 200, 1, has_single_rows=expected)
    assert found == usual + [replace(usual[0], min_rows=2)] * expected


# ---- baselines ----


class LearnsCodes(baselines.Baseline):
    """A library that predicts another number for each category, as CatBoost does for new texts."""

    def fit_model(self, X, y, weight):
        pass

    def predict_model(self, X):
        return X.codes[:, 0] if not self.task.n_classes else np.repeat(X.codes, 2, axis=1)


@pytest.mark.parametrize("n_classes", [0, 2])
@pytest.mark.parametrize("cls", [LearnsCodes, *baselines.BASELINES.values()])
def test_baselines_do_not_know_more(cls, n_classes):
    library = {"CatBoost": "catboost", "LightGBM": "lightgbm"}.get(cls.__name__)
    if library is not None:
        pytest.importorskip(library, reason=f"{library} is not installed")
    codes = SHOP[:, None].astype(np.int32)
    target = (y > 0).astype(int) if n_classes else y
    rows, held_out = np.arange(0, 400), np.arange(400, N)
    inputs = BaselineInputs(X[["x"]].to_numpy(), codes, [300])
    task = baselines.BaselineTask(n_classes=n_classes, n_threads=1)
    model = cls(task).fit(inputs.take(rows), target[rows], None)
    lone = held_out[~np.isin(SHOP[held_out], SHOP[rows])]
    unknown = BaselineInputs(inputs.numbers, np.full_like(codes, -1), [300])
    assert len(lone) > 20
    assert_same_bits(model.predict(inputs.take(lone)), model.predict(unknown.take(lone)))


def test_boosting_gets_the_most_frequent_categories():
    n = 900  # 600 categories, of which the last two have 300 rows
    codes = np.r_[np.arange(600), rng.integers(598, 600, 300)][:, None]
    target = np.where(codes[:, 0] == 599, 5.0, 0.0)
    X = BaselineInputs(np.zeros((n, 0)), codes, [600])
    model = baselines.HistGradientBoosting(baselines.BaselineTask(n_threads=1))
    assert np.mean((model.fit(X, target, None).predict(X) - target) ** 2) < 0.1 * target.var()
    few = BaselineInputs(np.zeros((3, 0)), np.array([[-1], [0], [2]]), [3])
    assert_array_equal(few.as_numbers(few.most_frequent(255)), [[np.nan], [0], [2]])
    assert_array_equal(few.as_numbers(), [[np.nan], [0], [2]])
