"""The gates: what dpt-mini has to reach on photographs before it is called more than a demonstration.

AbsRel        with a measured depth at most two thirds of the fitted plane's: three free numbers are not what is to be
              learnt, and the plane has seen the truth
correlation   with a large model's stored answer above 0.9: that model knows cats, the height in the picture does not
order         rank correlation with either, before any fit, above 0: near and far are never swapped

One more gate is for eyes, see sheet.py: objects are visible as objects.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from . import metrics
from .evaluate import Predict, Sample, predictor, read_pair, stretch

SHARE_OF_PLANE = 2 / 3
CORRELATION = 0.9
HEAD = ["| gate | picture | dpt-mini | without a network | limit | passed |", "| --- | --- | --- | --- | --- | --- |"]
Reference = tuple[str, np.ndarray, np.ndarray]  # name, rgb (H, W, 3), another model's relative inverse depth (S, S)


@dataclass(frozen=True)
class Gate:
    """One row of the table."""

    what: str
    picture: str
    value: float
    without: str  # what the same number is without a network
    relation: str  # of the value to the limit: "at most" or "above"
    limit: float

    @property
    def passed(self) -> bool:
        return self.value <= self.limit if self.relation == "at most" else self.value > self.limit


def read_reference(photo: Path, stored: Path) -> Reference:
    """A photograph and another model's answer to it, squeezed to a square: raw float32 without a header."""
    rgb, answer = np.asarray(Image.open(photo).convert("RGB")), np.fromfile(stored, np.float32)
    side = math.isqrt(answer.size)
    if side * side != answer.size or side == 0:
        raise ValueError(f"{stored}: expected a square of float32 numbers, got {answer.size} of them")
    return photo.stem, rgb, answer.reshape(side, side)


def pair_gates(predict: Predict, sample: Sample) -> list[Gate]:
    """AbsRel and order on a photograph with measured depth."""
    name, rgb, inverse, seen = sample
    own, beside = metrics.score(stretch(predict(rgb), *inverse.shape), inverse, seen), metrics.baselines(inverse, seen)
    plane, vertical = beside["plane"].abs_rel, beside["vertical"].rank
    return [
        Gate("AbsRel", name, own.abs_rel, f"plane {plane:.3f}", "at most", SHARE_OF_PLANE * plane),
        Gate("order", name, own.rank, f"height {vertical:+.3f}", "above", 0.0),
    ]


def reference_gates(predict: Predict, reference: Reference) -> list[Gate]:
    """Correlation and order beside a large model's answer."""
    name, rgb, answer = reference
    own, y = stretch(predict(rgb), *answer.shape), np.mgrid[0.0 : len(answer), 0 : len(answer)][0]
    rules = (("correlation", metrics.correlation, CORRELATION), ("order", metrics.rank_correlation, 0.0))
    gates = []
    for what, compare, limit in rules:
        height = compare(y.ravel(), answer.ravel())
        gates.append(Gate(what, name, compare(own.ravel(), answer.ravel()), f"height {height:+.3f}", "above", limit))
    return gates


def format_gates(gates: list[Gate]) -> list[str]:
    """The lines of a Markdown table."""
    rows = []
    for g in gates:
        limit, passed = f"{g.relation} {g.limit:.3g}", "yes" if g.passed else "no"
        rows.append(f"| {g.what} | {g.picture} | {g.value:.3f} | {g.without} | {limit} | {passed} |")
    return [*HEAD, *rows]


def write_gates(path: Path, gates: list[Gate]) -> None:
    path.write_text(json.dumps([asdict(gate) | {"passed": gate.passed} for gate in gates], indent=1) + "\n")


def read_gates(path: Path) -> list[Gate]:
    """What write_gates wrote; whether a gate is passed is computed anew."""
    return [Gate(**{name: row[name] for name in row if name != "passed"}) for row in json.loads(path.read_text())]


def gates_of_folder(
    model: Path, pairs: list[list[Path]], references: list[list[Path]], json_path: Path | None = None
) -> list[Gate]:
    """Print, write and return the gates of a saved folder."""
    predict = predictor(model)
    gates = [gate for pair in pairs for gate in pair_gates(predict, read_pair(*pair))]
    gates += [gate for files in references for gate in reference_gates(predict, read_reference(*files))]
    print("\n".join(format_gates(gates)))
    if json_path:
        write_gates(json_path, gates)
    return gates
