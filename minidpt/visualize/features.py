"""What the tokens and maps hold: the main directions of their channels in colours, and how long the tokens grow."""

import re
from collections.abc import Mapping

import numpy as np

from .panels import LABEL, SMALL, Figure, color_bar, color_map, figure, panel_size, show
from .taken import named, photo_of, picture, token_map

STAGES, STAGE = r"(taps|readout|reassembled|neck|fused)\.\d+", "fused.0"
STREAM, BLOCK = r"embeddings|(stages\.\d+\.)?blocks\.\d+", "blocks.0"
SHOWN = (1, 99)  # percentiles of a component that become black and full colour
REDUCTIONS = ("components", "mean")


def principal_components(x: np.ndarray, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the `count` directions in which the vectors vary most.   (..., D) -> (..., count), (count,)

    y = (x - mean) V, V the eigenvectors of the covariance with the largest eigenvalues; beside it each one's share of the
    variance. A direction's sign, which is arbitrary, is such that its largest entry is positive. Zeros beyond the rank.
    """
    vectors = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
    if vectors.shape[1] < count:
        raise ValueError(f"expected at least {count} channels, got {x.shape}")
    centred = vectors - vectors.mean(axis=0)
    variance, directions = np.linalg.eigh(centred.T @ centred)
    variance, directions = variance[: -count - 1 : -1], directions[:, : -count - 1 : -1]
    total = (centred**2).sum()
    share = np.maximum(variance, 0) / (total if total > 0 else 1)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    directions = np.where(share > RANK, directions * np.sign(largest), 0)
    return (centred @ directions).reshape(*x.shape[:-1], count), share


RANK = 1e-12  # a direction's share of the variance below which it is rounding


def as_colors(components: np.ndarray) -> np.ndarray:
    """Three components as red, green, blue, each from its 1st to its 99th percentile.   (H, W, 3) -> (H, W, 3), 0 to 1

    A component that is constant is grey.
    """
    low, high = np.percentile(components, SHOWN, axis=(0, 1))
    spread = high - low
    return np.where(spread > 0, np.clip((components - low) / np.where(spread > 0, spread, 1), 0, 1), 0.5)


def token_norms(x: np.ndarray) -> np.ndarray:
    """|x_t| of every token.   (N, T, D) -> (N, T), of a map (N, H, W, D) -> (N, H W)"""
    if x.ndim not in (3, 4):
        raise ValueError(f"expected tokens (N, T, D) or maps (N, H, W, D), got {x.shape}")
    return np.linalg.norm(x.reshape(len(x), -1, x.shape[-1]).astype(np.float64), axis=-1)


def draw_features(
    tape: Mapping[str, np.ndarray],
    photo: np.ndarray,
    grid: tuple[int, int],
    *,
    over_channels: str = "components",
    prefix: int = 1,
    index: int = 0,
) -> Figure:
    """Every tap, readout, reassembled, neck and fused map of the tape, a row for each stage.

    over_channels: "components": the three directions in which a map varies most, as red, green and blue (colours compare
    within a map, not between maps); "mean": the mean over channels, blue below zero and red above.
    photo, grid, prefix, index: see the package   [DPT fig. 1]
    """
    photo, found = photo_of(photo), named(tape, STAGES, STAGE)
    if over_channels not in REDUCTIONS:
        raise ValueError(f"expected over_channels to be one of {', '.join(REDUCTIONS)}, got {over_channels!r}")
    stages: dict[str, dict[str, np.ndarray]] = {}
    for name, x in found.items():
        one = token_map(picture(x, index, name), grid, 0 if name.startswith("readout") else prefix, name)
        stages.setdefault(name.partition(".")[0], {})[name] = one
    how = {"components": "their three main directions as red, green, blue", "mean": "their mean over channels"}
    made, axes = figure(
        len(stages),
        1 + max(len(maps) for maps in stages.values()),
        panel=panel_size(*photo.shape[:2], 5),
        title=f"What the maps hold: {how[over_channels]}",
    )
    for panel in axes.flat:
        panel.set_axis_off()
    for row, maps in zip(axes, stages.values(), strict=True):
        show(row[0], photo, "photo")
        for panel, (name, x) in zip(row[1:], maps.items(), strict=False):
            draw = draw_components if over_channels == "components" else draw_mean
            draw(made, panel, x, f"{name}   {x.shape[0]} × {x.shape[1]} × {x.shape[2]}", photo.shape[:2])
    return made


def draw_components(made: Figure, panel, x: np.ndarray, title: str, size: tuple[int, int]) -> None:
    components, share = principal_components(x)
    show(panel, as_colors(components), f"{title}\n{share.sum():.0%} of the variance", size=size)


def draw_mean(made: Figure, panel, x: np.ndarray, title: str, size: tuple[int, int]) -> None:
    mean = x.mean(axis=-1, dtype=np.float64)
    top = float(np.abs(mean).max()) or 1.0
    image = show(panel, mean, title, size=size, cmap="RdBu_r", vmin=-top, vmax=top)
    color_bar(made, image, panel, "mean over channels")


def draw_norms(tape: Mapping[str, np.ndarray], *, prefix: int = 1, index: int = 0) -> Figure:
    """How long the tokens are after every block: the patches' median and middle 80 %, and the class token.

    tape: with embeddings and blocks.* (or, of encoders in stages, stages.*.blocks.*), tokens (N, T, D) or maps
    """
    found = named(tape, STREAM, BLOCK)
    norms = [picture(token_norms(x), index, name) for name, x in found.items()]
    patches = [x[prefix:] if found[name].ndim == 3 else x for name, x in zip(found, norms, strict=True)]
    low, median, high = np.array([np.percentile(x, (10, 50, 90)) for x in patches]).T
    made, ((axes,),) = figure(1, 1, panel=(7, 4.2), title="How long the tokens grow along the residual stream")
    places = np.arange(len(found))
    axes.fill_between(places, low, high, color="#1f6fb4", alpha=0.2, label="patches, the middle 80 %")
    axes.plot(places, median, color="#1f6fb4", marker="o", label="patches, median")
    if prefix and all(x.ndim == 3 for x in found.values()):
        axes.plot(places, [x[0] for x in norms], color="#d9741a", marker="s", label="class token")
    if prefix > 1 and all(x.ndim == 3 for x in found.values()):
        axes.plot(places, [x[1:prefix].mean() for x in norms], color="#6a9a3b", marker="^", label="other tokens, mean")
    axes.set_xticks(places, [re.sub(r"blocks\.", "block ", name) for name in found], fontsize=SMALL)
    axes.tick_params(axis="x", rotation=45 if len(found) > 6 else 0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("length of a token (L2 norm)", fontsize=LABEL)
    axes.legend(fontsize=SMALL)
    return made
