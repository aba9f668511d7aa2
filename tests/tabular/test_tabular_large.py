"""Fits of the estimators for tables that do not fit in memory: row groups and Parquet files."""

import os
import shutil
import tempfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from checks import assert_same_bits
from fake_clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import TabularClassifier, TabularRegressor
from fastnn.distributed import shared_objects
from fastnn.tabular import find_label_issues
from fastnn.tabular.columns import input_column
from fastnn.tabular.fitting import permutation, training_jobs
from fastnn.tabular.folds import HashedFolds
from fastnn.tabular.large import batch_table, large_table
from fastnn.tabular.progress import EncodingReporter, FitProgress, _progress_line

N = 900
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(8)
X = pd.DataFrame({"x": np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N))})
X["letter"] = rng.choice(["a", "b", "c", None], N)
X["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D")
X["code"] = rng.integers(0, 5, N)
y = np.nan_to_num(X["x"].to_numpy()) * 2 + (X["letter"] == "a") + 0.1 * rng.normal(size=N)
y = y.to_numpy()
classes = np.select([y < -1, y < 1], ["low", "middle"], "high")
weight = rng.uniform(0.5, 2, N)


@pytest.fixture(autouse=True)
def quick(quick_module, quick_recipe):
    return quick_recipe


def groups_of(size, X=X, y=y, *more):
    """Row groups of so many rows."""
    return [tuple(a[i : i + size] for a in (X, y, *more)) for i in range(0, len(y), size)]


def make(name, **options):
    cls, target = (TabularClassifier, classes) if name == "classes" else (TabularRegressor, y)
    return cls(**SMALL | options), target


def fit_numbers(*args, window=None, **options):
    return TabularRegressor(**SMALL).fit(*args, window=window, **options)


def fit_sample(*args, n_threads=1, **options):
    """Fit numbers with 300 rows in memory."""
    reg = TabularRegressor(**SMALL | dict(n_threads=n_threads))
    return reg.fit(*(args or (groups_of(100),)), window=300, **options)


@pytest.fixture(scope="module")
def sampled(quick_module):
    """It is not changed."""
    return fit_sample()


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
        "array": pd.DataFrame.to_numpy,
        "list": lambda part: part.to_numpy().tolist(),
        "records": lambda part: part.to_dict("records"),
    }.get(kind, lambda part: part)
    groups = [(to_kind(part), labels.tolist()) for part, labels in groups_of(300, table, target)]
    source = (lambda: iter(groups)) if kind == "generator function" else groups
    model = make("classes")[0].fit(source)
    expected = make("classes")[0].fit(to_kind(table), target)
    assert_same_bits(model.oof_prediction_, expected.oof_prediction_)


@pytest.mark.parametrize("n_files", [1, 4])
@pytest.mark.parametrize("window", [None, N])
def test_parquet_files_in_one_window_give_the_bits_of_the_table(n_files, window, parquet):
    model = fit_numbers(parquet(n_files), "y", window=window)
    assert_same_model(model, fit_numbers(X, y))
    assert_same_bits(model.predict(X.assign(y=0)), model.predict(X))  # "y" is the target


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


@pytest.mark.spread(1)
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


@pytest.mark.slow("test_a_sorted_table_is_learned_like_a_shuffled_one")
def test_networks_learn_from_rows_that_are_not_in_the_sample(quick):
    """Of every value of `kind` about 18 rows are in the sample: too few for its target."""
    quick(30)
    r = np.random.default_rng(0)
    table = pd.DataFrame({"kind": r.integers(0, 40, 20_000).astype(str)})
    noisy = table["kind"].astype(int).to_numpy() % 7 + 10 * r.normal(size=20_000)
    known = pd.DataFrame({"kind": [str(i) for i in range(40)]})

    def error_of(*args, **options):
        reg = make("numbers", hidden_layer_sizes=16)[0].fit(*args, **options)
        return reg, np.sqrt(np.mean((reg.predict(known) - np.arange(40) % 7) ** 2))

    reg, error = error_of(groups_of(1000, table, noisy), window=1000)
    _, error_of_sample = error_of(table.iloc[reg.oof_rows_], noisy[reg.oof_rows_])
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


def numbers_of_rows(reg, groups):
    """The numbers of the rows in groups of training rows, whose targets are those numbers."""
    learned = np.concatenate([target for _, target in groups])
    return np.rint(learned * reg.model_.targets.scale + reg.model_.targets.shift).astype(int)


