"""Schedules of the learning rate: against their formulas, against numbers from PyTorch, and against
PyTorch itself where it is installed.

`schedule(t)` is the compiled `kernels.learning_rate`; the oracle is written down here once more, in
plain Python.
"""

import dataclasses
import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn import kernels, schedules
from fastnn.schedules import (
    SCHEDULES,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Plateau,
    ReduceOnPlateau,
    StepDecay,
    Table,
)

TIMES = [*range(60), 99, 100, 101, 1000, 10**6, 2**40]
CLOSE = dict(rel=1e-14, abs=1e-17)


def eased(start, end, part):
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def step_decay(t, lr, every, factor=0.1):
    return lr * factor ** (t // every)


def exponential_decay(t, lr, factor):
    return lr * factor ** float(t)


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


def table(t, rates):
    return rates[min(t, len(rates) - 1)]


CASES = [
    (Table, table, dict(rates=[0.4])),
    (Table, table, dict(rates=(0.4, 0.0, 0.3, 0.1))),
    (Table, table, dict(rates=np.linspace(0.1, 0.2, 70))),
    (StepDecay, step_decay, dict(lr=0.4, every=10)),
    (StepDecay, step_decay, dict(lr=0.4, every=1, factor=0.5)),
    (StepDecay, step_decay, dict(lr=0.4, every=7, factor=1)),
    (ExponentialDecay, exponential_decay, dict(lr=0.4, factor=0.9)),
    (ExponentialDecay, exponential_decay, dict(lr=1, factor=1)),
    (ExponentialDecay, exponential_decay, dict(lr=3.0, factor=1e-3)),
    (CosineDecay, cosine_decay, dict(lr=0.4, duration=50)),
    (CosineDecay, cosine_decay, dict(lr=0.4, duration=50, final_lr=0.01)),
    (CosineDecay, cosine_decay, dict(lr=0.4, duration=50, warmup=5, final_lr=0.01)),
    (CosineDecay, cosine_decay, dict(lr=0.4, duration=50, warmup=49)),
    (CosineDecay, cosine_decay, dict(lr=0.4, duration=50, warmup=1, final_lr=0.4)),
    (CosineDecay, cosine_decay, dict(lr=0.4, duration=1)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=50)),
    (
        OneCycle,
        one_cycle,
        dict(max_lr=0.4, duration=50, pct_start=0.37, div_factor=3, final_div_factor=7),
    ),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=50, pct_start=0.0)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=50, pct_start=0.01)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=50, pct_start=0.02)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=50, pct_start=1.0)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=50, div_factor=1, final_div_factor=1)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=2, pct_start=0.5)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=1)),
    (OneCycle, one_cycle, dict(max_lr=0.4, duration=1, pct_start=1)),
]
EXAMPLES = [
    Table((0.1, 0.3, 0.2), "step"),
    StepDecay(0.1, 3, 0.5, "step"),
    ExponentialDecay(0.1, 0.9),
    CosineDecay(0.1, 30, 3, 1e-4),
    OneCycle(0.1, 1000, 0.25, 10.0, 100.0, "epoch"),
    ReduceOnPlateau(0.1, 0.3, 2, 1e-3, 1e-6),
]


def ids(value):
    return value.__name__ if isinstance(value, type) else ""


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["epoch", "step"])
@pytest.mark.parametrize(("schedule", "formula", "settings"), CASES, ids=ids)
def test_rates_are_those_of_the_formula_and_count_their_unit_alone(
    schedule, formula, settings, unit
):
    made = schedule(**settings, unit=unit)
    numbers = made.to_kernel()
    for t in TIMES:
        expected = pytest.approx(formula(t, **settings), **CLOSE)
        assert made(t) == expected
        other = (t * 7 + 3) % 1000  # what the other unit counts must not show
        assert kernels.learning_rate(
            numbers, *((other, t) if unit == "epoch" else (t, other))
        ) == made(t)


