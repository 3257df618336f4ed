"""The maths is in resize.py. Here each output pixel is made from its four neighbours at once. Where they are, and what
they share, are quotients of whole numbers: exact without float64, and without tables that would have to be uploaded.

A linear layer may come before the resizing, as the four shares of a pixel sum to one: on the small map it is a quarter
of the work.
"""

import numpy as np

from .device_cuda import DeviceArray, cuda, device_function, empty, kernel, launch
from .product_cuda import Multiplier, linear
from .resize import target_size

ONE = np.float32(1)


def resize_bilinear(
    x: DeviceArray, size: tuple[int, int] | None = None, *, scale: float | None = None, align_corners: bool
) -> DeviceArray:
    height, width = target_size(x, size, scale)
    if (height, width) == x.shape[1:3]:
        return x
    y = empty((len(x), height, width, x.shape[3]))
    launch(_bilinear, y.size, x, align_corners, y)
    return y


def resized_linear(
    x: DeviceArray,
    weight: Multiplier,
    bias: DeviceArray | None = None,
    size: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    align_corners: bool,
) -> DeviceArray:
    height, width = target_size(x, size, scale)
    if height * width < x.shape[1] * x.shape[2]:
        return linear(resize_bilinear(x, (height, width), align_corners=align_corners), weight, bias)
    return resize_bilinear(linear(x, weight, bias), (height, width), align_corners=align_corners)


@device_function
def neighbours(i, n_out, n_in, align_corners):
    """As resize.neighbours, for output position i alone: the source position is a whole number over another one."""
    over = n_out - 1 if align_corners else 2 * n_out
    position = i * (n_in - 1) if align_corners else (2 * i + 1) * n_in - n_out
    position = max(position, 0)
    over = max(over, 1)  # one pixel out, corners aligned: the first
    low = min(position // over, n_in - 1)
    share = np.float32(position - low * over) / np.float32(over)
    return low, min(low + 1, n_in - 1), share


@kernel("float32[:,:,:,::1], int64, float32[:,:,:,::1]")
def _bilinear(x, align_corners, y):
    _, height, width, channels = y.shape
    for i in range(cuda.grid(1), len(y) * height * width * channels, cuda.gridsize(1)):
        pixel, c = i // channels, i % channels
        row, column = pixel // width, pixel % width
        n, row = row // height, row % height
        above, below, down = neighbours(row, height, x.shape[1], align_corners)
        left, right, across = neighbours(column, width, x.shape[2], align_corners)
        up, back = ONE - down, ONE - across
        upper = x[n, above, left, c] * back + x[n, above, right, c] * across
        lower = x[n, below, left, c] * back + x[n, below, right, c] * across
        y[n, row, column, c] = upper * up + lower * down
