"""Recordings of transformers: every stage of three tiny models and of dpt-mini, without torch.

A stale file is made anew by `python tests/record_golden.py`, which needs the parity extra.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from tiny import GOLDEN

from minidpt import DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, DPTImageProcessor, load_image, record

FOLDER = Path(__file__).parent / "golden"
ASSETS = Path(__file__).parent.parent / "minidpt" / "assets"
MODELS = {"DPTForDepthEstimation": DPTForDepthEstimation, "DPTForSemanticSegmentation": DPTForSemanticSegmentation}
ALLOWED, ROUNDING = 3, 2e-6  # design: 3 times transformers' own float32 error, counted as at least 2e-6 of the maximum


def read(name):
    with safe_open(FOLDER / f"{name}.safetensors", framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return arrays, file.metadata()


def part(arrays, kind):
    return {key.partition(":")[2]: value for key, value in arrays.items() if key.startswith(f"{kind}:")}


def assert_stages(tape, arrays, thin):
    errors, checked = part(arrays, "error"), 0
    for name, expected in part(arrays, "stage").items():
        own, largest = errors[name].tolist()
        actual = tape[name].ravel()[::thin]
        assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, recorded {expected.shape}"
        error, bound = np.abs(actual - expected).max(), ALLOWED * max(own, ROUNDING * largest)
        assert error <= bound, f"{name}: error {error:.3g}, bound {bound:.3g}, largest {largest:.3g}"
        checked += 1
    return checked


@pytest.mark.parametrize("name", GOLDEN)
def test_every_stage_of_a_tiny_model_is_as_recorded(name):
    arrays, about = read(name)
    task, config, _ = GOLDEN[name]
    assert (about["task"], json.loads(about["config"])) == (task, config), "the recording is of another model"
    config = DPTConfig(**config)
    weights = part(arrays, "weight")
    disk_name = MODELS[task].disk_name(config)
    named = {t.name: weights[disk_name(t.name)] for t in MODELS[task].tensors(config)}
    with record() as tape:
        MODELS[task].from_weights(config, named)(arrays["pixel_values"])
    assert assert_stages(tape, arrays, int(about["thin"])) > 40


def test_dpt_mini_is_as_recorded():
    arrays, about = read("mini")
    thin = int(about["thin"])
    pixel_values = DPTImageProcessor.from_pretrained("dpt-mini")(load_image(ASSETS / "example.jpg"))["pixel_values"]
    assert pixel_values.shape == (1, 3, 192, 192)
    assert np.abs(pixel_values.ravel()[::thin] - arrays["pixel_values"]).max() <= 1e-6  # design: image processing
    with record() as tape:
        depth = DPTForDepthEstimation.from_pretrained("dpt-mini")(pixel_values)
    assert depth.kind == "relative_inverse"
    assert assert_stages(tape, arrays, thin) > 60


def test_recordings_tell_where_they_come_from():
    for path in FOLDER.glob("*.safetensors"):
        _, about = read(path.stem)
        assert about["command"].startswith("python tests/")
        assert {"torch", "transformers", "numpy"} <= json.loads(about["versions"]).keys()
        assert path.stat().st_size < 500e3
