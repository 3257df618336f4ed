"""Reassemble: from the encoder's tokens back to picture-like maps at 1/4, 1/8, 1/16 and 1/32.   [DPT §3.2, eq. 1]"""

from typing import Any

from . import ops, params
from .config import DPTConfig
from .params import Tensor
from .recording import note

Array = Any


def reassemble(taps: list[Array], p: list[dict], grid: tuple[int, int], config: DPTConfig) -> list[Array]:
    """Read out the class token, lay the tokens on their grid, project, resize: one map per level, finest first.

    taps: tokens (N, 1 + H W, D) with grid = (H, W), or finished maps at the levels in neck_ignore_stages
    -> maps (N, factor H, factor W, neck_hidden_sizes[k])
    """
    maps = []
    for level, (tap, level_params) in enumerate(zip(taps, p, strict=True)):
        if level not in config.neck_ignore_stages:
            tokens = note(f"readout.{level}", readout(tap, level_params, config))
            x = ops.linear(ops.tokens_to_map(tokens, grid), **level_params["projection"])
            tap = resize(x, level_params, config.reassemble_factors[level])
        maps.append(note(f"reassembled.{level}", tap))
    return maps


def readout(x: Array, p: dict, config: DPTConfig) -> Array:
    """Drop the class token, or hand what it knows to every other token.   x: (N, 1 + T, D) -> (N, T, D)

    [DPT eq. 2-4]
    """
    cls_token, tokens = ops.take_tokens(x, 0, 1), ops.take_tokens(x, 1)
    if config.readout_type == "add":
        return ops.add(tokens, cls_token)
    if config.readout_type == "project":
        return ops.linear(ops.concat_token(tokens, cls_token), **p["readout"], activation=config.hidden_act)
    return tokens


def resize(x: Array, p: dict, factor: float) -> Array:
    """Enlarge by a learnt tile per pixel, shrink by a strided 3 x 3 convolution.   x: (N, H, W, C)   [DPT §3.2]"""
    if factor > 1:
        return ops.conv_transpose2d(x, **p["resize"])
    return x if factor == 1 else ops.conv2d(x, **p["resize"], stride=round(1 / factor), padding=1)


def tensors(config: DPTConfig) -> list[Tensor]:
    """The table of the reassemble stage; nothing at the levels in neck_ignore_stages."""
    table: list[Tensor] = []
    width = config.hidden_size
    for level, (channels, factor) in enumerate(zip(config.neck_hidden_sizes, config.reassemble_factors, strict=True)):
        name = f"reassemble.{level}"
        if level in config.neck_ignore_stages:
            continue
        if config.readout_type == "project":
            table += params.linear(f"{name}.readout", width, 2 * width)
        table += params.pixelwise(f"{name}.projection", channels, width)
        if factor > 1:
            table += params.conv_transpose(f"{name}.resize", channels, int(factor))
        elif factor < 1:
            table += params.conv(f"{name}.resize", channels, channels, 3)
    return table
