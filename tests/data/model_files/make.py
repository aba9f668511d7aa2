"""Write the golden model files that do not exist yet, and what they predict, to expected.json.

    python tests/data/model_files/make.py

A file is never written again, since every later version of fastnn must load it. A new version of a
format adds files. The names end with the version of the format.
"""

import json
import pathlib
import warnings

import numpy as np
import pandas as pd

import fastnn
from fastnn import MLPClassifier, MLPRegressor, TabularClassifier, losses, schedules
from fastnn.tabular.fitting import recipe

FOLDER = pathlib.Path(__file__).parent
EXPECTED = FOLDER / "expected.json"
X = np.arange(-6, 6).reshape(4, 3) / 4  # exact in binary, as are the parameters of `exact`
ROWS = np.sin(np.arange(180.0)).reshape(60, 3)


def exact(sizes, **options):
    """A network of relu layers that computes without rounding: the same bits on every machine."""
    net = fastnn.MLP(sizes, "relu", rng=0, **options)
    net.params[:] = (np.arange(net.n_params) % 13 - 6) / 8
    return net


def network(path):
    net = exact([3, 5, 2])
    net.metadata = {"place": "Zürich"}
    net.save(path)


def state(path):
    """A network with everything that a training state can have, stopped within an epoch."""
    optimizer = fastnn.SGD(schedules.ReduceOnPlateau(0.3, patience=0), clip_norm=1.0, average=0.9)
    stop = fastnn.EarlyStopping(2)
    net = fastnn.MLP([3, 4, 1], "tanh", dtype="float64", rng=3, dropout=[0.1, 0.2])
    options = dict(batch_size=8, validation_fraction=0.25, callbacks=stop)
    net.fit(ROWS, ROWS[:, 0], "huber", optimizer, epochs=3, **options)
    net.state.row, net.state.loss_sum, net.state.order = 16, 1.25, net.rng.permutation(45)
    net.save(path)


def networks(path):
    nets = [exact([3, 5, 2]), exact([3, 2], bias=False), exact([3, 5, 2])]
    nets[2].params *= -1
    nets[1].metadata = {"place": "north"}
    fastnn.save_many(dict(zip("abc", nets)), path)


def classifier(path):
    labels = np.array(["no", "perhaps", "yes"])[np.arange(60) % 3]
    solver, loss = fastnn.AdamW(lr=schedules.CosineDecay(0.01, 9)), losses.CrossEntropy(0.1)
    options = dict(n_estimators=2, max_iter=5, class_weight={"no": 2.0}, n_iter_no_change=np.inf)
    options |= dict(random_state=np.random.RandomState(0), solver=solver, loss=loss)
    clf = MLPClassifier((4,), activation="tanh", **options)
    clf.fit(ROWS, labels).calibrate(ROWS, labels)
    clf.feature_names_in_ = np.array(["a", "ä", "c"], object)
    clf.save(path)


def regressor(path):
    reg = MLPRegressor((4,), n_estimators=3, max_iter=5, random_state=0, dtype="float32")
    reg.fit(ROWS, ROWS[:, :2] ** 2).save(path)


def table():
    """A column of each kind, most with missing values."""
    i = np.arange(60)
    return pd.DataFrame(
        {
            "number": np.where(i % 9 == 0, np.nan, ROWS[:, 0]),
            "city": np.array(["Bern", "Zürich", None])[i % 3],
            "price": [f"1.{100 + k},50 €" for k in i],
            "day": np.datetime64("2020-02-28T06") + 241 * i,
            "count": i % 4,
            "flag": i % 5 == 0,
            "same": 1,
        }
    )


SMALL = dict(n_estimators=2, hidden_layer_sizes=(3,), random_state=0, n_threads=1)


def tabular_classifier(path):
    labels = np.where(ROWS[:, 1] > 0, "high", "löw")
    clf = TabularClassifier(**SMALL, threshold=0.4, class_weight={"high": 2.0, "löw": 1.0})
    clf.fit(table(), labels)
    clf.metadata_["place"] = "Zürich"
    clf.save(path)


def tabular_regressor(path):
    fastnn.TabularRegressor(**SMALL, log_target=True).fit(table(), ROWS[:, 1] + 2).save(path)


FILES = (network, state, networks, classifier, regressor, tabular_classifier, tabular_regressor)


def predictions(model):
    """What a loaded model predicts for X, {name: nested lists}."""
    if isinstance(model, dict):
        return {name: net.forward(X).tolist() for name, net in model.items()}
    if isinstance(model, fastnn.MLP):
        return {"forward": model.forward(X).tolist()}
    rows = table() if "Tabular" in type(model).__name__ else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # X has no feature names
        found = {"predict": model.predict(rows)}
        if hasattr(model, "predict_proba"):
            found["predict_proba"] = model.predict_proba(rows)
        else:
            found["lower"], found["upper"] = model.predict_interval(rows, 0.8)
    return {name: values.tolist() for name, values in found.items()}


def load(path):
    name = path.name.partition("-")[0]
    return (fastnn.load_many if name == "networks" else fastnn.load)(path)


def main():
    recipe.n_epochs = lambda configuration, n: 2  # short trainings of estimators for tables
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    for write in FILES:
        path = FOLDER / f"{write.__name__}-1.safetensors"
        if path.exists():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # training is short on purpose
            write(path)
        expected[path.name] = predictions(load(path))
        print("wrote", path.name)
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    EXPECTED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
