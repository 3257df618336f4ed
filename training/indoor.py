"""Rooms, corridors and tables."""

import math
from random import Random

from .animals import BREEDS, PETS, animal
from .catalogue import FURNITURE, KITCHEN, TRINKETS
from .people import UPRIGHT, person
from .primitives import BOX, CYLINDER, PLANE
from .standpoint import Standpoint, aim
from .thin import bicycle, curtain, stairs
from .things import CEILING, GROUND, OPENING, WALL, Scene, draw_look


def shell(scene: Scene, random: Random, w: float, d: float, h: float, wall: str) -> None:
    """Floor, ceiling and four walls of a room 2 w wide, d deep, h high, with skirting boards."""
    floor = random.choice(("floor", "floor", "floor", "carpet"))
    scene.add(BOX, (0, -0.1, d / 2), (w + 0.2, 0.1, d / 2 + 0.2), floor, GROUND)
    ceiling = "white" if random.random() < 0.8 else "wall"
    scene.add(BOX, (0, h + 0.1, d / 2), (w + 0.2, 0.1, d / 2 + 0.2), ceiling, CEILING)
    shared, board = draw_look(random, wall), random.random() < 0.6
    sides = (-w - 0.1, d / 2, 0.1, d / 2), (w + 0.1, d / 2, 0.1, d / 2), (0, d + 0.1, w, 0.1), (0, -0.1, w, 0.1)
    for x, z, a, b in sides:
        other = random.choice(("brick", "wood", "wall", "wall", "stone"))
        scene.add(BOX, (x, h / 2, z), (a, h / 2, b), shared if random.random() < 0.85 else other, WALL)
        if board:
            scene.add(BOX, (x, 0.05, z), (a + 0.015, 0.05, b + 0.015), "white", WALL)
    if random.random() < 0.15:
        for k in range(4):
            scene.add(BOX, (0, h - 0.1, d * (k + 0.5) / 4), (w, 0.1, 0.08), "wood", CEILING)


def window_wall(scene: Scene, random: Random, x: float, d: float, h: float, side: int) -> None:
    """Tall bright panes from floor to ceiling along one side, with bars and curtains."""
    z, step = random.uniform(0.5, 1), random.uniform(0.7, 1.4)
    while z + step < d:
        scene.add(BOX, (x, h * 0.48, z + step / 2), (0.02, h * 0.44, step / 2 - 0.03), "window", OPENING)
        scene.add(BOX, (x - side * 0.02, h * 0.48, z), (0.04, h * 0.48, 0.035), "white", OPENING)
        z += step
    scene.add(BOX, (x - side * 0.02, h * 0.3, d / 2), (0.03, 0.03, d / 2), "white", OPENING)
    if random.random() < 0.7:
        curtain(scene, random, x - side * 0.15, random.uniform(0.5, d - 0.7), h * 0.95, True)


def openings(scene: Scene, random: Random, w: float, d: float, h: float, bright: bool) -> None:
    """Windows, pictures, mirrors and doors on the left, right and far wall."""
    many, few = ("window", "window", "poster", "poster", "white"), ("window", "poster", "poster", "wood", "dark")
    looks = many if bright else few
    for _ in range(random.randrange(2, 8)):
        side, look = random.randrange(3), random.choice(looks)
        widest, highest = (0.9, 0.75) if look == "window" else (0.6, 0.5)
        a, b = random.uniform(0.15, widest), random.uniform(0.2, highest)
        y = random.uniform(1.4, 1.7) if look != "window" else 0.9 + b
        if random.random() < 0.25:  # a door
            a, b, y = random.uniform(0.38, 0.48), 1.02, 1.02
            look = random.choice(("white", "wood", "wood", "dark", "glow"))
        x, z = (random.uniform(-w, w) * 0.8, d) if side == 2 else (w * (2 * side - 1), random.uniform(0.8, d - 0.5))
        turns, frame = (0 if side == 2 else math.pi / 2, 0, 0), "white" if bright or random.random() < 0.5 else "wood"
        scene.add(BOX, (x, y, z), (a, b, 0.03), look, OPENING, turns)
        scene.add(BOX, (x, y, z), (a + 0.05, b + 0.05, 0.02), frame, OPENING, turns)
        if look == "window":
            scene.add(BOX, (x, y, z), (0.02, b, 0.045), frame, OPENING, turns)
            scene.add(BOX, (x, y, z), (a, 0.02, 0.045), frame, OPENING, turns)
            if side == 2 and random.random() < 0.5:
                curtain(scene, random, x - a - 0.3, d - 0.12, y + b + 0.15, False)
                curtain(scene, random, x + a, d - 0.12, y + b + 0.15, False)


