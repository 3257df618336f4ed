"""The table of primitives, and where a ray meets one (Numba).

A primitive is the image of a unit shape (plane, box, ball, ...) under scale and rotation, so one matrix per primitive
turns its ray test into the test of the unit shape. One row of the table, 25 numbers:

    KIND | CENTRE x y z | HALF sizes x y z | TURNS yaw pitch roll | CLASS | TEXTURE | FIRST colour r g b
    | SECOND colour r g b | SCALE of the texture (1/m) | BUMP | GLOW (0: lit by the scene)
    | GLOSS (share of mirror) | CUT (share of the surface that is not there) | SEED | GROUP (0: none; blobs of one melt)

Lengths are metres, angles radians, colours linear 0..1. World axes: x right, y up, z ahead.
"""

import math

import numpy as np
from numba import njit

JIT = {"cache": True, "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"}}  # infinity and NaN stay

PLANE, BOX, BALL, CYLINDER, ROOF, CONE, RING, BLOB = range(8)
KIND, CENTRE, HALF, TURNS, CLASS, TEXTURE, FIRST, SECOND, SCALE, BUMP, GLOW, GLOSS, CUT, SEED, GROUP = (
    (0, 1, 4, 7, 10, 11, 12, 15, 18, 19, 20, 21, 22, 23, 24)  # the column, or the first of three
)  # fmt: skip
COLUMNS = 25
MISS = 1e30  # ray parameter of "no hit"
EDGE = 0.9995  # how near to 1 a unit coordinate must be to lie on a cap


@njit(**JIT)
def place(table):
    """World-to-unit matrices (P, 3, 3), rotation Ry Rx Rz then scale, and bounding radii (P,) of a table (P, COLUMNS)."""
    matrices, radii = np.zeros((len(table), 3, 3)), np.zeros(len(table))
    for p in range(len(table)):
        yaw, pitch, roll = table[p, TURNS], table[p, TURNS + 1], table[p, TURNS + 2]
        cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
        cr, sr = math.cos(roll), math.sin(roll)
        half = table[p, HALF : HALF + 3]
        matrices[p, 0] = np.array([cy * cr + sy * sp * sr, cp * sr, -sy * cr + cy * sp * sr]) / half[0]
        matrices[p, 1] = np.array([-cy * sr + sy * sp * cr, cp * cr, sy * sr + cy * sp * cr]) / half[1]
        matrices[p, 2] = np.array([sy * cp, -sp, cy * cp]) / half[2]
        radii[p] = half.max() if table[p, KIND] in (BALL, BLOB) else math.sqrt((half * half).sum())
    return matrices, radii


@njit(**JIT)
def apply(matrices, p, x, y, z):
    """Matrix p times the vector (x, y, z)."""
    m = matrices[p]
    return (
        m[0, 0] * x + m[0, 1] * y + m[0, 2] * z,
        m[1, 0] * x + m[1, 1] * y + m[1, 2] * z,
        m[2, 0] * x + m[2, 1] * y + m[2, 2] * z,
    )


@njit(**JIT)
def clip_slab(origin, direction, enter, leave):
    """Narrow the interval [enter, leave] of a ray to where one coordinate lies in -1..1."""
    inverse = 1.0 / direction if abs(direction) > 1e-12 else 1e12
    a, b = (-1 - origin) * inverse, (1 - origin) * inverse
    return max(enter, min(a, b)), min(leave, max(a, b))


@njit(**JIT)
def hit(kind, ox, oy, oz, dx, dy, dz, start):
    """Smallest t > start at which the ray o + t d enters the unit primitive, or MISS."""
    kind = (
        CYLINDER if kind == RING else BALL if kind == BLOB else ROOF if kind == CONE else kind
    )  # until they have their own
    if kind == PLANE:
        t = -oy / dy if dy != 0.0 else MISS
        return t if t > start else MISS
    enter, leave = -MISS, MISS
    if kind != BALL:
        enter, leave = clip_slab(oy, dy, enter, leave)
    if kind in (BALL, CYLINDER):
        k = 1.0 if kind == BALL else 0.0  # a cylinder is a ball that does not look at y
        a = dx * dx + dz * dz + k * dy * dy
        b = ox * dx + oz * dz + k * oy * dy
        discriminant = b * b - a * (ox * ox + oz * oz + k * oy * oy - 1.0)
        if discriminant <= 0 or a < 1e-20:
            return MISS
        root = math.sqrt(discriminant)
        enter, leave = max(enter, (-b - root) / a), min(leave, (-b + root) / a)
    else:
        enter, leave = clip_slab(oz, dz, enter, leave)
        if kind == BOX:
            enter, leave = clip_slab(ox, dx, enter, leave)
        else:  # ROOF: the half spaces y + 2 |x| <= 1
            for side in (-2.0, 2.0):
                slope, gap = dy + side * dx, 1 - oy - side * ox
                if slope > 0:
                    leave = min(leave, gap / slope)
                else:
                    enter = max(enter, gap / min(slope, -1e-12))
    return enter if start < enter < leave else MISS


