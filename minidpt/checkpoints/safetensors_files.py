"""Reading and writing .safetensors. The safetensors library checks every file; NumPy then reads one tensor at a time.

That way no more than one tensor is ever held twice, and bfloat16, which NumPy does not know, is no special case.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import CheckpointError
from ..files import publish
from ..schema import unique_keys
from .entries import FLOATS, MAX_TENSORS, Entry, reading

SAVED_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
MAX_HEADER_BYTES = 10_000_000


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


def write(path: Path, tensors: Mapping[str, np.ndarray], dtype: str) -> None:
    """Write float32 arrays as `dtype` ("float32" | "float16" | "bfloat16"), to a temporary file first."""
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
        serialize_file(specs, unfinished, {"format": "pt"})
        unfinished.chmod(mode)  # the library makes a file that its owner alone may read

    publish(path, serialize)
