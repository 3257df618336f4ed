"""What is told about a model without running it: counts, work, stages. And conversion to another folder."""

import re

import numpy as np
import pytest
from tiny import HYBRID, PLAIN, lively, pixels

from minidpt import CheckpointError, ConfigError, DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, record
from minidpt import params as tensor_table
from minidpt.conversion import convert
from minidpt.inspection import describe, find, tensor_tree, trace
from minidpt.presets import PRESETS

# GFLOP per picture, measured with torch's counter on transformers' models
PUBLISHED_WORK = {
    "Intel/dpt-large": (384, 384, 516.4),
    "Intel/dpt-large-ade": (480, 480, 929.0 - 72.4),  # without the auxiliary head
    "Intel/dpt-hybrid-midas": (384, 384, 255.2),
    "facebook/dpt-dinov2-small-nyu": (490, 644, 536.0),
    "facebook/dpt-dinov2-base-nyu": (490, 644, 818.6),
    "facebook/dpt-dinov2-large-nyu": (490, 644, 1703.8),
    "depth-anything/Depth-Anything-V2-Small-hf": (518, 686, 167.5),
    "depth-anything/Depth-Anything-V2-Base-hf": (518, 686, 533.8),
    "depth-anything/Depth-Anything-V2-Large-hf": (518, 686, 1806.1),
    "Intel/dpt-beit-large-512": (512, 512, 962.7),
    "Intel/dpt-beit-large-384": (384, 384, 516.4),
    "Intel/dpt-beit-base-384": (384, 384, 223.6),
}


@pytest.mark.parametrize("name", PRESETS)
def test_parameter_counts_equal_the_published_ones(name):
    model, config, _ = find(name)
    assert tensor_table.count(model.tensors(config)) == PRESETS[name]["parameters"]


@pytest.mark.parametrize("name", PUBLISHED_WORK)
def test_work_equals_the_measured_one(name):
    height, width, gflop = PUBLISHED_WORK[name]
    model, config, _ = find(name)
    total = sum(stage.flops for stage in trace(model, config, (height, width)))
    assert total / 1e9 == pytest.approx(gflop, abs=0.05)  # the table has one decimal


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
@pytest.mark.parametrize("task", [DPTForDepthEstimation, DPTForSemanticSegmentation])
def test_traced_shapes_are_those_of_a_real_run(config, task):
    config = DPTConfig(**config, add_projection=True)
    stages = {stage.name: stage.shape for stage in trace(task, config, (80, 48))}
    with record(*stages) as tape:
        lively(task(config))(pixels(1, 3, 80, 48))
    assert {name: x.shape for name, x in tape.items()} == stages


def test_describe_names_stages_and_refuses_a_wrong_size():
    text = describe("dpt-large", size=(384, 512))
    for part in ("343,030,465", "fused.3", "1 x 192 x 256 x 256", "blocks.23", "blocks.*.attention.weights"):
        assert part in text
    assert "stages.*.blocks.*.attention.weights" in describe("Intel/dpt-swinv2-tiny-256")
    with pytest.raises(ConfigError, match="multiples of 16"):
        describe("dpt-large", size=(384, 500))
    with pytest.raises(CheckpointError):
        describe("no-such-model-here")


@pytest.mark.parametrize("name", PRESETS)
def test_every_published_model_fits_one_screen(name):
    lines = describe(name).splitlines()
    assert len(lines) <= (50 if "levit" not in name else 52)  # three levels, and many names to record
    assert max(map(len, lines)) <= 100


def test_the_screen_folds_blocks_and_adds_up():
    text = describe("dpt-large")
    assert re.search(r"^blocks\.\{0\.\.23\} +1 x 577 x 1024 .* block, self_attention, mlp$", text, flags=re.MULTILINE)
    rows = re.findall(r"^\S+ +1 x [\dx ]+? +([\d,]+) +(\d+\.\d\d) ", text, flags=re.MULTILINE)
    (unread,) = re.findall(r"never read +([\d,]+) parameters", text)
    assert sum(int(n.replace(",", "")) for n in (*(row[0] for row in rows), unread)) == 343_030_465
    assert sum(float(row[1]) for row in rows) == pytest.approx(516.4, abs=0.05 + 0.005 * len(rows))  # two decimals each
    assert "not held  depth_head" in text


def test_the_tree_names_every_tensor_in_memory_and_on_disk():
    text = tensor_tree("dpt-mini")
    model, config, _ = find("dpt-mini")
    on_disk = model.disk_name(config)
    shown = {word for line in text.splitlines() for word in line.split()[-1:]}
    for t in model.tensors(config):
        if ".blocks." not in t.name and not t.name.startswith(("fusion", "neck")):
            assert on_disk(t.name) in shown
    for line in (
        "  blocks.{0..5}               2,521,344",
        "      query                   222,336",
        "        weight                192 x 192           linear             "
        "dpt.encoder.layer.{0..5}.attention.attention.query.weight",
    ):
        assert line in text
    assert "conv (unused)" in text
    assert "its first residual unit never runs" in text


def test_convert_writes_a_folder_that_loads(tmp_path):
    model = lively(DPTForSemanticSegmentation(DPTConfig(**PLAIN)))
    model.save_pretrained(tmp_path / "source")
    report = convert(tmp_path / "source", tmp_path / "target", dtype="bfloat16")
    assert "bfloat16" in report
    assert "DPTForSemanticSegmentation" in report
    again = DPTForSemanticSegmentation.from_pretrained(tmp_path / "target")
    error = max(np.abs(again.weights[n] - w).max() / np.abs(w).max() for n, w in model.weights.items())
    assert 0 < error < 2**-8
    assert "BF16" in describe(tmp_path / "target")


def test_convert_refuses_what_would_lose_something(tmp_path):
    lively(DPTForDepthEstimation(DPTConfig(**PLAIN))).save_pretrained(tmp_path / "source")
    (tmp_path / "file").write_text("x")
    for destination, message in ((tmp_path / "source", "is read"), (tmp_path / "file", "is a file")):
        with pytest.raises(CheckpointError, match=message):
            convert(tmp_path / "source", destination)
    with pytest.raises(ConfigError, match="dtype"):
        convert(tmp_path / "source", tmp_path / "new", dtype="int4")
    assert not (tmp_path / "new").exists()
