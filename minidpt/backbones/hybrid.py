"""The hybrid encoder: three stages of BiT, a ResNetV2 with standardised kernels, then a ViT on its last map.

The first two stages' maps feed the decoder as they are; the other two levels are blocks of the ViT.
[DPT §3, "Transformer encoder": DPT-Hybrid], [transformers: DPTViTHybridEmbeddings]
"""

from typing import Any

from .. import ops, params
from ..params import Tensor
from . import bit, vit
from .base import Array, Encoded


def encode(pixels: Array, p: dict, sized: dict, config: Any) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of 16   config: a DPTConfig with is_hybrid"""
    _, maps = bit.bit_maps(pixels, p["bit"], config.bit)
    grid = ops.map_size(maps[2])
    x = ops.map_to_tokens(ops.linear(maps[2], **p["projection"]))
    taps, tokens = vit.encode_tokens(x, p, sized, config)
    return Encoded(maps[:2] + taps, grid, tokens)


sized = vit.sized


def tensors(config: Any, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors: BiT, the projection to tokens, the ViT."""
    table = bit.bit_tensors(config.bit, config.num_channels, f"{name}.bit")
    table += params.pixelwise(f"{name}.projection", config.hidden_size, config.bit.stage_channels[-1])
    return table + vit.token_tensors(config, name)


def names(config: Any) -> dict[str, str]:
    return NAMES


NAMES = {
    **{f"bit.{ours}": f"embeddings.backbone.{theirs}" for ours, theirs in bit.NAMES.items()},
    "projection": "embeddings.projection",
    **vit.NAMES,
}
