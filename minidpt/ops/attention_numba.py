"""The maths is in attention.py. Here no score is ever written to memory: a panel of queries, one to a vector lane, goes
through the keys, some 1000 at a time, with an online softmax; its largest score and its sum are lanes, too, so that
neither needs a shuffle. 2 to 3.5 times the way through BLAS on dpt-large and Depth-Anything-V2-Small, and T times less
memory. `attention_weights`, which only those ask for who look at them, stays NumPy's.
[Online normalizer calculation for softmax, arXiv 1805.02867; FlashAttention, arXiv 2205.14135]
"""

import math

import numpy as np
from numba import get_num_threads, prange

from . import attention
from .buffers import POOL
from .compiling_numba import compiled
from .micro_numba import LOW_ROWS, WIDTH, multiply_low_block, multiply_low_pairs
from .product_numba import CHUNK, FULL, panel_memory
from .vector_math_numba import MAP, bfloat16_bits, exp32

CHUNK_KEYS = 1024  # keys whose scores for a panel of queries are held at a time: 128 KB, in the second cache
AS_IT_IS, ALONG_CHANNELS, ALONG_TOKENS = 0, 1, 2  # of what numbers a unit of a packed head is made
NO_BIAS = np.zeros((0, 0, 0, 0), np.float32)
NO_MASK = np.zeros((0, 0, 0), np.float32)


