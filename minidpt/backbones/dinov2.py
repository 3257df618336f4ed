"""DINOv2, the encoder of Depth Anything and of DPT's metric models, with and without register tokens.

A plain ViT with a factor on every branch (LayerScale), positions stretched bicubically and, in the giant size, a gated
mlp. Registers are learnt tokens between class token and grid, with no position; nothing reads them out.
[DINOv2], [Vision Transformers Need Registers], [transformers: Dinov2Backbone, Dinov2WithRegistersBackbone]
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..ops.resize import resize_bicubic
from ..params import Named, Tensor
from ..recording import note
from ..schema import ACTIVATION, MAX_BLOCKS, MAX_SIDE, MAX_WIDTH, boolean, integer, number, real, setting, square
from . import vit
from .base import Array, BackboneConfig, Encoded, numbered_stages, run_blocks
from .vit import BLOCK_NAMES


def encode(pixels: Array, p: dict, sized: dict, config: Dinov2Config) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of the patch size"""
    height, width = ops.map_size(pixels)
    grid = (height // config.patch_size, width // config.patch_size)
    x = ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"])
    x = ops.add(x, sized["grid_positions"])
    if config.num_registers:
        x = ops.prepend_token(p["registers"], x)
    x = note("embeddings", ops.prepend_token(sized["cls_token"], x))

    def apply(x: Array, block_params: dict, i: int) -> Array:
        return vit.block(x, block_params, config, name=f"blocks.{i}")

    taps, tokens = run_blocks(x, p["blocks"], apply, config.taps)
    if config.apply_layernorm:
        taps = [ops.layer_norm(tap, **p["norm"], eps=config.layer_norm_eps) for tap in taps]
    if config.reshape_hidden_states:
        taps = [ops.tokens_to_map(ops.take_tokens(tap, config.prefix_tokens), grid) for tap in taps]
    return Encoded(taps, grid, tokens)


# ---------------------------------------------------------------- the config


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class Dinov2Config(BackboneConfig):
    """[transformers: Dinov2Config, same fields and defaults]

    apply_layernorm: the final norm is applied to every tap.   reshape_hidden_states: the taps are maps without class
    token, not tokens.
    """

    model_type: ClassVar[str] = "dinov2"

    hidden_size: int = setting(768, integer(1, MAX_WIDTH))
    num_hidden_layers: int = setting(12, integer(1, MAX_BLOCKS))
    num_attention_heads: int = setting(12, integer(1, MAX_BLOCKS))
    mlp_ratio: float = setting(4, number(0.01, 64))
    hidden_act: str = setting("gelu", ACTIVATION)
    hidden_dropout_prob: float = setting(0.0, number(0, 1))
    attention_probs_dropout_prob: float = setting(0.0, number(0, 1))
    initializer_range: float = setting(0.02, real(0, 10))
    layer_norm_eps: float = setting(1e-6, real(0, 1))
    image_size: int = setting(224, square(integer(1, MAX_SIDE)))
    patch_size: int = setting(14, square(integer(1, 256)))
    qkv_bias: bool = setting(True, boolean)
    layerscale_value: float = setting(1.0, real(-1e6, 1e6))
    drop_path_rate: float = setting(0.0, number(0, 1))
    use_swiglu_ffn: bool = setting(False, boolean)
    apply_layernorm: bool = setting(True, boolean)
    reshape_hidden_states: bool = setting(True, boolean)
    use_mask_token: bool = setting(True, boolean)

    def check(self):
        super().check()
        self._check_blocks(self.hidden_size, self.num_attention_heads, self.patch_size, image_size=self.image_size)

    @property
    def taps_are(self) -> str:
        return "maps" if self.reshape_hidden_states else "tokens"

    @property
    def num_registers(self) -> int:
        return 0

    @property
    def prefix_tokens(self) -> int:
        return 1 + self.num_registers

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
        """The width inside the mlp; two thirds of it, rounded up to a multiple of 8, on each side of a gate."""
        inner = int(self.hidden_size * self.mlp_ratio)
        return (int(inner * 2 / 3) + 7) // 8 * 8 if self.use_swiglu_ffn else inner


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class Dinov2WithRegistersConfig(Dinov2Config):
    """[transformers: Dinov2WithRegistersConfig, same fields and defaults]"""

    model_type: ClassVar[str] = "dinov2_with_registers"

    patch_size: int = setting(16, square(integer(1, 256)))
    num_register_tokens: int = setting(4, integer(0, MAX_BLOCKS))

    @property
    def num_registers(self) -> int:
        return self.num_register_tokens


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: Dinov2Config, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, patch embedding to final norm."""
    width, positions = config.hidden_size, (config.image_size // config.patch_size) ** 2
    table = [
        Tensor(f"{name}.cls_token", (1, 1, width), "embedding"),
        Tensor(f"{name}.position_embeddings", (1, 1 + positions, width), "embedding"),
    ]
    if config.use_mask_token:
        unused = "stands for hidden patches in DINOv2's own training"
        table.append(Tensor(f"{name}.mask_token", (1, width), "embedding", unused))
    if config.num_registers:
        table.append(Tensor(f"{name}.registers", (1, config.num_registers, width), "embedding"))
    table += params.patch_conv(f"{name}.patch_embed", width, config.num_channels, config.patch_size)
    for i in range(config.num_hidden_layers):
        table += vit.block_tensors(
            f"{name}.blocks.{i}",
            width,
            config.mlp_dim,
            qkv_bias=config.qkv_bias,
            scales=True,
            gate=config.use_swiglu_ffn,
        )
    unused = "" if config.apply_layernorm else "the taps are taken before the final norm"
    return table + [Tensor(t.name, t.shape, t.kind, unused) for t in params.norm(f"{name}.norm", width)]


def sized(named: Named, config: Dinov2Config, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What the forward pass needs for pictures of `size` = (H, W) pixels: positions, and the class token with its own.

    With registers the stretching is antialiased, as it was when those models were trained.
    """
    grid = (size[0] // config.patch_size, size[1] // config.patch_size)
    antialias = isinstance(config, Dinov2WithRegistersConfig)
    resize = partial(resize_bicubic, antialias=antialias)
    positions = vit.resize_positions(named["backbone.position_embeddings"], grid, resize=resize)
    return {"cls_token": named["backbone.cls_token"] + positions[:, :1], "grid_positions": positions[:, 1:]}


# ---------------------------------------------------------------- names in transformers' files


def names(config: Dinov2Config) -> dict[str, str]:
    return {**NAMES, **(GATED_NAMES if config.use_swiglu_ffn else {})}


NAMES = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "registers": "embeddings.register_tokens",
    "position_embeddings": "embeddings.position_embeddings",
    "patch_embed": "embeddings.patch_embeddings.projection",
    **BLOCK_NAMES,
    "blocks.*.norm1": "encoder.layer.*.norm1",
    "blocks.*.norm2": "encoder.layer.*.norm2",
    "blocks.*.scale1": "encoder.layer.*.layer_scale1.lambda1",
    "blocks.*.scale2": "encoder.layer.*.layer_scale2.lambda1",
    "blocks.*.mlp.up": "encoder.layer.*.mlp.fc1",
    "blocks.*.mlp.down": "encoder.layer.*.mlp.fc2",
    "norm": "layernorm",
}
GATED_NAMES = {
    "blocks.*.mlp.gate_up": "encoder.layer.*.mlp.weights_in",
    "blocks.*.mlp.down": "encoder.layer.*.mlp.weights_out",
}
