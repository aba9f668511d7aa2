"""Schedules as values: settings, descriptions in model files, and tables of rates."""

import dataclasses
import json
import math
import pickle
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_same_bits
from trainers import make_trainer, stored

import fastnn
from fastnn import kernels, schedules
from fastnn.schedules import SCHEDULES, Plateau, Rates, ReduceOnPlateau

StepDecay, ExponentialDecay = schedules.StepDecay, schedules.ExponentialDecay
CosineDecay, OneCycle = schedules.CosineDecay, schedules.OneCycle

EXAMPLES = [
    Rates((0.1, 0.3, 0.2), "step"),
    StepDecay(0.1, 3, 0.5, "step"),
    ExponentialDecay(0.1, 0.9),
    CosineDecay(0.1, 30, 3, 1e-4),
    OneCycle(0.1, 1000, 0.25, 10.0, 100.0, "epoch"),
    ReduceOnPlateau(0.1, 0.3, 2, 1e-3, 1e-6),
]


NUMBERS = "schedule per_epoch lr factor every warmup final_lr start_lr rates".split()


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", EXAMPLES, ids=str)
def test_a_schedule_is_an_immutable_value(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert hash(schedule) == hash(dataclasses.replace(schedule))
    assert eval(repr(schedule)) == schedule
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.lr = 1.0
    assert schedules.resolve_lr(schedule) is schedule


@pytest.mark.parametrize("schedule", EXAMPLES, ids=str)
def test_an_optimizer_takes_a_schedule(schedule):
    settings = fastnn.SGD(schedule).to_kernel()
    assert str(settings["rate"]) == str(schedule.to_kernel())  # a table's array has no truth value
    assert set(settings["rate"]) == {*NUMBERS}
    with pytest.raises(ValueError, match="lr must be"):
        fastnn.SGD("fast")


def test_settings_become_python_numbers():
    schedule = CosineDecay(np.float64(0.5), np.int64(30), np.uint8(3), Fraction(1, 4))
    assert [type(value) for value in dataclasses.astuple(schedule)] == [float, int, int, float, str]
    assert schedule == CosineDecay(0.5, 30, 3, 0.25)


@pytest.mark.parametrize("lr", [0, 0.0, 0.1, 3, np.float64(0.1), Fraction(1, 3)])
def test_a_rate_may_be_any_number_of_at_least_zero(lr):
    assert schedules.resolve_lr(lr) == float(lr)


NO_RATES = [-1e-9, math.nan, math.inf, -math.inf, 10**400, "0.1", "StepDecay", None, True, 1j]
NO_RATES += [[0.1], StepDecay, schedules.Schedule(), Plateau(), {}, lambda t: 0.1]


@pytest.mark.parametrize("lr", NO_RATES)
def test_invalid_rates_are_refused(lr):
    with pytest.raises(ValueError, match=r"^lr must be"):
        schedules.resolve_lr(lr)


WHOLE = "must be a whole number of at least"
NUMBER = "must be a finite number"
STEP = dict(lr=0.1, every=3)
VALID = {StepDecay: STEP, ExponentialDecay: dict(lr=0.1, factor=0.5)}
VALID |= {CosineDecay: dict(lr=0.1, duration=3), OneCycle: dict(max_lr=0.1, duration=3)}
VALID[ReduceOnPlateau] = dict(lr=0.1)
WARM_UP = "duration includes the warm-up and must be above warmup"
ERRORS = [  # what is changed, the message
    (StepDecay, dict(lr=-0.1), f"lr {NUMBER} at least 0, got -0.1"),
    (StepDecay, dict(lr="0.1"), f"lr {NUMBER}"),
    (StepDecay, dict(lr=math.inf), f"lr {NUMBER}"),
    (StepDecay, dict(every=0), f"every {WHOLE} 1, got 0"),
    (StepDecay, dict(every=2.5), f"every {WHOLE} 1, got 2.5"),
    (StepDecay, dict(every=10**400), f"every {NUMBER}"),
    (StepDecay, dict(factor=0), f"factor {NUMBER} above 0, got 0"),
    (StepDecay, dict(factor=1.5), "factor must be at most 1, got 1.5"),
    (StepDecay, dict(unit="epochs"), "unit must be 'epoch' or 'step', got 'epochs'"),
    (StepDecay, dict(unit=None), "unit must be"),
    (ExponentialDecay, dict(lr=math.nan), f"lr {NUMBER}"),
    (ExponentialDecay, dict(factor=-0.5), f"factor {NUMBER}"),
    (ExponentialDecay, dict(factor=1.01), "factor must be at most 1"),
    (ExponentialDecay, dict(unit=["epoch"]), "unit must be"),
    (CosineDecay, dict(lr=-1), f"lr {NUMBER}"),
    (CosineDecay, dict(duration=0), f"duration {WHOLE} 1"),
    (CosineDecay, dict(warmup=-1), f"warmup {WHOLE} 0"),
    (CosineDecay, dict(warmup=3), f"{WARM_UP}=3, got 3"),
    (CosineDecay, dict(final_lr=-0.1), f"final_lr {NUMBER} at least 0"),
    (CosineDecay, dict(final_lr=0.2), "final_lr must be at most 0.1, got 0.2"),
    (CosineDecay, dict(unit="s"), "unit must be"),
    (OneCycle, dict(max_lr=-1), f"max_lr {NUMBER}"),
    (OneCycle, dict(duration=True), f"duration {WHOLE} 1, got True"),
    (OneCycle, dict(pct_start=-0.1), f"pct_start {NUMBER} at least 0"),
    (OneCycle, dict(pct_start=30), "pct_start must be at most 1, got 30"),
    (OneCycle, dict(div_factor=0.5), f"div_factor {NUMBER} at least 1"),
    (OneCycle, dict(final_div_factor=0), f"final_div_factor {NUMBER} at least 1"),
    (OneCycle, dict(unit="t"), "unit must be"),
    (ReduceOnPlateau, dict(lr=-1), f"lr {NUMBER}"),
    (ReduceOnPlateau, dict(factor=0.0), f"factor {NUMBER} above 0 and below 1"),
    (ReduceOnPlateau, dict(factor=1.0), f"factor {NUMBER} above 0 and below 1"),
    (ReduceOnPlateau, dict(patience=-1), f"patience {WHOLE} 0"),
    (ReduceOnPlateau, dict(patience=2.0), f"patience {WHOLE} 0"),
    (ReduceOnPlateau, dict(min_delta=-1e-4), f"min_delta {NUMBER} at least 0 and below 1"),
    (ReduceOnPlateau, dict(min_delta=1), f"min_delta {NUMBER} at least 0 and below 1"),
    (ReduceOnPlateau, dict(min_lr=-1), f"min_lr {NUMBER}"),
    (ReduceOnPlateau, dict(min_lr=0.2), "min_lr must be at most 0.1, got 0.2"),
]


@pytest.mark.parametrize(("schedule", "settings", "message"), ERRORS)
def test_settings_out_of_range(schedule, settings, message):
    settings = VALID[schedule] | settings
    with pytest.raises(ValueError, match=message):
        schedule(**settings)
    with pytest.raises(ValueError, match=message):  # from a file too
        schedules.from_description(dict(schedule=schedule.__name__, **settings))


# ---- descriptions --------------------------------------------------------------------------------


def test_every_schedule_has_an_example_here():
    assert {type(schedule) for schedule in EXAMPLES} == set(SCHEDULES.values())
    assert all(cls.__name__ == name for name, cls in SCHEDULES.items())


RATES = 0.1, 0, np.float64(0.1), Fraction(1, 4), StepDecay(np.float64(0.1), np.int32(3))


@pytest.mark.parametrize("lr", [*EXAMPLES, *RATES], ids=str)
def test_a_description_goes_through_json_and_back(lr):
    back = schedules.from_description(json.loads(json.dumps(schedules.describe(lr))))
    assert back == lr and type(back) is (type(lr) if isinstance(lr, schedules.Schedule) else float)


def test_a_description_is_plain():
    described = dict(schedule="StepDecay", lr=0.1, every=3, factor=0.5, unit="step")
    assert schedules.describe(StepDecay(0.1, 3, 0.5, "step")) == described
    assert schedules.from_description(described) == StepDecay(0.1, 3, 0.5, "step")
    assert described["schedule"] == "StepDecay", "the caller's own stays as it is"


NO_SCHEDULES = "__class__", "Schedule", "Plateau"
DESCRIBED, KEYWORD = dict(schedule="StepDecay", lr=0.1, every=3), "unexpected keyword argument"
MALFORMED = {
    ValueError: [
        *((value, "lr must be") for value in (None, "StepDecay", True, -0.1, math.nan, [0.1])),
        ({}, "no schedule is called None"),
        (STEP, "no schedule is called None"),
        (dict(schedule="check", lr=0.1), "no schedule is called 'check'"),
        *((dict(schedule=x), f"no schedule is called '{x}'") for x in NO_SCHEDULES),
        (dict(schedule=["StepDecay"]), "no schedule is called"),
        (DESCRIBED | dict(lr=dict(schedule="StepDecay")), "lr must be a finite number"),
        (dict(schedule="OneCycle", max_lr=0.1, duration=[3]), "duration must be a whole number"),
    ],
    TypeError: [
        (dict(schedule="StepDecay"), "missing 2 required"),
        (dict(schedule="StepDecay", lr=0.1), "missing 1 required"),
        (DESCRIBED | dict(gamma=0.1), f"{KEYWORD} 'gamma'"),
        (DESCRIBED | dict(__class__=1), f"{KEYWORD} '__class__'"),
        ({"schedule": "StepDecay", 3: 0.1}, "keywords must be strings"),
        (dict(schedule="ReduceOnPlateau", lr=0.1, unit="epoch"), f"{KEYWORD} 'unit'"),
    ],
}
MALFORMED = [(*row, error) for error, rows in MALFORMED.items() for row in rows]


@pytest.mark.parametrize(("value", "message", "error"), MALFORMED)
def test_malformed_descriptions(value, error, message):
    with pytest.raises(error, match=message):
        schedules.from_description(value)


# ---- tables --------------------------------------------------------------------------------------


SEQUENCE, FINITE = "rates must be a sequence of numbers of at least 0, got", f"rates {NUMBER}"
INVALID = [
    (dict(rates=[]), r"rates must hold at least one number, got \[\]"),
    *((dict(rates=value), f"{SEQUENCE} {value!r}") for value in (0.1, "0.1", None)),
    *((dict(rates=[0.1, x]), f"{FINITE} at least 0, got {x!r}") for x in (-0.1, math.inf, None)),
    (dict(rates=[[0.1]]), f"{FINITE} at least 0"),
    (dict(rates=[0.1], unit="day"), "unit must be 'epoch' or 'step', got 'day'"),
]


@pytest.mark.parametrize(("settings", "message"), INVALID, ids=repr)
def test_invalid_tables_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Rates(**settings)


def test_a_table_copies_its_rates():
    rates = np.array([0.5, 0.25])
    table = Rates(rates)
    rates[:] = 9
    assert table.rates == (0.5, 0.25) and type(table.rates[0]) is float and table(1) == 0.25
    assert table == Rates([0.5, 0.25]) != Rates([0.5, 0.125])
    assert hash(table) == hash(Rates((0.5, 0.25)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.rates = (1.0,)


@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_training_uses_the_rates_of_a_table(unit):
    X = np.random.default_rng(0).normal(size=(60, 4))
    constant, tabled = (fastnn.MLP([4, 5, 1], rng=0) for _ in range(2))
    rates, batch_size = [0.1, 0.02, 0.3, 0.0, 0.05], 60 if unit == "step" else 20
    sgd = fastnn.SGD(Rates(rates, unit), momentum=0.5)
    tabled.fit(X, X[:, 0], optimizer=sgd, epochs=7, batch_size=batch_size)
    for epoch in range(7):
        sgd = fastnn.SGD(rates[min(epoch, 4)], momentum=0.5)
        options = dict(epochs=1, batch_size=batch_size, resume=epoch > 0)
        constant.fit(X, X[:, 0], optimizer=sgd, **options)
    assert_same_bits(tabled.params, constant.params)
    assert tabled.state.lr == 0.05


def test_a_trainer_keeps_its_table_alive():
    X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    ends = []
    for spoil in (False, True):
        net, sgd = fastnn.MLP([3, 1], rng=0), fastnn.SGD(Rates([0.1] * 5000, "step"))
        settings = sgd.to_kernel()
        freed, given = settings["rate"]["rates"].size, SimpleNamespace(n_moments=0)
        given.to_kernel = lambda settings=settings: settings
        trainer, moments = make_trainer(net, X, X[:, :1].copy(), given, 1)
        if spoil:
            trainer.set_optimizer(sgd.to_kernel())
            settings["rate"]["rates"] = None
            # they would reuse the table's memory if it were free
            others = [np.full(freed, 1e9) for _ in range(20)]
        losses = np.empty(3)
        trainer.run(1, 1e9, losses)
        ends.append((stored(net, trainer, moments)[0], losses))
    assert_same_bits(*ends)
    assert len(others) == 20


def test_invalid_kernel_tables_are_refused():
    settings = fastnn.SGD(Rates([0.1, 0.2], "step")).to_kernel()
    with pytest.raises(ValueError, match="An update takes one learning rate"):
        kernels.packed(settings)
    steps = -(2**62), -1, 0, 1, 2, 2**62
    rates = [kernels.learning_rate(settings["rate"], step, 0) for step in steps]
    assert rates == [0.1, 0.1, 0.1, 0.2, 0.2, 0.2]
    for rates in (None, np.empty(0)):
        with pytest.raises(ValueError, match="table of learning rates is empty"):
            kernels.learning_rate(settings["rate"] | dict(rates=rates), 0, 0)
    for rates in (np.ones(3, "float32"), np.ones((3, 2)), np.ones(6)[::2]):
        with pytest.raises((ValueError, BufferError)):
            kernels.learning_rate(settings["rate"] | dict(rates=rates), 0, 0)