@given(
    duration=st.integers(1, 400),
    pct_start=st.floats(0, 1),
    div_factor=st.floats(1, 1e3),
    final_div_factor=st.floats(1, 1e6),
)
def test_one_cycle_stays_between_its_rates_and_peaks_once(
    duration, pct_start, div_factor, final_div_factor
):
    schedule = OneCycle(1.0, duration, pct_start, div_factor, final_div_factor)
    rates = np.array([schedule(t) for t in range(duration + 3)])
    lowest = 1 / div_factor / final_div_factor
    assert (rates >= lowest * (1 - 1e-9) - 1e-16).all() and (rates <= 1 + 1e-15).all()
    turn = rates.argmax()
    assert (np.diff(rates[: turn + 1]) >= -1e-15).all() and (np.diff(rates[turn:]) <= 1e-15).all()
    assert rates[-3:] == pytest.approx(
        [lowest] * 3 if duration > 1 or pct_start < 1 else rates[-3:]
    )


@given(
    duration=st.integers(1, 300), share=st.floats(0, 1, exclude_max=True), final_lr=st.floats(0, 1)
)
def test_cosine_decay_rises_to_its_rate_and_falls_from_there(duration, share, final_lr):
    warmup = min(int(share * duration), duration - 1)
    schedule = CosineDecay(1.0, duration, warmup, final_lr)
    rates = np.array([schedule(t) for t in range(duration + 3)])
    assert rates[0] == pytest.approx(1 / (warmup + 1)) and rates[warmup] == 1
    assert (np.diff(rates[: warmup + 1]) > 0).all() and (np.diff(rates[warmup:]) <= 1e-15).all()
    assert (rates[duration:] == final_lr).all()


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (StepDecay(0.8, 2, 0.5), {0: 0.8, 1: 0.8, 2: 0.4, 3: 0.4, 4: 0.2, 20: 0.8 / 1024}),
        (ExponentialDecay(0.8, 0.5), {0: 0.8, 1: 0.4, 2: 0.2, 10: 0.8 / 1024, 2000: 0.0}),
        (
            CosineDecay(0.8, 4),
            {
                0: 0.8,
                1: 0.4 + 0.4 * math.sqrt(0.5),
                2: 0.4,
                3: 0.4 - 0.4 * math.sqrt(0.5),
                4: 0.0,
                5: 0.0,
                8: 0.0,
            },
        ),
        (CosineDecay(0.8, 7, 3, 0.2), {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 5: 0.5, 7: 0.2, 100: 0.2}),
        (CosineDecay(0.8, 1), {0: 0.8, 1: 0.0}),
        # the peak at 0.5 * 10 - 1 = 4, half of the way up at 2; the end at 9
        (OneCycle(0.8, 10, 0.5, 4.0, 2.0), {0: 0.2, 2: 0.5, 4: 0.8, 9: 0.1, 10: 0.1, 1000: 0.1}),
        (
            OneCycle(0.8, 4, 0.25, 4.0, 2.0),
            {0: 0.8, 1: 0.1 + 0.35 * 1.5, 2: 0.1 + 0.35 * 0.5, 3: 0.1, 4: 0.1},
        ),  # at 0
        (OneCycle(0.8, 3, 1.0, 4.0, 2.0), {0: 0.2, 1: 0.5, 2: 0.8, 3: 0.1}),  # at the end
        (OneCycle(0.8, 1, 1.0, 4.0, 2.0), {0: 0.8, 1: 0.1}),
        (OneCycle(0.8, 1, 0.0, 4.0, 2.0), {0: 0.1, 1: 0.1}),  # before the beginning
    ],
)
def test_rates_computed_by_hand(schedule, expected):
    assert {t: schedule(t) for t in expected} == pytest.approx(expected, **CLOSE)


def test_one_cycle_as_pytorch_computes_it():
    """OneCycleLR(optimizer, 0.1, total_steps=10) of PyTorch 2.13."""
    expected = [
        *(
            0.0040000000000000036,
            0.052000000000000005,
            0.1,
            0.09504846320134738,
            0.0811745653949763,
        ),
        *(
            0.06112620219362893,
            0.03887419780637107,
            0.0188258346050237,
            0.004951936798652629,
            4e-07,
        ),
    ]
    schedule = OneCycle(0.1, 10)
    assert [schedule(t) for t in range(10)] == pytest.approx(expected, rel=1e-13)


