"""Weight initializers.

An initializer is a function ``f(rng, n_in, n_out)`` that returns W of shape (n_in, n_out). Weights
are drawn in float64, so float32 and float64 networks with the same seed start from the same
weights, up to rounding. Biases start at zero.

By default, a layer gets he_normal if its activation is a variant of ReLU, lecun_normal if it is
selu, whose outputs then keep mean 0 and variance 1 (Klambauer et al., 2017), and glorot_uniform
otherwise. In the table, U(-r, r) is the uniform distribution, with variance r^2 / 3, and N(0, v)
the normal distribution with variance v, not truncated.

============== ========================================== ====================================
name           weights                                    source
============== ========================================== ====================================
glorot_uniform U(-r, r), r = sqrt(6 / (n_in + n_out))     Glorot and Bengio, 2010, equation 16
glorot_normal  N(0, 2 / (n_in + n_out))                   Glorot and Bengio, 2010, equation 12
he_uniform     U(-r, r), r = sqrt(6 / n_in)               He et al., 2015, equation 10
he_normal      N(0, 2 / n_in)                             He et al., 2015, equation 10
lecun_uniform  U(-r, r), r = sqrt(3 / n_in)               LeCun et al., 1998, section 4.6
lecun_normal   N(0, 1 / n_in)                             LeCun et al., 1998, section 4.6
orthogonal     orthonormal columns (rows if n_in < n_out) Saxe, McClelland and Ganguli, 2014
============== ========================================== ====================================
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from .core.messages import hint_at
from .core.validation import check_count, check_shape, describe_type

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Glorot-uniform weights, for activations close to the identity at 0, such as tanh.

    U(-r, r) with r = sqrt(6 / (n_in + n_out)). The variance 2 / (n_in + n_out) is a compromise
    between preserving the variance of the activations in the forward pass and of the gradients
    in the backward pass. Glorot and Bengio, 2010, equation 16.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_in, n_out : int
        At least 1.

    Returns
    -------
    ndarray (n_in, n_out), float64

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> W = initializers.glorot_uniform(np.random.default_rng(0), 4, 2)
    >>> W.shape, bool(abs(W).max() <= 1)
    ((4, 2), True)
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    r = math.sqrt(6 / (n_in + n_out))
    return rng.uniform(-r, r, (n_in, n_out))


def glorot_normal(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Glorot-normal weights, N(0, 2 / (n_in + n_out)).

    The normal variant of `glorot_uniform`. Glorot and Bengio, 2010, equation 12. Parameters and
    return value as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.glorot_normal(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    return rng.normal(0, math.sqrt(2 / (n_in + n_out)), (n_in, n_out))


def he_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """He-uniform weights, U(-r, r) with r = sqrt(6 / n_in).

    The uniform variant of `he_normal`. He et al., 2015, equation 10. Parameters and return value as
    in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.he_uniform(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    r = math.sqrt(6 / n_in)
    return rng.uniform(-r, r, (n_in, n_out))


def he_normal(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """He-normal weights, N(0, 2 / n_in), for ReLU and its variants.

    They preserve the mean square of the activations from layer to layer, although ReLU halves it.
    He et al., 2015, equation 10. Parameters and return value as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.he_normal(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    return rng.normal(0, math.sqrt(2 / n_in), (n_in, n_out))


def lecun_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """LeCun-uniform weights, U(-r, r) with r = sqrt(3 / n_in).

    The uniform variant of `lecun_normal`. LeCun et al., 1998, section 4.6. Parameters and return
    value as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.lecun_uniform(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    r = math.sqrt(3 / n_in)
    return rng.uniform(-r, r, (n_in, n_out))


def lecun_normal(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """LeCun-normal weights, N(0, 1 / n_in), for selu.

    They preserve the variance of the activations of linear layers. LeCun et al., 1998, section 4.6
    ("Efficient BackProp"). Parameters and return value as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.lecun_normal(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    return rng.normal(0, math.sqrt(1 / n_in), (n_in, n_out))


def orthogonal(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Orthogonal weights: W^T W = I, or W W^T = I if n_in < n_out.

    Linear layers then preserve lengths, whatever their number. Saxe, McClelland and Ganguli, 2014.

    W is Q of the QR decomposition of a matrix of standard normal numbers, with the signs that make
    the diagonal of R positive, so that W is uniformly distributed (Mezzadri, 2007, section 5). For
    n_in < n_out, it is the transpose of such a matrix. LAPACK computes it, so the same seed gives
    the same bits only with the same build of NumPy. Parameters and return value as in
    `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> W = initializers.orthogonal(np.random.default_rng(0), 4, 2)
    >>> np.allclose(W.T @ W, np.eye(2))
    True
    """
    n_in, n_out = _check_arguments(rng, n_in, n_out)
    Q, R = np.linalg.qr(rng.normal(size=(max(n_in, n_out), min(n_in, n_out))))
    Q *= np.copysign(1, np.diag(R))
    return Q if n_in >= n_out else Q.T


def _check_arguments(rng, n_in, n_out):
    """Check the arguments of an initializer. Return n_in and n_out as int: NumPy's can overflow."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {describe_type(rng)}")
    n_in, n_out = check_count("n_in", n_in), check_count("n_out", n_out)
    if n_in * n_out > sys.maxsize // 8:
        raise ValueError(f"n_in * n_out must be at most {sys.maxsize // 8}, got {n_in} * {n_out}")
    return n_in, n_out


INITIALIZERS = {
    f.__name__: f
    for f in (
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        lecun_uniform,
        lecun_normal,
        orthogonal,
    )
}

# generated: for activations, by src/generate.py from src/operations.py
FOR_ACTIVATION = {  # others: glorot_uniform
    "relu": he_normal,
    "leaky_relu": he_normal,
    "elu": he_normal,
    "gelu": he_normal,
    "silu": he_normal,
    "selu": lecun_normal,
    "mish": he_normal,
}
# end of for activations


def resolve_initializers(init: Any, n_layers: int) -> Any:
    """Return the initializer of each layer; None means the default of the activation.

    Parameters
    ----------
    init : None, str, callable, or a list or tuple of these
        One for all layers, or a list with one for each layer.
    n_layers : int

    Returns
    -------
    list of (callable or None)

    Raises
    ------
    ValueError
        An entry is not None, a known name or a function, or the list has the wrong length.
    """
    if not isinstance(init, (list, tuple)):
        return [_resolve_initializer("init", init)] * n_layers
    if len(init) != n_layers:
        raise ValueError(
            f"init lists {len(init)} initializers for {n_layers} layers. "
            "Pass one, or one for each layer."
        )
    return [_resolve_initializer(f"init[{i}]", each) for i, each in enumerate(init)]


def initialize(rng: np.random.Generator, weights: Any, activations: Any, init: Any = None) -> None:
    """Initialize the weights of all layers in place.

    Parameters
    ----------
    rng : numpy.random.Generator
    weights : sequence of ndarray (n_in, n_out)
    activations : sequence of str
        One for each layer.
    init : None, str, callable, or a list or tuple of these
        A name in `INITIALIZERS`, or a function f(rng, n_in, n_out) that returns an array_like of
        shape (n_in, n_out) with finite numbers. One for all layers, or a list with one for each
        layer. None uses the default of the activation (see `FOR_ACTIVATION`).

    Raises
    ------
    ValueError
        As in `resolve_initializers`, or a function returns another shape or a number that is not finite in the
        dtype of the weights.
    """
    functions = resolve_initializers(init, len(weights))
    for i, (W, activation, f) in enumerate(zip(weights, activations, functions)):
        if f is None:
            f = FOR_ACTIVATION.get(activation, glorot_uniform)
        name = f"the result of init for weights[{i}]"
        values = check_shape(name, f(rng, *W.shape), W.shape, np.float64)
        bad = ~(np.abs(values) <= np.finfo(W.dtype).max)
        if bad.any():
            raise ValueError(f"{name} must be finite numbers of {W.dtype}, got {values[bad][0]}")
        W[...] = values


def _resolve_initializer(argument, init):
    """Return the initializer for one value of `init`."""
    if init is None or callable(init):
        return init
    if not isinstance(init, str) or init not in INITIALIZERS:
        raise ValueError(
            f"{argument} must be one of {', '.join(INITIALIZERS)}, None "
            f"or a function f(rng, n_in, n_out) -> W (n_in, n_out), got {init!r}"
            f"{hint_at(init, INITIALIZERS)}"
        )
    return INITIALIZERS[init]
