"""What Swin and Swin V2 are made of: masks, position tables, counts and configs. No reference library is needed."""

import numpy as np
import pytest
from checks import assert_close
from tiny import lively, pixels

from minidpt import (
    AutoBackbone,
    ConfigError,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    SwinConfig,
    Swinv2Config,
    record,
)
from minidpt import params as tensor_table
from minidpt.backbones.swinv2 import MLP_WIDTH, offset_scores
from minidpt.backbones.windows import MASKED, shift_mask
from minidpt.inspection import trace

BOTH = pytest.mark.parametrize("config", [SwinConfig, Swinv2Config], ids=["swin", "swinv2"])
SMALL = {"embed_dim": 12, "depths": [2, 1, 3, 2], "num_heads": [2, 3, 4, 6], "window_size": 4, "image_size": 64}
FOUR = {"out_indices": [1, 2, 3, 4]}
ON_SMALL = {"neck_hidden_sizes": [12, 24, 48, 96], "fusion_hidden_size": 24}


@pytest.mark.parametrize(
    ("size", "side", "shift"),
    [((12, 8), 4, 2), ((5, 15), 5, 2), ((3, 3), 3, 1), ((2, 6), 2, 1), ((9, 3), 3, 1)],
)
def test_the_mask_parts_pixels_that_only_the_shift_brought_together(size, side, shift):
    (height, width), expected = size, []
    for top in range(0, height, side):
        for left in range(0, width, side):
            inside = [(top + y, left + x) for y in range(side) for x in range(side)]
            came_from = [((y + shift) % height, (x + shift) % width) for y, x in inside]
            moved = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(came_from, inside, strict=True)]
            expected.append([[a == b for b in moved] for a in moved])  # both as far, so they stayed neighbours
    mask = shift_mask(size, side, shift)
    assert mask.dtype == np.float32
    assert np.array_equal(mask == 0, expected)
    assert set(np.unique(mask)) == {0, MASKED}


@pytest.mark.parametrize(("side", "pretrained"), [(3, 3), (4, 7), (5, 3), (1, 1)])
def test_offset_scores_equal_a_loop_over_offsets(side, pretrained):
    rng = np.random.default_rng(0)
    up, bias, down = (rng.standard_normal(shape).astype(np.float32) for shape in ((6, 2), (6,), (2, 6)))
    expected = np.zeros((2, 2 * side - 1, 2 * side - 1))
    for dy in range(1 - side, side):
        for dx in range(1 - side, side):
            entered = [np.sign(d) * np.log2(1 + 8 * abs(d) / max(pretrained - 1, 1)) / 3 for d in (dy, dx)]
            score = down.astype(float) @ np.maximum(up.astype(float) @ entered + bias, 0)
            expected[:, dy + side - 1, dx + side - 1] = 16 / (1 + np.exp(-score))
    # float64 both: only the order of a few sums differs
    assert_close(offset_scores(up, bias, down, side, pretrained), expected, atol=1e-12)


def large(window, image, widths, depths, heads, pretrained=(0, 0, 0, 0)):
    backbone = Swinv2Config(
        embed_dim=widths[0],
        depths=depths,
        num_heads=heads,
        window_size=window,
        image_size=image,
        pretrained_window_sizes=pretrained,
        **FOUR,
    )
    return DPTConfig(backbone_config=backbone, neck_hidden_sizes=widths)


