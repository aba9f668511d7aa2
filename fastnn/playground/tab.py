"""Tab: the training of one open page, and the commands that the page sends."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from typing import Any

from . import as_code
from .data_sets import PlayError, refusing
from .live import Live, whole_number
from .picture import Picture, check_unit
from .playback import Playback
from .settings import Settings

FRAME_SECONDS = 1 / 60
TRAIN_SECONDS = 0.01  # of a frame at the highest speed; drawing takes the rest
MAX_STEPS = 200_000  # of a frame
MAX_EPOCHS = 200_000  # whose losses are kept


class Tab(Live):
    """The training of one network.

    Parameters
    ----------
    state : dict
        A state of `as_code.state_of`.
    table : tuple, optional
        As in `as_code.Rows`.
    """

    def __init__(self, state: Any, table: Any = None) -> None:
        super().__init__()
        self.table = table
        self.speed = 0  # steps of a frame; 0: as many as fit
        self.stop_epoch = 0  # 0: never
        self.selected: Any = None
        self.rate = 1000.0  # steps a second, measured
        self.playback: Playback
        self.rows: as_code.Rows
        self.picture: Picture
        self._begin(*as_code.from_state(state, table))

    def _begin(self, playback, rows):
        """Show another training."""
        self.playback, self.rows = playback, rows
        self.network += 1
        self.picture = Picture(playback.data)
        self.selected, self.last = None, playback.step

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
            case "pause":
                self.playing = False
            case "step":
                self.playing = False
                playback.advance(1)
            case "epoch":
                self.playing = False
                playback.advance_epoch()
            case "seek":
                self.playing = False
                playback.seek(min(whole_number(message, "step"), self.last))
            case "speed":
                self.speed = min(whole_number(message, "steps"), 1000)
            case "stop":
                self.stop_epoch = whole_number(message, "epochs")
            case "select":
                self._select(message.get("unit"))
            case "settings":
                return self._change(Settings.from_json(message.get("settings")))
            case "points":
                return self._draw(
                    message.get("points"), Settings.from_json(message.get("settings"))
                )
            case other:
                raise PlayError(f"unknown command {other!r}")
        return {}

    def _select(self, unit):
        if unit is not None:
            with refusing():
                layer, index = unit
                check_unit(self.playback.net, layer, index)
        self.selected = unit

    def _change(self, settings):
        if not self.playback.change(settings):
            self.last = self.playback.step
            return {}
        points = self.rows.points if settings.data == "points" else None
        rows = as_code.Rows(settings, points, self.table)
        self._begin(Playback(settings, rows.make()), rows)
        return self.description()

    def _draw(self, points, settings):
        """Train on points drawn by hand."""
        settings = replace(settings, data="points")
        rows = as_code.Rows(settings, points)
        self._begin(Playback(settings, rows.make()), rows)
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
        makers = {"python": as_code.as_python, "command": as_code.as_command}
        if kind not in makers:
            raise PlayError(f"kind must be one of {', '.join(makers)}, got {kind!r}")
        with self.lock:
            return makers[kind](self.playback, self.rows)

    def state(self) -> dict[str, Any]:
        """Return the state that the address of the page holds."""
        with self.lock:
            return as_code.state_of(self.playback, self.rows.points)

    def model_file(self) -> bytes:
        """Return the network as a safetensors file."""
        with self.lock:
            net = self.playback.net.copy()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "network.safetensors")
            net.save(path)
            with open(path, "rb") as file:
                return file.read()
