"""The maths is in conv.py. Here a convolution is the product of product_cuda.py, whose x is gathered from the map while
it is read; a transposed one is a plain product, whose tiles each output pixel then collects. In pooling a thread makes
one number after another.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import conv, cublas_cuda
from .conv import Padding, output_size, padding_pairs
from .cublas_cuda import Matrix, Pointwise
from .device_cuda import DeviceArray, absent, cuda, empty, kernel, launch, upload
from .layout_cuda import every_other
from .pointwise_cuda import activate
from .product_cuda import Weight, gathered_product, linear, weight_of
from .resize_cuda import resize_bilinear

ZERO = np.float32(0)


def conv2d(
    x: DeviceArray,
    weight: Weight | Pointwise,
    bias: DeviceArray | None = None,
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pre_activation: str | None = None,
    activation: str | None = None,
    residual: DeviceArray | None = None,
) -> DeviceArray:
    (n, height, width, channels), (out, inner, r, s) = x.shape, weight.shape
    if channels != inner * groups or out % groups:
        split = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(f"conv2d: x {x.shape} does not have the channels of weight {weight.shape}{split}")
    (top, _), (left, _) = padding_pairs(padding)
    if isinstance(weight, Pointwise):
        if groups == 1 and not np.any(padding_pairs(padding)):
            x = activate(x, pre_activation)
            x = x if stride == 1 else every_other(x, stride)
            return linear(x, weight, bias, activation=activation, residual=residual)
        weight = weight.own
    size = output_size((height, width), (r, s), stride, padding, dilation)
    if pre_activation not in (None, "relu"):
        x, pre_activation = activate(x, pre_activation), None
    y = gathered_product(
        x.reshape(-1, channels),
        weight,
        n * size[0] * size[1],
        (height, width, *size, s, stride, top, left, dilation),
        groups=groups,
        relu=pre_activation == "relu",
        bias=bias,
        activation=activation,
        residual=residual,
    )
    return y.reshape(n, *size, out)


def resized_conv2d(
    x: DeviceArray,
    weight: Weight | Pointwise,
    bias: DeviceArray | None = None,
    size: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    align_corners: bool,
    padding: Padding = 0,
    activation: str | None = None,
) -> DeviceArray:
    larger = resize_bilinear(x, size, scale=scale, align_corners=align_corners)
    return conv2d(larger, weight, bias, padding=padding, activation=activation)


@dataclass(frozen=True)
class TransposedWeight:
    """A transposed convolution's weight.   shape: (C, O, R, S)   rows: (R S O, C)"""

    shape: tuple[int, ...]
    rows: Weight | Matrix


def conv_transpose2d(
    x: DeviceArray,
    weight: TransposedWeight,
    bias: DeviceArray | None = None,
    *,
    stride: int | None = None,
    padding: int = 0,
    output_padding: int = 0,
) -> DeviceArray:
    (n, h, w, c), (channels, out, r, s) = x.shape, weight.shape
    if c != channels:
        raise ValueError(f"conv_transpose2d: x {x.shape} does not have the {channels} channels of its weight")
    down, across = (r, s) if stride is None else (stride, stride)
    tiles = weight.rows.multiply(x.reshape(-1, c))
    height, width = (
        (side - 1) * step - 2 * padding + k + output_padding for side, step, k in ((h, down, r), (w, across, s))
    )
    y = empty((n, height, width, out))
    biases = absent(1) if bias is None else bias
    launch(_collect, y.size, tiles.reshape(n, h, w, r * s, out), biases, (r, s, down, across, padding), y)
    return y


@kernel("float32[:,:,:,:,::1], float32[::1], UniTuple(int64, 5), float32[:,:,:,::1]")
def _collect(tiles, bias, where, y):
    """y[n, h, w, o] = the sum of all tiles' numbers that lie there, + bias[o]"""
    r, s, down, across, padding = where
    pictures, height, width, channels = y.shape
    for i in range(cuda.grid(1), pictures * height * width * channels, cuda.gridsize(1)):
        pixel, o = i // channels, i % channels
        line, column = pixel // width, pixel % width
        n, line = line // height, line % height
        total = ZERO
        for a in range((line + padding) % down, r, down):
            for b in range((column + padding) % across, s, across):
                tile_line, tile_column = (line + padding - a) // down, (column + padding - b) // across
                if 0 <= tile_line < tiles.shape[1] and 0 <= tile_column < tiles.shape[2]:
                    total += tiles[n, tile_line, tile_column, a * s + b, o]
        y[n, line, column, o] = total + bias[o] if bias.shape[0] else total


