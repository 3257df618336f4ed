"""People: blobs that melt into a body, in a few poses, with a face when they are near."""

import math
from itertools import pairwise
from random import Random

from .frames import Frame
from .primitives import BALL, BLOB, BOX, CONE, CYLINDER, RING
from .things import BEING, Look, Scene, draw_look

HIP, SEAT = 0.92, 0.5  # height of the hips of somebody 1.75 m tall, standing and sitting
UPRIGHT = ("standing", "standing", "walking", "walking")  # poses of somebody who does not sit
# where a wrist and its elbow may be, from the hips: x outwards, y up, z ahead
ARMS = (
    ((0.25, 0.22, -0.03), (0.26, -0.03, 0.06)),  # hanging
    ((0.26, 0.23, -0.05), (0.24, 0.0, 0.1)),
    ((0.28, 0.24, -0.02), (0.12, 0.2, 0.24)),  # holding something before the belly
    ((0.3, 0.26, 0.05), (0.08, 0.5, 0.2)),  # at the chin
    ((0.4, 0.28, -0.08), (0.2, 0.08, 0.0)),  # on the hip
    ((0.24, 0.3, 0.22), (0.2, 0.42, 0.45)),  # reaching ahead
    ((0.42, 0.55, 0.0), (0.4, 0.8, 0.05)),  # waving
)


def limb(scene: Scene, frame: Frame, *points, radius: float, look: Look) -> None:
    """Thinning blobs from joint to joint."""
    for start, end in pairwise(points):
        scene.rod(frame, start, end, radius, look, BEING, BLOB)
        radius *= 0.82


def draw_hair(scene: Scene, random: Random, head: Frame) -> None:
    """Short, long, bound or none, and now and then a hat."""
    look = draw_look(random, "hair")
    style = random.choice(("short", "short", "short", "long", "long", "bun", "bald", "hat"))
    if style == "bald":
        return
    scene.fit(head, BALL, (0, 0.035, -0.02), (0.087, 0.1, 0.1), look, BEING, (0, -0.25, 0))
    if style == "long":
        scene.fit(head, BALL, (0, -0.09, -0.06), (0.1, 0.2, 0.065), look, BEING)
        for side in (1, -1):
            scene.fit(head, BALL, (side * 0.078, -0.07, -0.01), (0.025, 0.16, 0.05), look, BEING)
    elif style == "bun":
        scene.fit(head, BALL, (0, 0.07, -0.12), (0.045, 0.045, 0.045), look, BEING)
    elif style == "hat":
        felt = draw_look(random, "cloth")
        scene.fit(head, BALL, (0, 0.07, -0.01), (0.095, 0.09, 0.105), felt, BEING)
        if random.random() < 0.6:
            scene.fit(head, CYLINDER, (0, 0.06, 0.03), (0.14, 0.006, 0.15), felt, BEING)


def face(scene: Scene, random: Random, head: Frame, skin: Look) -> None:
    """Eyes, brows, nose, mouth, ears; glasses or a beard now and then."""
    white, iris, dark = draw_look(random, "white"), draw_look(random, "iris"), draw_look(random, "dark")
    lips = skin._replace(first=(skin.first[0] * 0.8, skin.first[1] * 0.45, skin.first[2] * 0.5))
    for side in (1, -1):
        scene.fit(head, BALL, (side * 0.031, 0.012, 0.08), (0.015, 0.009, 0.012), white, BEING)
        scene.fit(head, BALL, (side * 0.031, 0.012, 0.088), (0.007, 0.007, 0.006), iris, BEING)
        scene.fit(head, BALL, (side * 0.033, 0.032, 0.084), (0.02, 0.004, 0.008), dark, BEING, (0, 0, -side * 0.15))
        scene.fit(head, BALL, (side * 0.08, -0.005, -0.005), (0.012, 0.03, 0.02), skin, BEING)
    scene.fit(head, BALL, (0, -0.018, 0.095), (0.014, 0.024, 0.02), skin, BEING, (0, -0.3, 0))
    scene.fit(head, BALL, (0, -0.06, 0.085), (0.026, 0.008, 0.012), lips, BEING)
    if random.random() < 0.15:
        for side in (1, -1):
            scene.fit(head, RING, (side * 0.034, 0.01, 0.1), (0.027, 0.004, 0.022), dark, BEING, (0, math.pi / 2, 0))
    if random.random() < 0.15:
        scene.fit(head, BALL, (0, -0.09, 0.035), (0.062, 0.05, 0.06), draw_look(random, "hair"), BEING)


