"""A forward pass that computes nothing and tells the rest: shapes, products, memory, weights, and who called the ops.

Every op of the counting backend is watched. Nothing here knows any model: which function computes a stage, which
weights it reads and what is alive meanwhile is seen from the calls themselves.
"""

import math
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import CodeType, FrameType
from typing import Any

import numpy as np

from .. import params, recording
from ..backbones import backbone_of
from ..config import DecoderConfig
from ..model import PreTrainedModel
from ..ops.backends import Backend
from ..ops.counting import Counter, Shape
from ..params import Tensor
from ..recording import Tape, listening

ITEM_BYTES = 4  # float32
VIEWS = frozenset({"take_tokens", "token", "tokens_to_map", "map_to_tokens", "split_heads", "drop_channel"})
VIEWS_IF_ONE_WINDOW = frozenset({"windows", "from_windows"})
VIEWS_IF_AS_LARGE = frozenset({"resize_bilinear", "crop_map", "every_other"})
NO_WORK = frozenset({"from_numpy", "to_numpy", "map_size"})  # they begin, end or ask, and tell nothing of a stage
STAGES = (  # beside the encoder's own states
    "bit.stem",
    "bit.stages.[0-9]",
    "embeddings",
    "readout.*",
    "reassembled.*",
    "neck.*",
    "fused.*",
    "head.*",
    "predicted_depth",
    "logits",
)
NOT_A_STAGE = ("pretrained", "ops", "recording")  # modules that wire and watch


@dataclass(frozen=True)
class Stage:
    """One named intermediate.   shape: channels last   flops: products counted since the stage before

    tensors: the weights read since then   alive: bytes of arrays that were alive at most   functions: what called the
    ops, from the outside in   held: whether the forward pass itself ever holds it, or a tape that asks for it alone
    """

    name: str
    shape: tuple[int, ...]
    flops: int
    tensors: tuple[Tensor, ...]
    alive: int
    functions: tuple[CodeType, ...]
    held: bool = True

    @property
    def parameters(self) -> int:
        return params.count(self.tensors)


@dataclass(frozen=True)
class Passage:
    """What a picture passes.   taps: for each level the stage that it is tapped from   unread: weights no op took"""

    stages: list[Stage]
    taps: tuple[str, ...]
    unread: tuple[Tensor, ...]

    @property
    def flops(self) -> int:
        return sum(stage.flops for stage in self.stages)

    @property
    def peak(self) -> Stage:
        """The stage on whose way most is alive."""
        return max(self.stages, key=lambda stage: stage.alive)


class Memory:
    """What an array and its views share.   shows: the stage whose numbers it holds, changed by no product since"""

    def __init__(self, shows: str):
        self.shows = shows


@dataclass(frozen=True, eq=False)
class Array(Shape):
    """A Shape that stands for an array in memory."""

    memory: Memory = field(kw_only=True)


