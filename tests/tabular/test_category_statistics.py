"""Statistics of the targets in place of categories, and which tables have such configurations."""

from dataclasses import replace

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose

from fastnn import MLP, EncodedTable
from fastnn.tabular.columns.column import CategoryFeature, NumberFeature
from fastnn.tabular.fitting import recipe
from fastnn.tabular.fitting.category_statistics import N_PARTS, CategoryStatistics

CODES = np.r_[np.arange(12).repeat(20), [-1] * 11, [12]]  # and category 13, which no row has
TRAIN = np.arange(0, len(CODES), 2)


draw = np.random.default_rng(0)
TABLE = EncodedTable(
    draw.normal(size=(len(CODES), 2)),
    positions=draw.uniform(0, 3, (len(CODES), 1)),
    n_bins=3,
    position_scale=0.7,
    codes=np.stack([CODES % 4, CODES, draw.integers(0, 10, len(CODES))], 1),
    n_categories=[9, 14, 10],
    code_scale=[0.3, 0.2, 0.1],
)
TARGET = draw.normal(size=(len(CODES), 3))


def statistics_of(target, weight=None):
    return CategoryStatistics.fit(TABLE, target, weight, TRAIN, 8, np.random.default_rng(1))


def test_statistics_are_smoothed_means_and_logarithms_of_counts():
    y = TARGET[TRAIN, 0] - TARGET[TRAIN, 0].mean()
    found, codes = statistics_of(TARGET[:, 0]), CODES[TRAIN]
    assert list(found.values) == [1, 2]  # the first column has few categories
    parts, expected = found.parts[TRAIN], np.empty((6, 15, 2))
    for part in range(6):
        for c in range(15):
            rows = (parts != part) & (codes == c)
            n = rows.sum()
            expected[part, c] = y[rows].sum() / (n + 3), np.log(1 + n)
    seen = expected[parts, codes]
    expected = (expected - seen.mean(0)) / seen.std(0)
    expected /= np.sqrt(1 + (expected / 3) ** 2)
    assert_allclose(found.values[1], np.sqrt(8 / found.n_inputs) * expected, rtol=1e-4, atol=1e-5)
    for c in (12, 13):  # held out, and of no row
        assert_same_bits(found.values[1][:, c], found.values[1][:, 14])


def test_neither_held_out_rows_nor_those_without_a_weight_inform_others():
    weight = np.where(np.arange(len(CODES)) % 6 == 0, 0.0, 2.0)
    others = np.setdiff1d(np.arange(len(CODES)), TRAIN)
    found, changed = statistics_of(TARGET, weight), TARGET + 100.0 * (weight == 0)[:, None]
    changed[others] += 100
    assert (found.parts[others] == N_PARTS).all() and (found.parts[TRAIN] < N_PARTS).all()
    for j, x in statistics_of(changed, weight).values.items():
        assert_same_bits(x, found.values[j])


def test_networks_read_the_table_as_they_read_statistics():
    found = statistics_of(TARGET)
    narrow = found.inputs(TABLE)
    assert narrow.n_inputs == found.n_inputs == 2 + 3 + 9 + 2 * 4
    assert narrow.layout.n_categories == (9,)
    net = MLP([narrow.n_inputs, 8, 5, 2], "silu", rng=0, dropout=[0.1, 0.2, 0.2])
    net.params = np.random.default_rng(3).normal(size=net.n_params)
    wide = found.fold_into(net, TABLE.layout)
    assert wide.layer_sizes == (TABLE.n_inputs, 8, 5, 2) and wide.dropout == net.dropout
    expected = net.forward(narrow)
    assert_allclose(wide.forward(TABLE), expected, atol=1e-4 * np.abs(expected).max())
    assert not wide.weights[0][2 + 3 + 9 + np.array([12, 13])].any()


# ---- configurations ----


@pytest.mark.parametrize("is_classifier", [False, True])
def test_one_more_configuration_for_ids_or_else_for_counts(is_classifier):
    def make(**more):
        return recipe.configurations(is_classifier, 500, 2, has_single_rows=True, **more)

    usual, counts, ids = make(), make(has_counts=True), make(has_ids=True)
    assert counts[: len(usual)] == ids[:-1] == usual
    more = counts[len(usual) :]
    assert [(c.encoding.values, c.encoding.n_bins) for c in more] == [(True, 0)][is_classifier:]
    best = replace(usual[0], monitor="loss") if is_classifier else usual[1]
    assert ids[-1] == replace(best, statistics=True) == make(has_ids=True, is_lazy=True)[-1]
    assert make(has_ids=True, has_counts=True) == ids
    wide = dict(n_numbers=600)
    assert make(**wide) == make(**wide, has_ids=True) == make(**wide, has_counts=True)


@pytest.mark.parametrize(("n", "part", "expected"), [(30, "value", True), (29, "value", False)])
def test_columns_of_many_categories(n, part, expected):
    feature = CategoryFeature(0, part, [str(k) for k in range(n)], False)
    assert recipe.has_ids([feature]) == expected and not recipe.has_ids([])


COUNTS = [(np.arange(float(n)), n in (10, 100)) for n in (9, 10, 100, 101)]
COUNTS += [(np.arange(10) + 0.5, False), (np.r_[np.arange(10_000) % 50, 0.5], False)]
COUNTS.append((np.r_[np.arange(50.0), np.nan], True))


@pytest.mark.parametrize(("values", "expected"), COUNTS)
def test_whole_numbers_with_few_values(values, expected):
    number = NumberFeature(0, "value")
    assert recipe.has_counts([number], [values]) == expected
    assert not recipe.has_counts([NumberFeature(0, "time")], [values])
    numbers = [number, NumberFeature(1, "time"), number]
    others = [np.arange(len(values)) + 0.5, np.arange(len(values)) % 2]
    assert recipe.has_counts(numbers, [values, *others]) == expected
    assert not recipe.has_counts(numbers, [values, *others[::-1]])


def test_signs_of_inputs_follow_numbers_and_bins():
    signs = np.array([1, -1, -1, -1, -1] + [0] * 33, float)
    found = statistics_of(TARGET[:, 0]).input_signs(signs, TABLE.layout)
    assert found.tolist() == [1, -1, 0, 0, 0, 0, -1, -1, -1, *[0] * 9]
