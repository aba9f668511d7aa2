"""Mistakes that are made first: each gets an error that says what to do, and nothing is lost."""

import re

import numpy as np
import pytest

import fastnn
from fastnn import MLP, History
from fastnn.callbacks import EarlyStopping
from fastnn.core.memory import format_bytes
from fastnn.core.messages import format_number, format_value
from fastnn.playground import data_sets

X, Y = np.linspace(-1, 1, 40).reshape(20, 2), np.linspace(0, 1, 20)


@pytest.fixture
def net():
    return MLP([2, 3, 1], rng=0)


WRONG_ARRAYS = [
    ("weights", [1], "weights must be a sequence of 2 arrays, one for each layer, got 1"),
    ("weights", 3, "weights must be a sequence of 2 arrays, .*got no sequence"),
    ("weights", [np.ones((2, 3)), np.ones((1, 3))], r"weights\[1\].*\(3, 1\).*its transpose"),
    ("weights", [np.ones((2, 3)), np.ones(3)], r"weights\[1\] must have shape \(3, 1\), got"),
    ("biases", [np.ones(3), None], r"biases\[1\] must be an array of shape \(1,\), got None"),
    ("params", None, r"params must be an array of shape \(13,\), got None"),
    ("biases", [np.ones(3), "ab"], r"biases\[1\] must hold numbers, got 'ab'"),
    ("grads", np.ones(12), r"grads must have shape \(13,\), got \(12,\)"),
    ("params", "text", "params must hold numbers, got 'text'"),
]


@pytest.mark.parametrize(("attribute", "value", "message"), WRONG_ARRAYS)
def test_assigning_wrong_arrays_changes_nothing(net, attribute, value, message):
    net.grads = 7
    before = net.params.copy(), net.grads.copy()
    error = TypeError if "numbers" in message else ValueError
    with pytest.raises(error, match=message):
        setattr(net, attribute, value)
    np.testing.assert_array_equal(net.params, before[0])
    np.testing.assert_array_equal(net.grads, before[1])


def test_assigning_arrays_copies_them(net):
    params = net.params
    net.weights = [np.full((2, 3), 2.0), np.full((3, 1), 3)]
    net.biases = [4, [5]]
    assert params.tolist() == [2] * 6 + [4] * 3 + [3] * 3 + [5] and net.params is params
    net.weights[0] = np.zeros((2, 3))
    assert net.params[:6].tolist() == [0] * 6
    with pytest.raises(ValueError, match=r"shape \(2, 3\), got \(3, 2\). Pass its transp"):
        net.weights[0] = np.zeros((3, 2))
    net.params -= 1
    assert params[0] == -1
    plain = MLP([2, 1], bias=False, rng=0)
    plain.biases = [None]
    plain.biases[0] = None
    with pytest.raises(ValueError, match=r"biases\[0\] must be None: the network has no biases"):
        plain.biases = [np.zeros(1)]


@pytest.mark.parametrize("names", [("weights", "biases"), ("grad_weights", "grad_biases")])
def test_assigning_views_of_the_network_reads_them_first(names):
    net = MLP([3, 3, 3], rng=0)
    net.grads = net.params
    for name in names:
        before = [array.copy() for array in getattr(net, name)]
        setattr(net, name, getattr(net, name)[::-1])
        np.testing.assert_array_equal(getattr(net, name), before[::-1])
        setattr(net, name, (array for array in before))
        np.testing.assert_array_equal(getattr(net, name), before)


def test_a_slice_of_the_arrays_cannot_be_assigned(net):
    with pytest.raises(TypeError, match="Assign to one array at a time"):
        net.weights[:1] = [np.ones((2, 3))]


