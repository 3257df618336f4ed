"""isl-org/DPT and MiDaS 3.x: depth and segmentation, on every encoder that MiDaS 3.1 has.   [isl-org: DPT, MiDaS]

`pretrained` is the encoder and the reassemble stage, `scratch` the fusion and the head.
"""

from collections.abc import Collection
from typing import Any

from ...errors import ConfigError
from ...presets import ade20k_classes
from .encoder import Encoder
from .fusion_names import count_levels, fusion_names, resize_factor, unit_fields
from .renaming import Described, Hints, Shapes, Target, shape
from .timm_encoders import encoder_of

NAME = "isl-org/DPT or MiDaS 3"
KINDS = ("relative", "nyu", "kitti")

# [isl-org: DPTDepthModel's scale and shift, run_monodepth's sizes] depth in metres = 1 / (scale output + shift)
METRIC: dict[str, dict[str, float]] = {
    "nyu": {"depth_scale": 0.000305, "depth_shift": 0.1378},
    "kitti": {"depth_scale": 0.00006016, "depth_shift": 0.00579},
}
METRIC_SIZES: dict[str, dict[str, int]] = {
    "nyu": {"height": 480, "width": 640},
    "kitti": {"height": 352, "width": 1216},
}
RELATIVE_FILES = ("dpt_hybrid-midas", "dpt_hybrid_384")
MULTIPLE = 32
ELSEWHERE = {  # encoder or field -> where the original, or transformers loading the written folder, does something else
    "hybrid": "BiT's kernels are standardised as in transformers and timm 0.6; isl-org/DPT's timm 0.4 differs by 1e-5",
    "deit": "transformers has no DeiT under DPT and cannot load this folder",
    "swin": "transformers norms Swin's maps, the original and minidpt do not: it loads this folder to other numbers",
    "levit": "transformers has no LeViT under DPT and cannot load this folder",
    "nextvit": "transformers has no Next-ViT and cannot load this folder",
    "depth_scale": "transformers does not know depth_scale and depth_shift: it gives the network's output, not metres",
}
ADE20K = 150


def fits(names: Collection[str]) -> bool:
    return "scratch.layer1_rn.weight" in names and any(name.startswith("pretrained.model.") for name in names)


def describe(shapes: Shapes, hints: Hints) -> Described:
    """The config, the preprocessing and the names; whether depth is metric comes from the hints."""
    encoder = encoder_of(shapes, "pretrained.model.")
    levels = count_levels(shapes, "scratch.")
    unit = f"scratch.refinenet{levels}.resConfUnit2"
    config: dict[str, Any] = {
        "model_type": "dpt",
        **encoder.config,
        "neck_hidden_sizes": [shape(shapes, f"scratch.layer{i}_rn.weight", 4)[1] for i in range(1, levels + 1)],
        "fusion_hidden_size": shape(shapes, "scratch.layer1_rn.weight", 4)[0],
        "fusion_upsample": "next_size",  # MiDaS 3.1; DPT doubles, which is the same wherever its own code runs
        **unit_fields(shapes, unit),
        **reassemble_fields(shapes, encoder, levels),
    }
    table = encoder.table | reassemble_names(levels) | fusion_names("scratch.", levels)
    segments = "scratch.output_conv.1.running_mean" in shapes
    fields, names, size, remarks = (segmentation if segments else depth)(shapes, hints, encoder)
    processor = {
        "size": size,
        "resample": 3,
        "keep_aspect_ratio": encoder.any_size,
        "ensure_multiple_of": MULTIPLE,
    }
    remarks += [text for key, text in ELSEWHERE.items() if key in (kind_of(encoder), *fields)]
    return Described(config | fields, processor, table | names, encoder.ignored, remarks)


def kind_of(encoder: Encoder) -> str:
    """ "vit", "hybrid", or the backbone's model_type."""
    if "backbone_config" not in encoder.config:
        return "vit"
    return "hybrid" if encoder.config.get("is_hybrid") else str(encoder.config["backbone_config"]["model_type"])


def reassemble_fields(shapes: Shapes, encoder: Encoder, levels: int) -> dict[str, Any]:
    """The readout and the factors; encoders with maps of their own have neither."""
    if not any(name.startswith("pretrained.act_postprocess") for name in shapes):
        return {"reassemble_factors": [1] * levels} if levels != 4 else {}
    stems = [f"pretrained.act_postprocess{i}" for i in range(1, levels + 1)]
    factors = [resize_factor(shapes, f"{stem}.4") for stem in stems]
    readout = "project" if f"{stems[-1]}.0.project.0.weight" in shapes else "ignore"
    return {"reassemble_factors": factors, "readout_type": readout}


