"""What is run: a model in a folder that every engine loads, and its input. Weights are random where none are here.

Random weights are lively: no zero biases, no unit norms, and the last ReLU clips nothing, so that an engine which drops
or confuses something answers wrongly, and its error shows beside its speed.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..backbones import input_size
from ..checkpoints import cache
from ..errors import ConfigError, MiniDPTError
from ..model import MODELS, PreTrainedModel, open_checkpoint
from ..params import Tensor
from ..presets import EMBEDDED, full_name, preset
from ..processing import DPTImageProcessor

SEED = 0
LAST_BIAS = "head.conv3.bias"
FAR_ABOVE_ZERO = 2.0**16  # a last bias with which no depth is negative before the ReLU
PIXELS = "pixels.npy"


@dataclass(frozen=True)
class Workload:
    """A model and its input.   pixel_values: (N, C, H, W) float32, random   weights: where they come from, in words"""

    name: str
    model: PreTrainedModel
    pixel_values: np.ndarray
    weights: str

    def write(self, folder: Path) -> Path:
        """Write what every engine loads: the model in transformers' format, its processor, its pixels. -> folder"""
        self.model.save_pretrained(folder)
        np.save(folder / PIXELS, self.pixel_values)
        height, width = self.pixel_values.shape[2:]
        # every photo is squeezed to the input's size: an exported graph takes no other
        recipe = {**((preset(self.name) or {}).get("processor") or {}), "keep_aspect_ratio": False}
        DPTImageProcessor(**{**recipe, "size": {"height": height, "width": width}}).save_pretrained(folder)
        return folder


def workload(
    name: str,
    *,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    backend: str = "auto",
    precision: str = "highest",
) -> Workload:
    """The model of that name, with random weights of its shapes where it is published and not on this machine.

    name: as `from_pretrained` takes it   size: (H, W), the config's own if None
    """
    chosen: dict[str, Any] = {"backend": backend, "precision": precision}
    if is_here(name):
        opened = open_checkpoint(name)
        model, weights = opened.model.from_opened(opened, **chosen), "its weights"
    else:
        model, weights = shaped_as(full_name(name), size, **chosen), "random weights of its shapes"
    return Workload(full_name(name), model, random_pixels(model, size, batch), weights)


def is_here(name: str) -> bool:
    """Whether a model can be loaded without asking the network; only of a published one it may be otherwise."""
    if name in EMBEDDED or Path(name).exists() or preset(name) is None:
        return True
    try:
        cache.cached(name)
    except MiniDPTError:
        return False
    return True


def shaped_as(name: str, size: tuple[int, int] | None = None, **options: Any) -> PreTrainedModel:
    """A published model's shapes with lively random weights.   options: backend, precision"""
    row = preset(name)
    if row is None or row["architecture"] not in MODELS:
        raise ConfigError(f"{name}: is no published model of which minidpt knows the shapes")
    kind = MODELS[row["architecture"]]
    config = kind.config_class.from_dict(row["config"])
    return with_random_weights(kind, config, size, **options)


def with_random_weights(
    kind: type[PreTrainedModel], config: Any, size: tuple[int, int] | None = None, **options: Any
) -> PreTrainedModel:
    """A model of that class and config with lively weights."""
    rng = np.random.default_rng(SEED)
    named = {t.name: lively(t, rng) for t in kind.tensors(config)}
    if LAST_BIAS in named and config.kind == "relative_inverse":
        named[LAST_BIAS] = np.full_like(named[LAST_BIAS], FAR_ABOVE_ZERO)
        model = kind.from_weights(config, named, options.get("backend", "auto"))
        depth: Any = model(random_pixels(model, size, 1))
        above = depth.predicted_depth - FAR_ABOVE_ZERO
        named[LAST_BIAS] = np.full_like(named[LAST_BIAS], above.std() - above.min())
    return kind.from_weights(config, named, **options)


def lively(t: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Weights that keep their inputs' size; biases, shifts and gains that are not the neutral ones. float32"""
    normal = rng.standard_normal(t.shape, np.float32)
    if t.kind in ("linear", "conv", "standardized_conv"):
        return normal * np.float32(prod(t.shape[1:]) ** -0.5)
    if t.kind == "conv_transpose":
        return normal * np.float32(t.shape[0] ** -0.5)
    if t.kind == "variance":
        return rng.uniform(0.5, 1.5, t.shape).astype(np.float32)
    return normal * np.float32(0.2) + np.float32(t.kind == "scale")


def random_pixels(model: PreTrainedModel, size: tuple[int, int] | None, batch: int) -> np.ndarray:
    """(N, C, H, W) float32, standard normal.   size: (H, W), the config's own if None"""
    shape = (batch, model.encoder.num_channels, *input_size(model.encoder, size))
    return np.random.default_rng(SEED).standard_normal(shape, np.float32)
