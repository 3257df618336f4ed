"""DINOv2, with and without registers: under DPT and Depth Anything, and alone, every stage against transformers."""

import numpy as np
import pytest
from checks import assert_close
from tiny import pixels

from minidpt import (
    AutoBackbone,
    AutoModelForDepthEstimation,
    CheckpointError,
    DepthAnythingForDepthEstimation,
    DPTForDepthEstimation,
    DPTImageProcessor,
    pipeline,
    record,
)

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import assert_stages_agree, config_of, lively, lively_reference  # noqa: E402

DINOV2 = {
    "model_type": "dinov2",
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "mlp_ratio": 2,
    "image_size": 42,
    "patch_size": 14,
    "out_indices": [1, 2, 3, 4],
    "reshape_hidden_states": False,
}
ON_DINOV2 = {
    "backbone_config": {**DINOV2, "apply_layernorm": False},
    "neck_hidden_sizes": [8, 12, 16, 20],
    "fusion_hidden_size": 24,
}
DEPTH_ANYTHING = {
    "model_type": "depth_anything",
    "backbone_config": DINOV2,
    "reassemble_hidden_size": 32,
    "neck_hidden_sizes": [8, 12, 16, 20],
    "fusion_hidden_size": 24,
}
CASES = {
    "dpt": (ON_DINOV2, (42, 70)),
    "dpt square": (ON_DINOV2, (42, 42)),
    "dpt as published": ({**ON_DINOV2, "add_projection": True, "use_bias_in_fusion_residual": False,
                          "fusion_hidden_size": 256}, (56, 42)),
    "dpt add": ({**ON_DINOV2, "readout_type": "add"}, (28, 56)),
    "dpt ignore": ({**ON_DINOV2, "readout_type": "ignore"}, (28, 56)),
    "dpt normed taps": ({**ON_DINOV2, "backbone_config": DINOV2}, (28, 56)),
    "gated": ({**ON_DINOV2, "backbone_config": {**DINOV2, "use_swiglu_ffn": True, "mlp_ratio": 4}}, (42, 56)),
    "no qkv bias, relu": (
        {**ON_DINOV2, "backbone_config": {**DINOV2, "qkv_bias": False, "hidden_act": "relu"}}, (42, 56)
    ),
    "stem tapped": ({**ON_DINOV2, "backbone_config": {**DINOV2, "out_indices": [0, 1, 3, 4]}}, (42, 56)),
    "relative": (DEPTH_ANYTHING, (42, 70)),
    "relative one patch": (DEPTH_ANYTHING, (14, 14)),
    "metric": ({**DEPTH_ANYTHING, "depth_estimation_type": "metric", "max_depth": 20}, (70, 42)),
    "other head": ({**DEPTH_ANYTHING, "head_hidden_size": 12, "head_in_index": 2}, (42, 28)),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.mark.parametrize(("settings", "size"), CASES.values(), ids=CASES.keys())
def test_every_stage_agrees(settings, size, tmp_path):
    ours_class = DepthAnythingForDepthEstimation if "model_type" in settings else DPTForDepthEstimation
    x = pixels(2, 3, *size)
    theirs = lively_reference(ours_class.__name__, settings, x)
    theirs.save_pretrained(tmp_path)
    ours = ours_class.from_pretrained(tmp_path)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)


REGISTERS = {**DINOV2, "model_type": "dinov2_with_registers", "num_register_tokens": 3}
ALONE = {
    "tokens": DINOV2,
    "maps": {**DINOV2, "reshape_hidden_states": True, "out_indices": [2, 4]},
    "raw": {**DINOV2, "apply_layernorm": False},
    "registers": REGISTERS,
    "registers as maps": {**REGISTERS, "reshape_hidden_states": True},
    "last stage by default": {k: v for k, v in DINOV2.items() if k != "out_indices"},
}


@pytest.mark.parametrize("size", [(42, 42), (42, 70), (28, 98)], ids=str)
@pytest.mark.parametrize("settings", ALONE.values(), ids=ALONE.keys())
def test_the_backbone_alone_agrees(settings, size, tmp_path):
    x = pixels(2, 3, *size)
    theirs = lively(transformers.AutoBackbone.from_config(config_of(settings)))
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert type(ours).__name__ == type(theirs).__name__
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert_stages_agree(theirs, x, tape)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True, output_attentions=True)
    for name in ("feature_maps", "hidden_states", "attentions"):
        assert len(out[name]) == len(expected[name])
        for i, (mine, reference) in enumerate(zip(out[name], expected[name], strict=True)):
            # both in float32: a few roundings of values up to about 10, through four blocks
            assert_close(mine, reference, atol=1e-4, rtol=1e-4, name=f"{name}[{i}]")


def test_the_pipeline_and_auto_class_take_whichever_depth_model_there_is(tmp_path):
    x = pixels(1, 3, 42, 56)
    theirs = lively_reference("DepthAnythingForDepthEstimation", DEPTH_ANYTHING, x)
    theirs.save_pretrained(tmp_path)
    DPTImageProcessor(size=42, ensure_multiple_of=14).save_pretrained(tmp_path)
    model = AutoModelForDepthEstimation.from_pretrained(tmp_path)
    assert isinstance(model, DepthAnythingForDepthEstimation)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).predicted_depth
    assert_close(model(x).predicted_depth, expected, atol=1e-3, rtol=1e-4, name="depth")  # two float32 passes
    result = pipeline("depth-estimation", tmp_path)(np.zeros((30, 40, 3), np.uint8))
    assert result["predicted_depth"].shape == (30, 40)
    with pytest.raises(CheckpointError, match="holds a DepthAnythingForDepthEstimation, not a DPTForDepthEstimation"):
        DPTForDepthEstimation.from_pretrained(tmp_path)
    AutoBackbone.from_config(model.encoder).save_pretrained(tmp_path / "encoder")
    with pytest.raises(CheckpointError, match="holds a Dinov2Backbone, which estimates no depth"):
        AutoModelForDepthEstimation.from_pretrained(tmp_path / "encoder")
