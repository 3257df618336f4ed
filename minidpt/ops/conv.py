"""Convolutions and pooling over channels-last maps. Weights keep torch's order: (O, I, R, S)."""

import numpy as np

from .pointwise import activate

Padding = int | tuple[tuple[int, int], tuple[int, int]]  # all sides alike, or ((top, bottom), (left, right))


def padding_pairs(padding: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)), whichever way the padding was given."""
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


def output_size(size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: Padding) -> tuple[int, int]:
    """(H', W'), H' = (H + top + bottom - R) // stride + 1"""
    pairs = padding_pairs(padding)
    height, width = ((n + sum(pair) - k) // stride + 1 for n, k, pair in zip(size, kernel, pairs, strict=True))
    if height < 1 or width < 1:
        raise ValueError(f"a kernel of {kernel} does not fit into a map of {size} with padding {padding}")
    return height, width


def _shifted_views(x: np.ndarray, kernel: tuple[int, int], stride: int, padding: Padding):
    """For each kernel position (r, s): the map as seen through it.   yields r, s, (N, H', W', C)"""
    height, width = output_size(x.shape[1:3], kernel, stride, padding)
    x = np.pad(x, ((0, 0), *padding_pairs(padding), (0, 0)))
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            yield r, s, x[:, r : r + stride * height : stride, s : s + stride * width : stride]


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: int = 1,
    padding: Padding = 0,
    pre_activation: str | None = None,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """y[n,h,w,o] = activation(sum_{r,s,c} x'[n, h stride + r - top, w stride + s - left, c] weight[o,c,r,s] + bias[o])

    plus residual[n,h,w,o], where x' = pre_activation(x).   [torch: Conv2d]

    x: (N, H, W, C)   weight: (O, C, R, S)   bias: (O,)   residual: (N, H', W', O)   -> (N, H', W', O)
    Zeros outside the map. A sum of R S shifted matrix products: no im2col copy, and BLAS does each one.
    """
    if x.shape[-1] != weight.shape[1]:
        raise ValueError(f"conv2d: x {x.shape} does not have the {weight.shape[1]} channels of weight {weight.shape}")
    views = _shifted_views(activate(x, pre_activation), weight.shape[2:], stride, padding)
    y = sum(np.matmul(view, weight[:, :, r, s].T) for r, s, view in views)
    if bias is not None:
        y = y + bias
    y = activate(y, activation)
    return y if residual is None else y + residual


def conv_transpose2d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """y[n, h R + r, w S + s, o] = sum_c x[n,h,w,c] weight[c,o,r,s] + bias[o]: every pixel becomes an R x S tile.

    x: (N, H, W, C)   weight: (C, O, R, S)   bias: (O,)   -> (N, H R, W S, O)
    The transposed convolution whose stride is its kernel, so tiles never overlap: a matrix product and a shuffle.
    """
    n, h, w, c = x.shape
    if c != weight.shape[0]:
        raise ValueError(f"conv_transpose2d: x {x.shape} does not have the {weight.shape[0]} channels of its weight")
    _, o, r, s = weight.shape
    tiles = np.matmul(x, weight.reshape(c, o * r * s)).reshape(n, h, w, o, r, s)
    return tiles.transpose(0, 1, 4, 2, 5, 3).reshape(n, h * r, w * s, o) + bias


def max_pool2d(x: np.ndarray, kernel_size: int, *, stride: int, padding: Padding = 0) -> np.ndarray:
    """y[n,h,w,c] = max over the kernel's window; pixels outside the map count as 0, as in BiT's padded pooling.

    x: (N, H, W, C) -> (N, H', W', C)
    """
    views = _shifted_views(x, (kernel_size, kernel_size), stride, padding)
    return np.maximum.reduce([view for _, _, view in views])


def standardize_weight(weight: np.ndarray, eps: float = 1e-8) -> np.ndarray:
    """Each output channel's kernel minus its mean, over its standard deviation (biased, eps inside the root).

    weight: (O, I, R, S) -> the same shape, computed in float64   [Weight Standardization, arXiv 1903.10520]
    eps is transformers' for the hybrid.
    """
    wide = weight.astype(np.float64)
    centred = wide - wide.mean(axis=(1, 2, 3), keepdims=True)
    variance = np.mean(centred * centred, axis=(1, 2, 3), keepdims=True)
    return (centred / np.sqrt(variance + eps)).astype(weight.dtype)
