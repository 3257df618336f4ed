"""The configs of DPT and of its backbones: transformers' field names and defaults, every field checked."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from .checkpoints.locate import CONFIG, locate_file
from .errors import ConfigError
from .presets import preset
from .schema import (
    ACTIVATION,
    MAX_BLOCKS,
    MAX_SIDE,
    MAX_WIDTH,
    Config,
    boolean,
    integer,
    labels,
    nullable,
    number,
    one_of,
    optional,
    read_json,
    sequence,
    setting,
    square,
)


def whole_eights(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and never more than a tenth below.   [BiT: make_divisible]"""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class BitConfig(Config):
    """BiT, the ResNetV2 whose first three stages open DPT-Hybrid.   [transformers: BitConfig, same defaults]"""

    model_type: ClassVar[str] = "bit"

    num_channels: int = setting(3, integer(1, 64))
    embedding_size: int = setting(64, integer(1, MAX_WIDTH))
    hidden_sizes: tuple[int, ...] = setting((256, 512, 1024, 2048), sequence(integer(8, MAX_WIDTH)))
    depths: tuple[int, ...] = setting((3, 4, 6, 3), sequence(integer(1, MAX_BLOCKS)))
    layer_type: str = setting("preactivation", one_of("preactivation", "bottleneck"))
    hidden_act: str = setting("relu", ACTIVATION)
    global_padding: str | None = setting(
        None, lambda v: optional(one_of("SAME", "VALID"))(v.upper() if isinstance(v, str) else v)
    )
    num_groups: int = setting(32, integer(1, MAX_WIDTH))
    drop_path_rate: float = setting(0.0, number(0, 1))
    embedding_dynamic_padding: bool = setting(False, boolean)
    output_stride: int = setting(32, one_of(8, 16, 32))
    width_factor: int = setting(1, integer(1, 16))
    out_features: tuple[str, ...] | None = setting(None, optional(sequence(str)))

    def check(self):
        if len(self.depths) > len(self.hidden_sizes):
            raise self._error("depths", f"has {len(self.depths)} stages, hidden_sizes only {len(self.hidden_sizes)}")
        for channels in (self.embedding_size, *self.stage_channels, *map(self.middle_channels, self.stage_channels)):
            if channels % self.num_groups:
                raise self._error("num_groups", f"{self.num_groups} does not divide {channels} channels")
        known = ["stem", *(f"stage{i + 1}" for i in range(len(self.depths)))]
        for name in self.out_features or ():
            if name not in known:
                raise self._error("out_features", f"{name!r} is not one of {', '.join(known)}")

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Width of each stage's output."""
        return tuple(whole_eights(size * self.width_factor) for size in self.hidden_sizes[: len(self.depths)])

    @staticmethod
    def middle_channels(out_channels: int) -> int:
        """Width inside a bottleneck of that output width: a quarter."""
        return whole_eights(out_channels / 4)


def _config_file(name: str | Path, revision: str | None) -> Path:
    try:
        return locate_file(name, CONFIG, revision=revision)
    except FileNotFoundError:
        raise ConfigError(f"{name}: has no {CONFIG}") from None


HYBRID_BACKBONE = {
    "global_padding": "same",
    "layer_type": "bottleneck",
    "depths": [3, 4, 9],
    "out_features": ["stage1", "stage2", "stage3"],
    "embedding_dynamic_padding": True,
}

BACKBONE_CONFIGS: dict[str, type[Config]] = {"bit": BitConfig}


def backbone(value: Any) -> Config | None:
    """A backbone's config, given as such or as the dict in a config.json."""
    if value is None or isinstance(value, Config):
        return value
    if not isinstance(value, Mapping) or value.get("model_type", "bit") not in BACKBONE_CONFIGS:
        raise ValueError(f"a config with model_type one of {', '.join(BACKBONE_CONFIGS)}")
    return BACKBONE_CONFIGS[value.get("model_type", "bit")].from_dict(value)


