"""The original checkpoints: file name -> what it holds, literally as papers and repositories have it (dpt-facts 1-3).

Each row: the names' function, the class, the config in transformers' fields, the pictures' size (height, width), and
whether their aspect is kept.
"""

from functools import partial

import original_names as to

LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
TIMM = {"layer_norm_eps": 1e-6}
MIDAS = {"model_type": "dpt", "fusion_upsample": "next_size"}
VIT_LARGE = {**MIDAS, **LARGE, **TIMM, "backbone_out_indices": [5, 11, 17, 23],
             "neck_hidden_sizes": [256, 512, 1024, 1024]}  # fmt: skip
HYBRID = {**MIDAS, **TIMM, "is_hybrid": True, "backbone_out_indices": [0, 1, 8, 11],
          "neck_hidden_sizes": [256, 512, 768, 768], "reassemble_factors": [1, 1, 1, 0.5]}  # fmt: skip
ADE = {"use_batch_norm_in_fusion_residual": True, "num_labels": 150}
NYU = {"depth_estimation_type": "metric", "depth_scale": 0.000305, "depth_shift": 0.1378}
KITTI = {"depth_estimation_type": "metric", "depth_scale": 0.00006016, "depth_shift": 0.00579}
BASE_NECK, LARGE_NECK = [96, 192, 384, 768], [256, 512, 1024, 1024]


def beit(side, stages, neck, **size):
    backbone = {"model_type": "beit", "image_size": side, "use_relative_position_bias": True, **TIMM, **size,
                "reshape_hidden_states": False, "out_features": [f"stage{i}" for i in stages]}  # fmt: skip
    return {**MIDAS, "backbone_config": backbone, "neck_hidden_sizes": neck}


def swin(kind, side, window, embed, depths, heads, **more):
    backbone = {"model_type": kind, "image_size": side, "window_size": window, "embed_dim": embed, "depths": depths,
                "num_heads": heads, "out_features": ["stage1", "stage2", "stage3", "stage4"], **more}  # fmt: skip
    return {**MIDAS, "backbone_config": backbone, "neck_hidden_sizes": [embed, 2 * embed, 4 * embed, 8 * embed]}


def dinov2(width, depth, heads, taps, **more):
    return {"model_type": "dinov2", "hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": heads,
            "image_size": 518, "out_indices": taps, "reshape_hidden_states": False, **more}  # fmt: skip


def depth_anything(width, depth, heads, taps, neck, fusion, **more):
    return {"model_type": "depth_anything", "backbone_config": dinov2(width, depth, heads, taps),
            "reassemble_hidden_size": width, "neck_hidden_sizes": neck, "fusion_hidden_size": fusion,
            **more}  # fmt: skip


