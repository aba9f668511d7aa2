"""fastnn train: a table -> a model file that holds the network and all it must know about the
table."""

import argparse
import json
import math
import os

import numpy as np

from ..activations import HIDDEN
from ..config import __version__
from ..mlp import MLP
from ..optimizers import OPTIMIZERS
from ..tables import encoding as tables
from ..tables import files as table_files
from .common import (
    CommandError,
    add_json,
    add_seed,
    add_threads,
    check_output,
    count,
    find_data,
    listed,
    note,
    number,
    print_json,
    texts,
    whole_number,
)
from .display import Display
from .scores import accuracy, in_words, r2, score

MOST_PARAMETERS = 200_000_000
STEP_BY_STEP: dict = {name: cls for name, cls in OPTIMIZERS.items() if not cls.full_batch}
SETTINGS: dict = {
    "sgd": dict(lr=1e-2, momentum=0.9)
}  # where the optimizer's own defaults are not meant to be good everywhere
HELP = """
Train a network to predict one column of a table from the others.

The target is found to be one of two classes, one of several, or a number.
Numbers are standardised, each category becomes an input, missing values (empty,
NA, ?) are filled in and marked; the model file keeps how. A part of the rows is
held out, to measure what was learned.

examples:
  fastnn train digits --target digit --out digits.safetensors
                                   'digits' and 'wine' ship with fastnn
  fastnn train people.csv --target income --out income.safetensors
               --drop name,id      columns that must not be used
  fastnn train people.csv --target grade --task number --out g.safetensors
                                   few whole numbers are classes unless told
  fastnn train big.parquet --target y --out y.safetensors --hidden 256,256
               --epochs 30 --threads -1
                                   a larger network, on all CPUs

Where nothing is said, a batch has 32 rows, or 128 from 50,000 rows on; there
are so many epochs that some 300,000 rows pass, at least 10 and at most 200 (or
more, to make 1,000 steps); weight decay is 2 / rows, at most 0.03: the fewer
the rows, the simpler the network has to stay.
"""


def add(commands):
    parser = commands.add_parser(
        "train",
        help="learn to predict a column of a table",
        usage="fastnn train DATA --target COL --out FILE [options]",
        **texts(HELP),
    )
    parser.add_argument(
        "data", metavar="DATA", help="the table: CSV, TSV (both also as .gz) or Parquet"
    )
    parser.add_argument("--target", required=True, metavar="COL", help="the column to predict")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="the model file to write, such as model.safetensors",
    )
    add_json(parser)

    table = parser.add_argument_group("the table")
    table.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="COL,..",
        help="columns to leave out; may be given again",
    )
    table.add_argument(
        "--task",
        choices=tables.TASKS,
        metavar="WHAT",
        help=f"what the target is: {', '.join(tables.TASKS)} (default: from its values)",
    )
    table.add_argument(
        "--test-size",
        type=number(below=1.0),
        default=0.2,
        metavar="PART",
        help="part of the rows to hold out, 0 for none (default: 0.2)",
    )
    network = parser.add_argument_group("the network")
    network.add_argument(
        "--hidden",
        type=hidden,
        default=(64, 64),
        metavar="N,..",
        help="hidden layers, or 'none' (default: 64,64)",
    )
    network.add_argument(
        "--activation",
        choices=HIDDEN,
        default="relu",
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(HIDDEN)} (default: relu)",
    )
    network.add_argument(
        "--dropout",
        type=number(below=1.0),
        default=0.0,
        metavar="PART",
        help="part of the hidden units that a step leaves out (default: 0)",
    )
    training = parser.add_argument_group("the training")
    training.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="passes over the rows (default: see below)",
    )
    training.add_argument(
        "--batch-size", type=whole_number(1), metavar="N", help="rows a step (default: see below)"
    )
    training.add_argument(
        "--optimizer",
        choices=STEP_BY_STEP,
        default="adam",
        metavar="NAME",
        help=f"{', '.join(STEP_BY_STEP)}; sgd with momentum 0.9 (default: adam)",
    )
    training.add_argument(
        "--lr",
        type=number(above=0.0),
        metavar="RATE",
        help="learning rate (default: the optimizer's: 0.001 for adam, 0.01 for sgd)",
    )
    training.add_argument(
        "--weight-decay",
        type=number(),
        metavar="X",
        help="pull of weights to 0 (default: see below)",
    )
    add_seed(training)
    add_threads(training)
    parser.set_defaults(run=run)


