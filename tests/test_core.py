"""The compiled core at the places where one wrong word shows nowhere else."""

import signal
import time

import numpy as np
import pytest

from fastnn import MLP, SGD, Adam, kernels


def data(n, n_in, n_out=1, dtype="float32"):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, n_in)).astype(dtype)
    return X, ((np.sin(X[:, :1] * np.arange(1, n_out + 1)) + 1) / 2).astype(dtype)


# ---- Ctrl-C ----


def interrupted_at_look(job, look, n_threads):
    """Runs a Trainer until the compiled loop has looked for signals so often since the first came; then the handler raises.

    The handler lasts longer than the loop waits between two looks, and leaves another signal: so every place that looks is one look."""
    looks = []

    def handler(*_):
        looks.append(1)
        if len(looks) == look:
            raise KeyboardInterrupt
        time.sleep(0.021)
        signal.raise_signal(signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        with pytest.raises(KeyboardInterrupt):
            job.run(n_threads, 1e9, np.empty(10_000))
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer signals")
@pytest.mark.parametrize(
    ("optimizer", "n_rows", "n_threads"),
    [(SGD(0.01), 256, 1), (Adam(0.01), 256, 2), (SGD(0.01, 0.9, clip_norm=0.1), 256, 1), (SGD(0.01), 600, 2)],
    ids=["fused", "fused in two threads", "clipped", "three chunks"],
)
def test_ctrl_c_at_every_look_of_a_step_leaves_a_whole_step(optimizer, n_rows, n_threads, sizes_of_a_watched_step):
    sizes = sizes_of_a_watched_step
    X, y = data(n_rows, sizes[0], sizes[-1])

    def prepared():
        net = MLP(sizes, rng=0)
        moments = np.zeros((optimizer.n_moments, net.n_params), "f4")
        job = kernels.Trainer(net, X, y, loss=kernels.Loss.SQUARED_ERROR, batch_size=n_rows, optimizer=optimizer.kernel_settings(),
                              n_threads=n_threads)  # fmt: skip
        job.load(moments)
        return net, moments, job

    def found(net, moments, job):
        job.store(moments)
        return net.params.tobytes(), moments.tobytes()

    twin, trace = prepared(), []
    for look in range(1, 8):  # a step has 5: two in each direction, and before the way back
        case = prepared()
        interrupted_at_look(case[-1], look, n_threads)
        step, epoch, row, loss_sum = case[-1].position()
        assert (epoch, row, loss_sum) == (step, 0, 0.0)
        while len(trace) <= step:
            trace.append(found(*twin))
            twin[-1].run(1, 1e9, np.empty(1))
        assert found(*case) == trace[step]
