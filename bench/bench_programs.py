"""Tests of the benchmark programs, with few sizes, steps and rounds.

They also test that compare.py detects peers that compute something else.
"""

import copy
import csv
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import peers_plain
import pytest
import sample
import tabular
import tabular_data
import tabular_report
from scale import SCALE
from tasks import OPTION_ROWS, ROWS, TASKS, fit_reference

HERE = pathlib.Path(__file__).parent


def output_of(command, **environment):
    limit = 600  # seconds, against programs that hang: a machine may be busy
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=limit, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def run(program, *arguments, **environment):
    return output_of([sys.executable, HERE / program, *map(str, arguments)], **environment)


def test_builds():
    text = run("builds.py", sys.executable, sys.executable, "--rounds", 1)
    assert max(map(len, text.splitlines()[2:])) <= 80
    assert "I1, out=" in text and "I2, new array" in text and "ten steps" in text


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_export_c():
    text = run("export_c.py", "--blocks", 2)
    assert re.search(r"^value, Jacobian, Hessian +[\d,]+ +[\d,]+$", text, re.M)


def test_derivatives():
    few = "--only", "fastnn", "--networks", "3-20-20-1", "--rows", 1, "--rounds", 1
    text = run("derivatives.py", *few)
    assert max(map(len, text.splitlines())) <= 80
    line = r"^3-20-20-1 +(?:jacobian|hessian) +float(?:32|64) +1 +\d+\.\d+$"
    assert len(re.findall(line, text, re.M)) == 4


def test_derivative_training():
    text = run(
        "derivative_training.py", "--only", "fastnn", "--tasks", "slopes,heat", "--rounds", 1
    )
    assert max(map(len, text.splitlines())) <= 80
    line = r"^(?:slopes|heat) +[\d-]+ +\d+(?:\.\d+)?$"
    assert len(re.findall(line, text, re.M)) == 7


def test_out_of_fold():
    few = "--tables", "diabetes", "--repeats", 2, "--epochs", 2
    text = run("out_of_fold.py", *few)
    assert re.search(r"^diabetes +442 +\d\.\d+ +\d\.\d+ +[+-]\d\.\d+ +\d\.\d+ !?$", text, re.M)
    text = run("out_of_fold.py", *few, "--trees")
    assert re.search(r"^diabetes +442 +[+-]\d\.\d+$", text, re.M)


def test_intervals(tmp_path):
    few = "--tables", "uneven", "--splits", 1, "--rows", 300
    text = run("intervals.py", *few, "--plot", tmp_path / "intervals.png")
    assert re.search(r"^uneven +(?:\d\.\d+[! ] *){7}nan +\d\.\d+$", text, re.M), text
    assert (tmp_path / "intervals.png").stat().st_size > 1000
    assert re.search(r"^uneven +\d\.\d", run("intervals.py", *few, "--mlp"), re.M)


def test_tabular_metrics(tmp_path):
    rng = np.random.default_rng(0)
    for task in ("classes", "numbers"):
        (tmp_path / task).mkdir()
        for name in "ab":
            x = rng.normal(size=200)
            y = np.where(x + rng.normal(size=200) > 0, "q", "p") if task == "classes" else x + 9
            table = pd.DataFrame({"x": x, "z": rng.normal(size=200), "y": y})
            table.to_csv(tmp_path / task / f"{task}_{name}.csv", index=False)
    kept = tmp_path / "kept"
    text = run("tabular_metrics.py", "--folder", tmp_path, "--rows", 80, "--keep", kept)
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(r"^(?:accuracy|mape) +(?:always|fastnn) ", text, re.M)) == 4
    assert len(re.findall(r"^cost:20,1 (?:plain|class weights|shifted) ", text, re.M)) == 3
    assert run("tabular_metrics.py", "--keep", kept) == text


OUTPUTS = {"json": "peers.json", "markdown": "peers.md", "plot": "peers.png"}


