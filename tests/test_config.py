"""Configs: defaults, derived fields, JSON both ways, and an error naming the key for everything that is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidpt import BitConfig, ConfigError, DPTConfig
from minidpt.presets import PRESETS, preset

# dpt-facts 1.1: the fields of transformers 5.23.0 and their defaults
DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "image_size": 384,
    "patch_size": 16,
    "num_channels": 3,
    "is_hybrid": False,
    "qkv_bias": True,
    "backbone_out_indices": (2, 5, 8, 11),
    "readout_type": "project",
    "reassemble_factors": (4, 2, 1, 0.5),
    "neck_hidden_sizes": (96, 192, 384, 768),
    "fusion_hidden_size": 256,
    "head_in_index": -1,
    "use_batch_norm_in_fusion_residual": False,
    "use_bias_in_fusion_residual": None,
    "add_projection": False,
    "use_auxiliary_head": True,
    "auxiliary_loss_weight": 0.4,
    "semantic_loss_ignore_index": 255,
    "semantic_classifier_dropout": 0.1,
    "backbone_config": None,
    "pooler_output_size": 768,
    "pooler_act": "tanh",
    "num_labels": 2,
    # only a hybrid has these:
    "backbone_featmap_shape": None,
    "neck_ignore_stages": (),
}


def test_defaults_are_those_of_transformers():
    config = DPTConfig()
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS
    hybrid = DPTConfig(is_hybrid=True, neck_hidden_sizes=[256, 512, 768, 768], reassemble_factors=[1, 1, 1, 0.5])
    assert hybrid.backbone_featmap_shape == (1, 1024, 24, 24)
    assert hybrid.neck_ignore_stages == (0, 1)
    assert hybrid.bit.depths == (3, 4, 9)
    assert hybrid.tap_blocks == (8, 11)


WRONG = [
    ("hidden_size", "768"),
    ("hidden_size", 0),
    ("hidden_size", 10**9),
    ("hidden_size", True),
    ("hidden_size", None),
    ("hidden_size", 770),  # 12 heads do not divide it
    ("num_hidden_layers", 10**6),
    ("num_hidden_layers", 5),  # taps beyond it
    ("num_attention_heads", 7),
    ("intermediate_size", 1.5),
    ("hidden_act", "swosh"),
    ("hidden_dropout_prob", 2),
    ("attention_probs_dropout_prob", -0.1),
    ("initializer_range", "small"),
    ("layer_norm_eps", -1e-6),
    ("image_size", 8),
    ("image_size", [384, 512]),
    ("image_size", 10**6),
    ("patch_size", -16),
    ("num_channels", "rgb"),
    ("is_hybrid", 1),
    ("qkv_bias", "yes"),
    ("backbone_out_indices", [2, 5, 8]),
    ("backbone_out_indices", [2, 5, 8, 12]),
    ("backbone_out_indices", [5, 2, 8, 11]),
    ("backbone_out_indices", [2, 2, 8, 11]),
    ("backbone_out_indices", 3),
    ("readout_type", "sum"),
    ("reassemble_factors", [4, 2, 1]),
    ("reassemble_factors", [4, 2, 1, 0.3]),
    ("reassemble_factors", [4, 2, 1, 0]),
    ("reassemble_factors", [4, 2, 1.5, 1]),
    ("neck_hidden_sizes", [96, 192, 384]),
    ("neck_hidden_sizes", "96"),
    ("fusion_hidden_size", 1),
    ("head_in_index", 4),
    ("head_in_index", -5),
    ("use_batch_norm_in_fusion_residual", "no"),
    ("use_bias_in_fusion_residual", 0),
    ("add_projection", 1),
    ("use_auxiliary_head", 1),
    ("auxiliary_loss_weight", -1),
    ("semantic_loss_ignore_index", "none"),
    ("semantic_classifier_dropout", 3),
    ("backbone_config", {"model_type": "resnext"}),
    ("backbone_config", {"model_type": "bit"}),  # without is_hybrid
    ("pooler_output_size", 0),
    ("pooler_act", "gelo"),
    ("num_labels", 0),
    ("id2label", {"0": "wall", "2": "sky"}),
    ("id2label", ["wall"]),
    ("depth_estimation_type", "disparity"),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=str)
def test_a_wrong_value_is_refused_naming_its_key(key, value):
    with pytest.raises(ConfigError) as caught:
        DPTConfig(**{key: value})
    message = str(caught.value)
    assert "\n" not in message
    assert key in message or key in ("hidden_size", "num_hidden_layers")  # those clash with a field named instead


HYBRID = {"is_hybrid": True, "neck_hidden_sizes": [256, 512, 768, 768], "reassemble_factors": [1, 1, 1, 0.5]}
WRONG_HYBRIDS = [
    ("readout_type", "add"),
    ("patch_size", 8),
    ("neck_ignore_stages", [0]),
    ("neck_hidden_sizes", [96, 512, 768, 768]),
    ("backbone_featmap_shape", [1, 512, 24, 24]),
    ("backbone_config", {"layer_type": "preactivation"}),
    ("backbone_config", {"layer_type": "bottleneck", "global_padding": "same", "depths": [3, 4, 9]}),
    ("backbone_config", {"num_groups": 7}),
]


@pytest.mark.parametrize(("key", "value"), WRONG_HYBRIDS, ids=str)
def test_a_wrong_hybrid_is_refused(key, value):
    with pytest.raises(ConfigError):
        DPTConfig(**{**HYBRID, key: value})


def test_bit_config_checks_its_fields():
    assert BitConfig(global_padding="same").global_padding == "SAME"
    for key, value in [
        ("layer_type", "plain"),
        ("global_padding", "half"),
        ("out_features", ["stage9"]),
        ("depths", []),
    ]:
        with pytest.raises(ConfigError, match=key):
            BitConfig(**{key: value})


def test_unknown_keys_survive_a_round_trip_and_slips_are_caught():
    config = DPTConfig.from_dict({"model_type": "dpt", "torch_dtype": "float32", "auto_map": {"x": "y"}, "hiden": 1})
    assert config.to_dict()["auto_map"] == {"x": "y"}
    assert DPTConfig.from_dict(json.loads(config.to_json())) == config
    assert DPTConfig(transformers_version="5.23.0").extra == {"transformers_version": "5.23.0"}
    for slip in (DPTConfig, lambda **values: DPTConfig.from_pretrained("dpt-base", **values)):
        with pytest.raises(ConfigError, match="did you mean 'hidden_size'"):
            slip(hiden_size=32)


def test_null_in_a_published_file_means_the_default():
    config = DPTConfig.from_dict({"num_hidden_layers": None, "image_size": None, "backbone_out_indices": None})
    assert config == DPTConfig()


def test_a_config_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        DPTConfig().hidden_size = 3


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*DPTConfig().to_dict(), "torch_dtype"]), VALUES, max_size=4))
def test_any_json_gives_a_config_or_a_config_error(values):
    values.pop("model_type", None)
    try:
        config = DPTConfig.from_dict(values)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert DPTConfig.from_dict(json.loads(config.to_json())) == config


BROKEN_FILES = {
    "not json": b"{",
    "a list": b"[1]",
    "nan": b'{"hidden_size": NaN}',
    "twice": b'{"hidden_size": 32, "hidden_size": 64}',
    "deep": b"[" * 100_000,
    "binary": b"\xff\xfe\x00",
    "other model": b'{"model_type": "bert"}',
    "huge": b" " * 10_000_001,
}


@pytest.mark.parametrize("content", BROKEN_FILES.values(), ids=BROKEN_FILES.keys())
def test_a_broken_file_is_refused_naming_it(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.json"):
        DPTConfig.from_json(path)


def test_a_byte_order_mark_is_tolerated_and_a_missing_file_is_not(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + DPTConfig().to_json().encode())
    assert DPTConfig.from_json(path) == DPTConfig()
    with pytest.raises(ConfigError, match="cannot be read"):
        DPTConfig.from_json(tmp_path / "none.json")


def test_presets_are_valid_and_known_offline():
    for name, row in PRESETS.items():
        if row["config"].get("model_type", "dpt") == "dpt" and "backbone_config" not in row["config"]:
            assert DPTConfig.from_pretrained(name) == DPTConfig(**preset(name)["config"])
    ade = DPTConfig.from_pretrained("dpt-large-ade")
    assert (ade.num_labels, ade.id2label[0], ade.id2label[149]) == (150, "wall", "flag")
    assert DPTConfig.from_pretrained("dpt-large", readout_type="add").readout_type == "add"
    assert preset("no-such-model") is None
