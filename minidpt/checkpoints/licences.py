"""The licence of published weights is said before they are used, once in a process."""

import logging
from functools import cache
from pathlib import Path

from ..presets import full_name, licence_note

log = logging.getLogger(__name__)


def say_licence(name: str | Path) -> None:
    """Log a warning if the name is that of a published model whose licence restricts its use; a local path never is."""
    if not Path(name).exists():
        _say(full_name(str(name)))


@cache
def _say(name: str) -> None:
    note = licence_note(name)
    if note is not None:
        log.warning("%s", note)
