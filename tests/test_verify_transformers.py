"""`minidpt verify` beside transformers: every kind of model passes, also where transformers has to be put together."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny import BIT, HYBRID, PLAIN, lively

import minidpt
from minidpt import DPTImageProcessor, cli

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")

DINOV2 = {
    "model_type": "dinov2",
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "mlp_ratio": 2,
    "image_size": 42,
    "patch_size": 14,
    "out_indices": [1, 2, 3, 4],
    "reshape_hidden_states": False,
    "apply_layernorm": False,
}
NECK = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24}
REGISTERS = {**DINOV2, "model_type": "dinov2_with_registers", "num_register_tokens": 3}
ON_BIT = {"backbone_config": {**BIT, "depths": [1, 1, 2]}, "neck_hidden_sizes": [16, 32, 64], "fusion_hidden_size": 24}
DEPTH, SEGMENTATION, ANYTHING = "DPTForDepthEstimation", "DPTForSemanticSegmentation", "DepthAnythingForDepthEstimation"
WHOLE = {  # transformers runs these itself
    "plain": (DEPTH, PLAIN, "32x48"),
    "hybrid": (DEPTH, HYBRID, "64x48"),
    "segmentation": (SEGMENTATION, {**PLAIN, "num_labels": 5}, "40x24"),
    "encoder": ("DPTModel", PLAIN, "32x48"),
    "hybrid encoder": ("DPTModel", HYBRID, "64x48"),
    "dinov2": (DEPTH, {"backbone_config": DINOV2, **NECK}, "42x56"),
    "depth anything": (ANYTHING, {"backbone_config": DINOV2, "reassemble_hidden_size": 24, **NECK}, "42x56"),
    "next size": (DEPTH, {**PLAIN, "fusion_upsample": "next_size"}, "24x40"),
    "metres by scale and shift": (DEPTH, {**PLAIN, "depth_scale": 0.5, "depth_shift": 1.0}, "32x48"),
    "backbone": ("Dinov2Backbone", DINOV2, "42x56"),
    "backbone as maps": ("Dinov2WithRegistersBackbone", {**REGISTERS, "reshape_hidden_states": True}, "42x56"),
    "pyramid alone": ("BitBackbone", BIT, "40x56"),
}
TOGETHER = {  # transformers has the parts of these, not the whole
    "segmentation on dinov2": (SEGMENTATION, {"backbone_config": DINOV2, "num_labels": 5, **NECK}, "42x56"),
    "registers": (DEPTH, {"backbone_config": REGISTERS, **NECK}, "42x56"),
    "registers, add": (DEPTH, {"backbone_config": REGISTERS, "readout_type": "add", **NECK}, "42x56"),
    "segmentation on registers": (SEGMENTATION, {"backbone_config": REGISTERS, "num_labels": 3, **NECK}, "42x56"),
    "maps": (DEPTH, {"backbone_config": {**DINOV2, "reshape_hidden_states": True}, **NECK}, "42x56"),
    "pyramid": (DEPTH, ON_BIT, "64x96"),
    "segmentation on a pyramid": (
        SEGMENTATION, {**ON_BIT, "num_labels": 4, "use_batch_norm_in_fusion_residual": True}, "64x96"
    ),
    "pyramid to the next size": (DEPTH, {**ON_BIT, "fusion_upsample": "next_size"}, "64x96"),
    "depth anything on registers": (
        ANYTHING, {"backbone_config": REGISTERS, "reassemble_hidden_size": 24, **NECK}, "42x56"
    ),
    "wider head": (DEPTH, {"backbone_config": DINOV2, "head_hidden_size": 12, **NECK}, "42x56"),
}  # fmt: skip


def folder_of(tmp_path, architecture, settings):
    kind = getattr(minidpt, architecture)
    config = kind.config_class.from_dict({k: v for k, v in settings.items() if k != "model_type"})
    lively(kind(config)).save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def verify(capsys, *words, code=0):
    capsys.readouterr()
    assert cli.main(["verify", *words, "--json"]) == code, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("architecture", "settings", "size"), WHOLE.values(), ids=WHOLE.keys())
def test_models_that_transformers_runs_pass(architecture, settings, size, tmp_path, capsys):
    folder = folder_of(tmp_path, architecture, settings)
    said = verify(capsys, folder, "--against", "transformers", "--size", size)
    assert said["passed"]
    assert not [note for note in said["notes"] if "together" in note or "no weights" in note]
    names = {row["stage"] for row in said["stages"]}
    if architecture in (DEPTH, ANYTHING):
        assert ("predicted_depth" in names) == ("depth_scale" not in settings)
        assert {"neck.3", "fused.3", "head.3"} <= names
    if architecture.endswith("Backbone"):
        assert "taps.0" in names


@pytest.mark.parametrize(("architecture", "settings", "size"), TOGETHER.values(), ids=TOGETHER.keys())
def test_models_that_transformers_does_not_run_are_held_against_its_parts(
    architecture, settings, size, tmp_path, capsys
):
    folder = folder_of(tmp_path, architecture, settings)
    said = verify(capsys, folder, "--against", "transformers", "--size", size)
    assert said["passed"]
    assert "together" in said["notes"][0]
    assert not [note for note in said["notes"] if "no weights" in note]
    names = [row["stage"] for row in said["stages"]]
    assert names[-1] == ("logits" if architecture == SEGMENTATION else "predicted_depth")
    assert {"taps.0", "taps.2", "neck.2", "fused.2"} <= set(names)


def test_a_decoder_whose_encoder_transformers_lacks_is_fed_with_our_taps(tmp_path, capsys, monkeypatch):
    folder = folder_of(tmp_path, DEPTH, {"backbone_config": DINOV2, **NECK})
    monkeypatch.setattr(minidpt.auto_backbone.Dinov2Backbone, "architecture", "NoSuchBackbone")
    monkeypatch.setattr("minidpt.verification.counterpart.runs_whole", lambda model: False)
    said = verify(capsys, folder, "--against", "transformers", "--size", "42x56")
    assert said["passed"]
    assert "no NoSuchBackbone: its decoder is fed with minidpt's own taps" in said["notes"][0]
    assert [note for note in said["notes"] if "not compared" in note and "blocks.*.mlp" in note]
    assert {row["stage"].split(".")[0] for row in said["stages"]} == {
        "readout", "reassembled", "neck", "fused", "head", "predicted_depth"
    }  # fmt: skip


def test_dpt_mini_passes_on_the_embedded_picture(capsys):
    assert cli.main(["verify", "dpt-mini", "--against", "transformers"]) == 0
    printed = capsys.readouterr().out
    assert "example.jpg through the model's own processor" in printed
    assert printed.splitlines()[-1].startswith("passed: 76 stages within the bound; nearest to it: ")


def test_a_lone_file_and_a_picture_of_ones_own_are_verified(tmp_path, capsys):
    folder = folder_of(tmp_path, DEPTH, PLAIN)
    DPTImageProcessor(size={"height": 24, "width": 40}).save_pretrained(folder)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)).save(tmp_path / "own.png")
    file, picture = f"{folder}/model.safetensors", str(tmp_path / "own.png")
    said = verify(capsys, file, "--against", "transformers", "--image", picture)
    assert said["input"] == "1 x 3 x 24 x 40, own.png through the model's own processor"


def test_a_reference_is_recorded_and_then_holds_without_torch(tmp_path, capsys, monkeypatch):
    folder, file = folder_of(tmp_path, DEPTH, PLAIN), str(tmp_path / "reference.safetensors")
    assert cli.main(["verify", folder, "--save", file, "--size", "32x48", "--thin", "7"]) == 0
    assert "one value in 7 of each" in capsys.readouterr().out
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    assert verify(capsys, folder, "--against", file)["passed"]


def test_what_transformers_cannot_run_is_one_line(tmp_path, capsys, monkeypatch):
    folder = folder_of(tmp_path, DEPTH, PLAIN)

    def refuse(*_):
        raise ValueError("only\nsquares")

    monkeypatch.setattr("minidpt.verification.reference.stages", refuse)
    assert cli.main(["verify", folder, "--against", "transformers", "--size", "32x48"]) == 3
    said = capsys.readouterr().err
    assert "transformers cannot run this input (only squares)" in said
    assert said.count("\n") == 1


def test_weights_that_transformers_misses_are_named(tmp_path, capsys, monkeypatch):
    from minidpt.verification import counterpart

    folder, read = folder_of(tmp_path, DEPTH, PLAIN), counterpart.read

    def without_head(*args):
        weights, config = read(*args)
        return {name: tensor for name, tensor in weights.items() if not name.startswith("head.head.2")}, config

    monkeypatch.setattr(counterpart, "read", without_head)
    said = verify(capsys, folder, "--against", "transformers", "--size", "32x48", code=1)
    assert "transformers found no weights for head.head.2.bias, head.head.2.weight" in said["notes"][0]


@pytest.mark.parametrize("settings", [{"backbone_config": DINOV2, **NECK}, HYBRID], ids=["dinov2", "hybrid"])
def test_what_transformers_cannot_read_is_given_to_it(settings, tmp_path, monkeypatch):
    from minidpt.verification.reference import reference
    from minidpt.verification.subject import hold, load, subject

    folder = folder_of(tmp_path, DEPTH, settings)
    tested = subject(folder, load(folder), size=(112, 224))
    tape = tested.tape()
    opened = replace(tested.opened, source=replace(tested.opened.source, config=None))
    for path in tested.opened.source.weights:
        path.unlink()
    report = hold(tested, tape, reference(opened, tested.model, tested.pixel_values, tape))
    assert report.passed
    assert "it gets the weights and config that minidpt read" in report.notes[0]
