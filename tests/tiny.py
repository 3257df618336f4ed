"""Tiny configs that every test can afford: four blocks, unequal widths."""

import numpy as np

PLAIN = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
    "backbone_out_indices": [0, 1, 2, 3],
    "neck_hidden_sizes": [8, 12, 16, 20],
    "fusion_hidden_size": 24,
}

BIT = {
    "model_type": "bit",
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 64],
    "depths": [2, 1, 2],
    "layer_type": "bottleneck",
    "num_groups": 4,
    "global_padding": "same",
    "embedding_dynamic_padding": True,
    "out_features": ["stage1", "stage2", "stage3"],
}

HYBRID = {
    **PLAIN,
    "is_hybrid": True,
    "backbone_config": BIT,
    "patch_size": 16,
    "image_size": 64,
    "backbone_featmap_shape": [1, 64, 4, 4],
    "neck_hidden_sizes": [16, 32, 16, 20],
    "reassemble_factors": [1, 1, 1, 0.5],
}

BEIT = {
    "model_type": "beit",
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
    "use_relative_position_bias": True,
    "out_indices": [1, 2, 3, 4],
    "reshape_hidden_states": False,
}

DEIT = {
    "model_type": "deit",
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
    "out_indices": [1, 2, 3, 4],
}


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def lively(model, seed=1):
    """The same model with random numbers in every tensor, so that nothing cancels out."""
    rng = np.random.default_rng(seed)
    named = {}
    for t in model.table:
        spread = t.shape[0] ** -0.5 if len(t.shape) == 1 else np.prod(t.shape[1:]) ** -0.5
        named[t.name] = rng.standard_normal(t.shape).astype(np.float32) * np.float32(spread)
        if t.kind in ("scale", "variance"):
            named[t.name] = 1 + np.abs(named[t.name]) * np.float32(0.3)
    if "head.conv3.bias" in named:
        named["head.conv3.bias"] += 5  # so that the last ReLU clips nothing
    return type(model).from_weights(model.config, named)


SMALLEST = {
    **PLAIN,
    "hidden_size": 16,
    "intermediate_size": 20,
    "neck_hidden_sizes": [6, 8, 10, 12],
    "fusion_hidden_size": 8,
}

GOLDEN = {  # name -> task, config, picture size: what tests/record_golden.py records
    "plain": ("DPTForDepthEstimation", {**SMALLEST, "add_projection": False}, (24, 40)),
    "hybrid": (
        "DPTForDepthEstimation",
        {
            **HYBRID,
            "hidden_size": 16,
            "intermediate_size": 20,
            "fusion_hidden_size": 8,
            "neck_hidden_sizes": [16, 32, 10, 12],
            "backbone_config": {**BIT, "depths": [1, 1, 1]},
        },
        (48, 80),
    ),
    "segmentation": (
        "DPTForSemanticSegmentation",
        {**SMALLEST, "readout_type": "add", "use_batch_norm_in_fusion_residual": True, "num_labels": 5},
        (40, 24),
    ),
}
