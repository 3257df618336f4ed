"""The maths is in attention.py. Here no score is ever written to the card's memory: a block of threads takes some
queries through all keys, KEYS at a time, with an online softmax. What it has of the means so far shrinks whenever a
larger score turns up.  [Online normalizer calculation for softmax, arXiv 1805.02867; FlashAttention, arXiv 2205.14135]

Scores and means are products as in product_cuda.py, their sums in registers. `attention_weights`, which only those ask
for who look at them, writes its scores down.
"""

import math

import numpy as np

from .device_cuda import SIMULATED, DeviceArray, Kernel, absent, cuda, device_function, empty, kernel, launch, start
from .product_cuda import QUAD, QUAD_BYTES

# A thread has the scores of QUAD queries, DOWN apart, with QUAD keys, ACROSS apart. So a warp reads neighbouring rows
# of shared memory, each a quad longer than a multiple of the banks: no two quads of different rows share a bank.
DOWN, ACROSS = (2, 2) if SIMULATED else (16, 8)
QUERIES, KEYS, THREADS = QUAD * DOWN, QUAD * ACROSS, DOWN * ACROSS
NARROW, WIDE = QUAD * ACROSS, 2 * QUAD * ACROSS  # channels that a block takes of the values, and at a time of the keys
REGISTERS = 168  # of a thread: three blocks fit a multiprocessor
STAGED = 8  # numbers that a thread asks memory for before it needs the first
ZERO, NONE = np.float32(0), np.float32(-np.inf)


