"""Holes in walls, and what is seen through them: glass with the world behind it, doors with a next room.

A wall is told in a frame at its foot: x runs along it, y up, z out of the room. Depth behind glass is the depth of what
one sees there, so the glass itself is not drawn.
"""

from random import Random
from typing import NamedTuple

from .catalogue import FURNITURE, KITCHEN
from .frames import Frame
from .outdoor import house, passer_by
from .plants import bush, hedge, tree
from .primitives import BALL, BOX, CENTRE, CYLINDER, FIRST, PLANE
from .textures import STRIPE
from .thin import fence
from .things import CEILING, GROUND, OBJECT, OPENING, WALL, Look, Scene, draw_look

THICK = 0.24  # metres, of a wall


class Hole(NamedTuple):
    """A rectangular hole, in metres along the wall from its middle and up from the floor."""

    left: float
    right: float
    bottom: float
    top: float


def slab(scene: Scene, frame: Frame, low, high, look: str | Look, cls: int = WALL) -> None:
    """A box between two corners (x, y, z) of a frame."""
    centre = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    scene.fit(frame, BOX, centre, [(b - a) / 2 for a, b in zip(low, high, strict=True)], look, cls)


def wall(scene: Scene, frame: Frame, half: float, height: float, holes: list[Hole], look: Look, board: bool) -> None:
    """A wall from x = -half to half with holes in it: pieces between, below and above them; board: with a skirting."""
    pieces, edge = [], -half
    for hole in sorted(holes):
        pieces += [(edge, hole.left, 0, height), (hole.left, hole.right, 0, hole.bottom)]
        pieces += [(hole.left, hole.right, hole.top, height)]
        edge = hole.right
    for left, right, bottom, top in [*pieces, (edge, half, 0, height)]:
        if right > left and top > bottom:
            slab(scene, frame, (left, bottom, 0), (right, top, THICK), look)
            if board and bottom == 0:
                slab(scene, frame, (left, 0, -0.015), (right, 0.1, 0), "white")


def draw_holes(random: Random, half: float, height: float, kind: str) -> list[Hole]:
    """Holes of one kind (windows, glass, door) in a wall from -half to half."""
    uniform = random.uniform
    if kind == "door":
        left = uniform(-half + 0.2, half - 1.1)
        return [Hole(left, left + uniform(0.75, 0.95), 0, min(uniform(1.98, 2.15), height - 0.1))]
    if kind == "glass":  # a glass door, up to a wall of glass
        width, top = uniform(0.35, 0.95) * 2 * (half - 0.1), uniform(2.0, height - 0.12)
        left = uniform(-half + 0.1, half - 0.1 - width)
        return [Hole(left, left + width, 0, top)]
    count = random.randrange(1, max(2, int(half * 1.2)) + 1)
    pitch, bottom = 2 * half / count, uniform(0.45, 1.05)
    width, top = min(pitch - 0.25, uniform(0.5, 2.0)), min(bottom + uniform(0.7, 1.7), height - 0.12)
    shift = uniform(-0.5, 0.5) * (pitch - 0.2 - width)
    middles = (-half + (k + 0.5) * pitch + shift for k in range(count))
    return [Hole(middle - width / 2, middle + width / 2, bottom, top) for middle in middles]


