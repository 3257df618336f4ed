"""VitDet alone and under DPT, with windows, relative positions and bottlenecks: every stage against transformers."""

import numpy as np
import pytest
from checks import assert_close
from tiny import lively as our_lively
from tiny import pixels

from minidpt import (
    AutoBackbone,
    ConfigError,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    VitDetConfig,
    record,
)
from minidpt.inspection import trace

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_maps import lively_reference_on_maps  # noqa: E402
from transformers_stages import assert_stages_agree, config_of, lively  # noqa: E402

VITDET = {
    "model_type": "vitdet",
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "mlp_ratio": 2,
    "image_size": 40,
    "pretrain_image_size": 24,
    "patch_size": 8,
    "out_indices": [1, 2, 3, 4],
    "output_attentions": True,  # so that transformers' modules show their weights
}
WINDOWS = {"window_block_indices": [0, 2], "window_size": 3}
RELATIVE = {"use_relative_position_embeddings": True}
RESIDUAL = {"residual_block_indices": [1, 2]}
WHOLE = {**WINDOWS, **RELATIVE, **RESIDUAL}
ALONE = {
    "global": {},
    "windows": WINDOWS,
    "wider windows than most maps": {**WINDOWS, "window_size": 7},
    "windows of one token": {**WINDOWS, "window_size": 1},
    "windows without a size are global": {"window_block_indices": [0, 1]},
    "relative positions": RELATIVE,
    "relative positions of a picture that is not square": {**RELATIVE, "image_size": [40, 72]},
    "bottlenecks": RESIDUAL,
    "no absolute positions": {"use_absolute_position_embeddings": False},
    "no positions at all": {"use_absolute_position_embeddings": False, **WINDOWS},
    "everything": WHOLE,
    "no qkv bias": {**WHOLE, "qkv_bias": False},
    "relu, other eps": {**WHOLE, "hidden_act": "relu", "layer_norm_eps": 1e-3},
    "four channels, stem and one more": {**WHOLE, "num_channels": 4, "out_indices": [0, 3]},
    "last stage by default": {**WHOLE, "out_indices": None, "drop_path_rate": 0.2, "dropout_prob": 0.1},
    "blocks that are not there": {**WINDOWS, "window_block_indices": [1, 7], "residual_block_indices": [9]},
}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def their_backbone(settings):
    """transformers', which can be initialised with absolute positions only (5.23); they are taken out afterwards."""
    model = transformers.AutoBackbone.from_config(config_of({**settings, "use_absolute_position_embeddings": True}))
    if not settings.get("use_absolute_position_embeddings", True):
        model.embeddings.position_embeddings = None
        model.config.use_absolute_position_embeddings = False
    return lively(model)


@pytest.mark.parametrize("size", [(24, 24), (40, 40), (40, 72), (64, 8)], ids=str)
@pytest.mark.parametrize("changes", ALONE.values(), ids=ALONE.keys())
def test_the_backbone_alone_agrees(changes, size, tmp_path):
    settings = {**VITDET, **changes}
    x = pixels(2, settings.get("num_channels", 3), *size)
    theirs = their_backbone(settings)
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert type(ours).__name__ == type(theirs).__name__
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert len(assert_stages_agree(theirs, x, tape)) == 1 + 4 * 8 + len(ours.config.taps)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True, output_attentions=True)
    for name in ("feature_maps", "hidden_states", "attentions"):
        assert len(out[name]) == len(expected[name])
        for i, (mine, reference) in enumerate(zip(out[name], expected[name], strict=True)):
            # both in float32: a few roundings of values up to about 10, through four blocks
            assert_close(mine, reference, atol=1e-4, rtol=1e-4, name=f"{name}[{i}]")


def test_a_models_file_holds_the_backbone_and_ours_loads_in_transformers(tmp_path):
    settings, x = {**VITDET, **WHOLE}, pixels(1, 3, 40, 72)
    lively(transformers.VitDetModel(config_of(settings))).save_pretrained(tmp_path / "theirs")
    ours = AutoBackbone.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    options = {"attn_implementation": "eager", "output_loading_info": True}
    theirs, report = transformers.VitDetBackbone.from_pretrained(tmp_path / "ours", **options)
    assert not any(report.values())
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs.eval(), x, tape)


