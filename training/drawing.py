"""Pictures of pictures: a rendered landscape as ink, watercolour or wash on paper, with the depth of what it shows.

Where the scene has sky there is bare paper: nothing but the picture's sense tells how far it is.
"""

from random import Random

import numpy as np
from PIL import Image

from .camera import GAMMA, blur
from .things import SKY, draw_colour

STEP = 0.04  # how far, as a share of it, 1 / depth leaves a straight line at an edge; along a plane it is straight


def waves(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise (height, width) in 0..1 with about so many cells down and across."""
    coarse = Image.fromarray((rng.random((cells[0] + 1, cells[1] + 1)) * 255).astype(np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


def smeared(ink: np.ndarray, radius: float) -> np.ndarray:
    """Ink (H, W) 0..1, blurred; radius in pixels."""
    return blur((np.clip(ink, 0, 1) * 255).astype(np.uint8), radius) / np.float32(255)


def outlines(depth: np.ndarray, label: np.ndarray) -> np.ndarray:
    """1 where depth (H, W) jumps or bends, or another class begins, else 0."""
    edge, inverse = np.zeros(depth.shape, np.float32), 1 / np.maximum(depth, 0.1)
    for own, near, kind in ((edge, inverse, label), (edge.T, inverse.T, label.T)):
        bend = np.abs(near[2:] - 2 * near[1:-1] + near[:-2]) > STEP * near[1:-1]
        own[1:-1][bend | (kind[2:] != kind[1:-1])] = 1
    return edge


def creases(grey: np.ndarray) -> np.ndarray:
    """How fast the light changes in grey (H, W) 0..1: the folds of a rock, 0..1."""
    down, across = np.gradient(grey)
    return np.minimum(1.0, 6 * np.hypot(down, across))


def draw_ink(random: Random, rng: np.random.Generator, grey: np.ndarray, depth: np.ndarray, label: np.ndarray):
    """Washes and lines over a scene of brightness grey (H, W) 0..1 -> how much ink lies there, (H, W) 0..1."""
    uniform, (height, width), land = random.uniform, depth.shape, label != SKY
    # few tones with ragged borders, and a dry brush
    low, high = np.percentile(grey[land], (2, 98))
    dark, tones = np.clip((high - grey) / max(0.05, high - low), 0, 1), random.randrange(2, 6)
    ragged = waves(rng, height, width, (height // 3, width // 3)) - 0.5
    dark = np.floor(dark * tones + uniform(0.1, 0.9) * ragged + 0.5) / tones
    dark = dark * (1 - uniform(0, 0.9) * waves(rng, height, width, (height // 12, width // 2)))
    # what is far fades into the paper, and mist lies in bands
    reach = float(np.median(depth[land])) * 10 ** uniform(0.1, 1.5)
    mist = np.clip(waves(rng, height, width, (random.randrange(2, 6), 2)) * 2 - uniform(0.2, 1.0), 0, 1)
    clear = np.exp(-np.minimum(depth, 1e6) / reach) * (1 - uniform(0, 0.9) * mist)
    wash = smeared(uniform(0.25, 0.75) * dark * clear * land, uniform(0.2, 1.0))
    # broken lines; a ridge is drawn when its slope is paper already
    line = smeared(np.maximum(outlines(depth, label), uniform(0.2, 0.9) * creases(grey) * land), uniform(0.3, 0.8))
    strokes = waves(rng, height, width, (height // 2, width // 5)) * waves(rng, height, width, (8, 8))
    line = line * np.clip(strokes * 4, 0.3, 1) * np.exp(-np.where(land, depth, 0) / (3 * reach))
    ink = wash + uniform(0.3, 1.0) * line * np.where(land, 0.3 + 0.7 * clear, 1)
    return np.minimum(1.0, ink * (uniform(0.3, 1.0) / max(0.2, float(np.percentile(ink, 98)))))


def draw_paper(random: Random, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Paper, silk or a wall's plaster, (height, width, 3) about 0..1."""
    sheet = np.array(draw_colour(random, 0.1, (0.02, 0.55), (0.35, 1.0)), np.float32) ** (1 / GAMMA)
    uneven = waves(rng, height, width, (4, 4)) - 0.5 + 0.5 * (waves(rng, height, width, (height // 2, 6)) - 0.5)
    return sheet * (1 + random.uniform(0.02, 0.16) * uneven[..., None])


def draw(random: Random, rgb: np.ndarray, depth: np.ndarray, label: np.ndarray) -> np.ndarray:
    """rgb (H, W, 3) uint8, depth (H, W) metres, label (H, W) -> the same scene on paper, (H, W, 3) uint8."""
    if (label == SKY).all():
        return rgb
    (height, width), rng = depth.shape, np.random.default_rng(random.randrange(1 << 30))
    ink = draw_ink(random, rng, rgb.mean(2, dtype=np.float32) / 255, depth, label)
    paper = draw_paper(random, rng, height, width)
    paint = np.array(draw_colour(random, None, (0, 0.5), (0.0, 0.12)), np.float32)
    if random.random() < 0.4:  # the things' own colours
        paint = paint + random.uniform(0.5, 0.9) * (blur(rgb, random.uniform(0.5, 1.5)) / 255 - paint)
        if random.random() < 0.5:  # and a wash from above for the sky
            fall = np.clip(1 - np.linspace(0, random.uniform(1, 3), height), 0, 1)[:, None]
            ink = np.maximum(ink, random.uniform(0.1, 0.7) * fall * (label == SKY))
    picture = paper + ink[..., None] * (paint - paper)
    grain = rng.standard_normal((height, width, 1), np.float32) * random.uniform(0.003, 0.03)
    return (np.clip(picture + grain, 0, 1) * 255).astype(np.uint8)
