"""Light, point of view, and what a camera makes of a linear picture."""

import io
import math
from random import Random
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from .lens import defocus
from .light import Air, Clouds, Light
from .raycast import View
from .standpoint import Standpoint
from .things import draw_colour

GAMMA = 2.2  # between linear light and what a picture stores
BURNT = 0.07  # of the pictures out of doors are overexposed, up to a paper-white sky
LOW = 0.18  # of the pictures out of doors are taken for their low sun: two thirds of them towards it


class Weather(NamedTuple):
    often: float
    facing: float  # how often where the sun is what the picture is taken for
    direct: float
    ambient: float
    height: tuple[float, float]  # of the sun, over its distance along the ground
    colour: tuple[float, float, float]  # of the sun's light
    glow: tuple[float, float, float]  # the sky's around the sun
    haze: tuple[tuple[float, float], float, float]  # hue, saturation, value
    zenith: tuple[tuple[float, float], float, float]
    cloud: float  # how bright clouds are without the sun's light


BLUE, ORANGE = (0.57, 0.63), (-0.02, 0.1)
WEATHER = {
    "sunny": Weather(0.4, 0.12, 0.95, 0.28, (0.4, 1.5), (1.05, 1.0, 0.88), (0.3, 0.29, 0.26),
                     (BLUE, 0.1, 0.9), (BLUE, 0.7, 0.65), 0.5),
    "overcast": Weather(0.25, 0.08, 0.1, 0.7, (0.2, 2.0), (1, 1, 1), (0.05, 0.05, 0.05),
                        (BLUE, 0.05, 0.9), (BLUE, 0.1, 0.75), 0.5),
    "low sun": Weather(0.13, 0.28, 0.9, 0.22, (0.08, 0.35), (1.2, 0.85, 0.5), (0.7, 0.55, 0.35),
                       ((0.07, 0.13), 0.3, 0.9), (BLUE, 0.5, 0.6), 0.5),
    "sunset": Weather(0.1, 0.4, 0.3, 0.14, (0.02, 0.2), (1.3, 0.6, 0.25), (1.1, 0.52, 0.14),
                      (ORANGE, 0.85, 0.8), ((0.55, 1.08), 0.55, 0.25), 0.3),
    "dusk": Weather(0.08, 0.12, 0.05, 0.25, (-0.08, 0.04), (0.8, 0.85, 1.1), (0.35, 0.2, 0.12),
                    ((0.85, 1.05), 0.35, 0.6), ((0.57, 0.72), 0.6, 0.4), 0.25),
    "night": Weather(0.04, 0, 0.03, 0.05, (0.5, 1.5), (0.8, 0.9, 1.2), (0, 0, 0),
                     (BLUE, 0.5, 0.04), (BLUE, 0.5, 0.015), 0.04),
}  # fmt: skip


def out_of_doors(stand: Standpoint) -> bool:
    return not stand.lamp and not stand.sun


def draw_sun(random: Random, height: float, yaw: float, low: bool) -> np.ndarray:
    """The unit direction to the sun; low: before a camera that looks along yaw, or beside it."""
    x, z = random.gauss(0, 1), random.gauss(-0.3, 1)
    if low:
        turn = random.gauss(0, 0.3) if random.random() < 0.67 else random.choice((-1, 1)) * random.uniform(0.5, 1.4)
        x, z = math.sin(yaw + turn), math.cos(yaw + turn)
    return np.array((x, height, z)) / math.sqrt(x * x + height * height + z * z)


def draw_clouds(random: Random, white: np.ndarray, low: bool) -> Clouds:
    """Clouds whose lit sides are white; low: the sun is, and more of them are dark before it."""
    cover, chance = random.choice((0.0, random.random(), random.random())), random.random
    if chance() < (0.6 if low else 0.15):
        white = white * random.uniform(0.2, 0.7)
    dark = random.uniform(0.2, 0.8) if chance() < 0.4 else 0.0
    streak = random.uniform(2, 8) if chance() < 0.4 else 1.0
    r, g, b = (float(c) for c in white)
    return Clouds(cover, (r, g, b), dark, streak, float(chance() < 0.4), random.randrange(1 << 20))


