"""ReduceOnPlateau: its rates and its state."""

import dataclasses
import json
import math

import numpy as np
import pytest

from fastnn import schedules
from fastnn.schedules import Plateau, ReduceOnPlateau


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
WAVE, NOISE = np.random.default_rng(1).uniform(0.5, 1, 60), np.random.default_rng(2)
LOSSES = {
    "falling": [0.9**k for k in range(60)],
    "rising": [1.1**k for k in range(60)],
    "flat": [0.5] * 60,
    "noisy": list(WAVE),
    "falling, noisy": list(np.exp(-np.arange(60) / 20) * (1 + NOISE.normal(0, 0.1, 60))),
    "below zero": list(np.random.default_rng(3).normal(0, 1, 60)),
    "not finite": [1.0, math.nan, 0.5, math.inf, 0.4, -math.inf, -1.0, math.nan] * 6,
}


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("schedule", PLATEAUS, ids=str)
def test_reduce_on_plateau_is_pytorchs_to_the_bit(schedule, losses):
    torch = pytest.importorskip("torch")
    settings = dict(factor=schedule.factor, patience=schedule.patience, min_lr=schedule.min_lr)
    settings["threshold"] = schedule.min_delta
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=schedule.lr)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    rates = [schedule.lr]
    for loss in LOSSES[losses]:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    assert plateau_rates(schedule, LOSSES[losses]) == rates


BY_HAND = [
    # the first loss always counts as an improvement; one epoch without improvement is
    # tolerated, the second lowers the rate
    (ReduceOnPlateau(0.8, 0.5, 1), [1, 1, 1, 1, 1], [0.8, 0.8, 0.8, 0.4, 0.4, 0.2]),
    (ReduceOnPlateau(0.8, 0.5, 0), [1, 1, 1], [0.8, 0.8, 0.4, 0.2]),
    # an improvement begins anew
    (ReduceOnPlateau(0.8, 0.5, 1), [1, 1, 0.5, 0.5, 0.5], [0.8, 0.8, 0.8, 0.8, 0.8, 0.4]),
    # below 1 - 0.25, not at it
    (ReduceOnPlateau(0.8, 0.5, 0, 0.25), [1, 0.75, 0.7], [0.8, 0.8, 0.4, 0.4]),
    # a part of the best
    (ReduceOnPlateau(0.8, 0.5, 0, 0.25), [4, 3.5, 3.25, 2], [0.8, 0.8, 0.4, 0.2, 0.2]),
    (ReduceOnPlateau(0.8, 0.5, 0, 0.0), [1, 1 - 1e-15, 1], [0.8, 0.8, 0.8, 0.4]),
    # below 0 the rule is PyTorch's, not wise
    (ReduceOnPlateau(0.8, 0.5, 0, 0.25), [-4, -3.5, -2.75, -2], [0.8, 0.8, 0.8, 0.8, 0.4]),
    # 0.8 was none, so 1 is what counts
    (ReduceOnPlateau(0.8, 0.5, 0, 0.25), [1, 0.8, 0.7], [0.8, 0.8, 0.4, 0.4]),
    (ReduceOnPlateau(0.8, 0.5, 0, min_lr=0.3), [1, 1, 1, 1], [0.8, 0.8, 0.4, 0.3, 0.3]),
    (ReduceOnPlateau(0.8, 0.5, 0, min_lr=0.8 - 5e-9), [1, 1, 1], [0.8] * 4),
    (ReduceOnPlateau(0.8, 0.5, 0), [math.nan, 1, math.nan, 0.5], [0.8, 0.4, 0.4, 0.2, 0.2]),
    (ReduceOnPlateau(1.5e-8, 0.5, 0), [1, 1, 1], [1.5e-8] * 4),
    (ReduceOnPlateau(3e-8, 0.5, 0), [1, 1, 1], [3e-8, 3e-8, 1.5e-8, 1.5e-8]),
]


@pytest.mark.parametrize(("schedule", "losses", "rates"), BY_HAND)
def test_plateaus_by_hand(schedule, losses, rates):
    assert plateau_rates(schedule, losses) == rates


def test_a_plateau_reports_its_state():
    schedule = ReduceOnPlateau(0.8, 0.5, 1)
    after = [Plateau()]
    for loss in (2, 3, 4, 1):
        after.append(schedule.after_epoch(after[-1], loss))
    states = [(math.inf, math.inf, 0), (math.inf, 2.0, 0), (math.inf, 2.0, 1), (0.4, 2.0, 0)]
    assert after == [Plateau(*state) for state in [*states, (0.4, 1.0, 0)]]
    assert Plateau(**json.loads(json.dumps(dataclasses.asdict(after[-1])))) == after[-1]


def test_a_plateau_respects_settings_changed_later():
    """fit(resume=True) may pass other settings."""
    low = Plateau(0.01, 1.0, 0)
    assert ReduceOnPlateau(0.8).rate_at(low) == 0.01
    assert ReduceOnPlateau(0.001).rate_at(low) == 0.001
    assert ReduceOnPlateau(0.8, min_lr=0.1).rate_at(low) == 0.1
    assert ReduceOnPlateau(0.001, 0.5, 0).after_epoch(low, 2.0) == Plateau(0.0005, 1.0, 0)


def test_a_plateau_has_no_rate_as_a_function_of_time():
    schedule = ReduceOnPlateau(0.8)
    with pytest.raises(TypeError, match=r"depends on the losses.* Call rate_at\(plateau\)"):
        schedule(3)
    assert schedule.to_kernel() == schedules.to_kernel(schedule) == schedules.constant(0.8)


INVALID = [
    (dict(lr=-0.1), "lr of a plateau must be a number of at least 0"),
    (dict(lr=math.nan), "lr of a plateau"),
    (dict(lr=None), "lr of a plateau .*got None"),
    (dict(best=math.nan), "best of a plateau"),
    (dict(best="1"), "best of a plateau .*got '1'"),
    (dict(wait=-1), "wait must be a whole number of at least 0"),
    (dict(wait=1.5), "wait must be a whole number"),
]


@pytest.mark.parametrize(("values", "message"), INVALID)
def test_invalid_plateau_states_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Plateau(**values)
