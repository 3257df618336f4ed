"""The published checkpoints as literal tables, so that they are known without a download: what they are, how their
pictures are made, what they may be used for, and which numbers they must give.

midas.py, dinov2_heads.py, depth_anything.py    models in transformers' format, by their ids on the Hub
originals.py                                    models as their authors published them, by file name
backbones.py                                    encoders on their own
encoders.py, pictures.py, results.py            what the rows share

A row's keys:
architecture    the class that it is made for
config          the fields of config.json that differ from the class's defaults
processor       those of preprocessor_config.json; None where DPTImageProcessor cannot do what it asks
parameters      how many the whole model has
licence         of the weights: an SPDX name in small letters, "unknown", or "" where there are no weights
format          on the Hub: "safetensors" | "pickle", or "original": not in transformers' format
kind            "relative_inverse" | "metric" | "segmentation" | "backbone"
bytes           size of the weights, as published (three digits)
published       outputs that its publishers saw (results.outputs)
quality         benchmark -> measure -> number, as published
release         of an original: where it can be had      twin: the same weights in transformers' format
notes           what else to know
unverified      keys of this row that nobody could confirm
"""

import difflib
from importlib.resources import files
from typing import Any

from .backbones import BACKBONES
from .depth_anything import DEPTH_ANYTHING
from .dinov2_heads import DINOV2_HEADS
from .midas import MIDAS
from .originals import ORIGINALS

__all__ = [
    "ALIASES",
    "EMBEDDED",
    "PRESETS",
    "ade20k_classes",
    "did_you_mean",
    "full_name",
    "is_restricted",
    "licence_note",
    "preset",
]

PRESETS: dict[str, dict[str, Any]] = {**MIDAS, **DINOV2_HEADS, **DEPTH_ANYTHING, **BACKBONES, **ORIGINALS}
ALIASES = {name.rpartition("/")[2].removesuffix(".pt").removesuffix(".pth"): name for name in PRESETS}

EMBEDDED: dict[str, dict[str, Any]] = {  # in the package itself, config and all
    "dpt-mini": {
        "kind": "relative_inverse",
        "parameters": 4_343_425,
        "licence": "mit",
        "format": "safetensors",
        "bytes": 8_713_962,
        "bytes_are": "published",
    },
    "dpt-mini/segmentation": {  # the same but for the head
        "kind": "segmentation",
        "parameters": 4_352_932,
        "licence": "mit",
        "format": "safetensors",
        "bytes": 8_789_330,
        "bytes_are": "published",
    },
}
UNTOLD: dict[str, Any] = {"published": [], "quality": {}, "notes": "", "unverified": []}
FLOAT32_BYTES = 4
UNKNOWN = "unknown"


def preset(name: str) -> dict[str, Any] | None:
    """The row of that id, with or without the owner's name before it; None if there is none.

    Complete: every key that a row may leave out is there, `config` names its model_type and `bytes_are` says whether
    the size is "published" or four bytes for each parameter.
    """
    row = PRESETS.get(full_name(name))
    if row is None:
        return None
    config = {"model_type": "dpt", **row["config"]}
    if config.get("num_labels") == 150:
        config["id2label"] = dict(enumerate(ade20k_classes()))
    size = {"bytes": row["parameters"] * FLOAT32_BYTES, "bytes_are": "float32 parameters"}
    if "bytes" in row:
        size["bytes_are"] = "published"
    return {**UNTOLD, **size, **row, "config": config}


def full_name(name: str) -> str:
    """The id with its owner's name, or the file's name with its suffix, where that follows; else the name itself."""
    return ALIASES.get(name, name)


def did_you_mean(name: str) -> str:
    """ "; did you mean ...?" where the name is nearly a known one, else nothing."""
    if full_name(name) in PRESETS:
        return ""
    known = {known.lower(): full for known, full in [*((n, n) for n in PRESETS), *ALIASES.items()]}
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8)
    return f"; did you mean {known[close[0]]}?" if close else ""


def licence_note(name: str) -> str | None:
    """What must be said before a published model is used, or None where its licence allows any use."""
    licence = PRESETS.get(full_name(name), {"licence": ""})["licence"]
    if not is_restricted(licence):
        return None
    if licence == UNKNOWN:
        return f"{full_name(name)}: its publishers name no licence; ask them before you use it commercially"
    return f"{full_name(name)}: its licence, {licence}, allows no commercial use"


def is_restricted(licence: str) -> bool:
    """Whether a licence forbids commercial use, or nobody says what it allows."""
    return licence == UNKNOWN or "-nc" in licence


def ade20k_classes() -> list[str]:
    """The 150 classes of ADE20K's scene parsing benchmark, in the order of their numbers."""
    return (files("minidpt") / "assets" / "ade20k_classes.txt").read_text(encoding="utf-8").split("\n")[:150]
