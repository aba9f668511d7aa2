"""The n-grams of texts, and the linear layer that reads them: the compiled code and `reference.texts`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from odd_texts import TEXTS

from fastnn import kernels
from fastnn.reference import texts as reference


def ngrams_of(texts, n_bits=16):
    """Return the buckets of each text (bytes)."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    starts, buckets = kernels.find_ngrams(b"".join(texts), ends, n_bits)
    return [part.tolist() for part in np.split(buckets, starts[1:-1])]


@pytest.mark.parametrize("n_bits", [4, 16])
def test_ngrams_are_those_of_the_reference(n_bits):
    texts = [text.encode("utf-8", "surrogatepass") for text in TEXTS.values()]
    for text, found in zip(texts, ngrams_of(texts, n_bits)):
        assert found == reference.find_ngrams(text, n_bits)


def test_ngrams_of_any_bytes_are_those_of_the_reference():
    rng = np.random.default_rng(1)
    alphabet = np.frombuffer(b"abZ0 .\x80\xbf\xc3\xe4\xf0\xff\x00", np.uint8)
    texts = [rng.choice(alphabet, n).tobytes() for n in rng.integers(0, 12, 500)]
    texts += [rng.bytes(n) for n in rng.integers(0, 40, 200)]
    assert ngrams_of(texts) == [reference.find_ngrams(text, 16) for text in texts]


def test_upper_case_is_lower_case_in_ascii_alone():
    assert ngrams_of([b"Good"]) == ngrams_of([b"gOOd"])
    small, large = ngrams_of(["été".encode(), "ÉTÉ".encode()])
    assert small != large


def test_a_megabyte_takes_what_its_length_says():
    (found,) = ngrams_of([np.random.default_rng(0).bytes(2**20)])
    assert len(found) == len(set(found)) == 2**16  # every bucket, once


def test_ends_outside_of_the_texts_and_buckets_that_are_no_int32_are_refused():
    for ends, n_bits in ([4], 8), ([2, 1], 8), ([-1], 8), ([3], -1), ([3], 0), ([3], 32):
        with pytest.raises(ValueError, match="ends" if n_bits == 8 else "n_bits must be 1 to 31"):
            kernels.find_ngrams(b"abc", np.array(ends, np.int64), n_bits)


def test_buckets_outside_of_the_weights_are_refused():
    u, out = np.zeros((4, 1), np.float32), np.zeros((1, 1))
    for starts, buckets in ([0, 1], [4]), ([0, 1], [-1]), ([0, 2], [0]), ([1, 1], [0]):
        with pytest.raises(ValueError, match="buckets"):
            kernels.sum_buckets(np.array(starts), np.array(buckets, np.int32), u, out)


def test_rows_to_visit_outside_of_the_table_are_refused():
    starts, buckets = np.array([0, 1]), np.zeros(1, np.int32)
    ones, u = np.ones((1, 1)), np.zeros((1, 1))

    def fit(*order):
        visited = np.array(order, np.int64)
        kernels.fit_linear_layer(
            starts, buckets, ones[0], ones[0], visited, ones, ones[0], np.zeros(1), 1.0, False, u
        )

    for row in 1, -1:
        with pytest.raises(ValueError, match="rows to visit"):
            fit(0, row)
    fit()
    assert u == 0
    fit(0)
    assert u > 0


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("is_classifier", [False, True])
@pytest.mark.parametrize("largest", [1, 800])  # probabilities below e^-700
def test_the_layer_is_that_of_the_reference(is_classifier, d, largest):
    rng = np.random.default_rng(2)
    rows = [rng.permutation(16)[: rng.integers(0, 6)] for _ in range(20)]
    starts = np.cumsum([0, *map(len, rows)])
    buckets = np.concatenate(rows).astype(np.int32)
    weights, weight = rng.random(16), rng.integers(0, 3, 20).astype(float)
    shares, normal = rng.dirichlet(np.ones(d + 1), 20)[:, :d].copy(), rng.normal(size=(20, d))
    y = shares if is_classifier else normal
    order, offset = np.tile(np.arange(20), 5), rng.normal(size=d) * largest
    squares = weights**2
    sums = np.array([squares[row].sum() for row in rows])
    scales = np.divide(1, np.sqrt(sums), out=np.zeros(20), where=sums > 0)
    u = np.zeros((16, d))
    same = order, y, weight, offset, 0.5, is_classifier
    kernels.fit_linear_layer(starts, buckets, squares, scales, *same, u)
    W = reference.fit_linear_layer(rows, weights, *same)
    assert_allclose(u, weights[:, None] * W, rtol=1e-9, atol=1e-12)
