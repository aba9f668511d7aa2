"""fastnn train: train a network on a table and save it with the encoding of the table."""

import argparse
import json
import math
import os

import numpy as np

from ..activations import HIDDEN
from ..config import __version__
from ..mlp import MLP
from ..optimizers import OPTIMIZERS
from ..tables import files as table_files
from ..tables.encoding import TASKS, Encoding, infer_target
from ..tables.values import get_column
from .common import (
    CommandError,
    add_json,
    add_seed,
    add_threads,
    check_output,
    help_texts,
    join_names,
    number,
    plural,
    print_json,
    print_note,
    resolve_table_path,
    whole_number,
)
from .display import Display
from .scores import accuracy, compute_scores, format_scores, r2

MAX_PARAMETERS = 200_000_000
MAX_LAYERS = 99
MINIBATCH_OPTIMIZERS: dict = {name: cls for name, cls in OPTIMIZERS.items() if not cls.full_batch}
OPTIMIZER_DEFAULTS: dict = {"sgd": dict(lr=1e-2, momentum=0.9)}  # instead of those of the class
HELP = """
Train a network to predict one column of a table from the others.

Numeric columns are standardized, text columns are one-hot encoded, and missing
values (empty, NA, ?) are imputed and flagged. The model file stores this
encoding. Some rows are held out to score the trained network.

examples:
  fastnn train digits --target digit --out digits.safetensors
      train on a sample table ('digits' and 'wine' ship with fastnn)
  fastnn train people.csv --target income --out income.safetensors \\
      --drop name,id
      ignore two columns
  fastnn train people.csv --target grade --task number --out g.safetensors
      predict a number, although the column has only a few different values
  fastnn train big.parquet --target y --out y.safetensors \\
      --hidden 256,256 --epochs 30 --threads -1
      train a larger network on all CPUs

defaults:
  --task          binary if the target has two different values; classes if it
                  is text, or whole numbers with up to 10 different values;
                  else number
  --batch-size    32, or 128 if the table has 50,000 training rows or more
  --epochs        300,000 / training rows, but at least 10 and at most 200;
                  more if that makes fewer than 1,000 steps
  --weight-decay  2 / training rows, but at most 0.03
"""


def add_parser(commands):
    parser = commands.add_parser(
        "train",
        help="train a network on a table",
        usage="fastnn train DATA --target COL --out FILE [options]",
        **help_texts(HELP),
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="table: CSV, TSV, JSON, Excel, Feather or Parquet; - for standard input",
    )
    parser.add_argument("--target", required=True, metavar="COL", help="column to predict")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="model file to write, for example model.safetensors",
    )
    add_json(parser)

    table = parser.add_argument_group("table options")
    table.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="COL,...",
        help="columns to ignore; can be repeated",
    )
    table.add_argument(
        "--task",
        choices=TASKS,
        metavar="TASK",
        help=f"{', '.join(TASKS)} (default: see below)",
    )
    table.add_argument(
        "--test-size",
        type=number(below=1.0),
        default=0.2,
        metavar="FRACTION",
        help="fraction of rows to hold out; 0 trains on all rows (default: 0.2)",
    )
    network = parser.add_argument_group("network options")
    network.add_argument(
        "--hidden",
        type=hidden_sizes,
        default=(64, 64),
        metavar="N,...",
        help="units of each hidden layer, or 'none' (default: 64,64)",
    )
    network.add_argument(
        "--activation",
        choices=HIDDEN,
        default="relu",
        metavar="NAME",
        help=f"activation of the hidden layers: {', '.join(HIDDEN)} (default: relu)",
    )
    network.add_argument(
        "--dropout",
        type=number(below=1.0),
        default=0.0,
        metavar="FRACTION",
        help="fraction of hidden units dropped in each step (default: 0)",
    )
    training = parser.add_argument_group("training options")
    training.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="passes over the training rows (default: see below)",
    )
    training.add_argument(
        "--batch-size", type=whole_number(1), metavar="N", help="rows per step (default: see below)"
    )
    training.add_argument(
        "--optimizer",
        choices=MINIBATCH_OPTIMIZERS,
        default="adam",
        metavar="NAME",
        help=f"{', '.join(MINIBATCH_OPTIMIZERS)}; sgd has momentum 0.9 (default: adam)",
    )
    training.add_argument(
        "--lr",
        type=number(above=0.0),
        metavar="RATE",
        help="learning rate (default: the optimizer's own; 0.001 for adam, 0.01 for sgd)",
    )
    training.add_argument(
        "--weight-decay",
        type=number(),
        metavar="X",
        help="weight decay coefficient (default: see below)",
    )
    add_seed(training)
    add_threads(training)
    parser.set_defaults(run=run)


