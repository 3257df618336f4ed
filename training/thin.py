"""Thin structures: bicycles, fences, railings, stairs with their handrails."""

import math

from .frames import Frame
from .primitives import BALL, BOX, RING
from .things import OBJECT, VEHICLE, WALL, Look, Scene, draw_look


def wheel(scene: Scene, frame: Frame, centre, radius: float, tyre: Look, metal: Look, spokes: int) -> None:
    """A spoked wheel in the frame's yz plane."""
    x, y, z = centre
    scene.fit(frame, RING, centre, (radius, 0.022, radius), tyre, VEHICLE, (0, 0, math.pi / 2))
    scene.fit(frame, RING, centre, (radius - 0.03, 0.012, radius - 0.03), metal, VEHICLE, (0, 0, math.pi / 2))
    scene.rod(frame, (x - 0.04, y, z), (x + 0.04, y, z), 0.025, metal, VEHICLE)
    for k in range(spokes):
        angle = 2 * math.pi * k / spokes
        end = (x, y + math.sin(angle) * (radius - 0.02), z + math.cos(angle) * (radius - 0.02))
        scene.rod(frame, centre, end, 0.0025, metal, VEHICLE)


def bicycle(scene: Scene, frame: Frame, near: bool = False) -> None:
    """A bicycle along z on the frame's origin; near: with all its spokes. 25 to 60 rows."""
    random = scene.random
    paint, dark, metal = (draw_look(random, material) for material in ("paint", "dark", "metal"))
    r, spokes = 0.34, 18 if near else 6
    rear, front, crank, seat, head = (0, r, -0.52), (0, r, 0.55), (0, 0.3, -0.08), (0, 0.85, -0.25), (0, 0.85, 0.36)
    for axle in (rear, front):
        wheel(scene, frame, axle, r, dark, metal, spokes)
    for start, end in ((crank, seat), (crank, head), (seat, head), (rear, crank), (rear, seat), (head, front)):
        scene.rod(frame, start, end, 0.018, paint, VEHICLE)
    scene.rod(frame, head, (0, 1.05, 0.32), 0.015, metal, VEHICLE)
    scene.rod(frame, (-0.28, 1.05, 0.28), (0.28, 1.05, 0.28), 0.013, dark, VEHICLE)
    scene.rod(frame, seat, (0, 0.95, -0.28), 0.014, metal, VEHICLE)
    scene.fit(frame, BALL, (0, 0.97, -0.3), (0.07, 0.035, 0.13), dark, VEHICLE)
    scene.fit(frame, RING, (0.04, 0.3, -0.08), (0.1, 0.008, 0.1), metal, VEHICLE, (0, 0, math.pi / 2))
    for side in (1, -1):
        pedal = (side * 0.1, 0.3 + side * 0.14, -0.02)
        scene.rod(frame, (side * 0.05, 0.3, -0.08), pedal, 0.01, metal, VEHICLE)
        scene.fit(frame, BOX, pedal, (0.05, 0.01, 0.03), dark, VEHICLE)
    if random.random() < 0.5:
        for axle in (rear, front):  # mudguards
            scene.fit(frame, RING, axle, (r + 0.04, 0.018, r + 0.04), paint, VEHICLE, (0, 0, math.pi / 2))
    if random.random() < 0.3:
        scene.fit(frame, BOX, (0, 0.85, 0.62), (0.18, 0.12, 0.13), "wicker", VEHICLE)


def fence(scene: Scene, start, end, height: float) -> None:
    """Posts and rails or pickets on the ground between two points (x, z)."""
    random, frame = scene.random, scene.frame(0, 0, 0)
    look = draw_look(random, random.choice(("wood", "white", "dark", "metal")))
    (x0, z0), (x1, z1) = start, end
    length, kind = math.hypot(x1 - x0, z1 - z0), random.random()
    gap = max(length / 40, random.uniform(0.12, 0.3) if kind < 0.5 else random.uniform(1, 2.5))
    for level in (0.9, 0.2) if kind < 0.5 else (0.95, 0.6, 0.25):
        scene.rod(frame, (x0, height * level, z0), (x1, height * level, z1), 0.022, look, WALL)
    count = int(length / gap) + 1
    for k in range(count + 1):
        x, z = x0 + (x1 - x0) * k / count, z0 + (z1 - z0) * k / count
        scene.rod(frame, (x, 0, z), (x, height, z), 0.016 if kind < 0.5 else 0.05, look, WALL)


def stairs(scene: Scene, x: float, z: float, yaw: float, rise: float) -> None:
    """A flight of `rise` metres that climbs along z, with a handrail."""
    random, frame = scene.random, scene.frame(x, z, yaw)
    tread, side = draw_look(random, random.choice(("wood", "white", "stone"))), random.choice((1, -1))
    rail = draw_look(random, random.choice(("wood", "metal", "white")))
    count, wide = int(rise / 0.18), random.uniform(0.45, 0.8)
    for k in range(count):
        height = (k + 1) * 0.18
        scene.fit(frame, BOX, (0, height / 2, k * 0.27), (wide, height / 2, 0.135), tread, OBJECT)
        scene.rod(frame, (side * wide, height, k * 0.27), (side * wide, height + 0.9, k * 0.27), 0.012, rail, OBJECT)
    top = (side * wide, count * 0.18 + 0.92, count * 0.27)
    scene.rod(frame, (side * wide, 0.98, -0.1), top, 0.03, rail, OBJECT)
