"""fastnn train: each mistake is one line that says what to do, before any work is done."""

import os
import pathlib
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import FAST, write_csv

from fastnn.cli import trained_models

N = 60


@pytest.fixture(autouse=True)
def tables(run):
    """t.csv with targets of all kinds, and tables that cannot be used."""
    y = [0, 1] * (N // 2)
    write_csv(
        "t.csv",
        a=range(N),
        c=["x", "y"] * (N // 2),
        y=y,
        price=[i + 1.5 for i in range(N)],
        day=[f"2026-01-{i % 28 + 1:02d}" for i in range(N)],
        name=[f"n{i}" for i in range(N)],
        k=list("uvw") * (N // 3),
    )
    write_csv("missing.csv", a=range(N), y=["", "", *y[2:]])
    write_csv("oops.csv", a=range(N), y=[*range(N - 1), "oops"])
    write_csv("infinite.csv", a=range(N), y=[*range(N - 1), "inf"])
    write_csv("negative.csv", a=range(N), y=[i - 5.5 for i in range(N)])
    write_csv("constant.csv", a=range(N), y=[1] * N)
    write_csv("empty.csv", a=range(N), y=[""] * N)
    write_csv("alone.csv", y=y)
    write_csv("useless.csv", a=[1] * N, b=["z"] * N, y=y)
    pathlib.Path("notes.txt").write_text("not a model")


def error_of(run, words):
    """Run a command that fails before training, and return its message."""
    before = set(os.listdir())
    code, out, errors = run("train", *words.split())
    assert code == 2, out
    assert errors.startswith("fastnn train: ") and errors.count("\n") == 1
    assert set(os.listdir()) == before
    return errors.removeprefix("fastnn train: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "DATA (the table) is missing. Example: fastnn train people.csv"),
        ("t.csv --out m", "--target is missing."),
        ("t.csv --target y", "--out is missing."),
        ("t.cvs --target y --out m", "t.cvs: No such file or directory. Did you mean t.csv?"),
        ("t.csv --target Y --out m", "t.csv: has no column 'Y'. Did you mean 'y'?"),
        ("t.csv --target z --out m", "t.csv: has no column 'z'. Its columns are a, c, y, price,"),
        ("t.csv --targt y --out m", "unknown option --targt. Did you mean --target?"),
        ("t.csv --target y --out no/m", "no: no such folder. Create it first, or"),
        ("t.csv --target y --out .", ".: --out is a folder."),
        ("t.csv --target y --out m.pkl", "m.pkl: --out is a safetensors file, not .pkl. Choose"),
        ("t.csv --target y --out t.csv", "t.csv: --out would overwrite an input file."),
        ("t.csv --target y --out notes.txt", "notes.txt: --out would overwrite a file that is not"),
        ("t.csv --target y --out m --plot no/m.png", "or choose another --plot."),
        ("t.csv --target y --out m --plot m.gif", "must end in .png, .svg or .pdf"),
        ("t.csv --target y --out m.png --plot m.png", "--plot and --out are the same file."),
        ("t.csv --target y --out m --hidden 8x8", "such as 64 or 64,32, got '8x8'"),
        ("t.csv --target y --out m --hidden 0", "layer sizes from 1 to 100,000"),
        ("t.csv --target y --out m --hidden 100001", "layer sizes from 1 to 100,000"),
        ("t.csv --target y --out m --folds 0", "a whole number of at least 1, got '0'"),
        ("t.csv --target y --out m --threshold 1", "such as cost:5,1, got '1'"),
        ("t.csv --target y --out m --threshold cost:5", "such as cost:5,1, got 'cost:5'"),
        ("t.csv --target k --out m --threshold f1", "the target 'k' has 3. Leave it out."),
        (
            "t.csv --target y --out m --metric acuracy",
            "Did you mean accuracy? It can be accuracy, ",
        ),
        ("t.csv --target y --out m --metric rmse", "--metric rmse is for numbers, but the target"),
        ("t.csv --target y --out m --time-limit 0", "a number above 0, got '0'"),
        ("t.csv --target y --out m --test-size 1", "of at least 0 and below 1, got '1'"),
        ("t.csv --target y --out m --test-size 0.99", "0.99 of 60 rows leaves 1 to train on."),
        ("t.csv --target y --out m --loss huber", "--loss is for numbers, but the target 'y'"),
        ("t.csv --target y --out m --log-target", "but the target 'y' holds classes."),
        ("t.csv --target price --out m --metric accuracy", "--metric accuracy is for classes,"),
        ("t.csv --target price --out m --class-weight balanced", "holds numbers. Leave it out"),
        ("t.csv --target k --out m --threshold 0.4", "the target 'k' has 3. Leave it out."),
        ("t.csv --target k --out m --task number", "t.csv, line 2: the target 'k' is 'u', but"),
        ("t.csv --target k --out m --task binary", "has 3 different values. Use --task classes."),
        ("t.csv --target price --out m --task binary", "Use --task classes or --task number."),
        ("t.csv --target price --out m --task classes", "too many for classes. Use --task number"),
        ("t.csv --target name --out m", "too many for classes. Choose another --target."),
        ("t.csv --target day --out m", "the target 'day' contains dates or times."),
        ("missing.csv --target y --out m", "missing.csv, line 2: the target 'y' is missing (in 2"),
        ("oops.csv --target y --out m", "oops.csv, line 61: the target 'y' is a number in"),
        ("infinite.csv --target y --out m", "infinite.csv, line 61: the target 'y' is infinite."),
        ("constant.csv --target y --out m", "the target 'y' is '1' in every row."),
        ("empty.csv --target y --out m", "the target 'y' is empty in every row."),
        ("negative.csv --target y --out m --log-target", "negative.csv, line 2: the target 'y' is"),
        ("negative.csv --target y --out m --loss poisson", "needs numbers of at least 0."),
        ("t.csv --target price --out m --loss poisson --log-target", "Choose one of them."),
        ("t.csv --target y --out m --drop y", "--drop contains the target 'y'."),
        ("t.csv --target y --out m --drop a,z", "--drop: t.csv has no column 'z'."),
        ("t.csv --target y --out m --category A", "--category: t.csv has no column 'A'. Did you m"),
        ("t.csv --target y --out m --category a --date a", "is in both --category and --date."),
        ("t.csv --target y --out m --resume", "m: there is no such file, so there is nothing"),
        ("t.csv --target y --out m --tune --hidden 8", "--tune cannot be combined with --hidden"),
        ("t.csv --target y --out m --tune --resume", "--tune cannot be combined with --resume"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(run, monkeypatch, words, message):
    monkeypatch.setattr(trained_models, "fit_estimator", None)  # nothing may be trained
    assert message in error_of(run, words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("t.csv --number c", "t.csv: column 'c' holds 'x' in line 2, which is not a number."),
        ("t.csv --date c", "t.csv: --date names the column 'c', which holds 'x'."),
        (
            "t.csv --drop a,c,price,day,name,k",
            "no column besides the target can be used ('a': --dr",
        ),
        ("useless.csv", "no column besides the target can be used ('a': all values are equal;"),
        ("alone.csv", "alone.csv: no column besides the target can be used. Pass columns whose"),
    ],
)
def test_what_the_estimator_refuses_is_said_in_the_words_of_the_command_line(run, words, message):
    code, _, errors = run("train", *words.split(), "--target", "y", "--out", "m", *FAST)
    assert code == 2 and message in errors.splitlines()[-1] and not os.path.exists("m")


def test_too_little_memory_names_the_column(run, monkeypatch):
    limits = {True: 1e12, False: 100_000}  # to read a table, to train
    monkeypatch.setattr(
        "fastnn.tables.limits.available_memory", lambda counts_files=True: limits[counts_files]
    )
    write_csv("wide.csv", city=[f"c{i}" for i in range(200)] * 2, y=[0, 1] * 200)
    code, _, errors = run("train", "wide.csv", "--target", "y", "--out", "m")
    assert code == 2 and "Column 'city' has 200 categories. Pass --drop city," in errors
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m")
    assert code == 2 and "Pass fewer rows or columns, or a smaller --hidden." in errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('targt = "y"', "c.toml: unknown key 'targt'. Did you mean target?"),
        ("zzz = 1", "c.toml: unknown key 'zzz'. It can have data, target, out,"),
        ("epochs = 1", "c.toml: unknown key 'epochs'."),
        ("hidden = 'x'", "c.toml: hidden: expected layer sizes"),
        ("folds = 0", "c.toml: folds: expected a whole number of at least 1, got '0'"),
        ("task = 'numbers'", "c.toml: task: invalid choice: 'numbers'"),
        ("target = true", "c.toml: target must be a text or a number, got True"),
        ("quiet = 'yes'", "c.toml: quiet must be true or false, got 'yes'"),
        ("drop = [['a']]", "c.toml: drop must be a text or a number, got ['a']"),
        ("[drop]", "c.toml: drop must be a text or a number, got {}"),
        ("target =", "c.toml: is not a TOML file (Invalid value (at"),
    ],
)
def test_a_config_file_that_cannot_be_used(run, text, message):
    Path("c.toml").write_text(text)
    assert message in error_of(run, "t.csv --target y --out m --config c.toml")


def test_a_config_file_that_is_absent(run):
    message = error_of(run, "t.csv --target y --out m --config no.toml")
    assert message == "no.toml: No such file or directory. Pass a TOML file to --config."


def test_without_scikit_learn_it_says_what_to_install(run, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if "tabular" in name:
            raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    message = error_of(run, "t.csv --target y --out m")
    assert 'need scikit-learn, which is not installed. Run: python -m pip install "' in message


def test_options_are_named_as_the_command_line_has_them(run):
    Path("numbers.csv").write_text("1,2.5\n" * N, encoding="utf-8")
    _, _, errors = run("train", "numbers.csv", "--target", "1", "--out", "m", *FAST)
    assert "If the file has no line with column names, pass --no-header.\n" in errors
    Path("same.csv").write_text("1,1,0\n" * N, encoding="utf-8")
    code, _, errors = run("train", "same.csv", "--target", "0", "--out", "m")
    assert code == 2 and errors.endswith("the first line holds no names, pass --no-header.\n")


@pytest.mark.parametrize("options", ["--number name", "--date k", "--time k", "--number k,name"])
def test_columns_that_an_option_does_not_fit_come_before_the_data_checks(run, options):
    """Warnings about a table that is not trained on help nobody."""
    words = f"train t.csv --target y --out m {options}".split()
    code, out, errors = run(*words)
    assert code == 2 and out == "" and errors.count("\n") == 1
    assert "holds 'u'" in errors or "holds 'n0'" in errors
