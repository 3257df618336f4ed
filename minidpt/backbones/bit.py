"""BiT, a ResNetV2 with standardised kernels; its first three stages open DPT-Hybrid.

Two kinds of layers: "preactivation", BiT's own, and "bottleneck", that of the hybrid.
[BiT], [transformers: BitBackbone]
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..errors import ConfigError
from ..ops.conv import Padding
from ..params import Named, Tensor
from ..recording import note
from ..schema import ACTIVATION, MAX_BLOCKS, MAX_WIDTH, boolean, integer, number, one_of, optional, sequence, setting
from .base import Array, BackboneConfig, Encoded, numbered_stages

GROUP_NORM_EPS = 1e-5
PREACTIVATION, BOTTLENECK = "preactivation", "bottleneck"


def encode(pixels: Array, p: dict, sized: dict, config: BitConfig) -> Encoded:
    """pixels: (N, H, W, C)"""
    stem_map, maps = bit_maps(pixels, p, config)
    everything = [stem_map, *maps]
    return Encoded([everything[i] for i in config.taps], ops.map_size(maps[-1]))


def bit_maps(x: Array, p: dict, config: BitConfig) -> tuple[Array, list[Array]]:
    """x: (N, H, W, C) -> the stem's map at 1/4 of the size, and one map per stage, at 1/4, 1/8, 1/16, ..."""
    x = note("bit.stem", stem(x, p["stem"], config))
    stem_map, maps = x, []
    layer_of = bottleneck if config.layer_type == BOTTLENECK else preactivation
    for s, (stage, (stride, dilation)) in enumerate(zip(p["stages"], steps(config), strict=True)):
        for b, layer in enumerate(stage["layers"]):
            if b == 0:  # its kernel is still as wide as those before it
                x = layer_of(x, layer, config, stride=stride, dilation=1 if dilation <= 2 else 2)
            else:
                x = layer_of(x, layer, config, stride=1, dilation=dilation)
            note(f"bit.stages.{s}.layers.{b}", x)
        maps.append(note(f"bit.stages.{s}", x))
    return stem_map, maps


def steps(config: BitConfig) -> list[tuple[int, int]]:
    """(stride, dilation) of each stage: maps shrink down to 1 / output_stride, from there on kernels widen instead."""
    shrunk, dilation, result = 4, 1, []
    for s in range(len(config.depths)):
        stride = 1 if s == 0 else 2
        if shrunk >= config.output_stride:
            dilation, stride = dilation * stride, 1
        shrunk *= stride
        result.append((stride, dilation))
    return result


def stem(x: Array, p: dict, config: BitConfig) -> Array:
    """A 7 x 7 convolution and the maximum of 3 x 3, both by stride 2.   x: (N, H, W, C) -> (N, ~H / 4, ~W / 4, C')"""
    x = conv(x, p["conv"], config, kernel=7, stride=2)
    if config.global_padding is None:  # a border of zeros, which the norm counts in
        x = ops.roll_map(ops.pad_map(x, 2, 2), 1, 1)
    if "norm" in p:
        x = normalize(x, p["norm"], config, config.hidden_act)
    padding = same_padding(ops.map_size(x), 3, 2) if config.embedding_dynamic_padding else 0
    return ops.max_pool2d(x, 3, stride=2, padding=padding)


def bottleneck(x: Array, p: dict, config: BitConfig, *, stride: int, dilation: int) -> Array:
    """act(1x1 -> 3x3 -> 1x1 + shortcut), a group norm after each convolution; the 3x3 strides.   x: (N, H, W, C)"""
    shortcut = x
    if "shortcut" in p:
        shortcut = conv(x, p["shortcut"]["conv"], config, kernel=1, stride=stride)
        shortcut = normalize(shortcut, p["shortcut"]["norm"], config)
    x = normalize(conv(x, p["conv1"], config, kernel=1), p["norm1"], config, config.hidden_act)
    x = conv(x, p["conv2"], config, kernel=3, stride=stride, dilation=dilation)
    x = normalize(x, p["norm2"], config, config.hidden_act)
    x = normalize(conv(x, p["conv3"], config, kernel=1), p["norm3"], config)
    return ops.activate(ops.add(x, shortcut), config.hidden_act)


def preactivation(x: Array, p: dict, config: BitConfig, *, stride: int, dilation: int) -> Array:
    """1x1 -> 3x3 -> 1x1 + shortcut, a group norm and an activation before each convolution.   x: (N, H, W, C)

    The shortcut of a stage's first layer starts from the activated map. These kernels never widen, so that beyond
    output_stride a stage only stops shrinking.   [transformers: BitPreActivationBottleneckLayer]
    """
    active = normalize(x, p["norm1"], config, config.hidden_act)
    shortcut = conv(active, p["shortcut"]["conv"], config, kernel=1, stride=stride) if "shortcut" in p else x
    x = conv(active, p["conv1"], config, kernel=1)
    x = conv(normalize(x, p["norm2"], config, config.hidden_act), p["conv2"], config, kernel=3, stride=stride)
    active = normalize(x, p["norm3"], config, config.hidden_act)
    return conv(active, p["conv3"], config, kernel=1, residual=shortcut)


