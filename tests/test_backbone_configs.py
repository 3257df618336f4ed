"""The configs of all encoders: transformers' fields and defaults, JSON, taps by name and by number, one-line errors."""

import pytest

from minidpt import ConfigError, DepthAnythingConfig, DPTConfig, DPTForDepthEstimation
from minidpt.backbones import BACKBONE_CONFIGS
from minidpt.config import MODEL_CONFIGS, read_config

OURS = {"nextvit": "transformers has no Next-ViT"}
DERIVED = {"out_features", "out_indices", "model_type", "stage_names"}  # follow from other fields, and here:
ALSO_DERIVED = {"levit": {"down_ops"}, "swin": {"num_layers", "hidden_size"}, "swinv2": {"num_layers", "hidden_size"}}
ALL = {**BACKBONE_CONFIGS, **MODEL_CONFIGS}


@pytest.mark.parametrize("name", sorted(ALL.keys() - OURS.keys()))
def test_every_field_of_transformers_is_there_with_its_default(name):
    transformers = pytest.importorskip("transformers", reason="transformers is the reference for the fields")
    theirs = transformers.AutoConfig.for_model(name)
    base = transformers.PretrainedConfig().to_dict().keys()
    ours = ALL[name]().to_dict()
    skipped = {*base, *DERIVED, *ALSO_DERIVED.get(name, ())}
    fields = {key: value for key, value in theirs.to_dict().items() if key not in skipped}
    fields.pop("backbone_config", None)  # a config of its own: in this test under its own name
    for key, value in fields.items():
        assert key in ours, f"{name}: no field {key} (there {value!r})"
        expected = list(value) if isinstance(value, tuple) else value
        assert ours[key] == expected, f"{name}: {key} is {ours[key]!r}, in transformers {expected!r}"


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_config_survives_json_and_keeps_what_it_does_not_know(name, tmp_path):
    config = ALL[name].from_dict({"model_type": name, "_name_or_path": "x", "a_key_of_tomorrow": [1]})
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    again = read_config(path)
    assert again == config
    assert type(again) is ALL[name]
    assert again.extra["a_key_of_tomorrow"] == [1]


@pytest.mark.parametrize("name", sorted(BACKBONE_CONFIGS))
def test_taps_by_name_and_by_number_mean_the_same(name):
    config_class = BACKBONE_CONFIGS[name]
    stages = config_class().stage_names
    assert config_class().out_features == (stages[-1],)
    chosen = config_class(out_features=[stages[1], stages[-1]])
    assert chosen.out_indices == (1, len(stages) - 1)
    assert config_class(out_indices=[1, -1]).out_features == chosen.out_features
    assert config_class(out_indices=[1, len(stages) - 1], out_features=[stages[1], stages[-1]]) == chosen
    assert len(chosen.tap_channels) == 2


@pytest.mark.parametrize("name", sorted(BACKBONE_CONFIGS))
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_features": ["nothing"]}, "out_features"),
        ({"out_indices": [4000]}, "out_indices"),
        ({"out_features": "stage1"}, "out_features"),
        ({"num_channels": 0}, "num_channels"),
        ({"out_feature": []}, "did you mean"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_in_one_line(name, changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        BACKBONE_CONFIGS[name](**changes)
    assert "\n" not in str(caught.value)


def test_taps_out_of_order_or_contradicting_are_refused():
    for config_class in BACKBONE_CONFIGS.values():
        stages = config_class().stage_names
        with pytest.raises(ConfigError, match="order"):
            config_class(out_features=[stages[-1], stages[1]])
        with pytest.raises(ConfigError, match="out_indices"):
            config_class(out_features=[stages[1]], out_indices=[2])


def test_a_backbone_that_does_not_fit_the_neck_is_refused():
    dinov2 = BACKBONE_CONFIGS["dinov2"]
    with pytest.raises(ConfigError, match="1 out_features, neck_hidden_sizes has 4"):
        DPTConfig(backbone_config=dinov2())
    with pytest.raises(ConfigError, match="backbone_config"):
        DPTConfig(backbone_config={"model_type": "convnext"})
    with pytest.raises(ConfigError, match="reassemble_hidden_size"):
        DepthAnythingConfig(reassemble_hidden_size=100)
    with pytest.raises(ConfigError, match="depth_scale"):
        DPTConfig(depth_scale=0.5)
    with pytest.raises(ConfigError, match="expects a DPTConfig"):
        DPTForDepthEstimation(DepthAnythingConfig())


def test_a_config_of_an_unknown_kind_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "convnext"}')
    with pytest.raises(ConfigError, match="'convnext' is not one of dpt, depth_anything"):
        read_config(tmp_path / "config.json")


def test_whole_numbers_are_written_where_transformers_takes_floats_only(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is what must read the file")
    for name in ("dinov2", "beit", "vitdet", "swinv2"):
        given = {"initializer_range": 1, "layer_norm_eps": 1}
        given |= {"layerscale_value": 2} if name == "dinov2" else {}
        given |= {"layer_scale_init_value": 1} if name == "beit" else {}
        (tmp_path / "config.json").write_text(BACKBONE_CONFIGS[name](**given).to_json())
        theirs = transformers.AutoConfig.from_pretrained(tmp_path)
        assert {key: getattr(theirs, key) for key in given} == given
