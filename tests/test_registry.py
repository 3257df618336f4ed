"""What is known about published models without a download: rows, names, licences, what a config leaves unsaid."""

import json
import logging
import re
import socket
import sys

import numpy as np
import pytest
from tiny import lively, pixels

import minidpt
from minidpt import (
    AutoBackbone,
    CheckpointError,
    ConfigError,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    HubError,
)
from minidpt.checkpoints import hub, licences, quirks
from minidpt.checkpoints.locate import HUB_ID
from minidpt.presets import ALIASES, PRESETS, did_you_mean, full_name, licence_note, preset

REQUIRED = {"architecture", "config", "processor", "parameters", "licence", "format", "kind"}
OPTIONAL = {"bytes", "published", "quality", "release", "twin", "notes", "unverified"}
KINDS = {"relative_inverse", "metric", "segmentation", "backbone"}

DINOV2_HEAD = {  # as facebook/dpt-dinov2-*'s config.json is written, in miniature
    "model_type": "dpt",
    "architectures": ["DPTForDepthEstimation"],
    "backbone_config": {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
        "apply_layernorm": False,
        "reshape_hidden_states": False,
    },
    "neck_hidden_sizes": [4, 6, 8, 10],
    "fusion_hidden_size": 8,
    "add_projection": True,
    "use_bias_in_fusion_residual": False,
}


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("name", PRESETS)
def test_a_row_says_everything_and_nothing_unknown(name):
    row = PRESETS[name]
    assert row.keys() >= REQUIRED
    assert row.keys() <= REQUIRED | OPTIONAL
    assert row["kind"] in KINDS
    assert row["format"] in ("safetensors", "pickle", "original")
    assert set(row.get("unverified", ())) <= row.keys()
    assert bool(row["licence"]) or name == "dpt-base"
    assert HUB_ID.fullmatch(name) or row["format"] == "original"
    assert ("release" in row) == (row["format"] == "original" and name != "dpt-base")
    assert row.get("twin", "Intel/dpt-large") in PRESETS
    json.dumps(row)  # literal through and through


@pytest.mark.parametrize("name", [name for name, row in PRESETS.items() if row["processor"] is not None])
def test_the_processor_of_a_row_is_valid(name):
    processor = DPTImageProcessor.from_pretrained(name)
    for key, value in PRESETS[name]["processor"].items():
        assert np.array_equal(getattr(processor, key), value) or getattr(processor, key) == value


def test_published_sizes_are_those_of_float32_parameters():
    for name, row in PRESETS.items():
        known = preset(name)
        assert known["bytes_are"] == ("published" if "bytes" in row else "float32 parameters")
        assert known["bytes"] == pytest.approx(4 * row["parameters"], rel=0.005)  # three digits are published


def test_the_kind_of_a_row_is_that_of_its_model():
    for name, row in PRESETS.items():
        config = row["config"]
        metric = config.get("depth_estimation_type") == "metric"
        assert metric == (row["kind"] == "metric"), name
        assert (row["kind"] == "segmentation") == row["architecture"].endswith("Segmentation")
        assert (row["kind"] == "backbone") == row["architecture"].endswith("Backbone")


@pytest.mark.parametrize("name", [name for name, row in PRESETS.items() if row.get("published")])
def test_published_outputs_are_of_a_size_that_the_processor_makes(name):
    for output in PRESETS[name]["published"]:
        processor = DPTImageProcessor.from_pretrained(name)
        if not output["picture"].startswith("COCO"):
            continue  # Meta's picture is not of COCO's size
        made = processor(np.zeros((480, 640, 3), np.uint8))["pixel_values"].shape[2:]
        assert made == tuple(output["input"])
        shape = np.shape(output["values"])
        assert shape in ((3, 3), (3,), (1,))
        assert output["where"].count(":3") == (shape == (3,)) + 2 * (shape == (3, 3))


def test_depth_anything_taps_are_the_last_blocks_in_v1_and_spread_in_v2():
    v1 = DepthAnythingConfig.from_pretrained("LiheYoung/depth-anything-large-hf")
    v2 = DepthAnythingConfig.from_pretrained("Depth-Anything-V2-Large-hf")
    assert (v1.encoder.taps, v2.encoder.taps) == ((21, 22, 23, 24), (5, 12, 18, 24))
    outdoor = DepthAnythingConfig.from_pretrained("Depth-Anything-V2-Metric-Outdoor-Small-hf")
    assert (outdoor.kind, outdoor.max_depth) == ("metric", 80)


