"""A backend that computes nothing: arrays are shapes, and every product is counted.

It tells what a model of any size will do without its weights, and shows that model code never looks inside an array.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from .backends import OP_NAMES, Backend
from .conv import Padding, output_size


@dataclass(frozen=True)
class Shape:
    """Stands for an array.   flops: what had been counted when it was brought back to the host"""

    dims: tuple[int, ...]
    flops: int = 0


@dataclass
class Counter:
    """The op table of the counting backend. flops: multiplications and additions of products so far.

    Normalisations, activations, additions and resizing are not counted, as is the custom.
    """

    flops: int = 0
    table: dict[str, Any] = field(init=False)

    def __post_init__(self):
        self.table = {name: getattr(self, name) for name in OP_NAMES}

    def backend(self) -> Backend:
        return Backend("counting", self.table, prepare=lambda kind, weight: Shape(tuple(weight.shape)))

    # ---- layout

    def from_numpy(self, x) -> Shape:
        return Shape(tuple(x.shape))

    def to_numpy(self, x: Shape) -> Shape:
        return Shape(x.dims, self.flops)

    def channels_last(self, x: Shape) -> Shape:
        n, c, h, w = x.dims
        return Shape((n, h, w, c))

    def channels_first(self, x: Shape) -> Shape:
        n, h, w, c = x.dims
        return Shape((n, c, h, w))

    def patches(self, x: Shape, patch_size: int) -> Shape:
        n, h, w, c = x.dims
        return Shape((n, (h // patch_size) * (w // patch_size), c * patch_size**2))

    def prepend_token(self, token: Shape, x: Shape) -> Shape:
        n, t, d = x.dims
        return Shape((n, t + token.dims[1], d))

    def take_tokens(self, x: Shape, start: int, stop: int | None = None) -> Shape:
        n, t, d = x.dims
        return Shape((n, len(range(t)[start:stop]), d))

    def token(self, x: Shape, index: int) -> Shape:
        n, _, d = x.dims
        return Shape((n, d))

    def mean_token(self, x: Shape) -> Shape:
        n, _, d = x.dims
        return Shape((n, 1, d))

    def tokens_to_map(self, x: Shape, grid: tuple[int, int]) -> Shape:
        return Shape((x.dims[0], *grid, x.dims[2]))

    def map_to_tokens(self, x: Shape) -> Shape:
        n, h, w, d = x.dims
        return Shape((n, h * w, d))

    def map_size(self, x: Shape) -> tuple[int, int]:
        return x.dims[1], x.dims[2]

    def split_heads(self, x: Shape, num_heads: int, start: int = 0, stop: int | None = None) -> Shape:
        n, t, d = x.dims
        return Shape((n, num_heads, t, len(range(d // num_heads)[start:stop])))

    def merge_heads(self, x: Shape) -> Shape:
        n, a, t, k = x.dims
        return Shape((n, t, a * k))

    def drop_channel(self, x: Shape) -> Shape:
        return Shape(x.dims[:-1])

    def concat_channels(self, x: Shape, y: Shape) -> Shape:
        return Shape((*x.dims[:-1], x.dims[-1] + y.dims[-1]))

    def pad_map(self, x: Shape, bottom: int, right: int) -> Shape:
        n, h, w, c = x.dims
        return Shape((n, h + bottom, w + right, c))

    def crop_map(self, x: Shape, size: tuple[int, int]) -> Shape:
        return Shape((x.dims[0], *size, x.dims[3]))

    def roll_map(self, x: Shape, down: int, right: int) -> Shape:
        return x

    def every_other(self, x: Shape, stride: int) -> Shape:
        n, h, w, c = x.dims
        return Shape((n, -(-h // stride), -(-w // stride), c))

    def windows(self, x: Shape, size: tuple[int, int]) -> Shape:
        n, height, width, c = x.dims
        h, w = size
        return Shape((n * (height // h) * (width // w), h * w, c))

    def from_windows(self, x: Shape, size: tuple[int, int], map_size: tuple[int, int]) -> Shape:
        (h, w), (height, width) = size, map_size
        return Shape((x.dims[0] // ((height // h) * (width // w)), height, width, x.dims[2]))

    def merge_pixels(self, x: Shape) -> Shape:
        n, h, w, c = x.dims
        return Shape((n, -(-h // 2), -(-w // 2), 4 * c))

    # ---- pointwise

    def add(self, x: Shape, y: Shape) -> Shape:
        return x

    def multiply(self, x: Shape, factor: float) -> Shape:
        return x

    def activate(self, x: Shape, activation: str | None) -> Shape:
        return x

    def linear(self, x: Shape, weight: Shape, bias=None, *, activation=None, scale=None, residual=None) -> Shape:
        out_features, in_features = weight.dims
        self.flops += 2 * math.prod(x.dims[:-1]) * in_features * out_features
        return Shape((*x.dims[:-1], out_features))

    def linear_with_token(self, x: Shape, token: Shape, weight: Shape, bias=None, *, activation=None) -> Shape:
        return self.linear(Shape((*x.dims[:-1], x.dims[-1] + token.dims[-1])), weight)

    def gated(self, x: Shape, activation: str) -> Shape:
        return Shape((*x.dims[:-1], x.dims[-1] // 2))

    def unit_length(self, x: Shape, eps: float = 1e-12) -> Shape:
        return x

    def inverse_depth(self, x: Shape, scale: float, shift: float) -> Shape:
        return x

    def layer_norm(self, x: Shape, weight: Shape, bias: Shape, *, eps: float) -> Shape:
        return x

    def group_norm(self, x: Shape, weight: Shape, bias: Shape, *, groups: int, eps: float, activation=None) -> Shape:
        return x

    def batch_norm(self, x: Shape, weight, bias, running_mean, running_var, *, eps=1e-5, activation=None) -> Shape:
        return x

    # ---- attention

    def attention_weights(self, query: Shape, key: Shape, *, scale=None, bias=None, mask=None) -> Shape:
        n, a, t, k = query.dims
        self.flops += 2 * n * a * t * key.dims[2] * k
        return Shape((n, a, t, key.dims[2]))

    def attend(self, query: Shape, key: Shape, value: Shape, *, scale=None, bias=None, mask=None) -> Shape:
        n, a, t, s = self.attention_weights(query, key).dims
        self.flops += 2 * n * a * t * s * value.dims[3]
        return Shape((n, a, t, value.dims[3]))

    def relative_bias(self, table: Shape, grid: tuple[int, int], class_bias: Shape | None = None) -> Shape:
        tokens = grid[0] * grid[1] + (class_bias is not None)
        return Shape((table.dims[0], tokens, tokens))

    def axis_bias(self, query: Shape, rows: Shape, columns: Shape) -> Shape:
        n, a, t, k = query.dims
        self.flops += 2 * n * a * t * k * (rows.dims[0] + columns.dims[0])
        return Shape((n, a, t, t))

    # ---- conv

    def conv2d(
        self,
        x: Shape,
        weight: Shape,
        bias=None,
        *,
        stride: int = 1,
        padding: Padding = 0,
        dilation: int = 1,
        groups: int = 1,
        pre_activation=None,
        activation=None,
        residual=None,
    ) -> Shape:
        n, h, w, _ = x.dims
        o, i, r, s = weight.dims  # i: of one group
        height, width = output_size((h, w), (r, s), stride, padding, dilation)
        self.flops += 2 * n * height * width * o * i * r * s
        return Shape((n, height, width, o))

    def conv_transpose2d(
        self,
        x: Shape,
        weight: Shape,
        bias=None,
        *,
        stride: int | None = None,
        padding: int = 0,
        output_padding: int = 0,
    ) -> Shape:
        n, h, w, c = x.dims
        _, o, r, s = weight.dims
        self.flops += 2 * n * h * w * c * o * r * s
        rest = output_padding - 2 * padding
        return Shape((n, (h - 1) * (stride or r) + r + rest, (w - 1) * (stride or s) + s + rest, o))

    def max_pool2d(self, x: Shape, kernel_size: int, *, stride: int, padding: Padding = 0) -> Shape:
        n, h, w, c = x.dims
        return Shape((n, *output_size((h, w), (kernel_size, kernel_size), stride, padding), c))

    def avg_pool2d(self, x: Shape, kernel_size: int) -> Shape:
        return self.every_other(x, kernel_size)

    def avg_pool_tokens(self, x: Shape, length: int) -> Shape:
        n, t, d = x.dims
        return Shape((n, t // length, d))

    # ---- resize

    def resize_bilinear(self, x: Shape, size=None, *, scale=None, align_corners: bool) -> Shape:
        n, h, w, c = x.dims
        height, width = size if size is not None else (math.floor(h * scale), math.floor(w * scale))
        return Shape((n, height, width, c))

    def resized_linear(self, x: Shape, weight: Shape, bias=None, size=None, *, scale=None, align_corners) -> Shape:
        return self.linear(self.resize_bilinear(x, size, scale=scale, align_corners=align_corners), weight)

    def resized_conv2d(
        self, x: Shape, weight: Shape, bias=None, size=None, *, scale=None, align_corners, padding=0, activation=None
    ) -> Shape:
        larger = self.resize_bilinear(x, size, scale=scale, align_corners=align_corners)
        return self.conv2d(larger, weight, padding=padding)
