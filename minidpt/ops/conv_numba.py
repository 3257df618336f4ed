"""The maths is in conv.py. Here a 3 x 3 convolution of stride 1 takes the way of Winograd: F(2 x 2, 3 x 3), four
outputs from sixteen products instead of thirty-six. Any other one reads its receptive fields into rows, a band of the
map at a time, and leaves one product per band to BLAS. 4x on dpt-large's fusion, 2x with a stride.

With d a 4 x 4 tile of the map (tiles overlap by two) and g a kernel, y = A^T [(G g G^T) * (B^T d B)] A gives 2 x 2
outputs. The sums over channels of the sixteen products are sixteen matrix products.   [Lavin & Gray 2016]
"""

from dataclasses import dataclass

import numpy as np
from numba import prange

from . import conv
from .buffers import POOL
from .compiling_numba import compiled
from .conv import Padding, output_size, padding_pairs
from .pointwise_numba import NO_ROWS, NOTHING, activate, finish
from .vector_math_numba import CODES, MAP, activate_row, relu32

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
BAND_FLOATS = 1 << 21  # what a band's rows, or a band's transformed tiles, may take: 8 MB, near to the caches


@dataclass
class Kernel:
    """A convolution's weight.   plain: (O, I, R, S)   transformed: G g G^T, (16, I, O), made when first needed"""

    plain: np.ndarray
    transformed: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.plain.shape

    def winograd(self) -> np.ndarray:
        if self.transformed is None:
            wide = np.einsum("ir,ocrs,js->ijco", G, self.plain.astype(np.float64), G, optimize=True)
            self.transformed = np.ascontiguousarray(wide.reshape(16, *wide.shape[2:]), np.float32)
        return self.transformed


