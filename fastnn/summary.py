"""The summary of a network: its layers with their shapes, parameters and memory."""

import numpy as np

from . import kernels, losses, notebook, optimizers


def text(net, batch_size=None):
    """Return the summary as an aligned table of lines without a newline at the end."""
    header, rows, totals, n_texts = _table(net, batch_size)
    table = [header, *rows, *totals]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < n_texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    ]
    return "\n".join([_title(net), *lines])


def html(net):
    """Return the summary as HTML for notebooks."""
    header, rows, totals, n_texts = _table(net)
    return notebook.titled(_title(net), notebook.table(header, rows + totals, len(totals), n_texts))


def _title(net):
    return f"{type(net).__name__}, {net.dtype.name}"


def _table(net, batch_size=None):
    """Return the header, the rows of the layers, the totals, and the number of columns of text."""
    size = net.dtype.itemsize
    has_dropout = any(net.dropout)
    header = ("layer", "input", "output", "activation", *["dropout"] * has_dropout)
    rows = []
    for i, (k, m, activation) in enumerate(
        zip(net.layer_sizes, net.layer_sizes[1:], net.activations)
    ):
        is_output = i == len(net.activations) - 1
        n_params = k * m + m * net.bias
        rows.append(
            (
                "output" if is_output else f"hidden {i + 1}",
                f"(n, {k})",
                f"(n, {m})",
                activation,
                *[f"{net.dropout[i]:g}"] * has_dropout,
                *_numbers(n_params, n_params * size),
            )
        )
    blank = ("",) * (len(header) - 1)
    totals = [
        ("total", *blank, *_numbers(net.n_params, net.n_params * size)),
        ("gradient", *blank, "", *_numbers(net.n_params * size)),
    ]
    if net.state is not None:
        optimizer = net.state.optimizer
        n_bytes = optimizer.n_moments * net.n_params * size
        totals.append((f"state of {type(optimizer).__name__}", *blank, "", *_numbers(n_bytes)))
    if batch_size is not None:
        for name, n_bytes in _workspaces(net, batch_size).items():
            totals.append((f"{name}, {batch_size:,} rows", *blank, "", *_numbers(n_bytes)))
    return (*header, "parameters", "bytes"), rows, totals, len(header)


def _workspaces(net, batch_size):
    """Return the bytes that training and `forward` allocate besides the memory of the network.

    A training by L-BFGS allocates what SciPy needs, which is not known here.
    """
    optimizer = optimizers.Adam() if net.state is None else net.state.optimizer
    workspaces = {}
    if not isinstance(optimizer, optimizers.LBFGS):
        loss, n_out = losses.resolve(None, net.activations[-1]), net.layer_sizes[-1]
        _, options = loss.prepare(np.zeros((0, n_out)), 0, n_out, net.dtype)
        workspaces["training"] = kernels.training_bytes(
            net,
            batch_size,
            loss=options["loss"],
            optimizer=optimizer.to_kernel(),
            dropout=np.array(net.dropout) if net.has_dropout else None,
        )
    workspaces["forward"] = kernels.forward_bytes(net, batch_size)
    return workspaces


def _numbers(*counts):
    return tuple(f"{count:,}" for count in counts)