def hidden_sizes(text):
    """Parse `--hidden`: '64,32' -> (64, 32), 'none' -> ()."""
    if text.strip().lower() == "none":
        return ()
    sizes = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in sizes):
        raise argparse.ArgumentTypeError(
            f"expected layer sizes such as 64 or 64,32, or none, got {text!r}"
        )
    return tuple(map(int, sizes))


def run(arguments):
    # Check all input before training begins.
    path, out = resolve_table_path(arguments.data), arguments.out
    check_output(out, path)
    table = table_files.read(path, on_note=print_note)
    drop = _columns_to_drop(path, table, arguments)
    target = infer_target(path, table, arguments.target, arguments.task)
    y = target.encode(path, table.column(target.name))
    train, test = split(path, target, y, arguments.test_size, np.random.default_rng(arguments.seed))
    target.fit_scale(path, y[train])
    encoding = Encoding.fit(path, table, target, train, drop)
    X, notes = encoding.encode(path, table, unseen_is_missing=True)
    targets = target.standardize(path, y)
    net, options = _build_network(encoding, len(train), arguments)
    record = _training_record(arguments, table, encoding, net, options, len(train), len(test))
    if not arguments.json:
        print("\n".join(_format_setup(record, encoding)))
    for note in notes:
        print_note(note)
    if not arguments.json:
        print(flush=True)

    def format_test_score():
        outputs = net.forward(X[test], n_threads=arguments.threads)
        if target.task == "number":
            return f"R2 {r2(outputs[:, 0], targets[test]):.3f}"
        return f"accuracy {accuracy(outputs, y[test]):.3f}"

    display = Display(
        net,
        options["epochs"],
        len(train),
        options["batch_size"],
        format_test_score if len(test) else None,
    )
    with display:
        history = net.fit(
            X[train],
            targets[train],
            **options,
            n_threads=arguments.threads,
            callbacks=display.after_epoch,
        )

    scored = test if len(test) else train
    scores = compute_scores(net, target, X[scored], y[scored], arguments.threads)
    record["scores"] = {"on": "held out" if len(test) else "trained on", **scores}
    record["final_loss"] = history.loss[-1]
    net.metadata = {"table": encoding.to_text(), "training": json.dumps(record)}
    net.state = None  # prediction needs no optimizer state: the file is a third of the size
    try:
        net.save(out)
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror or error}") from None

    speed = history.n_epochs * len(train) / history.seconds
    if arguments.json:
        print_json({"model": out, **record, "seconds": history.seconds, "rows_per_second": speed})
        return 0
    epochs, steps = plural(history.n_epochs, "epoch"), plural(history.n_steps, "step")
    print(f"{epochs}, {steps} in {history.seconds:.2f} s: {speed:,.0f} rows/s\n")
    print("\n".join(_format_results(target, record["scores"])))
    print(f"\nSaved {out} ({os.path.getsize(out) / 1000:,.0f} kB). To predict with it:")
    print(f"  fastnn predict {out} {arguments.data}")
    return 0


def _columns_to_drop(path, table, arguments):
    """Return the column names in --drop. Pass a name that contains a comma in a separate --drop."""
    drop = []
    for text in arguments.drop:
        drop += (
            [text]
            if text in table.column_names
            else [name.strip() for name in text.split(",") if name.strip()]
        )
    for name in drop:
        get_column(path, table, name)
    if arguments.target in drop:
        raise CommandError(
            f"--drop contains the target {arguments.target!r}. Remove it from --drop."
        )
    return drop


def split(path, target, y, fraction, rng):
    """Split row numbers at random into training rows and held-out rows.

    Classes are stratified: the same fraction of each class is held out, to within a row, and at
    least one row of each class is a training row.
    """
    n = len(y)
    order = rng.permutation(n)
    if fraction == 0:
        return order, order[:0]
    if target.task == "number":
        held_out = np.arange(n) < min(max(1, round(fraction * n)), n - 1)
    else:
        order = order[np.argsort(y[order], kind="stable")]  # grouped by class
        n_held_out = np.floor(np.arange(1, n + 1) * fraction + 0.5)  # cumulative
        held_out = np.diff(n_held_out, prepend=0) > 0
        for first in np.searchsorted(y[order], np.unique(y)):
            # Train on the first row of each class, and hold out the next row instead.
            if held_out[first]:
                held_out[first] = False
                held_out[first + 1 : first + 2] |= (
                    y[order[first + 1 : first + 2]] == y[order[first]]
                )
    if not held_out.any():
        raise CommandError(
            f"{path}: cannot hold out a fraction of {fraction:g} of {plural(n, 'row')}. "
            "Pass --test-size 0 to train on all rows."
        )
    train, test = order[~held_out], order[held_out]
    return rng.permutation(train), rng.permutation(test)