def legs(scene: Scene, random: Random, frame: Frame, pose: str, trousers: Look) -> None:
    """Legs and shoes in a pose, and now and then a skirt."""
    hips = SEAT if pose == "sitting" else HIP
    swing = random.uniform(0.15, 0.35) if pose == "walking" else random.uniform(0, 0.06)
    shoes = draw_look(random, "dark")
    for side in (1, -1):
        s, spread = swing * side, random.uniform(0.08, 0.13)
        if pose == "sitting":
            knee = (side * spread * 1.3, hips - 0.01, 0.42)
            ankle = (side * spread * 1.2, 0.08, random.uniform(0.3, 0.6))
        else:
            knee, ankle = (side * spread, 0.48, s * 0.7 + 0.03), (side * spread, 0.09 + max(-s, 0) * 0.3, s - 0.02)
        limb(scene, frame, (side * 0.085, hips, 0), knee, ankle, radius=0.085, look=trousers)
        scene.fit(frame, BALL, (ankle[0], ankle[1] - 0.045, ankle[2] + 0.06), (0.045, 0.045, 0.13), shoes, BEING)
    if pose != "sitting" and random.random() < 0.2:
        scene.fit(frame, CONE, (0, 0.66, 0), (0.3, 0.4, 0.24), draw_look(random, "cloth"), BEING)  # a skirt


def person(scene: Scene, frame: Frame, pose: str, near: bool = False) -> None:
    """Somebody 1.75 m tall in frame units, who stands on its origin and looks along its z axis.

    near: with a face. About 25 rows, near 40.
    """
    random = scene.random
    skin, shirt, trousers = (draw_look(random, material) for material in ("skin", "cloth", "cloth"))
    sleeve = skin if random.random() < 0.3 else shirt
    stout, hips = random.uniform(0.88, 1.2), SEAT if pose == "sitting" else HIP
    body = frame.within((0, hips, 0), (random.gauss(0, 0.1), random.gauss(0.04, 0.06), random.gauss(0, 0.03)))
    legs(scene, random, frame, pose, trousers)
    scene.fit(body, BLOB, (0, 0, 0), (0.16 * stout, 0.13, 0.12 * stout), trousers, BEING)
    scene.fit(body, BLOB, (0, 0.2, 0.01), (0.15 * stout, 0.19, 0.115 * stout), shirt, BEING)
    scene.fit(body, BLOB, (0, 0.37, 0), (0.175 * stout, 0.18, 0.12 * stout), shirt, BEING)
    scene.rod(body, (-0.2, 0.49, -0.01), (0.2, 0.49, -0.01), 0.065, shirt, BEING, BLOB)
    if random.random() < 0.3:  # an open jacket
        scene.fit(body, BALL, (0, 0.25, -0.02), (0.185 * stout, 0.3, 0.125 * stout), draw_look(random, "cloth"), BEING)
    for side in (1, -1):
        elbow, wrist = random.choice(ARMS if pose == "sitting" or random.random() < 0.4 else ARMS[:2])
        elbow, wrist = ((side * x, y + random.gauss(0, 0.02), z + random.gauss(0, 0.03)) for x, y, z in (elbow, wrist))
        limb(scene, body, (side * 0.19, 0.49, 0), elbow, radius=0.062, look=shirt)
        limb(scene, body, elbow, wrist, radius=0.05, look=sleeve)
        scene.fit(body, BLOB, wrist, (0.035, 0.05, 0.04), skin, BEING)
    scene.rod(body, (0, 0.48, -0.01), (0, 0.68, 0.02), 0.05, skin, BEING, BLOB)
    gaze = (random.gauss(0, 0.3), random.gauss(0.02, 0.12), random.gauss(0, 0.08))
    head = body.within((0, 0.765, 0.03), gaze, random.uniform(0.95, 1.1))
    scene.fit(head, BLOB, (0, 0.015, 0), (0.077, 0.1, 0.093), skin, BEING)
    scene.fit(head, BLOB, (0, -0.05, 0.025), (0.062, 0.072, 0.065), skin, BEING)
    draw_hair(scene, random, head)
    if near:
        face(scene, random, head, skin)
    if pose == "walking" and random.random() < 0.3:  # a bag
        bag = draw_look(random, "cloth")
        if random.random() < 0.5:
            scene.fit(body, BALL, (0, 0.3, -0.17), (0.15, 0.21, 0.09), bag, BEING)
        else:
            scene.fit(body, BOX, (0.3, -0.2, 0.05), (0.05, 0.14, 0.16), bag, BEING)
