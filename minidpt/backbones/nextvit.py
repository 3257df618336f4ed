"""Next-ViT, the encoder of MiDaS 3.1's largest convolutional model: grouped convolutions, and now and then attention.

Two kinds of block. A convolution block mixes neighbours by a grouped 3 x 3 convolution. A transformer block, wider,
ends each group of blocks: most of its channels come from attention over the whole map, whose keys and values are
averages of neighbouring tokens, the rest from such a convolution.   [Next-ViT], [bytedance: Next-ViT], [timm: nextvit]
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..errors import SizeError
from ..params import Named, Tensor
from ..recording import note
from ..schema import MAX_BLOCKS, MAX_WIDTH, integer, number, sequence, setting
from . import vit
from .base import Array, BackboneConfig, Encoded, numbered_stages

NUM_STAGES = 4
LONG_STAGE, GROUP = 2, 5  # the third stage is cut into groups of five blocks; the second and fourth are one group each
STEM_STRIDES = (2, 1, 1, 2)
WIDTH_STEP = 32  # the widths inside a block are multiples of this


def encode(pixels: Array, p: dict, sized: dict, config: NextViTConfig) -> Encoded:
    """pixels: (N, H, W, C)   -> maps at 1/4, 1/8, 1/16, 1/32 of the size, rounded up"""
    x = pixels
    for layer, stride in zip(p["stem"], STEM_STRIDES, strict=True):
        x = ops.conv2d(x, **layer["conv"], stride=stride, padding=1)
        x = ops.batch_norm(x, **layer["norm"], activation="relu")
    maps = [note("embeddings", x)]
    for i, (block, block_params) in enumerate(zip(config.blocks, p["blocks"], strict=True)):
        apply = transformer_block if block.attends else conv_block
        x = note(f"blocks.{i}", apply(x, block_params, block, config, name=f"blocks.{i}"))
        if i in config.last_blocks:
            maps.append(note(f"stages.{block.stage}", x))
    return Encoded([maps[i] for i in config.taps], ops.map_size(x))


def conv_block(x: Array, p: dict, block: Block, config: NextViTConfig, *, name: str) -> Array:
    """Mix neighbours within each head, then each pixel by itself.   x: (N, H, W, C) -> (N, H', W', channels)

    [Next-ViT §3.2: next convolution block]
    """
    x = embed(x, p.get("embed"), block.stride)
    x = conv_attention(x, p["conv_attention"], block.channels // config.head_dim)
    return vit.mlp(ops.batch_norm(x, **p["norm"]), p["mlp"], "relu", residual=x, name=f"{name}.mlp")


def transformer_block(x: Array, p: dict, block: Block, config: NextViTConfig, *, name: str) -> Array:
    """Let all pixels attend to all; of the result make further channels by convolution; then each pixel by itself.

    x: (N, H, W, C) -> (N, H', W', channels)   [Next-ViT §3.3: next transformer block]
    """
    attended, convolved = config.parts(block)
    x = embed(x, p.get("embed"), block.stride)
    normed = note(f"{name}.norm1", ops.batch_norm(x, **p["norm1"]))
    heads = attended // config.head_dim
    x = pooled_attention(normed, p["attention"], heads, block.run, residual=x, name=f"{name}.attention")
    y = embed(x, p.get("projection"), 1)
    y = conv_attention(y, p["conv_attention"], convolved // config.head_dim)
    x = ops.concat_channels(x, y)
    return vit.mlp(ops.batch_norm(x, **p["norm2"]), p["mlp"], "relu", residual=x, name=f"{name}.mlp")


def embed(x: Array, p: dict | None, stride: int) -> Array:
    """Halve the size by means of 2 x 2 pixels where the stride is 2, and change the width.   x: (N, H, W, C)

    p is None where neither size nor width changes.   [Next-ViT: patch embedding]
    """
    if stride == 2:
        x = ops.avg_pool2d(x, 2)
    return x if p is None else ops.batch_norm(ops.linear(x, **p["conv"]), **p["norm"])


def conv_attention(x: Array, p: dict, num_heads: int) -> Array:
    """x + out(relu(norm(3 x 3 convolution of each head by itself))).   x: (N, H, W, C)   [Next-ViT: MHCA]"""
    y = ops.conv2d(x, **p["conv"], padding=1, groups=num_heads)
    return ops.linear(ops.batch_norm(y, **p["norm"], activation="relu"), **p["out"], residual=x)


def pooled_attention(x: Array, p: dict, num_heads: int, run: int, *, residual: Array, name: str) -> Array:
    """Attention in which each run of tokens, row by row, shares one key and one value.   [Next-ViT: E-MHSA]

    x, residual: (N, H, W, C) -> (N, H, W, C)
    """
    tokens = ops.map_to_tokens(x)
    heard = tokens if run == 1 else ops.batch_norm(ops.avg_pool_tokens(tokens, run), **p["norm"])
    sources = {"query": tokens, "key": heard, "value": heard}
    projected = {part: note(f"{name}.{part}", ops.linear(y, **p[part])) for part, y in sources.items()}
    query, key, value = (ops.split_heads(part, num_heads) for part in projected.values())
    note(f"{name}.weights", lambda: ops.attention_weights(query, key))
    mixed = ops.merge_heads(ops.attend(query, key, value))
    note(name, lambda: ops.linear(mixed, **p["out"]))
    return ops.linear(ops.tokens_to_map(mixed, ops.map_size(x)), **p["out"], residual=residual)


# ---------------------------------------------------------------- the config


def whole_steps(channels: float) -> int:
    """The nearest multiple of 32, at least 32 and never more than a tenth below.   [Next-ViT: make_divisible]"""
    rounded = max(WIDTH_STEP, int(channels + WIDTH_STEP / 2) // WIDTH_STEP * WIDTH_STEP)
    return rounded + WIDTH_STEP if rounded < 0.9 * channels else rounded


@dataclasses.dataclass(frozen=True)
class Block:
    """What one block is.   attends: it is a transformer block; run: so many tokens then share one key and value"""

    stage: int
    in_channels: int
    channels: int
    attends: bool
    stride: int
    run: int


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class NextViTConfig(BackboneConfig):
    """Next-ViT; the defaults are its large size. transformers has none, so the fields are ours.

    stem_channels: widths of the stem's convolutions, the last of them twice   hidden_sizes: widths of each stage's
    convolution blocks   transformer_sizes: widths of the transformer blocks, from the second stage on
    sr_ratios: their squares are how many tokens share one key and value   head_dim: channels of one head, of attention
    and of the grouped convolution   mix_ratio: the share of a transformer block's channels that attention makes
    conv_mlp_ratio, transformer_mlp_ratio: widening inside the mlp of either kind of block
    """

    model_type: ClassVar[str] = "nextvit"

    stem_channels: tuple[int, ...] = setting((64, 32, 64), sequence(integer(1, MAX_WIDTH), 3, 3))
    depths: tuple[int, ...] = setting((3, 4, 30, 3), sequence(integer(1, MAX_BLOCKS), NUM_STAGES, NUM_STAGES))
    hidden_sizes: tuple[int, ...] = setting(
        (96, 192, 384, 768), sequence(integer(1, MAX_WIDTH), NUM_STAGES, NUM_STAGES)
    )
    transformer_sizes: tuple[int, ...] = setting(
        (256, 512, 1024), sequence(integer(1, MAX_WIDTH), NUM_STAGES - 1, NUM_STAGES - 1)
    )
    sr_ratios: tuple[int, ...] = setting((8, 4, 2, 1), sequence(integer(1, 64), NUM_STAGES, NUM_STAGES))
    head_dim: int = setting(32, integer(1, MAX_WIDTH))
    mix_ratio: float = setting(0.75, number(0, 1))
    conv_mlp_ratio: float = setting(3, number(0.01, 64))
    transformer_mlp_ratio: float = setting(2, number(0.01, 64))

    def check(self):
        if self.depths[LONG_STAGE] % GROUP:
            raise self._error(
                "depths", f"must have a multiple of {GROUP} as third value, not {self.depths[LONG_STAGE]}"
            )
        for block in self.blocks:
            attended, convolved = self.parts(block)
            if convolved < 1:
                message = f"{self.mix_ratio} makes attention {attended} of {block.channels} channels wide"
                raise self._error("mix_ratio", f"{message}; it must leave some to the convolution")
            for width in (attended, convolved):
                if width % self.head_dim:
                    raise self._error("head_dim", f"{self.head_dim} does not divide {width} channels")
        super().check()

    @property
    def taps_are(self) -> str:
        return "pyramid"

    @property
    def stage_names(self) -> tuple[str, ...]:
        return numbered_stages(NUM_STAGES)

    @property
    def tap_channels(self) -> tuple[int, ...]:
        ends = (self.stem_channels[-1], *(self.blocks[i].channels for i in self.last_blocks))
        return tuple(ends[i] for i in self.taps)

    @property
    def size_multiple(self) -> int:
        """The stem's stride, so that the depth has the picture's size; deeper maps round up."""
        return 4

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in order."""
        found: list[Block] = []
        width = self.stem_channels[-1]
        for stage, depth in enumerate(self.depths):
            group = GROUP if stage == LONG_STAGE else depth
            for i in range(depth):
                attends = stage > 0 and (i + 1) % group == 0
                channels = self.transformer_sizes[stage - 1] if attends else self.hidden_sizes[stage]
                stride = 2 if stage > 0 and i == 0 else 1
                found.append(Block(stage, width, channels, attends, stride, self.sr_ratios[stage] ** 2))
                width = channels
        return tuple(found)

    @property
    def last_blocks(self) -> tuple[int, ...]:
        """The number of the last block of each stage."""
        return tuple(sum(self.depths[: stage + 1]) - 1 for stage in range(NUM_STAGES))

    def parts(self, block: Block) -> tuple[int, int]:
        """Of a block's channels, how many attention makes and how many the convolution."""
        attended = whole_steps(int(block.channels * self.mix_ratio)) if block.attends else 0
        return attended, block.channels - attended

    def mlp_dim(self, block: Block) -> int:
        """The width inside a block's mlp."""
        ratio = self.transformer_mlp_ratio if block.attends else self.conv_mlp_ratio
        return whole_steps(block.channels * ratio)


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: NextViTConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, stem to final norm."""
    table: list[Tensor] = []
    width = config.num_channels
    for i, channels in enumerate((*config.stem_channels, config.stem_channels[-1])):
        table += params.conv(f"{name}.stem.{i}.conv", channels, width, 3, bias=False)
        table += params.batch_norm(f"{name}.stem.{i}.norm", channels)
        width = channels
    for i, block in enumerate(config.blocks):
        table += block_tensors(config, block, f"{name}.blocks.{i}")
    unused = "the taps are taken before the final norm"
    return table + [Tensor(t.name, t.shape, t.kind, unused) for t in params.batch_norm(f"{name}.norm", block.channels)]


def block_tensors(config: NextViTConfig, block: Block, name: str) -> list[Tensor]:
    convolved, table = block.channels, []
    if block.attends:
        width, convolved = config.parts(block)
        table += embed_tensors(f"{name}.embed", width, block.in_channels, block.stride)
        table += params.batch_norm(f"{name}.norm1", width)
        for part in ("query", "key", "value", "out"):
            table += params.linear(f"{name}.attention.{part}", width, width)
        if block.run > 1:
            table += params.batch_norm(f"{name}.attention.norm", width)
        table += embed_tensors(f"{name}.projection", convolved, width, 1)
    else:
        table += embed_tensors(f"{name}.embed", convolved, block.in_channels, block.stride)
    table += params.conv(f"{name}.conv_attention.conv", convolved, config.head_dim, 3, bias=False)
    table += params.batch_norm(f"{name}.conv_attention.norm", convolved)
    table += params.pixelwise(f"{name}.conv_attention.out", convolved, convolved, bias=False)
    table += params.batch_norm(f"{name}.norm2" if block.attends else f"{name}.norm", block.channels)
    inner = config.mlp_dim(block)
    table += params.pixelwise(f"{name}.mlp.up", inner, block.channels)
    return table + params.pixelwise(f"{name}.mlp.down", block.channels, inner)


def embed_tensors(name: str, out_channels: int, in_channels: int, stride: int) -> list[Tensor]:
    """Nothing where neither size nor width changes."""
    if stride == 1 and out_channels == in_channels:
        return []
    table = params.pixelwise(f"{name}.conv", out_channels, in_channels, bias=False)
    return table + params.batch_norm(f"{name}.norm", out_channels)


def sized(named: Named, config: NextViTConfig, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Nothing depends on the size alone; but a picture must be large enough for one key, a mean of tokens.

    SizeError where it is not.
    """
    for block in config.blocks:
        height, width = (-(-side // (4 << block.stage)) for side in size)
        if block.attends and height * width < block.run:
            raise SizeError(
                f"Next-ViT needs larger pictures than {size[0]} x {size[1]} pixels: stage {block.stage + 1} averages "
                f"{block.run} tokens and has {height * width}"
            )
    return {}


def states(config: NextViTConfig) -> list[str]:
    return ["embeddings", *(f"stages.{stage}" for stage in range(NUM_STAGES))]


def attentions(config: NextViTConfig) -> list[str]:
    return [f"blocks.{i}.attention.weights" for i, block in enumerate(config.blocks) if block.attends]


# ---------------------------------------------------------------- names on disk: ByteDance's own


def names(config: NextViTConfig) -> dict[str, str]:
    return NAMES


NAMES = {
    "stem.*.conv": "stem.*.conv",
    "stem.*.norm": "stem.*.norm",
    **{
        f"blocks.*.{ours}": f"features.*.{theirs}"
        for ours, theirs in (
            ("embed.conv", "patch_embed.conv"),
            ("embed.norm", "patch_embed.norm"),
            ("norm", "norm"),
            ("norm1", "norm1"),
            ("norm2", "norm2"),
            ("attention.query", "e_mhsa.q"),
            ("attention.key", "e_mhsa.k"),
            ("attention.value", "e_mhsa.v"),
            ("attention.out", "e_mhsa.proj"),
            ("attention.norm", "e_mhsa.norm"),
            ("projection.conv", "projection.conv"),
            ("projection.norm", "projection.norm"),
            ("conv_attention.conv", "mhca.group_conv3x3"),
            ("conv_attention.norm", "mhca.norm"),
            ("conv_attention.out", "mhca.projection"),
            ("mlp.up", "mlp.conv1"),
            ("mlp.down", "mlp.conv2"),
        )
    },
    "norm": "norm",
}
