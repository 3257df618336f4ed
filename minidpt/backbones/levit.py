"""LeViT, the encoder of MiDaS 3.1's smallest model: a few convolutions, then attention on an ever coarser grid.

Every linear layer has a batch norm behind it and no bias, there is no layer norm and no class token; where a token is
enters the attention as a learnt score for the distance of two tokens along each axis. Between two stages attention
itself shrinks the grid: only every other token of every other row asks.   [LeViT], [transformers: LevitModel]
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..errors import SizeError
from ..ops.conv import output_size
from ..params import Named, Tensor
from ..recording import note
from ..schema import MAX_BLOCKS, MAX_SIDE, MAX_WIDTH, integer, number, real, sequence, setting, square
from .base import Array, BackboneConfig, Encoded

NUM_STAGES, NUM_CONVS = 3, 4
SHRINK_STRIDE, SHRINK_VALUE_RATIO, SHRINK_MLP_RATIO = 2, 4, 2  # between stages; transformers has no fields for them


def encode(pixels: Array, p: dict, sized: dict, config: LevitConfig) -> Encoded:
    """pixels: (N, image_size, image_size, C).   Each stage's maps have half the side of those before, rounded up.

    Nothing behind the last tap is computed.
    """
    x, grid = stem(pixels, p["stem"], config), (config.grid, config.grid)
    taps = [x] if 0 in config.taps else []
    tokens = note("embeddings", ops.map_to_tokens(x))
    done = 0
    for s, stage in enumerate(config.stages):
        for b, block in enumerate(stage):
            if done == config.taps[-1]:
                return Encoded(taps, grid, tokens)
            name, block_params = f"stages.{s}.blocks.{b}", p["stages"][s]["blocks"][b][block.kind]
            tokens = note(name, APPLY[block.kind](tokens, block_params, block, sized.get(name), name))
            grid, done = (block.out_grid, block.out_grid), done + 1
            if done in config.taps:
                taps.append(ops.tokens_to_map(tokens, grid))
        note(f"stages.{s}", tokens)
    return Encoded(taps, grid, tokens)


def stem(x: Array, p: dict, config: LevitConfig) -> Array:
    """Four strided convolutions, a hard swish between any two.   (N, H, W, C) -> (N, grid, grid, hidden_sizes[0])"""
    for i in range(1, NUM_CONVS + 1):
        x = ops.conv2d(x, **p[f"conv{i}"], stride=config.stride, padding=config.padding)
        x = ops.batch_norm(x, **p[f"norm{i}"], activation="hardswish" if i < NUM_CONVS else None)
    return x


def linear_norm(x: Array, p: dict, activation: str | None = None) -> Array:
    """A linear layer without bias, and a batch norm.   x: (N, T, I) -> (N, T, O)"""
    return ops.batch_norm(ops.linear(x, **p["linear"]), **p["norm"], activation=activation)


def attention(x: Array, p: dict, block: Block, bias: Array, name: str) -> Array:
    """x + attention over all tokens; query, key and value of each head lie side by side in one layer.   x: (N, T, D)"""
    k, a = block.key_dim, block.num_heads
    together = linear_norm(x, p["query_key_value"])
    query, key, value = (ops.split_heads(together, a, *part) for part in ((0, k), (k, 2 * k), (2 * k, None)))
    return ops.add(x, attend(query, key, value, p["out"], bias, name))


def shrink(x: Array, p: dict, block: Block, bias: Array, name: str) -> Array:
    """Attention in which every other token of every other row asks, and all answer.   (N, T, D) -> (N, ~T / 4, D')"""
    k, a, side = block.key_dim, block.num_heads, block.grid
    asking = ops.map_to_tokens(ops.every_other(ops.tokens_to_map(x, (side, side)), SHRINK_STRIDE))
    query = ops.split_heads(linear_norm(asking, p["query"]), a)
    together = linear_norm(x, p["key_value"])
    key, value = (ops.split_heads(together, a, *part) for part in ((0, k), (k, None)))
    return attend(query, key, value, p["out"], bias, name)


def attend(query: Array, key: Array, value: Array, p: dict, bias: Array, name: str) -> Array:
    """out(hardswish(softmax(query key^T / sqrt(K) + bias) value))   (N, A, T, K), (N, A, S, K), (N, A, S, V)"""
    for part, x in (("query", query), ("key", key), ("value", value)):
        note(f"{name}.attention.{part}", lambda x=x: ops.merge_heads(x))
    note(f"{name}.attention.weights", lambda: ops.attention_weights(query, key, bias=bias))
    mixed = ops.activate(ops.merge_heads(ops.attend(query, key, value, bias=bias)), "hardswish")
    return note(f"{name}.attention", linear_norm(mixed, p))


def mlp(x: Array, p: dict, block: Block, bias: Array, name: str) -> Array:
    """x + down(hardswish(up(x))), each token by itself.   x: (N, T, D)"""
    hidden = linear_norm(x, p["up"], activation="hardswish")
    return ops.add(x, note(f"{name}.mlp", linear_norm(hidden, p["down"])))


APPLY = {"attention": attention, "shrink": shrink, "mlp": mlp}

# ---------------------------------------------------------------- the config


def three(low: int, high: int, default: tuple[int, int, int]) -> tuple[int, ...]:
    """A field with a value for each stage."""
    return setting(default, sequence(integer(low, high), NUM_STAGES, NUM_STAGES))


@dataclasses.dataclass(frozen=True)
class Block:
    """What one residual block is.

    kind: "attention" | "shrink", attention that leaves a coarser grid | "mlp"   grid: the side of its input's grid
    value_ratio: how much wider a head's value is than its key
    """

    kind: str
    grid: int
    in_channels: int
    channels: int
    num_heads: int = 0
    key_dim: int = 0
    value_ratio: int = 0
    mlp_dim: int = 0

    @property
    def out_grid(self) -> int:
        return -(-self.grid // SHRINK_STRIDE) if self.kind == "shrink" else self.grid

    @property
    def value_dim(self) -> int:
        return self.value_ratio * self.key_dim


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class LevitConfig(BackboneConfig):
    """[transformers: LevitConfig, same fields and defaults]

    What can be tapped is the stem and every residual block, "layer1", "layer2", ..., counted through all stages:
    attention and mlp are a block each. MiDaS taps layer4, layer12 and layer22.   Pictures have image_size only.
    """

    model_type: ClassVar[str] = "levit"

    image_size: int = setting(224, square(integer(1, MAX_SIDE)))
    kernel_size: int = setting(3, integer(1, 256))
    stride: int = setting(2, integer(1, 256))
    padding: int = setting(1, integer(0, 256))
    patch_size: int = setting(16, square(integer(1, 256)))
    hidden_sizes: tuple[int, ...] = three(8, MAX_WIDTH, (128, 256, 384))
    num_attention_heads: tuple[int, ...] = three(1, MAX_BLOCKS, (4, 8, 12))
    depths: tuple[int, ...] = three(1, MAX_BLOCKS, (4, 4, 4))
    key_dim: tuple[int, ...] = three(1, MAX_WIDTH, (16, 16, 16))
    drop_path_rate: float = setting(0, number(0, 1))
    mlp_ratio: tuple[int, ...] = three(0, 64, (2, 2, 2))
    attention_ratio: tuple[int, ...] = three(1, 64, (2, 2, 2))
    initializer_range: float = setting(0.02, real(0, 10))

    def check(self):
        side = self.image_size
        for _ in range(NUM_CONVS):
            try:
                side, _ = output_size((side, side), (self.kernel_size,) * 2, self.stride, self.padding)
            except ValueError as error:
                raise self._error("kernel_size", f"must leave something of the picture: {error}") from None
        if side != self.grid:
            message = f"{self.patch_size} cuts image_size {self.image_size} into {self.grid} tokens a row, the stem"
            raise self._error("patch_size", f"{message} into {side}; both must be alike")
        if self.key_dim[0] > min(self.hidden_sizes[:-1]):
            raise self._error("key_dim", f"{self.key_dim[0]} must be at most hidden_sizes {self.hidden_sizes[:-1]}")
        super().check()

    @property
    def grid(self) -> int:
        """The side of the first stage's token grid."""
        return self.image_size // self.patch_size

    @property
    def taps_are(self) -> str:
        return "pyramid"

    @property
    def stage_names(self) -> tuple[str, ...]:
        return ("stem", *(f"layer{i + 1}" for i in range(len(self.blocks))))

    @property
    def tap_channels(self) -> tuple[int, ...]:
        widths = (self.hidden_sizes[0], *(block.channels for block in self.blocks.values()))
        return tuple(widths[i] for i in self.taps)

    @property
    def size_multiple(self) -> int:
        return self.image_size

    @property
    def stages(self) -> tuple[tuple[Block, ...], ...]:
        """The blocks of each stage, in order; a stage ends with those that lead to the next."""
        grid, found = self.grid, []
        for s, (width, mlp_ratio) in enumerate(zip(self.hidden_sizes, self.mlp_ratio, strict=True)):
            attention = Block(
                "attention", grid, width, width, self.num_attention_heads[s], self.key_dim[s], self.attention_ratio[s]
            )
            mlp = Block("mlp", grid, width, width, mlp_dim=width * mlp_ratio)
            stage = ([attention, mlp] if mlp_ratio else [attention]) * self.depths[s]
            if s + 1 < NUM_STAGES:
                key_dim, after = self.key_dim[0], self.hidden_sizes[s + 1]
                shrink = Block("shrink", grid, width, after, width // key_dim, key_dim, SHRINK_VALUE_RATIO)
                grid = shrink.out_grid
                stage += [shrink, Block("mlp", grid, after, after, mlp_dim=after * SHRINK_MLP_RATIO)]
            found.append(tuple(stage))
        return tuple(found)

    @property
    def blocks(self) -> dict[str, Block]:
        """All blocks in order, by their names, "stages.0.blocks.0" and so on."""
        return {f"stages.{s}.blocks.{b}": block for s, stage in enumerate(self.stages) for b, block in enumerate(stage)}

    @property
    def needed_blocks(self) -> dict[str, Block]:
        """The blocks up to the last tap."""
        return dict(list(self.blocks.items())[: self.taps[-1]])


# ---------------------------------------------------------------- tensors, and what depends on the size only


def tensors(config: LevitConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, stem to last block."""
    table: list[Tensor] = []
    width = config.num_channels
    for i in range(1, NUM_CONVS + 1):
        channels = config.hidden_sizes[0] // 2 ** (NUM_CONVS - i)
        table += params.conv(f"{name}.stem.conv{i}", channels, width, config.kernel_size, bias=False)
        table += params.batch_norm(f"{name}.stem.norm{i}", channels)
        width = channels
    needed = config.needed_blocks
    for block_name, block in config.blocks.items():
        unused = "" if block_name in needed else "the block lies behind the last tap"
        block_table = block_tensors(block, f"{name}.{block_name}.{block.kind}")
        table += [Tensor(t.name, t.shape, t.kind, unused) for t in block_table]
    return table


def block_tensors(block: Block, name: str) -> list[Tensor]:
    width, out = block.in_channels, block.channels
    if block.kind == "mlp":
        up = linear_norm_tensors(f"{name}.up", block.mlp_dim, width)
        return up + linear_norm_tensors(f"{name}.down", out, block.mlp_dim)
    keys, values = block.num_heads * block.key_dim, block.num_heads * block.value_dim
    if block.kind == "attention":
        table = linear_norm_tensors(f"{name}.query_key_value", 2 * keys + values, width)
    else:
        table = linear_norm_tensors(f"{name}.key_value", keys + values, width)
        table += linear_norm_tensors(f"{name}.query", keys, width)
    table += linear_norm_tensors(f"{name}.out", out, values)
    return [*table, Tensor(f"{name}.offset_scores", (block.num_heads, block.grid**2), "embedding")]


def linear_norm_tensors(name: str, out_features: int, in_features: int) -> list[Tensor]:
    weight = params.linear(f"{name}.linear", out_features, in_features, bias=False)
    return weight + params.batch_norm(f"{name}.norm", out_features)


def sized(named: Named, config: LevitConfig, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The scores of each attention, laid out for its pairs of tokens, by the block's name: (A, T, S).

    SizeError for another size than image_size: there are no scores for other grids.
    """
    if size != (config.image_size, config.image_size):
        side = config.image_size
        raise SizeError(f"LeViT takes pictures of {side} x {side} pixels only, not {size[0]} x {size[1]}")
    return {
        name: offset_bias(named[f"backbone.{name}.{block.kind}.offset_scores"], block)
        for name, block in config.needed_blocks.items()
        if block.kind != "mlp"
    }


def offset_bias(scores: np.ndarray, block: Block) -> np.ndarray:
    """bias[a, (y, x), (v, u)] = scores[a, G |stride y - v| + |stride x - u|]: query token (y, x), key token (v, u).

    scores: (A, G G) for a key grid of side G -> (A, T, G G), T queries, each stride-th row and column
    """
    keys = np.arange(block.grid)
    stride = SHRINK_STRIDE if block.kind == "shrink" else 1
    away = np.abs(stride * np.arange(block.out_grid)[:, None] - keys)  # (y, v), and likewise (x, u)
    index = block.grid * away[:, None, :, None] + away[None, :, None, :]  # (y, x, v, u)
    return scores[:, index.reshape(block.out_grid**2, block.grid**2)]


def states(config: LevitConfig) -> list[str]:
    """The stem's output and that of each stage which is computed to its end."""
    needed = config.needed_blocks
    done = [f"stages.{s}" for s, stage in enumerate(config.stages) if f"stages.{s}.blocks.{len(stage) - 1}" in needed]
    return ["embeddings", *done]


def attentions(config: LevitConfig) -> list[str]:
    return [f"{name}.attention.weights" for name, block in config.needed_blocks.items() if block.kind != "mlp"]


# ---------------------------------------------------------------- names in transformers' files


def names(config: LevitConfig) -> dict[str, str]:
    return NAMES


LAYER_NAMES = {
    "attention": ("module.", {"query_key_value": "queries_keys_values", "out": "projection"}),
    "shrink": ("", {"key_value": "keys_values", "query": "queries", "out": "projection"}),
    "mlp": ("module.", {"up": "linear_up", "down": "linear_down"}),
}
NAMES = {
    **{
        f"stem.{ours}{i}": f"patch_embeddings.embedding_layer_{i}.{theirs}"
        for i in range(1, NUM_CONVS + 1)
        for ours, theirs in (("conv", "convolution"), ("norm", "batch_norm"))
    },
    **{
        f"stages.*.blocks.*.{kind}.{ours}.{part}": f"encoder.stages.*.layers.*.{wrapper}{theirs}.{other}"
        for kind, (wrapper, layers) in LAYER_NAMES.items()
        for ours, theirs in layers.items()
        for part, other in (("linear", "linear"), ("norm", "batch_norm"))
    },
    "stages.*.blocks.*.attention.offset_scores": "encoder.stages.*.layers.*.module.attention_biases",
    "stages.*.blocks.*.shrink.offset_scores": "encoder.stages.*.layers.*.attention_biases",
}
