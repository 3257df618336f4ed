"""Frames: a thing's own axes within the world, so that a head is told about its neck and a finger about its hand.

Turns are (yaw, pitch, roll) in radians and stand for Ry(yaw) Rx(pitch) Rz(roll), as in primitives.rotation.
"""

import math
from typing import NamedTuple

from . import primitives

Vector = tuple[float, float, float]


def rotation(turns: Vector) -> tuple[Vector, Vector, Vector]:
    """The images of the x, y and z axis under (yaw, pitch, roll)."""
    return primitives.rotation.py_func(*turns)


def mixed(axes: tuple[Vector, Vector, Vector], v: Vector) -> Vector:
    """x, y and z times the three axes, summed."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = axes
    x, y, z = v
    return ax * x + bx * y + cx * z, ay * x + by * y + cy * z, az * x + bz * y + cz * z


def along(start: Vector, end: Vector) -> tuple[Vector, float, Vector]:
    """Middle, half length and turns of the segment between two points: its own y axis runs along it."""
    dx, dy, dz = (b - a for a, b in zip(start, end, strict=True))
    length = math.sqrt(dx * dx + dy * dy + dz * dz) or 1e-6
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
    return middle, length / 2, (math.atan2(dx, dz), math.acos(dy / length), 0.0)


class Frame(NamedTuple):
    """Axes at an origin in the world, with a size: one unit of the frame in metres."""

    origin: Vector
    axes: tuple[Vector, Vector, Vector] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    size: float = 1.0
    group: int = 0  # what melts together in the table of primitives

    def point(self, at: Vector) -> Vector:
        """Where the frame's point lies in the world."""
        x, y, z = mixed(self.axes, at)
        return self.origin[0] + self.size * x, self.origin[1] + self.size * y, self.origin[2] + self.size * z

    def turns(self, inner: Vector = (0, 0, 0)) -> Vector:
        """The world's (yaw, pitch, roll) of something that is turned by `inner` within the frame."""
        x, y, z = (mixed(self.axes, axis) for axis in rotation(inner)) if any(inner) else self.axes
        return math.atan2(z[0], z[2]), -math.asin(max(-1.0, min(1.0, z[1]))), math.atan2(x[1], y[1])

    def within(self, at: Vector, turns: Vector = (0, 0, 0), size: float = 1.0) -> "Frame":
        """A frame told in this one: a head on its neck."""
        axes = tuple(mixed(self.axes, axis) for axis in rotation(turns))
        return Frame(self.point(at), axes, self.size * size, self.group)


def standing(x: float, z: float, yaw: float, y: float, size: float, group: int) -> Frame:
    """A frame upright on the ground, its z axis turned by yaw."""
    return Frame((x, y, z), rotation((yaw, 0, 0)), size, group)