def test_each_fold_trains_on_all_rows_that_it_does_not_hold_out(seen):
    reg = fit_sample(groups_of(100, X, np.arange(N, dtype=float)))
    held_out = []
    for job, groups in list(zip(seen["jobs"], seen["read"]))[:3]:
        rows = numbers_of_rows(reg, groups)
        assert len(np.unique(rows)) == len(rows) == job.n_train
        held_out.append(np.setdiff1d(np.arange(N), rows))
        assert_array_equal(reg.oof_rows_[job.held_out], np.intersect1d(held_out[-1], reg.oof_rows_))
    assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(N))


def test_windows_of_networks_that_train_at_once_fit_in_memory(monkeypatch, seen):
    model, stored = fit_sample(), seen["stored"]
    row_bytes = max(kind.itemsize for kind in stored.types.values())
    for n_bytes, n in (300 * row_bytes, 7), ((512e6 - 0.5) / 3, 3), ((512e6 + 0.5) / 3, 2):
        stored.window = n_bytes / row_bytes
        assert stored.n_at_once(7) == n
    stored.window, largest = 300, 300 * row_bytes
    monkeypatch.setattr(batch_table, "WINDOWS_BYTES", 2.5 * largest)
    assert [stored.n_at_once(n) for n in (1, 2, 7)] == [1, 2, 2]
    assert_same_model(fit_sample(n_threads=3), model)
    monkeypatch.setattr(batch_table, "WINDOWS_BYTES", 0.5 * largest)
    assert stored.n_at_once(7) == 1


def test_rows_of_one_group_are_in_one_fold(seen):
    patient = np.arange(N) // 30
    reg = fit_sample(groups_of(100, X, np.arange(N, dtype=float)), groups=patient)
    for groups in seen["read"][:3]:
        rows = numbers_of_rows(reg, groups)
        assert not np.isin(patient[np.setdiff1d(np.arange(N), rows)], patient[rows]).any()
        assert len(rows) == 600  # the groups are as large as each other


