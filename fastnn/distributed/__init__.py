"""Training on several machines: each rank holds a part of the rows, and all update together.

`MLP.fit(X_part, y_part, comm=...)` takes a communicator of mpi4py, a group of torch.distributed, or
any object with the methods of `Communicator`.

- `communicator`: the protocol, and adapters. `parts`: which rows a rank holds.
- `sums`: sums over ranks in a fixed order. `averages`: means of what parts of the rows have trained.
- `second_moments`: those of Adam, as of averaged gradients.
- `ranks`: what ranks agree on in a training.
"""

from .communicator import Communicator, MPICommunicator, TorchCommunicator
from .parts import part
from .ranks import RankError

__all__ = ["Communicator", "MPICommunicator", "RankError", "TorchCommunicator", "part"]
