"""The colour of a surface point, and the holes in it (Numba): value noise, and a dozen patterns made from it.

A pattern mixes a primitive's two colours. Whatever is finer than a pixel melts into its mean: one sample per pixel
would alias, and a network would learn the aliasing.
"""

import math

from numba import njit

from .primitives import CUT, FIRST, HALF, JIT, SCALE, SECOND, SEED, TEXTURE

PLAIN, CHECKER, BRICK, STRIPE, WOOD, SPECKLE, CLOUDY, FACADE, PATCH, POSTER, LEAVES, GRID, PETAL = range(13)
FADES = 0.75  # from a distance a surface of which more than this is cut away is not there, and any other is whole


@njit(**JIT)
def hash01(i, j, k, seed):
    """A number in 0..1 that depends on four integers and looks random."""
    h = ((i * 73856093) ^ (j * 19349663) ^ (k * 83492791) ^ (seed * 1640531513)) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF
    h = ((h ^ (h >> 12)) * 0x297A2D39) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@njit(**JIT)
def noise(x, y, z, seed):
    """Smooth noise in 0..1 with one random value per integer lattice point."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    a = hash01(i, j, k, seed) * (1 - u) + hash01(i + 1, j, k, seed) * u
    b = hash01(i, j + 1, k, seed) * (1 - u) + hash01(i + 1, j + 1, k, seed) * u
    c = hash01(i, j, k + 1, seed) * (1 - u) + hash01(i + 1, j, k + 1, seed) * u
    d = hash01(i, j + 1, k + 1, seed) * (1 - u) + hash01(i + 1, j + 1, k + 1, seed) * u
    return (a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w


@njit(**JIT)
def fractal(x, y, z, seed, pixel, octaves):
    """Sum of noises at doubling frequency, in 0..1, without the octaves finer than `pixel` (in lattice units)."""
    total, weight, amplitude, frequency = 0.0, 0.0, 1.0, 1.0
    for _ in range(octaves):
        seen = frequency * pixel < 0.7
        total += amplitude * (noise(x * frequency, y * frequency, z * frequency, seed) if seen else 0.5)
        weight += amplitude
        amplitude, frequency = amplitude * 0.55, frequency * 2.03
    return total / weight


@njit(**JIT)
def clamp01(x):
    return min(1.0, max(0.0, x))


@njit(**JIT)
def poster_colour(shapes, p, u, v, poster):
    """A pixel of the picture poster (H, W, 3), hung on the primitive's whole face."""
    height, width = poster.shape[:2]
    i = min(height - 1, max(0, int((0.5 - 0.5 * v / shapes[p, HALF + 1]) * height)))
    j = min(width - 1, max(0, int((0.5 + 0.5 * u / max(shapes[p, HALF], shapes[p, HALF + 2])) * width)))
    return poster[i, j, 0], poster[i, j, 1], poster[i, j, 2]


