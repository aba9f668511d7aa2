"""MLPClassifier and MLPRegressor on Dask collections, without a cluster."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

from fastnn import Adam, EarlyStopping, MLPClassifier, MLPRegressor  # noqa: E402
from fastnn.callbacks import Checkpoint  # noqa: E402
from fastnn.distributed import ClusterError, rounds  # noqa: E402
from fastnn.estimators import dask_rows  # noqa: E402

N = 2000
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
METHODS.append("predict_derivatives")


@pytest.fixture(autouse=True)
def in_one_thread():
    with dask.config.set({"scheduler": "synchronous", "fastnn.parts": 3, "fastnn.sync-every": 8}):
        yield


def rows(n=N):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=n)


def make(cls=MLPRegressor, **parameters):
    settings = dict(max_iter=30, learning_rate_init=0.01, random_state=0, n_iter_no_change=np.inf)
    return cls((16,), **{**settings, **parameters})


def chunked(*arrays, size=300):
    return [da.from_array(a, chunks=(size, *a.shape[1:])) for a in arrays]


def test_a_network_learns_the_rows_of_all_chunks():
    X, y = rows()
    model = make().fit(*chunked(X, y))
    assert model.network_.dtype == np.float64 and model.n_features_in_ == 3
    assert len(model.loss_curve_) == 30 and model.t_ == 30 * N
    assert abs(model.score(X, y) - make().fit(X, y).score(X, y)) < 0.05


def test_one_part_takes_the_steps_of_one_machine():
    """Other orders of the rows, but the same number of steps and the same loss of a batch."""
    X, y = rows()
    with dask.config.set({"fastnn.parts": 1}):
        model = make(shuffle=False, alpha=0.5).fit(*chunked(X, y, size=2000))
    memory = make(shuffle=False, alpha=0.5).fit(X, y)
    assert model.network_.state.step == memory.network_.state.step
    assert model.loss_curve_[0] == pytest.approx(memory.loss_curve_[0], rel=0.05)
    assert model.loss_curve_[-1] == pytest.approx(memory.loss_curve_[-1], rel=0.05)


def test_the_penalty_of_the_parts_is_that_of_a_step():
    X, y = rows()
    models = [make(alpha=1.0).fit(*each) for each in (chunked(X, y), (X, y))]
    size, expected = (np.abs(model.network_.weights[0]).mean() for model in models)
    assert size == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_have_the_bits_of_memory(dtype):
    X, y = rows()
    X = X.astype(dtype)
    classes = np.where(y > 0.5, "high", np.where(y > 0, "middle", "low"))
    clf = make(MLPClassifier, max_iter=3).fit(*chunked(X, classes, size=700))
    assert clf.classes_.tolist() == ["high", "low", "middle"]
    assert clf.network_.dtype == dtype
    dX = da.from_array(X, chunks=(512, 2))
    for name in METHODS:
        found, expected = getattr(clf, name)(dX), getattr(clf, name)(X)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert_array_equal(found.compute(), expected)
    reg = make(max_iter=3, n_estimators=2, bagging=None).fit(X, np.c_[y, y])
    for rows_of in (dX, dX.map_blocks(csr_matrix)):
        for a, b in zip(reg.predict(rows_of, return_std=True), reg.predict(X, return_std=True)):
            assert_array_equal(a.compute(), b)


def test_scores_are_those_of_memory():
    X, y = rows()
    weight = np.r_[np.zeros(700), np.random.default_rng(1).uniform(size=N - 700)]
    labels = np.c_[y > 0, X[:, 0] > 0].astype(int)
    targets = np.c_[y, 9 + y]  # the squares of deviations are those from the mean of all rows
    kinds = MLPRegressor, MLPRegressor, MLPClassifier
    for cls, Y in zip(kinds, (y + np.arange(N) / N, targets, labels)):
        model = make(cls, max_iter=2).fit(X, Y)
        dX, dY, dw = chunked(X, Y, weight)
        assert model.score(dX, dY) == pytest.approx(model.score(X, Y), rel=1e-9)
        assert model.score(dX, dY, dw) == pytest.approx(model.score(X, Y, weight), rel=1e-9)
        assert np.isnan(model.score(dX, dY, 0 * dw))
        assert model.score(dX.map_blocks(csr_matrix), dY) == model.score(dX, dY)
    assert np.isnan(make(max_iter=2).fit(X, y).score(*chunked(X[:1], y[:1])))
    two = make(max_iter=2).fit(X, y), X[:2], y[:2]
    assert two[0].score(*chunked(*two[1:])) == pytest.approx(two[0].score(*two[1:]))
    constant = make(max_iter=2).fit(X, y), np.full(N, 2.0)
    assert constant[0].score(*chunked(X, constant[1])) == constant[0].score(X, constant[1]) == 0


def test_the_number_of_threads_does_not_matter():
    X, y = rows()
    options = dict(n_estimators=2, bagging=None, max_iter=4)
    models = [make(n_threads=n, **options).fit(*chunked(X, y)) for n in (1, 3)]
    params = [[net.params for net in model.networks_] for model in models]
    assert_array_equal(*params)
    assert (params[0][0] != params[0][1]).any()


def test_weights_and_class_weights():
    X, y = rows()
    label = (y > 0.5).astype(int)
    weight = np.where(X[:, 2] > 0, 1.0, 0.0)
    junk = np.where(weight > 0, label, 1 - label)
    dX, dy, dw = chunked(X, junk, weight)
    model = make(MLPClassifier, class_weight="balanced").fit(dX, dy, sample_weight=dw)
    assert model.score(X, label) > 0.85
    equal = make(MLPClassifier, class_weight="balanced", max_iter=2).fit(dX, dy)
    by_hand = {k: N / (2 * (junk == k).sum()) for k in (0, 1)}
    other = make(MLPClassifier, class_weight=by_hand, max_iter=2).fit(dX, dy)
    assert_array_equal(equal.network_.params, other.network_.params)


def test_early_stopping_holds_out_rows(monkeypatch):
    X, y = rows()
    model = make(early_stopping=True, n_iter_no_change=3, max_iter=200).fit(*chunked(X, y))
    assert len(model.validation_scores_) == model.n_iter_ < 200
    assert 0.75 * N * model.n_iter_ < model.t_ < 0.95 * N * model.n_iter_
    assert model.score(X, y) > 0.8
    monkeypatch.setattr(dask_rows, "HELD_OUT_BYTES", 2000)
    note = r"than 0 MB in this process, so about \d+ rows are held out"
    with pytest.warns(UserWarning, match=note):
        make(early_stopping=True, max_iter=1).fit(*chunked(X, y))


def test_partitions_may_be_empty_and_a_class_be_in_one_of_them():
    X, y = rows(300)
    df = pd.DataFrame(X, columns=list("abc")).assign(y=np.where(y > 0.3, "a", "b"))
    df.loc[290:, "y"] = "rare"
    frames = df.iloc[:100], df.iloc[:0], df.iloc[100:], df.iloc[:0]
    ddf = dd.from_delayed([dask.delayed(f) for f in frames], meta=df.iloc[:0])
    model = make(MLPClassifier, max_iter=2).fit(ddf[["a", "b", "c"]], ddf["y"])
    assert model.classes_.tolist() == ["a", "b", "rare"]
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.predict(ddf[["a", "b", "c"]]).compute().tolist() == model.predict(df[["a", "b", "c"]]).tolist()  # fmt: skip


def narrow(n):
    """Return n rows of two columns that claim to have three."""
    return da.from_delayed(dask.delayed(np.zeros)((n, 2)), (n, 3), float)


def with_names(X, names):
    return dd.from_dask_array(X, columns=list(names))


@pytest.mark.parametrize(
    ("parameters", "change", "message"),
    [
        ({}, lambda X, y: (da.where(X > 1, np.nan, X), y), r"n \d: X contains NaN .*row \d+, column \d"),
        ({}, lambda X, y: (X, y.compute()), "X is a Dask collection, but y is"),
        ({}, lambda X, y: (X.compute(), y), "y is a Dask collection, but X is in memory"),
        ({}, lambda X, y: (X, y[:-1]), "X has 2,000 rows, but y has 1,999"),
        ({}, lambda X, y: (X[:0], y[:0]), "X has no rows"),
        ({}, lambda X, y: (X, "y"), r"y is a str. Pass a collection with the same partitions"),
        ({}, lambda X, y: (X[:, 0], y), "X is an Array of Dask, which is one column"),
        ({}, lambda X, y: (X[:, :, None], y), r"^X must have 2 dimensions, but has 3\. Reshape it\.$"),
        ({}, lambda X, y: (dask.delayed(X), y), "X is a Delayed of Dask. Pass a dask DataFrame"),
        ({"solver": "lbfgs"}, None, "takes all rows in one step"),
        ({"n_estimators": 2}, None, "bagging='folds' does not work with a Dask collection"),
        ({"validation_data": (da.zeros((3, 3)), np.zeros(3))}, None,
         r"^validation_data must be in memory. Pass computed rows, such as X.compute\(\).$"),
        ({}, lambda X, y: (da.concatenate([X[:300], narrow(300), X[600:]]), y),
         "^partition 1 has 2 columns, but the others have 3. Let all partitions have the same.$"),
    ],
)  # fmt: skip
def test_messages(parameters, change, message):
    X, y = chunked(*rows())
    X, y = (X, y) if change is None else change(X, y)
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(X, y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y: make().partial_fit(X, y), "X is a Dask collection, which works with fit, score and"),
        (lambda X, y: make(MLPClassifier).fit(X.compute(), (y > 0).compute()).calibrate(X.compute(), y > 0),
         "y is a Dask collection, which works with fit, score and"),
        (lambda X, y: make().fit(X, y, groups=np.zeros(N)), "groups does not work with a Dask collection"),
        (lambda X, y: make(max_iter=1).fit(X.compute(), y.compute()).score(X.compute(), y),
         "y is a Dask collection, but X is in memory"),
        (lambda X, y: make(max_iter=1).fit(X.compute(), y.compute()).score(X, y[:-1]), "y has 1,999"),
        (lambda X, y: make().fit(X, y, shards=4), "^comm does not work with a Dask collection. Leave it out, or"),
        (lambda X, y: make().fit(X, y, 0 * y), "^sample_weight is zero in all rows. At least one must be positive.$"),
        (lambda X, y: make(warm_start=True, max_iter=1).fit(X, y).fit(X[:, :2], y),
         "^X has 2 features, but MLPRegressor is expecting 3 features as input.$"),
        (lambda X, y: make(warm_start=True, max_iter=1).fit(with_names(X, "abc"), y).fit(with_names(X, "acb"), y),
         "^The feature names should match those that were passed during fit.$"),
        (lambda X, y: make().fit(X.map_blocks(csr_matrix), y),
         r"X has sparse chunks, .* Convert them: X.map_blocks\(lambda x: x.toarray\(\)\).$"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_takes_no_collection_says_so(call, message):
    with pytest.raises(TypeError if "sparse" in message else ValueError, match=message):
        call(*chunked(*rows()))


def fail_in_round(monkeypatch, n, error):
    """Raise an error instead of waiting for the n-th result of rounds."""
    run, count = rounds.RoundsEngine._run, 0

    def counted(self, rounds):
        nonlocal count
        count += 1
        if count == n:
            raise error
        return run(self, rounds)

    monkeypatch.setattr(rounds.RoundsEngine, "_run", counted)


def test_an_ensemble_shows_its_progress(capsys):
    make(n_estimators=2, bagging=None, max_iter=3, verbose=True).fit(*chunked(*rows()))
    assert "stopped: 2 networks: all epochs done" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_trained(monkeypatch):
    X, y = rows()
    fail_in_round(monkeypatch, 12, KeyboardInterrupt)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = make().fit(*chunked(X, y))
    assert 0 < model.n_iter_ < 30


def test_a_cluster_that_is_gone_leaves_the_network_and_its_checkpoint(monkeypatch, tmp_path):
    import fastnn

    X, y = rows()
    path = tmp_path / "net.safetensors"
    fail_in_round(monkeypatch, 12, ClusterError("it is gone"))
    model = make(callbacks=Checkpoint(path, every_epochs=1), warm_start=True)
    with pytest.raises(ClusterError, match="it is gone"):
        model.fit(*chunked(X, y))
    assert 0 < model.n_iter_ < 30
    saved = fastnn.load(path)
    assert saved.state.epoch == model.n_iter_
    assert_array_equal(saved.params, model.network_.params)
    monkeypatch.undo()
    first = model.score(X, y)
    assert model.fit(*chunked(X, y)).score(X, y) > first


@pytest.mark.spread(7)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n", [3, 12, 100])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"early_stopping": True, "n_iter_no_change": 4, "learning_rate_init": 0.03},
        {"n_estimators": 3, "bagging": None, "n_threads": 2},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 0.1},
        {"solver": Adam(0.01, average=0.9), "dropout": 0.1},
        {"callbacks": EarlyStopping(2), "validation_data": (np.ones((5, 3)), np.ones(5))},
    ],
)
def test_a_fit_whose_cluster_failed_continues_to_the_bit(monkeypatch, parameters, n):
    X, y = chunked(*rows())
    expected = make(**parameters).fit(X, y)
    model = make(warm_start=True, **parameters)
    fail_in_round(monkeypatch, n, ClusterError("it is gone."))
    try:
        model.fit(X, y)
    except ClusterError as error:
        assert "it is gone. The estimator has" in str(error) or not hasattr(model, "networks_")
        assert not hasattr(pickle.loads(pickle.dumps(model)), "_stopped_fit")
        model.fit(X, y)
    for net, other in zip(expected.networks_, model.networks_, strict=True):
        assert_array_equal(net.params, other.params)
        assert_array_equal(net.state.moments, other.state.moments)
    for name in "loss_curve_", "validation_scores_", "n_iter_", "t_", "best_loss_":
        assert getattr(model, name) == getattr(expected, name), name


OTHER_FITS = [(300, 1e-4, "X has other partitions"), (0, 0.1, "alpha changed")]


@pytest.mark.parametrize(("n", "alpha", "what"), OTHER_FITS)
def test_a_fit_on_other_rows_begins_anew(monkeypatch, n, alpha, what):
    X, y = chunked(*rows())
    fail_in_round(monkeypatch, 12, ClusterError("it is gone."))
    model = make(warm_start=True)
    with pytest.raises(ClusterError):
        model.fit(X, y)
    model.set_params(alpha=alpha)
    with pytest.warns(UserWarning, match=f"{what} since the fit whose cluster failed"):
        model.fit(X[n:], y[n:])
    assert model.n_iter_ == 30


def test_training_that_diverges_says_so():
    X, y = rows()
    with pytest.raises(ArithmeticError, match="diverged"):
        make(solver="sgd", learning_rate_init=1e30).fit(*chunked(X, y))
