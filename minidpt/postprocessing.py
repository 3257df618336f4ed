"""The network's maps -> maps of the picture's size. Called through DPTImageProcessor's post_process methods."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .ops.resize import bicubic_matrix, neighbours

Size: TypeAlias = tuple[int, int]  # height, width

BAND_FLOATS = 1 << 20  # class scores held at once: 4 MB, which caches like; all of them could be gigabytes


class BatchFeature(dict[str, Any]):
    """A dict whose entries are attributes too: batch["labels"] is batch.labels.   [transformers: BatchFeature]"""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no {name!r} here, only {', '.join(self)}") from None


def resize_depth(predicted_depth: Any, target_sizes: Sequence[Size] | None) -> list[np.ndarray]:
    """Bicubic, a = -0.75, outer edges aligned.   (B, h, w) -> B times (H, W) float32"""
    maps = np.asarray(predicted_depth, np.float32)
    sizes = _checked_sizes(maps, target_sizes, axes=3, what="predicted_depth (B, h, w)")
    return [depth if size is None else _resize_bicubic(depth, size) for depth, size in zip(maps, sizes, strict=True)]


def _resize_bicubic(depth: np.ndarray, size: Size) -> np.ndarray:
    """One map, one channel: two plain matrix products, which resize_bicubic's channels-last form would not be."""
    rows, columns = (
        bicubic_matrix(new, old, False).astype(np.float32) for new, old in zip(size, depth.shape, strict=True)
    )
    return rows @ depth @ columns.T


def class_maps(logits: Any, target_sizes: Sequence[Size] | None, *, scores: bool = False) -> list[Any]:
    """Bilinear to the target size, then argmax.   (B, K, h, w) -> B times (H, W) int64, or with scores both"""
    maps = np.asarray(logits, np.float32)
    sizes = _checked_sizes(maps, target_sizes, axes=4, what="logits (B, K, h, w)")
    return [_class_map(scores_, size or scores_.shape[1:], scores) for scores_, size in zip(maps, sizes, strict=True)]


def _class_map(logits: np.ndarray, size: Size, scores: bool) -> Any:
    """(K, h, w) -> (H, W) int64; in bands of rows, so that K full-size score maps exist only when asked for"""
    height, width = size
    logits = np.ascontiguousarray(logits.transpose(1, 2, 0))  # (h, w, K): a pixel's scores lie together
    labels = np.empty(size, np.int64)
    kept = np.empty((len(logits[0, 0]), height, width), np.float32) if scores else None
    step = max(BAND_FLOATS // (width * logits.shape[-1]), 1)
    for start in range(0, height, step):
        band = slice(start, min(start + step, height))
        part = _bilinear_rows(logits, size, band)
        labels[band] = part.argmax(axis=-1)
        if kept is not None:
            kept[:, band] = part.transpose(2, 0, 1)
    return labels if kept is None else BatchFeature(segmentation=labels, segmentation_scores=kept)


def _bilinear_rows(x: np.ndarray, size: Size, band: slice) -> np.ndarray:
    """Some rows of resize_bilinear(x, size, align_corners=False).   x: (h, w, K) -> (rows in band, W, K)"""
    if x.shape[:2] == size:
        return x[band]
    low, high, share = (part[band] for part in neighbours(size[0], x.shape[0], align_corners=False))
    share = share.astype(np.float32)
    x = x[low] * (1 - share)[:, None, None] + x[high] * share[:, None, None]
    low, high, share = neighbours(size[1], x.shape[1], align_corners=False)
    share = share.astype(np.float32)
    return x[:, low] * (1 - share)[:, None] + x[:, high] * share[:, None]


def _checked_sizes(maps: np.ndarray, sizes: Sequence[Size] | None, *, axes: int, what: str) -> list[Size | None]:
    """One (height, width), or None for "as it is", per map."""
    if maps.ndim != axes or maps.size == 0:
        raise ValueError(f"expected {what}, got shape {maps.shape}")
    if sizes is None:
        return [None] * len(maps)
    if len(sizes) != len(maps):
        raise ValueError(f"expected one target size per map, got {len(sizes)} sizes for {len(maps)} maps")
    checked: list[Size | None] = []
    for size in sizes:
        pair = np.asarray(size)
        if pair.shape != (2,) or pair.dtype.kind not in "iu" or pair.min() < 1:
            raise ValueError(f"expected target sizes (height, width) of at least 1, got {size!r}")
        checked.append((int(pair[0]), int(pair[1])))
    return checked
