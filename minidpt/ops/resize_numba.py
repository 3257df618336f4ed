"""The maths is in resize.py. Here each output pixel is made from its four neighbours at once, rows in parallel: 6x.

A linear layer may come before the resizing, as the four shares of a pixel sum to one: on the small map it is a quarter
of the work.
"""

import numpy as np
from numba import prange

from . import resize
from .buffers import POOL
from .compiling_numba import compiled
from .pointwise_numba import linear
from .product_numba import Panels
from .vector_math_numba import MAP


def resize_bilinear(
    x: np.ndarray, size: tuple[int, int] | None = None, *, scale: float | None = None, align_corners: bool
) -> np.ndarray:
    height, width = resize.target_size(x, size, scale)
    if (height, width) == x.shape[1:3]:
        return x
    rows, columns = neighbours((height, width), x.shape[1:3], align_corners)
    y = POOL.empty((len(x), height, width, x.shape[3]))
    _bilinear(np.ascontiguousarray(x), *rows, *columns, y)
    return y


def neighbours(size: tuple[int, ...], small: tuple[int, ...], align_corners: bool) -> list[tuple[np.ndarray, ...]]:
    """`resize.neighbours` of rows and of columns, shares in float32, as kernels take them."""
    sides = [resize.neighbours(n_out, n_in, align_corners) for n_out, n_in in zip(size, small, strict=True)]
    return [(low, high, share.astype(np.float32)) for low, high, share in sides]


def resized_linear(
    x: np.ndarray,
    weight: Panels,
    bias: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    align_corners: bool,
) -> np.ndarray:
    height, width = resize.target_size(x, size, scale)
    if height * width < x.shape[1] * x.shape[2]:
        return linear(resize_bilinear(x, (height, width), align_corners=align_corners), weight, bias)
    return resize_bilinear(linear(x, weight, bias), (height, width), align_corners=align_corners)


@compiled(parallel=True, fastmath=MAP)
def _bilinear(x, low, high, share, left, right, part, y):
    """x: (N, H, W, C)   low, high, share: for each output row, (H',)   left, right, part: for each column, (W',)"""
    n_pictures, channels = x.shape[0], x.shape[3]
    height, width = len(low), len(left)
    for i in prange(n_pictures * height):
        n, row = i // height, i % height
        above, below, down = x[n, low[row]], x[n, high[row]], share[row]
        up = np.float32(1.0) - down
        for column in range(width):
            a, b = above[left[column]], above[right[column]]
            c, d = below[left[column]], below[right[column]]
            right_share = part[column]
            left_share = np.float32(1.0) - right_share
            out = y[n, row, column]
            for k in range(channels):
                out[k] = (a[k] * left_share + b[k] * right_share) * up + (c[k] * left_share + d[k] * right_share) * down
