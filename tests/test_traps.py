"""The 25 traps of this family of models, one short test each, by the number that our list of facts gives them.

Most are held against transformers elsewhere, at every stage; here each claim stands by itself and runs without torch.
"""

import numpy as np
import pytest
from checks import assert_close
from families import FAMILIES, depth_config
from tiny import HYBRID, PLAIN, lively, pixels

from minidpt import (
    AutoBackbone,
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTImageProcessor,
    Swinv2Config,
    fusion,
    ops,
    record,
)
from minidpt.backbones import bit
from minidpt.inspection import find, trace
from minidpt.ops import conv, resize
from minidpt.presets import preset
from minidpt.processing import resized_size

ROUNDING = {"atol": 1e-4, "rtol": 1e-4}  # two orders of the same float32 sums, values up to about 10


def depth_model(**config):
    return lively(DPTForDepthEstimation(DPTConfig(**config)))


def taped(model, x, *patterns):
    with record(*patterns) as tape:
        model(x)
    return tape


@pytest.mark.parametrize("family", ["vit", "beit", "swinv2", "dinov2"])
def test_trap_1_taps_are_raw_outputs_of_blocks(family):
    settings, size = FAMILIES[family]
    model = lively(DPTForDepthEstimation(depth_config(settings)))
    tape = taped(model, pixels(1, 3, *size))
    last = tape["taps.3"]
    ends = [x for name, x in tape.items() if name.split(".")[0] in ("blocks", "stages") and name.count(".") == 1]
    assert any(x.shape == last.shape and np.array_equal(x, last) for x in ends)


def test_trap_1_depth_anything_alone_normalises_its_taps():
    settings, size = FAMILIES["depth_anything"]
    model = lively(DepthAnythingForDepthEstimation(DepthAnythingConfig(**settings)))
    tape = taped(model, pixels(1, 3, *size))
    norm = model.weights["backbone.norm.weight"], model.weights["backbone.norm.bias"]
    blocks = tape[f"blocks.{model.encoder.num_hidden_layers - 1}"]
    assert_close(tape["taps.3"], ops.layer_norm(blocks, *norm, eps=1e-6), **ROUNDING, name="normalised tap")


def test_trap_2_every_family_has_its_own_epsilon():
    assert DPTConfig().layer_norm_eps == BeitConfig().layer_norm_eps == 1e-12
    assert Dinov2Config().layer_norm_eps == Dinov2WithRegistersConfig().layer_norm_eps == 1e-6
    assert Swinv2Config().layer_norm_eps == 1e-5
    x = pixels(1, 3, 32, 32) * np.float32(1e-3)
    assert not np.array_equal(
        depth_model(**PLAIN)(x).predicted_depth, depth_model(**PLAIN, layer_norm_eps=1e-2)(x).predicted_depth
    )


def test_trap_3_corners_are_aligned_upwards_only():
    seen = []

    def spied(op):
        def spy(*args, scale=None, align_corners, **options):
            seen.append((scale, align_corners))
            return op(*args, scale=scale, align_corners=align_corners, **options)

        return spy

    enlarging = ("resize_bilinear", "resized_linear", "resized_conv2d")
    spies = {name: spied(ops.NUMPY.ops[name]) for name in enlarging}
    odd = depth_model(**PLAIN).to(backend=ops.Backend("spying", {**ops.NUMPY.ops, **spies}))
    odd(pixels(1, 3, 24, 40))
    upward = [align for scale, align in seen if scale == 2]
    joining = [align for scale, align in seen if scale is None]
    assert len(upward) == 5
    assert all(upward)
    assert len(joining) == 3
    assert not any(joining)


@pytest.mark.parametrize(("trap", "config", "size"), [(4, PLAIN, (64, 256)), (5, HYBRID, (96, 32))], ids=["4", "5"])
def test_traps_4_and_5_any_grid_is_passed_along(trap, config, size):
    depth = depth_model(**config)(pixels(1, 3, *size)).predicted_depth
    assert depth.shape == (1, *size) if trap == 5 else (1, 4 * size[0], 4 * size[1])


def test_trap_6_output_is_32_times_half_the_grid_rounded_up():
    settings, _ = FAMILIES["dinov2"]
    model = lively(DPTForDepthEstimation(depth_config(settings)))
    assert model(pixels(1, 3, 70, 84)).predicted_depth.shape == (1, 96, 96)
    assert model(pixels(1, 3, 56, 56)).predicted_depth.shape == (1, 64, 64)
    settings, _ = FAMILIES["depth_anything"]
    model = lively(DepthAnythingForDepthEstimation(DepthAnythingConfig(**settings)))
    assert model(pixels(1, 3, 70, 84)).predicted_depth.shape == (1, 70, 84)


