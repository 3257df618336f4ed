"""Seats: tubes, bands and legs bent in profile at both sides, and a sling, a shell or cushions between them.

A profile is a list of points (z, y) in metres, z ahead of who sits there and y up.
"""

import math
from itertools import pairwise
from random import Random
from typing import NamedTuple

from .frames import Frame, Vector, along
from .primitives import BALL, BOX, CENTRE, CYLINDER
from .things import OBJECT, Look, Scene, draw_look

Profile = tuple[tuple[float, float], ...]


class Seat(NamedTuple):
    half_width: float  # metres
    sheets: tuple[Profile, ...]  # what one sits on and leans against
    sides: tuple[Profile, ...]  # bent, at both sides
    legs: tuple[Profile, ...] = ()  # straight, at both sides
    bars: Profile = ()  # across, from side to side
    thick: tuple[float, float] = (0.008, 0.02)  # range of half a sheet's thickness
    foot: float = 0.0  # height of a star foot's column; 0: none


SEATS = {
    "cantilever_armchair": Seat(
        0.3,
        (((0.36, 0.47), (0.12, 0.38), (-0.18, 0.36), (-0.3, 0.5), (-0.48, 0.97)),),
        (((-0.34, 0.64), (0.1, 0.74), (0.36, 0.66), (0.4, 0.3), (0.2, 0.02), (-0.4, 0.02)),),
        bars=((0.2, 0.4), (-0.36, 0.03)),
    ),
    "rocking_armchair": Seat(
        0.29,
        (((0.34, 0.46), (0.05, 0.37), (-0.22, 0.36), (-0.5, 1.0)),),
        (((-0.3, 0.6), (0.1, 0.68), (0.34, 0.6), (0.36, 0.25), (0.1, 0.02), (-0.3, 0.06), (-0.5, 0.16)),),
        bars=((0.15, 0.39), (-0.45, 0.14)),
    ),
    "cantilever_chair": Seat(
        0.22,
        (((0.24, 0.455), (-0.2, 0.445)), ((-0.22, 0.6), (-0.27, 0.86))),
        (((-0.24, 0.02), (0.22, 0.02), (0.3, 0.05), (0.27, 0.44), (-0.16, 0.43), (-0.22, 0.5), (-0.28, 0.88)),),
        bars=((-0.24, 0.02),),
    ),
    "cantilever_with_arms": Seat(
        0.26,
        (((0.26, 0.455), (-0.2, 0.445)), ((-0.2, 0.55), (-0.26, 0.84))),
        (((-0.28, 0.02), (0.25, 0.02), (0.3, 0.1), (0.29, 0.62), (0.22, 0.67), (-0.24, 0.66)),
          ((0.27, 0.44), (-0.22, 0.44), (-0.27, 0.86))),
        bars=((-0.28, 0.02),),
    ),
    "bentwood_lounge": Seat(
        0.3,
        (((0.42, 0.46), (0.1, 0.38), (-0.16, 0.32), (-0.3, 0.5), (-0.58, 1.02)),),
        (
            ((-0.4, 0.03), (0.3, 0.03), (0.46, 0.12), (0.4, 0.52), (0.2, 0.58), (-0.36, 0.52)),
            ((0.4, 0.4), (-0.16, 0.26), (-0.3, 0.44), (-0.58, 0.98)),
        ),
        bars=((0.36, 0.38), (-0.38, 0.03)),
        thick=(0.02, 0.05),
    ),
    "rocking_chair": Seat(
        0.27,
        (((0.26, 0.44), (-0.24, 0.38)), ((-0.25, 0.42), (-0.32, 0.75), (-0.45, 1.1))),
        (((0.55, 0.12), (0.25, 0.03), (-0.2, 0.02), (-0.65, 0.16)),),
        (((0.26, 0.04), (0.24, 0.64)), ((-0.25, 0.04), (-0.3, 0.64)), ((0.3, 0.65), (-0.34, 0.63)),
          ((-0.24, 0.38), (-0.46, 1.1))),
        ((0.26, 0.22), (0.25, 0.42)),
    ),
    "deck_chair": Seat(
        0.28,
        (((0.46, 0.46), (0.1, 0.26), (-0.2, 0.28), (-0.4, 0.55), (-0.6, 0.9)),),
        (),
        (((0.5, 0.01), (-0.6, 0.92)), ((-0.5, 0.01), (0.46, 0.47))),
        ((0.46, 0.47), (-0.6, 0.92), (-0.45, 0.05)),
    ),
    "easy_chair": Seat(
        0.31,
        (((0.32, 0.42), (-0.28, 0.36)), ((-0.24, 0.42), (-0.44, 0.94))),
        (((0.36, 0.56), (0.2, 0.6), (-0.4, 0.55)),),
        (((0.34, 0.0), (0.3, 0.58)), ((-0.36, 0.0), (-0.36, 0.56)), ((0.31, 0.33), (-0.36, 0.28)),
          ((-0.26, 0.3), (-0.46, 0.92))),
        ((0.31, 0.33), (-0.45, 0.9), (-0.36, 0.28)),
        (0.04, 0.08),
    ),
    "safari_chair": Seat(
        0.27,
        (((0.28, 0.4), (0.0, 0.34), (-0.26, 0.36)), ((-0.27, 0.5), (-0.36, 0.84))),
        (),
        (((0.28, 0.0), (0.28, 0.6)), ((-0.28, 0.0), (-0.28, 0.6)), ((0.3, 0.6), (-0.3, 0.6)),
          ((-0.26, 0.45), (-0.38, 0.86))),
        ((0.28, 0.38), (-0.28, 0.36), (-0.38, 0.86)),
    ),
    "dining_chair": Seat(
        0.21,
        (((0.22, 0.46), (-0.2, 0.45)), ((-0.22, 0.66), (-0.27, 0.9))),
        (),
        (((0.22, 0.0), (0.18, 0.45)), ((-0.26, 0.0), (-0.2, 0.45)), ((-0.2, 0.45), (-0.27, 0.9))),
        ((0.18, 0.43),),
    ),
    "shell_chair": Seat(
        0.23,
        (((0.24, 0.42), (0.18, 0.45), (-0.1, 0.42), (-0.22, 0.5), (-0.27, 0.84)),),
        (),
        (((0.24, 0.0), (0.1, 0.42)), ((-0.24, 0.0), (-0.1, 0.42))),
        ((0.14, 0.3), (-0.14, 0.3)),
    ),
    "lounge_on_star": Seat(
        0.33,
        (((0.36, 0.42), (0.1, 0.4), (-0.2, 0.36), (-0.36, 0.6), (-0.5, 1.0)),),
        (((0.3, 0.38), (0.3, 0.58), (-0.3, 0.54)),),
        thick=(0.03, 0.07),
        foot=0.34,
    ),
    "office_chair": Seat(
        0.24,
        (((0.25, 0.48), (-0.2, 0.47)), ((-0.24, 0.58), (-0.25, 0.75), (-0.32, 1.08))),
        (((0.05, 0.46), (0.02, 0.66), (-0.05, 0.68), (0.18, 0.68)), ((-0.1, 0.44), (-0.28, 0.46), (-0.27, 0.8))),
        thick=(0.015, 0.045),
        foot=0.44,
    ),
    "chaise": Seat(
        0.27,
        (((0.95, 0.3), (0.5, 0.42), (0.2, 0.5), (-0.15, 0.26), (-0.35, 0.4), (-0.75, 0.82)),),
        (((0.85, 0.26), (0.5, 0.08), (0.1, 0.02), (-0.3, 0.1), (-0.62, 0.6)),),
        (((0.4, 0.06), (0.45, 0.0)), ((-0.1, 0.03), (-0.2, 0.0))),
        ((0.5, 0.05), (-0.1, 0.04)),
        (0.012, 0.04),
    ),
    "bar_stool": Seat(
        0.17,
        (((0.17, 0.76), (-0.17, 0.75)),),
        (),
        (((0.22, 0.0), (0.13, 0.75)), ((-0.22, 0.0), (-0.13, 0.75)), ((0.19, 0.25), (-0.19, 0.25))),
        ((0.19, 0.25), (-0.19, 0.25)),
    ),
    "stool": Seat(
        0.2,
        (((0.17, 0.45), (-0.17, 0.45)),),
        (),
        (((0.19, 0.0), (0.13, 0.44)), ((-0.19, 0.0), (-0.13, 0.44))),
        ((0.16, 0.2),),
    ),
    "long_bench": Seat(
        0.6,
        (((0.19, 0.45), (-0.19, 0.45)),),
        (((0.16, 0.43), (0.18, 0.04), (0.1, 0.02), (-0.1, 0.02), (-0.18, 0.04), (-0.16, 0.43)),),
        thick=(0.015, 0.05),
    ),
}  # fmt: skip
LONE = [name for name in SEATS if name not in ("bar_stool", "stool", "long_bench")]  # what is photographed for itself
FRAMES = ("metal", "metal", "metal", "dark", "wood", "wood", "white")
SLINGS = (
    "cantilever_armchair", "cantilever_armchair", "rocking_armchair", "bentwood_lounge", "cantilever_with_arms",
    "cantilever_chair", "easy_chair", "safari_chair", "shell_chair", "deck_chair",
)  # with backs, and light where they stand before light walls  # fmt: skip
COVERS = ("white", "white", "white", "cloth", "cloth", "dark", "wood", "paint", "wicker")


