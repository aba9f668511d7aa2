"""Tables and arguments that raise each DataError: as a call in Python, and as a command.

Those of `fastnn.tables` are in table_error_cases.py.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import write_csv
from data_errors import GOAL, TEXT, A, Case, N, folder, large, number_model, train
from table_error_cases import FILES

import fastnn
from fastnn import TabularClassifier, TabularRegressor, tables
from fastnn.distributed import mpi_ranks
from fastnn.tabular.metrics import MissingMetric

DAYS = pa.array([f"2026-01-{i % 28 + 1:02}" for i in range(N)]).cast(pa.date32())
ROWS = {"a": A, "c": TEXT}
X = pa.table({"a": A}).to_pandas()
#: Options with which folds end one after the other.
SLOWLY = "--folds 3 --threads 1"


def fit(site, columns, options="", *, y="goal", cls=TabularClassifier, command=True, **parameters):
    """A Case of a table with these columns and a column `goal`, in a Parquet file."""
    table = pa.table({"goal": GOAL, **columns})

    def call():
        settings = dict(n_estimators=2, hidden_layer_sizes=2, random_state=0)
        cls(**{**settings, **parameters}).fit(table, y)

    return Case(
        f"tabular/{site}",
        call,
        train("t.parquet", options) if command else None,
        lambda monkeypatch: pq.write_table(table, "t.parquet"),
    )


def interrupted(monkeypatch):
    """Stop the training of the model in the file m after a fold."""
    from fastnn import cli
    from fastnn.tabular.fitting.out_of_fold import OutOfFold

    write_csv("t.csv", a=A, goal=GOAL)
    update = OutOfFold.update

    def interrupt(self):
        update(self)
        if self.done:
            patch.undo()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OutOfFold, "update", interrupt)
        assert cli.main(train("t.csv", SLOWLY).split()) == 130


def small_header(monkeypatch):
    monkeypatch.setattr("fastnn.files.safetensors.MAX_HEADER", 100_000)
    monkeypatch.setattr("fastnn.tabular.stored_model.SPARE", 99_000)


def prepared(case, *others):
    """Return a case with further preparations."""
    first = case.prepare

    def prepare(monkeypatch):
        first(monkeypatch)
        for other in others:
            other(monkeypatch)

    case.prepare = prepare
    return case


def ensemble(monkeypatch):
    regressor = fastnn.MLPRegressor((2,), n_estimators=2, max_iter=1, batch_size=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        regressor.fit(np.eye(N), GOAL).save("e.safetensors")


def of_several_ranks(monkeypatch):
    folder(a=dict(a=A, goal=GOAL))(monkeypatch)
    monkeypatch.setattr(mpi_ranks, "are_launched", lambda: True)
    executor = ThreadPoolExecutor(1)
    monkeypatch.setattr(mpi_ranks, "run_on_rank_0", lambda function: function(executor))


def large_network(monkeypatch):
    net = fastnn.MLP([2, 1], dtype="float64")
    net.params = 1e300
    net.save("net.safetensors")


def dates_and_numbers(i):
    return pa.table({"a": [DAYS[:20], pa.array(A[:20])][i]})


def csv_of(columns):
    """Write these columns to a CSV file, in place of the Parquet file of `fit`."""
    return lambda monkeypatch: write_csv("t.parquet", **columns)


def passes(*lists):
    """Row groups that are others in each pass."""
    left = list(lists)
    return lambda: iter(left.pop(0) if len(left) > 1 else left[0])


def changing(change):
    """Write a folder whose rows `fastnn train` reads as others in the second pass."""

    def prepare(monkeypatch):
        from fastnn.cli.table_file import StreamedRows

        folder(a={"a": A, "goal": GOAL})(monkeypatch)
        read, n_passes = StreamedRows.__iter__, []

        def iterate(self):
            n_passes.append(None)
            parts = list(read(self))
            return iter(change(parts) if len(n_passes) > 1 else parts)

        monkeypatch.setattr(StreamedRows, "__iter__", iterate)

    return prepare


COLUMNS = [
    fit("columns/features._chosen", ROWS, command=False, numbers="a", drop="a"),
    fit("columns/date.declare", {**ROWS}, "--date c", dates="c"),
    Case(
        "tabular/columns/features._positions: {argument} names the column {column!r}, but",
        lambda: large(drop="a").fit(np.eye(N), GOAL),
    ),
    fit(
        "columns/features._positions: {argument} names the column {column!r}, which",
        ROWS,
        command=False,
        drop="b",
    ),
    fit("columns/features._positions: {argument} names column {i}", ROWS, command=False, drop=7),
    fit("columns/features._positions: {argument} must hold", ROWS, command=False, drop=[1.5]),
    fit(
        "columns/number.convert: column {column!r} holds",
        {"a": DAYS},
        "--number a",
        numbers="a",
    ),
    fit("columns/number.convert: column {column!r} is", {"a": [*A[:-1], np.inf]}),
    fit("columns/date._of_numbers", {"a": A}, "--date a", dates="a"),
    fit("columns/input_column.refuse", {"a": TEXT}, "--number a", numbers="a"),
    fit("columns/features.fit", {"a": [1] * N, "b": TEXT}, "--drop b", drop="b"),
    fit("columns/column.features", {"a": A * 1e305}),
    prepared(
        fit("fitting/table_fit.fit_encoders", {"a": A}),
        lambda m: m.setattr("fastnn.tabular.encoder.Encoder.n_inputs", 0),
    ),
    fit("columns/input_column.__init__", {"a": [[1, 2]] * N}),
    Case(
        "tabular/columns/input_column.join_parts",
        lambda: large().fit([(dates_and_numbers(i), GOAL[:20]) for i in range(2)]),
    ),
    Case(
        "tabular/columns/frames._to_arrow: column {column!r} of",
        lambda: large().fit([{"a": 1}, {"a": "x"}], [0, 1]),
    ),
    Case(
        "tabular/columns/frames._to_arrow: column {column!r} holds",
        lambda: large().fit([{"a": "y"}, {"a": "\ud800"}], [0, 1]),
    ),
    Case(
        "tabular/columns/frames._positions",
        lambda: large().fit(pa.table([A, A], ["a", "a"]), GOAL),
    ),
    prepared(
        fit("encoder.check_memory", {"a": [f"x{i // 2}" for i in range(N)]}),
        csv_of({"goal": GOAL, "a": [f"x{i // 2}" for i in range(N)]}),
        lambda m: m.setattr(
            "fastnn.tabular.encoder.limits",
            SimpleNamespace(available_memory=lambda counts_files: 1000),
        ),
    ),
    prepared(
        fit("stored_model.check_before_training", {"a": [f"c{i // 2}" * 2000 for i in range(N)]}),
        small_header,
    ),
]
TARGETS = [
    Case(
        "tabular/columns/frames.check_target: {argument} names a column of",
        lambda: large().fit(np.eye(N), "goal"),
    ),
    fit(
        "columns/frames.check_target: {argument} names a column that", ROWS, command=False, y="gaol"
    ),
    fit(
        "columns/frames.split_target: {argument} is",
        {"b": DAYS},
        command=False,
        y="b",
    ),
    Case(
        "tabular/columns/frames.check_target: {argument} names a column that",
        lambda: large().fit("d", "gaol"),
        None,
        folder(a={"a": A, "goal": GOAL}),
    ),
    Case(
        "tabular/targets._sortable",
        lambda: large().fit(np.eye(N), [*"ab" * (N // 2 - 1), "a", None]),
    ),
    Case("tabular/targets._check_finite", lambda: large().fit(X, [0.0, np.nan] * (N // 2))),
    Case(
        "tabular/targets._refuse_text",
        lambda: TabularRegressor(2).fit(X, ["1", "$1,702"] * (N // 2)),
    ),
    fit("targets.check_targets", ROWS, command=False, cls=TabularRegressor, log_target=True),
    fit(
        "targets.fit: {argument} holds",
        {"a": A, "goal": A * 1e200},
        cls=TabularRegressor,
    ),
    fit("metrics.resolve_metric: {argument} {problem}", ROWS, command=False, metric="rmse"),
    Case(
        "tabular/metrics.resolve_metric: {argument} is the function",
        lambda: large(metric=MissingMetric("f")).fit(X, GOAL),
    ),
    fit(
        "metrics.check_targets: {argument} divides",
        {"a": A, "goal": A - A[0]},
        command=False,
        cls=TabularRegressor,
        metric="mape",
    ),
    fit(
        "metrics.check_targets: {argument} needs one",
        {"a": A, "goal": A},
        command=False,
        cls=TabularRegressor,
        metric="mae",
        loss=fastnn.losses.Quantile((0.1, 0.9)),
    ),
    fit("thresholds.parse", ROWS, command=False, threshold="f2"),
    Case(
        "tabular/targets.find_threshold",
        lambda: large().fit(X, GOAL).set_params(threshold="f1").predict(X),
    ),
    fit(
        "targets.fit: {argument} cannot be",
        {"a": A, "goal": A + 1},
        command=False,
        cls=TabularRegressor,
        log_target=True,
        loss="poisson",
    ),
    fit(
        "targets.fit: {argument} needs",
        {"a": A, "goal": A - 1},
        command=False,
        cls=TabularRegressor,
        loss="poisson",
    ),
]
PANEL = {"a": A, "t": list(range(N)), "g": ["x"] * (N - 2) + ["y", "z"], "w": [1.0] * N}
ONE_DAY = {"a": A, "t": ["2026-01-01"] * N}


def by_rows(site, columns, options, command=True, **arguments):
    """A Case of `fit` with times, groups or weights."""
    table = pa.table({"goal": GOAL, **columns})
    return Case(
        f"tabular/{site}",
        lambda: large().fit(table, "goal", **arguments),
        train("t.parquet", options) if command else None,
        lambda monkeypatch: pq.write_table(table, "t.parquet"),
    )


def splits(*folds, **arguments):
    """Fit a model with folds in `cv`."""
    return lambda: large(cv=list(folds)).fit(X, GOAL, **arguments)


ROLES = [
    by_rows("roles.named_column: {argument} names a column that", ROWS, "", False, time="day"),
    Case(
        "tabular/roles.named_column: {argument} names a column of",
        lambda: large().fit(np.eye(N), GOAL, sample_weight="a"),
    ),
    by_rows("roles.column_names", ROWS, "", False, groups="goal"),
    Case(
        "tabular/roles.weight",
        lambda: large().fit([(X.assign(w=A), GOAL, A)], sample_weight="w"),
    ),
    Case(
        "tabular/roles.from_values",
        lambda: large().fit(X, GOAL, time=np.eye(N)),
    ),
    by_rows(
        "roles.to_weights: {argument} names",
        {"a": A, "d": DAYS},
        "--weight d",
        sample_weight="d",
    ),
    by_rows(
        "roles.to_weights: {argument} holds",
        {"a": A, "w": -A},
        "--weight w",
        sample_weight="w",
    ),
    by_rows("roles._check_number", {"a": A, "g": [1] * N}, "--group g", groups="g"),
    by_rows(
        "roles._refuse_missing: {argument} has",
        {"a": A, "w": [None, *A[1:]]},
        "--weight w",
        sample_weight="w",
    ),
    by_rows("roles.to_times: {argument} is {value}", ONE_DAY, "--time t", time="t"),
    by_rows(
        "roles.to_times: {argument} is missing",
        {"a": A, "t": pa.nulls(N, pa.float64())},
        "--time t",
        time="t",
    ),
    by_rows("roles._parse", {"a": A, "t": [*"xy"] * (N // 2)}, "--time t", time="t"),
    Case(
        "tabular/folds._first_times",
        lambda: large().fit(X, GOAL, A == 0, time=A),
        train("t.parquet", "--time a --weight w"),
        lambda monkeypatch: pq.write_table(
            pa.table({"goal": GOAL, "a": A, "w": (A == 0) * 1.0}), "t.parquet"
        ),
    ),
    by_rows(
        "folds._set_groups",
        {**PANEL, "g": ["x"] * (N - 1) + ["y"]},
        "--time t --group g",
        time="t",
        groups="g",
    ),
    Case(
        "tabular/folds.split",
        lambda: large().fit("d", "goal", window=20, time="a"),
        train("d", "--window 20 --time a"),
        lambda monkeypatch: (
            folder(a={"a": A, "goal": GOAL})(monkeypatch),
            monkeypatch.setattr(
                "fastnn.tabular.folds.ForwardFolds.keys",
                lambda self, numbers: np.zeros(20, np.intp),
            ),
        ),
    ),
    Case(
        "tabular/fitting/splitting._by_splitter: {argument} cannot",
        splits(([1], [2]), time=A),
    ),
    Case(
        "tabular/fitting/splitting._by_splitter: {argument} has",
        splits(([1], [2]), groups=[None, *A[1:]]),
    ),
    Case("tabular/fitting/splitting._by_splitter: {argument} yields", splits()),
    Case(
        "tabular/fitting/splitting._by_splitter: {argument} needs",
        lambda: large(cv=3).fit([(X, GOAL)], window=20),
    ),
    Case(
        "tabular/fitting/splitting._check_fold: {argument} must yield {what}, but fold", splits([1])
    ),
    Case(
        "tabular/fitting/splitting._check_fold: {argument} must yield {what}, but {name}",
        splits(([1], [N])),
    ),
    Case("tabular/fitting/splitting._check_fold: {argument} has", splits(([1, 2], [2]))),
]
LARGE = [
    Case(
        "tabular/large/batch_table._sample",
        lambda: large().fit("d", "goal", window=3),
        train("d", "--window 3"),
        folder(a={"a": A, "goal": GOAL}),
    ),
    Case(
        "tabular/fitting/table_fit.__init__",
        lambda: large().fit([(X, GOAL)], window=20, executor=ThreadPoolExecutor(1)),
        train("d", "--window 20"),
        of_several_ranks,
    ),
    Case(
        "tabular/large/batch_table._open_batches",
        lambda: large().fit(X, GOAL, window=9),
    ),
    Case(
        "tabular/folds.split",
        lambda: large().fit("d", "goal", window=20),
        train("d", "--window 20"),
        lambda monkeypatch: (
            folder(a={"a": A, "goal": GOAL})(monkeypatch),
            monkeypatch.setattr(
                "fastnn.tabular.folds.HashedFolds.keys",
                lambda self, numbers: np.zeros(20, np.intp),
            ),
        ),
    ),
    Case(
        "tabular/large/batch_table._read_again",
        lambda: large().fit(passes([(X, GOAL)], [(X, GOAL), (X, GOAL)]), window=30),
        train("d", "--window 30"),
        changing(lambda parts: [*parts, *parts]),
    ),
    Case(
        "tabular/large/batch_table._check_pass",
        lambda: large().fit(passes([(X, GOAL)], [(X[::-1], GOAL)]), window=30),
        train("d", "--window 30"),
        changing(lambda parts: [(x, y[::-1]) for x, y in parts]),
    ),
    Case(
        "tabular/targets.to_numbers",
        lambda: large().fit(passes([(X, GOAL)], [(X, [2] * N)]), window=30),
    ),
]
EXPORTS = [
    Case(
        "export/state_dict._network_and_classes: a state_dict has",
        lambda: fastnn.export.torch(fastnn.load("n.safetensors"), "a"),
        "export n.safetensors --torch a",
        number_model,
    ),
    Case(
        "export/state_dict._network_and_classes: a state_dict is",
        lambda: fastnn.export.torch(fastnn.load("e.safetensors"), "a"),
        "export e.safetensors --torch a",
        ensemble,
    ),
    Case(
        "export/onnx_file._float32",
        lambda: fastnn.export.onnx(fastnn.load("net.safetensors"), "a"),
        "export net.safetensors --onnx a",
        large_network,
    ),
    Case(
        "export/onnx_file._finish_numbers",
        lambda: fastnn.export.onnx(fastnn.load("n.safetensors"), "a"),
        "export n.safetensors --onnx a",
        lambda monkeypatch: number_model(monkeypatch, 1e60),
    ),
]
SETTINGS = [
    fit(
        "estimator._hidden_sizes",
        ROWS,
        "--hidden " + ",".join("1" * 100),
        hidden_layer_sizes=[1] * 100,
    ),
    Case("tabular/estimator._stopped_model", lambda: large().fit(X, GOAL, resume=True)),
    Case(
        "tabular/checkpoint.refuse",
        lambda: (
            fastnn.load("m")
            .set_params(random_state=1)
            .fit(tables.read("t.csv"), "goal", resume=True)
        ),
        train("t.csv", f"{SLOWLY} --seed 1 --resume"),
        interrupted,
    ),
    Case(
        "tabular/predictions.check_columns",
        lambda: fastnn.load("n.safetensors").predict(pa.table({"b": A})),
        "predict n.safetensors other.csv",
        lambda monkeypatch: (number_model(monkeypatch), write_csv("other.csv", b=[1])),
    ),
    Case(
        "estimators/ensemble.cv_plus",
        lambda: fastnn.load("n.safetensors").predict_interval(tables.read("new.csv"), 0.999),
        "predict n.safetensors new.csv --interval 0.999",
        number_model,
    ),
    Case(
        "export/c_text.check_name",
        lambda: fastnn.export.c(fastnn.load("net.safetensors"), "my-net.c"),
        "export net.safetensors --c my-net.c",
        lambda monkeypatch: fastnn.MLP([2, 1]).save("net.safetensors"),
    ),
]


def explain(monkeypatch, background=True):
    """Write the files of `number_model`, of a model that may keep no training rows."""
    number_model(monkeypatch)
    fastnn.load("n.safetensors").save("n.safetensors", background)


def explained(**options):
    return lambda: fastnn.load("n.safetensors").explain(tables.read("new.csv"), **options)


EXPLANATIONS = [
    Case(
        "tabular/explaining/mixtures._check_scale",
        explained(scale="log-odds"),
        "explain n.safetensors new.csv --scale log-odds",
        explain,
    ),
    Case(
        "tabular/explaining/mixtures.select_output",
        lambda: explained()().of("x"),
        None,
        explain,
    ),
    Case(
        "tabular/explaining/methods.check_permutations",
        explained(n_permutations=5),
        "explain n.safetensors new.csv --permutations 5",
        explain,
    ),
    Case(
        "tabular/explaining/methods.find_column",
        lambda: fastnn.load("n.safetensors").effect("b"),
        None,
        explain,
    ),
    Case(
        "tabular/explaining/methods._background: {argument} has no rows",
        explained(background=[]),
        None,
        explain,
    ),
    Case(
        "tabular/explaining/methods._background: the model keeps",
        explained(),
        "explain n.safetensors new.csv",
        lambda monkeypatch: explain(monkeypatch, background=False),
    ),
]


def old_model(monkeypatch):
    """Write the files of `number_model`, of a model as an older version wrote it."""
    number_model(monkeypatch)
    model = fastnn.load("n.safetensors")
    model.model_ = replace(model.model_, profile=None)
    model.save("n.safetensors")


CHECKS = [
    Case(
        "tabular/drift/profile.of",
        lambda: fastnn.load("n.safetensors").check("new.csv"),
        "check n.safetensors new.csv",
        old_model,
    ),
]
CASES = [*CHECKS, *FILES, *COLUMNS, *TARGETS, *ROLES, *LARGE, *EXPORTS, *EXPLANATIONS, *SETTINGS]
