"""The maths is in pointwise.py and conv.py. Here one kernel makes every product, of linear layers and convolutions alike.

y = x W^T takes two numbers from memory for each product of two. A block of threads reads a slab of x and a slab of W into
shared memory and multiplies each number of the one with all of the other: in tiles of 128 x 128 each is read once for 128
products. Each thread keeps 8 x 8 sums in registers, and takes 16 numbers from shared memory for 64 products. The next
slab is on its way from memory while the present one is multiplied.

A convolution is the same product. Row m of its x is what the kernel sees from output pixel m, and is gathered while a
slab is read (`pixel_under`): it is never written down. A linear layer is the convolution whose kernel sees one pixel.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .activations_cuda import CODES, activated
from .device_cuda import SIMULATED, DeviceArray, Kernel, absent, cuda, device_function, empty, kernel, start, upload

QUAD = 4  # floats that one instruction brings from shared memory, where they begin at a multiple of their size
QUAD_BYTES = 4 * QUAD
SIDE = 2 * QUAD  # a thread has SIDE x SIDE sums: two quads of rows times two quads of columns
DEPTH = 2 if SIMULATED else 8  # of a slab: terms of every sum that are in shared memory at a time
# A warp's threads lie like this over its part of the tile: its reads of x are 4 neighbouring quads, of W 8 neighbouring
# ones, and no two fall into the same bank.
LANES_DOWN, LANES_ACROSS = (2, 1) if SIMULATED else (4, 8)
WARP = LANES_DOWN * LANES_ACROSS
ZERO, NO_FLOOR = np.float32(0), np.float32(-np.inf)

Where = tuple[int, ...]  # see `pixel_under`


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


LARGE, SMALL = (Tile(32, 16), Tile(16, 8)) if SIMULATED else (Tile(128, 128), Tile(64, 64))
MANY_TILES = 3 if SIMULATED else 264  # two for each multiprocessor of an H100; fewer large tiles leave some idle
PANEL = SMALL.columns


@dataclass(frozen=True)
class Weight:
    """A weight as tiles read it: PANEL output channels side by side, one row for each term of their sums.

    shape: (O, I) or (O, I, R, S)   panels: (ceil(O / PANEL), rows, PANEL), zeros beyond the weight.
    The rows of one pixel of the kernel after the other's, of each its channels, padded to whole slabs; and a slab more,
    so that a product may begin at any row.
    """

    shape: tuple[int, ...]
    panels: DeviceArray


def weight_of(weight: np.ndarray) -> Weight:
    """The host's weight (O, I) or (O, I, R, S), laid out and brought to the card."""
    out, inner = weight.shape[:2]
    positions = weight.reshape(out, inner, -1)
    count, padded, panels = positions.shape[2], whole_slabs(inner) * DEPTH, -(-out // PANEL)
    laid = np.zeros((panels * PANEL, count * padded + DEPTH), np.float32)
    laid[:out, : count * padded].reshape(out, count, padded)[:, :, :inner] = positions.transpose(0, 2, 1)
    return Weight(weight.shape, upload(laid.reshape(panels, PANEL, -1).transpose(0, 2, 1)))


def whole_slabs(terms: int) -> int:
    """How many slabs hold so many terms."""
    return -(-terms // DEPTH)


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
    padded_rows, padded_columns = rows + QUAD, columns + QUAD  # else the columns of a slab, which are written together, share their banks
    x_loads, w_loads = rows * DEPTH // threads, columns * DEPTH // threads
    warps_across = columns // (SIDE * LANES_ACROSS)
    lines = rows // SIDE
    finishes = lines * columns // threads

    @kernel(
        "float32[:,::1], UniTuple(int64, 9), int64, int64, float32, float32[:,:,::1], int64, "
        "float32[:,::1], int64, int64, float32[::1], float32[:,::1], float32[:,::1]"
    )
    def product(x, where, positions, groups, floor, panels, first_row, bias, span, code, scale, residual, y):
        """y[m, o] = scale activation(sum of x W + bias) + residual   for one tile of y; arguments as in `multiply`"""
        x_slab = cuda.shared.array((2, DEPTH, padded_rows), np.float32, alignment=QUAD_BYTES)
        w_slab = cuda.shared.array((2, DEPTH, padded_columns), np.float32, alignment=QUAD_BYTES)
        block = cuda.shared.array((lines, columns), np.float32, alignment=QUAD_BYTES)
        sums = cuda.local.array((SIDE, SIDE), np.float32)
        left = cuda.local.array(SIDE, np.float32)
        right = cuda.local.array(SIDE, np.float32)
        next_x = cuda.local.array(x_loads, np.float32)
        next_w = cuda.local.array(w_loads, np.float32)
        pixel = cuda.local.array(x_loads, np.int64)

        t = cuda.threadIdx.x & (threads - 1)  # all of it, but so the compiler knows that it is not negative
        lane, warp = t % WARP, t // WARP
        top = (lane // LANES_ACROSS + warp // warps_across * LANES_DOWN) * QUAD
        side = (lane % LANES_ACROSS + warp % warps_across * LANES_ACROSS) * QUAD
        k, row = t % DEPTH, t // DEPTH  # of the first number of x that this thread brings

        inner, out = x.shape[1] // groups, y.shape[1] // groups  # channels of one group
        tiles_across = (out + columns - 1) // columns
        tiles = (y.shape[0] + rows - 1) // rows * tiles_across
        group, at = cuda.blockIdx.x // tiles, cuda.blockIdx.x % tiles
        first, low = at // tiles_across * rows, at % tiles_across * columns
        channel, last_panel = group * out + low, panels.shape[0] - 1

        slabs_of_pixel = (inner + DEPTH - 1) // DEPTH
        slabs = positions * slabs_of_pixel
        for i in range(SIDE):
            for j in range(SIDE):
                sums[i, j] = ZERO
        for slab in range(-1, slabs):
            if slab + 1 < slabs:  # start to bring the next one
                part = (slab + 1) % slabs_of_pixel
                if part == 0:
                    for i in range(x_loads):
                        m = first + row + i * (threads // DEPTH)
                        pixel[i] = -1
                        if m < y.shape[0]:
                            pixel[i] = pixel_under(m, (slab + 1) // slabs_of_pixel, where)
                c = part * DEPTH + k
                for i in range(x_loads):
                    next_x[i] = x[pixel[i], group * inner + c] if c < inner and pixel[i] >= 0 else ZERO
                for i in range(w_loads):
                    n = t + i * threads
                    o = channel + n % columns
                    panel = min(o // PANEL, last_panel)  # beyond it lie columns that y does not have
                    next_w[i] = panels[panel, first_row + (slab + 1) * DEPTH + n // columns, o % PANEL]
            if slab >= 0:
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
            if slab + 1 < slabs:
                later = (slab + 1) & 1
                for i in range(x_loads):
                    v = next_x[i]
                    x_slab[later, k, QUAD + row + i * (threads // DEPTH)] = floor if v < floor else v
                for i in range(w_loads):
                    n = t + i * threads
                    w_slab[later, n // columns, QUAD + n % columns] = next_w[i]
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


KERNELS = {tile: product_kernel(tile) for tile in (LARGE, SMALL)}


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

    x: (pixels, C)   rows: M   where: as of `pixel_under`   relu: of x, first   first_row: of the panels, for a part of W
    bias: (O,), or (P, O) for P equal runs of the rows   scale: (O,)   residual: (M, O) in any shape   -> (M, O)
    """
    out = weight.shape[0]
    positions = prod(weight.shape[2:])
    if residual is not None and residual.size != rows * out:
        raise ValueError(f"a product of {rows} x {out} numbers and a residual {residual.shape} differ in size")
    biases = absent(2) if bias is None else bias.reshape(-1, out)
    tile = LARGE if groups * LARGE.grid(rows, out // groups) >= MANY_TILES else SMALL
    blocks, y = groups * tile.grid(rows, out // groups), empty((rows, out))
    start(
        *(KERNELS[tile], blocks, tile.threads, x, where, positions, groups, ZERO if relu else NO_FLOOR),
        *(weight.panels, first_row, biases, rows // max(1, len(biases)), CODES[activation]),
        *(absent(1) if scale is None else scale, absent(2) if residual is None else residual.reshape(rows, out), y),
    )
    return y


def multiply(x: DeviceArray, weight: Weight, **finish: Any) -> DeviceArray:
    """x W^T of rows, and what follows a product: see `gathered_product`.   x: (M, I)   -> (M, O)"""
    rows = len(x)
    return gathered_product(x, weight, rows, (1, rows, 1, rows, 1, 1, 0, 0, 1), **finish)


def linear(
    x: DeviceArray,
    weight: Weight,
    bias: DeviceArray | None = None,
    *,
    activation: str | None = None,
    scale: DeviceArray | None = None,
    residual: DeviceArray | None = None,
) -> DeviceArray:
    if x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: x {x.shape} does not end in the {weight.shape[1]} columns of weight {weight.shape}")
    rows = x.reshape(-1, x.shape[-1])
    y = multiply(rows, weight, bias=bias, activation=activation, scale=scale, residual=residual)
    return y.reshape(*x.shape[:-1], weight.shape[0])


def linear_with_token(
    x: DeviceArray,
    token: DeviceArray,
    weight: Weight,
    bias: DeviceArray | None = None,
    *,
    activation: str | None = None,
) -> DeviceArray:
    """As in pointwise.py; what the appended token adds to the sums is computed once for all the others."""
    n, t, d = x.shape
    if d + token.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: x {x.shape} and token {token.shape} do not fit the columns of weight {weight.shape}")
    added = multiply(token.reshape(n, -1), weight, first_row=d, bias=bias)
    y = multiply(x.reshape(n * t, d), weight, bias=added, activation=activation)
    return y.reshape(n, t, weight.shape[0])
