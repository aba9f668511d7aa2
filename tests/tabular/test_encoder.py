"""The encoder of features: bins of numbers, and what a missing number becomes."""

from dataclasses import replace

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal

from fastnn.tabular import encoder as encoder_module
from fastnn.tabular.encoder import Encoder, EncoderSettings, Scaling

N = 300
RNG = np.random.default_rng(0)
X = RNG.normal(10, 1, N)
MISSING = RNG.random(N) < 0.4
FEW = RNG.choice([7.0, 8.0, 9.0], N)  # the edges of these come from a tree
TARGET = X + FEW


def fitted(x, scaling, settings=EncoderSettings(8, values=True)):  # noqa: B008
    return Encoder.fit([(scaling, x)], [], TARGET, settings, 4)


def test_without_settings_there_are_neither_bins_nor_values():
    encoder = fitted(FEW, Scaling.fit(FEW, True), EncoderSettings())
    assert encoder.edges == encoder.values == [[]]


@pytest.mark.parametrize("x", [X, FEW, np.where(X > 10, 9.0, 7.0)], ids=["many", "few", "two"])
def test_a_missing_number_is_the_median(x):
    with_missing = np.where(MISSING, np.nan, x)
    scaling = Scaling.fit(with_missing, True)
    filled = np.where(MISSING, scaling.median, x)
    encoder, expected = fitted(with_missing, scaling), fitted(filled, scaling)
    assert (encoder.edges, encoder.values) == (expected.edges, expected.values)
    assert encoder.edges[0] and encoder.edges[0][0] > 6
    codes = np.empty((N, 0), np.int32)
    tables = (encoder.encode([column], codes) for column in (with_missing, filled))
    table, others = (each.to_dense() for each in tables)
    is_flag = (table != others).any(axis=0)
    assert is_flag.sum() == 1  # the input that marks missing numbers
    assert_array_equal(table[:, is_flag][:, 0] > 0, MISSING)
    assert_array_equal(others[:, is_flag], 0)


def test_blocks_of_rows_have_the_bits_of_single_rows(monkeypatch):
    numbers = [np.where(MISSING, np.nan, X), FEW, np.full(N, 5.0), X * 1e300]
    scalings = [Scaling.fit(x, True) for x in numbers]
    pairs, settings = list(zip(scalings, numbers)), EncoderSettings(8, True)
    encoder = Encoder.fit(pairs, [3, 0, 2], TARGET, settings, 4)
    assert encoder.edges[0] and encoder.values[1] and not scalings[2].factor
    widths = [2, 1, 0, 1], [len(edges) - 1 if edges else 0 for edges in encoder.edges]
    signs = np.zeros(encoder.n_inputs)
    signs[2], signs[3] = -1, 1
    signs[4 : 4 + widths[1][0]] = 7
    signs[4 + widths[1][0] : 4 + sum(widths[1][:2])] = -1
    signs[4 + sum(widths[1][:3]) : 4 + sum(widths[1])] = 1
    signs[0] = 7
    assert_array_equal(encoder.input_signs({0: 7, 1: -1, 2: 5, 3: 1}), signs)
    codes = RNG.integers(-1, 2, (N, 3)).astype(np.int32)
    single = [encoder.encode([x[i : i + 1] for x in numbers], codes[i : i + 1]) for i in range(N)]
    monkeypatch.setattr(encoder_module, "BLOCK_ROWS", 7)
    table = encoder.encode(numbers, codes)
    for name in ("numbers", "positions", "codes"):
        expected = np.concatenate([getattr(each, name) for each in single])
        assert_same_bits(getattr(table, name), expected)
    assert_same_bits(table.codes[:, -2:], codes[:, [0, 2]])
    z = (X * 1e300 - scalings[3].median) * scalings[3].factor
    expected = encoder.unit * z / np.sqrt(1 + (z / 3) ** 2)
    assert_allclose(table.numbers[:, -1], expected, rtol=1e-5)


def test_values_outside_the_layout_are_refused():
    scaling = Scaling.fit(X, False)
    encoder = Encoder.fit([(scaling, X)], [3], TARGET, EncoderSettings(8), 4)
    code = np.array([[3]], np.int32)
    with pytest.raises(ValueError, match="codes holds 3 in row 0, column 0, but must be from -1"):
        encoder.encode([X[:1]], code)
    encoder.encode([X[:1]], code - 1)
    broken = replace(encoder, scalings=[replace(scaling, median=np.nan)])
    with pytest.raises(ValueError, match="positions holds NaN or infinity"):
        broken.encode([np.array([np.nan])], code - 1)
