"""Rooms, corridors and tables."""

import math
from random import Random

from .animals import BREEDS, PETS, animal
from .catalogue import FURNITURE, KITCHEN, TRINKETS
from .openings import THICK, draw_holes, wall
from .outlook import Side, back_wall, fill_holes
from .people import UPRIGHT, person
from .primitives import BOX, CYLINDER
from .seats import LONE, SEATS, SLINGS, extent, round_table, seat
from .standpoint import Standpoint, aim
from .textures import PLAIN
from .thin import bicycle, stairs
from .things import CEILING, GROUND, OPENING, WALL, Scene, draw_look

CORNERS = 0.5  # share of the rooms in which one sees little more than a seat before a wall
DINING = ("dining_chair", "dining_chair", "shell_chair", "cantilever_chair", "stool", "safari_chair")


def plan_sides(scene: Scene, random: Random, w: float, d: float, h: float, kinds: dict[str, str]) -> dict[str, Side]:
    """The four walls of a room 2 w wide, d deep, h high; kinds: what holes some of them have, see draw_holes."""
    places = {
        "left": (-w, d / 2, -math.pi / 2, d / 2),
        "far": (0, d, 0, w),
        "right": (w, d / 2, math.pi / 2, d / 2),
        "near": (0, 0, math.pi, w),
    }
    return {
        name: Side(scene.frame(x, z, yaw), half, draw_holes(random, half, h, kinds[name]) if name in kinds else [])
        for name, (x, z, yaw, half) in places.items()
    }


def shell(scene: Scene, random: Random, sides: dict[str, Side], w: float, d: float, h: float, white: bool) -> None:
    """Floor, ceiling and the walls of a room 2 w wide, d deep, h high, with skirting boards."""
    floor = random.choice(("floor", "floor", "floor", "carpet"))
    scene.add(BOX, (0, -0.1, d / 2), (w + THICK, 0.1, d / 2 + THICK), floor, GROUND)
    ceiling = "white" if random.random() < 0.8 else "wall"
    scene.add(BOX, (0, h + 0.1, d / 2), (w + THICK, 0.1, d / 2 + THICK), ceiling, CEILING)
    shared, board = draw_look(random, "white" if white else "wall"), random.random() < 0.6
    for side in sides.values():
        other = draw_look(random, random.choice(("brick", "wood", "wall", "wall", "stone")))
        look = shared if random.random() < 0.85 else other
        if side.holes:  # the pieces of a wall would not continue each other's pattern
            look = look._replace(texture=PLAIN)
        wall(scene, side.frame, side.half + THICK, h, side.holes, look, board)
    if random.random() < 0.15:
        for k in range(4):
            scene.add(BOX, (0, h - 0.1, d * (k + 0.5) / 4), (w, 0.1, 0.08), "wood", CEILING)


def decorate(scene: Scene, random: Random, sides: list[Side], bright: bool, count: int) -> None:
    """Pictures, mirrors and closed doors where the walls have no holes."""
    for _ in range(count):
        side, look = random.choice(sides), random.choice(("poster", "poster", "poster", "wood", "white", "dark"))
        a, b, y = random.uniform(0.15, 0.6), random.uniform(0.2, 0.5), random.uniform(1.4, 1.7)
        if random.random() < 0.2:  # a door
            a, b, y = random.uniform(0.38, 0.48), 1.02, 1.02
            look = random.choice(("white", "wood", "wood", "dark"))
        x = random.uniform(a - side.half, side.half - a)
        if any(hole.left - a - 0.1 < x < hole.right + a + 0.1 for hole in side.holes):
            continue
        frame = "white" if bright or random.random() < 0.5 else "wood"
        scene.fit(side.frame, BOX, (x, y, 0), (a, b, 0.03), look, OPENING)
        scene.fit(side.frame, BOX, (x, y, 0), (a + 0.05, b + 0.05, 0.02), frame, OPENING)


