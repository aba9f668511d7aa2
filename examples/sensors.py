"""A small network for each of 10,000 sensors.

Every sensor has its own daily curve, so one network for all of them cannot
predict any of them well. scikit-learn has no estimator for groups, and a loop
over its MLPRegressor takes minutes. `fastnn.fit_many` trains one network for
each sensor: `rows` lists the rows of each sensor in one table, which is never
copied. You will see the error of one network for all, that of one network each,
the noise that no model can predict, and the time of a loop over scikit-learn.

All networks are saved in one file with their names. The last lines load it and
predict for one sensor.

    python examples/sensors.py --plot sensors.png
    python examples/sensors.py --sensors 500 --threads 1
"""

import os
import tempfile
import time
import warnings
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting

N_ROWS, NOISE, EPOCHS = 100, 0.1, 100


def generate(n_sensors, rng=0):
    """SYNTHETIC readings: sensor numbers, inputs (cos and sin of the hour) and targets.

    The curve of a sensor is a sum of two waves with random phases. The rows are in random order.
    """
    rng = np.random.default_rng(rng)
    sensor = rng.permutation(np.repeat(np.arange(n_sensors), N_ROWS))
    angle = rng.uniform(0, 2 * np.pi, len(sensor))
    once, twice = rng.uniform(0, 2 * np.pi, (2, n_sensors))
    y = np.sin(angle + once[sensor]) + 0.5 * np.sin(2 * angle + twice[sensor])
    X = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    return sensor, X, (y + rng.normal(0, NOISE, len(y))).astype(np.float32)


def rms(errors):
    return float(np.sqrt(np.mean(np.square(errors))))


def seconds_of_scikit_learn(X, y, rows):
    """Return the seconds for one sensor: the same network, optimizer, batches and epochs."""
    from sklearn.neural_network import MLPRegressor

    options = dict(activation="tanh", alpha=0, learning_rate_init=0.02, batch_size=10)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Maximum iterations reached"
        for own in rows:
            MLPRegressor(
                hidden_layer_sizes=(8,), max_iter=EPOCHS, n_iter_no_change=EPOCHS, **options
            ).fit(X[own], y[own])
    return (time.perf_counter() - start) / len(rows)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--sensors", type=int, default=10_000, help="default: 10,000")
    parser.add_argument("--threads", type=int, default=-1, help="default: all CPUs")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()
    n = arguments.sensors

    sensor, X, y = generate(n)
    by_sensor = np.argsort(sensor, kind="stable").reshape(n, N_ROWS)
    train, test = by_sensor[:, : N_ROWS * 4 // 5], by_sensor[:, N_ROWS * 4 // 5 :]
    print(f"{n:,} sensors, {N_ROWS} readings each, of which a fifth is for testing\n")
    options = dict(optimizer=fastnn.Adam(lr=0.02), batch_size=10, n_threads=arguments.threads)

    one = fastnn.MLP([2, 8, 1], "tanh", rng=0)
    sample = train.ravel()[: 200 * N_ROWS]
    one.fit(X[sample], y[sample], epochs=10, **options | dict(n_threads=1))

    networks = [fastnn.MLP([2, 8, 1], "tanh", rng=seed) for seed in range(n)]
    start = time.perf_counter()
    fastnn.fit_many(networks, X, y, epochs=EPOCHS, rows=train, **options)
    seconds = time.perf_counter() - start
    predicted = np.array([net.forward(X[own])[:, 0] for net, own in zip(networks, test)])
    print("root mean square error on the readings for testing")
    of_one = one.forward(X[test.ravel()])[:, 0].reshape(test.shape)
    print(f"  one network for all sensors   {rms(of_one - y[test]):.3f}")
    print(f"  one network for each sensor   {rms(predicted - y[test]):.3f}")
    print(f"  the noise                     {NOISE:.3f}\n")

    steps = n * EPOCHS * train.shape[1] // 10
    print(f"training took {seconds:.2f} s, {seconds / steps * 1e6:.2f} us a step")
    other = seconds_of_scikit_learn(X, y, train[:5])
    print(f"scikit-learn takes {other * n:,.0f} s in a loop, from the time of 5 sensors")

    path = os.path.join(tempfile.mkdtemp(), "sensors.safetensors")
    fastnn.save_many({f"sensor {i}": net for i, net in enumerate(networks)}, path)
    start = time.perf_counter()
    loaded = fastnn.load_many(path)
    print(
        f"\none file of {os.path.getsize(path) / 1e6:.2f} MB, loaded in "
        f"{time.perf_counter() - start:.2f} s"
    )
    own = test[n - 1, :3]
    print(f"sensor {n - 1} predicts {loaded[f'sensor {n - 1}'].forward(X[own])[:, 0].round(2)}")
    print(f"and measured         {y[own].round(2)}")

    if arguments.plot:
        draw(arguments.plot, networks, one, sensor, X, y)


def draw(file, networks, one, sensor, X, y):
    import matplotlib.pyplot as plt

    angle = np.linspace(0, 2 * np.pi, 200)
    inputs = np.column_stack([np.cos(angle), np.sin(angle)])
    hours = 12 / np.pi * angle
    with plotting.style():
        figure, axes = plt.subplots(
            2, 3, figsize=(9, 4.8), sharex=True, sharey=True, layout="constrained"
        )
        for i, ax in enumerate(axes.flat):
            own = sensor == i
            at = np.arctan2(X[own, 1], X[own, 0]) % (2 * np.pi) * 12 / np.pi
            ax.scatter(at, y[own], s=6, color=plotting.BLUE, alpha=0.4, linewidths=0)
            ax.plot(hours, networks[i].forward(inputs)[:, 0], color=plotting.ORANGE)
            ax.plot(hours, one.forward(inputs)[:, 0], color="#222222", lw=1.1, ls=(0, (5, 3)))
            ax.set_title(f"sensor {i}")
            ax.set(xlim=(0, 24), xticks=range(0, 25, 6))
        figure.supxlabel("hour")
        names = ["readings", "its own network", "one network for all"]
        figure.legend(ax.collections[:1] + ax.lines, names, loc="outside upper center", ncols=3)
        figure.savefig(file)


if __name__ == "__main__":
    main()
