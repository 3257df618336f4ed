"""Any checkpoint that minidpt reads -> a folder in transformers' format, one tensor at a time, and a report."""

import hashlib
from pathlib import Path
from typing import Any

from . import __version__, checkpoints, params
from .checkpoints.originals import Original
from .checkpoints.safetensors_files import SAVED_DTYPES
from .errors import CheckpointError, ConfigError
from .model import PreTrainedModel
from .pretrained import Opened, open_checkpoint
from .processing import DPTImageProcessor

HASHED_AT_ONCE = 1 << 20
RESIZED_OTHERWISE = (
    "pictures are resized by Pillow here and by OpenCV, which does not smooth what it shrinks, in the original code"
)


def convert(
    source: str | Path,
    destination: str | Path,
    dtype: str | None = None,
    *,
    encoder: str | Path | None = None,
    kind: str | None = None,
    max_depth: float | None = None,
) -> str:
    """Write `source` (folder, weights file, Hub id) as config.json, model.safetensors, preprocessor_config.json.

    dtype: "float32" | "float16" | "bfloat16"; None keeps float32.   encoder: the encoder's file, for a head of DINOv2
    kind, max_depth: what no weights tell: "relative", "nyu", "kitti" of isl-org's models; "v1", "v2", "hypersim",
    "vkitti", and a largest depth in metres, of Depth Anything's.   -> a report of what was read, ignored and written
    """
    dtype = dtype or "float32"
    if dtype not in SAVED_DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not one of {', '.join(SAVED_DTYPES)}")
    opened = open_checkpoint(source, encoder=encoder, kind=kind, max_depth=max_depth)
    destination = Path(destination)
    if destination.exists() and not destination.is_dir():
        raise CheckpointError(f"{destination}: is a file; name the folder to write")
    if any(path.parent.resolve() == destination.resolve() for path in opened.source.weights):
        raise CheckpointError(f"{destination}: is the folder that is read; name another one to write")
    model = opened.model
    tensors = model.on_disk(opened)
    processor = _processor(source, opened.original)
    config_json = opened.config.to_json(architectures=[model.architecture], dtype=dtype)
    checkpoints.save(destination, tensors, model.disk_name(opened.config), config_json, dtype, _about(opened))
    if processor is not None:
        processor.save_pretrained(destination)
    return "\n".join(_report(opened, tensors, model, f"{source}", f"{destination}", dtype, processor is not None))


def _processor(source: str | Path, original: Original | None) -> DPTImageProcessor | None:
    """The source's own preprocessing, if it has any."""
    if original is not None:
        return DPTImageProcessor(**original.processor)
    try:
        checkpoints.locate_file(source, checkpoints.PROCESSOR)
    except FileNotFoundError:
        return None
    return DPTImageProcessor.from_pretrained(source)


def _about(opened: Opened) -> dict[str, str]:
    """Where the numbers come from, for the metadata of the written file."""
    files = opened.source.weights
    return {
        "source_file": ", ".join(path.name for path in files),
        "source_sha256": ", ".join(sha256(path) for path in files),
        "converted_by": f"minidpt {__version__}",
    }


def sha256(path: Path) -> str:
    """The file's SHA-256, read piece by piece."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(HASHED_AT_ONCE):
                digest.update(piece)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from None
    return digest.hexdigest()


def _report(
    opened: Opened,
    tensors: checkpoints.OnDisk,
    model: type[PreTrainedModel],
    source: str,
    destination: str,
    dtype: str,
    processor: bool,
) -> list[str]:
    """What was used, passed over, filled in and written, a line each."""
    config: Any = opened.config
    table = model.tensors(config)
    count = params.count(t for t in table if t.name in tensors.shapes)
    used = len(tensors) - len(tensors.absent)
    original = opened.original
    kind = "" if original is None else f", {original.family}"
    lines = [f"{source}: {model.architecture}{kind}, {count:,} parameters, {used} tensors used"]
    if original is not None:
        reasons: dict[str, list[str]] = {}
        for name, reason in original.ignored.items():
            reasons.setdefault(reason, []).append(name)
        lines += [f"ignored   {_few(names)}: {reason}" for reason, names in reasons.items()]
    unused = {t.name: t.unused for t in table}
    rename = model.disk_name(config)
    gaps: dict[str, list[str]] = {}
    for name in tensors.absent:
        gaps.setdefault(unused[name], []).append(rename(name))
    lines += [f"missing   {_few(names)}: filled with zeros; {reason}" for reason, names in gaps.items()]
    if original is not None:
        remarks = [*original.remarks, *([RESIZED_OTHERWISE] if original.processor.get("do_resize", True) else [])]
        lines += [f"note      {remark}" for remark in remarks]
    written = [checkpoints.CONFIG, f"{checkpoints.WEIGHTS} ({dtype})", *([checkpoints.PROCESSOR] if processor else [])]
    return [*lines, f"{destination}: {', '.join(written)}"]


def _few(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
