"""Swin: attention within windows of a map, which moves by half a window in every second block.

A window's cost does not grow with the picture, so Swin starts at 1/4 of its size; between stages every 2 x 2 pixels
become one of twice the width. Each stage's map is a tap as it stands: the decoder has nothing to reassemble.
Swin V2 is made of the same parts.   [Swin], [transformers: SwinBackbone]
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..ops.resize import resize_bicubic
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
from .base import Array, BackboneConfig, Encoded, numbered_stages
from .windows import MASKED, Windows, shift_mask, window_attention

MAX_STAGES, MAX_WINDOW = 8, 128  # far beyond any published model; they stop absurd requests
NORM_EPS = 1e-5  # of the norms outside the blocks, whatever layer_norm_eps says   [transformers: nn.LayerNorm]


def encode(pixels: Array, p: dict, sized: dict, config: SwinConfig) -> Encoded:
    """pixels: (N, H, W, C), of any size"""
    encoded = encode_stages(pixels, p, sized, config, block, merge)
    if not config.apply_layernorm:
        return encoded
    names = config.out_features or ()
    taps = [ops.layer_norm(x, **p["norms"][name], eps=NORM_EPS) for x, name in zip(encoded.taps, names, strict=True)]
    return dataclasses.replace(encoded, taps=taps)


def encode_stages(
    pixels: Array, p: dict, sized: dict, config: ShiftedWindowConfig, block: Callable, merge: Callable
) -> Encoded:
    """Patches, then the stages, each tapped before its map is merged.   pixels: (N, H, W, C)

    block(x, p, windows, config, name=...) -> x   merge(x, p) -> x, half as large, twice as wide
    """
    x = embed(pixels, p, sized, config)
    maps = [x]
    for s, stage in enumerate(p["stages"]):
        side, shift = config.windows[s]
        arrays = sized["stages"][s]
        for b, block_params in enumerate(stage["blocks"]):
            moved = {"shift": shift, "mask": arrays["mask"]} if b % 2 and shift else {}
            windows = Windows(config.num_heads[s], side, **moved, **arrays["blocks"][b])
            name = f"stages.{s}.blocks.{b}"
            x = note(name, block(x, block_params, windows, config, name=name))
        maps.append(note_map(f"stages.{s}", x))
        if "merge" in stage:
            x = note(f"stages.{s}.merged", merge(x, stage["merge"]))
    return Encoded([maps[i] for i in config.taps], ops.map_size(maps[-1]))


def embed(pixels: Array, p: dict, sized: dict, config: ShiftedWindowConfig) -> Array:
    """One pixel of the first map for every patch.   (N, H, W, C) -> (N, ceil(H / patch), ceil(W / patch), D)"""
    height, width = ops.map_size(pixels)
    bottom, right = -height % config.patch_size, -width % config.patch_size
    if bottom or right:
        pixels = ops.pad_map(pixels, bottom, right)
    grid = ((height + bottom) // config.patch_size, (width + right) // config.patch_size)
    x = ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"])
    x = ops.layer_norm(x, **p["patch_norm"], eps=NORM_EPS)
    if config.use_absolute_embeddings:
        x = ops.add(x, sized["position_embeddings"])
    return note_map("embeddings", ops.tokens_to_map(x, grid))


def note_map(name: str, x: Array) -> Array:
    """Offer a map as such and, under `{name}.tokens`, as the tokens that transformers' Swin V2 calls a hidden state."""
    note(f"{name}.tokens", lambda: ops.map_to_tokens(x))
    return note(name, x)


def block(x: Array, p: dict, windows: Windows, config: ShiftedWindowConfig, *, name: str) -> Array:
    """x + attention(norm1(x)), then x + mlp(norm2(x)).   x: (N, H, W, C)   [Swin eq. 3]"""
    eps = config.layer_norm_eps
    normed = note(f"{name}.norm1", ops.layer_norm(x, **p["norm1"], eps=eps))
    x = ops.add(x, window_attention(normed, p["attention"], windows, name=f"{name}.attention"))
    normed = ops.layer_norm(x, **p["norm2"], eps=eps)
    return mlp(normed, p["mlp"], config.hidden_act, residual=x, name=f"{name}.mlp")


