"""Typical user code, which mypy --strict and pyright must accept, and wrong calls, which they must
reject. Each wrong call has a `type: ignore` comment. A comment that is not needed is an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastnn
from fastnn import MLP, Adam, EarlyStopping, History, export, plotting, reference, schedules
from fastnn import functional as F
from fastnn.callbacks import Callback
from fastnn.datasets import load_digits
from fastnn.losses import Huber
from fastnn.typing import FloatArray


class Report(Callback):
    """Prints every tenth epoch, and stops when the loss is small."""

    def on_epoch_end(self, net: MLP, history: History) -> bool | None:
        if history.n_epochs % 10 == 0:
            print(net.state.epoch, history.loss[-1])
        return history.loss[-1] < 1e-3


def stop_early(net: MLP, history: History) -> bool:
    return len(history.val_loss) > 3


def mean_squared_error(outputs: FloatArray, y: NDArray[np.float32]) -> tuple[float, FloatArray]:
    difference = outputs - y
    return float((difference**2).mean()), 2 * difference / difference.size


def networks(X: NDArray[np.float32], y: NDArray[np.float32], folder: Path) -> float:
    net = MLP([3, 8, 8, 1], activation=["relu", "tanh"], dropout=0.1, rng=0)
    history = net.fit(
        X,
        y,
        loss="mse",
        optimizer=Adam(schedules.CosineDecay(0.01, duration=20), clip_norm=1.0),
        epochs=5,
        batch_size=None,
        shuffle=False,
        validation_data=(X, y),
        sample_weight=np.ones(len(X)),
        callbacks=[EarlyStopping(patience=3), Report(), stop_early],
        n_threads=-1,
        rng=np.random.default_rng(0),
        validation_fraction=0.0,
    )
    net.fit(X.tolist(), y, loss=mean_squared_error, optimizer="sgd", resume=False)
    net.fit(X, y, loss=Huber(0.5), optimizer=fastnn.SGD(0.1, momentum=0.9), epochs=1)
    online: History = net.partial_fit(X[:1], y[:1])
    net.params -= 0.1 * net.grads
    net.weights[0] = np.zeros((3, 8))
    outputs = net.forward(X, keep=True)
    gradient = net.backward(np.ones_like(outputs))
    net.save(folder / "net.safetensors")
    loss: float = net.loss_and_grad(X, y) + history.val_loss[-1]
    return loss + online.loss[0] + float(gradient.sum()) + net.copy().params.size


def row_groups(X: NDArray[np.float32], y: NDArray[np.float32], folder: Path) -> History:
    def groups() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for start in range(0, len(X), 100):
            yield X[start : start + 100], y[start : start + 100]

    net = MLP([3, 8, 1], rng=0)
    net.fit(groups, window=1000, epochs=2)
    net.fit([(X, y), (X, y)], validation_data=(X, y))
    history: History = net.fit(folder / "rows.parquet", "price", epochs=1)
    net.fit("rows.parquet", ["price"], resume=True)
    net.summary(batch_size=32)
    return history


def many(X: NDArray[np.float32], y: NDArray[np.float32], folder: Path) -> FloatArray:
    nets = [MLP([3, 4, 1], rng=seed) for seed in range(2)]
    histories = fastnn.fit_many(nets, X, y, epochs=[1, 2], optimizer=["adam", Adam(0.1)])
    fastnn.save_many(dict(zip(["a", "b"], nets)), folder / "many.safetensors")
    loaded: dict[str, MLP] = fastnn.load_many(folder / "many.safetensors", dict)
    print([history.seconds for history in histories], loaded["a"].params.size)
    members = fastnn.population(3, [3, 4, 1], rng=[0, 1, None])
    members.params += 0.1
    first: MLP = members[0]
    some: list[MLP] = members[1:]
    print(first.n_params, len(some), fastnn.forward_many(members, X).shape)
    return fastnn.forward_many(nets, X)


def arrays(X: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    W, b = np.zeros((3, 1), "float32"), np.zeros(1, "float32")
    Z = F.linear(X, W, b)
    grad = np.empty_like(Z)
    loss = F.binary_cross_entropy_with_logits(Z, y > 0, grad=grad)
    _, dW, db = F.linear_backward(grad, X, W, b, Z)
    F.adam_step_(W, dW, np.zeros_like(W), np.zeros_like(W), step=1)
    print(db, fastnn.initializers.he_normal(np.random.default_rng(0), 3, 4).shape)
    table = fastnn.EncodedTable(numbers=X, codes=np.zeros((len(X), 1), int), n_categories=[3])
    print(MLP([table.n_inputs, 1]).fit(table, y, epochs=1).stop_reason)
    return loss


def estimators(X: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    classifier = fastnn.MLPClassifier((8,), max_iter=2, tol=0, n_iter_no_change=100)
    probabilities = classifier.fit(X, y > 0).predict_proba(X)
    print(probabilities.shape, classifier.network_.n_params, classifier.classes_.tolist())
    curve: list[float] = classifier.loss_curve_
    print(curve[-1], classifier.n_iter_, classifier.max_iter, classifier.networks_[0].layer_sizes)
    print(classifier.calibrate(X, y > 0).temperature_)
    low, high = (
        fastnn.MLPRegressor((4,), max_iter=2, n_estimators=3, tol=0, n_iter_no_change=100)
        .fit(X, y)
        .predict_interval(X, coverage=0.5)
    )
    print((high - low).mean())
    tabular = fastnn.TabularClassifier(n_estimators=2, hidden_layer_sizes=[8], random_state=0)
    print(tabular.fit(X, y > 0).score(X, y > 0), tabular.oof_score_, tabular.columns_)
    probability: NDArray[np.float64] = tabular.predict_proba(X)
    print(probability[0, 1], tabular.predict(X).shape)
    regressor = fastnn.TabularRegressor(2, hidden_layer_sizes=[8], random_state=0)
    regressor.fit(X, y)
    assert_type(regressor.predict(X), NDArray[np.float64])
    mean, deviation = regressor.predict(X, return_std=True)
    assert_type(deviation, NDArray[np.float64])
    print(mean[0] - regressor.predict_interval(X)[0][0])
    neural = fastnn.MLPRegressor((4,), max_iter=2, n_estimators=2, tol=0, n_iter_no_change=100)
    neural.fit(X, y)
    assert_type(neural.predict(X), NDArray[Any])
    assert_type(neural.predict(X, True), tuple[NDArray[Any], NDArray[Any]])
    scores = fastnn.cross_validate(fastnn.MLPRegressor((4,), max_iter=2), X, y, cv=2)
    search = fastnn.HalvingSearchCV(fastnn.MLPRegressor((4,)), {"alpha": [0.1, 1]}, n_iter=2)
    print(scores["test_score"], search.fit(X, y).best_params_, search.best_score_)
    fastnn.HalvingSearchCV(classifier, {"alpha": [0.1, 1]}, n_iter="all", min_resources=2)


def plots(net: MLP, X: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    with plotting.style():
        ax = plotting.plot_history(net)
        plotting.plot_roc(y > 0, net.forward(X), ax, labels=[False, True], name="net")
    plotting.plot_confusion(["cat", "dog"], ["dog", "dog"], normalize="true")
    plotting.plot_reliability(y > 0, net.forward(X), n_bins=5, strategy="quantile")
    plotting.plot_decision(net, X[:, :2], y > 0)
    plotting.plot_residuals(y, net.forward(X))
    plotting.plot_importances(net, X, y, n_repeats=2, random_state=0)
    plotting.plot_weights(net, shape=(8, 8), units=[0, 1])
    plotting.plot_images(X.reshape(-1, 8, 8), titles=["first", "second"], columns=2)


def in_numpy(net: MLP, X: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    outputs = reference.forward(X, net.weights, net.biases, ["relu", "identity"])
    loss, _, _ = reference.loss_and_grad(
        X, y, net.weights, net.biases, ["relu", "identity"], "mse", dropout=[0.0, 0.5]
    )
    reference.sgd_step_(net.params, net.grads, lr=0.1)
    return loss + reference.mean_squared_error(outputs, y)


def exported(net: MLP, folder: Path) -> None:
    export.c(net, folder / "net.c", derivatives=2, interval=None)
    export.casadi(net, folder / "casadi.c")
    print(fastnn.load(folder / "net.safetensors").forward([[0.0, 0.0, 0.0]]))
    loaded = fastnn.load(folder / "net.safetensors", MLP)
    assert_type(loaded, MLP)
    print(loaded.forward([[0.0, 0.0, 0.0]]))
    images, digits = load_digits()
    print(images.shape, digits.shape, fastnn.kernels.CHOSEN)


def wrong(net: MLP, X: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    MLP([3, 1], activation="rleu")  # type: ignore[arg-type]
    MLP([3, 4, 1], activation="softmax")  # type: ignore[arg-type]
    MLP(layer_sizes=3)  # type: ignore[arg-type]
    net.fit(X, y, lr=0.1)  # type: ignore[call-arg]
    net.fit(X, y, optimizer="adamm")  # type: ignore[arg-type]
    net.fit(X, y, loss="hinge")  # type: ignore[arg-type]
    net.fit(X, y, epochs="ten")  # type: ignore[arg-type]
    net.fit()  # type: ignore[call-arg]
    net.fit(X, y, callbacks=EarlyStopping)  # type: ignore[arg-type]
    Adam(lr="fast")  # type: ignore[arg-type]
    Adam(momentum=0.9)  # type: ignore[call-arg]
    schedules.StepDecay(0.1)  # type: ignore[call-arg]
    EarlyStopping(keep="best")  # type: ignore[arg-type]
    F.linear(X)  # type: ignore[call-arg]
    fastnn.MLPClasifier()  # type: ignore[attr-defined]
    fastnn.MLPClassifier(learning_rate="cosine")  # type: ignore[arg-type]
    net.fit("rows.parquet", "price", window="all")  # type: ignore[arg-type]
    plotting.plot_confusion(y, y, normalize="rows")  # type: ignore[arg-type]
    plotting.plot_roc(y)  # type: ignore[call-arg]
    reference.sgd_step_(X, X, 0.1, "adam")  # type: ignore[arg-type]
    history: str = net.fit(X, y)  # type: ignore[assignment]
    print(history)
