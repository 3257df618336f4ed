"""Results as files. Every file is complete or absent: it is written under another name beside its target, then renamed.

A depth file's kind is never left to guessing. All pictures carry what is known about the map (model, kind, scale,
offset, sizes) as text in the file: PNG text chunks, TIFF's ImageDescription. The format `json` writes the same beside
them, for npy and pfm; it is not among the defaults, which keeps a folder of results uncluttered. Nothing of the input's
own EXIF is kept.
"""

import json
import os
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from . import __version__, render
from .files import publish_bytes

DEPTH_SUFFIXES = {  # format -> what is added to the result's name
    "png16": ".depth.png",
    "npy": ".depth.npy",
    "pfm": ".depth.pfm",
    "tiff": ".depth.tiff",
    "png": ".depth.color.png",
    "side": ".depth.side.png",
    "json": ".depth.json",
}
SEGMENTATION_SUFFIXES = {
    "png": ".labels.png",
    "npy": ".labels.npy",
    "overlay": ".labels.overlay.png",
    "legend": ".labels.legend.png",
}
DEFAULT_DEPTH_FORMATS = ("png16", "npy")
_IMAGE_DESCRIPTION = 270  # the TIFF tag


def describe_depth(depth: np.ndarray, *, kind: str) -> dict[str, Any]:
    """What a reader of the files needs to know: kind, unit, range, and d = offset + scale * (16-bit picture).

    min, max: of the valid pixels, None when there are none. valid_fraction, clipped_fraction (beyond 65.535 m): of all.
    """
    depth = np.asarray(depth)
    valid = render.valid_pixels(depth, kind)
    low, high = render.span(depth, kind)
    metric = kind == "metric"
    step = 0.0 if render.is_flat(low, high) else (high - low) / render.UINT16_MAX
    return {
        "minidpt": __version__,
        "kind": kind,
        "unit": "metre" if metric else None,
        "scale": 1 / render.MILLIMETRES if metric else step,
        "offset": 0.0 if metric else low,
        "min": low if valid.any() else None,
        "max": high if valid.any() else None,
        "valid_fraction": float(valid.mean()),
        "clipped_fraction": float((valid & (depth > render.UINT16_MAX / render.MILLIMETRES)).mean()) if metric else 0.0,
    }


