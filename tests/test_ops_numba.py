"""Numba's column of the op table against NumPy's: every op, odd sizes and tails, every family, NaN and infinity."""

import sys
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import numpy as np
import pytest
from checks import assert_close
from columns import beside_numpy
from conftest import FASTEST
from families import FAMILIES
from hypothesis import given, settings
from hypothesis import strategies as st
from test_families import depth_model, picture

from minidpt import ConfigError
from minidpt.ops import backends, conv_numba, pointwise, resize
from minidpt.ops.backends import NUMPY, numba_backend
from minidpt.ops.examples import EXAMPLES, random_arguments, run
from minidpt.ops.vector_math_numba import erf32, exp32

NUMBA = numba_backend()
# Both round in float32: sums of at most 200 terms of size about 1, in another order; erf and exp to 4e-7
ROUNDING = {"atol": 1e-5, "rtol": 1e-5}


@pytest.mark.parametrize(("op", "args", "options"), EXAMPLES, ids=str)
def test_every_op_equals_its_twin(op, args, options):
    fast, plain = beside_numpy(NUMBA, op, args, options)
    if isinstance(plain, np.ndarray):
        assert fast.dtype == np.float32
    assert_close(fast, plain, **ROUNDING, name=op)


@pytest.mark.parametrize("activation", [None, *pointwise.ACTIVATIONS])
def test_activations_equal_their_twins_far_out_too(activation):
    x = np.concatenate([np.linspace(-30, 30, 1001), [-1e4, 1e4, 0, -0.0]]).astype(np.float32)
    # 4e-7 of erf times x
    assert_close(NUMBA.ops["activate"](x, activation), pointwise.activate(x, activation), atol=3e-6, rtol=1e-6)
    weight, bias = np.eye(3, dtype=np.float32), np.float32([0, -1, 2])
    fused = run(NUMBA, "linear", [x[:999].reshape(-1, 3), weight, bias], {"activation": activation})
    plain = pointwise.linear(x[:999].reshape(-1, 3), weight, bias, activation=activation)
    assert_close(fused, plain, atol=3e-6, rtol=1e-6, name="fused")


def test_exp_and_erf_are_as_exact_as_said():
    from scipy.special import erf

    x = np.linspace(-87, 88, 200_001).astype(np.float32)
    wide = x.astype(np.float64)
    relative = np.abs(np.array([exp32(v) for v in x[::40]]) / np.exp(wide[::40]) - 1)
    assert relative.max() < 2e-7
    x = np.linspace(-6, 6, 20_001).astype(np.float32)
    assert np.abs(np.array([erf32(v) for v in x]) - erf(x.astype(np.float64))).max() < 4e-7
    assert exp32(np.float32(-200)) < 1e-37


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 11)),
    channels=st.sampled_from([1, 3, 16, 19]),
    out=st.sampled_from([1, 5, 16]),
    top=st.integers(0, 2),
    right=st.integers(0, 2),
    relu=st.booleans(),
    activation=st.sampled_from([None, "relu", "gelu", "tanh"]),
    seed=st.integers(0, 5),
)
def test_winograd_equals_the_sum_of_shifted_products(size, channels, out, top, right, relu, activation, seed):
    padding = ((top, 1), (1, right))
    if size[0] + top + 1 < 3 or size[1] + 1 + right < 3:
        return
    options = {"padding": padding, "pre_activation": "relu" if relu else None, "activation": activation}
    shape = (2, size[0] + top - 1, size[1] + right - 1, out)
    args = [(2, *size, channels), (out, channels, 3, 3), (out,)]
    with patch.object(conv_numba, "MANY_PIXELS", 0):
        fast, plain = beside_numpy(NUMBA, "conv2d", args, {**options, "residual": shape}, seed)
    # the transforms round to 3e-6 of the largest sum, which an activation may hide; sums are below 5 sqrt(9 C)
    assert_close(fast, plain, atol=3e-6 * 5 * (9 * channels) ** 0.5, rtol=1e-5, name="conv2d")


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (7, 7), (2, 5)])
def test_any_kernel_and_stride_equals_its_twin(kernel, stride):
    args = [(2, 9, 13, 5), (4, 5, *kernel), (4,)]
    for options in ({"padding": ((3, 2), (1, 4))}, {"padding": 3, "dilation": 1, "pre_activation": "relu"}):
        fast, plain = beside_numpy(NUMBA, "conv2d", args, {**options, "stride": stride})
        assert_close(fast, plain, **ROUNDING, name="conv2d")


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", [((5, 7), (11, 3)), ((1, 6), (4, 6)), ((8, 3), (1, 1))], ids=str)
def test_resizing_equals_its_twin(sizes, align_corners):
    x = np.random.default_rng(0).standard_normal((3, *sizes[0], 5)).astype(np.float32)
    fast = NUMBA.ops["resize_bilinear"](x, sizes[1], align_corners=align_corners)
    assert_close(fast, resize.resize_bilinear(x, sizes[1], align_corners=align_corners), **ROUNDING, name="resize")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize(("op", "args", "options"), EXAMPLES, ids=str)
