"""How the cost grows: larger pictures, more of them at once, fewer threads; minidpt beside PyTorch."""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .contest import PAUSE, Contender, Say, Worker
from .tables import markdown, number, ratio
from .workload import SEED

MODEL = "depth-anything/Depth-Anything-V2-Small-hf"  # its encoder takes any size in every engine
MULTIPLE = 14
SIDES = (256, 384, 512, 768, 1024)
BATCHES = (1, 2, 4, 8)
ENTRANTS = (("numba", "highest"), ("pytorch", "float32"))


@dataclass(frozen=True)
class Point:
    """One input's shape, and on how many threads.   seconds: of each round, by engine"""

    side: int
    batch: int
    threads: int
    seconds: dict[str, list[float]]

    def median(self, engine: str) -> float | None:
        times = self.seconds.get(engine)
        return statistics.median(times) if times else None


def shapes(sides: Sequence[int] = SIDES, batches: Sequence[int] = BATCHES) -> list[tuple[int, int]]:
    """(side in whole patches, batch): every side alone, then every batch of the smallest."""
    whole = [round(side / MULTIPLE) * MULTIPLE for side in sides]
    return [(side, 1) for side in whole] + [(whole[0], batch) for batch in batches if batch > 1]


def grow(
    folder: Path,
    entrants: Sequence[Contender],
    inputs: Sequence[tuple[int, int]],
    rounds: int,
    say: Say,
) -> list[Point]:
    """Every contender on every input, in turns, one number of threads after the other."""
    points = []
    for threads in sorted({contender.threads for contender in entrants}):
        with ExitStack() as stack:
            group = [stack.enter_context(Worker(c, folder)) for c in entrants if c.threads == threads]
            for side, batch in inputs:
                say(f"{batch} x {side}x{side} on {threads} threads")
                file = folder / "growth.npy"
                np.save(file, np.random.default_rng(SEED).standard_normal((batch, 3, side, side), np.float32))
                for worker in group:
                    worker.ask("pixels", file=str(file))
                    worker.ask("pass")
                seconds: dict[str, list[float]] = {worker.contender.engine: [] for worker in group}
                for _ in range(rounds):
                    for worker in group:
                        time.sleep(PAUSE)
                        seconds[worker.contender.engine].append(worker.ask("pass")["seconds"])
                points.append(Point(side, batch, threads, seconds))
    return points


def table(points: Sequence[Point]) -> str:
    """Seconds per picture, a row for each input, a pair of columns and their ratio for each number of threads."""
    threads = sorted({point.threads for point in points})
    head = ["input", "batch"]
    for count in threads:
        on = f"{count} thread{'s' * (count > 1)}"
        head += [f"minidpt s, {on}", f"PyTorch s, {on}", "ratio"]
    rows = []
    for side, batch in dict.fromkeys((point.side, point.batch) for point in points):
        cells = [f"{side}×{side}", str(batch)]
        for count in threads:
            found = [p for p in points if (p.side, p.batch, p.threads) == (side, batch, count)]
            ours, theirs = (found[0].median(engine) if found else None for engine in ("numba", "pytorch"))
            cells += [number(ours and ours / batch, ".3f"), number(theirs and theirs / batch, ".3f")]
            cells.append(ratio(ours, theirs))
        rows.append(cells)
    return markdown(head, rows)
