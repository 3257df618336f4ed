"""The models: encoder, reassemble, fusion and a head wired together.

DPTModel                           encoder only: tokens and pooled class token
DPTForDepthEstimation              picture -> depth
DPTForSemanticSegmentation         picture -> class scores
DepthAnythingForDepthEstimation    picture -> depth, relative or in metres
AutoModelForDepthEstimation        whichever of the two a checkpoint holds
"""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from . import auto_backbone as auto_backbone  # so that MODELS knows encoders alone, too
from . import checkpoints, heads, ops, params, reassemble
from . import fusion as fusion_stage
from .backbones import Encoded, backbone_of
from .checkpoints.transformers_names import DEPTH_ANYTHING_HEAD_NAMES, DPT_HEAD_NAMES, NECK_NAMES, under
from .config import DecoderConfig, DepthAnythingConfig, DPTConfig
from .errors import CheckpointError, ConfigError
from .losses import cross_entropy
from .ops import Backend
from .outputs import DepthOutput, EncoderOutput, SegmentationOutput
from .params import Tensor
from .pretrained import MODELS, Opened, PreTrainedModel, model_class, open_checkpoint
from .recording import note

__all__ = [
    "MODELS",
    "AutoModelForDepthEstimation",
    "DPTForDepthEstimation",
    "DPTForSemanticSegmentation",
    "DPTModel",
    "DepthAnythingForDepthEstimation",
    "Opened",
    "PreTrainedModel",
    "model_class",
    "open_checkpoint",
]

Array = Any


class DensePrediction(PreTrainedModel):
    """What the models with a decoder share: encoder, reassemble and fusion."""

    @classmethod
    def neck_tensors(cls, config: DecoderConfig) -> list[Tensor]:
        """Everything before the head."""
        encoder = backbone_of(config.encoder).tensors(config.encoder)
        return encoder + reassemble.tensors(config) + fusion_stage.tensors(config)

    @classmethod
    def neck_names(cls, config: DecoderConfig) -> dict[str, str]:
        backbone = backbone_of(config.encoder)
        return under(backbone.names(config.encoder), "backbone.", backbone.prefix) | NECK_NAMES

    def _fused(self, encoded: Encoded) -> list[Array]:
        maps = reassemble.reassemble(encoded.taps, self._params.get("reassemble", ()), encoded.grid, self.config)
        return fusion_stage.fuse(maps, self._params, self.config)


