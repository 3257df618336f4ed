"""What kind of weights file it is, by its first bytes and never by its name."""

import codecs
from pathlib import Path

from ..errors import CheckpointError
from . import safetensors_files, torch_files
from .entries import Entry, reading

FIRST_BYTES = 512
TAR_MAGIC = slice(257, 262)
OTHER_FORMATS = {
    b"version https://git-lfs": "a Git LFS pointer, not the weights: fetch the real file with `git lfs pull`",
    b"<": "a web page, not weights; was a login page downloaded?",
    b"{": "a JSON file, not weights",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"BZh": "a bzip2 archive; unpack it first",
    b"\xfd7zXZ": "an xz archive; unpack it first",
    b"PK\x05\x06": "an empty zip file",
    b"\x93NUMPY": "a NumPy array, not named weights",
    b"\x89HDF": "an HDF5 file, which Keras writes; minidpt reads safetensors and what torch.save wrote",
    b"GGUF": "a GGUF file; minidpt reads safetensors and what torch.save wrote",
    b"\x80": "a pickle, but not torch's; minidpt reads safetensors and what torch.save wrote",
}


def index(path: Path) -> dict[str, Entry]:
    """What a weights file holds: name -> Entry. CheckpointError if it is none that minidpt reads."""
    with reading(path), path.open("rb") as file:
        start = file.read(FIRST_BYTES)
    if start[8:9] == b"{":  # behind the header's length
        return safetensors_files.index(path)
    if start.startswith(torch_files.ZIP_MAGIC) or torch_files.LEGACY_MAGIC in start[:32]:
        return torch_files.index(path)
    if start[TAR_MAGIC] == b"ustar":
        raise CheckpointError(f"{path}: a tar archive, as torch before 0.1.11 wrote; save it again with a later torch")
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for magic, what in OTHER_FORMATS.items():
        if start.startswith(magic) or text.startswith(magic):
            raise CheckpointError(f"{path}: {what}")
    raise CheckpointError(f"{path}: neither a safetensors file nor one that torch.save wrote")
