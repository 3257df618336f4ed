"""Streets, houses in their gardens, open country, and skylines."""

import math
from random import Random

from .animals import BREEDS, HERD, animal, bird
from .catalogue import STREET, VEHICLES
from .people import UPRIGHT, person
from .plants import branches, bush, hedge, palm, tree
from .primitives import BALL, BOX, CONE, PLANE, ROOF
from .standpoint import Standpoint, aim
from .thin import bicycle, fence
from .things import GROUND, OBJECT, OPENING, WALL, Look, Scene, draw_look

QUARTER_TURN = math.pi / 2


def window(scene: Scene, frame, at, half, frame_look: Look, pane: Look) -> None:
    """A framed pane on a wall that looks along the frame's z axis."""
    (x, y, z), (a, b) = at, half
    scene.fit(frame, BOX, (x, y, z), (a + 0.07, b + 0.07, 0.04), frame_look, OPENING)
    scene.fit(frame, BOX, (x, y, z + 0.01), (a, b, 0.045), pane, OPENING)
    scene.fit(frame, BOX, (x, y, z + 0.02), (0.025, b, 0.045), frame_look, OPENING)


def house(scene: Scene, x: float, z: float, yaw: float) -> None:
    """A house with gables, windows, a door, perhaps chimneys, a wing, a porch, a garage; faces its z axis. 50 rows."""
    random, frame = scene.random, scene.frame(x, z, yaw)
    wall = draw_look(random, random.choice(("render", "render", "white", "brick", "stone", "wood", "facade")))
    roof, trim = draw_look(random, "tiles"), draw_look(random, random.choice(("white", "white", "dark", "wood")))
    pane = draw_look(random, random.choice(("pane", "pane", "pane", "glow")))
    floors, w, d = random.choice((1, 2, 2)), random.uniform(3.5, 6.5), random.uniform(3, 4.5)
    h, pitch = 2.8 * floors, random.uniform(1.2, 2.4)
    across = random.random() < 0.4  # the gable looks at the street
    scene.fit(frame, BOX, (0, h / 2, 0), (w, h / 2, d), wall, WALL)
    half, turn = ((w + 0.4, pitch, d + 0.4), 0) if across else ((d + 0.5, pitch, w + 0.4), QUARTER_TURN)
    scene.fit(frame, ROOF, (0, h + pitch, 0), half, roof, WALL, (turn, 0, 0))
    gable = (w - 0.05, pitch - 0.1, d + 0.05) if across else (d - 0.05, pitch - 0.15, w + 0.05)
    scene.fit(frame, ROOF, (0, h + pitch - 0.15, 0), gable, wall, WALL, (turn, 0, 0))
    for _ in range(random.randrange(0, 3)):
        scene.fit(frame, BOX, (random.uniform(-0.8, 0.8) * w, h + 2 * pitch - 0.3, 0), (0.35, 1.1, 0.35), "brick", WALL)
    door = random.uniform(-0.5, 0.5) * w
    look = random.choice(("wood", "paint", "white", "dark"))
    scene.fit(frame, BOX, (door, 1.05, d), (0.5, 1.05, 0.06), look, OPENING)
    for floor in range(floors):
        for k in range(random.randrange(2, 5)):
            at = (-w + (k + 0.6) * 2 * w / 4.2, 2.8 * floor + 1.6, d)
            if floor or abs(at[0] - door) > 1.2:
                window(scene, frame, at, (random.uniform(0.35, 0.7), 0.65), trim, pane)
    if random.random() < 0.6:  # a wing towards the street
        at, a = random.choice((-1, 1)) * w * 0.55, random.uniform(1.6, 2.4)
        scene.fit(frame, BOX, (at, h * 0.45, d), (a, h * 0.45, 1.5), wall, WALL)
        scene.fit(frame, ROOF, (at, h * 0.9 + 0.9, d), (a + 0.3, 0.9, 1.9), roof, WALL)
        scene.fit(frame, ROOF, (at, h * 0.9 + 0.75, d), (a, 0.75, 1.93), wall, WALL)
        window(scene, frame, (at, 1.5, d + 1.5), (0.7, 0.6), trim, pane)
    if random.random() < 0.4:  # a garage beside it
        side = random.choice((-1, 1))
        scene.fit(frame, BOX, (side * (w + 2.2), 1.4, 0.5), (2.2, 1.4, d), wall, WALL)
        scene.fit(frame, ROOF, (side * (w + 2.2), 3.4, 0.5), (2.5, 0.7, d + 0.3), roof, WALL)
        gate = random.choice(("white", "slats", "wood"))
        scene.fit(frame, BOX, (side * (w + 2.2), 1.15, d + 0.52), (1.5, 1.1, 0.03), gate, OPENING)
    if random.random() < 0.35:  # a porch
        scene.fit(frame, BOX, (door, 2.5, d + 1), (1.6, 0.08, 1.1), roof, WALL)
        for side in (-1, 1):
            scene.rod(frame, (door + side * 1.5, 0, d + 2), (door + side * 1.5, 2.5, d + 2), 0.08, trim, WALL)


