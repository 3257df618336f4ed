"""Memory that ops take again and again, instead of asking the system for new pages each time.

A large NumPy array is mapped when it is made and unmapped when it goes; touching its pages for the first time costs
more than most ops do with it. Here an array is laid into the first gap, from the lowest address on, that nobody looks
at any more, so that a forward pass holds little more than what lives at once. What a whole turn (one forward pass)
did not use is given back at its end.
"""

import mmap
import os
import sys
from bisect import insort
from collections.abc import Iterator
from math import prod
from threading import RLock
from types import TracebackType

import numpy as np

LINE = 64  # bytes of a line of the cache; arrays begin at one, so that no vector straddles two
SMALLEST = 1 << 18  # floats; smaller arrays come from the heap, which keeps its pages anyway
ARENA = 1 << 28  # bytes of address space; only what was used of it is real memory
OWN = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


def aligned(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An array that begins at the start of a line of the cache, its contents undefined."""
    count = prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(count + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + count].view(dtype).reshape(shape)


class Piece:
    """What an array was given of an arena: bytes `start` to `end`. Every view of that array refers to `whole`."""

    def __init__(self, memory: mmap.mmap, start: int, size: int):
        self.start, self.end = start, start + -(-size // LINE) * LINE
        self.whole = np.frombuffer(memory, np.float32, size // 4, start)

    def __lt__(self, other: "Piece") -> bool:
        return self.start < other.start

    def references(self) -> int:
        return sys.getrefcount(self.whole)


UNSEEN = Piece(mmap.mmap(-1, mmap.PAGESIZE), 0, LINE).references()  # what is counted, in this Python, where no array is


class Arena:
    """A stretch of address space, and the pieces of it that somebody looks at."""

    def __init__(self, size: int):
        self.size, self.highest = size, 0  # highest: the end of what this turn used
        self._touched = 0
        self._memory = mmap.mmap(-1, size, **OWN)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        self._pieces: list[Piece] = []  # by address

    def empty(self, size: int) -> np.ndarray | None:
        """`size` bytes as float32 in the lowest gap that holds them; None if none does."""
        start = next((start for start, end in self.gaps() if end - start >= size), None)
        if start is None:
            return None
        piece = Piece(self._memory, start, size)
        insort(self._pieces, piece)
        self.highest = max(self.highest, piece.end)
        return piece.whole[:]

    def gaps(self) -> Iterator[tuple[int, int]]:
        """(start, end) of what is free, from the lowest on."""
        self._pieces = [piece for piece in self._pieces if piece.references() != UNSEEN]
        edges = [0, *(edge for piece in self._pieces for edge in (piece.start, piece.end)), self.size]
        return zip(edges[::2], edges[1::2], strict=True)

    def give_back(self) -> None:
        """At the end of a turn: free pages above what it used are the system's again."""
        touched, self._touched = max(self._touched, self.highest), self.highest
        for start, end in self.gaps():
            start = -(-max(start, self.highest) // mmap.PAGESIZE) * mmap.PAGESIZE
            end = min(end, touched) // mmap.PAGESIZE * mmap.PAGESIZE  # a page that a neighbour shares stays
            if start < end and hasattr(mmap, "MADV_DONTNEED"):
                self._memory.madvise(mmap.MADV_DONTNEED, start, end - start)
        self.highest = 0

    def is_idle(self) -> bool:
        return not self.highest and next(self.gaps()) == (0, self.size)


class Pool:
    """Arenas, and a turn that one thread takes at a time.

    An array that was handed out keeps its place for as long as it or any view of it lives.
    """

    def __init__(self) -> None:
        self._arenas: list[Arena] = []
        self._lock = RLock()

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """float32 of that shape, its contents undefined."""
        size = prod(shape)
        if size < SMALLEST:
            return aligned(shape)
        for arena in self._arenas:
            if (found := arena.empty(size * 4)) is not None:
                return found.reshape(shape)
        self._arenas.append(Arena(max(ARENA, -(-size * 4 // mmap.PAGESIZE) * mmap.PAGESIZE)))
        return self.empty(shape)

    def after_fork(self) -> None:
        """In a new process: the turn is free, as a thread that had it does not exist here."""
        self._lock = RLock()

    def __enter__(self) -> "Pool":
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._arenas = [arena for arena in self._arenas if not arena.is_idle()]
        for arena in self._arenas:
            arena.give_back()
        self._lock.release()


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.after_fork)
