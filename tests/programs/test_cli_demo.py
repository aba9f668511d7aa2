"""fastnn demo, run as a command."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from processes import LIMIT

from fastnn import cli, reference
from fastnn.cli import demo as commands_demo


def run(*arguments, **environment):
    variables = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    options = dict(capture_output=True, encoding="utf-8", timeout=LIMIT)
    return subprocess.run([sys.executable, "-m", "fastnn", *arguments], env=variables, **options)


@pytest.fixture(scope="module")
def demo():
    result = run("demo", "--seed", "0")
    assert result.returncode == 0, result.stderr
    return result


def test_demo_learns(demo):
    assert float(re.search(r"^test accuracy (0\.\d{3}) ", demo.stdout, re.M)[1]) >= 0.975
    assert float(re.search(r"^training loss (\d\.\d+) after", demo.stdout, re.M)[1]) < 0.05


def test_demo_shows_progress(demo):
    line = r"epoch 200/200  loss 0\.0\d+  held-out accuracy 0\.9\d+  [\d,]+ rows/s\n"
    assert re.search(line, demo.stderr) and "Traceback" not in demo.stderr


def test_demo_measures(demo):
    ratio = re.search(r"^(\d+\.\d) times faster than the same training", demo.stdout, re.M)
    assert float(ratio[1]) > 1
    speed = re.search(r"^Training speed: ([\d,]+) rows/s$", demo.stdout, re.M)
    speed = int(speed[1].replace(",", ""))
    assert "1797 images of 8 x 8 pixels: 1438 for training, 359 for testing (seed 0)" in demo.stdout
    seconds = re.search(r"after 200 epochs \(9,000 steps\) in (\d+\.\d\d) s$", demo.stdout, re.M)
    assert abs(200 * 1438 / speed - float(seconds[1])) < 0.006
    times = r"^10 epochs: fastnn \S+ ms, NumPy \S+ ms \(best of 20; losses agree to \de-0\d\)$"
    assert re.search(times, demo.stdout, re.M)


def test_demo_draws_five_digits(demo):
    lines = demo.stdout.splitlines()
    assert len([line for line in lines if set(line) & set("░▒▓█")]) == 8
    assert [line.count("net: ") for line in lines if "net: " in line] == [5]


def test_demo_fits_the_terminal(demo):
    assert max(map(len, demo.stdout.splitlines())) <= 80


@pytest.mark.slow("test_demo_learns")
def test_demo_can_do_without_unicode():
    result = run("demo", PYTHONIOENCODING="ascii")
    assert result.returncode == 0 and result.stdout.isascii()
    assert any(set(line) == set(" .:*#") for line in result.stdout.splitlines())


@pytest.mark.slow("test_demo_learns, and seeds and threads in tests/training/")
def test_the_seed_decides_and_the_threads_do_not(demo):
    def numbers(result):  # but for the seconds
        pattern = r"^(?:test accuracy|training loss|\d is).*?(?= in |$)"
        return re.findall(pattern, result.stdout, re.M)

    assert numbers(run("demo", "--threads", "-1")) == numbers(demo)
    others = numbers(run("demo", "--seed", "1"))
    assert all(a != b for a, b in zip(others, numbers(demo), strict=True))


def test_demo_compares_speed_only_of_the_same_work(monkeypatch, capsys):
    fit = reference.fit
    monkeypatch.setattr(reference, "fit", lambda *a, **k: [1.01 * loss for loss in fit(*a, **k)])
    assert cli.main(["demo"]) == 1
    shown = capsys.readouterr()
    assert "times faster" not in shown.out
    assert "1438 for training, 359 for testing (seed 0)" in shown.out  # without --seed
    message = r"^fastnn demo: fastnn and NumPy disagree: a loss differs by 0\.99 %. No times are compared.$"
    assert re.search(message, shown.err, re.M)


def test_the_drawing(capsys):
    levels = np.array([0, 0.25, 0.5, 0.75, 1, 0.1, 0.13, 0.9])
    images = np.array([np.repeat(levels, 8), np.ones(64), np.zeros(64)])
    commands_demo._draw(images, np.array([3, 8, 4]), np.array([0.5, 0.996, 0.45]), [1, 0, 2])
    pixels = [("█" * 16 + shade * 16).rstrip() for shade in " ░▒▓█ ░█"]
    texts = ["", "8 is even       3 is odd        4 is even"]
    texts += ["net: odd >99 %  net: even 50 %  net: even 55 %"]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [*pixels, *texts, "WRONG           WRONG           correct"]


def test_choosing_digits_to_draw():
    digits, select = np.array([3, 3, 1, 3, 8, 9, 9, 2, 5]), commands_demo._select_examples
    assert select(digits, digits != 1) == [0, 4, 5, 7, 2]  # four kinds, then the wrong one
    assert select(digits, np.ones(9, bool)) == [0, 2, 4, 5, 7]
    assert select(digits, np.zeros(9, bool)) == [0]
