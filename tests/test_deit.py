"""Distilled DeiT without transformers: what becomes of its two class tokens, in depth and in segmentation."""

import math

import numpy as np
import pytest
from checks import assert_close
from test_model import opaque
from tiny import DEIT, lively, pixels

from minidpt import (
    AutoBackbone,
    ConfigError,
    DeiTConfig,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    record,
)
from minidpt.backbones import deit
from minidpt.params import count

ON_DEIT = {"backbone_config": DEIT, "neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24}


def depth_model(**settings):
    return lively(DPTForDepthEstimation(DPTConfig(**{**ON_DEIT, **settings})))


def taps_and_readouts(readout):
    model = depth_model(readout_type=readout)
    with record("taps.*", "readout.*") as tape:
        model(pixels(2, 3, 24, 40))
    return model, [(tape[f"taps.{k}"], tape[f"readout.{k}"]) for k in range(4)]


def test_ignore_drops_both_class_tokens():
    for tap, readout in taps_and_readouts("ignore")[1]:
        assert tap.shape == (2, 2 + 15, 32)
        assert np.array_equal(readout, tap[:, 2:])


def test_add_adds_the_mean_of_both_class_tokens():
    for tap, readout in taps_and_readouts("add")[1]:
        expected = tap[:, 2:] + (tap[:, :1].astype(np.float64) + tap[:, 1:2]) / 2
        assert_close(readout, expected, atol=2e-6, name="add")  # two float32 roundings of values up to about 10


def test_project_hands_over_the_class_token_alone():
    model, pairs = taps_and_readouts("project")
    for level, (tap, readout) in enumerate(pairs):
        weight, bias = (model.weights[f"reassemble.{level}.readout.{part}"] for part in ("weight", "bias"))
        x = tap[:, 2:] @ weight[:, :32].T + tap[:, :1] @ weight[:, 32:].T + bias
        erf = np.vectorize(math.erf)
        # 64 products of values up to about 10, in float32
        assert_close(readout, x * 0.5 * (1 + erf(x / 2**0.5)), atol=5e-5, rtol=1e-5, name="project")


def test_the_positions_of_both_class_tokens_stay():
    model = AutoBackbone.from_config(DeiTConfig.from_dict(DEIT))
    named = {"backbone.position_embeddings": pixels(1, 2 + 16, 32)}
    for size in ((32, 32), (24, 56), (8, 8)):
        positions = deit.sized(named, model.config, size)["position_embeddings"]
        assert positions.shape == (1, 2 + size[0] * size[1] // 64, 32)
        assert np.array_equal(positions[:, :2], named["backbone.position_embeddings"][:, :2])


def test_trap_1_taps_are_the_blocks_outputs_without_final_norm():
    with record() as tape:
        depth_model()(pixels(1, 3, 24, 40))
    for level in range(4):
        assert np.array_equal(tape[f"taps.{level}"], tape[f"blocks.{level}"])


def test_trap_2_the_default_eps_is_1e_12():
    assert DeiTConfig().layer_norm_eps == 1e-12


def test_the_base_model_has_a_token_and_a_position_more_than_a_plain_vit():
    taps, neck = [3, 6, 9, 12], {"neck_hidden_sizes": [96, 192, 384, 768]}
    plain = DPTForDepthEstimation.tensors(DPTConfig(**neck))
    distilled = DPTForDepthEstimation.tensors(
        DPTConfig(backbone_config=DeiTConfig(image_size=384, out_indices=taps), **neck)
    )
    assert count(distilled) == count(plain) + 2 * 768


def test_models_touch_arrays_through_ops_only():
    for readout in ("ignore", "add", "project"):
        model, x = depth_model(readout_type=readout), pixels(1, 3, 24, 40)
        assert np.array_equal(model(x).predicted_depth, model.to(backend=opaque())(x).predicted_depth)


@pytest.mark.parametrize("readout", ["ignore", "add", "project"])
def test_segmentation_works_on_deit(readout):
    depth = depth_model(readout_type=readout)
    config = DPTConfig(**{**ON_DEIT, "readout_type": readout, "num_labels": 5})
    segmentation = lively(DPTForSemanticSegmentation(config))
    encoder = {name: x for name, x in depth.weights.items() if name.startswith("backbone.")}
    segmentation = segmentation.from_weights(config, {**segmentation.weights, **encoder})
    x = pixels(2, 3, 24, 48)
    with record("taps.*") as of_depth:
        depth(x)
    with record("taps.*") as of_segmentation:
        logits = segmentation(x).logits
    assert logits.shape == (2, 5, 64, 96)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert len(np.unique(logits.argmax(axis=1))) > 1
    assert all(np.array_equal(of_depth[name], of_segmentation[name]) for name in of_depth)


@pytest.mark.parametrize("task", [DPTForDepthEstimation, DPTForSemanticSegmentation])
def test_a_saved_model_comes_back_equal(task, tmp_path):
    model, x = lively(task(DPTConfig(**ON_DEIT))), pixels(1, 3, 24, 40)
    model.save_pretrained(tmp_path)
    again = task.from_pretrained(tmp_path)
    assert again.config == model.config
    first = model(x).keys()[0]
    assert np.array_equal(again(x)[first], model(x)[first])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_attention_heads": 5}, "5 does not divide 32"),
        ({"image_size": [32, 40]}, "image_size must be one side, or two equal ones"),
        ({"out_indices": [5]}, "must be from 0 to 4"),
        ({"out_indices": [2, 1]}, "in the order of the stages"),
        ({"pooler_act": "softmax"}, "pooler_act must be one of"),
        ({"encoder_stride": 0}, "encoder_stride must be"),
    ],
)
def test_a_wrong_config_is_refused_in_one_line(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        DeiTConfig.from_dict({**DEIT, **settings})
    assert "\n" not in str(caught.value)
