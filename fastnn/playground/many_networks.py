"""A hundred networks side by side, trained by `fit_many`: other seeds, or other rates and widths."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.messages import hint_at
from ..many import fit_many
from ..mlp import MLP
from . import as_code
from .data_sets import PlayError
from .live import Live, whole_number
from .picture import Picture
from .settings import Settings

#: How they differ: what the list of the page says.
VARIATIONS = {
    "seeds": "The same settings from 100 seeds",
    "rates": "10 learning rates by 10 widths",
}
RATES = 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0
WIDTHS = 1, 2, 3, 4, 6, 8, 12, 16, 24, 32
N_SEEDS = 100
SURFACE = 24  # points along a side of each surface
TRAIN_SECONDS = 0.06  # of a frame


class ManyNetworks:
    """Networks on the same rows.

    Parameters
    ----------
    settings : Settings
        What they have in common.
    variation : str
        A name of `VARIATIONS`.
    data : PlayData

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

    def __init__(self, settings: Settings, variation: str, data: Any) -> None:
        if variation not in list(VARIATIONS):
            raise PlayError(
                f"variation must be one of {', '.join(VARIATIONS)}, got {variation!r}"
                f"{hint_at(variation, VARIATIONS)}"
            )
        self.data = data
        self.settings = [each.for_data(data) for each in varied(settings, variation)]
        self.networks: list[MLP] = [each.network(data) for each in self.settings]
        self.epoch = 0
        self.diverged: set[int] = set()
        self.untrained = float(np.median(self.losses()))

    def train(self, epochs: int) -> None:
        """Train each network for some epochs, with the bits of a `Playback` of its settings."""
        data, first = self.data, self.settings[0]
        loss: Any = first.loss
        active = [i for i in range(len(self.networks)) if i not in self.diverged]
        if not active:
            return
        histories = fit_many(
            [self.networks[i] for i in active],
            data.X,
            data.y,
            loss,
            [self.settings[i].make_optimizer() for i in active],
            epochs,
            first.batch,
            resume=self.epoch > 0,
        )
        self.epoch += epochs
        self.diverged |= {i for i, h in zip(active, histories) if h.stop_reason == "diverged"}

    def losses(self) -> list[float]:
        """Return the loss of each network: of the held-out rows if there are any."""
        X, y = self.data.held_out_or_all()
        loss: Any = self.settings[0].loss
        return [float(net.loss(X, y, loss)) for net in self.networks]

    def scores(self) -> list[float]:
        """Return the share of right classes, or R2, likewise."""
        X, y = self.data.held_out_or_all()
        return [self.data.score(net.forward(X), y) for net in self.networks]


def varied(settings: Settings, variation: str) -> list[Settings]:
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


class ManyTab(Live):
    """The networks of an open page.

    Parameters
    ----------
    rows : as_code.Rows
        Their common settings, and where the rows come from.
    variation : str
    """

    def __init__(self, rows: as_code.Rows, variation: str) -> None:
        super().__init__()
        self.rows, self.variation = rows, variation
        self.stop_epoch = 0  # 0: never
        self.rate = 100.0  # epochs a second, measured
        self._begin(rows.make())

    def _begin(self, data):
        self.many = ManyNetworks(self.rows.settings, self.variation, data)
        self.picture = Picture(data, SURFACE)

    def description(self) -> dict[str, Any]:
        """Return what does not change: how the networks differ, and their rows."""
        many = self.many
        return {
            "network": self.network,
            "notes": many.data.notes,
            "variation": self.variation,
            "rates": RATES,
            "widths": WIDTHS[::-1],
            "seed": self.rows.settings.seed,
            "untrained": many.untrained,
            "points": self.picture.points(),
            "settings": self.rows.settings.for_data(many.data).to_json(),
            "losses": Settings.kind(many.data),
        }

    def _train(self):
        epochs = max(1, int(self.rate * TRAIN_SECONDS))
        if self.stop_epoch:
            epochs = min(epochs, self.stop_epoch - self.many.epoch)
        began = time.perf_counter()
        if epochs > 0:
            self.many.train(epochs)
            self.rate = epochs / max(time.perf_counter() - began, 1e-7)
        is_done = len(self.many.diverged) == len(self.many.networks)
        if is_done or 0 < self.stop_epoch <= self.many.epoch:
            self.playing = False

    def _frame(self):
        many = self.many
        return {
            "epoch": many.epoch,
            "losses_now": many.losses(),
            "scores": many.scores(),
            "diverged": sorted(many.diverged),
            "surfaces": [self.picture.surface(net) for net in many.networks],
        }

    def _do(self, message):
        match message.get("do"):
            case "play":
                self.playing = True
            case "pause":
                self.playing = False
            case "epoch":
                self.playing = False
                self.many.train(1)
            case "reset":
                self.playing = False
                self._begin(self.many.data)
            case "stop":
                self.stop_epoch = whole_number(message, "epochs")
            case "open":
                return self._state_of(whole_number(message, "network"))
            case other:
                raise PlayError(f"unknown command {other!r}")
        return {}

    def _state_of(self, i):
        """Return the state with which a page shows one of the networks, where it stands."""
        many = self.many
        if i >= len(many.networks):
            raise PlayError(f"there is no network {i}")
        step = 0 if (state := many.networks[i].state) is None else state.step
        out = {"step": step, "settings": [[0, many.settings[i].changes()]]}
        return out if self.rows.points is None else out | {"points": self.rows.points}
