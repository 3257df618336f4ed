"""Every family alike: ops only, shapes without computing, files and back, batches, segmentation, attentions."""

import numpy as np
import pytest
from checks import assert_close
from families import FAMILIES
from test_model import opaque
from tiny import lively, pixels

from minidpt import (
    AutoBackbone,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    record,
)
from minidpt.backbones import BackboneConfig
from minidpt.inspection import trace

ROUNDING = {"atol": 1e-4, "rtol": 1e-4}  # two orders of the same float32 sums, values up to about 10
DEPTH_ANYTHING = "depth_anything"


def config_of(family, **changes):
    settings = {**FAMILIES[family][0], **changes}
    return DepthAnythingConfig(**settings) if family == DEPTH_ANYTHING else DPTConfig(**settings)


def depth_model(family):
    task = DepthAnythingForDepthEstimation if family == DEPTH_ANYTHING else DPTForDepthEstimation
    return lively(task(config_of(family)))


def picture(family, count=1):
    return pixels(count, 3, *FAMILIES[family][1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_touches_arrays_through_ops_only(family):
    model, x = depth_model(family), picture(family)
    plain = model(x, output_attentions=True, output_hidden_states=True)
    handled = model.to(backend=opaque())(x, output_attentions=True, output_hidden_states=True)
    assert np.array_equal(plain.predicted_depth, handled.predicted_depth)
    assert np.ptp(plain.predicted_depth) > 0
    assert len(plain.hidden_states) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_traced_shapes_are_those_of_a_real_run(family):
    model = depth_model(family)
    stages = {s.name: s.shape for s in trace(type(model), model.config, FAMILIES[family][1])}
    with record(*stages) as tape:
        model(picture(family))
    assert {name: x.shape for name, x in tape.items()} == stages
    assert "fused.0" in stages


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_comes_back_equal(family, tmp_path):
    model, x = depth_model(family), picture(family)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.weights.keys() == model.weights.keys()
    assert again.config == model.config
    assert np.array_equal(model(x).predicted_depth, again(x).predicted_depth)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_equals_its_pictures_one_by_one(family):
    model, x = depth_model(family), picture(family, count=3)
    alone = np.concatenate([model(x[i : i + 1]).predicted_depth for i in range(3)])
    assert_close(model(x).predicted_depth, alone, **ROUNDING, name="batch")


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != DEPTH_ANYTHING])
def test_segmentation_runs_on_every_encoder(family, tmp_path):
    config = config_of(family, num_labels=5, use_batch_norm_in_fusion_residual=True)
    model, x = lively(DPTForSemanticSegmentation(config)), picture(family, count=2)
    labels = np.random.default_rng(0).integers(0, 5, (2, 30, 20))
    out = model(x, labels)
    assert out.logits.shape[:2] == (2, 5)
    assert np.isfinite(out.logits).all()
    assert np.ptp(out.logits) > 0
    assert out.loss > 0
    if family == "levit":  # its decoder is short: the head enlarges four times more, as for depth
        assert out.logits.shape[2:] == FAMILIES[family][1]
    model.save_pretrained(tmp_path)
    again = DPTForSemanticSegmentation.from_pretrained(tmp_path)
    assert np.array_equal(again(x).logits, out.logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_encoder_alone_gives_what_the_model_taps(family, tmp_path):
    model, x = depth_model(family), picture(family)
    if not isinstance(model.encoder, BackboneConfig):
        return  # DPT's own ViT is no backbone of its own, as in transformers
    with record("taps.*") as tape:
        model(x)
    own = {t.name: model.weights[t.name] for t in model.table if t.name.startswith("backbone.")}
    alone = type(AutoBackbone.from_config(model.encoder)).from_weights(model.encoder, own)
    alone.save_pretrained(tmp_path)
    again = AutoBackbone.from_pretrained(tmp_path)
    assert again.out_features == model.encoder.out_features
    assert again.channels == model.encoder.tap_channels
    for k, feature in enumerate(again(x).feature_maps):
        tap = tape[f"taps.{k}"]
        assert np.array_equal(feature, tap.transpose(0, 3, 1, 2) if tap.ndim == 4 else tap)
