"""The licence of published weights is said before they are used, once in a process."""

import logging
from functools import cache
from pathlib import Path

from ..presets import full_name, licence_note

log = logging.getLogger(__name__)


def say_licence(name: str | Path) -> None:
    """Log a warning if the name is that of a published model whose licence restricts its use.

    A local file is taken for what its name says, as originals are known by their files' names; a folder is not.
    """
    path = Path(name)
    if path.is_file():
        _say(path.name)
    elif not path.exists():
        _say(full_name(str(name)))


@cache
def _say(name: str) -> None:
    note = licence_note(name)
    if note is not None:
        log.warning("%s", note)