@pytest.mark.parametrize("only", ["--peers=numpy", "--only=fastnn"])
def test_compare(tmp_path, only):
    files = [f"--{name}={tmp_path / file}" for name, file in OUTPUTS.items()]
    text = run("compare.py", "--rows", "T1,I1,sigmoid,sgd", "--rounds", 1, only, *files)
    assert max(map(len, text.splitlines())) <= 80
    figures = json.loads((tmp_path / "peers.json").read_text())["figures"]
    peers = {"fastnn", "numpy"} if "numpy" in only else {"fastnn"}
    assert list(figures) == ["T1", "I1", "sigmoid", "sgd"] and all(
        set(cells) == peers for cells in figures.values()
    )
    assert all(cell["us"] > 0 for cells in figures.values() for cell in cells.values())
    assert "| T1 | 3-4-1, 4 |" in (tmp_path / "peers.md").read_text()
    assert (tmp_path / "peers.png").stat().st_size > 1000


def test_compare_shows_the_rows_and_peers_of_an_earlier_run(tmp_path):
    cells = {peer: {"us": us} for peer, us in {"fastnn": 2, "numpy": 1, "torch": 1}.items()}
    results = {"setting": ["a machine"], "product": 1.0, "figures": {"T1": cells, "I1": cells}}
    (tmp_path / "peers.json").write_text(json.dumps(results))
    text = run("compare.py", "--read", tmp_path / "peers.json", "--rows=I1", "--peers=numpy")
    assert "I1" in text and "T1" not in text and "NumPy 2.00" in text and "PyTorch" not in text


def test_options(tmp_path):
    file = tmp_path / "options.md"
    text = run(
        "options.py",
        "--rows",
        "T2",
        "--options",
        "adam,cosine,dropout",
        "--rounds",
        1,
        "--only",
        "fastnn",
        "--markdown",
        file,
    )
    assert re.search(r"^dropout +[\d.]+ +[\d.]+$", text, re.M)
    assert re.search(r"^\| cosine \| [\d.]+ \([\d.]+\) \|$", file.read_text(), re.M)


def test_c_api():
    text = run("c_api.py", "--rounds", 2)
    figures = r" +(\d+) +(\d+) +([\d.]+)$"
    assert len(re.findall("^one row, 30-(?:32|64-64)-1" + figures, text, re.M)) == 2
    assert len(re.findall("^(?:policy, a step|of it the network)" + figures, text, re.M)) == 2


