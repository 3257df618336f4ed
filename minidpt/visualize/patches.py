"""What the encoder is given: a photo in patches, each with a learnt position.   [ViT §3.1, fig. 7]"""

import math

import numpy as np

from .panels import FOR_BAR, LABEL, SMALL, Figure, color_bar, color_map, figure, outline, panel_size, show
from .selection import check_patch, check_tokens, photo_of

GAP = 0.12  # between patches that are pulled apart and between small maps, in their sides
MOST_MAPS, MOST_TICKS = 12, 20  # along a side, of what can still be told apart


def patch_at(x: float, y: float, photo: np.ndarray, grid: tuple[int, int]) -> tuple[int, int]:
    """The patch (row, column) under a pixel of the photo, x to the right and y downwards; ValueError outside."""
    height, width = photo_of(photo).shape[:2]
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"expected a pixel within the photo's {width} x {height}, got x = {x}, y = {y}")
    return int(y * grid[0] / height), int(x * grid[1] / width)


def position_similarity(positions: np.ndarray, grid: tuple[int, int], *, prefix: int = 1) -> np.ndarray:
    """cos(p, q) = p . q / (|p| |q|) between the positions of all patches.   (1, T, D) or (T, D) -> (h, w, h, w)

    [0, 1] is the map of the patch in row 0, column 1. A position of length zero is like no other: 0.
    positions: `model.weights["backbone.position_embeddings"]`; its grid is that of the config's image_size.
    [ViT fig. 7, centre]
    """
    positions = np.asarray(positions, np.float64)
    if positions.ndim == 3 and len(positions) == 1:
        positions = positions[0]
    if positions.ndim != 2:
        raise ValueError(f"expected positions as (1, T, D) or (T, D), got {positions.shape}")
    check_tokens(len(positions), grid, prefix, "positions")
    of_patches = positions[prefix:]
    length = np.linalg.norm(of_patches, axis=1, keepdims=True)
    unit = of_patches / np.where(length > 0, length, 1)
    return (unit @ unit.T).reshape(*grid, *grid)


def draw_patch_grid(
    photo: np.ndarray, grid: tuple[int, int], *, patch: tuple[int, int] | None = None, prefix: int = 1
) -> Figure:
    """A photo cut into its patches: the grid over it, and the patches pulled apart.   [ViT fig. 1]

    patch: one to mark, (row, column)
    """
    photo, (rows, columns) = photo_of(photo), grid
    height, width = photo.shape[:2]
    if not (1 <= rows <= height and 1 <= columns <= width):
        raise ValueError(f"expected a grid of 1 x 1 to the photo's {height} x {width}, got {rows} x {columns}")
    before = ("", ", after the class token", f", after {prefix} others")[min(prefix, 2)]
    title = f"{rows} × {columns} patches make {rows * columns} tokens{before}"
    made, ((whole, apart),) = figure(1, 2, panel=panel_size(photo.shape, 20, text=0.6), title=title)
    show(whole, photo, "the photo under its grid")
    some_columns, some_rows = every(columns, MOST_TICKS), every(rows, MOST_TICKS)
    whole.set_xticks((some_columns + 0.5) * width / columns, some_columns, fontsize=SMALL)
    whole.set_yticks((some_rows + 0.5) * height / rows, some_rows, fontsize=SMALL)
    whole.tick_params(length=0)
    whole.hlines(np.arange(1, rows) * height / rows, 0, width, color="white", linewidth=0.6)
    whole.vlines(np.arange(1, columns) * width / columns, 0, height, color="white", linewidth=0.6)
    whole.set_xlabel("column", fontsize=LABEL)
    whole.set_ylabel("row", fontsize=LABEL)
    patches = pulled_apart(photo, grid)
    show(apart, patches, "its patches, row by row; each row's first token")
    apart.set_yticks((some_rows + 0.5) * len(patches) / rows, prefix + columns * some_rows, fontsize=SMALL)
    apart.tick_params(length=0)
    if patch is not None:
        check_patch(patch, grid)
        outline(whole, patch, grid, (height, width))
        number = prefix + patch[0] * columns + patch[1]
        apart.set_xlabel(f"the marked patch, row {patch[0]} and column {patch[1]}, is token {number}", fontsize=LABEL)
    return made


def every(count: int, most: int) -> np.ndarray:
    """0, step, 2 step, ... below count, with the least step that makes them at most `most`."""
    return np.arange(0, count, math.ceil(count / most))


def pulled_apart(photo: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The photo with white gaps between its patches.   (H, W, 3) -> (H', W', 3) uint8"""
    sides = photo.shape[:2]
    gap = max(round(GAP * min(sides[0] / grid[0], sides[1] / grid[1])), 1)
    apart = photo
    for axis in (0, 1):
        borders = np.linspace(0, sides[axis], grid[axis] + 1).round().astype(int)[1:-1]
        apart = np.insert(apart, np.repeat(borders, gap), 255, axis=axis)
    return apart


def draw_position_similarity(positions: np.ndarray, grid: tuple[int, int], *, prefix: int = 1) -> Figure:
    """For each patch a small map: how alike its position is to those of all patches.   [ViT fig. 7, centre]

    positions, grid, prefix: as `position_similarity`'s. Of a large grid every second, third, ... patch has a map; the
    numbers beside them say which.
    """
    similarity = position_similarity(positions, grid, prefix=prefix)
    step = math.ceil(max(grid) / MOST_MAPS)
    rows, columns = (np.arange((step - 1) // 2, side, step) for side in grid)
    gap = max(round(GAP * min(grid)), 1)
    title = "How alike are the learnt positions?\nEach small map: one patch's position beside those of all patches"
    panel = panel_size(grid, 42, text=0.6)
    made, ((axes,),) = figure(1, 1, panel=panel, title=title, beside=FOR_BAR)
    colors = color_map("viridis", missing="white")
    maps = mosaic(similarity[np.ix_(rows, columns)], gap)
    image = show(axes, maps, cmap=colors, vmin=similarity.min(), vmax=1)
    axes.set_xticks(np.arange(len(columns)) * (grid[1] + gap) + grid[1] / 2, columns, fontsize=SMALL)
    axes.set_yticks(np.arange(len(rows)) * (grid[0] + gap) + grid[0] / 2, rows, fontsize=SMALL)
    axes.set_xlabel("the patch's column", fontsize=LABEL)
    axes.set_ylabel("the patch's row", fontsize=LABEL)
    color_bar(made, image, axes, "cosine similarity (1 = the same direction)")
    return made


def mosaic(maps: np.ndarray, gap: int = 1) -> np.ndarray:
    """Small maps in rows and columns, `gap` of NaN between.   (a, b, h, w) -> (a (h + gap) - gap, b (w + gap) - gap)"""
    apart = np.pad(maps, [(0, 0), (0, 0), (0, gap), (0, gap)], constant_values=np.nan)
    a, b, h, w = apart.shape
    return apart.transpose(0, 2, 1, 3).reshape(a * h, b * w)[:-gap, :-gap]
