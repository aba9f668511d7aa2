"""fastnn explain: show what each column adds to the predictions for the rows of a table."""

import time
from dataclasses import dataclass

from ..core.messages import plural, printable
from ..tables import formats
from ..tables.addresses import without_secrets
from ..tables.table_errors import import_pyarrow
from ..tabular.explaining import explanation_text
from ..tabular.explaining.methods import check_permutations
from ..tabular.explaining.scales import Scale
from . import explained_rows
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .display import format_duration
from .model_file import load_model
from .option_types import row_numbers
from .options import json_flag, keep_option, option, positional, seed_option, threads_option
from .parser import whole_number
from .predict_rows import PredictTable
from .row_checks import check_model, open_rows, values_to_json
from .table_file import TableFile, TableOptions, table_options

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
USAGE = "fastnn explain MODEL DATA [options]"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn explain`."""

    model: str = positional("MODEL", "model file written by 'fastnn train'")
    data: str = positional("DATA", "table as for 'fastnn predict'; - for standard input")
    rows: list[tuple[int, int]] | None = option(
        "N,...",
        "numbers of rows, such as 3,10-12; the first row is 1 (default: the first "
        f"{SHOWN_ROWS}, or all with --out or --json)",
        type=row_numbers,
    )
    out: str | None = option(
        "FILE", f"file to write, with a column for each contribution: {formats.written()}"
    )
    keep: list[str] | None = keep_option()
    scale: str | None = option(
        "SCALE",
        "what contributions add up to: probability or log-odds of a class, or target, the "
        "predicted number (default: probability, or target)",
    )
    permutations: int | None = option(
        "N",
        "number of random orders of the columns, even (default: 128 or a few more, or exact values "
        "of up to 8 columns)",
        type=whole_number(2),
        argument="n_permutations",
    )
    background: str | None = option(
        "TABLE", "table of rows to compare with (default: training rows in the model file)"
    )
    top: int = option(
        "N",
        "columns to show of each row, at most; the others are added up (default: 8)",
        default=8,
        type=whole_number(1),
    )
    seed: int = seed_option("random seed of the orders")
    threads: int = threads_option()
    json: bool = json_flag()
    table: TableOptions = table_options()


def run(options):
    model = load_model(options.model, options.data)
    model.n_threads = options.threads
    check_model(options.model, model)
    Scale.of_model(model.targets_, options.scale)  # its errors come before the table is read
    check_permutations(options.permutations)
    notes = Notes()
    table, writer, checked = open_rows(options, model, notes)
    chosen = _choose_rows(options, table, notes)
    background = None
    if options.background is not None:
        background = _read_background(
            TableFile(options.background, table.file.options, notes), model
        )
    explainer = _Explainer(
        model,
        notes,
        scale=options.scale,
        n_permutations=options.permutations,
        random_state=options.seed,
        background=background,
    )
    if options.out is not None:
        with writer:
            for _, part, explanation in explainer.explain(table, chosen):
                writer.write(part.kept, explained_rows.to_columns(explanation))
        print_line(f"Saved {options.out} ({plural(len(chosen), 'row')}).")
        return 0
    found = list(explainer.explain(table, chosen))
    if options.json:
        first = found[0][2]
        print_json(
            {
                "model": options.model,
                "data": without_secrets(options.data),
                "rows": len(chosen),
                "target": model.facts().target,
                "scale": first.scale,
                "permutations": first.n_permutations,
                "background_rows": first.n_background,
                "notes": notes.texts,
                **values_to_json(checked),
                "explanations": [
                    row
                    for numbers, _, explanation in found
                    for row in explanation_text.to_json(explanation, numbers)
                ],
            }
        )
        return 0
    for i, (numbers, part, explanation) in enumerate(found):
        if i:
            print_line()
        kept = part.kept.to_pylist() or [{}] * len(numbers)  # without columns it has no rows
        titles = list(map(explained_rows.row_title, numbers, kept))
        for line in explained_rows.to_lines(explanation, titles, options.top):
            print_line(line)
    return 0


def _choose_rows(options, table, notes):
    """Return the numbers of the rows to explain, from 1."""
    if options.rows is not None:
        last = max(last for _, last in options.rows)
        if last > table.n_rows:
            raise CommandError(
                f"--rows: {without_secrets(options.data)} has {plural(table.n_rows, 'row')}, but "
                f"row {last:,} is named. The first row is 1."
            )
        return sorted({n for first, last in options.rows for n in range(first, last + 1)})
    if options.out is not None or options.json or table.n_rows <= SHOWN_ROWS:
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
    model : StoredClassifier or StoredRegressor
    notes : Notes
    **options
        Of its method `explain`.
    """

    def __init__(self, model, notes, **options):
        self.model, self.notes, self.options = model, notes, options

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


def _read_background(file, model):
    """Return the columns of the model in the table of --background."""
    table = PredictTable(file, model)
    tables = []
    for part in table.parts():
        with table.explained(part):
            tables.append(part.inputs)
    if not table.n_rows:
        raise CommandError(f"--background: {printable(file.name, 200)} has no rows.")
    return import_pyarrow().concat_tables(tables)
