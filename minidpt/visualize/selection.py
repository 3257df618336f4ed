"""What a figure takes of its arguments: the names it draws, one picture of the batch, the tokens of the grid."""

import re
from collections.abc import Mapping

import numpy as np

NAMES_SHOWN = 8


def named(tape: Mapping[str, np.ndarray], pattern: str, example: str) -> dict[str, np.ndarray]:
    """The entries whose whole name fits a regular expression, in the tape's order; ValueError if there are none."""
    found = {name: np.asarray(x) for name, x in tape.items() if re.fullmatch(pattern, name)}
    if not found:
        kept = ", ".join([*list(tape)[:NAMES_SHOWN], *(["..."] if len(tape) > NAMES_SHOWN else [])])
        raise ValueError(f"expected names like {example} on the tape, found {kept or 'nothing'}; record them")
    return found


def picture(x: np.ndarray, index: int, name: str) -> np.ndarray:
    """One picture of a batch.   (N, ...) -> (...)"""
    if not 0 <= index < len(x):
        raise ValueError(f"{name}: expected index from 0 to {len(x) - 1}, got {index}")
    return x[index]


def check_tokens(count: int, grid: tuple[int, int], prefix: int, name: str) -> None:
    """ValueError unless `count` tokens are the prefix and the grid."""
    rows, columns = grid
    if rows < 1 or columns < 1 or prefix < 0 or count != prefix + rows * columns:
        raise ValueError(
            f"{name}: expected {prefix} + {rows} x {columns} tokens, prefix and grid, got {count}; "
            "give the model's own (attention within windows has no grid of the whole picture)"
        )


def check_patch(patch: tuple[int, int], grid: tuple[int, int]) -> None:
    """ValueError unless the patch (row, column) is on the grid."""
    if not (0 <= patch[0] < grid[0] and 0 <= patch[1] < grid[1]):
        raise ValueError(f"expected patch as (row, column) on the grid {tuple(grid)}, got {tuple(patch)}")


def token_map(x: np.ndarray, grid: tuple[int, int], prefix: int, name: str) -> np.ndarray:
    """Tokens without the prefix, on their grid; a map stays.   (T, D) or (h, w, D) -> (h, w, D)"""
    if x.ndim == 3:
        return x
    check_tokens(len(x), grid, prefix, name)
    return x[prefix:].reshape(*grid, -1)


def photo_of(photo: np.ndarray) -> np.ndarray:
    """The photo, checked.   (H, W, 3) uint8"""
    photo = np.asarray(photo)
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ValueError(f"expected photo as (H, W, 3) uint8, got {photo.shape} {photo.dtype}")
    return photo
