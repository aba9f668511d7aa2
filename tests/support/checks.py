"""Assertions on arrays and trainings. Their messages say how many numbers differ, which differ most,
and by how much."""

import inspect

import numpy as np


def assert_same_bits(actual, expected, case=""):
    """Check that two arrays, or nested sequences of arrays and other values, hold the same bits.

    0.0 differs from -0.0, and NaN equals NaN of the same payload. Shapes may differ, so that a view
    can be compared with a part of its memory."""
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected), f"{case}: {len(actual)} items, not {len(expected)}"
        for i, (a, b) in enumerate(zip(actual, expected)):
            assert_same_bits(a, b, f"{case}[{i}]")
    elif isinstance(expected, np.ndarray | np.generic | float):
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.dtype != expected.dtype or actual.tobytes() != expected.tobytes():
            fail(case, difference(actual, expected))
    else:
        assert actual == expected, case


def assert_same_models(model, other, path):
    """Check that two fitted estimators for tables have the same attributes and files, bit for bit.

    path : where to save them
    """
    assert_same_bits(model.oof_prediction_, other.oof_prediction_)
    assert_same_bits(model.feature_importances_, other.feature_importances_)
    assert model.oof_score_ == other.oof_score_ and vars(model).keys() == vars(other).keys()
    files = []
    for each in (model, other):
        each.save(path)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def assert_within(actual, expected, bound, case=""):
    """Check that |actual - expected| <= bound, number by number."""
    if actual.shape != expected.shape:
        fail(case, f"shape {actual.shape}, expected {expected.shape}")
    with np.errstate(invalid="ignore"):
        distance = np.abs(actual - expected)
    bound = np.broadcast_to(bound, distance.shape)
    beyond = ~((distance <= bound) | (actual == expected))  # NaN is, equal infinities are not
    if beyond.any():
        worst = np.argmax(np.where(beyond, distance - bound, -np.inf))
        index = np.unravel_index(worst, distance.shape)
        fail(
            case,
            f"{beyond.sum()} of {beyond.size} numbers are out of bounds, most at "
            f"{tuple(map(int, index))}: {actual[index]!r}, expected {expected[index]!r} "
            f"(difference {distance[index]:.3g}, allowed {bound[index]:.3g})",
        )


def central_difference(f, x, v, h=1e-3):
    """The derivative of f at x along v by central differences of 4th order."""
    ends = [f(x + step * h * v) for step in (-2, -1, 1, 2)]
    return np.tensordot([1, -8, 8, -1], ends, axes=1) / (12 * h)


def assert_finite(array, case=""):
    """Check that an array holds neither NaN nor infinity."""
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        index = tuple(map(int, bad[0]))
        fail(
            case,
            f"{len(bad)} of {np.size(array)} numbers are not finite, "
            f"the first at {index}: {np.asarray(array)[index]}",
        )


def flushed(x):
    """An array, or a number of a NumPy type, with subnormal numbers replaced by zeros of their sign.

    So kernels read and write them; `reference` computes with them."""
    x = np.asarray(x)
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def training_state(net):
    """All that may influence the rest of a training, to compare with assert_same_bits."""
    state = net.state
    numbers = state.step, state.epoch, state.row, str(net.rng.bit_generator.state)
    return net.params.copy(), state.moments.copy(), *numbers


def fail(case, message):
    raise AssertionError(f"{case}: {message}".removeprefix(": "))


def difference(actual, expected):
    """Describe how the bits of two arrays differ."""
    if actual.dtype != expected.dtype:
        return f"dtype {actual.dtype}, expected {expected.dtype}"
    if actual.size != expected.size:
        return f"shape {actual.shape}, expected {expected.shape}"
    a, b = (np.ascontiguousarray(x).reshape(-1) for x in (actual, expected))
    differ = np.not_equal(*(x.view(np.uint8).reshape(a.size, -1) for x in (a, b))).any(axis=1)
    with np.errstate(all="ignore"):
        distance = np.abs(a.astype(float) - b.astype(float))
    distance[~differ] = -1  # not NaN, which argmax would choose
    worst = int(np.argmax(distance))
    index = tuple(map(int, np.unravel_index(worst, actual.shape)))
    return (
        f"{differ.sum()} of {a.size} numbers differ, most at {index}: "
        f"{a[worst]!r}, expected {b[worst]!r} (difference {distance[worst]:.3g})"
    )


def signature(function):
    """The signature without type annotations."""
    found = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return found.replace(parameters=parameters, return_annotation=found.empty)
