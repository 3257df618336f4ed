"""Files -> named float32 arrays that fit a model's table of tensors, and back.

locate.py               what a user names -> files (embedded, folder, file, Hub)
hub.py                  the Hugging Face Hub
formats.py              a file -> its format, by its first bytes
entries.py              where one tensor lies in a file, and reading it
on_disk.py              a checked model whose tensors are read when asked for
safetensors_files.py    .safetensors: check, read, write
torch_files.py          what torch.save wrote: zip_records.py, pickle_machine.py, torch_records.py
transformers_names.py   names in memory <-> names on disk
originals/              the names and configs of checkpoints as their authors published them
config_files.py         configs by name, from the same places
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .. import params
from ..errors import CheckpointError
from ..files import publish_bytes
from ..params import Named, Tensor
from .entries import Entry
from .formats import index
from .locate import CONFIG, HEAD, PROCESSOR, WEIGHTS, Source, locate, locate_file, with_head
from .on_disk import OnDisk
from .safetensors_files import write
from .transformers_names import current_name, reason_to_ignore

__all__ = [
    "CONFIG",
    "HEAD",
    "PROCESSOR",
    "WEIGHTS",
    "Entry",
    "OnDisk",
    "Source",
    "contents",
    "index",
    "load",
    "locate",
    "locate_file",
    "save",
    "with_head",
]


def contents(source: Source) -> dict[str, Entry]:
    """Every tensor in a model's files, by its name on disk."""
    found: dict[str, Entry] = {}
    for path in source.weights:
        if path.name == HEAD:
            found = {name: entry for name, entry in found.items() if not name.startswith("head.")}
        for name, entry in index(path).items():
            if name in found:
                raise CheckpointError(f"{source.name}: {name} is in {found[name].path.name} and in {path.name}")
            found[name] = entry
    return found


def load(
    found: Mapping[str, Entry],
    table: Sequence[Tensor],
    rename: Callable[[str], str],
    source: str,
    *,
    also_ignored: str | None = None,
) -> OnDisk:
    """The table's tensors, checked strictly: nothing missing, nothing unexpected, shapes equal; numbers when read.

    Two leniences, both by name: tensors in a file that no inference reads are passed over (transformers_names.IGNORED),
    and tensors of the table that the forward pass never reads may be absent and are then zero.
    also_ignored: a pattern of further names to pass over.
    """
    missing = {rename(t.name) for t in table} - found.keys()
    kept = {
        current_name(name, missing): entry
        for name, entry in found.items()
        if reason_to_ignore(name, table) is None and not (also_ignored and re.fullmatch(also_ignored, name))
    }
    present = [t for t in table if not t.unused or rename(t.name) in kept]
    params.check(present, {name: entry.shape for name, entry in kept.items()}, source, rename)
    entries = {t.name: (rename(t.name), kept[rename(t.name)]) for t in present}
    return OnDisk({t.name: t.shape for t in table}, entries, source)


def save(
    folder: Path,
    named: Named,
    rename: Callable[[str], str],
    config_json: str,
    dtype: str,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write model.safetensors and config.json, each under a temporary name first.   about: further metadata"""
    write(folder / WEIGHTS, named, dtype, rename, about)
    publish_bytes(folder / CONFIG, config_json.encode())
