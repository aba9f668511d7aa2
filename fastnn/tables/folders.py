"""The files of a folder that hold one table: in the order of their names, with Hive's partitions.

Folders such as `year=2024` in it hold the rows with this value: the part before the = is the name of
a column.
"""

import os
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field

from ..core.messages import join, plural, printable
from . import formats
from .table_errors import TableError

MISSING = "__HIVE_DEFAULT_PARTITION__"
MAX_DEPTH = 20  # of partitions


@dataclass(frozen=True)
class Part:
    """A file of a folder.

    Attributes
    ----------
    path : str
    keys : dict of str to (str or None)
        The columns that the names of folders tell, and their values in this file.
    """

    path: str
    keys: dict = field(default_factory=dict)


def holds_parquet(folder):
    """Whether a folder has a Parquet file."""
    return any(
        formats.extension(part.path) in formats.PARQUET.extensions for part in _parts(folder)
    )


def find(folder, note=lambda text: None):
    """Return the Parts of the table in a folder: its Parquet files, or else those of the most
    frequent format."""
    parts = list(_parts(folder))
    kinds = Counter(formats.extension(part.path) for part in parts)
    if not kinds:
        raise TableError("{problem}", "{advice}", place=folder, **_describe_empty(folder))
    has_parquet = any(kind in kinds for kind in formats.PARQUET.extensions)
    # A text beside a table tells about it.
    (kind, n), *others = sorted(kinds.items(), key=lambda item: (-item[1], item[0] == ".txt"))
    if not has_parquet and others and others[0][1] == n and others[0][0] != ".txt":
        raise TableError(
            "holds {kinds} files.",
            "Pass a folder with one kind of table, or one of the files.",
            place=folder,
            kinds=join(kinds, 4, quoted=False),
        )
    chosen = formats.PARQUET.extensions if has_parquet else (kind,)
    table = [part for part in parts if formats.extension(part.path) in chosen]
    if len(table) < len(parts):
        left_out = [os.path.relpath(part.path, folder) for part in parts if part not in table]
        note(f"{folder}: {plural(len(left_out), 'file')} left out: {join(left_out, 3)}")
    subfolders = list(_other_folders(folder))
    if subfolders:
        note(f"{folder}: {plural(len(subfolders), 'subfolder')} not read: {join(subfolders, 3)}")
    _check_keys(table)
    return table


def _other_folders(folder):
    """Yield the names of visible folders that are no partitions."""
    for name in sorted(os.listdir(folder)):
        is_hidden = name.startswith((".", "_"))
        if not is_hidden and "=" not in name and os.path.isdir(os.path.join(folder, name)):
            yield name


def _parts(folder, keys=None, depth=0):
    """Yield the Parts of all tables in a folder and in its partitions, sorted by path."""
    keys = keys or {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith((".", "_")):
            continue
        if os.path.isdir(path):
            key, is_key, value = name.partition("=")
            if is_key and key and depth < MAX_DEPTH:
                value = None if value == MISSING else urllib.parse.unquote(value)
                yield from _parts(path, {**keys, urllib.parse.unquote(key): value}, depth + 1)
        elif formats.is_table_name(name):
            yield Part(path, keys)


def _check_keys(parts):
    first = parts[0]
    for part in parts:
        if list(part.keys) != list(first.keys):
            raise TableError(
                "is in {folders}, but {first} is in {others}.",
                "Pass a folder whose files are all in the same partitions.",
                place=part.path,
                folders=_describe_keys(part),
                first=printable(first.path, 80),
                others=_describe_keys(first),
            )


def _describe_keys(part):
    return f"partitions by {join(part.keys, 4, quoted=False)}" if part.keys else "no partition"


def _describe_empty(folder):
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    holds = f" It contains {join(names, 4)}." if names else ""
    return {
        "problem": f"is a folder without tables.{holds}",
        "advice": "Pass a table, or a folder with files such as *.csv or *.parquet.",
    }
