"""The encoder of features: bins of numbers, and what a missing number becomes."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

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


@pytest.mark.parametrize("x", [X, FEW], ids=["many values", "few values"])
def test_a_missing_number_is_the_median(x):
    with_missing = np.where(MISSING, np.nan, x)
    scaling = Scaling.fit(with_missing, True)
    filled = np.where(MISSING, scaling.median, x)
    encoder, expected = fitted(with_missing, scaling), fitted(filled, scaling)
    assert (encoder.edges, encoder.values) == (expected.edges, expected.values)
    assert encoder.edges[0] and encoder.edges[0][0] > 6
    codes = np.empty((N, 0), np.int32)
    table, others = (
        encoder.encode([column], codes).to_dense() for column in (with_missing, filled)
    )
    is_flag = (table != others).any(axis=0)
    assert is_flag.sum() == 1  # the input that marks missing numbers
    assert_array_equal(table[:, is_flag][:, 0] > 0, MISSING)
    assert_array_equal(others[:, is_flag], 0)