@pytest.mark.filterwarnings("ignore:.* encountered")
def test_what_is_no_number_is_not_hidden(op, args, options, bad):
    """One bad number in each argument in turn: where NumPy's result is not finite, so is Numba's, and nowhere else.

    But Winograd may spread it to the outputs of its own tile, group_norm makes a shift of an infinite weight, and the
    products of NumPy's resize spread it to whole rows.
    """
    for position, argument in enumerate(args):
        if not isinstance(argument, tuple):
            continue
        given, given_options = random_arguments((op, args, options))
        given[position].flat[given[position].size // 2] = bad
        plain, fast = run(NUMPY, op, given, given_options), run(NUMBA, op, given, given_options)
        if not isinstance(plain, np.ndarray):
            continue
        hidden, spread = ~np.isfinite(plain) & np.isfinite(fast), np.isfinite(plain) & ~np.isfinite(fast)
        assert not hidden.any() or op in ("resize_bilinear", "resized_linear", "resized_conv2d")
        assert not spread.any() or op in ("conv2d", "resized_conv2d", "group_norm")


@pytest.mark.parametrize("activation", pointwise.ACTIVATIONS)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_activations_of_what_is_no_number_are_as_in_numpy(activation):
    x = np.float32([np.nan, np.inf, -np.inf])
    fast, plain = NUMBA.ops["activate"](x, activation), pointwise.activate(x, activation)
    assert np.isnan(fast[0])
    assert np.array_equal(np.isfinite(fast), np.isfinite(plain))
    assert_close(fast[np.isfinite(plain)], plain[np.isfinite(plain)], atol=1e-7)


def test_two_threads_may_run_models_at_once():
    model, x = depth_model("vit").to(backend="numba"), picture("vit")
    alone = model(x).predicted_depth
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda _: model(x).predicted_depth, range(8)))
    assert all(np.array_equal(depth, alone) for depth in together)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_the_same(family):
    model, x = depth_model(family), picture(family, count=2)
    plain = model(x, output_hidden_states=True)
    fast = model.to(backend="numba")
    assert fast.backend == "numba"
    out = fast(x, output_hidden_states=True)
    # two orders of the same float32 sums through a whole model, values up to about 10
    assert_close(out.predicted_depth, plain.predicted_depth, atol=1e-3, rtol=1e-4, name="depth")
    for i, (mine, other) in enumerate(zip(out.hidden_states, plain.hidden_states, strict=True)):
        assert_close(mine, other, atol=1e-3, rtol=1e-3, name=f"hidden_states[{i}]")


def test_without_numba_one_line_says_what_to_use(monkeypatch):
    monkeypatch.setitem(sys.modules, "minidpt.ops.conv_numba", None)
    with pytest.raises(ConfigError, match="use backend numpy") as caught:
        numba_backend.__wrapped__()
    assert "\n" not in str(caught.value)


def test_auto_is_numba_and_numpy_where_kernels_cannot_run(monkeypatch, caplog):
    assert FASTEST().name == "numba"

    def none():
        raise ConfigError("backend numba: no kernels today")

    monkeypatch.setattr(backends, "numba_backend", none)
    assert FASTEST() is NUMPY
    assert FASTEST() is NUMPY
    assert [line.getMessage() for line in caplog.records] == ["backend numba: no kernels today; computing with NumPy"]
