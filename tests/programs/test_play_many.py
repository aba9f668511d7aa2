"""A hundred networks of the playground: each has the bits of its own training."""

import pytest
from checks import assert_same_bits

from fastnn.playground.playback import DataSource, Playback, from_state
from fastnn.playground.settings import Settings
from fastnn.playground.trainings import RATES, WIDTHS, GridTraining

SETTINGS = Settings(data="moons", n=60, hidden=(3,), activations=("tanh",), batch=16)


@pytest.mark.parametrize("variation", ["seeds", "rates"])
@pytest.mark.parametrize("values", [{}, {"dropout": 0.2, "test": 0.0, "optimizer": "sgd"}], ids=str)
def test_each_network_has_the_bits_of_its_own_training(variation, values):
    settings = Settings(**SETTINGS.to_json() | values)
    data = DataSource(settings).make()
    many = GridTraining(DataSource(settings), variation)
    many.train(2)
    many.train(1)
    assert len(many.networks) == 100 and many.epoch == 3
    for i in (0, 7, 42, 99):
        playback = Playback(many.settings[i], data)
        playback.advance(3 * playback.steps_of_epoch)
        assert_same_bits(many.networks[i].params, playback.net.params)
        held_out = playback.test_loss_now() if values == {} else playback.loss_now()
        assert many.losses()[i] == held_out


def test_seeds_rates_and_widths():
    assert [each.seed for each in GridTraining(DataSource(SETTINGS), "seeds").settings] == list(
        range(100)
    )
    first, *_, last = GridTraining(DataSource(SETTINGS), "rates").settings  # from the top left
    assert (first.lr, first.hidden) == (RATES[0], (WIDTHS[-1],))
    assert (last.lr, last.hidden) == (RATES[-1], (WIDTHS[0],))
    with pytest.raises(ValueError, match="variation must be one of seeds, rates, got 'lr'"):
        GridTraining(DataSource(SETTINGS), "lr")


def test_networks_that_diverge_stop_alone():
    settings = Settings(data="plane", n=40, hidden=(8,), activations=("identity",), optimizer="sgd")
    many = GridTraining(DataSource(settings), "rates")
    for _ in range(3):
        many.train(30)
    assert 5 < len(many.diverged) < 95
    steps = {many.networks[i].state.step for i in range(100) if i not in many.diverged}
    assert steps == {90}
    assert all(many.networks[i].state.step < 90 for i in many.diverged)


def test_a_tab_trains_stops_and_opens_a_network():
    points = [[0.1, 0.2, 0], [0.3, -0.5, 1], [0.2, 0.2, 1], [-0.3, 0.1, 0]]
    tab = GridTraining(DataSource(Settings(data="points", test=0.0), points), "seeds")
    first = tab.frame()
    assert len(first["surfaces"]) == 100 and first["epoch"] == 0
    tab.command({"do": "stop", "epochs": 5})
    tab.command({"do": "play"})
    while (frame := tab.frame())["playing"]:
        pass
    assert frame["epoch"] == 5 and frame["version"] > first["version"]
    assert sum(frame["losses_now"]) < sum(first["losses_now"])
    state = tab.command({"do": "open", "network": 9})
    playback, source = from_state(state)
    assert playback.settings.seed == 9 and source.points == points and playback.epoch == 5
    assert_same_bits(playback.net.params, tab.networks[9].params)
    tab.command({"do": "reset"})
    assert tab.frame()["losses_now"] == first["losses_now"]
    for message in ({"do": "open", "network": 100}, {"do": "step"}):
        with pytest.raises(ValueError, match=r"there is no network|unknown command"):
            tab.command(message)
