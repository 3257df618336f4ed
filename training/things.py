"""Materials, and the scene: things and shapes become rows of the primitives' table.

Random numbers come from a random.Random passed in, not numpy's Generator: scalars are drawn by the hundred, and there
it is several times faster.
"""

import math
from random import Random
from typing import NamedTuple

import numpy as np

from .catalogue import THINGS
from .frames import Frame, Vector, along, standing
from .primitives import CYLINDER
from .textures import BRICK, CHECKER, CLOUDY, FACADE, LEAVES, PATCH, PETAL, PLAIN, POSTER, SPECKLE, STRIPE, WOOD

CLASSES = ("sky", "ground", "wall", "ceiling", "object", "plant", "being", "vehicle", "opening")
SKY, GROUND, WALL, CEILING, OBJECT, PLANT, BEING, VEHICLE, OPENING = range(9)
COARSE = ("sky", "ground", "upright", "object")  # what the second head tells apart
COARSE_OF = np.array((0, 1, 2, 2, 3, 3, 3, 3, 2))  # class -> coarse class; ceilings and windows go with the walls


class Material(NamedTuple):
    """Ranges from which one look is drawn."""

    hues: tuple[float | None, ...]  # 0 red, 1/3 green, 2/3 blue; None is any
    saturation: tuple[float, float]
    value: tuple[float, float]
    textures: tuple[int, ...]
    log_scale: tuple[float, float] = (0, 0.3)  # log10 of pattern repeats per metre
    bump: float = 0.0
    glow: tuple[float, float] = (0.0, 0.0)
    gloss: tuple[float, float] = (0.0, 0.0)  # share of mirror reflection
    cut: tuple[float, float] = (0.0, 0.0)  # share of the surface that is not there


class Look(NamedTuple):
    """One drawn appearance: the columns TEXTURE to CUT of a primitive's row, units there."""

    texture: int
    first: tuple[float, ...]
    second: tuple[float, ...]
    scale: float
    bump: float
    glow: float
    gloss: float
    cut: float


