"""Next-ViT: under DPT and alone, every stage against a torch reading of its definition."""

import numpy as np
import pytest
from checks import assert_close
from tiny import lively as lively_ours
from tiny import pixels

from minidpt import (
    AutoBackbone,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    NextViTConfig,
    record,
)
from minidpt.backbones import nextvit
from minidpt.errors import CheckpointError, ConfigError
from minidpt.inspection import trace
from minidpt.params import count

STAGES = ["stage1", "stage2", "stage3", "stage4"]
TINY = {
    "stem_channels": [12, 8, 16],
    "depths": [1, 2, 5, 2],
    "hidden_sizes": [32, 64, 32, 64],
    "transformer_sizes": [128, 128, 256],
    "out_features": STAGES,
}
ON_NEXTVIT = {"neck_hidden_sizes": [32, 128, 128, 256], "fusion_hidden_size": 16, "fusion_upsample": "next_size"}
TINY_WIDTHS = [["32"], ["64", "128*"], ["32", "32", "32", "32", "128*"], ["64", "256*"]]
OTHER = {  # two groups in the third stage, a fourth stage of one block, four channels in, other ratios
    **TINY,
    "num_channels": 4,
    "depths": [2, 1, 10, 1],
    "sr_ratios": [1, 3, 1, 2],
    "mix_ratio": 0.5,
    "head_dim": 16,
    "conv_mlp_ratio": 1.7,
    "transformer_mlp_ratio": 1,
}
OTHER_WIDTHS = [["32", "32"], ["128*"], ["32", "32", "32", "32", "128*"] * 2, ["256*"]]
OTHER_OPTIONS = {"sr_ratios": (1, 3, 1, 2), "channels": 4, "ratios": (1.7, 1), "mix": 0.5, "head": 16}
CASES = {
    "square": (TINY, TINY_WIDTHS, {}, (64, 64)),
    "wide": (TINY, TINY_WIDTHS, {}, (32, 96)),
    "odd maps on every level": (TINY, TINY_WIDTHS, {}, (52, 36)),  # 13 x 9, 7 x 5, 4 x 3, 2 x 2
    "other settings": (OTHER, OTHER_WIDTHS, OTHER_OPTIONS, (44, 64)),
}


@pytest.fixture
def torch_reading(monkeypatch):
    """The modules of the torch reading, and the watcher that knows its names."""
    pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
    pytest.importorskip("transformers", reason="its fusion is part of the reference; it comes with the parity extra")
    import nextvit_torch
    import pyramid_torch

    from minidpt.verification import watch

    monkeypatch.setitem(watch.ENCODERS, "nextvit", nextvit_torch.watched)
    return nextvit_torch, pyramid_torch


@pytest.mark.parametrize(("settings", "widths", "options", "size"), CASES.values(), ids=CASES.keys())
def test_every_stage_agrees(settings, widths, options, size, tmp_path, torch_reading):
    from transformers_stages import assert_stages_agree

    nextvit_torch, pyramid_torch = torch_reading
    config = DPTConfig(backbone_config=NextViTConfig(**settings), **ON_NEXTVIT)
    x = pixels(2, config.encoder.num_channels, *size)
    encoder = nextvit_torch.NextViT(settings["stem_channels"], widths, **options)
    theirs = pyramid_torch.reference(
        encoder,
        lambda encoder, x: encoder(x),
        x,
        branches=nextvit_torch.BRANCHES,
        widths=config.neck_hidden_sizes,
        fusion=16,
    )
    pyramid_torch.write(theirs, config, tmp_path)
    ours = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert ours.num_parameters == pyramid_torch.parameters(theirs)
    with record() as tape:
        depth = ours(x).predicted_depth
    assert depth.shape == (2, *size)
    rows = assert_stages_agree(theirs, x, tape)
    assert {row[0] for row in rows} >= {"embeddings", "stages.3", "fused.3", "predicted_depth"}


def test_the_backbone_alone_agrees_and_reads_bytedances_file(tmp_path, torch_reading):
    from safetensors.torch import save_file
    from transformers_stages import assert_stages_agree, lively

    nextvit_torch, _ = torch_reading
    theirs = lively(nextvit_torch.NextViT(TINY["stem_channels"], TINY_WIDTHS))
    (tmp_path / "config.json").write_text(NextViTConfig(**TINY).to_json(), encoding="utf-8")
    classifier = {
        "proj_head.0.weight": theirs.norm.weight.repeat(5, 1),
        "proj_head.0.bias": theirs.norm.bias[:5].clone(),
    }
    save_file({**theirs.state_dict(), **classifier}, tmp_path / "model.safetensors")
    ours = AutoBackbone.from_pretrained(tmp_path)
    x = pixels(2, 3, 36, 64)
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert_stages_agree(theirs, x, tape)
    assert [x.shape for x in out.feature_maps] == [(2, 32, 9, 16), (2, 128, 5, 8), (2, 128, 3, 4), (2, 256, 2, 2)]
    assert len(out.hidden_states) == 5
    for feature_map, state in zip(out.feature_maps, out.hidden_states[1:], strict=True):
        assert np.array_equal(feature_map, state)
    assert [x.shape for x in out.attentions] == [(2, 3, 40, 2), (2, 3, 12, 3), (2, 6, 4, 4)]


