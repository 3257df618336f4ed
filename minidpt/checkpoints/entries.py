"""Where one tensor lies in a file, and how it is read: straight from there, into its own memory."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError

FLOATS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
INTEGERS: dict[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
DTYPES = FLOATS | INTEGERS
MAX_TENSORS = 20_000  # in one file
CHUNK_BYTES = 1 << 20


@dataclass
class Block:
    """A stretch of a file with its CRC-32, which is compared once, when the first tensor in it is read."""

    offset: int
    size: int
    crc: int
    checked: bool = False

    def check(self, path: Path, content: np.ndarray | None = None) -> None:
        """CheckpointError if the checksum differs.   content: the whole stretch, where it is in memory already"""
        if self.checked:
            return
        with reading(path):
            crc = self._crc_on_disk(path) if content is None else zlib.crc32(content.data)
        if crc != self.crc:
            raise CheckpointError(f"{path}: damaged, the checksum at byte {self.offset} differs; fetch the file again")
        self.checked = True

    def _crc_on_disk(self, path: Path) -> int:
        crc, left = 0, self.size
        with path.open("rb") as file:
            file.seek(self.offset)
            while left and (chunk := file.read(min(left, CHUNK_BYTES))):
                crc, left = zlib.crc32(chunk, crc), left - len(chunk)
        return crc


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies in a file.

    dtype: as safetensors names it, F32 and so on.   offset: of the first element, in bytes from the file's start
    strides: in elements; None where the elements lie in order without gaps.   block: what is checked at the first use
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...] | None = None
    block: Block | None = None

    def read(self, *, as_stored: bool = False, mapped: bool = False) -> np.ndarray:
        """The tensor as float32, in its own memory; CheckpointError if it holds no floating-point numbers.

        as_stored: keep the stored type, integers too (bfloat16, which NumPy lacks, still becomes float32).
        mapped: the file's own pages where they hold it as it is, to be read once and let go of.
        """
        readable = DTYPES if as_stored else FLOATS
        if self.dtype not in readable:
            raise CheckpointError(
                f"{self.path}: holds a tensor of type {self.dtype}; minidpt reads {', '.join(readable)}"
            )
        stored, count = DTYPES[self.dtype], self.elements_spanned
        if mapped and self.dtype == "F32" and self.strides is None and self.block is None and count:
            with reading(self.path):
                # "r" would make it read-only, another kind of array, which kernels would be compiled anew for
                return np.asarray(np.memmap(self.path, stored, "c", self.offset, self.shape))
        with reading(self.path):
            raw = np.fromfile(self.path, stored, count, offset=self.offset)
        if raw.size != count:
            raise CheckpointError(f"{self.path}: the file became shorter while it was read")
        if self.block is not None:
            self.block.check(self.path, raw if raw.nbytes == self.block.size else None)
        if self.strides is None:
            x = raw.reshape(self.shape)
        else:
            steps = tuple(step * stored.itemsize for step in self.strides)
            x = np.ascontiguousarray(np.lib.stride_tricks.as_strided(raw, self.shape, steps, writeable=False))
        return x if as_stored and self.dtype != "BF16" else widen(x, self.dtype)

    def rows(self, start: int, stop: int) -> "Entry":
        """The part [start, stop) of the first axis as an entry of its own, which reads no more than that."""
        step = self.strides[0] if self.strides else prod(self.shape[1:])
        offset = self.offset + start * step * DTYPES[self.dtype].itemsize
        return replace(self, shape=(stop - start, *self.shape[1:]), offset=offset)

    @property
    def elements_spanned(self) -> int:
        """How many elements lie from the tensor's first to its last in the file, both included."""
        return span(self.shape, self.strides)


def span(shape: tuple[int, ...], strides: tuple[int, ...] | None) -> int:
    """1 + sum_d (shape[d] - 1) strides[d] elements, none if any shape[d] is 0; strides None: without gaps."""
    if strides is None or 0 in shape:
        return prod(shape)
    return 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))


def widen(raw: np.ndarray, dtype: str) -> np.ndarray:
    """To float32. A bfloat16 is the upper half of a float32: shift it there."""
    if dtype == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32's range becomes inf, and that is refused by name
        return raw.astype(np.float32, copy=False)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What the file system says, as a CheckpointError."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from None
