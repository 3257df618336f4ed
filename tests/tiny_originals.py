"""A tiny model of every original family: its class, its config and the function that gives the original names.

Heads are 64 wide and layer norms' eps is 1e-6, as in all originals; neither shows in the weights' shapes.
"""

from functools import partial

import original_names as to

from minidpt.checkpoints.safetensors_files import write

DECODER = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24, "fusion_upsample": "next_size"}
VIT = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48,
       "layer_norm_eps": 1e-6, "image_size": 64, "patch_size": 16}  # fmt: skip
PLAIN = {**DECODER, **VIT, "backbone_out_indices": [0, 1, 2, 3]}
BIT = {"model_type": "bit", "embedding_size": 32, "hidden_sizes": [128, 256, 384, 768], "depths": [2, 1, 1],
       "layer_type": "bottleneck", "global_padding": "same", "embedding_dynamic_padding": True,
       "out_features": ["stage1", "stage2", "stage3"]}  # fmt: skip
HYBRID = {**PLAIN, "is_hybrid": True, "backbone_config": BIT, "backbone_featmap_shape": [1, 384, 4, 4],
          "neck_hidden_sizes": [128, 256, 16, 20], "reassemble_factors": [1, 1, 1, 0.5]}  # fmt: skip
LABELS = {"num_labels": 5, "use_batch_norm_in_fusion_residual": True}
TOKENS = {"out_indices": [1, 2, 3, 4], "reshape_hidden_states": False}
BEIT = {**DECODER, "backbone_config": {**VIT, "model_type": "beit", "use_relative_position_bias": True, **TOKENS}}
DEIT = {**DECODER, "backbone_config": {**VIT, "model_type": "deit", "out_indices": [1, 2, 3, 4]}}
STAGES = {"embed_dim": 16, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 2, 4], "patch_size": 4, "mlp_ratio": 2.0,
          "out_features": ["stage1", "stage2", "stage3", "stage4"]}  # fmt: skip
PYRAMID = {**DECODER, "neck_hidden_sizes": [16, 32, 64, 128]}
SWIN = {**PYRAMID, "backbone_config": {**STAGES, "model_type": "swin", "image_size": 64, "window_size": 2,
                                       "apply_layernorm": False, "always_partition": False}}  # fmt: skip
SWINV2 = {**PYRAMID, "backbone_config": {**STAGES, "model_type": "swinv2", "image_size": 64, "window_size": 4}}
NEXT_VIT = {**DECODER, "neck_hidden_sizes": [32, 96, 128, 192],
            "backbone_config": {"model_type": "nextvit", "stem_channels": [8, 4, 8], "depths": [1, 2, 5, 2],
                                "hidden_sizes": [32, 64, 96, 128], "transformer_sizes": [96, 128, 192],
                                "mix_ratio": 2 / 3, "out_indices": [1, 2, 3, 4]}}  # fmt: skip
LEVIT = {**DECODER, "neck_hidden_sizes": [32, 48, 64], "reassemble_factors": [1, 1, 1], "stem_transpose": True,
         "backbone_config": {"model_type": "levit", "image_size": 64, "hidden_sizes": [32, 48, 64],
                             "num_attention_heads": [2, 3, 4], "key_dim": [8, 8, 16], "depths": [4, 4, 4],
                             "out_indices": [4, 12, 22]}}  # fmt: skip
DINOV2 = {"model_type": "dinov2", "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2,
          "image_size": 56, **TOKENS}  # fmt: skip
DEPTH_ANYTHING = {**DECODER, "backbone_config": DINOV2, "reassemble_hidden_size": 128}
HEAD = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24, "add_projection": True,
        "use_bias_in_fusion_residual": False, "depth_estimation_type": "metric",
        "backbone_config": {**DINOV2, "apply_layernorm": False}}  # fmt: skip
GIANT = {**HEAD, "backbone_config": {**HEAD["backbone_config"], "use_swiglu_ffn": True, "mlp_ratio": 4}}

DPT, SEGMENTS, ANYTHING = "DPTForDepthEstimation", "DPTForSemanticSegmentation", "DepthAnythingForDepthEstimation"
SMP = {**PLAIN, **LABELS, "use_auxiliary_head": False, "fusion_upsample": "scale2"}


def isl(encoder):
    return partial(to.isl, encoder=encoder)


FAMILIES = {  # name -> class, config, names, the picture's size
    "plain": (DPT, PLAIN, isl(to.vit), (64, 96)),
    "plain, ignoring": (DPT, {**PLAIN, "readout_type": "ignore"}, isl(to.vit), (64, 96)),
    "plain, labels": (SEGMENTS, {**PLAIN, **LABELS}, isl(to.vit), (96, 64)),
    "no auxiliary head": (SEGMENTS, {**PLAIN, **LABELS, "use_auxiliary_head": False}, isl(to.vit), (96, 64)),
    "hybrid": (DPT, HYBRID, isl(to.vit), (64, 96)),
    "hybrid, labels": (SEGMENTS, {**HYBRID, **LABELS}, isl(to.vit), (64, 64)),
    "deit": (DPT, DEIT, isl(to.vit), (64, 96)),
    "beit": (DPT, BEIT, isl(to.beit), (96, 64)),
    "swin": (DPT, SWIN, isl(to.swin), (64, 64)),
    "swin, timm 0.9": (DPT, SWIN, isl(partial(to.swin, moved=True)), (64, 64)),
    "swinv2": (DPT, SWINV2, isl(to.swin), (64, 64)),
    "next vit": (DPT, NEXT_VIT, isl(to.next_vit), (64, 96)),
    "levit": (DPT, LEVIT, isl(to.levit), (64, 64)),
    "depth anything": (ANYTHING, DEPTH_ANYTHING, to.depth_anything, (56, 84)),
    "dinov2 head": (DPT, HEAD, to.dinov2_head, (28, 56)),
    "dinov2 head, gated": (DPT, GIANT, to.dinov2_head, (28, 28)),
    "smp": (SEGMENTS, SMP, to.smp, (64, 64)),
}


def files(folder, name, state, save=None, suffix=".safetensors"):
    """Write a state dict as the original's files.   save(path, tensors)   -> the path of the first file"""
    save = save or (lambda path, tensors: write(path, tensors, "float32"))
    parts = FAMILIES[name][2](state)
    parts = parts if isinstance(parts, tuple) else (parts,)
    paths = [folder / f"original{suffix}", folder / f"encoder{suffix}"][: len(parts)]
    for path, part in zip(paths, parts, strict=True):
        save(path, part)
    return paths
