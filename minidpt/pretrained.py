"""The base of all models: config, weights and backend; from files and back; what every forward pass begins with."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from . import checkpoints, ops, params
from .backbones import Encoded, EncoderConfig, backbone_of
from .checkpoints import originals, quirks, transformers_names
from .checkpoints.config_files import PretrainedConfig
from .checkpoints.licences import say_licence
from .checkpoints.originals import Original
from .config import MODEL_CONFIGS, DPTConfig, read_config
from .errors import CheckpointError, ConfigError
from .ops import Backend
from .ops.layout import whole_patches
from .outputs import Output
from .params import Named, Tensor
from .recording import Tape, note, record

Array = Any
SIZES_KEPT = 8  # picture sizes whose position embeddings stay in memory
MODELS: dict[str, type["PreTrainedModel"]] = {}  # every class that a checkpoint can hold, by transformers' name


class PreTrainedModel(ABC):
    """Config, weights and backend of a model; subclasses say which tensors it has and what it computes."""

    config: Any
    config_class: ClassVar[type[PretrainedConfig]]
    architecture: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "architecture" in vars(cls):
            MODELS[cls.architecture] = cls

    def __init__(self, config: Any, *, seed: int = 0, backend: str | Backend = "auto", precision: str = "highest"):
        """Random weights from `seed`, scaled as at the start of a training."""
        if not isinstance(config, self.config_class):
            expected = self.config_class.__name__
            raise ConfigError(f"{type(self).__name__} expects a {expected}, not {type(config).__name__}")
        named = params.random(
            self.tensors(config), np.random.default_rng(seed), getattr(config, "initializer_range", 0.02)
        )
        self._take(config, named, backend, precision)

    @classmethod
    def from_weights(
        cls, config: Any, named: Named, backend: str | Backend = "auto", precision: str = "highest"
    ) -> Self:
        """A model around float32 arrays by the names of `tensors(config)`; nothing is copied.

        Where `named` is a file's and the backend has its own copies, the arrays are read one by one and stay on disk.
        """
        model = object.__new__(cls)
        model._take(config, named, backend, precision)
        return model

    def _take(self, config: Any, named: Named, backend: str | Backend, precision: str) -> None:
        self.config = config
        self._backend, self.precision = ops.choose(backend, precision)
        stays_on_disk = self._backend.copies or not isinstance(named, checkpoints.OnDisk)
        self.weights: Named = named if stays_on_disk else dict(named)
        read = self.weights.mapped() if isinstance(self.weights, checkpoints.OnDisk) else self.weights
        self._params = params.nest(params.prepared(self.table, read, self._backend.prepare))
        self._sized: dict[tuple[int, int], dict[str, Array]] = {}

    @classmethod
    @abstractmethod
    def tensors(cls, config: Any) -> list[Tensor]:
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
        config: Any = None,
        revision: str | None = None,
        backend: str | Backend = "auto",
        precision: str = "highest",
    ) -> Self:
        """Load "dpt-mini", a transformers folder, a weights file or a Hub id, strictly.

        Checkpoints under their authors' own names are translated and know their config. [checkpoints.originals]
        config: needed only for a lone weights file in transformers' format with no config.json beside it.
        CheckpointError, ConfigError or HubError say in one line what does not fit.
        """
        return cls.from_opened(open_checkpoint(name, config=config, revision=revision), backend, precision)

    @classmethod
    def from_opened(cls, opened: "Opened", backend: str | Backend = "auto", precision: str = "highest") -> Self:
        """`from_pretrained` for a checkpoint that is already opened."""
        return cls.from_weights(opened.config, cls.on_disk(opened), backend, precision)

    @classmethod
    def on_disk(cls, opened: "Opened") -> checkpoints.OnDisk:
        """The opened checkpoint's tensors, checked against the table and unread."""
        return cls._load(opened.found, opened.config, opened.source.name)

    @classmethod
    def _load(cls, found: Mapping[str, checkpoints.Entry], config: Any, source: str) -> checkpoints.OnDisk:
        there = model_class(config, found)
        if there is not cls:
            raise CheckpointError(f"{source}: holds a {there.architecture}, not a {cls.architecture}")
        return checkpoints.load(found, cls.tensors(config), cls.disk_name(config), source)

    @classmethod
    @abstractmethod
    def disk_names(cls, config: Any) -> Mapping[str, str]:
        """The names of `tensors`, without .weight and the like, `*` for a number -> those in transformers' files."""

    @classmethod
    def disk_name(cls, config: Any) -> Callable[[str], str]:
        """The function from a tensor's name in memory to its name in a transformers file."""
        return partial(transformers_names.disk_name, stems=cls.disk_names(config))

    def save_pretrained(self, folder: str | Path, *, dtype: str = "float32") -> None:
        """Write config.json and model.safetensors as transformers reads them; dtype float32 | float16 | bfloat16."""
        config_json = self.config.to_json(architectures=[self.architecture], dtype=dtype)
        checkpoints.save(Path(folder), self.weights, self.disk_name(self.config), config_json, dtype)

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
        encoder, (n, channels, height, width) = self.encoder, pixels.shape
        multiple = encoder.size_multiple
        if n < 1 or channels != encoder.num_channels or not whole_patches(height, width, multiple):
            raise ValueError(
                f"pixel_values must be (N, {encoder.num_channels}, H, W) with H and W multiples of {multiple}, "
                f"not {pixels.shape}"
            )
        return note("pixel_values", ops.channels_last(ops.from_numpy(pixels)))

    @property
    def encoder(self) -> EncoderConfig:
        """The config of the encoder: a backbone's, or the model's own where DPT's plain or hybrid ViT encodes."""
        return getattr(self.config, "encoder", self.config)

    def _encode(self, pixels: Array) -> Encoded:
        backbone, size = backbone_of(self.encoder), ops.map_size(pixels)
        if size not in self._sized:
            while len(self._sized) >= SIZES_KEPT:
                self._sized.pop(next(iter(self._sized)))  # the oldest
            self._sized[size] = _inside(backbone.sized(self.weights, self.encoder, size))
        encoded = backbone.encode(pixels, self._params["backbone"], self._sized[size], self.encoder)
        for level, tap in enumerate(encoded.taps):
            note(f"taps.{level}", tap)
        return encoded

    def _run(self, forward: Callable[[], Any], hidden_states: bool, attentions: bool) -> tuple[Any, dict]:
        """Run `forward` in the backend, with the tapes that the caller's flags ask for."""
        asked: dict[str, Tape] = {}
        with ExitStack() as stack:
            stack.enter_context(ops.using(self._backend))
            if hidden_states:
                asked["hidden_states"] = stack.enter_context(record(*backbone_of(self.encoder).states(self.encoder)))
            if attentions:
                names = backbone_of(self.encoder).attentions(self.encoder)
                asked["attentions"] = stack.enter_context(record(*names or ("no attention",)))
            result = forward()
        states = {name: tuple(tape.values()) for name, tape in asked.items()}
        if hidden_states:
            states["hidden_states"] = tuple(
                x.transpose(0, 3, 1, 2) if getattr(x, "ndim", 3) == 4 else x for x in states["hidden_states"]
            )
        return result, states


