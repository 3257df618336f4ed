"""Memory that ops take again and again, instead of asking the system for new pages each time.

A large NumPy array is mapped when it is made and unmapped when it goes; touching its pages for the first time costs
more than most ops do. Here a block that nobody looks at any more serves the next array of its size. What a whole turn
(one forward pass) did not ask for is given back at its end.
"""

import os
import sys
from math import prod
from threading import RLock
from types import TracebackType

import numpy as np

SMALLEST = 1 << 18  # floats; smaller arrays come from the heap, which keeps its pages anyway


def _references(blocks: list[np.ndarray], i: int) -> int:
    return sys.getrefcount(blocks[i])


UNSEEN = _references([np.empty(1)], 0)  # what is counted, in this Python, for a block that only its list holds


class Pool:
    """Blocks by size, and a turn that one thread takes at a time.

    An array that was handed out keeps its block taken for as long as it or any view of it lives.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, list[np.ndarray]] = {}
        self._asked: set[int] = set()
        self._lock = RLock()

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """float32 of that shape, its contents undefined."""
        size = prod(shape)
        if size < SMALLEST:
            return np.empty(shape, np.float32)
        self._asked.add(size)
        blocks = self._blocks.setdefault(size, [])
        for i in range(len(blocks)):
            if _references(blocks, i) == UNSEEN:
                return blocks[i].reshape(shape)
        blocks.append(np.empty(size, np.float32))
        return blocks[-1].reshape(shape)

    def after_fork(self) -> None:
        """In a new process: the turn is free, as a thread that had it does not exist here."""
        self._lock = RLock()

    def __enter__(self) -> "Pool":
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks = {size: blocks for size, blocks in self._blocks.items() if size in self._asked}
        self._asked.clear()
        self._lock.release()


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.after_fork)