def test_a_number_is_a_rate_that_stays():
    for lr in (0.3, 1, np.float64(0.3), Fraction(1, 3), 0):
        numbers = schedules.as_settings(lr)
        assert numbers == schedules.constant(lr)
        assert [
            kernels.learning_rate(numbers, *at) for at in ((0, 0), (9, 0), (0, 9), (2**40, 2**40))
        ] == [float(lr)] * 4


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
    schedule = StepDecay(0.3, every, factor)
    assert [schedule(t) for t in range(50)] == pytest.approx(
        torch_rates("StepLR", 0.3, 50, step_size=every, gamma=factor), rel=1e-13
    )


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.0])
def test_exponential_decay_is_pytorchs(factor):
    schedule = ExponentialDecay(0.3, factor)
    assert [schedule(t) for t in range(50)] == pytest.approx(
        torch_rates("ExponentialLR", 0.3, 50, gamma=factor), rel=1e-13
    )


@pytest.mark.parametrize(("duration", "final_lr"), [(1, 0.0), (10, 0.0), (37, 0.05), (400, 1e-3)])
def test_cosine_decay_is_pytorchs_within_its_duration(duration, final_lr):
    schedule = CosineDecay(0.3, duration, final_lr=final_lr)
    expected = torch_rates(
        "CosineAnnealingLR", 0.3, duration + 1, T_max=duration, eta_min=final_lr
    )  # a recursion: it adds up errors
    assert [schedule(t) for t in range(duration + 1)] == pytest.approx(
        expected, rel=1e-10, abs=1e-15
    )


@pytest.mark.parametrize("duration", [2, 3, 10, 33, 250])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        dict(pct_start=0.01),
        dict(pct_start=0.9, div_factor=4.0, final_div_factor=50.0),
        dict(pct_start=1.0),
    ],
)
def test_one_cycle_is_pytorchs_within_its_duration(duration, settings):
    schedule = OneCycle(0.3, duration, **settings)
    expected = torch_rates(
        "OneCycleLR",
        0.3,
        duration,
        max_lr=0.3,
        total_steps=duration,
        cycle_momentum=False,
        **settings,
    )
    assert [schedule(t) for t in range(duration)] == pytest.approx(expected, rel=1e-13)


# ---- ReduceOnPlateau -----------------------------------------------------------------------------


def plateau_rates(schedule, losses):
    plateau, rates = Plateau(), [schedule.rate_at(Plateau())]
    for loss in losses:
        plateau = schedule.after_epoch(plateau, loss)
        rates.append(schedule.rate_at(plateau))
    return rates


PLATEAUS = [
    ReduceOnPlateau(0.3),
    ReduceOnPlateau(0.3, factor=0.7, patience=0, min_delta=0.0),
    ReduceOnPlateau(0.3, factor=0.7, patience=2, min_delta=0.05, min_lr=0.01),
    ReduceOnPlateau(0.3, factor=0.99999999, patience=0),  # steps of less than 1e-8 are none
    ReduceOnPlateau(1e-7, factor=0.1, patience=1),
    ReduceOnPlateau(0.3, patience=0, min_lr=0.3),
    ReduceOnPlateau(0.3, patience=0, min_lr=0.3 - 5e-9),
    ReduceOnPlateau(0.0, patience=0),
]
LOSSES = {
    "falling": [0.9**k for k in range(60)],
    "rising": [1.1**k for k in range(60)],
    "flat": [0.5] * 60,
    "noisy": list(np.random.default_rng(1).uniform(0.5, 1, 60)),
    "falling, noisy": [
        math.exp(-k / 20) * (1 + u)
        for k, u in enumerate(np.random.default_rng(2).normal(0, 0.1, 60))
    ],
    "below zero": list(np.random.default_rng(3).normal(0, 1, 60)),
    "not finite": [1.0, math.nan, 0.5, math.inf, 0.4, -math.inf, -1.0, math.nan] * 6,
}


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("schedule", PLATEAUS, ids=str)
def test_reduce_on_plateau_is_pytorchs_to_the_bit(schedule, losses):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=schedule.lr)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=schedule.factor,
        patience=schedule.patience,
        threshold=schedule.min_delta,
        min_lr=schedule.min_lr,
    )
    rates = [schedule.lr]
    for loss in LOSSES[losses]:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    assert plateau_rates(schedule, LOSSES[losses]) == rates