def test_missing_peer_is_skipped(tmp_path):
    for package in ("onnx", "onnxruntime"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('broken')")
    text = run("compare.py", "--rows", "I1", "--rounds", 1, "--peers", "onnx", PYTHONPATH=tmp_path)
    assert re.search(
        r"not available: ONNX Runtime \((not installed|ImportError: broken)\)",
        " ".join(text.split()),
    )
    assert re.search(r"^I1 +[\d.]+$", text, re.M)


# ---- checks of the results ----


TRAININGS = [row for row, task in ROWS.items() if task.kind == "training"]
UPDATES = [row for row, task in ROWS.items() if task.kind == "update"]
OPTIONS = ["T2 momentum", "T2 clip_norm", "T3b dropout", "T4 amsgrad", "T4 average", "T2 cosine"]
if SCALE > 1:  # on demand
    OPTIONS = list(OPTION_ROWS)


def one_percent_off(optimizer):
    """Return the optimizer with another learning rate, or another first rate of its schedule."""
    lr = optimizer.lr
    if callable(lr):
        return dataclasses.replace(optimizer, lr=dataclasses.replace(lr, lr=1.01 * lr.lr))
    return dataclasses.replace(optimizer, lr=1.01 * lr)


@pytest.mark.parametrize("row", UPDATES)
def test_wrong_learning_rate_of_an_update_is_detected(row):
    task = ROWS[row].make_data()
    right = task.expected().astype("f")
    assert task.find_mismatch(right, task.expected()) is None
    wrong = copy.copy(task)
    wrong.lr = 1.01 * task.lr
    assert "differ" in task.find_mismatch(wrong.expected().astype("f"), task.expected())


@pytest.mark.parametrize("row", [*TRAININGS, *OPTIONS])
def test_wrong_learning_rate_is_detected(row):
    """fastnn's parameters pass the check. With a learning rate that is 1 % off they do not."""
    task = TASKS[row].make_data()

    def train(option):
        task.option = option
        trainer = peers_plain.FastnnTraining(task, 1)
        trainer.reset()
        trainer.run(1)
        return trainer.net.state.seed, trainer.params().copy()

    option = task.option
    seed, params = train(option)
    X, y = task.X.astype(float), task.y.astype(float) if task.binary else task.y
    losses, expected = fit_reference(task.net, option, X, y, 1, task.batch, seed or 0)
    assert task.find_mismatch((losses, params), (losses, expected)) is None
    _, params = train(dataclasses.replace(option, optimizer=one_percent_off(option.optimizer)))
    mismatch = task.find_mismatch((losses, params), (losses, expected))
    assert "updates of parameters differ" in mismatch


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("sizes", [(100, 100, 1, 2, 10), (1, 30, 17, 1, 1), (64, 5, 0, 0, 10)])
def test_wrong_learning_rate_in_a_sample_is_detected(sizes, optimizer):
    """The first network has few parameters, some with gradients of almost zero."""
    task = sample.SampleTask(*sizes, optimizer).make_data()
    trainer, expected = peers_plain.FastnnTraining(task, 1), task.expected()

    def train():
        trainer.reset()
        losses = trainer.run(task.epochs)
        trainer.reset()
        trainer.run(1)
        return losses, trainer.params().copy()

    assert task.find_mismatch(train(), expected) is None
    task.option = dataclasses.replace(task.option, optimizer=one_percent_off(task.option.optimizer))
    assert "differ" in task.find_mismatch(train(), expected)


@pytest.mark.parametrize("row", ["T1", "T2", "I1", "tanh", "bce", "momentum"])
def test_wrong_results_are_detected(row):
    """The expected results pass the check. Results that are 5 % off, or NaN, do not."""
    task = ROWS[row].make_data()
    expected = task.expected()
    assert task.find_mismatch(expected, expected) is None

    def wrong_results(change):
        if isinstance(expected, tuple):
            first, second = expected
            return (np.multiply(first, 1 + change), second), (first, second * (1 + change))
        return (expected * (1 + change),)

    for change in 0.05, np.nan:
        for results in wrong_results(change):
            assert "differ" in task.find_mismatch(results, expected)


# ---- the other programs ----


def test_interruptions():
    text = run("interruptions.py", "--tries", 2, "--only", "30-64-64-1")
    assert re.search(r"^fit, 30-64-64-1 +2( +[\d.]+){3}$", text, re.M)


def test_sweep():
    text = run(
        "sweep.py",
        "--quick",
        "--every",
        60,
        "--only",
        "width,rows,activation",
        "--dtypes",
        "float32",
    )
    assert re.search(r"32-w-w-1.*\n +5 sizes, 241: +[\d.]+ us", text)
    assert re.search(r"gelu +[\d.]+ us", text)


def test_sample(tmp_path):
    """A sample without peers; other tests check the comparison of their results."""
    options = "--only sample --n 3 --seed 2 --rounds 1".split()
    text = run("sweep.py", *options, "--json", tmp_path / "sample.json")
    results = json.loads((tmp_path / "sample.json").read_text())
    assert len(results) == 3 and all(cells["1"]["fastnn"]["us"] > 0 for cells in results.values())
    assert re.search(r"^ +3 of 3, .* min  [\d-]+, \d+, (sgd|adam)\n +1 +[\d.]+", text, re.M)


def test_report_of_a_sample(tmp_path):
    """The report, the table and the picture of results in which one cell of four is above 1."""
    cells = {"fastnn": {"us": 2.0}, "numbablas": {"us": 4.0}, "jaxscan": {"us": 8.0}}
    slower = cells | {"numbablas": {"note": "fails: x"}, "jaxscan": {"us": 1.0}}
    results = {"5-10, 4, sgd": {1: cells, 2: cells}, "30-8-8-1, 64, adam": {1: cells, 2: slower}}
    (tmp_path / "sample.json").write_text(json.dumps(results))
    files = [tmp_path / name for name in ("sample.json", "sample.md", "sample.png")]
    options = zip(("--read", "--markdown", "--plot"), files)
    text = run("sweep.py", "--only", "sample", *(a for option in options for a in option))
    assert "threads: 1. fastnn / fastest peer: geometric mean 0.50, largest 0.50" in text
    assert "threads: 2. fastnn / fastest peer: geometric mean 1.00, largest 2.00" in text
    assert "Numba + BLAS fails: x: 30-8-8-1, 64, adam (2)" in text
    table = files[1].read_text().splitlines()
    assert table[2:] == ["| 30-8-8-1 | 64 | adam | 2 | 2.00 | 1.00 | JAX scan | 2.00 |"]
    assert files[2].stat().st_size > 1000


def test_many_overhead():
    text = run("many.py", "--overhead", "--rounds", 1)
    assert len(re.findall(r"networks: [\d.]+, with rng=0 [\d.]+$", text, re.M)) == 2


def test_many():
    text = run("many.py", "--quick", "--only", "fastnn", "--rounds", 1)
    assert len(re.findall(r"^fastnn.fit_many +[\d.]+ +1.00$", text, re.M)) == 3
    assert len(re.findall(r"^steps alone +[\d.]+ +[\d.]+$", text, re.M)) == 3


def test_isa():
    assert run("isa.py", "--quick").count("NumPy   ") == 5


def test_table():
    lines = run("table.py", "--quick").splitlines()
    assert len(lines) == 6 and max(map(len, lines)) <= 80
    assert lines[3].startswith("14 columns x 70 bins") and "980" in lines[3]


def test_overhead():
    assert run("sweep.py", "--quick", "--only", "overhead").count("not arithmetic") == 2


def test_evolve():
    text = run("evolve.py", "--rounds", "1", "--only", "fastnn")
    assert len(re.findall(r"^[\d,]+ networks.*(?: +\d+\.\d{3}){2}$", text, re.M)) == 3
    assert re.search(r"^a generation of the cart and pole +\d+\.\d{3}$", text, re.M)


def test_estimators_search():
    text = run("estimators.py", "--search", "--quick")
    assert len(re.findall(r"^\w+ +[\d.]+ +[\d.]+ +[\d.]+ +s$", text, re.M)) == 2


def test_estimators_on_tables():
    text = run("estimators.py", "--tables", "--quick")
    assert (
        len(re.findall(r"^(?:predict|service|read|features|encode|networks).* us$", text, re.M))
        == 10
    )


def test_estimators():
    text = run("estimators.py", "--quick")
    alone = run("estimators.py", "--quick", "--only", "fastnn")
    assert len(re.findall(r"^(?:predict|partial_fit|fit).*(?:[\d.]+ +){3}[um]s$", text, re.M)) == 18
    assert (
        len(re.findall(r"^(?:predict|partial_fit|fit).*[a-z] +(?:[\d.]+ +){2}[um]s$", alone, re.M))
        == 18
    )


def test_accuracy():
    text = run("accuracy.py", "--quick", "--only", "noise,rare")
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(r"^.*\d\.\d{3} ± 0\.000( +\d+)?$", text, re.M)) == 8
    assert len(re.findall(r"^.*[a-z\d})](?: +\d\.\d{3}){6}$", text, re.M)) == 9


