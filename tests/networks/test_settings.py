"""Losses, optimizers and schedules are immutable, equal if their settings are, and have a repr
that can be evaluated."""

import copy
import dataclasses
import pickle

import pytest

import fastnn

SETTINGS = fastnn.losses.Huber(2.0), fastnn.Adam(0.1), fastnn.LBFGS()


@pytest.mark.parametrize("settings", [*SETTINGS, fastnn.schedules.StepDecay(0.1, 3)], ids=str)
def test_settings_are_immutable_and_compare_by_their_values(settings):
    first = dataclasses.fields(settings)[0].name
    other = dataclasses.replace(settings, **{first: 5})
    assert settings == copy.deepcopy(settings) == pickle.loads(pickle.dumps(settings))
    assert hash(settings) == hash(copy.deepcopy(settings))
    assert settings != other and other == dataclasses.replace(other) and settings != 3
    names = {**vars(fastnn), **vars(fastnn.losses), **vars(fastnn.schedules)}
    assert eval(repr(settings), names) == settings
    for change, *arguments in ((setattr, first, 5), (setattr, "more", 5), (delattr, first)):
        with pytest.raises(dataclasses.FrozenInstanceError, match="is immutable"):
            change(settings, *arguments)
