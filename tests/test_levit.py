"""LeViT: alone, every block against transformers' LevitModel; under DPT, as MiDaS has it, against a torch decoder."""

import numpy as np
import pytest
from checks import assert_close
from tiny import lively as lively_ours
from tiny import pixels

from minidpt import (
    AutoBackbone,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    LevitConfig,
    record,
)
from minidpt.errors import ConfigError
from minidpt.inspection import trace
from minidpt.params import count

TINY = {  # grids 5, 3, 2
    "image_size": 80,
    "hidden_sizes": [16, 24, 32],
    "num_attention_heads": [2, 3, 4],
    "depths": [2, 2, 2],
    "key_dim": [4, 4, 4],
}
UNEQUAL = {
    **TINY,
    "image_size": 96,
    "depths": [1, 2, 1],
    "key_dim": [4, 6, 8],
    "attention_ratio": [2, 1, 3],
    "mlp_ratio": [2, 0, 3],
    "num_channels": 2,
}
FLAT = {**TINY, "image_size": 7, "kernel_size": 5, "padding": 2, "stride": 1, "patch_size": 1, "depths": [1, 1, 1]}
MIDAS = {  # of LeViT-384, the numbers of blocks and the taps; narrower
    **TINY,
    "image_size": 224,
    "depths": [4, 4, 4],
    "out_features": ["layer4", "layer12", "layer22"],
}
ON_LEVIT = {
    "neck_hidden_sizes": [16, 24, 32],
    "fusion_hidden_size": 16,
    "fusion_upsample": "next_size",
    "stem_transpose": True,
    "head_hidden_size": 8,
}


@pytest.fixture
def torch():
    """torch, where transformers is there too."""
    pytest.importorskip("transformers", reason="transformers is the reference; it comes with the parity extra")
    return pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")


def reference(settings):
    import transformers
    from transformers_stages import lively

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    known = {name: value for name, value in settings.items() if name != "out_features"}
    return lively(transformers.LevitModel(transformers.LevitConfig(**known)))


@pytest.mark.parametrize("settings", [TINY, UNEQUAL, FLAT], ids=["tiny", "unequal", "stride 1"])
def test_every_block_agrees(settings, tmp_path, torch):
    from transformers_stages import assert_stages_agree

    theirs = reference(settings)
    theirs.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    x = pixels(2, ours.config.num_channels, settings["image_size"], settings["image_size"])
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    rows = assert_stages_agree(theirs, x, tape)
    assert {row[0] for row in rows} >= set(ours.config.blocks)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True).hidden_states
    assert len(out.hidden_states) == len(expected)
    for mine, reference_state in zip(out.hidden_states, expected, strict=True):
        # both in float32: a few roundings of values up to about 5, through eight blocks
        assert_close(mine, reference_state, atol=5e-5, rtol=1e-5, name="hidden_states")
    for weights in out.attentions:
        assert_close(weights.sum(axis=-1), np.ones(weights.shape[:-1]), atol=1e-5, name="row sums")  # 36 roundings


@pytest.mark.parametrize("wrapped", ["levit.", ""])
def test_a_classifiers_file_is_read(wrapped, tmp_path, torch):
    """LevitForImageClassificationWithTeacher has the encoder under levit., older files the bias's indices as well."""
    from safetensors.torch import save_file

    theirs = reference(TINY)
    tensors = {f"{wrapped}{name}": t.contiguous() for name, t in theirs.state_dict().items()}
    first = f"{wrapped}encoder.stages.0.layers.0.module.attention_bias_idxs"
    tensors |= {first: torch.zeros(25, 25, dtype=torch.int64), "classifier_distill.linear.weight": torch.zeros(4, 32)}
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(LevitConfig(**TINY).to_json(), encoding="utf-8")
    x = pixels(1, 3, 80, 80)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).last_hidden_state
    (feature_map,) = AutoBackbone.from_pretrained(tmp_path)(x).feature_maps
    assert feature_map.shape == (1, 32, 2, 2)
    # as above
    assert_close(feature_map.reshape(1, 32, 4).transpose(0, 2, 1), expected, atol=5e-5, rtol=1e-5, name="feature map")


def test_what_is_saved_loads_in_transformers(tmp_path, torch):
    import transformers

    model = lively_ours(AutoBackbone.from_config(LevitConfig(**UNEQUAL)))
    model.save_pretrained(tmp_path)
    theirs, report = transformers.LevitModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert all(name.endswith("num_batches_tracked") for name in report["missing_keys"])
    x = pixels(1, 2, 96, 96)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(x)).last_hidden_state
    (feature_map,) = model(x).feature_maps
    # both in float32: a few roundings of values up to about 5
    assert_close(feature_map[0].reshape(32, 4).T, expected[0], atol=5e-5, rtol=1e-5, name="feature map")


