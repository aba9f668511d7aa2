"""`fit` of the reference, compared with its single steps, numbers worked by hand, and PyTorch."""

import cases
import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import reference as ref


def network(rng, n_in, n_hidden):
    shapes = [(n_in, n_hidden), (n_hidden, 1)]
    return [rng.normal(size=s) for s in shapes], [rng.normal(size=s[1]) for s in shapes]


def copies(weights, biases):
    return [W.copy() for W in weights], [b.copy() for b in biases]


def fit_weight(w, x, y, loss="mse", **options):
    """Fit outputs w x; w changes in place."""
    return ref.fit([[each] for each in x], y, [w], [None], ["identity"], loss, **options)


def test_fit_by_hand():
    # y = w x, w = 1, rate 0.1, batches of two rows and of one:
    # x = 1, 2 and y = 2, 4: loss (1 + 4)/2, dL/dw = (2 (-1) 1 + 2 (-2) 2)/2 = -5, w = 1.5
    # x = 3, y = 6: loss (4.5 - 6)^2 = 2.25, dL/dw = 2 (-1.5) 3 = -9, w = 2.4
    w = np.array([[1.0]])
    history = fit_weight(w, [1.0, 2.0, 3.0], [2, 4, 6], lr=0.1, epochs=1, batch_size=2)
    assert history == [pytest.approx((2 * 2.5 + 1 * 2.25) / 3, rel=1e-14)]
    assert w[0, 0] == pytest.approx(2.4, rel=1e-14)


@pytest.fixture
def problem(rng):
    X, y = rng.normal(size=(11, 3)), rng.integers(0, 2, 11)
    return X, y, *network(rng, 3, 4), ["tanh", "sigmoid"], "bce"


STEPS = {name: {} for name in cases.STEPS} | {
    "sgd, momentum": dict(momentum=0.9, nesterov=True, weight_decay=0.01),
    "adagrad": dict(lr_decay=0.1),
    "adadelta": dict(rho=0.8),
    "rmsprop": dict(alpha=0.9),
    "rmsprop, centered": dict(centered=True, momentum=0.5, eps=1e-3),
    "adam": dict(betas=(0.8, 0.95), eps=1e-3),
    "adam, amsgrad": dict(amsgrad=True),
    "adamw": dict(weight_decay=0.2),
    "adamw, amsgrad": dict(amsgrad=True),
    "adamax": dict(betas=(0.8, 0.95)),
    "nadam": dict(momentum_decay=0.1),
}


LOOPS = [(False, False, None), (True, True, [0.2, 0.5])]


@pytest.mark.parametrize(("shuffle", "weighted", "dropout"), LOOPS)
@pytest.mark.parametrize("case", STEPS)
def test_fit_equals_a_loop_of_its_steps(problem, case, shuffle, weighted, dropout, rng):
    X, y, weights, biases, activations, loss = problem
    name, options = case.partition(",")[0], STEPS[case]
    w = rng.uniform(0.5, 2, 11) if weighted else np.ones(11)
    mine_W, mine_b = copies(weights, biases)
    masks = dict(dropout=dropout, seed=8)
    settings = dict(lr=0.05, epochs=3, batch_size=4, shuffle=shuffle, rng=np.random.default_rng(7))
    settings |= dict(sample_weight=w if weighted else None)
    history = ref.fit(*problem, name, **settings, **masks, **options)

    draw, step, expected = np.random.default_rng(7), 0, []
    moments, take_step = cases.moments_of(name, options), cases.step_of(name, ref)
    state = [{moment: np.zeros_like(p) for moment in moments} for p in mine_W + mine_b]
    own = {key: value for key, value in options.items() if key != "amsgrad"} | dict(lr=0.05)
    for _ in range(3):
        order = draw.permutation(11) if shuffle else list(range(11))
        losses = []
        for rows in (order[:4], order[4:8], order[8:]):
            arguments = mine_W, mine_b, activations, loss, w[rows]
            L, dW, db = ref.loss_and_grad(X[rows], y[rows], *arguments, step=step, **masks)
            losses.append(L)
            step += 1
            number = dict(step=step) if cases.counts(name) else {}
            for p, g, s in zip(mine_W + mine_b, dW + db, state, strict=True):
                take_step(p, g, **s, **number, **own)
        expected.append((4 * losses[0] + 4 * losses[1] + 3 * losses[2]) / 11)

    np.testing.assert_allclose(history, expected, rtol=1e-13)
    for p, q in zip(weights + biases, mine_W + mine_b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-13)


def line(**options):
    """w and b after a step of rate 1 for y = w x + b, from w = 2, b = -1, at x = 1, y = 2.5: dw =
    db = 2 (1 - 2.5)."""
    w, b = np.array([[2.0]]), np.array([-1.0])
    ref.fit(np.ones((1, 1)), [2.5], [w], [b], ["identity"], "mse", lr=1, epochs=1, **options)
    return w[0, 0], b[0]


