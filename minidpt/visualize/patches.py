"""What the encoder is given: a photo in patches, each with a learnt position.   [ViT §3.1, fig. 7]"""

import numpy as np

from .panels import LABEL, MARK, SMALL, Figure, check_patch, color_bar, color_map, figure, outline, panel_size, show
from .taken import check_tokens, photo_of

GAP = 0.12  # between patches that are pulled apart, in patches


def patch_at(x: float, y: float, photo: np.ndarray, grid: tuple[int, int]) -> tuple[int, int]:
    """The patch (row, column) under a pixel of the photo, x to the right and y downwards; ValueError outside."""
    height, width = photo_of(photo).shape[:2]
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"expected a pixel within the photo's {width} x {height}, got x = {x}, y = {y}")
    return int(y * grid[0] / height), int(x * grid[1] / width)


def position_similarity(positions: np.ndarray, grid: tuple[int, int], *, prefix: int = 1) -> np.ndarray:
    """cos(p, q) = p . q / (|p| |q|) between the positions of all patches.   (1, T, D) or (T, D) -> (h, w, h, w)

    [0, 1] holds the map of the patch in row 0, column 1. A position of length zero is like no other: 0.
    positions: `model.weights["backbone.position_embeddings"]`, whose grid is that of the config's image_size   [ViT fig. 7]
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
    """A photo cut into its patches: the grid over it, and the patches pulled apart in the order of the tokens.

    patch: one to mark, (row, column)   photo, grid, prefix: see the package   [ViT fig. 1]
    """
    photo, (rows, columns) = photo_of(photo), grid
    height, width = photo.shape[:2]
    check_fits(grid, photo)
    before = f"{prefix} token{'s' if prefix > 1 else ''} before them, " if prefix else ""
    made, ((left, right),) = figure(
        1,
        2,
        panel=panel_size(height, width, 20),
        title=f"{rows} × {columns} patches: {before}{prefix + rows * columns} tokens in all",
    )
    show(left, photo, "the photo; rows and columns of the grid")
    left.set_xticks((np.arange(columns) + 0.5) * width / columns, np.arange(columns), fontsize=SMALL)
    left.set_yticks((np.arange(rows) + 0.5) * height / rows, np.arange(rows), fontsize=SMALL)
    left.tick_params(length=0)
    left.hlines(np.arange(1, rows) * height / rows, 0, width, color="white", linewidth=0.6)
    left.vlines(np.arange(1, columns) * width / columns, 0, height, color="white", linewidth=0.6)
    show(right, pulled_apart(photo, grid), "one token for each patch, row by row")
    if patch is not None:
        row, column = check_patch(patch, grid)
        outline(left, (row, column), grid, (height, width))
        number = prefix + row * columns + column
        left.set_xlabel(f"patch ({row}, {column}) is token {number}", fontsize=LABEL, color="black")
    return made


def check_fits(grid: tuple[int, int], photo: np.ndarray) -> None:
    """ValueError unless every patch of the grid has a pixel of the photo."""
    if not (1 <= grid[0] <= photo.shape[0] and 1 <= grid[1] <= photo.shape[1]):
        raise ValueError(f"expected a grid of 1 x 1 to the photo's {photo.shape[:2]}, got {grid}")


def pulled_apart(photo: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The photo with white gaps between its patches.   (H, W, 3) -> (H', W', 3) uint8"""
    bounds = [np.linspace(0, side, n + 1).round().astype(int) for side, n in zip(photo.shape, grid, strict=False)]
    gap = max(round(GAP * min(side / n for side, n in zip(photo.shape, grid, strict=False))), 1)
    apart = photo
    for axis in (0, 1):
        apart = np.insert(apart, np.repeat(bounds[axis][1:-1], gap), 255, axis=axis)
    return apart


def draw_position_similarity(positions: np.ndarray, grid: tuple[int, int], *, prefix: int = 1) -> Figure:
    """For every patch a small map: how alike its position is to those of all patches.   [ViT fig. 7, centre]

    The map in row r, column c belongs to that patch.   positions, grid, prefix: as `position_similarity`'s
    """
    similarity = position_similarity(positions, grid, prefix=prefix)
    rows, columns = grid
    made, ((axes,),) = figure(
        1,
        1,
        panel=panel_size(rows, columns, 42),
        title="How alike are the learnt positions?\nEach small map is one patch's view of the whole grid",
    )
    image = show(axes, mosaic(similarity), cmap=color_map("viridis", missing="white"), vmin=similarity.min(), vmax=1)
    axes.set_xticks(np.arange(columns) * (columns + 1) + columns / 2, np.arange(columns), fontsize=SMALL)
    axes.set_yticks(np.arange(rows) * (rows + 1) + rows / 2, np.arange(rows), fontsize=SMALL)
    axes.set_xlabel("patch's column", fontsize=LABEL)
    axes.set_ylabel("patch's row", fontsize=LABEL)
    color_bar(made, image, axes, "cosine similarity")
    return made


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Small maps laid out by the patch they belong to, a line of NaN between.   (h, w, h, w) -> (h (h + 1) - 1, ...)"""
    rows, columns = maps.shape[:2]
    lined = np.pad(maps, [(0, 0), (0, 0), (0, 1), (0, 1)], constant_values=np.nan)
    return lined.transpose(0, 2, 1, 3).reshape(rows * (rows + 1), columns * (columns + 1))[:-1, :-1]