def test_only_the_tapped_stages_come_out():
    config = NextViTConfig(**{**TINY, "out_features": ["stem", "stage3"]})
    model = lively_ours(AutoBackbone.from_config(config))
    assert model.channels == (16, 128)
    assert [x.shape for x in model(pixels(1, 3, 32, 64)).feature_maps] == [(1, 16, 8, 16), (1, 128, 2, 4)]


def test_segmentation_runs_on_the_same_taps(tmp_path):
    config = DPTConfig(backbone_config=NextViTConfig(**TINY), num_labels=5, **ON_NEXTVIT)
    model = lively_ours(DPTForSemanticSegmentation(config))
    x = pixels(2, 3, 64, 32)
    with record("taps.*") as tape:
        logits = model(x).logits
    assert logits.shape == (2, 5, 64, 32)
    assert np.isfinite(logits).all()
    encoder = {name: x for name, x in model.weights.items() if name.startswith("backbone.")}
    alone = type(AutoBackbone.from_config(config.encoder)).from_weights(config.encoder, encoder)
    for level, feature_map in enumerate(alone(x).feature_maps):
        assert np.array_equal(tape[f"taps.{level}"].transpose(0, 3, 1, 2), feature_map)
    model.save_pretrained(tmp_path)
    assert np.array_equal(DPTForSemanticSegmentation.from_pretrained(tmp_path)(x).logits, logits)


def test_the_large_size_is_midas_own():
    """72 million with the classifier's 1,025,000, as MiDaS's table counts next_vit_large_384."""
    config = DPTConfig(
        backbone_config=NextViTConfig(out_features=STAGES),
        neck_hidden_sizes=[96, 256, 512, 1024],
        fusion_upsample="next_size",
    )
    assert round((count(DPTForDepthEstimation.tensors(config)) + 1_025_000) / 1e6) == 72
    blocks = config.encoder.blocks
    assert config.encoder.last_blocks == (2, 6, 36, 39)
    assert [i for i, block in enumerate(blocks) if block.attends] == [6, 11, 16, 21, 26, 31, 36, 39]
    assert [i for i, block in enumerate(blocks) if block.stride == 2] == [3, 7, 37]


def test_the_shapes_without_weights_are_the_real_ones():
    config = DPTConfig(backbone_config=NextViTConfig(**TINY), **ON_NEXTVIT)
    with record() as tape:
        DPTForDepthEstimation(config)(pixels(1, 3, 52, 36))
    stages = trace(DPTForDepthEstimation, config, (52, 36))
    assert {stage.name: stage.shape for stage in stages} == {stage.name: tape[stage.name].shape for stage in stages}
    assert {"stages.3", "fused.3", "predicted_depth"} <= {stage.name for stage in stages}


def test_a_picture_too_small_for_one_key_is_refused():
    model = AutoBackbone.from_config(NextViTConfig(**TINY))
    assert model(pixels(1, 3, 32, 32)).feature_maps[3].shape == (1, 256, 1, 1)
    with pytest.raises(ConfigError, match=r"larger pictures than 16 x 28 .*stage 2 averages 16 tokens and has 8"):
        model(pixels(1, 3, 16, 28))
    with pytest.raises(ValueError, match="multiples of 4"):
        model(pixels(1, 3, 34, 32))


WRONG = [
    ({"depths": [1, 2, 6, 2]}, "depths"),
    ({"depths": [1, 2, 5]}, "depths"),
    ({"hidden_sizes": [32, 64, 32]}, "hidden_sizes"),
    ({"hidden_sizes": [40, 64, 32, 64]}, "head_dim"),
    ({"transformer_sizes": [96, 128, 256]}, "mix_ratio"),
    ({"mix_ratio": 1.5}, "mix_ratio"),
    ({"stem_channels": [8, 8]}, "stem_channels"),
    ({"sr_ratios": [1, 2, 0, 1]}, "sr_ratios"),
    ({"head_dim": 24}, "head_dim"),
    ({"out_features": ["stage5"]}, "out_features"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=str)
def test_a_wrong_field_is_named_in_one_line(change, field):
    with pytest.raises(ConfigError, match=f"NextViTConfig: {field} ") as caught:
        NextViTConfig(**{**TINY, **change})
    assert "\n" not in str(caught.value)


def test_a_missing_tensor_is_named_as_on_disk(tmp_path):
    model = AutoBackbone.from_config(NextViTConfig(**TINY))
    model.save_pretrained(tmp_path)
    broken = NextViTConfig(**{**TINY, "sr_ratios": [8, 1, 2, 1]})
    with pytest.raises(CheckpointError, match=r"4 unexpected: features\.2\.e_mhsa\.norm\.bias"):
        AutoBackbone.from_pretrained(tmp_path, sr_ratios=list(broken.sr_ratios))


def test_widths_round_as_published():
    published = {150: 160, 64: 64, 96: 96, 31: 32, 47.9: 64, 288: 288, 12: 32}
    assert {value: nextvit.whole_steps(value) for value in published} == published


def test_saved_and_read_again_is_equal(tmp_path):
    config = DPTConfig(backbone_config=NextViTConfig(**TINY), **ON_NEXTVIT)
    model, x = lively_ours(DPTForDepthEstimation(config)), pixels(1, 3, 32, 64)
    model.save_pretrained(tmp_path)
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert again.config == config
    assert_close(again(x).predicted_depth, model(x).predicted_depth, name="predicted_depth")  # the same numbers
