"""Depth Anything V1 and V2, relative and metric: the .pth files of their authors.   [Depth Anything: repositories]

`pretrained` is a DINOv2 encoder, `depth_head` the rest.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ...presets.pictures import DEPTH_ANYTHING
from .dinov2_encoder import dinov2_fields, dinov2_names, last_four, spread_taps
from .fusion_names import fusion_names, resize_factor
from .renaming import Described, Hints, Shapes, Target, shape

NAME = "Depth Anything"
KINDS = ("relative", "v1", "v2", "hypersim", "vkitti")
METRIC_RANGE = {"hypersim": 20, "vkitti": 80}  # metres, indoors and outdoors, as trained
V1_FILE = re.compile(r"^depth_anything_vit[sbl]14")
PREFIX, HEAD = "pretrained.", "depth_head."


def fits(names: Collection[str]) -> bool:
    return "depth_head.scratch.layer1_rn.weight" in names and "pretrained.cls_token" in names


def metric_range(hints: Hints) -> float | None:
    """The largest depth of a metric model, or None for a relative one."""
    by_file = replace(hints, kind=None) if hints.kind == "v2" else hints  # both may be metric, so the file's name tells
    kind = by_file.says(*METRIC_RANGE)
    return hints.max_depth or (METRIC_RANGE[kind] if kind else None)


def is_second(hints: Hints) -> bool:
    """V2, to which all metric models belong."""
    said = hints.kind in ("v1", "v2")
    return hints.kind == "v2" or bool(not said and ("v2" in hints.file.lower() or metric_range(hints)))


def describe(shapes: Shapes, hints: Hints) -> Described:
    """The config, the preprocessing and the names; the version and the range in metres come from the hints."""
    backbone, remarks = dinov2_fields(shapes, PREFIX), []
    depth = backbone["num_hidden_layers"]
    metric = metric_range(hints)
    second = is_second(hints)
    if not second and hints.kind != "v1" and not V1_FILE.search(hints.file):
        remarks.append("taken for V1, which taps the last four blocks: weights do not tell; say --as v2 if it is V2")
    taps = spread_taps(depth) if second else last_four(depth)
    levels = range(4)
    neck = [shape(shapes, f"{HEAD}projects.{i}.weight", 4)[0] for i in levels]
    config: dict[str, Any] = {
        "model_type": "depth_anything",
        "backbone_config": {**backbone, "out_indices": taps, "apply_layernorm": True, "reshape_hidden_states": False},
        "patch_size": backbone["patch_size"],
        "reassemble_hidden_size": backbone["hidden_size"],
        "neck_hidden_sizes": neck,
        "reassemble_factors": [resize_factor(shapes, f"{HEAD}resize_layers.{i}") for i in levels],
        "fusion_hidden_size": shape(shapes, f"{HEAD}scratch.layer1_rn.weight", 4)[0],
        "head_hidden_size": shape(shapes, f"{HEAD}scratch.output_conv2.0.weight", 4)[0],
    }
    if metric:
        config |= {"depth_estimation_type": "metric", "max_depth": metric}
        remarks.append(f"depth in metres, up to {metric:g}")
    table: dict[str, Target] = dinov2_names(PREFIX)
    for i in levels:
        table[f"{HEAD}projects.{i}"] = f"neck.reassemble_stage.layers.{i}.projection"
        table[f"{HEAD}resize_layers.{i}"] = f"neck.reassemble_stage.layers.{i}.resize"
    table |= fusion_names(f"{HEAD}scratch.", 4)
    heads = {"output_conv1": "conv1", "output_conv2.0": "conv2", "output_conv2.2": "conv3"}
    table |= {f"{HEAD}scratch.{old}": f"head.{new}" for old, new in heads.items()}
    return Described(config, DEPTH_ANYTHING, table, {}, remarks)
