"""A tiny model of every family under DPT: settings for its config, and a picture size that suits it."""

from tiny import BEIT, DEIT, HYBRID, PLAIN

from minidpt import DPTConfig

DECODER = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24}
DINOV2 = {
    "model_type": "dinov2",
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "mlp_ratio": 2,
    "image_size": 42,
    "out_indices": [1, 2, 3, 4],
    "reshape_hidden_states": False,
}
REGISTERS = {**DINOV2, "model_type": "dinov2_with_registers", "patch_size": 14, "num_register_tokens": 3}
SWIN = {
    "model_type": "swin",
    "embed_dim": 16,
    "depths": [2, 1, 2, 1],
    "num_heads": [2, 2, 4, 4],
    "window_size": 4,
    "image_size": 64,
    "patch_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
VITDET = {
    "model_type": "vitdet",
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "mlp_ratio": 2,
    "image_size": 48,
    "pretrain_image_size": 32,
    "patch_size": 8,
    "window_block_indices": [0, 2],
    "window_size": 3,
    "use_relative_position_embeddings": True,
    "out_indices": [1, 2, 3, 4],
}
BIT = {
    "model_type": "bit",
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 48, 64],
    "depths": [1, 2, 1, 1],
    "num_groups": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
LEVIT = {
    "model_type": "levit",
    "image_size": 64,
    "hidden_sizes": [16, 24, 32],
    "num_attention_heads": [2, 2, 2],
    "depths": [2, 2, 2],
    "key_dim": [8, 8, 8],
    "out_features": ["layer2", "layer8", "layer14"],
}
NEXTVIT = {
    "model_type": "nextvit",
    "depths": [1, 2, 5, 2],
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}


def under(backbone, **changes):
    return {"backbone_config": backbone, **DECODER, **changes}


FAMILIES = {  # family -> (fields of its DPTConfig, or of DepthAnythingConfig; picture size)
    "vit": (PLAIN, (32, 48)),
    "hybrid": (HYBRID, (64, 96)),
    "dinov2": (under({**DINOV2, "apply_layernorm": False}), (42, 56)),
    "dinov2_with_registers": (under(REGISTERS), (42, 56)),
    "depth_anything": (
        {**under({**DINOV2, "patch_size": 14}), "reassemble_hidden_size": 32, "fusion_hidden_size": 16},
        (42, 56),
    ),
    "beit": (under(BEIT), (32, 48)),
    "deit": (under(DEIT), (32, 48)),
    "swin": (under(SWIN, neck_hidden_sizes=[16, 32, 64, 128]), (64, 96)),
    "swinv2": (under({**SWIN, "model_type": "swinv2"}, neck_hidden_sizes=[16, 32, 64, 128]), (64, 96)),
    "vitdet": (under(VITDET), (40, 56)),
    "bit": (under(BIT, neck_hidden_sizes=[16, 32, 48, 64]), (64, 96)),
    "levit": (
        under(
            LEVIT,
            neck_hidden_sizes=[16, 24, 32],
            fusion_upsample="next_size",
            stem_transpose=True,
            head_hidden_size=8,
        ),
        (64, 64),
    ),
    "nextvit": (under(NEXTVIT, neck_hidden_sizes=[96, 256, 512, 1024]), (64, 96)),
}


def depth_config(settings):
    return DPTConfig(**settings)
