"""The maths is in pointwise.py and conv.py. Here one kernel makes every product, of linear layers and of convolutions.

Each number of y = x W^T takes two numbers from memory for one product. So a block of threads reads a slab of x and one
of W into shared memory, and multiplies each number of the one with every number of the other: in tiles of 128 x 128
what is read once serves 128 products. A thread keeps 8 x 8 sums in registers and reads 16 numbers of the slabs for 64
products. While it multiplies, the next slab is on its way. benchmarks/README.md has what the compiler makes of it.

A convolution is the same product. Row m of its x is what the kernel sees from output pixel m, gathered while a slab is
read (`pixel_under`): it is never written down. A linear layer is the convolution whose kernel sees one pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from .activations_cuda import CODES, activated
from .device_cuda import SIMULATED, DeviceArray, Kernel, absent, cuda, device_function, empty, kernel, start, upload

QUAD = 2 if SIMULATED else 4  # floats that one instruction reads from shared memory, where they lie at a multiple of it
QUAD_BYTES = 4 * QUAD
SIDE = 2 * QUAD  # a thread has SIDE x SIDE sums: two quads of rows, half a tile apart, times two of columns
DEPTH = 4 if SIMULATED else 8  # of a slab: how many terms of each sum it holds
# A warp's threads lie like this over its part of the tile. They read 4 neighbouring quads of x and 8 of W: no two of
# different numbers in the same bank.
LANES_DOWN, LANES_ACROSS = (2, 1) if SIMULATED else (4, 8)
WARP = LANES_DOWN * LANES_ACROSS
REGISTERS = 128  # of a thread with a large tile: two blocks fit a multiprocessor
# Numba lets negative indices count from the end. `& MANY` changes no index here, and tells the compiler that none is
# negative, which spares the test at each load.
MANY = (1 << 40) - 1
ZERO, NO_FLOOR = np.float32(0), np.float32(-np.inf)

Where = tuple[int, ...]  # as of `pixel_under`


@dataclass(frozen=True)
class Tile:
    """The part of y that a block of threads makes."""

    rows: int
    columns: int

    @property
    def threads(self) -> int:
        return self.rows * self.columns // SIDE**2

    def grid(self, rows: int, columns: int) -> int:
        """How many cover so many rows and columns."""
        return -(-rows // self.rows) * -(-columns // self.columns)


LARGE, SMALL = (Tile(16, 8), Tile(16, 4)) if SIMULATED else (Tile(128, 128), Tile(64, 64))
MANY_TILES = 3 if SIMULATED else 264  # two for each multiprocessor of an H100; fewer large ones would leave some idle
PANEL = SMALL.columns


class Multiplier(Protocol):
    """A weight that multiplies rows: with our own kernel, or in cublas_cuda.py with NVIDIA's library."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def multiply(self) -> Callable[..., DeviceArray]: ...


@dataclass(frozen=True)
class Weight:
    """A weight as tiles read it.

    shape: (O, I) or (O, I, R, S)   panels: (ceil(O / PANEL), rows, PANEL), zeros beyond the weight
    A panel has a row for every term of the sums of PANEL output channels. One pixel of the kernel comes after the
    other, its channels filled up to whole slabs; at the end a slab of zeros, so that a part may begin at any row.
    """

    shape: tuple[int, ...]
    panels: DeviceArray

    def multiply(self, x: DeviceArray, **finish: Any) -> DeviceArray:
        """x W^T of rows, and what follows a product: see `gathered_product`.   x: (M, I)   -> (M, O)"""
        rows = len(x)
        return gathered_product(x, self, rows, (1, rows, 1, rows, 1, 1, 0, 0, 1), **finish)


