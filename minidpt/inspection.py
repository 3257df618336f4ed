"""What a model consists of and what it does to a picture, stage by stage, without computing anything."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import params
from .backbones import backbone_of
from .config import DecoderConfig, DPTConfig
from .errors import ConfigError
from .model import MODELS, PreTrainedModel, open_checkpoint
from .ops.counting import Counter
from .ops.layout import whole_patches
from .presets import preset
from .recording import Tape, record

DEFAULT_SIDE = 384  # of the picture, for encoders whose config names none

STAGES = (
    "bit.stem",
    "bit.stages.[0-9]",
    "embeddings",
    "readout.*",
    "reassembled.*",
    "neck.*",
    "fused.*",
    "head.*",
    "predicted_depth",
    "logits",
)
PART_OF = {  # the first word of a tensor's name -> the part of the model that it is counted under
    "backbone": "encoder",
    "pooler": "encoder",
    "reassemble": "reassemble",
    "neck": "fusion",
    "fusion": "fusion",
    "head": "head",
    "auxiliary_head": "auxiliary head",
}


@dataclass(frozen=True)
class Stage:
    """One named intermediate.   shape: channels last   flops: products counted since the stage before"""

    name: str
    shape: tuple[int, ...]
    flops: int


def trace(model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int]) -> list[Stage]:
    """The stages that a picture of `size` = (H, W) pixels passes, in order, with their shapes and work."""
    encoder = getattr(config, "encoder", config)
    states = (name.removesuffix(".tokens") for name in backbone_of(encoder).states(encoder))
    stages, before = [], 0
    for name, x in _shapes(model, config, size, *STAGES, *states).items():
        stages.append(Stage(name, x.dims, x.flops - before))
        before = x.flops
    return stages


def recorded_names(model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int]) -> list[str]:
    """Every name that `record` knows of such a model, in the order of the data flow, `*` for a number."""
    return list(dict.fromkeys(re.sub(r"\.\d+(?=\.|$)", ".*", name) for name in _shapes(model, config, size, "*")))


def _shapes(model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int], *patterns: str) -> Tape:
    """What those patterns record, as shapes, and the products counted until each."""
    named = {t.name: np.broadcast_to(np.float32(0), t.shape) for t in model.tensors(config)}
    twin = model.from_weights(config, named, Counter().backend())
    with record(*patterns) as tape:
        twin(np.broadcast_to(np.float32(0), (1, twin.encoder.num_channels, *size)))
    return tape


def find(name: str | Path, revision: str | None = None) -> tuple[type[PreTrainedModel], Any, str]:
    """The class, config and a line about the weights of a model: a preset needs no files, anything else is located."""
    row = None if Path(name).exists() else preset(str(name))
    if row is not None:
        model = MODELS.get(row["architecture"])
        if model is None:
            raise ConfigError(f"{name}: is known, but minidpt has no {row['architecture']}")
        return model, model.config_class.from_dict(row["config"]), "preset (weights not looked at)"
    opened = open_checkpoint(name, revision=revision)
    size = sum(path.stat().st_size for path in opened.source.weights)
    dtypes = ", ".join(sorted({entry.dtype for entry in opened.found.values()}))
    return opened.model, opened.config, f"{len(opened.found)} tensors, {dtypes}, {size / 1e6:.1f} MB"


def encoder_name(encoder: Any) -> str:
    """What the encoder is, in a word or two."""
    if encoder.model_type == DPTConfig.model_type:
        return "hybrid ViT" if encoder.is_hybrid else "plain ViT"
    return encoder.model_type


def describe(name: str | Path, size: tuple[int, int] | None = None, revision: str | None = None) -> str:
    """The text of `minidpt inspect`: parameters by part, then every stage with its shape and GFLOP.

    size: (H, W) of the network's input, multiples of the patch size; the config's image_size if None.
    """
    model, config, weights = find(name, revision)
    encoder: Any = getattr(config, "encoder", config)
    side = getattr(encoder, "image_size", DEFAULT_SIDE)
    height, width = size or (side if isinstance(side, tuple) else (side, side))
    if not whole_patches(height, width, encoder.size_multiple):
        raise ConfigError(f"--size {height}x{width}: both sides must be multiples of {encoder.size_multiple}")
    table = model.tensors(config)
    by_part: dict[str, int] = {}
    for t in table:
        part = PART_OF[t.name.split(".")[0]]
        by_part[part] = by_part.get(part, 0) + params.count([t])
    stages = trace(model, config, (height, width))
    lines = [
        f"{name}: {model.architecture}, {encoder_name(encoder)}",
        f"weights     {weights}",
        f"parameters  {params.count(table):,}  ({', '.join(f'{part} {n:,}' for part, n in by_part.items())})",
        f"input       1 x {encoder.num_channels} x {height} x {width}",
        f"work        {sum(stage.flops for stage in stages) / 1e9:.1f} GFLOP per picture (products only)",
        "",
        f"{'stage':<20}{'shape (channels last)':<28}{'GFLOP':>8}",
    ]
    for stage in stages:
        lines.append(f"{stage.name:<20}{' x '.join(map(str, stage.shape)):<28}{stage.flops / 1e9:>8.2f}")
    names = " ".join(recorded_names(model, config, (height, width)))
    lines += ["", "record() knows, * for a number:", *textwrap.wrap(names, 100, break_on_hyphens=False)]
    return "\n".join(lines)
