"""fastnn predict: what a model says about each row of a table."""

import sys

import numpy as np

from ..tables import files as table_files
from ..tables.files import TableError, shown
from .common import (
    CommandError,
    add_json,
    add_threads,
    check_output,
    count,
    find_data,
    load_model,
    note,
    print_json,
    texts,
)
from .scores import in_words, score

HELP = """
Predict with a model that 'fastnn train' wrote.

A line for each row of DATA, in its order: the prediction and, where the model
tells classes apart, the probability of each. If DATA has the target's column
too, the score is said on standard error.

examples:
  fastnn predict model.safetensors new.csv             to the screen
  fastnn predict model.safetensors new.csv --out answers.csv
  fastnn predict model.safetensors new.parquet --out answers.parquet
  fastnn predict model.safetensors new.csv | head -3   to another program
"""


def add(commands):
    parser = commands.add_parser(
        "predict", help="what a model says about the rows of a table", **texts(HELP)
    )
    parser.add_argument("model", metavar="MODEL", help="the file that 'fastnn train' wrote")
    parser.add_argument(
        "data", metavar="DATA", help="a table with the columns that the model was trained on"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"write to {table_files.ENDINGS} (default: CSV to standard output)",
    )
    parser.add_argument(
        "--unseen-as-missing",
        action="store_true",
        help="take a category that training did not have for a missing value (default: an error)",
    )
    add_threads(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments):
    path, out = find_data(arguments.data), arguments.out
    net, encoding = load_model(arguments.model)
    if encoding is None:
        raise CommandError(
            f"{arguments.model}: holds a network but nothing about a table (MLP.save wrote it): "
            "use it with fastnn.load in Python, or let 'fastnn train' make a model"
        )
    if out is not None:
        table_files.check_ending(out)
        check_output(out, path, arguments.model)
    table = table_files.read(path, encoding.text_columns)
    X, notes = encoding.encode(path, table, arguments.unseen_as_missing)
    outputs = net.forward(X, n_threads=arguments.threads)
    bad = ~np.isfinite(outputs).all(axis=1)
    if bad.any():
        raise CommandError(
            f"{table_files.where(path, int(bad.argmax()))}: the model's output is not finite: train it again"
        )
    columns = encoding.target.decode(outputs)
    for text in notes:
        note(text)
    scores = _score(path, table, net, encoding, X)

    if out is not None:
        table_files.write(out, columns)
    to_terminal = out is None and not arguments.json and sys.stdout.isatty()
    if not to_terminal:  # what reads a pipe would write between the lines
        _say(encoding.target, scores)
    if arguments.json:
        answers = (
            {} if out is not None else {name: values.tolist() for name, values in columns.items()}
        )
        print_json(
            {
                "model": arguments.model,
                "rows": len(X),
                "task": encoding.target.task,
                "out": out,
                "scores": scores,
                **answers,
            }
        )
    elif out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(
            table_files.to_text(columns)
        )  # UTF-8, whatever the terminal's encoding
        sys.stdout.buffer.flush()
    else:
        print(f"written: {out} ({count(len(X), 'row')})")
    if to_terminal:  # where the last lines are seen
        _say(encoding.target, scores)
    return 0


def _say(target, scores):
    for i, line in enumerate(in_words(target, scores) if scores else ()):
        print(f"{'          ' if i else 'score     '}{line}", file=sys.stderr)


def _score(path, table, net, encoding, X):
    """The score on the rows whose target is known; None without any. A target that cannot be used
    is no reason not to predict."""
    target = encoding.target
    if target.name not in table.column_names:
        return None
    try:
        known = target.known(path, table.column(target.name))
        y = target.encode(path, table.filter(known).column(target.name))
    except TableError as error:
        note(f"not scored: {error}")
        return None
    if not known.all():
        note(
            f"{shown(target.name)!r} is missing, or none of the classes, in {count(len(known) - known.sum(), 'row')}: not scored"
        )
    if not known.any():
        return None
    return score(net, target, X[known], y)
