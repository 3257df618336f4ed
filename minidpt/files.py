"""Writing files so that they are either complete or, after any failure, as they were before."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import ResourceError


def publish(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let `write(temporary path)` make the file, then give it its name in one step. Its folder is made when absent.

    Raises ResourceError, one line that names the file, when it cannot be written (disk full, no permission, ...).
    """
    path = Path(path)
    unfinished = path.parent / f".minidpt-{secrets.token_hex(8)}.part"  # short: path.name may fill all 255 bytes
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(unfinished)
        os.replace(unfinished, path)
    except BaseException as error:  # also an interrupt
        with suppress(OSError):  # it may never have come to be
            unfinished.unlink()
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise ResourceError(f"{path}: cannot be written: {reason}; free space or choose another folder") from error
        raise
    return path


def publish_bytes(path: str | os.PathLike[str], content: bytes) -> Path:
    """`publish` for content that is already in memory."""
    return publish(path, lambda unfinished: unfinished.write_bytes(content))
