"""fastnn explain: show what each column adds to the predictions for the rows of a table."""

import time
from dataclasses import dataclass

from ..core.messages import plural, printable
from ..tables import formats
from ..tables.errors import import_pyarrow
from ..tables.source import without_secrets
from ..tabular.explaining.explanation import explanations_to_json, row_lines
from ..tabular.explaining.methods import check_permutations
from ..tabular.explaining.mixtures import Scale
from .console import CommandError, Notes, print_json, print_line, terminal_width, warnings_as_notes
from .model_file import load_model
from .model_rows import ModelRows, check_model, explanation_columns, open_rows
from .options import (
    json_flag,
    keep_option,
    option,
    positional,
    row_numbers,
    seed_option,
    threads_option,
    whole_number,
)
from .progress import format_duration
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

Below free text are its words with the largest shares in what the networks read
of it, in logits of the class or standard deviations (std) of the target.

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
        "FILE",
        "file to write, with a column for each contribution, and one for the words of free text: "
        f"{formats.written_extensions()}",
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
    rows, writer, findings = open_rows(options, model, notes)
    chosen = _choose_rows(options, rows, notes)
    details: dict = {
        "scale": options.scale,
        "n_permutations": options.permutations,
        "random_state": options.seed,
        "background": None,
    }
    if options.background is not None:
        file = TableFile(options.background, rows.file.options, notes)
        details["background"] = _read_background(file, model)
    blocks = _explain(model, rows, chosen, details, notes)
    if options.out is not None:
        with writer:
            for _, part, explanation in blocks:
                writer.write(part.kept, explanation_columns(explanation))
        print_line(f"Saved {options.out} ({plural(len(chosen), 'row')}).")
    elif options.json:
        source = {"model": options.model, "data": without_secrets(options.data)}
        target = model.facts().target
        print_json({**source, **_to_json(list(blocks), len(chosen), target, notes, findings)})
    else:
        _print(list(blocks), options.top)
    return 0


def _to_json(blocks, n_rows, target, notes, findings):
    first = blocks[0][2]
    return {
        "rows": n_rows,
        "target": target,
        "scale": first.scale,
        "permutations": first.n_permutations,
        "background_rows": first.n_background,
        "notes": notes.texts,
        **findings,
        "explanations": [
            row
            for numbers, _, explanation in blocks
            for row in explanations_to_json(explanation, numbers)
        ],
    }


def _print(blocks, n_columns):
    """Print all rows, with an empty line between two."""
    is_first = True
    for numbers, part, explanation in blocks:
        kept = part.kept.to_pylist() or [{}] * len(numbers)  # without columns it has no rows
        for row, number in enumerate(numbers):
            if not is_first:
                print_line()
            is_first, title = False, _row_title(number, kept[row])
            width = terminal_width()
            for line in row_lines(explanation, row, n_columns, width, title):
                print_line(line)


def _row_title(number, kept):
    """Return what the text of a row begins with. kept : {name: value} of the columns of --keep"""
    texts = [f"{printable(name, 20)} {printable(str(value), 30)}" for name, value in kept.items()]
    return f"row {number:,}" + (f" ({', '.join(texts)})" if texts else "")


def _choose_rows(options, rows, notes):
    """Return the numbers of the rows to explain, from 1."""
    n = rows.n_rows
    if options.rows is not None:
        last = max(last for _, last in options.rows)
        if last > n:
            raise CommandError(
                f"--rows: {without_secrets(options.data)} has {plural(n, 'row')}, but row {last:,} "
                "is named. The first row is 1."
            )
        return sorted({n for first, last in options.rows for n in range(first, last + 1)})
    if options.out is None and not options.json and n > SHOWN_ROWS:
        notes(
            f"the first {SHOWN_ROWS} of {n:,} rows are explained. --rows names others, and --out "
            "FILE writes the contributions to all"
        )
        n = SHOWN_ROWS
    return list(range(1, n + 1))


def _explain(model, rows, chosen, details, notes):
    """Yield (numbers of rows, RowsPart, Explanation) of each block. There is at least one.

    details : arguments of the method `explain`
    """
    pa, began, n_done, first = import_pyarrow(), time.perf_counter(), 0, 1
    for part in rows.parts():
        n = part.inputs.num_rows
        inside = [number for number in chosen if first <= number < first + n]
        for start in range(0, max(len(inside), not chosen), BLOCK):
            numbers = inside[start : start + BLOCK]
            block = part.take(pa.array([number - first for number in numbers], pa.int64()))
            with rows.explained(part), warnings_as_notes(lambda text: None):
                explanation = model.explain(block.inputs, **details)
            if not n_done and numbers:
                _note_time(notes, time.perf_counter() - began, len(numbers), len(chosen))
            n_done += len(numbers)
            yield numbers, block, explanation
        first += n


def _note_time(notes, seconds, n_done, n):
    whole = seconds * n / n_done
    if whole > SLOW and n > n_done:
        notes(
            f"explaining {n:,} rows takes about {format_duration(whole)}. --rows names fewer, and "
            "fewer --permutations are faster"
        )


def _read_background(file, model):
    """Return the columns of the model in the table of --background."""
    rows = ModelRows(file, model)
    tables = []
    for part in rows.parts():
        with rows.explained(part):
            tables.append(part.inputs)
    if not rows.n_rows:
        raise CommandError(f"--background: {printable(file.name, 200)} has no rows.")
    return import_pyarrow().concat_tables(tables)
