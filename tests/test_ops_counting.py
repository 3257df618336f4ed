"""The counting backend gives, for every op of the menu, the very shape that NumPy gives."""

import numpy as np
import pytest

from minidpt import ops
from minidpt.ops.backends import NUMPY
from minidpt.ops.counting import Counter, Shape
from minidpt.ops.examples import EXAMPLES, HEADS, MAP, TOKENS, arguments


def dims(result):
    return result.dims if isinstance(result, Shape) else getattr(result, "shape", result)


@pytest.mark.parametrize(("op", "args", "options"), EXAMPLES, ids=str)
def test_counted_shapes_are_numpys(op, args, options):
    real, real_options = arguments((op, args, options), lambda shape: np.ones(shape, np.float32))
    # from_numpy is handed what NumPy has, all other ops what the backend has
    make = Shape if op != "from_numpy" else np.ones
    shapes, shape_options = arguments((op, args, options), make)
    expected = dims(NUMPY.ops[op](*real, **real_options))
    assert dims(Counter().backend().ops[op](*shapes, **shape_options)) == expected


def test_the_table_holds_the_whole_menu():
    assert {op for op, _, _ in EXAMPLES} == ops.OP_NAMES


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
