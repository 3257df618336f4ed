"""Materials and things: short texts that become rows of the primitives' table.

Random numbers come from a random.Random passed in, not numpy's Generator: scalars are drawn by the hundred, and there
it is several times faster.
"""

import math
from random import Random
from typing import NamedTuple

from .primitives import BALL, BLOB, BOX, CONE, CYLINDER, RING, ROOF
from .textures import BRICK, CHECKER, CLOUDY, FACADE, LEAVES, PATCH, PLAIN, POSTER, SPECKLE, STRIPE, WOOD

CLASSES = ("sky", "ground", "wall", "ceiling", "object", "plant", "being", "vehicle", "opening")
SKY, GROUND, WALL, CEILING, OBJECT, PLANT, BEING, VEHICLE, OPENING = range(9)


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
    """One drawn appearance: the columns TEXTURE to CUT of a primitive's row."""

    texture: int
    first: tuple[float, ...]
    second: tuple[float, ...]
    scale: float
    bump: float
    glow: float
    gloss: float = 0.0
    cut: float = 0.0


NO_HUE, EARTH, GREENS, PALE = (None,), (0.08, 0.25, 0.28, 0.6), (0.22, 0.27, 0.3, 0.12), (0.1, 0.12, 0.6)
ANYTHING = (PLAIN, CHECKER, BRICK, STRIPE, WOOD, CLOUDY, PATCH)
PAPER, TILES = (PLAIN, PLAIN, STRIPE, CLOUDY, BRICK), (WOOD, CHECKER, CLOUDY, SPECKLE, PLAIN, BRICK)
WOVEN = (PLAIN, PLAIN, CLOUDY, STRIPE, CHECKER, SPECKLE)
MATERIALS = {
    "any": Material(NO_HUE, (0.05, 0.7), (0.1, 0.9), ANYTHING, (-0.3, 1), 0.3),
    "wall": Material((0.1, 0.12, 0.55, None), (0, 0.25), (0.45, 0.95), PAPER, (-0.3, 0.6), 0.1),
    "white": Material(PALE, (0, 0.06), (0.82, 0.98), (PLAIN,)),
    "floor": Material((0.07, 0.1, None), (0, 0.5), (0.2, 0.8), TILES, (-0.15, 0.6), 0.1),
    "wood": Material((0.07,), (0.3, 0.7), (0.15, 0.75), (WOOD, WOOD, PLAIN), (0, 0.7)),
    "cloth": Material(NO_HUE, (0.05, 0.7), (0.1, 0.9), WOVEN, (0.3, 1.1), 0.7),
    "paint": Material(NO_HUE, (0, 0.9), (0.05, 0.95), (PLAIN,)),
    "dark": Material((0.6,), (0, 0.3), (0.03, 0.15), (PLAIN,)),
    "skin": Material((0.06,), (0.25, 0.6), (0.3, 0.9), (PLAIN,), (0.7, 0.9), 0.1),
    "fur": Material((0.07, 0.09, None), (0.05, 0.6), (0.1, 0.9), (CLOUDY, PLAIN, STRIPE), (0.5, 1.2), 0.8),
    "leaf": Material(GREENS, (0.2, 0.8), (0.12, 0.55), (LEAVES, LEAVES, CLOUDY), (-0.2, 0.7), 1.2),
    "ground": Material(EARTH, (0.02, 0.6), (0.15, 0.7), (CLOUDY, CLOUDY, SPECKLE, PLAIN, LEAVES), (-0.7, 0.8), 0.6),
    "road": Material((0.6, 0.1), (0, 0.1), (0.1, 0.5), (CLOUDY, SPECKLE, PLAIN), (-0.3, 0.6)),
    "facade": Material((0.05, 0.09, 0.6, None), (0, 0.5), (0.25, 0.9), (FACADE, FACADE, FACADE, BRICK), (-0.6, -0.2)),
    "books": Material(NO_HUE, (0, 0.9), (0.1, 0.9), (PATCH,), (0.4, 0.9)),
    "poster": Material(NO_HUE, (0, 0.1), (0.5, 1), (POSTER,)),
    "glow": Material((0.1, 0.6), (0, 0.25), (0.85, 1), (PLAIN,), glow=(0.7, 1.6)),
    "window": Material((0.1, 0.6), (0, 0.12), (0.9, 1), (PLAIN, PLAIN, PATCH, LEAVES), (-0.3, 0.6), glow=(1.5, 7.0)),
}  # fmt: skip
NEVER_SWAPPED = ("poster", "glow", "window")