def sun_patches(scene: Scene, random: Random, w: float, d: float) -> None:
    """Sunlight that fell through a window: bright flat pieces of floor."""
    for k in range(random.randrange(1, 4)):
        at = (random.uniform(-0.6, 0.6) * w, 0.001, 0.25 * d + 0.7 * k)
        scene.add(BOX, at, (random.uniform(0.3, 0.9), 0.004, 0.25), "glow", GROUND, (random.uniform(-0.5, 0.5), 0, 0))


def dining(scene: Scene, random: Random, x: float, z: float) -> None:
    """A table with chairs around it and things upon it."""
    name, size = random.choice(("chair", "chair", "plastic_chair", "stool", "armchair")), random.uniform(0.95, 1.3)
    scene.put("table", x, z, 0, size=size)
    for k in range(random.randrange(2, 7)):
        side, row = 2 * (k % 2) - 1, k // 2 - 1
        yaw = (0 if side < 0 else math.pi) + random.gauss(0, 0.25)
        scene.put(name, x + row * 0.6 * size, z + side * 0.75 * size, yaw)
    for _ in range(random.randrange(1, 6)):
        scene.put(random.choice(TRINKETS), x + random.gauss(0, 0.25), z + random.gauss(0, 0.15), y=0.74 * size)
    if random.random() < 0.4:
        scene.put("pendant", x, z, y=2.3)


def furnish(scene: Scene, random: Random, w: float, d: float, names, count: int) -> None:
    """Furniture along the walls, each piece with its back to one, and a few pieces free in the room."""
    spots = [(-w + 0.4, z, math.pi / 2) for z in (0.35 * d, 0.6 * d, 0.85 * d)]
    spots += [(w - 0.4, z, -math.pi / 2) for z in (0.3 * d, 0.55 * d, 0.8 * d)]
    spots += [(x * w, d - 0.4, math.pi) for x in (-0.6, -0.1, 0.45)]
    random.shuffle(spots)
    for x, z, yaw in spots[:count]:
        name, gauss = random.choice(names), random.gauss
        scene.put(name, x + gauss(0, 0.05), z + gauss(0, 0.15), yaw + gauss(0, 0.05))
        if random.random() < 0.3:
            scene.put(random.choice(TRINKETS), x, z, y=random.choice((0, 0.75, 0.75)), size=random.uniform(1, 2))


def company(scene: Scene, random: Random, w: float, near: float, far: float) -> None:
    """Nobody, somebody, or a pet."""
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
        x, z = random.uniform(-0.6, 0.6) * w, random.uniform(near, far)
        if random.random() < 0.75:
            frame = scene.frame(x, z, math.pi + random.gauss(0, 1.2), size=random.uniform(0.9, 1.05))
            person(scene, frame, random.choice(UPRIGHT), z < 3.5)
        else:
            frame, breed = scene.frame(x, z), BREEDS[random.choice(PETS)]
            animal(scene, frame, breed, random.choice(("lying", "sitting", "standing")), (0, 0, 0))


def room(scene: Scene, random: Random) -> Standpoint:
    """A living room, bedroom, kitchen, office, seen from a corner or a wall at eye height."""
    uniform, chance = random.uniform, random.random
    bright = chance() < 0.4
    w, d, h = uniform(1.6, 3.5), uniform(3.2, 7.5), uniform(2.3, 3.1)
    shell(scene, random, w, d, h, "white" if bright or chance() < 0.3 else "wall")
    openings(scene, random, w, d, h, bright)
    if bright or chance() < 0.2:
        side = random.choice((-1, 1))
        window_wall(scene, random, side * (w - 0.02), d, h, side)
        if chance() < 0.5:
            sun_patches(scene, random, w, d)
    if chance() < 0.5:
        at = (uniform(-0.4, 0.4) * w, 0.006, uniform(0.4, 0.7) * d)
        scene.add(BOX, at, (uniform(0.7, 1.4), 0.006, uniform(0.6, 1.2)), "carpet", GROUND)
    names = KITCHEN if chance() < 0.25 else FURNITURE
    furnish(scene, random, w, d, names, random.randrange(3, 8))
    kind, x, z = chance(), uniform(-0.4, 0.4) * w, uniform(0.45, 0.7) * d
    if kind < 0.35:
        dining(scene, random, x, z)
    elif kind < 0.5:
        scene.put("rocking_chair" if bright else "armchair", x, z, math.pi + random.gauss(0, 0.8))
    elif kind < 0.58:
        stairs(scene, x, z, random.gauss(0, 0.8), h)
    elif kind < 0.62:
        bicycle(scene, scene.frame(x, z), near=True)
    elif kind < 0.85:
        scene.put(random.choice(names), x, z, math.pi + random.gauss(0, 0.8))
    company(scene, random, w, min(2.6, d - 0.6), d - 0.5)
    for _ in range(random.randrange(0, 3)):
        at = (uniform(-w, w) * 0.6, h, uniform(0.2, 0.9) * d)
        scene.add(CYLINDER, at, (uniform(0.08, 0.25), 0.04, uniform(0.08, 0.25)), "glow", CEILING)
    position = (uniform(-0.75, 0.75) * w, uniform(1.0, 1.6), uniform(0.15, 0.12 * d + 0.2))
    yaw, pitch = aim(position, (uniform(-0.5, 0.5) * w, uniform(0.7, 1.2), uniform(0.6, 0.9) * d))
    lamp = (uniform(-w, w) * 0.7, h - 0.15, uniform(0.1, 0.9) * d)
    return Standpoint(position, yaw, pitch, lamp, bright, width=(50, 78))


