"""The text of `minidpt inspect --tree`: every tensor, our name beside transformers', repeated parts folded."""

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

from .. import params
from ..params import Tensor
from .folding import braces, runs
from .subject import subject

NAME_COLUMNS = 30  # a deeper or longer name pushes its own line
INDENT = "  "


def tensor_tree(name: str | Path, revision: str | None = None) -> str:
    """One line per tensor, or per run of tensors alike: name, shape, kind, name in transformers' files.

    Inner lines give the parameters below them, of all that they stand for.
    """
    this = subject(name, revision=revision)
    head = f"{'name in memory':<{NAME_COLUMNS}}{'shape':<20}{'kind':<19}transformers' name"
    lines = [f"{this.name}: {this.kind}", f"{params.count(this.table):,} parameters", "", head]
    lines += branches(this.table, this.model.disk_name(this.config))
    reasons = dict.fromkeys(t.unused for t in this.table if t.unused)
    lines += ["", *(f"(unused) {reason}" for reason in reasons)] if reasons else []
    return "\n".join(lines)


def branches(table: Iterable[Tensor], disk_name: Callable[[str], str]) -> list[str]:
    """The lines below the heading."""
    return list(_lines(_level((t.name.split("."), t) for t in table), disk_name, ""))


Level = dict[str, Any]  # a name's part -> the level below it, or the tensors that a leaf stands for


def _level(named: Iterable[tuple[list[str], Tensor]]) -> Level:
    """Nested by the parts of the names, neighbours alike put together."""
    inner: dict[str, list[tuple[list[str], Tensor]]] = {}
    for (first, *rest), tensor in named:
        inner.setdefault(first, []).append((rest, tensor))
    level = {}
    for run in runs(inner.items(), lambda item: f".{item[0]}", lambda item: _signature(item[1])):
        below = [entry for _, entries in run for entry in entries]
        leaves = [tensor for rest, tensor in below if not rest]
        level[braces(first for first, _ in run)] = leaves or _level(below)
    return level


def _signature(entries: list[tuple[list[str], Tensor]]) -> Hashable:
    return tuple((*rest, t.shape, t.kind, t.unused) for rest, t in entries)


def _lines(level: Level, disk_name: Callable[[str], str], indent: str) -> Iterable[str]:
    for name, below in level.items():
        while isinstance(below, dict) and len(below) == 1:
            ((only, below),) = below.items()
            name = f"{name}.{only}"
        label = f"{indent}{name} "
        if isinstance(below, list):
            first = below[0]
            shape, kind = " x ".join(map(str, first.shape)), first.kind + (" (unused)" if first.unused else "")
            yield f"{label:<{NAME_COLUMNS}}{shape:<20}{kind:<19}{braces(disk_name(t.name) for t in below)}"
        else:
            yield f"{label:<{NAME_COLUMNS}}{params.count(_tensors(below)):,}"
            yield from _lines(below, disk_name, indent + INDENT)


def _tensors(level: Level) -> Iterable[Tensor]:
    for below in level.values():
        yield from below if isinstance(below, list) else _tensors(below)
