"""Rounds of the parts of a network, and the blocks of rows that they train on."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastnn.distributed import partitions
from fastnn.distributed.partitions import mixing
from fastnn.distributed.rounds import RoundsData

N_OF_KEY = np.array([[280, 30], [360, 5], [0, 7], [160, 1]])  # of four blocks, by key


def rounds(batch_size, epoch, seed=None):
    rows = SimpleNamespace(n_of_key=N_OF_KEY, n_parts=2, sync_every=4)
    data = RoundsData(rows, np.array([True, False]), None, None)
    assert len(data) == data.n_rows == 800
    return [tuple(each) for each in data.rounds(batch_size, epoch, seed)]


def test_a_round_takes_the_same_share_of_each_block():
    """Forty rows of the largest block in a step, and one, two and then four steps in a round."""
    last = [([(2, 0, 0), (3, 0, 160)], 4, 800)]
    assert rounds(80, epoch=0) == [
        *[([(0, 0, 31), (1, 0, 40)], 1, 71), ([(0, 31, 93), (1, 40, 120)], 2, 213)],
        *[([(0, 93, 217), (1, 120, 280)], 4, 497), ([(0, 217, 280), (1, 280, 360)], 2, 640)],
        *last,
    ]
    first = [([(0, 0, 124), (1, 0, 160)], 4, 284), ([(0, 124, 280), (1, 160, 360)], 5, 640)]
    assert rounds(80, epoch=1) == first + last
    assert sum(n_steps for _, n_steps, _ in rounds(20, 1)) == 18 + 8  # of 20 rows, not of 10
    seed = next(s for s in range(9) if np.random.default_rng([s, 1]).permutation(2)[0] == 1)
    assert [spans[0][0] for spans, *_ in rounds(80, 1, seed)] == [2, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "n_pieces", "n_groups"),
    [
        *[((16, 2, 0), 2, 1), ((17, 2, 0), 2, 2), ((1, 2, 20 * 65_536), 20, 1)],
        *[((17, 2, 20 * 65_536), 10, 2), ((1, 3, 10**9), 63, 1), ((1, 100, 10**9), 100, 1)],
    ],
)
def test_blocks_mix_the_rows_of_distant_partitions(arguments, n_pieces, n_groups):
    groups = [list(range(g, arguments[0], n_groups)) for g in range(n_groups)]
    found = mixing(*arguments)
    assert (found[0], [*map(list, found[1])]) == (n_pieces, groups)


def test_the_block_of_a_row_depends_on_its_number_alone():
    def pieces(numbers):
        return partitions.pieces_of({"y": numbers * 1.0, "key": numbers % 3}, numbers, 4)

    numbers = np.arange(1000, 1400)
    whole, halves = pieces(numbers), zip(pieces(numbers[:150]), pieces(numbers[150:]))
    assert sorted(y for piece in whole for y in piece["y"]) == numbers.tolist()
    for piece, parts in zip(whole, halves, strict=True):
        assert 70 < len(piece["y"]) < 130
        np.testing.assert_array_equal(piece["y"], np.concatenate([part["y"] for part in parts]))
    blocks = [partitions.join_pieces([{}, *whole], i) for i in range(2)]
    first, second = (block.read() for block in blocks)
    for each in first, second:
        assert sorted(each["y"]) == numbers.tolist() and (each["key"] == each["y"] % 3).all()
    assert (first["y"] != second["y"]).any() and (np.diff(first["y"]) < 0).any()
    assert partitions.count_keys(blocks[0], 5).tolist() == [133, 134, 133, 0, 0]
    empty = partitions.join_pieces([{}], 0)
    assert len(empty.read()["y"]) == 0 and partitions.count_keys(empty, 2).tolist() == [0, 0]
