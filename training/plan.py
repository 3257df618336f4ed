"""What a run is made of, and the memory it runs in. No torch here: the command line reads this for every command."""

import math
import os
import sys
from dataclasses import dataclass

from .dataset import SIZE

ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "500000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


def keep_memory() -> None:
    """Start this process again with an allocator that keeps its memory, on Linux, unless it already has it.

    glibc returns each large activation to the system and faults it in again at the next layer; without that a step is
    1.6 to 2.5 times faster. glibc reads these variables once, before main, hence the new start.
    """
    if sys.platform == "linux" and any(name not in os.environ for name in ALLOCATOR):
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, {**ALLOCATOR, **os.environ})


@dataclass(frozen=True)
class Plan:
    """How to train. samples_small at `small` pixels, then samples_full at 192, one cosine over all."""

    samples_small: int = 192_000
    samples_full: int = 32_000
    small: int = 128
    batch: int = 16
    rate: float = 1e-3
    warmup: int = 300  # steps
    seed: int = 0

    @property
    def samples(self) -> int:
        return self.samples_small + self.samples_full

    @property
    def steps(self) -> int:
        return math.ceil(self.samples / self.batch)

    def size_at(self, step: int) -> int:
        return self.small if step * self.batch < self.samples_small else SIZE

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero."""
        return self.rate * min(1.0, (step + 1) / self.warmup) * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))


RECIPE = (
    Plan(),
    Plan(samples_small=0, rate=4e-4, seed=1),
)  # the runs behind dpt-mini, each from the last one's weights
