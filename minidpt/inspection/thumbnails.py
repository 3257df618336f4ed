"""What stands in a stage's array, as a small picture: three main directions of the channels as red, green and blue."""

import numpy as np
from PIL import Image

from ..components import as_colors, principal_components
from ..render import colorize, label_colors

SIDE = 160  # a larger map is shown by every n-th of its pixels

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
    many = channels.shape[-1] > 2
    components = principal_components(channels)[0] if many else channels[..., :1].repeat(3, axis=-1)
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
