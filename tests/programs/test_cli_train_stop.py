"""fastnn train: Ctrl-C keeps the folds that are done, --resume trains the others, --tune."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import processes
import pytest
from checks import assert_same_bits
from cli_cases import write_csv
from cli_models import interrupt_after, report_of
from interrupt import sigint_interrupts  # noqa: F401 - for the programs of all tests here

import fastnn
from fastnn.cli import trained_models

ARGUMENTS = "t.csv --target y --out m --folds 3 --hidden 8 --threads 1".split()
REST = "To train the rest, repeat the command with --resume.\n"
LONG = "1000"  # seconds of a limit that no training here reaches


@pytest.fixture(autouse=True)
def table(run, rng, quick_recipe):
    quick_recipe(4)
    x = rng.normal(size=200)
    write_csv("t.csv", x=x, z=rng.normal(size=200), y=np.where(x > 0, "a", "b"), n=np.exp(x))


def assert_same_networks(model, other):
    for a, b in zip(model.model_.networks(), other.model_.networks(), strict=True):
        assert_same_bits(a.params, b.params)


def test_ctrl_c_writes_the_folds_that_are_done(run, monkeypatch):
    interrupt_after(monkeypatch, 1)
    code, out, errors = run("train", *ARGUMENTS)
    done = fastnn.load("m").n_folds_
    assert code == 130 and 1 <= done < 3
    assert errors == f"Interrupted: m holds {done} of 3 folds.\n{REST}"
    assert f"\n{done} fold" in out and " rows held out " in out
    assert fastnn.load("m").n_folds_remaining_ == 3 - done


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_writes_the_folds_that_are_done(run, monkeypatch):
    interrupt_after(monkeypatch, 1, by=lambda: os.kill(os.getpid(), signal.SIGTERM))
    code, _, errors = run("train", *ARGUMENTS)
    assert code == 143 and 1 <= fastnn.load("m").n_folds_ < 3
    assert "repeat the command with --resume" in errors
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_sigterm_stays(run, monkeypatch):
    received = []
    monkeypatch.setattr(signal, "getsignal", lambda number: print)
    interrupt_after(monkeypatch, 1, by=lambda: received.append(signal.SIGTERM))
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("the handler was replaced"))
    assert run("train", *ARGUMENTS)[0] == 0 and received


def test_resume_gives_the_model_of_a_training_that_was_not_stopped(run, monkeypatch):
    assert run("train", *ARGUMENTS, "--out", "whole", "--quiet")[0] == 0
    interrupt_after(monkeypatch, 1)
    assert run("train", *ARGUMENTS)[0] == 130
    out = run.output("train", *ARGUMENTS, "--resume")
    assert "\n3 folds, " in out and "out of fold " in out
    whole, resumed = fastnn.load("whole"), fastnn.load("m")
    assert resumed.n_folds_remaining_ == 0
    assert_same_networks(resumed, whole)
    complete = "note: m is complete, so there is nothing to resume"
    assert run.notes("train", *ARGUMENTS, "--resume") == f"{complete}\n"
    errors = run.notes("train", *ARGUMENTS, "--resume", "--seed", "3")
    assert errors.startswith(f"{complete}. Its")
    assert " compared: it was trained by fastnn train t.csv" in errors and "--seed" not in errors
    assert fastnn.load("m").n_folds_remaining_ == 0


def test_resume_refuses_other_rows_and_options(run, monkeypatch):
    interrupt_after(monkeypatch, 1)
    assert run("train", *ARGUMENTS)[0] == 130
    before, resume = Path("m").read_bytes(), ("train", *ARGUMENTS, "--resume")
    errors = run.error(*resume, "--seed", "1")
    assert "--resume continues a fit with the same rows and parameters" in errors
    assert "or leave out --resume" in errors and "resume=" not in errors
    message = "m: does not hold the model that these options train."
    assert message in run.error(*resume, "--target", "n") and Path("m").read_bytes() == before
    Path("other").write_text("x")
    assert "other: not a fastnn model" in run.error(*resume, "--out", "other")


def test_ctrl_c_after_the_last_fold_writes_the_model(run, monkeypatch):
    interrupt_after(monkeypatch, 3)
    code, _, errors = run("train", *ARGUMENTS)
    assert (code, errors) == (130, "Interrupted: m holds all 3 folds.\n")
    assert fastnn.load("m").n_folds_remaining_ == 0


def test_ctrl_c_before_the_first_fold_writes_the_first_configuration(run, monkeypatch):
    with monkeypatch.context() as patch:
        end_job = "fastnn.tabular.fitting.out_of_fold.OutOfFold.end_job"
        patch.setattr(end_job, Mock(side_effect=KeyboardInterrupt))
        code, _, errors = run("train", *ARGUMENTS)
    done = "Interrupted: m holds 1 of 4 configurations on 1 of 3 folds."
    assert (code, errors) == (130, f"{done}\n{REST}")
    text = " ".join(run("info", "m")[1].split())
    assert ": 1 of 4 configurations on 1 of 3 folds, 1 network," in text
    assert run("train", *ARGUMENTS, "--resume")[0] == 0 and fastnn.load("m").n_folds_remaining_ == 0


def test_ctrl_c_before_the_first_network_writes_no_file(run, monkeypatch):
    interrupt_after(monkeypatch, 0)
    code, _, errors = run("train", *ARGUMENTS)
    assert (code, errors) == (130, "\nInterrupted. No model was written.\n")
    assert os.listdir() == ["t.csv"]


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
@pytest.mark.slow("test_ctrl_c_writes_the_folds_that_are_done")
def test_a_signal_is_ctrl_c(run):
    command = [sys.executable, "-m", "fastnn", "train", *ARGUMENTS, "--folds", "1000"]

    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(command, env=processes.environment(), **pipes) as process:
        assert process.stderr.readline().startswith("note: --folds 1000 is more")
        assert process.stderr.readline().startswith("fold ")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=processes.LIMIT)
    assert process.returncode == 130 and "Traceback" not in errors and " folds.\n" in errors
    assert "Saved m (" in out and fastnn.load("m").n_folds_remaining_ > 0


# ---- time limit ----


def test_a_time_limit_that_is_over_before_training_is_noted(run):
    errors = run.notes("train", *ARGUMENTS, "--time-limit", "0.001")
    assert "note: reading and encoding the table took " in errors
    assert " s, so --time-limit 0.001 was over before training." in errors
    assert fastnn.load("m").n_folds_ == 3


# ---- tune ----


def tune(run, *options):
    return report_of(run, "t.csv", "--out", "m", "--tune", "--time-limit", LONG, *options)


def settings_of(report):
    return "--hidden " + ",".join(map(str, report["hidden"]))


def test_tune_keeps_the_default_unless_another_setting_is_better_for_certain(run, monkeypatch):
    fits, fit = [], trained_models.fit_estimator

    def record(model, rows, file, options, label):
        fits.append((label, model.time_limit))
        return fit(model, rows, file, options, label)

    monkeypatch.setattr(trained_models, "fit_estimator", record)
    report = tune(run, "--target", "y", "--folds", "2")
    assert report["tuning"]["metric"] == "log_loss"
    tried, decision = report["tuning"]["tried"], report["tuning"]["decision"]
    for i, ((label, limit), setting) in enumerate(zip(fits, tried, strict=True)):
        assert label == f"setting {i + 1} of 7: {setting['options']}"
        assert limit == pytest.approx(float(LONG) / (7 - i), rel=0.1)  # the same part for each
    assert [t["folds"] for t in tried] == [2, *[1] * 5, *[2] * (decision is not None)]
    assert [t["options"] for t in tried[:3]] == ["--hidden 64,64"] * 2 + ["--hidden 32,32"]
    if decision is None:
        assert settings_of(report) == "--hidden 64,64"
    else:
        best = min(tried[1:6], key=lambda t: t["score"])
        assert decision["options"] == tried[6]["options"] == best["options"]
        is_certain = decision["gain"] > 2 * decision["error"]
        assert decision["is_chosen"] == is_certain
        assert settings_of(report) == (best["options"] if is_certain else "--hidden 64,64")
    kept = next(t for t in tried if (t["options"], t["folds"]) == (settings_of(report), 2))
    assert kept["score"] == pytest.approx(report["scores"]["log_loss"])
    assert fastnn.load("m").n_folds_ == 2


@pytest.mark.parametrize("folds", ["1", "2"])
def test_a_setting_that_is_better_replaces_the_default(run, monkeypatch, quick_recipe, folds):
    """For certain: the default of this test cannot learn, for it has one unit in each layer."""
    quick_recipe(60)
    monkeypatch.setattr(trained_models, "HIDDEN", ((1, 1, 1, 1), (16,), (1, 1, 1)))
    a, b = np.random.default_rng(0).normal(size=(2, 400))
    write_csv("xor.csv", a=a, b=b, y=np.where(a * b > 0, "p", "q"))
    report = report_of(run, "xor.csv", "--target", "y", "--out", "m", "--tune", "--folds", folds)
    decision = report["tuning"]["decision"]
    assert decision["is_chosen"] and report["hidden"] == [16]
    assert decision["gain"] > 2 * decision["error"] > 0
    assert decision["rows"] == {"1": 80 - 40, "2": 400 - 80}[folds]


def test_tune_that_keeps_the_default_gives_its_bits(run, monkeypatch):
    monkeypatch.setattr(trained_models, "HIDDEN", ((64, 64), (1,)))
    report = report_of(run, "t.csv", "--target", "y", "--out", "m", "--tune", "--folds", "2")
    assert report["hidden"] == [64, 64]
    report_of(run, "t.csv", "--target", "y", "--out", "n", "--folds", "2")
    assert_same_networks(fastnn.load("m"), fastnn.load("n"))


def test_tune_tries_the_logarithm_of_a_number_above_0(run):
    report = tune(run, "--target", "n", "--folds", "1")
    tried = report["tuning"]["tried"]
    assert report["tuning"]["metric"] == "rmse" and [t["folds"] for t in tried] == [1] * 6
    assert tried[1]["options"] == "--hidden 64,64 --log-target"
    assert len({"--log-target" in t["options"] for t in tried[2:]}) == 1
    assert report["scores"]["rmse"] in [pytest.approx(t["score"]) for t in tried]
    for loss, metric, n in [("poisson", "poisson_deviance", 5), ("absolute_error", "mae", 6)]:
        tuning = tune(run, "--target", "n", "--folds", "1", "--loss", loss)["tuning"]
        assert (tuning["metric"], len(tuning["tried"])) == (metric, n)


def test_ctrl_c_while_tuning(run, monkeypatch):
    # no fold of the default, one of it, and later
    words = f"train t.csv --target y --out m --folds 5 --tune --time-limit {LONG} --threads 1"
    interrupt_after(monkeypatch, 0)
    code, _, errors = run(*words.split())
    assert code == 130 and "No model was written." in errors and not os.path.exists("m")
    interrupt_after(monkeypatch, 1)
    code, _, errors = run(*words.split())
    model = fastnn.load("m")
    assert code == 130 and 0 < model.n_folds_remaining_ <= 5
    options = json.loads(model.metadata_["training"])["tuning"]["tried"][-1]["options"]
    assert f"repeat the command with {options} --resume\ninstead of --tune." in errors
    interrupt_after(monkeypatch, None, None, 0)
    code, _, errors = run(*words.split())
    assert code == 130 and fastnn.load("m").n_folds_remaining_ == 0
    assert "m holds the best model so far." in errors
