"""Products of maps with weights, and all that follows them, a block of ROWS x WIDTH numbers at a time while that is in
the first cache. A linear layer is a convolution over one long row of pixels, so one kernel does both.
Where the CPU has tile registers, products of bfloat16 numbers are theirs, HEIGHT rows at a time (tiles_numba.py).

The weight is laid out once, as panels of WIDTH output channels: (P, K, WIDTH), read from front to back. The map is read
where it lies: what a kernel's row sees of it, S pixels of C channels, is one run of memory. On dpt-large's linear
layers: 1.15 times OpenBLAS, which lays both out anew in every product.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numba import get_num_threads, prange

from .buffers import LINE, POOL, aligned
from .compiling_numba import compiled
from .micro_numba import ALIGNMENT, ROWS, WIDTH, multiply_block, multiply_pairs, prefetch
from .tiles_numba import HEIGHT, TERMS, close_tiles, granted, multiply_tiles, multiply_tiles_twice, open_tiles
from .vector_math_numba import MAP, activate_row, bfloat16_bits, bfloat16_value

NOTHING = np.zeros(0, np.float32)  # stands for an absent bias, scale or residual
NO_ROWS = np.zeros((0, 0), np.float32)
ONE_RUN = np.zeros(1, np.int64)
FULL = np.uint64(WIDTH)
CHUNK = 256  # terms to a partial sum: keeps float32's rounding as small as BLAS's
SMALL_WEIGHT = 1 << 17  # numbers: panels that stay in the second cache together
PAGE = 4096  # bytes
TILE_ERRORS = {1: 1e-2, 2: 3e-5}  # parts -> four times and more the relative error that rounding makes on tiles


@dataclass(frozen=True)
class Panels:
    """A weight (O, K) of a linear layer, or of a convolution whose K numbers lie as its kernel sees the map.

    memory: (groups P, K, WIDTH) float32, zeros beyond each group's last channel; or of bfloat16 numbers,
    (parts, groups P, K / 2, 2 WIDTH) uint16, where two neighbours of K lie beside each other, zeros beyond the last
    parts: bfloat16 numbers whose sum stands for one of the weight's: 1 or 2, 0 for float32   tiles: use them
    """

    memory: np.ndarray
    out: int
    inner: int
    groups: int = 1
    tiles: bool = False

    def split(self, inner: int) -> "tuple[Panels, Panels]":
        """Its first `inner` terms, a multiple of `unit`, and the others, as weights of their own."""
        steps = inner // 2 if self.parts else inner
        first, second = self.memory[..., :steps, :], self.memory[..., steps:, :]
        return replace(self, memory=first, inner=inner), replace(self, memory=second, inner=self.inner - inner)

    @property
    def parts(self) -> int:
        return len(self.memory) if self.memory.dtype == np.uint16 else 0

    @property
    def unit(self) -> int:
        """Terms to a step, whose multiples `split` cuts at."""
        return TERMS if self.parts else 1

    def height(self, run: int) -> int:
        """Rows of x to a block, in a product whose runs are `run` times 4 bytes long; as many must be there."""
        return HEIGHT if self.tiles and self.parts and run % (TERMS // 2) == 0 else ROWS


def panels_of(weight: np.ndarray, groups: int = 1, *, parts: int = 0, tiles: bool = False) -> Panels:
    """weight: (O, K)   parts, tiles: see `Panels`; two parts are for tiles only"""
    out, inner = weight.shape
    count, rows = -(-(out // groups) // WIDTH), np.ascontiguousarray(weight).reshape(groups, -1, inner)
    if parts:
        memory = aligned((parts, groups * count, -(-inner // TERMS) * TERMS // 2, 2 * WIDTH), np.uint16)
        _lay_pairs(rows, memory.reshape(parts, groups, count, *memory.shape[2:]))
    else:
        memory = aligned((groups * count, inner, WIDTH))
        _lay(rows, memory.reshape(groups, count, *memory.shape[1:]))
    return Panels(memory, out, inner, groups, tiles)


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
    """weight: (groups, O, K) -> panels: (parts, groups, P, K / 2, 2 WIDTH)"""
    parts, groups, count, steps, _ = panels.shape
    out, inner = weight.shape[1:]
    for i in prange(groups * count):
        g, p = i // count, i % count
        for k in range(steps):
            for o in range(2 * WIDTH):
                channel, term = p * WIDTH + o // 2, 2 * k + o % 2
                v = weight[g, channel, term] if channel < out and term < inner else np.float32(0.0)
                high = bfloat16_bits(v)
                panels[0, g, p, k, o] = high
                if parts == 2:
                    panels[1, g, p, k, o] = bfloat16_bits(v - bfloat16_value(high))


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
    run = weight.memory.shape[-2]
    if weight.parts:
        rows = _halves(np.ascontiguousarray(x), weight.parts, 2 * run, weight.height(run))
    elif x.strides[1] != 4 or x.strides[0] % PAGE == 0 or len(x) < ROWS:
        rows = _apart(np.ascontiguousarray(x))
    y = POOL.empty((1, 1, len(x), weight.out))
    multiply(rows[..., None, None, :, :], weight, ONE_RUN, run, 1, bias, code, scale, residual, y)
    return y[0, 0]


def _apart(x: np.ndarray) -> np.ndarray:
    """A copy of the rows, at least ROWS of them, which do not lie whole pages apart: those would all fall into the same
    few lines of the first cache."""
    rows, width = max(len(x), ROWS), x.shape[1]
    spread = POOL.empty((rows, width + LINE // 4))[:, :width]
    _copy(x, spread)
    return spread


def _halves(x: np.ndarray, parts: int, width: int, height: int) -> np.ndarray:
    """The rows in bfloat16, apart in the same sense.   (M, K) -> (parts, M', width), zeros beyond x; M' >= height"""
    lines = -(-width * 2 // LINE) | 1  # an odd number of them from row to row is never whole pages
    halves = POOL.empty((parts, max(len(x), height), lines * LINE // 4)).view(np.uint16)
    _copy_halves(x, halves)
    return halves[..., :width]


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
    """x: (M, K) -> y: (parts, M', K'), zeros beyond x"""
    for i in prange(y.shape[1]):
        if i >= len(x):
            y[:, i] = np.uint16(0)
            continue
        for k in range(x.shape[1]):
            y[0, i, k] = bfloat16_bits(x[i, k])
        if len(y) == 2:
            for k in range(x.shape[1]):
                y[1, i, k] = bfloat16_bits(x[i, k] - bfloat16_value(y[0, i, k]))
        y[:, i, x.shape[1] :] = np.uint16(0)


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

    x: (N, H, W, C), of which weight.height(run) pixels to a row may be read; (parts, N, H, W, C) where the weight has
    parts   y: (N, H', W', O)
    runs: where each run that the kernel sees begins, in bytes from its first pixel   run: its length, in 4 bytes
    """
    joined = NO_ROWS if residual is None else residual.reshape(-1, weight.out)
    maps, panels = (x, weight.memory) if weight.parts else (x[None], weight.memory[None])
    _multiply(
        (maps.ctypes.data, *maps.strides[:4]),
        (panels.ctypes.data, *panels.strides[:2], *panels.shape[:3]),
        weight.parts > 0,
        weight.height(run),
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
def _multiply(
    x, panels, pairs, rows, groups, runs, run, stride, bias, code, scale, residual, y, height, width, threads
):
    """x: address; bytes from part to part, picture to picture, row to row, pixel to pixel

    panels: address; bytes from part to part, panel to panel; parts, panels, steps to a panel.   So one kernel serves
    all kinds of arrays.   rows: to a block, ROWS or, of tiles, HEIGHT
    """
    x_at, to_part, over, down, right = x
    panels_at, to_low, apart, parts, n_panels, steps = panels
    per_group, out = n_panels // groups, y.shape[1] // groups
    across = -(-width // rows)
    blocks = len(y) // width * across
    # each thread takes its share of the panels or of the rows, whichever divides better
    by_panels = -(-n_panels // threads) * blocks <= -(-blocks // threads) * n_panels
    rows_first = parts * n_panels * steps * WIDTH <= SMALL_WEIGHT
    right *= stride
    for thread in prange(threads):
        first, last, top, bottom = 0, n_panels, 0, blocks
        if by_panels:
            first, last = thread * n_panels // threads, (thread + 1) * n_panels // threads
        else:
            top, bottom = thread * blocks // threads, (thread + 1) * blocks // threads
        block = panel_memory(rows)
        flat, c = block.reshape(-1), block.ctypes.data
        if rows == HEIGHT:
            open_tiles()
        for i in range((bottom - top) * (last - first)):
            if rows_first:
                m, p = top + i // (last - first), first + i % (last - first)
            else:
                m, p = top + i % (bottom - top), first + i // (bottom - top)
            line, column = m // across, m % across * rows
            start = max(0, min(column, width - rows))  # the last block of a row overlaps the one before
            g, low = p // per_group, p % per_group * WIDTH
            a = x_at + line // height * over + line % height * stride * down + start * right
            if groups > 1:
                a += g * run * 4
            if rows_first and len(runs) == 1 and m + 1 < bottom:  # this panel's share of the next rows
                share = (p - first) * run // (last - first) * 4, (p - first + 1) * run // (last - first) * 4
                for at in range(share[0], share[1], LINE):
                    for r in range(rows, 2 * rows):
                        prefetch(a + r * right + at)
            for j in range(len(runs)):
                source, panel = a + runs[j], panels_at + p * apart + j * run * WIDTH * 4
                if rows == HEIGHT:
                    count = run * 2 // TERMS
                    if parts == 2:
                        low_x, low_panel = source + to_part, panel + to_low
                        multiply_tiles_twice(source, low_x, right, panel, low_panel, c, WIDTH * 4, count, j > 0)
                    else:
                        multiply_tiles(source, right, panel, c, WIDTH * 4, count, j > 0)
                    continue
                for k in range(0, run, CHUNK):
                    at, b, size = source + k * 4, panel + k * WIDTH * 4, min(CHUNK, run - k)
                    if pairs:
                        multiply_pairs(at, right, 4, b, c, WIDTH * 4, size, j + k > 0)
                    else:
                        multiply_block(at, right, 4, b, c, WIDTH * 4, size, j + k > 0)
            lines, channels = np.uint64(min(rows, width - start)), np.uint64(min(WIDTH, out - low))
            skipped, corner = np.uint64(column - start), (np.uint64(line * width + start), np.uint64(g * out + low))
            finish_block(block, flat, skipped, lines, channels, corner, bias, code, scale, residual, y)
        if rows == HEIGHT:
            close_tiles()


@compiled(fastmath=MAP)
def finish_block(block, flat, skipped, rows, channels, corner, bias, code, scale, residual, y):
    """y[start + r, low + o] = scale activation(block[r, o] + bias) + residual, for the rows r from `skipped` on.

    corner: (start, low)

    block: (rows of a block, WIDTH), overwritten; flat: the same memory   bias, scale: (O,)   residual, y: (M, O)
    All indices are unsigned: one that might be negative, and count from the end, would stop the vectoriser.
    """
    start, low = corner
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


@cache
def tiles_refused() -> str | None:
    """Why tiles are not to be used here, or None: the system must grant them, and products on them be right."""
    if not granted():
        return "the system grants no AMX tiles"
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((40, 70), (50, 70)))
    exact = x.astype(np.float64) @ weight.T
    for parts, bound in TILE_ERRORS.items():
        with POOL:
            y = product(x, panels_of(weight, parts=parts, tiles=True))
        error = np.linalg.norm(y - exact) / np.linalg.norm(exact)
        if not error < bound:  # nor if it is no number
            return f"a product on AMX tiles was {error:.0e} off"
    return None


@compiled()
def panel_memory(steps):
    """A panel (steps, WIDTH) where `multiply_block` can read it: its vectors straddle no cache lines."""
    memory = np.zeros(steps * WIDTH + ALIGNMENT // 4, np.float32)
    skip = (-memory.ctypes.data % ALIGNMENT) // 4
    return memory[skip : skip + steps * WIDTH].reshape(steps, WIDTH)
