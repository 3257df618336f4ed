"""segmentation_models.pytorch's DPT, whose published weights are isl-org's under names of its own.

[segmentation_models.pytorch: decoders/dpt]   Its forward pass sends the deepest map through that step's first residual
unit too, which the paper and isl-org, and so minidpt, do not.
"""

from collections.abc import Collection
from typing import Any

from .fusion_names import resize_factor, unit_fields
from .isl_midas import MULTIPLE, head_names, label_fields, segmentation_side, square
from .renaming import Described, Hints, Shapes, Target, shape
from .timm_encoders import encoder_of

NAME = "segmentation_models.pytorch's DPT"
KINDS: tuple[str, ...] = ()
HEAD, BLOCKS, STEPS = "segmentation_head.head", "decoder.reassemble_blocks", "decoder.fusion_blocks"
DIFFERS = "its own code also runs the deepest step's first residual unit; minidpt follows isl-org, which does not"


def fits(names: Collection[str]) -> bool:
    return f"{BLOCKS}.0.project_to_feature_dim.weight" in names and f"{STEPS}.0.project.weight" in names


def describe(shapes: Shapes, hints: Hints) -> Described:
    """The config, the preprocessing and the names."""
    encoder = encoder_of(shapes, "encoder.model.")
    levels = range(4)
    readouts = any(f"decoder.{name}.0.project.0.weight" in shapes for name in READOUTS)
    config: dict[str, Any] = {
        "model_type": "dpt",
        **encoder.config,
        "neck_hidden_sizes": [shape(shapes, f"{BLOCKS}.{i}.project_to_out_channel.weight", 4)[0] for i in levels],
        "reassemble_factors": [resize_factor(shapes, f"{BLOCKS}.{i}.upsample") for i in levels],
        "readout_type": "project" if readouts else "ignore",
        "fusion_hidden_size": shape(shapes, f"{BLOCKS}.0.project_to_feature_dim.weight", 4)[0],
        **unit_fields(shapes, f"{STEPS}.0.residual_conv_block2", "batch_norm_1", "conv_1"),
        **label_fields(shapes, f"{HEAD}.4.weight"),
        "use_auxiliary_head": False,
    }
    processor = {
        "size": square(segmentation_side(encoder)),
        "resample": 3,
        "keep_aspect_ratio": True,
        "ensure_multiple_of": MULTIPLE,
    }
    return Described(config, processor, encoder.table | decoder_names(), encoder.ignored, [DIFFERS])


READOUTS = ("readout_blocks", "projection_blocks")  # before and since the readout can be chosen


def decoder_names() -> dict[str, Target]:
    """The deepest fusion step comes first, as in transformers."""
    neck, fusion = "neck.reassemble_stage", "neck.fusion_stage.layers.*"
    table: dict[str, Target] = {f"decoder.{name}.*.project.0": f"{neck}.readout_projects.*.0" for name in READOUTS}
    table |= {
        f"{BLOCKS}.*.project_to_out_channel": f"{neck}.layers.*.projection",
        f"{BLOCKS}.*.upsample": f"{neck}.layers.*.resize",
        f"{BLOCKS}.*.project_to_feature_dim": "neck.convs.*",
        f"{STEPS}.*.project": f"{fusion}.projection",
    }
    for unit in (1, 2):
        for i in (1, 2):
            theirs, ours = f"{STEPS}.*.residual_conv_block{unit}", f"{fusion}.residual_layer{unit}"
            table |= {
                f"{theirs}.conv_{i}": f"{ours}.convolution{i}",
                f"{theirs}.batch_norm_{i}": f"{ours}.batch_norm{i}",
            }
    return table | head_names({HEAD: "head.head"})