ANY, BROWNS, GREENS = (None,), (0.05, 0.07, 0.09), (0.22, 0.25, 0.28, 0.19)  # hues
CLOTHES = (0.0, 0.05, 0.08, 0.1, 0.58, 0.6, 0.62, 0.63, None)
BLOOMS = (0.0, 0.01, 0.03, 0.06, 0.09, 0.13, 0.14, 0.92, 0.97, 0.75, 0.6)
PAPER, TILES = (PLAIN, PLAIN, PLAIN, CLOUDY, STRIPE, BRICK), (WOOD, WOOD, CHECKER, CLOUDY, SPECKLE, PLAIN, BRICK)
WOVEN = (PLAIN, PLAIN, PLAIN, CLOUDY, STRIPE, CHECKER, SPECKLE)
FURRY, SOIL = (CLOUDY, CLOUDY, PLAIN, STRIPE), (CLOUDY, CLOUDY, SPECKLE, PLAIN, LEAVES)
MATERIALS = {
    # surroundings
    "wall": Material((0.1, 0.12, 0.1, 0.55, None), (0, 0.15), (0.35, 0.9), PAPER, (-0.3, 0.6), 0.1),
    "white": Material((0.1, 0.12, 0.6), (0, 0.05), (0.75, 0.95), (PLAIN,)),
    "floor": Material((0.06, 0.08, 0.1, None), (0, 0.55), (0.08, 0.6), TILES, (-0.15, 0.5), 0.1, gloss=(-0.2, 0.25)),
    "carpet": Material(CLOTHES, (0, 0.6), (0.1, 0.6), WOVEN, (0.3, 1.1), 0.6),
    "counter": Material((0.08, None), (0, 0.3), (0.1, 0.8), (SPECKLE, WOOD, PLAIN), (0.3, 1.0), gloss=(0, 0.15)),
    "curtain": Material(CLOTHES, (0, 0.25), (0.5, 0.95), (PLAIN, STRIPE), (0.3, 0.8), 0.5),
    "ground": Material((0.08, 0.1, 0.12, 0.2), (0.1, 0.6), (0.1, 0.5), SOIL, (-0.5, 0.8), 0.6),
    "grass": Material((0.2, 0.23, 0.25), (0.4, 0.8), (0.12, 0.45), (CLOUDY, LEAVES, SPECKLE), (0.2, 1.0), 0.8),
    "snow": Material((0.6,), (0, 0.06), (0.75, 0.95), (CLOUDY, PLAIN), (-0.5, 0.5), 0.4),
    "sand": Material((0.1, 0.11), (0.2, 0.45), (0.4, 0.75), (CLOUDY, SPECKLE), (-0.3, 0.8), 0.4),
    "road": Material((0.6, 0.1), (0, 0.1), (0.1, 0.45), (CLOUDY, SPECKLE, PLAIN), (-0.3, 0.6), gloss=(-0.3, 0.1)),
    "pavement": Material((0.1, 0.6), (0, 0.15), (0.25, 0.65), (BRICK, BRICK, CHECKER, CLOUDY, SPECKLE), (0, 0.5)),
    "water": Material((0.5, 0.55, 0.6), (0.3, 0.7), (0.03, 0.25), (CLOUDY, PLAIN), (-0.5, 0.3), 0.25, gloss=(0.4, 0.8)),
    "mountain": Material((0.6, 0.6, 0.25, 0.1), (0.1, 0.5), (0.1, 0.4), (CLOUDY,), (-2.4, -1.2), 0.8),
    "brick": Material((0.03, 0.04, 0.07), (0.3, 0.75), (0.2, 0.6), (BRICK,), (0.5, 0.8), 0.2),
    "stone": Material((0.1, 0.12, 0.6), (0, 0.3), (0.25, 0.65), (BRICK, CLOUDY, SPECKLE), (-0.1, 0.6), 0.6),
    "facade": Material((0.05, 0.08, 0.1, 0.6), (0, 0.45), (0.2, 0.85), (FACADE, FACADE, FACADE, BRICK), (-0.6, -0.2)),
    "render": Material((0.09, 0.11, 0.6), (0, 0.3), (0.4, 0.95), (PLAIN, PLAIN, CLOUDY), (-0.3, 0.3)),
    "tiles": Material((0.02, 0.04, 0.6), (0.1, 0.7), (0.08, 0.4), (STRIPE, BRICK, PLAIN), (0.3, 0.8), 0.3),
    # made things
    "any": Material(CLOTHES, (0, 0.75), (0.05, 0.9), (PLAIN, PLAIN, CLOUDY, STRIPE, WOOD, CHECKER), (-0.2, 1), 0.3),
    "wood": Material(BROWNS, (0.3, 0.75), (0.06, 0.6), (WOOD, WOOD, PLAIN), (0, 0.7)),
    "wicker": Material(BROWNS, (0.3, 0.6), (0.2, 0.6), (CHECKER, STRIPE), (1.2, 1.6), 0.5),
    "cloth": Material(CLOTHES, (0, 0.7), (0.04, 0.85), WOVEN, (0.3, 1.1), 0.5),
    "paint": Material((0.0, 0.02, 0.6, 0.62, 0.1, None), (0, 0.85), (0.03, 0.9), (PLAIN,), gloss=(0, 0.15)),
    "metal": Material((0.6, 0.1), (0, 0.1), (0.15, 0.75), (PLAIN,), gloss=(0.1, 0.6)),
    "glass": Material((0.3, 0.1, 0.55, 0.6), (0, 0.8), (0.05, 0.5), (PLAIN,), gloss=(0.1, 0.4)),
    "clay": Material((0.03, 0.06, 0.1, 0.6), (0.1, 0.8), (0.1, 0.8), (PLAIN, CLOUDY), (0.5, 1.2), gloss=(-0.1, 0.15)),
    "card": Material((0.08, 0.08, None), (0.1, 0.6), (0.2, 0.7), (PLAIN, PLAIN, PATCH), (0.5, 1.1)),
    "dark": Material((0.6, 0.08), (0, 0.3), (0.015, 0.1), (PLAIN,), gloss=(-0.1, 0.1)),
    "screen": Material((0.6,), (0, 0.5), (0.01, 0.2), (PLAIN, PATCH), (0.3, 0.8), gloss=(0, 0.25)),
    "slats": Material((0.6,), (0, 0.05), (0.6, 0.9), (STRIPE,), (1.0, 1.3), 0.6),
    "sign": Material((0.0, 0.6, 0.14), (0.7, 1), (0.4, 0.8), (PLAIN,)),
    "awning": Material((0.0, 0.1, 0.3, 0.6), (0, 0.9), (0.3, 0.9), (PLAIN, STRIPE), (0, 0.6)),
    "books": Material(CLOTHES, (0, 0.9), (0.1, 0.9), (PATCH,), (0.7, 1.1)),
    "poster": Material(ANY, (0, 0.1), (0.5, 1), (POSTER,)),
    "glow": Material((0.09, 0.11, 0.6), (0, 0.3), (0.85, 1), (PLAIN,), glow=(0.7, 2.0)),
    "taillight": Material((0.0,), (0.9, 1), (0.3, 0.8), (PLAIN,), glow=(0.3, 1.0)),
    "pane": Material((0.6,), (0, 0.3), (0.02, 0.2), (PLAIN,), gloss=(0.1, 0.5)),
    # what lives and grows
    "skin": Material((0.04, 0.05, 0.055), (0.35, 0.6), (0.12, 0.75), (PLAIN,), (0.7, 0.9)),
    "hair": Material(BROWNS, (0.2, 0.7), (0.01, 0.35), (STRIPE, PLAIN, CLOUDY), (1.2, 1.8), 0.6),
    "fur": Material((0.06, 0.08, 0.1, 0.6), (0.0, 0.6), (0.02, 0.8), FURRY, (0.9, 1.6), 0.8),
    "iris": Material((0.1, 0.3, 0.55, 0.08), (0.3, 0.9), (0.1, 0.6), (PLAIN,), gloss=(0, 0.2)),
    "plush": Material((0.08, 0.0, 0.6, 0.12, None), (0.1, 0.8), (0.15, 0.9), (PLAIN, CLOUDY), (1, 1.6), 1.0),
    "leaf": Material(GREENS, (0.4, 0.9), (0.06, 0.4), (LEAVES, CLOUDY, PLAIN), (0.3, 1.2), 0.8),
    "foliage": Material(GREENS, (0.3, 0.85), (0.06, 0.4), (LEAVES,), (-0.2, 0.6), 1.2, cut=(0.1, 0.5)),
    "autumn": Material((0.03, 0.07, 0.11), (0.5, 1), (0.2, 0.6), (LEAVES,), (-0.2, 0.6), 1.2, cut=(0.1, 0.5)),
    "bark": Material(BROWNS, (0.1, 0.5), (0.04, 0.3), (WOOD, CLOUDY), (0.3, 0.9), 0.8),
    "stem": Material((0.22, 0.26), (0.4, 0.8), (0.08, 0.35), (PLAIN,)),
    "petal": Material(BLOOMS, (0.3, 1.05), (0.35, 0.95), (PETAL, PETAL, PETAL, PLAIN, CLOUDY), (0.8, 1.6), 0.2),
    "seeds": Material((0.06, 0.1, 0.13), (0.6, 1), (0.02, 0.7), (SPECKLE, CHECKER, CLOUDY), (1.6, 2.2), 1.2),
    "fruit": Material((0.0, 0.02, 0.06, 0.12, 0.2), (0.6, 1), (0.25, 0.8), (PLAIN, CLOUDY), (1, 1.6), gloss=(0, 0.1)),
    "food": Material((0.05, 0.08, 0.1), (0.4, 0.9), (0.15, 0.7), (CLOUDY, SPECKLE), (1.2, 1.7), 0.8),
    "crop": Material((0.03, 0.08, 0.2, 0.3), (0.5, 1), (0.2, 0.7), (PATCH, SPECKLE, CHECKER), (0.9, 1.2), 1.2),
}  # fmt: skip
NEVER_SWAPPED = ("poster", "glow", "taillight", "skin", "dark", "iris")
SWAPPED = 0.04  # share of looks that are another material's, so that a look is never a sure sign of a thing


