"""Model files. Modules that read and write them are imported when first used."""

from ..messages import LONG, printable


class ModelFileError(ValueError):
    """Raised when a file is not a fastnn model, is damaged, or was written by a newer version."""

    def __init__(self, message):
        super().__init__(printable(message, LONG))  # it may repeat text of the file
