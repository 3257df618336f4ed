"""Reading and writing models: every stored type, strictness, sharding, memory, and broken files refused by name."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import HYBRID, PLAIN, lively, pixels

from minidpt import (
    CheckpointError,
    ConfigError,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTModel,
    ResourceError,
)
from minidpt.checkpoints.entries import widen
from minidpt.checkpoints.safetensors_files import narrow, write


def depth_model(config=PLAIN):
    return lively(DPTForDepthEstimation(DPTConfig(**config)))


def stored(path):
    """(header, data) of a safetensors file, read by hand."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def assemble(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def rewrite(folder, change):
    """Change the header of a saved model and lay its file out anew."""
    path = folder / "model.safetensors"
    header, data = stored(path)
    header.pop("__metadata__", None)
    tensors = {name: (item, data[slice(*item["data_offsets"])]) for name, item in header.items()}
    change(tensors)
    header, parts, at = {}, [], 0
    for name, (item, raw) in tensors.items():
        header[name] = {**item, "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    assemble(path, header, b"".join(parts))


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
@pytest.mark.parametrize("task", [DPTForDepthEstimation, DPTForSemanticSegmentation, DPTModel])
def test_a_saved_model_comes_back_equal(task, config, tmp_path):
    model = lively(task(DPTConfig(**config)))
    model.save_pretrained(tmp_path)
    again = task.from_pretrained(tmp_path)
    assert again.config.to_dict() | {"architectures": 0, "dtype": 0} == model.config.to_dict() | {
        "architectures": 0,
        "dtype": 0,
    }
    assert all(np.array_equal(again.weights[name], weight) for name, weight in model.weights.items())
    x = pixels(1, 3, 64, 64)
    first = model(x).keys()[0]
    assert np.array_equal(model(x)[first], again(x)[first])
    lone = task.from_pretrained(tmp_path / "model.safetensors")
    assert lone.weights.keys() == model.weights.keys()


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2**-11), ("bfloat16", 2**-8), ("float32", 0)])
def test_a_smaller_type_costs_one_rounding(dtype, step, tmp_path):
    model = depth_model()
    model.save_pretrained(tmp_path, dtype=dtype)
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    for name, weight in model.weights.items():
        assert_close(again.weights[name], weight, rtol=step, atol=6e-8 if step else 0, name=name)  # float16's smallest
    with pytest.raises(ValueError, match="int8"):
        model.save_pretrained(tmp_path, dtype="int8")


def test_bfloat16_rounds_to_nearest_even():
    one = np.float32(1)
    exact = np.array([one, one + 2**-8, one + 3 * 2**-8, -2.5, 0, 65504], np.float32)
    assert np.array_equal(widen(narrow(exact, "BF16"), "BF16"), np.array([1, 1, 1 + 2**-6, -2.5, 0, 65536], np.float32))


def test_float64_is_read(tmp_path):
    model = depth_model()
    model.save_pretrained(tmp_path)

    def double(tensors):
        for name, (item, raw) in tensors.items():
            wide = np.frombuffer(raw, "<f4").astype("<f8").tobytes()
            tensors[name] = ({**item, "dtype": "F64"}, wide)

    rewrite(tmp_path, double)
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert all(np.array_equal(again.weights[name], weight) for name, weight in model.weights.items())


