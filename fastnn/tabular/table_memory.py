"""The memory that there is for a fit, and what its tables and networks need."""

from ..core.errors import Argument, DataError, Wording
from ..tables import memory

MEMORY_FRACTION = 0.8  # of the available memory that the networks may take


class TooLargeError(DataError, MemoryError):
    """Tables and networks that need more memory than there is."""


def check_memory(encoders, features, setup, n_folds):
    """Raise MemoryError if tables and networks need more memory than there is.

    Parameters
    ----------
    encoders : dict of EncoderSettings to Encoder
    features : Features
    setup : JobSetup
    n_folds : int
    """
    n_bytes, hidden, n_out, n = 0, setup.hidden_sizes, setup.targets.n_out, len(setup.rows)
    for encoder in encoders.values():
        sizes = [encoder.n_inputs, *hidden, n_out]
        n_params = sum(a * b + b for a, b in zip(sizes, sizes[1:]))
        n_bytes += 2 * n_folds * 4 * 7 * n_params  # parameters, moments, copies of both, gradient
        n_bytes += 4 * n * 3 * (len(encoder.scalings) + len(encoder.n_categories))
    available = available_bytes()
    if n_bytes <= MEMORY_FRACTION * available:
        return
    widest = max(features.categories, key=lambda c: c.n_categories, default=None)
    label, n_categories = None, 0
    advice = "Pass fewer rows or columns, or a smaller {hidden}."
    if widest is not None and widest.n_categories > max(hidden):
        label, n_categories = features.columns[widest.source].label, widest.n_categories
        advice = "Column {column!r} has {n_categories:,} categories. Pass {drop}, or fewer rows or columns."
    raise TooLargeError(
        "{fit} needs about {needed:.1f} GB, but {available:.1f} GB are available.",
        advice,
        column=label,
        fit=Wording("fit", "the training"),
        needed=n_bytes / 1e9,
        available=available / 1e9,
        n_categories=n_categories,
        drop=Argument("drop", [label]),
        hidden=Argument("hidden_layer_sizes"),
    )


def available_bytes():
    """Return the available memory, or infinity if the system does not say.

    In a container, files in memory do not count as taken: the table has just been read, and the
    system drops its file when `fit` needs memory.
    """
    return memory.available(counts_files=False)
