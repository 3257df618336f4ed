"""Reading and writing .safetensors. The safetensors library checks every file; NumPy then reads one tensor at a time.

That way no more than one tensor is ever held twice, and bfloat16, which NumPy does not know, is no special case.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..files import publish
from ..schema import unique_keys

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
SAVED_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
MAX_TENSORS = 20_000
MAX_HEADER_BYTES = 10_000_000
NOT_A_CHECKPOINT = {
    b"version https://git-lfs": "a Git LFS pointer, not the weights: fetch the real file with `git lfs pull`",
    b"<": "a web page, not weights; was a login page downloaded?",
    b"PK\x03\x04": "a zip file, most likely torch's; minidpt reads .safetensors",
}


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies in a file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> np.ndarray:
        """The tensor as float32, in its own memory."""
        if self.dtype not in DTYPES:
            raise CheckpointError(
                f"{self.path}: holds a tensor of type {self.dtype}; minidpt reads {', '.join(DTYPES)}"
            )
        stored = DTYPES[self.dtype]
        count = int(np.prod(self.shape, dtype=np.int64))
        with _errors(self.path):
            raw = np.fromfile(self.path, stored, count, offset=self.offset)
        if raw.size != count:
            raise CheckpointError(f"{self.path}: the file became shorter while it was read")
        return widen(raw, self.dtype).reshape(self.shape)


def widen(raw: np.ndarray, dtype: str) -> np.ndarray:
    """To float32. A bfloat16 is the upper half of a float32: shift it there."""
    if dtype == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32's range becomes inf, and that is refused by name
        return raw.astype(np.float32, copy=False)


def narrow(x: np.ndarray, dtype: str) -> np.ndarray:
    """From float32 to a stored dtype, rounding to nearest even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.ascontiguousarray(x, DTYPES[dtype])


def index(path: Path) -> dict[str, Entry]:
    """What the file holds: name -> Entry. CheckpointError if it is no sound safetensors file."""
    from safetensors import SafetensorError, safe_open

    with _errors(path), path.open("rb") as file:
        start = file.read(64)
    for magic, what in NOT_A_CHECKPOINT.items():
        if start.lstrip().startswith(magic):
            raise CheckpointError(f"{path}: {what}")
    try:
        with _errors(path), safe_open(path, framework="numpy"):  # checks header, offsets and bounds
            pass
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a sound safetensors file ({error})") from None
    with _errors(path), path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > MAX_HEADER_BYTES:
            raise CheckpointError(f"{path}: a header of {length} bytes; the limit is {MAX_HEADER_BYTES}")
        text = file.read(length)
    try:
        header = json.loads(text, object_pairs_hook=unique_keys)
    except ValueError as error:
        raise CheckpointError(f"{path}: not a sound header ({error})") from None
    header.pop("__metadata__", None)
    if not 0 < len(header) <= MAX_TENSORS:
        raise CheckpointError(f"{path}: holds {len(header)} tensors; expected 1 to {MAX_TENSORS}")
    return {
        name: Entry(path, item["dtype"], tuple(item["shape"]), 8 + length + item["data_offsets"][0])
        for name, item in header.items()
    }


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from None


def write(path: Path, tensors: Mapping[str, np.ndarray], dtype: str, about: Mapping[str, str] | None = None) -> None:
    """Write float32 arrays as `dtype` ("float32" | "float16" | "bfloat16"), to a temporary file first.

    about: metadata beside transformers' own {"format": "pt"}
    """
    from safetensors import TensorSpec, serialize_file

    if dtype not in SAVED_DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(SAVED_DTYPES)}")
    stored = {name: narrow(x, SAVED_DTYPES[dtype]) for name, x in tensors.items()}  # alive until the file is written
    specs = {
        name: TensorSpec(dtype=dtype, shape=list(x.shape), data_ptr=x.ctypes.data, data_len=x.nbytes)
        for name, x in stored.items()
    }

    def serialize(unfinished: Path) -> None:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        serialize_file(specs, unfinished, {"format": "pt", **(about or {})})
        unfinished.chmod(mode)  # the library makes a file that its owner alone may read

    publish(path, serialize)
