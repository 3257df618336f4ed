"""LeViT and Next-ViT: encoders with convolutions and batch norms."""

from ...errors import CheckpointError
from .encoder import CLASSIFIER, FOLLOWS, Encoder
from .renaming import Shapes, Target, count, root, shape

LEVIT_DEPTHS, LEVIT_TAPS = [4, 4, 4], [4, 12, 22]  # MiDaS taps these of LeViT's residual blocks, counted from 1
LEVIT_PATCH = 16  # four convolutions of stride 2


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
    table: dict[str, Target] = {}
    for i in range(4):
        to = f"backbone.patch_embeddings.embedding_layer_{i + 1}"
        table |= {f"patch_embed.{2 * i}.c": f"{to}.convolution", f"patch_embed.{2 * i}.bn": f"{to}.batch_norm"}
    firsts, places = [0], levit_places(inner)
    for i, (stage, layer, kind) in enumerate(places):
        to = f"backbone.encoder.stages.{stage}.layers.{layer}"
        if layer == 0 and stage > 0:
            firsts.append(i)
        for theirs, ours in LEVIT_LAYERS[kind].items():
            table |= {
                f"blocks.{i}.{theirs}.c": f"{to}.{ours}.linear",
                f"blocks.{i}.{theirs}.bn": f"{to}.{ours}.batch_norm",
            }
        if kind == "attention":
            table[f"blocks.{i}.m.attention_biases"] = f"{to}.module.attention_biases"
        if kind == "shrink":
            table[f"blocks.{i}.attention_biases"] = f"{to}.attention_biases"
    depths = [sum(kind == "attention" for s, _, kind in places if s == stage) for stage in range(3)]
    if depths != LEVIT_DEPTHS:
        raise CheckpointError(f"a LeViT of depths {depths}; MiDaS taps one of {LEVIT_DEPTHS} only")
    heads, offsets = zip(*(shape(inner, f"blocks.{i}.m.attention_biases", 2) for i in firsts), strict=True)
    grid = root(offsets[0], "attention_biases")
    key_dims, ratios, mlp_ratios, widths = [], [], [], []
    for i, n in zip(firsts, heads, strict=True):
        value = shape(inner, f"blocks.{i}.m.proj.1.c.weight", 2)[1] // n
        fused, width = shape(inner, f"blocks.{i}.m.qkv.c.weight", 2)
        key = (fused // n - value) // 2
        if key < 1:
            raise CheckpointError(f"blocks.{i}.m.qkv.c.weight has {fused} rows, too few for {n} heads")
        key_dims.append(key)
        ratios.append(value // key)
        widths.append(width)
        mlp_ratios.append(shape(inner, f"blocks.{i + 1}.m.0.c.weight", 2)[0] // width)
    backbone = {
        "model_type": "levit",
        "num_channels": shape(inner, "patch_embed.0.c.weight", 4)[1],
        "image_size": grid * LEVIT_PATCH,
        "hidden_sizes": widths,
        "num_attention_heads": list(heads),
        "depths": depths,
        "key_dim": key_dims,
        "mlp_ratio": mlp_ratios,
        "attention_ratio": ratios,
        "out_indices": LEVIT_TAPS,
    }
    ignored = {
        "head": CLASSIFIER,
        "head_dist": CLASSIFIER,
        "blocks.*.m.attention_bias_idxs": FOLLOWS,
        "blocks.*.attention_bias_idxs": FOLLOWS,
    }
    return Encoder({"backbone_config": backbone}, table, grid * LEVIT_PATCH, ignored, any_size=False)


LEVIT_LAYERS = {
    "attention": {"m.qkv": "module.queries_keys_values", "m.proj.1": "module.projection"},
    "shrink": {"kv": "keys_values", "q.1": "queries", "proj.1": "projection"},
    "mlp": {"m.0": "module.linear_up", "m.2": "module.linear_down"},
}


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
