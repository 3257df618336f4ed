"""Flowers, bushes, trees, hedges, and branches before the lens."""

import math
from random import Random
from typing import NamedTuple

from .frames import Frame, along
from .primitives import BALL, BOX, CONE, CYLINDER, RING
from .textures import PLAIN
from .things import PLANT, Look, Scene, draw_look


class Bloom(NamedTuple):
    """Ranges from which one kind of flower is drawn; one unit is about its radius."""

    petals: tuple[int, ...]  # in a row
    rows: tuple[int, int]
    width: tuple[float, float]  # half of it, times 3 / petals
    droop: tuple[float, float]  # of the outer row, radians; below 0 it stands up
    closing: float  # radians from row to row
    core: tuple[float, float]  # the heart's radius
    tall: tuple[float, float]  # the heart's height over its radius
    lobed: float = 0.0  # how often a petal has two tips


FLOWERS = {
    "plain": Bloom((5, 6, 8, 10, 13, 16), (1, 2), (0.8, 1.3), (-0.6, 0.35), 0.35, (0.2, 0.4), (0.5, 1.1), 0.3),
    "daisy": Bloom((13, 16, 21), (1, 2), (0.7, 1.0), (-0.3, 0.15), 0.12, (0.25, 0.4), (0.25, 0.7)),
    "sunflower": Bloom((13, 16, 18), (2, 3), (0.8, 1.1), (-0.3, 0.1), 0.15, (0.4, 0.55), (0.12, 0.3)),
    "coneflower": Bloom((8, 10, 12), (1, 2), (0.9, 1.3), (-0.1, 0.7), 0.25, (0.25, 0.4), (0.8, 1.5), 0.5),
    "rose": Bloom((5, 6, 7), (3, 4), (0.9, 1.2), (-0.3, 0.0), 0.38, (0.12, 0.2), (0.8, 1.2)),
}


def heart(scene: Scene, frame: Frame, core: float, tall: float, seeds: Look, near: bool) -> None:
    """A flower's middle: a ball, flat or high, often with a ring around it; near: with its florets."""
    random = scene.random
    scene.fit(frame, BALL, (0, 0.05, 0), (core, core * tall, core), seeds, PLANT)
    light = tuple(min(1.0, c * random.choice((0.4, 1.6, 2.5)) + 0.02) for c in seeds.first)
    pollen = seeds._replace(texture=PLAIN, first=light, second=seeds.first)
    if random.random() < 0.4:
        scene.fit(frame, RING, (0, 0.08, 0), (core * random.uniform(0.9, 1.15), 0.07, core), pollen, PLANT)
    if not near or random.random() < 0.3:
        return
    for k in range(random.choice((24, 36))):  # florets turn by the golden angle
        share, angle = math.sqrt((k + 0.5) / 36), 2.4 * k
        x, z, size = math.sin(angle) * share * core, math.cos(angle) * share * core, core * random.uniform(0.09, 0.14)
        at = (x, 0.05 + core * tall * math.sqrt(max(0.0, 1 - share * share)), z)
        scene.fit(frame, BALL, at, (size, 1.3 * size, size), pollen, PLANT)


def flower(scene: Scene, frame: Frame, kind: str, petal: Look, seeds: Look, count: int, near: bool) -> None:
    """A bloom of radius one frame unit at the frame's origin, open along y; near: more of its heart. 7 to 90 rows."""
    random, bloom = scene.random, FLOWERS[kind]
    uniform, gauss, lobed = random.uniform, random.gauss, random.random() < bloom.lobed
    droop, core = uniform(*bloom.droop), uniform(*bloom.core)
    width, rows = min(0.45, uniform(*bloom.width) * 3 / count), random.randint(*bloom.rows)
    for row in range(rows):
        for k in range(count):
            angle = 2 * math.pi * (k + 0.5 * row) / count + gauss(0, 0.06)
            rise, length = droop + gauss(0, 0.12) - bloom.closing * row, (0.5 - 0.09 * row) * uniform(0.85, 1.1)
            for lobe in (-0.5, 0.5) if lobed else (0,):
                leaf = frame.within((0, 0, 0), (angle + lobe * 0.7 * width, rise + gauss(0, 0.05), 0))
                half = (width * (0.75 if lobe else 1), 0.035, length * uniform(0.9, 1.0))
                roll = (0, 0, gauss(0, 0.15) + 0.4 * lobe)
                scene.fit(leaf, BALL, (0, 0.02, core * 0.6 + length), half, petal, PLANT, roll)
    heart(scene, frame, core, uniform(*bloom.tall), seeds, near)


def stalk(scene: Scene, root, bloom, radius: float, green: Look) -> None:
    """A stem in the world from root to bloom, with two leaves."""
    random, frame = scene.random, scene.frame(0, 0, 0)
    bend = [(a + b) / 2 + random.gauss(0, 0.06) * abs(bloom[1] - root[1]) for a, b in zip(root, bloom, strict=True)]
    scene.rod(frame, root, bend, radius * 0.08, green, PLANT)
    scene.rod(frame, bend, bloom, radius * 0.07, green, PLANT)
    for at in (bend, [(a + b) / 2 for a, b in zip(root, bend, strict=True)]):
        turns = (random.uniform(0, 6), random.uniform(-0.9, -0.2), 0)
        leaf = frame.within(at, turns)
        scene.fit(leaf, BALL, (0, 0, 0.7 * radius), (0.25 * radius, 0.02 * radius, 0.7 * radius), green, PLANT)


