"""Checkpoints as their authors published them, by file name: isl-org/DPT, MiDaS, Depth Anything, DINOv2 heads.

What differs from transformers' conversions of the same weights: the eps of timm's layer norms is 1e-6, each fused map
is resized to the next one's size rather than doubled, as MiDaS 3.1 does, and pictures keep their proportions. Where a
conversion is published, `twin` names it; the metric and the convolutional models have none.   dpt-facts 3.1, 3.2, 4.2
"""

from typing import Any

from . import depth_anything, dinov2_heads
from .encoders import AS_IT_IS, FROM_12, LEVIT, swin, swinv2
from .midas import ADE20K, HYBRID, LARGE, beit, pyramid
from .pictures import BICUBIC, in_proportion, square
from .results import zero_shot

Row = dict[str, Any]

TIMM_EPS = 1e-6  # of the layer norms of ViT and BEiT
ISL_ORG = "the releases of github.com/isl-org/DPT, tag 1_0"
MIDAS_3 = "the releases of github.com/isl-org/MiDaS, tag v3"
MIDAS_31 = "the releases of github.com/isl-org/MiDaS, tag v3_1"

KITTI = {"depth_estimation_type": "metric", "depth_scale": 0.00006016, "depth_shift": 0.00579}
NYU = {"depth_estimation_type": "metric", "depth_scale": 0.000305, "depth_shift": 0.1378}


def row(config: Row, parameters: int, processor: Row, release: str, **more: Any) -> Row:
    return {
        "architecture": "DPTForDepthEstimation",
        "kind": "relative_inverse",
        "licence": "mit",
        "format": "original",
        "config": config,
        "parameters": parameters,
        "processor": processor,
        "release": release,
        **more,
    }


def vit(config: Row) -> Row:
    return {**config, "layer_norm_eps": TIMM_EPS, "fusion_upsample": "next_size"}


def next_size(config: Row) -> Row:
    """A decoder as MiDaS runs it, on an encoder with timm's eps where that is not the class's own default."""
    backbone = config["backbone_config"]
    if backbone["model_type"] == "beit":
        backbone = {**backbone, "layer_norm_eps": TIMM_EPS}
    return {**config, "backbone_config": backbone, "fusion_upsample": "next_size"}


def metric_quality(*values: float) -> Row:
    names = ("delta1", "delta2", "delta3", "AbsRel", "SqRel", "RMSE", "RMSElog", "SILog", "log10")
    return dict(zip(names, values, strict=True))


NYU_QUALITY = metric_quality(0.904, 0.988, 0.998, 0.109, 0.054, 0.357, 0.129, 9.521, 0.045)
NEW_NYU_QUALITY = metric_quality(0.905, 0.988, 0.998, 0.109, 0.055, 0.357, 0.129, 9.427, 0.045)
KITTI_QUALITY = metric_quality(0.959, 0.995, 0.999, 0.062, 0.222, 2.575, 0.092, 8.282, 0.027)

RAW_TAPS = {"apply_layernorm": False, "always_partition": False}  # of Swin: as timm and MiDaS do, not transformers
SWIN_LARGE = pyramid({**swin("large", 384, 12), **RAW_TAPS}, 192, 384, 768, 1536)
NEXT_VIT_LARGE = pyramid({"model_type": "nextvit"}, 96, 256, 512, 1024)
LEVIT_384 = {  # three levels; the head works on a map that two transposed convolutions have doubled twice
    "backbone_config": {"model_type": "levit", **LEVIT["384"], "out_features": ["layer4", "layer12", "layer22"]},
    "neck_hidden_sizes": [384, 512, 768],
    "reassemble_factors": [1, 1, 1],
    "stem_transpose": True,
    "head_hidden_size": 8,
}

