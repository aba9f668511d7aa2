"""Fits of the estimators for tables that do not fit in memory: row groups and Parquet files."""

import os
import shutil
import tempfile
from collections import namedtuple
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="estimators for tables need the extra sklearn")
pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
import pyarrow.parquet as pq  # noqa: E402
from checks import assert_same_bits  # noqa: E402
from fake_clock import FakeClock  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from numpy.testing import assert_array_equal  # noqa: E402

import fastnn  # noqa: E402
from fastnn import TabularClassifier, TabularRegressor  # noqa: E402
from fastnn.distributed import shared_objects  # noqa: E402
from fastnn.tabular import find_label_issues  # noqa: E402
from fastnn.tabular.columns import input_column  # noqa: E402
from fastnn.tabular.fitting import permutation, training_jobs  # noqa: E402
from fastnn.tabular.large import batch_table, large_table  # noqa: E402

N = 900
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(8)
X = pd.DataFrame(
    {
        "x": np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N)),
        "letter": rng.choice(["a", "b", "c", None], N),
        "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D"),
        "code": rng.integers(0, 5, N),
    }
)
y = np.nan_to_num(X["x"].to_numpy()) * 2 + (X["letter"] == "a") + 0.1 * rng.normal(size=N)
y = y.to_numpy()
classes = np.select([y < -1, y < 1], ["low", "middle"], "high")
weight = rng.uniform(0.5, 2, N)


@pytest.fixture(autouse=True)
def quick(quick_recipe):
    return quick_recipe


def groups_of(size, X=X, y=y, *more):
    """Row groups of so many rows."""
    arrays = (X, y, *more)
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, len(y), size)]


def make(name, **options):
    cls, target = (TabularClassifier, classes) if name == "classes" else (TabularRegressor, y)
    return cls(**SMALL | options), target


def assert_same_model(one, other):
    assert_same_bits(one.oof_prediction_, other.oof_prediction_)
    assert_same_bits(one.feature_importances_, other.feature_importances_)
    predict = "predict_proba" if hasattr(one, "classes_") else "predict"
    assert_same_bits(getattr(one, predict)(X), getattr(other, predict)(X))


