"""Which shapes matter where (Numba): short lists, so that a ray tests ten shapes instead of a hundred.

The picture is cut into tiles. A list may hold too many shapes, never too few: nothing here changes a picture.
"""

import math

import numpy as np
from numba import njit

from .primitives import AROUND, GLOW, JIT, KIND, LEADER, LEAST, MIDDLE, PLANE, RADIUS

TILE = 10  # pixels
NEAREST = 1e-3  # metres ahead of the camera; nothing nearer is seen
SMALL = 3.0  # metres; larger shapes take no ambient light from their surroundings


@njit(**JIT)
def outline(shapes, p, view, height, width):
    """Pixels (top, bottom, left, right), ends exclusive, outside which a shape cannot be seen, and its least depth.

    From the corners of the cube around it; where one lies behind the camera, the whole picture.
    """
    if shapes[p, KIND] == PLANE:
        return 0, height, 0, width, NEAREST
    centre, sides = view.basis @ (shapes[p, MIDDLE : MIDDLE + 3] - view.position), np.zeros((3, 3))
    for k in range(3):  # half the cube's edges: the columns of the inverse matrix
        edge = shapes[p, AROUND + 3 * k : AROUND + 3 * k + 3]
        sides[k] = view.basis @ (edge / (edge * edge).sum())
    low, high = np.full(3, 1e30), np.full(3, -1e30)  # x / z, y / z, z
    for corner in range(8):
        x, y, z = centre[0], centre[1], centre[2]
        for k in range(3):
            sign = 1.0 if corner >> k & 1 else -1.0
            x, y, z = x + sign * sides[k, 0], y + sign * sides[k, 1], z + sign * sides[k, 2]
        ahead = max(z, NEAREST)
        low[0], low[1], low[2] = min(low[0], x / ahead), min(low[1], y / ahead), min(low[2], z)
        high[0], high[1], high[2] = max(high[0], x / ahead), max(high[1], y / ahead), max(high[2], z)
    if high[2] <= NEAREST:
        return 0, 0, 0, 0, NEAREST
    if low[2] <= NEAREST:
        return 0, height, 0, width, NEAREST
    left, right = (low[0] / view.tan_x + 1) * width / 2 - 1, (high[0] / view.tan_x + 1) * width / 2 + 1
    top, bottom = (1 - high[1] / view.tan_y) * height / 2 - 1, (1 - low[1] / view.tan_y) * height / 2 + 1
    top, bottom, left, right = max(top, 0.0), min(bottom, height + 0.0), max(left, 0.0), min(right, width + 0.0)
    return int(top), int(bottom), int(left), int(right), low[2]


@njit(**JIT)
def seen_in_tiles(shapes, view, height, width):
    """Which shapes each tile may show; their column LEAST is filled.

    -> lists (tiles down, tiles across, P), in the order of LEAST, and their lengths (tiles down, tiles across)
    """
    down, across, rows = math.ceil(height / TILE), math.ceil(width / TILE), len(shapes)
    lists, counts = np.zeros((down, across, rows), np.int32), np.zeros((down, across), np.int32)
    edges = np.zeros((rows, 4), np.int32)
    for p in range(rows):
        if shapes[p, LEADER] == p:
            top, bottom, left, right, least = outline(shapes, p, view, height, width)
            edges[p, 0], edges[p, 1], edges[p, 2], edges[p, 3], shapes[p, LEAST] = top, bottom, left, right, least
    for p in np.argsort(shapes[:, LEAST]):
        top, bottom, left, right = edges[p]
        if bottom > top and right > left:
            for i in range(top // TILE, (bottom - 1) // TILE + 1):
                for j in range(left // TILE, (right - 1) // TILE + 1):
                    lists[i, j, counts[i, j]] = p
                    counts[i, j] += 1
    return lists, counts


@njit(**JIT)
def may_shade(shapes, p, low, high, at, power):
    """May the shape of row p lie between a point of the box low..high (3,) and the light?

    Not if, along an axis of the cube around it, all these points and the light lie beyond one and the same side.
    """
    if shapes[p, KIND] == PLANE or shapes[p, GLOW] > 0:
        return False
    for k in range(3):
        middle, extent, lamp = 0.0, 0.0, 0.0
        for c in range(3):
            m, own = shapes[p, AROUND + 3 * k + c], shapes[p, MIDDLE + c]
            middle += m * (0.5 * (low[c] + high[c]) - own)
            extent += abs(m) * 0.5 * (high[c] - low[c])
            lamp += m * (at[c] - own) if power > 0 else 1e30 * m * at[c]  # a sun is infinitely far
        if min(middle - extent, lamp) > 1 or max(middle + extent, lamp) < -1:
            return False
    return True


@njit(**JIT)
def may_dim(shapes, p, low, high):
    """Is a shape small, and near enough to some point of the box low..high (3,) to take ambient light from it?"""
    if shapes[p, KIND] == PLANE or shapes[p, GLOW] > 0 or shapes[p, RADIUS] >= SMALL:
        return False
    distance2 = 0.0
    for c in range(3):
        gap = max(low[c] - shapes[p, MIDDLE + c], 0.0, shapes[p, MIDDLE + c] - high[c])
        distance2 += gap * gap
    return distance2 < 16 * shapes[p, RADIUS] ** 2


@njit(**JIT)
def shadow_lists(shapes, everything, low, high, at, power):
    """Rows of the shapes that may shade, and of those that may dim, points of the box low..high (3,)."""
    shading, dimming = np.empty_like(everything), np.empty_like(everything)
    m = n = 0
    for p in everything:
        if may_shade(shapes, p, low, high, at, power):
            shading[m] = p
            m += 1
        if may_dim(shapes, p, low, high):
            dimming[n] = p
            n += 1
    return shading[:m], dimming[:n]
