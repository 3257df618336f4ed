"""Checkpoints as their authors published them -> what loading understands: transformers' names, config, preprocessing.

isl_midas.py        isl-org/DPT and MiDaS 3.x (.pt): depth and segmentation on any of their encoders
depth_anything.py   Depth Anything V1 and V2 (.pth), relative and metric
dinov2_heads.py     DINOv2's DPT heads (.pth), whose encoder is another file
smp.py              segmentation_models.pytorch's DPT
timm_encoders.py    the encoders of the first and the last: plain_, window_ and conv_encoders.py; dinov2_encoder.py
fusion_names.py     what several decoders share
renaming.py         the tables' machinery

A family is told by the names of its tensors, everything else by their shapes; what neither tells, such as metric or
relative, by the file's name or by the user. Nothing is read before loading asks for it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ...errors import CheckpointError, ConfigError
from ..entries import Entry
from . import depth_anything, dinov2_heads, isl_midas, smp
from .dinov2_heads import encoder_file
from .renaming import Hints, translate

__all__ = ["KINDS", "Hints", "Original", "encoder_file", "family_of", "foreign", "recognise"]

FAMILIES: tuple[ModuleType, ...] = (isl_midas, depth_anything, dinov2_heads, smp)
KINDS = tuple(dict.fromkeys(kind for family in FAMILIES for kind in family.KINDS))  # what the user may say
LARGEST_DEPTH = 1e6
CHUNKED = re.compile(r"^((?:pretrained\.)?blocks)\.\d+\.(\d+\.)")  # DINOv2 can keep its blocks in numbered chunks


@dataclass(frozen=True)
class Original:
    """An original checkpoint, translated.

    family: whose   config, processor: the contents of config.json and preprocessor_config.json   found: the entries by
    transformers' names   ignored: names passed over -> why   remarks: what a user should know
    """

    family: str
    config: dict[str, Any]
    processor: dict[str, Any]
    found: dict[str, Entry]
    ignored: dict[str, str]
    remarks: tuple[str, ...]


def family_of(names: Collection[str]) -> ModuleType | None:
    """The file above whose checkpoints have such names."""
    return next((family for family in FAMILIES if family.fits(names)), None)


def recognise(found: Mapping[str, Entry], source: str, hints: Hints) -> Original | None:
    """The checkpoint translated, or None if no family's names are in it.   CheckpointError says what does not fit"""
    whole = {CHUNKED.sub(r"\1.\2", name): entry for name, entry in found.items()}
    if len(whole) != len(found):
        raise CheckpointError(f"{source}: holds blocks both in chunks and in a row; expected one of the two")
    found = whole
    family = family_of(found)
    if family is None:
        return None
    if hints.kind is not None and hints.kind not in family.KINDS:
        kinds = f"one of {', '.join(family.KINDS)}" if family.KINDS else "nothing, its kind is plain"
        raise ConfigError(f"{source}: {family.NAME} can be read as {kinds}, not as {hints.kind!r}")
    if hints.max_depth is not None and family is not depth_anything:
        raise ConfigError(f"{source}: a largest depth can be said of Depth Anything's models, not of {family.NAME}")
    if hints.max_depth is not None and not 0 < hints.max_depth < LARGEST_DEPTH:
        raise ConfigError(f"{source}: the largest depth must be above 0 and below {LARGEST_DEPTH} m")
    try:
        said = family.describe({name: entry.shape for name, entry in found.items()}, hints)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: looks like {family.NAME}, but {error}") from None
    renamed, ignored = translate(found, said, source)
    return Original(family.NAME, said.config, said.processor, renamed, ignored, tuple(said.remarks))


def foreign(names: Collection[str]) -> str:
    """What a checkpoint without a config is whose names no family has, and what to do."""
    known = isl_midas.foreign(names) or dinov2_heads.foreign(names)
    shown, families = ", ".join(sorted(names)[:5]), ", ".join(family.NAME for family in FAMILIES)
    return known or (
        f"has no config.json beside it, and its names ({shown}, ...) are those of no original that minidpt knows "
        f"({families}); pass config=DPTConfig(...) if they are transformers'"
    )
