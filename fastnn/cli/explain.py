"""fastnn explain: show what each column adds to the predictions for the rows of a table."""

import argparse
import time

from ..core.messages import plural, printable
from ..tables import formats, table_writer
from ..tables.addresses import without_secrets
from ..tables.table_errors import import_pyarrow
from ..tabular.explaining.methods import check_permutations
from ..tabular.explaining.scales import Scale
from . import explained_rows
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .display import format_duration
from .model_file import load_model, read_like_training
from .option_types import row_numbers
from .parser import add_json, add_keep, add_threads, check_output, help_texts, whole_number
from .predict_rows import PredictTable, RowWriter
from .row_checks import check_model, check_rows, note_values, values_to_json
from .table_file import TableFile, add_table_options

SHOWN_ROWS = 5  # as text, by default
BLOCK = 200  # rows that are explained at a time
SLOW = 20.0  # seconds, from which on a note says how long it takes
HELP = """
Show what each column adds to the predictions for the rows of a table.

A prediction is the base, the mean prediction for some training rows, plus the
contributions of the columns (Shapley values). Contributions describe the model,
not causes. Columns with the same information share its contribution.

The numbers after +- are standard errors: contributions are means over random
orders of the columns. More --permutations make them smaller. Up to 8 columns,
contributions are exact. Of several classes, the most probable one is explained.

examples:
  fastnn explain model.safetensors new.csv               the first 5 rows
  fastnn explain model.safetensors new.csv --rows 17,40-45 --keep id
  fastnn explain model.safetensors new.csv --scale log-odds
  fastnn explain model.safetensors new.csv --keep id --out contributions.csv
      all rows: id, the prediction, the base, and a column for each contribution
"""


def add_parser(commands, summary):
    parser = commands.add_parser(
        "explain",
        help=summary,
        usage="fastnn explain MODEL DATA [options]",
        **help_texts(HELP),
    )
    parser.add_argument("model", metavar="MODEL", help="model file written by 'fastnn train'")
    parser.add_argument(
        "data", metavar="DATA", help="table as for 'fastnn predict'; - for standard input"
    )
    parser.add_argument(
        "--rows",
        type=row_numbers,
        metavar="N,...",
        help="numbers of rows, such as 3,10-12; the first row is 1 (default: the first "
        f"{SHOWN_ROWS}, or all with --out or --json)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"file to write, with a column for each contribution: {formats.written()}",
    )
    add_keep(parser)
    parser.add_argument(
        "--scale",
        metavar="SCALE",
        help="what contributions add up to: probability or log-odds of a class, or target, the "
        "predicted number (default: probability, or target)",
    )
    parser.add_argument(
        "--permutations",
        type=whole_number(2),
        metavar="N",
        help="number of random orders of the columns, even (default: 128 or a few more, or exact "
        "values of up to 8 columns)",
    )
    parser.add_argument(
        "--background",
        metavar="TABLE",
        help="table of rows to compare with (default: training rows in the model file)",
    )
    parser.add_argument(
        "--top",
        type=whole_number(1),
        default=8,
        metavar="N",
        help="columns to show of each row, at most; the others are added up (default: 8)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="random seed of the orders (default: 0)",
    )
    add_threads(parser, default=-1)
    add_json(parser)
    add_table_options(parser)
    parser.set_defaults(run=run)


