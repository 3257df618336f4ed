"""Swin: alone and under DPT, every stage against transformers."""

from functools import partial

import numpy as np
import pytest
from checks import assert_close
from tiny import pixels

from minidpt import AutoBackbone, CheckpointError, DPTConfig, DPTForDepthEstimation, SwinBackbone, SwinConfig, record

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers_stages import assert_stages_agree, config_of, lively, unclipped  # noqa: E402

SWIN = {
    "model_type": "swin",
    "embed_dim": 12,
    "depths": [2, 1, 3, 2],
    "num_heads": [2, 3, 4, 6],
    "window_size": 4,
    "image_size": 64,
    "out_indices": [1, 2, 3, 4],
}
ALONE = {
    "as it is": SWIN,
    "no qkv bias, relu, narrow": {**SWIN, "qkv_bias": False, "hidden_act": "relu", "mlp_ratio": 1.5},
    "odd window": {**SWIN, "window_size": 5},
    "window of one pixel": {**SWIN, "window_size": 1},
    "window larger than the maps": {**SWIN, "window_size": 11},
    "three stages": {**SWIN, "depths": [1, 2, 2], "out_indices": [1, 3]},
    "stem tapped": {**SWIN, "out_indices": [0, 2, 3]},
    "last stage by default": {k: v for k, v in SWIN.items() if k != "out_indices"},
    "patches of 6, one channel": {**SWIN, "patch_size": 6, "num_channels": 1},
    "large eps in the blocks only": {**SWIN, "layer_norm_eps": 0.1},
}
SIZES = [(64, 64), (36, 100), (20, 28), (33, 50)]  # whole windows; padded maps; small maps; padded pictures
UNDER_DPT = {"neck_hidden_sizes": [12, 24, 48, 96], "fusion_hidden_size": 24}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def assert_outputs_agree(out, expected):
    for name in ("feature_maps", "hidden_states", "attentions"):
        assert len(out[name]) == len(expected[name])
        for i, (mine, reference) in enumerate(zip(out[name], expected[name], strict=True)):
            # both in float32: a few roundings of values up to about 10, through eight blocks
            assert_close(mine, reference, atol=1e-4, rtol=1e-4, name=f"{name}[{i}]")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("settings", ALONE.values(), ids=ALONE.keys())
def test_the_backbone_alone_agrees(settings, size, tmp_path):
    x = pixels(2, settings.get("num_channels", 3), *size)
    theirs = lively(transformers.AutoBackbone.from_config(config_of(settings)))
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert type(ours) is SwinBackbone
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert_stages_agree(theirs, x, tape)
    with torch.no_grad():
        assert_outputs_agree(out, theirs(torch.from_numpy(x), output_hidden_states=True, output_attentions=True))


@pytest.mark.parametrize("size", [(64, 64), (128, 32), (36, 100)], ids=str)
def test_absolute_positions_agree_stretched_too(size, tmp_path):
    x = pixels(2, 3, *size)
    theirs = lively(transformers.AutoBackbone.from_config(config_of({**SWIN, "use_absolute_embeddings": True})))
    theirs.save_pretrained(tmp_path)
    theirs.swin.forward = partial(theirs.swin.forward, interpolate_pos_encoding=True)
    with record() as tape:
        AutoBackbone.from_pretrained(tmp_path)(x)
    assert_stages_agree(theirs, x, tape)


def as_in_the_paper(theirs, maps, window):
    """Make transformers' blocks shrink their windows to the maps of that side, and leave them in place there."""
    for side, stage in zip(maps, theirs.swin.encoder.layers, strict=True):
        for layer in stage.blocks:
            if side <= window:
                position_bias = layer.attention.relative_position_bias
                layer.window_size, layer.shift_size = side, 0
                layer.attention.relative_position_bias = type(position_bias)(
                    layer.attention.num_attention_heads, (side, side)
                )
    return theirs


