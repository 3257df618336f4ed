"""The maths is in attention.py. Here BLAS does the two products of every head; between them one parallel pass scales
the scores, adds bias and mask and takes the softmax, a row at a time and in place. 1.9x on dpt-large's block.
Tried and not kept: one head after the other, so that its scores stay in the cache; that was 0.9x, as BLAS and kernels
then take turns on the cores too often.
"""

import math

import numpy as np
from numba import prange

from . import attention
from .buffers import POOL
from .compiling_numba import compiled
from .vector_math_numba import MAP, REDUCE, exp32

LANES = 16  # float32 numbers that a row's maximum is taken of at once
NO_BIAS = np.zeros((0, 0, 0, 0), np.float32)
NO_MASK = np.zeros((0, 0, 0), np.float32)


def attention_weights(
    query: np.ndarray,
    key: np.ndarray,
    *,
    scale: float | np.ndarray | None = None,
    bias: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    if query.shape[-1] != key.shape[-1]:
        return attention.attention_weights(query, key)  # which says what is wrong
    scores = np.matmul(query, key.swapaxes(-1, -2), out=POOL.empty((*query.shape[:3], key.shape[2])))
    heads = scores.shape[1]
    factor = np.float32(1 / math.sqrt(query.shape[-1])) if scale is None else np.asarray(scale, np.float32)
    factors = np.ascontiguousarray(np.broadcast_to(factor.reshape(-1), (heads,)))
    biases = NO_BIAS if bias is None else np.ascontiguousarray(bias).reshape(-1, *bias.shape[-3:])
    _softmax(scores, factors, biases, NO_MASK if mask is None else np.ascontiguousarray(mask))
    return scores


@compiled(parallel=True, fastmath=MAP)
def _softmax(scores, factors, bias, mask):
    """scores: (N, A, T, S), overwritten   factors: (A,)   bias: (1 or N, A, T, S)   mask: (W, T, S)   or empty"""
    n_sequences, heads, queries, keys = scores.shape
    for i in prange(n_sequences * heads * queries):
        t, a, n = i % queries, i // queries % heads, i // (queries * heads)
        row, factor = scores[n, a, t], factors[a]
        for s in range(keys):
            row[s] *= factor
        if bias.shape[0]:
            add = bias[n % bias.shape[0], a, t]
            for s in range(keys):
                row[s] += add[s]
        if mask.shape[0]:
            forbid = mask[n % mask.shape[0], t]
            for s in range(keys):
                row[s] += forbid[s]
        top = _largest(row)
        for s in range(keys):
            row[s] = exp32(row[s] - top)
        total = _sum(row)
        inverse = np.float32(1.0) / total
        for s in range(keys):
            row[s] *= inverse


@compiled(fastmath=MAP)
def _largest(row):
    """The largest number of a row; NaN may be passed over, as exp of it stays NaN."""
    lanes = np.empty(LANES, np.float32)
    whole = len(row) // LANES * LANES
    for k in range(LANES):
        lanes[k] = row[0]
    for s in range(0, whole, LANES):
        for k in range(LANES):
            v = row[s + k]
            lanes[k] = v if v > lanes[k] else lanes[k]
    top = lanes[0]
    for k in range(1, LANES):
        top = lanes[k] if lanes[k] > top else top
    for s in range(whole, len(row)):
        top = row[s] if row[s] > top else top
    return top


@compiled(fastmath=REDUCE)
def _sum(row):
    total = np.float32(0.0)
    for s in range(len(row)):
        total += row[s]
    return total


def attend(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    *,
    scale: float | np.ndarray | None = None,
    bias: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """As in attention.py; the result lies in memory as (N, T, A, V), so that `merge_heads` need not move it."""
    if key.shape[-2] != value.shape[-2]:
        return attention.attend(query, key, value)  # which says what is wrong
    weights = attention_weights(query, key, scale=scale, bias=bias, mask=mask)
    n, heads, queries, _ = weights.shape
    mixed = POOL.empty((n, queries, heads, value.shape[-1])).transpose(0, 2, 1, 3)
    return np.matmul(weights, value, out=mixed)


def relative_bias(table: np.ndarray, grid: tuple[int, int], class_bias: np.ndarray | None = None) -> np.ndarray:
    height, width = grid
    if table.shape[1:] != (2 * height - 1, 2 * width - 1):
        return attention.relative_bias(table, grid)  # which says what is wrong
    first = 0 if class_bias is None else 1
    bias = POOL.empty((len(table), first + height * width, first + height * width))
    _lay_out(np.ascontiguousarray(table), height, width, bias, first)
    if class_bias is not None:
        bias[:, 0, 1:], bias[:, 1:, 0] = class_bias[:, :1], class_bias[:, 1:2]
        bias[:, 0, 0] = class_bias[:, 2]
    return bias


@compiled(parallel=True)
def _lay_out(table, height, width, bias, first):
    """bias[a, first + (y, x), first + (v, u)] = table[a, y - v + H - 1, x - u + W - 1]"""
    for i in prange(len(table) * height * width):
        a, q = i // (height * width), i % (height * width)
        y, x = q // width, q % width
        row = bias[a, first + q]
        for v in range(height):
            offsets = table[a, y - v + height - 1]
            start = first + v * width
            for u in range(width):
                row[start + u] = offsets[x - u + width - 1]
