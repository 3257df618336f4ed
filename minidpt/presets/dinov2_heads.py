"""DPT on DINOv2, metric depth of rooms (NYU, up to 10 m) and streets (KITTI, up to 80 m).

Meta publishes heads and encoders apart; transformers' files hold both. What transformers leaves out of Meta's code: the
0.001 m added to the output, the clamp to the data set's range and the last resize.
[DINOv2], dpt-facts 1.8, 3.3 to 3.5
"""

from typing import Any

from .encoders import DINOV2, stages
from .pictures import DINOV2_HEADS as PROCESSOR
from .results import outputs

TAPS = {"small": (3, 6, 9, 12), "base": (3, 6, 9, 12), "large": (5, 12, 18, 24), "giant": (10, 20, 30, 40)}
NECKS = {
    "small": [48, 96, 192, 384],
    "base": [96, 192, 384, 768],
    "large": [128, 256, 512, 1024],
    "giant": [192, 384, 768, 1536],
}
RANGE = {"nyu": "0.001 to 10 m", "kitti": "0.001 to 80 m"}


def config(size: str) -> dict[str, Any]:
    return {
        "backbone_config": {
            **DINOV2[size],
            "out_features": stages(*TAPS[size]),
            "apply_layernorm": False,
            "reshape_hidden_states": False,
        },
        "neck_hidden_sizes": NECKS[size],
        "add_projection": True,
        "use_bias_in_fusion_residual": False,
        "depth_estimation_type": "metric",
    }


def head(size: str, data: str, parameters: int, rmse: float, **more: Any) -> dict[str, Any]:
    """rmse: in metres on the data's test pictures"""
    return {
        "architecture": "DPTForDepthEstimation",
        "kind": "metric",
        "licence": "apache-2.0",
        "format": "pickle",
        "config": config(size),
        "parameters": parameters,
        "processor": PROCESSOR,
        "quality": {data.upper(): {"RMSE": rmse}},
        "notes": f"Meta's own code adds 0.001 m and clamps to {RANGE[data]}",
        "unverified": ["format", "quality"],
        **more,
    }


SMALL_NYU = outputs(
    "Meta's example.jpg of the depth notebook",
    (490, 644),
    "predicted_depth[0, :3, :3], of 576 x 736",
    [[3.3576, 3.4741, 3.4345], [3.4324, 3.5012, 3.2775], [3.2560, 3.3563, 3.2354]],
)

DINOV2_HEADS: dict[str, dict[str, Any]] = {
    "facebook/dpt-dinov2-small-nyu": head(
        "small", "nyu", 37_197_601, 0.356, bytes=149_000_000, published=[SMALL_NYU], unverified=["quality"]
    ),
    "facebook/dpt-dinov2-small-kitti": head("small", "kitti", 37_197_601, 2.74),
    "facebook/dpt-dinov2-base-nyu": head("base", "nyu", 111_954_049, 0.317),
    "facebook/dpt-dinov2-base-kitti": head("base", "kitti", 111_954_049, 2.56),
    "facebook/dpt-dinov2-large-nyu": head("large", "nyu", 339_738_305, 0.293),
    "facebook/dpt-dinov2-large-kitti": head("large", "kitti", 339_738_305, 2.38),
    "facebook/dpt-dinov2-giant-nyu": head(
        "giant", "nyu", 1_199_461_185, 0.279, format="safetensors", bytes=4_800_000_000, unverified=["quality"]
    ),
    "facebook/dpt-dinov2-giant-kitti": head("giant", "kitti", 1_199_461_185, 2.11),
}