def corridor(scene: Scene, random: Random) -> Standpoint:
    """Something long: a passage, a shop's aisle, a library."""
    uniform, chance = random.uniform, random.random
    bright, aisle = chance() < 0.35, chance() < 0.4
    w, d, h = uniform(1.2, 2.2) if aisle else uniform(0.9, 1.6), uniform(6, 22), uniform(2.3, 3.2)
    shell(scene, random, w, d, h, "white" if bright else "wall")
    if aisle:
        name = random.choice(("shelf", "rack", "wardrobe", "shelf"))
        for k in range(min(7, int(d / 1.1))):
            for side in (-1, 1):
                scene.put(name, side * (w - 0.25), 1.2 + 1.1 * k, -side * math.pi / 2)
    else:
        openings(scene, random, w, d, h, bright)
        openings(scene, random, w, d, h, bright)
        for _ in range(random.randrange(4)):
            side = random.choice((-1, 1))
            name = random.choice(("chair", "plant", "radiator", "bin", "cabinet", "crate"))
            scene.put(name, side * (w - 0.3), uniform(1.5, d), -side * math.pi / 2)
    for k in range(random.randrange(2, 6)):
        scene.add(BOX, (0, h, 1 + 2.2 * k), (uniform(0.08, 0.15), 0.03, 0.5), "glow", CEILING)
    company(scene, random, w, 2.0, min(d, 10))
    position = (uniform(-0.4, 0.4) * w, uniform(1.2, 1.65), 0.3)
    yaw, pitch = random.gauss(0, 0.1), random.gauss(-0.06, 0.06)
    return Standpoint(position, yaw, pitch, (0, h - 0.2, uniform(0.3, 0.7) * min(d, 8)), bright)


def tabletop(scene: Scene, random: Random) -> Standpoint:
    """A laid table, a desk, a counter from above at an angle."""
    uniform, gauss, choice = random.uniform, random.gauss, random.choice
    d, back, bright, below = uniform(0.4, 1.0), uniform(1.4, 4), random.random() < 0.35, 0.75
    wall = draw_look(random, "white" if bright else "wall")
    half, look = (uniform(0.7, 2), 0.03, d), choice(("wood", "wood", "cloth", "white", "counter", "any"))
    scene.add(BOX, (0, -0.03, d * 0.7), half, look)
    for x, z, a, b in ((0, back, 6, 0.05), (uniform(1.5, 4), 0, 0.05, 6), (-uniform(1.5, 4), 0, 0.05, 6)):
        scene.add(BOX, (x, 0.5, z), (a, 2.5, b), wall, WALL)
    scene.add(PLANE, (0, uniform(1.6, 2.2), 0), (1, 1, 1), "white", CEILING)
    scene.add(PLANE, (0, -below, 0), (1, 1, 1), "floor", GROUND)
    for _ in range(random.randrange(3)):
        x, y = uniform(-1.5, 1.5), uniform(0.5, 0.9)
        half, look = (uniform(0.3, 0.7), uniform(0.3, 0.6), 0.02), choice(("window", "poster", "wood"))
        scene.add(BOX, (x, y, back - 0.06), half, look, OPENING)
    for _ in range(random.randrange(1, 4)):
        name, x, z = choice(FURNITURE), uniform(-2, 2), uniform(d * 1.7 + 0.4, max(back, d * 1.7 + 0.5))
        scene.put(name, x, z, math.pi + gauss(0, 0.3), y=-below)
    favourite = choice(TRINKETS)
    for _ in range(random.randrange(3, 12)):
        name = favourite if random.random() < 0.25 else choice(TRINKETS)
        scene.put(name, gauss(0, 0.3), uniform(0.2, 1.5 * d), size=uniform(0.8, 1.3))
    for side in (-1, 1):
        if random.random() < 0.3:
            frame = scene.frame(side * uniform(0.1, 0.7), 1.7 * d + 0.2, math.pi + gauss(0, 0.4), -below)
            person(scene, frame, "sitting", near=True)
    position = (gauss(0, 0.15), uniform(0.15, 0.65), uniform(-0.55, -0.15))
    yaw, pitch = aim(position, (gauss(0, 0.15), uniform(-0.05, 0.12), uniform(0.3, 0.9) * d))
    lamp = (uniform(-1, 1), uniform(0.8, 1.5), uniform(-1, 0.6))
    return Standpoint(position, yaw, pitch, lamp, bright, (35, 60), None, (0.5, 0.03))
