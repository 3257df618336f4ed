"""The hybrid encoder: three stages of BiT, a ResNetV2 with standardised kernels, then a ViT on its last map.

The first two stages' maps feed the decoder as they are; the other two levels are blocks of the ViT.
[DPT §3.1, DPT-Hybrid], [BiT], [transformers: DPTViTHybridEmbeddings, BitBottleneckLayer]
"""

from .. import ops, params
from ..config import BitConfig, DPTConfig
from ..params import Tensor
from ..recording import note
from . import vit
from .vit import Array, Encoded

GROUP_NORM_EPS = 1e-5


def encode(pixels: Array, p: dict, sized: dict, config: DPTConfig) -> Encoded:
    """pixels: (N, H, W, C), H and W multiples of 16"""
    maps = bit_stages(pixels, p["bit"], config.bit)
    for level, x in enumerate(maps[:2]):
        note(f"taps.{level}", x)
    grid = ops.map_size(maps[2])
    x = ops.map_to_tokens(ops.linear(maps[2], **p["projection"]))
    taps, tokens = vit.encode_tokens(x, p, sized, config, first_level=2)
    return Encoded(maps[:2] + taps, grid, tokens)


def bit_stages(x: Array, p: dict, config: BitConfig) -> list[Array]:
    """x: (N, H, W, C) -> one map per stage, at 1/4, 1/8, 1/16 of the size"""
    x = same_conv(x, p["stem"]["conv"], kernel=7, stride=2)
    x = normalize(x, p["stem"]["norm"], config, config.hidden_act)
    x = ops.max_pool2d(x, 3, stride=2, padding=same_padding(ops.map_size(x), 3, 2))
    note("bit.stem", x)
    maps = []
    for s, stage in enumerate(p["stages"]):
        for b, layer in enumerate(stage["layers"]):
            x = bottleneck(x, layer, config, stride=2 if s > 0 and b == 0 else 1)
        maps.append(note(f"bit.stages.{s}", x))
    return maps


def bottleneck(x: Array, p: dict, config: BitConfig, *, stride: int) -> Array:
    """relu(1x1 -> 3x3 -> 1x1 + shortcut), a group norm after each convolution; the 3x3 strides.   x: (N, H, W, C)"""
    shortcut = x
    if "shortcut" in p:
        shortcut = same_conv(x, p["shortcut"]["conv"], kernel=1, stride=stride)
        shortcut = normalize(shortcut, p["shortcut"]["norm"], config)
    x = normalize(same_conv(x, p["conv1"], kernel=1), p["norm1"], config, config.hidden_act)
    x = normalize(same_conv(x, p["conv2"], kernel=3, stride=stride), p["norm2"], config, config.hidden_act)
    x = normalize(same_conv(x, p["conv3"], kernel=1), p["norm3"], config)
    return ops.activate(ops.add(x, shortcut), config.hidden_act)


def normalize(x: Array, p: dict, config: BitConfig, activation: str | None = None) -> Array:
    return ops.group_norm(x, **p, groups=config.num_groups, eps=GROUP_NORM_EPS, activation=activation)


def same_conv(x: Array, p: dict, *, kernel: int, stride: int = 1) -> Array:
    """A convolution whose output has ceil(H / stride) x ceil(W / stride) pixels."""
    return ops.conv2d(x, **p, stride=stride, padding=same_padding(ops.map_size(x), kernel, stride))


def same_padding(size: tuple[int, int], kernel: int, stride: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """TensorFlow's SAME: as few zeros as make the output ceil(size / stride); the odd one goes right or below."""

    def pair(n: int) -> tuple[int, int]:
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        return total // 2, total - total // 2

    return pair(size[0]), pair(size[1])


# ---------------------------------------------------------------- tensors


def tensors(config: DPTConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors: BiT, the projection to tokens, the ViT."""
    table = bit_tensors(config.bit, config.num_channels, f"{name}.bit")
    table += params.pixelwise(f"{name}.projection", config.hidden_size, config.bit.stage_channels[-1])
    return table + vit.token_tensors(config, name)


def bit_tensors(config: BitConfig, num_channels: int, name: str) -> list[Tensor]:
    table = kernel(f"{name}.stem.conv", config.embedding_size, num_channels, 7)
    table += params.norm(f"{name}.stem.norm", config.embedding_size)
    width = config.embedding_size
    for s, (depth, out) in enumerate(zip(config.depths, config.stage_channels, strict=True)):
        for b in range(depth):
            table += bottleneck_tensors(config, f"{name}.stages.{s}.layers.{b}", width, out, shortcut=b == 0)
            width = out
    return table


def bottleneck_tensors(config: BitConfig, name: str, width: int, out: int, *, shortcut: bool) -> list[Tensor]:
    middle = config.middle_channels(out)
    table: list[Tensor] = []
    for i, (o, c, k) in enumerate(((middle, width, 1), (middle, middle, 3), (out, middle, 1)), start=1):
        table += kernel(f"{name}.conv{i}", o, c, k) + params.norm(f"{name}.norm{i}", o)
    if shortcut:
        table += kernel(f"{name}.shortcut.conv", out, width, 1) + params.norm(f"{name}.shortcut.norm", out)
    return table


def kernel(name: str, out_channels: int, in_channels: int, size: int) -> list[Tensor]:
    """A standardised convolution: weight (O, I, R, S), no bias."""
    return [Tensor(f"{name}.weight", (out_channels, in_channels, size, size), "standardized_conv")]
