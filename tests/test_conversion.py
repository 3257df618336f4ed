"""Original checkpoints -> folders in transformers' format: every family, its report, its memory, its errors."""

import hashlib
import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from tiny import lively, pixels
from tiny_originals import FAMILIES, PLAIN, files

import minidpt
from minidpt import (
    CheckpointError,
    ConfigError,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTImageProcessor,
    cli,
)
from minidpt.checkpoints.safetensors_files import write
from minidpt.config import MODEL_CONFIGS
from minidpt.conversion import convert
from minidpt.model import MODELS
from minidpt.pretrained import open_checkpoint

BUFFERS = {  # what the originals have beside what is used; SwinV2's windows show there alone
    "swinv2": {"pretrained.model.layers.0.blocks.1.attn_mask": (16, 16, 16), "pretrained.model.norm.weight": (128,)},
    "swin": {"pretrained.model.layers.0.blocks.1.attn_mask": (64, 4, 4), "pretrained.model.head.bias": (10,)},
    "swin, timm 0.9": {"pretrained.model.layers.0.blocks.1.attn_mask": (64, 4, 4)},
    "beit": {"pretrained.model.blocks.0.attn.relative_position_index": (17, 17)},
    "levit": {"pretrained.model.blocks.0.m.attention_bias_idxs": (16, 16)},
}


def model_of(name):
    architecture, values, _, _ = FAMILIES[name]
    model = MODELS[architecture]
    kind = "depth_anything" if architecture.startswith("DepthAnything") else "dpt"
    return lively(model(MODEL_CONFIGS[kind].from_dict(values)))


def original_of(name, folder):
    """(model, the paths of its files in the original's names)"""
    model = model_of(name)
    rename = model.disk_name(model.config)
    state = {rename(key): x for key, x in model.weights.items()}

    def save(path, tensors):
        extra = BUFFERS.get(name, {}) if path.stem == "original" else {}
        write(path, tensors | {key: np.zeros(shape, np.float32) for key, shape in extra.items()}, "float32")

    return model, files(folder, name, state, save)


def same(config):
    """A config without the bookkeeping of files."""
    return {key: value for key, value in config.to_dict().items() if key not in ("architectures", "dtype")}


@pytest.mark.parametrize("name", FAMILIES)
def test_an_original_comes_back_as_the_model_it_was_made_from(name, tmp_path):
    model, paths = original_of(name, tmp_path)
    encoder = paths[1] if len(paths) > 1 else None
    opened = open_checkpoint(paths[0], encoder=encoder)
    assert opened.model is type(model)
    direct = opened.model.from_opened(opened)
    report = convert(paths[0], tmp_path / "converted", encoder=encoder)
    again = type(model).from_pretrained(tmp_path / "converted")
    for loaded in (direct, again):
        assert same(loaded.config) == same(model.config)
        assert loaded.weights.keys() == model.weights.keys()
        for key, weight in model.weights.items():
            never_there = name.startswith("dinov2") and key.startswith("fusion.0.residual_unit_1")
            assert np.array_equal(loaded.weights[key], np.zeros_like(weight) if never_there else weight), key
    x = pixels(1, 3, *FAMILIES[name][3])
    key = model(x).keys()[0]
    assert np.array_equal(model(x)[key], again(x)[key])
    assert f"{type(model).__name__}, " in report
    assert (report.count("filled with zeros") == 1) is name.startswith("dinov2")
    processor = DPTImageProcessor.from_pretrained(tmp_path / "converted")
    assert vars(processor) == vars(DPTImageProcessor(**opened.original.processor))


def test_a_lone_original_is_loaded_and_its_pictures_are_made_without_a_folder(tmp_path):
    model, (path,) = original_of("plain", tmp_path)
    assert np.array_equal(
        DPTForDepthEstimation.from_pretrained(path).weights["head.conv3.bias"], model.weights["head.conv3.bias"]
    )
    processor = DPTImageProcessor.from_pretrained(path, size=128)
    assert (processor.size["height"], processor.keep_aspect_ratio, processor.ensure_multiple_of) == (128, True, 32)
    changed = MODEL_CONFIGS["dpt"].from_dict({**PLAIN, "hidden_act": "relu"})
    assert DPTForDepthEstimation.from_pretrained(path, config=changed).config is changed
    (tmp_path / "config.json").write_text('{"encoder_name": "tu-vit_large_patch16_384"}')  # smp's own, not ours
    assert same(DPTForDepthEstimation.from_pretrained(path).config) == same(model.config)
    (tmp_path / "preprocessor_config.json").write_text('{"size": 96}')
    assert DPTImageProcessor.from_pretrained(path).size == {"height": 96, "width": 96}


def test_a_folder_of_smp_is_an_original_whatever_its_config_says(tmp_path):
    model, (path,) = original_of("smp", tmp_path)
    path.rename(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"encoder_name": "tu-vit_large_patch16_384", "classes": 5}')
    assert same(DPTForSemanticSegmentation.from_pretrained(tmp_path).config) == same(model.config)
    assert DPTImageProcessor.from_pretrained(tmp_path).ensure_multiple_of == 32


def test_the_command_line_takes_an_original(tmp_path, monkeypatch, capsys):
    _, (path,) = original_of("plain", tmp_path)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save("a.png")
    assert cli.main(["inspect", path.name, "--size", "64x96"]) == 0
    assert "plain ViT" in capsys.readouterr().out
    assert cli.main(["depth", "a.png", "--model", path.name, "--backend", "numpy"]) == 0
    assert (tmp_path / "a.png.depth.npy").is_file()


