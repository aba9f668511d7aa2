"""Export models: to a C99 file for a program or a microcontroller, to ONNX, and to PyTorch.

- `export_model`: a model as both formats need it.
- `c_file`: a C99 file. `c_inputs`: rows in it, checked and encoded. `c_networks`: its networks.
- `c_ngrams`: free text in it. `c_text`: names, numbers, texts and arrays in C.
- `c_derivatives`: derivatives in it. `c_intervals`: prediction intervals. `casadi_file`: a C file for CasADi.
- `onnx_file`: an ONNX file. `onnx_nodes`: its nodes and constants.
- `state_dict`: the parameters for PyTorch.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..core.messages import warn
from ..core.validation import check_count
from ..files.replacing import replacing
from .export_model import to_export_model

if TYPE_CHECKING:
    from typing import Any

    from ..typing import Path


__all__ = ["c", "casadi", "onnx", "torch"]

LARGE = 20_000_000  # bytes of C that take a compiler long


def c(
    model: Any,
    path: Path,
    name: str | None = None,
    layout: Any = None,
    derivatives: int = 0,
    interval: float | None = None,
) -> None:
    """Write a model as one C99 file, which needs only the standard library.

    The file has the function ``NAME_predict``, which computes the prediction of one row with the
    encoding of the columns, all networks and their mean. It allocates no memory and has no state.
    The parameters are ``const``, so they can lie in flash memory.

    Parameters
    ----------
    model : MLP, MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor
        A fitted model.
    path : str or path-like
        The file to write, such as ``"digits.c"``. It is written beside `path`, synced and renamed.
    name : str, optional
        Prefix of the names of functions and macros. By default the name of the file without ``.c``.
    layout : TableLayout, optional
        For an MLP that was trained on a `fastnn.EncodedTable`: ``table.layout``. Then the function reads
        the cells of a row of the table, not dense inputs.
    derivatives : {0, 1, 2}, default 0
        Highest order of derivatives in the inputs that the file computes, for one network with dense
        inputs: an MLP, or an estimator for arrays with one network.
    interval : float in (0, 1), optional
        For a regressor: the file also computes an interval that is to hold the target with this
        probability, that of ``predict_interval``.

    Raises
    ------
    TypeError
        The model is of another type.
    ValueError
        `name` is not a C identifier, `derivatives` are asked of another model than one network, an
        `interval` of a model that has none or of one with too few training rows, or the model has
        something that a C file cannot hold: parameters that are not finite, or a class that is
        neither a text, a number nor a Boolean.
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.
    OSError
        The file cannot be written.

    See Also
    --------
    casadi : A C file for CasADi and its solvers.
    onnx : A file for ONNX Runtime and others.

    Notes
    -----
    The interface is at the top of the file. Include the file in your program, or compile it and
    declare the functions that you call:

    - MLP, MLPClassifier, MLPRegressor: ``int NAME_predict(const float x[], float y[])``, or
      ``double`` for a network in float64.
    - MLP with a `layout`: ``int NAME_predict(const NAME_row *row, float y[])``. The struct has the
      numbers, positions and codes of a row of the table.
    - TabularClassifier, TabularRegressor: ``int NAME_predict(const NAME_row *row, double y[])``.
      The struct has a field for each column in use. A number is a double, NAN if it is missing. A
      category or free text is a text in UTF-8, or a double if the training table held numbers.
      NULL, "" and marks such as "NA" are missing values, as in Python. A date is a double, the
      seconds since 1970-01-01 00:00 UTC, NAN if it is missing.

    The result is 0, or the number of the first invalid input, counted from 1. An infinite input is
    invalid, and for networks also NaN. `y` has the values of ``predict``, or the probabilities of
    ``predict_proba``. ``int NAME_class(y)`` returns the position of the predicted class in the
    array ``NAME_classes``.

    With derivatives, these functions return what ``NAME_predict`` returns, and set ``y`` to the same
    bits and the derivatives of `MLP.jacobian`, `MLP.vjp` and `MLP.hessian`, row by row:

    - ``NAME_jacobian(x, y, J)``: ``J[k][i]`` = dy_k/dx_i.
    - ``NAME_vjp(x, u, y, g)``: ``g[i]``, the sum over k of ``u[k]`` dy_k/dx_i.
    - ``NAME_hessian(x, y, J, H)``, with ``derivatives=2``: also ``H[k][i][j]`` = d2y_k/dx_i dx_j.

    A UserWarning says so if the file has more than 20 MB, which take a compiler long.
    With an interval, ``int NAME_interval(x or row, lower, upper)`` returns what ``NAME_predict``
    returns, and sets a bound for each target.

    Predictions differ from Python's by less than 1e-5 of the largest, because sums have
    another order. Compile without ``-ffast-math``, which breaks the checks for NaN and infinity.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> net = fastnn.MLP([2, 3, 1], "tanh", rng=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "xor.c")
    >>> fastnn.export.c(net, path)
    >>> with open(path) as file:
    ...     print([line for line in file if "xor_predict" in line][0], end="")
    int xor_predict(const float x[XOR_N_INPUTS], float y[XOR_N_OUTPUTS]);
    """
    from .c_file import source

    if name is None:
        name = os.path.splitext(os.path.basename(os.fsdecode(path)))[0]
    derivatives = check_count("derivatives", derivatives, 0, 2)
    text = source(to_export_model(model, layout, interval), name, derivatives)
    with replacing(path) as file:
        file.write(text.encode("ascii"))
    if len(text) > LARGE:
        warn(
            f"{os.fsdecode(path)} has {len(text) / 1e6:,.0f} MB of C, which takes minutes and gigabytes to "
            "compile. A model with fewer categories, fewer or smaller networks has a smaller file, and "
            "ONNX is smaller for the same model."
        )


def casadi(model: Any, path: Path, name: str = "fastnn_net") -> None:
    """Write a network as a C file for CasADi: a function with its Jacobian, adjoint and Hessian.

    Compile the file to a shared library and load it with ``casadi.external(name, library)``. CasADi
    and its solvers then take the derivatives from the library, in double precision, in place of a
    graph of the network. CasADi is not needed to write the file.

    Parameters
    ----------
    model : MLP, MLPClassifier or MLPRegressor
        A fitted model with one network.
    path : str or path-like
        The file to write, such as ``"net.c"``. It is written beside `path`, synced and renamed.
    name : str, default "fastnn_net"
        The name of the function.

    Raises
    ------
    TypeError
        The model is of another type.
    ValueError
        `name` is not a C identifier. The model is an ensemble, an estimator for tables or a
        classifier with one output, or has parameters that are not finite.
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.
    OSError
        The file cannot be written.

    See Also
    --------
    c : A C99 file for other programs.

    Notes
    -----
    The function has the input ``x`` (n_in, 1) and the output ``y`` (n_out, 1). The file also has
    ``jac_NAME``, ``adj1_NAME`` and ``jac_adj1_NAME``, which CasADi 3.6 and later call for first and
    second derivatives. All matrices are dense. Inputs are not checked: NaN gives NaN.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> net = fastnn.MLP([2, 3, 1], "tanh", rng=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "net.c")
    >>> fastnn.export.casadi(net, path)
    >>> with open(path) as file:
    ...     print([line for line in file if "jac_fastnn_net(" in line][0], end="")
    EXPORT int jac_fastnn_net(const double **arg, double **res, long long *iw, double *w, int mem)
    """
    from .casadi_file import casadi_source

    text = casadi_source(to_export_model(model), name)
    with replacing(path) as file:
        file.write(text.encode("ascii"))


def onnx(model: Any, path: Path, layout: Any = None) -> None:
    """Write a model in the ONNX format, for ONNX Runtime and other programs.

    The graph contains the encoding of the columns, all networks and their mean, and the choice of
    the class. The number of rows is free. It needs the package onnx: the extra ``onnx``.

    Parameters
    ----------
    model : MLP, MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor
        A fitted model.
    path : str or path-like
        The file to write, such as ``"digits.onnx"``. It is written beside `path`, synced and renamed.
    layout : TableLayout, optional
        For an MLP that was trained on a `fastnn.EncodedTable`: ``table.layout``. Then the inputs are
        ``numbers``, ``positions`` and ``codes``, as the attributes of the table.

    Raises
    ------
    ImportError
        The package onnx is not installed.
    TypeError
        The model is of another type.
    ValueError
        The model reads free text, or has something that the file cannot hold: parameters that are
        not finite in float32, a class that is neither a text, a number nor a Boolean, or more than 2 GB.
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.
    OSError
        The file cannot be written.

    See Also
    --------
    c : A C99 file.

    Notes
    -----
    Names and types are as in sklearn-onnx:

    - MLP: input ``X``, float32 (n, n_in), and output ``Y``, float32 (n, n_out).
    - MLPRegressor: input ``X``, and output ``variable``, float32 (n, n_targets).
    - MLPClassifier: input ``X``, outputs ``label`` (n,) and ``probabilities``, float32 (n,
      n_classes). A label is a text, an int64, a bool or a double.
    - TabularClassifier and TabularRegressor: the same outputs, and one input (n, 1) for each column
      in use, with its name. Columns of arrays are named ``x0``, ``x1``, ... A number is a double,
      NaN if it is missing. A category is a text, "" if it is missing, or a double if the training
      table held numbers. A date is a double, the seconds since 1970-01-01 00:00 UTC, NaN if it is
      missing.

    All networks compute in float32, because ONNX Runtime lacks several activations in float64.
    Predictions differ from Python's by less than 1e-5 of the largest. The operator set is 17
    (ONNX 1.12, of 2022), which older programs can read.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> net = fastnn.MLP([2, 3, 1], "tanh", rng=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "xor.onnx")
    >>> fastnn.export.onnx(net, path)
    >>> import onnx
    >>> graph = onnx.load(path).graph
    >>> graph.input[0].name, graph.output[0].name
    ('X', 'Y')
    """
    from .onnx_file import to_bytes

    data = to_bytes(to_export_model(model, layout))
    with replacing(path) as file:
        file.write(data)


def torch(model: Any, path: Path) -> None:
    """Write the parameters of a network as a state_dict of PyTorch.

    The file is a safetensors file. PyTorch need not be installed. With PyTorch, `MLP.to_torch`
    returns the module.

    Parameters
    ----------
    model : MLP, MLPClassifier or MLPRegressor
        A fitted model with one network.
    path : str or path-like
        The file to write, such as ``"digits-torch.safetensors"``. It is written beside `path`,
        synced and renamed.

    Raises
    ------
    TypeError
        The model is of another type.
    ValueError
        The model is an ensemble or an estimator for tables, or has parameters that are not finite.
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.
    OSError
        The file cannot be written.

    See Also
    --------
    onnx : A file with ensembles and the encoding of tables.

    Notes
    -----
    The names are as in an ``nn.Sequential``: ``0.weight`` (n_out, n_in), ``0.bias`` (n_out,),
    and so on. The metadata of the file have its layers as text under ``module``, and the classes of
    a classifier as JSON under ``classes``. With two classes, the output is the probability of the
    second. PyTorch has no module for the activation exponential: apply ``torch.exp``.

    Load the file in PyTorch::

        module = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(-1))
        module.load_state_dict(safetensors.torch.load_file("digits-torch.safetensors"))

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> net = fastnn.MLP([2, 3, 1], "tanh", rng=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "xor-torch.safetensors")
    >>> fastnn.export.torch(net, path)
    >>> from safetensors.numpy import load_file
    >>> {name: array.shape for name, array in sorted(load_file(path).items())}
    {'0.bias': (3,), '0.weight': (3, 2), '2.bias': (1,), '2.weight': (1, 3)}
    """
    from .state_dict import write_state_dict

    write_state_dict(model, path)
