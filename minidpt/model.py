"""The models: encoder, reassemble, fusion and a head wired together, with config, weights and backend.

DPTModel                      encoder only: tokens and pooled class token
DPTForDepthEstimation         picture -> depth
DPTForSemanticSegmentation    picture -> class scores
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from . import checkpoints, heads, ops, params, reassemble
from . import fusion as fusion_stage
from .backbones import Encoded, backbone_of
from .config import DPTConfig
from .errors import CheckpointError, ConfigError
from .losses import cross_entropy
from .ops import Backend
from .ops.layout import whole_patches
from .outputs import DepthOutput, EncoderOutput, Output, SegmentationOutput
from .params import Named, Tensor
from .recording import Tape, note, record

Array = Any
SIZES_KEPT = 8  # picture sizes whose position embeddings stay in memory


class PreTrainedModel(ABC):
    """Config, weights and backend of a model; subclasses say which tensors it has and what it computes."""

    config: DPTConfig
    architecture: ClassVar[str]

    def __init__(
        self, config: DPTConfig, *, seed: int = 0, backend: str | Backend = "auto", precision: str = "highest"
    ):
        """Random weights from `seed`, scaled as at the start of a training."""
        if not isinstance(config, DPTConfig):
            raise ConfigError(f"{type(self).__name__} expects a DPTConfig, not {type(config).__name__}")
        named = params.random(self.tensors(config), np.random.default_rng(seed), config.initializer_range)
        self._take(config, named, backend, precision)

    @classmethod
    def from_weights(
        cls, config: DPTConfig, named: Named, backend: str | Backend = "auto", precision: str = "highest"
    ) -> Self:
        """A model around weights in memory, float32 arrays by the names of `tensors(config)`; nothing is copied."""
        model = object.__new__(cls)
        model._take(config, named, backend, precision)
        return model

    def _take(self, config: DPTConfig, named: Named, backend: str | Backend, precision: str) -> None:
        self.config = config
        self.weights = named
        self._backend, self.precision = ops.choose(backend, precision)
        self._params = params.nest(params.prepared(self.table, named, self._backend.prepare))
        self._sized: dict[tuple[int, int], dict[str, Array]] = {}

    @classmethod
    @abstractmethod
    def tensors(cls, config: DPTConfig) -> list[Tensor]:
        """The table of all tensors that a model of this config can have."""

    @abstractmethod
    def __call__(self, pixel_values: Any) -> Output:
        """The forward pass.   pixel_values: (N, C, H, W), H and W multiples of the patch size"""

    @property
    def table(self) -> list[Tensor]:
        """The table of the tensors that this model has."""
        return [t for t in self.tensors(self.config) if t.name in self.weights]

    @property
    def backend(self) -> str:
        """The backend that computes; `precision` is the precision that really runs."""
        return self._backend.name

    @property
    def num_parameters(self) -> int:
        return params.count(self.table)

    def to(self, backend: str | Backend | None = None, precision: str | None = None) -> Self:
        """The same weights on another backend or at another precision, as a new model."""
        return self.from_weights(self.config, self.weights, backend or self._backend, precision or self.precision)

    # ---- files

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        config: DPTConfig | None = None,
        revision: str | None = None,
        backend: str | Backend = "auto",
        precision: str = "highest",
    ) -> Self:
        """Load "dpt-mini", a transformers folder, a .safetensors file or a Hub id, strictly.

        config: needed only for a lone weights file with no config.json beside it.
        CheckpointError, ConfigError or HubError say in one line what does not fit.
        """
        return cls.from_opened(open_checkpoint(name, config=config, revision=revision), backend, precision)

    @classmethod
    def from_opened(cls, opened: "Opened", backend: str | Backend = "auto", precision: str = "highest") -> Self:
        """`from_pretrained` for a checkpoint that is already opened."""
        named = cls._load(opened.found, opened.config, opened.source.name)
        return cls.from_weights(opened.config, named, backend, precision)

    @classmethod
    def _load(cls, found: dict[str, checkpoints.Entry], config: DPTConfig, source: str) -> Named:
        there = model_class(config, found)
        if there is not cls:
            raise CheckpointError(f"{source}: holds a {there.architecture}, not a {cls.architecture}")
        return checkpoints.load(found, cls.tensors(config), cls._disk_name, source)

    _disk_name: Callable[[str], str] = staticmethod(checkpoints.disk_name)

    def save_pretrained(self, folder: str | Path, *, dtype: str = "float32") -> None:
        """Write config.json and model.safetensors as transformers reads them; dtype float32 | float16 | bfloat16."""
        config_json = self.config.to_json(architectures=[self.architecture], dtype=dtype)
        checkpoints.save(Path(folder), self.weights, self._disk_name, config_json, dtype)

    # ---- the forward pass

    def _pixels(self, pixel_values: Any) -> Array:
        """Check (N, C, H, W) pictures and bring them inside: (N, H, W, C) in the backend."""
        try:
            pixels = np.asarray(pixel_values)
        except ValueError:  # a list of pictures of several sizes
            pixels = np.empty(len(pixel_values), object)
        if pixels.ndim != 4 or pixels.dtype.kind not in "fiu":
            raise ValueError(
                f"pixel_values must be numbers of shape (N, C, H, W), not {pixels.dtype} {pixels.shape}; "
                "pictures of several sizes go one by one"
            )
        patch, (n, channels, height, width) = self.config.patch_size, pixels.shape
        if n < 1 or channels != self.config.num_channels or not whole_patches(height, width, patch):
            raise ValueError(
                f"pixel_values must be (N, {self.config.num_channels}, H, W) with H and W multiples of {patch}, "
                f"not {pixels.shape}"
            )
        return note("pixel_values", ops.channels_last(ops.from_numpy(pixels)))

    def _encode(self, pixels: Array) -> Encoded:
        backbone, size = backbone_of(self.config), ops.map_size(pixels)
        if size not in self._sized:
            while len(self._sized) >= SIZES_KEPT:
                self._sized.pop(next(iter(self._sized)))  # the oldest
            arrays = backbone.sized(self.weights, self.config, size)
            self._sized[size] = {name: ops.from_numpy(x) for name, x in arrays.items()}
        return backbone.encode(pixels, self._params["backbone"], self._sized[size], self.config)

    def _fused(self, encoded: Encoded) -> list[Array]:
        maps = reassemble.reassemble(encoded.taps, self._params["reassemble"], encoded.grid, self.config)
        return fusion_stage.fuse(maps, self._params, self.config)

    def _run(self, forward: Callable[[], Any], hidden_states: bool, attentions: bool) -> tuple[Any, dict]:
        """Run `forward` in the backend, with the tapes that the caller's flags ask for."""
        asked: dict[str, Tape] = {}
        with ExitStack() as stack:
            stack.enter_context(ops.using(self._backend))
            if hidden_states:
                names = [f"blocks.{i}" for i in range(self.config.num_hidden_layers)]
                asked["hidden_states"] = stack.enter_context(record("embeddings", *names))
            if attentions:
                asked["attentions"] = stack.enter_context(record("blocks.*.attention.weights"))
            result = forward()
        return result, {name: tuple(tape.values()) for name, tape in asked.items()}


