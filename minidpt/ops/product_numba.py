"""Products of maps with weights, and all that follows them, a block of ROWS x WIDTH numbers at a time while that is in
the first cache. A linear layer is a convolution over one long row of pixels, so one kernel does both.

The weight is laid out once, as panels of WIDTH output channels: (P, K, WIDTH), read from front to back. The map is read
where it lies: what a kernel's row sees of it, S pixels of C channels, is one run of memory. On dpt-large's linear
layers: 1.15 times OpenBLAS, which lays both out anew in every product.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import get_num_threads, prange

from .buffers import LINE, POOL, aligned
from .compiling_numba import compiled
from .micro_numba import ALIGNMENT, ROWS, WIDTH, multiply_block, multiply_pairs, prefetch
from .vector_math_numba import MAP, activate_row, bfloat16_bits

NOTHING = np.zeros(0, np.float32)  # stands for an absent bias, scale or residual
NO_ROWS = np.zeros((0, 0), np.float32)
ONE_RUN = np.zeros(1, np.int64)
FULL = np.uint64(WIDTH)
CHUNK = 256  # terms to a partial sum: keeps float32's rounding as small as BLAS's
SMALL_WEIGHT = 1 << 17  # numbers: panels that stay in the second cache together
PAGE = 4096  # bytes


@dataclass(frozen=True)
class Panels:
    """A weight (O, K) of a linear layer, or of a convolution whose K numbers lie as its kernel sees the map.

    memory: (groups P, K, WIDTH) float32, zeros beyond each group's last channel; or, `pairs`, of bfloat16 numbers,
    (groups P, K / 2, 2 WIDTH) uint16, where two neighbours of K lie beside each other
    """

    memory: np.ndarray
    out: int
    inner: int
    groups: int = 1

    def split(self, inner: int) -> "tuple[Panels, Panels]":
        """Its first `inner` terms, an even number, and the others, as weights of their own."""
        step = 2 if self.pairs else 1
        first, second = self.memory[:, : inner // step], self.memory[:, inner // step :]
        return replace(self, memory=first, inner=inner), replace(self, memory=second, inner=self.inner - inner)

    @property
    def pairs(self) -> bool:
        return self.memory.dtype == np.uint16


def panels_of(weight: np.ndarray, groups: int = 1, *, pairs: bool = False) -> Panels:
    """weight: (O, K)"""
    out, inner = weight.shape
    count, step = -(-(out // groups) // WIDTH), 2 if pairs else 1
    memory = aligned((groups * count, -(-inner // step), WIDTH * step), np.uint16 if pairs else np.float32)
    lay = _lay_pairs if pairs else _lay
    lay(np.ascontiguousarray(weight).reshape(groups, -1, inner), memory.reshape(groups, count, *memory.shape[1:]))
    return Panels(memory, out, inner, groups)


def rows_of(weight: Panels) -> np.ndarray:
    """The weight (O, K) that float32 panels were made of."""
    parts = weight.memory.reshape(weight.groups, -1, weight.inner, WIDTH).swapaxes(2, 3)
    return parts.reshape(weight.groups, -1, weight.inner)[:, : weight.out // weight.groups].reshape(weight.out, -1)


@compiled(parallel=True)
def _lay(weight, panels):
    """weight: (groups, O, K) -> panels: (groups, P, K, WIDTH)"""
    out, inner = weight.shape[1:]
    for i in prange(panels.shape[0] * panels.shape[1]):
        g, p = i // panels.shape[1], i % panels.shape[1]
        for k in range(inner):
            for o in range(WIDTH):
                panels[g, p, k, o] = weight[g, p * WIDTH + o, k] if p * WIDTH + o < out else np.float32(0.0)


@compiled(parallel=True)
def _lay_pairs(weight, panels):
    """weight: (groups, O, K) -> panels: (groups, P, K / 2, 2 WIDTH)"""
    out, inner = weight.shape[1:]
    for i in prange(panels.shape[0] * panels.shape[1]):
        g, p = i // panels.shape[1], i % panels.shape[1]
        for k in range(panels.shape[2]):
            for o in range(2 * WIDTH):
                channel, term = p * WIDTH + o // 2, 2 * k + o % 2
                inside = channel < out and term < inner
                panels[g, p, k, o] = bfloat16_bits(weight[g, channel, term] if inside else np.float32(0.0))


def product(
    x: np.ndarray,
    weight: Panels,
    bias: np.ndarray | None = None,
    code: int = 0,
    scale: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """scale activation(x weight^T + bias) + residual, code: activation's.   x: (M, I), residual: (M, O) -> (M, O)"""
    rows = x
    if weight.pairs or x.strides[1] != 4 or x.strides[0] % PAGE == 0 or len(x) < ROWS:
        rows = _apart(np.ascontiguousarray(x), weight.pairs)
    y = POOL.empty((1, 1, len(x), weight.out))
    run = weight.memory.shape[1]
    multiply(rows[None, None], weight, ONE_RUN, run, 1, bias, code, scale, residual, y)
    return y[0, 0]