LIMITS = [
    ({}, -3, -3),
    (dict(l2=0.25), -3 + 0.25 * 2, -3),  # no penalties on biases
    (dict(l1=0.25), -3 + 0.25, -3),
    (dict(l1=0.25, l2=0.25), -3 + 0.25 + 0.5, -3),
    (dict(clip_value=1.5), -1.5, -1.5),
    (dict(l2=0.25, clip_value=2.75), -2.5, -2.75),  # penalties come before
    (dict(l2=4, clip_value=2), 2, -2),  # 5 is cut too
    (dict(clip_norm=100), -3, -3),
    (dict(clip_norm=18**0.5 / 2), -1.5, -1.5),  # the norm is √(9 + 9)
    (dict(l2=-0.5, clip_norm=2.5), -4 / 2, -3 / 2),  # √(16 + 9) = 5
    (dict(clip_value=1.5, weight_decay=0.5), -1.5 + 1, -1.5 - 0.5),  # that is the optimizer's
]


@pytest.mark.parametrize(("options", "dw", "db"), LIMITS)
def test_penalties_and_clipping_by_hand(options, dw, db):
    assert line(**options) == (pytest.approx(2 - dw, rel=1e-6), pytest.approx(-1 - db, rel=1e-6))


def test_clip_norm_adds_a_millionth_to_the_norm():
    w, _ = line(clip_norm=1e-6)
    assert 2 - w == pytest.approx(-3 * 1e-6 / (18**0.5 + 1e-6), rel=1e-9, abs=0)


def test_l1_leaves_a_weight_of_zero_alone():
    w = np.array([[0.0, 2.0, -2.0]])
    fit_weight(w, [0.0], np.zeros((1, 3)), lr=1, epochs=1, l1=0.5)
    np.testing.assert_array_equal(w, [[0, 1.5, -1.5]])


def test_history_is_without_penalties(problem):
    L, _, _ = ref.loss_and_grad(*problem)
    assert ref.fit(*problem, epochs=1, batch_size=11, l1=1, l2=1) == [pytest.approx(L, rel=1e-14)]


def test_clipping_by_norm_is_over_all_parameters(problem):
    _, _, weights, biases, *_ = problem
    before = [p.copy() for p in weights + biases]
    _, dW, db = ref.loss_and_grad(*problem)
    norm = np.sqrt(sum((g**2).sum() for g in dW + db))
    ref.fit(*problem, lr=1, epochs=1, batch_size=11, clip_norm=norm / 2)
    for p, q, g in zip(weights + biases, before, dW + db, strict=True):
        np.testing.assert_allclose(p, q - g / 2, rtol=1e-5)


def test_the_schedule_is_called_with_the_steps_and_epochs_done():
    calls, w = [], np.array([[0.0]])

    def lr(step, epoch):
        calls.append((step, epoch))
        return 0.5 if step == 1 else 0.0

    # only the second step moves: x = y = 1, dw = -2
    fit_weight(w, np.ones(3), [1, 1, 1], lr=lr, epochs=2, batch_size=2)
    assert calls == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert w[0, 0] == 1.0


def test_average_by_hand():
    # x = y = 1, lr 0.25: w = 0, 0.5, 0.75; A = 0, then 0.75 0 + 0.25 0.5 = 0.125, then 0.75 0.125 +
    # 0.25 0.75
    w = np.array([[0.0]])
    history, (A,), (b,) = fit_weight(w, [1.0], [1], lr=0.25, epochs=2, average=0.75)
    assert history == [1, 0.25]
    assert (w, A, b) == (0.75, 0.28125, None)


def test_average_changes_nothing_else(problem):
    X, y, weights, biases, *rest = problem
    others, options = copies(weights, biases), dict(lr=0.1, epochs=3, batch_size=4)
    history, averaged_W, averaged_b = ref.fit(*problem, "adam", average=0.9, **options)
    assert history == ref.fit(X, y, *others, *rest, "adam", **options)
    averages = averaged_W + averaged_b
    for p, q, A in zip(weights + biases, others[0] + others[1], averages, strict=True):
        np.testing.assert_array_equal(p, q)
        assert A.shape == p.shape and (A != p).any()


def test_fit_calls_a_custom_loss_once_per_batch(problem):
    X, y, weights, biases, activations, _ = problem
    others, rows = copies(weights, biases), []
    options = dict(epochs=2, batch_size=4, lr=0.1, dropout=[0, 0.5])

    def loss(outputs, y):
        rows.append(len(y))
        grad = np.empty_like(outputs)
        return ref.binary_cross_entropy(outputs, y, None, grad), grad

    history = ref.fit(X, y, weights, biases, activations, loss, **options)
    assert rows == [4, 4, 3] * 2
    expected = ref.fit(X, y, *others, activations, "bce", **options)
    np.testing.assert_allclose(history, expected, rtol=1e-13)
    np.testing.assert_allclose(weights[0], others[0][0], rtol=1e-12)