def test_isl_orgs_metric_models_turn_inverse_depth_into_metres():
    for name, scale in (("dpt_hybrid_nyu-2ce69ec7.pt", 0.000305), ("dpt_hybrid_kitti-cb926ef4", 0.00006016)):
        config = DPTConfig.from_pretrained(name)
        assert (config.kind, config.depth_scale, config.is_hybrid) == ("metric", scale, True)
        assert config.layer_norm_eps == 1e-6


# ---------------------------------------------------------------- configs against transformers


def test_the_snippet_of_transformers_documentation_runs():
    """huggingface.co/docs/transformers/model_doc/dpt, its import line changed; 112 million random parameters."""
    backbone_config = Dinov2Config.from_pretrained(
        "facebook/dinov2-base", out_features=["stage3", "stage6", "stage9", "stage12"], reshape_hidden_states=False
    )
    config = DPTConfig(backbone_config=backbone_config)
    model = DPTForDepthEstimation(config=config)
    assert model(np.zeros((1, 3, 28, 28), np.float32)).predicted_depth.shape == (1, 32, 32)


@pytest.mark.parametrize("name", ["facebook/dinov2-base", "facebook/dinov2-small", "facebook/dinov2-giant"])
def test_a_backbones_config_has_transformers_values(name):
    transformers = pytest.importorskip("transformers", reason="the reference; it comes with the parity extra")
    changes = {"out_features": ["stage3", "stage12"], "reshape_hidden_states": False}
    ours = Dinov2Config.from_pretrained(name, **changes).to_dict()
    theirs = transformers.Dinov2Config(**PRESETS[name]["config"], **changes).to_dict()
    shared = ours.keys() & theirs.keys()
    assert len(shared) > 20
    for key in shared:
        value = theirs[key]
        assert ours[key] == (list(value) if isinstance(value, tuple) else value), key
    assert (ours["image_size"], ours["patch_size"]) == (518, 14)


def test_registers_and_plain_dinov2_differ_in_model_type_and_patch_default():
    config = minidpt.Dinov2WithRegistersConfig.from_pretrained("dinov2-with-registers-base")
    assert (config.patch_size, config.image_size, config.num_register_tokens) == (14, 518, 4)
    with pytest.raises(ConfigError, match="model_type"):
        Dinov2Config.from_pretrained("dinov2-with-registers-base")


def test_a_row_of_another_kind_is_no_config_of_this_one():
    with pytest.raises(ConfigError, match="model_type must be 'dinov2', not 'dpt'"):
        Dinov2Config.from_pretrained("Intel/dpt-large")
    with pytest.raises(ConfigError, match="no backbone"):
        AutoBackbone.from_pretrained("Intel/dpt-large")


# ---------------------------------------------------------------- quirks


def test_a_dinov2_head_says_its_depth_is_metric(tmp_path):
    config = DPTConfig.from_dict({**DINOV2_HEAD, "depth_estimation_type": "relative"})
    lively(DPTForDepthEstimation(config)).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    for said, kind in ((None, "metric"), ("relative", "relative_inverse")):
        values.pop("depth_estimation_type", None)
        if said is not None:
            values["depth_estimation_type"] = said
        (tmp_path / "config.json").write_text(json.dumps(values))
        model = DPTForDepthEstimation.from_pretrained(tmp_path)
        assert model(pixels(1, 3, 14, 21)).kind == kind


@pytest.mark.parametrize(
    "changes",
    [{"add_projection": False}, {"backbone_config": None}, {"backbone_config": {"model_type": "beit"}}],
    ids=lambda changes: str(changes),
)
def test_other_models_keep_their_kind(changes):
    values = {**DINOV2_HEAD, **changes}
    assert quirks.amend(values) == values
    assert quirks.amend([1]) == [1]  # what is no object is refused elsewhere


def test_a_broken_config_is_still_refused_naming_the_file(tmp_path):
    lively(DPTForDepthEstimation(DPTConfig.from_dict(DINOV2_HEAD))).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**DINOV2_HEAD, "fusion_hidden_size": -1}))
    with pytest.raises(ConfigError, match=r"config\.json: DPTConfig: fusion_hidden_size"):
        DPTForDepthEstimation.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"config\.json.*expected a JSON object"):
        DPTForDepthEstimation.from_pretrained(tmp_path)


# ---------------------------------------------------------------- names


