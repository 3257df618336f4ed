"""Shallow focus: a point out of focus becomes a disc, and what is near hides what is far (Numba)."""

import math

import numpy as np
from numba import njit

from .primitives import JIT

SAMPLES = 48
GOLDEN = 2.399963  # radians between neighbours on a sunflower's disc
WIDEST = 0.07  # of the picture's width: no disc's radius is larger


@njit(**JIT)
def radius_of(depth, focus, aperture):
    """Radius of a point's disc as a share of the picture's width: aperture |focus / depth - 1|."""
    return min(WIDEST, aperture * abs(focus / max(depth, 0.05) - 1.0))


@njit(**JIT)
def defocus(linear, depth, focus, aperture):
    """linear (H, W, 3), depth (H, W) metres, aperture: a far point's radius as a share of the width -> (H, W, 3)."""
    height, width = depth.shape
    out = np.zeros_like(linear)
    reach = min(WIDEST, aperture * max(1.0, focus / max(depth.min(), 0.05) - 1.0)) * width + 0.5
    for i in range(height):
        for j in range(width):
            own = radius_of(depth[i, j], focus, aperture) * width
            total = 1.0 / (own * own + 0.5)
            r, g, b = linear[i, j, 0] * total, linear[i, j, 1] * total, linear[i, j, 2] * total
            for k in range(1, SAMPLES):
                away = reach * math.sqrt(k / SAMPLES)
                y = min(height - 1, max(0, int(i + 0.5 + away * math.sin(GOLDEN * k))))
                x = min(width - 1, max(0, int(j + 0.5 + away * math.cos(GOLDEN * k))))
                disc = radius_of(depth[y, x], focus, aperture) * width
                if depth[y, x] > depth[i, j] * 1.03:
                    disc = min(disc, own)  # what lies behind does not spill over what is sharp before it
                share = min(1.0, max(0.0, disc - away + 1.0)) / (disc * disc + 0.5)
                total += share
                r, g, b = r + share * linear[y, x, 0], g + share * linear[y, x, 1], b + share * linear[y, x, 2]
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = r / total, g / total, b / total
    return out
