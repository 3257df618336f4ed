"""Reading what torch.save wrote, without torch: which tensors a file holds and where each one's numbers lie.

zip (torch 1.6 on)  data.pkl, a pickle that says what views what, and one record of plain bytes per storage
legacy (before)     five pickles: magic number, version, machine, the same as data.pkl, storage keys; then the storages

pickle_machine.py interprets the pickles, executing nothing. A storage's numbers are read only when a tensor is, and in
a zip file its checksum is compared then.
"""

import io
import re
import struct
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .entries import DTYPES, MAX_TENSORS, Block, Entry, reading, span
from .pickle_machine import MAX_PICKLE_BYTES, interpret
from .torch_records import Tensor, shown
from .zip_records import content, records

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_NUMBER, LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001
LEGACY_MAGIC = LEGACY_NUMBER.to_bytes(10, "little")
MAX_SHARING = 4  # times the file's size: what all its tensors may take together
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "params")
PASSED_OVER = re.compile(r".*(optim|sched|scaler|_ema$|^ema)")  # what a training needs to go on
MAX_WRAPPING = 4

Blocks = dict[str, tuple[int, int, Block | None]]  # a storage's key -> offset, bytes, checksum


def index(path: Path) -> dict[str, Entry]:
    """What the file's state dict holds: name -> Entry. CheckpointError if it is no sound file of tensors alone."""
    with reading(path), path.open("rb") as file:
        start = file.read(len(ZIP_MAGIC))
    contents, blocks = (_zip if start == ZIP_MAGIC else _legacy)(path)
    tensors = state_dict(contents, path)
    if len(tensors) > MAX_TENSORS:
        raise CheckpointError(f"{path}: holds {len(tensors)} tensors; expected 1 to {MAX_TENSORS}")
    with reading(path):
        allowed = MAX_SHARING * path.stat().st_size
    found = {}
    for name, tensor in tensors.items():
        found[name] = entry = _entry(path, tensor, blocks)
        allowed -= max(entry.elements_spanned, span(entry.shape, None)) * DTYPES[entry.dtype].itemsize
        if allowed < 0:
            raise CheckpointError(f"{path}: its tensors share storages so often that they take {MAX_SHARING}x its size")
    return found


def _entry(path: Path, tensor: Tensor, blocks: Blocks) -> Entry:
    storage = tensor.storage
    offset, size, checksum = blocks.get(storage.key, (0, -1, None))
    itemsize = DTYPES[storage.dtype].itemsize
    if size != storage.count * itemsize:
        there = f"{size} bytes" if size >= 0 else "absent"
        raise CheckpointError(
            f"{path}: the storage {shown(storage.key)!r} of {storage.count} {storage.dtype} elements is {there}"
        )
    strides: tuple[int, ...] | None = tuple(
        step if n > 1 else 0 for n, step in zip(tensor.shape, tensor.strides, strict=True)
    )
    if 0 in tensor.shape or strides == _contiguous(tensor.shape):
        strides = None
    return Entry(path, storage.dtype, tensor.shape, offset + tensor.offset * itemsize, strides, checksum)


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a tensor without gaps; 0 where an axis has one element and is never stepped along."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step if n > 1 else 0)
        step *= n
    return tuple(reversed(strides))


# ---- which of the file's dictionaries is the state dict


