"""Where the camera stands, and what kind of photograph is taken there."""

import math
from typing import NamedTuple

from .frames import Vector


class Daylight(NamedTuple):
    """What comes into a room through its windows."""

    lamp: Vector | None  # the middle of a soft light
    sun: Vector | None  # the direction to the sun
    outside: float  # how many times as bright as the room the world outside is; 0: one sees nothing of it


class Standpoint(NamedTuple):
    """The camera looks along z, turned by yaw and pitch. Metres and radians, but width in degrees."""

    position: Vector
    yaw: float
    pitch: float
    lamp: Vector | None  # None: out of doors
    bright: bool = False  # white and overexposed
    width: tuple[float, float] = (38, 72)  # the range of the horizontal field of view: a lens of 52 to 25 mm
    focus: float | None = None  # distance of the subject; None: whatever is near the middle
    blur: tuple[float, float] = (0.12, 0.015)  # how often the focus is shallow, and how wide a far point's disc is then
    sun: Vector | None = None  # the direction to a sun that shines into a room
    outside: float = 0.0  # as in Daylight

    def lit(self, daylight: Daylight) -> "Standpoint":
        """The same in a room with windows: its sun or its soft light instead of the lamp, where it has one."""
        lamp = None if daylight.sun else daylight.lamp or self.lamp
        return self._replace(lamp=lamp, sun=daylight.sun, outside=daylight.outside)


def aim(position: Vector, target: Vector) -> tuple[float, float]:
    """Yaw and pitch of the camera at position that has the target in its middle."""
    x, y, z = (b - a for a, b in zip(position, target, strict=True))
    return math.atan2(x, z), math.atan2(y, math.hypot(x, z))
