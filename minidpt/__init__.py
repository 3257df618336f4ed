"""minidpt: DPT (Vision Transformers for Dense Prediction) in plain NumPy.

Reading order, which is the order of the data: images, processing, backbones/vit (then backbones/hybrid), reassemble,
fusion, heads, model, processing again, render, saving. What the models are made of: ops. What they are filled with:
params, checkpoints. What you can watch: recording, drawn by visualize.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "auto_backbone": (
        "AutoBackbone",
        "BeitBackbone",
        "BitBackbone",
        "DeiTBackbone",
        "Dinov2Backbone",
        "Dinov2WithRegistersBackbone",
        "LevitBackbone",
        "NextViTBackbone",
        "SwinBackbone",
        "Swinv2Backbone",
        "VitDetBackbone",
    ),
    "backbones": (
        "BeitConfig",
        "BitConfig",
        "DeiTConfig",
        "Dinov2Config",
        "Dinov2WithRegistersConfig",
        "LevitConfig",
        "NextViTConfig",
        "SwinConfig",
        "Swinv2Config",
        "VitDetConfig",
    ),
    "config": ("DPTConfig", "DepthAnythingConfig"),
    "errors": ("CheckpointError", "ConfigError", "HubError", "ImageError", "MiniDPTError", "ResourceError"),
    "images": ("load_image",),
    "model": (
        "DPTForDepthEstimation",
        "DPTForSemanticSegmentation",
        "DPTModel",
        "AutoModelForDepthEstimation",
        "DepthAnythingForDepthEstimation",
    ),
    "pipelines": ("pipeline",),
    "processing": ("DPTFeatureExtractor", "DPTImageProcessor"),
    "recording": ("record",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    """Import a public name's module on first use, so that `import minidpt` costs nothing (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'minidpt' has no attribute {name!r}")
    return getattr(importlib.import_module(f"minidpt.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
