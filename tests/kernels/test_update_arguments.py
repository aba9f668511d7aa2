"""Arguments of the updates of F: arrays that change in place, gradients of any kind, and invalid
settings."""

import inspect
from types import SimpleNamespace

import cases
import numpy as np
import pytest
from array_kinds import LAYOUTS, misaligned, read_only
from checks import assert_same_bits
from thread_trials import record_threads

from fastnn import SGD, kernels
from fastnn import functional as F
from fastnn.functional import updates
from fastnn.schedules import Rates, StepDecay

STEPS = {  # with settings that use every moment
    cases.step_of(name): cases.EVERY_MOMENT.get(name, {})
    | (dict(step=1) if cases.counts(name) else {})
    for name in cases.STEPS
}
MOMENTS = {
    cases.step_of(name): [m for m in cases.parameters_of(name) if m in cases.all_moments(name)]
    for name in cases.STEPS
}
TARGETS = [(step, target) for step in STEPS for target in ["params", *MOMENTS[step]]]
TARGET_IDS = [f"{step.__name__}-{target}" for step, target in TARGETS]
step_and_target = pytest.mark.parametrize(("step", "target"), TARGETS, ids=TARGET_IDS)


@pytest.fixture(params=STEPS, ids=lambda step: step.__name__)
def step(request):
    return request.param


def arrays(step, n=6, dtype=float):
    """Everything a step takes, by name."""
    params, grads = np.random.default_rng(5).normal(size=(2, n)).astype(dtype)
    return dict(params=params, grads=grads) | {name: np.zeros(n, dtype) for name in MOMENTS[step]}


def assert_untouched(arguments, step):
    for name, array in arrays(step).items():
        np.testing.assert_array_equal(arguments[name], array)


def test_the_step_changes_all_arrays_but_the_gradient(isa, dtype, step):
    arguments, before = arrays(step, 33, dtype), arrays(step, 33, dtype)
    assert step(**arguments, **STEPS[step]) is None
    changed = {name for name in arguments if (arguments[name] != before[name]).any()}
    assert changed == set(arguments) - {"grads"}


KINDS = {"list": np.ndarray.tolist, "float64": np.float64, "memoryview": memoryview} | LAYOUTS


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_gradient_may_be_any_kind_of_array(isa, dtype, step, kind):
    arguments, expected = arrays(step, 33, dtype), arrays(step, 33, dtype)
    step(**expected, **STEPS[step])
    step(**arguments | dict(grads=kind(arguments["grads"])), **STEPS[step])
    for name in arguments:
        assert_same_bits(arguments[name], expected[name])


REFUSED = {  # where the step would write into a copy
    "list": ([0.0] * 6, TypeError),
    "memoryview": (memoryview(np.zeros(6)), TypeError),
    **{kind: (np.zeros(6, kind), TypeError) for kind in ("f2", "int", ">f8", "complex")},
    "strided": (np.zeros(12)[::2], ValueError),
    "negative stride": (np.zeros(6)[::-1], ValueError),
    "read-only": (read_only(np.zeros(6)), ValueError),
    "misaligned": (misaligned(np.zeros(6)), ValueError),
}


@step_and_target
@pytest.mark.parametrize(("array", "error"), REFUSED.values(), ids=REFUSED)
def test_arguments_that_would_be_copied_are_refused(step, target, array, error):
    arguments = arrays(step)
    with pytest.raises(error, match=f"^{target} .*(must be|is read-only|align)"):
        step(**arguments | {target: array}, **STEPS[step])
    assert not np.any(array)
    assert_untouched(arguments, step)


@step_and_target
def test_moments_must_fit_the_parameters(step, target):
    wrong = [(np.zeros(5), ValueError), (np.zeros((6, 1)), ValueError)]
    for array, error in [*wrong, (np.zeros(6, np.float32), TypeError)] * (target != "params"):
        with pytest.raises(error, match=f"^{target} must "):
            step(**arrays(step) | {target: array}, **STEPS[step])


def test_gradient_must_fit_the_parameters(step):
    for wrong in (np.ones(5), np.ones((6, 1)), 1.0):
        with pytest.raises(ValueError, match=r"^grads must have shape \(6,\), got "):
            step(**arrays(step) | dict(grads=wrong), **STEPS[step])
    with pytest.raises(TypeError, match=r"^grads must hold numbers, got "):
        step(**arrays(step) | dict(grads=np.full(6, None)), **STEPS[step])


