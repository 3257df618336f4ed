"""A model's tensors as a mapping that reads each one when asked for it."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..errors import CheckpointError
from .entries import Entry, reading


def _stamp(path: Path) -> tuple[int, int, int]:
    """What tells one content of a file from the next."""
    with reading(path):
        found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_finite(weight: np.ndarray) -> bool:
    """Whether no number is NaN or infinite. Their sum tells, in one pass, unless it is too large itself."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(weight.sum()):
            return True
    return bool(np.isfinite(weight).all())


class OnDisk(Mapping[str, np.ndarray]):
    """Tensors of a checked file by their names in memory, unread; in the order in which the file has them.

    So loading reads a file from front to back, and converting one never holds more than a tensor. A file that changed
    after it was checked is refused.
    shapes: of every tensor   absent: those that the file lacks and no forward pass reads; they are zeros
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], entries: Mapping[str, tuple[str, Entry]], source: str):
        """entries: name in memory -> name in the file, entry; for all of `shapes` but the absent ones"""
        there = sorted(entries, key=lambda name: (entries[name][1].path, entries[name][1].offset))
        self.absent = [name for name in shapes if name not in entries]
        self.shapes = {name: shapes[name] for name in (*self.absent, *there)}
        self._entries, self._source = entries, source
        self._mapped = False
        self._stamps = {path: _stamp(path) for path in {entry.path for _, entry in entries.values()}}

    def mapped(self) -> "OnDisk":
        """The same, but what is asked for may be the file's own pages: for who makes something else of it at once."""
        twin = copy.copy(self)
        twin._mapped = True
        return twin

    def __getitem__(self, name: str) -> np.ndarray:
        """float32, in its own memory; CheckpointError if it holds NaN or infinity, or the file is another by now"""
        if name not in self._entries:
            return np.zeros(self.shapes[name], np.float32)
        disk_name, entry = self._entries[name]
        if _stamp(entry.path) != self._stamps[entry.path]:
            raise CheckpointError(f"{entry.path}: changed after it was opened; load the model again")
        weight = entry.read(mapped=self._mapped)
        if not _is_finite(weight):
            raise CheckpointError(f"{self._source}: {disk_name} holds NaN or infinity")
        return weight

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)
