"""Each op that has a kernel, on every backend and precision: checked against NumPy's, then timed beside it.

    python benchmarks/ops.py --rounds 15 --threads 2 --ops conv2d,linear

The sizes are those of dpt-large, dpt-hybrid and dpt-swinv2-tiny. The columns are timed one after the other in one
process, with a pause between; the figures are medians. "roofline" is the share of what this machine could do at best:
the time that float32 products at BLAS's rate, or moving every array once at a copy's rate, would take.
"""

import argparse
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from minidpt.cli import options as shared
from minidpt.cpus import bound_pools

MAP, TOKENS, HEADS = (1, 96, 96, 256), (1, 577, 1024), (1, 16, 577, 64)
ACTIVATION = "x"  # what flows between ops; any other kind is that of a weight, as in params.Tensor
PAUSE = 0.3  # seconds between two columns: BLAS's threads keep a core busy for 0.1 after a product
ALLOWED = {"highest": 1e-5, "high": 1e-4, "medium": 3e-2}  # largest error, as a share of NumPy's largest value


@dataclass(frozen=True)
class Case:
    """An op and its arrays.   arrays: (kind, shape) each   flops: of products"""

    op: str
    arrays: tuple[tuple[str, tuple[int, ...]], ...]
    options: dict[str, Any] = field(default_factory=dict)
    flops: int = 0


def linear(tokens, width, out, **options):
    arrays = ((ACTIVATION, (1, tokens, width)), ("linear", (out, width)), ("bias", (out,)))
    return Case("linear", arrays, options, 2 * tokens * width * out)


