"""Attention within windows of a map, of which every second block takes those between the others.

A map is cut into windows and every window is a short sequence of its own: the work grows with the picture, not with
its square. Windows that move by half their side let neighbouring windows meet.   [Swin §3.2]
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops
from ..ops import layout
from ..recording import note

Array = Any
MASKED = -100.0  # what the mask adds to the score of two pixels that are no neighbours   [Swin], [transformers]


@dataclass(frozen=True)
class Windows:
    """How the attention of one block sees its map.

    side, shift: of the windows, in pixels   bias: (A, 2 side - 1, 2 side - 1), a score for every offset
    mask: (W, T, T) for the W windows of a shifted map, T = side side   scale: (A,), of cosine attention only
    """

    num_heads: int
    side: int
    bias: Array
    shift: int = 0
    mask: Array = None
    scale: Array = None


def window_attention(x: Array, p: dict, windows: Windows, *, name: str) -> Array:
    """Every pixel asks those in its window.   x: (N, H, W, C) -> (N, H, W, C)   [Swin §3.2]

    Shifted windows are windows of the shifted map; what comes in at the far border is masked from what was there.
    """
    size, side, shift = ops.map_size(x), windows.side, windows.shift
    bottom, right = -size[0] % side, -size[1] % side
    if bottom or right:
        x = ops.pad_map(x, bottom, right)
    if shift:
        x = ops.roll_map(x, -shift, -shift)
    mixed = self_attention(ops.windows(x, (side, side)), p, windows, name=name)
    x = ops.from_windows(mixed, (side, side), (size[0] + bottom, size[1] + right))
    if shift:
        x = ops.roll_map(x, shift, shift)
    return ops.crop_map(x, size) if bottom or right else x


def self_attention(x: Array, p: dict, windows: Windows, *, name: str) -> Array:
    """softmax(scale query key^T + bias + mask) value in every window.   x: (N W, T, C) -> (N W, T, C)   [Swin eq. 4]

    With a scale it is cosine attention: queries and keys have length one.   [Swin V2 eq. 2]
    """
    projected = {part: note(f"{name}.{part}", ops.linear(x, **p[part])) for part in ("query", "key", "value")}
    query, key, value = (ops.split_heads(part, windows.num_heads) for part in projected.values())
    if windows.scale is not None:
        query, key = ops.unit_length(query), ops.unit_length(key)
    bias = ops.relative_bias(windows.bias, (windows.side, windows.side))
    how = {"scale": windows.scale, "bias": bias, "mask": windows.mask}
    note(f"{name}.weights", lambda: ops.attention_weights(query, key, **how))
    mixed = ops.merge_heads(ops.attend(query, key, value, **how))
    return note(name, ops.linear(mixed, **p["out"]))


def shift_mask(size: tuple[int, int], side: int, shift: int, masked: float = MASKED) -> np.ndarray:
    """What to add to the scores in the windows of a map that was rolled up and left by `shift`.

    0 for two pixels that were in one window or neighbouring ones before, `masked` for two from opposite borders.
    size = (H, W), multiples of side -> (W, T, T) with W windows of T = side side pixels   [Swin fig. 4]
    """
    rows, columns = (
        (np.arange(n) >= n - side).astype(np.int64) + (np.arange(n) >= n - shift) for n in size
    )  # 0: whole windows, 1: the last window's own pixels, 2: those from the other border
    region = (3 * rows[:, None] + columns)[None, :, :, None]
    region = layout.windows(region, (side, side))
    return np.where(region == region.swapaxes(1, 2), np.float32(0), np.float32(masked))