def weight_of(weight: np.ndarray) -> Weight:
    """The host's weight (O, I) or (O, I, R, S), laid out and brought to the card."""
    out, inner = weight.shape[:2]
    terms = weight.reshape(out, inner, -1).transpose(0, 2, 1)  # (O, R S, I)
    positions, filled, panels = terms.shape[1], -(-inner // DEPTH) * DEPTH, -(-out // PANEL)
    laid = np.zeros((panels * PANEL, positions * filled + DEPTH), np.float32)
    laid[:out, : positions * filled].reshape(out, positions, filled)[..., :inner] = terms
    return Weight(weight.shape, upload(laid.reshape(panels, PANEL, -1).transpose(0, 2, 1)))


# ---------------------------------------------------------------- the kernel


@device_function
def pixel_under(m, position, where):
    """Which input pixel lies under that position of the kernel for output pixel m, or -1 outside the map.

    where: (H, W, H', W', S, stride, top, left, dilation)
    """
    height, width, out_height, out_width, across, stride, top, left, dilation = where
    line, column = m // out_width, m % out_width
    picture, line = line // out_height, line % out_height
    h = line * stride - top + position // across * dilation
    w = column * stride - left + position % across * dilation
    if h < 0 or h >= height or w < 0 or w >= width:
        return -1
    return (picture * height + h) * width + w


def product_kernel(tile: Tile) -> Kernel:
    """The kernel that makes y in tiles of that size."""
    rows, columns, threads = tile.rows, tile.columns, tile.threads
    half_rows, half_columns = rows // 2, columns // 2
    # A spare quad before each row of a slab: else the rows, written side by side, share their banks, and the compiler
    # for cards before Blackwell does not see that a first quad lies at a multiple of its size.
    x_width, w_width = QUAD + rows, QUAD + columns
    x_loads, w_loads = rows * DEPTH // threads, columns * DEPTH // threads  # of each thread for a slab
    x_step, w_step = threads // DEPTH, threads // columns  # rows from one of them to the next
    warps_across = columns // (SIDE * LANES_ACROSS)
    lines = rows // SIDE

    @kernel(
        "float32[::1], UniTuple(int64, 9), UniTuple(int64, 7), float32, float32[::1], "
        "float32[:,::1], float32[::1], float32[:,::1], float32[:,::1]",
        max_registers=REGISTERS if tile == LARGE else None,
    )
    def product(x, where, sizes, floor, panels, bias, scale, residual, y):
        """One tile of y, of max(x, floor); arguments as `gathered_product` gives them."""
        channels, positions, groups, panel_size, first_row, span, code = sizes
        x_slab = cuda.shared.array((2, DEPTH, x_width), np.float32, alignment=QUAD_BYTES)
        w_slab = cuda.shared.array((2, DEPTH, w_width), np.float32, alignment=QUAD_BYTES)
        block = cuda.shared.array((lines, columns), np.float32, alignment=QUAD_BYTES)
        sums = cuda.local.array((SIDE, SIDE), np.float32)
        left = cuda.local.array(SIDE, np.float32)
        right = cuda.local.array(SIDE, np.float32)
        next_x = cuda.local.array(x_loads, np.float32)
        next_w = cuda.local.array(w_loads, np.float32)
        place = cuda.local.array(x_loads, np.int64)

        t = cuda.threadIdx.x & (threads - 1)  # all of it, and seen not to be negative
        lane, warp = t % WARP, t // WARP
        top = (lane // LANES_ACROSS + warp // warps_across * LANES_DOWN) * QUAD
        side = (lane % LANES_ACROSS + warp % warps_across * LANES_ACROSS) * QUAD
        k, row = t % DEPTH, t // DEPTH  # of the first number of x that this thread reads

        inner, out = channels // groups, y.shape[1] // groups  # channels of one group
        tiles_across = (out + columns - 1) // columns
        tiles = (y.shape[0] + rows - 1) // rows * tiles_across
        group, at = cuda.blockIdx.x // tiles, cuda.blockIdx.x % tiles
        first, low = at // tiles_across * rows, at % tiles_across * columns

        w_row, column = t // columns, t % columns  # and of W
        o = min(group * out + low + column, y.shape[1] - 1)
        start = o // PANEL * panel_size + (first_row + w_row) * PANEL + o % PANEL
        slabs = positions * ((inner + DEPTH - 1) // DEPTH)
        for i in range(SIDE):
            for j in range(SIDE):
                sums[i, j] = ZERO
        position, c = -1, inner
        for slab in range(-1, slabs):
            if slab + 1 < slabs:  # ask for the next one
                c += DEPTH
                if c >= inner:  # of the kernel's next pixel
                    position, c = position + 1, 0
                    for i in range(x_loads):
                        m = first + row + i * x_step
                        place[i] = -1
                        if m < y.shape[0]:
                            place[i] = pixel_under(m, position, where)
                        if place[i] >= 0:
                            place[i] = place[i] * channels + group * inner + k
                for i in range(x_loads):
                    next_x[i] = x[(place[i] + c) & MANY] if c + k < inner and place[i] >= 0 else ZERO
                at = (start + (slab + 1) * DEPTH * PANEL) & MANY
                for i in range(w_loads):
                    next_w[i] = panels[at + i * w_step * PANEL]
            if slab >= 0:  # multiply the present one
                now = slab & 1
                d = 0
                while d < DEPTH:  # in a `for` the compiler would not see that d is not negative
                    for i in range(QUAD):
                        left[i] = x_slab[now, d, QUAD + top + i]
                    for i in range(QUAD):
                        left[QUAD + i] = x_slab[now, d, QUAD + half_rows + top + i]
                    for j in range(QUAD):
                        right[j] = w_slab[now, d, QUAD + side + j]
                    for j in range(QUAD):
                        right[QUAD + j] = w_slab[now, d, QUAD + half_columns + side + j]
                    for i in range(SIDE):
                        for j in range(SIDE):
                            sums[i, j] += left[i] * right[j]
                    d += 1
            if slab + 1 < slabs:  # it has come
                later = (slab + 1) & 1
                for i in range(x_loads):
                    v = next_x[i]
                    x_slab[later, k, QUAD + row + i * x_step] = floor if v < floor else v
                for i in range(w_loads):
                    w_slab[later, w_row + i * w_step, QUAD + column] = next_w[i]
            cuda.syncthreads()

        for i in range(SIDE):  # a line of each thread at a time, handed over so that neighbours write to neighbours
            for j in range(SIDE):
                block[top // QUAD, side + j % QUAD + j // QUAD * half_columns] = sums[0, j]
            for line in range(SIDE - 1):  # the next one moves up: registers have no index that changes
                for j in range(SIDE):
                    sums[line, j] = sums[line + 1, j]
            cuda.syncthreads()
            of_thread = i % QUAD + i // QUAD * half_rows
            for n in range(t, lines * columns, threads):
                m, o = first + n // columns * QUAD + of_thread, low + n % columns
                if m < y.shape[0] and o < out:
                    v, o = block[n // columns, n % columns], group * out + o
                    if bias.shape[0]:
                        v += bias[m // span, o]
                    v = activated(v, code)
                    if scale.shape[0]:
                        v *= scale[o]
                    if residual.shape[0]:
                        v += residual[m, o]
                    y[m, o] = v
            cuda.syncthreads()

    return product


PRODUCTS = {tile: product_kernel(tile) for tile in (LARGE, SMALL)}


# ---------------------------------------------------------------- products and linear layers


def gathered_product(
    x: DeviceArray,
    weight: Weight,
    rows: int,
    where: Where,
    *,
    groups: int = 1,
    relu: bool = False,
    first_row: int = 0,
    bias: DeviceArray | None = None,
    activation: str | None = None,
    scale: DeviceArray | None = None,
    residual: DeviceArray | None = None,
) -> DeviceArray:
    """y[m] = scale activation(the pixels of x that the kernel sees from m, times W, + bias) + residual[m]

    x: (pixels, C)   rows: M   where: as of `pixel_under`   relu: x is max(x, 0)   first_row: of W in its panels
    bias: (O,), or (P, O) for P equal runs of the rows   scale: (O,)   residual: M O numbers in any shape   -> (M, O)
    """
    out, channels, positions = weight.shape[0], x.shape[1], prod(weight.shape[2:])
    if residual is not None and residual.size != rows * out:
        raise ValueError(f"a product of {rows} x {out} numbers and a residual {residual.shape} differ in size")
    y, biases = empty((rows, out)), absent(2) if bias is None else bias.reshape(-1, out)
    panel_size, span = weight.panels.shape[1] * PANEL, rows // max(1, len(biases))
    tile = LARGE if groups * LARGE.grid(rows, out // groups) >= MANY_TILES else SMALL
    start(
        PRODUCTS[tile],
        groups * tile.grid(rows, out // groups),
        tile.threads,
        x.reshape(-1),
        where,
        (channels, positions, groups, panel_size, first_row, span, CODES[activation]),
        ZERO if relu else NO_FLOOR,
        weight.panels.reshape(-1),
        biases,
        absent(1) if scale is None else scale,
        absent(2) if residual is None else residual.reshape(rows, out),
        y,
    )
    return y


def linear(
    x: DeviceArray,
    weight: Multiplier,
    bias: DeviceArray | None = None,
    *,
    activation: str | None = None,
    scale: DeviceArray | None = None,
    residual: DeviceArray | None = None,
) -> DeviceArray:
    if x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: x {x.shape} does not end in the {weight.shape[1]} columns of weight {weight.shape}")
    rows = x.reshape(-1, x.shape[-1])
    y = weight.multiply(rows, bias=bias, activation=activation, scale=scale, residual=residual)
    return y.reshape(*x.shape[:-1], weight.shape[0])


def linear_with_token(
    x: DeviceArray,
    token: DeviceArray,
    weight: Multiplier,
    bias: DeviceArray | None = None,
    *,
    activation: str | None = None,
) -> DeviceArray:
    """As in pointwise.py; what the appended token adds to the sums is computed once for all the others."""
    n, t, d = x.shape
    if d + token.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: x {x.shape} and token {token.shape} do not fit the columns of weight {weight.shape}")
    added = weight.multiply(token.reshape(n, -1), first_row=d, bias=bias)
    y = weight.multiply(x.reshape(n * t, d), bias=added, activation=activation)
    return y.reshape(n, t, weight.shape[0])
