"""The published preprocessor_config.json forms, without what no code reads."""

DPT_LARGE = {
    "do_normalize": True,
    "do_resize": True,
    "ensure_multiple_of": 1,
    "feature_extractor_type": "DPTFeatureExtractor",
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "keep_aspect_ratio": False,
    "resample": 2,
    "size": 384,
}
DEPTH_ANYTHING = {
    "do_normalize": True,
    "do_pad": False,
    "do_rescale": True,
    "do_resize": True,
    "ensure_multiple_of": 14,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "DPTImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "keep_aspect_ratio": True,
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 518, "width": 518},
    "size_divisor": None,
}
DPT_DINOV2 = {
    "do_normalize": True,
    "do_pad": True,
    "do_rescale": False,
    "do_resize": False,
    "image_mean": [123.675, 116.28, 103.53],
    "image_processor_type": "DPTImageProcessor",
    "image_std": [58.395, 57.12, 57.375],
    "size_divisibility": 14,
}
