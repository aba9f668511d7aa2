"""The groups of --group of the rows that are scored: rows of one group are not independent."""

import numpy as np


def groups_of_rows(rows, arguments, chosen):
    """Return the number of the group of some rows, from 0, or None without --group.

    Parameters
    ----------
    rows : TrainingRows
    arguments : argparse.Namespace
    chosen : ndarray (n,)
        Positions among the rows with a target.
    """
    name = arguments.group
    if name is None or not len(chosen):
        return None
    from ..tabular import row_columns
    from ..tabular.columns import input_column

    values = rows.sample.column(name)
    found = row_columns.to_groups(input_column.from_chunks(values, name), name)
    position = rows.sample_positions(chosen)
    return np.unique(found[position], return_inverse=True)[1]
