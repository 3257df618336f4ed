"""ViTDet's plain ViT for detection: maps in, maps out, no class token; most blocks may look through windows only.

[ViTDet: Exploring Plain Vision Transformer Backbones for Object Detection], [MViTv2], [transformers: VitDetBackbone]

Under DPT its taps need no readout; the reassemble stage projects and resizes them as it does a ViT's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import ops, params
from ..ops.resize import resize_bicubic, resize_bilinear
from ..params import Named, Tensor
from ..recording import note
from ..schema import (
    ACTIVATION,
    MAX_BLOCKS,
    MAX_SIDE,
    MAX_WIDTH,
    boolean,
    integer,
    number,
    real,
    sequence,
    setting,
    square,
)
from . import vit
from .base import Array, BackboneConfig, Encoded, native_size, numbered_stages, run_blocks

MAX_WINDOW = 1_024  # far beyond the usual 14; the attention inside a window grows with its fourth power
BOTTLENECK_EPS = 1e-6  # of the norms inside a convolutional bottleneck, whatever layer_norm_eps is


def encode(pixels: Array, p: dict, sized: dict, config: VitDetConfig) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of the patch size -> taps (N, H / patch, W / patch, D)"""
    height, width = ops.map_size(pixels)
    grid = (height // config.patch_size, width // config.patch_size)
    x = ops.tokens_to_map(ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"]), grid)
    if config.use_absolute_position_embeddings:
        x = ops.add(x, sized["positions"])
    note("embeddings", x)
    offsets = sized["offsets"] if config.use_relative_position_embeddings else [{}] * len(p["blocks"])

    def apply(x: Array, block_params: dict, i: int) -> Array:
        return block(x, block_params, config, window=config.window(i, grid), offsets=offsets[i], name=f"blocks.{i}")

    taps, x = run_blocks(x, p["blocks"], apply, config.taps)
    return Encoded(taps, grid, x)


def block(x: Array, p: dict, config: VitDetConfig, *, window: tuple[int, int], offsets: dict, name: str) -> Array:
    """x + attention(norm1(x)) within windows, then x + mlp(norm2(x)), then, where there is one, a bottleneck.

    x: (N, H, W, D)   offsets: rows and columns of ops.axis_bias for one window, or nothing
    """
    eps = config.layer_norm_eps
    normed = note(f"{name}.norm1", ops.layer_norm(x, **p["norm1"], eps=eps))
    rest = {"residual": x, "name": f"{name}.attention"}
    x = window_attention(normed, p["attention"], config, window=window, offsets=offsets, **rest)
    normed = ops.layer_norm(x, **p["norm2"], eps=eps)
    x = vit.mlp(normed, p["mlp"], config.hidden_act, residual=x, name=f"{name}.mlp")
    return bottleneck(x, p["bottleneck"], config.hidden_act) if "bottleneck" in p else x


def window_attention(
    x: Array, p: dict, config: VitDetConfig, *, window: tuple[int, int], offsets: dict, residual: Array, name: str
) -> Array:
    """Every token listens to those of its window.   x, residual: (N, H, W, D) -> (N, H, W, D)   [ViTDet §3]

    Zeros fill the windows that stick out at the right and below; they are listened to as well, as in transformers.
    Recorded are windows as sequences: (N windows, h w, D).
    """
    height, width = ops.map_size(x)
    bottom, right = -height % window[0], -width % window[1]
    tokens = ops.windows(ops.pad_map(x, bottom, right) if bottom or right else x, window)
    thirds = split_thirds(ops.linear(tokens, **p["qkv"]), config.hidden_size)
    for part, third in zip(("query", "key", "value"), thirds, strict=True):
        note(f"{name}.{part}", third)
    query, key, value = (ops.split_heads(third, config.num_attention_heads) for third in thirds)
    bias = ops.axis_bias(query, **offsets) if offsets else None
    note(f"{name}.weights", lambda: ops.attention_weights(query, key, bias=bias))
    mixed = ops.merge_heads(ops.attend(query, key, value, bias=bias))
    note(name, lambda: ops.linear(mixed, **p["out"]))
    whole = ops.from_windows(mixed, window, (height + bottom, width + right))
    if bottom or right:
        whole = ops.crop_map(whole, (height, width))
    return ops.linear(whole, **p["out"], residual=residual)


def split_thirds(x: Array, width: int) -> list[Array]:
    """(N, T, 3 D) -> three (N, T, D), D = width: as if x had one head, of which some channels are taken"""
    return [ops.merge_heads(ops.split_heads(x, 1, i * width, (i + 1) * width)) for i in range(3)]


def bottleneck(x: Array, p: dict, activation: str) -> Array:
    """x + 1x1 -> 3x3 -> 1x1, a layer norm after each and an activation between.   x: (N, H, W, D)   [ViTDet §3]"""
    y = ops.layer_norm(ops.linear(x, **p["conv1"]), **p["norm1"], eps=BOTTLENECK_EPS)
    y = ops.conv2d(ops.activate(y, activation), **p["conv2"], padding=1)
    y = ops.activate(ops.layer_norm(y, **p["norm2"], eps=BOTTLENECK_EPS), activation)
    return ops.add(x, ops.layer_norm(ops.linear(y, **p["conv3"]), **p["norm3"], eps=BOTTLENECK_EPS))


# ---------------------------------------------------------------- the config


def sides(check: Callable[[Any], int]) -> Callable[[Any], Any]:
    """One side of a square, or (height, width)."""

    def check_sides(value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) == 2:
            return tuple(check(side) for side in value)
        return check(value)

    return check_sides


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class VitDetConfig(BackboneConfig):
    """[transformers: VitDetConfig, same fields and defaults]

    image_size: the size for which the relative positions of blocks without windows are learnt, a side or (H, W)
    pretrain_image_size: that of the absolute positions.   window_block_indices: blocks whose tokens see only their
    window of window_size x window_size tokens (all if it is 0).   residual_block_indices: blocks that end in a
    convolutional bottleneck.   Indices beyond the last block mean nothing, as in transformers.
    """

    model_type: ClassVar[str] = "vitdet"

    hidden_size: int = setting(768, integer(1, MAX_WIDTH))
    num_hidden_layers: int = setting(12, integer(1, MAX_BLOCKS))
    num_attention_heads: int = setting(12, integer(1, MAX_BLOCKS))
    mlp_ratio: float = setting(4, number(0.01, 64))
    hidden_act: str = setting("gelu", ACTIVATION)
    dropout_prob: float = setting(0.0, number(0, 1))
    initializer_range: float = setting(0.02, real(0, 10))
    layer_norm_eps: float = setting(1e-6, real(0, 1))
    image_size: int | tuple[int, int] = setting(224, sides(integer(1, MAX_SIDE)))
    pretrain_image_size: int = setting(224, square(integer(1, MAX_SIDE)))
    patch_size: int = setting(16, square(integer(1, 256)))
    qkv_bias: bool = setting(True, boolean)
    drop_path_rate: float = setting(0.0, number(0, 1))
    window_block_indices: tuple[int, ...] = setting((), sequence(integer(0, MAX_BLOCKS), 0))
    residual_block_indices: tuple[int, ...] = setting((), sequence(integer(0, MAX_BLOCKS), 0))
    use_absolute_position_embeddings: bool = setting(True, boolean)
    use_relative_position_embeddings: bool = setting(False, boolean)
    window_size: int = setting(0, integer(0, MAX_WINDOW))

    def check(self):
        super().check()
        sides = {"image_size": min(native_size(self)), "pretrain_image_size": self.pretrain_image_size}
        self._check_blocks(self.hidden_size, self.num_attention_heads, self.patch_size, **sides)
        if self.residual_block_indices and self.hidden_size < 2:
            raise self._error("hidden_size", "must be at least 2 with residual_block_indices, which halve it")

    @property
    def taps_are(self) -> str:
        return "maps"

    @property
    def prefix_tokens(self) -> int:
        return 0

    @property
    def class_tokens(self) -> int:
        return 0

    @property
    def stage_names(self) -> tuple[str, ...]:
        return numbered_stages(self.num_hidden_layers)

    @property
    def tap_channels(self) -> tuple[int, ...]:
        return (self.hidden_size,) * len(self.taps)

    @property
    def size_multiple(self) -> int:
        return self.patch_size

    @property
    def mlp_dim(self) -> int:
        """The width inside the mlp."""
        return int(self.hidden_size * self.mlp_ratio)

    def window(self, block: int, grid: tuple[int, int]) -> tuple[int, int]:
        """(h, w) of the windows that a block's tokens see; the whole grid if it has none."""
        has_windows = block in self.window_block_indices and self.window_size > 0
        return (self.window_size, self.window_size) if has_windows else grid


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: VitDetConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors; there is no final norm."""
    width, patch = config.hidden_size, config.patch_size
    table = params.patch_conv(f"{name}.patch_embed", width, config.num_channels, patch)
    if config.use_absolute_position_embeddings:
        positions = 1 + (config.pretrain_image_size // patch) ** 2  # one of the pretraining's class token, not used
        table.append(Tensor(f"{name}.position_embeddings", (1, positions, width), "embedding"))
    for i in range(config.num_hidden_layers):
        table += block_tensors(f"{name}.blocks.{i}", i, config)
    return table


def block_tensors(name: str, i: int, config: VitDetConfig) -> list[Tensor]:
    width, (height, wide) = config.hidden_size, native_size(config)
    table = params.norm(f"{name}.norm1", width) + params.norm(f"{name}.norm2", width)
    table += params.linear(f"{name}.attention.qkv", 3 * width, width, bias=config.qkv_bias)
    table += params.linear(f"{name}.attention.out", width, width)
    if config.use_relative_position_embeddings:
        window = config.window(i, (height // config.patch_size, wide // config.patch_size))
        for axis, side in zip(("rows", "columns"), window, strict=True):
            shape = (2 * side - 1, width // config.num_attention_heads)
            table.append(Tensor(f"{name}.attention.{axis}", shape, "embedding"))
    table += params.linear(f"{name}.mlp.up", config.mlp_dim, width)
    table += params.linear(f"{name}.mlp.down", width, config.mlp_dim)
    if i in config.residual_block_indices:
        inner = width // 2
        for k, (out, into, kernel) in enumerate(((inner, width, 1), (inner, inner, 3), (width, inner, 1)), start=1):
            kind = "conv" if kernel > 1 else "linear"
            table.append(Tensor(f"{name}.bottleneck.conv{k}.weight", (out, into, kernel, kernel), kind))
            table += params.norm(f"{name}.bottleneck.norm{k}", out)
    return table


def sized(named: Named, config: VitDetConfig, size: tuple[int, int]) -> dict[str, Any]:
    """What the forward pass needs for pictures of `size` = (H, W) pixels.

    positions: (1, H', W', D), the learnt ones without the class token's, stretched
    offsets: for each block rows (h, h, K) and columns (w, w, K): a vector for each pair of rows or columns of a window
    """
    grid = (size[0] // config.patch_size, size[1] // config.patch_size)
    ready: dict[str, Any] = {}
    if config.use_absolute_position_embeddings:
        learnt = named["backbone.position_embeddings"]
        stretched = vit.resize_positions(learnt, grid, resize=resize_bicubic)[:, 1:]
        ready["positions"] = stretched.reshape(1, *grid, -1)
    if config.use_relative_position_embeddings:
        ready["offsets"] = [
            {
                axis: axis_offsets(named[f"backbone.blocks.{i}.attention.{axis}"], side)
                for axis, side in zip(("rows", "columns"), config.window(i, grid), strict=True)
            }
            for i in range(config.num_hidden_layers)
        ]
    return ready


def axis_offsets(table: np.ndarray, side: int) -> np.ndarray:
    """The vector learnt for the offset i - j, for each pair of positions of an axis, stretched where sizes differ.

    table: (2 S - 1, K), of the offsets 1 - S ... S - 1 -> (side, side, K)   [MViTv2: decomposed relative position]
    """
    stretched = resize_bilinear(table[None, :, None], (2 * side - 1, 1), align_corners=False)[0, :, 0]
    i = np.arange(side)
    return stretched[i[:, None] - i + side - 1]


# ---------------------------------------------------------------- names in transformers' files


def names(config: VitDetConfig) -> dict[str, str]:
    return NAMES


NAMES = {
    "position_embeddings": "embeddings.position_embeddings",
    "patch_embed": "embeddings.projection",
    **{
        f"blocks.*.{ours}": f"encoder.layer.*.{theirs}"
        for ours, theirs in (
            ("norm1", "norm1"),
            ("norm2", "norm2"),
            ("attention.qkv", "attention.qkv"),
            ("attention.out", "attention.proj"),
            ("attention.rows", "attention.rel_pos_h"),
            ("attention.columns", "attention.rel_pos_w"),
            ("mlp.up", "mlp.fc1"),
            ("mlp.down", "mlp.fc2"),
            *((f"bottleneck.{part}{k}", f"residual.{part}{k}") for part in ("conv", "norm") for k in (1, 2, 3)),
        )
    },
}
