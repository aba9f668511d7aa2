"""fastnn check: compare a table with the one that a model was trained on."""

from ..tables.addresses import without_secrets
from ..tabular.checking.changes import find_changes
from ..tabular.checking.counting import NewRows
from .console import Notes, print_json, print_line, terminal_width
from .model_file import load_model, read_like_training
from .parser import add_json, help_texts
from .predict_rows import PredictTable
from .table_file import add_table_options

HELP = """
Compare a table with the one that a model was trained on.

It says which columns have other values than the training rows: outside their
range, missing or of unknown categories more often, distributed otherwise, or of
another type. Differences that may be chance, or are small, are not listed.

exit code:
  0 no drift; 1 drift in at least one column; 2 an error

examples:
  fastnn check model.safetensors new.csv
  fastnn check model.safetensors new.csv --json > drift.json
  fastnn check model.safetensors new.csv && fastnn predict model.safetensors new.csv
      predict only if nothing has changed
"""


def add_parser(commands, summary):
    parser = commands.add_parser(
        "check",
        help=summary,
        usage="fastnn check MODEL DATA [options]",
        **help_texts(HELP),
    )
    parser.add_argument("model", metavar="MODEL", help="model file written by 'fastnn train'")
    parser.add_argument(
        "data", metavar="DATA", help="table, as for 'fastnn predict'; - for standard input"
    )
    add_json(parser)
    add_table_options(parser)
    parser.set_defaults(run=run, keep=None)


def run(arguments):
    from ..tabular.columns import frames

    model = load_model(arguments.model, arguments.data)
    new = NewRows.of(model.model_)
    notes = Notes(is_printed=not arguments.json)
    read_like_training(arguments, model, notes)
    table = PredictTable(arguments, model, notes, needs_all=False)
    for part in table.parts():
        with table.explained(part):
            new.add(frames.read(part.inputs))
    report = find_changes(new, model.model_.time_column, table.absent, table.others)
    if arguments.json:
        print_json(
            {
                "model": arguments.model,
                "data": without_secrets(arguments.data),
                **report.to_json(),
                "notes": notes.texts,
            }
        )
    else:
        for line in report.lines(terminal_width()):
            print_line(line)
    return int(report.has_drift)
