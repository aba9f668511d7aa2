"""Losses, optimizers and schedules are immutable, equal if their settings are, and have a repr
that can be evaluated."""

import copy
import dataclasses
import pickle

import pytest

import fastnn


@pytest.mark.parametrize(
    "settings",
    [
        fastnn.losses.Huber(2.0),
        fastnn.Adam(0.1),
        fastnn.LBFGS(),
        fastnn.schedules.StepDecay(0.1, 3),
    ],
    ids=str,
)
def test_settings_are_immutable_and_compare_by_their_values(settings):
    first = dataclasses.fields(settings)[0].name
    other = dataclasses.replace(settings, **{first: 5})
    assert settings == copy.deepcopy(settings) == pickle.loads(pickle.dumps(settings)) and hash(
        settings
    ) == hash(copy.deepcopy(settings))
    assert settings != other and other == dataclasses.replace(other) and settings != 3
    assert (
        eval(repr(settings), {**vars(fastnn), **vars(fastnn.losses), **vars(fastnn.schedules)})
        == settings
    )
    for change in (
        lambda: setattr(settings, first, 5),
        lambda: setattr(settings, "more", 5),
        lambda: delattr(settings, first),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError, match="is immutable"):
            change()
