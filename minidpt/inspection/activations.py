"""What a photo becomes in every stage of the model, as small pictures, and how long each took."""

import time
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from ..config import DecoderConfig
from ..images import embedded_picture, load_image
from ..model import PreTrainedModel
from ..pipelines import network_input
from ..processing import DPTImageProcessor
from ..recording import Marks, listening, record
from .subject import Subject
from .thumbnails import photo_thumbnail, thumbnail


@dataclass(frozen=True)
class Activations:
    """pictures: by stage, `pixel_values` first, (h, w, 3) uint8   seconds: by stage, in one pass   backend: its name"""

    photo: str
    pictures: dict[str, np.ndarray]
    seconds: dict[str, float]
    backend: str


def activations(
    this: Subject, image: str | PathLike[str] | None, size: tuple[int, int] | None, revision: str | None
) -> tuple[Subject, Activations]:
    """Run the model on a photo (the embedded one if None).   -> the subject at the size that it saw, what came

    size: to which the photo is stretched instead of what the model's processor says.   Errors: ImageError, ConfigError
    """
    photo = load_image(str(embedded_picture()) if image is None else image)
    asked: dict[str, Any] = {}
    if size is not None:
        asked = {"size": {"height": size[0], "width": size[1]}, "do_resize": True, "keep_aspect_ratio": False}
    processor = DPTImageProcessor.from_pretrained(this.name, revision=revision, **asked)
    model: PreTrainedModel = this.model.from_pretrained(this.name, revision=revision)
    pixel_values = network_input(model, processor, photo)
    this = replace(this, size=pixel_values.shape[-2:])
    names = [stage.name for stage in this.passage.stages]
    with record(*names) as tape:
        model(pixel_values)
    with listening(Marks(time.perf_counter, {name: name for name in names}.get)) as marks:
        model(pixel_values)
    pictures = {"pixel_values": photo_thumbnail(photo, this.size)}
    for name in names:
        x = tape[name]
        grid = this.grid(x.shape[1]) if x.ndim == 3 and name != "predicted_depth" else x.shape[1:3]
        if grid is not None:
            pictures[name] = thumbnail(name, x, grid, getattr(this.config, "kind", "relative_inverse"))
    return this, Activations(photo_name(image), pictures, marks.spent, model.backend)


def can_take_photos(this: Subject) -> bool:
    """Whether the model says how its pictures are made: an encoder alone does not."""
    return isinstance(this.config, DecoderConfig)


def photo_name(image: str | PathLike[str] | None) -> str:
    """The file's name without its folder: a page tells of no home folder."""
    return "the embedded picture" if image is None else str(image).replace("\\", "/").rpartition("/")[2]
