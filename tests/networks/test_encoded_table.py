"""EncodedTable: what it stands for, its checks, and how rows are selected."""

import copy
import pickle

import numpy as np
import pytest

import fastnn
from fastnn import MLP, EncodedTable

EXAMPLE = {
    "numbers": [[1.5, -2.0], [0.0, 3.0], [4.0, 5.0]],
    "positions": [[0.0, 0.25], [1.5, 1.0], [3.0, 0.75]],
    "n_bins": (3, 1),
    "position_scale": (2.0, 1.0),
    "codes": [[0], [-1], [1]],
    "n_categories": 2,
    "code_scale": 0.5,
}


def test_the_inputs_that_a_table_stands_for(dtype):
    table = EncodedTable(**EXAMPLE, dtype=dtype)
    expected = [
        [1.5, -2.0, -2.0, -2.0, -2.0, -0.5, 0.5, 0.0],
        [0.0, 3.0, 2.0, 0.0, -2.0, 1.0, 0.0, 0.0],
        [4.0, 5.0, 2.0, 2.0, 2.0, 0.5, 0.0, 0.5],
    ]
    assert table.to_dense().dtype == table.dtype == dtype
    assert table.to_dense().tolist() == expected
    assert (len(table), table.n_inputs, table.shape) == (3, 8, (3, 8))


def test_the_definition_of_positions_and_codes(rng):
    positions, codes = rng.uniform(0, 7, (50, 1)), rng.integers(-1, 4, (50, 1))
    layout = dict(n_bins=7, position_scale=1.5, n_categories=4, code_scale=3)
    table = EncodedTable(positions=positions, codes=codes, dtype="float64", **layout)
    b = np.arange(7)
    expected = 1.5 * (2 * np.clip(positions - b, 0, 1) - 1), 3.0 * (codes == np.arange(4))
    np.testing.assert_array_equal(table.to_dense(), np.hstack(expected))


def test_layouts_compare_by_their_values():
    table = EncodedTable(**EXAMPLE)
    assert table.layout == EncodedTable(**EXAMPLE, dtype="float64")[:1].layout
    assert table.layout == (2, (3, 1), (2.0, 1.0), (2,), (0.5,))
    assert table.layout.n_inputs == table.n_inputs
    assert table.layout != EncodedTable(**EXAMPLE | {"position_scale": 1.0}).layout


def test_selected_rows(rng):
    n = 20
    numbers, positions, codes = rng.normal(size=(n, 2)), rng.uniform(0, 3, (n, 2)), np.arange(n) % 5
    table = EncodedTable(numbers, positions, 3, 1.0, codes[:, None], 5)
    dense, mask = table.to_dense(), rng.random(n) < 0.5
    arrays = mask, ~mask, np.array([2]), np.arange(0)
    for rows in (*arrays, slice(3, 9), slice(None, None, -2), [4, -1, 4]):
        selected = table[rows]
        assert selected.layout == table.layout
        np.testing.assert_array_equal(selected.to_dense(), dense[rows])
    assert np.shares_memory(table[3:9].positions, table.positions)
    for rows in (3, (slice(None), 0), None, [[1, 2]]):
        with pytest.raises(TypeError, match="selects rows by"):
            table[rows]
    with pytest.raises(IndexError):
        table[[n]]


def test_rows_are_selected_without_columns():
    table = EncodedTable(codes=[[0], [1]], n_categories=2)
    assert table[[1]].to_dense().tolist() == [[0, 1]]
    with pytest.raises(IndexError):
        table[[2]]


CODES = dict(codes=[[0]], n_categories=2)


def test_a_table_is_immutable_and_its_arrays_are_not_copied():
    positions = np.ones((3, 1), np.float32)
    table = EncodedTable(positions=positions, n_bins=2)
    assert np.shares_memory(table.positions, positions)
    with pytest.raises(ValueError, match="read-only"):
        table.positions[0] = 0
    assert positions.flags.writeable
    assert copy.copy(table) is table and copy.deepcopy(table) is table
    of_codes = EncodedTable(codes=[[1], [0]], n_categories=2)
    for each, columns in ((table, dict(positions=positions, n_bins=2)), (of_codes, CODES)):
        with pytest.raises(RuntimeError, match="bound to arrays already"):
            each.__init__(**columns)
    assert of_codes.codes.tolist() == [[1], [0]]


def test_pickle_and_astype():
    table = EncodedTable(**EXAMPLE)
    for other in (pickle.loads(pickle.dumps(table)), table.astype("float64")):
        assert other.layout == table.layout
        np.testing.assert_array_equal(other.to_dense(), table.to_dense())
    assert table.astype("float64").dtype == np.float64 and table.astype(np.float32) is table


def test_four_bytes_a_cell():
    n = 1000
    table = EncodedTable(np.zeros((n, 3)), np.zeros((n, 5)), 64, 1.0, np.zeros((n, 7), int), 500)
    assert table.nbytes == 4 * n * 15


def test_repr():
    text = "<EncodedTable of 3 rows: 2 numbers, 2 positions, 1 codes; 8 inputs, float32>"
    assert repr(EncodedTable(**EXAMPLE)) == text


