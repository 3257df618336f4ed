"""Seven kinds of scene. Each fills a Scene and answers where the camera stands.

    family(scene, random) -> Standpoint

The camera looks along z, turned by yaw and pitch. Numbers are metres and radians.
"""

import math
from random import Random
from typing import NamedTuple

from .primitives import BALL, BOX, PLANE
from .things import CEILING, FURNITURE, GROUND, OBJECT, OPENING, TRINKETS, WALL, Scene, draw_look


class Standpoint(NamedTuple):
    position: tuple[float, float, float]
    yaw: float
    pitch: float
    lamp: tuple[float, float, float] | None  # None: out of doors
    bright: bool = False  # white and overexposed


def shell(scene: Scene, random: Random, w: float, d: float, h: float, bright: bool) -> None:
    """Floor, ceiling and four walls of a room 2 w wide, d deep, h high."""
    wall_material = "white" if bright else "wall"
    scene.add(BOX, (0, -0.1, d / 2), (w + 0.2, 0.1, d / 2 + 0.2), "floor", GROUND)
    ceiling = "white" if bright or random.random() < 0.5 else "wall"
    scene.add(BOX, (0, h + 0.1, d / 2), (w + 0.2, 0.1, d / 2 + 0.2), ceiling, CEILING)
    shared = draw_look(random, wall_material)
    sides = ((-w - 0.1, d / 2, 0.1, d / 2), (w + 0.1, d / 2, 0.1, d / 2), (0, d + 0.1, w, 0.1), (0, -0.1, w, 0.1))
    for x, z, a, b in sides:
        scene.add(BOX, (x, h / 2, z), (a, h / 2, b), shared if random.random() < 0.7 else wall_material, WALL)


def openings(scene: Scene, random: Random, w: float, d: float, h: float, bright: bool) -> None:
    """Windows, pictures and doors on the left, right and far wall."""
    looks = ("window", "window", "white", "poster", "wood") if bright else ("window", "glow", "poster", "wood", "any")
    for _ in range(random.randrange(2, 12)):
        side, look = random.randrange(3), random.choice(looks)
        widest, highest = (0.9, 0.7) if look == "window" else (0.7, 0.6)
        a, b = random.uniform(0.15, widest), random.uniform(0.15, highest)
        y = random.uniform(1.1, max(1.15, h - b - 0.1))
        if random.random() < 0.2:  # a door
            a, b, y = random.uniform(0.35, 0.5), 1.0, 1.0
        x, z = (random.uniform(-w, w) * 0.8, d) if side == 2 else (w * (2 * side - 1), random.uniform(0.5, d))
        turns, frame = (0 if side == 2 else math.pi / 2, 0, 0), "white" if bright else "wood"
        scene.add(BOX, (x, y, z), (a, b, 0.03), look, OPENING, turns)
        scene.add(BOX, (x, y, z), (a + 0.05, b + 0.05, 0.02), frame, OPENING, turns)
        if look == "window" and random.random() < 0.6:  # a cross bar tells that the light is near
            scene.add(BOX, (x, y, z), (0.02, b, 0.045), frame, OPENING, turns)
            scene.add(BOX, (x, y, z), (a, 0.02, 0.045), frame, OPENING, turns)


def room(scene: Scene, random: Random, narrow: bool = False) -> Standpoint:
    uniform, chance = random.uniform, random.random
    bright = chance() < 0.45
    if narrow:
        w, d, h = uniform(0.8, 1.6), uniform(6, 25), uniform(2.2, 3.2)
    else:
        w, d, h = uniform(1.4, 4.5), uniform(2.5, 9), uniform(2.2, 3.6)
    shell(scene, random, w, d, h, bright)
    openings(scene, random, w, d, h, bright)
    at = (uniform(-1, 1), 0.005, uniform(1, d))
    scene.add(BOX, at, (uniform(0.4, 1.4), 0.006, uniform(0.4, 1.4)), "cloth", GROUND)
    for _ in range(random.randrange(1, 4)):
        at = (uniform(-w, w) * 0.6, h, uniform(0.2, 0.9) * d)
        scene.add(BOX, at, (uniform(0.05, 0.3), 0.03, uniform(0.05, 0.5)), "glow", CEILING)
    for _ in range(random.randrange(1, 4) if narrow else random.randrange(4, 15)):
        left, right = (-w + 0.35, uniform(0.5, d), math.pi / 2), (w - 0.35, uniform(0.5, d), -math.pi / 2)
        far, free = (uniform(-w, w) * 0.8, d - 0.4, math.pi), (uniform(-w, w) * 0.8, uniform(0.8, d), None)
        x, z, yaw = random.choice((left, right, free) if narrow else (left, right, free, far))
        scene.put(random.choice(FURNITURE), x, z, yaw)
        if chance() < 0.3:
            scene.put(random.choice(TRINKETS), x, z, y=random.choice((0, 0.75)), size=uniform(0.7, 2.5))
    if chance() < 0.4:
        scene.put(random.choice(("person", "person", "animal")), uniform(-0.5, 0.5) * w, uniform(1, d))
    position = (uniform(-0.8, 0.8) * w, uniform(0.5, min(2.0, h - 0.3)), uniform(0.15, 2 if narrow else 0.45 * d))
    lamp = (uniform(-w, w) * 0.7, h - 0.15, uniform(0.1, 0.9) * d)
    return Standpoint(position, random.gauss(0, 0.12 if narrow else 0.45), random.gauss(-0.15, 0.18), lamp, bright)


