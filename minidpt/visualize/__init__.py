"""Seeing inside: what a model computed, as matplotlib figures.   (extra `plot`)

    with record() as tape:
        model(pixel_values)
    visualize.draw_attention(tape, photo, grid=(12, 12), patch=(8, 3)).savefig("attention.png")

Numbers and pictures are apart: functions named for what they compute are plain NumPy and need no matplotlib; `draw_...`
return a `matplotlib.figure.Figure` that belongs to the caller. pyplot and its global state are never touched: `savefig`
writes the figure, a notebook shows it when it is a cell's last line (after `%matplotlib inline`).

patches     the patch grid over a photo; how alike the learnt positions are
attention   where a patch looks, by block and head; how far the heads look
features    taps, reassembled, neck and fused maps in colours; how long the tokens grow
skips       what each fusion step's skip contributes
depth       a depth map beside its photo; errors between two depth maps

Arguments that recur: tape: what `record` gave, or any part of it; each function takes the names that it draws.
photo: (H, W, 3) uint8, the picture that the model saw, of any size but the same proportions as seen (nothing cropped).
grid: the token grid (rows, columns), the input's sides / patch size.   prefix: the tokens before the grid's, a config's
`encoder.prefix_tokens`: 1 (the class token), with registers 1 + their number, 2 of DeiT, 0 where there is no class token.
index: which picture of the batch.   Raise ValueError where shapes do not fit, HubError where matplotlib is missing.
"""

from .attention import attention_of_patch, draw_attention, draw_attention_distance, mean_attention_distance
from .depth import align, draw_depth, draw_errors
from .features import draw_features, draw_norms, principal_components, token_norms
from .patches import draw_patch_grid, draw_position_similarity, patch_at, position_similarity
from .skips import draw_skips, rescaled_skips

__all__ = [
    "align",
    "attention_of_patch",
    "draw_attention",
    "draw_attention_distance",
    "draw_depth",
    "draw_errors",
    "draw_features",
    "draw_norms",
    "draw_patch_grid",
    "draw_position_similarity",
    "draw_skips",
    "mean_attention_distance",
    "patch_at",
    "position_similarity",
    "principal_components",
    "rescaled_skips",
    "token_norms",
]
