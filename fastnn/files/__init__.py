"""Model files. What reads and writes them is imported when it is needed."""


class ModelFileError(ValueError):
    """The file is not a fastnn model, or is damaged."""