def corridor(scene: Scene, random: Random) -> Standpoint:
    return room(scene, random, narrow=True)


def street(scene: Scene, random: Random) -> Standpoint:
    uniform, chance, choice = random.uniform, random.random, random.choice
    road, walk = uniform(3, 8), uniform(1, 4)  # half the road's width, the pavement's width
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), "ground", GROUND)
    scene.add(BOX, (0, 0.002, 60), (road, 0.004, 140), "road", GROUND)
    for k in range(14 if chance() < 0.7 else 0):
        scene.add(BOX, (0, 0.008, k * 5), (0.08, 0.006, 1.5), "paint", GROUND)
    for side in (-1, 1):
        scene.add(BOX, (side * (road + walk / 2), 0.06, 60), (walk / 2, 0.06, 140), "floor", GROUND)
        z, rural = -8.0, chance() < 0.3
        while z < 160:
            length, h = uniform(4, 16), uniform(2.5, 14)
            if rural:
                scene.put(choice(("tree", "pine", "house")), side * (road + walk + uniform(5, 12)), z)
            else:
                x, half = side * (road + walk + 5 + uniform(0, 0.8)), length / 2 * uniform(0.85, 1)
                scene.add(BOX, (x, h, z + length / 2), (5, h, half), "facade", WALL)
            z += length
        for _ in range(random.randrange(6)):
            scene.put(choice(("pole", "tree", "person")), side * (road + uniform(0.4, walk)), uniform(3, 50))
        for _ in range(random.randrange(6)):
            x = side * road * choice((uniform(0.7, 0.9), uniform(0.2, 0.5)))
            scene.put("car", x, uniform(4, 60), random.gauss(0, 0.06) + choice((0, math.pi)))
    height = choice((uniform(1.1, 2.6), uniform(1.1, 2.6), uniform(2, 8)))
    return Standpoint((uniform(-0.8, 0.8) * road, height, 0), random.gauss(0, 0.3), random.gauss(-0.05, 0.1), None)


def open_ground(scene: Scene, random: Random) -> Standpoint:
    uniform, chance, choice = random.uniform, random.random, random.choice
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), "ground", GROUND)
    high = chance() < 0.2
    reach = 80 if high else choice((8, 20, 60))
    for _ in range(random.randrange(1, 7)):  # hills
        z, r = uniform(60, 900), uniform(0.2, 0.8)
        look = draw_look(random, choice(("leaf", "ground")))._replace(scale=10 ** uniform(-2.3, -0.7))
        scene.add(BALL, (uniform(-1.2, 1.2) * z, 0, z), (z * r, z * uniform(0.03, 0.3), z * r), look, GROUND)
    if chance() < 0.3:  # a path or a river
        half, turns = (uniform(0.5, 4), 0.01, 120), (random.gauss(0, 0.3), 0, 0)
        scene.add(BOX, (uniform(-4, 4), 0, 50), half, choice(("road", "paint")), GROUND, turns)
    for _ in range(random.randrange(3, 16)):
        z = uniform(2, reach)
        large = "house" if z > 8 else "block"
        name = choice(("tree", "tree", "pine", "rock", "rock", "person", "animal", "plant", large, "car"))
        scene.put(name, uniform(-0.8, 0.8) * z, z, size=uniform(0.6, 1.6))
    position = (0, uniform(6, 60) if high else uniform(0.5, 2.5), 0)
    return Standpoint(position, random.gauss(0, 0.3), random.gauss(-0.3 if high else -0.05, 0.12), None)


