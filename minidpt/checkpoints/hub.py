"""The Hugging Face Hub, through its own library (extra `hub`): cached, offline flags and HF_* variables honoured."""

import errno
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import HubError, ResourceError
from ..presets import did_you_mean

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def library(repo_id: str) -> tuple[Any, Any]:
    """huggingface_hub and its errors; HubError, about the model that was asked for, where it is not installed."""
    try:
        return importlib.import_module("huggingface_hub"), importlib.import_module("huggingface_hub.errors")
    except ImportError:
        raise HubError(
            f"{repo_id}: no such folder or file here; to fetch it from the Hub install the extra `hub`: "
            "pip install huggingface_hub"
        ) from None


def fetch(repo_id: str, filename: str, *, revision: str | None = None) -> Path:
    """The local path of one file of a repository, downloaded if it is not in the cache.

    FileNotFoundError if the repository has no such file; HubError for everything else that goes wrong.
    """
    hub, _ = library(repo_id)
    with _told_in_one_line(repo_id, filename, revision):
        return Path(hub.hf_hub_download(repo_id, filename, revision=revision))


def cached_file(repo_id: str, filename: str, *, revision: str | None = None) -> Path | None:
    """The local path of a file that is in the cache, or None. Asks no network."""
    hub, _ = library(repo_id)
    try:
        path = hub.try_to_load_from_cache(repo_id, filename, revision=revision)
    except ValueError:  # no name that the Hub would allow
        return None
    return Path(path) if isinstance(path, str) else None


def about_file(repo_id: str, filename: str, *, revision: str | None = None) -> Any:
    """What the Hub says of a file: its `size` and `etag`, which is its checksum. None if the Hub cannot be asked.

    FileNotFoundError if the repository has no such file; HubError if there is no such repository or revision.
    """
    hub, errors = library(repo_id)
    final = (errors.EntryNotFoundError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError)
    with _told_in_one_line(repo_id, filename, revision):
        try:
            return hub.get_hf_file_metadata(hub.hf_hub_url(repo_id, filename, revision=revision))
        except final:
            raise
        except Exception:  # offline, no network, a server that stumbles: its HTTP client has errors of its own
            return None


def is_downloaded(repo_id: str, about: Any) -> bool:
    """Whether the content that the Hub speaks of is in the cache already, under whatever name."""
    return (cache_folder(repo_id) / folder_name(repo_id) / "blobs" / str(about.etag)).exists()


def cache_folder(repo_id: str) -> Path:
    """Where the Hub's library keeps what it downloads: HF_HUB_CACHE, below HF_HOME unless set."""
    return Path(_constants(repo_id).HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the Hub."""
    return bool(_constants("").HF_HUB_OFFLINE)


def _constants(repo_id: str) -> Any:
    library(repo_id)
    return importlib.import_module("huggingface_hub.constants")


def folder_name(repo_id: str) -> str:
    """The name of a model's folder in the cache."""
    return f"models--{repo_id.replace('/', '--')}"


@contextmanager
def _told_in_one_line(repo_id: str, filename: str, revision: str | None) -> Iterator[None]:
    """Turn the library's errors into ours."""
    hub, errors = library(repo_id)
    try:
        yield
    except errors.RevisionNotFoundError:
        raise HubError(f"{repo_id}: the Hub has no revision {revision!r} of it") from None
    except errors.RepositoryNotFoundError:
        hint = did_you_mean(repo_id)
        raise HubError(f"{repo_id}: the Hub has no such model, or it needs a token (HF_TOKEN){hint}") from None
    except errors.LocalEntryNotFoundError:
        if hub.try_to_load_from_cache(repo_id, filename, revision=revision) is not None:
            raise FileNotFoundError(filename) from None  # the cache remembers that the repository has no such file
        raise HubError(
            f"{repo_id}: {filename} is not in the cache and the Hub cannot be reached; "
            f"check the network and HF_HUB_OFFLINE{did_you_mean(repo_id)}"
        ) from None
    except errors.EntryNotFoundError:
        raise FileNotFoundError(filename) from None
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise ResourceError(f"{repo_id}: {filename} does not fit on the disk; free space or set HF_HOME") from None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubError(f"{repo_id}: {filename} could not be fetched ({reason})") from None
