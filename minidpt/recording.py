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
