"""Encoders that are published on their own, in transformers' format. A DPT on one of them starts from its weights.

Parameters are counted with transformers' Backbone classes (LeViT: LevitModel), tapped at the last stage; they leave out
the classifier that most of the files also hold. Their processors crop, which DPT's does not, so none is here.
"""

from typing import Any

from .encoders import AS_IT_IS, BEIT, DINOV2, FROM_12, LEVIT, swin, swinv2


def backbone(architecture: str, config: dict[str, Any], parameters: int, **more: Any) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "kind": "backbone",
        "licence": "apache-2.0",
        "format": "safetensors",
        "config": config,
        "parameters": parameters,
        "processor": None,
        **more,
    }


def dinov2(size: str, parameters: int) -> dict[str, Any]:
    return backbone("Dinov2Backbone", DINOV2[size], parameters)


def dinov2_with_registers(size: str, parameters: int) -> dict[str, Any]:
    config = {**DINOV2[size], "model_type": "dinov2_with_registers", "patch_size": 14, "num_register_tokens": 4}
    return backbone("Dinov2WithRegistersBackbone", config, parameters)


def beit(size: str, side: int, parameters: int) -> dict[str, Any]:
    return backbone("BeitBackbone", {**BEIT[size], "image_size": side}, parameters, unverified=["format"])


def swin_row(config: dict[str, Any], parameters: int) -> dict[str, Any]:
    return backbone("SwinBackbone", config, parameters)


def swinv2_row(config: dict[str, Any], parameters: int) -> dict[str, Any]:
    return backbone("Swinv2Backbone", config, parameters, unverified=["format"])


def levit(size: str, parameters: int) -> dict[str, Any]:
    return backbone("LevitBackbone", {"model_type": "levit", **LEVIT[size]}, parameters, unverified=["format"])


V2, V2_TO_256, V2_TO_384 = "microsoft/swinv2", "window12to16-192to256-22kto1k-ft", "window12to24-192to384-22kto1k-ft"

BACKBONES: dict[str, dict[str, Any]] = {
    "facebook/dinov2-small": dinov2("small", 22_056_576),
    "facebook/dinov2-base": dinov2("base", 86_580_480),
    "facebook/dinov2-large": dinov2("large", 304_368_640),
    "facebook/dinov2-giant": dinov2("giant", 1_136_480_768),
    "facebook/dinov2-with-registers-small": dinov2_with_registers("small", 22_058_112),
    "facebook/dinov2-with-registers-base": dinov2_with_registers("base", 86_583_552),
    "facebook/dinov2-with-registers-large": dinov2_with_registers("large", 304_372_736),
    "facebook/dinov2-with-registers-giant": dinov2_with_registers("giant", 1_136_486_912),
    "microsoft/beit-base-patch16-224": beit("base", 224, 85_760_448),
    "microsoft/beit-base-patch16-384": beit("base", 384, 85_973_568),
    "microsoft/beit-large-patch16-224": beit("large", 224, 303_403_520),
    "microsoft/beit-large-patch16-384": beit("large", 384, 303_971_840),
    "microsoft/beit-large-patch16-512": beit("large", 512, 304_647_680),
    "microsoft/swin-tiny-patch4-window7-224": swin_row(swin("tiny", 224, 7), 27_520_890),
    "microsoft/swin-small-patch4-window7-224": swin_row(swin("small", 224, 7), 48_838_794),
    "microsoft/swin-base-patch4-window7-224": swin_row(swin("base", 224, 7), 86_745_272),
    "microsoft/swin-base-patch4-window12-384": swin_row(swin("base", 384, 12), 86_880_632),
    "microsoft/swin-large-patch4-window7-224": swin_row(swin("large", 224, 7), 194_998_548),
    "microsoft/swin-large-patch4-window12-384": swin_row(swin("large", 384, 12), 195_201_588),
    f"{V2}-tiny-patch4-window8-256": swinv2_row(swinv2("tiny", 256, 8, AS_IT_IS), 27_576_618),
    f"{V2}-tiny-patch4-window16-256": swinv2_row(swinv2("tiny", 256, 16, AS_IT_IS), 27_576_618),
    f"{V2}-small-patch4-window8-256": swinv2_row(swinv2("small", 256, 8, AS_IT_IS), 48_957_882),
    f"{V2}-small-patch4-window16-256": swinv2_row(swinv2("small", 256, 16, AS_IT_IS), 48_957_882),
    f"{V2}-base-patch4-window8-256": swinv2_row(swinv2("base", 256, 8, AS_IT_IS), 86_891_768),
    f"{V2}-base-patch4-window16-256": swinv2_row(swinv2("base", 256, 16, AS_IT_IS), 86_891_768),
    f"{V2}-base-patch4-{V2_TO_256}": swinv2_row(swinv2("base", 256, 16, FROM_12), 86_891_768),
    f"{V2}-base-patch4-{V2_TO_384}": swinv2_row(swinv2("base", 384, 24, FROM_12), 86_891_768),
    f"{V2}-large-patch4-{V2_TO_256}": swinv2_row(swinv2("large", 256, 16, FROM_12), 195_199_860),
    f"{V2}-large-patch4-{V2_TO_384}": swinv2_row(swinv2("large", 384, 24, FROM_12), 195_199_860),
    "google/bit-50": backbone("BitBackbone", {"model_type": "bit"}, 23_500_352, unverified=["format"]),
    "facebook/levit-128S": levit("128S", 7_005_522),
    "facebook/levit-128": levit("128", 8_442_400),
    "facebook/levit-192": levit("192", 10_175_533),
    "facebook/levit-256": levit("256", 17_865_828),
    "facebook/levit-384": levit("384", 37_587_764),
}
