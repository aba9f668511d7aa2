"""The kinds of files: their formats, versions, and what reads them.

Modules of estimators are named here, and imported when a file of theirs is read.
"""

from typing import NamedTuple

from . import ModelFileError, safetensors


class Kind(NamedTuple):
    """A kind of file."""

    holds: str
    function: str  # which reads it
    module: str = ""  # has `read(path)`, which returns an estimator
    classes: tuple[str, ...] = ()  # of that estimator, with their modules


#: {format in the metadata: Kind}
KINDS = {
    "fastnn": Kind("one network", "fastnn.load"),
    "fastnn-networks": Kind("many networks", "fastnn.load_many"),
    "fastnn-estimator": Kind(
        "an estimator",
        "fastnn.load",
        "fastnn.estimators.file",
        ("fastnn.estimators.classifier.MLPClassifier", "fastnn.estimators.regressor.MLPRegressor"),
    ),
    "fastnn-tabular": Kind(
        "an estimator for tables",
        "fastnn.load",
        "fastnn.tabular.stored_model",
        (
            "fastnn.tabular.classifier.TabularClassifier",
            "fastnn.tabular.regressor.TabularRegressor",
        ),
    ),
}


def check_kind(metadata, kind, version):
    """Check that the metadata of a file have this format, in a version that can be read.

    kind : a key of KINDS; version : int
    """
    found = metadata.get("format")
    if not isinstance(found, str) or found not in KINDS:
        raise ModelFileError(
            f"not a fastnn model: its metadata has no format such as {kind!r}, got {found!r}"[:200]
        )
    if found != kind:
        raise ModelFileError(
            f"it holds {KINDS[found].holds}. Read it with {KINDS[found].function}."
        )
    if metadata.get("format_version") != str(version):
        raise ModelFileError(
            f"the file has format version {metadata.get('format_version')!r}, but this fastnn "
            f"reads version {version}. Install a newer fastnn."[:300]
        )


def is_class_of(format, cls):
    """Whether a file of this format may hold objects of this class. Subclasses are others."""
    return f"{cls.__module__}.{cls.__qualname__}" in KINDS[format].classes


def kind_of(path):
    """Return the format that the metadata of a file names.

    Raises
    ------
    ModelFileError
        The file is not a safetensors file, or damaged.
    """
    with safetensors.reading(path) as reader:
        return reader.metadata.get("format")