# name class: kind, centre, half size (metres), material, mirrored axes; ... One material is one look within a thing.
THING_TEXT = """
table object: box 0 .7 0 .6 .02 .4 wood; cylinder .55 .35 .36 .025 .35 .025 wood xz
chair object: box 0 .45 0 .22 .025 .22 cloth; box 0 .73 -.22 .22 .25 .02 cloth; cylinder .2 .22 .2 .02 .22 .02 wood xz
sofa object: box 0 .22 0 .8 .2 .4 cloth; box 0 .5 -.36 .8 .35 .12 cloth; box .8 .35 0 .1 .3 .42 cloth x;
    ball .5 .55 -.15 .22 .2 .1 any x
shelf object: box 0 .9 -.16 .5 .9 .01 wood; box .5 .9 0 .015 .9 .17 wood x; box 0 0 0 .5 .012 .17 wood;
    box 0 .45 0 .5 .012 .17 wood; box 0 .9 0 .5 .012 .17 wood; box 0 1.35 0 .5 .012 .17 wood;
    box 0 1.8 0 .5 .012 .17 wood; box -.1 .17 0 .35 .16 .12 books; box 0 .62 0 .35 .16 .12 books;
    box .1 1.07 0 .35 .16 .12 books; box .2 1.52 0 .35 .16 .12 books
cabinet object: box 0 .6 0 .5 .6 .3 paint; box 0 .3 .3 .45 .22 .01 wood; box 0 .85 .3 .45 .22 .01 wood;
    cylinder .2 1.3 0 .06 .1 .06 any
cupboard object: box 0 1 0 .5 1 .3 white; box .25 1 .305 .235 .95 .012 white x; box .04 1 .33 .008 .12 .012 dark x
kitchen object: box 0 .43 0 .9 .43 .3 white; box 0 .88 0 .92 .02 .32 wood; box .45 .43 .305 .43 .38 .01 white x;
    box 0 1.75 -.12 .9 .35 .18 white; box .45 1.75 .07 .43 .32 .01 white x; cylinder .3 .98 0 .06 .08 .06 any
bed object: box 0 .25 0 .7 .25 1 cloth; box 0 .5 -1 .75 .5 .04 wood; ball .35 .55 -.7 .3 .12 .2 white x
lamp object: cylinder 0 .6 0 .015 .6 .015 dark; ball 0 1.2 0 .16 .13 .16 glow
plant plant: cylinder 0 .15 0 .15 .15 .15 paint; ball .1 .6 .1 .1 .3 .07 leaf xz; ball .05 .8 .02 .2 .15 .2 leaf
tree plant: cylinder 0 1.5 0 .15 1.5 .15 wood; ball .6 3.4 .5 1 .9 1 leaf xz; ball .2 4.3 .1 1.1 .9 1.1 leaf
pine plant: cylinder 0 2 0 .12 2 .12 wood; roof 0 1.6 0 1.3 .9 .7 leaf; roof 0 2.7 0 .95 .9 .5 leaf;
    roof 0 3.8 0 .6 .9 .3 leaf
person being: cylinder .09 .42 0 .075 .43 .085 cloth x; ball .09 .05 .05 .05 .05 .13 dark x;
    ball 0 1.15 0 .22 .36 .14 any; box 0 1.12 0 .17 .27 .1 any; cylinder .24 1.13 0 .05 .3 .055 any x;
    ball .26 .82 0 .05 .08 .05 skin x; cylinder 0 1.45 0 .055 .08 .055 skin; ball 0 1.6 .01 .085 .125 .105 skin;
    ball 0 1.66 -.025 .098 .12 .11 fur; ball .035 1.62 .1 .017 .01 .012 dark x
animal being: ball 0 .4 0 .15 .16 .35 fur; ball 0 .62 .37 .13 .125 .14 fur; ball 0 .59 .49 .06 .05 .07 skin;
    roof .08 .75 .37 .05 .07 .03 fur x; ball .05 .64 .49 .02 .02 .02 dark x; cylinder .09 .17 .22 .035 .18 .035 fur xz
car vehicle: box 0 .65 0 .9 .33 2.1 paint; box 0 1.2 0 .77 .27 1.1 dark; box 0 1.46 0 .74 .03 1 paint;
    ball .8 .32 1.3 .14 .33 .33 dark xz; box .68 .75 2.1 .15 .08 .02 glow x
house wall: box 0 2.2 0 4 2.2 4 facade; roof 0 5.4 0 4.4 1.1 4.4 any
pole object: cylinder 0 2.5 0 .06 2.5 .06 dark; box 0 4.7 0 .3 .3 .04 paint
bottle object: cylinder 0 .1 0 .035 .1 .035 paint; cylinder 0 .23 0 .013 .04 .013 paint
pile object: box 0 .015 0 .1 .015 .07 any; box .01 .045 0 .1 .015 .08 paint; box .02 .075 0 .1 .015 .09 cloth
block object: box 0 .07 0 .07 .07 .07 any
ball object: ball 0 .07 0 .07 .07 .07 any
cup object: cylinder 0 .05 0 .04 .05 .04 any
rock object: ball 0 .2 0 .6 .5 .7 ground
"""
EVERYWHERE = ("table", "chair", "sofa", "shelf", "cabinet", "bed", "lamp", "plant")
FURNITURE = (*EVERYWHERE, "chair", "table", "cupboard", "kitchen")
TRINKETS = ("bottle", "pile", "block", "ball", "cup", "block", "ball")