@pytest.fixture
def parquet(tmp_path):
    """parquet(n_files) -> the path of a file with a column "y", or of a folder of files."""

    def write(n_files=1, target=y):
        table = pa.Table.from_pandas(X.assign(y=target), preserve_index=False)
        if n_files == 1:
            pq.write_table(table, tmp_path / "rows.parquet", row_group_size=200)
            return tmp_path / "rows.parquet"
        (tmp_path / "rows").mkdir()
        for i in range(n_files):
            part = table.slice(i * N // n_files, (i + 1) * N // n_files - i * N // n_files)
            pq.write_table(part, tmp_path / "rows" / f"{i}.parquet")
        return tmp_path / "rows"

    return write


# ---- all rows in memory ----


@pytest.mark.parametrize("name", ["classes", "numbers"])
@pytest.mark.parametrize("size", [7, 400, 2000])
def test_groups_of_any_size_give_the_bits_of_the_table(name, size):
    model, target = make(name)
    model.fit(X, target, weight)
    other = make(name)[0].fit(groups_of(size, X, target, weight))
    assert_same_model(model, other)
    assert other.oof_rows_ is None and other.columns_ == model.columns_


@pytest.mark.parametrize("kind", ["arrow", "array", "list", "records", "generator function"])
def test_groups_are_what_fit_accepts(kind):
    table, target = X[["x", "code"]], classes
    to_kind = {
        "arrow": lambda part: pa.Table.from_pandas(part, preserve_index=False),
        "array": lambda part: part.to_numpy(),
        "list": lambda part: part.to_numpy().tolist(),
        "records": lambda part: part.to_dict("records"),
        "generator function": lambda part: part,
    }[kind]
    groups = [(to_kind(part), labels.tolist()) for part, labels in groups_of(300, table, target)]
    source = (lambda: iter(groups)) if kind == "generator function" else groups
    model = make("classes")[0].fit(source)
    expected = make("classes")[0].fit(to_kind(table), target)
    assert_same_bits(model.oof_prediction_, expected.oof_prediction_)


@pytest.mark.parametrize("n_files", [1, 4])
@pytest.mark.parametrize("window", [None, N])
def test_parquet_files_in_one_window_give_the_bits_of_the_table(n_files, window, parquet):
    path = parquet(n_files)
    model = make("numbers")[0].fit(path, "y", window=window)
    assert_same_model(model, make("numbers")[0].fit(X, y))
    with_target = X.assign(y=0)
    assert_same_bits(model.predict(with_target), model.predict(X))  # "y" is the target


def test_columns_of_several_types_are_those_of_the_joined_column():
    column = np.array([1.5, 2, None] * 100 + ["a", "b", None] * 100, object)
    table, target = pd.DataFrame({"mixed": column}), np.arange(600) % 2
    groups = groups_of(300, table, target)
    assert groups[0][0]["mixed"].map(type).isin([float, int, type(None)]).all()
    model = make("classes")[0].fit(groups)
    assert_same_bits(model.oof_prediction_, make("classes")[0].fit(table, target).oof_prediction_)
    assert model.columns_ == {"mixed": "category"}


NUMBERS = st.one_of(st.floats(-1e9, 1e9), st.integers(-(2**53), 2**53), st.booleans(), st.none())
TEXTS = st.one_of(st.text(max_size=3), st.none())


def as_list(raw):
    """The values of a column, None for missing ones."""
    if raw.kind == "text":
        return [[*raw.texts, None][code] for code in raw.values]
    return [None if np.isnan(x) else x for x in raw.values.tolist()]


@given(parts=st.lists(st.one_of(st.lists(NUMBERS), st.lists(TEXTS)), min_size=1, max_size=4))
def test_a_column_in_parts_is_the_whole_column(parts):
    """Numbers become the texts that they are in a column of numbers and texts."""
    vectors = [np.array([*part, None], object)[:-1] for part in parts]
    joined = input_column.join_parts([input_column.from_vector(v, "x") for v in vectors], "x")
    whole = input_column.from_vector(np.concatenate(vectors), "x")
    if joined.kind == whole.kind:
        assert as_list(joined) == as_list(whole)
    else:  # all are missing
        assert set(as_list(joined)) == set(as_list(whole)) <= {None}


@given(rows=st.lists(st.booleans(), min_size=1, max_size=30), values=st.lists(TEXTS, min_size=30))
def test_rows_of_a_column_of_texts(rows, values):
    raw = input_column.from_vector(np.array([*values, None], object)[:-1], "x")
    chosen = np.flatnonzero(rows)
    part = raw.take(chosen)
    assert as_list(part) == [as_list(raw)[i] for i in chosen]
    assert len(part.texts or []) == len({x for x in as_list(part) if x is not None})


# ---- a sample in memory ----


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_neither_groups_nor_threads_nor_files_change_a_bit(name, parquet):
    model, target = make(name)
    model.fit(groups_of(N, X, target), window=300)
    for size, n_threads in ((11, 1), (350, 3)):
        other = make(name, n_threads=n_threads)[0].fit(groups_of(size, X, target), window=300)
        assert_same_model(model, other)
    assert_same_model(model, make(name)[0].fit(parquet(3, target), "y", window=300))
    assert 200 < len(model.oof_rows_) <= 300 and len(model.oof_prediction_) == len(model.oof_rows_)
    assert not np.isnan(model.oof_prediction_).any()


def test_networks_learn_from_rows_that_are_not_in_the_sample(quick):
    """Of every value of `code` about 18 rows are in the sample: too few for its target."""
    quick(30)
    r = np.random.default_rng(0)
    table = pd.DataFrame({"code": r.integers(0, 40, 20_000).astype(str)})
    noisy = table["code"].astype(int).to_numpy() % 7 + 10 * r.normal(size=20_000)
    reg, _ = make("numbers", hidden_layer_sizes=16)
    reg.fit(groups_of(1000, table, noisy), window=1000)
    known = pd.DataFrame({"code": [str(i) for i in range(40)]})
    error = np.sqrt(np.mean((reg.predict(known) - np.arange(40) % 7) ** 2))
    sample = reg.oof_rows_
    of_sample, _ = make("numbers", hidden_layer_sizes=16)
    of_sample.fit(table.iloc[sample], noisy[sample])
    error_of_sample = np.sqrt(np.mean((of_sample.predict(known) - np.arange(40) % 7) ** 2))
    assert error < 0.8 < 1.2 < error_of_sample


def test_a_sorted_table_is_learned_like_a_shuffled_one(quick):
    quick(20)
    order = np.argsort(y, kind="stable")
    options = dict(hidden_layer_sizes=16, n_estimators=2)
    shuffled = make("numbers", **options)[0].fit(groups_of(100), window=300)
    ordered = make("numbers", **options)[0].fit(groups_of(100, X.iloc[order], y[order]), window=300)
    assert ordered.score(X, y) > 0.9 * shuffled.score(X, y) > 0.8


@pytest.fixture
def seen(monkeypatch):
    """The stored rows and the jobs of the last fit: {"stored": ..., "jobs": ...}."""
    found = {}
    train = training_jobs.train

    def record(jobs, setup, *args):
        found["jobs"], found["stored"] = jobs, setup.stored
        found["read"] = [list(batch_table._TrainingRows(found["stored"], job)) for job in jobs]
        return train(jobs, setup, *args)

    monkeypatch.setattr(training_jobs, "train", record)
    return found


def test_each_fold_trains_on_all_rows_that_it_does_not_hold_out(seen):
    """The targets are the row numbers, as the networks learn them."""
    numbers = np.arange(N, dtype=float)
    reg = make("numbers")[0].fit(groups_of(100, X, numbers), window=300)
    held_out = []
    for job, groups in list(zip(seen["jobs"], seen["read"]))[:3]:
        learned = np.concatenate([target for _, target in groups])
        rows = np.rint(learned * reg.model_.targets.scale + reg.model_.targets.shift).astype(int)
        assert len(np.unique(rows)) == len(rows) == job.n_train
        held_out.append(np.setdiff1d(np.arange(N), rows))
        in_sample = reg.oof_rows_[job.held_out]
        assert np.isin(in_sample, held_out[-1]).all()
        assert_array_equal(in_sample, np.intersect1d(held_out[-1], reg.oof_rows_))
    assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(N))