def taps_of(layers):
    """The maps after the layers of these numbers, counted through the stages from 1, of transformers' LevitModel."""

    def taps(encoder, pixel_values):
        found, handles = [], []
        flat = [layer for stage in encoder.encoder.stages for layer in stage.layers]
        for number in layers:
            handles.append(flat[number - 1].register_forward_hook(lambda _, __, out: found.append(out)))
        encoder(pixel_values)
        for handle in handles:
            handle.remove()
        return [x.transpose(1, 2).unflatten(2, (round(x.shape[1] ** 0.5), -1)) for x in found]

    return taps


def test_dpt_as_midas_has_it_agrees(tmp_path, torch):
    import pyramid_torch
    from transformers_stages import assert_stages_agree

    config = DPTConfig(backbone_config=LevitConfig(**MIDAS), **ON_LEVIT)
    x = pixels(2, 3, 224, 224)
    options = {"widths": [16, 24, 32], "fusion": 16, "hidden": 8, "stem_transpose": True}
    theirs = pyramid_torch.reference(reference(MIDAS), taps_of((4, 12, 22)), x, **options)
    pyramid_torch.write(theirs, config, tmp_path)
    ours = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert ours.num_parameters == pyramid_torch.parameters(theirs)
    with record() as tape:
        depth = ours(x).predicted_depth
    assert depth.shape == (2, 224, 224)
    assert pyramid_torch.run(theirs, x).shape == (2, 224, 224)
    assert [tape[f"taps.{k}"].shape for k in range(3)] == [(2, 14, 14, 16), (2, 7, 7, 24), (2, 4, 4, 32)]
    assert [tape[f"fused.{k}"].shape[1:3] for k in range(3)] == [(7, 7), (14, 14), (28, 28)]
    assert tape["head.0"].shape == (2, 112, 112, 2)
    assert not {"stages.2", "stages.2.blocks.2"} & tape.keys()  # behind the last tap
    del theirs.backbone.encoder.stages[2].layers[2:]  # ours leaves out what nothing reads; so must the reference
    tape["stages.2"] = tape["stages.2.blocks.1"]  # with which the stage now ends
    assert_stages_agree(theirs, x, tape)


@pytest.mark.parametrize("side", [28, 7])
def test_the_transposed_convolutions_double_exactly(side, torch):
    """28 -> 56 -> 112, so that the head gives 224: MiDaS's fifth argument is torch's output_padding."""
    import pyramid_torch

    steps = pyramid_torch.Head(16, 8, stem_transpose=True).stem_transpose
    x = torch.zeros(1, 16, side, side)
    for i, step in enumerate(steps, start=1):
        x = step["convolution"](x)
        assert x.shape[2:] == (side * 2**i, side * 2**i)


def test_the_384_size_is_midas_own():
    """51 million with the two classifiers' 1,541,072, as MiDaS's table counts levit_224."""
    levit_384 = {"hidden_sizes": [384, 512, 768], "num_attention_heads": [6, 9, 12], "key_dim": [32, 32, 32]}
    config = DPTConfig(
        backbone_config=LevitConfig(**levit_384, out_features=["layer4", "layer12", "layer22"]),
        **{**ON_LEVIT, "neck_hidden_sizes": [384, 512, 768], "fusion_hidden_size": 256},
    )
    assert round((count(DPTForDepthEstimation.tensors(config)) + 1_541_072) / 1e6) == 51
    blocks = list(config.encoder.blocks.values())
    assert [i for i, block in enumerate(blocks) if block.kind == "shrink"] == [8, 18]
    assert [block.num_heads for block in blocks if block.kind == "shrink"] == [12, 16]
    assert [blocks[i].out_grid for i in (3, 11, 21)] == [14, 7, 4]
    assert len(blocks) == 28


def test_the_defaults_are_transformers_own(torch):
    import transformers

    theirs, ours = transformers.LevitConfig().to_dict(), LevitConfig()
    fields = LevitConfig.known().keys() - {"out_features", "out_indices"}
    assert {name: getattr(ours, name) for name in fields} == {
        name: tuple(theirs[name]) if isinstance(theirs[name], list) else theirs[name] for name in fields
    }
    assert ours.tap_channels == (384,)


def test_the_shapes_without_weights_are_the_real_ones():
    levit = LevitConfig(**TINY, out_features=["layer2", "layer8", "layer14"])
    config = DPTConfig(backbone_config=levit, **ON_LEVIT)
    with record() as tape:
        DPTForDepthEstimation(config)(pixels(1, 3, 80, 80))
    stages = trace(DPTForDepthEstimation, config, (80, 80))
    assert {stage.name: stage.shape for stage in stages} == {stage.name: tape[stage.name].shape for stage in stages}
    assert {"stages.1", "fused.2", "predicted_depth"} <= {stage.name for stage in stages}


