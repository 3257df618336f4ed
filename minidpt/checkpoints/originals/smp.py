"""segmentation_models.pytorch's DPT for segmentation, whose published weights are isl-org's under names of its own.

[segmentation_models.pytorch: decoders/dpt]   Its forward pass also sends the deepest map through that step's first
residual unit, which the paper and isl-org, and so minidpt, skip.
"""

from collections.abc import Collection
from typing import Any

from .fusion_names import resize_factor, unit_fields
from .isl_midas import SEGMENTATION_SIDE, segmentation_fields
from .renaming import Described, Hints, Shapes, Target, shape
from .timm_encoders import encoder_of

NAME = "segmentation_models.pytorch's DPT"
KINDS: tuple[str, ...] = ()
HEAD = "segmentation_head.head"