def block(scene: Scene, random: Random, x: float, z: float, length: float, height: float, side: int) -> None:
    """A town house in a row: its front, a shop's window, an awning, a cornice."""
    front = x - side * 5
    scene.add(BOX, (x, height / 2, z), (5, height / 2, length / 2), "facade", WALL)
    scene.add(BOX, (front, height, z), (0.3, 0.2, length / 2), "render", WALL)
    if random.random() < 0.5:
        shop = random.choice(("pane", "pane", "glow", "wood"))
        scene.add(BOX, (front, 1.5, z), (0.05, 1.2, length * 0.42), shop, OPENING)
        board = random.choice(("sign", "paint", "wood"))
        scene.add(BOX, (front - side * 0.1, 3.1, z), (0.15, 0.3, length * 0.45), board, WALL)
    if random.random() < 0.3:
        scene.add(BOX, (front - side * 0.8, 2.7, z), (0.9, 0.04, length * 0.4), "awning", OBJECT, (0, 0, side * 0.35))
    if random.random() < 0.3:
        scene.add(ROOF, (x, height + 1.2, z), (5.3, 1.2, length / 2 + 0.1), "tiles", WALL)


def passer_by(scene: Scene, random: Random, x: float, z: float) -> None:
    """Somebody who walks or stands along the street, with a face where the camera is near."""
    yaw = random.choice((0, math.pi)) + random.gauss(0, 0.6)
    person(scene, scene.frame(x, z, yaw, size=random.uniform(0.92, 1.06)), random.choice(UPRIGHT), z < 4)


def street(scene: Scene, random: Random) -> Standpoint:
    """A road with houses, parked and driving cars, people, lamps, tables, bicycles."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    road, walk = uniform(2.5, 7), uniform(1.2, 4)  # half the road's width, the pavement's width
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), choice(("pavement", "grass", "ground")), GROUND)
    scene.add(BOX, (0, 0.002, 60), (road, 0.004, 140), choice(("road", "road", "road", "pavement")), GROUND)
    for k in range(12 if chance() < 0.5 else 0):
        scene.add(BOX, (0, 0.008, k * 5), (0.07, 0.006, 1.5), "white", GROUND)
    rural, near = chance() < 0.35, uniform(4, 9)
    for side in (-1, 1):
        kerb = side * (road + walk / 2)
        scene.add(BOX, (kerb, 0.06, 60), (walk / 2, 0.06, 140), "pavement", GROUND)
        z = -6.0
        while z < 90:
            length = uniform(5, 14) * (1 if z < 50 else 2)
            if not rural:
                x = side * (road + walk + 5 + uniform(0, 0.5))
                block(scene, random, x, z + length / 2, length, uniform(5, 16), side)
            elif 4 < z < 30:
                house(scene, side * (road + walk + uniform(7, 12)), z + 6, -side * QUARTER_TURN)
                length = 15
            else:
                tree(scene, side * (road + walk + uniform(2, 9)), z + 4, uniform(4, 11))
            z += length
        for _ in range(random.randrange(1, 4)):
            x, z = side * (road + uniform(0.4, walk)), near + uniform(1, 30)
            kind = chance()
            if kind < 0.4:
                passer_by(scene, random, x, z)
            elif kind < 0.55:
                tree(scene, side * (road + 0.6), z, uniform(4, 9))
            elif kind < 0.7:
                frame = scene.frame(x, z, choice((0, QUARTER_TURN)) + random.gauss(0, 0.2))
                bicycle(scene, frame, z < 7)
            else:
                scene.put(choice(STREET), x, z, -side * QUARTER_TURN)
        parked, z = chance() < 0.5, near + uniform(0, 6)
        for _ in range(random.randrange(1, 4)):
            x = side * (road - 1.1) if parked else side * road * 0.45
            scene.put(choice(VEHICLES), x, z, random.gauss(0, 0.04) + (0 if side < 0 else math.pi))
            z += uniform(5.5, 7) if parked else uniform(8, 25)
    x = choice((-1, 1)) * uniform(0, road + 0.6 * walk)
    position = (x, choice((uniform(1.3, 1.8), uniform(1.3, 1.8), uniform(2.5, 7))), 0)
    yaw, pitch = aim(position, (uniform(-0.8, 0.8) * road, 1.5 + random.gauss(0, 0.6), uniform(10, 25)))
    if chance() < 0.12:
        branches(scene, random, scene.frame(position[0], 0, yaw, position[1]), uniform(2, 5))
    return Standpoint(position, yaw, pitch, None, width=(40, 72))


def home(scene: Scene, random: Random) -> Standpoint:
    """A house in its garden from across the street or the lawn."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), choice(("grass", "grass", "grass", "ground", "snow")), GROUND)
    far = uniform(13, 26)
    house(scene, uniform(-2, 2), far, math.pi + random.gauss(0, 0.45))
    for _ in range(random.randrange(0, 3)):
        house(scene, choice((-1, 1)) * uniform(14, 22), far + uniform(0, 10), math.pi + random.gauss(0, 0.3))
    if chance() < 0.7:
        look = choice(("road", "pavement", "ground", "water"))
        at, half = (uniform(-3, 3), 0.004, far / 2), (uniform(0.6, 2.5), 0.004, far / 2)
        scene.add(BOX, at, half, look, GROUND, (random.gauss(0, 0.25), 0, 0))
    if chance() < 0.5:
        at, half = (0, 0.006, uniform(1, 5)), (60, 0.006, uniform(1, 3))
        scene.add(BOX, at, half, choice(("road", "pavement", "road")), GROUND)
    for _ in range(random.randrange(3, 10)):
        z = uniform(0.35, 1.6) * far
        x = choice((-1, 1)) * uniform(0.25, 0.9) * z
        if chance() < 0.5:
            tree(scene, x, z, uniform(3, 12))
        else:
            bush(scene, x, z, uniform(0.6, 1.8))
    kind, z = chance(), far * uniform(0.35, 0.7)
    if kind < 0.3:
        fence(scene, (uniform(-9, -4), z), (uniform(3, 9), z + random.gauss(0, 1)), uniform(0.8, 1.3))
    elif kind < 0.5:
        hedge(scene, choice((-1, 1)) * uniform(3, 6), z, uniform(5, 9), random.gauss(0, 0.1))
    elif kind < 0.65:
        x, look = choice((-1, 1)) * 6, choice(("stone", "brick"))
        scene.add(BOX, (x, 0.5, z), (5.5, 0.5, 0.2), look, WALL, (random.gauss(0, 0.1), 0, 0))
    for _ in range(random.randrange(3)):
        name = choice(("car", "car", "van", "bench", "playground", "wire_pole", "lantern"))
        scene.put(name, uniform(-6, 6), uniform(0.4, 0.75) * far)
    if chance() < 0.35:
        passer_by(scene, random, uniform(-3, 3), uniform(4, 0.7 * far))
    if chance() < 0.25:
        branches(scene, random, scene.frame(0, 0, 0, 1.6), uniform(2, 4))
    position = (uniform(-4, 4), uniform(1.2, 2), 0)
    yaw, pitch = aim(position, (uniform(-2, 2), uniform(1.5, 4), far))
    return Standpoint(position, yaw, pitch, None, width=(42, 66))


