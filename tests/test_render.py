"""Depth and labels as pictures: near is bright, nothing ever divides by zero, every class has a colour of its own."""

import numpy as np
import pytest
from checks import assert_close

from minidpt import render

RAMP = np.linspace(-3, 7, 35, dtype=np.float32).reshape(5, 7)
NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("name", render.COLORMAPS)
def test_color_table_has_256_rows_and_is_read_only(name):
    table = render.color_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert not table.flags.writeable
    assert len(np.unique(table, axis=0)) > 200


def test_color_tables_equal_matplotlib():
    colormaps = pytest.importorskip("matplotlib").colormaps
    for name in render.COLORMAPS:
        assert_close(render.color_table(name), colormaps[name](np.arange(256), bytes=True)[:, :3], name=name)


@pytest.mark.parametrize("kind", render.KINDS)
@pytest.mark.parametrize("colormap", ["inferno", "magma", "viridis", "gray"])
def test_colorize_near_is_bright_for_both_kinds(kind, colormap):
    depth = RAMP + 5  # above zero, as metres are
    light = render.colorize(depth, colormap=colormap, kind=kind).sum(axis=2, dtype=int)
    nearest = depth.argmin() if kind == "metric" else depth.argmax()
    assert light.argmax() == nearest
    assert light.reshape(-1)[nearest] > light.min()


def test_colorize_takes_the_row_of_the_rounded_shade():
    depth = np.array([[0.0, 1.0, 2.0, 4.0]], np.float32)
    table = render.color_table("turbo")
    assert_close(render.colorize(depth, kind="relative_inverse", colormap="turbo")[0], table[[0, 64, 128, 255]])
    ranged = render.colorize(depth, kind="relative_inverse", colormap="turbo", value_range=(1, 2))
    assert_close(ranged[0], table[[0, 0, 255, 255]], name="clipped to the range")
    metric = render.colorize(depth, kind="metric", colormap="turbo", value_range=(0, 4))
    assert_close(metric[0], [[0, 0, 0], *table[[191, 128, 0]]], name="0 m is not valid")


@pytest.mark.parametrize("kind", render.KINDS)
@pytest.mark.parametrize(
    ("claim", "depth"),
    [
        ("constant", np.full((3, 4), 2.5)),
        ("all zero", np.zeros((3, 4))),
        ("one pixel", np.ones((1, 1))),
        ("all NaN", np.full((3, 4), NAN)),
        ("all infinite", np.full((3, 4), -INF)),
        ("constant but for rounding", 3 + np.arange(12).reshape(3, 4) * 2.0**-22),
        ("constant but for a hole", np.array([[2.0, NAN]])),
    ],
)
def test_map_without_contrast_is_black(claim, depth, kind):
    depth = depth.astype(np.float32)
    assert not render.normalize(depth, kind=kind).any(), claim
    assert not render.colorize(depth, kind=kind, colormap="viridis").any(), claim
    if kind == "relative_inverse":
        assert not render.to_uint16(depth, kind=kind).any(), claim


def test_constant_map_with_a_range_keeps_its_colour():
    depth = np.full((2, 3), 5.0, np.float32)
    colored = render.colorize(depth, kind="relative_inverse", value_range=(0, 10))
    assert_close(colored, np.broadcast_to(render.color_table("inferno")[128], (2, 3, 3)))


@pytest.mark.parametrize("kind", render.KINDS)
def test_pixels_that_are_not_finite_are_black_and_leave_the_rest_alone(kind):
    depth = RAMP + 5
    holed = depth.copy()
    holed[1, 2], holed[3, 3], holed[4, 0] = NAN, INF, -INF
    colored = render.colorize(holed, kind=kind, colormap="viridis")
    whole = render.colorize(depth, kind=kind, colormap="viridis")
    finite = np.isfinite(holed)
    assert not colored[~finite].any()
    assert_close(colored[finite], whole[finite])
    assert not render.to_uint16(holed, kind=kind)[~finite].any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_normalize_spans_0_to_1_for_any_dtype(dtype):
    shade = render.normalize(RAMP.astype(dtype), kind="relative_inverse")
    assert shade.dtype == np.float64
    assert (shade.min(), shade.max()) == (0, 1)


def test_normalize_survives_the_largest_floats():
    depth = np.array([[-3e38, 0, 3e38]], np.float32)
    assert_close(render.normalize(depth, kind="relative_inverse"), [[0, 0.5, 1]], atol=1e-15)  # one rounding of float64


