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
from table_error_cases import FILES, nothing, patched

import fastnn
from fastnn import TabularClassifier, TabularRegressor, tables
from fastnn.distributed import mpi_ranks
from fastnn.tabular.metrics import MissingMetric

NUMBERS = {"a": A, "goal": GOAL}
DAYS = pa.array([f"2026-01-{i % 28 + 1:02}" for i in range(N)]).cast(pa.date32())
ROWS = {"a": A, "c": TEXT}
ROWS_OF_TEXT = {"a": [f"a text of {x} words" for x in A]}
X = pa.table({"a": A}).to_pandas()
ROWS_OF_3 = {"a": A, "c": [str(i % 3) for i in range(N)]}
BOTH = {0: 1, -1: -1}  # signs of one column
#: Options with which folds end one after the other.
SLOWLY = "--folds 3 --threads 1"


def case(site, python, command=None, prepare=nothing):
    """A Case of the estimators for tables."""
    return Case(f"tabular/{site}", python, command, prepare)


def fit(site, columns, options="", *, y="goal", cls=TabularClassifier, rows=None, **parameters):
    """A Case of a table with these columns and a column `goal`, in a Parquet file.

    options : of the command; None if there is none
    rows : arguments of `fit` such as weights
    """
    table = pa.table({"goal": GOAL, **columns})

    def call():
        settings = dict(n_estimators=2, hidden_layer_sizes=2, random_state=0)
        cls(**{**settings, **parameters}).fit(table, y, **rows or {})

    def write(monkeypatch):
        pq.write_table(table, "t.parquet")

    return case(site, call, None if options is None else train("t.parquet", options), write)


def fit_rows(site, columns, options, **rows):
    """A Case of `fit` with times, groups or weights."""
    return fit(site, columns, options, rows=rows)


def refused(site, columns=None, **parameters):
    """A Case of `fit` in Python alone."""
    return fit(site, ROWS if columns is None else columns, None, **parameters)


def number(site, goal, options=None, **parameters):
    """A Case of a regressor."""
    return fit(site, {"a": A, "goal": goal}, options, cls=TabularRegressor, **parameters)


def window(site, n, prepare, options="", **rows):
    """A Case of a fit of the folder `d` in windows of so many rows."""
    call = lambda: large().fit("d", "goal", window=n, **rows)  # noqa: E731
    return case(site, call, train("d", f"--window {n} {options}"), prepare)


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
    folder(a=NUMBERS)(monkeypatch)
    monkeypatch.setattr(mpi_ranks, "are_launched", lambda: True)
    executor = ThreadPoolExecutor(1)
    monkeypatch.setattr(mpi_ranks, "run_on_rank_0", lambda function: function(executor))


def small_network(monkeypatch):
    fastnn.MLP([2, 1]).save("net.safetensors")


def large_network(monkeypatch):
    net = fastnn.MLP([2, 1], dtype="float64")
    net.params = 1e300
    net.save("net.safetensors")


def fitting(*arguments, rows=None, **parameters):
    """A call that fits a classifier. rows : arguments of `fit` by name"""
    return lambda: large(**parameters).fit(*arguments, **rows or {})


def fitted_rows():
    return large().fit(X, GOAL)


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

        folder(a=NUMBERS)(monkeypatch)
        read, n_passes = StreamedRows.__iter__, []

        def iterate(self):
            n_passes.append(None)
            parts = list(read(self))
            return iter(change(parts) if len(n_passes) > 1 else parts)

        monkeypatch.setattr(StreamedRows, "__iter__", iterate)

    return prepare


def little_memory(monkeypatch):
    limits = SimpleNamespace(available_memory=lambda counts_files: 1000)
    monkeypatch.setattr("fastnn.tabular.encoder.limits", limits)


def one_fold(name):
    """Write a folder, all rows of which are in the first fold."""

    def prepare(monkeypatch):
        folder(a=NUMBERS)(monkeypatch)
        keys = lambda self, numbers: np.zeros(20, np.intp)  # noqa: E731
        monkeypatch.setattr(f"fastnn.tabular.folds.{name}.keys", keys)

    return prepare


def one_weighted_row(monkeypatch):
    pq.write_table(pa.table({"goal": GOAL, "a": A, "w": (A == 0) * 1.0}), "t.parquet")


