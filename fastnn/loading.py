"""load: read a model file of any kind that holds one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .mlp import from_parts

if TYPE_CHECKING:
    from typing import Any

    from .typing import Path


def load(path: Path) -> Any:
    """Load a network or an estimator from a file that its method `save` wrote.

    A network has its training state and metadata. docs/model_file.md describes the files. Loading
    runs no code from the file, so it is safe to load files that you do not trust.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    MLP, MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, or was written by a newer version. For a file of
        many networks use `load_many`.
    ImportError
        The file holds an estimator, but scikit-learn is not installed.

    Examples
    --------
    >>> import fastnn, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> fastnn.MLP([4, 8, 1], rng=0).save(path)
    >>> fastnn.load(path)
    MLP([4, 8, 1], activation='relu', output='identity', dtype='float32')
    """
    from .files import kinds, model

    kind = kinds.kind_of(path)
    if kind not in ("fastnn-estimator", "fastnn-tabular"):
        return from_parts(model.read(path))
    try:
        if kind == "fastnn-tabular":
            from .tabular import TabularClassifier, TabularRegressor
            from .tabular import file as tabular_file

            return tabular_file.read(path, (TabularClassifier, TabularRegressor))
        from .estimators import file as estimator_file

        return estimator_file.read(path)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ImportError(
            f"{path}: the file holds an estimator, which needs scikit-learn. "
            'Run: pip install "fastnn-mlp[sklearn]"'
        ) from None
