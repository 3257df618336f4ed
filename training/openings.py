"""Walls with holes: windows with mullions, glass doors, curtains, doors that stand open.

A wall is told in a frame at its foot: x runs along it, y up, z out of the room.
"""

from random import Random
from typing import NamedTuple

from .frames import Frame
from .primitives import BOX, CYLINDER
from .textures import STRIPE
from .things import OBJECT, OPENING, WALL, Look, Scene, draw_look

THICK = 0.24  # metres, of a wall


class Hole(NamedTuple):
    """A rectangular hole, in metres along the wall from its middle and up from the floor."""

    left: float
    right: float
    bottom: float
    top: float


def slab(scene: Scene, frame: Frame, low, high, look: str | Look, cls: int = WALL) -> None:
    """A box between two corners (x, y, z) of a frame."""
    centre = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    scene.fit(frame, BOX, centre, [(b - a) / 2 for a, b in zip(low, high, strict=True)], look, cls)


def wall(scene: Scene, frame: Frame, half: float, height: float, holes: list[Hole], look: Look, board: bool) -> None:
    """A wall from x = -half to half with holes in it: pieces between, below and above them; board: with a skirting."""
    pieces, edge = [], -half
    for hole in sorted(holes):
        pieces += [(edge, hole.left, 0, height), (hole.left, hole.right, 0, hole.bottom)]
        pieces += [(hole.left, hole.right, hole.top, height)]
        edge = hole.right
    for left, right, bottom, top in [*pieces, (edge, half, 0, height)]:
        if right > left and top > bottom:
            slab(scene, frame, (left, bottom, 0), (right, top, THICK), look)
            if board and bottom == 0:
                slab(scene, frame, (left, 0, -0.015), (right, 0.1, 0), "white")


def draw_holes(random: Random, half: float, height: float, kind: str) -> list[Hole]:
    """Holes of one kind (windows, glass, door) in a wall from -half to half."""
    uniform = random.uniform
    if kind == "door":
        left = uniform(-half + 0.2, half - 1.1)
        return [Hole(left, left + uniform(0.75, 0.95), 0, min(uniform(1.98, 2.15), height - 0.1))]
    if kind == "glass":  # a glass door, up to a wall of glass
        width, top = uniform(0.35, 0.95) * 2 * (half - 0.1), uniform(2.0, height - 0.12)
        left = uniform(-half + 0.1, half - 0.1 - width)
        return [Hole(left, left + width, 0, top)]
    count = random.randrange(1, max(2, int(half * 1.2)) + 1)
    pitch, bottom = 2 * half / count, uniform(0.45, 1.05)
    width, top = min(pitch - 0.25, uniform(0.5, 2.0)), min(bottom + uniform(0.7, 1.7), height - 0.12)
    shift = uniform(-0.5, 0.5) * (pitch - 0.2 - width)
    middles = (-half + (k + 0.5) * pitch + shift for k in range(count))
    return [Hole(middle - width / 2, middle + width / 2, bottom, top) for middle in middles]