def daylight(random: Random, yaw: float) -> tuple[Light, Air]:
    """A sun and a sky, by WEATHER, for a camera that looks along yaw."""
    low = random.random() < LOW
    name = random.choices(list(WEATHER), [row.facing if low else row.often for row in WEATHER.values()])[0]
    row = WEATHER[name]
    sun = draw_sun(random, random.uniform(*row.height), yaw, low)
    gain, shade = math.exp(random.gauss(0, 0.2)), math.exp(random.gauss(0, 0.2))
    cool = np.array((0.92, 1.0, 1.1)) if name == "sunny" else np.ones(3)
    haze, zenith = (
        np.array(draw_colour(random, random.uniform(*hue), (0.7 * s, min(1.0, 1.3 * s)), (0.8 * v, min(1.0, 1.2 * v))))
        for hue, s, v in (row.haze, row.zenith)
    )
    fog = 10 ** random.uniform(-2.6, -1.7) if random.random() < 0.06 else 10 ** (random.uniform(-4.5, -3) + 0.3 * low)
    direct = row.direct * gain * np.array(row.colour)
    light = Light(np.array((sun[0], max(sun[1], 0.03), sun[2])), 0.0, direct, row.ambient * shade * cool)
    glow = np.array(row.glow) * math.exp(random.gauss(0, 0.3))
    clouds = draw_clouds(random, 0.3 * direct + row.cloud * (0.5 + 0.5 * haze / haze.max()), low)
    return light, Air(haze, fog, zenith, random.uniform(1.3, 3.2), sun, glow, clouds)


def brightened(air: Air, gain: float) -> Air:
    """The air of a world that is gain times as bright."""
    haze, zenith, glow = (colour * gain for colour in (air.haze, air.zenith, air.glow))
    r, g, b = (c * gain for c in air.clouds.colour)
    return air._replace(haze=haze, zenith=zenith, glow=glow, clouds=air.clouds._replace(colour=(r, g, b)))


def draw_light(random: Random, stand: Standpoint) -> tuple[Light, Air]:
    """A lamp, or the sun through a window, indoors; a sun or an overcast sky outdoors; and the air.

    Where no window shows the sky, no colour indoors is the sky's.
    """
    light, air = daylight(random, stand.yaw)
    if out_of_doors(stand):
        return light, air
    warm = np.array([1, 0.1, -1]) * random.uniform(-0.1, 0.3)
    low, high = (0.4, 1.1) if stand.bright else (0.2, 0.6)
    direct, ambient = random.uniform(0.2, 0.7), random.uniform(low, high)
    at, power = stand.lamp, random.uniform(1.5, 6)
    if stand.sun:
        at, power, direct = stand.sun, 0.0, random.uniform(0.6, 2.2)
    light = Light(np.array(at, float), power, direct * (1 + warm), ambient * (1 - 0.3 * warm))
    air = air._replace(fog=10 ** random.uniform(-4.5, -3.2))
    if stand.outside:
        air = brightened(air, stand.outside)
        sun = light.at / np.linalg.norm(light.at)
        return light, air._replace(sun=sun) if stand.sun else air._replace(glow=0 * air.glow)
    haze = np.array(draw_colour(random, 0.1, (0, 0.1), (0.2, 0.9)))
    return light, air._replace(haze=haze, zenith=haze, glow=0 * haze, clouds=air.clouds._replace(cover=0.0))


def draw_view(random: Random, stand: Standpoint, aspect: float | None) -> View:
    """A camera at the standpoint, nearly level.

    aspect: width over height of what it sees; None draws one, as photographs of all shapes are squeezed into a square.
    """
    roll = random.gauss(0, 0.2 if random.random() < 0.06 else 0.015)
    (cy, cp, cr), (sy, sp, sr) = ([f(angle) for angle in (stand.yaw, stand.pitch, roll)] for f in (math.cos, math.sin))
    right, up, ahead = np.array([cy, 0, -sy]), np.array([-sy * sp, cp, -cy * sp]), np.array([sy * cp, sp, cy * cp])
    basis = np.array([right * cr + up * sr, up * cr - right * sr, ahead])
    tan_x = math.tan(math.radians(random.uniform(*stand.width)) / 2)
    drawn = random.choice((1.5, 1.5, 1.33, 1.33, 1.78, 1.0, 0.75, 0.67, math.exp(random.uniform(-0.4, 0.8))))
    return View(np.array(stand.position, float), basis, tan_x, tan_x / (aspect or drawn))