ISL_ORG_FILES: dict[str, Row] = {
    "dpt_large-midas-2f21e586.pt": row(
        vit(LARGE), 343_030_465, in_proportion(384, 384), ISL_ORG, twin="Intel/dpt-large"
    ),
    "dpt_hybrid-midas-501f0c75.pt": row(
        vit(HYBRID), 122_377_985, in_proportion(384, 384), ISL_ORG, twin="Intel/dpt-hybrid-midas"
    ),
    "dpt_hybrid_kitti-cb926ef4.pt": row(
        {**vit(HYBRID), **KITTI},
        122_377_985,
        in_proportion(352, 1216),
        ISL_ORG,
        kind="metric",
        quality={"KITTI Eigen split": KITTI_QUALITY},
        notes="made for pictures cropped to 352 x 1216; its 16-bit PNGs hold 256 units a metre",
    ),
    "dpt_hybrid_nyu-2ce69ec7.pt": row(
        {**vit(HYBRID), **NYU},
        122_377_985,
        in_proportion(480, 640),
        ISL_ORG,
        kind="metric",
        quality={"NYU": NYU_QUALITY},
        notes="its 16-bit PNGs hold 1000 units a metre",
    ),
    "dpt_hybrid_nyu_new-217f207d.pt": row(
        {**vit(HYBRID), **NYU},
        122_377_985,
        in_proportion(480, 640),
        "a drive that github.com/isl-org/DPT links to",
        kind="metric",
        quality={"NYU": NEW_NYU_QUALITY},
        notes="trained anew after the paper",
    ),
    "dpt_large-ade20k-b12dca68.pt": row(
        {**vit(LARGE), **ADE20K},
        343_960_364,
        in_proportion(480, 480),
        ISL_ORG,
        architecture="DPTForSemanticSegmentation",
        kind="segmentation",
        twin="Intel/dpt-large-ade",
    ),
    "dpt_hybrid-ade20k-53898607.pt": row(
        {**vit(HYBRID), **ADE20K},
        123_307_884,
        in_proportion(480, 480),
        ISL_ORG,
        architecture="DPTForSemanticSegmentation",
        kind="segmentation",
        quality={"ADE20K val": {"mIoU": 49.02, "pixel accuracy": 83.11}},
    ),
}


def midas_vit(config: Row, parameters: int, twin: str) -> Row:
    return row(vit(config), parameters, in_proportion(384, 384), MIDAS_3, twin=twin)


def midas(config: Row, parameters: int, processor: Row, **more: Any) -> Row:
    return row(next_size(config), parameters, processor, MIDAS_31, **more)


def stretched(side: int) -> Row:
    """Encoders that take squares of one size only."""
    return square(side, BICUBIC, multiple=32)


MIDAS_FILES: dict[str, Row] = {
    "dpt_large_384.pt": midas_vit(LARGE, 343_030_465, "Intel/dpt-large"),
    "dpt_hybrid_384.pt": midas_vit(HYBRID, 122_377_985, "Intel/dpt-hybrid-midas"),
    "dpt_beit_large_512.pt": midas(
        beit("large", 512), 343_987_393, in_proportion(512, 512), twin="Intel/dpt-beit-large-512"
    ),
    "dpt_beit_large_384.pt": midas(
        beit("large", 384), 343_311_553, in_proportion(384, 384), twin="Intel/dpt-beit-large-384"
    ),
    "dpt_beit_base_384.pt": midas(
        beit("base", 384), 110_761_153, in_proportion(384, 384), twin="Intel/dpt-beit-base-384"
    ),
    "dpt_swin2_large_384.pt": midas(
        pyramid(swinv2("large", 384, 24, FROM_12), 192, 384, 768, 1536),
        211_871_797,
        stretched(384),
        twin="Intel/dpt-swinv2-large-384",
    ),
    "dpt_swin2_base_384.pt": midas(
        pyramid(swinv2("base", 384, 24, FROM_12), 128, 256, 512, 1024),
        101_351_865,
        stretched(384),
        twin="Intel/dpt-swinv2-base-384",
    ),
    "dpt_swin2_tiny_256.pt": midas(
        pyramid(swinv2("tiny", 256, 16, AS_IT_IS), 96, 192, 384, 768),
        40_930_795,
        stretched(256),
        twin="Intel/dpt-swinv2-tiny-256",
    ),
    "dpt_swin_large_384.pt": midas(
        SWIN_LARGE,
        211_870_453,
        stretched(384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1126, 0.0853, 0.2428, 8.74, 6.60, 3.34)},
        notes="213 million parameters by MiDaS's table; the count here is ours",
    ),
    "dpt_next_vit_large_384.pt": midas(
        NEXT_VIT_LARGE,
        71_235_713,
        in_proportion(384, 384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1031, 0.0954, 0.2295, 9.21, 6.89, 3.47)},
        notes="72 million parameters by MiDaS's table; the count here is ours",
    ),
    "dpt_levit_224.pt": midas(
        LEVIT_384,
        49_089_765,
        stretched(224),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1314, 0.1206, 0.3148, 18.21, 15.27, 8.64)},
        notes="51 million parameters by MiDaS's table, which counts two classifiers; its depth is 218 x 218",
    ),
}