def metric_dinov2(*size, **more):
    width = size[0]
    return {"model_type": "dpt", "backbone_config": dinov2(*size, apply_layernorm=False, **more),
            "neck_hidden_sizes": [width // 8, width // 4, width // 2, width], "add_projection": True,
            "use_bias_in_fusion_residual": False, "depth_estimation_type": "metric"}  # fmt: skip


def isl(encoder):
    return partial(to.isl, encoder=encoder)


DEPTH, LABELS = "DPTForDepthEstimation", "DPTForSemanticSegmentation"
ANYTHING = "DepthAnythingForDepthEstimation"
SMALL, BASE = (384, 12, 6), (768, 12, 12)
PUBLISHED = {
    "dpt_large-midas-2f21e586.pt": (isl(to.vit), DEPTH, VIT_LARGE, (384, 384), True),
    "dpt_large_384.pt": (isl(to.vit), DEPTH, VIT_LARGE, (384, 384), True),
    "dpt_large-ade20k-b12dca68.pt": (isl(to.vit), LABELS, {**VIT_LARGE, **ADE}, (480, 480), True),
    "dpt_hybrid-midas-501f0c75.pt": (isl(to.vit), DEPTH, HYBRID, (384, 384), True),
    "dpt_hybrid-ade20k-53898607.pt": (isl(to.vit), LABELS, {**HYBRID, **ADE}, (480, 480), True),
    "dpt_hybrid_nyu-2ce69ec7.pt": (isl(to.vit), DEPTH, {**HYBRID, **NYU}, (480, 640), True),
    "dpt_hybrid_nyu_new-217f207d.pt": (isl(to.vit), DEPTH, {**HYBRID, **NYU}, (480, 640), True),
    "dpt_hybrid_kitti-cb926ef4.pt": (isl(to.vit), DEPTH, {**HYBRID, **KITTI}, (352, 1216), True),
    "dpt_base.pt": (isl(to.vit), DEPTH, {**MIDAS, **TIMM}, (384, 384), True),
    "dpt_beit_large_512.pt": (
        isl(to.beit), DEPTH, beit(512, (6, 12, 18, 24), LARGE_NECK, **LARGE), (512, 512), True
    ),
    "dpt_beit_large_384.pt": (
        isl(to.beit), DEPTH, beit(384, (6, 12, 18, 24), LARGE_NECK, **LARGE), (384, 384), True
    ),
    "dpt_beit_base_384.pt": (isl(to.beit), DEPTH, beit(384, (3, 6, 9, 12), BASE_NECK), (384, 384), True),
    "dpt_swin2_tiny_256.pt": (
        isl(to.swin), DEPTH, swin("swinv2", 256, 16, 96, [2, 2, 6, 2], [3, 6, 12, 24]), (256, 256), False
    ),
    "dpt_swin2_base_384.pt": (
        isl(to.swin), DEPTH,
        swin("swinv2", 384, 24, 128, [2, 2, 18, 2], [4, 8, 16, 32], pretrained_window_sizes=[12, 12, 12, 6]),
        (384, 384), False,
    ),
    "dpt_swin2_large_384.pt": (
        isl(to.swin), DEPTH,
        swin("swinv2", 384, 24, 192, [2, 2, 18, 2], [6, 12, 24, 48], pretrained_window_sizes=[12, 12, 12, 6]),
        (384, 384), False,
    ),
    "dpt_swin_large_384.pt": (
        isl(to.swin), DEPTH,
        swin("swin", 384, 12, 192, [2, 2, 18, 2], [6, 12, 24, 48], apply_layernorm=False, always_partition=False),
        (384, 384), False,
    ),
    "dpt_levit_224.pt": (
        isl(to.levit), DEPTH,
        {**MIDAS, "neck_hidden_sizes": [384, 512, 768], "reassemble_factors": [1, 1, 1], "head_hidden_size": 8,
         "stem_transpose": True,
         "backbone_config": {"model_type": "levit", "hidden_sizes": [384, 512, 768], "num_attention_heads": [6, 9, 12],
                             "depths": [4, 4, 4], "key_dim": [32, 32, 32], "out_indices": [4, 12, 22]}},
        (224, 224), False,
    ),
    "dpt_next_vit_large_384.pt": (
        isl(to.next_vit), DEPTH,
        {**MIDAS, "neck_hidden_sizes": [96, 256, 512, 1024],
         "backbone_config": {"model_type": "nextvit", "out_indices": [1, 2, 3, 4]}},
        (384, 384), True,
    ),
    "depth_anything_vits14.pth": (
        to.depth_anything, ANYTHING, depth_anything(*SMALL, [9, 10, 11, 12], [48, 96, 192, 384], 64), (518, 518), True
    ),
    "depth_anything_vitb14.pth": (
        to.depth_anything, ANYTHING, depth_anything(*BASE, [9, 10, 11, 12], BASE_NECK, 128), (518, 518), True
    ),
    "depth_anything_vitl14.pth": (
        to.depth_anything, ANYTHING, depth_anything(1024, 24, 16, [21, 22, 23, 24], LARGE_NECK, 256), (518, 518), True
    ),
    "depth_anything_v2_vits.pth": (
        to.depth_anything, ANYTHING, depth_anything(*SMALL, [3, 6, 9, 12], [48, 96, 192, 384], 64), (518, 518), True
    ),
    "depth_anything_v2_vitb.pth": (
        to.depth_anything, ANYTHING, depth_anything(*BASE, [3, 6, 9, 12], BASE_NECK, 128), (518, 518), True
    ),
    "depth_anything_v2_vitl.pth": (
        to.depth_anything, ANYTHING, depth_anything(1024, 24, 16, [5, 12, 18, 24], LARGE_NECK, 256), (518, 518), True
    ),
    "depth_anything_v2_metric_hypersim_vitl.pth": (
        to.depth_anything, ANYTHING,
        depth_anything(1024, 24, 16, [5, 12, 18, 24], LARGE_NECK, 256, depth_estimation_type="metric", max_depth=20),
        (518, 518), True,
    ),
    "depth_anything_v2_metric_vkitti_vits.pth": (
        to.depth_anything, ANYTHING,
        depth_anything(*SMALL, [3, 6, 9, 12], [48, 96, 192, 384], 64, depth_estimation_type="metric", max_depth=80),
        (518, 518), True,
    ),
    "dinov2_vits14_nyu_dpt_head.pth": (to.dinov2_head, DEPTH, metric_dinov2(*SMALL, [3, 6, 9, 12]), None, False),
    "dinov2_vitb14_kitti_dpt_head.pth": (to.dinov2_head, DEPTH, metric_dinov2(*BASE, [3, 6, 9, 12]), None, False),
    "dinov2_vitl14_nyu_dpt_head.pth": (
        to.dinov2_head, DEPTH, metric_dinov2(1024, 24, 16, [5, 12, 18, 24]), None, False
    ),
    "dinov2_vitg14_nyu_dpt_head.pth": (
        to.dinov2_head, DEPTH, metric_dinov2(1536, 40, 24, [10, 20, 30, 40], use_swiglu_ffn=True), None, False
    ),
    "smp-dpt-large-ade20k.safetensors": (
        to.smp, LABELS, {**VIT_LARGE, **ADE, "fusion_upsample": "scale2", "use_auxiliary_head": False}, (480, 480), True
    ),
}  # fmt: skip
