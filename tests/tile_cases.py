"""Linear layers and convolutions for the tile registers: odd sizes, tails, batches, strides, padding, groups.

`test_ops_tiles.py` runs them on a twin of the registers in Python. As a script, `tile_cases.py LIBRARY`, this file runs
them compiled, on a CPU that may lack the instructions: LIBRARY is tile_instructions.c, which then carries them out.
"""

import ctypes
import json
import sys

import numpy as np
from test_families import depth_model, picture

from minidpt.ops import conv, conv_numba, pointwise, pointwise_numba, product_numba, tiles_numba

# parts -> relative L2 error: one bfloat16 number is at most 2^-9 off what it stands for, two are at most 2^-17
BOUNDS = {1: 4e-3, 2: 1e-5}
LINEAR = [(1, 37, 19), (31, 32, 32), (40, 70, 50), (65, 200, 33)]  # rows, terms, channels
CONV = [  # map, kernel, options
    ((2, 9, 13, 32), (5, 32, 3, 3), {"padding": 1}),
    ((2, 9, 37, 32), (35, 32, 3, 3), {"padding": ((0, 2), (1, 3)), "stride": 2, "pre_activation": "relu"}),
    ((1, 33, 35, 32), (6, 32, 3, 3), {"padding": 1, "activation": "relu"}),  # many pixels
    ((1, 7, 9, 64), (70, 64, 1, 1), {"stride": 2}),
    ((2, 3, 4, 96), (7, 96, 1, 1), {}),
    ((1, 6, 5, 16), (3, 16, 2, 4), {"activation": "gelu"}),  # runs of 4 pixels of 16 channels
    ((1, 12, 11, 64), (8, 32, 3, 3), {"padding": 1, "groups": 2}),
    ((1, 12, 40, 32), (4, 32, 3, 3), {"padding": 2, "dilation": 2, "stride": 3}),
]


def relative_error(actual, exact):
    return float(np.linalg.norm(actual - exact) / np.linalg.norm(exact))


def numbers(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def doubled(arrays):
    return [array.astype(np.float64) for array in arrays]


def linear_error(sizes, parts, tiles=True):
    rows, terms, out = sizes
    x, weight, bias, scale, residual = numbers((rows, terms), (out, terms), out, out, (rows, out))
    prepared = conv_numba.prepare("linear", weight, parts, tiles)
    options = {"activation": "relu", "scale": scale, "residual": residual}
    fast = pointwise_numba.linear(x, prepared, bias, **options)
    options |= {"scale": scale.astype(np.float64), "residual": residual.astype(np.float64)}
    return relative_error(fast, pointwise.linear(*doubled([x, weight, bias]), **options))


def conv_error(case, parts, tiles=True):
    shape, kernel, options = case
    x, weight, bias = numbers(shape, kernel, kernel[0])
    fast = conv_numba.conv2d(x, conv_numba.prepare("conv", weight, parts, tiles), bias, **options)
    return relative_error(fast, conv.conv2d(*doubled([x, weight, bias]), **options))


def main(library):
    """What a test wants to know of the compiled kernels, as JSON."""
    if library:
        emulated = ctypes.CDLL(library)
        emulated.install()
        product_numba.granted = lambda: True
    found = {"there": tiles_numba.TILES, "refused": product_numba.tiles_refused()}
    for parts, precision in ((1, "medium"), (2, "high")):
        found[precision] = {
            "linear": [linear_error(sizes, parts) for sizes in LINEAR],
            "conv": [conv_error(case, parts) for case in CONV],
        }
        for family in ("vit", "bit"):
            model, x = depth_model(family), picture(family, count=2)
            fast = model.to(backend="numba", precision=precision)
            error = relative_error(fast(x).predicted_depth, model(x).predicted_depth)
            found[precision][family] = fast.precision, error
    found["products"] = emulated.products_so_far() if library else None
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
