"""Every intermediate by name, kept only when asked.

    with record("fused.*", "blocks.11.attention.weights") as tape:
        model(pixel_values)
    tape["fused.3"]                          # NumPy array, channels last

Model code calls `note(name, x)` where something worth seeing exists; without a `record` block that costs one lookup.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from . import ops


class Tape(dict[str, Any]):
    """The intermediates that matched, in the order in which the model made them.

    Maps are (N, H, W, C), tokens (N, T, D), attention weights (N, A, T, T).
    """

    def __init__(self, patterns: tuple[str, ...]):
        super().__init__()
        self.patterns = patterns

    def wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def __missing__(self, name: str) -> Any:
        kept = ", ".join(self) or "nothing"
        raise KeyError(f"{name!r} was not recorded by {self.patterns}; on the tape: {kept}")


class Marks(Tape):
    """Hears every name, keeps nothing, and adds what a meter moved since the last mark to the part that a name ends.

    meter() -> a number that grows, as seconds do   part_of(name) -> the part, or None where a name ends none
    """

    def __init__(self, meter: Callable[[], float], part_of: Callable[[str], str | None]):
        super().__init__(())
        self.meter, self.part_of, self.last = meter, part_of, meter()
        self.spent: dict[str, float] = {}

    def wants(self, name: str) -> bool:
        if (part := self.part_of(name)) is not None:
            self.end(part)
        return False

    def end(self, part: str) -> None:
        now = self.meter()
        self.spent[part] = self.spent.get(part, 0) + now - self.last
        self.last = now


T = TypeVar("T", bound=Tape)
_tapes: ContextVar[tuple[Tape, ...]] = ContextVar("minidpt_tapes", default=())


@contextmanager
def record(*patterns: str) -> Iterator[Tape]:
    """Keep every intermediate whose name matches one of the glob patterns (default: all) while the block runs.

    Blocks may be nested; each fills its own tape. `minidpt inspect MODEL` lists a model's names.
    """
    with listening(Tape(patterns or ("*",))) as tape:
        yield tape


@contextmanager
def listening(tape: T) -> Iterator[T]:
    """`record` with a tape of your own kind, which may want nothing and still hear every name in its `wants`."""
    token = _tapes.set((*_tapes.get(), tape))
    try:
        yield tape
    finally:
        _tapes.reset(token)


def note(name: str, x: Any) -> Any:
    """Offer intermediate `x` (an array of the backend, or a function that computes it) to the tapes; returns x.

    A function is called only when a tape wants its result: for what the fused forward pass never holds by itself.
    """
    wanting = [tape for tape in _tapes.get() if tape.wants(name)]
    if wanting:
        value = x() if isinstance(x, Callable) else x  # type: ignore[arg-type]
        for tape in wanting:
            tape[name] = ops.to_numpy(value)
    return x
