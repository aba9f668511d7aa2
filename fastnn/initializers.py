"""First weights: f(rng, n_in, n_out) -> W (n_in, n_out), drawn in float64, so float32 and float64
networks of one seed begin alike.

By default a layer gets He-normal weights if its activation is a kind of ReLU, LeCun-normal ones if
it is selu, whose outputs then keep mean 0 and variance 1 (Klambauer et al., 2017), else
Glorot-uniform ones. Biases are zero. U(-r, r) is the uniform distribution, whose variance is r^2 /
3; N(0, v) the normal one of variance v, not truncated.

============== ======================================= ====================================
name           weights                                 source
============== ======================================= ====================================
glorot_uniform U(-r, r), r = sqrt(6 / (n_in + n_out))  Glorot and Bengio, 2010, equation 16
glorot_normal  N(0, 2 / (n_in + n_out))                Glorot and Bengio, 2010, equation 12
he_uniform     U(-r, r), r = sqrt(6 / n_in)            He et al., 2015, equation 10
he_normal      N(0, 2 / n_in)                          He et al., 2015, equation 10
lecun_uniform  U(-r, r), r = sqrt(3 / n_in)            LeCun et al., 1998, section 4.6
lecun_normal   N(0, 1 / n_in)                          LeCun et al., 1998, section 4.6
orthogonal     orthonormal columns, or rows if shorter Saxe, McClelland and Ganguli, 2014
============== ======================================= ====================================
"""

import math

import numpy as np

from .validation import check_shape


def glorot_uniform(rng, n_in, n_out):
    """U(-r, r), r = sqrt(6 / (n_in + n_out)): for units that are near the identity at 0, such as
    tanh.

    The variance 2 / (n_in + n_out) is the compromise between keeping that of the values, forwards,
    and that of the gradients, backwards. Glorot and Bengio, 2010, equation 16.

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
    r = math.sqrt(6 / (n_in + n_out))
    return rng.uniform(-r, r, (n_in, n_out))


def glorot_normal(rng, n_in, n_out):
    """N(0, 2 / (n_in + n_out)): as `glorot_uniform`, but normal. Glorot and Bengio, 2010, equation
    12.

    Parameters and result as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.glorot_normal(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    return rng.normal(0, math.sqrt(2 / (n_in + n_out)), (n_in, n_out))


def he_uniform(rng, n_in, n_out):
    """U(-r, r), r = sqrt(6 / n_in): as `he_normal`, but uniform. He et al., 2015, equation 10.

    Parameters and result as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.he_uniform(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    r = math.sqrt(6 / n_in)
    return rng.uniform(-r, r, (n_in, n_out))


def he_normal(rng, n_in, n_out):
    """N(0, 2 / n_in): keeps the mean square of the values from layer to layer where ReLU drops half
    of it. He et al., 2015, equation 10.

    Parameters and result as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.he_normal(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    return rng.normal(0, math.sqrt(2 / n_in), (n_in, n_out))


def lecun_uniform(rng, n_in, n_out):
    """U(-r, r), r = sqrt(3 / n_in): as `lecun_normal`, but uniform. LeCun et al., 1998, section
    4.6.

    Parameters and result as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.lecun_uniform(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    r = math.sqrt(3 / n_in)
    return rng.uniform(-r, r, (n_in, n_out))


def lecun_normal(rng, n_in, n_out):
    """N(0, 1 / n_in): keeps the variance of the values of linear units. LeCun et al., 1998, section
    4.6 ("Efficient BackProp").

    Parameters and result as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> initializers.lecun_normal(np.random.default_rng(0), 4, 2).shape
    (4, 2)
    """
    return rng.normal(0, math.sqrt(1 / n_in), (n_in, n_out))


def orthogonal(rng, n_in, n_out):
    """W^T W = I, or W W^T = I if n_in < n_out: linear layers keep lengths, however many there are.
    Saxe, McClelland and Ganguli, 2014.

    The Q of the QR decomposition of a matrix of standard normal numbers, with the signs that make
    the diagonal of R positive: so every rotation is as likely as any other (Mezzadri, 2007, section
    5). For n_in < n_out the transpose of such a matrix. LAPACK computes it: one seed gives the same
    bits with one build of NumPy.

    Parameters and result as in `glorot_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import initializers
    >>> W = initializers.orthogonal(np.random.default_rng(0), 4, 2)
    >>> np.allclose(W.T @ W, np.eye(2))
    True
    """
    Q, R = np.linalg.qr(rng.normal(size=(max(n_in, n_out), min(n_in, n_out))))
    Q *= np.copysign(1, np.diag(R))
    return Q if n_in >= n_out else Q.T


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
FOR_ACTIVATION = {  # all others get glorot_uniform
    "relu": he_normal,
    "leaky_relu": he_normal,
    "elu": he_normal,
    "gelu": he_normal,
    "silu": he_normal,
    "selu": lecun_normal,
    "mish": he_normal,
}
# end of for activations


def resolve(init, n_layers):
    """What a network's `init` asks for: for each layer a function such as those above, or None for
    what its activation wants.

    Parameters
    ----------
    init : None, str, callable, or a list or tuple of these
        For all layers, or one for each.
    n_layers : int

    Returns
    -------
    list of (callable or None)

    Raises
    ------
    ValueError
        A name is unknown, something else is neither a name nor a function, or the list has the
        wrong length.
    """
    if not isinstance(init, (list, tuple)):
        return [_resolve("init", init)] * n_layers
    if len(init) != n_layers:
        raise ValueError(
            f"init lists {len(init)} initializers for {n_layers} layers: give one, or one for each"
        )
    return [_resolve(f"init[{i}]", each) for i, each in enumerate(init)]


def initialize(rng, weights, activations, init=None):
    """Fill each layer's W (n_in, n_out) in place.

    Parameters
    ----------
    rng : numpy.random.Generator
    weights : sequence of ndarray (n_in, n_out)
    activations : sequence of str
        One for each layer.
    init : None, str, callable, or a list or tuple of these
        A name of `INITIALIZERS`, or a function f(rng, n_in, n_out) -> array_like (n_in, n_out) of
        finite numbers; for all layers, or one for each. None: by the activation, as in
        `FOR_ACTIVATION`, else `glorot_uniform`.

    Raises
    ------
    ValueError
        As in `resolve`, or a function of one's own returns another shape or a number that is not
        finite in the network's dtype.
    """
    for i, (W, activation, f) in enumerate(zip(weights, activations, resolve(init, len(weights)))):
        if f is None:
            f = FOR_ACTIVATION.get(activation, glorot_uniform)
        name = f"what init returns for weights[{i}]"
        values = check_shape(name, f(rng, *W.shape), W.shape, np.float64)
        bad = ~(np.abs(values) <= np.finfo(W.dtype).max)
        if bad.any():
            raise ValueError(f"{name} must be finite numbers of {W.dtype}, got {values[bad][0]}")
        W[...] = values


def _resolve(argument, init):
    if init is None or callable(init):
        return init
    if not isinstance(init, str) or init not in INITIALIZERS:
        way_out = "or a function f(rng, n_in, n_out) -> W (n_in, n_out)"
        raise ValueError(
            f"{argument} must be one of {', '.join(INITIALIZERS)}, None {way_out}, got {init!r}"
        )
    return INITIALIZERS[init]
