"""Memory that ops take again and again, instead of asking the system for new pages each time.

A large NumPy array is mapped when it is made and unmapped when it goes; touching its pages for the first time costs
more than most ops do. Here a block that nobody looks at any more serves the next array that it can hold. What a whole
turn (one forward pass) did not use is given back at its end.
"""

import os
import sys
from bisect import bisect_left, bisect_right
from math import prod
from threading import RLock
from types import TracebackType

import numpy as np

LINE = 64  # bytes of a line of the cache; arrays begin at one, so that no vector straddles two
SPARE = LINE // 4  # floats of a block that go to that
SMALLEST = 1 << 18  # floats; smaller arrays come from the heap, which keeps its pages anyway


def _references(blocks: list[np.ndarray], i: int) -> int:
    return sys.getrefcount(blocks[i])


UNSEEN = _references([np.empty(1)], 0)  # what is counted, in this Python, for a block that only its list holds


def aligned(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An array that begins at the start of a line of the cache, its contents undefined."""
    count = prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(count + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + count].view(dtype).reshape(shape)


class Pool:
    """Blocks of memory, and a turn that one thread takes at a time.

    An array that was handed out keeps its block taken for as long as it or any view of it lives.
    """

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []  # from the smallest to the largest
        self._used: set[int] = set()  # ids of those that this turn took
        self._lock = RLock()

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """float32 of that shape, its contents undefined: in the smallest free block that holds it, or a new one."""
        size = prod(shape)
        if size < SMALLEST:
            return aligned(shape)
        large_enough = range(bisect_left(self._blocks, size + SPARE, key=len), len(self._blocks))
        found = next((i for i in large_enough if _references(self._blocks, i) == UNSEEN), None)
        if found is None:
            found = bisect_right(self._blocks, size + SPARE, key=len)
            self._blocks.insert(found, np.empty(size + SPARE, np.float32))
        block = self._blocks[found]
        self._used.add(id(block))
        start = -block.ctypes.data % LINE // block.itemsize
        return block[start : start + size].reshape(shape)

    def after_fork(self) -> None:
        """In a new process: the turn is free, as a thread that had it does not exist here."""
        self._lock = RLock()

    def __enter__(self) -> "Pool":
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks = [block for block in self._blocks if id(block) in self._used]
        self._used.clear()
        self._lock.release()


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.after_fork)