SMP_FILES: dict[str, Row] = {  # the names of segmentation_models.pytorch, which are neither isl-org's nor transformers'
    "smp-hub/dpt-large-ade20k": row(
        {**vit(LARGE), **ADE20K, "fusion_upsample": "scale2", "use_auxiliary_head": False},
        343_331_478,
        in_proportion(480, 480),
        "the Hub, under this id",
        architecture="DPTForSemanticSegmentation",
        kind="segmentation",
        licence="unknown",
        twin="Intel/dpt-large-ade",
        notes="the count is that of Intel's without the auxiliary head",
        unverified=["licence", "processor"],
    ),
}

SIZES = {"s": "small", "b": "base", "l": "large", "g": "giant"}


def depth_anything_file(twin: str, release: str) -> Row:
    """The same network and pictures as the conversion's; where it can be had is another place."""
    published = depth_anything.DEPTH_ANYTHING[twin]
    kept = {key: published[key] for key in ("architecture", "kind", "licence", "config", "parameters", "processor")}
    unverified = [key for key in published.get("unverified", []) if key in kept]
    return {**kept, "format": "original", "release": release, "twin": twin, "unverified": unverified}


def head_file(size: str, data: str) -> Row:
    """The head alone; parameters and config are those of the whole model."""
    twin = f"facebook/dpt-dinov2-{size}-{data}"
    published = dinov2_heads.DINOV2_HEADS[twin]
    kept = {key: published[key] for key in ("architecture", "kind", "licence", "config", "parameters", "processor")}
    notes = "holds the decoder; the encoder's file is another one, and the count is that of both"
    release = "the model zoo of github.com/facebookresearch/dinov2"
    return {**kept, "format": "original", "release": release, "twin": twin, "notes": notes}


DEPTH_ANYTHING_FILES: dict[str, Row] = {
    **{
        f"depth_anything_vit{s}14.pth": depth_anything_file(
            f"LiheYoung/depth-anything-{SIZES[s]}-hf", "the Hub: spaces/LiheYoung/Depth-Anything, checkpoints"
        )
        for s in "sbl"
    },
    **{
        f"depth_anything_v2_vit{s}.pth": depth_anything_file(
            f"depth-anything/Depth-Anything-V2-{SIZES[s].title()}-hf",
            f"the Hub: depth-anything/Depth-Anything-V2-{SIZES[s].title()}",
        )
        for s in "sbl"
    },
    **{
        f"depth_anything_v2_metric_{data}_vit{s}.pth": depth_anything_file(
            f"depth-anything/Depth-Anything-V2-Metric-{where}-{SIZES[s].title()}-hf",
            f"the Hub: depth-anything/Depth-Anything-V2-Metric-{title}-{SIZES[s].title()}",
        )
        for data, title, where in (("hypersim", "Hypersim", "Indoor"), ("vkitti", "VKITTI", "Outdoor"))
        for s in "sbl"
    },
}
HEAD_FILES: dict[str, Row] = {
    f"dinov2_vit{s}14_{data}_dpt_head.pth": head_file(size, data)
    for s, size in SIZES.items()
    for data in ("nyu", "kitti")
}

ORIGINALS: dict[str, Row] = {**ISL_ORG_FILES, **MIDAS_FILES, **SMP_FILES, **DEPTH_ANYTHING_FILES, **HEAD_FILES}