def hidden(text):
    """'64,32' -> (64, 32)"""
    if text.strip().lower() == "none":
        return ()
    sizes = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in sizes):
        raise argparse.ArgumentTypeError(f"give sizes such as 64 or 64,32, or none, got {text!r}")
    return tuple(map(int, sizes))


def run(arguments):
    # all that can be wrong is found before the work begins
    path, out, say = find_data(arguments.data), arguments.out, _silent if arguments.json else print
    check_output(out, path)
    table = table_files.read(path)
    drop = _dropped(path, table, arguments)
    target = tables.learn_target(path, table, arguments.target, arguments.task)
    y = target.encode(path, table.column(target.name))
    train, test = split(path, target, y, arguments.test_size, np.random.default_rng(arguments.seed))
    target.learn_scale(path, y[train])
    encoding = tables.Encoding.learn(path, table, target, train, drop)
    X, notes = encoding.encode(path, table, unseen_is_missing=True)
    learned = target.standardise(path, y)
    net, plan = _network(encoding, len(train), arguments)

    about = _about(arguments, table, encoding, net, plan, len(train), len(test))
    for line in _introduction(about, encoding):
        say(line)
    for text in notes:
        note(text)
    say("", flush=True)

    def held_out_score():
        outputs = net.forward(X[test], n_threads=arguments.threads)
        if target.task == "number":
            return f"R2 {r2(outputs[:, 0], learned[test]):.3f}"
        return f"accuracy {accuracy(outputs, y[test]):.3f}"

    display = Display(
        net, plan["epochs"], len(train), plan["batch_size"], held_out_score if len(test) else None
    )
    with display:
        history = net.fit(
            X[train],
            learned[train],
            optimizer=plan["optimizer"],
            epochs=plan["epochs"],
            batch_size=plan["batch_size"],
            n_threads=arguments.threads,
            callbacks=display.after_epoch,
        )

    scores = score(
        net,
        target,
        X[test if len(test) else train],
        y[test if len(test) else train],
        arguments.threads,
    )
    about["scores"] = {"on": "held out" if len(test) else "trained on", **scores}
    about["final_loss"] = history.loss[-1]
    net.metadata = {"table": encoding.to_text(), "training": json.dumps(about)}
    net.state = None  # to predict, nobody needs the optimizer's moments: a third of the size
    try:
        net.save(out)
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror or error}") from None

    rows = history.n_epochs * len(train) / history.seconds
    report = {"model": out, **about, "seconds": history.seconds, "rows_per_second": rows}
    if arguments.json:
        print_json(report)
        return 0
    say(
        f"{count(history.n_epochs, 'epoch')}, {count(history.n_steps, 'step')} in {history.seconds:.2f} s: {rows:,.0f} rows a second\n"
    )
    for line in _results(target, about["scores"]):
        say(line)
    say(
        f"\nwritten: {out} ({os.path.getsize(out) / 1000:,.0f} kB). Try it:\n  fastnn predict {out} {arguments.data}"
    )
    return 0


def _silent(*text, **options):
    pass


def _dropped(path, table, arguments):
    """The columns that --drop names."""
    drop = []
    for text in arguments.drop:
        drop += (
            [text]
            if text in table.column_names
            else [name.strip() for name in text.split(",") if name.strip()]
        )
    for name in drop:
        tables.column(path, table, name)
    if arguments.target in drop:
        raise CommandError(f"--drop names the target {arguments.target!r}: leave it out of --drop")
    return drop


