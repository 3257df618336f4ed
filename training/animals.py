"""Animals and plush: one body plan of blobs, stretched into a cat, a dog, a horse ...; and birds."""

import math
from random import Random
from typing import NamedTuple

from .frames import Frame, Vector
from .primitives import BALL, BLOB, BOX, CONE, CYLINDER
from .things import BEING, OBJECT, Look, Scene, draw_look


class Breed(NamedTuple):
    """Metres."""

    body: float  # from shoulder to hip
    leg: float
    girth: float  # radius of the trunk
    neck: float
    head: float  # radius of the skull
    muzzle: float  # its length
    ear: float
    upright: bool  # do the ears stand?
    tail: float


BREEDS = {
    "cat": Breed(0.26, 0.2, 0.085, 0.09, 0.06, 0.015, 0.05, True, 0.26),
    "dog": Breed(0.5, 0.36, 0.13, 0.2, 0.09, 0.09, 0.1, False, 0.3),
    "hound": Breed(0.5, 0.4, 0.11, 0.2, 0.08, 0.1, 0.09, True, 0.3),
    "horse": Breed(1.3, 1.0, 0.3, 0.75, 0.15, 0.35, 0.12, True, 0.6),
    "cow": Breed(1.4, 0.75, 0.4, 0.4, 0.18, 0.25, 0.14, False, 0.7),
    "sheep": Breed(0.7, 0.35, 0.28, 0.22, 0.1, 0.12, 0.1, False, 0.1),
    "fox": Breed(0.4, 0.28, 0.1, 0.14, 0.07, 0.08, 0.08, True, 0.35),
    "rabbit": Breed(0.2, 0.1, 0.09, 0.06, 0.055, 0.02, 0.12, True, 0.03),
}  # fmt: skip
FEATHERS = ("fur", "fur", "white", "paint", "dark")
PETS = ("cat", "cat", "cat", "dog", "dog", "hound", "rabbit", "fox")
HERD = ("horse", "cow", "cow", "sheep", "sheep", "dog")


class Coat(NamedTuple):
    """The looks of one animal."""

    fur: Look
    light: Look  # muzzle, chest, paws
    patch: Look
    skin: Look  # nose, inner ears


def draw_coat(random: Random, material: str = "fur") -> Coat:
    """A coat, plain or with lighter parts and patches."""
    fur = draw_look(random, material)
    other = draw_look(random, random.choice((material, "white")))
    light, patch = (other if random.random() < 0.5 else fur for _ in range(2))
    return Coat(fur, light, patch, draw_look(random, random.choice(("skin", "dark"))))


def animal_head(scene: Scene, random: Random, head: Frame, breed: Breed, coat: Coat) -> None:
    """A head in units of the skull's radius, its face along z."""
    muzzle, ear = 0.45 + breed.muzzle / breed.head / 2, breed.ear / breed.head
    scene.fit(head, BLOB, (0, 0, 0), (1, 0.92, 0.95), coat.fur, BEING)
    tip = 0.55 + muzzle * 1.35
    scene.fit(head, BLOB, (0, -0.3, 0.5 + muzzle / 2), (0.5, 0.42, muzzle), coat.light, BEING, (0, 0.15, 0))
    scene.fit(head, BALL, (0, -0.2, tip), (0.15, 0.11, 0.1), coat.skin, BEING)
    iris, dark = draw_look(random, "iris"), draw_look(random, "dark")
    for side in (1, -1):
        scene.fit(head, BLOB, (side * 0.5, -0.3, 0.35), (0.48, 0.45, 0.5), coat.fur, BEING)
        scene.fit(head, BALL, (side * 0.42, 0.15, 0.8), (0.19, 0.17, 0.14), iris, BEING)
        scene.fit(head, BALL, (side * 0.44, 0.15, 0.89), (0.1, 0.13, 0.08), dark, BEING)
        if breed.upright:
            lean = -side * random.uniform(0.15, 0.5)
            at, half = (side * 0.62, 0.75 + ear * 0.4, -0.1), (0.45, 0.35 + ear * 0.5, 0.2)
            scene.fit(head, CONE, at, half, coat.fur, BEING, (0, 0, lean))
            inside = (side * 0.62, 0.72 + ear * 0.38, 0.02)
            scene.fit(head, CONE, inside, (0.28, 0.25 + ear * 0.4, 0.12), coat.skin, BEING, (0, 0, lean))
        else:
            half = (0.16, 0.3 + ear * 0.5, 0.4)
            scene.fit(head, BALL, (side * 0.98, 0.1, -0.1), half, coat.patch, BEING, (0, 0, side * 0.4))


