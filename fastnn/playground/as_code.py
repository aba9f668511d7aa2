"""A training of the playground as Python code and as a command, which end with the same parameters."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..core.validation import check_count
from .data_sets import PlayError, refusing
from .playback import Playback
from .settings import Settings

MAX_STEP = 10**9


class Rows:
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
        from .data_sets import from_points
        from .table_points import from_table

        s = self.settings
        if s.data == "points":
            return from_points(self.points or [], s.test, s.data_seed)
        if s.data == "table":
            if self.table is None:
                raise PlayError("no table was given. Start with: fastnn play TABLE --target COLUMN")
            path, target, columns = self.table
            return from_table(path, target, columns, s.test, s.data_seed)
        return s.make_data()

    def as_python(self) -> str:
        """Return a line of Python that makes the data."""
        s = self.settings
        if s.data == "points":
            return f"playground.from_points({self.points!r}, test={s.test}, seed={s.data_seed})"
        if s.data == "table":
            path, target, columns = self.table
            return f"playground.from_table({path!r}, {target!r}, {columns!r}, test={s.test}, seed={s.data_seed})"
        values = f"{s.data!r}, n={s.n}, noise={s.noise}, seed={s.data_seed}, test={s.test}"
        return f"playground.make_data({values})"


def as_python(playback: Playback, rows: Rows) -> str:
    """Return a program that trains the network of the playback up to its position."""
    net, stretches = playback.net, _stretches(playback)
    first = stretches[0][0].settings
    activation = repr(list(first.activations)) if first.hidden else '"relu"'
    lines = [
        "import fastnn",
        "from fastnn import optimizers, playground, schedules",
        "",
        f"data = {rows.as_python()}",
        "net = fastnn.MLP(",
        f"    {list(net.layer_sizes)}, {activation}, {net.activations[-1]!r},",
        f"    dtype={first.dtype!r}, rng={first.seed}, dropout={_dropout(first)},",
        ")",
    ]
    for i, (stretch, steps) in enumerate(stretches):
        s = stretch.settings
        if steps == 0:  # before the first step
            break
        if i > 0 and _dropout(s) != _dropout(stretches[i - 1][0].settings):
            lines.append(f"net.dropout = {_dropout(s)}")
        lines += [
            "net.fit(",
            f"    data.X, data.y, {s.loss!r}, {_optimizer(s)},",
            f"    epochs={MAX_STEP:_}, max_steps={steps}, batch_size={s.batch},"
            f" resume={not stretch.is_fresh},",
            ")",
        ]
    lines += ['net.save("network.safetensors")']
    return "\n".join(lines) + "\n"


def as_command(playback: Playback, rows: Rows) -> str:
    """Return the command that trains the network of the playback without a page."""
    text = json.dumps(state_of(playback, rows.points), separators=(",", ":"))
    words = ["fastnn", "play"]
    if rows.table is not None:
        path, target, columns = rows.table
        words += [path, "--target", target]
        for column in columns or ():
            words += ["--column", column]
    words += ["--state", text, "--out", "network.safetensors"]
    return shlex.join(words) + "\n"


def state_of(playback: Playback, points: Any = None) -> dict[str, Any]:
    """Return what `from_state` makes the playback of: a JSON object."""
    state: dict[str, Any] = {"step": playback.step}
    stretches = _stretches(playback)
    state["settings"] = [[each.start, each.settings.changes()] for each, _ in stretches]
    if playback.settings != stretches[-1][0].settings:
        state["next"] = playback.settings.changes()
    if points is not None:
        state["points"] = points
    return state


def from_state(state: Any, table: Any = None) -> tuple[Playback, Rows]:
    """Return the playback at the position of a state, and where its rows come from.

    Raises
    ------
    ValueError
        The state is not one that `state_of` returned.
    """
    state = _checked(state)
    rows = rows_of(state, table)
    playback = Playback(rows.settings, rows.make())
    for start, values in state["settings"][1:]:
        playback.advance(_check_step(start) - playback.step)
        playback.change(Settings.from_json(values))
    playback.advance(_check_step(state.get("step", 0)) - playback.step)
    if "next" in state:
        playback.change(Settings.from_json(state["next"]))
    return playback, rows


def rows_of(state: Any, table: Any = None) -> Rows:
    """Return where the rows of a state come from, with its first settings. Errors: as `from_state`"""
    state = _checked(state)
    return Rows(Settings.from_json(state["settings"][0][1]), state.get("points"), table)


def _checked(state):
    settings: Any = state.get("settings") if isinstance(state, dict) else None
    is_list = isinstance(settings, list) and len(settings) > 0
    if not is_list or not all(isinstance(each, list) and len(each) == 2 for each in settings):
        raise PlayError(
            'the state must be an object with "step" and "settings", a list of pairs: the step from '
            "which on they hold, and the settings"
        )
    return state


def _check_step(step):
    with refusing():
        return check_count("step", step, minimum=0, maximum=MAX_STEP)


def _stretches(playback):
    """Return the stretches up to the position, and the number of steps of each."""
    used = [each for each in playback.stretches if each.start < playback.step]
    used = used or playback.stretches[:1]
    ends = [each.start for each in used[1:]] + [playback.step]
    return [(each, end - each.start) for each, end in zip(used, ends)]


def _dropout(settings):
    return settings.dropout if settings.hidden else 0.0


def _optimizer(settings):
    """Return the optimizer as code."""
    s, rate = settings, settings.make_optimizer().lr
    lr = repr(rate) if isinstance(rate, float) else f"schedules.{rate!r}"
    name = type(settings.make_optimizer()).__name__
    options = [lr, *(["momentum=0.9"] if s.optimizer == "momentum" else [])]
    options += [f"{key}={value!r}" for key in ("l1", "l2") if (value := getattr(s, key))]
    return f"optimizers.{name}({', '.join(options)})"
