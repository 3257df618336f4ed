"""The Hugging Face Hub, through its own library (extra `hub`): cached, offline flags and HF_* variables honoured."""

import importlib
from pathlib import Path

from ..errors import HubError


def fetch(repo_id: str, filename: str, *, revision: str | None = None) -> Path:
    """The local path of one file of a repository, downloaded if it is not in the cache.

    FileNotFoundError if the repository has no such file; HubError for everything else that goes wrong.
    """
    try:
        hub = importlib.import_module("huggingface_hub")
        errors = importlib.import_module("huggingface_hub.errors")
    except ImportError:
        raise HubError(
            f"{repo_id}: no such folder or file here; to fetch it from the Hub install the extra `hub`: "
            "pip install huggingface_hub"
        ) from None
    try:
        return Path(hub.hf_hub_download(repo_id, filename, revision=revision))
    except errors.RevisionNotFoundError:
        raise HubError(f"{repo_id}: the Hub has no revision {revision!r} of it") from None
    except errors.RepositoryNotFoundError:
        raise HubError(f"{repo_id}: the Hub has no such model, or it needs a token (HF_TOKEN)") from None
    except errors.LocalEntryNotFoundError:
        if hub.try_to_load_from_cache(repo_id, filename, revision=revision) is not None:
            raise FileNotFoundError(filename) from None  # the cache remembers that the repository has no such file
        raise HubError(
            f"{repo_id}: {filename} is not in the cache and the Hub cannot be reached; "
            "check the network and HF_HUB_OFFLINE"
        ) from None
    except errors.EntryNotFoundError:
        raise FileNotFoundError(filename) from None
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubError(f"{repo_id}: {filename} could not be fetched ({reason})") from None
