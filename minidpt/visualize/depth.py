"""The result: a depth map in colours beside its photo, and how far two depth maps differ."""

from typing import Any

import numpy as np

from ..render import span, valid_pixels
from .panels import Figure, color_bar, color_map, figure, panel_size, show
from .taken import photo_of

UNITS = {"relative_inverse": "relative inverse depth (larger = nearer, no unit)", "metric": "depth (metres)"}


def align(depth: np.ndarray, target: np.ndarray, *, kind: str) -> tuple[np.ndarray, float, float]:
    """scale, shift = argmin sum (scale depth + shift - target)^2 over the pixels that both know.   [MiDaS §5]

    depth, target: (H, W), of one kind: both relative inverse or both in metres -> scale depth + shift, scale, shift
    Raises ValueError when the sizes differ or fewer than two pixels are known.
    """
    if np.shape(depth) != np.shape(target):
        raise ValueError(f"expected two maps of one size, got {np.shape(depth)} and {np.shape(target)}")
    known = valid_pixels(depth, kind) & valid_pixels(target, kind)
    if known.sum() < 2:
        raise ValueError(f"expected at least two pixels that both maps know, got {known.sum()}")
    x, y = (np.asarray(values, np.float64)[known] for values in (depth, target))
    spread = x - x.mean()
    scale = float(spread @ (y - y.mean()) / (spread @ spread)) if x.min() < x.max() else 0.0
    shift = float(y.mean() - scale * x.mean())
    return scale * np.asarray(depth, np.float64) + shift, scale, shift


def draw_depth(depth: np.ndarray, photo: np.ndarray | None = None, *, kind: str, colormap: str = "inferno") -> Figure:
    """A depth map in colours, near = bright, beside its photo.   depth: (H, W)   kind: "relative_inverse" | "metric"

    Pixels that say nothing are black. `minidpt.render` makes the same colours as plain arrays.
    """
    panels = 1 if photo is None else 2
    made, (axes,) = figure(1, panels, panel=panel_size(*np.shape(depth), 20), title="Depth: near is bright")
    if photo is not None:
        show(axes[0], photo_of(photo), "photo")
    image = show_depth(axes[-1], depth, "depth map", kind, span(depth, kind), colormap)
    color_bar(made, image, axes[-1], UNITS[kind])
    return made


def show_depth(panel: Any, depth: np.ndarray, title: str, kind: str, limits: tuple[float, float], colormap: str) -> Any:
    shown = np.ma.masked_array(depth, ~valid_pixels(depth, kind))
    colors = color_map(colormap, reverse=kind == "metric")
    return show(panel, shown, title, cmap=colors, vmin=limits[0], vmax=limits[1])


def draw_errors(
    depth: np.ndarray,
    target: np.ndarray,
    photo: np.ndarray | None = None,
    *,
    kind: str,
    names: tuple[str, str] = ("this map", "the target"),
) -> Figure:
    """Two depth maps in one colour scale after fitting scale and shift, and the error at every pixel.

    depth, target: (H, W), of one kind; `depth` is fitted to `target` (see `align`)   names: of the two, for the titles
    The error is fitted - target in the target's unit: red where the first is larger.
    """
    fitted, scale, shift = align(depth, target, kind=kind)
    error = np.where(valid_pixels(depth, kind) & valid_pixels(target, kind), fitted - target, np.nan)
    limits = span(target, kind)
    top = float(np.nanmax(np.abs(error))) or 1.0
    pictures = 2 if photo is None else 3
    title = f"Error of {names[0]} against {names[1]}: mean {np.nanmean(np.abs(error)):.3g}"
    made, (axes,) = figure(1, pictures + 1, panel=panel_size(*np.shape(depth), 14), title=title)
    if photo is not None:
        show(axes[0], photo_of(photo), "photo")
    show_depth(axes[-3], target, names[1], kind, limits, "inferno")
    fit = f"{names[0]} × {scale:.3g} {'+' if shift >= 0 else '−'} {abs(shift):.3g}"
    image = show_depth(axes[-2], fitted, fit, kind, limits, "inferno")
    color_bar(made, image, axes[-3:-1], UNITS[kind])
    image = show(axes[-1], error, f"{names[0]} − {names[1]}", cmap="RdBu_r", vmin=-top, vmax=top)
    color_bar(made, image, axes[-1], "error")
    return made
