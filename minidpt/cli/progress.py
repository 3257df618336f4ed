"""Why the first run takes longer: a line on stderr while kernels are compiled."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator

from .report import note

PATIENCE = 1.0  # seconds of compiling before it is mentioned where stderr is no terminal


class KernelProgress(logging.Handler):
    """Shows what the kernels' logger says: on a terminal one line that comes and goes, elsewhere one note."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._began: float | None = None
        self._shown = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno != logging.INFO:
            return  # a warning, which becomes a note of its own
        number, total = getattr(record, "number", None), getattr(record, "total", None)
        if sys.stderr.isatty():
            self._show(f"compiling kernels (once) {number}/{total} ..." if number else "")
            return
        self._began = self._began or time.perf_counter()
        if not self._shown and time.perf_counter() - self._began > PATIENCE:
            self._shown = "compiling kernels (once)"
            note(self._shown)

    def _show(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"\r{text:<{len(self._shown)}}" if text else f"\r{' ' * len(self._shown)}\r")
            sys.stderr.flush()
        self._shown = text

    def close(self) -> None:
        if self._shown and sys.stderr.isatty():
            self._show("")
        super().close()


@contextlib.contextmanager
def kernels_shown() -> Iterator[None]:
    logger, handler = logging.getLogger("minidpt.kernels"), KernelProgress()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
