"""What the words of a free text add to the outputs of its `TextLayer`.

The layer is linear, so the share of an n-gram in an output is known. The n-grams are those of
`src/binding/ngrams.h`; here each has its place in the text too.
"""

import re

import numpy as np

WORD, PAIR, PART, PRIME = 2166136261, 3266489917, 668265263, 16777619
SHORTEST, LONGEST = 3, 6  # bytes of a part of a word
RUN = re.compile("[0-9A-Za-z\x80-\U0010ffff]+")  # a word of the layer
#: Characters of scripts without spaces between words, and pictures: each one is a word to show.
SINGLE = (
    "\u0e00-\u109f\u1780-\u17ff\u2600-\u27bf\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef"
    "\U0001f000-\U0003ffff"
)
MODIFIERS = "\u20e3\ufe00-\ufe0f\U0001f3fb-\U0001f3ff"  # of the picture before them
SHOWN = re.compile(rf"[{SINGLE}](?:[{MODIFIERS}]|\u200d[{SINGLE}]?)*|[^{SINGLE}]+")


def word_shares(layer, weights, text):
    """Return the words of a text, as written, and the share of each in the outputs.

    Parameters
    ----------
    layer : TextLayer
    weights : ndarray (n_buckets, n_outputs)
        Those of the layer, or their mean over folds.
    text : str or None

    Returns
    -------
    words : list of str
    shares : ndarray (n_words, n_outputs)
        Their sum is the outputs without the offset.
    """
    n_buckets = len(weights)
    words, places = locate_ngrams(text or "", n_buckets.bit_length() - 1)
    counts = np.bincount(np.concatenate([buckets for buckets, _, _ in places]), minlength=n_buckets)
    total = layer.squares[counts > 0].sum(dtype=np.float64)
    shares = np.zeros((len(words), weights.shape[1]))
    for buckets, first, last in places:
        n_words = last - first + 1
        each = weights[buckets] / (counts[buckets] * n_words)[:, None]
        begins = np.cumsum(n_words) - n_words
        word = np.arange(n_words.sum()) + np.repeat(first - begins, n_words)
        for out, column in zip(shares.T, each.T):
            out += np.bincount(word, np.repeat(column, n_words), len(words))
    return words, shares / np.sqrt(total or 1)


def locate_ngrams(text, n_bits):
    """Return the words of a text, and where its n-grams are, as often as they occur.

    Where they are is a list of (buckets, first, last): arrays of the number of the bucket, of the
    first of the words and of the last.
    """
    runs = RUN.findall(text)
    shown = list(map(SHOWN.findall, runs))
    words = [word for some in shown for word in some]
    encoded = [_to_bytes(run).lower() for run in runs]  # ASCII alone
    ends = np.cumsum([0, *map(len, shown)], dtype=np.int32)
    first, last = ends[:-1], ends[1:] - 1
    hashes = np.array(list(map(_hash, encoded)), np.uint32)
    pairs = (hashes[:-1] ^ PAIR) * PRIME + hashes[1:]
    has_pair = hashes[:-1] != 0
    found = [(hashes, first, last), (pairs[has_pair], first[:-1][has_pair], last[1:][has_pair])]
    # The spaces around a run belong to its first and its last word.
    sizes = np.array([len(_to_bytes(word)) for word in words], np.intp)
    sizes[first] += 1
    sizes[last] += 1
    word_of = np.repeat(np.arange(len(words), dtype=np.int32), sizes)
    run_of = np.repeat(np.arange(len(runs), dtype=np.int32), [len(run) + 2 for run in encoded] or 0)
    padded = np.frombuffer(b"".join(b" %b " % run for run in encoded), np.uint8)
    is_edge = np.append((padded & 0xC0) != 0x80, True)  # between two code points
    part = np.full(len(padded), PART, np.uint32)
    for length in range(1, LONGEST + 1):
        n = max(0, len(padded) - length + 1)
        begin, end = slice(n), slice(length - 1, None)  # the first and the last byte of each
        part = (part[begin] ^ padded[end]) * PRIME
        if length >= SHORTEST:
            is_part = is_edge[begin] & is_edge[length:] & (run_of[begin] == run_of[end])
            found.append((part[is_part], word_of[begin][is_part], word_of[end][is_part]))
    return words, [(_buckets(hashes, n_bits), *ends) for hashes, *ends in found]


def _to_bytes(text):
    return text.encode("utf-8", "surrogatepass")


def _hash(run):
    """Return the FNV-1a hash of a word of the layer."""
    x = WORD
    for byte in run:
        x = (x ^ byte) * PRIME & 0xFFFFFFFF
    return x


def _buckets(hashes, n_bits):
    hashes = (hashes ^ (hashes >> 15)) * 2246822519
    return ((hashes ^ (hashes >> 13)) * 3266489917 >> (32 - n_bits)).astype(np.int32)
