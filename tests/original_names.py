"""transformers' state dicts -> the original checkpoints' names, written from the facts alone (dpt-facts, section 4).

The converter goes the other way, from tables of its own; the two share no line, so that a slip in either shows.
A state is {name: array}, or {name: anything with a shape} with a `join` that stacks rows.
"""

import re

import numpy as np

VIT_BLOCK = [
    (r"attention\.attention\.(query|key|value)", r"attn.\1"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"(?<!attention\.)output\.dense", "mlp.fc2"),
    (r"intermediate\.dense", "mlp.fc1"),
]
SCRATCH = [
    (r"residual_layer", "resConfUnit"),
    (r"convolution", "conv"),
    (r"batch_norm", "bn"),
    (r"projection", "out_conv"),
]


def renamed(name, rules):
    for pattern, to in rules:
        name = re.sub(pattern, to, name)
    return name


def fuse(state, join):
    """query, key, value of a weight or bias -> qkv, where all three are there; else the biases are q_bias, v_bias."""
    fused = {}
    for name, x in state.items():
        if match := re.fullmatch(r"(.*attn\.)(query|key|value)\.(weight|bias)", name):
            start, which, leaf = match.groups()
            three = [f"{start}{part}.{leaf}" for part in ("query", "key", "value")]
            if not all(part in state for part in three):
                fused[f"{start}{which[0]}_bias"] = x
            elif which == "query":
                fused[f"{start}qkv.{leaf}"] = join([state[part] for part in three])
        else:
            fused[name] = x
    return fused


def vit(name):
    """timm's plain or hybrid ViT, or its distilled DeiT."""
    inner = name.removeprefix("dpt.").removeprefix("backbone.").replace("distillation_token", "dist_token")
    if match := re.fullmatch(r"encoder\.layer\.(\d+)\.(.*)", inner):
        return f"blocks.{match[1]}.{renamed(match[2], VIT_BLOCK)}"
    if inner.startswith("embeddings.backbone.bit."):
        inner = inner.removeprefix("embeddings.backbone.bit.").replace("embedder.convolution", "stem.conv")
        inner = inner.replace("embedder.norm", "stem.norm").replace("encoder.stages", "stages")
        return "patch_embed.backbone." + inner.replace(".layers.", ".blocks.")
    inner = inner.replace("patch_embeddings.projection", "patch_embed.proj").replace(
        "embeddings.projection", "patch_embed.proj"
    )
    return inner.replace("embeddings.", "").replace("position_embeddings", "pos_embed").replace("layernorm", "norm")


def beit(name):
    inner = name.removeprefix("backbone.")
    if match := re.fullmatch(r"encoder\.layer\.(\d+)\.(.*)", inner):
        inner = re.sub(r"attention\.attention\.relative_position_bias\.(\w+)", r"attn.\1", match[2])
        return f"blocks.{match[1]}.{renamed(inner, [*VIT_BLOCK, (r'lambda_', 'gamma_')])}"
    return inner.replace("embeddings.patch_embeddings.projection", "patch_embed.proj").replace("embeddings.", "")


def swin(name, moved=False):
    """Swin and SwinV2 in timm; moved: since 0.9 a stage begins with what makes its map smaller."""
    inner = name.removeprefix("backbone.").removeprefix("encoder.").replace("swin.layernorm", "norm")
    if moved and (match := re.fullmatch(r"layers\.(\d+)\.(downsample.*)", inner)):
        return f"layers.{int(match[1]) + 1}.{match[2]}"
    inner = re.sub(r"attention\.self\.continuous_position_bias_mlp", "attn.cpb_mlp", inner)
    inner = re.sub(r"attention\.self\.", "attn.", inner)
    inner = inner.replace("embeddings.patch_embeddings.projection", "patch_embed.proj").replace(
        "embeddings.norm", "patch_embed.norm"
    )
    return renamed(inner, VIT_BLOCK)


def next_vit(name):
    return name.removeprefix("backbone.")


LEVIT_STARTS = (0, 10, 20)  # where each stage of four attentions and four mlps, and the two between stages, begins


def levit(name):
    inner = name.removeprefix("backbone.")
    if match := re.fullmatch(r"patch_embeddings\.embedding_layer_(\d)\.(.*)", inner):
        inner = match[2].replace("convolution", "c").replace("batch_norm", "bn")
        return f"patch_embed.{2 * (int(match[1]) - 1)}.{inner}"
    stage, layer, inner = re.fullmatch(r"encoder\.stages\.(\d)\.layers\.(\d+)\.(.*)", inner).groups()
    parts = {"queries_keys_values": "qkv", "keys_values": "kv", "queries": "q.1", "projection": "proj.1",
             "linear_up": "0", "linear_down": "2"}  # fmt: skip
    words = [parts.get(word, word) for word in inner.split(".")]
    words = [{"module": "m", "linear": "c", "batch_norm": "bn"}.get(word, word) for word in words]
    return f"blocks.{LEVIT_STARTS[int(stage)] + int(layer)}.{'.'.join(words)}"


