"""fastnn predict: predict each row of a table with a trained model."""

import sys

import numpy as np

from ..tables import files as table_files
from ..tables.files import TableError, printable
from .common import (
    CommandError,
    add_json,
    add_threads,
    check_output,
    help_texts,
    load_model,
    plural,
    print_json,
    print_note,
    resolve_table_path,
)
from .scores import compute_scores, format_scores

HELP = """
Predict each row of a table with a model that 'fastnn train' wrote.

The output has one row for each row of DATA, in the same order. It contains the
prediction and, for a classifier, the probability of each class. If DATA has the
target column, scores are printed to standard error.

examples:
  fastnn predict model.safetensors new.csv               print as CSV
  fastnn predict model.safetensors new.csv --out predictions.csv
  fastnn predict model.safetensors new.parquet --out predictions.parquet
  fastnn predict model.safetensors new.csv | head -3     pipe the output
"""


def add_parser(commands):
    parser = commands.add_parser("predict", help="predict the rows of a table", **help_texts(HELP))
    parser.add_argument("model", metavar="MODEL", help="model file written by 'fastnn train'")
    parser.add_argument(
        "data", metavar="DATA", help="table with the columns that the model was trained on"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"file to write: {table_files.EXTENSIONS} (default: CSV to standard output)",
    )
    parser.add_argument(
        "--unseen-as-missing",
        action="store_true",
        help="treat categories that are not in the training data as missing (default: an error)",
    )
    add_threads(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments):
    path, out = resolve_table_path(arguments.data), arguments.out
    net, encoding = load_model(arguments.model)
    if encoding is None:
        raise CommandError(
            f"{arguments.model}: contains a network, but no column encoding (written by MLP.save). "
            "Use fastnn.load in Python, or train a model with 'fastnn train'."
        )
    if out is not None:
        table_files.check_extension(out)
        check_output(out, path, arguments.model)
    table = table_files.read(path, encoding.text_columns, on_note=print_note)
    X, notes = encoding.encode(path, table, arguments.unseen_as_missing)
    outputs = net.forward(X, n_threads=arguments.threads)
    not_finite = ~np.isfinite(outputs).all(axis=1)
    if not_finite.any():
        raise CommandError(
            f"{table_files.locate(path, int(not_finite.argmax()))}: "
            "the model's output is not finite. Train the model again."
        )
    columns = encoding.target.decode(outputs)
    for note in notes:
        print_note(note)
    scores = _score(path, table, net, encoding, X)

    if out is not None:
        table_files.write(out, columns)
    to_terminal = out is None and not arguments.json and sys.stdout.isatty()
    if not to_terminal:  # before the rows: a program at the end of a pipe prints after them
        _print_scores(encoding.target, scores)
    if arguments.json:
        predictions = (
            {} if out is not None else {name: values.tolist() for name, values in columns.items()}
        )
        print_json(
            {
                "model": arguments.model,
                "rows": len(X),
                "task": encoding.target.task,
                "out": out,
                "scores": scores,
                **predictions,
            }
        )
    elif out is None:
        sys.stdout.flush()
        # The bytes are UTF-8, whatever the encoding of the terminal.
        sys.stdout.buffer.write(table_files.to_text(columns))
        sys.stdout.buffer.flush()
    else:
        print(f"Saved {out} ({plural(len(X), 'row')}).")
    if to_terminal:  # after the rows, where they are visible
        _print_scores(encoding.target, scores)
    return 0


def _print_scores(target, scores):
    for i, line in enumerate(format_scores(target, scores) if scores else ()):
        print(f"{'          ' if i else 'score     '}{line}", file=sys.stderr)


def _score(path, table, net, encoding, X):
    """Score the rows whose target is usable. Return None without any.

    A target column that cannot be used prints a note: the predictions do not need it.
    """
    target = encoding.target
    if target.name not in table.column_names:
        return None
    try:
        usable = target.usable_rows(path, table.column(target.name))
        y = target.encode(path, table.filter(usable).column(target.name))
    except TableError as error:
        print_note(f"no scores: {error}")
        return None
    if not usable.all():
        rows = plural(len(usable) - usable.sum(), "row")
        print_note(
            f"{rows} not scored: {printable(target.name)!r} is missing or not one of the classes"
        )
    if not usable.any():
        return None
    return compute_scores(net, target, X[usable], y)