PUBLISHED = {  # dpt-facts 1.10, 3.1 and 7.1: config, parameters, GFLOP by torch's counter
    "tiny-256": (large(16, 256, (96, 192, 384, 768), (2, 2, 6, 2), (3, 6, 12, 24)), 40_930_795, 59.6),
    "base-384": (
        large(24, 384, (128, 256, 512, 1024), (2, 2, 18, 2), (4, 8, 16, 32), (12, 12, 12, 6)), 101_351_865, 216.9,
    ),
    "large-384": (
        large(24, 384, (192, 384, 768, 1536), (2, 2, 18, 2), (6, 12, 24, 48), (12, 12, 12, 6)), 211_871_797, 343.7,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("config", "parameters", "gflop"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_models_have_their_parameters_and_work(config, parameters, gflop):
    assert tensor_table.count(DPTForDepthEstimation.tensors(config)) == parameters
    backbone = config.backbone_config
    work = sum(stage.flops for stage in trace(DPTForDepthEstimation, config, (backbone.image_size,) * 2))
    for (side, _), depth, heads in zip(backbone.windows, backbone.depths, backbone.num_heads, strict=True):
        work += (
            depth * 2 * (2 * side - 1) ** 2 * MLP_WIDTH * (2 + heads)
        )  # of the offsets' mlps: torch has them per picture
    assert work / 1e9 == pytest.approx(gflop, abs=0.05)  # the table has one decimal


@BOTH
@pytest.mark.parametrize("task", [DPTForDepthEstimation, DPTForSemanticSegmentation])
def test_traced_shapes_are_those_of_a_real_run(config, task):
    config = DPTConfig(backbone_config=config(**SMALL, **FOUR), **ON_SMALL)
    stages = {stage.name: stage.shape for stage in trace(task, config, (50, 77))}
    with record(*stages) as tape:
        lively(task(config))(pixels(1, 3, 50, 77))
    assert {name: x.shape for name, x in tape.items()} == stages


@BOTH
def test_segmentation_sees_the_taps_that_depth_sees(config):
    config = DPTConfig(backbone_config=config(**SMALL, **FOUR), num_labels=5, **ON_SMALL)
    depth = lively(DPTForDepthEstimation(config))
    fresh = lively(DPTForSemanticSegmentation(config), seed=2)
    segmentation = type(fresh).from_weights(config, {**fresh.weights, **{
        name: x for name, x in depth.weights.items() if name.startswith("backbone.")
    }})  # fmt: skip
    x = pixels(2, 3, 64, 96)
    with record("taps.*") as of_segmentation:
        logits = segmentation(x).logits
    with record("taps.*") as of_depth:
        depth(x)
    assert logits.shape == (2, 5, 64, 96)
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0
    assert list(of_depth) == [f"taps.{k}" for k in range(4)]
    for name, tap in of_depth.items():
        assert np.array_equal(tap, of_segmentation[name]), name


@BOTH
def test_each_picture_of_a_batch_is_seen_alone(config):
    model = lively(AutoBackbone.from_config(config(**SMALL)))
    x = pixels(3, 3, 44, 72)
    together = model(x).feature_maps[-1]
    for i in range(3):
        # float32 matrix products of another shape may add up in another order
        assert_close(together[i : i + 1], model(x[i : i + 1]).feature_maps[-1], atol=1e-4, name=f"picture {i}")


@BOTH
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": [2, 3, 4]}, "num_heads has 3 values, depths has 4"),
        ({"num_heads": [2, 3, 5, 6]}, "num_heads 5 does not divide the stage's width 48"),
        ({"num_heads": [5, 3, 4, 6]}, "num_heads 5 does not divide the stage's width 12"),
        ({"window_size": 0}, "window_size must be an integer from 1"),
        ({"window_size": 10**6}, "window_size must be an integer from 1"),
        ({"depths": [2, 0, 2, 2]}, "depths must be an integer from 1"),
        ({"depths": [2] * 100}, "depths must be a list of 1 to 8 values"),
        ({"embed_dim": 60_000}, "embed_dim 60000 grows to"),
        ({"mlp_ratio": 0.05}, "mlp_ratio 0.05 leaves no channel of 12"),
        ({"image_size": 2}, "image_size 2 is smaller than patch_size 4"),
        ({"out_features": ["stage5"]}, "'stage5' is not one of stem, stage1"),
        ({"qkv_bias": 1}, "qkv_bias must be true or false"),
    ],
)  # fmt: skip
def test_bad_configs_are_refused(config, settings, message):
    with pytest.raises(ConfigError, match=message):
        config(**{**SMALL, **settings})


def test_windows_shrink_only_to_maps_that_have_pixels():
    message = "image_size 16 leaves the last of 4 stages no pixel"
    assert SwinConfig(**{**SMALL, "image_size": 16}).windows == ((4, 2),) * 4
    for make in (Swinv2Config, lambda **settings: SwinConfig(always_partition=False, **settings)):
        with pytest.raises(ConfigError, match=message):
            make(**{**SMALL, "image_size": 16})
        assert make(**{**SMALL, "window_size": 8}).windows == ((8, 4), (8, 0), (4, 0), (2, 0))


@pytest.mark.parametrize("given", [(12, 12), (12, 12, 12, 1), (12, 12, 12, -1), (12, 12, 12, 0.5)])
def test_bad_pretrained_windows_are_refused(given):
    with pytest.raises(ConfigError, match="pretrained_window_sizes"):
        Swinv2Config(**SMALL, pretrained_window_sizes=given)


@BOTH
def test_the_neck_must_have_the_widths_of_the_stages(config):
    with pytest.raises(ConfigError, match=r"\[12, 24, 48, 96\]"):
        DPTConfig(backbone_config=config(**SMALL, **FOUR), neck_hidden_sizes=[12, 24, 48, 48])


@BOTH
def test_configs_survive_json(config, tmp_path):
    before = config(**SMALL, **FOUR, layer_norm_eps=1e-3)
    (tmp_path / "config.json").write_text(before.to_json())
    assert config.from_pretrained(tmp_path) == before
