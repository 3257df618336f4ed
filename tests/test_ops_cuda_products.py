"""Products, convolutions and attention of the cuda column against NumPy's: sizes on and beside the borders of tiles,
every activation, mask and padding. On a card where there is one; test_cuda_simulated.py starts this in the simulator.
"""

import numpy as np
import pytest
from checks import assert_close
from columns import beside_numpy
from cuda_column import CUDA, OWN, ROUNDING, in_use
from test_ops import ATTENTION_OPTIONS, CONVOLUTIONS, GROUPED, OVERLAPPING

from minidpt.ops import conv, pointwise, product_cuda
from minidpt.ops.attention_cuda import KEYS, NARROW, QUERIES, WIDE
from minidpt.ops.backends import MENU, NUMPY
from minidpt.ops.examples import EXAMPLES, random_arguments, run
from minidpt.ops.product_cuda import DEPTH, LARGE, MANY_TILES, PRODUCTS, SMALL

pytestmark = pytest.mark.usefixtures(in_use.__name__)


def check(op, args, options, seed=0):
    """The column answers as NumPy does; arrays are random, a tuple stands for one of that shape."""
    on_card, plain = beside_numpy(CUDA, op, args, options, seed)
    assert on_card.dtype == np.float32
    assert_close(on_card, plain, **ROUNDING, name=op)


