"""Trainings of the playground: forward, back, as code and a hundred at once, always with the same bits."""

import base64
import decimal
import json
import shlex
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_same_bits
from cli_cases import write_csv
from processes import wait_for

import fastnn
from fastnn import schedules
from fastnn.activations import HIDDEN
from fastnn.functional import activation
from fastnn.playground import from_arrays, from_points, from_table, make_data, trainings
from fastnn.playground.data_sets import DATA_SETS, PlayError
from fastnn.playground.notebook_widget import NotebookTraining
from fastnn.playground.picture import Picture
from fastnn.playground.playback import DataSource, Playback, as_command, as_python, from_state

from fastnn.playground.playback import state_of  # isort: skip
from fastnn.playground.settings import ACTIVATIONS, EXCLUDED, HELP, LESSONS, LOSSES, OPTIMIZERS

from fastnn.playground.settings import Settings  # isort: skip
from fastnn.playground.trainings import GridTraining, NetworkTraining

POINTS = [[0.1, 0.2, 0], [0.3, -0.5, 1], [0.2, 0.2, 1], [-0.3, 0.1, 0], [0.5, 0.5, 1]]
CASES = {
    "classes": dict(data="circles", n=100),
    "many classes": dict(data="digits", n=200, schedule="cosine", l2=1e-3, dtype="float64"),
    "numbers": dict(data="waves", n=90, hidden=(), activations=(), optimizer="momentum"),
    "points": dict(data="points", batch=3, dropout=0.2),
}


DATA_OF = {"two classes": "circles", "classes": "digits", "numbers": "waves"}
CHOICES = [dict(data="circles", activations=(name,)) for name in ACTIVATIONS]
CHOICES += [dict(data="circles", activations=("tanh",), optimizer=name) for name in OPTIMIZERS]
for kind, names in LOSSES.items():
    CHOICES += [dict(data=DATA_OF[kind], activations=("tanh",), loss=name) for name in names]


def begin(values):
    settings = Settings(**values)
    rows = DataSource(settings, POINTS if settings.data == "points" else None)
    return Playback(settings, rows.make()), rows


def run_code(playback, rows):
    """The network that the copied code saves, in the working directory."""
    exec(compile(as_python(playback, rows), "copied.py", "exec"), {})
    return fastnn.load("network.safetensors")


def play(playback):
    """Train, with changes within epochs."""
    playback.advance(41)
    playback.change(replace(playback.settings, lr=0.03, dropout=0.1, l1=1e-4))
    playback.advance(33)
    playback.change(replace(playback.settings, optimizer="rmsprop", schedule="exponential"))
    playback.advance_epoch()
    playback.change(replace(playback.settings, batch=5))
    playback.advance(17)


