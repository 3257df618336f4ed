"""The maths is in pointwise.py. Here BLAS does the products, which it does as fast as the CPU can, and one parallel
pass over the result, a row at a time while it is in the first cache, does all that follows. On dpt-large: a linear
layer with gelu 3x, layer norm 7x; on the hybrid: group norm 13x. (benchmarks/ops.py, two cores of an AMD EPYC)
"""

import math

import numpy as np
from numba import prange

from . import pointwise
from .buffers import POOL
from .compiling_numba import compiled
from .vector_math_numba import CODES, MAP, REDUCE, activate_row

NOTHING = np.zeros(0, np.float32)  # stands for an absent bias, scale or residual
NO_ROWS = np.zeros((0, 0), np.float32)


def finish(
    y: np.ndarray,
    bias: np.ndarray | None,
    activation: str | None,
    scale: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """scale activation(y + bias) + residual, in y's own memory, which nobody else holds.   y: (..., O)"""
    rows = y.reshape(-1, y.shape[-1])
    code = CODES.get(activation)
    joined = NO_ROWS if residual is None else _rows(residual, y.shape)
    if code is None:
        _finish(rows, NOTHING if bias is None else bias, 0, NOTHING, NO_ROWS)
        rows[:] = pointwise.activate(rows, activation)
        bias, code = None, 0
    _finish(rows, NOTHING if bias is None else bias, code, NOTHING if scale is None else scale, joined)
    return y


def _rows(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(x, shape)).reshape(-1, shape[-1])


@compiled(parallel=True, fastmath=MAP)
def _finish(y, bias, code, scale, residual):
    """y: (R, O), overwritten; arrays of length 0 are absent"""
    columns = y.shape[1]
    for i in prange(y.shape[0]):
        row = y[i]
        if len(bias):
            for o in range(columns):
                row[o] += bias[o]
        activate_row(row, code)
        if len(scale):
            for o in range(columns):
                row[o] *= scale[o]
        if residual.shape[0]:
            other = residual[i]
            for o in range(columns):
                row[o] += other[o]


def activate(x: np.ndarray, activation: str | None) -> np.ndarray:
    if activation is None or CODES.get(activation) is None:
        return pointwise.activate(x, activation)
    return finish(np.array(x, order="C"), None, activation)


def linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
    scale: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    if x.shape[-1] != weight.shape[1]:
        return pointwise.linear(x, weight, bias)  # which says what is wrong
    rows = x.reshape(-1, x.shape[-1])
    y = np.matmul(rows, weight.T, out=POOL.empty((len(rows), len(weight)))).reshape(*x.shape[:-1], len(weight))
    return finish(y, bias, activation, scale, residual)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float) -> np.ndarray:
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    return _layer_norm(rows, weight, bias, eps).reshape(x.shape)


@compiled(parallel=True, fastmath=REDUCE)
def _layer_norm(x, weight, bias, eps):
    """x: (R, D); the two sums of a row in float64"""
    y = np.empty_like(x)
    width = x.shape[1]
    for i in prange(x.shape[0]):
        row, out = x[i], y[i]
        total = 0.0
        for d in range(width):
            total += np.float64(row[d])
        mean = np.float32(total / width)
        total = 0.0
        for d in range(width):
            centred = np.float64(row[d] - mean)
            total += centred * centred
        factor = np.float32(1.0 / math.sqrt(total / width + eps))
        for d in range(width):
            out[d] = (row[d] - mean) * factor * weight[d] + bias[d]
    return y


def group_norm(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, groups: int, eps: float, activation: str | None = None
) -> np.ndarray:
    """As in pointwise.py, but mean and mean square in one pass, in float64; then x times a factor plus a shift."""
    n, h, w, c = x.shape
    if c % groups:
        return pointwise.group_norm(x, weight, bias, groups=groups, eps=eps)  # which says what is wrong
    x = np.ascontiguousarray(x)
    sums = _channel_sums(x.reshape(n, h * w, c)).reshape(2, n, groups, c // groups).sum(axis=-1)
    mean, square = sums / (h * w * (c // groups))
    factor = 1 / np.sqrt(square - mean * mean + eps)
    factor, mean = (np.repeat(v, c // groups, axis=1) for v in (factor, mean))
    scale = (factor * weight).astype(np.float32)
    shift = (bias - mean * factor * weight).astype(np.float32)
    y = _scale_shift(x.reshape(n, h * w, c), scale, shift, CODES.get(activation, 0))
    return (y if activation in CODES else pointwise.activate(y, activation)).reshape(n, h, w, c)


@compiled(parallel=True, fastmath=REDUCE)
def _channel_sums(x):
    """x: (N, P, C) -> sums and sums of squares over the pixels, (2, N, C) float64, from bands that threads share"""
    n_pictures, pixels, channels = x.shape
    bands = min(16, pixels)
    parts = np.zeros((bands, 2, n_pictures, channels))
    for b in prange(bands):
        for n in range(n_pictures):
            total, square = parts[b, 0, n], parts[b, 1, n]
            for i in range(b * pixels // bands, (b + 1) * pixels // bands):
                for c in range(channels):
                    v = np.float64(x[n, i, c])
                    total[c] += v
                    square[c] += v * v
    return parts.sum(axis=0)


@compiled(parallel=True, fastmath=MAP)
def _scale_shift(x, scale, shift, code):
    """activation(x scale + shift)   x: (N, P, C)   scale, shift: (N, C)"""
    y = np.empty_like(x)
    n_pictures, pixels, channels = x.shape
    for i in prange(n_pictures * pixels):
        n = i // pixels
        row, out = x[n, i - n * pixels], y[n, i - n * pixels]
        for c in range(channels):
            out[c] = row[c] * scale[n, c] + shift[n, c]
        activate_row(out, code)
    return y


def batch_norm(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
) -> np.ndarray:
    scale = weight / np.sqrt(running_var + np.float32(eps))
    shift = bias - running_mean * scale
    rows = np.ascontiguousarray(x).reshape(1, -1, x.shape[-1])
    y = _scale_shift(rows, scale[None], shift[None], CODES.get(activation, 0))
    return (y if activation in CODES else pointwise.activate(y, activation)).reshape(x.shape)
