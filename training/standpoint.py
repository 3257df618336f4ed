"""Where the camera stands, and what kind of photograph is taken there."""

import math
from typing import NamedTuple

from .frames import Vector


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


def aim(position: Vector, target: Vector) -> tuple[float, float]:
    """Yaw and pitch of the camera at position that has the target in its middle."""
    x, y, z = (b - a for a, b in zip(position, target, strict=True))
    return math.atan2(x, z), math.atan2(y, math.hypot(x, z))
