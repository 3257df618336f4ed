"""The published checkpoints as a literal table, so that their configs are known without a download.

Each row: the fields of config.json that differ from DPTConfig's defaults, those of preprocessor_config.json that differ
from DPTImageProcessor's, the architecture, the number of parameters and the licence of the weights.
"""

from importlib.resources import files
from typing import Any

BILINEAR = 2  # Pillow's code; the published files say so although the class default is bicubic

LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "backbone_out_indices": [5, 11, 17, 23],
    "neck_hidden_sizes": [256, 512, 1024, 1024],
}

PRESETS: dict[str, dict[str, Any]] = {
    "Intel/dpt-large": {
        "architecture": "DPTForDepthEstimation",
        "config": LARGE,
        "processor": {"size": {"height": 384, "width": 384}, "resample": BILINEAR},
        "parameters": 343_030_465,
        "licence": "apache-2.0",
    },
    "Intel/dpt-large-ade": {
        "architecture": "DPTForSemanticSegmentation",
        "config": {**LARGE, "use_batch_norm_in_fusion_residual": True, "num_labels": 150},
        "processor": {"size": {"height": 480, "width": 480}, "resample": BILINEAR},
        "parameters": 343_960_364,
        "licence": "apache-2.0",
    },
    "Intel/dpt-hybrid-midas": {
        "architecture": "DPTForDepthEstimation",
        "config": {
            "is_hybrid": True,
            "backbone_out_indices": [0, 1, 8, 11],
            "neck_hidden_sizes": [256, 512, 768, 768],
            "reassemble_factors": [1, 1, 1, 0.5],
        },
        "processor": {"size": {"height": 384, "width": 384}, "resample": BILINEAR},
        "parameters": 122_377_985,
        "licence": "apache-2.0",
    },
    "dpt-base": {  # the paper's third size: code at isl-org, no weights were ever released, so the count is ours
        "architecture": "DPTForDepthEstimation",
        "config": {},
        "processor": {"size": {"height": 384, "width": 384}, "resample": BILINEAR},
        "parameters": 110_878_081,
        "licence": "",
    },
}

ALIASES = {name.rpartition("/")[2]: name for name in PRESETS}


def preset(name: str) -> dict[str, Any] | None:
    """The row of that id, with or without the owner's name before it; None if there is none."""
    row = PRESETS.get(ALIASES.get(name, name))
    if row is None:
        return None
    config = dict(row["config"])
    if config.get("num_labels") == 150:
        config["id2label"] = dict(enumerate(ade20k_classes()))
    return {**row, "config": config}


def ade20k_classes() -> list[str]:
    """The 150 classes of ADE20K's scene parsing benchmark, in the order of their numbers."""
    return (files("minidpt") / "assets" / "ade20k_classes.txt").read_text(encoding="utf-8").split("\n")[:150]
