"""The command line in general: help, usage, exit codes, Ctrl-C, closed pipes, full disks, and
the live display."""

import importlib
import io
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields
from importlib.metadata import entry_points
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import processes
import pytest
from cli_cases import Closed, Terminal, cells, option_items
from interrupt import sigint_interrupts  # noqa: F401 - for the programs of all tests here

import fastnn
from fastnn import cli
from fastnn.cli import console, demo
from fastnn.cli.console import print_note
from fastnn.cli.progress import format_duration, show_steps, show_training, sparkline
from fastnn.training import progress

FASTNN = [sys.executable, "-m", "fastnn"]
COMMANDS = ["demo", "train", "predict", "check", "compare", "info", "export", "bench", "completion"]
posix = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and devices of POSIX")


# ---- help and usage ----


def test_without_a_command_it_prints_help(run):
    code, out, errors = run()
    assert (code, errors) == (0, "") and out.startswith("usage: fastnn") and run("--help")[1] == out
    assert all(f"\n    {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_examples(run, command):
    out, errors = run.ok(*command.split(), "--help")
    assert errors == "" and f"examples:\n  fastnn {command or 'demo'}" in out
    assert max(map(len, out.splitlines())) <= 80 and "None" not in out


DEFAULTS = {
    "bench": dict(seconds=12.0),
    "compare": dict(threads=-1),
    "demo": dict(seed=0, threads=1),
    "explain": dict(top=8, seed=0, threads=-1),
    "play": dict(port=0),
    "predict": dict(threads=-1),
    "serve": dict(host="127.0.0.1", port=8000, max_connections=500, threads=-1)
    | dict(max_rows=10_000, max_bytes=16_000_000),
    "train": dict(folds=5, test_size=0.0, seed=0, threads=-1, command=""),
}


GROUPS = {
    "options": "target out",
    "columns": "task number category date text drop monotone skip-missing-target",
    "rows and scores": "time group weight folds test-size",
    "model": "hidden tune loss log-target bounds metric class-weight threshold",
    "run": "time-limit seed threads window resume config",
    "output": "report baselines plot no-background json quiet",
    "options of the table file": "sep encoding no-header na decimal comment sheet sql skip-bad-lines",
}


def test_the_options_of_train_are_in_groups(run):
    _, *parts = re.split(f"^({'|'.join(GROUPS)}):$", run("train", "--help")[1], flags=re.M)
    found = [" ".join(re.findall(r"^  --(\S+)", part, re.M)) for part in parts[1::2]]
    assert dict(zip(parts[::2], found, strict=True)) == GROUPS


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_options_of_a_command_are_frozen_and_named_alike(command):
    cls = importlib.import_module(f"fastnn.cli.{command}").Options
    kinds = (int, float, str)
    defaults = {each.name: each.default for each in fields(cls) if type(each.default) in kinds}
    assert defaults == DEFAULTS.get(command, {})
    parts = [field.metadata["part"] for field in fields(cls) if "part" in field.metadata]
    assert all(each.__dataclass_params__.frozen for each in (cls, *parts))
    # An argument of Python has one option, whichever command says so.
    for argument, option in option_items(command):
        assert option == cli.option_of(argument)


def test_a_message_that_names_an_argument_imports_no_other_commands():
    """Those that are imported, and `train`, have nearly all options."""
    code = """
import sys
from fastnn.cli import option_of
print(option_of("resume"), "fastnn.cli.bench" in sys.modules, option_of("port"), option_of("cv"))
"""
    assert processes.run(code).stdout == "--resume False --port cv\n"


def test_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = {}
    wrong = "predict none.safetensors a.csv"
    for arguments in "--help", "train --help", "completion --help", wrong:
        _, out, errors = run(*arguments.split())
        lines[arguments] = (out + errors).splitlines()
        long = [line for line in lines[arguments] if len(line) > 40]
        # only what cannot be broken
        assert [line for line in long if " " in line.strip()] == []
    sentence = "Train small dense neural networks on", "tables, predict with them, and measure"
    assert tuple(lines["--help"][3:5]) == sentence and lines[wrong][1].startswith("  ")


def test_version(run):
    assert run("--version") == (0, f"fastnn {fastnn.__version__}\n", "")


WRONG_USAGE = [
    *cells("""
    trian x.csv | fastnn: unknown command 'trian'. Did you mean 'train'? See 'fastnn --
    bake | fastnn: unknown command 'bake'. The commands are demo, train, predict, check, compare,
      explain, info
    help train | unknown command 'help'. For the options of a command: fastnn COMMAND --help.
    x.csv | unknown command 'x.csv'. To look at a table: fastnn info x.csv. To train on it: fastnn
      train x.csv --target COL
    --verison | fastnn: unknown option --verison. Did you mean --version? See 'fastnn --h
    demo --seed x | fastnn demo: argument --seed: expected a whole number of at least 0, got 'x'
    demo --seed -1 | --seed: expected a whole number of at least 0, got '-1'
    demo --threads 0 | --threads: expected a whole number of at least 1, or -1 for all CPUs, got '0'
    demo --seed | demo: --seed needs a value. If it begins with -, write --seed=VALUE.
    train x.csv --target y --bounds -5,5 | train: --bounds needs a value. If it begins with -, write --bounds=VALUE.
    demo --fast | fastnn demo: unknown option --fast. See 'fastnn demo --help'.
    demo -x | fastnn demo: unknown option -x. See
    demo 5 | fastnn demo: unexpected argument 5. Remove it. See 'fastnn demo --help'.
    predict m My table.csv 2 | fastnn predict: unexpected arguments table.csv 2. Quote values that
      contain spaces.
    predict | the following arguments are required: MODEL, DATA
    train a.csv --ta=y | fastnn train: unknown option --ta. Did you mean --ta
    predict m | the following arguments are required: DATA
    bench --seconds 0 | argument --seconds: expected a number above 0, got '0'
    explain m x.csv --permutations 1 | --permutations: expected a whole number of at least 2, got '1'
    explain m x.csv --top 0 | argument --top: expected a whole number of at least 1, got '0'
    export m --derivatives 3 | --derivatives: expected a whole number from 0 to 2, got '3'
    export m --interval 1 | --interval: expected a number above 0 and below 1, got '1'
    predict m x.csv --interval 0 | --interval: expected a number above 0 and below 1, got '0'
    serve m --max-rows 0 | argument --max-rows: expected a whole number of at least 1, got '0'
    train x.csv --window 1 | argument --window: expected a whole number of at least 2, got '1'
    """),
    # an unknown option comes before a missing one; none may be abbreviated
    ("train a.csv --targ y --out m", "fastnn train: unknown option --targ. Did you mean --target?"),
    (("demo", "--fa\nst"), "fastnn demo: unknown option --fa st."),
    (("bench", "--seconds", "\n"), r"argument --seconds: expected a number above 0, got '\n'"),
]


@pytest.mark.parametrize(("words", "message"), WRONG_USAGE)
def test_wrong_usage_is_one_line_and_exits_with_2(run, words, message):
    code, out, errors = run(*(words.split() if isinstance(words, str) else words))
    assert (code, out) == (2, "")
    assert message in errors and errors.count("\n") == 1 and errors.endswith("--help'.\n")


def test_values_that_look_like_options_are_values(run):
    for arguments in (["--seconds", "-1"], ["--seconds=-1e9"]):
        errors = run("bench", *arguments)[2]
        assert "argument --seconds: expected a number above 0, got '-1" in errors
    assert "--target is missing" in run("train", "--", "--target")[2]  # DATA has that name


def test_the_script_is_the_same_command():
    (script,) = entry_points(group="console_scripts", name="fastnn")
    assert script.value == "fastnn.cli:main" and script.load() is cli.main


def test_python_m_fastnn_is_the_same_command():
    result = subprocess.run([*FASTNN, "--version"], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == (f"fastnn {fastnn.__version__}\n", "")


# ---- errors and interruption ----


DIVERGED = fastnn.DivergenceError("...", 3, 70)
ERRORS = [
    (KeyboardInterrupt(), 130, "\nInterrupted."),
    (MemoryError(), 2, "not enough memory. Use a smaller table or a smaller --hidden."),
    (OSError(28, "No space left on device", "a.txt"), 2, "a.txt: No space left on device"),
    (DIVERGED, 1, "training diverged in epoch 3, step 70. No model was saved."),
]


@pytest.mark.parametrize(("error", "code", "message"), ERRORS)
def test_errors_are_one_line(run, monkeypatch, error, code, message):
    monkeypatch.setattr(demo, "load_digits", Mock(side_effect=error))
    name = "" if code == 130 else "fastnn demo: "
    assert run("demo") == (code, "", f"{name}{message}\n")


@posix
def test_ctrl_c_leaves_no_traceback():
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen([*FASTNN, "demo"], **pipes) as process:
        process.stdout.readline()
        time.sleep(0.3)  # past the imports, where callbacks of Python can lose a KeyboardInterrupt
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=processes.LIMIT)
    assert process.returncode == 130
    assert errors.endswith("Interrupted.\n") and "Traceback" not in errors


def test_ctrl_c_in_a_text_that_python_executes_exits_with_130(tmp_path):
    # modules with dataclasses, which commands import while they work, execute such texts
    interrupts = "fastnn.datasets.load_digits = lambda: exec('raise KeyboardInterrupt')"
    (tmp_path / "sitecustomize.py").write_text(f"import fastnn.datasets\n{interrupts}\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = subprocess.run([*FASTNN, "demo"], env=environment, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (130, "\nInterrupted.\n")


BUFFERED = processes.environment(PYTHONUNBUFFERED="")  # as for users: errors occur in a flush
PREDICT = "predict b.safetensors new.csv"


@posix
@pytest.mark.parametrize("words", ["demo", "info", "--help", "train --help", PREDICT])
def test_a_closed_pipe_is_no_crash(models, words):
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=BUFFERED)
    with subprocess.Popen([*FASTNN, *words.split()], **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1 and (words == "demo" or errors == "")
    assert "Traceback" not in errors and "BrokenPipe" not in errors


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device is always full")
@pytest.mark.parametrize("words", ["info", "--help", PREDICT])
def test_a_full_disk_behind_standard_output_is_one_line(models, words):
    options = dict(stderr=subprocess.PIPE, text=True, env=BUFFERED)
    with open("/dev/full", "w") as full:
        result = subprocess.run([*FASTNN, *words.split()], stdout=full, **options)
    name = f"fastnn {words.split()[0]}".removesuffix(" --help")
    message = f"{name}: standard output: No space left on device\n"
    assert (result.returncode, result.stderr) == (2, message)


def test_a_terminal_without_unicode_is_no_crash():
    code = "import sys; from fastnn import cli; print('ascii', sys.stdout.encoding); cli.main([]); print('Köln'); sys.exit(0)"
    result = processes.run(code, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.rstrip().endswith(r"K\xf6ln")


# ---- the live display ----


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_notes_have_the_width_of_a_terminal(monkeypatch, stream):
    """In a file, a note is a line."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", stream())
    print_note("column 'a': " + "12 other values " * 10)
    lines = sys.stderr.getvalue().splitlines()
    assert (len(lines) > 1 and max(map(len, lines)) <= 80) == (stream is Terminal)
    assert " ".join(map(str.strip, lines)) == "note: column 'a':" + " 12 other values" * 10


def train(monkeypatch, errors, epochs=3, score=lambda: "R2 0.5", slow=0.0):
    """Train a small network and return what it writes to standard error."""
    monkeypatch.setattr(sys, "stderr", errors)
    net = fastnn.MLP([2, 4, 1], rng=0)
    X = np.random.default_rng(0).normal(size=(50, 2))
    with show_training(epochs, 50, score) as show:
        callbacks = [show, lambda net, history: time.sleep(slow)]
        net.fit(X, X[:, 0], epochs=epochs, batch_size=8, callbacks=callbacks)
    return errors.getvalue()


def test_without_a_terminal_progress_is_a_line_a_second(monkeypatch):
    """The score is computed for these lines alone."""
    clock, calls, errors = SimpleNamespace(now=0.0), [], io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    with show_training(10, 100, lambda: calls.append(clock.now) or "R2 0.5") as show:
        for n in range(1, 11):
            clock.now += 0.3
            show(None, fastnn.History(loss=[1 / n], n_epochs=n, seconds=clock.now))
    assert errors.getvalue().splitlines() == [
        "epoch  4/10  loss 0.25  held-out R2 0.5  333 rows/s  2 s left",
        "epoch  8/10  loss 0.125  held-out R2 0.5  333 rows/s  1 s left",
        "epoch 10/10  loss 0.1  held-out R2 0.5  333 rows/s",
    ]
    assert len(calls) == 3


def test_a_terminal_without_rich_rewrites_its_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    text = train(monkeypatch, Terminal(), epochs=4, slow=0.11)
    assert text.count("\n") == 1 and text.count("\r") >= 2
    assert text.startswith("epoch 1/4  loss ") and "\repoch 4/4  loss " in text


def test_a_terminal_with_rich_has_a_bar(monkeypatch):
    pytest.importorskip("rich", reason="the extra cli is not installed")
    monkeypatch.setenv("TERM", "xterm")
    text = train(monkeypatch, Terminal(), epochs=30, score=lambda: "accuracy 0.983")
    last = text.rpartition("epoch")[2]
    assert "30/30" in last and "━━━━" in last and "100 %" in last
    assert len(re.search("[▁-█]+", last)[0]) == 12
    assert "█" in last and "held-out accuracy" in last and "0.983" in last and "rows/s" in last


def test_a_bar_draws_what_the_encoding_has(monkeypatch):
    """A cut line ends without an ellipsis, whose escape would be wider."""
    pytest.importorskip("rich", reason="the extra cli is not installed")
    errors = Terminal()
    errors.encoding = "ascii"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    text = train(monkeypatch, errors, score=lambda: "accuracy 0.983")
    assert text.isascii() and "--" in text and "loss " in text


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_an_interrupted_training_ends_its_line_and_shows_the_cursor(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(KeyboardInterrupt), show_training(9, 50, lambda: "R2 0.5") as show:
        show(None, fastnn.History(loss=[1.0], n_epochs=1, seconds=0.1))
        raise KeyboardInterrupt
    text = sys.stderr.getvalue()
    hide, show_again = "\x1b[?25l", "\x1b[?25h"
    assert text.count(hide) == text.count(show_again) == (term == "xterm")
    assert text.removesuffix(show_again).endswith("\n")


def test_a_display_leaves_no_thread_and_hides_no_error(monkeypatch):
    before = {*threading.enumerate()}  # those of other tests may end
    monkeypatch.setenv("TERM", "xterm")
    for errors in (io.StringIO(), Terminal()):
        with pytest.raises(RuntimeError, match="score"):
            train(monkeypatch, errors, score=Mock(side_effect=RuntimeError("score")))
        assert sys.stderr is errors
    # rich's thread checks ten times a second
    processes.wait_for(lambda: before.issuperset(threading.enumerate()))


def test_a_closed_standard_error_does_not_end_a_training(monkeypatch):
    train(monkeypatch, Closed())


STREAMS = [(io.StringIO, False, "\n\n"), (Terminal, False, "\r\r\n")]
STREAMS += [(stream, True, "") for stream in (io.StringIO, Terminal)]


@pytest.mark.parametrize(("stream", "quiet", "ends"), STREAMS)
def test_steps(monkeypatch, stream, quiet, ends):
    """A terminal has one line, which stays as it is after the last step."""
    monkeypatch.setattr(sys, "stderr", stream())
    with show_steps("baselines", 2, quiet) as begin:
        begin("linear")
        begin("xgboost")
    lines = ["baselines  1/2  linear", *2 * ["baselines  2/2  xgboost"]]
    assert sys.stderr.getvalue() == "".join(map(str.__add__, lines, ends))


def test_durations_in_words():
    words = " | ".join(map(format_duration, (0.4, 59.4, 60, 125, 3599, 3600, 3725)))
    assert words == "0 s | 59 s | 1:00 min | 2:05 min | 59:59 min | 1:00 h | 1:02 h"


def test_texts_of_limited_length(monkeypatch):
    for columns, width in ("20", 30), ("40", 40), ("200", 80):
        monkeypatch.setenv("COLUMNS", columns)
        assert console.terminal_width() == width
    path, names = "/" + "x" * 39, [f"c{i}" for i in range(31)]
    assert [console.short_path(each) for each in (path, f"y{path}")] == [path, "..." + path[3:]]
    shortened = [console.shorten(each, 10) for each in (path[:10], "0123456789a")]
    assert shortened == [path[:10], "0123...89a"]
    assert console.list_names(names[:30]) == ", ".join(names[:30])
    assert console.list_names(names) == f"{', '.join(names[:30])}, ... (1 more)"
    long = [f"{'x' * 30}{letter}{'y' * 30}" for letter in "ab"]  # alike if they are short
    assert console.list_names([*long, "z" * 25]) == ", ".join([*long, "z" * 11 + "..." + "z" * 10])
    errors = map(console.format_error, (0.0009999, 0.001, 999.94, 1000.0))
    assert [*errors] == ["0.0009999", "0.001000", "999.9", "1,000"]


def test_wrapped_texts_and_commands():
    assert console.wrap("      a  b   c") == ["    a  b  c"]
    lines = ["  fastnn aaaaaaaa \\", "      b"], ["  fastnn \\", "      aaaaaaaaa b"]
    for n, expected in zip((8, 9), lines, strict=True):
        assert console.wrap_command(f"fastnn {'a' * n} b", 20) == expected


def test_sparklines():
    assert [sparkline(values, 5) for values in ([], [3.0], [2.0, 2.0])] == ["", "▁", "▁▁"]
    assert sparkline([7, 6, 5, 4, 3, 2, 1, 0], 8) == "█▇▆▅▄▃▂▁"
    assert sparkline([math.sin(x) for x in range(1000)], 12) != ""
    assert len(sparkline(list(range(1000)), 12)) == 12
