"""DeiT, distilled: an encoder that isl-org/DPT offers beside the plain ViT.   [DeiT], [transformers: DeiTModel]

A plain ViT with a second token beside the class token, which was taught by another network. Both stand for the whole
picture: the readouts of the decoder take the class token, or the mean of the two.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from .. import ops
from ..params import Tensor
from ..schema import ACTIVATION, MAX_SIDE, MAX_WIDTH, integer, nullable, optional, setting, square
from . import vit
from .base import Array, BackboneConfig, Encoded, numbered_stages
from .vit import TokensConfig, ViTConfig


def encode(pixels: Array, p: dict, sized: dict, config: DeiTConfig) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of the patch size"""
    height, width = ops.map_size(pixels)
    grid = (height // config.patch_size, width // config.patch_size)
    x = ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"])
    x = ops.prepend_token(p["distillation_token"], x)
    taps, tokens = vit.encode_tokens(x, p, sized, config)
    return Encoded(taps, grid, tokens)


sized = vit.sized


# ---------------------------------------------------------------- the config


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class DeiTConfig(ViTConfig, BackboneConfig):
    """[transformers: DeiTConfig, same fields and defaults], and the choice of taps, which transformers' DeiT has not

    encoder_stride, pooler_output_size, pooler_act: of other models' heads, kept as they are
    """

    model_type: ClassVar[str] = "deit"

    image_size: int = nullable(224, square(integer(1, MAX_SIDE)))
    encoder_stride: int = setting(16, integer(1, MAX_SIDE))
    pooler_output_size: int = setting(None, optional(integer(1, MAX_WIDTH)))
    pooler_act: str = setting("tanh", ACTIVATION)

    def check(self):
        TokensConfig.check(self)
        BackboneConfig.check(self)
        if self.pooler_output_size is None:
            object.__setattr__(self, "pooler_output_size", self.hidden_size)

    @property
    def prefix_tokens(self) -> int:
        return 2

    @property
    def class_tokens(self) -> int:
        return 2

    @property
    def stage_names(self) -> tuple[str, ...]:
        return numbered_stages(self.num_hidden_layers)

    @property
    def tap_stages(self) -> tuple[int, ...]:
        return self.taps


def tensors(config: DeiTConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors: those of a plain ViT, whose final norm no tap sees, and the second token."""
    table = [Tensor(f"{name}.distillation_token", (1, 1, config.hidden_size), "embedding")]
    for t in vit.tensors(config, name):
        unused = "the taps are taken before the final norm" if t.name.startswith(f"{name}.norm.") else ""
        table.append(dataclasses.replace(t, unused=unused))
    return table


def names(config: DeiTConfig) -> dict[str, str]:
    return NAMES


NAMES = {**vit.NAMES, "distillation_token": "embeddings.distillation_token"}
