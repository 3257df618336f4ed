"""The counting backend gives, for every op of the menu, the very shape that NumPy gives."""

import numpy as np
import pytest

from minidpt import ops
from minidpt.ops.backends import NUMPY
from minidpt.ops.counting import Counter, Shape

MAP, TOKENS, HEADS = (2, 5, 7, 6), (2, 12, 6), (4, 3, 5, 8)

CASES = [  # op, arguments (a tuple is an array of that shape), options
    ("from_numpy", [MAP], {}),
    ("to_numpy", [MAP], {}),
    ("channels_last", [(2, 3, 5, 7)], {}),
    ("channels_first", [MAP], {}),
    ("patches", [(2, 6, 9, 3), 3], {}),
    ("prepend_token", [(1, 1, 6), TOKENS], {}),
    ("prepend_token", [(1, 4, 6), TOKENS], {}),
    ("take_tokens", [TOKENS, 1], {}),
    ("take_tokens", [TOKENS, 0, 3], {}),
    ("token", [TOKENS, 2], {}),
    ("mean_token", [TOKENS], {}),
    ("tokens_to_map", [TOKENS], {"grid": (3, 4)}),
    ("map_to_tokens", [MAP], {}),
    ("map_size", [MAP], {}),
    ("split_heads", [TOKENS, 3], {}),
    ("split_heads", [TOKENS, 1, 2, 5], {}),
    ("split_heads", [TOKENS, 2], {"start": 1}),
    ("merge_heads", [HEADS], {}),
    ("concat_channels", [MAP, (2, 5, 7, 4)], {}),
    ("drop_channel", [(2, 5, 7, 1)], {}),
    ("pad_map", [MAP, 1, 2], {}),
    ("crop_map", [MAP], {"size": (4, 2)}),
    ("roll_map", [MAP, 1, -2], {}),
    ("every_other", [MAP, 2], {}),
    ("every_other", [MAP, 3], {}),
    ("windows", [(2, 4, 9, 6)], {"size": (2, 3)}),
    ("from_windows", [(12, 6, 5)], {"size": (2, 3), "map_size": (4, 9)}),
    ("merge_pixels", [MAP], {}),
    ("merge_pixels", [(2, 4, 6, 3)], {}),
    ("add", [MAP, MAP], {}),
    ("add", [TOKENS, (1, 12, 6)], {}),
    ("add", [TOKENS, (2, 1, 6)], {}),
    ("multiply", [MAP, 0.5], {}),
    ("activate", [MAP, "gelu"], {}),
    ("linear", [MAP, (4, 6)], {}),
    ("linear", [TOKENS, (4, 6), (4,)], {"activation": "relu", "scale": (4,), "residual": (2, 12, 4)}),
    ("linear_with_token", [TOKENS, (2, 1, 5), (4, 11)], {}),
    ("linear_with_token", [TOKENS, (2, 1, 6), (4, 12), (4,)], {"activation": "gelu"}),
    ("gated", [TOKENS, "silu"], {}),
    ("unit_length", [HEADS], {}),
    ("inverse_depth", [(2, 5, 7), 0.1, 1.0], {}),
    ("layer_norm", [TOKENS, (6,), (6,)], {"eps": 1e-6}),
    ("group_norm", [MAP, (6,), (6,)], {"groups": 3, "eps": 1e-5, "activation": "relu"}),
    ("batch_norm", [MAP, (6,), (6,), (6,), (6,)], {}),
    ("attention_weights", [HEADS, (4, 3, 9, 8)], {}),
    ("attend", [HEADS, (4, 3, 9, 8), (4, 3, 9, 2)], {"scale": 0.2, "bias": (3, 5, 9), "mask": (2, 5, 9)}),
    ("relative_bias", [(3, 5, 7)], {"grid": (3, 4)}),
    ("relative_bias", [(3, 5, 7)], {"grid": (3, 4), "class_bias": (3, 3)}),
    ("axis_bias", [(4, 3, 12, 8), (3, 3, 8), (4, 4, 8)], {}),
    ("conv2d", [MAP, (4, 6, 3, 3), (4,)], {"padding": 1}),
    ("conv2d", [MAP, (4, 6, 3, 2)], {"stride": 2, "padding": ((0, 1), (2, 0))}),
    ("conv2d", [MAP, (4, 6, 3, 3)], {"dilation": 2, "padding": 1}),
    ("conv2d", [MAP, (4, 3, 3, 3)], {"groups": 2}),
    ("conv_transpose2d", [MAP, (6, 4, 2, 2), (4,)], {}),
    ("conv_transpose2d", [MAP, (6, 4, 3, 3)], {"stride": 2, "padding": 1}),
    ("conv_transpose2d", [MAP, (6, 4, 3, 3)], {"stride": 2, "padding": 1, "output_padding": 1}),
    ("max_pool2d", [MAP, 3], {"stride": 2, "padding": ((0, 1), (1, 1))}),
    ("avg_pool2d", [MAP, 2], {}),
    ("avg_pool_tokens", [TOKENS, 5], {}),
    ("resize_bilinear", [MAP], {"size": (3, 11), "align_corners": True}),
    ("resize_bilinear", [MAP], {"scale": 1.5, "align_corners": False}),
    ("resized_linear", [MAP, (4, 6), (4,)], {"scale": 2, "align_corners": True}),
    ("resized_linear", [MAP, (4, 6)], {"size": (3, 11), "align_corners": False}),
]
SIZES = ("grid", "size", "map_size", "padding")  # options that are tuples of numbers, not shapes of arrays


def dims(result):
    return result.dims if isinstance(result, Shape) else getattr(result, "shape", result)


@pytest.mark.parametrize(("op", "args", "options"), CASES, ids=str)
def test_counted_shapes_are_numpys(op, args, options):
    def given(make):
        return [make(a) if isinstance(a, tuple) else a for a in args], {
            name: make(o) if isinstance(o, tuple) and name not in SIZES else o for name, o in options.items()
        }

    real, real_options = given(lambda shape: np.ones(shape, np.float32))
    # from_numpy is handed what NumPy has, all other ops what the backend has
    shapes, shape_options = given(lambda shape: np.ones(shape, np.float32) if op == "from_numpy" else Shape(shape))
    expected = dims(NUMPY.ops[op](*real, **real_options))
    assert dims(Counter().backend().ops[op](*shapes, **shape_options)) == expected


def test_the_table_holds_the_whole_menu():
    assert {op for op, _, _ in CASES} == ops.OP_NAMES


@pytest.mark.parametrize(
    ("op", "args", "options", "products"),
    [
        ("linear", [TOKENS, (4, 6)], {}, 2 * 12 * 6 * 4),
        ("attend", [HEADS, (4, 3, 9, 8), (4, 3, 9, 2)], {}, 4 * 3 * 5 * 9 * (8 + 2)),
        ("axis_bias", [(4, 3, 12, 8), (3, 3, 8), (4, 4, 8)], {}, 4 * 3 * 12 * 8 * (3 + 4)),
        ("conv2d", [MAP, (4, 3, 3, 3)], {"groups": 2, "dilation": 2}, 2 * (1 * 3) * 4 * 3 * 9),
        ("conv_transpose2d", [MAP, (6, 4, 3, 3)], {"stride": 2}, 2 * 5 * 7 * 6 * 4 * 9),
        ("resize_bilinear", [MAP], {"scale": 2, "align_corners": True}, 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_products_are_counted_as_a_multiplication_and_an_addition_each(op, args, options, products):
    counter = Counter()
    counter.backend().ops[op](*(Shape(a) for a in args), **options)
    assert counter.flops == 2 * products
