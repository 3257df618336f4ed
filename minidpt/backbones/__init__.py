"""The table of encoders: for each kind of config, the row of functions that make it work.

A new backbone is a new file and a new row here.
"""

from typing import Any

from . import beit, bit, deit, dinov2, hybrid, levit, nextvit, swin, swinv2, vit, vitdet
from .base import Backbone, BackboneConfig, Encoded, EncoderConfig, input_size, native_size, row
from .beit import BeitConfig
from .bit import BitConfig
from .deit import DeiTConfig
from .dinov2 import Dinov2Config, Dinov2WithRegistersConfig
from .levit import LevitConfig
from .nextvit import NextViTConfig
from .swin import SwinConfig
from .swinv2 import Swinv2Config
from .vit import ViTConfig
from .vitdet import VitDetConfig

__all__ = [
    "BACKBONES",
    "BACKBONE_CONFIGS",
    "Backbone",
    "BackboneConfig",
    "BeitConfig",
    "BitConfig",
    "DeiTConfig",
    "Dinov2Config",
    "Dinov2WithRegistersConfig",
    "Encoded",
    "EncoderConfig",
    "LevitConfig",
    "NextViTConfig",
    "SwinConfig",
    "Swinv2Config",
    "ViTConfig",
    "VitDetConfig",
    "backbone_of",
    "input_size",
    "native_size",
]

PLAIN, HYBRID = row(vit, prefix="dpt."), row(hybrid, prefix="dpt.")

BACKBONES: dict[type[BackboneConfig], Backbone] = {
    Dinov2Config: row(dinov2),
    Dinov2WithRegistersConfig: row(dinov2),
    BitConfig: row(bit),
    BeitConfig: row(beit),
    DeiTConfig: row(deit),
    SwinConfig: row(swin),
    Swinv2Config: row(swinv2),
    LevitConfig: row(levit),
    NextViTConfig: row(nextvit),
    VitDetConfig: row(vitdet),
}

BACKBONE_CONFIGS: dict[str, type[BackboneConfig]] = {config.model_type: config for config in BACKBONES}


def backbone_of(encoder: Any) -> Backbone:
    """The row for an encoder's config, which is a DPTConfig itself where a plain or hybrid ViT is the encoder."""
    if type(encoder) in BACKBONES:
        return BACKBONES[type(encoder)]
    return HYBRID if getattr(encoder, "is_hybrid", False) else PLAIN
