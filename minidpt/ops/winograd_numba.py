"""A 3 x 3 convolution of stride 1 by Winograd's way, F(4 x 4, 3 x 3): 16 outputs from 36 products instead of 144.

With d a 6 x 6 tile of the map (tiles overlap by two) and g a kernel, y = A^T [(G g G^T) * (B^T d B)] A gives 4 x 4
outputs. The sums over channels of the 36 products are 36 matrix products. B, G and A belong to polynomials through six
points; those here, 0, 5/8, -5/8, 3/2, -3/2 and infinity, lose half as much to rounding as the usual whole numbers.
[Lavin & Gray 2016; Barabasz et al. 2020]

Each thread takes the tiles of its part of the map from the beginning to the end, so that what it makes stays near it.
Kernels are transformed anew each time: that costs 4 % of it, keeping them would take four times their memory.
"""

from collections.abc import Sequence

import numpy as np
from numba import get_num_threads, prange

from .buffers import LINE, POOL
from .compiling_numba import compiled
from .micro_numba import ROWS, WIDTH, multiply_block
from .product_numba import CHUNK, FULL, NO_ROWS, NOTHING, PAGE, Panels
from .vector_math_numba import MAP, activate_row, relu32

A, B = 5 / 8, 3 / 2
BY_0, BY_A, BY_B = 1 / (A**2 * B**2), 1 / (2 * A**2 * (A**2 - B**2)), 1 / (2 * B**2 * (B**2 - A**2))
A1, A2, A3, B1, B2, B3 = (np.float32(v) for v in (A, A**2, A**3, B, B**2, B**3))
SUM, PRODUCT = np.float32(A**2 + B**2), np.float32(A**2 * B**2)
SIDE, INSIDE = 4, 6  # of a tile of outputs, of inputs
POINTS = INSIDE * INSIDE
TILES = 4 * ROWS  # to a block
SLAB = 64  # channels that are transformed together, in the first cache
# indices are unsigned: one that might be negative, and count from the end, would stop the vectoriser
Neighbours = tuple[np.ndarray, ...]
NO_NEIGHBOURS = np.zeros(0, np.int64), np.zeros(0, np.int64), NOTHING
TWO, THREE, FOUR, FIVE, SIX = (np.uint64(k) for k in (2, 3, 4, 5, 6))
H2, H3, H6, H9, H12, H15 = (np.uint64(k * WIDTH) for k in (2, 3, 6, 9, 12, 15))
(S1, S2, S3, S4, S5, S6, S12, S18, S24, S30) = (np.uint64(k * SLAB) for k in (1, 2, 3, 4, 5, 6, 12, 18, 24, 30))


@compiled(fastmath=MAP)
def _kernel_points(g0, g1, g2):
    """G g: a polynomial's three numbers -> its values at the points, over the product of their distances to others"""
    even_a, odd_a, even_b, odd_b = g0 + A * A * g2, A * g1, g0 + B * B * g2, B * g1
    return (
        g0 * BY_0,
        (even_a + odd_a) * BY_A,
        (even_a - odd_a) * BY_A,
        (even_b + odd_b) * BY_B,
        (even_b - odd_b) * BY_B,
        g2,
    )


@compiled(parallel=True, fastmath=MAP)
def _transform(panels, inner, points, inside):
    """G g G^T of every kernel, computed in float64.   panels: (P, 9 I, WIDTH) -> points: (36, P, I, WIDTH), flat"""
    row, apart = np.uint64(inner * WIDTH), np.uint64(len(panels) * inner * WIDTH)
    for i in prange(len(panels) * inner):
        p, c = i // inner, i % inner
        g, at = panels[p].reshape(-1), np.uint64(i * WIDTH)
        low = np.uint64(c * WIDTH)
        half = np.empty(18 * WIDTH)
        for s in range(inside - 3):
            top = low + np.uint64(s) * row
            to = np.uint64(s * WIDTH)
            for o in range(FULL):
                h0, h1, h2, h3, h4, h5 = _kernel_points(
                    np.float64(g[top + o]), np.float64(g[top + THREE * row + o]), np.float64(g[top + SIX * row + o])
                )
                half[to + o], half[to + H3 + o], half[to + H6 + o] = h0, h1, h2
                half[to + H9 + o], half[to + H12 + o], half[to + H15 + o] = h3, h4, h5
        for r in range(inside):
            left, to = np.uint64(r * 3 * WIDTH), at + np.uint64(r * INSIDE) * apart
            for o in range(FULL):
                q0, q1, q2, q3, q4, q5 = _kernel_points(half[left + o], half[left + FULL + o], half[left + H2 + o])
                points[to + o], points[to + apart + o] = np.float32(q0), np.float32(q1)
                points[to + TWO * apart + o], points[to + THREE * apart + o] = np.float32(q2), np.float32(q3)
                points[to + FOUR * apart + o], points[to + FIVE * apart + o] = np.float32(q4), np.float32(q5)


