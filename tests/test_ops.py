"""The NumPy ops against naive float64 loops, over odd, unequal, small shapes."""

import naive
import numpy as np
import pytest
from checks import arrays, assert_close, check, positive

from minidpt import ops
from minidpt.errors import ConfigError
from minidpt.ops import attention, backends, conv, layout, pointwise, resize


@pytest.mark.parametrize("activation", [None, *pointwise.ACTIVATIONS])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 2, 3, 5), (7, 5)])
def test_linear_equals_loops(shape, activation):
    x, weight, bias, residual = arrays(shape, (4, 5), (4,), (*shape[:-1], 4))
    check(pointwise.linear, x, weight, bias, activation=activation, residual=residual)
    check(pointwise.linear, x, weight)
    (scale,) = arrays((4,), seed=1)
    check(pointwise.linear, x, weight, bias, activation=activation, scale=scale, residual=residual)
    check(pointwise.linear, x, weight, scale=scale)


@pytest.mark.parametrize("activation", [None, *pointwise.ACTIVATIONS])
def test_activate_equals_formula_far_out_too(activation):
    check(pointwise.activate, np.array([-1000, -5, -0.3, 0, 0.3, 5, 1000], np.float32), activation)


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 3, 4), (2, 1, 4)])
def test_add_broadcasts_over_batch_or_tokens(shape):
    check(pointwise.add, *arrays((2, 3, 4), shape))


@pytest.mark.parametrize("shape", [(2, 3, 4), (5,), (1, 3, 2, 4)])
def test_multiply_equals_loops(shape):
    check(pointwise.multiply, *arrays(shape), 0.7)


@pytest.mark.parametrize("activation", [None, "silu", "gelu", "relu"])
@pytest.mark.parametrize("shape", [(2, 3, 10), (7, 2), (1, 3, 2, 4)])
def test_gated_equals_loops(shape, activation):
    check(pointwise.gated, *arrays(shape), activation)


@pytest.mark.parametrize("eps", [1e-12, 1.5])
def test_unit_length_equals_loops(eps):
    (x,) = arrays((2, 3, 5, 4))
    x[0, 0, 0] = 0  # no direction: stays zero
    check(pointwise.unit_length, x, eps)
    lengths = np.sqrt((pointwise.unit_length(x) ** 2).sum(axis=-1))
    assert_close(np.delete(lengths.ravel(), 0), np.ones(lengths.size - 1), atol=1e-6, name="lengths")  # four roundings


def test_inverse_depth_equals_loops_and_stops_before_infinity():
    (x,) = arrays((2, 3, 5))
    check(pointwise.inverse_depth, positive(x), 0.000305, 0.1378)
    below = np.array([0, -1, -2000], np.float32)  # scale x + shift is positive, then far below zero
    assert_close(
        pointwise.inverse_depth(below, 0.000305, 0.1378), naive.inverse_depth(below, 0.000305, 0.1378), rtol=1e-6
    )


@pytest.mark.parametrize("eps", [1e-12, 1e-5])
def test_layer_norm_equals_loops(eps):
    check(pointwise.layer_norm, *arrays((2, 3, 7), (7,), (7,)), eps=eps)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_group_norm_equals_loops(groups, activation):
    check(pointwise.group_norm, *arrays((2, 3, 5, 6), (6,), (6,)), groups=groups, eps=1e-5, activation=activation)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_batch_norm_equals_loops(activation):
    x, weight, bias, mean, variance = arrays((2, 3, 5, 4), (4,), (4,), (4,), (4,))
    check(pointwise.batch_norm, x, weight, bias, mean, positive(variance), activation=activation)


def test_attention_equals_loops():
    query, key, value = arrays((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))
    check(attention.attention_weights, query, key)
    check(attention.attend, query, key, value)


ATTENTION_OPTIONS = {  # six sequences, three heads, five queries, seven keys
    "one factor": {"scale": 0.3},
    "no factor": {"scale": 1.0},
    "a factor per head": {"scale": np.array([0.2, 1.5, 4], np.float32)},
    "bias": {"bias": (3, 5, 7)},
    "bias per sequence": {"bias": (6, 3, 5, 7)},
    "mask of two windows": {"mask": (2, 5, 7)},
    "mask of one window": {"mask": (1, 5, 7)},
    "all": {"scale": np.array([0.2, 1.5, 4], np.float32), "bias": (3, 5, 7), "mask": (3, 5, 7)},
    "all per sequence": {"scale": 0.3, "bias": (6, 3, 5, 7), "mask": (6, 5, 7)},
}