@pytest.mark.parametrize("shift", [0, 1, 5], ids=lambda n: f"shifted by {n}")
@step_and_target
def test_arrays_that_overlap_are_refused(step, target, shift):
    for other in {"grads", *MOMENTS[step]} - {target}:
        memory = np.arange(1.0, 13.0)
        arguments = arrays(step) | {target: memory[:6], other: memory[shift : shift + 6]}
        with pytest.raises(ValueError, match=r"^[a-z_]+ overlaps another argument"):
            step(**arguments, **STEPS[step])
        np.testing.assert_array_equal(memory, np.arange(1.0, 13.0))


@step_and_target
def test_a_gradient_that_shares_memory_through_another_object_is_refused(step, target):
    arguments = arrays(step)
    array = arguments[target]
    as_array = SimpleNamespace(__array_interface__=array.__array_interface__)
    for grads in (memoryview(array), array[::-1], as_array):
        with pytest.raises(ValueError, match=f"^{target} overlaps another argument"):
            step(**arguments | dict(grads=grads), **STEPS[step])
    assert_untouched(arguments, step)


def test_parts_of_one_block_are_accepted(step):
    arguments, expected = arrays(step), arrays(step)
    block = np.array(list(arguments.values()))
    step(**expected, **STEPS[step])
    step(**dict(zip(arguments, block, strict=True)), **STEPS[step])
    np.testing.assert_array_equal(block, np.array(list(expected.values())))


# ---- moments -------------------------------------------------------------------------------------


def test_moments_that_a_setting_needs():
    W, g = np.ones(3), np.ones(3)
    zeros, both = np.zeros(3), dict(momentum=0.9, centered=True)
    hint = r"\. Pass an array like params, zeros before the first step"
    for step, moments, settings, message in [
        (F.sgd_step_, (0.1,), dict(momentum=0.9), "momentum needs velocity"),
        (F.rmsprop_step_, (zeros,), dict(momentum=0.9), "momentum needs velocity"),
        (F.rmsprop_step_, (zeros,), dict(centered=True), "centered=True needs mean"),
        (F.rmsprop_step_, (zeros,), dict(both, velocity=zeros), "centered=True needs mean"),
    ]:
        with pytest.raises(ValueError, match=f"^{message}{hint}"):
            step(W, g, *moments, **settings)
    with pytest.raises(TypeError, match="m must be a NumPy array, got NoneType"):
        F.adam_step_(W, g, None, np.zeros(3), 1)
    np.testing.assert_array_equal(W, 1)


def test_unused_moments_are_left_unchanged():
    W, g, velocity, mean = np.ones(3), np.ones(3), np.full(3, 7.0), np.full(3, 7.0)
    F.sgd_step_(W, g, 0.1, velocity=velocity)
    F.rmsprop_step_(W, g, np.zeros(3), mean=mean, velocity=velocity)
    np.testing.assert_array_equal([velocity, mean], 7.0)


def test_v_max_makes_the_step_amsgrad():
    plain, amsgrad, v_max = np.ones(3), np.ones(3), np.full(3, 1e6)
    F.adam_step_(plain, np.ones(3), np.zeros(3), np.zeros(3), 1, lr=0.1)
    F.adam_step_(amsgrad, np.ones(3), np.zeros(3), np.zeros(3), 1, lr=0.1, v_max=v_max)
    np.testing.assert_allclose(plain, 0.9)
    np.testing.assert_allclose(amsgrad, 1 - 0.1 / (1000 / np.sqrt(0.001)))
    np.testing.assert_array_equal(v_max, 1e6)


# ---- settings ------------------------------------------------------------------------------------

RATE, WHOLE = "must be a finite number at least 0", "must be a whole number of at least 1"
WRONG = {
    "lr": {value: f"{RATE}, got {value!r}" for value in (-1, np.nan, np.inf, "0.1")},
    "momentum": {1.0: f"{RATE} and below 1, got 1.0", -0.1: "at least 0"},
    **{name: {-1: f"{RATE}, got -1"} for name in ("weight_decay", "lr_decay", "momentum_decay")},
    **{name: {1.0: f"{RATE} and below 1, got 1.0"} for name in ("rho", "alpha")},
    "eps": {0: "must be a finite number above 0, got 0", -1e-8: "above 0"},
    "betas": {(0.9, 1.0): "at least 0 and below 1, got 1.0", (0.9,): "two numbers"},
    "step": {value: f"{WHOLE}, got {value}" for value in (0, 1.5)},
}
WRONG["lr"][StepDecay(0.1, 5)] = f"{RATE}, got StepDecay"
WRONG["betas"][0.9] = "must be two numbers, got 0.9"