def test_windows_of_networks_that_train_at_once_fit_in_memory(monkeypatch, seen):
    model, _ = make("numbers")
    model.fit(groups_of(100), window=300)
    stored = seen["stored"]
    assert stored.n_at_once(7) == 7
    largest = 300 * max(kind.itemsize for kind in stored.types.values())
    monkeypatch.setattr(batch_table, "WINDOWS_BYTES", 2.5 * largest)
    assert [stored.n_at_once(n) for n in (1, 2, 7)] == [1, 2, 2]
    other, _ = make("numbers", n_threads=3)
    assert_same_model(other.fit(groups_of(100), window=300), model)
    monkeypatch.setattr(batch_table, "WINDOWS_BYTES", 0.5 * largest)
    assert stored.n_at_once(7) == 1


def test_rows_of_one_group_are_in_one_fold(seen):
    numbers, patient = np.arange(N, dtype=float), np.arange(N) // 30
    reg = make("numbers")[0].fit(groups_of(100, X, numbers), groups=patient, window=300)
    for groups in seen["read"][:3]:
        learned = np.concatenate([target for _, target in groups])
        rows = np.rint(learned * reg.model_.targets.scale + reg.model_.targets.shift).astype(int)
        assert not np.isin(patient[np.setdiff1d(np.arange(N), rows)], patient[rows]).any()
        assert len(rows) == 600  # the groups are as large as each other