def tabletop(scene: Scene, random: Random) -> Standpoint:
    uniform, gauss, choice = random.uniform, random.gauss, random.choice
    d, back, bright, below = uniform(0.3, 1.2), uniform(0.7, 4), random.random() < 0.45, 0.75
    wall = "white" if bright else "wall"
    scene.add(BOX, (0, -0.03, d * 0.7), (uniform(0.5, 2), 0.03, d), choice(("wood", "floor", "cloth", "any", "white")))
    scene.add(BOX, (0, 0.5, back), (6, 2.5, 0.05), choice((wall, wall, "poster")), WALL)
    scene.add(BOX, (uniform(1.2, 5), 0.5, 0), (0.05, 2.5, 6), wall, WALL)
    scene.add(BOX, (-uniform(1.2, 5), 0.5, 0), (0.05, 2.5, 6), wall, WALL)
    scene.add(PLANE, (0, uniform(1.6, 2.2), 0), (1, 1, 1), "white", CEILING)
    scene.add(PLANE, (0, -below, 0), (1, 1, 1), "floor", GROUND)
    if random.random() < 0.5:
        x, y = uniform(-1.2, 1.2), uniform(0.3, 0.9)
        scene.add(BOX, (x, y, back - 0.05), (uniform(0.3, 0.9), uniform(0.3, 0.6), 0.02), "window", OPENING)
    for _ in range(random.randrange(4)):
        scene.put(choice(FURNITURE), uniform(-2, 2), uniform(d + 0.7, max(back, d + 0.8)), y=-below)
    for _ in range(random.randrange(3, 14)):
        scene.put(choice(TRINKETS), gauss(0, 0.3), uniform(0.15, 1.4 * d), size=uniform(0.5, 1.6))
    if random.random() < 0.25:
        scene.put("animal", gauss(0, 0.15), uniform(0.3, d), size=0.6)
    lamp = (uniform(-1, 1), uniform(0.8, 1.5), uniform(-1, 0.6))
    position = (gauss(0, 0.15), uniform(0.12, 0.7), uniform(-0.5, 0))
    return Standpoint(position, gauss(0, 0.2), uniform(-0.9, -0.1), lamp, bright)


def clutter(scene: Scene, random: Random) -> Standpoint:
    """Floating shapes before a backdrop: size and place say nothing, occlusion says everything.

    Nothing is nearer than a third of the backdrop: nearer shapes give depths that no photograph has.
    """
    uniform, gauss = random.uniform, random.gauss
    far = uniform(3, 12)
    tilt = (gauss(0, 0.3), gauss(0, 0.3), 0)
    scene.add(BOX, (0, 0, far), (40, 40, 0.1), random.choice(("any", "wall", "ground", "white")), WALL, tilt)
    for _ in range(random.randrange(5, 20)):
        z, look = uniform(0.35, 1) * far, draw_look(random, "any")
        half = [uniform(0.05, 0.3) * z * uniform(0.2, 1) for _ in range(3)]
        at, turns = (uniform(-0.8, 0.8) * z, uniform(-0.8, 0.8) * z, z), [uniform(0, 6) for _ in range(3)]
        scene.add(random.randrange(1, 5), at, half, look._replace(scale=look.scale * 3 / z), OBJECT, turns)
    return Standpoint((0, 0, 0), 0.0, 0.0, (uniform(-3, 3), uniform(0, 4), uniform(-2, 2)))


def portrait(scene: Scene, random: Random) -> Standpoint:
    """People or animals close to the camera, in one of the other scenes."""
    base = random.choice((room, room, street, open_ground, open_ground))(scene, random)
    x, _, z = base.position
    name = random.choice(("person", "animal"))
    distance = random.uniform(0.7, 3.5) if name == "person" else random.uniform(0.5, 2)
    for k in range(random.choice((1, 1, 2, 3))):
        angle = base.yaw + random.gauss(0, 0.15) + 0.4 * k * (-1) ** k
        distance += random.uniform(0, 1) if k else 0
        at_x, at_z = x + math.sin(angle) * distance, z + math.cos(angle) * distance
        scene.put(name, at_x, at_z, angle + math.pi + random.gauss(0, 0.6))
    height = random.uniform(1, 1.7) if name == "person" else random.uniform(0.2, 1.2)
    pitch = random.gauss(0 if name == "person" else -0.25, 0.1)
    return base._replace(position=(x, height, z), pitch=pitch)


WEIGHTS = {room: 0.29, street: 0.2, open_ground: 0.17, tabletop: 0.12, corridor: 0.07, clutter: 0.03, portrait: 0.12}
BY_NAME = {family.__name__: family for family in WEIGHTS}
NAMES = list(BY_NAME)
