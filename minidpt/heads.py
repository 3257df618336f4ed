"""Heads: the finest fused map becomes a depth, or a score for every class.   [DPT §3, fig. 1; supplementary]"""

from typing import Any

from . import ops, params
from .config import DecoderConfig, DPTConfig
from .params import Tensor
from .recording import note

Array = Any


def depth_head(x: Array, p: dict, *, size: tuple[int, int] | None = None, activation: str = "relu") -> Array:
    """Halve the channels, double the size, two more layers, no negative depth.   x: (N, H, W, F) -> (N, 2 H, 2 W)

    size: what to enlarge to instead, (H', W')   activation: the last one; Depth Anything's metric models have a sigmoid
    """
    x = enlarge(x, p)
    if "projection" in p:
        x = note("head.projection", ops.conv2d(x, **p["projection"], padding=1, activation="relu"))
    x = note("head.0", ops.conv2d(x, **p["conv1"], padding=1))
    enlarged = {"size": size, "scale": None if size else 2, "align_corners": True}
    note("head.1", lambda: ops.resize_bilinear(x, **enlarged))
    x = note("head.2", ops.resized_conv2d(x, **p["conv2"], **enlarged, padding=1, activation="relu"))
    return ops.drop_channel(note("head.3", ops.linear(x, **p["conv3"], activation=activation)))


def enlarge(x: Array, p: dict) -> Array:
    """The reverse of LeViT's stem, half as long: twice twice the size and half the width, where the head has it.

    x: (N, H, W, F) -> (N, 4 H, 4 W, F / 4)   [MiDaS: stem_b4_transpose]
    """
    for step in p.get("stem_transpose", ()):
        x = ops.conv_transpose2d(x, **step["conv"], stride=2, padding=1, output_padding=1)
        x = ops.batch_norm(x, **step["norm"], activation="hardswish")
    return x


def class_scores(x: Array, p: dict, name: str) -> Array:
    """One 3 x 3 layer, then a score per class.   x: (N, H, W, F) -> (N, H, W, num_labels)"""
    x = ops.conv2d(x, **p["conv"], padding=1)
    x = note(f"{name}.0", ops.batch_norm(x, **p["norm"], activation="relu"))
    return note(f"{name}.1", ops.linear(x, **p["classifier"]))


def segmentation_head(x: Array, p: dict) -> Array:
    """x: (N, H, W, F) -> logits (N, 2 H, 2 W, num_labels)"""
    return ops.resize_bilinear(class_scores(enlarge(x, p), p, "head"), scale=2, align_corners=True)


def enlarge_tensors(config: DecoderConfig) -> tuple[list[Tensor], int]:
    """The table of what comes before the head's own layers, and the width that they get."""
    table: list[Tensor] = []
    width = config.fusion_hidden_size
    for i in (0, 1) if isinstance(config, DPTConfig) and config.stem_transpose else ():
        name = f"head.stem_transpose.{i}"
        table.append(Tensor(f"{name}.conv.weight", (width, width // 2, 3, 3), "conv_transpose"))
        table += params.batch_norm(f"{name}.norm", width // 2)
        width //= 2
    return table, width


def depth_tensors(config: DecoderConfig) -> list[Tensor]:
    """The table of the depth head."""
    table, width = enlarge_tensors(config)
    if isinstance(config, DPTConfig) and config.add_projection:
        table += params.conv("head.projection", width, width, 3)
    table += params.conv("head.conv1", width // 2, width, 3)
    table += params.conv("head.conv2", config.head_hidden_size, width // 2, 3)
    return table + params.pixelwise("head.conv3", 1, config.head_hidden_size)


def segmentation_tensors(config: DPTConfig) -> list[Tensor]:
    """The table of the segmentation head and, where the config has it, of the auxiliary head used in the loss."""
    table, width = enlarge_tensors(config)
    heads = [("head", width)]
    if config.use_auxiliary_head:
        heads.append(("auxiliary_head", config.fusion_hidden_size))
    for name, width in heads:
        table += params.conv(f"{name}.conv", width, width, 3, bias=False)
        table += params.batch_norm(f"{name}.norm", width)
        table += params.pixelwise(f"{name}.classifier", config.num_labels, width)
    return table
