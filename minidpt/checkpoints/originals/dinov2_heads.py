"""DINOv2's own DPT heads for depth in metres: a file with the head, and the encoder's file beside it.   [DINOv2]

Its authors pad the picture to multiples of the patch, add 0.001 m to the head's output, resize it bilinearly to the
padded picture and clip it to the data set's range. transformers' format holds what is before that.
"""

import re
from collections.abc import Collection
from typing import Any

from ...errors import CheckpointError
from ...presets.pictures import DINOV2_HEADS
from .dinov2_encoder import dinov2_fields, dinov2_names, spread_taps
from .fusion_names import resize_factor
from .renaming import Described, Hints, Shapes, Target, shape

NAME = "a DPT head of DINOv2"
KINDS = ("nyu", "kitti")
HEAD = "decode_head."
HEAD_FILE = re.compile(r"(dinov2_vit[sblg]14)_(nyu|kitti)_dpt_head\.pth")
ADDED = "the original adds 0.001 m to this depth and clips it; transformers' format, and so minidpt, does neither"


def fits(names: Collection[str]) -> bool:
    return "decode_head.fusion_blocks.0.project.conv.weight" in names


def encoder_file(file: str) -> str | None:
    """The name of the encoder's file that its authors publish for a head's file of that name."""
    match = HEAD_FILE.fullmatch(file)
    return f"{match[1]}_pretrain.pth" if match else None


def describe(shapes: Shapes, hints: Hints) -> Described:
    """The config, the preprocessing and the names of both files together."""
    if "cls_token" not in shapes:
        beside = encoder_file(hints.file) or "dinov2_vit?14_pretrain.pth"
        raise CheckpointError(f"the head alone; put {beside} beside it, or name the encoder's file with --backbone")
    backbone = dinov2_fields(shapes, "")
    levels = range(4)
    blocks = f"{HEAD}reassemble_blocks"
    neck, widths = zip(*(shape(shapes, f"{blocks}.projects.{i}.conv.weight", 4)[:2] for i in levels), strict=True)
    if set(widths) != {backbone["hidden_size"]}:
        raise CheckpointError(
            f"the head is for an encoder of width {widths[0]}; this one has {backbone['hidden_size']}"
        )
    unit = f"{HEAD}fusion_blocks.1.res_conv_unit1.conv1.conv"
    config: dict[str, Any] = {
        "model_type": "dpt",
        "backbone_config": {
            **backbone,
            "out_indices": spread_taps(backbone["num_hidden_layers"]),
            "apply_layernorm": False,
            "reshape_hidden_states": False,
        },
        "neck_hidden_sizes": list(neck),
        "reassemble_factors": [resize_factor(shapes, f"{blocks}.resize_layers.{i}") for i in levels],
        "readout_type": "project" if f"{blocks}.readout_projects.0.0.weight" in shapes else "ignore",
        "fusion_hidden_size": shape(shapes, f"{HEAD}convs.0.conv.weight", 4)[0],
        "use_bias_in_fusion_residual": f"{unit}.bias" in shapes,
        "add_projection": f"{HEAD}project.conv.weight" in shapes,
        "head_hidden_size": shape(shapes, f"{HEAD}conv_depth.head.2.weight", 4)[0],
        "depth_estimation_type": "metric",
    }
    return Described(config, DINOV2_HEADS, dinov2_names("") | head_names(), {}, [ADDED])


def head_names() -> dict[str, Target]:
    """The deepest fusion step comes first, as in transformers."""
    neck = "neck.reassemble_stage"
    table: dict[str, Target] = {
        f"{HEAD}reassemble_blocks.projects.*.conv": f"{neck}.layers.*.projection",
        f"{HEAD}reassemble_blocks.resize_layers.*": f"{neck}.layers.*.resize",
        f"{HEAD}reassemble_blocks.readout_projects.*.0": f"{neck}.readout_projects.*.0",
        f"{HEAD}convs.*.conv": "neck.convs.*",
        f"{HEAD}fusion_blocks.*.project.conv": "neck.fusion_stage.layers.*.projection",
        f"{HEAD}project.conv": "head.projection",
        f"{HEAD}conv_depth.head.*": "head.head.*",
    }
    for unit in (1, 2):
        for i in (1, 2):
            theirs = f"{HEAD}fusion_blocks.*.res_conv_unit{unit}.conv{i}.conv"
            table[theirs] = f"neck.fusion_stage.layers.*.residual_layer{unit}.convolution{i}"
    return table


def foreign(names: Collection[str]) -> str | None:
    """What lone encoders and classifiers are, of DINOv2 or not."""
    if "decode_head.conv_depth.weight" in names and not fits(names):
        return "a linear head of DINOv2, no DPT; take the file with dpt_head in its name"
    if any(re.fullmatch(r"(model\.)?(blocks|layers|stages|features)\.\d+\..*", name) for name in names):
        return "an encoder or a classifier without a decoder, so it gives no depth and no segmentation" + (
            "; it may serve as --backbone of a DPT head of DINOv2" if "mask_token" in names else ""
        )
    return None
