"""What published config.json files leave unsaid, one line and one reason each. Applied where a checkpoint is opened."""

from collections.abc import Mapping
from typing import Any


def amend(values: Any) -> Any:
    """The contents of a config.json with what its model is known to mean; all else, and what is said, stays."""
    if not isinstance(values, Mapping):
        return values
    return {**(METRIC if is_dinov2_head(values) else {}), **values}


# facebook/dpt-dinov2-*: transformers has no field for it, but these heads were trained on NYU's and KITTI's metres.
METRIC = {"depth_estimation_type": "metric"}


def is_dinov2_head(values: Mapping[str, Any]) -> bool:
    """Only they project before the head on a DINOv2 encoder."""
    backbone = values.get("backbone_config")
    on_dinov2 = isinstance(backbone, Mapping) and backbone.get("model_type") == "dinov2"
    return values.get("model_type", "dpt") == "dpt" and on_dinov2 and values.get("add_projection") is True