class DPTModel(PreTrainedModel):
    """The encoder alone.   [transformers: DPTModel]"""

    architecture = "DPTModel"
    config_class = DPTConfig
    encoder = property(lambda self: self.config)  # as in transformers: a backbone_config is for depth and segmentation

    def __init__(self, config: DPTConfig, *, add_pooling_layer: bool = True, **options: Any):
        """Random weights; without the pooling layer `pooler_output` is None.   options: as PreTrainedModel's"""
        super().__init__(config, **options)
        if not add_pooling_layer:
            named = {name: x for name, x in self.weights.items() if not name.startswith("pooler.")}
            self._take(config, named, self._backend, self.precision)

    @classmethod
    def tensors(cls, config: DPTConfig) -> list[Tensor]:
        pooler = params.linear("pooler", config.pooler_output_size, config.hidden_size)
        return backbone_of(config).tensors(config) + pooler

    @classmethod
    def _load(cls, found: Mapping[str, checkpoints.Entry], config: DPTConfig, source: str) -> checkpoints.OnDisk:
        """From DPTModel's own file, or the encoder's part of a depth or segmentation checkpoint (no pooler then)."""
        if any(name.startswith("dpt.") for name in found):
            found = {name.removeprefix("dpt."): e for name, e in found.items() if name.startswith("dpt.")}
        table = cls.tensors(config)
        if "pooler.dense.weight" not in found:
            table = [t for t in table if not t.name.startswith("pooler.")]
        return checkpoints.load(found, table, cls.disk_name(config), source)

    @classmethod
    def disk_names(cls, config: DPTConfig) -> Mapping[str, str]:
        return under(backbone_of(config).names(config), "backbone.", "") | {"pooler": "pooler.dense"}

    def __call__(
        self, pixel_values: Any, *, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> EncoderOutput:
        """pixel_values: (N, C, H, W), H and W multiples of the patch size"""

        def forward() -> tuple:
            encoded = self._encode(self._pixels(pixel_values))
            tokens = ops.layer_norm(encoded.tokens, **self._params["backbone"]["norm"], eps=self.config.layer_norm_eps)
            pooled = None
            if "pooler" in self._params:
                first = ops.token(tokens, 0)
                pooled = ops.to_numpy(ops.linear(first, **self._params["pooler"], activation=self.config.pooler_act))
            maps = None
            if self.config.is_hybrid:
                maps = tuple(ops.to_numpy(ops.channels_first(x)) for x in encoded.taps[:2])
            return ops.to_numpy(tokens), pooled, maps

        (tokens, pooled, maps), asked = self._run(forward, output_hidden_states, output_attentions)
        return EncoderOutput(last_hidden_state=tokens, pooler_output=pooled, intermediate_activations=maps, **asked)


class DepthEstimation(DensePrediction):
    """What the depth models share: the call. Subclasses say how a head makes depth of what is fused."""

    @classmethod
    def tensors(cls, config: DecoderConfig) -> list[Tensor]:
        return cls.neck_tensors(config) + heads.depth_tensors(config)

    def __call__(
        self, pixel_values: Any, *, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> DepthOutput:
        """pixel_values: (N, C, H, W), H and W multiples of the patch size -> predicted_depth (N, H', W')

        DPT: H' = 32 ceil(H / 2 patch) with the usual factors, the input's size where the token grid is even.
        Depth Anything: the input's size.   kind: "relative_inverse", from 0, or "metric", in metres
        """

        def forward() -> np.ndarray:
            encoded = self._encode(self._pixels(pixel_values))
            depth = self._depth(self._fused(encoded)[self.config.head_in_index], encoded.grid)
            return ops.to_numpy(note("predicted_depth", depth))

        depth, asked = self._run(forward, output_hidden_states, output_attentions)
        return DepthOutput(predicted_depth=depth, kind=self.config.kind, **asked)

    @abstractmethod
    def _depth(self, fused: Array, grid: tuple[int, int]) -> Array:
        """fused: (N, H, W, F)   grid: the encoder's, (H, W)   -> (N, H', W')"""


class DPTForDepthEstimation(DepthEstimation):
    """One number per pixel.   [transformers: DPTForDepthEstimation]"""

    architecture = "DPTForDepthEstimation"
    config_class = DPTConfig

    @classmethod
    def disk_names(cls, config: DPTConfig) -> Mapping[str, str]:
        return cls.neck_names(config) | DPT_HEAD_NAMES

    def _depth(self, fused: Array, grid: tuple[int, int]) -> Array:
        depth = heads.depth_head(fused, self._params["head"])
        if self.config.depth_scale is None:
            return depth
        return ops.inverse_depth(depth, self.config.depth_scale, self.config.depth_shift)


class DPTForSemanticSegmentation(DensePrediction):
    """A score for every class at every pixel.   [transformers: DPTForSemanticSegmentation]"""

    architecture = "DPTForSemanticSegmentation"
    config_class = DPTConfig

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> Self:
        """As every model's; of a folder like dpt-mini, whose own head is for depth, with the head in segmentation/."""
        return super().from_pretrained(checkpoints.with_head(name, "segmentation"), **options)

    @classmethod
    def tensors(cls, config: DPTConfig) -> list[Tensor]:
        return cls.neck_tensors(config) + heads.segmentation_tensors(config)

    @classmethod
    def disk_names(cls, config: DPTConfig) -> Mapping[str, str]:
        return cls.neck_names(config) | DPT_HEAD_NAMES

    def __call__(
        self,
        pixel_values: Any,
        labels: Any = None,
        *,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SegmentationOutput:
        """pixel_values: (N, C, H, W) -> logits (N, num_labels, H', W')

        labels: (N, H, W) class numbers; then `loss` is the cross entropy, the auxiliary head's added with its weight.
        """

        def forward() -> tuple:
            fused = self._fused(self._encode(self._pixels(pixel_values)))
            logits = heads.segmentation_head(fused[self.config.head_in_index], self._params["head"])
            logits = ops.to_numpy(ops.channels_first(note("logits", logits)))
            if labels is None or not self.config.use_auxiliary_head:
                return logits, None
            return logits, ops.to_numpy(heads.class_scores(fused[-1], self._params["auxiliary_head"], "auxiliary_head"))

        (logits, auxiliary), asked = self._run(forward, output_hidden_states, output_attentions)
        loss = None if labels is None else self._loss(logits, auxiliary, labels)
        return SegmentationOutput(logits=logits, loss=loss, **asked)

    def _loss(self, logits: np.ndarray, auxiliary: np.ndarray | None, labels: Any) -> float:
        if self.config.num_labels < 2:
            raise ValueError("a segmentation loss needs at least two classes")
        loss = cross_entropy(logits.transpose(0, 2, 3, 1), labels, self.config.semantic_loss_ignore_index)
        if auxiliary is not None:
            weight = self.config.auxiliary_loss_weight
            loss += weight * cross_entropy(auxiliary, labels, self.config.semantic_loss_ignore_index)
        return loss


class DepthAnythingForDepthEstimation(DepthEstimation):
    """One number per pixel, at the input's size.   [Depth Anything], [transformers: DepthAnythingForDepthEstimation]

    Relative: inverse depth from 0.   Metric: max_depth times a sigmoid, in metres.
    """

    architecture = "DepthAnythingForDepthEstimation"
    config_class = DepthAnythingConfig

    @classmethod
    def disk_names(cls, config: DepthAnythingConfig) -> Mapping[str, str]:
        return cls.neck_names(config) | DEPTH_ANYTHING_HEAD_NAMES

    def _depth(self, fused: Array, grid: tuple[int, int]) -> Array:
        size = (grid[0] * self.config.patch_size, grid[1] * self.config.patch_size)
        last = "sigmoid" if self.config.kind == "metric" else "relu"
        depth = heads.depth_head(fused, self._params["head"], size=size, activation=last)
        return ops.multiply(depth, self.config.max_depth)


class AutoModelForDepthEstimation:
    """The depth model that a checkpoint or a config asks for; not to be instantiated.   [transformers: same name]"""

    def __init__(self) -> None:
        raise TypeError("AutoModelForDepthEstimation is made by from_pretrained(name) or from_config(config)")

    @staticmethod
    def from_config(config: DecoderConfig, **options: Any) -> PreTrainedModel:
        """Random weights.   options: seed, backend, precision"""
        for model in DEPTH_MODELS:
            if type(config) is model.config_class:
                return model(config, **options)
        raise ConfigError(f"a depth model has a DPTConfig or a DepthAnythingConfig, not {type(config).__name__}")

    @staticmethod
    def from_pretrained(
        name: str | Path,
        *,
        config: DecoderConfig | None = None,
        revision: str | None = None,
        backend: str | Backend = "auto",
        precision: str = "highest",
    ) -> PreTrainedModel:
        """As `from_pretrained` of the class that the checkpoint holds. CheckpointError if that is no depth model."""
        opened = open_checkpoint(name, config=config, revision=revision)
        if opened.model not in DEPTH_MODELS:
            raise CheckpointError(f"{name}: holds a {opened.model.architecture}, which estimates no depth")
        return opened.model.from_opened(opened, backend, precision)


DEPTH_MODELS = (DPTForDepthEstimation, DepthAnythingForDepthEstimation)
