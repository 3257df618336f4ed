"""Swin V2: alone and under DPT, every stage against transformers."""

import pytest
from checks import assert_close
from tiny import pixels

from minidpt import AutoBackbone, DPTForDepthEstimation, Swinv2Backbone, record

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers_stages import assert_stages_agree, config_of, lively, lively_reference  # noqa: E402

SWINV2 = {
    "model_type": "swinv2",
    "embed_dim": 12,
    "depths": [2, 1, 3, 2],
    "num_heads": [2, 3, 4, 6],
    "window_size": 4,
    "image_size": 64,
    "out_indices": [1, 2, 3, 4],
}
ALONE = {
    "as it is": SWINV2,  # windows of 4, 4, 4 and 2, of which the first two stages' move
    "no qkv bias, relu, narrow": {**SWINV2, "qkv_bias": False, "hidden_act": "relu", "mlp_ratio": 1.5},
    "odd window": {**SWINV2, "window_size": 5},
    "window of one pixel": {**SWINV2, "window_size": 1},
    "window larger than the maps": {**SWINV2, "window_size": 11},
    "pretrained windows": {**SWINV2, "window_size": 8, "pretrained_window_sizes": [3, 6, 0, 2]},
    "made for larger pictures": {**SWINV2, "image_size": 128, "window_size": 8},
    "made for smaller pictures": {**SWINV2, "image_size": 32},
    "made for sizes of no whole map": {**SWINV2, "image_size": 53},
    "cosines of one and minus one": {**SWINV2, "embed_dim": 16, "depths": [2], "num_heads": [16], "out_indices": [1]},
    "sharp": {**SWINV2, "embed_dim": 48, "depths": [2], "num_heads": [2], "out_indices": [1]},
    "three stages": {**SWINV2, "depths": [1, 2, 2], "out_indices": [1, 3]},
    "stem tapped": {**SWINV2, "out_indices": [0, 2, 3]},
    "last stage by default": {k: v for k, v in SWINV2.items() if k != "out_indices"},
    "patches of 6, one channel": {**SWINV2, "patch_size": 6, "num_channels": 1},
    "large eps in the blocks only": {**SWINV2, "layer_norm_eps": 0.1},
}
SIZES = [(64, 64), (36, 100), (20, 28), (33, 50)]  # whole windows; padded maps; small maps; padded pictures
UNDER_DPT = {"backbone_config": SWINV2, "neck_hidden_sizes": [12, 24, 48, 96], "fusion_hidden_size": 24}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def reference(settings):
    """transformers' backbone with lively weights and logit scales about as sharp as at the start of a training.

    Only one stage alone gets scales beyond the largest that counts, ln 100 = 4.6. Over many blocks, or where a short
    vector is brought to length one, a factor of 100 makes rounding a matter of luck, transformers' too: its heads are
    wide, or have one channel, which is plus or minus one at full length.
    """
    theirs = lively(transformers.AutoBackbone.from_config(config_of(settings)))
    with torch.no_grad():
        for name, scale in theirs.named_parameters():
            if name.endswith("logit_scale"):
                scale.add_(5.5 if len(settings["depths"]) == 1 else 1)
    return theirs


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("settings", ALONE.values(), ids=ALONE.keys())
def test_the_backbone_alone_agrees(settings, size, tmp_path):
    x = pixels(2, settings.get("num_channels", 3), *size)
    theirs = reference(settings)
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert type(ours) is Swinv2Backbone
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert_stages_agree(theirs, x, tape)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True, output_attentions=True)
    for name in ("feature_maps", "hidden_states", "attentions"):
        assert len(out[name]) == len(expected[name])
        for i, (mine, reference_state) in enumerate(zip(out[name], expected[name], strict=True)):
            # both in float32: roundings of values up to about 10, through eight blocks whose scores reach 100
            assert_close(mine, reference_state, atol=3e-4, rtol=1e-4, name=f"{name}[{i}]")


def test_absolute_positions_agree(tmp_path):
    """transformers fails here: its table has a row for a class token. Without that row it runs."""
    x = pixels(2, 3, 64, 64)
    theirs = reference({**SWINV2, "use_absolute_embeddings": True})
    theirs.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="must match"):
        theirs(torch.from_numpy(x))
    positions = theirs.embeddings.position_embeddings
    theirs.embeddings.position_embeddings = torch.nn.Parameter(positions[:, 1:].detach())
    ours = AutoBackbone.from_pretrained(tmp_path)
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)
    assert ours(pixels(1, 3, 36, 100)).feature_maps[0].shape == (1, 12, 9, 25)


DPT_CASES = {
    "as it is": (UNDER_DPT, (64, 64)),
    "wide": (UNDER_DPT, (64, 96)),
    "padded": (UNDER_DPT, (36, 100)),
    "as published": (
        {**UNDER_DPT, "backbone_config": {**SWINV2, "window_size": 8, "pretrained_window_sizes": [4, 4, 4, 2]},
         "fusion_hidden_size": 256, "add_projection": True}, (64, 64),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "size"), DPT_CASES.values(), ids=DPT_CASES.keys())
def test_every_stage_of_dpt_agrees(settings, size, tmp_path):
    x = pixels(2, 3, *size)
    theirs = lively_reference("DPTForDepthEstimation", settings, x)
    theirs.save_pretrained(tmp_path)
    ours = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert_stages_agree(theirs, x, tape)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True, output_attentions=True)
    assert [s.shape for s in out.hidden_states] == [tuple(s.shape) for s in expected.hidden_states]
    assert [s.shape for s in out.attentions] == [tuple(s.shape) for s in expected.attentions]


def test_what_is_saved_loads_in_transformers(tmp_path):
    x = pixels(2, 3, 36, 100)
    lively_reference("DPTForDepthEstimation", UNDER_DPT, x).save_pretrained(tmp_path / "theirs")
    ours = DPTForDepthEstimation.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    again, report = transformers.DPTForDepthEstimation.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        expected = again.eval()(torch.from_numpy(x)).predicted_depth
    # both in float32: a few roundings of values up to about 10, through eight blocks and the decoder
    assert_close(ours(x).predicted_depth, expected, atol=1e-4, rtol=1e-4)


def test_a_whole_swinv2_of_old_gives_its_backbone(tmp_path):
    settings = {k: v for k, v in SWINV2.items() if k != "out_indices"}
    theirs = lively(transformers.Swinv2ForImageClassification(config_of(settings)))
    theirs.save_pretrained(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    prefix = "swinv2.encoder.layers.0.blocks.0.attention.self."
    found[f"{prefix}relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)  # as in files of 2022
    found[f"{prefix}relative_coords_table"] = torch.zeros(1, 7, 7, 2)
    save_file(found, tmp_path / "model.safetensors", {"format": "pt"})
    ours = AutoBackbone.from_pretrained(tmp_path, out_indices=[1, 2, 3, 4])
    ours.save_pretrained(tmp_path / "backbone")
    x = pixels(2, 3, 64, 96)
    with torch.no_grad():
        expected = transformers.Swinv2Backbone.from_pretrained(tmp_path / "backbone").eval()(torch.from_numpy(x))
        whole = theirs.swinv2(torch.from_numpy(x), output_hidden_states=True).reshaped_hidden_states
    for mine, reference_map in zip(ours(x).feature_maps, expected.feature_maps, strict=True):
        # both in float32: a few roundings of values up to about 10, through eight blocks
        assert_close(mine, reference_map, atol=1e-4, rtol=1e-4)
    assert_close(ours(x).feature_maps[-1], whole[-1], atol=1e-4, rtol=1e-4)
