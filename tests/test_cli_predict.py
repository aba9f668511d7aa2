"""fastnn predict: predictions in every format, and errors that leave no partial file."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")

import fastnn
from fastnn import cli
from fastnn.tables.encoding import Encoding
from fastnn.tables.files import read


def call(capsys, *arguments):
    try:
        code = cli.main(list(arguments))
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


@pytest.fixture
def run(capsys, monkeypatch, models):
    """run(*arguments) -> (exit code, standard output, standard error), in a folder with models and
    tables."""
    monkeypatch.chdir(models)
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    yield lambda *arguments: call(capsys, "predict", *arguments)
    for name in os.listdir():  # the next test finds it as this one did
        if name not in before:
            os.unlink(name)
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def write_csv(name, **columns):
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """table.csv, and a model each for two classes (b), three (c) and a number (n)."""
    folder, here = tmp_path_factory.mktemp("models"), os.getcwd()
    os.chdir(folder)
    try:
        rng = np.random.default_rng(0)
        a, city = rng.normal(size=120), rng.choice(["Köln", "Rom"], 120)
        data = dict(
            a=a,
            city=city,
            b=np.where(a + (city == "Rom") > 0, "yes", "no"),
            c=np.digitize(a, [-0.5, 0.5]),
            n=1000 + 50 * a,
        )
        write_csv("table.csv", **data)
        write_csv("new.csv", city=["Rom", "Köln"], a=[2.5, -2.5])
        for target in "bcn":
            assert (
                cli.main(
                    [
                        "train",
                        "table.csv",
                        "--target",
                        target,
                        "--drop",
                        ",".join("bcn".replace(target, "")),
                        "--out",
                        target,
                    ]
                )
                == 0
            )
    finally:
        os.chdir(here)
    return folder


def rows_of(text, delimiter=","):
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


# ---- output ----


def test_two_classes(run):
    code, out, errors = run("b", "new.csv")
    assert (code, errors) == (0, "") and out.splitlines()[
        0
    ] == "prediction,probability_no,probability_yes"
    first, second = rows_of(out)
    assert (first["prediction"], second["prediction"]) == ("yes", "no")
    assert float(first["probability_yes"]) > 0.9 and float(second["probability_yes"]) < 0.1
    assert float(first["probability_yes"]) + float(first["probability_no"]) == pytest.approx(
        1, abs=1e-6
    )


def test_several_classes(run):
    code, out, _ = run("c", "new.csv")
    assert (
        code == 0 and out.splitlines()[0] == "prediction,probability_0,probability_1,probability_2"
    )
    assert [row["prediction"] for row in rows_of(out)] == ["2", "0"]


def test_a_number_comes_in_its_own_units(run):
    code, out, _ = run("n", "new.csv")
    assert code == 0 and [float(row["prediction"]) for row in rows_of(out)] == [
        pytest.approx(1125, abs=25),
        pytest.approx(875, abs=25),
    ]
    assert re.fullmatch(
        r"prediction\n\d+\.\d{1,5}\n\d+\.\d{1,5}\n", out
    )  # no more digits than float32 has


@pytest.mark.parametrize("unit", [1e-160, 1e-303])
def test_tiny_numbers_are_learned_like_any_other(run, capsys, unit):
    a = np.random.default_rng(1).normal(size=200)
    write_csv("tiny.csv", a=a, y=(3 + a) * unit)
    assert call(capsys, "train", "tiny.csv", "--target", "y", "--out", "tiny")[0] == 0
    code, out, err = run("tiny", "tiny.csv")
    predicted = np.array([float(row["prediction"]) for row in rows_of(out)])
    assert code == 0 and np.abs(predicted / unit - 3 - a).max() < 0.2
    assert float(re.search("R2 ([0-9.]+),", err)[1]) > 0.99


def test_targets_very_far_from_those_of_the_training_have_an_infinite_loss(run):
    write_csv("far.csv", a=[1.0, 2.0], city=["Rom", "Rom"], n=[1e100, 2e100])
    code, _, err = run("n", "far.csv")
    assert code == 0 and "loss inf" in err


def test_codes_stay_text(run):
    write_csv("t.csv", code=["01", "02", "x"] * 20, y=[1, 2, 3] * 20)
    assert cli.main(["train", "t.csv", "--target", "y", "--epochs", "60", "--out", "any"]) == 0
    write_csv("t.csv", code=["02", "01"])
    assert [
        row["prediction"]
        for row in rows_of("prediction" + run("any", "t.csv")[1].rpartition("\nprediction")[2])
    ] == ["2", "1"]


def test_predictions_are_the_outputs_of_the_network(run):
    net = fastnn.load("b")
    encoding = Encoding.from_text("b", net.metadata["table"])
    X, _ = encoding.encode("table.csv", read("table.csv"))
    answers = rows_of(run("b", "table.csv")[1])
    assert [np.float32(row["probability_yes"]) for row in answers] == net.forward(X)[:, 0].tolist()
    assert net.state is None and json.loads(net.metadata["training"])["rows"] == 120


def test_the_score_is_printed_when_the_table_has_the_target(run):
    _, out, errors = run("b", "table.csv")
    assert (
        re.match(
            r"score     accuracy (0\.9\d\d|1\.000) \(\d of 120 wrong\), AUC [01]\.\d{4}\n", errors
        )
        and len(out.splitlines()) == 121
    )
    assert re.match(r"score     accuracy (0\.9\d\d|1\.000) \(", run("c", "table.csv")[2])
    assert re.match(
        r"score     R2 0\.9\d\d\d, mean absolute error \d+\.\d+\n +baseline \(median\): mean absolute error \d+\.\d+\n",
        run("n", "table.csv")[2],
    )


@pytest.mark.parametrize(
    ("model", "target", "message"),
    [
        (
            "b",
            ["yes", ""],
            "note: 1 row not scored: 'b' is missing or not one of the classes\nscore     accuracy 1.000 (0 of 1 wrong), AUC nan",
        ),
        (
            "b",
            ["maybe", ""],
            "note: 2 rows not scored: 'b' is missing or not one of the classes\n",
        ),
        ("b", ["", ""], "note: 2 rows not scored: 'b' is missing or not one of the classes\n"),
        ("n", ["1100", "many"], "note: no scores: t.csv, line 3: column 'n' contains 'many'"),
        ("n", ["2024-01-01", ""], "note: no scores: t.csv: column 'n' contains dates or times"),
    ],
)
def test_an_unusable_target_column_does_not_stop_predict(run, model, target, message):
    write_csv("t.csv", a=[1, 2], city=["Rom", "Rom"], **{model: target})
    code, out, errors = run(model, "t.csv")
    assert code == 0 and len(rows_of(out)) == 2 and errors.startswith(message)


def test_values_unseen_in_training(run):
    write_csv("t.csv", a=["1", ""], city=["Rom", "Paris"])
    code, out, errors = run("b", "t.csv")
    assert (code, out) == (2, "")
    assert errors == (
        "fastnn predict: t.csv, line 3: column 'city' contains 'Paris', which is not in the "
        "training data. To treat unseen categories as missing, pass --unseen-as-missing.\n"
    )
    code, out, errors = run("b", "t.csv", "--unseen-as-missing")
    assert (
        code == 0
        and len(rows_of(out)) == 2
        and errors.splitlines()
        == [
            "note: column 'a': 1 row with missing values, which the training rows do not have, "
            "encoded as the mean",
            "note: column 'city': 1 row with unseen categories, such as 'Paris', treated as missing",
        ]
    )


# ---- files and formats ----


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.csv.gz", "o.parquet"])
def test_files(run, name):
    expected = rows_of(run("b", "new.csv")[1])
    code, out, errors = run("b", "new.csv", "--out", name)
    assert (code, out, errors) == (0, f"Saved {name} (2 rows).\n", "")
    table = read(name)
    assert table.column("prediction").to_pylist() == [row["prediction"] for row in expected]
    np.testing.assert_allclose(
        table.column("probability_yes").to_numpy(),
        [float(row["probability_yes"]) for row in expected],
        rtol=1e-6,
    )


def test_json(run):
    report = json.loads(run("b", "table.csv", "--json")[1])
    assert (report["rows"], report["task"], report["out"], len(report["prediction"])) == (
        120,
        "binary",
        None,
        120,
    )
    assert (
        report["scores"]["accuracy"] > 0.9
        and 0 <= min(report["probability_yes"]) <= max(report["probability_yes"]) <= 1
    )
    report = json.loads(run("n", "new.csv", "--json", "--out", "o.csv")[1])
    assert (
        report["out"] == "o.csv"
        and report["scores"] is None
        and "prediction" not in report
        and os.path.exists("o.csv")
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_the_score_comes_last_on_a_terminal_alone(run, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("fastnn.cli.predict._print_scores", lambda target, scores: print("score"))
    lines = run("b", "new.csv")[1].splitlines()
    assert len(lines) == 4 and lines.index("score") == (3 if terminal else 0)


def test_class_names_of_any_kind(run, models):
    names = ["ja, gewiß", 'nein "nie"', "=1+1"]
    write_csv("t.csv", a=[float(i % 3) for i in range(60)], y=[names[i % 3] for i in range(60)])
    assert cli.main(["train", "t.csv", "--target", "y", "--epochs", "60", "--out", "any"]) == 0
    out = run("any", "t.csv")[1].rpartition("fastnn predict any t.csv\n")[2]
    rows = rows_of(out)
    assert [row["prediction"] for row in rows[:3]] == names and set(rows[0]) == {
        "prediction",
        *(f"probability_{name}" for name in names),
    }


# ---- errors ----


def damaged(name, model, change):
    data = Path(model).read_bytes()
    Path(name).write_bytes(change(data))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["none", "new.csv"],
            "none: No such file or directory. Pass a file written by 'fastnn train'.",
        ),
        ([".", "new.csv"], ".: is a directory. Pass a file written by 'fastnn train'."),
        (
            ["table.csv", "b"],
            "table.csv: not a fastnn model, or damaged (not a safetensors file, or truncated)",
        ),
        (
            ["plain", "new.csv"],
            "plain: contains a network, but no column encoding (written by MLP.save)",
        ),
        (["short", "new.csv"], "short: not a fastnn model, or damaged"),
        (
            ["changed", "new.csv"],
            "changed: the column encoding in this file is damaged. Train the model again.",
        ),
        (
            ["mixed", "new.csv"],
            "mixed: the column encoding in this file does not match its network. Train the model",
        ),
        (
            ["infinite", "new.csv"],
            "new.csv, line 2: the model's output is not finite. Train the model again.",
        ),
        (
            ["b", "none.csv"],
            "none.csv: No such file or directory. ",
        ),
        (
            ["b", "other.csv"],
            "other.csv: has no column 'a', 'city'. Pass a table with the columns that the model",
        ),
        (
            ["b", "ragged.csv"],
            "ragged.csv, line 3: has 1 value, but the header has 2. Correct the line.",
        ),
        (
            ["b", "words.csv"],
            "words.csv, line 3: column 'a' contains 'one', but the model expects numbers.",
        ),
        (
            ["b", "new.csv", "--out", "o.xlsx"],
            "o.xlsx: unknown file extension. Use .csv, .tsv or .parquet",
        ),
        (
            ["b", "new.csv", "--out", "new.csv"],
            "new.csv: --out would overwrite an input file. Choose another name.",
        ),
        (
            ["b.csv", "new.csv", "--out", "b.csv"],
            "b.csv: --out would overwrite an input file. Choose another name.",
        ),
        (
            ["b", "new.csv", "--out", "no/o.csv"],
            "no/o.csv: the directory no does not exist. Create it",
        ),
        (
            ["b", "new.csv", "--out", "folder.csv"],
            "folder.csv: --out is a directory. Pass the name of a file.",
        ),
    ],
)
def test_bad_input_is_one_line(run, arguments, message, tmp_path):
    fastnn.MLP([2, 1]).save("plain")
    damaged("short", "b", lambda data: data[:-7])
    damaged("changed", "b", lambda data: data.replace(b"marks_missing", b"marks_massing"))
    damaged("b.csv", "b", lambda data: data)
    net, other = fastnn.load("b"), fastnn.load("c")
    net.params[-1] = np.nan
    net.save("infinite")
    other.metadata = net.metadata
    other.save("mixed")
    write_csv("other.csv", x=[1])
    Path("ragged.csv").write_text("a,city\n1,Rom\n2\n")
    write_csv("words.csv", a=["1", "one"], city=["Rom", "Rom"])
    if "folder.csv" in arguments:
        os.mkdir("folder.csv")
    before = sorted(os.listdir())
    code, out, errors = run(*arguments)
    if "folder.csv" in arguments:
        os.rmdir("folder.csv")
        before.remove("folder.csv")
    assert (
        (code, out) == (2, "")
        and errors.startswith(f"fastnn predict: {message}")
        and errors.count("\n") == 1
    )
    assert sorted(os.listdir()) == before


def environment():
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "",
        "PYTHONPATH": os.pathsep.join([str(Path(fastnn.__file__).parents[1]), *sys.path]),
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are set the POSIX way")
@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_a_failed_write_leaves_no_file(run, name):
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from fastnn import cli
sys.exit(cli.main(["predict", "b", "table.csv", "--out", {name!r}]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr.splitlines()[-1]
        == f"fastnn predict: {name}: cannot be written: File too large"
    )
    assert not [other for other in os.listdir() if name in other]


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="there is no device that is always full"
)
def test_a_full_disk_behind_standard_output(run):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "fastnn", "predict", "b", "new.csv"]
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
    assert (result.returncode, result.stderr) == (
        2,
        "fastnn predict: standard output: No space left on device\n",
    )


@pytest.mark.skipif(os.name != "posix", reason="pipes break the POSIX way")
def test_a_closed_pipe_is_no_crash(run):
    command = [sys.executable, "-m", "fastnn", "predict", "b", "new.csv"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, "")


def test_output_is_utf8_in_any_locale(run):
    write_csv("t.csv", a=[float(i % 2) for i in range(40)], y=["Köln", "Łódź"] * 20)
    assert cli.main(["train", "t.csv", "--target", "y", "--epochs", "5", "--out", "any"]) == 0
    command = [sys.executable, "-m", "fastnn", "predict", "any", "t.csv"]
    result = subprocess.run(
        command, capture_output=True, env={**environment(), "PYTHONIOENCODING": "ascii"}
    )
    assert result.returncode == 0 and result.stdout.startswith(
        "prediction,probability_Köln,probability_Łódź\n".encode()
    )