def test_accuracy_of_ensembles(tmp_path):
    (tmp_path / "children.csv").write_text(
        "height,male,age\n" + "".join(f"{80 + i},{i % 2},{i / 6}\n" for i in range(90))
    )
    text = run(
        "accuracy.py", "--quick", "--only", "ensembles", "--children", tmp_path / "children.csv"
    )
    assert max(map(len, text.splitlines())) <= 80
    assert "age of children, 60 training rows" in text
    assert (
        len(re.findall(r"^  (accuracy|log loss|R\^2)( +\d\.\d{3} ± 0\.000){5}$", text, re.M)) == 9
    )
    assert len(re.findall(r"^[a-zA-Z 1]+( +\d\.\d{3} ± 0\.000){3}$", text, re.M)) == 3


def test_stream():
    text = run("stream.py", "--quick")
    assert len(re.findall(r"^50[\d-]+( +[\d.]+){5}$", text, re.M)) == 3


def test_threads():
    text = run("threads.py", "--quick")
    assert (
        len(re.findall(r"^[\d-]+, \d+ +[\d.]+ \(1.00\)", text, re.M)) == 8
        and len(re.findall(r"^(?:sgd|adam), [14],000,000 +[\d.]+ \(1.00\)", text, re.M)) == 4
        and "two trainings at once: " in text
    )


def test_shards():
    text = run("shards.py", "--quick")
    assert len(re.findall(r"^10-16-1 +193( +[\d.]+){4}$", text, re.M)) == 1


def run_on_ranks(program):
    mpiexec = pathlib.Path(sys.executable).parent / "mpiexec"
    if not mpiexec.exists() or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("needs mpiexec and mpi4py: pip install mpich mpi4py")
    return output_of([mpiexec, "-n", "2", sys.executable, HERE / program, "--quick"])


