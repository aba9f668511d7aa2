"""fastnn train and fastnn info: from a table to a model file."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from checks import assert_same_bits

import fastnn
from fastnn import cli
from fastnn.cli import scores
from fastnn.cli.common import CommandError, load_model
from fastnn.cli.train import split
from fastnn.datasets import load_digits
from fastnn.tables.encoding import Target
from fastnn.training import session


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """run(*arguments) -> (exit code, standard output, standard error), in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = cli.main(list(arguments))
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def write_csv(name, **columns):
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))


@pytest.fixture
def people(run):
    """A table with everything: numbers, categories, missing values, an id, a constant; three
    targets."""
    rng = np.random.default_rng(0)
    n = 300
    age, city = rng.integers(18, 80, n), rng.choice(["Rom", "Köln", "Paris"], n)
    write_csv(
        "people.csv",
        id=[f"c{i}" for i in range(n)],
        age=["" if i % 20 == 0 else a for i, a in enumerate(age)],
        city=["" if i % 30 == 0 else c for i, c in enumerate(city)],
        planet=["Earth"] * n,
        buys=np.where(age + 20 * (city == "Rom") > 60, "yes", "no"),
        group=np.digitize(age, [30, 50]),
        income=np.round(1000 * (30 + age + 10 * (city == "Paris")) + rng.normal(0, 500, n), 2),
    )


def report_of(run, *arguments):
    code, out, errors = run("train", *arguments, "--json")
    assert code == 0, errors
    return json.loads(out)


# ---- training with the defaults ----


def test_odd_or_even_without_a_flag(run):
    X, digits = load_digits()
    write_csv("odd.csv", **{f"p{i}": X[:, i] * 16 for i in range(64)}, odd=digits % 2)
    report = report_of(run, "odd.csv", "--target", "odd", "--out", "odd.safetensors")
    assert report["task"] == "binary" and report["held_out"] == 359 and report["trained_on"] == 1438
    assert report["scores"]["on"] == "held out" and report["scores"]["rows"] == 359
    assert (
        report["scores"]["accuracy"] >= 0.975
        and report["scores"]["auc"] >= 0.99
        and report["scores"]["loss"] < 0.1
    )
    assert report["scores"]["accuracy_of_most_frequent"] == pytest.approx(0.51, abs=0.02)


def test_built_in_data_sets_have_names(run):
    classes = report_of(run, "digits", "--target", "digit", "--out", "d", "--epochs", "40")
    assert (
        classes["task"] == "classes"
        and len(classes["classes"]) == 10
        and classes["scores"]["accuracy"] > 0.95
    )
    number = report_of(run, "wine", "--target", "color_intensity", "--out", "w", "--seed", "1")
    assert (
        number["task"] == "number"
        and number["scores"]["r2"] > 0.5
        and number["scores"]["mae"] < number["scores"]["mae_of_median"]
    )
    write_csv("wine", a=range(20), color_intensity=np.arange(20) / 7)  # a file comes first
    assert report_of(run, "wine", "--target", "color_intensity", "--out", "w")["rows"] == 20


@pytest.mark.parametrize(
    ("target", "score", "least"),
    [("buys", "accuracy", 0.9), ("group", "accuracy", 0.9), ("income", "r2", 0.9)],
)
def test_a_mixed_table_is_learned(run, people, target, score, least):
    report = report_of(
        run,
        "people.csv",
        "--target",
        target,
        "--drop",
        "buys,group,income".replace(target, "id"),
        "--out",
        "m",
    )
    assert report["scores"][score] > least
    assert (report["numbers"], report["categories"]) == (1, 1) and report["left_out"][
        "planet"
    ] == "constant"
    assert report["layer_sizes"] == [
        6,
        64,
        64,
        3 if target == "group" else 1,
    ]  # a number, three cities, two marks