def test_aliases_lead_to_one_id_each():
    assert set(ALIASES.values()) == set(PRESETS)
    assert full_name("dpt-large") == "Intel/dpt-large"
    assert full_name("dpt_swin_large_384") == "dpt_swin_large_384.pt"
    assert full_name("someone/dpt-large") == "someone/dpt-large"
    assert preset("dpt-large") == preset("Intel/dpt-large")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Intel/dpt-lage", "Intel/dpt-large"),
        ("dpt-hybird-midas", "Intel/dpt-hybrid-midas"),
        ("depth-anything-v2-small-hf", "depth-anything/Depth-Anything-V2-Small-hf"),
        ("intel/dpt-large", "Intel/dpt-large"),
    ],
)
def test_a_slip_in_a_name_gets_the_right_one(name, meant):
    assert did_you_mean(name) == f"; did you mean {meant}?"


def test_known_and_foreign_names_get_no_suggestion():
    for name in ("Intel/dpt-large", "dpt-large", "someone/something", "./models/mine"):
        assert did_you_mean(name) == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dpt-lage", "did you mean"),
        ("dpt-base", "no weights of it were ever published"),
        ("dpt_hybrid_nyu-2ce69ec7.pt", r"get it from the releases of github\.com/isl-org/DPT"),
        ("dpt_beit_large_512", "or use Intel/dpt-beit-large-512, the same weights"),
    ],
)
def test_what_is_not_here_is_refused_with_what_to_do(name, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        DPTForDepthEstimation.from_pretrained(name)
    assert "\n" not in str(caught.value)


def test_a_name_without_owner_is_asked_from_the_hub_in_full(monkeypatch):
    asked = []

    def fetch(repo_id, filename, *, revision=None):
        asked.append(repo_id)
        raise HubError("no network")

    monkeypatch.setattr(hub, "fetch", fetch)
    with pytest.raises(HubError):
        DPTForDepthEstimation.from_pretrained("dpt-large")
    assert asked == ["Intel/dpt-large"]


# ---------------------------------------------------------------- licences


@pytest.fixture
def unsaid():
    licences._say.cache_clear()
    yield
    licences._say.cache_clear()


def test_a_non_commercial_licence_is_said_once_before_the_weights_are_touched(monkeypatch, caplog, unsaid):
    name = "depth-anything/Depth-Anything-V2-Large-hf"

    def fetch(repo_id, filename, *, revision=None):
        assert len(caplog.records) == 1  # said first
        raise HubError("no network")

    monkeypatch.setattr(hub, "fetch", fetch)
    for spelling in (name, "Depth-Anything-V2-Large-hf"):
        with caplog.at_level(logging.WARNING), pytest.raises(HubError):
            DepthAnythingForDepthEstimation.from_pretrained(spelling)
    assert [record.getMessage() for record in caplog.records] == [licence_note(name)]
    assert "cc-by-nc-4.0" in caplog.text
    assert caplog.records[0].name.startswith("minidpt.")


def test_free_licences_and_local_folders_are_passed_in_silence(tmp_path, caplog, monkeypatch, unsaid):
    assert licence_note("Intel/dpt-large") is None
    assert licence_note("someone/unknown") is None
    lively(DPTForDepthEstimation(DPTConfig.from_dict(DINOV2_HEAD))).save_pretrained(
        tmp_path / "Depth-Anything-V2-Large-hf"
    )
    monkeypatch.chdir(tmp_path)
    DPTForDepthEstimation.from_pretrained("Depth-Anything-V2-Large-hf")
    assert caplog.records == []


def test_an_original_file_is_known_by_its_name(tmp_path, caplog, unsaid):
    for file in ("depth_anything_v2_vitl.pth", "depth_anything_v2_vits.pth", "mine.pth"):
        (tmp_path / file).write_bytes(b"")
        licences.say_licence(tmp_path / file)
    assert [record.getMessage() for record in caplog.records] == [licence_note("depth_anything_v2_vitl.pth")]


def test_every_restricted_licence_is_noted():
    noted = {name for name in PRESETS if licence_note(name)}
    expected = {name for name, row in PRESETS.items() if row["licence"] not in ("", "mit", "apache-2.0")}
    assert noted == expected
    assert all(re.search("smp-hub|V2-(Base|Large|Metric)|v2_(vit[bl]|metric)", name) for name in noted)


def test_known_models_need_no_network_and_no_extra(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert DPTConfig.from_pretrained("dpt-large").hidden_size == 1024
    assert DPTImageProcessor.from_pretrained("dpt-large").size == {"height": 384, "width": 384}
    assert Dinov2Config.from_pretrained("dinov2-large").num_hidden_layers == 24