@pytest.mark.parametrize("weighted", [False, True])
def test_one_window_trains_like_rows_in_memory(tmp_path, weighted):
    """The same job, once with stored rows: the same bits. Also with weighted inputs."""
    jobs = []
    for _ in range(2):
        fit = {}
        train = training_jobs.train

        def record(of_call, *args, fit=fit):
            fit.setdefault("arguments", (of_call, *args))
            raise KeyboardInterrupt

        training_jobs.train = record
        try:
            with pytest.raises(KeyboardInterrupt):
                make("classes")[0].fit(X, classes, weight)
        finally:
            training_jobs.train = train
        jobs.append(fit["arguments"])
    memory, (of_disk, setup, *_) = jobs
    if weighted:
        for job in (*memory[0], *of_disk):
            n_columns = [part.shape[1] for part in (job.table.numbers, job.table.positions)]
            sizes = (*n_columns, job.table.codes.shape[1])
            weights = (np.linspace(0.5, 2, n, dtype="f") for n in sizes)
            job.weights = permutation.InputWeights(*weights)
    folds = np.zeros(N, int)
    for job in of_disk:
        folds[job.held_out] = job.fold
    tables = {job.configuration.encoding: job.table for job in of_disk}
    large = SimpleNamespace(n_rows=N, window=N)
    of_rows = SimpleNamespace(trains=~np.eye(3, dtype=bool), keys=lambda numbers: folds[numbers])
    encoding = SimpleNamespace(tables=tables, setup=setup, folds=of_rows)
    stored = batch_table.EncodedRows(str(tmp_path), large, encoding)
    stored.append(tables, setup.encoded_y, setup.rows.weight, np.arange(N))
    train(*memory)
    train(of_disk, replace(setup, stored=stored))
    for one, other in zip(memory[0], of_disk):
        assert len(one.networks) == len(other.networks)
        for net, of_stored in zip(one.networks, other.networks):
            assert_same_bits(net.params, of_stored.params)


def test_class_weights_are_those_of_all_rows():
    counts = {label: (classes == label).sum() for label in np.unique(classes)}
    by_hand = {label: N / (3 * count) for label, count in counts.items()}
    models = [
        make("classes", class_weight=w)[0].fit(groups_of(100, X, classes), window=300)
        for w in ("balanced", by_hand, {"low": 1.0}, None)
    ]
    np.testing.assert_allclose(models[0].predict_proba(X), models[1].predict_proba(X), rtol=1e-4)
    np.testing.assert_allclose(models[2].predict_proba(X), models[3].predict_proba(X), rtol=1e-4)
    assert abs(models[0].predict_proba(X) - models[3].predict_proba(X)).max() > 0.01


def test_a_class_outside_of_the_sample_is_a_class(quick):
    labels = classes.copy()
    sample = make("classes")[0].fit(groups_of(100, X, labels), window=300).oof_rows_
    rare = np.setdiff1d(np.arange(N), sample)[:5]
    labels[rare] = "rare"
    clf = make("classes")[0].fit(groups_of(100, X, labels), window=300)
    assert clf.classes_.tolist() == ["high", "low", "middle", "rare"]
    assert clf.predict_proba(X).shape == (N, 4)


def test_predictions_are_limited_to_the_targets_of_all_rows():
    sample = make("numbers")[0].fit(groups_of(100), window=300).oof_rows_
    targets = y.copy()
    targets[np.setdiff1d(np.arange(N), sample)[0]] = 77.0
    assert (
        make("numbers")[0].fit(groups_of(100, X, targets), window=300).model_.targets.bounds[1]
        == 77
    )


