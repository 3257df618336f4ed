"""What a ray meets first, among a few of the shapes in the table (Numba).

Everything about the shapes lies in one array (P, WIDTH): first the table, then what prepare() computes from it once a
picture. It is one array because every further one in these signatures costs time on every ray. Blobs of one group are
one shape, which goes by the row of the first; the other rows stand in no list.

    MATRIX (9) world to unit | AROUND (9) world to the unit cube around the shape | MIDDLE x y z of that cube and of the
    ball around the shape | RADIUS of that ball | LEADER: the group's first row, else this one | AFTER: the group's next
    row, or -1 | LEAST: no ray from the camera meets the shape before that depth | PARABOLA (3) workspace of hit_blobs
"""

import math

import numpy as np
from numba import njit

from .blobs import REACH, hit_blobs
from .primitives import (
    AFTER,
    AROUND,
    BALL,
    BLOB,
    BOX,
    CENTRE,
    COLUMNS,
    CUT,
    GROUP,
    HALF,
    JIT,
    KIND,
    LEADER,
    LEAST,
    MATRIX,
    MIDDLE,
    PLANE,
    RADIUS,
    ROOF,
    WIDTH,
    cross,
    place,
    surface,
    to_unit,
)
from .textures import is_hole


@njit(**JIT)
def prepare(table):
    """The table (P, COLUMNS) with what is computed from it: (P, WIDTH). LEAST is left at 0."""
    count, shapes = len(table), np.zeros((len(table), WIDTH))
    shapes[:, :COLUMNS] = table
    matrices = place(table).reshape(count, 9)
    shapes[:, MATRIX : MATRIX + 9], shapes[:, AROUND : AROUND + 9] = matrices, matrices
    shapes[:, MIDDLE : MIDDLE + 3], shapes[:, AFTER] = table[:, CENTRE : CENTRE + 3], -1
    for p in range(count):
        half, kind = table[p, HALF : HALF + 3], table[p, KIND]
        across = math.sqrt(half[0] ** 2 + half[2] ** 2) if kind in (BOX, ROOF) else max(half[0], half[2])
        shapes[p, RADIUS] = half.max() if kind in (BALL, BLOB) else math.sqrt(across**2 + half[1] ** 2)
        shapes[p, LEADER] = p
        if kind == BLOB and table[p, GROUP] > 0:
            for q in range(p - 1, -1, -1):
                if table[q, KIND] == BLOB and table[q, GROUP] == table[p, GROUP]:
                    shapes[p, LEADER], shapes[q, AFTER] = shapes[q, LEADER], p
                    break
    for p in range(count):
        if shapes[p, LEADER] == p and shapes[p, AFTER] >= 0:
            enclose_group(shapes, p)
    return shapes


@njit(**JIT)
def enclose_group(shapes, leader):
    """Write the ball around a group of blobs, and the cube around that, into its leader's row."""
    centre, weight, q = np.zeros(3), 0, leader
    while q >= 0:
        centre += shapes[q, CENTRE : CENTRE + 3]
        weight += 1
        q = int(shapes[q, AFTER])
    centre, radius, q = centre / weight, 0.0, leader
    while q >= 0:
        away = shapes[q, CENTRE : CENTRE + 3] - centre
        radius = max(radius, math.sqrt((away * away).sum()) + math.sqrt(REACH) * shapes[q, HALF : HALF + 3].max())
        q = int(shapes[q, AFTER])
    shapes[leader, MIDDLE : MIDDLE + 3], shapes[leader, RADIUS], shapes[leader, AROUND : AROUND + 9] = centre, radius, 0
    for k in range(3):
        shapes[leader, AROUND + 4 * k] = 1 / radius


@njit(**JIT)
def passes(ex, ey, ez, radius, dx, dy, dz, length2):
    """Does the ray along d, of squared length length2, pass by the ball of that radius whose centre is e away?"""
    along, outside = ex * dx + ey * dy + ez * dz, ex * ex + ey * ey + ez * ez - radius * radius
    return (outside > 0 and along < 0) or along * along < length2 * outside


