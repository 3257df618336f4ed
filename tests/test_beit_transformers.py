"""BEiT under DPT and alone, every stage against transformers, which runs pictures of any size here."""

import pytest
from checks import assert_close
from tiny import BEIT, pixels

from minidpt import AutoBackbone, BeitConfig, DPTForDepthEstimation, record

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import assert_stages_agree, config_of, lively, lively_reference  # noqa: E402

NECK = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24}
NO_BIAS = {"use_relative_position_bias": False}
SHARED = {"use_shared_relative_position_bias": True}
ABSOLUTE = {"use_absolute_position_embeddings": True}
ENCODERS = {
    "as published": {},
    "shared bias": {**NO_BIAS, **SHARED},
    "own and shared bias": SHARED,
    "absolute positions": {**NO_BIAS, **ABSOLUTE},
    "positions and biases": {**ABSOLUTE, **SHARED},
    "no positions": NO_BIAS,
    "no factors": {"layer_scale_init_value": 0.0},
    "tensors that nothing reads": {"use_mask_token": True, "use_mean_pooling": False, **SHARED},
    "relu and eps": {"hidden_act": "relu", "layer_norm_eps": 1e-3},
    "four channels, two heads": {"num_channels": 4, "num_attention_heads": 2},
}
SIZES = {  # the grid learnt is 4 x 4
    "the size learnt": (32, 32),
    "wide": (32, 56),
    "tall": (72, 24),
    "as many patches, not square": (16, 64),
    "one patch": (8, 8),
    "one row": (8, 40),
}
DECODERS = {
    "add": {"readout_type": "add"},
    "ignore": {"readout_type": "ignore"},
    "batch norm": {"use_batch_norm_in_fusion_residual": True},
    "stem tapped": {"backbone_config": {**BEIT, "out_indices": [0, 1, 3, 4]}},
}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def assert_depth_agrees(settings, size, folder):
    settings = {"backbone_config": BEIT, **NECK, **settings}
    x = pixels(2, settings["backbone_config"].get("num_channels", 3), *size)
    theirs = lively_reference("DPTForDepthEstimation", settings, x)
    theirs.save_pretrained(folder)
    ours = DPTForDepthEstimation.from_pretrained(folder)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)


@pytest.mark.parametrize("settings", ENCODERS.values(), ids=ENCODERS.keys())
def test_every_stage_agrees_for_every_option(settings, tmp_path):
    assert_depth_agrees({"backbone_config": {**BEIT, **settings}}, (40, 24), tmp_path)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_every_stage_agrees_at_every_size(size, tmp_path):
    settings = {**BEIT, **ABSOLUTE, **SHARED}
    assert_depth_agrees({"backbone_config": settings}, size, tmp_path)


@pytest.mark.parametrize("settings", DECODERS.values(), ids=DECODERS.keys())
def test_every_stage_agrees_for_every_decoder(settings, tmp_path):
    assert_depth_agrees(settings, (48, 32), tmp_path)


ALONE = {
    "tokens": {},
    "maps": {"reshape_hidden_states": True, "out_indices": [2, 4]},
    "stem as map": {"reshape_hidden_states": True, "out_indices": [0, 3]},
    "everything": {**ABSOLUTE, **SHARED, "use_mask_token": True, "use_mean_pooling": False},
    "no bias": NO_BIAS,
    "no factors": {"layer_scale_init_value": 0.0},
    "last stage by default": {"out_indices": None},
}


def assert_backbones_agree(ours, theirs, x):
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


@pytest.mark.parametrize("size", [(32, 32), (24, 56)], ids=str)
@pytest.mark.parametrize("settings", ALONE.values(), ids=ALONE.keys())
def test_the_backbone_alone_agrees(settings, size, tmp_path):
    theirs = lively(transformers.AutoBackbone.from_config(config_of({**BEIT, **settings})))
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert type(ours).__name__ == type(theirs).__name__
    assert_backbones_agree(ours, theirs, pixels(2, 3, *size))


@pytest.mark.parametrize("settings", ALONE.values(), ids=ALONE.keys())
def test_transformers_reads_what_we_save(settings, tmp_path):
    theirs = lively(transformers.AutoBackbone.from_config(config_of({**BEIT, **settings})))
    theirs.save_pretrained(tmp_path / "theirs")
    ours = AutoBackbone.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    again, loading = transformers.BeitBackbone.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(loading.values()), loading
    for name, weight in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name


@pytest.mark.parametrize("whole", ["BeitModel", "BeitForImageClassification", "BeitForMaskedImageModeling"])
def test_the_files_of_whole_beit_models_are_read(whole, tmp_path):
    settings = {**BEIT, **SHARED, "use_mask_token": True, "use_mean_pooling": False}
    theirs = lively(getattr(transformers, whole)(config_of(settings)))
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    x = pixels(1, 3, 24, 40)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True).hidden_states
    for i, (mine, reference) in enumerate(zip(ours(x).feature_maps, expected[1:], strict=True)):
        # both in float32: a few roundings of values up to about 10, through four blocks
        assert_close(mine, reference, atol=1e-4, rtol=1e-4, name=f"feature_maps[{i}]")


@pytest.mark.parametrize("eps", [1e-12, 1e-6, 1e-3])
def test_trap_2_the_norms_take_their_eps_from_the_config(eps, tmp_path):
    """Tokens a thousandth as large as usual, whose variance an eps of 1e-6 would double."""
    x = pixels(1, 3, 24, 40)
    theirs = lively(transformers.AutoBackbone.from_config(config_of({**BEIT, "layer_norm_eps": eps})))
    with torch.no_grad():
        for part in theirs.beit.embeddings.parameters():
            part *= 1e-3
    theirs.save_pretrained(tmp_path)
    with record() as tape:
        AutoBackbone.from_pretrained(tmp_path)(x)
    assert_stages_agree(theirs, x, tape)


def test_trap_2_the_default_eps_is_that_of_transformers():
    assert BeitConfig().layer_norm_eps == transformers.BeitConfig().layer_norm_eps == 1e-12


def test_defaults_are_those_of_transformers():
    theirs = transformers.BeitConfig().to_dict()
    ours = BeitConfig().to_dict()
    assert {key: theirs[key] for key in ours} == ours


def test_indices_under_their_older_name_are_understood():
    settings = {"num_hidden_layers": 4, "segmentation_indices": [1, 3]}
    assert list(BeitConfig.from_dict(settings).out_features) == transformers.BeitConfig(**settings).out_features
