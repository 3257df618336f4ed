"""Original names -> transformers' names on disk, entry by entry: nothing is read here and nothing unknown is dropped.

A table maps the start of a name to its counterpart; a star stands for a number, and .weight, .bias and the like follow
unchanged. A tuple of counterparts splits the rows into as many equal parts: a fused qkv becomes three tensors.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import CheckpointError
from ...params import MAX_NAMES_SHOWN

Shapes = Mapping[str, tuple[int, ...]]  # what a description is made from: names and shapes, no numbers
Target = str | tuple[str, ...]
NUMBER = r"(\d{1,4})"
LEAF = r"(\.(?:weight|bias|running_mean|running_var))?"


@dataclass(frozen=True)
class Hints:
    """What weights do not tell.   file: their name as the publisher chose it   kind, max_depth: the user's word"""

    file: str = ""
    kind: str | None = None
    max_depth: float | None = None

    def says(self, *words: str) -> str | None:
        """The first of the words that the user said or, without one, that the file's name holds."""
        if self.kind is not None:
            return self.kind if self.kind in words else None
        return next((word for word in words if word in self.file.lower()), None)


@dataclass(frozen=True)
class Described:
    """What a family's file says of a checkpoint, from names and shapes alone.

    config, processor: the contents of config.json and preprocessor_config.json   table: the names of its tensors
    ignored: starts of names -> why they are passed over   remarks: what a user should know of the result
    """

    config: dict[str, Any]
    processor: dict[str, Any]
    table: Mapping[str, Target]
    ignored: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


def translate(found: Mapping[str, Any], said: Described, source: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The entries under transformers' names, and the names passed over with their reasons.

    CheckpointError lists the names that no row knows, and the one that means the same tensor as another.
    """
    rows = [(_pattern(stem, LEAF), target) for stem, target in said.table.items()]
    reasons = [(_pattern(stem, r"(\..*)?"), reason) for stem, reason in said.ignored.items()]
    reasons += [(re.compile(r".*\.num_batches_tracked"), "a counter of training steps")]
    renamed: dict[str, Any] = {}
    ignored: dict[str, str] = {}
    unknown = []
    for name, entry in found.items():
        reason = next((reason for pattern, reason in reasons if pattern.fullmatch(name)), None)
        row = next(((match, to) for pattern, to in rows if (match := pattern.fullmatch(name))), None)
        if reason is not None:
            ignored[name] = reason
        elif row is None:
            unknown.append(name)
        else:
            for new, part in _parts(entry, *row, f"{source}: {name}"):
                if new in renamed:
                    raise CheckpointError(f"{source}: {name} means {new}, which another name means too")
                renamed[new] = part
    if unknown:
        more = f", ... ({len(unknown)} in all)" if len(unknown) > MAX_NAMES_SHOWN else ""
        names = ", ".join(sorted(unknown)[:MAX_NAMES_SHOWN])
        raise CheckpointError(f"{source}: holds tensors that this kind of file should not have: {names}{more}")
    return renamed, ignored


def _pattern(stem: str, end: str) -> re.Pattern[str]:
    return re.compile(re.escape(stem).replace(r"\*", NUMBER) + end)


def _parts(entry: Any, match: re.Match[str], target: Target, name: str) -> Iterator[tuple[str, Any]]:
    """(new name, entry or the part of its rows)"""
    *numbers, leaf = match.groups()
    stems = (target,) if isinstance(target, str) else target
    rows = entry.shape[0] if entry.shape else 1
    if rows % len(stems):
        raise CheckpointError(f"{name}: {tuple(entry.shape)} does not split into {len(stems)} equal parts")
    step = rows // len(stems)
    for i, stem in enumerate(stems):
        new = stem
        for number in numbers:
            new = new.replace("*", number, 1)
        new += leaf or ""
        yield new, entry if len(stems) == 1 else entry.rows(i * step, (i + 1) * step)


# ---- reading a description off names and shapes


def count(shapes: Shapes, stem: str) -> int:
    """How many numbers stand at the star of `stem`, from 0 on without gaps."""
    pattern = _pattern(stem, r"(?:\..*)?")
    numbers = {int(match[1]) for name in shapes if (match := pattern.fullmatch(name))}
    if numbers != set(range(len(numbers))):
        raise CheckpointError(f"the numbers in {stem} have gaps")
    return len(numbers)


def root(n: int, what: str) -> int:
    """The side of a square of n."""
    side = round(max(n, 0) ** 0.5)
    if side * side != n or side < 1:
        raise CheckpointError(f"{what}: {n} is not the number of cells of a square")
    return side


def shape(shapes: Shapes, name: str, axes: int) -> tuple[int, ...]:
    """The shape of a tensor that the family's files must have, with that many axes."""
    if name not in shapes:
        raise CheckpointError(f"has no {name}, from which its config is read")
    if len(shapes[name]) != axes or 0 in shapes[name]:
        raise CheckpointError(f"{name} has the shape {tuple(shapes[name])}; expected {axes} axes, none of them empty")
    return tuple(shapes[name])
