"""Flowers, bushes, trees, hedges, and branches before the lens."""

import math
from random import Random

from .frames import Frame, along
from .primitives import BALL, BOX, CONE, CYLINDER
from .things import PLANT, Look, Scene, draw_look


def flower(scene: Scene, frame: Frame, petal: Look, seeds: Look, count: int) -> None:
    """A bloom of radius one frame unit at the frame's origin, open along y."""
    random = scene.random
    droop, width, core = random.uniform(-0.6, 0.35), random.uniform(0.8, 1.3) * 3 / count, random.uniform(0.2, 0.4)
    for ring in range(random.choice((1, 1, 2))):
        for k in range(count):
            angle = 2 * math.pi * (k + 0.5 * ring) / count + random.gauss(0, 0.06)
            rise, length = droop + random.gauss(0, 0.12) - 0.35 * ring, (0.5 - 0.12 * ring) * random.uniform(0.85, 1.1)
            leaf = frame.within((0, 0, 0), (angle, rise, 0))
            half = (min(width, 0.45), 0.035, length)
            scene.fit(leaf, BALL, (0, 0.02, core * 0.6 + length), half, petal, PLANT, (0, 0, random.gauss(0, 0.15)))
    scene.fit(frame, BALL, (0, 0.05, 0), (core, core * random.uniform(0.5, 1.1), core), seeds, PLANT)


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


def blooms(scene: Scene, spots, radius: float, ground: float, facing) -> None:
    """Flowers of one kind at spots (x, y, z), with stems down to the ground; open to about facing (yaw, pitch)."""
    random = scene.random
    petal, seeds, green = (draw_look(random, material) for material in ("petal", "seeds", "stem"))
    count = random.choice((5, 6, 8, 10, 13, 16))
    for spot in spots:
        size = radius * random.uniform(0.8, 1.2)
        yaw, pitch = facing[0] + random.gauss(0, 0.4), facing[1] + random.gauss(0, 0.35)
        frame = scene.frame(0, 0, 0).within(spot, (yaw, pitch, 0), size)
        flower(scene, frame, petal, seeds, count)
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