def shares_memory(op: str, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether NumPy's op, from a shape to another, hands on the memory that it got."""
    if op in VIEWS_IF_ONE_WINDOW:
        return before[0] == after[0]
    return op in VIEWS or (op in VIEWS_IF_AS_LARGE and before == after)


class Weights(dict[str, np.ndarray]):
    """Weights without numbers that remember which of them were asked for."""

    def __init__(self, table: Iterable[Tensor]):
        super().__init__({t.name: np.broadcast_to(np.float32(0), t.shape) for t in table})
        self.asked: dict[str, None] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        self.asked[name] = None
        return super().__getitem__(name)


class DryRun(Tape):
    """The watched op table, and the tape that ends a stage whenever one of its names is noted.

    table: the model's tensors   patterns: of the names that are stages
    """

    def __init__(self, table: Iterable[Tensor], patterns: tuple[str, ...]):
        super().__init__(patterns)
        self.stages: list[Stage] = []
        self.taps: dict[str, str] = {}
        self._in_table_order = iter([t for t in table if not t.unused])
        self._weights: dict[int, tuple[Shape, Tensor]] = {}
        self._noting, self._held = "", True
        self._counter = Counter()
        self._counted = self._alive = self._most = 0
        self._tensors: dict[str, Tensor] = {}
        self._depths: dict[CodeType, int] = {}

    def backend(self) -> Backend:
        plain = self._counter.backend()
        ops = {name: self._watched(name, op) for name, op in plain.ops.items()}
        return replace(plain, ops=ops, prepare=self._prepare)

    def _prepare(self, kind: str, weight: np.ndarray) -> Shape:
        """Weights are prepared once each, in the table's order."""
        shape = Shape(weight.shape)
        self._weights[id(shape)] = shape, next(self._in_table_order)
        return shape

    def _watched(self, name: str, op: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            before = self._counter.flops
            result = op(*args, **options)
            if self._noting:  # asked by a tape, not by the model
                return self._noted(result, args[0]) if name == "to_numpy" else result
            for x in (*args, *options.values()):
                if id(x) in self._weights:
                    tensor = self._weights[id(x)][1]
                    self._tensors[tensor.name] = tensor
            if name not in NO_WORK:
                self._called_by(sys._getframe(1))
            if not isinstance(result, Shape):
                return result
            source = next((x for x in args if isinstance(x, Array)), None)
            if source is None:
                return self._new(result.dims, "")
            if shares_memory(name, source.dims, result.dims):
                return Array(result.dims, memory=source.memory)
            return self._new(result.dims, source.memory.shows if self._counter.flops == before else "")

        return watched

    def _new(self, dims: tuple[int, ...], shows: str) -> Array:
        memory, size = Memory(shows), math.prod(dims) * ITEM_BYTES
        self._alive += size
        self._most = max(self._most, self._alive)
        weakref.finalize(memory, self._free, size)
        return Array(dims, memory=memory)

    def _free(self, size: int) -> None:
        self._alive -= size

    def _called_by(self, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_name.startswith("<"):  # of a comprehension: its function
            frame = frame.f_back
        if frame is None or frame.f_globals["__name__"].split(".")[1] in NOT_A_STAGE:
            return
        code, depth = frame.f_code, 0
        while frame is not None:
            frame, depth = frame.f_back, depth + 1
        self._depths.setdefault(code, depth)

    # ---- the tape's side

    def wants(self, name: str) -> bool:
        stage, tap = super().wants(name), name.startswith("taps.")
        if stage and not self._depths:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_globals["__name__"] == recording.__name__:
                frame = frame.f_back
            self._called_by(frame)
        self._noting = name if stage or tap else ""
        return bool(self._noting)

    def _noted(self, result: Any, x: Any) -> Any:
        """What a tape asks for is no memory of the model's."""
        self._held = isinstance(x, Array)
        if self._held and self._noting.startswith("taps."):
            self.taps[self._noting] = x.memory.shows
        elif self._held:
            x.memory.shows = self._noting
        return result

    def __setitem__(self, name: str, x: Shape) -> None:
        super().__setitem__(name, x)
        self._noting = ""
        if not super().wants(name):
            return
        functions = tuple(sorted(self._depths, key=lambda code: self._depths[code]))
        tensors = tuple(self._tensors.values())
        flops = self._counter.flops - self._counted
        self.stages.append(Stage(name, x.dims, flops, tensors, self._most, functions, self._held))
        self._counted, self._most = self._counter.flops, self._alive
        self._tensors, self._depths = {}, {}


def run(
    model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int], patterns: tuple[str, ...]
) -> tuple[DryRun, Weights]:
    """Pass a picture of `size` = (H, W) pixels through without computing.   -> what was seen, weights asked for"""
    table = model.tensors(config)
    seen, named = DryRun(table, patterns), Weights(table)
    twin = model.from_weights(config, named, seen.backend())
    named.asked.clear()  # what is asked for from here on is not prepared, but made to fit the size
    with listening(seen):
        twin(np.broadcast_to(np.float32(0), (1, twin.encoder.num_channels, *size)))
    return seen, named


def trace(model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int]) -> list[Stage]:
    """The stages that a picture of `size` = (H, W) pixels passes, in order."""
    return passage(model, config, size).stages


def passage(model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int]) -> Passage:
    """What a picture of `size` = (H, W) pixels passes: stages with their shapes, work, weights and functions.

    Weights that no op takes but whatever is made once per size (positions, relative biases) count to the stage of their
    name, else to the embeddings.
    """
    encoder = getattr(config, "encoder", config)
    states = (name.removesuffix(".tokens") for name in backbone_of(encoder).states(encoder))
    seen, named = run(model, config, size, (*STAGES, *states))
    stages, table = seen.stages, {t.name: t for t in model.tensors(config)}
    taken = {t.name for stage in stages for t in stage.tensors}
    names = [stage.name for stage in stages]
    for name in named.asked.keys() - taken:
        inner = name.removeprefix("backbone.")
        home = next((n for n in names if inner.startswith(f"{n}.")), "embeddings")
        at = names.index(home) if home in names else 0
        stages[at] = replace(stages[at], tensors=(*stages[at].tensors, table[name]))
        taken.add(name)
    return Passage(stages, tuple(seen.taps.values()), tuple(t for t in table.values() if t.name not in taken))


def recorded_names(model: type[PreTrainedModel], config: DecoderConfig, size: tuple[int, int]) -> list[str]:
    """Every name that `record` knows of such a model, in the order of the data flow."""
    return list(run(model, config, size, ("*",))[0])