def dinov2(name):
    inner = name.removeprefix("backbone.")
    if match := re.fullmatch(r"encoder\.layer\.(\d+)\.(.*)", inner):
        rules = [
            *VIT_BLOCK[:2],
            (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
            ("weights_in", "w12"),
            ("weights_out", "w3"),
        ]
        return f"blocks.{match[1]}.{renamed(match[2], rules)}"
    inner = inner.replace("embeddings.patch_embeddings.projection", "patch_embed.proj").replace("embeddings.", "")
    return inner.replace("position_embeddings", "pos_embed").replace("layernorm", "norm")


def isl(state, encoder, join=np.concatenate):
    """isl-org/DPT and MiDaS: depth and segmentation.   encoder: one of the functions above"""
    levels, out = sum(name.startswith("neck.convs.") for name in state), {}
    segments = "head.head.1.running_mean" in state
    for name, x in state.items():
        if match := re.fullmatch(r"neck\.reassemble_stage\.readout_projects\.(\d)\.0\.(.*)", name):
            new = f"pretrained.act_postprocess{int(match[1]) + 1}.0.project.0.{match[2]}"
        elif match := re.fullmatch(r"neck\.reassemble_stage\.layers\.(\d)\.(projection|resize)\.(.*)", name):
            place = {"projection": 3, "resize": 4}[match[2]]
            new = f"pretrained.act_postprocess{int(match[1]) + 1}.{place}.{match[3]}"
        elif match := re.fullmatch(r"neck\.convs\.(\d)\.weight", name):
            new = f"scratch.layer{int(match[1]) + 1}_rn.weight"
        elif match := re.fullmatch(r"neck\.fusion_stage\.layers\.(\d)\.(.*)", name):
            new = f"scratch.refinenet{levels - int(match[1])}.{renamed(match[2], SCRATCH)}"
        elif match := re.fullmatch(r"head\.stem_transpose\.(\d)\.(convolution|batch_norm)\.(.*)", name):
            new = f"scratch.stem_transpose.{2 * int(match[1])}.{'c' if match[2] == 'convolution' else 'bn'}.{match[3]}"
        elif match := re.fullmatch(r"head\.head\.(.*)", name):
            new = f"scratch.output_conv.{match[1]}"
        elif match := re.fullmatch(r"auxiliary_head\.head\.(.*)", name):
            new = f"auxlayer.{match[1]}"
        else:
            new = f"pretrained.model.{encoder(name)}"
        out[new] = x
    assert segments == ("scratch.output_conv.1.running_mean" in out)
    return fuse(out, join)


def depth_anything(state, join=np.concatenate):
    out = {}
    for name, x in state.items():
        if name.startswith("backbone."):
            new = f"pretrained.{dinov2(name)}"
        elif name.startswith("head."):
            places = {"conv1": "output_conv1", "conv2": "output_conv2.0", "conv3": "output_conv2.2"}
            _, conv, leaf = name.split(".")
            new = f"depth_head.scratch.{places[conv]}.{leaf}"
        elif match := re.fullmatch(r"neck\.reassemble_stage\.layers\.(\d)\.(projection|resize)\.(.*)", name):
            new = f"depth_head.{'projects' if match[2] == 'projection' else 'resize_layers'}.{match[1]}.{match[3]}"
        elif match := re.fullmatch(r"neck\.convs\.(\d)\.weight", name):
            new = f"depth_head.scratch.layer{int(match[1]) + 1}_rn.weight"
        else:
            match = re.fullmatch(r"neck\.fusion_stage\.layers\.(\d)\.(.*)", name)
            new = f"depth_head.scratch.refinenet{4 - int(match[1])}.{renamed(match[2], SCRATCH)}"
        out[new] = x
    return fuse(out, join)


def dinov2_head(state, join=np.concatenate):
    """-> the head's file and the encoder's."""
    head, encoder = {}, {}
    for name, x in state.items():
        if name.startswith("backbone."):
            encoder[dinov2(name)] = x
            continue
        rules = [
            (r"^neck\.reassemble_stage\.readout_projects", "reassemble_blocks.readout_projects"),
            (r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"reassemble_blocks.projects.\1.conv"),
            (r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"reassemble_blocks.resize_layers.\1"),
            (r"^neck\.convs\.(\d)", r"convs.\1.conv"),
            (r"^neck\.fusion_stage\.layers\.(\d)\.projection", r"fusion_blocks.\1.project.conv"),
            (r"^neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d)",
             r"fusion_blocks.\1.res_conv_unit\2.conv\3.conv"),
            (r"^head\.projection", "project.conv"),
            (r"^head\.head", "conv_depth.head"),
        ]  # fmt: skip
        new = renamed(name, rules)
        if not new.startswith("fusion_blocks.0.res_conv_unit1"):  # the originals have none
            head[f"decode_head.{new}"] = x
    return head, fuse(encoder, join)


def smp(state, join=np.concatenate):
    """segmentation_models.pytorch, which has no auxiliary head."""
    out = {}
    for name, x in state.items():
        rules = [
            (r"^neck\.reassemble_stage\.readout_projects\.(\d)\.0", r"decoder.readout_blocks.\1.project.0"),
            (r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"decoder.reassemble_blocks.\1.project_to_out_channel"),  # noqa: E501
            (r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"decoder.reassemble_blocks.\1.upsample"),
            (r"^neck\.convs\.(\d)", r"decoder.reassemble_blocks.\1.project_to_feature_dim"),
            (r"^neck\.fusion_stage\.layers\.(\d)\.projection", r"decoder.fusion_blocks.\1.project"),
            (r"^neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d)",
             r"decoder.fusion_blocks.\1.residual_conv_block\2.conv_\3"),
            (r"^neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.batch_norm(\d)",
             r"decoder.fusion_blocks.\1.residual_conv_block\2.batch_norm_\3"),
            (r"^head\.head", "segmentation_head.head"),
        ]  # fmt: skip
        new = renamed(name, rules)
        out[new if new != name else f"encoder.model.{vit(name)}"] = x
    return fuse(out, join)
