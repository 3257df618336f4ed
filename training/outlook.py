"""What is seen through the holes of a room's walls, and the light that comes in: the world outside, a next room.

Depth behind glass is the depth of what one sees there, so the glass itself is not drawn. Views are built on a ground at
height 0 and settled to where it lies: a terrace before the floor, a street some storeys below.
"""

from random import Random
from typing import NamedTuple

from .catalogue import FURNITURE, KITCHEN
from .frames import Frame
from .openings import THICK, Hole, door, drapes, draw_holes, glaze, slab, wall
from .outdoor import house, passer_by
from .plants import bush, hedge, tree
from .primitives import BALL, CENTRE, FIRST, PLANE
from .standpoint import Daylight
from .textures import PLAIN
from .thin import fence
from .things import CEILING, GROUND, OPENING, WALL, Look, Scene, draw_look


class Side(NamedTuple):
    """One wall of a room, in a frame at its foot as openings.py has it."""

    frame: Frame
    half: float  # half its length, metres
    holes: list[Hole]


def widest(holes: list[Hole]) -> Hole:
    """The hole through which one sees most."""
    return max(holes, key=lambda hole: hole.right - hole.left)


def ground_point(frame: Frame, x: float, z: float) -> tuple[float, float]:
    """World x and z of a place on the frame's ground."""
    at = frame.point((x, 0, z))
    return at[0], at[2]


