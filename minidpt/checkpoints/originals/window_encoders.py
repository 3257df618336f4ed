"""Swin and SwinV2: four stages of attention within windows. Neither needs its buffers: they follow from the sizes."""

from typing import Any

from ...errors import CheckpointError
from .encoder import CLASSIFIER, FOLLOWS, LAST_NORM, Encoder, block_names
from .renaming import Shapes, Target, count, root, shape

MASK = "layers.0.blocks.1.attn_mask"  # (windows, cells of one, cells of one)
PUBLISHED_SWINV2 = {  # by embed_dim: side, window, windows of the pretraining; the first two are lost with attn_mask
    96: (256, 16, [0, 0, 0, 0]),
    128: (384, 24, [12, 12, 12, 6]),
    192: (384, 24, [12, 12, 12, 6]),
}


def swin(inner: Shapes) -> Encoder:
    """Swin: the window is the bias table's, heads are its columns."""
    config, table, ignored = _windowed(inner, "swin", "attn.relative_position_bias_table", heads_axis=1, axes=2)
    rows = shape(inner, "layers.0.blocks.0.attn.relative_position_bias_table", 2)[0]
    window = (root(rows, "relative_position_bias_table") + 1) // 2
    side = config["patch_size"] * window * root(shape(inner, MASK, 3)[0], MASK) if MASK in inner else 32 * window
    config |= {"window_size": window, "image_size": side}
    config |= {"apply_layernorm": False, "always_partition": False}  # both beyond transformers, as timm and MiDaS do
    table["layers.*.blocks.*.attn.relative_position_bias_table"] = (
        "backbone.encoder.layers.*.blocks.*.attention.self.relative_position_bias_table"
    )
    table["norm"] = "backbone.swin.layernorm"  # which transformers' SwinBackbone keeps, unread
    del ignored["norm"]
    return Encoder({"backbone_config": config}, table, side, ignored, any_size=False)


def swinv2(inner: Shapes) -> Encoder:
    """SwinV2: heads are those of logit_scale; its windows show in attn_mask only."""
    config, table, ignored = _windowed(inner, "swinv2", "attn.logit_scale", heads_axis=0, axes=3)
    if MASK not in inner and config["embed_dim"] not in PUBLISHED_SWINV2:
        raise CheckpointError("a SwinV2 that is none of the published ones, and without attn_mask, which tells windows")
    side, window, pretrained = PUBLISHED_SWINV2.get(config["embed_dim"], (0, 0, [0] * len(config["depths"])))
    if MASK in inner:
        windows, cells, _ = shape(inner, MASK, 3)
        window = root(cells, MASK)
        side = config["patch_size"] * window * root(windows, MASK)
    config |= {"window_size": window, "image_size": side, "pretrained_window_sizes": pretrained}
    to = "backbone.encoder.layers.*.blocks.*.attention.self"
    for part in ("logit_scale", "cpb_mlp.0", "cpb_mlp.2"):
        name = part.replace("cpb_mlp", "continuous_position_bias_mlp")
        table[f"layers.*.blocks.*.attn.{part}"] = f"{to}.{name}"
    return Encoder({"backbone_config": config}, table, side, ignored, any_size=False)


def _windowed(inner: Shapes, model_type: str, heads: str, heads_axis: int, axes: int) -> tuple[dict, dict, dict]:
    """What Swin and SwinV2 share."""
    stages = count(inner, "layers.*")
    patch = shape(inner, "patch_embed.proj.weight", 4)
    config: dict[str, Any] = {
        "model_type": model_type,
        "embed_dim": patch[0],
        "patch_size": patch[2],
        "num_channels": patch[1],
        "depths": [count(inner, f"layers.{s}.blocks.*") for s in range(stages)],
        "num_heads": [shape(inner, f"layers.{s}.blocks.0.{heads}", axes)[heads_axis] for s in range(stages)],
        "mlp_ratio": shape(inner, "layers.0.blocks.0.mlp.fc1.weight", 2)[0] / patch[0],
        "out_features": [f"stage{s + 1}" for s in range(stages)],
    }
    table: dict[str, Target] = {
        "patch_embed.proj": "backbone.embeddings.patch_embeddings.projection",
        "patch_embed.norm": "backbone.embeddings.norm",
        **block_names("layers.*.blocks.*", "backbone.encoder.layers.*.blocks.*", "attention.self"),
    }
    moved = "layers.0.downsample.reduction.weight" not in inner  # since timm 0.9 to the next stage's start
    for s in range(stages - 1):
        for part in ("reduction", "norm"):
            table[f"layers.{s + moved}.downsample.{part}"] = f"backbone.encoder.layers.{s}.downsample.{part}"
    buffers = ("attn_mask", "attn.relative_position_index", "attn.relative_coords_table", "attn.k_bias")
    ignored = {"head": CLASSIFIER, "norm": LAST_NORM} | {f"layers.*.blocks.*.{name}": FOLLOWS for name in buffers}
    return config, table, ignored
