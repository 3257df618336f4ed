"""Close subjects before a blurred background: what people photograph most, and what ends at the picture's border."""

import math
from random import Random
from typing import NamedTuple

from .animals import BREEDS, PETS, animal, bird, plush
from .catalogue import FURNITURE, TRINKETS
from .frames import Vector
from .outlook import back_wall
from .people import person
from .plants import blooms, branches, bush, hedge, tree
from .primitives import BALL, BOX, CYLINDER, PLANE
from .standpoint import Daylight, Standpoint, aim
from .thin import bicycle
from .things import CEILING, GROUND, OBJECT, WALL, Scene, draw_look


class Subject(NamedTuple):
    middle: Vector  # what the camera aims at
    radius: float  # metres from the middle to what should be seen


def pet(scene: Scene, random: Random) -> Subject:
    """An animal's head, or the whole animal; others behind it now and then."""
    breed = BREEDS[random.choice(PETS)]
    pose = random.choice(("lying", "lying", "sitting", "sitting", "standing"))
    yaw = math.pi + random.gauss(0, 0.7)  # towards the camera
    gaze = (math.pi - yaw + random.gauss(0, 0.35), random.gauss(0, 0.15), random.gauss(0, 0.2))
    animal(scene, scene.frame(0, 0, yaw), breed, pose, gaze)
    height = 1.1 * breed.girth if pose == "lying" else 0.75 * (breed.leg + breed.girth)
    if random.random() < 0.2:
        other = scene.frame(random.uniform(-2, 2) * breed.body, random.uniform(1, 3) * breed.body)
        animal(scene, other, breed, random.choice(("lying", "sitting")), (0, 0, 0))
    if random.random() < 0.55:  # the head alone
        ahead = breed.body / 2 + breed.neck + breed.girth
        return Subject((math.sin(yaw) * ahead, height + 0.4 * breed.head, math.cos(yaw) * ahead), 1.9 * breed.head)
    return Subject((0, height * 0.9, 0), 0.55 * breed.body + breed.girth)


def bust(scene: Scene, random: Random) -> Subject:
    """Somebody's head and shoulders, sometimes two or three people."""
    size = random.choice((1, 1, 1, 0.65))
    pose = random.choice(("standing", "standing", "sitting"))
    person(scene, scene.frame(0, 0, math.pi + random.gauss(0, 0.45), size=size), pose, near=True)
    for k in range(random.choice((0, 0, 0, 1, 2))):
        x = (0.6 + 0.2 * k) * (-1) ** k * random.uniform(0.8, 1.3)
        person(scene, scene.frame(x, random.uniform(-0.2, 0.8), math.pi + random.gauss(0, 0.5)), pose, near=True)
    top = (1.68 if pose == "standing" else 1.26) * size
    drop, radius = random.choice(((0.02, 0.2), (0.12, 0.32), (0.12, 0.32), (0.3, 0.5)))
    return Subject((0, top - drop * size, 0), radius * size)


def bouquet(scene: Scene, random: Random) -> Subject:
    """One flower near, others of its kind around and behind it."""
    radius = 10 ** random.uniform(-1.6, -1)
    height = radius * random.uniform(3, 9)
    facing = (math.pi + random.gauss(0, 0.5), random.uniform(0.0, 1.5))  # between the sky and the camera
    spots = [(0.0, height, 0.0)]
    for _ in range(random.randrange(0, 8)):
        z = random.uniform(0.5, 9) * radius
        spots.append((random.uniform(-1, 1) * (3 * radius + z), height + random.gauss(0, 1.2) * radius, z))
    blooms(scene, spots, radius, 0.0, facing, near=True)
    for _ in range(random.randrange(3, 9)):
        z = random.uniform(2, 12) * radius
        bush(scene, random.uniform(-1, 1) * (2 * radius + z), z, height * random.uniform(0.3, 1), "leaf")
    return Subject((0, height, 0), radius * random.uniform(0.6, 1.7))