def trunk(breed: Breed, pose: str) -> tuple[Vector, Vector]:
    """Hip and chest."""
    half, g = breed.body / 2, breed.girth
    if pose == "lying":
        return (0, 0.9 * g, -half), (0, 0.95 * g, half)
    if pose == "sitting":
        return (0, 0.9 * g, -0.5 * half), (0, breed.leg * 0.85 + 0.75 * g, 0.5 * half)
    return (0, breed.leg + 0.6 * g, -half), (0, breed.leg + 0.65 * g, half)


def animal_legs(scene: Scene, frame: Frame, breed: Breed, pose: str, coat: Coat) -> None:
    """Four legs with paws, folded where it lies, the hind ones where it sits."""
    random, g, r, (hip, chest) = scene.random, breed.girth, breed.girth * 0.3, trunk(breed, pose)
    for side in (1, -1):
        step, x = random.gauss(0, 0.2) * breed.leg, side * 0.5 * g
        if pose == "lying":
            shoulder = (side * 0.7 * g, 0.5 * g, chest[2])
            paw = (x, r, chest[2] + random.uniform(0.3, 1) * breed.leg + g)
        else:
            shoulder, paw = (x, chest[1], chest[2]), (x, r * 0.7, chest[2] + step)
        scene.rod(frame, shoulder, paw, r * 1.1, coat.fur, BEING, BLOB)
        scene.fit(frame, BLOB, (paw[0], paw[1], paw[2] + 0.4 * r), (r, 0.8 * r, 1.3 * r), coat.light, BEING)
        if pose == "standing":
            knee, foot = (x, breed.leg * 0.5, hip[2] - 0.1 * breed.leg), (x, r * 0.7, hip[2] - step)
            scene.rod(frame, (x, hip[1], hip[2]), knee, r * 1.7, coat.fur, BEING, BLOB)
            scene.rod(frame, knee, foot, r, coat.fur, BEING, BLOB)
        else:
            scene.fit(
                frame, BLOB, (side * 0.8 * g, 0.6 * g, hip[2] + 0.4 * g), (0.4 * g, 0.6 * g, 0.9 * g), coat.fur, BEING
            )
            foot = (side * g, r * 0.7, hip[2] + 1.3 * g)
        scene.fit(frame, BLOB, foot, (r, 0.8 * r, 1.5 * r), coat.light, BEING)


def animal(scene: Scene, frame: Frame, breed: Breed, pose: str, look_at: Vector, coat: Coat | None = None) -> None:
    """A four-legged animal on the frame's origin, its chest along z, its head turned by look_at (yaw, pitch, roll).

    About 30 rows.
    """
    random, coat, g = scene.random, coat or draw_coat(scene.random), breed.girth
    hip, chest = trunk(breed, pose)
    scene.fit(frame, BLOB, hip, (g, 0.95 * g, g), coat.fur, BEING)
    scene.fit(frame, BLOB, chest, (0.9 * g, g, 0.95 * g), random.choice((coat.fur, coat.patch)), BEING)
    scene.rod(frame, hip, chest, 0.95 * g, random.choice((coat.fur, coat.fur, coat.patch)), BEING, BLOB)
    animal_legs(scene, frame, breed, pose, coat)
    raised = random.uniform(-0.5, 0.4) if pose == "lying" else random.uniform(0.2, 1.2)
    reach = breed.neck + 0.8 * g
    x, y, z = chest[0], chest[1] + math.sin(raised) * reach, chest[2] + math.cos(raised) * reach
    x, y = x + random.gauss(0, 0.25) * g, max(y, breed.head * 0.95)
    scene.rod(frame, chest, (x, y, z), 0.55 * (g + breed.head) / 2 + 0.15 * g, coat.fur, BEING, BLOB)
    animal_head(scene, random, frame.within((x, y, z), look_at, breed.head), breed, coat)
    back, at = (0, hip[1] + 0.3 * g, hip[2] - 0.8 * g), breed.tail / 3
    bend, side = random.choice((-1.2, -0.5, 0.8)) if pose == "standing" else -0.3, random.gauss(0, 0.5)
    for k in range(3):
        angle = bend * (k + 1) / 2
        end = (
            back[0] + side * at,
            max(0.3 * breed.head, back[1] + math.sin(angle) * at),
            back[2] - math.cos(angle) * at,
        )
        scene.rod(frame, back, end, max(0.25 * breed.head, 0.15 * g), coat.fur, BEING, BLOB)
        back = end


