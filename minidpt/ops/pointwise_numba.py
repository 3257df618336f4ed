"""The maths is in pointwise.py. Here a linear layer is one pass (product_numba.py); norms read a row twice, while it is
in the first cache, and write it once. On dpt-large: a linear layer with gelu 3x, layer norm 7x; on the hybrid: group
norm 13x. (benchmarks/ops.py, two cores of an AMD EPYC)
"""

import math

import numpy as np
from numba import prange

from . import pointwise
from .buffers import POOL, SMALLEST
from .compiling_numba import compiled
from .product_numba import NO_ROWS, NOTHING, Panels, product
from .vector_math_numba import CODES, MAP, REDUCE, activate_row


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
    whole = x if x.shape == shape and x.flags.c_contiguous else np.array(np.broadcast_to(x, shape))
    return whole.reshape(-1, shape[-1])


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


def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.shape != y.shape or x.size < SMALLEST:
        return pointwise.add(x, y)
    return np.add(x, y, out=POOL.empty(x.shape))


def activate(x: np.ndarray, activation: str | None) -> np.ndarray:
    if activation is None or CODES.get(activation) is None:
        return pointwise.activate(x, activation)
    y = POOL.empty(x.shape)
    y[:] = x
    return finish(y, None, activation)


def linear(
    x: np.ndarray,
    weight: Panels,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
    scale: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    if x.shape[-1] != weight.inner:
        shape = (weight.out, weight.inner)
        raise ValueError(f"linear: x {x.shape} does not end in the {weight.inner} columns of weight {shape}")
    out_shape = (*x.shape[:-1], weight.out)
    rows, code = x.reshape(-1, x.shape[-1]), CODES.get(activation)
    if code is None:
        return finish(product(rows, weight).reshape(out_shape), bias, activation, scale, residual)
    joined = None if residual is None else _rows(residual, out_shape)
    return product(rows, weight, bias, code, scale, joined).reshape(out_shape)


def linear_with_token(
    x: np.ndarray,
    token: np.ndarray,
    weight: Panels,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """As in pointwise.py; what the appended token adds to the sums is computed once for all the others."""
    n, t, d = x.shape
    if d + token.shape[-1] != weight.inner:
        shape = (weight.out, weight.inner)
        raise ValueError(f"linear: x {x.shape} and token {token.shape} do not fit the columns of weight {shape}")
    code = CODES.get(activation)
    if d % weight.unit or code is None:
        repeated = np.broadcast_to(token, (n, t, token.shape[-1]))
        return linear(np.concatenate([x, repeated], axis=-1), weight, bias, activation=activation)
    of_x, of_token = weight.split(d)
    added = product(token.reshape(n, -1), of_token, bias)
    return np.stack([product(x[i], of_x, added[i], code) for i in range(n)])


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float) -> np.ndarray:
    rows, y = np.ascontiguousarray(x).reshape(-1, x.shape[-1]), POOL.empty(x.shape)
    _layer_norm(rows, weight, bias, eps, y.reshape(rows.shape))
    return y


@compiled(parallel=True, fastmath=REDUCE)
def _layer_norm(x, weight, bias, eps, y):
    """x, y: (R, D); the two sums of a row in float64"""
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


def group_norm(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, groups: int, eps: float, activation: str | None = None
) -> np.ndarray:
    """As in pointwise.py, but mean and mean square in one pass, in float64; then x times a factor plus a shift."""
    n, h, w, c = x.shape
    if c % groups:
        return pointwise.group_norm(x, weight, bias, groups=groups, eps=eps)  # which says what is wrong
    x = np.ascontiguousarray(x)
    sums = _channel_sums(x.reshape(n, h * w, c)).sum(axis=0).reshape(2, n, groups, c // groups).sum(axis=-1)
    mean, square = sums / (h * w * (c // groups))
    factor = 1 / np.sqrt(square - mean * mean + eps)
    factor, mean = (np.repeat(v, c // groups, axis=1) for v in (factor, mean))
    scale = (factor * weight).astype(np.float32)
    shift = (bias - mean * factor * weight).astype(np.float32)
    return _scaled(x.reshape(n, h * w, c), scale, shift, activation).reshape(n, h, w, c)


@compiled(parallel=True, fastmath=REDUCE)
def _channel_sums(x):
    """x: (N, P, C) -> sums and sums of squares over the pixels of each band, (bands, 2, N, C) float64"""
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
    return parts


def _scaled(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, activation: str | None) -> np.ndarray:
    """activation(x scale + shift)   x: (N, P, C)   scale, shift: (N, C)"""
    y = POOL.empty(x.shape)
    _scale_shift(x, scale, shift, CODES.get(activation, 0), y)
    return y if activation in CODES else pointwise.activate(y, activation)


@compiled(parallel=True, fastmath=MAP)
def _scale_shift(x, scale, shift, code, y):
    n_pictures, pixels, channels = x.shape
    for i in prange(n_pictures * pixels):
        n = i // pixels
        row, out = x[n, i - n * pixels], y[n, i - n * pixels]
        for c in range(channels):
            out[c] = row[c] * scale[n, c] + shift[n, c]
        activate_row(out, code)


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
    return _scaled(rows, scale[None], shift[None], activation).reshape(x.shape)
