"""Balls that melt into each other (Numba): heads, animals, cushions, petals.

Blob i spreads a field f_i = max(0, 2 - r_i^2)^2, r_i the distance from its centre in units of its own half sizes. The
surface of a group is where the sum of the fields is 1: a blob alone is exactly its ball, and two that come near each
other grow together smoothly. Along a ray every r_i^2 is a parabola a t^2 + 2 b t + c, so the field is cheap to follow.
"""

import math

from numba import njit

from .primitives import AFTER, CENTRE, JIT, MISS, PARABOLA, to_unit, to_world

REACH = 2.0  # r^2 where a blob's field ends
MARCH_STEPS, HALVINGS = 12, 12


@njit(**JIT)
def field(shapes, count, t):
    """Sum of the fields of the first `count` parabolas in the workspace at ray parameter t."""
    total = 0.0
    for i in range(count):
        f = REACH - (shapes[i, PARABOLA] * t + 2 * shapes[i, PARABOLA + 1]) * t - shapes[i, PARABOLA + 2]
        if f > 0:
            total += f * f
    return total


@njit(**JIT)
def first_root(shapes, count, low, high, surely):
    """The first t in low..high where the field is 1, or MISS. surely: the field at high is known to be 1 or more."""
    if field(shapes, count, low) >= 1:  # the ray starts inside
        return MISS
    step = (high - low) / MARCH_STEPS
    for k in range(1, MARCH_STEPS + 1):
        t = low + k * step
        if (surely and k == MARCH_STEPS) or field(shapes, count, t) >= 1:
            before = t - step
            for _ in range(HALVINGS):
                middle = 0.5 * (before + t)
                if field(shapes, count, middle) >= 1:
                    t = middle
                else:
                    before = middle
            return t
    return MISS


@njit(**JIT)
def hit_blobs(shapes, leader, ox, oy, oz, dx, dy, dz, start, stop):
    """The first point of a group on the ray o + t d: (t, row of the blob that is strongest there), or (MISS, -1).

    leader: the group's first row; the columns PARABOLA of shapes (P, WIDTH) are the workspace
    """
    first, last, core, count, p = MISS, start, MISS, 0, leader
    while p >= 0:
        px, py, pz = to_unit(shapes, p, ox - shapes[p, CENTRE], oy - shapes[p, CENTRE + 1], oz - shapes[p, CENTRE + 2])
        qx, qy, qz = to_unit(shapes, p, dx, dy, dz)
        a, b, c = qx * qx + qy * qy + qz * qz, px * qx + py * qy + pz * qz, px * px + py * py + pz * pz
        reach = b * b - a * (c - REACH)
        if reach > 0 and math.sqrt(reach) - b > a * start:
            first, last = min(first, (-b - math.sqrt(reach)) / a), max(last, (-b + math.sqrt(reach)) / a)
            shapes[count, PARABOLA], shapes[count, PARABOLA + 1], shapes[count, PARABOLA + 2] = a, b, c
            count += 1
            inside = b * b - a * (c - 1)
            if inside > 0 and -b - math.sqrt(inside) > a * start:  # inside a ball of its own the field is at least 1
                core = min(core, (-b - math.sqrt(inside)) / a)
        p = int(shapes[p, AFTER])
    if count == 0 or first > stop:
        return MISS, -1
    t = core
    if count > 1:
        t = first_root(shapes, count, max(first, start), min(core, last), core <= last)
    if t >= stop:
        return MISS, -1
    return t, strongest(shapes, leader, ox + t * dx, oy + t * dy, oz + t * dz)


@njit(**JIT)
def strongest(shapes, leader, x, y, z):
    """The row of a group whose blob is nearest, in its own half sizes, to the point x, y, z."""
    best, winner, p = MISS, leader, leader
    while p >= 0:
        px, py, pz = to_unit(shapes, p, x - shapes[p, CENTRE], y - shapes[p, CENTRE + 1], z - shapes[p, CENTRE + 2])
        r2 = px * px + py * py + pz * pz
        if r2 < best:
            best, winner = r2, p
        p = int(shapes[p, AFTER])
    return winner


@njit(**JIT)
def blob_normal(shapes, leader, x, y, z):
    """The outward normal, of any length, of a group's surface at the point x, y, z: minus the field's gradient / 4."""
    nx, ny, nz, p = 0.0, 0.0, 0.0, leader
    while p >= 0:
        px, py, pz = to_unit(shapes, p, x - shapes[p, CENTRE], y - shapes[p, CENTRE + 1], z - shapes[p, CENTRE + 2])
        f = max(0.0, REACH - px * px - py * py - pz * pz)
        gx, gy, gz = to_world(shapes, p, px, py, pz)
        nx, ny, nz = nx + f * gx, ny + f * gy, nz + f * gz
        p = int(shapes[p, AFTER])
    return nx, ny, nz