@pytest.mark.parametrize(
    ("schedule", "losses", "rates"),
    [
        # the first loss is an improvement on nothing at all; one epoch without is borne, the second
        # one lowers the rate
        (ReduceOnPlateau(0.8, 0.5, 1), [1, 1, 1, 1, 1], [0.8, 0.8, 0.8, 0.4, 0.4, 0.2]),
        (ReduceOnPlateau(0.8, 0.5, 0), [1, 1, 1], [0.8, 0.8, 0.4, 0.2]),
        (
            ReduceOnPlateau(0.8, 0.5, 1),
            [1, 1, 0.5, 0.5, 0.5],
            [0.8, 0.8, 0.8, 0.8, 0.8, 0.4],
        ),  # an improvement begins anew
        (
            ReduceOnPlateau(0.8, 0.5, 0, 0.25),
            [1, 0.75, 0.7],
            [0.8, 0.8, 0.4, 0.4],
        ),  # below 1 - 0.25, not at it
        (
            ReduceOnPlateau(0.8, 0.5, 0, 0.25),
            [4, 3.5, 3.25, 2],
            [0.8, 0.8, 0.4, 0.2, 0.2],
        ),  # a part of the best
        (ReduceOnPlateau(0.8, 0.5, 0, 0.0), [1, 1 - 1e-15, 1], [0.8, 0.8, 0.8, 0.4]),
        (
            ReduceOnPlateau(0.8, 0.5, 0, 0.25),
            [-4, -3.5, -2.75, -2],
            [0.8, 0.8, 0.8, 0.8, 0.4],
        ),  # below 0 the rule is PyTorch's, not wise
        (
            ReduceOnPlateau(0.8, 0.5, 0, 0.25),
            [1, 0.8, 0.7],
            [0.8, 0.8, 0.4, 0.4],
        ),  # 0.8 was none, so 1 is what counts
        (ReduceOnPlateau(0.8, 0.5, 0, min_lr=0.3), [1, 1, 1, 1], [0.8, 0.8, 0.4, 0.3, 0.3]),
        (ReduceOnPlateau(0.8, 0.5, 0, min_lr=0.8 - 5e-9), [1, 1, 1], [0.8] * 4),
        (ReduceOnPlateau(0.8, 0.5, 0), [math.nan, 1, math.nan, 0.5], [0.8, 0.4, 0.4, 0.2, 0.2]),
        (ReduceOnPlateau(1.5e-8, 0.5, 0), [1, 1, 1], [1.5e-8] * 4),
        (ReduceOnPlateau(3e-8, 0.5, 0), [1, 1, 1], [3e-8, 3e-8, 1.5e-8, 1.5e-8]),
    ],
)
def test_plateaus_by_hand(schedule, losses, rates):
    assert plateau_rates(schedule, losses) == rates


def test_a_plateau_says_where_it_stands():
    schedule = ReduceOnPlateau(0.8, 0.5, 1)
    after = [Plateau()]
    for loss in (2, 3, 4, 1):
        after.append(schedule.after_epoch(after[-1], loss))
    inf = math.inf
    assert after == [
        Plateau(inf, inf, 0),
        Plateau(inf, 2.0, 0),
        Plateau(inf, 2.0, 1),
        Plateau(0.4, 2.0, 0),
        Plateau(0.4, 1.0, 0),
    ]
    assert Plateau(**json.loads(json.dumps(dataclasses.asdict(after[-1])))) == after[-1]