def test_trap_7_the_unit_that_never_runs_is_kept_and_never_read(tmp_path):
    model = depth_model(**PLAIN)
    names = [name for name in model.weights if name.startswith("fusion.0.residual_unit_1.")]
    assert len(names) == 4
    other = DPTForDepthEstimation.from_weights(
        model.config, {n: w + 1 if n in names else w for n, w in model.weights.items()}
    )
    x = pixels(1, 3, 32, 32)
    assert np.array_equal(model(x).predicted_depth, other(x).predicted_depth)
    other.save_pretrained(tmp_path)
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert all(np.array_equal(again.weights[name], other.weights[name]) for name in names)


def test_trap_8_projecting_commutes_with_enlarging():
    x, weight, bias = (pixels(*shape, seed=i) for i, shape in enumerate([(1, 5, 7, 6), (4, 6), (4,)]))
    after = ops.linear(resize.resize_bilinear(x, scale=2, align_corners=True), weight, bias)
    before = resize.resize_bilinear(ops.linear(x, weight, bias), scale=2, align_corners=True)
    assert_close(before, after, atol=1e-5, name="projection")  # the same sums in another order


def test_trap_9_the_skip_carries_what_no_activation_touched():
    config = DPTConfig(**PLAIN)
    x = -np.abs(pixels(1, 4, 5, 24))
    zero = {"weight": np.zeros((24, 24, 3, 3), np.float32), "bias": np.zeros(24, np.float32)}
    assert np.array_equal(fusion.residual_unit(x, {"conv1": zero, "conv2": zero}, config), x)


def test_trap_10_no_word_about_a_bias_means_one_where_no_norm_follows():
    for norm in (False, True):
        config = DPTConfig(**PLAIN, use_batch_norm_in_fusion_residual=norm)
        assert config.fusion_has_bias is not norm
        assert any("residual_unit_2.conv1.bias" in t.name for t in fusion.tensors(config)) is not norm


def test_trap_11_the_auxiliary_head_costs_nothing_at_inference():
    config = {**PLAIN, "num_labels": 5}
    work = [
        sum(
            stage.flops
            for stage in trace(DPTForSemanticSegmentation, DPTConfig(**config, use_auxiliary_head=aux), (32, 32))
        )
        for aux in (True, False)
    ]
    assert work[0] == work[1] > 0


def test_trap_12_the_norm_of_the_segmentation_head_follows_a_convolution_without_bias():
    model = lively(DPTForSemanticSegmentation(DPTConfig(**PLAIN, num_labels=5)))
    assert "head.conv.bias" not in model.weights
    tape = taped(model, pixels(1, 3, 32, 32), "fused.3", "head.0")
    y = conv.conv2d(tape["fused.3"], model.weights["head.conv.weight"], padding=1)
    mean, variance = model.weights["head.norm.running_mean"], model.weights["head.norm.running_var"]
    y = (y - mean) / np.sqrt(variance + 1e-5) * model.weights["head.norm.weight"] + model.weights["head.norm.bias"]
    assert_close(tape["head.0"], np.maximum(y, 0), **ROUNDING, name="head.0")


def test_trap_13_kernels_are_standardised_with_transformers_epsilon():
    weight = np.zeros((1, 1, 1, 2), np.float32)
    weight[..., 1] = 2e-4  # a variance of 1e-8
    assert_close(conv.standardize_weight(weight), np.float32([[[[-(0.5**0.5), 0.5**0.5]]]]), rtol=1e-5, name="kernel")


def test_trap_14_same_padding_puts_the_odd_pixel_right_and_below_and_pools_zeros():
    assert bit.same_padding((6, 7), 3, 2) == ((0, 1), (1, 1))
    assert bit.same_padding((8, 8), 7, 2) == ((2, 3), (2, 3))
    pooled = conv.max_pool2d(np.full((1, 2, 2, 1), -1, np.float32), 3, stride=2, padding=((0, 1), (0, 1)))
    assert pooled.item() == 0


def test_trap_15_the_published_filter_counts_not_the_default():
    assert DPTImageProcessor().resample == 3
    assert DPTImageProcessor.from_pretrained("Intel/dpt-large").resample == 2


