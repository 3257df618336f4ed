"""BEiT, the encoder of MiDaS 3.1's best DPT models.   [BEiT], [MiDaS 3.1], [transformers: BeitBackbone]

A plain ViT whose tokens carry no positions: instead each block learns, for every head and every offset between two
tokens, how much the one listens to the other. A factor on every branch (LayerScale); keys have no bias.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .. import ops, params
from ..ops.resize import resize_bicubic, resize_bilinear
from ..params import Named, Tensor
from ..recording import note
from ..schema import (
    MAX_BLOCKS,
    MAX_SIDE,
    MAX_WIDTH,
    boolean,
    integer,
    nullable,
    number,
    real,
    sequence,
    setting,
    square,
)
from . import vit
from .base import Array, BackboneConfig, Encoded, numbered_stages, run_blocks
from .vit import BLOCK_NAMES, TokensConfig

CLASS_OFFSETS = (
    3  # last rows of a bias table: class token to grid token, grid token to class token, class token to itself
)


def encode(pixels: Array, p: dict, sized: dict, config: BeitConfig) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of the patch size"""
    height, width = ops.map_size(pixels)
    grid = (height // config.patch_size, width // config.patch_size)
    x = ops.linear(ops.patches(pixels, config.patch_size), **p["patch_embed"])
    x = ops.prepend_token(p["cls_token"], x)
    if config.use_absolute_position_embeddings:
        x = ops.add(x, sized["position_embeddings"])
    note("embeddings", x)

    biases = sized["relative_biases"]
    for_all = ops.relative_bias(grid=grid, **biases[0]) if len(biases) == 1 else None

    def apply(x: Array, block_params: dict, i: int) -> Array:
        # T x T numbers for every head: laid out for its block, then let go
        bias = ops.relative_bias(grid=grid, **biases[i]) if len(biases) > 1 else for_all
        return vit.block(x, block_params, config, bias=bias, name=f"blocks.{i}")

    taps, tokens = run_blocks(x, p["blocks"], apply, config.tap_stages)
    if config.reshape_hidden_states:
        taps = [ops.tokens_to_map(ops.take_tokens(tap, config.prefix_tokens), grid) for tap in taps]
    return Encoded(taps, grid, tokens)


# ---------------------------------------------------------------- the config


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class BeitConfig(TokensConfig, BackboneConfig):
    """[transformers: BeitConfig, same fields and defaults]

    use_relative_position_bias: each block has a table of biases.   use_shared_relative_position_bias: all blocks share
    one; with both the two add up.   layer_scale_init_value: with 0 the branches have no factors.
    reshape_hidden_states: the taps are maps without class token, not tokens.   use_mean_pooling: if False there is a
    final norm, which the taps never see. What the other heads of BEiT and its training read is kept as it is.
    """

    model_type: ClassVar[str] = "beit"

    vocab_size: int = setting(8192, integer(0, 2**31 - 1))
    image_size: int = nullable(224, square(integer(1, MAX_SIDE)))
    use_mask_token: bool = setting(False, boolean)
    use_absolute_position_embeddings: bool = setting(False, boolean)
    use_relative_position_bias: bool = setting(False, boolean)
    use_shared_relative_position_bias: bool = setting(False, boolean)
    layer_scale_init_value: float = setting(0.1, real(-1e6, 1e6))
    drop_path_rate: float = setting(0.1, number(0, 1))
    use_mean_pooling: bool = setting(True, boolean)
    pool_scales: tuple[int, ...] = setting((1, 2, 3, 6), sequence(integer(1, MAX_SIDE)))
    use_auxiliary_head: bool = setting(True, boolean)
    auxiliary_loss_weight: float = setting(0.4, number(0, 1e6))
    auxiliary_channels: int = setting(256, integer(1, MAX_WIDTH))
    auxiliary_num_convs: int = setting(1, integer(0, MAX_BLOCKS))
    auxiliary_concat_input: bool = setting(False, boolean)
    semantic_loss_ignore_index: int = setting(255, integer(-(2**31), 2**31 - 1))
    add_fpn: bool = setting(False, boolean)
    reshape_hidden_states: bool = setting(True, boolean)

    def _fill(self, values: Mapping[str, Any]):
        if values.get("out_indices") is None and "segmentation_indices" in values:  # an older name
            values = {**values, "out_indices": values["segmentation_indices"]}
        super()._fill(values)

    def check(self):
        TokensConfig.check(self)
        BackboneConfig.check(self)
        if self.add_fpn:
            raise self._error("add_fpn", "must be False: that pyramid is for transformers' BEiT segmentation head")

    @property
    def taps_are(self) -> str:
        return "maps" if self.reshape_hidden_states else "tokens"

    @property
    def stage_names(self) -> tuple[str, ...]:
        return numbered_stages(self.num_hidden_layers)

    @property
    def tap_stages(self) -> tuple[int, ...]:
        return self.taps

    @property
    def has_scales(self) -> bool:
        """Whether each branch of a block has a factor per channel."""
        return self.layer_scale_init_value > 0


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: BeitConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, patch embedding to final norm."""
    width, side = config.hidden_size, config.image_size // config.patch_size
    bias_table = ((2 * side - 1) ** 2 + CLASS_OFFSETS, config.num_attention_heads)
    table = [Tensor(f"{name}.cls_token", (1, 1, width), "embedding")]
    if config.use_mask_token:
        unused = "stands for hidden patches in BEiT's own training"
        table.append(Tensor(f"{name}.mask_token", (1, 1, width), "embedding", unused))
    if config.use_absolute_position_embeddings:
        table.append(Tensor(f"{name}.position_embeddings", (1, 1 + side**2, width), "embedding"))
    table += params.patch_conv(f"{name}.patch_embed", width, config.num_channels, config.patch_size)
    if config.use_shared_relative_position_bias:
        table.append(Tensor(f"{name}.relative_bias", bias_table, "embedding"))
    for i in range(config.num_hidden_layers):
        block = f"{name}.blocks.{i}"
        table += vit.block_tensors(
            block, width, config.intermediate_size, qkv_bias=True, key_bias=False, scales=config.has_scales
        )
        if config.use_relative_position_bias:
            table.append(Tensor(f"{block}.relative_bias", bias_table, "embedding"))
    if config.use_mean_pooling:
        return table
    unused = "the taps are taken before the final norm"
    return table + [Tensor(t.name, t.shape, t.kind, unused) for t in params.norm(f"{name}.norm", width)]


def sized(named: Named, config: BeitConfig, size: tuple[int, int]) -> dict[str, Any]:
    """What the forward pass needs for pictures of `size` = (H, W) pixels.

    relative_biases: ops.relative_bias's arguments for each block, once if all blocks share them; or an empty list
    position_embeddings: where the config has them
    """
    grid = (size[0] // config.patch_size, size[1] // config.patch_size)
    found: dict[str, Any] = {"relative_biases": relative_biases(named, config, grid)}
    if config.use_absolute_position_embeddings:
        positions = named["backbone.position_embeddings"]
        found["position_embeddings"] = vit.resize_positions(positions, grid, resize=resize_bicubic)
    return found


def relative_biases(named: Named, config: BeitConfig, grid: tuple[int, int]) -> list[dict[str, np.ndarray]]:
    own = [f"backbone.blocks.{i}.relative_bias" for i in range(config.num_hidden_layers)]
    tables = [named[name] for name in own] if config.use_relative_position_bias else []
    if config.use_shared_relative_position_bias:
        shared = named["backbone.relative_bias"]
        tables = [table + shared for table in tables] or [shared]
    return [resize_bias(table, grid) for table in tables]


def resize_bias(table: np.ndarray, grid: tuple[int, int]) -> dict[str, np.ndarray]:
    """Stretch a table of the offsets in a learnt grid of S x S to those in another grid; the class token's stay.

    table: ((2 S - 1)^2 + 3, A), row offset by row offset -> table: (A, 2 H - 1, 2 W - 1), class_bias: (A, 3), as
    ops.relative_bias takes them   [MiDaS 3.1]
    """
    offsets, class_bias = table[:-CLASS_OFFSETS], table[-CLASS_OFFSETS:]
    side = round(len(offsets) ** 0.5)
    stretched = resize_bilinear(
        offsets.reshape(1, side, side, -1), (2 * grid[0] - 1, 2 * grid[1] - 1), align_corners=False
    )
    return {"table": stretched[0].transpose(2, 0, 1), "class_bias": class_bias.T}


# ---------------------------------------------------------------- names in transformers' files


def names(config: BeitConfig) -> dict[str, str]:
    return NAMES


BIAS_TABLE = "relative_position_bias.relative_position_bias_table"
NAMES = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "position_embeddings": "embeddings.position_embeddings",
    "patch_embed": "embeddings.patch_embeddings.projection",
    **BLOCK_NAMES,
    "blocks.*.scale1": "encoder.layer.*.lambda_1",
    "blocks.*.scale2": "encoder.layer.*.lambda_2",
    "blocks.*.relative_bias": f"encoder.layer.*.attention.attention.{BIAS_TABLE}",
    "relative_bias": f"beit.encoder.{BIAS_TABLE}",  # these two as transformers 5 writes them
    "norm": "beit.layernorm",
}
