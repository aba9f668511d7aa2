"""Model files. Modules that read and write them are imported when first used."""


class ModelFileError(ValueError):
    """Raised when a file is not a fastnn model, is damaged, or was written by a newer version."""
