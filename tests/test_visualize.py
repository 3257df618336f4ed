"""The numbers behind the figures, on cases by hand; no matplotlib needed."""

import sys

import numpy as np
import pytest
from checks import arrays, assert_close
from tiny import PLAIN, lively, pixels

from minidpt import DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, HubError, record, visualize
from minidpt.components import as_colors
from minidpt.visualize.attention import distances
from minidpt.visualize.patches import mosaic, pulled_apart
from minidpt.visualize.skips import relative_change

GRID = (2, 3)  # rows, columns
PHOTO = np.zeros((40, 60, 3), np.uint8)
FEW_SUMS = 1e-12  # float64, sums of at most a hundred terms of size 1


def attention_weights(batch, heads, tokens, seed=0):
    (scores,) = arrays((batch, heads, tokens, tokens), seed=seed)
    weights = np.exp(scores)
    return weights / weights.sum(axis=-1, keepdims=True)


# ---------------------------------------------------------------- patches and positions


@pytest.mark.parametrize(("x", "y", "patch"), [(0, 0, (0, 0)), (59, 39, (1, 2)), (19.9, 20, (1, 0)), (20, 19, (0, 1))])
def test_patch_at_is_the_one_under_the_pixel(x, y, patch):
    assert visualize.patch_at(x, y, PHOTO, GRID) == patch


@pytest.mark.parametrize(("x", "y"), [(60, 0), (0, 40), (-1, 0)])
def test_patch_at_refuses_what_is_beside_the_photo(x, y):
    with pytest.raises(ValueError, match="within the photo's 60 x 40"):
        visualize.patch_at(x, y, PHOTO, GRID)


def test_position_similarity_is_the_cosine():
    of_patches = np.array([[1, 0], [0, 3], [2, 2], [-1, 0], [5, 0], [0, 0]], np.float32)
    positions = np.concatenate([[[7, 7], [9, -9]], of_patches])[None]  # two tokens before the grid's
    similarity = visualize.position_similarity(positions, GRID, prefix=2)
    assert similarity.shape == (2, 3, 2, 3)
    assert_close(similarity[0, 0], [[1, 0, 0.5**0.5], [-1, 1, 0]], atol=FEW_SUMS)
    assert_close(similarity[1, 2], np.zeros(GRID), name="no length, no likeness")
    assert_close(similarity[0, 2, 0, 1], similarity[0, 1, 0, 2], name="the same both ways")


def test_mosaic_keeps_each_patchs_map_in_its_place():
    maps = np.arange(36.0).reshape(2, 3, 2, 3)
    laid = mosaic(maps, gap=1)
    assert laid.shape == (2 * 3 - 1, 3 * 4 - 1)
    assert_close(laid[3:5, 8:11], maps[1, 2])
    assert np.isnan(laid[2]).all()
    assert np.isnan(laid[:, 3]).all()


def test_pulled_apart_patches_are_those_of_the_photo():
    (photo,) = arrays((5, 9, 3))
    apart = pulled_apart((photo * 50 + 100).astype(np.uint8), GRID)  # borders at 2 or 3 rows, 3 and 6 columns
    assert apart.shape == (5 + 1, 9 + 2, 3)
    assert (apart[2] == 255).all()
    assert (apart[:, 3] == 255).all()
    assert_close(np.delete(np.delete(apart, 2, axis=0), [3, 7], axis=1), (photo * 50 + 100).astype(np.uint8))


# ---------------------------------------------------------------- attention


def test_attention_of_patch_is_its_row_without_the_prefix():
    weights = attention_weights(2, 3, 2 + 6)
    found = visualize.attention_of_patch(weights, GRID, (1, 2), prefix=2, index=1)
    assert found.shape == (3, 2, 3)
    assert_close(found[2, 0, 1], weights[1, 2, 2 + 5, 2 + 1])
    assert_close(found.sum(axis=(1, 2)), 1 - weights[1, :, 7, :2].sum(axis=-1), atol=1e-6, name="float32 sums of 8")
    of_class_token = visualize.attention_of_patch(weights, GRID, None, prefix=2, index=1)
    assert_close(of_class_token[0, 1, 2], weights[1, 0, 0, 7])


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((8, 3, 4, 4), {}, "1 \\+ 2 x 3 tokens.*got 4.*within windows"),
        ((1, 3, 7, 4), {}, "every token to every token.*pooled"),
        ((7, 7), {}, "every token to every token"),
        ((1, 3, 7, 7), {"prefix": 5}, "5 \\+ 2 x 3 tokens.*got 7"),
        ((1, 3, 7, 7), {"patch": (2, 0)}, "patch as \\(row, column\\) on the grid \\(2, 3\\)"),
        ((1, 3, 7, 7), {"index": 1}, "index from 0 to 0, got 1"),
        ((1, 3, 7, 7), {"index": -1}, "index from 0 to 0, got -1"),
        ((1, 3, 6, 6), {"prefix": 0, "patch": None}, "no class token"),
    ],
)
def test_attention_that_does_not_fit_is_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        visualize.attention_of_patch(np.zeros(shape, np.float32), GRID, **{"patch": (0, 0), **options})


