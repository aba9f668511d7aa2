"""fastnn play: watch a network learn, or ask a trained model, in the browser."""

import json
import os
import sys
import threading
import webbrowser

from .console import CommandError, CommandWords, print_line, print_note
from .model_file import check_model_name, is_model_name, load_model
from .parser import check_output, help_texts, whole_number
from .record import read_setup
from .table_file import resolve_table_path

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


def add_parser(commands, summary):
    parser = commands.add_parser(
        "play", help=summary, usage="fastnn play [FILE] [TABLE] [options]", **help_texts(HELP)
    )
    parser.add_argument(
        "data", nargs="?", metavar="FILE", help="table as for 'fastnn train', or model file"
    )
    parser.add_argument(
        "rows", nargs="?", metavar="TABLE", help="with a model: a table of its rows"
    )
    parser.add_argument("--target", metavar="COL", help="column of the table to predict")
    parser.add_argument(
        "--column",
        action="append",
        metavar="COL",
        help="an input; pass two (default: the first two principal components of all)",
    )
    parser.add_argument(
        "--port", type=whole_number(0), default=0, metavar="N", help="port (default: any)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    parser.add_argument(
        "--state",
        metavar="JSON",
        help="begin with this training: what the page copies as a command",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="train without a page up to the step of --state, and save"
    )
    parser.set_defaults(run=run)


def run(arguments):
    from ..playground import as_code
    from ..playground.server import PlayServer

    if arguments.data is not None and is_model_name(arguments.data):
        return _explore(arguments)
    if arguments.rows is not None:
        raise CommandError(f"{arguments.data} is not a model file, so pass one table alone.")
    table = _table(arguments)
    state = _state(arguments)
    try:
        if arguments.out is not None:
            return _save(arguments, as_code, state, table)
        if state is None:
            state = {"step": 0, "settings": [[0, {"data": "table"} if table else {}]]}
        playback, _ = as_code.from_state(state, table)  # its errors come here, not in the page
    except ValueError as error:
        raise CommandError(error) from None
    _print_notes(playback.data.notes)
    return _serve(arguments, lambda port: PlayServer(port, state, table))


def _explore(arguments):
    """Show a trained model."""
    from ..playground.explorer import Explorer
    from ..playground.server import PlayServer
    from ..tables import read

    model = load_model(arguments.data)
    table = None if arguments.rows is None else read(resolve_table_path(arguments.rows))
    try:
        setup = read_setup(model)
        target = arguments.target or (None if setup is None else setup.target)
        explorer = Explorer(model, os.path.basename(arguments.data), table, target)
    except ValueError as error:
        raise CommandError(f"{arguments.data}: {CommandWords().say(error)}") from None
    _print_notes(explorer.notes)
    return _serve(arguments, lambda port: PlayServer(port, {}, explorer=explorer))


def _table(arguments):
    """Return (file, target, columns) of the table, or None."""
    if arguments.data is None:
        if arguments.target or arguments.column:
            raise CommandError("--target and --column need a table. Pass TABLE, too.")
        return None
    if arguments.target is None:
        raise CommandError("which column is learned? Pass --target COL.")
    if arguments.column is not None and len(arguments.column) != 2:
        raise CommandError(f"pass --column two times or not at all, got {len(arguments.column)}.")
    return resolve_table_path(arguments.data), arguments.target, arguments.column


def _state(arguments):
    if arguments.state is None:
        return None
    from ..playground.settings import parse_json

    try:
        return parse_json(arguments.state)
    except json.JSONDecodeError as error:
        raise CommandError(f"--state is not JSON: {error}. Copy the command again.") from None
    except ValueError as error:
        raise CommandError(f"--state: {error}") from None


def _save(arguments, as_code, state, table):
    """Train without a page."""
    if state is None:
        raise CommandError("--out needs --state. Copy the command of the page.")
    check_model_name(arguments.out)
    check_output(arguments.out)
    playback, _ = as_code.from_state(state, table)
    _print_notes(playback.data.notes)
    playback.net.save(arguments.out)
    print_line(
        f"Saved {arguments.out} after {playback.step:,} steps: loss {playback.loss_now():.4g}."
    )
    return 0


def _print_notes(notes):
    for note in notes:
        print_note(note)


def _serve(arguments, make_server):
    """Serve until Ctrl-C or SIGTERM, and return the exit code."""
    try:
        server = make_server(arguments.port)
    except OSError as error:
        raise CommandError(
            f"port {arguments.port} cannot be used: {error.strerror}. Choose another --port, or none."
        ) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.daemon = True
    thread.start()
    print_line(f"The page: {server.address}")
    print_line("Ctrl-C ends it.")
    if not arguments.no_browser and not webbrowser.open(server.address):
        print_line("No browser was found. Open the address yourself.", sys.stderr)
    try:
        while thread.is_alive():
            thread.join(0.2)
    except KeyboardInterrupt:
        print_line("")
    finally:
        server.shutdown()
        server.server_close()
    return 0
