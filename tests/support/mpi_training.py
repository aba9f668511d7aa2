"""Train on the ranks of an MPI job, for test_mpi.py.

    mpiexec -n 2 python tests/support/mpi_training.py FOLDER [OPTION=VALUE ...]

Rank 0 writes model.safetensors and, after each epoch, checkpoint.safetensors to FOLDER. Each rank
writes a line to FOLDER/RANK: the digest of the parameters, the steps and why training stopped.
Options: epochs, pause (seconds in each epoch), resume, fail (the epoch in which rank 1 raises),
sync_every, die (fsync or replace: rank 0 is killed there when it saves after the third epoch), stop (the
epoch after which rank 0 stops itself by SIGSTOP), estimator (train a classifier of texts in place of a
network).
"""

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

import fastnn
from fastnn.distributed import part

N = 400


def rows():
    X = np.random.default_rng(0).normal(size=(N, 6)).astype("float32")
    return X, (X[:, 0] > 0).astype(int)


def digest(net):
    return hashlib.sha256(net.params.tobytes()).hexdigest()[:16]


def main():
    folder, options = Path(sys.argv[1]), dict(text.split("=") for text in sys.argv[2:])
    comm = MPI.COMM_WORLD
    X, y = rows()
    mine = part(N, comm.rank, comm.size, 0 if "sync_every" in options else 16)
    if "estimator" in options:
        labels = np.array(["no", "yes"])[y[mine]]
        classifier = fastnn.MLPClassifier((8,), early_stopping=True, max_iter=6, random_state=0)
        classifier.fit(X[mine], labels, comm=comm)
        classes, scores = classifier.classes_.tolist(), classifier.validation_scores_
        text = f"{digest(classifier.network_)} {classes} {scores}"
        (folder / str(comm.rank)).write_text(f"{text}\n")
        return
    net = fastnn.MLP([6, 9, 1], output="sigmoid", rng=comm.rank, dropout=0.1)
    if "resume" in options:
        net = fastnn.load(folder / "checkpoint.safetensors")

    def after_epoch(net, history):
        if "die" in options and len(history.loss) == 3 and comm.rank == 0:
            setattr(os, options["die"], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        if comm.rank == 0:
            net.save(folder / "checkpoint.safetensors")
        time.sleep(float(options.get("pause", 0)))
        if comm.rank == 0 and len(history.loss) == int(options.get("stop", -1)):
            (folder / "stopped").touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        if comm.rank == 1 and len(history.loss) == int(options.get("fail", -1)):
            raise OSError("no room")

    epochs = int(options.get("epochs", 6))
    if "resume" in options:
        epochs -= net.state.epoch
    try:
        settings = dict(epochs=epochs, batch_size=50, comm=comm, callbacks=after_epoch)
        settings |= dict(sync_every=int(options.get("sync_every", 1)), resume="resume" in options)
        history = net.fit(X[mine], y[mine], **settings)
        reason = history.stop_reason
    except KeyboardInterrupt:
        reason = "KeyboardInterrupt"
    (folder / str(comm.rank)).write_text(f"{digest(net)} {net.state.step} {reason}\n")
    if comm.rank == 0:
        net.save(folder / "model.safetensors")


main()
