"""What a command prints: results on stdout, notes and errors on stderr, each on one line."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class UsageError(Exception):
    """The command line itself asks for something impossible; the message says what to write instead."""


def say(text: str, *, end: str = "\n", file: TextIO | None = None) -> bool:
    """Print to stdout. False once nobody reads it any more (`minidpt ... | head`), which is no error."""
    stream = sys.stdout if file is None else file
    try:
        print(text, end=end, file=stream, flush=True)
    except BrokenPipeError:
        silence(stream)
        return False
    return True


def say_json(record: dict[str, Any]) -> bool:
    """Print one JSON object on one line of stdout; as `say`."""
    return say(json.dumps(record, allow_nan=False))


def note(text: str) -> None:
    """One line on stderr that is worth knowing and stops nothing."""
    _to_stderr(f"note: {printable(text)}")


@contextlib.contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Let what the package logs as a warning appear as a note."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: note(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("minidpt")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def fail(text: str) -> None:
    """One line on stderr about what failed."""
    _to_stderr(f"error: {printable(text)}")


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and undecodable bytes of a file name are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def write_anything(*streams: TextIO) -> None:
    """Let streams of a narrow encoding (LANG=C) escape what they cannot write, rather than fail."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Point a stream whose reader has gone at nothing, so that Python's own flush at the end says nothing either."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def _to_stderr(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