def test_mean_attention_distance_of_heads_known_by_hand():
    itself, right, alike, elsewhere = (np.zeros((7, 7)) for _ in range(4))
    itself[1:, 1:] = np.eye(6)
    itself[:, 0] = 3  # the class token is not counted, and what is left counts as all
    for q in range(6):
        right[1 + q, 1 + q + (q % 3 < 2)] = 1  # the last column looks at itself
    alike[1:, 1:] = 1 / 6
    elsewhere[:, 0] = 1  # nothing goes to the grid
    weights = np.stack([itself, right, alike, elsewhere])[None].astype(np.float32)
    found = visualize.mean_attention_distance(np.concatenate([weights, weights]), GRID, patch_size=10)
    pairs = 4 * 10 + 2 * 20 + 3 * 10 + 4 * 200**0.5 + 2 * 500**0.5  # along the rows, the columns, the diagonals
    assert_close(found[1], [0, 10 * 4 / 6, 2 * pairs / 36, 0], atol=1e-6, name="1/6 in float32")
    assert found.shape == (2, 4)


def test_mean_attention_distance_is_the_loops():
    weights, grid = attention_weights(2, 2, 1 + 6), (3, 2)
    expected = np.zeros((2, 2))
    for n, a, q in np.ndindex(2, 2, 6):
        row = weights[n, a, 1 + q, 1:].astype(np.float64)
        for k in range(6):
            apart = ((q // 2 - k // 2) ** 2 + (q % 2 - k % 2) ** 2) ** 0.5 * 16
            expected[n, a] += row[k] / row.sum() * apart / 6
    assert_close(visualize.mean_attention_distance(weights, grid, 16), expected, atol=16 * FEW_SUMS)
    assert distances(grid, 16)[0, 5] == 16 * 5**0.5


# ---------------------------------------------------------------- features


def test_principal_components_of_points_on_a_line():
    direction = np.array([0.6, 0, -0.8, 0])
    steps = np.array([[-2.0, 0, 1], [3, 5, -7]])
    components, share = visualize.principal_components((steps[..., None] * direction + 11).astype(np.float32))
    assert components.shape == (2, 3, 3)
    assert_close(share, [1, 0, 0], atol=1e-12)  # float32 steps: 1e-7 of the length, squared
    assert_close(components[..., 0], -steps, atol=1e-5)  # its mean is 0; the largest entry, 0.8, is made positive
    assert_close(components[..., 1:], np.zeros((2, 3, 2)), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7, 9), (3, 4, 30)])  # more vectors than channels, and fewer
def test_principal_components_are_those_of_the_svd(shape):
    x = arrays(shape)[0] * np.linspace(0.5, 3, shape[-1], dtype=np.float32)
    components, share = visualize.principal_components(x)
    vectors = x.reshape(-1, shape[-1]).astype(np.float64)
    u, s, v = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    signs = [np.sign(direction[np.abs(direction).argmax()]) for direction in v]
    assert_close(share, s[:3] ** 2 / (s**2).sum(), atol=FEW_SUMS)
    assert_close(components.reshape(-1, 3), (u * s * signs)[:, :3], atol=1e-10)  # eigenvectors of the square


def test_principal_components_of_a_constant_are_zero_and_two_channels_too_few():
    components, share = visualize.principal_components(np.full((2, 3, 4), 0.1, np.float32))
    assert not components.any()
    assert not share.any()
    with pytest.raises(ValueError, match="at least 3 channels"):
        visualize.principal_components(np.zeros((2, 3, 2)))