def glaze(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """Frame, mullions and glazing bars of a window or a glass door; a sill, a blind."""
    uniform, chance = random.uniform, random.random
    look = draw_look(random, random.choice(("white", "white", "white", "metal", "dark", "wood")))
    left, right, bottom, top = hole
    bar, front = uniform(0.03, 0.075), uniform(0.02, 0.15)
    back = front + uniform(0.04, 0.07)
    for a, b, c, d in (
        (left, left + bar, bottom, top),
        (right - bar, right, bottom, top),
        (left, right, top - bar, top),
        (left, right, bottom, bottom + bar),
    ):
        slab(scene, frame, (a, c, front), (b, d, back), look, OPENING)
    columns = max(1, min(5, round((right - left) / uniform(0.5, 1.5))))
    levels = random.choice(((), (), (), (0.72,), (0.3,), (0.5,), (0.33, 0.67), (0.25, 0.5, 0.75)))
    for k in range(1, columns):  # where two wings meet
        middle = left + (right - left) * k / columns
        slab(scene, frame, (middle - bar, bottom, front - 0.01), (middle + bar, top, back), look, OPENING)
    for level in levels:
        y, thin = bottom + (top - bottom) * level, bar * uniform(0.3, 0.9)
        slab(scene, frame, (left, y - thin / 2, front), (right, y + thin / 2, back), look, OPENING)
    if len(levels) > 1:  # glazing bars within each wing
        for k in range(columns):
            middle = left + (right - left) * (k + 0.5) / columns
            slab(scene, frame, (middle - 0.015, bottom, front), (middle + 0.015, top, back), look, OPENING)
    if bottom > 0.2:
        slab(scene, frame, (left - 0.06, bottom - 0.04, -0.1), (right + 0.06, bottom, front), "white")
    if chance() < 0.12:  # slats that the sun shines through, or a roller blind
        middle, drop = (left + right) / 2, uniform(0.2, 0.7) * (top - bottom)
        blind = draw_look(random, "curtain")
        if chance() < 0.5:
            blind = blind._replace(texture=STRIPE, cut=0.5, scale=uniform(14, 22), bump=0.0)
        half = (drop / 2, (right - left) / 2, 0.004)
        scene.fit(frame, BOX, (middle, top - drop / 2, -0.02), half, blind, OBJECT, (0, 0, 1.5708))


def drapes(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A curtain at one or both sides of a hole: drawn or open; heavy, or thin: bright, and the sun comes through."""
    uniform, look = random.uniform, draw_look(random, random.choice(("curtain", "curtain", "white")))
    if random.random() < 0.45:
        fold = uniform(5, 14)
        look = look._replace(texture=STRIPE, scale=fold, glow=uniform(0.5, 1.3), first=look.second, bump=0.0)
    top, foot = (
        hole.top + uniform(0.05, 0.2),
        0.01 if hole.bottom < 0.3 or random.random() < 0.6 else hole.bottom - 0.15,
    )
    width = hole.right - hole.left
    for side in random.choice(((-1,), (1,), (-1, 1), (-1, 1))):
        step, reach = uniform(0.05, 0.09), random.choice((0.25, uniform(0.2, 0.6), uniform(0.3, 1.0)))
        count = min(9, int(reach * width / step) + 3)
        edge, step = (hole.right if side > 0 else hole.left) + side * 0.12, max(step, reach * width / count)
        for k in range(count):
            at = (edge - side * k * step, (top + foot) / 2, -0.09 + random.gauss(0, 0.012))
            half = (step * 0.7, (top - foot) / 2, min(step * 0.7, 0.06))
            scene.fit(frame, CYLINDER, at, half, look, OBJECT, (random.gauss(0, 0.2), 0, 0))
    slab(scene, frame, (hole.left - 0.3, top, -0.1), (hole.right + 0.3, top + 0.03, -0.07), "metal", OBJECT)


def door(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A door frame and its leaf, which stands open to either side."""
    trim, leaf = draw_look(random, random.choice(("white", "white", "wood"))), random.choice(("white", "wood", "paint"))
    left, right, top = hole.left, hole.right, hole.top
    for low, high in (((left - 0.07, 0), (left + 0.02, top)), ((right - 0.02, 0), (right + 0.07, top))):
        slab(scene, frame, (*low, -0.02), (*high, THICK + 0.02), trim, OPENING)
    slab(scene, frame, (left - 0.07, top - 0.02, -0.02), (right + 0.07, top + 0.07, THICK + 0.02), trim, OPENING)
    if random.random() < 0.75:
        side, into = random.choice((-1, 1)), random.choice((-1, 1))
        hinge = (left + 0.02 if side > 0 else right - 0.02, 0, 0 if into < 0 else THICK)
        own = frame.within(hinge, (-side * into * random.uniform(0.9, 2.9), 0, 0))
        across = side * (right - left - 0.04)
        slab(scene, own, (min(0, across), 0.01, -0.02), (max(0, across), top - 0.03, 0.02), leaf, OPENING)
        scene.rod(own, (across * 0.92, 1.03, -0.06), (across * 0.92, 1.03, 0.06), 0.01, "metal", OPENING)
