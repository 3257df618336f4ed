"""Where the heads look, and how far.   [ViT §4.5, fig. 7 right]"""

from collections.abc import Mapping

import numpy as np

from .panels import (
    LABEL, SMALL, Figure, check_patch, color_bar, color_map, figure, outline, panel_size, show,
)  # fmt: skip
from .taken import check_tokens, named, photo_of, picture

WEIGHTS, EXAMPLE = r".*attention\.weights", "blocks.0.attention.weights"


def check_weights(weights: np.ndarray, grid: tuple[int, int], prefix: int, name: str) -> None:
    """ValueError unless every token attends to every token of one whole picture.   weights: (N, A, T, T)"""
    if weights.ndim != 4 or weights.shape[2] != weights.shape[3]:
        raise ValueError(
            f"{name}: expected attention of every token to every token, (N, A, T, T), got {weights.shape}; "
            "encoders whose keys are pooled or whose queries are fewer cannot be drawn so"
        )
    check_tokens(weights.shape[2], grid, prefix, name)


def attention_of_patch(
    weights: np.ndarray, grid: tuple[int, int], patch: tuple[int, int] | None, *, prefix: int = 1, index: int = 0
) -> np.ndarray:
    """The row of a patch's query: how much it takes from each patch.   weights: (N, A, T, T) -> (A, h, w)

    The sum over a map is 1 less what goes to the tokens before the grid.   patch: (row, column); None: the class token's
    """
    check_weights(weights, grid, prefix, "weights")
    if patch is None and prefix == 0:
        raise ValueError("expected a patch: without tokens before the grid there is no class token")
    asking = 0
    if patch is not None:
        row, column = check_patch(patch, grid)
        asking = prefix + row * grid[1] + column
    return picture(weights, index, "weights")[:, asking, prefix:].reshape(-1, *grid)


def mean_attention_distance(
    weights: np.ndarray, grid: tuple[int, int], patch_size: float, *, prefix: int = 1
) -> np.ndarray:
    """mean over q of sum_k w[q, k] |q - k|: how far, on average, a head's patches look.   (N, A, T, T) -> (N, A)

    In pixels of the network's input, between the patches' centres. Only the grid's tokens count, both as q and as k;
    each row of weights is divided by its sum over them.   [ViT fig. 7, right]
    """
    check_weights(weights, grid, prefix, "weights")
    among = weights[:, :, prefix:, prefix:].astype(np.float64)
    among = among / np.maximum(among.sum(axis=-1, keepdims=True), np.finfo(np.float32).tiny)
    return np.einsum("naqk,qk->na", among, distances(grid, patch_size)) / len(among[0, 0])


def distances(grid: tuple[int, int], patch_size: float) -> np.ndarray:
    """Between the centres of all pairs of patches, in pixels.   -> (h w, h w)"""
    places = np.stack(np.indices(grid), axis=-1).reshape(-1, 2) * patch_size
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

    tape: with blocks.*.attention.weights, or only those of some blocks   patch: (row, column), see `patch_at`; None:
    the class token's view   photo, grid, prefix, index: see the package
    One colour scale for all panels, up to the 99.8th percentile; below each panel the share that stays with the tokens
    before the grid.
    """
    photo, found = photo_of(photo), named(tape, WEIGHTS, EXAMPLE)
    size = photo.shape[:2]
    maps = {
        name: attention_of_patch(weights, grid, patch, prefix=prefix, index=index) for name, weights in found.items()
    }
    heads = max(len(x) for x in maps.values())
    asking = "the class token looks" if patch is None else f"patch {tuple(patch)} looks"
    made, axes = figure(
        len(maps), heads, panel=panel_size(*size, 3.2), title=f"Where {asking}: rows are blocks, columns heads"
    )
    top = float(np.percentile(np.concatenate([x.ravel() for x in maps.values()]), 99.8))
    grey = np.broadcast_to(photo.mean(axis=2, keepdims=True).astype(np.uint8), photo.shape)
    for row, (name, of_heads) in zip(axes, maps.items(), strict=True):
        for head, panel in enumerate(row):
            if head >= len(of_heads):
                panel.set_axis_off()
                continue
            weights = of_heads[head]
            show(panel, grey, f"head {head}" if row is axes[0] else "")
            image = show(
                panel, weights, panel.get_title(), size=size, cmap=color_map("inferno"), vmin=0, vmax=top, alpha=0.72
            )
            if prefix:
                panel.set_xlabel(f"to the {PREFIX[prefix > 1]} {1 - weights.sum():.0%}", fontsize=SMALL)
            if patch is not None:
                outline(panel, patch, grid, size)
        row[0].set_ylabel(name.removesuffix(".attention.weights"), fontsize=LABEL)
    bar = color_bar(made, image, axes, "attention weight (a patch's weights sum to 1)")
    bar.solids.set_alpha(1)
    return made


PREFIX = ("class token", "tokens before the grid")


def draw_attention_distance(
    tape: Mapping[str, np.ndarray],
    grid: tuple[int, int],
    patch_size: float,
    *,
    prefix: int = 1,
    index: int | None = None,
) -> Figure:
    """How far the heads look: a dot for each head of each block, and where looking everywhere alike would be.

    tape: with blocks.*.attention.weights   index: a picture of the batch; None: the mean over all   [ViT fig. 7, right]
    """
    found = named(tape, WEIGHTS, EXAMPLE)
    made, ((axes,),) = figure(1, 1, panel=(7, 4.2), title="How far do the heads look?")
    for i, (name, weights) in enumerate(found.items()):
        reach = mean_attention_distance(weights, grid, patch_size, prefix=prefix)
        reach = reach.mean(axis=0) if index is None else picture(reach, index, name)
        axes.scatter(
            np.full(len(reach), i), reach, color="#1f6fb4", s=32, alpha=0.8, label="a head" if i == 0 else None
        )
    axes.axhline(
        distances(grid, patch_size).mean(), color="#888888", linestyle="--", linewidth=1, label="all patches alike"
    )
    axes.set_xticks(range(len(found)), [name.removesuffix(".attention.weights") for name in found], fontsize=SMALL)
    axes.tick_params(axis="x", rotation=45 if len(found) > 8 else 0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean attention distance (pixels)", fontsize=LABEL)
    axes.legend(fontsize=SMALL, loc="lower right")
    return made
