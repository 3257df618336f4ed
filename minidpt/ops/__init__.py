"""The menu: the closed list of operations of which every model is made.

A model calls `ops.linear(x, ...)` and nothing else on its arrays; which column of the table answers (NumPy, ...)
is decided by the `using` block around the call. What each op means is written in the file of its row:

    layout      moves between pictures, maps, tokens and heads
    pointwise   linear layers, normalisations, activations
    attention   softmax(q k^T) v
    conv        convolutions and pooling over channels-last maps
    resize      bilinear and bicubic resizing
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .backends import BACKENDS, MENU, NUMPY, OP_NAMES, PRECISIONS, Backend, choose

__all__ = ["BACKENDS", "MENU", "OP_NAMES", "PRECISIONS", "Backend", "choose", "using"]

_in_use: ContextVar[Backend] = ContextVar("minidpt_backend", default=NUMPY)


@contextmanager
def using(backend: Backend) -> Iterator[Backend]:
    """Let `backend` answer every `ops.*` call inside the block (in this thread or task only)."""
    with backend.turn:
        token = _in_use.set(backend)
        try:
            yield backend
        finally:
            _in_use.reset(token)


def __getattr__(name: str) -> Any:
    if name in OP_NAMES:
        return _in_use.get().ops[name]
    raise AttributeError(f"minidpt.ops has no op {name!r}")