@pytest.mark.parametrize("size", [(64, 64), (36, 100)], ids=str)
@pytest.mark.parametrize("window", [8, 7, 2])
def test_shrinking_windows_agree(window, size, tmp_path):
    settings, x = {**SWIN, "window_size": window}, pixels(2, 3, *size)
    theirs = lively(as_in_the_paper(transformers.AutoBackbone.from_config(config_of(settings)), (16, 8, 4, 2), window))
    theirs.save_pretrained(tmp_path)
    settings = {k: v for k, v in settings.items() if k != "model_type"}
    ours = SwinBackbone.from_pretrained(tmp_path, config=SwinConfig(**settings, always_partition=False))
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)


def on_swin(settings, x, *, raw):
    """transformers' DPT on Swin, which it builds but cannot run: without the stage that wants tokens it can."""
    theirs = transformers.DPTForDepthEstimation(config_of({"backbone_config": settings, **UNDER_DPT}))
    theirs.neck.reassemble_stage = None
    if raw:
        for name in theirs.backbone.out_features:
            theirs.backbone.hidden_states_norms[name] = torch.nn.Identity()
    return unclipped(lively(theirs), x)


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (36, 100)], ids=str)
@pytest.mark.parametrize("raw", [False, True], ids=["normed", "raw"])
def test_every_stage_of_dpt_agrees(raw, size, tmp_path):
    x = pixels(2, 3, *size)
    theirs = on_swin(SWIN, x, raw=raw)
    theirs.save_pretrained(tmp_path)
    config = DPTConfig.from_pretrained(tmp_path, backbone_config={**SWIN, "apply_layernorm": not raw})
    ours = DPTForDepthEstimation.from_pretrained(tmp_path, config=config)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)


def test_what_is_saved_loads_in_transformers(tmp_path):
    x = pixels(2, 3, 36, 100)
    lively(transformers.AutoBackbone.from_config(config_of(SWIN))).save_pretrained(tmp_path / "theirs")
    ours = AutoBackbone.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    again, report = transformers.SwinBackbone.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        expected = again.eval()(torch.from_numpy(x)).feature_maps
    for mine, reference in zip(ours(x).feature_maps, expected, strict=True):
        # both in float32: a few roundings of values up to about 10, through eight blocks
        assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_a_whole_swin_gives_its_backbone_raw_taps_only(tmp_path):
    settings = {k: v for k, v in SWIN.items() if k != "out_indices"}
    theirs = lively(transformers.SwinForImageClassification(config_of(settings)))
    theirs.save_pretrained(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    index = torch.zeros(16, 16, dtype=torch.int64)  # transformers kept it in its files until version 5
    found["swin.encoder.layers.0.blocks.0.attention.self.relative_position_index"] = index
    save_file(found, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="apply_layernorm=False"):
        AutoBackbone.from_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path, apply_layernorm=False, out_indices=[1, 2, 3, 4])
    assert not any("norms" in name for name in ours.weights)
    x = pixels(2, 3, 64, 96)
    with torch.no_grad():
        # always_partition and the states before merging are what transformers' backbone asks of the same model
        expected = theirs.swin(torch.from_numpy(x), output_hidden_states=True, always_partition=True,
                               output_hidden_states_before_downsampling=True).reshaped_hidden_states  # fmt: skip
    for mine, reference in zip(ours(x).feature_maps, expected[1:], strict=True):
        # both in float32: a few roundings of values up to about 10, through eight blocks
        assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_the_mask_is_seen():
    """A wrong mask must not hide behind the bounds above: without masks the taps are far away."""
    ours = AutoBackbone.from_config(SwinConfig(**{k: v for k, v in SWIN.items() if k != "model_type"}))
    x, size = pixels(1, 3, 64, 96), (64, 96)
    before = ours(x).feature_maps[-1]
    for stage in ours._sized[size]["stages"]:
        if "mask" in stage:
            stage["mask"] = np.zeros_like(stage["mask"])
    assert np.abs(ours(x).feature_maps[-1] - before).max() > 1e-3