def attend(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    *,
    scale: float | np.ndarray | None = None,
    bias: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    pairs: bool = False,
) -> np.ndarray:
    """As in attention.py; the result lies in memory as (N, T, A, V), so that `merge_heads` need not move it.

    pairs: both products of bfloat16 numbers, summed in float32
    """
    if key.shape[-2] != value.shape[-2] or query.shape[-1] != key.shape[-1]:
        return attention.attend(query, key, value)  # which says what is wrong
    n, heads, queries, width = query.shape
    factor = np.float32(1 / math.sqrt(width)) if scale is None else np.asarray(scale, np.float32)
    factors = np.array(np.broadcast_to(factor.reshape(-1), (heads,)))
    keys, depth = value.shape[2:]
    units, rows = (-(-width // 2), -(-keys // 2)) if pairs else (width, keys)
    packed = (
        _packed(query, factors, queries, units, ALONG_CHANNELS if pairs else AS_IT_IS),
        _packed(key, np.ones(heads, np.float32), _up(keys, LOW_ROWS), units, ALONG_CHANNELS if pairs else AS_IT_IS),
        _packed(value, np.ones(heads, np.float32), rows, _up(depth, LOW_ROWS), ALONG_TOKENS if pairs else AS_IT_IS),
    )
    mixed = POOL.empty((n, queries, heads, depth))
    biases = NO_BIAS if bias is None else _by_key(bias.reshape(-1, *bias.shape[-3:]))
    masks = NO_MASK if mask is None else _by_key(mask)
    _attend(*packed, keys, pairs, biases, masks, mixed, get_num_threads())
    return mixed.transpose(0, 2, 1, 3)


def _by_key(scores: np.ndarray) -> np.ndarray:
    """(..., T, S) -> (..., S, T) in memory; `relative_bias` lays it out so already"""
    by_key = scores.swapaxes(-1, -2)
    return by_key if by_key.flags.c_contiguous else by_key.copy()


def _up(count: int, step: int) -> int:
    return -(-count // step) * step


def _packed(x: np.ndarray, factors: np.ndarray, rows: int, units: int, way: int) -> np.ndarray:
    """factors times x: (N, A, T, K), head by head: (N A, rows, units), zeros beyond x.

    A unit is a number, or two of bfloat16: neighbours along the channels, or one of each of two tokens.
    """
    packed = POOL.empty((x.shape[0] * x.shape[1], rows, units))
    _pack(x, factors, packed, packed.view(np.uint16), way)
    return packed


@compiled(parallel=True, fastmath=MAP)
def _pack(x, factors, packed, halves, way):
    """halves: the memory of `packed`, (N A, rows, 2 units)"""
    heads, tokens, width = x.shape[1:]
    for i in prange(len(packed)):
        head, factor = x[i // heads, i % heads], factors[i % heads]
        if packed.shape[1] > tokens or packed.shape[2] > width or way != AS_IT_IS:
            packed[i] = np.float32(0.0)
        for t in range(tokens):
            if way == AS_IT_IS:
                for k in range(width):
                    packed[i, t, k] = head[t, k] * factor
            elif way == ALONG_CHANNELS:
                for k in range(width):
                    halves[i, t, k] = bfloat16_bits(head[t, k] * factor)
            else:
                for k in range(width):
                    halves[i, t // 2, 2 * k + t % 2] = bfloat16_bits(head[t, k] * factor)


@compiled(parallel=True, fastmath=MAP)
def _attend(queries, keys, values, n_keys, pairs, bias, mask, mixed, threads):
    """queries: (N A, T, units)   keys: (N A, S, units)   values: (N A, S, V), pairs: S / 2   as `_packed` lays them out

    mixed: (N, T, A, V)   bias: (1 or N, A, S, T)   mask: (W, S, T)   or empty
    A panel of WIDTH queries at a time, one to a column: scores (keys, WIDTH), which is how both products want them.
    """
    _, n_queries, heads, depth = mixed.shape
    units, deep = queries.shape[2], values.shape[2]
    panels = -(-n_queries // WIDTH)
    tasks = len(queries) * panels
    for thread in prange(threads):
        columns, scores = panel_memory(units), panel_memory(min(CHUNK_KEYS, keys.shape[1]) + 1)
        shares = panel_memory(min(CHUNK_KEYS, keys.shape[1]) // 2 + 1).view(np.int32)
        sums = np.empty((deep, WIDTH), np.float32)
        top, total = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
        for task in range(thread * tasks // threads, (thread + 1) * tasks // threads):
            first, head = task % panels * WIDTH, task // panels
            n, a, count = head // heads, head % heads, min(WIDTH, n_queries - first)
            for j in range(count):
                for k in range(units):
                    columns[k, j] = queries[head, first + j, k]
            for j in range(WIDTH):
                top[j], total[j] = -np.inf, np.float32(0.0)
            for start in range(0, n_keys, CHUNK_KEYS):
                size = min(CHUNK_KEYS, n_keys - start)
                for s in range(0, size, LOW_ROWS):
                    at = keys.ctypes.data + (head * keys.shape[1] + start + s) * units * 4
                    b, to = columns.ctypes.data, scores.ctypes.data + s * WIDTH * 4
                    if pairs:
                        multiply_low_pairs(at, units * 4, 4, b, to, WIDTH * 4, units, False)
                    else:
                        multiply_low_block(at, units * 4, 4, b, to, WIDTH * 4, units, False)
                if len(bias):
                    add_columns(scores, bias[n % len(bias), a], start, size, first, count)
                if len(mask):
                    add_columns(scores, mask[n % len(mask)], start, size, first, count)
                _exponentials(scores, size, top, total, sums, start > 0)
                if pairs:
                    _pair_up(scores, size, shares)
                for v in range(0, deep, LOW_ROWS):
                    to = sums.ctypes.data + v * WIDTH * 4
                    if pairs:
                        at = values.ctypes.data + ((head * values.shape[1] + start // 2) * deep + v) * 4
                        b, half = shares.ctypes.data, -(-size // 2)
                        multiply_low_pairs(at, 4, deep * 4, b, to, WIDTH * 4, half, start > 0)
                    else:
                        for s in range(0, size, CHUNK):
                            at = values.ctypes.data + ((head * values.shape[1] + start + s) * deep + v) * 4
                            b, part = scores.ctypes.data + s * WIDTH * 4, min(CHUNK, size - s)
                            multiply_low_block(at, 4, deep * 4, b, to, WIDTH * 4, part, start + s > 0)
            for j in range(count):
                inverse = np.float32(1.0) / total[j]
                for k in range(depth):
                    mixed[n, first + j, a, k] = sums[k, j] * inverse


@compiled(fastmath=MAP)
def _pair_up(scores, size, shares):
    """Two keys' scores -> one number of 32 bits, the earlier key in the lower half.   (S, WIDTH) -> (S / 2, WIDTH)"""
    if size % 2:
        scores[size] = np.float32(0.0)
    for s in range(-(-size // 2)):
        for j in range(WIDTH):
            low, high = bfloat16_bits(scores[2 * s, j]), bfloat16_bits(scores[2 * s + 1, j])
            shares[s, j] = np.int32(low) | (np.int32(high) << np.int32(16))


@compiled(fastmath=MAP)
def add_columns(scores, extra, start, size, first, count):
    """extra: (S, T)"""
    low = np.uint64(first)  # unsigned, as in `finish_block`
    if count == WIDTH:  # a loop of known length, which the compiler writes out
        for s in range(size):
            for j in range(FULL):
                scores[s, j] += extra[start + s, low + j]
    else:
        for s in range(size):
            for j in range(np.uint64(count)):
                scores[s, j] += extra[start + s, low + j]


@compiled(fastmath=MAP)
def _exponentials(scores, size, top, total, sums, later):
    """scores -> exp(scores - the largest so far), whose sums go to `total`; what was summed before shrinks accordingly.

    scores: (S, WIDTH)   top, total: (WIDTH,)   sums: (V, WIDTH)   [online softmax, arXiv 1805.02867]
    """
    before = top.copy()
    for s in range(size):
        for j in range(WIDTH):
            v = scores[s, j]
            top[j] = v if v > top[j] else top[j]
    if later:
        for j in range(WIDTH):
            before[j] = exp32(before[j] - top[j])
            total[j] *= before[j]
        for k in range(len(sums)):
            for j in range(WIDTH):
                sums[k, j] *= before[j]
    for s in range(size):
        for j in range(WIDTH):
            v = exp32(scores[s, j] - top[j])
            scores[s, j] = v
            total[j] += v


def relative_bias(table: np.ndarray, grid: tuple[int, int], class_bias: np.ndarray | None = None) -> np.ndarray:
    """As in attention.py; it lies in memory as (A, S, T), the order in which `attend` reads it."""
    height, width = grid
    if table.shape[1:] != (2 * height - 1, 2 * width - 1):
        return attention.relative_bias(table, grid)  # which says what is wrong
    first = 0 if class_bias is None else 1
    by_key = POOL.empty((len(table), first + height * width, first + height * width))
    _lay_out(np.ascontiguousarray(table), height, width, by_key, first)
    bias = by_key.swapaxes(1, 2)
    if class_bias is not None:
        bias[:, 0, 1:], bias[:, 1:, 0] = class_bias[:, :1], class_bias[:, 1:2]
        bias[:, 0, 0] = class_bias[:, 2]
    return bias


@compiled(parallel=True)
def _lay_out(table, height, width, by_key, first):
    """by_key[a, first + (v, u), first + (y, x)] = table[a, y - v + H - 1, x - u + W - 1]"""
    for i in prange(len(table) * height * width):
        a, key = i // (height * width), i % (height * width)
        v, u = key // width, key % width
        row = by_key[a, first + key]
        for y in range(height):
            offsets = table[a, y - v + height - 1]
            start = first + y * width
            for x in range(width):
                row[start + x] = offsets[x - u + width - 1]
