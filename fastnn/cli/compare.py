"""fastnn compare: compare models on the rows of a table."""

from ..core.messages import plural
from ..tables.addresses import without_secrets
from .compare_models import ComparedModels
from .compare_text import describe, format_comparison
from .console import CommandError, Notes, print_json, print_line
from .model_file import is_model_name
from .option_types import metric_name
from .parser import add_json, add_threads, help_texts
from .table_file import add_table_options

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


def add_parser(commands, summary):
    parser = commands.add_parser(
        "compare",
        help=summary,
        usage="fastnn compare MODEL MODEL ... TABLE [options]",
        **help_texts(HELP),
    )
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        help="model files written by 'fastnn train', and after them the table with the target",
    )
    parser.add_argument(
        "--data",
        metavar="TABLE",
        help="the table, in place of the last argument",
    )
    parser.add_argument(
        "--metric",
        type=metric_name,
        metavar="NAME",
        help="score to compare (default: that of the models, if they agree, else log_loss or rmse)",
    )
    parser.add_argument(
        "--group",
        metavar="COL",
        help="column whose rows with equal values are not independent (default: as in the training)",
    )
    parser.add_argument(
        "--weight", metavar="COL", help="column of the weights (default: as in the training)"
    )
    add_threads(parser, default=-1)
    add_json(parser)
    add_table_options(parser)
    parser.set_defaults(run=run)


def run(arguments):
    if arguments.data is None:
        *arguments.models, arguments.data = arguments.models
        if not arguments.models or is_model_name(arguments.data):
            raise CommandError(
                "which table are the models compared on? Pass it last: "
                "fastnn compare a.safetensors b.safetensors new.csv"
            )
    notes = Notes(is_printed=not arguments.json)
    compared = ComparedModels(arguments, notes)
    content = describe(compared)
    if arguments.json:
        print_json(
            {"data": without_secrets(arguments.data), **content, "notes": notes.texts},
        )
        return 0
    rows = plural(content["rows"], "row")
    print_line(f"{without_secrets(arguments.data)}: {rows} with the target {content['target']}")
    print_line()
    for line in format_comparison(content):
        print_line(line)
    return 0
