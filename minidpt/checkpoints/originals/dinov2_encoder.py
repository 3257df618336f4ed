"""DINOv2 under its authors' names: the encoder of Depth Anything and, from a file of its own, of DINOv2's DPT heads."""

from typing import Any

from .encoder import HEAD_WIDTH, attention_names, quarters
from .renaming import Shapes, Target, count, root, shape

LARGE, LARGE_TAPS = 24, [5, 12, 18, 24]


def spread_taps(depth: int) -> list[int]:
    """The blocks, counted from 1, that DINOv2's own heads and Depth Anything V2 tap: quarters but in the large size."""
    return LARGE_TAPS if depth == LARGE else [tap + 1 for tap in quarters(depth)]


def last_four(depth: int) -> list[int]:
    """The blocks, counted from 1, that Depth Anything V1 taps."""
    return [depth - 4 + i for i, _ in enumerate(quarters(depth), start=1)]


def dinov2_fields(shapes: Shapes, prefix: str) -> dict[str, Any]:
    """The fields of a Dinov2Config that show in names and shapes."""
    width = shape(shapes, f"{prefix}cls_token", 3)[2]
    projection = shape(shapes, f"{prefix}patch_embed.proj.weight", 4)
    grid = root(shape(shapes, f"{prefix}pos_embed", 3)[1] - 1, "pos_embed without its class token")
    tokens = f"{prefix}register_tokens"
    registers = shape(shapes, tokens, 3)[1] if tokens in shapes else 0
    gated = f"{prefix}blocks.0.mlp.w12.weight" in shapes
    fields: dict[str, Any] = {
        "model_type": "dinov2_with_registers" if registers else "dinov2",
        "hidden_size": width,
        "num_hidden_layers": count(shapes, f"{prefix}blocks.*"),
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "image_size": grid * projection[2],
        "patch_size": projection[2],
        "num_channels": projection[1],
        "qkv_bias": f"{prefix}blocks.0.attn.qkv.bias" in shapes,
        "use_swiglu_ffn": gated,
        "use_mask_token": f"{prefix}mask_token" in shapes,
    }
    if not gated:
        inner = shape(shapes, f"{prefix}blocks.0.mlp.fc1.weight", 2)[0]
        fields["mlp_ratio"] = inner / width if inner % width else inner // width  # transformers wants it whole
    return fields | ({"num_register_tokens": registers} if registers else {})


def dinov2_names(prefix: str) -> dict[str, Target]:
    """Names of the encoder's file or of its part of Depth Anything's; the giant size has a gated mlp, w12 and w3."""
    table: dict[str, Target] = {
        f"{prefix}cls_token": "backbone.embeddings.cls_token",
        f"{prefix}mask_token": "backbone.embeddings.mask_token",
        f"{prefix}register_tokens": "backbone.embeddings.register_tokens",
        f"{prefix}pos_embed": "backbone.embeddings.position_embeddings",
        f"{prefix}patch_embed.proj": "backbone.embeddings.patch_embeddings.projection",
        f"{prefix}norm": "backbone.layernorm",
    }
    stem, to = f"{prefix}blocks.*", "backbone.encoder.layer.*"
    for i in (1, 2):
        table |= {f"{stem}.norm{i}": f"{to}.norm{i}", f"{stem}.ls{i}.gamma": f"{to}.layer_scale{i}.lambda1"}
        table[f"{stem}.mlp.fc{i}"] = f"{to}.mlp.fc{i}"
    table |= {f"{stem}.mlp.w12": f"{to}.mlp.weights_in", f"{stem}.mlp.w3": f"{to}.mlp.weights_out"}
    return table | attention_names(stem, to)
