"""Tiny random transformers models, saved by transformers and read by us: every stage within the design's bound."""

import numpy as np
import pytest
from checks import assert_close
from tiny import BIT, HYBRID, PLAIN, pixels

from minidpt import DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, DPTImageProcessor, DPTModel, record

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import assert_stages_agree, config_of, lively_reference  # noqa: E402

TASKS = {
    "depth": ("DPTForDepthEstimation", DPTForDepthEstimation),
    "seg": ("DPTForSemanticSegmentation", DPTForSemanticSegmentation),
}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


CASES = {
    "plain": ({}, "depth", (32, 32)),
    "non-square": ({}, "depth", (40, 56)),
    "one patch": ({}, "depth", (8, 8)),
    "readout add": ({"readout_type": "add"}, "depth", (32, 48)),
    "readout ignore": ({"readout_type": "ignore"}, "depth", (32, 48)),
    "batch norm": ({"use_batch_norm_in_fusion_residual": True}, "depth", (32, 40)),
    "batch norm and bias": (
        {"use_batch_norm_in_fusion_residual": True, "use_bias_in_fusion_residual": True}, "depth", (32, 40)
    ),
    "neither": ({"use_bias_in_fusion_residual": False}, "depth", (32, 40)),
    "projection": ({"add_projection": True, "fusion_hidden_size": 256}, "depth", (24, 32)),
    "head_in_index": ({"head_in_index": 1}, "depth", (32, 32)),
    "no qkv bias": ({"qkv_bias": False}, "depth", (32, 32)),
    "relu and eps": ({"hidden_act": "relu", "layer_norm_eps": 1e-3}, "depth", (32, 32)),
    "patch 14": ({"patch_size": 14, "image_size": 56}, "depth", (42, 70)),
    "patch 4, other factors": (
        {"patch_size": 4, "image_size": 16, "reassemble_factors": [2, 1, 0.5, 0.25]}, "depth", (32, 48)
    ),
    "three levels": (
        {"neck_hidden_sizes": [8, 12, 16], "backbone_out_indices": [0, 2, 3], "reassemble_factors": [4, 2, 1]},
        "depth",
        (32, 48),
    ),
    "four channels": ({"num_channels": 4}, "depth", (32, 32)),
    "hybrid": (HYBRID, "depth", (64, 64)),
    "hybrid non-square": (HYBRID, "depth", (80, 48)),
    "hybrid batch norm": ({**HYBRID, "use_batch_norm_in_fusion_residual": True}, "depth", (64, 64)),
    "hybrid wider": (
        {**HYBRID, "backbone_config": {**BIT, "depths": [1, 1, 1], "num_groups": 2, "hidden_act": "silu"}},
        "depth",
        (64, 96),
    ),
    "segmentation": ({"num_labels": 7}, "seg", (32, 48)),
    "segmentation batch norm": ({"num_labels": 3, "use_batch_norm_in_fusion_residual": True}, "seg", (32, 32)),
    "segmentation hybrid": ({**HYBRID, "num_labels": 5}, "seg", (64, 80)),
    "segmentation without auxiliary": ({"num_labels": 4, "use_auxiliary_head": False}, "seg", (32, 32)),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "task", "size"), CASES.values(), ids=CASES.keys())
def test_every_stage_agrees(changes, task, size, tmp_path):
    config = {**PLAIN, **changes}
    x = pixels(2, config.get("num_channels", 3), *size)
    theirs = lively_reference(TASKS[task][0], config, x)
    theirs.save_pretrained(tmp_path)
    ours = TASKS[task][1].from_pretrained(tmp_path)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
def test_outputs_have_transformers_names_and_shapes(config, tmp_path):
    x = pixels(2, 3, 64, 64)
    theirs = lively_reference("DPTForDepthEstimation", {**config, "image_size": 64}, x)
    theirs.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True, output_attentions=True)
    out = DPTForDepthEstimation.from_pretrained(tmp_path)(x, output_hidden_states=True, output_attentions=True)
    for name in ("hidden_states", "attentions"):
        assert len(out[name]) == len(expected[name])
        for i, (ours, reference_state) in enumerate(zip(out[name], expected[name], strict=True)):
            # both in float32: a few roundings of values up to about 10, through four blocks
            assert_close(ours, reference_state, atol=1e-4, name=f"{name}[{i}]")
    assert_close(out.predicted_depth, expected.predicted_depth, atol=1e-3, rtol=1e-4, name="predicted_depth")


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
def test_the_encoder_alone_agrees(config, tmp_path):
    config = {**config, "image_size": 64}
    theirs = lively_reference("DPTModel", config, None)
    theirs.save_pretrained(tmp_path)
    x = pixels(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x))
    out = DPTModel.from_pretrained(tmp_path)(x)
    for name in ("last_hidden_state", "pooler_output"):
        assert_close(out[name], expected[name], atol=1e-4, name=name)  # normalised tokens, values up to about 4
    if config.get("is_hybrid"):
        for ours, maps in zip(out.intermediate_activations, expected.intermediate_activations, strict=True):
            assert_close(ours, maps, atol=1e-4, rtol=1e-4, name="intermediate_activations")


