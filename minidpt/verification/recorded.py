"""A reference in a file, so that a machine without torch can check later. Safetensors, format "minidpt reference 1":

    pixel_values     (N, C, H, W); absent where the input is the embedded picture through the model's own processor
    stage:NAME       every step-th value of the flattened stage, float64 rounded to float32 (6e-8 of a value, a
                     hundredth of the smallest bound)
    weight:NAME      only in the project's own tests: the weights themselves, so that they need no other file

The metadata tell each stage's shape, step, own float32 error and largest value, the model, the sha256 of its weights,
versions and command.
"""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..checkpoints.safetensors_files import index, write
from ..errors import CheckpointError, one_line
from ..pretrained import PreTrainedModel
from ..schema import unique_keys
from .comparison import Expected, Reference

FORMAT = "minidpt reference 1"
DEFAULT_BYTES = 45_000_000  # of all stages together, unless the caller says how much to keep
MAX_VALUES = 1 << 40  # of one stage: far beyond any model, low enough for exact integers
MAX_VALUE = 1e38  # float32's range
MAX_DIMS = 8
HOW = "a reference is made by: minidpt verify MODEL --save FILE"

Facts = tuple[tuple[int, ...], int, float, float]  # a stage's shape, step, own error, largest value


@dataclass(frozen=True)
class Recorded:
    """A file's contents.   about: its metadata, all texts   weights: empty but in the project's own tests"""

    reference: Reference
    about: Mapping[str, str]
    weights: Mapping[str, np.ndarray]


def weights_digest(model: PreTrainedModel) -> str:
    """sha256 over the names on disk, shapes and float32 values of every tensor that the forward pass reads.

    Independent of files: shards, order and the stored type (if float32 holds it exactly) do not change it.
    """
    digest, rename = hashlib.sha256(), model.disk_name(model.config)
    for name, t in sorted((rename(t.name), t) for t in model.table if not t.unused):
        digest.update(f"{name} {list(t.shape)}\n".encode())
        digest.update(np.ascontiguousarray(model.weights[t.name], "<f4").data)
    return digest.hexdigest()


# ---------------------------------------------------------------- thinning


def step_for(values: int, room: int = DEFAULT_BYTES) -> int:
    """The smallest step, 1 or a prime, that keeps `values` float32 numbers within `room` bytes.

    A step that divides the number of channels would see the same few channels of every pixel; a prime does not.
    """
    step = max(1, math.ceil(values * 4 / room))
    while step > 3 and any(step % factor == 0 for factor in range(2, math.isqrt(step) + 1)):
        step += 1
    return step


def thinned(reference: Reference, step: int | None = None) -> Reference:
    """Keep every step-th value of every stage; None keeps as many as fit the default size."""
    step = step or step_for(sum(math.prod(expected.shape) for expected in reference.stages.values()))
    stages = {
        name: Expected(e.values[::step], e.shape, e.own_error, e.largest, e.step * step)
        for name, e in reference.stages.items()
    }
    return Reference(stages, reference.pixel_values, reference.about, reference.notes)


# ---------------------------------------------------------------- files


def save(
    path: str | Path,
    reference: Reference,
    *,
    model: str,
    digest: str,
    command: str,
    weights: Mapping[str, np.ndarray] | None = None,
    more: Mapping[str, str] | None = None,
) -> int:
    """Write a reference, thinned or not. -> the file's size in bytes

    model: its name   digest: `weights_digest`   weights, more: further tensors and texts, for tests
    """
    stages = reference.stages
    arrays = {f"stage:{name}": np.asarray(e.values, np.float32) for name, e in stages.items()}
    if reference.pixel_values is not None:
        arrays["pixel_values"] = reference.pixel_values
    arrays |= {f"weight:{name}": value for name, value in (weights or {}).items()}
    about = {
        **(more or {}),
        "format": FORMAT,
        "model": model,
        "weights_sha256": digest,
        "source": reference.about,
        "notes": json.dumps(list(reference.notes)),
        "stages": json.dumps({name: [list(e.shape), e.step, e.own_error, e.largest] for name, e in stages.items()}),
        "versions": json.dumps({"minidpt": __version__, "numpy": np.__version__, "python": platform.python_version()}),
        "command": command,
    }
    write(Path(path), arrays, "float32", about=about)
    return Path(path).stat().st_size


