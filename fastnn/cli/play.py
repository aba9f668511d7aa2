"""fastnn play: watch a network learn, or ask a trained model, in the browser."""

import json
import os
import sys
import threading
import webbrowser
from dataclasses import dataclass

from ..core.errors import DataError
from .console import (
    CommandError,
    CommandWords,
    describe_missing,
    print_line,
    print_note,
    warnings_as_notes,
)
from .model_file import check_model_name, is_model_name, load_model
from .options import (
    check_output,
    flag,
    option,
    options_of_arguments,
    port_option,
    positional,
    repeated,
)
from .record import read_setup
from .table_file import resolve_table_path

END_SECONDS = 1  # for pages that are open
HELP = """
Open a page on which a small network learns before your eyes.

The page shows points of two classes, or your own table: its target against two
of its columns, or against its first two principal components. You choose
layers, activations, loss and optimizer, train, go step by step, and go back.
It copies what it did as Python code or as a command that gives the same bits.

With a model file of 'fastnn train', the page shows the model instead: change
the values of a row, and see the prediction, what each column adds, and the
curve of each column. With the table, it also shows the most similar rows.

The page is served to this computer alone. Ctrl-C ends it.

examples:
  fastnn play
  fastnn play digits --target digit
  fastnn play flats.csv --target rent --column rooms --column area
  fastnn play flats.safetensors flats.csv
  fastnn play --no-browser --port 8000
"""
USAGE = "fastnn play [FILE] [TABLE] [options]"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn play`."""

    data: str | None = positional("FILE", "table as for 'fastnn train', or model file", nargs="?")
    rows: str | None = positional("TABLE", "with a model: a table of its rows", nargs="?")
    target: str | None = option("COL", "column of the table to predict")
    column: list[str] | None = repeated(
        "COL", "an input; pass two (default: the first two principal components of all)"
    )
    port: int = port_option("port (default: any)", default=0)
    no_browser: bool = flag("print the address, and open no browser")
    state: str | None = option(
        "JSON", "begin with this training: what the page copies as a command"
    )
    out: str | None = option("FILE", "train without a page up to the step of --state, and save")


class _PlayWords(CommandWords):
    """The words of a command that reads tables without options: those of `fastnn train` are named."""

    def option(self, name):
        option = super().option(name)
        return option if name in options_of_arguments(Options) else f"fastnn train {option}"


def run(options):
    try:
        return _run(options)
    except DataError as error:
        raise CommandError(error.say(_PlayWords())) from None


def _run(options):
    from ..playground.playback import from_state

    missing = describe_missing(("jinja2", "starlette", "uvicorn"), "web")
    if missing and options.out is None:
        raise CommandError(f"the page needs {missing}")
    if options.data is not None and is_model_name(options.data):
        return _explore(options)
    if options.rows is not None:
        raise CommandError(f"{options.data} is not a model file, so pass one table alone.")
    table = _table(options)
    state = _parse_state(options.state)
    try:
        if options.out is not None:
            return _save(options.out, state, table)
        if state is None:
            state = {"step": 0, "settings": [[0, {"data": "table"} if table else {}]]}
        playback, _ = from_state(state, table)  # its errors come here, not in the page
    except DataError:
        raise
    except ValueError as error:
        raise CommandError(error) from None
    _print_notes(playback.data.notes)
    return _serve(options, state, table)


def _explore(options):
    """Show a trained model."""
    from ..playground.explorer import Explorer
    from ..tables import read

    model = load_model(options.data)
    with warnings_as_notes(print_note):
        table = None if options.rows is None else read(resolve_table_path(options.rows))
    try:
        setup = read_setup(model)
        target = options.target or (None if setup is None else setup.target)
        explorer = Explorer(model, os.path.basename(options.data), table, target)
    except ValueError as error:
        what = error.say(_PlayWords()) if isinstance(error, DataError) else error
        raise CommandError(f"{options.data}: {what}") from None
    _print_notes(explorer.notes)
    return _serve(options, explorer=explorer)


def _table(options):
    """Return (file, target, columns) of the table, or None."""
    if options.data is None:
        if options.target or options.column:
            raise CommandError("--target and --column need a table. Pass TABLE, too.")
        return None
    if options.target is None:
        raise CommandError("which column is learned? Pass --target COL.")
    if options.column is not None and len(options.column) != 2:
        raise CommandError(f"pass --column two times or not at all, got {len(options.column)}.")
    return resolve_table_path(options.data), options.target, options.column


def _parse_state(text):
    if text is None:
        return None
    from ..playground.settings import parse_play_json

    try:
        return parse_play_json(text)
    except json.JSONDecodeError as error:
        raise CommandError(f"--state is not JSON: {error}. Copy the command again.") from None
    except ValueError as error:
        raise CommandError(f"--state: {error}") from None


def _save(out, state, table):
    """Train without a page."""
    from ..playground.playback import from_state

    if state is None:
        raise CommandError("--out needs --state. Copy the command of the page.")
    check_model_name(out)
    check_output(out)
    playback, _ = from_state(state, table)
    _print_notes(playback.data.notes)
    playback.net.save(out)
    print_line(f"Saved {out} after {playback.step:,} steps: loss {playback.loss_now():.4g}.")
    return 0


def _print_notes(notes):
    for note in notes:
        print_note(note)


def _serve(options, state=None, table=None, explorer=None):
    """Serve until Ctrl-C or SIGTERM, and return the exit code."""
    from ..playground.server import PlayServer
    from ..web.server import print_errors

    try:
        play = PlayServer(options.port, state, table, explorer)
    except OSError as error:
        raise CommandError(
            f"port {options.port} cannot be used: {error.strerror}. Choose another --port, or none."
        ) from None
    print_errors()
    thread = threading.Thread(target=play.server.answer, daemon=True)
    thread.start()
    print_line(f"The page: {play.address}")
    print_line("Ctrl-C ends it.")
    if not options.no_browser and not webbrowser.open(play.address):
        print_line("No browser was found. Open the address yourself.", sys.stderr)
    try:
        while thread.is_alive():
            thread.join(0.2)
    except KeyboardInterrupt:
        print_line("")
    finally:
        play.server.should_exit = True
        thread.join(END_SECONDS)
    return 0
