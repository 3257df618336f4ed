"""Stage by stage: what a model computed against what a reference says, each stage within its own bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROUNDING = 2e-6  # the reference's own float32 error is counted as at least this share of the stage's largest value
ALLOWED = {"highest": 3, "high": 30}  # precision -> times that error
MANY_ZEROS = 0.5  # a last stage with a larger share of exact zeros was clipped, and hides errors


@dataclass(frozen=True)
class Expected:
    """What a reference says of one stage.

    values: every `step`-th value of the flattened stage, float64 or rounded to float32   shape: the whole stage's,
    channels last   own_error: the largest error of the reference's own float32 pass   largest: the largest |value|
    """

    values: np.ndarray
    shape: tuple[int, ...]
    own_error: float
    largest: float
    step: int = 1

    def bound(self, allowed: float = ALLOWED["highest"]) -> float:
        """The largest error that passes: `allowed` times the reference's own, which counts as ROUNDING at least."""
        return allowed * max(self.own_error, ROUNDING * self.largest)


@dataclass(frozen=True)
class Reference:
    """A model's stages on one input, by minidpt's names.

    pixel_values: (N, C, H, W) float32, or None for the embedded picture through the model's own processor
    about: what computed it, in a line   notes: what it could not cover, a line each
    """

    stages: Mapping[str, Expected]
    pixel_values: np.ndarray | None
    about: str
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """One stage's verdict.   where: the index of the largest error   problem: why there is nothing to compare"""

    stage: str
    error: float
    where: tuple[int, ...]
    bound: float
    own_error: float
    largest: float
    problem: str = field(default="", kw_only=True)

    @property
    def share(self) -> float:
        """The error as a share of the bound; at most 1 passes."""
        if self.error == 0:
            return 0.0
        return self.error / self.bound if self.bound > 0 else float("inf")

    @property
    def passed(self) -> bool:
        return not self.problem and self.error <= self.bound


def compare(
    tape: Mapping[str, np.ndarray], stages: Mapping[str, Expected], allowed: float = ALLOWED["highest"]
) -> list[Row]:
    """A row for every stage of the reference, in the order in which the tape was filled: that of the data flow."""
    order = [name for name in tape if name in stages] + [name for name in stages if name not in tape]
    return [_row(name, tape.get(name), stages[name], allowed) for name in order]


def _row(name: str, x: np.ndarray | None, expected: Expected, allowed: float) -> Row:
    facts = expected.bound(allowed), expected.own_error, expected.largest
    if x is None:
        return Row(name, float("inf"), (), *facts, problem="minidpt computes no such stage")
    if x.shape != expected.shape:
        return Row(name, float("inf"), (), *facts, problem=f"shape {x.shape}, expected {expected.shape}")
    ours = x.reshape(-1)[:: expected.step]
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf
        error = np.abs(ours - expected.values)
    error = np.where(np.isnan(error), np.inf, error)
    worst = int(error.argmax())
    where = tuple(int(i) for i in np.unravel_index(worst * expected.step, x.shape))
    return Row(name, float(error[worst]), where, *facts)


def bound_in_words(allowed: float) -> str:
    """What `Expected.bound` is."""
    own = "the reference's own float32 error"
    return f"{allowed:g} times {own}, which counts as at least {ROUNDING:g} of the stage's largest value"


def uncovered(tape: Mapping[str, np.ndarray], stages: Mapping[str, Expected]) -> list[str]:
    """The stages that minidpt recorded and the reference does not have, numbers written as a star."""
    starred = (".".join("*" if part.isdigit() else part for part in name.split(".")) for name in tape)
    known = {".".join("*" if part.isdigit() else part for part in name.split(".")) for name in stages}
    return [name for name in dict.fromkeys(starred) if name not in known and name != "pixel_values"]


def clipped(stages: Mapping[str, Expected]) -> float:
    """The share of exact zeros in the last stage, where its final ReLU may hide errors."""
    last = list(stages.values())[-1].values
    return float(np.mean(last == 0))


# ---------------------------------------------------------------- what is said about it


@dataclass(frozen=True)
class Report:
    """A comparison's outcome, for people and for programs.

    model, against, subject, bound: what was compared with what, on which input, within what; a few words each
    """

    model: str
    against: str
    subject: str
    rows: Sequence[Row]
    bound: str
    notes: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def worst(self) -> Row:
        """The stage nearest to its bound, or farthest beyond it."""
        return max(self.rows, key=lambda row: (bool(row.problem), row.share))

    def text(self) -> str:
        """The table, stage by stage, and the verdict."""
        width = max(len(row.stage) for row in self.rows)
        lines = [
            f"{self.model} against {self.against}",
            f"input  {self.subject}",
            f"bound  {self.bound}",
            "",
            f"{'stage':<{width}}{'largest':>10}{'error':>10}{'of bound':>10}  where",
        ]
        lines += [f"{row.stage:<{width}}{self._numbers(row)}" for row in self.rows]
        lines.append("")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, self.verdict()])

    @staticmethod
    def _numbers(row: Row) -> str:
        if row.problem:
            return f"{row.largest:>10.3g}{'':>20}  FAIL: {row.problem}"
        return f"{row.largest:>10.3g}{row.error:>10.2g}{row.share:>10.2f}  {row.where}{'' if row.passed else '  FAIL'}"

    def verdict(self) -> str:
        """One line: passed and how near, or failed and where first."""
        count, worst = len(self.rows), self.worst
        what = "1 stage" if count == 1 else f"{count} stages"
        if self.passed:
            return f"passed: {what} within the bound; nearest to it: {worst.stage}, {worst.share:.2f} of it"
        failed = [row for row in self.rows if not row.passed]
        first = failed[0]
        why = first.problem or f"error {first.error:.3g} at {first.where}, bound {first.bound:.3g}"
        return f"FAILED: {len(failed)} of {what}; the first in the data flow is {first.stage}: {why}"

    def to_json(self) -> dict[str, Any]:
        """The same as plain values; what is not finite is null."""
        return {
            "model": self.model,
            "against": self.against,
            "input": self.subject,
            "passed": self.passed,
            "bound": self.bound,
            "worst": self.worst.stage,
            "notes": list(self.notes),
            "stages": [
                {
                    "stage": row.stage,
                    "error": _finite(row.error),
                    "where": list(row.where),
                    "bound": row.bound,
                    "share": _finite(row.share),
                    "own_error": row.own_error,
                    "largest": row.largest,
                    "passed": row.passed,
                    "problem": row.problem,
                }
                for row in self.rows
            ],
        }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