def _inside(sized: Any) -> Any:
    """Arrays in dicts and lists -> the same in the backend."""
    if isinstance(sized, dict):
        return {name: _inside(x) for name, x in sized.items()}
    return [_inside(x) for x in sized] if isinstance(sized, list) else ops.from_numpy(sized)


def model_class(config: Any, names: Any = ()) -> type[PreTrainedModel]:
    """The class for a checkpoint: what its config says, else what its tensors' names show."""
    said = config.extra.get("architectures")
    for architecture in said if isinstance(said, list) else ():
        if architecture in MODELS:
            return MODELS[architecture]
    if type(config) is not DPTConfig:  # one class for each other kind of config
        return next(model for model in MODELS.values() if model.config_class is type(config))
    names = set(names)
    if "head.head.1.running_mean" in names:
        return MODELS["DPTForSemanticSegmentation"]
    return MODELS["DPTForDepthEstimation" if any(name.startswith("head.") for name in names) else "DPTModel"]


@dataclass(frozen=True)
class Opened:
    """A checkpoint whose weights are not read yet.

    found: its tensors by transformers' names on disk   original: what was translated, if it had other names
    """

    source: checkpoints.Source
    config: Any
    found: Mapping[str, checkpoints.Entry]
    original: Original | None = None

    @property
    def model(self) -> type[PreTrainedModel]:
        """The class that it holds."""
        return model_class(self.config, self.found)


def open_checkpoint(
    name: str | Path,
    *,
    config: Any = None,
    revision: str | None = None,
    encoder: str | Path | None = None,
    kind: str | None = None,
    max_depth: float | None = None,
) -> Opened:
    """Locate a model, read its config (unless given) and its files' headers.   Errors as `from_pretrained`'s

    A checkpoint under its authors' own names is translated, its config told from names and shapes. Of those only:
    encoder: the file of the encoder where it is another one   kind, max_depth: what no weights tell (originals.Hints)
    """
    say_licence(name)
    source = checkpoints.locate(name, revision=revision)
    beside = originals.encoder_file(source.weights[0].name)
    if encoder is not None:
        source = replace(source, weights=(*source.weights, *checkpoints.locate(encoder).weights))
    elif beside and (path := source.weights[0].with_name(beside)).is_file():
        source = replace(source, weights=(*source.weights, path))
    found = checkpoints.contents(source)
    hints = originals.Hints(source.weights[0].name, kind, max_depth)
    original = originals.recognise(found, source.name, hints)
    if original is not None:
        if config is None:
            try:
                config = MODEL_CONFIGS[original.config["model_type"]].from_dict(original.config)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        return Opened(source, config, original.found, original)
    if encoder is not None or kind is not None or max_depth is not None:
        raise ConfigError(f"{name}: is no original checkpoint; --as, --max-depth and --backbone are for those alone")
    if config is None:
        if source.config is None:
            raise CheckpointError(f"{name}: {originals.foreign(found)}")
        config = read_config(source.config, quirks.amend)
    return Opened(source, config, found)


def original_processor(name: str | Path, revision: str | None = None) -> dict[str, Any] | None:
    """The preprocessing that belongs to a checkpoint under its authors' names; None for any other."""
    original = open_checkpoint(name, revision=revision).original
    return None if original is None else original.processor