def test_to_uint16_follows_its_formula():
    expected = np.rint((RAMP.astype(np.float64) - RAMP.min()) / float(RAMP.max() - RAMP.min()) * 65535)
    relative = render.to_uint16(RAMP, kind="relative_inverse")
    assert relative.dtype == np.uint16
    assert_close(relative, expected, name="relative")
    metres = np.array([[1.2344, 0.0006, 65.535, 65.6, 1e9, 0.0, -1.0, NAN, INF]], np.float32)
    assert_close(render.to_uint16(metres, kind="metric"), [[1234, 1, 65535, 65535, 65535, 0, 0, 0, 0]], name="metric")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: render.colorize(RAMP, kind="depth"), "relative_inverse, metric"),
        (lambda: render.colorize(RAMP, kind="metric", colormap="jet"), "inferno, turbo"),
        (lambda: render.colorize(RAMP[None], kind="metric"), r"\(1, 5, 7\)"),
        (lambda: render.colorize(RAMP[:0], kind="metric"), r"\(0, 7\)"),
        (lambda: render.normalize(RAMP, kind="metric", value_range=(2, 2)), "low < high"),
        (lambda: render.normalize(RAMP, kind="metric", value_range=(0, NAN)), "low < high"),
        (lambda: render.palette(0), "at least one"),
        (lambda: render.label_colors(RAMP), "float32"),
        (lambda: render.overlay(np.zeros((5, 6, 3), np.uint8), np.zeros((5, 7), int)), r"\(5, 6\)"),
        (lambda: render.overlay(np.zeros((5, 7, 3), np.uint8), np.zeros((5, 7), int), alpha=1.5), "1.5"),
        (lambda: render.side_by_side(np.zeros((5, 7, 3), np.uint8), np.zeros((6, 7, 3), np.uint8)), "one height"),
        (lambda: render.side_by_side(np.zeros((5, 7)), np.zeros((5, 7, 3), np.uint8)), "RGB"),
    ],
)
def test_wrong_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_palette_colours_differ_from_each_other_and_from_black_and_white():
    colors = render.palette(render.PALETTE_SIZE)
    assert len(np.unique(colors, axis=0)) == render.PALETTE_SIZE
    ends = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    for num_classes, least in [(21, 35), (150, 15)]:  # CIELAB; about 2 is the smallest difference that the eye sees
        lab = render._lab(np.concatenate([colors[:num_classes], ends]) / 255)
        distance = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 1000 * np.eye(num_classes + 2)
        assert distance.min() > least, num_classes


def test_palette_keeps_a_class_colour_and_repeats_beyond_its_end():
    assert_close(render.palette(7), render.palette(150)[:7])
    long = render.palette(render.PALETTE_SIZE + 3)
    assert_close(long[-3:], long[:3])
    long[:] = 0
    assert render.palette(3).any(), "a caller's change must not reach the next caller"


def test_overlay_mixes_picture_and_colours():
    image = np.full((2, 3, 3), 100, np.uint8)
    labels = np.array([[0, 1, 2], [2, 1, -1]])
    colors = render.label_colors(labels)
    assert not colors[1, 2].any()
    mixed = render.overlay(image, labels, alpha=0.25)
    assert_close(mixed[0], np.rint(75 + 0.25 * colors[0].astype(float)))
    assert_close(mixed[1, 2], [100, 100, 100], name="unknown keeps the picture")
    assert_close(render.overlay(image, np.abs(labels), alpha=0), image)
    assert_close(render.overlay(image, np.abs(labels), alpha=1), render.label_colors(np.abs(labels)))


def test_class_shares_lists_the_largest_first():
    labels = np.array([[3, 3, 3, 0], [0, 7, -1, 5]])
    assert render.class_shares(labels) == {3: 3 / 8, 0: 2 / 8, 5: 1 / 8, 7: 1 / 8}


def test_legend_shows_the_colour_of_each_class_that_occurs():
    labels = np.array([[4, 4, 0]])
    picture = render.legend(labels, {0: "wall", 4: "a name\nof two lines", 9: "absent"})
    shown = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    colors = [tuple(color) for color in render.palette(10).tolist()]
    assert colors[0] in shown
    assert colors[4] in shown
    assert colors[9] not in shown
    assert render.legend(np.array([[-1]]), {}).shape[2] == 3, "nothing known is still a picture"


def test_side_by_side_joins_left_and_right():
    left, right = np.zeros((2, 3, 3), np.uint8), np.full((2, 4, 3), 9, np.uint8)
    joined = render.side_by_side(left, right)
    assert joined.shape == (2, 7, 3)
    assert joined[:, 3:].all()
    assert not joined[:, :3].any()
