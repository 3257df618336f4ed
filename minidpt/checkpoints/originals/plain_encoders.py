"""ViT, the hybrid, DeiT and BEiT: one row of blocks with a class token before the grid's tokens."""

from typing import Any

from .encoder import CLASSIFIER, FOLLOWS, HEAD_WIDTH, LAST_NORM, VIT_EPS, Encoder, block_names, quarters
from .renaming import Shapes, Target, count, root, shape


def vit(inner: Shapes) -> Encoder:
    """A plain ViT, with BiT stages before it (the hybrid), or with a second token (DeiT)."""
    width, depth = shape(inner, "cls_token", 3)[2], count(inner, "blocks.*")
    hybrid, distilled = "patch_embed.backbone.stem.conv.weight" in inner, "dist_token" in inner
    projection = shape(inner, "patch_embed.proj.weight", 4)
    grid = root(shape(inner, "pos_embed", 3)[1] - 1 - distilled, "pos_embed without its class tokens")
    patch = 16 if hybrid else projection[2]
    fields: dict[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "intermediate_size": shape(inner, "blocks.0.mlp.fc1.weight", 2)[0],
        "layer_norm_eps": VIT_EPS,
        "image_size": grid * patch,
        "patch_size": patch,
        "qkv_bias": "blocks.0.attn.qkv.bias" in inner,
    }
    taps = quarters(depth)
    config: dict[str, Any]
    to = "backbone." if distilled else "dpt."
    table: dict[str, Target] = {
        "cls_token": f"{to}embeddings.cls_token",
        "dist_token": f"{to}embeddings.distillation_token",
        "pos_embed": f"{to}embeddings.position_embeddings",
        "patch_embed.proj": f"{to}embeddings.{'projection' if hybrid else 'patch_embeddings.projection'}",
        "norm": f"{to}layernorm",
        **block_names("blocks.*", f"{to}encoder.layer.*"),
    }
    ignored = {"head": CLASSIFIER, "head_dist": CLASSIFIER, "fc_norm": CLASSIFIER}
    if distilled:
        fields["num_channels"] = projection[1]
        config = {"backbone_config": {"model_type": "deit", **fields, "out_indices": [tap + 1 for tap in taps]}}
    elif hybrid:
        stages, names = bit(inner, grid)
        table |= names
        config = {**fields, **stages, "backbone_out_indices": [0, 1, *taps[2:]]}
    else:
        config = {**fields, "num_channels": projection[1], "backbone_out_indices": taps}
    return Encoder(config, table, grid * patch, ignored)


def bit(inner: Shapes, grid: int) -> tuple[dict[str, Any], dict[str, Target]]:
    """The hybrid's ResNetV2."""
    stages, to = "patch_embed.backbone.stages", "dpt.embeddings.backbone.bit"
    depths = [count(inner, f"{stages}.{s}.blocks.*") for s in range(3)]
    widths = [shape(inner, f"{stages}.{s}.blocks.0.conv3.weight", 4)[0] for s in range(3)]
    stem = shape(inner, "patch_embed.backbone.stem.conv.weight", 4)
    backbone = {
        "model_type": "bit",
        "embedding_size": stem[0],
        "hidden_sizes": [*widths, 2 * widths[2]],  # transformers lists a fourth stage even where depths has three
        "depths": depths,
        "layer_type": "bottleneck",
        "global_padding": "same",
        "embedding_dynamic_padding": True,
        "out_features": ["stage1", "stage2", "stage3"],
    }
    names: dict[str, Target] = {
        "patch_embed.backbone.stem.conv": f"{to}.embedder.convolution",
        "patch_embed.backbone.stem.norm": f"{to}.embedder.norm",
    }
    for part in ("conv1", "conv2", "conv3", "norm1", "norm2", "norm3", "downsample.conv", "downsample.norm"):
        names[f"{stages}.*.blocks.*.{part}"] = f"{to}.encoder.stages.*.layers.*.{part}"
    fields = {
        "is_hybrid": True,
        "num_channels": stem[1],
        "backbone_config": backbone,
        "backbone_featmap_shape": [1, widths[2], grid, grid],
    }
    return fields, names


# ---- BEiT


def beit(inner: Shapes) -> Encoder:
    """BEiT with a table of relative positions in every block."""
    width, depth = shape(inner, "cls_token", 3)[2], count(inner, "blocks.*")
    rows, heads = shape(inner, "blocks.0.attn.relative_position_bias_table", 2)
    projection = shape(inner, "patch_embed.proj.weight", 4)
    grid = (root(rows - 3, "relative_position_bias_table without its last 3 rows") + 1) // 2
    to = "backbone.encoder.layer.*"
    table: dict[str, Target] = {
        "cls_token": "backbone.embeddings.cls_token",
        "patch_embed.proj": "backbone.embeddings.patch_embeddings.projection",
        "blocks.*.gamma_1": f"{to}.lambda_1",
        "blocks.*.gamma_2": f"{to}.lambda_2",
        "blocks.*.attn.relative_position_bias_table": (
            f"{to}.attention.attention.relative_position_bias.relative_position_bias_table"
        ),
        **block_names("blocks.*", to),
    }
    side = grid * projection[2]
    backbone = {
        "model_type": "beit",
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": shape(inner, "blocks.0.mlp.fc1.weight", 2)[0],
        "layer_norm_eps": VIT_EPS,
        "image_size": side,
        "patch_size": projection[2],
        "num_channels": projection[1],
        "use_relative_position_bias": True,
        "reshape_hidden_states": False,
        "out_indices": [tap + 1 for tap in quarters(depth)],
    }
    ignored = {
        "head": CLASSIFIER,
        "fc_norm": CLASSIFIER,
        "norm": LAST_NORM,
        "blocks.*.attn.relative_position_index": FOLLOWS,
    }
    return Encoder({"backbone_config": backbone}, table, side, ignored)