# ---------------------------------------------------------------- DPT


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class DPTConfig(Config):
    """DPT with a plain ViT or, with is_hybrid, with BiT stages before it.   [transformers: DPTConfig, same defaults]

    Beyond transformers: `depth_estimation_type` ("relative" | "metric", Depth Anything's field) says what the depth
    means. Fields that only training reads (dropout rates, initializer_range beyond random weights) are kept as is.
    """

    model_type: ClassVar[str] = "dpt"

    hidden_size: int = setting(768, integer(1, MAX_WIDTH))
    num_hidden_layers: int = nullable(12, integer(1, MAX_BLOCKS))
    num_attention_heads: int = nullable(12, integer(1, MAX_BLOCKS))
    intermediate_size: int = nullable(3072, integer(1, MAX_WIDTH))
    hidden_act: str = setting("gelu", ACTIVATION)
    hidden_dropout_prob: float = nullable(0.0, number(0, 1))
    attention_probs_dropout_prob: float = nullable(0.0, number(0, 1))
    initializer_range: float = setting(0.02, number(0, 10))
    layer_norm_eps: float = nullable(1e-12, number(0, 1))
    image_size: int = nullable(384, square(integer(1, MAX_SIDE)))
    patch_size: int = nullable(16, square(integer(1, 256)))
    num_channels: int = nullable(3, integer(1, 64))
    is_hybrid: bool = setting(False, boolean)
    qkv_bias: bool = nullable(True, boolean)
    backbone_out_indices: tuple[int, ...] = nullable((2, 5, 8, 11), sequence(integer(0, MAX_BLOCKS)))
    readout_type: str = setting("project", one_of("ignore", "add", "project"))
    reassemble_factors: tuple[float, ...] = setting((4, 2, 1, 0.5), sequence(number(1 / 64, 64)))
    neck_hidden_sizes: tuple[int, ...] = setting((96, 192, 384, 768), sequence(integer(1, MAX_WIDTH)))
    fusion_hidden_size: int = setting(256, integer(2, MAX_WIDTH))
    head_in_index: int = setting(-1, integer(-MAX_BLOCKS, MAX_BLOCKS))
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
    backbone_config: Config | None = setting(None, backbone)
    pooler_output_size: int = setting(None, optional(integer(1, MAX_WIDTH)))
    pooler_act: str = setting("tanh", ACTIVATION)
    num_labels: int = setting(None, optional(integer(1, MAX_WIDTH)))
    id2label: dict[int, str] = setting(None, labels)
    depth_estimation_type: str = setting("relative", one_of("relative", "metric"))

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None, **changes: Any) -> Self:
        """The config of a published model (known without a download), of a folder or of a Hub id, with `changes`."""
        cls.refuse_slips(changes)
        row = None if Path(name).exists() else preset(str(name))
        values = dict(row["config"]) if row else read_json(_config_file(name, revision))
        if isinstance(values, dict) and {"num_labels", "id2label"} & changes.keys():
            values = {key: value for key, value in values.items() if key not in ("num_labels", "id2label")}
        return cls.from_dict({**values, **changes} if isinstance(values, dict) else values)

    def check(self):
        self._complete()
        if self.hidden_size % self.num_attention_heads:
            raise self._error("num_attention_heads", f"{self.num_attention_heads} does not divide {self.hidden_size}")
        if self.image_size < self.patch_size:
            raise self._error("image_size", f"{self.image_size} is smaller than patch_size {self.patch_size}")
        levels = len(self.neck_hidden_sizes)
        for name in ("backbone_out_indices", "reassemble_factors"):
            if len(getattr(self, name)) != levels:
                raise self._error(name, f"has {len(getattr(self, name))} values, neck_hidden_sizes has {levels}")
        taps = self.tap_blocks
        if list(taps) != sorted(set(taps)) or taps[-1] >= self.num_hidden_layers:
            message = f"must rise and stay below {self.num_hidden_layers}, not {list(taps)}"
            raise self._error("backbone_out_indices", message)
        for factor in self.reassemble_factors:
            whole = factor if factor >= 1 else 1 / factor
            if whole != math.floor(whole):
                raise self._error("reassemble_factors", f"must be whole numbers or one over them, not {factor}")
        if not -levels <= self.head_in_index < levels:
            raise self._error("head_in_index", f"must be one of the {levels} fused maps, not {self.head_in_index}")
        if self.is_hybrid:
            self._check_hybrid()
        elif self.backbone_config is not None:
            raise self._error("backbone_config", "needs is_hybrid: true for a bit backbone")

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
        if len(bit.depths) != 3 or bit.out_features not in (None, ("stage1", "stage2", "stage3")):
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
    def fusion_has_batch_norm(self) -> bool:
        return bool(self.use_batch_norm_in_fusion_residual)

    @property
    def fusion_has_bias(self) -> bool:
        """None means: a bias exactly where no batch norm follows."""
        bias = self.use_bias_in_fusion_residual
        return not self.fusion_has_batch_norm if bias is None else bias

    @property
    def kind(self) -> str:
        """What predicted_depth means: "relative_inverse" (larger = nearer, no unit) or "metric" (metres)."""
        return "metric" if self.depth_estimation_type == "metric" else "relative_inverse"