def _apart(x: np.ndarray, pairs: bool) -> np.ndarray:
    """A copy of the rows, at least ROWS of them, which do not lie whole pages apart: those would all fall into the same
    few lines of the first cache. pairs: as bfloat16, an even number to a row."""
    rows, width = max(len(x), ROWS), x.shape[1]
    if pairs:
        even = width + width % 2
        halves = POOL.empty((rows, even // 2 + LINE // 4)).view(np.uint16)[:, :even]
        _copy_halves(x, halves)
        return halves
    spread = POOL.empty((rows, width + LINE // 4))[:, :width]
    _copy(x, spread)
    return spread


@compiled(parallel=True)
def _copy(x, y):
    for i in prange(len(y)):
        if i < len(x):
            for k in range(y.shape[1]):
                y[i, k] = x[i, k]
        else:
            y[i] = np.float32(0.0)


@compiled(parallel=True)
def _copy_halves(x, y):
    for i in prange(len(y)):
        if i < len(x):
            for k in range(x.shape[1]):
                y[i, k] = bfloat16_bits(x[i, k])
            if x.shape[1] < y.shape[1]:
                y[i, x.shape[1]] = np.uint16(0)
        else:
            y[i] = np.uint16(0)


def multiply(
    x: np.ndarray,
    weight: Panels,
    runs: np.ndarray,
    run: int,
    stride: int,
    bias: np.ndarray | None,
    code: int,
    scale: np.ndarray | None,
    residual: np.ndarray | None,
    y: np.ndarray,
) -> None:
    """y[n, h, w, :] = scale activation(sum of what the kernel sees from pixel (h, w) stride on, + bias) + residual

    x: (N, H, W, C), of which W' >= ROWS pixels to a row may be read   y: (N, H', W', O)
    runs: where each run that the kernel sees begins, in bytes from its first pixel   run: its length, in 4 bytes
    """
    joined = NO_ROWS if residual is None else residual.reshape(-1, weight.out)
    panels = weight.memory
    _multiply(
        (x.ctypes.data, *x.strides[:3]),
        (panels.ctypes.data, panels.strides[0], len(panels), panels.shape[1]),
        weight.pairs,
        weight.groups,
        runs,
        run,
        stride,
        NOTHING if bias is None else bias,
        code,
        NOTHING if scale is None else scale,
        joined,
        y.reshape(-1, weight.out),
        y.shape[1],
        y.shape[2],
        get_num_threads(),
    )


@compiled(parallel=True, fastmath=MAP)
def _multiply(x, panels, pairs, groups, runs, run, stride, bias, code, scale, residual, y, height, width, threads):
    """x: address, bytes from picture to picture, row to row, pixel to pixel

    panels: address, bytes from one to the next, how many, steps in each.   So one kernel serves all kinds of arrays.
    """
    (x_at, over, down, right), (panels_at, apart, n_panels, steps) = x, panels
    per_group, out = n_panels // groups, y.shape[1] // groups
    across = -(-width // ROWS)
    blocks = len(y) // width * across
    # each thread takes its share of the panels or of the rows, whichever divides better
    by_panels = -(-n_panels // threads) * blocks <= -(-blocks // threads) * n_panels
    rows_first = n_panels * steps * WIDTH <= SMALL_WEIGHT
    right *= stride
    for thread in prange(threads):
        first, last, top, bottom = 0, n_panels, 0, blocks
        if by_panels:
            first, last = thread * n_panels // threads, (thread + 1) * n_panels // threads
        else:
            top, bottom = thread * blocks // threads, (thread + 1) * blocks // threads
        block = np.empty((ROWS, WIDTH), np.float32)
        flat, c = block.reshape(-1), block.ctypes.data
        for i in range((bottom - top) * (last - first)):
            if rows_first:
                m, p = top + i // (last - first), first + i % (last - first)
            else:
                m, p = top + i % (bottom - top), first + i // (bottom - top)
            line, column = m // across, m % across * ROWS
            start = max(0, min(column, width - ROWS))  # the last block of a row overlaps the one before
            g, low = p // per_group, p % per_group * WIDTH
            a = x_at + line // height * over + line % height * stride * down + start * right
            if groups > 1:
                a += g * run * 4
            if rows_first and len(runs) == 1 and m + 1 < bottom:  # this panel's share of the next rows
                share = (p - first) * run // (last - first) * 4, (p - first + 1) * run // (last - first) * 4
                for at in range(share[0], share[1], LINE):
                    for r in range(ROWS, 2 * ROWS):
                        prefetch(a + r * right + at)
            for j in range(len(runs)):
                for k in range(0, run, CHUNK):
                    b, size = panels_at + p * apart + (j * run + k) * WIDTH * 4, min(CHUNK, run - k)
                    if pairs:
                        multiply_pairs(a + runs[j] + k * 4, right, 4, b, c, WIDTH * 4, size, j + k > 0)
                    else:
                        multiply_block(a + runs[j] + k * 4, right, 4, b, c, WIDTH * 4, size, j + k > 0)
            rows, channels = np.uint64(min(ROWS, width - start)), np.uint64(min(WIDTH, out - low))
            corner = np.uint64(line * width + start), np.uint64(g * out + low)
            finish_block(
                block,
                flat,
                np.uint64(column - start),
                rows,
                channels,
                corner[0],
                corner[1],
                bias,
                code,
                scale,
                residual,
                y,
            )


@compiled(fastmath=MAP)
def finish_block(block, flat, skipped, rows, channels, start, low, bias, code, scale, residual, y):
    """y[start + r, low + o] = scale activation(block[r, o] + bias) + residual, for the rows r from `skipped` on.

    block: (ROWS, WIDTH), overwritten; flat: the same memory   bias, scale: (O,)   residual, y: (M, O)
    All indices are unsigned: one that might be negative, and count from the end, would stop the vectoriser.
    """
    if len(bias) and channels == FULL:  # loops of known length, which the compiler writes out
        for r in range(rows):
            for o in range(FULL):
                block[r, o] += bias[low + o]
    elif len(bias):
        for r in range(rows):
            for o in range(channels):
                block[r, o] += bias[low + o]
    activate_row(flat, code)
    if len(scale):
        for r in range(rows):
            for o in range(channels):
                block[r, o] *= scale[low + o]
    if len(residual):
        for r in range(skipped, rows):
            for o in range(channels):
                block[r, o] += residual[start + r, low + o]
    if channels == FULL:
        for r in range(skipped, rows):
            for o in range(FULL):
                y[start + r, low + o] = block[r, o]
    else:
        for r in range(skipped, rows):
            for o in range(channels):
                y[start + r, low + o] = block[r, o]


@compiled()
def panel_memory(steps):
    """A panel (steps, WIDTH) where `multiply_block` can read it: its vectors straddle no cache lines."""
    memory = np.zeros(steps * WIDTH + ALIGNMENT // 4, np.float32)
    skip = (-memory.ctypes.data % ALIGNMENT) // 4
    return memory[skip : skip + steps * WIDTH].reshape(steps, WIDTH)