@njit(**JIT)
def is_open(shapes, p, x, y, z, pixel):
    """Is there a hole at the point x, y, z of the unit primitive in row p? pixel: its size there, metres."""
    _, _, _, u, v = surface(shapes, p, x, y, z)
    return is_hole(shapes, p, x * shapes[p, HALF], y * shapes[p, HALF + 1], z * shapes[p, HALF + 2], u, v, pixel)


@njit(**JIT)
def meet_blobs(shapes, p, ox, oy, oz, dx, dy, dz, start, stop, pixel):
    """As meet(), for the group of blobs that row p leads. Through its holes one sees nothing more of it."""
    t, row = hit_blobs(shapes, p, ox, oy, oz, dx, dy, dz, start, stop)
    if row < 0 or shapes[row, CUT] == 0:
        return t, row
    cx, cy, cz = shapes[row, CENTRE], shapes[row, CENTRE + 1], shapes[row, CENTRE + 2]
    x, y, z = to_unit(shapes, row, ox + t * dx - cx, oy + t * dy - cy, oz + t * dz - cz)
    return (stop, -1) if is_open(shapes, row, x, y, z, pixel * t) else (t, row)


@njit(**JIT)
def meet(shapes, p, ox, oy, oz, dx, dy, dz, start, stop, pixel):
    """Where the ray o + t d meets the shape of row p between start and stop: (t, row), or (any, -1).

    pixel: width of a pixel at t = 1; holes finer than that are not looked for
    """
    if shapes[p, KIND] == BLOB:
        return meet_blobs(shapes, p, ox, oy, oz, dx, dy, dz, start, stop, pixel)
    px, py, pz = to_unit(shapes, p, ox - shapes[p, CENTRE], oy - shapes[p, CENTRE + 1], oz - shapes[p, CENTRE + 2])
    qx, qy, qz = to_unit(shapes, p, dx, dy, dz)
    tube = shapes[p, HALF + 1] / shapes[p, HALF]
    t, leave = cross(int(shapes[p, KIND]), tube, px, py, pz, qx, qy, qz, start)
    if t >= leave:
        return t, -1
    if shapes[p, CUT] > 0 and (t <= start or is_open(shapes, p, px + t * qx, py + t * qy, pz + t * qz, pixel * t)):
        t = leave  # through the hole one sees the far side
        if t < stop and is_open(shapes, p, px + t * qx, py + t * qy, pz + t * qz, pixel * t):
            return t, -1
    return t, (p if start < t < stop else -1)


@njit(**JIT)
def first_hit(shapes, listed, ordered, ox, oy, oz, dx, dy, dz, start, stop, pixel):
    """The first of the listed shapes along a ray: (t, row), or (stop, -1).

    ordered: the ray comes from the camera, and the list is in the order of LEAST
    """
    length2, row = dx * dx + dy * dy + dz * dz, -1
    for k in range(len(listed)):
        p = listed[k]
        if ordered and shapes[p, LEAST] >= stop:
            break
        ex, ey, ez = shapes[p, MIDDLE] - ox, shapes[p, MIDDLE + 1] - oy, shapes[p, MIDDLE + 2] - oz
        if shapes[p, KIND] != PLANE and passes(ex, ey, ez, shapes[p, RADIUS], dx, dy, dz, length2):
            continue
        t, q = meet(shapes, p, ox, oy, oz, dx, dy, dz, start, stop, pixel)
        if q >= 0:
            stop, row = t, q
    return stop, row


@njit(**JIT)
def blocked(shapes, listed, ox, oy, oz, dx, dy, dz, stop):
    """Does one of the listed shapes lie on the ray before t = stop? It moves to the front of the list."""
    length2 = dx * dx + dy * dy + dz * dz
    for k in range(len(listed)):
        p = listed[k]
        ex, ey, ez = shapes[p, MIDDLE] - ox, shapes[p, MIDDLE + 1] - oy, shapes[p, MIDDLE + 2] - oz
        if passes(ex, ey, ez, shapes[p, RADIUS], dx, dy, dz, length2):
            continue
        if meet(shapes, p, ox, oy, oz, dx, dy, dz, 0.0, stop, 0.0)[1] >= 0:
            listed[k], listed[0] = listed[0], p  # the next pixel's ray likely ends there too
            return True
    return False