@pytest.mark.parametrize("case", CASES)
def test_the_way_back_and_forward_has_the_same_bits(case):
    playback, _ = begin(CASES[case])
    play(playback)
    at, params, losses = playback.step, playback.net.params.copy(), list(playback.loss)
    for step in (at - 1, 42, 0, at // 2):
        playback.seek(step)
        assert playback.step == step and len(playback.loss) == playback.epoch
        playback.seek(at)
        assert_same_bits(playback.net.params, params)
        assert playback.loss == losses


def test_copies_have_a_limit(monkeypatch):
    monkeypatch.setattr("fastnn.playground.playback.COPIES_BYTES", 50_000)
    playback, _ = begin(CASES["classes"])
    params = []
    for _ in range(60):
        playback.advance(1)
        params.append(playback.net.params.copy())
    assert len(playback.copies) < 20 and 0 in playback.copies
    for step in (59, 30, 7, 1):
        playback.seek(step)
        assert_same_bits(playback.net.params, params[step - 1])


@pytest.fixture
def tab():
    return NetworkTraining({"step": 0, "settings": [[0, {}]]})


def test_new_settings_end_the_way_forward(tab):
    tab.command({"do": "epoch"})
    assert (tab.frame()["last"], tab.frame()["pending"]) == (11, False)
    tab.command({"do": "seek", "step": 1})
    settings = tab.description()["settings"]
    tab.command({"do": "settings", "settings": settings | {"lr": settings["lr"] / 2}})
    assert (tab.frame()["last"], tab.frame()["pending"]) == (1, True)


def test_frames_take_steps_of_the_speed_until_the_last_epoch(tab):
    """An epoch has eleven steps."""
    first = tab.frame()
    assert (first["step"], first["last_epoch"], first["steps_per_second"]) == (0, 200_000, 1000)
    for speed, step in (0, 10), (7.9, 17), (5000, 1017):
        tab.command({"do": "speed", "steps": speed})
        tab.command({"do": "play"})
        frame = tab.frame()
        assert (frame["step"], frame["epoch"], frame["playing"]) == (step, step // 11, True)
    assert frame["version"] == first["version"] + 9
    tab.command({"do": "step"})
    assert (tab.playback.step, tab.playing) == (1018, False)
    rates = []
    for epochs in 93, 100, 100:  # the last time there is nothing to do
        tab.command({"do": "stop", "epochs": epochs})
        tab.command({"do": "play"})
        frame = tab.frame()
        assert (frame["step"], frame["epoch"], frame["playing"]) == (11 * epochs, epochs, False)
        rates.append(tab.rate)
    assert rates[0] != rates[1] == rates[2]
    tab.command({"do": "stop", "epochs": 0})
    for do, asked, step in ("epoch", None, 1111), ("seek", 10**6, 1111), ("seek", -3, 0):
        tab.command({"do": "play"})
        tab.command({"do": do, "step": asked})
        frame = tab.frame()
        assert (frame["step"], frame["last"], frame["playing"]) == (step, 1111, False)
    answer = tab.command({"do": "points", "points": POINTS, "settings": {}})
    assert answer["network"] == tab.frame()["network"] == first["network"] + 1


def test_a_slow_network_trains_a_step_for_each_frame(tab, monkeypatch):
    """Here it takes half a second."""
    monkeypatch.setattr(trainings, "time", SimpleNamespace(perf_counter=count(0, 0.5).__next__))
    tab.rate, tab.playing = 10, True
    tab.frame()
    assert tab.playback.step == 1 and tab.rate == pytest.approx(0.7 * 10 + 0.3 * 2)


@pytest.mark.parametrize("case", CASES)
def test_a_state_has_the_same_bits(case):
    playback, rows = begin(CASES[case])
    play(playback)
    playback.change(replace(playback.settings, lr=0.5))  # from the next epoch on
    again, _ = from_state(json.loads(json.dumps(state_of(playback, rows.points))))
    assert (again.settings, again.step) == (playback.settings, playback.step)
    assert_same_bits(again.net.params, playback.net.params)


def test_settings_before_the_first_step():
    """They are those of the network. Without held-out rows there is no loss of them."""
    playback, rows = begin(CASES["classes"] | dict(test=0.0))
    assert not playback.change(replace(playback.settings, lr=0.03, dropout=0.1))
    (segment,) = playback.segments
    assert (segment.start, segment.is_fresh, playback.pending) == (0, True, None)
    assert segment.settings == playback.settings and playback.settings.dropout == 0.1
    assert np.isnan(playback.test_loss_now())
    assert "rng=0, dropout=0.1,\n)\nnet.save(" in as_python(playback, rows)
    table = DataSource(playback.settings, None, ("a b.csv", "y", ["x", "z"]))
    state = json.dumps(state_of(playback), separators=(",", ":"))
    assert shlex.split(as_command(playback, table)) == [
        *("fastnn", "play", "a b.csv", "--target", "y", "--column", "x", "--column", "z"),
        *("--state", state, "--out", "network.safetensors"),
    ]


WRONG_SETTINGS = [
    (dict(hidden=8), "hidden must be a list with an entry for each hidden layer"),
    (dict(activations="tanh"), "activations must be a list with an entry for each hidden layer"),
    (dict(hidden=[1] * 7), "hidden must have at most 6 layers, got 7"),
    (dict(hidden=[1] * 6), "activations must have one name for each hidden layer"),
    ([1], "the settings must be a JSON object"),
    (dict(z=1, a=2), "unknown settings: a, z"),
    (dict(batch=0), "batch must be a whole number of at least 1, got 0"),
    (dict(hidden=[33, 8]), "units must be a whole number of at most 32, got 33"),
    (dict(seed=-1), "seed must be a whole number of at least 0, got -1"),
    (dict(test=1), "test must be a finite number at least 0 and below 1, got 1"),
    (dict(l2=-1), "l2 must be a finite number at least 0, got -1"),
    (dict(lr=0), "lr must be a finite number above 0, got 0"),
]


@pytest.mark.parametrize(("values", "message"), WRONG_SETTINGS)
def test_settings_that_are_refused(values, message):
    with pytest.raises(PlayError) as caught:
        Settings.from_json(values)
    assert str(caught.value) == message


def test_settings_have_defaults_limits_and_an_optimizer():
    rows = dict(data="circles", n=500, noise=0.1, data_seed=0, test=0.3)
    network = dict(hidden=(8, 8), activations=("tanh", "tanh"), seed=0, dtype="float32", loss="")
    steps = dict(optimizer="adam", lr=0.01, schedule="constant", schedule_epochs=100, batch=32)
    defaults = rows | network | steps | dict(l1=0.0, l2=0.0, dropout=0.0)
    assert Settings().to_json() == defaults and Settings().changes() == {}
    limits = dict(hidden=(1, 32) * 3, activations=["relu"] * 6, batch=1, schedule_epochs=1, test=0)
    assert Settings(**limits).changes().keys() == limits.keys()
    step, cosine = schedules.StepDecay(0.01, 4, 0.5), schedules.CosineDecay(0.01, 4)
    rates = [0.01, step, schedules.ExponentialDecay(0.01, 0.5**0.25), cosine]
    for name, rate in zip(("constant", "step", "exponential", "cosine"), rates, strict=True):
        penalties = dict(l1=1e-3, l2=1e-2)
        values = dict(schedule=name, schedule_epochs=4, optimizer="momentum", **penalties)
        expected = fastnn.SGD(rate, momentum=0.9, **penalties)
        assert repr(Settings(**values).make_optimizer()) == repr(expected)


@pytest.mark.parametrize("case", CASES)
def test_the_code_has_the_same_bits(case, run):
    playback, rows = begin(CASES[case])
    play(playback)
    assert_same_bits(run_code(playback, rows).params, playback.net.params)


def test_the_page_offers_all_that_networks_have_but_for_a_reason():
    offered = {*ACTIVATIONS, *OPTIMIZERS, *(name for names in LOSSES.values() for name in names)}
    known = {*HIDDEN, *fastnn.optimizers.OPTIMIZERS, *fastnn.losses.LOSSES}
    assert offered - {"momentum"} == known - EXCLUDED.keys() and EXCLUDED.keys() <= known
    assert [names[0] for names in LOSSES.values()] == ["bce", "cross_entropy", "mse"]


@pytest.mark.parametrize("values", CHOICES, ids=lambda v: "-".join(map(str, v.values())))
def test_each_choice_learns_draws_and_is_code(values, run):
    playback, rows = begin(values | dict(n=60, hidden=(3,)))
    before = playback.loss_now()
    playback.advance(40)
    assert playback.loss_now() < before
    frame = Picture(playback.data).frame(playback, (0, 1))
    assert all(np.isfinite(frame[name]) for name in ("loss", "test_loss"))
    assert_same_bits(run_code(playback, rows).params, playback.net.params)


def test_the_command_saves(run, tmp_path):
    state = json.dumps({"step": 5, "settings": [[0, {"data": "xor", "n": 20}]]})
    assert "after 5 steps" in run.output("play", "--state", state, "--out", "net.safetensors")
    assert fastnn.load(tmp_path / "net.safetensors").state.step == 5


WRONG_POINTS = '{"settings": [[0, {"data": "points"}]], "points": [[0, 1, {}]]}'


WRONG_ARGUMENTS = [
    (["--target", "y"], "--target and --column need a table"),
    (["digits"], "which column is learned? Pass --target COL"),
    (["digits", "--target", "digit", "--column", "a"], "pass --column two times"),
    (["digits", "--target", "digits"], "no column 'digits'. Did you mean 'digit'"),
    (["--port", "99999"], "--port: expected a whole number from 0 to 65535, got '99999'"),
    (["--state", "{"], "--state is not JSON"),
    (["--state", "{}"], "must be an object with"),
    (["--state", '{"settings": [{}]}'], "a list of pairs"),
    (["--out", "net.safetensors"], "--out needs --state"),
    (["--state", '{"settings": [[0, {"lr": -1}]]}'], "lr must be"),
    (["--state", '{"step": 1e400, "settings": [[0, {}]]}'], "1e400 is not a finite number"),
    (["--state", '{"settings": [[0, {"noise": -Infinity}]]}'], "-Infinity is not a finite"),
    (["--state", '{"settings": [[0, {"lr": 1' + "0" * 400 + "}]]}"], "is not a finite number"),
    (["--state", "[" * 100_000], "the JSON is nested too deeply"),
    (["--state", '{"step": 1e300, "settings": [[0, {}]]}'], "step must be a whole number"),
    (["--state", WRONG_POINTS], "points must be rows of three finite numbers"),
    (["--state", '{"settings": [[0, {"rate": 1}]]}'], "unknown settings: rate"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_ARGUMENTS)
def test_errors_of_the_command(run, arguments, message):
    code, out, error = run("play", *arguments)
    assert code == 2 and message in error and not out and error.count("\n") == 1


def test_a_training_that_diverges_stops_and_can_go_back():
    playback, _ = begin(dict(data="plane", n=50, hidden=(), activations=(), optimizer="sgd", lr=99))
    assert playback.advance(5000) < 5000 and "diverged" in playback.diverged
    playback.seek(0)
    assert playback.diverged == "" and playback.step == 0


@pytest.mark.parametrize("name", DATA_SETS)
def test_data_sets_are_reproducible_and_learned(name):
    data, again = (make_data(name, n=300, noise=0.05, seed=3) for _ in range(2))
    for part in "X", "y", "X_test", "y_test":
        assert_same_bits(getattr(data, part), getattr(again, part), part)
    assert len(data.X) == 210 and len(data.X_test) == 90 and data.X.dtype == np.float32
    playback = Playback(Settings(data=name, hidden=(16, 16), lr=0.02), data)
    playback.advance(3000)
    score = data.score(playback.net.forward(data.X_test), data.y_test)
    assert score > 0.85, score


def test_data_sets_have_their_shapes():
    made = {name: make_data(name, 4000, noise=0, test=0) for name in DATA_SETS}
    X, y = {name: data.X.astype(float) for name, data in made.items()}, np.arange(4000) % 2
    assert all((made[name].y == y).all() for name in ("circles", "spirals", "moons", "gauss"))
    r, is_inner = np.hypot(*X["circles"].T), y == 1
    found = [f(r[each]) for each in (is_inner, ~is_inner) for f in (np.min, np.median, np.max)]
    np.testing.assert_allclose(found, [0, 0.35 * 0.5**0.5, 0.35, 0.7, 0.825, 0.95], atol=0.02)
    t = np.hypot(*X["spirals"].T) / 0.95
    angle = 3.5 * np.pi * t + np.pi * y
    spirals = 0.95 * t * np.stack([np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose(X["spirals"].T, spirals, atol=1e-5)
    np.testing.assert_allclose([np.median(t**2), t.max()], [0.5, 1], atol=0.03)
    moons = X["moons"] / 0.6 + [0.5, 0.25]
    moons[is_inner] = [1, 0.5] - moons[is_inner]
    np.testing.assert_allclose(np.hypot(*moons.T), 1, atol=1e-5)
    assert moons[:, 1].min() > -1e-5 and np.ptp(moons[:, 0]) > 1.99
    centred = X["gauss"] - 0.8 * (y[:, None] - 0.5)
    np.testing.assert_allclose([centred.mean(), centred.std()], [0, 0.18], atol=0.01)
    quadrants = np.abs(X["xor"])
    np.testing.assert_allclose([quadrants.min(), quadrants.max()], [0.05, 0.95], atol=1e-3)
    for name, scale in ("plane", 1), ("stretched", [1, 50]):
        x = X[name] / scale
        np.testing.assert_allclose(made[name].y, x.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(made[name].positions(X[name]), x, atol=1e-6)
        np.testing.assert_allclose([x.min(), x.max()], [-1, 1], atol=1e-3)
    x1, x2 = 3 * X["waves"].T
    np.testing.assert_allclose(made["waves"].y, np.sin(x1) * np.cos(x2), atol=1e-5)
    for name, part in ("gauss", "X"), ("plane", "y"), ("digits", "X"):
        noisy = getattr(make_data(name, 4000, noise=0.2, test=0), part) - getattr(made[name], part)
        np.testing.assert_allclose(noisy.std(), 0.2, rtol=0.05)
    pixels = made["digits"].inputs
    assert (len(pixels), pixels[9], len(made["digits"].X)) == (64, "pixel 2,2", 1797)
    assert_same_bits(make_data().X, make_data("circles", 500, 0.1, 0, 0.3).X)
    for n in 9, 5001:
        assert len(make_data("plane", min(5000, n + 1), test=0).X) == min(5000, n + 1)
        with pytest.raises(PlayError, match="n must be"):
            make_data(n=n)


def test_scores():
    data = from_arrays(np.eye(3), [0.0, 1.0, 5.0], test=0)
    found = [data.score(np.array(Y)[:, None], data.y) for Y in ([0, 1, 5], [2, 2, 2], [0, 1, 6])]
    assert found == [1, 0, 1 - 1 / 14] and np.isnan(data.score(np.ones((0, 1)), data.y[:0]))
    assert data.score(np.ones((2, 1)), np.array([2.0, 2.0])) == -1  # as if the spread was 1
    assert data.score(np.full((3, 1), 1e30, "f4"), data.y) < -1e59
    two = from_arrays(np.eye(3), ["a", "a", "b"], test=0)
    assert two.score(np.array([[0.5], [0.6], [0.7]]), two.y) == pytest.approx(2 / 3)


def test_frames_are_json_and_describe_units():
    playback, _ = begin(CASES["classes"])
    playback.advance(30)
    picture, net, data = Picture(playback.data), playback.net, playback.data
    unit = picture.frame(playback, (1, 2))["unit"]
    a = np.tanh(data.X[:1] @ net.weights[0] + net.biases[0])
    z = a @ net.weights[1][:, 2] + net.biases[1][2]
    assert unit["z"] == pytest.approx(float(z[0]), abs=1e-6)
    assert unit["a"] == pytest.approx(float(np.tanh(z[0])), abs=1e-6)
    net.loss_and_grad(data.X, data.y)
    np.testing.assert_allclose(unit["dW"], net.grad_weights[1][:, 2], rtol=1e-6)
    frame = picture.frame(playback, (0, 0))
    sizes = [len(base64.b64decode(text)) for text in (frame["surface"], frame["units"][1][7])]
    assert (sizes, frame["unit"]["names"]) == ([64**2, 20**2], ["x1", "x2"])
    json.dumps(picture.frame(playback, (2, 0)) | picture.points())
    with pytest.raises(ValueError, match="unit must be"):
        picture.frame(playback, (1, 8))


NOISY = dict(data="circles", n=60, noise=0.5)
PICTURES = [NOISY, NOISY | dict(test=0.0), dict(data="digits", n=60), dict(data="plane", n=50)]


@pytest.mark.parametrize("values", PICTURES, ids=str)
def test_a_picture_shows_points_outputs_and_units(values):
    playback, _ = begin(values | dict(hidden=(3, 2), activations=("tanh", "relu"), dtype="float64"))
    playback.advance(40)
    picture, net, data = Picture(playback.data, 7, 4), playback.net, playback.data
    frame, points = picture.frame(playback), picture.points()
    center, radius = np.array(points["center"]), points["radius"]
    parts = dict(train=(data.X, data.y), test=(data.X_test, data.y_test))
    for part, (X, y) in parts.items():
        at = np.reshape(points[part]["at"], (-1, 2))
        np.testing.assert_allclose(at * radius + center, data.positions(X), atol=1e-3)
        np.testing.assert_allclose(points[part]["y"], y, atol=1e-4)

    def places(n):
        u = np.linspace(-1, 1, n)
        return data.inputs_at(center + radius * np.array([[x, y] for y in -u for x in u]))

    def levels(text):
        return np.frombuffer(base64.b64decode(text), np.uint8)

    Y, (low, high) = net.forward(places(7)), points["range"]
    if data.n_out > 1:
        assert (levels(frame["surface"]) == Y.argmax(axis=1)).all()
        shown, Y = frame["certainty"], Y.max(axis=1)
    else:
        shown, Y = frame["surface"], ((Y[:, 0] - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(levels(shown), 255 * Y, atol=0.51)
    A = places(4)
    for i, (f, n) in enumerate([("tanh", 3), ("relu", 2)]):
        A = activation(A @ net.weights[i] + net.biases[i], f)
        shares = (A - A.min(axis=0)) / (np.ptp(A, axis=0) + 1e-300)
        found = np.reshape([*map(levels, frame["units"][i])], (n, 16))
        np.testing.assert_allclose(found, 255 * shares.T, atol=0.51)
    weights = [*map(base64.b64decode, frame["weights"])]
    assert weights == [W.astype("f").tobytes() for W in net.weights]
    scores = [data.score(net.forward(X), y) for X, y in parts.values()]
    np.testing.assert_array_equal([frame["score"], frame["test_score"]], scores)
    if data.kind == "numbers":
        assert (low, high) == (data.y.min(), data.y.max())
    else:
        X, y = parts["test" if values.get("test", 1) else "train"]
        guessed, k = data.predicted(net.forward(X)), len(data.classes)
        counts = np.bincount(k * y + guessed, minlength=k * k).reshape(k, k)
        assert (low, high) == (0, 1) and frame["confusion"] == counts.tolist()


SQUARES = [  # beside a point at the origin; center and radius of the picture
    *[((10, 4), (5, 2), 5.5), ((0.5, -0.5), (0, 0), 1.05)],
    *[((1.5, 0), (0, 0), 1.575), ((1.55, 0), (0.775, 0), 0.8525)],
]


def test_a_picture_holds_all_points():
    for point, center, radius in SQUARES:
        shown = Picture(from_points([[0, 0, 0], [*point, 1]])).points()
        np.testing.assert_allclose([*shown["center"], shown["radius"]], [*center, radius])
    shown = Picture(from_points([[3, 3, 0], [3, 3, 1]])).points()
    assert (shown["center"], shown["radius"]) == ([3, 3], 1)


@pytest.mark.parametrize(("n_inputs", "more"), [(8, 0), (9, 1), (11, 3)])
def test_a_unit_lists_eight_inputs(n_inputs, more):
    playback, _ = begin(dict(data="circles", hidden=(n_inputs, 2), activations=("tanh", "tanh")))
    unit = Picture(playback.data).frame(playback, (1, 0))["unit"]
    assert unit["names"] == [f"a{i}" for i in range(1, 9)] and unit["more"] == more
    assert unit["weights"] == playback.net.weights[1][:8, 0].tolist()
    assert len(unit["inputs"]) == len(unit["dW"]) == 8


def test_a_table_becomes_two_inputs(tmp_path):
    table, n = tmp_path / "people.csv", range(80)
    height, number = np.random.default_rng(0).normal(size=80), [i if i % 9 else "" for i in n]
    answer = ["yes" if i > 40 else "no" for i in n]
    write_csv(table, height=height, number=number, kind=[*"ab"] * 40, answer=answer)
    data = from_table(table, "answer", ["height", "number"], test=0.25)
    assert data.classes == ["no", "yes"] and data.inputs == ["height", "number"]
    X = np.concatenate([data.X, data.X_test])
    assert len(data.X) == 60
    np.testing.assert_allclose([*X.mean(axis=0), X[:, 0].std()], [0, 0, 1], atol=1e-6)
    note = "9 missing values replaced by the mean of the column"
    assert data.notes == from_table(table, "answer").notes == [note]


def made_table(n=40, **columns):
    """A table with a number, the texts of `kind`, and other columns."""
    pa = pytest.importorskip("pyarrow", reason="tables need the extra cli")
    i = np.arange(n)
    return pa.table({"x": i * 1.0, "z": i % 7, "kind": np.array(["a", "b"])[i % 2], **columns})


WRONG_TABLES = [
    ("y", None, "no column 'y'. It has x, z"),
    ("kind", ["x", "kind"], "neither of them the target"),
    ("kind", ["x", "x"], "two different columns"),
    ("x", ["z", "kind"], "column 'kind' holds texts"),
    ("kind", ["x", "one"], "'one' has fewer than two different values"),
    ("one", None, "the target 'one' has the same value in every row"),
    ("many", None, "the target 'many' has 40 different values, but at most 20 classes"),
    ("day", None, "the target 'day' holds dates or times"),
    ("seldom", None, "the table has 4 rows with a target, but needs at least 10"),
]


@pytest.mark.parametrize(("target", "columns", "message"), WRONG_TABLES)
def test_tables_that_cannot_be_played_with(target, columns, message):
    days = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")
    columns_of_texts = dict(many=[f"city {i}" for i in range(40)], seldom=[*"abba", *[None] * 36])
    table = made_table(one=np.ones(40), day=days, **columns_of_texts)
    with pytest.raises(ValueError, match=message):
        from_table(table, target, columns)
    most = made_table(most=[f"city {i % 20}" for i in range(40)])
    assert len(from_table(most, "most").classes) == 20
    assert len(from_table(made_table(10), "kind", test=0).X) == 10
    with pytest.raises(ValueError, match="needs two columns of numbers or of few texts"):
        from_table(table.select(["x", "many", "one"]), "x")


def test_texts_of_numbers_and_dates_become_numbers():
    i = np.arange(40)
    texts = dict(distance=[f"{each} km" for each in i], price=[f"${1000 + each:,}" for each in i])
    texts["when"] = [f"{1 + each % 28:02d}/01/2020" for each in i]
    table = made_table(**texts).drop(["x", "z", "kind"])
    cents = [decimal.Decimal(each) / 100 for each in i.tolist()]
    (decimals,) = from_table(made_table(cents=cents), "z", ["x", "cents"], test=0).X.T[1:]
    assert decimals.argsort().tolist() == i.tolist()
    data = from_table(table, "price", ["distance", "when"], test=0)
    assert data.kind == "numbers" and len(data.notes) == 3 and "km" in " ".join(data.notes)
    assert data.X[:, 0].argsort().tolist() == i.tolist()


def test_what_is_left_out_of_a_table_is_noted():
    y = np.where(np.arange(5400) % 9 == 0, np.inf, np.arange(5400))
    y[:50] = np.nan
    ten, note = ([f"word{i % n}" for i in range(5400)] for n in (10, 11))
    table = made_table(5400, y=y, ten=ten, note=note, one=np.ones(5400), w=y)
    data = from_table(table.slice(0, 5400), "y")
    assert data.kind == "numbers" and len(data.X) + len(data.X_test) == 4756
    of_columns = "2 columns with one value or many texts left out: 'note', 'one'"
    assert data.notes == ["644 rows without a target left out", of_columns]
    data = from_table(made_table(6000, y=np.arange(6000) % 2.0), "y")
    assert data.notes == ["5,000 of 6,000 rows drawn at random"] and data.classes == ["0", "1"]
    assert len(data.X) + len(data.X_test) == 5000
    same = from_table(made_table(x2=-np.arange(40.0)).select(["x", "x2", "z"]), "z", test=0)
    assert same.X.std(axis=0).round(6).tolist() == [1, 0]  # one direction alone
    square = np.arange(40.0) ** 2  # its correlation with x is 0.97
    data = from_table(made_table(square=square).select(["x", "square", "z"]), "z", test=0)
    assert data.inputs[0] == "principal component 1 (98% of the variance)"
    assert (np.diff(data.X[:, 0]) > 0).all() and len(data.classes) == 7


def test_more_columns_are_drawn_in_their_principal_plane():
    data = from_arrays([[1, 2, 8], [1, 2, -2], [2, 2, 3], [0, 2, 3]], [0, 1, 0, 1], test=0)
    assert data.inputs == ["x1", "x2", "x3"] and data.axes[1] == "principal component 2"
    plane = [data.origin, *data.directions]
    np.testing.assert_allclose(plane, [[1, 2, 3], [0, 0, 1], [1, 0, 0]], atol=1e-6)
    assert from_arrays([[0], [2]], [0, 1], test=0).positions([[2]]).tolist() == [[1, 0]]


def test_arrays_and_points_are_checked():
    for *arguments, message in (
        ([[0, 0, 1]] * 2, "both classes"),
        ([[0, 0]] * 2, "three finite numbers"),
        ([[np.nan, 1.0]], [0], "rows of finite numbers"),
        ([1.0, 2.0], [0, 1], "^X must have 2 dimensions"),
        ([[1.0, 2.0]], [[0]], r"^y must have one value for each of the 1 rows, got \(1, 1\)$"),
        (np.ones((21, 2)), range(21), "21 different values"),
    ):
        with pytest.raises(PlayError, match=message):
            (from_arrays if arguments[1:] else from_points)(*arguments)


def test_lessons_have_valid_settings():
    for lesson in LESSONS:
        assert lesson["watch"] and lesson["then"]
        Settings.from_json(lesson["settings"])
    assert all(text.endswith(".") and len(text) < 110 for text in HELP.values())
    losses = [learn(i, [100])[0][0] for i in range(len(LESSONS))]  # of what the texts are about
    expected = [0.68936, 1.10585, 0.70982, 0.18975, 0.79956, 0.37985, 0.59610, 0.32765]
    np.testing.assert_allclose(losses, expected, rtol=5e-4)


def learn(lesson, steps, **changes):
    """(loss, held-out loss, score) of a lesson after each of some numbers of steps, and the playback."""
    settings = Settings.from_json(LESSONS[lesson]["settings"] | changes)
    playback, found = Playback(settings, DataSource(settings).make()), []
    for step in steps:
        playback.advance(step - playback.step)
        data = playback.data
        score = data.score(playback.net.forward(data.X), data.y)
        found.append((playback.loss_now(), playback.test_loss_now(), score))
    return [*found, playback]


@pytest.mark.slow("test_lessons_have_valid_settings")
def test_lessons_show_what_they_say():
    """The page takes 600 steps a second on a quiet computer, so 6,000 steps are ten seconds."""
    steps = 600, 3000, 6000
    assert all(score < 0.6 for _, _, score in learn(0, steps)[:3])
    assert learn(0, [600], hidden=[4], activations=["tanh"])[0][2] == 1
    assert all(loss > 0.65 for loss, _, _ in learn(1, steps)[:3])
    assert learn(1, steps, lr=0.3)[1][0] < 0.1 < 0.4 < learn(1, steps, lr=0.001)[1][0] < 0.6
    *found, playback = learn(2, steps)
    assert all(0.68 < loss < 0.7 for loss, _, _ in found)
    playback.net.loss_and_grad(playback.data.X, playback.data.y)
    assert np.abs(playback.net.grad_weights[0]).max() < 1e-4
    assert all(learn(2, [3000], activations=[name] * 5)[0][2] > 0.98 for name in ("tanh", "relu"))
    (_, lowest, _), (late, risen, _), _ = learn(3, (100, 3000))
    assert late < 0.05 and lowest < 0.6 and risen > 2 * lowest
    for changes in (dict(dropout=0.4), dict(l2=0.01), dict(hidden=[4], activations=["relu"])):
        assert learn(3, steps, **changes)[1][1] < 0.8 * risen
    (_, _, first), (_, _, second), (_, _, third), playback = learn(4, (20, 600, 6000))
    assert first < second < 0.9 < 0.96 < third
    assert abs(playback.net.weights[0][1, 0] * 50 - 0.5) < 0.1
    assert "diverged" in learn(4, [6000], lr=0.01)[1].diverged
    assert learn(4, [600], data="plane", lr=0.1)[0][2] > 0.97
    assert learn(5, [6000])[0][0] < 0.1 and learn(5, [1200], batch=350)[0][0] < 0.1
    assert learn(5, [100], batch=350)[0][0] > 0.25
    (slow, _, _), _, (late, _, _), _ = learn(6, steps)
    assert slow > 0.5 and late > 0.1 > learn(6, [550], optimizer="adam", lr=0.01)[0][0]
    assert learn(7, [600])[0][2] == 1
    assert learn(7, [200], hidden=[16], activations=["relu"])[0][2] == 1
    assert learn(7, [6000], hidden=[4] * 4, activations=["relu"] * 4)[0][2] < 0.95


def test_the_widget_trains_the_network():
    pytest.importorskip("anywidget")
    data, net = make_data("moons", n=60), fastnn.MLP([2, 4, 1], output="sigmoid", rng=0)
    other = net.copy()
    widget = fastnn.play(net, data.X, data.y, batch_size=7)
    # the page gets them
    assert {"points", "sizes", "frame", "command", "playing"} <= {*widget.keys}
    assert widget.sizes == [2, 4, 1] and widget.points["inputs"] == data.inputs
    frame = [widget.frame[key] for key in ("step", "epoch", "lr")]
    assert frame == [0, 0, None] and not widget.playing
    widget.command = {"do": "step"}
    widget.command = {"do": "step", "at": 1}
    widget.command = {"do": "something else"}
    assert widget.frame["step"] == 2
    other.fit(data.X, data.y, max_steps=2, batch_size=7)
    assert_same_bits(net.params, other.params)
    assert widget.frame["loss"] == other.loss(data.X, data.y) and widget.frame["lr"] == 0.001
    widget.playing = True
    wait_for(lambda: widget.frame["epoch"] > 0)
    widget.command = {"do": "step", "at": 2}
    assert not widget.playing and widget.frame["diverged"] == ""
    epoch = net.state.epoch
    NotebookTraining(net, data.X, data.y, None, {}).advance(100)
    assert net.state.epoch > epoch + 40  # of two steps of 32 rows
    other = fastnn.MLP([2, 4, 1], "identity", bias=False)
    wild = fastnn.play(other, data.X, data.X[:, 0], optimizer=fastnn.SGD(1e9))
    wild.playing = True
    wait_for(lambda: not wild.playing)
    assert "diverged" in wild.frame["diverged"]
    with pytest.raises(ValueError, match="the network has 2 inputs and 1 outputs"):
        fastnn.play(net, np.ones((4, 3)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"^y must hold the class numbers 0, 1, \.\.\.$"):
        fastnn.play(net, data.X, data.y + 1)
    with pytest.raises(TypeError, match="inputs must be a list, got an int"):
        fastnn.play(net, data.X, data.y, inputs=1)
    with pytest.raises(TypeError, match="net must be an MLP, got a dict"):
        fastnn.play({}, data.X, data.y)


# ---- a hundred networks ----

SETTINGS = Settings(data="moons", n=60, hidden=(3,), activations=("tanh",), batch=16)


@pytest.mark.parametrize("variation", ["seeds", "rates"])
@pytest.mark.parametrize("values", [{}, {"dropout": 0.2, "test": 0.0, "optimizer": "sgd"}], ids=str)
def test_each_network_has_the_bits_of_its_own_training(variation, values):
    settings = Settings(**SETTINGS.to_json() | values)
    data = DataSource(settings).make()
    many = GridTraining(DataSource(settings), variation)
    many.train(2)
    many.train(1)
    assert len(many.networks) == 100 and many.epoch == 3
    for i in (0, 7, 42, 99):
        playback = Playback(many.settings[i], data)
        playback.advance(3 * playback.steps_of_epoch)
        assert_same_bits(many.networks[i].params, playback.net.params)
        assert many.losses()[i] == (playback.test_loss_now() if not values else playback.loss_now())


def test_seeds_rates_and_widths():
    seeds = [each.seed for each in GridTraining(DataSource(SETTINGS), "seeds").settings]
    assert seeds == list(range(100))
    settings = replace(SETTINGS, hidden=(), activations=())
    settings = GridTraining(DataSource(settings), "rates").settings  # from the top left
    rates = [float(f"{10 ** (k / 2 - 3.5):.0e}") for k in range(10)]  # 0.0003, 0.001, ...
    widths = 32, 24, 16, 12, 8, 6, 4, 3, 2, 1
    found = [(each.lr, each.hidden, each.activations) for each in settings]
    assert found == [(lr, (n,), ("tanh",)) for n in widths for lr in rates]
    with pytest.raises(ValueError, match="variation must be one of seeds, rates, got 'lr'"):
        GridTraining(DataSource(SETTINGS), "lr")


def test_networks_that_diverge_stop_alone():
    settings = Settings(data="plane", n=40, hidden=(8,), activations=("identity",), optimizer="sgd")
    many = GridTraining(DataSource(settings), "rates")
    for _ in range(3):
        many.train(30)
    assert 5 < len(many.diverged) < 95
    assert {many.networks[i].state.step for i in range(100) if i not in many.diverged} == {90}
    assert all(many.networks[i].state.step < 90 for i in many.diverged)


def test_a_tab_trains_stops_and_opens_a_network():
    points = POINTS[:4]
    tab = GridTraining(DataSource(Settings(data="points", test=0.0), points), "seeds")
    first = tab.frame()
    sizes = [len(base64.b64decode(each["surface"])) for each in first["surfaces"]]
    opened = tab.command({"do": "open", "network": 9})
    assert (sizes, first["epoch"], opened["step"]) == ([24**2] * 100, 0, 0)
    tab.command({"do": "stop", "epochs": 8})
    tab.command({"do": "play"})
    assert tab.frame()["epoch"] == 6
    while (frame := tab.frame())["playing"]:
        pass
    assert frame["epoch"] == 8 and frame["version"] > first["version"]
    assert sum(frame["losses_now"]) < sum(first["losses_now"])
    playback, source = from_state(tab.command({"do": "open", "network": 9}))
    assert (playback.settings.seed, source.points, playback.epoch) == (9, points, 8)
    assert_same_bits(playback.net.params, tab.networks[9].params)
    tab.command({"do": "stop", "epochs": 0})
    for command, epoch in (("epoch", 9), ("reset", 0)):
        tab.command({"do": "play"})
        tab.command({"do": command})
        frame = tab.frame()
        assert (frame["epoch"], frame["playing"]) == (epoch, False)
    assert frame["losses_now"] == first["losses_now"]
    for message in ({"do": "open", "network": 100}, {"do": "step"}):
        with pytest.raises(ValueError, match=r"there is no network|unknown command"):
            tab.command(message)