def test_the_screen(run, people):
    code, out, errors = run(
        "train",
        "people.csv",
        "--target",
        "buys",
        "--drop",
        "group,income",
        "--out",
        "m.safetensors",
    )
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    for line in [
        "300 rows: 240 for training, 60 held out (seed 0)",
        "target    buys: two classes (no, yes)",
        "columns   1 numeric and 1 text -> 6 inputs (2 for missing values)",
        "ignored   id: 240 distinct texts in 240 rows",
        "ignored   planet: constant",
        "ignored   group, income: --drop",
        "network   6-64-64-1, relu, output sigmoid, binary cross-entropy",
        "training  adam, lr 0.001, weight decay 0.0083, 200 epochs, batch size 32",
        "Saved m.safetensors (21 kB). To predict with it:",
        "  fastnn predict m.safetensors people.csv",
    ]:
        assert f"{line}\n" in out
    assert re.search(
        r"^held out  accuracy [01]\.\d{3} \(\d+ of 60 wrong\), AUC [01]\.\d{4}$", out, re.M
    )
    assert re.search(r"^          loss \d\.\d{4} \(binary cross-entropy\)$", out, re.M)
    assert re.search(
        r"^epoch 200/200  loss .*  held-out accuracy [01]\.\d{3}  [\d,]+ rows/s$", errors, re.M
    )
    code, out, _ = run(
        "train",
        "people.csv",
        "--target",
        "income",
        "--out",
        "m.safetensors",
        "--test-size",
        "0",
        "--epochs",
        "5",
    )
    assert (
        "300 for training, 0 held out" in out
        and "in-sample R2 " in out
        and "measured on the training rows" in out
    )


def test_json_is_all_that_is_on_standard_output(run, people):
    code, out, _ = run(
        "train",
        "people.csv",
        "--target",
        "group",
        "--out",
        "m",
        "--json",
        "--epochs",
        "2",
        "--test-size",
        "0.01",
    )
    report = json.loads(out)
    assert (
        code == 0
        and report["model"] == "m"
        and report["epochs"] == 2
        and report["seconds"] > 0
        and report["rows_per_second"] > 0
    )
    code, out, _ = run(
        "train",
        "people.csv",
        "--target",
        "income",
        "--out",
        "m",
        "--json",
        "--epochs",
        "2",
        "--test-size",
        "0.004",
    )
    assert json.loads(out)["scores"]["r2"] is None  # one row has no variance


def test_seed_and_threads_reach_the_network(run, people, monkeypatch):
    fit, seen = fastnn.MLP.fit, []

    def spy(net, *arguments, **options):
        seen.append((net.params.copy(), options["n_threads"]))
        return fit(net, *arguments, **options)

    monkeypatch.setattr(fastnn.MLP, "fit", spy)
    for more in ([], ["--threads", "2"], ["--seed", "1"]):
        assert (
            run(
                "train",
                "people.csv",
                "--target",
                "buys",
                "--epochs",
                "1",
                "--test-size",
                "0",
                "--out",
                "m",
                *more,
            )[0]
            == 0
        )
    (first, one), (same, two), (other, _) = seen
    assert_same_bits(first, same)
    assert not np.array_equal(first, other)
    assert (one, two) == (
        1,
        min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2),
    )


def test_options_reach_the_training(run, people):
    arguments = [
        "people.csv",
        "--target",
        "buys",
        "--drop",
        "group",
        "--drop",
        "income",
        "--out",
        "m",
        "--seed",
        "3",
        "--threads",
        "2",
        "--hidden",
        "8, 4",
        "--activation",
        "tanh",
        "--epochs",
        "3",
        "--batch-size",
        "16",
        "--optimizer",
        "sgd",
        "--lr",
        "0.5",
        "--weight-decay",
        "0.25",
        "--test-size",
        "0.5",
        "--dropout",
        "0.5",
    ]
    report = report_of(run, *arguments)
    for name, value in dict(
        seed=3,
        layer_sizes=[6, 8, 4, 1],
        activation="tanh",
        epochs=3,
        batch_size=16,
        optimizer="sgd",
        lr=0.5,
        weight_decay=0.25,
        held_out=150,
        parameters=97,
        dropout=0.5,
    ).items():
        assert report[name] == value
    assert fastnn.load("m").activations == ("tanh", "tanh", "sigmoid") and fastnn.load(
        "m"
    ).dropout == (0, 0.5, 0.5)
    assert report_of(run, "people.csv", "--target", "buys", "--out", "m", "--hidden", "none")[
        "layer_sizes"
    ][1:] == [1]


@pytest.mark.parametrize(
    ("rows", "epochs", "batch"),
    [(40, 1000, 32), (1000, 200, 32), (6000, 62, 32), (80_000, 10, 128)],
)
def test_defaults_follow_the_size_of_the_table(run, monkeypatch, rows, epochs, batch):
    monkeypatch.setattr(
        session.Session, "run", lambda self, *a: fastnn.History([0.5], [], 1, 1, 1.0)
    )
    write_csv("t.csv", a=range(rows), y=np.arange(rows) % 2)
    report = report_of(run, "t.csv", "--target", "y", "--out", "m")
    assert (report["epochs"], report["batch_size"]) == (
        min(epochs, 1000 if rows < 50 else 200),
        batch,
    )
    assert report["weight_decay"] == pytest.approx(min(0.03, 2 / report["trained_on"]))


