"""What the maps hold, in colours, and how long the tokens grow."""

from collections.abc import Mapping

import numpy as np

from ..components import as_colors, principal_components
from .panels import (
    BLUE,
    GREEN,
    LABEL,
    ORANGE,
    SMALL,
    Axes,
    Figure,
    color_bar,
    figure,
    panel_size,
    show,
    show_signed,
)  # fmt: skip
from .selection import named, photo_of, picture, token_map

STAGES = ("taps", "readout", "reassembled", "neck", "fused")  # in the order of the data
MAPS, MAP = rf"({'|'.join(STAGES)})\.\d+", "fused.0"
STREAM, BLOCK = r"embeddings|(stages\.\d+\.)?blocks\.\d+", "blocks.0"
REDUCTIONS = {
    "components": "three main directions of the channels as red, green, blue",
    "mean": "mean over channels",
}


def token_norms(x: np.ndarray) -> np.ndarray:
    """The L2 norm of every token.   (N, T, D) -> (N, T), of a map (N, H, W, D) -> (N, H W), float64"""
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
    """Every map of a tape, a row for each stage: taps, readout, reassembled, neck, fused.   [DPT fig. 1]

    over_channels: "components": the three directions in which the map's channels vary most, as red, green and blue, so
    that colours compare within a map and not between maps; "mean": their mean, blue below zero and red above.
    """
    photo = photo_of(photo)
    if over_channels not in REDUCTIONS:
        raise ValueError(f"expected over_channels to be one of {', '.join(REDUCTIONS)}, got {over_channels!r}")
    rows: dict[str, dict[str, np.ndarray]] = {stage: {} for stage in STAGES}
    for name, x in named(tape, MAPS, MAP).items():
        stage = name.partition(".")[0]
        before = 0 if stage == "readout" else prefix  # which has read the prefix and dropped it
        rows[stage][name] = token_map(picture(x, index, name), grid, before, name)
    rows = {stage: maps for stage, maps in rows.items() if maps}
    mean = over_channels == "mean"
    made, axes = figure(
        len(rows),
        1 + max(len(maps) for maps in rows.values()),
        panel=panel_size(photo.shape, 7 if mean else 5, text=0.3 if mean else 0.5),
        title=f"What the maps (rows × columns × channels) hold: {REDUCTIONS[over_channels]}",
    )
    for row, maps in zip(axes, rows.values(), strict=True):
        show(row[0], photo, "photo")
        for panel in row[1 + len(maps) :]:
            panel.set_axis_off()
        for panel, (name, x) in zip(row[1:], maps.items(), strict=False):
            title = f"{name}: {x.shape[0]} × {x.shape[1]} × {x.shape[2]}"
            if mean:
                image = show_signed(panel, x.mean(axis=-1, dtype=np.float64), title, size=photo.shape[:2])
                color_bar(made, image, panel, "")
            else:
                show_components(panel, x, title, photo.shape[:2])
    return made


def show_components(panel: Axes, x: np.ndarray, title: str, size: tuple[int, int]) -> None:
    components, share = principal_components(x)
    show(panel, as_colors(components), f"{title}\n{share.sum():.0%} of the variance", size=size)


def draw_norms(tape: Mapping[str, np.ndarray], *, prefix: int = 1, index: int = 0) -> Figure:
    """How long the tokens are after each block: the patches' median and middle 80 %, and the class token.

    tape: with embeddings and blocks.*, or of encoders in stages stages.*.blocks.*: tokens (N, T, D), or maps, of which
    all are patches   prefix: the tokens before the grid's
    """
    found = named(tape, STREAM, BLOCK)
    norms = {name: picture(token_norms(x), index, name) for name, x in found.items()}
    are_tokens = all(x.ndim == 3 for x in found.values())
    prefix = prefix if are_tokens else 0
    if any(len(x) <= prefix for x in norms.values()):
        raise ValueError(f"expected tokens beyond the {prefix} before the grid, got {min(map(len, norms.values()))}")
    low, median, high = np.array([np.percentile(x[prefix:], (10, 50, 90)) for x in norms.values()]).T
    title = "How long the tokens grow, block by block"
    made, ((axes,),) = figure(1, 1, panel=(max(6.5, 0.45 * len(found)), 4.0), title=title)
    places = np.arange(len(found))
    axes.fill_between(places, low, high, color=BLUE, alpha=0.2, label="patches: the middle 80 %")
    axes.plot(places, median, color=BLUE, marker="o", label="patches: median")
    if prefix:
        axes.plot(places, [x[0] for x in norms.values()], color=ORANGE, marker="s", label="class token")
    if prefix > 1:
        others = [x[1:prefix].mean() for x in norms.values()]
        axes.plot(places, others, color=GREEN, marker="^", label="other tokens before the grid: mean")
    axes.set_xticks(places, list(found), fontsize=SMALL)
    axes.tick_params(axis="x", rotation=60 if len(found) > 7 else 0)
    top = max(high.max(), *(x[:prefix].max(initial=0) for x in norms.values()))
    axes.set_ylim(0, 1.4 * top or 1)  # room for the legend
    axes.set_ylabel("length of a token (L2 norm)", fontsize=LABEL)
    axes.legend(fontsize=SMALL, loc="upper left")
    return made
