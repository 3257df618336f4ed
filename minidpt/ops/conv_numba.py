"""The maths is in conv.py. Here a 3 x 3 convolution of stride 1 takes Winograd's way (winograd_numba.py). Any other one
reads its receptive fields straight from the channels-last map, row by row of the kernel, and keeps its sums in
registers (product_numba.py): no field is ever written down. 8x on dpt-large's fusion, 5x with a stride.
"""

from dataclasses import dataclass

import numpy as np
from numba import prange

from . import conv
from .buffers import POOL
from .compiling_numba import compiled
from .conv import Padding, output_size, padding_pairs
from .pointwise_numba import activate, finish
from .product_numba import Panels, multiply, panels_of, product, rows_of
from .resize import target_size
from .resize_numba import neighbours, resize_bilinear
from .tiles_numba import TERMS
from .vector_math_numba import CODES, MAP, bfloat16_bits, bfloat16_value, relu32
from .winograd_numba import conv3x3

MANY_PIXELS = 1000  # fewer would not pay for reading a transformed weight, which is four times as large
FEW_CHANNELS = 16  # maps of fewer are read as float32 at any precision: an odd run of them makes no pairs


class Kernel:
    """A convolution's weight (O, I / groups, R, S), laid out when one of its ways first needs it.

    parts, tiles: as of `Panels`, but not in Winograd's way
    """

    def __init__(self, weight: np.ndarray, parts: int = 0, tiles: bool = False):
        self.shape, self.parts, self.tiles = weight.shape, parts, tiles
        self._plain: np.ndarray | None = weight
        self._laid: dict[tuple[int, int], Panels] = {}

    def panels(self, groups: int = 1, parts: int = 0) -> Panels:
        """Rows of the kernel after each other, in each its pixels, in each their channels: as they lie in a map."""
        way = groups, parts
        if way not in self._laid:
            self._laid[way] = panels_of(self._rows(), groups, parts=parts, tiles=self.tiles)
            if not parts:
                self._plain = None  # the panels hold all of it
        return self._laid[way]

    def fits_tiles(self, run: int) -> bool:
        """Whether runs of so many channels fill whole tiles."""
        return self.tiles and run % TERMS == 0 and self.shape[1] % 2 == 0

    def parts_for(self, run: int, groups: int = 1) -> int:
        """Of how many bfloat16 numbers it takes each of its own, where it sees runs of so many channels; 0: float32."""
        if self.fits_tiles(run):
            return self.parts
        in_pairs = self.parts == 1 and self.shape[1] % 2 == 0 and self.shape[1] * groups >= FEW_CHANNELS
        return 1 if in_pairs else 0

    def _rows(self) -> np.ndarray:
        """(O, R S I / groups)"""
        if self._plain is None:
            return rows_of(next(panels for (_, parts), panels in self._laid.items() if not parts))
        return self._plain.transpose(0, 2, 3, 1).reshape(self.shape[0], -1)


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
    out, inner, r, s = weight.shape
    if x.shape[-1] != inner * groups or out % groups:
        split = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(f"conv2d: x {x.shape} does not have the channels of weight {weight.shape}{split}")
    size = output_size(x.shape[1:3], (r, s), stride, padding, dilation)
    if pre_activation not in (None, "relu"):
        x, pre_activation = activate(x, pre_activation), None
    relu, code = pre_activation == "relu", CODES.get(activation)
    fused = (bias, code, residual) if code is not None else (None, 0, None)
    faster_directly = weight.parts == 1 and weight.fits_tiles(s * inner)
    many = len(x) * size[0] * size[1] >= MANY_PIXELS
    if (r, s, stride, dilation, groups) == (3, 3, 1, 1, 1) and many and not faster_directly:
        (top, _), (left, _) = padding_pairs(padding)
        y = conv3x3(np.ascontiguousarray(x), weight.panels(), size, (top, left), relu, *fused)
    else:
        y = _direct(x, weight, size, stride, padding, dilation, groups, relu, *fused)
    return y if code is not None else finish(y, bias, activation, None, residual)


def resized_conv2d(
    x: np.ndarray,
    weight: Kernel,
    bias: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    align_corners: bool,
    padding: Padding = 0,
    activation: str | None = None,
) -> np.ndarray:
    """As in conv.py; Winograd's tiles make their parts of the larger map from x, which is never written down."""
    size = target_size(x, size, scale)
    fits = weight.shape[2:] == (3, 3) and x.shape[-1] == weight.shape[1] and activation in CODES
    if not fits or len(x) * size[0] * size[1] < MANY_PIXELS:
        larger = resize_bilinear(x, size, align_corners=align_corners)
        return conv2d(larger, weight, bias, padding=padding, activation=activation)
    enlarged = neighbours(size, x.shape[1:3], align_corners)
    (top, _), (left, _) = padding_pairs(padding)
    out_size, x = output_size(size, (3, 3), 1, padding), np.ascontiguousarray(x)
    return conv3x3(x, weight.panels(), out_size, (top, left), False, bias, CODES[activation], None, enlarged)