def conv2d(
    x: np.ndarray,
    weight: Kernel,
    bias: np.ndarray | None = None,
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pre_activation: str | None = None,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    plain = weight.plain
    fits = x.shape[-1] == plain.shape[1] and groups == 1 and pre_activation in (None, "relu")
    if not fits:
        x = activate(x, pre_activation)
        y = conv.conv2d(x, plain, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return finish(y, bias, activation, None, residual)
    x = np.ascontiguousarray(x)
    relu = pre_activation == "relu"
    if plain.shape[2:] == (3, 3) and stride == dilation == 1 and activation in CODES:
        size = output_size(x.shape[1:3], (3, 3), 1, padding)
        (top, _), (left, _) = padding_pairs(padding)
        joined = NO_ROWS if residual is None else np.ascontiguousarray(residual).reshape(-1, len(plain))
        added = NOTHING if bias is None else bias
        return _winograd(x, weight.winograd(), size, top, left, relu, added, CODES[activation], joined)
    return finish(_by_bands(x, plain, stride, padding, dilation, relu), bias, activation, None, residual)


def _winograd(x, transformed, size, top, left, relu, bias, code, residual):
    n, channels, out_channels = len(x), x.shape[3], transformed.shape[2]
    across = -(-size[1] // 2)
    rows = n * -(-size[0] // 2)  # of tiles, through all pictures
    y = POOL.empty((n, *size, out_channels))
    step = max(1, BAND_FLOATS // (16 * across * max(channels, out_channels)))
    tiles = POOL.empty((16, step * across, channels))
    products = POOL.empty((16, step * across, out_channels))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        v, m = tiles[:, : count * across], products[:, : count * across]
        _tiles_in(x, size[0], across, start, count, top, left, relu, v)
        np.matmul(v, transformed, out=m)
        _tiles_out(m, across, start, count, bias, code, residual, y)
    return y


@compiled(parallel=True, fastmath=MAP)
def _tiles_in(x, out_height, across, start, count, top, left, relu, v):
    """B^T d B of every tile of `count` rows of tiles from `start`.   x: (N, H, W, C)   v: (16, count across, C)"""
    height, width, channels = x.shape[1:]
    down = -(-out_height // 2)
    for i in prange(count * across):
        n, ty, tx = (start + i // across) // down, (start + i // across) % down, i % across
        d = np.zeros((16, channels), np.float32)
        for r in range(4):
            h = 2 * ty + r - top
            if h < 0 or h >= height:
                continue
            for s in range(4):
                w = 2 * tx + s - left
                if w < 0 or w >= width:
                    continue
                pixel, out = x[n, h, w], d[4 * r + s]
                if relu:
                    for c in range(channels):
                        out[c] = relu32(pixel[c])
                else:
                    for c in range(channels):
                        out[c] = pixel[c]
        for s in range(4):  # down the columns: rows 0 - 2, 1 + 2, 2 - 1, 1 - 3
            a, b, e, f = d[s], d[4 + s], d[8 + s], d[12 + s]
            for c in range(channels):
                p, q, u, w2 = a[c], b[c], e[c], f[c]
                a[c], b[c], e[c], f[c] = p - u, q + u, u - q, q - w2
        for r in range(4):  # and along the rows
            a, b, e, f = d[4 * r], d[4 * r + 1], d[4 * r + 2], d[4 * r + 3]
            va, vb, ve, vf = v[4 * r, i], v[4 * r + 1, i], v[4 * r + 2, i], v[4 * r + 3, i]
            for c in range(channels):
                p, q, u, w2 = a[c], b[c], e[c], f[c]
                va[c], vb[c], ve[c], vf[c] = p - u, q + u, u - q, q - w2


@compiled(parallel=True, fastmath=MAP)
def _tiles_out(m, across, start, count, bias, code, residual, y):
    """activation(A^T m A + bias) + residual, into y: (N, H', W', O)   m: (16, count across, O)"""
    height, width, channels = y.shape[1:]
    down = -(-height // 2)
    for i in prange(count * across):
        n, ty, tx = (start + i // across) // down, (start + i // across) % down, i % across
        columns = np.empty((8, channels), np.float32)
        for s in range(4):
            a, b, e, f = m[s, i], m[4 + s, i], m[8 + s, i], m[12 + s, i]
            upper, lower = columns[s], columns[4 + s]
            for c in range(channels):
                upper[c] = a[c] + b[c] + e[c]
                lower[c] = b[c] - e[c] - f[c]
        for r in range(2):
            h = 2 * ty + r
            if h >= height:
                continue
            a, b, e, f = columns[4 * r], columns[4 * r + 1], columns[4 * r + 2], columns[4 * r + 3]
            for s in range(2):
                w = 2 * tx + s
                if w >= width:
                    continue
                out = y[n, h, w]
                if s == 0:
                    for c in range(channels):
                        out[c] = a[c] + b[c] + e[c]
                else:
                    for c in range(channels):
                        out[c] = b[c] - e[c] - f[c]
                if len(bias):
                    for c in range(channels):
                        out[c] += bias[c]
                activate_row(out, code)
                if residual.shape[0]:
                    other = residual[(n * height + h) * width + w]
                    for c in range(channels):
                        out[c] += other[c]


def _by_bands(x, weight, stride, padding, dilation, relu):
    """The convolution without what follows it.   x: (N, H, W, C) -> (N, H', W', O)"""
    n, (out, _, *kernel) = len(x), weight.shape
    size = output_size(x.shape[1:3], (kernel[0], kernel[1]), stride, padding, dilation)
    (top, _), (left, _) = padding_pairs(padding)
    matrix = np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, out))
    y = POOL.empty((n * size[0], size[1], out))
    step = max(1, BAND_FLOATS // (size[1] * len(matrix)))
    fields = POOL.empty((step * size[1], len(matrix)))
    for start in range(0, len(y), step):
        band = y[start : start + step]
        rows = fields[: len(band) * size[1]]
        _read_fields(x, size[0], size[1], kernel[0], kernel[1], start, stride, dilation, top, left, relu, rows)
        np.matmul(rows, matrix, out=band.reshape(-1, out))
    return y.reshape(n, *size, out)


@compiled(parallel=True, fastmath=MAP)
def _read_fields(x, out_height, out_width, r_size, s_size, start, stride, dilation, top, left, relu, rows):
    """rows: (pixels, R S C), what each output pixel from row `start` on sees"""
    height, width, channels = x.shape[1:]
    for i in prange(len(rows)):
        line = start + i // out_width
        n, oh, ow = line // out_height, line % out_height, i % out_width
        row = rows[i]
        for r in range(r_size):
            h = oh * stride + r * dilation - top
            for s in range(s_size):
                w = ow * stride + s * dilation - left
                out = row[(r * s_size + s) * channels : (r * s_size + s + 1) * channels]
                if h < 0 or h >= height or w < 0 or w >= width:
                    for c in range(channels):
                        out[c] = np.float32(0.0)
                elif relu:
                    for c in range(channels):
                        out[c] = relu32(x[n, h, w, c])
                else:
                    for c in range(channels):
                        out[c] = x[n, h, w, c]


def prepare(kind: str, weight: np.ndarray) -> np.ndarray | Kernel:
    """What the ops of this column take: float32; kernels standardised, and with room for their transform."""
    weight = np.ascontiguousarray(weight, dtype=np.float32)
    if kind == "standardized_conv":
        weight = conv.standardize_weight(weight)
    return Kernel(weight) if kind in ("conv", "standardized_conv") else weight