def still_life(scene: Scene, random: Random) -> Subject:
    """Some small things in a row or a heap, one of them in the middle."""
    size, count = random.uniform(0.8, 1.4), random.randrange(1, 8)
    favourite = random.choice(TRINKETS)
    for k in range(count):
        name = favourite if random.random() < 0.4 else random.choice(TRINKETS)
        x, z = (0, 0) if k == 0 else (random.gauss(0, 0.14), random.uniform(-0.08, 0.35))
        scene.put(name, x * (1 + k / 4), z, size=size)
    if random.random() < 0.15:
        plush(scene, scene.frame(0.1, 0.1, math.pi + random.gauss(0, 0.3), size=0.3))
    return Subject((0, 0.08 * size, 0.03), random.uniform(0.12, 0.26))


def toy(scene: Scene, random: Random) -> Subject:
    """One plush animal, or two."""
    size = random.uniform(0.2, 0.5)
    plush(scene, scene.frame(0, 0, math.pi + random.gauss(0, 0.5), size=size))
    if random.random() < 0.3:
        plush(scene, scene.frame(size * 0.9, random.uniform(-0.1, 0.4), math.pi + random.gauss(0, 0.5), size=size))
    return Subject((0, 0.48 * size, 0), random.uniform(0.35, 0.6) * size)


def perched(scene: Scene, random: Random) -> Subject:
    """A bird on the ground, a post or a branch."""
    size, height = random.uniform(0.15, 0.5), random.choice((0, 0.3, 1.2))
    if height:
        scene.add(CYLINDER, (0, height / 2, 0), (size * 0.25, height / 2, size * 0.25), "bark")
    bird(scene, scene.frame(0, 0, math.pi + random.choice((-1.2, 1.2)) + random.gauss(0, 0.5), height, size))
    return Subject((0, height + 0.4 * size, 0), random.uniform(0.4, 0.7) * size)


def spokes(scene: Scene, random: Random) -> Subject:
    """One wheel of a parked bicycle, from the side or at an angle; others behind it."""
    yaw, end, gap = math.pi / 2 + random.gauss(0, 0.45), random.choice((-0.52, 0.55)), random.uniform(0.3, 0.7)
    for k in range(random.choice((1, 2, 2, 3))):
        frame = scene.frame(random.gauss(0, 0.15) * k, k * gap, yaw + random.gauss(0, 0.1) * k)
        bicycle(scene, frame, near=k < 2)
    return Subject((math.sin(yaw) * end, 0.36, math.cos(yaw) * end), random.uniform(0.22, 0.5))


def outdoors(scene: Scene, random: Random, scale: float) -> None:
    """Lawn, sand, pavement or soil up to bushes, trees and a wall that stand some subject's sizes behind."""
    ground = random.choice(("grass", "grass", "grass", "ground", "sand", "snow", "pavement", "road"))
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), ground, GROUND)
    far = random.uniform(6, 30) * scale
    for _ in range(random.randrange(2, 10)):
        z = far * random.uniform(0.5, 2.5)
        x = random.uniform(-0.8, 0.8) * (z + scale)
        if random.random() < 0.35:
            tree(scene, x, z, max(2.5, z * random.uniform(0.5, 1.2)))
        else:
            bush(scene, x, z, random.uniform(0.2, 0.6) * z)
    kind = random.random()
    if kind < 0.35:
        hedge(scene, random.gauss(0, 1) * scale, far, far * 4, random.gauss(0, 0.15))
    elif kind < 0.6:
        wall = random.choice(("brick", "stone", "facade", "wood", "render"))
        scene.add(BOX, (0, far * 0.3, far * 2), (far * 4, far * 0.3 + 1, 0.1), wall, WALL, (random.gauss(0, 0.3), 0, 0))
    elif kind < 0.75:
        for _ in range(3):
            z = max(5, far) * random.uniform(1, 2)
            scene.put(random.choice(("car", "bench", "sign", "street_lamp")), random.uniform(-1, 1) * far, z)


