"""transformers' random models under the original names, saved by torch: converted, they compute what they computed."""

import numpy as np
import pytest
from tiny import pixels
from tiny_originals import FAMILIES, files

import minidpt
from minidpt import cli, record

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import assert_stages_agree, lively_reference  # noqa: E402

# What transformers has and computes alike; its segmentation ignores backbones, its Swin norms the taps.
SHARED = ("plain", "plain, labels", "no auxiliary head", "hybrid", "beit", "swinv2", "depth anything", "dinov2 head",
          "dinov2 head, gated")  # fmt: skip
SIZES = {"plain, labels": (64, 64), "no auxiliary head": (96, 96)}
MASK = {"pretrained.model.layers.0.blocks.1.attn_mask": (16, 16, 16)}  # SwinV2's windows show there alone
WIDE = {"fusion_hidden_size": 256}  # transformers' extra projection has this width whatever the config says


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def torch_files(folder, name, state):
    """As their authors saved them: MiDaS beside its optimizer, DINOv2's heads as state_dict, the rest bare."""

    def save(path, tensors):
        tensors = {key: torch.from_numpy(np.ascontiguousarray(x)) for key, x in tensors.items()}
        if name == "swinv2":
            tensors |= {key: torch.zeros(shape) for key, shape in MASK.items()}
        wrapped = {"beit": {"optimizer": {"state": {}}, "model": tensors}, "dinov2 head": {"state_dict": tensors}}
        torch.save(wrapped.get(name, tensors), path)

    return files(folder, name, state, save, suffix=".pt")


@pytest.mark.parametrize("name", SHARED)
def test_a_converted_original_computes_what_transformers_does(name, tmp_path):
    architecture, settings, _, size = FAMILIES[name]
    x = pixels(2, 3, *SIZES.get(name, size))
    kind = {"model_type": "depth_anything"} if architecture.startswith("DepthAnything") else {}
    settings = {**settings, **kind, **(WIDE if name.startswith("dinov2") else {})}
    theirs = lively_reference(architecture, settings, x)
    state = legacy_state(theirs, tmp_path)
    if name.startswith("dinov2"):  # the original lacks this unit, which never runs
        for key in state:
            if key.startswith("neck.fusion_stage.layers.0.residual_layer1"):
                theirs.get_parameter(key).data.zero_()
    paths = torch_files(tmp_path, name, state)
    more = ["--backbone", str(paths[1])] if len(paths) > 1 else []
    assert cli.main(["convert", str(paths[0]), str(tmp_path / "converted"), *more]) == 0

    ours = getattr(minidpt, architecture).from_pretrained(tmp_path / "converted")
    with record() as tape:
        ours(x)
    assert_stages_agree(theirs, x, tape)
    again = getattr(transformers, architecture).from_pretrained(tmp_path / "converted", attn_implementation="eager")
    for key, weight in theirs.state_dict().items():
        assert key.endswith("num_batches_tracked") or torch.equal(again.eval().state_dict()[key], weight), key


def legacy_state(model, folder):
    """The state dict under the names that transformers writes."""
    from safetensors.numpy import load_file

    model.save_pretrained(folder / "theirs")
    return load_file(folder / "theirs" / "model.safetensors")
