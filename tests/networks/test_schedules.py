"""Schedules of the learning rate: against their formulas, against numbers from PyTorch, and against
PyTorch itself where it is installed.

`schedule(t)` is the compiled `kernels.learning_rate`; the expected rates are computed here in plain
Python.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn import kernels, schedules
from fastnn.schedules import CosineDecay, ExponentialDecay, OneCycle, Rates, StepDecay

TIMES = [*range(60), 99, 100, 101, 1000, 10**6, 2**40]
CLOSE = dict(rel=1e-14, abs=1e-17)


def eased(start, end, part):
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def cosine_decay(t, lr, duration, warmup=0, final_lr=0.0):
    if t < warmup:
        return lr * (t + 1) / (warmup + 1)
    return final_lr if t >= duration else eased(lr, final_lr, (t - warmup) / (duration - warmup))


def one_cycle(t, max_lr, duration, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    start_lr = max_lr / div_factor
    final_lr = start_lr / final_div_factor
    peak, end = pct_start * duration - 1, duration - 1
    if t > end:
        return final_lr
    if t <= peak:
        return eased(start_lr, max_lr, t / peak) if peak > 0 else max_lr
    return eased(max_lr, final_lr, (t - peak) / (end - peak))


FORMULAS = {
    Rates: lambda t, rates: rates[min(t, len(rates) - 1)],
    StepDecay: lambda t, lr, every, factor=0.1: lr * factor ** (t // every),
    ExponentialDecay: lambda t, lr, factor: lr * factor ** float(t),
    CosineDecay: cosine_decay,
    OneCycle: one_cycle,
}
CASES = [
    (Rates, dict(rates=[0.4])),
    (Rates, dict(rates=(0.4, 0.0, 0.3, 0.1))),
    (Rates, dict(rates=np.linspace(0.1, 0.2, 70))),
    (StepDecay, dict(lr=0.4, every=10)),
    (StepDecay, dict(lr=0.4, every=1, factor=0.5)),
    (StepDecay, dict(lr=0.4, every=7, factor=1)),
    *((ExponentialDecay, dict(lr=lr, factor=f)) for lr, f in ((0.4, 0.9), (1, 1), (3.0, 1e-3))),
]
FIFTY = dict(lr=0.4, duration=50)
COSINES = {}, dict(final_lr=0.01), dict(warmup=5, final_lr=0.01), dict(warmup=49)
CASES += [(CosineDecay, FIFTY | more) for more in (*COSINES, dict(warmup=1, final_lr=0.4))]
CASES.append((CosineDecay, dict(lr=0.4, duration=1)))
FIFTY = dict(max_lr=0.4, duration=50)
CYCLES = {}, dict(pct_start=0.37, div_factor=3, final_div_factor=7)
CYCLES += *(dict(pct_start=part) for part in (0.0, 0.01, 0.02, 1.0)), dict(duration=1)
CYCLES += dict(div_factor=1, final_div_factor=1), dict(duration=1, pct_start=1)
CASES += [(OneCycle, FIFTY | more) for more in (*CYCLES, dict(duration=2, pct_start=0.5))]


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["epoch", "step"])
@pytest.mark.parametrize(("schedule", "settings"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_rates_follow_the_formula_and_depend_on_their_unit_alone(schedule, settings, unit):
    made = schedule(**settings, unit=unit)
    numbers = made.to_kernel()
    for t in TIMES:
        assert made(t) == pytest.approx(FORMULAS[schedule](t, **settings), **CLOSE)
        other = (t * 7 + 3) % 1000  # the count of the other unit must not matter
        step, epoch = (other, t) if unit == "epoch" else (t, other)
        assert kernels.learning_rate(numbers, step, epoch) == made(t)


SHARES = dict(duration=st.integers(1, 400), pct_start=st.floats(0, 1))


@given(**SHARES, div_factor=st.floats(1, 1e3), final_div_factor=st.floats(1, 1e6))
def test_one_cycle_stays_between_its_rates_and_peaks_once(
    duration, pct_start, div_factor, final_div_factor
):
    schedule = OneCycle(1.0, duration, pct_start, div_factor, final_div_factor)
    rates = np.array([schedule(t) for t in range(duration + 3)])
    lowest = 1 / div_factor / final_div_factor
    assert rates.min() >= lowest * (1 - 1e-9) - 1e-16 and rates.max() <= 1 + 1e-15
    turn = rates.argmax()
    assert np.diff(rates[: turn + 1]).min(initial=0) >= -1e-15
    assert np.diff(rates[turn:]).max(initial=0) <= 1e-15
    if duration > 1 or pct_start < 1:
        assert rates[-3:] == pytest.approx([lowest] * 3)


RATES = st.floats(0, 1, allow_subnormal=False)


@given(duration=st.integers(1, 300), share=st.floats(0, 1, exclude_max=True), final_lr=RATES)
def test_cosine_decay_rises_to_its_rate_and_falls_from_there(duration, share, final_lr):
    warmup = min(int(share * duration), duration - 1)
    schedule = CosineDecay(1.0, duration, warmup, final_lr)
    rates = np.array([schedule(t) for t in range(duration + 3)])
    assert rates[0] == pytest.approx(1 / (warmup + 1)) and rates[warmup] == 1
    assert np.diff(rates[: warmup + 1]).min(initial=1) > 0
    assert np.diff(rates[warmup:]).max(initial=0) <= 1e-15
    np.testing.assert_array_equal(rates[duration:], final_lr)


ROOT = 0.4 * math.sqrt(0.5)
BY_HAND = [
    (StepDecay(0.8, 2, 0.5), {0: 0.8, 1: 0.8, 2: 0.4, 3: 0.4, 4: 0.2, 20: 0.8 / 1024}),
    (ExponentialDecay(0.8, 0.5), {0: 0.8, 1: 0.4, 2: 0.2, 10: 0.8 / 1024, 2000: 0.0}),
    (CosineDecay(0.8, 4), {0: 0.8, 1: 0.4 + ROOT, 2: 0.4, 3: 0.4 - ROOT, 4: 0.0, 5: 0.0, 8: 0.0}),
    (CosineDecay(0.8, 7, 3, 0.2), {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 5: 0.5, 7: 0.2, 100: 0.2}),
    (CosineDecay(0.8, 1), {0: 0.8, 1: 0.0}),
    # the peak at 0.5 * 10 - 1 = 4, half of the way up at 2; the end at 9
    (OneCycle(0.8, 10, 0.5, 4.0, 2.0), {0: 0.2, 2: 0.5, 4: 0.8, 9: 0.1, 10: 0.1, 1000: 0.1}),
    # the peak at 0, at the end, before the beginning
    (OneCycle(0.8, 4, 0.25, 4.0, 2.0), {0: 0.8, 1: 0.1 + 0.35 * 1.5, 2: 0.275, 3: 0.1, 4: 0.1}),
    (OneCycle(0.8, 3, 1.0, 4.0, 2.0), {0: 0.2, 1: 0.5, 2: 0.8, 3: 0.1}),
    (OneCycle(0.8, 1, 1.0, 4.0, 2.0), {0: 0.8, 1: 0.1}),
    (OneCycle(0.8, 1, 0.0, 4.0, 2.0), {0: 0.1, 1: 0.1}),
]


@pytest.mark.parametrize(("schedule", "expected"), BY_HAND)
def test_rates_computed_by_hand(schedule, expected):
    assert {t: schedule(t) for t in expected} == pytest.approx(expected, **CLOSE)


def test_one_cycle_as_pytorch_computes_it():
    """OneCycleLR(optimizer, 0.1, total_steps=10) of PyTorch 2.13."""
    expected = [0.0040000000000000036, 0.052000000000000005, 0.1, 0.09504846320134738]
    expected += [0.0811745653949763, 0.06112620219362893, 0.03887419780637107]
    expected += [0.0188258346050237, 0.004951936798652629, 4e-07]
    schedule = OneCycle(0.1, 10)
    assert [schedule(t) for t in range(10)] == pytest.approx(expected, rel=1e-13)


def test_a_number_is_a_constant_rate():
    for lr in (0.3, 1, np.float64(0.3), Fraction(1, 3), 0):
        numbers = schedules.to_kernel(lr)
        assert numbers == schedules.constant(lr)
        times = (0, 0), (9, 0), (0, 9), (2**40, 2**40)
        assert [kernels.learning_rate(numbers, *at) for at in times] == [float(lr)] * 4


@pytest.mark.parametrize("t", [-1, 0.5, 1.0, True, None, "1"])
def test_time_is_a_whole_number(t):
    with pytest.raises(ValueError, match="t must be a whole number of at least 0"):
        StepDecay(0.1, 3)(t)


# ---- PyTorch -------------------------------------------------------------------------------------


def torch_rates(name, lr, n, **settings):
    """The rates that a scheduler of PyTorch gives before each of n steps."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **settings)
    rates = []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < n:
            scheduler.step()
    return rates