def draw_colour(random: Random, hue: float | None, saturation: tuple, value: tuple) -> tuple[float, ...]:
    """A linear colour from a hue and ranges of saturation and value: a cosine colour wheel."""
    hue = random.random() if hue is None else hue + random.gauss(0, 0.03)
    s, v = random.uniform(*saturation), random.uniform(*value)
    return tuple(v * (1 - s * (0.5 - 0.5 * math.cos(2 * math.pi * (hue - c / 3)))) for c in range(3))


def draw_look(random: Random, material: str) -> Look:
    """One look of a material; SWAPPED of the times another's."""
    if material not in NEVER_SWAPPED and random.random() < SWAPPED:
        material = "any"
    m = MATERIALS[material]
    first = draw_colour(random, random.choice(m.hues), m.saturation, m.value)
    if random.random() < 0.9 or material == "white":
        shade = random.uniform(0.8, 1.0) if material == "white" else random.uniform(0.2, 1.3)
        second = tuple(min(1.0, c * shade + random.uniform(0, 0.08)) for c in first)
    else:
        second = draw_colour(random, random.choice(m.hues), (0, 0.6), (0.05, 0.9))
    scale = 10 ** random.uniform(*m.log_scale)
    texture, bump, glow = random.choice(m.textures), m.bump * random.random(), random.uniform(*m.glow)
    gloss, cut = (max(0.0, random.uniform(*share)) if share[1] else 0.0 for share in (m.gloss, m.cut))
    return Look(texture, first, second, scale, bump, glow, gloss, cut)