@pytest.mark.parametrize("options", ATTENTION_OPTIONS.values(), ids=ATTENTION_OPTIONS.keys())
def test_attention_with_options_equals_loops(options):
    query, key, value = arrays((6, 3, 5, 4), (6, 3, 7, 4), (6, 3, 7, 2))
    options = {name: arrays(o, seed=1)[0] if isinstance(o, tuple) else o for name, o in options.items()}
    if "mask" in options:  # what must not be seen, as Swin forbids it
        options["mask"] = np.where(options["mask"] > 0.5, np.float32(-100), np.float32(0))
        assert (options["mask"] < 0).any()
    check(attention.attention_weights, query, key, **options)
    check(attention.attend, query, key, value, **options)


@pytest.mark.parametrize("grid", [(2, 3), (4, 1), (1, 1), (3, 3)], ids=str)
def test_relative_bias_equals_loops(grid):
    table, class_bias = arrays((2, 2 * grid[0] - 1, 2 * grid[1] - 1), (2, 3))
    check(attention.relative_bias, table, grid)
    check(attention.relative_bias, table, grid, class_bias)


@pytest.mark.parametrize("grid", [(2, 3), (4, 1), (1, 1), (3, 2)], ids=str)
def test_axis_bias_equals_loops(grid):
    h, w = grid
    check(attention.axis_bias, *arrays((2, 3, h * w, 4), (h, h, 4), (w, w, 4)))


def test_attention_survives_huge_scores():
    query, key = arrays((1, 1, 3, 4), (1, 1, 5, 4))
    weights = attention.attention_weights(query * 1e4, key)
    assert np.isfinite(weights).all()
    assert_close(weights.sum(axis=-1), np.ones((1, 1, 3)), atol=1e-6, name="row sums")  # five roundings


