"""fastnn check: compare a table with the one that a model was trained on."""

from dataclasses import dataclass

from ..tables.source import without_secrets
from ..tabular.drift.changes import find_changes
from .console import Notes, print_json, print_line, terminal_width
from .model_file import load_model, open_like_training
from .model_rows import ModelRows, check_model
from .options import json_flag, positional
from .table_file import TableOptions, table_options

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
USAGE = "fastnn check MODEL DATA [options]"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn check`."""

    model: str = positional("MODEL", "model file written by 'fastnn train'")
    data: str = positional("DATA", "table, as for 'fastnn predict'; - for standard input")
    json: bool = json_flag()
    table: TableOptions = table_options()


def run(options):
    from ..tabular.columns import frames

    model = load_model(options.model, options.data)
    check_model(options.model, model)
    new = model.new_rows()
    notes = Notes(is_printed=not options.json)
    rows = ModelRows(open_like_training(options, model, notes), model, needs_all=False)
    for part in rows.parts():
        with rows.explained(part):
            new.add(frames.read(part.inputs))
    report = find_changes(new, model.facts().time, rows.absent, rows.others)
    if options.json:
        source = {"model": options.model, "data": without_secrets(options.data)}
        print_json({**source, **report.to_json(), "notes": notes.texts})
    else:
        for line in report.lines(terminal_width()):
            print_line(line)
    return int(report.has_drift)
