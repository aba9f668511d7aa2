"""Build the estimator of `fastnn train` and fit it."""

import os
import warnings

from ..core.messages import printable
from ..tables.errors import TableError
from ..tabular.columns.kinds import KINDS
from .common import CommandError, load_model
from .fit_progress import show_progress
from .places import command_error, locate

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


def build(arguments, target, columns):
    """Return the estimator for a target, not fitted.

    Parameters
    ----------
    arguments : argparse.Namespace
    target : Target
    columns : dict
        Names of columns by option, of `resolve_columns`.
    """
    classifier, regressor = import_estimators()
    parameters = dict(
        n_estimators=arguments.members,
        hidden_layer_sizes=arguments.hidden or "auto",
        time_limit=arguments.time_limit,
        random_state=arguments.seed,
        n_threads=arguments.threads,
        drop=columns["drop"] or None,
        **{column.argument: columns[kind] or None for kind, column in KINDS.items()},
    )
    if target.is_number:
        loss = arguments.loss or "squared_error"
        return regressor(loss=loss, log_target=arguments.log_target, **parameters)
    return classifier(
        metric=arguments.metric or "auto",
        class_weight=arguments.class_weight,
        threshold=arguments.threshold,
        **parameters,
    )


def check_task(arguments, target):
    """Raise CommandError for options that do not go with the target."""
    numbers = dict(loss="--loss", log_target="--log-target")
    classes = dict(metric="--metric", class_weight="--class-weight", threshold="--threshold")
    label = f"the target {printable(target.name)!r}"
    for name, option in (classes if target.is_number else numbers).items():
        if getattr(arguments, name):
            goes, comes = ("classes", "numbers") if target.is_number else ("numbers", "classes")
            raise CommandError(
                f"{option} is for {goes}, but {label} holds {comes}. Leave it out, or choose "
                "another --task."
            )
    if arguments.threshold and target.task == "classes":
        n = len(target.values.unique())
        raise CommandError(f"--threshold is for two classes, but {label} has {n:,}. Leave it out.")
    if arguments.log_target and arguments.loss == "poisson":
        raise CommandError(
            "--log-target cannot be combined with --loss poisson, which learns the logarithm of the mean. "
            "Choose one of them."
        )
    if arguments.log_target or arguments.loss == "poisson":
        y = target.values.to_numpy(zero_copy_only=False)
        too_small = y <= 0 if arguments.log_target else y < 0
        if too_small.any():
            place = ", ".join(locate(arguments, int(target.rows[too_small.argmax()])))
            option = "--log-target" if arguments.log_target else "--loss poisson"
            limit = "above 0" if arguments.log_target else "of at least 0"
            raise CommandError(
                f"{place}: {label} is {y[too_small.argmax()]:g}, but {option} needs numbers {limit}. "
                f"Leave out {option}."
            )


def fit(model, rows, arguments, label=""):
    """Fit a model, and show the progress.

    rows : TrainingRows
    label : str
        What is trained, for the progress.

    Returns
    -------
    bool
        Whether Ctrl-C came when some members were done.
    """
    try:
        with warnings.catch_warnings(), show_progress(label, arguments.quiet) as show:
            model.on_progress = show
            if arguments.class_weight == "balanced":  # the accuracy of weighted rows
                model.score_name = "balanced accuracy"
            warnings.simplefilter("ignore")
            rows.fit(model, arguments.resume)
    except KeyboardInterrupt:
        if not hasattr(model, "n_folds_remaining_"):
            raise KeyboardInterrupt("No model was written.") from None
        return True
    except OSError as error:  # of temporary files
        raise CommandError(f"{arguments.data}: {error.strerror or error}.") from None
    except TableError:
        raise
    except (ValueError, MemoryError) as error:
        raise command_error(error, arguments, *rows.locate_error(error)) from None
    finally:
        del model.on_progress
    return False


def load_unfinished(model, arguments):
    """Return the model in the file --out that Ctrl-C has stopped, with the parameters of `model`."""
    out = arguments.out
    if not os.path.exists(out):
        raise CommandError(
            f"{out}: there is no such file, so there is nothing to resume. Leave out --resume."
        )
    found = load_model(out)
    if type(found) is not type(model):
        raise CommandError(
            f"{out}: does not hold the model that these options train. Leave out --resume, or "
            "choose another --out."
        )
    if found.n_folds_remaining_ == 0:
        raise CommandError(f"{out}: is complete, so there is nothing to resume.")
    return found.set_params(**model.get_params())