def split(path, target, y, part, rng):
    """Rows to learn from and rows to hold out, in random order; of each class nearly the same part,
    and at least one to learn from."""
    n = len(y)
    order = rng.permutation(n)
    if part == 0:
        return order, order[:0]
    if target.task == "number":
        chosen = np.arange(n) < min(max(1, round(part * n)), n - 1)
    else:
        order = order[np.argsort(y[order], kind="stable")]  # class by class
        marks = np.floor(np.arange(1, n + 1) * part + 0.5)  # goes up by 1 at every row to hold out
        chosen = np.diff(marks, prepend=0) > 0
        for first in np.searchsorted(
            y[order], np.unique(y)
        ):  # the first of a class is to learn from; the next takes its place
            if chosen[first]:
                chosen[first] = False
                chosen[first + 1 : first + 2] |= y[order[first + 1 : first + 2]] == y[order[first]]
    if not chosen.any():
        raise CommandError(
            f"{path}: {count(n, 'row')} are too few to hold out {part:g} of them: --test-size 0 trains on all"
        )
    train, test = order[~chosen], order[chosen]
    return rng.permutation(train), rng.permutation(test)


def _network(encoding, n, arguments):
    """The network, and how to train it on n rows."""
    target, sizes = encoding.target, [encoding.width, *arguments.hidden, encoding.target.n_outputs]
    n_parameters = sum((k + 1) * m for k, m in zip(sizes, sizes[1:]))
    if n_parameters > MOST_PARAMETERS or len(sizes) > 100:
        raise CommandError(
            f"--hidden makes {len(sizes) - 1} layers with {n_parameters:,} parameters, more than fastnn is for: give less"
        )
    batch_size = min(arguments.batch_size or (32 if n < 50_000 else 128), n)
    steps = math.ceil(n / batch_size)
    epochs = arguments.epochs or max(10, min(200, round(300_000 / n)), math.ceil(1000 / steps))
    decay = min(0.03, 2 / n) if arguments.weight_decay is None else arguments.weight_decay
    settings = SETTINGS.get(arguments.optimizer, {}) | (
        {} if arguments.lr is None else dict(lr=arguments.lr)
    )
    optimizer = STEP_BY_STEP[arguments.optimizer](weight_decay=decay, **settings)
    net = MLP(
        sizes, arguments.activation, target.output, rng=arguments.seed, dropout=arguments.dropout
    )
    return net, dict(epochs=epochs, batch_size=batch_size, optimizer=optimizer)


def _about(arguments, table, encoding, net, plan, n_train, n_test):
    """What the model file and --json say about a training."""
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
        "lr": plan["optimizer"].lr,
        "weight_decay": plan["optimizer"].weight_decay,
        "batch_size": plan["batch_size"],
        "epochs": plan["epochs"],
        "seed": arguments.seed,
    }


def _introduction(about, encoding):
    """What was found in the table, and what is made of it."""
    target = encoding.target
    yield f"{about['rows']:,} rows: {about['trained_on']:,} to learn from, {about['held_out']:,} held out (seed {about['seed']})"
    yield f"target    {table_files.shown(target.name)}: {target.describe()}"
    kinds = [count(about["numbers"], "number")] * (about["numbers"] > 0) + [
        count(about["categories"], "category", "categories")
    ] * (about["categories"] > 0)
    marks = sum(column.marks_missing for column in encoding.columns)
    missing = f" ({marks:,} of them mark missing values)" if marks else ""
    yield f"columns   {' and '.join(kinds)} -> {count(encoding.width, 'input')}{missing}"
    reasons: dict = {}
    for name, why in encoding.left_out.items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        yield f"left out  {listed(names)}: {why}"
    ends = {
        "binary": "sigmoid, binary cross-entropy",
        "classes": "softmax, cross-entropy",
        "number": "identity, squared error",
    }
    sizes = "-".join(map(str, about["layer_sizes"]))
    inner = f"{about['activation']}, " if len(about["layer_sizes"]) > 2 else ""
    inner += f"dropout {about['dropout']:g}, " if inner and about["dropout"] else ""
    yield f"network   {sizes}, {inner}output {ends[target.task]}"
    yield (
        f"training  {about['optimizer']}, lr {about['lr']:g}, weight decay {about['weight_decay']:.2g}, "
        f"{about['epochs']:,} epochs, batches of {about['batch_size']:,}"
    )


def _results(target, scores):
    lines = list(in_words(target, scores))
    if scores["on"] == "held out":
        yield f"held out  {lines[0]}"
    else:
        yield f"seen      {lines[0]}"
        yield "          on the rows it learned from: says little about new ones"
    for line in lines[1:]:
        yield f"          {line}"
