"""Reassemble: from the encoder's tokens back to picture-like maps at 1/4, 1/8, 1/16 and 1/32.

[DPT §3, "Convolutional decoder", eq. 1]
"""

from typing import Any

from . import ops, params
from .config import DecoderConfig
from .params import Tensor
from .recording import note

Array = Any


def reassemble(taps: list[Array], p: list[dict], grid: tuple[int, int], config: DecoderConfig) -> list[Array]:
    """Read out the class token, lay the tokens on their grid, project, resize: one map per level, finest first.

    taps: tokens (N, P + H W, D) with grid = (H, W), maps (N, H, W, D), or finished maps at the ready levels
    -> maps (N, factor H, factor W, neck_hidden_sizes[k])
    """
    maps = []
    for level, tap in enumerate(taps):
        if level not in config.ready_levels:
            if config.encoder.taps_are == "tokens":
                tokens = note(f"readout.{level}", readout(tap, p[level], config))
                tap = ops.tokens_to_map(tokens, grid)
            x = ops.linear(tap, **p[level]["projection"])
            tap = resize(x, p[level], config.reassemble_factors[level])
        maps.append(note(f"reassembled.{level}", tap))
    return maps


def readout(x: Array, p: dict, config: DecoderConfig) -> Array:
    """Drop the tokens before the grid's, or hand what the class token knows to every other.   [DPT eq. 2-4]

    x: (N, P + T, D) -> (N, T, D).   Registers are dropped unread. Of DeiT's two tokens "add" takes the mean, "project"
    the first.   [isl-org: AddReadout, ProjectReadout]
    """
    encoder = config.encoder
    tokens = ops.take_tokens(x, encoder.prefix_tokens)
    if config.readout == "add":
        class_token = ops.take_tokens(x, 0, encoder.class_tokens)
        return ops.add(tokens, class_token if encoder.class_tokens == 1 else ops.mean_token(class_token))
    if config.readout == "project":
        class_token = ops.take_tokens(x, 0, 1)
        return ops.linear_with_token(tokens, class_token, **p["readout"], activation=config.readout_act)
    return tokens


def resize(x: Array, p: dict, factor: float) -> Array:
    """Enlarge by a learnt tile per pixel, shrink by a strided 3 x 3 convolution.   x: (N, H, W, C)   [DPT §3]"""
    if factor > 1:
        return ops.conv_transpose2d(x, **p["resize"])
    return x if factor == 1 else ops.conv2d(x, **p["resize"], stride=round(1 / factor), padding=1)


def tensors(config: DecoderConfig) -> list[Tensor]:
    """The table of the reassemble stage; nothing at the ready levels."""
    table: list[Tensor] = []
    if config.encoder.taps_are == "pyramid":
        return table
    widths = config.encoder.tap_channels
    for level, (channels, factor) in enumerate(zip(config.neck_hidden_sizes, config.reassemble_factors, strict=True)):
        name, width = f"reassemble.{level}", widths[level]
        if level in config.ready_levels:
            continue
        if config.readout == "project":
            table += params.linear(f"{name}.readout", width, 2 * width)
        table += params.pixelwise(f"{name}.projection", channels, width)
        if factor > 1:
            table += params.conv_transpose(f"{name}.resize", channels, int(factor))
        elif factor < 1:
            table += params.conv(f"{name}.resize", channels, channels, 3)
    return table
