"""What is verified: a model on an input, and every stage that minidpt computes of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..auto_backbone import MODEL_OF
from ..backbones import native_size
from ..checkpoints import PROCESSOR, locate_file
from ..errors import ConfigError
from ..images import embedded_picture, load_image
from ..model import Opened, PreTrainedModel, open_checkpoint
from ..ops.layout import whole_patches
from ..presets import preset
from ..processing import DPTImageProcessor
from ..recording import Tape, record
from .comparison import ALLOWED, MANY_ZEROS, Reference, Report, bound_in_words, clipped, compare, uncovered

SEED = 0  # of random pixels
NAMES_SHOWN = 12


@dataclass(frozen=True)
class Subject:
    """A loaded model and its input.   pixel_values: (N, C, H, W)   origin: where they come from, in words"""

    name: str
    opened: Opened
    model: PreTrainedModel
    pixel_values: np.ndarray
    origin: str

    def described(self) -> str:
        """The input in a line."""
        return f"{' x '.join(map(str, self.pixel_values.shape))}, {self.origin}"

    def tape(self) -> Tape:
        """Run the model; every stage by name."""
        with record() as tape:
            self.model(self.pixel_values)
        return tape


def load(
    name: str, *, revision: str | None = None, backend: str = "auto", precision: str = "highest"
) -> tuple[Opened, PreTrainedModel]:
    """Open and load whatever a checkpoint holds: a whole model or a backbone alone. Errors as `from_pretrained`'s."""
    opened = open_checkpoint(name, revision=revision)
    kind = MODEL_OF.get(type(opened.config), None) or opened.model
    return opened, kind.from_opened(opened, backend, precision)


def picture_pixels(
    name: str, model: PreTrainedModel, image: str | None, *, revision: str | None = None
) -> tuple[np.ndarray, str]:
    """(pixel_values, where they come from): a picture, the embedded one if None, through the model's own processor.

    A model without one, as backbones are published, gets the processor's defaults at the model's own size.
    """
    if has_recipe(name, revision):
        processor, own = DPTImageProcessor.from_pretrained(name, revision=revision), "the model's own processor"
    else:
        multiple = model.encoder.size_multiple
        height, width = (max(side // multiple, 1) * multiple for side in native_size(model.encoder))
        processor = DPTImageProcessor(size={"height": height, "width": width})
        own = "a default processor (the model has none)"
    picture = image or str(embedded_picture())
    return processor(load_image(picture))["pixel_values"], f"{Path(picture).name} through {own}"


def has_recipe(name: str, revision: str | None = None) -> bool:
    """Whether a model says how its pictures are made."""
    if revision is None and not Path(name).exists() and preset(name) is not None:
        return True
    try:
        locate_file(name, PROCESSOR, revision=revision)
    except FileNotFoundError:
        return False
    return True


def random_pixels(model: PreTrainedModel, size: tuple[int, int]) -> tuple[np.ndarray, str]:
    """(pixel_values, where they come from): normal random numbers of one picture.   size: (H, W)"""
    shape = (1, model.encoder.num_channels, *size)
    return np.random.default_rng(SEED).standard_normal(shape).astype(np.float32), f"random, seed {SEED}"


def subject(
    name: str,
    loaded: tuple[Opened, PreTrainedModel],
    *,
    image: str | None = None,
    size: tuple[int, int] | None = None,
    pixel_values: np.ndarray | None = None,
    revision: str | None = None,
) -> Subject:
    """What `load` gave and its input: a picture (default: the embedded one), random pixels or given ones."""
    opened, model = loaded
    if pixel_values is not None:
        pixels, origin = pixel_values, "recorded"
    elif size is not None:
        pixels, origin = random_pixels(model, size)
    else:
        pixels, origin = picture_pixels(name, model, image, revision=revision)
    encoder, (_, channels, height, width) = model.encoder, pixels.shape
    if channels != encoder.num_channels or not whole_patches(height, width, encoder.size_multiple):
        raise ConfigError(
            f"{name}: the input must have {encoder.num_channels} channels and sides that are multiples of "
            f"{encoder.size_multiple}, not {channels} x {height} x {width}; choose it with --size"
        )
    return Subject(name, opened, model, pixels, origin)


def hold(subject: Subject, tape: Tape, reference: Reference) -> Report:
    """The model's stages against a reference, as a report."""
    allowed = ALLOWED[subject.model.precision]
    rows, bound = compare(tape, reference.stages, allowed), bound_in_words(allowed)
    return Report(subject.name, reference.about, subject.described(), rows, bound, notes(tape, reference))


def notes(tape: Tape, reference: Reference) -> list[str]:
    """What the reader of a report must know beside its numbers."""
    said = list(reference.notes)
    stages = reference.stages
    steps = {e.step for e in stages.values()}
    if steps != {1}:
        said.append(f"the reference holds every {max(steps)}th value of a stage; the others are not compared")
    names = uncovered(tape, stages)
    if names:
        listed = ", ".join(names[:NAMES_SHOWN]) + ", ..." * (len(names) > NAMES_SHOWN)
        said.append(f"not compared, as the reference has no such module: {listed}")
    zeros = clipped(stages)
    if zeros > MANY_ZEROS:
        said.append(f"{zeros:.0%} of the last stage is exactly 0: its final ReLU clips, and hides errors there")
    return said
