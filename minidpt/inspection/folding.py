"""What repeats stands on one line: blocks.{0..23} for blocks.0 to blocks.23."""

import re
from collections.abc import Callable, Hashable, Iterable
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")


def starred(name: str) -> str:
    """The name with `*` for each number between dots."""
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name)


def braces(names: Iterable[str]) -> str:
    """One name for several that differ in numbers only: the first and the last of each number that differs."""
    columns = zip(*(name.split(".") for name in names), strict=True)
    return ".".join(_one(list(dict.fromkeys(column))) for column in columns)


def _one(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{{{words[0]}..{words[-1]}}}"


def runs(items: Iterable[T], name: Callable[[T], str], content: Callable[[T], Hashable]) -> list[list[T]]:
    """Neighbours that are equal but for the numbers in their names, put together."""
    return [list(run) for _, run in groupby(items, lambda item: (starred(name(item)), content(item)))]
