"""The light that comes from a surface point (Numba).

One lamp or sun with hard shadows, ambient light dimmed near small things (each taken for its bounding ball), one mirror
reflection without shadows, fog, and the sky with its sun and its clouds.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .blobs import blob_normal
from .primitives import (
    BLOB,
    BUMP,
    CENTRE,
    GLOSS,
    GLOW,
    HALF,
    JIT,
    KIND,
    LEADER,
    MIDDLE,
    RADIUS,
    SCALE,
    surface,
    to_unit,
    to_world,
)
from .rays import blocked, first_hit
from .textures import clamp01, noise, texture

HORIZON = 3000.0  # metres; farther is sky
LIFT = 1e-3  # of a shadow ray's start off the surface, so that it does not shade itself: relative, and metres


class Light(NamedTuple):
    at: np.ndarray  # (3,) a lamp's place in metres, or the direction to the sun
    power: float  # 0: a sun; larger: a lamp, fading with the square of the distance
    direct: np.ndarray  # (3,) colours
    ambient: np.ndarray


class Clouds(NamedTuple):
    cover: float  # 0..1
    colour: tuple[float, float, float]  # where they are thin
    dark: float  # 0..1: how much darker they are where they are thick
    streak: float  # how many times as wide as deep; 1: round
    low: float  # 0: they end above the horizon; 1: they reach it
    seed: int


class Air(NamedTuple):
    haze: np.ndarray  # (3,) colour of fog and horizon
    fog: float  # 1/m
    zenith: np.ndarray  # (3,) colour overhead
    rise: float  # how fast the horizon's colour goes over into the zenith's: it has at a height of 1 / rise
    sun: np.ndarray  # (3,) unit direction to the sun that one sees
    glow: np.ndarray  # (3,) how much brighter the sky is around it; 0: no sun is seen
    clouds: Clouds


class World(NamedTuple):
    """Light, air and camera as plain numbers: arrays would cost time wherever they are passed."""

    at: tuple[float, float, float]
    power: float
    direct: tuple[float, float, float]
    ambient: tuple[float, float, float]
    haze: tuple[float, float, float]
    fog: float
    zenith: tuple[float, float, float]
    rise: float
    sun: tuple[float, float, float]
    glow: tuple[float, float, float]
    clouds: Clouds
    fine: float  # width of a pixel at depth 1


@njit(**JIT)
def three(numbers):
    """An array (3,) as a tuple."""
    return numbers[0], numbers[1], numbers[2]


@njit(**JIT)
def describe(light, air, fine):
    """The World of a light, an air and a pixel width at depth 1."""
    at, direct, ambient = three(light.at), three(light.direct), three(light.ambient)
    haze, zenith, sun, glow = three(air.haze), three(air.zenith), three(air.sun), three(air.glow)
    return World(at, light.power, direct, ambient, haze, air.fog, zenith, air.rise, sun, glow, air.clouds, fine)


@njit(**JIT)
def shine(world, dx, dy, dz):
    """How many times its glow the sun, but for its disc, adds to sky and haze in the unit direction d."""
    if world.glow[0] <= 0:
        return 0.0
    off = 1 - (dx * world.sun[0] + dy * world.sun[1] + dz * world.sun[2])
    return 0.4 * math.exp(-4 * off) + 0.8 * math.exp(-50 * off)


@njit(**JIT)
def cloud_depth(world, dx, dy, dz):
    """How much cloud stands in the unit direction d: 0 none, 1 opaque, above 1 thick."""
    clouds, high = world.clouds, max(dy, 0.0)
    stretch = 3.0 / (high + 0.12)
    pixel = 0.5 * world.fine * stretch * stretch / 3  # in lattice units, from one row to the next
    x, z, total, amplitude, frequency = dx * stretch / clouds.streak, dz * stretch, 0.0, 0.5, 1.0
    for _ in range(4):
        clear = clamp01(2 - 3 * frequency * pixel)
        if clear <= 0:
            break
        total += clear * amplitude * (noise(x * frequency, 0.0, z * frequency, clouds.seed) - 0.5)
        amplitude, frequency = amplitude * 0.55, frequency * 2.03
    return max(0.0, (total - 0.12 + 0.3 * clouds.cover) * 4) * clamp01(high * 8.8 + clouds.low)


@njit(**JIT)
def sky(world, dx, dy, dz):
    """Linear colour (r, g, b) of the sky in direction d."""
    s = 1 / math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * s, dy * s, dz * s
    up, around, disc = clamp01(dy * world.rise), shine(world, dx, dy, dz), 0.0
    if around > 0.8:
        disc = 15 * math.exp(-6000 * (1 - (dx * world.sun[0] + dy * world.sun[1] + dz * world.sun[2])))
    haze, zenith, glow, white = world.haze, world.zenith, world.glow, world.clouds.colour
    cloud, grey, light = 0.0, 0.0, around + disc
    if world.clouds.cover > 0:
        thick = cloud_depth(world, dx, dy, dz)
        cloud = min(1.0, thick)
        grey = cloud * (1 - world.clouds.dark * clamp01(thick - 0.4))
        light = light * (1 - cloud) + 4 * around * cloud * (1 - cloud)  # their edges are bright near the sun
    low, high = (1 - up) * (1 - cloud), up * (1 - cloud)
    return (
        haze[0] * low + zenith[0] * high + glow[0] * light + white[0] * grey,
        haze[1] * low + zenith[1] * high + glow[1] * light + white[1] * grey,
        haze[2] * low + zenith[2] * high + glow[2] * light + white[2] * grey,
    )


@njit(**JIT)
def bumped(shapes, p, x, y, z, nx, ny, nz):
    """The unit normal n, rocked by noise at local point x, y, z (metres)."""
    f, bump = 2.5 * shapes[p, SCALE], shapes[p, BUMP]
    nx += bump * (noise(x * f, y * f, z * f, 11) - 0.5)
    ny += bump * (noise(x * f, y * f, z * f, 12) - 0.5)
    nz += bump * (noise(x * f, y * f, z * f, 13) - 0.5)
    s = 1 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * s, ny * s, nz * s


@njit(**JIT)
def occlusion(shapes, listed, own, x, y, z, nx, ny, nz):
    """How much of the ambient light the listed shapes take from the surface point x, y, z with normal n."""
    total = 0.0
    for k in range(len(listed)):
        p = listed[k]
        if p == own:
            continue
        ex, ey, ez = shapes[p, MIDDLE] - x, shapes[p, MIDDLE + 1] - y, shapes[p, MIDDLE + 2] - z
        distance2, radius2, above = ex * ex + ey * ey + ez * ez, shapes[p, RADIUS] ** 2, ex * nx + ey * ny + ez * nz
        if distance2 < 16 * radius2 and above > 0:
            total += 0.35 * min(0.7, above * radius2 / (distance2 * math.sqrt(distance2) + 1e-9))
    return total


@njit(**JIT)
def direct_light(shapes, listed, world, x, y, z, nx, ny, nz):
    """Lamp or sun light on the surface point x, y, z with normal n: 0 in the shadow of the listed shapes."""
    lx, ly, lz, reach, gain = world.at[0], world.at[1], world.at[2], 1e30, 1.0
    if world.power > 0:
        lx, ly, lz, reach = lx - x, ly - y, lz - z, 0.98  # the lamp's own body starts there
        gain = world.power / (0.6 + lx * lx + ly * ly + lz * lz)
    cosine = (nx * lx + ny * ly + nz * lz) / math.sqrt(lx * lx + ly * ly + lz * lz)
    if cosine <= 0 or blocked(shapes, listed, x, y, z, lx, ly, lz, reach):
        return 0.0
    return gain * cosine


@njit(**JIT)
def normal_at(shapes, p, x, y, z, px, py, pz, dx, dy, dz):
    """At world point x, y, z, which is unit point p of the primitive in row p.

    -> unit normal (x, y, z) against the ray d, surface coordinates u, v, cosine between normal and ray
    """
    ax, ay, az, u, v = surface(shapes, p, px, py, pz)
    if shapes[p, KIND] == BLOB:
        nx, ny, nz = blob_normal(shapes, int(shapes[p, LEADER]), x, y, z)
    else:
        nx, ny, nz = to_world(shapes, p, ax, ay, az)
    facing = -(nx * dx + ny * dy + nz * dz) / math.sqrt(dx * dx + dy * dy + dz * dz)
    s = math.copysign(1.0, facing) / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * s, ny * s, nz * s, u, v, facing * s


@njit(**JIT)
def shade(shapes, shading, dimming, poster, world, p, ox, oy, oz, dx, dy, dz, t):
    """What the ray o + t d sees on the primitive in row p, but for reflection and fog.

    shading, dimming: rows of the shapes that may cast a shadow here, and take ambient light
    -> linear colour (r, g, b), unit normal (x, y, z), cosine between normal and ray
    """
    wx, wy, wz = ox + t * dx, oy + t * dy, oz + t * dz
    px, py, pz = to_unit(shapes, p, wx - shapes[p, CENTRE], wy - shapes[p, CENTRE + 1], wz - shapes[p, CENTRE + 2])
    nx, ny, nz, u, v, facing = normal_at(shapes, p, wx, wy, wz, px, py, pz, dx, dy, dz)
    pixel = t * world.fine / max(facing, 0.12)
    x, y, z = px * shapes[p, HALF], py * shapes[p, HALF + 1], pz * shapes[p, HALF + 2]
    bx, by, bz = nx, ny, nz
    if shapes[p, BUMP] > 0 and pixel * shapes[p, SCALE] < 0.5:
        bx, by, bz = bumped(shapes, p, x, y, z, nx, ny, nz)
    r, g, b = texture(shapes, p, x, y, z, u, v, pixel, poster)
    glow = shapes[p, GLOW]
    if glow > 0:
        return r * glow, g * glow, b * glow, nx, ny, nz, facing
    lift = LIFT * (t + 1)
    hx, hy, hz = wx + nx * lift, wy + ny * lift, wz + nz * lift
    lit = direct_light(shapes, shading, world, hx, hy, hz, bx, by, bz)
    dimmed = occlusion(shapes, dimming, shapes[p, LEADER], hx, hy, hz, nx, ny, nz)
    open_sky = (0.65 + 0.35 * by) * max(0.25, 1 - dimmed)
    r *= world.ambient[0] * open_sky + world.direct[0] * lit
    g *= world.ambient[1] * open_sky + world.direct[1] * lit
    b *= world.ambient[2] * open_sky + world.direct[2] * lit
    return r, g, b, nx, ny, nz, facing


@njit(**JIT)
def reflection(shapes, everything, poster, world, x, y, z, dx, dy, dz):
    """Linear colour (r, g, b) that reaches a mirror's point x, y, z from direction d: no shadows, no second mirror."""
    t, p = first_hit(shapes, everything, False, x, y, z, dx, dy, dz, 0.0, HORIZON, world.fine)
    if p < 0:
        return sky(world, dx, dy, dz)
    nothing = everything[:0]
    r, g, b, _, _, _, _ = shade(shapes, nothing, nothing, poster, world, p, x, y, z, dx, dy, dz, t)
    return r, g, b


