"""Playback: a training that can be stepped, stopped and taken back, always with the same bits.

A training is a list of segments. Each begins with settings at a step and lasts until the next one.
Its steps come from `MLP.fit(max_steps=..., resume=True)`, which gives the bits of one long `fit`. So
a position is a number of steps, and every position can be computed again from any earlier copy of
the network: `seek` goes back to the last copy before it, and trains from there.

A training is also told as a state, as Python code and as a command, which end with the same
parameters.
"""

from __future__ import annotations

import itertools
import json
import shlex
from dataclasses import dataclass
from typing import Any

from ..core.validation import check_count
from ..mlp import MLP
from ..state import DivergenceError
from .data_sets import PlayError, from_points, from_table, make_data, refusing
from .settings import NEW_NETWORK, Settings

MAX_STEP = 10**9
COPIES_BYTES = 64e6  # of networks that are kept to go back to
ALL_EPOCHS = 10**9  # `max_steps` ends a call of fit
_branches = itertools.count()


@dataclass(frozen=True)
class Segment:
    """The steps from `start` on have these settings. is_fresh: the optimizer starts without moments."""

    start: int
    settings: Settings
    is_fresh: bool


class Playback:
    """One training of the playground.

    Parameters
    ----------
    settings : Settings
    data : PlayData

    Attributes
    ----------
    net : MLP
        At the position.
    step : int
        The position: steps since the beginning.
    segments : list of Segment
    loss, test_loss : list of float
        After each epoch: the mean loss of its batches, and the loss of the held-out rows.
    diverged : str
        Why training cannot go on, or "".
    branch : int
        Another number after each way back: the losses that follow may be others.
    """

    def __init__(self, settings: Settings, data: Any) -> None:
        self.data = data
        self.step, self.diverged = 0, ""
        self.branch = next(_branches)
        self.loss: list[float] = []
        self.test_loss: list[float] = []
        self._begin(settings.for_data(data))

    def _begin(self, settings):
        """Begin with a new network."""
        self.segments = [Segment(0, settings, True)]
        self.net: MLP = settings.network(self.data)
        self.pending: Settings | None = None  # settings from the next epoch on
        self.copies = {0: self._copy()}

    @property
    def settings(self) -> Settings:
        """The settings of the next step, or those that wait for the next epoch."""
        return self.pending or self._segment.settings

    @property
    def _segment(self):
        """The segment of the next step."""
        return [each for each in self.segments if each.start <= self.step][-1]

    @property
    def loss_name(self) -> Any:
        """The loss of the next step."""
        return self._segment.settings.loss

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        state = self.net.state
        if state is None or self._is_fresh:
            return self._segment.settings.lr
        return float(state.lr)

    @property
    def _is_fresh(self):
        """Whether the next step is the first of an optimizer."""
        return self._segment.is_fresh and self._segment.start == self.step

    @property
    def epoch(self) -> int:
        """Whole epochs since the beginning."""
        return len(self.loss)

    @property
    def is_between_epochs(self) -> bool:
        """Whether the next step is the first of an epoch."""
        return self.net.state is None or self.net.state.row == 0

    # ---- forward ----

    def advance(self, steps: int) -> int:
        """Train for this many steps, and return how many were done: fewer if training diverges."""
        done = 0
        while done < steps and not self.diverged:
            self._change_now()
            later = [each.start for each in self.segments if each.start > self.step]
            count = min([steps - done, *(start - self.step for start in later)])
            if self.pending is not None:
                count = min(count, self.steps_left())
            done += self._fit(count)
        return done

    def advance_epoch(self) -> None:
        """Train until the epoch ends."""
        self.advance(self.steps_left())

    @property
    def steps_of_epoch(self) -> int:
        """Steps of a whole epoch."""
        return -(-len(self.data.X) // self._segment.settings.batch)

    def steps_left(self) -> int:
        """Return the number of steps until the epoch ends."""
        self._change_now()
        n, batch = len(self.data.X), self._segment.settings.batch
        row = 0 if self.is_between_epochs else self.net.state.row
        return -(-(n - row) // batch)

    def _fit(self, count):
        """Train for `count` steps of a segment."""
        data, settings, is_fresh = self.data, self._segment.settings, self._is_fresh
        validation = (data.X_test, data.y_test) if len(data.y_test) else None
        before = self.net.state.step if self.net.state is not None and not is_fresh else 0
        self.net.dropout = settings.used_dropout
        try:
            self.net.fit(
                data.X,
                data.y,
                settings.loss,
                settings.make_optimizer(),
                ALL_EPOCHS,
                settings.batch,
                validation_data=validation,
                resume=not is_fresh,
                max_steps=count,
            )
        except DivergenceError as error:
            self.diverged = str(error)
        history = self.net.history
        self.loss += history.loss
        self.test_loss += history.val_loss
        done = self.net.state.step - before
        self.step += done
        self._keep_copy()
        return done

    # ---- back ----

    def seek(self, step: int) -> None:
        """Go to a position, before or after this one."""
        if step < self.step:
            start = max(each for each in self.copies if each <= max(step, 0))
            net, n_epochs = self.copies[start]
            self.net, self.step, self.diverged = net.copy(), start, ""
            del self.loss[n_epochs:], self.test_loss[n_epochs:]
            self.branch = next(_branches)
        self.advance(step - self.step)

    def _copy(self):
        return self.net.copy(), len(self.loss)

    def _keep_copy(self):
        """Keep a copy of this position. Every second one is dropped when they take too much memory."""
        net = self.net
        if self.step in self.copies:
            return
        size = net.params.nbytes * (1 + len(net.state.moments)) + 8 * len(self.data.X) + 1000
        if size * (len(self.copies) + 1) > COPIES_BYTES:
            for step in sorted(self.copies)[1::2]:
                del self.copies[step]
        self.copies[self.step] = self._copy()

    # ---- changes ----

    def change(self, settings: Settings) -> bool:
        """Take other settings: from the next epoch on, or with a new network. Return whether it is new.

        Another rate, batch or penalty takes effect at the next epoch, another optimizer or loss also
        starts with fresh moments. What comes after this position is forgotten.
        """
        now, settings = self._segment.settings, settings.for_data(self.data)
        if any(getattr(now, name) != getattr(settings, name) for name in NEW_NETWORK):
            return True
        self.pending = settings if settings != now else None
        self.segments = [each for each in self.segments if each.start <= self.step]
        self.copies = {step: copy for step, copy in self.copies.items() if step <= self.step}
        if self.step == 0 and self.pending is not None:
            self._begin(settings)
        return False

    def _change_now(self):
        """Begin the segment of the pending settings, if an epoch has ended."""
        if self.pending is None or not self.is_between_epochs:
            return
        self.segments = [each for each in self.segments if each.start < self.step]
        before, new = self.segments[-1].settings, self.pending
        is_fresh = (new.optimizer, new.loss) != (before.optimizer, before.loss)
        self.segments.append(Segment(self.step, new, is_fresh))
        self.pending = None

    # ---- what the page shows ----

    def loss_now(self) -> float:
        """Return the loss of the training rows at this position."""
        return float(self.net.loss(self.data.X, self.data.y, self.loss_name))

    def test_loss_now(self) -> float:
        """Return the loss of the held-out rows at this position."""
        if not len(self.data.y_test):
            return float("nan")
        return float(self.net.loss(self.data.X_test, self.data.y_test, self.loss_name))


# ---- as a state, Python code and a command ----


class DataSource:
    """Where the rows of a training come from: arguments of the functions that make them.

    Parameters
    ----------
    settings : Settings
    points : list, optional
        Points drawn by hand, if ``settings.data`` is "points".
    table : (str, str, list of str or None), optional
        File, target and columns, if ``settings.data`` is "table".
    """

    def __init__(self, settings: Settings, points: Any = None, table: Any = None) -> None:
        self.settings, self.points, self.table = settings, points, table

    def make(self) -> Any:
        """Return the PlayData."""
        if self.settings.data == "table" and self.table is None:
            raise PlayError("no table was given. Start with: fastnn play TABLE --target COLUMN")
        function, arguments, options = self._call()
        return function(*arguments, **options)

    def as_python(self) -> str:
        """Return the Python that makes the data."""
        function, arguments, options = self._call()
        texts = [*map(repr, arguments), *(f"{name}={x!r}" for name, x in options.items())]
        return f"playground.{function.__name__}({', '.join(texts)})"

    def _call(self):
        """Return the function that makes the data, and its arguments."""
        s = self.settings
        if s.data == "points":
            return from_points, [self.points or []], dict(test=s.test, seed=s.data_seed)
        if s.data == "table":
            return from_table, self.table, dict(test=s.test, seed=s.data_seed)
        return make_data, [s.data], dict(n=s.n, noise=s.noise, seed=s.data_seed, test=s.test)


def as_python(playback: Playback, source: DataSource) -> str:
    """Return a program that trains the network of the playback up to its position."""
    net, segments = playback.net, _segments(playback)
    first = segments[0][0].settings
    activation = repr(list(first.activations)) if first.hidden else '"relu"'
    lines = [
        "import fastnn",
        "from fastnn import optimizers, playground, schedules",
        "",
        f"data = {source.as_python()}",
        "net = fastnn.MLP(",
        f"    {list(net.layer_sizes)}, {activation}, {net.activations[-1]!r},",
        f"    dtype={first.dtype!r}, rng={first.seed}, dropout={first.used_dropout},",
        ")",
    ]
    for i, (segment, steps) in enumerate(segments):
        s = segment.settings
        if steps == 0:  # before the first step
            break
        if i > 0 and s.used_dropout != segments[i - 1][0].settings.used_dropout:
            lines.append(f"net.dropout = {s.used_dropout}")
        lines += [
            "net.fit(",
            f"    data.X, data.y, {s.loss!r}, {_optimizer(s)},",
            f"    epochs={MAX_STEP:_}, max_steps={steps}, batch_size={s.batch},"
            f" resume={not segment.is_fresh},",
            ")",
        ]
    lines += ['net.save("network.safetensors")']
    return "\n".join(lines) + "\n"


def as_command(playback: Playback, source: DataSource) -> str:
    """Return the command that trains the network of the playback without a page."""
    text = json.dumps(state_of(playback, source.points), separators=(",", ":"))
    words = ["fastnn", "play"]
    if source.table is not None:
        path, target, columns = source.table
        words += [path, "--target", target]
        for column in columns or ():
            words += ["--column", column]
    words += ["--state", text, "--out", "network.safetensors"]
    return shlex.join(words) + "\n"


def state_of(playback: Playback, points: Any = None) -> dict[str, Any]:
    """Return what `from_state` makes the playback of: a JSON object."""
    state: dict[str, Any] = {"step": playback.step}
    segments = _segments(playback)
    state["settings"] = [[each.start, each.settings.changes()] for each, _ in segments]
    if playback.settings != segments[-1][0].settings:
        state["next"] = playback.settings.changes()
    if points is not None:
        state["points"] = points
    return state


def from_state(state: Any, table: Any = None) -> tuple[Playback, DataSource]:
    """Return the playback at the position of a state, and where its rows come from.

    Raises
    ------
    ValueError
        The state is not one that `state_of` returned.
    """
    source = source_of_state(state, table)
    playback = Playback(source.settings, source.make())
    for start, values in state["settings"][1:]:
        playback.advance(_check_step(start) - playback.step)
        playback.change(Settings.from_json(values))
    playback.advance(_check_step(state.get("step", 0)) - playback.step)
    if "next" in state:
        playback.change(Settings.from_json(state["next"]))
    return playback, source


def source_of_state(state: Any, table: Any = None) -> DataSource:
    """Return where the rows of a state come from, with its first settings. Errors: as `from_state`"""
    settings: Any = state.get("settings") if isinstance(state, dict) else None
    is_list = isinstance(settings, list) and len(settings) > 0
    if not is_list or not all(isinstance(each, list) and len(each) == 2 for each in settings):
        raise PlayError(
            'the state must be an object with "step" and "settings", a list of pairs: the step from '
            "which on they hold, and the settings"
        )
    return DataSource(Settings.from_json(settings[0][1]), state.get("points"), table)


def _check_step(step):
    with refusing():
        return check_count("step", step, minimum=0, maximum=MAX_STEP)


def _segments(playback):
    """Return the segments up to the position, and the number of steps of each."""
    used = [each for each in playback.segments if each.start < playback.step]
    used = used or playback.segments[:1]
    ends = [each.start for each in used[1:]] + [playback.step]
    return [(each, end - each.start) for each, end in zip(used, ends)]


def _optimizer(settings):
    """Return the optimizer as code."""
    optimizer = settings.make_optimizer()
    lr = optimizer.lr
    options = [repr(lr) if isinstance(lr, float) else f"schedules.{lr!r}"]
    options += ["momentum=0.9"] * (settings.optimizer == "momentum")
    options += [f"{key}={value!r}" for key in ("l1", "l2") if (value := getattr(settings, key))]
    return f"optimizers.{type(optimizer).__name__}({', '.join(options)})"