def conv(side, channels, out, kernel=3, stride=1, **options):
    arrays = ((ACTIVATION, (1, side, side, channels)), ("conv", (out, channels, kernel, kernel)), ("bias", (out,)))
    flops = 2 * (side // stride) ** 2 * channels * out * kernel**2
    return Case("conv2d", arrays, {"stride": stride, "padding": kernel // 2, **options}, flops)


def heads(op, shape, products):
    n, a, t, k = shape
    return Case(op, ((ACTIVATION, shape),) * products, flops=2 * (products - 1) * n * a * t * t * k)


CASES = [
    linear(577, 1024, 4096, activation="gelu"),
    linear(577, 4096, 1024),
    linear(577, 1024, 1024),
    linear(9216, 256, 256),
    heads("attend", HEADS, 3),
    heads("attend", (64, 3, 256, 32), 3),
    conv(96, 256, 256, pre_activation="relu"),
    conv(192, 256, 128),
    conv(96, 64, 64, stride=2),
    Case("layer_norm", ((ACTIVATION, TOKENS), ("scale", TOKENS[2:]), ("shift", TOKENS[2:])), {"eps": 1e-6}),
    Case(
        "group_norm",
        ((ACTIVATION, MAP), ("scale", MAP[3:]), ("shift", MAP[3:])),
        {"groups": 32, "eps": 1e-5, "activation": "relu"},
    ),
    Case("batch_norm", ((ACTIVATION, MAP), *((kind, MAP[3:]) for kind in ("scale", "shift", "mean", "variance")))),
    Case("activate", ((ACTIVATION, (1, 577, 4096)),), {"activation": "gelu"}),
    Case("resize_bilinear", ((ACTIVATION, MAP),), {"scale": 2, "align_corners": True}),
    Case(
        "linear_with_token",
        ((ACTIVATION, (1, 576, 1024)), (ACTIVATION, (1, 1, 1024)), ("linear", (1024, 2048)), ("bias", (1024,))),
        {"activation": "gelu"},
        2 * 576 * 2048 * 1024,
    ),
    Case(
        "resized_linear",
        ((ACTIVATION, MAP), ("linear", (256, 256)), ("bias", (256,))),
        {"scale": 2, "align_corners": True},
        2 * 192**2 * 256**2,
    ),
    Case(
        "conv_transpose2d",
        ((ACTIVATION, (1, 24, 24, 256)), ("conv_transpose", (256, 256, 4, 4)), ("bias", (256,))),
        flops=2 * 24**2 * 256**2 * 16,
    ),
    Case(
        "resized_conv2d",
        ((ACTIVATION, (1, 192, 192, 128)), ("conv", (32, 128, 3, 3)), ("bias", (32,))),
        {"scale": 2, "align_corners": True, "padding": 1, "activation": "relu"},
        2 * 384**2 * 128 * 32 * 9,
    ),
    Case("add", ((ACTIVATION, MAP),) * 2),
    Case("relative_bias", (("embedding", (16, 47, 47)),), {"grid": (24, 24)}),
]


class Timed:
    """A case on one backend, its arrays ready."""

    def __init__(self, case, backend, precision, arrays):
        self.case, self.backend, self.precision = case, backend, precision
        self.arrays = [
            backend.ops["from_numpy"](array) if kind == ACTIVATION else backend.prepare(kind, array)
            for (kind, _), array in zip(case.arrays, arrays, strict=True)
        ]
        self.seconds = []

    def run(self):
        """-> the result, as NumPy's"""
        from minidpt import ops

        with ops.using(self.backend):
            start = time.perf_counter()
            result = self.backend.ops[self.case.op](*self.arrays, **self.case.options)
            self.seconds.append(time.perf_counter() - start)
            return self.backend.ops["to_numpy"](result)

    @property
    def median(self):
        return statistics.median(self.seconds[1:])  # the first pass compiles and warms up


def contestants(case, columns, rng):
    """The case on every column, NumPy's first. SystemExit where a result differs by more than is allowed."""
    import numpy as np

    arrays = [rng.standard_normal(shape, np.float32) for _, shape in case.arrays]
    arrays = [abs(x) + 1 if kind == "variance" else x for x, (kind, _) in zip(arrays, case.arrays, strict=True)]
    timed = [Timed(case, backend, precision, arrays) for backend, precision in columns]
    expected = np.array(timed[0].run())
    for one in timed[1:]:
        error = np.abs(one.run() - expected).max() / np.abs(expected).max()
        if not error <= ALLOWED[one.precision]:
            raise SystemExit(
                f"{case.op}, {one.backend.name} {one.precision}: differs by {error:.1e} of the largest value"
            )
    return timed, 4 * (sum(x.size for x in arrays) + expected.size)


def columns():
    """Every backend of the CPU, at each precision that this machine has, NumPy first."""
    from minidpt import ops

    for name in ("numpy", "numba"):
        for precision in reversed(ops.PRECISIONS):
            backend, runs = ops.choose(name, precision)
            if runs == precision:
                yield backend, precision


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=shared.positive, default=15, metavar="N")
    parser.add_argument("--threads", type=shared.threads, metavar="N")
    parser.add_argument("--ops", type=lambda text: text.split(","), metavar="LIST", help="these alone")
    return parser.parse_args(words)


def main(words=None):
    args = arguments(words)
    bound_pools(args.threads)  # before NumPy is imported
    import numpy as np

    from minidpt.benchmarking import machine, roofline
    from minidpt.benchmarking.tables import markdown

    roof, rng = roofline.measure(), np.random.default_rng(0)
    print(f"{machine.described()}; BLAS float32 {roof.flops / 1e9:.0f} GFLOP/s, copy {roof.bandwidth / 1e9:.1f} GB/s\n")
    rows = []
    for case in CASES:
        if args.ops and case.op not in args.ops:
            continue
        timed, moved = contestants(case, list(columns()), rng)
        for one in timed:
            time.sleep(PAUSE)
            for _ in range(args.rounds):
                one.run()
        sizes = " ".join("×".join(map(str, shape)) for _, shape in case.arrays[:2])
        for one in timed:
            rate = f"{case.flops / one.median / 1e9:.0f}" if case.flops else ""
            share = roof.bound(case.flops, moved) / one.median
            cells = [case.op, sizes, f"{one.backend.name} {one.precision}", f"{one.median * 1e3:.2f}"]
            rows.append([*cells, f"{timed[0].median / one.median:.1f}", rate, f"{share:.2f}"])
    print(markdown(["op", "arrays", "backend", "ms", "× NumPy", "GFLOP/s", "roofline"], rows))


if __name__ == "__main__":
    main()
