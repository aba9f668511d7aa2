"""What fastnn train says: scores, summary, rows to check, progress and the picture."""

import io
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import FAST, report_of, write_csv
from picture_layout import checked_pictures
from training_records import model_description, number_record, training_setup

from fastnn.cli import progress, text_report
from fastnn.cli.console import print_note
from fastnn.cli.scores import score_classes, score_numbers
from fastnn.tabular.progress import FitProgress

# ---- scores ----


def test_scores_of_two_classes():
    codes, p = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.6, 0.4, 0.7, 0.9])
    P = np.column_stack([1 - p, p])
    scores = score_classes(codes, P, P.argmax(axis=1), ["no", "yes"])
    assert (scores.rows, scores.values["accuracy"], scores.wrong) == (5, 0.6, 2)
    assert scores.values["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.values["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.7, 0.9]).mean())
    assert scores.values["auc"] == pytest.approx(5 / 6)
    assert scores.confusion == [[1, 1], [1, 2]]
    yes = scores.classes[1]
    assert (yes["class"], yes["rows"]) == ("yes", 3)
    assert (yes["precision"], yes["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    entropy = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    assert scores.baseline == {
        "accuracy": 0.6, "balanced_accuracy": 0.5, "log_loss": pytest.approx(entropy), "auc": 0.5,
        "f1": pytest.approx(0.75),
    }  # fmt: skip


def test_the_auc_of_classes_is_the_mean_of_each_against_the_rest():
    rng = np.random.default_rng(0)
    codes, P = rng.integers(0, 3, 50), rng.dirichlet([1, 1, 1], 50)
    scores = score_classes(codes, P, P.argmax(axis=1), ["a", "b", "c"])
    aucs = []
    for j in range(3):
        of_class, of_others = P[codes == j, j][:, None], P[codes != j, j]
        aucs.append(np.mean(of_class > of_others))
    assert scores.values["auc"] == pytest.approx(np.mean(aucs))
    # a class without rows has none
    codes = np.minimum(codes, 1)
    scores = score_classes(codes, P, P.argmax(axis=1), ["a", "b", "c"])
    assert scores.classes[2]["auc"] is None and scores.classes[2]["rows"] == 0
    assert scores.values["balanced_accuracy"] == pytest.approx(
        np.mean([scores.classes[j]["recall"] for j in range(2)])
    )


def test_no_score_is_minus_zero():
    scores = score_classes(np.array([0]), np.array([[1.0, 0.0]]), np.array([0]), ["no", "yes"])
    assert scores.values["log_loss"] == scores.baseline["log_loss"] == 0
    assert not any("-0.0" in line for line in text_report.format_scores(scores, "1 row held out"))


def test_scores_of_numbers():
    scores = score_numbers(np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0]))
    assert scores.values["r2"] == pytest.approx(1 - 5 / 14)
    assert scores.values["rmse"] == pytest.approx((5 / 3) ** 0.5) and scores.values["mae"] == 1.0
    assert scores.baseline["rmse"] == pytest.approx((14 / 3) ** 0.5)
    assert scores.baseline["mae"] == pytest.approx(5 / 3)
    assert score_numbers(np.ones(2), np.ones(2)).values["r2"] is None


def test_the_command_that_predicts_can_be_copied(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    record = number_record(data="supermarket.csv")
    lines = list(text_report.format_saved(record, "rating.safetensors", 1000))
    assert lines[-2:] == ["  fastnn predict rating.safetensors \\", "      supermarket.csv"]


def test_the_threshold_decides_what_is_scored(run):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    write_csv("t.csv", x=x, y=np.where(x + rng.normal(size=200) > 1, "yes", "no"))
    arguments = ["t.csv", "--target", "y", "--out", "m", *FAST]
    usual, low = (report_of(run, *arguments, *more) for more in ([], ["--threshold", "0.1"]))
    recall, other = (r["scores"]["classes"][1]["recall"] for r in (usual, low))
    assert other > recall and low["threshold"] == 0.1


# ---- the summary ----


def class_scores(n_classes, n=500):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, n_classes, n)
    P = rng.dirichlet(np.ones(n_classes), n)
    labels = [f"class number {j}" for j in range(n_classes)]
    return score_classes(codes, P, P.argmax(axis=1), labels)


@pytest.mark.parametrize("n_classes", [2, 5, 12, 30])
def test_scores_fit_80_columns(n_classes):
    lines = list(text_report.format_scores(class_scores(n_classes), "out of fold"))
    assert max(map(len, lines)) <= 80
    has_matrix = any(line.startswith("true ") for line in lines)
    assert has_matrix == (n_classes <= 5)
    assert ("most frequent confusions" in lines) != has_matrix
    n_shown = sum(line.startswith("class number") for line in lines)
    assert n_shown >= min(n_classes, 12)
    assert any("lowest F1 first" in line for line in lines) == (n_classes > 12)


