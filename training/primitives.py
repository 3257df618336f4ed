"""The table of primitives, and where a ray crosses one (Numba).

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
MATRIX, AROUND, MIDDLE, RADIUS, LEADER, AFTER, LEAST, PARABOLA, WIDTH = (
    (25, 34, 43, 46, 47, 48, 49, 50, 53)  # computed columns, see rays.py
)  # fmt: skip
RING_STEPS, RING_GAP = 40, 1e-4  # sphere tracing of a ring: at most so many steps, to so much of the tube's radius
MISS = 1e30  # ray parameter of "no hit"
EDGE = 0.9995  # how near to 1 a unit coordinate must be to lie on a cap


@njit(**JIT)
def rotation(yaw, pitch, roll):
    """The images of the x, y and z axis under the rotation Ry(yaw) Rx(pitch) Rz(roll); frames.py runs it uncompiled."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    return (
        (cy * cr + sy * sp * sr, cp * sr, -sy * cr + cy * sp * sr),
        (-cy * sr + sy * sp * cr, cp * cr, sy * sr + cy * sp * cr),
        (sy * cp, -sp, cy * cp),
    )


@njit(**JIT)
def place(table):
    """World-to-unit matrices (P, 3, 3): rotation, then scale.   table: (P, COLUMNS)"""
    matrices = np.zeros((len(table), 3, 3))
    for p in range(len(table)):
        axes = rotation(table[p, TURNS], table[p, TURNS + 1], table[p, TURNS + 2])
        for k in range(3):
            matrices[p, k] = np.array(axes[k]) / table[p, HALF + k]
    return matrices


@njit(**JIT)
def to_unit(shapes, p, x, y, z):
    """World vector (x, y, z) to the unit space of the primitive in row p.   shapes: (P, WIDTH)"""
    return (
        shapes[p, MATRIX] * x + shapes[p, MATRIX + 1] * y + shapes[p, MATRIX + 2] * z,
        shapes[p, MATRIX + 3] * x + shapes[p, MATRIX + 4] * y + shapes[p, MATRIX + 5] * z,
        shapes[p, MATRIX + 6] * x + shapes[p, MATRIX + 7] * y + shapes[p, MATRIX + 8] * z,
    )


@njit(**JIT)
def to_world(shapes, p, x, y, z):
    """Unit covector (x, y, z), a normal, to the world: the transposed matrix."""
    return (
        shapes[p, MATRIX] * x + shapes[p, MATRIX + 3] * y + shapes[p, MATRIX + 6] * z,
        shapes[p, MATRIX + 1] * x + shapes[p, MATRIX + 4] * y + shapes[p, MATRIX + 7] * z,
        shapes[p, MATRIX + 2] * x + shapes[p, MATRIX + 5] * y + shapes[p, MATRIX + 8] * z,
    )


@njit(**JIT)
def clip_slab(origin, direction, enter, leave):
    """Narrow the interval [enter, leave] of a ray to where one coordinate lies in -1..1."""
    inverse = 1.0 / direction if abs(direction) > 1e-12 else 1e12
    a, b = (-1 - origin) * inverse, (1 - origin) * inverse
    return max(enter, min(a, b)), min(leave, max(a, b))


@njit(**JIT)
def cross_ring(rho, ox, oy, oz, dx, dy, dz, enter, leave):
    """Where the ray o + t d first touches the unit ring, or MISS. Sphere tracing between enter and leave.

    The ring is a torus of radii 1 - rho and rho, stretched along y until it fills -1..1 there too.
    """
    oy, dy = oy * rho, dy * rho  # back to a round tube
    speed, t = math.sqrt(dx * dx + dy * dy + dz * dz), enter
    for _ in range(RING_STEPS):
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        across = math.sqrt(x * x + z * z) - (1 - rho)
        gap = math.sqrt(across * across + y * y) - rho
        if gap < RING_GAP * rho:
            return t
        t += gap / speed
        if t > leave:
            break
    return MISS