def merge(x: Array, p: dict) -> Array:
    """Norm over 2 x 2 pixels, then narrow.   (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), 2 C)   [Swin §3.1]"""
    return ops.linear(ops.layer_norm(ops.merge_pixels(x), **p["norm"], eps=NORM_EPS), **p["reduction"])


def mlp(x: Array, p: dict, activation: str, *, name: str, residual: Array = None) -> Array:
    """Each pixel by itself: widen, bend, narrow.   x, residual: (N, H, W, C) -> (N, H, W, C)"""
    hidden = ops.linear(x, **p["up"], activation=activation)
    note(name, lambda: ops.linear(hidden, **p["down"]))
    return ops.linear(hidden, **p["down"], residual=residual)


# ---------------------------------------------------------------- the config


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class ShiftedWindowConfig(BackboneConfig):
    """What Swin and Swin V2 share.   embed_dim: the width of the first stage; each stage after it is twice as wide"""

    class_positions: ClassVar[int] = 0  # rows of the absolute position embeddings before the grid's

    image_size: int = setting(224, square(integer(1, MAX_SIDE)))
    patch_size: int = setting(4, square(integer(1, 256)))
    embed_dim: int = setting(96, integer(1, MAX_WIDTH))
    depths: tuple[int, ...] = setting((2, 2, 6, 2), sequence(integer(1, MAX_BLOCKS), 1, MAX_STAGES))
    num_heads: tuple[int, ...] = setting((3, 6, 12, 24), sequence(integer(1, MAX_BLOCKS), 1, MAX_STAGES))
    window_size: int = setting(7, integer(1, MAX_WINDOW))
    mlp_ratio: float = setting(4.0, number(0.01, 64))
    qkv_bias: bool = setting(True, boolean)
    hidden_dropout_prob: float = setting(0.0, number(0, 1))
    attention_probs_dropout_prob: float = setting(0.0, number(0, 1))
    drop_path_rate: float = setting(0.1, number(0, 1))
    hidden_act: str = setting("gelu", ACTIVATION)
    use_absolute_embeddings: bool = setting(False, boolean)
    initializer_range: float = setting(0.02, real(0, 10))
    layer_norm_eps: float = setting(1e-5, real(0, 1))
    encoder_stride: int = setting(32, integer(1, MAX_SIDE))

    def check(self):
        super().check()
        if len(self.num_heads) < len(self.depths):
            raise self._error("num_heads", f"has {len(self.num_heads)} values, depths has {len(self.depths)}")
        for width, heads in zip(self.stage_channels, self.num_heads, strict=False):
            if width > MAX_WIDTH:
                raise self._error("embed_dim", f"{self.embed_dim} grows to {width}, more than {MAX_WIDTH}")
            if width % heads:
                raise self._error("num_heads", f"{heads} does not divide the stage's width {width}")
            if int(width * self.mlp_ratio) < 1:
                raise self._error("mlp_ratio", f"{self.mlp_ratio} leaves no channel of {width}")
        if self.image_size < self.patch_size:
            raise self._error("image_size", f"{self.image_size} is smaller than patch_size {self.patch_size}")
        if self.windows_shrink and min(window for window, _ in self.windows) < 1:
            raise self._error("image_size", f"{self.image_size} leaves the last of {len(self.depths)} stages no pixel")

    @property
    def taps_are(self) -> str:
        return "pyramid"

    @property
    def stage_names(self) -> tuple[str, ...]:
        return numbered_stages(len(self.depths))

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Width of each stage's output."""
        return tuple(self.embed_dim * 2**s for s in range(len(self.depths)))

    @property
    def tap_channels(self) -> tuple[int, ...]:
        widths = (self.embed_dim, *self.stage_channels)
        return tuple(widths[i] for i in self.taps)

    @property
    def size_multiple(self) -> int:
        """Any size will do: pictures and maps are padded with zeros, right and below, wherever they do not fit."""
        return 1

    @property
    @abstractmethod
    def windows_shrink(self) -> bool:
        """Whether a stage whose map is no larger than a window has one window, of that size, which never moves."""

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """(side, shift) of each stage's windows. What shrinks them is the map of an image_size picture, not the real
        one: a stage has one position table, for windows of one size.   [transformers: input_resolution]
        """
        full = (self.window_size, self.window_size // 2)
        maps = [self.image_size // self.patch_size // 2**s for s in range(len(self.depths))]
        return tuple((side, 0) if self.windows_shrink and side <= self.window_size else full for side in maps)


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class SwinConfig(ShiftedWindowConfig):
    """[transformers: SwinConfig, same fields and defaults]

    Beyond transformers: `apply_layernorm` (False: the taps are raw, as MiDaS takes them, and have no norms of their
    own) and `always_partition`, an argument in transformers that its backbone leaves no choice about (False: windows
    shrink to small maps and do not move there, as in the paper and MiDaS).
    """

    model_type: ClassVar[str] = "swin"

    apply_layernorm: bool = setting(True, boolean)
    always_partition: bool = setting(True, boolean)

    @property
    def windows_shrink(self) -> bool:
        return not self.always_partition


# ---------------------------------------------------------------- what depends on the size only


def sized(named: Named, config: SwinConfig, size: tuple[int, int]) -> dict:
    """What the forward pass needs for pictures of `size` = (H, W) pixels: masks, position tables."""

    def of_block(name: str, s: int, side: int) -> dict[str, np.ndarray]:
        table = named[f"{name}.relative_bias"]
        return {"bias": table.T.reshape(-1, 2 * side - 1, 2 * side - 1)}

    return sized_stages(named, config, size, of_block)


def sized_stages(
    named: Named, config: ShiftedWindowConfig, size: tuple[int, int], of_block: Callable, masked: float = MASKED
) -> dict:
    """What every Swin needs for pictures of `size`, with the sides of its windows known.

    of_block(name, s, side) -> the arrays of the attention of that name, in stage s: fields of Windows
    """
    grid = [-(-n // config.patch_size) for n in size]
    stages: list[dict] = []
    found: dict = {"stages": stages}
    if config.use_absolute_embeddings:
        positions = named["backbone.position_embeddings"][:, config.class_positions :]
        side = math.isqrt(positions.shape[1])
        resized = resize_bicubic(positions.reshape(1, side, side, -1), (grid[0], grid[1]))
        found["position_embeddings"] = resized.reshape(1, grid[0] * grid[1], -1)
    for s, (depth, (side, shift)) in enumerate(zip(config.depths, config.windows, strict=True)):
        stage: dict = {"blocks": [of_block(f"backbone.stages.{s}.blocks.{b}.attention", s, side) for b in range(depth)]}
        if shift and depth > 1:
            stage["mask"] = shift_mask((grid[0] + -grid[0] % side, grid[1] + -grid[1] % side), side, shift, masked)
        stages.append(stage)
        grid = [-(-n // 2) for n in grid]
    return found


# ---------------------------------------------------------------- tensors


def tensors(config: SwinConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, patch embedding to the taps' norms."""

    def of_attention(block: str, heads: int, side: int) -> list[Tensor]:
        return [Tensor(f"{block}.relative_bias", ((2 * side - 1) ** 2, heads), "embedding")]

    table = stage_tensors(config, name, of_attention, normed_pixels=4)
    unused = "the taps have norms of their own, or none"
    table += [Tensor(t.name, t.shape, t.kind, unused) for t in params.norm(f"{name}.norm", config.stage_channels[-1])]
    if config.apply_layernorm:
        for stage, width in zip(config.out_features or (), config.tap_channels, strict=True):
            table += params.norm(f"{name}.norms.{stage}", width)
    return table


def stage_tensors(
    config: ShiftedWindowConfig, name: str, of_attention: Callable, *, normed_pixels: int, key_bias: bool = True
) -> list[Tensor]:
    """of_attention(name, heads, side) -> an attention's tensors beside its linear layers

    normed_pixels: where 2 x 2 pixels become one, how many's channels its norm sees, 4 before narrowing or 2 after
    """
    width, grid = config.embed_dim, config.image_size // config.patch_size
    table = params.patch_conv(f"{name}.patch_embed", width, config.num_channels, config.patch_size)
    table += params.norm(f"{name}.patch_norm", width)
    if config.use_absolute_embeddings:
        rows = config.class_positions + grid * grid
        table.append(Tensor(f"{name}.position_embeddings", (1, rows, width), "embedding"))
    for s, (width, depth) in enumerate(zip(config.stage_channels, config.depths, strict=True)):
        inner, heads, side = int(width * config.mlp_ratio), config.num_heads[s], config.windows[s][0]
        for b in range(depth):
            block = f"{name}.stages.{s}.blocks.{b}"
            table += params.norm(f"{block}.norm1", width) + params.norm(f"{block}.norm2", width)
            for part in ("query", "key", "value"):
                bias = config.qkv_bias and (key_bias or part != "key")
                table += params.linear(f"{block}.attention.{part}", width, width, bias=bias)
            table += of_attention(f"{block}.attention", heads, side)
            table += params.linear(f"{block}.attention.out", width, width)
            table += params.linear(f"{block}.mlp.up", inner, width) + params.linear(f"{block}.mlp.down", width, inner)
        if s + 1 < len(config.depths):
            table += params.linear(f"{name}.stages.{s}.merge.reduction", 2 * width, 4 * width, bias=False)
            table += params.norm(f"{name}.stages.{s}.merge.norm", normed_pixels * width)
    return table


# ---------------------------------------------------------------- names in transformers' files


def states(config: SwinConfig) -> list[str]:
    return ["embeddings", *(f"stages.{s}" for s in range(len(config.depths)))]


def attentions(config: ShiftedWindowConfig) -> list[str]:
    """Those of each stage's last block."""
    return [f"stages.{s}.blocks.{depth - 1}.attention.weights" for s, depth in enumerate(config.depths)]


def names(config: SwinConfig) -> dict[str, str]:
    return {**NAMES, **{f"norms.{stage}": f"hidden_states_norms.{stage}" for stage in config.stage_names}}


LAYER = "encoder.layers.*"
STAGE_NAMES = {
    "position_embeddings": "embeddings.position_embeddings",
    "patch_embed": "embeddings.patch_embeddings.projection",
    "patch_norm": "embeddings.norm",
    "stages.*.blocks.*.norm1": f"{LAYER}.blocks.*.layernorm_before",
    "stages.*.blocks.*.norm2": f"{LAYER}.blocks.*.layernorm_after",
    "stages.*.blocks.*.attention.query": f"{LAYER}.blocks.*.attention.self.query",
    "stages.*.blocks.*.attention.key": f"{LAYER}.blocks.*.attention.self.key",
    "stages.*.blocks.*.attention.value": f"{LAYER}.blocks.*.attention.self.value",
    "stages.*.blocks.*.attention.out": f"{LAYER}.blocks.*.attention.output.dense",
    "stages.*.blocks.*.mlp.up": f"{LAYER}.blocks.*.intermediate.dense",
    "stages.*.blocks.*.mlp.down": f"{LAYER}.blocks.*.output.dense",
    "stages.*.merge.reduction": f"{LAYER}.downsample.reduction",
    "stages.*.merge.norm": f"{LAYER}.downsample.norm",
}
NAMES = {
    **STAGE_NAMES,
    "stages.*.blocks.*.attention.relative_bias": f"{LAYER}.blocks.*.attention.self.relative_position_bias_table",
    "norm": "swin.layernorm",
}