def terrace(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """Paving between the house, its wings and a wall, with pots and chairs; trees behind."""
    uniform, chance, choice = random.uniform, random.random, random.choice
    deep, height = uniform(1.2, 7), choice((uniform(0.7, 1.3), uniform(1.6, 2.5), 5.0))
    look = draw_look(random, choice(("brick", "brick", "brick", "render", "white", "stone", "wood")))
    left, right = hole.left - uniform(0.1, 2.5), hole.right + uniform(0.1, 2.5)
    paving = choice(("pavement", "pavement", "tiles", "wood", "stone"))
    slab(scene, frame, (left - 0.2, -0.05, 0.2), (right + 0.2, 0, deep), paving, GROUND)
    slab(scene, frame, (left - 0.2, -0.1, deep), (right + 0.2, height, deep + 0.2), look)
    for x in (left - 0.2, right):
        if chance() < 0.75:
            high = choice((height, 5.0, uniform(0.8, 2.2)))
            slab(scene, frame, (x, -0.1, THICK), (x + 0.2, high, deep * choice((1, uniform(0.3, 1)))), look)
    for _ in range(random.randrange(3)):
        name = choice(("chair", "plastic_chair", "bench", "parasol_table", "plant", "plant", "crate", "basket", "bin"))
        x, z = ground_point(frame, uniform(left + 0.3, right - 0.3), uniform(0.7, max(0.8, deep - 0.4)))
        scene.put(name, x, z)
    for _ in range(random.randrange(3)):
        x, z = ground_point(frame, uniform(left - 3, right + 3), deep + uniform(1.5, 8))
        tree(scene, x, z, uniform(3, 8))


def garden(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A lawn up to a hedge or a fence, with bushes and trees; a neighbour's house."""
    uniform, chance, far = random.uniform, random.random, random.uniform(4, 14)
    yaw, kind = frame.turns()[0], random.random()
    x, z = ground_point(frame, 0, far)
    if kind < 0.35:
        hedge(scene, x, z, 4 * far, yaw)
    elif kind < 0.6:
        fence(scene, ground_point(frame, -7, far), ground_point(frame, 7, far), uniform(0.9, 1.8))
    elif kind < 0.75:
        slab(
            scene, frame, (-4 * far, 0, far), (4 * far, uniform(0.7, 2.2), far + 0.2), random.choice(("brick", "stone"))
        )
    if chance() < 0.5:
        slab(scene, frame, (-6, -0.05, 0.2), (6, 0.02, uniform(1.5, 4)), random.choice(("pavement", "wood")), GROUND)
    for _ in range(random.randrange(1, 5)):
        x, z = ground_point(frame, uniform(-1, 1) * far, uniform(0.4, 1.5) * far + 1.5)
        if chance() < 0.5:
            tree(scene, x, z, uniform(3, 9))
        else:
            bush(scene, x, z, uniform(0.4, 1.3))
    if chance() < 0.4:
        x, z = ground_point(frame, uniform(-8, 8), far + uniform(9, 20))
        house(scene, x, z, yaw + 3.14 + random.gauss(0, 0.4))


def street(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A road before the house, with cars, people, trees, and the fronts across it."""
    uniform, chance, yaw = random.uniform, random.random, frame.turns()[0]
    near, far = uniform(2, 6), uniform(9, 18)
    slab(scene, frame, (-60, -0.02, 0.2), (60, 0.02, near), "pavement", GROUND)
    slab(scene, frame, (-60, -0.02, near), (60, 0, far - 2), "road", GROUND)
    x = uniform(-30, -20)
    while x < 25:
        length = uniform(6, 16)
        front = random.choice(("facade", "facade", "brick", "render"))
        slab(scene, frame, (x, 0, far), (x + length, uniform(4, 13), far + 8), front)
        x += length + random.choice((0, 0, 3))
    for _ in range(random.randrange(1, 4)):
        x, z = ground_point(frame, uniform(-6, 6), near + uniform(0.5, 1.5))
        kind = chance()
        if kind < 0.4:
            scene.put(random.choice(("car", "car", "van")), x, z, yaw + 1.57)
        elif kind < 0.7:
            tree(scene, x, z, uniform(4, 8))
        elif kind < 0.85:
            scene.put(random.choice(("lantern", "sign", "bench", "bollard")), x, z, yaw)
        else:
            passer_by(scene, random, x, z)


def distance(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """Tree tops, roofs, hills on the horizon, or nothing but the sky; perhaps a balcony before them."""
    for _ in range(random.randrange(0, 4)):
        far, x = random.uniform(60, 600), random.gauss(0, 1)
        half = (far * random.uniform(0.2, 0.7), far * random.uniform(0.03, 0.15), far * 0.3)
        look = random.choice(("mountain", "grass", "leaf"))
        scene.fit(frame, BALL, (x * far, 0, far), half, look, GROUND)
    for _ in range(random.randrange(0, 4)):
        x, z = ground_point(frame, random.uniform(-9, 9), random.uniform(5, 25))
        tree(scene, x, z, random.uniform(4, 12))


def balcony(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A slab with a railing before a glass door."""
    deep, left, right = random.uniform(0.9, 2), hole.left - 0.4, hole.right + 0.4
    slab(scene, frame, (left, -0.15, 0.2), (right, -0.02, deep), "pavement", GROUND)
    look = draw_look(random, random.choice(("dark", "metal", "white")))
    scene.rod(frame, (left, 1, deep), (right, 1, deep), 0.025, look, WALL)
    count = int(random.uniform(5, 14))
    for k in range(count + 1):
        x = left + (right - left) * k / count
        scene.rod(frame, (x, -0.1, deep), (x, 1, deep), 0.012, look, WALL)
    if random.random() < 0.5:
        scene.put(random.choice(("chair", "plastic_chair", "plant")), *ground_point(frame, left + 0.6, deep - 0.5))


def settle(scene: Scene, first: int, rise: float, gain: float) -> None:
    """Lift the rows since `first` by `rise` metres, and light them `gain` times as bright."""
    for row in scene.rows[first:]:
        row[CENTRE + 1] += rise
        row[FIRST : FIRST + 6] = [gain * value for value in row[FIRST : FIRST + 6]]


def on_ground(frame: Frame) -> tuple[Frame, float]:
    """The frame at height 0, where things stand while they are built; and the height at which it was."""
    x, y, z = frame.origin
    return frame._replace(origin=(x, 0.0, z)), y


def surround(scene: Scene, random: Random, sides: list[Side], gain: float) -> None:
    """The world outside a room: one view for each wall with its widest hole, all on one ground."""
    first, drop = len(scene.rows), random.choice((0.06, 0.06, 0.15, 0.4, 3.0, 6.0, 12.0))
    views = (terrace, terrace, garden, street) if drop < 1 else (garden, street, distance, distance)
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), random.choice(("grass", "grass", "ground", "pavement", "snow")), GROUND)
    for side in sides:
        frame, floor = on_ground(side.frame)
        random.choice(views)(scene, random, frame, widest(side.holes))
    settle(scene, first, floor - drop, gain)
    first = len(scene.rows)
    for side in sides:
        hole = widest(side.holes)
        if drop > 1 and hole.bottom == 0:
            balcony(scene, random, on_ground(side.frame)[0], hole)
    settle(scene, first, floor, gain)


def next_room(scene: Scene, random: Random, frame: Frame, hole: Hole, gain: float) -> None:
    """Another room or a passage behind an open door, `gain` times as bright as this one."""
    uniform, choice, first = random.uniform, random.choice, len(scene.rows)
    frame, floor = on_ground(frame)
    left, right = hole.left - uniform(0.1, 2), hole.right + uniform(0.1, 2)
    deep, height = uniform(1.2, 6), hole.top + uniform(0.2, 0.6)
    look = draw_look(random, choice(("white", "wall", "wall")))
    slab(scene, frame, (left, -0.2, 0.2), (right, 0, deep), choice(("floor", "floor", "carpet")), GROUND)
    slab(scene, frame, (left, height, THICK), (right, height + 0.2, deep), "white", CEILING)
    slab(scene, frame, (left - 0.2, 0, deep), (right + 0.2, height, deep + 0.2), look)
    for x in (left - 0.2, right):
        slab(scene, frame, (x, 0, THICK), (x + 0.2, height, deep), look)
    yaw, names = frame.turns()[0], choice((FURNITURE, KITCHEN))
    for k in range(random.randrange(3)):
        spot = choice(((left + 0.35, 1.57), (right - 0.35, -1.57))) if k else (uniform(left + 0.3, right - 0.3), 3.14)
        x, z = ground_point(frame, spot[0], deep - 0.4 if k == 0 else uniform(1.0, max(1.1, deep)))
        scene.put(choice(names), x, z, yaw + spot[1])
    middle, wide, high = uniform(left + 0.4, right - 0.4), uniform(0.25, 0.4), uniform(0.2, 0.5)
    picture = choice(("poster", "poster", "wood", "white"))
    slab(scene, frame, (middle - wide, 1.5 - high, deep - 0.03), (middle + wide, 1.5 + high, deep), picture, OPENING)
    settle(scene, first, floor, gain)


def draw_daylight(random: Random, windows: list[Side]) -> Daylight:
    """A sun that shines in through one of the walls, or a soft light behind its window, or an evening."""
    side, uniform, kind = random.choice(windows), random.uniform, random.random()
    if kind < 0.55:
        (ax, _, az), _, (bx, _, bz) = side.frame.axes  # along the wall and out of it
        slant = random.gauss(0, 0.8)
        return Daylight(None, (bx + slant * ax, uniform(0.3, 1.3), bz + slant * az), 10 ** uniform(-0.15, 0.4))
    if kind < 0.87:
        hole = widest(side.holes)
        at = (uniform(hole.left, hole.right), uniform(0.5, 1) * hole.top, -0.35)
        return Daylight(side.frame.point(at), None, 10 ** uniform(0.15, 0.9))
    return Daylight(None, None, 10 ** uniform(-1.6, -0.4))


def fill_holes(scene: Scene, random: Random, sides: dict[str, Side], kinds: dict[str, str]) -> Daylight:
    """Glass, curtains, doors, and what is behind them -> how much light comes in that way."""
    windows = [side for name, side in sides.items() if side.holes and kinds[name] != "door"]
    daylight = draw_daylight(random, windows) if windows else Daylight(None, None, 0.0)
    for name, side in sides.items():
        for hole in side.holes:
            if kinds[name] == "door":
                door(scene, random, side.frame, hole)
                next_room(scene, random, side.frame, hole, 10 ** random.uniform(-0.7, 0.3))
            else:
                glaze(scene, random, side.frame, hole)
        if side in windows and random.random() < 0.6:
            drapes(scene, random, side.frame, widest(side.holes))
    if windows:
        surround(scene, random, windows, daylight.outside)
    return daylight


def back_wall(scene: Scene, random: Random, z: float, floor: float, height: float, look: Look) -> Daylight:
    """The wall behind something close, with a picture or with a window to look out of."""
    side = Side(scene.frame(0, z, 0.0, floor), 2.0, [])
    kind = random.choice(("windows", "windows", "glass", "picture", "picture", "door", "bare"))
    if kind in ("windows", "glass", "door"):
        side = side._replace(holes=draw_holes(random, side.half, height, kind))
        look = look._replace(texture=PLAIN)
    if kind == "picture":
        x, half = random.uniform(-1.3, 1.3), (random.uniform(0.2, 0.6), random.uniform(0.2, 0.5))
        slab(scene, side.frame, (x - half[0], 1.5 - half[1], -0.03), (x + half[0], 1.5 + half[1], 0), "poster", OPENING)
    wall(scene, side.frame, 6, height, side.holes, look, board=False)
    return fill_holes(scene, random, {"far": side}, {"far": kind})
