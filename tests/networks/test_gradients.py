"""Finite differences in float64: every gradient of random networks, to 1e-7 of the largest.

A derivative along one parameter or input, or along a random direction through all of them, is taken
by central differences of 4th order: the error of the formula is of the order of h^4, that of
rounding 1e-16 / h.

relu and leaky_relu have a kink where z = 0, elu has one in its slope; mae and quantile have one
where output and target are equal, huber in its slope where they are delta apart. There a difference
is no derivative. So each difference looks on which side of the kinks all units and outputs are:
where one changes between the ends of the stencil, the stencil shrinks tenfold, and if the kink is
nearer than 1e-6 even so, that direction is left out (a network is never: the test counts what it
compared).
"""

import math

import cases
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scale import scaled

import fastnn
from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.losses import CrossEntropy

PAIRS = {}  # name: (output, loss)
for loss, needed in cases.NETWORK_LOSSES:
    name = loss if isinstance(loss, str) else f"{loss.name} with settings"
    outputs = [needed] if needed else ACTIVATIONS
    PAIRS |= {f"{output}-{name}": (output, loss) for output in outputs}
BOUNDED = [name for name in HIDDEN if name != "exponential"]  # several in a row overflow
KINKED = cases.KINKED
#: So many numbers of each array alone, and so many directions through all of them.
COORDINATES, DIRECTIONS = 4, 3
TOLERANCE, STEP = 1e-7, 1e-3

ANY_FIXTURE = [HealthCheck.function_scoped_fixture]
each_network = settings(max_examples=scaled(120), suppress_health_check=ANY_FIXTURE)


