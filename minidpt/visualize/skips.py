"""What each fusion step's skip contributes: scale one, run again, look at what changes.   [DPT fig. 1, right]"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .panels import LABEL, SMALL, Figure, color_bar, color_map, figure, panel_size, show
from .taken import picture

FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0)


def rescaled_skips(model: Any, pixel_values: np.ndarray, factors: Sequence[float] = FACTORS) -> np.ndarray:
    """The depth maps when one level's neck map is scaled, the others left alone.   -> (levels, factors, N, H, W)

    pixel_values: (N, C, H, W)   levels: finest first, as neck.0 ...   A neck's convolution has no bias, so that scaling its
    weights in a copy scales what fusion gets of that level and nothing else. The model runs levels x factors times, a
    factor of 1 once for all.   ValueError for a model that estimates no depth
    """
    names = [t.name for t in model.table if t.name.startswith("neck.")]
    output = model(pixel_values)
    if not names or not hasattr(output, "predicted_depth"):
        raise ValueError(f"expected a model that estimates depth, got a {type(model).__name__}")
    weights = dict(model.weights)

    def depth(name: str, factor: float) -> np.ndarray:
        if factor == 1:
            return output.predicted_depth
        scaled = {**weights, name: weights[name] * np.float32(factor)}
        twin = model.from_weights(model.config, scaled, model.backend, model.precision)
        return twin(pixel_values).predicted_depth

    return np.stack([[depth(name, factor) for factor in factors] for name in names])


def relative_change(changed: np.ndarray, original: np.ndarray) -> float:
    """|changed - original| / |original|, L2 norms over all pixels; infinite where the original is zero everywhere."""
    difference = np.linalg.norm(np.asarray(changed, np.float64) - original)
    length = np.linalg.norm(np.asarray(original, np.float64))
    return float(difference / length) if length else float(difference and np.inf)


def draw_skips(depths: np.ndarray, factors: Sequence[float] = FACTORS, *, index: int = 0) -> Figure:
    """A row for each level, coarsest first as fusion takes them, a column for each factor; the curves sum them up.

    depths: what `rescaled_skips` gave, (levels, factors, N, H, W), for factors with 1 among them
    All maps share the colours of the unchanged one; below each is how much it differs, |d - d_1| / |d_1|.
    """
    depths, factors = np.asarray(depths), [float(factor) for factor in factors]
    if depths.ndim != 5 or depths.shape[1] != len(factors) or 1.0 not in factors:
        raise ValueError(
            f"expected depths (levels, factors, N, H, W) of factors with 1 among them, got {depths.shape} of {factors}"
        )
    levels = len(depths)
    maps = picture(depths.transpose(2, 0, 1, 3, 4), index, "depths")
    original = maps[0, factors.index(1.0)]
    made, axes = figure(
        levels,
        len(factors) + 1,
        panel=panel_size(*original.shape, 4),
        title="What each level contributes: its map times a factor before fusion, all else unchanged",
    )
    for row, level in zip(axes, reversed(range(levels)), strict=True):
        changes = [relative_change(maps[level, f], original) for f in range(len(factors))]
        for f, factor in enumerate(factors):
            title = f"neck.{level} × {factor:g}"
            image = show(
                row[f], maps[level, f], title, cmap=color_map("inferno"), vmin=original.min(), vmax=original.max()
            )
            row[f].set_xlabel("unchanged" if factor == 1 else f"changes by {changes[f]:.0%}", fontsize=SMALL)
        row[-1].plot(factors, [100 * change for change in changes], color="#1f6fb4", marker="o")
        row[-1].set_xlabel("factor", fontsize=SMALL)
        row[-1].set_ylabel("change (%)", fontsize=SMALL)
        row[-1].tick_params(labelsize=SMALL)
    color_bar(made, image, axes[:, :-1], "depth as the model gives it")
    return made
