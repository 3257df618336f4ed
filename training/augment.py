"""Pictures drawn from the memory maps, as a network should see them: cropped, mirrored, recoloured. (torch)"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import interpolate

from .dataset import Maps
from .things import COARSE_OF

MEAN = STD = 0.5  # of pixel values in 0..1
CROP_SHARE, SMALLEST_CROP = 0.7, 0.72
MIRROR_SHARE, CHANNEL_SWAP_SHARE = 0.5, 0.12
GAMMA, EXPOSURE, BALANCE, SATURATION = 0.25, 0.15, 0.06, 0.4  # half widths of uniform distributions


def nearest_pixels(full: int, size: int) -> np.ndarray:
    """Which of `full` pixels lie in the middles of `size` equal parts: (size,). Depths must never be blended."""
    return ((np.arange(size) + 0.5) * full / size).astype(int)


def squeeze(rgb: np.ndarray, size: int) -> torch.Tensor:
    """rgb (N, H, H, 3) uint8 -> (N, 3, size, size) float32 in 0..1."""
    squares = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    same = rgb.shape[1] == size
    return squares if same else interpolate(squares, (size, size), mode="bilinear", antialias=True)


def to_pixels(rgb: torch.Tensor) -> torch.Tensor:
    """rgb (N, 3, H, W) in 0..1 -> pixel_values, channels last in memory."""
    return ((rgb - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def recolour(rgb: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random gamma, exposure, white balance and saturation per picture. rgb: (N, 3, H, W) in 0..1, so is the result"""

    def uniform(half_width: float, channels: int = 1) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(-half_width, half_width, (len(rgb), channels, 1, 1)).astype(np.float32))

    rgb = rgb.clamp(1e-3, 1) ** uniform(GAMMA).exp() * uniform(EXPOSURE).exp() * uniform(BALANCE, 3).exp()
    grey = rgb.mean(1, keepdim=True)
    return (grey + (rgb - grey) * (0.9 + uniform(SATURATION))).clamp(0, 1)


class Batch(NamedTuple):
    """What one step of the training sees."""

    pixels: torch.Tensor  # (N, 3, S, S) float32, as the network takes them
    inverse: torch.Tensor  # (N, S, S) float32, 1/z in 1/m, sky 0
    classes: torch.Tensor  # (N, S, S) int64, index into things.COARSE


def draw_batch(maps: Maps, index: np.ndarray, size: int, rng: np.random.Generator) -> Batch:
    """Augmented pictures `index` (N,) of the maps at size x size.

    The crop's side is one per batch, its place one per picture.
    """
    full = maps.rgb.shape[1]
    side = int(full * rng.uniform(SMALLEST_CROP, 1.0)) if rng.random() < CROP_SHARE else full
    nearest = nearest_pixels(side, size)
    pictures, inverses, labels = [], [], []
    for i in index:
        top, left = rng.integers(0, full - side + 1, 2)
        columns = nearest[::-1] if (mirrored := rng.random() < MIRROR_SHARE) else nearest
        picture = maps.rgb[i, top : top + side, left : left + side]
        if mirrored:
            picture = picture[:, ::-1]
        if rng.random() < CHANNEL_SWAP_SHARE:
            picture = picture[..., rng.permutation(3)]
        pictures.append(picture)
        seen = np.ix_(top + nearest, left + columns)
        inverses.append(maps.inverse[i][seen])
        labels.append(maps.label[i][seen])
    pixels = to_pixels(recolour(squeeze(np.stack(pictures), size), rng))
    inverse, classes = torch.from_numpy(np.stack(inverses)).float(), torch.from_numpy(COARSE_OF[np.stack(labels)])
    return Batch(pixels, inverse, classes)