def test_shards_are_read_and_checked(tmp_path):
    model = depth_model()
    model.save_pretrained(tmp_path)
    whole = tmp_path / "model.safetensors"
    names = {t.name: model.disk_name(model.config)(t.name) for t in model.table}
    parts = [dict(list(names.items())[::2]), dict(list(names.items())[1::2])]
    weight_map = {}
    for i, part in enumerate(parts):
        shard = f"model-{i}.safetensors"
        write(tmp_path / shard, {disk: model.weights[name] for name, disk in part.items()}, "float32")
        weight_map |= dict.fromkeys(part.values(), shard)
    whole.unlink()
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert all(np.array_equal(again.weights[name], weight) for name, weight in model.weights.items())
    for bad in ("../model-0.safetensors", "/etc/passwd", ".hidden.safetensors", "weights.bin"):
        index.write_text(json.dumps({"weight_map": {**weight_map, "x": bad}}))
        with pytest.raises(CheckpointError, match="plain"):
            DPTForDepthEstimation.from_pretrained(tmp_path)
    index.write_text(json.dumps({"weight_map": {**weight_map, "x": "model-9.safetensors"}}))
    with pytest.raises(CheckpointError, match=r"model-9\.safetensors"):
        DPTForDepthEstimation.from_pretrained(tmp_path)
    index.write_text("{}")
    with pytest.raises(CheckpointError, match="weight_map"):
        DPTForDepthEstimation.from_pretrained(tmp_path)


ZERO = ({"dtype": "F32", "shape": [1]}, bytes(4))
STRICT = {
    "missing": (lambda t: t.pop("neck.convs.2.weight"), r"1 missing: neck\.convs\.2\.weight"),
    "unexpected": (lambda t: t.update({"head.extra": ZERO}), r"1 unexpected: head\.extra"),
    "shape": (
        lambda t: t.update({"head.head.4.bias": ({"dtype": "F32", "shape": [2]}, bytes(8))}),
        r"head\.head\.4\.bias: expected \(1,\), found \(2,\)",
    ),
    "type": (
        lambda t: t.update({"head.head.4.bias": ({"dtype": "I32", "shape": [1]}, bytes(4))}),
        r"of type I32",
    ),
    "nan": (
        lambda t: t.update({"head.head.4.bias": (ZERO[0], np.float32(np.nan).tobytes())}),
        r"head\.head\.4\.bias holds NaN",
    ),
    "inf": (
        lambda t: t.update({"head.head.4.bias": ({"dtype": "F64", "shape": [1]}, np.float64(1e300).tobytes())}),
        r"head\.head\.4\.bias holds NaN or infinity",
    ),
}


@pytest.mark.parametrize(("change", "message"), STRICT.values(), ids=STRICT.keys())
def test_loading_is_strict_and_names_the_tensor(change, message, tmp_path):
    depth_model().save_pretrained(tmp_path)
    rewrite(tmp_path, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        DPTForDepthEstimation.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_only_tensors_that_nothing_reads_may_be_absent_or_left_over(tmp_path):
    model = depth_model({**PLAIN, "use_batch_norm_in_fusion_residual": True})
    model.save_pretrained(tmp_path)

    def change(tensors):
        for name in [n for n in tensors if n.startswith("neck.fusion_stage.layers.0.residual_layer1.")]:
            del tensors[name]
        tensors["neck.fusion_stage.layers.1.residual_layer1.batch_norm1.num_batches_tracked"] = (
            {"dtype": "I64", "shape": []},
            bytes(8),
        )
        tensors["dpt.pooler.dense.bias"] = ZERO

    rewrite(tmp_path, change)
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    x = pixels(1, 3, 32, 32)
    assert np.array_equal(model(x).predicted_depth, again(x).predicted_depth)


def test_the_encoder_loads_from_a_depth_checkpoint(tmp_path):
    model = depth_model()
    model.save_pretrained(tmp_path)
    x = pixels(1, 3, 32, 32)
    out = DPTModel.from_pretrained(tmp_path)(x, output_hidden_states=True)
    assert out.pooler_output is None
    assert np.array_equal(out.hidden_states[-1], model(x, output_hidden_states=True).hidden_states[-1])


def test_a_checkpoint_for_another_task_is_named(tmp_path):
    lively(DPTForSemanticSegmentation(DPTConfig(**PLAIN))).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="holds a DPTForSemanticSegmentation, not a DPTForDepthEstimation"):
        DPTForDepthEstimation.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(DPTConfig(**PLAIN).to_json())  # names no architecture: the tensors tell
    with pytest.raises(CheckpointError, match="holds a DPTForSemanticSegmentation"):
        DPTForDepthEstimation.from_pretrained(tmp_path)