KINDS = {"box": BOX, "ball": BALL, "cylinder": CYLINDER, "roof": ROOF, "cone": CONE, "ring": RING, "blob": BLOB}


class Part(NamedTuple):
    kind: int
    centre: list[float]
    half: list[float]
    material: str
    mirrored: str  # "", "x", "z" or "xz"


def read_part(text: str) -> Part:
    kind, *words = text.split()
    numbers = [float(word) for word in words[:6]]
    return Part(KINDS[kind], numbers[:3], numbers[3:], words[6], "".join(words[7:]))


def read_things(text: str) -> dict[str, tuple[int, list[Part]]]:
    """THING_TEXT -> {name: (class, parts)}."""
    things = {}
    for entry in text.replace("\n    ", " ").strip().split("\n"):
        head, body = entry.split(": ")
        name, cls = head.split()
        things[name] = CLASSES.index(cls), [read_part(part) for part in body.split(";")]
    return things


THINGS = read_things(THING_TEXT)


def draw_colour(random: Random, hue: float | None, saturation: tuple, value: tuple) -> tuple[float, ...]:
    """A linear colour from a hue and ranges of saturation and value: a cosine colour wheel."""
    hue = random.random() if hue is None else hue + random.gauss(0, 0.03)
    s, v = random.uniform(*saturation), random.uniform(*value)
    return tuple(v * (1 - s * (0.5 - 0.5 * math.cos(2 * math.pi * (hue - c / 3)))) for c in range(3))


def draw_look(random: Random, material: str) -> Look:
    """One look of a material. One time in eight it is another's, so that a look is never a sure sign of a thing."""
    if material not in NEVER_SWAPPED and random.random() < 0.12:
        material = "any"
    m = MATERIALS[material]
    first = draw_colour(random, random.choice(m.hues), m.saturation, m.value)
    if random.random() < 0.75 or material == "white":
        shade = random.uniform(0.8, 1.0) if material == "white" else random.uniform(0.2, 1.3)
        second = tuple(min(1.0, c * shade + random.uniform(0, 0.08)) for c in first)
    else:
        second = draw_colour(random, None, (0, 0.7), (0.1, 0.9))
    scale = 10 ** random.uniform(*m.log_scale)
    texture, bump, glow = random.choice(m.textures), m.bump * random.random(), random.uniform(*m.glow)
    gloss, cut = (random.uniform(*share) if share[1] else 0.0 for share in (m.gloss, m.cut))
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

    def put(self, name: str, x: float, z: float, yaw: float | None = None, y: float = 0.0, size: float = 1.0) -> None:
        """Stand a thing on height y, stretched and swayed at random."""
        random, (cls, parts), looks = self.random, THINGS[name], {}
        self.groups += 1
        yaw = random.uniform(0, 2 * math.pi) if yaw is None else yaw
        stretch = [size * random.uniform(0.75, 1.3) for _ in range(3)]
        cosine, sine = math.cos(yaw), math.sin(yaw)
        for part in parts:
            if part.material not in looks:
                looks[part.material] = draw_look(random, part.material)
            half = [h * s for h, s in zip(part.half, stretch, strict=True)]
            for mirror_x in (1, -1) if "x" in part.mirrored else (1,):
                for mirror_z in (1, -1) if "z" in part.mirrored else (1,):
                    sway = random.gauss(0, 0.15) if cls in (BEING, PLANT) and part.kind != ROOF else 0.0
                    px, pz = mirror_x * part.centre[0] * stretch[0], mirror_z * part.centre[2] * stretch[2]
                    at = (x + cosine * px + sine * pz, y + part.centre[1] * stretch[1], z - sine * px + cosine * pz)
                    self.add(part.kind, at, half, looks[part.material], cls, (yaw, sway, 0.0), self.groups)
