"""BiT with both kinds of layers, all paddings and strides: alone and as a pyramid under DPT, against transformers."""

import numpy as np
import pytest
from checks import assert_close
from tiny import BIT, HYBRID, pixels
from tiny import lively as our_lively

from minidpt import (
    AutoBackbone,
    BitConfig,
    ConfigError,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    record,
)

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_maps import lively_reference_on_maps  # noqa: E402
from transformers_stages import assert_stages_agree, config_of, lively  # noqa: E402

PLAIN_BIT = {  # transformers' defaults but for the size: preactivation, no padding strategy
    "model_type": "bit",
    "embedding_size": 8,
    "hidden_sizes": [16, 32, 40, 64],
    "depths": [2, 1, 2, 2],
    "num_groups": 4,
    "out_features": ["stem", "stage1", "stage2", "stage3", "stage4"],
}
SAME = {"global_padding": "same", "embedding_dynamic_padding": True}
POST = {"layer_type": "bottleneck"}
CASES = {
    "preactivation": {},
    "preactivation, same": SAME,
    "preactivation, same, pooling unpadded": {"global_padding": "SAME"},
    "preactivation, pooling padded": {"embedding_dynamic_padding": True},
    "preactivation, stride 8": {"output_stride": 8},
    "bottleneck": POST,
    "bottleneck, same": {**POST, **SAME},
    "bottleneck, pooling padded": {**POST, "embedding_dynamic_padding": True},
    "bottleneck, stride 16": {**POST, "output_stride": 16},
    "bottleneck, stride 8": {**POST, "output_stride": 8},
    "bottleneck, stride 8, same": {**POST, **SAME, "output_stride": 8},
    "bottleneck, stride 8, five stages": {
        **POST,
        **SAME,
        "output_stride": 8,
        "hidden_sizes": [16, 32, 40, 64, 24],
        "depths": [1, 1, 2, 2, 2],
    },
    "bottleneck, wider": {**POST, "width_factor": 3, "num_groups": 2},
    "silu, gelu inside": {"hidden_act": "silu", "num_groups": 8},
    "bottleneck, gelu": {**POST, "hidden_act": "gelu", "num_groups": 1},
    "widths made multiples of eight": {**POST, "hidden_sizes": [20, 27, 41, 70], "num_groups": 8},
    "four channels, two maps": {"num_channels": 4, "out_features": ["stage2", "stage4"]},
    "last stage by default": {"out_features": None, "drop_path_rate": 0.3},
}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.mark.parametrize("size", [(64, 96), (61, 83)], ids=str)
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_the_backbone_alone_agrees(changes, size, tmp_path):
    settings = {**PLAIN_BIT, **changes}
    x = pixels(2, settings.get("num_channels", 3), *size)
    theirs = lively(transformers.AutoBackbone.from_config(config_of(settings)))
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert type(ours).__name__ == type(theirs).__name__
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        out = ours(x, output_hidden_states=True)
    stages = 1 + len(ours.config.depths) + sum(ours.config.depths) + len(ours.config.taps)
    assert len(assert_stages_agree(theirs, x, tape)) == stages
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True)
    assert ours.channels == tuple(x.shape[1] for x in out.feature_maps)
    for name in ("feature_maps", "hidden_states"):
        assert len(out[name]) == len(expected[name])
        for i, (mine, reference) in enumerate(zip(out[name], expected[name], strict=True)):
            # both in float32: values up to about 20 through up to 22 normalised convolutions, each of which amplifies
            assert_close(mine, reference, atol=1e-3, rtol=1e-4, name=f"{name}[{i}]")


@pytest.mark.parametrize("architecture", ["BitModel", "BitForImageClassification"])
@pytest.mark.parametrize("changes", [{}, POST], ids=["preactivation", "bottleneck"])
def test_files_of_whole_models_hold_the_backbone(architecture, changes, tmp_path):
    x = pixels(1, 3, 64, 48)
    lively(getattr(transformers, architecture)(config_of({**PLAIN_BIT, **changes}))).save_pretrained(tmp_path)
    with record() as tape:
        AutoBackbone.from_pretrained(tmp_path)(x)
    assert_stages_agree(transformers.BitBackbone.from_pretrained(tmp_path).eval(), x, tape)


@pytest.mark.parametrize("changes", [{}, {**POST, **SAME}], ids=["preactivation", "bottleneck"])
def test_what_we_save_loads_in_transformers(changes, tmp_path):
    x = pixels(1, 3, 61, 83)
    ours = our_lively(AutoBackbone.from_config(BitConfig.from_dict({**PLAIN_BIT, **changes})))
    ours.save_pretrained(tmp_path)
    theirs, report = transformers.BitBackbone.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs.eval(), x, tape)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (7, 5)], ids=str)
