"""Pictures as a network should see them: drawn from the pool where it is, cropped, mirrored, recoloured. (torch)"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import interpolate

from .pool import Pool
from .things import COARSE_OF

MEAN = STD = 0.5  # of pixel values in 0..1
CROP_SHARE, SMALLEST_CROP = 0.7, 0.72
MIRROR_SHARE, CHANNEL_SWAP_SHARE = 0.5, 0.12
GAMMA, EXPOSURE, BALANCE, SATURATION = 0.25, 0.15, 0.06, 0.4  # half widths of uniform distributions


def nearest_pixels(full: int, size: int) -> np.ndarray:
    """Which of `full` pixels lie in the middles of `size` equal parts: (size,). Depths must never be blended."""
    return ((np.arange(size) + 0.5) * full / size).astype(int)


def squeeze(rgb: torch.Tensor, size: int) -> torch.Tensor:
    """rgb (N, H, H, 3) uint8 -> (N, 3, size, size) float32 in 0..1."""
    squares = rgb.permute(0, 3, 1, 2).float() / 255
    same = rgb.shape[1] == size
    return squares if same else interpolate(squares, (size, size), mode="bilinear", antialias=True)


def to_pixels(rgb: torch.Tensor) -> torch.Tensor:
    """rgb (N, 3, H, W) in 0..1 -> pixel_values, channels last in memory."""
    return ((rgb - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def recolour(rgb: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random gamma, exposure, white balance and saturation per picture. rgb: (N, 3, H, W) in 0..1, so is the result"""

    def uniform(half_width: float, channels: int = 1) -> torch.Tensor:
        drawn = rng.uniform(-half_width, half_width, (len(rgb), channels, 1, 1))
        return torch.from_numpy(drawn.astype(np.float32)).to(rgb.device)

    rgb = rgb.clamp(1e-3, 1) ** uniform(GAMMA).exp() * uniform(EXPOSURE).exp() * uniform(BALANCE, 3).exp()
    grey = rgb.mean(1, keepdim=True)
    return (grey + (rgb - grey) * (0.9 + uniform(SATURATION))).clamp(0, 1)


class Batch(NamedTuple):
    """What one step of the training sees."""

    pixels: torch.Tensor  # (N, 3, S, S) float32, as the network takes them
    inverse: torch.Tensor  # (N, S, S) float32, 1/z in 1/m, sky 0
    classes: torch.Tensor  # (N, S, S) int64, index into things.COARSE


def draw_batch(pool: Pool, index: np.ndarray, size: int, rng: np.random.Generator) -> Batch:
    """Augmented pictures `index` (N,) of the pool at size x size, on its device.

    The crop's side is one per batch, its place one per picture. What is drawn depends on rng alone, not on the device.
    """
    count, full = len(index), pool.rgb.shape[1]
    side = int(full * rng.uniform(SMALLEST_CROP, 1.0)) if rng.random() < CROP_SHARE else full
    corner, mirrored = rng.integers(0, full - side + 1, (2, count)), rng.random(count) < MIRROR_SHARE
    order = np.tile(np.arange(3), (count, 1))
    channels = np.where(rng.random((count, 1)) < CHANNEL_SWAP_SHARE, rng.permuted(order, axis=1), order)

    def there(array: np.ndarray) -> torch.Tensor:  # little to send: places and choices, not pixels
        return torch.from_numpy(array).to(pool.device)

    picture, (top, left), straight = there(index), there(corner)[..., None], torch.arange(side, device=pool.device)
    row, column = top + straight, left + torch.where(there(mirrored)[:, None], straight.flip(0), straight)
    rgb = squeeze(pool.rgb[picture[:, None, None], row[:, :, None], column[:, None]], size)
    rgb = rgb[torch.arange(count, device=pool.device)[:, None], there(channels)]
    nearest = there(nearest_pixels(side, size))
    seen = picture[:, None, None], row[:, nearest, None], column[:, None, nearest]
    classes = there(COARSE_OF)[pool.label[seen].long()]
    return Batch(to_pixels(recolour(rgb, rng)), pool.inverse[seen].float(), classes)
