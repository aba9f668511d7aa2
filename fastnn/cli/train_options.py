"""The options of `fastnn train`, on the command line or in a TOML file.

The value of an option that is neither on the command line nor in --config is None or False until
`complete` sets its default.
"""

import argparse
import shlex
import tomllib

from ..core.messages import printable, similar
from ..plotting import picture_file
from ..tables import formats
from ..tables.addresses import without_secrets
from ..tabular.columns.column_kinds import KINDS
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS
from .console import CommandError
from .option_types import hidden_sizes, metric_name, report_file, threshold
from .parser import number, thread_count, whole_number
from .row_roles import require_column
from .table_file import add_table_options
from .target_column import ALIASES, TASKS

# generated: losses, by src/generate.py from src/operations.py
LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "poisson",
)
# end of losses
DEFAULTS = dict(folds=5, seed=0, threads=-1, test_size=0.0)
COLUMN_OPTIONS = (*KINDS, "drop")


def add_arguments(parser):
    """Add the arguments of `fastnn train` to a parser."""
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help=f"table: {formats.names()}; a folder of such files; an address such as "
        "https://...; - for standard input",
    )
    parser.add_argument("--target", metavar="COL", help="column to predict")
    parser.add_argument(
        "--out", metavar="FILE", help="model file to write, for example model.safetensors"
    )
    _add_column_options(parser.add_argument_group("columns"))
    _add_row_options(parser.add_argument_group("rows and scores"))
    _add_model_options(parser.add_argument_group("model"))
    _add_run_options(parser.add_argument_group("run"))
    _add_output_options(parser.add_argument_group("output"))
    add_table_options(parser)


def _add_column_options(group):
    group.add_argument(
        "--task",
        choices=(*TASKS, *ALIASES),
        metavar="TASK",
        help=f"{', '.join(TASKS)}; or {', '.join(ALIASES)} (default: see the end)",
    )
    for name, what in (
        *((kind, column.option_help) for kind, column in KINDS.items()),
        ("drop", "columns to leave out"),
    ):
        group.add_argument(
            f"--{name}", action="append", metavar="COL,...", help=f"{what}; can be repeated"
        )
    group.add_argument(
        "--skip-missing-target",
        action="store_true",
        help="leave out the rows whose target is missing (default: an error)",
    )


def _add_row_options(group):
    for name, what in (
        (
            "time",
            "if new rows will come later: column of dates, times or numbers; networks are scored on "
            "later rows than they train on",
        ),
        (
            "group",
            "if new rows will come from new patients, customers or machines: their column; networks "
            "are scored on other groups than they train on",
        ),
        ("weight", "column of the weights of the rows"),
    ):
        group.add_argument(f"--{name}", metavar="COL", help=what)
    group.add_argument(
        "--folds",
        type=whole_number(1),
        metavar="N",
        help="number of folds, each of which trains its own networks; 1 holds out a fifth of the "
        "rows and trains in a fifth of the time (default: 5)",
    )
    group.add_argument(
        "--test-size",
        type=number(below=1.0),
        metavar="FRACTION",
        help="fraction of the rows that are set aside for a final score: the last ones with --time, "
        "whole groups with --group (default: 0)",
    )


def _add_model_options(group):
    group.add_argument(
        "--hidden",
        type=hidden_sizes,
        metavar="N,...",
        help="units of each hidden layer (default: 64,64)",
    )
    group.add_argument(
        "--tune",
        action="store_true",
        help="try other hidden layers and, for a number, --log-target; takes at least three times "
        "as long, and seldom helps much",
    )
    group.add_argument(
        "--loss",
        choices=LOSSES,
        metavar="NAME",
        help=f"loss for a number: {', '.join(LOSSES)} (default: squared_error)",
    )
    group.add_argument(
        "--log-target",
        action="store_true",
        help="learn the logarithm of a target that is above 0, such as a price",
    )
    group.add_argument(
        "--metric",
        type=metric_name,
        metavar="NAME",
        help="score that chooses the networks, and is printed first: for classes "
        f"{', '.join(CLASS_METRICS)}; for a number {', '.join(NUMBER_METRICS)} (default: the loss "
        "chooses)",
    )
    group.add_argument(
        "--class-weight",
        choices=("balanced",),
        metavar="balanced",
        help="give each class the same total weight, so that rare classes count more",
    )
    group.add_argument(
        "--threshold",
        type=threshold,
        metavar="P",
        help="for two classes: predict the second one if its probability is at least P (default: "
        "0.5); f1: choose P for the highest F1; cost:5,1: for the lowest cost, if a missed row of the "
        "second class costs 5 and a false alarm 1",
    )


