"""Whole models on the cuda column against NumPy's, a tiny one of each family: on a card, or in Numba's simulator
(test_cuda_simulated.py)."""

import dataclasses
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from checks import assert_close
from cuda_column import CUDA
from families import FAMILIES, SWIN
from PIL import Image
from test_families import DEPTH_ANYTHING, config_of
from tiny import lively, pixels

from minidpt import (
    DepthAnythingForDepthEstimation,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTModel,
    cli,
    ops,
    record,
)
from minidpt.ops import device_cuda
from minidpt.ops.backends import NUMPY
from minidpt.ops.examples import WEIGHTS

WHOLE = DPTConfig(  # so small that the simulator runs it whole: it takes ten microseconds for a product of two numbers
    hidden_size=8,
    num_hidden_layers=4,
    num_attention_heads=2,
    intermediate_size=8,
    image_size=16,
    patch_size=8,
    backbone_out_indices=[0, 1, 2, 3],
    neck_hidden_sizes=[4, 4, 4, 4],
    fusion_hidden_size=4,
    head_hidden_size=4,
    num_labels=3,
    use_batch_norm_in_fusion_residual=True,
)
NARROW = {"fusion_hidden_size": 4, "head_hidden_size": 4}
SMALL_SWIN = {**SWIN, "embed_dim": 8, "depths": [2, 1, 1, 1]}
SWIN_CHANGES = {**NARROW, "neck_hidden_sizes": [8, 16, 32, 64]}
SMALL = {  # family -> changes to its config, and a picture size
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
PRODUCTS = (*WEIGHTS, "attend", "attention_weights")
AFFORDABLE = 2000  # products of two numbers in one call of an op


def small_model(family):
    task = DepthAnythingForDepthEstimation if family == DEPTH_ANYTHING else DPTForDepthEstimation
    return lively(task(config_of(family, **SMALL[family][0])))


def whole_model(task=DPTForDepthEstimation):
    return lively(task(WHOLE))


def picture(family, count=2):
    return pixels(count, 3, *SMALL[family][1])


class OnBothSides(NamedTuple):
    """A weight as the card's products take it, and as NumPy's do."""

    card: Any
    host: np.ndarray


def with_products_of_the_host():
    """The column, but that NumPy makes the larger products: in the simulator a small model's would take minutes."""

    def down(x):
        return CUDA.ops["to_numpy"](x) if isinstance(x, device_cuda.DeviceArray) else getattr(x, "host", x)

    def either(op):
        def product(*args, **options):
            if op in WEIGHTS:
                weight = options["weight"].host if "weight" in options else args[WEIGHTS[op][0]].host
                work = args[0].size * weight.size // weight.shape[0 if op == "conv_transpose2d" else 1]
            else:
                work = args[0].size * args[1].shape[2]
            if work <= AFFORDABLE:
                args, options = (
                    [getattr(x, "card", x) for x in args],
                    {n: getattr(x, "card", x) for n, x in options.items()},
                )
                return CUDA.ops[op](*args, **options)
            made = NUMPY.ops[op](*map(down, args), **{name: down(x) for name, x in options.items()})
            return CUDA.ops["from_numpy"](made)

        return product

    def prepare(kind, weight):
        card = CUDA.prepare(kind, weight)
        return card if isinstance(card, device_cuda.DeviceArray) else OnBothSides(card, NUMPY.prepare(kind, weight))

    ops = {**CUDA.ops, **{op: either(op) for op in PRODUCTS}}
    return dataclasses.replace(CUDA, ops=ops, prepare=prepare, at=None)


def column():
    return with_products_of_the_host() if device_cuda.SIMULATED else CUDA


def test_every_family_is_here():
    assert SMALL.keys() == FAMILIES.keys()


@pytest.mark.parametrize("family", SMALL)
def test_every_family_computes_the_same(family):
    model, x = small_model(family), picture(family)
    plain, out = (m(x, output_hidden_states=True) for m in (model, model.to(backend=column())))
    # two orders of the same float32 sums through a whole model, values up to about 10
    assert_close(out.predicted_depth, plain.predicted_depth, atol=1e-3, rtol=1e-4, name="depth")
    assert np.ptp(plain.predicted_depth) > 0.1
    for i, (mine, other) in enumerate(zip(out.hidden_states, plain.hidden_states, strict=True)):
        assert_close(mine, other, atol=1e-3, rtol=1e-3, name=f"hidden_states[{i}]")


@pytest.mark.parametrize("family", ["swin", "vitdet"])
def test_what_the_size_alone_decides_goes_up_once(family):
    brought, backend = [], column()

    def counted(x):
        brought.append(np.shape(x))
        return CUDA.ops["from_numpy"](x)

    counting = dataclasses.replace(backend, ops={**backend.ops, "from_numpy": counted})
    model, x = small_model(family).to(backend=counting), picture(family, count=1)
    model(x)
    assert len(brought) > 1
    brought.clear()
    model(x)
    assert brought == [x.shape]


# ---------------------------------------------------------------- one model, every op on the card


SIZE = (1, 3, 8, 16)


def test_what_is_recorded_is_numpys():
    model, x = whole_model(), pixels(*SIZE)
    with record() as plain:
        model(x, output_attentions=True)
    on_card = model.to(backend="cuda")
    assert on_card.backend == "cuda"
    with record() as tape:
        out = on_card(x, output_attentions=True)
    assert tape.keys() == plain.keys()
    for name, values in plain.items():
        assert isinstance(tape[name], np.ndarray)
        assert_close(tape[name], values, atol=1e-4, rtol=1e-4, name=name)  # as above, of a smaller model
    assert len(out.attentions) == 4
    assert np.ptp(out.predicted_depth) > 0.1


def test_segmentation_and_the_encoder_alone_compute_the_same():
    x, labels = pixels(*SIZE), np.zeros((1, 9, 7), int)
    model = whole_model(DPTForSemanticSegmentation)
    mine, plain = model.to(backend="cuda")(x, labels), model(x, labels)
    assert_close(mine.logits, plain.logits, atol=1e-4, rtol=1e-4, name="logits")
    assert_close(mine.loss, plain.loss, rtol=1e-4, name="loss")
    encoder = whole_model(DPTModel)
    mine, plain = encoder.to(backend="cuda")(x), encoder(x)
    assert_close(mine.pooler_output, plain.pooler_output, atol=1e-4, name="pooled")
    assert_close(mine.last_hidden_state, plain.last_hidden_state, atol=1e-4, rtol=1e-4, name="tokens")


def test_a_second_picture_brings_its_pixels_and_takes_its_depth_and_no_new_memory(monkeypatch):
    model, x = whole_model().to(backend="cuda"), pixels(*SIZE)
    moved, upload, download = [], device_cuda.upload, device_cuda.download
    first = model(x).predicted_depth
    for module in [m for name, m in sys.modules.items() if name.endswith("_cuda")]:
        for name, move in (("upload", upload), ("download", download)):
            if hasattr(module, name):
                seen = lambda a, name=name, move=move: moved.append((name, a.shape)) or move(a)  # noqa: E731
                monkeypatch.setattr(module, name, seen)
    monkeypatch.setattr(device_cuda, "Memory", lambda size: pytest.fail(f"{size} bytes more"))
    again = model(x).predicted_depth
    assert moved == [("upload", x.shape), ("download", first.shape)]
    assert np.array_equal(again, first)


def test_two_threads_may_run_models_at_once():
    model, x = whole_model(DPTModel).to(backend="cuda"), pixels(*SIZE)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: model(x).last_hidden_state, range(2))
    assert np.array_equal(one, other)


def test_the_command_line_runs_on_it(tmp_path, capsys):
    whole_model().save_pretrained(tmp_path / "model")
    processor = {"do_resize": True, "size": {"height": 8, "width": 16}, "image_processor_type": "DPTImageProcessor"}
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(processor))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    found = {}
    for backend in ("numpy", "cuda"):
        words = ["depth", str(tmp_path / "a.png"), "--model", str(tmp_path / "model"), "--format", "npy"]
        assert cli.main([*words, "--backend", backend, "-o", str(tmp_path / backend), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["backend"], told["precision"]) == (backend, "highest")
        found[backend] = np.load(next((tmp_path / backend).glob("*.npy")))
    assert_close(found["cuda"], found["numpy"], atol=1e-4, rtol=1e-4)  # as above
    assert ops.choose("auto")[0].name != "cuda"
