"""Where one model's time goes: by stage, between the names that the model notes, and by op, through the op table."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import ops
from ..model import PreTrainedModel
from ..ops.backends import Backend
from ..ops.counting import Counter
from ..recording import Marks, listening

STAGE_OF = {  # the first word of a name that the model notes -> the stage that ends there
    "pixel_values": "embeddings",
    "embeddings": "embeddings",
    "bit": "embeddings",
    "blocks": "blocks",
    "stages": "blocks",
    "taps": "blocks",
    "readout": "reassemble",
    "reassembled": "reassemble",
    "neck": "fusion",
    "fused": "fusion",
    "head": "head",
    "auxiliary_head": "head",
    "predicted_depth": "head",
    "logits": "head",
}
AFTER = "head"  # what comes after the last name

Meter = Callable[[], float]


@dataclass
class Spent:
    """How often something was done, what it took in all (seconds), and its products (flops)."""

    calls: int = 0
    seconds: float = 0.0
    flops: float = 0.0


@dataclass(frozen=True)
class Profile:
    """rounds: seconds of each forward pass   stages: medians by stage, in the order of the data flow   flops: in all"""

    rounds: list[float]
    stages: dict[str, Spent]

    @property
    def flops(self) -> float:
        return sum(stage.flops for stage in self.stages.values())

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def by_stage(model: PreTrainedModel, pixel_values: np.ndarray, rounds: int) -> Profile:
    """Time forward passes; one more before them is not counted.   pixel_values: (N, C, H, W)"""
    model(pixel_values)
    meter = clock(ops.choose(model.backend, model.precision)[0])
    passes = [marked(model, pixel_values, meter) for _ in range(rounds)]
    flops = products(model, pixel_values.shape)[0]
    stages = {
        stage: Spent(1, statistics.median(one.get(stage, 0) for one in passes), flops.get(stage, 0))
        for stage in passes[0]
    }
    return Profile([sum(one.values()) for one in passes], stages)


def by_op(model: PreTrainedModel, pixel_values: np.ndarray, rounds: int) -> dict[str, Spent]:
    """What each op takes in one forward pass, the slowest first; seconds are means over the rounds."""
    seconds: dict[str, Spent] = defaultdict(Spent)
    backend = ops.choose(model.backend, model.precision)[0]
    timed = model.to(metered(backend, clock(backend), seconds))
    timed(pixel_values)
    seconds.clear()
    for _ in range(rounds):
        timed(pixel_values)
    flops = products(model, pixel_values.shape)[1]
    found = {
        op: Spent(spent.calls // rounds, spent.seconds / rounds, flops[op].seconds) for op, spent in seconds.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].seconds))


def clock(backend: Backend) -> Meter:
    """The seconds, read when all that the backend was asked for is done."""

    def seconds() -> float:
        backend.wait()
        return time.perf_counter()

    return seconds


def marked(model: PreTrainedModel, pixel_values: Any, meter: Meter) -> dict[str, float]:
    """One forward pass -> what the meter moved in each stage."""
    with listening(Marks(meter, lambda name: STAGE_OF.get(name.split(".")[0], AFTER))) as marks:
        model(pixel_values)
        marks.end(AFTER)
    return marks.spent


def metered(backend: Backend, meter: Meter, spent: dict[str, Spent]) -> Backend:
    """The backend, each op adding its calls, and what the meter moved (as `seconds`), to `spent`."""

    def wrap(name: str, op: Callable) -> Callable:
        def metered_op(*args: Any, **options: Any) -> Any:
            start = meter()
            result = op(*args, **options)
            spent[name].seconds += meter() - start
            spent[name].calls += 1
            return result

        return metered_op

    return replace(backend, ops={name: wrap(name, op) for name, op in backend.ops.items()})


def products(model: PreTrainedModel, shape: tuple[int, ...]) -> tuple[dict[str, float], dict[str, Spent]]:
    """(flops by stage, flops by op as `seconds`) of a forward pass, counted without computing.   shape: (N, C, H, W)"""
    counter, by_name = Counter(), defaultdict[str, Spent](Spent)

    def meter() -> float:
        return counter.flops

    twin = model.to(metered(counter.backend(), meter, by_name))
    return marked(twin, np.broadcast_to(np.float32(0), shape), meter), by_name
