"""The configs of whole models: DPT and Depth Anything. Transformers' field names and defaults, every field checked."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

from .backbones import BACKBONE_CONFIGS, BackboneConfig, BitConfig, Dinov2Config, EncoderConfig, ViTConfig
from .checkpoints.config_files import PretrainedConfig
from .errors import ConfigError
from .schema import (
    ACTIVATION,
    MAX_BLOCKS,
    MAX_WIDTH,
    boolean,
    integer,
    labels,
    nullable,
    number,
    one_of,
    optional,
    read_json,
    real,
    sequence,
    setting,
    square,
)

HYBRID_BACKBONE = {
    "global_padding": "same",
    "layer_type": "bottleneck",
    "depths": [3, 4, 9],
    "out_features": ["stage1", "stage2", "stage3"],
    "embedding_dynamic_padding": True,
}


def backbone(value: Any) -> BackboneConfig | None:
    """A backbone's config, given as such or as the dict in a config.json."""
    if value is None or isinstance(value, BackboneConfig):
        return value
    if not isinstance(value, Mapping) or value.get("model_type", "bit") not in BACKBONE_CONFIGS:
        raise ValueError(f"a config with model_type one of {', '.join(BACKBONE_CONFIGS)}")
    return BACKBONE_CONFIGS[value.get("model_type", "bit")].from_dict(value)