CONVOLUTIONS = [
    # H, W, C, O, R, S, stride, padding, dilation
    (5, 7, 3, 4, 3, 3, 1, 1, 1),
    (5, 7, 3, 4, 3, 3, 2, 1, 1),
    (6, 5, 2, 3, 3, 3, 2, 1, 1),
    (4, 6, 3, 2, 1, 1, 2, 0, 1),
    (9, 8, 3, 2, 7, 7, 2, ((2, 3), (3, 2)), 1),
    (3, 3, 2, 2, 3, 3, 1, 0, 1),
    (5, 4, 2, 3, 2, 3, 3, ((1, 0), (0, 2)), 1),
    (5, 7, 3, 4, 3, 3, 1, 2, 2),
    (6, 9, 2, 3, 3, 3, 2, 2, 2),
    (3, 8, 2, 3, 2, 3, 1, ((3, 1), (0, 4)), 4),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv2d_equals_loops(case):
    h, w, c, o, r, s, stride, padding, dilation = case
    x, weight, bias = arrays((2, h, w, c), (o, c, r, s), (o,))
    where = {"stride": stride, "padding": padding, "dilation": dilation}
    (residual,) = arrays((2, *conv.output_size((h, w), (r, s), **where), o), seed=1)
    check(conv.conv2d, x, weight, **where)
    fused = {"pre_activation": "relu", "activation": "gelu", "residual": residual}
    check(conv.conv2d, x, weight, bias, **where, **fused)


GROUPED = [
    # C, O, groups, R, S, stride, padding
    (6, 6, 3, 3, 3, 1, 1),
    (6, 4, 2, 3, 2, 2, ((1, 0), (0, 2))),
    (4, 8, 4, 1, 1, 1, 0),
    (3, 6, 3, 3, 3, 1, 1),
]


@pytest.mark.parametrize("case", GROUPED, ids=str)
def test_conv2d_in_groups_equals_loops(case):
    c, o, groups, r, s, stride, padding = case
    x, weight, bias = arrays((2, 5, 4, c), (o, c // groups, r, s), (o,))
    size = conv.output_size((5, 4), (r, s), stride, padding)
    (residual,) = arrays((2, *size, o), seed=1)
    check(conv.conv2d, x, weight, stride=stride, padding=padding, groups=groups)
    fused = {"pre_activation": "relu", "activation": "hardswish", "residual": residual}
    check(conv.conv2d, x, weight, bias, stride=stride, padding=padding, groups=groups, **fused)


@pytest.mark.parametrize("factor", [2, 4, 3])
def test_conv_transpose2d_equals_loops(factor):
    check(conv.conv_transpose2d, *arrays((2, 2, 3, 4), (4, 5, factor, factor), (5,)))
    check(conv.conv_transpose2d, *arrays((2, 2, 3, 4), (4, 5, factor, factor)))


OVERLAPPING = [
    # R, S, stride, padding, output_padding
    (3, 3, 2, 1, 1),
    (3, 3, 2, 1, 0),
    (3, 3, 1, 1, 0),
    (3, 2, 2, 0, 0),
    (2, 2, 2, 0, 1),
    (2, 2, 2, 1, 0),
    (2, 3, 4, 0, 0),
    (4, 4, 3, 2, 2),
]


@pytest.mark.parametrize("case", OVERLAPPING, ids=str)
def test_conv_transpose2d_with_a_stride_equals_loops(case):
    r, s, stride, padding, output_padding = case
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    x, weight, bias = arrays((2, 2, 3, 4), (4, 5, r, s), (5,))
    check(conv.conv_transpose2d, x, weight, bias, **options)
    check(conv.conv_transpose2d, x, weight, **options)


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 2), (3, 1)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_avg_pool2d_equals_loops_at_cut_borders_too(size, kernel_size):
    check(conv.avg_pool2d, *arrays((2, *size, 3)), kernel_size)


@pytest.mark.parametrize(("tokens", "length"), [(6, 3), (7, 2), (5, 5), (9, 4), (4, 1)])
def test_avg_pool_tokens_equals_loops(tokens, length):
    check(conv.avg_pool_tokens, *arrays((2, tokens, 3)), length)


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 2)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_other_equals_loops(size, stride):
    check(layout.every_other, *arrays((2, *size, 3)), stride)


def test_concat_channels_equals_loops():
    check(layout.concat_channels, *arrays((2, 3, 4, 5), (2, 3, 4, 2)))


@pytest.mark.parametrize("part", [(), (0, 2), (2, 5), (3,), (1, 1)], ids=str)
def test_split_heads_takes_a_part_of_each_head(part):
    check(layout.split_heads, *arrays((2, 4, 15)), 3, *part)


@pytest.mark.parametrize(("size", "padding"), [((6, 5), ((0, 1), (1, 1))), ((7, 8), 1), ((5, 5), 0)])
def test_max_pool2d_equals_loops(size, padding):
    (x,) = arrays((2, *size, 3))
    check(conv.max_pool2d, positive(x), 3, stride=2, padding=padding)


def test_standardize_weight_equals_loops():
    (weight,) = arrays((4, 3, 3, 5))
    check(conv.standardize_weight, weight)


RESIZES = [((3, 5), (6, 10)), ((4, 4), (7, 3)), ((5, 7), (2, 9)), ((1, 3), (4, 1)), ((2, 2), (1, 1)), ((3, 4), (3, 4))]


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", RESIZES, ids=str)
def test_resize_equals_loops(sizes, align_corners):
    (x,) = arrays((2, *sizes[0], 3))
    check(resize.resize_bilinear, x, sizes[1], align_corners=align_corners)
    check(resize.resize_bicubic, x, sizes[1], align_corners=align_corners)


@pytest.mark.parametrize("sizes", [*RESIZES, ((9, 11), (3, 2)), ((2, 13), (5, 4))], ids=str)
def test_antialiased_resize_equals_loops(sizes):
    (x,) = arrays((2, *sizes[0], 3))
    check(resize.resize_bicubic, x, sizes[1], antialias=True)


def test_resize_scale_rounds_down():
    (x,) = arrays((1, 3, 5, 2))
    assert resize.resize_bilinear(x, scale=1.5, align_corners=True).shape == (1, 4, 7, 2)
    check(resize.resize_bilinear, x, scale=2, align_corners=True)


def test_layout_moves_the_right_elements():
    (x,) = arrays((2, 4, 6, 3))
    cut = layout.patches(x, 2)
    assert cut.shape == (2, 6, 12)
    assert np.array_equal(cut[1, 4], x[1, 2:4, 2:4].transpose(2, 0, 1).ravel())
    (tokens, token) = arrays((2, 6, 8), (1, 1, 8))
    longer = layout.prepend_token(token, tokens)
    assert np.array_equal(longer[1, 0], token[0, 0])
    assert np.array_equal(layout.take_tokens(longer, 1), tokens)
    grid = layout.tokens_to_map(tokens, (2, 3))
    assert np.array_equal(grid[1, 1, 0], tokens[1, 3])
    assert layout.map_size(grid) == (2, 3)
    assert np.array_equal(layout.map_to_tokens(grid), tokens)
    heads = layout.split_heads(tokens, 4)
    assert np.array_equal(heads[1, 2, 3], tokens[1, 3, 4:6])
    assert np.array_equal(layout.merge_heads(heads), tokens)
    assert np.array_equal(layout.channels_last(x.transpose(0, 3, 1, 2)), x)
    assert np.array_equal(layout.channels_first(x), x.transpose(0, 3, 1, 2))
    assert np.array_equal(layout.token(tokens, 2), tokens[:, 2])
    assert np.array_equal(layout.drop_channel(x[..., :1]), x[..., 0])
    copy = layout.to_numpy(x)
    assert not np.shares_memory(copy, x)


WRONG = [
    (pointwise.linear, [(2, 3), (4, 5)], {}),
    (pointwise.group_norm, [(1, 2, 2, 6), (6,), (6,)], {"groups": 4, "eps": 1e-5}),
    (attention.attention_weights, [(1, 1, 2, 3), (1, 1, 2, 4)], {}),
    (attention.attend, [(1, 1, 2, 3), (1, 1, 5, 3), (1, 1, 4, 3)], {}),
    (conv.conv2d, [(1, 5, 5, 3), (2, 4, 3, 3)], {}),
    (conv.conv2d, [(1, 2, 2, 3), (2, 3, 3, 3)], {}),
    (conv.conv2d, [(1, 5, 5, 6), (4, 6, 3, 3)], {"groups": 2}),
    (conv.conv2d, [(1, 5, 5, 6), (3, 3, 3, 3)], {"groups": 2}),
    (conv.conv2d, [(1, 4, 4, 3), (2, 3, 3, 3)], {"dilation": 2}),
    (conv.conv_transpose2d, [(1, 2, 2, 3), (4, 3, 2, 2), (3,)], {}),
    (conv.avg_pool_tokens, [(1, 5, 4)], {"length": 6}),
    (layout.patches, [(1, 5, 4, 3)], {"patch_size": 2}),
    (layout.tokens_to_map, [(1, 5, 4)], {"grid": (2, 3)}),
    (layout.split_heads, [(1, 5, 4)], {"num_heads": 3}),
    (layout.drop_channel, [(1, 5, 4, 2)], {}),
    (layout.windows, [(1, 5, 4, 2)], {"size": (2, 2)}),
    (pointwise.gated, [(2, 5)], {"activation": "silu"}),
    (attention.relative_bias, [(2, 3, 3)], {"grid": (2, 3)}),
    (attention.axis_bias, [(1, 2, 5, 4), (2, 2, 4), (3, 3, 4)], {}),
    (resize.resize_bilinear, [(5, 4, 2)], {"size": (2, 2), "align_corners": True}),
    (resize.resize_bilinear, [(1, 5, 4, 2)], {"align_corners": True}),
    (resize.resize_bicubic, [(1, 5, 4, 2)], {"size": (0, 2)}),
]


@pytest.mark.parametrize(("op", "shapes", "options"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_ops_refuse_shapes_that_do_not_fit(op, shapes, options):
    with pytest.raises(ValueError, match=r"\d|size=None"):  # the message names what clashes
        op(*arrays(*shapes), **options)


def test_every_backend_fills_the_whole_menu():
    for name in ("numpy", "numba"):  # cuda's: test_ops_cuda.py
        backend, _ = ops.choose(name)
        assert backend.name == name
        assert set(backend.ops) == ops.OP_NAMES
    with pytest.raises(ValueError, match="linear"):
        backends.Backend("broken", dict.fromkeys(ops.OP_NAMES - {"linear"}))


def test_using_changes_the_backend_inside_the_block_only():
    shouting = backends.Backend("shouting", {**backends.NUMPY.ops, "add": lambda x, y: "ADD"})
    with ops.using(shouting):
        assert ops.add(1, 2) == "ADD"
    assert ops.add(1, 2) == 3
    with pytest.raises(AttributeError, match="no op"):
        ops.im2col  # noqa: B018


def test_choose_falls_back_to_the_next_more_exact_precision():
    assert ops.choose("numpy", "medium")[1] == "highest"
    for wrong in (("tpu", "highest"), ("numpy", "fp4")):
        with pytest.raises(ConfigError, match="not one of"):
            ops.choose(*wrong)
