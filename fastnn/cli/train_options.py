"""The options of `fastnn train`, on the command line or in a TOML file.

Those of the command line override those of the file.
"""

import argparse
import re
import shlex
import tomllib
from dataclasses import dataclass
from typing import Any

from ..core.messages import printable, similar
from ..plotting import picture_file
from ..tables import formats
from ..tables.source import without_secrets
from ..tabular import thresholds
from ..tabular.columns import KINDS
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS, find_name
from .column_roles import ALIASES, TASKS, refuse_target, require_column
from .console import CommandError, describe_missing
from .options import (
    add_to,
    expects,
    flag,
    for_each,
    json_flag,
    names,
    number,
    option,
    positional,
    repeated,
    seed_option,
    threads_option,
    whole_number,
)
from .table_file import TableOptions, table_options

# generated: losses, by src/generate.py from src/operations.py
LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "poisson",
)
# end of losses
MAX_UNITS = 100_000  # of a hidden layer
SIGNS = {"+1": 1, "1": 1, "-1": -1}  # of --monotone
COLUMNS, ROWS, MODEL, RUN, OUTPUT = "columns", "rows and scores", "model", "run", "output"


# ---- types of values ----


@expects(f"layer sizes from 1 to {MAX_UNITS:,}, such as 64 or 64,32")
def _hidden_sizes(text):
    """Parse `--hidden`: '64,32' -> (64, 32)."""
    sizes = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MAX_UNITS for part in sizes):
        raise ValueError
    return tuple(map(int, sizes))


def metric_name(text):
    """Parse `--metric`: 'log-loss' -> 'log_loss'."""
    name, known = find_name(text), [*CLASS_METRICS, *NUMBER_METRICS]
    if name not in known:
        close = similar(name, known)
        hint = f"Did you mean {close}? " if close else ""
        raise argparse.ArgumentTypeError(f"{hint}It can be {', '.join(known)}, got {text!r}")
    return name


@expects("two numbers LOW,HIGH, one of which may be left out, such as 0,100 or 0,")
def _bounds(text):
    """Parse `--bounds`: '0,100' -> (0.0, 100.0), '0,' -> (0.0, None)."""
    low, high = (float(part) if part.strip() else None for part in text.split(","))
    return low, high


@expects(
    "a number above 0 and below 1, f1, or the costs of a missed row of the second class and of a "
    "false alarm, such as cost:5,1"
)
def _threshold(text):
    """Parse `--threshold`: '0.2' -> 0.2, 'F1' -> 'f1', 'cost:5, 1' -> 'cost:5,1'."""
    try:
        share = float(text)
    except ValueError:
        return thresholds.parse(text).text
    if not 0 < share < 1:
        raise ValueError
    return share


def _report_file(name):
    """Check the name of a report. The command fails before training without its packages."""
    for packages, extra in ((["matplotlib"], "plot"), (["jinja2", "starlette"], "web")):
        if missing := describe_missing(packages, extra):
            raise argparse.ArgumentTypeError(f"a report needs {missing}")
    if not name.lower().endswith((".html", ".htm")):
        raise argparse.ArgumentTypeError(f"the file name must end in .html, got {name!r}")
    return name


# ---- the options ----