@njit(**JIT)
def cross(kind, rho, ox, oy, oz, dx, dy, dz, start):
    """Where the ray o + t d enters and leaves the unit primitive: (enter, leave), with leave <= enter when it does not.

    rho: a ring's tube over its outer radius, both in metres. Planes and rings have no second side: leave is MISS, and
    a ring is entered where it is first touched after `start`.
    """
    if kind == PLANE:
        return (-oy / dy if dy != 0.0 else MISS), MISS
    enter, leave = -MISS, MISS
    if kind != BALL:
        enter, leave = clip_slab(oy, dy, enter, leave)
    if kind in (BALL, CYLINDER, RING, CONE):  # a t^2 + 2 b t + c = x^2 + z^2 + k y^2 - 1, and for a cone
        k = 1.0 if kind == BALL else 0.0  # x^2 + z^2 - ((1 - y) / 2)^2
        a, b, c = dx * dx + dz * dz + k * dy * dy, ox * dx + oz * dz + k * oy * dy, ox * ox + oz * oz + k * oy * oy - 1
        if kind == CONE:
            a, b, c = a - 0.25 * dy * dy, b + 0.25 * (1 - oy) * dy, c + 1 - 0.25 * (1 - oy) * (1 - oy)
        discriminant = b * b - a * c
        if discriminant <= 0 or abs(a) < 1e-20:
            return MISS, -MISS
        root = math.sqrt(discriminant)
        near, far = (-b - root) / a, (-b + root) / a
        if a > 0:
            enter, leave = max(enter, near), min(leave, far)
        elif dy < 0:  # steeper than the cone: down into it, or up and out
            enter = max(enter, near)
        else:
            leave = min(leave, far)
        if kind == RING and enter < leave:
            return cross_ring(rho, ox, oy, oz, dx, dy, dz, max(enter, start), leave), MISS
        return enter, leave
    enter, leave = clip_slab(oz, dz, enter, leave)
    if kind == BOX:
        return clip_slab(ox, dx, enter, leave)
    for side in (-2.0, 2.0):  # ROOF: the half spaces y + 2 |x| <= 1
        slope, gap = dy + side * dx, 1 - oy - side * ox
        if slope > 0:
            leave = min(leave, gap / slope)
        else:
            enter = max(enter, gap / min(slope, -1e-12))
    return enter, leave


@njit(**JIT)
def surface(shapes, p, x, y, z):
    """On the unit primitive in row p: normal (nx, ny, nz) before scaling, and surface coordinates u, v in metres."""
    kind, ax, ay, az = int(shapes[p, KIND]), abs(x), abs(y), abs(z)
    sx, sy, sz = shapes[p, HALF], shapes[p, HALF + 1], shapes[p, HALF + 2]
    if kind in (BALL, BLOB) or (kind == CYLINDER and ay < EDGE):
        return x, (0.0 if kind == CYLINDER else y), z, math.atan2(x, z) * max(sx, sz), y * sy
    if kind == CONE and y > -EDGE:
        return x, 0.25 * (1 - y), z, math.atan2(x, z) * max(sx, sz), y * sy
    if kind == RING:
        rho, radius = sy / sx, math.sqrt(x * x + z * z)
        k = (1 - (1 - rho) / radius) / rho**2  # half the gradient of ((radius - 1 + rho) / rho)^2 + y^2
        return k * x, y, k * z, math.atan2(x, z) * sx, y * sy
    if kind == PLANE:
        return 0.0, 1.0, 0.0, x * sx, z * sz
    if kind in (CYLINDER, CONE) or (kind == BOX and ay >= ax and ay >= az):
        return 0.0, math.copysign(1.0, y), 0.0, x * sx, z * sz
    if kind == ROOF and az < EDGE:
        if y > -EDGE:
            return math.copysign(2.0, x), 1.0, 0.0, z * sz, y * sy
        return 0.0, -1.0, 0.0, x * sx, z * sz
    if kind == BOX and ax >= az:
        return math.copysign(1.0, x), 0.0, 0.0, z * sz, y * sy
    return 0.0, 0.0, math.copysign(1.0, z), x * sx, y * sy
