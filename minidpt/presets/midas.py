"""DPT and MiDaS 3.1 as Intel publishes them in transformers' format: relative inverse depth, and one segmentation.

[DPT], [MiDaS 3.1], sources of the numbers: dpt-facts 2.2, 3.3 to 3.5
"""

from typing import Any

from .encoders import AS_IT_IS, BEIT, FROM_12, VIT_LARGE, stages, swinv2
from .pictures import BICUBIC, square
from .results import COCO_CATS, outputs, zero_shot

LARGE = {
    **VIT_LARGE,
    "backbone_out_indices": [5, 11, 17, 23],
    "neck_hidden_sizes": [256, 512, 1024, 1024],
}
HYBRID = {
    "is_hybrid": True,
    "backbone_out_indices": [0, 1, 8, 11],
    "neck_hidden_sizes": [256, 512, 768, 768],
    "reassemble_factors": [1, 1, 1, 0.5],
}
ADE20K = {"use_batch_norm_in_fusion_residual": True, "num_labels": 150}
NECKS = {"base": [96, 192, 384, 768], "large": [256, 512, 1024, 1024]}
BEIT_TAPS = {"base": stages(3, 6, 9, 12), "large": stages(6, 12, 18, 24)}
NOT_NORMALISED = "torchvision's Resize and ToTensor: values 0..1, not normalised"


def beit(size: str, side: int) -> dict[str, Any]:
    backbone = {**BEIT[size], "image_size": side, "out_features": BEIT_TAPS[size], "reshape_hidden_states": False}
    return {"backbone_config": backbone, "neck_hidden_sizes": NECKS[size]}


def pyramid(backbone: dict[str, Any], *neck: int) -> dict[str, Any]:
    """An encoder whose four stages are the four levels."""
    return {"backbone_config": {**backbone, "out_features": stages(1, 2, 3, 4)}, "neck_hidden_sizes": list(neck)}


def depth(licence: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "architecture": "DPTForDepthEstimation",
        "kind": "relative_inverse",
        "licence": licence,
        "format": "safetensors",
        "config": config,
        **more,
    }


def first(value: float, side: int) -> list[dict[str, Any]]:
    return [outputs(COCO_CATS, (side, side), "predicted_depth[0, 0, 0]", [value], NOT_NORMALISED)]


MIDAS: dict[str, dict[str, Any]] = {
    "Intel/dpt-large": depth(
        "apache-2.0",
        LARGE,
        parameters=343_030_465,
        bytes=1_370_000_000,
        processor=square(384),
        published=[
            outputs(
                COCO_CATS,
                (384, 384),
                "predicted_depth[0, :3, :3]",
                [[6.3199, 6.3629, 6.4148], [6.3850, 6.3615, 6.4166], [6.3519, 6.3176, 6.3575]],
            )
        ],
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1082, 0.0888, 0.2697, 9.97, 8.46, 8.32)},
    ),
    "Intel/dpt-large-ade": {
        "architecture": "DPTForSemanticSegmentation",
        "kind": "segmentation",
        "licence": "apache-2.0",
        "format": "pickle",
        "config": {**LARGE, **ADE20K},
        "parameters": 343_960_364,
        "processor": square(480),
        "published": [
            outputs(
                COCO_CATS,
                (480, 480),
                "logits[0, 0, :3, :3]",
                [[4.0480, 4.2420, 4.4360], [4.3124, 4.5693, 4.8261], [4.5768, 4.8965, 5.2163]],
            )
        ],
        "quality": {"ADE20K val": {"mIoU": 47.63, "pixel accuracy": 82.70}},
        "unverified": ["quality"],
    },
    "Intel/dpt-hybrid-midas": depth(
        "apache-2.0",
        HYBRID,
        format="pickle",
        parameters=122_377_985,
        bytes=490_000_000,
        processor=square(384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1106, 0.0934, 0.2741, 10.89, 11.56, 8.69)},
        unverified=["processor"],
        notes="its processor was read in another conversion of it",
    ),
    "Intel/dpt-beit-base-384": depth(
        "mit",
        beit("base", 384),
        parameters=110_761_153,
        processor=square(384, multiple=32),
        published=first(2898.4482, 384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1159, 0.0967, 0.2901, 9.88, 26.60, 3.91)},
    ),
    "Intel/dpt-beit-large-384": depth(
        "mit",
        beit("large", 384),
        parameters=343_311_553,
        processor=square(384, multiple=32),
        published=first(1783.2273, 384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1239, 0.0667, 0.2545, 7.17, 9.84, 2.21)},
    ),
    "Intel/dpt-beit-large-512": depth(
        "mit",
        beit("large", 512),
        parameters=343_987_393,
        bytes=1_380_000_000,
        processor=square(512, multiple=32),
        published=[
            outputs(
                COCO_CATS,
                (512, 512),
                "predicted_depth[0, 0, :3]",
                [2804.6260, 2792.5708, 2812.9263],
                NOT_NORMALISED,
            )
        ],
        quality={
            "MiDaS 3.1 zero-shot": zero_shot(0.1137, 0.0659, 0.2366, 6.13, 11.56, 1.86),
            "MiDaS 3.1 zero-shot, square pictures": zero_shot(0.1121, 0.0614, 0.2090, 6.46, 5.00, 1.90),
            "MiDaS 3.1 zero-shot, 384 pixels": zero_shot(0.1245, 0.0681, 0.2176, 6.13, 6.28, 2.16),
        },
        notes="a first revision of its processor kept proportions",
    ),
    "Intel/dpt-swinv2-tiny-256": depth(
        "mit",
        pyramid(swinv2("tiny", 256, 16, AS_IT_IS), 96, 192, 384, 768),
        parameters=40_930_795,
        bytes=164_000_000,
        processor=square(256, BICUBIC),
        published=first(978.9163, 256),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1211, 0.1106, 0.2868, 13.43, 10.13, 5.55)},
    ),
    "Intel/dpt-swinv2-base-384": depth(
        "mit",
        pyramid(swinv2("base", 384, 24, FROM_12), 128, 256, 512, 1024),
        parameters=101_351_865,
        processor=square(384, BICUBIC),
        published=first(1998.5575, 384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1095, 0.0790, 0.2404, 8.93, 5.97, 3.28)},
        unverified=["format", "licence", "processor"],
    ),
    "Intel/dpt-swinv2-large-384": depth(
        "mit",
        pyramid(swinv2("large", 384, 24, FROM_12), 192, 384, 768, 1536),
        parameters=211_871_797,
        bytes=848_000_000,
        processor=square(384, BICUBIC),
        published=first(1203.7206, 384),
        quality={"MiDaS 3.1 zero-shot": zero_shot(0.1106, 0.0732, 0.2442, 8.87, 5.84, 2.92)},
        unverified=["processor"],
    ),
    "dpt-base": depth(
        "",
        {},
        format="original",
        parameters=110_878_081,
        processor=square(384),
        notes="the paper's third size: code at isl-org, no weights were ever released, so the count is ours",
    ),
}
