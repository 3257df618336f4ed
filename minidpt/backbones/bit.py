"""BiT, a ResNetV2 with standardised kernels; its first three stages open DPT-Hybrid.

[BiT], [transformers: BitEmbeddings, BitBottleneckLayer]
"""

import dataclasses
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..params import Named, Tensor
from ..recording import note
from ..schema import ACTIVATION, MAX_BLOCKS, MAX_WIDTH, boolean, integer, number, one_of, optional, sequence, setting
from .base import Array, BackboneConfig, Encoded, numbered_stages

GROUP_NORM_EPS = 1e-5


def whole_eights(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and never more than a tenth below.   [BiT: make_divisible]"""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class BitConfig(BackboneConfig):
    """BiT, the ResNetV2 whose first three stages open DPT-Hybrid.   [transformers: BitConfig, same defaults]"""

    model_type: ClassVar[str] = "bit"

    embedding_size: int = setting(64, integer(1, MAX_WIDTH))
    hidden_sizes: tuple[int, ...] = setting((256, 512, 1024, 2048), sequence(integer(8, MAX_WIDTH)))
    depths: tuple[int, ...] = setting((3, 4, 6, 3), sequence(integer(1, MAX_BLOCKS)))
    layer_type: str = setting("preactivation", one_of("preactivation", "bottleneck"))
    hidden_act: str = setting("relu", ACTIVATION)
    global_padding: str | None = setting(
        None, lambda v: optional(one_of("SAME", "VALID"))(v.upper() if isinstance(v, str) else v)
    )
    num_groups: int = setting(32, integer(1, MAX_WIDTH))
    drop_path_rate: float = setting(0.0, number(0, 1))
    embedding_dynamic_padding: bool = setting(False, boolean)
    output_stride: int = setting(32, one_of(8, 16, 32))
    width_factor: int = setting(1, integer(1, 16))

    def check(self):
        if len(self.depths) > len(self.hidden_sizes):
            raise self._error("depths", f"has {len(self.depths)} stages, hidden_sizes only {len(self.hidden_sizes)}")
        for channels in (self.embedding_size, *self.stage_channels, *map(self.middle_channels, self.stage_channels)):
            if channels % self.num_groups:
                raise self._error("num_groups", f"{self.num_groups} does not divide {channels} channels")
        super().check()

    @property
    def taps_are(self) -> str:
        return "pyramid"

    @property
    def stage_names(self) -> tuple[str, ...]:
        return numbered_stages(len(self.depths))

    @property
    def tap_channels(self) -> tuple[int, ...]:
        widths = (self.embedding_size, *self.stage_channels)
        return tuple(widths[i] for i in self.taps)

    @property
    def size_multiple(self) -> int:
        return 1

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Width of each stage's output."""
        return tuple(whole_eights(size * self.width_factor) for size in self.hidden_sizes[: len(self.depths)])

    @staticmethod
    def middle_channels(out_channels: int) -> int:
        """Width inside a bottleneck of that output width: a quarter."""
        return whole_eights(out_channels / 4)


def encode(pixels: Array, p: dict, sized: dict, config: BitConfig) -> Encoded:
    """pixels: (N, H, W, C)"""
    stem, maps = bit_maps(pixels, p, config)
    everything = [stem, *maps]
    return Encoded([everything[i] for i in config.taps], ops.map_size(maps[-1]))


def bit_stages(x: Array, p: dict, config: BitConfig) -> list[Array]:
    """x: (N, H, W, C) -> one map per stage, at 1/4, 1/8, 1/16 of the size"""
    return bit_maps(x, p, config)[1]


def bit_maps(x: Array, p: dict, config: BitConfig) -> tuple[Array, list[Array]]:
    """x: (N, H, W, C) -> the stem's map at 1/4 of the size, and one map per stage, at 1/4, 1/8, 1/16, ..."""
    x = same_conv(x, p["stem"]["conv"], kernel=7, stride=2)
    x = normalize(x, p["stem"]["norm"], config, config.hidden_act)
    x = ops.max_pool2d(x, 3, stride=2, padding=same_padding(ops.map_size(x), 3, 2))
    stem, maps = note("bit.stem", x), []
    for s, stage in enumerate(p["stages"]):
        for b, layer in enumerate(stage["layers"]):
            x = bottleneck(x, layer, config, stride=2 if s > 0 and b == 0 else 1)
        maps.append(note(f"bit.stages.{s}", x))
    return stem, maps


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


def tensors(config: BitConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors."""
    return bit_tensors(config, config.num_channels, name)


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


def sized(named: Named, config: BitConfig, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Nothing in BiT depends on the size alone."""
    return {}


def states(config: BitConfig) -> list[str]:
    return ["bit.stem", *(f"bit.stages.{i}" for i in range(len(config.depths)))]


def attentions(config: BitConfig) -> list[str]:
    return []


# ---------------------------------------------------------------- names in transformers' files


def names(config: BitConfig) -> dict[str, str]:
    return NAMES


NAMES = {
    "stem.conv": "bit.embedder.convolution",
    "stem.norm": "bit.embedder.norm",
    **{
        f"stages.*.layers.*.{ours}": f"bit.encoder.stages.*.layers.*.{theirs}"
        for ours, theirs in (
            *((part, part) for part in ("conv1", "conv2", "conv3", "norm1", "norm2", "norm3")),
            ("shortcut.conv", "downsample.conv"),
            ("shortcut.norm", "downsample.norm"),
        )
    },
}
