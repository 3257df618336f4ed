"""`minidpt verify` on every backbone: alone, under depth and segmentation, against what transformers has of it."""

import pytest
from test_verify_transformers import DEPTH, SEGMENTATION, folder_of, verify

import minidpt

pytest.importorskip("transformers", reason="transformers is the reference; it comes with the parity extra")
pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")

ROW = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3, "out_indices": [1, 2, 3, 4]}
SWIN = {"embed_dim": 12, "depths": [1, 2, 1, 1], "num_heads": [2, 3, 4, 6], "window_size": 4, "image_size": 64}
CASES = {  # model_type -> its class, config, neck widths, size
    "beit": (
        "BeitBackbone",
        {**ROW, "intermediate_size": 40, "image_size": 32, "patch_size": 8, "use_relative_position_bias": True,
         "add_fpn": False, "reshape_hidden_states": False},
        [8, 12, 16, 20],
        "32x56",
    ),
    "deit": (
        "DeiTBackbone", {**ROW, "intermediate_size": 40, "image_size": 32, "patch_size": 8}, [8, 12, 16, 20], "32x56"
    ),
    "vitdet": (
        "VitDetBackbone",
        {**ROW, "mlp_ratio": 2, "image_size": 40, "pretrain_image_size": 24, "patch_size": 8, "window_size": 3,
         "window_block_indices": [0, 2], "use_relative_position_embeddings": True, "residual_block_indices": [1],
         "output_attentions": True},
        [8, 12, 16, 20],
        "40x72",
    ),
    "swin": ("SwinBackbone", {**SWIN, "out_indices": [1, 2, 3, 4]}, [12, 24, 48, 96], "64x96"),
    "swinv2": ("Swinv2Backbone", {**SWIN, "out_indices": [1, 2, 3, 4]}, [12, 24, 48, 96], "64x64"),
    "levit": (
        "LevitBackbone",
        {"image_size": 80, "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 3, 4], "depths": [4, 4, 4],
         "key_dim": [4, 4, 4], "out_features": ["layer4", "layer12", "layer22"]},
        [16, 24, 32],
        "80x80",
    ),
    "nextvit": (
        "NextViTBackbone",
        {"stem_channels": [12, 8, 16], "depths": [1, 2, 5, 2], "hidden_sizes": [32, 64, 32, 64],
         "transformer_sizes": [128, 128, 256], "out_features": ["stage1", "stage2", "stage3", "stage4"]},
        [32, 128, 128, 256],
        "64x96",
    ),
}  # fmt: skip
TRANSFORMERS_LACKS = ("deit", "levit", "nextvit")


def under_dpt(kind, **more):
    _, settings, widths, size = CASES[kind]
    config = {
        "backbone_config": {**settings, "model_type": kind},
        "neck_hidden_sizes": widths,
        "fusion_hidden_size": 24,
    }
    return {**config, **more}, size


@pytest.mark.parametrize("kind", CASES)
def test_the_backbone_alone_passes(kind, tmp_path, capsys):
    architecture, settings, _, size = CASES[kind]
    folder = folder_of(tmp_path, architecture, settings)
    code = 3 if kind in TRANSFORMERS_LACKS else 0
    assert minidpt.cli.main(["verify", folder, "--against", "transformers", "--size", size]) == code
    said = capsys.readouterr()
    if code:
        assert f"transformers has no {architecture} to hold it against" in said.err
    else:
        assert "taps.0 " in said.out


def test_an_oblong_size_of_the_config_is_the_pictures(tmp_path, capsys):
    """Without --size, and without a processor in the folder, as backbones are published."""
    architecture, settings, _, _ = CASES["vitdet"]
    folder = folder_of(tmp_path, architecture, {**settings, "image_size": [40, 72]})
    assert minidpt.cli.main(["verify", folder, "--against", "transformers"]) == 0
    assert "1 x 3 x 40 x 72, example.jpg through a default processor" in capsys.readouterr().out


@pytest.mark.parametrize("kind", CASES)
def test_depth_passes(kind, tmp_path, capsys):
    config, size = under_dpt(kind)
    said = verify(capsys, folder_of(tmp_path, DEPTH, config), "--against", "transformers", "--size", size)
    assert said["passed"]
    assert said["stages"][-1]["stage"] == "predicted_depth"
    assert any("minidpt's own taps" in note for note in said["notes"]) == (kind in TRANSFORMERS_LACKS)


@pytest.mark.parametrize("kind", CASES)
def test_segmentation_passes(kind, tmp_path, capsys):
    config, size = under_dpt(kind, num_labels=5, use_batch_norm_in_fusion_residual=True)
    said = verify(capsys, folder_of(tmp_path, SEGMENTATION, config), "--against", "transformers", "--size", size)
    assert said["passed"]
    assert said["stages"][-1]["stage"] == "logits"


@pytest.mark.parametrize("kind", [kind for kind in ("beit", "swinv2", "levit", "nextvit") if kind in CASES])
def test_midas_wiring_passes(kind, tmp_path, capsys):
    """Each fusion step takes the next map's size; LeViT's maps are enlarged twice more, in a head of its own."""
    more = {"stem_transpose": True, "head_hidden_size": 8} if kind == "levit" else {}
    config, size = under_dpt(kind, fusion_upsample="next_size", **more)
    said = verify(capsys, folder_of(tmp_path, DEPTH, config), "--against", "transformers", "--size", size)
    assert said["passed"]
    last = said["stages"][-1]["stage"]
    if kind == "levit":
        assert last == "fused.2"
        assert any("nothing after fusion is compared" in note for note in said["notes"])
    else:
        assert last == "predicted_depth"