def test_sums_over_ranks():
    text = run_on_ranks("sums_over_ranks.py")
    assert len(re.findall(r"^[\d,]+( +[\d.]+){4}$", text, re.M)) == 3


def test_rank_steps():
    text = run_on_ranks("rank_steps.py")
    assert len(re.findall(r"^30-32-1 +1,025 +256( +-?[\d.]+){5} +\d+ %$", text, re.M)) == 1


def test_local_sgd():
    text = run("local_sgd.py", "--quick")
    assert (
        len(
            re.findall(
                r"^digits +(momentum|Adam) +1,437 +18 +[\d.]+( +[-+][\d.]+ \+- [\d.]+){2}$",
                text,
                re.M,
            )
        )
        == 2
    )


def test_subnormals():
    text = run("subnormals.py", "--quick")
    assert len(re.findall(r"^[\d-]+, b \d+, \w+( +[\d.]+){3} +0$", text, re.M)) == 5


def test_exponential():
    text = run("published.py", "exponential", "--steps", 20, "--threads", 1)
    assert 0 < float(re.search(r"last loss ([\d.]+)", text).group(1)) < 100


def write_idx(path, array):
    path.write_bytes(
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def test_mnist(tmp_path):
    rng = np.random.default_rng(0)
    for which, n in ("train", 2000), ("t10k", 200):
        labels = rng.integers(0, 10, n)
        images = rng.integers(0, 30, (n, 28, 28))
        images[np.arange(n), 2 * labels + 4] = (
            255  # a bright row of pixels whose position encodes the digit
        )
        write_idx(tmp_path / f"{which}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{which}-labels-idx1-ubyte", labels)
    text = run("published.py", "mnist", tmp_path, "--only", "fastnn", "--threads", 1)
    assert re.search(r"seed 2 fastnn +[\d.]+ s, (0.9[89]|1.0)", text)


# ---- accuracy on tables ----


MODELS = "fastnn_mlp,sklearn_mlp,histgb"


def test_tabular(tmp_path):
    files = [f"--json={tmp_path / 'tables.json'}", f"--markdown={tmp_path / 'tables.md'}"]
    options = "--tables", "wine,diabetes", "--folds", 2, *files
    text = run("tabular.py", "--contestants", f"fastnn,{MODELS},lightgbm,catboost", *options)
    assert max(map(len, text.splitlines())) <= 80
    assert "178 rows, 13 columns, 3 classes, 2 folds, 1 seed" in text
    assert re.search(r"^classes, 1 table: mean rank", text, re.M)
    assert re.search(
        r"^\| diabetes \| 442 \|.*0\.\d{4}.*\|$", (tmp_path / "tables.md").read_text(), re.M
    )
    stored = (tmp_path / "tables.json").read_text()
    records = json.loads(stored)["records"]
    assert {r["contestant"] for r in records} >= set(MODELS.split(",")) and not any(
        "failure" in r for r in records
    )
    for record in records:
        if record["contestant"] != "fastnn":  # that has tests of its accuracy
            assert record.get("log_loss", 0) < 0.7 and record.get("rmse", 0) < 1
    # Stored results are not computed again.
    run("tabular.py", "--contestants", MODELS, *options)
    assert (tmp_path / "tables.json").read_text() == stored


def write_tables(folder):
    """Write a table with classes and one with numbers. Each depends on one column only."""
    rng, n = np.random.default_rng(0), 400
    (folder / "numbers").mkdir()
    days = rng.integers(0, 700, n)
    dates = np.datetime_as_string(np.datetime64("2024-01-01") + days)
    towns = rng.choice(["Oslo", "Rome", "", "Kyiv"], n)
    towns[0] = "Bonn"  # in one fold only
    colors = [{"Rome": "red", "Oslo": "blue"}.get(town, "green") for town in towns]
    lines = [f"{t},{b},{d}" for t, b, d in zip(towns, rng.random(n) < 0.5, dates)]
    lines[5] = lines[5].rsplit(",", 1)[0] + ","  # a date is missing
    text = "town,flag,date,color\n" + "".join(f"{a},{c}\n" for a, c in zip(lines, colors))
    (folder / "colors.csv").write_text(text)
    text = "town,flag,date,level\n" + "".join(f"{a},{d // 100}\n" for a, d in zip(lines, days))
    (folder / "numbers" / "levels.csv").write_text(text)


def test_tabular_parts(tmp_path):
    write_tables(tmp_path)
    text = run("tabular_parts.py", "--folder", tmp_path, "--max-rows", 60, "--folds", 2)
    assert max(map(len, text.splitlines())) <= 80
    number = r" +[-+]\d+\.\d"
    assert re.search(rf"^colors +\d\.\d{{4}}{number}{number}{number}$", text, re.M)
    assert re.search(rf"^levels +\d\.\d{{4}} +-{number}{number}$", text, re.M)  # no temperature
    assert re.search(r"^mean +- +[-+].*\+- ", text, re.M)


def test_tabular_with_a_folder(tmp_path):
    """Text, booleans, dates and missing values. --beside adds results of another file."""
    write_tables(tmp_path)
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    options = "--folder", tmp_path, "--folds", 2
    run("tabular.py", *options, "--contestants", "sklearn_mlp,lightgbm,catboost", "--json", old)
    options = *options, "--beside", old, "--json", new
    text = run("tabular.py", *options, "--contestants", "histgb", "--label", "a", "--jobs", 2)
    assert "colors: 400 rows, 3 columns, 3 classes" in text
    assert "levels: 400 rows, 3 columns, 2 folds" in text
    assert (
        len(re.findall(r"^sklearn_mlp ", text, re.M))
        == len(re.findall(r"^histgb-a ", text, re.M))
        == 4
    )
    for record in json.loads(old.read_text())["records"] + json.loads(new.read_text())["records"]:
        assert record.get("error", 0) <= 0.02 and record.get("rmse", 0) < 0.3, record


@pytest.mark.skipif(
    not (HERE.parent / ".git").exists() or not importlib.util.find_spec("radon"),
    reason="needs a checkout, and radon of the group lint",
)
def test_code_size(tmp_path):
    run("code_size.py", "--points", 2, "--folder", tmp_path)
    head, first, last = csv.reader((tmp_path / "size.csv").read_text().splitlines())
    assert head[:4] == ["commit", "date", "modules", "lines of code"]
    assert first[0] == "1" and int(last[2]) > 100 and int(last[3]) > 10_000
    picture = ElementTree.parse(tmp_path / "images" / "size.svg")
    curves = picture.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(curve.get("points").split()) for curve in curves] == [2, 2]