def _column_option(name):
    what = "columns to leave out" if name == "drop" else KINDS[name].option_help
    argument = "drop" if name == "drop" else KINDS[name].argument
    return repeated("COL,...", f"{what}; can be repeated", group=COLUMNS, argument=argument)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `fastnn train`."""

    data: str = positional(
        "DATA",
        f"table: {formats.format_names()}; a folder of such files; an address such as https://...; - for "
        "standard input",
        nargs="?",
    )
    target: str = option("COL", "column to predict")
    out: str = option("FILE", "model file to write, for example model.safetensors")
    task: str | None = option(
        "TASK",
        f"{', '.join(TASKS)}; or {', '.join(ALIASES)} (default: see the end)",
        choices=(*TASKS, *ALIASES),
        group=COLUMNS,
    )
    #: The names of columns as they were given, by the kind that they have, and drop.
    columns: dict[str, list[str] | None] = for_each((*KINDS, "drop"), _column_option)
    monotone: list[str] | None = repeated(
        "COL=+1,...",
        "columns of numbers in which predictions never fall (+1) or never rise (-1) as they grow, for "
        "two classes the probability of the second; can be repeated",
        group=COLUMNS,
    )
    skip_missing_target: bool = flag(
        "leave out the rows whose target is missing (default: an error)", group=COLUMNS
    )
    time: str | None = option(
        "COL",
        "if new rows will come later: column of dates, times or numbers; networks are scored on "
        "later rows than they train on",
        group=ROWS,
    )
    group: str | None = option(
        "COL",
        "if new rows will come from new patients, customers or machines: their column; networks "
        "are scored on other groups than they train on",
        group=ROWS,
        argument="groups",
    )
    weight: str | None = option(
        "COL", "column of the weights of the rows", group=ROWS, argument="sample_weight"
    )
    folds: int = option(
        "N",
        "number of folds, each of which trains its own networks; 1 holds out a fifth of the rows "
        "and trains in a fifth of the time (default: 5)",
        default=5,
        type=whole_number(1),
        group=ROWS,
        argument="n_estimators",
    )
    test_size: float = option(
        "FRACTION",
        "fraction of the rows that are set aside for a final score: the last ones with --time, "
        "whole groups with --group (default: 0)",
        default=0.0,
        type=number(below=1.0),
        group=ROWS,
    )
    hidden: tuple[int, ...] | None = option(
        "N,...",
        "units of each hidden layer (default: 64,64)",
        type=_hidden_sizes,
        group=MODEL,
        argument="hidden_layer_sizes",
    )
    tune: bool = flag(
        "try other hidden layers and, for a number, --log-target; takes at least three times as "
        "long, and seldom helps much",
        group=MODEL,
    )
    loss: str | None = option(
        "NAME",
        f"loss for a number: {', '.join(LOSSES)} (default: squared_error)",
        choices=LOSSES,
        group=MODEL,
    )
    log_target: bool = flag(
        "learn the logarithm of a target that is above 0, such as a price", group=MODEL
    )
    bounds: tuple[float | None, float | None] | None = option(
        "LOW,HIGH",
        "limits of predicted numbers; one of both may be left out, and before a minus there is a =, as in "
        "--bounds=-5,5",
        type=_bounds,
        group=MODEL,
    )
    metric: str | None = option(
        "NAME",
        "score that chooses the networks, and is printed first: for classes "
        f"{', '.join(CLASS_METRICS)}; for a number {', '.join(NUMBER_METRICS)} (default: the loss "
        "chooses)",
        type=metric_name,
        group=MODEL,
    )
    class_weight: str | None = option(
        "balanced",
        "give each class the same total weight, so that rare classes count more",
        choices=("balanced",),
        group=MODEL,
    )
    threshold: float | str | None = option(
        "P",
        "for two classes: predict the second one if its probability is at least P (default: 0.5); "
        "f1: choose P for the highest F1; cost:5,1: for the lowest cost, if a missed row of the "
        "second class costs 5 and a false alarm 1",
        type=_threshold,
        group=MODEL,
    )
    time_limit: float | None = option(
        "SECONDS",
        "train fewer networks for fewer epochs, to take about this long (default: no limit)",
        type=number(above=0.0),
        group=RUN,
    )
    seed: int = seed_option("seed of all random numbers", group=RUN)
    threads: int = threads_option(what="the model", group=RUN)
    window: int | None = option(
        "ROWS",
        "most rows in memory, for Parquet files (default: all, or as many as take 256 MB if "
        "memory is too small)",
        type=whole_number(2),
        group=RUN,
    )
    resume: bool = flag("train the folds that Ctrl-C left out; repeat all other options", group=RUN)
    config: str | None = option(
        "FILE",
        "TOML file with options, such as hidden = [128, 128]; those of the command line override "
        "it",
        group=RUN,
    )
    report: str | None = option(
        "FILE",
        "write a web page about the table, the scores, the errors and the training: .html",
        type=_report_file,
        group=OUTPUT,
    )
    baselines: bool = flag(
        "also train a linear model, HistGradientBoosting and, if they are installed, CatBoost and "
        "LightGBM on the same folds, and print their scores and the differences",
        group=OUTPUT,
    )
    plot: str | None = option(
        "FILE",
        "draw the training and the predictions to a .png, .svg or .pdf file",
        type=picture_file,
        group=OUTPUT,
    )
    no_background: bool = flag(
        "leave out of the model file the training rows with which 'fastnn explain' compares",
        group=OUTPUT,
    )
    json: bool = json_flag(group=OUTPUT)
    quiet: bool = flag("print only errors and notes", group=OUTPUT)
    table: TableOptions = table_options()
    #: The command that has these options, as a text.
    command: str = ""
    #: The ranks of an MPI job.
    executor: Any = None

    @staticmethod
    def complete(given):
        """Return the values of the command line and of --config, and check what belongs together.

        given : dict
            The values of the command line.
        """
        if given.get("config") is not None:
            given = read_config(given["config"]) | given
        for name, what in (("data", "DATA (the table)"), ("target", "--target"), ("out", "--out")):
            if given.get(name) is None:
                raise CommandError(
                    f"{what} is missing. Example: fastnn train people.csv --target income "
                    "--out income.safetensors"
                )
        for name in ("hidden", "resume"):
            if given.get("tune") and given.get(name):
                why = {
                    "hidden": "which it chooses",
                    "resume": "since the file has the options that it chose; 'fastnn info' shows them",
                }[name]
                raise CommandError(
                    f"--tune cannot be combined with --{name}, {why}. Leave out --tune."
                )
        return given | {"command": command_line(given)}


def resolve_columns(options, names):
    """Return {option: names of columns} of the options of kinds, and of --drop.

    Parameters
    ----------
    options : TrainOptions
    names : list of str
        Names of the columns of the table.
    """
    columns: dict = {}
    option_of: dict = {}
    for kind, texts in options.columns.items():
        columns[kind] = split_names(texts, names)
        for name in columns[kind]:
            require_column(options.data, kind, name, names)
            if name == options.target:
                raise CommandError(
                    f"--{kind} contains the target {printable(name)!r}. Remove it from --{kind}."
                )
            if option_of.setdefault(name, kind) != kind:
                raise CommandError(
                    f"column {printable(name)!r} is in both --{option_of[name]} and --{kind}. "
                    "Name it once."
                )
    return columns


def resolve_monotone(options, names):
    """Return {name of a column: sign} of --monotone. names : those of the columns of the table"""
    signs: dict = {}
    texts = [t for text in options.monotone or () for t in _split_signs(text, names)]
    for text in texts:
        name, _, sign = map(str.strip, text.rpartition("="))
        if not name or sign not in SIGNS:
            raise CommandError(
                f"--monotone must be COL=+1 or COL=-1, got {printable(text)!r}. +1: predictions never "
                "fall as the column grows; -1: they never rise."
            )
        require_column(options.data, "monotone", name, names)
        refuse_target("monotone", name, options.target)
        if signs.setdefault(name, SIGNS[sign]) != SIGNS[sign]:
            raise CommandError(f"--monotone has both +1 and -1 for {printable(name)!r}.")
    return signs


def _split_signs(text, names):
    """Return the parts of a value of --monotone. A name may contain =, if it is alone, and commas."""
    is_one = text.rpartition("=")[0].strip() in names
    parts = [text] if is_one else re.findall("[^=]*=[^,]*|[^=]+$", text)
    return [part.strip(", ") for part in parts if part.strip(", ")]


def split_names(texts, names=()):
    """Return the names in the values of an option. A name may contain commas if it is alone."""
    out: list = []
    for text in texts or ():
        out += [text] if text in names else [p.strip() for p in text.split(",") if p.strip()]
    return list(dict.fromkeys(out))


def command_line(given):
    """Return the command that has these values, as a text."""
    words = ["fastnn", "train", without_secrets(given["data"])]
    for name in names(TrainOptions):
        if name not in given or name in ("data", "config", "resume"):
            continue
        value, option = given[name], "--" + name.replace("_", "-")
        if value is True:
            words.append(option)
        elif isinstance(value, list):
            words += [word for item in value for word in (option, item)]
        else:
            parts = value if isinstance(value, tuple) else [value]
            text = ",".join("" if part is None else str(part) for part in parts)
            words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return shlex.join(words)


# ---- the file of --config ----


class _ConfigParser(argparse.ArgumentParser):
    """A parser whose errors name the file."""

    def __init__(self, path):
        super().__init__(prog=path, add_help=False, allow_abbrev=False)

    def actions(self):
        """Return the options and positional arguments."""
        return self._actions

    def error(self, message):
        raise CommandError(f"{self.prog}: {message.removeprefix('argument ').removeprefix('--')}")


def read_config(path):
    """Return the values of the options that a TOML file sets.

    The keys are the names of the options, with - or _.
    """
    parser = _ConfigParser(path)
    add_to(parser, TrainOptions)
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}. Pass a TOML file to --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: is not a TOML file ({error}).") from None
    known = {name: action for action in parser.actions() for name in _keys(action)}
    words = []
    for key, value in content.items():
        action = known.get(key.replace("_", "-"))
        if action is None:
            close = similar(key.replace("_", "-"), known)
            advice = f"Did you mean {close}?" if close else f"It can have {', '.join(known)}."
            raise CommandError(f"{path}: unknown key {printable(key)!r}. {advice}")
        words += _words(path, key, value, action)
    return vars(parser.parse_args(words))


def _keys(action):
    """Return the keys for an option or a positional argument."""
    if action.help == argparse.SUPPRESS or action.dest in ("config",):
        return []
    return [name.removeprefix("--") for name in action.option_strings] or [action.dest]


def _words(path, key, value, action):
    """Return the words of a command line that set an option."""
    option = action.option_strings[0] if action.option_strings else None
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise CommandError(f"{path}: {key} must be true or false, got {value!r}")
        return [option] if value else []
    values = value if isinstance(value, list) else [value]
    for item in values:
        if isinstance(item, (bool, dict, list)) or not isinstance(item, (str, int, float)):
            raise CommandError(f"{path}: {key} must be a text or a number, got {item!r}")
    if not isinstance(action, argparse._AppendAction):
        values = [",".join(map(str, values))]
    if option is None:
        return [str(values[0])]
    return [f"{option}={item}" for item in values]