def test_the_seed_decides_and_nothing_else(run, people):
    files = []
    for more in ([], ["--threads", "2"], ["--seed", "1"]):
        assert (
            run("train", "people.csv", "--target", "buys", "--epochs", "5", "--out", "m", *more)[0]
            == 0
        )
        files.append(Path("m").read_bytes())
    assert files[0] == files[1] != files[2]


def test_held_out_rows_do_not_influence_the_encoding(run):
    write_csv("t.csv", a=range(100), c=["x", "y"] * 50, y=[0, 1] * 50)
    assert run("train", "t.csv", "--target", "y", "--epochs", "2", "--out", "m")[0] == 0
    order = np.random.default_rng(0)
    train, test = split("t.csv", Target("y", "binary", ["0", "1"]), np.arange(100) % 2, 0.2, order)
    column = load_model("m")[1].columns[0]
    assert (column.mean, column.scale) == (pytest.approx(train.mean()), pytest.approx(train.std()))
    assert (
        run("train", "t.csv", "--target", "a", "--drop", "y", "--epochs", "2", "--out", "n")[0] == 0
    )
    train, _ = split(
        "t.csv", Target("a", "number"), np.arange(100.0), 0.2, np.random.default_rng(0)
    )
    assert load_model("n")[1].target.mean == pytest.approx(train.mean())
    a = np.arange(100)
    a[test] *= 1000  # other held-out rows, the same network
    write_csv("t.csv", a=a, c=["x", "y"] * 50, y=[0, 1] * 50)
    assert run("train", "t.csv", "--target", "y", "--epochs", "2", "--out", "m2")[0] == 0
    assert_same_bits(fastnn.load("m2").params, fastnn.load("m").params)


# ---- parts ----


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.9])
def test_the_split_is_stratified(part):
    y = np.repeat([0, 1, 2, 3], [500, 100, 10, 1])
    train, test = split(
        "t", Target("y", "classes", ["a", "b", "c", "d"]), y, part, np.random.default_rng(0)
    )
    assert sorted([*train, *test]) == list(range(611))
    held = np.bincount(y[test], minlength=4)
    np.testing.assert_allclose(held[:3], part * np.array([500, 100, 10]), atol=1.01)
    assert held[3] == 0 and set(y[train]) == {0, 1, 2, 3}
    assert not np.array_equal(y[train], np.sort(y[train]))
    again = split(
        "t", Target("y", "classes", ["a", "b", "c", "d"]), y, part, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(again[1], test)


def test_numbers_are_split_at_random():
    train, test = split("t", Target("y", "number"), np.arange(10.0), 0.3, np.random.default_rng(0))
    assert len(test) == 3 and sorted([*train, *test]) == list(range(10))
    assert [
        len(split("t", Target("y", "number"), np.arange(10.0), p, np.random.default_rng(0))[1])
        for p in (0, 0.001, 0.999)
    ] == [0, 1, 9]
    with pytest.raises(
        CommandError,
        match=r"t: cannot hold out a fraction of 0\.2 of 2 rows. Pass --test-size 0 to train on all",
    ):
        split(
            "t", Target("y", "binary", ["0", "1"]), np.array([0, 1]), 0.2, np.random.default_rng(0)
        )


def test_scores():
    assert scores.auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == 0.75
    assert scores.auc(np.array([0.5, 0.5, 0.5]), np.array([0, 1, 1])) == 0.5
    assert np.isnan(scores.auc(np.array([0.5, 0.6]), np.array([1, 1])))
    rng = np.random.default_rng(0)
    s, y = rng.integers(0, 20, 300) / 20, rng.integers(0, 2, 300)
    pairs = np.sign(s[y == 1][:, None] - s[y == 0])
    assert scores.auc(s, y) == pytest.approx(np.mean((pairs + 1) / 2))
    assert scores.r2(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])) == 0.5 and np.isnan(
        scores.r2(np.ones(1), np.ones(1))
    )
    assert scores.accuracy(np.array([[0.6], [0.4], [0.5]]), np.array([1, 1, 0])) == pytest.approx(
        2 / 3
    )
    assert scores.accuracy(np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([0, 0])) == 0.5