def attend(
    query: DeviceArray,
    key: DeviceArray,
    value: DeviceArray,
    *,
    scale: float | DeviceArray | None = None,
    bias: DeviceArray | None = None,
    mask: DeviceArray | None = None,
) -> DeviceArray:
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"attention: key {key.shape} and value {value.shape} differ in their number of tokens")
    n, heads, t, _ = query.shape
    keys, depth = value.shape[2:]
    width = NARROW if depth <= NARROW else WIDE
    y = empty((n, heads, t, depth))
    blocks = n * heads * -(-t // QUERIES) * -(-depth // width)
    values, means = value.reshape(n * heads, keys, depth), y.reshape(n * heads, t, depth)
    start(BY_WIDTH[width], blocks, THREADS, *_scored(query, key, scale, bias, mask), values, means)
    return y


def attention_weights(
    query: DeviceArray,
    key: DeviceArray,
    *,
    scale: float | DeviceArray | None = None,
    bias: DeviceArray | None = None,
    mask: DeviceArray | None = None,
) -> DeviceArray:
    weights = empty((*query.shape[:3], key.shape[2]))
    scores = weights.reshape(-1, *weights.shape[2:])
    launch(_scores, scores.size, *_scored(query, key, scale, bias, mask), scores)
    launch(_softmax, scores.size // scores.shape[2], scores)
    return weights


def _scored(query, key, scale, bias, mask) -> tuple:
    """What scores are made of, as kernels take it: heads one after the other, what is not there `absent`.

    -> query (N A, T, K), key (N A, S, K), A, a factor, factors (A,), bias (A or N A, T, S), mask (W, T, S)
    """
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"attention: query {query.shape} and key {key.shape} differ in their last axis")
    heads, t, width = query.shape[1:]
    given = isinstance(scale, DeviceArray)
    factor = 1.0 if given else 1 / math.sqrt(width) if scale is None else float(scale)
    return (
        query.reshape(-1, t, width),
        key.reshape(-1, *key.shape[2:]),
        heads,
        factor,
        scale if given else absent(1),
        absent(3) if bias is None else bias.reshape(-1, *bias.shape[-2:]),
        absent(3) if mask is None else mask,
    )


@device_function
def own(head, heads, factor, factors, bias, mask):
    """What a head's scores are made of: its factor, which bias and which mask are its own."""
    if factors.shape[0]:
        factor = factors[head % heads]
    return factor, head % max(1, bias.shape[0]), head // heads % max(1, mask.shape[0])


@device_function
def finished(score, t, s, factor, bias, of_bias, mask, of_mask):
    """factor score + bias + mask, of query t and key s"""
    score *= factor
    if bias.shape[0]:
        score += bias[of_bias, t, s]
    if mask.shape[0]:
        score += mask[of_mask, t, s]
    return score


def attend_kernel(width: int) -> Kernel:
    """The kernel that takes so many channels of values at a time."""
    # a spare quad before each row, as in product_cuda.py; the channels of a thread
    padded, padded_keys, channels = QUAD + width, QUAD + KEYS, width // ACROSS

    @kernel(
        "float32[:,:,::1], float32[:,:,::1], int64, float32, float32[::1], float32[:,:,::1], float32[:,:,::1], "
        "float32[:,:,::1], float32[:,:,::1]",
        max_registers=REGISTERS,
    )
    def attend(query, key, heads, factor, factors, bias, mask, value, y):
        queries = cuda.shared.array((QUERIES, padded), np.float32, alignment=QUAD_BYTES)
        keys = cuda.shared.array((KEYS, padded), np.float32, alignment=QUAD_BYTES)
        values = cuda.shared.array((KEYS, padded), np.float32, alignment=QUAD_BYTES)
        shares = cuda.shared.array((QUERIES, padded_keys), np.float32, alignment=QUAD_BYTES)
        partial = cuda.shared.array((ACROSS, QUERIES), np.float32, alignment=QUAD_BYTES)
        scores = cuda.local.array((QUAD, QUAD), np.float32)
        sums = cuda.local.array((QUAD, channels), np.float32)
        left = cuda.local.array((QUAD, QUAD), np.float32)
        right = cuda.local.array(channels, np.float32)
        top = cuda.local.array(QUAD, np.float32)
        total = cuda.local.array(QUAD, np.float32)

        thread = cuda.threadIdx.x & (THREADS - 1)  # all of it, and seen not to be negative
        down, across = thread // ACROSS, thread % ACROSS
        n_queries, n_keys, depth = y.shape[1], key.shape[1], query.shape[2]
        parts, tiles = (y.shape[2] + width - 1) // width, (n_queries + QUERIES - 1) // QUERIES
        head, at = cuda.blockIdx.x // (parts * tiles), cuda.blockIdx.x % (parts * tiles)
        first, low = at // parts * QUERIES, at % parts * width
        factor, of_bias, of_mask = own(head, heads, factor, factors, bias, mask)

        for i in range(QUAD):
            top[i], total[i] = NONE, ZERO
            for c in range(channels):
                sums[i, c] = ZERO
        for begun in range(0, n_keys, KEYS):
            for i in range(QUAD):
                for j in range(QUAD):
                    scores[i, j] = ZERO
            for begin in range(0, depth, width):
                cuda.syncthreads()
                if begun == 0 or depth > width:
                    bring(query[head], first, begin, queries, thread)
                bring(key[head], begun, begin, keys, thread)
                if begin == 0:
                    bring(value[head], begun, low, values, thread)
                cuda.syncthreads()
                d = 0
                while d < width and begin + d < depth:  # as in product_cuda.py, not a `for`
                    for i in range(QUAD):
                        for k in range(QUAD):
                            left[i, k] = queries[down + DOWN * i, QUAD + d + k]
                    for j in range(QUAD):
                        for k in range(QUAD):
                            right[k] = keys[across + ACROSS * j, QUAD + d + k]
                        for i in range(QUAD):
                            for k in range(QUAD):
                                scores[i, j] += left[i, k] * right[k]
                    d += QUAD

            for i in range(QUAD):
                largest = top[i]
                for j in range(QUAD):
                    t, s = first + down + DOWN * i, begun + across + ACROSS * j
                    v = NONE
                    if t < n_queries and s < n_keys:
                        v = finished(scores[i, j], t, s, factor, bias, of_bias, mask, of_mask)
                    scores[i, j] = v
                    largest = v if v > largest else largest
                partial[across, down + DOWN * i] = largest
            cuda.syncthreads()
            for i in range(QUAD):
                largest = top[i]
                for other in range(ACROSS):
                    v = partial[other, down + DOWN * i]
                    largest = v if v > largest else largest
                zero = largest if largest > NONE else ZERO  # where nothing is to be seen yet, shares are 0, not NaN
                shrink = math.exp(top[i] - zero)
                top[i] = largest
                total[i] *= shrink
                for c in range(channels):
                    sums[i, c] *= shrink
                for j in range(QUAD):
                    share = math.exp(scores[i, j] - zero)
                    total[i] += share
                    shares[down + DOWN * i, QUAD + across + ACROSS * j] = share
            cuda.syncthreads()
            s = 0
            while s < KEYS:
                for i in range(QUAD):
                    for k in range(QUAD):
                        left[i, k] = shares[down + DOWN * i, QUAD + s + k]
                for k in range(QUAD):
                    for c in range(channels):
                        right[c] = values[s + k, QUAD + (across + c // QUAD * ACROSS) * QUAD + c % QUAD]
                    for i in range(QUAD):
                        for c in range(channels):
                            sums[i, c] += left[i, k] * right[c]
                s += QUAD

        for i in range(QUAD):
            partial[across, down + DOWN * i] = total[i]
        cuda.syncthreads()
        for i in range(QUAD):
            whole, t = ZERO, first + down + DOWN * i
            for other in range(ACROSS):
                whole += partial[other, down + DOWN * i]
            for c in range(channels):
                v = low + (across + c // QUAD * ACROSS) * QUAD + c % QUAD
                if t < n_queries and v < y.shape[2]:
                    y[head, t, v] = sums[i, c] / whole

    return attend


@device_function
def bring(x, first, low, tile, thread):
    """tile: x from row `first` and channel `low` on, zeros beyond it; before each row a spare quad.   x: (T, K)"""
    staged = cuda.local.array(STAGED, np.float32)
    rows, width = tile.shape[0], tile.shape[1] - QUAD
    for n in range(thread, rows * width, STAGED * THREADS):
        for i in range(STAGED):
            row, c = first + (n + i * THREADS) // width, low + (n + i * THREADS) % width
            staged[i] = x[row, c] if row < x.shape[0] and c < x.shape[1] else ZERO
        for i in range(STAGED):
            row, c = (n + i * THREADS) // width, (n + i * THREADS) % width
            if row < rows:
                tile[row, QUAD + c] = staged[i]


BY_WIDTH = {width: attend_kernel(width) for width in (NARROW, WIDE)}


@kernel(
    "float32[:,:,::1], float32[:,:,::1], int64, float32, float32[::1], float32[:,:,::1], float32[:,:,::1], "
    "float32[:,:,::1]"
)
def _scores(query, key, heads, factor, factors, bias, mask, scores):
    _, queries, keys = scores.shape
    for i in range(cuda.grid(1), scores.shape[0] * queries * keys, cuda.gridsize(1)):
        row, s = i // keys, i % keys
        head, t = row // queries, row % queries
        total = ZERO
        for k in range(query.shape[2]):
            total += query[head, t, k] * key[head, s, k]
        own_factor, of_bias, of_mask = own(head, heads, factor, factors, bias, mask)
        scores[head, t, s] = finished(total, t, s, own_factor, bias, of_bias, mask, of_mask)


@kernel("float32[:,:,::1]")
def _softmax(scores):
    """In place, over the keys; a thread to a row."""
    _, queries, keys = scores.shape
    for i in range(cuda.grid(1), scores.shape[0] * queries, cuda.gridsize(1)):
        row = scores[i // queries, i % queries]
        largest, total = NONE, ZERO
        for s in range(keys):
            largest = row[s] if row[s] > largest or row[s] != row[s] else largest
        for s in range(keys):
            row[s] = math.exp(row[s] - largest)
            total += row[s]
        for s in range(keys):
            row[s] /= total


# ---------------------------------------------------------------- biases


def relative_bias(table: DeviceArray, grid: tuple[int, int], class_bias: DeviceArray | None = None) -> DeviceArray:
    if table.shape[1:] != (2 * grid[0] - 1, 2 * grid[1] - 1):
        raise ValueError(f"relative_bias: a table of {table.shape[1:]} does not fit a grid of {grid[0]} x {grid[1]}")
    tokens = grid[0] * grid[1] + (class_bias is not None)
    bias = empty((len(table), tokens, tokens))
    launch(_relative_bias, bias.size, table, grid[1], absent(2) if class_bias is None else class_bias, bias)
    return bias


@kernel("float32[:,:,::1], int64, float32[:,::1], float32[:,:,::1]")
def _relative_bias(table, width, class_bias, bias):
    heads, tokens, _ = bias.shape
    height, first = table.shape[1] // 2 + 1, 1 if class_bias.shape[0] else 0
    for i in range(cuda.grid(1), heads * tokens * tokens, cuda.gridsize(1)):
        pair, t = i // tokens, i % tokens
        a, q = pair // tokens, pair % tokens
        y, x = (q - first) // width, (q - first) % width
        v, u = (t - first) // width, (t - first) % width
        if q >= first and t >= first:
            bias[a, q, t] = table[a, y - v + height - 1, x - u + width - 1]
        else:
            bias[a, q, t] = class_bias[a, 2 if q == t else 0 if q == 0 else 1]


def axis_bias(query: DeviceArray, rows: DeviceArray, columns: DeviceArray) -> DeviceArray:
    n, heads, tokens, width = query.shape
    h, w = len(rows), len(columns)
    if tokens != h * w:
        raise ValueError(f"axis_bias: {tokens} queries do not fill a grid of {h} x {w}")
    said = empty((n * heads, tokens, h + w))  # by each query to each row offset, then to each column offset
    bias = empty((n, heads, tokens, tokens))
    launch(_said, said.size, query.reshape(n * heads, tokens, width), rows, columns, said)
    launch(_axis_bias, bias.size, said, w, bias.reshape(n * heads, tokens, tokens))
    return bias


@kernel("float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1]")
def _said(query, rows, columns, said):
    _, tokens, offsets = said.shape
    height, width = len(rows), len(columns)
    for i in range(cuda.grid(1), said.shape[0] * tokens * offsets, cuda.gridsize(1)):
        row, v = i // offsets, i % offsets
        head, t = row // tokens, row % tokens
        total = ZERO
        for k in range(query.shape[2]):
            to = rows[t // width, v, k] if v < height else columns[t % width, v - height, k]
            total += query[head, t, k] * to
        said[head, t, v] = total


@kernel("float32[:,:,::1], int64, float32[:,:,::1]")
def _axis_bias(said, width, bias):
    _, tokens, _ = bias.shape
    height = tokens // width
    for i in range(cuda.grid(1), bias.shape[0] * tokens * tokens, cuda.gridsize(1)):
        row, s = i // tokens, i % tokens
        head, t = row // tokens, row % tokens
        bias[head, t, s] = said[head, t, s // width] + said[head, t, height + s % width]