def test_blocks_behind_the_last_tap_are_kept_but_not_read(tmp_path):
    config = LevitConfig(**TINY, out_features=["stem", "layer3"])
    model, x = lively_ours(AutoBackbone.from_config(config)), pixels(1, 3, 80, 80)
    maps = model(x, output_hidden_states=True, output_attentions=True)
    assert [x.shape for x in maps.feature_maps] == [(1, 16, 5, 5), (1, 16, 5, 5)]
    assert (len(maps.hidden_states), len(maps.attentions)) == (1, 2)
    behind = {t.name: np.full(t.shape, np.nan, np.float32) for t in model.table if t.unused}
    assert {".".join(name.split(".")[1:5]) for name in behind} == set(list(config.blocks)[3:])
    blind = type(model).from_weights(config, {**model.weights, **behind})
    for feature_map, other in zip(maps.feature_maps, blind(x).feature_maps, strict=True):
        assert np.array_equal(feature_map, other)
    model.save_pretrained(tmp_path)
    stem = AutoBackbone.from_pretrained(tmp_path, out_features=["stem"])
    assert np.array_equal(stem(x).feature_maps[0], maps.feature_maps[0])
    again = AutoBackbone.from_pretrained(tmp_path, out_features=["layer12"])
    assert again.num_parameters == model.num_parameters
    assert again(x).feature_maps[0].shape == (1, 32, 2, 2)


def test_segmentation_runs_on_the_same_taps(tmp_path):
    levit = LevitConfig(**TINY, out_features=["layer2", "layer8", "layer14"])
    decoder = {name: value for name, value in ON_LEVIT.items() if name != "stem_transpose"}
    model = lively_ours(DPTForSemanticSegmentation(DPTConfig(backbone_config=levit, num_labels=5, **decoder)))
    x = pixels(2, 3, 80, 80)
    with record("taps.*") as tape:
        logits = model(x).logits
    assert logits.shape == (2, 5, 20, 20)
    assert np.isfinite(logits).all()
    encoder = {name: x for name, x in model.weights.items() if name.startswith("backbone.")}
    alone = type(AutoBackbone.from_config(levit)).from_weights(levit, encoder)
    for level, feature_map in enumerate(alone(x).feature_maps):
        assert np.array_equal(tape[f"taps.{level}"].transpose(0, 3, 1, 2), feature_map)
    model.save_pretrained(tmp_path)
    assert np.array_equal(DPTForSemanticSegmentation.from_pretrained(tmp_path)(x).logits, logits)


@pytest.mark.parametrize("size", [(160, 160), (80, 160), (64, 64), (80, 96)])
def test_another_size_than_image_size_is_refused(size):
    model = AutoBackbone.from_config(LevitConfig(**TINY))
    with pytest.raises(ValueError, match="80") as caught:
        model(pixels(1, 3, *size))
    assert "\n" not in str(caught.value)


def test_a_multiple_of_image_size_is_an_error_of_the_config_too():
    """So that the command line says it in one line: the processor's config asks for what the model cannot take."""
    model = AutoBackbone.from_config(LevitConfig(**TINY))
    with pytest.raises(ConfigError, match="LeViT takes pictures of 80 x 80 pixels only, not 160 x 80"):
        model(pixels(1, 3, 160, 80))


WRONG = [
    ({"hidden_sizes": [16, 24]}, "hidden_sizes"),
    ({"hidden_sizes": [4, 24, 32]}, "hidden_sizes"),
    ({"depths": [2, 2, 2, 2]}, "depths"),
    ({"attention_ratio": [2, 0, 2]}, "attention_ratio"),
    ({"mlp_ratio": [2, -1, 2]}, "mlp_ratio"),
    ({"patch_size": 8}, "patch_size"),
    ({"image_size": 90}, "patch_size"),
    ({"image_size": [80, 96]}, "image_size"),
    ({"image_size": 4, "padding": 0}, "kernel_size"),
    ({"key_dim": [20, 4, 4]}, "key_dim"),
    ({"out_features": ["stage1"]}, "out_features"),
    ({"out_features": ["layer17"]}, "out_features"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=str)
def test_a_wrong_field_is_named_in_one_line(change, field):
    with pytest.raises(ConfigError, match=f"LevitConfig: {field} ") as caught:
        LevitConfig(**{**TINY, **change})
    assert "\n" not in str(caught.value)