def test_wrong_settings_are_refused(step):
    for setting, wrong in WRONG.items():
        if setting in inspect.signature(step).parameters:
            for value, message in wrong.items():
                arguments = arrays(step)
                with pytest.raises(ValueError, match=f"^{setting} .*{message}"):
                    step(**arguments, **STEPS[step] | {setting: value})
                assert_untouched(arguments, step)


def test_settings_that_cannot_be_remembered_are_checked_too(step):
    arguments, expected = arrays(step), arrays(step)
    with pytest.raises(ValueError, match=r"^lr must be a finite number at least 0, got \[0.1\]"):
        step(**arguments, **STEPS[step] | dict(lr=[0.1]))
    if "betas" in inspect.signature(step).parameters:
        step(**arguments, **STEPS[step] | dict(betas=[0.8, 0.9]))
        step(**expected, **STEPS[step] | dict(betas=(0.8, 0.9)))
        assert_same_bits(arguments["params"], expected["params"])


def test_threads_do_not_change_bits(step, monkeypatch):
    monkeypatch.setattr(updates, "NUMBERS_OF_A_THREAD", 200)
    monkeypatch.setattr(updates, "check_threads", lambda n: n)
    expected = arrays(step, 1000)
    step(**expected, **STEPS[step])
    numbers = record_threads(monkeypatch)
    updates._thread_choice.cache_clear()
    for n_threads in (2, 3) * 2:
        arguments = arrays(step, 1000)
        arguments["grads"] = arguments["grads"].tolist()
        step(**arguments, **STEPS[step], n_threads=n_threads)
        for name in ["params", *MOMENTS[step]]:
            assert_same_bits(arguments[name], expected[name])
    assert max(numbers) == 2
    with pytest.raises(ValueError, match="params must be C-contiguous"):
        step(**arguments | dict(params=np.ones(2000)[::2]), **STEPS[step], n_threads=2)


def test_settings_that_do_not_go_together():
    for options, message in [
        (dict(n_threads=0), "n_threads must be at least 1, or -1"),
        (dict(nesterov=True), "nesterov=True needs a momentum above 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            F.sgd_step_(np.ones(3), np.ones(3), 0.1, **options)


def test_settings_are_remembered_for_what_they_are():
    """Another rate, decay or rule is another set of settings."""
    ends, adam = [], F.adam_step_
    settings = [(0.1, 0.0, adam), (0.2, 0.0, adam), (0.1, 0.5, adam), (0.1, 0.5, F.adamw_step_)]
    for lr, decay, step in settings * 2:
        W = np.full(2, 3.0)
        step(W, np.ones(2), np.zeros(2), np.zeros(2), 1, lr=lr, weight_decay=decay, eps=1.0)
        ends.append(W[0])
    assert ends[:4] == ends[4:]
    assert len(set(ends)) == 4


ODD = {  # params, gradient and velocity that the kernel itself must refuse
    "another shape": lambda w: (w, w.reshape(2, 3).copy(), w.copy()),
    "another dtype": lambda w: (w, w.astype("float32"), w.copy()),
    "gaps": lambda w: (w, np.ones(12)[::2], w.copy()),
    "in common": lambda w: (w[:4], w[3:7], w[:4].copy()),
    "the same": lambda w: (w, w.copy(), w),
    "within a number": lambda w: (w, np.ones(8 * 7, np.uint8)[4:52].view(np.float64), w.copy()),
    "read-only": lambda w: (np.frombuffer(w.tobytes()), w.copy(), w.copy()),
    "a list": lambda w: (w, w.tolist(), w.copy()),
    "too many": lambda w: (w, w.copy(), w.copy(), w.copy()),
}


@pytest.mark.parametrize("odd", ODD)
def test_the_kernel_refuses_invalid_settings(odd):
    settings = kernels.packed(SGD(0.1, 0.9).to_kernel())
    w = np.ones(6)
    with pytest.raises((TypeError, ValueError, BufferError)):
        kernels.update(settings, 1, *ODD[odd](w))
    with pytest.raises(ValueError, match="packed"):
        kernels.update(settings[:-1], 1, w, w.copy(), w.copy())
    np.testing.assert_array_equal(w, 1)


def test_the_kernel_refuses_tables_of_rates():
    table = SGD(Rates([0.1])).to_kernel()
    with pytest.raises(ValueError, match="takes one learning rate, but the optimizer has a table"):
        kernels.packed(table)
    with pytest.raises(ValueError, match="The table of learning rates is empty"):
        kernels.learning_rate(table["rate"] | {"rates": np.empty(0)}, 0, 0)
