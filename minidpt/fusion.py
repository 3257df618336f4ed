"""Fusion: four maps become one, from coarse to fine, doubling the size at each step.

[DPT §3, "Convolutional decoder", and fig. 1, right]
"""

from typing import Any

from . import ops, params
from .config import DecoderConfig
from .params import Tensor
from .recording import note

Array = Any
UNUSED_UNIT = "the deepest fusion step has no finer map to join, so its first residual unit never runs"


def fuse(maps: list[Array], p: dict, config: DecoderConfig) -> list[Array]:
    """Bring every map to one width, then refine and enlarge, joining the next finer map on the way.

    maps: (N, H_k, W_k, C_k), finest first -> fused maps, coarsest first: (N, 2 H_k, 2 W_k, F), or with fusion_upsample
    "next_size" (N, H_{k-1}, W_{k-1}, F), which differs where a side is odd
    """
    narrowed = [
        note(f"neck.{level}", ops.conv2d(x, **level_params, padding=1))
        for level, (x, level_params) in enumerate(zip(maps, p["neck"], strict=True))
    ]
    fused: list[Array] = []
    x = None
    for level, step in zip(reversed(range(len(narrowed))), p["fusion"], strict=True):
        skip = narrowed[level]
        if x is None:
            x = skip
        else:
            skip = ops.resize_bilinear(skip, ops.map_size(x), align_corners=False)
            x = ops.add(x, residual_unit(skip, step["residual_unit_1"], config))
        x = residual_unit(x, step["residual_unit_2"], config)
        if config.fusion_upsample == "next_size" and level > 0:
            enlarged = {"size": ops.map_size(narrowed[level - 1])}
        else:
            enlarged = {"scale": 2}
        x = ops.resized_linear(x, **step["projection"], **enlarged, align_corners=True)
        fused.append(note(f"fused.{len(fused)}", x))
    return fused


def residual_unit(x: Array, p: dict, config: DecoderConfig) -> Array:
    """x + conv2(relu(conv1(relu(x)))), with a batch norm after each convolution where the config has one.

    x: (N, H, W, F) -> (N, H, W, F).   The skip carries x before its activation.
    """
    if not config.fusion_has_batch_norm:
        y = ops.conv2d(x, **p["conv1"], padding=1, pre_activation="relu", activation="relu")
        return ops.conv2d(y, **p["conv2"], padding=1, residual=x)
    y = ops.conv2d(x, **p["conv1"], padding=1, pre_activation="relu")
    y = ops.batch_norm(y, **p["norm1"], activation="relu")
    y = ops.conv2d(y, **p["conv2"], padding=1)
    return ops.add(ops.batch_norm(y, **p["norm2"]), x)


def tensors(config: DecoderConfig) -> list[Tensor]:
    """The table of the neck's convolutions and of the fusion steps, deepest step first."""
    width = config.fusion_hidden_size
    table: list[Tensor] = []
    for level, channels in enumerate(config.neck_hidden_sizes):
        table += params.conv(f"neck.{level}", width, channels, 3, bias=False)
    for step in range(len(config.neck_hidden_sizes)):
        table += params.pixelwise(f"fusion.{step}.projection", width, width)
        for unit in (1, 2):
            unused = UNUSED_UNIT if step == 0 and unit == 1 else ""
            table += unit_tensors(config, f"fusion.{step}.residual_unit_{unit}", unused)
    return table


def unit_tensors(config: DecoderConfig, name: str, unused: str) -> list[Tensor]:
    width = config.fusion_hidden_size
    table: list[Tensor] = []
    for i in (1, 2):
        table += params.conv(f"{name}.conv{i}", width, width, 3, bias=config.fusion_has_bias)
        if config.fusion_has_batch_norm:
            table += params.batch_norm(f"{name}.norm{i}", width)
    return [Tensor(t.name, t.shape, t.kind, unused) for t in table]