@njit(**JIT)
def colour_seen(shapes, everything, shading, dimming, poster, world, p, ox, oy, oz, dx, dy, dz, t):
    """Linear colour (r, g, b) that the ray o + t d brings from the primitive in row p; lists of rows as in shade()."""
    r, g, b, nx, ny, nz, facing = shade(shapes, shading, dimming, poster, world, p, ox, oy, oz, dx, dy, dz, t)
    gloss = shapes[p, GLOSS]
    if gloss > 0:
        share = gloss + (min(1.0, 5 * gloss) - gloss) * (1 - facing) ** 5  # a mirror is strongest at a grazing angle
        lift, back = LIFT * (t + 1), 2 * (nx * dx + ny * dy + nz * dz)
        x, y, z = ox + t * dx + lift * nx, oy + t * dy + lift * ny, oz + t * dz + lift * nz
        mx, my, mz = dx - back * nx, dy - back * ny, dz - back * nz
        mr, mg, mb = reflection(shapes, everything, poster, world, x, y, z, mx, my, mz)
        r, g, b = r + share * (mr - r), g + share * (mg - g), b + share * (mb - b)
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    clear, haze, glow, around = math.exp(-world.fog * t * length), world.haze, world.glow, 0.0
    if clear < 0.98:
        around = shine(world, dx / length, dy / length, dz / length)
    r = r * clear + (haze[0] + glow[0] * around) * (1 - clear)
    g = g * clear + (haze[1] + glow[1] * around) * (1 - clear)
    b = b * clear + (haze[2] + glow[2] * around) * (1 - clear)
    return r, g, b
