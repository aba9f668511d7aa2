"""100 steps of PyTorch's optimizers in float64, compared with the reference and the kernels.

tests/data/make_pytorch_optimizers.py has the settings and made the numbers.
"""

import importlib.util

import cases
import numpy as np
import pytest
from places import DATA

from fastnn import functional, reference

SCRIPT = DATA / "make_pytorch_optimizers.py"
spec = importlib.util.spec_from_file_location("make_pytorch_optimizers", SCRIPT)
pytorch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pytorch)


@pytest.fixture(scope="module")
def stored():
    with np.load(pytorch.FILE) as arrays:
        return dict(arrays)


def follow(module, name, start, gradients):
    """The parameters after each step of a function of fastnn."""
    cls, settings = pytorch.VARIANTS[name]
    name, settings = cls.lower(), dict(settings)
    moments = cases.moments_of(name, settings)
    settings.pop("amsgrad", None)
    params, state, after = start.copy(), {moment: np.zeros_like(start) for moment in moments}, []
    for step, gradient in enumerate(gradients, 1):
        number = {"step": step} if cases.counts(name) else {}
        cases.step_of(name, module)(params, gradient, **state, **settings, **number)
        after.append(params.copy())
    return np.array(after)


@pytest.mark.parametrize("name", pytorch.VARIANTS)
@pytest.mark.parametrize("module", [reference, functional], ids=["reference", "functional"])
def test_steps_match_pytorch(module, name, stored):
    actual = follow(module, name, stored["start"], stored["gradients"])
    np.testing.assert_allclose(actual, stored[name], rtol=1e-12)


def test_no_two_variants_end_at_the_same_point(stored):
    assert set(stored) == {"start", "gradients", *pytorch.VARIANTS}
    ends = np.array([stored[name][-1] for name in pytorch.VARIANTS])
    distances = np.abs(ends[:, np.newaxis] - ends).max(axis=2)
    np.testing.assert_array_less(1e-3, distances + np.eye(len(ends)))


def test_the_stored_numbers_match_the_installed_pytorch(stored):
    pytest.importorskip("torch")
    start, gradients = pytorch.problem()
    np.testing.assert_array_equal(start, stored["start"])
    np.testing.assert_array_equal(gradients, stored["gradients"])
    for name in pytorch.VARIANTS:
        found = pytorch.follow(name, start, gradients)
        np.testing.assert_allclose(found, stored[name], rtol=1e-12, err_msg=name)