def state_dict(contents: Any, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors: the whole file, or {"model": it, "optimizer": ...} and the like, nested or not."""
    known: dict[tuple[int, int], bool] = {}
    for _ in range(MAX_WRAPPING):
        if not isinstance(contents, dict):
            break
        inner = {
            key: value for key, value in contents.items() if not _passed_over(key) and _holds_tensors(value, known)
        }
        wrapper = next((key for key in WRAPPERS if key in inner), None)
        tensors = {name: tensor for name, tensor in contents.items() if isinstance(tensor, Tensor)}
        if wrapper is None and tensors:
            for name in tensors:
                if not isinstance(name, str) or not name or not name.isprintable():
                    raise CheckpointError(f"{path}: holds a tensor without a plain name")
            return tensors
        if wrapper is None and len(inner) != 1:
            names = ", ".join(shown(str(key)) for key in list(inner)[:10])
            raise CheckpointError(
                f"{path}: holds {f'several dictionaries ({names})' if inner else 'no tensors by name'}"
            )
        contents = inner[wrapper if wrapper is not None else next(iter(inner))]
    raise CheckpointError(f"{path}: holds no dictionary of tensors by name; save the model's state_dict()")


def _passed_over(key: Any) -> bool:
    return isinstance(key, str) and PASSED_OVER.match(key) is not None


def _holds_tensors(value: Any, known: dict[tuple[int, int], bool], depth: int = MAX_WRAPPING) -> bool:
    """Whether it is a dictionary with a tensor of a text name in it or in a dictionary in it, and so on.

    known: the answers so far, as one dictionary may stand in a file's dictionaries a million times
    """
    if not isinstance(value, dict) or not depth:
        return False
    place = (id(value), depth)
    if place not in known:
        known[place] = any(isinstance(x, Tensor) and isinstance(name, str) for name, x in value.items()) or any(
            _holds_tensors(inner, known, depth - 1) for inner in value.values()
        )
    return known[place]


# ---- the two formats


def _zip(path: Path) -> tuple[Any, Blocks]:
    found = records(path)
    roots = [match[1] for name in found if (match := re.fullmatch(r"([^/]+/)data\.pkl", name))]
    if len(roots) != 1:
        what = "a NumPy .npz file" if all(name.endswith(".npy") for name in found) else "a zip file but not torch's"
        raise CheckpointError(f"{path}: {what}; minidpt reads safetensors and what torch.save wrote")
    root = roots[0]
    if any(name.startswith((f"{root}code/", f"{root}constants.pkl")) for name in found):
        raise CheckpointError(f"{path}: a TorchScript program, not weights; save the model's state_dict() instead")
    order = found.get(f"{root}byteorder")
    if order and content(path, order, limit=100).strip() != b"little":
        raise CheckpointError(f"{path}: written on a big-endian machine; save it again on another")
    stream = io.BytesIO(content(path, found[f"{root}data.pkl"], MAX_PICKLE_BYTES))
    contents, _ = interpret(stream, str(path))
    data = f"{root}data/"
    blocks: Blocks = {
        name.removeprefix(data): (block.offset, block.size, block)
        for name, block in found.items()
        if name.startswith(data)
    }
    return contents, blocks


def _legacy(path: Path) -> tuple[Any, Blocks]:
    with reading(path), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        stream = io.BytesIO(file.read(min(size, MAX_PICKLE_BYTES)))
        number, version, machine = (interpret(stream, str(path))[0] for _ in range(3))
        if number != LEGACY_NUMBER or version != LEGACY_VERSION or not isinstance(machine, dict):
            raise CheckpointError(f"{path}: a pickle, but not torch's; minidpt reads what torch.save wrote")
        if machine.get("little_endian") is not True:
            raise CheckpointError(f"{path}: written on a big-endian machine; save it again on another")
        contents, storages = interpret(stream, str(path))
        keys, _ = interpret(stream, str(path))
        named = isinstance(keys, list) and all(isinstance(key, str) for key in keys) and {*keys} == storages.keys()
        if not named or len(keys) != len(storages):
            raise CheckpointError(f"{path}: the list of storages differs from those that its tensors use")
        blocks: Blocks = {}
        at = stream.tell()
        for key in keys:
            file.seek(at)
            length = file.read(8)
            if len(length) != 8:
                raise CheckpointError(f"{path}: ends before its last storage; fetch the file again")
            bytes_here = struct.unpack("<Q", length)[0] * DTYPES[storages[key].dtype].itemsize
            blocks[key] = (at + 8, bytes_here, None)
            at += 8 + bytes_here
            if at > size:
                raise CheckpointError(f"{path}: ends before its last storage; fetch the file again")
        if at != size:
            raise CheckpointError(f"{path}: has {size - at} bytes beyond its last storage; fetch the file again")
    return contents, blocks
