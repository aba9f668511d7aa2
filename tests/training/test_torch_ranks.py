"""Training on the ranks of torch.distributed gives the bits of one machine."""

import importlib.util
import os
import subprocess
import sys

import pytest
import two_hosts
from places import SUPPORT
from processes import LIMIT

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")


def run_both(folder, hosts=None, **environment):
    """Run both ranks, each on a host, and check that they have the bits of one machine."""
    ranks = []
    for rank in range(2):
        command = [sys.executable, str(SUPPORT / "torch_training.py"), str(folder), str(rank)]
        command = two_hosts.on_host(hosts[rank], *command) if hosts else command
        options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ranks.append(subprocess.Popen(command, env={**os.environ, **environment}, **options))
    for rank in ranks:
        out, errors = rank.communicate(timeout=LIMIT)
        assert rank.returncode == 0, errors
        assert out.split() == ["True"] * 3


@pytest.mark.slow("test_shards.py, with threads in place of processes")
def test_two_ranks_give_the_bits_of_one(tmp_path):
    run_both(tmp_path)


@pytest.mark.slow("test_two_ranks_give_the_bits_of_one, on one host")
def test_two_hosts_with_a_slow_network_give_the_bits_of_one(tmp_path):
    if reason := two_hosts.why_not():
        pytest.skip(reason)
    with two_hosts.joined():
        run_both(tmp_path, two_hosts.NAMES, GLOO_SOCKET_IFNAME="e0")
