"""The estimator of `fastnn train`: build it and fit it."""

import os

from ..core.errors import DataError
from ..core.messages import printable
from ..tables.table_errors import TableError
from ..tabular.columns import KINDS
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS
from .console import CommandError, warnings_as_notes
from .display import show_progress
from .model_file import load_estimator
from .record import read_setup

NEEDS_SKLEARN = (
    "models of tables need scikit-learn, which is not installed. Run: python -m pip install "
    '"fastnn-mlp[cli]"'
)


def import_estimators():
    """Return TabularClassifier and TabularRegressor, or raise CommandError without scikit-learn."""
    try:
        from ..tabular import TabularClassifier, TabularRegressor
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise CommandError(NEEDS_SKLEARN) from None
    return TabularClassifier, TabularRegressor


def build(options, target, columns):
    """Return the estimator for a target, not fitted.

    Parameters
    ----------
    options : TrainOptions
    target : Target
    columns : dict
        Names of columns by option, of `resolve_columns`.
    """
    classifier, regressor = import_estimators()
    parameters = dict(
        n_estimators=options.folds,
        hidden_layer_sizes=options.hidden or "auto",
        time_limit=options.time_limit,
        random_state=options.seed,
        n_threads=options.threads,
        drop=columns["drop"] or None,
        **{column.argument: columns[kind] or None for kind, column in KINDS.items()},
    )
    metric = options.metric or "auto"
    if target.is_number:
        loss = options.loss or "squared_error"
        return regressor(loss=loss, log_target=options.log_target, metric=metric, **parameters)
    return classifier(
        metric=metric,
        class_weight=options.class_weight,
        threshold=options.threshold,
        **parameters,
    )


def check_task(options, target, file):
    """Raise CommandError for options that do not go with the target, which is from a TableFile."""
    numbers = dict(loss="--loss", log_target="--log-target")
    classes = dict(class_weight="--class-weight", threshold="--threshold")
    label = f"the target {printable(target.name)!r}"
    for name, option in (classes if target.is_number else numbers).items():
        if getattr(options, name):
            goes, comes = ("classes", "numbers") if target.is_number else ("numbers", "classes")
            raise CommandError(
                f"{option} is for {goes}, but {label} holds {comes}. Leave it out, or choose "
                "another --task."
            )
    known = NUMBER_METRICS if target.is_number else CLASS_METRICS
    if options.metric and options.metric not in known:
        goes, comes = ("classes", "numbers") if target.is_number else ("numbers", "classes")
        raise CommandError(
            f"--metric {options.metric} is for {goes}, but {label} holds {comes}. Choose one of "
            f"{', '.join(known)}."
        )
    if options.threshold and target.task == "classes":
        n = len(target.values.unique())
        raise CommandError(f"--threshold is for two classes, but {label} has {n:,}. Leave it out.")
    if options.log_target and options.loss == "poisson":
        raise CommandError(
            "--log-target cannot be combined with --loss poisson, which learns the logarithm of the mean. "
            "Choose one of them."
        )
    if options.log_target or options.loss == "poisson":
        y = target.values.to_numpy(zero_copy_only=False)
        too_small = y <= 0 if options.log_target else y < 0
        if too_small.any():
            place = ", ".join(file.locate(int(target.rows[too_small.argmax()])))
            option = "--log-target" if options.log_target else "--loss poisson"
            limit = "above 0" if options.log_target else "of at least 0"
            raise CommandError(
                f"{place}: {label} is {y[too_small.argmax()]:g}, but {option} needs numbers {limit}. "
                f"Leave out {option}."
            )


def check_columns(rows, columns, file):
    """Raise CommandError for columns that are not of the kind that an option says, as `fit` does.

    rows : TrainingRows
    file : TableFile
        Which they are from.
    columns : dict
        As in `build`.
    """
    from ..tabular.columns import column_kinds, frames

    names = [name for kind in KINDS for name in columns[kind]]
    if not names:
        return
    declared = {column.argument: columns[kind] for kind, column in KINDS.items()}
    try:
        column_kinds.find(frames.read(rows.sample.select(names)), **declared)
    except DataError as error:
        raise file.explain(error, *rows.locate_error(error)) from None


def fit(model, rows, file, options, label=""):
    """Fit a model, and show the progress.

    rows : TrainingRows
    file : TableFile
        Which they are from.
    label : str
        What is trained, for the progress.

    Returns
    -------
    bool
        Whether Ctrl-C came when some folds were done.
    """
    try:
        with warnings_as_notes(file.notes), show_progress(label, options.quiet) as show:
            model.on_progress = show
            model.suggests_splits = False  # the data checks do
            rows.fit(model, options.resume, options.executor)
    except KeyboardInterrupt:
        if not hasattr(model, "n_folds_remaining_"):
            raise KeyboardInterrupt("No model was written.") from None
        return True
    except OSError as error:  # of temporary files
        raise CommandError(f"{file.name}: {error.strerror or error}.") from None
    except TableError:
        raise
    except (ValueError, MemoryError) as error:
        raise file.explain(error, *rows.locate_error(error)) from None
    finally:
        del model.on_progress, model.suggests_splits
    return False


def load_unfinished(model, out):
    """Return the model in the file of --out, with the parameters of `model`.

    Ctrl-C has stopped it, or it is complete.
    """
    if not os.path.exists(out):
        raise CommandError(
            f"{out}: there is no such file, so there is nothing to resume. Leave out --resume."
        )
    found = load_estimator(out)
    if type(found) is not type(model):
        raise CommandError(
            f"{out}: does not hold the model that these options train. Leave out --resume, or "
            "choose another --out."
        )
    return found.set_params(**model.get_params())


def describe_complete(model, out, command):
    """Return a note about a complete model in the file `out`, which `command` was to resume."""
    text = f"{out} is complete, so there is nothing to resume"
    setup = read_setup(model)
    if setup is not None and setup.command == command:
        return text
    text += ". Its rows and options were not compared"
    return text if setup is None else f"{text}: it was trained by {setup.command}"
