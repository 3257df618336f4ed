"""Published models on this machine: fetch one whole, find it, check it against the Hub's checksums, take it away.

What belongs to a model is decided where models are loaded (locate.py): what is fetched here is what is read there.
"""

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, ResourceError
from ..presets import full_name
from . import hub
from .licences import say_licence
from .locate import HUB_ID, PROCESSOR, Source, nowhere, source_from

CHUNK = 2**20
DIGESTS = {64: "sha256", 40: "sha1"}  # hex digits of a checksum -> its kind: of a large file, of a file in git itself


def hub_id(name: str) -> str:
    """The id of a model on the Hub, its owner added where that follows. CheckpointError for what is no such id."""
    repo_id = full_name(name)
    if not HUB_ID.fullmatch(repo_id):
        raise CheckpointError(nowhere(name))
    return repo_id


def cached(name: str, revision: str | None = None) -> Source:
    """The files of a model that is in the cache, all of them. CheckpointError if it is not. Asks no network."""
    repo_id = hub_id(name)

    def get(filename: str) -> Path:
        path = hub.cached_file(repo_id, filename, revision=revision)
        if path is None:
            raise FileNotFoundError(filename)
        return path

    hub.library(repo_id)
    try:
        return source_from(repo_id, get)
    except CheckpointError:
        asked = f"{repo_id} --revision {revision}" if revision else repo_id
        raise CheckpointError(
            f"{repo_id}: not in the cache, or not whole; fetch it with: minidpt models pull {asked}"
        ) from None


def pull(name: str, revision: str | None = None) -> tuple[Source, int]:
    """Download what loading a model reads, and its processor.   -> its files, the bytes that were downloaded for them

    ResourceError, before any weights are downloaded, if they do not fit on the disk; HubError for what goes wrong.
    """
    repo_id, missing = hub_id(name), 0
    say_licence(repo_id)

    def plan(filename: str) -> Path:
        """Small files are fetched, for they tell which the large ones are; of those the size is asked."""
        nonlocal missing
        about = None if filename.endswith(".json") else hub.about_file(repo_id, filename, revision=revision)
        if about is None:
            return hub.fetch(repo_id, filename, revision=revision)
        if not hub.is_downloaded(repo_id, about):
            missing += about.size or 0
        return Path(filename)

    planned = source_from(repo_id, plan)
    _make_sure_of_room(repo_id, missing)
    with contextlib.suppress(FileNotFoundError):
        hub.fetch(repo_id, PROCESSOR, revision=revision)
    weights = tuple(hub.fetch(repo_id, path.name, revision=revision) for path in planned.weights)
    return dataclasses.replace(planned, weights=weights), missing


def _make_sure_of_room(repo_id: str, needed: int) -> None:
    folder = hub.cache_folder(repo_id)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ResourceError(
            f"{repo_id}: needs {needed:,} bytes and {free:,} are free in {folder}; free space or set HF_HOME"
        )


@dataclasses.dataclass(frozen=True)
class Checked:
    """One file of a model.   digest: what was compared, "" if the Hub's checksum is not known   good: None then"""

    file: str
    size: int
    digest: str
    good: bool | None


def checksums(source: Source, revision: str | None = None) -> Iterator[Checked]:
    """Hash a cached model's files, one by one, and compare with the Hub's checksums.

    The cache names each content by its checksum. Where it had to copy instead of link, the Hub is asked.
    """
    folder = source.weights[0].parent
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        file = path.relative_to(folder).as_posix()
        expected = path.resolve().name if path.is_symlink() else _asked(source.name, file, revision)
        digest = DIGESTS.get(len(expected), "") if _is_hex(expected) else ""
        good = None if not digest else _checksum(path, digest) == expected
        yield Checked(file, path.stat().st_size, digest, good)


def _asked(repo_id: str, file: str, revision: str | None) -> str:
    about = hub.about_file(repo_id, file, revision=revision)
    return "" if about is None else about.etag or ""


def _is_hex(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789abcdef")


def _checksum(path: Path, digest: str) -> str:
    """sha256 of the content, or git's sha1, which begins with a line about it."""
    running = hashlib.new(digest)
    if digest == "sha1":
        running.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            running.update(chunk)
    return running.hexdigest()


def remove(name: str, revision: str | None = None) -> tuple[int, int]:
    """Take a model, or one revision of it, out of the cache.   -> how many revisions, how many bytes

    revision: a commit, branch or tag.   CheckpointError if it is not there, or if something of it lies outside the
    cache, where nothing is ever removed; ResourceError if it cannot be removed.
    """
    repo_id = hub_id(name)
    library, errors = hub.library(repo_id)
    try:
        scanned = library.scan_cache_dir()
    except errors.CacheNotFound:
        scanned = None
    repos = scanned.repos if scanned is not None else ()
    repo = next((repo for repo in repos if (repo.repo_type, repo.repo_id) == ("model", repo_id)), None)
    found = [r for r in (repo.revisions if repo else ()) if revision in (None, r.commit_hash, *r.refs)]
    folder = hub.cache_folder(repo_id) / hub.folder_name(repo_id)
    if repo is None and folder.exists():
        raise CheckpointError(f"{repo_id}: {folder} is no sound part of the cache; look at it and remove it by hand")
    if not found:
        raise CheckpointError(f"{repo_id}: not in the cache" + (f" at revision {revision}" if revision else ""))
    # alone, for the library looks for the commits in all models, and forks share commits
    plan = dataclasses.replace(scanned, repos=frozenset({repo})).delete_revisions(*(r.commit_hash for r in found))
    doomed = _paths(plan)
    root = hub.cache_folder(repo_id).resolve()
    for path in doomed:
        if path.is_symlink() or not path.resolve().is_relative_to(root):
            raise CheckpointError(f"{repo_id}: {path} leads out of the cache; nothing was removed")
    plan.execute()
    left = [path for path in doomed if path.exists()]
    if left:
        raise ResourceError(f"{repo_id}: {left[0]} could not be removed; close what uses it and check its permissions")
    return len(found), plan.expected_freed_size


def _paths(plan: Any) -> list[Path]:
    return sorted({*plan.blobs, *plan.refs, *plan.repos, *plan.snapshots})