def test_a_model_without_use_is_called_so(run):
    write_csv("t.csv", x=np.random.default_rng(3).normal(size=40), y=list(range(40)))
    arguments = ["train", "t.csv", "--target", "y", "--out", "m", *FAST]
    code, out, _ = run(*arguments)
    r2 = float(re.search(r"^R2 +(\S+)", out, re.M)[1])
    sentence = "\nThe model is no better than the baseline: the columns may not contain enough\n"
    assert code == 0 and (sentence in out) == (r2 <= 0)
    assert (
        "baseline: --time-limit may be too short, or the columns may not"
        in text_report.explain_no_better(training_setup(time_limit=5.0))
    )
    good, bad = class_scores(2), class_scores(2)
    bad.values.update(accuracy=0.1, balanced_accuracy=0.1, log_loss=9.0)
    good.values.update(log_loss=0.1)
    assert text_report.is_better_than_baseline(good) and not text_report.is_better_than_baseline(
        bad
    )
    numbers = [score_numbers(np.arange(3.0), np.array(P)) for P in ([0.1, 1, 2], [2.0, 1, 0])]
    assert [text_report.is_better_than_baseline(scores) for scores in numbers] == [True, False]


def test_long_lists_of_columns_fit_80_columns():
    names = [f"a column with the number {i} and a long name" for i in range(50)]
    model = model_description(
        kinds=dict.fromkeys(names[:40], "number"),
        left_out=dict.fromkeys(names[40:], "all values are equal"),
    )
    lines = list(text_report.format_columns(model))
    assert max(map(len, lines)) <= 80 and "... (10 more)" in "".join(lines)
    assert all(line.startswith(("numbers  ", "left out ", "split ", "         ")) for line in lines)


def test_a_wrong_label_is_a_row_to_check(run):
    x = np.linspace(-1, 1, 200)
    y = np.where(x > 0, "plus", "minus")
    y[150] = "minus"
    write_csv("t.csv", x=x, noise=np.tile([1, 2, 3, 4], 50), y=y)
    arguments = ["t.csv", "--target", "y", "--out", "m", "--folds", "2", "--hidden", "8"]
    report = report_of(run, *arguments)
    first = report["label_issues"][0]
    assert first["place"] == "line 152" and first["row"] == 150  # the first line has the names
    assert (first["given"], first["predicted"]) == ("minus", "plus") and first["probability"] < 0.1


def test_a_wrong_number_is_a_row_to_check(run):
    x = np.linspace(-1, 1, 200)
    y = 10 * x
    y[40] = 30
    lines = [f"{a:.4f},{b:.4f}" for a, b in zip(x, y)]
    lines.insert(0, "x,y")
    lines[1] = ""  # a blank line counts, and a row without a target
    lines.insert(2, "0.5,")
    with open("t.csv", "w") as file:
        file.write("\n".join(lines) + "\n")
    arguments = ["t.csv", "--target", "y", "--out", "m", "--folds", "2", "--hidden", "8"]
    report = report_of(run, *arguments, "--skip-missing-target")
    assert [row["place"] for row in report["label_issues"]] == ["line 43"]
    assert report["label_issues"][0]["given"] == 30


# ---- progress ----


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def fit_progress(folds, networks, score=0.9, left=7.0):
    return FitProgress(20, 5, networks, folds, score, "accuracy", left)


def shown(monkeypatch, errors, steps, label="", quiet=False):
    monkeypatch.setattr(sys, "stderr", errors)
    with progress.show_progress(label, quiet) as show:
        for step in steps:
            if show is not None:
                show(step)
    return errors.getvalue()