def test_trap_16_dinov2_models_take_pictures_unscaled_and_padded_after_normalising():
    processor = DPTImageProcessor.from_pretrained("facebook/dpt-dinov2-small-nyu")
    picture = np.full((20, 30, 3), 255, np.uint8)
    x = processor(picture)["pixel_values"]
    assert x.shape == (1, 3, 28, 42)
    assert not x[:, :, :4].any()
    assert x[0, 0, 14, 20] == pytest.approx((255 - 123.675) / 58.395, rel=1e-5)


def test_trap_17_no_smallest_depth_is_added():
    settings, size = FAMILIES["dinov2"]
    model = lively(DPTForDepthEstimation(depth_config(settings)))
    model.weights["head.conv3.bias"][:] = -1e6  # the last ReLU clips everything
    assert not model(pixels(1, 3, *size)).predicted_depth.any()


def test_trap_18_the_kind_of_depth_is_told():
    assert DPTConfig().kind == DepthAnythingConfig().kind == "relative_inverse"
    assert DepthAnythingConfig(depth_estimation_type="metric", max_depth=20).kind == "metric"
    for name in ("facebook/dpt-dinov2-base-nyu", "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf"):
        assert find(name)[1].kind == "metric"
    settings, size = FAMILIES["depth_anything"]
    metric = {**settings, "depth_estimation_type": "metric", "max_depth": 80}
    depth = lively(DepthAnythingForDepthEstimation(DepthAnythingConfig(**metric)))(pixels(1, 3, *size))
    assert depth.kind == "metric"
    assert 0 < depth.predicted_depth.max() <= 80


def test_trap_19_both_versions_of_depth_anything_tap_other_blocks():
    taps = {
        name: find(name)[1].encoder.out_indices
        for name in (
            "LiheYoung/depth-anything-small-hf",
            "LiheYoung/depth-anything-large-hf",
            "depth-anything/Depth-Anything-V2-Small-hf",
            "depth-anything/Depth-Anything-V2-Large-hf",
        )
    }
    assert list(taps.values()) == [(9, 10, 11, 12), (21, 22, 23, 24), (3, 6, 9, 12), (5, 12, 18, 24)]


def test_trap_20_halves_round_to_even():
    size = {"keep_aspect_ratio": False, "ensure_multiple_of": 14}
    assert resized_size(100, 100, (35, 49), **size) == (28, 56)


def test_trap_21_weights_that_exist_as_pickles_only_are_known():
    assert preset("Intel/dpt-large-ade")["format"] == "pickle"
    assert preset("Intel/dpt-hybrid-midas")["format"] == "pickle"


def test_trap_22_swin_v2_forbids_twice_as_strictly_and_must():
    """Its cosine scores may differ by 200, so a mask of -100 could lose against them; transformers adds it twice."""
    settings, size = FAMILIES["swinv2"]
    model = lively(DPTForDepthEstimation(depth_config(settings)))
    model(pixels(1, 3, *size))
    masks = [stage["mask"] for stage in model._sized[size]["stages"] if "mask" in stage]
    assert masks
    assert {float(value) for mask in masks for value in np.unique(mask)} == {-200.0, 0.0}


def test_trap_23_the_bias_table_is_read_by_row_and_column_of_the_picture():
    settings, _ = FAMILIES["beit"]
    model = lively(DPTForDepthEstimation(depth_config(settings)))
    patch = model.encoder.patch_size
    wide, tall = (model(pixels(1, 3, *size)).predicted_depth.shape for size in ((patch, 3 * patch), (3 * patch, patch)))
    assert wide == (1, tall[2], tall[1])


def test_trap_24_label_maps_get_no_class_that_was_not_there():
    labels = np.zeros((50, 60), np.uint8)
    labels[20:, 30:] = 7
    picture = np.zeros((50, 60, 3), np.uint8)
    made = DPTImageProcessor(size=32)(picture, segmentation_maps=labels)["labels"]
    assert set(np.unique(made)) == {0, 7}


@pytest.mark.parametrize("task", [DPTForDepthEstimation, DPTForSemanticSegmentation])
@pytest.mark.parametrize("family", ["vitdet", "dinov2_with_registers"])
def test_trap_25_what_transformers_advertises_and_cannot_run_runs(family, task):
    settings, size = FAMILIES[family]
    model = lively(task(depth_config(settings)))
    out = model(pixels(1, 3, *size))
    values = out[out.keys()[0]]
    assert np.isfinite(values).all()
    assert np.ptp(values) > 0
    maps = AutoBackbone.from_config(model.encoder)(pixels(1, 3, *size)).feature_maps
    assert len(maps) == 4
