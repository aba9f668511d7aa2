"""The model file of a command, and its training record: what `fastnn train` writes about a training.

The record is JSON. A file can be damaged, or written by other programs, so nothing is taken for
granted.
"""

import os
import shlex

from ..core.messages import join, plural, printable, similar
from ..files import ModelFileError
from ..files.kinds import kind_of
from ..files.safetensors import parse_json, to_text
from ..mlp import MLP
from ..saving import load
from ..tables import formats
from ..tables.addresses import without_secrets
from ..tables.number_texts import is_number_style
from ..tabular import stored_model
from ..tabular.columns import column_kinds
from ..tabular.tabular_file import FORMAT
from .console import CommandError, to_json
from .scores import MAX_LABEL_ISSUES, drop_verb, metric_of, threshold_of

#: Of models of other programs.
OTHER_FORMATS = (
    *(".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".npz"),
)
KEY = "training"  # in metadata_
MAX_NOTES = 100  # of a record
REASON = 300  # characters of a reason or a place, at most
TEXTS = ("sep", "encoding", "decimal", "comment")


def load_model(path, data=None):
    """Read a model file of `fastnn train`, without scikit-learn.

    Parameters
    ----------
    path : str
    data : str, optional
        The other file of the command, to notice that both are in the wrong order.

    Returns
    -------
    StoredClassifier or StoredRegressor
    """
    return _with_columns(path, _load(path, _read_stored, data))


def load_any(path):
    """Read the model file of a network or an estimator, as `load_model` if it has columns."""
    return _load(path, _read_stored)


def load_estimator(path):
    """Read a model file of `fastnn train` as a TabularClassifier or TabularRegressor."""
    return _with_columns(path, _load(path, load))


def _read_stored(path):
    return stored_model.load(path) if kind_of(path) == FORMAT else load(path)


def _load(path, read, data=None):
    try:
        return read(path)
    except OSError as error:
        what = "is a folder" if os.path.isdir(path) else error.strerror
        raise CommandError(f"{path}: {what}. {_advise_model(path)}") from None
    except ModelFileError as error:
        if data is not None and is_model_name(data) and not is_model_name(path):
            raise CommandError(
                f"{path}: is not a fastnn model. The model comes first: {data} {path}"
            ) from None
        raise CommandError(
            f"{path}: not a fastnn model, or damaged ({error.problem.removesuffix('.')}). "
            "Pass a file written by 'fastnn train'."
        ) from None
    except ImportError:
        raise CommandError(
            f"{path}: needs scikit-learn, which is not installed. "
            'Run: python -m pip install "fastnn-mlp[cli]"'
        ) from None


def _with_columns(path, model):
    """Return a model. Raise CommandError if it is not that of a table."""
    if not hasattr(model, "columns_"):
        what = "a network" if isinstance(model, MLP) else "an estimator"
        raise CommandError(
            f"{path}: holds {what} without the columns of a table (written by "
            f"{type(model).__name__}.save). Use fastnn.load in Python, or train a model with "
            "'fastnn train'."
        )
    return model


def is_model_name(path):
    """Whether a file name is that of a model."""
    return path.endswith(".safetensors")


def check_model_name(path):
    """Raise CommandError if the name for a model file is that of another format."""
    extension = os.path.splitext(path)[1].lower()
    if extension in OTHER_FORMATS:
        raise CommandError(
            f"{path}: --out is a safetensors file, not {extension}. Choose a name that ends in "
            ".safetensors. 'fastnn export' writes models for other programs."
        )


def _advise_model(path):
    """Return what to do about a path that is not a file."""
    if path == "-":
        return "A model is read from a file; only DATA can be standard input."
    folder, name = (path, "") if os.path.isdir(path) else os.path.split(path)
    try:
        stems = sorted(
            other.removesuffix(".safetensors")
            for other in os.listdir(folder or ".")
            if is_model_name(other)
        )
    except OSError:
        stems = []
    close = similar(name.partition(".")[0], stems)
    if close is not None:
        close = os.path.join(folder, f"{close}.safetensors")
        return f"Did you mean {printable(close, 80)}?"
    if stems:
        names = join([f"{stem}.safetensors" for stem in stems], 3, quoted=False)
        return f"The models in {folder or 'this folder'} are {names}."
    return "Pass a file written by 'fastnn train'."


# ---- the training record ----


def read_record(model):
    """Return the training record of a model, {} without one."""
    try:
        record = parse_json(model.metadata_.get(KEY, "{}"), KEY)
    except ModelFileError:
        return {}
    return record if isinstance(record, dict) else {}


def to_metadata(record):
    """Return the record as `metadata_` of a model."""
    return {KEY: to_text(to_json(record))}


def shorten_notes(texts):
    """Return notes as the record of a model has them: a wide table may have thousands."""
    more = len(texts) - MAX_NOTES
    shown = [printable(text, REASON) for text in texts[:MAX_NOTES]]
    return shown + ([f"{plural(more, 'more note')}, which were printed"] if more > 0 else [])


def largest_size(record, names):
    """Return the most bytes that a record can have in the header of a file.

    Training does not begin unless there is room for them.

    Parameters
    ----------
    record : dict
        What is known before training.
    names : list of str
        Names of the columns.
    """
    classes = record["classes"] or []
    score = -1e-300 / 3  # a number with all digits
    longest = sorted(classes, key=len)[-1:]
    scores = {
        "classes": [{"class": label, "scores": [score] * 5} for label in classes],
        "confusion": "0," * len(classes) ** 2 + "0" * (record["rows"] // 4),
        "others": [score] * 20,
    }
    filled = record | {
        "columns": {name: ["x" * REASON, score, score] for name in names},
        "scores": [scores, scores],
        "notes": ["x" * REASON] * (MAX_NOTES + 1),
        "label_issues": [["x" * REASON, *longest, *longest]] * MAX_LABEL_ISSUES,
        "others": "x" * 10_000,
    }
    return len(to_text(to_text(to_metadata(filled))).encode())


def describe_model(model):
    """Return what the columns are, and what the model consists of, as a dict that JSON can hold."""
    networks = model.model_.networks()
    names = model.model_.features.names or list(map(str, range(model.n_features_in_)))
    checkpoint = model.model_.checkpoint
    name = model.oof_score_name_.replace("mean absolute error", "MAE")
    drops, threshold = model.feature_score_drops_, getattr(model, "threshold", None)
    return {
        "split": model.split_,
        "kinds": {str(name): kind for name, kind in model.columns_.items()},
        "left_out": {
            str(name): column_kinds.OPTIONS.get(reason, reason)
            for name, reason in model.left_out_.items()
        },
        "threshold": threshold_of(model),
        "threshold_rule": threshold if isinstance(threshold, str) else None,
        "metric": metric_of(model),
        "oof_score": model.oof_score_,
        "oof_score_name": model.oof_score_name_,
        "importances": dict(zip(names, model.feature_importances_.tolist())),
        "score_drops": None if drops is None else dict(zip(names, drops.tolist())),
        "drop_name": f"{drop_verb(model)} of {name}",
        "folds": model.n_folds_,
        "folds_left": model.n_folds_remaining_,
        "kept": None if checkpoint is None else checkpoint.describe(),
        "hidden": list(networks[0].layer_sizes[1:-1]) if networks else [],
        "networks": len(networks),
        "parameters": sum(net.n_params for net in networks),
    }


def target_style(model):
    """Return how the numbers of the target were written as texts, None if they were not."""
    style = read_record(model).get("target_style")
    return style if isinstance(style, str) and is_number_style(style) else None


def read_like_training(arguments, model, notes):
    """Restore the options of table files that the training had, and note which."""
    options = restore_reading_options(arguments, model)
    if options:
        notes(f"{without_secrets(arguments.data)} is read like the training table: {options}")


def restore_reading_options(arguments, model):
    """Set the options of table files that the training had and the command line does not.

    New tables come from the same source. The sheet is the exception: each file has its own.

    Returns
    -------
    str
        The options that were set, as on a command line.
    """
    stored = read_record(model).get("reading")
    words: list = []
    if arguments.decimal is None:
        arguments.likely_decimal = model.model_.features.decimal()
    if not isinstance(stored, dict):
        return ""
    for name in TEXTS:
        if getattr(arguments, name) is None and isinstance(stored.get(name), str):
            setattr(arguments, name, stored[name])
            words += [f"--{name}", stored[name]]
    na = stored.get("na")
    if arguments.na is None and isinstance(na, list) and all(isinstance(x, str) for x in na):
        arguments.na = na
        words += [word for value in na for word in ("--na", value)]
    if stored.get("header") is False and not arguments.no_header:
        arguments.no_header = True
        words.append("--no-header")
    if stored.get("skip_bad_lines") is True and not arguments.skip_bad_lines:
        arguments.skip_bad_lines = True
        words.append("--skip-bad-lines")
    if arguments.encoding is None and isinstance(stored.get("guessed_encoding"), str):
        arguments.likely_encoding = stored["guessed_encoding"]  # if the table is not UTF-8
    if arguments.sql is None and isinstance(stored.get("sql"), str):
        found = formats.find_stored(arguments.data)
        if found is not None and found.option == "sql":  # other files have no queries
            arguments.sql = stored["sql"]
            words += ["--sql", stored["sql"]]
    return shlex.join(words)


def is_training_table(model, path, *n_rows):
    """Whether a table has the file name and the number of rows of the training table.

    n_rows : all rows, or those with a target
    """
    record = read_record(model)
    name = record.get("data")
    return (
        isinstance(name, str)
        and os.path.basename(name) == os.path.basename(without_secrets(path))
        and record.get("rows") in n_rows
    )
