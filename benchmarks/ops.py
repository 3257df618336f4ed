"""Each op that has a kernel: checked against NumPy's, then timed beside it, at the sizes of dpt-large and dpt-hybrid.

    python benchmarks/ops.py [REPEATS]      prints a table: milliseconds, the ratio, and GFLOP/s where products count

Both columns are timed in turns in one process, so a noisy machine blurs both alike; the figure is the median.
"""

import sys
import time

import numpy as np

from minidpt.ops.backends import NUMPY, numba_backend

MAP = (1, 96, 96, 256)
CASES = [  # op, shapes of the arrays, options, products in GFLOP
    ("linear", [(1, 577, 1024), (4096, 1024), (4096,)], {"activation": "gelu"}, 2e-9 * 577 * 1024 * 4096),
    ("layer_norm", [(1, 577, 1024), (1024,), (1024,)], {"eps": 1e-6}, 0),
    ("group_norm", [(1, 96, 96, 256), (256,), (256,)], {"groups": 32, "eps": 1e-5, "activation": "relu"}, 0),
    ("attend", [(1, 16, 577, 64)] * 3, {}, 4e-9 * 16 * 577 * 577 * 64),
    ("relative_bias", [(16, 47, 47)], {"grid": (24, 24)}, 0),
    ("conv2d", [MAP, (256, 256, 3, 3), (256,)], {"padding": 1, "pre_activation": "relu"}, 2e-9 * 96**2 * 256**2 * 9),
    ("conv2d", [(1, 96, 96, 64), (64, 64, 3, 3)], {"padding": 1, "stride": 2}, 2e-9 * 48**2 * 64**2 * 9),
    ("resize_bilinear", [MAP], {"scale": 2, "align_corners": True}, 0),
]


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(repeats=15):
    numba, rng = numba_backend(), np.random.default_rng(0)
    print("| op | arrays | NumPy ms | Numba ms | ratio | GFLOP/s |\n| --- | --- | --- | --- | --- | --- |")
    for op, shapes, options, gflop in CASES:
        arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        prepared = list(arrays)
        if op == "conv2d":
            prepared[1] = numba.prepare("conv", arrays[1])

        def plain(op=op, arrays=arrays, options=options):
            return NUMPY.ops[op](*arrays, **options)

        def fast(op=op, arrays=prepared, options=options):
            return numba.ops[op](*arrays, **options)

        expected = plain()
        error = np.abs(fast() - expected).max() / np.abs(expected).max()
        if error > 1e-5:
            raise SystemExit(f"{op}: differs by {error:.1e} of the largest value")
        pairs = [(timed(plain), timed(fast)) for _ in range(repeats)]
        slow, quick = (sorted(times)[repeats // 2] for times in zip(*pairs, strict=True))
        rate = f"{gflop / quick:.0f}" if gflop else ""
        sizes = " ".join("x".join(map(str, shape)) for shape in shapes[:2])
        print(f"| {op} | {sizes} | {slow * 1e3:.2f} | {quick * 1e3:.2f} | {slow / quick:.1f} | {rate} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
