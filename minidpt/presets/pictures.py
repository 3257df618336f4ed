"""How published models want their pictures: fields of preprocessor_config.json that differ from the class's defaults.

The originals' own code resizes with OpenCV's bicubic filter, which does not smooth what it shrinks; Pillow's, which is
used here, does. [dpt-facts: trap 15] the first three files say bilinear although the class's default is bicubic.
"""

from typing import Any

BILINEAR, BICUBIC = 2, 3  # Pillow's codes
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def square(side: int, resample: int = BILINEAR, multiple: int = 1) -> dict[str, Any]:
    """Resized to side x side, whatever the picture's shape."""
    return {"size": {"height": side, "width": side}, "resample": resample, "ensure_multiple_of": multiple}


def in_proportion(height: int, width: int) -> dict[str, Any]:
    """Resized in proportion, one side to the target, both to multiples of 32: isl-org's and MiDaS's own code."""
    return {
        "size": {"height": height, "width": width},
        "resample": BICUBIC,
        "keep_aspect_ratio": True,
        "ensure_multiple_of": 32,
    }


DEPTH_ANYTHING = {
    "size": {"height": 518, "width": 518},
    "resample": BICUBIC,
    "keep_aspect_ratio": True,
    "ensure_multiple_of": 14,
    "image_mean": IMAGENET_MEAN,
    "image_std": IMAGENET_STD,
}
DINOV2_HEADS = {  # the picture as it is: values 0..255, then zeros around it up to a multiple of the patch
    "do_resize": False,
    "do_rescale": False,
    "do_pad": True,
    "size_divisor": 14,
    "image_mean": [123.675, 116.28, 103.53],
    "image_std": [58.395, 57.12, 57.375],
}
