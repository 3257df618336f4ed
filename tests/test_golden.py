"""Recordings of transformers: every stage of three tiny models and of dpt-mini, without torch.

A stale file is made anew by `python tests/record_golden.py`, which needs the parity extra.
"""

import json
from pathlib import Path

import pytest
from checks import assert_passed
from tiny import GOLDEN, golden_model

from minidpt import DPTForDepthEstimation, DPTImageProcessor, load_image, record
from minidpt.verification.comparison import compare
from minidpt.verification.recorded import read, refuse_other_weights

FOLDER = Path(__file__).parent / "golden"
ASSETS = Path(__file__).parent.parent / "minidpt" / "assets"


@pytest.mark.parametrize("name", GOLDEN)
def test_every_stage_of_a_tiny_model_is_as_recorded(name):
    recorded = read(FOLDER / f"{name}.safetensors")
    task, config, _ = GOLDEN[name]
    about = recorded.about
    assert (about["task"], json.loads(about["config"])) == (task, config), "the recording is of another model"
    model = golden_model(task, config, recorded.weights)
    refuse_other_weights(name, model, recorded)
    with record() as tape:
        model(recorded.reference.pixel_values)
    rows = compare(tape, recorded.reference.stages)
    assert_passed(rows)
    assert len(rows) > 40


def test_dpt_mini_is_as_recorded():
    recorded = read(FOLDER / "mini.safetensors")
    pixel_values = DPTImageProcessor.from_pretrained("dpt-mini")(load_image(ASSETS / "example.jpg"))["pixel_values"]
    assert pixel_values.shape == (1, 3, 192, 192)
    model = DPTForDepthEstimation.from_pretrained("dpt-mini")
    refuse_other_weights("dpt-mini", model, recorded)
    with record() as tape:
        depth = model(pixel_values)
    assert depth.kind == "relative_inverse"
    rows = compare(tape, recorded.reference.stages)
    assert_passed(rows)
    assert len(rows) > 60
    assert rows[0].stage == "pixel_values"
    assert rows[0].error <= 1e-6  # design: image processing


def test_recordings_tell_where_they_come_from():
    for path in FOLDER.glob("*.safetensors"):
        about = read(path).about
        assert about["command"].startswith("python tests/")
        assert {"torch", "transformers"} <= json.loads(about["libraries"]).keys()
        assert "numpy" in json.loads(about["versions"])
        assert path.stat().st_size < 500e3
