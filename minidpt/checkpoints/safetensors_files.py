"""Reading and writing .safetensors. The safetensors library checks every file; NumPy then reads one tensor at a time.

That way no more than one tensor is ever held twice, and bfloat16, which NumPy does not know, is no special case.
"""

import json
import struct
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..files import publish
from ..schema import unique_keys
from .entries import FLOATS, MAX_TENSORS, Entry, reading
from .on_disk import OnDisk

SAVED_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
MAX_HEADER_BYTES = 10_000_000
LARGEST_F16 = 65_519  # what is larger rounds to infinity


def narrow(x: np.ndarray, dtype: str) -> np.ndarray:
    """From float32 to a stored dtype, rounding to nearest even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.ascontiguousarray(x, FLOATS[dtype])


def index(path: Path) -> dict[str, Entry]:
    """What the file holds: name -> Entry. CheckpointError if it is no sound safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with reading(path), safe_open(path, framework="numpy"):  # checks header, offsets and bounds
            pass
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a sound safetensors file ({error})") from None
    with reading(path), path.open("rb") as file:
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


def write(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    dtype: str,
    rename: Callable[[str], str] = str,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write float32 arrays as `dtype` ("float32" | "float16" | "bfloat16"), to a temporary file first, one by one.

    rename: a tensor's name -> its name in the file   about: metadata beside transformers' own {"format": "pt"}
    """
    if dtype not in SAVED_DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(SAVED_DTYPES)}")
    stored = SAVED_DTYPES[dtype]
    shapes = tensors.shapes if isinstance(tensors, OnDisk) else {name: x.shape for name, x in tensors.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(about or {})}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + prod(shape) * FLOATS[stored].itemsize
        header[rename(name)] = {"dtype": stored, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of 8 bytes

    def serialize(unfinished: Path) -> None:
        with unfinished.open("xb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for name in shapes:
                weight = tensors[name]
                if stored == "F16" and weight.size and max(weight.max(), -weight.min()) > LARGEST_F16:
                    raise CheckpointError(f"{path}: {rename(name)} has numbers too large for float16; use bfloat16")
                narrow(weight, stored).tofile(file)

    publish(path, serialize)