def rounded(points: list, rounds: int) -> list:
    """A line of points with its corners cut `rounds` times: in the limit a smooth curve [Chaikin 1974]."""
    for _ in range(rounds):
        cut = [points[0]]
        for a, b in pairwise(points):
            cut += [tuple(p + (q - p) * share for p, q in zip(a, b, strict=True)) for share in (0.25, 0.75)]
        points = [*cut, points[-1]]
    return points


def strip(scene: Scene, frame: Frame, x: float, profile, half_width: float, thick: float, look: Look) -> None:
    """A sheet or a band along a profile, centred at x."""
    for (z0, y0), (z1, y1) in pairwise(profile):
        middle, length, turns = along((x, y0, z0), (x, y1, z1))
        scene.fit(frame, BOX, middle, (half_width, length + 0.5 * thick, thick), look, OBJECT, turns)


def tube(scene: Scene, frame: Frame, x: float, profile, radius: float, look: Look) -> None:
    """A round tube along a profile at x."""
    for (z0, y0), (z1, y1) in pairwise(profile):
        scene.rod(frame, (x, y0, z0), (x, y1, z1), radius, look)


def star(scene: Scene, frame: Frame, height: float, look: Look) -> None:
    """A column on a foot of five arms."""
    scene.rod(frame, (0, 0.06, 0), (0, height, 0), 0.028, look)
    for k in range(5):
        arm = frame.within((0, 0, 0), (1.2566 * k, 0, 0))
        scene.rod(arm, (0, 0.09, 0), (0, 0.04, 0.3), 0.018, look)