def test_a_plateau_keeps_within_the_settings_that_come_later():
    """fit(resume=True) may bring others."""
    low = Plateau(0.01, 1.0, 0)
    assert ReduceOnPlateau(0.8).rate_at(low) == 0.01
    assert ReduceOnPlateau(0.001).rate_at(low) == 0.001
    assert ReduceOnPlateau(0.8, min_lr=0.1).rate_at(low) == 0.1
    assert ReduceOnPlateau(0.001, 0.5, 0).after_epoch(low, 2.0) == Plateau(0.0005, 1.0, 0)


def test_the_rate_of_a_plateau_is_no_function_of_time():
    schedule = ReduceOnPlateau(0.8)
    with pytest.raises(TypeError, match=r"depends on the losses.* call rate_at\(plateau\)"):
        schedule(3)
    assert schedule.to_kernel() == schedules.as_settings(schedule) == schedules.constant(0.8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(lr=-0.1), "lr of a plateau must be a number of at least 0"),
        (dict(lr=math.nan), "lr of a plateau"),
        (dict(lr=None), "lr of a plateau .*got None"),
        (dict(best=math.nan), "best of a plateau"),
        (dict(best="1"), "best of a plateau .*got '1'"),
        (dict(wait=-1), "wait must be a whole number of at least 0"),
        (dict(wait=1.5), "wait must be a whole number"),
    ],
)
def test_what_is_no_plateau(values, message):
    with pytest.raises(ValueError, match=message):
        Plateau(**values)


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", EXAMPLES, ids=str)
def test_a_schedule_is_an_immutable_value(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == schedule and hash(schedule) == hash(
        dataclasses.replace(schedule)
    )
    assert eval(repr(schedule)) == schedule
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.lr = 1.0
    assert schedules.resolve(schedule) is schedule


@pytest.mark.parametrize("schedule", EXAMPLES, ids=str)
def test_an_optimizer_takes_a_schedule(schedule):
    settings = fastnn.SGD(schedule).to_kernel()
    assert str(settings["rate"]) == str(schedule.to_kernel())  # a table's array has no truth value
    assert set(settings["rate"]) == {
        "schedule",
        "per_epoch",
        "lr",
        "factor",
        "every",
        "warmup",
        "final_lr",
        "start_lr",
        "rates",
    }
    with pytest.raises(ValueError, match="lr must be"):
        fastnn.SGD("fast")


def test_numbers_become_pythons_own():
    schedule = CosineDecay(np.float64(0.5), np.int64(30), np.uint8(3), Fraction(1, 4))
    assert [type(value) for value in dataclasses.astuple(schedule)] == [float, int, int, float, str]
    assert schedule == CosineDecay(0.5, 30, 3, 0.25)


@pytest.mark.parametrize("lr", [0, 0.0, 0.1, 3, np.float64(0.1), Fraction(1, 3)])
def test_a_rate_may_be_any_number_of_at_least_zero(lr):
    assert schedules.resolve(lr) == lr


@pytest.mark.parametrize(
    "lr",
    [
        -1e-9,
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        "0.1",
        "StepDecay",
        None,
        True,
        1j,
        [0.1],
        StepDecay,
        schedules.Schedule(),
        Plateau(),
        {},
        lambda t: 0.1,
    ],
)
def test_what_is_no_rate(lr):
    with pytest.raises(ValueError, match=r"^lr must be"):
        schedules.resolve(lr)


WHOLE = "must be a whole number of at least"
NUMBER = "must be a finite number"
ERRORS = [
    (StepDecay, dict(lr=-0.1, every=3), f"lr {NUMBER} at least 0, got -0.1"),
    (StepDecay, dict(lr="0.1", every=3), f"lr {NUMBER}"),
    (StepDecay, dict(lr=math.inf, every=3), f"lr {NUMBER}"),
    (StepDecay, dict(lr=0.1, every=0), f"every {WHOLE} 1, got 0"),
    (StepDecay, dict(lr=0.1, every=2.5), f"every {WHOLE} 1, got 2.5"),
    (StepDecay, dict(lr=0.1, every=10**400), f"every {NUMBER}"),
    (StepDecay, dict(lr=0.1, every=3, factor=0), f"factor {NUMBER} above 0, got 0"),
    (StepDecay, dict(lr=0.1, every=3, factor=1.5), "factor must be at most 1, got 1.5"),
    (
        StepDecay,
        dict(lr=0.1, every=3, unit="epochs"),
        "unit must be 'epoch' or 'step', got 'epochs'",
    ),
    (StepDecay, dict(lr=0.1, every=3, unit=None), "unit must be"),
    (ExponentialDecay, dict(lr=math.nan, factor=0.5), f"lr {NUMBER}"),
    (ExponentialDecay, dict(lr=0.1, factor=-0.5), f"factor {NUMBER}"),
    (ExponentialDecay, dict(lr=0.1, factor=1.01), "factor must be at most 1"),
    (ExponentialDecay, dict(lr=0.1, factor=0.5, unit=["epoch"]), "unit must be"),
    (CosineDecay, dict(lr=-1, duration=3), f"lr {NUMBER}"),
    (CosineDecay, dict(lr=0.1, duration=0), f"duration {WHOLE} 1"),
    (CosineDecay, dict(lr=0.1, duration=3, warmup=-1), f"warmup {WHOLE} 0"),
    (
        CosineDecay,
        dict(lr=0.1, duration=3, warmup=3),
        "duration counts the warm-up too and must be above warmup=3, got 3",
    ),
    (CosineDecay, dict(lr=0.1, duration=3, final_lr=-0.1), f"final_lr {NUMBER} at least 0"),
    (CosineDecay, dict(lr=0.1, duration=3, final_lr=0.2), "final_lr must be at most 0.1, got 0.2"),
    (CosineDecay, dict(lr=0.1, duration=3, unit="s"), "unit must be"),
    (OneCycle, dict(max_lr=-1, duration=3), f"max_lr {NUMBER}"),
    (OneCycle, dict(max_lr=0.1, duration=True), f"duration {WHOLE} 1, got True"),
    (OneCycle, dict(max_lr=0.1, duration=3, pct_start=-0.1), f"pct_start {NUMBER} at least 0"),
    (OneCycle, dict(max_lr=0.1, duration=3, pct_start=30), "pct_start must be at most 1, got 30"),
    (OneCycle, dict(max_lr=0.1, duration=3, div_factor=0.5), f"div_factor {NUMBER} at least 1"),
    (
        OneCycle,
        dict(max_lr=0.1, duration=3, final_div_factor=0),
        f"final_div_factor {NUMBER} at least 1",
    ),
    (OneCycle, dict(max_lr=0.1, duration=3, unit="t"), "unit must be"),
    (ReduceOnPlateau, dict(lr=-1), f"lr {NUMBER}"),
    (ReduceOnPlateau, dict(lr=0.1, factor=0.0), f"factor {NUMBER} above 0 and below 1"),
    (ReduceOnPlateau, dict(lr=0.1, factor=1.0), f"factor {NUMBER} above 0 and below 1"),
    (ReduceOnPlateau, dict(lr=0.1, patience=-1), f"patience {WHOLE} 0"),
    (ReduceOnPlateau, dict(lr=0.1, patience=2.0), f"patience {WHOLE} 0"),
    (ReduceOnPlateau, dict(lr=0.1, min_delta=-1e-4), f"min_delta {NUMBER} at least 0 and below 1"),
    (ReduceOnPlateau, dict(lr=0.1, min_delta=1), f"min_delta {NUMBER} at least 0 and below 1"),
    (ReduceOnPlateau, dict(lr=0.1, min_lr=-1), f"min_lr {NUMBER}"),
    (ReduceOnPlateau, dict(lr=0.1, min_lr=0.2), "min_lr must be at most 0.1, got 0.2"),
]


@pytest.mark.parametrize(("schedule", "settings", "message"), ERRORS, ids=ids)
def test_settings_out_of_range(schedule, settings, message):
    with pytest.raises(ValueError, match=message):
        schedule(**settings)
    with pytest.raises(ValueError, match=message):  # from a file too
        schedules.from_description(dict(schedule=schedule.__name__, **settings))


# ---- descriptions --------------------------------------------------------------------------------


def test_every_schedule_has_an_example_here():
    assert {type(schedule) for schedule in EXAMPLES} == set(SCHEDULES.values())
    assert {name: cls.__name__ for name, cls in SCHEDULES.items()} == {
        name: name for name in SCHEDULES
    }


@pytest.mark.parametrize(
    "lr",
    [*EXAMPLES, 0.1, 0, np.float64(0.1), Fraction(1, 4), StepDecay(np.float64(0.1), np.int32(3))],
    ids=str,
)
def test_a_description_goes_through_json_and_back(lr):
    back = schedules.from_description(json.loads(json.dumps(schedules.describe(lr))))
    assert back == lr and type(back) is (
        float if not isinstance(lr, schedules.Schedule) else type(lr)
    )


def test_a_description_is_plain():
    described = dict(schedule="StepDecay", lr=0.1, every=3, factor=0.5, unit="step")
    assert schedules.describe(StepDecay(0.1, 3, 0.5, "step")) == described
    assert schedules.from_description(described) == StepDecay(0.1, 3, 0.5, "step")
    assert described["schedule"] == "StepDecay", "the caller's own stays as it is"


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, ValueError, "lr must be"),
        ("StepDecay", ValueError, "lr must be"),
        (True, ValueError, "lr must be"),
        (-0.1, ValueError, "lr must be"),
        (math.nan, ValueError, "lr must be"),
        ([0.1], ValueError, "lr must be"),
        ({}, ValueError, "no schedule is called None"),
        (dict(lr=0.1, every=3), ValueError, "no schedule is called None"),
        (dict(schedule="check", lr=0.1), ValueError, "no schedule is called 'check'"),
        (dict(schedule="__class__"), ValueError, "no schedule is called '__class__'"),
        (dict(schedule="Schedule"), ValueError, "no schedule is called 'Schedule'"),
        (dict(schedule="Plateau"), ValueError, "no schedule is called 'Plateau'"),
        (dict(schedule=["StepDecay"]), ValueError, "no schedule is called"),
        (dict(schedule="StepDecay"), TypeError, "missing 2 required"),
        (dict(schedule="StepDecay", lr=0.1), TypeError, "missing 1 required"),
        (
            dict(schedule="StepDecay", lr=0.1, every=3, gamma=0.1),
            TypeError,
            "unexpected keyword argument 'gamma'",
        ),
        (
            dict(schedule="StepDecay", lr=0.1, every=3, __class__=1),
            TypeError,
            "unexpected keyword argument '__class__'",
        ),
        ({"schedule": "StepDecay", 3: 0.1}, TypeError, "keywords must be strings"),
        (
            dict(schedule="StepDecay", lr=dict(schedule="StepDecay"), every=3),
            ValueError,
            "lr must be a finite number",
        ),
        (
            dict(schedule="OneCycle", max_lr=0.1, duration=[3]),
            ValueError,
            "duration must be a whole number",
        ),
        (
            dict(schedule="ReduceOnPlateau", lr=0.1, unit="epoch"),
            TypeError,
            "unexpected keyword argument 'unit'",
        ),
    ],
)
def test_malformed_descriptions(value, error, message):
    with pytest.raises(error, match=message):
        schedules.from_description(value)


