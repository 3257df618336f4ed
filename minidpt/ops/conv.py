"""Convolutions and pooling over channels-last maps. Weights keep torch's order: (O, I, R, S)."""

from functools import reduce

import numpy as np

from .pointwise import activate
from .resize import resize_bilinear

Padding = int | tuple[tuple[int, int], tuple[int, int]]  # all sides alike, or ((top, bottom), (left, right))


def padding_pairs(padding: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)), whichever way the padding was given."""
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


def output_size(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: Padding, dilation: int = 1
) -> tuple[int, int]:
    """(H', W'), H' = (H + top + bottom - (R - 1) dilation - 1) // stride + 1"""
    pairs = padding_pairs(padding)
    height, width = (
        (n + sum(pair) - (k - 1) * dilation - 1) // stride + 1 for n, k, pair in zip(size, kernel, pairs, strict=True)
    )
    if height < 1 or width < 1:
        apart = f" with dilation {dilation}" if dilation > 1 else ""
        raise ValueError(f"a kernel of {kernel}{apart} does not fit into a map of {size} with padding {padding}")
    return height, width


def _shifted_views(x: np.ndarray, kernel: tuple[int, int], stride: int, padding: Padding, dilation: int = 1):
    """For each kernel position (r, s): the map as seen through it.   yields r, s, (N, H', W', C)"""
    height, width = output_size(x.shape[1:3], kernel, stride, padding, dilation)
    x = np.pad(x, ((0, 0), *padding_pairs(padding), (0, 0)))
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            top, left = r * dilation, s * dilation
            yield r, s, x[:, top : top + stride * height : stride, left : left + stride * width : stride]


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pre_activation: str | None = None,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """y[n,h,w,o] = activation(sum_{r,s,c} x'[n, h stride + r - top, w stride + s - left, c] weight[o,c,r,s] + bias[o])

    plus residual[n,h,w,o], where x' = pre_activation(x).   [torch: Conv2d]

    x: (N, H, W, C)   weight: (O, C / groups, R, S)   bias: (O,)   residual: (N, H', W', O)   -> (N, H', W', O)
    dilation: the kernel's pixels lie that far apart, r dilation and s dilation in place of r and s.
    groups: that many equal parts of the output channels, each made from its own part of the input channels.
    Zeros outside the map. A sum of R S shifted matrix products: no im2col copy, and BLAS does each one.
    """
    if x.shape[-1] != weight.shape[1] * groups or len(weight) % groups:
        split = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(f"conv2d: x {x.shape} does not have the channels of weight {weight.shape}{split}")
    views = _shifted_views(activate(x, pre_activation), weight.shape[2:], stride, padding, dilation)
    y = reduce(np.add, (_grouped_product(view, weight[:, :, r, s], groups) for r, s, view in views))
    if bias is not None:
        y = y + bias
    y = activate(y, activation)
    return y if residual is None else y + residual


def resized_conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    align_corners: bool,
    padding: Padding = 0,
    activation: str | None = None,
) -> np.ndarray:
    """`resize_bilinear`, then `conv2d`.   x: (N, H, W, C)   weight: (O, C, R, S)   bias: (O,)   -> (N, H', W', O)"""
    larger = resize_bilinear(x, size, scale=scale, align_corners=align_corners)
    return conv2d(larger, weight, bias, padding=padding, activation=activation)


def _grouped_product(x: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """x weight^T, each group of output channels from its own group of input channels.   (..., C), (O, C / groups)"""
    if groups == 1:
        return np.matmul(x, weight.T)
    out, inner = weight.shape
    parts = x.reshape(*x.shape[:-1], groups, 1, inner)
    y = np.matmul(parts, weight.reshape(groups, out // groups, inner).swapaxes(1, 2))
    return y.reshape(*x.shape[:-1], out)


def conv_transpose2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: int | None = None,
    padding: int = 0,
    output_padding: int = 0,
) -> np.ndarray:
    """y[n, h stride + r - padding, w stride + s - padding, o] += sum_c x[n,h,w,c] weight[c,o,r,s]; then + bias[o]

    x: (N, H, W, C)   weight: (C, O, R, S)   bias: (O,)   -> (N, H', W', O)
    H' = (H - 1) stride - 2 padding + R + output_padding.   [torch: ConvTranspose2d]
    Without a stride it is the kernel's size, so that tiles never overlap: a matrix product and a shuffle.
    """
    n, h, w, c = x.shape
    if c != weight.shape[0]:
        raise ValueError(f"conv_transpose2d: x {x.shape} does not have the {weight.shape[0]} channels of its weight")
    _, o, r, s = weight.shape
    tiles = np.matmul(x, weight.reshape(c, o * r * s)).reshape(n, h, w, o, r, s)
    if stride is None or (stride == r == s and padding == output_padding == 0):
        y = tiles.transpose(0, 1, 4, 2, 5, 3).reshape(n, h * r, w * s, o)
    else:
        height, width = ((side - 1) * stride + k + output_padding for side, k in ((h, r), (w, s)))
        y = np.zeros((n, height, width, o), x.dtype)
        for i in range(r):
            for j in range(s):
                y[:, i : i + h * stride : stride, j : j + w * stride : stride] += tiles[..., i, j]
        y = y[:, padding : height - padding, padding : width - padding]
    return y if bias is None else y + bias


def max_pool2d(x: np.ndarray, kernel_size: int, *, stride: int, padding: Padding = 0) -> np.ndarray:
    """y[n,h,w,c] = max over the kernel's window; pixels outside the map count as 0, as in BiT's padded pooling.

    x: (N, H, W, C) -> (N, H', W', C)
    """
    views = _shifted_views(x, (kernel_size, kernel_size), stride, padding)
    return np.maximum.reduce([view for _, _, view in views])


def avg_pool2d(x: np.ndarray, kernel_size: int) -> np.ndarray:
    """Mean over squares of that side, which do not overlap; a square cut by the border counts only its pixels inside.

    x: (N, H, W, C) -> (N, ceil(H / k), ceil(W / k), C)   [torch: AvgPool2d(ceil_mode=True, count_include_pad=False)]
    """
    k, (h, w) = kernel_size, x.shape[1:3]
    rows, columns = np.arange(0, h, k), np.arange(0, w, k)
    sums = np.add.reduceat(np.add.reduceat(x, rows, axis=1), columns, axis=2)
    counts = np.diff([*rows, h])[:, None] * np.diff([*columns, w])
    return sums / counts[:, :, None].astype(x.dtype)


def avg_pool_tokens(x: np.ndarray, length: int) -> np.ndarray:
    """Mean of each run of `length` tokens; what is left at the end is dropped.   (N, T, D) -> (N, T // length, D)"""
    n, t, d = x.shape
    runs = t // length
    if runs < 1:
        raise ValueError(f"avg_pool_tokens: {t} tokens are fewer than a run of {length}")
    return x[:, : runs * length].reshape(n, runs, length, d).mean(axis=2)


def standardize_weight(weight: np.ndarray, eps: float = 1e-8) -> np.ndarray:
    """Each output channel's kernel minus its mean, over its standard deviation (biased, eps inside the root).

    weight: (O, I, R, S) -> the same shape, computed in float64   [Weight Standardization, arXiv 1903.10520]
    eps is transformers' for the hybrid.
    """
    wide = weight.astype(np.float64)
    centred = wide - wide.mean(axis=(1, 2, 3), keepdims=True)
    variance = np.mean(centred * centred, axis=(1, 2, 3), keepdims=True)
    return (centred / np.sqrt(variance + eps)).astype(weight.dtype)
