"""LeViT and Next-ViT: encoders with convolutions and batch norms."""

from ...errors import CheckpointError
from .encoder import CLASSIFIER, FOLLOWS, Encoder
from .renaming import Shapes, Target, count, root, shape

LEVIT_DEPTHS, LEVIT_TAPS = [4, 4, 4], [4, 12, 22]  # MiDaS taps these of LeViT's residual blocks, counted from 1
LEVIT_PATCH = 16  # four convolutions of stride 2
LEVIT_LAYERS = {
    "attention": {"m.qkv": "module.queries_keys_values", "m.proj.1": "module.projection"},
    "shrink": {"kv": "keys_values", "q.1": "queries", "proj.1": "projection"},
    "mlp": {"m.0": "module.linear_up", "m.2": "module.linear_down"},
}


def next_vit(inner: Shapes) -> Encoder:
    """Next-ViT under ByteDance's names, which minidpt keeps on disk; a stage begins where the width changes.

    Not in shapes, so as published: how many tokens share a key, sr_ratios 8, 4, 2, 1.
    """
    widths: list[list[int]] = []  # of the convolution blocks, stage by stage
    wide, depths = [], []
    for i in range(count(inner, "features.*")):
        width = shape(inner, f"features.{i}.mlp.conv2.weight", 4)[0]
        if f"features.{i}.e_mhsa.q.weight" in inner:
            wide.append((len(widths), i, width))
        elif not widths or widths[-1][0] != width:
            widths.append([width])
            depths.append(0)
        if not depths:
            raise CheckpointError("a Next-ViT that begins with a transformer block")
        depths[-1] += 1
    last = {stage: (i, width) for stage, i, width in wide}
    if len(depths) != 4 or set(last) != {2, 3, 4}:
        raise CheckpointError(f"a Next-ViT of {len(depths)} stages, attention in {len(last)} of them; expected 4 and 3")
    block, channels = last[2]
    plain, attended = (
        shape(inner, "features.0.mlp.conv1.weight", 4),
        shape(inner, f"features.{block}.e_mhsa.q.weight", 2),
    )
    backbone = {
        "model_type": "nextvit",
        "num_channels": shape(inner, "stem.0.conv.weight", 4)[1],
        "stem_channels": [shape(inner, f"stem.{i}.conv.weight", 4)[0] for i in range(3)],
        "depths": depths,
        "hidden_sizes": [stage[0] for stage in widths],
        "transformer_sizes": [last[stage][1] for stage in (2, 3, 4)],
        "head_dim": shape(inner, "features.0.mhca.group_conv3x3.weight", 4)[1],
        "mix_ratio": attended[0] / channels,
        "conv_mlp_ratio": plain[0] / plain[1],
        "transformer_mlp_ratio": shape(inner, f"features.{block}.mlp.conv1.weight", 4)[0] / channels,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    parts = [f"{part}.{layer}" for part in ("patch_embed", "projection") for layer in ("conv", "norm")]
    parts += ["norm", "norm1", "norm2", *(f"e_mhsa.{name}" for name in ("q", "k", "v", "proj", "norm"))]
    parts += ["mhca.group_conv3x3", "mhca.norm", "mhca.projection", "mlp.conv1", "mlp.conv2"]
    kept = ["stem.*.conv", "stem.*.norm", "norm", *(f"features.*.{part}" for part in parts)]
    table: dict[str, Target] = {name: f"backbone.{name}" for name in kept}
    return Encoder({"backbone_config": backbone}, table, 384, {"proj_head": CLASSIFIER})


def levit(inner: Shapes) -> Encoder:
    """LeViT as timm 0.6 has it: all residual blocks in one row, which transformers cuts into stages."""
    places = levit_places(inner)
    depths = [sum(kind == "attention" for s, _, kind in places if s == stage) for stage in range(3)]
    if depths != LEVIT_DEPTHS:
        raise CheckpointError(f"a LeViT of depths {depths}; MiDaS taps one of {LEVIT_DEPTHS} only")
    stages = [levit_stage(inner, i) for i, (_, layer, _) in enumerate(places) if layer == 0]
    grid = root(shape(inner, "blocks.0.m.attention_biases", 2)[1], "attention_biases")
    backbone = {
        "model_type": "levit",
        "num_channels": shape(inner, "patch_embed.0.c.weight", 4)[1],
        "image_size": grid * LEVIT_PATCH,
        "depths": depths,
        **{field: [stage[field] for stage in stages] for field in stages[0]},
        "out_indices": LEVIT_TAPS,
    }
    ignored = {
        "head": CLASSIFIER,
        "head_dist": CLASSIFIER,
        "blocks.*.m.attention_bias_idxs": FOLLOWS,
        "blocks.*.attention_bias_idxs": FOLLOWS,
    }
    return Encoder({"backbone_config": backbone}, levit_names(places), grid * LEVIT_PATCH, ignored, any_size=False)


def levit_stage(inner: Shapes, i: int) -> dict[str, int]:
    """What a stage that begins with block i says of itself: A heads with keys of K and values of V channels each."""
    heads = shape(inner, f"blocks.{i}.m.attention_biases", 2)[0]
    fused, width = shape(inner, f"blocks.{i}.m.qkv.c.weight", 2)  # (A (2 K + V), D)
    value = shape(inner, f"blocks.{i}.m.proj.1.c.weight", 2)[1] // heads  # (D, A V)
    key = (fused // heads - value) // 2
    if key < 1:
        raise CheckpointError(f"blocks.{i}.m.qkv.c.weight has {fused} rows, too few for {heads} heads")
    return {
        "hidden_sizes": width,
        "num_attention_heads": heads,
        "key_dim": key,
        "attention_ratio": value // key,
        "mlp_ratio": shape(inner, f"blocks.{i + 1}.m.0.c.weight", 2)[0] // width,
    }


def levit_names(places: list[tuple[int, int, str]]) -> dict[str, Target]:
    """Every layer is a linear one (c) and a batch norm (bn)."""
    table: dict[str, Target] = {}
    for i in range(4):
        to = f"backbone.patch_embeddings.embedding_layer_{i + 1}"
        table |= {f"patch_embed.{2 * i}.c": f"{to}.convolution", f"patch_embed.{2 * i}.bn": f"{to}.batch_norm"}
    for i, (stage, layer, kind) in enumerate(places):
        theirs, ours = f"blocks.{i}", f"backbone.encoder.stages.{stage}.layers.{layer}"
        for name, to in LEVIT_LAYERS[kind].items():
            table |= {f"{theirs}.{name}.c": f"{ours}.{to}.linear", f"{theirs}.{name}.bn": f"{ours}.{to}.batch_norm"}
        wrapper, module = ("m.", "module.") if kind == "attention" else ("", "")
        if kind != "mlp":
            table[f"{theirs}.{wrapper}attention_biases"] = f"{ours}.{module}attention_biases"
    return table


def levit_places(inner: Shapes) -> list[tuple[int, int, str]]:
    """(stage, layer, kind) of each block in the row: a stage ends with the mlp after its shrinking attention."""
    places: list[tuple[int, int, str]] = []
    stage = layer = 0
    for i in range(count(inner, "blocks.*")):
        if f"blocks.{i}.m.qkv.c.weight" in inner:
            kind = "attention"
        else:
            kind = "shrink" if f"blocks.{i}.kv.c.weight" in inner else "mlp"
        places.append((stage, layer, kind))
        layer += 1
        if kind == "mlp" and len(places) > 1 and places[-2][2] == "shrink":
            stage, layer = stage + 1, 0
    return places