WRONG = {
    TypeError: [
        ({"numbers": [["a", "b"]] * 3}, "numbers must hold numbers"),
        ({"codes": [[0.0], [1.0], [1.0]]}, "codes must hold integers, got float64"),
        ({"codes": [["a"], ["b"], ["c"]]}, "codes must hold integers"),
    ],
    ValueError: [
        (dict.fromkeys(EXAMPLE), "at least one of numbers, positions and codes"),
        ({"numbers": [1.0, 2.0, 3.0]}, "numbers must have 2 dimensions"),
        ({"numbers": [[1.0, 2.0]]}, "positions has 3 rows, but numbers has 1"),
        ({"numbers": None, "codes": [[0]]}, "codes has 1 row, but positions has 3"),
        ({"numbers": [[1.0, np.nan]] * 3}, r"numbers holds NaN .*row 0, column 1"),
        ({"positions": [[0, 0], [1, np.inf], [2, 0]]}, r"positions .*row 1, column 1"),
        ({"positions": [[0, 0], [1, -0.1], [2, 0]]}, r"positions holds -0.1.* row 1"),
        ({"positions": [[0, 0], [1, 1], [3.1, 0]]}, "from 0 to n_bins = 3"),
        ({"codes": [[0], [2], [1]]}, "codes holds 2 in row 1, column 0.*n_categories - 1"),
        ({"codes": [[0], [-2], [1]]}, "codes holds -2 in row 1"),
        ({"codes": [[2**40], [0], [1]]}, "codes holds 1099511627776 in row 0"),
        ({"codes": [0, 1, 0]}, "codes must have 2 dimensions"),
        ({"n_bins": None}, "positions needs n_bins"),
        ({"n_bins": (3,)}, "n_bins lists 1 numbers for 2 columns of positions"),
        ({"n_bins": (3, 0)}, r"n_bins\[1\] must be a whole number of at least 1"),
        ({"n_bins": 1.5}, "n_bins must be an int or a sequence of int"),
        ({"n_categories": None}, "codes needs n_categories"),
        ({"n_categories": "ab"}, "n_categories lists 2"),
        ({"n_categories": 2**31}, "at most"),
        ({"position_scale": (1.0, 2.0, 3.0)}, "position_scale lists 3 numbers"),
        ({"position_scale": np.nan}, "position_scale must be a finite number, got nan"),
        ({"code_scale": "x"}, "code_scale must be a number"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64'"),
    ],
}
WRONG = [(*row, error) for error, rows in WRONG.items() for row in rows]


@pytest.mark.parametrize(("changes", "message", "error"), WRONG)
def test_wrong_arguments(changes, error, message):
    with pytest.raises(error, match=message):
        EncodedTable(**EXAMPLE | changes)


def test_a_table_is_no_array():
    table = EncodedTable(**EXAMPLE)
    with pytest.raises(TypeError, match="to_dense"):
        np.asarray(table)
    with pytest.raises(TypeError, match="not iterable"):
        list(table)
    with pytest.raises(TypeError, match="to_dense"):
        MLP([2, 1]).fit(np.ones((3, 2)), table)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_outputs_of_few_rows(rows):
    table = EncodedTable(**EXAMPLE)
    net = MLP([8, 5, 2], rng=0)
    outputs = net.forward(table[:rows])
    assert outputs.shape == (rows, 2)
    np.testing.assert_allclose(outputs, net.forward(table.to_dense()[:rows]), rtol=1e-5, atol=1e-6)


ZEROS = np.zeros(3)


def validated(net, validation_data):
    net.fit(np.zeros((3, net.layer_sizes[0])), ZEROS, validation_data=validation_data)


CALLS = {
    "forward": lambda net, table: net.forward(table),
    "call": lambda net, table: net(table),
    "fit_many": lambda net, table: fastnn.fit_many([net], table, ZEROS),
    "forward_many": lambda net, table: fastnn.forward_many([net], table),
    "validation_data": lambda net, table: validated(net, (table, ZEROS)),
}
for name in ("loss", "loss_and_grad", "fit", "partial_fit"):
    CALLS[name] = lambda net, table, name=name: getattr(net, name)(table, ZEROS)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_networks_refuse_other_tables(call):
    table = EncodedTable(**EXAMPLE)
    with pytest.raises(ValueError, match="EncodedTable of 8 inputs, but the network expects 9"):
        call(MLP([9, 1]), table)
    with pytest.raises(ValueError, match=r"Pass X\.astype"):
        call(MLP([8, 1], dtype="float64"), table)


def test_the_inputs_of_training_and_validation_are_of_one_kind():
    table, y = EncodedTable(**EXAMPLE), np.zeros(3)
    other = EncodedTable(**EXAMPLE | {"n_bins": (2, 2), "positions": np.ones((3, 2))})
    dense = table.to_dense()
    for X, X_val in ((table, dense), (dense, table), (table, other)):
        with pytest.raises(ValueError, match="validation_data"):
            MLP([8, 1]).fit(X, y, validation_data=(X_val, y))
        with pytest.raises(ValueError, match="validation_data"):
            fastnn.fit_many([MLP([8, 1])], X, y, validation_data=(X_val, y))


def test_no_gradient_of_the_inputs():
    with pytest.raises(ValueError, match="keep=True needs an array"):
        MLP([8, 1]).forward(EncodedTable(**EXAMPLE), keep=True)


def test_no_rows():
    table = EncodedTable(**EXAMPLE)
    assert len(table[[]]) == len(table[:0]) == 0
    assert EncodedTable(positions=np.empty((0, 2)), n_bins=3).to_dense().shape == (0, 6)
    with pytest.raises(ValueError, match="X has no rows"):
        MLP([8, 1]).fit(table[:0], [])