def country(scene: Scene, random: Random) -> Standpoint:
    """Meadows, beaches, lakes, hills and mountains, with trees, animals, people."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), choice(("grass", "grass", "grass", "ground", "sand", "snow")), GROUND)
    mountain = draw_look(random, "mountain")
    for _ in range(random.randrange(0, 7)):
        z = uniform(150, 1500)
        if chance() < 0.5:
            x, half = uniform(-1, 1) * z, (z * uniform(0.2, 0.7), z * uniform(0.02, 0.12), z * 0.3)
            scene.add(BALL, (x, 0, z), half, choice(("mountain", "grass", "leaf")), GROUND)
        else:
            x, half = uniform(-1, 1) * z, (z * uniform(0.2, 0.5), z * uniform(0.1, 0.25), z * 0.3)
            scene.add(CONE, (x, z * 0.1, z), half, mountain, GROUND)
    if chance() < 0.35:  # a lake, a river or the sea
        z = uniform(8, 30)
        scene.add(BOX, (uniform(-10, 10), 0, z * 4), (uniform(20, 300), 0.012, z * 3.3), "water", GROUND)
        for _ in range(random.randrange(2)):
            scene.put("boat", uniform(-8, 8), uniform(1.3, 3) * z)
    elif chance() < 0.5:
        at, half, look = (uniform(-3, 3), 0, 50), (uniform(0.5, 3), 0.012, 120), choice(("road", "ground", "sand"))
        scene.add(BOX, at, half, look, GROUND, (random.gauss(0, 0.2), 0, 0))
    reach = choice((12, 25, 60))
    for _ in range(random.randrange(3, 12)):
        z = uniform(0.15, 1) * reach
        x, kind = uniform(-0.7, 0.7) * z, chance()
        if kind < 0.5:
            tree(scene, x * 1.4, z + 4, uniform(4, 14))
        elif kind < 0.7:
            bush(scene, x, z + 1, uniform(0.5, 1.6))
        elif kind < 0.8:
            scene.put("well_rock", x, z + 1, size=uniform(0.5, 2))
        elif kind < 0.9:
            passer_by(scene, random, x, z + 2)
        elif chance() < 0.3:
            palm(scene, x, z + 3, uniform(4, 8))
        else:
            scene.put(choice(("tent", "bench", "sign")), x, z + 2)
    if chance() < 0.4:
        breed = BREEDS[choice(HERD)]
        for _ in range(random.randrange(1, 5)):
            z = uniform(3, 15) * (0.5 + breed.leg)
            frame, pose = scene.frame(uniform(-0.4, 0.4) * z, z), choice(("standing", "standing", "lying"))
            animal(scene, frame, breed, pose, (random.gauss(0, 0.6), 0.2, 0))
    if chance() < 0.1:
        bird(scene, scene.frame(uniform(-1, 1), uniform(2, 4), size=uniform(0.3, 0.8)))
    if chance() < 0.35:
        z = uniform(4, 15)
        fence(scene, (-z, z + random.gauss(0, 2)), (z, z + random.gauss(0, 3)), uniform(0.9, 1.3))
    if chance() < 0.2:
        house(scene, uniform(-0.4, 0.4) * reach, reach + 8, random.uniform(0, 6))
    if chance() < 0.2:
        branches(scene, random, scene.frame(0, 0, 0, 1.6), uniform(2, 5))
    return Standpoint((0, uniform(1.0, 2.2), 0), random.gauss(0, 0.15), random.gauss(-0.03, 0.06), None, width=(38, 70))


def skyline(scene: Scene, random: Random) -> Standpoint:
    """A town from a hill or a roof, or across the water."""
    uniform, choice = random.uniform, random.choice
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), choice(("road", "ground", "grass")), GROUND)
    height, looks = uniform(15, 120), [draw_look(random, choice(("facade", "facade", "dark"))) for _ in range(6)]
    tall = uniform(1, 4)
    for _ in range(random.randrange(70, 130)):
        z = height * 10 ** uniform(0.3, 1.5)
        high = uniform(4, 14) * (tall if z > 6 * height and random.random() < 0.4 else 1)
        half = (uniform(4, 14), high, uniform(4, 14))
        scene.add(BOX, (uniform(-0.8, 0.8) * z, high, z), half, choice(looks), WALL, (choice((0, 0.4)), 0, 0))
    if random.random() < 0.5:
        high = height * uniform(0.8, 2.5)
        scene.add(CONE, (uniform(-0.3, 0.3) * 900, high, uniform(500, 1000)), (12, high, 12), "dark", WALL)
    if random.random() < 0.5:
        z = height * uniform(3, 10)
        at, half = (uniform(-1, 1) * z, 0.1, z), (z * uniform(0.3, 1), 0.1, z * uniform(0.1, 0.4))
        scene.add(BOX, at, half, "water", GROUND, (uniform(-1, 1), 0, 0))
    if random.random() < 0.4:
        x, look = uniform(-50, 50), choice(("road", "glow"))
        scene.add(BOX, (x, 0.2, height * 10), (6, 0.2, height * 9), look, GROUND, (random.gauss(0, 0.2), 0, 0))
    return Standpoint((0, height, 0), random.gauss(0, 0.1), random.gauss(-0.13, 0.08), None, width=(38, 66))


def cycles(scene: Scene, random: Random) -> Standpoint:
    """Bicycles, one near and others behind it, parked in a row or before a wall."""
    uniform, choice = random.uniform, random.choice
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), choice(("ground", "pavement", "road", "grass")), GROUND)
    yaw, gap = choice((0.0, QUARTER_TURN)) + random.gauss(0, 0.4), uniform(0.35, 0.7)
    for k in range(random.randrange(1, 6)):
        bicycle(scene, scene.frame(0.4 * k * math.cos(yaw), k * gap + 0.1, yaw + random.gauss(0, 0.08)), near=k < 2)
    back = uniform(3, 15)
    if random.random() < 0.6:
        look = choice(("brick", "render", "stone", "facade", "wood"))
        scene.add(BOX, (0, 2, back), (20, 2, 0.2), look, WALL, (random.gauss(0, 0.3), 0, 0))
    for _ in range(random.randrange(2, 6)):
        x, z = uniform(-0.6, 0.6) * back, back * uniform(0.6, 2)
        choice((tree, bush))(scene, x, z, uniform(1.5, 4))
    if random.random() < 0.3:
        fence(scene, (-back, back * 0.8), (back, back * 0.8), 1.1)
    distance = uniform(0.9, 2.8)
    position = (random.gauss(0, 0.3), uniform(0.4, 1.4), -distance)
    yaw, pitch = aim(position, (random.gauss(0, 0.35), uniform(0.3, 0.6), 0.2))
    return Standpoint(position, yaw, pitch, None, (35, 60), focus=distance, blur=(0.6, 0.03))
