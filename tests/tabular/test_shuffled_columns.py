"""Predictions of rows with one column shuffled, from what the column changes."""

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose

from fastnn import MLP, EncodedTable, TabularClassifier, TabularRegressor
from fastnn.tabular.fitting import permutation
from fastnn.tabular.fitting.permutation import ShuffledColumns
from fastnn.tabular.model import mean_output

N = 40
rng = np.random.default_rng(5)
BINS = dict(positions=rng.uniform(0, 5, (N, 3)).round(1), n_bins=[5, 6, 7])
CODES = dict(codes=rng.integers(-1, 3, (N, 3)), n_categories=[3, 4, 3], code_scale=[1, 0.5, 2])
ALL = dict(numbers=rng.normal(size=(N, 4)), position_scale=[0.5, 1, 2], **BINS, **CODES)
TABLES = {
    "all": (ALL, ([0, 1, 1, 2], [1, 3, 0], [4, 4, 1])),
    "numbers": (dict(numbers=rng.normal(size=(N, 2))), ([0, 3], [], [])),
    "codes": (dict(codes=rng.integers(0, 2, (N, 2)), n_categories=2), ([], [], [3, 0])),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("hidden", [[8], [8, 5]])
def test_they_are_those_of_shuffled_tables(name, hidden, monkeypatch):
    monkeypatch.setattr(permutation, "BLOCK_VALUES", 2 * 8 * N)  # two columns at a time
    parts, sources = TABLES[name]
    table, inputs = EncodedTable(**parts), tuple(np.array(part, np.intp) for part in sources)
    networks = [MLP([table.n_inputs, *hidden, 2], "silu", rng=seed) for seed in range(2)]
    order, columns = rng.permutation(N), sorted(set(np.concatenate(inputs).tolist()))
    shuffled = permutation.shuffle(table, inputs, columns, np.arange(N), order)
    expected = mean_output(networks, shuffled, 1)
    part = np.arange(7, N)
    found = ShuffledColumns(table, inputs, part, order[part])
    outputs = found.mean_output(networks, columns, 1).reshape(len(columns), -1, 2)
    expected = expected.reshape(len(columns), N, 2)[:, part]
    assert np.abs(expected - expected[0]).max() > 0.01 or len(columns) == 1
    assert_allclose(outputs, expected, atol=2e-6)
    assert_same_bits(outputs.reshape(-1, 2), found.mean_output(networks, columns, 2))


@pytest.mark.parametrize("is_classifier", [True, False])
def test_importances_and_weights_of_many_columns(is_classifier, quick_recipe, monkeypatch):
    """The weights are those of few columns, up to rounding: the networks hardly differ."""
    quick_recipe(3)
    X = rng.normal(size=(90, 6))
    X[::7, 2] = np.nan
    X[:, 4] = rng.integers(0, 4, 90)
    y = X[:, 0] + X[:, 4] > 1.5 if is_classifier else X[:, 0] + X[:, 4]
    cls, options = TabularRegressor, dict(hidden_layer_sizes=6, random_state=0)
    cls = TabularClassifier if is_classifier else cls
    few = cls(3, n_threads=1, **options).fit(X, y)
    monkeypatch.setattr(permutation, "MANY_COLUMNS", 2)
    many, shared = (cls(3, n_threads=n, **options).fit(X, y) for n in (1, 2))
    scale = np.abs(few.feature_importances_).max()
    assert_allclose(many.feature_importances_, few.feature_importances_, atol=1e-3 * scale)
    assert_same_bits(many.feature_importances_, shared.feature_importances_)
    assert_same_bits(many.oof_prediction_, shared.oof_prediction_)
