"""The options --time, --group and --weight: what `fit` is passed for them, and the rows of
--test-size."""

from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError
from ..core.messages import did_you_mean, plural, printable
from ..tables.addresses import without_secrets
from .console import CommandError

#: The options that name a column of the rows, and the argument of `fit`.
ARGUMENTS = {"time": "time", "group": "groups", "weight": "sample_weight"}
OF_THE_OTHER_PART = "earlier rows of groups of the test, and later rows of other groups"


def require_column(data, option, name, names):
    """Raise CommandError unless the table `data` has a column of this name."""
    if name not in names:
        raise CommandError(
            f"--{option}: {without_secrets(data)} has no column {printable(name)!r}. "
            + did_you_mean(name, names)
        )


def refuse_target(option, name, target):
    """Raise CommandError if an option names the target."""
    if name == target:
        raise CommandError(f"--{option} names the target {printable(name)!r}. Name another column.")


def check(options, names, columns):
    """Raise CommandError unless the columns of the options exist, each for one purpose.

    columns : dict
        {option: names of columns} of the other options, of `resolve_columns`.
    """
    option_of: dict = {}
    for option in ARGUMENTS:
        name = getattr(options, option)
        if name is None:
            continue
        require_column(options.data, option, name, names)
        refuse_target(option, name, options.target)
        other = option_of.setdefault(name, option)
        if other != option:
            raise CommandError(
                f"column {printable(name)!r} is in both --{other} and --{option}. Name it once."
            )
        others = [key for key, values in columns.items() if name in values]
        if option != "time" and others:
            raise CommandError(
                f"column {printable(name)!r} is in both --{option} and --{others[0]}. "
                f"--{option} leaves it out of the inputs already."
            )


def passed(options):
    """Return what `fit` is passed: the names of the columns by argument."""
    names = {argument: getattr(options, option) for option, argument in ARGUMENTS.items()}
    return {argument: name for argument, name in names.items() if name is not None}


@dataclass
class RowRoles:
    """What the columns of the options say of the rows with a target.

    Attributes
    ----------
    passed : dict
        What `passed` returned.
    times, groups : ndarray (n,) of int, or None
        The numbers of the time values and of the groups, for --test-size; -1 for rows without one.
        None if they are not needed.
    weight : ndarray (n,) or None
    """

    passed: dict
    times: np.ndarray | None = None
    groups: np.ndarray | None = None
    weight: np.ndarray | None = None


def read(table, target, file, options):
    """Return the RowRoles. `table.set_target` has not been called yet.

    Parameters
    ----------
    table : MemoryTable or StreamedTable
    target : Target
    file : TableFile
        Which they are from.
    options : TrainOptions
    """
    roles = RowRoles(passed(options))
    if not roles.passed:
        return roles
    from ..tables.table_errors import import_pyarrow
    from ..tabular import row_columns
    from ..tabular.columns import input_column

    def column(name):
        values = table.column(name).take(import_pyarrow().array(target.rows))
        return input_column.from_chunks(values, name), name

    try:
        # In memory in any case, so that errors come early.
        are_read = options.test_size or table.is_in_memory
        if are_read and options.time is not None:
            roles.times = row_columns.to_times(*column(options.time)).numbers
        if are_read and options.group is not None:
            roles.groups = row_columns.to_groups(*column(options.group))
        if options.weight is not None:
            roles.weight = row_columns.to_weights(*column(options.weight))
    except DataError as error:
        raise file.explain(error, None, target.rows) from None
    return roles


def groups_of_rows(rows, chosen):
    """Return the number of the group of some rows, from 0, or None without --group.

    Parameters
    ----------
    rows : TrainingRows
    chosen : ndarray (n,)
        Positions among the rows with a target.
    """
    name = rows.roles.passed.get("groups")
    if name is None or not len(chosen):
        return None
    from ..tabular import row_columns
    from ..tabular.columns import input_column

    values = rows.sample.column(name)
    found = row_columns.to_groups(input_column.from_chunks(values, name), name)
    position = rows.sample_positions(chosen)
    return np.unique(found[position], return_inverse=True)[1]


# ---- the rows of the test ----