def glaze(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """Frame, mullions and glazing bars of a window or a glass door; a sill, a blind."""
    uniform, chance = random.uniform, random.random
    look = draw_look(random, random.choice(("white", "white", "white", "metal", "dark", "wood")))
    left, right, bottom, top = hole
    bar, front = uniform(0.03, 0.075), uniform(0.02, 0.15)
    back = front + uniform(0.04, 0.07)
    for a, b, c, d in (
        (left, left + bar, bottom, top),
        (right - bar, right, bottom, top),
        (left, right, top - bar, top),
        (left, right, bottom, bottom + bar),
    ):
        slab(scene, frame, (a, c, front), (b, d, back), look, OPENING)
    columns = max(1, min(5, round((right - left) / uniform(0.5, 1.5))))
    levels = random.choice(((), (), (), (0.72,), (0.3,), (0.5,), (0.33, 0.67), (0.25, 0.5, 0.75)))
    for k in range(1, columns):  # where two wings meet
        middle = left + (right - left) * k / columns
        slab(scene, frame, (middle - bar, bottom, front - 0.01), (middle + bar, top, back), look, OPENING)
    for level in levels:
        y, thin = bottom + (top - bottom) * level, bar * uniform(0.3, 0.9)
        slab(scene, frame, (left, y - thin / 2, front), (right, y + thin / 2, back), look, OPENING)
    if len(levels) > 1:  # glazing bars within each wing
        for k in range(columns):
            middle = left + (right - left) * (k + 0.5) / columns
            slab(scene, frame, (middle - 0.015, bottom, front), (middle + 0.015, top, back), look, OPENING)
    if bottom > 0.2:
        slab(scene, frame, (left - 0.06, bottom - 0.04, -0.1), (right + 0.06, bottom, front), "white")
    if chance() < 0.12:  # slats that the sun shines through, or a roller blind
        middle, drop = (left + right) / 2, uniform(0.2, 0.7) * (top - bottom)
        blind = draw_look(random, "curtain")
        if chance() < 0.5:
            blind = blind._replace(texture=STRIPE, cut=0.5, scale=uniform(14, 22), bump=0.0)
        half = (drop / 2, (right - left) / 2, 0.004)
        scene.fit(frame, BOX, (middle, top - drop / 2, -0.02), half, blind, OBJECT, (0, 0, 1.5708))


def drapes(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A curtain at one or both sides of a hole: drawn or open; heavy, or thin: bright, and the sun comes through."""
    uniform, look = random.uniform, draw_look(random, random.choice(("curtain", "curtain", "white")))
    if random.random() < 0.45:
        fold = uniform(5, 14)
        look = look._replace(texture=STRIPE, scale=fold, glow=uniform(0.5, 1.3), first=look.second, bump=0.0)
    top, foot = (
        hole.top + uniform(0.05, 0.2),
        0.01 if hole.bottom < 0.3 or random.random() < 0.6 else hole.bottom - 0.15,
    )
    width = hole.right - hole.left
    for side in random.choice(((-1,), (1,), (-1, 1), (-1, 1))):
        step, reach = uniform(0.05, 0.09), random.choice((0.25, uniform(0.2, 0.6), uniform(0.3, 1.0)))
        count = min(9, int(reach * width / step) + 3)
        edge, step = (hole.right if side > 0 else hole.left) + side * 0.12, max(step, reach * width / count)
        for k in range(count):
            at = (edge - side * k * step, (top + foot) / 2, -0.09 + random.gauss(0, 0.012))
            half = (step * 0.7, (top - foot) / 2, min(step * 0.7, 0.06))
            scene.fit(frame, CYLINDER, at, half, look, OBJECT, (random.gauss(0, 0.2), 0, 0))
    slab(scene, frame, (hole.left - 0.3, top, -0.1), (hole.right + 0.3, top + 0.03, -0.07), "metal", OBJECT)


def door(scene: Scene, random: Random, frame: Frame, hole: Hole) -> None:
    """A door frame and its leaf, which stands open to either side."""
    trim, leaf = draw_look(random, random.choice(("white", "white", "wood"))), random.choice(("white", "wood", "paint"))
    left, right, top = hole.left, hole.right, hole.top
    for low, high in (((left - 0.07, 0), (left + 0.02, top)), ((right - 0.02, 0), (right + 0.07, top))):
        slab(scene, frame, (*low, -0.02), (*high, THICK + 0.02), trim, OPENING)
    slab(scene, frame, (left - 0.07, top - 0.02, -0.02), (right + 0.07, top + 0.07, THICK + 0.02), trim, OPENING)
    if random.random() < 0.75:
        side, into = random.choice((-1, 1)), random.choice((-1, 1))
        hinge = (left + 0.02 if side > 0 else right - 0.02, 0, 0 if into < 0 else THICK)
        own = frame.within(hinge, (-side * into * random.uniform(0.9, 2.9), 0, 0))
        across = side * (right - left - 0.04)
        slab(scene, own, (min(0, across), 0.01, -0.02), (max(0, across), top - 0.03, 0.02), leaf, OPENING)
        scene.rod(own, (across * 0.92, 1.03, -0.06), (across * 0.92, 1.03, 0.06), 0.01, "metal", OPENING)


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


def settle(scene: Scene, first: int, drop: float, gain: float) -> None:
    """Lower the rows since `first` by `drop` metres, and light them `gain` times as bright."""
    for row in scene.rows[first:]:
        row[CENTRE + 1] -= drop
        row[FIRST : FIRST + 6] = [gain * value for value in row[FIRST : FIRST + 6]]


def surround(scene: Scene, random: Random, seen: list[tuple[Frame, Hole]], gain: float) -> None:
    """The world outside a room: one view for each wall with its widest hole, all on one ground."""
    first, drop = len(scene.rows), random.choice((0.06, 0.06, 0.15, 0.4, 3.0, 6.0, 12.0))
    views = (terrace, terrace, garden, street) if drop < 1 else (garden, street, distance, distance)
    scene.add(PLANE, (0, 0, 0), (1, 1, 1), random.choice(("grass", "grass", "ground", "pavement", "snow")), GROUND)
    for frame, hole in seen:
        random.choice(views)(scene, random, frame, hole)
    settle(scene, first, drop, gain)
    first = len(scene.rows)
    for frame, hole in seen:
        if drop > 1 and hole.bottom == 0:
            balcony(scene, random, frame, hole)
    settle(scene, first, 0.0, gain)


def next_room(scene: Scene, random: Random, frame: Frame, hole: Hole, gain: float) -> None:
    """Another room or a passage behind an open door, `gain` times as bright as this one."""
    uniform, choice, first = random.uniform, random.choice, len(scene.rows)
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
    picture = choice(("poster", "window", "wood", "white"))
    slab(scene, frame, (middle - wide, 1.5 - high, deep - 0.03), (middle + wide, 1.5 + high, deep), picture, OPENING)
    settle(scene, first, 0.0, gain)
