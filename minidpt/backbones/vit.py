"""The plain Vision Transformer, the encoder of DPT-Large and DPT-Base.   [ViT], [DPT §3, "Transformer encoder"]

A picture becomes a sequence of patch tokens with one class token before it; identical blocks refine the sequence;
the outputs of four of the blocks are tapped for the decoder. Other encoders are made of the same block.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np

from .. import ops, params
from ..ops.resize import resize_bilinear
from ..params import Named, Tensor
from ..recording import note
from ..schema import (
    ACTIVATION,
    MAX_BLOCKS,
    MAX_SIDE,
    MAX_WIDTH,
    boolean,
    integer,
    nullable,
    number,
    real,
    setting,
    square,
)
from .base import Array, Encoded, EncoderConfig, run_blocks


def encode(pixels: Array, p: dict, sized: dict, config: ViTConfig) -> Encoded:
    """Cut into patches, embed each, run the blocks.   pixels: (N, H, W, C), H and W multiples of the patch size"""
    height, width = ops.map_size(pixels)
    grid = (height // config.patch_size, width // config.patch_size)
    x = ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"])
    taps, tokens = encode_tokens(x, p, sized, config)
    return Encoded(taps, grid, tokens)


def encode_tokens(x: Array, p: dict, sized: dict, config: ViTConfig) -> tuple[list[Array], Array]:
    """Add class token and positions, run the blocks.   x: (N, T - 1, D) -> the taps and the last output, (N, T, D)"""
    x = ops.add(ops.prepend_token(p["cls_token"], x), sized["position_embeddings"])
    note("embeddings", x)

    def apply(x: Array, block_params: dict, i: int) -> Array:
        return block(x, block_params, config, name=f"blocks.{i}")

    return run_blocks(x, p["blocks"], apply, config.tap_stages)


class BlockConfig(Protocol):
    """What a block reads of its encoder's config."""

    @property
    def layer_norm_eps(self) -> float: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def hidden_act(self) -> str: ...


def block(x: Array, p: dict, config: BlockConfig, *, name: str, bias: Array = None) -> Array:
    """Pre-norm transformer block: x + attention(norm1(x)), then x + mlp(norm2(x)).   x: (N, T, D)   [ViT eq. 2-3]

    bias: (A, T, T), added to the scores   p may hold scale1 and scale2, one factor per channel for each of the two
    branches   [CaiT: LayerScale]
    """
    eps = config.layer_norm_eps
    normed = note(f"{name}.norm1", ops.layer_norm(x, **p["norm1"], eps=eps))
    heads, into = config.num_attention_heads, {"scale": p.get("scale1"), "residual": x}
    x = self_attention(normed, p["attention"], heads, bias=bias, **into, name=f"{name}.attention")
    normed = ops.layer_norm(x, **p["norm2"], eps=eps)
    return mlp(normed, p["mlp"], config.hidden_act, scale=p.get("scale2"), residual=x, name=f"{name}.mlp")


def self_attention(
    x: Array, p: dict, num_heads: int, *, residual: Array, name: str, bias: Array = None, scale: Array = None
) -> Array:
    """Every head mixes the tokens by its own weights; `out` mixes the heads.   x, residual: (N, T, D) -> (N, T, D)"""
    projected = {part: note(f"{name}.{part}", ops.linear(x, **p[part])) for part in ("query", "key", "value")}
    query, key, value = (ops.split_heads(part, num_heads) for part in projected.values())
    note(f"{name}.weights", lambda: ops.attention_weights(query, key, bias=bias))
    mixed = ops.merge_heads(ops.attend(query, key, value, bias=bias))
    note(name, lambda: ops.linear(mixed, **p["out"]))
    return ops.linear(mixed, **p["out"], scale=scale, residual=residual)


def mlp(x: Array, p: dict, activation: str, *, residual: Array, name: str, scale: Array = None) -> Array:
    """Each token by itself: widen, bend, narrow. With a gate, half of the wide channels open or close the other half.

    x, residual: (N, T, D) -> (N, T, D)   [ViT eq. 3], gate: [SwiGLU]
    """
    if "gate_up" in p:
        hidden = ops.gated(ops.linear(x, **p["gate_up"]), "silu")
    else:
        hidden = ops.linear(x, **p["up"], activation=activation)
    note(name, lambda: ops.linear(hidden, **p["down"]))
    return ops.linear(hidden, **p["down"], scale=scale, residual=residual)