class Scene:
    """A growing table of primitives."""

    def __init__(self, random: Random):
        self.random, self.rows, self.groups = random, [], 0

    def add(self, kind, centre, half, look: str | Look, cls: int = OBJECT, turns=(0, 0, 0), group: int = 0) -> None:
        """Add one primitive: centre and half size in metres, turns (yaw, pitch, roll) in radians.

        Blobs melt into the other blobs of their group; 0 is a group of its own for each.
        """
        look = draw_look(self.random, look) if isinstance(look, str) else look
        half = [max(abs(h), 0.004) for h in half]
        seed = self.random.randrange(1 << 20)
        appearance = [look.texture, *look.first, *look.second, look.scale, look.bump, look.glow, look.gloss, look.cut]
        self.rows.append([kind, *centre, *half, *turns, cls, *appearance, seed, group])

    def frame(self, x: float, z: float, yaw: float | None = None, y: float = 0.0, size: float = 1.0) -> Frame:
        """A new frame upright at x, y, z: what is fitted into it is one thing, and its blobs melt."""
        self.groups += 1
        return standing(x, z, self.random.uniform(0, 2 * math.pi) if yaw is None else yaw, y, size, self.groups)

    def fit(self, frame: Frame, kind, centre, half, look: str | Look, cls: int = OBJECT, turns: Vector = (0, 0, 0)):
        """Add one primitive told in a frame."""
        half = [h * frame.size for h in half]
        self.add(kind, frame.point(centre), half, look, cls, frame.turns(turns), frame.group)

    def rod(self, frame: Frame, start: Vector, end: Vector, radius: float, look: str | Look, cls=OBJECT, kind=CYLINDER):
        """Add a thin cylinder (or an ellipsoid) between two points of a frame; radius in metres."""
        middle, length, turns = along(start, end)
        self.fit(frame, kind, middle, (radius, length, radius), look, cls, turns)

    def put(self, name: str, x: float, z: float, yaw: float | None = None, y: float = 0.0, size: float = 1.0) -> None:
        """Stand a thing of the catalogue on height y, stretched at random."""
        random, (cls, parts), looks = self.random, THINGS[name], {}
        frame, number = self.frame(x, z, yaw, y, size), CLASSES.index(cls)
        sx, sy, sz = (random.uniform(0.85, 1.2) for _ in range(3))
        for part in parts:
            if part.material not in looks:
                looks[part.material] = draw_look(random, part.material)
            look, (yaw, pitch, roll) = looks[part.material], part.turns
            for mx in (1, -1) if part.mirrored[0] else (1,):
                for mz in (1, -1) if part.mirrored[1] else (1,):
                    (ax, ay, az), (bx, by, bz) = part.centre, part.half
                    at = (mx * ax * sx, ay * sy, mz * az * sz)
                    if part.radius:
                        self.rod(frame, at, (mx * bx * sx, by * sy, mz * bz * sz), part.radius, look, number)
                    else:
                        turns = (mx * mz * yaw, mz * pitch, mx * roll)
                        self.fit(frame, part.kind, at, (bx * sx, by * sy, bz * sz), look, number, turns)
