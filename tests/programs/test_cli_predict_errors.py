"""fastnn predict: mistakes, damaged files, closed pipes and full disks. No partial file is left."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import write_csv
from cli_models import SMALL, call, models_folder, unchanged_folder

import fastnn
from fastnn import TabularClassifier

models = pytest.fixture(models_folder, scope="module")


@pytest.fixture
def run(capsys, monkeypatch, models):
    """run(*arguments) -> (exit code, standard output, standard error), in a folder with models and
    tables. The next test finds it as this one did."""
    monkeypatch.chdir(models)
    with unchanged_folder():
        yield lambda *arguments, command="predict": call(capsys, command, *arguments)


def error_of(run, *arguments):
    """The message of a command that must fail with one line and leave no file."""
    before = sorted(os.listdir())
    code, out, errors = run(*arguments)
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert sorted(os.listdir()) == before
    assert errors.startswith("fastnn predict: ")
    return errors.removeprefix("fastnn predict: ").rstrip("\n")


B, N = "b.safetensors", "n.safetensors"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["none", "new.csv"],
            "none: No such file or directory. The models in this folder are b.safetensors, c.s",
        ),
        (["b", "new.csv"], "b: No such file or directory. Did you mean b.safetensors?"),
        (
            ["b.safetensor", "new.csv"],
            "b.safetensor: No such file or directory. Did you mean b.saf",
        ),
        (["-", "new.csv"], "-: No such file or directory. A model is read from a file; only DATA"),
        (
            ["x/b", "new.csv"],
            "x/b: No such file or directory. Pass a file written by 'fastnn train'.",
        ),
        ([".", "new.csv"], ".: is a folder. The models in . are b.safetensors, c.s"),
        (
            ["new.csv", B],
            "new.csv: is not a fastnn model. The model comes first: b.safetensors new.csv",
        ),
        (
            ["table.csv", "new.csv"],
            "table.csv: not a fastnn model, or damaged (not a safetensors file, or truncated). Pass",
        ),
        (
            [B, N],
            "n.safetensors: is a safetensors file, such as a fastnn model. A table is needed.",
        ),
        ([B, "none.csv"], "none.csv: No such file or directory. "),
        ([B, "ne.csv"], "ne.csv: No such file or directory. Did you mean new.csv?"),
        (
            [B, "new.csv", "--keep", "cty"],
            "--keep: new.csv has no column 'cty'. Did you mean 'city'?",
        ),
        (
            [B, "new.csv", "--keep", "all,city"],
            "--keep: new.csv has no column 'all'. Its columns are",
        ),
        (
            [N, "new.csv", "--proba"],
            "--proba: n.safetensors predicts a number. Pass --interval 0.9",
        ),
        (
            [B, "new.csv", "--interval", ".9"],
            "--interval: b.safetensors predicts a class. Pass --pr",
        ),
        (
            [N, "new.csv", "--interval", "0.999"],
            "new.csv: --interval 0.999 needs at least 999 training",
        ),
        ([B, "new.csv", "--out", "o.xlsx"], "o.xlsx: unknown file extension. Use .csv, .tsv, "),
        (
            [B, "new.csv", "--out", "new.csv"],
            "new.csv: --out would overwrite an input file. Choose another name.",
        ),
        (
            [B, "new.csv", "--out", "no/o.csv"],
            "no: no such folder. Create it first, or",
        ),
        (
            [B, "new.csv", "--sheet", "2"],
            "new.csv: is not an Excel or OpenDocument file, so it has no sheet 2.",
        ),
        (
            [B, "new.csv", "--threads", "two"],
            "argument --threads: expected a whole number of at least 1, or -1 for all CPUs, got 'two'",
        ),
        (
            [N, "new.csv", "--interval", "90"],
            "argument --interval: expected a number above 0 and bel",
        ),
        (
            [B, "new.csv", "--prob"],
            "unknown option --prob. Did you mean --proba? See 'fastnn predict",
        ),
    ],
)
def test_a_wrong_command_is_one_line(run, arguments, message):
    assert error_of(run, *arguments).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x\n1\n",
            "t.csv: has no columns 'a', 'city', but the model needs them. Its columns are x.",
        ),
        ("A,city\n1,Rom\n", "t.csv: has no column 'a', but the model needs it. Did you mean 'A'?"),
        (
            "a,city\n1,Rom\n2,Rom,3\n",
            "t.csv, line 3: has 3 values, but the header has 2.",
        ),
        (
            "a,city\n,Rom\n\none,Rom\n",
            "t.csv: column 'a' holds 'one' in line 4, which is not a number. Correct the value, or",
        ),
        ("a,city\n1,Rom\ninf,Rom\n", "t.csv: column 'a' is infinite in line 3. Replace the value,"),
    ],
)
def test_a_wrong_table_is_one_line(run, text, message):
    Path("t.csv").write_text(text, encoding="utf-8")
    assert error_of(run, B, "t.csv").startswith(message)


def test_nothing_is_printed_before_all_values_are_read(run, monkeypatch):
    monkeypatch.setattr("fastnn.cli.model_rows.BLOCK", 1)
    write_csv("t.csv", a=["1", "one"], city=["Rom", "Rom"])
    assert "'one' in line 3" in error_of(run, B, "t.csv")


def test_a_folder_is_no_output(run):
    os.mkdir("folder.csv")
    message = error_of(run, B, "new.csv", "--out", "folder.csv")
    os.rmdir("folder.csv")
    assert message == "folder.csv: --out is a folder. Pass the name of a file."


def test_lists_cannot_be_kept_in_csv(run):
    pa = pytest.importorskip("pyarrow")
    columns = {"a": [1.0], "city": ["Rom"], "tags": pa.array([["x", "y"]])}
    pa.parquet.write_table(pa.table(columns), "t.parquet")
    message = error_of(run, B, "t.parquet", "--keep", "tags")
    assert (
        message.startswith("--keep: a column cannot be written as text (") and ".parquet" in message
    )
    assert run(B, "t.parquet", "--keep", "tags", "--out", "o.parquet")[0] == 0


# ---- other models ----


def test_a_network_without_a_table(run):
    fastnn.MLP([2, 1]).save("m.safetensors")
    assert error_of(run, "m.safetensors", "new.csv") == (
        "m.safetensors: holds a network without the columns of a table (written by MLP.save). Use "
        "fastnn.load in Python, or train a model with 'fastnn train'."
    )


def test_an_estimator_without_a_table(run):
    X = [[float(i)] for i in range(20)]
    clf = fastnn.MLPClassifier((2,))
    clf.partial_fit(X, [0, 1] * 10, classes=[0, 1]).save("m.safetensors")
    message = "m.safetensors: holds an estimator without the columns of a table (written by MLPC"
    assert error_of(run, "m.safetensors", "new.csv").startswith(message)


def test_a_model_of_an_array(run):
    X = [[i, "ab"[i % 2]] for i in range(40)]
    TabularClassifier(**SMALL).fit(X, [0, 1] * 20).save("m.safetensors")
    message = "m.safetensors: was trained on an array, whose columns have no names. Load it in Pyth"
    assert error_of(run, "m.safetensors", "new.csv").startswith(message)
    code, _, error = run("m.safetensors", "new.csv", command="check")
    assert code == 2 and error.startswith(f"fastnn check: {message}")


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_model_of_one_class(run):
    table = fastnn.tables.read("table.csv").select(["a", "city"])
    TabularClassifier(**SMALL).fit(table, ["x"] * 120).save("m.safetensors")
    assert run("m.safetensors", "new.csv")[:2] == (0, "prediction\nx\nx\n")


@pytest.mark.parametrize("change", [lambda d: d[:-7], lambda d: d.replace(b"source", b"sauces")])
def test_a_damaged_model(run, change):
    Path("m.safetensors").write_bytes(change(Path(B).read_bytes()))
    message = error_of(run, "m.safetensors", "new.csv")
    assert message.startswith("m.safetensors: not a fastnn model, or damaged (")
    assert message.endswith("Pass a file written by 'fastnn train'.")


def test_outputs_that_are_not_finite(run):
    model = fastnn.load(B)
    for member in model.model_.members:
        member.networks[0][0].params[-1] = np.nan
    model.save("m.safetensors")
    message = "m.safetensors: the output of the model is not finite. Train it again."
    assert error_of(run, "m.safetensors", "new.csv") == message


@pytest.mark.parametrize(
    "record", ["[]", "{", '{"reading": 1}', '{"reading": {"sep": 5, "na": "x", "header": 0}}', "1"]
)
def test_a_damaged_record_is_ignored(run, record):
    model = fastnn.load(B)
    model.metadata_ = {"training": record}
    model.save("m.safetensors")
    assert run("m.safetensors", "new.csv") == (0, "prediction\nyes\nno\n", "")


# ---- the system ----


def environment(**variables):
    path = os.pathsep.join([str(Path(fastnn.__file__).parents[1]), *sys.path])
    return {**os.environ, "PYTHONUNBUFFERED": "", "PYTHONPATH": path, **variables}


PREDICT = [sys.executable, "-m", "fastnn", "predict", B]


def test_without_scikit_learn(run):
    code = "import sys; sys.modules['sklearn'] = None; from fastnn import cli; sys.exit(cli.main(sys.argv[1:]))"

    def predict(table):
        command = [sys.executable, "-c", code, "predict", B, table]
        return subprocess.run(command, capture_output=True, text=True, env=environment())

    result = predict("new.csv")
    assert (result.returncode, result.stdout, result.stderr) == (0, "prediction\nyes\nno\n", "")
    result = predict("table.csv")  # has the target
    assert result.returncode == 0 and result.stdout.count("\n") == 121
    assert "\naccuracy " in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are set the POSIX way")
def test_a_failed_write_leaves_no_file(run):
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from fastnn import cli
for name in "o.csv", "o.parquet":
    print(cli.main(["predict", {B!r}, "table.csv", "--proba", "--keep", "all", "--out", name]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert (result.returncode, result.stdout) == (0, "2\n2\n")
    for name in "o.csv", "o.parquet":
        assert f"fastnn predict: {name}: cannot be written: File too large" in result.stderr
        assert not [other for other in os.listdir() if name in other]


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="there is no device that is always full"
)
def test_a_full_disk_behind_standard_output(run):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*PREDICT, "new.csv"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
    message = "fastnn predict: standard output: No space left on device\n"
    assert (result.returncode, result.stderr) == (2, message)


@pytest.mark.skipif(os.name != "posix", reason="pipes break the POSIX way")
def test_a_closed_pipe_is_no_crash(run):
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen([*PREDICT, "new.csv"], **pipes, env=environment()) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, "")


def test_output_is_utf8_in_any_locale(run):
    result = subprocess.run(
        [*PREDICT, "new.csv", "--keep", "city"],
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    expected = "city,prediction\nRom,yes\nKöln,no\n".encode()
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, b"")
