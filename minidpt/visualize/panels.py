"""Figures and their panels: the one place that opens matplotlib, and how every figure of this package looks."""

import importlib
from typing import Any

import numpy as np

from ..errors import HubError
from ..render import color_table, valid_pixels

Figure = Any  # matplotlib.figure.Figure
Axes = Any  # matplotlib.axes.Axes

TITLE, LABEL, SMALL = 13, 10, 9  # font sizes, in points
BLUE, ORANGE, GREEN, GREY = "#1f6fb4", "#d9741a", "#5d8a2f", "#888888"
MARK = "#0062ff"  # of the patch that a figure is about, with a white border
SIGNED = "RdBu_r"  # matplotlib's: blue below zero, red above
HEAT = ((1.0, 0.8, 0.2, 0.0), (1.0, 0.5, 0.0, 0.7), (0.7, 0.0, 0.1, 0.95))  # over a photo: clear, orange, red
PALE_SIDE = 200  # pixels, at least, of the shorter side of a photo under other colours
FOR_BAR = 1.1  # inches beside the panels, for a colour bar and its label
UNITS = {"relative_inverse": "inverse depth (no unit)", "metric": "depth (metres)"}


def matplotlib_module(name: str) -> Any:
    """A module of matplotlib; HubError says what to install."""
    try:
        return importlib.import_module(f"matplotlib.{name}")
    except ImportError:
        raise HubError('figures need matplotlib, which is not installed: pip install "minidpt[plot]"') from None


def figure(
    rows: int, columns: int, *, panel: tuple[float, float], title: str, beside: float = 0
) -> tuple[Figure, np.ndarray]:
    """A figure of rows x columns panels, each of (width, height) inches.   -> the figure, its axes (rows, columns)

    beside: inches to the right of them, for colour bars
    """
    lines = 1 + title.count("\n")
    size = (max(panel[0] * columns + beside, 6.0), panel[1] * rows + 0.35 * lines)
    made = matplotlib_module("figure").Figure(figsize=size, layout="constrained")
    made.suptitle(title, fontsize=TITLE)
    return made, made.subplots(rows, columns, squeeze=False)


def panel_size(size: tuple[int, ...], area: float, text: float = 0.3) -> tuple[float, float]:
    """(width, height) in inches of a panel of `area` square inches for a picture of size (H, W), at most 1 : 3.

    text: inches of height for its title and what else is written
    """
    ratio = min(max(size[1] / size[0], 1 / 3), 3.0)
    return (area * ratio) ** 0.5, (area / ratio) ** 0.5 + text


def show(axes: Axes, picture: np.ndarray, title: str = "", *, size: tuple[int, int] | None = None, **how: Any) -> Any:
    """Put a picture into a panel, without ticks.   size: (H, W) of the coordinates, if not the picture's own

    how: imshow's options
    """
    height, width = size or picture.shape[:2]
    image = axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest", aspect="equal", **how)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=SMALL)
    return image


def show_depth(axes: Axes, depth: np.ndarray, title: str, *, kind: str, limits: tuple[float, float]) -> Any:
    """Put a depth map into a panel: near is bright, what says nothing is black."""
    shown = np.ma.masked_array(depth, ~valid_pixels(depth, kind))
    colors = color_map("inferno", reverse=kind == "metric")
    return show(axes, shown, title, cmap=colors, vmin=limits[0], vmax=limits[1])


def show_signed(axes: Axes, picture: np.ndarray, title: str, *, size: tuple[int, int] | None = None) -> Any:
    """Put a map around zero into a panel: white is zero, blue below, red above, black unknown (NaN)."""
    axes.set_facecolor("black")
    top = float(np.nanmax(np.abs(picture))) or 1.0
    return show(axes, picture, title, size=size, cmap=SIGNED, vmin=-top, vmax=top)


def outline(axes: Axes, patch: tuple[int, int], grid: tuple[int, int], size: tuple[int, int]) -> None:
    """Mark a patch (row, column) of a picture of size (H, W)."""
    height, width = size[0] / grid[0], size[1] / grid[1]
    corner = (patch[1] * width, patch[0] * height)
    rectangle = matplotlib_module("patches").Rectangle
    for color, line in (("white", 3.0), (MARK, 1.5)):
        axes.add_patch(rectangle(corner, width, height, fill=False, edgecolor=color, linewidth=line))


def color_bar(made: Figure, image: Any, axes: Axes, label: str) -> None:
    """What the colours of `image` mean: at the right edge of a panel, as high as it is, or beside an array of them."""
    if isinstance(axes, np.ndarray):
        bar = made.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    else:
        bar = made.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.045, 1)))
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)


def color_map(name: str, *, reverse: bool = False, missing: str = "black") -> Any:
    """One of the project's colour tables for matplotlib.   missing: the colour of what has no value"""
    table = color_table(name)[:: -1 if reverse else 1] / 255
    return matplotlib_module("colors").ListedColormap(table, name=name).with_extremes(bad=missing)


def heat_map() -> Any:
    """Colours to lay over a photo, which shows where there is nothing."""
    return matplotlib_module("colors").LinearSegmentedColormap.from_list("heat", HEAT)


def pale(photo: np.ndarray) -> np.ndarray:
    """A photo in light grey, so that colours over it stand out, in no more pixels than a small panel shows.

    (H, W, 3) -> (~H / step, ~W / step, 3) uint8
    """
    step = max(min(photo.shape[:2]) // PALE_SIDE, 1)
    grey = photo[::step, ::step].mean(axis=2, keepdims=True)
    return (110 + 0.55 * grey).astype(np.uint8).repeat(3, axis=2)
