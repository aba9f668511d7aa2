"""A search by Optuna that stops hopeless trainings early.

Optuna (`pip install optuna`, not a part of fastnn) proposes settings from the
results of earlier ones. Its pruner stops a training whose loss is worse than
the median of earlier trainings at the same epoch. fastnn reports the loss from
a callback: a function that is called after each epoch, and that stops training
by returning True. The table is scikit-learn's load_breast_cancer (extra
sklearn): 569 tumours with 30 numbers each, malignant or not.

You will see how many of the trainings were pruned, how many epochs that saved,
the best settings, and their accuracy on rows that the search has not used. With
--plot you get the validation loss of each training.

    python examples/optuna_pruning.py --plot optuna.png
"""

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np
import optuna
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import fastnn
from fastnn import plotting

EPOCHS = 60


def load(seed):
    """Return three parts of the table: to train on, to choose settings by, and to test."""
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.33, random_state=seed)
    mean, std = X.mean(axis=0), X.std(axis=0)
    scaled = [((part - mean) / std).astype(np.float32) for part in (X, X_val, X_test)]
    return list(zip(scaled, (y, y_val, y_test)))


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--trials", type=int, default=200, help="default: 200")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()
    train, validation, (X_test, y_test) = load(arguments.seed)
    networks = {}

    def objective(trial):
        width = trial.suggest_int("width", 2, 128, log=True)
        rate = trial.suggest_float("rate", 1e-5, 1, log=True)
        decay = trial.suggest_float("weight_decay", 1e-4, 10, log=True)
        net = fastnn.MLP([30, width, 1], output="sigmoid", rng=arguments.seed)

        def report(net, history):
            trial.report(history.val_loss[-1], history.n_epochs)
            return trial.should_prune()

        history = net.fit(
            *train,
            optimizer=fastnn.AdamW(rate, weight_decay=decay),
            epochs=EPOCHS,
            validation_data=validation,
            callbacks=report,
        )
        networks[trial.number] = net
        if history.n_epochs < EPOCHS:
            raise optuna.TrialPruned
        return history.val_loss[-1]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=arguments.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=3),
    )
    start = time.perf_counter()
    study.optimize(objective, n_trials=arguments.trials, catch=fastnn.DivergenceError)
    seconds = time.perf_counter() - start

    n = len(study.trials)
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    epochs = sum(len(trial.intermediate_values) for trial in study.trials)
    print(f"{n} trainings in {seconds:.1f} s, {pruned} of them pruned")
    print(f"{epochs} epochs instead of {n * EPOCHS}")
    settings = ", ".join(f"{name} {value:.3g}" for name, value in study.best_params.items())
    print(f"best validation loss {study.best_value:.4f}: {settings}")
    net = networks[study.best_trial.number]
    print(f"test accuracy {((net.forward(X_test)[:, 0] > 0.5) == y_test).mean():.3f}")
    if arguments.plot:
        draw(arguments.plot, study)


def draw(file, study):
    import matplotlib.pyplot as plt

    looks = {"COMPLETE": plotting.BLUE, "PRUNED": plotting.ORANGE}
    with plotting.style():
        figure, ax = plt.subplots(figsize=(8, 4))
        for trial in study.trials:
            if trial.state.name in looks:
                epochs, losses = zip(*sorted(trial.intermediate_values.items()))
                look = dict(color=looks[trial.state.name], linewidth=0.9, alpha=0.7)
                end = dict(marker="o", markevery=[-1], markersize=3)
                ax.plot(epochs, losses, **look, **end)
        for name, color in looks.items():
            ax.plot([], [], color=color, label=f"{name.lower()}d".replace("dd", "d"))
        ax.set(yscale="log", xlabel="epoch", ylabel="validation loss", xlim=(0, EPOCHS + 1))
        ax.set_title(f"{len(study.trials)} trainings by Optuna")
        ax.legend(loc="upper right")
        figure.savefig(file)


if __name__ == "__main__":
    main()
