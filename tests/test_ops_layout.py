"""The NumPy moves that are more than a reshape against loops: windows, rolled, padded and merged maps, added tokens."""

import numpy as np
import pytest
from checks import arrays, check

from minidpt.ops import layout

MOVES = [
    (layout.windows, (2, 4, 6, 3), [(2, 3)]),
    (layout.windows, (1, 6, 3, 2), [(2, 3)]),
    (layout.windows, (2, 2, 3, 2), [(1, 1)]),
    (layout.windows, (2, 2, 3, 2), [(2, 3)]),
    (layout.from_windows, (8, 6, 3), [(2, 3), (4, 6)]),
    (layout.from_windows, (6, 2, 1), [(2, 1), (2, 3)]),
    (layout.roll_map, (2, 4, 5, 3), [1, -2]),
    (layout.roll_map, (1, 3, 2, 2), [-4, 0]),
    (layout.pad_map, (2, 2, 3, 2), [1, 2]),
    (layout.pad_map, (2, 2, 3, 2), [0, 0]),
    (layout.crop_map, (2, 4, 5, 3), [(3, 2)]),
    (layout.crop_map, (2, 4, 5, 3), [(4, 5)]),
    (layout.merge_pixels, (2, 4, 6, 3), []),
    (layout.merge_pixels, (2, 3, 5, 2), []),
    (layout.merge_pixels, (1, 1, 2, 1), []),
    (layout.mean_token, (2, 5, 3), []),
    (layout.mean_token, (2, 1, 3), []),
]


@pytest.mark.parametrize(("op", "shape", "rest"), MOVES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_moves_equal_loops(op, shape, rest):
    check(op, *arrays(shape), *rest)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_prepend_token_puts_any_number_of_tokens_first(count):
    check(layout.prepend_token, *arrays((1, count, 4), (3, 2, 4)))


@pytest.mark.parametrize(("size", "map_size"), [((2, 3), (4, 9)), ((1, 1), (3, 2)), ((5, 2), (5, 2))], ids=str)
def test_from_windows_undoes_windows(size, map_size):
    (x,) = arrays((3, *map_size, 2))
    assert np.array_equal(layout.from_windows(layout.windows(x, size), size, map_size), x)


def test_rolling_back_undoes_rolling():
    (x,) = arrays((2, 3, 5, 2))
    assert np.array_equal(layout.roll_map(layout.roll_map(x, 2, -3), -2, 3), x)
