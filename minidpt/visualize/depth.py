"""The result: a depth map in colours beside its photo, and how far two depth maps differ."""

import numpy as np

from ..render import span, valid_pixels
from .panels import FOR_BAR, UNITS, Figure, color_bar, figure, panel_size, show, show_depth, show_signed
from .selection import photo_of


def align(depth: np.ndarray, target: np.ndarray, *, kind: str) -> tuple[np.ndarray, float, float]:
    """scale, shift = argmin sum (scale depth + shift - target)^2 over the pixels that both know.   [MiDaS §5]

    depth, target: (H, W), both relative inverse or both in metres -> scale depth + shift, scale, shift
    NaN where depth says nothing. A constant map has scale 0. ValueError when the sizes differ or fewer than two pixels
    are known.
    """
    if np.shape(depth) != np.shape(target):
        raise ValueError(f"expected two depth maps of one size, got {np.shape(depth)} and {np.shape(target)}")
    known = valid_pixels(depth, kind) & valid_pixels(target, kind)
    if known.sum() < 2:
        raise ValueError(f"expected at least two pixels that both maps know, got {known.sum()}")
    x, y = (np.asarray(values, np.float64)[known] for values in (depth, target))
    from_mean = x - x.mean()
    scale = float(from_mean @ (y - y.mean()) / (from_mean @ from_mean)) if x.min() < x.max() else 0.0
    shift = float(y.mean() - scale * x.mean())
    return np.where(valid_pixels(depth, kind), depth, np.nan) * scale + shift, scale, shift


def draw_depth(depth: np.ndarray, photo: np.ndarray | None = None, *, kind: str) -> Figure:
    """A depth map in colours beside its photo: near is bright, what says nothing is black.   depth: (H, W)

    kind: "relative_inverse" or "metric", as the model's output says.   `minidpt.render` has the colours as arrays.
    """
    limits = span(depth, kind)
    panel = panel_size(np.shape(depth), 20)
    made, (axes,) = figure(1, 1 if photo is None else 2, panel=panel, title="Depth: near is bright", beside=FOR_BAR)
    if photo is not None:
        show(axes[0], photo_of(photo), "photo")
    image = show_depth(axes[-1], depth, "depth map", kind=kind, limits=limits)
    color_bar(made, image, axes[-1], UNITS[kind])
    return made


def draw_errors(
    depth: np.ndarray,
    target: np.ndarray,
    photo: np.ndarray | None = None,
    *,
    kind: str,
    names: tuple[str, str] = ("depth", "target"),
) -> Figure:
    """Two depth maps in the same colours after fitting scale and shift (`align`), and their difference.

    depth, target: (H, W), of one kind; depth is the one that is fitted   names: theirs, for the titles
    The error is fitted - target, in the target's unit; black: not known to both.
    """
    fitted, scale, shift = align(depth, target, kind=kind)
    error = fitted - np.where(valid_pixels(target, kind), target, np.nan)
    title = f"{names[0]} beside {names[1]}: mean error {np.nanmean(np.abs(error)):.3g} after scale and shift"
    panel = panel_size(np.shape(depth), 12)
    made, (axes,) = figure(1, 3 if photo is None else 4, panel=panel, title=title, beside=2 * FOR_BAR)
    if photo is not None:
        show(axes[0], photo_of(photo), "photo")
    limits = span(target, kind)
    show_depth(axes[-3], target, names[1], kind=kind, limits=limits)
    fit = f"{names[0]} × {scale:.3g} {'−' if shift < 0 else '+'} {abs(shift):.3g}"
    image = show_depth(axes[-2], fitted, fit, kind=kind, limits=limits)
    color_bar(made, image, axes[-2], UNITS[kind])
    image = show_signed(axes[-1], error, f"fitted {names[0]} − {names[1]}")
    color_bar(made, image, axes[-1], "error (metres)" if kind == "metric" else "error (no unit)")
    return made