def split(roles, target, note, options):
    """Return the rows to train on, and those of --test-size. Each class is trained on.

    The rows of the test are the last time values, the rows of some groups, or both, if the options
    name such columns, else drawn at random.

    roles : RowRoles; target : Target; note : Notes
    """
    n, fraction = len(target.rows), options.test_size
    if not fraction:
        return np.arange(n), np.arange(0)
    codes = None if target.is_number else target.classes()[1]
    by_option = {"--time": roles.times, "--group": roles.groups}
    by_option = {option: numbers for option, numbers in by_option.items() if numbers is not None}
    if by_option:
        known = np.all([numbers >= 0 for numbers in by_option.values()], axis=0)
        times, groups = (
            None if numbers is None else numbers[known] for numbers in (roles.times, roles.groups)
        )
        is_test, is_left_out = np.zeros((2, n), bool)
        is_test[known], is_left_out[known] = _by_columns(times, groups, fraction, options.seed)
        _note_left_out(is_left_out, note, OF_THE_OTHER_PART)
        _note_left_out(
            ~known, note, f"{' or '.join(by_option)} is missing there, or cannot be read"
        )
        train, test = np.flatnonzero(known & ~is_test & ~is_left_out), np.flatnonzero(is_test)
        return train, _known_classes(codes, train, test, note)
    is_test = _at_random(n, codes, fraction, options.seed)
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if codes is not None:
        only_in_test = ~np.isin(codes[test], codes[train])
        train = np.sort(np.concatenate([train, test[only_in_test]]))
        test = test[~only_in_test]
    return train, test


def _at_random(n, codes, fraction, seed):
    from sklearn.model_selection import train_test_split

    n_test = max(1, round(fraction * n))
    stratify = codes is not None and np.bincount(codes).min() >= 2 <= n_test // (codes.max() + 1)
    if n - n_test < 2:
        raise CommandError(f"--test-size {fraction:g} of {n} rows leaves {n - n_test} to train on.")
    _, test = train_test_split(
        np.arange(n), test_size=n_test, random_state=seed, stratify=codes if stratify else None
    )
    return np.isin(np.arange(n), test)


def _by_columns(times, groups, fraction, seed):
    """Return which rows are in the test, and which are in neither part."""
    rng = np.random.default_rng(seed)
    if times is None:
        is_test = np.isin(groups, _draw_groups(groups, fraction, rng))
        _check_groups(groups[~is_test], fraction)
        return is_test, np.zeros(len(groups), bool)
    n_rows = np.bincount(times)
    if len(n_rows) < 3:
        raise CommandError(
            f"--test-size with --time needs at least 3 time values, but there are {len(n_rows)}. "
            "Leave out --test-size."
        )
    before = np.cumsum(n_rows) - n_rows
    first = int(np.argmin(np.abs(before - (1 - fraction) * len(times))))
    is_late = times >= min(max(first, 2), len(n_rows) - 1)
    if groups is None:
        return is_late, np.zeros(len(times), bool)
    known = np.isin(groups, groups[~is_late])
    drawn = _draw_groups(groups[is_late & known], fraction, rng)
    is_test = is_late & (~known | np.isin(groups, drawn))
    is_train = ~is_late & ~np.isin(groups, drawn)
    _check_groups(groups[is_train], fraction)
    return is_test, ~is_test & ~is_train


def _draw_groups(groups, fraction, rng):
    """Return random groups with about this fraction of the rows, at least one group."""
    if not len(groups):
        return groups
    values, n_rows = np.unique(groups, return_counts=True)
    order = rng.permutation(len(values))
    n = np.searchsorted(np.cumsum(n_rows[order]), fraction * len(groups)) + 1
    return values[order[:n]]


def _check_groups(groups, fraction):
    n = len(np.unique(groups))
    if n < 2:
        raise CommandError(
            f"--test-size {fraction:g} leaves {plural(n, 'group')} to train on, but --group needs at "
            "least 2. Choose a smaller one."
        )


def _note_left_out(is_left_out, note, why):
    if is_left_out.any():
        note(
            f"{int(is_left_out.sum()):,} of {len(is_left_out):,} rows are neither trained on nor tested: "
            f"{why}"
        )


def _known_classes(codes, train, test, note):
    """Return the rows of the test whose class is trained on."""
    if codes is None:
        return test
    unknown = ~np.isin(codes[test], codes[train])
    if unknown.any():
        note(
            f"{plural(int(unknown.sum()), 'row')} of the test left out: the rows to train on do not "
            "have their class"
        )
    return test[~unknown]
