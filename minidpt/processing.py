"""Picture -> pixel_values for the network; the network's output -> a result of the picture's size.

The recipe travels with the weights, in preprocessor_config.json. Its order is fixed:
resize (Pillow, 8 bits) -> rescale -> normalise -> pad with zeros -> channels first.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from .checkpoints import PROCESSOR as FILE_NAME
from .checkpoints import locate_file
from .errors import CheckpointError, ConfigError, ImageError
from .files import publish_bytes
from .images import MAX_PIXELS, load_image, load_label_map
from .postprocessing import BatchFeature, Size, class_maps, resize_depth
from .presets import preset
from .pretrained import original_processor
from .schema import read_json

MAX_SIDE = 65_535
LARGEST = 1e9  # any rescale factor, mean or std beyond it is a mistake
IGNORED_LABEL = 255
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}  # Pillow's codes

log = logging.getLogger(__name__)


def resized_size(height: int, width: int, size: Size, *, keep_aspect_ratio: bool, ensure_multiple_of: int) -> Size:
    """The height and width that a picture of height x width is resized to.   [transformers: DPTImageProcessor]

    scale = target / side on each axis; with keep_aspect_ratio the scale nearer to 1 serves both, the height's on a tie.
    side' = m round(scale side / m) with m = ensure_multiple_of, halves to even; at least m (transformers may give 0).
    """
    scale_height, scale_width = size[0] / height, size[1] / width
    if keep_aspect_ratio:
        if abs(1 - scale_width) < abs(1 - scale_height):
            scale_height = scale_width
        else:
            scale_width = scale_height
    m = ensure_multiple_of
    return max(round(scale_height * height / m) * m, m), max(round(scale_width * width / m) * m, m)


def reduce_labels(labels: np.ndarray) -> np.ndarray:
    """0 ("other") -> 255 (ignored), k -> k - 1, 255 stays.   [transformers: do_reduce_labels]"""
    return np.where((labels == 0) | (labels == IGNORED_LABEL), IGNORED_LABEL, labels - 1)


def pad_to_multiple(maps: np.ndarray, divisor: int) -> np.ndarray:
    """Zeros around the last two axes, up to multiples of divisor; an odd pixel goes below and to the right."""
    total = [-side % divisor for side in maps.shape[-2:]]
    return np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(t // 2, t - t // 2) for t in total])


# The fields: what a value must be, and what it becomes


def _expect(ok: bool, key: str, expected: str, value: Any) -> None:
    if not ok:
        raise ConfigError(f"{key}: expected {expected}, got {' '.join(repr(value).split())[:100]}")


def _boolean(key: str, value: Any) -> bool:
    _expect(isinstance(value, bool | np.bool_), key, "true or false", value)
    return bool(value)


def _integer(key: str, value: Any, low: int = 1, high: int = MAX_SIDE) -> int:
    ok = isinstance(value, int | np.integer) and not isinstance(value, bool)
    _expect(ok and low <= int(value) <= high, key, f"a whole number within {low}..{high}", value)
    return int(value)


def _number(key: str, value: Any) -> float:
    ok = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    _expect(ok and abs(value) < LARGEST, key, "a number", value)  # NaN fails the comparison too
    return float(value)


def _positive(key: str, value: Any) -> float:
    number = _number(key, value)
    _expect(number > 0, key, "a number above 0", value)
    return number


def _per_channel(number: Callable[[str, Any], float]) -> Callable[[str, Any], tuple[float, ...]]:
    def check(key: str, value: Any) -> tuple[float, ...]:
        if not isinstance(value, list | tuple | np.ndarray):
            value = [value] * 3
        _expect(len(value) == 3, key, "3 numbers, red green blue", value)
        return tuple(number(f"{key}[{i}]", v) for i, v in enumerate(value))

    return check


def _size(key: str, value: Any) -> dict[str, int]:
    if isinstance(value, list | tuple) and len(value) == 2:
        value = {"height": value[0], "width": value[1]}
    if not isinstance(value, dict):
        value = {"height": value, "width": value}
    known = ({"height", "width"}, {"shortest_edge"}, {"longest_edge"}, {"shortest_edge", "longest_edge"})
    _expect(set(value) in known, key, 'a whole number or {"height": h, "width": w}', value)
    return {side: _integer(f"{key}.{side}", number) for side, number in value.items()}


def _resample(key: str, value: Any) -> int:
    names = ", ".join(f"{code} {name}" for code, name in FILTERS.items())
    ok = isinstance(value, int) and not isinstance(value, bool) and value in FILTERS
    _expect(ok, key, f"a resize filter ({names})", value)
    return int(value)


FIELDS: dict[str, tuple[Any, Callable[[str, Any], Any]]] = {  # key: (default, check); None anywhere means the default
    "do_resize": (True, _boolean),
    "size": ({"height": 384, "width": 384}, _size),
    "resample": (3, _resample),
    "keep_aspect_ratio": (False, _boolean),
    "ensure_multiple_of": (1, _integer),
    "do_rescale": (True, _boolean),
    "rescale_factor": (1 / 255, _positive),
    "do_normalize": (True, _boolean),
    "image_mean": (0.5, _per_channel(_number)),
    "image_std": (0.5, _per_channel(_positive)),
    "do_pad": (False, _boolean),
    "size_divisor": (None, _integer),
    "do_reduce_labels": (False, _boolean),
    "do_convert_rgb": (None, _boolean),
}
OLD_NAMES = {"size_divisibility": "size_divisor"}
BOOKKEEPING = ("image_processor_type", "feature_extractor_type", "processor_class")  # names of classes, not settings


class DPTImageProcessor:
    """Pictures in, pixel_values out, as preprocessor_config.json says.   [transformers: DPTImageProcessor]

    Fields and defaults are transformers' own; numbers follow its PIL class. Deliberate differences: every picture is
    converted to RGB whatever do_convert_rgb says; float pictures (0..1) are rounded to 8 bits first; label maps are
    resized with NEAREST, so no class id is invented; pictures that end in different sizes come back as a list.
    Errors: ConfigError naming the field; ImageError naming the picture.
    """

    do_resize: bool
    size: dict[str, int]
    resample: int
    keep_aspect_ratio: bool
    ensure_multiple_of: int
    do_rescale: bool
    rescale_factor: float
    do_normalize: bool
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]
    do_pad: bool
    size_divisor: int | None
    do_reduce_labels: bool
    do_convert_rgb: bool | None

    def __init__(self, **fields: Any) -> None:
        for old, new in OLD_NAMES.items():
            if old in fields:
                value = fields.pop(old)
                fields[new] = value if fields.get(new) is None else fields[new]
        for key in fields:
            if key not in FIELDS and key not in BOOKKEEPING:
                raise ConfigError(f"{key}: no such field; known are {', '.join(FIELDS)}")
        for key, (default, check) in FIELDS.items():
            value = default if fields.get(key) is None else fields[key]
            setattr(self, key, None if value is None else check(key, value))
        if self.do_resize:  # transformers reads shortest_edge too, and fails on it at the first picture
            _expect(set(self.size) == {"height", "width"}, "size", '{"height": h, "width": w} to resize to', self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"

    # Files

    @classmethod
    def from_dict(cls, config: dict[str, Any], **overrides: Any) -> Self:
        """A processor from the content of a preprocessor_config.json; unknown keys are passed over."""
        known = FIELDS.keys() | OLD_NAMES.keys()
        if unknown := config.keys() - known - set(BOOKKEEPING):
            log.debug("%s: keys passed over: %s", FILE_NAME, unknown)
        return cls(**{**{key: value for key, value in config.items() if key in known}, **overrides})

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str], *, revision: str | None = None, **overrides: Any) -> Self:
        """The processor of "dpt-mini", a published model (known without a download), a folder or a Hub id.

        For a file of weights the one beside it is read; weights under their authors' names know theirs. Errors:
        ConfigError for what is missing or wrong, HubError for what cannot be fetched.
        """
        row = None if os.path.exists(source) or revision is not None else preset(str(source))
        if row is not None and row["processor"] is not None:
            return cls(**{**row["processor"], **overrides})
        path = Path(source)
        if not (path.is_file() and path.suffix == ".json"):
            try:
                path = locate_file(path if path.exists() else str(source), FILE_NAME, revision=revision)
            except FileNotFoundError:
                if (fields := _of_original(source, revision)) is not None:
                    return cls(**{**fields, **overrides})
                raise ConfigError(
                    f"{str(source)!r}: has no {FILE_NAME}, which says how its pictures are made"
                ) from None
            except CheckpointError as error:
                raise ConfigError(str(error)) from None
        config = read_json(path)
        if not isinstance(config, dict):
            raise ConfigError(f"{str(path)!r}: expected a JSON object, got {type(config).__name__}")
        try:
            return cls.from_dict(config, **overrides)
        except ConfigError as error:
            raise ConfigError(f"{str(path)!r}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, readable by from_dict and by transformers."""
        plain = json.loads(json.dumps(vars(self)))  # tuples become lists, nothing is shared
        known = {key: value for key, value in plain.items() if value is not None}
        return {**known, "image_processor_type": "DPTImageProcessor"}

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Write preprocessor_config.json into the folder, whole or not at all.   -> its path   Errors: ResourceError"""
        path, text = Path(folder) / FILE_NAME, json.dumps(self.to_dict(), indent=2) + "\n"
        return publish_bytes(path, text.encode())

    # Pictures to pixel_values

    def preprocess(
        self, images: Any, segmentation_maps: Any = None, return_tensors: str | None = "np", **overrides: Any
    ) -> BatchFeature:
        """One or several pictures -> {"pixel_values": (B, 3, H, W) float32} and, with maps, "labels": (B, H, W) int64.

        images: whatever load_image takes, a list of those, or an array of four axes. segmentation_maps: as many label
        maps, each of its picture's height and width. overrides: fields that differ in this call.
        Pictures whose sizes differ at the end, or return_tensors=None, give a list of (3, H, W) instead.
        """
        if return_tensors not in ("np", None):
            raise ConfigError(
                f"return_tensors: expected 'np' or None, got {return_tensors!r}; convert the arrays yourself"
            )
        recipe = DPTImageProcessor(**{**vars(self), **{k: v for k, v in overrides.items() if v is not None}})
        pictures = _as_list(images, batch_axes=4)
        maps = None if segmentation_maps is None else _as_list(segmentation_maps, batch_axes=3)
        if not pictures:
            raise ImageError("expected at least one picture, got none")
        if maps is not None and len(maps) != len(pictures):
            raise ImageError(f"expected one label map per picture, got {len(maps)} for {len(pictures)} pictures")

        pixel_values, labels = [], []
        for i, source in enumerate(pictures):
            try:
                picture = load_image(source)
                pixel_values.append(recipe._pixels(picture))
                if maps is not None:
                    labels.append(recipe._labels(load_label_map(maps[i]), picture.shape[:2]))
            except ImageError as error:
                if len(pictures) == 1:
                    raise
                raise ImageError(f"picture {i} of {len(pictures)}, counted from 0: {error}") from error
        batch = {"pixel_values": pixel_values} | ({"labels": labels} if maps is not None else {})
        return BatchFeature({key: _stacked(value, return_tensors) for key, value in batch.items()})

    __call__ = preprocess

    def _pixels(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (3, H', W') float32"""
        picture = self._resized(picture, self.resample)
        levels = np.arange(256, dtype=np.float64)  # rescaling and normalising see only 256 values: a table has them all
        levels = (levels * self.rescale_factor if self.do_rescale else levels).astype(np.float32)
        pixels = np.empty((3, *picture.shape[:2]), np.float32)
        for c in range(3):
            table = levels
            if self.do_normalize:
                table = (levels - np.float32(self.image_mean[c])) / np.float32(self.image_std[c])
            pixels[c] = table[picture[..., c]]
        return pad_to_multiple(pixels, self.size_divisor) if self.do_pad and self.size_divisor else pixels

    def _labels(self, labels: np.ndarray, picture_size: tuple[int, ...]) -> np.ndarray:
        """(H, W) int32 -> (H', W') int64; the padding is 0, as in transformers"""
        if labels.shape != picture_size:
            raise ImageError(
                f"expected a label map of its picture's height and width {picture_size}, got {labels.shape}"
            )
        if self.do_reduce_labels:
            labels = reduce_labels(labels)
        labels = self._resized(labels, Image.Resampling.NEAREST).astype(np.int64)
        return pad_to_multiple(labels, self.size_divisor) if self.do_pad and self.size_divisor else labels

    def _resized(self, picture: np.ndarray, resample: int) -> np.ndarray:
        if not self.do_resize:
            return picture
        height, width = resized_size(
            picture.shape[0],
            picture.shape[1],
            (self.size["height"], self.size["width"]),
            keep_aspect_ratio=self.keep_aspect_ratio,
            ensure_multiple_of=self.ensure_multiple_of,
        )
        if height * width > MAX_PIXELS:
            raise ImageError(
                f"a picture of {picture.shape[1]} x {picture.shape[0]} would be resized to {width} x {height}, "
                f"more than {MAX_PIXELS} pixels; crop it, or use keep_aspect_ratio=False or a smaller size"
            )
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling(resample)))

    # Outputs to results

    def post_process_depth_estimation(
        self, outputs: Any, target_sizes: Sequence[Size] | None = None
    ) -> list[dict[str, np.ndarray]]:
        """Depth at the pictures' sizes.   outputs.predicted_depth: (B, h, w) -> B times {"predicted_depth": (H, W)}

        Bicubic, so it may undershoot: clip a relative depth at 0 where the sign matters. Errors: ValueError if the
        numbers of maps and sizes differ.   [transformers: post_process_depth_estimation]
        """
        return [{"predicted_depth": depth} for depth in resize_depth(outputs.predicted_depth, target_sizes)]

    def post_process_semantic_segmentation(
        self, outputs: Any, target_sizes: Sequence[Size] | None = None, return_segmentation_scores: bool = False
    ) -> list[Any]:
        """The likeliest class per pixel.   outputs.logits: (B, K, h, w) -> B times (H, W) int64

        With return_segmentation_scores each item has .segmentation (H, W) and .segmentation_scores (K, H, W), the
        resized logits. Errors: ValueError if the numbers of maps and sizes differ.
        [transformers: post_process_semantic_segmentation]
        """
        return class_maps(outputs.logits, target_sizes, scores=return_segmentation_scores)


def _of_original(source: str | os.PathLike[str], revision: str | None) -> dict[str, Any] | None:
    """The fields that a checkpoint under its authors' names implies; None if it is none, or none that can be read."""
    try:
        return original_processor(os.fspath(source), revision)
    except CheckpointError:  # the model's own loading says what is wrong with it
        return None


class DPTFeatureExtractor(DPTImageProcessor):
    """The old name of DPTImageProcessor; warns, and is otherwise the same.   [transformers: DPTFeatureExtractor]"""

    def __init__(self, **fields: Any) -> None:
        warnings.warn("DPTFeatureExtractor is now DPTImageProcessor; change the name", FutureWarning, stacklevel=2)
        super().__init__(**fields)


def _as_list(sources: Any, *, batch_axes: int) -> list[Any]:
    """One picture, several, or a batch in one array -> a list."""
    if isinstance(sources, list | tuple) or getattr(sources, "ndim", None) == batch_axes:
        return list(sources)
    return [sources]


def _stacked(arrays: list[np.ndarray], return_tensors: str | None) -> np.ndarray | list[np.ndarray]:
    alike = all(array.shape == arrays[0].shape for array in arrays)
    return np.stack(arrays) if return_tensors == "np" and alike else arrays