def _build_network(encoding, n, arguments):
    """Return the network and the options of `fit` for n training rows."""
    target, sizes = encoding.target, [encoding.width, *arguments.hidden, encoding.target.n_outputs]
    n_parameters = sum((k + 1) * m for k, m in zip(sizes, sizes[1:]))
    if n_parameters > MAX_PARAMETERS or len(sizes) - 1 > MAX_LAYERS:
        raise CommandError(
            f"--hidden makes {len(sizes) - 1} layers with {n_parameters:,} parameters, but at most "
            f"{MAX_LAYERS} layers and {MAX_PARAMETERS:,} parameters are supported. "
            "Use fewer or smaller hidden layers."
        )
    batch_size = min(arguments.batch_size or (32 if n < 50_000 else 128), n)
    steps = math.ceil(n / batch_size)
    epochs = arguments.epochs or max(10, min(200, round(300_000 / n)), math.ceil(1000 / steps))
    decay = min(0.03, 2 / n) if arguments.weight_decay is None else arguments.weight_decay
    settings = OPTIMIZER_DEFAULTS.get(arguments.optimizer, {})
    if arguments.lr is not None:
        settings = settings | dict(lr=arguments.lr)
    optimizer = MINIBATCH_OPTIMIZERS[arguments.optimizer](weight_decay=decay, **settings)
    net = MLP(
        sizes, arguments.activation, target.output, rng=arguments.seed, dropout=arguments.dropout
    )
    return net, dict(epochs=epochs, batch_size=batch_size, optimizer=optimizer)


def _training_record(arguments, table, encoding, net, options, n_train, n_test):
    """Return the description of a training for the model file and for --json."""
    numbers = sum(column.values is None for column in encoding.columns)
    return {
        "fastnn": __version__,
        "rows": table.num_rows,
        "trained_on": n_train,
        "held_out": n_test,
        "target": encoding.target.name,
        "task": encoding.target.task,
        "classes": encoding.target.values,
        "numbers": numbers,
        "categories": len(encoding.columns) - numbers,
        "left_out": encoding.left_out,
        "layer_sizes": list(net.layer_sizes),
        "activation": arguments.activation,
        "parameters": net.n_params,
        "dropout": arguments.dropout,
        "optimizer": arguments.optimizer,
        "lr": options["optimizer"].lr,
        "weight_decay": options["optimizer"].weight_decay,
        "batch_size": options["batch_size"],
        "epochs": options["epochs"],
        "seed": arguments.seed,
    }


def _format_setup(record, encoding):
    """Yield lines about the table, the network and the training options."""
    target = encoding.target
    yield (
        f"{record['rows']:,} rows: {record['trained_on']:,} for training, "
        f"{record['held_out']:,} held out (seed {record['seed']})"
    )
    yield f"target    {table_files.printable(target.name)}: {target.describe()}"
    kinds = [
        f"{n:,} {kind}"
        for n, kind in ((record["numbers"], "numeric"), (record["categories"], "text"))
        if n
    ]
    n_indicators = sum(column.marks_missing for column in encoding.columns)
    indicators = f" ({n_indicators:,} for missing values)" if n_indicators else ""
    yield f"columns   {' and '.join(kinds)} -> {plural(encoding.width, 'input')}{indicators}"
    by_reason: dict = {}
    for name, reason in encoding.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield f"ignored   {join_names(names)}: {reason}"
    output = {
        "binary": "sigmoid, binary cross-entropy",
        "classes": "softmax, cross-entropy",
        "number": "identity, squared error",
    }[target.task]
    sizes = "-".join(map(str, record["layer_sizes"]))
    hidden = f"{record['activation']}, " if len(record["layer_sizes"]) > 2 else ""
    hidden += f"dropout {record['dropout']:g}, " if hidden and record["dropout"] else ""
    yield f"network   {sizes}, {hidden}output {output}"
    yield (
        f"training  {record['optimizer']}, lr {record['lr']:g}, "
        f"weight decay {record['weight_decay']:.2g}, "
        f"{record['epochs']:,} epochs, batch size {record['batch_size']:,}"
    )


def _format_results(target, scores):
    """Yield lines with the final scores."""
    first, *others = format_scores(target, scores)
    if scores["on"] == "held out":
        yield f"held out  {first}"
    else:
        yield f"in-sample {first}"
        yield "          measured on the training rows: expect worse on new rows"
    for line in others:
        yield f"          {line}"
