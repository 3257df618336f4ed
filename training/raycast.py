"""A small ray-caster (Numba): a table of primitives in; linear colour, depth and class out.

One ray per pixel. Light: one lamp or sun with hard shadows, ambient light dimmed near small things (each taken for its
bounding ball), and fog. No reflections: the network needs geometry more than gloss.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .primitives import BUMP, CENTRE, CLASS, GLOW, HALF, JIT, SCALE, apply, blocked, first_hit, place, surface
from .textures import clamp01, fractal, noise, texture

HORIZON = 3000.0  # metres; farther is sky
NEAREST = 1e-3


class View(NamedTuple):
    position: np.ndarray  # (3,) metres
    basis: np.ndarray  # (3, 3) rows right, up, ahead
    tan_x: float  # tangent of half the horizontal field of view
    tan_y: float


class Light(NamedTuple):
    at: np.ndarray  # (3,) a lamp's place in metres, or the direction to the sun
    power: float  # 0: a sun; larger: a lamp, fading with the square of the distance
    direct: np.ndarray  # (3,) colours
    ambient: np.ndarray


class Air(NamedTuple):
    haze: np.ndarray  # (3,) colour of fog and horizon
    fog: float  # 1/m
    zenith: np.ndarray  # (3,) colour overhead
    clouds: float  # 0..1
    seed: int


@njit(**JIT)
def sky(dx, dy, dz, air):
    """In the unit direction d: how far up it is and how cloudy, both 0..1."""
    up, cloud = clamp01(dy * 2.2), 0.0
    if air.clouds > 0:
        stretch = 3.0 / (max(dy, 0.0) + 0.12)
        cloud = (fractal(dx * stretch, dz * stretch, 0.0, air.seed, 0.05, 4) - 0.62 + 0.3 * air.clouds) * 4.0
        cloud = clamp01(cloud) * min(1.0, up * 4)
    return up, cloud


@njit(**JIT)
def bumped(row, x, y, z, nx, ny, nz):
    """The unit normal n, rocked by noise at local point x, y, z (metres)."""
    f = 2.5 * row[SCALE]
    nx += row[BUMP] * (noise(x * f, y * f, z * f, 11) - 0.5)
    ny += row[BUMP] * (noise(x * f, y * f, z * f, 12) - 0.5)
    nz += row[BUMP] * (noise(x * f, y * f, z * f, 13) - 0.5)
    s = 1 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * s, ny * s, nz * s


@njit(**JIT)
def occlusion(table, radii, own, x, y, z, nx, ny, nz):
    """How much of the ambient light small neighbours take from the surface point x, y, z with normal n."""
    total = 0.0
    for p in range(len(table)):
        if p == own or radii[p] >= 3 or table[p, GLOW] != 0:
            continue
        ex, ey, ez = table[p, CENTRE] - x, table[p, CENTRE + 1] - y, table[p, CENTRE + 2] - z
        distance2, radius2, above = ex * ex + ey * ey + ez * ez, radii[p] * radii[p], ex * nx + ey * ny + ez * nz
        if distance2 < 16 * radius2 and above > 0:
            total += 0.35 * min(0.7, above * radius2 / (distance2 * math.sqrt(distance2) + 1e-9))
    return total


@njit(**JIT)
def direct_light(table, matrices, radii, light, x, y, z, nx, ny, nz):
    """Lamp or sun light on the surface point x, y, z with normal n: 0 in shadow."""
    lx, ly, lz, reach, gain = light.at[0], light.at[1], light.at[2], 1e30, 1.0
    if light.power > 0:
        lx, ly, lz, reach = lx - x, ly - y, lz - z, 0.98  # the lamp's own body starts there
        gain = light.power / (0.6 + lx * lx + ly * ly + lz * lz)
    cosine = (nx * lx + ny * ly + nz * lz) / math.sqrt(lx * lx + ly * ly + lz * lz)
    if cosine <= 0 or blocked(table, matrices, radii, x, y, z, lx, ly, lz, reach):
        return 0.0
    return gain * cosine


@njit(**JIT)
def cast(table, view, light, air, poster, height, width):
    """Ray-cast one picture.

    table: (P, COLUMNS) primitives; poster: (h, w, 3) linear colours
    -> colour (height, width, 3) float32 linear, depth (height, width) float32 metres along the optical axis (sky inf),
       label (height, width) uint8, hit (height, width) int32 row of the table (sky -1)
    """
    matrices, radii = place(table)
    colour = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    label, index = np.zeros((height, width), np.uint8), np.full((height, width), -1, np.int32)
    ox, oy, oz = view.position[0], view.position[1], view.position[2]
    for i in range(height):
        for j in range(width):
            a, b = ((j + 0.5) / width * 2 - 1) * view.tan_x, (1 - (i + 0.5) / height * 2) * view.tan_y
            dx = view.basis[0, 0] * a + view.basis[1, 0] * b + view.basis[2, 0]
            dy = view.basis[0, 1] * a + view.basis[1, 1] * b + view.basis[2, 1]
            dz = view.basis[0, 2] * a + view.basis[1, 2] * b + view.basis[2, 2]
            length = math.sqrt(dx * dx + dy * dy + dz * dz)  # the ray's step ahead is 1, so t is the depth
            t, p = first_hit(table, matrices, radii, ox, oy, oz, dx, dy, dz, NEAREST, HORIZON)
            if p < 0:
                up, cloud = sky(dx / length, dy / length, dz / length, air)
                for c in range(3):
                    blue = air.haze[c] * (1 - up) + air.zenith[c] * up
                    colour[i, j, c] = blue * (1 - cloud) + (0.3 * light.direct[c] + 0.5) * cloud
                continue
            row, m = table[p], matrices[p]
            depth[i, j], label[i, j], index[i, j] = t, int(row[CLASS]), p
            wx, wy, wz = ox + t * dx, oy + t * dy, oz + t * dz
            px, py, pz = apply(matrices, p, wx - row[CENTRE], wy - row[CENTRE + 1], wz - row[CENTRE + 2])
            nx, ny, nz, u, v = surface(row, px, py, pz)
            nx, ny, nz = (  # a normal transforms with the transposed matrix
                m[0, 0] * nx + m[1, 0] * ny + m[2, 0] * nz,
                m[0, 1] * nx + m[1, 1] * ny + m[2, 1] * nz,
                m[0, 2] * nx + m[1, 2] * ny + m[2, 2] * nz,
            )
            facing = -(nx * dx + ny * dy + nz * dz) / length
            s = math.copysign(1.0, facing) / math.sqrt(nx * nx + ny * ny + nz * nz)
            nx, ny, nz, facing = nx * s, ny * s, nz * s, facing * s
            lift = 1e-3 * t + 1e-3  # off the surface, so that it does not shade itself
            hx, hy, hz = wx + nx * lift, wy + ny * lift, wz + nz * lift
            pixel = t * 2 * view.tan_x / width / max(facing, 0.12)
            x, y, z = px * row[HALF], py * row[HALF + 1], pz * row[HALF + 2]
            bx, by, bz = nx, ny, nz
            if row[BUMP] > 0 and pixel * row[SCALE] < 0.5:
                bx, by, bz = bumped(row, x, y, z, nx, ny, nz)
            texel = texture(row, x, y, z, u, v, pixel, poster)
            clear = math.exp(-air.fog * t * length)
            lit, open_sky = 0.0, 0.0
            if row[GLOW] == 0:
                lit = direct_light(table, matrices, radii, light, hx, hy, hz, bx, by, bz)
                open_sky = (0.65 + 0.35 * by) * max(0.25, 1 - occlusion(table, radii, p, hx, hy, hz, nx, ny, nz))
            for c in range(3):
                shine = row[GLOW] if row[GLOW] > 0 else light.ambient[c] * open_sky + light.direct[c] * lit
                colour[i, j, c] = texel[c] * shine * clear + air.haze[c] * (1 - clear)
    return colour, depth, label, index