def blooms(scene: Scene, spots, radius: float, ground: float, facing, near: bool = False) -> None:
    """Flowers of one kind at spots (x, y, z), with stems down to the ground; open to about facing (yaw, pitch).

    near: the first of them is close to the camera.
    """
    random = scene.random
    petal, seeds, green = (draw_look(random, material) for material in ("petal", "seeds", "stem"))
    if random.random() < 0.4:  # tips of another colour
        petal = petal._replace(second=draw_look(random, random.choice(("petal", "white"))).first)
    kind = random.choice(("plain", *FLOWERS))
    count = random.choice(FLOWERS[kind].petals)
    for k, spot in enumerate(spots):
        size = radius * random.uniform(0.8, 1.2)
        yaw, pitch = facing[0] + random.gauss(0, 0.4), facing[1] + random.gauss(0, 0.35)
        frame = scene.frame(0, 0, 0).within(spot, (yaw, pitch, 0), size)
        flower(scene, frame, kind, petal, seeds, count, near and k == 0)
        root = (spot[0] + random.gauss(0, 0.5) * size, ground, spot[2] + random.gauss(0, 0.5) * size)
        stalk(scene, root, spot, size, green)


def bush(scene: Scene, x: float, z: float, size: float, material: str = "foliage") -> None:
    """Some balls of leaves, `size` metres high."""
    random = scene.random
    look = draw_look(random, material)
    for _ in range(random.randrange(2, 6)):
        half = [size * random.uniform(0.25, 0.55) for _ in range(3)]
        at = (x + random.gauss(0, 0.45) * size, half[1] * random.uniform(0.7, 1.3), z + random.gauss(0, 0.3) * size)
        scene.add(BALL, at, half, look, PLANT, (random.uniform(0, 6), 0, 0))


def tree(scene: Scene, x: float, z: float, height: float, y: float = 0.0) -> None:
    """A trunk, some boughs and a crown; a conifer one time in five, bare one time in ten."""
    random, frame = scene.random, scene.frame(x, z, None, y, height)
    bark, leaf = draw_look(random, "bark"), draw_look(random, random.choice(("foliage",) * 4 + ("autumn",)))
    kind, lean = random.random(), random.gauss(0, 0.04)
    if kind < 0.2:
        scene.rod(frame, (0, 0, 0), (0, 0.3, 0), 0.025, bark, PLANT)
        for k in range(3):
            scene.fit(frame, CONE, (0, 0.32 + 0.22 * k, 0), (0.22 - 0.06 * k, 0.2, 0.22 - 0.06 * k), leaf, PLANT)
        return
    fork = (lean, random.uniform(0.3, 0.5), lean)
    scene.rod(frame, (0, 0, 0), fork, random.uniform(0.02, 0.04), bark, PLANT)
    for _ in range(random.randrange(4, 8)):
        angle, out, up = random.uniform(0, 6.3), random.uniform(0.05, 0.3), random.uniform(0.55, 0.85)
        tip = (lean + math.sin(angle) * out, up, lean + math.cos(angle) * out)
        scene.rod(frame, fork, tip, 0.012, bark, PLANT)
        if kind < 0.9:
            half = [random.uniform(0.12, 0.22), random.uniform(0.1, 0.17), random.uniform(0.12, 0.22)]
            scene.fit(frame, BALL, tip, half, leaf, PLANT, (angle, 0, 0))


def hedge(scene: Scene, x: float, z: float, length: float, yaw: float) -> None:
    """A cut hedge `length` metres long."""
    height = scene.random.uniform(0.4, 1.1)
    look = draw_look(scene.random, "leaf")
    scene.add(BOX, (x, height, z), (length / 2, height, 0.4), look, PLANT, (yaw, 0, 0))


def branches(scene: Scene, random: Random, frame: Frame, distance: float) -> None:
    """Twigs with leaves that hang into the picture from above; frame: at the camera, z ahead."""
    leaf, bark = draw_look(random, random.choice(("leaf", "leaf", "autumn"))), draw_look(random, "bark")
    leaf = leaf._replace(cut=0.0)
    for _ in range(random.randrange(1, 4)):
        d = distance * random.uniform(0.8, 1.5)
        start = (random.choice((-1, 1)) * random.uniform(0.2, 0.9) * d, 0.7 * d, d)
        end = (start[0] + random.gauss(0, 0.4) * d, random.uniform(0.34, 0.55) * d, d * random.uniform(0.9, 1.1))
        scene.rod(frame, start, end, 0.01 * d, bark, PLANT)
        for _ in range(random.randrange(6, 14)):
            t, size = random.random(), random.uniform(0.03, 0.07) * d
            at = [a + (b - a) * t + random.gauss(0, 0.03) * d for a, b in zip(start, end, strict=True)]
            turns = tuple(random.uniform(0, 3) for _ in range(3))
            scene.fit(frame, BALL, at, (size, size * 0.1, size * 0.5), leaf, PLANT, turns)


def palm(scene: Scene, x: float, z: float, height: float) -> None:
    """A palm `height` metres high."""
    random, frame = scene.random, scene.frame(x, z, None, 0, height)
    bark, leaf = draw_look(random, "bark"), draw_look(random, "stem")
    scene.rod(frame, (0, 0, 0), (0.04, 0.85, 0), 0.025, bark, PLANT)
    for k in range(9):
        angle = k * 0.7 + random.gauss(0, 0.1)
        tip = (0.04 + 0.3 * math.sin(angle), random.uniform(0.7, 1), 0.3 * math.cos(angle))
        middle, length, turns = along((0.04, 0.86, 0), tip)
        scene.fit(frame, BALL, middle, (0.04, length, 0.008), leaf, PLANT, turns)
    scene.fit(frame, CYLINDER, (0.04, 0.85, 0), (0.03, 0.02, 0.03), bark, PLANT)