def test_a_log_has_one_line_for_each_fold(monkeypatch):
    steps = [fit_progress(k // 4, k, None if k < 4 else 0.9) for k in range(20)]
    steps.append(fit_progress(5, 20, left=0.0))
    text = shown(monkeypatch, io.StringIO(), [s for s in steps for _ in range(3)])
    lines = text.splitlines()
    assert len(lines) == 5 and "\r" not in text
    assert lines[0] == "fold 1/5  held-out accuracy 0.900  20 %  7 s left"
    assert lines[-1] == "fold 5/5  held-out accuracy 0.900"
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)  # a fold takes long
    text = shown(monkeypatch, io.StringIO(), [fit_progress(0, 2, None)])
    assert text == "fold 0/5  10 %  7 s left\n"


@pytest.mark.parametrize(
    ("name", "score", "text"),
    [("R2", -0.0001, "0.000"), ("RMSE", 62545518.1, "62,545,518"), ("MAPE", 0.2304, "23.0 %")],
)
def test_a_score_is_shown_as_in_the_table_of_scores(name, score, text, monkeypatch):
    step = replace(fit_progress(5, 20, score, left=0.0), score_name=name)
    assert shown(monkeypatch, io.StringIO(), [step]) == f"fold 5/5  held-out {name} {text}\n"


def test_a_log_has_a_line_for_the_training_on_all_rows(monkeypatch):
    steps = [
        fit_progress(5, 15),
        *(replace(fit_progress(5, k), is_on_all_rows=True) for k in range(15, 20)),
    ]
    assert shown(monkeypatch, io.StringIO(), steps).splitlines() == [
        "fold 5/5  held-out accuracy 0.900  7 s left",
        "training on all rows  held-out accuracy 0.900  75 %  7 s left",
    ]


@pytest.fixture
def bar(monkeypatch):
    """Return a function that shows steps on a terminal with rich, and returns its last lines."""
    pytest.importorskip("rich", reason="the extra cli is not installed")
    monkeypatch.setenv("TERM", "xterm")

    def draw(steps, label="", width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        text = shown(monkeypatch, Terminal(), steps, label)
        last = text.rpartition("\x1b[2K")[2]  # what erases the lines before
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", last).splitlines()

    return draw


def test_a_terminal_with_rich_has_a_bar(bar):
    top, below = bar([fit_progress(2, 10)], "setting 1 of 7")
    assert re.fullmatch("fold 2/5 ━+[╸╺]?━+  50 % 7 s left", top)
    assert below == "setting 1 of 7  held-out accuracy 0.900"
    top, below = bar([fit_progress(5, 20, left=0.0)])
    assert re.fullmatch("fold 5/5 ━+ 100 % *", top) and below == "held-out accuracy 0.900"


@pytest.mark.parametrize("label", ["", "setting [b] of 7"])
def test_before_the_first_fold_a_bar_says_what_begins(bar, label):
    (line,) = bar([], label)
    assert line.startswith(f"{label or 'preparing the columns'} ━")


@pytest.mark.parametrize("width", [20, 30, 40])
def test_a_bar_fits_a_narrow_terminal(bar, width):
    top, below = bar([fit_progress(2, 10)], "a long text that says what is trained", width)
    assert len(top) == len(below) == width and below.endswith("…")
    assert width < 30 or re.fullmatch("fold 2/5 ━+[╸╺]?━+  50 % 7 s left", top)


def test_a_note_comes_above_the_bar_and_output_stays_where_it_is(monkeypatch):
    pytest.importorskip("rich", reason="the extra cli is not installed")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with progress.show_progress() as show:
        show(fit_progress(2, 10))
        print_note("a column is left out")
        print("a row")
    assert "\x1b[2Knote: a column is left out\n" in sys.stderr.getvalue()
    assert sys.stdout.getvalue() == "a row\n"


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_without_rich_or_that_cannot_draw_rewrites_its_line(monkeypatch, term):
    if term == "xterm":
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("TERM", term)
    text = shown(monkeypatch, Terminal(), [fit_progress(2, 10), fit_progress(5, 20, left=0.0)])
    assert text.count("\n") == 1 and text.startswith(" 50 %  fold 2/5  held-out accuracy 0.900")
    assert text.rstrip().endswith("100 %  fold 5/5  held-out accuracy 0.900")


def test_rows_that_are_encoded_are_progress(monkeypatch):
    step = FitProgress(0, 5, 0.0, 0, None, "accuracy", None, encoded=0.25)
    monkeypatch.setenv("TERM", "dumb")
    assert shown(monkeypatch, Terminal(), [step]).startswith(" 25 %  encoding the rows")
    assert shown(monkeypatch, io.StringIO(), [step]) == ""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    assert shown(monkeypatch, io.StringIO(), [step]) == "encoding the rows  25 %\n"


def test_balanced_classes_have_a_balanced_accuracy(run):
    write_csv("t.csv", x=range(60), y=["a", "b", "b"] * 20)
    arguments = ["t.csv", "--target", "y", "--out", "m", *FAST, "--class-weight", "balanced"]
    code, _, errors = run("train", *arguments, "--json")
    assert code == 0 and errors.startswith("fold 1/1  held-out balanced accuracy ")


def test_quiet_shows_no_progress(monkeypatch):
    for errors in (io.StringIO(), Terminal()):
        assert shown(monkeypatch, errors, [fit_progress(2, 10)], quiet=True) == ""


def test_a_closed_standard_error_does_not_end_a_training(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    shown(monkeypatch, Closed(), [fit_progress(1, 4)])


# ---- the picture ----


# of scikit-learn 1.7, about held-out rows of many classes
@pytest.mark.filterwarnings("ignore:The number of unique classes is greater than 50%")
@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_the_picture(run, target):
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    from PIL import Image

    rng = np.random.default_rng(0)
    x = rng.normal(size=150)
    write_csv(
        "t.csv", x=x, z=rng.normal(size=150), two=np.where(x > 0, "a", "b"),
        many=[f"class {i % 25}" for i in range(150)],
        number=170_000 + 4_000 * (x + 0.1 * rng.normal(size=150)),
    )  # fmt: skip
    others = ",".join({"two", "many", "number"} - {target})
    arguments = ["t.csv", "--target", target, "--drop", others, "--out", "m", "--plot", "p.png"]
    with checked_pictures():
        code, out, _ = run("train", *arguments, *FAST)
    assert code == 0 and out.endswith("Saved p.png.\n")
    pixels = np.asarray(Image.open("p.png").convert("L"))
    assert pixels.shape == (1500, 1800)
    for half in (pixels[:750, :900], pixels[:750, 900:], pixels[750:, :900], pixels[750:, 900:]):
        assert (half < 200).mean() > 0.005  # something is drawn