def bird(scene: Scene, frame: Frame) -> None:
    """A bird as long as one frame unit, on the frame's origin."""
    random, coat = scene.random, draw_coat(scene.random, scene.random.choice(FEATHERS))
    rise, dark = random.uniform(0.2, 0.9), draw_look(random, "dark")
    body = frame.within((0, 0.36, 0), (0, -rise, 0))
    scene.fit(body, BLOB, (0, 0, 0), (0.17, 0.17, 0.3), coat.light, BEING)
    for side in (1, -1):
        scene.fit(body, BALL, (side * 0.13, 0.04, -0.08), (0.06, 0.14, 0.3), coat.fur, BEING)
        scene.rod(frame, (side * 0.07, 0.25, 0), (side * 0.07, 0, 0.03), 0.015, coat.skin, BEING)
    scene.fit(body, BOX, (0, 0.02, -0.42), (0.07, 0.015, 0.22), coat.fur, BEING)
    head = body.within((0, 0.2, 0.27), (random.gauss(0, 0.8), rise, 0), 0.13)
    scene.fit(head, BLOB, (0, 0, 0), (1, 1, 1), coat.patch, BEING)
    scene.fit(head, CONE, (0, -0.1, 1.3), (0.25, 0.6, 0.25), dark, BEING, (0, math.pi / 2, 0))
    for side in (1, -1):
        scene.fit(head, BALL, (side * 0.7, 0.25, 0.55), (0.2, 0.2, 0.2), dark, BEING)


def plush(scene: Scene, frame: Frame) -> None:
    """A sitting toy of about one frame unit's height, looking along z."""
    random, coat = scene.random, draw_coat(scene.random, "plush")
    dark = draw_look(random, "dark")
    scene.fit(frame, BLOB, (0, 0.27, 0), (0.22, 0.27, 0.19), coat.fur, OBJECT)
    scene.fit(frame, BALL, (0, 0.25, 0.07), (0.15, 0.18, 0.14), coat.light, OBJECT)
    head = frame.within((0, 0.68, 0.03), (random.gauss(0, 0.3), random.gauss(0, 0.15), random.gauss(0, 0.15)), 0.22)
    scene.fit(head, BLOB, (0, 0, 0), (1, 0.92, 0.9), coat.fur, OBJECT)
    scene.fit(head, BALL, (0, -0.25, 0.75), (0.42, 0.34, 0.35), coat.light, OBJECT)
    scene.fit(head, BALL, (0, -0.12, 1.08), (0.13, 0.1, 0.08), dark, OBJECT)
    tall = random.choice((0.35, 0.35, 1.1))  # a bear's or a rabbit's ears
    for side in (1, -1):
        at = (side * 0.75, 0.6 + tall * 0.5, -0.1)
        scene.fit(head, BALL, at, (0.32, tall, 0.18), coat.patch, OBJECT, (0, 0, -side * 0.3))
        scene.fit(head, BALL, (side * 0.38, 0.15, 0.85), (0.1, 0.1, 0.08), dark, OBJECT)
        scene.rod(frame, (side * 0.17, 0.42, 0.03), (side * 0.36, 0.2, 0.15), 0.085, coat.fur, OBJECT, BLOB)
        scene.rod(frame, (side * 0.12, 0.1, 0.05), (side * 0.25, 0.08, 0.42), 0.11, coat.fur, OBJECT, BLOB)
    if random.random() < 0.3:
        scene.fit(frame, CYLINDER, (0, 0.47, 0.02), (0.17, 0.03, 0.15), draw_look(random, "petal"), OBJECT)
