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
photo: (H, W, 3) uint8, the whole picture that the model saw, of any size.   grid: (rows, columns) of the patch tokens,
the input's sides / patch size.   prefix: how many tokens stand before those, `model.encoder.prefix_tokens`: 1 is a
class token, 1 + n a class token and n registers, 2 DeiT's, 0 none.   index: which picture of the batch.
ValueError says where shapes do not fit, HubError that matplotlib is missing. Encoders whose attention stays within
windows have no attention figures (ValueError), but for blocks that see the whole grid.
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
