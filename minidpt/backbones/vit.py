"""The plain Vision Transformer, the encoder of DPT-Large and DPT-Base.   [ViT], [DPT §3.1]

A picture becomes a sequence of patch tokens with one class token before it; identical blocks refine the sequence;
the outputs of four of the blocks are tapped for the decoder.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops, params
from ..config import DPTConfig
from ..ops.resize import resize_bilinear
from ..params import Named, Tensor
from ..recording import note

Array = Any  # an array of whichever backend is in use


@dataclass(frozen=True)
class Encoded:
    """What an encoder hands to the decoder.

    taps: one array per level of the neck, finest first: tokens (N, T, D), or maps (N, H, W, C) where the encoder
    already has them.   grid: the real token grid (H, W).   tokens: the last block's output (N, T, D).
    """

    taps: list[Array]
    grid: tuple[int, int]
    tokens: Array


def encode(pixels: Array, p: dict, sized: dict, config: DPTConfig) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of the patch size"""
    height, width = ops.map_size(pixels)
    grid = (height // config.patch_size, width // config.patch_size)
    x = ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"])
    taps, tokens = encode_tokens(x, p, sized, config)
    return Encoded(taps, grid, tokens)


def encode_tokens(x: Array, p: dict, sized: dict, config: DPTConfig, first_level: int = 0) -> tuple[list[Array], Array]:
    """Add class token and positions, run the blocks.   x: (N, T - 1, D) -> the taps and the last output, (N, T, D)"""
    x = ops.add(ops.prepend_token(p["cls_token"], x), sized["position_embeddings"])
    note("embeddings", x)
    taps: list[Array] = []
    for i, block_params in enumerate(p["blocks"]):
        x = note(f"blocks.{i}", block(x, block_params, config, name=f"blocks.{i}"))
        if i in config.tap_blocks:
            taps.append(note(f"taps.{first_level + len(taps)}", x))
    return taps, x


def block(x: Array, p: dict, config: DPTConfig, *, name: str) -> Array:
    """Pre-norm transformer block: x + attention(norm1(x)), then x + mlp(norm2(x)).   x: (N, T, D)   [ViT eq. 2-3]"""
    eps = config.layer_norm_eps
    normed = note(f"{name}.norm1", ops.layer_norm(x, **p["norm1"], eps=eps))
    x = self_attention(normed, p["attention"], config.num_attention_heads, residual=x, name=f"{name}.attention")
    normed = ops.layer_norm(x, **p["norm2"], eps=eps)
    hidden = ops.linear(normed, **p["mlp"]["up"], activation=config.hidden_act)
    note(f"{name}.mlp", lambda: ops.linear(hidden, **p["mlp"]["down"]))
    return ops.linear(hidden, **p["mlp"]["down"], residual=x)


def self_attention(x: Array, p: dict, num_heads: int, *, residual: Array, name: str) -> Array:
    """Every head mixes the tokens by its own weights; `out` mixes the heads.   x, residual: (N, T, D) -> (N, T, D)"""
    projected = {part: note(f"{name}.{part}", ops.linear(x, **p[part])) for part in ("query", "key", "value")}
    query, key, value = (ops.split_heads(part, num_heads) for part in projected.values())
    note(f"{name}.weights", lambda: ops.attention_weights(query, key))
    mixed = ops.merge_heads(ops.attend(query, key, value))
    note(name, lambda: ops.linear(mixed, **p["out"]))
    return ops.linear(mixed, **p["out"], residual=residual)


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: DPTConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, patch embedding to final norm."""
    patch = params.patch_conv(f"{name}.patch_embed", config.hidden_size, config.num_channels, config.patch_size)
    return patch + token_tensors(config, name)


def token_tensors(config: DPTConfig, name: str) -> list[Tensor]:
    """Everything but the patch embedding: shared with the hybrid."""
    width, tokens = config.hidden_size, (config.image_size // config.patch_size) ** 2
    table = [
        Tensor(f"{name}.cls_token", (1, 1, width), "embedding"),
        Tensor(f"{name}.position_embeddings", (1, 1 + tokens, width), "embedding"),
    ]
    for i in range(config.num_hidden_layers):
        table += block_tensors(config, f"{name}.blocks.{i}")
    return table + params.norm(f"{name}.norm", width)


def block_tensors(config: DPTConfig, name: str) -> list[Tensor]:
    width, inner = config.hidden_size, config.intermediate_size
    table = params.norm(f"{name}.norm1", width) + params.norm(f"{name}.norm2", width)
    for part in ("query", "key", "value"):
        table += params.linear(f"{name}.attention.{part}", width, width, bias=config.qkv_bias)
    table += params.linear(f"{name}.attention.out", width, width)
    return table + params.linear(f"{name}.mlp.up", inner, width) + params.linear(f"{name}.mlp.down", width, inner)


def sized(named: Named, config: DPTConfig, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What the forward pass needs for pictures of `size` = (H, W) pixels: the resized position embeddings."""
    grid = (size[0] // config.patch_size, size[1] // config.patch_size)
    return {"position_embeddings": resize_positions(named["backbone.position_embeddings"], grid)}


def resize_positions(positions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Stretch the grid of learnt positions to another grid, bilinearly; the class token's stays.   [DPT §3.1]

    positions: (1, 1 + S S, D) -> (1, 1 + H W, D), grid = (H, W)
    """
    side = math.isqrt(positions.shape[1] - 1)
    table = positions[:, 1:].reshape(1, side, side, -1)
    table = resize_bilinear(table, grid, align_corners=False)
    return np.concatenate([positions[:, :1], table.reshape(1, grid[0] * grid[1], -1)], axis=1)