def conv3x3(
    x: np.ndarray,
    weight: Panels,
    size: tuple[int, int],
    corner: tuple[int, int],
    relu: bool,
    bias: np.ndarray | None,
    code: int,
    residual: np.ndarray | None,
    enlarged: Sequence[Neighbours] = (NO_NEIGHBOURS, NO_NEIGHBOURS),
) -> np.ndarray:
    """activation(x * kernel + bias) + residual, of relu(x) if asked for.   x: (N, H, W, I) -> (N, *size, O)

    weight: float32, rows of the kernel after each other, in each its pixels   code: the activation's
    corner: rows and columns of zeros above and left of the map
    enlarged: of a larger map, of which each tile makes its part from x: for its rows and its columns the two of x
    beside them and how near they are to the second, as `resize.neighbours` has them
    """
    threads, inner = get_num_threads(), x.shape[3]
    stride = inner + (LINE // 4 if inner * 4 % PAGE == 0 else 0)  # else all rows meet in a few lines of the cache
    panels = POOL.empty((POINTS, len(weight.memory), inner, WIDTH))
    _transform(weight.memory, inner, panels.reshape(-1), INSIDE)
    y = POOL.empty((len(x), *size, weight.out))
    inputs = POOL.empty((threads, POINTS * TILES * stride))
    products = POOL.empty((threads, POINTS * TILES * panels.shape[1] * WIDTH))
    added, joined = NOTHING if bias is None else bias, NO_ROWS if residual is None else residual.reshape(-1, weight.out)
    _conv3x3(x, panels, *corner, relu, added, code, joined, y, inputs, products, stride, INSIDE, *enlarged)
    return y


@compiled(parallel=True, fastmath=MAP)
def _conv3x3(x, panels, top, left, relu, bias, code, residual, y, inputs, products, stride, inside, rows, columns):
    n, height, width, _ = y.shape
    inner, n_panels = panels.shape[2], panels.shape[1]
    down, across = -(-height // SIDE), -(-width // SIDE)
    tiles, threads, row = n * down * across, len(inputs), n_panels * WIDTH
    for thread in prange(threads):
        v, m = inputs[thread], products[thread]
        before, after = np.zeros(POINTS * SLAB, np.float32), np.zeros(POINTS * SLAB, np.float32)
        first, last = thread * tiles // threads, (thread + 1) * tiles // threads
        for start in range(first, last, TILES):
            count = min(TILES, last - start)
            for t in range(count):
                _tile_in(
                    x,
                    start + t,
                    down,
                    across,
                    top,
                    left,
                    relu,
                    before,
                    v,
                    t * stride,
                    TILES * stride,
                    inside,
                    rows,
                    columns,
                )
            for point in range(POINTS):
                for p in range(n_panels):
                    b = panels.ctypes.data + (point * n_panels + p) * inner * WIDTH * 4
                    for t in range(0, count, ROWS):
                        a = v.ctypes.data + (point * TILES + t) * stride * 4
                        c = m.ctypes.data + ((point * TILES + t) * row + p * WIDTH) * 4
                        for k in range(0, inner, CHUNK):
                            size = min(CHUNK, inner - k)
                            multiply_block(a + k * 4, stride * 4, 4, b + k * WIDTH * 4, c, row * 4, size, k > 0)
            for t in range(count):
                _tile_out(
                    m, t * row, TILES * row, start + t, down, across, bias, code, residual, before, after, y, inside
                )


@compiled(fastmath=MAP)
def _tile_in(x, tile, down, across, top, left, relu, d, v, at, apart, inside, rows, columns):
    """B^T d B of one tile into v, its 36 points `apart` from each other, from `at` on.   d: (36 SLAB,), to work in

    inside: INSIDE, as a number that the compiler does not know, lest it writes out each of the 36 loops
    """
    _, height, width, channels = x.shape
    if len(rows[0]):
        height, width = len(rows[0]), len(columns[0])
    a1, a2, a3, a4, a5 = (
        np.uint64(apart),
        np.uint64(2 * apart),
        np.uint64(3 * apart),
        np.uint64(4 * apart),
        np.uint64(5 * apart),
    )
    n, h0, w0 = tile // (down * across), tile // across % down * SIDE - top, tile % across * SIDE - left
    for low in range(0, channels, SLAB):
        size, first = np.uint64(min(SLAB, channels - low)), np.uint64(low)
        for r in range(inside):
            for s in range(inside):
                h, w, to = h0 + r, w0 + s, np.uint64((r * INSIDE + s) * SLAB)
                if h < 0 or h >= height or w < 0 or w >= width:
                    for c in range(size):
                        d[to + c] = np.float32(0.0)
                elif len(rows[0]):
                    above, below, lower = rows[0][h], rows[1][h], rows[2][h]
                    before, after, later = columns[0][w], columns[1][w], columns[2][w]
                    upper, earlier = np.float32(1.0) - lower, np.float32(1.0) - later
                    for c in range(size):
                        over = x[n, above, before, first + c] * earlier + x[n, above, after, first + c] * later
                        under = x[n, below, before, first + c] * earlier + x[n, below, after, first + c] * later
                        d[to + c] = over * upper + under * lower
                elif relu:
                    for c in range(size):
                        d[to + c] = relu32(x[n, h, w, first + c])
                else:
                    for c in range(size):
                        d[to + c] = x[n, h, w, first + c]
        for s in range(inside):
            i = np.uint64(s * SLAB)
            for c in range(size):
                p0, p1, p2, p3, p4, p5 = _points(
                    d[i + c],
                    d[i + c + S6],
                    d[i + c + S12],
                    d[i + c + S18],
                    d[i + c + S24],
                    d[i + c + S30],
                )
                d[i + c], d[i + c + S6], d[i + c + S12] = p0, p1, p2
                d[i + c + S18], d[i + c + S24], d[i + c + S30] = p3, p4, p5
        for r in range(inside):
            i, to = np.uint64(r * INSIDE * SLAB), np.uint64(at + low + r * INSIDE * apart)
            for c in range(size):
                p0, p1, p2, p3, p4, p5 = _points(
                    d[i + c],
                    d[i + c + S1],
                    d[i + c + S2],
                    d[i + c + S3],
                    d[i + c + S4],
                    d[i + c + S5],
                )
                v[to + c], v[to + c + a1], v[to + c + a2] = p0, p1, p2
                v[to + c + a3], v[to + c + a4], v[to + c + a5] = p3, p4, p5


@compiled(fastmath=MAP)
def _points(x0, x1, x2, x3, x4, x5):
    """B^T x: six numbers of a row or column -> their polynomial at the six points"""
    even_a, odd_a = x4 - B2 * x2, A1 * (x3 - B2 * x1)
    even_b, odd_b = x4 - A2 * x2, B1 * (x3 - A2 * x1)
    first, last = x4 - SUM * x2 + PRODUCT * x0, x5 - SUM * x3 + PRODUCT * x1
    return first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, last


@compiled(fastmath=MAP)
def _outputs(m0, m1, m2, m3, m4, m5):
    """A^T m: six points -> four outputs"""
    plus_a, minus_a, plus_b, minus_b = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + plus_a + plus_b,
        A1 * minus_a + B1 * minus_b,
        A2 * plus_a + B2 * plus_b,
        A3 * minus_a + B3 * minus_b + m5,
    )


@compiled(fastmath=MAP)
def _tile_out(m, at, apart, tile, down, across, bias, code, residual, d, block, y, inside):
    """activation(A^T m A + bias) + residual into y, of one tile.   d, block: (36 SLAB,), places to work"""
    _, height, width, channels = y.shape
    a6, a12, a18, a24, a30 = (
        np.uint64(6 * apart),
        np.uint64(12 * apart),
        np.uint64(18 * apart),
        np.uint64(24 * apart),
        np.uint64(30 * apart),
    )
    n, h0, w0 = tile // (down * across), tile // across % down * SIDE, tile % across * SIDE
    for low in range(0, channels, SLAB):
        size, first = np.uint64(min(SLAB, channels - low)), np.uint64(low)
        for s in range(inside):
            i, to = np.uint64(at + low + s * apart), np.uint64(s * SLAB)
            for c in range(size):
                q0, q1, q2, q3 = _outputs(
                    m[i + c],
                    m[i + c + a6],
                    m[i + c + a12],
                    m[i + c + a18],
                    m[i + c + a24],
                    m[i + c + a30],
                )
                d[to + c], d[to + c + S6], d[to + c + S12], d[to + c + S18] = q0, q1, q2, q3
        for r in range(inside - 2):
            i, to = np.uint64(r * INSIDE * SLAB), np.uint64(r * SIDE * SLAB)
            for c in range(size):
                q0, q1, q2, q3 = _outputs(
                    d[i + c],
                    d[i + c + S1],
                    d[i + c + S2],
                    d[i + c + S3],
                    d[i + c + S4],
                    d[i + c + S5],
                )
                block[to + c], block[to + c + S1], block[to + c + S2], block[to + c + S3] = q0, q1, q2, q3
        if len(bias):
            for k in range((inside - 2) * SIDE):
                i = np.uint64(k * SLAB)
                for c in range(size):
                    block[i + c] += bias[first + c]
        activate_row(block[: SIDE * SIDE * SLAB], code)
        for r in range(min(SIDE, height - h0)):
            for s in range(min(SIDE, width - w0)):
                i, h, w = np.uint64((r * SIDE + s) * SLAB), h0 + r, w0 + s
                if len(residual):
                    line = (n * height + h) * width + w
                    for c in range(size):
                        y[n, h, w, first + c] = block[i + c] + residual[line, first + c]
                else:
                    for c in range(size):
                        y[n, h, w, first + c] = block[i + c]
