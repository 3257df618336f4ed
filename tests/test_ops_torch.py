"""The NumPy ops against torch's, one comparison each."""

import numpy as np
import pytest
from checks import assert_close

from minidpt.ops import attention, conv, pointwise, resize

torch = pytest.importorskip("torch", reason="torch is the reference here; it comes with the parity extra")
F = torch.nn.functional

ROUNDING = {"atol": 2e-5, "rtol": 1e-5}  # both sides round in float32; sums of at most 200 terms of size about 1


def tensors(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def first(x):
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


def test_linear_and_norms_equal_torch():
    x, weight, bias, scale, shift = tensors((2, 3, 8), (5, 8), (5,), (8,), (8,))
    ours = pointwise.linear(x.numpy(), weight.numpy(), bias.numpy(), activation="gelu")
    assert_close(ours, F.gelu(F.linear(x, weight, bias)), **ROUNDING, name="linear")
    ours = pointwise.layer_norm(x.numpy(), scale.numpy(), shift.numpy(), eps=1e-6)
    assert_close(ours, F.layer_norm(x, (8,), scale, shift, 1e-6), **ROUNDING, name="layer_norm")
    (maps,) = tensors((2, 5, 3, 8))
    ours = pointwise.group_norm(maps.numpy(), scale.numpy(), shift.numpy(), groups=4, eps=1e-5)
    assert_close(ours, last(F.group_norm(first(maps), 4, scale, shift, 1e-5)), **ROUNDING, name="group_norm")
    mean, variance = shift, scale.abs() + 0.1
    ours = pointwise.batch_norm(*(t.numpy() for t in (maps, scale, shift, mean, variance)))
    assert_close(ours, last(F.batch_norm(first(maps), mean, variance, scale, shift)), **ROUNDING, name="batch_norm")


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("gelu", F.gelu),
        ("gelu_new", lambda x: F.gelu(x, approximate="tanh")),
        ("hardswish", F.hardswish),
        ("relu", F.relu),
        ("silu", F.silu),
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
    ],
)
def test_activations_equal_torch(name, function):
    x = torch.linspace(-20, 20, 401)
    assert_close(pointwise.activate(x.numpy(), name), function(x), atol=2e-6, rtol=2e-6, name=name)  # a few ulp


def test_attention_equals_torch():
    query, key, value = tensors((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4))
    ours = attention.attend(query.numpy(), key.numpy(), value.numpy())
    assert_close(ours, F.scaled_dot_product_attention(query, key, value), **ROUNDING, name="attend")


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 2, 0), (5, 3, 2)])
def test_conv2d_equals_torch(kernel, stride, padding):
    x, weight, bias = tensors((2, 9, 7, 4), (6, 4, kernel, kernel), (6,))
    ours = conv.conv2d(x.numpy(), weight.numpy(), bias.numpy(), stride=stride, padding=padding, activation="relu")
    theirs = F.relu(F.conv2d(first(x), weight, bias, stride, padding))
    assert_close(ours, last(theirs), **ROUNDING, name="conv2d")


@pytest.mark.parametrize("factor", [2, 4])
def test_conv_transpose2d_equals_torch(factor):
    x, weight, bias = tensors((2, 3, 5, 4), (4, 6, factor, factor), (6,))
    ours = conv.conv_transpose2d(x.numpy(), weight.numpy(), bias.numpy())
    assert_close(ours, last(F.conv_transpose2d(first(x), weight, bias, factor)), **ROUNDING, name="conv_transpose2d")


@pytest.mark.parametrize(("groups", "stride"), [(2, 1), (4, 2), (8, 1)])
def test_conv2d_in_groups_equals_torch(groups, stride):
    x, weight, bias = tensors((2, 5, 7, 8), (16, 8 // groups, 3, 3), (16,))
    ours = conv.conv2d(x.numpy(), weight.numpy(), bias.numpy(), stride=stride, padding=1, groups=groups)
    theirs = F.conv2d(first(x), weight, bias, stride, 1, groups=groups)
    assert_close(ours, last(theirs), **ROUNDING, name="conv2d")


# kernel, stride, padding, output_padding
@pytest.mark.parametrize("case", [(3, 2, 1, 1), (3, 2, 1, 0), (4, 3, 2, 2), (3, 1, 1, 0), (2, 2, 0, 1)], ids=str)
def test_conv_transpose2d_with_a_stride_equals_torch(case):
    kernel, stride, padding, output_padding = case
    x, weight, bias = tensors((2, 3, 5, 4), (4, 6, kernel, kernel), (6,))
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    ours = conv.conv_transpose2d(x.numpy(), weight.numpy(), bias.numpy(), **options)
    assert_close(ours, last(F.conv_transpose2d(first(x), weight, bias, **options)), **ROUNDING, name="conv_transpose2d")


@pytest.mark.parametrize("size", [(6, 4), (5, 7), (1, 3)])
def test_avg_pools_equal_torch(size):
    (x,) = tensors((2, *size, 3))
    theirs = F.avg_pool2d(first(x), 2, ceil_mode=True, count_include_pad=False)
    assert_close(conv.avg_pool2d(x.numpy(), 2), last(theirs), **ROUNDING, name="avg_pool2d")
    tokens = x.flatten(1, 2)
    theirs = F.avg_pool1d(tokens.transpose(1, 2), 3).transpose(1, 2)
    assert_close(conv.avg_pool_tokens(tokens.numpy(), 3), theirs, **ROUNDING, name="avg_pool_tokens")


def test_max_pool2d_equals_torch_after_zero_padding():
    (x,) = tensors((2, 6, 7, 3))
    theirs = F.max_pool2d(F.pad(first(x), (0, 1, 0, 1)), 3, 2)
    assert_close(conv.max_pool2d(x.numpy(), 3, stride=2, padding=((0, 1), (0, 1))), last(theirs), name="max_pool2d")


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", [((5, 7), (11, 3)), ((24, 24), (30, 17)), ((3, 2), (1, 8))], ids=str)
def test_resize_equals_torch(mode, align_corners, sizes):
    (x,) = tensors((2, *sizes[0], 3))
    function = resize.resize_bilinear if mode == "bilinear" else resize.resize_bicubic
    theirs = F.interpolate(first(x), sizes[1], mode=mode, align_corners=align_corners)
    # torch takes positions in float32: up to 30 pixels times 6e-8, times a slope of about 3
    assert_close(function(x.numpy(), sizes[1], align_corners=align_corners), last(theirs), atol=5e-5, name=mode)


def test_standardize_weight_equals_torch_batch_norm():
    (weight,) = tensors((6, 4, 3, 3))
    theirs = F.batch_norm(weight.reshape(1, 6, -1), None, None, training=True, momentum=0.0, eps=1e-8)
    ours = conv.standardize_weight(weight.numpy())
    assert_close(ours, theirs.reshape(weight.shape), **ROUNDING, name="standardize_weight")


def test_results_are_float32_for_float32():
    x, weight = tensors((2, 4, 4, 3), (5, 3, 3, 3))
    assert conv.conv2d(x.numpy(), weight.numpy()).dtype == np.float32