SIZES = [  # M, I, O: of one number, of whole tiles, of tiles and a bit
    (1, 1, 1),
    (SMALL.rows, DEPTH, SMALL.columns),
    (SMALL.rows + 1, 2 * DEPTH + 1, SMALL.columns + 1),
    (MANY_TILES * LARGE.rows - 3, DEPTH - 1, LARGE.columns),
    ((MANY_TILES // 2 + 1) * LARGE.rows, 2 * DEPTH, LARGE.columns + 1),
]


@pytest.mark.parametrize(("rows", "inner", "out"), SIZES, ids=str)
def test_products_of_any_size_equal_their_twins(rows, inner, out):
    check("linear", [(rows, inner), (out, inner)], {})
    check("linear", [(1, rows, inner), (out, inner), (out,)], {"scale": (out,), "residual": (1, rows, out)})


def test_large_tiles_are_taken_where_they_are_many(monkeypatch):
    taken, started = [], product_cuda.start
    monkeypatch.setattr(product_cuda, "start", lambda kernel, *args: (taken.append(kernel), started(kernel, *args)))
    for rows, inner, out in SIZES:
        run(OWN, "linear", random_arguments(("linear", [(rows, inner), (out, inner)], {}))[0], {})
    assert taken == [PRODUCTS[tile] for tile in (SMALL, SMALL, SMALL, LARGE, LARGE)]


@pytest.mark.parametrize("activation", [None, *pointwise.ACTIVATIONS])
def test_what_follows_a_product_is_done_in_its_order(activation):
    options = {"activation": activation, "scale": (6,), "residual": (2, 3, 6)}
    check("linear", [(2, 3, 5), (6, 5), (6,)], options)


@pytest.mark.parametrize("width", [1, DEPTH, DEPTH + 1, 2 * DEPTH - 1])
def test_a_token_may_begin_anywhere_in_a_slab(width):
    check("linear_with_token", [(3, 4, width), (3, 1, 3), (5, width + 3), (5,)], {"activation": "gelu"})


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv2d_equals_its_twin(case):
    h, w, c, o, r, s, stride, padding, dilation = case
    where = {"stride": stride, "padding": padding, "dilation": dilation}
    args, size = [(2, h, w, c), (o, c, r, s), (o,)], conv.output_size((h, w), (r, s), **where)
    check("conv2d", args[:2], where)
    check("conv2d", args, {**where, "pre_activation": "relu", "activation": "gelu", "residual": (2, *size, o)})
    check("conv2d", args, {**where, "pre_activation": "silu"})


@pytest.mark.parametrize("case", [*GROUPED, (SMALL.columns + 2, 2 * SMALL.columns + 4, 2, 1, 1, 1, 0)], ids=str)
def test_conv2d_in_groups_equals_its_twin(case):
    c, o, groups, r, s, stride, padding = case
    where = {"stride": stride, "padding": padding}
    residual = (2, *conv.output_size((5, 4), (r, s), **where), o)
    args = [(2, 5, 4, c), (o, c // groups, r, s), (o,)]
    check("conv2d", args, {**where, "groups": groups, "pre_activation": "relu", "residual": residual})


@pytest.mark.parametrize("case", OVERLAPPING, ids=str)
def test_conv_transpose2d_with_a_stride_equals_its_twin(case):
    r, s, stride, padding, output_padding = case
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    check("conv_transpose2d", [(2, 2, 3, 4), (4, 5, r, s), (5,)], options)


def test_conv_transpose2d_without_a_stride_lays_tiles_side_by_side():
    check("conv_transpose2d", [(2, 2, 3, 4), (4, 5, 3, 2)], {})


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 9])
def test_pooling_equals_its_twin(kernel_size):
    check("avg_pool2d", [(2, 5, 7, 3)], {"kernel_size": kernel_size})
    check("max_pool2d", [(2, 5, 7, 3), kernel_size], {"stride": 2, "padding": ((4, 1), (2, 3))})
    if kernel_size <= 5:
        check("avg_pool_tokens", [(2, 5, 3), kernel_size], {})


@pytest.mark.parametrize("options", ATTENTION_OPTIONS.values(), ids=ATTENTION_OPTIONS.keys())
def test_attention_with_options_equals_its_twin(options):
    check("attend", [(6, 3, 5, 4), (6, 3, 7, 4), (6, 3, 7, 2)], options)
    check("attention_weights", [(6, 3, 5, 4), (6, 3, 7, 4)], options)


TOKENS = [  # T, S, K, V
    (1, 1, 1, 1),
    (QUERIES, KEYS, WIDE, NARROW),
    (QUERIES + 1, 2 * KEYS + 1, WIDE + 1, NARROW + 1),
    (3, KEYS - 1, NARROW - 1, 2 * WIDE + 1),
    (2 * QUERIES - 1, 3 * KEYS, 2 * WIDE + 3, WIDE),
]


@pytest.mark.parametrize(("queries", "keys", "width", "depth"), TOKENS, ids=str)
def test_attention_of_any_size_equals_its_twin(queries, keys, width, depth):
    check("attend", [(2, 2, queries, width), (2, 2, keys, width), (2, 2, keys, depth)], {})


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_what_a_mask_forbids_is_not_seen_and_nothing_seen_is_nan():
    args, _ = random_arguments(("attend", [(2, 2, 3, 4), (2, 2, 2 * KEYS + 1, 4), (2, 2, 2 * KEYS + 1, 3)], {}))
    mask = np.full((1, 3, 2 * KEYS + 1), -np.inf, np.float32)
    mask[0, 0, -1] = mask[0, 1, 0] = 0  # the last key only; the first only; none
    on_card, plain = (run(backend, "attend", args, {"mask": mask}) for backend in (CUDA, NUMPY))
    assert_close(on_card, plain, **ROUNDING, name="attend")
    assert np.isnan(on_card[:, :, 2]).all()


def test_attention_survives_huge_scores():
    args, _ = random_arguments(("attend", [(1, 1, 3, 4), (1, 1, 2 * KEYS + 1, 4), (1, 1, 2 * KEYS + 1, 4)], {}))
    args[0] *= np.float32(1e4)
    on_card, plain = (run(backend, "attend", args, {}) for backend in (CUDA, NUMPY))
    assert_close(on_card, plain, atol=1e-2, name="attend")  # scores of 1e4 are rounded to 1e-3


@pytest.mark.parametrize("grid", [(2, 3), (4, 1), (1, 1), (3, 3)], ids=str)
def test_biases_equal_their_twins(grid):
    h, w = grid
    table = (2, 2 * h - 1, 2 * w - 1)
    check("relative_bias", [table], {"grid": grid})
    check("relative_bias", [table], {"grid": grid, "class_bias": (2, 3)})
    check("axis_bias", [(2, 3, h * w, 4), (h, h, 4), (w, w, 4)], {})


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize(
    ("op", "args", "options"),
    [e for e in EXAMPLES if e[0] in (*MENU["attention"], *MENU["conv"]) and e[1][0][1] < 16],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.* encountered")
def test_what_is_no_number_is_not_hidden(op, args, options, bad):
    """Where NumPy's result is not finite, so is the card's, and nowhere else; but NumPy's resize spreads it to rows."""
    for position, argument in enumerate(args):
        if isinstance(argument, tuple):
            given, given_options = random_arguments((op, args, options))
            given[position].flat[given[position].size // 2] = bad
            plain, on_card = run(NUMPY, op, given, given_options), run(CUDA, op, given, given_options)
            if op == "resized_conv2d":
                assert not np.isfinite(on_card).all()
            else:
                assert np.array_equal(np.isfinite(plain), np.isfinite(on_card))


WRONG = [
    ("linear", [(2, 3, 5), (4, 6)], {}),
    ("linear", [(2, 3, 5), (4, 5)], {"residual": (2, 3, 5)}),
    ("linear_with_token", [(2, 3, 5), (2, 1, 3), (4, 7)], {}),
    ("conv2d", [(1, 5, 5, 3), (4, 2, 3, 3)], {}),
    ("conv2d", [(1, 5, 5, 4), (3, 2, 3, 3)], {"groups": 2}),
    ("conv2d", [(1, 2, 5, 3), (4, 3, 3, 3)], {}),
    ("conv_transpose2d", [(1, 5, 5, 3), (4, 2, 3, 3)], {}),
    ("avg_pool_tokens", [(1, 3, 2), 4], {}),
    ("attend", [(1, 1, 2, 3), (1, 1, 4, 5), (1, 1, 4, 3)], {}),
    ("attend", [(1, 1, 2, 3), (1, 1, 4, 3), (1, 1, 5, 3)], {}),
    ("relative_bias", [(2, 3, 3)], {"grid": (3, 2)}),
    ("axis_bias", [(1, 1, 5, 2), (2, 2, 2), (3, 3, 2)], {}),
]


@pytest.mark.parametrize(("op", "args", "options"), WRONG, ids=str)
def test_ops_refuse_shapes_that_do_not_fit(op, args, options):
    with pytest.raises(ValueError, match=r"\d"):
        run(CUDA, op, *random_arguments((op, args, options)))
