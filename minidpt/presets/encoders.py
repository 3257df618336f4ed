"""The encoders below published models: the fields of their configs, written once for models and lone backbones.

Each is what its class calls itself plus what differs from that class's defaults in transformers.
"""

from typing import Any

Fields = dict[str, Any]


def stages(*numbers: int) -> list[str]:
    """out_features by number."""
    return [f"stage{i}" for i in numbers]


VIT_LARGE: Fields = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}

DINOV2: dict[str, Fields] = {
    "small": {"model_type": "dinov2", "image_size": 518, "hidden_size": 384, "num_attention_heads": 6},
    "base": {"model_type": "dinov2", "image_size": 518},
    "large": {
        "model_type": "dinov2",
        "image_size": 518,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
    "giant": {
        "model_type": "dinov2",
        "image_size": 518,
        "hidden_size": 1536,
        "num_hidden_layers": 40,
        "num_attention_heads": 24,
        "use_swiglu_ffn": True,
    },
}

BEIT: dict[str, Fields] = {
    "base": {"model_type": "beit", "use_relative_position_bias": True},
    "large": {
        "model_type": "beit",
        "use_relative_position_bias": True,
        **VIT_LARGE,
    },
}

SWIN_SIZES: dict[str, Fields] = {
    "tiny": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]},
    "small": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24]},
    "base": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32]},
    "large": {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48]},
}

LEVIT: dict[str, Fields] = {
    "128S": {
        "hidden_sizes": [128, 256, 384],
        "num_attention_heads": [4, 6, 8],
        "depths": [2, 3, 4],
        "key_dim": [16, 16, 16],
    },
    "128": {
        "hidden_sizes": [128, 256, 384],
        "num_attention_heads": [4, 8, 12],
        "depths": [4, 4, 4],
        "key_dim": [16, 16, 16],
    },
    "192": {
        "hidden_sizes": [192, 288, 384],
        "num_attention_heads": [3, 5, 6],
        "depths": [4, 4, 4],
        "key_dim": [32, 32, 32],
    },
    "256": {
        "hidden_sizes": [256, 384, 512],
        "num_attention_heads": [4, 6, 8],
        "depths": [4, 4, 4],
        "key_dim": [32, 32, 32],
    },
    "384": {
        "hidden_sizes": [384, 512, 768],
        "num_attention_heads": [6, 9, 12],
        "depths": [4, 4, 4],
        "key_dim": [32, 32, 32],
    },
}


def swin(size: str, side: int, window: int) -> Fields:
    return {"model_type": "swin", "image_size": side, "window_size": window, **SWIN_SIZES[size]}


def swinv2(size: str, side: int, window: int, pretrained: list[int]) -> Fields:
    """pretrained: the windows, per stage, with which the relative positions were learnt; zeros if with these."""
    return {
        "model_type": "swinv2",
        "image_size": side,
        "window_size": window,
        "pretrained_window_sizes": pretrained,
        **SWIN_SIZES[size],
    }


FROM_12 = [12, 12, 12, 6]  # learnt on 192 pixels with windows of 12, used on larger pictures with larger windows
AS_IT_IS = [0, 0, 0, 0]