def test_a_folder_is_no_file(tmp_path):
    net = MLP([2, 1], rng=0)
    with pytest.raises(IsADirectoryError, match=r"folder. Pass the name of a file in it"):
        net.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"No such folder. Create it first: '.*nowhere'"):
        net.save(tmp_path / "nowhere" / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


CITIES = {"age": [1.0, 2.0], "city": ["Bern", "Rome"]}
BERN = "got 'Bern' in column 'city', row 0"


def test_text_names_its_column_and_row():
    pandas = pytest.importorskip("pandas")
    net, frame = MLP([2, 1], rng=0), pandas.DataFrame(CITIES)
    missing = pandas.DataFrame({"a": [1.0, 2.0], "n": pandas.array([1, None], "Int64")})
    for inputs, message in (
        (frame, f"X must hold numbers, {BERN}. Encode text as numbers"),
        (np.array([[1, 2], [3, "b"]], object), "got 'b' in column 1, row 1"),
        (missing, "got <NA> in column 'n', row 1. Convert it to a number"),
        ([["1.5", "2"]], r"got '1.5' in column 0, row 0. .* with numpy.asarray\(X, float\)"),
    ):
        with pytest.raises(TypeError, match=message):
            net.forward(inputs)
    for inputs, y, message in (
        (frame, [0, 1], f"X must hold numbers, {BERN}. Encode text as numbers"),
        (np.eye(2), ["no", "yes"], "y must hold numbers, got 'no' in row 0. Encode classes"),
        (np.eye(2), ["0", "1"], r"got '0' in row 0. .* with numpy.asarray\(y, float\)"),
    ):
        with pytest.raises(TypeError, match=message):
            net.fit(inputs, y)


def test_text_names_the_column_of_an_arrow_table():
    table = pytest.importorskip("pyarrow").table(CITIES)
    with pytest.raises(TypeError, match=BERN):
        MLP([2, 1], rng=0).forward(table)


@pytest.mark.parametrize("dtype", ["U3", "S3", object])
def test_no_rows_of_text_are_no_rows(dtype):
    assert MLP([2, 1], rng=0).forward(np.empty((0, 2), dtype)).shape == (0, 1)
    with pytest.raises(ValueError, match="X has 0 columns, but the network expects 2"):
        MLP([2, 1], rng=0).forward(np.empty((3, 0), dtype))


def test_class_numbers_may_be_objects():
    net = MLP([2, 3], output="softmax", rng=0)
    labels = np.arange(20) % 3
    assert net.loss(X, labels.astype(object)) == net.loss(X, labels)
    assert net.loss(X, labels[:, None].astype(object)) == net.loss(X, labels)
    with pytest.raises(ValueError, match=r"y holds class 3.0 in row 0, but the network has 3"):
        net.loss(X, (labels + 3).astype(object))
    with pytest.raises(ValueError, match=r"0..2 .* got object starting with .*Encode classes as 0"):
        net.loss(X, np.array(["a", "b"] * 10, object))
    with pytest.raises(ValueError, match=r"got float64 starting with \[0.5, 0.5, 0.5\]$"):
        net.loss(X, np.full(20, 0.5))


def test_an_integer_that_no_float_can_hold_is_refused():
    with pytest.raises(ValueError, match="X holds an integer that is too large for a float64"):
        MLP([2, 1], rng=0).forward([[1, 10**400]])


def test_a_frame_of_floats_and_bools_is_an_array():
    pandas = pytest.importorskip("pandas")
    net = MLP([2, 1], rng=0)
    frame = pandas.DataFrame({"a": [1.5, 2.0], "b": [True, False]})
    assert frame.to_numpy().dtype == object
    np.testing.assert_array_equal(net.forward(frame), net.forward([[1.5, 1], [2, 0]]))


@pytest.mark.parametrize(("n", "fraction", "now"), [(20, 0.5, "10 of 20"), (10, 0.2, "2 of 10")])
def test_a_resumed_training_holds_out_the_same_rows(net, tmp_path, n, fraction, now):
    net.fit(X, Y, epochs=2, validation_fraction=0.2)
    net.save(tmp_path / "net.safetensors")
    for each in (net, fastnn.load(tmp_path / "net.safetensors")):
        state, params = each.state, each.params.copy()
        with pytest.raises(ValueError, match=f"4 of 20 rows were held out, now {now} would be"):
            each.fit(X[:n], Y[:n], epochs=1, validation_fraction=fraction, resume=True)
        assert each.state is state
        np.testing.assert_array_equal(each.params, params)
    whole = MLP([2, 3, 1], rng=0)
    whole.fit(X, Y, epochs=5, validation_fraction=0.2)
    net.fit(X, Y, epochs=3, validation_fraction=0.2, resume=True)
    np.testing.assert_array_equal(net.params, whole.params)


def test_a_file_without_the_number_of_held_out_rows_is_resumed(tmp_path):
    net, whole = (MLP([2, 3, 1], rng=0) for _ in range(2))
    net.fit(X, Y, epochs=2, validation_fraction=0.2)
    net.state.split_rows = net.state.split_held_out = None  # as in older files
    net.save(tmp_path / "net.safetensors")
    net = fastnn.load(tmp_path / "net.safetensors")
    net.fit(X, Y, epochs=3, validation_fraction=0.2, resume=True)
    whole.fit(X, Y, epochs=5, validation_fraction=0.2)
    np.testing.assert_array_equal(net.params, whole.params)
    assert (net.state.split_rows, net.state.split_held_out) == (20, 4)


# ---- history ----


def test_a_history_is_printed_short():
    history = MLP([2, 3, 1], rng=0).fit(X, Y, epochs=500, validation_fraction=0.2)
    text = repr(history)
    pattern = r"History\(n_epochs=500, n_steps=500, loss=\[\.\.\. \S+\], val_loss=\[\.\.\. \S+\], "
    assert re.match(pattern + r"seconds=\S+, stop_reason='all epochs done'\)$", text)
    assert repr(History()) == "History(n_epochs=0, n_steps=0, seconds=0)"
    assert "loss=[0.5]" in repr(History(loss=[0.5]))


def test_the_history_says_why_training_stopped(net):
    def stop_at_3(net, history):
        return history.n_epochs == 3

    assert net.fit(X, Y, epochs=2).stop_reason == "all epochs done"
    assert net.fit(X, Y, callbacks=stop_at_3).stop_reason == "callback stop_at_3 returned True"
    history = net.fit(X, Y, epochs=50, callbacks=EarlyStopping(3, min_delta=9.0))
    assert history.stop_reason == "training loss has not improved by more than 9 for 3 epochs"
    history = net.fit(X, Y, epochs=50, validation_data=(X, Y), callbacks=EarlyStopping(2, 9.0))
    assert history.stop_reason == "validation loss has not improved by more than 9 for 2 epochs"
    with pytest.raises(fastnn.DivergenceError):
        net.fit(X, Y, optimizer=fastnn.SGD(1e6), epochs=100)
    assert net.history.stop_reason == "diverged"


def test_a_callback_may_return_a_numpy_bool():
    history = MLP([2, 3, 1], rng=0).fit(X, Y, callbacks=lambda net, history: np.True_)
    assert history.n_epochs == 1 and history.stop_reason == "callback <lambda> returned True"
    history = MLP([2, 3, 1], rng=0).fit(X, Y, epochs=2, callbacks=lambda net, history: np.False_)
    assert history.n_epochs == 2 and history.stop_reason == "all epochs done"


class StopAtOnce(EarlyStopping):
    interval = 1e-9

    def __init__(self, method, reason=None):
        super().__init__(patience=5)
        self.method, self.reason = method, reason

    def on_epoch_end(self, net, history):
        return super().on_epoch_end(net, history) or self.method == "on_epoch_end"

    def on_interval(self, net, history):
        return self.method == "on_interval"

    def stop_reason(self, event):
        return super().stop_reason(event) if self.reason is None else self.reason


@pytest.mark.parametrize("method", ["on_epoch_end", "on_interval"])
@pytest.mark.parametrize("reason", [None, ""])
def test_a_subclass_of_early_stopping_may_stop_for_another_reason(method, reason):
    history = MLP([2, 3, 1], rng=0).fit(X, Y, callbacks=StopAtOnce(method, reason))
    assert history.n_epochs == 1 and history.stop_reason == f"StopAtOnce.{method} returned True"


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("method", ["on_fit_begin", "on_epoch_end"])
def test_the_history_names_an_error_in_a_callback(net, optimizer, method, capsys):
    pytest.importorskip("scipy")
    bad = fastnn.callbacks.Callback()
    setattr(bad, method, lambda net, history: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, optimizer=optimizer, callbacks=bad, progress=True)
    assert net.history.stop_reason == "ZeroDivisionError was raised"
    assert capsys.readouterr().err.endswith("\nstopped: ZeroDivisionError was raised\n")


def test_an_interrupted_history_says_so(net):
    def press(net, history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, callbacks=press)
    assert net.history.stop_reason == "interrupted"


def test_l_bfgs_says_why_scipy_stopped():
    pytest.importorskip("scipy")
    net = MLP([2, 3, 1], activation="tanh", rng=0)
    history = net.fit(X, Y, optimizer="lbfgs", epochs=1000)
    assert history.n_epochs < 1000 and "CONVERGENCE" in history.stop_reason
    net = MLP([2, 3, 1], activation="tanh", rng=0)
    assert net.fit(X, Y, optimizer="lbfgs", epochs=3).stop_reason == "all epochs done"
    few = fastnn.LBFGS(max_evaluations=3)
    reason = net.fit(X, Y, optimizer=few, epochs=100).stop_reason
    assert reason == "L-BFGS: max_evaluations reached"


CLASSES = np.arange(20) % 2


def predict_folds(**options):
    return fastnn.cross_val_predict(fastnn.MLPClassifier(), X, CLASSES, **options)


MISSPELT = [
    ("adam", lambda: MLP([2, 1], rng=0).fit(X, Y, optimizer="adan")),
    ("huber", lambda: MLP([2, 1], rng=0).fit(X, Y, loss="hubber")),
    ("relu", lambda: MLP([2, 3, 1], "rellu")),
    ("sigmoid", lambda: MLP([2, 1], output="sigmoyd")),
    ("he_normal", lambda: MLP([2, 1], init="he_norma")),
    ("logistic", lambda: fastnn.MLPClassifier(activation="logistics").fit(X, CLASSES)),
    ("huber", lambda: fastnn.MLPRegressor(loss="hubber").fit(X, Y)),
    ("huber", lambda: fastnn.TabularRegressor(loss="hubber").fit(X, Y)),
    ("predict_proba", lambda: predict_folds(method="predict_probas")),
    ("spirals", lambda: data_sets.make_data("spiral")),
]


@pytest.mark.parametrize(("close", "call"), MISSPELT)
def test_a_misspelt_name_gets_the_name_that_is_meant(close, call):
    with pytest.raises(ValueError, match=f"must be .*, got .*Did you mean '{close}'\\?$"):
        call()


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(ValueError, match=r"got 'newton'$"):
        MLP([2, 1], rng=0).fit(X, Y, optimizer="newton")
    with pytest.raises(ValueError, match=r"got 3$"):
        MLP([2, 1], rng=0).fit(X, Y, optimizer=3)


FOLDS = fastnn.MLPClassifier(n_estimators=2, bagging="folds")
TWO, TIME = [1, 2], ["2026-01-01"]


WRONG_ROWS = [
    ("groups has 2 rows, but X", lambda: fastnn.TabularClassifier(2).fit(X, CLASSES, groups=TWO)),
    ("groups has 2 rows, but X has 20", lambda: FOLDS.fit(X, CLASSES, groups=TWO)),
    ("groups has 2 rows, but X", lambda: fastnn.cross_validate(FOLDS, X, CLASSES, groups=TWO)),
    ("time has 1 row, but X has 20", lambda: fastnn.TabularRegressor(2).fit(X, Y, time=TIME)),
    (r"time must have shape \(20,\), one", lambda: fastnn.TabularRegressor(2).fit(X, Y, time=3)),
    ("y has 2 rows, but X has 20", lambda: fastnn.TabularRegressor(2).fit(X, [1, 2])),
    ("classes. To predict .* TabularRegressor", lambda: fastnn.TabularClassifier(2).fit(X, Y)),
    ("classes. To predict .* MLPRegressor", lambda: fastnn.MLPClassifier().fit(X, Y)),
]


@pytest.mark.parametrize(("message", "call"), WRONG_ROWS)
def test_wrong_rows_and_targets_of_estimators_are_named(message, call):
    with pytest.raises(ValueError, match=message):
        call()


MODELS = [fastnn.TabularClassifier(2, hidden_layer_sizes=2), fastnn.MLPClassifier((2,), tol=1.0)]


@pytest.mark.parametrize("model", MODELS)
def test_a_target_of_one_class_is_a_warning(model):
    with pytest.warns(UserWarning, match="holds only the class 'a', so every prediction"):
        model.fit(X, ["a"] * 20)
    assert set(model.predict(X)) == {"a"}


NUMBERS = [
    *[(format_number, 999.94, "999.9"), (format_number, -1000.4, "-1,000")],
    *[(format_number, 999_999_999, "999,999,999"), (format_number, 1e9, "1e+09")],
    *[(format_value, 9999.0, "9999"), (format_value, 10_000.0, "10,000")],
    *[(format_value, 1e14, "100,000,000,000,000"), (format_value, 1e15, "1e+15")],
    *[(format_bytes, 1023, "1,023 bytes"), (format_bytes, 1024, "1.0 kB")],
    *[(format_bytes, 2**20, "1.0 MB"), (format_bytes, 3 * 2**29, "1.5 GB")],
]


@pytest.mark.parametrize(("function", "number", "text"), NUMBERS)
def test_numbers_in_messages(function, number, text):
    assert function(number) == text