@st.composite
def problems(draw):
    """A network in float64, X, y, loss and weights."""
    output, loss = draw(st.sampled_from([*PAIRS.values()]))
    depth = draw(st.integers(0, 4))
    widths = [draw(st.integers(1, 40)) for _ in range(depth + 2)]
    per_target = cases.outputs_per_target(loss)
    widths[-1] = max(2 if output == "softmax" else 1, widths[-1] * per_target)
    hidden = [draw(st.sampled_from(BOUNDED)) for _ in range(depth)]
    n = draw(st.sampled_from([1, 2, 7, 8, 9, 20]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    net = fastnn.MLP(widths, hidden, output, bias=draw(st.booleans()), dtype="float64", rng=rng)
    shake(net, rng, output, loss)
    if loss in ("cross_entropy", CrossEntropy(0.1)) and draw(st.booleans()):
        y = rng.integers(0, widths[-1], n)
    else:
        y = rng.uniform(size=(n, widths[-1] // per_target))
    weights = rng.uniform(0.1, 3, n) if draw(st.booleans()) else None
    return net, rng.normal(size=(n, widths[0])), y, loss, weights, rng


def shake(net, rng, output, loss):
    """Randomize the biases too; keep numbers small before an exponential, whose derivatives grow
    with it."""
    net.params += rng.normal(size=net.n_params) * 0.1
    if output == "exponential" or loss == "gaussian_nll":
        net.params *= 0.2


def sides_of_kinks(net, X, y=None, loss=None):
    """On which side of their kinks the units of each kinked layer and the outputs are."""
    name = getattr(loss, "name", loss)
    signs = []
    if name not in cases.KINKS and not set(net.activations).intersection(KINKED):
        return signs
    for W, b, activation in zip(net.weights, net.biases, net.activations, strict=True):
        z = ref.linear(X, W, b)
        if activation in KINKED:
            signs.append(z > 0)
        X = ref.activation(z, activation)
    if name in cases.KINKS:
        signs += cases.KINKS[name](loss, X, y)
    return [s.tobytes() for s in signs]


def slope(f, signs, x, direction):
    """df/dt of f(x + t direction) at t = 0, and the step h of the stencil; (None, h) beside a kink.
    f and signs read x, which is moved and put back."""
    x0, here = x.copy(), signs()

    def at(value, t):
        x[...] = x0 + t * direction
        result = value()
        x[...] = x0
        return result

    h = STEP
    while at(signs, -2 * h) != here or at(signs, 2 * h) != here:
        h /= 10
        if h < 1e-6:
            return None, h
    return (8 * (at(f, h) - at(f, -h)) - (at(f, 2 * h) - at(f, -2 * h))) / (12 * h), h


def directions(rng, shape):
    """Unit vectors: single numbers, and some through all."""
    size = math.prod(shape)
    for i in rng.choice(size, min(size, COORDINATES), replace=False):
        unit = np.zeros(size)
        unit[i] = 1
        yield unit.reshape(shape)
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=shape)
        yield direction / np.linalg.norm(direction)


def assert_is_the_gradient(gradient, f, signs, x, rng):
    """Errors are within TOLERANCE of the largest derivative, or of 1e-3 if all are smaller: units
    that are off, or saturated. Where the stencil shrinks, rounding errors grow, and so does the
    tolerance."""
    compared = 0
    scale = max(np.linalg.norm(gradient.ravel(), np.inf), 1e-3)
    for direction in directions(rng, x.shape):
        numeric, h = slope(f, signs, x, direction)
        if numeric is not None:
            compared += 1
            assert abs(numeric - np.vdot(gradient, direction)) <= TOLERANCE * scale * STEP / h
    assert compared > 0


def arrays_of(net):
    """Each W and b with its gradient, so that small arrays are checked as closely as large ones."""
    yield from zip(net.weights, net.grad_weights, strict=True)
    for b, db in zip(net.biases, net.grad_biases, strict=True):
        if b is not None:
            yield b, db


@pytest.mark.spread(1)
@each_network
@given(problems())
def test_loss_and_grad_is_the_derivative_of_the_loss(isa, problem):
    net, X, y, loss, weights, rng = problem
    value = net.loss_and_grad(X, y, loss, weights)
    assert value == pytest.approx(net.loss(X, y, loss, weights), rel=1e-12)
    f, sides = (lambda: net.loss(X, y, loss, weights)), (lambda: sides_of_kinks(net, X, y, loss))
    for x, gradient in arrays_of(net):
        assert_is_the_gradient(gradient, f, sides, x, rng)


@pytest.mark.spread(1)
@each_network
@given(problems())
def test_backward_is_the_derivative_of_a_custom_loss(isa, problem):
    net, X, _, _, _, rng = problem
    weights = rng.normal(size=(len(X), net.layer_sizes[-1]))

    def custom_loss():
        return float((weights * np.sin(net.forward(X))).sum())

    Y = net.forward(X, keep=True)
    for x, gradient in [(X, net.backward(weights * np.cos(Y))), *arrays_of(net)]:
        assert_is_the_gradient(gradient, custom_loss, lambda: sides_of_kinks(net, X), x, rng)


@pytest.mark.spread(12)
@pytest.mark.parametrize(("output", "loss"), PAIRS.values(), ids=PAIRS)
def test_every_activation_under_every_output_and_loss(isa, output, loss):
    """Each pair of neighbouring layers once, on more rows than a chunk has: random networks may
    miss some."""
    rng = np.random.default_rng(len(output))
    per_target = cases.outputs_per_target(loss)
    sizes = [[3, 17, 2], [3, 1, 2]]
    if output != "softmax" and per_target == 1:
        sizes.append([3, 5, 1])
    for hidden in HIDDEN:
        for widths in sizes:
            net = fastnn.MLP(widths, hidden, output, dtype="float64", rng=rng)
            shake(net, rng, output, loss)
            X, y = rng.normal(size=(300, 3)), rng.uniform(size=(300, widths[-1] // per_target))
            net.loss_and_grad(X, y, loss)
            gradient = net.grads.copy()
            f, sides = (lambda: net.loss(X, y, loss)), (lambda: sides_of_kinks(net, X, y, loss))  # noqa: B023
            assert_is_the_gradient(gradient, f, sides, net.params, rng)