def read(path: str | Path) -> Recorded:
    """Read and check a reference. CheckpointError, one line, for anything that is not a sound one."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; {HOW}")
    entries = index(path)
    about = metadata(path)
    if about.get("format") != FORMAT:
        raise CheckpointError(f"{path}: its format is {about.get('format')!r:.40}, not {FORMAT!r}; {HOW}")
    try:
        stages, notes = parse(about)
        check({name: entry.shape for name, entry in entries.items()}, stages)
        arrays = {name: entry.read() for name, entry in entries.items()}
        for name, x in arrays.items():
            if not np.isfinite(x).all():
                raise ValueError(f"{name} holds NaN or infinity")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else one_line(error)
        raise CheckpointError(f"{path}: not a sound reference: {reason}; {HOW}") from None
    expected = {
        name: Expected(arrays[f"stage:{name}"], shape, own_error, largest, step)
        for name, (shape, step, own_error, largest) in stages.items()
    }
    weights = {name.removeprefix("weight:"): x for name, x in arrays.items() if name.startswith("weight:")}
    return Recorded(Reference(expected, arrays.get("pixel_values"), about["source"], notes), about, weights)


def may_be_replaced(path: str | Path) -> bool:
    """Whether a new reference may take this name: nothing is there, or an older reference."""
    path = Path(path)
    try:
        return not path.exists() or (bool(index(path)) and metadata(path).get("format") == FORMAT)
    except CheckpointError:
        return False


def metadata(path: Path) -> dict[str, str]:
    """The texts in the header of a file that `index` found sound."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read ({one_line(error)})") from None


def parse(about: Mapping[str, str]) -> tuple[dict[str, Facts], list[str]]:
    """The metadata's stages and notes. KeyError, TypeError or ValueError for what is not there or not so."""
    for key in ("model", "weights_sha256", "source", "versions", "command"):
        about[key]
    notes, rows = json.loads(about["notes"]), json.loads(about["stages"], object_pairs_hook=unique_keys)
    if not isinstance(notes, list) or not isinstance(rows, dict) or not rows:
        raise ValueError("its metadata list no stages")
    return {name: facts(name, row) for name, row in rows.items()}, [str(note) for note in notes]


def facts(name: str, row: Any) -> Facts:
    """One stage's (shape, step, own error, largest value), checked."""
    shape, step, own_error, largest = row
    whole = isinstance(shape, list) and len(shape) <= MAX_DIMS and all(type(n) is int for n in (*shape, step))
    if not whole or not all(0 < n < MAX_VALUES for n in (*shape, step)) or math.prod(shape) >= MAX_VALUES:
        raise ValueError(f"{name} has shape {shape} and step {step}")
    if not all(type(value) in (int, float) and 0 <= value < MAX_VALUE for value in (own_error, largest)):
        raise ValueError(f"{name} has own error {own_error} and largest value {largest}")
    return tuple(shape), step, float(own_error), float(largest)


def check(found: Mapping[str, tuple[int, ...]], stages: Mapping[str, Facts]) -> None:
    """ValueError unless the file's tensors are those that its metadata tell of.   found: name -> shape"""
    expected = {f"stage:{name}": (-(-math.prod(shape) // step),) for name, (shape, step, _, _) in stages.items()}
    for name, shape in expected.items():
        if found.get(name) != shape:
            raise ValueError(f"{name} has shape {found.get(name)}, and should have {shape}")
    strange = [name for name in found if name not in (*expected, "pixel_values") and not name.startswith("weight:")]
    if strange:
        raise ValueError(f"{strange[0]} belongs to nothing")
    if len(found.get("pixel_values", (1, 1, 1, 1))) != 4:
        raise ValueError(f"pixel_values has shape {found['pixel_values']}, and should have (N, C, H, W)")


def refuse_other_weights(name: str, model: PreTrainedModel, recorded: Recorded) -> None:
    """CheckpointError if a reference was recorded with other weights."""
    ours, theirs = weights_digest(model), recorded.about["weights_sha256"]
    if ours != theirs:
        raise CheckpointError(
            f"{name}: its weights (sha256 {ours[:12]}) are not those of the reference ({theirs:.12}, recorded of "
            f"{recorded.about['model']:.60}); record a new one with --save or name the right model"
        )
