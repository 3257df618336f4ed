"""Figures and their panels: the one place that opens matplotlib, and how every figure of this package looks."""

import importlib
from typing import Any

import numpy as np

from ..errors import HubError
from ..render import color_table

Figure = Any  # matplotlib.figure.Figure
Axes = Any  # matplotlib.axes.Axes

TITLE, LABEL, SMALL = 13, 10, 9  # font sizes, in points
BLUE, ORANGE, GREEN, GREY = "#1f6fb4", "#d9741a", "#5d8a2f", "#888888"
MARK = "#0062ff"  # of the patch that a figure is about, with a white border
SIGNED = "RdBu_r"  # blue below zero, red above
FOR_BAR = 1.1  # inches beside the panels, for a colour bar and its label


def matplotlib(module: str) -> Any:
    """A module of matplotlib; HubError says what to install."""
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ImportError:
        raise HubError('figures need matplotlib, which is not installed: pip install "minidpt[plot]"') from None


def figure(
    rows: int, columns: int, *, panel: tuple[float, float], title: str, beside: float = 0
) -> tuple[Figure, np.ndarray]:
    """A figure of rows x columns panels, each of (width, height) inches.   -> the figure, its axes (rows, columns)

    beside: inches to the right of them, for colour bars
    """
    lines = 1 + title.count("\n")
    size = (max(panel[0] * columns + beside, 5.0), panel[1] * rows + 0.35 * lines)
    made = matplotlib("figure").Figure(figsize=size, layout="constrained")
    made.suptitle(title, fontsize=TITLE)
    return made, made.subplots(rows, columns, squeeze=False)


def panel_size(height: int, width: int, area: float, text: float = 0.3) -> tuple[float, float]:
    """(width, height) in inches of a panel of `area` square inches with a picture's proportions, at most 1 : 3.

    text: inches of height for its title and what else is written
    """
    ratio = min(max(width / height, 1 / 3), 3.0)
    return (area * ratio) ** 0.5, (area / ratio) ** 0.5 + text


def show(
    axes: Axes, picture: np.ndarray, title: str = "", *, size: tuple[int, int] | None = None, **options: Any
) -> Any:
    """Put a picture into a panel, without ticks.   size: (H, W) of the coordinates, if not the picture's own

    options: imshow's
    """
    height, width = size or picture.shape[:2]
    options = {"extent": (0, width, height, 0), "interpolation": "nearest", "aspect": "equal", **options}
    image = axes.imshow(picture, **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=SMALL)
    return image


def outline(axes: Axes, patch: tuple[int, int], grid: tuple[int, int], size: tuple[int, int]) -> None:
    """Mark a patch (row, column) of a picture of size (H, W)."""
    height, width = size[0] / grid[0], size[1] / grid[1]
    corner = (patch[1] * width, patch[0] * height)
    for color, line in (("white", 3.0), (MARK, 1.5)):
        axes.add_patch(
            matplotlib("patches").Rectangle(corner, width, height, fill=False, edgecolor=color, linewidth=line)
        )


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
    return matplotlib("colors").ListedColormap(table, name=name).with_extremes(bad=missing)


def check_patch(patch: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """The patch (row, column); ValueError outside the grid."""
    row, column = patch
    if not (0 <= row < grid[0] and 0 <= column < grid[1]):
        raise ValueError(f"expected patch as (row, column) within the grid {grid}, got {patch}")
    return row, column