def test_groups_go_to_the_smallest_fold_the_largest_group_first():
    numbers = [0] * 8 + [1] * 2 + [2] * 5 + [-1] + [3] * 2
    folds = HashedFolds(3, np.array(numbers), np.random.RandomState(0))
    assert folds.fold_of_row.tolist() == [0] * 8 + [2] * 2 + [1] * 5 + [3] + [2] * 2
    numbers = np.repeat(np.arange(60), [3, 2] * 30)  # groups of one size in their order
    folds = HashedFolds(3, numbers, np.random.RandomState(0))
    assert folds.fold_of_row[numbers % 2 == 0].tolist() == [i // 3 % 3 for i in range(90)]


def weigh_inputs(jobs):
    """Give the inputs of the tables of jobs weights from 0.5 to 2."""
    for job in jobs:
        parts = job.table.numbers, job.table.positions, job.table.codes
        weights = (np.linspace(0.5, 2, part.shape[1], dtype="f") for part in parts)
        job.weights = permutation.InputWeights(*weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_window_trains_like_rows_in_memory(tmp_path, weighted, monkeypatch):
    """The same job, once with stored rows: the same bits. Also with weighted inputs."""
    train = training_jobs.train
    monkeypatch.setattr(training_jobs, "train", lambda *args: jobs.append(args) or stop_fit(None))
    jobs: list = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            make("classes")[0].fit(X, classes, weight)
    memory, (of_disk, setup, *_) = jobs
    if weighted:
        weigh_inputs([*memory[0], *of_disk])
    folds = np.zeros(N, int)
    for job in of_disk:
        folds[job.held_out] = job.fold
    tables = {job.configuration.encoding: job.table for job in of_disk}
    large = SimpleNamespace(n_rows=N, window=N)
    of_rows = SimpleNamespace(trains=~np.eye(3, dtype=bool), keys=lambda numbers: folds[numbers])
    encoding = SimpleNamespace(tables=tables, setup=setup, folds=of_rows)
    stored = batch_table.EncodedRows(str(tmp_path), large, encoding)
    stored.append(tables, setup.encoded_y, setup.rows.weight, np.arange(N))
    large.window = 2  # of which there would be more than 200; some of these are empty
    many = batch_table.EncodedRows(tempfile.mkdtemp(dir=tmp_path), large, encoding)
    many.append(tables, setup.encoded_y, setup.rows.weight, np.arange(N))
    n_rows = [sum(map(len, many.groups(each))) for each in tables]
    assert (many.n_buckets, n_rows) == (200, [N] * len(tables))
    assert 190 * len(tables) < len(os.listdir(many.folder)) < 200 * len(tables)
    train(*memory)
    train(of_disk, replace(setup, stored=stored))
    for one, other in zip(memory[0], of_disk):
        assert_same_bits(*([net.params for net in each.networks] for each in (one, other)))


def test_class_weights_are_those_of_all_rows():
    counts = {label: (classes == label).sum() for label in np.unique(classes)}
    by_hand = {label: N / (3 * count) for label, count in counts.items()}
    groups, found = groups_of(100, X, classes), []
    for weights in ("balanced", by_hand, {"low": 1.0}, None):
        model = make("classes", class_weight=weights)[0].fit(groups, window=300)
        found.append(model.predict_proba(X))
    balanced, other, low, plain = found
    assert_allclose(balanced, other, rtol=1e-4)
    assert_allclose(low, plain, rtol=1e-4)
    assert abs(balanced - plain).max() > 0.01


def test_a_class_outside_of_the_sample_is_a_class(sampled, reload):
    labels = classes.copy()
    labels[np.setdiff1d(np.arange(N), sampled.oof_rows_)[:5]] = "rare"
    clf = make("classes")[0].fit(groups_of(100, X, labels), window=300)
    assert clf.classes_.tolist() == ["high", "low", "middle", "rare"]
    assert clf.predict_proba(X).shape == (N, 4) and "rare" not in labels[clf.oof_rows_]
    assert_same_bits(reload(clf).predict_proba(X), clf.predict_proba(X))


def test_predictions_are_limited_to_the_targets_of_all_rows(sampled):
    targets = y.copy()
    targets[np.setdiff1d(np.arange(N), sampled.oof_rows_)[0]] = 77.0
    assert fit_sample(groups_of(100, X, targets)).model_.targets.bounds[1] == 77


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_time_limit_reduces_epochs(n_threads, quick, monkeypatch):
    quick(100)
    clock = FakeClock(monkeypatch, 0.1, n_threads=n_threads)
    reg, _ = make("numbers", time_limit=20, n_threads=n_threads)
    reg.fit(groups_of(100), window=300)
    assert np.isfinite(reg.oof_prediction_).all() and clock.now <= 22
    epochs = clock.epochs[:-3]  # of the networks that predict; three expect errors
    assert len(epochs) in (3, 6) and all(1 < n < 100 for n in epochs)


def test_progress(capsys):
    seen = []
    model, _ = make("numbers", verbose=True)
    model.on_progress = seen.append
    model.fit(groups_of(300), window=300)
    encoded = [progress.encoded for progress in seen if progress.encoded is not None]
    assert encoded == [1 / 3, 2 / 3, 1.0]
    assert seen[-1].networks_done == seen[-1].n_networks == 9 and seen[-1].fraction == 1
    assert "network 9/9  fold 3/3  R2" in capsys.readouterr().err


LINES = {
    "network 4/9  fold 1/3  R2 0.123  8 s left": (4.4, 1, 0.12345, "R2", 7.6),
    "network 9/9  fold 3/3": (9, 3, None, "R2", 0.0),
    "network 7/9  training on all rows  R2 0.500": (7, 3, 0.5, "R2", None, None, True),
}


@pytest.mark.parametrize("line", LINES)
def test_the_line_of_progress(line):
    assert "  ".join(_progress_line(FitProgress(9, 3, *LINES[line]))) == line


def test_the_line_of_encoding(monkeypatch, capsys):
    seen, task = [], SimpleNamespace(score_name="R2")
    options = SimpleNamespace(on_progress=seen.append, verbose=True, task=task)
    reporter = EncodingReporter(options, 3, 900)
    monkeypatch.setattr(reporter.line, "is_due", lambda: True)
    reporter.show(90)
    assert capsys.readouterr().err == "encoding rows  10 %\n"
    assert seen == [FitProgress(0, 3, 0.0, 0, None, "R2", None, 0.1)]


# ---- Ctrl-C ----


@pytest.mark.parametrize("n_threads", [1, 2])
def test_resume_gives_the_bits_of_a_fit_without_interruption(n_threads, interrupt_after_a_fold):
    whole = make("classes", n_threads=n_threads)[0].fit(groups_of(100, X, classes), window=300)
    model = make("classes", n_threads=n_threads)[0]
    with interrupt_after_a_fold():
        model.fit(groups_of(100, X, classes), window=300)
    assert model.n_folds_ == 1 and 0 < np.isnan(model.oof_prediction_[:, 0]).sum()
    message = "other X, or categories, numbers, dates, texts or drop were"
    with pytest.raises(ValueError, match=message):
        model.fit(groups_of(100, X[::-1], classes[::-1]), window=300, resume=True)
    model.fit(groups_of(50, X, classes), window=300, resume=True)
    assert_same_model(model, whole)
    assert model.n_folds_remaining_ == 0


def stop_fit(progress, n_networks=1e-9):
    if progress is None or progress.networks_done >= n_networks:
        raise KeyboardInterrupt


def test_an_exception_stops_all_threads(quick):
    """Networks that would train for hours end, and the exception arrives."""
    quick(10**5)
    model, _ = make("numbers", n_threads=2)
    model.on_progress = stop_fit
    with pytest.raises(KeyboardInterrupt):
        model.fit(groups_of(100), window=300)
    assert not hasattr(model, "oof_rows_")


def broken(*args):
    raise OSError("the disk is gone")


def test_an_error_of_a_thread_arrives(monkeypatch):
    monkeypatch.setattr(batch_table.EncodedRows, "groups", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        fit_sample(n_threads=2)


# ---- errors ----

IN_GROUP_0 = "row group 0, which begins with row 0: sample_weight "
NO_TARGETS = "requires y to be passed, but the target y is None"
ONCE = (group for group in groups_of(100))
REFUSED = {  # X, y, window and sample_weight of fit, and the message
    "rows that can be read once": ([ONCE], "whose row groups can be read once, but each epoch"),
    "a window of a table": ([X, y, 300], "window is for row groups and Parquet files"),
    "a window of 1": ([groups_of(100), None, 1], "window must be a whole number of at least 2"),
    "few rows": ([groups_of(100), None, 4],
                 "puts [34] rows in memory, but 3 folds need at least 12"),
    "a number": ([lambda: [7]], "a row group must be .X, y. or .X, y, sample_weight., got an int"),
    "a tuple of 1": ([lambda: [(X,)]], "got a tuple of 1"),
    "a negative weight": ([[(X, y, -weight)]], IN_GROUP_0 + "must not be negative"),
    "few weights": ([[(X, y, weight[:3])]], IN_GROUP_0 + "has 3 rows, but X has 900"),
    "no weight": ([groups_of(100, X, y, 0 * weight), None, 300],
                  "sample_weight is zero in all rows"),
    "two kinds of weights": ([groups_of(70, X.assign(w=1.0), y, weight), None, 300, "w"],
                             "names a column, but the row groups have weights, too"),
    "weights in some groups": ([[(X, y), (X, y, weight)]],
                               "some row groups have a sample_weight, and others"),
    "weights of groups": ([[(X, y)], None, None, weight],
                          "sample_weight is the third part of a row group"),
    "no rows": ([lambda: []], r"X has no rows\. fit needs at least 2\."),
    "dates and numbers": ([[(X[["day"]], y), (X[["code"]].rename(columns={"code": "day"}), y)]],
                          "'day' holds dates or times in some parts of X, and numb"),
    "a frame without targets": ([X], NO_TARGETS), "an array": ([X.to_numpy()], NO_TARGETS),
    "lists": ([[[1.0, 2.0], [3.0, 4.0]]], NO_TARGETS), "a path": (["rows.csv"], NO_TARGETS),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    arguments, message = REFUSED[name]
    source, target, window, weights, *_ = [*arguments, None, None, None]
    with pytest.raises((ValueError, TypeError), match=message):
        fit_numbers(source, target, window=window, sample_weight=weights)


UNSEEN = r"which (?!.*same order).*unseen at fit time:\n- v\n"
WRONG = {  # the last group: what changes its X and y, and the message
    "names": (lambda X: X.rename(columns={"x": "z"}), None, "which begins with row 800: The feat"),
    "order": (lambda X: X[X.columns[::-1]], None, ".*must be in the same order"),
    "one more": (lambda X: X.assign(v=1), None, UNSEEN),
    "five more": (lambda X: X.assign(**dict.fromkeys("pqrst", 1)), None, r".*- s\n- t\n(?!- )"),
    "six more": (lambda X: X.assign(**dict.fromkeys("pqrstu", 1)), None, r".*- t\n- \.{3}\n"),
    "targets": (None, lambda t: t[:5], r".*y has 5 rows, but X has 1"),
    "nan": (None, lambda t: np.where(t > 0, np.nan, t), ".*y is missing"),
    "texts": (None, lambda t: np.array(["a"] * len(t)), ".*y must hold num"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_group_is_named(name, monkeypatch, tmp_path):
    monkeypatch.setattr(shared_objects, "LARGE_FILES", str(tmp_path))
    monkeypatch.delenv("TMPDIR", raising=False)
    of_x, of_y, message = WRONG[name]
    groups = groups_of(100)
    part, target = groups[-1]
    groups[-1] = (of_x(part) if of_x else part, of_y(target) if of_y else target)
    with pytest.raises(ValueError, match=f"(?s)row group 8, {message}"):
        fit_sample(groups)
    assert not os.listdir(tmp_path)


def test_targets_and_weights_of_a_file_may_be_arrays(parquet):
    path = parquet(3)
    model = fit_sample(groups_of(100, X.assign(y=y), y, weight))
    other = fit_sample(path, y, sample_weight=weight)
    assert_same_bits(model.oof_prediction_, other.oof_prediction_)
    with pytest.raises(ValueError, match=f"y has {len(y) - 1} rows, but X has {len(y)}"):
        fit_sample(path, y[1:])


def test_a_group_without_weight():
    weights = np.where(np.arange(N) < 100, 0, weight)
    models = [fit_sample(groups_of(size, X, y, weights)) for size in (100, 150)]
    assert_same_bits(*[model.predict(X) for model in models])


ROLES = dict(time="day", groups="code", sample_weight="w")


def test_columns_of_times_groups_and_weights(tmp_path):
    """Parquet files larger than memory, row groups, and values are the same."""
    rows = X.assign(w=weight, target=y)
    rows.to_parquet(tmp_path / "rows.parquet", row_group_size=100)
    table = rows.drop(columns="target")
    reg = fit_sample(tmp_path / "rows.parquet", "target", **ROLES)
    assert reg.left_out_ == {"code": "named in groups", "w": "named in sample_weight"}
    assert reg.n_folds_ == 3 and len(reg.oof_rows_) < N and np.isnan(reg.oof_prediction_).any()
    assert "rows of other values of 'code' before those that it scores" in reg.split_
    values = groups_of(70, table.drop(columns=["code", "w"]), y, weight)
    for other in (
        fit_sample(groups_of(70, table, y), **ROLES),
        fit_sample(values, time=X["day"], groups=X["code"]),
        fit_sample(groups_of(70, table, y), n_threads=2, **ROLES),
    ):
        assert_same_bits(other.oof_prediction_, reg.oof_prediction_)
        assert_same_bits(other.predict(table[other.feature_names_in_]), reg.predict(table))
    starts = [X["day"].to_numpy()[reg.oof_rows_][reg._fold_of_row == k].min() for k in range(3)]
    assert starts == sorted(starts)


def test_a_large_table_in_time_resumes(reload):
    source = groups_of(70, X, y)
    whole = fit_sample(source, time="day")
    for n_networks in (2, 4, 8):
        reg, _ = make("numbers")
        reg.on_progress = lambda p, n=n_networks: p.folds_done and stop_fit(p, n)
        with pytest.raises(KeyboardInterrupt):
            reg.fit(source, window=300, time="day")
        del reg.on_progress
        other = reload(reg).fit(source, window=300, time="day", resume=True)
        assert other.n_folds_remaining_ == 0
        assert_same_bits(other.predict(X), whole.predict(X))
        assert_same_bits(other.oof_prediction_, whole.oof_prediction_)


def test_other_objects_that_stand_for_rows(tmp_path, parquet):
    folder = parquet(2)
    (tmp_path / "empty").mkdir()
    dataset = pyarrow.dataset.dataset(folder)
    for source, message in (
        (dataset, "X is a FileSystemDataset of pyarrow. Pass the path of its"),
        ([str(folder / "0.parquet")], r"X is a list of texts, such as '.*0.parquet', not of rows"),
        (tmp_path / "empty", "is a folder without tables"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_numbers(source, "y")


def test_label_issues_of_a_sample(sampled):
    message = r"rows of the table in memory. Pass their targets: y\[estim"
    with pytest.raises(ValueError, match=message):
        find_label_issues(sampled, y)
    assert find_label_issues(sampled, y[sampled.oof_rows_])[0].row < len(sampled.oof_rows_)


def test_an_error_of_the_source_says_which_group():
    def source():
        yield X[:500], y[:500]
        broken()

    with pytest.raises(OSError, match="the disk is gone") as caught:
        fit_numbers(source)
    assert caught.value.__notes__ == ["raised by the row groups, when row group 1 was read"]


def test_targets_of_several_types_keep_them():
    assert large_table.join_targets([np.array([1, 2]), np.array(["a"])]).tolist() == [1, 2, "a"]
    assert large_table.join_targets([np.array([1]), np.array([0.5])]).tolist() == [1.0, 0.5]


GROUPS = [(X, y), [X, y, weight]], [([{"x": 1}], [1])], [([[1.0, 2.0]], [3.0])]
NO_GROUPS = [  # rows of a table in lists, tuples of other lengths, and other types
    [], [[1.0, 2.0], [3.0, 4.0]], ([1.0, 2.0], [3.0, 4.0]), [["a", 2.0], ["b", 4.0]], [7], [(X,)],
    [(X, y, weight, y)], [(X, y), 7], ((X, y),), X, "rows.csv",
]  # fmt: skip


def test_what_may_be_row_groups():
    for source in (*GROUPS, *NO_GROUPS):
        is_group = any(source is each for each in GROUPS)
        assert batch_table.holds_groups(source) == is_group, source


def test_a_group_without_rows_changes_nothing(sampled):
    groups = groups_of(100)
    assert_same_model(fit_sample([*groups[:3], (X[:0], y[:0]), *groups[3:]]), sampled)


SECOND = [(X[:800], y[:800]), (X[::-1], y), (X, y[::-1])]


@pytest.mark.parametrize("second", SECOND, ids=["fewer", "X", "y"])
def test_a_pass_with_other_rows_is_an_error(second):
    """Such as a source that shuffles."""
    passes, message = iter([(X, y), second]), "X has 800 rows in this pass, but had 900 before"
    if len(second[1]) == N:
        message = r"X has other rows in this pass than before\. Each pass must"
    with pytest.raises(ValueError, match=message):
        fit_sample(lambda: groups_of(100, *next(passes)))


def test_a_full_disk_is_found_before_it_is_written(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"need 0.0 GB, but 0.0 GB are free in .*TMPDIR"):
        fit_sample()


@pytest.mark.parametrize("in_temp", [True, False])
def test_temporary_files_are_removed(in_temp, monkeypatch, tmp_path):
    monkeypatch.setattr(shared_objects, "LARGE_FILES", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = tmp_path / "temp" if in_temp else tmp_path
    folder.mkdir(exist_ok=True)
    if in_temp:
        monkeypatch.setenv("TMPDIR", str(folder))
    else:
        monkeypatch.delenv("TMPDIR", raising=False)
    seen = set()
    append = batch_table.EncodedRows.append

    def record(self, *args):
        append(self, *args)
        seen.add(os.path.dirname(self.folder))
        assert os.listdir(self.folder)

    monkeypatch.setattr(batch_table.EncodedRows, "append", record)
    fit_sample()
    assert seen == {str(folder)} and not list(folder.glob("fastnn-*"))


def test_a_sample_has_256_megabytes_and_at_least_1000_rows(monkeypatch):
    windows = {n: large_table.default_window(n) for n in (1, 4, 4000, 4001)}
    assert windows == {1: 4_000_000, 4: 1_000_000, 4000: 1000, 4001: 1000}
    limits = SimpleNamespace(available_memory=lambda counts_files: 64 * 100)
    monkeypatch.setattr(large_table, "limits", limits)
    assert large_table.fits_in_memory(10, 10) and not large_table.fits_in_memory(101, 1)


def test_a_file_that_does_not_fit_is_sampled(parquet, monkeypatch):
    """The memory is full. Without a window, the sample takes 256 MB."""
    limits = SimpleNamespace(available_memory=lambda counts_files: 64 * 5 * 400)
    monkeypatch.setattr(large_table, "limits", limits)
    monkeypatch.setattr(large_table, "MIN_WINDOW", 10)
    monkeypatch.setattr(large_table, "WINDOW_BYTES", 64 * 4 * 250)
    assert 100 < len(fit_numbers(parquet(), "y").oof_rows_) <= 250