# ---- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(rates=[]), r"rates must hold at least one number, got \[\]"),
        (dict(rates=0.1), "rates must be a sequence of numbers of at least 0, got 0.1"),
        (dict(rates="0.1"), "rates must be a sequence of numbers of at least 0, got '0.1'"),
        (dict(rates=None), "rates must be a sequence of numbers of at least 0, got None"),
        (dict(rates=[0.1, -0.1]), "rates must be a finite number at least 0, got -0.1"),
        (dict(rates=[0.1, math.inf]), "rates must be a finite number at least 0, got inf"),
        (dict(rates=[0.1, None]), "rates must be a finite number at least 0, got None"),
        (dict(rates=[[0.1]]), "rates must be a finite number at least 0"),
        (dict(rates=[0.1], unit="day"), "unit must be 'epoch' or 'step', got 'day'"),
    ],
    ids=repr,
)
def test_tables_that_are_none(settings, message):
    with pytest.raises(ValueError, match=message):
        Table(**settings)


def test_a_table_is_a_tuple_of_its_own():
    rates = np.array([0.5, 0.25])
    table = Table(rates)
    rates[:] = 9
    assert table.rates == (0.5, 0.25) and type(table.rates[0]) is float and table(1) == 0.25
    assert table == Table([0.5, 0.25]) != Table([0.5, 0.125]) and hash(table) == hash(
        Table((0.5, 0.25))
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.rates = (1.0,)


@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_training_takes_the_rates_of_a_table(unit):
    X = np.random.default_rng(0).normal(size=(60, 4))
    constant, tabled = (fastnn.MLP([4, 5, 1], rng=0) for _ in range(2))
    rates = [0.1, 0.02, 0.3, 0.0, 0.05]
    tabled.fit(
        X,
        X[:, 0],
        optimizer=fastnn.SGD(Table(rates, unit), momentum=0.5),
        epochs=7,
        batch_size=60 if unit == "step" else 20,
    )
    for epoch in range(7):
        sgd = fastnn.SGD(rates[min(epoch, 4)], momentum=0.5)
        options = dict(
            optimizer=sgd, epochs=1, batch_size=60 if unit == "step" else 20, resume=epoch > 0
        )
        constant.fit(X, X[:, 0], **options)
    assert tabled.params.tobytes() == constant.params.tobytes() and tabled.state.lr == 0.05


def test_a_trainer_holds_the_table_that_it_reads():
    X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    ends = []
    for spoil in (False, True):
        net = fastnn.MLP([3, 1], rng=0)
        settings = fastnn.SGD(Table([0.1] * 5000, "step")).to_kernel()
        freed = settings["rate"]["rates"].size
        trainer = kernels.Trainer(
            net,
            X,
            X[:, :1].copy(),
            loss=kernels.Loss.SQUARED_ERROR,
            batch_size=1,
            optimizer=settings,
        )
        if spoil:
            trainer.set_optimizer(fastnn.SGD(Table([0.1] * 5000, "step")).to_kernel())
            settings["rate"]["rates"] = None
            others = [
                np.full(freed, 1e9) for _ in range(20)
            ]  # in the place of the table, if nobody held it
        trainer.load()
        losses = np.empty(3)
        trainer.run(1, 1e9, losses)
        trainer.store()
        ends.append((net.params.tobytes(), losses.tobytes()))
    assert ends[0] == ends[1] and len(others) == 20


def test_a_table_for_the_kernels_has_numbers_and_somebody_who_holds_them():
    settings = fastnn.SGD(Table([0.1, 0.2], "step")).to_kernel()
    with pytest.raises(ValueError, match="an update takes one rate"):
        kernels.packed(settings)
    assert [
        kernels.learning_rate(settings["rate"], step, 0) for step in (-(2**62), -1, 0, 1, 2, 2**62)
    ] == [0.1, 0.1, 0.1, 0.2, 0.2, 0.2]
    for rates in (None, np.empty(0)):
        with pytest.raises(ValueError, match="a table of rates needs at least one"):
            kernels.learning_rate(settings["rate"] | dict(rates=rates), 0, 0)
    for rates in (np.ones(3, "float32"), np.ones((3, 2)), np.ones(6)[::2]):
        with pytest.raises((ValueError, BufferError)):
            kernels.learning_rate(settings["rate"] | dict(rates=rates), 0, 0)