def blur(picture: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur of a uint8 picture, radius in pixels."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def meter(random: Random, linear: np.ndarray, depth: np.ndarray, stand: Standpoint) -> float:
    """The brightness that the camera takes for the middle. Before a bright sky it looks at the sky or at the ground."""
    limit = min(1.5, 2 * float(np.median(linear))) if stand.outside else 1.5  # a window does not darken the whole room
    light, far = np.minimum(linear, limit), np.isinf(depth)
    if out_of_doors(stand) and far.any() and not far.all():
        above, below = float(light[far].mean()), float(light[~far].mean())
        if above > 3 * below:
            share = random.uniform(0.1, 1.1)
            return above**share * below ** (1 - share)
    return float(light.mean())


def draw_exposure(random: Random, linear: np.ndarray, depth: np.ndarray, stand: Standpoint) -> np.ndarray:
    """Exposure, white balance, vignette. Bright rooms and skies are overexposed, up to white without any shade."""
    height, width = linear.shape[:2]
    warmth, tint = random.gauss(0.02, 0.08), random.gauss(0, 0.03)
    balance = np.exp(np.array([warmth, tint, -warmth], np.float32))
    exposure = 0.5 * math.exp(random.gauss(0, 0.22) + (random.uniform(0.1, 1.0) if stand.bright else 0))
    metered = meter(random, linear, depth, stand)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - random.choice((0, 0, random.uniform(0.1, 0.5))) * (x * x + y * y) / 2
    return linear * balance * (exposure / (0.1 + metered)) * vignette[..., None].astype(np.float32)


def add_bloom(random: Random, exposed: np.ndarray) -> np.ndarray:
    """Light from blown-out places spills over their borders."""
    spill = (np.clip(exposed - 1, 0, 2) * 127).astype(np.uint8)
    if not spill.any():
        return exposed
    radius = len(exposed) * random.uniform(0.01, 0.08)
    return exposed + blur(spill, radius).astype(np.float32) * (random.uniform(0.1, 0.5) / 127)


def draw_focus(random: Random, exposed: np.ndarray, depth: np.ndarray, stand: Standpoint) -> np.ndarray:
    """Blur what is out of focus, where the photographer chose so."""
    often, widest = stand.blur
    if random.random() > often:
        return exposed
    height, width = depth.shape
    row, column = int(height * random.uniform(0.4, 0.75)), int(width * random.uniform(0.35, 0.65))
    focus = stand.focus or min(float(depth[row, column]), 50.0)
    return defocus(np.minimum(exposed, 4), depth, focus, widest * random.uniform(0.25, 1.3))


def develop(random: Random, exposed: np.ndarray, bright: bool) -> np.ndarray:
    """Linear light -> (H, W, 3) uint8: tone curve, contrast, saturation."""
    toned = np.clip(exposed, 0, None) ** (1 / random.uniform(1.9, 2.3))
    shoulder = random.uniform(0.2, 1.0) if bright else 1.0  # how gently highlights roll off; less is more white
    toned = toned / (1 + shoulder * np.maximum(toned - 0.8, 0))
    toned = (toned - 0.5) * random.uniform(0.95, 1.45) + 0.5 + random.gauss(0, 0.03)
    grey = toned.mean(2, keepdims=True)
    saturation = 0.0 if random.random() < 0.04 else random.uniform(0.75, 1.3)
    return (np.clip(grey + (toned - grey) * saturation, 0, 1) * 255).astype(np.uint8)


def photograph(random: Random, linear: np.ndarray, depth: np.ndarray, stand: Standpoint) -> np.ndarray:
    """linear (H, W, 3) float32, depth (H, W) metres -> (H, W, 3) uint8: light, lens, film, sensor, JPEG."""
    if out_of_doors(stand) and random.random() < BURNT:
        stand = stand._replace(bright=True)
    exposed = draw_exposure(random, linear, depth, stand)
    exposed = draw_focus(random, exposed, depth, stand)
    if random.random() < 0.4:
        exposed = add_bloom(random, exposed)
    picture = develop(random, exposed, stand.bright)
    if random.random() < 0.5:
        picture = blur(picture, random.uniform(0.3, 0.6) if random.random() < 0.85 else random.uniform(0.6, 1.2))
    if random.random() < 0.35:
        rng = np.random.default_rng(random.randrange(1 << 30))
        noisy = picture + rng.standard_normal(picture.shape, np.float32) * random.uniform(1, 5)
        picture = np.clip(noisy, 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        Image.fromarray(picture).save(file := io.BytesIO(), "JPEG", quality=random.randrange(45, 95))
        picture = np.asarray(Image.open(file))
    return picture
