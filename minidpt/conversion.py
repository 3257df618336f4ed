"""Any checkpoint that minidpt reads -> a folder in transformers' format."""

from pathlib import Path

from . import checkpoints
from .checkpoints.safetensors_files import SAVED_DTYPES
from .errors import CheckpointError, ConfigError
from .model import open_checkpoint
from .processing import DPTImageProcessor


def convert(source: str | Path, destination: str | Path, dtype: str | None = None) -> str:
    """Write `source` (folder, weights file, Hub id) as config.json, model.safetensors, preprocessor_config.json.

    dtype: "float32" | "float16" | "bfloat16"; None keeps float32.   -> a report of what was read and written
    """
    dtype = dtype or "float32"
    if dtype not in SAVED_DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not one of {', '.join(SAVED_DTYPES)}")
    opened, destination = open_checkpoint(source), Path(destination)
    if destination.exists() and not destination.is_dir():
        raise CheckpointError(f"{destination}: is a file; name the folder to write")
    if any(path.parent.resolve() == destination.resolve() for path in opened.source.weights):
        raise CheckpointError(f"{destination}: is the folder that is read; name another one to write")
    model = opened.model.from_opened(opened)
    model.save_pretrained(destination, dtype=dtype)
    processor = _processor(source)
    if processor is not None:
        processor.save_pretrained(destination)
    report = [
        f"{source}: {model.architecture}, {model.num_parameters:,} parameters, {len(opened.found)} tensors read",
        f"{destination}: {checkpoints.CONFIG}, {checkpoints.WEIGHTS} ({dtype})"
        + ("" if processor is None else f", {checkpoints.PROCESSOR}"),
    ]
    return "\n".join(report)


def _processor(source: str | Path) -> DPTImageProcessor | None:
    """The source's own preprocessing, if it has any."""
    try:
        checkpoints.locate_file(source, checkpoints.PROCESSOR)
    except FileNotFoundError:
        return None
    return DPTImageProcessor.from_pretrained(source)
