"""From a picture to a result in one call, with the keys that transformers' pipelines use."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .errors import ConfigError
from .images import ImageSource, load_image
from .ops.layout import whole_patches
from .render import is_flat

TASKS = ("depth-estimation", "image-segmentation")


@dataclass(frozen=True)
class Pipeline:
    """Processor, model and post-processing of one task; call it on a picture, or on a list for a list of results."""

    task: str
    model: Any
    image_processor: Any

    def __call__(self, images: ImageSource | list[Any] | tuple[Any, ...]) -> Any:
        """images: whatever `load_image` reads, one or a list. Raises ImageError.

        depth-estimation: {"predicted_depth": (H, W) float32, "depth": PIL image, mode L, "kind": ...}, picture-sized.
        "depth" is 255 (d - min) / (max - min), as in transformers, for both kinds ("relative_inverse" or "metric").
        image-segmentation: [{"score": None, "label": name, "mask": PIL image, mode L, 255 inside}], classes that occur.
        """
        if isinstance(images, list | tuple):
            return [self(image) for image in images]
        picture = load_image(images)
        return self._depth(picture) if self.task == "depth-estimation" else self._segments(picture)

    def _depth(self, picture: np.ndarray) -> dict[str, Any]:
        depth, kind, _ = estimate_depth(self.model, self.image_processor, picture)
        return {"predicted_depth": depth, "depth": Image.fromarray(to_uint8(depth)), "kind": kind}

    def _segments(self, picture: np.ndarray) -> list[dict[str, Any]]:
        labels, _ = segment(self.model, self.image_processor, picture)
        names = self.model.config.id2label
        return [
            {
                "score": None,
                "label": names.get(label, f"class {label}"),
                "mask": Image.fromarray((labels == label).astype(np.uint8) * np.uint8(255)),
            }
            for label in np.unique(labels).tolist()
        ]


def pipeline(
    task: str,
    model: str | os.PathLike[str] | Any = None,
    *,
    image_processor: Any = None,
    backend: str = "auto",
    precision: str = "highest",
) -> Pipeline:
    """Load what a task needs and return it as a callable.

    task: "depth-estimation" or "image-segmentation".
    model: a folder, a file, a hub id (default: dpt-mini, which is small, for either task), or a model object,
    which needs `image_processor` beside it and keeps its own backend and precision. Raises ValueError for an unknown
    task or a missing processor; CheckpointError, ConfigError, HubError from loading.
    """
    from . import AutoModelForDepthEstimation, DPTForSemanticSegmentation, DPTImageProcessor

    if task not in TASKS:
        raise ValueError(f"expected task to be one of {', '.join(TASKS)}, got {task!r}")
    model = "dpt-mini" if model is None else model
    if not isinstance(model, str | os.PathLike):
        if image_processor is None:
            raise ValueError("expected image_processor beside a model object, e.g. image_processor=DPTImageProcessor()")
        return Pipeline(task, model, image_processor)
    loader = AutoModelForDepthEstimation if task == "depth-estimation" else DPTForSemanticSegmentation
    loaded = loader.from_pretrained(model, backend=backend, precision=precision)
    return Pipeline(task, loaded, image_processor or DPTImageProcessor.from_pretrained(model))


def estimate_depth(model: Any, image_processor: Any, picture: np.ndarray) -> tuple[np.ndarray, str, tuple[int, int]]:
    """picture (H, W, 3) uint8 -> depth (H, W) float32 at the picture's size, its kind, the network's input (h, w)."""
    pixel_values = network_input(model, image_processor, picture)
    output = model(pixel_values)
    resized = image_processor.post_process_depth_estimation(output, target_sizes=[picture.shape[:2]])
    return np.asarray(resized[0]["predicted_depth"], np.float32), output.kind, pixel_values.shape[-2:]


def segment(model: Any, image_processor: Any, picture: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """picture (H, W, 3) uint8 -> labels (H, W) integers at the picture's size, the network's input size (h, w)."""
    pixel_values = network_input(model, image_processor, picture)
    labels = image_processor.post_process_semantic_segmentation(model(pixel_values), target_sizes=[picture.shape[:2]])
    return np.asarray(labels[0]), pixel_values.shape[-2:]


def network_input(model: Any, image_processor: Any, picture: np.ndarray) -> np.ndarray:
    """picture (H, W, 3) -> pixel_values (1, 3, h, w). ConfigError where processor and model do not fit each other."""
    pixel_values = image_processor(picture)["pixel_values"]
    height, width = pixel_values.shape[-2:]
    patch = model.config.input_multiple
    if not whole_patches(height, width, patch):
        raise ConfigError(
            f"preprocessor_config.json makes {height} x {width} pixels of this picture, but the model needs multiples "
            f"of {patch}: set ensure_multiple_of to {patch}"
        )
    return pixel_values


def to_uint8(depth: np.ndarray) -> np.ndarray:
    """255 (d - min) / (max - min), truncated; zeros when constant, 0 where not finite.   (H, W) float32 -> (H, W) uint8

    The steps stay in the map's own precision, so that the result equals that of transformers to the bit.
    """
    finite = np.isfinite(depth)
    values = np.where(finite, depth, 0)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = values[finite].min(), values[finite].max()
    if is_flat(float(low), float(high)):
        return np.zeros(values.shape, np.uint8)
    if float(high) - float(low) > float(np.finfo(np.float32).max):
        values, low, high = values.astype(np.float64), float(low), float(high)
    return np.where(finite, (np.clip(values, low, high) - low) / (high - low) * 255, 0).astype(np.uint8)
