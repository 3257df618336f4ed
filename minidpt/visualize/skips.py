"""What each level contributes to fusion: scale its map, run again, look at what changes.   [DPT fig. 1, right]"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..render import span
from .panels import BLUE, FOR_BAR, SMALL, UNITS, Figure, color_bar, figure, panel_size, show_depth
from .selection import picture

FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0)


def rescaled_skips(model: Any, pixel_values: np.ndarray, factors: Sequence[float] = FACTORS) -> np.ndarray:
    """The depth maps when one level's map is scaled and the others are left alone.   -> (levels, factors, N, H, W)

    pixel_values: (N, C, H, W)   levels: as neck.0 ..., finest first; the deepest is where fusion begins, the others are
    its skips. A neck's convolution has no bias: its weights times a factor, in a copy, are the map neck.k times that
    factor, and nothing else. The model runs once and levels x factors times. ValueError unless it estimates depth.
    """
    names = [t.name for t in model.table if t.name.startswith("neck.")]
    output = model(pixel_values)
    if not hasattr(output, "predicted_depth"):
        raise ValueError(f"expected a model that estimates depth, got a {type(model).__name__}")
    weights = dict(model.weights)

    def depth(name: str, factor: float) -> np.ndarray:
        if factor == 1:
            return output.predicted_depth
        scaled = {**weights, name: weights[name] * np.float32(factor)}
        twin = model.from_weights(model.config, scaled, model.backend, model.precision)
        return twin(pixel_values).predicted_depth

    return np.array([[depth(name, factor) for factor in factors] for name in names])


def relative_change(changed: np.ndarray, original: np.ndarray) -> float:
    """|changed - original| / |original|, L2 norms over all pixels; infinite where only the original is all zero."""
    difference = float(np.linalg.norm(changed.astype(np.float64) - original))
    length = float(np.linalg.norm(original.astype(np.float64)))
    return difference / length if length else np.inf if difference else 0.0


def draw_skips(depths: np.ndarray, factors: Sequence[float] = FACTORS, *, kind: str, index: int = 0) -> Figure:
    """What each level contributes: a row for each, coarsest first as fusion takes them, a column for each factor.

    depths: (levels, factors, N, H, W), from `rescaled_skips` with these factors, 1 among them   kind: the output's
    All maps have the unchanged one's colours; below each, and in the curves, how much it differs (`relative_change`).
    """
    depths, factors = np.asarray(depths), [float(factor) for factor in factors]
    if depths.ndim != 5 or depths.shape[1] != len(factors) or 1.0 not in factors:
        raise ValueError(
            f"expected depths (levels, factors, N, H, W) of factors with 1 among them, got {depths.shape} of {factors}"
        )
    maps = picture(depths.transpose(2, 0, 1, 3, 4), index, "depths")
    original = maps[0, factors.index(1.0)]
    limits = span(original, kind)
    changes = [[relative_change(changed, original) for changed in of_level] for of_level in maps]
    title = "What each level contributes to fusion: its map times a factor, all else unchanged"
    panel = panel_size(original.shape, 4, text=0.55)
    made, axes = figure(len(maps), len(factors) + 1, panel=panel, title=title, beside=FOR_BAR)
    for row, level in zip(axes, reversed(range(len(maps))), strict=True):
        for place, factor in enumerate(factors):
            name = f"neck.{level} × {factor:g}"
            image = show_depth(row[place], maps[level, place], name, kind=kind, limits=limits)
            change = "unchanged" if factor == 1 else f"changes by {changes[level][place]:.1%}"
            row[place].set_xlabel(change, fontsize=SMALL)
        row[-1].plot(factors, [100 * change for change in changes[level]], color=BLUE, marker="o")
        row[-1].set_ylim(0, 105 * max(map(max, changes)) or 1)
        row[-1].set_xlabel(f"factor of neck.{level}", fontsize=SMALL)
        row[-1].set_ylabel("change (%)", fontsize=SMALL)
        row[-1].tick_params(labelsize=SMALL)
    color_bar(made, image, axes[:, :-1], UNITS[kind])
    return made