def test_save_and_load(tmp_path):
    clf = make("classes")[0].fit(groups_of(100, X, classes), window=300)
    clf.save(tmp_path / "model")
    assert_same_bits(fastnn.load(tmp_path / "model").predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_time_limit_reduces_epochs(n_threads, quick_recipe, monkeypatch):
    quick_recipe(100)
    clock = FakeClock(monkeypatch, 0.1, n_threads=n_threads)
    reg, _ = make("numbers", time_limit=20, n_threads=n_threads)
    reg.fit(groups_of(100), window=300)
    assert np.isfinite(reg.oof_prediction_).all() and clock.now <= 22
    assert len(clock.epochs) in (3, 6) and all(1 < n < 100 for n in clock.epochs)


def test_progress(capsys):
    seen = []
    model, _ = make("numbers", verbose=True)
    model.on_progress = seen.append
    model.fit(groups_of(300), window=300)
    encoded = [progress.encoded for progress in seen if progress.encoded is not None]
    assert encoded == [1 / 3, 2 / 3, 1.0]
    assert seen[-1].networks_done == seen[-1].n_networks == 9 and seen[-1].fraction == 1
    assert "network 9/9  fold 3/3  R2" in capsys.readouterr().err


# ---- Ctrl-C ----


@pytest.mark.parametrize("n_threads", [1, 2])
def test_resume_gives_the_bits_of_a_fit_without_interruption(n_threads, interrupt_after_a_fold):
    whole = make("classes", n_threads=n_threads)[0].fit(groups_of(100, X, classes), window=300)
    model = make("classes", n_threads=n_threads)[0]

    interrupt_after_a_fold()
    with pytest.raises(KeyboardInterrupt):
        model.fit(groups_of(100, X, classes), window=300)
    assert model.n_folds_ == 1 and 0 < np.isnan(model.oof_prediction_[:, 0]).sum()
    with pytest.raises(ValueError, match="other X, or categories, numbers, dates or drop were"):
        model.fit(groups_of(100, X[::-1], classes[::-1]), window=300, resume=True)
    model.fit(groups_of(50, X, classes), window=300, resume=True)
    assert_same_model(model, whole)
    assert model.n_folds_remaining_ == 0


def test_an_exception_stops_all_threads(monkeypatch, quick_recipe):
    """Networks that would train for hours end, and the exception arrives."""
    quick_recipe(10**5)

    def interrupt(progress):
        if progress.networks_done > 0:
            raise KeyboardInterrupt

    model, _ = make("numbers", n_threads=2)
    model.on_progress = interrupt
    with pytest.raises(KeyboardInterrupt):
        model.fit(groups_of(100), window=300)
    assert not hasattr(model, "oof_rows_")


def test_an_error_of_a_thread_arrives(monkeypatch):
    def broken(self, settings):
        raise OSError("the disk is gone")

    monkeypatch.setattr(batch_table.EncodedRows, "groups", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        make("numbers", n_threads=2)[0].fit(groups_of(100), window=300)


# ---- errors ----


def test_rows_that_can_be_read_once_are_refused():
    with pytest.raises(TypeError, match="whose row groups can be read once, but each epoch"):
        make("numbers")[0].fit(group for group in groups_of(100))


@pytest.mark.parametrize("table", [X, X.to_numpy(), [[1.0, 2.0], [3.0, 4.0]], "rows.csv"])
def test_a_table_without_targets_is_no_source(table):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        make("numbers")[0].fit(table)


def test_a_window_needs_rows_that_are_read_in_parts():
    with pytest.raises(ValueError, match="window is for row groups and Parquet files"):
        make("numbers")[0].fit(X, y, window=300)
    with pytest.raises(ValueError, match="window must be a whole number of at least 2"):
        make("numbers")[0].fit(groups_of(100), window=1)
    with pytest.raises(ValueError, match=r"puts [34] rows in memory, but 3 folds need at least 12"):
        make("numbers")[0].fit(groups_of(100), window=4)


def other_names(part):
    return part.rename(columns={"x": "z"})


WRONG = {  # the last group: (its parts, the error, its message)
    "names": ((other_names, None), ValueError, r"row group 8, which begins with row 800: The feat"),
    "targets": ((None, lambda t: t[:5]), ValueError, r"row group 8, .*y has 5 rows, but X has 1"),
    "nan": (
        (None, lambda t: np.where(t > 0, np.nan, t)),
        ValueError,
        "row group 8, .*y is missing",
    ),
    "texts": (
        (None, lambda t: np.array(["a"] * len(t))),
        ValueError,
        "row group 8, .*y must hold num",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_group_is_named(name, monkeypatch, tmp_path):
    monkeypatch.setattr(shared_objects, "LARGE_FILES", str(tmp_path))
    monkeypatch.delenv("TMPDIR", raising=False)
    (of_x, of_y), error, message = WRONG[name]
    groups = groups_of(100)
    part, target = groups[-1]
    groups[-1] = (of_x(part) if of_x else part, of_y(target) if of_y else target)
    with pytest.raises(error, match=f"(?s){message}"):
        make("numbers")[0].fit(groups, window=300)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("group", "error", "message"),
    [
        (7, TypeError, "a row group must be .X, y. or .X, y, sample_weight., got an int"),
        ((X,), TypeError, "got a tuple of 1"),
        (
            (X, y, -weight),
            ValueError,
            "row group 0, which begins with row 0: sample_weight must not be negative",
        ),
        (
            (X, y, weight[:3]),
            ValueError,
            "row group 0, which begins with row 0: sample_weight has 3 rows, but X has 900",
        ),
    ],
)
def test_what_is_no_group(group, error, message):
    with pytest.raises(error, match=message):
        make("numbers")[0].fit(lambda: [group])


def test_targets_and_weights_of_a_file_may_be_arrays(parquet):
    path = parquet(3)
    model = make("numbers")[0].fit(groups_of(100, X.assign(y=y), y, weight), window=300)
    other = make("numbers")[0].fit(path, y, sample_weight=weight, window=300)
    assert_same_bits(model.oof_prediction_, other.oof_prediction_)
    with pytest.raises(ValueError, match=f"y has {len(y) - 1} rows, but X has {len(y)}"):
        make("numbers")[0].fit(path, y[1:], window=300)


def test_a_group_without_weight():
    weights = np.where(np.arange(N) < 100, 0, weight)
    models = [make("numbers")[0] for _ in range(2)]
    for model, size in zip(models, (100, 150)):
        model.fit(groups_of(size, X, y, weights), window=300)
    assert_same_bits(*[model.predict(X) for model in models])
    with pytest.raises(ValueError, match="sample_weight is zero in all rows"):
        make("numbers")[0].fit(groups_of(100, X, y, 0 * weight), window=300)


ROLES = dict(time="day", groups="code", sample_weight="w")


def test_columns_of_times_groups_and_weights(tmp_path):
    """Parquet files larger than memory, row groups, and values are the same."""
    rows = X.assign(w=weight, target=y)
    rows.to_parquet(tmp_path / "rows.parquet", row_group_size=100)
    table = rows.drop(columns="target")
    reg, _ = make("numbers")
    reg.fit(tmp_path / "rows.parquet", "target", window=300, **ROLES)
    assert reg.left_out_ == {"code": "named in groups", "w": "named in sample_weight"}
    assert reg.n_folds_ == 3 and len(reg.oof_rows_) < N and np.isnan(reg.oof_prediction_).any()
    assert "rows of other values of 'code' before those that it scores" in reg.split_
    for other in (
        make("numbers")[0].fit(groups_of(70, table, y), window=300, **ROLES),
        make("numbers")[0].fit(
            groups_of(70, table.drop(columns=["code", "w"]), y, weight),
            window=300,
            time=X["day"],
            groups=X["code"],
        ),
        make("numbers", n_threads=2)[0].fit(groups_of(70, table, y), window=300, **ROLES),
    ):
        assert_same_bits(other.oof_prediction_, reg.oof_prediction_)
        names = other.feature_names_in_
        assert_same_bits(other.predict(table[names]), reg.predict(table))
    fold_of_row = reg._fold_of_row
    days = X["day"].to_numpy()[reg.oof_rows_]
    starts = [days[fold_of_row == k].min() for k in range(3)]
    assert starts == sorted(starts)


def test_a_large_table_in_time_resumes(tmp_path):
    source = groups_of(70, X, y)
    whole = make("numbers")[0].fit(source, window=300, time="day")
    for n_networks in (2, 4, 8):
        reg, _ = make("numbers")

        def interrupt(progress, n=n_networks):
            if progress.networks_done >= n and progress.folds_done:
                raise KeyboardInterrupt

        reg.on_progress = interrupt
        with pytest.raises(KeyboardInterrupt):
            reg.fit(source, window=300, time="day")
        del reg.on_progress
        reg.save(tmp_path / "model")
        other = fastnn.load(tmp_path / "model").fit(source, window=300, time="day", resume=True)
        assert other.n_folds_remaining_ == 0
        assert_same_bits(other.predict(X), whole.predict(X))
        assert_same_bits(other.oof_prediction_, whole.oof_prediction_)


def test_weights_are_passed_once():
    with pytest.raises(ValueError, match="names a column, but the row groups have weights, too"):
        make("numbers")[0].fit(
            groups_of(70, X.assign(w=1.0), y, weight), window=300, sample_weight="w"
        )


def test_other_objects_that_stand_for_rows(tmp_path, parquet):
    import pyarrow.dataset

    folder = parquet(2)
    for source, message in (
        (
            pyarrow.dataset.dataset(folder),
            "X is a FileSystemDataset of pyarrow. Pass the path of its",
        ),
        ([str(folder / "0.parquet")], r"X is a list of texts, such as '.*0.parquet', not of rows"),
        (tmp_path / "empty", "is a folder without tables"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=message):
            make("numbers")[0].fit(source, "y")


def test_label_issues_of_a_sample():
    reg = make("numbers")[0].fit(groups_of(100), window=300)
    with pytest.raises(
        ValueError, match=r"rows of the table in memory. Pass their targets: y\[estim"
    ):
        find_label_issues(reg, y)
    assert find_label_issues(reg, y[reg.oof_rows_])[0].row < len(reg.oof_rows_)


def test_some_groups_with_weights():
    with pytest.raises(ValueError, match="some row groups have a sample_weight, and others"):
        make("numbers")[0].fit([(X, y), (X, y, weight)])
    with pytest.raises(ValueError, match="sample_weight is the third part of a row group"):
        make("numbers")[0].fit([(X, y)], sample_weight=weight)


def test_an_error_of_the_source_says_which_group():
    def source():
        yield X[:500], y[:500]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone") as caught:
        make("numbers")[0].fit(source)
    assert caught.value.__notes__ == ["raised by the row groups, when row group 1 was read"]


def test_no_rows():
    with pytest.raises(ValueError, match=r"X has no rows\. fit needs at least 2\."):
        make("numbers")[0].fit(lambda: [])


def test_a_pass_with_other_rows_is_an_error():
    passes = []

    def source():
        passes.append(1)
        return groups_of(100)[: 9 if len(passes) == 1 else 8]

    with pytest.raises(ValueError, match="X has 800 rows in this pass, but had 900 before"):
        make("numbers")[0].fit(source, window=300)


@pytest.mark.parametrize("what", ["X", "y"])
def test_a_pass_with_other_values_is_an_error(what):
    """Such as a source that shuffles."""
    order = np.random.default_rng(1).permutation(N)
    passes = []

    def source():
        passes.append(1)
        rows = np.arange(N) if len(passes) == 1 else order
        table, target = (X.iloc[rows], y) if what == "X" else (X, y[rows])
        return groups_of(100, table, target)

    with pytest.raises(
        ValueError, match=r"X has other rows in this pass than before\. Each pass must"
    ):
        make("numbers")[0].fit(source, window=300)


def test_dates_and_numbers_in_one_column():
    parts = [(X[["day"]], y), (X[["code"]].rename(columns={"code": "day"}), y)]
    with pytest.raises(ValueError, match="'day' holds dates or times in some parts of X, and numb"):
        make("numbers")[0].fit(parts)


def test_a_full_disk_is_found_before_it_is_written(monkeypatch):
    usage = namedtuple("usage", "free")(1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"need 0.0 GB, but 0.0 GB are free in .*TMPDIR"):
        make("numbers")[0].fit(groups_of(100), window=300)


@pytest.mark.parametrize("in_temp", [True, False])
def test_temporary_files_are_removed(in_temp, monkeypatch, tmp_path):
    monkeypatch.setattr(shared_objects, "LARGE_FILES", str(tmp_path))
    if in_temp:
        monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
        (tmp_path / "temp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", None)
    else:
        monkeypatch.delenv("TMPDIR", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", None)
    seen = set()
    append = batch_table.EncodedRows.append

    def record(self, *args):
        append(self, *args)
        seen.add(os.path.dirname(self.folder))
        assert os.listdir(self.folder)

    monkeypatch.setattr(batch_table.EncodedRows, "append", record)
    make("numbers")[0].fit(groups_of(100), window=300)
    folder = tmp_path / "temp" if in_temp else tmp_path
    assert seen == {str(folder)} and not list(folder.glob("fastnn-*"))


def test_a_file_that_does_not_fit_is_sampled(parquet, monkeypatch):
    """The memory is full. Without a window, the sample takes 256 MB."""
    limits = SimpleNamespace(available_memory=lambda counts_files: 64 * 5 * 400)
    monkeypatch.setattr(large_table, "limits", limits)
    monkeypatch.setattr(large_table, "MIN_WINDOW", 10)
    monkeypatch.setattr(large_table, "WINDOW_BYTES", 64 * 4 * 250)
    reg = make("numbers")[0].fit(parquet(), "y")
    assert 100 < len(reg.oof_rows_) <= 250


def test_a_list_of_rows_is_a_table():
    assert not batch_table.holds_groups([[1.0, 2.0], [3.0, 4.0]])
    assert not batch_table.holds_groups([["a", 2.0], ["b", 4.0]])
    assert batch_table.holds_groups([([[1.0, 2.0]], [3.0])])