@njit(**JIT)
def texture(shapes, p, x, y, z, u, v, pixel, poster):
    """Linear colour (r, g, b) of a primitive at local point x, y, z with surface coordinates u, v.

    Everything in metres; `pixel` is the size of a pixel on the surface. poster: (H, W, 3) linear, for POSTER only.
    """
    kind, scale, seed = int(shapes[p, TEXTURE]), shapes[p, SCALE], int(shapes[p, SEED])
    if kind == POSTER:
        return poster_colour(shapes, p, u, v, poster)
    x, y, z, u, v, pixel = x * scale, y * scale, z * scale, u * scale, v * scale, pixel * scale
    i, j = math.floor(u), math.floor(v)
    r, g, b, strength = shapes[p, SECOND], shapes[p, SECOND + 1], shapes[p, SECOND + 2], 1.0
    mix, mean = 0.25 * fractal(x, y, z, seed, pixel, 3), 0.12  # PLAIN: a little unevenness; share of the second colour
    if kind == CHECKER:
        mix, mean = 0.85 * ((i + j) & 1) + 0.15 * noise(3 * x, 3 * y, 3 * z, seed), 0.5
    elif kind == BRICK:
        course = math.floor(2 * v)
        u += 0.5 * (int(course) & 1)
        stone = math.floor(u)
        mortar = u - stone < 0.06 or 2 * v - course < 0.12
        mix, mean = (1.0 if mortar else 0.5 * hash01(int(stone), int(course), 1, seed)), 0.35
    elif kind == STRIPE:
        mix, mean = 0.5 + 0.5 * math.sin(6.28 * (u + 0.3 * noise(x, y, z, seed))), 0.5
    elif kind == WOOD:
        ring = math.sqrt(9 * u * u + 0.2 * z * z) + 0.9 * fractal(2 * u, 0.3 * v, z, seed, pixel, 3)
        mix, mean = 0.3 + 0.3 * math.sin(9 * ring) + 0.4 * noise(12 * u, 0.8 * v, 2 * z, seed), 0.5
    elif kind == SPECKLE:
        grain = hash01(math.floor(6 * x), math.floor(6 * y), math.floor(6 * z), seed)
        mix, mean = (1.0 if grain > 0.8 else 0.2 * grain), 0.28
    elif kind == CLOUDY:
        mix = clamp01((fractal(x, y, z, seed, pixel, 5) - 0.5) * 2.6 + 0.5)
        mean = mix  # fractal() has already dropped what is too fine
    elif kind == LEAVES:
        mix = clamp01((fractal(4 * x, 4 * y, 4 * z, seed, 4 * pixel, 4) - 0.45) * 5.0)
        mean = mix
    elif kind == GRID:
        mix, mean = (1.0 if u - i < 0.12 or v - j < 0.12 else 0.0), 0.23
    elif kind == FACADE:
        half_width = 0.18 + 0.22 * hash01(3, 5, 7, seed)
        if abs(u - i - 0.5) < half_width and abs(v - j - 0.5) < 0.33:  # a window, bright or dark
            mix, mean, strength = 1.0, 0.4, 0.15 + 0.75 * hash01(i, j, 0, seed) ** 2
    elif kind == PETAL:  # veins from its root at z -1 to a tip of the second colour
        across, out = x / (scale * shapes[p, HALF]), z / (scale * shapes[p, HALF + 2])
        tip = clamp01((across * across + out * out - 0.35) * (0.6 + 0.6 * out))
        mix, mean = clamp01(tip + 0.9 * noise(6 * across, 0, 0.8 * out, seed) - 0.3), clamp01(tip + 0.15)
        pixel *= 5 / (scale * shapes[p, HALF])
    elif kind == PATCH:  # books, parcels, quilts: a random colour per cell
        i = math.floor(3 * u)
        j = math.floor(v + 0.35 * hash01(i, 0, 0, seed))
        mix, mean, r, g, b = 0.85, 0.0, hash01(i, j, 1, seed), hash01(i, j, 2, seed), hash01(i, j, 3, seed)
    sharp = clamp01(1.6 - 2.0 * pixel)
    mix = mix * sharp + mean * (1 - sharp)
    first, second = 1 - mix, strength * mix
    return (
        shapes[p, FIRST] * first + r * second,
        shapes[p, FIRST + 1] * first + g * second,
        shapes[p, FIRST + 2] * first + b * second,
    )


@njit(**JIT)
def is_hole(shapes, p, x, y, z, u, v, pixel):
    """Is the surface cut away at local point x, y, z with surface coordinates u, v (metres)? pixel: its size there.

    STRIPE leaves slats, GRID wires, CHECKER a sheet with round holes, anything else ragged patches (foliage, hair).
    """
    kind, cut, scale = int(shapes[p, TEXTURE]), shapes[p, CUT], shapes[p, SCALE]
    finest = 6 * scale if kind not in (STRIPE, GRID, CHECKER) else scale
    if pixel * finest > 0.7:
        return cut > FADES
    u, v = u * scale - math.floor(u * scale), v * scale - math.floor(v * scale)
    if kind == STRIPE:
        return u < cut
    if kind == GRID:
        return max(u, v) < math.sqrt(cut)
    if kind == CHECKER:
        return (u - 0.5) ** 2 + (v - 0.5) ** 2 < cut / math.pi
    return noise(x * finest, y * finest, z * finest, int(shapes[p, SEED])) < 0.25 + 0.5 * cut