def neck_tensors(config: DPTConfig) -> list[Tensor]:
    """Encoder, reassemble and fusion: what both task models share."""
    return backbone_of(config).tensors(config) + reassemble.tensors(config) + fusion_stage.tensors(config)


class DPTModel(PreTrainedModel):
    """The encoder alone.   [transformers: DPTModel]"""

    architecture = "DPTModel"

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
    def _load(cls, found: dict[str, checkpoints.Entry], config: DPTConfig, source: str) -> Named:
        """From DPTModel's own file, or the encoder's part of a depth or segmentation checkpoint (no pooler then)."""
        if any(name.startswith("dpt.") for name in found):
            found = {name.removeprefix("dpt."): e for name, e in found.items() if name.startswith("dpt.")}
        table = cls.tensors(config)
        if "pooler.dense.weight" not in found:
            table = [t for t in table if not t.name.startswith("pooler.")]
        return checkpoints.load(found, table, cls._disk_name, source)

    _disk_name = staticmethod(lambda name: checkpoints.disk_name(name, encoder_only=True))

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


class DPTForDepthEstimation(PreTrainedModel):
    """One number per pixel.   [transformers: DPTForDepthEstimation]"""

    architecture = "DPTForDepthEstimation"

    @classmethod
    def tensors(cls, config: DPTConfig) -> list[Tensor]:
        return neck_tensors(config) + heads.depth_tensors(config)

    def __call__(
        self, pixel_values: Any, *, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> DepthOutput:
        """pixel_values: (N, C, H, W), H and W multiples of the patch size -> predicted_depth (N, H', W')

        H' = 32 ceil(H / 2 patch) with the usual factors: the input's size where the token grid is even.
        """

        def forward() -> np.ndarray:
            fused = self._fused(self._encode(self._pixels(pixel_values)))
            depth = heads.depth_head(fused[self.config.head_in_index], self._params["head"])
            return ops.to_numpy(note("predicted_depth", depth))

        depth, asked = self._run(forward, output_hidden_states, output_attentions)
        return DepthOutput(predicted_depth=depth, kind=self.config.kind, **asked)


class DPTForSemanticSegmentation(PreTrainedModel):
    """A score for every class at every pixel.   [transformers: DPTForSemanticSegmentation]"""

    architecture = "DPTForSemanticSegmentation"

    @classmethod
    def tensors(cls, config: DPTConfig) -> list[Tensor]:
        return neck_tensors(config) + heads.segmentation_tensors(config)

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


MODELS = {model.architecture: model for model in (DPTModel, DPTForDepthEstimation, DPTForSemanticSegmentation)}


def model_class(config: DPTConfig, names: Any = ()) -> type[PreTrainedModel]:
    """The class for a checkpoint: what its config says, else what its tensors' names show."""
    said = config.extra.get("architectures")
    for architecture in said if isinstance(said, list) else ():
        if architecture in MODELS:
            return MODELS[architecture]
    names = set(names)
    if "head.head.1.running_mean" in names:
        return DPTForSemanticSegmentation
    return DPTForDepthEstimation if any(name.startswith("head.") for name in names) else DPTModel


@dataclass(frozen=True)
class Opened:
    """A checkpoint whose weights are not read yet.   found: its tensors by their names on disk"""

    source: checkpoints.Source
    config: DPTConfig
    found: dict[str, checkpoints.Entry]

    @property
    def model(self) -> type[PreTrainedModel]:
        """The class that it holds."""
        return model_class(self.config, self.found)


def open_checkpoint(name: str | Path, *, config: DPTConfig | None = None, revision: str | None = None) -> Opened:
    """Locate a model, read its config (unless given) and its files' headers.   Errors as `from_pretrained`'s"""
    source = checkpoints.locate(name, revision=revision)
    if config is None:
        if source.config is None:
            raise CheckpointError(f"{name}: has no config.json beside it; pass config=DPTConfig(...)")
        config = DPTConfig.from_json(source.config)
    return Opened(source, config, checkpoints.contents(source))
