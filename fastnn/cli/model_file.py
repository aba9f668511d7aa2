"""The model file of a command: load it, describe the model, and read tables as its training did."""

import os
import shlex
from dataclasses import replace

from ..core.messages import join, printable, similar
from ..files import ModelFileError
from ..files.kinds import kind_of
from ..mlp import MLP, load
from ..tables import formats
from ..tables.cells.numbers import is_number_style
from ..tables.column_layout import ReadOptions
from ..tables.source import without_secrets
from ..tabular import stored_model
from ..tabular.columns import features
from ..tabular.stored_model import FORMAT
from .console import CommandError
from .record import ModelDescription, read_setup
from .scores import drop_verb
from .table_file import READ_OPTIONS, TableFile, to_words

#: Of models of other programs.
OTHER_FORMATS = (
    *(".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".npz"),
)
#: Of READ_OPTIONS, those that new tables do not take from the training: each file has its own sheet,
#: and what is likely is found anew.
NOT_RESTORED = {"sheet", "likely_encoding", "likely_decimal"}


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


def load_fitted(path):
    """Read any model file as the class that wrote it."""
    return _load(path, load)


def load_estimator(path):
    """Read a model file of `fastnn train` as a TabularClassifier or TabularRegressor."""
    return _with_columns(path, load_fitted(path))


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
    if not model.facts().is_table:
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


# ---- the model and its training ----


def describe_model(facts) -> ModelDescription:
    """Return what the columns are, and what a model consists of. facts : ModelFacts of a table"""
    name = facts.score_name.replace("mean absolute error", "MAE")
    return ModelDescription(
        split=facts.split,
        kinds={column.name: column.kind for column in facts.columns},
        left_out={
            name: features.OPTIONS.get(reason, reason) for name, reason in facts.left_out.items()
        },
        monotone=dict(facts.monotone),
        threshold=facts.threshold,
        threshold_rule=facts.threshold_rule,
        metric=facts.metric,
        oof_score=facts.score,
        oof_score_name=facts.score_name,
        importances=facts.importances,
        score_drops=facts.score_drops,
        drop_name=f"{drop_verb(facts.metric)} of {name}",
        folds=facts.n_folds,
        folds_left=facts.n_folds_left,
        kept=facts.kept,
        hidden=list(facts.hidden_sizes),
        networks=facts.n_networks,
        parameters=facts.n_params,
    )


def target_style(model):
    """Return how the numbers of the target were written as texts, None if they were not."""
    setup = read_setup(model)
    style = None if setup is None else setup.target_style
    return style if style is not None and is_number_style(style) else None


def open_like_training(options, model, notes):
    """Return the TableFile of a command, read with the ReadOptions of the training, and note which.

    options : Options of a command
    """
    reading, restored = training_reading(options.data, options.table.reading(), model)
    file = TableFile(options.data, reading, notes)
    if restored:
        notes(f"{file.name} is read like the training table: {shlex.join(restored)}")
    return file


def training_reading(data, options, model):
    """Return ReadOptions with those of the training that the command line does not set.

    New tables come from the same source.

    Returns
    -------
    ReadOptions
    list of str
        The words of a command line that set what the training has added.
    """
    setup, unset = read_setup(model), ReadOptions()
    stored: dict = {} if setup is None else dict(setup.reading)
    likely: dict = {}
    if options.decimal is None:
        likely["likely_decimal"] = model.features_.decimal()
    if options.encoding is None and "guessed_encoding" in stored:
        likely["likely_encoding"] = stored["guessed_encoding"]  # if the table is not UTF-8
    restored = {*READ_OPTIONS} - NOT_RESTORED
    found = formats.find_stored(data)
    if found is None or found.option != "sql":  # other files have no queries
        restored.remove("sql")
    if "na" in stored:
        stored["na"] = tuple(stored["na"])
    added = {
        name: stored[name]
        for name in restored
        if name in stored and getattr(options, name) == getattr(unset, name)
    }
    return replace(options, **added, **likely), to_words(replace(unset, **added))


def is_training_table(model, path, *n_rows):
    """Whether a table has the file name and the number of rows of the training table.

    n_rows : all rows, or those with a target
    """
    setup = read_setup(model)
    return (
        setup is not None
        and os.path.basename(setup.data) == os.path.basename(without_secrets(path))
        and setup.rows in n_rows
    )
