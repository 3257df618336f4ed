"""The figures, by what is in them: panels, titles, the arrays in the pictures, colour limits."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from checks import assert_close
from families import REGISTERS, SWIN, VITDET, under
from pictures import random_picture
from tiny import HYBRID, PLAIN, lively, pixels

from minidpt import DPTConfig, DPTForDepthEstimation, record, render, visualize
from minidpt.components import as_colors

matplotlib = pytest.importorskip("matplotlib", reason="figures need the plot extra")

SIZE, GRID = (24, 40), (3, 5)  # of the pictures, in pixels and in PLAIN's patches of 8
PHOTO = random_picture(30, 50)


def run(model, size=SIZE, batch=2):
    with record() as tape:
        lively(model)(pixels(batch, 3, *size))
    return tape


@pytest.fixture(scope="module")
def tape():
    """What a plain ViT made of two pictures."""
    return run(DPTForDepthEstimation(DPTConfig(**PLAIN), backend="numpy"))


def panels(figure):
    """Its panels that hold a picture or a curve, after drawing it: warnings are errors."""
    figure.savefig(BytesIO())
    return [axes for axes in figure.axes if axes.axison and axes.get_label() != "<colorbar>"]


def bars(figure):
    """The labels of its colour bars."""
    return [bar.get_ylabel() for axes in figure.axes for bar in axes.child_axes]


def top_image(axes):
    return axes.get_images()[-1]


def test_patch_grid_shows_the_photo_its_patches_and_the_marked_token():
    whole, apart = panels(visualize.draw_patch_grid(PHOTO, GRID, patch=(1, 2), prefix=2))
    assert_close(top_image(whole).get_array(), PHOTO)
    assert top_image(apart).get_array().shape == (30 + 2, 50 + 4, 3)  # a gap of 0.12 x 10 pixels
    assert "token 9" in apart.get_xlabel()
    assert [patch.get_bbox().bounds for patch in whole.patches] == [(20, 10, 10, 10)] * 2
    assert [text.get_text() for text in apart.get_yticklabels()] == ["2", "7", "12"]
    assert len(whole.get_xticks()) == 5


def test_patch_grid_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="photo's 30 x 50, got 31 x 5"):
        visualize.draw_patch_grid(PHOTO, (31, 5))
    with pytest.raises(ValueError, match=r"photo as \(H, W, 3\) uint8"):
        visualize.draw_patch_grid(PHOTO / 255, GRID)


def test_position_similarity_is_one_mosaic_up_to_one():
    positions = pixels(1, 16, 8)
    figure = visualize.draw_position_similarity(positions, GRID)
    (axes,) = panels(figure)
    image = top_image(axes)
    assert image.get_array().shape == (3 * 4 - 1, 5 * 6 - 1)
    similarity = visualize.position_similarity(positions, GRID)
    assert_close(image.get_array()[4:7, 12:17], similarity[1, 2])
    assert image.get_clim() == (similarity.min(), 1)
    assert bars(figure) == ["cosine similarity (1 = the same direction)"]


def test_position_similarity_of_a_large_grid_shows_some_patches():
    positions = pixels(1, 1 + 27 * 4, 8)
    (axes,) = panels(visualize.draw_position_similarity(positions, (27, 4)))
    assert [text.get_text() for text in axes.get_yticklabels()] == [str(row) for row in range(1, 27, 3)]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1"]
    shown = top_image(axes).get_array()[2 * 28 : 2 * 28 + 27]
    assert_close(shown, visualize.position_similarity(positions, (27, 4))[7, 1])


def test_attention_has_a_panel_for_each_block_and_head(tape):
    figure = visualize.draw_attention(tape, PHOTO, GRID, patch=(2, 4), index=1)
    found = panels(figure)
    assert len(found) == 4 * 4
    maps = np.array([tape[f"blocks.{i}.attention.weights"][1, :, 15, 1:].reshape(4, *GRID) for i in range(4)])
    for i, axes in enumerate(found):
        image = top_image(axes)
        assert_close(image.get_array(), maps[i // 4, i % 4])
        assert image.get_clim() == (0, pytest.approx(np.percentile(maps, 99.8)))
        assert image.get_extent() == [0, 50, 30, 0]
        assert axes.get_title() == (f"head {i}" if i < 4 else "")
        assert f"{1 - maps[i // 4, i % 4].sum():.0%}" in axes.get_xlabel()
    assert [axes.get_ylabel() for axes in found[::4]] == [f"blocks.{i}" for i in range(4)]


def test_attention_of_the_class_token_in_some_blocks(tape):
    name = "blocks.2.attention.weights"
    figure = visualize.draw_attention({name: tape[name]}, PHOTO, GRID, patch=None)
    assert_close(top_image(panels(figure)[3]).get_array(), tape[name][0, 3, 0, 1:].reshape(GRID))
    assert "class token" in figure.get_suptitle()


def test_attention_that_all_goes_to_the_class_token_is_drawn():
    weights = np.zeros((1, 2, 16, 16), np.float32)
    weights[..., 0] = 1
    figure = visualize.draw_attention({"blocks.0.attention.weights": weights}, PHOTO, GRID, patch=(0, 0))
    assert [axes.get_xlabel() for axes in panels(figure)] == ["to class token 100%"] * 2


def test_attention_distance_has_a_dot_for_each_head(tape):
    figure = visualize.draw_attention_distance(tape, GRID, 8)
    (axes,) = panels(figure)
    dots = np.concatenate([dots.get_offsets()[:, 1] for dots in axes.collections])
    names = [f"blocks.{i}.attention.weights" for i in range(4)]
    each = np.array([visualize.mean_attention_distance(tape[name], GRID, 8) for name in names])
    assert_close(dots, each.mean(axis=1).ravel())
    assert "pixels" in axes.get_ylabel()
    (axes,) = panels(visualize.draw_attention_distance(tape, GRID, 8, index=1))
    assert_close(axes.collections[3].get_offsets()[:, 1], each[3, 1])
    assert max(dots) < axes.get_ylim()[1]


def test_features_have_a_row_for_each_stage(tape):
    found = panels(visualize.draw_features(tape, PHOTO, GRID, index=1))
    titles = [axes.get_title().partition(":")[0] for axes in found]
    stages = ("taps", "readout", "reassembled", "neck", "fused")
    assert titles == [title for stage in stages for title in ("photo", *(f"{stage}.{k}" for k in range(4)))]
    shown = dict(zip(titles, found, strict=True))
    for name, x in (("taps.1", tape["taps.1"][1, 1:].reshape(3, 5, 32)), ("fused.3", tape["fused.3"][1])):
        components, share = visualize.principal_components(x)
        colors, image = as_colors(components), top_image(shown[name])
        assert_close(image.get_array(), colors)
        assert image.get_extent() == [0, 50, 30, 0]
        assert f"{' × '.join(map(str, x.shape))}\n{share.sum():.0%}" in shown[name].get_title()


def test_features_by_their_mean_are_white_at_zero(tape):
    figure = visualize.draw_features({"neck.0": tape["neck.0"]}, PHOTO, GRID, over_channels="mean", index=1)
    image = top_image(panels(figure)[1])
    mean = tape["neck.0"][1].mean(axis=-1, dtype=np.float64)
    assert_close(image.get_array(), mean)
    assert image.get_clim() == (-np.abs(mean).max(), np.abs(mean).max())
    with pytest.raises(ValueError, match="components, mean, got 'max'"):
        visualize.draw_features(tape, PHOTO, GRID, over_channels="max")


def test_norms_separate_patches_and_class_token(tape):
    (axes,) = panels(visualize.draw_norms(tape, index=1))
    names = ["embeddings", *(f"blocks.{i}" for i in range(4))]
    assert [text.get_text() for text in axes.get_xticklabels()] == names
    norms = np.array([np.linalg.norm(tape[name][1].astype(np.float64), axis=-1) for name in names])
    median, class_token = axes.get_lines()
    assert_close(median.get_ydata(), np.median(norms[:, 1:], axis=1), rtol=1e-12)
    assert_close(class_token.get_ydata(), norms[:, 0], rtol=1e-12)
    with pytest.raises(ValueError, match="beyond the 16 before the grid"):
        visualize.draw_norms(tape, prefix=16)


def test_skips_share_the_colours_of_the_unchanged_map():
    depths = 3 + np.random.default_rng(0).random((2, 3, 2, 4, 6))
    depths[:, 1] = depths[0, 1]
    figure = visualize.draw_skips(depths, (0, 1, 2), kind="relative_inverse", index=1)
    found = panels(figure)
    assert [axes.get_title() for axes in found[:3]] == ["neck.1 × 0", "neck.1 × 1", "neck.1 × 2"]
    original = depths[0, 1, 1]
    for level, row in ((1, found[:4]), (0, found[4:])):
        for k, axes in enumerate(row[:3]):
            assert_close(top_image(axes).get_array(), depths[level, k, 1])
            assert top_image(axes).get_clim() == (original.min(), original.max())
        change = 100 * np.linalg.norm(depths[level, :, 1] - original, axis=(1, 2)) / np.linalg.norm(original)
        assert_close(row[3].get_lines()[0].get_ydata(), change, rtol=1e-12)
        assert row[1].get_xlabel() == "unchanged"
        assert row[2].get_xlabel() == f"changes by {change[2]:.1f}%"
    with pytest.raises(ValueError, match="with 1 among them"):
        visualize.draw_skips(depths, (0, 0.5, 2), kind="relative_inverse")


@pytest.mark.parametrize("kind", render.KINDS)
def test_depth_is_near_bright_and_unknown_black(kind):
    depth = np.array([[0.0, 1, 2], [np.nan, 3, 4]])
    figure = visualize.draw_depth(depth, random_picture(2, 3), kind=kind)
    _, axes = panels(figure)
    image = top_image(axes)
    low = 1 if kind == "metric" else 0
    assert image.get_clim() == (low, 4)
    assert bars(figure) == ["depth (metres)" if kind == "metric" else "inverse depth (no unit)"]
    drawn = image.to_rgba(image.get_array(), bytes=True)[..., :3]
    expected = render.colorize(depth, kind=kind)
    assert_close(
        drawn.astype(int), expected.astype(int), atol=4
    )  # neighbours in a table of 256: rounded there, cut here
    assert (drawn[1, 0] == 0).all()
    assert len(panels(visualize.draw_depth(depth, kind=kind))) == 1


@pytest.mark.parametrize("depth", [np.full((2, 3), 2.0), np.full((2, 3), np.nan)], ids=["constant", "unknown"])
def test_depth_with_nothing_to_show_is_drawn(depth):
    assert panels(visualize.draw_depth(depth, kind="metric"))[0].get_title() == "depth map"


def test_errors_are_of_the_fitted_map():
    target = np.arange(12.0).reshape(3, 4) + 1
    depth = 0.5 * target + 3 + np.array([[1], [-2], [1]])  # bends that no scale and shift take away
    target[2, 3], depth[0, 0] = np.nan, 0
    figure = visualize.draw_errors(depth, target, random_picture(3, 4), kind="metric", names=("mine", "theirs"))
    _, second, first, error = panels(figure)
    fitted, scale, _ = visualize.align(depth, target, kind="metric")
    assert_close(np.ma.filled(top_image(first).get_array(), np.nan), fitted)
    assert np.isnan(fitted[0, 0])
    for axes in (first, second):
        assert top_image(axes).get_clim() == (1, 11)
    shown = top_image(error)
    known = (depth > 0) & np.isfinite(target)
    assert_close(shown.get_array()[known], (fitted - target)[known])
    assert shown.get_array().mask[~known].all()
    assert error.get_facecolor()[:3] == (0, 0, 0)
    assert shown.get_clim() == (-np.abs((fitted - target)[known]).max(), np.abs((fitted - target)[known]).max())
    assert second.get_title() == "theirs"
    assert f"{scale:.3g}" in first.get_title()
    assert bars(figure) == ["depth (metres)", "error (metres)"]


# ---------------------------------------------------------------- other encoders


def test_registers_are_not_patches():
    model = DPTForDepthEstimation(DPTConfig(**under(REGISTERS)), backend="numpy")
    prefix = model.encoder.prefix_tokens
    tape = run(model, size=(42, 70))
    assert prefix == 4
    figure = visualize.draw_attention(tape, PHOTO, GRID, patch=(0, 0), prefix=prefix)
    weights = tape["blocks.0.attention.weights"]
    assert_close(top_image(panels(figure)[1]).get_array(), weights[0, 1, 4, 4:].reshape(GRID))
    assert len(panels(visualize.draw_features(tape, PHOTO, GRID, prefix=prefix))) == 5 * 5
    (axes,) = panels(visualize.draw_norms(tape, prefix=prefix))
    assert [line.get_label() for line in axes.get_lines()][1:] == ["class token", "other tokens before the grid: mean"]
    with pytest.raises(ValueError, match=r"blocks\.0\.attention\.weights: expected 1 \+ 3 x 5 tokens"):
        visualize.draw_attention_distance(tape, GRID, 8)


def test_the_hybrid_has_two_maps_and_two_rows_of_tokens():
    tape = run(DPTForDepthEstimation(DPTConfig(**HYBRID), backend="numpy"), size=(48, 80))
    found = panels(visualize.draw_features(tape, PHOTO, GRID))
    sizes = [axes.get_title() for axes in found if axes.get_title().startswith("taps")]
    assert [title.partition("\n")[0] for title in sizes] == [
        "taps.0: 12 × 20 × 16", "taps.1: 6 × 10 × 32", "taps.2: 3 × 5 × 32", "taps.3: 3 × 5 × 32",
    ]  # fmt: skip


def test_windows_have_maps_and_norms_but_no_attention_of_the_whole():
    config = DPTConfig(**under(SWIN, neck_hidden_sizes=[16, 32, 64, 128]))
    model = DPTForDepthEstimation(config, backend="numpy")
    tape = run(model, size=(64, 96))
    with pytest.raises(ValueError, match=r"stages\.0\.blocks\.0\.attention\.weights.*within windows"):
        visualize.draw_attention(tape, PHOTO, (16, 24), patch=(0, 0), prefix=0)
    assert len(panels(visualize.draw_features(tape, PHOTO, (16, 24), prefix=0))) == 4 * 5
    (axes,) = panels(visualize.draw_norms(tape))
    assert len(axes.get_lines()) == 1
    assert axes.get_xticklabels()[-1].get_text() == "stages.3.blocks.0"


def test_of_windows_and_whole_grids_the_whole_ones_are_drawn():
    tape = run(DPTForDepthEstimation(DPTConfig(**under(VITDET)), backend="numpy"), size=(40, 56))
    names = [f"blocks.{i}.attention.weights" for i in (1, 3)]
    whole = {name: tape[name] for name in names}
    figure = visualize.draw_attention(whole, PHOTO, (5, 7), patch=(4, 6), prefix=0, index=1)
    found = panels(figure)
    assert_close(top_image(found[4]).get_array(), tape[names[1]][1, 0, 34].reshape(5, 7))
    assert [axes.get_xlabel() for axes in found] == [""] * 8
    with pytest.raises(ValueError, match=r"blocks\.0.*within windows"):
        visualize.draw_attention(tape, PHOTO, (5, 7), patch=(4, 6), prefix=0)


def test_a_tape_without_what_a_figure_needs_is_refused(tape):
    for draw in (visualize.draw_norms, lambda tape: visualize.draw_attention(tape, PHOTO, GRID, patch=None)):
        with pytest.raises(ValueError, match=r"expected names like blocks\.0.*found neck\.0; record"):
            draw({"neck.0": tape["neck.0"]})
    with pytest.raises(ValueError, match=r"neck\.0: expected index from 0 to 1, got 2"):
        visualize.draw_features({"neck.0": tape["neck.0"]}, PHOTO, GRID, index=2)


def test_figures_leave_pyplot_alone():
    code = (
        "import sys, io, numpy as np; from minidpt import visualize as v; "
        "v.draw_depth(np.ones((2, 3)), kind='metric').savefig(io.BytesIO()); print('matplotlib.pyplot' in sys.modules)"
    )
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "False"