# ---- errors ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv: No such file or directory. "),
        (["."], ".: is a directory."),
        (["t.csv", "--target", "z"], "t.csv: has no column 'z'. Its columns are a, c, y."),
        (["t.csv", "--target", "A"], "t.csv: has no column 'A'. Did you mean 'a'?"),
        (["t.csv", "--drop", "y"], "--drop contains the target 'y'. Remove it from --drop."),
        (["t.csv", "--drop", "a,z"], "t.csv: has no column 'z'. Its columns are a, c, y."),
        (
            ["t.csv", "--drop", "a,c"],
            "t.csv: has no usable column besides the target (a: --drop, c: --drop).",
        ),
        (
            ["t.csv", "--task", "classes"],
            "t.csv: the target 'y' has 2 different values. Use --task binary.",
        ),
        (
            ["t.csv", "--out", "no/m"],
            "no/m: the directory no does not exist. Create it, or choose another --out.",
        ),
        (["t.csv", "--out", "."], ".: --out is a directory. Pass the name of a file."),
        (
            ["t.csv", "--out", "t.csv"],
            "t.csv: --out would overwrite an input file. Choose another name.",
        ),
        (["t.csv", "--out", "t.csv/m"], "t.csv/m: the directory t.csv does not exist."),
        (["t.csv", "--out", os.devnull], f"{os.devnull}: --out is not a regular file"),
        (
            ["t.csv", "--hidden", "64,x"],
            "argument --hidden: expected layer sizes such as 64 or 64,32, or none, got '64,x'",
        ),
        (["t.csv", "--hidden", "0"], "got '0'"),
        (["t.csv", "--hidden", ""], "got ''"),
        (
            ["t.csv", "--hidden", "100000,100000"],
            "--hidden makes 3 layers with 10,000,600,001 parameters, but at most 99 layers and 200,000,000 parameters",
        ),
        (
            ["t.csv", "--epochs", "0"],
            "argument --epochs: expected a whole number of at least 1, got '0'",
        ),
        (
            ["t.csv", "--batch-size", "2.5"],
            "argument --batch-size: expected a whole number of at least 1, got '2.5'",
        ),
        (["t.csv", "--lr", "nan"], "argument --lr: expected a number above 0, got 'nan'"),
        (
            ["t.csv", "--test-size", "1"],
            "argument --test-size: expected a number of at least 0 and below 1, got '1'",
        ),
        (["t.csv", "--activation", "relo"], "argument --activation: invalid choice: 'relo'"),
    ],
)
def test_bad_input_is_one_line_before_any_work(run, monkeypatch, arguments, message):
    monkeypatch.setattr(fastnn.MLP, "fit", None)  # nothing may be trained
    write_csv("t.csv", a=range(20), c=["x", "y"] * 10, y=[0, 1] * 10)
    before = Path("t.csv").read_text()
    defaults = [
        *["--target", "y"] * ("--target" not in arguments),
        *["--out", "m"] * ("--out" not in arguments),
    ]
    code, out, errors = run("train", *arguments, *defaults)
    assert (
        (code, out) == (2, "")
        and errors.startswith("fastnn train: ")
        and message in errors
        and errors.count("\n") == 1
    )
    assert os.listdir() == ["t.csv"] and Path("t.csv").read_text() == before


def test_training_that_diverges_is_one_line_and_writes_nothing(run):
    write_csv("t.csv", a=range(100), y=np.arange(100) ** 2)
    code, _, errors = run(
        "train", "t.csv", "--target", "y", "--out", "m", "--optimizer", "sgd", "--lr", "1e4"
    )
    assert code == 1 and not os.path.exists("m")
    last = errors.splitlines()[-1]
    assert re.fullmatch(
        r"fastnn train: training diverged in epoch \d+, step \d+\. No model was saved\. "
        r"Try a lower learning rate, such as --lr 1000\.",
        last,
    )


def test_divergence_at_the_default_rate_is_one_line_too(run, monkeypatch):
    def diverge(*arguments, **settings):
        raise fastnn.DivergenceError("not finite", 1, 8)

    write_csv("t.csv", a=range(100), y=[0, 1] * 50)
    monkeypatch.setattr(fastnn.MLP, "fit", diverge)
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m")
    assert code == 1 and not os.path.exists("m")
    assert errors.splitlines()[-1].endswith(
        "in epoch 1, step 8. No model was saved. Try a lower learning rate (--lr)."
    )


