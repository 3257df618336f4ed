"""Where the heads look, and how far.   [ViT §4.5, fig. 7 right]"""

from collections.abc import Mapping

import numpy as np

from .panels import (
    BLUE,
    FOR_BAR,
    GREY,
    LABEL,
    SMALL,
    Figure,
    color_bar,
    figure,
    heat_map,
    outline,
    pale,
    panel_size,
    show,
)  # fmt: skip
from .selection import check_patch, check_tokens, named, photo_of, picture

SUFFIX = ".attention.weights"
WEIGHTS, EXAMPLE = r".*\.attention\.weights", "blocks.0.attention.weights"
TOP = 99.8  # percentile of the weights that gets the full colour: one sharp head must not hide the others
SPREAD = 0.5  # of a block's dots, in blocks, so that heads alike do not hide each other


def check_weights(weights: np.ndarray, grid: tuple[int, int], prefix: int, name: str) -> None:
    """ValueError unless every token of a picture attends to every token of it.   weights: (N, A, T, T)"""
    if weights.ndim != 4 or weights.shape[2] != weights.shape[3]:
        raise ValueError(
            f"{name}: expected attention of every token to every token, (N, A, T, T), got {weights.shape}; "
            "where keys are pooled or fewer tokens ask there is no such map"
        )
    check_tokens(weights.shape[2], grid, prefix, name)


def attention_of_patch(
    weights: np.ndarray,
    grid: tuple[int, int],
    patch: tuple[int, int] | None,
    *,
    prefix: int = 1,
    index: int = 0,
    name: str = "weights",
) -> np.ndarray:
    """How much one patch takes from each patch, by head: a row of the weights.   (N, A, T, T) -> (A, h, w)

    A map's sum is 1 less what is taken from the tokens before the grid.   patch: (row, column); None: the class token
    name: of the weights, for errors
    """
    check_weights(weights, grid, prefix, name)
    if patch is None and prefix == 0:
        raise ValueError("expected a patch: with prefix 0 there is no class token")
    asking = 0
    if patch is not None:
        check_patch(patch, grid)
        asking = prefix + patch[0] * grid[1] + patch[1]
    return picture(weights, index, name)[:, asking, prefix:].reshape(-1, *grid)


def mean_attention_distance(
    weights: np.ndarray, grid: tuple[int, int], patch_size: float, *, prefix: int = 1, name: str = "weights"
) -> np.ndarray:
    """mean over q of sum_k w[q, k] |q - k|: how far a head's patches look.   (N, A, T, T) -> (N, A) float64

    In pixels of the network's input, between the patches' centres. Only the grid's tokens count, as q and as k, and
    each row of weights is divided by its sum over them.   [ViT fig. 7, right]
    """
    check_weights(weights, grid, prefix, name)
    among = weights[:, :, prefix:, prefix:].astype(np.float64)
    among /= np.maximum(among.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)  # a row may be all zeros
    return np.einsum("naqk,qk->na", among, distances(grid, patch_size)) / among.shape[2]


def distances(grid: tuple[int, int], patch_size: float) -> np.ndarray:
    """Between the centres of all pairs of patches, in pixels.   -> (h w, h w)"""
    places = np.reshape(np.indices(grid), (2, -1)).T * patch_size
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


def draw_attention(
    tape: Mapping[str, np.ndarray],
    photo: np.ndarray,
    grid: tuple[int, int],
    *,
    patch: tuple[int, int] | None,
    prefix: int = 1,
    index: int = 0,
) -> Figure:
    """Where one patch looks, by block (rows) and head (columns), over the photo.

    tape: with blocks.*.attention.weights, or some of them   patch: (row, column), see `patch_at`; None: the class token
    All panels share one scale; below each is what goes to the tokens before the grid. A hundred panels take seconds: of
    a large model give some blocks.
    """
    photo, found = photo_of(photo), named(tape, WEIGHTS, EXAMPLE)
    size, where = photo.shape[:2], {"prefix": prefix, "index": index}
    maps = {name: attention_of_patch(weights, grid, patch, name=name, **where) for name, weights in found.items()}
    asking = "the class token" if patch is None else f"the marked patch (row {patch[0]}, column {patch[1]})"
    made, axes = figure(
        len(maps),
        max(len(of_heads) for of_heads in maps.values()),
        panel=panel_size(size, 3.4, text=0.35 if prefix else 0.2),
        title=f"Where {asking} looks",
        beside=FOR_BAR,
    )
    top = float(np.percentile(np.concatenate([of_heads.ravel() for of_heads in maps.values()]), TOP))
    background = pale(photo)
    heat = {"cmap": heat_map(), "vmin": 0, "vmax": top}
    before = "to class token" if prefix == 1 else f"to {prefix} tokens before the grid"
    for i, (name, of_heads) in enumerate(maps.items()):
        for head, panel in enumerate(axes[i]):
            if head >= len(of_heads):
                panel.set_axis_off()
                continue
            show(panel, background, size=size)
            image = show(panel, of_heads[head], f"head {head}" if i == 0 else "", size=size, **heat)
            if patch is not None:
                outline(panel, patch, grid, size)
            if prefix:
                panel.set_xlabel(f"{before} {max(1 - of_heads[head].sum(), 0):.0%}", fontsize=SMALL)
        axes[i, 0].set_ylabel(name.removesuffix(SUFFIX), fontsize=LABEL)
    color_bar(made, image, axes, "attention weight (a token's weights sum to 1)")
    return made


def draw_attention_distance(
    tape: Mapping[str, np.ndarray],
    grid: tuple[int, int],
    patch_size: float,
    *,
    prefix: int = 1,
    index: int | None = None,
) -> Figure:
    """How far the heads look, a dot for each head of each block; dashed: looking everywhere alike.

    tape: with blocks.*.attention.weights   index: a picture of the batch; None: the mean over all
    [ViT fig. 7, right]
    """
    found = named(tape, WEIGHTS, EXAMPLE)
    made, ((axes,),) = figure(1, 1, panel=(max(6.5, 0.45 * len(found)), 4.0), title="How far do the heads look?")
    farthest = alike = distances(grid, patch_size).mean()
    for block, (name, weights) in enumerate(found.items()):
        reach = mean_attention_distance(weights, grid, patch_size, prefix=prefix, name=name)
        reach = reach.mean(axis=0) if index is None else picture(reach, index, name)
        places = block + (np.arange(len(reach)) - (len(reach) - 1) / 2) * SPREAD / len(reach)
        farthest = max(farthest, reach.max())
        axes.scatter(places, reach, color=BLUE, s=30, label="a head" if block == 0 else None)
    axes.axhline(alike, color=GREY, linestyle="--", linewidth=1, label="looking everywhere alike")
    axes.set_xticks(range(len(found)), [name.removesuffix(SUFFIX) for name in found], fontsize=SMALL)
    axes.tick_params(axis="x", rotation=60 if len(found) > 8 else 0)
    axes.set_ylim(0, 1.3 * farthest or 1)  # room for the legend
    axes.set_ylabel("mean attention distance\n(pixels of the network's input)", fontsize=LABEL)
    axes.legend(fontsize=SMALL, loc="upper right")
    return made