def reassemble_names(levels: int) -> dict[str, Target]:
    table: dict[str, Target] = {}
    for i in range(1, levels + 1):
        theirs, ours = f"pretrained.act_postprocess{i}", f"neck.reassemble_stage.layers.{i - 1}"
        table[f"{theirs}.0.project.0"] = f"neck.reassemble_stage.readout_projects.{i - 1}.0"
        table |= {f"{theirs}.3": f"{ours}.projection", f"{theirs}.4": f"{ours}.resize"}
    return table


Head = tuple[dict[str, Any], dict[str, Target], dict[str, int], list[str]]  # fields, names, the pictures' size, remarks


def depth(shapes: Shapes, hints: Hints, encoder: Encoder) -> Head:
    """The depth head; LeViT's has two transposed convolutions before it."""
    fields: dict[str, Any] = {"head_hidden_size": shape(shapes, "scratch.output_conv.2.weight", 4)[0]}
    table: dict[str, Target] = {f"scratch.output_conv.{i}": f"head.head.{i}" for i in (0, 2, 4)}
    if "scratch.stem_transpose.0.c.weight" in shapes:
        fields["stem_transpose"] = True
        for i in (0, 1):
            table[f"scratch.stem_transpose.{2 * i}.c"] = f"head.stem_transpose.{i}.convolution"
            table[f"scratch.stem_transpose.{2 * i}.bn"] = f"head.stem_transpose.{i}.batch_norm"
    hybrid = kind_of(encoder) == "hybrid"
    kind = hints.says(*METRIC) if hybrid or hints.kind else None  # of the published files only hybrids are metric
    if kind:
        fields |= {"depth_estimation_type": "metric", **METRIC[kind]}
        return fields, table, METRIC_SIZES[kind], [f"depth in metres, as {kind.upper()}'s model computes it"]
    remarks = []
    if hybrid and not hints.says("relative", *RELATIVE_FILES):
        said = "taken for the relative model: the metric ones have the same tensors and differ by their files' names"
        remarks = [f"{said}; say --as nyu or --as kitti if it is one"]
    return fields, table, square(encoder.side), remarks


def segmentation(shapes: Shapes, hints: Hints, encoder: Encoder) -> Head:
    """The head for class scores, and the auxiliary one that only training evaluates; it is kept."""
    if hints.kind is not None:
        raise ConfigError(f"--as {hints.kind}: this is a segmentation model, which has no kind of depth")
    fields = label_fields(shapes, "scratch.output_conv.4.weight")
    fields["use_auxiliary_head"] = "auxlayer.0.weight" in shapes
    table = head_names({"scratch.output_conv": "head.head", "auxlayer": "auxiliary_head.head"})
    return fields, table, square(segmentation_side(encoder)), []


def square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def segmentation_side(encoder: Encoder) -> int:
    """ADE20K's models see larger pictures than their positions were made for."""
    return 480 if encoder.side == 384 else encoder.side


def label_fields(shapes: Shapes, classifier: str) -> dict[str, Any]:
    """As many labels as the classifier has rows; 150 are ADE20K's, with their names."""
    labels = shape(shapes, classifier, 4)[0]
    named = {"id2label": dict(enumerate(ade20k_classes()))} if labels == ADE20K else {}
    return {"num_labels": labels, **named}


def head_names(heads: dict[str, str]) -> dict[str, Target]:
    """A convolution, its batch norm and the classifier keep their places in the row."""
    return {f"{theirs}.{i}": f"{ours}.{i}" for theirs, ours in heads.items() for i in (0, 1, 4)}


def foreign(names: Collection[str]) -> str | None:
    """What the same authors' models are that are no DPT."""
    if any(name.startswith("pretrained.layer1.") for name in names):
        return "MiDaS v2.1, a convolutional network (ResNeXt or EfficientNet) and no DPT; take a MiDaS 3 or 3.1 file"
    if any(name.startswith(("core.core.", "conditional_log_binomial.", "attractors.")) for name in names):
        return (
            "a ZoeDepth model, as Depth Anything V1's metric files are too, which minidpt lacks; for metres take "
            "Depth Anything V2's metric files"
        )
    return None
