"""What the machine could do at best, measured: products a second, bytes a second, and the time that these allow."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SIDE = 2048  # of the square float32 matrices whose product by BLAS is the measure of compute
COPIED = 256 * 2**20  # bytes of an array, far beyond any cache, whose copy is the measure of memory
REPEATS = 7


@dataclass(frozen=True)
class Roofline:
    """flops: of float32 products a second   bandwidth: bytes read and written a second

    float32 is the unit: kernels that use narrower products (`high`, `medium`) may exceed it.
    """

    flops: float
    bandwidth: float

    def bound(self, flops: float, bytes_moved: float) -> float:
        """The seconds that so much work takes at least: max(flops / peak, bytes / bandwidth)"""
        return max(flops / self.flops, bytes_moved / self.bandwidth)


def measure() -> Roofline:
    """Take the fastest of a few runs of each, with as many threads as BLAS was given."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    product = np.empty_like(left)
    seconds = fastest(lambda: np.matmul(left, right, out=product))
    source = np.ones(COPIED // 4, np.float32)
    target = np.empty_like(source)
    target.fill(0)  # its pages are mapped before the clock runs
    copy_seconds = fastest(lambda: np.copyto(target, source))
    return Roofline(2 * SIDE**3 / seconds, 2 * COPIED / copy_seconds)


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs: what the machine can do when nothing disturbs it."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