def indoors(scene: Scene, random: Random, scale: float, bright: bool) -> Daylight:
    """A table, bed or floor under the subject, and a room behind it -> the light from its window."""
    wall, floor = "white" if bright else "wall", random.choice((0.0, 0.0, 0.45, 0.75))
    surface = random.choice(("wood", "wood", "cloth", "cloth", "white", "floor", "carpet", "counter"))
    back = random.uniform(4, 14) * max(scale, 0.15) + 0.3
    if floor:
        deep = random.uniform(2, 5) * scale + 0.15
        scene.add(BOX, (0, -0.04, 0), (random.uniform(1, 3) * scale + 0.4, 0.04, deep), surface, OBJECT)
        if random.random() < 0.35 and floor == 0.45:  # a sofa's or a bed's cushions
            for x in (-0.5, 0.5):
                half = (0.5, random.uniform(0.2, 0.5), 0.12)
                scene.add(BALL, (x + random.gauss(0, 0.1), 0.15, deep), half, random.choice(("cloth", surface)), OBJECT)
    look, back = draw_look(random, wall), max(back, 0.8 if floor else 0.5)
    scene.add(BOX, (0, -0.1 - floor, back - 6), (8, 0.1, 6), surface if not floor else "floor", GROUND)
    scene.add(BOX, (0, 2.7 - floor, 0), (8, 0.1, 8), "white", CEILING)
    left, right = -random.uniform(1.2, 4), random.uniform(1.2, 4)
    across, along = (8, 3, 0.05), (0.05, 3, 8)
    for x, z, half in ((left, 0, along), (right, 0, along), (0, -4, across)):
        scene.add(BOX, (x, 1, z), half, look, WALL)
    daylight = back_wall(scene, random, back, -floor, 2.6, look)
    for _ in range(random.randrange(1, 5) if back > 1.4 else 0):
        name, x = random.choice(FURNITURE), random.uniform(left, right) * 0.8
        scene.put(name, x, back - 0.4, math.pi + random.gauss(0, 0.2), y=-floor)
    return daylight


INSIDE = {pet: 0.5, bust: 0.45, bouquet: 0.05, still_life: 0.9, toy: 0.85, perched: 0.05, spokes: 0}  # taken in rooms
WEIGHTS = {pet: 0.34, bust: 0.22, bouquet: 0.18, still_life: 0.13, toy: 0.05, perched: 0.04, spokes: 0.04}


def close(scene: Scene, random: Random) -> Standpoint:
    """A subject that fills a third to four fifths of the picture, in its middle third, in focus."""
    uniform = random.uniform
    build = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    subject = build(scene, random)
    inside, bright = random.random() < INSIDE[build], random.random() < 0.35
    daylight = Daylight(None, None, 0.0)
    if inside:
        daylight = indoors(scene, random, subject.radius, bright)
    else:
        outdoors(scene, random, subject.radius)
    width = uniform(26, 50)
    distance = subject.radius / (uniform(0.45, 1.0) * math.tan(math.radians(width) / 2))
    x, y, z = subject.middle
    angle, rise = random.gauss(0, 0.25), max(uniform(-0.06, 0.5), -0.8 * y / distance)
    if build is bust:
        rise = random.gauss(0.02, 0.08)
    position = (
        x - math.sin(angle) * distance,
        y + math.sin(rise) * distance,
        z - math.cos(angle) * math.cos(rise) * distance,
    )
    off = subject.radius * 0.3
    yaw, pitch = aim(position, (x + uniform(-off, off), y + uniform(-off, off), z))
    if build is bouquet and random.random() < 0.2 and not inside:
        branches(scene, random, scene.frame(*position[::2], yaw, position[1]), distance * 2)
    lamp = (x + uniform(-1, 1), y + uniform(0.8, 1.6), z + uniform(-1.2, 0.3)) if inside else None
    blur = (0.8, 0.05)
    stand = Standpoint(position, yaw, pitch, lamp, bright and inside, (width, width), distance * 0.97, blur)
    return stand.lit(daylight)