def run(arguments):
    model = load_model(arguments.model, arguments.data)
    model.n_threads = arguments.threads
    check_model(arguments.model, model)
    Scale.of_model(
        model.model_.targets, arguments.scale
    )  # its errors come before the table is read
    check_permutations(arguments.permutations)
    if arguments.out is not None:
        table_writer.check_extension(arguments.out)
        check_output(arguments.out, *TableFile(arguments).files(), arguments.model)
    notes = Notes()
    read_like_training(arguments, model, notes)
    table = PredictTable(arguments, model, notes)
    writer = RowWriter(arguments.out, arguments.json)
    checked = check_rows(model, table, writer)
    note_values(checked, arguments, notes)
    chosen = _choose_rows(arguments, table, notes)
    explainer = _Explainer(arguments, model, notes)
    if arguments.out is not None:
        with writer:
            for _, part, explanation in explainer.explain(table, chosen):
                writer.write(part.kept, explained_rows.to_columns(explanation))
        print_line(f"Saved {arguments.out} ({plural(len(chosen), 'row')}).")
        return 0
    found = list(explainer.explain(table, chosen))
    if arguments.json:
        first = found[0][2]
        print_json(
            {
                "model": arguments.model,
                "data": without_secrets(arguments.data),
                "rows": len(chosen),
                "target": model.model_.target_name,
                "scale": first.scale,
                "permutations": first.n_permutations,
                "background_rows": first.n_background,
                "notes": notes.texts,
                **values_to_json(checked),
                "explanations": [
                    row
                    for numbers, _, explanation in found
                    for row in explained_rows.to_json(explanation, numbers)
                ],
            }
        )
        return 0
    for i, (numbers, part, explanation) in enumerate(found):
        if i:
            print_line()
        kept = part.kept.to_pylist() or [{}] * len(numbers)  # without columns it has no rows
        titles = list(map(explained_rows.row_title, numbers, kept))
        for line in explained_rows.to_lines(explanation, titles, arguments.top):
            print_line(line)
    return 0


def _choose_rows(arguments, table, notes):
    """Return the numbers of the rows to explain, from 1."""
    if arguments.rows is not None:
        last = max(last for _, last in arguments.rows)
        if last > table.n_rows:
            raise CommandError(
                f"--rows: {without_secrets(arguments.data)} has {plural(table.n_rows, 'row')}, but "
                f"row {last:,} is named. The first row is 1."
            )
        return sorted({n for first, last in arguments.rows for n in range(first, last + 1)})
    if arguments.out is not None or arguments.json or table.n_rows <= SHOWN_ROWS:
        return list(range(1, table.n_rows + 1))
    notes(
        f"the first {SHOWN_ROWS} of {table.n_rows:,} rows are explained. --rows names others, and "
        "--out FILE writes the contributions to all"
    )
    return list(range(1, SHOWN_ROWS + 1))


class _Explainer:
    """Explains rows of a table, block by block.

    Parameters
    ----------
    arguments : argparse.Namespace
    model : StoredClassifier or StoredRegressor
    notes : Notes
    """

    def __init__(self, arguments, model, notes):
        self.model, self.notes = model, notes
        self.options = dict(
            scale=arguments.scale,
            n_permutations=arguments.permutations,
            random_state=arguments.seed,
            background=None,
        )
        if arguments.background is not None:
            self.options["background"] = _read_background(arguments, model, notes)

    def explain(self, table, chosen):
        """Yield (numbers of rows, PredictPart, Explanation) of each block. There is at least one."""
        pa, began, n_done, first = import_pyarrow(), time.perf_counter(), 0, 1
        for part in table.parts():
            n = part.inputs.num_rows
            inside = [number for number in chosen if first <= number < first + n]
            for start in range(0, max(len(inside), not chosen), BLOCK):
                numbers = inside[start : start + BLOCK]
                rows = pa.array([number - first for number in numbers], pa.int64())
                block = part.take(rows)
                with table.explained(part), warnings_as_notes(lambda text: None):
                    explanation = self.model.explain(block.inputs, **self.options)
                if not n_done and numbers:
                    self._note_time(time.perf_counter() - began, len(numbers), len(chosen))
                n_done += len(numbers)
                yield numbers, block, explanation
            first += n

    def _note_time(self, seconds, n_done, n):
        whole = seconds * n / n_done
        if whole > SLOW and n > n_done:
            self.notes(
                f"explaining {n:,} rows takes about {format_duration(whole)}. --rows names fewer, and "
                "fewer --permutations are faster"
            )


def _read_background(arguments, model, notes):
    """Return the columns of the model in the table of --background."""
    other = argparse.Namespace(**(vars(arguments) | {"data": arguments.background, "keep": None}))
    table = PredictTable(other, model, notes)
    tables = []
    for part in table.parts():
        with table.explained(part):
            tables.append(part.inputs)
    if not table.n_rows:
        raise CommandError(f"--background: {printable(arguments.background, 200)} has no rows.")
    return import_pyarrow().concat_tables(tables)