@pytest.mark.parametrize("number", [28, 5])
def test_a_disk_that_fills_up_leaves_the_old_model(run, monkeypatch, number):
    write_csv("t.csv", a=range(100), y=[0, 1] * 50)
    Path("m").write_text("old")

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    code, out, errors = run("train", "t.csv", "--target", "y", "--epochs", "1", "--out", "m")
    assert (
        code == 2
        and errors.splitlines()[-1] == f"fastnn train: m: cannot be written: {os.strerror(number)}"
        and "Saved" not in out
    )
    assert sorted(os.listdir()) == ["m", "t.csv"] and Path("m").read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_ctrl_c_writes_no_model(run, people):
    command = [
        sys.executable,
        "-m",
        "fastnn",
        "train",
        "people.csv",
        "--target",
        "buys",
        "--out",
        "m",
        "--epochs",
        "10000000",
    ]

    # where tests run in the background, SIGINT is ignored, and a child would inherit that
    def listen():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "",
        "PYTHONPATH": os.pathsep.join([str(Path(fastnn.__file__).parents[1]), *sys.path]),
    }
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(command, **pipes, env=environment, preexec_fn=listen) as process:
        assert "rows/s" in process.stderr.readline()  # it learns
        process.send_signal(signal.SIGINT)
        began = time.perf_counter()
        _, errors = process.communicate(timeout=60)
    assert (
        process.returncode == 130
        and errors.endswith("Interrupted.\n")
        and "Traceback" not in errors
    )
    assert time.perf_counter() - began < 5 and os.listdir() == ["people.csv"]


# ---- info ----


def test_info_on_a_model(run, people):
    assert (
        run(
            "train",
            "people.csv",
            "--target",
            "buys",
            "--drop",
            "group,income",
            "--out",
            "m.safetensors",
        )[0]
        == 0
    )
    code, out, errors = run("info", "m.safetensors")
    assert (code, errors) == (0, "") and max(map(len, out.splitlines())) <= 80
    for text in [
        "m.safetensors: 21 kB",
        "network   6-64-64-1, 4,673 parameters, float32",
        "target    buys: two classes (no, yes)",
        "held out  accuracy",
        "training  adam, lr 0.001, 200 epochs over 240 rows, seed 0",
        "columns   2 columns -> 6 inputs",
        "  city                  3 values: Köln, Paris, Rom, can be missing",
        "ignored   id, planet, group, income",
    ]:
        assert text in out
    assert re.search(
        r"^  age                   mean \d\d\.\d+, std \d\d\.\d+, can be missing$", out, re.M
    )
    report = json.loads(run("info", "m.safetensors", "--json")[1])
    assert (
        report["layer_sizes"] == [6, 64, 64, 1] and report["training"]["scores"]["on"] == "held out"
    )
    assert [column["name"] for column in report["table"]["columns"]] == ["age", "city"]


def test_info_on_a_model_without_a_table(run):
    net = fastnn.MLP([3, 4, 1], rng=0)
    net.fit(np.ones((4, 3)), np.ones(4), epochs=2)
    net.metadata["made by"] = "hand\x1b[31m"
    net.save("m")
    code, out, _ = run("info", "m")
    assert (
        code == 0
        and "table     none (written by MLP.save)" in out
        and "state     2 epochs, 2 steps; Adam(lr=0.001" in out
    )
    assert "metadata  made by: hand\ufffd[31m" in out
    assert json.loads(run("info", "m", "--json")[1])["table"] is None


def test_info_on_many_columns_and_strange_notes(run):
    write_csv(
        "t.csv",
        **{f"column number {i} of a table": np.arange(50) + i for i in range(50)},
        y=np.arange(50) / 3,
    )
    assert run("train", "t.csv", "--target", "y", "--epochs", "1", "--out", "m")[0] == 0
    code, out, _ = run("info", "m")
    assert (
        code == 0
        and "... and 30 more (--json lists all)" in out
        and "column number 19" in out
        and "column number 20" not in out
    )
    assert max(map(len, out.splitlines())) <= 80
    net = fastnn.load("m")
    for strange in (
        "{",
        "[]",
        "{}",
        '{"scores": 7}',
        '{"scores": {"on": "held out"}}',
        '{"scores": {"on": [], "r2": "x"}}',
    ):
        net.metadata["training"] = strange
        net.save("m")
        assert run("info", "m")[0] == 0


def test_info_on_this_installation(run):
    code, out, errors = run("info")
    assert (
        (code, errors) == (0, "") and f"fastnn {fastnn.__version__}" in out and "\npyarrow: " in out
    )
    assert json.loads(run("info", "--json")[1])["chosen"] == fastnn.kernels.CHOSEN
