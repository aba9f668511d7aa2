"""The n-grams of texts, and the linear layer from n-grams to a few outputs."""

import numpy as np

WORD, PAIR, PART = 2166136261, 3266489917, 668265263
PRIME = 16777619
SHORTEST, LONGEST = 3, 6  # bytes of a part of a word


def find_ngrams(text, n_bits):
    """Return the buckets of the n-grams of a text (bytes), each once, in their order."""
    found, previous = [], None
    for word in _words(text):
        own = _hash(WORD, word)
        found.append(own)
        if previous is not None:
            found.append(((previous ^ PAIR) * PRIME + own) % 2**32)
        previous = own or None
        padded = b" " + word + b" "
        ends = [i for i in range(len(padded)) if padded[i] & 0xC0 != 0x80] + [len(padded)]
        for begin in ends[:-1]:
            for end in ends:
                if SHORTEST <= end - begin <= LONGEST:
                    found.append(_hash(PART, padded[begin:end]))
    return list(dict.fromkeys(_bucket(x, n_bits) for x in found))


def _words(text):
    text = bytes(text).lower()  # of bytes: ASCII alone
    separated = bytes(c if c >= 128 or chr(c).isalnum() else 0 for c in text)
    return filter(None, separated.split(b"\0"))


def _hash(x, text):
    """Return the FNV-1a hash of bytes. x : where it begins"""
    for c in text:
        x = (x ^ c) * PRIME % 2**32
    return x


def _bucket(x, n_bits):
    x = (x ^ (x >> 15)) * 2246822519 % 2**32
    return (x ^ (x >> 13)) * 3266489917 % 2**32 >> (32 - n_bits)


def fit_linear_layer(rows, weights, order, y, weight, offset, decay, is_classifier):
    """Return W (n_buckets, d) after dual coordinate ascent, one row after the other.

    Parameters
    ----------
    rows : list of ndarray of int
        The buckets of each row.
    weights : ndarray (n_buckets,)
        Of the n-grams. Those of a row are scaled to length 1.
    order : sequence of int
        The rows to visit.
    y : ndarray (n, d)
    weight : ndarray (n,)
    offset : ndarray (d,)
    decay : float
    is_classifier : bool
    """
    W, dual = np.zeros((len(weights), y.shape[1])), np.zeros_like(y)
    curvature = 1.0
    if is_classifier:
        curvature = 0.25 if y.shape[1] == 1 else 0.5
    for i in order:
        x = weights[rows[i]]
        length = np.sqrt((x**2).sum())
        if length == 0 or weight[i] == 0:
            continue
        x = x / length
        z = x @ W[rows[i]] + offset
        if is_classifier:
            z = 1 / (1 + np.exp(-z)) if len(z) == 1 else np.exp(z - z.max())
            z = z if len(z) == 1 else z / z.sum()
        q = weight[i] / decay
        step = (y[i] - z - dual[i]) / (1 + curvature * q)
        dual[i] += step
        W[rows[i]] += np.outer(x, q * step)
    return W
