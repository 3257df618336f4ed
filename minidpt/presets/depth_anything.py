"""Depth Anything, V1 and V2, relative and metric, in transformers' format.

[Depth Anything], [Depth Anything V2], dpt-facts 1.12, 3.3 to 3.5
"""

from typing import Any

from .encoders import DINOV2
from .pictures import DEPTH_ANYTHING as PROCESSOR
from .results import COCO_CATS, abs_rel_and_delta, outputs

V1_TAPS = {"small": [9, 10, 11, 12], "base": [9, 10, 11, 12], "large": [21, 22, 23, 24]}
V2_TAPS = {"small": [3, 6, 9, 12], "base": [3, 6, 9, 12], "large": [5, 12, 18, 24]}
DECODERS = {
    "small": {},
    "base": {"reassemble_hidden_size": 768, "neck_hidden_sizes": [96, 192, 384, 768], "fusion_hidden_size": 128},
    "large": {"reassemble_hidden_size": 1024, "neck_hidden_sizes": [256, 512, 1024, 1024], "fusion_hidden_size": 256},
}
PARAMETERS = {"small": 24_785_089, "base": 97_470_785, "large": 335_315_649}
BYTES = {"small": 99_200_000, "base": 390_000_000, "large": 1_340_000_000}
V2_LICENCES = {"small": "apache-2.0", "base": "cc-by-nc-4.0", "large": "cc-by-nc-4.0"}
DA_2K = {"small": 95.3, "base": 97.0, "large": 97.1}
V1_QUALITY = {
    "small": abs_rel_and_delta(
        KITTI=(0.080, 0.936),
        NYU=(0.053, 0.972),
        Sintel=(0.464, 0.739),
        DDAD=(0.247, 0.768),
        ETH3D=(0.127, 0.885),
        DIODE=(0.076, 0.939),
    ),
    "base": abs_rel_and_delta(
        KITTI=(0.080, 0.939),
        NYU=(0.046, 0.979),
        Sintel=(0.432, 0.756),
        DDAD=(0.232, 0.786),
        ETH3D=(0.126, 0.884),
        DIODE=(0.069, 0.946),
    ),
    "large": abs_rel_and_delta(
        KITTI=(0.076, 0.947),
        NYU=(0.043, 0.981),
        Sintel=(0.458, 0.760),
        DDAD=(0.230, 0.789),
        ETH3D=(0.127, 0.882),
        DIODE=(0.066, 0.952),
    ),
}


def config(size: str, taps: list[int]) -> dict[str, Any]:
    backbone = {**DINOV2[size], "out_indices": taps, "reshape_hidden_states": False}
    return {"model_type": "depth_anything", "backbone_config": backbone, **DECODERS[size]}


def relative(size: str, taps: list[int], licence: str, first: float, quality: dict, **more: Any) -> dict[str, Any]:
    """first: the first value of its depth of the cats"""
    return {
        "architecture": "DepthAnythingForDepthEstimation",
        "kind": "relative_inverse",
        "licence": licence,
        "format": "safetensors",
        "config": config(size, taps),
        "parameters": PARAMETERS[size],
        "processor": PROCESSOR,
        "published": [outputs(COCO_CATS, (518, 686), "predicted_depth[0, 0, 0]", [first])],
        "quality": quality,
        **more,
    }


def metric(size: str, max_depth: int, first: float, **more: Any) -> dict[str, Any]:
    """max_depth: in metres, 20 indoors, 80 outdoors"""
    row = relative(size, V2_TAPS[size], "unknown", first, {}, **more)
    return {
        **row,
        "kind": "metric",
        "config": {**row["config"], "depth_estimation_type": "metric", "max_depth": max_depth},
        "bytes": BYTES[size],
        "unverified": ["licence"],
        "notes": "earlier revisions of its card said apache-2.0, today's names no licence",
    }


def v2(size: str, first: float) -> dict[str, Any]:
    quality = {"DA-2K": {"accuracy": DA_2K[size]}}
    row = relative(size, V2_TAPS[size], V2_LICENCES[size], first, quality, bytes=BYTES[size])
    return {**row, "unverified": ["quality"]}


DEPTH_ANYTHING: dict[str, dict[str, Any]] = {
    "LiheYoung/depth-anything-small-hf": relative("small", V1_TAPS["small"], "apache-2.0", 8.8204, V1_QUALITY["small"]),
    "LiheYoung/depth-anything-base-hf": relative("base", V1_TAPS["base"], "apache-2.0", 26.3997, V1_QUALITY["base"]),
    "LiheYoung/depth-anything-large-hf": relative(
        "large", V1_TAPS["large"], "apache-2.0", 87.9968, V1_QUALITY["large"]
    ),
    "depth-anything/Depth-Anything-V2-Small-hf": v2("small", 2.6751),
    "depth-anything/Depth-Anything-V2-Base-hf": v2("base", 4.3576),
    "depth-anything/Depth-Anything-V2-Large-hf": v2("large", 162.2751),
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf": metric("small", 20, 1.3349),
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf": metric("base", 20, 1.4601),
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf": metric("large", 20, 1.5040),
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf": metric("small", 80, 9.5804),
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Base-hf": metric("base", 80, 10.2916),
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf": metric("large", 80, 14.0137),
}
