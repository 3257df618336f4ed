"""Results as Markdown, and where README keeps them."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError
from ..files import publish_bytes
from . import engines
from .contest import Result

BFLOAT16 = ("medium", "bfloat16")  # what is held against the fastest bfloat16 peer, too
PEERS_HEAD = (
    "model", "engine", "precision", "seconds", "/ fastest float32 peer", "/ fastest bfloat16 peer", "error",
    "peak MB", "cold start s",
)  # fmt: skip


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells are text already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def peers_rows(name: str, results: Sequence[Result]) -> list[list[str]]:
    """A row for each contender that ran; the fastest of each kind of peer is what the ratios are to."""
    ran = [result for result in results if not result.failure]
    float32, bfloat16 = fastest_peer(ran, "float32"), fastest_peer(ran, "bfloat16")
    rows = []
    for result in ran:
        contender, median = result.contender, result.median
        rows.append(
            [
                name,
                engines.FULL_NAMES[contender.engine],
                contender.precision,
                number(median, ".3f"),
                ratio(median, float32),
                ratio(median, bfloat16) if contender.precision in BFLOAT16 else "",
                number(result.error, ".1e"),
                number(result.peak and result.peak / 1e6, ".0f"),
                number(sorted(result.cold)[len(result.cold) // 2] if result.cold else None, ".2f"),
            ]
        )
    return rows


def fastest_peer(results: Sequence[Result], precision: str) -> float | None:
    """The median of the fastest other engine at this precision; None if none ran."""
    times = [r.median for r in results if r.contender.precision == precision and r.median is not None]
    return min(times, default=None)


def number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def ratio(value: float | None, to: float | None) -> str:
    return "" if value is None or to is None else f"{value / to:.2f}"


def replace_between(path: Path, marker: str, text: str) -> None:
    """Put text between <!-- marker --> and <!-- /marker --> of a file.   ConfigError where they are not there once"""
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    old = path.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise ConfigError(f"{path.name}: expected {begin.strip()} and then {end}, each once")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    publish_bytes(path, pattern.sub(lambda _: f"{begin}{text.strip()}\n{end}", old).encode())
