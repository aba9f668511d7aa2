"""The hook with which PyInstaller finds the compiled modules of fastnn.

fastnn imports them by name, when it has asked the CPU what it supports, and PyInstaller sees only
import statements. The entry point in pyproject.toml names `hook_folders`.

- `hook-fastnn`: what PyInstaller runs.
"""

from pathlib import Path


def hook_folders():
    """Return the folders of PyInstaller hooks in this package."""
    return [str(Path(__file__).parent)]
