"""Steep mountains above a valley in mist, as brush and ink paint them."""

import math
from random import Random

from .outdoor import house
from .plants import bush, tree
from .primitives import BLOB, BOX, CONE, PLANE
from .standpoint import Standpoint, aim
from .things import GROUND, Look, Scene, draw_look

ROCKS = ("mountain", "mountain", "stone", "ground")


def massif(scene: Scene, random: Random, x: float, z: float, size: float, look: Look) -> None:
    """Summits side by side, the highest `size` metres high, ribs down their flanks, slopes at their foot."""
    uniform, gauss, frame, steep = random.uniform, random.gauss, scene.frame(x, z, 0), random.uniform(0.7, 1.6)
    look = look._replace(scale=uniform(4, 20) / size, bump=uniform(0.3, 1.5))  # folds, as large as the rock is
    for k in range(random.randrange(2, 6)):
        high = size * (1.0 if k == 0 else uniform(0.25, 0.85))
        at_x, at_z, wide = gauss(0, 0.45) * size * (k > 0), gauss(0, 0.15) * size, high * uniform(0.25, 0.5) / steep
        half, turns = (wide, high / 2, wide * uniform(0.6, 1)), (uniform(0, 6), gauss(0, 0.08), gauss(0, 0.08))
        scene.fit(frame, CONE, (at_x, 0.47 * high, at_z), half, look, GROUND, turns)
        for _ in range(random.randrange(2, 7)):
            share, angle = uniform(0.25, 0.8), uniform(-1.7, 1.7)  # how far out, on the side of the camera
            out, tip = wide * share, high * (1 - share) * uniform(0.9, 1.35)
            at = (at_x + math.sin(angle) * out, 0.45 * tip, at_z - math.cos(angle) * out)
            half, turns = (
                (tip * uniform(0.15, 0.5) / steep, tip / 2, tip * uniform(0.2, 0.6)),
                (angle, gauss(0, 0.15), 0),
            )
            scene.fit(frame, CONE, at, half, look, GROUND, turns)
    for _ in range(random.randrange(0, 4)):
        half = [size * uniform(0.15, 0.35) * k for k in (1.4, 0.6, 1)]
        at = (gauss(0, 0.5) * size, uniform(-0.3, 0.3) * half[1], -uniform(0, 0.3) * size)
        scene.fit(frame, BLOB, at, half, look, GROUND, (uniform(0, 6), 0, 0))


def peaks(scene: Scene, random: Random) -> Standpoint:
    """Mountains one behind the other, rocks and trees before them, often water between, from a raised path."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), choice(("ground", "ground", "grass", "sand", "water")), GROUND)
    look, side = draw_look(random, choice(ROCKS)), choice((-1, 1))
    for k in range(random.randrange(1, 6)):
        z = uniform(60, 140) * 1.8**k
        size, x = z * uniform(0.15, 0.55), z * (side * uniform(0, 0.5) if k == 0 else uniform(-0.8, 0.8))
        massif(scene, random, x, z, size, look if chance() < 0.7 else draw_look(random, choice(ROCKS)))
    if chance() < 0.5:
        z = uniform(15, 50)
        scene.add(BOX, (uniform(-20, 20), 0, z + 30), (uniform(10, 80), 0.02, uniform(8, 30)), "water", GROUND)
        if chance() < 0.5:
            scene.put("boat", uniform(-8, 8), z + uniform(2, 15))
    for _ in range(random.randrange(0, 4)):  # near slopes
        z = uniform(12, 50)
        x, size = choice((-1, 1)) * uniform(0.2, 0.9) * z, z * uniform(0.08, 0.35)
        massif(scene, random, x, z, size, look)
    for _ in range(random.randrange(0, 9)):
        z = uniform(7, 60)
        x, size = uniform(-0.7, 0.7) * z, uniform(2, 7)
        tree(scene, x, z, size) if chance() < 0.6 else bush(scene, x, z, 0.3 * size)
    if chance() < 0.25:
        house(scene, uniform(-12, 12), uniform(25, 60), uniform(0, 6))
    position = (0, uniform(1.5, 14), 0)
    yaw, pitch = aim(position, (side * uniform(-10, 40), position[1] + uniform(-8, 22), 100))
    return Standpoint(position, yaw, pitch, None, width=(32, 66))
