"""From what a user names (folder, file, embedded model, Hub id) to the files to read."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from ..errors import CheckpointError
from ..presets import EMBEDDED, did_you_mean, full_name, preset
from ..schema import read_json
from . import hub

CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
TORCH_WEIGHTS = "pytorch_model.bin"
HEAD = "head.safetensors"  # in a folder without other weights: another head for the model in the folder above
INDEX = ".index.json"  # behind the name of the weights where they lie in shards
LONE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SHARD = re.compile(r"(?!\.)[\w.-]+")
MAX_SHARDS = 1_000


@dataclass(frozen=True)
class Source:
    """A model's files.   config is None where a lone weights file has none beside it.

    A last file of weights named HEAD takes the place of the head in those before it.
    """

    name: str
    config: Path | None
    weights: tuple[Path, ...]


def locate(name: str | Path, *, revision: str | None = None) -> Source:
    """Find a model's config and weights. CheckpointError or HubError if there is no such model."""
    path = _path(name)
    if (path / HEAD).is_file() and not (path / WEIGHTS).is_file():
        above = locate(path.resolve().parent)
        return replace(above, name=str(name), config=path / CONFIG, weights=(*above.weights, path / HEAD))
    if not path.is_file():
        return source_from(str(name), _getter(name, path, revision))
    if path.suffix.lower() not in LONE_SUFFIXES:
        raise CheckpointError(
            f"{path}: not a weights file ({' '.join(LONE_SUFFIXES)}); a model is a folder, a weights file or a Hub id"
        )
    config = path.with_name(CONFIG)
    return Source(str(name), config if config.is_file() else None, (path,))


def with_head(name: str | Path, task: str) -> str | Path:
    """The name of a model's folder for another task, dpt-mini/segmentation for example; its own if it has none."""
    return f"{name}/{task}" if (_path(name) / task / CONFIG).is_file() else name


def locate_file(name: str | Path, filename: str, *, revision: str | None = None) -> Path:
    """One file of a model by the same rules, e.g. its preprocessor_config.json. FileNotFoundError if it has none."""
    path = _path(name)
    return path if path.is_file() and path.name == filename else _getter(name, path, revision)(filename)


def _path(name: str | Path) -> Path:
    """Where the name would be on this machine: the embedded models lie in the package."""
    path = Path(name)
    embedded = str(name) in EMBEDDED and not path.exists()
    return Path(str(files("minidpt") / "assets" / str(name))) if embedded else path


def _getter(name: str | Path, path: Path, revision: str | None) -> Callable[[str], Path]:
    """The function from a file's name to its path: in the folder, beside the lone file, or from the Hub."""
    if path.is_dir() or path.is_file():
        folder = path if path.is_dir() else path.parent
        return lambda filename: _in_folder(folder, filename)
    repo_id = full_name(str(name))
    if HUB_ID.fullmatch(repo_id):
        return lambda filename: hub.fetch(repo_id, filename, revision=revision)
    raise CheckpointError(nowhere(str(name)))


def nowhere(name: str) -> str:
    """What to tell about a name that is neither here nor on the Hub."""
    row = preset(name)
    if row is None:
        return f"{name}: no such folder or file, and not a Hub id (owner/name){did_you_mean(name)}"
    if "release" not in row:
        return f"{name}: no weights of it were ever published; its config alone is known"
    twin = f", or use {row['twin']}, the same weights" if "twin" in row else ""
    return f"{name}: no such file here; get it from {row['release']} and give its path{twin}"


def _in_folder(folder: Path, filename: str) -> Path:
    if not (folder / filename).is_file():
        raise FileNotFoundError(filename)
    return folder / filename


def source_from(name: str, get: Callable[[str], Path]) -> Source:
    """A model's files, each as `get(its name)` gives it.   get: raises FileNotFoundError for one that is absent"""
    try:
        config = get(CONFIG)
    except FileNotFoundError:
        raise CheckpointError(f"{name}: has no {CONFIG}, so it is no model in transformers' format") from None
    for whole in (WEIGHTS, TORCH_WEIGHTS):  # safetensors wherever there are any
        weights = _whole_or_shards(name, whole, get)
        if weights:
            return Source(name, config, weights)
    raise CheckpointError(
        f"{name}: has neither {WEIGHTS} nor {TORCH_WEIGHTS}, whole or in shards, nor {HEAD} for the model above it"
    )


def _whole_or_shards(name: str, whole: str, get: Callable[[str], Path]) -> tuple[Path, ...]:
    """The weights' file, or the files that its index names, or none if it has neither."""
    try:
        return (get(whole),)
    except FileNotFoundError:
        pass
    try:
        shards = shard_names(get(whole + INDEX), Path(whole).suffix)
    except FileNotFoundError:
        return ()
    try:
        return tuple(get(shard) for shard in shards)
    except FileNotFoundError as missing:
        raise CheckpointError(f"{name}: has no {missing} named in its index") from None


def shard_names(index: Path, suffix: str) -> list[str]:
    """The files that a sharded model's index names: plain names in the same folder, nothing else."""
    content = read_json(index)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise CheckpointError(f"{index}: has no weight_map of tensor name: file name")
    shards = sorted(set(weight_map.values()))
    for shard in shards:
        if not SHARD.fullmatch(shard) or not shard.endswith(suffix):
            raise CheckpointError(f"{index}: {shard!r} is not a plain {suffix} file name")
    if not 0 < len(shards) <= MAX_SHARDS:
        raise CheckpointError(f"{index}: names {len(shards)} files; expected 1 to {MAX_SHARDS}")
    return shards
