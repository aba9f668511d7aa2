"""Model files. Modules that read and write them are imported when first used.

- `kinds`: the kinds of files, their versions, and what reads them.
- `model`, `collection`: files of one network and of many.
- `safetensors`: the format: arrays and text. `json_values`: classes, generators and states as JSON.
- `checks`: checks of what a file holds. `replacing`: a file is replaced as a whole or not at all.
"""

from ..core.messages import LONG, printable


class ModelFileError(ValueError):
    """Raised when a file is not a fastnn model, is damaged, or was written by a newer version.

    Attributes
    ----------
    problem : str
        The message without the path.
    """

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem = printable(problem, LONG)  # it may repeat text of the file
        super().__init__(printable(f"{path}: {problem}" if path else problem, LONG))