def test_summary_of_tables():
    """A contestant that failed is last. One with few results is left out, as is then a table."""
    failed = tabular_report.make_cell([{"failure": "x"}], "numbers")
    times = dict.fromkeys(tabular_report.TIMES, 1.0)
    figures = {
        "one": {"a": times | {"rmse": (1.0, 0.1)}, "b": times | {"rmse": (2.0, 0.1)}, "c": failed},
        "two": {"a": times | {"rmse": (3.0, 0.1)}, "b": times | {"rmse": (3.0, 0.1)}, "c": failed},
    }
    figures["two"]["d"] = figures["two"]["a"]
    partial = figures | {"three": {"a": figures["one"]["a"]}}
    figures = tabular_report.select_complete(partial)
    assert [[*cells] for cells in figures.values()] == [["a", "b", "c"]] * 2
    summary = tabular_report.summarize(figures, "numbers")
    assert [summary[label]["rmse"] for label in "abc"] == [1.25, 1.75, 3.0]
    assert summary["b"]["ratios"] == [(2.0, "one"), (1.0, "two")]
    summary = tabular_report.summarize(figures, "numbers", ["b"])
    assert summary["a"]["ratios"] == [(1.0, "two"), (0.5, "one")] and summary["b"]["ratios"] == []


def test_metrics_of_a_table():
    """The training rows of a fold may lack a class, here 1, whose probability is then 0."""
    table = tabular_data.make_table("t", pd.DataFrame({"x": [1, 2, 3]}), pd.Series(["a", "b", "c"]))
    outputs = np.array([[0.5, 0.5], [1.0, 0.0]])
    metrics = tabular.score(table, outputs, np.array([2, 1]), [0, 2])
    assert metrics == {"error": 1.0, "log_loss": pytest.approx(-np.log(0.5 * 1e-15) / 2)}