def test_a_metric_hybrid_gives_metres(tmp_path):
    model, (path,) = original_of("hybrid", tmp_path)
    x = pixels(1, 3, 64, 64)
    relative = model(x).predicted_depth
    renamed = path.rename(tmp_path / "dpt_hybrid_nyu-2ce69ec7.safetensors")
    metric = DPTForDepthEstimation.from_pretrained(renamed)(x)
    assert metric.kind == "metric"
    # 1 / (scale x + shift) in float32: two roundings of numbers near 1
    np.testing.assert_allclose(metric.predicted_depth, 1 / (0.000305 * relative.astype(float) + 0.1378), rtol=1e-6)
    assert cli.main(["convert", str(renamed), str(tmp_path / "kitti"), "--as", "kitti"]) == 0
    config = json.loads((tmp_path / "kitti" / "config.json").read_text())
    assert (config["depth_scale"], config["depth_shift"]) == (0.00006016, 0.00579)
    processor = json.loads((tmp_path / "kitti" / "preprocessor_config.json").read_text())
    assert processor["size"] == {"height": 352, "width": 1216}


def test_a_head_finds_its_encoder_by_the_published_name(tmp_path):
    model, paths = original_of("dinov2 head", tmp_path)
    head, encoder = tmp_path / "dinov2_vits14_nyu_dpt_head.pth", tmp_path / "dinov2_vits14_pretrain.pth"
    paths[0].rename(head)
    with pytest.raises(CheckpointError, match=r"put dinov2_vits14_pretrain\.pth beside it, or .* --backbone"):
        DPTForDepthEstimation.from_pretrained(head)
    paths[1].rename(encoder)
    loaded = DPTForDepthEstimation.from_pretrained(head)
    assert loaded.config.encoder.out_indices == (1, 2, 3, 4)
    assert loaded(pixels(1, 3, 56, 56)).kind == "metric"
    assert DPTImageProcessor.from_pretrained(head).size_divisor == 14
    assert same(loaded.config) == same(model.config)


def test_the_report_and_the_metadata_say_where_the_numbers_come_from(tmp_path, capsys):
    _, (path,) = original_of("beit", tmp_path)
    assert cli.main(["convert", str(path), str(tmp_path / "out"), "--dtype", "float16"]) == 0
    report = capsys.readouterr().out
    for part in (
        "isl-org/DPT or MiDaS 3, ",
        "tensors used",
        "ignored   pretrained.model.blocks.0.attn.relative_position_index: follows from",
        "note      pictures are resized by Pillow",
        "model.safetensors (float16), preprocessor_config.json",
    ):
        assert part in report
    raw = (tmp_path / "out" / "model.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert header["__metadata__"] == {
        "format": "pt",
        "source_file": "original.safetensors",
        "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "converted_by": f"minidpt {minidpt.__version__}",
    }


def test_conversion_holds_one_tensor_at_a_time(tmp_path):
    values = {**PLAIN, "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 12, "intermediate_size": 1024,
              "backbone_out_indices": [2, 5, 8, 11]}  # fmt: skip
    model = DPTForDepthEstimation(MODEL_CONFIGS["dpt"].from_dict(values))
    rename = model.disk_name(model.config)
    (path,) = files(tmp_path, "plain", {rename(key): x for key, x in model.weights.items()})
    largest, total = max(x.nbytes for x in model.weights.values()), path.stat().st_size
    convert(path, tmp_path / "warm")
    tracemalloc.start()
    convert(path, tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a tensor as stored and as float32, and the tables of names: far less than the file
    assert peak < 3 * largest + 2_000_000 < total / 4, (peak, largest, total)


def test_what_does_not_fit_leaves_nothing_behind(tmp_path):
    model = model_of("plain")
    rename = model.disk_name(model.config)
    state = FAMILIES["plain"][2]({rename(key): x for key, x in model.weights.items()})
    bad = tmp_path / "bad.safetensors"
    cases = {  # message: what is put into the file, None for what is left out
        r"1 missing: neck\.fusion_stage\.layers\.2\.projection\.bias": ("scratch.refinenet2.out_conv.bias", None),
        r"head\.head\.4\.bias: expected \(1,\), found \(2,\)": ("scratch.output_conv.4.bias", np.zeros(2)),
        r"query\.weight holds NaN": ("pretrained.model.blocks.0.attn.qkv.weight", np.full((384, 128), np.nan)),
        r"should not have: scratch\.extra": ("scratch.extra", np.zeros(2)),
        r"has no scratch\.layer2_rn\.weight": ("scratch.layer2_rn.weight", None),
    }
    for message, (key, x) in cases.items():
        changed = {k: v for k, v in state.items() if k != key}
        write(bad, changed | ({} if x is None else {key: x.astype(np.float32)}), "float32")
        with pytest.raises(CheckpointError, match=message) as caught:
            convert(bad, tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out" / "model.safetensors").exists()
    huge = {**state, "scratch.layer2_rn.weight": np.full((24, 12, 3, 3), 1e5, np.float32)}
    write(bad, huge, "float32")
    with pytest.raises(CheckpointError, match=r"neck\.convs\.1\.weight has numbers too large for float16"):
        convert(bad, tmp_path / "out", dtype="float16")
    with pytest.raises(ConfigError, match="no original checkpoint"):
        convert("dpt-mini", tmp_path / "out", kind="nyu")
    write(bad, {"core.core.pretrained.model.cls_token": np.zeros((1, 1, 2), np.float32)}, "float32")
    assert cli.main(["convert", str(bad), str(tmp_path / "out")]) == 3