RELATIVE, METRIC = "relative", "metric"


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class DecoderConfig(PretrainedConfig, ABC):
    """What reassemble, fusion and heads read, whichever model they are part of.

    Beyond transformers: `fusion_upsample` ("scale2": each fusion step doubles its map, as in DPT; "next_size": it takes
    the next finer map's size, as in MiDaS 3.1 and Depth Anything).
    """

    backbone_config: BackboneConfig | None = setting(None, backbone)
    initializer_range: float = setting(0.02, real(0, 10))
    reassemble_factors: tuple[float, ...] = setting((4, 2, 1, 0.5), sequence(number(1 / 64, 64)))
    neck_hidden_sizes: tuple[int, ...] = setting((96, 192, 384, 768), sequence(integer(1, MAX_WIDTH)))
    fusion_hidden_size: int = setting(256, integer(2, MAX_WIDTH))
    fusion_upsample: str = setting("scale2", one_of("scale2", "next_size"))
    head_in_index: int = setting(-1, integer(-MAX_BLOCKS, MAX_BLOCKS))
    head_hidden_size: int = setting(32, integer(1, MAX_WIDTH))
    depth_estimation_type: str = setting(RELATIVE, one_of(RELATIVE, METRIC))

    def check(self):
        levels, encoder = len(self.neck_hidden_sizes), self.encoder
        if encoder.taps_are != "pyramid" and len(self.reassemble_factors) != levels:
            raise self._error(
                "reassemble_factors", f"has {len(self.reassemble_factors)} values, neck_hidden_sizes has {levels}"
            )
        for factor in self.reassemble_factors:
            whole = factor if factor >= 1 else 1 / factor
            if whole != math.floor(whole):
                raise self._error("reassemble_factors", f"must be whole numbers or one over them, not {factor}")
        if not -levels <= self.head_in_index < levels:
            raise self._error("head_in_index", f"must be one of the {levels} fused maps, not {self.head_in_index}")
        if isinstance(encoder, BackboneConfig):
            self._check_backbone(encoder, levels)

    def _check_backbone(self, encoder: BackboneConfig, levels: int):
        if len(encoder.taps) != levels:
            message = f"has {len(encoder.taps)} out_features, neck_hidden_sizes has {levels} values"
            raise self._error("backbone_config", message)
        if encoder.taps_are == "pyramid" and encoder.tap_channels != self.neck_hidden_sizes:
            message = f"must be the widths of the backbone's maps, {list(encoder.tap_channels)}"
            raise self._error("neck_hidden_sizes", f"{message}, not {list(self.neck_hidden_sizes)}")

    @property
    @abstractmethod
    def encoder(self) -> EncoderConfig:
        """The config of the encoder."""

    @property
    def input_multiple(self) -> int:
        """Both sides of the network's input must be multiples of this."""
        return self.encoder.size_multiple

    @property
    def readout(self) -> str:
        """How the class token reaches the others: "ignore" | "add" | "project"."""
        return "ignore"

    @property
    def readout_act(self) -> str:
        """The activation after a projecting readout."""
        return "gelu"

    @property
    def ready_levels(self) -> tuple[int, ...]:
        """The levels at which the encoder's map is taken as it is."""
        return tuple(range(len(self.neck_hidden_sizes))) if self.encoder.taps_are == "pyramid" else ()

    @property
    def fusion_has_batch_norm(self) -> bool:
        return False

    @property
    def fusion_has_bias(self) -> bool:
        return True

    @property
    def kind(self) -> str:
        """What predicted_depth means: "relative_inverse" (larger = nearer, no unit) or "metric" (metres)."""
        return "metric" if self.depth_estimation_type == METRIC else "relative_inverse"


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class DPTConfig(ViTConfig, DecoderConfig):
    """DPT with a plain ViT, with is_hybrid with BiT stages before it, or with the backbone of `backbone_config`.

    [transformers: DPTConfig, same fields and defaults]. Fields that only training reads (dropout rates,
    initializer_range beyond random weights) are kept as is. Beyond transformers, besides DecoderConfig's:
    depth_estimation_type ("relative" | "metric", Depth Anything's field) says what the depth means
    depth_scale, depth_shift: with both, depth = 1 / (scale output + shift), the metric models of isl-org/DPT
    head_hidden_size: the width before the depth head's last layer   stem_transpose: two transposed convolutions before
    the head, as with LeViT
    """

    model_type: ClassVar[str] = "dpt"

    is_hybrid: bool = setting(False, boolean)
    backbone_out_indices: tuple[int, ...] = nullable((2, 5, 8, 11), sequence(integer(0, MAX_BLOCKS)))
    readout_type: str = setting("project", one_of("ignore", "add", "project"))
    use_batch_norm_in_fusion_residual: bool | None = setting(False, optional(boolean))
    use_bias_in_fusion_residual: bool | None = setting(None, optional(boolean))
    add_projection: bool = setting(False, boolean)
    use_auxiliary_head: bool | None = setting(True, optional(boolean))
    auxiliary_loss_weight: float = setting(0.4, number(0, 1e6))
    semantic_loss_ignore_index: int = setting(255, integer(-(2**31), 2**31 - 1))
    semantic_classifier_dropout: float = setting(0.1, number(0, 1))
    backbone_featmap_shape: tuple[int, ...] | None = setting(
        (1, 1024, 24, 24), optional(sequence(integer(1, MAX_WIDTH), 4, 4))
    )
    neck_ignore_stages: tuple[int, ...] = setting((0, 1), sequence(integer(0, MAX_BLOCKS), 0))
    pooler_output_size: int = setting(None, optional(integer(1, MAX_WIDTH)))
    pooler_act: str = setting("tanh", ACTIVATION)
    num_labels: int = setting(None, optional(integer(1, MAX_WIDTH)))
    id2label: dict[int, str] = setting(None, labels)
    depth_scale: float | None = setting(None, optional(number(1e-12, 1e12)))
    depth_shift: float | None = setting(None, optional(number(-1e12, 1e12)))
    stem_transpose: bool = setting(False, boolean)

    def check(self):
        self._complete()
        if self.encoder is self:
            ViTConfig.check(self)
            self._check_taps()
        DecoderConfig.check(self)
        if self.is_hybrid:
            self._check_hybrid()
        if (self.depth_scale is None) != (self.depth_shift is None):
            raise self._error("depth_scale", "and depth_shift go together")
        if self.stem_transpose and self.fusion_hidden_size % 8:
            raise self._error("fusion_hidden_size", "must be a multiple of 8 with stem_transpose")

    def _check_taps(self):
        levels, taps = len(self.neck_hidden_sizes), self.tap_blocks
        if len(self.backbone_out_indices) != levels:
            message = f"has {len(self.backbone_out_indices)} values, neck_hidden_sizes has {levels}"
            raise self._error("backbone_out_indices", message)
        if list(taps) != sorted(set(taps)) or taps[-1] >= self.num_hidden_layers:
            message = f"must rise and stay below {self.num_hidden_layers}, not {list(taps)}"
            raise self._error("backbone_out_indices", message)

    def _complete(self):
        """What transformers derives from other fields."""
        put = object.__setattr__
        if self.is_hybrid and self.backbone_config is None:
            put(self, "backbone_config", BitConfig(**HYBRID_BACKBONE))
        if not self.is_hybrid:
            put(self, "backbone_featmap_shape", None)
            put(self, "neck_ignore_stages", ())
        if self.pooler_output_size is None:
            put(self, "pooler_output_size", self.hidden_size)
        if self.num_labels is None:
            put(self, "num_labels", len(self.id2label) if self.id2label else 2)
        if self.id2label is None:
            put(self, "id2label", {i: f"LABEL_{i}" for i in range(self.num_labels)})
        if len(self.id2label) != self.num_labels:
            raise self._error("num_labels", f"is {self.num_labels}, but id2label names {len(self.id2label)} classes")

    def _check_hybrid(self):
        bit = self.bit
        if self.readout_type != "project":
            raise self._error("readout_type", f"must be 'project' in a hybrid, not {self.readout_type!r}")
        if len(self.neck_hidden_sizes) != 4 or self.neck_ignore_stages != (0, 1):
            raise self._error("neck_ignore_stages", "must be [0, 1] of four levels in a hybrid")
        if bit.layer_type != "bottleneck" or bit.global_padding != "SAME" or not bit.embedding_dynamic_padding:
            raise self._error("backbone_config", "must have bottleneck layers and SAME, dynamic padding in a hybrid")
        if len(bit.depths) != 3 or bit.out_features not in (bit.stage_names[1:], bit.stage_names[-1:]):  # the default
            raise self._error("backbone_config", "must have three stages, all of them out_features, in a hybrid")
        if self.patch_size != 16:
            raise self._error("patch_size", f"must be 16, the stride of the three BiT stages, not {self.patch_size}")
        if bit.output_stride < 16:
            raise self._error("backbone_config", "must have output_stride 16 or more in a hybrid")
        widths = bit.stage_channels
        featmap = self.backbone_featmap_shape or (1, widths[2], 1, 1)
        if widths[:2] != self.neck_hidden_sizes[:2] or widths[2] != featmap[1]:
            message = f"stages are {list(widths)} wide; neck_hidden_sizes and backbone_featmap_shape[1] must agree"
            raise self._error("backbone_config", message)

    @property
    def bit(self) -> BitConfig:
        """The hybrid's convolutional stages."""
        return cast(BitConfig, self.backbone_config)

    @property
    def tap_blocks(self) -> tuple[int, ...]:
        """The blocks whose outputs feed the neck; in a hybrid the first two levels come from BiT instead."""
        return self.backbone_out_indices[2:] if self.is_hybrid else self.backbone_out_indices

    @property
    def tap_stages(self) -> tuple[int, ...]:
        return tuple(block + 1 for block in self.tap_blocks)

    @property
    def tap_channels(self) -> tuple[int, ...]:
        maps = self.bit.stage_channels[:2] if self.is_hybrid else ()
        return (*maps, *super().tap_channels)

    @property
    def encoder(self) -> EncoderConfig:
        return self if self.is_hybrid or self.backbone_config is None else self.backbone_config

    @property
    def readout(self) -> str:
        return self.readout_type if self.encoder.taps_are == "tokens" else "ignore"

    @property
    def readout_act(self) -> str:
        return self.hidden_act

    @property
    def ready_levels(self) -> tuple[int, ...]:
        return self.neck_ignore_stages if self.is_hybrid else super().ready_levels

    @property
    def fusion_has_batch_norm(self) -> bool:
        return bool(self.use_batch_norm_in_fusion_residual)

    @property
    def fusion_has_bias(self) -> bool:
        """None means: a bias exactly where no batch norm follows."""
        bias = self.use_bias_in_fusion_residual
        return not self.fusion_has_batch_norm if bias is None else bias


