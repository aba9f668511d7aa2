"""What a learning rate schedule gains on noisy points.

The points lie around the curve y = sin(3 x) + x / 2, with noise of standard
deviation 0.5. A network with two hidden layers trains on them in batches of 16,
six times from the same initial weights: with a constant rate and with five
schedules of fastnn.schedules.

You will see the learning rate of each epoch and the error of the network (mean
squared error from the true curve, without noise), and both as plots with
--plot. With a constant high rate, the noise of the last few batches keeps
moving the network, and the error stops falling after a few epochs. When the
rate falls, the network averages over more and more points, and the error gets
several times smaller. The shape of the schedule matters less than the fall.

    python examples/learning_rate_schedules.py --plot schedules.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting
from fastnn.callbacks import Callback
from fastnn.schedules import CosineDecay, ExponentialDecay, OneCycle, ReduceOnPlateau, StepDecay

EPOCHS = 60
SCHEDULES = {
    "constant": 0.05,
    "StepDecay": StepDecay(0.05, every=20),
    "ExponentialDecay": ExponentialDecay(0.05, factor=0.93),
    "CosineDecay with warm-up": CosineDecay(0.05, duration=EPOCHS, warmup=6),
    "OneCycle": OneCycle(0.05, duration=EPOCHS, unit="epoch"),
    "ReduceOnPlateau": ReduceOnPlateau(0.05, factor=0.3, patience=5),
}


def curve(X):
    return np.sin(3 * X[:, 0]) + X[:, 0] / 2


class RecordRates(Callback):
    """Record the learning rate of each epoch."""

    def on_fit_begin(self, net, history):
        self.rates = [net.state.lr]

    def on_epoch_end(self, net, history):
        self.rates.append(net.state.lr)  # the rate of the next step


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    X = rng.uniform(-2, 2, (2000, 1))
    y = curve(X) + 0.5 * rng.normal(size=len(X))
    X_true = np.linspace(-2, 2, 401)[:, None]

    shown = [1, 10, 20, 30, 40, 50, EPOCHS]
    print("epoch".ljust(27) + "".join(f"{epoch:7}" for epoch in shown))
    done = {}
    for name, lr in SCHEDULES.items():
        net = fastnn.MLP([1, 32, 32, 1], activation="tanh", rng=arguments.seed)
        record = RecordRates()
        history = net.fit(
            X,
            y,
            optimizer=fastnn.SGD(lr, momentum=0.9),
            epochs=EPOCHS,
            batch_size=16,
            validation_data=(X_true, curve(X_true)),
            callbacks=record,
        )
        done[name] = record.rates[:EPOCHS], history.val_loss
        print(f"\n{name}")
        for what, numbers in zip(("learning rate", "error"), done[name]):
            print(f"  {what:25}" + "".join(f"{numbers[epoch - 1]:7.4f}" for epoch in shown))
    if arguments.plot:
        draw(arguments.plot, done)


def draw(file, done):
    import matplotlib.pyplot as plt

    epochs, usual = np.arange(1, EPOCHS + 1), np.mean(done["constant"][1][-20:])
    with plotting.style():
        figure, grid = plt.subplots(
            4, 3, figsize=(9, 7), sharex=True, sharey="row", height_ratios=[1, 1.3, 1, 1.3]
        )
        upper, lower = grid[::2].ravel(), grid[1::2].ravel()
        for above, below, (name, (rates, errors)) in zip(upper, lower, done.items()):
            above.plot(epochs, rates, drawstyle="steps-mid")
            fill = dict(color=plotting.BLUE, alpha=0.15, linewidth=0)
            above.fill_between(epochs, rates, step="mid", **fill)
            above.set(title=name, ylim=(0, 0.055), yticks=[0, 0.025, 0.05])
            below.semilogy(epochs, errors, color=plotting.ORANGE)
            below.axhline(usual, color=plotting.GREY, linestyle=":", linewidth=1.2)
            below.set(ylim=(0.003, 0.6), xlim=(0, EPOCHS), xticks=range(0, EPOCHS + 1, 20))
            below.set_yticks([0.01, 0.1], ["0.01", "0.1"])
        look = dict(ha="right", va="top", fontsize=9, color="#555555")
        lower[0].text(EPOCHS, 0.02, "dotted in all plots:\nmean of epochs 41-60 here", **look)
        for ax in upper[::3]:
            ax.set_ylabel("learning rate")
        for ax in lower[::3]:
            ax.set_ylabel("error")
        for ax in lower[3:]:
            ax.set_xlabel("epoch")
        figure.align_ylabels()
        figure.savefig(file)


if __name__ == "__main__":
    main()
