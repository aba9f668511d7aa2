"""The kinds of files: their formats, versions, and the functions that read them."""

from contextlib import contextmanager

from ..messages import reason
from . import ModelFileError, safetensors

#: {format in the metadata: (what the file holds, the function that reads it)}
KINDS = {
    "fastnn": ("one network", "fastnn.load"),
    "fastnn-networks": ("many networks", "fastnn.load_many"),
    "fastnn-estimator": ("an estimator", "fastnn.load"),
    "fastnn-tabular": ("an estimator for tables", "fastnn.load"),
}


def check(metadata, kind, version):
    """Check that the metadata of a file have this format, in a version that can be read.

    kind : a key of KINDS; version : int
    """
    found = metadata.get("format")
    if not isinstance(found, str) or found not in KINDS:
        raise ModelFileError(
            f"not a fastnn model: its metadata has no format such as {kind!r}, got {found!r}"[:200]
        )
    if found != kind:
        what, reader = KINDS[found]
        raise ModelFileError(f"it holds {what}. Read it with {reader}.")
    if metadata.get("format_version") != str(version):
        raise ModelFileError(
            f"the file has format version {metadata.get('format_version')!r}, but this fastnn "
            f"reads version {version}. Install a newer fastnn."[:300]
        )


def kind_of(path):
    """Return the format that the metadata of a file names.

    Raises
    ------
    ModelFileError
        The file is not a safetensors file, or damaged.
    """
    with safetensors.reading(path) as reader:
        return reader.metadata.get("format")


@contextmanager
def damage_refused(what):
    """Context manager in which errors of a reader become a ModelFileError.

    A reader of nested JSON need not check each key and type before it uses them.

    what : what the JSON describes, for the message
    """
    try:
        yield
    except ModelFileError:
        raise
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ModelFileError(
            f"the description of the {what} is damaged ({reason(error)})"
        ) from None