# ---------------------------------------------------------------- the config


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class TokensConfig(EncoderConfig):
    """The fields of an encoder that cuts a picture into patch tokens and refines them in one row of blocks."""

    hidden_size: int = setting(768, integer(1, MAX_WIDTH))
    num_hidden_layers: int = nullable(12, integer(1, MAX_BLOCKS))
    num_attention_heads: int = nullable(12, integer(1, MAX_BLOCKS))
    intermediate_size: int = nullable(3072, integer(1, MAX_WIDTH))
    hidden_act: str = setting("gelu", ACTIVATION)
    hidden_dropout_prob: float = nullable(0.0, number(0, 1))
    attention_probs_dropout_prob: float = nullable(0.0, number(0, 1))
    initializer_range: float = setting(0.02, real(0, 10))
    layer_norm_eps: float = nullable(1e-12, real(0, 1))
    image_size: int = nullable(384, square(integer(1, MAX_SIDE)))
    patch_size: int = nullable(16, square(integer(1, 256)))
    num_channels: int = nullable(3, integer(1, 64))

    def check(self):
        self._check_blocks(self.hidden_size, self.num_attention_heads, self.patch_size, image_size=self.image_size)

    @property
    @abstractmethod
    def tap_stages(self) -> tuple[int, ...]:
        """The blocks whose outputs are tapped, counted from 1."""

    @property
    def tap_channels(self) -> tuple[int, ...]:
        return (self.hidden_size,) * len(self.tap_stages)

    @property
    def size_multiple(self) -> int:
        return self.patch_size


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class ViTConfig(TokensConfig):
    """The fields of a plain ViT, as they stand in DPTConfig.   [transformers: DPTConfig]"""

    model_type: ClassVar[str] = "vit"

    qkv_bias: bool = nullable(True, boolean)


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: ViTConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, patch embedding to final norm."""
    patch = params.patch_conv(f"{name}.patch_embed", config.hidden_size, config.num_channels, config.patch_size)
    return patch + token_tensors(config, name)


def token_tensors(config: ViTConfig, name: str) -> list[Tensor]:
    """Everything but the patch embedding: shared with the hybrid."""
    width, tokens = config.hidden_size, (config.image_size // config.patch_size) ** 2
    table = [
        Tensor(f"{name}.cls_token", (1, 1, width), "embedding"),
        Tensor(f"{name}.position_embeddings", (1, config.prefix_tokens + tokens, width), "embedding"),
    ]
    for i in range(config.num_hidden_layers):
        table += block_tensors(f"{name}.blocks.{i}", width, config.intermediate_size, qkv_bias=config.qkv_bias)
    return table + params.norm(f"{name}.norm", width)


def block_tensors(
    name: str,
    width: int,
    inner: int,
    *,
    qkv_bias: bool,
    key_bias: bool = True,
    scales: bool = False,
    gate: bool = False,
) -> list[Tensor]:
    """The table of one block.   inner: the width inside its mlp, of each half where there is a gate"""
    table = params.norm(f"{name}.norm1", width) + params.norm(f"{name}.norm2", width)
    for part in ("query", "key", "value"):
        bias = qkv_bias and (key_bias or part != "key")
        table += params.linear(f"{name}.attention.{part}", width, width, bias=bias)
    table += params.linear(f"{name}.attention.out", width, width)
    table += params.linear(f"{name}.mlp.gate_up" if gate else f"{name}.mlp.up", inner * (2 if gate else 1), width)
    table += params.linear(f"{name}.mlp.down", width, inner)
    if scales:
        table += [Tensor(f"{name}.scale{i}", (width,), "scale") for i in (1, 2)]
    return table


def sized(named: Named, config: ViTConfig, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What the forward pass needs for pictures of `size` = (H, W) pixels: the resized position embeddings."""
    grid = (size[0] // config.patch_size, size[1] // config.patch_size)
    positions = named["backbone.position_embeddings"]
    return {"position_embeddings": resize_positions(positions, grid, prefix=config.prefix_tokens)}


def bilinear(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return resize_bilinear(x, size, align_corners=False)


def resize_positions(
    positions: np.ndarray, grid: tuple[int, int], *, resize: Callable = bilinear, prefix: int = 1
) -> np.ndarray:
    """Stretch the grid of learnt positions to another grid; those of the `prefix` tokens before it stay.

    [DPT §3, "Handling varying image sizes"]
    positions: (1, P + S S, D) -> (1, P + H W, D), grid = (H, W)   resize(x, size): on (1, S, S, D)
    """
    side = math.isqrt(positions.shape[1] - prefix)
    table = positions[:, prefix:].reshape(1, side, side, -1)
    table = resize(table, grid)
    return np.concatenate([positions[:, :prefix], table.reshape(1, grid[0] * grid[1], -1)], axis=1)


# ---------------------------------------------------------------- names in transformers' files

BLOCK_NAMES = {
    "blocks.*.norm1": "encoder.layer.*.layernorm_before",
    "blocks.*.norm2": "encoder.layer.*.layernorm_after",
    "blocks.*.attention.query": "encoder.layer.*.attention.attention.query",
    "blocks.*.attention.key": "encoder.layer.*.attention.attention.key",
    "blocks.*.attention.value": "encoder.layer.*.attention.attention.value",
    "blocks.*.attention.out": "encoder.layer.*.attention.output.dense",
    "blocks.*.mlp.up": "encoder.layer.*.intermediate.dense",
    "blocks.*.mlp.down": "encoder.layer.*.output.dense",
}


def names(config: ViTConfig) -> dict[str, str]:
    return NAMES


NAMES = {
    "cls_token": "embeddings.cls_token",
    "position_embeddings": "embeddings.position_embeddings",
    "patch_embed": "embeddings.patch_embeddings.projection",
    **BLOCK_NAMES,
    "norm": "layernorm",
}
