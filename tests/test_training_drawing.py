"""Landscapes drawn on paper: where the ink lies."""

from random import Random

import numpy as np
import pytest

from training.drawing import draw, outlines
from training.things import GROUND, SKY


def plain_and_tower(size=48):
    """A level plain under a sky, and a tower on it -> depth, label."""
    row = np.arange(size)[:, None] - size // 2
    depth = np.broadcast_to(np.where(row > 0, 100.0 / np.maximum(row, 1), np.inf), (size, size)).astype(np.float32)
    depth = depth.copy()
    depth[10:30, 20:28] = 15.0
    return depth, np.where(np.isinf(depth), SKY, GROUND).astype(np.uint8)


def test_outlines_surround_things_and_leave_a_plain_empty():
    edge = outlines(*plain_and_tower())
    assert edge[10:24, 19:21].any(1).all()
    assert edge[15, 22:26].max() == 0
    assert edge[35:, :].max() == 0


@pytest.mark.parametrize("seed", range(8))
def test_the_sky_is_nearly_bare_paper(seed):
    depth, label = plain_and_tower()
    picture = draw(Random(seed), np.full((48, 48, 3), 60, np.uint8), depth, label).astype(float)
    again = draw(Random(seed), np.full((48, 48, 3), 60, np.uint8), depth, label)
    assert np.array_equal(picture, again)
    assert np.ptp(picture[:8].mean((0, 2))) < 40  # uneven paper and grain, no ink


def test_a_picture_of_nothing_but_sky_stays():
    rgb = np.full((16, 16, 3), 99, np.uint8)
    assert draw(Random(0), rgb, np.full((16, 16), np.inf, np.float32), np.full((16, 16), SKY, np.uint8)) is rgb