DEPTH_ANYTHING_BACKBONE = {
    "hidden_size": 384,
    "num_attention_heads": 6,
    "image_size": 518,
    "out_indices": [9, 10, 11, 12],
    "reshape_hidden_states": False,
}


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class DepthAnythingConfig(DecoderConfig):
    """Depth Anything V1 and V2, relative and metric: DPT's decoder, slimmer, on DINOv2.

    [transformers: DepthAnythingConfig, same fields and defaults]   max_depth: in metres, the largest depth of a metric
    model, 20 indoors and 80 outdoors; null or 1 in a relative one
    """

    model_type: ClassVar[str] = "depth_anything"

    patch_size: int = setting(14, square(integer(1, 256)))
    reassemble_hidden_size: int = setting(384, integer(1, MAX_WIDTH))
    neck_hidden_sizes: tuple[int, ...] = setting((48, 96, 192, 384), sequence(integer(1, MAX_WIDTH)))
    fusion_hidden_size: int = setting(64, integer(2, MAX_WIDTH))
    fusion_upsample: str = setting("next_size", one_of("scale2", "next_size"))
    max_depth: float = nullable(1, number(1e-6, 1e6))

    def check(self):
        if self.backbone_config is None:
            object.__setattr__(self, "backbone_config", Dinov2Config(**DEPTH_ANYTHING_BACKBONE))
        super().check()
        encoder = self.encoder
        if encoder.taps_are == "pyramid" or getattr(encoder, "patch_size", None) != self.patch_size:
            raise self._error("patch_size", f"{self.patch_size} must be that of a backbone of tokens")
        if set(encoder.tap_channels) != {self.reassemble_hidden_size}:
            message = f"{self.reassemble_hidden_size} must be the backbone's width, {encoder.tap_channels[0]}"
            raise self._error("reassemble_hidden_size", message)

    @property
    def encoder(self) -> EncoderConfig:
        return cast(EncoderConfig, self.backbone_config)


MODEL_CONFIGS: dict[str, type[DecoderConfig]] = {c.model_type: c for c in (DPTConfig, DepthAnythingConfig)}


def read_config(path: Path, amend: Callable[[Any], Any] | None = None) -> PretrainedConfig:
    """The config in a config.json, of whichever model it is. ConfigError names the file and the key.

    amend: changes the file's contents before they are looked at
    """
    values = read_json(path) if amend is None else amend(read_json(path))
    known: dict[str, type[PretrainedConfig]] = {**MODEL_CONFIGS, **BACKBONE_CONFIGS}
    name = values.get("model_type", "dpt") if isinstance(values, dict) else "dpt"
    if name not in known:
        raise ConfigError(f"{path}: model_type {name!r:.80} is not one of {', '.join(known)}")
    try:
        return known[name].from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