def max_pool2d(x: DeviceArray, kernel_size: int, *, stride: int, padding: Padding = 0) -> DeviceArray:
    (top, _), (left, _) = padding_pairs(padding)
    size = output_size(x.shape[1:3], (kernel_size, kernel_size), stride, padding)
    y = empty((len(x), *size, x.shape[3]))
    launch(_max_pool, y.size, x, kernel_size, stride, (top, left), y)
    return y


@kernel("float32[:,:,:,::1], int64, int64, UniTuple(int64, 2), float32[:,:,:,::1]")
def _max_pool(x, kernel_size, stride, corner, y):
    pictures, height, width, channels = y.shape
    for i in range(cuda.grid(1), pictures * height * width * channels, cuda.gridsize(1)):
        pixel, c = i // channels, i % channels
        line, column = pixel // width, pixel % width
        n, line = line // height, line % height
        largest = np.float32(-np.inf)
        for r in range(kernel_size):
            for s in range(kernel_size):
                h, w = line * stride + r - corner[0], column * stride + s - corner[1]
                inside = 0 <= h < x.shape[1] and 0 <= w < x.shape[2]
                v = x[n, h, w, c] if inside else ZERO
                largest = v if v > largest or v != v else largest  # NaN comes in, and stays
        y[n, line, column, c] = largest


def avg_pool2d(x: DeviceArray, kernel_size: int) -> DeviceArray:
    n, h, w, c = x.shape
    y = empty((n, -(-h // kernel_size), -(-w // kernel_size), c))
    launch(_mean_of_square, y.size, x, kernel_size, y)
    return y


@kernel("float32[:,:,:,::1], int64, float32[:,:,:,::1]")
def _mean_of_square(x, side, y):
    pictures, height, width, channels = y.shape
    for i in range(cuda.grid(1), pictures * height * width * channels, cuda.gridsize(1)):
        pixel, c = i // channels, i % channels
        line, column = pixel // width, pixel % width
        n, line = line // height, line % height
        bottom, right = min((line + 1) * side, x.shape[1]), min((column + 1) * side, x.shape[2])
        total = ZERO
        for h in range(line * side, bottom):
            for w in range(column * side, right):
                total += x[n, h, w, c]
        y[n, line, column, c] = total / np.float32((bottom - line * side) * (right - column * side))


def avg_pool_tokens(x: DeviceArray, length: int) -> DeviceArray:
    n, t, d = x.shape
    if t < length:
        raise ValueError(f"avg_pool_tokens: {t} tokens are fewer than a run of {length}")
    y = empty((n, t // length, d))
    launch(_mean_of_run, y.size, x, length, y)
    return y


@kernel("float32[:,:,::1], int64, float32[:,:,::1]")
def _mean_of_run(x, length, y):
    sequences, runs, channels = y.shape
    for i in range(cuda.grid(1), sequences * runs * channels, cuda.gridsize(1)):
        d, run = i % channels, i // channels
        n, run = run // runs, run % runs
        total = ZERO
        for t in range(run * length, (run + 1) * length):
            total += x[n, t, d]
        y[n, run, d] = total / np.float32(length)


def prepare(kind: str, weight: np.ndarray, library: str | None = None) -> Any:
    """What the ops of this column take, on the card: weights laid out for products, float32 for the rest.

    library: the precision at which NVIDIA's makes the products, None where our own kernels do
    """
    laid = weight_of if library is None else partial(cublas_cuda.weight_of, precision=library)
    weight = np.ascontiguousarray(weight, dtype=np.float32)
    if kind == "conv_transpose":
        rows = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
        return TransposedWeight(weight.shape, laid(rows))
    if kind == "standardized_conv":
        weight = conv.standardize_weight(weight)
    return laid(weight) if kind in ("linear", "conv", "standardized_conv") else upload(weight)