@pytest.mark.parametrize(("every", "factor"), [(1, 0.9), (3, 0.1), (7, 0.5)])
def test_step_decay_is_pytorchs(every, factor):
    expected = torch_rates("StepLR", 0.3, 50, step_size=every, gamma=factor)
    schedule = StepDecay(0.3, every, factor)
    assert [schedule(t) for t in range(50)] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.0])
def test_exponential_decay_is_pytorchs(factor):
    expected = torch_rates("ExponentialLR", 0.3, 50, gamma=factor)
    schedule = ExponentialDecay(0.3, factor)
    assert [schedule(t) for t in range(50)] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("duration", "final_lr"), [(1, 0.0), (10, 0.0), (37, 0.05), (400, 1e-3)])
def test_cosine_decay_is_pytorchs_within_its_duration(duration, final_lr):
    n, settings = duration + 1, dict(T_max=duration, eta_min=final_lr)
    expected = torch_rates("CosineAnnealingLR", 0.3, n, **settings)  # a recursion adds up errors
    schedule = CosineDecay(0.3, duration, final_lr=final_lr)
    assert [schedule(t) for t in range(n)] == pytest.approx(expected, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("duration", [2, 3, 10, 33, 250])
@pytest.mark.parametrize("part", [0.3, 0.01, 0.9, 1.0])
def test_one_cycle_is_pytorchs_within_its_duration(duration, part):
    settings = dict(pct_start=part)
    if part == 0.9:
        settings |= dict(div_factor=4.0, final_div_factor=50.0)
    options = dict(max_lr=0.3, total_steps=duration, cycle_momentum=False)
    expected = torch_rates("OneCycleLR", 0.3, duration, **options, **settings)
    schedule = OneCycle(0.3, duration, **settings)
    assert [schedule(t) for t in range(duration)] == pytest.approx(expected, rel=1e-13)
