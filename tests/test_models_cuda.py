"""Whole models on the cuda column against NumPy's, a tiny one of each family: on a card, or in Numba's simulator
(test_cuda_simulated.py)."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from checks import assert_close
from families import FAMILIES, SWIN
from PIL import Image
from test_families import DEPTH_ANYTHING, config_of
from tiny import PLAIN, lively, pixels

pytest.importorskip("numba", reason="kernels need Numba")

from minidpt import (
    ConfigError,
    DepthAnythingForDepthEstimation,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTModel,
    cli,
    ops,
    record,
)
from minidpt.ops.backends import NUMPY, cuda_backend

try:
    CUDA = cuda_backend()
except ConfigError as error:
    pytest.skip(f"{error} (here; test_cuda_simulated.py runs these tests in the simulator)", allow_module_level=True)

from minidpt.ops import device_cuda, layout_cuda

NARROW = {"fusion_hidden_size": 4, "head_hidden_size": 4}
SMALL_SWIN = {**SWIN, "embed_dim": 8, "depths": [2, 1, 1, 1]}
SWIN_CHANGES = {**NARROW, "neck_hidden_sizes": [8, 16, 32, 64]}
# family -> changes to its config, and a picture size: a few million products; the simulator does one in a microsecond
SMALL = {
    "vit": (NARROW, (16, 24)),
    "hybrid": (NARROW, (32, 48)),
    "dinov2": (NARROW, (28, 42)),
    "dinov2_with_registers": (NARROW, (28, 42)),
    "depth_anything": (NARROW, (28, 42)),
    "beit": (NARROW, (16, 24)),
    "deit": (NARROW, (16, 24)),
    "swin": ({**SWIN_CHANGES, "backbone_config": SMALL_SWIN}, (24, 40)),
    "swinv2": ({**SWIN_CHANGES, "backbone_config": {**SMALL_SWIN, "model_type": "swinv2"}}, (24, 40)),
    "vitdet": (NARROW, (24, 40)),
    "bit": (NARROW, (32, 48)),
    "levit": ({}, (64, 64)),
    "nextvit": (NARROW, (32, 64)),
}


def small_model(family, **changes):
    task = DepthAnythingForDepthEstimation if family == DEPTH_ANYTHING else DPTForDepthEstimation
    return lively(task(config_of(family, **SMALL[family][0], **changes)))


def picture(family, count=2):
    return pixels(count, 3, *SMALL[family][1])


def products_of_the_host():
    """The column with its products made by NumPy, for a model that is too wide for the simulator."""

    def of_host(op):
        def made(*args, **options):
            args = [down(x) for x in args]
            return CUDA.ops["from_numpy"](NUMPY.ops[op](*args, **{name: down(x) for name, x in options.items()}))

        return made

    def down(x):
        return CUDA.ops["to_numpy"](x) if isinstance(x, device_cuda.DeviceArray) else x

    def prepare(kind, weight):
        matrix = kind in ("linear", "conv", "standardized_conv", "conv_transpose")
        return (NUMPY if matrix else CUDA).prepare(kind, weight)

    products = ("linear", "linear_with_token", "resized_linear", "conv2d", "resized_conv2d", "conv_transpose2d")
    return dataclasses.replace(CUDA, ops={**CUDA.ops, **{op: of_host(op) for op in products}}, prepare=prepare, at=None)


def test_every_family_is_here():
    assert SMALL.keys() == FAMILIES.keys()


@pytest.mark.parametrize("family", SMALL)
def test_every_family_computes_the_same(family):
    model, x = small_model(family), picture(family)
    plain = model(x, output_hidden_states=True)
    # Next-ViT's widths are fixed: 200 million products
    wide = family == "nextvit" and device_cuda.SIMULATED
    on_card = model.to(backend=products_of_the_host() if wide else "cuda")
    assert on_card.backend == "cuda"
    out = on_card(x, output_hidden_states=True)
    # two orders of the same float32 sums through a whole model, values up to about 10
    assert_close(out.predicted_depth, plain.predicted_depth, atol=1e-3, rtol=1e-4, name="depth")
    assert np.ptp(plain.predicted_depth) > 0.1
    for i, (mine, other) in enumerate(zip(out.hidden_states, plain.hidden_states, strict=True)):
        assert_close(mine, other, atol=1e-3, rtol=1e-3, name=f"hidden_states[{i}]")


def test_what_is_recorded_is_numpys():
    model, x = small_model("vit"), picture("vit", count=1)
    with record() as plain:
        model(x, output_attentions=True)
    with record() as on_card:
        attentions = model.to(backend="cuda")(x, output_attentions=True).attentions
    assert on_card.keys() == plain.keys()
    for name, values in plain.items():
        assert isinstance(on_card[name], np.ndarray)
        assert_close(on_card[name], values, atol=1e-3, rtol=1e-3, name=name)  # as above
    assert len(attentions) == 4


def test_segmentation_and_the_encoder_alone_compute_the_same():
    config = DPTConfig(**{**PLAIN, **NARROW}, use_batch_norm_in_fusion_residual=True, num_labels=3)
    model, x = lively(DPTForSemanticSegmentation(config)), picture("vit", count=1)
    out = model.to(backend="cuda")(x, np.zeros((1, 9, 7), int))
    plain = model(x, np.zeros((1, 9, 7), int))
    assert_close(out.logits, plain.logits, atol=1e-3, rtol=1e-4, name="logits")
    assert_close(out.loss, plain.loss, rtol=1e-4, name="loss")
    encoder = lively(DPTModel(DPTConfig(**PLAIN)))
    mine, plain = encoder.to(backend="cuda")(x), encoder(x)
    assert_close(mine.pooler_output, plain.pooler_output, atol=1e-4, name="pooled")
    assert_close(mine.last_hidden_state, plain.last_hidden_state, atol=1e-3, rtol=1e-3, name="tokens")


@pytest.mark.parametrize("family", ["beit", "swinv2", "vitdet"])
def test_after_the_first_picture_of_a_size_only_pixels_go_up_and_only_depth_comes_down(family, monkeypatch):
    model, x = small_model(family).to(backend="cuda"), picture(family, count=1)
    shapes = {"up": [], "down": []}

    def up(array):
        shapes["up"].append(array.shape)
        return device_cuda.upload(array)

    def down(array):
        shapes["down"].append(array.shape)
        return device_cuda.download(array)

    model(x)
    monkeypatch.setattr(layout_cuda, "upload", up)
    monkeypatch.setattr(layout_cuda, "download", down)
    depth = model(x).predicted_depth
    assert shapes == {"up": [x.shape], "down": [depth.shape]}


def test_a_second_picture_takes_no_new_memory(monkeypatch):
    model, x = small_model("vit").to(backend="cuda"), picture("vit", count=1)
    first = model(x).predicted_depth
    made = []
    monkeypatch.setattr(device_cuda, "Memory", lambda size: made.append(size) or pytest.fail(f"{size} bytes more"))
    assert np.array_equal(model(x).predicted_depth, first)
    assert made == []


def test_two_threads_may_run_models_at_once():
    model, x = small_model("vit").to(backend="cuda"), picture("vit", count=1)
    alone = model(x).predicted_depth
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda _: model(x).predicted_depth, range(2)))
    assert all(np.array_equal(depth, alone) for depth in together)


def test_the_command_line_runs_on_it(tmp_path, capsys):
    small_model("vit").save_pretrained(tmp_path / "model")
    processor = {"do_resize": True, "size": {"height": 16, "width": 24}, "image_processor_type": "DPTImageProcessor"}
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(processor))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    found = {}
    for backend in ("numpy", "cuda"):
        words = ["depth", str(tmp_path / "a.png"), "--model", str(tmp_path / "model"), "--format", "npy"]
        assert cli.main([*words, "--backend", backend, "-o", str(tmp_path / backend), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["backend"], told["precision"]) == (backend, "highest")
        found[backend] = np.load(next((tmp_path / backend).glob("*.npy")))
    assert_close(found["cuda"], found["numpy"], atol=1e-3, rtol=1e-3)  # as above
    assert ops.choose("auto")[0].name != "cuda"