HEADER = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
BROKEN = {
    "empty": b"",
    "short": b"\x01\x02",
    "huge header": struct.pack("<Q", 2**60) + b"{}",
    "no json": struct.pack("<Q", 4) + b"nope",
    "truncated": struct.pack("<Q", len(json.dumps(HEADER))) + json.dumps(HEADER).encode() + bytes(4),
    "trailing": struct.pack("<Q", len(json.dumps(HEADER))) + json.dumps(HEADER).encode() + bytes(80),
    "no tensors": struct.pack("<Q", 2) + b"{}",
    "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "web page": b"<!DOCTYPE html><html>login</html>",
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_naming_it(content, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "config.json").write_text(DPTConfig(**PLAIN).to_json())
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as caught:
        DPTForDepthEstimation.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    depth_model().save_pretrained(folder)
    return folder, (folder / "model.safetensors").read_bytes()


@settings(max_examples=150)
@given(
    changes=st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(b'0123456789",[]{}:BFa\xff')), max_size=4),
    cut=st.none() | st.integers(0, 20_000),
)
def test_a_damaged_file_loads_or_is_refused_and_nothing_else(saved, changes, cut):
    folder, sound = saved
    damaged = bytearray(sound)
    for place, byte in changes:  # in and just behind the header
        damaged[place] = byte
    (folder / "model.safetensors").write_bytes(bytes(damaged[:cut]))
    try:
        weights = DPTForDepthEstimation.from_pretrained(folder).weights
    except CheckpointError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(weight).all() for weight in weights.values())


def test_a_tensor_named_twice_is_refused(tmp_path):
    text = (
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    )
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    (tmp_path / "config.json").write_text(DPTConfig(**PLAIN).to_json())
    with pytest.raises(CheckpointError, match="twice"):
        DPTForDepthEstimation.from_pretrained(tmp_path)


def test_a_model_that_is_not_there_is_named(tmp_path):
    (tmp_path / "weights.onnx").write_bytes(b"x")
    cases = {
        tmp_path / "none": "no such folder",
        tmp_path: "has no config.json",
        tmp_path / "weights.onnx": "not a weights file",
    }
    for name, message in cases.items():
        with pytest.raises(CheckpointError, match=message):
            DPTForDepthEstimation.from_pretrained(name)
    (tmp_path / "config.json").write_text(DPTConfig(**PLAIN).to_json())
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        DPTForDepthEstimation.from_pretrained(tmp_path)
    depth_model().save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "config.json").unlink()
    lone = tmp_path / "model" / "model.safetensors"
    with pytest.raises(CheckpointError, match="config="):
        DPTForDepthEstimation.from_pretrained(lone)
    assert DPTForDepthEstimation.from_pretrained(lone, config=DPTConfig(**PLAIN)).num_parameters > 0
    with pytest.raises(ConfigError, match="has no config"):
        DPTConfig.from_pretrained(tmp_path / "model")


def test_a_folder_that_cannot_be_written_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="cannot be written"):
        depth_model().save_pretrained(tmp_path / "file" / "out")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    model = depth_model()
    model.save_pretrained(tmp_path)
    before = sorted((p.name, p.stat().st_size) for p in tmp_path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ResourceError, match="No space left"):
        model.save_pretrained(tmp_path, dtype="float16")
    assert sorted((p.name, p.stat().st_size) for p in tmp_path.iterdir()) == before


MEASURE = """
import resource, sys
from minidpt import DPTForDepthEstimation
from minidpt.checkpoints import locate
import minidpt.ops, numpy
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = DPTForDepthEstimation.from_pretrained(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in kilobytes on Linux only")
def test_loading_takes_at_most_a_fifth_more_memory_than_the_file(tmp_path):
    wide = {**PLAIN, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072, "num_hidden_layers": 8}
    DPTForDepthEstimation(DPTConfig(**wide)).save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size > 200e6  # large enough for the interpreter's own needs not to matter
    run = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) * 1024 <= 1.2 * size
