"""Resizing of channels-last maps: bilinear and bicubic, with both meanings of the corner.

Every resize here is separable and linear, so it is two small matrices: one that mixes rows, one that mixes columns.
Row i of such a matrix holds the weights with which the input positions contribute to output position i.
"""

import math
from typing import Any

import numpy as np

from .pointwise import linear

CUBIC_A = -0.75  # the sharpness of torch's bicubic kernel (Pillow's is -0.5)


def _source_positions(n_out: int, n_in: int, align_corners: bool) -> np.ndarray:
    """Where each output position lies on the input axis, in input pixels (float64)."""
    i = np.arange(n_out, dtype=np.float64)
    if align_corners:  # first and last pixel centres coincide
        return i * ((n_in - 1) / (n_out - 1)) if n_out > 1 else i * 0.0
    return (i + 0.5) * (n_in / n_out) - 0.5  # the pixels' outer edges coincide


def neighbours(n_out: int, n_in: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each output position the input pixels below and above it, and its distance from the lower, 0 to 1.

    -> low, high (n_out,) int64 and share (n_out,) float64: the value there is (1 - share) x[low] + share x[high]
    """
    position = np.clip(_source_positions(n_out, n_in, align_corners), 0, n_in - 1)
    low = np.floor(position).astype(np.int64)
    return low, np.minimum(low + 1, n_in - 1), position - low


def bilinear_matrix(n_out: int, n_in: int, align_corners: bool) -> np.ndarray:
    """Weights of linear interpolation along one axis.   -> (n_out, n_in) float64, rows sum to 1"""
    low, high, share = neighbours(n_out, n_in, align_corners)
    rows = np.arange(n_out)
    matrix = np.zeros((n_out, n_in))
    matrix[rows, low] = 1 - share
    matrix[rows, high] += share  # += : at the border low and high are the same pixel
    return matrix


def bicubic_matrix(n_out: int, n_in: int, align_corners: bool) -> np.ndarray:
    """Weights of cubic convolution (a = -0.75, no antialiasing) along one axis.   -> (n_out, n_in) float64

    The four taps are clamped to the border; the position itself is not, as in torch.
    """
    a = CUBIC_A
    position = _source_positions(n_out, n_in, align_corners)
    low = np.floor(position).astype(np.int64)
    rows = np.arange(n_out)
    matrix = np.zeros((n_out, n_in))
    for tap in (-1, 0, 1, 2):
        d = np.abs(position - (low + tap))
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        np.add.at(matrix, (rows, np.clip(low + tap, 0, n_in - 1)), np.where(d <= 1, near, far))
    return matrix


def antialiased_cubic_matrix(n_out: int, n_in: int) -> np.ndarray:
    """Weights of a cubic kernel (a = -0.5) that widens when the axis shrinks; cut off at the border, they sum to 1.

    -> (n_out, n_in) float64   [torch: interpolate(mode="bicubic", antialias=True)], [Pillow: BICUBIC]
    """
    a, ratio = -0.5, n_in / n_out
    widening = max(ratio, 1.0)
    matrix = np.zeros((n_out, n_in))
    for i in range(n_out):
        centre = ratio * (i + 0.5)
        low = max(int(centre - 2 * widening + 0.5), 0)
        taps = np.arange(low, min(int(centre + 2 * widening + 0.5), n_in))
        d = np.abs((taps - centre + 0.5) / widening)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weights = np.where(d < 1, near, np.where(d < 2, far, 0.0))
        matrix[i, taps] = weights / weights.sum()
    return matrix


def target_size(x: Any, size: tuple[int, int] | None, scale: float | None) -> tuple[int, int]:
    if x.ndim != 4:
        raise ValueError(f"resize expects (N, H, W, C), got shape {x.shape}")
    if (size is None) == (scale is None):
        raise ValueError(f"resize expects exactly one of size and scale, got size={size}, scale={scale}")
    height, width = size if size is not None else (math.floor(x.shape[1] * scale), math.floor(x.shape[2] * scale))
    if min(height, width, *x.shape[1:3]) < 1:
        raise ValueError(f"resize expects sides of at least 1, got {x.shape[1:3]} -> {(height, width)}")
    return int(height), int(width)


def _apply(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Mix columns, then rows.   x: (N, H, W, C), rows: (H', H), columns: (W', W) -> (N, H', W', C)"""
    n, h, _, c = x.shape
    x = np.matmul(columns.astype(x.dtype), x)  # (N, H, W', C)
    x = np.matmul(rows.astype(x.dtype), x.reshape(n, h, -1))  # (N, H', W' C)
    return x.reshape(n, len(rows), len(columns), c)


def resize_bilinear(
    x: np.ndarray, size: tuple[int, int] | None = None, *, scale: float | None = None, align_corners: bool
) -> np.ndarray:
    """y[n,i,j,c] = sum over the four nearest pixels, weighted by closeness.

    x: (N, H, W, C) -> (N, *size, C); with `scale` the size is floor(scale H), floor(scale W). No antialiasing.
    [torch: interpolate(mode="bilinear")]
    """
    height, width = target_size(x, size, scale)
    if (height, width) == x.shape[1:3]:
        return x
    rows = bilinear_matrix(height, x.shape[1], align_corners)
    return _apply(x, rows, bilinear_matrix(width, x.shape[2], align_corners))


def resized_linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    align_corners: bool,
) -> np.ndarray:
    """`resize_bilinear`, then `linear`: the 1 x 1 convolution of the larger map.

    x: (N, H, W, I)   weight: (O, I)   bias: (O,)   -> (N, H', W', O)   [DPT supplementary: fusion]
    """
    return linear(resize_bilinear(x, size, scale=scale, align_corners=align_corners), weight, bias)


def resize_bicubic(
    x: np.ndarray, size: tuple[int, int], *, align_corners: bool = False, antialias: bool = False
) -> np.ndarray:
    """Cubic convolution over the 4 x 4 nearest pixels; may overshoot the input's range.   [torch: mode="bicubic"]

    x: (N, H, W, C) -> (N, *size, C)   antialias: over more pixels where the map shrinks, outer edges aligned
    """
    height, width = target_size(x, size, None)
    if (height, width) == x.shape[1:3]:
        return x
    if antialias:
        return _apply(x, antialiased_cubic_matrix(height, x.shape[1]), antialiased_cubic_matrix(width, x.shape[2]))
    rows = bicubic_matrix(height, x.shape[1], align_corners)
    return _apply(x, rows, bicubic_matrix(width, x.shape[2], align_corners))
