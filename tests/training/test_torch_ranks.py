"""Training on the ranks of torch.distributed gives the bits of one machine."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "torch_training.py"


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.slow("test_shards.py, with threads in place of processes")
def test_two_ranks_give_the_bits_of_one(tmp_path):
    ranks = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(tmp_path), str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        out, errors = rank.communicate(timeout=120)
        assert rank.returncode == 0, errors
        assert out.split() == ["True"] * 3
