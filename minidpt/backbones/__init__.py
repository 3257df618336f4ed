"""The table of encoders: which functions list the tensors, do the size-dependent work and encode.

A new backbone is a new file and a new row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..config import DPTConfig
from . import hybrid, vit
from .vit import Encoded

__all__ = ["Backbone", "Encoded", "backbone_of"]


@dataclass(frozen=True)
class Backbone:
    """What the models need of an encoder: its table of tensors, its work per picture size, its forward pass.

    tensors(config)   sized(named, config, (H, W)) -> arrays by name   encode(pixels, p, sized, config) -> Encoded
    """

    tensors: Callable[..., list]
    sized: Callable[..., dict[str, Any]]
    encode: Callable[..., Encoded]


BACKBONES = {
    "vit": Backbone(vit.tensors, vit.sized, vit.encode),
    "hybrid": Backbone(hybrid.tensors, vit.sized, hybrid.encode),
}


def backbone_of(config: DPTConfig) -> Backbone:
    """The row of the table that this config asks for."""
    return BACKBONES["hybrid" if config.is_hybrid else "vit"]
