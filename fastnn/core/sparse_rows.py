"""Sparse rows: SciPy's matrices and arrays, as inputs of networks.

Networks compute with dense rows, so sparse ones become dense a block at a time.
"""

import numpy as np

BLOCK_BYTES = 4e6  # size of a dense block


def is_sparse(X):
    """Return whether X is a SciPy sparse matrix or array."""
    return type(X) is not np.ndarray and hasattr(X, "tocsr")  # the type first: 0.3 us less


def check_sparse(name, X, dtype, n_inputs):
    """Return sparse rows in CSR format and of this dtype, without a copy of what fits."""
    if X.ndim != 2:
        raise ValueError(
            f"{name} must have 2 dimensions (rows, columns), got {X.ndim} (shape {X.shape})"
        )
    if X.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers, got {X.dtype}")
    if X.shape[1] != n_inputs:
        raise ValueError(
            f"{name} has {X.shape[1]} column{'s' * (X.shape[1] != 1)}, but the network expects "
            f"{n_inputs}. Pass a sparse matrix of shape (n, {n_inputs})."
        )
    rows = X.tocsr()
    if rows.dtype == dtype:
        return rows
    if X.dtype.kind == "b" and not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()  # True twice is True, but 1.0 twice is 2.0
    # `rows.astype` would copy the indices, too
    parts = rows.data.astype(dtype), rows.indices, rows.indptr
    return type(rows)(parts, shape=rows.shape)


def block_rows(X, batch_size=1):
    """Return the number of rows in a block of about BLOCK_BYTES: a multiple of the batch size."""
    rows = int(BLOCK_BYTES / (X.shape[1] * X.dtype.itemsize))
    return max(1, rows // batch_size) * batch_size


def blocks(X):
    """Yield the first row of each block, and the block as an array."""
    step = block_rows(X)
    for first in range(0, X.shape[0], step):
        yield first, to_dense(take(X, slice(first, first + step)))


def take(X, rows):
    """Return the selected rows of a CSR matrix. rows : slice or array of indices.

    SciPy does not check `indptr` and `indices`, which a callback may have changed by now, and would
    read and write anywhere.
    """
    begin, end = X.indptr[:-1][rows], X.indptr[1:][rows]
    if ((begin < 0) | (begin > end) | (end > len(X.indices)) | (end > len(X.data))).any():
        raise _invalid("indptr")
    return X[rows]


def to_dense(rows):
    """Return the rows of a CSR matrix from `take` as an array."""
    if len(rows.indices) and not 0 <= rows.indices.min() <= rows.indices.max() < rows.shape[1]:
        raise _invalid("indices")
    return rows.toarray()


def _invalid(name):
    return ValueError(
        f"{name} of a sparse matrix points outside of it. Pass a valid matrix, and do not change it "
        "while it is in use."
    )


def first_not_finite(X):
    """Return the row and column of the first stored value that is NaN or infinite, or None."""
    finite = np.isfinite(X.data)
    if finite.all():
        return None
    i = int(finite.argmin())
    return int(np.searchsorted(X.indptr, i, "right")) - 1, int(X.indices[i])