def seat(scene: Scene, random: Random, name: str, frame: Frame, rounds: int = 2, light: bool = False) -> None:
    """One seat of the table above, stretched at random; rounds: how finely it is bent; light: white. 15 to 90 rows."""
    plan, uniform = SEATS[name], random.uniform
    wide, high, deep = plan.half_width * uniform(0.85, 1.2), uniform(0.92, 1.1), uniform(0.9, 1.15)
    material = random.choice(FRAMES)
    metal, cover = draw_look(random, material), draw_look(random, "white" if light else random.choice(COVERS))
    flat, radius, thick = material == "wood" or random.random() < 0.25, uniform(0.01, 0.02), uniform(*plan.thick)
    radius *= uniform(1, 1.5) if light else 1

    def stretched(profile: Profile, rounds: int) -> list:
        return rounded([(z * deep, y * high) for z, y in profile], rounds)

    for profile in plan.sheets:
        strip(scene, frame, 0, stretched(profile, rounds if len(profile) > 2 else 0), wide - 0.01, thick, cover)
    for side in (-1, 1):
        for profile in plan.sides:
            if flat:
                strip(scene, frame, side * wide, stretched(profile, rounds), 1.5 * radius, 0.6 * radius, metal)
            else:
                tube(scene, frame, side * wide, stretched(profile, rounds), radius, metal)
        for profile in plan.legs:
            tube(scene, frame, side * wide * 0.97, stretched(profile, 0), radius, metal)
    for z, y in stretched(plan.bars, 0):
        scene.rod(frame, (-wide, y, z), (wide, y, z), 0.8 * radius, metal)
    if plan.foot:
        star(scene, frame, plan.foot * high, metal)
    if random.random() < 0.12:
        scene.fit(frame, BALL, (0, 0.52, -0.12), (0.2, 0.18, 0.09), "cloth", OBJECT, (0, -0.3, 0))


def extent(rows: list) -> tuple[Vector, float]:
    """The middle of what lies in the rows, and the metres from there to its farthest row's middle."""
    low, high = (tuple(edge(row[CENTRE + k] for row in rows) for k in range(3)) for edge in (min, max))
    middle = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
    return middle, max(math.dist(middle, row[CENTRE : CENTRE + 3]) for row in rows)


def round_table(scene: Scene, random: Random, x: float, z: float) -> None:
    """A small round table beside a seat, with something on it."""
    frame, height, radius = scene.frame(x, z), random.uniform(0.4, 0.62), random.uniform(0.18, 0.3)
    top, leg = draw_look(random, random.choice(("white", "wood", "dark", "glass"))), draw_look(random, "metal")
    scene.fit(frame, CYLINDER, (0, height, 0), (radius, 0.012, radius), top)
    if random.random() < 0.5:
        scene.rod(frame, (0, 0, 0), (0, height, 0), 0.015, leg)
        scene.fit(frame, CYLINDER, (0, 0.01, 0), (radius * 0.7, 0.01, radius * 0.7), leg)
    else:
        for k in range(3):
            own = frame.within((0, 0, 0), (2.094 * k, 0, 0))
            scene.rod(own, (0, 0, radius * 0.95), (0, height, radius * 0.6), 0.011, leg)
    scene.put(random.choice(("vase", "cup", "book", "flower_vase", "pile", "candle")), x, z, y=height, size=0.9)