def test_a_tiny_picture_is_still_a_picture(size, tmp_path):
    x = pixels(1, 3, *size)
    theirs = lively(transformers.AutoBackbone.from_config(config_of({**PLAIN_BIT, **POST, **SAME})))
    theirs.save_pretrained(tmp_path)
    with record() as tape:
        AutoBackbone.from_pretrained(tmp_path)(x)
    assert tape["bit.stages.3"].shape == (1, 1, 1, 64)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).feature_maps[0].permute(0, 2, 3, 1)
    # the stem alone: later norms see a handful of numbers, whose differences are rounding
    assert_close(tape["bit.stem"], expected, atol=1e-4, rtol=1e-4, name="bit.stem")


FOUR = {**PLAIN_BIT, "out_features": ["stage1", "stage2", "stage3", "stage4"]}
ON_BIT = {"backbone_config": FOUR, "neck_hidden_sizes": [16, 32, 40, 64], "fusion_hidden_size": 24}
UNDER_DPT = {
    "preactivation": (ON_BIT, (64, 96)),
    "odd sides": (ON_BIT, (61, 83)),
    "as in the hybrid": ({**ON_BIT, "backbone_config": {**FOUR, **POST, **SAME}}, (77, 64)),
    "stride 8": ({**ON_BIT, "backbone_config": {**FOUR, **POST, "output_stride": 8}}, (64, 48)),
    "stem tapped": (
        {
            **ON_BIT,
            "backbone_config": {**PLAIN_BIT, "out_features": ["stem", "stage2", "stage4"]},
            "neck_hidden_sizes": [8, 32, 64],
            "reassemble_factors": [1, 1, 1],
        },
        (64, 48),
    ),
    "batch norm": ({**ON_BIT, "use_batch_norm_in_fusion_residual": True, "head_in_index": 2}, (64, 48)),
}


@pytest.mark.parametrize(("settings", "size"), UNDER_DPT.values(), ids=UNDER_DPT.keys())
def test_every_stage_of_dpt_on_bit_agrees(settings, size, tmp_path):
    x = pixels(2, 3, *size)
    theirs = lively_reference_on_maps(settings, x, pyramid=True)
    theirs.save_pretrained(tmp_path)
    ours = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)


@pytest.mark.parametrize("layer_type", ["preactivation", "bottleneck"])
def test_segmentation_has_the_same_encoder(layer_type):
    config = {**ON_BIT, "backbone_config": {**FOUR, "layer_type": layer_type}, "num_labels": 5}
    depth, x = our_lively(DPTForDepthEstimation(DPTConfig(**config))), pixels(1, 3, 61, 83)
    random = DPTForSemanticSegmentation(DPTConfig(**config))
    shared = {name: depth.weights.get(name, w) for name, w in random.weights.items()}
    segmentation = DPTForSemanticSegmentation.from_weights(random.config, shared)
    with record("taps.*") as expected:
        depth(x)
    with record("taps.*") as taps:
        logits = segmentation(x).logits
    assert logits.shape == (1, 5, 64, 96)
    assert np.isfinite(logits).all()
    assert len(taps) == 4
    assert all(np.array_equal(taps[name], expected[name]) for name in expected)


def test_a_pyramid_must_have_the_necks_widths():
    with pytest.raises(ConfigError, match="neck_hidden_sizes"):
        DPTConfig(**{**ON_BIT, "neck_hidden_sizes": [16, 32, 40, 48]})


def test_valid_padding_is_a_value_that_no_picture_can_pass():
    config = BitConfig(**{k: v for k, v in PLAIN_BIT.items() if k != "model_type"}, global_padding="valid")
    assert config.global_padding == config_of({**PLAIN_BIT, "global_padding": "valid"}).global_padding == "VALID"
    x = pixels(1, 3, 64, 96)
    with pytest.raises(ConfigError, match="global_padding"):
        AutoBackbone.from_config(config)(x)
    theirs = transformers.AutoBackbone.from_config(config_of({**PLAIN_BIT, "global_padding": "valid"}))
    with pytest.raises(RuntimeError, match="size of tensor"):  # that it cannot run is theirs too
        theirs(torch.from_numpy(x))


def test_configs_mean_the_same_on_both_sides():
    for settings in (PLAIN_BIT, BIT, HYBRID["backbone_config"], {"model_type": "bit"}):
        theirs = config_of(settings)
        ours = BitConfig.from_dict(theirs.to_dict())
        given = {key: value for key, value in settings.items() if key != "model_type"}
        assert ours == BitConfig(**given)
        for name in BitConfig.known():
            expected = getattr(theirs, name)
            assert getattr(ours, name) == (tuple(expected) if isinstance(expected, list) else expected), name
