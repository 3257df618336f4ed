"""What a run is made of, and the memory it runs in. No torch here: the command line reads this for every command."""

import math
import os
import sys
from dataclasses import dataclass
from typing import NamedTuple

ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "500000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
CURVE, RUNS = "curve.csv", "runs.json"  # what goes from piece to piece beside the weights


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
    """One piece of the training: how many samples, at which size, how fast.

    The rate rises linearly over `warmup` steps, stays, and falls in a straight line to zero over the last `cooldown` of
    the steps. A piece with cooldown 0 is meant to be gone on from; its averaged weights are good all the same.
    """

    samples: int = 192_000
    size: int = 128  # pixels a side
    batch: int = 16  # pictures a step, of all processes together
    processes: int = 1  # each draws batch / processes pictures
    rate: float = 1e-3
    warmup: int = 300  # steps
    cooldown: float = 0.2
    restart: bool = False  # the transformer's blocks, see tokens.restart_transformer
    seed: int = 0
    snapshots: int = 10  # saved and scored on the way, at equal distances

    def __post_init__(self) -> None:
        if self.snapshots < 1:
            raise ValueError(f"{self.snapshots} snapshots: the last one is the result, so there has to be one")
        if self.processes < 1 or self.batch < 1 or self.batch % self.processes:
            raise ValueError(f"a batch of {self.batch} can't be shared by {self.processes} processes")

    @property
    def steps(self) -> int:
        return math.ceil(self.samples / self.batch)

    def saves_at(self, step: int) -> bool:
        """Is a snapshot due after so many steps? After the last one it always is."""
        return step * self.snapshots // self.steps > (step - 1) * self.snapshots // self.steps

    def rate_at(self, step: int) -> float:
        rise = min(1.0, (step + 1) / self.warmup)
        left = 1 - step / self.steps
        return self.rate * rise * min(1.0, left / self.cooldown if self.cooldown else 1.0)


class Piece(NamedTuple):
    """A step of the recipe: the scenes, and how to train on them from the averaged weights of the step before."""

    scenes: int  # the scenes' seed; two pieces with the same seed, number and size share their pictures
    pictures: int
    rendered: int  # pixels a side on disk
    plan: Plan


RECIPE = (
    Piece(1, 17_167, 160, Plan(samples=102_400, size=96, cooldown=0, seed=1)),
    Piece(1, 17_167, 160, Plan(samples=56_000, size=128, rate=8e-4, warmup=200, cooldown=0.4, seed=2)),
    Piece(2, 4_303, 192, Plan(samples=14_400, size=192, rate=4e-4, warmup=60, cooldown=1, seed=3)),
    Piece(4, 14_538, 192, Plan(9_600, 128, 32, 2, warmup=60, cooldown=0, restart=True, seed=4)),
    Piece(4, 14_538, 192, Plan(272_000, 128, 32, 2, warmup=100, cooldown=0.25, seed=5)),
    Piece(4, 14_538, 192, Plan(16_704, 192, 32, 2, rate=5e-4, warmup=50, cooldown=1, seed=6)),  # was stopped at 60 %
    Piece(7, 4_085, 192, Plan(20_000, 192, 32, 2, rate=4e-4, warmup=40, cooldown=1, seed=7)),
    Piece(8, 16_000, 192, Plan(272_000, 128, 32, 2, warmup=100, cooldown=0.25, seed=8)),
    Piece(8, 16_000, 192, Plan(22_400, 192, 32, 2, rate=5e-4, warmup=50, cooldown=1, seed=9)),
    Piece(8, 16_000, 192, Plan(96_000, 128, 32, 2, warmup=100, cooldown=0, seed=10)),
    # On a graphics card, while they were rendered: from 2,886 pictures to 40,563, and on to 63,884.
    Piece(12, 63_884, 192, Plan(1_500_000, 128, 128, rate=1.5e-3, cooldown=0.25, seed=11, snapshots=5)),
    Piece(12, 63_884, 192, Plan(541_184, 192, 128, rate=1e-3, warmup=100, cooldown=1, seed=12, snapshots=8)),  # to 75 %
    Piece(13, 8_000, 192, Plan(182_400, 128, 32, 2, rate=4e-4, warmup=100, cooldown=0, seed=13, snapshots=4)),
    Piece(13, 8_000, 192, Plan(31_360, 192, 32, 2, rate=4e-4, warmup=50, cooldown=1, seed=14, snapshots=5)),
)
