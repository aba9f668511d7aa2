"""fastnn compare: compare models on the rows of a table."""

from dataclasses import dataclass

from ..core.messages import plural
from ..tables.addresses import without_secrets
from .compare_models import ComparedModels
from .compare_text import describe, format_comparison
from .console import CommandError, Notes, print_json, print_line
from .model_file import is_model_name
from .option_types import metric_name
from .options import json_flag, option, positional, threads_option
from .table_file import TableOptions, table_options

HELP = """
Compare models that predict the same column, on the rows of a table.

The models are scored on the same rows, so the difference of two scores is known
better than each score. A model is better if the difference is above two
standard errors. Pass rows that no model was trained on.

examples:
  fastnn compare a.safetensors b.safetensors new.csv
  fastnn compare a.safetensors b.safetensors new.csv --metric auc
  fastnn compare *.safetensors new.csv --json
"""
USAGE = "fastnn compare MODEL MODEL ... TABLE [options]"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn compare`."""

    models: list[str] = positional(
        "MODEL",
        "model files written by 'fastnn train', and after them the table with the target",
        nargs="+",
    )
    data: str = option("TABLE", "the table, in place of the last argument")
    metric: str | None = option(
        "NAME",
        "score to compare (default: that of the models, if they agree, else log_loss or rmse)",
        type=metric_name,
    )
    group: str | None = option(
        "COL",
        "column whose rows with equal values are not independent (default: as in the training)",
        argument="groups",
    )
    weight: str | None = option(
        "COL", "column of the weights (default: as in the training)", argument="sample_weight"
    )
    threads: int = threads_option()
    json: bool = json_flag()
    table: TableOptions = table_options()

    @staticmethod
    def complete(given):
        """Take the last of the models for the table, unless --data names it."""
        if "data" in given:
            return given
        *models, data = given["models"]
        if not models or is_model_name(data):
            raise CommandError(
                "which table are the models compared on? Pass it last: "
                "fastnn compare a.safetensors b.safetensors new.csv"
            )
        return given | {"models": models, "data": data}


def run(options):
    notes = Notes(is_printed=not options.json)
    compared = ComparedModels(options, notes)
    content = describe(compared)
    if options.json:
        print_json(
            {"data": without_secrets(options.data), **content, "notes": notes.texts},
        )
        return 0
    rows = plural(content["rows"], "row")
    print_line(f"{without_secrets(options.data)}: {rows} with the target {content['target']}")
    print_line()
    for line in format_comparison(content):
        print_line(line)
    return 0
