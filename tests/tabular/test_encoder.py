"""The encoder of features: bins of numbers, and what a missing number becomes."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal

from fastnn.tables import limits
from fastnn.tabular import encoder as encoder_module
from fastnn.tabular.encoder import Encoder, EncoderSettings, Scaling

N = 300
RNG = np.random.default_rng(0)
X = RNG.normal(10, 1, N)
MISSING = RNG.random(N) < 0.4
FEW = RNG.choice([7.0, 8.0, 9.0], N)  # the edges of these come from a tree
TWO = np.where(X > 10, 9.0, 7.0)
TARGET = X + FEW


def fitted(x, scaling, settings=EncoderSettings(8, values=True)):  # noqa: B008
    return Encoder.fit([(scaling, x)], [], TARGET, settings, 4)


SCALED = [([8.0, 0, 1, 4, 2], 1 / 3), ([2.0] * 8 + [-1, 5], 1 / 3), ([2.0, 2], 0)]


@pytest.mark.parametrize(("x", "factor"), SCALED)
def test_a_number_is_scaled_by_its_spread(x, factor):
    missing = np.append(x, np.nan)
    for found in (Scaling.fit(np.array(x), True), Scaling.fit(missing, False)):
        assert found == Scaling(2, factor, False)
    assert Scaling.fit(missing, True) == Scaling(2, factor, True)


FREQUENT = [([6, 5, 5, 4], 3), ([5, 5], 0), ([5] * 256, 256), ([5] * 257, 0)]


@pytest.mark.parametrize(("n_rows", "n_kept"), FREQUENT)
def test_frequent_values_are_categories(n_rows, n_kept):
    x = np.repeat(np.arange(float(len(n_rows))), n_rows)
    for has_values in (True, False):
        encoder = fitted(x, Scaling.fit(x, True), EncoderSettings(values=has_values))
        assert (encoder.edges, encoder.values) == ([[]], [[*range(n_kept * has_values)]])


BINS = [  # rows of each value, bins, and edges
    ([10] * 4, 5, 4), ([7, 9], 2, 0), ([8, 9], 2, 3), ([17_992, 8], 2, 0), ([17_991, 9], 2, 3),
    ([200] + [8] * 12, 2, 9), ([2000] + [8] * 36, 64, 33),
]  # fmt: skip


@pytest.mark.parametrize(("n_rows", "n_bins", "n_edges"), BINS)
def test_bins_of_few_values_are_those_of_a_tree(n_rows, n_bins, n_edges):
    x = np.repeat(np.arange(float(len(n_rows))), n_rows)
    edges, from_tree = encoder_module.bin_edges(x, x, n_bins)
    assert (len(edges), from_tree) == (n_edges, n_edges != 4)


WITH_MISSING = [(X, None, []), (FEW, [7, 7.5, 8.5, 9], [7, 8, 9]), (TWO, [7, 8, 9], [])]


@pytest.mark.parametrize(("x", "edges", "values"), WITH_MISSING, ids=["many", "few", "two"])
def test_a_missing_number_is_the_median(x, edges, values):
    with_missing = np.where(MISSING, np.nan, x)
    scaling = Scaling.fit(with_missing, True)
    filled = np.where(MISSING, scaling.median, x)
    encoder, expected = fitted(with_missing, scaling), fitted(filled, scaling)
    assert (encoder.edges, encoder.values) == (expected.edges, expected.values)
    quantiles = np.unique(np.quantile(filled, np.linspace(0, 1, 9)))
    assert encoder.edges == [edges or quantiles.tolist()] and encoder.values == [values]
    assert encoder.unit == np.sqrt(4 / encoder.n_inputs)
    codes = np.empty((N, 0), np.int32)
    tables = (encoder.encode([column], codes) for column in (with_missing, filled))
    table, others = (each.to_dense() for each in tables)
    is_flag = (table != others).any(axis=0)
    assert is_flag.sum() == 1  # the input that marks missing numbers
    assert_allclose(table[:, is_flag][:, 0], 2 * encoder.unit * MISSING)
    assert_array_equal(others[:, is_flag], 0)


def test_blocks_of_rows_have_the_bits_of_single_rows(monkeypatch):
    numbers = [np.where(MISSING, np.nan, X), FEW, np.full(N, 5.0), X * 1e300]
    scalings = [Scaling.fit(x, True) for x in numbers]
    pairs, settings = list(zip(scalings, numbers)), EncoderSettings(8, True)
    encoder = Encoder.fit(pairs, [3, 0, 16], TARGET, settings, 4)
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
    assert_allclose(np.divide(table.layout.code_scale, encoder.unit), [1.66, 1.66, 1.245])
    for name in ("numbers", "positions", "codes"):
        expected = np.concatenate([getattr(each, name) for each in single])
        assert_same_bits(getattr(table, name), expected)
    assert_same_bits(table.codes[:, -2:], codes[:, [0, 2]])
    z = (X * 1e300 - scalings[3].median) * scalings[3].factor
    expected = encoder.unit * z / np.sqrt(1 + (z / 3) ** 2)
    assert_allclose(table.numbers[:, -1], expected, rtol=1e-5)


def test_the_memory_that_a_fit_needs(monkeypatch):
    encoder = Encoder.fit([(Scaling.fit(X, True), X)], [3], TARGET, EncoderSettings(8), 4)
    features = SimpleNamespace(n_folds=5, categories=[])
    setup = SimpleNamespace(hidden_sizes=[4], targets=SimpleNamespace(n_out=2), rows=range(100))
    needed = 2 * 3 * 4 * 7 * (12 * 4 + 4 + 4 * 2 + 2) + 4 * 100 * 3 * 5 * 2
    for part, error in (0.79, nullcontext()), (0.81, pytest.raises(MemoryError)):
        memory = {False: needed / part, True: 0}.get  # without files in memory, and with them
        monkeypatch.setattr(
            limits, "available_memory", lambda counts_files, get=memory: get(counts_files)
        )
        with error:
            encoder_module.check_memory({0: encoder}, features, setup, 3)


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
