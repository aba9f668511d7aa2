"""The assertions of checks.py: what passes, and what a failure says."""

import re

import numpy as np
import pytest
from checks import assert_finite, assert_same_bits, assert_within

NAN, OTHER_NAN = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)


def test_same_bits_pass():
    numbers = np.array([[1.5, -0.0, NAN], [0.0, np.inf, 5e-324]])
    assert_same_bits(numbers, numbers.copy())
    assert_same_bits(numbers.T, numbers.T.copy().reshape(-1))
    assert_same_bits(np.zeros((0, 3)), np.zeros((0, 3)))


DIFFERENT = [
    ([1.0, 2.0, 3.5], [1.0, 2.5, 5.0], "2 of 3 numbers differ, most at (2,): "),
    ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [7.0, 4.0]], "most at (1, 0): "),
    ([0.0], [-0.0], "1 of 1 numbers differ"),
    ([NAN], [OTHER_NAN], "1 of 1 numbers differ"),
    ([NAN, 1.0], [NAN, 2.0], "1 of 2 numbers differ, most at (1,): "),
    ([1, 2], [1.0, 2.0], "dtype int64, expected float64"),
    ([1.0, 2.0], [1.0], "shape (2,), expected (1,)"),
]


@pytest.mark.parametrize(("actual", "expected", "message"), DIFFERENT)
def test_different_bits_fail_and_the_message_says_where(actual, expected, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_same_bits(np.array(actual), np.array(expected))


def test_the_message_begins_with_the_case():
    with pytest.raises(AssertionError, match=r"^relu: 1 of 1 .* expected .*7.* \(difference 2\)$"):
        assert_same_bits(np.array([5.0]), np.array([7.0]), "relu")


def test_nested_values_are_compared_and_the_message_has_the_index():
    ones = np.ones(3)
    assert_same_bits((ones, [2.5, np.nan], 7, "a"), (ones.copy(), [2.5, np.nan], 7, "a"))
    for actual in [(ones, [2.5, 1.0]), (ones, [2.5, np.nan, 0.0]), (ones, 7)]:
        with pytest.raises((AssertionError, TypeError), match=r"\[1\]|len"):
            assert_same_bits(actual, (ones, [2.5, np.nan]))


def test_within_bounds():
    exact = np.array([1.0, np.inf, 3.0])
    assert_within(np.array([1.5, np.inf, 2.5]), exact, 0.5)
    with pytest.raises(AssertionError, match=r"1 of 3 numbers are out of bounds, most at \(2,\)"):
        assert_within(np.array([1.5, np.inf, 2.0]), exact, np.array([1.0, 0.0, 0.25]))
    with pytest.raises(AssertionError, match="most at"):
        assert_within(np.array([1.0, np.inf, np.nan]), exact, 0.5)
    with pytest.raises(AssertionError, match="shape"):
        assert_within(exact[:2], exact, 0.5)


def test_numbers_that_are_not_finite_are_reported():
    assert_finite(np.array([1.0, -5e-324]))
    assert_finite(2.5)
    message = r"2 of 4 numbers are not finite, the first at \(0, 1\): nan"
    with pytest.raises(AssertionError, match=message):
        assert_finite([[1.0, np.nan], [np.inf, 2.0]])