def normalize(x: Array, p: dict, config: BitConfig, activation: str | None = None) -> Array:
    return ops.group_norm(x, **p, groups=config.num_groups, eps=GROUP_NORM_EPS, activation=activation)


def conv(
    x: Array, p: dict, config: BitConfig, *, kernel: int, stride: int = 1, dilation: int = 1, residual: Array = None
) -> Array:
    """A convolution with as many zeros around the map as global_padding says: SAME's, or the same on all sides."""
    padding: Padding = (stride - 1 + dilation * (kernel - 1)) // 2
    if config.global_padding == "SAME":
        padding = same_padding(ops.map_size(x), kernel, stride, dilation)
    return ops.conv2d(x, **p, stride=stride, padding=padding, dilation=dilation, residual=residual)


def same_padding(
    size: tuple[int, int], kernel: int, stride: int, dilation: int = 1
) -> tuple[tuple[int, int], tuple[int, int]]:
    """TensorFlow's SAME: as few zeros as make the output ceil(size / stride); the odd one goes right or below."""

    def pair(n: int) -> tuple[int, int]:
        total = max((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        return total // 2, total - total // 2

    return pair(size[0]), pair(size[1])


# ---------------------------------------------------------------- the config


def whole_eights(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and never more than a tenth below.   [BiT: make_divisible]"""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class BitConfig(BackboneConfig):
    """[transformers: BitConfig, same fields and defaults]

    global_padding: "SAME" (TensorFlow's: the output is ceil(size / stride)) or null (as many zeros on all sides);
    "VALID" is a value, but no network can be run with it.   embedding_dynamic_padding: SAME in the stem's pooling
    output_stride: how much smaller than the picture the last map may be
    """

    model_type: ClassVar[str] = "bit"

    embedding_size: int = setting(64, integer(1, MAX_WIDTH))
    hidden_sizes: tuple[int, ...] = setting((256, 512, 1024, 2048), sequence(integer(8, MAX_WIDTH)))
    depths: tuple[int, ...] = setting((3, 4, 6, 3), sequence(integer(1, MAX_BLOCKS)))
    layer_type: str = setting(PREACTIVATION, one_of(PREACTIVATION, BOTTLENECK))
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


# ---------------------------------------------------------------- tensors


def tensors(config: BitConfig, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors."""
    return bit_tensors(config, config.num_channels, name)


def bit_tensors(config: BitConfig, num_channels: int, name: str) -> list[Tensor]:
    norm_after, width = config.layer_type == BOTTLENECK, config.embedding_size
    table = kernel(f"{name}.stem.conv", width, num_channels, 7)
    if norm_after:
        table += params.norm(f"{name}.stem.norm", width)
    for s, (depth, out) in enumerate(zip(config.depths, config.stage_channels, strict=True)):
        for b in range(depth):
            table += layer_tensors(config, f"{name}.stages.{s}.layers.{b}", width, out, shortcut=b == 0)
            width = out
    if not norm_after:
        norm = params.norm(f"{name}.norm", config.hidden_sizes[-1])
        table += [Tensor(t.name, t.shape, t.kind, "comes after the last stage's tap") for t in norm]
    return table


def layer_tensors(config: BitConfig, name: str, width: int, out: int, *, shortcut: bool) -> list[Tensor]:
    middle, norm_after = config.middle_channels(out), config.layer_type == BOTTLENECK
    table: list[Tensor] = []
    for i, (o, c, k) in enumerate(((middle, width, 1), (middle, middle, 3), (out, middle, 1)), start=1):
        table += kernel(f"{name}.conv{i}", o, c, k) + params.norm(f"{name}.norm{i}", o if norm_after else c)
    if shortcut:
        table += kernel(f"{name}.shortcut.conv", out, width, 1)
        if norm_after:
            table += params.norm(f"{name}.shortcut.norm", out)
    return table


def kernel(name: str, out_channels: int, in_channels: int, size: int) -> list[Tensor]:
    """A standardised convolution: weight (O, I, R, S), no bias."""
    return [Tensor(f"{name}.weight", (out_channels, in_channels, size, size), "standardized_conv")]


def sized(named: Named, config: BitConfig, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Nothing in BiT depends on the size alone.   ConfigError for a config that no picture can pass"""
    if config.global_padding == "VALID":
        raise ConfigError(
            "BitConfig: global_padding 'VALID' cannot run: each 3 x 3 convolution would make its branch smaller than "
            "the shortcut that is added to it; use 'SAME' or null"
        )
    return {}


def states(config: BitConfig) -> list[str]:
    return ["bit.stem", *(f"bit.stages.{i}" for i in range(len(config.depths)))]


def attentions(config: BitConfig) -> list[str]:
    return []


# ---------------------------------------------------------------- names in transformers' files


def names(config: BitConfig) -> dict[str, str]:
    return NAMES


NAMES = {
    "norm": "bit.norm",
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
