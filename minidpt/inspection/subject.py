"""The model that is inspected: its class, config and table, and whether its weights are at hand."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import params
from ..backbones import EncoderConfig, input_size
from ..checkpoints.cache import cached
from ..config import DPTConfig
from ..errors import CheckpointError, ConfigError, HubError
from ..model import MODELS, PreTrainedModel, open_checkpoint
from ..params import Tensor
from ..presets import preset
from .dry_run import ITEM_BYTES, Passage, passage

MAX_HALVED = 4  # times that an encoder makes its token grid smaller

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
class Subject:
    """A model to look at.   weights: a line about its files   size: (H, W) of the network's input"""

    name: str
    model: type[PreTrainedModel]
    config: Any
    weights: str
    size: tuple[int, int]

    @property
    def encoder(self) -> EncoderConfig:
        return getattr(self.config, "encoder", self.config)

    @cached_property
    def table(self) -> list[Tensor]:
        return self.model.tensors(self.config)

    @cached_property
    def passage(self) -> Passage:
        return passage(self.model, self.config, self.size)

    @property
    def weight_bytes(self) -> int:
        """Of all tensors, running statistics and unused ones too, as float32."""
        return sum(t.size for t in self.table) * ITEM_BYTES

    @property
    def parts(self) -> dict[str, int]:
        """Parameters by part of the model."""
        by_part: dict[str, int] = {}
        for t in self.table:
            part = PART_OF[t.name.split(".")[0]]
            by_part[part] = by_part.get(part, 0) + params.count([t])
        return by_part

    def grid(self, tokens: int) -> tuple[int, int] | None:
        """(H, W) of so many tokens, those before the grid's among them or not; None if they fill none.

        It is that of the patches, or one that was halved from it, never a square that happens to fit.
        """
        patch = getattr(self.encoder, "patch_size", self.encoder.size_multiple)
        for halved in range(MAX_HALVED):
            rows, row = (-(-side // (patch << halved)) for side in self.size)
            if rows * row in (tokens, tokens - self.encoder.prefix_tokens):
                return rows, row
        return None

    @property
    def kind(self) -> str:
        """The class and what encodes."""
        return f"{self.model.architecture}, {encoder_name(self.encoder)}"


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


def subject(name: str | Path, size: tuple[int, int] | None = None, revision: str | None = None) -> Subject:
    """The model of that name with pictures of `size`, both sides multiples of the patch; the config's own if None."""
    model, config, weights = find(name, revision)
    return Subject(str(name), model, config, weights, input_size(getattr(config, "encoder", config), size))


def why_absent(this: Subject, revision: str | None = None) -> str | None:
    """None if the weights can be read without a download, from the package, a path or the Hub's cache; else a line."""
    if Path(this.name).exists() or preset(this.name) is None:
        return None  # find() has opened them
    try:
        cached(this.name, revision)
    except (CheckpointError, HubError) as error:
        return str(error)
    return None


def encoder_name(encoder: Any) -> str:
    """What the encoder is, in a word or two."""
    if encoder.model_type == DPTConfig.model_type:
        return "hybrid ViT" if encoder.is_hybrid else "plain ViT"
    return encoder.model_type
