"""A small ray-caster (Numba): a table of primitives in; linear colour, depth and class out.

One ray per pixel, and three more where its neighbour sees something else: thin things would come and go otherwise.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from .light import HORIZON, LIFT, colour_seen, describe, sky
from .primitives import BLOB, CLASS, CUT, JIT, KIND, LEADER, RING
from .rays import first_hit, prepare
from .tiles import NEAREST, TILE, seen_in_tiles, shadow_lists

SAMPLES = ((0.5, 0.5), (0.2, 0.15), (0.85, 0.4), (0.4, 0.85))  # (y, x) within a pixel: of the first ray and the others
STEP = 0.05  # relative difference in depth between neighbours that makes an edge within one uneven shape


class View(NamedTuple):
    position: np.ndarray  # (3,) metres
    basis: np.ndarray  # (3, 3) rows right, up, ahead
    tan_x: float  # tangent of half the horizontal field of view
    tan_y: float


@njit(**JIT)
def ray(view, y, x):
    """Direction (x, y, z) of the ray through a point of the picture, y and x 0..1. Its step ahead is 1: t is depth."""
    a, b = (2 * x - 1) * view.tan_x, (1 - 2 * y) * view.tan_y
    return (
        view.basis[0, 0] * a + view.basis[1, 0] * b + view.basis[2, 0],
        view.basis[0, 1] * a + view.basis[1, 1] * b + view.basis[2, 1],
        view.basis[0, 2] * a + view.basis[1, 2] * b + view.basis[2, 2],
    )


@njit(**JIT)
def is_edge(shapes, index, depth, i, j):
    """Does pixel i, j see another shape than its left or upper neighbour, or a step within an uneven one?"""
    p = index[i, j]
    for a, b in ((max(i - 1, 0), j), (i, max(j - 1, 0))):
        q = index[a, b]
        if p != q and (p < 0 or q < 0 or shapes[p, LEADER] != shapes[q, LEADER]):
            return True
        uneven = p >= 0 and (shapes[p, CUT] > 0 or shapes[p, KIND] == BLOB or shapes[p, KIND] == RING)
        if uneven and abs(depth[i, j] - depth[a, b]) > STEP * depth[i, j]:
            return True
    return False


@njit(**JIT)
def second_least(values):
    """Index of the second least number: of four depths one of the majority's, and between two and two the nearer's."""
    least, second = (0, 1) if values[0] <= values[1] else (1, 0)
    for k in range(2, len(values)):
        if values[k] < values[least]:
            least, second = k, least
        elif values[k] < values[second]:
            second = k
    return second


@njit(**JIT)
def trace_tile(shapes, listed, view, fine, area, smooth, counts, rays, rows, depth, index):
    """Send the rays of one tile.

    listed: rows of the shapes that it may show; area: its top, bottom, left, right; smooth: more rays at edges
    Filled: counts (pixels,) of rays; rays (pixels, S, 4) directions and t; rows (pixels, S) that they meet, -1 for sky;
    depth and index (height, width) of each pixel's first ray
    -> low, high (3,) corners of a box around all points met, a little off their surfaces
    """
    height, width = depth.shape
    low, high = np.full(3, 1e30), np.full(3, -1e30)
    ox, oy, oz, k = view.position[0], view.position[1], view.position[2], 0
    for i in range(area[0], area[1]):
        for j in range(area[2], area[3]):
            counts[k], s = 1, 0
            while s < counts[k]:
                dx, dy, dz = ray(view, (i + SAMPLES[s][0]) / height, (j + SAMPLES[s][1]) / width)
                t, p = first_hit(shapes, listed, True, ox, oy, oz, dx, dy, dz, NEAREST, HORIZON, fine)
                rays[k, s, 0], rays[k, s, 1], rays[k, s, 2], rays[k, s, 3], rows[k, s] = dx, dy, dz, t, p
                if p >= 0:
                    x, y, z, lift = ox + t * dx, oy + t * dy, oz + t * dz, LIFT * (t + 1)
                    low[0], low[1], low[2] = min(low[0], x - lift), min(low[1], y - lift), min(low[2], z - lift)
                    high[0], high[1], high[2] = max(high[0], x + lift), max(high[1], y + lift), max(high[2], z + lift)
                if s == 0:
                    depth[i, j], index[i, j] = t, p
                    if smooth and is_edge(shapes, index, depth, i, j):
                        counts[k] = len(SAMPLES)
                s += 1
            k += 1
    return low, high


@njit(**JIT)
def mean_colour(shapes, everything, shading, dimming, poster, world, position, count, rays, rows, k):
    """Mean linear colour (r, g, b) of the `count` rays of pixel k: each primitive is shaded once, where first met.

    Lists of rows as in light.shade(); rays, rows: as in trace_tile
    """
    red = green = blue = 0.0
    for s in range(count):
        share, known = 0.0, False
        for other in range(count):
            if rows[k, other] == rows[k, s]:
                share += 1 / count
                known = known or other < s
        if known:
            continue
        dx, dy, dz, t, p = rays[k, s, 0], rays[k, s, 1], rays[k, s, 2], rays[k, s, 3], rows[k, s]
        if p < 0:
            r, g, b = sky(world, dx, dy, dz)
        else:
            ox, oy, oz = position[0], position[1], position[2]
            r, g, b = colour_seen(shapes, everything, shading, dimming, poster, world, p, ox, oy, oz, dx, dy, dz, t)
        red, green, blue = red + share * r, green + share * g, blue + share * b
    return red, green, blue


@njit(**JIT)
def cast(table, view, light, air, poster, height, width, smooth=True):
    """Ray-cast one picture.

    table: (P, COLUMNS) primitives; poster: (h, w, 3) linear colours; smooth: more rays at edges
    -> colour (height, width, 3) float32 linear, depth (height, width) float32 metres along the optical axis (sky inf),
       label (height, width) uint8, hit (height, width) int32 row of the table (sky -1)

    At an edge the colour is the rays' mean, but depth, label and hit are those of one ray: nothing lies between two.
    """
    shapes = prepare(table)
    everything = np.flatnonzero(shapes[:, LEADER] == np.arange(len(table))).astype(np.int32)
    world = describe(light, air, 2 * view.tan_x / width)
    seen, seen_counts = seen_in_tiles(shapes, view, height, width)
    colour, depth = np.zeros((height, width, 3), np.float32), np.zeros((height, width))
    index, label = np.full((height, width), -1, np.int32), np.zeros((height, width), np.uint8)
    counts, rays = np.zeros(TILE * TILE, np.int32), np.zeros((TILE * TILE, len(SAMPLES), 4))
    rows = np.zeros((TILE * TILE, len(SAMPLES)), np.int32)
    for a in range(seen.shape[0]):
        for b in range(seen.shape[1]):
            listed = seen[a, b, : seen_counts[a, b]]
            area = (a * TILE, min((a + 1) * TILE, height), b * TILE, min((b + 1) * TILE, width))
            low, high = trace_tile(shapes, listed, view, world.fine, area, smooth, counts, rays, rows, depth, index)
            shading, dimming = shadow_lists(shapes, everything, low, high, world.at, world.power)
            k = 0
            for i in range(area[0], area[1]):
                for j in range(area[2], area[3]):
                    colour[i, j, 0], colour[i, j, 1], colour[i, j, 2] = mean_colour(
                        shapes, everything, shading, dimming, poster, world, view.position, counts[k], rays, rows, k
                    )
                    if counts[k] > 1:
                        s = second_least(rays[k, :, 3])
                        depth[i, j], index[i, j] = rays[k, s, 3], rows[k, s]
                    if index[i, j] >= 0:
                        label[i, j] = int(table[index[i, j], CLASS])
                    k += 1
    return colour, np.where(index < 0, np.inf, depth).astype(np.float32), label, index
