"""Light, point of view, and what a cheap camera makes of a linear picture."""

import io
import math
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from .families import Standpoint
from .light import Air, Light
from .raycast import View
from .things import draw_colour


def draw_light(random: Random, stand: Standpoint) -> tuple[Light, Air]:
    """A lamp indoors, a sun or an overcast sky outdoors, and the air. Indoors no colour is the sky's."""
    warm = np.array([1, 0, -1]) * random.uniform(-0.15, 0.25)
    if stand.lamp:
        low, high = (0.35, 1.2) if stand.bright else (0.15, 0.55)
        direct, ambient = random.uniform(0.2, 0.7), random.uniform(low, high)
        at, power = stand.lamp, random.uniform(1.5, 6)
        haze = zenith = draw_colour(random, 0.1, (0, 0.1), (0.2, 0.9))
        fog, clouds = 10 ** random.uniform(-4, -2.7), 0.0
    else:
        at, power = (random.gauss(0, 1), random.uniform(0.3, 2), random.gauss(-0.3, 1)), 0.0
        direct, ambient = random.choice(((0.75, 0.35), (0.75, 0.35), (0.2, 0.6)))
        direct, ambient = direct * random.uniform(0.6, 1.4), ambient * random.uniform(0.6, 1.4)
        haze = draw_colour(random, random.choice((0.58, 0.6, 0.1)), (0, 0.35), (0.55, 1))
        zenith = draw_colour(random, 0.6, random.choice(((0.1, 0.75), (0, 0.1))), (0.4, 1))
        fog, clouds = 10 ** random.uniform(-4, -1.7), random.choice((0.0, random.random()))
    light = Light(np.array(at, float), power, direct * (1 + warm), ambient * (1 - warm))
    return light, Air(np.array(haze), fog, np.array(zenith), clouds, random.randrange(1 << 20))


def draw_view(random: Random, stand: Standpoint, aspect: float | None) -> View:
    """A camera at the standpoint, 40 to 90 degrees wide.

    aspect: width over height of what it sees; None draws one, as photographs of all shapes are squeezed into a square.
    """
    roll = random.gauss(0, 0.25 if random.random() < 0.15 else 0.03)
    pitch = stand.pitch - (random.uniform(0.3, 0.9) if random.random() < 0.06 else 0)
    (cy, cp, cr), (sy, sp, sr) = ([f(angle) for angle in (stand.yaw, pitch, roll)] for f in (math.cos, math.sin))
    right, up, ahead = np.array([cy, 0, -sy]), np.array([-sy * sp, cp, -cy * sp]), np.array([sy * cp, sp, cy * cp])
    basis = np.array([right * cr + up * sr, up * cr - right * sr, ahead])
    tan_x = math.tan(math.radians(random.uniform(40, 90)) / 2)
    wide = random.random() < 0.15
    drawn = math.exp(random.uniform(0.4, 1.1) if wide else random.uniform(-0.35, 0.5))
    return View(np.array(stand.position, float), basis, tan_x, tan_x / (aspect or drawn))


def blur(picture: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur of a uint8 picture, radius in pixels."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def draw_exposure(random: Random, linear: np.ndarray, bright: bool) -> np.ndarray:
    """Exposure, white balance, vignette. Bright rooms are overexposed, up to white walls without any shade."""
    height, width = linear.shape[:2]
    balance = np.array([math.exp(random.gauss(0, 0.08)) for _ in range(3)], np.float32)
    exposure = 0.75 * math.exp(random.gauss(0, 0.25) + (random.uniform(0, 0.9) if bright else 0))
    metered = np.minimum(linear, 1.5).mean()  # a window does not darken the whole room
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - random.choice((0, 0, random.uniform(0.1, 0.4))) * (x * x + y * y) / 2
    return linear * balance * (exposure / (0.25 + metered)) * vignette[..., None].astype(np.float32)


def add_bloom(random: Random, exposed: np.ndarray) -> np.ndarray:
    """Light from blown-out places spills over their borders."""
    spill = (np.clip(exposed - 1, 0, 2) * 127).astype(np.uint8)
    if not spill.any():
        return exposed
    radius = len(exposed) * random.uniform(0.01, 0.08)
    return exposed + blur(spill, radius).astype(np.float32) * (random.uniform(0.1, 0.6) / 127)


def defocus(random: Random, picture: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """A shallow focus somewhere near the middle: blur grows with the distance in 1/z."""
    height, width = depth.shape
    inverse = 1 / np.clip(depth, 0.05, 1e4)
    focus = inverse[int(height * random.uniform(0.3, 0.8)), int(width * random.uniform(0.3, 0.7))]
    soft = np.clip(abs(inverse / focus - 1) * random.uniform(0.8, 2.5), 0, 1)[..., None]
    return (picture * (1 - soft) + blur(picture, random.uniform(1.5, 4) * height / 192) * soft).astype(np.uint8)


def photograph(random: Random, linear: np.ndarray, depth: np.ndarray, bright: bool) -> np.ndarray:
    """linear (H, W, 3) float32, depth (H, W) metres -> (H, W, 3) uint8: light, tone curve, lens, sensor, JPEG."""
    exposed = draw_exposure(random, linear, bright)
    if random.random() < 0.4:
        exposed = add_bloom(random, exposed)
    toned = np.clip(exposed, 0, None) ** (1 / random.uniform(1.6, 2.3))
    shoulder = random.uniform(0.2, 1.0) if bright else 1.0  # how gently highlights roll off; less is more white
    toned = (toned / (1 + shoulder * np.maximum(toned - 0.8, 0)) - 0.45) * random.uniform(0.75, 1.35) + 0.45
    picture = (np.clip(toned, 0, 1) * 255).astype(np.uint8)
    if random.random() < 0.15:
        picture = defocus(random, picture, depth)
    picture = blur(picture, random.uniform(0.4, 0.8) if random.random() < 0.85 else random.uniform(0.8, 1.8))
    noisy = picture.astype(np.float32)
    if random.random() < 0.12:
        noisy[:] = noisy.mean(2, keepdims=True)
    rng = np.random.default_rng(random.randrange(1 << 30))
    noisy += rng.standard_normal(noisy.shape, np.float32) * random.choice((0, random.uniform(1, 9)))
    picture = np.clip(noisy, 0, 255).astype(np.uint8)
    if random.random() < 0.6:
        Image.fromarray(picture).save(file := io.BytesIO(), "JPEG", quality=random.randrange(35, 95))
        picture = np.asarray(Image.open(file))
    return picture