@pytest.mark.parametrize("use_auxiliary_head", [True, False])
def test_labels_give_transformers_loss(use_auxiliary_head, tmp_path):
    x = pixels(2, 3, 32, 32)
    theirs = lively_reference(
        "DPTForSemanticSegmentation", {**PLAIN, "num_labels": 6, "use_auxiliary_head": use_auxiliary_head}, x
    )
    theirs.save_pretrained(tmp_path)
    labels = np.random.default_rng(0).integers(0, 6, (2, 45, 37))
    labels[:, 10:20] = 255
    loss = DPTForSemanticSegmentation.from_pretrained(tmp_path)(x, labels).loss
    if use_auxiliary_head:
        with torch.no_grad():
            expected = float(theirs(torch.from_numpy(x), labels=torch.from_numpy(labels)).loss)
    else:  # transformers 5.23 fails here: it reads auxiliary logits that it never made
        with torch.no_grad():
            logits = theirs(torch.from_numpy(x)).logits
        logits = torch.nn.functional.interpolate(logits, labels.shape[1:], mode="bilinear")
        expected = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), ignore_index=255))
    assert_close(loss, expected, rtol=1e-5, name="loss")


@pytest.mark.parametrize("task", ["depth", "seg"])
@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_we_save_loads_in_transformers_to_the_same_outputs(task, config, dtype, tmp_path):
    x = pixels(1, 3, 64, 64)
    theirs = lively_reference(TASKS[task][0], {**config, "image_size": 64, "num_labels": 5}, x)
    theirs.save_pretrained(tmp_path / "theirs")
    TASKS[task][1].from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours", dtype=dtype)
    DPTImageProcessor(size=64).save_pretrained(tmp_path / "ours")
    ours = TASKS[task][1].from_pretrained(tmp_path / "ours")
    again = getattr(transformers, TASKS[task][0]).from_pretrained(tmp_path / "ours", dtype=torch.float32)
    assert dict(again.config.id2label) == ours.config.id2label
    name = "predicted_depth" if task == "depth" else "logits"
    with torch.no_grad():
        expected = again(torch.from_numpy(x))[name]
    assert_close(ours(x)[name], expected, atol=1e-3, rtol=1e-4, name=name)  # two float32 passes, as above
    auto = transformers.AutoImageProcessor.from_pretrained(tmp_path / "ours", use_fast=False)
    assert dict(auto.size) == {"height": 64, "width": 64}


def test_configs_mean_the_same_on_both_sides():
    for config in (PLAIN, {**HYBRID, "num_labels": 3}):
        theirs = config_of(config).to_dict()
        ours = DPTConfig.from_dict(theirs)
        again = transformers.DPTConfig(**{k: v for k, v in ours.to_dict().items() if k != "backbone_config"})
        for name in config:
            if name not in ("backbone_config", "backbone_featmap_shape", "neck_ignore_stages"):
                assert list(np.atleast_1d(theirs.get(name, 3))) == list(np.atleast_1d(getattr(again, name)))
        assert DPTConfig(**theirs) == ours


def test_the_field_list_is_transformers_own():
    theirs = transformers.DPTConfig()
    ours = DPTConfig().to_dict()
    shared = {key: value for key, value in theirs.to_dict().items() if key in ours and key != "transformers_version"}
    for key, value in shared.items():
        expected = list(value) if isinstance(value, tuple) else value
        assert ours[key] == expected, f"{key}: {ours[key]} where transformers has {expected}"
    assert {
        "hidden_size",
        "readout_type",
        "neck_hidden_sizes",
        "pooler_act",
        "semantic_loss_ignore_index",
    } <= shared.keys()
