"""Encoders on their own: a picture goes in, the tapped feature maps come out.   [transformers: AutoBackbone]"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from . import backbones, checkpoints, ops
from .backbones import BACKBONE_CONFIGS, BackboneConfig, backbone_of
from .checkpoints.config_files import config_file
from .checkpoints.transformers_names import under
from .config import read_config
from .errors import CheckpointError, ConfigError
from .outputs import BackboneOutput
from .params import Tensor
from .presets import preset
from .pretrained import PreTrainedModel

FINAL_NORM = r"layernorm\.(weight|bias)"  # of a whole Swin, which its taps do not pass
OTHER_HEADS = (
    r"(classifier|cls_classifier|classifier_distill|distillation_classifier|pooler|head|proj_head|lm_head|decode_head"
    r"|auxiliary_head)\..*"
)


class BackboneModel(PreTrainedModel):
    """An encoder with its taps as the answer. `config.out_features` says which."""

    config: Any
    not_its_own: ClassVar[str] = (
        OTHER_HEADS  # a pattern of names, in a whole model's file, of what is not in the backbone
    )

    @classmethod
    def tensors(cls, config: BackboneConfig) -> list[Tensor]:
        return backbone_of(config).tensors(config)

    @classmethod
    def disk_names(cls, config: BackboneConfig) -> Mapping[str, str]:
        return under(backbone_of(config).names(config), "backbone.", "")

    @classmethod
    def from_config(cls, config: BackboneConfig, **options: Any) -> Self:
        """Random weights.   options: seed, backend, precision"""
        return cls(config, **options)

    @classmethod
    def _load(cls, found: Mapping[str, checkpoints.Entry], config: BackboneConfig, source: str) -> checkpoints.OnDisk:
        """From a backbone's own file, a whole model's (`dinov2.` before every name) or a DPT's (`backbone.`)."""
        for prefix in (f"{config.model_type.replace('_with_registers', '')}.", f"{config.model_type}.", "backbone."):
            first = tuple(f"{prefix}{part}." for part in ("embeddings", "patch_embeddings", "stem"))
            if any(name.startswith(first) for name in found):
                found = {name.removeprefix(prefix): e for name, e in found.items() if name.startswith(prefix)}
        table = cls.tensors(config)
        return checkpoints.load(found, table, cls.disk_name(config), source, also_ignored=cls.not_its_own)

    @property
    def out_features(self) -> tuple[str, ...]:
        """The names of the tapped stages."""
        return self.config.out_features

    @property
    def channels(self) -> tuple[int, ...]:
        """The width of each feature map."""
        return self.config.tap_channels

    def __call__(
        self, pixel_values: Any, *, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> BackboneOutput:
        """pixel_values: (N, C, H, W) -> feature_maps, one per out_feature: (N, C_k, H_k, W_k), or tokens (N, T, D)"""

        def forward() -> tuple[np.ndarray, ...]:
            taps = self._encode(self._pixels(pixel_values)).taps
            if self.config.taps_are != "tokens":
                taps = [ops.channels_first(tap) for tap in taps]
            return tuple(ops.to_numpy(tap) for tap in taps)

        maps, asked = self._run(forward, output_hidden_states, output_attentions)
        return BackboneOutput(feature_maps=maps, **asked)


class Dinov2Backbone(BackboneModel):
    """DINOv2.   [transformers: Dinov2Backbone]"""

    architecture = "Dinov2Backbone"
    config_class = backbones.Dinov2Config


class Dinov2WithRegistersBackbone(BackboneModel):
    """DINOv2 with registers.   [transformers: Dinov2WithRegistersBackbone]"""

    architecture = "Dinov2WithRegistersBackbone"
    config_class = backbones.Dinov2WithRegistersConfig


class BeitBackbone(BackboneModel):
    """BEiT.   [transformers: BeitBackbone]"""

    architecture = "BeitBackbone"
    config_class = backbones.BeitConfig


class DeiTBackbone(BackboneModel):
    """Distilled DeiT; transformers has its encoder, DeiTModel, which reads what this saves."""

    architecture = "DeiTBackbone"
    config_class = backbones.DeiTConfig


class BitBackbone(BackboneModel):
    """BiT, a ResNetV2.   [transformers: BitBackbone]"""

    architecture = "BitBackbone"
    config_class = backbones.BitConfig

    @classmethod
    def _load(cls, found: Mapping[str, checkpoints.Entry], config: BackboneConfig, source: str) -> checkpoints.OnDisk:
        """As any backbone's, and from a BitModel's file, which lacks the `bit.` before every name."""
        if any(name.startswith("embedder.") for name in found):
            found = {f"bit.{name}": entry for name, entry in found.items()}
        return super()._load(found, config, source)


class VitDetBackbone(BackboneModel):
    """ViTDet's plain ViT.   [transformers: VitDetBackbone]"""

    architecture = "VitDetBackbone"
    config_class = backbones.VitDetConfig


class SwinBackbone(BackboneModel):
    """Swin.   [transformers: SwinBackbone]"""

    architecture = "SwinBackbone"
    config_class = backbones.SwinConfig
    not_its_own = rf"{OTHER_HEADS}|{FINAL_NORM}"

    @classmethod
    def _load(cls, found: Mapping[str, checkpoints.Entry], config: Any, source: str) -> checkpoints.OnDisk:
        """A whole Swin has no norms for the taps; transformers would go on with fresh ones."""
        if config.apply_layernorm and not any("hidden_states_norms." in name for name in found):
            raise CheckpointError(f"{source}: has no norms for the taps; pass apply_layernorm=False to take them raw")
        return super()._load(found, config, source)


class Swinv2Backbone(BackboneModel):
    """Swin V2.   [transformers: Swinv2Backbone]"""

    architecture = "Swinv2Backbone"
    config_class = backbones.Swinv2Config
    not_its_own = rf"{OTHER_HEADS}|{FINAL_NORM}"


class LevitBackbone(BackboneModel):
    """LeViT, tapped inside its stages; its files are those of transformers' LevitModel, which has no taps."""

    architecture = "LevitBackbone"
    config_class = backbones.LevitConfig


class NextViTBackbone(BackboneModel):
    """Next-ViT, which transformers does not have; its files hold ByteDance's names."""

    architecture = "NextViTBackbone"
    config_class = backbones.NextViTConfig


MODEL_OF: dict[type, type[BackboneModel]] = {model.config_class: model for model in BackboneModel.__subclasses__()}


class AutoBackbone:
    """The backbone that a config or a model's name asks for; not to be instantiated.   [transformers: AutoBackbone]"""

    def __init__(self) -> None:
        raise TypeError(
            "AutoBackbone is made by AutoBackbone.from_config(config) or AutoBackbone.from_pretrained(name)"
        )

    @staticmethod
    def from_config(config: BackboneConfig, **options: Any) -> BackboneModel:
        """Random weights.   options: seed, backend, precision.   ConfigError for what is no backbone's config."""
        if type(config) not in MODEL_OF:
            known = ", ".join(c.__name__ for c in MODEL_OF)
            raise ConfigError(f"AutoBackbone expects one of {known}, not {type(config).__name__}")
        return MODEL_OF[type(config)](config, **options)

    @staticmethod
    def from_pretrained(
        name: str | Path,
        *,
        revision: str | None = None,
        backend: str = "auto",
        precision: str = "highest",
        **changes: Any,
    ) -> BackboneModel:
        """Load a backbone from a folder, a file or a Hub id.   changes: config fields, such as out_features"""
        row = None if Path(name).exists() else preset(str(name))
        config_class = (
            BACKBONE_CONFIGS.get(row["config"].get("model_type"))
            if row
            else type(read_config(config_file(name, revision)))
        )
        if config_class not in MODEL_OF:
            raise ConfigError(
                f"{name}: is no backbone on its own; its model_type is not one of {', '.join(BACKBONE_CONFIGS)}"
            )
        config = config_class.from_pretrained(name, revision=revision, **changes)
        model = MODEL_OF[config_class]
        return model.from_pretrained(name, config=config, revision=revision, backend=backend, precision=precision)
