"""Train on one of two ranks of torch.distributed, for test_torch_ranks.py.

    python tests/support/torch_training.py FOLDER RANK

Each rank prints whether its parameters have the bits of one machine, with the group of all processes
and with a group of its own.
"""

import sys
from pathlib import Path

import numpy as np
import torch.distributed as dist

import fastnn
from fastnn.distributed import TorchCommunicator, part

folder, rank, size = Path(sys.argv[1]), int(sys.argv[2]), 2
meeting = (folder / "meeting").as_uri()
dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
rng = np.random.default_rng(0)
X = rng.normal(size=(203, 6)).astype("float32")
y = (X[:, 0] > 0).astype(int)
rows = part(len(X), rank, size)


def network(seed):
    return fastnn.MLP([6, 8, 1], output="sigmoid", rng=seed, dropout=0.1)


expected = network(0)
expected.fit(X, y, epochs=3, shards=16)
for comm in (TorchCommunicator(), dist.group.WORLD, TorchCommunicator(dist.new_group([0, 1]))):
    net = network(rank)
    net.fit(X[rows], y[rows], epochs=3, comm=comm, validation_data=(X[rows], y[rows]))
    print(bool((net.params == expected.params).all()))
    net.fit(X[rows], y[rows], epochs=1, comm=comm, shards=0)
dist.barrier()
dist.destroy_process_group()