def _direct(x, weight, size, stride, padding, dilation, groups, relu, bias, code, residual):
    out, inner, r, s = weight.shape
    (n, _, _, channels), (top, _), (left, _) = x.shape, *padding_pairs(padding)
    in_rows = dilation == 1 and groups == 1  # what a row of the kernel sees is one run of memory
    run = s * channels if in_rows else inner
    panels = weight.panels(groups, weight.parts_for(run, groups))
    run = run // 2 if panels.parts else run  # in 4 bytes from here on
    block_height = panels.height(run)
    padded = any((*padding_pairs(padding)[0], *padding_pairs(padding)[1]))
    if r == s == 1 and stride == 1 and groups == 1 and not padded and not relu:
        joined = None if residual is None else residual.reshape(-1, out)
        rows = np.ascontiguousarray(x).reshape(-1, channels)
        return product(rows, panels, bias, code, None, joined).reshape(n, *size, out)
    height, width = (size[0] - 1) * stride + (r - 1) * dilation + 1, (size[1] - 1) * stride + (s - 1) * dilation + 1
    if panels.parts or padded or relu or size[1] < block_height or not x.flags.c_contiguous:
        width = max(width, (block_height - 1) * stride + (s - 1) * dilation + 1)
        if panels.parts:
            seen = POOL.empty((panels.parts, n, height, width, channels // 2)).view(np.uint16)
            _frame_halves(x, top, left, relu, seen)
        else:
            seen = POOL.empty((n, height, width, channels))
            _frame(np.ascontiguousarray(x), top, left, relu, seen)
    else:
        seen = x
    down, across = (step * dilation for step in seen.strides[-3:-1])
    runs = np.arange(r) * down if in_rows else (np.arange(r)[:, None] * down + np.arange(s) * across).reshape(-1)
    y = POOL.empty((n, *size, out))
    multiply(seen, panels, runs.astype(np.int64), run, stride, bias, code, None, residual, y)
    return y


@compiled(parallel=True, fastmath=MAP)
def _frame(x, top, left, relu, seen):
    """seen: x, or relu(x), with zeros around it, as much of it as the kernel will see.   (N, H, W, C)"""
    n, height, width, channels = seen.shape
    for i in prange(n * height):
        picture, h = i // height, i % height - top
        for column in range(width):
            w = column - left
            if h < 0 or h >= x.shape[1] or w < 0 or w >= x.shape[2]:
                for c in range(channels):
                    seen[picture, i % height, column, c] = np.float32(0.0)
            elif relu:
                for c in range(channels):
                    seen[picture, i % height, column, c] = relu32(x[picture, h, w, c])
            else:
                for c in range(channels):
                    seen[picture, i % height, column, c] = x[picture, h, w, c]


@compiled(parallel=True, fastmath=MAP)
def _frame_halves(x, top, left, relu, seen):
    """As `_frame`, in bfloat16, one or two numbers for each.   seen: (parts, N, H, W, C)"""
    parts, n, height, width, channels = seen.shape
    for i in prange(n * height):
        picture, h = i // height, i % height - top
        for column in range(width):
            w = column - left
            if h < 0 or h >= x.shape[1] or w < 0 or w >= x.shape[2]:
                seen[:, picture, i % height, column] = np.uint16(0)
                continue
            for c in range(channels):
                v = x[picture, h, w, c]
                seen[0, picture, i % height, column, c] = bfloat16_bits(relu32(v) if relu else v)
            if parts == 2:
                for c in range(channels):
                    v = relu32(x[picture, h, w, c]) if relu else x[picture, h, w, c]
                    high = bfloat16_value(seen[0, picture, i % height, column, c])
                    seen[1, picture, i % height, column, c] = bfloat16_bits(v - high)


@dataclass(frozen=True)
class TransposedKernel:
    """A transposed convolution's weight.   panels: rows (r, s, o) of C numbers"""

    shape: tuple[int, ...]
    panels: Panels


def conv_transpose2d(
    x: np.ndarray,
    weight: TransposedKernel,
    bias: np.ndarray | None = None,
    *,
    stride: int | None = None,
    padding: int = 0,
    output_padding: int = 0,
) -> np.ndarray:
    n, h, w, c = x.shape
    channels, o, r, s = weight.shape
    if c != channels:
        raise ValueError(f"conv_transpose2d: x {x.shape} does not have the {channels} channels of its weight")
    tiles = product(np.ascontiguousarray(x).reshape(-1, c), weight.panels).reshape(n, h, w, r, s, o)
    if stride is None or (stride == r == s and padding == output_padding == 0):
        y = POOL.empty((n, h * r, w * s, o))
        y.reshape(n, h, r, w, s, o)[:] = tiles.transpose(0, 1, 3, 2, 4, 5)
    else:
        height, width = ((side - 1) * stride + k + output_padding for side, k in ((h, r), (w, s)))
        whole = np.zeros((n, height, width, o), np.float32)
        for i in range(r):
            for j in range(s):
                whole[:, i : i + h * stride : stride, j : j + w * stride : stride] += tiles[..., i, j, :]
        y = whole[:, padding : height - padding, padding : width - padding]
    return y if bias is None else finish(np.ascontiguousarray(y), bias, None)


def prepare(kind: str, weight: np.ndarray, parts: int = 0, tiles: bool = False) -> object:
    """What the ops of this column take: panels for products, kernels (standardised ones too), float32 for the rest, all
    in its own memory.

    parts, tiles: as of `Panels`
    """
    weight = np.ascontiguousarray(weight, dtype=np.float32)
    if kind == "linear":
        return panels_of(weight, parts=parts, tiles=tiles)
    if kind == "standardized_conv":
        weight = conv.standardize_weight(weight)
    if kind in ("conv", "standardized_conv"):
        kernel = Kernel(np.array(weight) if parts else weight, parts, tiles)
        if not parts:
            kernel.panels()  # now, so that no later moment holds the weight twice
        return kernel
    if kind == "conv_transpose":
        rows = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
        return TransposedKernel(weight.shape, panels_of(rows, parts=parts, tiles=tiles))
    return np.array(weight)
