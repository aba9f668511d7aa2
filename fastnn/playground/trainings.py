"""The trainings that open pages show: of one network, or of a hundred."""

from __future__ import annotations

import pathlib
import tempfile
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ..many import fit_many
from ..mlp import MLP
from .data_sets import PlayError, check_known, refusing
from .picture import Picture, check_layer_and_unit
from .playback import DataSource, Playback, as_command, as_python, from_state, state_of
from .settings import Settings

TRAIN_SECONDS = 0.01  # of a frame at the highest speed; drawing takes the rest
MAX_STEPS = 200_000  # of a frame
MAX_EPOCHS = 200_000  # whose losses are kept

#: How the networks of a grid differ: what the list of the page says.
VARIATIONS = {
    "seeds": "The same settings from 100 seeds",
    "rates": "10 learning rates by 10 widths",
}
RATES = 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0
WIDTHS = 1, 2, 3, 4, 6, 8, 12, 16, 24, 32
N_SEEDS = 100
GRID_SURFACE = 24  # points along a side of each surface of a grid
GRID_SECONDS = 0.06  # of a frame of a grid


class PageTraining:
    """A training that a page shows. It trains while `playing`. `lock` is held while it trains or changes.

    Attributes
    ----------
    playing : bool
    stop_epoch : int
        Where it stops; 0: never.
    rate : float
        Steps or epochs a second, measured; a guess to begin with.
    version : int
        Grows with every change: the page has got what its last frame showed.
    network : int
        Number of the description to which a frame belongs: the two may arrive in any order.
    """

    def __init__(self, rate: float) -> None:
        self.stop_epoch, self.rate = 0, rate
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.playing = False
        self.version = self.network = 0

    def wait(self, seen: int, seconds: float) -> None:
        """Wait until there is something new since version `seen`. The lock is not held."""
        with self.changed:
            if not self.playing and self.version == seen:
                self.changed.wait(seconds)

    def frame(self) -> dict[str, Any]:
        """Train for a frame if the page plays, and return what it shows."""
        with self.lock:
            if self.playing:
                self._train()
                self.version += 1
            return self._frame() | {
                "playing": self.playing,
                "version": self.version,
                "network": self.network,
            }

    def command(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the page asks for, and return what it needs to know.

        Raises
        ------
        ValueError
            The command does not exist, or a value is out of range. Nothing has changed.
        """
        with self.changed:
            answer = self._do(message)
            self.version += 1
            self.changed.notify_all()
            return answer

    def description(self) -> dict[str, Any]:
        """Return what does not change until there are new networks."""
        raise NotImplementedError

    def _train(self):
        raise NotImplementedError

    def _frame(self):
        raise NotImplementedError

    def _do(self, message):
        match message.get("do"):
            case "pause":
                self.playing = False
            case "stop":
                self.stop_epoch = _whole_number(message, "epochs")
            case other:
                raise PlayError(f"unknown command {other!r}")
        return {}


def _whole_number(message: dict[str, Any], name: str) -> int:
    """Return a number of a command, rounded down, and 0 if it is negative."""
    value = message.get(name)
    if not isinstance(value, int | float):
        raise PlayError(f"the command needs {name!r}, a number, got {value!r}")
    return max(0, int(value))


class NetworkTraining(PageTraining):
    """The training of one network.

    Parameters
    ----------
    state : dict
        A state of `playback.state_of`.
    table : tuple, optional
        As in `DataSource`.
    """

    def __init__(self, state: Any, table: Any = None) -> None:
        super().__init__(rate=1000.0)
        self.table = table
        self.speed = 0  # steps of a frame; 0: as many as fit
        self._begin(*from_state(state, table))

    def _begin(self, playback: Playback, source: DataSource) -> None:
        """Show another training."""
        self.playback, self.source = playback, source
        self.network += 1
        self.picture = Picture(playback.data)
        self.selected: Any = None
        self.last = playback.step

    # ---- frames ----

    def _frame(self):
        frame = self.picture.frame(self.playback, self.selected)
        self.last = max(self.last, self.playback.step)
        return frame | {
            "last_epoch": MAX_EPOCHS,
            "last": self.last,
            "steps_per_second": round(self.rate),
            "losses": (self.playback.branch, self.playback.loss, self.playback.test_loss),
        }

    def _train(self):
        playback = self.playback
        steps = self.speed or max(1, min(MAX_STEPS, int(self.rate * TRAIN_SECONDS)))
        last_epoch = self.stop_epoch or MAX_EPOCHS
        left = last_epoch - playback.epoch - 1
        if left < 0:
            self.playing = False
            return
        steps = min(steps, playback.steps_left() + left * playback.steps_of_epoch)
        began = time.perf_counter()
        done = playback.advance(steps)
        seconds = max(time.perf_counter() - began, 1e-7)
        self.rate = 0.7 * self.rate + 0.3 * max(done, 1) / seconds
        if playback.diverged or playback.epoch >= last_epoch:
            self.playing = False

    # ---- commands ----

    def _do(self, message):
        playback = self.playback
        match message.get("do"):
            case "play":
                self.playing = not playback.diverged
            case "step":
                self.playing = False
                playback.advance(1)
            case "epoch":
                self.playing = False
                playback.advance_epoch()
            case "seek":
                self.playing = False
                playback.seek(min(_whole_number(message, "step"), self.last))
            case "speed":
                self.speed = min(_whole_number(message, "steps"), 1000)
            case "select":
                self._select(message.get("unit"))
            case "settings":
                return self._change(Settings.from_json(message.get("settings")))
            case "points":  # drawn by hand
                settings = replace(Settings.from_json(message.get("settings")), data="points")
                return self._restart(DataSource(settings, message.get("points")))
            case _:
                return super()._do(message)
        return {}

    def _select(self, unit):
        if unit is not None:
            with refusing():
                layer, index = unit
                check_layer_and_unit(self.playback.net, layer, index)
        self.selected = unit

    def _change(self, settings):
        if self.playback.change(settings):
            points = self.source.points if settings.data == "points" else None
            return self._restart(DataSource(settings, points, self.table))
        self.last = self.playback.step
        return {}

    def _restart(self, source):
        self._begin(Playback(source.settings, source.make()), source)
        return self.description()

    # ---- what the page asks for ----

    def description(self) -> dict[str, Any]:
        """Return what does not change until there is a new network."""
        net = self.playback.net
        return {
            "network": self.network,
            "notes": self.playback.data.notes,
            "points": self.picture.points(),
            "settings": self.playback.settings.to_json(),
            "sizes": list(net.layer_sizes),
            "losses": Settings.kind(self.playback.data),
            "n_params": net.n_params,
        }

    def code(self, kind: str) -> str:
        """Return the training as "python" or as "command"."""
        makers = {"python": as_python, "command": as_command}
        check_known("kind", kind, makers)
        with self.lock:
            return makers[kind](self.playback, self.source)

    def state(self) -> dict[str, Any]:
        """Return the state that the address of the page holds."""
        with self.lock:
            return state_of(self.playback, self.source.points)

    def model_file(self) -> bytes:
        """Return the network as a safetensors file."""
        with self.lock:
            net = self.playback.net.copy()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "network.safetensors")
            net.save(path)
            return path.read_bytes()


class GridTraining(PageTraining):
    """The training of a hundred networks on the same rows.

    Parameters
    ----------
    source : DataSource
        The settings that they have in common, and where the rows come from.
    variation : str
        A name of `VARIATIONS`.

    Attributes
    ----------
    settings : list of Settings
        Of each network.
    networks : list of MLP
    epoch : int
        Epochs that all of them have trained, but for those that diverged.
    diverged : set of int
        Positions of networks that cannot go on.
    untrained : float
        Median loss before training.
    """

    def __init__(self, source: DataSource, variation: str) -> None:
        super().__init__(rate=100.0)
        check_known("variation", variation, VARIATIONS)
        self.source, self.variation, self.data = source, variation, source.make()
        self.settings = [each.for_data(self.data) for each in _varied(source.settings, variation)]
        self.picture = Picture(self.data, GRID_SURFACE)
        self._begin()

    def _begin(self):
        self.networks: list[MLP] = [each.network(self.data) for each in self.settings]
        self.epoch = 0
        self.diverged: set[int] = set()
        self.untrained = float(np.median(self.losses()))

    def train(self, epochs: int) -> None:
        """Train each network for some epochs, with the bits of a `Playback` of its settings."""
        active = [i for i in range(len(self.networks)) if i not in self.diverged]
        if not active:
            return
        histories = fit_many(
            [self.networks[i] for i in active],
            self.data.X,
            self.data.y,
            self.settings[0].loss,
            [self.settings[i].make_optimizer() for i in active],
            epochs,
            self.settings[0].batch,
            resume=self.epoch > 0,
        )
        self.epoch += epochs
        self.diverged |= {i for i, h in zip(active, histories) if h.stop_reason == "diverged"}

    def losses(self) -> list[float]:
        """Return the loss of each network: of the held-out rows if there are any."""
        X, y = self.data.held_out_or_all()
        return [float(net.loss(X, y, self.settings[0].loss)) for net in self.networks]

    def scores(self) -> list[float]:
        """Return the share of right classes, or R2, likewise."""
        X, y = self.data.held_out_or_all()
        return [self.data.score(net.forward(X), y) for net in self.networks]

    def description(self) -> dict[str, Any]:
        """Return what does not change: how the networks differ, and their rows."""
        return {
            "network": self.network,
            "notes": self.data.notes,
            "variation": self.variation,
            "rates": RATES,
            "widths": WIDTHS[::-1],
            "seed": self.source.settings.seed,
            "untrained": self.untrained,
            "points": self.picture.points(),
            "settings": self.source.settings.for_data(self.data).to_json(),
            "losses": Settings.kind(self.data),
        }

    def _train(self):
        epochs = max(1, int(self.rate * GRID_SECONDS))
        if self.stop_epoch:
            epochs = min(epochs, self.stop_epoch - self.epoch)
        began = time.perf_counter()
        if epochs > 0:
            self.train(epochs)
            self.rate = epochs / max(time.perf_counter() - began, 1e-7)
        is_done = len(self.diverged) == len(self.networks)
        if is_done or 0 < self.stop_epoch <= self.epoch:
            self.playing = False

    def _frame(self):
        return {
            "epoch": self.epoch,
            "losses_now": self.losses(),
            "scores": self.scores(),
            "diverged": sorted(self.diverged),
            "surfaces": [self.picture.surface(net) for net in self.networks],
        }

    def _do(self, message):
        match message.get("do"):
            case "play":
                self.playing = True
            case "epoch":
                self.playing = False
                self.train(1)
            case "reset":
                self.playing = False
                self._begin()
            case "open":
                return self._state_of(_whole_number(message, "network"))
            case _:
                return super()._do(message)
        return {}

    def _state_of(self, i):
        """Return the state with which a page shows one of the networks, where it stands."""
        if i >= len(self.networks):
            raise PlayError(f"there is no network {i}")
        step = 0 if (state := self.networks[i].state) is None else state.step
        out = {"step": step, "settings": [[0, self.settings[i].changes()]]}
        return out if self.source.points is None else out | {"points": self.source.points}


def _varied(settings: Settings, variation: str) -> list[Settings]:
    """Return the settings of each network, row by row. Rates go from left to right."""
    if variation == "seeds":
        return [replace(settings, seed=settings.seed + i) for i in range(N_SEEDS)]
    n_layers = max(1, len(settings.hidden))
    activations = settings.activations or ("tanh",)
    return [
        replace(settings, lr=lr, hidden=(width,) * n_layers, activations=activations)
        for width in reversed(WIDTHS)
        for lr in RATES
    ]
