"""What the encoder is given: a photo in patches, each with a learnt position.   [ViT §3.1, fig. 7]"""

import numpy as np

from .panels import FOR_BAR, LABEL, SMALL, Figure, color_bar, color_map, figure, outline, panel_size, show
from .selection import check_patch, check_tokens, photo_of

GAP = 0.12  # between patches that are pulled apart, in patches


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
    tokens = f"{rows} × {columns} patches make {rows * columns} tokens"
    before = f", after {prefix} that stand{'' if prefix > 1 else 's'} for no patch" if prefix else ""
    panel = panel_size(photo.shape, 20, text=0.6)
    made, ((whole, apart),) = figure(1, 2, panel=panel, title=tokens + before)
    show(whole, photo, "the photo under its grid")
    whole.set_xticks((np.arange(columns) + 0.5) * width / columns, np.arange(columns), fontsize=SMALL)
    whole.set_yticks((np.arange(rows) + 0.5) * height / rows, np.arange(rows), fontsize=SMALL)
    whole.tick_params(length=0)
    whole.hlines(np.arange(1, rows) * height / rows, 0, width, color="white", linewidth=0.6)
    whole.vlines(np.arange(1, columns) * width / columns, 0, height, color="white", linewidth=0.6)
    whole.set_xlabel("column", fontsize=LABEL)
    whole.set_ylabel("row", fontsize=LABEL)
    patches = pulled_apart(photo, grid)
    show(apart, patches, "its patches, row by row; each row's first token")
    first = prefix + columns * np.arange(rows)
    apart.set_yticks((np.arange(rows) + 0.5) * len(patches) / rows, first, fontsize=SMALL)
    apart.tick_params(length=0)
    if patch is not None:
        check_patch(patch, grid)
        outline(whole, patch, grid, (height, width))
        number = prefix + patch[0] * columns + patch[1]
        apart.set_xlabel(f"the marked patch, row {patch[0]} and column {patch[1]}, is token {number}", fontsize=LABEL)
    return made


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
    """For every patch a small map: how alike its position is to those of all patches.   [ViT fig. 7, centre]

    positions, grid, prefix: as `position_similarity`'s. The small map in row r, column c is that patch's.
    """
    similarity = position_similarity(positions, grid, prefix=prefix)
    rows, columns = grid
    title = "How alike are the learnt positions?\nEach small map: one patch's position beside those of all patches"
    panel = panel_size(grid, 42, text=0.6)
    made, ((axes,),) = figure(1, 1, panel=panel, title=title, beside=FOR_BAR)
    colors = color_map("viridis", missing="white")
    image = show(axes, mosaic(similarity), cmap=colors, vmin=similarity.min(), vmax=1)
    axes.set_xticks(np.arange(columns) * (columns + 1) + columns / 2, np.arange(columns), fontsize=SMALL)
    axes.set_yticks(np.arange(rows) * (rows + 1) + rows / 2, np.arange(rows), fontsize=SMALL)
    axes.set_xlabel("the patch's column", fontsize=LABEL)
    axes.set_ylabel("the patch's row", fontsize=LABEL)
    color_bar(made, image, axes, "cosine similarity (1 = the same direction)")
    return made


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Small maps in the places of the patches they belong to, a line of NaN between.

    (h, w, h, w) -> (h (h + 1) - 1, w (w + 1) - 1)
    """
    rows, columns = maps.shape[:2]
    lined = np.pad(maps, [(0, 0), (0, 0), (0, 1), (0, 1)], constant_values=np.nan)
    return lined.transpose(0, 2, 1, 3).reshape(rows * (rows + 1), columns * (columns + 1))[:-1, :-1]
