"""Model files. Modules that read and write them are imported when first used.

- `safetensors`: the format. `replacing`: a file is replaced atomically.
- `kinds`: the kinds of files, and what reads them. `model`: one network, or many.
- `json_values`: what JSON holds of them, and checks of it.
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
