"""What stands in a stage's array, as a small picture: three main directions of the channels as red, green and blue."""

import numpy as np
from PIL import Image

from ..render import colorize, label_colors

SIDE = 160  # a larger map is shown by every n-th of its pixels
SHOWN = (1, 99)  # percentiles of a direction that get no colour and full colour

COLORS = (
    "Each picture shows the three directions in which a stage's channels vary most (principal components), as red, "
    "green and blue, every stage for itself: equal colours in two stages mean nothing. One channel alone is grey, "
    "bright where it is large."
)
DEPTH_COLORS = "The depth is in the colours of inferno: bright is near."
LABEL_COLORS = "The scores are shown as the likeliest class of every pixel, each class in its colour."


def thumbnail(name: str, x: np.ndarray, grid: tuple[int, int], kind: str) -> np.ndarray:
    """A stage as a picture.   x: (N, H, W, C), depth (N, H, W), or tokens (N, T, C), the last ones on `grid` = (H, W)

    kind: of depth.   -> (h, w, 3) uint8 of the first of the batch, at most SIDE pixels a side
    """
    if name == "predicted_depth":
        return colorize(thinned(x[0]), kind=kind)
    channels = thinned(x[0] if x.ndim == 4 else x[0, x.shape[1] - grid[0] * grid[1] :].reshape(*grid, -1))
    if name == "logits":
        return label_colors(channels.argmax(axis=-1))
    components = principal_components(channels) if channels.shape[-1] > 2 else channels[..., :1].repeat(3, axis=-1)
    return np.rint(as_colors(components) * 255).astype(np.uint8)


def photo_thumbnail(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The photo in the shape in which the network sees it.   (H, W, 3) uint8, size = (H', W')"""
    shrink = max(1, max(size) / SIDE)
    height, width = (max(1, round(n / shrink)) for n in size)
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC))


def thinned(x: np.ndarray) -> np.ndarray:
    """Every n-th pixel of every n-th row, the smallest n that leaves at most SIDE a side.   (H, W, ...)"""
    step = -(-max(x.shape[:2]) // SIDE)
    return x[step // 2 :: step, step // 2 :: step]


def principal_components(x: np.ndarray) -> np.ndarray:
    """Coordinates along the three directions of most variance.   (h, w, C), C > 2 -> (h, w, 3) float64

    y = (x - mean) V. A direction's sign is arbitrary: here its largest entry is positive.
    """
    vectors = x.reshape(-1, x.shape[-1]).astype(np.float64)
    vectors -= vectors.mean(axis=0)
    if len(vectors) < vectors.shape[1]:  # the smaller of two matrices that have the same eigenvalues
        directions = vectors.T @ np.linalg.eigh(vectors @ vectors.T)[1][:, :-4:-1]
        directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(np.float64).tiny)
    else:
        directions = np.linalg.eigh(vectors.T @ vectors)[1][:, :-4:-1]
    components = np.zeros((len(vectors), 3))
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    components[:, : directions.shape[1]] = vectors @ (directions * np.where(largest < 0, -1, 1))
    return components.reshape(*x.shape[:2], 3)


def as_colors(components: np.ndarray) -> np.ndarray:
    """Each component from its 1st to its 99th percentile; one that is constant is half bright.   (h, w, 3) -> 0 to 1"""
    low, high = np.percentile(components, SHOWN, axis=(0, 1))
    spread = np.where(high > low, high - low, 1)
    return np.where(high > low, np.clip((components - low) / spread, 0, 1), 0.5)