def test_as_colors_spreads_each_component_and_greys_a_constant_one():
    ramp = np.arange(101.0).reshape(1, 101)
    colors = as_colors(np.stack([ramp, -5 * ramp, np.full_like(ramp, 9)], axis=-1))
    assert_close(colors[0, [0, 1, 50, 99, 100], 0], [0, 0, 0.5, 1, 1], atol=FEW_SUMS)
    assert_close(colors[..., 1], 1 - colors[..., 0], atol=FEW_SUMS)
    assert (colors[..., 2] == 0.5).all()


def test_token_norms_of_tokens_and_maps():
    x = np.array([[[3, 4], [0, 0]], [[0, 2], [6, 8]]], np.float32)
    assert_close(visualize.token_norms(x), [[5, 0], [2, 10]])
    assert_close(visualize.token_norms(x[:, None]), [[5, 0], [2, 10]])
    with pytest.raises(ValueError, match="tokens"):
        visualize.token_norms(x[0])


# ---------------------------------------------------------------- skips


def test_rescaled_skips_scale_one_neck_map_and_nothing_else():
    model, x = lively(DPTForDepthEstimation(DPTConfig(**PLAIN))), pixels(2, 3, 24, 40)
    with record("reassembled.*", "neck.*") as own:
        output = model(x)
    with record("reassembled.*", "neck.*") as last:  # holds the last run: the last level, the last factor
        depths = visualize.rescaled_skips(model, x, (1, 0.5))
    assert depths.shape == (4, 2, *output.predicted_depth.shape)
    for level in range(4):
        factor = 0.5 if level == 3 else 1
        assert_close(last[f"neck.{level}"], factor * own[f"neck.{level}"])  # halves are exact
        assert_close(last[f"reassembled.{level}"], own[f"reassembled.{level}"])
        assert_close(depths[level, 0], output.predicted_depth)
        assert relative_change(depths[level, 1], output.predicted_depth) > 1e-3, "every level matters in a lively model"
    assert_close(model(x).predicted_depth, output.predicted_depth, name="the model is as it was")


def test_rescaled_skips_are_of_depth_models():
    with pytest.raises(ValueError, match="estimates depth, got a DPTForSemanticSegmentation"):
        visualize.rescaled_skips(DPTForSemanticSegmentation(DPTConfig(**PLAIN)), pixels(1, 3, 16, 16))


def test_relative_change_by_hand():
    original = np.array([[3, 4]], np.float32)
    assert relative_change(np.array([[3, 5]], np.float32), original) == pytest.approx(0.2)
    assert relative_change(original, original) == 0
    assert relative_change(original, 0 * original) == np.inf
    assert relative_change(0 * original, 0 * original) == 0


# ---------------------------------------------------------------- depth


def test_align_finds_scale_and_shift_where_both_are_known():
    (depth,) = arrays((4, 5))
    target = 2.5 * depth - 1
    depth[0, 0], target[1, 1] = np.nan, np.inf
    fitted, scale, shift = visualize.align(depth, target, kind="relative_inverse")
    assert (scale, shift) == (pytest.approx(2.5, rel=1e-6), pytest.approx(-1, abs=1e-6))  # float32 data
    assert np.isnan(fitted[0, 0])
    assert fitted[1, 1] == pytest.approx(2.5 * depth[1, 1] - 1, abs=1e-5)


def test_align_leaves_out_what_a_metric_map_does_not_know():
    depth, target = np.array([[1.0, 2, 3, 50]]), np.array([[3.0, 5, 7, 0]])
    assert visualize.align(depth, target, kind="metric")[1:] == (pytest.approx(2), pytest.approx(1))
    assert visualize.align(depth, target, kind="relative_inverse")[1] < 0  # there 0 is a value


def test_align_of_a_constant_is_the_mean():
    fitted, scale, shift = visualize.align(np.full((2, 2), 0.1), np.array([[1, 2], [3, 6]]), kind="relative_inverse")
    assert (scale, shift) == (0, 3)
    assert (fitted == 3).all()


@pytest.mark.parametrize(
    ("depth", "message"), [(np.ones((2, 3)), "one size"), (np.array([[np.nan, np.nan], [np.nan, 1]]), "two pixels")]
)
def test_align_refuses_what_cannot_be_fitted(depth, message):
    with pytest.raises(ValueError, match=message):
        visualize.align(depth, np.ones((2, 2)), kind="relative_inverse")


def test_without_matplotlib_a_figure_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(HubError, match=r'pip install "minidpt\[plot\]"'):
        visualize.draw_depth(np.ones((2, 3)), kind="metric")
