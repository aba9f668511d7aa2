"""First weights.

Glorot-uniform, U(-r, r) with r = sqrt(6 / (n_in + n_out)) (Glorot and Bengio, 2010); for ReLU kinds He-normal, N(0, 2 / n_in) (He et
al., 2015). Biases are zero. Numbers are drawn in float64, so float32 and float64 networks of one seed begin alike.
"""

import math

RELU_KINDS = ("relu", "leaky_relu", "elu", "gelu", "silu")


def glorot_uniform(rng, n_in, n_out):
    r = math.sqrt(6 / (n_in + n_out))
    return rng.uniform(-r, r, (n_in, n_out))


def he_normal(rng, n_in, n_out):
    return rng.normal(0, math.sqrt(2 / n_in), (n_in, n_out))


def initialize(rng, weights, activations):
    """Fill each layer's W (n_in, n_out) in place, as its activation wants it."""
    for W, activation in zip(weights, activations):
        W[...] = (he_normal if activation in RELU_KINDS else glorot_uniform)(rng, *W.shape)
