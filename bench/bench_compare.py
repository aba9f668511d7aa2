"""compare.py runs, by one peer that is always there, and checks that it does the same; compare.py itself measures."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

sys.path.insert(0, os.path.dirname(__file__))  # as compare.py has it
from peers.rows import ROWS


def test_command(tmp_path):
    command = [sys.executable, os.path.join(os.path.dirname(__file__), "compare.py"), "--rows", "T1,I1,sigmoid,sgd", "--peers", "numpy"]
    files = ["--json", tmp_path / "peers.json", "--markdown", tmp_path / "peers.md"]
    done = subprocess.run([*command, "--rounds", "1", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    figures = json.loads((tmp_path / "peers.json").read_text())["figures"]
    assert all(figures[row][who]["us"] > 0 for row in ("T1", "I1", "sigmoid", "sgd") for who in ("fastnn", "numpy"))
    assert "| T1 | 3-4-1, 4 |" in (tmp_path / "peers.md").read_text()


@pytest.mark.parametrize("row", ["T1", "T2", "I1", "tanh", "bce", "momentum"])
def test_other_work_is_found_out(row):
    """The right results pass; results that are a little off, or no numbers, do not."""
    task = ROWS[row].make()
    expected = task.expected()
    assert task.difference(expected, expected) is None

    def spoilt(change):
        if isinstance(expected, tuple):
            first, second = expected
            return (np.multiply(first, 1 + change), second), (first, second * (1 + change))
        return (expected * (1 + change),)

    for change in 0.05, np.nan:
        for results in spoilt(change):
            assert "differ" in task.difference(results, expected)