def test_fit_gives_the_loss_its_options():
    # x = y = 1 from w = 0, delta 0.25: the derivative is -2 0.25
    w = np.array([[0.0]])
    fit_weight(w, [1.0], [1], "huber", lr=1, epochs=1, loss_options=dict(delta=0.25))
    assert w[0, 0] == 0.5


def test_dropout_differs_in_every_step():
    # x = y = 1, w = 0, lr 1/8, rate 1/2: a step with x dropped does nothing, with x doubled w +=
    # 1/8 2 2 (1 - 2 w)
    w, expected = np.array([[0.0]]), 0.0
    history = fit_weight(w, [1.0], [1], lr=1 / 8, epochs=20, dropout=[0.5], seed=3)
    masks = [ref.dropout_mask(0.5, 3, step, 0, 1, 1, float)[0, 0] for step in range(20)]
    assert {0, 2} == set(masks)
    for mask, L in zip(masks, history, strict=True):
        assert L == pytest.approx((1 - mask * expected) ** 2, rel=1e-12)
        expected += 1 / 8 * 2 * mask * (1 - mask * expected)
    assert w[0, 0] == pytest.approx(expected, rel=1e-12)


def test_fit_matches_pytorch():
    # torch 2.13.0, float64: Linear(2, 2), tanh, Linear(2, 1), BCEWithLogitsLoss, Adam(lr=0.1), 3
    # epochs of batches 2, 1
    X, y = np.array([[1.0, -0.5], [0.25, 2.0], [-1.0, 0.5]]), [1, 0, 1]
    weights = [np.array([[0.5, -0.25], [1.0, 0.75]]), np.array([[1.0], [-0.5]])]
    biases = [np.array([0.1, -0.2]), np.array([0.3])]
    options = dict(lr=0.1, epochs=3, batch_size=2)
    history = ref.fit(X, y, weights, biases, ["tanh", "sigmoid"], "bce", "adam", **options)
    for found, expected in [
        (history, [0.7827352377252007, 0.6327216204040478, 0.5594574586802982]),
        (weights[0][0], [0.40128620737209586, -0.0677584695090979]),
        (weights[0][1], [1.0437767135079106, 0.8885606162245381]),
        (biases[0], [0.6167642753823448, -0.4410623997559404]),
        (weights[1], [[0.6376856280659475], [-0.7344252119614971]]),
        (biases[1], [0.3747571668740193]),
    ]:
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_fit_learns(rng):
    X = rng.uniform(-1, 1, (200, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)  # no line separates them
    weights, biases, activations = *network(rng, 2, 16), ["relu", "sigmoid"]
    options = dict(lr=0.02, epochs=60, shuffle=True, rng=0)
    history = ref.fit(X, y, weights, biases, activations, "bce", "adam", **options)
    assert history[0] > 0.5 and history[-1] < 0.2
    assert np.mean((ref.forward(X, weights, biases, activations)[:, 0] > 0.5) == y) > 0.93


def test_fit_shuffles_from_a_seed_or_a_generator(problem):
    X, y, weights, biases, *rest = problem

    def run(rng):
        options = dict(lr=1.0, epochs=4, batch_size=3, shuffle=True, rng=rng)
        return ref.fit(X, y, *copies(weights, biases), *rest, **options)

    assert run(3) == run(np.random.default_rng(3)) == run(3) != run(4)
    assert run(None) != run(None)


def test_fit_without_rows(problem):
    X, y, weights, biases, activations, loss = problem
    before = [p.copy() for p in weights + biases]
    assert ref.fit(*problem, epochs=0) == []
    assert ref.fit(X[:0], y[:0], weights, biases, activations, loss, epochs=2) == [0, 0]
    assert_same_bits(weights + biases, before)


def test_fit_with_a_batch_larger_than_the_data_is_one_step(problem):
    _, _, weights, biases, *_ = problem
    L, dW, db = ref.loss_and_grad(*problem)
    expected = [p - 0.5 * g for p, g in zip(weights + biases, dW + db, strict=True)]
    assert ref.fit(*problem, lr=0.5, epochs=1, batch_size=1000) == [pytest.approx(L, rel=1e-14)]
    for p, q in zip(weights + biases, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-14)


def test_an_unknown_optimizer_is_refused_with_the_known_ones(problem):
    message = f"optimizer must be one of {', '.join(cases.STEPS)}, got 'swish'"
    with pytest.raises(ValueError, match=message):
        ref.fit(*problem, "swish")


def test_a_seed_that_is_a_list_of_itself_is_refused(problem):
    seed: list = []
    seed.append(seed)  # NumPy crashes
    with pytest.raises(ValueError, match=r"rng must be an int or a Generator, got \[\[\.\.\.\]\]"):
        ref.fit(*problem, rng=seed)


def test_an_unknown_option_of_an_optimizer_is_refused(problem):
    with pytest.raises(TypeError, match="nesterov"):
        ref.fit(*problem, "adam", nesterov=True)
    with pytest.raises(TypeError, match="v_max"):
        ref.fit(*problem, "sgd", amsgrad=True)