N_INPUTS = "fastnn.tabular.encoder.Encoder.n_inputs"
SMALL_HEADER = [patched("fastnn.files.safetensors.MAX_HEADER", 100_000)]
SMALL_HEADER += [patched("fastnn.tabular.stored_model.SPARE", 99_000)]
LONG = {"a": [f"c{i // 2}" * 2000 for i in range(N)]}
PAIRS = {"a": [f"x{i // 2}" for i in range(N)]}
PARTS = [(pa.table({"a": a}), GOAL[:20]) for a in (DAYS[:20], pa.array(A[:20]))]
LONE_SURROGATE = [{"a": "y"}, {"a": "\ud800"}]
POSITIONS = "columns/features.find_positions: {argument} names"
COLUMNS = [
    refused("columns/features._chosen", numbers="a", drop="a"),
    fit("columns/date.declare", {**ROWS}, "--date c", dates="c"),
    case(f"{POSITIONS} the column {{column!r}}, but", lambda: large(drop="a").fit(np.eye(N), GOAL)),
    refused(f"{POSITIONS} the column {{column!r}}, which", drop="b"),
    refused(f"{POSITIONS} column {{i}}", drop=7),
    refused("columns/features.find_positions: {argument} must hold", drop=[1.5]),
    fit("columns/number.convert: column {column!r} holds", {"a": DAYS}, "--number a", numbers="a"),
    fit("columns/number.convert: column {column!r} is", {"a": [*A[:-1], np.inf]}),
    fit("columns/date._of_numbers", {"a": A}, "--date a", dates="a"),
    fit("columns/input_column.refuse", {"a": TEXT}, "--number a", numbers="a"),
    fit("columns/features.fit", {"a": [1] * N, "b": TEXT}, "--drop b", drop="b"),
    fit("columns/column.features", {"a": A * 1e305}),
    prepared(fit("fitting/table_fit.fit_encoders", {"a": A}), patched(N_INPUTS, 0)),
    fit("columns/input_column.__init__", {"a": [[1, 2]] * N}),
    case("columns/input_column.join_parts", fitting(PARTS)),
    case("columns/frames._to_arrow: column {column!r} of", fitting([{"a": 1}, {"a": "x"}], [0, 1])),
    case("columns/frames._to_arrow: column {column!r} holds", fitting(LONE_SURROGATE, [0, 1])),
    case("columns/frames._from_records", fitting([{"\ud800": 1.0}] * 2, [0, 1])),
    case("columns/frames._positions", lambda: large().fit(pa.table([A, A], ["a", "a"]), GOAL)),
    prepared(fit("encoder.check_memory", PAIRS), csv_of({"goal": GOAL, **PAIRS}), little_memory),
    prepared(fit("stored_model.check_before_training", LONG), *SMALL_HEADER),
]
CHECK_TARGET = "columns/frames.check_target: {argument} names a column"
QUANTILES, MISSING_METRIC = fastnn.losses.Quantile((0.1, 0.9)), MissingMetric("f")
IS_FUNCTION = "metrics.resolve_metric: {argument} is the function"
TARGETS = [
    case(f"{CHECK_TARGET} of", lambda: large().fit(np.eye(N), "goal")),
    refused(f"{CHECK_TARGET} that", y="gaol"),
    refused("columns/frames.split_target: {argument} is", {"b": DAYS}, y="b"),
    case(f"{CHECK_TARGET} that", lambda: large().fit("d", "gaol"), None, folder(a=NUMBERS)),
    case("targets._sortable", lambda: large().fit(np.eye(N), [*"ab" * (N // 2 - 1), "a", None])),
    case("targets._check_finite", lambda: large().fit(X, [0.0, np.nan] * (N // 2))),
    case("targets._refuse_text", lambda: TabularRegressor(2).fit(X, ["1", "$1,702"] * (N // 2))),
    refused("targets.check_targets", cls=TabularRegressor, log_target=True),
    number("targets.fit: {argument} holds", A * 1e200, ""),
    refused("metrics.resolve_metric: {argument} {problem}", metric="rmse"),
    case(IS_FUNCTION, fitting(X, GOAL, metric=MISSING_METRIC)),
    number("metrics.check_targets: {argument} divides", A - A[0], metric="mape"),
    number("metrics.check_targets: {argument} needs one", A, metric="mae", loss=QUANTILES),
    refused("thresholds.parse", threshold="f2"),
    case("targets.find_threshold", lambda: fitted_rows().set_params(threshold="f1").predict(X)),
    number("targets.fit: {argument} cannot be", A + 1, log_target=True, loss="poisson"),
    number("targets.fit: {argument} needs", A - 1, loss="poisson"),
    number("targets.limit", A, "--bounds 1e6,", bounds=(1e6, None)),
    number("targets.check_limits", A, "--bounds 2,1", bounds=(2, 1)),
]
MONOTONE = [
    refused("monotone._signs_by_position: {argument} of", monotone={"a": 2}),
    case("monotone._signs_by_position: {argument} has", fitting(X.to_numpy(), GOAL, monotone=BOTH)),
    refused("monotone._signs_by_position: {argument} must", monotone=[1]),
    refused("monotone.find_signs: {argument} needs two", ROWS_OF_3, y="c", monotone={"a": 1}),
    fit("monotone._check_column: {argument} needs", ROWS, "--monotone c=1", monotone={"c": 1}),
    fit(
        *("monotone._check_column: {argument} names", ROWS, "--monotone a=1 --drop a"),
        **dict(monotone={"a": 1}, drop="a"),
    ),
]
PANEL = {"a": A, "t": list(range(N)), "g": ["x"] * (N - 1) + ["y"], "w": [1.0] * N}
GAP = {"a": A, "w": [None, *A[1:]]}
ONE_DAY = {"a": A, "t": ["2026-01-01"] * N}
NO_TIMES = {"a": A, "t": pa.nulls(N, pa.float64())}


def splits(*folds, **arguments):
    """Fit a model with folds in `cv`."""
    return lambda: large(cv=list(folds)).fit(X, GOAL, **arguments)


SPLITTER, FOLD = "fitting/splitting._by_splitter:", "fitting/splitting._check_fold: {argument}"
WEIGHTS = "roles.to_weights: {argument}"
ROLES = [
    refused("roles.named_column: {argument} names a column that", rows=dict(time="day")),
    case("roles.named_column: {argument} names a column of", fitting(np.eye(N), GOAL, None, "a")),
    refused("roles.column_names", rows=dict(groups="goal")),
    case("roles.weight", lambda: large().fit([(X.assign(w=A), GOAL, A)], sample_weight="w")),
    case("roles.from_values", lambda: large().fit(X, GOAL, time=np.eye(N))),
    fit_rows(f"{WEIGHTS} names", {"a": A, "d": DAYS}, "--weight d", sample_weight="d"),
    fit_rows(f"{WEIGHTS} holds", {"a": A, "w": -A}, "--weight w", sample_weight="w"),
    fit_rows("roles._check_number", {"a": A, "g": [1] * N}, "--group g", groups="g"),
    fit_rows("roles._refuse_missing: {argument} has", GAP, "--weight w", sample_weight="w"),
    fit_rows("roles.to_times: {argument} is {value}", ONE_DAY, "--time t", time="t"),
    fit_rows("roles.to_times: {argument} is missing", NO_TIMES, "--time t", time="t"),
    fit_rows("roles._parse", {"a": A, "t": [*"xy"] * (N // 2)}, "--time t", time="t"),
    case(
        *("folds._first_times", fitting(X, GOAL, A == 0, rows=dict(time=A))),
        *(train("t.parquet", "--time a --weight w"), one_weighted_row),
    ),
    fit_rows("folds._set_groups", PANEL, "--time t --group g", time="t", groups="g"),
    window("folds.split", 20, one_fold("ForwardFolds"), "--time a", time="a"),
    case(f"{SPLITTER} {{argument}} cannot", splits(([1], [2]), time=A)),
    case(f"{SPLITTER} {{argument}} has", splits(([1], [2]), groups=[None, *A[1:]])),
    case(f"{SPLITTER} {{argument}} yields", splits()),
    case(f"{SPLITTER} {{argument}} needs", lambda: large(cv=3).fit([(X, GOAL)], window=20)),
    *(case(f"{FOLD} must yield {{what}}, but fold", splits(fold)) for fold in (1.5, [1])),
    case(f"{FOLD} must yield {{what}}, but {{name}}", splits(([1], [N]))),
    case(f"{FOLD} has", splits(([1, 2], [2]))),
]
WINDOW = dict(window=20)


def in_windows(parts, executor=None):
    return large().fit(parts, window=20, executor=executor)


def changed(site, second, change):
    """A Case of parts that are others in the second pass; change : of those of `fastnn train`"""
    call = lambda: in_windows(passes([(X, GOAL)], second))  # noqa: E731
    return case(site, call, train("d", "--window 20"), changing(change))


LARGE = [
    window("large/batch_table._sample", 3, folder(a=NUMBERS)),
    case(
        *("fitting/table_fit.__init__", lambda: in_windows([(X, GOAL)], ThreadPoolExecutor(1))),
        *(train("d", "--window 20"), of_several_ranks),
    ),
    case(
        *("fitting/table_fit.leave_out_texts", fitting("d", "goal", texts=["a"], rows=WINDOW)),
        *(train("d", "--window 20 --text a"), folder(a={"a": TEXT, "goal": GOAL})),
    ),
    case("large/batch_table._open_batches", fitting(X, GOAL, rows=WINDOW)),
    window("folds.split", 20, one_fold("HashedFolds")),
    changed("large/batch_table._read_again", [(X, GOAL)] * 2, lambda parts: parts * 2),
    changed(
        *("large/batch_table._check_pass", [(X[::-1], GOAL)]),
        lambda parts: [(x, y[::-1]) for x, y in parts],
    ),
    case("targets.to_numbers", lambda: in_windows(passes([(X, GOAL)], [(X, [2] * N)]))),
]


def export(site, to, name, prepare, out="a"):
    """A Case of a model file that cannot be exported."""
    call = lambda: getattr(fastnn.export, to)(fastnn.load(name), out)  # noqa: E731
    return Case(f"export/{site}", call, f"export {name} --{to} {out}", prepare)


NUMBER, NETWORK = "n.safetensors", "net.safetensors"
STATE_DICT = "state_dict._network_and_classes: a state_dict"
EXPORTS = [
    export(f"{STATE_DICT} has", "torch", NUMBER, number_model),
    export(f"{STATE_DICT} is", "torch", "e.safetensors", ensemble),
    export("onnx_file._float32", "onnx", NETWORK, large_network),
    export("onnx_file._finish_numbers", "onnx", NUMBER, lambda m: number_model(m, 1e60)),
    export("c_text.check_name", "c", NETWORK, small_network, "my-net.c"),
    Case(
        "export/export_model._refuse_interval",
        lambda: fastnn.export.c(fastnn.load(NETWORK), "net.c", interval=0.9),
        *(f"export {NETWORK} --c net.c --interval 0.9", small_network),
    ),
]


def continued():
    fastnn.load("m").set_params(random_state=1).fit(tables.read("t.csv"), "goal", resume=True)


def other_columns(monkeypatch):
    number_model(monkeypatch)
    write_csv("other.csv", b=[1])


def load_number():
    return fastnn.load(NUMBER)


DEEP = dict(hidden_layer_sizes=[1] * 100)
SETTINGS = [
    fit("estimator._hidden_sizes", ROWS, "--hidden " + ",".join("1" * 100), **DEEP),
    case("estimator._stopped_model", lambda: large().fit(X, GOAL, resume=True)),
    case(
        "checkpoint.refuse", continued, train("t.csv", f"{SLOWLY} --seed 1 --resume"), interrupted
    ),
    case(
        *("predictions.check_columns", lambda: load_number().predict(pa.table({"b": A}))),
        *(f"predict {NUMBER} other.csv", other_columns),
    ),
    Case(
        "estimators/ensemble.rank_of_error",
        lambda: load_number().predict_interval(tables.read("new.csv"), 0.999),
        *(f"predict {NUMBER} new.csv --interval 0.999", number_model),
    ),
]


def explain(monkeypatch, background=True):
    """Write the files of `number_model`, of a model that may keep no training rows."""
    number_model(monkeypatch)
    fastnn.load("n.safetensors").save("n.safetensors", background)


def without_background(monkeypatch):
    explain(monkeypatch, background=False)


def explained(**options):
    return lambda: fastnn.load("n.safetensors").explain(tables.read("new.csv"), **options)


def explaining(site, call, options=None, prepare=explain):
    command = None if options is None else f"explain n.safetensors new.csv{options}"
    return case(f"explaining/{site}", call, command, prepare)


def text_model(monkeypatch):
    """Write the file of a model that reads free text."""
    settings = dict(n_estimators=2, hidden_layer_sizes=2, random_state=0, texts=["a"])
    TabularClassifier(**settings).fit(pa.table(ROWS_OF_TEXT), GOAL).save("n.safetensors")


EXPLANATIONS = [
    explaining("mixtures._check_scale", explained(scale="log-odds"), " --scale log-odds"),
    explaining("mixtures.select_output", lambda: explained()().of("x")),
    explaining("explanation.top_words", lambda: explained()().top_words("b")),
    explaining("methods.check_permutations", explained(n_permutations=5), " --permutations 5"),
    explaining("methods.find_column", lambda: fastnn.load("n.safetensors").effect("b")),
    explaining("methods.find_varied", lambda: load_number().effect("a"), None, text_model),
    explaining("methods._background: {argument} has no rows", explained(background=[])),
    explaining("methods._background: the model keeps", explained(), "", without_background),
]


def old_model(monkeypatch):
    """Write the files of `number_model`, of a model as an older version wrote it."""
    number_model(monkeypatch)
    model = fastnn.load("n.safetensors")
    model.model_ = replace(model.model_, profile=None)
    model.save("n.safetensors")


CHECK = lambda: load_number().check("new.csv")  # noqa: E731
CHECKS = [case("drift/profile.of", CHECK, f"check {NUMBER} new.csv", old_model)]
CASES = [*CHECKS, *FILES, *COLUMNS, *TARGETS, *MONOTONE, *ROLES, *LARGE, *EXPORTS, *EXPLANATIONS]
CASES += SETTINGS
