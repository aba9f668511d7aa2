"""The summary of a network, and what notebooks show of networks, histories and estimators."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from places import DOCS

import fastnn
from fastnn.core import notebook

X = np.random.default_rng(0).normal(size=(40, 4))


def cells(html):
    """The texts of the cells of each row of the tables. Fails if the HTML is not well-formed."""
    return [["".join(cell.itertext()) for cell in row] for row in ET.fromstring(html).iter("tr")]


def printed(net, capsys):
    assert net.summary() is None
    return capsys.readouterr().out


NETWORKS = [
    (([4, 3, 2],), {}),
    (([4, 1],), dict(dtype="float64", output="sigmoid")),
    (([4, 5, 6, 2], ["tanh", "relu"]), dict(bias=False)),
]


@pytest.mark.parametrize(("arguments", "options"), NETWORKS)
def test_the_summary_adds_up(capsys, arguments, options):
    net = fastnn.MLP(*arguments, rng=0, **options)
    title, header, *layers, total, gradient = printed(net, capsys).splitlines()
    assert title == f"MLP, {net.dtype}"
    assert header.split() == ["layer", "input", "output", "activation", "parameters", "bytes"]
    rows = [re.split(r"  +", line) for line in layers]
    assert [row[1] for row in rows] == [f"(n, {k})" for k in net.layer_sizes[:-1]]
    assert [row[2] for row in rows] == [f"(n, {m})" for m in net.layer_sizes[1:]]
    assert [row[3] for row in rows] == list(net.activations)
    names = [f"hidden {i + 1}" for i in range(len(rows) - 1)]
    assert [row[0] for row in rows] == [*names, "output"]
    sizes = [W.size + (0 if b is None else b.size) for W, b in zip(net.weights, net.biases)]
    assert [int(row[4]) for row in rows] == sizes
    assert [int(row[5]) for row in rows] == [size * net.dtype.itemsize for size in sizes]
    assert total.split() == ["total", str(net.n_params), str(net.params.nbytes)]
    assert gradient.split() == ["gradient", str(net.grads.nbytes)]


def test_the_columns_are_aligned_and_large_numbers_are_readable(capsys):
    text = printed(fastnn.MLP([4096, 512, 10], dropout=0.25), capsys)
    lines = text.splitlines()[1:]
    assert {len(line) for line in lines} == {len(lines[0])} and len(lines[0]) <= 80
    assert "2,097,664" in text and "8,390,656" in text  # 4096 * 512 + 512 numbers of 4 bytes
    assert lines[0].split()[4] == "dropout" and lines[2].split()[6] == "0.25"


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs", fastnn.Adam(average=0.9)])
def test_the_memory_of_the_optimizer_is_that_of_its_moments(capsys, optimizer):
    pytest.importorskip("scipy", reason="L-BFGS is that of SciPy")
    net = fastnn.MLP([4, 3, 1], rng=0)
    net.fit(X, X[:, 0], optimizer=optimizer, epochs=1)
    last = printed(net, capsys).splitlines()[-1]
    name = type(net.state.optimizer).__name__
    assert last.split() == ["state", "of", name, str(net.state.moments.nbytes)]


def test_the_memory_at_a_batch_size(capsys):
    pytest.importorskip("scipy", reason="L-BFGS is that of SciPy")
    net = fastnn.MLP([4, 3, 1], rng=0)
    net.summary(batch_size=1000)
    *usual, training, forward = capsys.readouterr().out.splitlines()
    assert "\n".join(usual).split() == printed(net, capsys).split()
    assert training.startswith("training, 1,000 rows  ")
    assert forward.startswith("forward, 1,000 rows  ")
    net.fit(X, X[:, 0], optimizer="lbfgs", epochs=1)
    net.summary(batch_size=1000)
    *_, state, last = capsys.readouterr().out.splitlines()
    assert state.startswith("state of LBFGS  ") and last.split() == forward.split()
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, got 0"):
        net.summary(batch_size=0)


def test_the_summary_in_the_guide(capsys):
    page = DOCS / "plots.md"
    if not page.exists():
        pytest.skip("there is no docs/ beside these tests")
    (promised,) = re.findall(r">>> net.summary\(\)\n(.*?)```", page.read_text(), re.S)
    net = fastnn.MLP([64, 64, 10], output="softmax", rng=0)
    net.fit(np.ones((4, 64)), np.zeros(4), epochs=1)
    assert printed(net, capsys) == promised


def test_a_notebook_shows_the_summary_as_a_table(capsys):
    net = fastnn.MLP([4, 3, 2], "tanh", output="softmax", rng=0)
    net.fit(X, X[:, 0] > 0, epochs=1)
    lines = printed(net, capsys).splitlines()[1:]
    html = net._repr_html_()
    table = [[text for text in row if text] for row in cells(html)]
    assert table == [re.split(r"  +", line) for line in lines]
    header, *rows = ET.fromstring(html).iter("tr")
    lines = [i for i, row in enumerate(rows) if "border-top" in row.get("style")]
    assert lines == [0, 2]  # above the layers and the totals
    for row in header, rows[0]:
        alignments = [re.search("text-align:([a-z]+)", cell.get("style"))[1] for cell in row]
        assert alignments == ["left"] * 4 + ["right"] * 2


def test_a_notebook_shows_a_history():
    history = fastnn.MLP([4, 3, 1], rng=0).fit(X, X[:, 0], epochs=30, validation_data=(X, X[:, 1]))
    html = history._repr_html_()
    best = int(np.argmin(history.val_loss))
    expected = {
        **{"epochs": "30", "steps": "60", "loss": f"{history.loss[-1]:.4g}"},
        "lowest validation loss": f"{history.val_loss[best]:.4g} in epoch {best + 1}",
        "stopped": "all epochs done",
    }
    assert expected.items() <= dict(cells(html)).items()
    (svg,) = ET.fromstring(html).iter("{http://www.w3.org/2000/svg}svg")
    frame, *curves = [p.get("d") for p in svg if p.get("fill") == "none"]
    left, top, bottom, right = map(int, re.findall(r"\d+", frame))
    both = np.array([history.loss, history.val_loss])
    low, high = both.min(), both.max()
    for values, path in zip(both, curves, strict=True):
        places = np.array([p.split(",") for p in re.split("[ML]", path)[1:]], float)
        y = bottom - (bottom - top) * (values - low) / (high - low)
        np.testing.assert_allclose(places.T, [np.linspace(left, right, 30), y], atol=0.051)
    texts = [each.text for each in svg if each.get("text-anchor")]
    names = ["1", "30", "epoch", "loss", "validation loss"]
    assert texts == [f"{high:.3g}", f"{low:.3g}", *names]
    assert svg[0].text.startswith("loss and validation loss by epoch, from ")


def test_a_history_without_epochs_or_with_gaps():
    assert "<svg" not in fastnn.History()._repr_html_()
    assert "<svg" not in fastnn.History(loss=[1.0])._repr_html_()
    nan = float("nan")
    html = fastnn.History(loss=[3.0, 2.0, nan, 1.0, 0.5], val_loss=[nan] * 5)._repr_html_()
    (path,) = re.findall(r'd="(M[^"]*L[^"]*)"', html)
    assert re.sub("[^ML]", "", path) == "MLML"
    assert "nan" in dict(cells(html))["validation loss"]


def test_a_long_history_makes_a_short_picture():
    html = fastnn.History(loss=np.linspace(1, 0, 100_000).tolist(), n_epochs=100_000)._repr_html_()
    assert len(re.findall("L[0-9.]+,", html)) == 299 and "100,000" in html


def test_text_is_escaped():
    history = fastnn.History(loss=[1.0, 2.0], stop_reason="<script>&")
    assert dict(cells(history._repr_html_()))["stopped"] == "<script>&"
    assert "<script" not in history._repr_html_()
    assert "<b>" not in notebook.titled("<b>", notebook.curves({"<b>": [1, 2]}, "<b>"))


ESTIMATORS = ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"]


@pytest.mark.filterwarnings("ignore:.*stopped after max_iter")
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_notebooks_show_parameters_and_attributes_of_estimators(name, fitted):
    """Those are scikit-learn's tables. A link to its site would lead nowhere."""
    sklearn = pytest.importorskip("sklearn", reason="the estimators need the extra sklearn")
    estimator = getattr(fastnn, name)(hidden_layer_sizes=3, n_estimators=2, random_state=0)
    if fitted:
        estimator.fit(X, X[:, 0] > 0 if "Classifier" in name else X[:, 0])
    html = estimator._repr_html_()
    assert name in html and "href=" not in html
    if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):
        assert "hidden_layer_sizes" in html and ("oof_prediction_" in html) == fitted