@njit(**JIT)
def passes(ex, ey, ez, radius, dx, dy, dz, length2):
    """Does the ray along d, of squared length length2, pass by the ball of that radius whose centre is e away?

    Numbers only: sharing the callers' whole step, table and all, made rendering six times slower.
    """
    along, outside = ex * dx + ey * dy + ez * dz, ex * ex + ey * ey + ez * ez - radius * radius
    return (outside > 0 and along < 0) or along * along < length2 * outside


@njit(**JIT)
def first_hit(table, matrices, radii, ox, oy, oz, dx, dy, dz, start, stop):
    """The first primitive along a ray: (t, index), or (stop, -1)."""
    length2, index = dx * dx + dy * dy + dz * dz, -1
    for p in range(len(table)):
        kind = int(table[p, KIND])
        ex, ey, ez = table[p, CENTRE] - ox, table[p, CENTRE + 1] - oy, table[p, CENTRE + 2] - oz
        if kind != PLANE and passes(ex, ey, ez, radii[p], dx, dy, dz, length2):  # most do
            continue
        px, py, pz = apply(matrices, p, -ex, -ey, -ez)
        qx, qy, qz = apply(matrices, p, dx, dy, dz)
        t = hit(kind, px, py, pz, qx, qy, qz, start)
        if t < stop:
            stop, index = t, p
    return stop, index


@njit(**JIT)
def blocked(table, matrices, radii, ox, oy, oz, dx, dy, dz, stop):
    """Does anything lie on the ray before t = stop? Planes and glowing things cast no shadow."""
    length2 = dx * dx + dy * dy + dz * dz
    for p in range(len(table)):
        kind = int(table[p, KIND])
        if kind == PLANE or table[p, GLOW] > 0:
            continue
        ex, ey, ez = table[p, CENTRE] - ox, table[p, CENTRE + 1] - oy, table[p, CENTRE + 2] - oz
        if passes(ex, ey, ez, radii[p], dx, dy, dz, length2):
            continue
        px, py, pz = apply(matrices, p, -ex, -ey, -ez)
        qx, qy, qz = apply(matrices, p, dx, dy, dz)
        if hit(kind, px, py, pz, qx, qy, qz, 0.0) < stop:
            return True
    return False


@njit(**JIT)
def surface(row, x, y, z):
    """At the unit primitive's surface point: normal (nx, ny, nz) before scaling, and coordinates u, v in metres."""
    kind, ax, ay, az = int(row[KIND]), abs(x), abs(y), abs(z)
    sx, sy, sz = row[HALF], row[HALF + 1], row[HALF + 2]
    if kind == BALL or (kind == CYLINDER and ay < EDGE):
        return x, (y if kind == BALL else 0.0), z, math.atan2(x, z) * max(sx, sz), y * sy
    if kind == PLANE:
        return 0.0, 1.0, 0.0, x * sx, z * sz
    if kind == CYLINDER or (kind == BOX and ay >= ax and ay >= az):
        return 0.0, math.copysign(1.0, y), 0.0, x * sx, z * sz
    if kind == ROOF and az < EDGE:
        if y > -EDGE:
            return math.copysign(2.0, x), 1.0, 0.0, z * sz, y * sy
        return 0.0, -1.0, 0.0, x * sx, z * sz
    if kind == BOX and ax >= az:
        return math.copysign(1.0, x), 0.0, 0.0, z * sz, y * sy
    return 0.0, 0.0, math.copysign(1.0, z), x * sx, y * sy
