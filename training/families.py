"""The kinds of scene. Each fills a Scene and answers where the camera stands.

    family(scene, random) -> Standpoint

Numbers are metres and radians.
"""

import math
from random import Random

from .animals import BREEDS, PETS, animal
from .close import close
from .indoor import corridor, room, tabletop
from .outdoor import country, cycles, home, skyline, street
from .peaks import peaks
from .people import UPRIGHT, person
from .primitives import BOX
from .standpoint import Standpoint
from .things import OBJECT, WALL, Scene, draw_look


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
    """Whole people and animals a few metres away, in one of the other scenes."""
    base = random.choice((room, street, street, home, country))(scene, random)
    x, height, z = base.position
    distance, beast = random.uniform(1.8, 4), random.random() < 0.25
    for k in range(random.choice((1, 1, 2, 3, 4))):
        angle = base.yaw + random.gauss(0, 0.1) + 0.25 * ((k + 1) // 2) * (-1) ** k
        at_x, at_z = x + math.sin(angle) * distance, z + math.cos(angle) * distance
        frame = scene.frame(at_x, at_z, angle + math.pi + random.gauss(0, 0.6), size=random.uniform(0.9, 1.05))
        if beast:
            animal(scene, frame, BREEDS[random.choice(PETS)], random.choice(("standing", "sitting")), (0, 0, 0))
        else:
            person(scene, frame, random.choice(UPRIGHT), near=distance < 4)
        distance += random.uniform(0, 1.2)
    height = random.uniform(0.4, 1) if beast else random.uniform(1.1, 1.7)
    pitch = random.gauss(-0.2 if beast else -0.06, 0.06)
    return base._replace(position=(x, height, z), pitch=pitch, focus=distance, blur=(0.4, 0.02))


WEIGHTS = {
    room: 0.27, street: 0.11, country: 0.06, home: 0.1, skyline: 0.03, tabletop: 0.08, corridor: 0.05, clutter: 0.02,
    portrait: 0.07, close: 0.15, cycles: 0.04, peaks: 0.02,
}  # fmt: skip
BY_NAME = {family.__name__: family for family in WEIGHTS}
NAMES = list(BY_NAME)