def save_depth(
    path_without_extension: str | os.PathLike[str],
    depth: np.ndarray,
    *,
    kind: str,
    formats: Iterable[str] = DEFAULT_DEPTH_FORMATS,
    colormap: str = "inferno",
    image: np.ndarray | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a depth map, one file per format: `path_without_extension` + the format's suffix.   depth: (H, W) -> paths

    png16           16-bit grey, as `render.to_uint16` has it: full range, near = bright; metric in millimetres
    npy, pfm, tiff  float32, exactly as given
    png, side       8-bit colours, near = bright; alone, or beside `image` (H, W, 3) uint8
    json            the metadata: `describe_depth` and what is given as `metadata`
    Raises ValueError for an unknown format, kind, colormap or shape, before anything is written, and ResourceError when
    a file cannot be written; no partial file stays.
    """
    formats = known_formats(formats, DEPTH_SUFFIXES)
    notes = describe_depth(depth, kind=kind) | dict(metadata or {})
    values = np.ascontiguousarray(depth, np.float32)
    render.color_table(colormap)
    if "side" in formats and image is None:
        raise ValueError("expected `image` for the format 'side', got None")

    def content(name: str) -> bytes:
        if name == "npy":
            return npy_bytes(values)
        if name == "pfm":
            return pfm_bytes(values)
        if name == "tiff":
            return _tiff_bytes(values, notes)
        if name == "json":
            return (json.dumps(notes, indent=2, allow_nan=False) + "\n").encode()
        if name == "png16":
            return png_bytes(Image.fromarray(render.to_uint16(depth, kind=kind)), notes)
        colored = render.colorize(depth, colormap=colormap, kind=kind)
        if name == "side" and image is not None:
            colored = render.side_by_side(image, colored)
        return png_bytes(Image.fromarray(colored), notes)

    stem = os.fspath(path_without_extension)
    return [publish_bytes(stem + DEPTH_SUFFIXES[name], content(name)) for name in formats]


def save_segmentation(
    path_without_extension: str | os.PathLike[str],
    labels: np.ndarray,
    *,
    id2label: Mapping[int, str],
    formats: Iterable[str] = ("png",),
    image: np.ndarray | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a label map, one file per format: `path_without_extension` + the format's suffix.   labels: (H, W) -> paths

    png      pixel = class number, from 0: 8 bits with the palette up to 256 classes, else 16-bit grey
    npy      the labels, dtype kept
    overlay  `image` (H, W, 3) uint8 under the classes' colours, half and half
    legend   the colours and names of the classes that occur; the names are in the PNG's text, too
    Raises as `save_depth` does.
    """
    formats = known_formats(formats, SEGMENTATION_SUFFIXES)
    labels = np.ascontiguousarray(labels)
    shares = render.class_shares(labels)
    names = {str(label): id2label.get(label, f"class {label}") for label in shares}
    notes = {"minidpt": __version__, "kind": "segmentation", "labels": names} | dict(metadata or {})
    if labels.ndim != 2 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"expected labels (H, W), integers from 0, got {labels.shape} {labels.dtype}")
    if labels.max() > render.UINT16_MAX:
        raise ValueError(f"expected labels up to {render.UINT16_MAX}, got {labels.max()}")
    if "overlay" in formats and image is None:
        raise ValueError("expected `image` for the format 'overlay', got None")

    def content(name: str) -> bytes:
        if name == "npy":
            return npy_bytes(labels)
        if name == "legend":
            return png_bytes(Image.fromarray(render.legend(labels, id2label)), notes)
        if name == "overlay" and image is not None:
            return png_bytes(Image.fromarray(render.overlay(image, labels)), notes)
        if max([*id2label, *shares]) > 255:
            return png_bytes(Image.fromarray(labels.astype(np.uint16)), notes)
        index = Image.fromarray(labels.astype(np.uint8))
        index.putpalette(render.palette(256).tobytes())
        return png_bytes(index, notes)

    stem = os.fspath(path_without_extension)
    return [publish_bytes(stem + SEGMENTATION_SUFFIXES[name], content(name)) for name in formats]


def known_formats(formats: Iterable[str], suffixes: Mapping[str, str]) -> list[str]:
    """The formats in the order given, each once; ValueError, naming the known ones, if one is not or none is there."""
    wanted = list(dict.fromkeys(formats))
    unknown = [name for name in wanted if name not in suffixes]
    if unknown or not wanted:
        raise ValueError(f"expected formats out of {', '.join(suffixes)}, got {', '.join(unknown) or 'none'}")
    return wanted


def npy_bytes(array: np.ndarray) -> bytes:
    """The array as a .npy file."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def pfm_bytes(depth: np.ndarray) -> bytes:
    """The map as a portable float map: little-endian (the scale's sign), the bottom row first.   (H, W) float32"""
    height, width = depth.shape
    return f"Pf\n{width} {height}\n-1.0\n".encode() + depth[::-1].astype("<f4").tobytes()


def png_bytes(picture: Image.Image, notes: Mapping[str, Any]) -> bytes:
    """The picture as a .png file with the notes as text chunks; a palette keeps 8 bits per pixel."""
    text = PngInfo()
    for key, value in notes.items():
        value = value if isinstance(value, str) else json.dumps(value)
        text.add_text(key, value.encode(errors="backslashreplace").decode())
    file = BytesIO()
    picture.save(file, format="PNG", pnginfo=text, **({"bits": 8} if picture.mode == "P" else {}))
    return file.getvalue()


def _tiff_bytes(depth: np.ndarray, notes: Mapping[str, Any]) -> bytes:
    tags = ImageFileDirectory_v2()
    tags[_IMAGE_DESCRIPTION] = json.dumps(notes)
    file = BytesIO()
    Image.fromarray(depth).save(file, format="TIFF", tiffinfo=tags)
    return file.getvalue()
