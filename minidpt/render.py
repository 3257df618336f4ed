"""Results as pictures: depth -> colours, class labels -> palette, overlay and legend.

Every depth picture follows one rule, whatever the kind of map: near is bright. A relative inverse map already grows
towards the camera; a metric map (metres) grows away from it and is turned round for display.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLORMAPS = ("inferno", "turbo", "magma", "viridis", "Spectral_r", "gray")
KINDS = ("relative_inverse", "metric")
MILLIMETRES = 1000.0  # steps of a metric 16-bit picture, per metre
UINT16_MAX = 65535
FLAT = 16 * float(np.finfo(np.float32).eps)  # bicubic: 16 products, each with its rounding


def valid_pixels(depth: np.ndarray, kind: str) -> np.ndarray:
    """Where a map says something: finite and, for a metric map, above zero.   depth: (H, W) -> (H, W) bool

    Raises ValueError for another shape or an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"expected kind to be one of {', '.join(KINDS)}, got {kind!r}")
    if np.ndim(depth) != 2 or np.size(depth) == 0:
        raise ValueError(f"expected a depth map of shape (H, W), got {np.shape(depth)}")
    valid = np.isfinite(depth)
    return valid & (np.asarray(depth) > 0) if kind == "metric" else valid


def span(depth: np.ndarray, kind: str) -> tuple[float, float]:
    """(minimum, maximum) of the valid pixels, in the map's own unit; (0, 0) when there are none."""
    values = np.asarray(depth)[valid_pixels(depth, kind)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def is_flat(low: float, high: float) -> bool:
    """Whether a span is no more than float32 rounding, which is what resizing makes of a constant map."""
    return high - low <= FLAT * max(abs(low), abs(high))


def normalize(depth: np.ndarray, *, kind: str, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """(d - low) / (high - low), or one minus that for a metric map: far = 0, near = 1.   (H, W) -> (H, W) float64

    `value_range` is (low, high) in the map's own unit and defaults to the map's own span; values outside are clipped.
    Zeros where the pixel is not valid, and everywhere when the map is constant and no range is given. Raises ValueError
    unless low < high.
    """
    valid = valid_pixels(depth, kind)
    low, high = span(depth, kind) if value_range is None else (float(value_range[0]), float(value_range[1]))
    if value_range is not None and not (np.isfinite(high - low) and low < high):
        raise ValueError(f"expected value_range as (low, high) with low < high, got ({low}, {high})")
    if value_range is None and is_flat(low, high):
        return np.zeros(valid.shape)
    shade = np.clip((np.where(valid, depth, 0).astype(np.float64) - low) / (high - low), 0, 1)
    return np.where(valid, 1 - shade if kind == "metric" else shade, 0)


def to_uint16(depth: np.ndarray, *, kind: str) -> np.ndarray:
    """A map as 16-bit steps.   (H, W) -> (H, W) uint16

    relative_inverse: round(65535 (d - min) / (max - min)), so near = bright; zeros when constant.
    metric: round(1000 d), millimetres, clipped at 65.535 m; 0 = not valid.
    """
    if kind == "metric":
        metres = np.where(valid_pixels(depth, kind), depth, 0).astype(np.float64)
        return np.rint(np.minimum(metres * MILLIMETRES, UINT16_MAX)).astype(np.uint16)
    return np.rint(normalize(depth, kind=kind) * UINT16_MAX).astype(np.uint16)


@cache
def color_table(name: str) -> np.ndarray:
    """The colour table of that name.   -> (256, 3) uint8, read-only, far to near; ValueError naming the known ones."""
    if name not in COLORMAPS:
        raise ValueError(f"expected colormap to be one of {', '.join(COLORMAPS)}, got {name!r}")
    with resources.files("minidpt").joinpath("assets/colormaps.npz").open("rb") as file, np.load(file) as tables:
        table = tables[name]
    table.setflags(write=False)
    return table


def colorize(
    depth: np.ndarray, *, colormap: str = "inferno", kind: str, value_range: tuple[float, float] | None = None
) -> np.ndarray:
    """A depth map in colours, near = the bright end of the table, for both kinds.   (H, W) -> (H, W, 3) uint8

    `value_range` as in `normalize`: give the same one to every frame of a sequence. Pixels that are not valid (not
    finite, or not above zero in a metric map) are black, and so is a constant map without a range: it has nothing to
    show.
    """
    table = color_table(colormap)
    shade = normalize(depth, kind=kind, value_range=value_range)
    shown = valid_pixels(depth, kind) & bool(value_range or shade.any())  # all zero: nothing valid, or constant
    return np.where(shown[..., None], table[np.rint(shade * 255).astype(np.uint8)], np.uint8(0))


def side_by_side(image: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """Two pictures of one height next to each other.   (H, W, 3), (H, W', 3) -> (H, W + W', 3) uint8"""
    image, colored = _rgb(image), _rgb(colored)
    if image.shape[0] != colored.shape[0]:
        raise ValueError(f"expected two pictures of one height, got {image.shape} and {colored.shape}")
    return np.concatenate([image, colored], axis=1)


def _rgb(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an RGB picture of shape (H, W, 3) uint8, got {image.shape} {image.dtype}")
    return image


def _lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] -> CIELAB, white D65, where equal distances look equally different.   (..., 3) -> (..., 3)"""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


PALETTE_SIZE = 1024  # classes with a colour of their own


@cache
def _all_colors() -> np.ndarray:
    """Greedy farthest points: each next colour is the one farthest, in CIELAB, from black, white and all before it."""
    steps = np.linspace(0, 255, 15).astype(np.uint8)
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _lab(candidates / 255)
    distance = np.minimum(*(np.linalg.norm(lab - _lab(np.full(3, end)), axis=1) for end in (0.0, 1.0)))
    colors = np.empty((PALETTE_SIZE, 3), np.uint8)
    for k in range(PALETTE_SIZE):
        farthest = int(distance.argmax())
        colors[k] = candidates[farthest]
        distance = np.minimum(distance, np.linalg.norm(lab - lab[farthest], axis=1))
    return colors


def palette(num_classes: int) -> np.ndarray:
    """One colour per class, well apart, the same on every run; black is left free.   -> (num_classes, 3) uint8

    A class keeps its colour when the number of classes grows. From class 1024 on colours repeat. ValueError below 1.
    """
    if num_classes < 1:
        raise ValueError(f"expected at least one class, got {num_classes}")
    return _all_colors()[np.arange(num_classes) % PALETTE_SIZE]


def label_colors(labels: np.ndarray) -> np.ndarray:
    """Each pixel in its class's colour; negative labels (unknown) are black.   (H, W) integers -> (H, W, 3) uint8"""
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"expected a label map of shape (H, W) of integers, got {labels.shape} {labels.dtype}")
    colors = palette(max(int(labels.max()), 0) + 1)
    return np.where(labels[..., None] >= 0, colors[np.maximum(labels, 0)], np.uint8(0))


def overlay(image: np.ndarray, labels: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """(1 - alpha) picture + alpha label colours.   image: (H, W, 3) uint8   labels: (H, W) integers -> (H, W, 3) uint8

    Negative labels keep the picture. Raises ValueError when the sizes differ or alpha is outside [0, 1].
    """
    image, colors = _rgb(image), label_colors(labels)
    if image.shape != colors.shape:
        raise ValueError(f"expected labels of the picture's size {image.shape[:2]}, got {np.shape(labels)}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha between 0 and 1, got {alpha}")
    mixed = np.rint((1 - alpha) * image.astype(np.float32) + alpha * colors.astype(np.float32)).astype(np.uint8)
    return np.where(np.asarray(labels)[..., None] >= 0, mixed, image)


def class_shares(labels: np.ndarray) -> dict[int, float]:
    """{class: share of the picture}, the largest first; negative labels are left out.   labels: (H, W) integers"""
    classes, counts = np.unique(labels, return_counts=True)
    largest_first = sorted(zip(counts.tolist(), classes.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
    return {label: count / np.size(labels) for count, label in largest_first if label >= 0}


def legend(labels: np.ndarray, id2label: Mapping[int, str]) -> np.ndarray:
    """A picture that names a label map's classes: colour, name, share, largest first.   (H, W) -> (h, w, 3) uint8"""
    shares = class_shares(labels)
    colors = palette(max(shares, default=0) + 1)
    font = ImageFont.load_default(size=14)
    names = {label: " ".join(id2label.get(label, f"class {label}").split())[:60] for label in shares}
    texts = {label: f"{names[label]}   {share:.1%}" for label, share in shares.items()}
    row, margin = 24, 6
    width = max((int(font.getlength(text)) for text in texts.values()), default=0) + row + 3 * margin
    picture = Image.new("RGB", (width, row * max(len(texts), 1) + margin), "white")
    draw = ImageDraw.Draw(picture)
    for k, (label, text) in enumerate(texts.items()):
        top = margin + k * row
        color = tuple(int(part) for part in colors[label])
        draw.rectangle((margin, top, margin + row - 1, top + row - margin - 1), fill=color)
        draw.text((2 * margin + row, top), text, fill="black", font=font)
    return np.asarray(picture)