ON_VITDET = {
    "backbone_config": {**VITDET, **WHOLE},
    "neck_hidden_sizes": [8, 12, 16, 20],
    "fusion_hidden_size": 24,
}
UNDER_DPT = {
    "readout project means nothing": (ON_VITDET, (40, 72)),
    "readout add means nothing": ({**ON_VITDET, "readout_type": "add"}, (40, 40)),
    "readout ignore": ({**ON_VITDET, "readout_type": "ignore"}, (64, 48)),
    "one token": ({**ON_VITDET, "backbone_config": {**VITDET, **RESIDUAL}}, (8, 8)),
    "stem tapped, batch norm": (
        {
            **ON_VITDET,
            "backbone_config": {**VITDET, **WINDOWS, "out_indices": [0, 1, 3, 4]},
            "use_batch_norm_in_fusion_residual": True,
        },
        (40, 56),
    ),
    "three levels, other factors": (
        {
            **ON_VITDET,
            "backbone_config": {**VITDET, "out_indices": [2, 3, 4]},
            "neck_hidden_sizes": [8, 12, 16],
            "reassemble_factors": [2, 1, 0.5],
        },
        (48, 64),
    ),
}


@pytest.mark.parametrize(("settings", "size"), UNDER_DPT.values(), ids=UNDER_DPT.keys())
def test_every_stage_of_dpt_on_vitdet_agrees(settings, size, tmp_path):
    x = pixels(2, 3, *size)
    theirs = lively_reference_on_maps(settings, x)
    theirs.save_pretrained(tmp_path)
    ours = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert ours.config.readout == "ignore"
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    assert len(assert_stages_agree(theirs, x, tape)) > 40


def test_segmentation_has_the_same_encoder():
    config = DPTConfig(**ON_VITDET, num_labels=5)
    depth, x = our_lively(DPTForDepthEstimation(config)), pixels(2, 3, 40, 72)
    random = DPTForSemanticSegmentation(config)
    shared = {name: depth.weights.get(name, w) for name, w in random.weights.items()}
    segmentation = DPTForSemanticSegmentation.from_weights(config, shared)
    with record("taps.*") as expected:
        depth(x)
    with record("taps.*") as taps:
        logits = segmentation(x).logits
    assert logits.shape == (2, 5, 96, 160)
    assert np.isfinite(logits).all()
    assert len(taps) == 4
    assert all(np.array_equal(taps[name], expected[name]) for name in expected)


def test_traced_shapes_are_those_of_a_real_run():
    config = DPTConfig(**ON_VITDET)
    stages = {stage.name: stage.shape for stage in trace(DPTForDepthEstimation, config, (40, 72))}
    with record(*stages) as tape:
        DPTForDepthEstimation(config)(pixels(1, 3, 40, 72))
    assert {name: x.shape for name, x in tape.items()} == stages


def test_one_model_takes_pictures_of_every_size():
    model = AutoBackbone.from_config(VitDetConfig.from_dict({**VITDET, **WHOLE}))
    first = [model(pixels(1, 3, *size)).feature_maps for size in ((40, 72), (72, 40), (40, 72))]
    assert [maps[0].shape for maps in first] == [(1, 32, 5, 9), (1, 32, 9, 5), (1, 32, 5, 9)]
    assert all(np.array_equal(a, b) for a, b in zip(first[0], first[2], strict=True))


def test_configs_mean_the_same_on_both_sides():
    for settings in ({**VITDET, **WHOLE}, {"model_type": "vitdet"}, {**VITDET, "image_size": [40, 72]}):
        theirs = config_of(settings)
        ours = VitDetConfig.from_dict(theirs.to_dict())
        for name in VitDetConfig.known():
            expected = getattr(theirs, name)
            assert getattr(ours, name) == (tuple(expected) if isinstance(expected, list) else expected), name


WRONG = [
    ("num_attention_heads", 5),
    ("image_size", [40, 4]),
    ("image_size", [40, 40, 40]),
    ("pretrain_image_size", 7),
    ("window_size", -1),
    ("window_size", 2000),
    ("window_block_indices", [0.5]),
    ("residual_block_indices", [-1]),
    ("patch_size", [8, 16]),
    ("out_indices", [1, 9]),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=str)
def test_a_wrong_field_is_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=key):
        VitDetConfig.from_dict({**VITDET, key: value})


def test_a_bottleneck_has_something_to_halve():
    with pytest.raises(ConfigError, match="hidden_size"):
        VitDetConfig(hidden_size=1, num_attention_heads=1, residual_block_indices=[0])