def _add_run_options(group):
    group.add_argument(
        "--time-limit",
        type=number(above=0.0),
        metavar="SECONDS",
        help="train fewer networks for fewer epochs, to take about this long (default: no limit)",
    )
    group.add_argument(
        "--seed",
        type=whole_number(0),
        metavar="N",
        help="seed of all random numbers (default: 0)",
    )
    group.add_argument(
        "--threads",
        type=thread_count,
        metavar="N",
        help="maximum number of threads; does not change the model (default: -1, all CPUs)",
    )
    group.add_argument(
        "--window",
        type=whole_number(2),
        metavar="ROWS",
        help="most rows in memory, for Parquet files (default: all, or as many as take 256 MB if "
        "memory is too small)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="train the folds that Ctrl-C left out; repeat all other options",
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file with options, such as hidden = [128, 128]; those of the command line "
        "override it",
    )


def _add_output_options(group):
    group.add_argument(
        "--report",
        type=report_file,
        metavar="FILE",
        help="write a web page about the table, the scores, the errors and the training: .html",
    )
    group.add_argument(
        "--baselines",
        action="store_true",
        help="also train a linear model, HistGradientBoosting and, if they are installed, CatBoost "
        "and LightGBM on the same folds, and print their scores and the differences",
    )
    group.add_argument(
        "--plot",
        type=picture_file,
        metavar="FILE",
        help="draw the training and the predictions to a .png, .svg or .pdf file",
    )
    group.add_argument(
        "--no-background",
        action="store_true",
        help="leave out of the model file the training rows with which 'fastnn explain' compares",
    )
    group.add_argument("--json", action="store_true", help="print the results as one JSON object")
    group.add_argument("--quiet", action="store_true", help="print only errors and notes")


def complete(arguments):
    """Fill in the options of --config and the defaults, and check what belongs together.

    Returns
    -------
    dict
        The options that are not the defaults, by name.
    """
    if arguments.config is not None:
        for name, value in vars(read_config(arguments.config)).items():
            if not is_given(getattr(arguments, name)):
                setattr(arguments, name, value)
    for name, what in (("data", "DATA (the table)"), ("target", "--target"), ("out", "--out")):
        if getattr(arguments, name) is None:
            raise CommandError(
                f"{what} is missing. Example: fastnn train people.csv --target income "
                "--out income.safetensors"
            )
    for option in ("hidden", "resume"):
        if arguments.tune and getattr(arguments, option):
            why = {
                "hidden": "which it chooses",
                "resume": "since the file has the options that it chose; 'fastnn info' shows them",
            }[option]
            raise CommandError(
                f"--tune cannot be combined with --{option}, {why}. Leave out --tune."
            )
    given = {
        name: value
        for name, value in vars(arguments).items()
        if is_given(value) and name not in ("command", "executor", "run", "config", "resume")
    }
    for name, value in DEFAULTS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return given


def is_given(value):
    return value is not None and value is not False


def resolve_columns(arguments, names):
    """Return {option: names of columns} of the options of kinds, and of --drop.

    Parameters
    ----------
    arguments : argparse.Namespace
    names : list of str
        Names of the columns of the table.
    """
    columns: dict = {}
    option_of: dict = {}
    for option in COLUMN_OPTIONS:
        columns[option] = split_names(getattr(arguments, option), names)
        for name in columns[option]:
            require_column(arguments, option, name, names)
            if name == arguments.target:
                raise CommandError(
                    f"--{option} contains the target {printable(name)!r}. Remove it from --{option}."
                )
            if option_of.setdefault(name, option) != option:
                raise CommandError(
                    f"column {printable(name)!r} is in both --{option_of[name]} and --{option}. "
                    "Name it once."
                )
    return columns


def split_names(texts, names=()):
    """Return the names in the values of an option. A name may contain commas if it is alone."""
    out: list = []
    for text in texts or ():
        out += [text] if text in names else [p.strip() for p in text.split(",") if p.strip()]
    return list(dict.fromkeys(out))


def command_line(given):
    """Return the command that has these options, as a text."""
    words = ["fastnn", "train", without_secrets(given["data"])]
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        if name == "data":
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, list):
            words += [word for item in value for word in (option, item)]
        else:
            words += [option, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
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
    """Return the options in a TOML file as a Namespace. Options that it does not set are None.

    The keys are the names of the options, with - or _.
    """
    parser = _ConfigParser(path)
    add_arguments(parser)
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
    return parser.parse_args(words)


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