def dining(scene: Scene, random: Random, x: float, z: float) -> None:
    """A table with chairs around it and things upon it."""
    name, size = random.choice(DINING), random.uniform(0.95, 1.3)
    scene.put("table", x, z, 0, size=size)
    for k in range(random.randrange(2, 5)):
        side, row = 2 * (k % 2) - 1, k // 2 - 1
        frame = scene.frame(
            x + row * 0.6 * size, z + side * 0.75 * size, (0 if side < 0 else math.pi) + random.gauss(0, 0.25)
        )
        seat(scene, random, name, frame, rounds=1)
    for _ in range(random.randrange(1, 6)):
        scene.put(random.choice(TRINKETS), x + random.gauss(0, 0.25), z + random.gauss(0, 0.15), y=0.74 * size)
    if random.random() < 0.4:
        scene.put("pendant", x, z, y=2.3)


def furnish(scene: Scene, random: Random, sides: list[Side], names, count: int) -> None:
    """Furniture along the walls, each piece with its back to one; seldom before a door or a wall of glass."""
    spots = [(side, share * side.half) for side in sides for share in (-0.65, 0.0, 0.6)]
    random.shuffle(spots)
    for side, x in spots[:count]:
        before = [hole.left - 0.5 < x < hole.right + 0.5 for hole in side.holes if hole.bottom < 0.4]
        if any(before) and random.random() < 0.8:
            continue
        gauss, yaw = random.gauss, side.frame.turns()[0] + math.pi
        at, _, z = side.frame.point((x + gauss(0, 0.15), 0, -0.4 + gauss(0, 0.05)))
        if random.random() < 0.2:
            seat(scene, random, random.choice(list(SEATS)), scene.frame(at, z, yaw + gauss(0, 0.3)), rounds=1)
            continue
        scene.put(random.choice(names), at, z, yaw + gauss(0, 0.05))
        if random.random() < 0.3:
            scene.put(random.choice(TRINKETS), at, z, y=random.choice((0, 0.75, 0.75)), size=random.uniform(1, 2))


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
    """A living room, bedroom, kitchen, office, seen from a corner or a wall at eye height; or a corner of one."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    if chance() < CORNERS:
        return corner(scene, random)
    bright = chance() < 0.4
    w, d, h = uniform(1.6, 3.5), uniform(3.2, 7.5), uniform(2.3, 3.1)
    kinds = {}
    if chance() < 0.3:
        kinds[choice(("far", "left", "right"))] = "door"
    for _ in range(choice((0, 1, 1, 1, 2))):
        kinds[choice(("left", "right", "far", "far", "near"))] = choice(("glass", "windows"))
    sides = plan_sides(scene, random, w, d, h, kinds)
    shell(scene, random, sides, w, d, h, bright or chance() < 0.3)
    daylight, seen = fill_holes(scene, random, sides, kinds), [sides[name] for name in ("left", "far", "right")]
    decorate(scene, random, seen, bright, random.randrange(1, 6))
    if chance() < 0.5:
        at = (uniform(-0.4, 0.4) * w, 0.006, uniform(0.4, 0.7) * d)
        scene.add(BOX, at, (uniform(0.7, 1.4), 0.006, uniform(0.6, 1.2)), "carpet", GROUND)
    names = KITCHEN if chance() < 0.25 else FURNITURE
    furnish(scene, random, seen, names, random.randrange(2, 7))
    kind, x, z = chance(), uniform(-0.4, 0.4) * w, uniform(0.45, 0.7) * d
    if kind < 0.3:
        dining(scene, random, x, z)
    elif kind < 0.5:
        seat(scene, random, choice(list(SEATS)), scene.frame(x, z, math.pi + random.gauss(0, 0.8)))
    elif kind < 0.58:
        stairs(scene, x, z, random.gauss(0, 0.8), h)
    elif kind < 0.62:
        bicycle(scene, scene.frame(x, z), near=True)
    elif kind < 0.85:
        scene.put(choice(names), x, z, math.pi + random.gauss(0, 0.8))
    company(scene, random, w, min(2.6, d - 0.6), d - 0.5)
    for _ in range(random.randrange(0, 3)):
        at = (uniform(-w, w) * 0.6, h, uniform(0.2, 0.9) * d)
        scene.add(CYLINDER, at, (uniform(0.08, 0.25), 0.04, uniform(0.08, 0.25)), "glow", CEILING)
    position = (uniform(-0.75, 0.75) * w, uniform(1.0, 1.6), uniform(0.15, 0.12 * d + 0.2))
    yaw, pitch = aim(position, (uniform(-0.5, 0.5) * w, uniform(0.7, 1.2), uniform(0.6, 0.9) * d))
    lamp = (uniform(-w, w) * 0.7, h - 0.15, uniform(0.1, 0.9) * d)
    return Standpoint(position, yaw, pitch, lamp, bright, width=(50, 78)).lit(daylight)


def corner(scene: Scene, random: Random) -> Standpoint:
    """One seat, or two, before a plain wall beside a window, with little else: as furniture is photographed.

    Half of them are white before white. Most are seen whole, some are cut by the picture's border.
    """
    uniform, chance, choice, gauss = random.uniform, random.random, random.choice, random.gauss
    light, lit_from = chance() < 0.5, choice((-1, 1))
    bright = chance() < (0.7 if light else 0.4)
    w, d, h = uniform(1.0, 2.2), uniform(2.3, 4.0), uniform(2.4, 3.0)
    kinds = {}
    if chance() < 0.8:
        kinds["left" if lit_from < 0 else "right"] = choice(("glass", "glass", "windows"))
    if chance() < 0.35:
        kinds[choice(("near", "near", "far"))] = choice(("glass", "windows"))
    sides = plan_sides(scene, random, w, d, h, kinds)
    shell(scene, random, sides, w, d, h, light or bright or chance() < 0.4)
    daylight = fill_holes(scene, random, sides, kinds)
    x, z, first = lit_from * uniform(-0.6, 0.4) * w, d - uniform(0.5, 1.2), len(scene.rows)
    if not light and chance() < 0.3:
        scene.put(choice(("armchair", "sofa", "chair", "plastic_chair", "stool")), x, z, math.pi + gauss(0, 0.6))
    else:
        name, yaw, apart = choice(SLINGS if light else LONE), math.pi + gauss(0, 0.9), -lit_from * uniform(0.8, 1.3)
        for k in range(choice((1, 1, 1, 1, 2))):
            frame = scene.frame(x + k * apart, z + gauss(0, 0.1), yaw + gauss(0, 0.3))
            seat(scene, random, name, frame, light=light)
    middle, radius = extent(scene.rows[first:])
    beside = x + choice((-1, 1)) * uniform(0.55, 0.9)
    if chance() < 0.35:
        round_table(scene, random, beside, z + uniform(-0.3, 0.2))
    elif chance() < 0.5:
        thing = choice(("lamp", "plant", "basket", "pile", "crate", "flower_vase", "cabinet", "shelf", "easel"))
        scene.put(thing, beside, d - 0.35, math.pi)
    if chance() < 0.3:
        side, names = sides[choice(("left", "right"))], ("cabinet", "shelf", "lamp", "plant", "radiator", "wardrobe")
        furnish(scene, random, [side], names, 1)
    if chance() < 0.35:
        scene.add(BOX, (x, 0.005, z - 0.2), (uniform(0.7, 1.3), 0.005, uniform(0.5, 0.9)), "carpet", GROUND)
    if chance() < 0.35:
        decorate(scene, random, [sides["far"]], bright, 1)
    angle, far = gauss(0.2 * lit_from, 0.35), uniform(1.5, 3.2)
    at_x, at_z = middle[0] - math.sin(angle) * far, middle[2] - math.cos(angle) * far
    position = (max(0.45 - w, min(w - 0.45, at_x)), uniform(0.45, 1.5), max(0.15, at_z))
    shown = uniform(1.0, 1.9) if chance() < 0.85 else uniform(0.6, 1.0)  # radii up and down, in a picture of 3:2
    spare_x, spare_y = 0.8 * radius * max(0.2, 1.5 * shown - 1), 0.8 * radius * max(0.2, shown - 1)
    target = (middle[0] + uniform(-1, 1) * spare_x, middle[1] + uniform(-1, 1) * spare_y, middle[2])
    yaw, pitch = aim(position, target)
    width = math.degrees(2 * math.atan(1.5 * shown * radius / math.dist(position, middle)))
    width = min(80.0, max(40.0, width))
    lamp = (uniform(-w, w) * 0.7, h - 0.15, uniform(0.1, 0.7) * d)
    return Standpoint(position, yaw, pitch, lamp, bright, width=(width, width)).lit(daylight)


def corridor(scene: Scene, random: Random) -> Standpoint:
    """Something long: a passage, a shop's aisle, a library."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    bright, aisle = chance() < 0.35, chance() < 0.4
    w, d, h = uniform(1.2, 2.2) if aisle else uniform(0.9, 1.6), uniform(6, 22), uniform(2.3, 3.2)
    kinds = {} if aisle else {choice(("left", "right")): choice(("door", "windows"))}
    if chance() < 0.5:
        kinds["far"] = choice(("door", "glass", "windows"))
    sides = plan_sides(scene, random, w, d, h, kinds)
    shell(scene, random, sides, w, d, h, bright)
    daylight = fill_holes(scene, random, sides, kinds)
    if aisle:
        name = choice(("shelf", "rack", "wardrobe", "shelf"))
        for k in range(min(7, int(d / 1.1))):
            for side in (-1, 1):
                scene.put(name, side * (w - 0.25), 1.2 + 1.1 * k, -side * math.pi / 2)
    else:
        seen = [sides[name] for name in ("left", "far", "right")]
        decorate(scene, random, seen, bright, random.randrange(4, 12))
        for _ in range(random.randrange(4)):
            side = choice((-1, 1))
            name = choice(("chair", "plant", "radiator", "bin", "cabinet", "crate"))
            scene.put(name, side * (w - 0.3), uniform(1.5, d), -side * math.pi / 2)
    for k in range(random.randrange(2, 6)):
        scene.add(BOX, (0, h, 1 + 2.2 * k), (uniform(0.08, 0.15), 0.03, 0.5), "glow", CEILING)
    company(scene, random, w, 2.0, min(d, 10))
    position = (uniform(-0.4, 0.4) * w, uniform(1.2, 1.65), 0.3)
    yaw, pitch = random.gauss(0, 0.1), random.gauss(-0.06, 0.06)
    lamp = (0, h - 0.2, uniform(0.3, 0.7) * min(d, 8))
    return Standpoint(position, yaw, pitch, lamp, bright).lit(daylight)


def tabletop(scene: Scene, random: Random) -> Standpoint:
    """A laid table, a desk, a counter from above at an angle."""
    uniform, gauss, choice = random.uniform, random.gauss, random.choice
    d, back, bright, below = uniform(0.4, 1.0), uniform(1.4, 4), random.random() < 0.35, 0.75
    look = draw_look(random, "white" if bright else "wall")
    half, top = (uniform(0.7, 2), 0.03, d), choice(("wood", "wood", "cloth", "white", "counter", "any"))
    scene.add(BOX, (0, -0.03, d * 0.7), half, top)
    for x in (uniform(1.5, 4), -uniform(1.5, 4)):
        scene.add(BOX, (x, 0.5, 0), (0.05, 2.5, 6), look, WALL)
    top = uniform(1.6, 2.2)
    scene.add(BOX, (0, top + 0.1, 0), (6, 0.1, 6), "white", CEILING)
    scene.add(BOX, (0, -below - 0.1, 0), (6, 0.1, back), "floor", GROUND)
    daylight = back_wall(scene, random, back, -below, top + below, look)
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
    return Standpoint(position, yaw, pitch, lamp, bright, (35, 60), None, (0.5, 0.03)).lit(daylight)
